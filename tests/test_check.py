"Masks against labels, odd names, what belongs to a picture; the page that shows a dataset; data in other forms."
import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image
from scipy.io import savemat

from wsss_nb.check import check_dataset, left_out, print_survey, survey_dataset
from wsss_nb.cli import main
from wsss_nb.core import DataError, ParameterError
from wsss_nb.datasets import open_dataset
from wsss_nb.fetch import dataset_of_folders, write_labels_of_npy, write_masks
from wsss_nb.images import write_image
from wsss_nb.label_mistakes import Look, contradiction, mask_problems, name_notes
from wsss_nb.masks_of_ids import read_mask, write_mask
from wsss_nb.dataset_page import write_sheet

CLASSES = ("cat", "dog", "owl", "pig")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WSSS_NB_HOME", str(tmp_path/"cache"))


def own(root, said, drawn, ids=None):
    "A dataset of pictures labelled `said` (names, or several with ;), whose masks hold `drawn`"
    ids = ids or {c: k for k, c in enumerate(CLASSES, 1)}
    for k, names in enumerate(drawn):
        write_image(root/"images"/f"p{k}.png", np.random.default_rng(k).integers(0, 256, (20, 30, 3), np.uint8))
        M = np.zeros((20, 30), np.uint8)
        for j, name in enumerate(o for o in names.split(";") if o):
            M[2 + 4*j:5 + 4*j, 3:20] = ids[name]
        write_mask(root/"masks"/f"p{k}.png", M)
    (root/"labels.csv").write_text("file,labels\n" + "".join(f"p{k}.png,{n}\n" for k, n in enumerate(said)))
    (root/"classes.txt").write_text("\n".join(CLASSES))
    return root


def errors(root):
    return [p.what for p in check_dataset(root) if p.severity == "error"]


def notes(root):
    return [p.what for p in check_dataset(root) if p.severity == "note"]


# ---- masks and labels

def test_where_they_agree_nothing_is_said(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog;cat", "owl", ""], ["cat", "cat;dog", "owl", ""])
    assert not errors(root) and not any("contradict" in n for n in notes(root))


def test_in_single_pictures_it_is_a_note_with_their_number(tmp_path):
    said = ["cat", "dog"]*5
    drawn = [*said[:8], "cat;dog", ""]
    root = own(tmp_path/"d", said, drawn)
    [note] = [n for n in notes(root) if "contradict" in n]
    assert note.startswith("2 of 10 masks contradict") and "p8: the label says cat; the mask holds cat, dog" in note
    assert "p9: the label says dog; the mask holds none" in note and not errors(root)


def test_binary_masks(tmp_path):
    root = own(tmp_path/"d", ["cat", "cat", "dog"], ["x", "x", "x"], dict(x=255))
    [error] = errors(root)
    assert "3 of 3 masks" in error and "the mask holds none, only 255" in error and "255 means void" in error


@pytest.mark.parametrize("order", [dict(cat=2, dog=1, owl=3, pig=4), dict(cat=4, dog=3, owl=2, pig=1), dict(cat=2, dog=3, owl=4, pig=1)])
def test_ids_in_another_order_than_the_names(tmp_path, order):
    said = ["cat", "dog", "owl", "pig", "cat;dog", "owl;pig"]
    [error] = [e for e in errors(own(tmp_path/"d", said, said, order)) if "contradict" in e]
    assert "The ids seem to be " + ", ".join(f"{k} {c}" for k, c in sorted((k, c) for c, k in order.items())) in error


def test_two_names_of_many_exchanged_are_found_by_class(tmp_path):
    said = ["cat"]*3 + ["dog"]*3 + ["owl"]*12 + ["pig"]*12
    found = errors(own(tmp_path/"d", [*said, "owl"], [*said, "owl;pig"], dict(cat=2, dog=1, owl=3, pig=4)))   # one mask is wrong besides
    assert any("3 of 3 pictures whose label names cat have none of it (id 1)" in e for e in found) and len(found) == 2


def test_masks_that_were_resized(tmp_path):
    root = own(tmp_path/"d", ["owl", "pig", "pig"], ["cat;dog;owl", "cat;dog;owl;pig", "dog;pig"])
    assert "resize them by the nearest pixel" in errors(root)[0]


def test_masks_whose_red_and_blue_are_exchanged(tmp_path):
    "cat's (128, 0, 0) becomes pig's (0, 0, 128)"
    root = own(tmp_path/"d", ["cat", "dog", "cat;dog"]*2, ["cat", "dog", "cat;dog"]*2)
    for path in (root/"masks").iterdir():
        Image.fromarray(np.asarray(Image.open(path).convert("RGB"))[..., ::-1]).save(path)
    assert any("Their red and blue seem to be exchanged" in e for e in errors(root))


def test_objects_on_nothing_but_void(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"]*2, ["cat", "dog"]*2)
    assert not any("holds background" in n for n in notes(root))
    for path in (root/"masks").iterdir():
        M = read_mask(path)
        write_mask(path, np.where(M == 0, 255, M))
    assert sum("none of 4 masks holds background (0)" in n for n in notes(root)) == 1


def test_masks_of_nothing(tmp_path):
    assert "nothing but background" in errors(own(tmp_path/"d", ["cat", "dog"], ["", ""]))[0]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sets(st.sampled_from(CLASSES)), st.booleans()), min_size=2, max_size=12), st.permutations(CLASSES))
