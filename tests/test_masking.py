"""Masking: (2.7)-(2.12) against plain loops written from the equations, their gradients, and the training of a segmenter against a classifier that stays as it is."""
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from wsss_nb import masking
from wsss_nb.backbones import create
from wsss_nb.classifier import Classifier, DilatedClassifier, load_classifier
from wsss_nb.core import DataError, ParameterError, RunError, WeightsError, WsssError, load_weights, sha256
from wsss_nb.deeplab import load_deeplab, save_model, weights_meta
from wsss_nb.masking import (MASKING, ErasingSettings, attention_loss, attention_map, draw_b, erased, fit_masking, freeze, load_judge, masked_image, masking_loss, mean_color,
                             saliency_loss, total_attention_loss)
from wsss_nb.masks_of_ids import write_mask

B, C, HW = 2, 3, (4, 5)


def world(seed=0, b=B, c=C, hw=HW, dtype=torch.double):
    "Softmax, saliency map with all three values, two classes present in the first picture and one in the second."
    g = torch.Generator().manual_seed(seed)
    H = torch.randn(b, c+1, *hw, generator=g, dtype=dtype).softmax(1)
    R = torch.tensor([0, 1, 255])[torch.randint(3, (b, *hw), generator=g)]
    present = torch.zeros(b, c, dtype=torch.bool); present[:, 0] = True; present[0, -1] = True
    return H, R, present

def toy(c=C, dtype=torch.double, seed=0):
    "A smooth classifier, (n,3,H,W) -> (n,c)."
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, c)).to(dtype).requires_grad_(False)

def sigma(x): return 1/(1 + math.exp(-x))


# ---- the equations once more, pixel by pixel

def plain_saliency(H, R, present): # (2.7)
    total, (b, _, h, w) = 0., H.shape
    for n in range(b):
        at = [(y, x) for y in range(h) for x in range(w)]
        back, front = ([p for p in at if R[n][p] == v] for v in (0, 1))
        for y, x in back: total -= math.log(H[n, 0, y, x])/len(back)
        for y, x in front: total -= math.log(sum(H[n, c+1, y, x] for c in range(H.shape[1]-1) if present[n, c]))/len(front)
    return total/b

def plain_map(H, present, b): # (2.8)
    F = np.ones((len(H), *H.shape[2:]))
    for n in range(len(H)):
        for c in range(H.shape[1]-1):
            if present[n, c]: F[n] -= H[n, c+1]*b[n, c]
    return F

def plain_attention(z, present, b): # (2.10)
    out = []
    for zn, pn, bn in zip(z.tolist(), present.tolist(), b.tolist()):
        Cp = [c for c in range(len(pn)) if pn[c]]
        t = {c: 1 - bn[c] for c in Cp}
        out.append(sum(-t[c]*math.log(sigma(zn[c])) - (1-t[c])*math.log(1 - sigma(zn[c])) for c in Cp)/len(Cp) if Cp else 0.)
    return out

def naive_total(f, I, H, present, b, mean): # (2.11), every path and picture on its own
    terms = []
    for bn in b:
        for i in range(len(I)):
            F = 1 - sum(H[i, c+1]*float(bn[i, c]) for c in range(H.shape[1]-1) if present[i, c])
            z = f((F*(I[i] - mean.view(3, 1, 1)) + mean.view(3, 1, 1))[None])[0]
            Cp = [c for c in range(len(z)) if present[i, c]]
            t = lambda c: 1 - float(bn[i, c])
            terms.append(sum(-t(c)*z[c].sigmoid().log() - (1-t(c))*(1 - z[c].sigmoid()).log() for c in Cp)/len(Cp) if Cp else z.sum()*0)
    return terms


# ---- saliency loss (2.7)

