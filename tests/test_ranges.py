"""One run against what is expected: from made-up records and metrics, by hand. And what neither this nor two runs side by side can do without."""
import json

import pytest
from test_explain import record, run, score

from wsss_nb.core import RunError, read_json, write_json
from wsss_nb.explain import explain
from wsss_nb.parameters import check_parameters
from wsss_nb.ranges import where, where_table
from wsss_nb.tables import as_text, packaged

EXPECTED = read_json(packaged("expected.json"))


def good(method):
    "Metrics in the middle of what is expected of scenes."
    stages = EXPECTED["scenes"][method]
    mid = lambda k: (stages[k][0]["low"] + stages[k][0]["high"])/2
    m = dict(classifier=dict(macro_f1=mid("classifier")), segmenter=dict(plain=dict(miou=mid("segmenter")), crf=dict(miou=mid("crf"))))
    if method == "masking": return m | dict(saliency=dict(refined=dict(iou=mid("saliency"))))
    return m | dict(cam=dict(miou=mid("cam")), superpixels=dict(asa=mid("superpixels")), seed=dict(precision=mid("seed")), grown=[dict(precision=.1), dict(precision=mid("grown"))])

def of_scenes(method): return record(method, **(dict(saliency="superpixels") if method == "masking" else {}))
def verdicts(w): return {r["stage"]: r["verdict"] for r in w["rows"]}

@pytest.mark.parametrize("method", ["clustering", "masking"])
def test_a_good_run(tmp_path, method):
    w = where(run(tmp_path/"good", of_scenes(method), good(method)))
    assert set(verdicts(w).values()) == {"within"} and w["first"] is None and w["unlike"] == []
    assert f"No stage is out of its range; {len(w['rows'])} of {len(w['rows'])}" in where_table(w)["text"]

@pytest.mark.parametrize("method, path, stage", [("clustering", "classifier.macro_f1", "classifier"), ("clustering", "cam.miou", "cam"), ("clustering", "superpixels.asa", "superpixels"), ("clustering", "seed.precision", "seed"),
    ("clustering", "grown.1.precision", "grown"), ("clustering", "segmenter.plain.miou", "segmenter"), ("clustering", "segmenter.crf.miou", "crf"), ("masking", "saliency.refined.iou", "saliency")])
@pytest.mark.parametrize("value, verdict", [(.02, "below"), (.999, "above")])
def test_the_first_stage_that_falls_out(tmp_path, method, path, stage, value, verdict):
    "It is named whatever comes after it, also where it is too good."
    m = good(method)
    *way, last = path.split(".")
    at = m
    for k in way: at = at[int(k) if k.isdigit() else k]
    at[last] = value
    m["segmenter"]["crf"]["miou"] = .01 if stage != "crf" else value  # a later one is out as well
    w = where(run(tmp_path/"run", of_scenes(method), m))
    assert w["first"] == stage and verdicts(w)[stage] == verdict
    t = where_table(w)
    assert [r["kind"] for r in t["rows"]].count("ours") == 1 and "The first stage out of its range" in t["text"] and as_text(t)

def test_old_runs_are_not_blamed(tmp_path):
    "Without a classifier's score, and with the plain pseudo-label in the CAM's place."
    m = good("clustering")
    del m["classifier"]; m["pseudo"] = m.pop("cam")
    w = where(run(tmp_path/"old", of_scenes("clustering"), m))
    assert w["first"] is None and verdicts(w)["classifier"] == "not measured" and verdicts(w)["cam"] == "within" and "plain pseudo-label" in w["rows"][1]["words"]
    assert where_table(w)["rows"][0]["cells"][1::2] == ["–", "not measured"]

def test_mean_of_the_seeds_is_judged(tmp_path):
    e, m, n = EXPECTED["scenes"]["clustering"]["segmenter"][0], good("clustering"), good("clustering")
    m["segmenter"]["plain"]["miou"], n["segmenter"]["plain"]["miou"] = e["low"] - .01, e["low"] + .03
    w = where(run(tmp_path/"run", of_scenes("clustering") | dict(seeds=[0, 1]), m, n))
    assert w["first"] is None and next(r for r in w["rows"] if r["stage"] == "segmenter")["values"] == [e["low"] - .01, e["low"] + .03]

