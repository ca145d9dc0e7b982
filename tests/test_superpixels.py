"""Discovery against the plain reading of Table 3.1, its variants, the conventional methods, and what they refuse."""
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from skimage import data

from wsss_nb.core import DataError, ParameterError
from wsss_nb.features import load
from wsss_nb.superpixels import (METHODS, conventional, discover, discover_batch, ncut, negativeness, partition, positiveness, similarity,
                                 superpixels, tau_for_count)
from wsss_nb.discovery import _partition_batch, partition_as_printed

BLUE, RED = [30, 30, 250], [250, 30, 30]


def features(N, D, groups=6, noise=1., seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(groups, D))[rng.integers(0, groups, N)] + noise*rng.normal(size=(N, D))).astype(np.float32)


def plain(A, tau, order="low"):
    "Table 3.1 word by word: degrees anew in every step."
    A, P, L, i = np.asarray(A), list(range(len(A))), np.full(len(A), -1), 0
    while P:
        d = [(A[p, P] > 0).sum() for p in P]
        p = P[int(np.argmin(d) if order == "low" else np.argmax(d))]
        S = [q for q in P if A[p, q] > tau or q == p]
        L[S], P, i = i, [q for q in P if q not in S], i + 1
    return L


# ---- similarity

def test_similarity_by_hand():
    A = similarity([[2, 0], [1, 1], [-3, 0]])
    np.testing.assert_allclose(A, [[1, .5**.5, -1], [.5**.5, 1, -.5**.5], [-1, -.5**.5, 1]], atol=1e-6)
    assert A.dtype == np.float32


def test_similarity_is_symmetric_to_the_bit_and_ignores_length():
    f = features(700, 40)
    A = similarity(f)
    assert np.array_equal(A, A.T) and np.allclose(np.diag(A), 1, atol=1e-6)
    assert np.array_equal(similarity(torch.from_numpy(f)), A)
    np.testing.assert_allclose(similarity(f.astype(np.float64)*7), A, atol=1e-6)
    assert not np.shares_memory(f, A)


@pytest.mark.parametrize("f, words", [
    (np.ones(5), "2 dimensions"), (np.ones((2, 3, 4)), "2 dimensions"), (np.ones((0, 4)), "empty"), (np.ones((4, 0)), "empty"),
    ([[1, 2], [np.nan, 1]], "NaN.*position 1"), ([[1, 2], [0, 1], [np.inf, 0]], "NaN or infinite.*position 2"),
    ([[1, 2], [3, 4], [0, 0]], "position 2 has zero norm")])
def test_bad_features(f, words):
    for call in (similarity, discover, lambda f: ncut(f, .3), lambda f: tau_for_count(f, 3)):
        with pytest.raises(DataError, match=words): call(np.array(f, float))


# ---- discovery

@pytest.mark.parametrize("order", ["low", "high"])
@pytest.mark.parametrize("tau", [-1, -.2, 0, .1, .3, .7, .95, 1])
@pytest.mark.parametrize("N, D, noise", [(1, 3, 1), (7, 2, 1), (60, 4, .5), (300, 16, 1), (300, 48, 3), (401, 8, .2)])
def test_labels_are_those_of_the_plain_reading(N, D, noise, tau, order):
    A = similarity(features(N, D, noise=noise, seed=N + D))
    want = plain(A, tau, order)
    assert np.array_equal(partition(A, tau, order), want) and np.array_equal(partition_as_printed(A, tau, order), want)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 25), st.integers(1, 4), st.floats(-1, 1), st.sampled_from(["low", "high"]), st.integers(0, 10**6))
def test_any_features(N, D, tau, order, seed):
    f = np.random.default_rng(seed).integers(-2, 3, (N, D)) + np.eye(1, D)*.5  # few values: many ties; no zero row
    L = discover(f, tau, order)
    assert L.dtype == np.int32 and L.shape == (N,) and set(L) == set(range(L.max() + 1))
    assert np.array_equal(L, plain(similarity(f), tau, order))


def test_by_hand():
    f = [[1, 0], [1, .1], [-1, 0]]
    assert discover(f).tolist() == [1, 1, 0]
    assert discover(f, order="high").tolist() == [0, 0, 1]


def test_ties_go_to_the_lowest_index():
    assert discover(np.eye(5)).tolist() == discover(np.eye(5), order="high").tolist() == [0, 1, 2, 3, 4]
    assert discover(np.ones((6, 3))).tolist() == [0]*6


def test_the_seed_belongs_to_its_superpixel_even_at_tau_one():
    f = features(40, 5)
    for order in ("low", "high"): assert sorted(discover(f, 1, order)) == list(range(40))


