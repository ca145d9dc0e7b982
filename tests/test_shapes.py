"""Files that are read back hold what they should, or are refused in one sentence that names them: weights, and every kind of JSON."""
import json
import pathlib
import pickle
import shutil
import types
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from wsss_nb import cli, run_commands
from wsss_nb.backbones import Small, create
from wsss_nb.core import ParameterError, RunError, WeightsError, WsssError, load_weights, read_json, save_weights, write_json
from wsss_nb.deeplab import DeepLab, load_deeplab, save_model
from wsss_nb.features import load
from wsss_nb.mask_folder import Ledger
from wsss_nb.processes import bar_of
from wsss_nb.execute import run_stage
from wsss_nb.record import METRICS, RECORD, RunRecord, stage_folder, stage_key
from wsss_nb.store import run_states
from wsss_nb.artefacts import Run, demo_folder
from wsss_nb.results import run_metrics
from wsss_nb.report import write_report
from wsss_nb.tables import replicas
from wsss_nb.train import load_checkpoint
from wsss_nb.weights import lite0_file, load_into


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(3)
    return Small().state_dict()


def below(p, state): return {p + k: v for k, v in state.items()}


def lands(file, state):
    net = Small()
    load_into(net, file)
    return all(torch.equal(v, net.state_dict()[k]) for k, v in state.items())


# ---- checkpoints of other projects

BESIDE = dict(
    namespace=Namespace(lr=.1, nested=Namespace(arch="vit")), settings=types.SimpleNamespace(a=1), posix=pathlib.PurePosixPath("out"), folder=Path("out"),
    numpy_float=np.float64(.5), numpy_int=np.int64(3), numpy_bool=np.bool_(True), plain=dict(a=[1, "b", None, (2., 3)]), device=torch.device("cpu"),
    dtype=torch.float16, optimizer=dict(state={0: dict(exp_avg=torch.ones(3))}, param_groups=[dict(lr=.1, params=[0])]))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("what", BESIDE)
def test_what_lies_beside_the_tensors(what, zipped, state, tmp_path):
    torch.save({"state_dict": state, what: BESIDE[what]}, tmp_path/"w.pth", _use_new_zipfile_serialization=zipped)
    assert lands(tmp_path/"w.pth", state)


@pytest.mark.parametrize("begin", ["model.", "module.", "backbone.", "teacher.backbone.", "module.backbone.", "state_dict.", "model.module.", "net.encoder.", "my_own.v2.deep.name."])
def test_what_stands_before_the_names(begin, state, tmp_path):
    torch.save(below(begin, state) | {"head.weight": torch.zeros(2, 2)}, tmp_path/"w.pth")
    save_file(below(begin, state), tmp_path/"w.safetensors")
    assert lands(tmp_path/"w.pth", state) and lands(tmp_path/"w.safetensors", state)


@pytest.mark.parametrize("wrap", ["state_dict", "model", "teacher", "model_state_dict", "net", "ema"])
def test_whatever_the_dict_around_them_is_called(wrap, state, tmp_path):
    torch.save({wrap: below("module.", state), "epoch": 3}, tmp_path/"w.pth")
    assert lands(tmp_path/"w.pth", state)


def other(state): return {k: v + 1 if v.is_floating_point() else v for k, v in state.items()}


def test_dinos_own_checkpoint_gives_the_teacher(state, tmp_path):
    torch.save(dict(student=below("module.backbone.", other(state)), teacher=below("backbone.", state) | {"head.mlp.0.weight": torch.zeros(3, 3)},
                    optimizer=BESIDE["optimizer"], epoch=100, args=Namespace(arch="vit_small"), dino_loss=dict(center=torch.zeros(1, 4))), tmp_path/"checkpoint.pth")
    assert lands(tmp_path/"checkpoint.pth", state)