def test_where_nothing_is_known_nothing_is_expected(tmp_path):
    m = good("clustering") | dict(classifier=dict(macro_f1=.01))
    w = where(run(tmp_path/"own", record(name="my_photos"), m))
    assert set(verdicts(w).values()) == {"no expectation"} and w["first"] is None and {r["source"] for r in w["rows"]} == {"no expectation known"} and where_table(w)["text"] == "Nothing is expected of clustering on my_photos yet: here is what was found."
    other = where(run(tmp_path/"builtin", record("masking", saliency="builtin"), good("masking")))
    assert verdicts(other)["saliency"] == "no expectation" and next(r for r in other["rows"] if r["stage"] == "saliency")["source"] == "no expectation known for saliency=builtin"

def test_on_voc_the_paper_is_expected(tmp_path):
    m = dict(segmenter=dict(plain=dict(miou=.651), crf=dict(miou=.695)), superpixels=dict(asa=.96), cam=dict(miou=.483), classifier=dict(macro_f1=.5), seed=dict(precision=.8))
    d = record(name="voc2012", **{k: v for k, v in check_parameters("clustering", {}).items() if k != "seeds"})
    d["data"] |= dict(train=10582, val=1449)
    w = where(run(tmp_path/"voc", d, m))
    assert verdicts(w) == dict(classifier="no expectation", cam="within", superpixels="within", seed="no expectation", grown="not measured", segmenter="within", crf="within") and w["unlike"] == []
    m["superpixels"]["asa"] = .90
    assert where(run(tmp_path/"voc2", d, m))["first"] == "superpixels"

def test_other_settings_are_said(tmp_path):
    w = where(run(tmp_path/"run", record(tau=.1, workers=5), good("clustering")))
    few = record(); few["data"] |= dict(train=24)
    assert where(run(tmp_path/"few", few, good("clustering")))["unlike"] == ["24 pictures to learn from, 80 held out (usually 400, 80)"]
    assert w["unlike"] == ["τ 0.1 (usually 0.4)"] and "Unlike the runs behind the ranges: τ 0.1" in where_table(w)["text"]

def test_expectations_are_whole():
    "Each has a range that holds something, and says where it comes from."
    assert EXPECTED.keys() == {"scenes", "voc", "coco"}
    for e in (e for of in EXPECTED.values() for stages in of.values() for known in stages.values() for e in known):
        assert 0 <= e["low"] < e["high"] <= 1 and len(e["source"]) > 20 and e.keys() <= {"low", "high", "source", "when"}

def test_the_packaged_runs_are_as_expected():
    for name in ("demo", "demo-masking"): assert where(packaged(name))["first"] is None


# ---- bad input

@pytest.mark.parametrize("call", [lambda f: explain(f, f), where])
def test_a_folder_of_many_runs(tmp_path, call):
    write_json(tmp_path/"sweep.json", dict(data="scenes", stages={}, runs={n: dict(method="clustering", params={}, seed=0, stages=[]) for n in ("a", "b")}))
    with pytest.raises(RunError, match=r"is a folder of many runs: name one of them, such as .*[/\\]a$"): call(tmp_path)
    run(tmp_path/"b", record(), dict(segmenter=score(.4)))
    with pytest.raises(RunError, match=r"such as .*[/\\]b$"): call(tmp_path)

@pytest.mark.parametrize("call", [lambda f: explain(f, f), where])
def test_no_run(tmp_path, call):
    with pytest.raises(RunError, match="no such folder"): call(tmp_path/"nothing")
    (tmp_path/"empty").mkdir()
    with pytest.raises(RunError, match="is no run: it holds no run.json"): call(tmp_path/"empty")
    with pytest.raises(RunError, match="run the evaluation first"): call(run(tmp_path/"new", record()))
    (tmp_path/"new"/"metrics.json").write_text("{ torn")
    with pytest.raises(RunError, match="not valid JSON"): call(tmp_path/"new")

def test_where_of_an_unknown_method(tmp_path):
    with pytest.raises(RunError, match="run of 'magic'"): where(run(tmp_path/"x", record() | dict(method="magic"), dict(segmenter=score(.4))))

def test_results_are_plain_data(tmp_path):
    a = run(tmp_path/"a", of_scenes("clustering"), good("clustering"))
    assert json.loads(json.dumps(where(a)))["method"] == "clustering" and json.dumps(explain(a, a))
