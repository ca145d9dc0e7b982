"Discovery in blocks, for pictures whose similarities are not held at once: the labels of the whole matrix, in an eighth of a byte a pair."
import tracemalloc

import numpy as np
import pytest
import torch

from wsss_nb import discovery, scenes
from wsss_nb.core import DataError, ParameterError
from wsss_nb.features import extract, load
from wsss_nb.discovery import _Bits, _in_blocks, discover, discover_batch, partition, similarity, tau_for_count, unit_rows
from test_superpixels import features, plain  # Table 3.1 word by word

TAUS = [-1, -.2, 0, .1, .3, .7, .95, 1]


@pytest.fixture
def small(monkeypatch):
    "Everything above 50 positions counts as large, and goes in blocks of 64 rows"
    monkeypatch.setattr(discovery, "_WHOLE", 50)
    monkeypatch.setattr(discovery, "_ROWS", 64)


def in_blocks(f, rows):
    "The similarities as they are computed in blocks: above the diagonal, and mirrored"
    f, A = unit_rows(f), np.zeros((len(f), len(f)), np.float32)
    for i in range(0, len(f), rows): A[i:i+rows, i:] = f[i:i+rows] @ f[i:].T
    return np.triu(A) + np.triu(A, 1).T


def doubtful(A, tau, by=5e-7):
    "Does a similarity lie within rounding of 0 or of tau? Only then may labels differ from those of the whole product"
    off = A[~np.eye(len(A), dtype=bool)]
    return min(np.abs(off).min(), np.abs(off - tau).min()) < by


def check(f, tau, order, rows=64):
    "True where the labels could be compared with those of the whole product, too"
    L, A = discover(f, tau, order), similarity(f)
    assert L.dtype == np.int32 and np.array_equal(L, partition(in_blocks(f, rows), tau, order))
    if doubtful(A, tau): return False
    assert np.array_equal(L, partition(A, tau, order))
    return True


# ---- bits