@pytest.mark.parametrize("one, two", [("state_dict", "state_dict_ema"), ("encoder_q", "encoder_k"), ("a", "b")])
def test_two_sets_of_weights_are_not_chosen_from_in_silence(one, two, state, tmp_path):
    torch.save({one: state, two: other(state)}, tmp_path/"w.pth")
    with pytest.raises(WeightsError, match=rf"w.pth holds these weights 2 times, below ({one}. and {two}.|{two}. and {one}.): save"): load_into(Small(), tmp_path/"w.pth")


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: dict(state_dict=below("module.", s))])
def test_lite0_by_its_packages_names(wrap, tmp_path):
    torch.save(wrap(load_weights(lite0_file())), tmp_path/"w.pth")
    a, b = create("lite0"), create("lite0", tmp_path/"w.pth")
    assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


def test_a_safetensors_file_by_another_name(state, tmp_path):
    (tmp_path/"w.pt").write_bytes(save(state))
    assert lands(tmp_path/"w.pt", state)


# ---- what is none

class Evil:
    def __reduce__(self): return print, ("run",)


def spoiled(state, k, v): return state | {k: v}


KEY = "stem.0.0.weight"
HELD = {
    "a list": (lambda s: [1, 2], "hold a list, not tensors by name"),
    "a list of tensors": (lambda s: list(s.values()), "hold a list, not tensors by name"),
    "a tensor": (lambda s: torch.zeros(3), "hold a Tensor, not tensors by name"),
    "None": (lambda s: None, "hold a NoneType, not tensors by name"),
    "a number": (lambda s: 5, "hold a int, not tensors by name"),
    "text": (lambda s: "weights", "hold a str, not tensors by name"),
    "integer keys": (lambda s: dict(enumerate(s.values())), "hold no tensor that has a name"),
    "nothing": (lambda s: {}, "hold no tensor that has a name"),
    "no tensors": (lambda s: dict(epoch=3, args=Namespace()), "hold no tensor that has a name"),
    "deeply nested": (lambda s: deep(s), "hold no tensor that has a name"),
    "a net": (lambda s: Small(), r"holds wsss_nb.backbones.Small, and reading that could run code"),
    "code": (lambda s: s | dict(args=Evil()), "holds .*print, and reading that could run code"),
    "NaN": (lambda s: spoiled(s, KEY, torch.full_like(s[KEY], float("nan"))), rf"hold NaN or infinite values \(1 of {len(Small().state_dict())} tensors, the first is \['{KEY}'\]"),
    "one infinity": (lambda s: spoiled(s, KEY, s[KEY].clone().index_fill_(0, torch.tensor(1), float("inf"))), "hold NaN or infinite values"),
    "half NaN": (lambda s: {k: v.half()*float("nan") if v.is_floating_point() else v for k, v in s.items()}, "hold NaN or infinite values"),
    "another shape": (lambda s: spoiled(s, KEY, s[KEY][:5]), rf"holds no weights for Small: 1 of .* the first is \['{KEY}'\]"),
    "another kind": (lambda s: spoiled(s, KEY, s[KEY].to(torch.int8)), "holds no weights for Small: 1 of"),
    "a sparse tensor": (lambda s: spoiled(s, KEY, s[KEY].to_sparse()), "holds no weights for Small: 1 of"),
    "one is missing": (lambda s: {k: v for k, v in s.items() if k != KEY}, "holds no weights for Small: 1 of"),
    "another net": (lambda s: {"layer1.0.conv1.weight": torch.zeros(4, 4)}, r"holds no weights for Small.*its own names begin with \['layer1.0.conv1.weight'\]"),
    "complex": (lambda s: spoiled(s, KEY, s[KEY] + 1j), "holds no weights for Small: 1 of")}


def deep(s):
    for _ in range(50): s = dict(a=s)
    return s


@pytest.mark.parametrize("what", HELD)
def test_a_checkpoint_that_holds_something_else(what, state, tmp_path, capsys):
    make, words = HELD[what]
    torch.save(make(state), tmp_path/"w.pth")
    net = Small()
    before = net.stem[0][0].weight.clone()
    with pytest.raises(WeightsError, match=rf"w\.pth {words}|w\.pth cannot be read as a plain state dict \(it {words}") as e: load_into(net, tmp_path/"w.pth")
    assert "\n" not in str(e.value) and torch.equal(before, net.stem[0][0].weight)
    assert "run" not in capsys.readouterr().out


