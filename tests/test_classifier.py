import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wsss_nb.backbones import create, create_backbone
from wsss_nb.classifier import (CLASSIFIER, DILATIONS, Classifier, DilatedClassifier, cam_loss, classification_loss, dilation_loss, fit_classifier, fuse_cams,
                                load_classifier, macro_f1, predict_labels, score_classifier)
from wsss_nb.core import ParameterError, RunError, WeightsError, WsssError, sha256
from wsss_nb.datasets import open_dataset
from wsss_nb.transforms import to_tensor


def test_scores_are_the_mean_of_the_maps():
    torch.manual_seed(0)
    m, x = Classifier(create("small", "random"), 7).eval(), torch.randn(2, 3, 48, 64)
    with torch.no_grad(): z, M = m(x), m.cam(x)
    assert z.shape == (2, 7) and M.shape == (2, 7, 6, 8)
    torch.testing.assert_close(M.mean((2, 3)), z, atol=1e-6, rtol=1e-4)

# (2.1), (3.2)

def test_classification_loss_by_hand():
    t, z = torch.tensor([[1., 0.], [0., 0.]]), torch.log(torch.tensor([[3., 1.], [1., 1/3]]))
    bce = np.array([[-np.log(.75), np.log(2)], [np.log(2), -np.log(.75)]])
    assert classification_loss([z], t).item() == pytest.approx(bce.mean())
    assert classification_loss(z, t).item() == pytest.approx(bce.mean())
    assert classification_loss([z, 0*z, 0*z], t.bool()).item() == pytest.approx(bce.mean()+2*np.log(2))

