"""The classifier of names: groups of ImageNet's classes, their log-odds and their activation."""
import cv2
import pytest
import torch
from skimage import data

from wsss_nb.backbones import create
from wsss_nb.core import ParameterError
from wsss_nb.imagenet import ImageNetClassifier
from wsss_nb.transforms import to_tensor

def _named(groups=((281, 282, 285), (504, 967, 968)), stride=16):
    return ImageNetClassifier(create("lite0", output_stride=stride), groups).eval()


def _photo(size=(96, 128)):
    return cv2.resize(data.chelsea(), size[::-1], interpolation=cv2.INTER_AREA)


def test_scores_of_names_are_log_odds_of_their_share():
    net, x = _named(), to_tensor(_photo())[None]
    with torch.no_grad(): z, s = net.mean_logits(x)[0].double(), net(x)[0].double()
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


def test_a_name_without_classes_is_refused():
    with pytest.raises(ParameterError, match="at least one class of ImageNet"): _named(((1,), ()))
