"""Ours beside the paper's numbers: points on its pictures, the order of the rows elsewhere."""
import re

import pytest

from wsss_nb.core import ParameterError, read_json
from wsss_nb.files import DATA
from wsss_nb.paper import algorithm_table, settings
from wsss_nb.reproduce import OURS, reproduced_table
from wsss_nb.tables import as_text

TABLES = read_json(DATA/"paper.json")


def made(x, n=80, crf=.05): return dict(segmenter=dict(plain=dict(miou=x, images=n, iou=[x+.1]*21), crf=dict(miou=x+crf, images=n, iou=[x+.2]*21)))
def body(t): return {r["cells"][0]: r["cells"][1:] for r in t["rows"]}

def test_on_the_papers_pictures_points_are_compared():
    t = reproduced_table("3.6", {"0.3": [made(.66, 1449), made(.64, 1449)], "0.5": [made(.6, 1449)]}, "voc2012")
    assert t["head"] == ["τ", "mIoU %, paper", "ours", "difference", "with CRF, paper", "ours", "difference", "test, paper"]
    assert body(t)["0.3"] == ["65.1", "65.0 ± 1.4", "-0.1", "69.5", "70.0 ± 1.4", "+0.5", "70.1"]
    assert body(t)["0.5"] == ["62.9", "60.0 (one run)", "-2.9", "67.5", "65.0 (one run)", "-2.5", "–"]
    assert body(t)["0"] == ["64.8", "–", "–", "69.3", "–", "–", "–"] and "Spearman" not in t["text"] and "no spread" in t["text"]

@pytest.mark.parametrize("dataset, n", [("scenes", 80), ("voc2012", 4), ("my_photos", 1449)])
def test_elsewhere_only_the_order_is_compared(dataset, n):
    t = reproduced_table("3.6", {"0.2": [made(.36, n)], "0.3": [made(.40, n)], "0.5": [made(.38, n)]}, dataset)
    assert t["head"] == ["τ", "mIoU %, paper: VOC", f"ours: {dataset}", "with CRF, paper: VOC", f"ours: {dataset}", "test, paper: VOC"]
    assert body(t)["0.2"] == ["64.6", "36.0 (one run)", "69.1", "41.0 (one run)", "–"]
    assert "no number here is comparable" in t["text"]  # 64.6 65.1 62.9 ranks 2 3 1, 36 40 38 ranks 1 3 2: rho = 1 - 6·2/(3·8)
    assert "Order of 3 rows by mIoU: Spearman rank correlation +0.50; best in the paper: 0.3, here: 0.3; the order rests on one run a row." in t["text"]

def test_order_of_ties_and_of_one_row():
    t = reproduced_table("3.6", {"0.2": [made(.4)], "0.3": [made(.4)]}, "scenes")
    assert "Order of 2 rows by mIoU: the rows lie within 0.0 points: no order to speak of." in t["text"]
    assert "Order of" not in reproduced_table("3.6", {"0.2": [made(.4)]}, "scenes")["text"]

def test_noise_is_no_order():
    "Rows 0.2 points apart say no order; nor do rows 2 points apart whose seeds lie 4·√2 ≈ 5.7 apart; rows 20 points apart with such seeds do."
    one = reproduced_table("3.6", {r: [made(x)] for r, x in zip(("0", "0.1", "0.2", "0.3"), (.080, .079, .079, .081))}, "scenes")["text"]
    assert "Order of 4 rows by mIoU: the rows lie within 0.2 points: no order to speak of." in one and "Spearman" not in one
    wide = lambda x: [made(x - .04), made(x + .04)]
    two = reproduced_table("3.6", {"0.2": wide(.40), "0.3": wide(.42)}, "scenes")["text"]
    assert "Order of 2 rows by mIoU: the rows lie within 2.0 points, the seeds of a row have a standard deviation of 5.7: no order to speak of." in two
    three = reproduced_table("3.6", {"0.2": wide(.40), "0.3": wide(.60), "0.4": [made(.5)]}, "scenes")["text"]
    assert "Spearman rank correlation +0.50; best in the paper: 0.3, here: 0.3; some rows rest on one run." in three
    assert "one run" not in reproduced_table("3.6", {"0.2": wide(.40), "0.3": wide(.60)}, "scenes")["text"]

def test_notes_say_whose_numbers_they_are(): assert not [n for n, t in TABLES.items() if re.search(r"\bhere\b", t["notes"])]

def test_rows_that_are_one_run_count_once():
    "On scenes B1 is A1, so that the order is of A1, A2 and A3 (62.2 < 63.8 < 64.0 in the paper, 3 1 2 here: rho = 1 - 6·6/24)."
    t = reproduced_table("2.3", {"A1": [made(.5)], "A2": [made(.3)], "A3": [made(.4)], "B1": [made(.5)], "B2": [made(.3)]}, "scenes")
    assert "A1 and B1, A2 and B2" in t["text"] and "Order of 3 rows by mIoU with CRF: Spearman rank correlation −0.50; best in the paper: A3, here: A1; the order rests on one run a row." in t["text"]
    three = reproduced_table("3.2", {s.name: [made(.4)] for s in settings("3.2")}, "scenes")
    assert "Ours, ResNet50 and Ours, ResNet38" in three["text"] and "Order of" not in three["text"]

