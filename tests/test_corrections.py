"Corrections on disk: drafts, the desk, and the dataset that they become."
import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb import cli
from wsss_nb.core import DataError, ParameterError, save_arrays
from wsss_nb.corrections import UNTOUCHED, Desk, Draft, at_cells, corrected, open_desk, read_draft, write_draft
from wsss_nb.datasets import open_dataset
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import read_mask, write_mask


def nothing(hw=(30, 40)): return np.full(hw, UNTOUCHED, np.uint8)


@pytest.fixture
def folder(tmp_path):
    "Three photographs, and nothing else."
    for i, n in enumerate("abc"): write_image(tmp_path/"pics"/f"{n}.png", np.roll(photographs.chelsea()[:300:10, :400:10], i, 0))
    return tmp_path/"pics"


@pytest.fixture
def own(folder):
    "A dataset whose classes stand in labels.csv alone, with a column of the user's own."
    root = folder.parent/"own"
    root.mkdir()
    folder.rename(root/"images")
    (root/"labels.csv").write_text("file,labels,who\na.png,horse,me\nb.png,dog; horse,you\nc.png,dog,me\n")
    return root


def half(i=1, hw=(30, 40)):
    mask = np.zeros(hw, np.uint8)
    mask[:, :20] = i
    return mask


def test_what_lies_over_a_mask():
    rng = np.random.default_rng(0)
    mask, edits = rng.integers(0, 3, (9, 7)).astype(np.uint8), rng.choice([0, 1, 255], (9, 7)).astype(np.uint8)
    for p in np.ndindex(9, 7): assert corrected(mask, edits)[p] == (mask[p] if edits[p] == 255 else edits[p])


