"""Evaluation of folders made anywhere: against naive counts and torchmetrics, formats of others, and files that must be refused."""
import io
import json
import os
import tarfile
import zipfile

import wsss_nb.core  # the torchvision guard, before torchmetrics
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from pycocotools.coco import COCO
from torchmetrics.classification import MulticlassJaccardIndex

from wsss_nb import label_files
from wsss_nb.core import DataError, ParameterError
from wsss_nb.datasets import VOC_CLASSES, open_dataset
from wsss_nb.evaluate import CHOSEN, class_rows, evaluate_folder
from wsss_nb.exports import write_coco, write_fiftyone, write_voc_archive
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import read_mask, voc_palette, write_labels, write_mask
from wsss_nb.npy_files import read_npy
from wsss_nb.predictions import find_predictions, in_threads
from wsss_nb.score_files import read_prediction, read_scores

IDS = [f"2012_{i:06d}" for i in range(5)]


def blobs(seed, hw=(24, 40), n=5):
    return np.random.default_rng(seed).integers(0, n, (hw[0]//8, hw[1]//8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)


@pytest.fixture
def voc(tmp_path):
    "A little folder in VOC's layout: five pictures with masks that have a void rim, and predictions of them"
    root = tmp_path/"VOC2012"
    (root/"ImageSets"/"Segmentation").mkdir(parents=True)
    for name, part in dict(train=IDS[:1], val=IDS[1:], test=IDS[1:3]).items(): (root/"ImageSets"/"Segmentation"/f"{name}.txt").write_text("\n".join(part))
    for k, id in enumerate(IDS):
        mask = blobs(k)
        mask[:2] = 255
        write_image(root/"JPEGImages"/f"{id}.jpg", np.repeat(mask[..., None], 3, 2))
        write_mask(root/"SegmentationClass"/f"{id}.png", mask)
        write_mask(tmp_path/"pred"/f"{id}.png", np.where(blobs(k + 50) > 3, blobs(k + 9), blobs(k)))
    return open_dataset(root)


@pytest.fixture
def pred(voc, tmp_path): return tmp_path/"pred"


# ---- scores

def test_equals_torchmetrics(voc, pred):
    r = evaluate_folder(voc, pred)
    P, T = (np.stack([read(o) for o in voc.ids("val")]).astype(np.int64) for read in (lambda o: read_mask(pred/f"{o}.png"), voc.mask))
    each = MulticlassJaccardIndex(21, ignore_index=255, average="none")
    each.update(torch.from_numpy(P), torch.from_numpy(T))
    assert_allclose(np.array(r["iou"], float)[:5], each.compute()[:5], rtol=1e-5)
    assert r["iou"][5:] == [None]*16 and r["absent"] == list(VOC_CLASSES[4:])
    assert r["miou"] == pytest.approx(np.mean(r["iou"][:5]))
    known, labelled = T != 255, (P != 255) & (T != 255)
    assert (r["coverage"], r["precision"], r["images"]) == (labelled.sum()/known.sum(), (P == T)[labelled].mean(), len(P))


def test_workers_do_not_change_the_counts(voc, pred):
    assert evaluate_folder(voc, pred, workers=1) == evaluate_folder(voc, pred, workers=3)


def test_real_masks_against_themselves(shared_data):
    ds = open_dataset(shared_data/"VOCdevkit")
    ids = [o for s in ("train", "val") for o in ds.ids(s)]
    r = evaluate_folder(ds, ds.root/"SegmentationClass", ids)
    assert r["miou"] == r["precision"] == r["coverage"] == 1 and r["images"] == len(ids)
    assert set(r["iou"]) == {1, None} and len(r["absent"]) == r["iou"].count(None)


def test_unlabelled_pixels_lower_the_coverage(voc, pred):
    for o in voc.ids("val"):
        P = voc.mask(o)
        P[12:] = 255
        write_mask(pred/f"{o}.png", P)
    r = evaluate_folder(voc, pred)
    assert r["coverage"] == pytest.approx(10/22) and r["precision"] == 1  # rows 2…11 of the known rows 2…23


def test_partial(voc, pred):
    (pred/f"{IDS[2]}.png").unlink()
    with pytest.raises(DataError, match=rf"1 of the 4 pictures have no prediction.*{IDS[2]}.*partial"): evaluate_folder(voc, pred)
    r = evaluate_folder(voc, pred, partial=True)
    assert (r["images"], r["missing"]) == (3, [IDS[2]])
    assert "1 pictures have no prediction" in class_rows({"theirs": r}, voc.classes)["text"]


# ---- PNG of every kind

def convert(pred, voc, save):
    for o in voc.ids("val"): save(read_mask(pred/f"{o}.png"), pred/f"{o}.png")


@pytest.mark.parametrize("save", [
    lambda a, f: Image.fromarray(a).save(f),
    lambda a, f: Image.fromarray(a).save(f, optimize=True),
    lambda a, f: Image.fromarray(voc_palette()[a]).save(f),
    lambda a, f: Image.fromarray(voc_palette()[a]).convert("RGBA").save(f),
    lambda a, f: Image.fromarray(a).save(f, compress_level=0),
], ids=["grey", "optimised", "colours", "opaque RGBA", "uncompressed"])
def test_kinds_of_png_score_alike(voc, pred, save):
    want = evaluate_folder(voc, pred)
    convert(pred, voc, save)
    assert evaluate_folder(voc, pred) == want


def test_plain_reader_equals_pillow_or_hands_over(voc, pred, tmp_path):
    plain, file = label_files.plain_png, pred/f"{IDS[1]}.png"
    assert (plain(file.read_bytes()) == np.asarray(Image.open(file))).all()
    a = np.add.outer(np.arange(30), np.arange(40)).astype(np.uint8)
    import cv2
    cv2.imwrite(str(tmp_path/"filtered.png"), a, [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED])  # rows hold differences
    assert plain((tmp_path/"filtered.png").read_bytes()) is None and (read_prediction(tmp_path/"filtered.png", 254) == a).all()
    Image.fromarray(a > 30).save(tmp_path/"one.png")
    assert plain((tmp_path/"one.png").read_bytes()) is None and (read_prediction(tmp_path/"one.png", 20) == (a > 30)).all()
    raw = bytearray(file.read_bytes())
    raw[raw.index(b"IDAT") + 20] ^= 1
    assert plain(bytes(raw)) is None  # the checksum


def spoil_size(f): write_mask(f, np.zeros((24, 41), np.uint8))
def spoil_id(f): write_mask(f, np.full((24, 40), 21, np.uint8))
def spoil_colour(f): Image.fromarray(np.full((24, 40, 3), 77, np.uint8)).save(f)
def spoil_alpha(f): Image.fromarray(np.zeros((24, 40, 4), np.uint8)).save(f)
def spoil_cut(f): f.write_bytes(f.read_bytes()[:-30])
def spoil_16(f): write_labels(f, np.zeros((24, 40), np.uint16))
def spoil_empty(f): f.write_bytes(b"")


@pytest.mark.parametrize("spoil, message", [
    (spoil_size, r"is 24x41 \(height x width\), but its picture is 24x40.*resize"), (spoil_id, r"holds id \[21\].*0…20"), (spoil_colour, r"77 \(960 pixels\)"),
    (spoil_alpha, "partly transparent"), (spoil_cut, "truncated or damaged"), (spoil_16, "16 bits a pixel"), (spoil_empty, "empty")])
def test_png_refused(voc, pred, spoil, message):
    f = pred/f"{IDS[3]}.png"
    spoil(f)
    with pytest.raises(DataError, match=message) as e: evaluate_folder(voc, pred)
    assert str(f) in str(e.value)


def test_folder_refused(voc, pred, tmp_path):
    with pytest.raises(DataError, match="no such folder"): evaluate_folder(voc, tmp_path/"nowhere")
    (tmp_path/"empty").mkdir()
    with pytest.raises(DataError, match=r"holds no .png and no .npy"): evaluate_folder(voc, tmp_path/"empty")
    with pytest.raises(DataError, match="is a file"): evaluate_folder(voc, pred/f"{IDS[1]}.png")
    write_mask(tmp_path/"other"/"a.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(DataError, match="another split, or another dataset"): evaluate_folder(voc, tmp_path/"other", partial=True)
    with pytest.raises(ParameterError, match="kind is 'jpg'"): evaluate_folder(voc, pred, kind="jpg")
    with pytest.raises(ParameterError, match="take no threshold"): evaluate_folder(voc, pred, threshold=.3)
    np.save(pred/f"{IDS[1]}.npy", blobs(1))
    with pytest.raises(DataError, match=r"a .png and a .npy"): evaluate_folder(voc, pred)
    assert evaluate_folder(voc, pred, kind="png")["images"] == 4


def test_truth_refused(voc, pred):
    mask = voc.root/"SegmentationClass"/f"{IDS[2]}.png"
    write_mask(mask, np.full((24, 40), 30, np.uint8))
    with pytest.raises(DataError, match=r"ground truth holds id \[30\]") as e: evaluate_folder(voc, pred)
    assert str(mask) in str(e.value)
    mask.unlink()
    with pytest.raises(DataError, match="no true mask"): evaluate_folder(voc, pred)


# ---- scores in .npy

def irn(file, keys, S, **more):
    file.parent.mkdir(exist_ok=True)
    np.save(file, {"keys": keys, "high_res": S, **more})


def test_old_numpy_names_and_transposed_tensors(tmp_path):
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    irn(tmp_path/"a.npy", torch.tensor([0, 3]), np.asfortranarray(a), t=torch.from_numpy(a).transpose(0, 2), n=np.float64(2.5))
    d = read_npy(tmp_path/"a.npy")
    assert (d["high_res"] == a).all() and (d["t"] == a.transpose(2, 1, 0)).all() and d["n"] == 2.5
    raw = (tmp_path/"a.npy").read_bytes().replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    head, frame = raw.split(b"\x80\x04\x95", 1)
    (tmp_path/"old.npy").write_bytes(head + b"\x80\x04" + frame[8:])  # without the frame, whose length has changed
    assert (read_npy(tmp_path/"old.npy")["high_res"] == a).all()


def test_a_single_file_of_scores(tmp_path):
    "What `test_scores` leaves out: keys as a view into a tensor, and what a file alone cannot tell."
    S = np.random.default_rng(0).random((2, 3, 4), np.float32)
    irn(tmp_path/"a.npy", torch.tensor([9, 0, 3])[1:], S, cam=torch.zeros(2, 1, 1))
    ids, got = read_scores(tmp_path/"a.npy", 20)
    assert ids.tolist() == [1, 4] and (got == S).all()
    want = np.where(S.max(0) > np.float32(.5), np.array([1, 4])[S.argmax(0)], 0)
    assert (read_prediction(tmp_path/"a.npy", 20, .5) == want).all()
    with pytest.raises(ParameterError, match="threshold="): read_prediction(tmp_path/"a.npy", 20)
    irn(tmp_path/"bg.npy", np.array([0, 4]), S)
    assert (read_prediction(tmp_path/"bg.npy", 20, kind="npy-bg") == 4*S.argmax(0)).all()
    np.save(tmp_path/"all.npy", S)
    assert [read_scores(tmp_path/"all.npy", n)[0].tolist() for n in (2, 1)] == [[1, 2], [0, 1]]


class Evil:
    def __init__(self, marker): self.marker = marker
    def __reduce__(self): return os.mkdir, (str(self.marker),)


def test_malicious_pickle_is_not_run(voc, tmp_path):
    for o in voc.ids("val"): irn(tmp_path/"cams"/f"{o}.npy", Evil(tmp_path/"marker"), np.zeros((1, 24, 40), np.float32))
    with pytest.raises(DataError, match=r"asks for (posix|nt)\.mkdir.*not opened") as e: evaluate_folder(voc, tmp_path/"cams")
    assert f"{IDS[1]}.npy" in str(e.value)
    stored = io.BytesIO()
    torch.save(Evil(tmp_path/"marker"), stored, _use_new_zipfile_serialization=False)
    class Hidden:  # inside the bytes of a tensor's storage
        def __reduce__(self): return torch.storage._load_from_bytes, (stored.getvalue(),)
    irn(tmp_path/"hidden.npy", Hidden(), np.zeros((1, 2, 2), np.float32))
    with pytest.raises(DataError, match="hidden.npy"): read_npy(tmp_path/"hidden.npy")
    class Getattr:
        def __reduce__(self): return getattr, (str, "upper")
    irn(tmp_path/"getattr.npy", Getattr(), np.zeros((1, 2, 2), np.float32))
    with pytest.raises(DataError, match="builtins.getattr"): read_npy(tmp_path/"getattr.npy")
    assert not (tmp_path/"marker").exists()


def test_tensor_beyond_its_storage(tmp_path):
    class Wide:
        def __reduce__(self): return torch._utils._rebuild_tensor_v2, (torch.zeros(3).storage(), 0, (9,), (1,), False, {})
    irn(tmp_path/"a.npy", Wide(), np.zeros((1, 2, 2), np.float32))
    with pytest.raises(DataError, match="beyond its storage|torch"): read_npy(tmp_path/"a.npy")


@pytest.mark.parametrize("content, message", [
    ({"keys": np.array([25]), "high_res": np.zeros((1, 2, 2), np.float32)}, r"names the classes \[26\].*there are 20"),
    ({"keys": np.array([1, 2]), "high_res": np.zeros((1, 2, 2), np.float32)}, "do not begin with the background"),
    ({"keys": np.array([1]), "high_res": np.zeros((3, 2, 2), np.float32)}, "1 keys, but 3 score maps"),
    ({"keys": np.array([1]), "high_res": np.full((1, 2, 2), np.nan, np.float32)}, "NaN"),
    ({"keys": np.array([1]), "high_res": np.zeros((1, 2), np.float32)}, "score maps are"),
    ({"labels": np.zeros((2, 2), np.float32)}, r"holds \['labels'\]"),
    (np.zeros((4, 2, 2), np.float32), "4 score maps, but there are 20 classes"),
    ([1, 2], "neither|classes|score"),
    (np.array(["a", {}], dtype=object), "not a dictionary|array")])
def test_npy_refused(tmp_path, content, message):
    np.save(tmp_path/"a.npy", content)
    with pytest.raises(DataError, match=message) as e: read_prediction(tmp_path/"a.npy", 20, .5)
    assert "a.npy" in str(e.value)


def test_npy_damaged(tmp_path):
    irn(tmp_path/"a.npy", np.array([1]), np.zeros((1, 9, 9), np.float32))
    raw = (tmp_path/"a.npy").read_bytes()
    for n in (3, 60, 200, len(raw) - 20):
        (tmp_path/"b.npy").write_bytes(raw[:n])
        with pytest.raises(DataError, match=r"b\.npy"): read_npy(tmp_path/"b.npy")
    with pytest.raises(DataError, match="no such file"): read_npy(tmp_path/"c.npy")


@pytest.fixture
def cams(voc, tmp_path):
    for k, o in enumerate(voc.ids("val")): irn(tmp_path/"cams"/f"{o}.npy", torch.tensor([0, 2]), np.random.default_rng(k).random((2, 24, 40), np.float32)**2)
    return tmp_path/"cams"


def test_sweep_equals_one_threshold_after_the_other(voc, cams):
    ts = [0, .25, .5, .9]
    one = [evaluate_folder(voc, cams, kind="irn", threshold=t) for t in ts]
    r = evaluate_folder(voc, cams, kind="irn", threshold=ts)
    assert [o["miou"] for o in r["sweep"]] == [o["miou"] for o in one]
    best = max(one, key=lambda o: o["miou"])
    assert r["miou"] == best["miou"] and r["iou"] == best["iou"] and r["threshold"] == best["threshold"]
    assert r["chosen"] == CHOSEN == "best over thresholds, chosen on the truth" and "chosen" not in one[0]
    for t, o in zip(ts, one):                                          # and as label maps
        for id in voc.ids("val"): write_mask(cams.parent/f"at{t}"/f"{id}.png", read_prediction(cams/f"{id}.npy", 20, t))
        assert evaluate_folder(voc, cams.parent/f"at{t}")["iou"] == o["iou"]
    assert len(evaluate_folder(voc, cams, kind="irn")["sweep"]) == 100
    assert "chosen on the truth" in class_rows({"CAM": r}, voc.classes)["text"]


def test_scores_of_another_size(voc, cams):
    irn(cams/f"{IDS[2]}.npy", torch.tensor([1]), np.zeros((1, 6, 10), np.float32))
    with pytest.raises(DataError, match=rf"{IDS[2]}.npy: is 6x10.*24x40"): evaluate_folder(voc, cams, kind="irn")


def test_scores_with_background(voc, tmp_path):
    for o in voc.ids("val"): irn(tmp_path/"bg"/f"{o}.npy", np.arange(5), (voc.mask(o) == np.arange(5)[:, None, None]).astype(np.float32))
    r = evaluate_folder(voc, tmp_path/"bg", kind="npy-bg")
    assert r["miou"] == 1 and "threshold" not in r


# ---- tables

def test_class_rows_wide_and_tall(voc, pred):
    r = evaluate_folder(voc, pred)
    t = class_rows({"val": r}, voc.classes)
    assert t["head"] == ["class", "val"]*3 and len(t["rows"]) == 8 and all(len(o["cells"]) == 6 for o in t["rows"])
    assert t["rows"][0]["cells"][::2] == ["background", "car", "motorbike"]         # as in Table 3.4
    assert t["rows"][0]["cells"][1] == f"{100*r['iou'][0]:.1f}" and t["rows"][0]["cells"][3] == "–"
    assert t["rows"][-1]["cells"] == ["", "", "", "", "mIoU", f"{100*r['miou']:.1f}"]
    assert "tvmonitor" in t["text"] and "aeroplane" not in t["text"]
    tall = class_rows({k: r for k in "abcd"}, voc.classes)
    assert tall["head"] == ["class", *"abcd"] and len(tall["rows"]) == 22
    with pytest.raises(ParameterError, match="must have 3 classes"): class_rows({"a": r}, ["cat", "dog"])


# ---- archives and formats of others

@pytest.mark.parametrize("name", ["r.tar.gz", "r.zip"])
def test_voc_archive(voc, pred, tmp_path, name):
    to = write_voc_archive(voc, voc.ids("test"), pred, tmp_path/name)
    want = [f"results/VOC2012/Segmentation/comp6_test_cls/{o}.png" for o in voc.ids("test")]
    if name.endswith("zip"):
        z = zipfile.ZipFile(to)
        names, raw = z.namelist(), z.read(want[0])
    else:
        t = tarfile.open(to)
        names, raw = t.getnames(), t.extractfile(want[0]).read()
    assert names == want
    im = Image.open(io.BytesIO(raw))
    assert im.mode == "P" and im.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0] and (np.asarray(im) == read_mask(pred/f"{IDS[1]}.png")).all()


def test_voc_archive_refuses(voc, pred, tmp_path, scenes):
    go = lambda to="r.zip", ds=voc, **kw: write_voc_archive(ds, ds.ids("val"), pred, tmp_path/to, **kw)
    with pytest.raises(ParameterError, match=".tar.gz, .tgz or .zip"): go("r.rar")
    with pytest.raises(ParameterError, match="comp5 or comp6"): go(comp="comp3")
    with pytest.raises(DataError, match="VOC's 20 classes"): go(ds=scenes)
    write_mask(pred/f"{IDS[2]}.png", np.full((24, 40), 255, np.uint8))
    with pytest.raises(DataError, match="960 pixels have no label"): go()
    spoil_size(pred/f"{IDS[2]}.png")
    with pytest.raises(DataError, match="24x41"): go()
    assert not (tmp_path/"r.zip").exists()


def test_coco_of_any_dataset(voc, pred, tmp_path):
    coco = COCO(write_coco(voc, voc.ids("val"), pred, tmp_path/"r.json"))
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == list(VOC_CLASSES)
    for n, id in enumerate(voc.ids("val"), 1):
        P = np.zeros((24, 40), int)
        for a in coco.imgToAnns[n]: P[coco.annToMask(a) > 0] = a["category_id"]
        assert (P == read_mask(pred/f"{id}.png")).all() and coco.imgs[n]["file_name"] == f"{id}.jpg"


def test_coco_of_coco_keeps_its_ids(tmp_path, home):
    root = tmp_path/"coco"
    images = [dict(id=i, file_name=f"COCO_val2014_{i:012d}.jpg", height=8, width=10) for i in (42, 77)]
    boxes = [dict(id=n, image_id=i, category_id=c, iscrowd=0, area=16, bbox=[1, 1, 4, 4], segmentation=[[1, 1, 5, 1, 5, 5, 1, 5]]) for n, (i, c) in enumerate([(42, 3), (77, 18)], 1)]
    cats = [dict(id=c, name=n) for c, n in ((3, "car"), (18, "dog"))]
    for split in ("train2014", "val2014"):
        (root/"annotations").mkdir(parents=True, exist_ok=True)
        (root/"annotations"/f"instances_{split}.json").write_text(json.dumps(dict(images=images if split == "val2014" else [], annotations=boxes if split == "val2014" else [], categories=cats)))
    for o in images: write_image(root/"val2014"/o["file_name"], np.zeros((8, 10, 3), np.uint8))
    (root/"annotations"/"instances_train2014.json").unlink()
    ds = open_dataset(root)
    ids = sorted(o for s in ds.splits.values() for o in s)
    for o in ids: write_mask(tmp_path/"p"/f"{o}.png", ds.mask(o))
    gt = COCO(str(root/"annotations"/"instances_val2014.json"))
    got = gt.loadRes(str(write_coco(ds, ids, tmp_path/"p", tmp_path/"r.json")))
    assert [(a["image_id"], a["category_id"], a["area"]) for a in got.anns.values()] == [(42, 3, 16), (77, 18, 16)]
    assert evaluate_folder(ds, tmp_path/"p", ids)["miou"] == 1


def test_fiftyone_folder(voc, pred, tmp_path):
    to = write_fiftyone(voc, voc.ids("val"), {"ours": pred}, tmp_path/"fo")
    assert {p.name for p in to.iterdir()} == {"data", "ground_truth", "ours", "load.py"}
    for f in (to/"ours").iterdir():
        im = Image.open(f)
        assert im.mode == "L" and (np.asarray(im) == read_mask(pred/f.name)).all()  # grey: OpenCV would read colours from a palette
    assert {p.stem for p in (to/"data").iterdir()} == {p.stem for p in (to/"ground_truth").iterdir()} == set(voc.ids("val"))
    calls = []
    class Dataset:
        def merge_dir(self, **kw): calls.append((kw["label_field"], kw["dataset_type"], os.path.isdir(kw["data_path"]) and os.path.isdir(kw["labels_path"])))
        def evaluate_segmentations(self, field, **kw): calls.append((field, kw["gt_field"]))
    fake = type("fo", (), dict(Dataset=Dataset, types=type("t", (), dict(ImageSegmentationDirectory="ISD")), launch_app=staticmethod(lambda d: type("s", (), dict(wait=lambda s: calls.append(d.default_mask_targets)))())))
    exec(compile((to/"load.py").read_text().replace("import fiftyone as fo", ""), "load.py", "exec"), dict(fo=fake, __file__=str(to/"load.py")))
    assert calls[:3] == [("ground_truth", "ISD", True), ("ours", "ISD", True), ("ours", "ground_truth")] and calls[3][20] == "tvmonitor"
    with pytest.raises(DataError, match="not empty"): write_fiftyone(voc, voc.ids("val"), {"ours": pred}, to)
    with pytest.raises(ParameterError, match="letters, digits"): write_fiftyone(voc, voc.ids("val"), {"with crf": pred}, tmp_path/"f2")
    spoil_size(pred/f"{IDS[3]}.png")
    with pytest.raises(DataError, match="24x41"): write_fiftyone(voc, voc.ids("val"), {"ours": pred}, tmp_path/"f3")
    assert not [p for p in tmp_path.iterdir() if "f3" in p.name]


def test_threads_keep_the_order_and_raise():
    assert in_threads(sum, list(range(10)), 3, size=4) == [6, 22, 17]
    def fail(lot): raise DataError("no")
    with pytest.raises(DataError, match="no"): in_threads(fail, [1, 2, 3], 2)


def test_find_by_stem(pred):
    (pred/f".{IDS[0]}.tmp.png").write_bytes(b"")
    assert {k: v.name for k, v in find_predictions(pred, IDS[:2]).items()} == {o: f"{o}.png" for o in IDS[:2]}


def test_pictures_of_a_runs_evaluation_explain_themselves(tmp_path):
    "Stripes in the truth are named, and the legend of the growth lies beside its curves."
    from test_superpixel_notebooks import run_cells
    truth = np.pad(np.ones((8, 8), np.uint8), 4, constant_values=255)
    for i in "ab":  # one to learn from, one held out
        write_image(tmp_path/"data"/"images"/f"{i}.png", np.full((16, 16, 3), 90, np.uint8))
        write_mask(tmp_path/"data"/"masks"/f"{i}.png", truth)
    (tmp_path/"data"/"labels.csv").write_text("file,labels\na.png,disc\nb.png,disc\n")
    for folder in ("seeds", "segmenter/seeds/epoch_00", "segmenter/seeds/epoch_01"):
        for i in "ab": write_mask(tmp_path/"run"/folder/f"{i}.png", truth)
    space = run_cells("t30_evaluate", data=str(tmp_path/"data"), out=str(tmp_path/"run"), segmenters=[], crf=False, device="cpu")
    growth = space["ax"].figure
    assert [t.get_text() for t in growth.legends[0].get_texts()] == ["coverage", "precision", "mIoU"] and space["ax"].get_legend() is None
    assert growth.legends[0].get_window_extent().y0 > space["ax"].get_window_extent().y1
    space["plt"].close(growth)
    assert space["known"] | space["void"] == {0: "background", 1: "disc", 255: "not judged"}
