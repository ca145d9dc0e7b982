"A pin in a real browser: what is kept stays, what is shown beside it is the difference of two of the library's maps, to the bit."
from xml.etree import ElementTree

import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore import AlphaExplorer, BetaExplorer, CrfExplorer, TauExplorer
from wsss_nb.growing import grow
from wsss_nb.images import resize
from wsss_nb.metrics import seed_quality
from wsss_nb.seeds import initial_seed

GAINED, LOST, OTHER = (0xE6, 0x9F, 0x00), (0x56, 0xB4, 0xE9), (0xCC, 0x79, 0xA7)
KEPT = "document.querySelector('.wsss-canvas').wsss.kept"


def label_difference(then, now, none=255):
    out = np.where(then != now, 3, 0)
    out[(then == none) & (now != none)] = 1
    out[(then != none) & (now == none)] = 2
    return out


def border(L):
    "Pixels beside another label to the right or below"
    out = np.zeros(L.shape, bool)
    out[:, :-1] |= L[:, :-1] != L[:, 1:]
    out[:-1] |= L[:-1] != L[1:]
    return out


def shown_difference(p):
    p.settle()
    a = p.page.evaluate(f"(a => [Array.from(a.data), a.shape])({KEPT}.difference)")
    return np.array(a[0]).reshape(a[1])


def titles(p): return p.page.locator(".wsss-title").all_inner_texts()
def captions(p): return p.page.locator(".wsss-caption").all_inner_texts()
def painted(p, pane):
    "A number that tells what is painted on a picture"
    return p.page.evaluate("""i => { const c = document.querySelectorAll('.wsss-picture')[i];
        return new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer).reduce((h, v) => Math.imul(h ^ v, 16777619), 1) }""", pane)


def inside(m):
    "(x, y) of a pixel whose neighbours are in the mask, too"
    return next((x, y) for y, x in np.argwhere(m).tolist() if m[max(0, y-2):y+3, max(0, x-2):x+3].all())


@pytest.fixture(scope="module")
def alpha(browser):
    with on_a_page(browser, AlphaExplorer(), width=1400) as both: yield both


@pytest.fixture
def pinned(alpha):
    "α at .5 under a pin"
    e, p = alpha
    e.names.value = "scene: car"
    p.set(pinned=False, alpha=.5)
    p.settle()
    p.set(pinned=True)
    p.settle()
    yield e, p
    p.set(pinned=False)


def test_the_difference_follows_the_slider_and_the_kept_picture_does_not(pinned):
    e, p = pinned
    then, kept = initial_seed(e.M, e.new.sp, e.present, .5), painted(p, 1)
    q = seed_quality(then, e.new.gt, 9)
    assert titles(p)[1:4] == ["pinned: α = 0.50", "Initial seed", "Difference from the pinned"]
    for a in (.2, .5, .9, .37):
        p.set(alpha=a)
        now = initial_seed(e.M, e.new.sp, e.present, a)
        D = label_difference(then, now)
        np.testing.assert_array_equal(shown_difference(p), D)
        shares = [f"{100*(D == k).mean():.1f} %" for k in (1, 2, 3)]
        assert captions(p)[3].split("\n") == [f"{100*(D > 0).mean():.1f} % differ", *map(" ".join, zip(("gained", "lost", "another class"), shares))]
        assert painted(p, 1) == kept and captions(p)[1] == f"coverage (labelled) {q['coverage']:.3f} · precision (of that right) {q['precision']:.3f}"


@pytest.mark.parametrize("a,kind,color", [(.2, 1, GAINED), (.9, 2, LOST)])
def test_named_pixels_have_their_colour_and_the_rest_steps_back(pinned, a, kind, color):
    e, p = pinned
    p.set(alpha=a)
    D, I = shown_difference(p), e.new.image
    x, y = inside(D == kind)
    np.testing.assert_allclose(p.pixel(x, y, 3), .85*np.array(color) + .15*.35*I[y, x], atol=6)
    x, y = inside(D == 0)
    np.testing.assert_allclose(p.pixel(x, y, 3), .35*I[y, x], atol=8)


