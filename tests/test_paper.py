"""The dissertation's tables: every number against its text once more, and the settings of every row."""
import copy
import inspect
import re

import pytest

from wsss_nb import discovery
from wsss_nb.core import ParameterError, read_json
from wsss_nb.files import DATA
from wsss_nb.paper import SETTINGS, Setting, algorithm_table, settings
from wsss_nb.parameters import check_parameters
from wsss_nb.results import own_row
from wsss_nb.tables import TABLE_2_3

TABLES = read_json(DATA/"paper.json")
find = lambda table, name: next(s for s in settings(table) if s.name == name)


# ---- every number, against the text of the dissertation (read by machine: a tick is a 1, a √ or a >)

def blocks(lines):
    "(first, last) of each run of lines with tabs."
    found = []
    for i, line in enumerate(lines):
        if "\t" not in line: continue
        if found and found[-1][1] == i-1: found[-1][1] = i
        else: found.append([i, i])
    return found


def printed(text):
    "{table: rows of cells}: each caption takes the nearest block of tabbed lines that no other has, of two as near the one before it."
    lines, used, tables = text.splitlines(), set(), {}
    free = {tuple(b) for b in blocks(lines)}
    for i, line in enumerate(lines):
        if not (m := re.match(r"Table (\d\.\d): ", line)) or m[1] == "3.1": continue
        first, last = min(free - used, key=lambda b: (min(abs(b[0]-i), abs(b[1]-i)), b[0]))
        used.add((first, last))
        tables[m[1]] = [[c.strip() for c in row.split("\t")] for row in lines[first:last+1]]
    return tables


def bare(cell): return re.sub(r"</?b>|\$|\\|\s", "", cell)

def value(cell):
    "A number, a set of numbers, or nothing."
    c = bare(str(cell)).removeprefix("D=")
    if re.fullmatch(r"\d+(\.\d+)?", c): return float(c)
    return c if re.fullmatch(r"\{[\d.,]+\}", c) else None

def values(cells): return [v for c in cells if (v := value(c)) is not None]
def tick(cell): return None if not cell else "×" if cell in "×X" else "✓"

def plain(rows): return [v for r in rows if (v := values(r))]
def methods(rows): return [(tick(r[1]), tick(r[2]), *values(r[3:])) for r in rows if re.fullmatch(r"\d\d\.\d", r[3])]
def pairs(rows): return [[float(v) for c in r for v in re.findall(r"\d\d\.\d", c)] for r in rows if "/" in "".join(r)]

def transposed(rows):
    "Table 2.3 is printed sideways: (model's numbers without, with CRF, paths) for each of sixteen columns."
    row = {r[0]: [c for c in (r[1:] + [""]*16)[:16]] for r in rows}
    number = lambda c: None if not c else 3. if c == "ŝ" else float(c)  # that 3 was misread
    column = zip(row["Segmentation network backbone"], row["Saliency map refinement"], row["Classification network"], row["The number of classification paths"], row["val w/o crf"], row["val w/ crf"])
    return [(net, "✓" if s == ">" else s, c or None, number(n), number(a), number(b)) for net, s, c, n, a, b in column]

NUMBERED = ("3.6", "3.7")  # the rows' names are numbers there

def of_json(number, t):
    "The same of `paper.json`."
    rows = [[r["name"], *r["cells"]] for r in t["rows"]]
    if number in ("2.1", "2.2"): return [tuple(r[1:]) for r in rows]
    if number == "2.3": return [tuple(r[1:]) for r in rows]
    if number == "3.4": return {r[0]: r[1:] for r in rows}
    if number == "3.8": return [r[1:] for r in rows]
    return [values(c for c in r[number not in NUMBERED:] if c is not None) for r in rows]

def of_text(number, rows):
    if number in ("2.1", "2.2"): return methods(rows)
    if number == "2.3": return transposed(rows)
    if number == "3.4": return {r[i]: values(r[i+1:i+3]) for r in rows[1:] for i in (0, 3, 6) if len(r) > i+2 and r[i]}
    if number == "3.8": return pairs(rows)
    return plain(r[number not in NUMBERED:] for r in rows)

