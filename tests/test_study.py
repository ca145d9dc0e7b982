"""What the explorers ask: pictures from anywhere, superpixels, seeds and growth for every threshold, runs read back."""
import io
import json
import shutil

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings, strategies as st
from matplotlib.path import Path as Outline
from PIL import Image

from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.features import load
from wsss_nb.growing import grow, superpixel_scores
from wsss_nb.images import read_image, resize, write_image, write_mask
from wsss_nb.masking import load_judge
from wsss_nb.metrics import seed_quality
from wsss_nb.scenes import CLASSES, make_scene, named_scene
from wsss_nb.seeds import initial_seed
from wsss_nb.study import (_NCUT_MOST, _blocks, _ncut, Growth, Grouping, Photo, Run, demo_folder, gallery, growth_map, open_photo, patch_mask, polygon_mask, seed_by_class, seed_curve,
                           similarity_histogram, taken, trim_run)
from wsss_nb.superpixels import ncut, partition, similarity, superpixels


def png(a, kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(a).save(file, kind)
    return file.getvalue()


# ---- pictures

def test_bytes_are_read_as_files_are(tmp_path):
    image = make_scene(0, 3).image
    (tmp_path/"a.png").write_bytes(png(image))
    np.testing.assert_array_equal(open_photo(png(image)).image, image)
    np.testing.assert_array_equal(open_photo(tmp_path/"a.png").image, image)
    np.testing.assert_array_equal(open_photo(str(tmp_path/"a.png")).image, read_image(tmp_path/"a.png"))
    assert open_photo(tmp_path/"a.png").name == "a" and open_photo(memoryview(png(image)), name="b").name == "b"


@pytest.mark.parametrize("a", [np.full((4, 5), 200, np.uint8), np.full((4, 5, 1), 200, np.uint8), np.full((4, 5), 200*257, np.uint16), np.full((4, 5, 3), 200*257, np.uint16),
                               np.dstack([np.full((4, 5, 3), 145, np.uint8), np.full((4, 5, 1), 127, np.uint8)])])
def test_grey_transparent_and_16_bit_arrays(a):
    image = open_photo(a).image
    assert image.shape == (4, 5, 3) and image.dtype == np.uint8 and (abs(image.astype(int) - 200) <= 1).all()


def test_16_bit_and_transparent_uploads():
    deep = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    np.testing.assert_array_equal(open_photo(png(deep)).image, open_photo(deep).image)
    clear = np.zeros((3, 3, 4), np.uint8)
    assert (open_photo(png(clear)).image == 255).all()  # over white


@pytest.mark.parametrize("raw, words", [(b"hello", r"^cat\.jpg: is not an image"), (b"", r"^cat\.jpg: the file is empty"), (png(np.zeros((64, 64, 3), np.uint8), "JPEG")[:300], r"^cat\.jpg: truncated")])
def test_what_is_no_image_is_named(raw, words, tmp_path):
    with pytest.raises(DataError, match=words): open_photo(raw, name="cat.jpg")
    (tmp_path/"cat.jpg").write_bytes(raw)
    with pytest.raises(DataError, match=r"cat\.jpg: "): open_photo(tmp_path/"cat.jpg")


@pytest.mark.parametrize("a", [np.zeros(5, np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4)), np.zeros((0, 4), np.uint8)])
def test_arrays_that_are_no_picture(a):
    with pytest.raises(DataError, match="picture is an array of"): open_photo(a)


def test_large_pictures_are_scaled_down_with_their_mask():
    mask = np.zeros((400, 600), np.uint8); mask[100:300, :300] = 3; mask[0] = 255
    p = open_photo(Photo("p", np.zeros((400, 600, 3), np.uint8), mask, np.ones(3, bool), ("a", "b", "c")), limit=60)
    assert p.image.shape == (40, 60, 3) and set(np.unique(p.mask)) <= {0, 3, 255} and p.note == "scaled down from 600×400 to 60×40"
    assert (p.mask[10:30, :30] == 3).all() and p.classes == ("a", "b", "c")
    assert open_photo(p) is p and open_photo(np.zeros((1, 3000), np.uint8)).image.shape == (1, 500, 3)
    with pytest.raises(ParameterError, match="at least 1 pixel"): open_photo(p, limit=0)


