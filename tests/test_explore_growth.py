"""The explorer of growth, without a browser: seeds and curves are the run's, films are written and never silently replaced."""
import numpy as np
import pytest
from PIL import Image

from wsss_nb.canvas import given
from wsss_nb.core import ParameterError, RunError
from wsss_nb.explore import GrowthExplorer
from wsss_nb.artefacts import Growth, demo_folder


@pytest.fixture(scope="module")
def growth(): return Growth()


@pytest.fixture
def explorer(): return GrowthExplorer()


def test_the_canvas_gets_all_epochs(explorer, growth):
    c, ids = explorer.canvas, growth.ids[:3]
    assert explorer.shown == tuple(ids) and (c.steps, c.step, c.last) == (7, 6, 6) and len(c.panes) == 3
    for k, id in enumerate(ids):
        np.testing.assert_array_equal(given(c, f"grown{k}")[0], [growth.grown(id, e) for e in growth.epochs])
        np.testing.assert_array_equal(given(c, f"image{k}")[0], growth.image(id))
        q = growth.curves(id)
        np.testing.assert_array_equal(given(c, f"curve{k}")[0], np.array([q[n] for n in ("epoch", "labelled", "coverage", "precision")]).T)


def test_the_curves_are_the_mean_of_the_pictures_shown(explorer, growth):
    mean = np.mean([growth.curves(i)["coverage"] for i in growth.ids[:3]], 0)
    np.testing.assert_allclose(explorer.curves.data["series"][0]["y"], mean, atol=1e-5)
    assert explorer.curves.data["x"] == list(range(7)) and "3 pictures" in explorer.curves.title


def test_a_film_is_written_and_not_replaced(explorer, tmp_path):
    path = explorer.export(tmp_path/"growth.gif")
    with Image.open(path) as film: assert film.n_frames == 7
    with pytest.raises(ParameterError, match="is there already: give another name"): explorer.export(path)
    small = path.stat().st_size
    explorer.names.value = explorer.growth.ids[3]
    assert explorer.export(path, replace=True).stat().st_size != small
    assert explorer.export(str(tmp_path/"growth.mp4")).stat().st_size > 1000
    with pytest.raises(ParameterError, match=r"growth.avi: animations are .gif or .mp4"): explorer.export(tmp_path/"growth.avi")
    with pytest.raises(ParameterError, match="there is no folder"): explorer.export(tmp_path/"nowhere"/"growth.gif")


def test_the_button_says_where_and_gives_the_file(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = []
    monkeypatch.setattr(explorer.canvas, "send", lambda content, buffers=None: sent.append((content, buffers)))
    explorer.film.button.click()
    assert f"saved as {tmp_path/'growth.gif'}" in explorer.status.value
    assert sent == [(dict(type="file", name="growth.gif", mime="image/gif"), [(tmp_path/"growth.gif").read_bytes()])]
    explorer.film.button.click()
    assert "is there already" in explorer.status.value and 'role="alert"' in explorer.status.value and len(sent) == 1
    explorer.film.replace.value = True
    explorer.film.button.click()
    assert "saved as" in explorer.status.value and len(sent) == 2
    for wrong, words in (("", "name"), ("film", "animations are .gif or .mp4"), ("no/where.gif", "there is no folder")):
        explorer.film.file.value = wrong
        explorer.film.button.click()
        assert words in explorer.status.value and "bad" in explorer.status.value and len(sent) == 2


def test_wrong_use(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="holds no run.json"): GrowthExplorer(run=tmp_path)
    with pytest.raises(RunError, match="was made by masking"): GrowthExplorer(run=demo_folder("demo-masking"))
    with pytest.raises(ParameterError, match="ids must be one to three of train_"): GrowthExplorer(ids=["train_99999"])
    with pytest.raises(ParameterError, match="ids must be one to three"): GrowthExplorer(ids=[])
    monkeypatch.setenv("WSSS_NB_RUN", str(tmp_path))
    assert "sample run instead" in GrowthExplorer().status.value


def test_pictures_of_choice(growth):
    e = GrowthExplorer(ids=growth.ids[2:4])
    assert e.shown == tuple(growth.ids[2:4]) and e.canvas.panes[0]["title"].startswith(growth.ids[2])
    pictures, titles = e.still()
    assert titles == ["initial seed", "epoch 3", "epoch 6"] and len(pictures) == 3


def test_without_a_truth(growth, monkeypatch):
    real = Growth.photo
    monkeypatch.setattr(Growth, "photo", lambda self, id: real(self, id)._replace(mask=None))
    e = GrowthExplorer()
    assert given(e.canvas, "curve0")[0].shape == (7, 2) and [s["name"] for s in e.curves.data["series"]] == ["labelled"]
    assert e.canvas.panes[0]["facts"][0]["names"][1] == "labelled"
