import json

import numpy as np
import pytest
import torch

from wsss_nb.backbones import create
from wsss_nb.classifier import (Classifier, cam_loss, classification_loss, fit_classifier, fuse_cams, load_classifier, macro_f1, predict_labels,
                                score_classifier)
from wsss_nb.core import ParameterError, RunError, WsssError
from wsss_nb.datasets import open_dataset


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

ARGS = dict(net="small", init="random", epochs=2, batch=4, lr=.05, crop=64, warmup_epochs=0, device="cpu")

def test_fit_save_load(ds, tmp_path):
    model, log = fit_classifier(ds, folder=tmp_path, **ARGS)
    again = load_classifier(tmp_path/"model.safetensors")
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(): assert torch.equal(again(x), model(x))
    assert again.classes == ds.classes and again.init == model.init and not again.training
    assert json.loads((tmp_path/"metrics.json").read_text())["macro_f1"] == log[-1]["macro_f1"] == score_classifier(again, ds)["macro_f1"]
    assert len(log) == 2 and log[-1]["images"] == 4

def test_fit_resumes_to_the_bit(ds, tmp_path):
    def stop(e, m, row):
        if e == 1: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): fit_classifier(ds, folder=tmp_path/"a", on_epoch=stop, **ARGS)
    assert not (tmp_path/"a"/"model.safetensors").exists()
    for f in "ab": fit_classifier(ds, folder=tmp_path/f, **ARGS)
    assert (tmp_path/"a"/"model.safetensors").read_bytes() == (tmp_path/"b"/"model.safetensors").read_bytes()
    with pytest.raises(RunError, match="batch=4 there, 6 here"): fit_classifier(ds, folder=tmp_path/"a", **{**ARGS, "batch": 6})