@pytest.mark.parametrize("N", [1, 7, 8, 9, 63, 64, 65, 129, 200])
def test_bits_hand_out_the_mirrored_upper_half(N):
    on = np.random.default_rng(N).random((N, N)) < .4
    whole, b = np.triu(on) | np.triu(on, 1).T, _Bits(N)
    for i in range(0, N, 64): b.put(i, on[i:i+64, i:].copy())
    assert len(b) == N and b[np.arange(N)].dtype == np.uint8 and np.array_equal(b[np.arange(N)], whole)
    assert np.array_equal(b[N//2], whole[N//2]) and np.array_equal(b[np.array([0, N - 1, 0])], whole[[0, N - 1, 0]])
    assert b.bits.nbytes == N*-(-N//8)


# ---- the same labels

@pytest.mark.parametrize("order", ["low", "high"])
@pytest.mark.parametrize("N", [1, 49, 50, 51, 64, 65, 128, 131])
def test_dyadic_features_give_the_plain_reading_to_the_bit(small, N, order):
    "Vectors of ±½: similarities 0, ±½ and ±1 are exact however they are summed, full of ties, and equal to 0 and to tau"
    f = np.random.default_rng(N).choice([-.5, .5], (N, 4)).astype(np.float32)
    for tau in (-1, -.5, 0, .25, .5, 1): assert np.array_equal(discover(f, tau, order), plain(similarity(f), tau, order))


@pytest.mark.parametrize("order", ["low", "high"])
@pytest.mark.parametrize("N, D, groups, noise, seed", [(300, 16, 6, 1, 0), (300, 48, 6, 3, 1), (401, 8, 40, .2, 2), (777, 64, 200, .5, 3), (300, 384, 12, 1.5, 4)])
def test_clustered_features(small, N, D, groups, noise, seed, order):
    f = features(N, D, groups, noise, seed)
    assert sum(check(f, tau, order) for tau in TAUS) > len(TAUS)/2


@pytest.mark.parametrize("order", ["low", "high"])
@pytest.mark.parametrize("net", ["rgb", "mini"])
def test_scenes(small, net, order):
    f, _ = extract(scenes.make_scene(3, 0).image, load(net))
    assert len(f) > 200 and sum(check(f, tau, order) for tau in (.1, .3, .6, .8, .9)) > 2


@pytest.mark.parametrize("order", ["low", "high"])
def test_just_above_and_just_below_the_limit(monkeypatch, order):
    f = features(600, 32, 20, .7)
    want = discover(f, .3, order)
    for limit in (599, 600, 601):
        monkeypatch.setattr(discovery, "_WHOLE", limit)
        monkeypatch.setattr(discovery, "_ROWS", 128)
        seen = []
        monkeypatch.setattr(discovery, "partition", lambda *a: seen.append(1) or partition(*a))
        assert np.array_equal(discover(f, .3, order), want) and bool(seen) == (limit >= 600)


def test_blocks_of_any_height(monkeypatch):
    f = features(333, 12, 30, .5)
    for rows in (8, 40, 128, 1024):
        monkeypatch.setattr(discovery, "_ROWS", rows)
        assert np.array_equal(_in_blocks(unit_rows(f), .4), discover(f, .4))


def test_ties_and_extremes(small):
    for order in ("low", "high"):
        assert discover(np.eye(70), order=order).tolist() == list(range(70))  # each alone, the lowest first
        assert discover(np.ones((70, 3)), order=order).tolist() == [0]*70
        assert sorted(discover(features(140, 5), 1, order)) == list(range(140))  # the seed always belongs to its superpixel
    assert discover(np.array([[1, 0], [0, 1]]*40)).tolist() == [0, 1]*40  # not connected


def test_rounding_cannot_make_a_pair_disagree(small):
    "Only one half is computed: adjacency is symmetric even where a similarity is nothing but rounding"
    a = np.random.default_rng(0).uniform(0, np.pi, 100)
    f = np.concatenate([np.stack([np.cos(a), np.sin(a)], 1), np.stack([-np.sin(a), np.cos(a)], 1)]).astype(np.float32)  # pairs at a right angle
    for order in ("low", "high"):
        for tau in (0, 1, -1): check(f, tau, order)


def test_tensors_and_what_is_left_alone(small):
    f = features(150, 10)
    before = f.copy()
    L = discover(torch.from_numpy(f), .3)
    assert np.array_equal(f, before) and np.array_equal(L, discover(f, .3))
    assert np.array_equal(_in_blocks(torch.from_numpy(unit_rows(f)), .3), L)  # as on another device, tensors multiplied
    F = torch.from_numpy(np.stack([f, f[::-1]]))
    assert torch.equal(discover_batch(F), torch.stack([torch.from_numpy(discover(x)) for x in F]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_batch_on_a_gpu(small):
    sign = torch.randint(0, 2, (3, 150, 4), generator=torch.Generator().manual_seed(0))*2. - 1
    got = discover_batch(sign.cuda(), .3)
    assert got.is_cuda and torch.equal(got.cpu(), discover_batch(sign, .3))


def test_tau_for_count_finds_the_same(small, monkeypatch):
    f = features(200, 16, 30, .5)
    large = tau_for_count(f, 30)
    monkeypatch.setattr(discovery, "_WHOLE", 8192)
    assert large == tau_for_count(f, 30)


# ---- memory, and what is refused

@pytest.mark.parametrize("groups", [3, 300])
def test_no_matrix_of_floats(groups, monkeypatch):
    "At N = 2,000 the floats would take 16 MB; the two bit patterns take 1 MB, a block of 64 rows and what it becomes another"
    monkeypatch.setattr(discovery, "_WHOLE", 50)
    monkeypatch.setattr(discovery, "_ROWS", 64)
    f = features(2000, 16, groups)
    tracemalloc.start()
    try: discover(f, .5)
    finally: peak = tracemalloc.get_traced_memory()[1]; tracemalloc.stop()
    assert peak < 4e6


def test_refuses_as_ever(small):
    f = features(60, 3)
    with pytest.raises(ParameterError, match=r"tau must lie in \[-1, 1\]"): discover(f, 2)
    with pytest.raises(ParameterError, match="order must be"): discover(f, order="mid")
    f[7] = 0
    with pytest.raises(DataError, match="position 7 has zero norm"): discover(f)
    f[5, 1] = np.nan
    with pytest.raises(DataError, match="position 5"): discover(f)
    with pytest.raises(DataError, match="position 5"): tau_for_count(f, 3)


def test_arrays_in_a_batch_and_wrong_lists():
    f = np.random.default_rng(0).normal(size=(2, 30, 6)).astype(np.float32)
    want = torch.stack([torch.from_numpy(discover(x)) for x in f])
    assert torch.equal(discover_batch(f), want) and torch.equal(discover_batch(list(f)), want)
    with pytest.raises(DataError, match="dimensions"): tau_for_count((f[0], (5, 6)), 4)  # what `extract` gives, not its features
