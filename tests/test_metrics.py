import wsss_nb.core  # the torchvision guard, before torchmetrics
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose
from PIL import Image
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex
from wsss_nb.core import ParameterError
from wsss_nb.metrics import (ConfusionMatrix, achievable_accuracy, boundary_precision, boundary_recall, fill_void, mean_known,
                             mean_quality, seed_quality, superpixel_quality, undersegmentation_error)

SUPERPIXEL = [undersegmentation_error, achievable_accuracy, boundary_recall, boundary_precision]


def blobs(seed, hw=(40, 56), n=5, cell=8):
    "A map of random blocks: regions with real boundaries"
    small = np.random.default_rng(seed).integers(0, n, (hw[0]//cell, hw[1]//cell))
    return small.repeat(cell, 0).repeat(cell, 1)


def with_void(gt, seed, share=.1):
    return np.where(np.random.default_rng(seed).random(gt.shape) < share, 255, gt).astype(np.uint8)


# --- the plain reading of the equations, pixel by pixel -----------------------------------------------------

def slow_ue_asa(sp, gt):
    known = gt != 255
    S = [(sp == k) & known for k in np.unique(sp[known])]
    G = [gt == i for i in np.unique(gt[known])]
    ue = sum(min((s & g).sum(), (s & ~g).sum()) for g in G for s in S) / known.sum()
    return ue, sum(max((s & g).sum() for g in G) for s in S) / known.sum()


def slow_boundary(a, gt):
    H, W = a.shape
    return [(y, x) for y in range(H) for x in range(W)
            if any(0 <= v < H and 0 <= u < W and a[v, u] != a[y, x] and gt[y, x] != 255 and gt[v, u] != 255
                   for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)))]


def slow_share(on, other, eps):
    if not on: return np.nan
    return np.mean([any(np.hypot(p[0] - q[0], p[1] - q[1]) < eps for q in other) for p in on])


# --- confusion matrix -----------------------------------------------------------------------------------------

def test_hand_worked():
    cm = ConfusionMatrix(3).update([[0, 0, 1], [1, 2, 1]], [[0, 1, 1], [1, 255, 2]])
    assert cm.matrix.tolist() == [[1, 0, 0], [1, 2, 0], [0, 1, 0]]
    assert cm.matrix.dtype == np.int64
    assert_allclose(cm.iou(), [1/2, 2/4, 0])
    assert cm.miou() == pytest.approx(1/3)


@pytest.mark.parametrize("pred, gt, iou", [
    ([[0, 1]], [[0, 1]], [1, 1, np.nan]),          # absent from both: left out
    ([[0, 2]], [[0, 0]], [.5, np.nan, 0]),         # only predicted: zero
    ([[0, 1]], [[0, 255]], [1, np.nan, np.nan])])  # predicted on void alone: absent
def test_classes_that_lack_one_side(pred, gt, iou):
    cm = ConfusionMatrix(3).update(pred, gt)
    assert_allclose(cm.iou(), iou)
    assert cm.miou() == np.nanmean(iou)


def test_unlabeled_prediction_is_a_miss():
    cm = ConfusionMatrix(2).update([[0, 255, 1, 255]], [[0, 0, 1, 255]])
    assert_allclose(cm.iou(), [.5, 1])
    assert cm.unlabeled.tolist() == [1, 0]
    assert (cm.coverage(), cm.precision()) == (2/3, 1)


def test_nothing_counted_is_nan_without_warning(recwarn):
    for cm in (ConfusionMatrix(2), ConfusionMatrix(2).update([[1, 0]], [[255, 255]])):
        assert np.isnan([cm.miou(), cm.coverage(), cm.precision()]).all()
    assert not recwarn.list


