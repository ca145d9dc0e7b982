"The explorer of a run in a real browser: the run's own maps where the sliders stand as in the run, else the library's, to the bit; the list walks."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore import RunExplorer
from wsss_nb.growing import grow
from wsss_nb.metrics import seed_quality
from wsss_nb.run_picture import VERDICTS
from wsss_nb.seeds import initial_seed

FOLLOWS = ("panes", "legend", "classes", "alpha", "beta_bg", "beta_fg", "derived")


@pytest.fixture(scope="module")
def opened(browser, whole_run, home):
    with pytest.MonkeyPatch.context() as m:
        m.delenv("WSSS_NB_RUN", raising=False)
        e = RunExplorer(whole_run, picture="train_00318")
    with on_a_page(browser, e, width=1200, follows=FOLLOWS) as both: yield both


def titles(p): return p.page.locator(".wsss-title").all_inner_texts()
def captions(p): return p.page.locator(".wsss-caption").all_inner_texts()


def go(e, p, id):
    "Open a picture of the run, until the browser shows it."
    e.go(e.order.index(id))
    p.page.wait_for_function("id => document.querySelector('.wsss-title').textContent === id", arg=id)
    p.settle()


def as_in_the_run(e, p): p.set(alpha=e.own["alpha"], beta_bg=e.own["beta_bg"], beta_fg=e.own["beta_fg"])


@pytest.mark.parametrize("id", ["train_00318", "val_00003"])
def test_seed_and_growth_are_the_librarys_to_the_bit(opened, id):
    "Of a picture that the run watched, and of one that it held out."
    e, p = opened
    go(e, p, id)
    as_in_the_run(e, p)
    m = e.maps
    (M, _), (sp, _), (H, _), present = m.cam(id), m.sp(id), m.softmax(id), m.shown(id)[0]
    np.testing.assert_array_equal(p.get("seed"), m.seed(id)[0])
    np.testing.assert_array_equal(p.get("grown"), m.grown(id)[0])
    assert titles(p)[2:4] == ["Initial seed, with the run's settings", "Grown seed, with the run's settings"]
    for alpha, bg, fg in ((.2, .7, .7), (.2, .4, .5), (.77, .3, .35), (0., .99, .2), (.5, .6, .7)):
        p.set(alpha=alpha, beta_bg=bg, beta_fg=fg)
        seed = m.seed(id)[0] if alpha == .5 else initial_seed(M, sp, present, alpha)
        np.testing.assert_array_equal(p.get("seed"), seed)
        np.testing.assert_array_equal(p.get("grown"), grow(seed, H, sp, present, bg, fg))
        for L, i in ((seed, 2), (p.get("grown"), 3)):
            q = seed_quality(L, m.truth(id), 9)
            assert captions(p)[i].startswith(f"coverage (labelled) {q['coverage']:.3f} · precision (of that right) {q['precision']:.3f} · ")
    assert titles(p)[3] == "Grown seed, by the sliders"
    as_in_the_run(e, p)


def test_where_each_map_is_from_is_said(opened):
    e, p = opened
    go(e, p, "train_00318")
    said = captions(p)
    assert said[0] == "training picture · labelled car, cat" and said[1] == "read from the run"
    assert said[2].endswith("· read from the run") and said[3].endswith("· of epoch 6, read from the run") and said[4].endswith("computed now with the run's segmenter")
    go(e, p, "val_00003")
    said = captions(p)
    assert said[0].startswith("held out · labelled") and said[1] == "computed now with the run's classifier" and said[3].endswith("computed now with the run's segmenter")


