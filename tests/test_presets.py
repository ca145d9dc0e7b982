"""Presets and what a run refuses before anything starts."""
import cv2
import pytest
from skimage import data

from wsss_nb import features
from wsss_nb.core import ParameterError
from wsss_nb.datasets import open_dataset
from wsss_nb.parameters import resolve
from wsss_nb.plan import plan, preflight
from wsss_nb.runs import run_method


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    "Four pictures of two photographs, in the layout of an own folder."
    root = tmp_path_factory.mktemp("photographs")
    (root/"images").mkdir()
    rows = []
    for name, image in dict(cat=data.chelsea(), cup=data.coffee()).items():
        for k, view in enumerate((image, image[:, ::-1])):
            cv2.imwrite(str(root/"images"/f"{name}{k}.jpg"), cv2.resize(view, (96, 64))[..., ::-1])
            rows.append(f"{name}{k}.jpg,{name}")
    (root/"labels.csv").write_text("\n".join(["file,labels", *rows]) + "\n")
    return root


def test_light_takes_lite0_in_all_three_places_and_what_is_given_stays(photographs):
    full, changed = resolve("clustering", open_dataset(photographs), dict(preset="light", seg_epochs="3"))
    assert (full["features"], full["cls_net"], full["seg_net"]) == ("lite0", "lite0", "lite0_blocks")
    assert full["tau"] == features.TAU["lite0"]
    assert full["seg_epochs"] == 3 and "seg_epochs" not in changed
    assert full["preset"] == "light"


def test_without_a_preset_photographs_get_the_papers_settings(photographs):
    full, changed = resolve("clustering", open_dataset(photographs))
    assert not changed and (full["features"], full["cls_net"], full["seg_net"]) == ("dino_vitb8", "resnet50", "resnet101")


def test_an_unknown_preset_is_refused(photographs):
    with pytest.raises(ParameterError, match="preset='heavy' must be among"): resolve("clustering", open_dataset(photographs), dict(preset="heavy"))


def test_the_preset_is_printed(photographs, tmp_path):
    said = []
    run_method("clustering", str(photographs), tmp_path/"r", dict(preset="light"), dry_run=True, say=said.append)
    assert said[0].startswith("preset=light overrides") and "features=lite0" in said[0]
    assert not (tmp_path/"r").exists()


@pytest.mark.parametrize("method,first", [("clustering", "t21_classifier"), ("masking", "t10_classifier")])
@pytest.mark.parametrize("classifier", ["imagenet", "mixed"])
def test_the_classifier_of_names_is_a_stage_whose_result_the_others_read(photographs, tmp_path, method, first, classifier):
    full, _ = resolve(method, open_dataset(photographs), dict(preset="light", classifier=classifier))
    preflight(full, str(photographs))
    steps = {s.name: s for s in plan(method, str(photographs), tmp_path, full)}
    assert steps[first].params["classifier"] == classifier
    assert all(s.params.get("classifier", "classifier") == "classifier" for n, s in steps.items() if n != first)


def test_a_class_that_imagenet_does_not_know_is_named(photographs, tmp_path):
    table = photographs/"labels.csv"
    other = tmp_path/"other"
    other.mkdir()
    (other/"images").symlink_to(photographs/"images")
    (other/"labels.csv").write_text(table.read_text().replace("cup1.jpg,cup", "cup1.jpg,cup;person"))
    full, _ = resolve("clustering", open_dataset(other), dict(preset="light", classifier="imagenet"))
    with pytest.raises(ParameterError, match="classifier=imagenet: .*person.*classifier=mixed"): preflight(full, str(other))
    preflight(full | dict(classifier="mixed"), str(other))


def test_names_that_imagenet_knows_none_of_are_refused(photographs, tmp_path):
    (tmp_path/"images").symlink_to(photographs/"images")
    (tmp_path/"labels.csv").write_text((photographs/"labels.csv").read_text().replace(",cat", ",person").replace(",cup", ",face"))
    full, _ = resolve("clustering", open_dataset(tmp_path), dict(preset="light"))
    with pytest.raises(ParameterError, match="classifier=mixed: ImageNet knows none of the classes.*classifier=train"): preflight(full, str(tmp_path))


def test_a_frozen_net_is_run_once_for_each_picture(photographs):
    full, _ = resolve("clustering", open_dataset(photographs), dict(preset="light", train_scales=[1.0, .5]))
    with pytest.raises(ParameterError, match=r"lite0_blocks is run once .* leave train_scales=\[1.0\]"): preflight(full, str(photographs))


def test_a_classifier_that_is_none(photographs):
    full, _ = resolve("clustering", open_dataset(photographs), dict(preset="light", classifier="foo"))
    with pytest.raises(ParameterError, match="classifier=foo must be one of train, imagenet, mixed"): preflight(full, str(photographs))