def test_saliency_loss_by_hand():
    "One row of pixels: two of background, one of foreground, one without a label."
    H = torch.tensor([[[[.5, .25, .2, .9]], [[.3, .5, .6, .05]], [[.2, .25, .2, .05]]]])
    R = torch.tensor([[[0, 0, 1, 255]]])
    one, both = torch.tensor([[True, False]]), torch.tensor([[True, True]])
    back = -(math.log(.5) + math.log(.25))/2
    assert saliency_loss(H, R, one).item() == pytest.approx(back - math.log(.6))
    assert saliency_loss(H, R, both).item() == pytest.approx(back - math.log(.8))
    assert saliency_loss(H, R, one.float()).item() == pytest.approx(back - math.log(.6))  # labels as a batch carries them
    assert saliency_loss(H, torch.where(R == 1, 255, R), one).item() == pytest.approx(back)  # empty foreground
    assert saliency_loss(H, torch.where(R == 0, 255, R), one).item() == pytest.approx(-math.log(.6))  # empty background
    assert saliency_loss(H, 0*R + 255, one).item() == 0
    assert saliency_loss(H, R, ~both).item() == pytest.approx(back)  # no class: what the foreground is made of is unknown
    assert saliency_loss(torch.cat([H, H]), torch.cat([R, 0*R + 255]), torch.cat([one, one])).item() == pytest.approx((back - math.log(.6))/2)

@pytest.mark.parametrize("seed", range(3))
def test_saliency_loss_against_the_plain_reading(seed):
    H, R, present = world(seed)
    assert saliency_loss(H, R, present).item() == pytest.approx(plain_saliency(H.numpy(), R.numpy(), present.numpy()))
    assert saliency_loss(H, R.to(torch.uint8), torch.ones(B, C)).item() == pytest.approx(plain_saliency(H.numpy(), R.numpy(), np.ones((B, C))))

def test_saliency_gradcheck_through_the_softmax():
    H, R, present = world()
    R[1] = torch.where(R[1] == 1, 255, R[1])  # the second picture has no foreground
    logits = H.log().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: saliency_loss(z.softmax(1), R, present), logits)

def test_unlabeled_pixels_and_absent_classes_have_no_gradient_of_their_own():
    H, R, present = world(); H.requires_grad_()
    saliency_loss(H, R, present).backward()
    G = H.grad
    assert not G.movedim(1, -1)[R == 255].any() and not G[1, 2:].any() and not G[0, 2].any()
    assert (G[:, 0][R == 0] < 0).all() and not G[:, 0][R == 1].any() and (G[:, 1][R == 1] < 0).all() and not G[:, 1][R == 0].any()

@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_class_that_is_nowhere_stays_finite(dtype):
    "The present class has probability zero everywhere: as low as the type can go, loss and gradient stay finite."
    z = torch.zeros(1, 3, 4, 4); z[:, 1] = -1e4
    z = z.to(dtype).requires_grad_()
    l = saliency_loss(z.softmax(1), torch.ones(1, 4, 4, dtype=torch.uint8), torch.tensor([[True, False]]))
    l.backward()
    assert torch.isfinite(l) and l > 5 and torch.isfinite(z.grad).all()

@pytest.mark.parametrize("H, R, present, match", [
    (torch.full((1, 3, 2, 2), math.nan), torch.zeros(1, 2, 2), torch.ones(1, 2), "NaN"), (torch.zeros(3, 2, 2), torch.zeros(1, 2, 2), torch.ones(1, 2), "dimensions"),
    (torch.ones(1, 3, 2, 2), torch.zeros(1, 2, 3), torch.ones(1, 2), "the saliency map is"), (torch.ones(1, 3, 2, 2), torch.zeros(1, 2, 2), torch.ones(1, 3), r"present must be \(1, 2\)"),
    (torch.ones(1, 3, 2, 2), torch.full((1, 2, 2), 7), torch.ones(1, 2), "binarize it first"), (torch.ones(1, 3, 2, 2), torch.full((1, 2, 2), .5), torch.ones(1, 2), "0, 1 and 255")])
def test_saliency_loss_refuses(H, R, present, match):
    with pytest.raises(WsssError, match=match): saliency_loss(H, R, present)


# ---- attention map (2.8), masked image (2.9)

def test_attention_map_by_hand():
    H = torch.tensor([.5, .3, .2]).view(1, 3, 1, 1)
    at = lambda present, b: attention_map(H, torch.tensor([present], dtype=torch.bool), torch.tensor([b])).item()
    assert at([1, 1], [0, 0]) == 1 and at([1, 1], [1, 0]) == pytest.approx(.7) and at([1, 1], [1, 1]) == pytest.approx(.5)
    assert at([1, 0], [1, 1]) == pytest.approx(.7)  # absent classes are never erased
    assert at([0, 0], [1, 1]) == 1

