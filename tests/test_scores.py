"""Score files of every layout: read as a plain reading does, or refused with the file's name."""
import io
import pickle
import shutil
import zlib

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image

from wsss_nb import cleanup, cli, label_files
from wsss_nb.core import DataError, ParameterError
from wsss_nb.datasets import open_dataset
from wsss_nb.evaluate import class_rows, evaluate_folder
from wsss_nb.exports import write_coco
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import read_mask, voc_palette, write_labels, write_mask
from wsss_nb.npy_files import read_npy
from wsss_nb.predictions import open_predictions
from wsss_nb.score_files import read_prediction, read_scores

NAMES = ["ant", "bee", "cat", "dog", "eel"]
LABELS = dict(p0=[3], p1=[1, 2], p2=[5], p3=[2, 4, 5], p4=[1], p5=[1, 5])
IDS, C, HW = list(LABELS), len(NAMES), (9, 14)


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    "Six pictures whose labels are LABELS, in the own-folder layout, and their true masks"
    root, rng = tmp_path_factory.mktemp("own")/"ds", np.random.default_rng(0)
    for id, has in LABELS.items():
        write_image(root/"images"/f"{id}.png", rng.integers(0, 255, (*HW, 3), np.uint8))
        T = rng.choice([0, *has], HW).astype(np.uint8)
        T[0], T[1, :len(has)] = 255, has
        write_mask(root/"masks"/f"{id}.png", T)
    (root/"labels.csv").write_text("file,labels\n" + "".join(f"{id}.png,{';'.join(NAMES[c - 1] for c in has)}\n" for id, has in LABELS.items()))
    (root/"classes.txt").write_text("\n".join(NAMES))
    (root/"train.txt").write_text("p0")
    (root/"val.txt").write_text("\n".join(IDS[1:]))
    return open_dataset(root)


@pytest.fixture
def folder(tmp_path):
    (tmp_path/"scores").mkdir()
    return tmp_path/"scores"


def scores(seed, id, scale=1., dtype=np.float32):
    "The scores of background and all classes (C+1,H,W): sixty-fourths, those of the classes up to `scale`, absent ones 0"
    rng = np.random.default_rng([seed, IDS.index(id)])
    S = np.zeros((C + 1, *HW))
    for c in [0, *LABELS[id]]: S[c] = rng.integers(0, 65, HW)/64*(scale if c else 1)
    return S.astype(dtype)


def naive(ds, label_of):
    "IoU by class, counted plainly"
    P, T = np.stack([label_of(o) for o in IDS]), np.stack([ds.mask(o) for o in IDS])
    known = T != 255
    ious = []
    for c in range(C + 1):
        union = (((P == c) | (T == c)) & known).sum()
        ious.append(((P == c) & (T == c) & known).sum()/union if union else None)
    return ious


def at(S, t):
    "Plain reading without a background: the class of the highest score above t"
    fg = S[1:].astype(np.float64).clip(0)
    return np.where(fg.max(0) > t, fg.argmax(0) + 1, 0)


def divided(S):
    top = S[1:].max((1, 2), keepdims=True)
    return np.concatenate([S[:1], S[1:]/np.where(top > 0, top, 1)])


# ---- what each project writes

def irn(S, has): return {"keys": torch.tensor(has) - 1, "cam": torch.zeros(len(has), 2, 3), "high_res": S[has]}
def padded(S, has): return {"keys": np.pad(np.array(has), (1, 0)), "high_res": S[has]}
def cam_only(S, has): return {"keys": [c - 1 for c in has], "cam": torch.from_numpy(S[has])}
def map_list(S, has): return {"keys": np.array(has) - 1, "high_res": [S[c] for c in has]}
def irn_bg(S, has): return {"keys": np.array([0, *has]), "high_res": S[[0, *has]]}
def psa(S, has): return {c - 1: S[c] for c in has}
def numpy_keys(S, has): return {np.int64(c - 1): S[c] for c in reversed(has)}
def tensors(S, has): return {c - 1: torch.from_numpy(S[c].copy()) for c in has}
def psa_crf(S, has): return {0: S[0], **{c: S[c] for c in has}}
def crf_bg_last(S, has): return {**{c: S[c] for c in has}, 0: S[0]}
def array(S, has): return S[1:]
def array_bg(S, has): return S


