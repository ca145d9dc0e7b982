"""Normalized cut: known cuts, every solver against LAPACK and against (3.15) as it stands, and the cases that have no one answer."""
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg
import torch
from hypothesis import given, settings, strategies as st

from wsss_nb.core import DataError, ParameterError
from wsss_nb.features import extract, load
from wsss_nb.scenes import open_scenes
from wsss_nb.discovery import similarity
from wsss_nb.ncut import _cut_batch, _dense, _iterative, _joined, _lanczos, _nearest, _smaller, _smaller_batch, _start, ncut, ncut_batch
from test_superpixels import features

EPS = 1e-5
SOLVERS = ["dense", "iterative", "torch", "auto"]
solvers = pytest.mark.parametrize("solver", SOLVERS)


def blocks(sizes, bridges=(), lonely=()):
    "(n,n) bool: complete blocks one after the other, and pairs across that are joined, or within that are not."
    J = scipy.linalg.block_diag(*[np.ones((s, s), bool) for s in sizes])
    for p, q in bridges: J[p, q] = J[q, p] = True
    for p, q in lonely: J[p, q] = J[q, p] = False
    return J


def cut(solver, J):
    if solver != "torch": return _smaller(dict(dense=_dense, iterative=_iterative)[solver](J, _start(len(J)), EPS))
    return _cut_batch(torch.from_numpy(J)[None].double(), torch.ones(1, len(J), dtype=torch.bool), torch.from_numpy(_start(len(J))), EPS)[0].numpy()


def second(J):
    "The second smallest eigenvalue of (3.15) as it stands, and its vector."
    W = np.where(J, 1, EPS)
    D = np.diag(W.sum(1))
    w, y = scipy.linalg.eigh(D - W, D)
    return w[1], y[:, 1], w[2] - w[1]


# ---- known cuts

@solvers
def test_by_hand(solver):
    assert ncut(np.eye(2)[[0, 1, 0, 1, 1]], .3, solver=solver).tolist() == [0, 1, 0, 1, 1]
    assert ncut(np.eye(2)[[1, 0, 0, 1]], .3, solver=solver).tolist() == [0, 1, 1, 0]  # equal halves: the one with the first position


