"""Superpixel methods side by side: the settings, curves measured once a picture, who is on the better side, the drawing."""
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from wsss_nb import quality_curves as module
from wsss_nb.core import DataError, ParameterError, read_json
from wsss_nb.datasets import open_dataset
from wsss_nb.features import load
from wsss_nb.images import write_image
from wsss_nb.masks_of_ids import write_labels, write_mask
from wsss_nb.metrics import boundary_recall, mean_quality, superpixel_quality
from wsss_nb.quality_curves import SCORES, SETTINGS, compare_curves, draw_curves, quality_curves
from wsss_nb.superpixels import conventional, discover, superpixels

FEW = dict(SLIC=("slic", [75, 11]), Felzenszwalb=("felzenszwalb", [29]), ours=(None, [.2, .8]))


@pytest.fixture(scope="module")
def rgb(): return load("rgb")


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    "A cache of this test alone"
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"home"))
    return tmp_path/"home"


@pytest.fixture
def calls(monkeypatch):
    "What the superpixel functions were asked for: (method, number), None for ours"
    made = []
    monkeypatch.setattr("wsss_nb.conventional.conventional", lambda I, m, n: (made.append((m, n)), conventional(I, m, n))[1])
    monkeypatch.setattr(module, "discover", lambda f, tau: (made.append((None, tau)), discover(f, tau))[1])
    return made


def bands(*borders, name="bands"):
    "A dataset of one picture, 24 pixels high and 48 wide, left half yellow, right half blue; a truth for each border"
    I = np.where((np.arange(48) < 24)[None, :, None], [250, 220, 0], [0, 40, 160]).astype(np.uint8).repeat(24, 0)
    truth = lambda i: np.tile((np.arange(48) >= borders[i]).astype(np.int32), (24, 1))
    return SimpleNamespace(name=name, image=lambda i: I, maps=lambda i: [truth(i)], has_mask=lambda i: True)


def curve(*points, x="count", y="ue"):
    q = np.full((len(points), 5), np.nan)
    q[:, [SCORES.index(x), SCORES.index(y)]] = points
    return q


# ---- settings

def test_settings():
    assert list(SETTINGS) == ["SLIC", "SEEDS", "LSC", "Felzenszwalb", "ours"]
    for m in ("SLIC", "LSC", "Felzenszwalb"): assert SETTINGS[m] == (m.lower(), [75, 29, 19, 11])  # 187500 over 2500, 6400, 10000, 16900
    assert SETTINGS["SEEDS"] == ("seeds", [30, 50, 80, 100]) and SETTINGS["ours"] == (None, [0, .1, .2, .3, .4, .5, .6, .7, .8])


def test_columns_are_those_of_superpixel_quality():
    assert SCORES == tuple(superpixel_quality(np.eye(3, dtype=int), np.eye(3, dtype=int)))


# ---- curves

def test_curves_by_hand(own_home, rgb):
    q = quality_curves(bands(24, 18, 48), range(3), rgb, dict(ours=(None, [.3])))
    # two superpixels, the halves. Truth: the halves; 6 of 48 columns leak, counted from either side; no border, so no recall
    np.testing.assert_allclose(q["ours"], [[2, (0 + 12/48 + 0)/3, (1 + 0 + 0)/3, (1 + 0)/2, (1 + 42/48 + 1)/3]])


def test_no_score_anywhere_is_nan_without_a_warning(own_home, rgb, recwarn):
    q = quality_curves(bands(48), [0], rgb, dict(ours=(None, [.3])))["ours"]
    assert np.isnan(q[0]).tolist() == [False, False, False, True, False] and not [w for w in recwarn if w.category is RuntimeWarning]


def test_curves_are_means_of_the_library(own_home, scenes, rgb):
    ids = scenes.ids("val")[:2]
    got = quality_curves(scenes, ids, rgb, FEW)
    assert {k: v.shape for k, v in got.items()} == dict(SLIC=(2, 5), Felzenszwalb=(1, 5), ours=(2, 5))
    for k, (method, ps) in FEW.items():
        for p, row in zip(ps, got[k]):
            maps = [conventional(scenes.image(i), method, p) if method else superpixels(scenes.image(i), rgb, p) for i in ids]
            np.testing.assert_allclose(row, list(mean_quality(superpixel_quality(m, scenes.mask(i)) for m, i in zip(maps, ids)).values()))


