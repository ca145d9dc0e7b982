"A folder of many runs, read without torch: the plan, the state of each run, what earlier stages cost."
import os
import platform
import time

import psutil
import pytest

from wsss_nb.core import RunError, write_json
from wsss_nb.record import RunRecord
from wsss_nb.store import FRESH, duration, history, read_store, run_states, stage_folder_of, status_text

STAGES = dict(sp=dict(name="t20", needs=[], makes="maps", key="k1"), a=dict(name="t22", needs=["sp"], makes="seeds", key="k2"), b=dict(name="t22", needs=["sp"], makes="seeds", key="k3"))
RUNS = {n: dict(method="toy", params={}, seed=0, stages=["sp", i]) for n, i in (("one", "a"), ("two", "b"))}


@pytest.fixture
def store(tmp_path):
    "Two runs that share a stage; none of it has begun."
    folder = tmp_path/"runs"/"sweep"
    write_json(folder/"sweep.json", dict(data="scenes", runs=RUNS, stages=STAGES))
    return folder


def put(store, id, status, key=None, made=True, **said):
    s, folder = STAGES[id], stage_folder_of(store, id)
    RunRecord(folder).update(data=dict(fingerprint="f"), stages={s["name"]: dict(status=status, key=key or s["key"], **said)})
    if made: (folder/s["makes"]).mkdir(exist_ok=True)


def states(store): return {r.name: (r.status, r.at) for r in run_states(store)}


def test_nothing_has_begun(store):
    assert states(store) == dict.fromkeys(("one", "two"), ("queued", "0 of 2 stages done"))


def test_a_shared_stage_counts_for_both_and_a_failure_for_its_own(store):
    put(store, "sp", "done", seconds=3)
    put(store, "a", "done", seconds=4)
    put(store, "b", "failed", error="no seed above it")
    one, two = run_states(store)
    assert (one.status, one.at, one.seconds) == ("done", "2 stages", 7) and (two.status, two.at, two.error) == ("failed", "t22", "no seed above it")
    text = status_text(store)
    assert f"{store}: 2 runs: 1 done, 1 failed" in text and "failed   two  t22: no seed above it" in text and "one" not in text.split("\n", 1)[1].split("`")[0] and f"`wsss-nb resume {store}`" in text


@pytest.mark.parametrize("hurt", [dict(key="of other inputs"), dict(made=False)], ids=["other inputs", "nothing there"])
def test_done_is_for_these_inputs_and_what_they_made(store, hurt):
    put(store, "sp", "done")
    put(store, "a", "done", **hurt)
    assert states(store)["one"] == ("queued", "1 of 2 stages done")


def test_what_runs_and_what_only_says_so(store):
    me = dict(pid=os.getpid(), born=psutil.Process().create_time(), host=platform.node())
    put(store, "sp", "running", **me)
    assert states(store)["one"] == ("running", "t20")
    put(store, "sp", "running", **me | dict(born=me["born"] - 100))  # another process has its number now
    assert run_states(store)[0][1:4] == ("killed", "t20", "its process is gone without a word")


def test_on_another_machine_the_heartbeat_tells(store):
    put(store, "sp", "running", pid=1, born=0., host="elsewhere")
    beat = stage_folder_of(store, "sp")/".beat"
    assert states(store)["one"][0] == "killed"
    beat.touch()
    assert states(store)["one"][0] == "running"
    os.utime(beat, (time.time() - 2*FRESH,)*2)
    assert states(store)["one"][0] == "killed"


@pytest.mark.parametrize("spoil,said", [(lambda f: (f/"sweep.json").unlink(), "holds no sweep.json: name a folder that `wsss-nb sweep`"), (lambda f: write_json(f/"sweep.json", dict(data="scenes", runs=RUNS, stages={})), "names a stage that is not in it"),
                                        (lambda f: write_json(f/"sweep.json", dict(runs={}, stages={})), "data"), (lambda f: (f/"sweep.json").write_text("{"), "sweep.json")])
def test_a_plan_that_is_none(store, spoil, said):
    spoil(store)
    with pytest.raises(RunError, match=said): read_store(store)


def test_no_folder(tmp_path):
    with pytest.raises(RunError, match="no such folder"): read_store(tmp_path/"x")
    (tmp_path/"file").touch()
    with pytest.raises(RunError, match="a file, not the folder of a sweep"): read_store(tmp_path/"file")


def test_what_stages_cost_before_on_the_same_photographs(store):
    put(store, "a", "done", seconds=4, bytes=10)
    put(store, "b", "done", seconds=8, bytes=30)
    put(store, "sp", "running", seconds=99)
    assert history(store, "f") == dict(t22=dict(seconds=6, bytes=20, n=2)) and history(store, "other") == {}


@pytest.mark.parametrize("seconds,words", [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (89*60, "89 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")])
def test_durations_in_words(seconds, words):
    assert duration(seconds) == words
