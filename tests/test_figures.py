"Figures: the files with their provenance, and that every figure of the dissertation has its notebook and its picture."
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_figure_source import two_pictures

from wsss_nb.artefacts import demo_folder
from wsss_nb.core import DataError, ParameterError
from wsss_nb.figures import FIGURES, read_provenance, save_figure
from wsss_nb.illustrations import COLUMN, panels
from wsss_nb.figure_source import open_source

REPO = Path(__file__).resolve().parents[1]
ROOM = .13  # inches below a figure of scenes, where the mark stands


@pytest.fixture(scope="module")
def source(): return open_source()


@pytest.fixture(scope="module")
def other(tmp_path_factory): return two_pictures(tmp_path_factory.mktemp("own"))


def drawn():
    "The same small figure each time it is asked for"
    rng = np.random.default_rng(0)
    return panels([[rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(3)]], ["one", "two", r"$\tau=0.3$"], ["row"], COLUMN)


def size(path):
    with Image.open(path) as im: return im.size


# ---- files

def test_provenance_in_every_format(tmp_path, source):
    caption = r"With a \ and a ( and a ), <b> & τ."
    pdf, png, svg, md = save_figure(drawn(), "3.14", caption, source, tmp_path, note="a note.")
    assert [p.name for p in (pdf, png, svg, md)] == ["f3_14.pdf", "f3_14.png", "f3_14.svg", "f3_14.md"]
    p = read_provenance(png)
    assert p == read_provenance(pdf) == read_provenance(svg)
    assert p["figure"] == "3.14" and p["dataset"] == "scenes" and p["scenes"] is True and p["fingerprint"] == source.ds.fingerprint("train") and p["wsss_nb"]
    assert "commit" in p
    text = md.read_text(encoding="utf-8")
    assert text.startswith(f"**Figure 3.14.** {caption}\n") and "Unlike the dissertation's figure: a note." in text and "Generated scenes" in text and p["fingerprint"] in text


def test_runs_in_provenance_are_those_that_were_asked(tmp_path):
    s = open_source()
    assert s.runs == []
    i = s.pick(1)[0]
    assert s.runs == []  # a picture alone is of no run
    s.cam(i)
    assert len(s.runs) == 1 and "clustering" in s.runs[0] and "packaged sample" in s.runs[0]
    s.saliency(s.pick(1, of="masking")[0])
    assert len(s.runs) == 2 and "masking" in s.runs[1]
    assert read_provenance(save_figure(drawn(), "2.7", "", s, tmp_path)[1])["runs"] == s.runs


def test_awkward_provenance_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("wsss_nb.figures.git_commit", lambda: r"a\(b)c) <&> \" ü")
    back = [read_provenance(p)["commit"] for p in save_figure(drawn(), "1.1", "", None, tmp_path)[:3]]
    assert back == [r"a\(b)c) <&> \" ü"]*3


def test_equal_inputs_give_equal_bytes(tmp_path, source):
    a, b = ([p.read_bytes() for p in save_figure(drawn(), "2.1", "Same.", source, tmp_path/n)] for n in "ab")
    assert a == b
    assert not re.search(rb"CreationDate|dc:date", a[0] + a[2])


def test_mark_of_scenes(tmp_path, source, other):
    fig = drawn()
    w, h = (round(v*200) for v in fig.get_size_inches())
    with_mark = save_figure(fig, "1.2", "", source, tmp_path/"scenes")
    without = save_figure(fig, "1.2", "", other, tmp_path/"own")
    assert abs(size(without[1])[1] - h) <= 1 and abs(size(with_mark[1])[1] - h - round(ROOM*200)) <= 2
    with Image.open(with_mark[1]) as im: below = np.asarray(im.convert("L"))[h + 2:]
    assert below[:, w - 120:].min() < 200 and below[:, :w - 120].min() == 255  # the mark at the right, nothing else
    assert ">scenes<" in with_mark[2].read_text() and ">scenes<" not in without[2].read_text()
    assert not read_provenance(without[1])["scenes"] and "Generated" not in without[3].read_text()
    assert not [t for t in fig.texts if t.get_text() == "scenes"]  # the figure is left as it was