@pytest.mark.parametrize("seed", range(3))
def test_attention_map_against_the_plain_reading(seed):
    H, _, present = world(seed); b = draw_b(1, B, C)[0]
    F = attention_map(H, present, b)
    assert F.shape == (B, 1, *HW)
    np.testing.assert_allclose(F[:, 0], plain_map(H.numpy(), present.numpy(), b.numpy()))
    torch.testing.assert_close(attention_map(H, present.float(), b.bool()), F)

@pytest.mark.parametrize("b, match", [(torch.full((B, C), 2), "0 and 1"), (torch.full((B, C), .5), "0 and 1"), (torch.zeros(B, C+1), r"b must be \(2, 3\)"), (torch.zeros(C), "b must be")])
def test_attention_map_refuses(b, match):
    H, _, present = world()
    with pytest.raises(WsssError, match=match): attention_map(H, present, b)
    with pytest.raises(WsssError, match="present must be"): attention_map(H, present[:1], b)

def test_masked_image_by_hand():
    I = torch.tensor([10., 20., 30.]).view(1, 3, 1, 1).expand(1, 3, 1, 3)
    F = torch.tensor([1., .5, 0.]).view(1, 1, 1, 3)
    assert masked_image(I, F, (4., 10., 40.))[0, :, 0].tolist() == [[6, 3, 0], [10, 5, 0], [-10, -5, 0]]
    assert torch.equal(masked_image(I, F, 0), F*I)

@pytest.mark.parametrize("I, F, match", [(torch.ones(2, 3, 4, 4), torch.ones(2, 1, 4, 5), r"F must be \(2, 1, 4, 4\)"), (torch.ones(2, 3, 4, 4), torch.ones(1, 1, 4, 4), "F must be"),
    (torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4), "F must be"), (torch.ones(3, 4, 4), torch.ones(1, 1, 4, 4), "dimensions"), (torch.full((1, 3, 2, 2), math.nan), torch.ones(1, 1, 2, 2), "NaN")])
def test_masked_image_refuses(I, F, match):
    with pytest.raises(WsssError, match=match): masked_image(I, F, 0)

def test_gradcheck_through_map_picture_and_classifier():
    H, _, present = world(); f, I = toy(), torch.randn(B, 3, *HW, dtype=torch.double)
    b = torch.tensor([[1, 0, 1], [1, 1, 0]])
    assert torch.autograd.gradcheck(lambda z: attention_loss(f(masked_image(I, attention_map(z.softmax(1), present, b), (.1, -.2, .3))), present, b), H.log().requires_grad_())

def test_erased_by_hand():
    "Left the class is sure, right it is not there; the picture's own colour and the mean one."
    H = np.zeros((3, 1, 2), np.float32); H[1, 0, 0] = 1; H[0, 0, 1] = 1
    image = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
    F, I = erased(image, H, np.array([True, False]), np.array([1, 0]), np.array([100.4, 99.6, 3]))
    assert F.tolist() == [[0, 1]] and I.dtype == np.uint8 and I.tolist() == [[[100, 100, 3], [40, 50, 60]]]
    F, I = erased(image, H/2, [True, False], [1, 1], (100, 100, 100))
    assert F.tolist() == [[.5, 1]] and I[0, 0].tolist() == [55, 60, 65]
    F, I = erased(image, H, [True, False], [0, 0], (100, 100, 100))
    assert F.min() == 1 and np.array_equal(I, image)

def test_mean_colour_of_mixed_pictures():
    "Every picture weighs the same, whatever its size; `most` of them, evenly spread."
    pics = [np.full((h, w, 3), v, np.uint8) for h, w, v in ((2, 3, 0), (50, 1, 30), (1, 1, 90), (7, 7, 200))]
    pics[0][..., 0] = 8
    ds = SimpleNamespace(name="mixed", image=lambda i: pics[i])
    np.testing.assert_allclose(mean_color(ds, range(4)), [82, 80, 80])
    np.testing.assert_allclose(mean_color(ds, range(4), most=2), [49, 45, 45])  # the first and the third
    np.testing.assert_allclose(mean_color(ds, range(4), most=3), [49, 45, 45])  # at most: still every other
    with pytest.raises(DataError, match="mixed has no pictures"): mean_color(ds, ())


# ---- attention loss (2.10), (2.11)