def test_void_rims_are_filled_for_boundaries(own_home, rgb):
    ds = bands(24)
    rim = ds.maps(0)[0]; rim[:, 23:25] = -1
    ds.maps = lambda i: [rim]
    q = quality_curves(ds, [0], rgb, dict(ours=(None, [.3])))["ours"][0]
    assert q.tolist() == [2, 0, 1, 1, 1]  # with the rim left void there would be no border to find


def test_whoever_asks_gets_the_same_numbers(own_home, tmp_path, rgb):
    "The table of superpixels, a run's evaluation, the curves and the explorer, on truths with a void rim as VOC draws them"
    from test_superpixel_notebooks import run_cells
    from wsss_nb.explore import TauExplorer
    r = np.hypot(*np.ogrid[-30:30, -40:40])
    truth = np.where(r < 15, 1, np.where(r < 20, 255, 0)).astype(np.uint8)
    image = np.where((r < 17.5)[..., None], [250, 220, 0], [0, 40, 160]).astype(np.uint8)
    sp = superpixels(image, rgb, .3)
    for i in "ab":  # one to learn from, one held out
        write_image(tmp_path/"data"/"images"/f"{i}.png", image)
        write_mask(tmp_path/"data"/"masks"/f"{i}.png", truth)
        write_labels(tmp_path/"run"/"superpixels"/f"{i}.png", sp)
    (tmp_path/"data"/"labels.csv").write_text("file,labels\na.png,disc\nb.png,disc\n")
    made = dict(data=str(tmp_path/"data"), out=str(tmp_path/"run"))
    table = run_cells("t31_quality", **made)["scores"]
    (tmp_path/"run"/"metrics.json").unlink()
    run_cells("t30_evaluate", **made, segmenters=[], crf=False, device="cpu")
    run = read_json(tmp_path/"run"/"metrics.json")["superpixels"]
    assert run == table and run.pop("images") == 1
    curve = quality_curves(open_dataset(tmp_path/"data"), "ab", rgb, dict(ours=(None, [.3])))["ours"][0]
    explorer = TauExplorer(data=str(tmp_path/"data"), picture="a", features="rgb")
    seen = explorer.canvas._make("sp|tau=0.3|order=0|crf=1")[0]["meta"]
    assert {k: seen[k] for k in run} == run
    assert curve == pytest.approx(list(run.values()))
    assert run == superpixel_quality(sp, truth) and 0 < run["bp"] and run["br"] > .5 and np.isnan(boundary_recall(sp, truth))


def test_what_was_measured_is_kept(own_home, rgb, calls):
    ds, settings = bands(24, 18), dict(SLIC=("slic", [4]), ours=(None, [.3, .8]))
    first = quality_curves(ds, [0], rgb, settings)
    assert calls == [("slic", 4), (None, .3), (None, .8)] and len(list((own_home/"quality").iterdir())) == 2  # a file a picture and method
    calls.clear()
    again = quality_curves(ds, [0], rgb, settings)
    assert not calls
    for k in first: np.testing.assert_array_equal(first[k], again[k])
    quality_curves(ds, [0, 1], rgb, settings)
    assert len(calls) == 3  # the new picture only


@pytest.mark.parametrize("change", ["truth", "settings", "features", "image"])
def test_another_question_is_measured_again(own_home, rgb, calls, change):
    ds, settings = bands(24, 18), dict(ours=(None, [.3]))
    quality_curves(ds, [0], rgb, settings)
    calls.clear()
    if change == "image": ds.image = lambda i, I=ds.image(0): I[:, ::-1].copy()
    other = load("rgb")
    if change == "features": other.init = dict(rgb.init, sha256="another")
    quality_curves(ds, [1 if change == "truth" else 0], other, dict(ours=(None, [.4])) if change == "settings" else settings)
    assert len(calls) == 1


def test_a_damaged_file_is_named(own_home, rgb):
    quality_curves(bands(24), [0], rgb, dict(ours=(None, [.3])))
    file, = (own_home/"quality").iterdir()
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DataError, match=rf"{file.name} is damaged"): quality_curves(bands(24), [0], rgb, dict(ours=(None, [.3])))


