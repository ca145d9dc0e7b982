"The explorer of the CRF in a real browser: what is shown is the library's answer for the numbers on the sliders."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.crf import crf_from_labels, dense_crf
from wsss_nb.explore import CrfExplorer


@pytest.fixture(scope="module")
def opened(browser):
    with pytest.MonkeyPatch.context() as m:
        m.delenv("WSSS_NB_RUN", raising=False)
        e = CrfExplorer()
    with on_a_page(browser, e, follows=("panes", "legend", "classes", "colors")) as both: yield both


def shown(p): return p.page.locator(".wsss-title").all_inner_texts(), p.page.locator(".wsss-caption").all_inner_texts()


def test_a_turned_knob_changes_pixels_and_numbers(opened):
    e, p = opened
    H, ids = e.labels.H, e.labels.ids
    for numbers in (dict(iters=10), dict(w1=0, w2=0), dict(w2=20, srgb=30, iters=5)):
        for k, v in numbers.items(): e.knobs[k].value = v
        v = {k: o.value for k, o in e.knobs.items()}
        p.page.wait_for_function("n => document.querySelectorAll('.wsss-title')[1].textContent === `After ${n} iterations`", arg=v["iters"])
        p.settle()
        before, after = ids[H.argmax(0)], ids[dense_crf(e.new.image, H, v["iters"], (v["sxy1"], v["w1"]), (v["sxy2"], v["srgb"], v["w2"])).argmax(0)]
        np.testing.assert_array_equal(p.get("before"), before)
        np.testing.assert_array_equal(p.get("after"), after)
        np.testing.assert_array_equal(p.get("changed"), before != after)
        (_, _, title), (_, caption, _) = shown(p)
        assert title == f"Changed: {100*(before != after).mean():.1f} %" and caption.startswith("mIoU 0.") and " · took " in caption
    e.reset()
    p.settle()


def test_what_was_mended_is_bright_and_the_rest_steps_back(opened):
    e, p = opened
    p.settle()
    before, after, gt, I = p.get("before"), p.get("after"), e.new.mask, e.new.image
    inside = lambda m: next((x, y) for y, x in np.argwhere(m).tolist() if m[max(0, y-3):y+4, max(0, x-3):x+4].all())
    x, y = inside((before != gt) & (after == gt))
    np.testing.assert_allclose(p.pixel(x, y, 2), .9*np.array([0x8f, 0xf0, 0xd0]) + .1*I[y, x], atol=4)
    told, names = p.hover(x, y, 2), ["background", *e.new.classes]
    p.page.wait_for_function("document.querySelector('.wsss-readout').textContent.includes('probability')")
    told = p.hover(x, y, 2)
    assert (told["before"], told["after"], told["truth"]) == tuple(names[a[y, x]] for a in (before, after, gt)) and .3 < told["probability"] < 1
    x, y = inside(before == after)
    np.testing.assert_allclose(p.pixel(x, y, 2), .35*I[y, x], atol=6)
    assert [t.strip() for t in p.page.locator(".wsss-key").all_inner_texts()][-2:] == ["mended", "spoiled"]


def test_superpixels(opened):
    e, p = opened
    e.input.value = "superpixels"
    p.page.wait_for_function("document.querySelector('.wsss-title').textContent === 'Before: superpixels'")
    p.settle()
    before = e.group.pixels(.3, crf=False)
    after = crf_from_labels(e.new.image, before)
    np.testing.assert_array_equal(p.get("before"), before)
    np.testing.assert_array_equal(p.get("after"), after)
    assert p.hover(80, 80)["before"] == before[80, 80] and p.hover(80, 80, 1)["after"] == after[80, 80]
    assert f"{before.max() + 1} superpixels" in shown(p)[1][0] and p.page.locator(".wsss-key").count() == 0


def test_the_last_of_many_turns_wins(opened):
    e, p = opened
    for n in range(3, 12): e.knobs["iters"].value = n
    p.page.wait_for_function("document.querySelectorAll('.wsss-title')[1].textContent === 'After 11 iterations'")
    p.settle()
    np.testing.assert_array_equal(p.get("after"), crf_from_labels(e.new.image, p.get("before"), 11))


def test_in_jupyter(tab):
    "A slider that is let go, as a visitor has it"
    page = tab.open("e8_crf")
    assert page.locator(".wsss-title").nth(1).inner_text() == "After 10 iterations"
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelectorAll('.wsss-title')[1].textContent === 'After 11 iterations'")
    page.get_by_role("button", name="usual values").click()
    page.wait_for_function("document.querySelectorAll('.wsss-title')[1].textContent === 'After 10 iterations'")
    page.locator(".wsss-controls select").first.select_option("superpixels")
    page.wait_for_function("document.querySelectorAll('.wsss-title')[1].textContent === 'After 20 iterations'")
    tab.looks("e8_crf")
