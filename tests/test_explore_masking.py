"Explorer 7, image masking, without a browser."
from itertools import product

import numpy as np
import pytest
import torch

from wsss_nb.canvas import given
from wsss_nb.classifier import load_classifier, score_images
from wsss_nb.core import DataError, RunError
from wsss_nb.deeplab import load_deeplab, predict
from wsss_nb.explore_masking import MaskingExplorer, choices, judged
from wsss_nb.masking import erased, freeze, total_attention_loss
from wsss_nb.artefacts import demo_folder
from wsss_nb.gallery import gallery
from wsss_nb.transforms import IMAGENET_MEAN, IMAGENET_STD, to_tensor


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("WSSS_NB_RUN", "WSSS_NB_DATA"): monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def shown(): return MaskingExplorer()


@pytest.fixture
def car(shown):
    photo = gallery()["scene: car"]()
    shown.open_picture(photo)
    return photo


def answer(explorer, key): return given(explorer.canvas, key)


def full(present, row):
    b = np.zeros(len(present), int)
    b[present] = row
    return b


def test_planes_are_the_segmenters_softmax(shown, car):
    H = predict(load_deeplab(demo_folder("demo-masking")/"segmenter"), car.image, (1,))
    np.testing.assert_array_equal(answer(shown, "H|extra=0")[0], H[1:][car.present])
    seg, facts = answer(shown, "seg|extra=0")
    at = np.r_[0, 1 + np.flatnonzero(car.present)]
    np.testing.assert_array_equal(seg, at[H[at].argmax(0)])
    assert facts["whose"] == "The segmenter's masks"


def test_true_masks(shown, car):
    H, _ = answer(shown, "H|extra=1")
    np.testing.assert_array_equal(H, car.mask == 1 + np.flatnonzero(car.present)[:, None, None])
    np.testing.assert_array_equal(answer(shown, "seg|extra=1")[0], car.mask)
    mask = car.mask.copy(); mask[:2] = 255
    shown.open_picture(car._replace(mask=mask))
    assert (answer(shown, "H|extra=1")[0][:, :2] == 0).all() and (answer(shown, "seg|extra=1")[0][:2] == 0).all()  # void is background


def test_losses_are_those_of_the_training(shown, car):
    "Each row of b: the loss that total_attention_loss gives it, where something is erased."
    judge = freeze(load_classifier(demo_folder("demo-masking")/"classifier"))
    H, present = shown.erasing.softmax(0), car.present
    rows = np.array([full(present, r) for r in product((0, 1), repeat=2)])
    p, losses, total = judged(judge, car.image, H, present, rows, shown.mean)
    mu = (torch.as_tensor(shown.mean)/255 - torch.tensor(IMAGENET_MEAN))/torch.tensor(IMAGENET_STD)
    for i, b in enumerate(rows):
        assert total[i] == pytest.approx(losses[i].mean(), rel=1e-5)
        want = total_attention_loss(judge, to_tensor(car.image)[None], torch.as_tensor(H)[None], torch.as_tensor(present)[None], torch.as_tensor(b)[None, None], mu)
        assert (total[i] == pytest.approx(want.item(), rel=1e-4)) if b.any() else want == 0
    whole = score_images(judge, [car.image])[0][torch.as_tensor(present)].sigmoid().numpy()
    np.testing.assert_allclose(p[0], whole, rtol=1e-4)  # b = 0: the picture as it is


def test_what_the_judge_sees_is_masked():
    "A judge that tells the mean of the picture: b = 1 with H = 1 leaves the mean colour, whatever the picture."
    seen = []
    def judge(x): seen.append(x); return torch.zeros(len(x), 1)
    H = np.stack([np.zeros((64, 64)), np.ones((64, 64))]).astype(np.float32)
    judged(judge, np.full((64, 64, 3), 200, np.uint8), H, np.array([True]), np.array([[0], [1]]), np.array([10., 20, 30]))
    want = (torch.tensor([10., 20, 30])/255 - torch.tensor(IMAGENET_MEAN))/torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(seen[1][0].mean((1, 2)), want)
    torch.testing.assert_close(seen[0][0], to_tensor(np.full((64, 64, 3), 200, np.uint8)))


