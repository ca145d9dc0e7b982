"""The loops of the graphics card: interpreted beside plain readings, and compiled for a card that need not be there."""
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

triton = pytest.importorskip("triton", reason="no Triton: it comes with Torch's CUDA build, or `pip install --no-deps 'triton>=3.7,<3.8'`")

from wsss_nb import crf, discovery, kernels
from wsss_nb.core import DataError
from wsss_nb.scenes import make_scene
from wsss_nb.superpixels import discover

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def units(B, N, D, groups=6, noise=.5, seed=0):
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(groups, D))[rng.integers(0, groups, (B, N))] + noise*rng.normal(size=(B, N, D))
    return torch.tensor(f/np.linalg.norm(f, axis=2, keepdims=True), dtype=torch.float32, device=DEVICE)


def far_from(f, tau, margin=1e-5):
    "Whether no similarity lies so near τ or 0 that another order of summing may decide otherwise"
    A = f.double() @ f.double().mT
    return bool(((A - tau).abs().min() > margin) & (A.abs().min() > margin))


# ---- grouping

@pytest.mark.parametrize("B, N, D, tau", [(1, 1, 3, .3), (2, 2, 3, 0), (3, 15, 4, .3), (1, 16, 8, -.5), (2, 17, 8, .9), (2, 100, 16, .3), (1, 257, 24, .5)])
def test_labels_equal_discover(B, N, D, tau):
    f = next(f for s in range(50) if far_from(f := units(B, N, D, seed=s), tau))
    got = kernels.group(*kernels.codes(f, tau)).cpu()
    assert got.dtype == torch.int32 and torch.equal(got, torch.stack([torch.from_numpy(discover(g.cpu(), tau)) for g in f]))


@pytest.mark.parametrize("room", [1, 50, 1000, 10**9])
def test_similarities_in_several_parts(room):
    f = units(2, 40, 8)
    for a, b in zip(kernels.codes(f, .2, room), kernels.codes(f, .2)): assert torch.equal(a[..., :40], b[..., :40])
    A = f @ f.mT
    code, degree = kernels.codes(f, .2, room)
    assert torch.equal(code[..., :40] & 1, (A > .2).byte()) and torch.equal(code[..., :40] >> 1, (A > 0).byte()) and torch.equal(degree, (A > 0).sum(2, dtype=torch.int32))


def test_ties_go_to_the_first_and_a_seed_belongs_to_its_superpixel():
    "All directions equal: one superpixel; all at right angles: each its own, in order; τ = 1: a seed joins nothing, not even by rounding itself"
    same, apart = torch.ones(1, 5, 3)/3**.5, torch.eye(6)[None]
    assert kernels.group(*kernels.codes(same.to(DEVICE), .3)).tolist() == [[0]*5]
    assert kernels.group(*kernels.codes(apart.to(DEVICE), .3)).tolist() == [list(range(6))]
    assert kernels.group(*kernels.codes(apart.to(DEVICE), 1.)).tolist() == [list(range(6))]


def test_pictures_of_a_batch_do_not_disturb_each_other():
    "One with few superpixels and one with many end at different times"
    few, many = units(1, 60, 8, groups=2, noise=.05), units(1, 60, 64, groups=60, noise=3, seed=1)
    both = torch.cat([torch.nn.functional.pad(few, (0, 56)), many])
    got = kernels.group(*kernels.codes(both, .6))
    assert got[0].max() < 4 < 50 < got[1].max()
    assert torch.equal(got[0], kernels.group(*kernels.codes(few, .6))[0]) and torch.equal(got[1], kernels.group(*kernels.codes(many, .6))[0])


def test_half_precision_differs_only_near_the_thresholds():
    "bfloat16 rounds a similarity by less than 1e-2: pictures without one so near 0 or τ are cut alike"
    f = next(f for s in range(2000) if far_from(f := units(1, 12, 16, groups=3, noise=.2, seed=s), .3, 1e-2))
    assert torch.equal(kernels.group(*kernels.codes(f.bfloat16(), .3))[0].cpu(), torch.from_numpy(discover(f[0].cpu(), .3)))


