"""The explorer of β, without a browser: what it gives the canvas, its map and its table are the library's."""
import re
import shutil

import numpy as np
import pytest

from wsss_nb.cam import compute_cam
from wsss_nb.canvas import given
from wsss_nb.classifier import load_classifier
from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.deeplab import load_deeplab, predict
from wsss_nb.explore import BetaExplorer, GrowthExplorer
from wsss_nb.features import load
from wsss_nb.gallery import gallery
from wsss_nb.growing import grow
from wsss_nb.metrics import seed_quality
from wsss_nb.artefacts import Growth, demo_folder
from wsss_nb.seeds import initial_seed
from wsss_nb.superpixels import superpixels
from wsss_nb.thresholds import taken


@pytest.fixture(scope="module")
def growth(): return Growth()


@pytest.fixture
def explorer(): return BetaExplorer()


def asked(growth, e, epoch):
    id = e.photo.name
    return growth.seed(id), growth.softmax(id, epoch), growth.sp(id), growth.present(id)


def test_the_canvas_gets_what_the_run_kept(explorer, growth):
    c, id = explorer.canvas, growth.ids[0]
    assert explorer.names.options == tuple(growth.ids) and explorer.photo.name == id
    assert (c.beta_bg, c.beta_fg) == growth.betas and c.epoch == growth.epochs[-1]
    classes = np.flatnonzero([True, *growth.present(id)])
    for name, a in dict(image=growth.image(id), gt=growth.mask(id), sp=growth.sp(id), seed=growth.seed(id), ids=classes).items(): np.testing.assert_array_equal(given(c, name)[0], a)
    for epoch in (1, 3): np.testing.assert_array_equal(given(c, f"H|epoch={epoch}")[0], growth.softmax(id, epoch)[classes])
    q = seed_quality(growth.seed(id), growth.mask(id), 9)
    np.testing.assert_array_equal(given(c, "before_true")[0], [[q["coverage"], q["precision"]]])


@pytest.mark.parametrize("measure", ["miou", "coverage", "precision"])
def test_the_map_is_the_quality_of_each_pair(explorer, growth, measure):
    explorer.map.measure.value, explorer.canvas.epoch = measure, 4
    d = explorer.map.chart.data
    for i, j in ((0, 0), (14, 14), (8, 17), (20, 3)):  # background right, foreground up
        L = grow(*asked(growth, explorer, 4), d["x"][i], d["y"][j])
        assert d["z"][j][i] == pytest.approx(seed_quality(L, growth.mask(explorer.photo.name), 9)[measure], abs=1e-5)
    assert d["label"] == {"miou": "mIoU"}.get(measure, measure)


def test_the_table_lists_what_is_taken(explorer, growth):
    c = explorer.canvas
    for epoch, bg, fg in ((6, .7, .7), (2, .3, .5), (6, 1., 1.)):
        c.epoch, c.beta_bg, c.beta_fg = epoch, bg, fg
        rows = taken(*asked(growth, explorer, epoch), bg, fg)
        cells = re.findall(r"<td>(.*?)</td>", explorer.table.value)
        assert explorer.table.value.startswith(f"<b>{len(rows)} superpixels taken") and len(cells) == 4*min(8, len(rows))
        if rows: assert cells[0] == str(rows[0]["superpixel"]) and cells[2] == f"{rows[0]['score']:.3f}" and cells[3] == f"{rows[0]['pixels']:,}"


def test_another_picture(explorer, growth):
    explorer.names.value = growth.ids[-1]
    np.testing.assert_array_equal(given(explorer.canvas, "seed")[0], growth.seed(growth.ids[-1]))
    names = explorer.canvas.panes[1]["hover"][2]["names"]
    assert names == ["background", *np.array(growth.classes)[growth.present(growth.ids[-1])]]


def test_the_thresholds_can_be_tied_and_untied(explorer):
    explorer.linked.value = True
    assert explorer.link is not None
    explorer.linked.value = False
    explorer.linked.value = True


def test_wrong_use(tmp_path, monkeypatch, growth):
    with pytest.raises(RunError, match="holds no run.json"): BetaExplorer(run=tmp_path)
    with pytest.raises(RunError, match="was made by masking"): BetaExplorer(run=demo_folder("demo-masking"))
    with pytest.raises(ParameterError, match=r"epoch must lie in \[1, 6\]"): BetaExplorer(epoch=0)
    with pytest.raises(ParameterError, match="its growth was kept of train_"): BetaExplorer(picture="train_99999")
    monkeypatch.setenv("WSSS_NB_RUN", str(demo_folder("demo-masking")))
    e = BetaExplorer(picture=growth.ids[1], epoch=2)
    assert "was made by masking" in e.status.value and "sample run instead" in e.status.value
    assert e.photo.name == growth.ids[1] and e.canvas.epoch == 2


def test_a_still_for_where_no_kernel_runs(explorer):
    pictures, titles = explorer.still()
    assert len(pictures) == len(titles) == 3 and "epoch 6" in titles[1]