def test_a_picture_without_a_mask(own_home, tmp_path, rgb, calls):
    from wsss_nb.datasets import open_dataset
    for i in "ab": write_image(tmp_path/"own"/"images"/f"{i}.png", bands(8).image(0))
    write_mask(tmp_path/"own"/"masks"/"a.png", bands(8).maps(0)[0].astype(np.uint8))
    (tmp_path/"own"/"labels.csv").write_text("file,labels\na.png,cat\nb.png,cat\n")
    ds = open_dataset(tmp_path/"own")
    with pytest.raises(DataError, match=r"1 of 2 pictures have no true mask.*\['b'\].*leave them out"): quality_curves(ds, ["a", "b"], rgb, FEW)
    assert not calls and not own_home.exists()  # before anything is measured
    with pytest.raises(DataError, match="no picture to measure"): quality_curves(ds, [], rgb, FEW)


def test_unknown_method(own_home, rgb):
    with pytest.raises(ParameterError, match="method must be one of"): quality_curves(bands(24), [0], rgb, dict(x=("turbopixels", [9])))
    assert not list(own_home.rglob("*.npz"))


# ---- who is better

def test_straight_lines():
    ours = curve((0, 0), (10, 10))
    level = curve((2, 4), (12, 4))           # 2 to 10 is shared; there ours is 6 on average: 2 below
    above = curve((10, 11), (5, 6), (0, 1))  # from right to left: 1 above
    q = dict(level=level, ours=ours, above=above)
    assert compare_curves(q, "count", "ue", 1) == dict(better=["above"], worse=["level"], apart=[])
    assert compare_curves(q, "count", "ue", -1) == dict(better=["level"], worse=["above"], apart=[])
    assert compare_curves(q, "count", "ue", -1, ours="level") == dict(better=[], worse=["ours", "above"], apart=[])


def test_the_mean_decides_where_curves_cross():
    q = dict(ours=curve((0, 0), (10, 10)), low=curve((0, 4.9), (10, 4.9)), high=curve((0, 5.1), (10, 5.1)))  # ours is 5 on average
    assert compare_curves(q, "count", "ue", 1) == dict(better=["high"], worse=["low"], apart=[])


def test_apart():
    far, touching, point, unknown = curve((11, 3), (20, 3)), curve((10, 3), (20, 3)), curve((5, 3)), curve((2, np.nan), (8, np.nan))
    q = dict(ours=curve((0, 0), (10, 10)), far=far, touching=touching, point=point, unknown=unknown)
    assert compare_curves(q, "count", "ue", 1) == dict(better=[], worse=[], apart=["far", "touching", "point", "unknown"])


def test_an_unknown_point_is_left_out():
    q = dict(ours=curve((0, 0), (5, np.nan), (10, 10)), above=curve((0, 1), (10, 11), (np.nan, 0)))
    assert compare_curves(q, "count", "ue", 1)["better"] == ["above"]


def test_no_better_is_worse():
    assert compare_curves(dict(ours=curve((0, 0), (9, 9)), same=curve((0, 0), (9, 9))), "count", "ue", 1)["worse"] == ["same"]


@pytest.mark.parametrize("kw, words", [(dict(x="size"), "'size' is no column"), (dict(y="iou"), "'iou' is no column"), (dict(sign=0), "sign is 0"), (dict(ours="us"), "no curve of 'us'")])
def test_wrong_questions(kw, words):
    with pytest.raises(ParameterError, match=words): compare_curves(**dict(quality=dict(ours=curve((0, 0), (1, 1))), x="count", y="ue", sign=1) | kw)


# ---- drawn

def test_drawing():
    here = dict(SLIC=curve((1, 2), (3, 4)), other=curve((1, 1), (2, 2)), ours=curve((0, 0), (5, 5), (9, 9)))
    fig = Figure()
    draw_curves(fig, {"here": here, "there": dict(SLIC=here["SLIC"])}, "count", "ue", beyond=1)
    a, b = fig.axes
    assert (a.get_title(), b.get_title()) == ("here", "there") and a.get_ylabel() == "UE (lower is better)" and b.get_ylabel() == ""
    assert a.get_xlabel() == b.get_xlabel() == "number of superpixels" and a.get_xlim() == b.get_xlim()
    lines = {o.get_label(): o for o in a.lines}
    assert lines["SLIC"].get_color() == b.lines[0].get_color() != lines["ours"].get_color()
    assert lines["SLIC"].get_xydata().tolist() == [[1, 2], [3, 4]]
    hollow, = (o for o in a.lines if o.get_markerfacecolor() == "white")
    assert hollow.get_xydata().tolist() == [[5, 5], [9, 9]]
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["SLIC", "other", "ours"]
    assert not plt.get_fignums()  # nothing is left open
