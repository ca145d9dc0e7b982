"""`wsss-nb segment` as it is typed: what it makes, goes on with, and refuses. Masks from names are made at small sizes, but for one."""
import csv
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb import cli, mask_makers as makers
from wsss_nb.core import read_json
from wsss_nb.images import read_image, write_image
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.scenes import make_scenes
from wsss_nb.segment_settings import SegmentSettings
from wsss_nb.artefacts import demo_folder

QUICK = SegmentSettings(sides=(160,), flip=False, crf=False, side=160)


def call(capsys, *words):
    code = cli.main(["segment", *map(str, words)])
    return code, *capsys.readouterr()


def refused(said, *words, capsys):
    code, out, err = call(capsys, *words)
    assert code == 2 and err.startswith("wsss-nb: error: ") and err.count("\n") == 1 and said in err, err


def contents(folder): return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "segment.json"}
def areas(folder): return list(csv.DictReader(open(folder/"areas.csv", newline="")))


@pytest.fixture
def quick(monkeypatch):
    slow = makers.segment_names
    monkeypatch.setattr(makers, "segment_names", lambda image, meanings, settings, nets: slow(image, meanings, QUICK, nets))


@pytest.fixture
def photos(tmp_path):
    for name, f in (("cat", photographs.chelsea), ("cup", photographs.coffee)): write_image(tmp_path/"photos"/f"{name}.jpg", f()[::2, ::2])
    return tmp_path/"photos"


@pytest.fixture
def scenes(tmp_path):
    for n, s in zip("abc", make_scenes(3, seed=1, start=4)[0]): write_image(tmp_path/"scenes"/f"{n}.png", s)
    return tmp_path/"scenes"


CPU = ("--device", "cpu", "--workers", "1")


# ---- names

def test_a_cat(photos, tmp_path, capsys):
    "One picture at the real settings: most of the cat, and the whole record."
    code, out, err = call(capsys, photos/"cat.jpg", "--names", "cat", "--out", tmp_path/"out", "--steps", *CPU)
    assert code == 0 and f"{tmp_path/'out'}: 1 made, 0 there already, 0 failed" in out
    M = read_mask(tmp_path/"out"/"cat.png", 1)
    assert M.shape == (150, 226) and .5 < (M == 1).mean() < .95 and M[70:110, 60:130].all()
    assert read_image(tmp_path/"out"/"overlays"/"cat.jpg").shape == (150, 226, 3)
    assert read_image(tmp_path/"out"/"steps"/"cat.png").shape[1] > 1000
    background, cat = areas(tmp_path/"out")
    assert (cat["file"], cat["class"], int(cat["pixels"])) == ("cat.jpg", "cat", (M == 1).sum()) and float(cat["probability"]) > .8
    record = read_json(tmp_path/"out"/"segment.json")
    assert record["classes"] == ["cat"] and record["decides"]["names"] == ["cat"] and record["names"]["cat"]["classes"] == list(range(281, 288))
    assert record["init"]["sha256"] == record["decides"]["weights"] and record["decides"]["alpha"] == SegmentSettings().alpha
    assert "torch" in record["versions"] and "ImageNet" in record["supervision"] and record["photographs"].endswith("cat.jpg")


def test_a_folder_goes_on_and_is_the_same_twice(photos, tmp_path, capsys, quick):
    words = ("--names", "cat", "--names", "cup", *CPU)
    assert call(capsys, photos, *words, "--out", tmp_path/"a")[0] == 0
    first = contents(tmp_path/"a")
    code, out, _ = call(capsys, photos, *words, "--out", tmp_path/"a")
    assert code == 0 and "0 made, 2 there already" in out and contents(tmp_path/"a") == first
    (tmp_path/"a"/"cup.png").unlink()
    assert "1 made, 1 there already" in call(capsys, photos, *words, "--out", tmp_path/"a")[1] and contents(tmp_path/"a") == first
    assert call(capsys, photos, "--names", "cat,cup", *CPU, "--out", tmp_path/"b")[0] == 0  # the same words otherwise
    assert contents(tmp_path/"b") == first
    write_image(tmp_path/"other"/"cup.jpg", photographs.rocket()[::2, ::2])
    refused("the mask of another cup.jpg", tmp_path/"other", *words, "--out", tmp_path/"a", capsys=capsys)
    write_image(photos/"new.jpg", photographs.rocket()[::2, ::2])
    assert "1 made, 2 there already" in call(capsys, photos, *words, "--out", tmp_path/"a")[1]
    refused("names cat, cup (asked for: cat)", photos, "--names", "cat", *CPU, "--out", tmp_path/"a", capsys=capsys)
    refused("leave_out 0.1 (asked for: 0.0)", photos, *words, "--all-names", "--out", tmp_path/"a", capsys=capsys)
    refused("by names (asked for: the masking run)", photos, "--run", "sample", *CPU, "--out", tmp_path/"a", capsys=capsys)
    assert [r["class"] for r in areas(tmp_path/"a") if r["file"] == "cup.jpg"] == ["background", "cat", "cup"]
    assert set(np.unique(read_mask(tmp_path/"a"/"cup.png"))) <= {0, 2}  # the cat is left out