RAW = {"empty": b"", "text": b"not weights\n", "a page": b"<html><body>404</body></html>", "a pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
       "a zip of nothing": b"PK\x05\x06" + b"\0"*18, "a pickle of a tuple": pickle.dumps((1, 2)), "a cut pickle": pickle.dumps(dict(a=1))[:-3], "zeros": b"\0"*64,
       "a header too long": b"\xff"*8 + b"{}", "a header that is a list": (2).to_bytes(8, "little") + b"[]", "a header of nothing": (2).to_bytes(8, "little") + b"{}",
       "an unknown dtype": (54).to_bytes(8, "little") + b'{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}} ' + b"\0"*4}


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("what", RAW)
def test_bytes_that_are_no_weights(what, name, tmp_path):
    (tmp_path/name).write_bytes(RAW[what])
    with pytest.raises(WeightsError, match=rf"weights .*{name} (are damaged or no safetensors|cannot be read|hold)") as e: load_weights(tmp_path/name)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("cut", [.1, .5, .9, .999])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_weights_cut_off(name, cut, state, tmp_path):
    (save_file if name.endswith("s") else torch.save)(state, tmp_path/name)
    raw = (tmp_path/name).read_bytes()
    (tmp_path/name).write_bytes(raw[:int(len(raw)*cut)])
    with pytest.raises(WeightsError, match=name): load_weights(tmp_path/name)


def test_a_folder_in_the_place_of_weights(tmp_path):
    with pytest.raises(WeightsError, match="are a folder: name a file in it"): load_weights(tmp_path)


@pytest.mark.parametrize("side", [b"", b"\xff\xfe", b"0000  w.safetensors\n", b" \n"])
def test_a_spoiled_sidecar(side, state, tmp_path):
    save_weights(tmp_path/"w.safetensors", state)
    (tmp_path/"w.safetensors.sha256").write_bytes(side)
    with pytest.raises(WeightsError, match="damaged: their SHA-256 is not the one in w.safetensors.sha256"): load_weights(tmp_path/"w.safetensors")


def test_nan_weights_do_not_blame_the_photograph(tmp_path):
    torch.save({k: v*float("nan") for k, v in load("mini", "random").vit.state_dict().items()}, tmp_path/"ruined.pth")
    with pytest.raises(WeightsError, match="ruined.pth hold NaN"): load("mini", tmp_path/"ruined.pth")


# ---- what a network's file says of itself

@pytest.fixture(scope="module")
def described():
    return dict(kind="deeplab", net="small", init=dict(name="small"), output_stride=8, classes=["cat", "dog"], head={})


@pytest.mark.parametrize("change, words", [
    (dict(net=5), "net should be text, but is a whole number"), (dict(classes="cat"), "classes should be a list, but is text"), (dict(classes=[1, 2]), r"classes\[0\] should be text"),
    (dict(output_stride="8"), "output_stride should be a whole number"), (dict(head=[1]), "head should be an object"), (dict(init=3), "init should be an object or null"),
    (dict(classes=["cat"]), "does not hold the tensors of the deeplab"), (dict(head=dict(strange=1)), "does not hold the tensors of the deeplab"),
    (dict(net="unknown"), "does not hold the tensors of the deeplab"), (dict(net="lite0"), "does not hold the tensors of the deeplab")])
def test_a_description_that_is_not_of_its_net(change, words, described, tmp_path):
    save_model(tmp_path/"m.safetensors", DeepLab(create("small", "random"), 3), **described)
    assert load_deeplab(tmp_path/"m.safetensors").classes == ("cat", "dog")
    save_model(tmp_path/"m.safetensors", DeepLab(create("small", "random"), 3), **described | change)
    with pytest.raises(WeightsError, match=rf"m\.safetensors .*{words}") as e: load_deeplab(tmp_path/"m.safetensors")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("key", ["net", "output_stride", "classes", "init"])
def test_a_description_cut_short(key, described, tmp_path):
    save_model(tmp_path/"m.safetensors", DeepLab(create("small", "random"), 3), **{k: v for k, v in described.items() if k != key})
    with pytest.raises(WeightsError, match=rf"m.safetensors is not what it was: {key} is missing"): load_deeplab(tmp_path/"m.safetensors")


