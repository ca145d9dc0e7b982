"""Pictures from anywhere, and those that are always there."""
import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from wsss_nb.core import DataError, ParameterError
from wsss_nb.gallery import Photo, gallery, open_photo
from wsss_nb.images import read_image, write_image
from wsss_nb.masks_of_ids import write_mask
from wsss_nb.scenes import CLASSES, make_scene, named_scene


def png(a, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(a).save(file, kind)
    return file.getvalue()


def test_bytes_are_read_as_files_are(tmp_path):
    image = make_scene(0, 3).image
    (tmp_path/"a.png").write_bytes(png(image))
    np.testing.assert_array_equal(open_photo(png(image)).image, image)
    np.testing.assert_array_equal(open_photo(tmp_path/"a.png").image, image)
    np.testing.assert_array_equal(open_photo(str(tmp_path/"a.png")).image, read_image(tmp_path/"a.png"))
    assert open_photo(tmp_path/"a.png").name == "a" and open_photo(memoryview(png(image)), name="b").name == "b"


@pytest.mark.parametrize("a", [np.full((4, 5), 200, np.uint8), np.full((4, 5, 1), 200, np.uint8), np.full((4, 5), 200*257, np.uint16), np.full((4, 5, 3), 200*257, np.uint16),
                               np.dstack([np.full((4, 5, 3), 145, np.uint8), np.full((4, 5, 1), 127, np.uint8)])])
def test_grey_transparent_and_16_bit_arrays(a):
    image = open_photo(a).image
    assert image.shape == (4, 5, 3) and image.dtype == np.uint8 and (abs(image.astype(int) - 200) <= 1).all()


def test_16_bit_and_transparent_uploads():
    deep = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    np.testing.assert_array_equal(open_photo(png(deep)).image, open_photo(deep).image)
    clear = np.zeros((3, 3, 4), np.uint8)
    assert (open_photo(png(clear)).image == 255).all()  # over white


@pytest.mark.parametrize("raw, words", [(b"hello", r"^cat\.jpg: is not an image"), (b"", r"^cat\.jpg: the file is empty"), (png(np.zeros((64, 64, 3), np.uint8), "JPEG")[:300], r"^cat\.jpg: truncated")])
def test_what_is_no_image_is_named(raw, words, tmp_path):
    with pytest.raises(DataError, match=words): open_photo(raw, name="cat.jpg")
    (tmp_path/"cat.jpg").write_bytes(raw)
    with pytest.raises(DataError, match=r"cat\.jpg: "): open_photo(tmp_path/"cat.jpg")


@pytest.mark.parametrize("a", [np.zeros(5, np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_arrays_that_are_no_picture(a):
    with pytest.raises(DataError, match="picture is an array of"): open_photo(a)


def test_large_pictures_are_scaled_down_with_their_mask():
    mask = np.zeros((400, 600), np.uint8); mask[100:300, :300] = 3; mask[0] = 255
    p = open_photo(Photo("p", np.zeros((400, 600, 3), np.uint8), mask, np.ones(3, bool), ("a", "b", "c")), limit=60)
    assert p.image.shape == (40, 60, 3) and set(np.unique(p.mask)) <= {0, 3, 255} and p.note == "scaled down from 600×400 to 60×40"
    assert (p.mask[10:30, :30] == 3).all() and p.classes == ("a", "b", "c")
    assert open_photo(p) is p and open_photo(np.zeros((1, 3000), np.uint8)).image.shape == (1, 500, 3)
    with pytest.raises(ParameterError, match="at least 1 pixel"): open_photo(p, limit=0)


def test_gallery():
    photos = gallery()
    scenes = [photos[f"scene: {c}"]() for c in CLASSES]
    for c, p in zip(CLASSES, scenes):
        assert p.present[CLASSES.index(c)] and (p.mask == CLASSES.index(c) + 1).any() and p.image.shape == (160, 160, 3)
    assert len(photos) == 12
    np.testing.assert_array_equal(photos["cat"]().image, skimage.data.chelsea())
    for n in ("astronaut", "coffee", "rocket"): assert photos[n]().image.dtype == np.uint8 and photos[n]().mask is None


def test_gallery_of_a_dataset(scenes, tmp_path):
    photos = gallery(scenes)
    assert len(photos) == 36 + 12 and list(photos)[:2] == list(scenes.ids()[:2])
    id = scenes.ids("val")[0]
    p = photos[id]()
    np.testing.assert_array_equal(p.mask, scenes.mask(id)); np.testing.assert_array_equal(p.present, scenes.present(id))
    (tmp_path/"images").mkdir(); write_image(tmp_path/"images"/"x.png", np.zeros((9, 9, 3), np.uint8)); (tmp_path/"labels.csv").write_text("file,labels\nx.png,dog\n")
    p = gallery(tmp_path)["x"]()
    assert p.mask is None and p.present.tolist() == [True] and p.classes == ("dog",)
    with pytest.raises(DataError, match="no such file or folder"): gallery(tmp_path/"none")


def test_a_datasets_own_pictures_are_not_hidden_by_the_gallerys(tmp_path):
    "Also where one is named as a picture that is always there."
    write_image(tmp_path/"images"/"cat.png", np.zeros((9, 900, 3), np.uint8)); write_mask(tmp_path/"masks"/"cat.png", np.ones((9, 900), np.uint8))
    (tmp_path/"labels.csv").write_text("file,labels\ncat.png,dog\n")
    photos = gallery(tmp_path)
    cat = photos["cat"]()
    assert list(photos)[1:] == [n for n in gallery() if n != "cat"] and cat.classes == ("dog",) and cat.present.tolist() == [True] and (cat.mask == 1).all()
    wide = open_photo(cat._replace(note="a note."))
    assert wide.mask.shape == (5, 500) and wide.note == "a note. scaled down from 900×9 to 500×5"


def test_a_picture_of_none_of_the_classes_and_one_without_a_label(tmp_path):
    "VOC's layout without annotations: the label comes from the mask, which holds nothing here, or is not there."
    write_image(tmp_path/"JPEGImages"/"x.jpg", np.zeros((9, 9, 3), np.uint8)); write_mask(tmp_path/"SegmentationClass"/"x.png", np.zeros((9, 9), np.uint8))
    lists = tmp_path/"ImageSets"/"Segmentation"
    lists.mkdir(parents=True)
    write_image(tmp_path/"JPEGImages"/"y.jpg", np.zeros((9, 9, 3), np.uint8))
    (lists/"train.txt").write_text("x\ny\n"); (lists/"val.txt").write_text("")
    found = gallery(tmp_path)
    p, q = found["x"](), found["y"]()
    assert not p.present.any() and not p.mask.any() and not p.note
    assert q.present is None and q.mask is None and "y.png" in q.note


def test_one_scene_is_that_of_the_dataset(scenes):
    for id in (scenes.ids()[7], scenes.ids("val")[3]):
        s = named_scene(id)
        np.testing.assert_array_equal(s.image, scenes.image(id)); np.testing.assert_array_equal(s.mask, scenes.mask(id))
    for id in ("train_00400", "val_00080", "train_10", "test_00000", "x"):
        with pytest.raises(DataError, match="scenes hold no"): named_scene(id)
