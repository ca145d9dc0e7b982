"A dataset that the tests write comes back as it was written: every layout, names, endings, lists, outlines; and what cannot be read is refused by name."
import csv
import json
import unicodedata
from itertools import product

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from wsss_nb.check import check_dataset, survey_dataset
from wsss_nb.cli import main
from wsss_nb.core import DataError
from wsss_nb.datasets import open_dataset, pictures
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import write_mask

NAMES = ["photo", "photo (1)", "IMG 0001 copy", "a.b.c", "100%", "#1", "-1", "x,y", "café", unicodedata.normalize("NFD", "café"), "日本", "2008_000001"]
CLASSES = ["zebra", "traffic light", "crème"]
ENDINGS = [".png", ".PNG", ".bmp", ".tif", ".ppm"]
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"cache"))


def photograph(k):
    return np.random.default_rng(k).integers(0, 256, (12 + k, 17, 3), np.uint8)


def mask_of(k):
    M = np.zeros((12 + k, 17), np.uint8)
    M[2:7, 3:9] = k % 3 + 1
    M[8, 3:9] = 255
    return M


def same(name):
    return unicodedata.normalize("NFC", name)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


# ---- your own folder

LINES = dict(id=lambda n, e: n, file=lambda n, e: n + e, path=lambda n, e: f"images/{n}{e}", windows=lambda n, e: f"C:\\data\\images\\{n}{e}")


