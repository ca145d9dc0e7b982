"The parts of the canvas that need no page, in Node: colours, coordinates, thresholds, words, and what came from Python."
import io
import json
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from wsss_nb.canvas import STATIC, pack, parse_key
from wsss_nb.growing import grow
from wsss_nb.images import resize
from wsss_nb.layers import counted
from wsss_nb.saliency import refine
from wsss_nb.seeds import foreground_score, initial_seed

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="no node here (Debian: apt-get install nodejs)")
NAMES = "colors arrays words terms maps paint paint_keys store layers elements pointer pane pin play take view kernel"
TYPED = "uint8: Uint8Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array, float64: Float64Array"
ANSWER = """import readline from "node:readline";
const typed = { %s };
const array = (a) => ({ ...a, data: typed[a.dtype].from(a.data) });
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { expression, given } = JSON.parse(line);
  const has = Object.fromEntries(Object.entries(given).map(([k, a]) => [k, array(a)]));
  let said;
  try { said = { value: eval(expression) }; } catch (e) { said = { error: e.stack }; }
  console.log(JSON.stringify(said));
}
""" % TYPED


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    "One Node for all tests, which answers a line with a line: it takes seconds to start."
    folder = tmp_path_factory.mktemp("canvas")
    shutil.copytree(STATIC/"canvas", folder, dirs_exist_ok=True)
    (folder/"package.json").write_text('{"type": "module"}')
    imports = "".join(f'import * as {n} from "./{n}.js";\n' for n in NAMES.split())
    (folder/"ask.js").write_text(imports + ANSWER)
    with subprocess.Popen(["node", "ask.js"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        yield p
        p.stdin.close()


@pytest.fixture
def node(process):
    def run(expression, **arrays):
        "What a JavaScript expression over all modules gives; `has` holds the arrays given here."
        def as_json(k, a): return dict(data=np.ravel(a).tolist(), shape=np.shape(a), dtype=pack(k, np.asarray(a))[0]["dtype"])
        given = {k: as_json(k, a) for k, a in arrays.items()}
        process.stdin.write(json.dumps(dict(expression=expression, given=given)) + "\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        assert "error" not in said, said["error"]
        return said["value"]
    return run


def test_colors(node):
    assert node('colors.hex("#0072b2")') == [0, 0x72, 0xB2]
    assert node("[...colors.GREY.slice(0, 3), ...colors.GREY.slice(3*51, 3*52), ...colors.GREY.slice(-3)]") == [0]*3 + [51]*3 + [255]*3
    assert len(set(map(tuple, node("[...Array(50).keys()].map(colors.golden)")))) == 50


@pytest.mark.parametrize("hw", [(3, 4), (6, 8), (7, 5), (2, 9)])
def test_a_map_at_the_pictures_size_is_the_librarys_resize(node, hw):
    L = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert node(f"[...arrays.full(has.L, {hw[0]}, {hw[1]})]", L=L) == resize(L, hw, "nearest").ravel().tolist()


def test_edges_by_hand(node):
    "Pixels beside another label to the right or below, and the lower of the labels."
    assert node("(e => [[...e.at], [...e.low]])(arrays.edges(has.L.data, 2, 2))", L=np.uint8([[1, 1], [1, 3]])) == [[1, 2], [1, 1]]


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.85])
def test_the_seed_is_the_librarys(node, alpha):
    rng = np.random.default_rng(0)
    M, sp, present = rng.random((3, 8, 9)).astype(np.float32), np.arange(72).reshape(8, 9)//6, np.array([True, False, True])
    bg = foreground_score(M, sp, present).argmin()
    got = node(f"[...maps.OPS.seed(has, {{ alpha: {alpha} }}).data]", M=M[present], classes=[1, 3], sp=sp, bg=[bg])
    assert got == initial_seed(M, sp, present, alpha).ravel().tolist()


def test_growing_is_the_librarys(node):
    rng = np.random.default_rng(1)
    H, sp, present = rng.random((3, 8, 9)).astype(np.float32), np.arange(72).reshape(8, 9)//6, np.array([True, True])
    H /= H.sum(0)
    seed = np.where(rng.random((8, 9)) < .2, 1, 255).astype(np.uint8)
    grown = """(() => { const { H, sp, seed, classes } = has, s = maps.OPS.scores({ H, sp, seed });
        const choice = maps.OPS.choice({ s, classes }, { beta_bg: .36, beta_fg: .38 }); return [...maps.OPS.grow({ seed, sp, choice }).data]; })()"""
    assert node(grown, H=H, sp=sp, seed=seed, classes=[0, 1, 2]) == grow(seed, H, sp, present, .36, .38).ravel().tolist()


def test_refinement_is_the_librarys(node):
    O, B = np.uint8([[0, 0, 1, 1, 255]]), np.float32([[.9, .5, .2, .5, .9]])
    assert node("[...maps.OPS.refine(has, { tau1: .8, tau2: .3 }).data]", O=O, B=B) == refine(O, B, .8, .3).ravel().tolist() == [1, 0, 255, 1, 255]
    assert node("[...maps.OPS.threshold(has, { alpha: .5 }).data]", S=np.float32([[-1, .5, .6]])) == [255, 0, 1]


def test_words(node):
    assert node("[words.say(3), words.say(3, true), words.say(-.5), words.say(1234), words.say(-.0001), words.say('boat')]") == ["3", "3.000", "−0.500", "1,234", "0.000", "boat"]
    assert node("['iou0', 'other_ue', 'count'].map(k => words.RATIO.test(k))") == [True, True, False]


@pytest.mark.parametrize("n,noun,said", [(1, "patch", "1 patch"), (2, "patch", "2 patches"),
                                         (0, "superpixel", "0 superpixels"), (1200, "piece", "1,200 pieces")])
def test_one_is_not_called_many(node, n, noun, said):
    assert node(f"words.count({n}, '{noun}')") == said == counted(n, noun).replace("1200", "1,200")


def test_a_setting_is_said_as_its_slider_says_it(node):
    assert node("words.fill('α = {alpha} · {n superpixel} · {unknown} · ASA {asa}', { alpha: .5, n: 1, asa: 1 })") == "α = 0.50 · 1 superpixel · ASA 1.000"
    assert node("words.fill('τ = {tau}', { tau: -.25 })") == "τ = −0.25"


def test_terms_are_found_as_words_and_once(node):
    """A letter of a word and a letter with an index are no terms; capitals do not matter in words of several letters."""
    assert node("terms.pieces('UE 0.3 · BR 0.4 · UE')") == ["", "UE", " 0.3 · ", "BR", " 0.4 · UE"]
    assert node("terms.pieces('Initial seed, z(S): 1, lines at τ₁, SEEDS, amaze')") == ["Initial ", "seed", ", ", "z", "(S): 1, lines at τ₁, SEEDS, amaze"]
    assert node("terms.pieces('Coverage of <b>α</b>').join('')") == "Coverage of <b>α</b>" and node("terms.pieces('')") == [""]


def test_the_difference_of_labels_by_hand(node):
    """Same, same without a label, gained, lost, another class; what stands for no label can be 0."""
    then, now = np.uint8([[1, 255, 255, 2, 1]]), np.uint8([[1, 255, 0, 255, 2]])
    found = node("(d => [[...d.data], d.meta, d.shares])(pin.difference({ kind: 'labels' }, has.then, has.now, 1, 5))", then=then, now=now)
    assert found == [[0, 0, 1, 2, 3], dict(changed="60.0"), ["20.0"]*3]
    assert node("[...pin.difference({ kind: 'labels', none: 0 }, has.then, has.now, 1, 3).data]", then=np.uint8([[0, 1, 1]]), now=np.uint8([[1, 0, 2]])) == [1, 2, 3]


def test_the_difference_of_superpixels_by_hand(node):
    """A grid of two patches against pixels: 1 a border of now alone, 2 of the pinned alone, 3 of both."""
    then, now = np.uint8([[0, 1]]), np.uint8([[0, 0, 1, 1], [2, 2, 1, 1]])
    found = node("(d => [[...d.data], d.meta, d.shares])(pin.difference({ kind: 'superpixels' }, has.then, has.now, 2, 4))", then=then, now=now)
    assert found == [[1, 3, 0, 0, 0, 3, 0, 0], dict(changed="37.5", now=3, then=2), ["33.3", "0.0", "66.7"]]
    one = node("pin.difference({ kind: 'superpixels' }, has.L, has.L, 1, 2).shares", L=np.uint8([[0, 0]]))
    assert one == ["0.0"]*3, "without any border there is no share of one"


def test_steps_are_counted_from_where_the_canvas_says(node):
    """At the end of the steps the next is the first; a layer's option `step` is the place in the list."""
    run = """(() => { const s = { step: 4, steps: 4, first: 1 };
      const model = { get: k => s[k], set(k, v) { s[k] = v }, save_changes() {} };
      const place = arrays.of(model, "step"), seen = []; for (let i = 0; i < 4; i++) { play.step(model, 1); seen.push(s.step); }
      play.step(model, -1); return [place, seen, s.step] })()"""
    assert node(run) == [3, [1, 2, 3, 4], 3]


@pytest.mark.parametrize("ordered,colors", [("true", [255, 31]), ("false", [90, 90])])
def test_only_what_was_discovered_is_painted_in_that_order(node, ordered, colors):
    paint = f"""(() => {{ const px = new Uint8ClampedArray(8).fill(90), model = {{ get: k => ({{ fill: 3, lines: false }})[k] }};
      layers.LAYERS.superpixels(px, has.L, 1, 2, {{ fill: "fill", lines: "lines", ordered: {ordered} }}, model); return [px[0], px[4]] }})()"""
    assert node(paint, L=np.uint8([[0, 1]])) == colors


STORE = """(() => {{ const sent = [], state = {{ tau: .3, order: 0, crf: true, derived: {{}} }}, model = {{ on() {{}}, get: k => state[k], send: m => sent.push(m.key ?? m) }};
  const s = new store.Store(model), bytes = (T, v) => {{ const b = new Uint8Array(8 + 8*v.length), a = T.from(v); b.set(new Uint8Array(a.buffer), 3); return new DataView(b.buffer, 3, a.byteLength); }};
  {} }})()"""


def test_keys_are_those_that_python_reads(node):
    key = node(STORE.format('return s.key("sp|tau,order,crf~")'))
    assert key == "sp|tau=0.3|order=0|crf=1" and parse_key(key) == ("sp", dict(tau=.3, order=0, crf=1))
    assert node(STORE.format('return s.key("sp|tau,order,crf~", true)')) == "sp|tau=0.3|order=0|crf=0"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_arrays_are_read_wherever_they_lie_in_a_buffer(node, dtype):
    receive = f's.receive({{ type: "array", key: "a", version: 1, shape: [3], dtype: "{dtype}" }}, [bytes(typed.{dtype}, [1, 0, 200])]); const a = s.get("a"); return [a.shape, a.dtype, [...a.data]]'
    assert node(STORE.format(receive)) == [[3], dtype, [1, 0, 200]]


def test_one_question_at_a_time_and_no_old_answer(node):
    asked = """s.get("sp|tau"); s.get("sp|tau"); state.tau = .4; s.get("sp|tau");
      const first = [...sent];
      s.receive({ type: "fresh", names: { sp: 2 } }); s.get("sp|tau");
      s.receive({ type: "array", key: "sp|tau=0.4", version: 1, shape: [1], dtype: "uint8" }, [bytes(Uint8Array, [7])]);
      return [first, sent.slice(1), s.get("sp|tau") ?? null]"""
    assert node(STORE.format(asked)) == [["sp|tau=0.3"], ["sp|tau=0.4"], None]


@pytest.mark.parametrize("x, y, r", [(4, 3, 0), (4, 3, 2), (0, 0, 3), (8, 6, 40), (-2, 3, 3)])
def test_a_brush_touches_the_pixels_within_its_radius(node, x, y, r):
    H, W = 7, 9
    v, u = np.mgrid[:H, :W]
    want = np.where((u - x)**2 + (v - y)**2 <= r*r, 2, 255)
    got = node(f"(() => {{ const e = has.e.data; paint.disc(e, {H}, {W}, {x}, {y}, {r}, 2); return [...e] }})()", e=np.full((H, W), 255, np.uint8))
    assert got == want.ravel().tolist()


def test_a_fast_pointer_leaves_no_gaps(node):
    assert node("paint.between([0, 0], [3, 1])") == [[1, 0], [2, 1], [3, 1]] and node("paint.between([2, 2], [2, 2])") == [[2, 2]]
    way = [[0, 0], *node("paint.between([0, 0], [37, -90])")]
    assert way[-1] == [37, -90] and all(max(abs(a - c), abs(b - d)) == 1 for (a, b), (c, d) in zip(way, way[1:]))


def test_what_was_corrected_is_planted(node):
    got = node("(p => [[...p.planted], [...p.edits]])(paint.planted(has.e.data, has.p.data))", e=np.uint8([255, 0, 2, 255]), p=np.uint8([1, 1, 255, 255]))
    assert got == [[1, 0, 2, 255], [255]*4]


def test_the_cursor_of_the_keyboard_stays_in_the_picture(node):
    for way, at in (([1, 0], [8, 3]), ([-1, 0], [0, 3]), ([0, 1], [4, 6]), ([0, -1], [4, 0])):
        assert node(f"paint_keys.moved({{x: 4, y: 3}}, {way}, 50, 9, 7)") == at
    assert node("paint_keys.moved({x: 4, y: 3}, [1, 0], 1, 9, 7)") == [5, 3]


def test_overlap_is_the_iou_of_the_confusion_matrix(node):
    from wsss_nb.metrics import ConfusionMatrix
    rng = np.random.default_rng(0)
    pred, gt = rng.integers(0, 3, (20, 30)).astype(np.uint8), rng.choice([0, 1, 3, 255], (20, 30)).astype(np.uint8)
    cm = ConfusionMatrix(5)
    cm.update(pred, gt)
    got = node("(o => [o.meta.miou, o.stats.names, o.stats.series[0].values])(maps.OPS.overlap({L: has.L, gt: has.gt}, {}, {get: () => ['bg', 'a', 'b', 'c', 'd']}))", L=pred, gt=gt)
    assert got[0] == pytest.approx(cm.miou()) and got[1] == ["bg", "a", "b", "c"] and got[2] == pytest.approx(cm.iou()[:4].tolist())


def test_a_correction_lies_over_a_map(node):
    got = node("[...maps.OPS.with({L: has.L, given: has.g}).data]", L=np.uint8([1, 0, 255]), g=np.uint8([255, 2, 0]))
    assert got == [1, 2, 0]


def test_chunks_of_a_png(node):
    "The check sum is that of the standard's example; Pillow reads resolution and settings."
    assert node("take.crc(new TextEncoder().encode('123456789'))") == 0xCBF43926
    out = io.BytesIO()
    Image.new("RGB", (2, 1), (9, 8, 7)).save(out, "PNG")
    parts = node("take.annotated(has.png.data, { name: 'Bär <script>' }).map((p) => [...p])", png=np.frombuffer(out.getvalue(), np.uint8))
    im = Image.open(io.BytesIO(bytes(b for p in parts for b in p)))
    assert im.getpixel((1, 0)) == (9, 8, 7) and im.info["dpi"] == pytest.approx((300, 300), abs=.01)
    assert json.loads(im.text["wsss_nb"]) == dict(name="Bär <script>")


@pytest.mark.parametrize("text,lines", [("aa bb c", ["aa", "bb c"]), ("", []), ("abcdefghij k", ["abcd", "efgh", "ij k"]), ("a", ["a"])])
def test_words_are_wrapped(node, text, lines):
    assert node(f"take.wrap({json.dumps(text)}, 4, (t) => t.length)") == lines


PAGE = """take.pageOf([{ title: "one", caption: "a b", w: 4, h: 3 }, { title: "two " + "x".repeat(90), caption: "", w: 4, h: 3 }],
  [{ name: "cat", color: "#ff0000" }, { name: "unlabeled", color: "repeating-linear-gradient(…)" }], (text, how) => text.length * how.size / 2)"""


def test_panes_stand_beside_each_other_on_the_page(node):
    page = node(PAGE)
    a, b = (o for o in page["items"] if o["kind"] == "picture")
    assert page["width"] == 2008 and a["x"] == 0 and b["x"] + b["w"] == 2008 and a["y"] == b["y"] and a["h"] == a["w"]*3/4
    texts = [o for o in page["items"] if o["kind"] == "text"]
    assert len([o for o in texts if set(o["text"]) <= set("two x") and o["x"] == b["x"]]) > 1, "a long title takes several lines"
    assert all(o["y"] < a["y"] for o in texts if o["bold"]) and all(o["y"] > a["y"] + a["h"] for o in texts if not o["bold"])
    assert max(o["y"] for o in texts) < page["height"] and [o["color"] for o in page["items"] if o["kind"] == "key"] == ["#ff0000", ""]


def test_an_svg_holds_names_as_text(node):
    name = "<script>alert(1)</script> & \"x\""
    page = "{ width: 2008, height: 1004, items: [{ kind: 'text', text: %s, x: 1, y: 2, size: 9, color: '#000000' }, { kind: 'picture', index: 0, x: 0, y: 0, w: 2008, h: 1004 }] }" % json.dumps(name)
    text = node(f"take.svg({page}, [{{ href: 'data:image/png;base64,AA', rings: [[1, 1, '#00e5ff']], w: 4 }}], {{ picture: {json.dumps(name)} }})")
    assert "<script" not in text
    root = ElementTree.fromstring(text.encode())
    ns = "{http://www.w3.org/2000/svg}"
    assert root.get("width") == "170mm" and root.get("height") == "85.00mm" and root.find(f"{ns}text").text == name
    assert json.loads(root.find(f"{ns}metadata").text) == dict(picture=name)
    assert root.find(f"{ns}image").get("style") == "image-rendering: pixelated" and [c.get("cx") for c in root.findall(f"{ns}circle")] == ["502", "502"]