@pytest.mark.parametrize("n", [2, 21, 81])
def test_equals_torchmetrics(n):
    rng = np.random.default_rng(n)
    gt, pred = rng.integers(0, n, (3, 50, 60)), rng.integers(0, n, (3, 50, 60))
    pred = np.where(rng.random(gt.shape) < .6, gt, pred)
    gt = with_void(gt, n)
    cm, theirs = ConfusionMatrix(n), MulticlassConfusionMatrix(n, ignore_index=255)
    mean = MulticlassJaccardIndex(n, ignore_index=255, average="macro")
    each = MulticlassJaccardIndex(n, ignore_index=255, average="none")
    for p, g in zip(pred, gt):
        cm.update(p, g)
        for m in (theirs, mean, each): m.update(torch.from_numpy(p), torch.from_numpy(g.astype(np.int64)))
    assert (cm.matrix == theirs.compute().numpy()).all()
    assert_allclose(cm.iou(), each.compute(), rtol=1e-5)
    assert cm.miou() == pytest.approx(mean.compute().item(), rel=1e-5)


def test_counts_merge_in_any_grouping():
    pairs = [(blobs(s), with_void(blobs(s + 9), s)) for s in range(4)]
    parts = [ConfusionMatrix(5).update(p, g) for p, g in pairs]
    whole = ConfusionMatrix(5)
    for p, g in pairs: whole.update(p, g)
    assert (sum(parts).counts == whole.counts).all()
    assert ((parts[0] + parts[1] + (parts[2] + parts[3])).counts == whole.counts).all()
    assert parts[0].counts.sum() < whole.counts.sum()  # adding changed no part
    with pytest.raises(ValueError, match="same classes"): ConfusionMatrix(5) + ConfusionMatrix(6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint16])
def test_types_and_tensors_count_alike(dtype):
    p, g = blobs(1).astype(dtype), with_void(blobs(2), 1).astype(dtype)
    want = ConfusionMatrix(5).update(blobs(1), with_void(blobs(2), 1)).counts
    assert (ConfusionMatrix(5).update(p, g).counts == want).all()
    if dtype is not np.uint16: assert (ConfusionMatrix(5).update(torch.from_numpy(p), torch.from_numpy(g)).counts == want).all()


def test_large_counts_do_not_overflow():
    cm = ConfusionMatrix(2).update([[1]], [[1]])
    cm.counts *= 2**40
    assert (cm + cm).matrix[1, 1] == 2**41


def test_other_ignore():
    assert ConfusionMatrix(3, ignore=-1).update([[0, 1, 2]], [[0, 1, -1]]).miou() == 1
    assert ConfusionMatrix(300, ignore=-1).update(np.uint8([[255]]), [[255]]).iou()[255] == 1


@pytest.mark.parametrize("pred, gt, message", [
    ([[0, 1]], [[0, 1, 1]], "of one size"),
    ([[0, 3]], [[0, 1]], r"prediction holds id \[3\]"),
    ([[0, 1]], [[0, 200]], r"ground truth holds id \[200\]"),
    ([[0, -1]], [[0, 1]], r"id \[-1\]"),
    ([[0., 1.]], [[0, 1]], "whole numbers"),
    ([[0, np.nan]], [[0, 1]], "whole numbers")])
def test_confusion_refuses(pred, gt, message):
    cm = ConfusionMatrix(3)
    with pytest.raises(ValueError, match=message): cm.update(pred, gt)
    assert cm.counts.sum() == 0  # nothing half counted


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_confusion_refuses_n(n):
    with pytest.raises(ValueError, match="n_classes"): ConfusionMatrix(n)


def test_seed_quality():
    q = seed_quality([[0, 1, 255, 255]], [[0, 0, 1, 255]], 2)
    assert q == dict(coverage=2/3, precision=1/2, miou=pytest.approx((1/2 + 0)/2))


# --- superpixels --------------------------------------------------------------------------------------------------

def slow_leak(sp, gt):
    known = gt != 255
    S = [(sp == k) & known for k in np.unique(sp[known])]
    return np.mean([(sum(s.sum() for s in S if (s & (gt == i)).any()) - (gt == i).sum())/(gt == i).sum() for i in np.unique(gt[known])])


