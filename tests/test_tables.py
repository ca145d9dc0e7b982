"""Tables and the page: from made-up metrics, with several seeds and with one, with rows missing and without a CRF, and beside the dissertation's numbers."""
import numpy as np
import pytest

from wsss_nb.core import RunError, write_json
from wsss_nb.images import write_image
from wsss_nb.record import RunRecord
from wsss_nb.tables import TABLE_2_3, _photographs, as_text, class_table, masking_table, mean_std, net_names, order_table, paper_table, pick, replicas, saliency_table, write_report

CLASSES = ["ball", "cup"]

def score(plain, crf=None):
    out = lambda v: dict(miou=v, iou=[v, v-.1, v+.1])
    return dict(plain=out(plain)) | ({} if crf is None else dict(crf=out(crf)))

def params(**kw): return dict(maps="saliency/refined", paths=2, dilations=[3, 6, 9], low="unlabeled", seeds=[0]) | kw
def record(**kw): return dict(method="masking", data=dict(name="own", classes=CLASSES, train=8, val=4), parameters=params(**kw))

def table_of(t): return {r["cells"][0]: r["cells"][1:] for r in t["rows"]}
def kinds(t): return {r["cells"][0]: r["kind"] for r in t["rows"]}


# ---- the smallest parts

def test_pick():
    m = dict(a=dict(b=[dict(c=1), dict(c=2)], zero=0), none=None)
    assert pick(m, "a.b.0.c") == 1 and pick(m, "a.b.-1.c") == 2 and pick(m, "a.zero") == 0
    assert [pick(m, p) for p in ("x", "a.x.y", "none.x", "a.zero.x", "a.b.0.x")] == [None]*5
    assert pick(dict(b=[]), "b.0") is None

def test_mean_std():
    assert mean_std([.5, .6, .7]) == "60.0 ± 10.0" and mean_std([.5]) == "50.0" and mean_std([]) == mean_std([None]) == "–"
    assert mean_std([.5, None, .7]) == "60.0 ± 14.1" and mean_std([1, 2], 1, 2) == "1.50 ± 0.71"
    assert mean_std([None, 0.]) == "0.0"

def test_replicas(tmp_path):
    with pytest.raises(RunError, match="run the evaluation first"): replicas(tmp_path)
    for k, f in enumerate(("", "replicas/seed1", "replicas/seed2")): write_json(tmp_path/f/"metrics.json", dict(n=k))
    (tmp_path/"replicas/seed3").mkdir()  # not evaluated yet
    assert [m["n"] for m in replicas(tmp_path)] == [0, 1, 2]


# ---- Table 2.3

def test_table_of_the_dissertation():
    rows = "A1 A2 A3 A4 A5 A6 A7 B1 B2 B3 B4 B5 C1 C2 C3 C4".split()
    assert list(TABLE_2_3) == rows
    column = lambda k: " ".join(str(TABLE_2_3[r][k]) for r in rows)
    assert column("crf") == "62.2 63.8 64.0 64.7 66.4 66.5 66.4 65.1 66.8 68.8 68.7 69.0 67.5 69.3 70.9 73.1"
    assert column("plain") == "62.0 61.4 62.4 62.9 62.4 62.0 62.2 64.2 65.7 66.2 66.1 66.1 66.2 66.6 70.2 70.9"
    assert column("paths") == "0 0 1 1 1 2 3 0 0 1 2 3 0 2 0 2"
    assert column("net") == " ".join(["VGG16"]*7 + ["ResNet101"]*5 + ["VGG16"]*2 + ["ResNet101"]*2)
    assert column("saliency") == "raw refined raw raw refined refined refined raw refined refined refined refined true true true true"
    assert column("classifier") == "none none standard " + "dilation "*4 + "none none dilation dilation dilation none dilation none dilation"

@pytest.mark.parametrize("row, kw", [("A1", dict(maps="saliency/original", paths=0)), ("A2", dict(paths=0)), ("A3", dict(maps="saliency/original", paths=1, dilations=[])), ("A4", dict(maps="saliency/original", paths=1)),
    ("A5", dict(paths=1)), ("A6", {}), ("A7", dict(paths=3)), ("this run", dict(paths=4)), ("this run", dict(dilations=[])), ("this run", dict(low="background")), ("A4", dict(maps="saliency/original", paths=1, low="background"))])
def test_which_row_a_run_is(row, kw): assert net_names(record(**kw))["segmenter"] == row

