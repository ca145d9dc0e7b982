"""The explorer of a run, without a browser: what is read and what is computed is what the run's stages write; the worst picture comes first; what is missing is said."""
import json
import shutil

import numpy as np
import pytest

from wsss_nb import run_maps, run_scores
from wsss_nb.artefacts import Growth, Run, demo_folder
from wsss_nb.cam import compute_cam
from wsss_nb.canvas import given
from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.crf import dense_crf
from wsss_nb.deeplab import predict
from wsss_nb.explore import RunExplorer
from wsss_nb.growing import grow
from wsss_nb.images import resize, write_image
from wsss_nb.masks_of_ids import read_mask, write_mask
from wsss_nb.metrics import ConfusionMatrix
from wsss_nb.predict import PredictSettings, predict_folder
from wsss_nb.recognise import imagenet_segmenter
from wsss_nb.run_maps import OWN, RunMaps
from wsss_nb.run_scores import RunScores, doubt, in_order
from wsss_nb.seeds import initial_seed
from wsss_nb.segment import grown_seed
from wsss_nb.segment_settings import SegmentSettings
from wsss_nb.superpixels import conventional

ID = "train_00318"


@pytest.fixture(autouse=True)
def own_cache(home, monkeypatch):
    "The scores of one test are not known to another."
    monkeypatch.delenv("WSSS_NB_RUN", raising=False)
    shutil.rmtree(home/"explore", ignore_errors=True)


@pytest.fixture
def copy(whole_run, tmp_path): return shutil.copytree(whole_run, tmp_path/"run")


@pytest.fixture(scope="module")
def maps(whole_run): return RunMaps(whole_run)


@pytest.fixture(scope="session")
def judged_run(whole_run, scenes, tmp_path_factory):
    "Five held-out pictures predicted as the evaluation does it."
    folder = shutil.copytree(whole_run, tmp_path_factory.mktemp("judged")/"run")
    how = PredictSettings((1.,), False, True)
    predict_folder(scenes, scenes.ids("val")[:5], folder/"segmenter"/"model.safetensors", folder/"predictions"/"segmenter", how, 1, "cpu")
    return folder


def change(folder, **fields):
    "Lay fields over the record of a run."
    file = folder/"run.json"
    record = json.loads(file.read_text())
    for k, v in fields.items(): record[k] = record.get(k, {}) | v if isinstance(v, dict) else v
    file.write_text(json.dumps(record))
    return folder


def tree(folder): return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


# ---- maps

def test_what_the_run_has_kept_is_read(maps):
    g = Growth(maps.run.folder)
    for id in maps.learned:
        for (a, whence), b in ((maps.cam(id), g.cam(id)), (maps.sp(id), g.sp(id)), (maps.seed(id), read_mask(g.folder/"seeds"/f"{id}.png", 8)),
                               (maps.softmax(id), g.softmax(id, 6)), (maps.grown(id), g.grown(id, 6))):
            np.testing.assert_array_equal(a, b)
            assert whence.endswith(OWN)


def test_what_is_computed_is_what_the_stages_wrote(copy):
    "Without its maps a run makes them again: superpixels and seed to the pixel, activations to the half floats that were kept."
    kept = RunMaps(shutil.copytree(copy, copy.parent/"kept"))
    for folder in ("superpixels", "cam", "seeds"):
        for p in (copy/folder).iterdir(): p.unlink()
    made = RunMaps(copy)
    for id in made.learned:
        (M, whence), (L, _), (sp, by) = made.cam(id), made.seed(id), made.sp(id)
        assert whence == "computed now with the run's classifier" and by == "computed now with the run's features"
        np.testing.assert_array_equal(sp, kept.sp(id)[0])
        np.testing.assert_allclose(M, kept.cam(id)[0], atol=1e-3)
        np.testing.assert_array_equal(L, initial_seed(M, sp, made.label(id), .5))
        assert (L == kept.seed(id)[0]).mean() > .999
    assert not list((copy/"cam").iterdir()), "nothing is written into the run"