def write_own(root, names, ending, lists="id", masks=".png"):
    rows = [(n + ending, CLASSES[k % 3]) for k, n in enumerate(names)]
    for k, n in enumerate(names):
        save(root/"images"/(n + ending), photograph(k))
        write_mask(root/"masks"/f"{n}.png", mask_of(k))
        if masks != ".png":
            im = Image.open(root/"masks"/f"{n}.png")
            im.save(root/"masks"/(n + masks))
            (root/"masks"/f"{n}.png").unlink()
    with open(root/"labels.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([("file", "labels"), *rows])
    (root/"classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    for n, some in dict(train=names[::2], val=names[1::2]).items():
        (root/f"{n}.txt").write_text("\n".join(LINES[lists](o, ending) for o in some), encoding="utf-8")
    return root


def check(ds, names):
    assert set(ds.ids("train")) == {same(n) for n in names[::2]} and set(ds.ids("val")) == {same(n) for n in names[1::2]}
    for k, n in enumerate(names):
        i = same(n)
        assert (ds.image(i) == photograph(k)).all(), n
        assert [c for c, there in zip(ds.classes, ds.present(i)) if there] == [CLASSES[k % 3]]
        assert (ds.mask(i) == mask_of(k)).all()


@pytest.mark.parametrize("ending, lists", list(product(ENDINGS, LINES)))
def test_own_folder(tmp_path, ending, lists):
    names = [n for n in NAMES if n != unicodedata.normalize("NFD", "café")]
    ds = open_dataset(write_own(tmp_path/"own", names, ending, lists))
    check(ds, names)
    assert not [p for p in check_dataset(ds.root) if p.severity == "error"]


@pytest.mark.parametrize("masks", [".png", ".PNG", ".bmp", ".BMP", ".tif", ".gif"])
def test_masks_of_any_lossless_ending(tmp_path, masks):
    names = NAMES[:6]
    check(open_dataset(write_own(tmp_path/"own", names, ".png", masks=masks)), names)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_an_accent_is_one_letter_however_it_is_written(tmp_path, form):
    root = write_own(tmp_path/"own", ["café", "photo"], ".png")
    for file in ("labels.csv", "train.txt", "classes.txt"):
        text = (root/file).read_text(encoding="utf-8")
        (root/file).write_text(unicodedata.normalize(form, text), encoding="utf-8")
    check(open_dataset(root), ["café", "photo"])


def test_two_files_that_differ_in_how_an_accent_is_written_are_refused(tmp_path):
    root = write_own(tmp_path/"own", ["café", "photo"], ".png")
    save(root/"images"/(unicodedata.normalize("NFD", "café") + ".png"), photograph(0))
    with pytest.raises(DataError, match="several images have the id"):
        open_dataset(root)


@pytest.mark.parametrize("line, id", [("photo (1)", "photo (1)"), ("photo (7)", "photo (7)"), ("photo.png masks/photo.png", "photo"), ("photo.png -1", None)])
def test_a_line_is_matched_whole_before_it_is_split(tmp_path, line, id):
    root = write_own(tmp_path/"own", ["photo", "photo (1)"], ".png")
    (root/"train.txt").write_text(line + "\n")
    (root/"val.txt").write_text("")
    if id in ("photo", "photo (1)"):
        assert open_dataset(root).ids("train") == (id,)
    elif id:
        with pytest.raises(DataError, match=r"photo \(7\) is listed, but there is no such image"):
            open_dataset(root)
    else:
        assert open_dataset(root).ids("train") == ("photo",)   # VOC's lists of one class have -1, 0, 1 behind the id


@pytest.mark.parametrize("lists", [dict(train="ab", val="bc"), dict(train="abc", val="c"), dict(train="a", val="b", test="a")])
def test_lists_that_overlap_are_an_error(tmp_path, lists):
    root = write_own(tmp_path/"own", ["a", "b", "c"], ".png")
    for n, ids in lists.items():
        (root/f"{n}.txt").write_text("\n".join(ids))
    with pytest.raises(DataError, match="in train and in"):
        open_dataset(root)


def test_pictures_without_label_and_mask_may_be_predicted(tmp_path):
    root = write_own(tmp_path/"own", ["a", "b"], ".png")
    save(root/"images"/"new.png", photograph(3))
    (root/"test.txt").write_text("new\n")
    ds = open_dataset(root)
    assert ds.ids("test") == ("new",) and not ds.has_mask("new") and not [p for p in check_dataset(root) if p.severity == "error"]
    with pytest.raises(DataError, match="new.png: nobody has said what it shows"):
        ds.present("new")


def test_an_empty_label_says_that_nothing_is_there(tmp_path):
    root = write_own(tmp_path/"own", ["a", "b", "c"], ".png")
    (root/"labels.csv").write_text("file,labels\na.png,zebra\nb.png,traffic light\nc.png,\n")
    write_mask(root/"masks"/"c.png", np.zeros((14, 17), np.uint8))
    assert not open_dataset(root).present("c").any() and survey_dataset(root).unlabelled == 0


# ---- tables that are not what they seem

TABLES = {"file,labels\na.png,\"zebra\nb.png,zebra\nc.png,\"zebra\n": "line 2 cannot be read", "file;labels\na.png;zebra\n": "first line must be `file,labels`",
          "file,labels\n" + "a.png," + "z"*140_000: "line 2 cannot be read", "file,labels\na.png\n": "fewer columns", "file,labels\na.png,zebra,dog\n": "more columns",
          "file,labels\n,zebra\n": "line 2 names no file", "file,labels\na.png,Background\n": "Background is no class", "file,labels\na.png,__ignore__\n": "__ignore__ is no class",
          "file,labels\na.png,zebra\na.bmp,zebra\n": "id a is there more than once"}


@pytest.mark.parametrize("text", TABLES)
def test_a_table_that_cannot_be_read_is_refused(tmp_path, text):
    root = write_own(tmp_path/"own", ["a", "b", "c"], ".png")
    (root/"classes.txt").unlink()
    (root/"labels.csv").write_text(text)
    with pytest.raises(DataError, match=TABLES[text]):
        open_dataset(root)
    assert any(TABLES[text] in p.what for p in check_dataset(root))


@pytest.mark.parametrize("name", ["background", "_background_", "__background__", "__ignore__", "Background"])
def test_the_background_is_no_class(tmp_path, name):
    root = write_own(tmp_path/"own", ["a", "b"], ".png")
    (root/"classes.txt").write_text("\n".join([name, *CLASSES]), encoding="utf-8")
    with pytest.raises(DataError, match=f"{name} is no class"):
        open_dataset(root)


@pytest.mark.parametrize("n", [254, 255, 300])
def test_more_classes_than_a_mask_can_tell_apart(tmp_path, n):
    root = write_own(tmp_path/"own", ["a", "b"], ".png")
    (root/"classes.txt").write_text("\n".join([*CLASSES, *(f"c{k}" for k in range(n - 3))]), encoding="utf-8")
    if n == 254:
        assert open_dataset(root).n_classes == 254
    else:
        with pytest.raises(DataError, match=f"{n} classes"):
            open_dataset(root)


# ---- VOC

@pytest.mark.parametrize("ending, source", list(product([".jpg", ".JPG", ".jpeg", ".png", ".PNG"], ["annotations", "image_labels.csv", "labels.csv"])))
def test_voc_with_classes_of_ones_own(tmp_path, ending, source):
    voc, names = tmp_path/"VOC2012", ["2008_1", "photo (1)", "café"]
    (voc/"ImageSets"/"Segmentation").mkdir(parents=True)
    for n, some in dict(train=names[::2], val=names[1::2]).items():
        (voc/"ImageSets"/"Segmentation"/f"{n}.txt").write_text("\n".join(some), encoding="utf-8")
    (voc/"classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    for k, n in enumerate(names):
        save(voc/"JPEGImages"/(n + ending), photograph(k))
        write_mask(voc/"SegmentationClass"/f"{n}.png", mask_of(k))
        if source == "annotations":
            (voc/"Annotations").mkdir(exist_ok=True)
            (voc/"Annotations"/f"{n}.xml").write_text(f"<annotation><object><name>{CLASSES[k]}</name></object></annotation>", encoding="utf-8")
    if source != "annotations":
        (voc/source).write_text("file,labels\n" + "".join(f"{n},{CLASSES[k]}\n" for k, n in enumerate(names)), encoding="utf-8")
    ds = open_dataset(voc)
    assert ds.label_source == source and ds.classes == tuple(CLASSES)
    for k, n in enumerate(names):
        assert ds.present(n).argmax() == k and (ds.mask(n) == mask_of(k)).all() and ds.image(n).shape == photograph(k).shape
    assert not [p for p in check_dataset(voc) if p.severity == "error"]


@pytest.mark.parametrize("word", ["none", "None", "NaN", "null", "N/A", "nothing", "-"])
def test_a_word_for_nothing_is_no_class(tmp_path, word):
    root = write_own(tmp_path/"own", NAMES[:3], ".png")
    (root/"classes.txt").unlink()
    (root/"labels.csv").write_text((root/"labels.csv").read_text() + f"{NAMES[3]}.png,{word}\n")
    save(root/"images"/f"{NAMES[3]}.png", photograph(3))
    with pytest.raises(DataError, match=f"labels.csv: {word} is no class: .*has an empty label"): open_dataset(root)


def test_columns_that_are_not_read_are_said(tmp_path):
    root = write_own(tmp_path/"own", NAMES[:3], ".png")
    lines = (root/"labels.csv").read_text().splitlines()
    (root/"labels.csv").write_text("\n".join([f"{lines[0]},split,author", *(f"{o},train,me" for o in lines[1:])]))
    assert sum("its columns split, author are not read" in p.what for p in check_dataset(root)) == 1


# ---- COCO

def outline(M, form):
    y, x = np.nonzero(M)
    x0, x1, y0, y1 = (int(v) for v in (x.min(), x.max() + 1, y.min(), y.max() + 1))
    if form == "polygon":
        return [[x0, y0, x1, y0, x1, y1, x0, y1]]
    code = rle.encode(np.asfortranarray(M.astype(np.uint8)))
    if form == "compressed":
        return dict(size=list(M.shape), counts=code["counts"].decode())
    flat = M.T.ravel().astype(np.int8)
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends, len(flat)]).tolist()
    return dict(size=list(M.shape), counts=runs if flat[0] == 0 else [0, *runs])


def write_coco(root, forms="polygon", files=None, categories=((3, "zebra"), (17, "dog"), (90, "cup")), lists=("train2014", "val2014"), **change):
    for split, at in zip(lists, ((0, 1, 2), (3, 4, 5))):
        images, anns = [], []
        for k in at:
            name = files(split, k) if files else f"{split}_{k}.png"
            save(root/split/name, photograph(k))
            images.append(dict(id=k, file_name=name, height=12 + k, width=17))
            s = outline(mask_of(k) % 255 > 0, forms)
            anns.append(dict(id=k, image_id=k, category_id=categories[k % 3][0], iscrowd=0, area=1, segmentation=s) | change)
        (root/"annotations").mkdir(exist_ok=True)
        data = dict(images=images, annotations=anns, categories=[dict(id=i, name=n) for i, n in categories])
        (root/"annotations"/f"instances_{split}.json").write_text(json.dumps(data))
    return root


@pytest.mark.parametrize("form, where", list(product(["polygon", "compressed", "runs"], [None, lambda s, k: f"part/{s} ({k}).png", lambda s, k: f"{k:06d}.png"])))
def test_coco(tmp_path, form, where):
    ds = open_dataset(write_coco(tmp_path/"coco", form, where))
    assert ds.classes == ("zebra", "dog", "cup") and len(ds.ids("train")) == len(ds.ids("val")) == 3
    for split, first in (("train", 0), ("val", 3)):
        for k, i in enumerate(ds.ids(split), first):
            assert (ds.image(i) == photograph(k)).all() and ds.present(i).argmax() == k % 3
            assert (ds.mask(i) == np.where(mask_of(k) == 255, 0, mask_of(k))).all()


def test_coco_pictures_of_one_name_stay_apart(tmp_path):
    ds = open_dataset(write_coco(tmp_path/"coco", files=lambda s, k: f"{k % 3:06d}.png"))
    assert ds.ids("val") == ("000000", "000001", "000002") and ds.ids("train")[0] == "train_000000"
    assert (ds.image("train_000000") == photograph(0)).all() and (ds.image("000000") == photograph(3)).all()
    assert ds.mask("train_000001").shape == (13, 17) and any("train_ before the name" in p.what for p in check_dataset(ds.root))


def test_coco_one_picture_in_two_lists_is_an_error(tmp_path):
    root = write_coco(tmp_path/"coco", lists=("train2014", "val2014"), files=lambda s, k: f"{k % 3}.png")
    for split in ("train2014", "val2014"):
        for file in (root/split).iterdir():
            (root/"images").mkdir(exist_ok=True)
            file.rename(root/"images"/file.name)
    with pytest.raises(DataError, match="in another list, too"):
        open_dataset(root)


BAD = {"text": "neither corners nor runs", "odd": "an odd number", "letters": "no list of numbers", "nan": "NaN is no number", "far": "leaves the picture", "short": "runs of",
       "negative": "runs of", "swapped": "are they exchanged", "cut": "ends in the middle", "number": "neither corners nor runs", "long": "runs of", "signs": "none of a run-length code"}
OUTLINES = dict(text="abc", number=5, odd=[[1, 1, 5, 5, 9]], letters=[["a", 1, 2, 3, 4, 5]], nan=[[1, 1, float("nan"), 5, 9, 9]], far=[[1, 1, 1e30, 5, 9, 9]],
                short=dict(size=[12, 17], counts=[100]), negative=dict(size=[12, 17], counts=[300, -96]), long=dict(size=[12, 17], counts=[10**9]),
                swapped=dict(size=[17, 12], counts=[204]), cut=dict(size=[12, 17], counts="P"), signs=dict(size=[12, 17], counts="\x01\x02"))


@pytest.mark.parametrize("kind", OUTLINES)
def test_coco_outlines_that_cannot_be_drawn(tmp_path, kind):
    root = write_coco(tmp_path/"coco")
    file = root/"annotations"/"instances_train2014.json"
    data = json.loads(file.read_text())
    data["annotations"][0]["segmentation"] = OUTLINES[kind]
    file.write_text(json.dumps(data))
    where = "" if kind == "nan" else ": annotation 0 of train2014_0.png: its outline"   # JSON knows no NaN
    with pytest.raises(DataError, match=f"instances_train2014.json{where}.*{BAD[kind]}"):
        open_dataset(root)
    assert sum(BAD[kind] in p.what for p in check_dataset(root)) == 1


@pytest.mark.parametrize("none", [[], None, {}])
def test_coco_boxes_only_are_no_truth(tmp_path, none):
    ds = open_dataset(write_coco(tmp_path/"coco", segmentation=none, bbox=[1, 1, 3, 3]))
    i = ds.ids("val")[0]
    assert not ds.has_mask(i) and ds.present(i).any()
    with pytest.raises(DataError, match="no outline"):
        ds.mask(i)
    assert survey_dataset(ds.root).masks == 0


def changed(root, change, lists=("train2014", "val2014")):
    "A COCO dataset whose annotations have a box and were changed: `change(annotation, image, mask)`"
    for split in lists:
        file = root/"annotations"/f"instances_{split}.json"
        data = json.loads(file.read_text())
        for a, one in zip(data["annotations"], data["images"]):
            M = mask_of(one["id"]) % 255 > 0
            y, x = np.nonzero(M)
            a["bbox"] = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
            change(a, one, M)
        file.write_text(json.dumps(data))
    return root


def shares(a, one, M): a["segmentation"] = [[v/one["width" if i % 2 == 0 else "height"] for i, v in enumerate(p)] for p in a["segmentation"]]
def exchanged(a, one, M): a["segmentation"] = [[v for i in range(0, len(p), 2) for v in (p[i + 1], p[i])] for p in a["segmentation"]]
def by_rows(a, one, M): a["segmentation"]["counts"] = outline(M.T, "runs")["counts"]
def compressed_by_rows(a, one, M): a["segmentation"]["counts"] = rle.encode(np.asfortranarray(M.T.astype(np.uint8)))["counts"].decode()


@pytest.mark.parametrize("form, change, words", [("polygon", shares, "lie between 0 and 1"), ("polygon", exchanged, "only with x and y exchanged"),
                                                 ("runs", by_rows, "only with x and y exchanged"), ("compressed", compressed_by_rows, "only with x and y exchanged")])
def test_coco_outlines_in_another_place_than_their_boxes(tmp_path, form, change, words):
    "An outline can be sound, and drawn where nothing is: no score is made of it."
    root = changed(write_coco(tmp_path/"coco", form), change)
    with pytest.raises(DataError, match=f"instances_train2014.json: the outlines of . annotations, such as ., .*{words}"): open_dataset(root)
    assert sum(p.severity == "error" and words in p.what for p in check_dataset(root)) == 2


@pytest.mark.parametrize("form", ["polygon", "compressed", "runs"])
def test_coco_boxes_that_say_nothing_change_nothing(tmp_path, form):
    right = changed(write_coco(tmp_path/"right", form), lambda *a: None)
    assert not [p for p in check_dataset(right) if "outline" in p.what]
    for n, box in enumerate((None, [0, 0, 0, 0], [0, 0, 1, 1], ["a"], [16, 11, 1, 1])):
        root = changed(write_coco(tmp_path/str(n), form), lambda a, one, M: a.update(bbox=box))
        said = [p for p in check_dataset(root) if "boxes" in p.what]
        assert {p.severity for p in said} <= {"note"} and bool(said) == (n in (2, 4))
        ds = open_dataset(root)
        assert all((ds.mask(i) > 0).any() for i in ds.ids("val"))


def test_coco_a_box_in_the_place_of_an_outline(tmp_path):
    "Four numbers: pycocotools takes them for a box, others for two corners. As a rule they are no truth; a single one is left out."
    root = changed(write_coco(tmp_path/"all"), lambda a, one, M: a.update(segmentation=[a["bbox"]]))
    assert not any(map(open_dataset(root).has_mask, open_dataset(root).ids("val"))) and survey_dataset(root).masks == 0
    root = changed(write_coco(tmp_path/"one"), lambda a, one, M: a.update(segmentation=[a["bbox"]] if a["id"] == 4 else a["segmentation"]))
    ds = open_dataset(root)
    assert all(map(ds.has_mask, ds.ids("val"))) and sum("no three corners" in p.what and p.severity == "note" for p in check_dataset(root)) == 1
    assert survey_dataset(root).masks == 6


@pytest.mark.parametrize("name", ["valid", "validation", "val"])
def test_coco_whatever_the_held_out_list_is_called(tmp_path, name):
    ds = open_dataset(write_coco(tmp_path/"coco", lists=("train", name)))
    assert len(ds.ids("train")) == len(ds.ids("val")) == 3 and set(ds.splits) == {"train", "val"}


def test_coco_one_list_only(tmp_path):
    root = write_coco(tmp_path/"coco", lists=("default", "test"))
    assert [len(open_dataset(root).ids(n)) for n in ("train", "val", "test", "default")] == [0, 0, 3, 3]
    (root/"annotations"/"instances_test.json").unlink()
    assert len(open_dataset(root).ids("train")) == 3 and any("every tenth of its 3 pictures" in p.what for p in check_dataset(root))
    (root/"annotations"/"instances_default.json").rename(root/"annotations"/"instances_val.json")
    (root/"default").rename(root/"val")
    assert open_dataset(root).ids("train") == () and len(open_dataset(root).ids("val")) == 3    # the whole list is judged


def test_coco_paths_as_windows_writes_them(tmp_path):
    root = write_coco(tmp_path/"coco", files=lambda s, k: f"part/{k}.png")
    for split in ("train2014", "val2014"):
        file = root/"annotations"/f"instances_{split}.json"
        file.write_text(file.read_text().replace("part/", "part\\\\"))
    ds = open_dataset(root)
    assert ds.ids("val") == ("3", "4", "5") and (ds.image("3") == photograph(3)).all()
    file.write_text(file.read_text().replace("part\\\\", "..\\\\..\\\\"))
    with pytest.raises(DataError, match="outside the dataset"): open_dataset(root)


def test_coco_masks_are_set_beside_labels_before_they_are_scored(tmp_path, capsys):
    "An outline of less than a pixel names a class, and draws nothing."
    tiny = lambda a, one, M: a.update(segmentation=[[3.1, 3.1, 3.2, 3.1, 3.2, 3.2]], bbox=[3.1, 3.1, .1, .1])
    root = changed(write_coco(tmp_path/"coco"), tiny)
    for i in open_dataset(root).ids("val"): write_mask(tmp_path/"pred"/f"{i}.png", np.zeros(open_dataset(root).claimed_size(i), np.uint8))
    assert main(["evaluate", "--data", str(root), "--pred", str(tmp_path/"pred")]) == 1
    assert "error" in (said := capsys.readouterr().out) and "3 of 3 masks contradict their picture's label" in said


ENTRIES = [("images", "file_name", 5), ("images", "height", 10**9), ("images", "height", -3), ("images", "width", "17"), ("images", "file_name", "../../x.png"),
           ("categories", "name", 7), ("annotations", "image_id", None), ("annotations", "category_id", [1]), ("images", "height", True)]


@pytest.mark.parametrize("part, name, value", ENTRIES)
def test_coco_entries_are_what_they_should_be(tmp_path, part, name, value):
    root = write_coco(tmp_path/"coco")
    file = root/"annotations"/"instances_train2014.json"
    data = json.loads(file.read_text())
    data[part][0][name] = value
    file.write_text(json.dumps(data))
    with pytest.raises(DataError, match="instances_train2014.json"):
        open_dataset(root)


@pytest.mark.parametrize("text", ["[]", "null", "5", "{\"images\": 3}", "{\"images\": [], \"annotations\": [5], \"categories\": []}", "{\"images\": [[]], \"annotations\": [], \"categories\": []}"])
def test_coco_of_another_shape(tmp_path, text):
    root = write_coco(tmp_path/"coco")
    (root/"annotations"/"instances_train2014.json").write_text(text)
    with pytest.raises(DataError, match="instances_train2014.json"):
        open_dataset(root)


# ---- any pictures

def test_names_of_results_cannot_collide(tmp_path):
    for name in ("a.jpg", "a.png", "a.jpg.png", "b.png"):
        save(tmp_path/name, photograph(1))
    names = [n for n, _ in pictures(tmp_path)]
    assert len(set(names)) == 4 and "b" in names


def test_coco_categories_of_two_kinds(tmp_path):
    root = write_coco(tmp_path/"coco", categories=((3, "zebra"), ("17", "dog"), (90, "cup")))
    with pytest.raises(DataError, match="some ids of categories are numbers and some are texts"): open_dataset(root)


@pytest.mark.parametrize("again", [dict(id=3, name="zebra 2"), dict(id=4, name="zebra")])
def test_coco_categories_that_are_there_twice(tmp_path, again):
    root = write_coco(tmp_path/"coco")
    for file in (root/"annotations").iterdir():
        data = json.loads(file.read_text())
        data["categories"].append(again)
        file.write_text(json.dumps(data))
    with pytest.raises(DataError, match="category .* is there more than once"):
        open_dataset(root)
