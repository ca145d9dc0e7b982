"""The two ways to a mask, from names and by a run; guesses; many at once."""
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data as photographs

import wsss_nb.mask_makers as makers
from wsss_nb.apply import ApplySettings, open_run
from wsss_nb.images import write_image
from wsss_nb.names import understand
from wsss_nb.mask_folder import Output
from wsss_nb.photos import Photograph
from wsss_nb.scenes import make_scenes
from wsss_nb.segment_settings import SegmentSettings
from wsss_nb.mask_makers import ByNames, ByRun, decides, likeliest_names, make_all, origin, percent

QUICK = SegmentSettings(sides=(192,), flip=False, crf=False, side=192)


def way(*words, **fields): return ByNames({w: understand(w) for w in words}, words, settings=QUICK, **fields)


@pytest.fixture(scope="module")
def cat(): return photographs.chelsea()


@pytest.fixture(scope="module")
def run(): return open_run("sample")


@pytest.fixture
def scenes(tmp_path):
    for n, s in zip("abcde", make_scenes(5, seed=3)[0]): write_image(tmp_path/"in"/f"{n}.png", s[:, :120] if n in "bd" else s)
    return [Photograph(p.stem, p) for p in sorted((tmp_path/"in").iterdir())]


def made(work, out, todo, **kw): return {d.photo.name: d for d in make_all(work, Output(out), todo, **kw)}


# ---- names

def test_ids_are_those_of_all_classes(cat):
    work = way("cup", "boat", "cat")
    m = work.make(Photograph("a", Path("a.jpg"), ("cat",)), cat)
    assert set(np.unique(m.mask)) == {0, 3} and list(m.probability) == [3] and m.ids == (3,) and not m.note
    assert m.mask.shape == cat.shape[:2] and m.steps.names == ("cat",)


def test_doubt(cat):
    m = way("airliner").make(Photograph("a", Path("a.jpg"), ("airliner",)), cat)
    assert m.note.startswith("the classifier sees little of “airliner” (< 0.1 %); its likeliest: Egyptian cat ") and m.mask.any()


def test_unlikely_names_are_left_out_of_a_picture(cat):
    photo = Photograph("a", Path("a.jpg"), ("cat", "airliner"))
    m = way("cat", "airliner", leave_out=.05).make(photo, cat)
    assert m.ids == (1,) and sorted(m.probability) == [1, 2] and not m.note
    believed = way("cat", "airliner").make(photo, cat)
    assert believed.ids == (1, 2) and "“airliner”" in believed.note and "“cat”" not in believed.note


def test_equal_names_are_all_kept(cat):
    m = way("tabby", "tiger cat", leave_out=.1).make(Photograph("a", Path("a.jpg"), ("tabby", "tiger cat")), cat)
    assert m.ids == (1, 2)


def test_what_decides():
    a, b = way("cat"), way("cat", "dog")
    assert decides(a)["names"] == ["cat"] and decides(a) != decides(b) and decides(a)["sides"] == [192] and len(decides(a)["weights"]) == 64
    assert decides(way("cat", device="cpu")) == decides(a) != decides(way("cat", leave_out=.05))
    assert origin(b)["names"]["dog"]["classes"][:2] == (151, 152) and "ImageNet" in origin(b)["supervision"]


def test_guesses(tmp_path):
    write_image(tmp_path/"cat.png", photographs.chelsea())
    (tmp_path/"bad.jpg").write_text("no picture")
    found = list(likeliest_names([Photograph(p.stem, p) for p in (tmp_path/"cat.png", tmp_path/"bad.jpg")], n=2))
    assert found[0][1][0][0] == "Egyptian cat" and len(found[0][1]) == 2 and not found[0][2]
    assert not found[1][1] and "bad.jpg" in found[1][2]