@pytest.mark.parametrize("meta", ["[]", "null", "{", "[" * 100_000, '{"rows": [], "settings": []}', '{"rows": {}}', '{"settings": {}, "rows": [1]}'])
def test_a_checkpoints_own_words(meta, state, tmp_path):
    save_weights(tmp_path/"c.safetensors", state, dict(wsss_nb=meta))
    with pytest.raises(WeightsError, match="c.safetensors is (not|no) "): load_checkpoint(tmp_path/"c.safetensors", Small(), None, {})


# ---- JSON

BAD = {"a list": b"[]", "null": b"null", "a number": b"5", "text": b'"run"', "true": b"true", "nothing": b"", "cut off": b'{"method": "clust', "not utf-8": b'{"a": "\xff\xfe"}',
       "utf-16": '{"a": 1}'.encode("utf-16"), "zeros": b"\0"*100, "nested lists": b"["*100_000, "nested objects": b'{"a":'*100_000, "two": b"{}{}", "a NaN": b'{"a": NaN}', "many digits": b'{"a": ' + b"9"*10_000 + b"}"}


def metrics(folder, text): (folder/"metrics.json").write_bytes(text)


def a_plan(folder):
    write_json(folder/"sweep.json", dict(data="scenes", runs=dict(r=dict(method="clustering", params={}, seed=0, stages=["t-1"])), stages={"t-1": dict(name="t", needs=[], makes="o", key="k")}))
    RunRecord(folder/"stages"/"t-1").update(status="done", stages=dict(t=dict(status="queued")))
    return folder


READERS = {  # file: (how it comes to be in a folder, what reads it)
    "run.json": (lambda f: RunRecord(f).update(status="done"), lambda f: RunRecord(f).data), "inputs.json": (lambda f: stage_folder(f, a=1), lambda f: stage_folder(f, a=1)),
    "inputs.json, its key": (lambda f: stage_folder(f, a=1), stage_key), "metrics.json": (lambda f: write_json(f/"metrics.json", {}), replicas),
    "metrics.json, of a sweep": (lambda f: write_json(f/"metrics.json", {}), lambda f: run_metrics(f.parent, f.name)), "sweep.json": (a_plan, run_states),
    "segment.json": (lambda f: write_json(f/"segment.json", {}), Ledger), "stages/t-1/run.json": (a_plan, run_states), "run.json, of a run": (lambda f: shutil.copytree(demo_folder(), f, dirs_exist_ok=True), Run)}


@pytest.mark.parametrize("bad", [*BAD, "a folder"])
@pytest.mark.parametrize("which", READERS)
def test_json_that_is_none_of_ours(which, bad, tmp_path):
    make, read = READERS[which]
    folder, name = tmp_path/"run", which.split(",")[0]
    folder.mkdir()
    make(folder)
    read(folder)  # whole, it is read
    file = folder/name
    file.unlink()
    if bad == "a folder": file.mkdir()
    else: file.write_bytes(BAD[bad])
    if which == "stages/t-1/run.json" and bad == "a NaN": return  # harmless where only a status is read
    with pytest.raises(WsssError, match=rf"{Path(name).name}( is|;)") as e: read(folder)
    assert "\n" not in str(e.value) and len(str(e.value)) < 600


WRONG = [
    ("run.json", dict(data=[]), "data should be an object, but is a list"), ("run.json", dict(data=None), "data should be an object, but is null"), ("run.json", dict(data=dict(classes="cat")), "data.classes should be a list"),
    ("run.json", dict(data=dict(classes=["cat", None])), r"data.classes\[1\] should be text, but is null"), ("run.json", dict(stages=[]), "stages should be an object"),
    ("run.json", dict(stages=dict(t=5)), "stages.t should be an object, but is a whole number"), ("run.json", dict(stages=dict(t=dict(seconds="long"))), "stages.t.seconds should be a number or null, but is text"),
    ("run.json", dict(method=3), "method should be text or null"), ("run.json", dict(parameters=[1]), "parameters should be an object"), ("run.json", dict(init=[1]), "init should be an object or null"),
    ("run.json", dict(versions="1"), "versions should be an object"), ("run.json", dict(status=True), "status should be text or null, but is true or false"),
    ("metrics.json", dict(segmenter=.4), "segmenter should be an object, but is a number"), ("metrics.json", dict(segmenter=dict(plain=[])), "segmenter.plain should be an object"),
    ("metrics.json", {"segmenter-A1": dict(plain=dict(miou="0.4"))}, "segmenter-A1.plain.miou should be a number or null, but is text"), ("metrics.json", dict(segmenter=dict(plain=dict(miou=.4, iou=[.1, "x"]))), r"segmenter.plain.iou\[1\] should be a number or null"),
    ("metrics.json", dict(grown={}), "grown should be a list"), ("metrics.json", dict(grown=[1]), r"grown\[0\] should be an object"), ("metrics.json", dict(superpixels=dict(count="many")), "superpixels.count should be a number or null"),
    ("metrics.json", dict(saliency=dict(original=3)), "saliency.original should be an object"), ("metrics.json", dict(seed=dict(miou=True)), "seed.miou should be a number or null, but is true or false")]


