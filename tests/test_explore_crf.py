"""The explorer of the CRF, without a browser: what it shows is the library's answer for the numbers on the sliders."""
import time

import numpy as np
import pytest

from wsss_nb.canvas import given
from wsss_nb.core import RunError
from wsss_nb.crf import crf_from_labels, dense_crf
from wsss_nb import explore_crf
from wsss_nb.explore_crf import CrfExplorer
from wsss_nb.features import load
from wsss_nb.metrics import ConfusionMatrix, superpixel_quality
from wsss_nb.artefacts import Growth, demo_folder
from wsss_nb.superpixels import superpixels


@pytest.fixture
def explorer(monkeypatch):
    monkeypatch.delenv("WSSS_NB_RUN", raising=False)
    return CrfExplorer()


@pytest.fixture(scope="module")
def growth(): return Growth()


def softmax(growth, id, epoch):
    "Of background and present classes, to a sum of 1; their ids"
    H, ids = growth.softmax(id, epoch), np.flatnonzero([True, *growth.present(id)])
    H = H[ids].clip(1e-6)
    return H/H.sum(0), ids


def test_the_usual_values_are_the_librarys(explorer, growth):
    e, id = explorer, growth.ids[0]
    assert e.names.value == f"run: {id}" and [v for _, v in e.input.options] == [6, 3, 1, "superpixels"]
    H, ids = softmax(growth, id, 6)
    after, facts = given(e.canvas, "after")
    np.testing.assert_array_equal(given(e.canvas, "before")[0], ids[H.argmax(0)])
    np.testing.assert_array_equal(after, ids[dense_crf(growth.image(id), H).argmax(0)])
    np.testing.assert_array_equal(given(e.canvas, "sure")[0], H.max(0))
    m = ConfusionMatrix(9).update(after, growth.mask(id))
    assert facts["miou_after"] == m.miou() and facts["right_after"] == f"{100*m.precision():.1f} %" and facts["iterations"] == 10
    assert e.chart.data["names"][0] == "IoU background" and e.chart.data["series"][1]["values"] == pytest.approx(m.iou()[np.isfinite(m.iou())], abs=1e-5)


@pytest.mark.parametrize("numbers", [dict(sxy1=9, w1=6), dict(sxy2=20, srgb=5, w2=20), dict(iters=1)])
def test_each_number_reaches_the_crf(explorer, growth, numbers):
    e, id = explorer, growth.ids[0]
    usual = given(e.canvas, "after")[0]
    for k, v in numbers.items(): e.knobs[k].value = v
    v = dict(sxy1=3, w1=3, sxy2=80, srgb=13, w2=10, iters=10) | numbers
    H, ids = softmax(growth, id, 6)
    after = given(e.canvas, "after")[0]
    np.testing.assert_array_equal(after, ids[dense_crf(growth.image(id), H, v["iters"], (v["sxy1"], v["w1"]), (v["sxy2"], v["srgb"], v["w2"])).argmax(0)])
    e.reset()
    assert (after != usual).any() and (given(e.canvas, "after")[0] == usual).all()


def test_superpixels_are_those_of_the_command(explorer):
    e = explorer
    assert e.knobs["gt_prob"].layout.display == e.knobs["tau"].layout.display == "none"
    e.input.value = "superpixels"
    assert e.knobs["tau"].layout.display == "" and e.knobs["iters"].value == 20
    I, extractor = e.photo.image, load("mini")
    before, after = superpixels(I, extractor, crf=False), given(e.canvas, "after")[0]
    np.testing.assert_array_equal(given(e.canvas, "before")[0], before)
    np.testing.assert_array_equal(np.unique(after, return_inverse=True)[1].reshape(after.shape), superpixels(I, extractor))
    assert given(e.canvas, "after")[1]["ue_after"] == superpixel_quality(after, e.photo.mask)["ue"] and e.canvas._make("sure") is None
    e.knobs["tau"].value, e.knobs["gt_prob"].value = .6, .4
    before = superpixels(I, extractor, .6, crf=False)
    np.testing.assert_array_equal(given(e.canvas, "after")[0], crf_from_labels(I, before, gt_prob=.4))


def test_earlier_epochs(explorer, growth):
    explorer.input.value = 1
    H, ids = softmax(growth, growth.ids[0], 1)
    np.testing.assert_array_equal(given(explorer.canvas, "before")[0], ids[H.argmax(0)])


def test_one_turn_of_a_knob_is_computed_once(explorer, monkeypatch):
    calls, clean_up = [], explore_crf.clean_up
    monkeypatch.setattr(explore_crf, "clean_up", lambda *args: calls.append(1) or clean_up(*args))
    explorer.knobs["w1"].value = 5
    for name in ("before", "after", "sure", "changed", "difference"): given(explorer.canvas, name)
    assert len(calls) == 1


def test_what_is_mended_and_spoiled_makes_the_gain(explorer):
    share = lambda k: float(given(explorer.canvas, "after")[1][k].removesuffix(" %"))
    assert share("right_after") - share("right") == pytest.approx(share("mended") - share("spoiled"), abs=.21)


def test_a_photograph_has_superpixels_only_and_no_truth(explorer):
    e = explorer
    e.names.value = "cat"
    assert [v for _, v in e.input.options] == ["superpixels"]
    e.knobs["iters"].value = 2
    facts = given(e.canvas, "after")[1]
    assert "empty" in e.chart.data and "ue" not in facts and facts["count"] == given(e.canvas, "before")[0].max() + 1 and e.canvas.legend == []
    e.names.value = next(iter(e.pictures))
    assert (e.input.value, e.knobs["iters"].value) == ("superpixels", 2), "what was looked at stays"
    e.input.value = 6
    assert e.knobs["iters"].value == 10, "labels of the other kind have values of their own"


def test_a_slow_answer_moves_a_bar(explorer):
    seen = []
    explorer.answers.bar.observe(lambda change: seen.append((explorer.answers.bar.layout.visibility, change["new"])), "value")
    explorer.answers.step(time.perf_counter(), 3)
    assert not seen and explorer.answers.bar.layout.visibility == "hidden"
    explorer.answers.step(time.perf_counter() - 1, 4)
    assert seen == [("visible", .4)]
    explorer.turned()
    given(explorer.canvas, "after")
    explorer.knobs["iters"].value = 3
    given(explorer.canvas, "after")
    assert explorer.answers.bar.layout.visibility == "hidden"


def test_runs_that_do_not_fit(monkeypatch, tmp_path):
    with pytest.raises(RunError, match="run.json"): CrfExplorer(run=tmp_path)
    with pytest.raises(RunError, match="masking"): CrfExplorer(run=demo_folder("demo-masking"))
    monkeypatch.setenv("WSSS_NB_RUN", str(demo_folder("demo-masking")))
    e = CrfExplorer()
    assert "masking" in e.status.value and "sample run" in e.status.value and e.growth.folder == demo_folder()
