"""Features by short names: every net by its architecture with random weights against a plain reading of its last block, its authors' files, like counts over several pictures."""
import json
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wsss_nb import backbones, features, weights
from wsss_nb.core import DataError, ParameterError, WeightsError, save_weights, sha256
from wsss_nb.features import CNN, DINO, NETS, ViTKeys, extract, keys, load
from wsss_nb.superpixels import discover, tau_for_count

import timm  # after ours, which makes torchvision importable

CLIP = (.48145466, .4578275, .40821073), (.26862954, .26130258, .27577711)  # of OpenAI's notebook
VITS = {  # name: patch, dim, tokens before the patches
    "dino_vits16": (16, 384, 1), "dino_vits8": (8, 384, 1), "dino_vitb16": (16, 768, 1), "dino_vitb8": (8, 768, 1),
    "dinov2_vits14": (14, 384, 1), "dinov2_vitb14": (14, 768, 1), "dinov2_vits14_reg": (14, 384, 5), "dinov2_vitb14_reg": (14, 768, 5), "dinov3_vits16": (16, 384, 5), "dinov3_vitb16": (16, 768, 5),
    "mae_vitb16": (16, 768, 1), "mocov3_vitb16": (16, 768, 1), "clip_vitb16": (16, 768, 1), "supervised_vitb16": (16, 768, 1)}
CNNS = ["mocov3_resnet50", "resnet50"]

net = lru_cache(1)(lambda name: load(name, "random"))  # one at a time: the tests of a net follow each other


def pytest_generate_tests(metafunc):
    "One net after the other, so that each is built once."
    if "vit" in metafunc.fixturenames: metafunc.parametrize("vit", VITS, scope="module")


def whole(model, x):
    "Keys heard inside the whole net: what its last norm before attention gives, times the middle third of qkv, without the tokens that are no patches."
    vit, out = model.vit, []
    h = vit.blocks[-1].norm1.register_forward_hook(lambda m, i, o: out.append(o))
    with torch.inference_mode(): vit.forward_features(x)
    h.remove()
    qkv, D = vit.blocks[-1].attn.qkv, model.dim
    with torch.inference_mode(): return F.linear(out[0], qkv.weight, qkv.bias)[:, vit.num_prefix_tokens:, D:2*D]


def test_all_names_are_tried(): assert NETS.keys() == VITS.keys() | set(CNNS)


def test_names_are_timms():
    for short, name in NETS.items():
        assert timm.is_model(name) and (short.startswith("mocov3") or timm.is_model_pretrained(name)), short
    assert DINO.items() <= NETS.items()


def test_keys_are_those_of_the_whole_net(vit):
    m, (patch, dim, prefix) = net(vit), VITS[vit]
    x = torch.randn(2, 3, 3*patch, 2*patch, generator=torch.Generator().manual_seed(0))
    k = keys(x, m)
    assert (m.patch, m.dim, m.vit.num_prefix_tokens, k.shape) == (patch, dim, prefix, (2, 6, dim)) and m.init == dict(name=vit, source="random", sha256=None)
    torch.testing.assert_close(k, whole(m, x), atol=1e-5, rtol=1e-4)


def test_mean_and_std(vit):
    "Those the weights were learned with: MoCo v3's are ImageNet's, though timm notes others for the bare architecture"
    m = net(vit)
    assert (tuple(m.mean), tuple(m.std)) == {"clip_vitb16": CLIP, "supervised_vitb16": ((.5,)*3, (.5,)*3)}.get(vit, (features.MEAN, features.STD))


