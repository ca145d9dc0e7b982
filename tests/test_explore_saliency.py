"Explorer 6, saliency refinement, without a browser."
import io

import numpy as np
import pytest
from PIL import Image

from wsss_nb.cam import SCALE_SETS, multi_scale_cam
from wsss_nb.canvas import given
from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.explore_saliency import SaliencyExplorer, raw_map
from wsss_nb.features import load
from wsss_nb.saliency import SOURCES, binarize, border_saliency, detect, load_detector, objectness, opencv_saliency, refine
from wsss_nb.artefacts import demo_folder
from wsss_nb.gallery import gallery
from wsss_nb.superpixels import superpixels


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in ("WSSS_NB_RUN", "WSSS_NB_DATA"): monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def shown(): return SaliencyExplorer()


def answer(explorer, key): return given(explorer.canvas, key)


def ticked(explorer, *names):
    for i, box in explorer.ticks.boxes.items(): box.value = explorer.classifier.classes[i] in names


def test_every_source_is_the_librarys(shown):
    photo = gallery()["scene: car"]()
    want = [detect(load_detector(), photo.image), border_saliency(superpixels(photo.image, load("mini"), tau=.4), "connectivity"),
            opencv_saliency(photo.image, "spectral"), opencv_saliency(photo.image, "finegrained"), (photo.mask > 0)*1.]
    shown.open_picture(photo)
    for i, S in enumerate(want):
        got, facts = answer(shown, f"raw|method={i}")
        np.testing.assert_array_equal(got, S)
        assert facts["learned"]
    assert len(want) == len(SOURCES) - 1  # all but maps that a dataset brings along


@pytest.mark.parametrize("index, scales", enumerate([(1.,), *SCALE_SETS.values()]))
def test_objectness_of_the_present_classes(shown, index, scales):
    photo = gallery()["scene: car"]()
    shown.open_picture(photo)
    B, _ = answer(shown, f"B|order={index}")
    np.testing.assert_array_equal(B, objectness(multi_scale_cam(shown.classifier, photo.image, scales, merge="max"), photo.present))
    assert B.shape == photo.mask.shape and B.max() == 1


def test_objectness_follows_the_ticks(shown):
    shown.open_picture(gallery()["scene: car"]())
    both, _ = answer(shown, "B|order=0")
    ticked(shown, "cat")
    cat, _ = answer(shown, "B|order=0")
    assert (cat <= both).all() and (cat < both).any()
    ticked(shown)
    with pytest.raises(DataError, match="No class is ticked"): shown.objectness(0)


def test_maps_are_those_of_refine(shown):
    photo = gallery()["scene: car"]()
    shown.open_picture(photo)
    shown.canvas.set_trait("tau1", .6); shown.canvas.set_trait("tau2", .4)
    S, O, B, R = shown.maps()
    np.testing.assert_array_equal(O, binarize(S, .5))
    np.testing.assert_array_equal(R, refine(O, B, .6, .4))
    assert set(np.unique(R)) == {0, 1, 255}
    shown.canvas.set_trait("tau1", .8); shown.canvas.set_trait("tau2", .3)


def test_thresholds_take_each_other_along(shown):
    c = shown.canvas
    c.tau1, c.tau2 = .8, .3
    c.tau1 = .2
    assert (c.tau1, c.tau2) == (.2, .2)
    c.tau2 = .7
    assert (c.tau1, c.tau2) == (.7, .7)
    c.tau1 = .9
    assert (c.tau1, c.tau2) == (.9, .7)
    c.tau2, c.tau1 = .3, .8


def test_truth_as_a_source(shown):
    "Void is known to nobody; a photograph without truth says so, and shows no bars."
    photo = gallery()["scene: car"]()
    mask = photo.mask.copy(); mask[:3] = 255
    shown.open_picture(photo._replace(mask=mask))
    S, _ = answer(shown, "raw|method=4")
    assert (S[:3] == -1).all() and set(np.unique(S[3:])) == {0, 1} and shown.charts[0].layout.display == ""
    shown.open_picture(gallery()["coffee"]())
    with pytest.raises(DataError, match="coffee has no ground truth"): raw_map(shown.photo, 4)
    assert shown.charts[0].layout.display == shown.outline.layout.display == "none" and shown.canvas._make("T") is None
    assert "tick what is there" in shown.status.value and shown.ticks.present.any()


def test_an_upload(shown):
    shown.open_picture(gallery()["scene: car"]())
    old = shown.photo
    shown.try_open(lambda: dict(name="notes.txt", content=b"no picture"))
    assert "notes.txt" in shown.status.value and 'role="alert"' in shown.status.value and shown.photo is old
    raw = io.BytesIO()
    Image.fromarray(np.tile(np.arange(0, 200, 2, dtype=np.uint8), (60, 1))).save(raw, "PNG")  # grey
    shown.try_open(lambda: dict(name="grey.png", content=raw.getvalue()))
    assert shown.photo.image.shape == (60, 100, 3) and "alert" not in shown.status.value
    assert answer(shown, "raw|method=0")[0].shape == (60, 100)


def test_the_run(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="of the method clustering; this explorer looks into one of masking"): SaliencyExplorer(run=demo_folder("demo"))
    with pytest.raises(RunError, match="is no run"): SaliencyExplorer(run=tmp_path)
    with pytest.raises(ParameterError, match="'edges' is unknown"): SaliencyExplorer(source="edges")
    monkeypatch.setenv("WSSS_NB_RUN", str(demo_folder("demo")))
    assert "sample run" in SaliencyExplorer().status.value  # said, and shown all the same


def test_begins_as_the_run_was_made(shown):
    e = SaliencyExplorer(source="spectral")
    assert (e.canvas.order, e.canvas.tau1, e.canvas.tau2, e.canvas.alpha, e.canvas.method) == (0, .8, .3, .5, 2)


def test_still(shown):
    bundle = shown._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert len(data["image/png"]) < 150_000
