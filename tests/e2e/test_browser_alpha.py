"The explorer of α in a real browser: the seed that is shown is `initial_seed`'s, to the bit."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore import AlphaExplorer
from wsss_nb.metrics import seed_quality
from wsss_nb.seeds import foreground_score, initial_seed
from wsss_nb.thresholds import seed_by_class


@pytest.fixture(scope="module")
def opened(browser):
    with on_a_page(browser, AlphaExplorer(), width=1600) as both: yield both


def captions(p): return p.page.locator(".wsss-caption").all_inner_texts()


def test_the_seed_is_the_librarys_to_the_bit(opened):
    e, p = opened
    for alpha in (0., .01, .3, .5, .77, 1., .4):
        p.set(alpha=alpha)
        seed = initial_seed(e.M, e.new.sp, e.present, alpha)
        q = seed_quality(seed, e.new.gt, 9)
        np.testing.assert_array_equal(p.get("seed"), seed)
        assert captions(p)[1] == f"coverage (labelled) {q['coverage']:.3f} · precision (of that right) {q['precision']:.3f}"
    assert len(p.asked) == len(set(p.asked)), "each array travels once"


def test_pixels_change_with_alpha_and_hover_tells(opened):
    e, p = opened
    p.set(alpha=0.)
    M, sp = e.M[e.present].max(0), e.new.sp
    lowest = foreground_score(e.M, sp, e.present).argmin()
    y, x = np.argwhere((M > .3) & (M < .6) & (sp != lowest))[40].tolist()
    before = p.pixel(x, y, 1)
    p.set(alpha=1.)
    after = [p.pixel(x + d, y, 1) for d in range(-2, 3)]
    assert any(a != before for a in after)
    z = foreground_score(e.M, sp, e.present)
    p.hover(x, y, 1)
    p.settle()  # z is asked for when it is first pointed at
    assert p.hover(x, y, 1) == dict(x=x, y=y, seed="unlabeled", superpixel=sp[y, x], z=pytest.approx(z[sp[y, x]]), truth=e.canvas.classes[e.new.gt[y, x]])
    assert p.hover(x, y, 0)["activation"] == pytest.approx(M[y, x]) and p.hover(x, y, 2)["size"] == (sp == sp[y, x]).sum()
    p.set(klass=2)
    assert p.hover(x, y, 0)["activation"] == pytest.approx(e.M[e.present][1][y, x])
    p.set(klass=0)


def test_another_label_another_seed_and_no_truth_no_numbers(opened):
    e, p = opened
    box = next(b for b in e.ticks.boxes.values() if b.description.startswith("cat"))
    box.value = False
    p.page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('ids')?.data.length === 1")
    p.settle()
    p.set(alpha=.35)
    np.testing.assert_array_equal(p.get("seed"), initial_seed(e.M, e.new.sp, e.present, .35))
    assert set(np.unique(p.get("seed"))) <= {0, 2, 255}
    e.open_picture(e.new.image)
    p.page.wait_for_function("document.querySelector('.wsss-caption:nth-child(1n)') && model.get('stats').empty")
    assert captions(p)[1] == f"labelled {(initial_seed(e.M, e.new.sp, e.present, .35) != 255).mean():.3f}"
    e.names.value = "scene: lamp"
    p.page.wait_for_function("model.get('stats').series?.length === 2")
    assert "precision" in captions(p)[1]


def test_without_a_tick_no_number_of_before_is_left(opened):
    "Captions and bars say that nothing is ticked, and have their numbers again with the next tick."
    e, p = opened
    e.names.value = "scene: car"
    p.page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('ids')?.data.length === 2")
    p.settle()
    before, boxes = captions(p), [b for b in e.ticks.boxes.values() if b.value]
    for box in boxes: box.value = False
    p.page.wait_for_function("document.querySelector('.wsss-alert').textContent")
    p.settle()
    assert captions(p) == ["No class is ticked: say what is in the picture."]*3
    assert p.page.evaluate("model.get('stats')") == dict(empty="No class is ticked:\nsay what is in the picture.")
    for box in boxes: box.value = True
    p.page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('ids')?.data.length === 2")
    p.settle()
    assert captions(p) == before and "precision" in before[1] and p.page.locator(".wsss-alert").inner_text() == "" and "series" in p.page.evaluate("model.get('stats')")


MAP = "n => Array.from(document.querySelector('.wsss-canvas').wsss.get(n)?.data ?? [])"


def test_in_jupyterlab_and_on_the_page(tab, opened):
    e, (page, mark) = opened[0], (tab.open("e3_alpha"), ".wsss-chart[data-kind=lines] .wsss-mark")
    e.names.value = "scene: car"
    handle = page.locator(".wsss-explorer .noUi-handle").first
    handle.focus()
    for _ in range(7): page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs(document.querySelector('{mark}').dataset.x - .57) < 1e-6")
    seed = initial_seed(e.M, e.new.sp, e.present, .57)
    np.testing.assert_array_equal(page.evaluate(MAP, "seed"), seed.ravel())
    bars = page.locator(".wsss-chart[data-kind=bars]").inner_text()
    q = seed_by_class(seed, e.new.gt, 9)
    for c in (0, 2, 7): assert f"{q[0][c]:.3f}" in bars and f"{q[1][c]:.3f}" in bars
    tab.looks("e3_alpha")
    page.get_by_label("true outlines").check(timeout=5000)
    page.get_by_role("checkbox", name="cat ").uncheck()
    page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('ids')?.data.length === 1")
    assert set(page.evaluate(MAP, "seed")) <= {0, 2, 255}
    with page.expect_file_chooser() as chooser: page.get_by_role("button", name="upload", exact=True).click()
    chooser.value.set_files(dict(name="notes.jpg", mimeType="image/jpeg", buffer=b"hello"))
    page.locator(".wsss-status .bad").wait_for()
    assert "notes.jpg: is not an image" in page.locator(".wsss-status").inner_text() and page.evaluate(MAP, "image") == e.new.image.ravel().tolist()
