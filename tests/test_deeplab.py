import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from wsss_nb.backbones import create
from wsss_nb.core import ParameterError, WeightsError, WsssError
from wsss_nb.deeplab import ASPP, DeepLab, load_deeplab, load_model, multi_scale, padded, predict, save_model, scaled


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    m = DeepLab(create("small", "random"), 5)
    for c in m.head.convs: torch.nn.init.normal_(c.weight, std=.1)  # so that predictions are not flat
    return m.eval()

@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_aspp_is_the_sum_of_its_convolutions(h, w, d, k):
    torch.manual_seed(h*w)
    aspp, x = ASPP(d, k).double(), torch.randn(2, d, h, w, dtype=torch.double)
    for c in aspp.convs: torch.nn.init.normal_(c.weight); torch.nn.init.normal_(c.bias)
    torch.testing.assert_close(aspp(x), sum(c(x) for c in aspp.convs))

def test_aspp_gradients():
    aspp = ASPP(2, 2, rates=(1, 3)).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *p: aspp(x), (x, *aspp.parameters()))

def test_head_is_initialised_from_the_normal_distribution():
    torch.manual_seed(0)
    m = DeepLab(create("small", "random"), 21)
    assert [c.dilation[0] for c in m.head.convs] == [6, 12, 18, 24]
    assert all(c.weight.std().item() == pytest.approx(.01, rel=.05) and not c.bias.any() for c in m.head.convs)

def test_shapes(net):
    with torch.no_grad(): assert net(torch.zeros(2, 3, 64, 96)).shape == (2, 5, 8, 12)

def test_multi_scale_sizes(net):
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        a, b, c = multi_scale(net, x)
        assert a.shape == b.shape == c.shape == (1, 5, 8, 12) and torch.equal(a, net(x))
        assert multi_scale(net, x, (1, .5), size=(64, 96))[1].shape == (1, 5, 64, 96)

def test_scaled_and_padded():
    x = torch.randn(1, 3, 10, 7)
    assert scaled(x, 1) is x and scaled(x, .5).shape[2:] == (5, 4) and scaled(x, 1.5).shape[2:] == (15, 10)
    p = padded(x, 12)
    assert p.shape[2:] == (12, 12) and torch.equal(p[..., :10, :7], x) and not p[..., 10:, :].any()
    with pytest.raises(ParameterError, match="positive"): scaled(x, 0)

@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (63, 64), (100, 37)])
def test_predict_any_size(net, hw):
    H = predict(net, np.random.default_rng(0).integers(0, 255, (*hw, 3), dtype=np.uint8), scales=(1, .5), flip=True)
    assert H.shape == (5, *hw) and H.dtype == np.float32
    np.testing.assert_allclose(H.sum(0), 1, atol=1e-5)

def test_predict_is_the_mean_of_its_views(net):
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), dtype=np.uint8)
    mean = (predict(net, image, (1,)) + predict(net, image, (.75,)))/2
    np.testing.assert_allclose(predict(net, image, (1, .75)), mean, atol=1e-6)
    mirror = (predict(net, image, (1,)) + predict(net, image[:, ::-1], (1,))[:, :, ::-1])/2
    np.testing.assert_allclose(predict(net, image, (1,), flip=True), mirror, atol=1e-6)

def test_predict_averages_what_it_is_told_by_hand():
    class Flat(torch.nn.Module):
        def __init__(self): super().__init__(); self.p = torch.nn.Parameter(torch.zeros(1))
        def forward(self, x): return torch.stack([torch.full_like(x[:, 0], np.log(3)), torch.zeros_like(x[:, 0])], 1)
    np.testing.assert_allclose(predict(Flat(), np.zeros((3, 4, 3), np.uint8)), np.array([.75, .25])[:, None, None]*np.ones((2, 3, 4)), atol=1e-6)

def test_any_callable_predicts():
    even = predict(lambda x: torch.zeros(len(x), 2, *x.shape[-2:]), np.zeros((3, 4, 3), np.uint8))
    np.testing.assert_array_equal(even, np.full((2, 3, 4), .5, np.float32))

def test_bad_image(net):
    with pytest.raises(WsssError, match="3 dimensions"): predict(net, np.zeros((4, 4), np.uint8))

def test_saved_and_loaded(net, tmp_path):
    what = dict(net="small", output_stride=8, classes=["a", "b", "c", "d"], init=net.init)
    save_model(tmp_path/"model.safetensors", net, kind="deeplab", **what)
    again = load_deeplab(tmp_path)
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    assert again.classes == ("a", "b", "c", "d") and again.init == net.init and not again.training
    np.testing.assert_array_equal(predict(again, image), predict(net, image))
    with pytest.raises(WeightsError, match="holds no classifier, but deeplab"): load_model(tmp_path, "classifier", None)
    with pytest.raises(WeightsError, match="not there"): load_deeplab(tmp_path/"else")
    p = tmp_path/"model.safetensors"; b = bytearray(p.read_bytes()); b[-5] ^= 4; p.write_bytes(b)
    with pytest.raises(WeightsError, match="damaged"): load_deeplab(p)