def test_gallery():
    photos = gallery()
    scenes = [photos[f"scene: {c}"]() for c in CLASSES]
    for c, p in zip(CLASSES, scenes):
        assert p.present[CLASSES.index(c)] and (p.mask == CLASSES.index(c) + 1).any() and p.image.shape == (160, 160, 3)
    assert len(photos) == 12
    np.testing.assert_array_equal(photos["cat"]().image, skimage.data.chelsea())
    for n in ("astronaut", "coffee", "rocket"): assert photos[n]().image.dtype == np.uint8 and photos[n]().mask is None


def test_gallery_of_a_dataset(scenes, tmp_path):
    photos = gallery(scenes)
    assert len(photos) == 36 + 12 and list(photos)[:2] == list(scenes.ids()[:2])
    id = scenes.ids("val")[0]
    p = photos[id]()
    np.testing.assert_array_equal(p.mask, scenes.mask(id)); np.testing.assert_array_equal(p.present, scenes.present(id))
    (tmp_path/"images").mkdir(); write_image(tmp_path/"images"/"x.png", np.zeros((9, 9, 3), np.uint8)); (tmp_path/"labels.csv").write_text("file,labels\nx.png,dog\n")
    p = gallery(tmp_path)["x"]()
    assert p.mask is None and p.present.tolist() == [True] and p.classes == ("dog",)
    with pytest.raises(DataError, match="no such folder"): gallery(tmp_path/"none")


def test_what_is_drawn_and_what_is_a_photograph(scenes, growth):
    photos = gallery(scenes)
    assert {n: p().drawn for n, p in photos.items() if n in ("scene: car", "cat", scenes.ids()[0])} == {"scene: car": True, "cat": False, scenes.ids()[0]: True}
    assert growth.drawn and growth.photo(growth.ids[0]).drawn and not open_photo(skimage.data.chelsea()).drawn


def test_a_datasets_own_pictures_are_not_hidden_by_the_gallerys(tmp_path):
    "Also where one is named as a picture that is always there."
    write_image(tmp_path/"images"/"cat.png", np.zeros((9, 900, 3), np.uint8)); write_mask(tmp_path/"masks"/"cat.png", np.ones((9, 900), np.uint8))
    (tmp_path/"labels.csv").write_text("file,labels\ncat.png,dog\n")
    photos = gallery(tmp_path)
    cat = photos["cat"]()
    assert list(photos)[1:] == [n for n in gallery() if n != "cat"] and cat.classes == ("dog",) and cat.present.tolist() == [True] and (cat.mask == 1).all()
    wide = open_photo(cat._replace(note="a note."))
    assert wide.mask.shape == (5, 500) and wide.note == "a note. scaled down from 900×9 to 500×5"


def test_a_picture_of_none_of_the_classes_and_one_without_a_label(tmp_path):
    "VOC's layout without annotations: the label comes from the mask, which holds nothing here, or is not there."
    write_image(tmp_path/"JPEGImages"/"x.jpg", np.zeros((9, 9, 3), np.uint8)); write_mask(tmp_path/"SegmentationClass"/"x.png", np.zeros((9, 9), np.uint8))
    lists = tmp_path/"ImageSets"/"Segmentation"
    lists.mkdir(parents=True)
    write_image(tmp_path/"JPEGImages"/"y.jpg", np.zeros((9, 9, 3), np.uint8))
    (lists/"train.txt").write_text("x\ny\n"); (lists/"val.txt").write_text("")
    found = gallery(tmp_path)
    p, q = found["x"](), found["y"]()
    assert not p.present.any() and not p.mask.any() and not p.note
    assert q.present is None and q.mask is None and "y.png" in q.note


def test_one_scene_is_that_of_the_dataset(scenes):
    for id in (scenes.ids()[7], scenes.ids("val")[3]):
        s = named_scene(id)
        np.testing.assert_array_equal(s.image, scenes.image(id)); np.testing.assert_array_equal(s.mask, scenes.mask(id))
    for id in ("train_00400", "val_00080", "train_10", "test_00000", "x"):
        with pytest.raises(DataError, match="scenes hold no"): named_scene(id)


# ---- superpixels

