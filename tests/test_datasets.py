"Every layout, every way a dataset can be wrong, and downloads that break off."
import csv, hashlib, http.server, io, json, pickle, re, shutil, tarfile, threading, zipfile
import numpy as np, pytest
from PIL import Image
from scipy.io import savemat
from wsss_nb import datasets as D, fetch as F
from wsss_nb.check import Survey, check_dataset, print_survey, survey_dataset
from wsss_nb.core import DataError, ParameterError
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import write_mask

RNG = np.random.default_rng(0)

@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch): monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"cache"))

def photo(h=40, w=50): return RNG.integers(0, 255, (h, w, 3), np.uint8)
def box(h=40, w=50, k=1):
    m = np.zeros((h, w), np.uint8); m[5:20, 5:20] = k; m[5] = 255
    return m

# --- builders of small datasets

def make_own(root, rows=(("a.png", "cat"), ("b.jpg", "dog;cat"), ("c.png", "dog")), masks=("c",), **lists):
    for f, _ in rows:
        if not (root/"images"/f).exists(): write_image(root/"images"/f, photo())
    with open(root/"labels.csv", "w", newline="") as f: csv.writer(f).writerows([("file", "labels"), *rows])
    said = {f.rsplit(".")[0]: names.split(";")[0] for f, names in rows}
    classes = sorted({n for _, names in rows for n in names.split(";")})
    for m in masks: write_mask(root/"masks"/f"{m}.png", box(k=classes.index(said.get(m, classes[0])) + 1))
    for n, ids in lists.items(): (root/f"{n}.txt").write_text("\n".join(ids) + "\n")
    return root

def xml(*names): return "<annotation>" + "".join(f"<object><name>{n}</name></object>" for n in names) + "</annotation>"

def make_voc(root, train=("t1", "t2"), val=("v1",), extra=("s1", "s2"), annotations=True):
    voc = root/"VOCdevkit"/"VOC2012"
    lists = voc/"ImageSets"/"Segmentation"; lists.mkdir(parents=True)
    for n, ids in dict(train=train, val=val, trainval=train+val).items(): (lists/f"{n}.txt").write_text("\n".join(ids))
    for i in train + val + extra: write_image(voc/"JPEGImages"/f"{i}.jpg", photo())
    both = box(k=8); both[30:, 30:] = 15
    for i in train + val: write_mask(voc/"SegmentationClass"/f"{i}.png", both)
    if annotations:
        (voc/"Annotations").mkdir()
        for i in train + val + extra: (voc/"Annotations"/f"{i}.xml").write_text(xml("cat", "person", "cat"))
    return voc

def make_sbd(folder, train, val):
    (folder/"cls").mkdir(parents=True)
    (folder/"train.txt").write_text("\n".join(train)); (folder/"val.txt").write_text("\n".join(val))

def rect(x, y, w, h): return [[x, y, x+w, y, x+w, y+h, x, y+h]]

def coco_json(ids, anns, cats=((1, "person"), (7, "train"), (90, "toothbrush"))):
    return dict(images=[dict(id=i, file_name=f"{i:012d}.jpg", height=40, width=50) for i in ids], categories=[dict(id=c, name=n) for c, n in cats],
                annotations=[dict(id=k, image_id=i, category_id=c, segmentation=s, area=1, iscrowd=0) for k, (i, c, s) in enumerate(anns)])

def make_coco(root, splits):
    for n, (ids, anns) in splits.items():
        for i in ids: write_image(root/n/f"{i:012d}.jpg", photo())
        (root/"annotations").mkdir(exist_ok=True)
        (root/"annotations"/f"instances_{n}.json").write_text(json.dumps(coco_json(ids, anns)))
    return root

def errors(ds): return [p for p in check_dataset(ds) if p.severity == "error"]

# --- own folder

def test_own(tmp_path):
    ds = D.open_dataset(make_own(tmp_path/"mine"))
    assert ds.name == "mine" and ds.classes == ("cat", "dog") and ds.n_classes == 2 and ds.label_source == "labels.csv"
    assert ds.ids() == ("a", "b") and ds.ids("val") == ("c",)
    assert ds.present("b").tolist() == [True, True] and ds.present("a").tolist() == [True, False] and ds.present("a").dtype == bool
    assert ds.image("b").shape == (40, 50, 3) and (ds.mask("c") == box(k=2)).all() and not ds.has_mask("a")
    with pytest.raises(DataError, match="a.png"): ds.mask("a")

def test_a_dataset_shows_itself_in_a_line():
    "Not by its ids, which are ten thousand in VOC."
    ids = tuple(f"2007_{i:06d}" for i in range(10_000))
    ds = D.Dataset("voc", "data/VOC2012", ("cat", "dog"), dict(train=ids, val=ids[:3]), "annotations", {}, None, None)
    assert repr(ds) == "<Dataset voc in data/VOC2012: 10000 train, 3 val; 2 classes, labels from annotations>"


def test_present_cannot_be_spoilt(tmp_path):
    ds = D.open_dataset(make_own(tmp_path/"mine"))
    ds.present("a")[:] = True
    assert ds.present("a").tolist() == [True, False]