def test_true_masks_never_contradict_whatever_the_order(rows, classes):
    ids = {c: k for k, c in enumerate(classes, 1)}
    looks = [Look(str(k), [], tuple(sorted(names)), tuple(sorted({0, *(ids[n] for n in names), *([255] if void else [])}))) for k, (names, void) in enumerate(rows)]
    assert not mask_problems(looks, tuple(classes), "masks") and not any(contradiction(o, tuple(classes)) for o in looks)


@settings(max_examples=80, deadline=None)
@given(st.permutations(range(1, 5)), st.lists(st.sets(st.sampled_from(CLASSES), min_size=1), min_size=3, max_size=12))
def test_a_wrong_order_is_never_silent(order, rows):
    looks = [Look(str(k), [], tuple(sorted(names)), (0, *(order[CLASSES.index(n)] for n in names))) for k, names in enumerate(rows)]
    differs = [o for o in looks if {CLASSES[k - 1] for k in o.mask if k} != set(o.label)]
    found = mask_problems(looks, CLASSES, "masks")
    assert bool(found) == bool(differs)
    if 2*len(differs) > len(looks) and len(differs) > 1:
        assert found[0].severity == "error"


# ---- names

@pytest.mark.parametrize("counts, words", [
    (dict(Dog=3, dog=4, DOG=1), "Dog (3), dog (4), DOG (1) differ in capitals or spaces only"), (dict(person=90, persn=2), "person (90), persn (2) differ by a letter"),
    (dict(sheep=9, shepe=1), None), (dict(boat=9, coat=8), "boat (9), coat (8) differ by a letter"), ({"cat dog": 2, "cat": 5, "dog": 5}, "cat dog (2) may be several names"),
    ({"cat|dog": 2}, "cat|dog (2) may be several names"), ({"dog/cat": 2}, "dog/cat (2) may be several names"), ({"cat,dog": 2}, "cat,dog (2) may be several names"),
    ({"traffic light": 2, "traffic": 9}, None), (dict(cat=5, car=5), None), ({"traffic light": 4, "traffic_light": 1}, "differ in capitals or spaces"), (dict(cat=5, caat=1), "caat: in one picture only")])
def test_odd_names(counts, words):
    found = [p.what for p in name_notes(counts, "labels.csv")]
    if words:
        assert any(words in o for o in found)
    else:
        assert not [o for o in found if "in one picture only" not in o]


# ---- what belongs to a picture

def turned(path, orientation):
    im = Image.open(path)
    exif = Image.Exif()
    exif[274] = orientation
    im.save(path.with_suffix(".jpg"), exif=exif, quality=95)
    path.unlink()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_that_exif_turns_and_its_mask(tmp_path, orientation):
    root = own(tmp_path/"d", ["cat", "dog"], ["cat", "dog"])
    turned(root/"images"/"p0.png", orientation)
    (root/"labels.csv").write_text("file,labels\np0.jpg,cat\np1.png,dog\n")
    said = [p for p in check_dataset(root) if p.file.endswith("masks/p0.png")]
    assert len(said) == 1 and "EXIF" in said[0].what
    assert said[0].severity == ("error" if orientation >= 5 else "note")   # by a quarter turn the sizes tell