@pytest.fixture(scope="module")
def extractor(): return load("mini")


@pytest.fixture(scope="module")
def scene(): return make_scene(0, 1_000_003)


@pytest.fixture(scope="module")
def group(scene, extractor): return Grouping(scene.image, extractor)


@pytest.mark.parametrize("order", ["low", "high"])
@pytest.mark.parametrize("tau", [-.1, .3, .75])
def test_grouping_is_the_library(group, scene, extractor, tau, order):
    np.testing.assert_array_equal(group.pixels(tau, order, crf=False), superpixels(scene.image, extractor, tau, order, crf=False))
    if tau == .3: np.testing.assert_array_equal(group.pixels(tau, order), superpixels(scene.image, extractor, tau, order))
    assert group.count(tau, order) == len(np.unique(group.labels(tau, order)))


def test_odd_sizes(extractor):
    image = skimage.data.chelsea()[:45, :61]
    g = Grouping(image, extractor)
    assert g.hw == (6, 8)
    np.testing.assert_array_equal(g.pixels(.4), superpixels(image, extractor, .4))
    p = np.arange(48).reshape(g.hw)
    np.testing.assert_array_equal([[g.patch(x, y) for x in range(61)] for y in range(45)], resize(p, (45, 61), "nearest"))
    assert g.patch(-3, 99) == 40 and g.patch(60.9, 0) == 7
    one = Grouping(image[:3, :2], extractor)
    assert one.hw == (1, 1) and one.pixels().tolist() == [[0, 0]]*3 and one.seeds()[1].tolist() == [1]


def plain_seeds(A, tau, order):
    "Table 3.1, line by line."
    left, out = set(range(len(A))), []
    while left:
        rest = sorted(left)
        d = (A[np.ix_(rest, rest)] > 0).sum(0)
        i = d.argmin() if order == "low" else d.argmax()
        out.append((rest[i], d[i]))
        left -= {q for q in rest if A[rest[i], q] > tau} | {rest[i]}
    return out


@pytest.mark.parametrize("order", ["low", "high"])
def test_seeds_by_table_3_1(group, order):
    for tau in (.2, .6):
        p, d = group.seeds(tau, order)
        assert list(zip(p, d)) == plain_seeds(group.A, tau, order)
        assert (group.labels(tau, order).ravel()[p] == np.arange(group.count(tau, order))).all()
    assert group.degree().ravel()[p[0]] == d[0]
    with pytest.raises(ParameterError, match="grow from no seed"): group.seeds(.3, "ncut")


def test_ncut_exact_and_on_blocks(group):
    np.testing.assert_array_equal(group.labels(.4, "ncut").ravel(), ncut(group.f, .4))
    assert group.cell == 1
    f = np.float32([[1, 0], [0, 2], [3, 0]]*2)
    F, hw = _blocks(f, (2, 3), 2)
    assert hw == (1, 2)
    np.testing.assert_allclose(F, [[2, 2], [2, 0]])
    L = _ncut(group.f, group.hw, .4, 3)
    assert L.shape == group.hw and (L[:3, :3] == L[0, 0]).all() and L.max() + 1 == len(np.unique(L)) > 1


def test_large_pictures_are_cut_on_blocks(extractor):
    image = np.zeros((500, 500, 3), np.uint8)
    image[:250] = 255, 0, 0
    g = Grouping(image, load("rgb"))
    assert g.hw == (63, 63) and g.cell == 2 and _NCUT_MOST < 63*63
    L = g.labels(.9, "ncut")
    assert L.shape == (63, 63) and (L[:30] == L[0, 0]).all() and (L[34:] == L[62, 62]).all() and L[0, 0] != L[62, 62]


def test_wrong_order_or_tau(group):
    with pytest.raises(ParameterError, match="low, high or ncut"): group.labels(.3, "middle")
    with pytest.raises(ParameterError, match="tau must lie"): group.labels(1.5)


