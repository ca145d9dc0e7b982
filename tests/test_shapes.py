"""Files that are read back hold what they should, or are refused in one sentence that names them: weights first."""
import pathlib
import pickle
import types
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from wsss_nb.backbones import Small, create, load_into
from wsss_nb.core import WeightsError, load_weights, save_weights
from wsss_nb.features import load


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


def test_a_vit_with_its_authors_wrapping(tmp_path):
    a = load("mini", "random")
    torch.save(dict(teacher=below("backbone.", a.vit.state_dict()), args=Namespace()), tmp_path/"w.pth")
    b = load("mini", tmp_path/"w.pth")
    assert all(torch.equal(v, b.vit.state_dict()[k]) for k, v in a.vit.state_dict().items())


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: dict(state_dict=below("module.", s))])
def test_lite0_by_its_packages_names(wrap, tmp_path):
    from wsss_nb.backbones import lite0_file
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
