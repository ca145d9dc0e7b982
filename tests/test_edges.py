"""The edge of the machine and of the command: another Python's kernel, no home, a terminal that knows no letters, a full disk; one sentence each."""
import concurrent.futures.process
import csv
import errno
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
import torch
from papermill.translators import PythonTranslator

from wsss_nb import cli, doctor, execute, notebook_commands, parameters, plan, runs
from wsss_nb.core import DataError, ParameterError, RunError, atomic, progress, save_arrays, save_weights, write_json
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import write_labels, write_mask
from wsss_nb.processes import own_kernel
from wsss_nb.show import save_animation
from wsss_nb.parameters import check_given
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
    step = plan.Step("t", a_notebook(foreign/"t.ipynb", WHO), foreign/"run", {}, "who.txt", key="k")
    file = foreign/"run"/"notebooks"/"t.json"
    file.write_text(json.dumps(dict(name="t", notebook=str(step.notebook), folder=str(step.folder), params={}, makes="who.txt", key="k")))
    r = subprocess.run([sys.executable, "-c", f"from wsss_nb.execute import execute_step; execute_step({str(file)!r})"], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    assert step.done and (foreign/"run"/"who.txt").read_text() == sys.executable


def test_a_figure_is_drawn_in_this_python(foreign, monkeypatch):
    monkeypatch.chdir(foreign)
    (foreign/"to").mkdir()
    assert notebook_commands._draw(a_notebook(foreign/"f.ipynb", WHO), {}, foreign/"to") == ""
    assert Path("who.txt").read_text() == sys.executable


def test_the_page_and_jupyterlab_start_this_python(foreign, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager
    from wsss_nb.page import _OwnKernels, _config
    assert _OwnKernels().get_kernel_spec("python3").argv[0] == sys.executable and list(_OwnKernels().find_kernel_specs()) == ["python3"]
    assert _config(foreign, 1, "light", "t", 60).VoilaConfiguration.kernel_spec_manager_class is _OwnKernels
    for k, v in notebook_commands._own_kernel(foreign/"explorers").items(): monkeypatch.setenv(k, v)
    assert KernelSpecManager().get_kernel_spec("python3").argv[0] == sys.executable


def test_doctor_asks_for_nothing_that_is_not_needed(foreign):
    found = doctor._kernel()
    assert found.status == "ok" and found.todo == ""


def test_a_damaged_kernels_description_is_no_failure(foreign):
    (foreign/"other"/"kernels"/"python3"/"kernel.json").write_text("[")
    assert doctor._kernel().status == "ok" and own_kernel()(kernel_name="python3").kernel_spec.argv[0] == sys.executable


def test_a_killed_kernel_is_called_by_no_inner_name(tmp_path):
    (tmp_path/"run"/"notebooks").mkdir(parents=True)
    step = plan.Step("t", a_notebook(tmp_path/"t.ipynb", "import os\nos.kill(os.getpid(), 9)"), tmp_path/"run", {}, "made", key="k")
    with pytest.raises(RunError, match="its kernel was killed"), step.record.stage("t", "k"): execute._papermill(step.description, tmp_path/"run"/"notebooks"/"t.ipynb")
    said = RunRecord(tmp_path/"run").data["stages"]["t"]
    assert said["status"] == "killed" and said["error"].startswith("t: its kernel was killed in the middle of a cell")


# ---- terminals

COMMANDS = [[], ["segment"], ["run"], ["sweep"], ["status"], ["resume"], ["reproduce"], ["explain"], ["where"], ["evaluate"], ["refine"], ["figures"], ["bench"], ["explore"], ["superpixels"],
            ["data"], ["data", "check"], ["data", "get"], ["params"], ["report"], ["doctor"]]


class Terminal:
    "Standard output and error in an encoding, as strict as Python's own."
    def __init__(self, monkeypatch, encoding):
        self.streams = {s: io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", write_through=True) for s in ("stdout", "stderr")}
        for k, v in self.streams.items(): monkeypatch.setattr(sys, k, v)
    def said(self, stream="stdout"): return self.streams[stream].buffer.getvalue().decode(self.streams[stream].encoding)


def in_a_shell(*words, **env):
    code = "import sys; from wsss_nb.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, env={k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))} | env)


def test_every_command_is_among_these():
    top = next(a for a in cli.parser()._actions if hasattr(a, "choices") and isinstance(a.choices, dict))
    assert set(top.choices) == {c[0] for c in COMMANDS if c}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_in_every_encoding(command, encoding, monkeypatch):
    t = Terminal(monkeypatch, encoding)
    with pytest.raises(SystemExit) as e: cli.main([*command, "--help"])
    assert e.value.code == 0 and "usage: wsss-nb" in t.said()


LOCALES = [dict(PYTHONIOENCODING="latin-1"), dict(PYTHONIOENCODING="ascii:strict"), dict(LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")]


@pytest.mark.parametrize("env", LOCALES, ids=["latin-1", "ascii", "C"])
def test_help_and_errors_of_a_real_call(env):
    r = in_a_shell("params", "clustering", **env)
    assert r.returncode == 0 and b"tau" in r.stdout, r.stderr
    r = in_a_shell("data", "check", "nirgendwo-\u00e4-\u0416", **env)
    assert r.returncode == 2 and r.stderr.startswith(b"wsss-nb: error: ") and r.stderr.count(b"\n") == 1


@pytest.mark.parametrize("name", ["\u0416\u044f", "\udcff\udcfe", "\u732b.jpg", "\U0001f408", "a\nb", "\x1b[31m"], ids=ascii)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_error_about_a_name_that_cannot_be_shown(name, encoding, monkeypatch):
    t = Terminal(monkeypatch, encoding)
    assert cli.main(["data", "check", f"nowhere-{name}"]) == 2
    assert t.said("stderr").startswith("wsss-nb: error: ") and t.said("stderr").count("\n") == 1


# ---- nobody's home

HOMELESS = """import os, sys, pwd, tempfile
for k in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"): os.environ.pop(k, None)
def nobody(*a): raise KeyError("getpwuid(): uid not found: 54321")
pwd.getpwuid = nobody
"""


def homeless(code, tmp, *words, **env):
    (tmp/"tmp").mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if k not in ("WSSS_NB_HOME", "TMPDIR")}
    return subprocess.run([sys.executable, "-c", HOMELESS + code, *map(str, words)], capture_output=True, text=True, cwd=tmp, env=kept | dict(TMPDIR=str(tmp/"tmp")) | env)


MAIN = "from wsss_nb.cli import main; sys.exit(main(sys.argv[1:]))"


def test_without_a_home_there_is_a_place(tmp_path):
    r = homeless(MAIN, tmp_path, "data", "check", "scenes:train=2,val=1")
    place = tmp_path/"tmp"/f"wsss_nb-{os.getuid()}"
    assert r.returncode == 0 and "train 2, val" in r.stdout, r.stderr
    assert r.stderr.startswith(f"wsss-nb: this user has no home folder (no $HOME, no entry in passwd): {place} stands in for it\n") and "Traceback" not in r.stderr
    assert place.stat().st_mode & 0o077 == 0 and any((place/".cache"/"wsss_nb").glob("scenes-*"))


def test_the_cache_that_is_named_is_the_home(tmp_path):
    r = homeless(MAIN, tmp_path, "data", "check", "scenes:train=2,val=1", WSSS_NB_HOME=str(tmp_path/"mine"))
    assert r.returncode == 0 and any((tmp_path/"mine").glob("scenes-*")) and not list((tmp_path/"tmp").glob("wsss_nb-*"))


def test_a_place_that_is_somebody_elses_is_not_used(tmp_path):
    (tmp_path/"tmp").mkdir(), (tmp_path/"trap").mkdir()
    (tmp_path/"tmp"/f"wsss_nb-{os.getuid()}").symlink_to(tmp_path/"trap")
    r = homeless(MAIN, tmp_path, "data", "check", "scenes:train=2,val=1")
    assert r.returncode == 0 and not list((tmp_path/"trap").iterdir())


def test_what_we_use_finds_a_home_too(tmp_path):
    "matplotlib, Jupyter, IPython, Hugging Face, getpass."
    code = "from wsss_nb import cli; cli._have_a_home()\nimport getpass, matplotlib.pyplot, IPython.paths, jupyter_core.paths as j\nfrom huggingface_hub import constants\n"
    r = homeless(code + "for p in (matplotlib.get_cachedir(), IPython.paths.get_ipython_dir(), j.jupyter_runtime_dir(), constants.HF_HOME, getpass.getuser()): print(p)", tmp_path)
    assert r.returncode == 0, r.stderr
    *places, user = r.stdout.split()
    assert all(str(tmp_path/"tmp") in p for p in places) and user == f"uid{os.getuid()}"


def test_a_stage_without_a_home(tmp_path):
    a_notebook(tmp_path/"t.ipynb", WHO)
    (tmp_path/"run").mkdir()
    step = dict(name="t", notebook=str(tmp_path/"t.ipynb"), folder=str(tmp_path/"run"), params={}, makes="who.txt", key="k")
    (tmp_path/"t.json").write_text(json.dumps(step))
    r = homeless("from wsss_nb import cli; cli._have_a_home()\nfrom wsss_nb.execute import execute_step; execute_step(sys.argv[1])", tmp_path, tmp_path/"t.json")
    assert r.returncode == 0 and (tmp_path/"run"/"who.txt").read_text() == sys.executable, r.stderr


def test_the_library_says_what_is_missing(tmp_path):
    r = homeless("from wsss_nb.core import ParameterError, cache_home\ntry: cache_home()\nexcept ParameterError as e: print(e)", tmp_path)
    assert "set WSSS_NB_HOME to a folder that can be written" in r.stdout


# ---- whatever comes up

def os_error(code, file=None): return OSError(code, os.strerror(code), file)


def raised_while_reading(path, error):
    with open(path, encoding="utf-8") as f:
        assert f.readable()
        raise error


LEFT = {
    "csv": (csv.Error("field larger than field limit (131072)"), r"labels\.csv: no proper table \(field larger .*\): look for a quotation mark"),
    "recursion": (RecursionError("maximum recursion depth exceeded"), r"labels\.csv: it is nested too deeply"),
    "memory": (MemoryError(), r"labels\.csv: there is not enough memory"), "numpy's memory": (MemoryError("Unable to allocate 58.2 TiB"), "not enough memory .*58.2 TiB"),
    "torch's memory": (RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"), "there is not enough memory"),
    "a card's memory": (RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"), "there is not enough memory .*smaller batch"), "fork": (OSError(errno.ENOMEM, "Cannot allocate memory"), "there is not enough memory"),
    "bytes": (UnicodeDecodeError("utf-8", b"ab\xff", 2, 3, "invalid start byte"), r"labels\.csv: it holds bytes that are no utf-8 text \(at byte 2\): save it as UTF-8"),
    "a name": (UnicodeEncodeError("utf-8", "caf\udce9.jpg", 3, 4, "surrogates not allowed"), r"'caf\\udce9.jpg': this name cannot be written as utf-8"),
    "full": (os_error(errno.ENOSPC, "out/.mask.12.345.tmp.png"), r"out/mask\.png: No space left on device; free some disk"), "full, no name": (os_error(errno.ENOSPC), "labels.csv: No space left"),
    "too large": (os_error(errno.EFBIG, "out/.a.b.1.2.tmp.npz"), r"out/a\.b\.npz: File too large; it is more than"), "quota": (os_error(errno.EDQUOT, "o"), "o: .*quota.*; free some disk"),
    "read-only": (os_error(errno.EROFS, "o"), "o: Read-only file system; choose"), "rights": (os_error(errno.EACCES, "o"), "o: Permission denied; change its rights"),
    "a loop": (os_error(errno.ELOOP, "o"), "o: .*; a link leads back to itself: remove it"), "a resolved loop": (RuntimeError("Symlink loop from '/x/o'"), "/x/o: a link leads back to itself: remove it"),
    "a long name": (os_error(errno.ENAMETOOLONG, "o"), "o: File name too long; give"), "many files": (os_error(errno.EMFILE, "o"), "o: Too many open files; raise `ulimit -n`"),
    "a folder": (os_error(errno.EISDIR, "o"), "o: Is a directory; a file is expected"), "a part": (os_error(errno.ENOTDIR, "o"), "o: Not a directory; a part"),
    "another": (os_error(errno.EIO, "o"), "o: Input/output error$"), "a name in bytes": (os_error(errno.ELOOP, b"o\xff"), r"o\\udcff: .*a link"),
    "a pool": (concurrent.futures.process.BrokenProcessPool("A process in the process pool was terminated abruptly"), "a process was ended from outside"),
    "a fault": (KeyError("splits"), r"labels\.csv: unforeseen KeyError \('splits'\): this is a fault of wsss-nb"), "two lines": (RuntimeError("one\ntwo"), "unforeseen RuntimeError .one two.")}


@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_becomes_a_sentence(what, tmp_path, monkeypatch, capsys):
    error, words = LEFT[what]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path/"labels.csv").write_text("file,labels\n")
    monkeypatch.setattr(doctor, "doctor", lambda args: raised_while_reading(tmp_path/"labels.csv", error))
    assert cli.main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("wsss-nb: error: ") and said.count("\n") == 1 and re.search(words, said.rstrip()), said
    monkeypatch.setenv("WSSS_NB_DEBUG", "1")
    with pytest.raises(type(error)): cli.main(["doctor"])


@pytest.mark.parametrize("spec", ["size=1000000", "size=2049", "size=99999999999999999999", f"train={'9'*90}", "train=1000000000", "val=100001", "seed=4294967296", "size=\u00b2", "size=-1", "size=1e3"], ids=lambda s: s[:20])
def test_scenes_that_no_memory_holds(spec, home, capsys):
    assert cli.main(["data", "check", f"scenes:{spec}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("must not exceed" in said or "must be a whole number" in said) and len(said) < 200


def test_links_that_lead_round(tmp_path, capsys, monkeypatch):
    a, b = tmp_path/"a", tmp_path/"b"
    a.symlink_to(b), b.symlink_to(a)
    monkeypatch.chdir(tmp_path)
    for words in (["data", "check", "a"], ["report", "a"], ["status", "a"], ["superpixels", "a", "--out", "o", "--features", "rgb"], ["run", "clustering", "--data", "scenes:train=2,val=1", "--out", "a"],
                  ["segment", "a", "--names", "cat"], ["segment", "samples", "--run", "a"], ["explore", "--page", "--run", "a"], ["evaluate", "--data", "scenes:train=2,val=1", "--pred", "a"]):
        code = cli.main(words)
        said = capsys.readouterr().err
        assert code == 2 and [o for o in said.splitlines() if o.startswith("wsss-nb: error: ")] and "Traceback" not in said and "unforeseen" not in said, (words, said)


def test_a_full_output_is_said_once():
    if not Path("/dev/full").exists(): pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        r = subprocess.run([sys.executable, "-c", "import sys; from wsss_nb.cli import main; sys.exit(main(['params', 'clustering']))"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert r.returncode == 2 and r.stderr == "wsss-nb: error: No space left on device; free some disk, or choose another place\n"


# ---- a full disk

def picture(shape=(64, 64, 3)): return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


WRITERS = {
    "png": ("a.png", lambda p: write_image(p, picture())), "jpg": ("a.jpg", lambda p: write_image(p, picture())), "mask": ("m.png", lambda p: write_mask(p, picture((200, 200))//2)),
    "labels": ("l.png", lambda p: write_labels(p, picture((200, 200)).astype(int)*200)), "arrays": ("a.npz", lambda p: save_arrays(p, a=np.random.default_rng(0).random(5000))),
    "weights": ("w.safetensors", lambda p: save_weights(p, dict(a=torch.rand(5000)))), "json": ("a.json", lambda p: write_json(p, list(range(5000)))), "gif": ("a.gif", lambda p: save_animation(p, [picture(), picture()[::-1]])),
    "text": ("a.txt", lambda p: by_hand(p, "x"*20_000))}


def by_hand(path, text):
    with atomic(path) as t, open(t, "w") as f: f.write(text)


@contextmanager
def files_of_at_most(size):
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try: yield
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("room", [0, 100, 4096, 5000])
@pytest.mark.parametrize("what", WRITERS)
def test_a_write_that_does_not_fit(what, room, tmp_path):
    "The error names the file that was asked for; the old one stays, and nothing else is left."
    name, write = WRITERS[what]
    write(tmp_path/name)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    (tmp_path/"new").mkdir()
    for folder in (tmp_path, tmp_path/"new"):
        with files_of_at_most(room), pytest.raises((OSError, DataError)) as e: write(folder/name)
        assert str(folder/name) in str(e.value) and ".tmp" not in str(e.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()} == before and not list((tmp_path/"new").iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.jpeg", "a.gif", "a.npz", "A.PNG"])
@pytest.mark.parametrize("cut", [1, 2, 30, 10_000_000])
def test_a_writer_that_does_not_notice(name, cut, tmp_path):
    "What is cut off in silence, by as little as a byte, does not come to lie under a final name."
    whole = tmp_path/f"whole{name[1:].lower()}"
    WRITERS[dict(jpeg="jpg", npz="arrays").get(name[2:].lower(), name[2:].lower())][1](whole)
    raw = whole.read_bytes()
    with pytest.raises(OSError, match=rf"cut off while it was written.*{name}"), atomic(tmp_path/name) as t: t.write_bytes(raw[:max(0, len(raw) - cut)])
    assert not (tmp_path/name).exists() and not list(tmp_path.glob(".*"))
    with atomic(tmp_path/name) as t: t.write_bytes(raw)
    assert (tmp_path/name).read_bytes() == raw


@pytest.mark.parametrize("error, file", [(OSError(28, "No space left on device"), "a.txt"), (PermissionError(13, "Permission denied", "elsewhere.txt"), "elsewhere.txt")])
def test_an_error_is_about_the_file_it_is_about(error, file, tmp_path):
    with pytest.raises(type(error)) as e, atomic(tmp_path/"a.txt") as t:
        t.write_text("half")
        raise error
    assert Path(e.value.filename).name == file


def test_a_bar_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_PROGRESS", str(tmp_path/"bar"))
    with files_of_at_most(0): assert sum(progress(range(3), disable=True)) == 3


@pytest.fixture
def small_disk(tmp_path):
    (tmp_path/"disk").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path/"disk")], capture_output=True).returncode: pytest.skip("no right to mount a small disk here")
    yield tmp_path/"disk"
    subprocess.run(["umount", str(tmp_path/"disk")], check=True)


def test_a_disk_that_fills_up(small_disk, capsys):
    write_image(small_disk/"in"/"a.png", picture())
    code = cli.main(["superpixels", str(small_disk/"in"), "--out", str(small_disk/"out"), "--features", "rgb", "--no-crf", "--workers", "1", "--device", "cpu"])
    (small_disk/"ballast").write_bytes(bytes(4096))
    assert code == 0
    with pytest.raises(OSError, match="No space left on device.*big.json"): write_json(small_disk/"big.json", list(range(50_000)))
    with pytest.raises(DataError, match="big.png"): write_image(small_disk/"big.png", picture((300, 300, 3)))
    assert sorted(p.name for p in small_disk.iterdir()) == ["ballast", "in", "out"]


# ---- a notebook that is run by hand

METHOD_NOTEBOOKS = sorted({n for m in parameters.METHODS.values() for n in m})


def cells_of(name, **given):
    "What a kernel has run when a training notebook's own code begins: its defaults, and what papermill has set."
    nb = nbformat.read(plan.training_folder()/f"{name}.ipynb", 4)
    first = next(c.source for c in nb.cells if "parameters" in c.metadata.get("tags", []))
    return ["", first, PythonTranslator.codify(given) if given else "x = 1"]


@pytest.mark.parametrize("name", METHOD_NOTEBOOKS)
def test_every_training_notebook_knows_its_own_parameters(name):
    defaults = plan.notebook_parameters(plan.training_folder()/f"{name}.ipynb")
    check_given(cells_of(name, **defaults))
    for k in defaults:
        with pytest.raises(ParameterError, match=rf"'{k.upper()}' is unknown to this notebook \(did you mean \w+\?\)"): check_given(cells_of(name, **{k.upper(): defaults[k]}))
    with pytest.raises(ParameterError, match="'strange' is unknown"): check_given(cells_of(name, data="scenes", strange=1))


OUT_OF_BOUNDS = dict(
    t20_superpixels=[dict(tau=v) for v in (1.5, -2, float("nan"), float("inf"), "0.3", None, True)]
    + [dict(order="middle"), dict(sp_crf=1), dict(workers=-1), dict(workers=1.5)],
    t22_seeds=[dict(alpha=1.01)] + [dict(cam_scales=v) for v in ([], 1.0, [1.0, 9999.0], ["1"])],
    t23_growing=[dict(seg_epochs=v) for v in (0, float("nan"))]
    + [dict(seg_lr=-1.0), dict(beta_bg=2.0), dict(color=[.1, .1]), dict(amp="on")],
    t11_saliency=[dict(tau1=.2, tau2=.5), dict(tau1=.1), dict(low="high")],
    t12_masking=[dict(paths=-1)], t10_classifier=[dict(dilations=3)], t31_quality=[dict(split="test")])


@pytest.mark.parametrize("name", OUT_OF_BOUNDS)
def test_a_notebook_refuses_what_the_command_refuses(name):
    for given in OUT_OF_BOUNDS[name]:
        with pytest.raises(ParameterError):
            check_given(cells_of(name, **given))
            pytest.fail(f"{given} was taken")


@pytest.mark.parametrize("given", [dict(tau=1), dict(tau=-1.0), dict(features="rgb", tau=.97), dict(workers=0), dict(superpixels="/elsewhere"), {}])
def test_what_is_right_passes(given): check_given(cells_of("t20_superpixels", **given))


MAKERS = sorted(p.stem for p in plan.training_folder().glob("t0*.ipynb"))


@pytest.mark.parametrize("name", MAKERS)
def test_the_notebooks_that_made_what_is_packaged_ask_too(name):
    defaults = plan.notebook_parameters(plan.training_folder()/f"{name}.ipynb")
    check_given(cells_of(name, **defaults), ours=True)
    for k, v in defaults.items():
        with pytest.raises(ParameterError, match=rf"'{k.upper()}' is unknown to this notebook"): check_given(cells_of(name, **{k.upper(): v}), ours=True)
        with pytest.raises(ParameterError, match=f"{k}=.* should be {type(v).__name__}"): check_given(cells_of(name, **{k: 3.5 if isinstance(v, str) else "many"}), ours=True)
    assert any("check_given(ours=True)\n" in c.source for c in nbformat.read(plan.training_folder()/f"{name}.ipynb", 4).cells)


@pytest.mark.parametrize("given", [dict(epochs=0), dict(batch=-1), dict(lr=0.), dict(pictures=0), dict(amp="on")], ids=str)
def test_numbers_out_of_bounds_are_refused_there_too(given):
    with pytest.raises(ParameterError, match="must"): check_given(cells_of("t01_small", **given), ours=True)


def test_other_peoples_notebooks_are_left_alone():
    check_given(["", "a = 1", PythonTranslator.codify(dict(b=2, TAU=99))])
    check_given(["", "%matplotlib inline", "!ls", "def broken("])
    check_given([])


def by_papermill(name, tmp_path, **given):
    "As `papermill NAME.ipynb out.ipynb -p …` does."
    how = dict(kernel_name="python3", kernel_manager_class=own_kernel(), progress_bar=False, cwd=str(tmp_path))
    file, given = plan.training_folder()/f"{name}.ipynb", dict(out=str(tmp_path/"run")) | given
    return papermill.execute_notebook(str(file), str(tmp_path/"out.ipynb"), given, **how)


USUAL = dict(data="scenes:train=2,val=1", features="rgb", sp_crf=False, device="cpu", workers=1)


def test_papermill_by_hand(home, tmp_path):
    by_papermill("t20_superpixels", tmp_path, **USUAL, tau=.97)
    assert len(list((tmp_path/"run"/"superpixels").glob("*.png"))) == 2


@pytest.mark.parametrize("name, given, words, made", [
    ("t20_superpixels", USUAL | dict(TAU=.99), "'TAU' is unknown to this notebook .did you mean tau", "superpixels"),
    ("t01_small", dict(EPOCHS=3), "'EPOCHS' is unknown to this notebook .did you mean epochs", "."),  # it has no data
    ("t31_quality", dict(data=USUAL["data"], SPLIT="val"), "'SPLIT' is unknown to this notebook .did you mean split",
     "metrics.json")], ids=["t20", "t01", "t31"])  # the last has no folder of a stage
def test_papermill_by_hand_is_refused_by_the_notebook_itself(name, given, words, made, home, tmp_path):
    "What else is refused needs no kernel to be seen, above."
    with pytest.raises(papermill.PapermillExecutionError, match=words): by_papermill(name, tmp_path, **given)
    assert not (tmp_path/"run"/made).exists()


# ---- lists that are empty

@pytest.mark.parametrize("text", ["", "[]", "()"])
def test_nothing_is_compared_where_nothing_is_asked_for(text, scenes):
    preset = parameters.resolve("clustering", scenes, {})[0]["compare"]
    assert preset and parameters.resolve("clustering", scenes, dict(compare=text))[0]["compare"] == []


def test_an_empty_list_from_the_command_line(home, tmp_path, capsys):
    words = ["run", "clustering", "--data", "scenes:train=2,val=1", "--out", str(tmp_path/"x"), "--dry-run", "seeds=0"]
    assert cli.main(words) == 0 and "t23_growing:plain" in capsys.readouterr().out
    assert cli.main([*words, "compare="]) == 0 and "t23_growing:" not in capsys.readouterr().out
    for empty, said in (("seeds=", "seeds is an empty list"), ("cam_scales=", "cam_scales is an empty list"), ("tau=", "should be float"), ("order=", "must be among low, high")):
        assert cli.main([*[w for w in words if w != "seeds=0"], empty]) == 2 and said in capsys.readouterr().err
    assert parameters.check_parameters("masking", dict(dilations=""))["dilations"] == []