@pytest.mark.parametrize("lists,train,val", [
    (dict(train=["a"], val=["b"]), ("a",), ("b",)), (dict(val=["b", "c"]), ("a",), ("b", "c")), (dict(train=["a", "b"]), ("a", "b"), ("c",)), ({}, ("a", "b"), ("c",))])
def test_own_splits(tmp_path, lists, train, val):
    ds = D.open_dataset(make_own(tmp_path/"mine", **lists))
    assert ds.ids("train") == train and ds.ids("val") == val

def test_own_holds_out_every_fifth_where_all_have_masks(tmp_path):
    root = make_own(tmp_path/"mine")
    for o in "ab": (root/"masks"/f"{o}.png").write_bytes((root/"masks/c.png").read_bytes())
    ds = D.open_dataset(root)
    assert ds.ids("val") == ("a",) and ds.ids("train") == ("b", "c")  # judged pictures are never learned from

def test_own_classes_keep_their_order(tmp_path):
    root = make_own(tmp_path/"mine"); (root/"classes.txt").write_text("dog\nbird\n\ncat\n")
    ds = D.open_dataset(root)
    assert ds.classes == ("dog", "bird", "cat") and ds.present("b").tolist() == [True, False, True]

def test_own_forgives(tmp_path):
    root = make_own(tmp_path/"mine")
    (root/"labels.csv").write_bytes("\ufefffile, labels\r\na.png , cat ;\r\n b, dog; cat\r\nimages/c.png,dog\r\n".encode())
    ds = D.open_dataset(root)
    assert ds.ids() == ("a", "b") and ds.ids("val") == ("c",) and ds.classes == ("cat", "dog")

@pytest.mark.parametrize("text,words", [
    ("file,labels\na.png,background\n", "background is no class"), ("file,labels\na.png,\"cat\nb.jpg,dog\n", "line 2 cannot be read"), ("file,labels\na.png\n", "line 2 has fewer columns"), ("file,labels\na.png,cat\na.png,dog\n", "id a is there more than once"),
    ("file,labels\ngone.png,cat\n", "gone is listed"), ("name,what\na.png,cat\n", "file,labels"), ("file,labels\n", "dataset is empty"), ("", "dataset is empty"),
    ("file,labels\na.png,cat,dog\n", "more columns"), ("file,labels\na.png,cat;lion\n", "lion, not in classes.txt")])