def test_lemma(group):
    assert group.guaranteed(.5) == -.5 and group.guaranteed(-.5) == -1
    for tau in (0, .3, .6, .9): assert group.violations(tau) == group.violations(tau, "high") == 0
    g = Grouping.__new__(Grouping)
    g.A, g.hw, g._made = np.float32([[1, .2, 1], [.2, 1, 1], [1, 1, 1]]), (1, 3), {(.9, "low"): np.zeros((1, 3), np.int32)}
    assert g.violations(.9) == 1  # .2 < 2·.81 - 1


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_histogram_counts_each_pair_once(n, bins, seed):
    rng = np.random.default_rng(seed)
    A = similarity(rng.normal(size=(n, 3)))
    mask = rng.random(n) < .7
    count, edges = similarity_histogram(A, mask, bins)
    sub = A[np.ix_(mask, mask)]
    pairs = sub[np.triu_indices(len(sub), 1)]
    assert count.sum() == len(pairs)
    off = np.abs(np.cumsum(count) - np.cumsum(np.histogram(pairs.clip(-1, 1), edges)[0]))
    near = [(np.abs(pairs - e) < 1e-5).sum() for e in edges[1:]]
    assert (off <= near).all()  # equal, but for numbers on an edge


def test_histogram_refuses(group):
    with pytest.raises(DataError, match="mask has 3 patches"): similarity_histogram(group.A, np.ones(3, bool))
    assert similarity_histogram(group.A, np.zeros(group.hw, bool))[0].sum() == 0
    n = len(group.A)
    assert similarity_histogram(group.A)[0].sum() == n*(n - 1)//2


def test_patch_mask(scene):
    p = patch_mask(scene.mask, (20, 20))
    share = (scene.mask > 0).reshape(20, 8, 20, 8).mean((1, 3))
    np.testing.assert_array_equal(p, share > .5)
    void = np.full((16, 16), 255, np.uint8); void[:9] = 1
    assert patch_mask(void, (2, 2)).tolist() == [[True, True], [False, False]]
    assert not patch_mask(np.zeros((16, 16), bool), (2, 2)).any()
    tiny = np.zeros((16, 16), bool); tiny[9, 1] = True
    assert patch_mask(tiny, (2, 2)).tolist() == [[False, False], [True, False]]


def test_polygon_square_by_hand():
    want = np.zeros((6, 7), bool); want[2:4, 1:5] = True
    for corners in ([(1, 2), (5, 2), (5, 4), (1, 4)], [(1, 4), (5, 4), (5, 2), (1, 2)], [(.6, 1.6), (5.4, 1.6), (5.4, 4.4), (.6, 4.4)]):
        np.testing.assert_array_equal(polygon_mask(corners, (6, 7)), want)
    assert polygon_mask([(-9, -9), (99, -9), (99, 99), (-9, 99)], (6, 7)).all()
    assert not polygon_mask([(1, 1), (2, 2), (3, 3)], (6, 7)).any()


@given(st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 30)), min_size=3, max_size=3, unique=True))
@settings(max_examples=50, deadline=None)
def test_polygon_is_matplotlibs(points):
    y, x = np.mgrid[:25, :35] + .5
    got, outline = polygon_mask(points, (25, 35)), Outline([*points, points[0]])
    inside = outline.contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(25, 35)
    d = np.full((25, 35), np.inf)  # distance to the outline: where it passes through a centre, either answer will do
    for a, b in zip(np.array(points), np.roll(points, -1, 0)):
        v = b - a
        t = (((x - a[0])*v[0] + (y - a[1])*v[1])/max(v@v, 1e-12)).clip(0, 1)
        d = np.minimum(d, np.hypot(x - a[0] - t*v[0], y - a[1] - t*v[1]))
    assert (got == inside)[d > 1e-3].all()


def test_a_lasso_that_overlaps_itself_has_no_hole():
    twice = [(1, 1), (9, 1), (9, 9), (1, 9)]*2
    assert polygon_mask(twice, (10, 10)).sum() == 64


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (2, 2)], [(1, 1, 1)]*3, [(1, np.nan)]*3])
def test_polygon_refuses(points):
    with pytest.raises(ParameterError, match="at least 3 points"): polygon_mask(points, (4, 4))


# ---- seeds