def test_any_picture(vit):
    m = net(vit)
    image = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    f, (h, w) = extract(image, m)
    assert (h, w) == (-(-37//m.patch), -(-50//m.patch)) and f.shape == (h*w, m.dim) and f.dtype == np.float32 and np.isfinite(f).all()
    with pytest.raises(ParameterError, match=f"no multiple of the patch {m.patch}"): keys(torch.zeros(1, 3, m.patch + 1, m.patch), m)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["dinov2_vits14_reg", "dinov3_vits16"])
def test_row_by_row(name):
    "Where nothing but a patch itself reaches its key (blocks that add nothing), patch 5 of 2 rows of 4 is the second of the second row"
    m = load(name, "random")
    for b in m.vit.blocks:
        for layer in (b.attn.proj, b.mlp.fc2): layer.weight.zero_(), layer.bias.zero_()
    p, x = m.patch, torch.zeros(1, 3, 2*m.patch, 4*m.patch)
    flat = keys(x, m)
    x[:, :, p:2*p, p:2*p] = 1
    assert (keys(x, m) != flat).any(-1)[0].nonzero().flatten().tolist() == [5]


def test_the_activation_is_clips_own():
    m = net("clip_vitb16")
    assert type(m.vit.blocks[0].mlp.act).__name__ == "QuickGELU" and isinstance(m.vit.norm_pre, torch.nn.LayerNorm)


@pytest.mark.parametrize("bias", [False, True])
def test_rotary_keys_are_not_turned(bias, monkeypatch):
    "What the last block's attention multiplies is the turned key; ours is the one before, as long, and the same wherever the patch lies"
    vit = timm.models.Eva(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0, qkv_bias=bias, init_values=1e-5, dynamic_img_size=True, use_abs_pos_emb=False, use_rot_pos_emb=True,
                          rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, num_reg_tokens=4, use_fc_norm=False).eval()
    m, seen = ViTKeys(vit, "test"), []
    attend = F.scaled_dot_product_attention
    monkeypatch.setattr(timm.models.eva.F, "scaled_dot_product_attention", lambda q, k, v, **kw: seen.append(k) or attend(q, k, v, **kw))
    x = torch.randn(1, 3, 24, 40)
    ours = keys(x, m)
    with torch.inference_mode(): vit.forward_features(x)
    turned = seen[-1][:, :, 5:].transpose(1, 2).flatten(2)  # (B,heads,N,d) -> (B,N,heads·d)
    assert not torch.allclose(ours, turned, atol=1e-3)
    torch.testing.assert_close(ours.unflatten(2, (3, 16)).norm(dim=-1), turned.unflatten(2, (3, 16)).norm(dim=-1), atol=1e-4, rtol=1e-4)
    alike = keys(torch.ones(1, 3, 24, 40), m)[0]
    torch.testing.assert_close(alike, alike[:1].expand_as(alike), atol=1e-5, rtol=1e-4)  # equal patches, equal keys


def test_other_blocks_are_refused():
    "A norm behind the attention, two attentions side by side, queries, keys and values in three layers, rotary ViTs of other makers, another class"
    models = timm.models
    small, V = dict(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=0), models.vision_transformer
    for net in (V.VisionTransformer(**small, block_fn=V.ResPostBlock), V.VisionTransformer(**small, block_fn=V.ParallelThingsBlock), models.Eva(**small, qkv_fused=False),
                models.Eva(**small, use_post_norm=True), models.Eva(**small, attn_type="rope", rope_type="mixed", use_rot_pos_emb=True), backbones.Small()):
        with pytest.raises(ParameterError, match="odd is no timm VisionTransformer with plain blocks, nor DINOv3, but .*: its keys are not known"): ViTKeys(net, "odd")


# ---- convolutional nets

@pytest.mark.parametrize("name", CNNS)
def test_cnn_is_the_map_behind_the_last_stage(name):
    "Stage by stage: the last one's ReLU, before pooling; eight pixels a cell, row by row"
    m, x = net(name), torch.randn(1, 3, 24, 40)
    n, f = m.net, keys(x, m)
    with torch.inference_mode():
        y = n.maxpool(n.act1(n.bn1(n.conv1(x))))
        for layer in (n.layer1, n.layer2, n.layer3, n.layer4): y = layer(y)
    assert (m.patch, m.dim) == (8, 2048) and y.shape == (1, 2048, 3, 5) and f.shape == (1, 15, 2048) and (f >= 0).all()
    for r in range(3):
        for c in range(5): torch.testing.assert_close(f[0, 5*r + c], y[0, :, r, c])
    assert m.init == dict(name=name, source="random", sha256=None) and (m.mean, m.std) == (features.MEAN, features.STD)


def test_a_small_cnn():
    m = CNN(backbones.create("small", "scenes"), "small").eval()
    f, hw = extract(np.zeros((21, 30, 3), np.uint8), m)
    assert hw == (3, 4) and f.shape == (12, m.dim) == (12, 192)


# ---- files

def moco(state, heads):
    "A checkpoint as MoCo v3's authors write them: two encoders, wrapped, with heads and a predictor."
    other = {k: torch.zeros((), dtype=v.dtype).expand(v.shape) for k, v in state.items()}
    both = {f"module.{e}.{k}": v for e, s in (("momentum_encoder", other), ("base_encoder", state)) for k, v in s.items()}
    both |= {f"module.base_encoder.{heads}.0.weight": torch.zeros(4, 4), "module.predictor.0.weight": torch.zeros(4, 4)}
    return dict(epoch=300, arch="vit_base", state_dict=both)


@pytest.mark.parametrize("name, heads", [("mocov3_vitb16", "head"), ("mocov3_resnet50", "fc")])
def test_moco_v3_of_its_authors(name, heads, tmp_path, monkeypatch):
    monkeypatch.setitem(NETS, "mocov3_vitb16", "vit_tiny_patch16_224")  # the same, narrower: smaller files
    m, x = load(name, "random"), torch.randn(1, 3, 32, 16)
    state = (m.vit if isinstance(m, ViTKeys) else m.net).state_dict()
    file = tmp_path/f"{features._MOCO[name]}.pth.tar"
    torch.save(moco(state, heads), file)
    again = load(name, file)
    torch.testing.assert_close(keys(x, again), keys(x, m))  # the trained encoder, not its running mean
    assert again.init == dict(name=name, source=str(file), sha256=sha256(file))
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path))       # found where the error says to put it
    found = load(name)
    torch.testing.assert_close(keys(x, found), keys(x, m))
    assert found.init["source"] == features._MOCO[name]
    save_weights(tmp_path/"plain.safetensors", state)
    torch.testing.assert_close(keys(x, load(name, tmp_path/"plain.safetensors")), keys(x, m))


