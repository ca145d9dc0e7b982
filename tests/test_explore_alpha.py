"""The explorer of α, without a browser: what it gives the canvas is what the library computes."""
import io

import numpy as np
import pytest
from PIL import Image

from wsss_nb.cam import multi_scale_cam, normalize_cam
from wsss_nb.canvas import given
from wsss_nb.core import DataError, ParameterError, RunError
from wsss_nb.explore import AlphaExplorer
from wsss_nb.features import load
from wsss_nb.metrics import seed_quality
from wsss_nb.seeds import foreground_score, initial_seed
from wsss_nb.gallery import gallery
from wsss_nb.superpixels import superpixels


def shown(canvas, name): return given(canvas, name)[0]


@pytest.fixture(scope="module")
def car(): return AlphaExplorer()


def test_the_canvas_gets_what_the_library_computes(car):
    photo, g = gallery()["scene: car"](), lambda name: shown(car.canvas, name)
    sp = superpixels(photo.image, load("mini"), car.tau)
    M = normalize_cam(multi_scale_cam(car.model, photo.image), photo.present)
    z = foreground_score(M, sp, photo.present)
    assert car.tau == .4 and car.status.value == "<span></span>"  # the run's τ
    for name, a in dict(image=photo.image, sp=sp, gt=photo.mask, M=M[photo.present], ids=np.flatnonzero(photo.present) + 1, z=z, bg=[z.argmin()], lowest=sp == z.argmin()).items():
        np.testing.assert_array_equal(g(name), a)
    np.testing.assert_array_equal(g("cams")[0], M[photo.present].max(0))
    np.testing.assert_array_equal(g("about"), [[z.argmin(), z.min(), len(z)]])
    assert car.channel.options == ("any class", "car", "cat") and car.canvas.classes[0] == "background" and len(car.canvas.classes) == 9


def test_the_curve_is_that_of_the_seeds(car):
    data, n = car.curve.data, len(car.canvas.classes)
    for k in (0, 13, 25, 50):
        q = seed_quality(initial_seed(car.M, car.new.sp, car.present, data["x"][k]), car.new.gt, n)
        for s in data["series"]: assert s["y"][k] == pytest.approx(q[s["name"]], abs=1e-5)


def test_ticking_changes_what_is_looked_for(car):
    names = {b.description.split()[0]: b for b in car.ticks.boxes.values()}
    assert [n for n, b in names.items() if b.value] == ["car", "cat"] and len(names) == 8
    names["cat"].value = False
    assert shown(car.canvas, "ids").tolist() == [2] and car.channel.options == ("any class", "car")
    names["car"].value = False
    for name in ("M", "z", "cams", "zmap", "lowest", "about", "ids", "bg"):
        with pytest.raises(DataError, match="No class is ticked"): shown(car.canvas, name)
    assert car.curve.data == dict(empty="No class is ticked:\nsay what is in the picture.") and car.channel.options == ("any class",) and car.canvas.legend == []
    names["car"].value = True
    assert "bad" not in car.status.value and "series" in car.curve.data
    names["cat"].value = True
    assert shown(car.canvas, "ids").tolist() == [2, 7]


def test_without_labels_the_classifier_is_believed():
    e = AlphaExplorer(picture=gallery()["scene: cat"]()._replace(present=None, mask=None))
    assert "its own guess is taken" in e.status.value and shown(e.canvas, "gt") is None and "no true mask" in e.curve.data["empty"]
    p = {b.description.rsplit(" ", 1)[0]: (float(b.description.rsplit(" ", 1)[1]), b.value) for b in e.ticks.boxes.values()}
    assert any(on for _, on in p.values()) and all(on == (q > .5) for q, on in p.values())
    assert [q for q, _ in p.values()] == sorted((q for q, _ in p.values()), reverse=True)
    e.names.value = "scene: lamp"  # and one with a truth again
    assert "believed" not in e.status.value and shown(e.canvas, "gt") is not None and "series" in e.curve.data


def test_labels_of_other_classes_stay_with_their_mask():
    "Of a scene the run's classifier is asked; what it does not know is shown all the same."
    scene = gallery()["scene: car"]()
    e = AlphaExplorer(picture=scene._replace(classes=("dog", "cow"), present=np.array([True, False]), mask=(scene.mask > 0).astype(np.uint8)))
    assert "The classifier does not know the label dog, so its own guess is taken" in e.status.value
    assert e.canvas.classes[1] == "boat" and e.canvas.classes[9:] == ["dog"] and [o["name"] for o in e.canvas.legend[-2:]] == ["dog", "unlabeled"]
    np.testing.assert_array_equal(shown(e.canvas, "gt"), 9*(scene.mask > 0))
    assert "series" in e.curve.data, "there is a true mask"


def test_an_upload_that_is_none_and_one_that_is(car):
    before = shown(car.canvas, "image").copy()
    car.try_open(lambda: dict(name="notes.txt", content=memoryview(b"hello")))
    assert "notes.txt: is not an image" in car.status.value and 'role="alert"' in car.status.value
    np.testing.assert_array_equal(shown(car.canvas, "image"), before)
    file = io.BytesIO()
    Image.fromarray(np.tile(before, (5, 7, 1))).convert("L").save(file, "PNG")
    car.try_open(lambda: dict(name="grey.png", content=memoryview(file.getvalue())))
    assert "caled down from 1120×800 to 500×357" in car.status.value and shown(car.canvas, "image").shape == (357, 500, 3)
    car.names.value = "scene: bird"
    assert "bad" not in car.status.value


def test_wrong_use(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="holds no run.json"): AlphaExplorer(run=tmp_path)
    with pytest.raises(ParameterError, match="alpha must lie in"): AlphaExplorer(alpha=1.5)
    with pytest.raises(DataError): AlphaExplorer(picture=tmp_path/"nothing.png")
    monkeypatch.setenv("WSSS_NB_RUN", str(tmp_path))
    e = AlphaExplorer(tau=.2)
    assert "holds no run.json" in e.status.value and "This is the sample run instead" in e.status.value and e.tau == .2


def test_a_still_for_where_no_kernel_runs(car):
    pictures, titles = car.still()
    assert len(pictures) == len(titles) == 3 and all(p.dtype == np.uint8 and p.ndim == 3 for p in pictures)
    data = car._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert len(data["image/png"]) < 120_000
