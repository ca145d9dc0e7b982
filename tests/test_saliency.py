"""Saliency: (2.5) and (2.6) by hand and against a plain reading, every source on a small folder, and each way to go wrong."""
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from wsss_nb import saliency as sal, weights
from wsss_nb.backbones import create
from wsss_nb.classifier import Classifier
from wsss_nb.core import DataError, ParameterError, WeightsError, WsssError
from wsss_nb.datasets import open_dataset
from wsss_nb.deeplab import DeepLab, save_model
from wsss_nb.files import DATA
from wsss_nb.images import read_saliency
from wsss_nb.masks_of_ids import read_mask, write_labels
from wsss_nb.saliency import (SOURCES, RefineSettings, binarize, border_saliency, detect, load_detector, objectness, opencv_saliency, open_source, refine,
                              refine_saliency, saliency_quality, supervision, true_saliency, write_saliency)
from wsss_nb.scenes import write_scenes

LABELS = arrays(np.uint8, (3, 5), elements=st.sampled_from([0, 1, 255]))
UNIT = arrays(np.float32, (3, 5), elements=st.floats(0, 1, width=32))
CAMS = arrays(np.float64, (3, 4, 5), elements=st.floats(-10, 10).filter(lambda v: v == 0 or abs(v) > 1e-6))
TAUS = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda t: (max(t), min(t)))


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    "Three training scenes and two more, 48 pixels a side."
    return open_dataset(write_scenes(tmp_path_factory.mktemp("saliency")/"data", train=3, val=2, seed=3, size=48))


@pytest.fixture(scope="module")
def sp(ds, tmp_path_factory):
    "Superpixels of the training scenes: quarters, and a middle."
    folder, m = tmp_path_factory.mktemp("sp"), np.arange(4).reshape(2, 2).repeat(24, 0).repeat(24, 1)
    m[12:36, 12:36] = 4
    for i in ds.ids("train"): write_labels(folder/f"{i}.png", m)
    return folder


@pytest.fixture(scope="module")
def net(ds):
    torch.manual_seed(0)
    return Classifier(create("small", "random"), ds.n_classes).eval()


def grey(path, a, bits=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(a, np.uint8 if bits == 8 else np.uint16)).save(path)


# ---- objectness (2.5)

def test_objectness_by_hand():
    M = np.array([[[2., 4.], [0., -1.]], [[5., 0.], [10., 0.]], [[9., 9.], [9., 9.]]])
    B = objectness(M, [True, True, False])
    assert B.tolist() == [[.5, 1], [1, 0]] and B.dtype == np.float32
    assert objectness(M, [False]*3).tolist() == [[0, 0], [0, 0]]
    assert objectness(-M[2:], [True]).tolist() == [[0, 0], [0, 0]]  # positive nowhere


