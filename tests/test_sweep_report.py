"""A folder of runs bound into a page and a LaTeX text: folders by hand, figures by `save_figure`; what compiles is skipped without LaTeX."""
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from PIL import Image

from wsss_nb import latex, sweep_report
from wsss_nb.core import ParameterError, RunError, write_json
from wsss_nb.figures import FIGURES, read_figure, save_figure
from wsss_nb.illustrations import canvas
from wsss_nb.latex import as_latex
from wsss_nb.sweep_report import tables_in, write_sweep_report
from wsss_nb.tables import as_text, paper_table

NASTY = r"50% of A&B_1 #2 {x} ~ ^ \ <b> $ 猫 τ"  # in an error, as a picture's name could be
quiet = lambda s: None


def folder_of(tmp, runs, dataset="scenes"):
    "A folder of runs: name -> (method, params, tags, status, error or miou)."
    folder, plan = tmp/"r", {}
    stages = {f"net-{i}": dict(name="t30_evaluate", notebook="t30_evaluate.ipynb", makes="predictions", key="k", needs=[], params={}) for i in range(len(runs))}
    for i, (name, (method, params, tags, status, what)) in enumerate(runs.items()):
        plan[name] = dict(method=method, params=params, seed=int(name[-1]), stages=[f"net-{i}"], tags=tags)
        write_json(folder/name/"run.json", dict(method=method, data=dict(name=dataset, train=8, val=4, fingerprint="55da", classes=["cat"]), seed=int(name[-1]), parameters=params, supervision="image-level labels", commit="c0ffee"))
        stage = folder/"stages"/f"net-{i}"
        (stage/"predictions").mkdir(parents=True)
        if status == "failed": (stage/"notebooks").mkdir(); (stage/"notebooks"/"t30_evaluate.log").write_text("why")
        write_json(stage/"run.json", dict(stages=dict(t30_evaluate=dict(status=status, key="k", seconds=60., **({} if status == "done" else dict(error=what))))))
        if status == "done": write_json(folder/name/"metrics.json", dict(segmenter=dict(plain=dict(miou=what, images=4), crf=dict(miou=what+.02, images=4))))
    write_json(folder/"sweep.json", dict(data=dataset, runs=plan, stages=stages))
    return folder


@pytest.fixture
def reproduced(tmp_path):
    tags = lambda t: [f"table 3.6: {t}"]
    return folder_of(tmp_path, {"clustering,tau=0.3,seed=0": ("clustering", dict(tau=.3), tags("0.3"), "done", .40), "clustering,tau=0.3,seed=1": ("clustering", dict(tau=.3), tags("0.3"), "done", .44),
                                "clustering,tau=0.5,seed=0": ("clustering", dict(tau=.5), tags("0.5"), "done", .50), "clustering,tau=0.4,seed=0": ("clustering", dict(tau=.4), tags("0.4"), "failed", NASTY)})


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    to = tmp_path_factory.mktemp("figures")
    for n in ("3.14", "1.1", "3.9"): save_figure(canvas(2, 1)[0], n, f"What {n} shows: 50% τ_1. And more.", out=to, note="smaller.")
    return to


