"What the tests of whole runs share."
import subprocess, sys, time
from pathlib import Path

import pytest

from wsss_nb.core import read_json, sha256


def artefacts(out, folders):
    "What a run made, by content: maps, arrays and weights. Logs, records and checkpoints (which keep the log) hold times."
    files = (f for a in folders for f in (Path(out)/a).rglob("*") if f.suffix in (".png", ".npz", ".safetensors") and f.stem != "checkpoint")
    return {str(f.relative_to(out)): sha256(f) for f in files}


def start(method, data, out, params):
    "A run in a process of its own, one stage at a time."
    code = f"from wsss_nb.runs import run_method; run_method({method!r}, {str(data)!r}, {str(out)!r}, {({**params, 'jobs': 1})!r})"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(out, stage, process, sign=None):
    "Until the record says that `stage` is at work, and `sign` (a pattern below `out`) is there."
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if process.poll() is not None: pytest.fail(f"the run ended before {stage}")
        record = read_json(out/"run.json") if (out/"run.json").exists() else {}
        if record.get("stages", {}).get(stage, {}).get("status") == "running" and (sign is None or any(out.glob(sign))): return
        time.sleep(.05)
    pytest.fail(f"{stage} did not start")