def disagreeing(ours, theirs):
    return [n for n in ours if n not in theirs or of_json(n, ours[n]) != of_text(n, theirs[n])]

@pytest.fixture(scope="module")
def text(shared_data):
    file = shared_data.parent/"dissertation.txt"
    if not file.is_file(): pytest.skip(f"no text of the dissertation: put it at {file.name} beside the folder of real photographs")
    return file.read_text(encoding="utf-8")


def test_every_number_is_the_papers(text):
    theirs = printed(text)
    assert theirs.keys() == TABLES.keys() == {f"2.{i}" for i in range(1, 9)} | {f"3.{i}" for i in range(2, 9)}
    for n, t in TABLES.items(): assert of_json(n, t) == of_text(n, theirs[n]), f"Table {n}"


def test_a_wrong_number_would_be_seen(text):
    "Each number in turn changed by a last digit: no comparison is blind."
    theirs, seen = printed(text), 0
    for n, t in TABLES.items():
        for i, r in enumerate(t["rows"]):
            for j, v in enumerate(r["cells"]):
                if not isinstance(v, (int, float)): continue
                wrong = copy.deepcopy(t)
                wrong["rows"][i]["cells"][j] = v + (.001 if n == "3.5" and v < 1 else .1)
                assert disagreeing({n: wrong}, theirs) == [n], f"Table {n}, {r['name']}, {v}"
                seen += 1
    assert seen == sum(isinstance(v, (int, float)) for t in TABLES.values() for r in t["rows"] for v in r["cells"]) > 300


def test_names_are_the_papers(text):
    "Methods and classes, as far as the machine read them."
    for n in ("2.1", "2.2", "2.8", "3.2", "3.3"):
        read = [r[0].replace(" ", "") for r in printed(text)[n]]
        assert [r["name"] for r in TABLES[n]["rows"] if r["name"].replace(" ", "") not in read] == [], n
    words = {w for r in printed(text)["3.2"] for w in r}
    assert {c for r in TABLES["3.2"]["rows"] for c in r["cells"][:2] if c} <= words


# ---- settings

def test_every_row_of_its_own_has_a_setting():
    count = {t: len(settings(t)) for t in TABLES}
    ours = {t: sum(r["ours"] for r in v["rows"]) for t, v in TABLES.items()}
    assert count == ours | {"3.4": 1, "3.5": 18, "3.8": 16} and len(SETTINGS) == sum(count.values())
    for t in TABLES: assert len({s.name for s in settings(t)}) == count[t]
    with pytest.raises(ParameterError, match="no row of table '3.1'"): settings("3.1")
    with pytest.raises(ParameterError, match="choose from 2.1"): settings("4.4")


def test_defaults_are_the_dissertations():
    s = Setting("3.6", "0.3")
    assert (s.tau, s.alpha, s.beta_bg, s.beta_fg, s.net, s.cls_net, s.crf, s.dataset, s.method) == (.3, .5, .7, .7, "resnet101", "resnet50", True, "voc", "clustering")
    with pytest.raises(AttributeError): s.tau = .4
    masking = find("2.3", "A6")
    assert (masking.net, masking.cls_net, masking.saliency, masking.classifier, masking.paths, masking.dilations, masking.cam_scales) == ("vgg16", "vgg16", "refined", "dilation", 2, (3, 6, 9), (.5, .75, 1.))
    assert find("2.8", "Ours").dataset == find("3.3", "Ours").dataset == "coco" and find("2.2", "Ours").net == "resnet101" and find("2.2", "Ours").paths == 3