def test_softmax_and_growth_of_a_picture_that_was_not_watched(maps):
    id = maps.held[2]
    (H, whence), (L, _) = maps.softmax(id), maps.grown(id)
    assert whence == "computed now with the run's segmenter"
    np.testing.assert_array_equal(H, predict(maps.segmenter, maps.run.image(id), (1.,)))
    np.testing.assert_array_equal(L, grow(maps.seed(id)[0], H, maps.sp(id)[0], maps.run.present(id), .7, .7))


def test_a_prediction_is_the_evaluations(judged_run, tmp_path):
    "The file where there is one; without it the same is computed, to the bit."
    bare = shutil.copytree(judged_run, tmp_path/"run")
    shutil.rmtree(bare/"predictions")
    read, made = RunMaps(judged_run), RunMaps(bare)
    for id in read.held[:5]:
        (P, whence), (Q, by) = read.prediction(id), made.prediction(id)
        np.testing.assert_array_equal(P, read_mask(judged_run/"predictions"/"segmenter-crf"/f"{id}.png", 8))
        np.testing.assert_array_equal(P, Q)
        assert (whence, by) == (OWN, "computed now with the run's segmenter")
    change(bare, parameters=dict(crf=False, test_scales=[1., .5], flip=True))
    m = RunMaps(bare)
    np.testing.assert_array_equal(m.prediction(ID)[0], predict(m.segmenter, m.run.image(ID), (1., .5), True).argmax(0))


def test_a_sample_predicts_from_the_softmax_that_it_kept():
    m = RunMaps()
    H = Growth().softmax(ID, 6)
    P = dense_crf(m.run.image(ID), H/H.sum(0), backend="pydensecrf").argmax(0)
    np.testing.assert_array_equal(m.prediction(ID)[0], P)
    assert m.prediction(ID)[1] == "softmax of epoch 6, read from the run"
    with pytest.raises(RunError, match="this sample of a run leaves its segmenter out, which t23_growing makes"): m.prediction(m.held[0])


def test_a_seed_that_walks(copy):
    change(copy, parameters=dict(seed_walk=2, alpha=.4))
    for folder in ("cam", "seeds"): (copy/folder/f"{ID}.png").unlink(missing_ok=True), (copy/folder/f"{ID}.npz").unlink(missing_ok=True)
    m = RunMaps(copy)
    I, t = m.run.image(ID), m.run.present(ID)
    M, L = grown_seed(I, compute_cam(m.classifier, I, t), m.sp(ID)[0], t, imagenet_segmenter(), 2, 0., SegmentSettings(alpha=.4, crf=True))
    np.testing.assert_array_equal(m.cam(ID)[0], M)
    np.testing.assert_array_equal(m.seed(ID)[0], L)


def test_conventional_superpixels(copy):
    change(copy, parameters=dict(sp_method="slic", segments=20))
    m = RunMaps(copy)
    np.testing.assert_array_equal(m.sp(m.held[0])[0], conventional(m.run.image(m.held[0]), "slic", 64))  # 160·160/20²


def test_nets_are_loaded_when_they_are_needed(whole_run, monkeypatch):
    for name in ("load_classifier", "load_deeplab", "load"): monkeypatch.setattr(run_maps, name, lambda *a, **k: pytest.fail("a net was loaded"))
    e = RunExplorer(whole_run, picture=ID)
    for name in ("cams", "M", "own_seed", "sp", "bg", "H", "own_grown"): assert given(e.canvas, name)[0] is not None


def test_a_map_is_made_once(whole_run, monkeypatch):
    m, calls = RunMaps(whole_run), []
    monkeypatch.setattr(run_maps, "predict", lambda *a: calls.append(a) or predict(*a))
    id = m.held[0]
    m.softmax(id), m.grown(id), m.prediction(id), m.grown(id)
    assert len(calls) == 1
    m.softmax(m.held[1]), m.softmax(m.held[2]), m.softmax(m.held[3]), m.softmax(id)
    assert len(calls) == 5, "the last three pictures are kept"