def test_losses_gradcheck():
    t = torch.tensor([[1., 0, 1], [0, 1, 0]]).double()
    zs = [torch.randn(2, 3, dtype=torch.double, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *z: classification_loss(list(z), t), zs)
    M, M0 = (torch.randn(2, 3, 4, 5, dtype=torch.double, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: cam_loss(a, b, t.bool()), (M, M0))
    assert torch.autograd.gradcheck(lambda a, b: fuse_cams(a, [b, 2*b]), (M, M0))

@pytest.mark.parametrize("scores, t, match", [
    ([torch.zeros(2, 3)], torch.zeros(2, 4), r"\(B,C\)"), ([torch.zeros(2, 3), torch.zeros(3, 2)], torch.zeros(2, 3), r"\(B,C\)"),
    ([], torch.zeros(2, 3), "empty"), ([torch.full((2, 3), float("nan"))], torch.zeros(2, 3), "NaN"),
    ([torch.zeros(2, 3)], torch.full((2, 3), 2.), "0 and 1"), ([torch.zeros(3)], torch.zeros(3), "dimensions")])
def test_classification_loss_refuses(scores, t, match):
    with pytest.raises(WsssError, match=match): classification_loss(scores, t)

# (2.2) and the fusion

def test_cam_loss_by_hand():
    M = torch.tensor([[[[3., -4.]], [[9., 9.]]], [[[1., 1.]], [[2., -1.]]]])
    M0 = torch.tensor([[[[1., -5.]], [[0., 0.]]], [[[1., 1.]], [[0., 3.]]]])
    present = torch.tensor([[True, False], [True, True]])
    assert cam_loss(M, M0, present).item() == pytest.approx(((2**2)/4 + (2**2+3**2)/4)/2)
    assert cam_loss(M, M0, ~present | True).item() > cam_loss(M, M0, present).item()
    assert cam_loss(M, M0, torch.zeros(2, 2, dtype=torch.bool)).item() == 0

def test_fuse_cams_by_hand():
    m = lambda *v: torch.tensor(v).view(1, 1, 1, -1)
    assert torch.equal(fuse_cams(m(1., 5., -2.), [m(2., 0., -1.), m(4., 2., -5.)]), m(3., 5., -2.))
    with pytest.raises(WsssError, match="empty"): fuse_cams(m(1.), [])
    with pytest.raises(WsssError, match="differ in shape"): fuse_cams(m(1.), [m(1., 2.)])

def test_cam_loss_refuses():
    M = torch.zeros(1, 2, 3, 3)
    with pytest.raises(WsssError, match="present"): cam_loss(M, M, torch.ones(1, 3))
    with pytest.raises(WsssError, match="M0"): cam_loss(M, M[:, :1], torch.ones(1, 2))
    with pytest.raises(WsssError, match="NaN"): cam_loss(M*float("nan"), M, torch.ones(1, 2))

# the dilated blocks (2.3)

class Flat(torch.nn.Module):
    "A backbone as small as can be: (B,3,H,W) -> (B,4,H/8,W/8)."
    num_features = 4
    def __init__(self): super().__init__(); self.conv = torch.nn.Conv2d(3, 4, 8, stride=8)
    def forward_features(self, x): return self.conv(x)

def test_sets_of_rates():  # Table 2.7
    assert DILATIONS == dict(D1=tuple(range(3, 25, 3)), D2=(6, 12, 18, 24), D3=(3, 6, 9), D4=(3, 6))

@pytest.mark.parametrize("dilations", [(), *DILATIONS.values()])
def test_dilated_classifier(dilations):
    torch.manual_seed(0)
    m, x = DilatedClassifier(Flat(), 5, width=6, dilations=dilations).eval(), torch.randn(2, 3, 48, 64)
    with torch.no_grad(): Ms, M0, z = m.cams(x), m.cam(x), m(x)
    assert len(Ms) == len(dilations)+1 and all(M.shape == (2, 5, 6, 8) for M in Ms)
    assert torch.equal(Ms[0], M0) and torch.equal(Ms[0].mean((2, 3)), z)  # GAP after fc8
    assert [b.fc6.dilation for b in m.head] == [(d, d) for d in (1, *dilations)]
    assert all(b.fc7.dilation == b.fc8.dilation == (1, 1) for b in m.head)
    assert all((b.fc6.kernel_size, b.fc7.kernel_size, b.fc8.kernel_size) == ((3, 3), (3, 3), (1, 1)) for b in m.head)
    assert len({b.fc6.weight.sum().item() for b in m.head}) == len(m.head)  # every block starts from its own numbers

def test_dilation_widens_what_a_position_sees():
    torch.manual_seed(0)
    m = DilatedClassifier(Flat(), 1, width=8, dilations=(3,))
    f = torch.zeros(1, 4, 15, 15, requires_grad=True)
    def reach(block): # rows that position (7,7) depends on
        g = torch.autograd.grad(torch.nn.Sequential(block.fc6, block.fc7, block.fc8)(f)[0, 0, 7, 7], f)[0]
        return torch.nonzero(g[0].abs().sum(0)[:, 7])[:, 0].tolist()
    assert reach(m.head[0]) == [5, 6, 7, 8, 9]
    assert reach(m.head[1]) == [3, 4, 5, 6, 7, 8, 9, 10, 11]

def test_width_of_the_dissertation():
    m = DilatedClassifier(Flat(), 20)
    assert [(c.in_channels, c.out_channels) for c in (m.head[0].fc6, m.head[0].fc7, m.head[0].fc8)] == [(4, 1024), (1024, 1024), (1024, 20)] and len(m.head) == 4

def test_vgg16():
    torch.manual_seed(0)
    m, f = DilatedClassifier(create("vgg16", "random"), 20, dilations=()).eval(), []
    m.head[0].fc6.register_forward_hook(lambda _, i, o: f.extend((i[0].shape, o.shape)))
    with torch.no_grad(): M = m.cam(torch.randn(1, 3, 64, 64))
    assert f == [(1, 512, 8, 8), (1, 1024, 8, 8)] and M.shape == (1, 20, 8, 8) and m.head[0].fc7.out_channels == 1024

def test_blocks_with_batch_normalisation():
    torch.manual_seed(0)
    m, x = DilatedClassifier(Flat(), 3, width=6, dilations=(2,), norm=True), torch.randn(2, 3, 64, 64)
    assert all(list(dict(b.named_children())) == ["fc6", "norm6", "relu6", "fc7", "norm7", "relu7", "fc8"] for b in m.head)
    assert all(list(dict(b.named_children())) == ["fc6", "relu6", "fc7", "relu7", "fc8"] for b in DilatedClassifier(Flat(), 3, width=6).head)
    m.train()(x)
    with torch.no_grad(): assert torch.equal(m.eval()(x), m.cams(x)[0].mean((2, 3)))

@pytest.mark.parametrize("kw", [dict(width=0), dict(width=-3), dict(dilations=(0,)), dict(dilations=(3, -6)), dict(dilations=(1.5,))])
def test_dilated_classifier_refuses(kw):
    with pytest.raises(ParameterError, match="positive whole numbers"): DilatedClassifier(Flat(), 3, **kw)

def test_dilation_loss_by_hand():
    "One picture, two classes of which the first is there, two positions, two dilated blocks."
    m = lambda *rows: torch.tensor(rows).view(1, 2, 1, 2)
    Ms = [m([2., -1.], [0., 0.]), m([4., 3.], [9., 9.]), m([2., -5.], [-3., -1.])]
    t, ln = torch.tensor([[1., 0.]]), lambda p: -np.log(p)
    s = lambda x: 1/(1+np.exp(-x))
    sig = sum((ln(s(a)) + ln(1-s(b)))/2 for a, b in ((.5, 0), (3.5, 9), (-1.5, -2)))  # (2.1): GAP of every block
    cam = ((3-2)**2 + (0-0)**2)/(2*2)  # (2.2): max(M0, mean) is (3,-1), only the first class counts
    l, log = dilation_loss(Ms, t)
    assert l.item() == pytest.approx(sig + .1*cam, rel=1e-5) and log["sig"].item() == pytest.approx(sig, rel=1e-5) and log["cam"].item() == pytest.approx(cam)
    assert dilation_loss(Ms, t, lambda_cls=7)[0].item() == pytest.approx(sig + 7*cam, rel=1e-5)
    l, log = dilation_loss(Ms[:1], t)  # D=0
    assert l.item() == pytest.approx((ln(s(.5)) + ln(.5))/2) and log["cam"] == 0
    assert dilation_loss(Ms, torch.zeros(1, 2))[1]["cam"] == 0  # no present class

def test_dilation_loss_gradient():
    "The dense map is a target: the CAM loss moves the standard block alone."
    t = torch.tensor([[1., 0, 1], [0, 1, 0]]).double()
    Ms = [torch.randn(2, 3, 4, 5, dtype=torch.double, requires_grad=True) for _ in range(3)]
    dilation_loss(Ms, t, 1e3)[0].backward()
    only_sig = torch.autograd.grad(classification_loss([M.mean((2, 3)) for M in Ms], t), Ms)
    assert not torch.allclose(Ms[0].grad, only_sig[0])
    for M, g in zip(Ms[1:], only_sig[1:]): torch.testing.assert_close(M.grad, g)
    dense = fuse_cams(Ms[0], Ms[1:]).detach()  # what the loss holds fixed
    fixed = lambda *Ms: classification_loss([M.mean((2, 3)) for M in Ms], t) + 1e3*cam_loss(dense, Ms[0], t.bool())
    assert torch.autograd.gradcheck(fixed, Ms)
    for got, want in zip([M.grad for M in Ms], torch.autograd.grad(fixed(*Ms), Ms)): torch.testing.assert_close(got, want)

# (1.2) and the score

def test_predict_labels():
    assert predict_labels(torch.tensor([[-.1, 0., .1]])).tolist() == [[False, False, True]]
    assert predict_labels(np.array([1.3, 1.5]), tau=.8).tolist() == [False, True]  # log 4 = 1.386
    with pytest.raises(ParameterError, match="tau"): predict_labels(torch.zeros(2), 1)

def test_macro_f1():
    assert macro_f1([[1, 1, 0], [0, 1, 0]], [[1, 1, 0], [1, 1, 0]]) == pytest.approx((2/3+1)/2)
    assert macro_f1(np.zeros((3, 2)), np.zeros((3, 2))) == 0
    rng = np.random.default_rng(0); p, t = rng.random((50, 6)) < .4, rng.random((50, 6)) < .5
    tp, fp, fn = (p & t).sum(0), (p & ~t).sum(0), (~p & t).sum(0)
    assert macro_f1(p, t) == pytest.approx(np.mean(2*tp/(2*tp+fp+fn)))
    with pytest.raises(WsssError, match=r"\(n,C\)"): macro_f1([[1]], [[1, 0]])

# training

@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("WSSS_NB_HOME", str(tmp_path_factory.mktemp("home")))
        yield open_dataset("scenes:train=12,val=4,seed=1")

HOW = replace(CLASSIFIER, net="small", init="random", epochs=2, batch=4, lr=.05, crop=64, warmup_epochs=0, device="cpu")
ONE = replace(HOW, epochs=1)

def test_fit_save_load(ds, tmp_path):
    model, log = fit_classifier(ds, tmp_path, HOW)
    again = load_classifier(tmp_path/"model.safetensors")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(): assert torch.equal(again(x), model(x))
    assert again.classes == ds.classes and again.init == model.init and not again.training
    assert json.loads((tmp_path/"metrics.json").read_text())["macro_f1"] == log[-1]["macro_f1"] == score_classifier(again, ds)["macro_f1"]
    assert len(log) == 2 and log[-1]["images"] == 4

def test_fit_resumes_to_the_bit(ds, tmp_path):
    def stop(e, m, row):
        if e == 1: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): fit_classifier(ds, tmp_path/"a", HOW, on_epoch=stop)
    assert not (tmp_path/"a"/"model.safetensors").exists()
    for f in "ab": fit_classifier(ds, tmp_path/f, HOW)
    assert (tmp_path/"a"/"model.safetensors").read_bytes() == (tmp_path/"b"/"model.safetensors").read_bytes()
    with pytest.raises(RunError, match="batch=4 there, 6 here"): fit_classifier(ds, tmp_path/"a", replace(HOW, batch=6))

@pytest.mark.parametrize("head", [dict(dilations=(2, 4), width=8), dict(dilations=(), width=8)])
def test_blocks_save_and_load(ds, tmp_path, head):
    model, log = fit_classifier(ds, tmp_path, HOW, **head)
    again = load_classifier(tmp_path)
    assert isinstance(again, DilatedClassifier) and isinstance(again.head[0].norm6, torch.nn.BatchNorm2d) and len(again.head) == len(head["dilations"])+1 and [b.fc6.dilation[0] for b in again.head] == [1, *head["dilations"]]
    a, b = model.state_dict(), again.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(): assert torch.equal(again.cam(x), model.cam(x))
    assert again.classes == ds.classes and not again.training
    assert log[0]["loss"] == pytest.approx(log[0]["sig"] + .1*log[0]["cam"]) and (log[0]["cam"] > 0) == bool(head["dilations"])

def test_other_blocks_in_the_same_folder_are_refused(ds, tmp_path):
    fit_classifier(ds, tmp_path, ONE, (2,), 8)
    with pytest.raises(RunError, match="'dilations'"): fit_classifier(ds, tmp_path, ONE, (3,), 8)
    with pytest.raises(RunError, match="lambda_cls=0.1 there, 0.5 here"): fit_classifier(ds, tmp_path, ONE, (2,), 8, lambda_cls=.5)

def test_create_backbone(ds, tmp_path):
    assert create_backbone("small", "random").init["source"] == "random"
    model, _ = fit_classifier(ds, tmp_path, ONE, (2,), 8)
    for where in (tmp_path, tmp_path/"model.safetensors"):
        b = create_backbone("small", f"classifier:{where}", load=load_classifier)
        assert all(torch.equal(v, b.state_dict()[k]) for k, v in model.backbone.state_dict().items())
        assert b.init == dict(name="small", source="classifier", sha256=sha256(tmp_path/"model.safetensors"))
    with pytest.raises(ParameterError, match="is a classifier on small, but the segmenter's net is vgg16: choose the same"): create_backbone("vgg16", f"classifier:{tmp_path}", load=load_classifier)
    with pytest.raises(WeightsError, match="nowhere.* are not there"): create_backbone("small", f"classifier:{tmp_path/'nowhere'}", load=load_classifier)
    with pytest.raises(ParameterError, match="unknown"): create_backbone("vgg17", "random")
    with pytest.raises(WeightsError, match="small"): create_backbone("small", "imagenet")


def _photo(size=(96, 128)):
    import cv2
    from skimage import data
    return cv2.resize(data.chelsea(), size[::-1], interpolation=cv2.INTER_AREA)


def test_taking_imagenet_trains_nothing_and_loads_again(tmp_path):
    from types import SimpleNamespace
    from wsss_nb.classifier import load_classifier, take_imagenet
    from wsss_nb.core import ParameterError
    ds = SimpleNamespace(name="two", classes=("cat", "cup"), ids=lambda split: ())
    with pytest.raises(ParameterError, match="ImageNet knows no cup"): take_imagenet(ds, dict(cat=(281,)), folder=tmp_path)
    model = take_imagenet(ds, dict(cat=(281, 282), cup=(968,)), folder=tmp_path)
    again = load_classifier(tmp_path)
    x = to_tensor(_photo())[None]
    with torch.no_grad(): assert torch.equal(model.cam(x), again.cam(x)) and torch.equal(model(x), again(x))
    assert again.classes == ("cat", "cup")