@pytest.mark.parametrize("name, file", [("mocov3_vitb16", "vit-b-300ep"), ("mocov3_resnet50", "r-50-1000ep")])
def test_moco_v3_says_which_file(name, file, tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match=rf"{name} are not on this machine.*moco-v3/{file}/{file}\.pth\.tar.*{tmp_path}.*features_weights="): load(name)


def test_meta_files_of_dinov2_and_dinov3(tmp_path):
    "Names of the authors' files: LayerScale, registers, a mask token, and DINOv3's periods of angles and zero biases"
    m, x = load("dinov2_vits14_reg", "random"), torch.randn(1, 3, 28, 42)
    state = {k.replace("reg_token", "register_tokens"): v for k, v in m.vit.state_dict().items()}
    state["pos_embed"] = torch.cat([torch.zeros(1, 1, 384), state["pos_embed"]], 1)  # theirs has a place for the class token, added to it by timm
    torch.save(state | {"mask_token": torch.zeros(1, 384)}, tmp_path/"dinov2.pth")
    torch.testing.assert_close(keys(x, load("dinov2_vits14_reg", tmp_path/"dinov2.pth")), keys(x, m))
    m, x = load("dinov3_vits16", "random"), torch.randn(1, 3, 32, 48)
    state = {k.replace("reg_token", "storage_tokens").replace("gamma_1", "ls1.gamma").replace("gamma_2", "ls2.gamma"): v for k, v in m.vit.state_dict().items()}
    state |= {f"blocks.{i}.attn.qkv.{k}": torch.zeros(3*384) for i in range(12) for k in ("bias", "bias_mask")} | {"mask_token": torch.zeros(1, 384), "rope_embed.periods": torch.ones(16)}
    torch.save(state, tmp_path/"dinov3.pth")
    torch.testing.assert_close(keys(x, load("dinov3_vits16", tmp_path/"dinov3.pth")), keys(x, m))


