"The picture that goes from one explorer to the next, without a browser: what is known of it goes along, and who cannot show it says so."
import io

import numpy as np
import pytest
from PIL import Image

from wsss_nb import feature_choice
from wsss_nb.artefacts import Growth
from wsss_nb.canvas import given
from wsss_nb.carried import carried
from wsss_nb.core import WeightsError
from wsss_nb.explore import AlphaExplorer, BetaExplorer, CrfExplorer, GrowthExplorer, ObjectExplorer, TauExplorer
from wsss_nb.gallery import gallery


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in ("RUN", "DATA", "FEATURES", "WEIGHTS", "CLASSIFIER"): monkeypatch.delenv(f"WSSS_NB_{name}", raising=False)
    monkeypatch.setenv("WSSS_NB_CARRIED", str(tmp_path))
    return tmp_path


def png(shape=(60, 90)):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)).save(out, "PNG")
    return dict(name="mine.png", content=memoryview(out.getvalue()))


def test_what_is_chosen_in_one_is_shown_by_the_next(folder):
    assert TauExplorer().photo.name == "scene: house" and not list(folder.iterdir()), "only what a person chose goes along"
    e = TauExplorer()
    e.names.value = "scene: fish"
    e = AlphaExplorer()
    fish = gallery()["scene: fish"]()
    assert e.photo.name == e.names.value == "scene: fish" and e.photo.drawn
    np.testing.assert_array_equal(given(e.canvas, "gt")[0], fish.mask)
    assert e.present.tolist() == fish.present.tolist()
    assert AlphaExplorer(picture="scene: cat").photo.name == "scene: cat", "who is asked for one picture shows that one"
    assert len(list(folder.iterdir())) == 1


def test_an_upload_goes_along_scaled_down_and_is_listed(folder):
    e = TauExplorer()
    e.try_open(lambda: png((900, 1200)))
    image = e.photo.image
    e = ObjectExplorer()
    assert e.photo.name == e.names.value == "mine.png" and "caled down from 1200×900 to 500×375" in e.status.value
    np.testing.assert_array_equal(given(e.canvas, "image")[0], image)
    assert sum(p.stat().st_size for p in folder.iterdir()) < 10**6
    e.names.value = "scene: car"
    assert TauExplorer().photo.name == "scene: car", "the last one that was chosen"


def test_what_cannot_be_opened_does_not_go_along():
    e = TauExplorer()
    e.try_open(lambda: dict(name="notes.txt", content=b"no picture"))
    assert carried() is None


def test_explorers_of_a_run_say_why_not():
    TauExplorer().try_open(png)
    growth = Growth()
    e = BetaExplorer()
    assert "Mine.png cannot grow here: this run keeps what its segmenter said of these pictures, but no segmenter" in e.status.value
    assert e.photo.name == e.names.value == growth.ids[0]
    e = GrowthExplorer()
    assert "Mine.png is none of the 4 pictures of this run whose seeds were kept" in e.status.value and e.shown == tuple(growth.ids[:3])
    e = CrfExplorer()
    assert e.photo.name == "mine.png" and e.input.value == "superpixels", "superpixels are made of any picture"


def test_a_picture_of_the_run_goes_along():
    "By its id from one explorer of the run to the others, with its truth to those of any picture."
    id = Growth().ids[2]
    e = BetaExplorer()
    e.names.value = id
    assert CrfExplorer().names.value == f"run: {id}" and GrowthExplorer().shown == (id,)
    e = TauExplorer()
    assert e.photo.name == e.names.value == id and e.photo.drawn
    np.testing.assert_array_equal(given(e.canvas, "gt")[0], Growth().mask(id))
    e = CrfExplorer()
    e.names.value = f"run: {Growth().ids[3]}"
    assert BetaExplorer().photo.name == Growth().ids[3]


def test_a_dataset_named_in_python_shows_its_own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder/"images").mkdir()
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder/"images"/"a.png")
    (folder/"labels.csv").write_text("file,labels\na.png,cat\n")
    TauExplorer().try_open(png)
    e = TauExplorer(data=folder)
    assert e.photo.name == "a" and "Mine.png is none of these pictures" in e.status.value


def test_a_picture_whose_weights_are_missing_gives_way(monkeypatch):
    TauExplorer().try_open(png)
    real = feature_choice.load
    def missing(name, *rest):
        if name == "lite0": raise WeightsError("the weights of lite0 are not on this machine")
        return real(name, *rest)
    monkeypatch.setattr(feature_choice, "load", missing)
    e = TauExplorer()
    assert e.photo.name == e.names.value == "scene: house" and "The weights of lite0 are not on this machine" in e.status.value