def test_files_that_are_no_masks_are_counted(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"], ["cat", "dog"])
    for k in (0, 1):
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(root/"masks"/f"p{k}.jpg")
    assert any("is no mask that can be read, and so is 1 more" in n for n in notes(root))


def test_two_masks_of_one_picture(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"], ["cat", "dog"])
    Image.open(root/"masks"/"p0.png").save(root/"masks"/"p0.bmp")
    with pytest.raises(DataError, match="several masks have the id p0"):
        open_dataset(root)


def test_saliency_of_another_shape(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"], ["cat", "dog"])
    (root/"saliency").mkdir()
    Image.fromarray(np.full((30, 20), 255, np.uint8)).save(root/"saliency"/"p0.png")
    assert any("of another shape than its picture" in n for n in notes(root))


# ---- what is printed

def test_what_is_the_same_of_many_files_is_said_once(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat"]*6, ["cat"]*6)
    for k in range(5):
        Image.open(root/"images"/f"p{k}.png").convert("L").save(root/"images"/f"p{k}.png")
    assert print_survey(survey_dataset(root)) == 0
    out = capsys.readouterr().out
    assert out.count("grey") == 1 and "5 files, such as" in out and "6 pictures (train 4, val 2), 6 masks" in out and "cat 6" in out


def test_what_differs_in_numbers_only_is_said_once(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat"]*6, ["cat"]*6)
    for k in range(6): write_mask(root/"masks"/f"p{k}.png", np.full((20, 30), 100 + k, np.uint8))
    assert print_survey(survey_dataset(root)) == 1
    out = capsys.readouterr().out
    assert f"error  6 of this kind, such as {root}/masks/p0.png: ids outside 0…4 and 255: 100 (600 pixels)\n" in out and "6 errors" in out and "p1.png" not in out


def test_colour_profiles_are_counted_whatever_else_is_odd(tmp_path, capsys):
    from test_reading import P3, SRGB, profile
    root = own(tmp_path/"d", ["cat"]*6, ["cat"]*6)
    for k in range(6):
        im, turn = Image.open(root/"images"/f"p{k}.png"), Image.Exif()
        if k == 5: turn[274] = 2
        im.save(root/"images"/f"p{k}.png", icc_profile=profile("Display P3" if k else "c2", P3 if k else SRGB, 2.2), exif=turn)
    assert main(["data", "check", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"note   5 files, such as {root}/images/p1.png: colour profile Display P3 read as sRGB's\n" in out
    assert f"note   {root}/images/p5.png: EXIF-rotated: converted when read\n" in out and "p0.png" not in out


def test_json(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog"], ["cat", ""])
    assert main(["data", "check", str(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pictures"] == 2 and told["labels"]["dog"] == 1 and told["drawn"]["dog"] == 0 and told["problems"][0]["severity"] == "note"


# ---- a page

def test_a_page_of_a_dataset(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog", "", "cat;dog"], ["cat", "owl", "", "dog;cat"])
    (root/"images"/"p0.png").write_bytes(b"no picture")
    assert main(["data", "show", str(root), "--out", str(tmp_path/"page.html")]) == 0
    page = (tmp_path/"page.html").read_text()
    assert page.count("<section") == 4 and "label: dog · mask: owl" in page and "p0.png" in page and "none of the classes" in page
    assert page.count('<figure class="bad">') == 4   # each among what differs, and among its class
    with pytest.raises(ParameterError, match="ends in .html"):
        write_sheet(root, tmp_path/"page.txt")


def test_a_page_shows_at_most_so_many(tmp_path):
    root = own(tmp_path/"d", ["cat"]*9, ["cat"]*9)
    page = write_sheet(root, tmp_path/"page.html", most=4).read_text()
    assert page.count("<figure") == 4 and "5 of 9 are not shown" in page


# ---- other forms

def sbd_mat(path, M):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, dict(GTcls=dict(Segmentation=M)))


def test_sbd_becomes_palette_masks_and_train_aug_has_a_truth(tmp_path):
    M = np.zeros((6, 8), np.uint8)
    M[1:4, 2:5] = 12
    sbd = tmp_path/"benchmark_RELEASE"/"dataset"
    sbd_mat(sbd/"cls"/"s1.mat", M)
    voc = tmp_path/"VOCdevkit"/"VOC2012"
    for n, ids in dict(train=["t1"], val=["v1"]).items():
        (voc/"ImageSets"/"Segmentation").mkdir(parents=True, exist_ok=True)
        (voc/"ImageSets"/"Segmentation"/f"{n}.txt").write_text("\n".join(ids))
        (sbd/f"{n}.txt").write_text("s1" if n == "train" else "")
    for i in ("t1", "v1", "s1"):
        write_image(voc/"JPEGImages"/f"{i}.jpg", np.zeros((6, 8, 3), np.uint8))
    (voc/"labels.csv").write_text("file,labels\nt1,cat\nv1,dog\ns1,dog\n")
    assert not open_dataset(voc).has_mask("s1")
    assert main(["data", "masks", str(tmp_path/"benchmark_RELEASE"), "--out", str(voc/"SegmentationClassAug")]) == 0
    assert (open_dataset(voc).mask("s1") == M).all()


@pytest.mark.parametrize("M", [np.full((4, 5), 21, np.uint8), np.zeros((4, 5)), None])
def test_sbd_that_is_none(tmp_path, M):
    path = tmp_path/"cls"/"a.mat"
    sbd_mat(path, M) if M is not None else (path.parent.mkdir(), path.write_bytes(b"MATLAB"))
    with pytest.raises(DataError, match="a.mat"):
        write_masks(tmp_path/"cls", tmp_path/"out")
    assert not (tmp_path/"out").exists() or not list((tmp_path/"out").iterdir())


def test_labels_of_irn(tmp_path):
    np.save(tmp_path/"cls_labels.npy", {"2007_000032": np.eye(20, dtype=np.float32)[[0, 14]].sum(0), "2007_000039": np.zeros(20)})
    text = write_labels_of_npy(tmp_path/"cls_labels.npy", tmp_path/"labels.csv").read_text()
    assert text == "file,labels\n2007_000032,aeroplane;person\n2007_000039,\n"
    with pytest.raises(DataError, match="not 4 numbers"):
        write_labels_of_npy(tmp_path/"cls_labels.npy", tmp_path/"other.csv", CLASSES)
    assert not (tmp_path/"other.csv").exists()


@pytest.mark.parametrize("table", [[1, 2], {}, {"a": "cat"}, {"a": np.full(20, .5)}, {"a": np.zeros((20, 2))}])
def test_labels_that_are_none(tmp_path, table):
    np.save(tmp_path/"t.npy", np.array(table, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="t.npy"):
        write_labels_of_npy(tmp_path/"t.npy", tmp_path/"labels.csv")


def test_a_dataset_of_sorted_folders(tmp_path):
    I = [np.random.default_rng(k).integers(0, 256, (9, 9, 3), np.uint8) for k in range(3)]
    for name, k in {"cat/1.png": 0, "dog/1.png": 1, "cat/2.png": 2, "dog/2.png": 2}.items():
        write_image(tmp_path/"sorted"/name, I[k])
    ds = open_dataset(dataset_of_folders(tmp_path/"sorted", tmp_path/"made"))
    assert ds.classes == ("cat", "dog") and set(ds.ids("train")) == {"1", "dog_1", "2"} and ds.present("2").all()
    assert (ds.image("dog_1") == I[1]).all()
    with pytest.raises(ParameterError, match="is there"):
        dataset_of_folders(tmp_path/"sorted", tmp_path/"made")


# ---- before anything is scored

def predicted(root, to):
    "The true masks as a prediction"
    for k, file in enumerate(sorted((root/"masks").iterdir())):
        write_mask(to/file.name, read_mask(file))
    return to


def test_evaluate_says_what_contradicts_itself_before_its_numbers(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog"]*5, ["cat", "dog"]*5, dict(cat=2, dog=1))
    assert main(["evaluate", "--data", str(root), "--pred", str(predicted(root, tmp_path/"pred"))]) == 1
    out = capsys.readouterr().out
    assert out.index("The ids seem to be 1 dog, 2 cat") < out.index("quote none of them") < out.index("mIoU")


def test_evaluate_counts_what_contradicts_itself_in_single_pictures(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog"]*5, ["cat;dog", *["cat", "dog"]*4, "dog"])
    (root/"val.txt").write_text("\n".join(f"p{k}" for k in (0, 1, 2, 3)))
    write_mask(root/"masks"/"p1.png", read_mask(root/"masks"/"p2.png"))
    write_mask(root/"masks"/"p2.png", read_mask(root/"masks"/"p9.png")//2)
    write_mask(root/"masks"/"p3.png", read_mask(root/"masks"/"p9.png"))
    assert main(["evaluate", "--data", str(root), "--pred", str(predicted(root, tmp_path/"pred"))]) == 0
    out = capsys.readouterr().out
    assert "1 of 4 masks contradict" in out and "quote none" not in out


def test_evaluate_judges_the_pictures_that_have_a_mask(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog"]*5, ["cat", "dog"]*5)
    pred = predicted(root, tmp_path/"pred")
    (root/"val.txt").write_text("\n".join(f"p{k}" for k in range(4)))
    (root/"masks"/"p1.png").unlink()
    assert main(["evaluate", "--data", str(root), "--pred", str(pred)]) == 0
    out = capsys.readouterr().out
    assert "1 of 4 pictures in val have no mask: not judged" in out and "on 3 pictures" in out


def test_what_a_score_leaves_out_is_counted(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog", "cat", "dog", "cat"], ["cat", "dog", "cat", "dog", "cat"])
    (root/"labels.csv").write_text("file,labels\np0.png,cat\np1.png,dog\np2.png,\n")
    (root/"train.txt").write_text("p0\n")
    (root/"val.txt").write_text("p1\np2\np3\np4\n")
    ds = open_dataset(root)
    said = "2 of 4 pictures to be judged have no label: the classifier's score leaves them out"
    assert left_out(ds, ds.ids("val")) == [said] and left_out(ds, ["p1", "p2"]) == []   # an empty label is one
    (root/"masks"/"p4.png").unlink()
    assert left_out(ds, ds.ids("val")) == ["1 of 4 pictures to be judged have no mask: they are in no score but the classifier's", said]
    assert left_out(ds, ["p4"]) == []                               # nothing is scored


def test_nothing_is_scored_where_there_is_no_mask(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog"]*2, ["cat", "dog"]*2)
    pred = predicted(root, tmp_path/"pred")
    (root/"val.txt").write_text("p0\n")
    (root/"masks"/"p0.png").unlink()
    assert main(["evaluate", "--data", str(root), "--pred", str(pred)]) == 2
    assert "no masks for val" in capsys.readouterr().err


def test_a_run_refuses_to_learn_from_what_it_is_judged_by(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat", "dog"]*2, ["cat", "dog"]*2)
    few = "features=mini cls_net=small cls_init=scenes seg_net=small seg_init=classifier freeze_bn=False"
    assert main(["run", "clustering", "--data", f"{root}@val", "--out", str(tmp_path/"run"), *few.split()]) == 2
    assert "learned from and judged" in capsys.readouterr().err and not (tmp_path/"run").exists()


def spoil_label(root): (root/"labels.csv").write_text("file,labels\np0.png,cat\np2.png,dog\np3.png,dog\n")
def empty_train(root): (root/"train.txt").write_text("")
def bare_voc(root):
    for name in ("labels.csv", "train.txt", "val.txt", "classes.txt"): (root/name).unlink()
    (root/"images").rename(root/"JPEGImages")
    (root/"masks").rename(root/"SegmentationClass")
    (root/"ImageSets"/"Segmentation").mkdir(parents=True)
    for n, id in (("train", "p1"), ("val", "p2")): (root/"ImageSets"/"Segmentation"/f"{n}.txt").write_text(id)
    (root/"SegmentationClass"/"p1.png").unlink()


@pytest.mark.parametrize("change, words", [(spoil_label, "p1 has no row in labels.csv"), (empty_train, "train is empty, so there is nothing to learn from"), (bare_voc, "nobody says what p1 of train shows")])
def test_a_dry_run_says_what_training_would_stumble_over(tmp_path, capsys, change, words):
    root = own(tmp_path/"d", ["cat", "dog"]*2, ["cat", "dog"]*2)
    (root/"train.txt").write_text("p0\np1\n")
    (root/"val.txt").write_text("p2\np3\n")
    few = "features=mini cls_net=small cls_init=scenes seg_net=small seg_init=classifier freeze_bn=False --dry-run"
    assert main(["run", "clustering", "--data", str(root), "--out", str(tmp_path/"run"), *few.split()]) == 0
    change(root)
    assert main(["run", "clustering", "--data", str(root), "--out", str(tmp_path/"run"), *few.split()]) == 2
    assert words in capsys.readouterr().err


# ---- what lies beside

def test_a_picture_that_is_learned_from_and_held_out_under_two_names(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"]*5, ["cat", "dog"]*5)
    (root/"images"/"p0.png").write_bytes((root/"images"/"p7.png").read_bytes())
    assert any("1 picture of val also in train, under another name: p0 is p7" in n for n in notes(root))


def test_saliency_maps_that_nobody_reads_are_counted(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"]*2, ["cat", "dog"]*2)
    (root/"saliency").mkdir()
    for name in ("p0.jpg", "p1_sal.png", "p2.png"):
        Image.fromarray(np.full((20, 30), 255, np.uint8)).save(root/"saliency"/name)
    assert any("is no saliency map of a listed picture and 1 more" in n for n in notes(root))


SALIENCY = {"shares of 100": (lambda m: m*100, "no value of its 6 maps exceeds 0.39 of 1"), "inverted": (lambda m: 255 - m*255, "6 of 6 maps are more salient along the edge"),
            "empty": (lambda m: m*0, "6 of 6 maps hold nothing salient"), "0 and 255": (lambda m: m*255, ""), "0 and 1": (lambda m: m, "")}


@pytest.mark.parametrize("how", SALIENCY)
def test_saliency_maps_are_looked_at_together(tmp_path, how):
    root, (change, words) = own(tmp_path/"d", ["cat"]*6, ["cat"]*6), SALIENCY[how]
    (root/"saliency").mkdir()
    for k in range(6): Image.fromarray(change(np.uint8(read_mask(root/"masks"/f"p{k}.png") > 0)).astype(np.uint8)).save(root/"saliency"/f"p{k}.png")
    said = [p for p in check_dataset(root) if p.file == str(root/"saliency")]
    assert [p.severity for p in said] == ["note"]*bool(words) and all(words in p.what for p in said)


def test_saliency_of_another_ending_is_named_where_it_is_lacking(tmp_path, capsys):
    root = own(tmp_path/"d", ["cat"]*4, ["cat"]*4)
    (root/"saliency").mkdir()
    few = "saliency=dataset cls_net=small cls_init=scenes seg_net=small seg_init=classifier freeze_bn=False --dry-run".split()
    call = ["run", "masking", "--data", str(root), "--out", str(tmp_path/"run"), *few]
    assert main(call) == 2 and "has no saliency maps" in capsys.readouterr().err
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(root/"saliency"/"p1.jpg")
    assert main(call) == 2 and "what it holds looks like p1.jpg" in capsys.readouterr().err


def test_pictures_in_folders_inside_images(tmp_path):
    root = own(tmp_path/"d", ["cat", "dog"], ["cat", "dog"])
    (root/"images"/"cats").mkdir()
    for k in (0, 1):
        (root/"images"/f"p{k}.png").rename(root/"images"/"cats"/f"p{k}.png")
    with pytest.raises(DataError, match="holds folders .cats. and no pictures.*data labels"):
        open_dataset(root)


def test_an_archive_that_is_not_there_leaves_no_folder_behind(tmp_path, capsys):
    assert main(["data", "get", "coco", "--root", str(tmp_path/"data"), "--archive", str(tmp_path/"nope")]) == 2
    assert "nope" in capsys.readouterr().err and not (tmp_path/"data").exists()