def test_weights_of_another_net(tmp_path):
    save_weights(tmp_path/"w.safetensors", load("dinov3_vits16", "random").vit.state_dict())
    for name in ("mini", "dinov2_vits14", "mae_vitb16", "resnet50", "mocov3_vitb16"):
        with pytest.raises(WeightsError, match="missing or of another shape"): load(name, tmp_path/"w.safetensors")


@pytest.mark.parametrize("name", [n for n in NETS if n not in features._MOCO])
def test_missing_weights_name_file_and_place(name, monkeypatch):
    monkeypatch.setattr(weights, "_hub_answers", lambda *a: False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a: None)
    with pytest.raises(WeightsError, match=rf"{NETS[name]}.*model.safetensors.*give its path.*models--timm--"): load(name)


@pytest.mark.parametrize("name", ["dino", "dinov2", "mocov3", "clip", "vit_tiny_patch160", "resnext", ""])
def test_unknown_names_list_all(name):
    with pytest.raises(ParameterError, match=f"'{name}' are unknown: use mini, lite0, rgb, {', '.join(NETS)}, or"): load(name, "random")


def test_the_table_in_the_notebook(repo):
    "Its rows are the nets: name, timm's name, cell, D; and each says which labels were used"
    text = "".join("".join(c["source"]) for c in json.loads((repo/"nbs/1_nets/110_features.ipynb").read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "markdown")
    rows = {r[0].strip("`"): r[1:] for line in text.splitlines() if line.startswith("| `") for r in [[c.strip() for c in line.strip("|").split("|")]]}
    assert rows.keys() == {"rgb", "mini", "lite0", *NETS} and all(r[-1] for r in rows.values())
    assert {k: r[0].strip("`") for k, r in rows.items() if k in NETS} == NETS
    for k, (patch, dim, _) in VITS.items(): assert rows[k][1:3] == [str(patch), str(dim)]


# ---- like counts over several pictures

def several(n=5, noise=.4):
    rng = np.random.default_rng(0)
    return [np.float32(rng.normal(size=(g, 8))[rng.integers(0, g, N)] + noise*rng.normal(size=(N, 8))) for g, N in zip(range(3, 3 + 2*n, 2), range(90, 90 + 10*n, 10))]


def mean_count(fs, tau): return np.mean([discover(f, tau).max() + 1 for f in fs])


@pytest.mark.parametrize("want", [4, 9.5, 30])
def test_one_tau_for_several_pictures(want):
    "No τ on a fine lattice comes much nearer in the mean than the one found"
    fs = several()
    best = min(abs(mean_count(fs, t) - want) for t in np.linspace(-.99, .99, 199))
    assert abs(mean_count(fs, tau_for_count(fs, want)) - want) <= best + .25*want**.5


def test_a_list_of_one_is_the_one():
    f = several(1)[0]
    for n in (1, 5, 12): assert tau_for_count([f], n) == tau_for_count(f, n) == tau_for_count(torch.from_numpy(f), n)


def test_several_without_their_matrices(monkeypatch):
    "Too large to be held together, they are gone through anew: the same τ"
    from wsss_nb import discovery
    fs = several()
    whole = tau_for_count(fs, 9)
    monkeypatch.setattr(discovery, "_WHOLE", 200)  # each fits, all do not
    assert tau_for_count(fs, 9) == whole


def test_counts_refuse():
    with pytest.raises(DataError, match="no features"): tau_for_count([], 3)
    with pytest.raises(ParameterError, match="n must be at least 1"): tau_for_count(several(2), 0)
    bad = several(2)
    bad[1][4, 2] = np.nan
    with pytest.raises(DataError, match="position 4"): tau_for_count(bad, 3)
    with pytest.raises(DataError, match="dimensions"): tau_for_count(np.zeros((2, 3, 4), np.float32), 3)
