"The explorer of objects in a real browser: clicks, a line drawn around something, hover, and what is painted."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore_objects import ObjectExplorer, stretch
from wsss_nb.show import heatmap
from wsss_nb.grouping import patch_mask, polygon_mask
from wsss_nb.superpixels import negativeness, positiveness


@pytest.fixture(scope="module")
def opened(browser):
    with on_a_page(browser, ObjectExplorer(), follows=("panes", "legend", "extra", "tool")) as both: yield both


def fetched(p, name):
    "A map, also one that is not painted and hence not there before somebody asks"
    p.page.wait_for_function("n => document.querySelector('.wsss-canvas').wsss.get(n)?.data", arg=name)
    return p.get(name)


def assert_browser_has(e, p):
    "The maps of the object, to the bit, and what hover and title say"
    p.page.wait_for_function("n => document.querySelector('.wsss-title').textContent.includes(`: ${n} patches`)", arg=int(e.object.sum()))
    p.settle()
    m, A = e.object, e.group.A
    P, N = (f(A, m.ravel()).reshape(m.shape) for f in (positiveness, negativeness))
    for name, want in dict(object=m, positive=P, negative=N, positive_share=np.float32(P/m.sum())).items(): np.testing.assert_array_equal(fetched(p, name), want)
    fetched(p, "sp")
    r, c = np.argwhere(m)[len(np.argwhere(m))//2].tolist()
    for pane in range(3):
        told = p.hover(8*c + 4, 8*r + 4, pane)
        assert (told["x"], told["y"], told["similar to"], told["unlike"], told["superpixel"]) == (8*c + 4, 8*r + 4, P[r, c], N[r, c], e.group.labels(e.canvas.tau)[r, c])
    return (8*c + 4, 8*r + 4), P[r, c]/m.sum()


def test_the_true_object_is_painted_by_counts(opened):
    e, p = opened
    (x, y), share = assert_browser_has(e, p)
    np.testing.assert_allclose(p.pixel(x, y, 1), heatmap(np.float32([[share]]))[0, 0], atol=12)
    assert p.pixel(5, 5, 1) == p.pixel(5, 5, 2) == (0, 0, 4), "outside the object nothing counts"
    I = e.photo.image
    np.testing.assert_allclose(p.pixel(5, 5), .35*I[5, 5], atol=4)  # veiled
    np.testing.assert_allclose(p.pixel(x, y), I[y, x], atol=6)
    assert p.page.locator(".wsss-key").all_inner_texts()[-1] == "all of the object’s patches"


def test_a_click_takes_the_superpixel_and_tau_moves_it(opened):
    e, p = opened
    p.page.mouse.click(*p.at(85, 130))
    assert_browser_has(e, p)
    assert e.which.value == "superpixel" and e.object.flat[e.group.patch(85, 130)] and p.page.locator(".wsss-title").first.inner_text().startswith("The superpixel")
    before = p.get("object")
    for tau in (.7, .05):
        e.canvas.tau = tau
        assert_browser_has(e, p)
        assert (p.get("object") != before).any()


def test_a_line_drawn_around_something(opened):
    e, p = opened
    e.which.value = "lasso"
    p.page.wait_for_function("model.get('tool') === 'lasso'")
    corners = [(40, 40), (120, 45), (125, 120), (35, 110)]
    p.page.mouse.move(*p.at(*corners[0]))
    p.page.mouse.down()
    for x, y in corners[1:]: p.page.mouse.move(*p.at(x, y), steps=4)
    p.page.mouse.up()
    p.page.wait_for_function("document.querySelector('.wsss-title').textContent.startsWith('Your own')")
    assert_browser_has(e, p)
    want = patch_mask(polygon_mask([(x + .5, y + .5) for x, y in corners], (160, 160)), (20, 20))
    np.testing.assert_array_equal(p.get("object"), want)
    drawn = "() => { const c = document.querySelectorAll('.wsss-over')[1]; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0) }"
    p.page.mouse.move(2, 2)
    assert p.page.evaluate(drawn)
    e.which.value = 1
    p.page.wait_for_function("model.get('tool') === 'point'")
    assert not p.page.evaluate(drawn), "the line goes with its tool"


def test_each_map_stretched(opened):
    e, p = opened
    e.which.value = 1
    assert_browser_has(e, p)
    N = p.get("negative")
    r, c = np.unravel_index(N.argmax(), N.shape)
    dim = p.pixel(8*int(c) + 4, 8*int(r) + 4, 2)
    stretch(e.canvas, True)
    p.page.wait_for_function("document.querySelector('.wsss-legend').textContent.includes('the most in this map')")
    p.settle()
    np.testing.assert_allclose(p.pixel(8*int(c) + 4, 8*int(r) + 4, 2), heatmap(np.ones((1, 1)))[0, 0], atol=12)
    assert dim != p.pixel(8*int(c) + 4, 8*int(r) + 4, 2)
    stretch(e.canvas, False)


def test_in_jupyter(tab):
    "Slider, chart, words, click and hover, as a visitor has them"
    page = tab.open("e2_objects")
    title, words = page.locator(".wsss-title").first, page.locator(".wsss-charts .widget-html")
    assert title.inner_text() == "The boat: 74 patches" and "τ = 0.30" in words.inner_text()
    handle = page.locator(".noUi-handle").first
    handle.focus()
    for _ in range(10): page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wsss-mark:not(.wsss-aside)').dataset.x === '0.4'")
    page.wait_for_function("document.querySelector('.wsss-charts').textContent.includes('τ = 0.40')")
    picture = page.locator(".wsss-picture").first
    box = picture.bounding_box()
    picture.click(position=dict(x=box["width"]*85.5/160, y=box["height"]*130.5/160))
    page.wait_for_function("document.querySelector('.wsss-title').textContent.startsWith('The superpixel')")
    e = ObjectExplorer(tau=.4)
    e.choice.click(0, 85, 130)
    page.wait_for_function("n => document.querySelector('.wsss-title').textContent === `The superpixel: ${n} patches`", arg=int(e.object.sum()))
    page.wait_for_function("n => JSON.parse(document.querySelector('.wsss-readout').dataset.hover ?? '{}')['similar to'] === n", arg=int(positiveness(e.group.A, e.object.ravel())[e.group.patch(85, 130)]))
    tab.looks("e2_objects")
