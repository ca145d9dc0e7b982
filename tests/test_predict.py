"A trained net on a folder of pictures: what is written is what `predict` says, once."
import numpy as np
import pytest

from wsss_nb.apply import open_run
from wsss_nb.core import DataError
from wsss_nb.crf import dense_crf
from wsss_nb.datasets import open_dataset
from wsss_nb.deeplab import load_deeplab, predict
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.predict import PredictSettings, predict_folder
from wsss_nb.scenes import write_scenes


@pytest.fixture(scope="module")
def weights(): return open_run("sample").weights


@pytest.fixture(scope="module")
def ds(tmp_path_factory): return open_dataset(write_scenes(tmp_path_factory.mktemp("scenes")/"few", train=2, val=2, seed=3))


def written(folder): return {p.name: p.stat().st_mtime_ns for p in sorted(folder.rglob("*.png"))}


def test_masks_are_what_the_net_says_with_and_without_the_crf(ds, weights, tmp_path):
    ids, s = ds.ids("val"), PredictSettings(scales=(1, .5), flip=True)
    predict_folder(ds, ids, weights, tmp_path/"net", s, workers=1, device="cpu")
    assert {p.stem for p in (tmp_path/"net").iterdir()} == {p.stem for p in (tmp_path/"net-crf").iterdir()} == set(ids)
    image = ds.image(ids[0])
    H = predict(load_deeplab(weights).eval(), image, s.scales, s.flip)
    np.testing.assert_array_equal(read_mask(tmp_path/"net"/f"{ids[0]}.png"), H.argmax(0))
    np.testing.assert_array_equal(read_mask(tmp_path/"net-crf"/f"{ids[0]}.png"), dense_crf(image, H, backend="pydensecrf").argmax(0))


def test_it_goes_on_where_it_was_stopped(ds, weights, tmp_path):
    ids, s = ds.ids("val"), PredictSettings(scales=(1,), crf=False)
    predict_folder(ds, ids[:1], weights, tmp_path/"net", s, workers=1, device="cpu")
    before = written(tmp_path)
    predict_folder(ds, ids, weights, tmp_path/"net", s, workers=1, device="cpu")
    after = written(tmp_path)
    assert len(before) == 1 and len(after) == 2 and before.items() <= after.items() and not (tmp_path/"net-crf").exists()


def test_a_bad_picture_is_named(ds, weights, tmp_path):
    other = open_dataset(write_scenes(tmp_path/"bad", train=2, val=2, seed=3))
    id = other.ids("val")[1]
    other.image_path(id).write_bytes(b"none")
    with pytest.raises(DataError, match=id): predict_folder(other, other.ids("val"), weights, tmp_path/"net", PredictSettings(crf=False), workers=1, device="cpu")
    assert len(list((tmp_path/"net").glob("*.png"))) == 1