def test_attention_loss_by_hand():
    z = torch.tensor([[math.log(3), 0., 9.], [math.log(4), -9., 9.]])  # sigma: 3/4, 1/2 and 4/5
    present, b = torch.tensor([[True, True, False], [True, False, False]]), torch.tensor([[1, 0, 1], [0, 1, 1]])
    first, second = -(math.log(1/4) + math.log(1/2))/2, -math.log(4/5)
    assert attention_loss(z, present, b).item() == pytest.approx((first+second)/2)
    assert attention_loss(z[:1], present[:1], b[:1]).item() == pytest.approx(first)
    assert attention_loss(z, torch.zeros_like(present), b).item() == 0  # no present class
    assert attention_loss(z[:1], torch.ones(1, 3, dtype=torch.bool), 0*b[:1]).item() == pytest.approx(-(math.log(3/4) + math.log(1/2) + math.log(sigma(9)))/3, rel=1e-4)

@pytest.mark.parametrize("seed", range(3))
def test_attention_loss_against_the_plain_reading(seed):
    rng = torch.Generator().manual_seed(seed)
    z, present, b = torch.randn(5, 4, generator=rng).double(), torch.randint(2, (5, 4), generator=rng).bool(), torch.randint(2, (5, 4), generator=rng)
    assert attention_loss(z, present, b).item() == pytest.approx(np.mean(plain_attention(z, present, b)))

def test_attention_gradcheck():
    z = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    present, b = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).bool(), torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
    assert torch.autograd.gradcheck(lambda z: attention_loss(z, present, b), z)
    attention_loss(z, present, b).backward()
    assert not z.grad[~present].any() and (z.grad[present & (b == 1)] > 0).all() and (z.grad[present & (b == 0)] < 0).all()

@pytest.mark.parametrize("z, present, b, match", [(torch.zeros(2, 3), torch.ones(2, 4), torch.ones(2, 4), r"\(B,C\)"), (torch.zeros(2, 3), torch.ones(2, 3), torch.ones(2, 4), r"\(B,C\)"),
    (torch.zeros(2, 3), torch.ones(2, 3), torch.full((2, 3), 3), "0 and 1"), (torch.full((2, 3), math.nan), torch.ones(2, 3), torch.ones(2, 3), "NaN"), (torch.zeros(3), torch.ones(3), torch.ones(3), "dimensions")])
def test_attention_loss_refuses(z, present, b, match):
    with pytest.raises(WsssError, match=match): attention_loss(z, present.bool(), b)

def test_b_is_fair_and_independent():
    g = torch.Generator().manual_seed(0)
    b = torch.stack([draw_b(2, 3, 4, g) for _ in range(4000)]).double()
    assert b.shape == (4000, 2, 3, 4) and set(b.unique().tolist()) == {0, 1}
    assert (b.mean(0) - .5).abs().max() < .035  # more than four standard deviations
    corr = np.corrcoef(b.flatten(1).T)
    assert np.abs(corr - np.eye(24)).max() < .08
    assert not torch.equal(b[:, 0], b[:, 1])

def test_draw_b_edges():
    assert draw_b(0, 3, 4).shape == (0, 3, 4) and draw_b(2, 3, 4).dtype == torch.int64
    a, b = (draw_b(2, 3, 4, torch.Generator().manual_seed(s)) for s in (1, 1)); assert torch.equal(a, b)
    torch.manual_seed(5); a = draw_b(2, 3, 4); torch.manual_seed(5); assert torch.equal(a, draw_b(2, 3, 4))
    with pytest.raises(ParameterError, match="must be 0.*or more, but is -1"): draw_b(-1, 3, 4)

@pytest.mark.parametrize("paths", [1, 2, 3])
def test_total_attention_loss_is_the_formula_less_a_constant(paths):
    "The erased terms have the formula's value, and the gradient is that of the whole formula (2.11)."
    H, _, present = world(b=4); present[3] = False  # the last picture shows nothing
    f, I, mean = toy(), torch.randn(4, 3, *HW, dtype=torch.double), torch.tensor([.3, -.1, .2], dtype=torch.double)
    b = draw_b(paths, 4, C, torch.Generator().manual_seed(paths)); b[0, 1] = 0; b[0, 0, 0] = 1  # some erase nothing, some do
    H1, H2 = H.clone().requires_grad_(), H.clone().requires_grad_()
    got, terms = total_attention_loss(f, I, H1, present, b, mean), naive_total(f, I, H2, present, b, mean)
    kept = [(b[n, i].bool() & present[i]).any().item() for n in range(paths) for i in range(4)]
    assert 0 < sum(kept) < len(kept)
    assert got.item() == pytest.approx(sum(t.item() for t, k in zip(terms, kept) if k)/len(terms), rel=1e-5)
    got.backward(); (sum(terms)/len(terms)).backward()
    torch.testing.assert_close(H1.grad, H2.grad, rtol=1e-4, atol=1e-8)
    assert H1.grad.any() and not H1.grad[:, 0].any()