@pytest.mark.parametrize("name, holds, words", WRONG, ids=[f"{n}-{k}" for k, (n, *_) in enumerate(WRONG)])
def test_a_field_of_another_kind_is_named(name, holds, words, tmp_path):
    write_json(tmp_path/name, holds)
    with pytest.raises(RunError, match=rf"{name} is not what it was: {words}"): read_json(tmp_path/name, RunError, dict(zip(("run.json", "metrics.json"), (RECORD, METRICS)))[name])


PLANS = [(lambda p: p.pop("data"), "data is missing"), (lambda p: p.update(runs=[]), "runs should be an object"), (lambda p: p["runs"].update(r=3), "runs.r should be an object"), (lambda p: p["runs"]["r"].pop("stages"), "runs.r.stages is missing"),
         (lambda p: p["runs"]["r"].update(seed="0"), "runs.r.seed should be a whole number"), (lambda p: p.pop("stages"), "stages is missing"), (lambda p: p["stages"]["t-1"].update(needs=None), "stages.t-1.needs should be a list"),
         (lambda p: p["runs"]["r"].update(stages=["t-2"]), "a run or a stage names a stage that is not in it"), (lambda p: p["stages"]["t-1"].update(needs=["t-2"]), "a run or a stage names a stage that is not in it"),
         (lambda p: p["runs"]["r"].update(shown="alpha"), "runs.r.shown should be a list or null"), (lambda p: p["runs"]["r"].update(tags=[1]), r"runs.r.tags\[0\] should be text"), (lambda p: p["runs"]["r"].update(stages=[["t-1"]]), r"runs.r.stages\[0\] should be text")]


@pytest.mark.parametrize("change, words", PLANS, ids=range(len(PLANS)))
def test_a_sweeps_plan_with_something_wrong(change, words, tmp_path):
    plan = read_json(a_plan(tmp_path)/"sweep.json")
    change(plan)
    write_json(tmp_path/"sweep.json", plan)
    with pytest.raises(RunError, match=f"sweep.json is not what it was: {words}"): run_states(tmp_path)


@pytest.mark.parametrize("bad", [*BAD, "a folder"])
@pytest.mark.parametrize("name", ["run.json", "notebooks/t.json"])
def test_a_stage_that_cannot_be_read_ends_in_a_sentence(name, bad, tmp_path):
    "The queue's own two files: what the stage is, and what has become of it. Its process is never started."
    write_json(tmp_path/"notebooks"/"t.json", dict(name="t", notebook="none.ipynb", folder=str(tmp_path), params={}, makes="o", key="k"))
    file = tmp_path/name
    file.unlink(missing_ok=True)
    if bad == "a folder": file.mkdir()
    else: file.write_bytes(BAD[bad])
    if (name, bad) == ("run.json", "a NaN"): write_json(file, dict(stages=dict(t=[])))
    ended = run_stage(tmp_path/"notebooks"/"t.json")
    assert ended["status"] == "failed" and str(file) in ended["error"]
    assert "\n" not in ended["error"] and not (tmp_path/"notebooks"/"t.log").exists()


@pytest.mark.parametrize("text", [b"[]", b"null", b"5", b"{}", b'{"n": "a", "total": 3, "desc": ""}', b'{"n": 1, "total": "x"}', b"["*100_000, b"\xff", b'{"n": 1, "to'])
def test_a_bar_that_says_nonsense_ends_nothing(text, tmp_path):
    (tmp_path/"bar").write_bytes(text)
    assert bar_of(tmp_path/"bar") == (0., "")


