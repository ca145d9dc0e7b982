"""The edge of the machine and of the command: another Python's kernel, no home, a terminal that knows no letters, a full disk; one sentence each."""
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from wsss_nb import cli, commands, runs
from wsss_nb.core import RunError, read_json
from wsss_nb.processes import own_kernel
from wsss_nb.record import RunRecord


# ---- kernels

def a_notebook(path, *cells, parameters="x = 1"):
    first = nbformat.v4.new_code_cell(parameters, metadata=dict(tags=["parameters"]))
    spec = dict(display_name="Python 3", language="python", name="python3")
    nbformat.write(nbformat.v4.new_notebook(cells=[first, *map(nbformat.v4.new_code_cell, cells)], metadata=dict(kernelspec=spec)), path)
    return path


@pytest.fixture(params=["JUPYTER_PATH", "JUPYTER_DATA_DIR"])
def foreign(request, tmp_path, monkeypatch):
    "A `python3` that belongs to another Python and cannot run here."
    spec = tmp_path/"other"/"kernels"/"python3"/"kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(dict(argv=["/usr/bin/false", "{connection_file}"], display_name="Another", language="python")))
    monkeypatch.setenv(request.param, str(tmp_path/"other"))
    from jupyter_client.kernelspec import KernelSpecManager
    if request.param == "JUPYTER_PATH": assert KernelSpecManager().get_kernel_spec("python3").argv[0] == "/usr/bin/false"
    return tmp_path


WHO = "import sys\nfrom pathlib import Path\nPath('who.txt').write_text(sys.executable)"


def test_a_stage_runs_in_this_python(foreign):
    (foreign/"run"/"notebooks").mkdir(parents=True)
    step = runs.Step("t", a_notebook(foreign/"t.ipynb", WHO), foreign/"run", {}, "who.txt", key="k")
    file = foreign/"run"/"notebooks"/"t.json"
    file.write_text(json.dumps(dict(name="t", notebook=str(step.notebook), folder=str(step.folder), params={}, makes="who.txt", key="k")))
    r = subprocess.run([sys.executable, "-c", f"from wsss_nb.runs import execute_step; execute_step({str(file)!r})"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    assert step.done and (foreign/"run"/"who.txt").read_text() == sys.executable


def test_a_figure_is_drawn_in_this_python(foreign, monkeypatch):
    monkeypatch.chdir(foreign)
    (foreign/"to").mkdir()
    assert commands._draw(a_notebook(foreign/"f.ipynb", WHO), {}, foreign/"to") == ""
    assert Path("who.txt").read_text() == sys.executable


def test_the_page_and_jupyterlab_start_this_python(foreign, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager
    from wsss_nb.page import _OwnKernels, _config
    assert _OwnKernels().get_kernel_spec("python3").argv[0] == sys.executable and list(_OwnKernels().find_kernel_specs()) == ["python3"]
    assert _config(foreign, 1, "light", "t", 60).VoilaConfiguration.kernel_spec_manager_class is _OwnKernels
    for k, v in cli._own_kernel(foreign/"explorers").items(): monkeypatch.setenv(k, v)
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == sys.executable


def test_doctor_asks_for_nothing_that_is_not_needed(foreign):
    found = cli._kernel()
    assert found.status == "ok" and found.todo == ""


def test_a_damaged_kernels_description_is_no_failure(foreign):
    (foreign/"other"/"kernels"/"python3"/"kernel.json").write_text("[")
    assert cli._kernel().status == "ok" and own_kernel()(kernel_name="python3").kernel_spec.argv[0] == sys.executable


def test_a_killed_kernel_is_called_by_no_inner_name(tmp_path):
    (tmp_path/"run"/"notebooks").mkdir(parents=True)
    step = runs.Step("t", a_notebook(tmp_path/"t.ipynb", "import os\nos.kill(os.getpid(), 9)"), tmp_path/"run", {}, "made", key="k")
    with pytest.raises(RunError, match="its kernel was killed"), step.record.stage("t", "k"): runs._papermill(step, tmp_path/"run"/"notebooks"/"t.ipynb")
    said = RunRecord(tmp_path/"run").data["stages"]["t"]
    assert said["status"] == "killed" and said["error"].startswith("t: its kernel was killed in the middle of a cell")
