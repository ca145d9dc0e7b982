"What is taken along from an explorer in a real browser: the picture for print as PNG and SVG, the maps as a ZIP, the command to be copied; first without a server, then in JupyterLab and on the page."
import base64
import io
import json
from contextlib import contextmanager
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy as np
import pytest
from canvas_page import on_a_page
from PIL import Image

from wsss_nb.canvas import Canvas
from wsss_nb.explore import TauExplorer
from wsss_nb.images import resize
from wsss_nb.masks_of_ids import read_labels
from wsss_nb.panel import Explorer

SVG = "{http://www.w3.org/2000/svg}"
ROW = """async (state) => {
  const { default: widget } = await import("/take_along.js"), ears = [];
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/take_along.css" }));
  const tell = (name, ...a) => ears.filter(([n]) => n === name).forEach(([, f]) => f(...a));
  const model = { get: (k) => state[k], set(k, v) { state[k] = v; tell("change:" + k); }, on: (names, f) => names.split(" ").forEach((n) => ears.push([n, f])), off() {},
    save_changes: () => toRow(JSON.stringify({ unfolded: state.unfolded })), send: (msg) => toRow(JSON.stringify(msg)) };
  window.row = model; window.fromRow = (msg, b) => tell("msg:custom", msg, b.map((s) => new DataView(Uint8Array.from(atob(s), (c) => c.charCodeAt(0)).buffer)));
  widget.render({ model, el: document.body.appendChild(document.createElement("div")) });
}"""


def add_row(e, p):
    "Put the row of an explorer below its canvas, with Python behind it."
    def heard(text):
        msg = json.loads(text)
        if "type" not in msg: return e.take.set_trait("unfolded", msg["unfolded"])
        e.take._receive(None, msg, [])
    def tell(msg, buffers=()): p.page.evaluate("([m, b]) => { setTimeout(() => fromRow(m, b)) }", [msg, [base64.b64encode(b).decode() for b in buffers]])
    p.page.expose_function("toRow", heard)
    e.take.send = tell
    names = ["unfolded", "text", "words", "run", "settings"]
    p.page.evaluate(ROW, {k: getattr(e.take, k) for k in names})
    e.take.observe(lambda change: p.page.evaluate("([k, v]) => { setTimeout(() => row.set(k, v)) }", [change["name"], change["new"]]), names[1:])


@contextmanager
def with_row(browser, e, **how):
    with on_a_page(browser, e, **how) as (e, p):
        add_row(e, p)
        yield e, p


def download(page, button):
    with page.expect_download() as d: page.get_by_role("button", name=button).click()
    return d.value.suggested_filename, d.value.path().read_bytes()


@pytest.fixture(scope="module")
def taken(browser):
    "(explorer, page, PNG, SVG) of superpixels in a dark theme, a pixel clicked."
    with with_row(browser, TauExplorer(tau=.4)) as (e, p):
        p.page.evaluate("document.documentElement.style.cssText = '--jp-layout-color1: #111; --jp-content-font-color1: #eee'")
        p.page.mouse.click(*p.at(40, 100))
        p.page.get_by_text("take along").click()
        p.page.wait_for_function("row.get('text')")
        p.settle()
        yield e, p, download(p.page, "picture as PNG"), download(p.page, "picture as SVG")


def embedded(root):
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(o.get("{http://www.w3.org/1999/xlink}href").split(",")[1]))).convert("RGB")) for o in root.iter(f"{SVG}image")]