def test_without_a_truth(growth, monkeypatch):
    real = Growth.photo
    monkeypatch.setattr(Growth, "photo", lambda self, id: real(self, id)._replace(mask=None))
    e = BetaExplorer()
    assert "no true mask" in e.map.chart.data["empty"] and given(e.canvas, "gt")[0] is None and given(e.canvas, "before_true")[0] is None
    assert given(e.canvas, "before")[0][0, 0] == (growth.seed(growth.ids[0]) != 255).mean()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    "The sample run with a segmenter: that of the masking sample, which knows the same classes."
    folder = tmp_path_factory.mktemp("learned")/"run"
    shutil.copytree(demo_folder(), folder)
    for p in (demo_folder("demo-masking")/"segmenter").glob("model.safetensors*"): shutil.copy(p, folder/"segmenter")
    return folder


def test_any_picture_is_put_to_the_runs_networks(learned):
    e, scene = BetaExplorer(run=learned), gallery()["scene: car"]()
    assert e.head.upload in e.head.children and e.head.upload not in BetaExplorer().head.children
    assert e.at.layout.display == "" and e.ticks.layout.display == "none"
    e.try_open(lambda: scene)
    run, c = Growth(learned), e.canvas
    sp = superpixels(scene.image, load("mini"), run.data["parameters"]["tau"])
    classifier, segmenter = load_classifier(learned/"classifier"), load_deeplab(learned/"segmenter")
    seed = initial_seed(compute_cam(classifier, scene.image, scene.present, tuple(run.data["parameters"]["cam_scales"])), sp, scene.present, run.data["parameters"]["alpha"])
    H = predict(segmenter, scene.image, (1,))*np.r_[True, scene.present][:, None, None]
    for name, a in dict(image=scene.image, gt=scene.mask, sp=sp, seed=seed, ids=[0, 2, 7]).items(): np.testing.assert_array_equal(given(c, name)[0], a)
    np.testing.assert_array_equal(given(c, f"H|epoch={c.epoch}")[0], H[[0, 2, 7]])
    assert e.table.value.startswith(f"<b>{len(taken(seed, H, sp, scene.present, *run.betas))} superpixel")
    assert e.at.layout.display == "none" and e.ticks.layout.display == "", "of this network there is no earlier epoch"
    boxes = [b for b in e.ticks.boxes.values() if b.value]
    boxes[0].value = False
    assert len(given(c, "ids")[0]) == 2
    boxes[1].value = False
    with pytest.raises(DataError, match="No class is ticked"): given(c, "seed")
    assert "No class is ticked" in e.map.chart.data["empty"] and e.table.value == ""
    e.names.value = run.ids[0]
    np.testing.assert_array_equal(given(c, "seed")[0], run.seed(run.ids[0]))
    assert e.at.layout.display == "" and e.ticks.layout.display == "none"


def test_a_photograph_only_where_the_run_can_know_it(learned, monkeypatch):
    e, cat = BetaExplorer(run=learned), gallery()["cat"]()
    e.try_open(lambda: cat)
    assert "cat cannot grow here: this run has seen drawn scenes only" in e.status.value and "bad" in e.status.value and e.photo.name == e.growth.ids[0]
    monkeypatch.setattr(Growth, "drawn", False)
    e.try_open(lambda: cat)
    assert e.photo.name == "cat" and "its own guess is taken: tick what is there" in e.status.value
    assert given(e.canvas, "seed")[0].shape == cat.image.shape[:2] and any(b.value for b in e.ticks.boxes.values())


def test_where_the_run_left_nothing_open(growth, monkeypatch):
    "Then the seed is that of the activation maps, and growth says that there is none."
    monkeypatch.setattr(Growth, "seed", lambda self, id: np.zeros_like(Growth.mask(self, id)))
    e, id = BetaExplorer(), growth.ids[0]
    assert "This run's own seeds had grown before the training and left nothing open" in e.status.value
    p = growth.data["parameters"]
    np.testing.assert_array_equal(given(e.canvas, "seed")[0], initial_seed(growth.cam(id), growth.sp(id), growth.present(id), p["alpha"]))
    assert "seeds had grown before the training and left nothing open to grow into" in GrowthExplorer().status.value


def test_large_photographs_of_a_run_are_scaled_down_with_all_that_is_known_of_them(growth, monkeypatch):
    def large(a, k=4): return np.repeat(np.repeat(a, k, -2), k, -1)
    real = {name: getattr(Growth, name) for name in ("photo", "seed", "grown", "sp", "softmax")}
    def photo(self, id):
        p = real["photo"](self, id)
        return p._replace(image=np.moveaxis(large(np.moveaxis(p.image, 2, 0)), 0, 2), mask=large(p.mask))
    monkeypatch.setattr(Growth, "photo", photo)
    monkeypatch.setattr(Growth, "mask", lambda self, id: self.photo(id).mask)
    for name in ("seed", "grown", "sp", "softmax"): monkeypatch.setattr(Growth, name, lambda self, *a, name=name: large(real[name](self, *a)))
    e = BetaExplorer()
    for name in ("gt", "sp", "seed"): assert given(e.canvas, name)[0].shape == (500, 500)
    assert given(e.canvas, "image")[0].shape == (500, 500, 3) and given(e.canvas, "H|epoch=6")[0].shape[1:] == (500, 500)
    e = GrowthExplorer(ids=growth.ids[:1])
    assert given(e.canvas, "grown0")[0].shape == (7, 500, 500) == (7, *given(e.canvas, "sp0")[0].shape)
