"""Scores of the steps before the segmenter: by hand, against another library, and against the plain way."""
import numpy as np
import pytest

from wsss_nb.cam import normalize_cam, save_cam
from wsss_nb.core import WsssError
from wsss_nb.metrics import ConfusionMatrix
from wsss_nb.stage_scores import average_precision, cam_scores, classifier_scores


def test_average_precision_by_hand():
    assert average_precision(np.array([[3.], [2], [1]]), [[1], [0], [1]]) == pytest.approx((1 + 2/3)/2)
    assert average_precision(np.array([[1., 9], [2, 9], [3, 9]]), [[1, 0], [0, 0], [0, 0]]) == pytest.approx(1/3)  # a class that nobody has does not count
    assert average_precision(np.eye(4), np.eye(4)) == 1 and np.isnan(average_precision(np.zeros((2, 1)), [[0], [0]]))

def test_average_precision_against_another():
    import torch
    from torchmetrics.functional.classification import multilabel_average_precision
    rng = np.random.default_rng(0)
    scores, true = rng.random((40, 6)), rng.random((40, 6)) < .3
    assert average_precision(scores, true) == pytest.approx(float(multilabel_average_precision(torch.tensor(scores), torch.tensor(true).int(), 6)), abs=1e-6)

@pytest.mark.parametrize("scores, true", [(np.zeros(3), np.zeros(3)), (np.zeros((3, 2)), np.zeros((2, 2))), (np.full((2, 2), np.nan), np.zeros((2, 2)))])
def test_bad_scores(scores, true):
    with pytest.raises(WsssError): average_precision(scores, true)

def test_cam_scores_against_every_threshold(tmp_path, scenes):
    ids, rng, K = scenes.ids("train")[:3], np.random.default_rng(0), scenes.n_classes + 1
    for i in ids:
        M = rng.random((K-1, *scenes.mask(i).shape)) * (.2 + .8*np.stack([scenes.mask(i) == c+1 for c in range(K-1)]))
        save_cam(tmp_path/f"{i}.npz", normalize_cam(M, scenes.present(i)), scenes.present(i))
    from wsss_nb.cam import load_cam
    def miou(t):
        m = ConfusionMatrix(K)
        for i in ids:
            M = load_cam(tmp_path/f"{i}.npz", K-1)
            m.update(np.where(M.max(0) > t, M.argmax(0) + 1, 0).astype(np.uint8), scenes.mask(i))
        return m.miou()
    naive = [miou(j/20) for j in range(20)]
    found = cam_scores(scenes, ids, tmp_path)
    assert found["miou"] == pytest.approx(max(naive)) and found["threshold"] == pytest.approx(np.argmax(naive)/20) and found["images"] == 3

def test_classifier_scores(scenes):
    import torch
    class Knows(torch.nn.Module):
        "Says what the pictures hold, in their order; the first class never."
        def __init__(self, true):
            super().__init__(); self.weight, self.true, self.k = torch.nn.Parameter(torch.zeros(1)), true, -1
        def forward(self, x): self.k += 1; return self.true[self.k][None]
    ids = scenes.ids("val")[:6]
    true = np.stack([scenes.present(i) for i in ids])
    s = classifier_scores(Knows(torch.tensor(np.where(true, 5., -5.))), scenes, ids)
    assert s == dict(macro_f1=1., map=1., images=6)
    blind = classifier_scores(Knows(torch.tensor(np.full(true.shape, -5.))), scenes, ids)
    assert blind["macro_f1"] == 0 and 0 < blind["map"] < 1
