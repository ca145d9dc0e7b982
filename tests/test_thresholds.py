"""Seeds and growth at every threshold against the seed and the growth at each."""

import numpy as np
import pytest

from wsss_nb.core import ParameterError
from wsss_nb.growing import grow, superpixel_scores
from wsss_nb.metrics import seed_quality
from wsss_nb.seeds import initial_seed
from wsss_nb.thresholds import growth_map, seed_by_class, seed_curve, taken


def case(seed=0, C=3, hw=(30, 40), n=12, quantum=None):
    "A CAM, a softmax, superpixels, label, seed and truth with void"
    rng = np.random.default_rng(seed)
    M, H = rng.random((C, *hw), np.float32), rng.dirichlet(np.ones(C + 1), hw).transpose(2, 0, 1).astype(np.float32)
    if quantum: M = np.round(M/quantum)*np.float32(quantum)
    sp = np.random.default_rng(seed + 1).integers(0, n, hw).astype(np.int32)
    lean = rng.integers(0, C + 1, n)[sp]
    H = .6*H + .4*(np.arange(C + 1)[:, None, None] == lean)
    present = np.zeros(C, bool); present[rng.permutation(C)[:max(1, C - 1)]] = True
    gt = rng.integers(0, C + 1, hw).astype(np.uint8); gt[:2] = 255
    s = np.where(rng.random(hw) < .3, rng.integers(0, C + 1, hw), 255).astype(np.uint8)
    s[sp == 3] = np.where(s[sp == 3] == 255, 0, s[sp == 3])  # one superpixel without a free pixel
    return M, H.astype(np.float32), sp, present, s, gt


@pytest.mark.parametrize("seed", range(4))
def test_seed_curve_is_the_seed_at_each_alpha(seed):
    M, _, sp, present, _, gt = case(seed, quantum=.05)  # many numbers lie on the thresholds
    alphas = np.linspace(0, 1, 21)
    curve = seed_curve(M, sp, present, gt, alphas)
    for k, a in enumerate(alphas):
        q = seed_quality(initial_seed(M, sp, present, float(a)), gt, len(M) + 1)
        assert curve["coverage"][k] == q["coverage"] and curve["precision"][k] == q["precision"]


def test_seed_curve_refuses_what_the_seed_refuses():
    M, _, sp, present, _, gt = case()
    with pytest.raises(ParameterError, match="alpha must lie"): seed_curve(M, sp, present, gt, [.5, 1.1])

def test_seed_curve_of_none_of_the_classes():
    M, _, sp, _, _, gt = case()
    curve = seed_curve(M, sp, np.zeros(3, bool), gt, [.2, .5])
    assert curve["coverage"].tolist() == [1, 1] and curve["precision"] == pytest.approx([(gt[gt != 255] == 0).mean()]*2)


def test_seed_by_class():
    seed, gt = np.uint8([[0, 1, 1, 255, 2]]), np.uint8([[0, 1, 0, 1, 255]])
    cover, right = seed_by_class(seed, gt, 4)
    np.testing.assert_allclose(cover, [.5, .5, np.nan, np.nan]); np.testing.assert_allclose(right, [1, .5, np.nan, np.nan])


@pytest.mark.parametrize("seed", range(4))
def test_growth_map_is_growing_at_each_pair(seed):
    _, H, sp, present, s, gt = case(seed)
    betas = np.linspace(0, 1, 6), np.array([.2, .33, .5, .7])
    q = growth_map(s, H, sp, present, gt, betas)
    for i, b in enumerate(betas[0]):
        for j, f in enumerate(betas[1]):
            want = seed_quality(grow(s, H, sp, present, float(b), float(f)), gt, len(H))
            for k in want: np.testing.assert_allclose(q[k][i, j], want[k], rtol=1e-12, equal_nan=True)
    assert len(np.unique(q["coverage"])) > 3


def test_growth_map_on_the_threshold_and_at_the_edges():
    _, H, sp, present, s, gt = case()
    H = np.broadcast_to(np.float32([.7, .1, .1, .1])[:, None, None], H.shape)
    for beta in (.7, .69, .71, .1):
        want = seed_quality(grow(s, H, sp, present, beta, beta), gt, 4)
        assert growth_map(s, H, sp, present, gt, [beta])["coverage"][0, 0] == want["coverage"]
    sp = np.where(sp == 5, -1, sp)
    want = seed_quality(grow(s, H, sp, present, .3, .3), gt, 4)
    assert growth_map(s, H, sp, present, gt, [.3])["miou"][0, 0] == pytest.approx(want["miou"])
    with pytest.raises(ParameterError, match="beta must lie"): growth_map(s, H, sp, present, gt, [.5, 1.5])


@pytest.mark.parametrize("seed", range(3))
def test_taken_adds_up_to_growth(seed):
    _, H, sp, present, s, _ = case(seed)
    rows = taken(s, H, sp, present, .4, .3)
    grown, scores = grow(s, H, sp, present, .4, .3), superpixel_scores(H, sp, s == 255)
    again = s.copy()
    for r in rows:
        again[(sp == r["superpixel"]) & (s == 255)] = r["label"]
        assert r["score"] == scores[r["superpixel"], r["label"]] > (.4 if r["label"] == 0 else .3)
        assert r["pixels"] == ((sp == r["superpixel"]) & (s == 255)).sum()
    np.testing.assert_array_equal(again, grown)
    assert rows == sorted(rows, key=lambda r: -r["pixels"]) and rows and taken(s, H, sp, present, 1, 1) == []
