"""From names to masks, nothing trained: each step by hand, and pictures of any size, colour and content."""
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb.core import DataError, ParameterError
from wsss_nb.names import understand_all
from wsss_nb.segment import activation_softmax, cell_similarity, cleaned, grown_seed, image_probabilities, label_softmax, load_segmenter, Study, seed_and_grow, segment_names, share, transitions, walk
from wsss_nb.segment_settings import SegmentSettings

QUICK = SegmentSettings(sides=(192,), spread_side=192, flip=False, crf=False)


@pytest.fixture(scope="module")
def nets(): return load_segmenter()


@pytest.fixture(scope="module")
def photo(): return photographs.chelsea()


@pytest.fixture(scope="module")
def cat(nets, photo): return segment_names(photo, understand_all(["cat"]), nets=nets)


def iou(a, b): return (a & b).sum()/(a | b).sum()


# ---- steps by hand

def test_walk_on_three_cells():
    S = np.array([[1, .5, 0], [.5, 1, -1], [0, -1, 1]])
    M = np.array([[[9., 0, 6]]])
    assert np.allclose(walk(M, transitions(S, 1), 1), [[[6, 3, 6]]])   # (9 + 0/2)/1.5, (9/2 + 0)/1.5, itself
    assert np.allclose(walk(M, transitions(S, 1), 2), [[[5, 4, 6]]])
    assert np.allclose(walk(M, transitions(S, 2), 1), [[[7.2, 1.8, 6]]])  # a half squared is a quarter
    assert np.array_equal(walk(M, transitions(S, 1), 0), M)


def test_walk_keeps_what_is_everywhere():
    S = np.random.default_rng(0).uniform(-1, 1, (12, 12))
    S[np.diag_indices(12)] = 1
    T = transitions(S, 4)
    assert np.allclose(T.sum(1), 1) and np.allclose(walk(np.full((2, 3, 4), .7), T, 5), .7)


def test_walk_refuses_another_pictures_transitions():
    with pytest.raises(DataError, match="6 cells each, but the transitions are"):
        walk(np.zeros((1, 2, 3)), np.eye(5), 1)


def test_share():
    assert np.allclose(share(np.array([[[.8]], [[.6]]]), np.array([[[.2]], [[.4]]])), [[[.4]], [[.8]]])
    assert np.allclose(share(np.array([[[.5, 0]]]), np.array([[[0, 0.]]])), [[[.5, 0]]])  # nothing to divide by


def test_activation_softmax_by_hand():
    H = activation_softmax(np.array([[[.5, 1, 0]]]), .5, 2)
    assert np.allclose(H[1], [[.5, .8, 0]], atol=1e-3) and np.allclose(H.sum(0), 1)


def test_label_softmax_by_hand():
    S = np.array([[1, 1, 0], [1, 1, .5], [0, .5, 1]])
    P = label_softmax(np.array([[0, 255, 1]], np.uint8), transitions(S, 1), 1, 1)
    assert np.allclose(P[1], [[0, 1/3, 1]], atol=1e-3)
    many = label_softmax(np.array([[0, 0, 0, 0, 1]], np.uint8), np.full((5, 5), .2), 1, 1)
    assert np.allclose(many[1], 1/3, atol=1e-3)  # four cells weigh two, the root of four


def test_labels_that_no_walk_reaches_stay_undecided():
    P = label_softmax(np.array([[0, 1, 255]], np.uint8), np.eye(3), 1, 1)
    assert np.allclose(P[:, 0, 2], .5) and P[0, 0, 0] > .99 < P[1, 0, 1]


def test_seed_and_growth_by_hand():
    M, sp = np.array([[[1, .55, 0]]]), np.array([[0, 1, 2]])
    seed, grown = seed_and_grow(M, sp)
    assert seed.tolist() == grown.tolist() == [[1, 255, 0]]      # .55⁴/(.5⁴ + .55⁴) = .594 < .6
    assert seed_and_grow(M, sp, SegmentSettings(beta_fg=.59))[1].tolist() == [[1, 1, 0]]
    assert [a.tolist() for a in seed_and_grow(0*M, sp)] == [[[0, 0, 0]]]*2


def test_a_small_thing_outlives_the_clean_up():
    wall, P = np.full((60, 60, 3), 99, np.uint8), np.full((2, 60, 60), .9, np.float32)
    P[1], P[:, 30, 30] = .1, (.4, .6)
    H = cleaned(wall, P)
    assert np.argwhere(H.argmax(0)).tolist() == [[30, 30]] and np.allclose(H.sum(0), 1, atol=1e-4)


# ---- settings

def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ParameterError, match=r"alpha must lie in \[0, 1\], but is 2; beta_fg .* but is -1; sides must"):
        SegmentSettings(alpha=2, beta_fg=-1, sides=(5,))


@pytest.mark.parametrize("field, value", [("spread_side", 32), ("spread_power", .5), ("spread_steps", -1), ("threshold", 1.1),
                                          ("sharpness", 0), ("tau", -2), ("beta_bg", float("nan")), ("contrast", 0),
                                          ("side", 0), ("sides", ())])
