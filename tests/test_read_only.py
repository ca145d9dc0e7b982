"""What takes an array takes one that may not be written to, without a word: from a decoder, a mapped file, an upload, or seen in a mirror."""
import warnings
from functools import lru_cache

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from wsss_nb.backbones import create
from wsss_nb.cam import compute_cam, multi_scale_cam
from wsss_nb.classifier import Classifier, predict_labels, score_images
from wsss_nb.crf import crf_from_labels, dense_crf
from wsss_nb.deeplab import DeepLab, predict
from wsss_nb.features import extract, load
from wsss_nb.growing import grow
from wsss_nb.masking import erased
from wsss_nb.names import understand
from wsss_nb.saliency import border_saliency, detect, load_detector, opencv_saliency, refine
from wsss_nb.seeds import initial_seed
from wsss_nb.segment import load_segmenter, segment_names
from wsss_nb.segment_settings import SegmentSettings
from wsss_nb.gallery import open_photo
from wsss_nb.grouping import Grouping
from wsss_nb.thresholds import growth_map, seed_curve
from wsss_nb.superpixels import METHODS, conventional, discover_batch, ncut, superpixels
from wsss_nb.transforms import Augment, as_tensor, to_tensor

PHOTO = np.ascontiguousarray(chelsea()[40:88, 120:184])  # (48,64,3)
HW = PHOTO.shape[:2]
LABELS = np.where(np.indices(HW)[1] < 30, 3, np.where(np.indices(HW)[0] < 20, 7, 255)).astype(np.uint8)
TRUTH = np.where(LABELS == 3, 1, np.where(LABELS == 7, 2, 255)).astype(np.uint8)
SP = (np.indices(HW)//16 * [[[4]], [[1]]]).sum(0).astype(np.int32)
SOFTMAX = np.stack([LABELS == k for k in (3, 7, 255)]).astype(np.float32)*.7 + .1
PRESENT = np.array([True, True])


@lru_cache
def net(kind):
    if kind == "imagenet": return load_segmenter()
    return (Classifier(create("small", "scenes"), 2) if kind == "classifier" else DeepLab(create("small", "scenes"), 3)).eval()


def mapped(a, folder):
    file = folder/f"{len(list(folder.iterdir()))}.npy"
    np.save(file, a)
    return np.load(file, mmap_mode="r")


def frozen(a, folder=None):
    a = a.copy()
    a.flags.writeable = False
    return a


KINDS = dict(frozen=frozen, mapped=mapped, bytes=lambda a, folder: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
             mirrored=lambda a, folder: frozen(a[..., ::-1])[..., ::-1])
LITTLE = SegmentSettings(sides=(64,), flip=False, spread_side=64, side=64)
CALLS = dict(  # of ways to freeze an array: a picture, labels, superpixels, a softmax
    as_tensor=lambda z: as_tensor(z(PHOTO)), to_tensor=lambda z: to_tensor(z(PHOTO)),
    augment=lambda z: Augment(32)(z(PHOTO), dict(L=z(LABELS), sp=z(SP), H=z(SOFTMAX)), seed=2)[0],
    dense_crf=lambda z: dense_crf(z(PHOTO), z(SOFTMAX), 2, backend="pydensecrf"),
    dense_crf_torch=lambda z: dense_crf(z(PHOTO), z(SOFTMAX), 2, backend="torch"),
    crf_from_labels=lambda z: crf_from_labels(z(PHOTO), z(LABELS), 2, backend="pydensecrf"),
    crf_from_labels_torch=lambda z: crf_from_labels(z(PHOTO), z(LABELS), 2, unlabeled=255, backend="torch"),
    crf_of_one_label=lambda z: crf_from_labels(z(PHOTO), z(np.zeros(HW, np.uint8))),
    erased=lambda z: erased(z(PHOTO), z(SOFTMAX), z(PRESENT), z(np.array([1, 0])), z(np.array([120., 110, 100])))[1],
    extract=lambda z: extract(z(PHOTO), load("mini"))[0], superpixels=lambda z: superpixels(z(PHOTO), load("mini")),
    discover_batch=lambda z: discover_batch(z(SOFTMAX[None].reshape(1, 3, -1).swapaxes(1, 2)[:, ::50].copy())),
    ncut=lambda z: ncut(z(SOFTMAX.reshape(3, -1).T[::50].copy()), .5, solver="torch"),
    grouping=lambda z: Grouping(z(PHOTO), load("mini")).pixels(.4), open_photo=lambda z: open_photo(z(PHOTO), 60).image,
    predict=lambda z: predict(net("segmenter"), z(PHOTO)), score=lambda z: score_images(net("classifier"), [z(PHOTO)]),
    cam=lambda z: compute_cam(net("classifier"), z(PHOTO), z(PRESENT)), scales=lambda z: multi_scale_cam(net("classifier"), z(PHOTO), (.5, 1)),
    labels=lambda z: predict_labels(z(np.array([.3, -2.]))), seed=lambda z: initial_seed(z(SOFTMAX[1:]), z(SP), z(PRESENT)),
    curve=lambda z: seed_curve(z(SOFTMAX[1:]), z(SP), z(PRESENT), z(TRUTH), [.2, .6])["coverage"],
    grow=lambda z: grow(z(np.where(SP < 6, 255, TRUTH).astype(np.uint8)), z(SOFTMAX), z(SP), z(PRESENT)),
    growth_map=lambda z: growth_map(z(np.full(HW, 255, np.uint8)), z(SOFTMAX), z(SP), z(PRESENT), z(TRUTH), [.2, .6])["miou"],
    detect=lambda z: detect(load_detector(), z(PHOTO)), spectral=lambda z: opencv_saliency(z(PHOTO), "spectral"),
    finegrained=lambda z: opencv_saliency(z(PHOTO), "finegrained"), border=lambda z: border_saliency(z(SP), "connectivity"),
    refine=lambda z: refine(z((LABELS == 3).astype(np.uint8)), z(SOFTMAX[0])),
    segment=lambda z: segment_names(z(PHOTO), [understand("cat")], LITTLE, net("imagenet")).softmax,
) | {m: lambda z, m=m: conventional(z(PHOTO), m, 6) for m in METHODS}


@pytest.fixture(autouse=True)
def strict():
    "A warning is an error; and Torch, which says each thing once a process, says it again."
    old = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    torch.set_warn_always(old)


@pytest.mark.parametrize("call", CALLS)
def test_read_only(call, tmp_path):
    "Whatever kind of array it is, the answer is that of a plain one, and the array is left as it was."
    want = np.asarray(CALLS[call](np.copy))
    for name, kind in KINDS.items():
        seen = []
        def given(a):
            seen.append((a, kind(a, tmp_path)))
            return seen[-1][1]
        np.testing.assert_array_equal(np.asarray(CALLS[call](given)), want, err_msg=name)
        for a, b in seen: np.testing.assert_array_equal(a, b)


def test_the_fixture_would_notice():
    with pytest.raises(UserWarning, match="not writable"): torch.as_tensor(frozen(PHOTO))
