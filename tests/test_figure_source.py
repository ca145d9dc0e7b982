"What figures are drawn from: a run's own files where it has them, else made now by its networks."
import shutil

import numpy as np
import pytest
from PIL import Image

from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.figure_source import open_source
from wsss_nb.artefacts import demo_folder


@pytest.fixture(scope="module")
def source(): return open_source()


def two_pictures(root):
    "A dataset that is no scenes, of two pictures"
    (root/"images").mkdir()
    for k, name in enumerate("ab"): Image.new("RGB", (40, 30), (90*k, 80, 60)).save(root/"images"/f"{name}.png")
    (root/"labels.csv").write_text("file,labels\na.png,cat\nb.png,dog\n")
    return open_source(str(root))


@pytest.fixture(scope="module")
def other(tmp_path_factory): return two_pictures(tmp_path_factory.mktemp("own"))


def test_sample_is_read_and_what_it_lacks_is_made_the_same(tmp_path, source):
    demo, i = demo_folder(), source.pick(1)[0]
    (tmp_path/"classifier").mkdir()
    for f in ("run.json", "classifier/model.safetensors", "classifier/model.safetensors.sha256"): shutil.copy(demo/f, tmp_path/f)
    bare = open_source(run=tmp_path)
    assert np.array_equal(source.seed(i), read_mask(demo/"seeds"/f"{i}.png"))
    assert np.abs(bare.cam(i) - source.cam(i)).max() < .05
    assert (bare.superpixels(i) == source.superpixels(i)).mean() > .95
    assert (bare.seed(i) == source.seed(i)).mean() > .95
    assert source.superpixels(i, tau=.8).max() > source.superpixels(i).max()


def test_predictions(tmp_path, source):
    v = source.pick(1, "val")[0]
    P = source.prediction(v, crf=False, net="masking")
    assert np.array_equal(P, source.softmax(v, "masking").argmax(0)) and source.nets == ["masking"] and source.segmenter is None
    with pytest.raises(RunError, match=r"segmenter/model.safetensors is not there: make it with `wsss-nb run clustering"): source.prediction(v)
    with pytest.raises(RunError, match="segmenter-A1"): source.prediction(v, net="masking-A1")


def test_saliency_follows_the_rules(source):
    i = source.pick(1, of="masking")[0]
    O, R = source.saliency(i, "original"), source.saliency(i)
    assert np.isin(O, (0, 1)).all() and np.isin(R, (0, 1, 255)).all() and (R[O == 0] != 255).all()
    live = source.saliency(source.pick(5)[-1])  # the sample has no map of it
    assert live.shape == O.shape and np.isin(live, (0, 1, 255)).all()


def test_pick(source):
    assert source.pick(4) == source.pick(4) and len(set(source.pick(6))) == 6
    assert set(source.pick(4)) == set(source._runs["run"].data["sample"])
    cats = source.pick(3, "val", classes=["cat"])
    assert all(source.ds.present(i)[source.ds.classes.index("cat")] for i in cats)
    with pytest.raises(DataError, match="only"): source.pick(10**4)


@pytest.mark.parametrize("n", [0, -2])
def test_no_pictures(source, n):
    for ask in (lambda: open_source(n=n), lambda: source.pick(n)):
        with pytest.raises(ParameterError, match=f"it is {n}: give 1 or more"): ask()


def test_wrong_runs(tmp_path, other):
    with pytest.raises(RunError, match="no run.json"): open_source(run=tmp_path)
    with pytest.raises(RunError, match="masking="): open_source(run=demo_folder("demo-masking"))
    with pytest.raises(RunError, match="run="): open_source(masking=demo_folder())
    with pytest.raises(RunError, match="is a run on scenes"): open_source(str(other.ds.root), run=demo_folder())


def test_another_dataset_has_only_the_settings_of_the_sample(other):
    assert other.superpixels("a").shape == (30, 40) and other.tau == .4 and other.nets == []
    for ask in (other.cam, other.seed, lambda i: other.prediction(i, net="masking")):
        with pytest.raises(RunError, match="is of scenes, but the pictures are own"): ask("a")
