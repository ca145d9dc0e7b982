"""Growing against hand-worked values and a plain reading of (3.6) and (3.7), one image and a batch; the seed loss and its gradient."""
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from wsss_nb.core import DataError, ParameterError
from wsss_nb.growing import grow, grow_batch, seed_loss, superpixel_scores

BG = np.array([1, .5, 0, .25, .25])[None]
H, SP, L = np.stack([BG, 1 - BG]), np.array([[0, 0, 1, 1, 1]]), np.array([[255, 255, 1, 255, 255]], np.uint8)
ONE = np.array([True])


def plain(seed, H, sp, present, beta_bg, beta_fg):
    "Superpixel by superpixel, class by class."
    out = seed.copy()
    for i in set(sp[sp >= 0].tolist()):
        S = (sp == i) & (seed == 255)
        if not S.any(): continue
        s = [H[c][S].astype(np.float64).sum()/S.sum() if c == 0 or present[c - 1] else -1 for c in range(len(H))]
        c = int(np.argmax(s))
        if s[c] > (beta_fg if c else beta_bg): out[S] = c
    return out


def case(rng, C, h, w, n, steps=8):
    "Probabilities in whole steps: means are exact in any order of summation."
    P = rng.multinomial(steps, np.ones(C + 1)/(C + 1), (h, w)).transpose(2, 0, 1)/steps
    seed = np.where(rng.random((h, w)) < .7, 255, rng.integers(0, C + 1, (h, w))).astype(np.uint8)
    return seed, P.astype(np.float32), rng.integers(-1, n, (h, w)).astype(np.int32), rng.random(C) < .6


# ---- scores

def test_scores_by_hand():
    np.testing.assert_allclose(superpixel_scores(H, SP, L == 255), [[.75, .25], [.25, .75]])
    s = superpixel_scores(H, np.array([[0, 3, 3, -1, -1]]), np.array([[True, True, False, True, True]]))
    np.testing.assert_allclose(s, [[1, 0], [np.nan]*2, [np.nan]*2, [.5, .5]])


# ---- one image

def test_grow_by_hand():
    out = grow(L, H, SP, ONE)
    assert out.tolist() == [[0, 0, 1, 1, 1]] and out.dtype == np.uint8
    assert grow(L, H, SP, ONE, beta_fg=.75).tolist() == [[0, 0, 1, 255, 255]]  # strictly above
    assert grow(L, H, SP, ONE, beta_bg=.75).tolist() == [[255, 255, 1, 1, 1]]
    assert grow(L, H, SP, ~ONE, .2, .2).tolist() == [[0, 0, 1, 0, 0]]


def test_an_absent_class_cannot_block_or_win():
    P = np.array([.1, .8, .1])[:, None, None]*np.ones((3, 1, 2))
    seed, sp = np.full((1, 2), 255, np.uint8), np.zeros((1, 2), int)
    assert grow(seed, P, sp, np.array([False, True]), .05, .05).tolist() == [[0, 0]]  # 0.1 each: the lowest class
    assert (grow(seed, P, sp, np.array([False, True])) == 255).all()


def test_labelled_pixels_stay_and_padding_is_not_assigned():
    seed, sp = np.array([[2, 255, 255, 0]], np.uint8), np.array([[0, 0, -1, 0]])
    P = np.array([0, 1., 0])[:, None, None]*np.ones((3, 1, 4))
    assert grow(seed, P, sp, np.array([True, True])).tolist() == [[2, 1, 255, 0]]
    assert np.array_equal(grow(seed, P, sp*0 - 1, np.array([True, True])), seed)


def test_input_is_left_alone_and_a_whole_seed_is_returned():
    copies = L.copy(), H.copy(), SP.copy()
    grow(L, H, SP, ONE)
    assert all(np.array_equal(a, b) for a, b in zip(copies, (L, H, SP)))
    full = np.zeros((1, 5), np.uint8)
    assert np.array_equal(grow(full, H, SP, ONE), full)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 8), st.integers(1, 6), st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6))
def test_grow_is_the_plain_reading(C, h, w, n, bg, fg, seed):
    args = case(np.random.default_rng(seed), C, h, w, n)
    assert np.array_equal(grow(*args, bg, fg), plain(*args, bg, fg))


@pytest.mark.parametrize("call, words", [
    (lambda: grow(L, H*np.nan, SP, ONE), "H.*NaN|NaN.*H"), (lambda: grow(L, H[0], SP, ONE), "3 dimensions"),
    (lambda: grow(L[:, :4], H, SP, ONE), "sizes differ.*(1, 4)"), (lambda: grow(L, H, SP.T, ONE), "sizes differ"),
    (lambda: grow(L, H, SP, np.array([True, True])), "1 foreground classes")])
def test_grow_refuses(call, words):
    with pytest.raises(DataError, match=words): call()


def test_bad_beta():
    for b in ((-1, .7), (.7, 1.2), (math.nan, .7)):
        with pytest.raises(ParameterError, match=r"beta must lie in \[0, 1\]"): grow(L, H, SP, ONE, *b)


# ---- a batch

@pytest.mark.parametrize("C, betas", [(1, (.7, .7)), (4, (.3, .25)), (8, (.2, .1)), (3, (0, 0)), (3, (1, 1))])
@pytest.mark.parametrize("type", [torch.uint8, torch.int64])
def test_batch_equals_one_by_one(C, betas, type):
    rng = np.random.default_rng(C)
    cases = [case(rng, C, 13, 17, n) for n in (1, 5, 40)]
    seed, P, sp, present = (torch.from_numpy(np.stack(a)) for a in zip(*cases))
    before = seed.clone()
    out = grow_batch(seed.to(type), P, sp, present, *betas)
    assert out.dtype == type and torch.equal(seed, before)
    assert np.array_equal(out.numpy(), np.stack([grow(*c, *betas) for c in cases]))