def test_the_next_picture_and_pixels_of_the_verdict(opened):
    e, p = opened
    go(e, p, "val_00003")
    e.next.click()
    p.page.wait_for_function("document.querySelector('.wsss-title').textContent === 'val_00004'")
    p.settle()
    I, V = e.maps.run.image("val_00004"), e.p.judged[1]
    np.testing.assert_array_equal(p.get("image"), I)
    np.testing.assert_array_equal(p.get("pred"), e.maps.prediction("val_00004")[0])
    seen = 0
    for k in [k for k in VERDICTS if (V == k).sum() > 30]:
        inside = np.argwhere((V == k) & (np.roll(V, 1, 0) == k) & (np.roll(V, -1, 0) == k) & (np.roll(V, 1, 1) == k) & (np.roll(V, -1, 1) == k))
        for y, x in inside[len(inside)//2:][:1].tolist():
            assert p.pixel(x, y, 5) == pytest.approx(I[y, x] + .75*(np.array(list(bytes.fromhex(VERDICTS[k][1][1:]))) - I[y, x].astype(float)), abs=3)
            told = p.hover(x, y, 5)
            assert (told["predicted"], told["truth"]) == tuple(["background", *e.maps.run.classes][a[y, x]] for a in (e.p.judged[0], e.maps.truth("val_00004")))
            seen += 1
    assert seen >= 2
    e.back.click()
    p.page.wait_for_function("document.querySelector('.wsss-title').textContent === 'val_00003'")
    p.settle()


def test_another_order_shows_its_first_picture(opened):
    e, p = opened
    go(e, p, "val_00003")
    e.by.value = "doubt"
    p.page.wait_for_function("id => document.querySelector('.wsss-title').textContent === id", arg=e.order[0])
    p.settle()
    numbers = e.scores.known("doubt")
    assert e.order[:4] == sorted(numbers, key=lambda i: -numbers[i][0]), "most doubted first"
    np.testing.assert_array_equal(p.get("image"), e.maps.run.image(e.order[0]))
    e.by.value = "name"
    p.page.wait_for_function("document.querySelector('.wsss-title').textContent === 'train_00024'")
    p.settle()


def test_the_cam_of_one_class(opened):
    e, p = opened
    go(e, p, "train_00318")
    M = e.maps.cam("train_00318")[0]
    y, x = np.unravel_index(M[6].argmax(), M[6].shape)
    p.set(klass=2)
    assert e.channel.options == ("any class", "car", "cat") and p.hover(int(x), int(y), 1)["activation"] == pytest.approx(M[6, y, x])
    p.set(klass=1)
    assert p.hover(int(x), int(y), 1)["activation"] == pytest.approx(M[1, y, x])
    p.set(klass=0)


def test_what_is_missing_leaves_the_photograph(browser, home, monkeypatch):
    "The sample has no segmenter: of a held-out picture three panes say so, and no alert is raised."
    monkeypatch.delenv("WSSS_NB_RUN", raising=False)
    with on_a_page(browser, RunExplorer(picture="val_00001"), width=1200) as (e, p):
        said = captions(p)
        assert said[3:] == ["This sample of a run leaves its segmenter out, which t23_growing makes."]*3 and titles(p)[3:] == ["Grown seed", "Prediction", "Prediction and truth"]
        np.testing.assert_array_equal(p.get("seed"), e.maps.seed("val_00001")[0])
        assert not p.page.locator(".wsss-alert").is_visible()
        x, y = 80, 80
        assert p.pixel(x, y, 4) == pytest.approx(e.maps.run.image("val_00001")[y, x], abs=2)


MAP = "n => Array.from(document.querySelector('.wsss-canvas').wsss.get(n)?.data ?? [])"


def test_in_jupyterlab_and_on_the_page(tab):
    page = tab.open("e10_run")
    e = RunExplorer()
    title = lambda id: page.wait_for_function("id => document.querySelector('.wsss-explorer .wsss-title').innerText === id", arg=id)
    title("train_00024")
    page.get_by_role("button", name="next").click()
    title("train_00126")
    tab.ready()
    np.testing.assert_array_equal(page.evaluate(MAP, "seed"), e.maps.seed("train_00126")[0].ravel())
    np.testing.assert_array_equal(page.evaluate(MAP, "grown"), e.maps.grown("train_00126")[0].ravel())
    page.locator(".wsss-explorer .noUi-handle").first.focus()
    for _ in range(5): page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelectorAll('.wsss-explorer .wsss-title')[2].innerText === 'Initial seed, by the sliders'")
    M, sp, t = e.maps.cam("train_00126")[0], e.maps.sp("train_00126")[0], e.maps.label("train_00126")
    np.testing.assert_array_equal(page.evaluate(MAP, "seed"), initial_seed(M, sp, t, .45).ravel())
    page.get_by_role("button", name="α and β of the run").click()
    page.wait_for_function("document.querySelectorAll('.wsss-explorer .wsss-title')[2].innerText.endsWith(\"run's settings\")")
    tab.looks("e10_run")
    page.locator(".wsss-controls select").first.select_option("the classifier's doubt, greatest first")
    page.wait_for_function("document.querySelector('.wsss-head select').selectedOptions[0].innerText.includes('doubt')")
    chart = page.locator(".wsss-chart[data-kind=lines]")
    page.wait_for_function("document.querySelector('.wsss-chart[data-kind=lines] .wsss-mark')")
    chart.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wsss-explorer').innerText.includes('2 of 84')")
    tab.ready()