@pytest.mark.parametrize("table, name, numbers", [
    ("2.1", "Ours", dict(val_crf=66.5, test=66.9)), ("2.2", "Ours", dict(val_crf=69.0, test=69.2)), ("2.3", "B3", dict(val=66.2, val_crf=68.8)), ("2.4", "A5", dict(val_crf=66.5)),
    ("2.5", "refined saliency map without unlabeled pixels", dict(val_crf=59.9)), ("2.6", "S7", dict(val_crf=66.5)), ("2.7", "D1", dict(val_crf=65.8)), ("2.8", "Ours", dict(val_crf=30.2)),
    ("3.2", "Ours, ResNet50", dict(val_crf=67.3, test=66.9)), ("3.2", "Ours, ResNet101", dict(val_crf=69.5, test=70.1)), ("3.3", "Ours", dict(val_crf=44.8)), ("3.4", "mIOU", dict(val_crf=69.5, test=70.1)),
    ("3.5", "SEEDS [81], 100", dict(count=59.9, ue=.092, bp=.058, br=.532, asa=.956)), ("3.5", "LSC [67], 130", dict(count=9.0, ue=.285, bp=.052, br=.689, asa=.859)),
    ("3.5", "Ours, τ = 0.3", dict(count=28.57, ue=.083, bp=.094, br=.615, asa=.96)), ("3.6", "0.1", dict(val=65.0, val_crf=69.5, test=69.3)), ("3.6", "0.5", dict(val=62.9, val_crf=67.5)),
    ("3.7", "0.6", dict(val=66.3, val_crf=69.4)), ("3.8", "β_fg = 0.5, β_bg = 0.8", dict(val=51.5, val_crf=53.9)), ("3.8", "β_fg = 0.8, β_bg = 0.5", dict(val=51.9, val_crf=53.6))])
def test_the_papers_numbers_of_a_row(table, name, numbers): assert find(table, name).paper == numbers


# ---- parameters of runs


@pytest.mark.parametrize("dataset", ["voc", "scenes"])
def test_every_row_is_a_run(dataset):
    for s in SETTINGS:
        given = dict(saliency="dataset") if s.method == "masking" else {}
        full = check_parameters(s.method, given | s.parameters(dataset))
        if s.method == "masking":
            row = TABLE_2_3.get(own_row(full))
            known = (s.saliency, s.classifier, s.paths) in {(t["saliency"], t["classifier"], t["paths"]) for t in TABLE_2_3.values()} and s.low == "unlabeled"
            assert (row is not None) == known, s
            if row: assert (row["saliency"], row["classifier"], row["paths"]) == (s.saliency, s.classifier, s.paths), s
        if dataset == "scenes": assert not any(k.endswith("_net") for k in s.parameters(dataset))
        elif s.method != "superpixels": assert (full["seg_net"], full["cls_net"]) == (s.net, s.cls_net)
        for k in ("tau", "alpha", "beta_bg", "beta_fg"):
            if s.method == "clustering": assert full[k] == getattr(s, k)


def test_only_what_differs_or_varies():
    assert find("3.6", "0.3").parameters() == dict(tau=.3) and find("3.3", "Ours").parameters() == {} == find("3.2", "Ours, ResNet101").parameters()
    assert find("3.2", "Ours, ResNet38").parameters() == dict(seg_net="resnet38") and find("3.2", "Ours, ResNet38").parameters(keep_nets=False) == {}
    assert find("3.7", "0.5").parameters("scenes") == dict(alpha=.5) and find("3.8", "β_fg = 0.6, β_bg = 0.7").parameters() == dict(beta_bg=.7, beta_fg=.6)
    assert find("2.3", "A3").parameters("scenes") == dict(maps="saliency/original", paths=1, dilations=[])
    assert find("2.3", "C4").parameters() == dict(maps="saliency/original", low="none", saliency="truth")
    assert find("2.5", "original saliency map").parameters("scenes") == dict(maps="saliency/original")
    assert find("2.5", "refined saliency map without unlabeled pixels").parameters("scenes") == dict(low="background")
    assert find("2.6", "S4").parameters("scenes") == dict(cam_scales=[.5, .75, 1.]) and find("2.7", "D3").parameters("scenes") == dict(dilations=[3, 6, 9])
    assert find("3.5", "SLIC [64], 50").parameters() == dict(sp_method="slic", segments=50) and find("3.5", "SLIC [64], 50").parameters("scenes") == dict(sp_method="slic", segments=18)
    assert find("3.5", "SEEDS [81], 50").parameters("scenes") == dict(sp_method="seeds", segments=50) and find("3.5", "Ours, τ = 0").parameters() == dict(tau=0.)


# ---- Table 3.1

def test_each_step_is_a_line_of_the_library():
    code = inspect.getsource(discovery)
    t = algorithm_table()
    assert len(t["rows"]) == 10 and all(r["cells"][2] in code for r in t["rows"])