def test_batch_equals_one_by_one_on_a_real_softmax():
    g = torch.Generator().manual_seed(0)
    P = torch.randn(2, 5, 40, 50, generator=g).mul(3).softmax(1)
    sp = torch.randint(-1, 30, (2, 40, 50), generator=g)
    seed = torch.where(torch.rand(2, 40, 50, generator=g) < .8, 255, 1)
    present = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0]])  # whole numbers are taken for bools
    for b in (.2, .25, .3):
        out = grow_batch(seed, P, sp, present, b, b).numpy()
        for i in range(2): assert np.array_equal(out[i], grow(seed[i], P[i], sp[i], present[i].bool(), b, b))


def test_batch_all_padding_nan_and_gradient():
    seed, P = torch.full((1, 2, 2), 255), torch.full((1, 2, 2, 2), .5, requires_grad=True)
    assert (grow_batch(seed, P, torch.full((1, 2, 2), -1), torch.ones(1, 1), .1, .1) == 255).all()
    assert not grow_batch(seed, P, torch.zeros(1, 2, 2, dtype=torch.int32), torch.ones(1, 1), .1, .1).requires_grad
    assert (grow_batch(seed, P*math.nan, torch.zeros(1, 2, 2, dtype=torch.int32), torch.ones(1, 1), .1, .1) == 255).all()


def test_batch_refuses():
    P = torch.full((1, 2, 2, 2), .5)
    with pytest.raises(DataError, match="sizes differ"): grow_batch(torch.zeros(1, 2, 3), P, torch.zeros(1, 2, 2), torch.ones(1, 1))
    with pytest.raises(DataError, match="1 foreground classes"): grow_batch(torch.zeros(1, 2, 2), P, torch.zeros(1, 2, 2), torch.ones(1, 2))
    with pytest.raises(ParameterError, match="beta"): grow_batch(torch.zeros(1, 2, 2), P, torch.zeros(1, 2, 2), torch.ones(1, 1), 2)


# ---- the loss

P3 = torch.tensor([[[.5, .75, 1e-30]], [[.5, .25, 1.]]])[None]  # (1,2,1,3)


def test_loss_by_hand():
    l = seed_loss(P3.log(), torch.tensor([[[0, 1, 1]]]))
    assert l.shape == () and torch.isclose(l, torch.tensor(2*math.log(2)))             # log 2 + (log 4 + 0)/2
    assert torch.isclose(seed_loss(P3.log(), torch.tensor([[[0, 255, 255]]])), torch.tensor(math.log(2)))
    assert torch.isclose(seed_loss(P3.log(), torch.tensor([[[255, 1, 255]]], dtype=torch.uint8)), torch.tensor(math.log(4)))


def test_loss_is_a_batch_mean_and_ignores_255():
    logits, seed = torch.randn(3, 4, 5, 6), torch.randint(0, 4, (3, 5, 6))
    seed[2] = 255
    one = [seed_loss(logits[i:i+1], seed[i:i+1]) for i in range(3)]
    assert one[2] == 0 and torch.isclose(seed_loss(logits, seed), sum(one)/3)
    other = logits.clone()
    other[2] += torch.randn(4, 5, 6)
    assert torch.equal(seed_loss(other, seed), seed_loss(logits, seed))


def test_background_and_foreground_weigh_the_same():
    logits = torch.tensor([[0.], [0.]]).expand(2, 100).reshape(1, 2, 1, 100)
    seed = torch.zeros(1, 1, 100, dtype=torch.long)
    seed[..., 0] = 1
    assert torch.isclose(seed_loss(logits, seed), torch.tensor(2*math.log(2)))


@pytest.mark.parametrize("empty", ["background", "foreground", "both"])
def test_empty_sets_add_nothing_and_have_a_gradient_of_zero(empty):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    seed = torch.full((2, 4, 4), {"background": 1, "foreground": 0, "both": 255}[empty])
    l = seed_loss(logits, seed)
    l.backward()
    assert torch.isfinite(l) and torch.isfinite(logits.grad).all() and (empty != "both" or logits.grad.abs().max() == 0)


def test_extreme_logits_outside_the_sets_do_no_harm():
    logits = torch.zeros(1, 2, 1, 2)
    logits[..., 1] = torch.tensor([math.inf, -math.inf]).view(1, 2, 1)
    assert torch.isclose(seed_loss(logits, torch.tensor([[[1, 255]]])), torch.tensor(math.log(2)))


def test_loss_gradient():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    seed = torch.tensor([0, 1, 2, 3, 255, 0, 0, 255, 2, 1, 255, 3, 255, 255, 1, 1, 1, 2]).view(2, 3, 3)
    assert torch.autograd.gradcheck(lambda z: seed_loss(z, seed), logits)


def test_loss_falls_when_the_seed_is_learnt():
    seed = torch.randint(0, 3, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    logits = torch.zeros(2, 3, 8, 8, requires_grad=True)
    opt = torch.optim.SGD([logits], 10)
    first = seed_loss(logits, seed).item()
    for _ in range(50): opt.zero_grad(); seed_loss(logits, seed).backward(); opt.step()
    assert seed_loss(logits, seed) < .2*first


def test_loss_refuses():
    logits = torch.zeros(1, 3, 2, 2)
    with pytest.raises(DataError, match=r"logits are \(1, 3, 2, 2\), but the seed is \(1, 2, 3\)"): seed_loss(logits, torch.zeros(1, 2, 3))
    for bad in (3, 254, -1):
        with pytest.raises(DataError, match="neither one of 0…2 nor 255"): seed_loss(logits, torch.full((1, 2, 2), bad))
