"""`wsss-nb bench superpixels`: several people's regions, what is kept, what is refused, tables read off by hand, files."""
import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

from wsss_nb import cli, quality_curves
from wsss_nb.bench import Measured, bench_settings, measure, write_csv
from wsss_nb.bench_tables import bench_table, like_table
from wsss_nb.quality_curves import COLUMNS, map_quality
from wsss_nb.conventional import conventional_counts
from wsss_nb.core import DataError, ParameterError, read_json
from wsss_nb.datasets import open_dataset
from wsss_nb.features import load
from wsss_nb.images import read_image, write_image
from wsss_nb.masks_of_ids import write_mask
from wsss_nb.metrics import superpixel_quality, undersegmentation_error
from wsss_nb.superpixels import conventional, superpixels

FEW = ["--features", "rgb", "--taus", "0.3,0.8", "--workers", "1"]


def picture(h=40, w=60, seed=0):
    "Two coloured halves with noise"
    I = np.where((np.arange(w) < w//2)[None, :, None], [240, 200, 20], [20, 60, 180]).repeat(h, 0)
    return (I + np.random.default_rng(seed).integers(-8, 9, I.shape)).clip(0, 255).astype(np.uint8)


def save_maps(path, *maps):
    cells = np.empty((1, len(maps)), object)
    for k, m in enumerate(maps): cells[0, k] = dict(Segmentation=np.asarray(m, np.uint16), Boundaries=np.zeros(m.shape, np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, dict(groundTruth=cells))


def people(h=40, w=60):
    "Three divisions of a picture: halves, quarters, nothing"
    y, x = np.indices((h, w))
    return 1 + (x >= w//2), 1 + (x >= w//2) + 2*(y >= h//2), np.ones((h, w), int)


@pytest.fixture
def bsds(tmp_path):
    for k, i in enumerate(("11", "22", "33")):
        (tmp_path/"b"/"images").mkdir(parents=True, exist_ok=True)
        write_image(tmp_path/"b"/"images"/f"{i}.jpg", picture(seed=k))
        save_maps(tmp_path/"b"/"groundTruth"/f"{i}.mat", *people())
    return tmp_path/"b"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    "A folder and a cache of this test alone"
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"home"))
    (tmp_path/"here").mkdir()
    monkeypatch.chdir(tmp_path/"here")


def call(capsys, *words):
    code = cli.main([str(w) for w in words])
    return code, *capsys.readouterr()


def bench(capsys, data, *words): return call(capsys, "bench", "superpixels", "--data", data, *FEW, *words)


# ---- one map against many

def test_a_score_is_the_mean_over_people():
    maps, sp = people(), np.arange(40)[:, None]//10*2 + (np.arange(60) >= 25)
    got = dict(zip(COLUMNS, map_quality(sp, maps)))
    each = [superpixel_quality(sp, m, ignore=None) for m in maps]
    for k in ("count", "ue", "bp", "asa"): assert got[k] == pytest.approx(np.mean([q[k] for q in each])), k
    assert got["br"] == pytest.approx((each[0]["br"] + each[1]["br"])/2)  # who drew no border has no recall
    for k in ("leak", "tolerant"): assert got[k] == pytest.approx(np.mean([undersegmentation_error(sp, m, kind=k) for m in maps]))
    # by hand, (3.9): 5 of 60 columns leak, counted from either side, for who drew halves and who drew quarters; 0 for who drew nothing
    assert got["ue"] == pytest.approx((2*5/60 + 2*5/60 + 0)/3)


def test_more_regions_than_a_byte_holds():
    G = np.arange(20*20).reshape(20, 20) + 1  # 400 regions of a pixel, one of them number 255
    q = dict(zip(COLUMNS, map_quality(np.arange(400).reshape(20, 20), [G])))
    assert q["ue"] == 0 and q["asa"] == 1 and q["count"] == 400 and q["pieces"] == 400 and q["pieces20"] == 0


def test_void_is_minus_one():
    half = np.repeat([[0]*10 + [1]*10], 20, 0)
    rim = half.copy(); rim[:, 9:11] = -1
    q = dict(zip(COLUMNS, map_quality(half, [rim])))
    assert (q["ue"], q["bp"], q["br"], q["asa"]) == (0, 1, 1, 1)


def test_pieces_by_hand():
    sp = np.zeros((10, 30), int)
    sp[:5, :5] = 1; sp[5:, 25:] = 1     # 1 in two places of 25 pixels
    sp[2, 20] = sp[3, 21] = 1           # and in one of two pixels that touch at a corner
    q = dict(zip(COLUMNS, map_quality(sp, [np.zeros_like(sp)])))
    assert (q["count"], q["pieces"], q["pieces20"]) == (2, 4, 3)


def test_bisections_shared_give_what_each_gives_alone(monkeypatch):
    import skimage.segmentation
    I, counts, scales, real = picture(60, 80, 3), (40, 12, 4), [], skimage.segmentation.felzenszwalb
    alone = [conventional(I, "felzenszwalb", n) for n in counts]
    monkeypatch.setattr(skimage.segmentation, "felzenszwalb", lambda I, scale, min_size: (scales.append(scale), real(I, scale=scale, min_size=min_size))[1])
    for a, b in zip(alone, conventional_counts(I, "felzenszwalb", counts)): assert (a == b).all()
    assert len(scales) == len(set(scales)) < 8*len(counts)


def test_features_are_read_once_and_the_maps_are_the_librarys(monkeypatch):
    I, net, read = picture(), load("rgb"), []
    monkeypatch.setattr(quality_curves, "extract", lambda *a, f=quality_curves.extract: (read.append(1), f(*a))[1])
    for crf in (True, False):
        for t, L in zip((.3, .8, .98), quality_curves._ours(I, net, (.3, .8, .98), crf)):
            assert (L == superpixels(I, net, t, crf=crf)).all()
    assert len(read) == 2


# ---- a dataset

def test_settings():
    s = bench_settings(["rgb", "mini"])
    assert list(s) == ["SLIC", "SEEDS", "LSC", "Felzenszwalb", "ours (rgb)", "ours (mini)"] and s["ours (mini)"] == (None, [0, .1, .2, .3, .4, .5, .6, .7], "mini")
    assert s["ours (rgb)"][1][-1] == .95 and s["SEEDS"] == ("seeds", [30, 50, 80, 100], None)
    assert bench_settings(["rgb"], [.5, .1, .5])["ours (rgb)"][1] == [.1, .5]
    with pytest.raises(ParameterError, match="'nope' are unknown"): bench_settings(["nope"])
    with pytest.raises(ParameterError, match="tau must lie"): bench_settings(["rgb"], [1.1])
    with pytest.raises(ParameterError, match="at least one"): bench_settings([])


def test_measured_is_what_the_library_gives(bsds):
    settings = dict(SLIC=("slic", [6], None), ours=(None, [.3, .9], "rgb"))
    m = measure(str(bsds), ("11", "22"), settings, workers=1)
    ds = open_dataset(bsds)
    want = [map_quality(superpixels(ds.image("22"), load("rgb"), t), ds.maps("22")) for t in (.3, .9)]
    np.testing.assert_allclose(m.rows["22"]["ours"], want)
    np.testing.assert_allclose(m.rows["11"]["SLIC"], [map_quality(conventional(ds.image("11"), "slic", 6), ds.maps("11"))])
    np.testing.assert_allclose(m.mean()["SLIC"], (m.rows["11"]["SLIC"] + m.rows["22"]["SLIC"])/2)
    np.testing.assert_allclose(m.std()["SLIC"], np.abs(m.rows["11"]["SLIC"] - m.rows["22"]["SLIC"])/2**.5, atol=1e-12)


def test_two_processes_say_the_same(bsds):
    settings = bench_settings(["rgb"], [.3])
    alone = measure(str(bsds), ("11", "22", "33"), settings, crf=False, workers=1)
    for f in (bsds.parent/"home"/"quality").iterdir(): f.unlink()
    both = measure(str(bsds), ("11", "22", "33"), settings, crf=False, workers=2)
    for i, r in alone.rows.items():
        for k in r: np.testing.assert_array_equal(r[k], both.rows[i][k])


def test_a_run_that_was_cut_off_goes_on(bsds, monkeypatch):
    settings, made, real = dict(SLIC=("slic", [6], None), LSC=("lsc", [6], None)), [], conventional
    def stops(I, m, n):
        if len(made) == 3: raise KeyboardInterrupt
        made.append(m)
        return real(I, m, n)
    monkeypatch.setattr("wsss_nb.conventional.conventional", stops)
    with pytest.raises(KeyboardInterrupt): measure(str(bsds), ("11", "22"), settings, workers=1)
    assert made == ["slic", "lsc", "slic"]
    monkeypatch.setattr("wsss_nb.conventional.conventional", lambda I, m, n: (made.append(m), real(I, m, n))[1])
    m = measure(str(bsds), ("11", "22"), settings, workers=1)
    assert made[3:] == ["lsc"] and list(m.rows) == ["11", "22"]  # the one method of the one picture that was not done


# ---- tables

def toy(**curves):
    "Two pictures that say the same; a curve is points of (count, UE)"
    def rows(points): return np.array([[n, ue, .5, .5, 1 - ue, 2*ue, ue, 3*n, 2*n] for n, ue in points], float)
    settings = {k: (None if k.startswith("ours") else "slic", list(range(len(v))), None) for k, v in curves.items()}
    return Measured(settings, {i: {k: rows(v) for k, v in curves.items()} for i in "ab"}, {})


def cells(table): return [r["cells"] for r in table["rows"]]


def test_like_counts_are_read_off_straight_lines():
    m = toy(**{"SLIC": [(8, .4), (22, .26)], "ours (rgb)": [(18, .1), (9, .28)]})
    got = {(k, n): ue for k, n, ue, *_ in cells(like_table(m))}
    assert got == {("SLIC", 10): "0.380", ("SLIC", 15): "0.330", ("ours (rgb)", 10): "0.260", ("ours (rgb)", 15): "0.160"}  # .4 - .01·2 …; .28 - .02·1 …
    pieces = like_table(m, "pieces20", "leak")
    assert {n for _, n, *_ in cells(pieces)} == {20, 25, 30} and cells(pieces)[0][2] == "0.760" and pieces["head"][:3] == ["method", "pieces", "UE leak"]


def test_a_dash_outside_what_was_measured():
    m = toy(**{"SLIC": [(10, .4), (60, .2)], "ours (mini)": [(10, .4), (60, .2)], "ours (rgb)": [(2, .6), (5, .5)]})
    t = like_table(m)
    assert [c[2] for c in cells(t) if c[0] == "ours (rgb)"] == ["–"]*3 and [c[2] for c in cells(t) if c[0] == "SLIC"][0] == "0.400"


def test_nothing_in_common_is_said():
    t = like_table(toy(**{"SLIC": [(30, .4), (60, .2)], "ours (rgb)": [(2, .6), (5, .5)]}))
    assert not t["rows"] and "Ours shares no range with another method: SLIC 30 to 60; ours (rgb) 2 to 5." in t["text"]


def test_the_table_names_both_definitions():
    m = toy(**{"SLIC": [(8, .4)], "ours (rgb)": [(9, .28)]})
    t = bench_table(m, ("leak", "min"), "toys")
    assert t["head"] == ["method", "setting", "count", "pieces", "≥20 px", "UE leak", "UE (3.9)", "BP", "BR", "ASA"]
    assert cells(t)[0] == ["SLIC", "asked for 0", "8.0 ± 0.0", "24", "16", "0.8 ± 0.0", "0.400 ± 0.000", "0.500 ± 0.000", "0.500 ± 0.000", "0.600 ± 0.000"]
    assert "Levinshtein" in t["text"] and "Neubert" in t["text"] and "2 pictures of toys" in t["title"]
    with pytest.raises(ParameterError, match="choose from min, leak, tolerant"): bench_table(m, ("mean",))


def test_unknown_scores_are_dashes_and_empty_cells(tmp_path):
    m = toy(SLIC=[(8, .4)])
    for r in m.rows.values(): r["SLIC"][0, COLUMNS.index("br")] = np.nan
    assert cells(bench_table(m))[0][-2] == "–"
    write_csv(m, tmp_path/"a.csv", tmp_path/"b.csv")
    row, = csv.DictReader((tmp_path/"a.csv").open())
    assert row["br"] == row["br_sd"] == "" and row["ue_min"] == "0.4" and row["pieces_20px"] == "16" and row["pictures"] == "2"
    assert [r["picture"] for r in csv.DictReader((tmp_path/"b.csv").open())] == ["a", "b"]


# ---- the command

def test_the_command(capsys, bsds):
    code, out, err = bench(capsys, bsds, "--limit", "2", "--no-crf", "--out", "o")
    assert code == 0 and not err.strip() and "Superpixels on 2 pictures of bsds500" in out and "UE (3.9)" in out and "UE leak" in out
    assert "At like number of superpixels" in out and "At like connected pieces" in out and "not fair" in out and "2 pictures measured, 0 failed" in out
    assert {p.name for p in Path("o").iterdir()} == {"superpixels.csv", "superpixels-pictures.csv", "superpixels.json", "superpixels.png", "superpixels.pdf"}
    rows = list(csv.DictReader(Path("o/superpixels.csv").open()))
    assert len(rows) == 4*4 + 2 and rows[-1]["method"] == "ours (rgb)" and rows[-1]["setting"] == "0.8"
    per = list(csv.DictReader(Path("o/superpixels-pictures.csv").open()))
    assert len(per) == 2*18
    mine = [float(r["asa"]) for r in per if (r["method"], r["setting"]) == ("ours (rgb)", "0.8")]
    assert float(rows[-1]["asa"]) == pytest.approx(np.mean(mine), rel=1e-5)
    note = read_json("o/superpixels.json")
    assert note["ids"] == ["11", "22"] and note["crf"] is False and note["features"]["rgb"]["name"] == "rgb" and note["versions"]["numpy"]
    I = read_image("o/superpixels.png")
    assert I.shape[1] == 1050 and I[0, 0].tolist() == [255, 255, 255]  # 3.5 inches, on white


def test_a_second_run_measures_nothing(capsys, bsds, monkeypatch):
    first = bench(capsys, bsds, "--limit", "1", "--out", "o")[1]
    monkeypatch.setattr(quality_curves, "_cut", lambda *a: pytest.fail("measured again"))
    assert bench(capsys, bsds, "--limit", "1", "--out", "o")[1] == first


@pytest.mark.parametrize("harm, named", [("picture", "22.jpg"), ("truth", "22.mat"), ("size", "22.jpg")])
def test_a_bad_picture_in_the_middle_is_named_and_the_rest_done(capsys, bsds, harm, named):
    if harm == "picture": (bsds/"images"/"22.jpg").write_bytes((bsds/"images"/"22.jpg").read_bytes()[:300])
    if harm == "truth": (bsds/"groundTruth"/"22.mat").write_bytes((bsds/"groundTruth"/"22.mat").read_bytes()[:200])
    if harm == "size": save_maps(bsds/"groundTruth"/"22.mat", *people(20, 30))
    code, out, err = bench(capsys, bsds, "--no-crf", "--out", "o")
    assert code == 1 and named in err and err.strip().count("\n") == 0 and "2 pictures measured, 1 failed" in out
    assert list(read_json("o/superpixels.json")["wrong"]) == ["22"]
    assert {r["picture"] for r in csv.DictReader(Path("o/superpixels-pictures.csv").open())} == {"11", "33"}


def test_all_bad(capsys, bsds):
    for p in (bsds/"images").iterdir(): p.write_bytes(b"no picture")
    code, out, err = bench(capsys, bsds, "--out", "o")
    assert code == 2 and "none of the 3 pictures could be measured" in err and err.count("no picture") == 0


@pytest.mark.parametrize("words, said", [
    (["--features", "nope"], "'nope' are unknown"), (["--features", ","], "at least one of the features"), (["--taus", "0.3,1.5"], "tau must lie in [-1, 1]"), (["--taus", "a"], "--taus a must be numbers"), (["--taus=-1.01"], "tau must lie"),
    (["--split", "nowhere"], "no split 'nowhere'"), (["--split", "train"], "no pictures in train"), (["--limit", "0"], "at least 1"), (["--workers", "0"], "at least 1"), (["--ue", "mean"], "choose from min, leak, tolerant"), (["--out", "file"], "is a file")])
def test_what_is_wrong_is_said_before_anything_is_measured(capsys, bsds, words, said, monkeypatch):
    monkeypatch.setattr(quality_curves, "_cut", lambda *a: pytest.fail("measured"))
    Path("file").touch()
    code, out, err = bench(capsys, bsds, *words)
    assert code == 2 and said in err and err.count("\n") == 1, err
    assert {p.name for p in Path().iterdir()} == {"file"}


def test_without_masks(capsys, tmp_path):
    write_image(tmp_path/"own"/"images"/"a.png", picture())
    (tmp_path/"own"/"labels.csv").write_text("file,labels\na.png,cat\n")
    code, _, err = bench(capsys, tmp_path/"own", "--split", "train")
    assert code == 2 and "no true masks for train" in err
    write_image(tmp_path/"own"/"images"/"b.png", picture(seed=1))
    write_mask(tmp_path/"own"/"masks"/"b.png", (people()[0] - 1).astype(np.uint8))
    (tmp_path/"own"/"labels.csv").write_text("file,labels\na.png,cat\nb.png,cat\n")
    code, out, _ = bench(capsys, tmp_path/"own", "--split", "all", "--no-crf")
    assert code == 0 and "1 of 2 pictures have no true mask and are left out" in out and Path("runs/bench-superpixels-own/superpixels.csv").is_file()


def test_an_empty_folder(capsys, tmp_path):
    (tmp_path/"e"/"images").mkdir(parents=True); (tmp_path/"e"/"groundTruth").mkdir()
    code, _, err = bench(capsys, tmp_path/"e")
    assert code == 2 and "the dataset is empty: it lists no image" in err
    code, _, err = bench(capsys, tmp_path/"nowhere")
    assert code == 2 and "no such folder" in err


@pytest.mark.parametrize("words", [["run", "clustering", "--out", "r", "features=mini"], ["sweep", "clustering", "seed=0"], ["reproduce", "table-3.6"], ["evaluate", "--pred", "."], ["figures", "3.5"], ["explore", "tau"], ["refine", "--seeds", ".", "--superpixels", ".", "--out", "r"]])
def test_who_needs_classes_refuses_regions(capsys, bsds, words):
    write_mask(Path("11.png"), np.zeros((40, 60), np.uint8))
    code, _, err = call(capsys, *words, "--data", bsds)
    assert code == 2 and "bsds500 has no classes, only regions that people drew" in err and err.count("\n") == 1
    assert {p.name for p in Path().iterdir()} == {"11.png"}


def test_real_pictures(capsys, shared_data):
    code, out, err = call(capsys, "bench", "superpixels", "--data", shared_data/"bsds500_val", "--limit", "1", "--features", "mini", "--taus", "0.3", "--workers", "1", "--no-crf", "--out", "o")
    assert code == 0
    per = {(r["method"], r["setting"]): r for r in csv.DictReader(Path("o/superpixels-pictures.csv").open())}
    ds = open_dataset(shared_data/"bsds500_val")
    i = ds.ids("val")[0]
    sp = conventional(ds.image(i), "slic", 75)
    each = [superpixel_quality(sp, m, ignore=None) for m in ds.maps(i)]
    assert len(each) >= 4 and float(per["SLIC", "75"]["br"]) == pytest.approx(np.mean([q["br"] for q in each]), rel=1e-5)
    assert per["SLIC", "75"]["count"] == per["SLIC", "75"]["pieces"] and float(per["ours (mini)", "0.3"]["pieces"]) > float(per["ours (mini)", "0.3"]["count"])  # ours need not be connected