FOREGROUND = dict(irn=[irn, padded, cam_only, map_list], psa=[psa, numpy_keys, tensors], array=[array])
BACKGROUND = {"npy-bg": [irn_bg], "psa-crf": [psa_crf, crf_bg_last], "array-bg": [array_bg]}
WRITERS = [(k, w, bg) for kinds, bg in ((FOREGROUND, False), (BACKGROUND, True)) for k, ws in kinds.items() for w in ws]
ALIASES = {"irn": "advcam", "psa": "mctformer", "psa-crf": "seam-crf"}


def save(path, o, protocol=None):
    if protocol is None or isinstance(o, np.ndarray): return np.save(path, o)
    wrapped = np.array(o, dtype=object)
    with open(path, "wb") as f:
        np.lib.format.write_array_header_1_0(f, dict(descr="|O", fortran_order=False, shape=()))
        pickle.dump(wrapped, f, protocol=protocol)


def write(folder, writer, seed=0, scale=1., dtype=np.float32, protocol=None, shift=0):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for id, has in LABELS.items(): save(folder/f"{id}.npy", writer(scores(seed, id, scale, dtype) - np.asarray(shift, dtype), has), protocol)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(WRITERS), st.integers(0, 10**6), st.sampled_from([1., 1., 40., .9, 3.]), st.sampled_from(["f2", "f4", "f8", ">f4", "u1", "i8"]), st.sampled_from([None, 2, 3, 4]),
       st.sampled_from([0, .1, .31, .77, .99]))
def test_every_layout_is_read_as_plainly(ds, tmp_path_factory, how, seed, scale, dtype, protocol, t):
    kind, writer, bg = how
    if dtype[0] in "ui": scale = 200. if scale > 1 else 1.
    if writer in (tensors, cam_only) and dtype in (">f4",): dtype = "f4"  # Torch has no such
    folder = tmp_path_factory.mktemp("any")/"scores"
    write(folder, writer, seed, scale, np.dtype(dtype), protocol)
    read = {o: scores(seed, o, scale, np.dtype(dtype)) for o in IDS}
    raw = not bg and max(S[1:].max() for S in read.values()) > 1.001
    plain = {o: divided(S.astype(np.float64)) if raw else S for o, S in read.items()}
    want = naive(ds, lambda o: plain[o].argmax(0) if bg else at(plain[o], t))
    for k in ("auto", "npy", kind, ALIASES.get(kind, kind)):
        r = evaluate_folder(ds, folder, IDS, kind=k, threshold=None if bg else t)
        assert r["iou"] == pytest.approx(want, abs=1e-12) and r["layout"] == kind and (r["scaled"] is not None) == raw
    assert any("layout: " in o for o in r["notes"]) and any("divided by their maximum (up to" in o for o in r["notes"]) == raw


@pytest.mark.parametrize("writer", [array, psa, irn], ids=lambda w: w.__name__)
def test_one_map_above_one_divides_the_whole_folder(ds, folder, writer):
    for id, has in LABELS.items(): np.save(folder/f"{id}.npy", writer(scores(1, id, 30. if id == "p4" else .5), has))
    r = evaluate_folder(ds, folder, IDS, threshold=.4)
    assert r["iou"] == naive(ds, lambda o: at(divided(scores(1, o, 30. if o == "p4" else .5)), .4)) and 25 < r["scaled"] <= 30


def test_one_is_not_above_one(ds, folder):
    write(folder, psa, scale=1 + 1e-6)
    assert evaluate_folder(ds, folder, IDS)["scaled"] is None


def test_scores_below_zero_count_as_zero(ds, folder):
    write(folder, irn, 2, shift=.25)
    r = evaluate_folder(ds, folder, IDS, threshold=0)
    assert r["iou"] == naive(ds, lambda o: at(scores(2, o) - np.float32(.25), 0)) and "scores below 0 (down to -0.25) count as 0" in r["notes"]
    write(folder, array_bg, 2, shift=2)  # logits: the highest wins
    assert evaluate_folder(ds, folder, IDS)["iou"] == naive(ds, lambda o: scores(2, o).argmax(0))


