"""The command line: what it prints, its exit codes, and that it goes on where it can."""
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb import cli, doctor, run_commands
from wsss_nb.core import DataError, WeightsError
from wsss_nb.datasets import open_dataset, pictures
from wsss_nb.images import read_image, write_image
from wsss_nb.masks_of_ids import read_labels


def call(capsys, *words):
    code = cli.main([str(w) for w in words])
    return code, *capsys.readouterr()


def one_line(code, err): return code == 2 and err.startswith("wsss-nb: error: ") and err.count("\n") == 1


RGB = ("--features", "rgb", "--tau", ".97", "--device", "cpu", "--workers", "1")


@pytest.fixture
def folder(tmp_path):
    for name, f in (("cat", photographs.chelsea), ("rocket", photographs.rocket)): write_image(tmp_path/"in"/f"{name}.jpg", f()[::6, ::6])
    return tmp_path/"in"


@pytest.fixture
def fake(monkeypatch):
    "Put a stand-in module in the place of one the command imports when it is called."
    def put(name, **functions): monkeypatch.setitem(sys.modules, f"wsss_nb.{name}", types.SimpleNamespace(**functions))
    return put


# ---- help, errors, exit codes

def test_help_is_quick_to_import():
    "The help needs neither torch nor any other heavy package."
    code = "import sys\nfrom wsss_nb.cli import main\ntry: main(['run', '--help'])\nexcept SystemExit as e: assert e.code == 0\nassert not {'torch', 'numpy', 'wsss_nb.core'} & set(sys.modules)"
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert r.returncode == 0 and "name=value" in r.stdout, r.stderr


@pytest.mark.parametrize("words", [["nonsense"], [], ["superpixels", "x.jpg"], ["data"], ["data", "get", "mnist"], ["doctor", "now"], ["run", "clustering", "--data", "a", "--out", "b", "--fast"],
                                   ["superpixels", "x", "y", "--out", "z"], ["superpixels", "x", "--out", "y", "--order", "middle"]])
def test_misuse_is_code_2(words, capsys):
    with pytest.raises(SystemExit) as e: cli.main(words)
    assert e.value.code == 2 and "error: " in capsys.readouterr().err


@pytest.mark.parametrize("words,said", [(["segmnt"], "segmnt is unknown: did you mean segment?"), (["segment", "--workers", "two"], "--workers two is no whole number, such as 2"),
                                        (["superpixels", "x", "--out", "y", "--order", "middle"], "--order middle is unknown: choose from low, high"), (["segment", "--out"], "--out: expected one argument (see wsss-nb segment --help)")])
def test_misuse_is_one_line_that_says_what_to_do(words, said, capsys):
    with pytest.raises(SystemExit): cli.main(words)
    assert capsys.readouterr().err == f"wsss-nb: error: {said}\n"