def test_on_a_card_discover_batch_takes_this_way():
    f = units(3, 30, 8)
    assert torch.equal(discovery._on_card(f, .3, kernels), discovery._on_card(f, .3, None))
    assert torch.equal(discovery._on_card(f, .3, kernels, room=30*30), discovery._on_card(f, .3, None))  # one picture at a time


def test_what_is_not_finite_is_told_after_the_launch():
    F = torch.rand(2, 9, 4) + .1
    assert discovery.launch(F)[1].all()
    for bad in (torch.nan, torch.inf): assert not discovery.launch(F.index_fill(1, torch.tensor([3]), bad))[1].any()
    assert discovery.launch(F*torch.tensor([1., 0])[:, None, None])[1].tolist() == [True, False]
    with pytest.raises(DataError, match="3 dimensions"): discovery.launch(F[0])


# ---- sums over pairs

@pytest.mark.parametrize("K", [1, 3, 16, 21, 40])
def test_sums_equal_sums_written_out(K):
    "Three tiles of 128, of which two pairs are near; 16 labels at once, 32, or 32 and the rest"
    g = torch.Generator().manual_seed(K)
    f, X = torch.rand(3, 128, 5, generator=g)*3 + torch.tensor([0, 2, 200.])[:, None, None], torch.randn(3, 128, K, generator=g)
    near = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    k = (-torch.cdist(f.double(), f.double().flatten(0, 1)[None].expand(3, -1, -1)).square()/2).exp()*near.repeat_interleave(128, 1)[:, None]
    got = kernels.pair_sums(f.to(DEVICE), near.to(DEVICE), X.to(DEVICE)).cpu()
    np.testing.assert_allclose(got, k @ X.double().flatten(0, 1), rtol=1e-4, atol=1e-4)


def test_dense_crf_by_this_kernel_equals_plain_torch():
    image, rng = make_scene(0, 2, 80).image[20:44, 30:60], np.random.default_rng(0)
    X = torch.tensor(rng.random((24*30, 5)), dtype=torch.float32)
    for sxy, srgb in ((80, 13), (20, 5), (4, 2)):
        plain, fused = (crf._bilateral(image, sxy, srgb, torch.device(DEVICE), o)(X.to(DEVICE)).cpu() for o in (None, kernels))
        np.testing.assert_allclose(fused, plain, rtol=1e-3, atol=1e-5)


# ---- for a card

COMPILE = """
from triton.compiler import ASTSource
from triton.backends.compiler import GPUTarget
import subprocess, tempfile, triton
from pathlib import Path
from wsss_nb import kernels as k
tool = Path(triton.__file__).parent/"backends/nvidia/bin/cuobjdump"
words = dict(A="*fp32", code="*u8", degree="*i32", L="*i32", found="*i32", tau="fp32", i="i32", rows="i32", N="i32", stride="i32",
             f="*fp32", first="*i32", other="*i32", X="*fp32", out="*fp32", T="i32", m="i32", K="i32")
def check(fn, warps, most, **fixed):
    sig = {n: "constexpr" if n in fixed else words[n] for n in fn.arg_names}
    made = triton.compile(ASTSource(fn=fn, signature=sig, constexprs=fixed), target=GPUTarget("cuda", 90, 32), options=dict(num_warps=warps))
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(made.asm["cubin"])
        use = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    stack = int(use.split("STACK:")[1].split()[0])
    print(fn.fn.__name__, fixed, stack, "bytes spilt")
    assert stack <= most, use
for width in (256, 4096): check(k._encode, 8, 0, WIDTH=width)
for width, rows, warps in ((256, 32, 4), (1024, 32, 4), (4096, 8, 16), (16384, 2, 32)): check(k._group, warps, 256, WIDTH=width, ROWS=rows)
for labels in (16, 32): check(k._pairs, 4, 0, SIZE=k.TILE, COLS=32, LABELS=labels)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton compiles on Linux only")
def test_kernels_compile_for_the_h200_and_keep_to_its_registers():
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("spilt") == 8, done.stdout + done.stderr
