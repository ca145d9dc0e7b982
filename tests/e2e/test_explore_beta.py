"The explorer of β in a real browser: the seed that is shown is `grow`'s, to the bit."
import numpy as np
import pytest
from canvas_page import CanvasPage
from test_chart import browser  # noqa: F401  (a fixture)

from wsss_nb.explore import BetaExplorer
from wsss_nb.growing import grow, superpixel_scores
from wsss_nb.metrics import seed_quality


@pytest.fixture(scope="module")
def opened(browser):  # noqa: F811
    e = BetaExplorer()
    p = CanvasPage(browser, e.canvas, width=1600)
    p.settle()
    yield e, p
    assert not p.problems
    p.page.close()


def asked(e, epoch): return e.L, e.growth.softmax(e.id, epoch), e.S, e.new.present


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
            assert p.page.locator(".wsss-caption").nth(1).inner_text() == f"coverage (labelled) {q['coverage']:.3f} · precision (of that right) {q['precision']:.3f}".replace("1.000", "1").replace("0.000", "0")
        s = superpixel_scores(asked(e, epoch)[1], e.S, e.L == 255)[:, e.classes]
        np.testing.assert_array_equal(p.get("scores"), s)
        np.testing.assert_array_equal(p.get("surest"), np.where(e.L == 255, np.nan_to_num(s).max(1)[e.S], 0).astype(np.float32))
    p.set(epoch=6)
    p.settle()
    assert sorted(k for k in p.asked if k.startswith("H")) == ["H|epoch=1", "H|epoch=3", "H|epoch=6"], "each softmax travels once"


def test_pixels_change_with_beta_and_hover_tells(opened):
    e, p = opened
    s = superpixel_scores(asked(e, 6)[1], e.S, e.L == 255)[:, e.classes]
    big = np.bincount(e.S[e.L == 255]).argmax()
    mid = np.argwhere((e.S == big) & (e.L == 255))
    y, x = mid[len(mid)//2].tolist()
    p.set(beta_bg=1., beta_fg=1.)
    around = [p.pixel(x + d, y, 1) for d in range(-3, 4)]
    p.set(beta_bg=0., beta_fg=0.)
    assert [p.pixel(x + d, y, 1) for d in range(-3, 4)] != around
    told = p.hover(x, y, 1)
    names = ["background", *np.array(e.growth.classes)[e.new.present]]
    assert told["superpixel"] == big and told["grown"] == names[s[big].argmax()]
    assert [told[n] for n in names] == pytest.approx(s[big].tolist())