# ---- what is missing

def test_a_run_that_was_cut_off_names_the_stage(copy):
    "Without its segmenter, then without its classifier: the rest is shown."
    change(copy, stages=dict(t21_classifier=dict(status="done"), t22_seeds=dict(status="done"), t23_growing=dict(status="failed")))
    record = json.loads((copy/"run.json").read_text())
    record.pop("sample"), record["data"].update(spec="scenes:train=2,val=2,seed=0", train=2, val=2)
    (copy/"run.json").write_text(json.dumps(record))
    shutil.rmtree(copy/"segmenter")
    e = RunExplorer(copy)
    why = "the run has no segmenter: its stage t23_growing is not done (failed)"
    assert why[4:] in e.status.value and e.order == ["train_00000", "train_00001", "val_00000", "val_00001"]
    captions = [p["caption"] for p in e.canvas.panes]
    assert captions[3:] == [f"T{why[1:]}."]*3 and captions[1] == "{cam_from}"
    assert given(e.canvas, "own_seed")[0].shape == (160, 160) and given(e.canvas, "H")[0] is None and given(e.canvas, "pred")[0] is None
    shutil.rmtree(copy/"classifier")
    e = RunExplorer(copy)
    assert e.canvas.panes[1]["caption"] == e.canvas.panes[2]["caption"] == "The run's folder classifier is gone, though its stage t21_classifier is done."
    assert given(e.canvas, "image")[0].shape == (160, 160, 3) and given(e.canvas, "cams")[0] is None


def test_without_a_classifier_what_was_kept_is_shown(copy):
    shutil.rmtree(copy/"classifier")
    e = RunExplorer(copy, picture=ID)
    np.testing.assert_array_equal(given(e.canvas, "own_seed")[0], e.maps.seed(ID)[0])
    assert given(e.canvas, "cams")[0].shape == (3, 160, 160)
    (copy/"cam"/f"{ID}.npz").unlink()
    e = RunExplorer(copy, picture=ID)
    assert given(e.canvas, "cams")[0] is None and given(e.canvas, "at_seed")[0].tolist() == [-1]
    np.testing.assert_array_equal(given(e.canvas, "own_seed")[0], e.maps.seed(ID)[0])


def test_wrong_use(copy, tmp_path, monkeypatch):
    with pytest.raises(RunError, match="holds no run.json"): RunExplorer(tmp_path/"none")
    with pytest.raises(ParameterError, match="'train_9' is none of the 16 pictures of"): RunExplorer(copy, picture="train_9")
    with pytest.raises(ParameterError, match="by='size' is no order: use name, iou, doubt"): RunExplorer(copy, by="size")
    with pytest.raises(RunError, match="No IoU to sort by: this sample of a run leaves its predictions out"): RunExplorer(copy, by="iou")
    change(copy, method="superpixels")
    with pytest.raises(RunError, match="is a run of superpixels alone"): RunExplorer(copy)
    monkeypatch.setenv("WSSS_NB_RUN", str(copy))
    assert "This is the sample run instead" in RunExplorer().status.value


# ---- scores

def test_the_worst_prediction_comes_first(judged_run):
    m = RunMaps(judged_run)
    numbers = RunScores(m).all("iou")
    assert sorted(numbers) == list(m.held[:5])
    for id, (n,) in numbers.items(): assert n == ConfusionMatrix(9).update(m.prediction(id)[0], m.run.mask(id)).miou()
    e = RunExplorer(judged_run, by="iou")
    assert e.order[:5] == sorted(numbers, key=lambda i: numbers[i]) and e.order[5:] == sorted({*m.learned, *m.held} - {*numbers})
    assert e.names.value == f"{e.order[0]} · IoU {numbers[e.order[0]][0]:.2f}" and e.names.options[5].endswith(" · not judged")
    assert e.curve.data["series"][0]["y"] == pytest.approx(sorted(n for n, in numbers.values()), abs=1e-5)