def test_the_svg_holds_what_is_shown(taken):
    e, p, _, (name, raw) = taken
    root = ElementTree.fromstring(raw)
    assert name == "scene-house.svg" and root.get("width") == "170mm"
    texts = " ".join(o.text for o in root.iter(f"{SVG}text"))
    for shown in p.page.locator(".wsss-title").all_inner_texts() + p.page.locator(".wsss-caption").all_inner_texts():
        assert set(shown.split()) <= set(texts.split())
    pictures, L = embedded(root), resize(e.group.labels(.4), (160, 160), "nearest")
    edge = np.zeros(L.shape, bool)
    edge[:, :-1] |= L[:, :-1] != L[:, 1:]
    edge[:-1] |= L[:-1] != L[1:]
    assert [o.shape for o in pictures] == [(160, 160, 3)]*3
    np.testing.assert_array_equal(pictures[0], np.where(edge[..., None], (255, 230, 0), e.photo.image))
    first, *_ = root.iter(f"{SVG}image")
    k, x, y = (float(first.get(n)) for n in ("width", "x", "y"))
    rings = {(round((float(o.get("cx")) - x)*160/k, 1), round((float(o.get("cy")) - y)*160/k, 1)) for o in list(root.iter(f"{SVG}circle"))[:2]}
    assert rings == {(40.5, 100.5)}, "the clicked pixel is marked"


def test_the_png_is_for_print(taken):
    e, p, (name, raw), (_, svg) = taken
    im, root = Image.open(io.BytesIO(raw)), ElementTree.fromstring(svg)
    assert name == "scene-house.png" and im.width == 2008 and im.info["dpi"] == pytest.approx((300, 300), abs=.01)
    a, pictures = np.asarray(im.convert("RGB")), embedded(root)
    assert (a[0, 0] == 255).all() and (a[-1, -1] == 255).all() and (a.reshape(-1, 3).sum(1) == 0).any(), "black on white, whatever the theme"
    for o, small in zip(root.iter(f"{SVG}image"), pictures):
        x, y, w, h = (float(o.get(k)) for k in ("x", "y", "width", "height"))
        for row, col in [(3, 3), (17, 140), (155, 60), (80, 111)]:
            np.testing.assert_array_equal(a[round(y + (row + .5)*h/160), round(x + (col + .5)*w/160)], small[row, col])


def test_settings_are_in_both_files(taken):
    e, p, (_, png), (_, svg) = taken
    a = json.loads(Image.open(io.BytesIO(png)).text["wsss_nb"])
    b = json.loads(ElementTree.fromstring(svg).find(f"{SVG}metadata").text)
    assert a == b and a["explorer"] == "TauExplorer" and a["picture"] == "scene-house" and a["canvas"]["tau"] == .4 and a["command"] == e.command().text


def test_the_command_follows_while_the_row_is_open(taken):
    e, p, *_ = taken
    field = p.page.locator(".wsss-take textarea").first
    assert field.input_value() == e.command().text and "--tau 0.4 " in field.input_value()
    e.canvas.tau = .55
    p.page.wait_for_function("document.querySelector('.wsss-take textarea').value.includes('--tau 0.55 ')")
    e.take.unfolded = False
    e.canvas.tau = .6
    assert "--tau 0.55 " in e.take.text, "folded: nothing is worked out"
    e.canvas.tau, e.take.unfolded = .4, True


def test_maps_come_as_a_zip(taken):
    e, p, *_ = taken
    name, raw = download(p.page, "maps as ZIP")
    z = ZipFile(io.BytesIO(raw))
    assert name == "scene-house.zip" and "again.sh" in z.namelist()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(z.read("superpixels/scene-house.png")))), e.group.pixels(.4, crf=False))


def test_names_are_text_and_a_zoomed_pane_is_cut(browser):
    name = "<script>alert(1)</script> & 'x'"
    c = Canvas(panes=[dict(title=name, caption="", layers=[dict(type="image", map="image")])], legend=[dict(name=name, color="#ff0000")])
    I = np.arange(20*30*3).reshape(20, 30, 3).astype(np.uint8)
    c.put("image", I)
    e = Explorer(c, pictures={name: lambda: I})
    with with_row(browser, e) as (e, p):
        p.page.get_by_text("take along").click()
        p.page.wait_for_function("document.querySelector('.wsss-take-words').textContent.startsWith('No command')")
        assert not p.page.locator(".wsss-take textarea:visible").count()
        whole = ElementTree.fromstring(download(p.page, "picture as SVG")[1])
        np.testing.assert_array_equal(embedded(whole)[0], I)
        assert [o.text for o in whole.iter(f"{SVG}text")] == [name, name]
        p.page.locator(".wsss-picture").focus()
        for _ in range(2): p.page.keyboard.press("+")
        part = embedded(ElementTree.fromstring(download(p.page, "picture as SVG")[1]))[0]
        h, w = part.shape[:2]
        assert (h, w) == (9, 14) and any((I[y:y+h, x:x+w] == part).all() for y in range(20 - h) for x in range(30 - w))


