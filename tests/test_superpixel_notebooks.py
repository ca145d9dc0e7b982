"""Superpixels alone: the notebooks behind Table 3.5, cell by cell in this process."""
import pytest

from wsss_nb import plan
from wsss_nb.core import ParameterError, read_json


def run_cells(name, **params):
    import json
    import matplotlib
    matplotlib.use("Agg")
    space = {}
    for c in json.loads((plan.training_folder()/f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if c["cell_type"] != "code": continue
        exec("".join(c["source"]), space)  # noqa: S102
        if "parameters" in c["metadata"].get("tags", []):
            assert params.keys() <= space.keys()
            space |= params
    return space

@pytest.fixture(scope="module")
def few(home): return "scenes:train=4,val=2,seed=0"

@pytest.mark.parametrize("method, segments, low, high", [("slic", 40, 10, 25), ("seeds", 20, 10, 30), ("lsc", 60, 4, 12)])
def test_other_superpixels_are_made_and_measured(few, tmp_path, method, segments, low, high):
    "A side of 40 of 160 pixels is 16 regions; of 60 it is 7; SEEDS is told the number."
    made = dict(data=few, out=str(tmp_path/"run"))
    counts = run_cells("t20_superpixels", **made, sp_method=method, segments=segments)["counts"]
    scores = run_cells("t31_quality", **made)["scores"]
    assert all(low <= n <= high for n in counts) and scores["images"] == 4 and scores["count"] == pytest.approx(sum(counts)/4)
    assert 0 < scores["asa"] <= 1 and 0 <= scores["ue"] < 1 and read_json(tmp_path/"run"/"metrics.json")["superpixels"] == scores
    assert (tmp_path/"run"/"pictures"/"quality.png").stat().st_size > 1000 and read_json(tmp_path/"run"/"run.json")["init"]["superpixels"]["source"] == "no weights: colour and place"
    inputs = read_json(tmp_path/"run"/"superpixels"/"inputs.json")["inputs"]
    assert (inputs["method"], inputs["segments"]) == (method, segments)

def test_ours_are_what_they_were(few, tmp_path):
    "The folder's key does not know of other methods, so that maps on the disk stay valid; and scores that are there stay, too."
    from wsss_nb.core import write_json
    out = tmp_path/"run"
    run_cells("t20_superpixels", data=few, out=str(out), features="mini", tau=.4, workers=0, device="cpu")
    assert read_json(out/"superpixels"/"inputs.json")["inputs"].keys() == {"data", "features", "tau", "order", "crf"}
    write_json(out/"metrics.json", dict(segmenter=dict(plain=dict(miou=.4))))
    scores = run_cells("t31_quality", data=few, out=str(out))["scores"]
    assert read_json(out/"metrics.json") == dict(segmenter=dict(plain=dict(miou=.4)), superpixels=scores) and scores["images"] == 4

@pytest.mark.parametrize("change, words", [(dict(sp_method="magic", segments=9), "must be ours, slic, seeds, lsc, felzenszwalb"), (dict(sp_method="slic"), "needs segments=")])
def test_other_superpixels_refused(few, tmp_path, change, words):
    with pytest.raises(ParameterError, match=words): run_cells("t20_superpixels", data=few, out=str(tmp_path/"run"), **change)
    assert not (tmp_path/"run"/"superpixels").exists()

def test_nothing_to_measure(few, tmp_path):
    from wsss_nb.core import DataError
    with pytest.raises(DataError, match="lacks the maps of 4 of the 4 pictures of train"): run_cells("t31_quality", data=few, out=str(tmp_path))
    run_cells("t20_superpixels", data=few, out=str(tmp_path/"run"), sp_method="slic", segments=40)
    with pytest.raises(DataError, match="lacks the maps of 2 of the 2 pictures of val"): run_cells("t31_quality", data=few, out=str(tmp_path/"run"), split="val")
    assert not (tmp_path/"run"/"metrics.json").exists()
