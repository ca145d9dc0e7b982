"""Masks on photographs: colours, outlines, legends, sizes, and the picture of the steps."""
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb.core import DataError
from wsss_nb.drawing import activation_picture, mask_picture, outlined, relabeled, steps_picture, with_legend
from wsss_nb.show import PALETTE

NAMES = {1: "cat", 2: "dog"}


@pytest.fixture
def image(): return photographs.chelsea()[::2, ::2]


@pytest.fixture
def labels(image):
    L = np.zeros(image.shape[:2], np.uint8)
    L[20:120, 30:110], L[40:100, 150:200] = 1, 2
    return L


def test_inside_keeps_colour_outside_fades(image, labels):
    shown = mask_picture(image, labels)
    y, x = 70, 70
    assert np.abs(shown[y, x] - (.3*PALETTE[1] + .7*image[y, x])).max() <= .5
    outside = shown[5:15].astype(int)
    assert (outside.max(2) - outside.min(2)).mean() < .3*(image[5:15].max(2).astype(int) - image[5:15].min(2)).mean()
    assert shown.shape == image.shape and shown.dtype == np.uint8


def test_unlabelled_is_background(image, labels):
    striped = np.where(labels == 0, 255, labels).astype(np.uint8)
    assert (mask_picture(image, striped, NAMES) == mask_picture(image, labels, NAMES)).all()


def test_photograph_and_mask_stay_as_they_are(image, labels):
    before = image.copy(), labels.copy()
    image.flags.writeable = labels.flags.writeable = False  # as from a file that is mapped into memory
    mask_picture(image, labels, NAMES)
    assert (image == before[0]).all() and (labels == before[1]).all()


def test_outlines_ignore_specks(image):
    speck = np.zeros(image.shape[:2], np.uint8)
    speck[50, 50] = speck[60:62, 80] = 1
    assert (outlined(image, speck) == image).all()


def test_outlines_leave_the_picture_where_the_mask_does(image):
    whole = np.ones(image.shape[:2], np.uint8)
    assert (outlined(image, whole)[3:-3, 3:-3] == image[3:-3, 3:-3]).all()


def test_legend_lies_where_it_hides_least():
    L = np.zeros((200, 300), np.uint8)
    L[:, :200], L[:100] = 1, 1  # only the lower right corner is free
    shown = with_legend(np.full((200, 300, 3), 200, np.uint8), L, NAMES)
    y, x = np.nonzero((shown != 200).any(2))
    assert y.min() > 150 and x.min() > 200


@pytest.mark.parametrize("hw", [(1, 1), (5, 400), (400, 5), (30, 30)])
def test_no_room_for_a_legend(hw):
    assert mask_picture(np.full((*hw, 3), 90, np.uint8), np.ones(hw, np.uint8), NAMES).shape == (*hw, 3)


def test_many_classes_are_counted():
    L = (np.arange(400)[:, None]//20*np.ones((1, 400), int)).astype(np.uint8)
    names = {i: f"class {i}" for i in range(20)}
    assert (with_legend(np.zeros((400, 400, 3), np.uint8), L, names, most=3) > 0).any()


def test_nothing_there_has_no_legend(image):
    empty = np.zeros(image.shape[:2], np.uint8)
    assert (mask_picture(image, empty, NAMES) == mask_picture(image, empty)).all()


def test_large_photographs_are_shown_smaller():
    assert mask_picture(np.zeros((10, 20_000, 3), np.uint8), np.ones((10, 20_000), np.uint8), NAMES, pixels=50_000).shape[:2] == (5, 10_000)


def test_sizes_that_differ(image):
    with pytest.raises(DataError, match="the mask is"): mask_picture(image, np.zeros((3, 4), np.uint8))


def test_activations(image):
    M = np.zeros((2, *image.shape[:2]), np.float32)
    M[1, 10, 10] = 1
    assert activation_picture(image, M)[10, 10].tolist() == PALETTE[2].tolist()
    assert activation_picture(image, M[:1]).shape == image.shape


@pytest.mark.parametrize("turn,columns", [(False, 3), (True, 6)])
def test_steps(image, labels, turn, columns):
    small = labels[::2, ::2]  # maps may be smaller than the photograph
    made = SimpleNamespace(photograph=image, names=("cat", "dog"), activation=np.stack([small == 1, small == 2]).astype(np.float32), superpixels=small.astype(np.int32),
                           seed=small, grown=small, mask=labels)
    if turn: made = SimpleNamespace(**{k: np.swapaxes(v, -1, -2) if k in ("activation", "superpixels", "seed", "grown", "mask") else v for k, v in vars(made).items()} | dict(photograph=image.swapaxes(0, 1)))
    figure = steps_picture(made)
    assert [a.get_title() for a in figure.axes] == ["1  photograph", "2  activation of 2 names", "3  3 superpixels", "4  seed", "5  grown", "6  mask"]
    assert figure.axes[0].get_gridspec().ncols == columns
    assert figure.get_facecolor()[3] == 0  # no white block on a dark page
    assert not figure.legends  # nothing is striped
    made.seed = np.where(made.seed == 2, 255, made.seed).astype(np.uint8)
    assert [t.get_text() for t in steps_picture(made).legends[0].get_texts()] == ["no label yet"]


def test_names_have_the_colours_of_their_folder(image):
    M = np.zeros((2, *image.shape[:2]), np.float32)
    M[1, 10, 10] = 1
    assert activation_picture(image, M, (5, 9))[10, 10].tolist() == PALETTE[9].tolist()
    assert relabeled(np.uint8([[0, 1, 2, 255]]), (5, 9)).tolist() == [[0, 5, 9, 255]]