def test_own_bad_labels(tmp_path, text, words):
    root = make_own(tmp_path/"mine"); (root/"labels.csv").write_text(text)
    if "lion" in text: (root/"classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=words): D.open_dataset(root)
    assert any(words.split(":")[0] in p.what for p in errors(root))

def test_own_label_not_text(tmp_path):
    root = make_own(tmp_path/"mine"); (root/"labels.csv").write_bytes(b"file,labels\na.png,\xff\xfe\n")
    with pytest.raises(DataError, match="labels.csv.*UTF-8"): D.open_dataset(root)

def test_two_images_of_one_id(tmp_path):
    root = make_own(tmp_path/"mine"); write_image(root/"images"/"a.jpg", photo())
    with pytest.raises(DataError, match="several images have the id a"): D.open_dataset(root)

def test_unknown_split_and_id(tmp_path):
    ds = D.open_dataset(make_own(tmp_path/"mine"))
    with pytest.raises(DataError, match="no split 'dev'.*train, val"): ds.ids("dev")
    with pytest.raises(DataError, match="'zebra'"): ds.image("zebra")

def test_saliency(tmp_path):
    root = make_own(tmp_path/"mine"); (root/"saliency").mkdir()
    Image.fromarray(np.full((7, 9), 255, np.uint8)).save(root/"saliency"/"a.png")
    ds = D.open_dataset(root)
    assert ds.saliency("a").shape == (40, 50) and ds.saliency("a").dtype == np.float32 and np.allclose(ds.saliency("a"), 1)
    with pytest.raises(DataError, match="saliency/b.png"): ds.saliency("b")

def test_fingerprint_sees_images_and_labels_not_masks(tmp_path):
    root = make_own(tmp_path/"mine")
    first = D.open_dataset(root).fingerprint()
    assert D.open_dataset(root).fingerprint() == first
    for m in (root/"masks").iterdir(): m.write_bytes(b"garbage")
    assert D.open_dataset(root).fingerprint() == first
    write_image(root/"images"/"a.png", photo())
    second = D.open_dataset(root).fingerprint(); assert second != first
    make_own(root, rows=(("a.png", "dog"), ("b.jpg", "dog;cat"), ("c.png", "dog")))
    assert D.open_dataset(root).fingerprint() not in (first, second)

def test_a_dataset_goes_to_other_processes(tmp_path):
    for ds in (D.open_dataset(make_own(tmp_path/"mine")), D.open_dataset(make_voc(tmp_path)), D.open_dataset(make_coco(tmp_path/"c", {"train2014": ([1], [(1, 7, rect(1, 1, 9, 9))])}))):
        again = pickle.loads(pickle.dumps(ds))
        i = ds.ids("train")[0] if ds.ids("train") else ds.ids("val")[0]
        assert again == ds and (again.present(i) == ds.present(i)).all()

# --- VOC

def test_voc(tmp_path):
    ds = D.open_dataset(make_voc(tmp_path))
    assert ds.name == "voc2012" and ds.n_classes == 20 and ds.label_source == "annotations" and set(ds.splits) == {"train", "val", "trainval"}
    assert np.array(ds.classes)[ds.present("t1")].tolist() == ["cat", "person"]
    assert ds.mask("v1")[10, 10] == 8 and ds.has_mask("t1") and not ds.has_mask("s1")

def test_train_aug_is_derived(tmp_path):
    voc = make_voc(tmp_path)
    make_sbd(tmp_path/"benchmark_RELEASE"/"dataset", ["s1", "v1", "t1"], ["s2"])
    ds = D.open_dataset(tmp_path)
    assert ds.ids("train_aug") == ("s1", "s2", "t1", "t2")                  # (SBD ∪ train) minus val
    assert ds.present("s1").sum() == 2 and not ds.has_mask("s1") and not errors(voc)

def test_train_aug_of_the_published_sizes(tmp_path):
    "SBD 8,498 + 2,857 images, VOC 1,464 + 1,449; 10,582 come out."
    voc, n = tmp_path/"VOCdevkit"/"VOC2012", [f"{i:05d}" for i in range(12031)]
    lists = voc/"ImageSets"/"Segmentation"; lists.mkdir(parents=True); (voc/"JPEGImages").mkdir(); (voc/"Annotations").mkdir()
    train, val, sbd = n[:1464], n[1464:2913], n[2913:] + n[:1464] + n[1464:1464+773]
    (lists/"train.txt").write_text("\n".join(train)); (lists/"val.txt").write_text("\n".join(val))
    assert len(sbd) == 8498 + 2857
    make_sbd(tmp_path/"VOCdevkit"/"SBD", sbd[:8498], sbd[8498:])
    assert len(D.open_dataset(tmp_path).ids("train_aug")) == 10582

def test_voc_without_annotations_says_so(tmp_path):
    ds = D.open_dataset(make_voc(tmp_path, annotations=False))
    assert ds.label_source == "masks" and np.array(ds.classes)[ds.present("t1")].tolist() == ["cat", "person"]

def test_training_opens_no_mask(tmp_path):
    voc = make_voc(tmp_path); ds = D.open_dataset(voc)
    want = {i: ds.present(i) for i in ds.ids()}
    for m in (voc/"SegmentationClass").iterdir(): m.write_bytes(b"garbage")
    ds = D.open_dataset(voc)
    assert all((ds.present(i) == want[i]).all() for i in ds.ids())
    shutil.rmtree(voc/"SegmentationClass")
    ds = D.open_dataset(voc)
    assert all((ds.present(i) == want[i]).all() for i in ds.ids()) and ds.fingerprint()

@pytest.mark.parametrize("content,words", [(xml("catt"), "catt .is cat meant"), (xml("unicorn"), "unicorn"), ('<?xml version="1.0" encoding="klingon"?><annotation/>', "not valid XML"), ("<anno", "not valid XML"), (None, "no such file")])
def test_voc_bad_labels(tmp_path, content, words):
    voc = make_voc(tmp_path); path = voc/"Annotations"/"t2.xml"
    path.unlink() if content is None else path.write_text(content)
    ds = D.open_dataset(voc)
    with pytest.raises(DataError, match="t2.*"+words): ds.present("t2")
    assert len(errors(voc)) == 1 and re.search(words, errors(voc)[0].what)

def test_voc_nothing_in_a_picture(tmp_path):
    voc = make_voc(tmp_path); (voc/"Annotations"/"t2.xml").write_text("<annotation/>")
    assert not D.open_dataset(voc).present("t2").any()

def test_voc_lists_that_overlap(tmp_path):
    voc = make_voc(tmp_path); (voc/"ImageSets"/"Segmentation"/"train.txt").write_text("t1\nt1\nv1\n")
    with pytest.raises(DataError, match="more than once"): D.open_dataset(voc)
    assert sum("in train and in val" in p.what or "more than once" in p.what for p in errors(voc)) == 2

# --- COCO

@pytest.fixture
def coco(tmp_path):
    return make_coco(tmp_path/"coco", {"train2014": ([1, 2, 3], [(1, 1, rect(5, 5, 10, 10)), (1, 90, rect(0, 0, 40, 30)), (2, 7, rect(1, 1, 2, 2))]),
                                       "val2014": ([4], [(4, 7, rect(2, 3, 5, 6))])})

def test_coco(coco, tmp_path):
    before = sorted(p for p in coco.rglob("*"))
    ds = D.open_dataset(coco)
    one, two, four = (f"{i:012d}" for i in (1, 2, 4))
    assert ds.name == "coco2014" and ds.classes == ("person", "train", "toothbrush") and ds.label_source == "instances"
    assert ds.ids() == (one, two) and ds.ids("val") == (four,)            # 3 shows nothing
    assert ds.present(one).tolist() == [True, False, True] and ds.has_mask(one)
    m = ds.mask(one)
    assert m.dtype == np.uint8 and m.shape == (40, 50) and np.bincount(m.ravel()).tolist() == [2000-1200, 100, 0, 1100]
    assert m[10, 10] == 1                                                   # the smaller lies on top
    assert ds.mask(four)[5, 5] == 2 and (ds.mask(one) == m).all()
    assert sorted(p for p in coco.rglob("*")) == before                     # nothing is written into the dataset

def test_coco_mask_is_made_once(coco, monkeypatch):
    ds = D.open_dataset(coco); i = ds.ids()[0]; m = ds.mask(i)
    monkeypatch.setattr("wsss_nb.coco._outlines", lambda *args: pytest.fail("drawn again"))
    assert (D.open_dataset(coco).mask(i) == m).all()

def test_coco_labels_open_no_outline(coco, monkeypatch):
    D.open_dataset(coco)
    monkeypatch.setattr("wsss_nb.coco.read_coco", lambda path: pytest.fail("parsed again"))
    monkeypatch.setattr("wsss_nb.coco._outlines", lambda *args: pytest.fail("outlines opened"))
    ds = D.open_dataset(coco); assert [ds.present(i).sum() for i in ds.ids()] == [2, 1] and ds.fingerprint()

def test_coco_new_json_new_masks(coco):
    ds = D.open_dataset(coco); i = ds.ids()[1]; old = ds.mask(i)
    (coco/"annotations"/"instances_train2014.json").write_text(json.dumps(coco_json([1, 2, 3], [(2, 7, rect(1, 1, 20, 20))])))
    assert D.open_dataset(coco).mask(i).sum() > old.sum()

def test_coco_crowds_and_scraps(coco):
    d = coco_json([2], [(2, 1, rect(0, 0, 10, 10)), (2, 7, [[1, 1, 5, 5]]), (2, 90, rect(0, 0, 50, 40))])
    d["annotations"][0].update(iscrowd=1, segmentation=dict(size=[40, 50], counts=[0, 400, 1600]))       # run lengths by columns: x < 10
    (coco/"annotations"/"instances_train2014.json").write_text(json.dumps(d))
    m = D.open_dataset(coco).mask(f"{2:012d}")
    assert (m == 3).all()                                                   # the crowd lies below, the two-point scrap is left out

def test_coco_one_file_holds_out_a_tenth(tmp_path):
    ds = D.open_dataset(make_coco(tmp_path/"c", {"train2017": (range(1, 31), [(i, 1, rect(1, 1, 9, 9)) for i in range(1, 31)])}))
    assert ds.name == "coco2017" and ds.ids("val") == tuple(f"{i:012d}" for i in (10, 20, 30)) and len(ds.ids()) == 27

def test_coco_prefers_2014(coco):
    (coco/"annotations"/"instances_val2017.json").write_text(json.dumps(coco_json([4], [])))
    assert D.open_dataset(coco).name == "coco2014"

def test_coco_bad_files(coco):
    path = coco/"annotations"/"instances_val2014.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match="instances_val2014.json is not valid JSON"): D.open_dataset(coco)
    path.write_text("{}")
    with pytest.raises(DataError, match="instances_val2014.json: not a COCO"): D.open_dataset(coco)

def test_coco_problems_are_listed(coco):
    d = coco_json([1, 1, 2, 3], [(1, 1, rect(0, 0, 9, 9)), (2, 55, rect(0, 0, 9, 9)), (77, 1, rect(0, 0, 9, 9)), (3, 1, rect(0, 0, 9, 9))])
    d["images"][2]["width"] = 60
    (coco/"annotations"/"instances_train2014.json").write_text(json.dumps(d)); (coco/"train2014"/f"{3:012d}.jpg").unlink()
    what = "\n".join(p.what for p in check_dataset(coco))
    for words in ("image id 1 is there more than once", "image 77, which is not listed", "unknown category 55", "no such file"): assert words in what
    with pytest.raises(DataError): D.open_dataset(coco)

def test_coco_odd_entries(coco, tmp_path, monkeypatch):
    path = coco/"annotations"/"instances_train2014.json"
    path.write_text(json.dumps(coco_json([2], [(2, 7, [[1, 1, 5, 5, 9, "x"]])])))
    with pytest.raises(DataError, match="annotation 0 of 000000000002.jpg: its outline is no list of numbers"): D.open_dataset(coco)
    d = coco_json([2], [(2, 7, rect(1, 1, 5, 5))]); del d["images"][0]["height"]; path.write_text(json.dumps(d))
    with pytest.raises(DataError, match="instances_train2014.json.*height"): D.open_dataset(coco)

def test_coco_cache_that_cannot_be_written(coco, tmp_path, monkeypatch):
    (tmp_path/"file").write_text(""); monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"file"))
    with pytest.raises(DataError, match="WSSS_NB_HOME"): D.open_dataset(coco)

