"Sweeps: shared stages, failures of every kind, workers and runners that are killed, two at once, a full disk."
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import toy
from wsss_nb.core import ParameterError, RunError, read_json
from wsss_nb.store import read_store, run_states, status_text

GRID = dict(alpha=[.1, .2], seed=[0, 1])


@pytest.fixture(autouse=True)
def method(request, tmp_path, monkeypatch):
    "The toy method, for one test."
    if "real" not in request.node.name: toy.lend(tmp_path/"notebooks", monkeypatch)


@pytest.fixture(scope="module")
def unhurt(tmp_path_factory):
    "The table of a sweep that nobody disturbs."
    d = tmp_path_factory.mktemp("unhurt")
    subprocess.run([sys.executable, toy.__file__, str(d/"notebooks"), str(d/"sweep"), json.dumps(GRID), json.dumps(dict(workers=2))], check=True, capture_output=True)
    return d/"sweep"


def right(folder, n):
    "Whether all of a folder's `n` runs are done, with the score that the toy's arithmetic gives."
    plan = read_store(folder)
    scores = {name: read_json(folder/name/"metrics.json")["segmenter"]["plain"]["miou"] for name in plan["runs"]}
    return [s.status for s in run_states(folder)] == ["done"]*n and scores == pytest.approx({name: 1 + r["params"]["alpha"]/10 + r["seed"]/100 for name, r in plan["runs"].items()})


