"What the canvas composes, in a real browser: to the bit what the library computes."
import numpy as np
import pytest
from canvas_page import CONTRAST, CanvasPage
from test_chart import DARK, LIGHT

from wsss_nb.canvas import Canvas, legend
from wsss_nb.core import DataError
from wsss_nb.growing import grow, superpixel_scores
from wsss_nb.masking import erased
from wsss_nb.metrics import seed_quality
from wsss_nb.saliency import refine
from wsss_nb.seeds import foreground_score, initial_seed
from wsss_nb.show import PALETTE

IMAGE = dict(type="image", map="image")
H, W = 30, 40


@pytest.fixture
def rng(): return np.random.default_rng(0)


@pytest.fixture
def world(rng):
    "A picture of noise, superpixels of 10 x 10, CAMs of two present classes of three, a softmax, a truth."
    sp = (np.arange(H)[:, None]//10*4 + np.arange(W)//10).astype(np.int32)
    M = rng.random((3, H, W)).astype(np.float32)
    soft = rng.random((4, H, W)).astype(np.float32)**3
    present = np.array([True, False, True])
    soft[2] = 0
    return dict(image=rng.integers(0, 256, (H, W, 3), dtype=np.uint8), sp=sp, M=M/M.max((1, 2), keepdims=True), H=soft/soft.sum(0), present=present,
                gt=rng.choice(np.array([0, 1, 3, 255], np.uint8), (H, W)))


@pytest.fixture
def open_canvas(browser):
    pages = []
    def make(canvas, **kw):
        pages.append(CanvasPage(browser, canvas, **kw))
        return pages[-1]
    yield make
    for p in pages:
        assert not p.problems
        p.page.close()


def growing_canvas(w):
    at = [1, 3]
    c = Canvas(panes=[dict(title="seed", layers=[IMAGE, dict(type="labels", map="seed")]), dict(title="grown", layers=[IMAGE, dict(type="labels", map="grown")], stats=["q"], caption="coverage {coverage}")],
               derived=dict(seed=dict(op="seed", M="M", classes="fg", sp="sp", bg="bg", params=["alpha"]), s=dict(op="scores", H="H", sp="sp", seed="seed"),
                            choice=dict(op="choice", s="s", classes="all", params=["beta_bg", "beta_fg"]), grown=dict(op="grow", seed="seed", sp="sp", choice="choice"),
                            q=dict(op="quality", L="grown", gt="gt")),
               classes=["background", "boat", "car", "cat"], hover=[dict(map="sp", label="superpixel"), dict(map="sp", kind="size"), dict(map="grown", kind="class")])
    for k, v in dict(image=w["image"], M=w["M"][[0, 2]], fg=np.array(at), sp=w["sp"], bg=np.array([foreground_score(w["M"], w["sp"], w["present"]).argmin()]),
                     H=w["H"][[0, *at]], all=np.array([0, *at]), gt=w["gt"]).items(): c.put(k, v)
    return c


def test_seed_and_growth_are_the_librarys_to_the_bit(world, open_canvas):
    p = open_canvas(growing_canvas(world))
    p.settle()
    for alpha in (0., .3, .5, .77, 1.):
        for bg, fg in ((.7, .7), (.2, .4), (0., 0.), (1., .35)):
            p.set(alpha=alpha, beta_bg=bg, beta_fg=fg)
            seed = initial_seed(world["M"], world["sp"], world["present"], alpha)
            grown = grow(seed, world["H"], world["sp"], world["present"], bg, fg)
            assert (p.get("seed") == seed).all() and (p.get("grown") == grown).all()
            q = seed_quality(grown, world["gt"], 4)
            said = p.page.evaluate("model.get('meta')")
            assert said["coverage"] == q["coverage"] and said["precision"] == q["precision"]
    np.testing.assert_array_equal(p.get("s"), superpixel_scores(world["H"], world["sp"], initial_seed(world["M"], world["sp"], world["present"], 1.) == 255)[:, [0, 1, 3]])
    assert {k: k.split("|")[0] for k in p.asked}.keys() == set(p.asked) and len(p.asked) == len(set(p.asked)), "each array travels once"


def test_refined_saliency_and_erased_picture(world, open_canvas, rng):
    O, B, mean = (rng.random((H, W)) > .5).astype(np.uint8), rng.random((H, W)).astype(np.float32), np.array([120.5, 100.25, 90.])
    O[0] = 255
    c = Canvas(panes=[dict(layers=[dict(type="labels", map="R")]), dict(layers=[dict(type="image", map="I")])], b=[1, 0],
               derived=dict(R=dict(op="refine", O="O", B="B", params=["tau1", "tau2"]), F=dict(op="attention", H="H", params=["b"]), I=dict(op="masked", image="image", F="F", mean="mean")))
    for k, v in dict(O=O, B=B, image=world["image"], H=world["H"][[1, 3]], mean=mean).items(): c.put(k, v)
    p = open_canvas(c)
    p.settle()
    for t1, t2 in ((.8, .3), (.5, .5), (1., 0.)):
        p.set(tau1=t1, tau2=t2)
        assert (p.get("R") == refine(O, B, t1, t2)).all()
    for b in ([1, 0], [0, 0], [1, 1]):
        p.set(b=b)
        A, I = erased(world["image"], world["H"], world["present"], np.array([b[0], 0, b[1]]), mean)
        np.testing.assert_allclose(p.get("F"), A, atol=1e-6)
        assert np.abs(p.get("I").astype(int) - I).max() <= 1


def test_coarse_maps_lie_where_a_nearest_resize_puts_them(open_canvas, rng):
    from wsss_nb.images import resize
    coarse, image = rng.integers(0, 300, (7, 9)), np.zeros((50, 61, 3), np.uint8)
    c = Canvas(panes=[dict(layers=[IMAGE, dict(type="superpixels", map="sp")], hover=[dict(map="sp", label="id"), dict(map="sp", kind="size")])])
    c.put("image", image); c.put("sp", coarse)
    p = open_canvas(c)
    p.settle()
    fine = resize(coarse.astype(np.int32), image.shape[:2], "nearest")
    for x, y in [(0, 0), (60, 49), (31, 20), (6, 7), (13, 14), (40, 35)]:
        assert p.hover(x, y) == dict(x=x, y=y, id=int(fine[y, x]), size=int((fine == fine[y, x]).sum()))


def test_labels_are_painted_in_the_librarys_colours(world, open_canvas):
    L = np.full((H, W), 3, np.uint8)
    c = Canvas(panes=[dict(layers=[IMAGE, dict(type="labels", map="L", opacity="opacity", lines=False)])], legend=legend(["background", "a", "b", "cat"], [3]))
    c.put("image", np.full((H, W, 3), 100, np.uint8)); c.put("L", L)
    p = open_canvas(c)
    p.settle()
    for o in (.6, 1., 0.):
        p.set(opacity=o)
        np.testing.assert_allclose(p.pixel(20, 15), o*PALETTE[3] + (1-o)*100, atol=2)
    assert p.page.locator(".wsss-legend").inner_text().strip() == "cat"


def slow(seen):
    def fn(tau):
        seen.append(tau)
        return np.full((H, W), tau, np.float32), dict(value=tau)
    return fn


def test_one_question_at_a_time_and_the_last_value_wins(open_canvas):
    seen = []
    c = Canvas(panes=[dict(title="{value}", layers=[dict(type="heat", map="m|tau", solid=True)], hover=[dict(map="m|tau", label="value")])], tau=0.)
    c.put("image", np.zeros((H, W, 3), np.uint8)); c.provide("m", slow(seen))
    p = open_canvas(c)
    p.settle()
    p.page.evaluate("for (let i = 1; i <= 30; i++) model.set('tau', i/30)")
    p.settle()
    assert seen[-1] == pytest.approx(1) and len(seen) <= 4, "what was passed over in haste is not computed"
    assert p.page.locator(".wsss-title").inner_text() == "1"
    n = len(seen)
    p.set(tau=0.)
    p.settle()
    assert p.page.locator(".wsss-title").inner_text() == "0" and len(seen) == n, "a value seen before is not asked for"


def test_a_share_of_one_reads_as_a_share_and_a_minus_is_a_minus(open_canvas):
    c = Canvas(panes=[dict(layers=[IMAGE], caption="coverage {coverage} · {count} pieces · {least}", facts=[dict(map="f", names=["coverage", "count", "least"])])],
               hover=[dict(map="m"), dict(map="n")])
    for k, v in dict(image=np.zeros((H, W, 3), np.uint8), m=np.full((H, W), -1, np.float32), n=np.full((H, W), 12000, np.int32), f=np.array([[1, 1200, -.25]])).items(): c.put(k, v)
    p = open_canvas(c)
    p.settle()
    assert p.page.locator(".wsss-caption").inner_text() == "coverage 1.000 · 1,200 pieces · −0.250"
    p.hover(3, 4)
    p.page.wait_for_function("document.querySelector('.wsss-readout').textContent.includes('n ')")
    assert p.hover(3, 4) == dict(x=3, y=4, m=-1, n=12000)
    assert p.page.locator(".wsss-readout").inner_text().split("  ·  ") == ["x 3", "y 4", "m −1.000", "n 12,000"]


def test_the_cursor_is_a_cross_in_the_other_pictures_and_a_click_a_ring_in_all(world, open_canvas):
    p = open_canvas(growing_canvas(world))
    p.settle()
    middle = lambda pane: p.page.evaluate("""([i, x, y]) => { const c = document.querySelectorAll('.wsss-over')[i];
        return c.getContext('2d').getImageData(Math.round((x + .5)/40*c.width), Math.round((y + .5)/30*c.height), 1, 1).data[3] > 0 }""", [pane, 20, 15])
    p.hover(20, 15)
    assert [middle(0), middle(1)] == [False, True]
    p.page.mouse.down(); p.page.mouse.up(); p.page.mouse.move(0, 0)
    marked = lambda i: p.page.evaluate("i => { const c = document.querySelectorAll('.wsss-over')[i]; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v) }", i)
    assert [middle(0), middle(1)] == [False, False] and marked(0) and marked(1)


def test_old_answers_do_not_overwrite_new_pictures(open_canvas):
    c = Canvas(panes=[dict(layers=[dict(type="heat", map="m")])])
    c.put("m", np.zeros((H, W)))
    p = open_canvas(c)
    p.settle()
    c.put("m", np.ones((H, W)))
    p._tell(dict(type="array", key="m", version=1, shape=[1, 1], dtype="uint8", meta={}), [b"\x05"])
    p.page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('m')?.data?.[0] === 1")
    p.settle()
    assert p.get("m").shape == (H, W)


def test_a_new_photograph_never_shows_under_old_superpixels(world, open_canvas):
    c = Canvas(panes=[dict(layers=[IMAGE, dict(type="labels", map="L", opacity=1, background=True, lines=False)])])
    c.put("image", world["image"]); c.put("L", np.ones((H, W), np.uint8))
    p = open_canvas(c)
    p.settle()
    before = p.pixel(5, 5)
    p.silent = True  # the new picture is announced, and does not come
    with c.hold(): c.put("image", np.zeros((20, 20, 3), np.uint8)); c.put("L", np.full((20, 20), 2, np.uint8))
    p.page.wait_for_selector(".wsss-waiting")
    p.page.wait_for_selector(".wsss-busy")
    assert tuple(p.page.evaluate("[...document.querySelector('.wsss-picture').getContext('2d').getImageData(9, 9, 1, 1).data].slice(0, 3)")) == before


def test_errors_of_a_provider_are_said_and_forgotten(open_canvas):
    def fn(tau):
        if tau > .5: raise DataError("tau is too much for this picture")
        return np.zeros((H, W), np.float32)
    c = Canvas(panes=[dict(layers=[dict(type="heat", map="m|tau")])], tau=0.)
    c.provide("m", fn)
    p = open_canvas(c)
    p.settle()
    p.set(tau=.9)
    p.page.wait_for_function("document.querySelector('.wsss-alert').textContent.includes('too much')")
    p.set(tau=.1)
    p.page.wait_for_function("document.querySelector('.wsss-alert').textContent === ''")


def test_click_and_lasso(world, open_canvas):
    c, clicks, lassos = growing_canvas(world), [], []
    c.on_click(lambda *a: clicks.append(a)); c.on_lasso(lambda *a: lassos.append(a))
    p = open_canvas(c)
    p.settle()
    p.page.mouse.click(*p.at(31, 12, pane=1))
    p.page.wait_for_timeout(100)
    assert clicks == [(1, 31, 12)]
    p.set(tool="lasso")
    p.page.mouse.move(*p.at(10, 5)); p.page.mouse.down()
    for q in ((20, 5), (20, 15), (10, 15)): p.page.mouse.move(*p.at(*q))
    p.page.mouse.up()
    p.page.wait_for_timeout(100)
    assert lassos[0][0] == 0 and [tuple(map(int, q)) for q in lassos[0][1]] == [(10, 5), (20, 5), (20, 15), (10, 15)] and clicks == [(1, 31, 12)]


def test_keys_play_step_and_zoom(world, open_canvas):
    c = growing_canvas(world)
    c.steps, c.speed = 4, 50.
    p = open_canvas(c)
    p.settle()
    p.page.locator(".wsss-picture").first.focus()
    for key, want in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 0), ("ArrowLeft", 3)):
        p.page.keyboard.press(key)
        assert p.page.evaluate("model.get('step')") == want
    p.page.keyboard.press(" ")
    p.page.wait_for_function("!model.get('playing') && model.get('step') === 3")
    before = p.hover(20, 15)
    p.page.keyboard.press("+")
    assert p.page.locator(".wsss-zoomed").count() == 1
    left = p.page.locator(".wsss-picture").first.bounding_box()
    p.page.mouse.move(left["x"] + 1, left["y"] + 1)
    assert p.page.locator(".wsss-readout").get_attribute("data-hover").startswith('{"x":6,"y":5')  # (1 - 1/1.5)/2 of 40 and of 30
    p.page.keyboard.press("0")
    assert p.hover(20, 15) == before


