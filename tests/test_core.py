"Seeds, devices, bars and the cache: what everything else begins with."
import json
import random
import sys

import numpy as np
import pytest
import torch

from wsss_nb import core
from wsss_nb.core import ParameterError, cache_home, pick_device, progress, seed_everything


def drawn(seed):
    seed_everything(seed)
    return random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist()


def test_one_seed_for_all_three():
    assert drawn(3) == drawn(3) != drawn(4)
    assert torch.are_deterministic_algorithms_enabled()


def test_devices_are_there_or_named():
    assert pick_device("cpu") == torch.device("cpu") and pick_device().type in ("cpu", "cuda", "mps")
    with pytest.raises(ParameterError, match="device=gpu is unknown: use auto, cpu, cuda or mps"): pick_device("gpu")


def test_a_device_that_is_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParameterError, match="device=cuda is not available on this machine: use device=auto or device=cpu"): pick_device("cuda")


def test_a_bar_leaves_its_state_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_PROGRESS", str(tmp_path/"bar.json"))
    assert list(progress("abc", "letters", disable=False)) == ["a", "b", "c"]
    told = json.loads((tmp_path/"bar.json").read_text())
    assert (told["n"], told["total"], told["desc"]) == (3, 3, "letters")


def test_no_bar_without_a_terminal_although_ipykernel_is_loaded(capfd):
    import ipykernel  # noqa: F401
    assert list(progress(range(3), "pictures")) == [0, 1, 2] and capfd.readouterr().err == ""


def test_a_bar_in_a_notebooks_kernel(monkeypatch):
    from types import SimpleNamespace
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None), version_info=(9,)))
    bar = progress(range(3), "pictures")
    assert not bar.disable
    bar.close()


def test_in_a_log_a_line_a_minute(capfd, monkeypatch):
    now = iter(range(0, 10**6, 40))  # seconds between two looks at the clock
    monkeypatch.setattr(core.time, "monotonic", lambda: next(now))
    list(progress(range(4), "pictures"))
    lines = capfd.readouterr().err.splitlines()
    assert lines and all(line.startswith("pictures: ") and " of 4 [" in line for line in lines)


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"own"))
    assert cache_home() == tmp_path/"own"
    monkeypatch.delenv("WSSS_NB_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path/".cache"/"wsss_nb"
