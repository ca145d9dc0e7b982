"""A run read back: what was packaged, what is missing, what is kept of it."""
import json
import shutil

import numpy as np
import pytest
import skimage.data

from wsss_nb.artefacts import Growth, Run, demo_folder, trim_run
from wsss_nb.core import RunError
from wsss_nb.gallery import gallery, open_photo
from wsss_nb.growing import grow
from wsss_nb.images import write_image
from wsss_nb.masking import load_judge
from wsss_nb.masks_of_ids import write_mask
from wsss_nb.metrics import seed_quality
from wsss_nb.scenes import CLASSES
from wsss_nb.seeds import initial_seed


@pytest.fixture(scope="module")
def growth(): return Growth()


def test_the_packaged_growth(growth):
    assert len(growth.ids) == 4 and growth.epochs == list(range(7)) and growth.classes == CLASSES and growth.betas == (.7, .7)
    moved = 0
    for id in growth.ids:
        sp, seed, present = growth.sp(id), growth.seed(id), growth.present(id)
        assert growth.image(id).shape[:2] == sp.shape == seed.shape == growth.mask(id).shape and growth.cam(id)[present].max() == 1
        again = initial_seed(growth.cam(id), sp, present, growth.data["parameters"]["alpha"])
        assert (again != seed).mean() < .001  # but for rounding: the CAM on the disk is float16, that of the seed was not
        for e in growth.epochs[1:]:
            grown = grow(seed, growth.softmax(id, e), sp, present, *growth.betas)
            np.testing.assert_array_equal(grown, growth.grown(id, e))
            moved += (grown != seed).sum()
    assert moved
    with pytest.raises(RunError, match="epochs count from 1"): growth.softmax(growth.ids[0], 0)
    with pytest.raises(RunError, match="epoch_09.*is not there"): growth.grown(growth.ids[0], 9)


def test_curves_and_frames(growth):
    id = growth.ids[0]
    c = growth.curves(id)
    for k, e in enumerate(growth.epochs):
        q = seed_quality(growth.grown(id, e), growth.mask(id), 9)
        assert (c["coverage"][k], c["precision"][k]) == (q["coverage"], q["precision"])
    assert c["epoch"] == growth.epochs and len(growth.curves()["labelled"]) == 7
    frames = growth.frames(height=80)
    assert len(frames) == 7 and all(f.shape == frames[0].shape for f in frames) and growth.frames([id], 40)[0].shape[1] == 40


def test_curves_without_truth(growth, monkeypatch):
    monkeypatch.setattr(Growth, "mask", lambda self, id: None)
    c = growth.curves()
    assert np.isnan(c["coverage"]).all() and np.isnan(c["precision"]).all() and 0 < c["labelled"][0] < c["labelled"][-1] <= 1


def test_the_packaged_masking_run():
    r = Run(demo_folder("demo-masking"))
    class Names: name, classes = "scenes", CLASSES
    judge, _ = load_judge(r.file("classifier"), Names)
    assert len(r.ids) == 4 and r.mean.shape == (3,) and 0 < r.mean.min() and r.mean.max() < 255 and r.method == "masking"
    assert all(r.present(i).sum() >= 2 for i in r.ids)
    for kind in ("raw", "original", "refined"): assert all(r.file("saliency", kind, f"{i}.png").is_file() for i in r.ids)
    with pytest.raises(RunError, match="made by masking, where no seed grows"): Growth(r.folder)


def test_packaged_runs_are_small_and_tell_no_paths():
    for name in ("demo", "demo-masking"):
        files = [p for p in demo_folder(name).rglob("*") if p.is_file()]
        assert sum(p.stat().st_size for p in files) < 3.2e6
        record = json.loads((demo_folder(name)/"run.json").read_text())
        assert not {"argv", "stages"} & set(record) and "root" not in record["data"]
        assert '"/' not in json.dumps(record)
    with pytest.raises(RunError, match="no packaged run 'dmeo'"): demo_folder("dmeo")


