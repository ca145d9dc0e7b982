"What is taken along makes the same again: each explorer's ZIP is unpacked, its command pasted into a shell, and the files are compared byte by byte."
import os
import shlex
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from wsss_nb.canvas import Canvas
from wsss_nb.core import ParameterError
from wsss_nb.explore import AlphaExplorer, BetaExplorer, CrfExplorer, GrowthExplorer, MaskingExplorer, ObjectExplorer, RunExplorer, SaliencyExplorer, TauExplorer
from wsss_nb.masks_of_ids import read_labels, read_mask
from wsss_nb.options import names_and_values
from wsss_nb.panel import Explorer
from wsss_nb.parameters import check_parameters
from wsss_nb.recognise import NOT_TICKED
from wsss_nb.seeds import initial_seed


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    for name in ("WSSS_NB_RUN", "WSSS_NB_DATA"): monkeypatch.delenv(name, raising=False)


def unpacked(e, to):
    ZipFile(BytesIO(e.take.pack())).extractall(to)
    return to


def pasted(text, folder):
    "What a shell says to a command."
    env = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", OMP_NUM_THREADS="1")
    r = subprocess.run(["bash", "-c", text], cwd=folder, env=env, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


def made_again(e, folder):
    "Names of the files that the command has made, each as it is in the ZIP; tables and records beside them are no maps."
    unpacked(e, folder)
    pasted(e.take.text, folder)
    made = {str(p.relative_to(folder/"again")): p.read_bytes() for p in (folder/"again").rglob("*") if p.suffix in (".png", ".npz")}
    assert {n: (folder/n).read_bytes() for n in made} == made
    return set(made)


def turned(e, **traits):
    for k, v in traits.items(): setattr(e.canvas, k, v)
    return e


def crf(labels="superpixels", **knobs):
    e = CrfExplorer(picture="run: train_00024")
    e.input.value = labels
    for k, v in knobs.items(): e.knobs[k].value = v
    return e


CASES = {
    "tau": (lambda: turned(TauExplorer(tau=.41)), {"superpixels/scene-house.png"}),
    "tau of a photograph after the CRF": (lambda: turned(TauExplorer(picture="coffee"), crf=True, order=1), {"superpixels/coffee.png"}),
    "Ncut": (lambda: turned(TauExplorer(), order=2), {"superpixels/scene-house.png"}),
    "objects": (ObjectExplorer, {"alike/scene-boat.npz"}),
    "alpha": (lambda: AlphaExplorer(alpha=.62), {"seeds/scene-car.png"}),
    "alpha of a photograph": (lambda: AlphaExplorer(picture="cat", alpha=.4), {"seeds/cat.png"}),
    "beta": (lambda: turned(BetaExplorer(picture="train_00126", epoch=3), beta_bg=.35, beta_fg=.55), {"grown/train_00126.png"}),
    "saliency": (lambda: turned(SaliencyExplorer(source="truth"), tau1=.7, tau2=.4), {f"{k}/scene-car.png" for k in ("original", "refined")}),
    "masking": (lambda: turned(MaskingExplorer(), b=[1]), {"attention/scene-car.npz", "masked/scene-car.png"}),
    "CRF as usual": (crf, {"after/run-train_00024.png"}),
    "CRF on superpixels": (lambda: crf(iters=4, srgb=31, gt_prob=.6), {"after/run-train_00024.png"}),
    "CRF on a softmax": (lambda: crf(6, w2=7), {"after/run-train_00024.png"}),
}


@pytest.mark.parametrize("make,names", CASES.values(), ids=CASES)
def test_the_command_makes_the_same_bytes(make, names, tmp_path):
    assert made_again(make(), tmp_path) == names


def test_the_command_of_superpixels_is_one_of_wsss_nb(tmp_path):
    e = crf()
    unpacked(e, tmp_path)
    assert e.take.text.startswith("wsss-nb superpixels run-train_00024.png ")
    e = turned(TauExplorer(picture=dict(name="my 'odd' <b>.png", content=(tmp_path/"run-train_00024.png").read_bytes())), tau=.5)
    assert made_again(e, tmp_path/"odd") == {"superpixels/my-odd-b.png"}
    assert read_labels(tmp_path/"odd"/"superpixels"/"my-odd-b.png").max() + 1 == e.group.count(.5)


@pytest.mark.parametrize("make,method,known", [
    (lambda: AlphaExplorer(alpha=.62), "clustering", dict(alpha=.62, tau=.4, features="mini", order="low")),
    (lambda: turned(BetaExplorer(), beta_bg=.35), "clustering", dict(beta_bg=.35, beta_fg=.7)),
    (lambda: turned(SaliencyExplorer(source="spectral"), tau1=.9, order=2), "masking", dict(saliency="spectral", tau1=.9, tau2=.3, threshold=.5))])
def test_the_list_of_a_run_is_one_that_runs_take(make, method, known):
    words = shlex.split(make().command().run)
    assert words[:7] == ["wsss-nb", "run", method, "--data", "FOLDER", "--out", "again"]
    assert known.items() <= check_parameters(method, names_and_values(words[7:])).items()


def test_a_picture_of_a_run(tmp_path):
    e = turned(RunExplorer(picture="train_00126"), alpha=.35)
    folder, run = unpacked(e, tmp_path), e.maps.run
    L = read_mask(folder/"seeds"/"train_00126.png")
    assert not np.array_equal(L, e.maps.seed("train_00126")[0])
    np.testing.assert_array_equal(L, initial_seed(run.cam("train_00126"), run.sp("train_00126"), run.present("train_00126"), .35))
    assert e.take.text.endswith(" alpha=0.35")


def test_maps_are_what_is_shown(tmp_path):
    e = turned(BetaExplorer(), beta_bg=.5)
    folder, name, c = unpacked(e, tmp_path), e.photo.name, e.canvas
    from wsss_nb.growing import grow
    grown = grow(e.case.seed, e.growth.softmax(name, c.epoch), e.case.sp, e.photo.present, .5, c.beta_fg)
    np.testing.assert_array_equal(read_mask(folder/"grown"/f"{name}.png"), grown)
    assert Image.open(folder/"superpixels"/f"{name}.png").mode == "I;16" and Image.open(folder/"seeds"/f"{name}.png").mode == "P"
    np.testing.assert_array_equal(np.asarray(Image.open(folder/f"{name}.png")), e.photo.image)
    settings = (folder/"settings.json").read_text()
    assert '"explorer": "BetaExplorer"' in settings and '"beta_bg": 0.5' in settings and f'"picture": "{name}"' in settings


def test_the_growth_is_the_runs(tmp_path):
    e = GrowthExplorer(ids=["train_00024"])
    folder = unpacked(e, tmp_path)
    for k in e.growth.epochs:
        np.testing.assert_array_equal(read_mask(folder/f"segmenter/seeds/epoch_{k:02}"/"train_00024.png"), e.growth.grown("train_00024", k))
    assert (folder/"again.sh").read_text().endswith("wsss-nb run clustering --data scenes --out again seeds=0 compare= jobs=1 softmax=60\n")


def test_an_explorer_that_says_nothing_of_it(tmp_path):
    c = Canvas(panes=[dict(layers=[dict(type="image", map="image"), dict(type="superpixels", map="sp|tau")])], tau=.5)
    c.provide("sp", lambda tau: np.full((3, 4), round(10*tau)))
    e = Explorer(c, pictures=dict(grey=lambda: np.full((3, 4, 3), 90, np.uint8)))
    folder = unpacked(e, tmp_path)
    assert sorted(p.name for p in folder.iterdir()) == ["grey.png", "settings.json", "sp.png"] and (read_labels(folder/"sp.png") == 5).all()
    assert e.take.text == "" and e.take.words.startswith("No command")


@pytest.mark.parametrize("make", [AlphaExplorer, SaliencyExplorer, lambda: MaskingExplorer(picture="cat")])
def test_without_a_class_there_is_nothing_to_take(make):
    "Not what was there before the last tick was taken away."
    e, said = make(), []
    assert e.take.look()["command"]
    for box in e.ticks.boxes.values(): box.value = False
    e.take.send = lambda content, buffers=None: said.append(content)
    e.take._receive(None, dict(type="zip"), [])
    assert said == [dict(type="said", text=NOT_TICKED)] and (e.take.look()["command"], e.take.words) == ("", NOT_TICKED)


def test_what_cannot_be_made_is_said():
    e, said = AlphaExplorer(), []
    e.take.send = lambda content, buffers=None: said.append(content)
    def wrong(): raise ParameterError("there is none")
    e.maps_now = wrong
    e.take._receive(None, dict(type="zip"), [])
    assert said == [dict(type="said", text="there is none")]
