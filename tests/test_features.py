"""Features: keys equal to those heard inside the whole net, any size, weights that are never random in silence, the cache."""
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st

from wsss_nb import backbones, features, lite0_parts, weights
from wsss_nb.core import DataError, ParameterError, WeightsError, save_weights, sha256
from timm.models import VisionTransformer  # after ours, which makes torchvision importable
from wsss_nb.features import RGB, ViTKeys, cached, extract, keys, load, mini_vit


def heard(vit, x):
    "Keys as the whole net computes them: the middle third of its last qkv, without prefix tokens."
    out = []
    h = vit.blocks[-1].attn.qkv.register_forward_hook(lambda m, i, o: out.append(o))
    with torch.inference_mode(): vit(x)
    h.remove()
    D = out[0].shape[-1]//3
    return out[0][:, vit.num_prefix_tokens:, D:2*D]


def small_vit(**kw):
    return VisionTransformer(**dict(dict(img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=0, dynamic_img_size=True), **kw)).eval()


@pytest.mark.parametrize("kw", [{}, dict(depth=1), dict(qkv_bias=False), dict(reg_tokens=4), dict(class_token=False, global_pool="avg"),
                                dict(pre_norm=True), dict(no_embed_class=True), dict(init_values=.1)], ids=str)
@pytest.mark.parametrize("hw", [(32, 32), (40, 24), (8, 72)])
def test_keys_are_those_of_the_whole_net(kw, hw):
    vit, x = small_vit(**kw), torch.randn(2, 3, *hw)
    k = keys(x, ViTKeys(vit, "test"))
    assert k.shape == (2, hw[0]*hw[1]//64, 48)
    torch.testing.assert_close(k, heard(vit, x), atol=1e-5, rtol=1e-4)


def test_mini_by_a_hook():
    m, x = load("mini", weights="random"), torch.randn(2, 3, 48, 88)
    torch.testing.assert_close(keys(x, m), heard(m.vit, x), atol=1e-5, rtol=1e-4)


def test_last_attention_and_mlp_are_not_computed():
    vit = small_vit()
    def never(*a): raise AssertionError("computed")
    for m in (vit.blocks[-1].attn.proj, vit.blocks[-1].mlp, vit.blocks[-1].norm2, vit.norm): m.register_forward_hook(never)
    keys(torch.randn(1, 3, 32, 32), ViTKeys(vit, "test"))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
def test_extract_any_size(H, W):
    m = RGB()
    f, (h, w) = extract(np.full((H, W, 3), 128, np.uint8), m)
    assert (h, w) == (-(-H//8), -(-W//8)) and f.shape == (h*w, 4) and f.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(f, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("hw", [(1, 1), (1, 2000), (17, 9)])
def test_extract_odd_sizes_through_a_vit(hw):
    f, (h, w) = extract(np.random.default_rng(0).integers(0, 255, (*hw, 3), dtype=np.uint8), load("mini", "random"))
    assert f.shape[0] == h*w and np.isfinite(f).all()


def test_extract_normalises():
    "A flat picture of ImageNet's mean colour is a zero input; on the sphere that is the south pole."
    f, _ = extract(np.full((8, 8, 3), 0, np.uint8)+np.round(np.array(features.MEAN)*255).astype(np.uint8), RGB())
    np.testing.assert_allclose(f[0], [0, 0, 0, -1], atol=.03)


def test_rgb_by_hand():
    x = torch.tensor([1., 2., 2.])[None, :, None, None].expand(1, 3, 8, 8)  # norm² 9
    torch.testing.assert_close(keys(x, RGB())[0, 0], torch.tensor([.2, .4, .4, .8]))


@given(st.lists(st.floats(-3, 3, width=32), min_size=6, max_size=6))
def test_rgb_cosine_is_a_distance(v):
    x, y = torch.tensor(v[:3]), torch.tensor(v[3:])
    f = keys(torch.stack([x, y])[:, :, None, None].expand(2, 3, 8, 8), RGB())[:, 0]
    want = 1-2*(x-y).square().sum()/((1+x.square().sum())*(1+y.square().sum()))
    assert abs(float(f[0] @ f[1]-want)) < 1e-4


def test_positions_follow_the_size():
    "A larger grid resamples the same position table: corners stay nearer to corners."
    vit = small_vit()
    a = vit._pos_embed(torch.zeros(1, 8, 8, 48))[:, 1:]
    assert a.shape == (1, 64, 48) and torch.isfinite(a).all()


def test_weights_by_path(tmp_path):
    "The authors' file layout: timm's names, with or without the wrapper, classification heads ignored."
    m = load("dino_vits16", weights="random")
    torch.save(dict(teacher={f"backbone.{k}": v for k, v in m.vit.state_dict().items()} | {"backbone.head.bias": torch.zeros(3)}), tmp_path/"dino.pth")
    again = load("dino_vits16", tmp_path/"dino.pth")
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(keys(x, m), keys(x, again))
    assert again.init == dict(name="dino_vits16", source=str(tmp_path/"dino.pth"), sha256=sha256(tmp_path/"dino.pth"))


def test_a_cnn_has_no_keys():
    with pytest.raises(ParameterError, match="no timm VisionTransformer"): load("resnet18", "random")


def test_other_mean_and_std():
    assert load("vit_tiny_patch16_224.augreg_in21k", "random").mean == (.5, .5, .5)


def test_refusals():
    m = RGB()
    with pytest.raises(ParameterError, match="30x32 are no multiple of the patch 8"): keys(torch.zeros(1, 3, 30, 32), m)
    with pytest.raises(DataError, match="images must have 4 dimensions"): keys(torch.zeros(3, 32, 32), m)
    with pytest.raises(DataError, match="NaN"): keys(torch.full((1, 3, 8, 8), float("nan")), m)
    with pytest.raises(DataError, match="image must have 3"): extract(np.zeros((8, 8), np.uint8), m)
    with pytest.raises(DataError, match="RGB"): extract(np.zeros((8, 8, 4), np.uint8), m)
    with pytest.raises(DataError, match="uint8"): extract(np.zeros((8, 8, 3), np.float32), m)


def test_mini_is_the_recorded_one(tmp_path, monkeypatch):
    m = load("mini")
    assert m.patch == 8 and m.init["sha256"] == sha256(weights.DATA/"mini.safetensors")
    assert next(m.parameters()).dtype == torch.float32 and not any(p.requires_grad for p in m.parameters())
    assert (weights.DATA/"mini.safetensors").stat().st_size <= 6e6
    for f in ("mini.safetensors", "mini.json"): (tmp_path/f).write_bytes((weights.DATA/f).read_bytes())
    raw = bytearray((tmp_path/"mini.safetensors").read_bytes()); raw[-9] ^= 1; (tmp_path/"mini.safetensors").write_bytes(raw)
    monkeypatch.setattr(weights, "DATA", tmp_path)
    with pytest.raises(WeightsError, match="not the file its record"): load("mini")
    (tmp_path/"mini.safetensors").unlink()
    with pytest.raises(WeightsError, match="not the file its record"): load("mini")


def test_cache(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    a = load("rgb")
    first = cached(image, a, tmp_path)
    monkeypatch.setattr(features, "extract", lambda *x: pytest.fail("computed again"))
    again = cached(image, a, tmp_path)
    assert again[1] == first[1] == (3, 4) and np.array_equal(again[0], first[0]) and again[0].dtype == np.float32
    monkeypatch.undo()
    other = image.copy(); other[0, 0, 0] ^= 1
    for im, m in ((other, a), (image, load("mini"))): cached(im, m, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_random_nets_are_never_cached(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    a, b = cached(image, load("mini", "random"), tmp_path), cached(image, load("mini", "random"), tmp_path)
    assert not np.allclose(a[0], b[0]) and not list(tmp_path.iterdir())


# ---- lite0: blocks of EfficientNet-Lite0, colour and place

@pytest.fixture(scope="module")
def lite0(): return load("lite0")


def photo(H=72, W=104, seed=0):
    "Smooth blobs of colour, normalised: (1,3,H,W)."
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((1, 3, H//8, W//8))).float()
    return torch.nn.functional.interpolate(x, (H, W), mode="bicubic")


def parts_of(f, model):
    "A feature (B,N,dim) cut into its parts, and their weights."
    widths = [backbones.Lite0.widths[k - 1] for k in model.blocks] + [4, 4]
    return f.split(widths, 2), [*model.blocks.values(), model.colour, model.place]


@given(st.integers(1, 3), st.integers(2, 9), st.integers(2, 5), st.integers(0, 99))
def test_centred_by_numpy(B, N, D, seed):
    f = np.random.default_rng(seed).standard_normal((B, N, D)).astype(np.float32) + 7
    want = f - f.mean(1, keepdims=True)
    want /= np.linalg.norm(want, axis=2, keepdims=True)
    np.testing.assert_allclose(lite0_parts.centred(torch.from_numpy(f)), want, atol=1e-4)


def test_lite0_parts_are_centred_before_they_get_unit_length(lite0, monkeypatch):
    seen, centred = [], lite0_parts.centred
    monkeypatch.setattr(lite0_parts, "centred", lambda f: seen.append(f) or centred(f))
    with torch.inference_mode(): z = lite0.parts(torch.cat([photo(), photo(seed=1)]), 9, 13)
    assert z.shape == (2, 9*13, lite0.dim) and len(seen) == len(lite0.blocks) + 1
    parts, weights = parts_of(z, lite0)
    for raw, part, a in zip(seen, parts, weights):
        torch.testing.assert_close(part, a*torch.nn.functional.normalize(raw - raw.mean(1, keepdim=True), dim=2))
        length = (raw - raw.mean(1, keepdim=True)).norm(dim=2, keepdim=True)
        assert (part*length).mean(1).abs().max() < 1e-4*raw.abs().max()  # with its length back, each picture's mean is 0
        assert raw.mean(1).abs().max() > 1e-2                             # which it was not before
    for part, a in zip(parts, weights): torch.testing.assert_close(part.norm(dim=2), torch.full(z.shape[:2], a))


def test_lite0_features_are_centred_too(lite0, monkeypatch):
    seen, centred = [], lite0_parts.centred
    monkeypatch.setattr(lite0_parts, "centred", lambda f: seen.append(f) or centred(f))
    f = keys(torch.cat([photo(), photo(seed=1)]), lite0)
    z = seen[-1] - seen[-1].mean(1, keepdim=True)
    assert z.mean(1).abs().max() < 1e-6
    torch.testing.assert_close(f, torch.nn.functional.normalize(z, dim=2))


@pytest.mark.parametrize("hw", [(4, 6), (3, 5), (1, 1)])
def test_gathered_by_plain_sums(hw):
    "A step by loops: exponential weights over the means of 2x2 cells, those at an odd edge of fewer."
    z = torch.nn.functional.normalize(torch.randn(1, hw[0]*hw[1], 6), dim=2)
    g = z[0].reshape(*hw, 6)
    m = torch.stack([g[y:y+2, x:x+2].reshape(-1, 6).mean(0) for y in range(0, hw[0], 2) for x in range(0, hw[1], 2)])
    w = (3.*z[0] @ torch.nn.functional.normalize(m, dim=1).T).exp()
    want = torch.nn.functional.normalize(w @ m/w.sum(1, keepdim=True), dim=1)
    torch.testing.assert_close(lite0_parts._gathered(z, *hw, kappa=3., steps=1)[0], want)


def test_lite0_batch_equals_single(lite0):
    x = torch.cat([photo(seed=s) for s in range(3)])
    f = keys(x, lite0)
    for i in range(3): torch.testing.assert_close(keys(x[i:i+1], lite0)[0], f[i], atol=2e-4, rtol=1e-3)
    assert torch.equal(keys(x, lite0), f)  # and again, to the bit


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70))
@example(1, 1)
@example(1, 9)  # two cells that are gathered into one
def test_lite0_any_photograph(H, W):
    f, (h, w) = extract(np.random.default_rng(H).integers(0, 255, (H, W, 3), dtype=np.uint8), load("lite0"))
    assert (h, w) == (-(-H//8), -(-W//8)) and f.shape == (h*w, 408) and np.isfinite(f).all() and np.linalg.norm(f, axis=1).min() > .5


def test_lite0_refuses_other_sizes(lite0):
    for hw in ((36, 40), (40, 41)):
        with pytest.raises(ParameterError, match=f"{hw[0]}x{hw[1]} are no multiple of the patch 8"): keys(torch.zeros(1, 3, *hw), lite0)


def test_lite0_looks_where_the_cell_is(lite0):
    "The maps of a mirrored picture, mirrored back, fit the picture's own best without any shift."
    x = photo(160, 224)
    for flip in (2, 3):
        own, mirrored = lite0.maps(x, 20, 28), lite0.maps(x.flip(flip), 20, 28)
        for k in lite0.blocks:
            a, b = (m[k][0].T.unflatten(1, (20, 28)) for m in (own, mirrored))  # (D,h,w)
            b = b.flip(flip - 1)
            fit = [torch.cosine_similarity(a, b.roll(s, flip - 1), dim=0)[4:-4, 4:-4].mean() for s in (-1, 0, 1)]
            assert fit[1] == max(fit), (k, flip, fit)


def test_lite0_flat_picture(lite0):
    x = torch.ones(1, 3, 64, 64)
    with torch.inference_mode(): z = lite0.parts(x, 8, 8)
    assert torch.isfinite(keys(x, lite0)).all() and parts_of(z, lite0)[0][-2].norm() == 0  # one colour everywhere is none


def test_lite0_weights(lite0, tmp_path, monkeypatch):
    assert (lite0.name, lite0.patch, lite0.dim, lite0.mean) == ("lite0", 8, 408, features.MEAN) and not any(p.requires_grad for p in lite0.parameters())
    assert lite0.init["name"] == "lite0" and lite0.init["sha256"] == weights.LITE0["sha256"] and weights.LITE0["package"] in lite0.init["source"]
    save_weights(tmp_path/"w.safetensors", lite0.net.state_dict())
    again = load("lite0", tmp_path/"w.safetensors")
    assert again.init["sha256"] == sha256(tmp_path/"w.safetensors") and torch.equal(keys(photo(), again), keys(photo(), lite0))
    assert load("lite0", "random").init["source"] == "random"
    monkeypatch.setattr(weights, "LITE0", weights.LITE0 | dict(sha256="0"*64))
    with pytest.raises(WeightsError, match="damaged or was replaced"): load("lite0")


def test_recommended_thresholds():
    assert set(features.TAU) == {"lite0", "mini"} and all(0 < t < 1 for t in features.TAU.values())