@given(CAMS, st.lists(st.booleans(), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_objectness_against_the_plain_reading(cam, present):
    B, M = objectness(cam, present), np.maximum(cam, 0)
    want = np.max([M[c]/M[c].max() if present[c] and M[c].max() > 0 else np.zeros((4, 5)) for c in range(3)], 0)
    np.testing.assert_allclose(B, want, rtol=1e-5)
    assert 0 <= B.min() and B.max() <= 1
    np.testing.assert_allclose(objectness(7*cam, present), B, rtol=1e-5)


@pytest.mark.parametrize("cam, present, match", [(np.zeros((2, 3)), [1, 0], "dimensions"), (np.zeros((2, 3, 3)), [True], "2 classes"), (np.full((1, 3, 3), np.nan), [True], "NaN")])
def test_objectness_refuses(cam, present, match):
    with pytest.raises(WsssError, match=match): objectness(cam, present)


# ---- refinement (2.6)

def test_refine_by_hand():
    O, B = np.array([[0, 0, 1, 1, 1, 255, 255]]), np.array([[.9, .8, .2, .3, .5, .9, .1]])
    R = refine(O, B)
    assert R.tolist() == [[1, 0, 255, 1, 1, 255, 255]] and R.dtype == np.uint8  # ties at tau1 and tau2 change nothing
    assert refine(O, B, low="background").tolist() == [[1, 0, 0, 1, 1, 255, 255]]
    assert refine(O, B, .5, .5).tolist() == [[1, 1, 255, 255, 1, 255, 255]]
    assert refine(O, B, 1, 0).tolist() == O.tolist()
    assert refine(np.ones((1, 3), bool), np.zeros((1, 3))).tolist() == [[255]*3]  # an image without a label


@given(LABELS, UNIT, TAUS, st.sampled_from(["unlabeled", "background"]))
@settings(max_examples=80, deadline=None)
def test_refine_properties(O, B, taus, low):
    was = O.copy()
    R = refine(O, B, *taus, low)
    assert set(np.unique(R)) <= {0, 1, 255} and (O == was).all()
    assert (R[O == 255] == 255).all() and not (R[O == 0] == 255).any()
    np.testing.assert_array_equal(R == 1, ((O == 1) & (B >= taus[1])) | ((O == 0) & (B > taus[0])))
    np.testing.assert_array_equal(refine(R, B, *taus, low), R)
    np.testing.assert_array_equal(refine(O, B, *taus, "background"), np.where((R == 255) & (O == 1), 0, R))


@pytest.mark.parametrize("O, B, kw, error, match", [
    (np.zeros((2, 2)), np.zeros((2, 2)), dict(tau1=.3, tau2=.8), ParameterError, "tau2 <= tau1 <= 1"), (np.zeros((2, 2)), np.zeros((2, 2)), dict(tau1=1.1), ParameterError, "tau1=1.1"),
    (np.zeros((2, 2)), np.zeros((2, 2)), dict(tau2=-.1), ParameterError, "tau2=-0.1"), (np.zeros((2, 2)), np.zeros((2, 2)), dict(tau1=np.nan), ParameterError, "nan"),
    (np.zeros((2, 2)), np.zeros((2, 2)), dict(low="none"), ParameterError, "'none', but must be one of unlabeled, background"),
    (np.full((2, 2), .5), np.zeros((2, 2)), {}, WsssError, "binarize first"), (np.full((2, 2), 2), np.zeros((2, 2)), {}, WsssError, "binarize first"),
    (np.zeros((2, 2)), np.zeros((2, 3)), {}, WsssError, r"shape \(2, 2\), but objectness \(2, 3\)"), (np.zeros((2, 2)), np.full((2, 2), np.nan), {}, WsssError, "objectness .*NaN"),
    (np.full((2, 2), np.nan), np.zeros((2, 2)), {}, WsssError, "saliency .*NaN"), (np.zeros((2, 2)), np.full((2, 2), 1.5), {}, WsssError, "objectness must lie"),
    (np.zeros(4), np.zeros(4), {}, WsssError, "dimensions"), ([[0]], np.zeros((1, 1)), {}, WsssError, "array")])
def test_refine_refuses(O, B, kw, error, match):
    with pytest.raises(error, match=match): refine(O, B, **kw)


def test_binarize():
    S = np.array([[0, .2, .5, .6]])
    O = binarize(S)
    assert O.tolist() == [[0, 0, 0, 1]] and O.dtype == np.uint8
    assert binarize(S, 0).tolist() == [[0, 1, 1, 1]] and binarize(S, 1).tolist() == [[0]*4] and binarize(S, "mean").tolist() == [[0, 0, 1, 1]]
    with pytest.raises(WsssError, match="goes from 0 to 255"): binarize(np.array([[0, 255]], np.uint8))
    for t in (-.1, 1.1, "otsu"):
        with pytest.raises(ParameterError, match="threshold must lie"): binarize(S, t)


# ---- sources one by one

@pytest.mark.parametrize("method", ["finegrained", "spectral"])
@pytest.mark.parametrize("hw", [(1, 1), (1, 300), (2, 2), (37, 50)])
def test_opencv(method, hw):
    image = np.random.default_rng(0).integers(0, 255, (*hw, 3), dtype=np.uint8)
    S = opencv_saliency(image, method)
    assert S.shape == hw and S.dtype == np.float32 and 0 <= S.min() and S.max() <= 1
    np.testing.assert_array_equal(opencv_saliency(image, method), S)
    if hw == (37, 50): assert (S.min(), S.max()) == (0, 1)
    assert not opencv_saliency(np.broadcast_to(np.uint8([9, 80, 200]), (*hw, 3)), method).any()


def test_opencv_refuses():
    with pytest.raises(ParameterError, match="'other', but must be one of finegrained, spectral"): opencv_saliency(np.zeros((4, 4, 3), np.uint8), "other")
    with pytest.raises(WsssError, match="dimensions"): opencv_saliency(np.zeros((4, 4), np.uint8))


def test_border_by_hand():
    sp = np.array([[0, 0, 0, 0], [0, 3, 3, 0], [1, 3, 3, 1], [1, 1, 1, 1]])
    assert border_saliency(sp).tolist() == (sp != 0).tolist()  # a tie: the lowest id
    assert border_saliency(sp, "connectivity").tolist() == (sp == 3).tolist()
    assert border_saliency(np.where(sp == 3, -1, sp)).tolist() == (sp == 1).tolist()
    assert border_saliency(10*sp-7 + 10).tolist() == (sp != 0).tolist()  # any numbers
    big = np.zeros((6, 6), int); big[1:5, 1:5] = 1; big[2, 2] = 2
    assert border_saliency(big).tolist() == (big > 0).tolist() and border_saliency(big).dtype == np.float32  # the larger does not touch the border


def test_border_without_a_choice():
    for rule in ("largest", "connectivity"):
        assert not border_saliency(np.full((3, 5), 4), rule).any() and not border_saliency(np.full((3, 5), -1), rule).any()
        assert border_saliency(np.array([[0, 0, 1]]), rule).shape == (1, 3)
    quarters = np.arange(9).reshape(3, 3).repeat(6, 0).repeat(6, 1)  # none above 2 (the corners' 11/6): the largest rule decides
    np.testing.assert_array_equal(border_saliency(quarters, "connectivity"), border_saliency(quarters))


@given(arrays(np.int32, (5, 6), elements=st.integers(-1, 4)), st.sampled_from(["largest", "connectivity"]))
@settings(max_examples=60, deadline=None)
def test_border_against_the_plain_reading(sp, rule):
    E = np.ones(sp.shape, bool); E[1:-1, 1:-1] = False
    touch = [i for i in np.unique(sp) if i >= 0 and (sp[E] == i).any()]
    back = [i for i in touch if rule == "connectivity" and (sp[E] == i).sum() > 2*np.sqrt((sp == i).sum())] or sorted(touch, key=lambda i: -(sp == i).sum())[:1]
    np.testing.assert_array_equal(border_saliency(sp, rule), ~np.isin(sp, [-1, *back]))


def test_border_refuses():
    with pytest.raises(WsssError, match="whole numbers"): border_saliency(np.zeros((3, 3)))
    with pytest.raises(ParameterError, match="largest, connectivity"): border_saliency(np.zeros((3, 3), int), "smallest")


def test_true_saliency():
    T = true_saliency(np.array([[0, 1, 8, 255]]))
    assert T.tolist() == [[0, 1, 1, 255]] and T.dtype == np.uint8


# ---- the detector

def test_detector(ds):
    net = load_detector()
    S = detect(net, ds.image("val_00000"))
    assert not net.training and S.shape == (48, 48) and S.dtype == np.float32 and 0 <= S.min() < S.max() <= 1
    assert detect(net, np.zeros((1, 70, 3), np.uint8), (1, .5)).shape == (1, 70)


def test_detector_finds_more_than_chance(home):
    dev = open_dataset("scenes:train=1,val=12,seed=0")
    net, pairs = load_detector(), [(dev.image(i), dev.mask(i)) for i in dev.ids("val")]
    iou = [np.mean([saliency_quality(f(i), m)["iou"] for i, m in pairs]) for f in (lambda i: detect(net, i), lambda i: np.ones(i.shape[:2]))]
    assert iou[0] > iou[1] + .05


def test_detector_missing_or_damaged(tmp_path, monkeypatch):
    for f in ("detector.safetensors", "detector.safetensors.sha256", "detector.json"): shutil.copy(DATA/f, tmp_path/f)
    monkeypatch.setattr(weights, "DATA", tmp_path)
    load_detector()
    raw = bytearray((tmp_path/"detector.safetensors").read_bytes()); raw[-100] ^= 1; (tmp_path/"detector.safetensors").write_bytes(raw)
    with pytest.raises(WeightsError, match="not the file its record detector.json describes"): load_detector()
    with pytest.raises(WeightsError, match="damaged: their SHA-256"): load_detector(tmp_path/"detector.safetensors")
    (tmp_path/"detector.safetensors").unlink()
    with pytest.raises(WeightsError, match="damaged or was replaced"): load_detector()
    (tmp_path/"detector.json").unlink()
    with pytest.raises(WeightsError, match="detector.json is not there"): load_detector()


def test_detector_of_ones_own(tmp_path, ds):
    net = DeepLab(create("small", "random"), 2)
    meta = dict(net="small", classes=["object"], output_stride=8, init=net.init)
    save_model(tmp_path/"a.safetensors", net, kind="detector", **meta)
    np.testing.assert_array_equal(detect(load_detector(tmp_path/"a.safetensors"), ds.image("val_00000")), detect(net.eval(), ds.image("val_00000")))
    save_model(tmp_path/"b.safetensors", net, kind="deeplab", **meta)
    with pytest.raises(WeightsError, match="no detector, but deeplab"): load_detector(tmp_path/"b.safetensors")
    with pytest.raises(WeightsError, match="not there"): load_detector(tmp_path/"c.safetensors")


# ---- sources by name, and folders

@pytest.mark.parametrize("source", [s for s in SOURCES if s != "dataset"])
def test_every_source(ds, sp, tmp_path, source):
    ids = ds.ids("train")
    f = open_source(ds, ids, source, superpixels=sp)
    S = f(ids[0])
    assert S.shape == (48, 48) and S.dtype == (np.uint8 if source == "truth" else np.float32)
    write_saliency(ds, ids, source, tmp_path/"raw", superpixels=sp, workers=2)
    assert sorted(p.name for p in (tmp_path/"raw").iterdir()) == [f"{i}.png" for i in ids]  # nothing half-written stays
    np.testing.assert_allclose(read_saliency(tmp_path/"raw"/f"{ids[0]}.png"), S, atol=.5/255+1e-6)
    assert supervision(source) == SOURCES[source]


def test_superpixels_by_hand(ds, sp):
    S = open_source(ds, ds.ids("train"), "superpixels", superpixels=sp)(ds.ids("train")[0])  # quarters: 47/sqrt(432) = 2.26
    assert S[12:36, 12:36].all() and S.sum() == 24*24


def test_a_folder_of_any_size_and_depth(ds, tmp_path):
    a, b, c = ds.ids("train")
    grey(tmp_path/f"{a}.png", np.full((48, 48), 51)); grey(tmp_path/f"{b}.png", np.full((7, 90), 204)); grey(tmp_path/f"{c}.png", np.full((48, 48), 32768), 16)
    f = open_source(ds, (a, b, c), tmp_path)
    for i, v in ((a, .2), (b, .8), (c, .5)): assert f(i).shape == (48, 48) and np.allclose(f(i), v, atol=1e-4)
    assert open_source(ds, (a,), str(tmp_path))(a).dtype == np.float32
    assert supervision(tmp_path).startswith(f"maps in the folder {tmp_path.name}, made outside; how their detector was trained is unknown")


def test_the_datasets_own_maps(ds, tmp_path):
    shutil.copytree(ds.root, tmp_path/"own")
    own, ids = open_dataset(tmp_path/"own"), ds.ids("train")
    with pytest.raises(DataError, match=r"has no saliency maps: put PNGs into .*saliency, give a folder, or name a detector: builtin, spectral, finegrained, superpixels$"): open_source(own, ids, "dataset")
    grey(own.root/"saliency"/f"{ids[0]}.png", np.full((48, 48), 255))
    np.testing.assert_array_equal(open_source(own, ids[:1], "dataset")(ids[0]), own.saliency(ids[0]))
    with pytest.raises(DataError, match=f"lacks the saliency maps of 2 of 3 images, the first is {ids[1]}.png; what it holds looks like {ids[0]}.png"): open_source(own, ids, "dataset")


def test_sources_refuse(ds, sp, tmp_path):
    ids = ds.ids("train")
    with pytest.raises(ParameterError, match="'sprectal' is unknown: use dataset, builtin, spectral, finegrained, superpixels, truth or the path"): open_source(ds, ids, "sprectal")
    for wrong in ("", None, 3):
        with pytest.raises(ParameterError, match="unknown"): supervision(wrong)
    with pytest.raises(DataError, match="nowhere: no such folder of saliency maps"): open_source(ds, ids, tmp_path/"nowhere")
    with pytest.raises(DataError, match="3 of 3 images, the first is train_00000.png; it is empty"): open_source(ds, ids, tmp_path)
    with pytest.raises(ParameterError, match="superpixels=FOLDER"): open_source(ds, ids, "superpixels")
    with pytest.raises(DataError, match="superpixel maps of 2 of 2 images, the first is val_00000.png; what it holds looks like train_"): open_source(ds, ds.ids("val"), "superpixels", superpixels=sp)
    write_labels(tmp_path/f"{ids[0]}.png", np.zeros((9, 9), int))
    with pytest.raises(DataError, match=r"is 9x9 \(height x width\), but its image 48x48"): open_source(ds, ids[:1], "superpixels", superpixels=tmp_path)(ids[0])
    bare = replace(ds, _mask_path=lambda id: tmp_path/"none.png")
    with pytest.raises(DataError, match="no masks for 3 of 3"): open_source(bare, ids, "truth")


def test_only_the_truth_opens_a_mask(ds, sp, tmp_path):
    (tmp_path/"mask.png").write_bytes(b"garbage")
    blind, i = replace(ds, _mask_path=lambda id: tmp_path/"mask.png"), ds.ids("train")[0]
    for source in ("builtin", "spectral", "finegrained", "superpixels"):
        np.testing.assert_array_equal(*(open_source(d, [i], source, superpixels=sp)(i) for d in (ds, blind)))
    with pytest.raises(DataError): open_source(blind, [i], "truth")(i)


# ---- on the disk

def test_written_once(ds, tmp_path):
    a, b = ds.ids("train")[:2]
    grey(tmp_path/f"{a}.png", np.full((48, 48), 7))
    write_saliency(ds, (a, b), "finegrained", tmp_path)
    assert (read_saliency(tmp_path/f"{a}.png") == np.float32(7/255)).all() and read_saliency(tmp_path/f"{b}.png").max() == 1
    with pytest.raises(ParameterError, match="unknown"): write_saliency(ds, (a,), "nothing", tmp_path/"c")
    assert not (tmp_path/"c").exists()


def test_void_survives(ds, net, tmp_path):
    i = ds.ids("train")[0]
    T = np.zeros((48, 48), np.uint8); T[:20] = 3; T[20:24] = 255
    Image.fromarray(T).save(tmp_path/"mask.png")
    d = replace(ds, _mask_path=lambda id: tmp_path/"mask.png")
    write_saliency(d, [i], "truth", tmp_path/"raw")
    assert set(np.unique(np.rint(255*read_saliency(tmp_path/"raw"/f"{i}.png")))) == {0, 127, 255}
    refine_saliency(None, d, [i], tmp_path/"raw", tmp_path/"R", RefineSettings(low="none"))
    np.testing.assert_array_equal(read_mask(tmp_path/"R"/f"{i}.png"), true_saliency(T))
    refine_saliency(net, d, [i], tmp_path/"raw", tmp_path/"R2")
    assert (read_mask(tmp_path/"R2"/f"{i}.png")[20:24] == 255).all()


def test_refine_saliency(ds, net, tmp_path):
    from wsss_nb.cam import multi_scale_cam
    ids = ds.ids("train")
    write_saliency(ds, ids, "builtin", tmp_path/"raw")
    for low in ("none", "background", "unlabeled"): refine_saliency(net, ds, ids, tmp_path/"raw", tmp_path/low, RefineSettings(scales=(.5, 1), low=low, threshold=.4))
    for i in ids:
        O = binarize(read_saliency(tmp_path/"raw"/f"{i}.png"), .4)
        B = objectness(multi_scale_cam(net, ds.image(i), (.5, 1), merge="max"), ds.present(i))
        np.testing.assert_array_equal(read_mask(tmp_path/"none"/f"{i}.png"), O)
        for low in ("background", "unlabeled"): np.testing.assert_array_equal(read_mask(tmp_path/low/f"{i}.png"), refine(O, B, low=low))
    before = (tmp_path/"none"/f"{ids[0]}.png").stat().st_mtime_ns
    (tmp_path/"none"/f"{ids[1]}.png").unlink()
    refine_saliency(None, ds, ids, tmp_path/"raw", tmp_path/"none", RefineSettings(low="none", threshold=.4))  # goes on
    assert (tmp_path/"none"/f"{ids[0]}.png").stat().st_mtime_ns == before and (tmp_path/"none"/f"{ids[1]}.png").exists()


def test_refine_saliency_takes_maps_of_another_size(ds, net, tmp_path):
    i = ds.ids("train")[0]
    grey(tmp_path/f"{i}.png", np.full((10, 20), 255))
    refine_saliency(net, ds, [i], tmp_path, tmp_path/"R", RefineSettings(tau1=1, tau2=0))
    assert read_mask(tmp_path/"R"/f"{i}.png").shape == (48, 48) and (read_mask(tmp_path/"R"/f"{i}.png") == 1).all()


def test_refine_saliency_refuses(ds, net, tmp_path):
    ids = ds.ids("train")
    with pytest.raises(ParameterError, match="tau2 <= tau1"): RefineSettings(tau1=.2)
    with pytest.raises(ParameterError, match="one of unlabeled, background, none"): RefineSettings(low="zero")
    with pytest.raises(DataError, match="3 of 3 images, the first is train_00000.png"): refine_saliency(net, ds, ids, tmp_path, tmp_path/"R")
    write_saliency(ds, ids, "spectral", tmp_path)
    other = Classifier(create("small", "random"), 2); other.classes = ("dog", "pig")
    with pytest.raises(DataError, match="the classifier knows dog, pig, but .* has boat"): refine_saliency(other, ds, ids, tmp_path, tmp_path/"R")
    assert not (tmp_path/"R").exists()


# ---- quality

def test_quality_by_hand():
    q = saliency_quality(np.uint8([[1, 0, 0, 255, 1]]), np.uint8([[3, 2, 0, 1, 255]]))
    np.testing.assert_allclose([q["mae"], q["iou"], q["fbeta"], q["labelled"]], [1/3, .5, .8125, .75])
    q = saliency_quality(np.array([[.8, .4, .6]]), np.array([[1, 1, 0]]))
    np.testing.assert_allclose([q["mae"], q["iou"], q["labelled"]], [(.2+.6+.6)/3, 1/3, 1], rtol=1e-6)
    assert saliency_quality(np.array([[.8, .4, .6]]), np.array([[1, 1, 0]]), .3)["iou"] == pytest.approx(2/3)
    q = saliency_quality(np.zeros((2, 2)), np.zeros((2, 2), int))
    assert q["mae"] == 0 and np.isnan(q["iou"]) and np.isnan(q["fbeta"])
    q = saliency_quality(np.full((2, 2), 255, np.uint8), np.ones((2, 2), int))
    assert q["labelled"] == 0 and np.isnan(q["iou"]) and np.isnan(q["mae"])


@given(LABELS, arrays(np.uint8, (3, 5), elements=st.sampled_from([0, 1, 4, 255])))
@settings(max_examples=40, deadline=None)
def test_quality_properties(S, T):
    q = saliency_quality(S, T)
    assert all(np.isnan(v) or 0 <= v <= 1+1e-9 for v in q.values()) and q["labelled"] <= 1
    own = saliency_quality(true_saliency(T), T)
    if (T != 255).any(): assert own["mae"] == 0 and own["labelled"] == 1
    if ((T > 0) & (T < 255)).any(): assert own["iou"] == 1 == pytest.approx(own["fbeta"])


def test_quality_refuses():
    with pytest.raises(WsssError, match=r"shape \(1, 2\), but the mask \(2, 1\)"): saliency_quality(np.zeros((1, 2)), np.zeros((2, 1)))
    with pytest.raises(WsssError, match="0, 1 and 255"): saliency_quality(np.full((1, 2), 7, np.uint8), np.zeros((1, 2)))
