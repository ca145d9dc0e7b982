"""The explorer of β, without a browser: what it gives the canvas, its map and its table are the library's."""
import re

import numpy as np
import pytest

from wsss_nb.canvas import given
from wsss_nb.core import ParameterError, RunError
from wsss_nb.explore import BetaExplorer
from wsss_nb.growing import grow
from wsss_nb.metrics import seed_quality
from wsss_nb.artefacts import Growth, demo_folder
from wsss_nb.thresholds import taken


@pytest.fixture(scope="module")
def growth(): return Growth()


@pytest.fixture
def explorer(): return BetaExplorer()


def asked(growth, e, epoch):
    id = e.photo.name
    return growth.seed(id), growth.softmax(id, epoch), growth.sp(id), growth.present(id)


def test_the_canvas_gets_what_the_run_kept(explorer, growth):
    c, id = explorer.canvas, growth.ids[0]
    assert explorer.names.options == tuple(growth.ids) and explorer.photo.name == id
    assert (c.beta_bg, c.beta_fg) == growth.betas and c.epoch == growth.epochs[-1]
    classes = np.flatnonzero([True, *growth.present(id)])
    for name, a in dict(image=growth.image(id), gt=growth.mask(id), sp=growth.sp(id), seed=growth.seed(id), ids=classes).items(): np.testing.assert_array_equal(given(c, name)[0], a)
    for epoch in (1, 3): np.testing.assert_array_equal(given(c, f"H|epoch={epoch}")[0], growth.softmax(id, epoch)[classes])
    q = seed_quality(growth.seed(id), growth.mask(id), 9)
    np.testing.assert_array_equal(given(c, "before_true")[0], [[q["coverage"], q["precision"]]])


@pytest.mark.parametrize("measure", ["miou", "coverage", "precision"])
def test_the_map_is_the_quality_of_each_pair(explorer, growth, measure):
    explorer.map.measure.value, explorer.canvas.epoch = measure, 4
    d = explorer.map.chart.data
    for i, j in ((0, 0), (14, 14), (8, 17), (20, 3)):  # background right, foreground up
        L = grow(*asked(growth, explorer, 4), d["x"][i], d["y"][j])
        assert d["z"][j][i] == pytest.approx(seed_quality(L, growth.mask(explorer.photo.name), 9)[measure], abs=1e-5)
    assert d["label"] == {"miou": "mIoU"}.get(measure, measure)


def test_the_table_lists_what_is_taken(explorer, growth):
    c = explorer.canvas
    for epoch, bg, fg in ((6, .7, .7), (2, .3, .5), (6, 1., 1.)):
        c.epoch, c.beta_bg, c.beta_fg = epoch, bg, fg
        rows = taken(*asked(growth, explorer, epoch), bg, fg)
        cells = re.findall(r"<td>(.*?)</td>", explorer.table.value)
        assert explorer.table.value.startswith(f"<b>{len(rows)} superpixels taken") and len(cells) == 4*min(8, len(rows))
        if rows: assert cells[0] == str(rows[0]["superpixel"]) and cells[2] == f"{rows[0]['score']:.3f}" and cells[3] == f"{rows[0]['pixels']:,}"


def test_another_picture(explorer, growth):
    explorer.names.value = growth.ids[-1]
    np.testing.assert_array_equal(given(explorer.canvas, "seed")[0], growth.seed(growth.ids[-1]))
    names = explorer.canvas.panes[1]["hover"][2]["names"]
    assert names == ["background", *np.array(growth.classes)[growth.present(growth.ids[-1])]]


def test_the_thresholds_can_be_tied_and_untied(explorer):
    explorer.linked.value = True
    assert explorer.link is not None
    explorer.linked.value = False
    explorer.linked.value = True


def test_wrong_use(tmp_path, monkeypatch, growth):
    with pytest.raises(RunError, match="holds no run.json"): BetaExplorer(run=tmp_path)
    with pytest.raises(RunError, match="was made by masking"): BetaExplorer(run=demo_folder("demo-masking"))
    with pytest.raises(ParameterError, match=r"epoch must lie in \[1, 6\]"): BetaExplorer(epoch=0)
    with pytest.raises(ParameterError, match="its growth was kept of train_"): BetaExplorer(picture="train_99999")
    monkeypatch.setenv("WSSS_NB_RUN", str(demo_folder("demo-masking")))
    e = BetaExplorer(picture=growth.ids[1], epoch=2)
    assert "was made by masking" in e.status.value and "sample run instead" in e.status.value
    assert e.photo.name == growth.ids[1] and e.canvas.epoch == 2


def test_a_still_for_where_no_kernel_runs(explorer):
    pictures, titles = explorer.still()
    assert len(pictures) == len(titles) == 3 and "epoch 6" in titles[1]


def test_without_a_truth(growth, monkeypatch):
    real = Growth.photo
    monkeypatch.setattr(Growth, "photo", lambda self, id: real(self, id)._replace(mask=None))
    e = BetaExplorer()
    assert "no true mask" in e.map.chart.data["empty"] and given(e.canvas, "gt")[0] is None and given(e.canvas, "before_true")[0] is None
    assert given(e.canvas, "before")[0][0, 0] == (growth.seed(growth.ids[0]) != 255).mean()