def test_groups_need_not_be_connected():
    assert discover(np.array([[1, 0], [0, 1]]*4)).tolist() == [0, 1]*4


def test_input_is_left_alone_and_tensors_are_taken():
    f = features(50, 6)
    before = f.copy()
    L = discover(f)
    assert np.array_equal(f, before)
    t = torch.from_numpy(f).requires_grad_()
    assert np.array_equal(discover(t), L) and isinstance(discover(t), np.ndarray)
    assert np.array_equal(discover(f[:, ::2]), discover(np.ascontiguousarray(f[:, ::2])))
    assert np.array_equal(discover(torch.from_numpy(f).bfloat16().float()), discover(torch.from_numpy(f).bfloat16()))


@pytest.mark.parametrize("tau", [1.01, -1.5, np.nan, np.inf])
def test_tau_outside_its_range(tau):
    f = features(5, 3)
    for call in (discover, ncut, lambda f, t: discover_batch(torch.from_numpy(f)[None], t), lambda f, t: partition(similarity(f), t)):
        with pytest.raises(ParameterError, match=r"tau must lie in \[-1, 1\]"): call(f, tau)


def test_unknown_order():
    with pytest.raises(ParameterError, match='order must be "low" or "high"; it is \'mid\''): discover(features(5, 3), order="mid")
    with pytest.raises(ValueError): discover(np.ones(3))


# ---- batch

@pytest.mark.parametrize("tau", [-.5, 0, .3, .9])
def test_batch_equals_one_by_one(tau):
    F = torch.stack([torch.from_numpy(features(257, 12, groups=g, seed=g)) for g in (1, 3, 40)])
    want = torch.stack([torch.from_numpy(discover(f, tau)) for f in F])
    got = discover_batch(F, tau)
    assert torch.equal(got, want) and got.dtype == torch.int32
    assert torch.equal(_partition_batch(torch.stack([torch.from_numpy(similarity(f)) for f in F]), tau), want)  # what other devices run


def test_batch_with_ties():
    F = torch.stack([torch.eye(6), torch.ones(6, 6), torch.eye(6).flip(0)])
    assert torch.equal(_partition_batch(F @ F.mT, .3)[0], torch.arange(6, dtype=torch.int32))
    assert torch.equal(_partition_batch(F @ F.mT, .3), discover_batch(F))


def test_bad_batches():
    with pytest.raises(DataError, match="3 dimensions"): discover_batch(torch.ones(4, 3))
    with pytest.raises(DataError, match="NaN|finite"): discover_batch(torch.full((1, 4, 3), torch.nan))
    with pytest.raises(DataError, match="zero norm"): discover_batch(torch.zeros(1, 4, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("tau", [0, .3, .7])
def test_batch_on_a_gpu(tau):
    "Dyadic features of norm 2: products are exact on any device, so labels must be the same."
    sign = torch.randint(0, 2, (4, 300, 4), generator=torch.Generator().manual_seed(0))*2. - 1
    assert torch.equal(discover_batch(sign.cuda(), tau).cpu(), discover_batch(sign, tau))


# ---- lemma 1

vectors = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 1e-3)


@settings(max_examples=300, deadline=None)
@given(vectors, vectors, vectors, st.floats(0, 1))
@example([1., 0., 0.], [.5, .5, 0.], [.5, -.5, 0.], .7)
def test_lemma_1(a, b, c, tau):
    a, b, c = (np.array(v)/np.linalg.norm(v) for v in (a, b, c))
    tau = min(tau, a@b - 1e-9, a@c - 1e-9)  # the largest that the premise allows
    if tau >= 0: assert b@c > 2*tau**2 - 1 - 1e-9


def test_lemma_1_needs_a_tau_that_is_not_negative():
    a, b, c = (np.array([np.cos(t), np.sin(t)]) for t in np.radians((0, 100, -100)))
    assert min(a@b, a@c) > -.5 and b@c < 2*.5**2 - 1


@pytest.mark.parametrize("tau", [.3, .71, .9])
def test_pairs_of_a_superpixel_keep_the_bound(tau):
    A = similarity(features(300, 8, noise=.4))
    L = partition(A, tau)
    assert min(A[np.ix_(L == i, L == i)].min() for i in range(L.max() + 1)) > 2*tau**2 - 1 - 1e-6


# ---- positiveness and negativeness

def test_positiveness_by_hand():
    A = similarity([[1, 0], [1, .1], [-1, 0], [0, 1]])  # the fourth: at a right angle to the first and third
    mask = np.array([True, True, True, False])
    assert positiveness(A, mask).tolist() == [2, 2, 1, 0]
    assert negativeness(A, mask).tolist() == [1, 1, 2, 0]
    assert positiveness(A, ~mask).tolist() == [0, 0, 0, 1] and negativeness(A, np.zeros(4, bool)).tolist() == [0]*4


def test_positiveness_refuses():
    with pytest.raises(DataError, match=r"mask must be bool of shape \(4,\)"): positiveness(np.eye(4), np.ones(4, int))
    with pytest.raises(DataError, match="mask must be bool"): negativeness(np.eye(4), np.ones(5, bool))
    with pytest.raises(DataError, match=r"A must be \(N,N\)"): negativeness(np.ones((4, 3)), np.ones(4, bool))


# ---- conventional

@pytest.mark.parametrize("method", METHODS)
def test_conventional(method):
    image = data.astronaut()[::2, ::2]
    before, L = image.copy(), conventional(image, method, 40)
    assert L.shape == image.shape[:2] and L.dtype == np.int32 and set(np.unique(L)) == set(range(L.max() + 1))
    assert 15 <= L.max() + 1 <= 65 and conventional(image, method, 90).max() > L.max()
    assert np.array_equal(image, before) and np.array_equal(conventional(image, method, 40), L)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (2000, 1), (5, 7), (9, 300), (33, 17), (143, 518)])
