"""Calls for masks: what contradicts itself, where masks go, what is refused before any work, and guesses."""
from pathlib import Path

import numpy as np
import pytest
from skimage import data as photographs

import wsss_nb.masks as masks
import wsss_nb.mask_makers as makers
from wsss_nb.core import ParameterError, read_json
from wsss_nb.images import write_image
from wsss_nb.masks import Request, default_out, segment_folder
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.mask_folder import Made
from wsss_nb.photos import Photograph


@pytest.mark.parametrize("fields,said", [(dict(names=("cat",), run="x"), "give one of the two"), (dict(guess=True, names=("cat",)), "without --names or --run"), (dict(guess=True, run="x"), "without --names"),
                                         (dict(steps=True, run="x"), "--steps"), (dict(flip=True), "belong to --run"), (dict(scales=(1,)), "belong to --run"), (dict(batch=2), "belong to --run"),
                                         (dict(all_names=True), "which are missing"), (dict(workers=-1), "at least one process")])
def test_contradictions(fields, said):
    with pytest.raises(ParameterError, match=said): Request(**fields)


def test_default_folder():
    assert default_out("photos/holiday 2024", Request()) == Path("masks/holiday-2024")
    assert default_out("cat.jpg", Request(run="runs/mine/")) == Path("masks/cat-mine")
    assert default_out("/", Request()) == Path("masks/photographs")


def test_names_are_refused_before_weights_are_loaded(tmp_path, monkeypatch):
    write_image(tmp_path/"cat.png", photographs.chelsea()[::4, ::4])
    monkeypatch.setattr(makers, "load_segmenter", lambda device: pytest.fail("weights were loaded"))
    makers._nets.cache_clear()
    for names in (("cat", "cat"), ("dog", "animal"), ("qwertyuiop",)):
        with pytest.raises(ParameterError): segment_folder(tmp_path/"cat.png", tmp_path/"out", Request(names=names, device="cpu"))
    (tmp_path/"file").touch()
    with pytest.raises(ParameterError, match="is a file"): segment_folder(tmp_path/"cat.png", tmp_path/"file", Request(names=("cat",), device="cpu"))
    assert not (tmp_path/"out").exists()


def test_where_nothing_could_be_made_nothing_is_left(tmp_path):
    (tmp_path/"note.jpg").write_text("no picture")
    result = segment_folder(tmp_path/"note.jpg", tmp_path/"out", Request(names=("cat",), device="cpu", workers=1))
    assert (result.made, len(result.errors)) == (0, 1) and not (tmp_path/"out").exists()


def test_only_of_a_single_picture_unlikely_names_are_told(tmp_path, capsys):
    write_image(tmp_path/"in/cat.png", photographs.chelsea()[::2, ::2])
    for path, told in (("in/cat.png", True), ("in", False)):
        segment_folder(tmp_path/path, tmp_path/f"out-{told}", Request(names=("cat", "cup"), device="cpu", overlays=False))
        assert ("leave it out if it is not there" in capsys.readouterr().err) == told
    assert set(np.unique(read_mask(tmp_path/"out-False/cat.png"))) == {0, 1}


def test_guessed_classes_keep_their_ids(tmp_path, monkeypatch):
    "A folder that gets another photograph; what it shows comes behind the classes that are there."
    guesses = dict(a="dog", b="airliner", c="bird")
    monkeypatch.setattr(masks, "likeliest_names", lambda todo, device, n: ((p, [(guesses[p.name], .5)], "") for p in todo))
    monkeypatch.setattr(makers.ByNames, "make", lambda self, photo, image: Made(np.full(image.shape[:2], self.classes.index(photo.words[0]) + 1, np.uint8), {}))
    for n in "bc": write_image(tmp_path/"in"/f"{n}.png", photographs.chelsea()[::9, ::9])
    request = Request(guess=True, device="cpu", workers=1)
    segment_folder(tmp_path/"in", tmp_path/"out", request)
    write_image(tmp_path/"in"/"a.png", photographs.chelsea()[::9, ::9])
    result = segment_folder(tmp_path/"in", tmp_path/"out", request)
    assert (result.made, result.there) == (1, 2)
    assert read_json(tmp_path/"out"/"segment.json")["classes"] == ["airliner", "bird", "dog"]
    assert [read_mask(tmp_path/"out"/f"{n}.png").max() for n in "abc"] == [3, 1, 2]
    assert (tmp_path/"out"/"classes.txt").read_text() == "airliner\nbird\ndog\n"


def test_more_guesses_than_a_mask_has_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(masks, "likeliest_names", lambda todo, device, n: ((Photograph(str(k), todo[0].path), [(f"#{k}", .5)], "") for k in range(255)))
    write_image(tmp_path/"in"/"a.png", photographs.chelsea()[::9, ::9])
    with pytest.raises(ParameterError, match="room for 254"): segment_folder(tmp_path/"in", tmp_path/"out", Request(guess=True, device="cpu"))
