import json, os, signal, subprocess, sys, threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace as Namespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from wsss_nb.core import DataError, ParameterError, RunError, WeightsError, WsssError, load_weights
from wsss_nb.train import Batches, TrainSettings, fit, freeze_batchnorm, image_batches, item_seed, param_groups, poly_rate, prefetch, set_mean
from wsss_nb.transforms import Augment


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(.2), nn.Conv2d(8, 8, 3, 2, 1))
        self.head = nn.Linear(8, 2)
    def forward(self, x): return self.head(self.body(x).mean((2, 3)))


def make(): torch.manual_seed(0); return Net()
def item(i, seed):
    g = torch.Generator().manual_seed(seed)
    y = i % 2
    return dict(image=torch.randn(3, 16, 16, generator=g)*.5 + y, y=torch.tensor(y))
def loss(m, b): return nn.functional.cross_entropy(m(b["image"]), b["y"])
BATCHES = Batches(24, item, batch=8)
HOW = TrainSettings(epochs=4, lr=.05, device="cpu", warmup_epochs=1)
ONE = replace(HOW, epochs=1)
def same(a, b): return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


# the rate

def test_poly_rate_by_hand():
    assert poly_rate(0, 10) == 1e-3 and poly_rate(10, 10) == 0
    assert poly_rate(5, 10) == pytest.approx(1e-3*.5**.9)
    assert poly_rate(5, 10, base=.1, power=2) == pytest.approx(.025)
    assert [poly_rate(i, 10, warmup=2) for i in (0, 1, 2)] == pytest.approx([1e-6, (1e-6 + 1e-3*.8**.9)/2, 1e-3*.8**.9])

@given(st.integers(1, 500), st.floats(1e-5, 1), st.floats(.1, 3), st.data())
def test_poly_rate_is_a_line_up_to_the_curve(total, base, power, data):
    w = data.draw(st.integers(0, total))
    r, plain = ([poly_rate(i, total, base, power, k, warmup_from=base/10) for i in range(total+1)] for k in (w, 0))
    assert all(0 <= v <= base*(1+1e-12) for v in r) and r[w:] == plain[w:] and all(a >= b for a, b in zip(r[w:], r[w+1:]))
    line = [(r[0]*(w-i) + plain[w]*i)/max(w, 1) for i in range(w+1)]  # it ends on the curve
    assert r[:w+1] == pytest.approx(line if w else r[:1])

def test_a_short_training_rises_over_half_of_its_steps(tmp_path):
    rows = fit(make(), BATCHES, loss, replace(HOW, epochs=2, warmup_epochs=3), tmp_path)
    assert rows[0]["lr"] == pytest.approx(1e-6 + (.05*.5**.9 - 1e-6)*2/3) and rows[1]["lr"] == pytest.approx(.05*(1/6)**.9)

@pytest.mark.parametrize("kw", [dict(step=-1, total=4), dict(step=5, total=4), dict(step=0, total=0), dict(step=0, total=4, warmup=5)])
def test_poly_rate_refuses(kw):
    with pytest.raises(ParameterError, match="must lie in"): poly_rate(**kw)


# groups

def test_head_learns_ten_times_as_fast_and_fixed_parameters_do_not():
    net = Net()
    body, head = param_groups(net, 1e-3, 5e-4)
    assert (body["lr"], head["lr"], head["weight_decay"]) == (1e-3, 1e-2, 5e-4)
    assert {id(p) for p in head["params"]} == {id(p) for p in net.head.parameters()}
    freeze_batchnorm(net.train())
    assert len(param_groups(net, 1, 0)[0]["params"]) == len(body["params"])-2
    assert not net.body[1].training and net.body[0].training

def test_a_net_without_head_is_one_group(): assert len(param_groups(nn.Linear(2, 2), 1, 0)) == 1

def test_fixed_batchnorm_stays_fixed(tmp_path):
    net = make()
    before = {k: v.clone() for k, v in net.body[1].state_dict().items()}
    fit(net, BATCHES, loss, replace(ONE, freeze_bn=True), tmp_path)
    assert all(torch.equal(v, before[k]) for k, v in net.body[1].state_dict().items())
    assert not torch.equal(net.body[0].weight, make().body[0].weight)


# batches