def test_absent_classes_of_an_array_are_not_divided(ds, folder):
    for id, has in LABELS.items():
        S = scores(3, id, 20.)
        for c in set(range(1, C + 1)) - set(has): S[c] = .01
        np.save(folder/f"{id}.npy", S[1:])
    r = evaluate_folder(ds, folder, IDS, threshold=.4)
    assert r["iou"] == naive(ds, lambda o: at(divided(scores(3, o, 20.)), .4)) and any("does not name count as 0" in o for o in r["notes"])


def test_label_maps_as_npy(ds, folder):
    for dtype in (np.uint8, np.int64, np.int32):
        for id in IDS: np.save(folder/f"{id}.npy", ds.mask(id).astype(dtype))
        r = evaluate_folder(ds, folder, IDS)
        assert r["miou"] == 1 and r["layout"] == "labels"
    with pytest.raises(DataError, match="p0.npy: holds a label map, but kind is|p0.npy: holds a label map, but"): evaluate_folder(ds, folder, IDS, kind="npy-bg")
    for id in IDS: np.save(folder/f"{id}.npy", ds.mask(id).astype(np.float32))
    with pytest.raises(DataError, match=r"p0.npy: its scores are float32 of shape \(9, 14\).*label maps whole numbers"): evaluate_folder(ds, folder, IDS)


# ---- layouts that cannot be told, and folders with two

def some(folder, writer, ids, seed=0):
    for id in ids: np.save(folder/f"{id}.npy", writer(scores(seed, id), LABELS[id]))


def extra(*keys):
    "Keys that are not the label's, such as a classifier's"
    return lambda S, has: {k: S[1] for k in keys}


@pytest.mark.parametrize("first, rest", [(w, v) for w in (irn, psa, psa_crf, irn_bg, array, array_bg) for v in (irn, psa, psa_crf, irn_bg, array, array_bg, "labels") if w != v],
                         ids=lambda w: w if isinstance(w, str) else w.__name__)
def test_two_layouts_in_a_folder_are_refused(ds, folder, first, rest):
    some(folder, first, IDS[:3])
    some(folder, (lambda S, has: S[0].astype(np.uint8)) if rest == "labels" else rest, IDS[3:])
    with pytest.raises(DataError, match=r"p[345]\.npy"): evaluate_folder(ds, folder, IDS)


def test_other_files_decide(ds, folder):
    some(folder, psa_crf, IDS)
    np.save(folder/"p0.npy", {0: scores(0, "p0")[0], 4: scores(0, "p0")[3]})  # the label says 3
    r = evaluate_folder(ds, folder, IDS)
    assert r["layout"] == "psa-crf" and any("1 of 6 files are not those that the picture's label names, the first is p0.npy" in o for o in r["notes"])
    some(folder, psa, IDS)
    np.save(folder/"p0.npy", {0: scores(0, "p0")[3], 4: scores(0, "p0")[3]})
    assert evaluate_folder(ds, folder, IDS)["layout"] == "psa"


@pytest.mark.parametrize("keys, why", [((0, 4), "cannot be told"), ((0, 2), "cannot be told"), ((3,), "labels' own numbers")])
def test_what_cannot_be_told_is_refused_by_name(ds, folder, keys, why):
    np.save(folder/"p0.npy", extra(*keys)(scores(0, "p0"), None))
    with pytest.raises(DataError, match=rf"p0\.npy.*{why}.*--kind psa or --kind psa-crf"): evaluate_folder(ds, folder, ["p0"])
    np.save(folder/"p0.npy", {"keys": np.array(keys), "high_res": scores(0, "p0")[list(keys)]})
    with pytest.raises(DataError, match=rf"p0\.npy.*{why}.*--kind irn or --kind npy-bg"): evaluate_folder(ds, folder, ["p0"])
    assert evaluate_folder(ds, folder, ["p0"], kind="irn")["layout"] == "irn"


def test_a_file_that_the_folders_layout_does_not_fit_is_refused(ds, folder):
    some(folder, psa_crf, IDS)
    np.save(folder/"p3.npy", extra(2, 4)(scores(0, "p3"), None))          # no background
    with pytest.raises(DataError, match=r"p3\.npy: its keys \[2, 4\] do not hold the background.*PSA after its CRF"): evaluate_folder(ds, folder, IDS)
    some(folder, psa, IDS)
    np.save(folder/"p3.npy", extra(2, 5)(scores(0, "p3"), None))          # there is no sixth class
    with pytest.raises(DataError, match=r"p3\.npy: names the classes \[3, 6\]"): evaluate_folder(ds, folder, IDS)


