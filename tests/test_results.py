"""Tables of a run: from made-up metrics, with several seeds and with one, with rows missing and without a CRF."""
import pytest

from wsss_nb.results import class_table, masking_table, net_names, net_table, order_table, saliency_table, superpixel_table
from wsss_nb.tables import as_text

CLASSES = ["ball", "cup"]

def score(plain, crf=None):
    out = lambda v: dict(miou=v, iou=[v, v-.1, v+.1])
    return dict(plain=out(plain)) | ({} if crf is None else dict(crf=out(crf)))

def params(**kw): return dict(maps="saliency/refined", paths=2, dilations=[3, 6, 9], low="unlabeled", seeds=[0]) | kw
def record(**kw): return dict(method="masking", data=dict(name="own", classes=CLASSES, train=8, val=4), parameters=params(**kw))

def table_of(t): return {r["cells"][0]: r["cells"][1:] for r in t["rows"]}
def kinds(t): return {r["cells"][0]: r["kind"] for r in t["rows"]}


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

def test_what_is_said_of_rows_is_said_where_they_are_there():
    "One row has no order and is no bound, and a number of another dataset is not the paper's equal."
    ms = [{"segmenter": score(.6, .6)}]
    alone = masking_table(ms, record(seg_net="small"))["text"]
    assert "every row" not in alone and "order" not in alone and "true masks" not in alone and "the net small on own: not to be compared" in alone
    many = masking_table(SEEDS, record(seg_net="small"))["text"]
    assert "every row" in many and "only the order of the rows can be compared" in many and "C1 saw true masks" in many
    voc = record(seg_net="vgg16") | dict(data=dict(name="voc2012"))
    assert "compared" not in masking_table(SEEDS, voc)["text"] and "paper" not in masking_table(ms, record(paths=4))["text"]
    assert "every row" not in net_table(ms)["text"] and "every row" in net_table([ms[0] | {"segmenter-plain": score(.5)}])["text"]


def test_what_is_said_of_superpixels_is_true_of_their_method():
    ms = [dict(superpixels=dict(count=9))]
    assert superpixel_table(ms)["text"] == "They need not be connected, and nobody fixes their number."
    assert superpixel_table(ms * 2, dict(sp_method="slic"))["text"] == "Made once and used by every seed. The method is slic."


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
