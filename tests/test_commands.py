"The words for many runs, for two, for masks made anywhere, and for figures: what is printed, what is refused, exit codes."
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wsss_nb import cli, notebook_commands
from wsss_nb.core import read_json, write_json
from wsss_nb.datasets import open_dataset
from wsss_nb.masks_of_ids import write_labels, write_mask

DATA = "scenes:train=6,val=4"


def call(capsys, *words):
    code = cli.main([str(w) for w in words])
    return code, *capsys.readouterr()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, home): monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words, said", [
    (["sweep", "clustering"], "empty grid"), (["sweep", "clustering", "alhpa=0.3"], "'alhpa' is unknown"), (["sweep", "clustering", "alpha"], "name=value"), (["sweep", "clustering", "alpha=0.3", "alpha=0.4"], "alpha=a,b"),
    (["sweep", "growing", "alpha=0.3"], "method 'growing' is unknown"), (["sweep", "clustering", "seed=0", "--timeout", "soon"], "is no time"), (["sweep", "clustering", "seed=0", "--workers", "-1"], "must not be negative"),
    (["sweep", "clustering", "seed=0", "--scheduler", "tcp://127.0.0.1:9", "--slurm"], "give one of them"), (["sweep", "clustering", "seed=0", "--data", "nowhere"], "nowhere"),
    (["reproduce", "table-3.9"], "choose from 3.1"), (["reproduce", "table-3.6", "--data", "voc"], "wsss-nb data get voc"), (["reproduce", "table-3.6", "--seeds", "a"], "whole numbers"), (["reproduce", "table-3.6", "--root", "x"], "needs none"),
    (["reproduce", "table-3.6", "tua=0.3", "--data", DATA], "(did you mean tau?); `wsss-nb params clustering` lists them\n"), (["reproduce", "table-3.6", "tau=0.3", "--data", DATA], "tau is what Table 3.6 varies"), (["sweep", "clustering", "seed=0", "--data", "scenes:train=0"], "nothing to learn from"),
    (["evaluate", "--data", DATA, "--pred", "x", "--table", "t.xlsx"], "must end in .md or .csv"), (["evaluate", "--data", DATA, "--pred", "x", "--table", "no/t.md"], "there is no folder"), (["evaluate", "--data", DATA, "--pred", "x", "--voc-archive", "a.zip"], "is not VOC"),
    (["evaluate", "--data", DATA, "--pred", "=x"], "NAME=FOLDER"), (["figures", "1.2", "--n", "0"], "at least 1"), (["status"], "no sweep below runs/"), (["status", "nowhere"], "no such folder"), (["resume", "nowhere"], "no such folder"), (["explain", "a", "b"], "a"), (["where", "nowhere"], "nowhere"),
    (["evaluate", "--data", DATA], "--pred DIR, or --run RUN"), (["evaluate", "--data", DATA, "--pred", "nowhere"], "nowhere"), (["evaluate", "--data", DATA, "--pred", "x", "--scales", "1"], "needs --run"),
    (["refine", "--seeds", "nowhere", "--superpixels", "x", "--out", "y"], "is not a folder"), (["figures", "3.21"], "no figure 3.21"), (["figures", "1.1", "--run", "nowhere"], "nowhere")])
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(capsys, words, said):
    code, out, err = call(capsys, *words)
    err = err.split("\r")[-1].lstrip()  # what a bar left behind, where scenes were drawn first
    assert code == 2 and err.startswith("wsss-nb: error: ") and err.count("\n") == 1 and said in err, err
    assert not os.listdir(".")


def test_a_dry_run_prints_the_plan_and_writes_nothing(capsys):
    code, out, err = call(capsys, "sweep", "clustering", "alpha=0.3,0.4", "seed=0,1", "--data", DATA, "--dry-run")
    assert code == 0 and "4 runs on scenes" in out and "1 stages for     4 runs" in out and "clustering,alpha=0.4,seed=1" in out and not Path("runs").exists()
    code, out, err = call(capsys, "reproduce", "table-3.7", "3.8", "--data", DATA, "--seeds", "0", "--dry-run", "seg_epochs=1")
    assert code == 0 and "22 runs" in out and "1 stages for    22 runs" in out and "β_fg = 0.8, β_bg = 0.5" in out and not Path("runs").exists()


