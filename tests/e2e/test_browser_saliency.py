"The explorer of saliency refinement in a real browser: what is shown is `refine`'s, to the bit."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore_saliency import SaliencyExplorer, raw_map
from wsss_nb.saliency import binarize, objectness, refine, saliency_quality
from wsss_nb.gallery import gallery


@pytest.fixture(scope="module")
def opened(browser):
    with on_a_page(browser, SaliencyExplorer(), width=1200) as both: yield both


def captions(p): return p.page.locator(".wsss-caption").all_inner_texts()
def maps(e, alpha, method=0, order=0):
    S, B = raw_map(e.photo, method)[0], e.objectness(order)
    return np.where(S < 0, 255, binarize(S.clip(0), alpha)).astype(np.uint8), B


def test_refined_maps_are_the_librarys_to_the_bit(opened):
    e, p = opened
    for alpha in (.5, .2, .83):
        O, B = maps(e, alpha)
        p.set(alpha=alpha)
        np.testing.assert_array_equal(p.get("O"), O)
        for tau1, tau2 in ((.8, .3), (1., 0.), (.55, .55), (.31, .07), (0., 0.)):
            p.set(tau1=tau1, tau2=tau2)
            R = refine(O, B, tau1, tau2)
            np.testing.assert_array_equal(p.get("R"), R)
            np.testing.assert_array_equal(p.get("corrections"), np.where((R == 1) & (O == 0), 2, R))
            np.testing.assert_array_equal(p.get("bands"), np.where(B > tau1, 2, B >= tau2))
    assert len(p.asked) == len(set(p.asked)), "each array travels once"
    p.set(alpha=.5, tau1=.8, tau2=.3)


def test_quality_with_the_truth(opened):
    e, p = opened
    O, B = maps(e, .5)
    for tau1, tau2 in ((.8, .3), (.4, .4)):
        p.set(tau1=tau1, tau2=tau2)
        R = refine(O, B, tau1, tau2)
        raw, now = (saliency_quality(S, e.photo.mask) for S in (O, R))
        stats = p.page.evaluate("model.get('stats')")
        assert stats["names"] == ["IoU", "precision", "recall", "labelled"] and [s["name"] for s in stats["series"]] == ["raw", "refined"]
        for s, q in zip(stats["series"], (raw, now)): assert (s["values"][0], s["values"][3]) == (pytest.approx(q["iou"]), pytest.approx(q["labelled"]))
        t, r = e.photo.mask[R != 255] > 0, R[R != 255]
        assert stats["series"][1]["values"][1:3] == pytest.approx([(t & (r == 1)).sum()/(r == 1).sum(), (t & (r == 1)).sum()/t.sum()])
        more, less = ((R == 1) & (O == 0)).mean(), ((R == 255) & (O == 1)).mean()
        assert captions(p)[2] == f"IoU {now['iou']:.3f} · {100*more:.1f} % of the picture put in · {100*less:.1f} % made unlabeled"
        assert captions(p)[0].startswith(f"IoU {raw['iou']:.3f} · ")
    p.set(tau1=.8, tau2=.3)


def test_pixels_change_and_hover_tells(opened):
    e, p = opened
    O, B = maps(e, .5)
    p.set(lines=False)
    y, x = np.argwhere((O == 0) & (B > .6) & (B < .75))[20].tolist()
    before = p.pixel(x, y, 2)
    assert p.hover(x, y, 2)["refined"] == "background"
    p.set(tau1=.5)
    assert p.pixel(x, y, 2) != before
    facts = p.hover(x, y, 2)
    assert facts == dict(x=x, y=y, refined="foreground", saliency=pytest.approx(raw_map(e.photo, 0)[0][y, x]), objectness=pytest.approx(B[y, x]), truth="foreground" if e.photo.mask[y, x] else "background")
    p.set(lines=True, tau1=.8)


def test_sources_scales_and_ticks(opened):
    "Each is asked for once; what cannot be had is said, and only as long as it is chosen."
    e, p = opened
    alert = p.page.locator(".wsss-alert")
    p.set(method=2); p.settle()
    assert p.page.locator(".wsss-title").first.inner_text() == "Saliency by spectral residual"
    p.set(order=4); p.settle()
    O, B = maps(e, .5, 2, 4)
    np.testing.assert_array_equal(p.get("R"), refine(O, B, .8, .3))
    for box in e.ticks.boxes.values(): box.value = False
    p.page.wait_for_function("document.querySelector('.wsss-alert').textContent")
    assert "No class is ticked" in alert.inner_text() and "No class is ticked" in p.page.evaluate("model.get('stats').empty")
    p.settle()
    assert [c.startswith("No class is ticked") for c in captions(p)] == [True, True, True]
    e.open_picture(gallery()["coffee"]())
    p.page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('image')?.shape[1] === 500")
    p.settle()
    assert not alert.inner_text() and "IoU" not in captions(p)[2] and "put in" in captions(p)[2]
    p.set(method=4); p.page.wait_for_function("document.querySelector('.wsss-alert').textContent")
    assert "no ground truth" in alert.inner_text()
    assert p.page.locator(".wsss-title").all_inner_texts() == ["Saliency by truth", "Objectness", "Refined"]
    p.set(method=0); p.settle()
    assert not alert.inner_text()


MAP = "n => Array.from(document.querySelector('.wsss-canvas').wsss.get(n)?.data ?? [])"


def test_in_jupyterlab_and_on_the_page(tab, opened):
    "Sliders refine, and push each other; an upload that is no picture is refused and the old one stays."
    e, page = opened[0], tab.open("e6_saliency")
    e.open_picture(gallery()["scene: car"]())
    O, B = maps(e, .5)
    handles, value = page.locator(".wsss-explorer .noUi-handle"), page.locator(".wsss-explorer .widget-readout")
    handles.nth(1).focus()
    for _ in range(20): page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.wsss-canvas').wsss.model.get('tau1') < .601")
    np.testing.assert_array_equal(page.evaluate(MAP, "R"), refine(O, B, .6, .3).ravel())
    q = saliency_quality(refine(O, B, .6, .3), e.photo.mask)
    for number in ("labelled", "iou"):
        said = "t => document.querySelector('.wsss-chart').innerText.includes(t)"
        page.wait_for_function(said, arg=f"{q[number]:.2f}")
    handles.nth(2).focus()
    for _ in range(35): page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wsss-canvas').wsss.model.get('tau1') > .649")
    assert [v.inner_text() for v in value.all()] == ["0.50", "0.65", "0.65"]
    np.testing.assert_array_equal(page.evaluate(MAP, "R"), refine(O, B, .65, .65).ravel())
    tab.looks("e6_saliency")
    page.get_by_role("checkbox", name="cat").uncheck()
    without = objectness(e.cam((1.,)), e.photo.present & (np.array(e.photo.classes) != "cat"))
    page.wait_for_function("([i, v]) => document.querySelector('.wsss-canvas').wsss.get('B|order')?.data[i] === v", arg=[int(B[:40].argmax()), float(without.flat[B[:40].argmax()])])
    np.testing.assert_array_equal(np.float32(page.evaluate(MAP, "B|order")), without.ravel())
    with page.expect_file_chooser() as chooser: page.get_by_role("button", name="upload", exact=True).click()
    chooser.value.set_files(dict(name="notes.jpg", mimeType="image/jpeg", buffer=b"hello"))
    page.locator(".wsss-status .bad").wait_for()
    assert "notes.jpg" in page.locator(".wsss-status").inner_text() and page.evaluate(MAP, "image") == e.photo.image.ravel().tolist()
