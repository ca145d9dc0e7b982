"The explorer of names, without a browser: what it gives the canvas is what the library computes, and what is corrected is kept."
import numpy as np
import pytest
from skimage import data as photographs

from wsss_nb.canvas import given
from wsss_nb.core import ParameterError
from wsss_nb.corrections import UNTOUCHED, read_draft
from wsss_nb.datasets import open_dataset
from wsss_nb.explore import NamesExplorer
from wsss_nb.images import resize, write_image
from wsss_nb.masks_of_ids import read_mask, write_mask
from wsss_nb.names import understand_all
from wsss_nb.recognise import imagenet_segmenter
from wsss_nb.seeds import initial_seed
from wsss_nb.segment import segment_names
from wsss_nb.segment_settings import SegmentSettings

MASK = "mask|scales={scales}|tau={tau}|alpha={alpha}|beta_bg={beta_bg}|beta_fg={beta_fg}|crf={crf}"
USUAL = dict(scales=3, tau=.65, alpha=.6, beta_bg=.6, beta_fg=.6, crf=1)


def shown(e, name): return given(e.canvas, name)[0]
def mask(e, **v): return shown(e, MASK.format(**USUAL | v))


def paint(e, edits=None, planted=None, past=1, shape=None):
    "What the browser says after a stroke"
    maps = [shown(e, n) if a is None else a for n, a in (("edits", edits), ("planted", planted))]
    e.canvas._receive(e.canvas, dict(type="paint", shape=shape or list(maps[0].shape), past=past, future=0), [a.astype(np.uint8).tobytes() for a in maps])


def click(button): button.click()


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_FILES", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def small():
    "Two small photographs; what takes long is the number of pixels."
    return photographs.chelsea()[:, 60:360][::2, ::2].copy(), photographs.coffee()[::3, ::3].copy()


@pytest.fixture
def folder(tmp_path, small):
    for name, image in zip(("one", "two"), small): write_image(tmp_path/"pics"/f"{name}.png", image)
    return tmp_path/"pics"


def test_the_samples_come_with_names_and_the_mask_is_the_commands(files):
    e = NamesExplorer()
    assert list(e.pictures)[:2] == ["cat", "coffee"] and e.field.value == ["cat"] and "cat" in e.field.likely[0][0] and .5 < e.field.likely[0][1] <= 1
    want = segment_names(photographs.chelsea(), understand_all(["cat"]), SegmentSettings(), imagenet_segmenter())
    assert (mask(e) == want.mask).all() and (e.pic.mask(e.at()) == want.mask).all()
    cells = e.pic.study.cells
    M, sp = shown(e, "M|scales=3"), shown(e, "sp|tau=0.65")
    assert M.shape == (1, *cells) and sp.shape == cells and shown(e, "bg|tau=0.65|scales=3")[0] in np.unique(sp[initial_seed(M, sp, np.array([True]), .6) == 0])
    assert e.canvas.classes == ["background", "cat"] and [o["name"] for o in e.canvas.legend] == ["cat", "unlabeled"] and e.channel.options == ("any name", "cat")
    assert not (files/"corrected").exists(), "looking writes nothing"


def test_settings_reach_the_mask(folder, files):
    e = NamesExplorer(folder, names=["cat"])
    for v in (dict(crf=0), dict(scales=0, crf=0), dict(tau=.5, alpha=.3, crf=0), dict(beta_bg=.9, beta_fg=.55, crf=0)):
        s = SegmentSettings(sides=((288,), (512,), (288, 512), (288, 512, 672))[v.get("scales", 3)], crf=False, **{k: x for k, x in v.items() if k not in ("crf", "scales")})
        assert (mask(e, **v) == segment_names(e.pic.study.image, understand_all(["cat"]), s, imagenet_segmenter()).mask).all(), v