def test_coco_images_elsewhere(coco):
    (coco/"images").mkdir(); shutil.move(coco/"train2014", coco/"images"/"train2014")
    assert D.open_dataset(coco).image(f"{1:012d}").shape == (40, 50, 3)
    shutil.rmtree(coco/"images")
    with pytest.raises(DataError, match="instances_train2014.json: its images"): D.open_dataset(coco)

# --- BSDS500

def save_maps(path, *maps):
    cells = np.empty((1, len(maps)), object)
    for k, m in enumerate(maps): cells[0, k] = dict(Segmentation=m, Boundaries=np.zeros(m.shape, np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, dict(groundTruth=cells))

def make_bsds(root, **splits):
    "Two maps a picture; without splits the files lie in images/ and groundTruth/"
    for n, ids in (splits or {"": ("8023", "9")}).items():
        for i in ids:
            write_image(root/"images"/n/f"{i}.jpg", photo())
            save_maps(root/"groundTruth"/n/f"{i}.mat", np.full((40, 50), 300, np.uint16), np.arange(2000, dtype=np.uint16).reshape(40, 50))
    return root

def test_bsds(tmp_path):
    ds = D.open_dataset(make_bsds(tmp_path/"b"))
    assert ds.name == "bsds500" and ds.classes == () and ds.ids("val") == ("8023", "9") and ds.ids("train") == ()
    a, b = ds.maps("8023")
    assert a.dtype == b.dtype == np.int32 and (a == 300).all() and (b.ravel() == np.arange(2000)).all()  # 255 is a region like others
    assert ds.has_mask("9") and ds.image("9").shape == (40, 50, 3) and not check_dataset(ds)
    assert D.open_dataset(tmp_path/"b"/"groundTruth").ids("val") == D.open_dataset(tmp_path).ids("val") == ("8023", "9")
    assert len(pickle.loads(pickle.dumps(ds)).maps("9")) == 2

def test_bsds_as_published(tmp_path):
    ds = D.open_dataset(make_bsds(tmp_path/"BSDS500"/"data", train=("1", "2"), val=("3",), test=("4",)))
    assert {n: ds.ids(n) for n in ds.splits} == dict(train=("1", "2"), val=("3",), test=("4",))
    assert [len(ds.maps(i)) for i in "1234"] == [2]*4 and not check_dataset(ds)

@pytest.mark.parametrize("ask", [lambda ds: ds.n_classes, lambda ds: ds.mask("9"), lambda ds: ds.present("9"), lambda ds: ds.fingerprint("val")])
def test_bsds_has_no_classes(tmp_path, ask):
    ds = D.open_dataset(make_bsds(tmp_path/"b"))
    with pytest.raises(DataError, match="bsds500 has no classes, only regions that people drew"): ask(ds)

@pytest.mark.parametrize("harm, words", [(lambda p: p.write_bytes(p.read_bytes()[:200]), "is damaged, or no ground truth"), (lambda p: p.write_bytes(b""), "is damaged"), (lambda p: p.unlink(), "no such file|no mask"), (lambda p: savemat(p, dict(other=1)), "KeyError"),
    (lambda p: save_maps(p, np.ones((40, 50)), np.ones((50, 40))), "of one size"), (lambda p: save_maps(p, np.full((40, 50), .5)), "whole numbers"), (lambda p: savemat(p, dict(groundTruth=np.empty((1, 0), object))), "no maps")])
def test_bsds_truth_that_is_bad_is_named(tmp_path, harm, words):
    ds, file = D.open_dataset(make_bsds(tmp_path/"b")), tmp_path/"b"/"groundTruth"/"9.mat"
    harm(file)
    with pytest.raises(DataError, match=rf"9\.mat: .*({words})"): ds.maps("9")
    problem, = errors(ds)
    assert problem.file == str(file.resolve()) and ds.maps("8023")

def test_bsds_check(tmp_path):
    root = make_bsds(tmp_path/"b")
    save_maps(root/"groundTruth"/"9.mat", np.ones((20, 50), int)); save_maps(root/"groundTruth"/"77.mat", np.ones((20, 50), int))
    assert [(p.file.rsplit("/")[-1], p.severity) for p in check_dataset(root)] == [("77.mat", "note"), ("9.mat", "error")]

def test_bsds_in_two_parts_at_once(tmp_path):
    with pytest.raises(DataError, match="1 is in several of train, val and test"): D.open_dataset(make_bsds(tmp_path/"b", train=("1",), val=("1",)))

def test_a_mask_is_one_map(tmp_path):
    ds = D.open_dataset(make_own(tmp_path/"mine"))
    m, = ds.maps("c")
    assert m.dtype == np.int32 and (m[box() == 255] == -1).all() and (m[box() != 255] == box(k=2)[box() != 255]).all()

# --- finding

def test_found_from_above_and_below(tmp_path, coco):
    voc, own = make_voc(tmp_path/"v"), make_own(tmp_path/"o"/"mine")
    for p in (tmp_path/"v", voc.parent, voc, voc/"JPEGImages", voc/"ImageSets"/"Segmentation"): assert D.open_dataset(p).root == voc.resolve()
    for p in (tmp_path/"o", own, own/"images", own/"labels.csv", str(own)): assert D.open_dataset(p).root == own.resolve()
    for p in (coco, coco/"train2014", coco/"annotations"): assert D.open_dataset(p).root == coco.resolve()

def test_not_found_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match="(?s)JPEGImages.*instances_.*labels.csv.*scenes"): D.open_dataset(tmp_path)
    with pytest.raises(DataError, match="no such folder. Give a dataset's folder, or `scenes`, which is built in"): D.open_dataset(tmp_path/"nowhere")
    make_own(tmp_path/"one"); make_own(tmp_path/"two")
    with pytest.raises(DataError, match="several.*one.*two"): D.open_dataset(tmp_path)

