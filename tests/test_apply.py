"""A trained run applied: what is refused and how, masks of any size, batches, ONNX."""
import json
import shutil
import sys

import numpy as np
import pytest
from skimage import data as photographs

import wsss_nb.apply as apply
from wsss_nb.apply import AppliedRun, ApplySettings, by_shape, check_onnx, decide, load_net, open_run, segment_image, softmax_batch, write_onnx
from wsss_nb.backbones import create
from wsss_nb.core import ParameterError, RunError, WeightsError, read_json, write_json
from wsss_nb.deeplab import DeepLab, predict, save_model
from wsss_nb.scenes import make_scenes
from wsss_nb.artefacts import demo_folder


@pytest.fixture(scope="module")
def run(): return open_run("sample")


@pytest.fixture(scope="module")
def net(run): return load_net(run, "cpu")


@pytest.fixture
def mine(run, tmp_path):
    "A copy of the sample run, to be spoilt."
    shutil.copytree(run.folder, tmp_path/"mine")
    return tmp_path/"mine"


@pytest.fixture(scope="module")
def scenes(): return list(make_scenes(3, seed=5)[0])


# ---- opening

def test_sample(run):
    record = read_json(demo_folder("demo-masking")/"run.json")
    assert (run.method, run.classes, run.scales, run.flip) == ("masking", tuple(record["data"]["classes"]), (1.0,), False)
    assert run.sha256 == (run.folder/"segmenter"/"model.safetensors.sha256").read_text().split()[0]


