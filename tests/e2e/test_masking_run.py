"A whole run of the masking method on tiny scenes: rows of Table 2.3 as variants, killed in every stage, without a mask that can be read, and each way to ask for the impossible."
import os, shutil, signal

import numpy as np
import pytest
from fastcore.basics import merge
from PIL import Image

from helpers import artefacts, start, wait_for
from wsss_nb.classifier import load_classifier
from wsss_nb.core import DataError, ParameterError, RunError, WeightsError, WsssError, read_json
from wsss_nb.deeplab import save_model, weights_meta
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.parameters import check_parameters
from wsss_nb.plan import plan
from wsss_nb.runs import run_method, run_steps

TINY = dict(seeds=[0], compare=[], jobs=2, threads=1, workers=1, device="cpu", saliency="spectral", threshold=.3, cam_scales=[1.0],
            cls_net="small", cls_init="random", width=8, dilations=[2], cls_epochs=3, cls_batch=4, cls_crop=96, cls_aug_scales=[1.0],
            seg_net="small", seg_init="random", seg_epochs=3, seg_batch=4, seg_crop=96, seg_aug_scales=[1.0],
            train_scales=[1.0], test_scales=[1.0], warmup_epochs=1, freeze_bn=False, loss_stride=4)
OWN = ("classifier", "saliency", "segmenter", "predictions/segmenter", "predictions/segmenter-crf")


def stages(out): return read_json(out/"run.json")["stages"]

def steps_of(data, out, **kw): return {s.name: s for s in plan("masking", str(data), out, merge(check_parameters("masking", TINY), kw))}


