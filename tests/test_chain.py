"""The stream of photographs to superpixel maps: the same maps as one by one, bounded memory, bad files, restarts, several machines."""
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data as photographs

from wsss_nb import chain
from wsss_nb.chain import Settings, cut_folder, finished, network, outputs, settle
from wsss_nb.core import ParameterError, RunError, WeightsError
from wsss_nb.images import read_image, read_labels, write_image
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
    jobs, sizes, begin = folder_of(tmp_path/"in", 23), [], chain._begin
    cut_folder(jobs, tmp_path/"one", RGB)
    monkeypatch.setattr(chain, "_Bins", lambda patch, patches: Bins(patch, 25*4, 8))
    monkeypatch.setattr(chain, "_begin", lambda photos, *a: sizes.append(len(photos)) or begin(photos, *a))
    cut_folder(jobs, tmp_path/"many", RGB)
    assert sum(sizes) == 23 and max(sizes) > 1 and maps(tmp_path/"many") == maps(tmp_path/"one")


Bins = chain._Bins


def test_bins_never_hold_more_than_they_may():
    rng, bins, kept, gone = np.random.default_rng(0), Bins(8, 10**6, waiting=16), 0, 0
    for i in range(500):
        ready = bins.add(chain.Photo(str(i), "", None, None, np.zeros((8, 8*rng.integers(1, 40), 3), np.uint8)))
        kept, gone = kept + 1 - len(ready or ()), gone + len(ready or ())
        assert kept < 16 and (not ready or len({p.x.shape for p in ready}) == 1)
    assert gone + sum(map(len, bins.rest())) == 500


def test_no_more_is_begun_than_asked_for():
    begun, lock = [], threading.Lock()
    def work(i):
        with lock: begun.append(i)
        return i
    with ThreadPoolExecutor(3) as pool:
        for i, got in enumerate(chain.ahead(pool, work, range(100), 5)):
            assert got == i
            time.sleep(.001)
            assert len(begun) <= i + 6


def test_memory_does_not_grow_with_the_folder(tmp_path):
    "Of photographs read and not yet written there are a few at most, however slow the writing"
    jobs, alive, most = folder_of(tmp_path/"in", 60), [0], [0]
    read, write = chain._photo, chain._write
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
    chain._photo, chain._write = reading, writing
    try: assert len(cut_folder(jobs, tmp_path/"out", RGB)) == 60
    finally: chain._photo, chain._write = read, write
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
    jobs, begin = folder_of(tmp_path/"in", 6), chain._begin
    def spoilt(photos, *a):
        L, sound = begin(photos, *a)
        return L, torch.tensor([p.name != "002" for p in photos])
    monkeypatch.setattr(chain, "_begin", spoilt)
    done = cut_folder(jobs, tmp_path/"out", RGB)
    assert [d.name for d in done if d.error] == ["002"] and "002.png: its features" in done[2].error and len(maps(tmp_path/"out")) == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_that_are_not_finite_are_the_file_s_fault(workers, tmp_path):
    from safetensors.numpy import load_file, save_file
    state = load_file(Path(chain.__file__).parent/"data/mini.safetensors")
    key = next(k for k in state if k.endswith("attn.qkv.weight") and "3" in k)
    save_file(state | {key: np.full_like(state[key], np.nan)}, tmp_path/"broken.safetensors")
    jobs = folder_of(tmp_path/"in", 3)
    with pytest.raises(WeightsError, match="broken.safetensors hold NaN"):
        cut_folder(jobs, tmp_path/"out", Settings("mini", weights=str(tmp_path/"broken.safetensors"), device="cpu", workers=workers))
    assert not (tmp_path/"out").exists() or not maps(tmp_path/"out")


@pytest.mark.parametrize("change, said", [(dict(tau=2), "tau"), (dict(precision="float16"), "float16"), (dict(max_pixels=4000), "max-pixels"), (dict(workers=-1), "workers"),
                                          (dict(crf=True, backend="gpu"), "backend"), (dict(device="abacus"), "abacus"), (dict(order="middle"), "order")])