def test_names_are_taken_added_refused_and_dropped(folder, files):
    e = NamesExplorer(folder)
    guess = e.field.likely[0][0]
    assert e.field.value == [guess] and "guess" in e.status.value
    e.field.value = [guess, "cat"]
    assert e.field.value == ["cat"], "a guess gives way"
    assert e.field.likely[0][0] == "cat" and not {n for n, _ in e.field.likely} & {guess, "tabby", "tiger cat"}, "cats are meant already"
    e.field.value = ["cat", "CAT", "ball", "dgo"]
    assert e.field.value == ["cat", "ball"] and "dgo" in e.status.value and "bad" in e.status.value
    e.field.value = ["cat"]
    assert e.field.colors == ["#e69f00"] or len(e.field.colors) == 1
    e.field.value = ["cat", "person"]
    assert "ImageNet knows no" in e.status.value and "bad" in e.status.value and e.field.value == ["cat"]
    e.field.value = ["cat", "animal"]
    assert "contains" in e.status.value and e.field.value == ["cat"]
    e.field.value = ["<script>alert(1)</script>"]
    assert "<script>" not in e.status.value and e.field.value == ["cat"]
    e.field.value = ["cat", "ball"]
    assert shown(e, "M|scales=3").shape[0] == 2 and e.tools.name.options == ("background", "cat", "ball") and mask(e, crf=0).max() <= 2
    e.field.value = []
    assert "Type a name" in e.status.value and e.canvas._arrays["mask"] is None and e.still()[1] == ["one"]
    e.field.value = ["cat"]
    e.names.value = "two"
    assert e.field.value == ["cat"], "what was typed holds for the next photograph"


def test_a_stroke_is_on_disk_at_once_and_comes_back(folder, files):
    e = NamesExplorer(folder, names=["cat"])
    hw = e.pic.small.shape[:2]
    edits = np.full(hw, UNTOUCHED, np.uint8)
    edits[5:20, 5:30] = 1
    e.sliders["alpha"].value = e.canvas.alpha = .45
    paint(e, edits)
    draft = read_draft(files/"corrected"/"pics"/"drafts"/"one.npz", hw)
    assert (draft.edits == edits).all() and draft.names == ("cat",) and draft.settings["alpha"] == .45
    assert "corrections of this one are kept" in e.keeping.done.value.lower() and not e.tools.undo.disabled and e.tools.redo.disabled and not e.tools.grow.disabled
    e.names.value = "two"
    assert (shown(e, "edits") == UNTOUCHED).all() and e.tools.undo.disabled and e.tools.grow.disabled
    again = NamesExplorer(folder)
    assert (shown(again, "edits") == edits).all() and again.field.value == ["cat"] and again.canvas.alpha == again.sliders["alpha"].value == .45


def test_names_change_and_corrections_stay(folder, files):
    e = NamesExplorer(folder, names=["cat", "ball"])
    hw = e.pic.small.shape[:2]
    edits = np.full(hw, UNTOUCHED, np.uint8)
    edits[:5], edits[5:9], edits[9:12] = 1, 2, 0
    paint(e, edits)
    e.field.value = ["ball", "dog"]
    got = shown(e, "edits")
    assert (got[:5] == UNTOUCHED).all() and (got[5:9] == 1).all() and (got[9:12] == 0).all() and (got[12:] == UNTOUCHED).all()
    assert read_draft(e.desk.file("drafts", "one"), hw).names == ("ball", "dog")