@pytest.fixture(scope="module")
def base(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("masking")/"run"
    run_method("masking", str(world), out, TINY | dict(compare=["A1", "A3", "C1"]))
    return out


def test_whole_run(base):
    record, metrics = read_json(base/"run.json"), read_json(base/"metrics.json")
    assert record["status"] == "done" and {s["status"] for s in record["stages"].values()} == {"done"}
    assert list(record["stages"])[-1] == "t30_evaluate" and record["stages"].keys() == {"t10_classifier", "t10_classifier:standard", "t11_saliency", "t11_saliency:truth",
        "t12_masking", "t12_masking:A1", "t12_masking:A3", "t12_masking:C1", "t30_evaluate"}
    assert record["saliency_source"] == "spectral"
    assert record["supervision"] == "image-level labels, and saliency maps (no training: OpenCV's spectral residual); C1: upper bound, sees ground truth"
    assert "upper bound" in record["init"]["saliency-truth"]["source"] and record["init"]["segmenter"]["source"] == "random"
    nets = {"segmenter", "segmenter-A1", "segmenter-A3", "segmenter-C1"}
    assert metrics.keys() == nets | {"saliency", "classifier"} and all(0 <= metrics[n][k]["miou"] <= 1 for n in nets for k in ("plain", "crf"))
    assert metrics["saliency"]["original"]["labelled"] == 1 > metrics["saliency"]["refined"]["labelled"]
    assert record["erasing"].keys() == {"segmenter", "segmenter-A3"}  # those that asked a classifier
    assert {p.name for p in (base/"pictures").iterdir()} >= {"masking.png", "erasing.png", "saliency.png", "dilation.png", "predictions.png"}


def test_what_the_rows_differ_in(base, world):
    "A1 learns from the detector's maps, C1 from the masks; the standard classifier has no dilated blocks; no row is another one's copy."
    assert len(load_classifier(base/"classifier").head) == 2 and len(load_classifier(base/"classifier-standard").head) == 1
    id = sorted((base/"saliency/original").glob("*.png"))[0].name
    truth = np.asarray(Image.open(world/"masks"/id))
    np.testing.assert_array_equal(read_mask(base/"saliency-truth/original"/id), np.where(truth == 255, 255, truth > 0))
    files = artefacts(base, [f"segmenter{v}" for v in ("", "-A1", "-A3", "-C1")])
    assert len(set(files.values())) == len(files) == 4
    rows = {v: [r for r in (base/f"segmenter{v}/log.jsonl").read_text().splitlines()] for v in ("", "-A1", "-A3", "-C1")}
    assert all(len(r) == 3 for r in rows.values()) and {v for v, r in rows.items() if '"attn"' in r[0]} == {"", "-A3"}


def test_report(base, capsys):
    from wsss_nb.report import write_report
    text = write_report(base).read_text(encoding="utf-8")
    assert "Masking: segmenters on held-out pictures" in text and "http://" not in text and "https://" not in text
    said = capsys.readouterr().out
    rows = [line.split()[0] for line in said.split("\n\n")[0].splitlines()[3:-1]]  # the last line says what the numbers are
    assert rows == ["A1", "A3", "A6", "C1"]  # two paths on refined maps is A6


def test_another_row_runs_only_what_is_new(base, world, tmp_path):
    "Also where the run was moved meanwhile; first, what is done is not run again."
    out = shutil.copytree(base, tmp_path/"moved")
    was, before = stages(out), {f: f.stat().st_mtime_ns for f in out.rglob("*") if f.suffix in (".png", ".safetensors")}
    steps = run_method("masking", str(world), out, TINY | dict(compare=["A1", "A3", "C1"]))
    assert all(s.done for s in steps) and stages(out) == was
    run_method("masking", str(world), out, TINY | dict(compare=["A1", "A3", "C1", "A4"]))
    assert {k for k, s in stages(out).items() if s != was.get(k)} == {"t12_masking:A4", "t30_evaluate"}
    assert "segmenter-A4" in read_json(out/"metrics.json")
    assert all(f.stat().st_mtime_ns == t for f, t in before.items() if f.relative_to(out).parts[0] not in ("pictures", "predictions"))


def test_killed_in_every_stage_and_never_a_mask(base, world, tmp_path):
    """SIGKILL to the runner amid each stage's work, on a dataset whose masks cannot even be decoded: what comes out is what an unhurt run makes.

    The evaluation, and it alone, fails for the masks; with the right ones back, it goes on."""
    data, out = shutil.copytree(world, tmp_path/"tiny"), tmp_path/"run"
    for f in (data/"masks").iterdir(): f.write_bytes(os.urandom(100))
    for stage, sign in (("t10_classifier", "classifier/checkpoint.safetensors"), ("t11_saliency", "saliency/refined/*.png"),
                        ("t12_masking", "segmenter/checkpoint.safetensors"), ("t30_evaluate", "predictions/segmenter/*.png")):
        p = start("masking", data, out, TINY)
        wait_for(out, stage, p, sign)
        os.kill(p.pid, signal.SIGKILL); p.wait()
    with pytest.raises(RunError, match="t30_evaluate seed 0 failed: DataError: .*masks"): run_method("masking", str(data), out, TINY)
    assert artefacts(out, OWN) == artefacts(base, OWN)
    shutil.copytree(world/"masks", data/"masks", dirs_exist_ok=True)
    was = stages(out)
    assert all(s.done for s in run_method("masking", str(data), out, TINY))
    assert {k for k, s in stages(out).items() if s != was[k]} == {"t30_evaluate"}
    ours, theirs = (read_json(o/"metrics.json") for o in (out, base))
    assert ours == {k: theirs[k] for k in ours} and ours.keys() == {"segmenter", "saliency", "classifier"}


@pytest.fixture(scope="module")
def outside(base, world, tmp_path_factory):
    "The first two stages on a folder of maps and a trained classifier, both named as seen from where the user stands."
    here = tmp_path_factory.mktemp("outside")
    shutil.copytree(base/"saliency/raw", here/"maps", ignore=shutil.ignore_patterns("*.json")); shutil.copytree(base/"classifier", here/"judge")
    def steps():
        with pytest.MonkeyPatch.context() as m:
            m.chdir(here)
            return {s.name: s for s in run_method("masking", str(world), here/"run", TINY | dict(saliency="maps", classifier="judge", paths=1, seg_epochs=1), dry_run=True)}
    todo = steps()
    run_steps([todo[k] for k in ("t11_saliency", "t12_masking")], 1)
    return here, steps


def test_maps_and_classifier_from_outside(base, outside):
    here, steps = outside
    assert list(steps()) == ["t11_saliency", "t12_masking", "t30_evaluate"] and [s.done for s in steps().values()] == [True, True, False]
    assert artefacts(here/"run", ["saliency"]) == artefacts(base, ["saliency"]) and (here/"run/segmenter/model.safetensors").exists() and not (here/"run/classifier").exists()


def test_a_changed_map_makes_the_stages_run_again(outside):
    here, steps = outside
    changed = sorted((here/"maps").glob("*.png"))[2]
    Image.fromarray(np.full((50, 70), 255, np.uint8)).save(changed)
    assert not any(s.done for s in steps().values())
    run_steps([steps()["t11_saliency"]], 1)
    assert (read_mask(here/"run/saliency/original"/changed.name) == 1).all()


REFUSED = [
    (dict(saliency="dataset"), DataError, "has no saliency maps.*name a detector: builtin, spectral"), (dict(saliency="of others"), DataError, "lacks the saliency maps of 8 of 8 images.*looks like someone.png"),
    (dict(saliency="spectrall"), ParameterError, "unknown"), (dict(saliency="./nowhere"), DataError, "no such folder"), (dict(paths=-1), ParameterError, "paths=-1 must lie between 0"),
    (dict(tau1=.2, tau2=.5), ParameterError, "tau2=0.5 must not exceed tau1=0.2"), (dict(classifier="judge of others"), DataError, "trained for other classes than tiny has: it knows unicorn"),
    (dict(classifier="nowhere"), ParameterError, "no such file or folder"), (dict(compare="plain"), ParameterError, "compare='plain' must be among A1"), (dict(dilations=[0]), ParameterError, "dilations=0"),
    (dict(low="foreground"), ParameterError, "must be among"), (dict(low="none"), ParameterError, "low=none makes no refined maps"), (dict(seg_init="classifier", seg_net="resnet50"), ParameterError, "needs seg_net=small"), (dict(cls_net="small", cls_init="imagenet"), WeightsError, "small")]

@pytest.mark.parametrize("kw, error, match", REFUSED, ids=[str(kw) for kw, *_ in REFUSED])
def test_refused_before_anything_starts(base, world, tmp_path, monkeypatch, kw, error, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"of others").mkdir(); Image.new("L", (9, 9)).save(tmp_path/"of others/someone.png")
    what = weights_meta(base/"classifier/model.safetensors")
    save_model(tmp_path/"judge of others/model.safetensors", load_classifier(base/"classifier"), **what | dict(classes=[*what["classes"][:-1], "unicorn"]))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=match): run_method("masking", str(world), tmp_path/"x", TINY | kw)
    assert sorted(tmp_path.rglob("*")) == before