def test_settings_out_of_range(field, value):
    with pytest.raises(ParameterError, match=field): SegmentSettings(**{field: value})


def test_settings_are_frozen_and_can_be_written_down():
    with pytest.raises(FrozenInstanceError): SegmentSettings().alpha = .1
    assert SegmentSettings(**asdict(SegmentSettings(alpha=.3))) == SegmentSettings(alpha=.3)


# ---- a photograph

def test_steps_fit_the_photograph(cat, photo):
    hw = photo.shape[:2]
    assert cat.photograph is photo and cat.names == ("cat",) and list(cat.doubt) == ["cat"]
    assert cat.activation.shape == cat.plain.shape == (1, *hw) and cat.softmax.shape == cat.belief.shape == (2, *hw)
    assert cat.superpixels.shape == cat.seed.shape == cat.grown.shape == cat.mask.shape == hw
    assert [a.dtype for a in (cat.activation, cat.softmax, cat.superpixels)] == [np.float32, np.float32, np.int32]
    assert cat.seed.dtype == cat.grown.dtype == cat.mask.dtype == np.uint8 and set(np.unique(cat.mask)) == {0, 1}
    assert 0 <= cat.activation.min() and cat.activation.max() <= 1 and np.allclose(cat.softmax.sum(0), 1, atol=1e-3)
    assert np.array_equal(cat.mask, cat.softmax.argmax(0)) and cat.probabilities.shape == (1000,)


def test_the_seed_stays_in_what_it_grows_to(cat):
    sure = cat.seed != 255
    assert np.array_equal(cat.grown[sure], cat.seed[sure]) and (cat.grown != 255).sum() >= sure.sum()


def test_a_cat_is_found(cat):
    y, x = np.mgrid[:300, :451]
    head = (((x - 175)/180)**2 + ((y - 165)/165)**2 < 1)         # drawn by eye: the face fills the left of the picture
    assert iou(cat.mask == 1, head) > .75, iou(cat.mask == 1, head)
    assert cat.mask[:, 400:].mean() < .1 < .9 < cat.mask[100:200, 100:300].mean()  # the wall, the face
    assert cat.doubt["cat"] > .9


def test_the_same_picture_gives_the_same_mask(nets, photo):
    a, b = (segment_names(photo, understand_all(["cat"]), QUICK, nets) for _ in range(2))
    assert np.array_equal(a.softmax, b.softmax) and np.array_equal(a.superpixels, b.superpixels)


def test_other_names_do_not_stick_to_the_nets(nets, photo):
    study = Study(photo, nets, QUICK)
    before = study.activation(understand_all(["cat"]), QUICK)
    study.activation(understand_all(["dog", "boat"]), QUICK)
    assert all(map(np.array_equal, before, study.activation(understand_all(["cat"]), QUICK)))
    assert all(map(np.array_equal, before, Study(photo, nets, QUICK).activation(understand_all(["cat"]), QUICK)))


def test_a_mirrored_picture_activates_mirrored(nets, photo):
    A, B = (Study(I, nets).activation(understand_all(["cat"]))[0] for I in (photo, photo[:, ::-1]))
    assert np.abs(A - B[..., ::-1]).max() < .02*np.abs(A).max()


def test_several_names_in_their_order(nets, photo):
    I = np.hstack([photo, photographs.coffee()[::2, ::2].repeat(2, 0)[:300].repeat(2, 1)[:, 100:551]])
    s = segment_names(I, understand_all(["cup", "cat"]), nets=nets)
    assert s.names == ("cup", "cat") and len(s.activation) == 2 and len(s.softmax) == 3
    left, right = s.mask[:, :451], s.mask[:, 451:]
    assert (left == 2).mean() > 5*(left == 1).mean() and (right == 1).mean() > 5*(right == 2).mean()


def test_what_is_not_there_gets_a_mask_and_a_doubt(nets, photo):
    s = segment_names(photo, understand_all(["airliner"]), nets=nets)
    assert s.mask.any() and s.doubt["airliner"] < .01


# ---- any picture

@pytest.mark.parametrize("hw", [(1, 1), (1, 400), (7, 3), (90, 120)])
@pytest.mark.parametrize("words", [["cat"], ["cat", "dog", "cup"]])
def test_any_picture(nets, hw, words):
    I = np.random.default_rng(0).integers(0, 256, (*hw, 3), dtype=np.uint8)
    s = segment_names(I, understand_all(words), QUICK, nets)
    assert s.mask.shape == hw and s.softmax.shape == (len(words) + 1, *hw) and s.mask.max() <= len(words)
    assert all(np.isfinite(a).all() for a in (s.activation, s.softmax, s.belief))


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_flat_pictures(nets, grey):
    s = segment_names(np.full((60, 80, 3), grey, np.uint8), understand_all(["cat"]), nets=nets)
    assert s.mask.shape == (60, 80) and np.isfinite(s.softmax).all()