def test_a_file_beside_a_dataset_is_not_the_dataset(tmp_path, coco):
    own, voc = make_own(tmp_path/"mine"), make_voc(tmp_path/"v")
    (own/"notes.txt").write_text("of ours"); write_image(own/"big.jpg", photo())
    for p in (own/"notes.txt", coco/"notes.json"):
        p.touch()
        with pytest.raises(DataError, match=f"{p.name} is a file, not the folder of a dataset$"): D.open_dataset(p)
    for p in (own/"big.jpg", next((own/"images").iterdir())):
        with pytest.raises(DataError, match="is a file, not the folder of a dataset; an explorer takes a single picture as picture="): D.open_dataset(p)
    [problem] = check_dataset(own/"big.jpg")
    assert "is a file, not the folder" in problem.file + problem.what
    for p in (own/"labels.csv", voc/"ImageSets"/"Segmentation"/"train.txt", coco/"annotations"/"instances_train2014.json"): assert D.open_dataset(p).ids()

def test_2012_is_taken_beside_2007(tmp_path):
    voc = make_voc(tmp_path); shutil.copytree(voc, voc.parent/"VOC2007")
    assert D.open_dataset(voc.parent).root == voc.resolve()

def test_builtin_by_name(monkeypatch, tmp_path):
    monkeypatch.setitem(D.BUILTIN, "toy", "json:dumps")
    assert D._open_builtin("toy:a=1") == '"a=1"' and D._open_builtin("toy") == '""'