def test_total_attention_loss_gradcheck():
    "Scores count in float32 whatever the rest is, so the differences are wide and the tolerance rough."
    H, _, present = world(); f, I, mean, b = toy(), torch.randn(B, 3, *HW, dtype=torch.double), torch.tensor([.1, .2, .3]), torch.ones(2, B, C, dtype=torch.int64)
    assert torch.autograd.gradcheck(lambda z: total_attention_loss(f, I, z.softmax(1), present, b, mean).double(), H.log().requires_grad_(), eps=1e-2, atol=2e-4)

def test_where_nothing_is_erased_the_classifier_is_not_asked():
    H, _, present = world(); H.requires_grad_()
    def never(x): raise AssertionError("asked")
    for b, p in ((torch.zeros(2, B, C), present), (torch.ones(2, B, C), ~present & present), (torch.zeros(0, B, C), present)):
        l = total_attention_loss(never, torch.zeros(B, 3, *HW), H, p, b.long(), torch.zeros(3))
        assert l.item() == 0 and l.shape == ()

def test_all_paths_are_one_batch_of_the_pictures_size():
    H, _, present = world(dtype=torch.float32); sizes = []
    def f(x): sizes.append(tuple(x.shape)); return x.mean((2, 3))
    b = torch.tensor([[[1, 0, 0], [1, 0, 0]], [[0, 0, 1], [1, 1, 1]], [[1, 0, 1], [0, 0, 0]]])
    total_attention_loss(f, torch.randn(B, 3, 16, 20), H, present, b, torch.zeros(3))
    assert sizes == [(4, 3, 16, 20)]  # three of the first picture; of the second one, which shows only the first class: erased twice, judged once


# ---- what holds whatever the numbers are

LOGITS = arrays(np.float64, (B, C+1, 3, 3), elements=st.floats(-8, 8))
BITS = arrays(np.bool_, (B, C)).map(torch.from_numpy)
MAPS = arrays(np.uint8, (B, 3, 3), elements=st.sampled_from([0, 1, 255])).map(torch.from_numpy)

@given(LOGITS, BITS, BITS, MAPS, st.permutations(range(C)))
@settings(max_examples=60, deadline=None)
def test_properties(logits, present, b, R, order):
    H, f, I = torch.from_numpy(logits).softmax(1), toy(), torch.ones(B, 3, 3, 3, dtype=torch.double)
    F = attention_map(H, present, b)
    assert F.min() >= -1e-12 and F.max() <= 1 and (F[~(present & b).any(1)] == 1).all()
    sal, z = saliency_loss(H, R, present), f(masked_image(I, F, 0))
    attn = attention_loss(z, present, b)
    assert sal >= -1e-12 and attn >= 0
    moved = H[:, [0, *(c+1 for c in order)]]  # the order of the classes is nobody's business
    torch.testing.assert_close(saliency_loss(moved, R, present[:, order]), sal)
    torch.testing.assert_close(attention_map(moved, present[:, order], b[:, order]), F)
    torch.testing.assert_close(attention_loss(z[:, order], present[:, order], b[:, order]), attn)


# ---- the whole loss (2.12)

class Fixed(torch.nn.Module):
    "A segmenter that answers every picture of a size with the same logits, another at half the size."
    def __init__(self, *z): super().__init__(); self.z = torch.nn.Parameter(torch.tensor(z))
    def forward(self, x): return (self.z*x.shape[-1]/8)[None, :, None, None].expand(len(x), -1, *x.shape[-2:])