@pytest.mark.parametrize("hw", [(12, 20_000), (20_000, 1), (1500, 2000)])
def test_large_pictures_are_worked_on_at_a_bounded_size(nets, hw):
    I = np.random.default_rng(0).integers(0, 256, (*hw, 3), dtype=np.uint8)
    s = segment_names(I, understand_all(["cat"]), QUICK, nets)
    assert s.mask.shape == hw and s.softmax.shape == (2, *hw)
    assert max(s.seed.shape) == 640 and s.seed.shape == s.superpixels.shape == s.activation.shape[1:]


def test_an_enlarged_photograph_keeps_its_mask(nets, photo):
    small = segment_names(photo, understand_all(["cat"]), nets=nets).mask
    large = segment_names(photo.repeat(3, 0).repeat(3, 1), understand_all(["cat"]), nets=nets).mask
    assert iou(large[1::3, 1::3] == 1, small == 1) > .9


def test_read_only_photographs(nets, photo):
    I = photo.copy()
    I.flags.writeable = False
    assert segment_names(I, understand_all(["cat"]), QUICK, nets).mask.any()


def test_a_seed_grows_over_what_the_classifier_saw(nets, photo, cat):
    "The activation of a part of the cat becomes a seed of the cat; absent classes stay empty, and everything keeps its size."
    M = np.zeros((3, *photo.shape[:2]), np.float32)
    M[1] = cat.plain[0]
    sp = np.where(cat.mask > 0, 0, 1)
    walked, seed = grown_seed(photo, M, sp, np.array([False, True, False]), nets, sure=.6)
    assert walked.shape == M.shape and seed.shape == sp.shape and seed.dtype == np.uint8
    assert not walked[0].any() and not walked[2].any() and np.isclose(walked.max(), 1, atol=.05)
    inside = cat.mask > 0
    assert walked[1][inside].mean() > 2*walked[1][~inside].mean()
    assert set(np.unique(seed)) <= {0, 2, 255}
    assert iou(seed == 2, inside) > .6 and (seed[~inside] == 2).mean() < .1


def test_a_seed_is_the_smaller_the_surer_it_must_be(nets, photo, cat):
    M, sp = cat.plain, cat.superpixels
    share = [(grown_seed(photo, M, sp, np.array([True]), nets, sure=t)[1] != 255).mean() for t in (0, .6, .9)]
    assert share[0] == 1 > share[1] > share[2]


def test_a_seed_is_cleaned_up_where_that_is_wanted(nets, photo, cat):
    blocks, clean = (grown_seed(photo, cat.plain, cat.superpixels, np.array([True]), nets, settings=SegmentSettings(crf=crf))[1] for crf in (False, True))
    assert iou(clean == 1, cat.mask == 1) > iou(blocks == 1, cat.mask == 1)


def test_no_names_and_no_pictures(nets, photo):
    with pytest.raises(ParameterError, match="at least one name"): segment_names(photo, [], QUICK, nets)
    with pytest.raises(DataError, match="image"): segment_names(photo[..., 0], understand_all(["cat"]), QUICK, nets)


def test_probabilities(nets, photo):
    p = image_probabilities(photo, nets)
    assert p.shape == (1000,) and p.dtype == np.float32 and np.isclose(p.sum(), 1, atol=1e-4)
    assert p[281:286].sum() > .9                                 # tabby, tiger, Persian, Siamese, Egyptian cat


def test_similarity(nets, photo):
    S, (h, w) = cell_similarity(photo, nets, 192)
    assert S.shape == (h*w, h*w) and np.allclose(np.diag(S), 1, atol=1e-4) and np.array_equal(S, S.T)
    assert np.isfinite(cell_similarity(np.zeros((5, 5, 3), np.uint8), nets, 64)[0]).all()


def test_photographs_of_animals(nets, shared_data):
    "On training pictures masks are better than the activation alone at the threshold that is best for them together"
    from wsss_nb.images import read_image
    from wsss_nb.masks_of_ids import read_mask
    folder, plain, masks = shared_data/"voc_animals", [], []
    if not folder.is_dir(): pytest.skip(f"no photographs of animals in {folder}")
    for name, word, k in (("2007_000528", "cat", 8), ("2007_000549", "cat", 8), ("2007_001073", "cow", 10),
                          ("2007_001416", "sheep", 17), ("2007_001724", "horse", 13)):
        true = read_mask(folder/f"SegmentationClass/{name}.png")
        s, known = segment_names(read_image(folder/f"JPEGImages/{name}.jpg"), understand_all([word]), nets=nets), true != 255
        plain.append([iou((s.plain[0] > t)[known], (true == k)[known]) for t in np.arange(.1, .9, .05)])
        masks.append(iou((s.mask == 1)[known], (true == k)[known]))
    assert np.mean(masks) > np.mean(plain, 0).max() + .05, (masks, np.mean(plain, 0).max())
