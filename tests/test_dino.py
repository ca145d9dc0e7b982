"""Self-supervision: crops that know where they are, losses by hand, and a training that resumes to the bit."""
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from wsss_nb import dino
from wsss_nb.core import DataError, RunError, WeightsError, load_weights, save_weights
from wsss_nb.deeplab import weights_meta
from wsss_nb.dino import blank, boxes, crop, cuttings, key_loss, photographs, points, pretrain, recolor, sameness, schedule, spread, views

pytest.importorskip("lightly", reason="training mini needs lightly")


def rng(seed=0): return torch.Generator().manual_seed(seed)


@given(st.integers(0, 10**6), st.floats(.05, .9))
def test_boxes_lie_inside(seed, most):
    b = boxes(16, (.04, most), rng(seed))
    assert (b[:, :2].abs()+b[:, 2:].abs() <= 1+1e-5).all()
    area = (b[:, 2]*b[:, 3]).abs()
    assert (area <= most+1e-5).all()


def test_a_crop_shows_what_its_points_say():
    "A picture whose colour is its coordinate: what is cut out equals where it was cut."
    u = (torch.arange(64)+.5)/32-1
    x = torch.stack([u.expand(64, 64), u[:, None].expand(64, 64), torch.zeros(64, 64)])[None].expand(8, -1, -1, -1)
    b = boxes(8, (.1, .6), rng())
    got = crop(x, b, 10)[:, :2].permute(0, 2, 3, 1)
    assert (got-points(b, 10)).abs().max() < .02


def test_views_of_one_picture_are_normalised_and_repeatable():
    x = torch.rand(3, 3, 160, 160)
    a, b = views(x, rng(5)), views(x, rng(5))
    assert [o.shape for o, _ in a] == [(3, 3, 80, 80)]*2+[(3, 3, 48, 48)]*2
    assert all(torch.equal(p[0], q[0]) and torch.equal(p[1], q[1]) for p, q in zip(a, b))


def test_recolor_keeps_range():
    y = recolor(torch.rand(20, 3, 16, 16), rng())
    assert y.shape == (20, 3, 16, 16) and y.min() >= 0 and y.max() <= 1


def test_blank_share():
    x = torch.ones(400, 3, 80, 80)
    gone = (blank(x, .2, rng()) == 0).float()
    assert abs(gone.mean()-.2) < .03
    blocks = gone.unfold(2, 16, 16).unfold(3, 16, 16).flatten(4)  # (400,3,5,5,256)
    assert ((blocks.mean(-1) == 0) | (blocks.mean(-1) == 1)).all()


def test_key_loss_finds_the_same_place_in_mirrored_crops():
    "Targets that name their place: a perfect student of the mirrored crop has only the loss of its temperature."
    box, mirrored = torch.tensor([[0, 0, 1., 1.]]), torch.tensor([[0, 0, -1., 1.]])
    q = torch.eye(16).view(1, 4, 4, 16)
    right, n = key_loss(q.flip(2), mirrored, q, box, .05)
    wrong, _ = key_loss(q, mirrored, q, box, .05)
    assert n == 16 and right < 1e-3 and wrong > 100


def test_key_loss_gradcheck():
    c = torch.randn(2, 3, 3, 4, dtype=torch.double, requires_grad=True)
    q = torch.rand(2, 3, 3, 4, dtype=torch.double).softmax(-1)
    b, t = boxes(2, (.3, .8), rng()).double(), boxes(2, (.3, .8), rng(1)).double()
    assert torch.autograd.gradcheck(lambda c: key_loss(c, b, q, t)[0], c)


def test_key_loss_by_hand_and_elsewhere():
    c, q = torch.tensor([1., 0.]).view(1, 1, 1, 2), torch.tensor([0., 1.]).view(1, 1, 1, 2)
    here, there = torch.tensor([[-.5, -.5, .5, .5]]), torch.tensor([[.5, .5, .5, .5]])
    assert key_loss(c, here, q, here, 1)[0].item() == pytest.approx(math.log(1+math.e))
    assert [o.item() for o in key_loss(c, here, q, there)] == [0, 0]