def batch(**kw):
    R = torch.full((1, 8, 8), 255, dtype=torch.uint8); R[0, 0] = 0; R[0, 5] = 1
    return dict(image=torch.zeros(1, 3, 8, 8), saliency=R, present=torch.tensor([[1., 0.]])) | kw

def test_masking_loss_by_hand(monkeypatch):
    m, p1, p2 = Fixed(0., 1., 2.), *(torch.tensor([0., s, 2*s]).softmax(0) for s in (1, .5))
    sal = sum(-(p[0].log() + p[1].log()).item() for p in (p1, p2))
    l, log = masking_loss(m, batch(), paths=0, train_scales=(1, .5))
    assert l.item() == pytest.approx(sal) and log.keys() == {"sal"} and log["sal"].item() == pytest.approx(sal)
    monkeypatch.setattr(masking, "draw_b", lambda n, b, c: torch.ones(n, b, c, dtype=torch.int64))
    classifier = lambda x: torch.stack([x.mean((1, 2, 3)), 5 + 0*x.mean((1, 2, 3))], 1)
    F = 1 - (p1[1] + p2[1]).item()/2  # the mean of the scales is what erases
    z = F*(0-.5) + .5
    attn = -math.log(1 - sigma(z))
    l, log = masking_loss(m, batch(), classifier, torch.full((3,), .5), paths=3, lambda_seg=7., train_scales=(1, .5))
    assert l.item() == pytest.approx(sal + 7*attn) and log["attn"].item() == pytest.approx(attn) and log["sal"].item() == pytest.approx(sal)
    assert l.requires_grad and not log["attn"].requires_grad

def test_stride_looks_at_every_nth_pixel():
    R = torch.full((1, 8, 8), 255, dtype=torch.uint8); R[0, 2, 2] = 0; R[0, 3, 3] = 1
    assert masking_loss(Fixed(0., 0., 0.), batch(saliency=R), paths=0, train_scales=(1,), stride=4)[0].item() == pytest.approx(math.log(3))

def test_present_class_that_the_segmenter_never_finds():
    "Its mask is zero everywhere: nothing is erased that could be seen, and all stays finite."
    m = Fixed(50., -60., -60.)
    torch.manual_seed(0)
    for _ in range(4):
        l, _ = masking_loss(m, batch(), lambda x: x.mean((2, 3))[:, :2], torch.zeros(3), paths=2, train_scales=(1,))
        m.zero_grad(); l.backward()
        assert torch.isfinite(l) and torch.isfinite(m.z.grad).all()

def test_gradient_comes_only_through_the_masks(monkeypatch):
    "Nothing labelled: without erasing no gradient; with it, the segmenter learns from the classifier alone, and that one learns nothing."
    torch.manual_seed(0)
    from wsss_nb.deeplab import DeepLab
    seg, judge = DeepLab(create("small", "random"), 3).train(), freeze(Classifier(create("small", "random"), 2))
    args = dict(image=torch.randn(2, 3, 32, 32), saliency=torch.full((2, 32, 32), 255, dtype=torch.uint8), present=torch.tensor([[1., 1.], [1., 0.]]))
    grads = lambda: sum(p.grad.abs().sum().item() for p in seg.parameters() if p.grad is not None)
    for value in (0, 1):
        monkeypatch.setattr(masking, "draw_b", lambda n, b, c: torch.full((n, b, c), value))
        seg.zero_grad(); masking_loss(seg, args, judge, torch.zeros(3), 1, 1e6, (1,))[0].backward()
        assert (grads() > 0) == bool(value)
    assert all(p.grad is None for p in judge.parameters())


# ---- the judge

def test_freeze():
    torch.manual_seed(0)
    m, x = DilatedClassifier(create("small", "random"), 3, width=8, dilations=(2, 3)), torch.randn(1, 3, 32, 32)
    with torch.no_grad(): z = m.eval()(x)
    f = freeze(m.train())
    assert len(f.head) == 1 and not f.training and not any(p.requires_grad for p in f.parameters())
    with torch.no_grad(): assert torch.equal(f(x), z)
    assert not freeze(Classifier(create("small", "random"), 3).train()).training

def judge_at(folder, classes, dilations=(2,)):
    "A classifier with random weights and batch statistics of its own."
    torch.manual_seed(3)
    m = DilatedClassifier(create("small", "random"), len(classes), 8, dilations).train()
    for _ in range(3): m(torch.randn(4, 3, 64, 64))
    return save_model(folder/"model.safetensors", m, kind="classifier", net="small", init=m.init, output_stride=8, classes=list(classes), head=dict(dilations=list(dilations), width=8))

