"Grids of pictures and the pieces of illustrations: they lie where they are put."
import numpy as np
import pytest

from wsss_nb.core import ParameterError
from wsss_nb.illustrations import COLUMN, PAGE, arrow, box, canvas, feature_block, panels, picture


def test_panels_are_a_grid():
    a, tall = np.zeros((20, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    fig = panels([[a, a], [tall, None]], ["x", "y"], ["first", "second"], COLUMN, [["p", "q"], ["r", ""]])
    x, y, w, h = (np.array([ax.get_position(original=True).bounds for ax in fig.axes])*np.tile(fig.get_size_inches(), 2)).T
    assert len(x) == 4 and x.min() > 0 and y.min() > 0 and np.isclose(fig.get_figwidth(), COLUMN)
    assert np.allclose(w, w[0]) and np.isclose(h[0], w[0]/2) and np.isclose(h[2], w[0]) and np.isclose(h[0], h[1])
    assert np.isclose(x[0], x[2]) and x[1] > x[0] + w[0] and np.isclose(y[0], y[1]) and y[0] > y[2] + h[2]
    with pytest.raises(ParameterError, match="2 columns and 2 rows"): panels([[a, a], [a, a]], ["x"])


def test_few_pictures_stay_small():
    fig = panels([[np.zeros((40, 40, 3), np.uint8)]], width=PAGE)
    x, y, w, h = fig.axes[0].get_position(original=True).bounds
    assert w*fig.get_figwidth() <= 2.5 and fig.get_figwidth() < 2.7


def test_key_of_classes():
    a, names = np.zeros((20, 40, 3), np.uint8), {0: "background", 3: "cat", 255: "no label"}
    plain, fig = panels([[a, a]], width=COLUMN), panels([[a, a]], width=COLUMN, key=names)
    (key,) = fig.legends
    assert [t.get_text() for t in key.get_texts()] == list(names.values()) and not plain.legends
    below, room = key.get_window_extent().y1/fig.dpi, fig.get_figheight() - plain.get_figheight()
    assert 0 < below < room  # it stands below the pictures, in a room of its own
    fig, ax = canvas(PAGE, 2, dict(enumerate(["aeroplane"]*21)))
    assert np.allclose(ax.transData.transform((PAGE, 2)), fig.get_size_inches()*fig.dpi)
    top = fig.legends[0].get_window_extent()
    assert top.x0 > 0 and top.x1 < PAGE*fig.dpi and top.y1 < ax.transData.transform((0, 0))[1]


def test_pieces_lie_where_they_are_put():
    fig, ax = canvas(PAGE, 2)
    assert np.allclose(ax.transData.transform((PAGE, 2)), fig.get_size_inches()*fig.dpi)  # inches
    b = box(ax, (1, .5), (2, 1), "words")
    assert (b.left, b.right, b.top, b.bottom, b.center) == ((1, 1), (3, 1), (2, 1.5), (2, .5), (2, 1))
    p = picture(ax, (4, .5), (1, 1), np.zeros((5, 5, 3), np.uint8), "below")
    f = feature_block(ax, (5.5, .5), (1, 1), maps=np.random.default_rng(0).random((9, 4, 4)))
    arrow(ax, b.right, p.left, "why"); arrow(ax, p.top, f.top, via=[(4.5, 1.8), (6, 1.8)])
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, PAGE), (0, 2))  # no piece moves the sheet
