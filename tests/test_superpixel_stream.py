"""The stream of photographs to superpixel maps: the same maps as one by one, bounded memory, odd pictures, bad files."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data as photographs

from wsss_nb import superpixel_stream as stream
from wsss_nb.superpixel_folder import cut_folder
from wsss_nb.superpixel_stream import Settings, network, outputs, settle
from wsss_nb.core import WeightsError
from wsss_nb.images import read_image, write_image
from wsss_nb.masks_of_ids import read_labels
from wsss_nb.scenes import make_scene
from wsss_nb.superpixels import superpixels

RGB = Settings("rgb", .97, device="cpu", workers=1, crf=False)


def folder_of(path, n, size=40, seed=0):
    for i in range(n): write_image(path/f"{i:03}.png", make_scene(seed, i, 80).image[:size + i % 3*8, :size])
    return [(p.stem, p) for p in sorted(path.glob("*.png"))]


def maps(out): return {p.name: p.read_bytes() for p in Path(out).glob("*.png")}


# ---- the same maps

@pytest.mark.parametrize("s", [RGB, Settings("rgb", .9, "high", device="cpu", workers=1), Settings("mini", .3, device="cpu", workers=2)])
def test_maps_are_those_of_superpixels(s, tmp_path):
    jobs = folder_of(tmp_path/"in", 5)
    done = cut_folder(jobs, tmp_path/"out", s)
    assert [d.name for d in done] == [n for n, _ in jobs] and not any(d.error for d in done)
    for d, (n, p) in zip(done, jobs):
        want = superpixels(read_image(p), network(settle(s)), s.tau, s.order, s.crf)
        assert np.array_equal(read_labels(outputs(tmp_path/"out", n)[0]), want) and d.count == want.max() + 1


def test_batches_make_the_same_maps(tmp_path, monkeypatch):
    "As on a card: photos of one size together, fetched a batch later; here with colours, whose means no batch changes"
    jobs, sizes, begin = folder_of(tmp_path/"in", 23), [], stream.group_photos
    cut_folder(jobs, tmp_path/"one", RGB)
    monkeypatch.setattr(stream, "_Bins", lambda patch, patches: Bins(patch, 25*4, 8))
    monkeypatch.setattr(stream, "group_photos", lambda photos, *a: sizes.append(len(photos)) or begin(photos, *a))
    cut_folder(jobs, tmp_path/"many", RGB)
    assert sum(sizes) == 23 and max(sizes) > 1 and maps(tmp_path/"many") == maps(tmp_path/"one")


Bins = stream._Bins


def test_bins_never_hold_more_than_they_may():
    rng, bins, kept, gone = np.random.default_rng(0), Bins(8, 10**6, waiting=16), 0, 0
    for i in range(500):
        ready = bins.add(stream._Photo(str(i), "", None, None, np.zeros((8, 8*rng.integers(1, 40), 3), np.uint8)))
        kept, gone = kept + 1 - len(ready or ()), gone + len(ready or ())
        assert kept < 16 and (not ready or len({p.x.shape for p in ready}) == 1)
    assert gone + sum(map(len, bins.rest())) == 500


def test_no_more_is_begun_than_asked_for():
    begun, lock = [], threading.Lock()
    def work(i):
        with lock: begun.append(i)
        return i
    with ThreadPoolExecutor(3) as pool:
        for i, got in enumerate(stream.ahead(pool, work, range(100), 5)):
            assert got == i
            time.sleep(.001)
            assert len(begun) <= i + 6


def test_memory_does_not_grow_with_the_folder(tmp_path):
    "Of photographs read and not yet written there are a few at most, however slow the writing"
    jobs, alive, most = folder_of(tmp_path/"in", 60), [0], [0]
    read, write = stream.read_photo, stream._write
    def reading(*a):
        p = read(*a)
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        return p
    def writing(*a):
        time.sleep(.005)
        n = write(*a)
        alive[0] -= 1
        return n
    stream.read_photo, stream._write = reading, writing
    try: assert len(cut_folder(jobs, tmp_path/"out", RGB)) == 60
    finally: stream.read_photo, stream._write = read, write
    assert most[0] < 12


# ---- odd pictures

def test_a_panorama_is_cut_at_a_smaller_size(tmp_path):
    "20,000 pixels wide: its own size would be 468,750 patches, whose pairs no memory holds"
    image = np.tile(photographs.chelsea(), (1, 45, 1))[:300, :20_000]
    write_image(tmp_path/"in/wide.png", image)
    (d,) = cut_folder([("wide", tmp_path/"in/wide.png")], tmp_path/"out", Settings("rgb", .9, device="cpu", crf=False, max_pixels=200_000))
    sp = read_labels(tmp_path/"out/wide.png")
    assert not d.error and sp.shape == (300, 20_000) and sp.max() + 1 == d.count > 1
    assert read_image(tmp_path/"out/pictures/wide.jpg").size < 200_000*3 + 1


@pytest.mark.parametrize("shape, count", [((1, 1), 1), ((3, 200), None), ((8, 8), 1), ((5, 7), 1)])
def test_small_and_narrow(shape, count, tmp_path):
    write_image(tmp_path/"a.png", np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8))
    for s in (RGB, Settings("mini", device="cpu", workers=1)):
        (d,) = cut_folder([("a", tmp_path/"a.png")], tmp_path/s.features, s)
        assert not d.error and d.count == (count or d.count) and read_labels(tmp_path/s.features/"a.png").shape == shape


def test_one_colour_is_one_superpixel(tmp_path):
    for v in (0, 128, 255):
        write_image(tmp_path/f"{v}.png", np.full((50, 70, 3), v, np.uint8))
        assert [d.count for d in cut_folder([("a", tmp_path/f"{v}.png")], tmp_path/f"out{v}", Settings("rgb", device="cpu"))] == [1]


def test_a_corrupt_file_in_the_middle_of_many(tmp_path):
    "1,000 photographs, number 500 cut short: named, the rest done"
    jobs = folder_of(tmp_path/"in", 1000, 16)
    jobs[500][1].write_bytes(jobs[500][1].read_bytes()[:200])
    done = cut_folder(jobs, tmp_path/"out", Settings("rgb", .97, device="cpu", workers=1, crf=False, pictures=False))
    bad = [d for d in done if d.error]
    assert [d.name for d in bad] == ["500"] and str(jobs[500][1]) in bad[0].error and len(maps(tmp_path/"out")) == 999
    assert [d.name for d in cut_folder(jobs, tmp_path/"out", Settings("rgb", .97, device="cpu", workers=1, crf=False, pictures=False))] == ["500"]


def test_features_that_are_not_finite_are_the_picture_s_fault_not_the_batch_s(tmp_path, monkeypatch):
    jobs, begin = folder_of(tmp_path/"in", 6), stream.group_photos
    def spoilt(photos, *a):
        L, sound = begin(photos, *a)
        return L, torch.tensor([p.name != "002" for p in photos])
    monkeypatch.setattr(stream, "group_photos", spoilt)
    done = cut_folder(jobs, tmp_path/"out", RGB)
    assert [d.name for d in done if d.error] == ["002"] and "002.png: its features" in done[2].error and len(maps(tmp_path/"out")) == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_that_are_not_finite_are_the_file_s_fault(workers, tmp_path):
    from safetensors.numpy import load_file, save_file
    state = load_file(Path(stream.__file__).parent/"data/mini.safetensors")
    key = next(k for k in state if k.endswith("attn.qkv.weight") and "3" in k)
    save_file(state | {key: np.full_like(state[key], np.nan)}, tmp_path/"broken.safetensors")
    jobs = folder_of(tmp_path/"in", 3)
    with pytest.raises(WeightsError, match="broken.safetensors hold NaN"):
        cut_folder(jobs, tmp_path/"out", Settings("mini", weights=str(tmp_path/"broken.safetensors"), device="cpu", workers=workers))
    assert not (tmp_path/"out").exists() or not maps(tmp_path/"out")


@pytest.mark.parametrize("change, said", [(dict(tau=2), "tau"), (dict(precision="float16"), "float16"), (dict(max_pixels=4000), "max-pixels"), (dict(workers=-1), "workers"),
                                          (dict(crf=True, backend="gpu"), "backend"), (dict(device="abacus"), "abacus"), (dict(order="middle"), "order")])
def test_settings_that_cannot_be(change, said, tmp_path):
    with pytest.raises(ValueError, match=said): cut_folder(folder_of(tmp_path/"in", 1), tmp_path/"out", replace(RGB, **change))
    assert not (tmp_path/"out").exists()