def case(seed=0, C=3, hw=(30, 40), n=12, quantum=None):
    "A CAM, a softmax, superpixels, label, seed and truth with void"
    rng = np.random.default_rng(seed)
    M, H = rng.random((C, *hw), np.float32), rng.dirichlet(np.ones(C + 1), hw).transpose(2, 0, 1).astype(np.float32)
    if quantum: M = np.round(M/quantum)*np.float32(quantum)
    sp = np.random.default_rng(seed + 1).integers(0, n, hw).astype(np.int32)
    lean = rng.integers(0, C + 1, n)[sp]
    H = .6*H + .4*(np.arange(C + 1)[:, None, None] == lean)
    present = np.zeros(C, bool); present[rng.permutation(C)[:max(1, C - 1)]] = True
    gt = rng.integers(0, C + 1, hw).astype(np.uint8); gt[:2] = 255
    s = np.where(rng.random(hw) < .3, rng.integers(0, C + 1, hw), 255).astype(np.uint8)
    s[sp == 3] = np.where(s[sp == 3] == 255, 0, s[sp == 3])  # one superpixel without a free pixel
    return M, H.astype(np.float32), sp, present, s, gt


@pytest.mark.parametrize("seed", range(4))
def test_seed_curve_is_the_seed_at_each_alpha(seed):
    M, _, sp, present, _, gt = case(seed, quantum=.05)  # many numbers lie on the thresholds
    alphas = np.linspace(0, 1, 21)
    curve = seed_curve(M, sp, present, gt, alphas)
    for k, a in enumerate(alphas):
        q = seed_quality(initial_seed(M, sp, present, float(a)), gt, len(M) + 1)
        assert curve["coverage"][k] == q["coverage"] and curve["precision"][k] == q["precision"]


def test_seed_curve_refuses_what_the_seed_refuses():
    M, _, sp, present, _, gt = case()
    with pytest.raises(ParameterError, match="alpha must lie"): seed_curve(M, sp, present, gt, [.5, 1.1])

def test_seed_curve_of_none_of_the_classes():
    M, _, sp, _, _, gt = case()
    curve = seed_curve(M, sp, np.zeros(3, bool), gt, [.2, .5])
    assert curve["coverage"].tolist() == [1, 1] and curve["precision"] == pytest.approx([(gt[gt != 255] == 0).mean()]*2)


def test_seed_by_class():
    seed, gt = np.uint8([[0, 1, 1, 255, 2]]), np.uint8([[0, 1, 0, 1, 255]])
    cover, right = seed_by_class(seed, gt, 4)
    np.testing.assert_allclose(cover, [.5, .5, np.nan, np.nan]); np.testing.assert_allclose(right, [1, .5, np.nan, np.nan])


# ---- growth

@pytest.mark.parametrize("seed", range(4))
def test_growth_map_is_growing_at_each_pair(seed):
    _, H, sp, present, s, gt = case(seed)
    betas = np.linspace(0, 1, 6), np.array([.2, .33, .5, .7])
    q = growth_map(s, H, sp, present, gt, betas)
    for i, b in enumerate(betas[0]):
        for j, f in enumerate(betas[1]):
            want = seed_quality(grow(s, H, sp, present, float(b), float(f)), gt, len(H))
            for k in want: np.testing.assert_allclose(q[k][i, j], want[k], rtol=1e-12, equal_nan=True)
    assert len(np.unique(q["coverage"])) > 3


def test_growth_map_on_the_threshold_and_at_the_edges():
    _, H, sp, present, s, gt = case()
    H = np.broadcast_to(np.float32([.7, .1, .1, .1])[:, None, None], H.shape)
    for beta in (.7, .69, .71, .1):
        want = seed_quality(grow(s, H, sp, present, beta, beta), gt, 4)
        assert growth_map(s, H, sp, present, gt, [beta])["coverage"][0, 0] == want["coverage"]
    sp = np.where(sp == 5, -1, sp)
    want = seed_quality(grow(s, H, sp, present, .3, .3), gt, 4)
    assert growth_map(s, H, sp, present, gt, [.3])["miou"][0, 0] == pytest.approx(want["miou"])
    with pytest.raises(ParameterError, match="beta must lie"): growth_map(s, H, sp, present, gt, [.5, 1.5])