def start(tmp_path, grid=GRID, **how):
    "A sweep in a process of its own; what it says goes to a file (nobody empties a pipe here)."
    with open(tmp_path/"said.txt", "w") as f:
        return subprocess.Popen([sys.executable, toy.__file__, str(tmp_path/"notebooks"), str(tmp_path/"sweep"), json.dumps(grid), json.dumps(dict(workers=2) | how)], stdout=f, stderr=subprocess.STDOUT,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def wait_for(sign, process=None, seconds=120):
    end = time.monotonic() + seconds
    while not sign():
        assert process is None or process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < end, "it did not come"
        time.sleep(.05)


def family(pid):
    try: return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess: return []


def test_stages_are_shared_and_runs_are_folders(unhurt):
    plan = read_store(unhurt)
    names = [s["name"] for s in plan["stages"].values()]
    assert len(plan["runs"]) == 4 and [names.count(n) for n in toy.METHOD] == [1, 4, 4]
    for name, r in plan["runs"].items():
        run = unhurt/name
        record = read_json(run/"run.json")
        assert record["status"] == "done" and set(record["stages"]) == set(toy.METHOD) and all(s["seconds"] > 0 and s["peak_memory_mb"] > 0 for s in record["stages"].values())
        assert read_json(run/"metrics.json")["segmenter"]["plain"]["miou"] == pytest.approx(1 + r["params"]["alpha"]/10 + r["seed"]/100)
        assert {p.stem for p in (run/"notebooks").glob("*.ipynb")} == set(toy.METHOD)
        assert all(not os.path.isabs(os.readlink(p)) for p in run.iterdir() if p.is_symlink()), "a folder that is moved must keep its links"
    assert "4 runs: 4 done" in status_text(unhurt)


def test_nothing_is_run_again(unhurt, tmp_path):
    mine = shutil.copytree(unhurt, tmp_path/"sweep", symlinks=True)
    before = {p: p.stat().st_mtime_ns for p in mine.glob("stages/*/*/value.json")}
    assert [s.status for s in toy.sweep(mine, GRID)] == ["done"]*4
    assert before == {p: p.stat().st_mtime_ns for p in before} and toy.table(mine) == toy.table(unhurt)


def test_a_wider_grid_uses_what_is_there(unhurt, tmp_path):
    mine = shutil.copytree(unhurt, tmp_path/"sweep", symlinks=True)
    before = set(mine.glob("stages/*"))
    assert [s.status for s in toy.sweep(mine, dict(alpha=[.3], seed=[0]), workers=1)] == ["done"]
    new = {p.name.split("-")[0] for p in set(mine.glob("stages/*")) - before}
    assert new == {"x2_work", "x3_score"} and len(run_states(mine)) == 5


def test_each_ending_is_recorded_as_what_it_is(tmp_path):
    "A good notebook, one that raises, one that exits, one whose kernel is killed, side by side; and one that hangs."
    endings = {"none": ("done", ""), "raise": ("failed", "ValueError: no seed above it"), "exit": ("failed", "ended before its last cell"),
               "kill": ("killed", "its kernel was killed"), "hang": ("killed", "no end after 8 s")}
    given = lambda *tricks: dict(trick=list(tricks), alpha=[.9], seed=[0])
    *rest, hang = endings
    toy.sweep(tmp_path/"sweep", given(*rest), workers=2)
    toy.sweep(tmp_path/"sweep", given(hang), workers=1, timeout=8)
    for s, (status, words) in zip(run_states(tmp_path/"sweep"), endings.values(), strict=True):
        assert s.status == status and words in s.error, s
        record = read_json(tmp_path/"sweep"/s.name/"run.json")
        assert record["status"] == status
        assert status == "done" or s.at == "x2_work" and s.log.exists() and words in record["stages"]["x2_work"]["error"]
    said = status_text(tmp_path/"sweep")
    assert "1 done, 2 failed, 2 killed" in said and "x2_work.log" in said and "x2_work.ipynb" in said and "resume" in said


def those(p, word):
    "Processes below `p` whose command line holds a word: a stage's process has execute_step, a kernel ipykernel."
    def is_one(c):
        try: return word in " ".join(c.cmdline())
        except psutil.NoSuchProcess: return False
    return [c for c in family(p.pid) if is_one(c)]


def test_killed_nine_times(unhurt, tmp_path):
    "SIGKILL at random moments of the work, in turn to a kernel, the runner and a stage's process. The table at the end is the unhurt one's."
    rng, p, hit, tables = random.Random(0), None, [], []

    def finish():
        states = toy.sweeps.resume(tmp_path/"sweep", workers=2)
        assert [s.status for s in states] == ["done"]*4 and len(list((tmp_path/"sweep"/"stages").iterdir())) == len(list((unhurt/"stages").iterdir())), "each stage once"
        tables.append(toy.table(tmp_path/"sweep"))

    while len(hit) < 9:
        if p is None or p.poll() is not None: p = start(tmp_path)
        word = ("ipykernel", "toy.py", "execute_step")[len(hit) % 3]
        wait_for(lambda: those(p, word if word != "toy.py" else "execute_step") or p.poll() is not None)
        time.sleep(rng.uniform(0, 1))
        victims = those(p, word) if word != "toy.py" else [psutil.Process(p.pid)] if p.poll() is None else []
        if p.poll() is not None and all(s.status == "done" for s in run_states(tmp_path/"sweep")):  # it came to its end between two blows
            finish(); shutil.rmtree(tmp_path/"sweep")
        for v in victims[:1]:
            try: v.kill(); hit.append(word)
            except psutil.NoSuchProcess: pass
    if p.poll() is None: p.kill()
    p.wait()
    finish()
    assert set(tables) == {toy.table(unhurt)}


def test_a_worker_that_is_killed(tmp_path):
    "Two workers on a scheduler of their own; one is killed in the middle of a stage, which the other makes instead."
    env = {**os.environ, "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "spawn"}
    dask = lambda *a: subprocess.Popen([sys.executable, "-m", "dask", *a], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    where = tmp_path/"scheduler.json"
    server = [dask("scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(where))]
    try:
        wait_for(where.exists)
        address = read_json(where)["address"]
        server += [dask("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", n, "--resources", "GPU=1", "--local-directory", str(tmp_path)) for n in "ab"]
        p = start(tmp_path, dict(alpha=[.1, .2], seed=[0]), scheduler=address)
        busy = lambda: [w for w in server[1:] if those(w, "execute_step")]
        wait_for(busy, p)
        time.sleep(1.5)
        (busy() or server[1:])[0].kill()
        assert p.wait(timeout=240) == 0
    finally:
        for s in server: s.kill(); s.wait()
    out = (tmp_path/"said.txt").read_text()
    assert right(tmp_path/"sweep", 2) and out.count(" start ") == out.count(" done ") == 5, "nothing lost, nothing counted twice: " + out


def test_ctrl_c_stops_cleanly_and_resume_goes_on(tmp_path):
    p = start(tmp_path, dict(alpha=[.1, .2], seed=[0]))
    running = lambda: any(s.status == "running" and s.at == "x2_work" for s in run_states(tmp_path/"sweep")) if (tmp_path/"sweep"/"sweep.json").exists() else False
    wait_for(running, p)
    children = family(p.pid)
    p.send_signal(signal.SIGINT)
    assert p.wait(timeout=60) == 130
    wait_for(lambda: not any(c.is_running() and c.status() != "zombie" for c in children), seconds=10)
    assert "Traceback" not in (tmp_path/"said.txt").read_text() and {s.status for s in run_states(tmp_path/"sweep")} <= {"killed", "queued", "done"}
    assert "killed" in {s.status for s in run_states(tmp_path/"sweep")} and not list((tmp_path/"sweep").glob(".stop*"))
    toy.sweeps.resume(tmp_path/"sweep", workers=2)
    assert right(tmp_path/"sweep", 2)


def test_slurm_jobs_run_as_local_processes(tmp_path):
    toy.sweep(tmp_path/"sweep", dict(alpha=[.1], seed=[0]), workers=2, slurm=dict(cluster="local"))
    assert right(tmp_path/"sweep", 1) and list((tmp_path/"sweep"/"slurm").glob("*_result.pkl"))


def test_two_sweeps_in_one_folder(tmp_path):
    from filelock import FileLock
    (tmp_path/"sweep").mkdir()
    with FileLock(tmp_path/"sweep"/".runner.lock"), pytest.raises(RunError, match="another sweep is running"):
        toy.sweep(tmp_path/"sweep", GRID)
    assert not (tmp_path/"sweep"/"sweep.json").exists()


def test_a_wrong_grid_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ParameterError, match="'alhpa' is unknown"): toy.sweep(tmp_path/"sweep", dict(alhpa=[.1]))
    assert not (tmp_path/"sweep").exists()


def test_a_full_disk(tmp_path):
    "On a file system of 24 MB that a stage fills up: said, nothing more is started, and once there is room resume finishes."
    disk = tmp_path/"disk"; disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(disk)], capture_output=True).returncode: pytest.skip("cannot mount a small file system here (needs root)")
    try:
        with pytest.raises(RunError, match="the disk is full"): toy.sweep(disk/"sweep", dict(alpha=[.9, .1], trick=["fill"], seed=[0]), workers=1)
        assert run_states(disk/"sweep")[0].status in ("failed", "killed")
        for f in (disk/"sweep").rglob("*.json"): json.loads(f.read_text())  # nothing is half-written
        for f in (disk/"sweep").rglob("ballast"): f.unlink()
        nb = tmp_path/"notebooks"/"x2_work.ipynb"
        nb.write_text(nb.read_text().replace("while True", "while False"))
        toy.plan._notebook_code.cache_clear()
        assert [s.status for s in toy.sweeps.resume(disk/"sweep", workers=1)] == ["done"]*2
    finally: subprocess.run(["umount", "-l", str(disk)])


def test_too_little_disk_is_said_before(unhurt, tmp_path, monkeypatch):
    mine = shutil.copytree(unhurt, tmp_path/"sweep", symlinks=True)
    monkeypatch.setattr(toy.sweeps.shutil, "disk_usage", lambda p: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(RunError, match="are needed and 0 MB are free"): toy.sweep(mine, dict(alpha=[.7], seed=[0]))
    assert len(run_states(mine)) == 4


def test_another_dataset_and_a_run_s_folder_are_refused(unhurt, tmp_path):
    with pytest.raises(RunError, match="choose another --out"): toy.sweeps.plan_sweep("toy", "scenes:train=5,val=2", unhurt, GRID)
    with pytest.raises(RunError, match="single run"): toy.sweeps.plan_sweep("toy", toy.DATA, next(unhurt.glob("toy*")), GRID)
    (tmp_path/"file").write_text("")
    with pytest.raises(RunError, match="is a file"): toy.sweeps.plan_sweep("toy", toy.DATA, tmp_path/"file", GRID)


def test_the_state_of_a_thousand_runs(tmp_path):
    "1,000 runs of 3 stages, made by hand: all are there, and each stage is read once."
    stages, runs = {}, {}
    for n in range(1000):
        for s in toy.METHOD: stages[f"{s}-{n}"] = dict(name=s, makes=METHOD_MAKES[s], key=str(n), needs=[])
        runs[f"toy,alpha={n}"] = dict(method="toy", params={}, seed=0, stages=[f"{s}-{n}" for s in toy.METHOD])
        for s in list(toy.METHOD)[:1 + n % 3]:
            f = tmp_path/"stages"/f"{s}-{n}"/"run.json"; (f.parent/METHOD_MAKES[s]).mkdir(parents=True)
            f.write_text(json.dumps(dict(stages={s: dict(status="done", key=str(n), seconds=1.)})))
    (tmp_path/"sweep.json").write_text(json.dumps(dict(data="scenes", stages=stages, runs=runs)))
    assert "1000 runs: 333 done, 667 queued" in status_text(tmp_path)


METHOD_MAKES = {k: v["makes"] for k, v in toy.METHOD.items()}


def test_a_real_sweep_and_its_table(world, tmp_path):
    "Two settings of the clustering method on tiny scenes, which share all but the segmenter, through papermill and Dask; one seed."
    from test_runs import TINY
    fixed = {k: [v] if isinstance(v, list) else v for k, v in TINY.items() if k not in ("seeds", "jobs", "compare")} | dict(cls_epochs=1, seg_epochs=1)
    sweep, names = toy.sweeps.plan_sweep("clustering", str(world), tmp_path/"sweep", fixed | dict(beta_bg="0.5,0.8", seed="0"))
    states = toy.sweeps.execute(sweep, names, workers=2)
    assert [s.status for s in states] == ["done"]*2, states
    made = [s["name"] for s in sweep.stages.values()]
    assert [made.count(n) for n in ("t20_superpixels", "t21_classifier", "t22_seeds", "t23_growing", "t30_evaluate")] == [1, 1, 1, 2, 2]
    table = toy.results.sweep_table(tmp_path/"sweep")
    assert table["head"] == ["beta_bg", "seeds", "mIoU %", "with CRF"] and [r["cells"][:2] for r in table["rows"]] == [[b, "1 (single)"] for b in ("0.5", "0.8")]
    run = tmp_path/"sweep"/names[0]
    assert read_json(run/"run.json")["init"].keys() >= {"superpixels", "classifier", "segmenter"} and len(list((run/"predictions"/"segmenter").glob("*.png"))) == 4
    from wsss_nb.report import write_report
    assert "data:image/png" in write_report(run, to=tmp_path/"page.html").read_text(), "a run of a sweep is a run like any other"
