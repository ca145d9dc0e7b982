"""The built-in world: exact masks, the same scene from the same draw, and a folder that is whole or not there."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from wsss_nb import actors, scenes
from wsss_nb.core import DataError, ParameterError, read_json
from wsss_nb.images import read_image
from wsss_nb.masks_of_ids import read_mask
from wsss_nb.scenes import CLASSES, OTHER_CLASSES, Part, Thing, box, line, make_scene, make_scenes, open_scenes, oval, poly, smooth, unlabeled, write_scenes


@pytest.fixture(scope="module")
def drawn(): return make_scenes(60, 11)


def test_shapes_and_types(drawn):
    images, masks, present = drawn
    assert images.shape == (60, 160, 160, 3) and images.dtype == np.uint8
    assert masks.shape == (60, 160, 160) and masks.dtype == np.uint8
    assert present.shape == (60, len(CLASSES)) and present.dtype == bool and len(CLASSES) >= 8 and len(OTHER_CLASSES) >= 4


def test_labels_tell_the_truth(drawn):
    _, masks, present = drawn
    for m, p in zip(masks, present):
        ids, counts = np.unique(m, return_counts=True)
        assert set(ids[ids > 0]) == set(1 + np.flatnonzero(p)) and p.any()
        assert counts[ids > 0].min() >= 30


def test_every_class_and_background_comes_up():
    live = [make_scene(2, i) for i in range(80)]
    assert {c for s in live for c in s.objects} == set(CLASSES)
    assert {s.background for s in live} == {"sky", "water", "grass", "street", "room"}
    assert {len(s.objects) for s in live} >= {1, 2, 3}


def test_sizes_reach_from_small_to_filling():
    area = np.array([(make_scene(4, i).mask > 0).mean() for i in range(80)])
    assert area.min() < .08 and area.max() > .6


def test_a_telling_part_of_each_object_is_seen():
    for i in range(30):
        s = make_scene(9, i)
        assert not (s.telling & (s.mask == 0)).any()
        for c in set(s.objects): assert (s.telling & (s.mask == 1 + CLASSES.index(c))).any(), (i, c)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 10**5))
def test_same_draw_same_scene(seed, index):
    a, b = make_scene(seed, index, 96), make_scene(seed, index, 96)
    assert (a.image == b.image).all() and (a.mask == b.mask).all() and a.objects == b.objects


def test_scene_does_not_depend_on_how_many():
    a, b = make_scenes(5, 3, 64), make_scenes(2, 3, 64, start=3)
    for x, y in zip(a, b): assert (x[3:] == y).all()
    assert (make_scenes(1, 4, 64)[0] != a[0][:1]).any()


@pytest.mark.parametrize("size", [32, 50, 161, 320])
def test_any_size(size):
    images, masks, present = make_scenes(2, 1, size)
    assert images.shape == (2, size, size, 3) and masks.shape == (2, size, size) and present.any(1).all()


def test_no_scene_at_all():
    images, masks, present = make_scenes(0, 1)
    assert images.shape == (0, 160, 160, 3) and masks.shape == (0, 160, 160) and present.shape == (0, 8)


def test_other_classes_by_the_same_call():
    _, masks, present = make_scenes(12, 0, 96, classes=OTHER_CLASSES)
    assert present.shape == (12, len(OTHER_CLASSES)) and masks.max() <= len(OTHER_CLASSES)
    assert make_scene(0, 0, 96, ("cat",)).mask.max() == 1


def test_a_new_class_is_a_few_lines(monkeypatch):
    ball = Thing((Part("body", "body", oval(0, .2, .8)), Part("telling", "tell", box(-.8, 0, .8, .3))), tell=((250, 0, 0),),
                 on=dict(sky=.2, water=.2, grass=.2, street=.2, room=.2))
    monkeypatch.setitem(scenes._THINGS, "ball", ball)
    assert set(make_scene(0, 0, classes=("ball",)).objects) == {"ball"}


def test_unlabeled_pictures_are_no_others():
    u, (images, _, _) = unlabeled(4, 0, 64), make_scenes(4, 0, 64)
    assert u.shape == (4, 64, 64, 3) and all((u != i).any() for i in images)


def test_bodies_share_one_palette():
    "The mean colour of plain bodies does not tell the class: across classes it varies far less than within"
    def body(c):
        s = [make_scene(6, i, 96, (c,)) for i in range(16)]
        return np.array([x.image[(x.mask > 0) & ~x.telling].mean(0) for x in s])
    b = np.array([body(c) for c in CLASSES])
    assert b.mean(1).std(0).max() < .6*b.std(1).mean(0).min()


def test_mask_follows_coverage():
    "A pixel belongs to the class that covers most of it: parts of one class add up, and what is left over is background"
    def layer(label, cover):
        cover = np.float32([[cover]])
        return actors.Layer((slice(0, 1), slice(0, 1)), None, cover, cover, None, actors.Actor(None, [], {}, label, (0, 0), 1, 0)), cover
    mask = lambda *pairs: scenes._masks([layer(*p) for p in pairs], 1)[0].item()
    assert mask((1, .6)) == 1 and mask((1, .4)) == 0
    assert mask((1, .3), (2, .5)) == 2 and mask((1, .3), (2, .25), (1, .25)) == 1
    assert mask((0, .7), (1, .3)) == 0 and mask((0, .3), (1, .7)) == 1


def test_outlines_are_filled_to_a_third_of_a_pixel():
    square = poly((4, 4), (12, 4), (12, 12), (4, 12))/16
    actor = actors.Actor(Thing((Part("telling", "tell", square),)), [square], dict(tell=(255, 0, 0)), 1, (0, 0), .5, 0)
    paint, _ = actors._raster(actor, (slice(0, 16), slice(0, 16)), 16)
    cover = paint[..., 3]
    assert (cover[4:12, 4:12] > .99).all() and 64 <= cover.sum() <= (8 + 2/3 + .1)**2 and (cover[:3] == 0).all()
    assert np.allclose(paint[..., 0], cover) and (paint[..., 1:3] == 0).all()       # premultiplied


def test_hidden_objects_are_left_out():
    def layer(label, x1):
        s = poly((0, 0), (x1, 0), (x1, 1), (0, 1))
        cover = np.zeros((40, 40), np.float32)
        cover[:, :int(40*x1)] = 1
        return actors.Layer((slice(0, 40), slice(0, 40)), None, cover, cover, None, actors.Actor(None, [s], {}, label, (0, 0), 1, 0))
    far, near = layer(1, .6), layer(2, .5)
    assert [l.actor.label for l, _ in actors.visible([far, near], 40)] == [2]          # 1/6 of the far one shows
    assert [l.actor.label for l, _ in actors.visible([layer(1, 1), near], 40)] == [2, 1]   # half of it shows


def test_outlines():
    assert np.allclose(oval(1, 2, 3, 1, 90, n=4), [(1, 5), (0, 2), (1, -1), (2, 2)], atol=1e-5)
    assert np.allclose(smooth((0, 0), (2, 0), (1, 2))[::6], [(0, 0), (2, 0), (1, 2)])
    assert np.allclose(smooth((0, 0), (1, 0), (1, 1), (0, 1))[3], (.5, -.125))      # (9·½(p1+p2) − ½(p0+p3))/8 at t = ½
    assert np.allclose(line(2, (0, 0), (0, 4)), [(-1, 0), (-1, 4), (1, 4), (1, 0)])
    assert np.abs(box(-1, -1, 1, 1, .2)).max() == pytest.approx(1)


@pytest.mark.parametrize("call, words", [
    (lambda: make_scenes(-1, 0), "n must be"), (lambda: make_scenes(1, -2), "seed must be"), (lambda: make_scenes(1, 0, 16), "size must be"),
    (lambda: make_scenes(1.5, 0), "n must be"), (lambda: make_scenes(1, 0, classes=("dog",)), "dog"), (lambda: make_scenes(1, 0, classes=()), "one or more"),
    (lambda: open_scenes("trian=4"), "trian"), (lambda: open_scenes("train=four"), "whole number"), (lambda: open_scenes("train"), "whole number"),
    (lambda: open_scenes("size=8"), "size must be")])
def test_wrong_words_are_refused(call, words, home):
    with pytest.raises(ParameterError, match=words): call()


def test_written_as_own_folder(tmp_path):
    root = write_scenes(tmp_path/"w", train=3, val=2, seed=5, size=64)
    images, masks, present = make_scenes(3, 5, 64)
    for i in range(3):
        assert (read_image(root/"images"/f"train_{i:05d}.png") == images[i]).all()
        assert (read_mask(root/"masks"/f"train_{i:05d}.png", 8) == masks[i]).all()
    rows = dict(r.split(",") for r in (root/"labels.csv").read_text().split()[1:])
    assert set(rows["train_00001.png"].split(";")) == {c for c, p in zip(CLASSES, present[1]) if p}
    assert (root/"val.txt").read_text().split() == ["val_00000", "val_00001"]
    assert read_json(root/"scenes.json")["seed"] == 5 and [p.name for p in tmp_path.iterdir()] == ["w"]
    with pytest.raises(DataError, match="not an empty folder"): write_scenes(root)


def test_all_or_nothing(tmp_path, monkeypatch):
    def fail(*a): raise OSError(28, "No space left on device")
    monkeypatch.setattr(scenes, "write_mask", fail)
    with pytest.raises(DataError, match="No space left"): write_scenes(tmp_path/"w", 2, 1, size=64)
    assert not list(tmp_path.iterdir())


def test_old_leftovers_are_swept(tmp_path):
    import os
    old = tmp_path/".w.1.part"
    old.mkdir()
    os.utime(old, (0, 0))
    write_scenes(tmp_path/"w", 1, 1, size=64)
    assert not old.exists()


def test_opened_once_and_kept(home):
    ds = open_scenes("train=3,val=2,size=64")
    assert ds.classes == CLASSES and len(ds.ids("train")) == 3 and len(ds.ids("val")) == 2
    stamp = (ds.root/"scenes.json").stat().st_mtime_ns
    again = open_scenes("size=64, val=2, train=3")
    assert again.root == ds.root and (ds.root/"scenes.json").stat().st_mtime_ns == stamp
    id = ds.ids("train")[2]
    s = make_scene(0, 2, 64)
    assert (ds.image(id) == s.image).all() and (ds.mask(id) == s.mask).all()
    assert {c for c, p in zip(ds.classes, ds.present(id)) if p} == set(s.objects)