@pytest.fixture(scope="module")
def judge(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge"); judge_at(folder, scenes.classes)
    return folder

def test_load_judge(scenes, judge):
    a, sha = load_judge(judge, scenes); b, again = load_judge(judge/"model.safetensors", scenes)
    assert sha == again == sha256(judge/"model.safetensors") and len(a.head) == len(b.head) == 1 and not any(p.requires_grad for p in a.parameters())

@pytest.mark.parametrize("change, match", [(lambda c: c[:-1], "knows none besides, and lacks"), (lambda c: (*c[:-1], "unicorn"), "knows unicorn besides, and lacks"), (lambda c: c[::-1], "in another order"), (lambda c: (*c, "unicorn"), "knows unicorn besides, and lacks none")])
def test_a_judge_of_other_classes(scenes, tmp_path, change, match):
    judge_at(tmp_path, change(scenes.classes))
    with pytest.raises(DataError, match=match): load_judge(tmp_path, scenes)

def test_no_judge_at_all(scenes, tmp_path):
    with pytest.raises(WeightsError, match="are not there"): load_judge(tmp_path/"nothing", scenes)


# ---- training

HOW = replace(MASKING, net="small", init="random", epochs=2, batch=12, lr=.02, crop=64, scales=(1,), train_scales=(1,), freeze_bn=False, device="cpu", loss_stride=4)
ONE = replace(HOW, epochs=1)
ALONE = ErasingSettings(paths=0)

@pytest.fixture(scope="module")
def maps(scenes, tmp_path_factory):
    "A disc of foreground, a ring without a label; no mask is opened."
    f = tmp_path_factory.mktemp("maps")
    for id in scenes.ids():
        h, w = scenes.image(id).shape[:2]
        y, x = np.ogrid[:h, :w]; r = np.hypot(y-h/2, x-w/2)/h
        write_mask(f/f"{id}.png", np.where(r < .25, 1, np.where(r < .35, 255, 0)).astype(np.uint8))
    return f

def weights(folder): return (folder/"model.safetensors").read_bytes()

def test_not_one_bit_of_the_classifier_changes(scenes, maps, judge, tmp_path, monkeypatch):
    seen, params, load, SGD = [], [], masking.load_judge, torch.optim.SGD
    monkeypatch.setattr(masking, "load_judge", lambda *a: seen.append(load(*a)) or seen[-1])
    monkeypatch.setattr(torch.optim, "SGD", lambda groups, **kw: params.extend(p for g in groups for p in g["params"]) or SGD(groups, **kw))
    file = judge/"model.safetensors"; was, stamp = sha256(file), file.stat().st_mtime_ns
    model, rows = fit_masking(scenes, maps, tmp_path, ErasingSettings(judge), HOW)
    (f, sha), before = seen[0], freeze(load_classifier(judge)).state_dict()
    assert sha == was == sha256(file) and stamp == file.stat().st_mtime_ns
    assert f.state_dict().keys() == before.keys() and all(torch.equal(v, before[k]) for k, v in f.state_dict().items())  # running statistics and counters among them
    assert any("running_mean" in k for k in before) and not f.training
    assert not any(p.requires_grad or p.grad is not None for p in f.parameters())
    assert params and not {id(p) for p in params} & {id(p) for p in f.parameters()} and {id(p) for p in params} <= {id(p) for p in model.parameters()}
    held = load_weights(tmp_path/"checkpoint.safetensors")
    assert {k.split(".", 1)[1] for k in held} <= {*model.state_dict()}
    assert all(r["attn"] > 0 and r["sal"] > 0 and r["loss"] == pytest.approx(r["sal"] + 2*r["attn"], rel=1e-4) for r in rows)
    assert rows[-1]["sal"] < rows[0]["sal"] and load_deeplab(tmp_path).classes == model.classes == scenes.classes
    np.testing.assert_allclose(weights_meta(tmp_path/"model.safetensors")["mean"], mean_color(scenes, scenes.ids()), atol=1e-3)  # an explorer masks with the same colour

def test_resumes_to_the_bit(scenes, maps, judge, tmp_path):
    "Cut off in its third epoch and taken up again, a training ends where the undisturbed one does."
    erasing, how = ErasingSettings(judge), replace(HOW, epochs=4)
    def cut(e, m, row):
        if e == 2: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): fit_masking(scenes, maps, tmp_path/"a", erasing, how, cut)
    assert not (tmp_path/"a/model.safetensors").exists() and (tmp_path/"a/checkpoint.safetensors").exists()
    (_, a), (_, b) = (fit_masking(scenes, maps, tmp_path/f, erasing, how) for f in "ab")
    assert weights(tmp_path/"a") == weights(tmp_path/"b") and [r["attn"] for r in a] == [r["attn"] for r in b] and len(a) == 4
    with pytest.raises(RunError, match="paths=2 there, 1 here"): fit_masking(scenes, maps, tmp_path/"a", replace(erasing, paths=1), how)