@pytest.mark.parametrize("seed", range(3))
def test_taken_adds_up_to_growth(seed):
    _, H, sp, present, s, _ = case(seed)
    rows = taken(s, H, sp, present, .4, .3)
    grown, scores = grow(s, H, sp, present, .4, .3), superpixel_scores(H, sp, s == 255)
    again = s.copy()
    for r in rows:
        again[(sp == r["superpixel"]) & (s == 255)] = r["label"]
        assert r["score"] == scores[r["superpixel"], r["label"]] > (.4 if r["label"] == 0 else .3)
        assert r["pixels"] == ((sp == r["superpixel"]) & (s == 255)).sum()
    np.testing.assert_array_equal(again, grown)
    assert rows == sorted(rows, key=lambda r: -r["pixels"]) and rows and taken(s, H, sp, present, 1, 1) == []


# ---- runs

@pytest.fixture(scope="module")
def growth(): return Growth()


def test_the_packaged_growth(growth):
    assert len(growth.ids) == 4 and growth.epochs == list(range(7)) and growth.classes == CLASSES and growth.betas == (.7, .7)
    moved = 0
    for id in growth.ids:
        sp, seed, present = growth.sp(id), growth.seed(id), growth.present(id)
        assert growth.image(id).shape[:2] == sp.shape == seed.shape == growth.mask(id).shape and growth.cam(id)[present].max() == 1
        again = initial_seed(growth.cam(id), sp, present, growth.data["parameters"]["alpha"])
        assert (again != seed).mean() < .001  # but for rounding: the CAM on the disk is float16, that of the seed was not
        for e in growth.epochs[1:]:
            grown = grow(seed, growth.softmax(id, e), sp, present, *growth.betas)
            np.testing.assert_array_equal(grown, growth.grown(id, e))
            moved += (grown != seed).sum()
    assert moved
    with pytest.raises(RunError, match="epochs count from 1"): growth.softmax(growth.ids[0], 0)
    with pytest.raises(RunError, match="epoch_09.*is not there"): growth.grown(growth.ids[0], 9)


def test_curves_and_frames(growth):
    id = growth.ids[0]
    c = growth.curves(id)
    for k, e in enumerate(growth.epochs):
        q = seed_quality(growth.grown(id, e), growth.mask(id), 9)
        assert (c["coverage"][k], c["precision"][k]) == (q["coverage"], q["precision"])
    assert c["epoch"] == growth.epochs and len(growth.curves()["labelled"]) == 7
    frames = growth.frames(height=80)
    assert len(frames) == 7 and all(f.shape == frames[0].shape for f in frames) and growth.frames([id], 40)[0].shape[1] == 40


def test_curves_without_truth(growth, monkeypatch):
    monkeypatch.setattr(Growth, "mask", lambda self, id: None)
    c = growth.curves()
    assert np.isnan(c["coverage"]).all() and np.isnan(c["precision"]).all() and 0 < c["labelled"][0] < c["labelled"][-1] <= 1


def test_the_packaged_masking_run():
    r = Run(demo_folder("demo-masking"))
    class Names: name, classes = "scenes", CLASSES
    judge, _ = load_judge(r.file("classifier"), Names)
    assert len(r.ids) == 4 and r.mean.shape == (3,) and 0 < r.mean.min() and r.mean.max() < 255 and r.method == "masking"
    assert all(r.present(i).sum() >= 2 for i in r.ids)
    for kind in ("raw", "original", "refined"): assert all(r.file("saliency", kind, f"{i}.png").is_file() for i in r.ids)
    with pytest.raises(RunError, match="made by masking, where no seed grows"): Growth(r.folder)


def test_packaged_runs_are_small_and_tell_no_paths():
    for name in ("demo", "demo-masking"):
        files = [p for p in demo_folder(name).rglob("*") if p.is_file()]
        assert sum(p.stat().st_size for p in files) < 3.2e6
        record = json.loads((demo_folder(name)/"run.json").read_text())
        assert not {"argv", "stages"} & set(record) and "root" not in record["data"]
        assert '"/' not in json.dumps(record)
    with pytest.raises(RunError, match="no packaged run 'dmeo'"): demo_folder("dmeo")


