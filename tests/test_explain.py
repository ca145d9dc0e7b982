"""Two runs side by side, and one run against what is expected: from made-up records and metrics, by hand."""
import copy
import json

import pytest

from wsss_nb.core import RunError, read_json, write_json
from wsss_nb.explain import differences, explain, where, where_table
from wsss_nb.files import DATA
from wsss_nb.parameters import check_parameters, preset
from wsss_nb.record import RunRecord
from wsss_nb.tables import as_text

CLASSES = ["boat", "car"]

def record(method="clustering", name="scenes", classes=CLASSES, **kw):
    p = check_parameters(method, {}) | preset("scenes", method) | dict(seeds=[0]) | kw
    return dict(method=method, data=dict(name=name, classes=classes, train=400, val=80, fingerprint="f", root="/a", spec="scenes"), label_source="labels.csv", supervision="image-level labels only", seed=p["seeds"][0],
                parameters=p, init=dict(segmenter=dict(name="small", source="random", sha256="0"*64)), versions=dict(torch="2.13.0"), commit="abc", created="today", argv=["x"], status="done", stages=dict(t20=dict(pid=7, seconds=3)))

def score(plain, crf=None, iou=(.8, .5, None)): return dict(plain=dict(miou=plain, iou=list(iou), images=80)) | ({} if crf is None else dict(crf=dict(miou=crf, iou=list(iou), images=80)))

def run(folder, d, *ms):
    RunRecord(folder).update(**d)
    for s, m in zip(d["parameters"]["seeds"], ms): write_json((folder if s == d["parameters"]["seeds"][0] else folder/"replicas"/f"seed{s}")/"metrics.json", m)
    return folder

def body(t): return {r["cells"][0]: r["cells"][1:] for r in t["rows"]}


# ---- records

def test_equal_records_differ_in_nothing():
    a = record()
    b = copy.deepcopy(a) | dict(created="yesterday", argv=["y"], status="killed", stages=dict(t20=dict(pid=8, seconds=90, peak_memory_mb=5)))
    b["data"] |= dict(root="/elsewhere", spec="./scenes")
    b["parameters"] |= dict(workers=9, jobs=3, superpixels="/x/maps", compare=["masks"])
    assert differences(a, a) == [] == differences(a, b) == differences({}, {})

def test_where_a_file_lies_is_no_difference():
    a, b = record(features_weights="/a/dino.pth", seg_init="/a/w.pth"), record(features_weights="/b/dino.pth", seg_init="/b/v.pth")
    assert differences(a, b) == [("segmenter: start", "w.pth", "v.pth")]

def test_all_that_counts_is_named_and_grouped():
    a, b = record(), record(tau=.2, crf=False, seeds=[1], seg_batch=4, test_scales=[1., .5])
    b["data"] |= dict(train=300, fingerprint="g"); b["label_source"] = "masks"; b["versions"] = dict(torch="2.12.0", timm="1"); b["commit"] = "def"; b["init"]["segmenter"] |= dict(source="scenes", sha256="1"*64)
    said = differences(a, b)
    assert [w for w, *_ in said] == ["pictures to learn from", "list and labels (fingerprint)", "image labels from", "seeds", "start of segmenter", "τ", "segmenter: batch", "test scales", "CRF", "commit", "version of torch", "version of timm"]
    assert ("τ", .4, .2) in said and ("CRF", True, False) in said and ("seeds", [0], [1]) in said and ("version of timm", "not recorded", "1") in said
    assert ("start of segmenter", "small, random, 000000000000", "small, scenes, 111111111111") in said
    assert [(w, y, x) for w, x, y in differences(b, a)] == [d for w in said for d in [(w[0], w[1], w[2])]] or {w for w, *_ in differences(b, a)} == {w for w, *_ in said}

def test_runs_of_both_methods():
    said = {w: (x, y) for w, x, y in differences(record(), record("masking"))}
    assert said["method"] == ("clustering", "masking") and said["α"] == (.5, "not recorded") and said["paths N"] == ("not recorded", 2)


# ---- two runs