def test_seeds_and_paths(scenes, maps, judge, tmp_path):
    "Equal seeds give equal segmenters, others do not; b is drawn anew, so more paths are another training."
    for name, more in dict(a={}, again={}, paths=dict(paths=1), light=dict(lambda_seg=.5)).items():
        fit_masking(scenes, maps, tmp_path/name, ErasingSettings(judge, mean=(120, 110, 100), **more), ONE)
    fit_masking(scenes, maps, tmp_path/"seed", ErasingSettings(judge, mean=(120, 110, 100)), replace(ONE, seed=1))
    assert weights(tmp_path/"a") == weights(tmp_path/"again")
    assert len({weights(tmp_path/n) for n in ("a", "seed", "paths", "light")}) == 4

def test_without_paths_no_classifier_is_needed(scenes, maps, judge, tmp_path):
    _, rows = fit_masking(scenes, maps, tmp_path/"a", ALONE, ONE)
    assert "attn" not in rows[0] and rows[0]["loss"] == rows[0]["sal"]
    fit_masking(scenes, maps, tmp_path/"b", replace(ALONE, classifier=tmp_path/"not there"), ONE)  # not even looked at
    assert weights(tmp_path/"a") == weights(tmp_path/"b")

def test_starts_from_the_classifiers_backbone(scenes, maps, judge, tmp_path):
    m, _ = fit_masking(scenes, maps, tmp_path, ALONE, replace(ONE, lr=1e-12, init=f"classifier:{judge}", freeze_bn=True))
    assert m.init["source"] == "classifier" and m.init["sha256"] == sha256(judge/"model.safetensors")
    for k, v in load_classifier(judge).backbone.state_dict().items(): torch.testing.assert_close(m.backbone.state_dict()[k], v)

@pytest.mark.parametrize("kw, error, match", [
    (dict(saliency="nowhere"), DataError, "24 maps for the 24 images .* missing, the first is .*nowhere"), (dict(paths=-1), ParameterError, "N must be 0 .* but is -1"),
    (dict(classifier=None), ParameterError, "2 classification paths need a classifier"), (dict(classifier="nowhere"), WeightsError, "nowhere"), (dict(classifier="other"), DataError, "unicorn")])
def test_refused_before_any_work(scenes, maps, judge, tmp_path, monkeypatch, kw, error, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"other").mkdir(); judge_at(tmp_path/"other", (*scenes.classes[:-1], "unicorn"))
    with pytest.raises(error, match=match): fit_masking(scenes, kw.pop("saliency", maps), tmp_path/"x", ErasingSettings(**dict(classifier=judge) | kw), HOW)
    assert not (tmp_path/"x").exists()

def test_a_map_with_other_values_names_itself(scenes, maps, tmp_path):
    bad = shutil.copytree(maps, tmp_path/"maps"); write_mask(bad/f"{scenes.ids()[5]}.png", np.full((160, 160), 3, np.uint8))
    with pytest.raises(RunError, match="binarize it first; this was epoch 1/1"): fit_masking(scenes, bad, tmp_path/"x", ALONE, ONE)

def test_a_map_of_another_size_is_refused(scenes, maps, tmp_path):
    bad = shutil.copytree(maps, tmp_path/"maps"); write_mask(bad/f"{scenes.ids()[5]}.png", np.zeros((80, 100), np.uint8))
    with pytest.raises(WsssError, match="80, 100"): fit_masking(scenes, bad, tmp_path/"x", ALONE, ONE)