def test_what_is_no_run_is_named(tmp_path, growth):
    with pytest.raises(RunError, match="is no run: it holds no run.json; make one with `wsss-nb run"): Run(tmp_path)
    with pytest.raises(RunError, match="is no run"): Run(tmp_path/"none")
    (tmp_path/"run.json").write_text("{}")
    with pytest.raises(RunError, match="is not the record of a run"): Run(tmp_path)
    bare = tmp_path/"bare"
    shutil.copytree(growth.folder, bare)
    shutil.rmtree(bare/"segmenter"/"softmax")
    with pytest.raises(RunError, match="holds no segmenter/softmax.*softmax=0; run `wsss-nb run clustering --data scenes"): Growth(bare)
    shutil.rmtree(bare/"segmenter")
    with pytest.raises(RunError, match="holds no segmenter/seeds/epoch_00"): Growth(bare)
    shutil.rmtree(bare/"superpixels")
    with pytest.raises(RunError, match="superpixels is not there"): Run(bare).ids
    with pytest.raises(RunError, match=r"train_00024\.png is not there"): Run(bare).sp("train_00024")


def test_a_run_in_progress_has_the_epochs_that_are_whole(tmp_path, growth):
    run = tmp_path/"run"
    shutil.copytree(growth.folder, run)
    (run/"segmenter"/"softmax"/"epoch_06"/f"{growth.ids[-1]}.npz").unlink()
    g = Growth(run)
    assert g.epochs == list(range(6)) and g.ids == growth.ids


def test_superpixels_of_another_run(tmp_path, growth):
    run = tmp_path/"run"
    shutil.copytree(growth.folder, run)
    shutil.move(run/"superpixels", tmp_path/"elsewhere")
    record = json.loads((run/"run.json").read_text())
    for where in (dict(parameters=record["parameters"] | dict(superpixels=str(tmp_path/"elsewhere"))), dict(stages=dict(t23_growing=dict(params=dict(superpixels=str(tmp_path/"elsewhere")))))):
        (run/"run.json").write_text(json.dumps(record | where))
        np.testing.assert_array_equal(Growth(run).sp(growth.ids[0]), growth.sp(growth.ids[0]))


def test_a_run_on_a_folder(tmp_path, growth):
    "Own pictures: they are read from the dataset, and cannot be packaged."
    data, run, id = tmp_path/"data", tmp_path/"run", growth.ids[0]
    write_image(data/"images"/f"{id}.png", growth.image(id)); write_mask(data/"masks"/f"{id}.png", growth.mask(id))
    (data/"labels.csv").write_text(f"file,labels\n{id}.png,tree\n"); (data/"classes.txt").write_text("\n".join(CLASSES))
    shutil.copytree(growth.folder, run)
    record = json.loads((run/"run.json").read_text())
    (run/"run.json").write_text(json.dumps(record | dict(data=record["data"] | dict(spec=str(data), name="data"))))
    g = Growth(run)
    np.testing.assert_array_equal(g.image(id), growth.image(id)); np.testing.assert_array_equal(g.present(id), growth.present(id))
    assert g.curves(id) == growth.curves(id)
    with pytest.raises(RunError, match="only runs on scenes"): trim_run(run, tmp_path/"to", [id])


def test_trim(tmp_path, growth):
    to = trim_run(growth.folder, tmp_path/"to", growth.ids[1:3])
    small = Growth(to)
    assert small.ids == growth.ids[1:3] and small.epochs == growth.epochs and small.data["sample"] == growth.ids[1:3]
    np.testing.assert_array_equal(small.softmax(small.ids[0], 3), growth.softmax(small.ids[0], 3))
    with pytest.raises(RunError, match="is not empty"): trim_run(growth.folder, to, growth.ids)


def test_trimmed_masking_run_keeps_its_colour(tmp_path):
    source = Run(demo_folder("demo-masking"))
    made = Run(trim_run(source.folder, tmp_path/"to", source.ids[:1]))
    assert made.mean.tolist() == source.mean.tolist() and made.ids == source.ids[:1] and made.file("segmenter", "model.safetensors").is_file()


def test_real_photographs(shared_data, extractor):
    path = next(p for p in sorted(shared_data.rglob("*.jpg")) if p.stat().st_size)
    p = open_photo(path, 300)
    g = Grouping(p.image, extractor)
    assert max(p.image.shape) <= 300 and g.violations(.5) == 0 and g.count(.8) > g.count(.2) >= 1
    assert partition(g.A, .3).max() + 1 == g.count(.3)