class Page(HTMLParser):
    "Tags that are open, ids, and addresses of a page."
    VOID = {"meta", "img", "br", "hr", "link", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.loads, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag not in self.VOID: self.open.append(tag)
        if "id" in a: self.ids.append(a["id"])
        if tag == "a": self.links.append(a["href"])
        self.loads += [a[k] for k in ("src", "srcset", "data") if k in a] + [a.get("href")]*(tag == "link")

    def handle_endtag(self, tag): assert self.open.pop() == tag, tag
    def handle_data(self, data): self.text += data


def words(text): return " ".join(text.split())


def test_page_of_a_reproduced_folder(reproduced, figures):
    to = write_sweep_report(reproduced, figures, say=quiet)[0]
    assert to == reproduced/"report.html"
    p = Page(to.read_text(encoding="utf-8"))
    assert not p.open and len(set(p.ids)) == len(p.ids)
    assert {o[1:] for o in p.links if o.startswith("#")} <= set(p.ids), "a link to nowhere"
    assert [o for o in p.links if not o.startswith("#")] == ["stages/net-3/notebooks/t30_evaluate.log"] and all(o.startswith("data:image/png;base64,") for o in p.loads) and len(p.loads) == 3
    assert [o for o in p.ids if o.startswith("figure-")] == ["figure-1.1", "figure-3.9", "figure-3.14"]
    assert [o for o in p.ids if o.startswith("table-")] == ["table-3.1", "table-3.6"]
    text = words(p.text)
    assert "42.0 ± 2.8" in text and "65.1" in text  # ours; the paper's
    assert "50.0¹" in text and "¹ One run: its spread is not known." in text
    assert "3 done" in text and "1 failed" in text and NASTY in text and "3 of 4 runs done" in text
    assert "Unlike the dissertation's figure: smaller." in text and "Drawn by wsss_nb" in text
    assert "built-in synthetic scenes" in text


def test_logs_are_found_from_where_the_page_lies(reproduced, figures, tmp_path):
    p = Page(write_sweep_report(reproduced, figures, tmp_path/"a b"/"page.html", say=quiet)[0].read_text(encoding="utf-8"))
    link = next(o for o in p.links if not o.startswith("#"))
    assert link.startswith("../r/stages/") and (tmp_path/"a b"/link).resolve().read_text() == "why"


def test_what_is_missing_is_said_with_its_command(reproduced, figures):
    text = words(Page(write_sweep_report(reproduced, figures, say=quiet)[0].read_text(encoding="utf-8")).text)
    gone = " ".join(n for n in FIGURES if n not in ("1.1", "3.9", "3.14"))
    assert f"wsss-nb figures {gone} --out {figures}" in text
    said = re.search("Tables ([^T]*) are not asked for here.", text)[1].split(", ")
    assert said[0] == "2.1" and "3.6" not in said and "3.7" in said and "wsss-nb reproduce" not in text  # that would be of full length
    assert f"wsss-nb resume {reproduced}" in text


def test_page_of_a_sweep_has_a_table_for_each_method(tmp_path, figures):
    folder = folder_of(tmp_path, {"clustering,alpha=0.3,seed=0": ("clustering", dict(alpha=.3), [], "done", .4), "masking,paths=1,seed=0": ("masking", dict(paths=1), [], "done", .3)})
    assert [(t["id"], t["runs"]) for t in tables_in(folder)] == [("table-clustering", "1 of 1 runs done"), ("table-masking", "1 of 1 runs done")]
    text = Page(write_sweep_report(folder, figures, tmp_path/"p.html", title="Mine & yours", say=quiet)[0].read_text(encoding="utf-8")).text
    assert "Mine & yours" in text and "wsss-nb reproduce" not in text and "wsss-nb resume" not in text
    assert "40.0" in text and "30.0" in text


def test_a_sweep_has_figures_only_when_asked(tmp_path, figures, monkeypatch):
    folder = folder_of(tmp_path, {"clustering,alpha=0.3,seed=0": ("clustering", dict(alpha=.3), [], "done", .4)})
    shutil.copytree(figures, tmp_path/"figures")
    monkeypatch.chdir(tmp_path)
    page, tex = (write_sweep_report(folder, say=quiet)[0].with_suffix(s).read_text(encoding="utf-8") for s in (".html", ".tex"))
    assert "Figures" not in page and "data:image" not in page and "Figures" not in tex
    page = write_sweep_report(folder, "figures", say=quiet)[0].read_text(encoding="utf-8")
    assert page.count("data:image/png") == 3 and "from the data and runs that each names; not from the runs above." in page


def test_figures_of_the_folders_own_runs():
    plan, records = dict(runs={"clustering,seed=0": {}}), [dict(seed=0, commit="c0ffee")]
    f = lambda run: dict(runs=[run])
    own, other, older = (f(f"{n} (clustering, 2026-01-01, seed 0, commit {c})") for n, c in (("clustering,seed=0", "c0ffee"), ("demo", "c0ffee"), ("clustering,seed=0", "0ld")))
    assert "1 of 3 show one of the runs above" in sweep_report._drawn([own, other, older], plan, records)
    assert "not from the runs above" in sweep_report._drawn([other, older, dict(runs=[])], plan, records) and sweep_report._drawn([], plan, records) == ""


def test_no_figures_is_said(reproduced, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = words(Page(write_sweep_report(reproduced, say=quiet)[0].read_text(encoding="utf-8")).text)
    assert "No figures in figures: wsss-nb figures" in text


def test_damaged_and_foreign_figures(tmp_path, figures):
    (tmp_path/"f1_1.png").write_bytes((figures/"f1_1.png").read_bytes()[:500])
    Image.new("RGB", (40, 20)).save(tmp_path/"f1_2.png")
    assert read_figure(tmp_path, "1.1") is None and read_figure(tmp_path, "1.3") is None
    f = read_figure(tmp_path, "1.2")
    assert "not known" in f["made"] and "f1_2.md is not there" in f["caption"][0] and f["print"] == tmp_path/"f1_2.png"


def test_latex_text_is_ascii_and_escaped(reproduced, figures, monkeypatch):
    monkeypatch.setattr(latex, "_latex_words", lambda: None)
    said = []
    assert write_sweep_report(reproduced, figures, say=said.append) == [reproduced/"report.html"]
    assert len(said) == 1 and "no LaTeX" in said[0] and "latexmk" in said[0]
    tex = (reproduced/"report.tex").read_text(encoding="ascii")
    assert r"50\% of A\&B\_\allowbreak{}1 \#2 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{}b\textgreater{} \$ [U+732B] \(\tau\)" in tex
    assert "{f3_14.pdf}" in tex and r"42.0 \(\pm\) 2.8" in tex and "<<" not in tex and "<%" not in tex
    body = tex.split(r"\begin{document}")[1]
    assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
    opened = re.findall(r"\\begin\{(\w+)", tex)
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)", tex)) and opened.count("longtable") == 3


@pytest.mark.parametrize("text,want", [("100%", r"100\%"), ("a–b", "a{--}b"), ("--", "{-}{-}"), ("é ü ç", r"\'{e} \"{u} \c{c}"), ("x²₁ᵀ", r"x\(^{2}\)\(_{1}\)\(^{T}\)"), ("Σ_q", r"\(\Sigma\)\_\allowbreak{}q"), ("a\tb\nc", "a b c"), ("\u0303", ""), (3, "3")])
def test_latex_by_hand(text, want): assert as_latex(text) == want


def test_every_text_of_the_dissertation_has_its_signs(reproduced):
    for n in ("2.1", "2.3", "3.2", "3.5", "3.8"): assert "[U+" not in as_latex(as_text(paper_table(n)))
    assert not [t["number"] for t in tables_in(reproduced) if "[U+" in as_latex(json.dumps(t["rows"] + t["lines"], ensure_ascii=False))]


@pytest.mark.parametrize("how,error,message", [
    (lambda r, f: (r.parent, f), RunError, "no sweep.json"), (lambda r, f: (r/"nowhere", f), RunError, "no such folder|no sweep.json"), (lambda r, f: (r, f/"nowhere"), ParameterError, "wsss-nb figures --out"),
    (lambda r, f: (r, f/"f1_1.png"), ParameterError, "no folder with figures"), (lambda r, f: (r, f, r), ParameterError, "is a folder"), (lambda r, f: (r, f, r/"book.pdf"), ParameterError, "must end in .html"),
    (lambda r, f: (r, f, r/"sweep.json"/"page.html"), ParameterError, "below a file")])
def test_errors_in_one_sentence_and_nothing_written(reproduced, figures, how, error, message):
    before = sorted(p.name for p in reproduced.iterdir())
    with pytest.raises(error, match=message): write_sweep_report(*how(reproduced, figures), say=quiet)
    assert sorted(p.name for p in reproduced.iterdir()) == before


def test_latex_that_fails_leaves_the_page_and_says_so(reproduced, figures, monkeypatch, tmp_path):
    broken = tmp_path/"broken"
    broken.write_text("#!/bin/sh\necho '! Undefined control sequence.'\nexit 1\n"); broken.chmod(0o755)
    monkeypatch.setattr(latex, "_latex_words", lambda: ([str(broken)], 1))
    (reproduced/"report.pdf").write_bytes(b"older")
    said = []
    assert write_sweep_report(reproduced, figures, say=said.append) == [reproduced/"report.html"]
    assert "Undefined control sequence" in said[-1] and "report.pdf is an older one" in said[-1] and (reproduced/"report.pdf").read_bytes() == b"older"
    assert not list(reproduced.glob(".*.tmp*"))


@pytest.mark.parametrize("have,want", [({"latexmk", "pdflatex", "xelatex"}, ["latexmk", "-pdf"]), ({"latexmk", "xelatex"}, ["latexmk", "-pdfxe"]), ({"latexmk"}, None), ({"tectonic", "lualatex"}, ["tectonic"]), ({"xelatex", "pdflatex"}, ["xelatex"]), (set(), None)])
def test_first_latex_that_is_there(monkeypatch, have, want):
    monkeypatch.setattr(shutil, "which", lambda w: w if w in have else None)
    found = latex._latex_words()
    assert found is want if want is None else [w for w in found[0] if w in (*have, "-pdf", "-pdfxe")] == want


def undone(tmp_path, tags=()):
    "A folder as it is before its first run."
    folder = folder_of(tmp_path, {"clustering,seed=0": ("clustering", {}, list(tags), "queued", ""), "clustering,seed=1": ("clustering", {}, list(tags), "queued", "")})
    for n in ("clustering,seed=0", "clustering,seed=1"): shutil.rmtree(folder/n)
    return folder


def test_before_the_first_run(tmp_path):
    text = words(Page(write_sweep_report(undone(tmp_path), say=quiet)[0].read_text(encoding="utf-8")).text)
    assert "0 of 2 runs done" in text and "2 queued" in text and "How this was made" not in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here: the PDF itself is not tried")
@pytest.mark.parametrize("cell", ["–", "[1, 2]", "*"])
def test_pdf_before_the_first_run(tmp_path, monkeypatch, cell):
    "Nor does a row that begins like an argument of LaTeX's end it."
    folder, said = undone(tmp_path), []
    monkeypatch.setattr(latex, "_latex_words", lambda: (["pdflatex", "-interaction=nonstopmode", "-halt-on-error"], 1))
    real = sweep_report.sweep_table
    monkeypatch.setattr(sweep_report, "sweep_table", lambda *a: (t := real(*a)) | dict(rows=[dict(cells=[cell, *r["cells"][1:]], kind="") for r in t["rows"]*2], text=cell))
    assert [p.name for p in write_sweep_report(folder, say=said.append)] == ["report.html", "report.pdf"], said


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here: the PDF itself is not tried")
def test_pdf(reproduced, figures, monkeypatch):
    monkeypatch.setattr(latex, "_latex_words", lambda: (["pdflatex", "-interaction=nonstopmode", "-halt-on-error"], 1))
    made = write_sweep_report(reproduced, figures, say=quiet)
    assert [p.name for p in made] == ["report.html", "report.pdf"] and made[1].read_bytes()[:5] == b"%PDF-"
    assert {p.name for p in reproduced.glob("report.*")} == {"report.html", "report.tex", "report.pdf"}
    if shutil.which("pdftotext"):
        text = words(subprocess.run(["pdftotext", "-layout", str(made[1]), "-"], capture_output=True, text=True).stdout)
        assert "42.0 ± 2.8" in text and "Figure 3.14." in text and "A&B_1 #2" in text