def test_hover_tells_both_and_the_zoom_is_one(pinned):
    e, p = pinned
    p.set(alpha=.2)
    x, y = inside(shown_difference(p) == 1)
    name = e.canvas.classes[initial_seed(e.M, e.new.sp, e.present, .2)[y, x]]
    for pane in (1, 2, 3):
        told = p.hover(x, y, pane)
        assert (told["x"], told["y"], told["seed"], told["pinned"]) == (x, y, name, "unlabeled")
    before = [painted(p, i) for i in range(5)]
    p.page.locator(".wsss-picture").nth(1).focus()
    for _ in range(3): p.page.keyboard.press("+")
    assert all(painted(p, i) != before[i] for i in range(5)), "all are zoomed"
    p.page.keyboard.press("0")
    assert [painted(p, i) for i in range(5)] == before


def test_three_columns_kept_present_and_difference_first(pinned):
    e, p = pinned
    box = [o.bounding_box() for o in p.page.locator(".wsss-frame").all()]
    rows = sorted({round(b["y"]) for b in box})
    assert [rows.index(round(b["y"])) for b in box] == [1, 0, 0, 0, 1]
    assert box[1]["x"] < box[2]["x"] < box[3]["x"] and {round(b["width"]) for b in box} == {round(box[0]["width"])}
    p.page.set_viewport_size(dict(width=390, height=1100))
    box = [o.bounding_box() for o in p.page.locator(".wsss-frame").all()]
    assert {round(b["x"]) for b in box} == {16} and box[1]["y"] < box[2]["y"] < box[3]["y"] < box[0]["y"] < box[4]["y"]
    p.page.set_viewport_size(dict(width=1400, height=1100))


def test_p_pins_and_unpins_and_the_keys_stay_on_a_picture(alpha):
    e, p = alpha
    p.settle()
    p.page.locator(".wsss-picture").nth(2).focus()
    for pinned in (True, False):
        p.page.keyboard.press("p")
        assert p.page.evaluate("model.get('pinned')") is pinned and len(titles(p)) == (5 if pinned else 3)
    p.page.keyboard.press("Control+p")
    assert len(titles(p)) == 3, "the browser prints"
    p.page.keyboard.press("p")
    p.page.locator(".wsss-picture").nth(1).focus()
    p.page.keyboard.press("p")
    assert p.page.evaluate("document.activeElement.className") == "wsss-picture" and len(titles(p)) == 3


def test_other_classes_of_the_same_picture_leave_the_pin_and_another_picture_takes_it_away(pinned):
    e, p = pinned
    then = initial_seed(e.M, e.new.sp, e.present, .5)
    next(b for b in e.ticks.boxes.values() if b.description.startswith("cat")).value = False
    p.page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('ids')?.data.length === 1")
    np.testing.assert_array_equal(shown_difference(p), label_difference(then, initial_seed(e.M, e.new.sp, e.present, .5)))
    assert (shown_difference(p) == 2).any() and titles(p)[1] == "pinned: α = 0.50"
    e.names.value = "scene: lamp"
    p.page.wait_for_function("!model.get('pinned')")
    p.settle()
    assert len(titles(p)) == 3 and p.page.evaluate(f"{KEPT} === undefined") and p.page.locator(".wsss-beside").count() == 0


def test_without_a_class_there_is_no_difference_until_one_is_ticked_again(pinned):
    e, p = pinned
    p.set(alpha=.2)
    D, caption = shown_difference(p), captions(p)[3]
    for on, want in ((False, ""), (True, caption)):
        for b in e.ticks.boxes.values(): b.value = on and b.description.startswith(("car", "cat"))
        p.page.wait_for_function("t => document.querySelectorAll('.wsss-caption')[3].innerText === t", arg=want)
        p.settle()
    np.testing.assert_array_equal(shown_difference(p), D)


