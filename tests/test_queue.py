"Stages given out by `runs.run_queue`, without a process: their order, what a failure holds up, and the end."
from concurrent.futures import Future
from pathlib import Path

import pytest

from wsss_nb.core import RunError
from wsss_nb.runs import Job, run_queue


class Workers:
    "Two who do at once what they are given; `fails` says how some jobs end."

    def __init__(self, fails=None, n=2): self.given, self.fails, self.n = [], fails or {}, n
    def slots(self): return self.n

    def submit(self, file, timeout, stop):
        self.given.append(file.name)
        f, end = Future(), self.fails.get(file.name, dict(status="done", error=""))
        if isinstance(end, BaseException): f.set_exception(end)
        else: f.set_result(dict(seconds=0., **end))
        return f


def jobs(folder, **needs): return [Job(n, folder/n, list(w), n) for n, w in needs.items()]


def ended(found): return {j.id: j.status for j in found}


def test_each_after_what_it_needs(tmp_path):
    w, begun = Workers(), []
    found = run_queue(jobs(tmp_path, c="ab", b="a", a="", d=""), w, tmp_path, starts=lambda j: begun.append(j.id))
    assert set(ended(found).values()) == {"done"} and begun == w.given
    assert w.given.index("a") < w.given.index("b") < w.given.index("c")


def test_what_is_not_among_them_is_done_already(tmp_path):
    assert ended(run_queue(jobs(tmp_path, b="a"), Workers(), tmp_path)) == dict(b="done")


def test_a_failure_holds_up_only_what_needs_it(tmp_path):
    w, told = Workers(dict(a=dict(status="failed", error="no seed"))), []
    found = run_queue(jobs(tmp_path, a="", b="a", c="b", d=""), w, tmp_path, ended=lambda j: told.append(j.id))
    assert ended(found) == dict(a="failed", b="blocked", c="blocked", d="done") and sorted(w.given) == sorted(told) == ["a", "d"]


def test_a_worker_that_died_is_no_silence(tmp_path):
    found = run_queue(jobs(tmp_path, a="", b="a"), Workers(dict(a=OSError("gone"))), tmp_path)
    assert ended(found) == dict(a="killed", b="blocked") and found[0].result["error"] == "OSError: gone"


@pytest.mark.parametrize("error", ["OSError: [Errno 28] No space left on device", "Disk quota exceeded"])
def test_a_full_disk_ends_all(tmp_path, error):
    w = Workers(dict(a=dict(status="failed", error=error)), n=1)
    with pytest.raises(RunError, match="the disk is full: a could not write. Free some, then resume"): run_queue(jobs(tmp_path, a="", b=""), w, tmp_path)
    assert w.given == ["a"] and not list(tmp_path.glob(".stop-*"))


class UntilTold:
    "A future of a stage that runs until the file is there that tells it to stop."

    def __init__(self, stop): self.stop, self.told = Path(stop), False

    def done(self):
        self.told |= self.stop.exists()
        return self.told

    def result(self): return dict(status="killed", error="stopped", seconds=0.)


class Interrupted(Workers):
    "Ctrl-C comes while the first stage runs."

    def submit(self, file, timeout, stop):
        self.running = UntilTold(stop)
        return self.running

    def slots(self):
        if hasattr(self, "running"): raise KeyboardInterrupt
        return 1


def test_ctrl_c_tells_what_runs_to_stop(tmp_path):
    w, found = Interrupted(), jobs(tmp_path, a="")
    with pytest.raises(KeyboardInterrupt): run_queue(found, w, tmp_path)
    assert w.running.told and ended(found) == dict(a="killed") and not list(tmp_path.glob(".stop-*"))