def slow_tolerant(sp, gt):
    known = gt != 255
    S = [(sp == k) & known for k in np.unique(sp[known])]
    cover = sum(int(s.sum()) for i in np.unique(gt[known]) for s in S if 100*int((s & (gt == i)).sum()) > 5*int(s.sum()))
    return (cover - known.sum())/known.sum()


def test_undersegmentation_errors_and_accuracy_hand_worked():
    "Superpixel 7: three pixels of region 0, one of region 1; superpixel 9: one known pixel, of region 1"
    sp, gt = np.array([[7, 7, 9], [7, 7, 9]]), np.array([[0, 0, 1], [0, 1, 255]])
    assert undersegmentation_error(sp, gt, kind="min") == undersegmentation_error(sp, gt, 255) == 2/5
    assert achievable_accuracy(sp, gt) == 4/5
    assert undersegmentation_error(sp, gt, kind="leak") == pytest.approx(((4 - 3)/3 + (5 - 2)/2)/2)
    assert undersegmentation_error(sp, gt, kind="tolerant") == (4 + 5 - 5)/5


@pytest.mark.parametrize("over, want", [(0, 0), (1, 0), (2, 0), (3, 1), (20, 1), (37, 1), (38, 0)])
def test_five_percent_are_forgiven_and_not_more(over, want):
    gt = 1*(np.arange(40)[None] >= 40 - over)
    assert undersegmentation_error(np.zeros((1, 40), int), gt, kind="tolerant") == want
    if over: assert undersegmentation_error(np.zeros((1, 40), int), gt, kind="leak") == pytest.approx((over/(40 - over) + (40 - over)/over)/2)


def test_ends_of_the_ranges():
    "One superpixel over R equal regions"
    for R, want in ((1, (0, 0, 0)), (2, (1, 1, 1)), (4, (1, 3, 3)), (19, (1, 18, 18)), (20, (1, 19, -1)), (40, (1, 39, -1))):
        gt = np.arange(R).repeat(3)[None]
        assert [undersegmentation_error(0*gt, gt, kind=k) for k in ("min", "leak", "tolerant")] == pytest.approx(want)


@pytest.mark.parametrize("kind", ["leak", "tolerant"])
def test_leak_and_tolerant_of_a_perfect_and_of_a_void_truth(kind):
    gt = blobs(3)
    assert undersegmentation_error(gt, gt, kind=kind) == undersegmentation_error(np.arange(gt.size).reshape(gt.shape), gt, kind=kind) == 0
    assert np.isnan(undersegmentation_error(gt, np.full(gt.shape, 255), kind=kind))


@pytest.mark.parametrize("kind", ["mean", "", None, "MIN"])
def test_unknown_undersegmentation_error(kind):
    with pytest.raises(ParameterError, match="kind must be one of min, leak, tolerant; it is"):
        undersegmentation_error(np.zeros((2, 2), int), np.zeros((2, 2), int), kind=kind)


@pytest.mark.parametrize("eps, want", [(1, 1/2), (2, 1.), (.5, 1/2)])
def test_distance_is_strict(eps, want):
    gt, sp = np.array([[0, 0, 1, 1, 1]]), np.array([[0, 0, 0, 1, 1]])  # boundaries {1, 2} and {2, 3}
    assert boundary_recall(sp, gt, eps=eps) == want


def test_distance_is_euclidean():
    gt, sp = np.zeros((9, 9), int), np.zeros((9, 9), int)
    gt[4, 4], sp[7, 7] = 1, 1  # boundaries are two crosses; their nearest pixels, (5,4) to (7,6) and (4,5) to (6,7), are sqrt(8) apart
    assert boundary_recall(sp, gt, eps=np.sqrt(8)) == 0
    assert boundary_recall(sp, gt, eps=np.sqrt(8) + 1e-6) == 2/5