def test_a_second_view_of_the_same_model(world, open_canvas):
    p = open_canvas(growing_canvas(world))
    p.settle()
    p.page.evaluate("void more()")
    p.page.wait_for_function("document.querySelectorAll('.wsss-canvas[data-ready=\"1\"]').length === 2")
    n = len(p.asked)
    p.set(alpha=.9)
    p.page.wait_for_timeout(100)
    drawn = [[p.pixel(x, y, pane) for x, y in ((3, 4), (25, 14), (38, 28))] for pane in range(4)]
    assert drawn[0] == drawn[2] and drawn[1] == drawn[3] and len(p.asked) == n
    p.page.evaluate("close_()")
    p.set(alpha=.2)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_is_legible_in_both_themes(world, open_canvas, theme):
    c = growing_canvas(world)
    c.legend = legend(["background", "boat"], [1])
    p = open_canvas(c, theme=theme)
    p.settle()
    p.hover(3, 3)
    p.page.evaluate("document.querySelector('.wsss-alert').textContent = 'a message'; document.querySelector('.wsss-caption').textContent = 'a caption'")
    found = dict(p.page.evaluate(CONTRAST))
    assert set(found) == {"wsss-title", "wsss-caption", "wsss-readout", "wsss-key", "wsss-alert"} and min(found.values()) >= 4.5, found
