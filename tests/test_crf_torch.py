"""The dense CRF without a lattice: against sums written out in float64, against pydensecrf, and what both refuse."""
import numpy as np
import pytest
import torch

from wsss_nb import crf
from wsss_nb.core import DataError, ParameterError
from wsss_nb.crf import crf_from_labels, dense_crf
from wsss_nb.scenes import make_scene

CPU = torch.device("cpu")


def softmax(K, H, W, seed=0): return np.random.default_rng(seed).dirichlet(np.ones(K), (H, W)).transpose(2, 0, 1)
def noise(H, W, seed=1): return np.random.default_rng(seed).integers(0, 256, (H, W, 3), dtype=np.uint8)


def kernel(*features):
    "exp(-½|f_p-f_q|²) of all pairs (N,N) in float64, from features (H,W), pixel by pixel"
    f = [np.float64(o).ravel() for o in features]
    return np.exp(-sum((o[:, None] - o)**2 for o in f)/2)


def brute_force(image, P, iters, gauss, bilateral):
    "Mean field as it is written, in float64, with the whole matrix of each kernel"
    K, H, W = P.shape
    y, x = np.indices((H, W))
    kernels = [(gauss[1], kernel(x/gauss[0], y/gauss[0])), (bilateral[2], kernel(x/bilateral[0], y/bilateral[0], *(image.transpose(2, 0, 1)/bilateral[1])))]
    logits = np.log(P.clip(1e-5)).reshape(K, -1)
    Q = np.exp(logits)/np.exp(logits).sum(0)
    for _ in range(iters):
        new = logits.copy()
        for w, k in kernels:
            n = 1/np.sqrt(k.sum(1))
            new += w*(Q*n) @ k*n
        Q = np.exp(new - new.max(0))
        Q /= Q.sum(0)
    return Q.reshape(K, H, W)


# ---- against the reference

@pytest.mark.parametrize("gauss, bilateral", [((3, 3), (80, 13, 10)), ((10, 10), (20, 5, 10)), ((2, 1), (4, 30, 2)), ((3, 3), (80, 2, 10)), ((1, 0), (9, 60, 4))])
@pytest.mark.parametrize("what", ["noise", "scene"])
def test_agrees_with_brute_force(what, gauss, bilateral):
    image = noise(12, 14) if what == "noise" else make_scene(0, 2, 80).image[20:32, 30:44]
    P = softmax(4, 12, 14)
    Q = dense_crf(image, P, 8, gauss, bilateral, backend="torch", device="cpu")
    assert Q.dtype == np.float32 and Q.shape == P.shape and np.abs(Q.sum(0) - 1).max() < 1e-5
    np.testing.assert_allclose(Q, brute_force(image, P, 8, gauss, bilateral), atol=1e-3)