def test_picture_edge_and_void_are_no_boundary():
    gt = np.zeros((5, 7), int)
    assert np.isnan(boundary_recall(gt, gt))
    gt[:, 3:], gt[:, 2:4] = 1, 255  # the change hides behind void
    sp = (np.arange(7) >= 3)*np.ones((5, 1), int)
    assert np.isnan(boundary_recall(sp, gt)) and np.isnan(boundary_precision(sp, gt))


def test_one_side_without_boundary_scores_zero():
    halves, one = (np.arange(8) >= 4)*np.ones((6, 1), int), np.zeros((6, 8), int)
    assert boundary_recall(one, halves) == 0 and np.isnan(boundary_precision(one, halves))
    assert boundary_precision(halves, one) == 0 and np.isnan(boundary_recall(halves, one))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("eps", [1, 2, 3.5])
def test_equal_the_plain_reading(seed, eps):
    sp, gt = blobs(seed, (24, 30), 6, 3), with_void(blobs(seed + 50, (24, 30), 3, 6), seed, .04)
    S, G = slow_boundary(sp, gt), slow_boundary(gt, gt)
    assert_allclose([undersegmentation_error(sp, gt), achievable_accuracy(sp, gt)], slow_ue_asa(sp, gt))
    assert undersegmentation_error(sp, gt, kind="leak") == pytest.approx(slow_leak(sp, gt))
    assert undersegmentation_error(sp, gt, kind="tolerant") == pytest.approx(slow_tolerant(sp, gt))
    assert boundary_recall(sp, gt, eps=eps) == slow_share(G, S, eps)
    assert boundary_precision(sp, gt, eps=eps) == slow_share(S, G, eps)


maps = arrays(np.int32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(0, 4))


@settings(deadline=None, max_examples=60)
@given(maps, st.integers(0, 2**16))
def test_ranges_and_identity(gt, seed):
    sp = np.random.default_rng(seed).integers(0, 5, gt.shape)
    ue, asa, br, bp = (f(sp, gt) for f in SUPERPIXEL)
    assert 0 <= ue <= 2 and 0 < asa <= 1  # each pixel is in one S ∩ G, and leaks at most twice
    assert all(np.isnan(v) or 0 <= v <= 1 for v in (br, bp))
    assert 1 - asa <= ue + 1e-12  # what cannot be achieved leaks
    perfect = [f(gt, gt) for f in SUPERPIXEL]
    assert perfect[:2] == [0, 1]
    assert all(v == 1 for v in perfect[2:]) or (np.isnan(perfect[2:]).all() and len(np.unique(gt)) == 1)


@settings(deadline=None, max_examples=60)
@given(maps, st.integers(0, 2**16))
def test_names_of_superpixels_do_not_matter(gt, seed):
    rng = np.random.default_rng(seed)
    sp = rng.integers(0, 5, gt.shape)
    renamed = rng.choice([-7, 3, 255, 40_000, 2**31 - 1, 12, 9], 5, replace=False)[sp]
    gt = with_void(gt, seed)
    for f in SUPERPIXEL: assert_allclose(f(renamed, gt), f(sp, gt))


@settings(deadline=None, max_examples=60)
@given(maps, st.integers(0, 2**16))
def test_splitting_a_superpixel_never_hurts_achievable_accuracy(gt, seed):
    rng = np.random.default_rng(seed)
    sp = rng.integers(0, 3, gt.shape)
    finer = sp*2 + rng.integers(0, 2, gt.shape)
    assert achievable_accuracy(finer, gt) >= achievable_accuracy(sp, gt) - 1e-12
    assert boundary_recall(finer, gt) >= boundary_recall(sp, gt) or np.isnan(boundary_recall(sp, gt))


@settings(deadline=None, max_examples=40)
@given(maps, st.integers(0, 2**16))
def test_what_void_pixels_hold_does_not_matter(gt, seed):
    rng = np.random.default_rng(seed)
    gt = with_void(gt, seed, .3)
    sp = rng.integers(0, 4, gt.shape)
    other = np.where(gt == 255, rng.integers(0, 9, gt.shape), sp)
    for f in SUPERPIXEL: assert_allclose(f(other, gt), f(sp, gt))