def test_all_classes_and_the_background_tell_themselves(ds, folder):
    some(folder, lambda S, has: dict(enumerate(S)), IDS)
    assert evaluate_folder(ds, folder, IDS)["layout"] == "psa-crf"
    some(folder, lambda S, has: dict(enumerate(S[1:])), IDS)              # may be background and four classes
    with pytest.raises(DataError, match="cannot be told"): evaluate_folder(ds, folder, IDS)
    assert evaluate_folder(ds, folder, IDS, kind="psa", threshold=.31)["iou"] == naive(ds, lambda o: at(scores(0, o), .31))


@pytest.mark.parametrize("kind, writer", [("psa", irn), ("irn", psa), ("array", psa), ("psa-crf", psa), ("array", array_bg), ("array-bg", array), ("npy-bg", psa), ("npy-bg", array), ("seam-crf", irn_bg)])
def test_a_kind_that_does_not_fit_is_refused(ds, folder, kind, writer):
    write(folder, writer)
    with pytest.raises(DataError, match=r"p\d\.npy: "): evaluate_folder(ds, folder, IDS, kind=kind)


def test_labels_are_never_taken_from_masks(tmp_path, folder):
    "VOC's layout without annotations: what the dataset would say of its labels comes from the masks"
    root = tmp_path/"VOC2012"
    (root/"ImageSets"/"Segmentation").mkdir(parents=True)
    for name, part in dict(train=["b"], val=["a"]).items(): (root/"ImageSets"/"Segmentation"/f"{name}.txt").write_text("\n".join(part))
    T = np.zeros(HW, np.uint8)
    T[3:6] = 3
    for id in "ab":
        write_image(root/"JPEGImages"/f"{id}.jpg", np.zeros((*HW, 3), np.uint8))
        write_mask(root/"SegmentationClass"/f"{id}.png", T)
    voc = open_dataset(root)
    np.save(folder/"a.npy", {0: (T == 0).astype(np.float32), 3: (T == 3).astype(np.float32)})
    with pytest.raises(DataError, match="no image-level labels to tell by.*--kind psa-crf"): evaluate_folder(voc, folder)
    assert evaluate_folder(voc, folder, kind="psa-crf")["miou"] == 1
    np.save(folder/"a.npy", np.full((20, *HW), 7, np.float32))
    with pytest.raises(DataError, match="its scores reach 7.*no image-level labels"): evaluate_folder(voc, folder)


# ---- thresholds

def test_the_end_of_the_scanned_range_is_called_so(ds, folder):
    for id, has in LABELS.items(): np.save(folder/f"{id}.npy", psa(np.maximum(.95*(ds.mask(id) == np.arange(C + 1)[:, None, None]), .9).astype(np.float32), has))
    r = evaluate_folder(ds, folder, IDS, threshold=[.5, .7, .92])
    assert r["at_end"] == "end" and r["threshold"] == .92
    assert "threshold 0.92, the end of the scanned range 0.5…0.92: the scores may be on another scale; best over" in class_rows({"cam": r}, NAMES)["text"]
    r = evaluate_folder(ds, folder, IDS)
    assert r["at_end"] is None and "scanned range" not in class_rows({"cam": r}, NAMES)["text"]
    assert evaluate_folder(ds, folder, IDS, threshold=[.92, .97])["at_end"] == "start"


@pytest.mark.parametrize("scale", [.4, .004, 1e-6])
@pytest.mark.parametrize("writer", [irn, psa, array])
def test_thresholds_reach_as_far_as_the_scores(ds, folder, writer, scale):
    write(folder, writer)
    best = evaluate_folder(ds, folder, IDS)
    write(folder, writer, scale=scale)
    r = evaluate_folder(ds, folder, IDS)
    assert r["miou"] == pytest.approx(best["miou"]) and r["threshold"] == pytest.approx(scale*best["threshold"])
    assert f"no score exceeds {scale:.3g}: thresholds are scanned up to that" in r["notes"]
    assert evaluate_folder(ds, folder, IDS, threshold=.5)["iou"][1:] == [0]*C       # what is asked for is done


