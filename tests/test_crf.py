"""The dense CRF: values that can be foreseen, odd sizes, what it refuses."""
import numpy as np
import pytest
from skimage import data

from wsss_nb.core import DataError, ParameterError
from wsss_nb.crf import crf_from_labels, dense_crf


def flag(H=12, W=20, at=10):
    image = np.zeros((H, W, 3), np.uint8)
    image[:, at:] = 255
    return image


def softmax(K, H, W, seed=0): return np.random.default_rng(seed).dirichlet(np.ones(K), (H, W)).transpose(2, 0, 1)


# ---- from probabilities

def test_smoke_and_shape():
    image, P = data.astronaut()[100:160, 100:170], softmax(5, 60, 70)
    before = P.copy(), image.copy()
    Q = dense_crf(image, P)
    assert Q.shape == P.shape and Q.dtype == np.float32 and np.abs(Q.sum(0) - 1).max() < 1e-5 and Q.min() >= 0
    assert np.array_equal(P, before[0]) and np.array_equal(image, before[1]) and np.array_equal(dense_crf(image, P), Q)


def test_sure_neighbours_overrule_an_unsure_pixel():
    P = np.full((2, 5, 5), .9)
    P[0, 2, 2] = .4
    P[1] = 1 - P[0]
    grey = np.full((5, 5, 3), 128, np.uint8)
    assert (dense_crf(grey, P).argmax(0) == 0).all()
    assert dense_crf(grey, P, gauss=(3, 0), bilateral=(80, 13, 0)).argmax(0)[2, 2] == 1  # without the kernels it keeps its label


def test_without_kernels_the_probabilities_come_back():
    P = softmax(3, 6, 7)
    np.testing.assert_allclose(dense_crf(flag(6, 7, 3), P, gauss=(3, 0), bilateral=(80, 13, 0)), P, atol=1e-3)


def test_steps_are_told_and_change_nothing():
    "Iteration by iteration gives what the solver gives in one go, to the bit; what the listener raises ends the work"
    import pydensecrf.densecrf as dcrf
    rng, seen = np.random.default_rng(3), []
    I, P = rng.integers(0, 256, (20, 31, 3), dtype=np.uint8), rng.dirichlet([1]*4, (20, 31)).transpose(2, 0, 1).astype(np.float32)
    d = dcrf.DenseCRF2D(31, 20, 4)
    d.setUnaryEnergy(np.ascontiguousarray(-np.log(P.clip(1e-5))).reshape(4, -1))
    d.addPairwiseGaussian(sxy=3, compat=3)
    d.addPairwiseBilateral(sxy=80, srgb=13, rgbim=I, compat=10)
    whole = np.array(d.inference(7)).reshape(P.shape)
    assert np.array_equal(dense_crf(I, P, 7, on_step=seen.append), whole) and seen == [1, 2, 3, 4, 5, 6, 7]
    def enough(i):
        seen.append(i)
        if i == 2: raise KeyboardInterrupt
    seen.clear()
    with pytest.raises(KeyboardInterrupt): crf_from_labels(I, P.argmax(0), on_step=enough)
    assert seen == [1, 2]

def test_one_label_comes_back():
    P = np.ones((1, 4, 6), np.float32)
    Q = dense_crf(flag(4, 6, 3), P)
    assert np.array_equal(Q, P) and Q is not P


@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (2000, 1), (2, 3)])
def test_odd_sizes(hw):
    image = np.random.default_rng(0).integers(0, 256, (*hw, 3)).astype(np.uint8)
    Q = dense_crf(image, softmax(4, *hw))
    assert Q.shape == (4, *hw) and np.isfinite(Q).all()
    assert crf_from_labels(image, np.arange(hw[0]*hw[1]).reshape(hw) % 3).shape == hw


def test_views_of_pictures():
    image, P = data.astronaut()[100:160:2, 170:100:-2], softmax(3, 60, 70)[:, ::2, ::2]
    np.testing.assert_array_equal(dense_crf(image, P), dense_crf(image.copy(), P.copy()))


@pytest.mark.parametrize("P, words", [
    (np.full((2, 12, 20), np.nan), "probs.*NaN|NaN.*probs"), (np.ones((12, 20)), "3 dimensions"), (np.full((2, 12, 20), .4), "sum of 1"),
    (np.stack([np.full((12, 20), 1.5), np.full((12, 20), -.5)]), "none negative"), (np.full((2, 12, 19), .5), r"\(12, 20\).*\(12, 19\)")])
def test_bad_probabilities(P, words):
    with pytest.raises(DataError, match=words): dense_crf(flag(), P)


@pytest.mark.parametrize("image", [flag()/255, flag()[..., 0], np.zeros((12, 20, 4), np.uint8)])
def test_bad_pictures(image):
    for call in (lambda: dense_crf(image, softmax(2, 12, 20)), lambda: crf_from_labels(image, np.zeros((12, 20), int))):
        with pytest.raises(DataError, match=r"image must be \(H,W,3\) uint8"): call()


def test_bad_parameters():
    with pytest.raises(ParameterError, match="iters"): dense_crf(flag(), softmax(2, 12, 20), iters=0)
    with pytest.raises(ParameterError, match="gt_prob"): crf_from_labels(flag(), np.zeros((12, 20), int), gt_prob=1)


# ---- from labels

def test_a_border_moves_to_the_edge_and_ids_stay():
    L = np.repeat([[7]*8 + [300]*12], 12, 0).astype(np.int32)
    out = crf_from_labels(flag(), L)
    assert out.dtype == np.int32 and (out == np.repeat([[7]*10 + [300]*10], 12, 0)).all()


def test_negative_ids_and_255_are_ids_like_any_other():
    L = np.repeat([[-3]*8 + [255]*12], 12, 0)
    assert (crf_from_labels(flag(), L) == np.repeat([[-3]*10 + [255]*10], 12, 0)).all()


def test_unlabeled_is_filled_in():
    L = np.full((12, 20), 255, np.uint8)
    L[:, 3], L[:, 16] = 1, 2
    out = crf_from_labels(flag(), L, unlabeled=255)
    assert out.dtype == np.uint8 and (out == np.repeat([[1]*10 + [2]*10], 12, 0)).all()


@pytest.mark.parametrize("labels, unlabeled", [(np.full((12, 20), 9), None), (np.full((12, 20), 255), 255), (np.eye(12, 20, dtype=int)*255, 255)])
def test_fewer_than_two_labels_come_back(labels, unlabeled):
    out = crf_from_labels(flag(), labels, unlabeled=unlabeled)
    assert np.array_equal(out, labels) and out is not labels


def test_bad_labels():
    with pytest.raises(DataError, match="whole numbers"): crf_from_labels(flag(), np.zeros((12, 20)))
    with pytest.raises(DataError, match=r"\(12, 20\).*\(12, 21\)"): crf_from_labels(flag(), np.zeros((12, 21), int))
    with pytest.raises(DataError, match="2 dimensions"): crf_from_labels(flag(), np.zeros(12, int))
