import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from skimage.data import astronaut
from wsss_nb.transforms import IMAGENET_MEAN, IMAGENET_STD, Augment, adjust_color, denormalize, to_tensor
from torchvision.transforms.v2 import functional as F

PHOTO = np.ascontiguousarray(astronaut()[:96, 150:270])  # (96,120,3)
PLAIN = (0, 0, 0, 0)


def position_maps(hw):
    "Maps that say where each pixel came from"
    y, x = np.mgrid[:hw[0], :hw[1]]
    return dict(y=y.astype(np.int32), x=x.astype(np.int32))


def test_normalisation_is_imagenets():
    x = to_tensor(np.array([[[0, 128, 255]]], np.uint8))
    want = [(v/255 - m)/s for v, m, s in zip((0, 128, 255), IMAGENET_MEAN, IMAGENET_STD)]
    assert x.shape == (3, 1, 1) and x.dtype == torch.float32
    np.testing.assert_allclose(x.ravel(), want, rtol=1e-6)


def test_denormalize_undoes_it():
    assert (denormalize(to_tensor(PHOTO)) == PHOTO).all()
    batch = denormalize(torch.stack([to_tensor(PHOTO)]*2))
    assert batch.shape == (2, *PHOTO.shape) and batch.dtype == np.uint8


def test_inputs_are_left_alone():
    image, labels = PHOTO.copy(), np.zeros(PHOTO.shape[:2], np.uint8)
    image.flags.writeable = labels.flags.writeable = False
    to_tensor(image)
    Augment(64)(image, {"labels": labels}, seed=1)
    assert (image == PHOTO).all()


@pytest.mark.parametrize("view", [PHOTO[::-1], PHOTO[:, ::2], PHOTO.transpose(1, 0, 2), PHOTO[..., ::-1]])
def test_any_memory_layout(view):
    assert (denormalize(to_tensor(view)) == view).all()


# --- place ------------------------------------------------------------------------------------------------------

def test_shapes_and_types():
    hw = PHOTO.shape[:2]
    maps = dict(labels=np.zeros(hw, np.uint8), sp=np.zeros(hw, np.int32), sp16=np.zeros(hw, np.uint16), sp64=np.zeros(hw, np.int64),
                cam=np.zeros((4, *hw), np.float32), half=np.zeros(hw, np.float16), mask=np.zeros(hw, bool), t=torch.zeros(hw))
    x, out = Augment(64)(PHOTO, maps, seed=0)
    assert x.shape == (3, 64, 64) and x.dtype == torch.float32
    types = dict(labels=torch.uint8, sp=torch.int32, sp16=torch.int32, sp64=torch.int64, cam=torch.float32, half=torch.float32, mask=torch.bool, t=torch.float32)
    assert {k: v.dtype for k, v in out.items()} == types
    assert out["cam"].shape == (4, 64, 64) and all(v.shape == (64, 64) for k, v in out.items() if k != "cam")


@pytest.mark.parametrize("hw", [(1, 1), (1, 200), (200, 1), (7, 300), (96, 120)])
@pytest.mark.parametrize("crop", [1, 33, 160])
def test_any_size(hw, crop):
    image = np.random.default_rng(0).integers(0, 256, (*hw, 3)).astype(np.uint8)
    for s in range(6):
        x, m = Augment(crop)(image, {"labels": np.zeros(hw, np.uint8)}, seed=s)
        assert x.shape == (3, crop, crop) and torch.isfinite(x).all() and m["labels"].shape == (crop, crop)


def test_padding():
    hw = PHOTO.shape[:2]
    maps = dict(labels=np.zeros(hw, np.uint8), sp=np.zeros(hw, np.int32), cam=np.ones(hw, np.float32), mask=np.ones(hw, bool))
    x, m = Augment(200, scales=(1,), color=PLAIN)(PHOTO, maps, seed=3)
    void = m["labels"] == 255
    assert (~void).sum() == hw[0]*hw[1]  # all of the photograph is inside
    assert (x[:, void] == 0).all() and (m["sp"][void] == -1).all() and (m["cam"][void] == 0).all() and not m["mask"][void].any()
    assert (m["sp"][~void] == 0).all() and (m["cam"][~void] == 1).all() and m["mask"][~void].all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(20, 150))
def test_maps_go_where_the_photograph_goes(seed, crop):
    "At scale 1 and without colour every pixel is one of the photograph, and the position maps say which"
    x, m = Augment(crop, scales=(1,), color=PLAIN)(PHOTO, position_maps(PHOTO.shape[:2]), seed=seed)
    inside = m["y"] >= 0
    assert torch.equal(inside, m["x"] >= 0)
    want = PHOTO[m["y"][inside], m["x"][inside]]
    assert (denormalize(x)[inside.numpy()] == want).all()


@pytest.mark.parametrize("scale", [.5, 1.5, 2, .3])
def test_nearest_and_interpolated_agree_when_scaled(scale):
    "A smooth ramp, once as whole numbers and once as floats, stays the same ramp to one step"
    y, x = np.mgrid[:96, :120]
    _, m = Augment(64, scales=(scale,))(PHOTO, dict(a=(x + y).astype(np.int32), b=(x + y).astype(np.float32)), seed=4)
    inside = m["a"] >= 0
    inside[1:-1, 1:-1] &= inside[2:, 1:-1] & inside[:-2, 1:-1] & inside[1:-1, 2:] & inside[1:-1, :-2]
    assert (m["a"] - m["b"])[inside].abs().max() <= 1/scale + 1


def test_superpixel_ids_survive_exactly():
    ids = np.random.default_rng(0).integers(2**24, 2**31 - 1, (96, 120)).astype(np.int32)  # too large for float32
    for s in range(8):
        out = Augment(64)(PHOTO, {"sp": ids}, seed=s)[1]["sp"].numpy()
        assert set(np.unique(out)) <= set(ids.ravel()) | {-1}