def test_scores_of_which_none_is_above_zero_are_refused(ds, folder):
    write(folder, irn, shift=1.)
    with pytest.raises(DataError, match=rf"{folder}: no score is above 0 .-1…0., so nothing would be foreground"): evaluate_folder(ds, folder, IDS)
    write(folder, irn, scale=0.)
    assert evaluate_folder(ds, folder, IDS)["iou"][1:] == [0]*C                      # nothing was found: that can be


ORDERS = {"from 0, the background last": lambda T: np.where(T == 0, C, T - 1), "from 0, the background void": lambda T: np.where(T == 0, 255, T - 1),
          "two exchanged": lambda T: np.array([0, 2, 1, 3, 4, 5])[T], "backwards": lambda T: np.where(T == 0, 0, C + 1 - T), "one moved": lambda T: np.where(T == 5, 3, np.where(T == 3, 4, np.where(T == 4, 5, T)))}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("noise", [0, .2, .4])
def test_ids_in_another_order_are_said(ds, folder, order, noise):
    "A good prediction whose ids mean something else is never taken for a bad one in silence."
    rng = np.random.default_rng(1)
    for id in IDS:
        T = np.where(ds.mask(id) == 255, 0, ds.mask(id))
        T = np.where(rng.random(T.shape) < noise, rng.integers(0, C + 1, T.shape), T)
        write_mask(folder/f"{id}.png", ORDERS[order](T))
    r = evaluate_folder(ds, folder, IDS)
    said = [n for n in r["notes"] if "stand for other classes" in n]
    assert len(said) == 1
    for c in range(1, C + 1):
        k = int(ORDERS[order](np.array(c)))
        assert k == c or f"{k} where {NAMES[c - 1]} ({c}) is" in said[0]


@pytest.mark.parametrize("how", ["right", "noise", "background", "void", "seeds", "one class"])
def test_a_bad_prediction_is_not_called_one_of_another_order(ds, folder, how):
    rng = np.random.default_rng(2)
    for id in IDS:
        T = ds.mask(id)
        P = dict(right=T, noise=rng.integers(0, C + 1, T.shape), background=T*0, void=T*0 + 255, seeds=np.where(rng.random(T.shape) < .1, T, 255))
        write_mask(folder/f"{id}.png", P.get(how, np.where(T == 2, 2, 0)))
    assert not any("stand for other" in n for n in evaluate_folder(ds, folder, IDS)["notes"])


def test_masks_of_one_class_that_hold_255(ds, folder):
    for id in IDS: write_mask(folder/f"{id}.png", np.where(ds.mask(id) == 1, 255, 0))
    assert any("255 where ant (1) is" in n for n in evaluate_folder(ds, folder, IDS)["notes"])


def test_a_truth_of_16_bits_is_read_as_the_check_reads_it(ds, folder, tmp_path):
    root = shutil.copytree(ds.root, tmp_path/"deep")
    for id in IDS:
        write_mask(folder/f"{id}.png", ds.mask(id))
        Image.fromarray(ds.mask(id).astype(np.uint16)).save(root/"masks"/f"{id}.png")
    assert evaluate_folder(open_dataset(root), folder, IDS)["miou"] == 1


def test_a_mask_of_another_size_than_its_picture_is_blamed_itself(ds, folder, tmp_path):
    root = shutil.copytree(ds.root, tmp_path/"small")
    for id in IDS: write_mask(folder/f"{id}.png", ds.mask(id))
    write_mask(root/"masks"/"p2.png", ds.mask("p2")[:5])
    with pytest.raises(DataError, match=rf"{root}/masks/p2.png: is 5x14 .height x width., but its picture is 9x14"): evaluate_folder(open_dataset(root), folder, IDS)


def test_thresholds_that_mean_nothing_are_refused(ds, folder):
    write(folder, psa_crf)
    with pytest.raises(ParameterError, match="take no threshold"): evaluate_folder(ds, folder, IDS, threshold=.3)
    write(folder, psa, scale=40.)
    with pytest.raises(ParameterError, match="threshold is 12; .* 0 to 1 .*divided by their maximum"): evaluate_folder(ds, folder, IDS, threshold=12)
    with pytest.raises(ParameterError, match="threshold is -1"): evaluate_folder(ds, folder, IDS, threshold=-1)


# ---- files that hold something else

