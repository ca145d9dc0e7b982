"The table of parameters: it says what the notebooks say, and everything that is said of a parameter anywhere is said there."
import ast
import json
import re

import pytest

from wsss_nb.core import ParameterError
from wsss_nb.parameters import METHODS, PARAMETERS, check_parameters, explain_parameters, parameters_of, preset
from wsss_nb.plan import notebook_parameters, training_folder

RESERVED = {"data", "out", "seed", "target", "segmenters", "makes"}  # set by whoever runs the stage
STAGES = sorted({(m, n) for m in METHODS for n in METHODS[m]})


@pytest.mark.parametrize("method, stage", STAGES)
def test_a_stage_takes_what_the_table_says(method, stage):
    cell = notebook_parameters(training_folder()/f"{stage}.ipynb")
    number = stage.split("_")[0]
    taken = {k: p for k, p in PARAMETERS.items() if number in p.stages}
    assert set(cell) - RESERVED == set(taken)
    for k, p in taken.items():
        default = p.of("default", method)
        assert cell[k] == default and type(cell[k]) is type(default), f"{stage}: {k} = {cell[k]!r}, the table: {default!r}"


def test_every_parameter_belongs_to_stages_there_are():
    numbers = {n.split("_")[0] for m in METHODS.values() for n in m} | {"t00", "t01", "t02"}
    assert all(set(p.stages) <= numbers for p in PARAMETERS.values())
    assert all(p.words and not (p.bounds and p.choices) and p.path in ("", "file", "folder", "file or folder") for p in PARAMETERS.values())


@pytest.mark.parametrize("stage", ["t00_dino", "t01_small", "t02_detector"])
def test_packaged_weights_are_made_as_the_table_says(stage):
    number = stage.split("_")[0]
    cell = notebook_parameters(training_folder()/f"{stage}.ipynb")
    for k, p in PARAMETERS.items():
        if number in p.stages and k in cell and k not in parameters_of("clustering"): assert cell[k] == p.of("default", number)


@pytest.mark.parametrize("method", METHODS)
def test_defaults_lie_within_their_bounds(method):
    check_parameters(method, {k: p.of("default", method) for k, (p, _) in parameters_of(method).items()})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["scenes", "light"])
def test_presets_are_what_a_method_takes(name, method):
    given = preset(name, method)
    assert given and set(given) <= set(parameters_of(method))
    check_parameters(method, given)


@pytest.mark.parametrize("method", METHODS)
def test_a_value_beyond_a_bound_is_refused_by_name(method):
    for k, (p, _) in parameters_of(method).items():
        if not p.bounds: continue
        default, (lo, hi) = p.of("default", method), p.bounds
        for wrong in (lo - 1, hi + 1):
            value = type(default[0])(wrong) if isinstance(default, list) else type(default)(wrong)
            given = [value]*max(1, len(default)) if isinstance(default, list) else value
            with pytest.raises(ParameterError, match=rf"parameter {k}=.* must lie between"): check_parameters(method, {k: given})


@pytest.mark.parametrize("given", [dict(tau="nan"), dict(tau="inf"), dict(color=[.1, .1]), dict(cam_scales=[])], ids=str)
def test_a_value_that_is_no_value(given):
    with pytest.raises(ParameterError, match="must|empty|should be float"): check_parameters("clustering", given)


@pytest.mark.parametrize("seeds, words", [("0,0", "twice"), ("-1", "between 0 and 4294967295"), ("4294967296", "between"), ("1.5", "should be int"), ("", "empty list")])
def test_seeds(seeds, words):
    with pytest.raises(ParameterError, match=words): check_parameters("clustering", dict(seeds=seeds))


def test_words_of_every_parameter():
    for method in METHODS:
        for name, default, words, stages in explain_parameters(method):
            assert words and "{" not in words and (stages == "run" or set(stages.split(", ")) <= set(METHODS[method]))
            ast.literal_eval(default)


def test_all_stages_that_take_a_parameter_are_named():
    said = {name: stages for name, *_, stages in explain_parameters("clustering")}
    assert said["superpixels"] == "t20_superpixels, t22_seeds, t23_growing, t30_evaluate"
    assert said["warmup_epochs"] == "t21_classifier, t23_growing" and said["seeds"] == "run"


def test_a_default_stands_in_one_cell_and_the_table():
    "No training notebook repeats a parameter outside its tagged cell."
    for stage in {n for m in METHODS.values() for n in m}:
        nb = json.loads((training_folder()/f"{stage}.ipynb").read_text(encoding="utf-8"))
        code = "\n".join("".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "code" and "parameters" not in c["metadata"].get("tags", []))
        again = [k for k in notebook_parameters(training_folder()/f"{stage}.ipynb") if re.search(rf"^{k} = ", code, re.M) and k not in ("out", "superpixels")]
        assert not again, f"{stage} sets {again} again"
