"Done means that what a stage made is there as it was made: deleted, overwritten and cut files are made again, and said; of an evaluation, the pictures and masks that it judges by."
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import toy
from wsss_nb.core import RunError, read_json
from wsss_nb.datasets import open_dataset
from wsss_nb.masks_of_ids import read_mask, write_mask
from wsss_nb.parameters import resolve
from wsss_nb.plan import plan
from wsss_nb.runs import run_method


@pytest.fixture(autouse=True)
def method(request, tmp_path, monkeypatch):
    "The toy method, for one test."
    if "real" not in request.node.name: toy.lend(tmp_path/"notebooks", monkeypatch)


def contents(folder): return {str(p.relative_to(folder)): p.read_bytes() for m in ("shared", "work", "score") for p in sorted((folder/m).glob("*"))} | {"metrics.json": (folder/"metrics.json").read_bytes()}


def test_a_run_makes_again_what_is_damaged(tmp_path):
    out, said = tmp_path/"run", []
    run_method("toy", toy.DATA, out, dict(seeds=[0]), say=said.append)
    whole = contents(out)
    (out/"shared"/"part1.txt").unlink()              # missing
    (out/"work"/"part2.txt").write_text("garbage")   # overwritten
    (out/"score"/"value.json").write_bytes(whole["score/value.json"][:5])  # cut
    (out/"metrics.json").unlink()
    turned, kept = out/"score"/"part0.txt", (out/"score"/"part0.txt").stat()
    turned.write_text("1")                           # as long as before, and as old
    os.utime(turned, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    said.clear()
    steps = run_method("toy", toy.DATA, out, dict(seeds=[0]), say=said.append)
    assert contents(out) == whole and all(s.done for s in steps)
    text = "\n".join(said)
    for word in ("part1.txt is missing", "part2.txt has changed", "part0.txt has changed", "value.json has changed", "metrics.json is missing"):
        assert f"{word} since it was made: made again" in text, text
    said.clear()
    run_method("toy", toy.DATA, out, dict(seeds=[0]), say=said.append)
    assert sum(s.startswith("  skip") for s in said) == 3 and not any("made again" in s for s in said)


def test_scores_of_settings_before_are_gone_when_a_run_begins(tmp_path):
    out = tmp_path/"run"
    run_method("toy", toy.DATA, out, dict(seeds=[0]), say=lambda s: None)
    with pytest.raises(RunError, match="x2_work"): run_method("toy", toy.DATA, out, dict(seeds=[0], alpha=.9, trick="raise"), say=lambda s: None)
    assert not (out/"metrics.json").exists() and not (out/"score").exists() and (out/"shared").exists()
    with pytest.raises(RunError, match="holds a run of toy: choose another --out"): run_method("clustering", toy.DATA, out)


def test_a_copied_run_is_not_made_again(tmp_path):
    run_method("toy", toy.DATA, tmp_path/"run", dict(seeds=[0]), say=lambda s: None)
    for p in (tmp_path/"run").rglob("*"): os.utime(p, (0, 0))  # as an archive or a checkout leaves them
    said = []
    steps = run_method("toy", toy.DATA, tmp_path/"run", dict(seeds=[0]), dry_run=True, say=said.append)
    assert all(s.done for s in steps)


def test_a_sweep_makes_again_what_is_damaged(tmp_path, capsys):
    grid = dict(alpha=[.1, .2], seed=[0])
    toy.sweep(tmp_path/"sweep", grid, workers=2)
    table = toy.table(tmp_path/"sweep")
    shared = next((tmp_path/"sweep"/"stages").glob("x1_shared*"))/"shared"
    (shared/"value.json").write_text("{}")
    scores = sorted((tmp_path/"sweep"/"stages").glob("x3_score*"))
    (scores[0]/"metrics.json").unlink()
    states = toy.sweep(tmp_path/"sweep", grid, workers=2)
    assert [s.status for s in states] == ["done"]*2 and toy.table(tmp_path/"sweep") == table
    said = capsys.readouterr().out
    assert "value.json has changed since it was made" in said and "metrics.json is missing since it was made" in said
    assert json.loads((shared/"value.json").read_text()) == dict(value=1.0)


@pytest.mark.parametrize("what", ["mask", "picture"])
def test_a_real_evaluation_depends_on_what_it_judges_by(world, tmp_path, what):
    data = shutil.copytree(world, tmp_path/"data")
    def keys():
        ds = open_dataset(str(data))
        full = resolve("clustering", ds, dict(features="rgb", seeds=[0], compare=[], workers=1))[0]
        return {s.name: s.key for s in plan("clustering", str(data), tmp_path/"run", full)}
    before, id = keys(), open_dataset(str(data)).ids("val")[0]
    assert keys() == before
    ds = open_dataset(str(data))
    if what == "mask":
        file = data/"masks"/f"{id}.png"
        write_mask(file, np.where(read_mask(file) == 0, 255, 0).astype(np.uint8))
    else: shutil.copy(ds.image_path(ds.ids("train")[0]), ds.image_path(id))
    changed = {n for n, k in keys().items() if before[n] != k}
    assert changed == {"t30_evaluate"}, "training is blind to masks, and to held-out pictures"


def test_sigterm_ends_a_run_as_killed(tmp_path):
    out = tmp_path/"sweep"
    grid = dict(alpha=[.1], seed=[0], trick=["hang"], victim=[.1])
    p = subprocess.Popen([sys.executable, toy.__file__, str(tmp_path/"other"), str(out), json.dumps(grid), json.dumps(dict(workers=1))], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 240
    while not any(read_json(f)["stages"].get("x2_work", {}).get("status") == "running" for f in out.glob("stages/x2*/run.json")):
        assert p.poll() is None and time.monotonic() < deadline, p.stdout.read().decode()
        time.sleep(.2)
    p.send_signal(signal.SIGTERM)
    assert p.wait(120) == 143
    stage, = out.glob("stages/x2*/run.json")
    assert read_json(stage)["stages"]["x2_work"]["status"] == "killed" and read_json(next(out.glob("toy*/run.json")))["status"] == "killed"
