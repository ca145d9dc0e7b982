"""What every table is made of, and the dissertation's own: Table 2.3 in the words of a run, and how many numbers each holds."""
import pytest

from wsss_nb.core import ParameterError, RunError, write_json
from wsss_nb.tables import TABLE_2_3, mean_std, paper_table, pick, replicas


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
    write_json(tmp_path/"run.json", dict(parameters=dict(seeds=[0, 2])))  # seed 1 is of settings before
    assert [m["n"] for m in replicas(tmp_path)] == [0, 2]


# ---- the dissertation's

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


def test_the_papers_tables():
    numbers = {c: sum(isinstance(v, float) or v.replace(".", "", 1).isdigit() for r in paper_table(c)["rows"] for v in r["cells"][1:]) for c in ("2.8", "3.4", "3.5", "3.7", "3.8")}
    assert numbers == {"2.8": 6, "3.4": 44, "3.5": 90, "3.7": 12, "3.8": 32}
    assert all(len(r["cells"]) == len(t["head"]) for t in map(paper_table, "2.1 2.2 2.4 2.5 2.6 2.7 3.2 3.3 3.6".split()) for r in t["rows"])
    for row in paper_table("3.5")["rows"]:  # two of its columns bear each other out
        ue, asa = float(row["cells"][2]), float(row["cells"][5])
        assert abs(asa - (1 - ue/2)) < .0025
    with pytest.raises(ParameterError, match="choose from 2.1"): paper_table("3.1")
