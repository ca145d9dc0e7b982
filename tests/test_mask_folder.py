"""A folder of masks: rows, files, going on, refusals."""
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb.core import DataError, ParameterError
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.mask_folder import Ledger, Made, Output, area_rows, check_folders, check_out, check_same, finished, write_made
from wsss_nb.photos import Photograph

CLASSES = ("cat", "dog, hot")


@pytest.fixture
def image(): return photographs.chelsea()[::3, ::3]


@pytest.fixture
def made(image):
    L = np.zeros(image.shape[:2], np.uint8)
    L[20:80, 30:90] = 2
    small = L[::2, ::2]
    steps = SimpleNamespace(photograph=image, names=("dog, hot",), activation=(small > 0)[None].astype(np.float32), superpixels=small.astype(np.int32), seed=small//2, grown=small//2, mask=L//2)
    return Made(L, {2: .75}, steps=steps, ids=(2,))


@pytest.fixture
def photo(tmp_path):
    (tmp_path/"in").mkdir()
    (tmp_path/"in"/"a.jpg").touch()
    return Photograph("a", tmp_path/"in"/"a.jpg")


def fill(out, photo, image, made):
    ledger = Ledger(out.folder)
    ledger.begin(dict(decides=dict(by="names")), CLASSES)
    write_made(out, photo.name, image, made, CLASSES)
    ledger.add(area_rows(photo.path.name, made, CLASSES))
    ledger.write()


def test_all_files(tmp_path, photo, image, made):
    out = Output(tmp_path/"out", steps=True)
    fill(out, photo, image, made)
    assert sorted(str(p.relative_to(out.folder)) for p in out.folder.rglob("*.*")) == ["a.png", "areas.csv", "classes.txt", "overlays/a.jpg", "segment.json", "steps/a.png"]
    assert (read_mask(out.folder/"a.png", 2) == made.mask).all()
    assert (out.folder/"classes.txt").read_text() == "cat\ndog, hot\n"
    assert (out.folder/"areas.csv").read_text().splitlines()[2] == f'a.jpg,"dog, hot",3600,{3600/made.mask.size:.6f},0.7500,'
    assert Ledger(out.folder).rows["a.jpg"][1]["class"] == "dog, hot"


def test_masks_only(tmp_path, photo, image, made):
    fill(Output(tmp_path/"out", overlays=False), photo, image, made)
    assert not (tmp_path/"out"/"overlays").exists()


def test_shares_sum_to_one(made): assert abs(sum(float(r["share"]) for r in area_rows("a", made, CLASSES)) - 1) < 1e-5


def test_a_class_that_is_none(made):
    with pytest.raises(DataError, match="class 2, but there are 1"): area_rows("a", made, ("cat",))


def test_finished(tmp_path, photo, image, made):
    out = Output(tmp_path/"out")
    assert not finished(out, Ledger(out.folder), photo)
    fill(out, photo, image, made)
    assert finished(out, Ledger(out.folder), photo)
    assert not finished(Output(tmp_path/"out", steps=True), Ledger(out.folder), photo)
    os.utime(photo.path, (2e9, 2e9))  # the photograph is another since
    assert not finished(out, Ledger(out.folder), photo)


def test_without_its_areas_it_is_not_finished(tmp_path, photo, image, made):
    out = Output(tmp_path/"out")
    fill(out, photo, image, made)
    (out.folder/"areas.csv").unlink()
    assert not finished(out, Ledger(out.folder), photo)


def test_rows_are_written_now_and_then(tmp_path, made):
    ledger = Ledger(tmp_path, every=0)
    ledger.add(area_rows("b.jpg", made, CLASSES))
    ledger.add(area_rows("a.jpg", made, CLASSES))
    assert [f for f in Ledger(tmp_path).rows] == ["a.jpg", "b.jpg"]  # by name


def test_where_nothing_was_made_nothing_is_left(tmp_path):
    (tmp_path/"c").mkdir()
    (tmp_path/"c"/"mine.txt").touch()
    for name in ("a/b", "c"):
        ledger = Ledger(tmp_path/name)
        ledger.begin(dict(decides={}), ["dog"])
        ledger.remove()
        assert [p.name for p in tmp_path.rglob("*")] == ["c", "mine.txt"]


@pytest.mark.parametrize("new,said", [(dict(names=["dog"]), "names cat (asked for: dog)"), (dict(alpha=.5), "alpha 0.7 (asked for: 0.5)"), (dict(by="the masking run"), "by names (asked for: the masking run)"),
                                      (dict(weights="b"*64), f"weights {'a'*12} (asked for: {'b'*12})"), (dict(flip=True), "flip none (asked for: True)")])
def test_other_settings(tmp_path, new, said):
    old = dict(by="names", names=["cat"], alpha=.7, weights="a"*64)
    ledger = Ledger(tmp_path)
    ledger.begin(dict(decides=old), ["cat"])
    check_same(Ledger(tmp_path), old)
    with pytest.raises(ParameterError) as e: check_same(Ledger(tmp_path), old | new)
    assert said in str(e.value) and "choose another --out, or delete that folder" in str(e.value) and str(tmp_path) in str(e.value)


def test_a_damaged_record(tmp_path):
    (tmp_path/"segment.json").write_text("{")
    with pytest.raises(ParameterError, match="not valid JSON"): Ledger(tmp_path)


def test_out_is_a_file(tmp_path, photo):
    (tmp_path/"out").touch()
    with pytest.raises(ParameterError, match="is a file: name a folder"): check_out(Output(tmp_path/"out"), [photo])


@pytest.mark.parametrize("below", ["", "overlays", "steps"])
def test_out_would_hit_the_photographs(tmp_path, below):
    with pytest.raises(ParameterError, match="would write among the photographs"): check_out(Output(tmp_path), [Photograph("a", tmp_path/below/"a.jpg")])


def test_somebody_elses_files(tmp_path, photo):
    (tmp_path/"out").mkdir()
    (tmp_path/"out"/"a.png").write_text("mine")
    with pytest.raises(ParameterError, match="not of this command"): check_out(Output(tmp_path/"out"), [photo])
    (tmp_path/"out"/"a.png").rename(tmp_path/"out"/"b.png")
    check_out(Output(tmp_path/"out"), [photo])  # a file that would not be hit is no matter


def test_an_output_folder_in_the_photographs_is_fine(photo): check_out(Output(Path(photo.path.parent/"masks")), [photo])


def test_photographs_of_one_name_from_two_folders(tmp_path, photo, image, made):
    out = Output(tmp_path/"out")
    fill(out, photo, image, made)
    ledger = Ledger(out.folder)
    ledger.record["folders"] = check_folders(Ledger(tmp_path/"new"), [photo])
    assert check_folders(ledger, [photo]) == [str(photo.path.parent)]
    assert len(check_folders(ledger, [Photograph("b", tmp_path/"else"/"b.jpg")])) == 2
    with pytest.raises(ParameterError, match="mask of another a.jpg, from"): check_folders(ledger, [Photograph("a", tmp_path/"else"/"a.jpg")])
