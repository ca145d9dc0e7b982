"Mistakes of people who try it for the first time: each is said where it is made, with what to do."
import numpy as np
import pytest
from PIL import Image

from wsss_nb.check import check_dataset, truth_problems
from wsss_nb.core import DataError, ParameterError
from wsss_nb.datasets import open_dataset
from wsss_nb.evaluate import evaluate_folder, class_rows
from wsss_nb.fetch import dataset_of_folders
from wsss_nb.label_mistakes import Look, mask_problems
from wsss_nb.masks_of_ids import write_mask
from wsss_nb.names import understood


def dataset(root, n=4, labels="cat", masks=True, head="file,labels", rows=None, suffix=".png"):
    (root/"images").mkdir(parents=True); (root/"masks").mkdir()
    for i in range(n):
        Image.fromarray(np.full((12, 16, 3), 20*i, np.uint8)).save(root/"images"/f"p{i}.jpg")
        M = np.zeros((12, 16), np.uint8); M[3:8, 4:9] = 1
        if masks: Image.fromarray(M).save(root/"masks"/f"p{i}{suffix}")
    rows = rows or [f"p{i}.jpg,{labels}" for i in range(n)]
    (root/"labels.csv").write_text("\n".join([head, *rows]))
    return root


def said(root): return [(p.severity, p.what) for p in check_dataset(str(root))]
def looks(*pairs): return [Look(f"p{i}", [], label, mask) for i, (label, mask) in enumerate(pairs)]


def test_a_dataset_is_no_folder_of_folders(tmp_path):
    with pytest.raises(DataError, match="is a dataset already"): dataset_of_folders(dataset(tmp_path/"d"), tmp_path/"to")
    assert not (tmp_path/"to").exists()


def test_an_order_with_a_gap_says_which_id_is_not_known():
    problem, = mask_problems(looks((("cat",), (0, 2)), (("dog",), (0, 4)), (("cat",), (0, 2)), (("dog",), (0, 4))), ("cat", "cow", "dog", "sheep"), "masks")
    assert problem.severity == "error" and "2 cat, 4 dog (id 1, 3 occurs in none of these masks" in problem.what


def test_capitals_come_before_any_order():
    problem, = mask_problems(looks((("Cat",), (0, 1)), (("cat",), (0, 1)), (("Cat",), (0, 1))), ("CAT ", "Cat", "cat"), "masks")
    assert "write CAT , Cat, cat in one way" in problem.what and "order" not in problem.what


def test_a_turned_picture_is_noted_where_it_is_scored(tmp_path):
    root = dataset(tmp_path/"d")
    for i in range(4):
        exif = Image.Exif(); exif[0x0112] = 3  # by half a turn: sizes agree
        Image.open(root/"images"/f"p{i}.jpg").save(root/"images"/f"p{i}.jpg", exif=exif)
    ds = open_dataset(str(root))
    note, = truth_problems(ds, ds.ids("val") + ds.ids("train"))
    assert note.severity == "note" and "and 3 more" in note.what and "EXIF turns" in note.what


def test_masks_as_jpeg_are_an_error_where_there_are_no_others(tmp_path):
    found = said(dataset(tmp_path/"d", suffix=".jpg"))
    assert any(s == "error" and "and so are 3 more" in w and "JPEG changes ids" in w for s, w in found), found


def test_rows_without_a_picture_do_not_change_who_is_held_out(tmp_path):
    root = dataset(tmp_path/"d", n=10, rows=[*(f"p{i}.jpg,cat" for i in range(10)), "ghost.jpg,cat", "other.jpg,cat"])
    problems = said(root)
    assert any("ghost" in w for _, w in problems)
    (root/"labels.csv").write_text("\n".join(["file,labels", *(f"p{i}.jpg,cat" for i in range(10))]))
    whole = open_dataset(str(root))
    assert (len(whole.ids("train")), len(whole.ids("val"))) == (8, 2)
    assert any("every fifth of its 10 pictures is held out" in w for _, w in problems)


@pytest.mark.parametrize("head", ["file;labels", "file\tlabels"])
def test_another_sign_between_columns(tmp_path, head):
    found = said(dataset(tmp_path/"d", head=head))
    assert any("a comma parts columns, and `;` the names" in w for _, w in found), found


def test_utf_16_is_called_so(tmp_path):
    root = dataset(tmp_path/"d")
    (root/"labels.csv").write_text("file,labels\np0.jpg,cat", encoding="utf-16")
    assert any("is UTF-16; save it as UTF-8" in w for _, w in said(root))


def test_one_cause_is_one_line(tmp_path):
    root = dataset(tmp_path/"d")
    (root/"classes.txt").write_text("Cat")
    found = [w for s, w in said(root) if "classes.txt" in w]
    assert len(found) == 1 and "the labels of p0 and 3 more pictures name" in found[0], found


@pytest.mark.parametrize("word, meant", [("cta", "cat"), ("dgo", "dog")])
def test_short_words_misspelled(word, meant): assert meant in understood([word])[1][word]


def test_a_single_picture_is_no_pictures(tmp_path):
    root = dataset(tmp_path/"d", n=2)
    ds = open_dataset(str(root))
    r = evaluate_folder(ds, root/"masks", ("p0",))
    assert "on 1 picture." in class_rows(dict(masks=r), ds.classes)["text"]


def test_no_process_is_too_few(tmp_path):
    from wsss_nb.masks import Request
    with pytest.raises(ParameterError, match="at least one process"): Request(names=("cat",), workers=0)


def test_a_run_of_scenes_says_so(tmp_path):
    from wsss_nb.record import RunRecord
    from wsss_nb.segment_command import _of_scenes
    RunRecord(tmp_path/"run").create(data=dict(name="scenes", classes=["boat", "car"]))
    assert "drawn scenes and knows boat, car" in _of_scenes(tmp_path/"run")
