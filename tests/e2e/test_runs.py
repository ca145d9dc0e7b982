"A whole run on tiny scenes: through papermill, killed, resumed, and with ground truth replaced by garbage."
import io, os, shutil, signal, subprocess, sys, zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from helpers import artefacts as contents, start, wait_for
from wsss_nb.core import ParameterError, RunError, read_json
from wsss_nb.explore import AlphaExplorer
from wsss_nb.run_maps import RunMaps
from wsss_nb.runs import run_method

TINY = dict(seeds=[0], compare=["plain"], jobs=2, threads=1, features="mini", workers=1, device="cpu",
            cls_net="small", cls_init="random", cls_epochs=2, cls_batch=4, cls_crop=96, cls_aug_scales=[1.0],
            seg_net="small", seg_init="classifier", seg_epochs=2, seg_batch=4, seg_crop=96, seg_aug_scales=[1.0],
            train_scales=[1.0], test_scales=[1.0], warmup_epochs=1, freeze_bn=False)
ARTEFACTS = ("superpixels", "classifier", "cam", "pseudo", "seeds", "segmenter", "segmenter-plain", "predictions")
artefacts = partial(contents, folders=ARTEFACTS)


@pytest.fixture(scope="module")
def base(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("base")/"run"
    run_method("clustering", str(world), out, TINY)
    return out


def test_whole_run(base):
    record, metrics = read_json(base/"run.json"), read_json(base/"metrics.json")
    assert record["status"] == "done" and {s["status"] for s in record["stages"].values()} == {"done"}
    assert all(s["peak_memory_mb"] > 50 and s["seconds"] > 0 for s in record["stages"].values())
    assert record["init"]["superpixels"]["sha256"] and record["supervision"].startswith("image-level labels")
    assert 0 <= metrics["segmenter"]["crf"]["miou"] <= 1 and metrics["seed"]["coverage"] > 0
    names = {Path(a).parts[0] for a in artefacts(base)}
    assert names == set(ARTEFACTS)
    notebooks = {p.stem for p in (base/"notebooks").glob("*.ipynb")}
    assert notebooks == {"t20_superpixels", "t21_classifier", "t22_seeds", "t23_growing", "t23_growing-plain", "t30_evaluate"}


def test_done_is_not_run_again(base, world):
    before = {f: f.stat().st_mtime_ns for f in base.rglob("*.png")}
    steps = run_method("clustering", str(world), base, TINY)
    assert all(s.done for s in steps) and before == {f: f.stat().st_mtime_ns for f in base.rglob("*.png")}


def test_what_the_run_explorer_computes_is_what_the_stages_wrote(base, tmp_path):
    "Without its maps a run gives the same ones again, to the bit; those that were not kept are made by the same calls."
    bare = shutil.copytree(base, tmp_path/"run")
    for name in ("superpixels", "cam", "seeds", "predictions", "segmenter/softmax"): shutil.rmtree(bare/name)
    for p in bare.glob("segmenter/seeds/*/*"): p.unlink()
    kept, made = RunMaps(base), RunMaps(bare)
    for id in made.learned[::4]:
        for name in ("sp", "seed", "grown"): np.testing.assert_array_equal(getattr(made, name)(id)[0], getattr(kept, name)(id)[0])
        H, t = kept.softmax(id)[0], np.array([True, *made.shown(id)[0]])
        np.testing.assert_array_equal(made.softmax(id)[0][t].astype(np.float16), H[t])
        np.testing.assert_array_equal(made.cam(id)[0].astype(np.float16), kept.cam(id)[0])
    for id in made.held: np.testing.assert_array_equal(made.prediction(id)[0], kept.prediction(id)[0])
    assert kept.seed(id)[1] == "computed now with the run's classifier" and kept.prediction(id)[1] == "read from the run"


def test_dry_run_writes_nothing(world, tmp_path):
    said = []
    steps = run_method("clustering", str(world), tmp_path/"x", TINY, dry_run=True, say=said.append)
    assert len(steps) == 6 and sum("run " in s for s in said) == 6 and not (tmp_path/"x").exists()


def test_wrong_parameters_are_refused_before_anything_starts(world, tmp_path):
    with pytest.raises(ParameterError, match="'betta' is unknown"): run_method("clustering", str(world), tmp_path/"x", TINY | dict(betta="0.5"))
    assert not (tmp_path/"x").exists()


def test_a_seed_taken_along_is_made_by_a_run(base, world, tmp_path):
    "The command that the explorer of α gives for another α, pasted into a shell: the same bytes."
    e = AlphaExplorer(run=base, data=str(world), picture=(id := "train_00002"), alpha=.3)
    assert e.take.look()["command"].startswith("wsss-nb run clustering ") and " alpha=0.3" in e.take.text
    env = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    subprocess.run(["bash", "-c", e.take.text], cwd=tmp_path, env=env, check=True, capture_output=True)
    with zipfile.ZipFile(io.BytesIO(e.take.pack())) as z: taken = z.read(f"seeds/{id}.png")
    assert (tmp_path/"again"/"seeds"/f"{id}.png").read_bytes() == taken != (base/"seeds"/f"{id}.png").read_bytes()


def test_report(base, capsys):
    from wsss_nb.report import write_report
    page = write_report(base).read_text()
    assert "data:image/png;base64" in page and "http://" not in page and "https://" not in page
    assert "Segmenters on held-out pictures" in capsys.readouterr().out


def test_two_runners_in_one_folder(base, world):
    from filelock import FileLock
    with FileLock(base/".runner.lock"), pytest.raises(RunError, match="another process"):
        run_method("clustering", str(world), base, TINY)


def test_killed_in_every_stage_and_never_a_mask(base, world, tmp_path):
    """SIGKILL to the runner while each stage is at work, on a dataset whose masks cannot even be decoded: what comes out is what an unhurt run makes, to the bit.

    The evaluation, and it alone, fails for the masks; with the right ones back, the run finishes."""
    data, out = shutil.copytree(world, tmp_path/"tiny"), tmp_path/"run"
    for f in (data/"masks").iterdir(): f.write_bytes(os.urandom(100))
    signs = dict(t20_superpixels="superpixels/*.png", t21_classifier="classifier/checkpoint.safetensors", t22_seeds="seeds/*.png",
                 t23_growing="segmenter/checkpoint.safetensors", t30_evaluate="predictions/segmenter/*.png")
    for stage, sign in signs.items():
        p = start("clustering", data, out, TINY)
        wait_for(out, stage, p, sign)
        os.kill(p.pid, signal.SIGKILL); p.wait()
    with pytest.raises(RunError, match="t30_evaluate seed 0 failed: DataError: .*masks"): run_method("clustering", str(data), out, TINY)
    trained = artefacts(out)
    shutil.copytree(world/"masks", data/"masks", dirs_exist_ok=True)
    steps = run_method("clustering", str(data), out, TINY)
    assert all(s.done for s in steps) and artefacts(out) == artefacts(base) and trained.items() <= artefacts(base).items()


def test_photographs_and_names_alone(world, tmp_path, monkeypatch):
    "No masks, nothing held out, and a folder called like the library where the user stands: masks come out all the same."
    shutil.copytree(world, tmp_path/"mine", ignore=shutil.ignore_patterns("masks", "*.txt", "scenes.json"))
    (tmp_path/"wsss_nb").mkdir()
    monkeypatch.chdir(tmp_path)
    run_method("clustering", "mine", "out", {**TINY, "compare": [], "cls_epochs": 1, "seg_epochs": 1})
    assert len(list((tmp_path/"out/predictions/segmenter").glob("*.png"))) == 12 and not (tmp_path/"out/metrics.json").exists()
    from wsss_nb.report import write_report
    assert "nothing could be scored" in write_report(tmp_path/"out").read_text()


def test_a_failing_stage_says_why(world, tmp_path):
    bad = shutil.copytree(world, tmp_path/"bad")
    victim = sorted((bad/"images").glob("train*"))[3]
    victim.write_bytes(victim.read_bytes()[:-300])
    with pytest.raises(RunError, match=f"t20_superpixels failed: DataError.*{victim.stem}"):
        run_method("clustering", str(bad), tmp_path/"out", {**TINY, "jobs": 1})
    assert read_json(tmp_path/"out/run.json")["stages"]["t20_superpixels"]["status"] == "failed"