def test_what_is_pinned_is_on_the_picture(browser):
    "Five panes in two rows; the words for the colours of the difference stand in the legend."
    with with_row(browser, TauExplorer(tau=.3), follows=("panes", "legend")) as (e, p):
        p.set(pinned=True)
        p.set(tau=.5)
        p.page.wait_for_function("document.querySelectorAll('.wsss-title').length === 5")
        p.page.get_by_text("take along").click()
        p.settle()
        root = ElementTree.fromstring(download(p.page, "picture as SVG")[1])
        pictures, texts = list(root.iter(f"{SVG}image")), [o.text for o in root.iter(f"{SVG}text")]
        assert len(pictures) == 5 and len({o.get("y") for o in pictures}) == 2
        keys = [o.get("fill").lower() for o in root.iter(f"{SVG}rect") if o.get("stroke") == "#666666"]
        assert keys == ["#e69f00", "#56b4e9", "#ffffff"] and any(t.startswith("only now ") for t in texts)
        assert "only now" not in " ".join(t for t in texts if "of all borders" in t), "not in the caption as well"


def test_the_picture_is_there_without_the_kernel(browser):
    with with_row(browser, TauExplorer()) as (e, p):
        p.page.get_by_text("take along").click()
        p.page.wait_for_function("row.get('settings').picture")
        p.page.evaluate("(() => { const s = document.querySelector('.wsss-canvas').wsss; s.gone = 'The kernel is gone.'; s.tell(); })()")
        name, raw = download(p.page, "picture as SVG")
        assert name == "picture.svg" and len(embedded(ElementTree.fromstring(raw))) == 3
        p.page.get_by_role("button", name="maps as ZIP").click()
        assert p.page.locator(".wsss-take-said").inner_text() == "the maps are the kernel's, and it is gone"


@pytest.mark.parametrize("width", [390, 1400])
def test_the_row_fits(browser, width):
    with with_row(browser, TauExplorer(), width=width) as (e, p):
        p.page.keyboard.press("Tab")
        p.page.locator(".wsss-take summary").focus()
        p.page.keyboard.press("Enter")
        p.page.wait_for_function("row.get('text')")
        assert p.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for _ in range(3): p.page.keyboard.press("Tab")
        assert p.page.evaluate("document.activeElement.textContent") == "maps as ZIP"


def test_in_jupyter(tab):
    "A visitor opens the row by keyboard, and takes all of it along."
    page = tab.open("e1_tau")
    assert page.locator(".wsss-take button").first.is_hidden(), "folded at first"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".wsss-take summary").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.wsss-take textarea').value.startsWith('wsss-nb superpixels scene-house.png ')")
    tab.shot("take")
    name, raw = download(page, "picture as PNG")
    im = Image.open(io.BytesIO(raw))
    assert (name, im.width) == ("scene-house.png", 2008) and json.loads(im.text["wsss_nb"])["canvas"]["tau"] == .3
    name, raw = download(page, "maps as ZIP")
    z, e = ZipFile(io.BytesIO(raw)), TauExplorer()
    (tab.place.folder/"sp.png").write_bytes(z.read("superpixels/scene-house.png"))
    np.testing.assert_array_equal(read_labels(tab.place.folder/"sp.png"), e.group.pixels(.3, crf=False))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(z.read("scene-house.png")))), e.photo.image)
    page.get_by_role("button", name="copy: the same again").click()
    page.wait_for_function("document.querySelector('.wsss-take-said').textContent === 'copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator(".wsss-take textarea").first.input_value() == e.command().text
