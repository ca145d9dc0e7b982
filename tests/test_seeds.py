"""The initial seed against hand-worked values and a plain reading of (3.4) and (3.5)."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from wsss_nb.core import DataError, ParameterError
from wsss_nb.seeds import foreground_score, foreground_seed, initial_seed

M = np.array([[[.9, .6, .5, .2]], [[.1, .7, .4, .3]]])  # (2,1,4)
SP, BOTH = np.array([[0, 0, 1, 1]]), np.array([True, True])


def plain(M, sp, present, alpha):
    L, F = np.full(sp.shape, 255), np.zeros(sp.shape)
    for p in np.ndindex(sp.shape):
        on = [(M[c][p], -c) for c in range(len(M)) if present[c]]
        F[p], c = max(on)
        if F[p] > alpha: L[p] = 1 - c
    z = {i: F[sp == i].mean() for i in np.unique(sp)}
    L[sp == min(z, key=z.get)] = 0
    return L


def test_by_hand():
    L = initial_seed(M, SP, BOTH)
    assert L.tolist() == [[1, 2, 0, 0]] and L.dtype == np.uint8
    assert initial_seed(M, SP, BOTH, .8).tolist() == [[1, 255, 0, 0]]


def test_foreground_by_hand():
    assert foreground_seed(M, BOTH).tolist() == [[1, 2, 255, 255]]  # 0.5 is not above 0.5
    assert foreground_seed(M, np.array([True, False])).tolist() == [[1, 1, 255, 255]]
    assert foreground_seed(np.full((3, 1, 1), .8), np.array([False, True, True])).tolist() == [[2]]  # equal: the lowest class present


def test_score_by_hand():
    np.testing.assert_allclose(foreground_score(M, SP, BOTH), [.8, .4])
    np.testing.assert_allclose(foreground_score(M, np.array([[-1, 2, 2, 0]]), BOTH), [.3, np.inf, .6])


def test_background_comes_over_foreground_and_only_from_present_classes():
    sure = np.array([[[.9, .95, .1, 1]]])
    assert initial_seed(sure, np.array([[0, 1, 1, 0]]), np.array([True])).tolist() == [[1, 0, 0, 1]]
    absent = np.stack([sure[0], np.array([[0, 0, 1., 0]])])
    assert initial_seed(absent, np.array([[0, 1, 2, 0]]), np.array([True, False])).tolist() == [[1, 1, 0, 1]]


def test_of_equal_scores_the_first_superpixel():
    assert initial_seed(np.array([[[1, 0, 0, 0]]]), np.array([[0, 2, 1, 2]]), np.array([True])).tolist() == [[1, 255, 0, 255]]


def test_one_superpixel_is_all_background():
    assert (initial_seed(M, np.zeros((1, 4), int), BOTH) == 0).all()


def test_padding_belongs_to_no_superpixel():
    assert initial_seed(np.array([[[0, 1, .2]]]), np.array([[-1, 0, 1]]), np.array([True])).tolist() == [[255, 1, 0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.floats(0, 1), st.integers(0, 10**6))
def test_is_the_plain_reading(C, H, W, alpha, seed):
    rng = np.random.default_rng(seed)
    cam, sp, present = rng.integers(0, 65, (C, H, W))/64, rng.integers(0, 4, (H, W)), rng.random(C) < .5
    present[rng.integers(C)] = True
    cam[present, 0, 0] = 1
    assert np.array_equal(initial_seed(cam, sp, present, alpha), plain(cam, sp, present, alpha))


def test_other_types_and_untouched_input():
    before = M.copy()
    L = initial_seed(M, SP, BOTH)
    for kind in (np.float16, np.float32): assert np.array_equal(initial_seed(M.astype(kind), SP.astype(np.int32), BOTH, .55), initial_seed(M, SP, BOTH, .55))
    assert np.array_equal(initial_seed(torch.from_numpy(M), torch.from_numpy(SP), torch.from_numpy(BOTH)), L) and np.array_equal(M, before)


@pytest.mark.parametrize("hw", [(1, 1), (1, 2000)])
def test_any_size(hw):
    assert initial_seed(np.ones((1, *hw)), np.zeros(hw, int), np.array([True])).shape == hw


@pytest.mark.parametrize("cam, sp, present, words", [
    (M, SP[:, :3], BOTH, r"CAM is \(1, 4\), but the superpixels are \(1, 3\)"), (M[0], SP, BOTH, "CAM must have 3 dimensions"),
    (M*np.nan, SP, BOTH, "CAM.*NaN|NaN.*CAM"), (M, SP/1., BOTH, "whole numbers"), (M, SP - 5, BOTH, "whole numbers from 0"),
    (M, SP, np.array([True]), r"present must be bool of shape \(2,\)"),
    (M, SP, np.array([1, 0]), "present must be bool"), (M*0, SP, BOTH, "shows no foreground"), (M*7, SP, BOTH, "normalised.*6.3"), (-M, SP, BOTH, "shows no foreground"),
    (M*[[[1]], [[0]]], SP, np.array([False, True]), "shows no foreground"), (M[:0], SP, BOTH[:0], "empty")])
def test_refuses(cam, sp, present, words):
    with pytest.raises(DataError, match=words): initial_seed(cam, sp, present)

def test_a_picture_of_none_of_the_classes_is_background():
    L = initial_seed(M*0, SP, np.array([False, False]))
    assert L.shape == SP.shape and L.dtype == np.uint8 and not L.any()


@pytest.mark.parametrize("alpha", [-.1, 1.1, np.nan])
def test_bad_alpha(alpha):
    with pytest.raises(ParameterError, match="alpha must lie in"): initial_seed(M, SP, BOTH, alpha)