def test_doubt_is_about_labels_that_were_learned(whole_run):
    m = RunMaps(whole_run)
    e = RunExplorer(whole_run, by="doubt")
    want = {id: doubt(m.probabilities(id), m.run.present(id)) for id in m.learned}
    assert e.order[:4] == sorted(want, key=lambda i: -want[i][0])
    d, c = want[e.order[0]]
    word = "is labelled" if m.run.present(e.order[0])[c] else "is not labelled"
    assert e.names.value == f"{e.order[0]} · doubt {d:.2f}, {m.run.classes[c]} {word}"


def test_scores_are_kept_in_the_cache_and_nowhere_else(judged_run, tmp_path, home, monkeypatch):
    run = shutil.copytree(judged_run, tmp_path/"run")
    before = tree(run)
    heard = []
    numbers = RunScores(RunMaps(run)).all("iou", lambda n, of: heard.append((n, of)))
    assert tree(run) == before and len(list((home/"explore").glob("*.json"))) == 1 and heard == [(0, 5)]
    measured = []
    real = RunScores._measure
    monkeypatch.setattr(RunScores, "_measure", lambda self, by, id: measured.append(id) or real(self, by, id))
    e = RunExplorer(run)
    assert e.by.value == "iou" and e.numbers == numbers and not measured, "opened with the worst, nothing computed"
    file = run/"predictions"/"segmenter-crf"/"val_00002.png"
    write_mask(file, np.zeros((160, 160), np.uint8))
    e = RunExplorer(run)
    assert e.by.value == "name" and not measured, "one is not known any more: nothing is computed when a run is opened"
    again = RunScores(RunMaps(run)).all("iou")
    assert measured == ["val_00002"] and again["val_00002"] != numbers["val_00002"]


def test_a_cache_that_is_broken_or_closed_costs_time_only(judged_run, home, monkeypatch):
    s = RunScores(RunMaps(judged_run))
    s.file.parent.mkdir(parents=True)
    s.file.write_text("{")
    numbers = RunScores(RunMaps(judged_run)).all("iou")
    assert len(numbers) == 5
    monkeypatch.setattr(run_scores, "write_json", lambda *a: (_ for _ in ()).throw(OSError("full")))
    shutil.rmtree(home/"explore")
    assert RunScores(RunMaps(judged_run)).all("iou") == numbers


def test_void_alone_is_no_number(): assert in_order(["a", "b", "c"], "iou", dict(a=(), b=(.5,), c=(.1,))) == ["c", "b", "a"]


# ---- the explorer

def test_buttons_and_the_curve_walk_the_list(judged_run):
    e = RunExplorer(judged_run, by="iou")
    first, second = e.order[:2]
    assert e.back.disabled and not e.next.disabled and e.place.value == "1 of 16"
    e.next.click()
    assert e.p.id == second and e.names.value.startswith(second) and e.curve.x == 2 and not e.back.disabled
    np.testing.assert_array_equal(given(e.canvas, "image")[0], e.maps.run.image(second))
    e.back.click()
    assert e.p.id == first
    e.curve.x = 3.2  # a press on the curve
    assert e.p.id == e.order[2] and e.curve.x == 3
    e.names.value = e.names.options[-1]
    assert e.p.id == e.order[-1] and e.next.disabled and e.place.value == "16 of 16"


def test_another_order_begins_with_its_first(judged_run):
    e = RunExplorer(judged_run)
    assert e.by.value == "name" and e.order == sorted(e.order) and e.curve.data["empty"]
    e.by.value = "iou"
    numbers = RunScores(RunMaps(judged_run)).known("iou")
    assert e.p.id == e.order[0] == min(numbers, key=lambda i: numbers[i]) and len(e.names.options) == 16
    e.by.value = "name"
    assert e.p.id == e.order[0] == "train_00024" == e.names.value


