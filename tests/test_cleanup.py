"""Superpixel clean-up of pseudo-labels: against a naive vote, whole folders, and what must be refused."""
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from wsss_nb import cleanup
from wsss_nb.cleanup import Cleanup, change_in_quality, clean_folder, clean_scores, clean_seed
from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.masks_of_ids import read_mask, write_labels, write_mask


def slow(seed, sp, share, agree, mode):
    out = seed.copy()
    for k in np.unique(sp[sp >= 0]):
        here = sp == k
        labels = seed[here & (seed != 255)]
        if not len(labels) or len(labels) < share*here.sum(): continue
        n = np.bincount(labels)
        if n.max() >= agree*len(labels): out[here & ((seed == 255) | (mode == "override"))] = n.argmax()
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, .25, .5, 1]), st.sampled_from([0, .5, .7, 1]), st.sampled_from(["fill", "override"]))
def test_equals_the_naive_vote(s, share, agree, mode):
    rng = np.random.default_rng(s)
    seed = rng.choice(np.array([0, 1, 2, 20, 255], np.uint8), (6, 9), p=[.2, .3, .1, .1, .3])
    sp = rng.integers(-1, 5, (6, 9))*9000  # ids with gaps; below 0 belongs to none
    got = clean_seed(seed, sp, share, agree, mode)
    assert got.dtype == np.uint8 and (got == slow(seed, sp, share, agree, mode)).all()
    if mode == "fill": assert (got[seed != 255] == seed[seed != 255]).all()
    assert (got[sp < 0] == seed[sp < 0]).all()


def test_nothing_labelled_stays_so():
    empty = np.full((3, 3), 255, np.uint8)
    assert (clean_seed(empty, np.zeros((3, 3), int), 0, 0, "override") == 255).all()
    assert (clean_seed(empty, np.full((3, 3), -1)) == 255).all()


def test_seed_is_not_changed():
    seed = np.array([[1, 255]], np.uint8)
    assert clean_seed(seed, np.zeros((1, 2), int)).tolist() == [[1, 1]] and seed.tolist() == [[1, 255]]


@pytest.mark.parametrize("kw, error, message", [
    (dict(sp=np.zeros((2, 3), int)), DataError, "sizes differ"), (dict(seed=np.zeros((2, 2))), DataError, "whole numbers"), (dict(sp=np.zeros((2, 2))), DataError, "whole numbers"),
    (dict(seed=np.full((2, 2), 300)), DataError, "0…255"), (dict(share=1.2), ParameterError, "share is 1.2"), (dict(agree=-1), ParameterError, "agree is -1"),
    (dict(mode="both"), ParameterError, "fill or override"), (dict(seed=np.zeros(4, int)), DataError, "2 dimensions")])
def test_refuses(kw, error, message):
    with pytest.raises(error, match=message): clean_seed(**{**dict(seed=np.zeros((2, 2), np.uint8), sp=np.zeros((2, 2), int)), **kw})


def test_scores_by_hand():
    S = np.float32([[[.9, .7, .3, .4]], [[.1, .1, .3, .4]]])
    sp = np.array([[0, 0, 1, 1]])
    assert clean_scores([3, 7], S, sp).tolist() == [[3, 3, 255, 255]]               # .8; 1 - .35 is not above .7
    assert clean_scores([3, 7], S, sp, beta_bg=.6).tolist() == [[3, 3, 0, 0]]
    assert clean_scores([7, 0], S, sp, beta_bg=.05, beta_fg=.9).tolist() == [[255, 255, 0, 0]]  # the larger mean decides: .8 is not above .9; a tie is background's
    assert clean_scores([0, 7], S, sp, beta_bg=.75).tolist() == [[0, 0, 255, 255]]
    assert clean_scores(np.zeros(0, int), np.zeros((0, 1, 4), np.float32), sp).tolist() == [[0, 0, 0, 0]]
    with pytest.raises(DataError, match="sizes differ"): clean_scores([3, 7], S, np.zeros((2, 2), int))