@pytest.mark.parametrize("words", [["superpixels", "{0}", "--out", "{0}/out"], ["segment", "{0}", "--names", "cat", "--out", "{0}/out"], ["segment", "{0}"], ["segment", "{0}", "--run", "sample"]])
def test_a_device_that_is_not_here_is_refused_in_the_words_of_the_command(words, folder, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, _, err = call(capsys, *(w.format(folder) for w in words), "--device", "cuda")
    assert one_line(code, err) and "--device cuda is not available on this machine: use --device auto or --device cpu" in err


def test_version(capsys):
    with pytest.raises(SystemExit) as e: cli.main(["--version"])
    assert e.value.code == 0 and capsys.readouterr().out.startswith("wsss-nb ")


def failing(error):
    def get_dataset(*args): raise error
    return get_dataset


@pytest.mark.parametrize("error,said", [(DataError("labels.csv\n is empty"), "labels.csv is empty"), (WeightsError("no weights"), "no weights"),
                                        (OSError(28, "No space left on device", "/x/y.png"), "/x/y.png: No space left on device")])
def test_errors_are_one_line(error, said, fake, capsys):
    fake("fetch", get_dataset=failing(error))
    code, out, err = call(capsys, "data", "get", "voc")
    assert one_line(code, err) and said in err and not out


def test_a_bug_is_not_hidden(fake, capsys, monkeypatch, tmp_path):
    "It is called a fault, and the way to it is kept for who mends it."
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fake("fetch", get_dataset=failing(ZeroDivisionError()))
    code, _, err = call(capsys, "data", "get", "voc")
    kept = next(tmp_path.glob("wsss-nb-*.txt"))
    assert one_line(code, err) and "unforeseen ZeroDivisionError" in err and f"a fault of wsss-nb; {kept} says where" in err
    assert kept.read_text().startswith("Traceback") and "in data_get" in kept.read_text()
    monkeypatch.setenv("WSSS_NB_DEBUG", "1")
    with pytest.raises(ZeroDivisionError): cli.main(["data", "get", "voc"])


def test_ctrl_c(fake, capsys):
    fake("fetch", get_dataset=failing(KeyboardInterrupt()))
    code, _, err = call(capsys, "data", "get", "voc")
    assert code == 130 and err.count("\n") == 1


def test_closed_pipe():
    "`wsss-nb doctor | head -1` says nothing of the pipe."
    code = "from wsss_nb import cli, doctor; import sys; doctor.check_machine = lambda: {'a': doctor.Check('ok', 'fine')}; sys.exit(cli.main(['doctor']))"
    r = subprocess.run(f'sleep 0; "{sys.executable}" -c "{code}" | true', shell=True, capture_output=True, text=True)
    assert not r.stderr


# ---- data

def test_data_check_notes_are_no_errors(tmp_path, capsys):
    write_image(tmp_path/"images/a.jpg", photographs.chelsea()[::6, ::6])
    (tmp_path/"labels.csv").write_text("file,labels\na.jpg,cat\n")
    code, out, _ = call(capsys, "data", "check", tmp_path)
    assert code == 0 and "1 picture (train 1, val 0)" in out and "nothing is held out" in out and "image labels from labels.csv; 1 class" in out and out.endswith("0 errors, 1 note\n")
    from PIL import Image
    Image.open(tmp_path/"images/a.jpg").convert("L").save(tmp_path/"images/a.jpg")
    code, out, _ = call(capsys, "data", "check", tmp_path)
    assert code == 0 and "grey" in out and out.endswith("0 errors, 2 notes\n")


def test_data_check_names_the_bad_file(tmp_path, scenes, capsys):
    assert call(capsys, "data", "check", scenes.root)[0] == 0
    write_image(tmp_path/"images/a.jpg", photographs.chelsea()[::6, ::6])
    whole = (tmp_path/"images/a.jpg").read_bytes()
    (tmp_path/"images/b.jpg").write_bytes(whole[:len(whole)//2])
    (tmp_path/"labels.csv").write_text("file,labels\na.jpg,cat\nb.jpg,cat\n")
    code, out, err = call(capsys, "data", "check", tmp_path)
    assert code == 1 and "b.jpg" in out and out.endswith("1 error, 0 notes\n")


def test_data_check_missing(tmp_path, capsys):
    code, out, err = call(capsys, "data", "check", tmp_path/"nowhere")
    assert one_line(code, err) and "nowhere" in err


def test_data_get(fake, capsys):
    got = []
    fake("fetch", get_dataset=lambda name, root, archive=None: got.append((name, root, archive)) or [Path(root)/name])
    code, out, _ = call(capsys, "data", "get", "voc", "--root", "r", "--archive", "a.tar")
    assert code == 0 and got == [("voc", "r", "a.tar")] and out == "r/voc\n"


# ---- superpixels

def test_folder(folder, tmp_path, capsys):
    code, out, err = call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB)
    assert code == 0 and "2 made" in out and "0 failed" in out
    for name in ("cat", "rocket"):
        sp, image = read_labels(tmp_path/"out"/f"{name}.png"), read_image(folder/f"{name}.jpg")
        assert sp.shape == image.shape[:2] and (np.unique(sp) == np.arange(sp.max()+1)).all()
        assert read_image(tmp_path/"out/pictures"/f"{name}.jpg").shape == image.shape


def test_finished_ones_are_skipped(folder, tmp_path, capsys):
    call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path/"out").rglob("*.png")}
    (tmp_path/"out/rocket.png").unlink()
    code, out, _ = call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB)
    assert code == 0 and "1 made" in out and "1 there already" in out
    assert (tmp_path/"out/cat.png").stat().st_mtime_ns == before[tmp_path/"out/cat.png"]
    os.utime(folder/"cat.jpg", (time.time()+60,)*2)  # a newer photograph is cut again
    assert "1 made" in call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB)[1]


