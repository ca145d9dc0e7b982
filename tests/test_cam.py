import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from wsss_nb.backbones import create
from wsss_nb.cam import SCALE_SETS, compute_cam, load_cam, multi_scale_cam, normalize_cam, pseudo_label, save_cam
from wsss_nb.classifier import Classifier
from wsss_nb.core import DataError, ParameterError, WsssError, save_arrays

CAMS = arrays(np.float64, (3, 4, 5), elements=st.floats(-10, 10).filter(lambda v: v == 0 or abs(v) > 1e-6))

def test_normalize_by_hand():
    cam = np.array([[[2., 4.], [1., -1.]], [[5., 5.], [5., 5.]]])
    np.testing.assert_array_equal(normalize_cam(cam, [True, False]), [[[.5, 1.], [.25, -.25]], [[0, 0], [0, 0]]])

@given(CAMS, st.lists(st.booleans(), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_normalize_properties(cam, present):
    M = normalize_cam(cam, present)
    assert M.dtype == np.float32 and M.max() <= 1
    for c, p in enumerate(present):
        assert M[c].max() == (1 if p and cam[c].max() > 0 else 0)
        if M[c].any(): np.testing.assert_array_equal(M[c] < 0, cam[c] < 0)  # negatives stay: they tell which background is the surest
    np.testing.assert_allclose(normalize_cam(7*cam, present), M, rtol=1e-5)
    np.testing.assert_array_equal(normalize_cam(M, present), M)

def test_normalize_leaves_its_argument_alone():
    cam = np.random.default_rng(0).normal(size=(2, 3, 3)); was = cam.copy()
    normalize_cam(cam, np.array([True, False]))
    np.testing.assert_array_equal(cam, was)

@pytest.mark.parametrize("cam, present, match", [
    (np.zeros((2, 3)), [1, 0], "dimensions"), (np.zeros((2, 3, 3)), [True], "2 classes"), (np.zeros((2, 3, 3)), [.5, 1], "bool"),
    (np.full((1, 3, 3), np.nan), [True], "NaN"), (np.zeros((0, 3, 3)), [], "empty")])
def test_refuses(cam, present, match):
    for f in (normalize_cam, pseudo_label):
        with pytest.raises(WsssError, match=match): f(cam, present)

def test_pseudo_label_by_hand():
    M = np.array([[[.9, .3, .1, .5]], [[.6, .4, .0, .51]]])
    np.testing.assert_array_equal(pseudo_label(M, [True, True], .5, .2), [[1, 255, 0, 2]])
    np.testing.assert_array_equal(pseudo_label(M, [False, True], .5, .2), [[2, 255, 0, 2]])
    np.testing.assert_array_equal(pseudo_label(M, [True, True], .5, .1), [[1, 255, 255, 2]])  # strict
    np.testing.assert_array_equal(pseudo_label(M, [False, False], .5, .2), [[0, 0, 0, 0]])

@given(CAMS, st.lists(st.booleans(), min_size=3, max_size=3), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_pseudo_label_against_the_plain_reading(cam, present, a, b):
    M, (lo, hi) = normalize_cam(cam, present), sorted((a, b))
    T = pseudo_label(M, present, hi, lo)
    assert T.dtype == np.uint8
    for p in np.ndindex(T.shape):
        m = M[(slice(None), *p)]
        assert T[p] == (m.argmax()+1 if m.max() > hi else 0 if m.max() < lo else 255)

def test_pseudo_label_refuses():
    M = np.zeros((1, 2, 2))
    with pytest.raises(ParameterError, match="tau_bg <= tau_fg"): pseudo_label(M, [True], .3, .5)
    with pytest.raises(WsssError, match="normalize_cam first"): pseudo_label(M+2, [True], .5, .3)
    with pytest.raises(ParameterError, match="uint8"): pseudo_label(np.zeros((255, 2, 2)), np.ones(255), .5, .3)

@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Classifier(create("small", "random"), 4).eval()

@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (70, 33)])
def test_any_size(net, hw):
    M = compute_cam(net, np.random.default_rng(0).integers(0, 255, (*hw, 3), dtype=np.uint8), [True, False, True, False], scales=(1, .5), flip=True)
    assert M.shape == (4, *hw) and M.dtype == np.float32 and not M[1].any() and not M[3].any() and M.max() <= 1

def test_scales_and_mirror_are_averaged(net):
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    mean = (multi_scale_cam(net, image, (1,)) + multi_scale_cam(net, image, (1.5,)))/2
    np.testing.assert_allclose(multi_scale_cam(net, image, (1, 1.5)), mean, atol=1e-6)
    both = (multi_scale_cam(net, image) + multi_scale_cam(net, image[:, ::-1])[:, :, ::-1])/2
    np.testing.assert_allclose(multi_scale_cam(net, image, flip=True), both, atol=1e-6)

class Sized(torch.nn.Module):
    "A model whose maps tell the size of what it was given: class 0 its height over 64, class 1 minus that, class 2 a ramp from left to right."
    def __init__(self): super().__init__(); self.p = torch.nn.Parameter(torch.zeros(1))
    def cam(self, x):
        h, w = x.shape[-2:]
        s, ramp = torch.full((1, h, w), h/64), torch.arange(w).expand(1, h, w)/w
        return torch.cat([s, -s, ramp if h == 64 else 0*ramp + .5])[None]

def test_maximum_over_scales_by_hand():
    "(2.4): the positive part at each position, the highest over the scales."
    image = np.zeros((64, 80, 3), np.uint8)
    M = multi_scale_cam(Sized(), image, (.5, 1, 1.5), merge="max")
    assert M.shape == (3, 64, 80) and (M[0] == 1.5).all() and not M[1].any()
    np.testing.assert_allclose(M[2], np.maximum(.5, np.arange(80)/80)[None].repeat(64, 0))
    np.testing.assert_allclose(multi_scale_cam(Sized(), image, (.5, 1, 1.5))[:2], np.array([1, -1])[:, None, None]*np.ones((2, 64, 80)))  # the mean keeps what is negative
    np.testing.assert_allclose(multi_scale_cam(Sized(), image, (1,), flip=True, merge="max")[2], np.maximum(np.arange(80), np.arange(80)[::-1])[None].repeat(64, 0)/80)

@pytest.mark.parametrize("flip", [False, True])
def test_maximum_is_that_of_the_single_scales(net, flip):
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    single = [np.maximum(multi_scale_cam(net, image[:, ::-1] if f else image, (s,)), 0)[:, :, ::-1 if f else 1] for f in (False, True)[:1+flip] for s in (1, .5)]
    np.testing.assert_allclose(multi_scale_cam(net, image, (1, .5), flip, "max"), np.max(single, 0), atol=1e-6)
    M = compute_cam(net, image, [True, False, True, False], (1, .5), flip, merge="max")
    assert M.min() == 0 and M[0].max() in (0, 1) and not M[1].any()

def test_sets_of_scales():  # Table 2.6
    assert SCALE_SETS == dict(S1=(.5, .75, 1, 1.25, 1.5), S2=(.5, .75, 1, 1.25), S3=(.75, 1, 1.25, 1.5), S4=(.5, .75, 1), S5=(.75, 1, 1.25), S6=(1, 1.25, 1.5), S7=(.5, 1, 1.5))

@pytest.mark.parametrize("kw, match", [(dict(merge="sum"), "merge is 'sum', but must be one of mean, max"), (dict(scales=()), "positive numbers"), (dict(scales=(1, 0)), "positive numbers"), (dict(scales=(-1,)), "positive numbers")])
def test_scales_and_merge_refused(net, kw, match):
    for f in (lambda: multi_scale_cam(net, np.zeros((8, 8, 3), np.uint8), **kw), lambda: compute_cam(net, np.zeros((8, 8, 3), np.uint8), [True]*4, **kw)):
        with pytest.raises(ParameterError, match=match): f()

def test_none_of_the_classes(net):
    M = compute_cam(net, np.zeros((8, 9, 3), np.uint8), np.zeros(4, bool))
    assert M.shape == (4, 8, 9) and M.dtype == np.float32 and not M.any()

def test_on_the_disk(tmp_path):
    M = np.random.default_rng(0).random((3, 6, 7)).astype(np.float32)
    save_cam(tmp_path/"a.npz", M, np.array([True, False, True]))
    with np.load(tmp_path/"a.npz") as z: assert z["classes"].tolist() == [0, 2] and z["cam"].shape == (2, 6, 7) and z["cam"].dtype == np.float16
    L = load_cam(tmp_path/"a.npz", 3)
    np.testing.assert_allclose(L[[0, 2]], M[[0, 2]], atol=1e-3); assert not L[1].any() and L.dtype == np.float32
    with pytest.raises(DataError, match="holds class 3"): load_cam(tmp_path/"a.npz", 2)
    save_arrays(tmp_path/"b.npz", other=M)
    with pytest.raises(DataError, match="no CAM file"): load_cam(tmp_path/"b.npz", 3)
    (tmp_path/"c.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="c.npz"): load_cam(tmp_path/"c.npz", 3)

def test_a_scale_may_be_the_longest_side(net):
    image = np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)
    assert (multi_scale_cam(net, image, (40, 160)) == multi_scale_cam(net, image, (.5, 2))).all()