def test_all_else_grows_from_what_was_planted(folder, files):
    e = NamesExplorer(folder, names=["cat"])
    hw = e.pic.small.shape[:2]
    before = mask(e, crf=0)
    planted = np.full(hw, UNTOUCHED, np.uint8)
    planted[:, :hw[1]//2] = 0
    paint(e, planted=planted)
    after = mask(e, crf=0)
    assert before[:, :hw[1]//2].any() and not after[:, :hw[1]//2].any() and (after != before)[:, hw[1]//2:].any()
    assert set(np.unique(shown(e, "given"))) == {0, 255}
    paint(e, planted=np.full(hw, UNTOUCHED, np.uint8))
    assert (mask(e, crf=0) == before).all(), "undone"


@pytest.mark.parametrize("message", [dict(shape=[3, 3]), dict(raw=b"12"), dict(raw=b"")])
def test_a_message_that_does_not_fit_changes_nothing(folder, files, message):
    e = NamesExplorer(folder, names=["cat"])
    hw, before = list(e.pic.small.shape[:2]), shown(e, "edits").copy()
    raw = message.get("raw", bytes(hw[0]*hw[1]))
    with pytest.raises(ParameterError.__mro__[1]): e.canvas._receive(e.canvas, dict(type="paint", shape=message.get("shape", hw), past=0, future=0), [raw, raw])
    assert (shown(e, "edits") == before).all() and not e.desk.folder.exists()


def test_labels_that_are_none_are_taken_out(folder, files):
    e = NamesExplorer(folder, names=["cat"])
    edits = np.full(e.pic.small.shape[:2], 7, np.uint8)
    edits[0, 0] = 1
    paint(e, edits)
    assert e.draft.edits[0, 0] == 1 and (e.draft.edits.ravel()[1:] == UNTOUCHED).all()


def test_a_folder_is_walked_and_kept(folder, files):
    e = NamesExplorer(folder, names=["cat"])
    edits = np.full(e.pic.small.shape[:2], UNTOUCHED, np.uint8)
    edits[:40, :40] = 1
    paint(e, edits)
    want = e.pic.mask(e.at(), edits)
    click(e.keeping.keep)
    out = files/"corrected"/"pics"
    assert "kept as" in e.keeping.said.value and "1 of 2" in e.keeping.done.value and (read_mask(out/"masks"/"one.png", 1) == want).all() and want[:40, :40].all()
    click(e.keeping.overlay)
    assert (out/"overlays"/"one.png").is_file()
    click(e.keeping.after)
    assert e.shown == "two" and e.names.value == "two"
    e.field.value = ["cup"]
    click(e.keeping.keep)
    assert e.keeping.after.disabled and "0 left" in e.keeping.done.value
    ds = open_dataset(out)
    assert ds.classes == ("cat", "cup") and set(np.unique(ds.mask("two"))) == {0, 2}


def test_a_mask_that_was_not_made_here_is_replaced_when_asked(tmp_path, small):
    root = tmp_path/"own"
    for name, image in zip(("one", "two"), small): write_image(root/"images"/f"{name}.png", image)
    (root/"labels.csv").write_text("file,labels\none.png,cat\ntwo.png,cup;person\n")
    truth = np.zeros(small[0].shape[:2], np.uint8)
    truth[20:120, 10:120] = 1
    truth[:5] = 255
    write_mask(root/"masks"/"one.png", truth)
    e = NamesExplorer(root)
    e.names.value = "one"
    assert e.field.value == ["cat"] and (shown(e, "gt") == truth).all()
    click(e.keeping.keep)
    assert "not made here" in e.keeping.said.value and "bad" in e.keeping.said.value and "that was not made here" in e.keeping.done.value and e.keeping.replace.layout.display == "" and (read_mask(root/"masks"/"one.png", 3) == truth).all()
    e.keeping.replace.value = True
    click(e.keeping.keep)
    assert "kept as" in e.keeping.said.value and not e.keeping.replace.value and e.keeping.replace.layout.display == "none"
    again = NamesExplorer(root)
    again.names.value = "one"
    assert again.canvas._arrays["gt"] is None, "one's own answer is no truth"
    again.names.value = "two"
    assert again.field.value == ["cup", "person"] and not shown(again, "M|scales=3")[1].any(), "persons are painted by hand"
    hand = np.full(again.pic.small.shape[:2], UNTOUCHED, np.uint8)
    hand[:9] = 2
    paint(again, hand)
    click(again.keeping.keep)
    assert open_dataset(root).classes == ("cat", "cup", "person") and (open_dataset(root).mask("two")[:9] == 3).all()


def test_an_upload_joins_and_a_large_one_is_kept_at_its_own_size(files, tmp_path):
    e = NamesExplorer()
    big = resize(photographs.chelsea(), (1200, 1804), "cubic")
    write_image(tmp_path/"my cat!.png", big)
    upload = dict(name="my cat!.png", content=memoryview((tmp_path/"my cat!.png").read_bytes()))
    e.try_open(lambda: upload, "my cat!.png")
    assert e.shown == "my cat-" and max(e.pic.small.shape[:2]) == 640 and len(e.desk.photos) == 7 and not (files/"corrected").exists()
    e.field.value = ["cat"]
    edits = np.full(e.pic.small.shape[:2], UNTOUCHED, np.uint8)
    edits[:64] = 0
    paint(e, edits)
    click(e.keeping.keep)
    out = files/"corrected"/"photographs"
    kept = read_mask(out/"masks"/"my cat-.png", 1)
    assert kept.shape == (1200, 1804) and kept.any() and not kept[:175].any() and (out/"images"/"my cat-.png").read_bytes() == upload["content"]
    e.try_open(lambda: dict(name="notes.jpg", content=memoryview(b"hello")), "notes.jpg")
    assert "is not an image" in e.status.value and e.shown == "my cat-" and len(e.desk.photos) == 7


def test_a_photograph_that_is_gone_is_not_kept(folder, files):
    e = NamesExplorer(folder, names=["cat"])
    folder.rename(folder.parent/"moved")
    click(e.keeping.keep)
    assert "is gone" in e.keeping.said.value and not folder.exists() and not (files/"corrected").exists()


def test_a_full_disk_is_said(folder, files, monkeypatch):
    e = NamesExplorer(folder, names=["cat"])
    def full(*_, **__): raise OSError(28, "No space left on device", "drafts/one.npz")
    monkeypatch.setattr("wsss_nb.corrections.save_arrays", full)
    edits = np.full(e.pic.small.shape[:2], 1, np.uint8)
    paint(e, edits)
    assert "No space left" in e.status.value and "keep this page open" in e.status.value and (e.draft.edits == 1).all()
    click(e.keeping.keep)
    assert "No space left" in e.keeping.said.value


def test_what_is_taken_along_is_made_again_by_its_command(folder, files, tmp_path):
    import io
    import subprocess
    import sys
    import zipfile
    e = NamesExplorer(folder, names=["cat"])
    for name, value in dict(alpha=.45, tau=.6, scales=1).items():
        setattr(e.sliders[name], "index" if name == "scales" else "value", value)
        setattr(e.canvas, name, value)
    z = zipfile.ZipFile(io.BytesIO(e.take.pack()))
    z.extractall(tmp_path/"taken")
    assert sorted(z.namelist()) == ["activations/one.npz", "again.sh", "grown/one.png", "masks/one.png", "one.png", "seeds/one.png", "settings.json", "superpixels/one.png"]
    script = (tmp_path/"taken"/"again.sh").read_text()
    assert "--set sides=512 --set tau=0.6 --set alpha=0.45" in script
    wsss = f"{sys.executable} -c 'import sys; from wsss_nb.cli import main; sys.exit(main())'"
    subprocess.run(script.replace("wsss-nb segment", f"{wsss} segment"), shell=True, cwd=tmp_path/"taken", check=True, capture_output=True)
    assert (tmp_path/"taken"/"again"/"masks"/"one.png").read_bytes() == z.read("masks/one.png")
    paint(e, np.zeros(e.pic.small.shape[:2], np.uint8))
    assert "without what was corrected" in e.command().words
    e.field.value = []
    assert e.command().text == "" and list(e.maps_now()) == ["one.png"]


def test_a_picture_from_another_explorer_joins(folder, files):
    from wsss_nb.gallery import Photo
    e = NamesExplorer(folder, names=["cat"])
    e.open_picture(Photo("one", e._load("one").image))
    assert e.shown == "one" and len(e.desk.photos) == 2, "it is on the desk already"
    e.open_picture(Photo("scene: car", photographs.chelsea()[::3, ::3].copy()))
    assert e.shown == "scene- car" and len(e.desk.photos) == 3
    click(e.keeping.keep)
    assert (files/"corrected"/"pics"/"images"/"scene- car.png").is_file() and e.desk.state("scene- car") == "kept"