def test_spread_keeps_sums_and_stops_at_colours():
    q = torch.rand(2, 25, 6).softmax(-1)
    k = torch.nn.functional.normalize(torch.randn(2, 25, 8), dim=-1)
    out = spread(q, k, torch.randn(2, 25, 3), 5)
    torch.testing.assert_close(out.sum(-1), torch.ones(2, 25))
    one, c = torch.eye(2).repeat_interleave(8, 0)[None], torch.zeros(1, 16, 3)  # upper and lower half of 4×4
    c[:, 8:] = 100
    torch.testing.assert_close(spread(one, torch.ones(1, 16, 1), c, 4), one)
    assert spread(one, torch.ones(1, 16, 1), 0*c, 4)[0, 4].min() > .1


def test_sameness():
    assert sameness(torch.eye(4)[None]) == .25
    k = torch.nn.functional.normalize(torch.randn(3, 10, 5), dim=-1)
    torch.testing.assert_close(sameness(k), (k @ k.mT).mean())


def test_schedule():
    rates = [schedule(i, 100, 1.)[0] for i in range(101)]
    assert np.argmax(rates) in (7, 8) and rates[-1] == pytest.approx(.01)
    assert all(np.diff([schedule(i, 100)[1] for i in range(101)]) > 0)


def test_photographs_need_no_network_and_cut_well():
    p = photographs()
    assert len(p) >= 12 and all(a.dtype == np.uint8 and a.shape[2] == 3 for a in p.values())
    c = cuttings([p["coffee"], p["chelsea"][:50, :60]], 2, seed=1)
    assert c.shape == (4, 160, 160, 3) and (c == cuttings([p["coffee"], p["chelsea"][:50, :60]], 2, seed=1)).all()


TINY = np.random.default_rng(0).integers(0, 255, (8, 64, 64, 3), dtype=np.uint8)


def test_resume_to_the_bit(tmp_path, monkeypatch):
    kw = dict(steps=3, batch=2, device="cpu")
    vit, rows = pretrain(TINY, tmp_path/"whole", **kw)
    real, calls = dino._step, []
    def cut(*a):
        if len(calls) == 2: raise KeyboardInterrupt
        calls.append(1)
        return real(*a)
    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(dino, "_step", cut)
        m.setattr(dino, "_EVERY", 1)
        pretrain(TINY, tmp_path/"cut", **kw)
    again, rows2 = pretrain(TINY, tmp_path/"cut", **kw)
    assert all(torch.equal(a, b) for a, b in zip(vit.state_dict().values(), again.state_dict().values()))
    assert [{k: v for k, v in r.items() if k != "seconds"} for r in rows] == [{k: v for k, v in r.items() if k != "seconds"} for r in rows2]
    done, _ = pretrain(TINY, tmp_path/"cut", **kw)  # nothing left to do
    assert all(torch.equal(a, b) for a, b in zip(done.state_dict().values(), again.state_dict().values()))
    with pytest.raises(RunError, match="another folder"): pretrain(TINY, tmp_path/"cut", **(kw | dict(lr=1.)))


NONE = [(None, "settings is missing"), ({}, "settings is missing"), (dict(wsss_nb="[]"), "it should be an object, but is a list"),
        (dict(wsss_nb="{"), "valid JSON"), (dict(wsss_nb='{"settings": {}, "rows": {}}'), "rows should be a list"),
        (dict(wsss_nb='{"settings": {}, "rows": [1]}'), r"rows\[0\] should be an object")]


@pytest.mark.parametrize("meta, words", NONE, ids=range(len(NONE)))
def test_a_checkpoint_that_is_none(meta, words, tmp_path):
    save_weights(tmp_path/"checkpoint.safetensors", dict(a=torch.ones(2)), meta)
    with pytest.raises(WeightsError, match=f"checkpoint.safetensors is not .*{words}"): pretrain(TINY, tmp_path, steps=2, batch=2, device="cpu")


def test_a_checkpoint_with_other_tensors(tmp_path):
    kw = dict(steps=1, batch=2, device="cpu")
    pretrain(TINY, tmp_path, **kw)
    file = tmp_path/"checkpoint.safetensors"
    save_weights(file, dict(a=torch.ones(2)), dict(wsss_nb=json.dumps(weights_meta(file))))
    with pytest.raises(WeightsError, match="does not hold the tensors of this training"): pretrain(TINY, tmp_path, **kw)


def test_pictures_must_be_a_batch(tmp_path):
    with pytest.raises(DataError, match="images must have 4 dimensions"): pretrain(TINY[0], tmp_path)
