"""Work in processes of its own: a pool that keeps the order, names what fails, and ends; a scheduler that is not there."""
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from wsss_nb.core import DataError, ParameterError, RunError, WsssError
from wsss_nb.files import shown_path
from wsss_nb.processes import dask_client, map_images, process_pool


# ---- many pictures

def boom(job):
    if job[1]: raise DataError(f"cannot do {job[1]}")


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_in_order(workers):
    assert map_images(math.sqrt, [n*n for n in range(25)], workers) == list(range(25))
    assert map_images(math.sqrt, iter([4.]), workers) == [2] and map_images(math.sqrt, [], workers) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_names_its_picture(workers):
    with pytest.raises(WsssError, match="^-1: ValueError: math domain error"): map_images(math.sqrt, [4, 9, -1, 16], workers)


def test_errors_keep_their_class():
    with pytest.raises(DataError, match="^b.jpg: cannot do data$") as e: map_images(boom, [("a.jpg", ""), ("b.jpg", "data")], 1)
    assert "Traceback" in str(e.value.__cause__) and type(e.value) is DataError


SCRIPT = """
import os, signal, sys, time
from wsss_nb.processes import map_images
def work(job):
    if job == "die": os.kill(os.getpid(), signal.SIGKILL)
    if job == "slow": time.sleep(60)
    return job
if __name__ == "__main__":
    print("started", flush=True)
    try: print(map_images(work, sys.argv[1:], 2))
    except ValueError as e: print("error:", e)
"""


@pytest.fixture
def script(tmp_path, repo):
    (tmp_path/"script.py").write_text(textwrap.dedent(SCRIPT))
    def start(*jobs):
        env = {**os.environ, "PYTHONPATH": str(repo)}
        return subprocess.Popen([sys.executable, "script.py", *jobs], cwd=tmp_path, env=env, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return start


def test_a_killed_worker_is_an_error_and_not_a_hang(script):
    out, err = script("a", "die", "b", "c").communicate(timeout=90)
    assert "error: a worker process died" in out


def test_ctrl_c_ends_the_pool(script):
    p = script(*["slow"]*6)
    p.stdout.readline()
    time.sleep(6)  # until the workers sleep or still import: both must end
    os.killpg(p.pid, signal.SIGINT)  # as a terminal does: the whole group
    out, err = p.communicate(timeout=30)
    assert p.returncode != 0 and "KeyboardInterrupt" in err


def test_a_pools_processes_have_a_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with process_pool(1) as pool: assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"


# ---- other machines

@pytest.mark.parametrize("address,error,said", [("foo", ParameterError, "it looks like tcp://host:8786"), ("tcp://127.0.0.1:9", RunError, "no Dask scheduler answers at tcp://127.0.0.1:9")])
def test_a_scheduler_that_is_not_there(address, error, said):
    with pytest.raises(error, match=said): dask_client(address)


# ---- how it is told

BAR = """
import time
from wsss_nb.core import progress
for _ in progress((time.sleep(.3) for _ in range(4)), "masks", total=4): pass
"""


@pytest.mark.parametrize("columns", [80, 0], ids=["sized", "of no size"])
def test_a_bar_says_how_much_time_remains(columns):
    "Also in a terminal that does not tell how wide it is, where tqdm by itself shows nothing."
    import fcntl, pty, struct, termios
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    subprocess.run([sys.executable, "-c", BAR], stdout=theirs, stderr=theirs, env=env, check=True)
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert re.search(r"masks: +25%.* 1/4 \[00:00<00:0\d, .*(it/s|s/it)\]", said), said


@pytest.mark.parametrize("path,shown", [
    ("runs/a", "runs/a"), ("{here}/runs/a", "runs/a"), (".", "."), ("a/../b", "b"),
    ("..", "{up}"), ("../runs", "{up}/runs"), ("{up}/here2/x", "{up}/here2/x"),
])
def test_a_path_in_a_message_never_climbs(path, shown, tmp_path, monkeypatch):
    here = tmp_path/"here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert shown_path(path.format(here=here, up=tmp_path)) == shown.format(up=tmp_path)