def test_where_the_paper_does_not_say_crf():
    t = reproduced_table("2.6", {}, "scenes")
    assert t["head"][2:] == ["mIoU %, paper: VOC", "ours: scenes"] and "does not say whether there was a CRF" in t["text"]
    assert reproduced_table("3.3", {}, "scenes")["head"][-2] == "mIoU % with CRF, paper: COCO"

def test_other_methods_are_quoted():
    t = reproduced_table("3.2", {"Ours, ResNet101": [made(.6, 1449)]}, "voc2012")
    assert len(t["rows"]) == 17 and body(t)["IRN [74]"] == ["CVPR'19", "ResNet50", "63.5", "–", "–", "64.8"]
    assert body(t)["Ours, ResNet101"] == ["", "ResNet101", "69.5", "65.0 (one run)", "-4.5", "70.1"] and [r["kind"] for r in t["rows"]] == [""]*14 + ["ours"]*3
    assert {r["cells"][0]: r["kind"] for r in reproduced_table("2.3", {}, "scenes")["rows"]}["C2"] == "bound"

def test_table_of_superpixels():
    q = dict(superpixels=dict(images=1464, count=30., ue=.081, bp=.1, br=.6, asa=.962))
    t = reproduced_table("3.5", {"Ours, τ = 0.3": [q], "SLIC [64], 50": [q]}, "voc2012")
    assert body(t)["Ours, τ = 0.3"] == ["28.57", "30.00 (one run)", "+1.43", "0.083", "0.081 (one run)", "-0.002", "0.094", "0.100 (one run)", "+0.006", "0.615", "0.600 (one run)", "-0.015", "0.960", "0.962 (one run)", "+0.002"]
    assert [r["cells"][0] for r in t["rows"]][:5] == ["SLIC [64], 130", "SLIC [64], 100", "SLIC [64], 80", "SLIC [64], 50", "SEEDS [81], 30"]
    small = reproduced_table("3.5", {s.name: [dict(superpixels=dict(images=400, count=s.paper["count"], ue=1-s.paper["ue"], bp=.1, br=.6, asa=s.paper["asa"]))] for s in settings("3.5")}, "scenes")
    assert "by count: Spearman rank correlation +1.00." in small["text"] and "by UE ↓: Spearman rank correlation −1.00; best in the paper: Ours, τ = 0.5, here: LSC [67], 130." in small["text"] and "by BP ↑: all equal" in small["text"]

def test_table_by_class():
    t = reproduced_table("3.4", {"mIOU": [made(.66, 1449)]}, "voc2012")
    assert len(t["rows"]) == 22 and body(t)["boat"] == ["63.4", "86.0 (one run)", "+22.6", "52.7"] and body(t)["mIOU"] == ["69.5", "71.0 (one run)", "+1.5", "70.1"]
    assert list(body(reproduced_table("3.4", {"mIOU": [made(.4)]}, "scenes"))) == ["background", "mIOU"]  # the classes are others
    absent = made(.66, 1449); absent["segmenter"]["crf"]["iou"][4] = None
    assert body(reproduced_table("3.4", {"mIOU": [absent]}, "voc2012"))["boat"] == ["63.4", "–", "–", "52.7"]

def test_all_cells_of_all_tables():
    for n in [*TABLES, "3.1"]:
        t = reproduced_table(n, {}, "scenes")
        assert t["rows"] and all(len(r["cells"]) == len(t["head"]) for r in t["rows"]) and as_text(t)
    assert len(reproduced_table("3.8", {}, "scenes")["rows"]) == 16 and "coco" in str(settings("3.3")) and "paper: COCO" in " ".join(reproduced_table("3.3", {}, "scenes")["head"])

def test_notes_are_said_once():
    t = reproduced_table("3.6", {"0.2": [made(.4)], "0.3": [made(.4)]}, "scenes", {"0.2": ["small nets"], "0.3": ["small nets", "one seed"]})
    assert t["text"].endswith("small nets\n0.3: one seed")

def test_what_there_is_not():
    with pytest.raises(ParameterError, match="no table '3.9'"): reproduced_table("3.9", {}, "scenes")
    with pytest.raises(ParameterError, match="no row of ours '0.9': its rows are 0; 0.1"): reproduced_table("3.6", {"0.9": [made(.4)]}, "scenes")
    with pytest.raises(ParameterError, match="no row of ours 'IRN"): reproduced_table("3.2", {}, "scenes", {"IRN [74]": ["quoted"]})

def test_where_ours_are():
    assert OURS["val"] == "segmenter.plain.miou" and OURS["val_crf"] == "segmenter.crf.miou" and OURS["asa"] == "superpixels.asa" and "test" not in OURS

def test_an_algorithm_has_no_numbers(): assert reproduced_table("3.1", {}, "scenes") == algorithm_table()
