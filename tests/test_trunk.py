"""A frozen net's features: kept, mirrored, learned from, and a segmenter on them that is saved, loaded and applied."""
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from wsss_nb.backbones import create
from wsss_nb.core import DataError, ParameterError, load_arrays
from wsss_nb.datasets import open_dataset
from wsss_nb.deeplab import DeepLab, at_side, load_deeplab, predict, weights_meta
from wsss_nb.growing import GROWING, GrowthSettings, fit_segmenter
from wsss_nb.masking import MASKING, ErasingSettings, fit_masking
from wsss_nb.classifier import take_imagenet
from wsss_nb.masks_of_ids import write_labels, write_mask
from wsss_nb.transforms import to_tensor
from wsss_nb.trunk import OnFeatures, squared, squared_maps, trunk_batches, trunk_files

SIDE, SIDES = 64, [48, 64]
FROZEN = dict(net="lite0_blocks", output_stride=16, crop=SIDE, scales=(.75, 1.), train_scales=(1.,), warmup_epochs=0, epochs=3, batch=2, lr=.003, device="cpu")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("WSSS_NB_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def net(): return create("lite0_blocks", output_stride=16).eval()


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    "Four pictures, with seeds: the left half background, the right half the class."
    root = tmp_path_factory.mktemp("photographs")
    rows = []
    for name, image in dict(cat=data.chelsea(), cup=data.coffee()).items():
        for k, size in enumerate(((96, 64), (80, 80))):
            (root/"images").mkdir(exist_ok=True)
            cv2.imwrite(str(root/"images"/f"{name}{k}.png"), cv2.resize(image, size)[..., ::-1])
            labels = np.zeros(size[::-1], np.uint8)
            labels[:, size[0]//2:] = 1 + (name == "cup")
            write_mask(root/"seeds"/f"{name}{k}.png", labels)
            write_mask(root/"saliency"/f"{name}{k}.png", (labels > 0).astype(np.uint8))
            write_labels(root/"sp"/f"{name}{k}.png", (labels > 0).astype(np.int32))
            rows.append(f"{name}{k}.png,{name}")
    (root/"labels.csv").write_text("\n".join(["file,labels", *rows]) + "\n")
    return open_dataset(root)


def test_blocks_are_the_fifth_and_the_seventh(net):
    x, whole = to_tensor(data.chelsea()[:96, :128])[None], create("lite0", output_stride=16).eval()
    with torch.no_grad(): assert torch.equal(net(x), torch.cat([whole.forward_blocks(x)[k] for k in (4, 6)], 1))
    assert not any(k.startswith(("conv_head", "bn2")) for k in net.state_dict())


@pytest.mark.parametrize("hw", [(50, 100), (100, 50), (7, 90), (64, 64), (1, 1)])
def test_a_map_lies_in_the_square_as_its_picture_does(hw):
    image = np.full((*hw, 3), 200, np.uint8)
    x, maps = squared(image, SIDE), squared_maps(dict(l=np.ones(hw, np.uint8), sp=np.zeros(hw, np.int32)), hw, SIDE)
    inside = (x != 0).any(0)
    assert torch.equal(maps["l"] == 1, inside) and torch.equal(maps["l"] == 255, ~inside)
    assert torch.equal(maps["sp"] == -1, ~inside)


def test_files_are_found_by_pixels_and_weights_and_made_only_once(ds, net, tmp_path):
    ids = ds.ids("train")
    files = trunk_files(ds, ids, net, 16, SIDES, "cpu", tmp_path)
    made = {f: f.stat().st_mtime_ns for f in files.values()}
    assert len(made) == len(SIDES)*len(ids)
    assert trunk_files(ds, ids, net, 16, SIDES, "cpu", tmp_path) == files and made == {f: f.stat().st_mtime_ns for f in files.values()}
    assert not {*made} & {*trunk_files(ds, ids, net, 16, [SIDE//2], "cpu", tmp_path).values()}


def test_a_batch_holds_one_size_and_one_direction_of_each_picture_throughout(ds, net, tmp_path):
    ids, met = ds.ids("train"), set()
    files = trunk_files(ds, ids, net, 16, SIDES, "cpu", tmp_path)
    maps = lambda id: dict(seed=np.arange(np.prod(ds.image(id).shape[:2])).reshape(ds.image(id).shape[:2]))
    def kinds(i):
        "(features, map, picture) of a picture at each size, as it is and mirrored"
        I = ds.image(ids[i])
        for side in SIDES:
            seed, x = squared_maps(maps(ids[i]), I.shape[:2], side, SIDE)["seed"], squared(I, side//2, SIDE//2)
            for m in (False, True):
                yield (side, m), torch.from_numpy(load_arrays(files[ids[i], side])["f"][int(m)]).float(), *((a.flip(-1) if m else a) for a in (seed, x))
    for epoch in range(8):
        for b in trunk_batches(ds, ids, files, maps, replace(GROWING, **FROZEN), SIDE//2)(epoch):
            for f, seed, image, i in zip(b["features"], b["seed"], b["image"], b["index"]):
                key, kept, *rest = next(k for k in kinds(i) if torch.equal(f, k[1]))
                assert torch.equal(seed, rest[0]) and torch.equal(image, rest[1])
                met.add(key)
    assert met == {(side, m) for side in SIDES for m in (False, True)}


def _grown(ds, folder, on_epoch=None, **more):
    return fit_segmenter(ds, ds.root/"seeds", folder, GrowthSettings(ds.root/"sp"), replace(GROWING, **FROZEN | more), on_epoch)


def test_only_the_head_learns_and_the_file_holds_the_whole_net(ds, net, tmp_path):
    model, rows = _grown(ds, tmp_path, epochs=6)
    assert rows[-1]["loss"] < rows[0]["loss"]
    again = load_deeplab(tmp_path)
    assert (again.side, weights_meta(tmp_path/"model.safetensors")["head"]) == (SIDE, dict(neck=256, side=SIDE))
    assert all(torch.equal(v, again.backbone.state_dict()[k]) for k, v in net.state_dict().items())
    image = ds.image("cat0")
    assert np.array_equal(predict(again, image, (1,)), predict(model.cpu().eval(), image, (1,)))


def test_what_was_cut_off_goes_on_to_the_bit(ds, tmp_path):
    whole, _ = _grown(ds, tmp_path/"whole")
    def stop(epoch, *_):
        if epoch == 1: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): _grown(ds, tmp_path/"cut", on_epoch=stop)
    again, rows = _grown(ds, tmp_path/"cut")
    assert len(rows) == 3
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in whole.state_dict().items())


def test_masking_learns_on_frozen_features_too(ds, tmp_path):
    take_imagenet(ds, dict(cat=(281, 282, 285), cup=(504, 967, 968)), folder=tmp_path/"c", test_split=None)
    model, rows = fit_masking(ds, ds.root/"saliency", tmp_path/"m", ErasingSettings(tmp_path/"c", paths=1, lambda_seg=.2), replace(MASKING, **FROZEN | dict(scales=(1.,), epochs=4)))
    assert rows[-1]["sal"] < rows[0]["sal"] and "attn" in rows[-1]
    assert load_deeplab(tmp_path/"m").side == SIDE


def test_pictures_of_any_size_are_looked_at_in_the_size_it_learned_from(net):
    model = DeepLab(net, 3, neck=8, side=96).eval()
    image = cv2.resize(data.chelsea(), (192, 128), interpolation=cv2.INTER_AREA)
    looked = []
    h = model.backbone.conv_stem.register_forward_pre_hook(lambda m, a: looked.append(tuple(a[0].shape[-2:])))
    assert predict(model, image, (1,)).shape == (3, 128, 192) and predict(model, np.repeat(np.repeat(image, 4, 0), 4, 1), (1,)).shape == (3, 512, 768)
    h.remove()
    assert looked == [(64, 96), (64, 96)]
    assert at_side(torch.zeros(1, 3, 20, 10), 0).shape == (1, 3, 20, 10)
    with torch.no_grad(): assert OnFeatures(model)(torch.zeros(2, 432, 6, 6)).shape == (2, 3, 6, 6)


@pytest.mark.parametrize("more,said", [(dict(init="random"), "stay random"), (dict(train_scales=(.5, 1.)), "at one size")])
def test_a_frozen_net_is_neither_random_nor_seen_in_parts(ds, tmp_path, more, said):
    with pytest.raises(ParameterError, match=said): _grown(ds, tmp_path/"refused", **more)
    assert not (tmp_path/"refused").exists()


def test_a_map_that_does_not_fit_names_its_picture(ds, net, tmp_path):
    files = trunk_files(ds, ds.ids("train"), net, 16, SIDES, "cpu", tmp_path)
    with pytest.raises(DataError, match="cat0: the map 'seed' has shape"):
        list(trunk_batches(ds, ["cat0"], files, lambda id: dict(seed=np.zeros((3, 3), np.uint8)), replace(GROWING, **FROZEN))(0))
