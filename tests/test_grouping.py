"""Superpixels for every setting, where they started, and the pairs of an object: against the library and by hand."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from wsss_nb.core import DataError, ParameterError
from wsss_nb.features import load
from wsss_nb.gallery import open_photo
from wsss_nb.grouping import (
    _NCUT_MOST,
    Grouping,
    _blocks,
    _ncut,
    patch_mask,
    polygon_mask,
    similarity_histogram,
)
from wsss_nb.images import resize
from wsss_nb.scenes import make_scene
from wsss_nb.superpixels import ncut, partition, similarity, superpixels


@pytest.fixture(scope="module")
def extractor(): return load("mini")


@pytest.fixture(scope="module")
def scene(): return make_scene(0, 1_000_003)


@pytest.fixture(scope="module")
def group(scene, extractor): return Grouping(scene.image, extractor)


@pytest.mark.parametrize("order", ["low", "high"])
@pytest.mark.parametrize("tau", [-.1, .3, .75])
def test_grouping_is_the_library(group, scene, extractor, tau, order):
    np.testing.assert_array_equal(group.pixels(tau, order, crf=False), superpixels(scene.image, extractor, tau, order, crf=False))
    if tau == .3: np.testing.assert_array_equal(group.pixels(tau, order), superpixels(scene.image, extractor, tau, order))
    assert group.count(tau, order) == len(np.unique(group.labels(tau, order)))


def test_odd_sizes(extractor):
    image = skimage.data.chelsea()[:45, :61]
    g = Grouping(image, extractor)
    assert g.hw == (6, 8)
    np.testing.assert_array_equal(g.pixels(.4), superpixels(image, extractor, .4))
    p = np.arange(48).reshape(g.hw)
    np.testing.assert_array_equal([[g.patch(x, y) for x in range(61)] for y in range(45)], resize(p, (45, 61), "nearest"))
    assert g.patch(-3, 99) == 40 and g.patch(60.9, 0) == 7
    one = Grouping(image[:3, :2], extractor)
    assert one.hw == (1, 1) and one.pixels().tolist() == [[0, 0]]*3 and one.seeds()[1].tolist() == [1]


def plain_seeds(A, tau, order):
    "Table 3.1, line by line."
    left, out = set(range(len(A))), []
    while left:
        rest = sorted(left)
        d = (A[np.ix_(rest, rest)] > 0).sum(0)
        i = d.argmin() if order == "low" else d.argmax()
        out.append((rest[i], d[i]))
        left -= {q for q in rest if A[rest[i], q] > tau} | {rest[i]}
    return out


@pytest.mark.parametrize("order", ["low", "high"])
def test_seeds_by_table_3_1(group, order):
    for tau in (.2, .6):
        p, d = group.seeds(tau, order)
        assert list(zip(p, d)) == plain_seeds(group.A, tau, order)
        assert (group.labels(tau, order).ravel()[p] == np.arange(group.count(tau, order))).all()
    assert group.degree().ravel()[p[0]] == d[0]
    with pytest.raises(ParameterError, match="grow from no seed"): group.seeds(.3, "ncut")


def test_ncut_exact_and_on_blocks(group):
    np.testing.assert_array_equal(group.labels(.4, "ncut").ravel(), ncut(group.f, .4))
    assert group.cell == 1
    f = np.float32([[1, 0], [0, 2], [3, 0]]*2)
    F, hw = _blocks(f, (2, 3), 2)
    assert hw == (1, 2)
    np.testing.assert_allclose(F, [[2, 2], [2, 0]])
    L = _ncut(group.f, group.hw, .4, 3)
    assert L.shape == group.hw and (L[:3, :3] == L[0, 0]).all() and L.max() + 1 == len(np.unique(L)) > 1


def test_large_pictures_are_cut_on_blocks(extractor):
    image = np.zeros((500, 500, 3), np.uint8)
    image[:250] = 255, 0, 0
    g = Grouping(image, load("rgb"))
    assert g.hw == (63, 63) and g.cell == 2 and _NCUT_MOST < 63*63
    L = g.labels(.9, "ncut")
    assert L.shape == (63, 63) and (L[:30] == L[0, 0]).all() and (L[34:] == L[62, 62]).all() and L[0, 0] != L[62, 62]


def test_wrong_order_or_tau(group):
    with pytest.raises(ParameterError, match="low, high or ncut"): group.labels(.3, "middle")
    with pytest.raises(ParameterError, match="tau must lie"): group.labels(1.5)


def test_lemma(group):
    assert group.guaranteed(.5) == -.5 and group.guaranteed(-.5) == -1
    for tau in (0, .3, .6, .9): assert group.violations(tau) == group.violations(tau, "high") == 0
    g = Grouping.__new__(Grouping)
    g.A, g.hw, g._made = np.float32([[1, .2, 1], [.2, 1, 1], [1, 1, 1]]), (1, 3), {(.9, "low"): np.zeros((1, 3), np.int32)}
    assert g.violations(.9) == 1  # .2 < 2·.81 - 1


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_histogram_counts_each_pair_once(n, bins, seed):
    rng = np.random.default_rng(seed)
    A = similarity(rng.normal(size=(n, 3)))
    mask = rng.random(n) < .7
    count, edges = similarity_histogram(A, mask, bins)
    sub = A[np.ix_(mask, mask)]
    pairs = sub[np.triu_indices(len(sub), 1)]
    assert count.sum() == len(pairs)
    off = np.abs(np.cumsum(count) - np.cumsum(np.histogram(pairs.clip(-1, 1), edges)[0]))
    near = [(np.abs(pairs - e) < 1e-5).sum() for e in edges[1:]]
    assert (off <= near).all()  # equal, but for numbers on an edge


def test_histogram_refuses(group):
    with pytest.raises(DataError, match="mask has 3 patches"): similarity_histogram(group.A, np.ones(3, bool))
    assert similarity_histogram(group.A, np.zeros(group.hw, bool))[0].sum() == 0
    n = len(group.A)
    assert similarity_histogram(group.A)[0].sum() == n*(n - 1)//2


def test_patch_mask(scene):
    p = patch_mask(scene.mask, (20, 20))
    share = (scene.mask > 0).reshape(20, 8, 20, 8).mean((1, 3))
    np.testing.assert_array_equal(p, share > .5)
    void = np.full((16, 16), 255, np.uint8); void[:9] = 1
    assert patch_mask(void, (2, 2)).tolist() == [[True, True], [False, False]]
    assert not patch_mask(np.zeros((16, 16), bool), (2, 2)).any()
    tiny = np.zeros((16, 16), bool); tiny[9, 1] = True
    assert patch_mask(tiny, (2, 2)).tolist() == [[False, False], [True, False]]


def test_polygon_square_by_hand():
    want = np.zeros((6, 7), bool); want[2:4, 1:5] = True
    for corners in ([(1, 2), (5, 2), (5, 4), (1, 4)], [(1, 4), (5, 4), (5, 2), (1, 2)], [(.6, 1.6), (5.4, 1.6), (5.4, 4.4), (.6, 4.4)]):
        np.testing.assert_array_equal(polygon_mask(corners, (6, 7)), want)
    assert polygon_mask([(-9, -9), (99, -9), (99, 99), (-9, 99)], (6, 7)).all()
    assert not polygon_mask([(1, 1), (2, 2), (3, 3)], (6, 7)).any()


@given(st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 30)), min_size=3, max_size=3, unique=True))
@settings(max_examples=50, deadline=None)
def test_polygon_is_matplotlibs(points):
    y, x = np.mgrid[:25, :35] + .5
    got, outline = polygon_mask(points, (25, 35)), Outline([*points, points[0]])
    inside = outline.contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(25, 35)
    d = np.full((25, 35), np.inf)  # distance to the outline: where it passes through a centre, either answer will do
    for a, b in zip(np.array(points), np.roll(points, -1, 0)):
        v = b - a
        t = (((x - a[0])*v[0] + (y - a[1])*v[1])/max(v@v, 1e-12)).clip(0, 1)
        d = np.minimum(d, np.hypot(x - a[0] - t*v[0], y - a[1] - t*v[1]))
    assert (got == inside)[d > 1e-3].all()


def test_a_lasso_that_overlaps_itself_has_no_hole():
    twice = [(1, 1), (9, 1), (9, 9), (1, 9)]*2
    assert polygon_mask(twice, (10, 10)).sum() == 64


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (2, 2)], [(1, 1, 1)]*3, [(1, np.nan)]*3])
def test_polygon_refuses(points):
    with pytest.raises(ParameterError, match="at least 3 points"): polygon_mask(points, (4, 4))


def test_real_photographs(shared_data, extractor):
    path = next(p for p in sorted(shared_data.rglob("*.jpg")) if p.stat().st_size)
    p = open_photo(path, 300)
    g = Grouping(p.image, extractor)
    assert max(p.image.shape) <= 300 and g.violations(.5) == 0 and g.count(.8) > g.count(.2) >= 1
    assert partition(g.A, .3).max() + 1 == g.count(.3)