def spoil(**kw): return {"keys": np.array([2]), "high_res": np.zeros((1, *HW), np.float32)} | kw


HOSTILE = dict(none=None, words="scores", empty={}, string_key={"0": np.zeros(HW)}, float_key={0.5: np.zeros(HW, np.float32)}, bool_key={True: np.zeros(HW, np.float32)}, none_key={None: np.zeros(HW)},
               tuple_key={(0, 1): np.zeros(HW)}, big_key={10**30: np.zeros(HW, np.float32)}, below={-1: np.zeros(HW, np.float32)}, beyond={5: np.zeros(HW, np.float32)}, mixed_keys={0: np.zeros(HW), "meta": 1},
               no_cam={"keys": np.array([2])}, no_keys={"cam": np.zeros((1, *HW))}, cam_none=spoil(high_res=None), cam_words=spoil(high_res="x"), cam_number=spoil(high_res=1.5), cam_empty_list=spoil(high_res=[]),
               cam_dict=spoil(high_res={2: np.zeros(HW)}), object_cam=spoil(high_res=np.array([None, {}], object)), object_in_list=spoil(high_res=[np.array([None], object)]), ragged=spoil(keys=np.array([1, 2]), high_res=[np.zeros(HW), np.zeros((3, 4))]),
               ragged_classes={1: np.zeros(HW), 2: np.zeros((3, 4))}, four_d=spoil(high_res=np.zeros((1, 1, *HW))), flat={2: np.zeros(9)}, no_pixels=spoil(high_res=np.zeros((1, 0, 4))), two_keys=spoil(keys=np.array([1, 2])),
               no_key=spoil(keys=np.array([], int)), twice=spoil(keys=np.array([2, 2]), high_res=np.zeros((2, *HW))), fractions=spoil(keys=np.array([2.])), bools=spoil(keys=np.array([True])), true=spoil(keys=[True]),
               words_as_keys=spoil(keys=["cat"]), keys_none=spoil(keys=None), square_keys=spoil(keys=np.array([[0, 1], [2, 3]])), nan=spoil(high_res=np.full((1, *HW), np.nan)), inf=spoil(high_res=np.full((1, *HW), np.inf, np.float16)),
               minus_inf={2: np.full(HW, -np.inf)}, complex_=spoil(high_res=np.zeros((1, *HW), complex)), text_maps=spoil(high_res=np.full((1, *HW), "a")), other_size=spoil(high_res=np.zeros((1, 3, 4))), other_size_class={2: np.zeros((14, 9))},
               few=np.zeros((3, *HW)), many=np.zeros((9, *HW)), one_number=np.float32(3), line=np.zeros(7), channels_last=np.zeros((*HW, C)), objects=np.array([{}, {}], object), deep=spoil(extra=[[[[[[1]]]]]]),
               numbers=spoil(high_res=[[[0.]*14]*9]), structured=np.zeros(3, "f4,i4"), times=np.zeros((C, *HW), "M8[s]"))


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", ["auto", "psa", "irn", "array"])
def test_what_holds_something_else_is_refused_by_name(ds, folder, content, kind):
    np.save(folder/"p0.npy", content)
    with pytest.raises(DataError) as e: evaluate_folder(ds, folder, ["p0"], kind=kind)
    assert "p0.npy" in str(e.value) and "\n" not in str(e.value) and len(str(e.value)) < 700