def test_other_settings_need_another_folder(folder, tmp_path, capsys):
    call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB)
    code, _, err = call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB, "--no-crf")
    assert one_line(code, err) and "crf True" in err


def test_a_bad_file_is_named_and_the_rest_goes_on(folder, tmp_path, capsys):
    whole = (folder/"cat.jpg").read_bytes()
    (folder/"broken.jpg").write_bytes(whole[:len(whole)//2])
    (folder/"empty.png").touch()
    code, out, err = call(capsys, "superpixels", folder, "--out", tmp_path/"out", *RGB)
    assert code == 1 and "2 made" in out and "2 failed" in out
    assert str(folder/"broken.jpg") in err and str(folder/"empty.png") in err
    assert not (tmp_path/"out/broken.png").exists()


def test_a_picture_too_small_to_show_anything_is_noted(tmp_path, capsys):
    write_image(tmp_path/"in/dot.png", np.zeros((1, 1, 3), np.uint8))
    code, out, err = call(capsys, "superpixels", tmp_path/"in", "--out", tmp_path/"out", *RGB)
    assert code == 0 and "1 made" in out and "dot.png: a picture of 1×1 pixels is too small" in err


def test_two_workers_as_one(folder, tmp_path, capsys):
    call(capsys, "superpixels", folder, "--out", tmp_path/"one", *RGB)
    assert call(capsys, "superpixels", folder, "--out", tmp_path/"two", *RGB[:-1], "2")[0] == 0
    for name in ("cat.png", "rocket.png"): assert (tmp_path/"one"/name).read_bytes() == (tmp_path/"two"/name).read_bytes()


def test_one_file_with_mini(folder, tmp_path, capsys):
    code, out, err = call(capsys, "superpixels", folder/"cat.jpg", "--out", tmp_path/"out", "--device", "cpu")
    assert code == 0, err
    assert [p.name for p in (tmp_path/"out").glob("*.png")] == ["cat.png"]


def test_a_dataset(scenes, tmp_path, capsys):
    found = pictures(str(scenes.root))
    assert len(found) == 36 and all(p.is_file() for _, p in found)


@pytest.mark.parametrize("tau", ["1.5", "-2", "nan"])
def test_tau_outside(tau, folder, tmp_path, capsys):
    code, _, err = call(capsys, "superpixels", folder, "--out", tmp_path/"out", "--features", "rgb", f"--tau={tau}")
    assert one_line(code, err) and "[-1, 1]" in err and not (tmp_path/"out").exists()


def test_missing_weights_write_nothing(folder, tmp_path, capsys):
    code, _, err = call(capsys, "superpixels", folder, "--out", tmp_path/"out", "--features", "dino_vitb8", "--weights", tmp_path/"none.safetensors")
    assert one_line(code, err) and "none.safetensors" in err and not (tmp_path/"out").exists()


def test_a_named_folder_is_that_folder(tmp_path, capsys):
    "Also where it is part of a dataset, and some of its pictures are in no list"
    own = tmp_path/"own"
    for n in "abc": write_image(own/"images"/f"{n}.jpg", photographs.chelsea()[::6, ::6])
    (own/"labels.csv").write_text("file,labels\na.jpg,cat\nb.jpg,cat\n")
    assert [n for n, _ in pictures(str(own/"images"))] == ["a", "b", "c"]
    assert [n for n, _ in pictures(f"{own}@train")] == ["a", "b"] and "left out" not in capsys.readouterr().err
    assert [n for n, _ in pictures(str(own))] == ["a", "b"] and "1 pictures in" in (err := capsys.readouterr().err) and "left out" in err
    for n in ("train2017", "val2017"): write_image(tmp_path/"coco"/n/f"{n}.jpg", photographs.chelsea()[::6, ::6])
    (tmp_path/"coco/annotations").mkdir()
    (tmp_path/"coco/annotations/instances_train2017.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert [n for n, _ in pictures(str(tmp_path/"coco/val2017"))] == ["val2017"]


def test_where_there_are_no_pictures(tmp_path, capsys):
    (tmp_path/"empty/deep").mkdir(parents=True)
    write_image(tmp_path/"empty/deep/a.jpg", photographs.chelsea()[::6, ::6])
    for path, said in ((tmp_path/"empty", "holds no pictures"), (tmp_path/"nowhere", "no such file or folder")):
        code, _, err = call(capsys, "superpixels", path, "--out", tmp_path/"out", *RGB)
        assert one_line(code, err) and said in err and str(path) in err and not (tmp_path/"out").exists()


def test_out_that_is_a_file(folder, tmp_path, capsys):
    (tmp_path/"file").touch()
    code, _, err = call(capsys, "superpixels", folder, "--out", tmp_path/"file", *RGB)
    assert one_line(code, err) and "is a file: name a folder" in err


def test_workers_end_with_the_command(tmp_path):
    "kill -9, and what a time limit sends: no process is left behind"
    import psutil
    for i in range(30): write_image(tmp_path/"in"/f"{i:02}.jpg", np.roll(photographs.astronaut()[::2, ::2], i, 0))
    for k, sign in enumerate((signal.SIGKILL, signal.SIGTERM)):
        words = [sys.executable, "-c", "import sys; from wsss_nb.cli import main; sys.exit(main())", "superpixels", tmp_path/"in", "--out", tmp_path/f"out{k}", "--features", "rgb", "--tau", ".97", "--device", "cpu"]
        p = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(list((tmp_path/f"out{k}").glob("*.png"))) < 2 and p.poll() is None and time.monotonic() < deadline: time.sleep(.05)
        crew = [c for c in psutil.process_iter(["ppid", "cmdline"]) if c.info["ppid"] == p.pid and "spawn_main" in " ".join(c.info["cmdline"] or [])]
        assert len(crew) == 2, "the command was over before it was killed: the test shows nothing"
        p.send_signal(sign)
        p.wait(20)
        assert not psutil.wait_procs(crew, timeout=20)[1]


def test_never_over_the_photographs(tmp_path, capsys):
    write_image(tmp_path/"a.png", photographs.chelsea()[::6, ::6])
    code, _, err = call(capsys, "superpixels", tmp_path, "--out", tmp_path, *RGB)
    assert one_line(code, err) and "--out" in err


def test_nothing_to_cut(tmp_path, capsys):
    (tmp_path/"in").mkdir()
    code, _, err = call(capsys, "superpixels", tmp_path/"in", "--out", tmp_path/"out", *RGB)
    assert one_line(code, err) and not (tmp_path/"out").exists()


def test_unwritable_out(folder, tmp_path, capsys):
    (tmp_path/"file").touch()  # a file where the folder should be: refused for every user, root as well
    code, _, err = call(capsys, "superpixels", folder, "--out", tmp_path/"file"/"out", *RGB)
    assert one_line(code, err)


def test_stems_that_clash(tmp_path, capsys):
    for n in ("a.jpg", "a.png"): write_image(tmp_path/"in"/n, photographs.chelsea()[::8, ::8])
    assert call(capsys, "superpixels", tmp_path/"in", "--out", tmp_path/"out", *RGB)[0] == 0
    assert {p.name for p in (tmp_path/"out").glob("*.png")} == {"a.jpg.png", "a.png.png"}


def test_ctrl_c_while_cutting(tmp_path):
    "One line, code 130, no traceback from a worker, no half-written file; the next call finishes."
    for i in range(24): write_image(tmp_path/"in"/f"{i:02}.jpg", np.roll(photographs.astronaut()[::2, ::2], i, 0))
    words = [sys.executable, "-c", "import sys; from wsss_nb.cli import main; sys.exit(main())", "superpixels", tmp_path/"in", "--out", tmp_path/"out",
             "--features", "rgb", "--tau", ".97", "--device", "cpu"]
    p = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((tmp_path/"out").glob("*.png"))) < 2 and p.poll() is None and time.monotonic() < deadline: time.sleep(.05)
    os.killpg(p.pid, signal.SIGINT)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 130, err
    assert "Traceback" not in err and "wsss-nb: stopped" in err
    assert not list((tmp_path/"out").rglob("*.tmp*"))


def test_real_photographs(shared_data, tmp_path, capsys):
    found = pictures(str(shared_data/"VOCdevkit"))
    assert len(found) == 10 and all(p.suffix == ".jpg" for _, p in found)


# ---- run

def test_run_passes_all_on(fake, capsys, tmp_path):
    seen = []
    fake("runs", run_method=lambda *a, **k: seen.append((a, k)))
    fake("report", write_report=lambda out: Path(out)/"report.html")
    code, out, _ = call(capsys, "run", "clustering", "--data", "scenes", "--out", tmp_path, "tau=0.2", "--dry-run", "note=a=b")
    assert code == 0 and seen == [(("clustering", "scenes", tmp_path, dict(tau="0.2", note="a=b")), dict(dry_run=True))] and "report" not in out
    assert f"report: {tmp_path/'report.html'}" in call(capsys, "run", "clustering", "--data", "scenes", "--out", tmp_path)[1]


def test_report_of_many_has_no_photographs(capsys, tmp_path):
    (tmp_path/"sweep.json").write_text("{}")
    code, _, err = call(capsys, "report", tmp_path, "--photographs", "shots")
    assert one_line(code, err) and "a folder of many has none" in err


def test_report_with_photographs(fake, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(run_commands, "_lost_scores", lambda out: [])
    fake("report", write_report=lambda *runs, **kw: seen.append((runs, kw)) or "page.html")
    assert call(capsys, "report", "a", "b", "--photographs", "shots")[0] == 0
    assert seen == [(("a", "b"), dict(to=None, photographs="shots"))]


@pytest.mark.parametrize("word,said", [("tau", "not of the form"), ("=3", "not of the form"), ("a b=3", "not of the form"), ("tau=1 tau=2", "more than once")])
def test_run_words(word, said, capsys, tmp_path):
    code, _, err = call(capsys, "run", "clustering", "--data", "scenes", "--out", tmp_path/"x", *(word.split() if "tau=1" in word else [word]))
    assert one_line(code, err) and said in err and not (tmp_path/"x").exists()


def test_run_refuses_the_unknown(home, capsys, tmp_path):
    open_dataset("scenes:train=6,val=3,seed=0")  # drawn before, so that no bar stands above the error where the machine is busy
    capsys.readouterr()
    for words, said in ((["sorcery"], "sorcery"), (["clustering", "no_such=1"], "no_such")):
        code, _, err = call(capsys, "run", words[0], "--data", "scenes:train=6,val=3,seed=0", "--out", tmp_path/"x", *words[1:])
        assert one_line(code, err) and said in err and not (tmp_path/"x").exists()


# ---- doctor

def test_doctor_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", {})
    monkeypatch.setattr(doctor, "check_machine", lambda: {"a": doctor.Check("ok", "fine"), "b": doctor.Check("warn", "none", "do this")})
    code, out, _ = call(capsys, "doctor")
    assert code == 0 and out.splitlines() == ["ok    a             fine", "warn  b             none", " "*19 + " -> do this"]
    monkeypatch.setattr(doctor, "check_machine", lambda: {"a": doctor.Check("fail", "bad", "do that")})
    assert call(capsys, "doctor")[0] == 1


def test_doctor_here():
    found = doctor.check_machine()
    assert {n for n in ("Python", "packages", "torch", "CRF", "OpenCV", "Jupyter", "mini weights") if found[n].status != "ok"} == set(), found
    assert all(c.todo for c in found.values() if c.status != "ok")


def test_doctor_sees_damaged_weights(monkeypatch, tmp_path):
    from wsss_nb import weights
    good = weights.DATA
    monkeypatch.setattr(weights, "DATA", tmp_path)
    assert doctor._mini().status == "fail"
    for f in good.glob("mini*"): (tmp_path/f.name).write_bytes(f.read_bytes())
    assert doctor._mini().status == "ok"
    whole = bytearray((tmp_path/"mini.safetensors").read_bytes())
    whole[-100] ^= 1
    (tmp_path/"mini.safetensors").write_bytes(whole)
    assert doctor._mini().status == "fail" and "damaged" in doctor._mini().found


def test_doctor_sees_an_empty_disk(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda p: types.SimpleNamespace(free=2**29))
    assert doctor._disk().status == "fail" and "WSSS_NB_HOME" in doctor._disk().todo


def test_doctor_sees_no_browser(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda n: None)
    assert doctor._browser().status == "warn" and doctor._browser().todo


def test_broken_crf_is_found(monkeypatch):
    monkeypatch.setitem(sys.modules, "wsss_nb.crf", None)
    c = doctor._crf()
    assert c.status == "fail" and "g++" in c.todo


def test_output_may_be_replaced(monkeypatch):
    "Printing goes to whatever stands for stdout, as in a notebook."
    out = io.StringIO(); monkeypatch.setattr(sys, "stdout", out)
    doctor.doctor()
    assert "CRF" in out.getvalue()