def test_what_is_no_run_is_named(tmp_path, growth):
    with pytest.raises(RunError, match="is no run: it holds no run.json; make one with `wsss-nb run"): Run(tmp_path)
    with pytest.raises(RunError, match="is no run"): Run(tmp_path/"none")
    (tmp_path/"run.json").write_text("{}")
    with pytest.raises(RunError, match="is not the record of a run"): Run(tmp_path)
    bare = tmp_path/"bare"
    shutil.copytree(growth.folder, bare)
    shutil.rmtree(bare/"segmenter"/"softmax")
    with pytest.raises(RunError, match="holds no segmenter/softmax.*softmax=0; run `wsss-nb run clustering --data scenes"): Growth(bare)
    shutil.rmtree(bare/"segmenter")
    with pytest.raises(RunError, match="holds no segmenter/seeds/epoch_00"): Growth(bare)
    shutil.rmtree(bare/"superpixels")
    with pytest.raises(RunError, match="superpixels is not there"): Run(bare).ids
    with pytest.raises(RunError, match=r"train_00024\.png is not there"): Run(bare).sp("train_00024")


def test_a_run_in_progress_has_the_epochs_that_are_whole(tmp_path, growth):
    run = tmp_path/"run"
    shutil.copytree(growth.folder, run)
    (run/"segmenter"/"softmax"/"epoch_06"/f"{growth.ids[-1]}.npz").unlink()
    g = Growth(run)
    assert g.epochs == list(range(6)) and g.ids == growth.ids


def test_superpixels_of_another_run(tmp_path, growth):
    run = tmp_path/"run"
    shutil.copytree(growth.folder, run)
    shutil.move(run/"superpixels", tmp_path/"elsewhere")
    record = json.loads((run/"run.json").read_text())
    for where in (dict(parameters=record["parameters"] | dict(superpixels=str(tmp_path/"elsewhere"))), dict(stages=dict(t23_growing=dict(params=dict(superpixels=str(tmp_path/"elsewhere")))))):
        (run/"run.json").write_text(json.dumps(record | where))
        np.testing.assert_array_equal(Growth(run).sp(growth.ids[0]), growth.sp(growth.ids[0]))


def test_a_run_on_a_folder(tmp_path, growth):
    "Own pictures: they are read from the dataset, and cannot be packaged."
    data, run, id = tmp_path/"data", tmp_path/"run", growth.ids[0]
    write_image(data/"images"/f"{id}.png", growth.image(id)); write_mask(data/"masks"/f"{id}.png", growth.mask(id))
    (data/"labels.csv").write_text(f"file,labels\n{id}.png,tree\n"); (data/"classes.txt").write_text("\n".join(CLASSES))
    shutil.copytree(growth.folder, run)
    record = json.loads((run/"run.json").read_text())
    (run/"run.json").write_text(json.dumps(record | dict(data=record["data"] | dict(spec=str(data), name="data"))))
    g = Growth(run)
    np.testing.assert_array_equal(g.image(id), growth.image(id)); np.testing.assert_array_equal(g.present(id), growth.present(id))
    assert g.curves(id) == growth.curves(id)
    with pytest.raises(RunError, match="only runs on scenes"): trim_run(run, tmp_path/"to", [id])


def test_trim(tmp_path, growth):
    to = trim_run(growth.folder, tmp_path/"to", growth.ids[1:3])
    small = Growth(to)
    assert small.ids == growth.ids[1:3] and small.epochs == growth.epochs and small.data["sample"] == growth.ids[1:3]
    np.testing.assert_array_equal(small.softmax(small.ids[0], 3), growth.softmax(small.ids[0], 3))
    with pytest.raises(RunError, match="is not empty"): trim_run(growth.folder, to, growth.ids)


def test_trimmed_masking_run_keeps_its_colour(tmp_path):
    source = Run(demo_folder("demo-masking"))
    made = Run(trim_run(source.folder, tmp_path/"to", source.ids[:1]))
    assert made.mean.tolist() == source.mean.tolist() and made.ids == source.ids[:1] and made.file("segmenter", "model.safetensors").is_file()


def test_what_is_drawn_and_what_is_a_photograph(scenes, growth):
    photos = gallery(scenes)
    assert {n: p().drawn for n, p in photos.items() if n in ("scene: car", "cat", scenes.ids()[0])} == {"scene: car": True, "cat": False, scenes.ids()[0]: True}
    assert growth.drawn and growth.photo(growth.ids[0]).drawn and not open_photo(skimage.data.chelsea()).drawn
