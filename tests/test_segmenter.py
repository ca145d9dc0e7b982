"Training a segmenter on seeds that grow: growing.growing_loss and growing.fit_segmenter."
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from wsss_nb.classifier import CLASSIFIER, fit_classifier
from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.deeplab import load_deeplab, predict
from wsss_nb.growing import GrowthSettings, fit_segmenter, grow, growing_loss, load_softmax, save_softmax, seed_loss
from wsss_nb.masks_of_ids import read_labels, read_mask, write_labels, write_mask
from wsss_nb.train import TrainSettings

HOW = TrainSettings(net="small", init="random", epochs=2, batch=6, lr=.02, crop=80, scales=(1,), train_scales=(1, .5), warmup_epochs=0, device="cpu", loss_stride=4)
ONE = replace(HOW, epochs=1)


class Fixed(torch.nn.Module):
    "A segmenter that answers with the same logits everywhere."
    def __init__(self, *z): super().__init__(); self.z = torch.nn.Parameter(torch.tensor(z))
    def forward(self, x): return self.z[None, :, None, None].expand(len(x), -1, *x.shape[-2:])

def batch(**kw):
    L = torch.full((1, 8, 8), 255, dtype=torch.uint8); L[0, 0, 0], L[0, 0, 1] = 0, 1
    sp = torch.zeros(1, 8, 8, dtype=torch.int32); sp[:, 4:] = 1; sp[:, :, 7] = -1
    return dict(image=torch.zeros(1, 3, 8, 8), seed=L, sp=sp, present=torch.tensor([[1., 0.]])) | kw

def test_unsure_grows_nothing():
    l, log = growing_loss(Fixed(0., 0., 0.), batch())
    assert l.item() == pytest.approx(2*math.log(3)) and log["labelled"].item() == pytest.approx(2/56)

def test_sure_grows_and_padding_stays_out():
    m = Fixed(0., 5., 0.)  # class 1 with 0.987
    l, log = growing_loss(m, batch())
    logp = m.z.log_softmax(0)
    assert log["labelled"] == 1 and l.item() == pytest.approx(-(logp[0]+logp[1]).item(), rel=1e-5)

def test_absent_classes_do_not_grow():
    assert growing_loss(Fixed(0., 0., 5.), batch())[1]["labelled"].item() == pytest.approx(2/56)

def test_without_superpixels_the_labels_stay():
    b = batch(); del b["sp"]
    l, log = growing_loss(Fixed(0., 5., 0.), b, train_scales=(1,))
    assert log["labelled"] == 2/64 and l.item() == pytest.approx(seed_loss(Fixed(0., 5., 0.)(b["image"]), b["seed"]).item())

def test_the_seed_is_never_accumulated():
    b = batch(); before = b["seed"].clone()
    growing_loss(Fixed(0., 5., 0.), b)
    assert torch.equal(b["seed"], before)

def test_no_gradient_through_growing():
    m = Fixed(0., 5., 0.); growing_loss(m, batch())[0].backward()
    logp = m.z.detach().requires_grad_(); (-(logp.log_softmax(0)[0] + logp.log_softmax(0)[1])).backward()
    torch.testing.assert_close(m.z.grad, logp.grad)

def test_stride_looks_at_every_nth_pixel():
    b = batch(seed=torch.full((1, 8, 8), 255, dtype=torch.uint8)); b["seed"][:, 2, 2] = 0; b["seed"][:, 3, 3] = 1
    assert growing_loss(Fixed(0., 0., 0.), b, (1,), stride=4)[0].item() == pytest.approx(math.log(3))  # sees (2,2), not (3,3)


@pytest.fixture(scope="module")
def maps(scenes, tmp_path_factory):
    "Bars as superpixels; seeds from one of them and a square, by the image label (no mask is opened)."
    f = tmp_path_factory.mktemp("maps")
    for id in scenes.ids():
        h, w = scenes.image(id).shape[:2]
        sp = np.repeat(np.arange(h)//16, w).reshape(h, w).astype(np.int32)
        L = np.full((h, w), 255, np.uint8); L[:10] = 0; L[70:90, 70:90] = scenes.present(id).argmax()+1
        write_labels(f/"sp"/f"{id}.png", sp); write_mask(f/"seeds"/f"{id}.png", L)
    return f

def test_fit_resume_and_watch(scenes, maps, tmp_path):
    seen = []
    def stop(e, m, row):
        seen.append(e)
        if e == 1: raise KeyboardInterrupt
    growth = GrowthSettings(maps/"sp", watch=2)
    with pytest.raises(KeyboardInterrupt): fit_segmenter(scenes, maps/"seeds", tmp_path/"a", growth, HOW, stop)
    (ma, a), (mb, b) = (fit_segmenter(scenes, maps/"seeds", tmp_path/f, growth, HOW) for f in "ab")
    assert seen == [0, 1] and [r["loss"] for r in a] == [r["loss"] for r in b] and 0 < a[0]["labelled"] <= 1
    files = sorted(p.relative_to(tmp_path/"a") for p in (tmp_path/"a").rglob("*.png"))
    assert len(files) == 6 and {p.parts[1] for p in files} == {"epoch_00", "epoch_01", "epoch_02"}
    for p in [*files, "model.safetensors"]: assert (tmp_path/"a"/p).read_bytes() == (tmp_path/"b"/p).read_bytes()
    id = files[0].stem
    first, last = read_mask(tmp_path/"a"/files[0]), read_mask(tmp_path/"a"/"seeds"/"epoch_02"/f"{id}.png")
    assert np.array_equal(first, read_mask(maps/"seeds"/f"{id}.png")) and np.array_equal(first[first != 255], last[first != 255])
    image = scenes.image(id)
    np.testing.assert_array_equal(predict(load_deeplab(tmp_path/"a"), image), predict(ma.eval(), image))

def test_the_seed_grows_again_from_the_kept_softmax(scenes, maps, tmp_path):
    given = (scenes, maps/"seeds", tmp_path/"a", GrowthSettings(maps/"sp", watch=3, softmax=2, beta_bg=.3, beta_fg=.15), HOW)
    def stop(epoch, *_):
        if epoch: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): fit_segmenter(*given, stop)
    first = (tmp_path/"a"/"softmax"/"epoch_01")
    kept = {p.name: p.read_bytes() for p in first.iterdir()}
    fit_segmenter(*given)  # goes on at epoch 2
    assert {p.name: p.read_bytes() for p in first.iterdir()} == kept and len(kept) == 2
    files = sorted((tmp_path/"a"/"softmax").rglob("*.npz"))
    assert {p.parent.name for p in files} == {"epoch_01", "epoch_02"} and len(files) == 4  # before training there is none
    moved = 0
    for p in files:
        seed, sp, present = read_mask(maps/"seeds"/f"{p.stem}.png"), read_labels(maps/"sp"/f"{p.stem}.png"), scenes.present(p.stem)
        H = load_softmax(p, scenes.n_classes)
        grown = grow(seed, H, sp, present, .3, .15)
        np.testing.assert_array_equal(grown, read_mask(tmp_path/"a"/"seeds"/p.parent.name/f"{p.stem}.png"))
        assert not H[1:][~present].any() and abs(H[0].mean()) > 0
        moved += (grown != seed).sum()
    assert moved

