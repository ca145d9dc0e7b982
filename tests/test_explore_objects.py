"""The explorer of objects, without a browser: its maps are the library's, whichever way the object is chosen."""
import numpy as np
import pytest

from wsss_nb.canvas import given
from wsss_nb.core import DataError
from wsss_nb.explore_objects import ObjectExplorer, pairs_below, stretch
from wsss_nb.gallery import Photo, gallery
from wsss_nb.grouping import patch_mask, polygon_mask, similarity_histogram
from wsss_nb.superpixels import negativeness, positiveness


@pytest.fixture
def explorer(): return ObjectExplorer()


def assert_shows(e, m):
    "The object `m` (h,w), its two maps, its histogram"
    A, n = e.group.A, int(m.sum())
    P, N = (f(A, m.ravel()).reshape(m.shape) for f in (positiveness, negativeness))
    for name, want in dict(object=m, positive=P, negative=N, positive_share=np.float32(P/n), negative_share=np.float32(N/n)).items():
        got, facts = given(e.canvas, name)
        np.testing.assert_array_equal(got, want)
        assert facts["patches"] == n
    assert (facts["alike"], facts["unlike"], facts["worst"]) == tuple(f"{100*v/n:.1f} %" for v in (P[m].mean(), N[m].mean(), N.max()))
    counts, edges = similarity_histogram(A, m)
    assert n < 2 or e.pairs.chart.data["counts"] == counts.tolist() and sum(e.pairs.chart.data["counts"]) == n*(n - 1)//2


def test_it_begins_with_the_true_mask(explorer):
    e = explorer
    assert e.which.options[0] == ("the boat, its true mask", 1) and e.canvas.tool == "point" and not e.canvas.extra
    assert_shows(e, patch_mask(e.photo.mask == 1, (20, 20)))
    assert given(e.canvas, "object")[1]["object"] == "The boat" and [m["of"] for m in e.pairs.chart.data["marks"]] == ["x", "2x²-1"]


def test_a_click_takes_the_superpixel_which_follows_tau(explorer):
    e = explorer
    e.choice.click(0, 85, 130)
    assert e.which.value == "superpixel" and e.canvas.extra == 1
    p = e.group.patch(85, 130)
    for tau in (.3, .6, 0., 1.):
        e.canvas.tau = tau
        L = e.group.labels(tau)
        assert_shows(e, L == L.flat[p])
        np.testing.assert_array_equal(given(e.canvas, "sp")[0], L)
    assert e.object.sum() == 1 and e.pairs.chart.data == dict(empty="one patch has no pairs") and "single patch" in e.pairs.words.value
    e.choice.click(2, 10, 10)
    assert e.object.flat[e.group.patch(10, 10)]


def test_a_line_around_something(explorer):
    e = explorer
    before = e.object.copy()
    e.which.value = "lasso"
    assert e.canvas.tool == "lasso" and "draw a line" in e.status.value and (e.object == before).all()
    points = [[20, 30], [120, 30.5], [100, 140]]
    e.lasso(1, points)
    assert_shows(e, patch_mask(polygon_mask(points, (160, 160)), (20, 20)))
    drawn = e.object.copy()
    e.lasso(1, [[0, 0], [.2, 0], [0, .2]])  # holds no pixel's centre
    assert 'role="alert"' in e.status.value and "larger" in e.status.value and (e.object == drawn).all()
    e.which.value = 1
    assert e.canvas.tool == "point" and (e.object == before).all()
    e.which.value = "lasso"
    assert (e.object == drawn).all(), "a line that was drawn stays"


def test_the_words(explorer):
    e = explorer
    e.canvas.tau = .5
    m = e.object.ravel()
    i, j = np.triu_indices(m.sum(), 1)
    a = e.group.A[np.ix_(m, m)][i, j]
    for v in (.5, -.5, 0.): assert pairs_below(e.group.A, e.object, v) == pytest.approx((a < v).mean())
    assert f"<b>{100*(a < .5).mean():.1f} %</b> are less similar than τ = 0.50" in e.pairs.words.value and "2τ²−1 = −0.50" in e.pairs.words.value
    assert f"{e.group.count(.5)} superpixels, <b>0</b> pairs are." in e.pairs.words.value
    e.canvas.tau = -.2
    assert "promises nothing" in e.pairs.words.value and "τ = −0.20" in e.pairs.words.value


def test_one_scale_for_both_maps_or_each_its_own(explorer):
    c = explorer.canvas
    heat = lambda: [o["hi"] for p in c.panes for o in p["layers"] if o["type"] == "heat"]
    assert heat() == [1, 1] and c.legend[-1]["name"] == "all of the object’s patches"
    stretch(c, True)
    assert heat() == ["max", "max"] and c.legend[-1]["name"] == "the most in this map"


def test_pictures_without_a_truth_and_with_two_objects(explorer):
    e = explorer
    e.names.value = "rocket"
    assert [v for _, v in e.which.options] == ["superpixel", "lasso"] and e.object.any()
    s = gallery()["scene: boat"]()
    both = Photo("both", s.image, np.where(s.image[..., 0] > 128, 3, s.mask).astype(np.uint8), None, s.classes)
    e.open_picture(both)
    assert e.which.value == "superpixel", "what was looked at stays"
    e.which.value = 1
    e.open_picture(both)
    assert [v for _, v in e.which.options][:2] == [1, 3] and e.which.value == 1
    e.which.value = 3
    assert_shows(e, patch_mask(both.mask == 3, (20, 20)))
    void = both._replace(mask=np.full_like(both.mask, 255))
    e.open_picture(void)
    assert e.which.value == "superpixel"


def test_what_is_no_picture_leaves_the_old_one(explorer):
    e = explorer
    before = e.object.copy(), e.photo
    e.try_open(lambda: dict(content=b"no image", name="notes.txt"))
    assert "notes.txt" in e.status.value and 'role="alert"' in e.status.value and e.photo is before[1] and (e.object == before[0]).all()
    with pytest.raises(DataError): e.open_picture(np.zeros((4, 4, 7), np.uint8))
    e.open_picture(np.full((1, 1), 9, np.uint8))  # a single grey pixel
    assert e.object.tolist() == [[True]]


def test_the_still_is_small(explorer):
    data, *_ = np.atleast_1d(explorer._repr_mimebundle_())
    assert len(data["image/png"]) < 60_000