def test_agrees_with_brute_force_over_many_tiles():
    "960 pixels in tiles of 240; those of black and of white are too far from each other to be summed"
    image = np.where(np.arange(40)[:, None] < 20, noise(24, 40)//8, 255 - noise(24, 40, 2)//8)
    P = softmax(3, 24, 40)
    np.testing.assert_allclose(dense_crf(image, P, 5, backend="torch", device="cpu"), brute_force(image, P, 5, (3, 3), (80, 13, 10)), atol=1e-3)


@pytest.mark.parametrize("backend", ["pydensecrf", "torch"])
def test_two_widths_are_x_and_y(backend):
    "sxy may be (x, y), as pydensecrf takes it: in a picture of one row the second has no part"
    image, P = np.full((1, 30, 3), 99, np.uint8), softmax(2, 1, 30)
    run = lambda a, b: dense_crf(image, P, 3, (a, .1), (b, 13, .1), backend=backend, device="cpu")
    assert np.array_equal(run((3, 1), (8, 2)), run((3, 50), (8, 70)))
    assert np.abs(run((3, 1), (8, 2)) - run((9, 1), (8, 2))).max() > 1e-4 < np.abs(run((3, 1), (8, 2)) - run((3, 1), (2, 2))).max()


def test_one_pixel_sums_itself():
    "By hand, and as the lattice does: the normalised kernel of a lone pixel is 1, so Q = softmax(log P + (w1+w2) Q)"
    P = q = np.array([.6, .4])
    for _ in range(4):
        e = P*np.exp((1 + 2)*q)
        q = e/e.sum()
    for backend in "torch", "pydensecrf":
        Q = dense_crf(noise(1, 1), P.reshape(2, 1, 1), 4, (3, 1), (80, 13, 2), backend=backend, device="cpu")
        np.testing.assert_allclose(Q.ravel(), q, atol=1e-5)


def test_without_kernels_the_probabilities_come_back():
    P = softmax(3, 6, 7)
    np.testing.assert_allclose(dense_crf(noise(6, 7), P, gauss=(3, 0), bilateral=(80, 13, 0), backend="torch", device="cpu"), P, atol=1e-4)


@pytest.mark.parametrize("hw", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_odd_sizes(hw):
    Q = dense_crf(noise(*hw), softmax(4, *hw), 2, backend="torch", device="cpu")
    assert Q.shape == (4, *hw) and np.isfinite(Q).all()


# ---- tiles

@pytest.mark.parametrize("N, size", [(1, 4), (4, 4), (5, 4), (1000, 64), (1025, 7)])
def test_every_point_is_in_one_tile(N, size):
    i = crf._tiles(torch.rand(N, 5, generator=torch.Generator().manual_seed(0)), size)
    assert i.shape[1] <= size and sorted(i.ravel().tolist()) == list(range(i.numel())) and i.numel() >= N
    assert i.numel() < N + len(i)  # less than one filling a tile


@pytest.mark.parametrize("room", [1, 100, 10**9])
def test_sums_in_tiles_equal_sums(room):
    "Wide tiles, many rows left out, blocks of one tile or of all: nothing above e^-23 for each pair is missed"
    g = torch.Generator().manual_seed(1)
    f, X = torch.rand(600, 5, generator=g)*20, torch.rand(600, 3, generator=g)
    i = crf._tiles(f, 10)
    real, tiles = i < 600, f[i.clamp(max=599)]
    near = crf._near(tiles)
    assert near.sum() < .8*len(i)**2, "nothing was left out: the test shows nothing"
    out = crf._pair_sums(tiles, near, X[i.clamp(max=599)]*real[..., None], room)
    whole = torch.tensor(kernel(*f.T.numpy())) @ X.double()
    np.testing.assert_allclose(out[real].numpy(), whole[i[real]].numpy(), rtol=1e-4, atol=600*1e-10)


def test_far_from_the_origin_float32_is_enough():
    "Colours in widths of half a grey level reach 510: the sums are counted from the middle of each tile"
    image = np.repeat((np.arange(24*40).reshape(24, 40, 1)//4 + 10).astype(np.uint8), 3, 2)
    X = torch.rand(960, 2, generator=torch.Generator().manual_seed(2))
    y, x = np.indices((24, 40))
    whole = kernel(x/20, y/20, *(image.transpose(2, 0, 1)/.5)) @ X.double().numpy()
    np.testing.assert_allclose(crf._bilateral(image, 20, .5, CPU)(X).numpy(), whole, rtol=2e-3)


# ---- both solvers

def test_agrees_with_the_lattice_on_scenes():
    for i in 2, 5:
        scene = make_scene(0, i, 48)
        P = np.where(scene.mask == np.arange(9)[:, None, None], .6, .05)
        lattice, exact = (dense_crf(scene.image, P, backend=o, device="cpu").argmax(0) for o in ("pydensecrf", "torch"))
        assert (lattice == exact).mean() > .97


def test_auto_without_cuda_is_pydensecrf_to_the_bit(monkeypatch):
    image, P = noise(10, 13), softmax(3, 10, 13)
    L = P.argmax(0)
    want, named = dense_crf(image, P, backend="pydensecrf"), crf_from_labels(image, L, backend="pydensecrf")
    assert np.array_equal(dense_crf(image, P, device="cpu"), want) and np.array_equal(crf_from_labels(image, L, device="cpu"), named)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert np.array_equal(dense_crf(image, P), want)
    assert not np.array_equal(dense_crf(image, P, backend="torch", device="cpu"), want)


def test_auto_takes_torch_where_cuda_is(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(crf, "_exact_field", lambda image, unary, *rest, device: seen.append(device.type) or unary)
    dense_crf(noise(4, 5), softmax(2, 4, 5))
    crf_from_labels(noise(4, 5), np.arange(20).reshape(4, 5), device="cuda:0")
    dense_crf(noise(4, 5), softmax(2, 4, 5), device="cpu")  # named: stays off the card, and with pydensecrf
    dense_crf(noise(4, 5), softmax(2, 4, 5), backend="pydensecrf")
    assert seen == ["cuda", "cuda"]


@pytest.mark.parametrize("backend", ["pydensecrf", "torch"])
def test_steps_are_told_and_can_end_the_work(backend):
    image, P, seen = noise(8, 9), softmax(3, 8, 9), []
    Q = dense_crf(image, P, 4, on_step=seen.append, backend=backend, device="cpu")
    assert seen == [1, 2, 3, 4] and np.array_equal(Q, dense_crf(image, P, 4, backend=backend, device="cpu"))
    def enough(i):
        if i == 2: raise KeyboardInterrupt
        seen.append(i)
    seen.clear()
    with pytest.raises(KeyboardInterrupt): crf_from_labels(image, P.argmax(0), on_step=enough, backend=backend, device="cpu")
    assert seen == [1]


def test_a_border_moves_to_the_edge_and_255_is_filled_in():
    flag = np.zeros((12, 20, 3), np.uint8)
    flag[:, 10:] = 255
    L, how = np.repeat([[7]*8 + [300]*12], 12, 0), dict(backend="torch", device="cpu")
    assert (crf_from_labels(flag, L, **how) == np.repeat([[7]*10 + [300]*10], 12, 0)).all()
    L = np.full((12, 20), 255, np.uint8)
    L[:, 3], L[:, 16] = 1, 2
    out = crf_from_labels(flag, L, unlabeled=255, **how)
    assert out.dtype == np.uint8 and (out == np.repeat([[1]*10 + [2]*10], 12, 0)).all()


def test_given_arrays_and_the_program_around_stay_as_they_are():
    image, P = noise(20, 30), softmax(3, 20, 30).astype(np.float32)
    image.flags.writeable = P.flags.writeable = False
    want, old = dense_crf(image, P, 3, backend="torch", device="cpu"), torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16): Q = dense_crf(image, P, 3, backend="torch", device="cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally: torch.set_float32_matmul_precision(old)
    assert np.array_equal(Q, want)  # to the bit, and in whole float32


# ---- what is refused

@pytest.mark.parametrize("P, words", [(np.full((2, 12, 20), np.nan), "NaN"), (np.ones((12, 20)), "3 dimensions"), (np.full((2, 12, 20), .4), "sum of 1"),
                                      (np.full((2, 12, 19), .5), r"\(12, 20\).*\(12, 19\)")])
def test_bad_probabilities(P, words):
    with pytest.raises(DataError, match=words): dense_crf(noise(12, 20), P, backend="torch", device="cpu")


@pytest.mark.parametrize("call", [lambda **kw: dense_crf(noise(4, 5), softmax(2, 4, 5), **kw), lambda **kw: crf_from_labels(noise(4, 5), np.eye(4, 5, dtype=int), **kw),
                                  lambda **kw: dense_crf(noise(4, 5), np.ones((1, 4, 5)), **kw)], ids=["probs", "labels", "one label"])
def test_bad_parameters(call, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="backend 'lattice' is unknown: use auto, torch or pydensecrf"): call(backend="lattice")
    for backend in "torch", "auto":
        with pytest.raises(ParameterError, match="device=cuda is not available"): call(backend=backend, device="cuda")
    with pytest.raises(ParameterError, match="device=gpu is unknown"): call(device="gpu")
    with pytest.raises(ParameterError, match="iters"): call(backend="torch", iters=0)


@pytest.mark.parametrize("backend", ["pydensecrf", "torch"])
@pytest.mark.parametrize("widths", [dict(gauss=(0, 3)), dict(bilateral=(-80, 13, 10)), dict(bilateral=(80, 0, 10)), dict(bilateral=(80, float("nan"), 10))])
def test_widths_must_be_above_0(backend, widths):
    "pydensecrf alone ends the whole process"
    with pytest.raises(ParameterError, match="sxy and srgb must be above 0"): dense_crf(noise(4, 5), softmax(2, 4, 5), backend=backend, device="cpu", **widths)