def test_batches_depend_on_seed_and_epoch_only():
    def take(workers, seed=0, epoch=0): return torch.cat([b["image"] for b in Batches(24, item, 8, seed, workers)(epoch)])
    assert torch.equal(take(1), take(3))
    assert not torch.equal(take(1), take(1, epoch=1)) and not torch.equal(take(1), take(1, seed=1))

@given(st.integers(1, 60), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_every_item_at_most_once_and_no_crumbs(n, b):
    got = [o["i"].tolist() for o in Batches(n, lambda i, s: dict(i=i), b)(0)]
    flat = sum(got, [])
    assert len(got) == len(Batches(n, None, b)) and len(flat) == len(set(flat)) and set(flat) <= set(range(n))
    assert len(flat) == n or n-len(flat) < b/2
    assert len(got) == 1 or len(got[-1]) >= b/2

def test_empty_list_and_bad_batch():
    with pytest.raises(DataError, match="no images"): Batches(0, item)
    with pytest.raises(ParameterError, match="batch"): Batches(3, item, batch=0)

def test_prefetch_passes_errors_on_and_stops_when_left():
    seen = []
    def fn(i):
        seen.append(i)
        if i == 2: raise KeyError("two")
        return i
    with pytest.raises(KeyError): list(prefetch(fn, range(100)))
    n = threading.active_count(); seen.clear()
    for o in prefetch(abs, range(1000)): break
    del o
    assert len(seen) < 20 and threading.active_count() <= n+1

def test_item_seed_differs(): assert len({item_seed(s, e, i) for s in range(5) for e in range(5) for i in range(5)}) == 125

class Fake:
    "Three images; counts how often each is opened."
    n_classes, opened = 2, 0
    def image(self, id): self.opened += 1; return np.full((20, 30, 3), int(id), np.uint8)
    def present(self, id): return np.array([True, id == "2"])

def test_image_batches_augment_maps_with_the_image_and_keep_what_fits():
    ds = Fake()
    b = image_batches(ds, ["0", "1", "2"], lambda id: dict(seed=np.full((20, 30), int(id), np.uint8)), Augment(16, (1,), True, (0, 0, 0, 0)), batch=3)
    for e in range(2): o, = b(e)
    assert ds.opened == 3 and o["image"].shape == (3, 3, 16, 16) and o["seed"].shape == (3, 16, 16)
    assert o["seed"][:, 0, 0].tolist() == o["index"].tolist()
    assert o["present"].tolist() == [[1, float(i == 2)] for i in o["index"]]
    ds = Fake(); b = image_batches(ds, ["0", "1", "2"], None, Augment(16, (1,)), batch=3, ram=0)
    for e in range(2): list(b(e))
    assert ds.opened == 6

def test_image_batches_are_asked_for_with_an_augmentation():
    with pytest.raises(TypeError, match="augment"): image_batches(Fake(), ["0"], None)

def test_no_more_is_kept_than_half_of_the_memory_that_is_free(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: Namespace(available=2*20*30*3))   # room for one picture
    ds = Fake(); b = image_batches(ds, ["0", "1", "2"], None, Augment(16, (1,)), batch=3)
    for e in range(2): list(b(e))
    assert ds.opened == 5


# the loop

def test_it_learns_and_logs(tmp_path):
    rows = fit(make(), BATCHES, loss, HOW, tmp_path, lambda e, m, row: dict(twice=2*row["loss"]))
    log = [json.loads(l) for l in (tmp_path/"log.jsonl").read_text().splitlines()]
    assert log == rows and [r["epoch"] for r in rows] == [0, 1, 2, 3]
    assert rows[-1]["loss"] < rows[0]["loss"] and rows[1]["twice"] == 2*rows[1]["loss"]
    assert {"loss", "lr", "images_per_s", "seconds"} <= rows[0].keys()

@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_two_and_two_are_four_to_the_bit(tmp_path, stop):
    whole = make(); rows = fit(whole, BATCHES, loss, HOW, tmp_path/"a")
    def halt(e, m, row):
        if e == 2: raise stop
    with pytest.raises(stop): fit(make(), BATCHES, loss, HOW, tmp_path/"b", halt)
    torch.rand(17)  # whatever happened in between
    again = make(); more = fit(again, BATCHES, loss, HOW, tmp_path/"b")
    assert same(whole, again) and [r["loss"] for r in rows] == [r["loss"] for r in more]
    a, b = (load_weights(tmp_path/f/"checkpoint.safetensors") for f in "ab")
    assert a.keys() == b.keys() and any(k.startswith("momentum.") for k in a) and all(torch.equal(a[k], b[k]) for k in a)

def test_an_interrupt_within_an_epoch_leaves_the_last_whole_one(tmp_path):
    n = [0]
    def broken(m, b):
        n[0] += 1
        if n[0] == 8: raise KeyboardInterrupt  # third epoch, second step
        return loss(m, b)
    with pytest.raises(KeyboardInterrupt): fit(make(), BATCHES, broken, HOW, tmp_path)
    assert len((tmp_path/"log.jsonl").read_text().splitlines()) == 2
    again, whole = make(), make()
    for net, f in ((again, tmp_path), (whole, tmp_path/"w")): fit(net, BATCHES, loss, HOW, f)
    assert same(again, whole)

def test_a_finished_training_is_not_run_again(tmp_path):
    a = make(); rows = fit(a, BATCHES, loss, HOW, tmp_path)
    def never(m, b): raise AssertionError
    b = make(); assert fit(b, BATCHES, never, HOW, tmp_path) == rows and same(a, b)

def test_killed_and_started_again(tmp_path):
    code = f"""
import os, signal, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_train import *
def die(e, m, row):
    if e == 2: os.kill(os.getpid(), signal.SIGKILL)
fit(make(), BATCHES, loss, HOW, {str(tmp_path/'k')!r}, die)"""
    root = str(Path(__file__).parents[1])
    r = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert r.returncode == -signal.SIGKILL, r.stderr
    again, whole = make(), make()
    for net, f in ((again, tmp_path/"k"), (whole, tmp_path/"w")): fit(net, BATCHES, loss, HOW, f)
    assert same(again, whole) and not list((tmp_path/"k").glob("*.tmp*"))

@pytest.mark.parametrize("change, same", [(dict(lr=.1), {}), (dict(epochs=5), {}), ({}, dict(data="other"))])
def test_other_settings_in_the_same_folder_are_refused(tmp_path, change, same):
    fit(make(), BATCHES, loss, ONE, tmp_path)
    with pytest.raises(RunError, match=f"other settings.*{[*change, *same][0]}"):
        fit(make(), BATCHES, loss, replace(ONE, **change), tmp_path, same=same)

def test_a_damaged_checkpoint_is_named(tmp_path):
    fit(make(), BATCHES, loss, ONE, tmp_path)
    p = tmp_path/"checkpoint.safetensors"; b = bytearray(p.read_bytes()); b[-5] ^= 1; p.write_bytes(b)
    with pytest.raises(WeightsError, match="checkpoint.safetensors.*damaged"): fit(make(), BATCHES, loss, ONE, tmp_path)

def test_nan_names_epoch_and_step(tmp_path):
    n = [0]
    def bad(m, b): n[0] += 1; return loss(m, b)*(float("nan") if n[0] == 5 else 1)
    with pytest.raises(RunError, match="nan in epoch 2/4, step 2"): fit(make(), BATCHES, bad, HOW, tmp_path)
    assert len((tmp_path/"log.jsonl").read_text().splitlines()) == 1
    assert all(torch.isfinite(v).all() for v in load_weights(tmp_path/"checkpoint.safetensors").values())

def test_an_error_of_the_loss_gets_its_place(tmp_path):
    def bad(m, b): raise WsssError("scores hold NaN")
    with pytest.raises(RunError, match="scores hold NaN.*epoch 1/4, step 1"): fit(make(), BATCHES, bad, HOW, tmp_path/"x")
    assert not (tmp_path/"x").exists()

def test_bfloat16_and_callable_without_length(tmp_path):
    assert fit(make(), lambda e: list(BATCHES(e)), loss, replace(HOW, amp=True), tmp_path)[-1]["loss"] < .7

@pytest.mark.parametrize("kw, said", [(dict(epochs=0, lr=-.1), "epochs=0, lr=-0.1: must be positive"), (dict(scales=()), "one or more positive"), (dict(train_scales=(1, 0)), "one or more positive"), (dict(amp="off"), "amp is 'off'")])
def test_bad_settings(kw, said):
    with pytest.raises(ParameterError, match=said): replace(HOW, **kw)

def test_set_mean_by_hand():
    v = torch.tensor([[[1., -torch.inf], [3., 5.]], [[7., 7.], [7., 7.]]])
    assert set_mean(v, torch.tensor([[[1, 0], [1, 1]], [[0, 0], [0, 0]]]).bool()).tolist() == [3, 0]
