"""Folders of superpixel maps: what goes on, what is refused, several machines."""
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wsss_nb import superpixel_stream as stream
from wsss_nb.superpixel_folder import cut_folder
from wsss_nb.superpixel_stream import finished
from wsss_nb.core import ParameterError, RunError
from test_superpixel_stream import RGB, folder_of, maps


# ---- going on

def test_a_folder_remembers(tmp_path):
    jobs = folder_of(tmp_path/"in", 3)
    cut_folder(jobs, tmp_path/"out", RGB)
    for change, said in ((dict(tau=.9), "tau 0.97"), (dict(crf=True), "crf False"), (dict(max_pixels=5000), "max_pixels 802816"), (dict(features="mini"), "features rgb")):
        with pytest.raises(ParameterError, match=said): cut_folder(jobs, tmp_path/"out", replace(RGB, **change))
    assert cut_folder(jobs, tmp_path/"out", replace(RGB, workers=2)) == []  # how is no matter


def test_pictures_may_be_left_out_and_come_later(tmp_path):
    jobs = folder_of(tmp_path/"in", 2)
    cut_folder(jobs, tmp_path/"out", replace(RGB, pictures=False))
    assert not (tmp_path/"out/pictures").exists() and finished(tmp_path/"out", *jobs[0], pictures=False)
    assert len(cut_folder(jobs, tmp_path/"out", RGB)) == 2 and finished(tmp_path/"out", *jobs[0])


def test_what_was_not_written_whole_is_not_there(tmp_path, monkeypatch):
    jobs = folder_of(tmp_path/"in", 3)
    def full(path, sp): raise OSError(28, "No space left on device")
    monkeypatch.setattr(stream, "write_labels", full)
    done = cut_folder(jobs, tmp_path/"out", RGB)
    assert all("No space left" in d.error and d.name in d.error for d in done) and not maps(tmp_path/"out")


# ---- several machines

@pytest.fixture
def cluster():
    "A scheduler and two workers, each a process of its own; `kill` ends a worker as a power cut would"
    from distributed import LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0) as c: yield c


def test_two_workers_and_one_is_killed(tmp_path, cluster):
    jobs = folder_of(tmp_path/"in", 60)
    cut_folder(jobs, tmp_path/"here", RGB)
    victim = cluster.workers[0].process.pid
    def kill():
        while len(list((tmp_path/"out").glob("*.png"))) < 5: time.sleep(.02)
        os.kill(victim, signal.SIGKILL)
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    done = cut_folder(jobs, tmp_path/"out", RGB, cluster.scheduler_address, size=4)
    killer.join(1)
    assert not killer.is_alive(), "the worker was not killed in time: the test shows nothing"
    assert sorted(d.name for d in done) == [n for n, _ in jobs] and not any(d.error for d in done)  # each once
    assert maps(tmp_path/"out") == maps(tmp_path/"here")


def test_a_bad_file_on_a_worker_is_named_here(tmp_path, cluster):
    jobs = folder_of(tmp_path/"in", 6)
    jobs[3][1].write_bytes(b"no picture")
    done = cut_folder(jobs, tmp_path/"out", replace(RGB, crf=True, workers=2), cluster.scheduler_address, size=2)
    assert [d.name for d in done if d.error] == ["003"] and len(maps(tmp_path/"out")) == 5


def test_a_scheduler_that_is_not_there(tmp_path):
    jobs = folder_of(tmp_path/"in", 1)
    for address, error, said in (("somewhere", ParameterError, "no address"), ("tcp://127.0.0.1:9", RunError, "no Dask scheduler answers")):
        with pytest.raises(error, match=said): cut_folder(jobs, tmp_path/"out", RGB, address)
    assert not (tmp_path/"out").exists()


def test_files_that_do_not_arrive_here(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr("wsss_nb.superpixel_folder.outputs", lambda out, name: (Path(out)/"elsewhere"/name,)*2)  # as if the workers saw another disk
    with pytest.raises(RunError, match="--out must lie where"): cut_folder(folder_of(tmp_path/"in", 2), tmp_path/"out", RGB, cluster.scheduler_address)