def test_all_void_and_one_pixel():
    void = np.full((3, 4), 255, np.uint8)
    assert all(np.isnan(f(np.zeros((3, 4), int), void)) for f in SUPERPIXEL)
    one = np.zeros((1, 1), int)
    assert (undersegmentation_error(one, one), achievable_accuracy(one, one)) == (0, 1)
    assert superpixel_quality(np.zeros((1, 2000), int), np.zeros((1, 2000), int))["count"] == 1


@pytest.mark.parametrize("f", SUPERPIXEL + [superpixel_quality])
@pytest.mark.parametrize("sp, gt, message", [
    (np.zeros((4, 5), int), np.zeros((5, 4), int), "of one size"),
    (np.zeros((4, 5)), np.zeros((4, 5), int), "whole numbers"),
    (np.full((4, 5), np.nan), np.zeros((4, 5), int), "whole numbers"),
    (np.zeros((2, 4, 5), int), np.zeros((2, 4, 5), int), "height, width")])
def test_superpixels_refuse(f, sp, gt, message):
    with pytest.raises(ValueError, match=message): f(sp, gt)


@pytest.mark.parametrize("eps", [0, -1, np.nan, np.inf])
def test_eps_is_checked(eps):
    with pytest.raises(ValueError, match="eps"): boundary_recall(np.zeros((2, 2), int), np.zeros((2, 2), int), eps=eps)


def test_a_row_and_the_mean_of_rows():
    sp, gt = blobs(1, n=30, cell=4), with_void(blobs(2), 3)
    row = superpixel_quality(sp, gt)
    assert list(row) == ["count", "ue", "bp", "br", "asa"]
    assert row["ue"] == undersegmentation_error(sp, gt) and row["asa"] == achievable_accuracy(sp, gt)
    whole = fill_void(gt)
    assert row["br"] == boundary_recall(sp, whole) and row["bp"] == boundary_precision(sp, whole)
    mean = mean_quality([dict(br=np.nan, ue=.1), dict(br=.5, ue=.3)])
    assert mean == dict(br=.5, ue=pytest.approx(.2))
    with pytest.raises(ValueError, match="no picture"): mean_quality([])


def test_fill_void():
    gt = with_void(blobs(1), 5, .3)
    out = fill_void(gt)
    assert (out[gt != 255] == gt[gt != 255]).all() and (out != 255).all() and out.dtype == gt.dtype
    assert (fill_void(np.full((2, 3), 255)) == 255).all()  # nothing to fill it with
    with pytest.raises(ValueError, match="height, width"): fill_void([1, 255])


def test_void_rims():
    "A disc with a rim of void, as VOC draws them: no boundary by the rule, one in the middle of the rim once filled"
    r = np.hypot(*np.ogrid[-20:20, -20:20])
    gt = np.where(r < 8, 1, np.where(r < 13, 255, 0))
    assert np.isnan(boundary_recall(1*(r < 10.5), gt))
    assert superpixel_quality(1*(r < 10.5), gt) == dict(count=2, ue=0, bp=1, br=1, asa=1)


def test_voc_masks_have_void_rims(shared_data):
    "Real masks: the rule leaves hardly a boundary, filling brings it back"
    folder = shared_data/"VOCdevkit"/"VOC2012"/"SegmentationClass"
    masks = [np.array(Image.open(p)) for p in sorted(folder.glob("*.png"))]
    if not masks: pytest.skip(f"no masks in {folder}")
    assert sum(np.isnan(boundary_recall(m, m)) for m in masks) > len(masks)/2
    assert all(boundary_recall(fill_void(m), fill_void(m)) == 1 for m in masks)


def test_mean_known(recwarn):
    assert mean_known([1, np.nan, 2]) == 1.5 and np.isnan(mean_known([])) and np.isnan(mean_known([np.nan]))
    assert not recwarn.list