@pytest.mark.parametrize("where, said", [(["--scheduler", "foo"], "tcp://host:8786"), (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers"), (["--slurm"], "Slurm is not to be found")])
def test_a_place_that_is_not_there_leaves_nothing_behind(capsys, where, said):
    words = [f"{k}={v}" for k, v in dict(cls_net="small", seg_net="small").items()]
    code, out, err = call(capsys, "sweep", "clustering", "seed=0", "--data", DATA, *words, *where)
    assert code == 2 and said in err and err.count("\n") == 1 and not os.listdir(".")


def test_a_dry_run_says_what_a_start_would_be_refused_for(capsys):
    code, out, err = call(capsys, "sweep", "clustering", "seed=0", "--data", DATA, "features=dino_vitb8", "features_weights=gone.safetensors", "--dry-run")
    assert code == 1 and "it could not start" in err and "gone.safetensors" in err and not os.listdir(".")


def test_a_run_that_cannot_start_says_so_before_any_plan(capsys):
    call(capsys, "run", "masking", "--data", DATA, "--out", "x", "--dry-run")  # the scenes are drawn, so that no bar is in the way
    code, out, err = call(capsys, "run", "masking", "--data", DATA, "--out", "x", "superpixels=/nowhere")
    assert code == 2 and not out and "/nowhere" in err and err.count("\n") == 1


def test_params_says_what_its_columns_are_and_what_replaces_them(capsys):
    code, out, _ = call(capsys, "params", "superpixels")
    first = out.splitlines()[0]
    assert code == 0 and first.startswith("parameter ") and "preset=light" in first and "`wsss-nb run superpixels … --dry-run`" in first


def test_a_single_run_is_kept_out_of_a_sweep(capsys, tmp_path):
    write_json(tmp_path/"s/sweep.json", dict(data="scenes", stages={}, runs={}))
    for out in ("s", "s/clustering,seed=0"):
        code, said, err = call(capsys, "run", "clustering", "--data", DATA, "--out", out)
        assert code == 2 and "belongs to the sweep" in err and os.listdir("s") == ["sweep.json"]


def test_table_3_1_needs_no_run(capsys):
    code, out, err = call(capsys, "reproduce", "table-3.1")
    assert code == 0 and "argmin" in out


def test_status_does_not_import_torch(tmp_path):
    write_json(tmp_path/"runs/a/sweep.json", dict(data="scenes", stages=dict(x=dict(name="t", makes="m", key="k", needs=[])), runs=dict(r=dict(method="toy", params={}, seed=0, stages=["x"]))))
    code = "import sys; from wsss_nb.cli import main; code = main(['status']); assert 'torch' not in sys.modules; sys.exit(code)"
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert r.returncode == 0 and "1 run: 1 queued" in r.stdout, r.stderr


@pytest.fixture(scope="module")
def masks(tmp_path_factory, home):
    "Predictions that are the truth, but for one picture that is all background."
    ds, d = open_dataset(DATA), tmp_path_factory.mktemp("masks")
    for n, i in enumerate(ds.ids("val")): write_mask(d/"good"/f"{i}.png", ds.mask(i)*(n > 0))
    for i in ds.ids("train"):
        write_labels(d/"sp"/f"{i}.png", ds.mask(i).astype(np.int32))
        seed = np.where(np.random.default_rng(0).random(ds.mask(i).shape) < .6, ds.mask(i), 255).astype(np.uint8)
        write_mask(d/"seeds"/f"{i}.png", seed)
    return d


def test_evaluate_scores_names_and_exports(capsys, masks):
    code, out, err = call(capsys, "evaluate", "--data", DATA, "--pred", f"mine={masks/'good'}", "--pred", masks/"good", "--table", "t.csv", "--coco", "r.json", "--fiftyone", "fo")
    assert code == 0 and "mine" in out and "mIoU" in out and "No pixel in prediction or truth of" in out, err
    assert Path("t.csv").read_text().startswith("class,mine,good") and json.loads(Path("r.json").read_text()) and Path("fo").is_dir()


def test_refine_fills_and_judges(capsys, masks):
    code, out, err = call(capsys, "refine", "--seeds", masks/"seeds", "--superpixels", masks/"sp", "--out", "clean", "--data", DATA)
    assert code == 0 and "6 written" in out and "100.0" in out, err  # superpixels that are the truth make perfect seeds
    code, out, err = call(capsys, "refine", "--seeds", masks/"seeds", "--superpixels", masks/"sp", "--out", "clean", "--data", DATA)
    assert "0 written, 6 there already" in out


def test_the_packaged_samples_are_explained_and_judged(capsys):
    from wsss_nb.artefacts import demo_folder
    code, out, err = call(capsys, "explain", demo_folder(), demo_folder("demo-masking"))
    assert code == 0 and "method" in out and "mIoU" in out, err
    code, out, err = call(capsys, "where", demo_folder())
    assert code in (0, 1) and "expected %" in out and "segmenter" in out, err


def test_a_figure_is_drawn_with_all_that_belongs_to_it(capsys):
    from wsss_nb.figures import read_provenance
    code, out, err = call(capsys, "figures", "1.2", "--out", "drawn")
    assert code == 0 and {p.name for p in Path("drawn").glob("f1_2.*")} == {"f1_2.png", "f1_2.pdf", "f1_2.svg", "f1_2.md"}, err
    assert read_provenance("drawn/f1_2.png")["figure"] == "1.2"
    before = Path("drawn/f1_2.png").stat().st_mtime_ns
    code, out, err = call(capsys, "figures", "1.2", "--out", "drawn", "--missing")
    assert code == 0 and "0 figures drawn" in out and Path("drawn/f1_2.png").stat().st_mtime_ns == before


def test_a_figure_that_fails_is_named_and_the_others_are_drawn(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(notebook_commands, "_draw", lambda nb, p, to: "ValueError: no ink" if "f1_2" in nb.name else "")
    code, out, err = call(capsys, "figures", "1.1", "1.2", "--out", "drawn")
    assert code == 1 and "figure 1.2: ValueError: no ink" in err and "1 figure drawn, 1 failed" in out