@pytest.mark.parametrize("k, n", [(1, 2), (2, 4), (3, 8), (4, 6), (5, 7)])
def test_choices(k, n):
    rows = choices(k)
    assert len(rows) == n == len(set(rows)) and rows[0] == (0,)*k and rows[-1] == (1,)*k
    assert {tuple(np.eye(k, dtype=int)[i]) for i in range(k)} <= set(rows) and [sum(r) for r in rows] == sorted(map(sum, rows))


def test_bars_and_cards(shown, car):
    "Bars: the whole picture beside the masked one; cards: every choice, with its masked picture."
    c, chart = shown.canvas, shown.charts[0]
    assert c.b == shown.picks.switches.value == shown.picks.cards.value == [1, 0] and [i["name"] for i in shown.picks.switches.items] == ["car", "cat"]
    assert chart.data["names"] == ["car: 0 wanted", "cat: 1 wanted"] and [i["value"] for i in shown.picks.cards.items] == [[0, 0], [1, 0], [0, 1], [1, 1]]
    H, b = shown.erasing.softmax(0), full(car.present, (1, 0))
    p, _, total = judged(shown.erasing.judge, car.image, H, car.present, b[None], shown.mean)
    np.testing.assert_allclose(chart.data["series"][1]["values"], p[0], atol=1e-5)
    assert f"attention loss {total[0]:.3f}" in chart.title and shown.picks.cards.items[1]["last"] == f"attention loss {total[0]:.3f}"
    c.b = [1, 1]
    assert chart.data["names"] == ["car: 0 wanted", "cat: 0 wanted"]
    c.b = [0, 0]
    assert "loss" not in chart.title and chart.data["series"][0]["values"] == chart.data["series"][1]["values"]


def test_other_masks_other_answers(shown, car):
    before = [i["last"] for i in shown.picks.cards.items]
    shown.canvas.extra = 1
    assert [i["last"] for i in shown.picks.cards.items] != before and shown.whose.layout.display == ""
    shown.canvas.extra = 0
    assert [i["last"] for i in shown.picks.cards.items] == before


def test_a_photograph_without_labels(shown):
    "The classifier is believed until somebody ticks; there are no true masks to choose."
    shown.canvas.extra = 1
    shown.open_picture(gallery()["coffee"]())
    assert shown.canvas.extra == 0 and shown.whose.layout.display == "none" and shown.ticks.layout.display == ""
    assert "tick what is there" in shown.status.value and shown.erasing.present.any()
    with pytest.raises(DataError, match="coffee has no true mask"): shown.erasing.softmax(1)
    boxes = list(shown.ticks.boxes.values())
    for box in boxes: box.value = False
    assert "No class is ticked" in shown.status.value
    assert shown.picks.cards.items == [] == shown.canvas.b and "No class is ticked" in shown.charts[0].data["empty"]
    assert [p["caption"] for p in shown.canvas.panes] == ["No class is ticked: say what is in the picture."]
    boxes[2].value = True
    assert shown.erasing.present.sum() == 1 == len(shown.canvas.b) and "alert" not in shown.status.value
    assert answer(shown, "H|extra=0")[0].shape == (1, *shown.photo.image.shape[:2])


def test_the_run(monkeypatch, tmp_path):
    with pytest.raises(RunError, match="looks into one of masking"): MaskingExplorer(run=demo_folder("demo"))
    monkeypatch.setenv("WSSS_NB_RUN", str(demo_folder("demo")))
    e = MaskingExplorer(picture="scene: boat")
    assert "sample run" in e.status.value and e.photo.name == "scene: boat"
    np.testing.assert_allclose(e.mean, [134.212, 133.467, 122.453])


def test_still(shown, car):
    pictures, titles = shown.still()
    b = full(car.present, shown.canvas.b)
    np.testing.assert_array_equal(pictures[2], erased(car.image, shown.erasing.softmax(0), car.present, b, shown.mean)[1])
    assert len(titles) == 3