def test_flip_half_of_the_time_and_only_if_asked():
    ramp = {"x": position_maps((96, 120))["x"]}
    def flipped(flip): return [bool(m[0, 0] > m[0, 1]) for m in (Augment(50, scales=(1,), flip=flip)(PHOTO, ramp, seed=s)[1]["x"] for s in range(80))]
    assert 25 < sum(flipped(True)) < 55 and not any(flipped(False))


def test_every_scale_and_place_is_drawn():
    maps = position_maps((96, 120))
    steps, starts = set(), set()
    for s in range(80):
        m = Augment(94, scales=(1, 2), flip=False)(PHOTO, maps, seed=s)[1]
        two = bool((m["y"][0] == m["y"][1]).all() or (m["y"][1] == m["y"][2]).all())
        steps.add(two)
        if not two: starts.add(int(m["y"][0, 0]))
    assert steps == {True, False} and starts == {0, 1, 2}


# --- determinism ---------------------------------------------------------------------------------------------------

def test_seed_decides_to_the_bit():
    labels = {"labels": np.zeros(PHOTO.shape[:2], np.uint8)}
    a = Augment(64)
    one, m = a(PHOTO, labels, seed=11)
    torch.manual_seed(5); np.random.seed(5); torch.rand(7)  # other use of chance, and other pictures between, change nothing
    a(PHOTO[:50], seed=3)
    two, n = Augment(64)(PHOTO, labels, seed=11)
    assert torch.equal(one, two) and torch.equal(m["labels"], n["labels"])
    assert not torch.equal(one, a(PHOTO, seed=12)[0])


def test_global_chance_is_left_alone():
    torch.manual_seed(1); np.random.seed(1)
    Augment(64)(PHOTO, seed=9)
    after = torch.rand(1), np.random.rand()
    torch.manual_seed(1); np.random.seed(1)
    assert after == (torch.rand(1), np.random.rand())


def test_maps_do_not_change_what_the_photograph_gets():
    assert torch.equal(Augment(64)(PHOTO, seed=2)[0], Augment(64)(PHOTO, position_maps((96, 120)), seed=2)[0])


def test_seed_may_be_several_numbers():
    a = Augment(64)
    assert torch.equal(a(PHOTO, seed=(0, 3, 7))[0], a(PHOTO, seed=[0, 3, 7])[0])
    assert not torch.equal(a(PHOTO, seed=(0, 3, 7))[0], a(PHOTO, seed=(0, 7, 3))[0])


# --- colour ------------------------------------------------------------------------------------------------------------

def test_color_alone_changes_no_map():
    m = position_maps((96, 120))
    x, out = Augment(96, scales=(1,), flip=False, color=(.5, .5, .5, .2))(PHOTO, m, seed=0)
    y, same = Augment(96, scales=(1,), flip=False, color=PLAIN)(PHOTO, m, seed=0)
    assert not torch.allclose(x, y) and all(torch.equal(out[k], same[k]) for k in m)


@pytest.mark.parametrize("name, theirs", [("brightness", F.adjust_brightness), ("contrast", F.adjust_contrast), ("saturation", F.adjust_saturation)])
@pytest.mark.parametrize("factor", [0, .7, 1, 1.3])
def test_color_equals_torchvision(name, theirs, factor):
    x = torch.from_numpy(PHOTO).permute(2, 0, 1).float()/255
    np.testing.assert_allclose(adjust_color(x, **{name: factor}), theirs(x, factor), atol=2e-3)  # torchvision rounds the luma weights


@settings(deadline=None, max_examples=30)
@given(st.floats(-.5, .5), st.floats(.5, 1.5))
def test_hue_and_saturation_keep_luma_and_greys(hue, saturation):
    luma = torch.tensor([.299, .587, .114])
    x = torch.tensor([[.5, .45, .5], [.5, .5, .4], [.5, .5, .55]])[..., None]  # a grey and two mild colours: nothing is clipped
    y = adjust_color(x, saturation=saturation, hue=hue)
    assert torch.allclose(luma @ y.flatten(1), luma @ x.flatten(1), atol=1e-5)
    assert torch.allclose(y[:, 0], x[:, 0], atol=1e-5)


def test_a_whole_turn_of_hue_in_steps():
    x = torch.tensor([.55, .5, .45])[:, None, None]
    y = x
    for _ in range(5): y = adjust_color(y, hue=.2)
    assert torch.allclose(y, x, atol=1e-5) and not torch.allclose(adjust_color(x, hue=.2), x, atol=1e-2)


def test_color_stays_in_range():
    x = torch.rand(3, 20, 20)
    y = adjust_color(x, 2, 3, 4, .4)
    assert y.min() >= 0 and y.max() <= 1


# --- bad input ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((3, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
@pytest.mark.parametrize("f", [to_tensor, Augment(8)])
def test_bad_images(f, image):
    with pytest.raises(ValueError, match="image"): f(image)


@pytest.mark.parametrize("shape", [(95, 120), (120, 96), (96,), (96, 120, 3), (1, 1, 96, 120)])
def test_bad_maps(shape):
    with pytest.raises(ValueError, match="'seeds'"): Augment(8)(PHOTO, {"seeds": np.zeros(shape, np.uint8)})


@pytest.mark.parametrize("bad", [dict(crop=0), dict(crop=2.5), dict(scales=()), dict(scales=(1, 0)), dict(scales=(-1,)), dict(color=(.1, .1)), dict(color=(-1, 0, 0, 0)), dict(color=(0, 0, 0, 2))])
def test_bad_parameters(bad):
    with pytest.raises(ValueError, match=next(iter(bad))): Augment(**bad)
