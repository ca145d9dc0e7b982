"What the explorer of superpixels computes, without a browser; and what all explorers do with pictures."
import datetime
import io

import numpy as np
import pytest
from PIL import Image

from wsss_nb.canvas import given
from wsss_nb.core import DataError, WeightsError
from wsss_nb.explore import AlphaExplorer, TauExplorer
from wsss_nb.features import load
from wsss_nb.metrics import superpixel_quality
from wsss_nb.gallery import gallery
from wsss_nb.superpixels import discover, ncut, superpixels


@pytest.fixture(scope="module")
def explorer(): return TauExplorer(picture="scene: boat")


def ask(e, key): return given(e.canvas, key)


@pytest.mark.parametrize("tau", [-.5, 0., .3, .77, 1.])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_superpixels_are_the_librarys(explorer, tau, order):
    L, meta = ask(explorer, f"sp|tau={tau}|order={order}|crf=0")
    want = ncut(explorer.group.f, tau) if order == 2 else discover(explorer.group.f, tau, ["low", "high"][order])
    assert (L.ravel() == want).all() and meta["count"] == want.max() + 1
    pixels = explorer.group.pixels(tau, ["low", "high", "ncut"][order], False)
    assert meta["ue"] == superpixel_quality(pixels, explorer.photo.mask)["ue"]


def test_with_the_crf_they_are_those_of_the_command(explorer):
    L, meta = ask(explorer, "sp|tau=0.3|order=0|crf=1")
    assert L.shape == (160, 160) and (L == superpixels(explorer.photo.image, load("mini"), .3)).all()
    assert meta["count"] == L.max() + 1


def test_each_superpixel_began_in_itself(explorer):
    L, _ = ask(explorer, "sp|tau=0.5|order=0|crf=0")
    origin, _ = ask(explorer, "origin|tau=0.5|order=0")
    assert [L[y*20//160, x*20//160] for x, y, _ in origin.tolist()] == list(range(L.max() + 1))
    assert origin[0, 2] == explorer.group.degree().min() and explorer.canvas._make("origin|tau=0.5|order=2") is None


@pytest.mark.parametrize("method,name", enumerate(["SLIC", "SEEDS", "LSC", "Felzenszwalb"]))
def test_a_conventional_method_at_a_like_count(explorer, method, name):
    L, meta = ask(explorer, f"other|method={method}|count=20")
    assert L.shape == (160, 160) and meta["other"] == L.max() + 1 and meta["method_name"] == name and meta["other_asa"] > .5


def test_other_features_and_those_whose_weights_are_missing(monkeypatch):
    e = TauExplorer(picture="scene: boat")
    e.features.value = "rgb"
    assert ask(e, "sp|tau=0.9|order=0|crf=0")[0].shape == (20, 20) and e.extractor.name == "rgb" and "8 pixels" in e.status.value
    def missing(name): raise WeightsError("no weights of dino_vitb8 here")
    monkeypatch.setattr("wsss_nb.feature_choice.load", missing)
    e.features.value = "dino_vitb8"
    assert e.features.value == "rgb" == e.extractor.name and "no weights" in e.status.value and "bad" in e.status.value


def photograph(mode, size=(90, 60)):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).convert(mode).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "1", "I;16"])
def test_pictures_of_every_kind(explorer, mode):
    explorer.open_picture(dict(name="mine.png", content=memoryview(photograph(mode))))
    assert explorer.photo.image.shape == (60, 90, 3) and explorer.photo.mask is None and explorer.canvas._make("gt") is None


def test_a_large_picture_is_scaled_down_and_said(explorer):
    explorer.open_picture(np.zeros((4000, 6000, 3), np.uint8))
    assert explorer.photo.image.shape == (333, 500, 3) and "6000×4000" in explorer.status.value and "500×333" in explorer.status.value


