"""What an import brings with it: an explorer opens in seconds, and torchvision loads beside any build of torch."""
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from types import SimpleNamespace

import pytest
import torch

from wsss_nb import core

SLOW = {"timm", "torchvision", "torch._dynamo", "matplotlib.pyplot", "huggingface_hub", "scipy.ndimage", "skimage.segmentation"}


def fresh(code):
    "What a new process prints."
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout.split()


def test_an_explorer_opens_without_what_is_slow_to_import():
    assert not SLOW & set(fresh("import sys, wsss_nb.explore; print(*sys.modules)"))


def test_the_state_of_runs_is_told_without_torch():
    assert not {"torch", "torchvision"} & set(fresh("import sys, wsss_nb.core, wsss_nb.record, wsss_nb.runs, wsss_nb.store; print(*sys.modules)"))


def test_torchvision_and_timm_load_after_core():
    code = "import sys, wsss_nb.core\nassert 'torchvision' not in sys.modules\nimport torchvision, timm\nprint(timm.models.VisionTransformer.__name__)"
    assert fresh(code) == ["VisionTransformer"]


def test_the_schemas_outlive_a_reload_of_core():
    assert fresh("import gc, importlib, wsss_nb.core as c\nimportlib.reload(c); gc.collect()\nimport torchvision\nprint('loaded')") == ["loaded"]


def test_operators_of_a_matching_build_are_not_declared_again():
    code = """import torch
lib = torch.library.Library("torchvision", "DEF")
def load(path):  # as the compiled library does
    for op in ("nms", "qnms"): lib.define(op + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.ops.load_library = load
import wsss_nb.core
from importlib.util import find_spec
find_spec("torchvision")
print(len(torch._C._jit_get_schemas_for_operator("torchvision::nms")))"""
    assert fresh(code) == ["1"]


@pytest.fixture
def declared(monkeypatch):
    "What is declared from here on."
    seen = []
    monkeypatch.setattr(torch.library, "define", lambda name, schema: seen.append(name))
    monkeypatch.setattr(torch, "ops", SimpleNamespace(torchvision=SimpleNamespace(), load_library=torch.ops.load_library))
    return seen


def test_without_torchvision_nothing_is_declared(declared, monkeypatch):
    monkeypatch.setattr(core, "find_spec", lambda name: None)
    core._guard_torchvision()
    assert not declared


@pytest.mark.parametrize("library", [None, b"not a library"], ids=["missing", "damaged"])
def test_a_library_that_does_not_load_is_declared(declared, monkeypatch, tmp_path, library):
    if library: (tmp_path/f"_C{EXTENSION_SUFFIXES[-1]}").write_bytes(library)
    monkeypatch.setattr(core, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    core._guard_torchvision()
    assert declared == ["torchvision::nms", "torchvision::qnms"]


def test_what_a_kernel_of_explore_starts_with_is_there_and_leaves_no_names():
    out = fresh("import sys, wsss_nb, pathlib; file = pathlib.Path(wsss_nb.__file__).parent/'static'/'startup.txt'; names = {}; exec(file.read_text(), names); "
                "print('timm' in sys.modules, 'wsss_nb.explore' in sys.modules, set(names) - {'__builtins__'})")
    assert out == ["True", "True", "set()"]