@solvers
def test_three_groups_by_hand(solver):
    """Sizes s = 1, 2, 4 at right angles. Constant on the groups, (3.15) reads ε(7y - Σy) = λ s y, so y ∝ 1/(7 - μs) with λ = με and 8μ² - 74μ + 147 = 0.
    At μ = 2.888 y is 0.243, 0.817 and -0.220, its mean 0.142: the first two groups go together."""
    assert np.isclose(second(blocks((1, 2, 4)))[0]/EPS, (74 - 772**.5)/16, rtol=1e-3)
    assert ncut(np.eye(3)[[0, 1, 2, 1, 2, 2, 2]], .5, solver=solver).tolist() == [0, 0, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("solver", SOLVERS[:3])
@pytest.mark.parametrize("m, n", [(3, 5), (30, 50), (200, 320)])
def test_two_blocks_with_one_bridge_are_cut_at_the_bridge(solver, m, n):
    side = cut(solver, blocks((m, n), [(0, m)]))
    assert side.tolist() == [True]*m + [False]*n


@pytest.mark.parametrize("solver", SOLVERS[:3])
def test_three_blocks_are_cut_at_the_weakest_bridge(solver):
    J = blocks((40, 50, 60), [(k, 40 + k) for k in range(20)] + [(60, 90)])  # 20 bridges between the first two, one to the third
    w, y, gap = second(J)
    assert gap > 10*w and cut(solver, J).tolist() == [False]*90 + [True]*60


@solvers
@pytest.mark.parametrize("f, want", [(np.ones((1, 2)), [0]), (np.ones((2, 2)), [0, 0]), (np.eye(2), [0, 1]), (np.ones((9, 3)), [0]*9), (np.ones((600, 3)), [0]*600)])
def test_one_two_and_all_alike(solver, f, want): assert ncut(f, .3, solver=solver).tolist() == want


# ---- against LAPACK and the generalized problem

@pytest.mark.parametrize("solver", SOLVERS[:3])
@pytest.mark.parametrize("N, tau", [(40, .3), (90, .1), (300, .3), (300, .5)])
def test_the_vector_is_that_of_the_generalized_problem(solver, N, tau):
    J = _joined(features(N, 8, noise=.6), tau).numpy()
    w, y, gap = second(J)
    assert gap > 1e-6
    side = y > y.mean()
    assert np.array_equal(cut(solver, J), side) or np.array_equal(cut(solver, J), ~side)
    assert 1 <= cut(solver, J).sum() <= N/2


@pytest.mark.parametrize("joined", [.05, .5])  # below and above the share at which the product turns sparse
def test_iterative_finds_the_eigenvalue(joined):
    rng = np.random.default_rng(1)
    J = np.triu(rng.random((500, 500)) < joined)
    J = J | J.T | np.eye(500, dtype=bool)
    for y in (_iterative(J, _start(500), EPS), _dense(J, _start(500), EPS)):
        W = np.where(J, 1, EPS)
        d = W.sum(1)
        assert abs((y*(d*y - W @ y)).sum()/(y*d*y).sum() - second(J)[0]) < 1e-9 and abs(d @ y) < 1e-6*np.sqrt(d @ y**2)*np.sqrt(d.sum())


def test_lanczos_against_arpack():
    rng = np.random.default_rng(0)
    S = rng.normal(size=(3, 200, 200))
    S = torch.from_numpy(S + S.transpose(0, 2, 1))
    z, found = _lanczos(lambda z: (S @ z[..., None])[..., 0], torch.from_numpy(rng.normal(size=(3, 200))), 2000, tol=1e-9)
    for s, v in zip(S.numpy(), z.numpy()):
        w, u = scipy.sparse.linalg.eigsh(s, 1, which="LA")
        assert abs(v @ s @ v - w[0]) < 1e-9 and abs(abs(u[:, 0] @ v) - 1) < 1e-9
    assert found.all()


def test_lanczos_says_what_it_did_not_find():
    S = torch.diag(torch.linspace(0, 1, 4000, dtype=torch.float64)**.01)
    assert _lanczos(lambda z: z @ S, torch.ones(1, 4000, dtype=torch.float64), 64)[1].tolist() == [False]


def test_not_found_falls_back_to_lapack(monkeypatch):
    J = _joined(features(450, 8, noise=.6), .3).numpy()
    want = cut("dense", J)
    lost = lambda product, v, most: (torch.full_like(v, torch.nan), torch.zeros(len(v), dtype=torch.bool))
    monkeypatch.setattr("wsss_nb.ncut._lanczos", lost)
    assert np.array_equal(cut("iterative", J), want) and np.array_equal(cut("torch", J), want)


@pytest.fixture(scope="module")
def real():
    "mini's features of four scenes, 400 positions each."
    ds, net = open_scenes(), load("mini", device="cpu")
    return [extract(ds.image(i), net)[0] for i in ds.ids("train")[:4]]


@pytest.mark.parametrize("tau", [.3, .6, .8])
def test_solvers_agree_on_pictures(real, tau):
    want = [ncut(f, tau, solver="dense") for f in real]
    for solver in ("iterative", "auto"): assert all(np.array_equal(ncut(f, tau, solver=solver), L) for f, L in zip(real, want))
    assert np.array_equal(ncut_batch(torch.stack([torch.as_tensor(f) for f in real]), tau).numpy(), want)  # they end at different steps
    assert tau > .3 or len({L.max() for L in want}) > 1


def test_a_large_picture(shared_data):
    from wsss_nb.datasets import open_dataset
    ds = open_dataset(shared_data/"VOCdevkit")
    f, hw = extract(ds.image("2007_000129"), load("mini", device="cpu"))
    assert len(f) > 2000 and np.array_equal(ncut(f, .6), ncut(f, .6, solver="dense"))


# ---- no one answer

@solvers
def test_stops_when_what_is_left_is_alike(solver):
    A = similarity(f := features(80, 6, noise=.5))
    for tau in (.3, .9, 1):
        L = ncut(f, tau, solver=solver)
        rest = L == L.max()
        A[range(80), range(80)] = 2  # each is alike to itself
        assert set(L) == set(range(L.max() + 1)) and (A[np.ix_(rest, rest)] > tau).all()


def test_equal_eigenvalues_are_cut_alike_by_all_solvers_and_at_each_run():
    f = np.eye(64)  # all alone: any vector is as good as another
    want = ncut(f, .3, solver="dense")
    assert len(set(want)) > 1 and all(np.array_equal(ncut(f, .3, solver=s), want) for s in SOLVERS*2)
    first = _start(64) - _start(64).mean()  # the first cut is at the mean of the start itself
    assert np.array_equal(want == 0, _smaller(first))


@pytest.mark.parametrize("solver", SOLVERS[:3])
def test_rounding_does_not_decide_who_exceeds_the_mean(solver):
    J = blocks((101,), lonely=[(3, 7)])  # one pair is not joined: y is opposite there and 0 elsewhere
    side = cut(solver, J)
    assert side.sum() == 1 and side[[3, 7]].any()
    assert np.array_equal(side, cut("dense", J))


@pytest.mark.parametrize("solver", ["iterative", "auto"])
def test_nearly_all_alone(real, solver):
    "Scene after scene at τ = 0.93 and more, where LAPACK's default driver finds no eigenvector at all."
    for tau in (.93, .99):
        L = ncut(real[0], tau, solver=solver)
        assert set(L) == set(range(L.max() + 1)) and L.max() > 5


def test_a_scene_on_which_lapack_finds_nothing():
    f, _ = extract(open_scenes().image("train_00169"), load("mini", device="cpu"))
    assert ncut(f, .93, solver="dense").max() > 10


# ---- a batch

@settings(max_examples=40, deadline=None)
@given(st.integers(1, 24), st.integers(1, 4), st.floats(-1, 1), st.integers(0, 10**6))
def test_batch_is_a_partition_of_each(N, B, tau, seed):
    F = torch.from_numpy(np.random.default_rng(seed).normal(size=(B, N, 3)).astype(np.float32))
    L = ncut_batch(F, tau)
    assert L.shape == (B, N) and L.dtype == torch.int32
    for f, l in zip(F.numpy(), L.numpy()):
        rest, A = l == l.max(), similarity(f)
        np.fill_diagonal(A, 2)
        assert set(l) == set(range(l.max() + 1)) and (A[np.ix_(rest, rest)] > tau).all()


def test_smaller_of_a_batch_is_smaller_of_each():
    rng = np.random.default_rng(0)
    y, free = torch.from_numpy(rng.integers(-2, 3, (200, 9)).astype(float)), torch.from_numpy(rng.random((200, 9)) < .7)
    free[:, 0] = True
    for row, f, side in zip(y, free, _smaller_batch(y, free)):
        values = row[f].numpy()
        if len(set(values)) > 1: assert np.array_equal(side[f].numpy(), _smaller(values)) and not side[~f].any()


def test_nearest_projects_on_the_whole_space():
    S, v = torch.diag(torch.tensor([3., 1, 3, 2], dtype=torch.float64))[None], torch.tensor([[1., 2, 3, 4]], dtype=torch.float64)
    assert torch.allclose(_nearest(S, v), torch.tensor([[1., 0, 3, 0]], dtype=torch.float64))


def test_batch_leaves_its_features_alone():
    F = torch.from_numpy(features(60, 5)).reshape(2, 30, 5)
    before = F.clone()
    one = torch.stack([torch.from_numpy(ncut(f, .3)) for f in F])
    assert torch.equal(ncut_batch(F, .3), one) and torch.equal(F, before)


# ---- refusals

def test_refuses():
    for call in (ncut, lambda f, t, **k: ncut_batch(torch.as_tensor(f)[None], t, **k)):
        with pytest.raises(ParameterError, match="eps must be above 0"): call(np.eye(3), .3, eps=0)
        with pytest.raises(ParameterError, match=r"tau must lie in \[-1, 1\]"): call(np.eye(3), 1.5)
        with pytest.raises(DataError, match="position 1 has zero norm"): call(np.array([[1., 0], [0, 0]]), .3)
    with pytest.raises(ParameterError, match="solver must be one of dense, iterative, auto or torch; it is 'fast'"): ncut(np.eye(3), .3, solver="fast")
    with pytest.raises(DataError, match="3 dimensions"): ncut_batch(torch.ones(3, 2), .3)


# ---- on a GPU

@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("tau", [.3, .6])
def test_batch_on_a_gpu(real, tau):
    F = torch.stack([torch.as_tensor(f) for f in real])
    assert torch.equal(ncut_batch(F.cuda(), tau).cpu(), ncut_batch(F, tau))