def test_an_upload_that_is_no_image_leaves_the_old_one(explorer):
    explorer.open_picture(gallery()["scene: car"]())
    before, sent = explorer.photo, explorer.canvas._versions["image"]
    explorer.head.upload.value = ({"name": "notes <b>.txt", "type": "text/plain", "size": 5, "content": memoryview(b"hello"), "last_modified": datetime.datetime(2026, 1, 1)},)
    assert explorer.photo is before and explorer.canvas._versions["image"] == sent
    assert "notes &lt;b>.txt" in explorer.status.value and "image" in explorer.status.value and "bad" in explorer.status.value


def test_choosing_from_the_list(explorer):
    explorer.names.value = "scene: fish"
    assert explorer.photo.name == "scene: fish" and explorer.canvas.classes[5] == "fish" and "bad" not in explorer.status.value


def upload(e, name, content): e.head.upload.value = ({"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": datetime.datetime(2026, 1, 1)},)


def test_an_upload_is_listed_and_can_be_chosen_again(explorer):
    explorer.names.value = "scene: car"
    upload(explorer, "mine.png", photograph("RGB"))
    mine = explorer.photo
    assert explorer.names.value == "mine.png" and mine.image.shape == (60, 90, 3)
    explorer.names.value = "scene: car"
    assert explorer.photo.name == "scene: car"
    explorer.names.value = "mine.png"
    assert explorer.photo is mine
    upload(explorer, "broken.png", b"no image")
    assert explorer.names.value == "mine.png" and "broken.png" in explorer.status.value and "broken.png" not in explorer.names.options


@pytest.fixture
def boats(tmp_path):
    "An own folder with classes of its own: a boat, and what no classifier of scenes knows"
    for d in ("images", "masks"): (tmp_path/d).mkdir()
    for name in "ab": Image.fromarray(gallery()["scene: boat"]().image).save(tmp_path/"images"/f"{name}.png")
    mask = np.zeros((160, 160), np.uint8)
    mask[:20], mask[30:] = 1, 2
    Image.fromarray(mask).save(tmp_path/"masks"/"a.png")
    (tmp_path/"labels.csv").write_text("file,labels\na.png,anchor;boat\nb.png,anchor\n")
    return tmp_path


def test_a_dataset_is_opened_on_its_own_first_picture(boats):
    e = TauExplorer(data=boats)
    assert e.photo.name == "b" == e.names.value and e.canvas.classes == ["background", "anchor", "boat"]


def test_labels_are_matched_with_the_classifiers_classes_by_name(boats):
    e = AlphaExplorer(data=boats, picture="a")
    assert e.model.classes == ("boat",) and e.canvas.classes == ["background", "boat", "anchor"]
    assert e.present.tolist() == [True] and set(np.unique(e.new.gt)) == {0, 1, 2}, "each label keeps its part of the mask"
    assert "abelled anchor as well, which ImageNet's classifier does not know" in e.status.value
    e.names.value = "b"
    assert "does not know the label anchor, so its own guess is taken" in e.status.value and e.new.gt is None
    assert e.canvas.classes[-1] == "anchor" and len(e.model.classes) == 8 and e.present.sum() >= 1


def test_the_still_is_a_small_png_beside_the_widget(explorer):
    import base64
    bundle = explorer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    png = base64.b64decode(data["image/png"])
    assert Image.open(io.BytesIO(png)).size[0] > 500 and len(png) < 150_000


def test_ncut_has_no_order_to_be_painted_in():
    e = TauExplorer(picture="scene: boat")
    e.fill.index = 3
    for order, n in ((2, 3), (1, 4)):
        e.canvas.order = order
        assert len(e.fill.options) == n and e.fill.index == 0
    e.fill.index = 2
    e.canvas.order = 2
    assert e.fill.value == "any colour"


def test_wrong_use():
    with pytest.raises(DataError, match="nowhere"): TauExplorer(data="nowhere")
    with pytest.raises(DataError, match="holiday.jpg"): TauExplorer(picture="holiday.jpg")
    with pytest.raises(ValueError, match="unknown"): TauExplorer(features="dino_vitz")
    with pytest.raises(ValueError, match="must lie in"): TauExplorer(tau=3)
    with pytest.raises(DataError, match="a picture is a path"): TauExplorer(picture=99)