ROW = b"file,class,pixels,share,probability,mask\na.jpg,cat,5,0.5,0.9,a.png\n"


@pytest.mark.parametrize("text", [ROW[:60], ROW + b'"a.jpg,cat,5\n', b"\xff\xfe" + ROW, ROW.replace(b"cat", b"c"*200_000), b"what,ever\n1,2\n", ROW + b"a.jpg,b,c,d,e,f,g,h\n", b"\0"*50], ids=range(7))
def test_areas_that_are_no_table(text, tmp_path):
    (tmp_path/"areas.csv").write_bytes(ROW)
    assert list(Ledger(tmp_path).rows) == ["a.jpg"]
    (tmp_path/"areas.csv").write_bytes(text)
    with pytest.raises(ParameterError, match="areas.csv is .*delete it, and the masks are made again"): Ledger(tmp_path)


# ---- a report says which scores it lacks

@pytest.fixture
def scored(tmp_path, scenes):
    "A finished run of three seeds on scenes that can be judged."
    folder = tmp_path/"run"
    shutil.copytree(demo_folder(), folder)
    d = read_json(folder/"run.json")
    d["data"]["spec"], d["parameters"] = "scenes:train=24,val=12,seed=0", d["parameters"] | dict(seeds=[0, 1], compare=["plain"], crf=True)
    m = read_json(folder/"metrics.json")
    m["segmenter-plain"] = m["segmenter"]
    write_json(folder/"run.json", d)
    for f in (folder, folder/"replicas"/"seed1"): write_json(f/"metrics.json", m)
    (folder/"pictures").mkdir()
    shutil.copy(next((folder/"superpixels").glob("*.png")), folder/"pictures"/"superpixels.png")
    return folder


def report(folder, capsys):
    code = cli.main(["report", str(folder)])
    return code, *capsys.readouterr()


def test_a_report_with_all_its_scores(scored, capsys):
    code, out, err = report(scored, capsys)
    assert (code, err) == (0, "") and "mIoU" in out


def drop(*path):
    def change(folder):
        m = read_json(folder/"metrics.json")
        inner = m
        for k in path[:-1]: inner = inner[k]
        del inner[path[-1]]
        write_json(folder/"metrics.json", m)
    return change


@pytest.mark.parametrize("change, words", [
    (lambda f: (f/"replicas"/"seed1"/"metrics.json").unlink(), "seed1/metrics.json is not there"), (lambda f: [p.unlink() for p in f.rglob("metrics.json")], "run/metrics.json is not there"),
    (drop("segmenter"), "run/metrics.json lacks segmenter.plain.miou, segmenter.crf.miou"), (drop("segmenter", "crf"), "metrics.json lacks segmenter.crf.miou"),
    (drop("segmenter", "plain", "miou"), "metrics.json lacks segmenter.plain.miou"), (drop("segmenter-plain"), "metrics.json lacks segmenter-plain.plain.miou"), (drop("segmenter", "crf", "iou"), ""),
    (lambda f: write_json(f/"metrics.json", {}), "lacks segmenter.plain.miou, segmenter.crf.miou, segmenter-plain.plain.miou")], ids=range(8))
def test_a_report_that_lacks_scores_says_which(change, words, scored, capsys):
    change(scored)
    code, out, err = report(scored, capsys)
    assert (code == 1 and words in err if words else code == 0) and "report: " in out and "Traceback" not in err


def test_a_report_without_truth_needs_no_scores(scored, capsys, monkeypatch):
    for p in scored.rglob("metrics.json"): p.unlink()
    monkeypatch.setattr(run_commands, "_no_truth", lambda d: True)
    assert report(scored, capsys)[0] == 0


def test_a_damaged_metrics_json_is_not_a_run_without_scores(scored, capsys):
    metrics(scored, b'{"segmenter": {"pl')
    code, out, err = report(scored, capsys)
    assert code == 2 and err.count("\n") == 1 and "metrics.json is not valid JSON" in err
    with pytest.raises(RunError, match="metrics.json"): write_report(scored)
