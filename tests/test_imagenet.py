"""The classifier of names: groups of ImageNet's classes, their log-odds and their activation."""
import cv2
import pytest
import torch
from skimage import data

from wsss_nb.backbones import create
from wsss_nb.core import ParameterError
from wsss_nb.imagenet import ImageNetClassifier, calibrate, learn_others
from wsss_nb.transforms import to_tensor

def _named(groups=((281, 282, 285), (504, 967, 968)), stride=16):
    return ImageNetClassifier(create("lite0", output_stride=stride), groups).eval()


def _photo(size=(96, 128)):
    return cv2.resize(data.chelsea(), size[::-1], interpolation=cv2.INTER_AREA)


def test_scores_of_names_are_log_odds_of_their_share():
    net, x = _named(), to_tensor(_photo())[None]
    with torch.no_grad(): z, s = torch.nn.functional.linear(net.mean_features(x), net.weight, net.bias)[0].double(), net(x)[0].double()
    for c, g in enumerate(net.groups):
        inside, others = z[list(g)].exp().sum(), z.exp().sum() - z[list(g)].exp().sum()
        assert torch.isclose(s[c], (inside/others).log(), atol=1e-4)
    assert torch.allclose(s.sigmoid().float(), torch.stack([net.probabilities(x)[0, list(g)].sum() for g in net.groups]).detach(), atol=1e-5)


def test_activation_of_a_name_by_hand():
    "The best member over the mean of all, at one position after the other."
    net, x = _named(((1,), (1, 2, 3))), to_tensor(_photo())[None]
    with torch.no_grad(): z, M = net.logits(net.backbone.forward_features(x)), net.cam(x)
    assert torch.allclose(M[:, 0], z[:, 1] - z.mean(1), atol=1e-5)
    assert torch.allclose(M[:, 1], z[:, 1:4].max(1).values - z.mean(1), atol=1e-5)
    assert (M[:, 1] >= M[:, 0]).all()


def test_classes_that_are_all_unknown_are_refused():
    with pytest.raises(ParameterError, match="at least one class must be among ImageNet's"): _named(((), ()))


def test_a_learned_class_stands_where_its_name_stands_and_leaves_the_others_alone():
    alone, mixed = _named(((281,), (504,))), _named(((), (281,), (), (504,)))
    f, x = torch.randn(40, 1280), to_tensor(_photo())[None]
    t = torch.stack([f[:, 0] > 0, f[:, 1] > 0], 1).float()
    assert learn_others(mixed, f, t) < .2
    with torch.no_grad():
        s, M, z = mixed.scores(f), mixed.cam(x), mixed.backbone.forward_features(x)
        assert torch.allclose(s[:, [1, 3]], alone.scores(f), atol=1e-5)
        assert torch.equal(s[:, [0, 2]] > 0, t.bool())
        assert torch.allclose(M[:, [1, 3]], alone.cam(x), atol=1e-5)
        assert torch.allclose(M[:, 0], (mixed.learned.weight[0, :, None, None]*z[0]).sum(0), atol=1e-4)  # (1.10): without the bias


def test_the_gradient_of_mixed_scores_is_finite():
    "A class without a group must not pass an infinity on."
    mixed, x = _named(((), (281,))), to_tensor(_photo())[None].requires_grad_()
    mixed(x).sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_calibration_says_when_a_class_is_there_and_leaves_its_activation_alone():
    "Pictures show the class where its log-odds lie above -4: at slope 1 and shift 0 hardly one would be said to."
    net = _named(((), (281, 282), (504,)))
    learn_others(net, torch.randn(9, 1280), torch.ones(9, 1))
    f, x = torch.randn(300, 1280), to_tensor(_photo())[None]
    with torch.no_grad(): odds, person, M = net.scores(f)[:, 1:], net.scores(f)[:, 0], net.cam(x)
    there = odds > odds.quantile(.7, 0)
    assert (odds > 0).float().mean() < .1
    assert calibrate(net, f, there) < .2
    with torch.no_grad():
        assert ((net.scores(f)[:, 1:] > 0) == there).float().mean() > .95
        assert torch.equal(net.scores(f)[:, 0], person) and torch.equal(net.cam(x), M)
    assert (net.calibration[:, 0] > 0).all() and (net.calibration[:, 1] > 0).all()


def test_a_calibrated_classifier_is_kept_with_its_file(tmp_path):
    from wsss_nb.classifier import load_classifier
    from wsss_nb.deeplab import save_model
    net = _named(((281,), (504,)))
    calibrate(net, torch.randn(50, 1280), torch.rand(50, 2) > .5)
    save_model(tmp_path/"model.safetensors", net, kind="classifier", net="lite0", init=net.init, output_stride=16, classes=["cat", "cup"], head=dict(groups=net.groups))
    assert torch.equal(load_classifier(tmp_path).calibration, net.calibration)