def test_explain_over_seeds(tmp_path):
    a = run(tmp_path/"a", record(seeds=[0, 1]), dict(segmenter=score(.40, .44)), dict(segmenter=score(.42, .46, (.9, .5, None))))
    b = run(tmp_path/"b", record(seeds=[0, 1], beta_bg=.5), {"segmenter": score(.43, .45, (.7, .6, None)), "segmenter-plain": score(.3)}, dict(segmenter=score(.47, .49, (.7, .6, .1))))
    differ, scores, classes = explain(a, b)
    assert differ["head"] == ["", "a", "b"] and body(differ) == {"β_bg": ["0.7", "0.5"]}
    assert body(scores) == {"the run's own": ["41.0 ± 1.4", "45.0 ± 2.8", "+4.0 ± 1.4"], "the run's own, with CRF": ["45.0 ± 1.4", "47.0 ± 2.8", "+2.0 ± 1.4"],
                            "from plain labels": ["–", "30.0", "–"], "from plain labels, with CRF": ["–", "–", "–"]} and "within a seed" in scores["text"]
    assert body(classes) == {"background": ["85.0 ± 7.1", "70.0 ± 0.0", "-15.0 ± 7.1"], "boat": ["50.0 ± 0.0", "60.0 ± 0.0", "+10.0 ± 0.0"], "car": ["absent", "10.0", "–"]}
    assert "Absent from prediction and truth: car." in classes["text"] and all(as_text(t) for t in (differ, scores, classes))

def test_explain_single_and_other_seeds(tmp_path):
    a, b = run(tmp_path/"x"/"run", record(seeds=[0]), dict(segmenter=score(.4))), run(tmp_path/"y"/"run", record(seeds=[5]), dict(segmenter=score(.45)))
    differ, scores, classes = explain(a, b)
    assert body(differ) == {"seeds": ["0", "5"]} and "Each of the runs has a single seed" in scores["text"] and differ["head"] == ["", "x/run", "y/run"]
    assert body(scores)["the run's own"] == ["40.0", "45.0", "+5.0"] and body(classes)["background"] == ["80.0", "80.0", "+0.0"]
    c = run(tmp_path/"c", record(seeds=[3, 4]), dict(segmenter=score(.5)), dict(segmenter=score(.6)))
    d = run(tmp_path/"d", record(seeds=[5, 6]), dict(segmenter=score(.6)), dict(segmenter=score(.8)))
    assert body(explain(c, d)[1])["the run's own"] == ["55.0 ± 7.1", "70.0 ± 14.1", "+15.0"] and "only means" in explain(c, d)[1]["text"]

def test_long_names_are_letters(tmp_path):
    long = "clustering,alpha=0.5,beta_bg=0.5,seed="
    a, b = run(tmp_path/f"{long}0", record(), dict(segmenter=score(.4))), run(tmp_path/f"{long}1", record(seeds=[1, 2]), dict(segmenter=score(.5)), dict(segmenter=score(.5)))
    tables = explain(a, b)
    assert [t["head"][1:3] for t in tables] == [["A", "B"]]*3 and f"A: {a}; B: {b}." in tables[0]["text"] and "One of the runs has a single seed" in tables[1]["text"]

def test_the_same_run_twice(tmp_path):
    a = run(tmp_path/"a", record(), dict(segmenter=score(.4)))
    differ, scores, _ = explain(a, a)
    assert differ["rows"] == [] and "Nothing" in differ["text"] and body(scores)["the run's own"][-1] == "+0.0"

def test_superpixels_of_both(tmp_path):
    q = lambda n: dict(superpixels=dict(count=n, ue=.1, bp=.2, br=.3, asa=.9 + n/500))
    a, b = run(tmp_path/"a", record("superpixels", segments=5), q(10.)), run(tmp_path/"b", record("superpixels", segments=9), q(12.5))
    differ, scores, superpixels = explain(a, b)
    assert body(differ) == {"segments": ["5", "9"]} and scores["rows"] == []
    assert body(superpixels)["count"] == ["10.0", "12.5", "+2.5"] and body(superpixels)["ASA ↑"] == ["0.920", "0.925", "+0.005"] and body(superpixels)["UE ↓"] == ["0.100", "0.100", "+0.000"]

def test_different_datasets_are_not_compared(tmp_path):
    a = run(tmp_path/"a", record(), dict(segmenter=score(.4)))
    b = run(tmp_path/"b", record(name="mine", classes=["cup", "jar"]), dict(segmenter=score(.5)))
    tables = explain(a, b)
    assert len(tables) == 2 and "different datasets" in tables[1]["text"] and body(tables[1])["the run's own"] == ["40.0", "50.0", "–"]
    assert body(tables[0])["dataset"] == ["scenes", "mine"] and body(tables[0])["classes"] == ["boat, car", "cup, jar"]


# ---- one run against what is expected

EXPECTED = read_json(DATA/"expected.json")


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
    d = of_scenes("clustering")
    w = where(run(tmp_path/"run", d | dict(parameters=d["parameters"] | dict(seeds=[0, 1])), m, n))
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
    for name in ("demo", "demo-masking"): assert where(DATA/name)["first"] is None


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