@pytest.mark.parametrize("row, kw", [("C1", dict(maps="saliency/original", paths=0, low="none")), ("C2", dict(maps="saliency/original", low="none"))])
def test_a_run_on_true_saliency_is_a_bound(row, kw):
    d = record(saliency="truth", **kw)
    assert net_names(d)["segmenter"] == row and kinds(masking_table([{"segmenter": score(.7)}], d))[row] == "bound"

def test_names_of_the_other_method():
    assert net_names(dict(method="clustering")).keys() == {"segmenter", "segmenter-plain", "segmenter-masks"}

SEEDS = [{"segmenter": score(.60+s, .64+s), "segmenter-A1": score(.50+s, .52+s), "segmenter-A3": score(.55, .56), "segmenter-C1": score(.7, .72)} for s in (0, .02, .04)]

def test_masking_table_of_several_seeds():
    t = masking_table(SEEDS, record())
    assert [r["cells"][0] for r in t["rows"]] == ["A1", "A3", "A6", "C1"] and all(len(r["cells"]) == len(t["head"]) for r in t["rows"])
    assert table_of(t)["A1"] == ["raw", "none", 0, "52.0 ± 2.0", "54.0 ± 2.0", "62.0", "62.2"]
    assert table_of(t)["A6"] == ["refined", "dilation", 2, "62.0 ± 2.0", "66.0 ± 2.0", "62.0", "66.5"]
    assert table_of(t)["C1"][3:] == ["70.0 ± 0.0", "72.0 ± 0.0", "66.2", "67.5"]
    assert kinds(t) == dict(A1="", A3="", A6="ours", C1="bound") and "over 3 seeds" in t["text"]
    assert as_text(t).count("\n") == 6 and "62.0 ± 2.0" in as_text(t)

def test_masking_table_of_one_seed_without_a_crf():
    t = masking_table([{"segmenter": score(.6), "segmenter-A1": score(.5)}], record(paths=4))
    assert table_of(t) == {"A1": ["raw", "none", 0, "50.0", "–", "62.0", "62.2"], "this run": ["refined", "dilation", 4, "60.0", "–", "–", "–"]}
    assert "One run" in t["text"] and order_table([{"segmenter": score(.6), "segmenter-A1": score(.5)}], record())["rows"] == []

def test_masking_table_with_rows_missing():
    "A row that only some of the seeds have so far is the mean of those."
    ms = [{"segmenter": score(.6, .6), "segmenter-A1": score(.5, .5)}, {"segmenter": score(.8, .8)}]
    assert table_of(masking_table(ms, record()))["A1"][3:5] == ["50.0", "50.0"] and table_of(masking_table(ms, record()))["A6"][3] == "70.0 ± 14.1"
    assert masking_table([{}], record())["rows"] == []

def test_order_table():
    d, c = record(paths=1), lambda *v: {f"segmenter-{r}": score(0, x) for r, x in zip(("A1", "A2", "A3", "A4"), v)}
    ms = [c(.50, .60, .52, .50) | {"segmenter": score(0, .62)}, c(.50, .62, .48, .44) | {"segmenter": score(0, .60)}]
    rows = table_of(order_table(ms, d))
    assert rows["A1 → A2: refined saliency"] == ["11.0 ± 1.4", "+1.6", "agrees"]
    assert rows["A1 → A3: attention loss"] == ["0.0 ± 2.8", "+1.8", "within the spread"]
    assert rows["A3 → A4: dilated classifier"] == ["-3.0 ± 1.4", "+0.7", "does not agree"]
    assert rows["A4 → A5: refined saliency, with attention"] == ["14.0 ± 2.8", "+1.7", "agrees"] and rows["A1 → A5: all of them"][-1] == "agrees" and len(rows) == 5
    one = table_of(order_table(ms[:1], d))
    assert one["A1 → A2: refined saliency"] == ["10.0", "+1.6", "agrees (one run)"] and one["A3 → A4: dilated classifier"][-1] == "does not agree (one run)"

def test_order_table_pairs_by_seed():
    "A difference is taken within a seed, and only where the seed has both."
    ms = [{"segmenter-A1": score(0, .1), "segmenter-A2": score(0, .2)}, {"segmenter-A1": score(0, .5), "segmenter-A2": score(0, .6)}, {"segmenter-A2": score(0, .9)}]
    assert table_of(order_table(ms, record()))["A1 → A2: refined saliency"] == ["10.0 ± 0.0", "+1.6", "agrees"]