def test_what_is_not_there(photos, tmp_path, capsys, quick):
    code, _, err = call(capsys, photos/"cup.jpg", "--names", "airliner", "--out", tmp_path/"out", *CPU)
    assert code == 0 and "cup.jpg: the classifier sees little of “airliner” (< 0.1 %); its likeliest: espresso" in err
    assert (tmp_path/"out"/"cup.png").exists()


def test_a_bad_file_is_named_and_the_rest_is_done(photos, tmp_path, capsys, quick):
    whole = (photos/"cat.jpg").read_bytes()
    (photos/"broken.jpg").write_bytes(whole[:len(whole)//2])
    (photos/"empty.png").touch()
    code, out, err = call(capsys, photos, "--names", "cat", "--out", tmp_path/"out", *CPU)
    assert code == 1 and "2 made, 0 there already, 2 failed" in out
    assert "broken.jpg: truncated" in err and "empty.png: the file is empty" in err
    assert sorted(p.stem for p in (tmp_path/"out").glob("*.png")) == ["cat", "cup"]


def test_likeliest_names_and_guesses(photos, tmp_path, capsys, quick):
    code, out, _ = call(capsys, photos, "--out", tmp_path/"out", *CPU)
    said = out.splitlines()
    assert code == 0 and re.match(r"cat.jpg: Egyptian cat \d\d %, ", said[0]) and said[1].startswith("cup.jpg: espresso") and "no masks were made" in said[2]
    assert not (tmp_path/"out").exists()
    assert call(capsys, photos, "--guess", "--out", tmp_path/"out", *CPU)[0] == 0
    assert (tmp_path/"out"/"classes.txt").read_text() == "Egyptian cat\nespresso\n"
    assert "0 made, 2 there already" in call(capsys, photos, "--guess", "--out", tmp_path/"out", *CPU)[1]
    (photos/"bad.jpg").touch()
    code, out, err = call(capsys, photos, *CPU)
    assert code == 1 and "bad.jpg: the file is empty" in err and "cat.jpg: Egyptian cat" in out


def test_a_dataset_gives_the_names(tmp_path, capsys, quick):
    own = tmp_path/"own"
    for n, f in (("a", photographs.chelsea), ("b", photographs.astronaut)): write_image(own/"images"/f"{n}.jpg", f()[::3, ::3])
    (own/"labels.csv").write_text("file,labels\na.jpg,cat;person\nb.jpg,person\n")
    code, out, err = call(capsys, own, "--out", tmp_path/"out", *CPU)
    assert code == 0 and "1 made, 0 there already, 0 failed, 1 without a name that ImageNet knows" in out
    assert err.count("knows no people") == 1 and "b.jpg: ImageNet knows none of its names (person): no mask" in err
    assert (tmp_path/"out"/"classes.txt").read_text() == "cat\nperson\n" and not (tmp_path/"out"/"b.png").exists()
    assert read_json(tmp_path/"out"/"segment.json")["decides"]["names"] == "of the labels"


def test_samples(tmp_path, capsys, monkeypatch, quick):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "samples", *CPU)
    assert code == 0 and "masks/samples: 6 made" in out
    found = {p.stem: read_mask(p, 6) for p in (tmp_path/"masks"/"samples").glob("*.png")}
    assert set().union(*(np.unique(m).tolist() for m in found.values())) == set(range(7))  # each has a class of its own


@pytest.mark.parametrize("names,said", [("cat,cat", "mean the same"), ("dog,animal", "contains"), ("qwertyuiop", "no class of ImageNet"), ("person", "knows no people"), ("cat,", "a name is empty")])
def test_bad_names(photos, tmp_path, capsys, names, said):
    refused(said, photos, "--names", names, "--out", tmp_path/"out", capsys=capsys)
    assert not (tmp_path/"out").exists()


def test_bad_places(photos, tmp_path, capsys):
    (tmp_path/"file").touch()
    refused("is a file: name a folder", photos, "--names", "cat", "--out", tmp_path/"file", capsys=capsys)
    refused("among the photographs", photos, "--names", "cat", "--out", photos, capsys=capsys)
    refused("no such file or folder", tmp_path/"none", "--names", "cat", capsys=capsys)
    refused("name a picture", capsys=capsys)
    (tmp_path/"overlays").mkdir()
    write_image(tmp_path/"overlays"/"cat.jpg", photographs.chelsea()[::6, ::6])
    refused("among the photographs", tmp_path/"overlays", "--names", "cat", "--out", tmp_path, capsys=capsys)
    (tmp_path/"out").mkdir()
    (tmp_path/"out"/"cat.png").write_text("of somebody else")
    refused("not of this command", photos, "--names", "cat", "--out", tmp_path/"out", capsys=capsys)
    assert (tmp_path/"out"/"cat.png").read_text() == "of somebody else"


def test_contradictions(photos, capsys):
    refused("give one of the two", photos, "--names", "cat", "--run", "sample", capsys=capsys)
    refused("belong to --run", photos, "--names", "cat", "--crf", capsys=capsys)
    refused("--onnx writes the segmenter of a run", photos, "--names", "cat", "--onnx", "x.onnx", capsys=capsys)
    refused("must be numbers with commas", photos, "--run", "sample", "--scales", "1,big", capsys=capsys)
    refused("0.05 … 8", photos, "--run", "sample", "--scales", "0", *CPU, capsys=capsys)
    refused("--steps tells", photos, "--run", "sample", "--steps", capsys=capsys)


def test_list(capsys):
    code, out, _ = call(capsys, "--list", "espresso")
    assert code == 0 and out == "espresso  #967\nespresso maker  #550\n"
    assert len(call(capsys, "--list")[1].splitlines()) > 1500
    refused("no class of ImageNet", "--list", "qwertyuiop", capsys=capsys)


def test_equal_stems(tmp_path, capsys, quick):
    for n in ("a.jpg", "a.png"): write_image(tmp_path/"in"/n, photographs.chelsea()[::4, ::4])
    assert call(capsys, tmp_path/"in", "--names", "cat", "--out", tmp_path/"out", *CPU)[0] == 0
    assert sorted(p.name for p in (tmp_path/"out").glob("*.png")) == ["a.jpg.png", "a.png.png"]
    assert {r["file"] for r in areas(tmp_path/"out")} == {"a.jpg", "a.png"}


def test_a_very_long_picture(tmp_path, capsys):
    write_image(tmp_path/"in"/"wide.jpg", np.tile(photographs.chelsea()[::3, ::3], (1, 130, 1))[:, :20_000//2])
    write_image(tmp_path/"in"/"wider.png", np.zeros((4, 20_000, 3), np.uint8))
    code, out, err = call(capsys, tmp_path/"in", "--run", "sample", "--out", tmp_path/"out", *CPU)
    assert code == 0, err
    assert read_mask(tmp_path/"out"/"wider.png").shape == (4, 20_000)


# ---- a run

def test_a_run_and_its_record(scenes, tmp_path, capsys):
    code, out, _ = call(capsys, scenes, "--run", "sample", "--scales", "1,0.75", "--flip", "--crf", "--out", tmp_path/"out", *CPU)
    assert code == 0 and "3 made" in out
    record, source = read_json(tmp_path/"out"/"segment.json"), read_json(demo_folder("demo-masking")/"run.json")
    assert record["classes"] == source["data"]["classes"]
    assert {k: record["decides"][k] for k in ("scales", "flip", "crf")} == dict(scales=[1, .75], flip=True, crf=True)
    run = record["run"]
    assert (run["method"], run["seed"], run["supervision"], run["data"]) == (source["method"], source["seed"], source["supervision"], source["data"])
    assert run["sha256"] == (demo_folder("demo-masking")/"segmenter"/"model.safetensors.sha256").read_text().split()[0]
    for row in areas(tmp_path/"out"): assert row["probability"] == "" and row["class"] in ("background", *record["classes"])
    assert "0 made, 3 there already" in call(capsys, scenes, "--run", "sample", "--scales", "1+0.75", "--flip", "--crf", "--out", tmp_path/"out", *CPU)[1]
    refused("crf True (asked for: False)", scenes, "--run", "sample", "--scales", "1,.75", "--flip", "--out", tmp_path/"out", *CPU, capsys=capsys)


def test_runs_that_are_none(scenes, tmp_path, capsys):
    refused("no such folder", scenes, "--run", tmp_path/"none", capsys=capsys)
    refused("holds no run.json", scenes, "--run", scenes, capsys=capsys)
    refused("name `sample`", scenes, "--run", demo_folder(), capsys=capsys)


def test_onnx(scenes, tmp_path, capsys):
    code, out, _ = call(capsys, scenes, "--run", "sample", "--onnx", tmp_path/"net.onnx", "--out", tmp_path/"out", *CPU)
    difference = float(re.search(r"opset 18, 1\.\d MB; on 3 pictures its probabilities differ from the original's by at most (\S+)", out)[1])
    assert code == 0 and 0 < difference < 1e-4 and (tmp_path/"net.onnx").exists() and "3 made" in out
    code, out, _ = call(capsys, "--run", "sample", "--onnx", tmp_path/"alone.onnx")
    assert code == 0 and "on 3 pictures" in out and (tmp_path/"alone.onnx").exists()
    refused("ends in .onnx", "--run", "sample", "--onnx", tmp_path/"net.pt", capsys=capsys)


def test_onnx_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("wsss_nb.apply.find_spec", lambda name: None)
    refused("ONNX needs onnx and onnxruntime: pip install onnx onnxruntime", "--run", "sample", "--onnx", tmp_path/"net.onnx", capsys=capsys)


def test_ctrl_c_and_on(scenes, tmp_path):
    "Ended by Ctrl-C in the middle, with worker processes: no half files, one line, and the same command goes on."
    for k in range(17): (scenes/f"more{k}.png").write_bytes((scenes/"a.png").read_bytes())
    words = [sys.executable, "-c", "import sys; from wsss_nb.cli import main; sys.exit(main(sys.argv[1:]))", "segment", scenes, "--run", "sample", "--crf", "--out", tmp_path/"out", "--device", "cpu"]
    p = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not list((tmp_path/"out").glob("*.png")) and p.poll() is None and time.monotonic() < deadline: time.sleep(.02)
    os.killpg(p.pid, signal.SIGINT)
    _, err = p.communicate(timeout=60)
    assert p.returncode == 130 and "wsss-nb: stopped; run the same command again" in err and "Traceback" not in err, err
    assert not list((tmp_path/"out").rglob("*.tmp*"))
    kept = {r["file"] for r in areas(tmp_path/"out")}
    assert kept <= {f"{q.stem}.png" for q in (tmp_path/"out").glob("*.png")} and len(kept) < 20
    code = cli.main(["segment", str(scenes), "--run", "sample", "--crf", "--out", str(tmp_path/"out"), *CPU])
    assert code == 0 and len(list((tmp_path/"out").glob("*.png"))) == len({r["file"] for r in areas(tmp_path/"out")}) == 20


# ---- the help, and what a run says

def test_help_of_segment(capsys):
    with pytest.raises(SystemExit): cli.main(["segment", "--help"])
    out = capsys.readouterr().out
    for word in ("--names", "--guess", "--run", "--onnx", "--steps", "--list", "samples"): assert word in out


def test_a_run_ends_by_saying_this_command(tmp_path, capsys, monkeypatch):
    import wsss_nb.runs, wsss_nb.report
    monkeypatch.setattr(wsss_nb.runs, "run_method", lambda *a, **k: None)
    monkeypatch.setattr(wsss_nb.report, "write_report", lambda out: f"{out}/report.html")
    for method, says in (("clustering", True), ("superpixels", False)):
        assert cli.main(["run", method, "--data", "scenes", "--out", str(tmp_path/"mine")]) == 0
        assert (f"new photographs: wsss-nb segment FOLDER --run {tmp_path/'mine'}" in capsys.readouterr().out) == says