def test_open_takes_a_dataset(tmp_path):
    ds = D.open_dataset(make_own(tmp_path/"mine")); assert D.open_dataset(ds) is ds

# --- checking

def test_check_lists_every_bad_file(tmp_path, capsys):
    root = make_own(tmp_path/"mine", rows=[(f"{c}.{'jpg' if c in 'bg' else 'png'}", "cat") for c in "abcdefgh"], masks="cdeh", val=["c", "d", "e", "f"])
    images, masks = root/"images", root/"masks"
    b = (images/"b.jpg").read_bytes(); (images/"b.jpg").write_bytes(b[:len(b)//2])
    write_mask(masks/"d.png", box()[:30]); write_mask(masks/"e.png", box(k=200)); (masks/"h.png").write_bytes(b"")
    Image.fromarray(photo()[..., 0]).save(images/"a.png")
    exif = Image.Exif(); exif[274] = 6
    Image.fromarray(photo()).convert("CMYK").save(images/"g.jpg", exif=exif)
    write_image(images/"stray.png", photo())
    found = check_dataset(root)
    by = {}
    for p in found: by.setdefault((p.file.removeprefix(str(root)+"/"), p.severity), []).append(p.what)
    by = {k: "; ".join(v) for k, v in by.items()}
    assert set(by) == {("images/b.jpg", "error"), ("masks/d.png", "error"), ("masks/e.png", "error"), ("masks/f.png", "error"), ("masks/h.png", "error"),
                       ("images/a.png", "note"), ("images/g.jpg", "note"), ("images/stray.png", "note")}
    assert "truncated" in by["images/b.jpg", "error"] and "30x50" in by["masks/d.png", "error"] and "200 (210 pixels)" in by["masks/e.png", "error"]
    assert "no mask" in by["masks/f.png", "error"] and "grey" in by["images/a.png", "note"] and by["images/g.jpg", "note"] == "CMYK: converted when read; EXIF-rotated: converted when read"
    assert print_survey(Survey(found)) == 1 and "5 errors, 4 notes" in capsys.readouterr().out

def test_a_mask_without_image_is_noted(tmp_path):
    root = make_own(tmp_path/"mine", masks=("c", "cc"))
    assert D.open_dataset(root).ids("val") == ("c",)
    assert [(p.severity, p.file) for p in check_dataset(root)] == [("note", str(root/"masks"/"cc.png"))]

def test_check_notes_do_not_fail(tmp_path, capsys):
    root = make_own(tmp_path/"mine"); Image.fromarray(photo()[..., 0]).save(root/"images"/"a.png")
    assert print_survey(survey_dataset(root)) == 0 and "0 errors, 1 note\n" in capsys.readouterr().out

def test_check_of_nothing(tmp_path):
    assert len(check_dataset(tmp_path)) == 1 and len(check_dataset(tmp_path/"nowhere")) == 1

def test_check_size_against_annotations(coco):
    write_image(coco/"val2014"/f"{4:012d}.jpg", photo(41, 50))
    assert [p.what for p in errors(coco)] == ["is 41x50 (height x width), but its annotations are for 40x50 (height x width)"]

def test_check_saliency(tmp_path):
    root = make_own(tmp_path/"mine"); (root/"saliency").mkdir(); (root/"saliency"/"a.png").write_bytes(b"xx")
    assert [p.file for p in errors(root)] == [str(root/"saliency"/"a.png")]

# --- getting

class Host(http.server.BaseHTTPRequestHandler):
    "Serves one file, with ranges unless told otherwise; breaks off after `cut` bytes of an answer."
    def do_GET(self):
        s, start, code = self.server, 0, 200
        s.asked.append(self.headers.get("Range"))
        if s.ranges and self.headers.get("Range"): start, code = int(self.headers["Range"][6:-1]), 206
        if start >= len(s.content): self.send_response(416); self.send_header("Content-Length", "0"); self.end_headers(); return
        self.send_response(code); self.send_header("Content-Length", str(len(s.content)-start)); self.end_headers()
        self.wfile.write(s.content[start:start+s.cut])
    def log_message(self, *a): pass

@pytest.fixture
def host(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    s.content, s.ranges, s.cut, s.asked = tar_bytes({"folder/a.bin": RNG.bytes(50_000)}), True, 10**9, []
    threading.Thread(target=s.serve_forever, daemon=True).start()
    yield s
    s.shutdown(); s.server_close()

def tar_bytes(members, links=()):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w:gz") as t:
        for n, content in members.items():
            info = tarfile.TarInfo(n); info.size = len(content); t.addfile(info, io.BytesIO(content))
        for n, to in links: info = tarfile.TarInfo(n); info.type, info.linkname = tarfile.SYMTYPE, to; t.addfile(info)
    return b.getvalue()

def md5(b): return hashlib.md5(b).hexdigest()

@pytest.fixture
def toy(host, monkeypatch):
    source = F.Source(f"http://127.0.0.1:{host.server_port}/toy.tgz", md5(host.content), "folder", "toy/folder")
    monkeypatch.setitem(F.SOURCES, "toy", [source])
    return source

def left_over(root): return sorted(p.name for p in root.iterdir() if p.name.startswith("."))

def test_get(host, toy, tmp_path):
    assert F.get_dataset("toy", tmp_path/"d") == [tmp_path/"d"/"toy"/"folder"]
    assert (tmp_path/"d"/"toy"/"folder"/"a.bin").stat().st_size == 50_000 and not left_over(tmp_path/"d")
    F.get_dataset("toy", tmp_path/"d"); assert host.asked == [None]          # the second time nothing is fetched

def test_get_goes_on_when_the_connection_breaks(host, toy, tmp_path):
    host.cut = 20_000
    F.get_dataset("toy", tmp_path/"d")
    assert host.asked == [None, "bytes=20000-", "bytes=40000-"]

def test_get_resumes_what_a_killed_run_left(host, toy, tmp_path):
    (tmp_path/"d"/"archives").mkdir(parents=True); (tmp_path/"d"/"archives"/"toy.tgz.part").write_bytes(host.content[:30_000])
    F.get_dataset("toy", tmp_path/"d"); assert host.asked == ["bytes=30000-"]

def test_get_with_everything_already_there(host, toy, tmp_path):
    (tmp_path/"d"/"archives").mkdir(parents=True); (tmp_path/"d"/"archives"/"toy.tgz.part").write_bytes(host.content)
    F.get_dataset("toy", tmp_path/"d"); assert (tmp_path/"d"/"toy"/"folder"/"a.bin").exists()

def test_get_from_a_host_that_cannot_resume(host, toy, tmp_path):
    host.ranges = False
    (tmp_path/"d"/"archives").mkdir(parents=True); (tmp_path/"d"/"archives"/"toy.tgz.part").write_bytes(b"x"*30_000)
    F.get_dataset("toy", tmp_path/"d"); assert (tmp_path/"d"/"toy"/"folder"/"a.bin").exists()

def test_get_wrong_content(host, toy, tmp_path):
    host.content = host.content[:-1] + b"x"
    with pytest.raises(DataError, match="not the published file"): F.get_dataset("toy", tmp_path/"d")
    assert not (tmp_path/"d"/"toy").exists() and not list((tmp_path/"d"/"archives").iterdir())

def test_get_host_gone(host, toy, tmp_path):
    host.shutdown(); host.server_close()
    with pytest.raises(DataError, match=r"toy\.tgz cannot be fetched.*put it at .*archives/toy\.tgz.*archive="): F.get_dataset("toy", tmp_path/"d")
    (tmp_path/"d"/"archives"/"toy.tgz").write_bytes(host.content)             # as the message says
    F.get_dataset("toy", tmp_path/"d"); assert (tmp_path/"d"/"toy"/"folder"/"a.bin").exists()

def test_get_breaks_off_at_once(host, toy, tmp_path):
    host.cut = 0
    with pytest.raises(DataError, match="cannot be fetched"): F.get_dataset("toy", tmp_path/"d")

def test_get_from_a_local_archive(host, toy, tmp_path):
    (tmp_path/"toy.tgz").write_bytes(host.content)
    F.get_dataset("toy", tmp_path/"d", archive=tmp_path/"toy.tgz"); F.get_dataset("toy", tmp_path/"e", archive=tmp_path)
    assert (tmp_path/"e"/"toy"/"folder"/"a.bin").exists() and not host.asked
    (tmp_path/"toy.tgz").write_bytes(host.content[:999])
    with pytest.raises(DataError, match="MD5"): F.get_dataset("toy", tmp_path/"f", archive=tmp_path/"toy.tgz")
    with pytest.raises(DataError, match="no such file"): F.get_dataset("toy", tmp_path/"f", archive=tmp_path/"none.tgz")
    assert not (tmp_path/"f"/"toy").exists()

def bad_zip(path, name):
    with zipfile.ZipFile(path, "w") as z: z.writestr("folder/a", "fine"); z.writestr(name, "bad")

@pytest.mark.parametrize("kind,name", [("zip", "../../evil"), ("zip", "folder/../../evil"), ("zip", "/evil"), ("tar", "../../evil"), ("tar", "folder/../../evil"), ("link", "../..")])
def test_an_unsafe_archive_is_refused(tmp_path, monkeypatch, kind, name):
    path = tmp_path/"in"/"bad"; path.parent.mkdir()
    if kind == "zip": bad_zip(path, name)
    elif kind == "tar": path.write_bytes(tar_bytes({"folder/a": b"fine", name: b"bad"}))
    else: path.write_bytes(tar_bytes({"folder/a": b"fine"}, links=[("folder/up", name)]))
    monkeypatch.setitem(F.SOURCES, "toy", [F.Source("http://127.0.0.1:1/bad", md5(path.read_bytes()), "folder", "toy")])
    with pytest.raises(DataError, match="refused"): F.get_dataset("toy", tmp_path/"d", archive=path)
    assert not (tmp_path/"d"/"toy").exists() and not left_over(tmp_path/"d") and not list(tmp_path.rglob("evil"))

@pytest.mark.parametrize("content", [b"no archive at all", tar_bytes({"folder/a": bytes(RNG.bytes(9000))})[:5000], tar_bytes({"other/a": b"x"})], ids=["none", "cut", "other folder"])  # its bytes hold the time, which is no name for a test
def test_a_damaged_archive_leaves_nothing(tmp_path, monkeypatch, content):
    (tmp_path/"bad.tgz").write_bytes(content)
    monkeypatch.setitem(F.SOURCES, "toy", [F.Source("http://127.0.0.1:1/bad.tgz", md5(content), "folder", "toy")])
    with pytest.raises(DataError, match="bad.tgz"): F.get_dataset("toy", tmp_path/"d", archive=tmp_path/"bad.tgz")
    assert not (tmp_path/"d"/"toy").exists() and not left_over(tmp_path/"d")

def test_get_unknown_and_unwritable(tmp_path):
    with pytest.raises(ParameterError, match="voc, sbd, coco"): F.get_dataset("imagenet", tmp_path)
    (tmp_path/"file").write_text("")
    with pytest.raises(DataError, match="cannot be written"): F.get_dataset("voc", tmp_path/"file")

def test_sources_are_complete():
    assert set(F.SOURCES) >= {"voc", "sbd", "coco"} and all(len(s.md5) == 32 for v in F.SOURCES.values() for s in v)

# --- real photographs

def test_shared_voc(shared_data):
    ds = D.open_dataset(shared_data/"VOCdevkit")
    assert (len(ds.ids("train")), len(ds.ids("val")), ds.label_source) == (6, 4, "masks")
    for i in ds.ids("trainval"):
        assert ds.image(i).shape[:2] == ds.mask(i).shape and ds.present(i).any()
    assert not errors(ds)

def test_shared_coco(shared_data):
    ds = D.open_dataset(shared_data/"coco100")
    assert ds.n_classes == 80 and ds.classes[0] == "person" and ds.classes[79] == "toothbrush" and (len(ds.ids()), len(ds.ids("val"))) == (89, 9)
    assert D.open_dataset(shared_data/"coco100"/"annotations").ids() == ds.ids()
    for i in ds.ids("val"):
        m = ds.mask(i); assert m.shape == ds.image(i).shape[:2]
        assert set(np.unique(m)) - {0} <= set(np.flatnonzero(ds.present(i)) + 1)
    found = {p.what.split(":")[0] for p in check_dataset(ds)}
    assert "grey" in found and all(o.startswith("colour profile ") for o in found - {"grey"}), found
    with pytest.raises(DataError, match="several datasets"): D.open_dataset(shared_data)

def test_shared_bsds(shared_data):
    ds = D.open_dataset(shared_data/"bsds500_val")
    assert len(ds.ids("val")) == 100 and not check_dataset(ds)
    assert {len(ds.maps(i)) for i in ds.ids("val")} == {5, 6, 7, 8}
