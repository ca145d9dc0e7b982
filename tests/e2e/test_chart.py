"""The chart beside the pictures, in a real browser, without Jupyter: `chart.js` with a model that only holds values."""
import os
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2]/"wsss_nb"/"static"
# colours as JupyterLab's two themes define them
LIGHT = "--jp-content-font-color1: rgba(0,0,0,.87); --jp-layout-color1: white; --jp-border-color2: #e0e0e0; --jp-brand-color1: #1976d2"
DARK = "--jp-content-font-color1: #fff; --jp-layout-color1: #212121; --jp-border-color2: #424242; --jp-brand-color1: #2196f3"
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><link rel="stylesheet" href="/chart.css"><body style="margin:16px"></body>
<script type="module">
import chart from "/chart.js";
class Model {                                    // what an anywidget model does for a view, and a count of what reaches Python
  constructor(state) { this.state = { kind: "lines", data: {}, title: "", x_label: "", y_label: "", x: null, y: null, width: 360, height: 220, x_range: [], y_range: [], ...state }; this.on_ = []; this.saves = 0; }
  get(k) { return this.state[k]; }
  set(k, v) { if (this.state[k] === v) return; this.state[k] = v; for (const [names, f] of this.on_) if (names.split(" ").includes(`change:${k}`)) f(); }
  on(names, f) { this.on_.push([names, f]); }
  off(names, f) { this.on_ = this.on_.filter(o => o[0] !== names || o[1] !== f); }
  save_changes() { this.saves++; }
}
window.show = state => { const el = document.body.appendChild(document.createElement("div")); el.style.marginBottom = "18px"; const model = new Model(state); window.end = chart.render({ model, el }); window.model = model; };
window.ready = true;
</script>"""
# the contrast of every text with the paper below it: colours are painted, so that the browser resolves mixtures and transparency
CONTRAST = """() => {
  const c = Object.assign(document.createElement("canvas"), {width: 1, height: 1}), pen = c.getContext("2d", {willReadFrequently: true});
  const luminance = (...colors) => { pen.clearRect(0, 0, 1, 1); for (const o of colors) { pen.fillStyle = o; pen.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map(v => v/255 <= .04045 ? v/255/12.92 : ((v/255 + .055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b; };
  const texts = [...document.querySelectorAll(".wsss-chart svg text, .wsss-chart span, .wsss-chart b, .wsss-chart .wsss-head-line, .wsss-chart .wsss-tip")].filter(o => o.textContent && !o.matches(".wsss-star"));
  return texts.map(o => { const paper = getComputedStyle(o.closest(".wsss-chart")).backgroundColor, s = getComputedStyle(o);
    const [a, b] = [luminance(paper), luminance(paper, o.namespaceURI.endsWith("svg") ? s.fill : s.color)].sort((p, q) => q - p); return [(a + .05)/(b + .05), o.textContent]; });
}"""
CURVES = dict(x=[0, .25, .5, .75, 1], series=[dict(name="coverage", y=[1, .8, .6, .3, .1]), dict(name="precision", y=[.4, .5, None, .8, .9], dash=True)])
LINES = dict(kind="lines", title="Seed quality", x_label="α", x=.25, x_range=[0, 1], y_range=[0, 1], data=CURVES)
MAP = dict(kind="map", title="Seed quality", x_label="β_bg", y_label="β_fg", x=.5, y=0, data=dict(x=[0, .5, 1], y=[0, 1], z=[[.1, .2, .3], [.4, .9, None]], label="mIoU"))
BARS = dict(kind="bars", title="Scores", data=dict(names=["cat", "a very long name of a class, too long for its place"], range=[0, 1],
            series=[dict(name="before", values=[.9, .25]), dict(name="after", values=[.125, None])]))
HISTOGRAM = dict(kind="histogram", title="Similarity", x_label="cosine", x=.5, data=dict(edges=[-1, -.5, 0, .5, 1], counts=[0, 1000, 200, 50], scale="sqrt", shade=True,
                 marks=[dict(of="x", label="τ"), dict(of="2x²-1", label="2τ²−1")]))


def open_page(browser, variables="", scheme="light"):
    page = browser.new_page(color_scheme=scheme, viewport=dict(width=860, height=760))
    page.problems = []
    page.on("console", lambda m: page.problems.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: page.problems.append(str(e)))
    page.route("**/*", lambda r: r.fulfill(path=STATIC/r.request.url.removeprefix("http://chart.test/")) if r.request.url.endswith((".js", ".css")) else r.fulfill(body=PAGE, content_type="text/html"))
    page.goto("http://chart.test/")
    page.wait_for_function("window.ready")
    if variables: page.evaluate("v => { document.documentElement.style.cssText = v; document.body.style.background = 'var(--jp-layout-color1)' }", variables)
    return page


@pytest.fixture
def page(browser):
    page = open_page(browser)
    yield page
    problems = page.problems
    page.close()
    assert not problems, problems


def show(page, **state):
    page.evaluate("s => show(s)", state)
    return page.locator(".wsss-chart").last


def get(page, name): return page.evaluate("n => model.get(n)", name)
def set_(page, **values): page.evaluate("v => { for (const k in v) model.set(k, v[k]) }", values)
def texts(chart, css): return chart.locator(css).all_text_contents()


def at(chart, u, v):
    "A point of the plot in page coordinates: u to the right, v upwards, from 0 to 1, by the lowest and the highest line of the grid."
    axis, top = chart.locator(".wsss-axis").first.bounding_box(), chart.locator(".wsss-grid-line").last.bounding_box()
    return axis["x"] + u*axis["width"], axis["y"] - v*(axis["y"] - top["y"])


def in_map(chart, u, v):
    b = chart.locator("image").first.bounding_box()
    return b["x"] + u*b["width"], b["y"] + (1 - v)*b["height"]


def test_mark_follows_x_without_redrawing(page):
    chart = show(page, **LINES)
    mark = chart.locator(".wsss-mark")
    assert chart.get_attribute("data-kind") == "lines" and mark.get_attribute("data-x") == "0.25"
    assert texts(chart, ".wsss-entry .wsss-value") == ["0.800", "0.500"]
    page.evaluate("document.querySelector('.wsss-line').old = true")
    set_(page, x=.75)
    assert mark.get_attribute("data-x") == "0.75" and texts(chart, ".wsss-entry .wsss-value") == ["0.300", "0.800"]
    axis, line = chart.locator(".wsss-axis").bounding_box(), mark.locator("line").bounding_box()
    assert line["x"] == pytest.approx(axis["x"] + .75*axis["width"], abs=1)
    assert page.evaluate("document.querySelector('.wsss-line').old") is True  # the curve is the same element
    assert page.evaluate("model.saves") == 0                                  # and nothing went to Python


def test_between_points_and_beside_gaps(page):
    chart = show(page, **LINES)
    set_(page, x=.125)
    assert texts(chart, ".wsss-entry .wsss-value") == ["0.900", "0.450"]  # half way: (1 + .8)/2, (.4 + .5)/2
    set_(page, x=.6)
    assert texts(chart, ".wsss-entry .wsss-value")[1] == "–"
    assert chart.locator(".wsss-dot").nth(1).is_hidden()
    set_(page, x=2)
    assert chart.locator(".wsss-mark").is_hidden()
    set_(page, x=None)
    assert chart.locator(".wsss-mark").is_hidden() and texts(chart, ".wsss-entry .wsss-value") == ["–", "–"]
    assert "NaN" not in page.content()


def test_click_and_drag_set_x(page):
    chart = show(page, **LINES)
    page.mouse.click(*at(chart, .73, .5))
    assert get(page, "x") == .75 and page.evaluate("model.saves") == 1
    page.mouse.move(*at(chart, .5, .5)); page.mouse.down(); page.mouse.move(*at(chart, .1, .9)); page.mouse.up()
    assert get(page, "x") == 0
    page.mouse.move(*at(chart, .9, .9))
    assert get(page, "x") == 0  # the drag is over
    set_(page, data={**CURVES, "step": .01})
    page.mouse.click(*at(chart, .3, .5))
    assert get(page, "x") == pytest.approx(.3, abs=.011)


def test_hover_says_the_values(page):
    chart = show(page, **LINES)
    page.mouse.move(*at(chart, .26, .5))
    assert chart.locator(".wsss-tip").inner_text().split("\n") == ["α 0.25", "coverage 0.800", "precision 0.500"]
    page.mouse.move(800, 700)
    assert chart.locator(".wsss-tip").is_hidden()


def test_arrow_keys(page):
    chart = show(page, **LINES)
    chart.focus()
    page.keyboard.press("ArrowRight"); page.keyboard.press("ArrowRight")
    assert get(page, "x") == .75
    for _ in range(9): page.keyboard.press("ArrowLeft")
    assert get(page, "x") == 0
    page.keyboard.press("ArrowUp")
    assert get(page, "y") is None


def test_map(page):
    chart = show(page, **MAP)
    assert texts(chart, ".wsss-entry .wsss-value") == ["0.200"] and texts(chart, ".wsss-best") == ["0.900"]
    assert "at 0.5, 1" in chart.inner_text()
    page.mouse.click(*in_map(chart, .1, .9))
    assert (get(page, "x"), get(page, "y")) == (0, 1) and texts(chart, ".wsss-entry .wsss-value") == ["0.400"]
    page.mouse.move(*in_map(chart, .9, .9))
    assert "mIoU –" in chart.locator(".wsss-tip").inner_text()
    chart.focus(); page.keyboard.press("ArrowRight"); page.keyboard.press("ArrowDown")
    assert (get(page, "x"), get(page, "y")) == (.5, 0)
    ring, cells = chart.locator(".wsss-mark").bounding_box(), chart.locator("image").first.bounding_box()
    assert ring["x"] + ring["width"]/2 == pytest.approx(cells["x"] + cells["width"]/2, abs=1)
    assert ring["y"] + ring["height"]/2 == pytest.approx(cells["y"] + cells["height"]*.75, abs=1)  # y = 0 is the lower row


def test_map_of_losses_praises_the_lowest(page):
    chart = show(page, **{**MAP, "data": {**MAP["data"], "best": "min"}})
    assert texts(chart, ".wsss-best") == ["0.100"]


def test_bars_write_their_values(page):
    chart = show(page, **BARS)
    assert texts(chart, "text.wsss-value") == ["0.900", "0.125", "0.250", "–"]
    a, b = (chart.locator(".wsss-bar").nth(i).bounding_box()["width"] for i in range(2))
    assert a/b == pytest.approx(.9/.125, rel=.05)
    assert texts(chart, ".wsss-name title")[1].startswith("a very long name") and "…" in texts(chart, ".wsss-name")[1]


def test_bars_below_zero(page):
    chart = show(page, kind="bars", data=dict(names=["a", "b"], series=[dict(values=[-2, 2])]))
    left, right = (chart.locator(".wsss-bar").nth(i).bounding_box() for i in range(2))
    assert left["x"] + left["width"] == pytest.approx(right["x"], abs=1.5) and texts(chart, "text.wsss-value") == ["−2", "2"]


def test_bars_without_values(page):
    chart = show(page, kind="bars", data=dict(names=["a"], series=[dict(values=[None])]))
    assert texts(chart, "text.wsss-value") == ["–"]
    set_(page, data=dict(names=["a"], series=[dict(values=[0])]))
    assert texts(chart, "text.wsss-value") == ["0"] and "NaN" not in page.content()


def test_one_point(page):
    chart = show(page, x=3, data=dict(x=[3], series=[dict(name="a", y=[.5])]))
    assert texts(chart, ".wsss-entry .wsss-value") == ["0.500"] and chart.locator(".wsss-dot").is_visible() and "NaN" not in page.content()


def test_histogram_marks_and_share(page):
    chart = show(page, **HISTOGRAM)
    assert texts(chart, ".wsss-mark text") == ["τ 0.50", "2τ²−1 −0.50"]
    assert texts(chart, ".wsss-entry .wsss-value") == ["≈ 4.0 % above τ"]  # 50 of 1250
    set_(page, x=.9)
    assert texts(chart, ".wsss-mark text") == ["τ 0.90", "2τ²−1 0.62"]
    assert float(chart.locator(".wsss-mark").nth(1).get_attribute("data-x")) == pytest.approx(.62)
    assert texts(chart, ".wsss-entry .wsss-value") == ["≈ 0.8 % above τ"]  # a fifth of the last bin
    page.mouse.move(*at(chart, .3, .5))
    assert chart.locator(".wsss-tip").inner_text().split("\n") == ["−0.5 … 0.0", "1000"]


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
def test_ticks_of_counts_do_not_touch(page, scale):
    chart = show(page, **{**HISTOGRAM, "data": {**HISTOGRAM["data"], "scale": scale}})
    boxes = sorted((o.bounding_box() for o in chart.locator("text[text-anchor=end]:not(.wsss-value)").all()), key=lambda b: b["y"])
    assert len(boxes) >= 3 and all(p["y"] + p["height"] <= q["y"] + 2 for p, q in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("kind", ["lines", "bars", "histogram", "map"])
def test_nothing_to_draw(page, kind):
    chart = show(page, kind=kind, title="Quality", data=dict(empty="no ground truth: nothing to draw"))
    assert texts(chart, ".wsss-empty") == ["no ground truth: nothing to draw"]
    page.mouse.click(*(lambda b: (b["x"] + 100, b["y"] + 100))(chart.bounding_box())); page.keyboard.press("ArrowRight")
    assert get(page, "x") is None
    set_(page, data={})
    assert texts(chart, ".wsss-empty") == ["nothing to draw yet"]


def test_new_data_are_drawn_and_the_focus_stays(page):
    chart = show(page, **LINES)
    chart.focus()
    set_(page, data=dict(x=[0, 1], series=[dict(name="only", y=[0, 1])]), title="New")
    assert texts(chart, ".wsss-entry") == ["only0.250"] and texts(chart, ".wsss-head-line") == ["New"]
    page.keyboard.press("ArrowRight")
    assert get(page, "x") in (0, 1)


def test_words_for_those_who_do_not_see(page):
    chart = show(page, **LINES)
    assert chart.get_attribute("role") == "img" and chart.get_attribute("tabindex") == "0"
    assert chart.get_attribute("aria-label") == "Seed quality; α 0.25; coverage 0.800; precision 0.500"
    set_(page, x=.5)
    assert "coverage 0.600" in chart.get_attribute("aria-label")


def test_a_closed_view_listens_no_more(page):
    show(page, **LINES)
    page.evaluate("end()")
    assert page.evaluate("model.on_.length") == 0


def test_a_tip_stays_in_the_chart_and_hides_neither_pointer_nor_ring(page):
    for width in (360, 240):  # so small that there may be no room for the ring, too
        chart = show(page, **MAP | dict(width=width, x_label="β background", y_label="β foreground", x=.5, y=1))
        for k in range(3):
            page.evaluate("v => { model.set('x', v[0]); model.set('y', v[1]) }", [(0, .5, 1)[k], k % 2])
            inside, ring = chart.bounding_box(), chart.locator(".wsss-mark").bounding_box()
            for u in (.05, .3, .5, .7, .95):
                for v in (.2, .8):
                    x, y = in_map(chart, u, v)
                    page.mouse.move(x, y)
                    tip = chart.locator(".wsss-tip").bounding_box()
                    assert inside["x"] - 1 <= tip["x"] and tip["x"] + tip["width"] <= inside["x"] + inside["width"] + 1
                    hides = lambda l, t, r, b: l < tip["x"] + tip["width"] and r > tip["x"] and t < tip["y"] + tip["height"] and b > tip["y"]
                    assert not hides(x, y, x, y), (width, u, v)
                    assert not hides(ring["x"], ring["y"], ring["x"] + ring["width"], ring["y"] + ring["height"]) or width == 240, (u, v)


def test_a_page_may_make_it_wider(page):
    chart = show(page, **LINES)
    page.evaluate("document.querySelector('.wsss-chart').style.width = '600px'")
    page.wait_for_function("document.querySelector('.wsss-chart svg').getAttribute('viewBox') === '0 0 600 220'")
    assert chart.locator("svg").bounding_box()["height"] == 220, "drawn anew, not blown up"
    page.mouse.click(*at(chart, .5, .5))
    assert get(page, "x") == .5


def test_narrow_page(page):
    page.set_viewport_size(dict(width=260, height=500))
    chart = show(page, **LINES)
    assert chart.bounding_box()["width"] <= 260 - 32
    page.mouse.click(*at(chart, .5, .5))
    assert get(page, "x") == .5


@pytest.mark.parametrize("name,variables,scheme", [("light", LIGHT, "light"), ("dark", DARK, "light"), ("light_in_dark_system", LIGHT, "dark"), ("plain_light", "", "light"), ("plain_dark", "", "dark")])
def test_texts_are_legible(browser, name, variables, scheme):
    page = open_page(browser, variables, scheme)
    for state in (LINES, MAP, BARS, HISTOGRAM, dict(data=dict(empty="nothing here"))): show(page, **state)
    page.mouse.move(*at(page.locator(".wsss-chart").first, .3, .5))
    found = page.evaluate(CONTRAST)
    assert len(found) > 40 and min(found)[0] >= 4.5, min(found)
    if folder := os.environ.get("WSSS_NB_SCREENSHOTS"): page.screenshot(path=Path(folder)/f"chart_{name}.png", full_page=True)  # to be looked at
    problems = page.problems
    page.close()
    assert not problems, problems