def test_an_order_that_cannot_be_had_is_refused(whole_run):
    e = RunExplorer(whole_run)
    e.by.value = "iou"
    assert e.by.value == "name" and "No IoU to sort by" in e.status.value and 'role="alert"' in e.status.value and e.p.id == e.names.value


def test_a_photograph_that_is_gone_does_not_stop_the_walk(whole_run, monkeypatch):
    real = RunMaps.photo
    def photo(self, id):
        if id == "train_00126": raise DataError("train_00126.jpg: no such file")
        return real(self, id)
    monkeypatch.setattr(RunMaps, "photo", photo)
    e = RunExplorer(whole_run)
    e.next.click()
    assert "no such file" in e.status.value and e.p.id == "train_00024" == e.names.value
    e.next.click()
    assert e.p.id == "train_00162" and "alert" not in e.status.value


def test_the_prediction_is_judged_and_the_verdict_painted(judged_run):
    e = RunExplorer(judged_run, picture="val_00001")
    (P, facts), gt = given(e.canvas, "pred"), e.maps.run.mask("val_00001")
    np.testing.assert_array_equal(P, e.maps.prediction("val_00001")[0])
    m = ConfusionMatrix(9).update(P, gt)
    assert facts["miou"] == m.miou() and facts["pred_from"] == OWN
    assert e.bars.data["series"][0]["values"] == pytest.approx([v for v in m.iou() if v == v], abs=1e-5)
    V = given(e.canvas, "verdict")[0]
    for k, where in ((251, (P == gt) & (gt > 0)), (252, (P == 0) & (gt > 0)), (253, (P > 0) & (gt == 0)), (254, (P > 0) & (gt > 0) & (P != gt))): np.testing.assert_array_equal(V == k, where)
    assert [o["name"] for o in e.canvas.legend][-4:] == ["right", "missed", "too much", "another class"] and e.canvas.colors[251] == "#8ff0d0"


def test_no_truth_no_numbers(judged_run, monkeypatch):
    real = Run.photo
    monkeypatch.setattr(Run, "photo", lambda self, id: real(self, id)._replace(mask=None))
    e = RunExplorer(judged_run, picture="val_00001")
    assert given(e.canvas, "verdict")[0] is None and list(given(e.canvas, "pred")[1]) == ["pred_from"] and "no true mask" in e.canvas.panes[0]["caption"]


def test_no_label_is_a_guess_and_it_is_said(whole_run, monkeypatch):
    monkeypatch.setattr(RunMaps, "label", lambda self, id: None)
    e = RunExplorer(whole_run, picture="val_00001")
    p = e.maps.probabilities("val_00001")
    assert (e.p.present == ((p > .5) if (p > .5).any() else (p == p.max()))).all()
    assert "no label: the classifier's guess is" in e.canvas.panes[0]["caption"] and len(given(e.canvas, "cams")[0]) == 1 + e.p.present.sum()


def test_a_label_of_nothing_and_a_classifier_that_sees_nothing(copy, monkeypatch):
    "The run's own seed stays, wherever α stands."
    (copy/"seeds"/f"{ID}.png").unlink()
    monkeypatch.setattr(RunMaps, "label", lambda self, id: np.zeros(8, bool))
    e = RunExplorer(copy, picture=ID)
    assert given(e.canvas, "at_seed")[0].tolist() == [-1] and not given(e.canvas, "own_seed")[0].any() and given(e.canvas, "M")[0].shape == (1, 160, 160)
    monkeypatch.undo()
    monkeypatch.setattr(run_maps, "compute_cam", lambda *a: np.zeros((8, 160, 160), np.float32))
    (copy/"cam"/f"{ID}.npz").unlink()
    e = RunExplorer(copy, picture=ID)
    assert (given(e.canvas, "own_seed")[0] == 255).all() and given(e.canvas, "at_seed")[0].tolist() == [-1]