def test_saliency_and_class_tables():
    ms = [dict(saliency=dict(original=dict(labelled=1, iou=.5, fbeta=.6), refined=dict(labelled=.9, iou=.7, fbeta=.8)), **SEEDS[0])]
    assert table_of(saliency_table(ms)) == {"as they came": ["100.0", "50.0", "60.0"], "refined (2.6)": ["90.0", "70.0", "80.0"]}
    del ms[0]["saliency"]["refined"]
    assert list(table_of(saliency_table(ms))) == ["as they came"] and saliency_table([{}])["rows"] == []
    t = class_table(ms, CLASSES, record())
    assert t["head"] == ["IoU %", "A1", "A3", "A6", "C1"] and table_of(t)["background"] == ["52.0", "56.0", "64.0", "72.0"] and list(table_of(t)) == ["background", *CLASSES]


# ---- the page

def run_folder(folder, method, ms, **kw):
    r = record(**kw) | dict(method=method)
    RunRecord(folder).create(**r, supervision=f"labels of {method}")
    for k, m in enumerate(ms): write_json((folder if k == 0 else folder/"replicas"/f"seed{k}")/"metrics.json", m)
    write_image(folder/"pictures"/"predictions.png", np.full((8, 8, 3), 90, np.uint8))
    return folder

def test_report_of_one_run(tmp_path, capsys):
    out = run_folder(tmp_path/"run", "masking", SEEDS, seeds=[0, 1, 2])
    page, said = write_report(out), capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert page == out/"report.html" and "data:image/png;base64" in text and "http://" not in text and "https://" not in text
    assert "Masking: segmenters on held-out pictures" in text and "What each part adds" in text and "over 3 seeds" in text and "Side by side" not in text
    assert "labels of masking" in text and "62.0 ± 2.0" in text and "62.0 ± 2.0" in said and "What each part adds" in said

def test_report_of_two_runs(tmp_path, capsys):
    a = run_folder(tmp_path/"a", "masking", SEEDS)
    b = run_folder(tmp_path/"b", "clustering", [{"segmenter": score(.55, .58), "segmenter-plain": score(.4, .41)}])
    page = write_report(a, b, to=tmp_path/"both.html", title="Two & more")
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path/"both.html" and not (a/"report.html").exists() and "http://" not in text and "https://" not in text
    assert "Two &amp; more" in text and text.index("Side by side") < text.index("Masking: segmenters") < text.index("Segmenters on held-out pictures")
    assert text.count("data:image/png;base64") == 2 and "labels of masking" in text and "labels of clustering" in text
    said = capsys.readouterr().out
    assert "66.0 ± 2.0" in said and "58.0" in said and said.index("Side by side") == 0

def test_report_of_two_runs_of_one_method(tmp_path, capsys):
    a = run_folder(tmp_path/"x"/"run", "clustering", [{"segmenter": score(.55, .58)}], tau=.3, workers=2)
    b = run_folder(tmp_path/"y"/"run", "clustering", [{"segmenter": score(.50)}, {"segmenter": score(.60)}], tau=.4, workers=4)
    text = write_report(a, b).read_text(encoding="utf-8")
    assert "<h1>clustering on own</h1>" in text and "<h2>clustering on own: x/run</h2>" in text and "<h2>clustering on own: y/run</h2>" in text
    assert '<a href="#run1">clustering on own: x/run</a>' in text
    said = capsys.readouterr().out.split("\n\n")[0]
    assert "clustering: x/run (tau=0.3)" in said and "clustering: y/run (tau=0.4)" in said and "55.0 (one run)" in said and "55.0 ± 7.1" in said

def test_what_a_folders_name_says_is_not_repeated(tmp_path, capsys):
    a, b = (run_folder(tmp_path/f"clustering,tau={t},seed=0", "clustering", [{"segmenter": score(.5)}], tau=t) for t in (.3, .4))
    write_report(a, b)
    assert "\nclustering,tau=0.3,seed=0  image" in capsys.readouterr().out

def test_report_of_pictures_alone(tmp_path):
    out = run_folder(tmp_path/"run", "masking", [])
    assert "nothing could be scored" in write_report(out).read_text(encoding="utf-8")