def test_own_folder_called_sample_comes_first(mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(mine, tmp_path/"sample")
    assert open_run("sample").folder.resolve() == tmp_path/"sample"


def record(mine, **fields): write_json(mine/"run.json", read_json(mine/"run.json") | fields)
def model(mine): return mine/"segmenter"/"model.safetensors"


SPOILT = {
    "no record": (lambda m: (m/"run.json").unlink(), RunError, "holds no run.json"),
    "not json": (lambda m: (m/"run.json").write_text("{"), RunError, "not valid JSON"),
    "another json": (lambda m: write_json(m/"run.json", dict(a=1)), RunError, "not the record of a run"),
    "running": (lambda m: record(m, status="running"), RunError, "is not finished (its record says running)"),
    "failed": (lambda m: record(m, status="failed"), RunError, "is not finished (its record says failed)"),
    "superpixels": (lambda m: record(m, method="superpixels"), RunError, "trains no segmenter"),
    "sweep": (lambda m: write_json(m/"sweep.json", {}), RunError, "holds many runs: name one of them"),
    "no model": (lambda m: model(m).unlink(), WeightsError, "model.safetensors is not there: run the same"),
    "cut off": (lambda m: model(m).write_bytes(model(m).read_bytes()[:10_000]), WeightsError, "damaged: its SHA-256"),
    "a bit": (lambda m: model(m).write_bytes(model(m).read_bytes()[:-1] + b"x"), WeightsError, "damaged: its SHA-256"),
    "unchecked": (lambda m: (m/"segmenter"/"model.safetensors.sha256").unlink(), WeightsError, "copy the run's folder whole"),
    "other classes": (lambda m: record(m, data=dict(read_json(m/"run.json")["data"], classes=["cat"])), WeightsError, "segmenter of another run")}


@pytest.mark.parametrize("spoil,error,said", SPOILT.values(), ids=SPOILT)
def test_refused(mine, spoil, error, said):
    spoil(mine)
    with pytest.raises(error) as e: open_run(mine)
    assert said in str(e.value) and str(mine) in str(e.value) and "\n" not in str(e.value)


def test_no_folder_and_a_file(tmp_path):
    with pytest.raises(RunError, match="no such folder"): open_run(tmp_path/"none")
    (tmp_path/"file").touch()
    with pytest.raises(RunError, match="is a file"): open_run(tmp_path/"file")


def test_a_sweep_names_one_of_its_runs(mine):
    shutil.copytree(mine, mine/"alpha=0.5")
    write_json(mine/"sweep.json", {})
    with pytest.raises(RunError, match="such as .*alpha=0.5"): open_run(mine)


def test_the_packaged_clustering_run_has_no_segmenter():
    with pytest.raises(WeightsError, match="name `sample`"): open_run(demo_folder())


# ---- predicting

def test_as_the_evaluation_predicts(net, scenes):
    found = segment_image(scenes[0], net, ApplySettings(scales=(1, .5), flip=True))
    H = predict(net, scenes[0], (1, .5), True)
    assert (found.softmax == H).all() and (found.mask == H.argmax(0)).all() and found.mask.dtype == np.uint8


@pytest.mark.parametrize("hw", [(1, 1), (1, 500), (37, 61), (300, 451)])
def test_any_size(net, hw):
    image = np.resize(photographs.chelsea(), (*hw, 3))
    assert segment_image(image, net).mask.shape == hw


def test_a_read_only_picture(net, recwarn):
    image = photographs.chelsea()[:80, :80]
    image.flags.writeable = False
    segment_image(image, net)
    assert not [w for w in recwarn if "writable" in str(w.message)]


def test_a_huge_picture_is_looked_at_smaller(net):
    image = np.repeat(photographs.chelsea(), 4, 0)[:, :200]  # 1200 x 200
    found = segment_image(image, net, ApplySettings(max_pixels=15_000))
    assert found.mask.shape == (1200, 200) and found.softmax.shape[1:] == (300, 50)


def test_crf_cleans_up(net, scenes):
    plain, clean = (segment_image(scenes[0], net, ApplySettings(crf=c)).mask for c in (False, True))
    assert plain.shape == clean.shape and 0 < (plain != clean).mean() < .5


def test_batches_equal_single_pictures(net, scenes):
    s = ApplySettings(scales=(1, .75), flip=True, max_pixels=20_000)
    for H, image in zip(softmax_batch(scenes, net, s), scenes): assert (decide(image, H, s).mask == segment_image(image, net, s).mask).all()


@pytest.mark.parametrize("fields,said", [(dict(scales=()), "but are none"), (dict(scales=(9,)), "but are 9"), (dict(scales=(-1,)), "0.05"), (dict(max_pixels=5), "4096")])
def test_wrong_settings(fields, said):
    with pytest.raises(ParameterError, match=said): ApplySettings(**fields)


def test_bins_keep_every_picture():
    rng = np.random.default_rng(0)
    items = [(i, np.zeros((*rng.integers(1, 4, 2), 3))) for i in range(200)]
    lists = list(by_shape(iter(items), 4, waiting=10))
    assert sorted(k for part in lists for k, _ in part) == list(range(200)) and max(map(len, lists)) <= 10
    assert all(len({i.shape for _, i in part}) == 1 for part in lists)


def test_bins_hold_little():
    taken = []
    def items():
        for i in range(100):
            taken.append(i)
            yield i, np.zeros((i + 1, 1, 3))
    bins = by_shape(items(), 4, waiting=8)
    next(bins)
    assert len(taken) == 8


# ---- ONNX

def test_onnx(run, net, scenes, tmp_path):
    import onnxruntime
    found = write_onnx(run, tmp_path/"deep"/"net.onnx", [scenes[0], photographs.chelsea(), photographs.rocket()[:40, :200]])
    assert found.path == tmp_path/"deep"/"net.onnx" and found.opset == 18 and found.pictures == 3
    assert found.difference < 1e-4 and found.disagree < 1e-3
    session = onnxruntime.InferenceSession(str(found.path))
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == ["background", *run.classes] and facts["weights_sha256"] == run.sha256
    for n, h, w in ((1, 64, 64), (2, 101, 203)):  # any batch, any size
        P = session.run(None, dict(image=np.resize(photographs.coffee(), (n, h, w, 3))))[0]
        assert P.shape == (n, 9, h, w)
    assert not list(tmp_path.rglob("*.tmp*"))
    assert not net.training and not net.backbone.training


def test_onnx_of_lite0(tmp_path):
    "Its padding depends on the picture's size."
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    deep = DeepLab(create("lite0", output_stride=16), 4).eval()
    save_model(tmp_path/"segmenter"/"model.safetensors", deep, kind="deeplab", net="lite0", classes=["a", "b", "c"], output_stride=16, init=None)
    write_json(tmp_path/"run.json", dict(method="clustering", status="done", data=dict(classes=["a", "b", "c"])))
    found = write_onnx(open_run(tmp_path), tmp_path/"net.onnx", [photographs.chelsea()[:97, :131], photographs.rocket()[:200, :161]])
    assert found.difference < 1e-4


def test_onnx_that_differs_is_not_kept(run, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "TOLERANCE", 0.)
    monkeypatch.setattr(apply, "check_onnx", lambda *a: check_onnx(*a)._replace(difference=.5))
    with pytest.raises(WeightsError, match="was not kept"): write_onnx(run, tmp_path/"net.onnx", scenes[:1])
    assert not list(tmp_path.iterdir())


def test_onnx_without_its_packages(run, tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "find_spec", lambda name: None if name == "onnxruntime" else sys)
    with pytest.raises(ParameterError) as e: write_onnx(run, tmp_path/"net.onnx", [])
    assert str(e.value) == "ONNX needs onnxruntime: pip install onnxruntime"


def test_onnx_needs_its_ending(run, tmp_path):
    with pytest.raises(ParameterError, match="ends in .onnx"): write_onnx(run, tmp_path/"net.pt", [])


def test_equal_runs_are_equal(run): assert run == open_run("sample") and isinstance(run, AppliedRun)
