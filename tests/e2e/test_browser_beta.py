"The explorer of β in a real browser: the seed that is shown is `grow`'s, to the bit."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore import BetaExplorer
from wsss_nb.growing import grow, superpixel_scores
from wsss_nb.metrics import seed_quality
from wsss_nb.thresholds import taken


@pytest.fixture(scope="module")
def opened(browser):
    with on_a_page(browser, BetaExplorer(), width=1600) as both: yield both


TICKS = """() => [...document.querySelectorAll('.wsss-explorer .widget-label-basic')].map(e => {  // how much lower a tick box is than its words
  const middle = o => { const b = o.getBoundingClientRect(); return b.y + b.height/2 }; return middle(e.querySelector('input')) - middle(e.querySelector('span')) })"""


def asked(e, epoch): return e.case.seed, e.growth.softmax(e.new.name, epoch), e.case.sp, e.new.present


def test_the_grown_seed_is_the_librarys_to_the_bit(opened):
    e, p = opened
    for epoch in (6, 1, 3):
        p.set(epoch=epoch)
        p.settle()
        for bg, fg in ((.7, .7), (.3, .55), (0., 0.), (1., .35), (.84, .99)):
            p.set(beta_bg=bg, beta_fg=fg)
            grown = grow(*asked(e, epoch), bg, fg)
            q = seed_quality(grown, e.new.mask, 9)
            np.testing.assert_array_equal(p.get("grown"), grown)
            assert p.page.locator(".wsss-caption").nth(1).inner_text() == f"coverage (labelled) {q['coverage']:.3f} · precision (of that right) {q['precision']:.3f}"
        s = superpixel_scores(asked(e, epoch)[1], e.case.sp, e.case.seed == 255)[:, [True, *e.new.present]]
        np.testing.assert_array_equal(p.get("scores"), s)
        np.testing.assert_array_equal(p.get("surest"), np.where(e.case.seed == 255, np.nan_to_num(s).max(1)[e.case.sp], 0).astype(np.float32))
    p.set(epoch=6)
    p.settle()
    assert sorted(k for k in p.asked if k.startswith("H")) == ["H|epoch=1", "H|epoch=3", "H|epoch=6"], "each softmax travels once"


def test_pixels_change_with_beta_and_hover_tells(opened):
    e, p = opened
    s = superpixel_scores(asked(e, 6)[1], e.case.sp, e.case.seed == 255)[:, [True, *e.new.present]]
    big = np.bincount(e.case.sp[e.case.seed == 255]).argmax()
    mid = np.argwhere((e.case.sp == big) & (e.case.seed == 255))
    y, x = mid[len(mid)//2].tolist()
    p.set(beta_bg=1., beta_fg=1.)
    around = [p.pixel(x + d, y, 1) for d in range(-3, 4)]
    p.set(beta_bg=0., beta_fg=0.)
    assert [p.pixel(x + d, y, 1) for d in range(-3, 4)] != around
    told = p.hover(x, y, 1)
    names = ["background", *np.array(e.growth.classes)[e.new.present]]
    assert told["superpixel"] == big and told["grown"] == names[s[big].argmax()]
    assert [told[n] for n in names] == pytest.approx(s[big].tolist())


def test_in_jupyterlab_and_on_the_page(tab, opened):
    e, page = opened[0], tab.open("e4_beta")
    handles, values = page.locator(".wsss-explorer .noUi-handle"), lambda: page.locator(".wsss-explorer .widget-readout").all_inner_texts()
    page.wait_for_function("document.querySelector('.wsss-canvas').dataset.ready === '1'")
    assert values() == ["6", "0.70", "0.70"]
    assert page.get_by_role("slider").evaluate_all("a => a.map(e => e.ariaLabel)") == ["epoch", "β background", "β foreground"]
    assert max(map(abs, page.evaluate(TICKS))) <= 1, "a box stands beside its words"
    cells = page.locator(".wsss-chart[data-kind=map] image").first
    cells.scroll_into_view_if_needed()
    box = cells.bounding_box()
    page.mouse.click(box["x"] + box["width"]*(5.5/21), box["y"] + box["height"]*(8.5/21))  # β background 0.25, foreground 0.60
    page.wait_for_function("document.querySelectorAll('.wsss-explorer .widget-readout')[1].innerText === '0.25'")
    assert values() == ["6", "0.25", "0.60"]
    grown = lambda: np.array(page.evaluate("Array.from(document.querySelector('.wsss-canvas').wsss.get('grown').data)")).reshape(e.case.seed.shape)
    np.testing.assert_array_equal(grown(), grow(*asked(e, 6), .25, .6))
    rows = taken(*asked(e, 6), .25, .6)
    page.wait_for_function("n => document.querySelector('.wsss-explorer').innerText.includes(n + ' superpixels taken')", arg=len(rows))
    assert page.locator(".wsss-table tr").nth(1).locator("td").all_inner_texts()[0] == str(rows[0]["superpixel"])
    tab.looks("e4_beta")
    page.get_by_label("both the same").check()
    page.wait_for_function("document.querySelectorAll('.wsss-explorer .widget-readout')[2].innerText === '0.25'")
    handles.nth(2).focus()
    for _ in range(4): page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelectorAll('.wsss-explorer .widget-readout')[1].innerText === '0.29'")
    handles.nth(0).focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('H|epoch')?.shape")
    np.testing.assert_array_equal(grown(), grow(*asked(e, 5), .29, .29))