@pytest.mark.parametrize("cells", [(1, 1), (4, 5), (9, 7), (3, 7)])
def test_cells_take_the_label_that_most_corrected_pixels_have(cells):
    rng = np.random.default_rng(1)
    a = rng.choice([0, 1, 2, 255, 255, 255], (27, 35)).astype(np.uint8)
    got = at_cells(a, cells)
    for i, j in np.ndindex(*cells):
        inside = [a[y, x] for y, x in np.ndindex(*a.shape) if y*cells[0]//27 == i and x*cells[1]//35 == j and a[y, x] != 255]
        counts = np.bincount(inside, minlength=1) if inside else None
        assert got[i, j] == (255 if counts is None else counts.argmax())


def test_a_draft_is_read_back_and_a_strange_one_refused(tmp_path):
    file = tmp_path/"d.npz"
    write_draft(file, Draft(half(), nothing(), ("cat",), dict(alpha=.25, crf=False), "ab"))
    d = read_draft(file, (30, 40))
    assert d.names == ("cat",) and d.settings == dict(alpha=.25, crf=False) and d.kept == "ab" and (d.edits == half()).all() and (d.planted == 255).all()
    with pytest.raises(DataError, match="another picture"): read_draft(file, (40, 30))
    whole = file.read_bytes()
    for cut in (0, 1, 50, len(whole)//2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="delete it"): read_draft(file, (30, 40))
    save_arrays(file, edits=half(), planted=half(), about=np.array("[1]"))
    with pytest.raises(DataError, match="delete it"): read_draft(file, (30, 40))
    np.savez(file, edits=np.array([object()]), planted=half(), about=np.array("{}"))
    with pytest.raises(DataError, match="delete it"): read_draft(file, (30, 40))


def test_a_plain_folder_becomes_a_dataset_that_all_commands_read(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WSSS_NB_FILES", str(tmp_path))
    desk = open_desk(folder)
    assert desk.folder == tmp_path/"corrected"/"pics" and desk.left() == ["a", "b", "c"] and not desk.folder.exists()
    desk.keep("b", half(), Draft(nothing(), nothing(), ("dog",)))
    desk.keep("a", half(2), Draft(nothing(), nothing(), ("dog", "cat")))
    desk.keep("c", half(), Draft(nothing(), nothing(), ("cat",)))
    assert (desk.folder/"classes.txt").read_text() == "dog\ncat\n"
    ds = open_dataset(desk.folder)
    assert [np.unique(ds.mask(n)).tolist() for n in "abc"] == [[0, 2], [0, 1], [0, 2]]
    assert [list(ds.named(n)) for n in "abc"] == [["cat"], ["dog"], ["cat"]] and (ds.image("a") == open_dataset(desk.folder).image("a")).all()
    assert cli.main(["data", "check", str(desk.folder)]) == 0
    assert cli.main(["evaluate", "--pred", str(desk.folder/"masks"), "--partial", "--data", str(desk.folder), "--fiftyone", str(tmp_path/"fo")]) == 0
    assert "100" in capsys.readouterr().out and (tmp_path/"fo").is_dir()
    assert cli.main(["run", "clustering", "--data", str(desk.folder), "--out", str(tmp_path/"run"), "preset=light", "--dry-run"]) == 0
    again = open_desk(folder)
    assert again.classes == ("dog", "cat") and again.left() == [] and again.after("a") is None


def test_a_dataset_keeps_its_ids_its_table_and_its_masks(own):
    write_mask(own/"masks"/"c.png", half(2))
    before = (own/"labels.csv").read_text()
    desk = open_desk(own)
    assert desk.folder == own and desk.classes == ("dog", "horse") and desk.left() == ["a", "b"]
    desk.keep("a", half(), Draft(nothing(), nothing(), ("horse",)))
    assert (own/"labels.csv").read_text() == before, "it says so already"
    desk.keep("b", half(2), Draft(nothing(), nothing(), ("dog", "ant")))
    ds = open_dataset(own)
    assert ds.classes == ("dog", "horse", "ant"), "a new name stands at the end: ids keep their meaning"
    assert [np.unique(ds.mask(n)).tolist() for n in "abc"] == [[0, 2], [0, 3], [0, 2]]
    assert (own/"labels.csv").read_text() == "file,labels,who\na.png,horse,me\nb.png,dog;horse;ant,you\nc.png,dog,me\n"
    assert len(list((own/"images").iterdir())) == 3
    with pytest.raises(DataError, match="not made here"): desk.keep("c", half(), Draft(nothing(), nothing(), ("dog",)))
    assert (read_mask(own/"masks"/"c.png", 3) == half(2)).all()
    draft = desk.keep("c", half(), Draft(nothing(), nothing(), ("dog",)), replace=True)
    desk.keep("c", half(0), draft)  # ours by now
    write_mask(own/"masks"/"c.png", half(2))  # somebody else's again
    with pytest.raises(DataError, match="not made here"): desk.keep("c", half(), draft)


def test_uploads_of_one_name(tmp_path):
    desk = Desk([], tmp_path/"mine")
    first, other = (np.roll(photographs.chelsea()[::10, ::10], k, 0) for k in (0, 1))
    for k, a in enumerate((first, other)): write_image(tmp_path/f"{k}.png", a)
    one, two = ((tmp_path/f"{k}.png").read_bytes() for k in (0, 1))
    assert [desk.add("../x/cat.png", o) for o in (one, two, one)] == ["cat", "cat-2", "cat"]
    assert not (tmp_path/"mine").exists(), "nothing is written before something is kept"
    desk.save("cat-2", Draft(nothing(), nothing(), ("cat",)))
    assert (tmp_path/"mine"/"images"/"cat-2.png").read_bytes() == two and desk.state("cat-2") == "begun" and desk.state("cat") == ""
    assert not (tmp_path/"x").exists()


def test_names_that_a_table_cannot_hold(folder, tmp_path):
    desk = open_desk(folder, tmp_path/"out")
    with pytest.raises(ParameterError, match="`;`"): desk.keep("a", half(), Draft(nothing(), nothing(), ("cat;dog",)))
    assert not (tmp_path/"out"/"masks").exists()