def test_mark_below_the_left_panel(tmp_path, source):
    fig = drawn()
    w, h = (round(v*200) for v in fig.get_size_inches())
    png = save_figure(fig, "3.5", "", source, tmp_path, side="left")[1]
    with Image.open(png) as im: below = np.asarray(im.convert("L"))[h + 2:]
    assert below[:, :120].min() < 200 and below[:, 120:].min() == 255
    with pytest.raises(ParameterError, match="left or right"): save_figure(fig, "3.6", "", source, tmp_path, side="middle")
    assert not list(tmp_path.glob("f3_6*"))


def test_without_a_source(tmp_path):
    png = save_figure(drawn(), "1.3", "", None, tmp_path)[1]
    assert read_provenance(png) | dict(commit=None, wsss_nb=None) == dict(figure="1.3", dataset=None, fingerprint=None, scenes=False, runs=[], commit=None, wsss_nb=None)


def test_size_of_png(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    noise = panels([[rng.integers(0, 256, (99, 99, 3), dtype=np.uint8)]], width=1.2)  # nothing to compress
    monkeypatch.setattr("wsss_nb.figures._MOST", 20_000)
    assert save_figure(noise, "1.1", "", None, tmp_path)[1].stat().st_size <= 20_000
    monkeypatch.setattr("wsss_nb.figures._MOST", 2_000)
    with pytest.raises(ParameterError, match="stays above 2 kB"): save_figure(noise, "1.2", "", None, tmp_path)
    assert not list(tmp_path.glob("f1_2*"))  # all or nothing


@pytest.mark.parametrize("number", ["14", "3.x", "", "../3.1"])
def test_wrong_number(tmp_path, number):
    with pytest.raises(ParameterError, match="like 3.14"): save_figure(drawn(), number, "", None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_provenance(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path/"a.png")
    for f in ("a.png", "missing.pdf", "a.txt"):
        with pytest.raises(DataError): read_provenance(tmp_path/f)


# ---- the figures of the dissertation

def stem(number): return "f" + number.replace(".", "_")


@pytest.mark.parametrize("number", FIGURES)
def test_every_figure_has_its_notebook(number):
    found = [p for p in (REPO/"nbs/figures").glob("f*.ipynb") if re.fullmatch(rf"{stem(number)}_[a-z0-9]+\.ipynb", p.name)]
    assert len(found) == 1, f"one notebook {stem(number)}_<word>.ipynb, but there are {[p.name for p in found]}"
    cells = json.loads(found[0].read_text(encoding="utf-8"))["cells"]
    assert re.match(rf"# (Figure |f){number.replace('.', '[._]')} · .+\n+> .+", "".join(cells[0]["source"])), f"first cell: `# Figure {number} · title`, then `> summary`"
    tagged = ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]
    values = {}
    exec("\n".join(tagged), values)
    values.pop("__builtins__")
    assert len(tagged) == 1 and list(values) == ["data", "run", "masking", "out", "n"]
    assert (values["data"], values["run"], values["masking"], values["out"]) == ("scenes", "", "", "../../figures") and isinstance(values["n"], int)
    assert any("open_source(data, run, masking, n)" in "".join(c["source"]) for c in cells), "n below 1 is refused by open_source"
    assert f'"{number}"' in "".join(cells[-1]["source"]) and "save_figure(" in "".join(cells[-1]["source"]), "the last cell saves the figure under its number"
    assert not [line for c in cells if c["cell_type"] == "code" for line in c["source"] if ".backward(" in line], "a figure's notebook trains nothing"


@pytest.mark.parametrize("number", ["1.4", "1.5", "2.1", "2.7", "2.8", "3.4", "3.17", "3.18", "3.19", "3.20"])
def test_figures_of_classes_have_a_key(number):
    (path,) = (REPO/"nbs/figures").glob(f"{stem(number)}_*.ipynb")
    text = path.read_text(encoding="utf-8")
    assert re.search(r"key=names|canvas\([^\n]*, (names|shown)\)|legend_handles\(names", text)


@pytest.mark.parametrize("number", FIGURES)
def test_every_figure_has_its_picture(number):
    png = REPO/"figures"/f"{stem(number)}.png"
    p = read_provenance(png)
    assert p["figure"] == number and p["scenes"] is True, "committed pictures are those of scenes"
    assert png.stat().st_size <= 250_000
    assert png.with_suffix(".md").read_text(encoding="utf-8").startswith(f"**Figure {number}.**")