def test_a_name_of_many_classes_needs_more():
    work = way("cat", "dog", leave_out=.1)  # 7 and 118 classes
    assert work.kept(dict(cat=.07, dog=.11)) == ("cat",) and work.kept(dict(cat=.07, dog=.12)) == ("cat", "dog")
    assert work.kept(dict(cat=0., dog=0.)) == ("cat", "dog")


def test_a_name_far_less_likely_than_another_is_left_out():
    "Of few classes, so that its mean would do; one name stays whatever happens."
    work = way("cat", "dog", leave_out=.1)
    assert work.kept(dict(cat=.0019, dog=.1)) == ("dog",) and work.kept(dict(cat=.012, dog=.1)) == ("cat", "dog")
    assert work.kept(dict(cat=.0199, dog=1.)) == ("dog",)


def test_an_unlikely_name_of_a_single_picture_is_told_and_kept(cat):
    photo = Photograph("a", Path("a.jpg"), ("cat", "cup"))
    told, silent = (way("cat", "cup", tell=t).make(photo, cat) for t in (True, False))
    assert (told.mask == silent.mask).all() and told.ids == (1, 2)
    assert told.note.startswith("“cup” (") and "is much less likely than “cat” (" in told.note and told.note.endswith(": leave it out if it is not there")
    horse = SimpleNamespace(doubt=dict(horse=.11, cow=.04, dog=.02), probabilities=np.eye(1000)[339])
    assert way("horse", "cow", "dog", tell=True).note(horse) == "“cow” (4.0 %), “dog” (2.0 %) are much less likely than “horse” (11 %): leave out what is not there"
    many = SimpleNamespace(doubt=dict(dog=.56, cow=.08), probabilities=None)  # dog is 118 classes, so its mean is lower
    assert not way("dog", "cow", tell=True).note(many)
    assert not way("horse", "zebra", tell=True).note(SimpleNamespace(doubt=dict(horse=.4, zebra=.3), probabilities=None))


@pytest.mark.parametrize("p,said", [(0, "< 0.1 %"), (.0009, "< 0.1 %"), (.001, "0.1 %"), (.0999, "10.0 %"), (.1, "10 %"), (1, "100 %")])
def test_percent(p, said): assert percent(p) == said


# ---- runs

def test_a_run_decides_by_its_weights(run):
    said = decides(ByRun(run, ApplySettings(scales=(1, .5))))
    assert said["by"] == "the masking run" and said["weights"] == run.sha256 and said["scales"] == [1, .5] and said["classes"][0] == "boat"
    about = origin(ByRun(run))
    assert about["run"]["data"]["name"] == "scenes" and about["run"]["seed"] == 0 and about["supervision"] == run.record["supervision"]


@pytest.mark.parametrize("batch,workers", [(2, 1), (3, 2)])
def test_many_ways_of_working_give_the_same_bytes(run, scenes, tmp_path, batch, workers):
    (tmp_path/"in"/"bad.jpg").write_text("no picture")
    scenes = [*scenes[:2], Photograph("bad", tmp_path/"in"/"bad.jpg"), *scenes[2:]]
    plain, other = made(ByRun(run), tmp_path/"plain", scenes, workers=1), made(ByRun(run, batch=batch), tmp_path/"other", scenes, workers=workers)
    assert plain.keys() == other.keys() and "bad.jpg" in other["bad"].error and plain["a"].rows == other["a"].rows
    files = sorted(p.relative_to(tmp_path/"plain") for p in (tmp_path/"plain").rglob("*.*"))
    assert len(files) == 10
    for f in files: assert (tmp_path/"plain"/f).read_bytes() == (tmp_path/"other"/f).read_bytes()


def test_a_file_that_cannot_be_written(run, scenes, tmp_path, monkeypatch):
    def full(*a): raise OSError(28, "No space left on device")
    monkeypatch.setattr(makers, "write_made", full)
    found = made(ByRun(run), tmp_path/"out", scenes[:2], workers=1)
    assert all("No space left" in d.error and str(d.photo.path) in d.error for d in found.values())