def test_no_softmax_without_growth_or_when_not_asked(scenes, maps, tmp_path):
    for name, growth in dict(a=GrowthSettings(maps/"sp", watch=2, softmax=0), b=GrowthSettings(watch=2)).items():
        fit_segmenter(scenes, maps/"seeds", tmp_path/name, growth, ONE)
    assert not list(tmp_path.rglob("*.npz")) and len(list(tmp_path.rglob("epoch_01/*.png"))) == 4

def test_softmax_file(tmp_path):
    H = np.random.default_rng(0).dirichlet(np.ones(4), (5, 6)).transpose(2, 0, 1).astype(np.float32)
    save_softmax(tmp_path/"a.npz", H, [True, False, True])
    back = load_softmax(tmp_path/"a.npz", 3)
    np.testing.assert_array_equal(back, H.astype(np.float16)*np.float32([1, 1, 0, 1])[:, None, None])
    assert back.dtype == np.float32
    with pytest.raises(DataError, match="holds class 3, but there are 2"): load_softmax(tmp_path/"a.npz", 2)
    with pytest.raises(DataError, match="4 dimensions|3 dimensions"): save_softmax(tmp_path/"b.npz", H[None], [True])
    with pytest.raises(DataError, match="3 foreground classes, but present has 2"): save_softmax(tmp_path/"b.npz", H, [True, True])
    np.savez(tmp_path/"c.npz", cam=H)
    with pytest.raises(DataError, match="is no softmax file"): load_softmax(tmp_path/"c.npz", 3)
    (tmp_path/"d.npz").write_bytes((tmp_path/"a.npz").read_bytes()[:-40])
    with pytest.raises(DataError, match="damaged"): load_softmax(tmp_path/"d.npz", 3)
    with pytest.raises(DataError, match="not there"): load_softmax(tmp_path/"e.npz", 3)

def test_labels_as_they_are_and_init_from_the_classifier(scenes, maps, tmp_path):
    c, _ = fit_classifier(scenes, tmp_path/"c", replace(CLASSIFIER, net="small", init="random", epochs=1, batch=6, crop=80, warmup_epochs=0, device="cpu"), test_split=None)
    m, rows = fit_segmenter(scenes, maps/"seeds", tmp_path/"s", settings=replace(ONE, lr=1e-12, init=f"classifier:{tmp_path/'c'}", freeze_bn=True))
    assert m.init["source"] == "classifier" and len(m.init["sha256"]) == 64
    torch.testing.assert_close(m.backbone.stem[0][0].weight, c.backbone.stem[0][0].weight)
    share = np.mean([(read_mask(maps/"seeds"/f"{i}.png") != 255).mean() for i in scenes.ids()])
    assert rows[0]["labelled"] < 3*share

def test_what_is_missing_is_named(scenes, maps, tmp_path):
    with pytest.raises(DataError, match=r"24 maps for the 24 images .* missing, the first is .*nowhere"):
        fit_segmenter(scenes, tmp_path/"nowhere", tmp_path/"x", settings=HOW)
    assert not (tmp_path/"x").exists()

def test_other_labels_in_the_same_folder_are_refused(scenes, maps, tmp_path):
    fit_segmenter(scenes, maps/"seeds", tmp_path/"x", settings=ONE)
    with pytest.raises(RunError, match="data="): fit_segmenter(scenes, maps/"seeds", tmp_path/"x", GrowthSettings(maps/"sp"), ONE)

def test_a_classifier_on_another_net_is_refused(scenes, maps, tmp_path):
    fit_classifier(scenes, tmp_path/"c", replace(CLASSIFIER, net="small", init="random", epochs=1, batch=24, crop=32, warmup_epochs=0, device="cpu"), test_split=None)
    with pytest.raises(ParameterError, match="choose the same"):
        fit_segmenter(scenes, maps/"seeds", tmp_path/"x", settings=replace(HOW, net="resnet50", init=f"classifier:{tmp_path/'c'}"))
