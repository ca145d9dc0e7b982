"""Which photographs and which names a call means."""
from pathlib import Path

import pytest
from skimage import data as photographs_of_skimage

from wsss_nb.core import DataError, ParameterError
from wsss_nb.images import read_image, write_image
from wsss_nb.names import understand
from wsss_nb.photos import Found, Photograph, name_photographs, photographs, sample_photographs, split_words


@pytest.fixture
def own(tmp_path):
    "A dataset of three pictures, one of which ImageNet knows nothing of."
    for n in "abc": write_image(tmp_path/"own"/"images"/f"{n}.jpg", photographs_of_skimage.chelsea()[::6, ::6])
    (tmp_path/"own"/"labels.csv").write_text("file,labels\na.jpg,cat;person\nb.jpg,person\nc.jpg,dog\n")
    (tmp_path/"own"/"classes.txt").write_text("person\ndog\ncat\nhorse\n")
    return tmp_path/"own"


def test_samples_are_there_and_their_names_are_understood():
    found = sample_photographs()
    assert len(found) == 6 and len({p.name for p in found}) == 6
    for p in found: assert read_image(p.path).size and all(understand(w).classes for w in p.words)


def test_samples_share_no_class():
    named = name_photographs(photographs("samples"))
    assert len(named.classes) == 6 and not named.skipped and [p.words for p in named.photos] == [(c,) for c in named.classes]


def test_an_own_folder_called_samples_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path/"samples"/"mine.jpg", photographs_of_skimage.chelsea()[::6, ::6])
    assert [p.name for p in photographs("samples").photos] == ["mine"]


def test_a_dataset_speaks_of_its_pictures(own):
    found = photographs(own)
    assert found.source == "labels" and found.classes == ("person", "dog", "cat", "horse")
    assert {p.name: p.words for p in found.photos} == dict(a=("person", "cat"), b=("person",), c=("dog",))
    assert photographs(own, labels=False).source == "" and not photographs(own, labels=False).photos[0].words


def test_labels_that_imagenet_lacks_are_said_once(own):
    named = name_photographs(photographs(own))
    assert [(p.name, p.words) for p in named.photos] == [("a", ("cat",)), ("c", ("dog",))] and named.skipped == 1
    assert named.classes == ("person", "dog", "cat", "horse")  # the dataset's ids
    assert sum("“person”: ImageNet knows no people" in n for n in named.notes) == 1
    assert "b.jpg: ImageNet knows none of its names (person): no mask" in named.notes


def test_a_picture_without_a_label(own):
    write_image(own/"images"/"d.jpg", photographs_of_skimage.chelsea()[::6, ::6])
    (own/"val.txt").write_text("d\n")
    named = name_photographs(photographs(own))
    assert "d.jpg: it has no label: no mask" in named.notes and "d" not in [p.name for p in named.photos]


def test_a_dataset_of_which_nothing_is_known(own):
    (own/"labels.csv").write_text("file,labels\na.jpg,person\n")
    with pytest.raises(ParameterError, match="ImageNet knows none of the names"): name_photographs(photographs(own))


def test_classes_of_a_dataset_that_overlap():
    found = Found([Photograph("a", Path("a.jpg"), ("cat", "animal"))], "labels", ("cat", "animal"))
    with pytest.raises(ParameterError, match="“animal” contains “cat”"): name_photographs(found)


def test_given_names_replace_the_datasets(own):
    named = name_photographs(photographs(own, labels=False), ("boat",))
    assert named.classes == ("boat",) and all(p.words == ("boat",) for p in named.photos) and len(named.photos) == 3


@pytest.mark.parametrize("words,said", [(("cat", "cat"), "mean the same"), (("cat", "Cats"), "mean the same"), (("dog", "animal"), "contains “dog”"),
                                        (("qwertyuiop",), "no class of ImageNet"), (("person",), "knows no people"), (("",), "a name is empty"), (("#1000",), "#0 … #999")])
def test_bad_names(words, said):
    with pytest.raises(ParameterError, match=said) as e: name_photographs(Found([Photograph("a", Path("a.jpg"))]), words)
    assert "\n" not in str(e.value)


def test_words_are_split(): assert split_words(["cat,dog", " bird ", "fire engine"]) == ("cat", "dog", "bird", "fire engine")


def test_where_there_is_nothing(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"): photographs(tmp_path/"none")
    (tmp_path/"empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"): photographs(tmp_path/"empty")


def test_equal_stems(tmp_path):
    for n in ("a.jpg", "a.png"): write_image(tmp_path/n, photographs_of_skimage.chelsea()[::6, ::6])
    assert [p.name for p in photographs(tmp_path).photos] == ["a.jpg", "a.png"]


def test_regions_without_classes(shared_data):
    found = photographs(shared_data/"bsds500_val")
    assert len(found.photos) == 100 and not found.source


def test_voc(shared_data):
    found = photographs(f"{shared_data/'voc_animals'}@val")
    assert len(found.photos) == 222 and found.source == "labels" and all(p.words for p in found.photos)
