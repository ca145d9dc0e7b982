"""The page of one or several runs: what stands on it, in which order, and what comes first."""
import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_results import SEEDS, record, score

from wsss_nb.core import RunError, write_json
from wsss_nb.images import write_image
from wsss_nb.parameters import PARAMETERS, resolve
from wsss_nb.record import RunRecord
from wsss_nb.report import photographs_in, write_report


def run_folder(folder, method, ms, **kw):
    r = record(**{"seeds": [*range(len(ms))] or [0], **kw}) | dict(method=method)
    RunRecord(folder).create(**r, supervision=f"labels of {method}")
    seeds = r["parameters"]["seeds"]
    for s, m in zip(seeds, ms): write_json((folder if s == seeds[0] else folder/"replicas"/f"seed{s}")/"metrics.json", m)
    write_image(folder/"pictures"/"predictions.png", np.full((8, 8, 3), 90, np.uint8))
    return folder

def test_report_of_one_run(tmp_path, capsys):
    out = run_folder(tmp_path/"run", "masking", SEEDS, seeds=[0, 1, 2])
    page, said = write_report(out), capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert page == out/"report.html" and "data:image/png;base64" in text and "http://" not in text and "https://" not in text
    assert "Masking: segmenters on held-out pictures" in text and "What each part adds" in text and "over 3 seeds" in text and "Side by side" not in text
    assert "labels of masking" in text and "62.0 ± 2.0" in text and "62.0 ± 2.0" in said and "What each part adds" in said

def test_a_run_that_is_not_finished_says_so(tmp_path):
    out = run_folder(tmp_path/"run", "masking", SEEDS, seeds=[0, 1, 2])
    assert "This run is not finished: its record says queued" in write_report(out).read_text(encoding="utf-8")
    RunRecord(out).update(status="done")
    assert "not finished" not in write_report(out).read_text(encoding="utf-8")


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

def test_the_terminal_says_of_a_score_what_the_page_says(tmp_path, capsys):
    "A number of drawn scenes never stands alone beside the paper's of VOC."
    out = run_folder(tmp_path/"run", "masking", [{"segmenter": score(.33, .39)}], seg_net="small")
    RunRecord(out).update(data=dict(name="scenes"))
    page, said = write_report(out).read_text(encoding="utf-8"), capsys.readouterr().out
    for words in ("of the net small on scenes: not to be compared", "they say nothing about VOC or COCO"): assert words in page and words in said


def test_captions_say_what_the_run_has(tmp_path):
    out = run_folder(tmp_path/"run", "masking", SEEDS[:1], crf=False)
    assert "Held-out pictures: photograph" in write_report(out).read_text(encoding="utf-8")
    RunRecord(out).update(data=dict(val=0), parameters=dict(crf=True, seeds=[0, 1]))
    assert "nothing is held out: photograph, truth where there is one, and what each segmenter says with the CRF, first seed." in write_report(out).read_text(encoding="utf-8")


def test_what_was_given_is_said(tmp_path):
    "Beside the preset's, also where it is the dissertation's own value against the preset's; and seeds are no Python list."
    full, over = resolve("clustering", SimpleNamespace(name="scenes"), dict(seg_epochs="12", tau=PARAMETERS["tau"].of("default", "clustering"), cam_scales="1,0.5", seeds="0,1"))
    out = run_folder(tmp_path/"run", "clustering", [{"segmenter": score(.5)}])
    RunRecord(out).update(data=dict(name="scenes"), parameters=full, overrides=over)
    page = write_report(out).read_text(encoding="utf-8")
    said = re.search("<td>given for this run</td><td>(.*?)</td>", page)[1].split()
    assert sorted(said) == ["cam_scales=1.0,0.5", "seg_epochs=12", f"tau={full['tau']}"] and "<td>seeds</td><td>0, 1</td>" in page


def test_methods_differ_only_where_there_are_two(tmp_path):
    a, b = (run_folder(tmp_path/n, "masking", SEEDS) for n in "ab")
    assert "The methods differ" not in write_report(a, b).read_text(encoding="utf-8")
    c = run_folder(tmp_path/"c", "clustering", SEEDS)
    assert "The methods differ" in write_report(a, c).read_text(encoding="utf-8")


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

def test_a_transparent_picture_stays_so(tmp_path):
    "Drawn for light and dark pages alike: white paper would be a block of light on a dark page."
    (tmp_path/"steps").mkdir()
    Image.new("RGBA", (6, 4), (122, 122, 122, 0)).save(tmp_path/"steps"/"cat.png")
    kind, data = photographs_in(tmp_path)[0]["src"].split(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as im:
        assert (kind, im.mode, im.size) == ("data:image/webp", "RGBA", (6, 4)) and im.getextrema()[3] == (0, 0)


def test_the_surest_photograph_comes_first_and_says_what_was_asked(tmp_path):
    for n in "ab": write_image(tmp_path/"overlays"/f"{n}.jpg", np.zeros((4, 4, 3), np.uint8))
    rows = ["file,class,pixels,share,probability,mask", "x.jpg,background,9,0.5,,a.png", "x.jpg,cat,9,0.5,0.2000,a.png", "y.jpg,dog,9,0.5,0.9000,b.png"]
    assert [f["title"] for f in photographs_in(tmp_path)] == ["a", "b"]
    (tmp_path/"areas.csv").write_text("\n".join(rows) + "\n")
    found = photographs_in(tmp_path)
    assert [f["title"] for f in found] == ["b", "a"] and found[0]["text"] == "“dog” (the classifier's probability: 0.90)"
    assert found[1]["text"] == "“cat” (the classifier's probability: 0.20; it is unsure, and the mask may be of something else)"
    (tmp_path/"areas.csv").write_text("\n".join([*rows, "x.jpg,cow,0,0.0,0.0100,a.png"]) + "\n")
    assert photographs_in(tmp_path)[1]["text"].endswith("“cow” (the classifier's probability: 0.01; no mask)")


def test_what_is_said_above_photographs_is_true_of_them(tmp_path):
    "Stripes where there are steps, probabilities where names were asked for, and nothing of names above the masks of a run."
    a, shots = run_folder(tmp_path/"a", "masking", SEEDS), tmp_path/"shots"
    above = lambda: re.search('id="photographs"><p class="lead">(.*?)</p>', write_report(a, photographs=shots).read_text(encoding="utf-8"))[1]
    write_image(shots/"overlays"/"b.jpg", np.zeros((4, 4, 3), np.uint8))
    write_json(shots/"segment.json", dict(decides=dict(by="the masking run")))
    assert above() == "Masks by the masking run, which learned them."
    write_json(shots/"segment.json", dict(decides=dict(by="names")))
    assert above().startswith("A name in, a mask out, and nothing trained") and "probability" not in above() and "Stripes" not in above()
    (shots/"areas.csv").write_text("file,class,pixels,share,probability,mask\nb.jpg,dog,9,0.5,0.9000,b.png\n")
    write_image(shots/"steps"/"b.png", np.zeros((4, 4, 3), np.uint8))
    assert "Stripes are what has no label yet. The classifier&#39;s probability is that of a name in the whole photograph" in above()


def test_every_picture_can_be_seen_at_full_size(tmp_path):
    "By a checkbox and the style sheet: the page stays one file without a script."
    page = write_report(run_folder(tmp_path/"a", "masking", SEEDS)).read_text(encoding="utf-8")
    assert page.count('<label class="zoom"') == page.count('<input type="checkbox"') == page.count("<img") == 1 and "at its full size" in page
    assert ".zoom:has(:checked)" in page and "<script" not in page


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