def test_a_picture_for_print_has_the_panes_in_their_order_with_the_legend_of_the_difference(pinned):
    e, p = pinned
    p.set(alpha=.2)
    p.settle()
    svg = p.page.evaluate("document.querySelector('.wsss-canvas').picture('svg', {}).then(b => b.text())")
    texts = [o.text for o in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert [t for t in texts if t in titles(p)] == ["pinned: α = 0.50", "Initial seed", "Difference from the pinned", "Where the classifier looks", "Mean by superpixel, z"]
    difference, *shares = captions(p)[3].split("\n")
    assert difference in texts and texts[-3:] == shares


def test_switches_of_how_a_map_is_painted_hold_for_the_kept_picture_too(pinned):
    e, p = pinned
    gt = e.new.gt
    x, y = next((x, y) for y, x in np.argwhere(border(gt)).tolist() if (np.array(p.pixel(x, y, 1)) < 150).any())
    p.set(extra=1)
    p.settle()
    assert p.pixel(x, y, 1)[0] > 180 and p.pixel(x, y, 1)[2] < 100, "the true outline is yellow"
    p.set(extra=0)


@pytest.mark.parametrize("setting", [dict(tau=.45), dict(tau=.45, crf=True)])
def test_superpixels_of_patches_and_of_pixels(browser, setting):
    e = TauExplorer()
    with on_a_page(browser, e, width=1400) as (e, p):
        p.set(pinned=True)
        p.settle()
        p.set(**setting)
        p.page.wait_for_function("!document.querySelector('.wsss-canvas').wsss.timers.size && document.querySelector('.wsss-canvas').wsss.get('sp|tau,order,crf~')?.shape[0] === %d" % (160 if "crf" in setting else 20))
        then, now = e.group.pixels(.3, "low", False), e.group.pixels(.45, "low", "crf" in setting)
        assert then.shape == now.shape == e.photo.image.shape[:2]
        np.testing.assert_array_equal(shown_difference(p), border(now) + 2*border(then))
        assert titles(p)[0] == f"pinned: τ = 0.30 · low first (LF) · {then.max() + 1} superpixels"
        assert captions(p)[2].startswith(f"{now.max() + 1} superpixels now · {then.max() + 1} pinned")
        x, y = 75, 40
        told = p.hover(x, y, 1)
        assert told["superpixel"] == now[y, x] and told["pinned"] == then[y, x]
        for k, color in ((1, GAINED), (2, LOST), (3, (255, 255, 255))):
            x, y = map(int, np.argwhere(border(now) + 2*border(then) == k)[7][::-1])
            np.testing.assert_allclose(p.pixel(x, y, 2), color, atol=40)


def test_growth_under_other_thresholds_and_another_epoch(browser):
    e = BetaExplorer()
    with on_a_page(browser, e, width=1400, follows=("panes", "legend", "classes")) as (e, p):
        p.set(pinned=True)
        p.settle()
        asked = e._asked()
        then = grow(*asked, *e.growth.betas)
        p.set(beta_bg=.3, beta_fg=.9)
        np.testing.assert_array_equal(shown_difference(p), label_difference(then, grow(*asked, .3, .9)))
        e.canvas.epoch = 2
        p.set(epoch=2)
        np.testing.assert_array_equal(shown_difference(p), label_difference(then, grow(*e._asked(), .3, .9)))
        assert titles(p)[1] == "pinned: epoch 6 · β = {:.2f} and {:.2f}".format(*e.growth.betas)


def test_the_crf_with_other_numbers_and_other_labels(browser, monkeypatch):
    monkeypatch.delenv("WSSS_NB_RUN", raising=False)
    e = CrfExplorer()
    with on_a_page(browser, e, width=1400, follows=("panes", "legend", "classes", "colors")) as (e, p):
        p.set(pinned=True)
        p.settle()
        then = p.get("after")
        e.knobs["w2"].value = 2
        p.page.wait_for_function("model.get('meta').w2 === 2")
        p.settle()
        now = p.get("after")
        assert (then != now).any()
        np.testing.assert_array_equal(shown_difference(p), label_difference(then, now, none=0))
        assert titles(p)[1] == "pinned: the segmenter, epoch 6 · 10 iterations · θ₁ 3, w₁ 3 · θ₂ 80, θ₃ 13, w₂ 10"
        e.input.value = "superpixels"
        p.page.wait_for_function("!model.get('pinned')")
        p.settle()
        assert titles(p) == ["Before: superpixels", "After 20 iterations", titles(p)[2]], "classes are not compared with superpixels"


def test_in_jupyterlab_and_on_the_page(tab):
    page = tab.open("e3_alpha")
    button = page.locator(".widget-toggle-button", has_text="pin")
    button.click()
    page.locator(".wsss-title", has_text="pinned: α = 0.50").wait_for()
    page.locator(".wsss-explorer .noUi-handle").first.focus()
    for _ in range(20): page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"{KEPT}?.difference.meta.changed !== '0.0'")
    tab.looks("e3_alpha")
    tab.shot("e3_alpha-pinned")
    term = page.locator(".wsss-caption .wsss-term", has_text="coverage").first
    term.focus()
    assert "true label" in term.evaluate("e => getComputedStyle(e, '::after').content")
    tab.shot("e3_alpha-term")
    page.get_by_label("picture", exact=True).select_option("scene: lamp")
    page.wait_for_function(f"{KEPT} === undefined")
    page.wait_for_function("e => !e.classList.contains('mod-active')", arg=button.element_handle())