def head(shape="()", descr="|O"): return b"\x93NUMPY\x01\x00" + (h := f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".ljust(117).encode() + b"\n").__len__().to_bytes(2, "little") + h


PICKLES = dict(lists=b"\x80\x02" + b"]"*100_000 + b"a"*99_999 + b".", tuple_key=b"\x80\x02})" + b"\x85"*100_000 + b"K\x01s.", tuple_key_short=b"\x80\x02})" + b"\x85"*19_000 + b"K\x01s.", dicts=b"\x80\x02" + b"}K\x00"*100_000 + b"N" + b"s"*100_000 + b".",
               itself=b"\x80\x02}q\x00K\x00h\x00s.", marks=b"\x80\x02" + b"("*100_000 + b".", nothing=b"", end=b".", claims=b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", persistent=b"\x80\x02K\x00Q.", array_without_state=b"\x80\x02cnumpy\nndarray\n)R.",
               called=b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.")


@pytest.mark.parametrize("raw", PICKLES.values(), ids=PICKLES)
def test_hostile_pickles_are_one_sentence(folder, raw):
    (folder/"p0.npy").write_bytes(head() + raw)
    with pytest.raises(DataError) as e: read_scores(folder/"p0.npy", C)
    assert "p0.npy" in str(e.value) and len(str(e.value)) < 500


@pytest.mark.parametrize("shape", ["(1000000, 1000000, 1000)", "(5, 9, 15)", "(5, 9, 13)", "(-1, 9, 14)", "('a',)"])
def test_a_header_that_does_not_fit_is_refused(folder, shape):
    (folder/"p0.npy").write_bytes(head(shape, "<f4") + np.zeros((5, *HW), np.float32).tobytes())
    with pytest.raises(DataError, match=r"p0\.npy"): read_npy(folder/"p0.npy")


# ---- which files

def test_png_and_npy_together(ds, folder, capsys):
    write(folder, psa_crf)
    for id in IDS: write_mask(folder/f"{id}.png", ds.mask(id))
    words = ["evaluate", "--data", str(ds.root), "--pred", str(folder)]
    assert cli.main(words) == 2 and "say --kind png or --kind npy" in capsys.readouterr().err
    assert cli.main([*words, "--kind", "png"]) == 0
    assert "100.0" in (out := capsys.readouterr().out) and "5 files of these pictures are not read, for they end in .npy (5)" in out
    assert cli.main([*words, "--kind", "npy"]) == 0 and "layout: PSA after its CRF (keys 0 and the labels')" in capsys.readouterr().out
    (folder/"p1.png").unlink()
    (folder/"p2.npy").unlink()
    for id in IDS[3:]: (folder/f"{id}.png").unlink()
    with pytest.raises(DataError, match="has .npy for 1 and .png for 1 of the 2 pictures.*--kind png"): evaluate_folder(ds, folder, ["p1", "p2"])


def test_files_of_another_ending_are_counted(ds, folder):
    for id in IDS: write_mask(folder/f"{id}.png", ds.mask(id))
    np.savez(folder/"p1.npz", a=1)
    (folder/"p2.PNG").write_bytes(b"")
    (folder/"record.json").write_text("{}")
    assert evaluate_folder(ds, folder)["notes"] == ["2 files of these pictures are not read, for they end in .PNG (1), .npz (1)"]
    for id in IDS: (folder/f"{id}.png").rename(folder/f"{id}.PNG")
    with pytest.raises(DataError, match=r"holds no .png and no .npy \(6 files.*\.PNG \(5\)"): evaluate_folder(ds, folder)
    write_mask(folder/"p1.png", ds.mask("p1"))
    with pytest.raises(DataError, match=r"4 of the 5 pictures have no prediction.*\.PNG"): evaluate_folder(ds, folder)


def test_exports_read_the_layout_that_was_scored(ds, folder, tmp_path, monkeypatch, capsys):
    from pycocotools.coco import COCO
    one_hot = {id: (ds.mask(id) == np.arange(C + 1)[:, None, None]).astype(np.float32) for id in IDS}
    for id, has in LABELS.items(): np.save(folder/f"{id}.npy", psa_crf(one_hot[id], has))
    coco = COCO(write_coco(ds, IDS, folder, tmp_path/"r.json"))
    for n, id in enumerate(IDS, 1):
        P = np.zeros(HW, int)
        for a in coco.imgToAnns[n]: P[coco.annToMask(a) > 0] = a["category_id"]
        assert (P == one_hot[id].argmax(0)).all()
    for id, has in LABELS.items(): np.save(folder/f"{id}.npy", psa(one_hot[id]*30, has))
    monkeypatch.chdir(tmp_path)
    words = ["evaluate", "--data", str(ds.root), "--pred", str(folder), "--coco", "two.json"]
    assert cli.main([*words, "--threshold", "0.5"]) == 0 and "divided by their maximum (up to 30)" in capsys.readouterr().out
    assert COCO("two.json").anns.keys() <= coco.anns.keys()
    assert cli.main(words) == 2 and "--threshold" in capsys.readouterr().err


# ---- more than 254 classes, and palettes

def test_more_classes_than_a_byte_tells_apart(folder):
    np.save(folder/"p0.npy", np.zeros(HW, np.uint8))
    for n in (255, 300):
        with pytest.raises(DataError, match=f"there are {n} classes.*255 is void"): open_predictions(folder, ["p0"], n)
        with pytest.raises(DataError, match="at most 254"): read_prediction(folder/"p0.npy", n)
    assert open_predictions(folder, ["p0"], 254).read("p0").shape == HW


def png(ids, palette=None):
    im, out = Image.fromarray(ids), io.BytesIO()
    if palette is not None: im.putpalette(palette.ravel().tolist())
    im.save(out, "PNG")
    return out.getvalue()


def patched(raw, at, byte):
    "The same PNG with a byte of its header changed, and the checksum made right"
    raw = bytearray(raw)
    raw[16 + at] = byte
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    return bytes(raw)


def test_ids_are_taken_directly_only_where_the_file_says_so():
    ids, voc, plain = np.random.default_rng(0).integers(0, 21, (3, 4)).repeat(10, 0).repeat(10, 1).astype(np.uint8), voc_palette(), label_files.plain_png
    raw = png(ids, voc)
    at = raw.index(b"PLTE") - 4
    bare = raw[:at] + raw[at + int.from_bytes(raw[at:at + 4], "big") + 12:]
    for good in (raw, png(ids, voc[:21]), patched(bare, 9, 0)): assert (plain(good) == ids).all()
    assert plain(bare) is None                                            # a palette picture without its palette
    swapped, grey, own = voc.copy(), np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1), np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)
    swapped[[1, 2]] = voc[[2, 1]]
    last = voc.copy()
    last[255] = 255
    for palette in (swapped, voc[::-1], voc[1:], grey, own, last): assert plain(png(ids, palette)) is None
    for k, byte in ((8, 4), (8, 2), (8, 16), (9, 2), (9, 4), (10, 1), (11, 1), (12, 1)): assert plain(patched(raw, k, byte)) is None
    assert plain(b"\x88" + raw[1:]) is None


