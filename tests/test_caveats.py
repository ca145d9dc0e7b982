"""What a record says differs from the dissertation's setting, sentence by sentence."""
import pytest

from wsss_nb.caveats import departures
from wsss_nb.paper import settings
from wsss_nb.parameters import check_parameters

find = lambda table, name: next(s for s in settings(table) if s.name == name)


PAPERS = dict(seg_net="resnet101", cls_net="resnet50", features="dino_vitb8")
def record(method="clustering", init=None, data=None, **kw):
    p = check_parameters(method, {}) | dict(saliency="maps") if method == "masking" else check_parameters(method, {})
    start = dict(superpixels=dict(source="vit_base_patch8_224.dino"), classifier=dict(source="resnet50.tv_in1k"), segmenter=dict(source="resnet101.tv_in1k"))
    return dict(method=method, data=dict(name="voc2012", train=10582, val=1449) | (data or {}), label_source="annotations", parameters=p | kw, init=start | (init or {}), supervision="image-level labels only", versions=dict(torch="2.13.0", wsss_nb="0.1.0"))

SOFTWARE = "PyTorch 2.13.0, wsss_nb 0.1.0; the paper: TensorFlow"

def test_the_dissertations_own_setting():
    assert departures(record(), find("3.6", "0.3")) == [SOFTWARE]

@pytest.mark.parametrize("change, sentence", [
    (dict(data=dict(train=1464)), "a list of 1464 pictures to learn from; the paper: 10,582 (train_aug)"), (dict(data=dict(val=4)), "4 pictures held out; the paper: 1,449"),
    (dict(data=dict(name="scenes", train=400, val=80)), "dataset scenes (400 pictures to learn from, 80 held out); the paper: VOC 2012"), (dict(tau=.4), "τ 0.4; the paper: 0.3"), (dict(beta_bg=.5), "β_bg 0.5; the paper: 0.7"),
    (dict(init=dict(segmenter=dict(source="random"))), "segmenter started from random numbers; the paper: ImageNet"), (dict(init=dict(classifier=dict(source="/data/w.safetensors"))), "classifier started from the file w.safetensors; the paper: ImageNet"),
    (dict(seg_net="small"), "segmenter: the net small; the paper: resnet101"), (dict(features="mini"), "superpixels from the features mini; the paper: DINO ViT-B/8"), (dict(crf=False), "CRF no; the paper: yes"),
    (dict(test_scales=[1.]), "test scales {1}; the paper: {1, 0.75, 0.5}"), (dict(seg_epochs=6, seg_batch=8), "training, in brackets the paper: epochs of the segmenter 6 (15), batch of the segmenter 8 (20)"),
    (dict(amp="auto"), "where the paper does not say, in brackets the default here: mixed precision auto (off)")])
def test_departures(change, sentence): assert departures(record(**change), find("3.6", "0.3")) == ([sentence, SOFTWARE])

def test_labels_read_off_the_masks():
    assert departures(record() | dict(label_source="masks"), find("3.6", "0.3"))[0].startswith("image-level labels were read off the masks")

def test_a_start_from_the_classifier():
    "Its backbone, which itself started from ImageNet, is said to be so; not so where the paper started from MS-COCO."
    from_it = dict(segmenter=dict(source="classifier"))
    assert departures(record(init=from_it), find("3.6", "0.3")) == [SOFTWARE]
    assert "segmenter started from the classifier's backbone; the paper: ImageNet" in departures(record(init=from_it | dict(classifier=dict(source="random"))), find("3.6", "0.3"))

def test_departures_of_masking():
    init = dict(classifier=dict(source="vgg16.tv_in1k"), segmenter=dict(source="vgg16.tv_in1k"))
    said = departures(record("masking", init=init, seg_net="vgg16", saliency="/x/maps"), find("2.3", "A6"))
    assert said == ["segmenter started from ImageNet; the paper: MS-COCO", "saliency maps: maps (image-level labels only); the paper: the detector of its reference [47]",
                    "dilation rates {3, 6, 9}; the paper's are not clear: it speaks of three blocks and lists eight rates (§2.4.1)", SOFTWARE]
    truth = departures(record("masking", init=init, seg_net="vgg16", saliency="truth", maps="saliency/original", low="none", paths=0), find("2.3", "C1"))
    assert truth == ["segmenter started from ImageNet; the paper: MS-COCO", SOFTWARE]
    assert "paths N 1; the paper: 2" in departures(record("masking", init=init, seg_net="vgg16", paths=1), find("2.3", "A6"))

def test_departures_of_superpixels():
    own = record("superpixels", data=dict(train=1464), sp_method="ours")
    assert [w.split(";")[0] for w in departures(own, find("3.5", "Ours, τ = 0.3"))] == ["boundaries are pixels with a 4-neighbour of another label, the truth's void rim filled", SOFTWARE.split(";")[0]]
    slic = record("superpixels", data=dict(name="scenes", train=400, val=80), sp_method="slic", segments=18)
    assert "segments 18; the paper: 50" in departures(slic, find("3.5", "SLIC [64], 50")) and not any("features" in w for w in departures(slic, find("3.5", "SLIC [64], 50")))
    assert "superpixels by slic; the paper: ours" in departures(slic, find("3.5", "Ours, τ = 0.3"))

def test_an_empty_record():
    assert departures({}, find("3.6", "0.3"))[0].startswith("dataset None")