@pytest.mark.parametrize("n", [1, 60, 3000])
def test_conventional_takes_or_refuses_any_shape(method, hw, n):
    image = np.random.default_rng(0).integers(0, 256, (*hw, 3)).astype(np.uint8)
    try: L = conventional(image, method, n)
    except DataError as e: assert method in ("seeds", "lsc") and ("divide" in str(e) or "2 pixels" in str(e))
    else: assert L.shape == hw and L.min() == 0


def test_conventional_takes_read_only_pictures_and_views():
    image = data.astronaut()[100:200, 300:180:-1]
    still = image.copy()
    still.flags.writeable = False
    for m in METHODS: assert np.array_equal(conventional(still, m, 10), conventional(image, m, 10))


def test_conventional_refuses():
    image = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(ParameterError, match="one of slic, seeds, lsc, felzenszwalb; it is 'quick'"): conventional(image, "quick", 5)
    with pytest.raises(ParameterError, match="n_segments must be at least 1"): conventional(image, "slic", 0)
    with pytest.raises(DataError, match=r"\(H,W,3\) uint8; it is float64"): conventional(image/255, "slic", 5)
    with pytest.raises(DataError, match="uint8"): conventional(image[..., 0], "slic", 5)


# ---- maps of pictures

@pytest.fixture(scope="module")
def rgb(): return load("rgb")


def stripes(): return np.repeat(np.uint8([[RED]*8 + [BLUE]*24]), 8, 0)


def test_map_by_hand(rgb):
    L = superpixels(stripes(), rgb, tau=.9, crf=False)
    assert L.dtype == np.int32 and L[0].tolist() == [0]*8 + [1]*24
    assert superpixels(stripes(), rgb, tau=.9).tolist() == L.tolist()  # the edge is where the CRF wants it


def test_map_keeps_the_order_of_discovery(rgb):
    image = data.astronaut()[100:260:2, 100:260:2].copy()
    L, M = superpixels(image, rgb, .8, crf=False), superpixels(image, rgb, .8)
    assert set(np.unique(L)) == set(range(L.max() + 1)) and set(np.unique(M)) == set(range(M.max() + 1))
    assert M.max() <= L.max() and (L != M).any() and (L == M).mean() > .3
    assert not np.array_equal(superpixels(image, rgb, .8, "high", crf=False), L)


@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (2000, 1), (7, 9), (33, 47)])
def test_any_size(rgb, hw):
    image = np.random.default_rng(0).integers(0, 256, (*hw, 3)).astype(np.uint8)
    L = superpixels(image, rgb)
    assert L.shape == hw and L.min() == 0


def test_map_refuses(rgb):
    with pytest.raises(ParameterError, match="tau must lie"): superpixels(stripes(), rgb, tau=2)
    with pytest.raises(ParameterError, match="order must be"): superpixels(stripes(), rgb, order="first")


# ---- like counts

def test_tau_for_count():
    f = features(200, 8, groups=10, noise=.3)
    for n in (1, 5, 10, 40):
        k = discover(f, tau_for_count(f, n)).max() + 1
        assert abs(k - n) <= max(1, .15*n), (n, k)
    assert discover(f, tau_for_count(f, 10**6)).max() + 1 > 190
    with pytest.raises(ParameterError, match="n must be at least 1"): tau_for_count(f, 0)
