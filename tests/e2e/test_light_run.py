"""`preset=light` whole, on a handful of photographs: a class that ImageNet knows, one that it does not, a net that learns on frozen features, and its use."""
import cv2
import numpy as np
import pytest
from skimage import data

from wsss_nb import cli
from wsss_nb.core import read_json
from wsss_nb.deeplab import load_deeplab
from wsss_nb.masks_of_ids import read_mask


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    (root/"images").mkdir()
    rows = []
    for name, image, label in (("cat", data.chelsea(), "cat"), ("cup", data.coffee(), "cup"), ("astronaut", data.astronaut(), "person"), ("both", data.coffee()[:, ::-1], "cup;cat")):
        cv2.imwrite(str(root/"images"/f"{name}.jpg"), cv2.resize(image, (128, 96), interpolation=cv2.INTER_AREA)[..., ::-1])
        rows.append(f"{name}.jpg,{label}")
    (root/"labels.csv").write_text("\n".join(["file,labels", *rows]) + "\n")
    (root/"train.txt").write_text("cat\ncup\nastronaut\nboth\n")
    (root/"val.txt").write_text("")
    return root


def test_clustering_from_labels_to_masks_of_new_photographs(photos, tmp_path, capsys):
    out = tmp_path/"run"
    small = ["cam_scales=1.0", "seg_crop=96", "seg_epochs=2", "warmup_epochs=0", "seg_batch=2", "compare=[]", "crf=false", "workers=1", "threads=1"]
    assert cli.main(["run", "clustering", "--data", str(photos), "--out", str(out), "preset=light", *small]) == 0
    said = capsys.readouterr().out
    assert "preset=light overrides" in said and "classifier=mixed" in said and "seg_net=lite0_blocks" in said
    record = read_json(out/"run.json")
    assert record["parameters"]["preset"] == "light" and record["status"] == "done"
    assert all(set(np.unique(read_mask(out/"seeds"/f"{i}.png"))) <= {0, 1, 2, 3} for i in ("cat", "cup", "astronaut", "both"))  # seed_sure=0: nothing is open
    net = load_deeplab(out/"segmenter")
    assert net.side == 96 and net.backbone.name == "lite0_blocks"
    assert cli.main(["segment", str(photos/"images"/"cat.jpg"), "--run", str(out), "--out", str(tmp_path/"new"), "--device", "cpu", "--workers", "1"]) == 0
    assert read_mask(tmp_path/"new"/"cat.png").shape == (96, 128)