def test_what_is_not_taken_directly_goes_to_read_mask(ds, folder, monkeypatch):
    "Truth and prediction alike: a palette in another order is asked about"
    asked = []
    monkeypatch.setattr(label_files, "read_mask", lambda path, n=None: asked.append(path) or read_mask(path, n))
    order = np.arange(256)
    order[[1, 2]] = 2, 1                                # colours of 1 and 2 exchanged, and their indices, too
    for id in IDS: (folder/f"{id}.png").write_bytes(png(order[ds.mask(id)].astype(np.uint8), voc_palette()[order]))
    assert evaluate_folder(ds, folder, IDS)["precision"] == 1
    assert sorted(p.name for p in asked) == [f"{id}.png" for id in IDS]


# ---- superpixel clean-up reads them alike

def test_refine_reads_the_same_layouts_and_scale(ds, folder, tmp_path, capsys):
    for id, has in LABELS.items():
        truth = (np.where(ds.mask(id) == 255, 0, ds.mask(id)) == np.arange(C + 1)[:, None, None]).astype(np.float32)
        write_labels(tmp_path/"sp"/f"{id}.png", truth.argmax(0))
        np.save(folder/f"{id}.npy", psa_crf(truth, has))
        (tmp_path/"raw").mkdir(exist_ok=True)
        np.save(tmp_path/"raw"/f"{id}.npy", psa(truth*30 + 6, has))       # 6/36 is no foreground
    for name in ("scores", "raw"):
        words = ["refine", "--seeds", str(tmp_path/name), "--superpixels", str(tmp_path/"sp"), "--out", str(tmp_path/f"{name}-out")]
        assert cli.main(words) == 2 and "no image-level labels to tell by" in capsys.readouterr().err
        assert not (tmp_path/f"{name}-out").exists()
        assert cli.main([*words, "--data", str(ds.root)]) == 0
        assert ("PSA after its CRF" if name == "scores" else "divided by their maximum (up to 36)") in capsys.readouterr().out
        for id in IDS: assert (read_mask(tmp_path/f"{name}-out"/f"{id}.png") == np.where(ds.mask(id) == 255, 0, ds.mask(id))).all()
    with pytest.raises(DataError, match="asked for|but kind is irn"): cleanup.clean_folder(IDS, folder, tmp_path/"sp", tmp_path/"other", cleanup.Cleanup(kind="irn"))