@pytest.fixture
def made(scenes, tmp_path):
    "Seeds with holes and mistakes, and superpixels that are the regions of the truth"
    rng = np.random.default_rng(0)
    for id in scenes.ids("train")[:5]:
        T = scenes.mask(id)
        seed = np.where(rng.random(T.shape) < .1, (T + 1) % 9, T)
        write_mask(tmp_path/"seeds"/f"{id}.png", np.where(rng.random(T.shape) < .5, seed, 255))
        write_labels(tmp_path/"sp"/f"{id}.png", T)
        S = np.stack([(T == c)*.8 for c in (1, 2)]).astype(np.float32)
        (tmp_path/"cams").mkdir(exist_ok=True)
        np.save(tmp_path/"cams"/f"{id}.npy", {"keys": np.array([0, 1]), "high_res": S})
    return tmp_path, scenes.ids("train")[:5]


def test_folder_resumes_and_improves(made, scenes):
    tmp, ids = made
    go = lambda: clean_folder(ids, tmp/"seeds", tmp/"sp", tmp/"out", Cleanup(mode="override", n_classes=8), workers=2)
    counts = go()
    assert (counts["images"], counts["written"], counts["already"]) == (5, 5, 0) and .4 < counts["filled"] < .6 and .02 < counts["relabelled"] < .1
    first = (tmp/"out"/f"{ids[0]}.png").stat().st_mtime_ns
    (tmp/"out"/f"{ids[1]}.png").unlink()
    assert go()["written"] == 1 and (tmp/"out"/f"{ids[0]}.png").stat().st_mtime_ns == first
    assert (read_mask(tmp/"out"/f"{ids[1]}.png") == scenes.mask(ids[1])).all()
    t = change_in_quality(scenes, ids, tmp/"seeds", tmp/"out")
    by = {r["cells"][0]: r["cells"][1:] for r in t["rows"]}
    assert t["head"][1:] == ["before %", "after %", "difference"] and by["mIoU"][1] == by["coverage"][1] == "100.0" and by["precision"][2].startswith("+")
    assert float(by["coverage"][2]) == pytest.approx(100 - float(by["coverage"][0]), abs=.11)


def test_folder_of_scores(made, scenes):
    tmp, ids = made
    clean_folder(ids, tmp/"cams", tmp/"sp", tmp/"out", Cleanup(n_classes=8, kind="irn"))
    for id in ids: assert (read_mask(tmp/"out"/f"{id}.png") == np.where(scenes.mask(id) < 3, scenes.mask(id), 0)).all()
    counts = clean_folder(ids, tmp/"cams", tmp/"sp", tmp/"labels", Cleanup(n_classes=8, threshold=.5, kind="irn"))
    assert counts["filled"] == counts["relabelled"] == 0  # the threshold has labelled every pixel, and rightly
    t = change_in_quality(scenes, ids, tmp/"cams", tmp/"out", kind="irn")
    assert "chosen on the truth" in t["text"]


def test_folder_refuses(made):
    tmp, ids = made
    go = lambda seeds="seeds", sp="sp", out="out", **kw: clean_folder(ids, tmp/seeds, tmp/sp, tmp/out, Cleanup(**kw))
    with pytest.raises(ParameterError, match="seeds are: they would be lost"): go(out="seeds")
    with pytest.raises(ParameterError, match="superpixels are"): go(out="sp")
    with pytest.raises(DataError, match="no such folder"): go(seeds="none")
    with pytest.raises(ParameterError, match="beta_fg is 3"): go(beta_fg=3)
    write_mask(tmp/"full"/"x.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(RunError, match="not made here"): go(out="full")
    assert not (tmp/"out").exists()
    go(share=.1)
    with pytest.raises(RunError, match="share 0.1, now 0.5"): go(share=.5)
    (tmp/"sp"/f"{ids[4]}.png").unlink()
    with pytest.raises(DataError, match=rf"no superpixel map.*{ids[4]}"): go(share=.1)
    write_labels(tmp/"sp"/f"{ids[4]}.png", np.zeros((3, 4), int))
    with pytest.raises(DataError, match=r"160x160 .*is 3x4"): go(out="out2")


def test_quality_needs_masks(made, scenes, tmp_path):
    tmp, ids = made
    with pytest.raises(DataError, match="nothing to score"): change_in_quality(scenes, [], tmp/"seeds", tmp/"seeds")
    assert cleanup.__all__ == ["Cleanup", "clean_seed", "clean_scores", "clean_folder", "change_in_quality"]