def test_a_page_opens_with_pictures(tmp_path):
    "Photographs first, then what each run draws, and no table before a picture."
    a, b = (run_folder(tmp_path/n, "masking", SEEDS) for n in "ab")
    alone = write_report(a).read_text(encoding="utf-8")
    assert alone.index("<img") < alone.index("<table")
    both = write_report(a, b).read_text(encoding="utf-8")
    assert both.count("<img") == 2 and both.rindex("<img") < both.index("Side by side")
    write_image(tmp_path/"shots"/"overlays"/"cat.png", np.full((9, 9, 3), 60, np.uint8))
    page = write_report(a, photographs=tmp_path/"shots").read_text(encoding="utf-8")
    assert "<h1>From photographs and names to masks</h1>" in page and "<h3>cat</h3>" in page and page.count("<img") == 2
    assert page.index("<h3>cat</h3>") < page.index("<h2>masking on own</h2>") < page.index("<table")
    write_image(tmp_path/"shots"/"steps"/"cat.png", np.full((9, 9, 3), 61, np.uint8))
    assert write_report(a, photographs=tmp_path/"shots").read_text(encoding="utf-8") != page

def test_the_surest_photograph_comes_first_and_says_what_was_asked(tmp_path):
    for n in "ab": write_image(tmp_path/"overlays"/f"{n}.jpg", np.zeros((4, 4, 3), np.uint8))
    rows = ["file,class,pixels,share,probability,mask", "x.jpg,background,9,0.5,,a.png", "x.jpg,cat,9,0.5,0.2000,a.png", "y.jpg,dog,9,0.5,0.9000,b.png"]
    assert [f["title"] for f in _photographs(tmp_path)] == ["a", "b"]
    (tmp_path/"areas.csv").write_text("\n".join(rows) + "\n")
    found = _photographs(tmp_path)
    assert [f["title"] for f in found] == ["b", "a"] and found[1]["text"] == "“cat” (the classifier's probability: 0.20)"


def test_photographs_that_are_not_there(tmp_path):
    a = run_folder(tmp_path/"a", "masking", SEEDS)
    (tmp_path/"empty").mkdir()
    with pytest.raises(RunError, match="no such folder; name one that `wsss-nb segment`"): write_report(a, photographs=tmp_path/"no")
    with pytest.raises(RunError, match="empty holds no pictures"): write_report(a, photographs=tmp_path/"empty")
    assert not (a/"report.html").exists()

def test_names_are_text_not_markup(tmp_path):
    out = run_folder(tmp_path/"run", "masking", SEEDS[:1])
    RunRecord(out).update(data=dict(name="<script>alert(1)</script>"))
    assert "<script>alert" not in write_report(out).read_text(encoding="utf-8")

def test_nothing_to_report(tmp_path):
    with pytest.raises(RunError, match="at least one"): write_report()
    with pytest.raises(RunError, match="no such folder"): write_report(tmp_path/"nothing")
    RunRecord(tmp_path/"new").create(**record())
    with pytest.raises(RunError, match="new holds neither"): write_report(run_folder(tmp_path/"a", "masking", SEEDS), tmp_path/"new")
    assert not (tmp_path/"new/report.html").exists() and not (tmp_path/"a/report.html").exists() and not (tmp_path/"nothing").exists()


def test_the_papers_tables():
    from wsss_nb.core import ParameterError
    numbers = {c: sum(isinstance(v, float) or v.replace(".", "", 1).isdigit() for r in paper_table(c)["rows"] for v in r["cells"][1:]) for c in ("2.8", "3.4", "3.5", "3.7", "3.8")}
    assert numbers == {"2.8": 6, "3.4": 44, "3.5": 90, "3.7": 12, "3.8": 32}
    printed = {r["cells"][0]: [float(v) for v in r["cells"][-2:]] for r in paper_table("2.3")["rows"]}
    assert printed == {k: [t["plain"], t["crf"]] for k, t in TABLE_2_3.items()}
    assert all(len(r["cells"]) == len(t["head"]) for t in map(paper_table, "2.1 2.2 2.4 2.5 2.6 2.7 3.2 3.3 3.6".split()) for r in t["rows"])
    for row in paper_table("3.5")["rows"]:  # two of its columns bear each other out
        ue, asa = float(row["cells"][2]), float(row["cells"][5])
        assert abs(asa - (1 - ue/2)) < .0025
    with pytest.raises(ParameterError, match="choose from 2.1"): paper_table("3.1")