def test_truth_needs_masks(world, tmp_path):
    bare = shutil.copytree(world, tmp_path/"bare", ignore=shutil.ignore_patterns("masks"))
    with pytest.raises(DataError, match="no masks for 8 of 8"): run_method("masking", str(bare), tmp_path/"x", TINY | dict(saliency="truth"))
    assert not (tmp_path/"x").exists()


def test_keys_follow_what_matters(base, world):
    "What a parameter decides runs again, and nothing else."
    done = lambda **kw: {k for k, s in steps_of(world, base, compare=["A1", "A3", "C1"], **kw).items() if not s.done}
    assert done() == set() and done(workers=3, device="auto") == set()
    assert done(lambda_seg=3.) == {"t12_masking", "t12_masking:A1", "t12_masking:A3", "t12_masking:C1", "t30_evaluate"}
    assert done(paths=3) == {"t12_masking", "t30_evaluate"}
    assert done(test_scales=[1., .5]) == {"t30_evaluate"}
    assert done(tau1=.7) == {"t11_saliency", "t12_masking", "t12_masking:A1", "t12_masking:A3", "t12_masking:C1", "t30_evaluate"} | {"t11_saliency:truth"}


def test_a_classifier_file_will_do(base, world, tmp_path):
    "A trained classifier is a file or a folder, and needs nothing beside its weights."
    for f in ("model.safetensors", "model.safetensors.sha256"): (tmp_path/"judge").mkdir(exist_ok=True); shutil.copy(base/"classifier"/f, tmp_path/"judge"/f)
    steps = {s.name: s for s in run_method("masking", str(world), tmp_path/"run", TINY | dict(classifier=str(tmp_path/"judge/model.safetensors")), dry_run=True)}
    run_steps([steps["t11_saliency"]], 1)
    assert artefacts(tmp_path/"run", ["saliency"]) == artefacts(base, ["saliency"])


@pytest.mark.parametrize("kw, error", [(dict(low="none", maps="saliency/original", compare=["A2"]), ParameterError), (dict(maps="/nowhere"), WsssError), (dict(cam_scales=[]), ParameterError)], ids=str)
def test_impossible_combinations(world, tmp_path, kw, error):
    "Refused at once, not when the stage comes that cannot work."
    with pytest.raises(error): run_method("masking", str(world), tmp_path/"x", TINY | kw, dry_run=True)


def test_rows_that_see_the_truth_need_masks(world, tmp_path):
    bare = shutil.copytree(world, tmp_path/"bare", ignore=shutil.ignore_patterns("masks"))
    with pytest.raises(DataError, match="no masks"): run_method("masking", str(bare), tmp_path/"x", TINY | dict(compare=["C1"]), dry_run=True)


def test_keys_do_not_depend_on_where_the_user_stands(base, world, monkeypatch):
    "Inside the run's folder lies one that is called classifier."
    monkeypatch.chdir(base)
    assert all(s.done for s in steps_of(world, base, compare=["A1", "A3", "C1"]).values())