def test_a_large_photograph_is_shown_smaller_with_its_maps(whole_run, monkeypatch):
    def big(a, y=-2, x=-1): return a.repeat(4, y).repeat(4, x)
    monkeypatch.setattr(RunMaps, "photo", lambda self, id: (p := self.run.photo(id))._replace(image=big(p.image, 0, 1), mask=big(p.mask)))
    for name in ("cam", "sp", "seed", "softmax", "grown"):  # those on the disk; the prediction is computed from the photograph
        real = getattr(RunMaps, name)
        monkeypatch.setattr(RunMaps, name, lambda self, id, real=real: (big(real(self, id)[0]), OWN))
    m = RunMaps(whole_run)
    e = RunExplorer(whole_run, picture=ID)
    sizes = {name: given(e.canvas, name)[0].shape[-2:] for name in ("gt", "cams", "M", "sp", "own_seed", "H", "own_grown", "pred", "verdict")}
    assert set(sizes.values()) == {(500, 500)} and given(e.canvas, "image")[0].shape == (500, 500, 3)
    assert "Scaled down from 640×640 to 500×500" in e.status.value
    np.testing.assert_array_equal(given(e.canvas, "own_seed")[0], resize(m.seed(ID)[0], (500, 500), "nearest"))


def test_sliders_stand_where_the_run_had_them_and_go_back(copy):
    change(copy, parameters=dict(alpha=.35, beta_bg=.8, beta_fg=.6))
    e = RunExplorer(copy)
    c = e.canvas
    assert (c.alpha, c.beta_bg, c.beta_fg) == (.35, .8, .6) and given(c, "at_grown")[0].tolist() == [.35, .8, .6]
    c.alpha, c.beta_fg = .9, .1
    e.sliders[3].click()
    assert (c.alpha, c.beta_bg, c.beta_fg) == (.35, .8, .6)


def test_a_masking_run():
    e = RunExplorer(demo_folder("demo-masking"))
    m, id = e.maps, e.p.id
    assert e.sliders == [] and len(e.canvas.panes) == 6 and id in m.learned
    S = read_mask(m.run.folder/"saliency"/"refined"/f"{id}.png")
    np.testing.assert_array_equal(given(e.canvas, "refined")[0], np.where(S == 1, 250, S))
    np.testing.assert_array_equal(given(e.canvas, "pred")[0], m.prediction(id)[0])
    assert given(e.canvas, "cams")[0].max() == 1 and e.canvas.legend[-1]["name"] == "salient"
    e.go(len(m.learned))
    assert e.p.id == "val_00000" and given(e.canvas, "original")[0] is None
    assert e.canvas.panes[2]["caption"] == e.canvas.panes[3]["caption"] == "Saliency maps are made of training pictures only."


def test_a_still_of_what_is_there(judged_run):
    e = RunExplorer(judged_run, picture=ID)
    pictures, titles = e.still()
    assert len(pictures) == len(titles) and titles[0] == ID and pictures[0].shape == (160, 160, 3)


def test_the_list_of_a_dataset(tmp_path, copy):
    "A run on a folder lists the ids of its lists, and reads labels and masks without opening photographs."
    root = tmp_path/"own"
    for k in range(3): write_image(root/"images"/f"p{k}.png", np.full((20, 30, 3), 40*k, np.uint8))
    write_mask(root/"masks"/"p2.png", np.ones((20, 30), np.uint8))
    (root/"classes.txt").write_text("\n".join(Run().classes) + "\n")
    (root/"labels.csv").write_text("file,labels\np0.png,cat\np1.png,car;cat\np2.png,boat\n")
    (root/"train.txt").write_text("p0\np1\n"), (root/"val.txt").write_text("p2\n")
    change(copy, data=dict(spec=str(root)))
    m = RunMaps(copy)
    assert (m.learned, m.held) == (("p0", "p1"), ("p2",))
    for p in (root/"images").iterdir(): p.write_bytes(b"")
    assert m.label("p1").nonzero()[0].tolist() == [1, 6] and m.truth("p2").all() and m.truth("p0") is None