def test_settings_that_cannot_be(change, said, tmp_path):
    with pytest.raises(ValueError, match=said): cut_folder(folder_of(tmp_path/"in", 1), tmp_path/"out", chain.replace(RGB, **change))
    assert not (tmp_path/"out").exists()


# ---- going on

def test_a_folder_remembers(tmp_path):
    jobs = folder_of(tmp_path/"in", 3)
    cut_folder(jobs, tmp_path/"out", RGB)
    for change, said in ((dict(tau=.9), "tau 0.97"), (dict(crf=True), "crf False"), (dict(max_pixels=5000), "max_pixels 802816"), (dict(features="mini"), "features rgb")):
        with pytest.raises(ParameterError, match=said): cut_folder(jobs, tmp_path/"out", chain.replace(RGB, **change))
    assert cut_folder(jobs, tmp_path/"out", chain.replace(RGB, workers=2)) == []  # how is no matter


def test_pictures_may_be_left_out_and_come_later(tmp_path):
    jobs = folder_of(tmp_path/"in", 2)
    cut_folder(jobs, tmp_path/"out", chain.replace(RGB, pictures=False))
    assert not (tmp_path/"out/pictures").exists() and finished(tmp_path/"out", *jobs[0], pictures=False)
    assert len(cut_folder(jobs, tmp_path/"out", RGB)) == 2 and finished(tmp_path/"out", *jobs[0])


def test_what_was_not_written_whole_is_not_there(tmp_path, monkeypatch):
    jobs = folder_of(tmp_path/"in", 3)
    def full(path, sp): raise OSError(28, "No space left on device")
    monkeypatch.setattr(chain, "write_labels", full)
    done = cut_folder(jobs, tmp_path/"out", RGB)
    assert all("No space left" in d.error and d.name in d.error for d in done) and not maps(tmp_path/"out")


# ---- several machines

@pytest.fixture
def cluster():
    "A scheduler and two workers, each a process of its own; `kill` ends a worker as a power cut would"
    from distributed import LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0) as c: yield c


def test_two_workers_and_one_is_killed(tmp_path, cluster):
    jobs = folder_of(tmp_path/"in", 60)
    cut_folder(jobs, tmp_path/"here", RGB)
    victim = cluster.workers[0].process.pid
    def kill():
        while len(list((tmp_path/"out").glob("*.png"))) < 5: time.sleep(.02)
        os.kill(victim, signal.SIGKILL)
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    done = cut_folder(jobs, tmp_path/"out", RGB, cluster.scheduler_address, size=4)
    killer.join(1)
    assert not killer.is_alive(), "the worker was not killed in time: the test shows nothing"
    assert sorted(d.name for d in done) == [n for n, _ in jobs] and not any(d.error for d in done)  # each once
    assert maps(tmp_path/"out") == maps(tmp_path/"here")


def test_a_bad_file_on_a_worker_is_named_here(tmp_path, cluster):
    jobs = folder_of(tmp_path/"in", 6)
    jobs[3][1].write_bytes(b"no picture")
    done = cut_folder(jobs, tmp_path/"out", chain.replace(RGB, crf=True, workers=2), cluster.scheduler_address, size=2)
    assert [d.name for d in done if d.error] == ["003"] and len(maps(tmp_path/"out")) == 5


def test_a_scheduler_that_is_not_there(tmp_path):
    jobs = folder_of(tmp_path/"in", 1)
    for address, error, said in (("somewhere", ParameterError, "no address"), ("tcp://127.0.0.1:9", RunError, "no Dask scheduler answers")):
        with pytest.raises(error, match=said): cut_folder(jobs, tmp_path/"out", RGB, address)
    assert not (tmp_path/"out").exists()


def test_files_that_do_not_arrive_here(tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(chain, "outputs", lambda out, name: (Path(out)/"elsewhere"/name,)*2)  # as if the workers saw another disk
    with pytest.raises(RunError, match="--out must lie where"): cut_folder(folder_of(tmp_path/"in", 2), tmp_path/"out", RGB, cluster.scheduler_address)
