"The explorer of names in a real browser: the maps are the library's to the bit, corrections follow the pointer and the keyboard, and what was corrected survives."
import json
import os
import signal

import numpy as np
import pytest
from browser import wait
from canvas_page import on_a_page
from skimage import data as photographs

from wsss_nb.corrections import UNTOUCHED, corrected, read_draft
from wsss_nb.explore import NamesExplorer
from wsss_nb.images import resize, write_image
from wsss_nb.masks_of_ids import read_mask, write_mask
from wsss_nb.metrics import ConfusionMatrix
from wsss_nb.segment import activation_softmax, seed_and_grow
from wsss_nb.segment_settings import SegmentSettings

STORE = "document.querySelector('.wsss-canvas').wsss"
MASK = 5  # the pane


@pytest.fixture
def opened(browser, tmp_path, monkeypatch):
    "A cat whose truth is half the picture, in a dataset, on a page."
    monkeypatch.setenv("WSSS_NB_FILES", str(tmp_path))
    root, cat = tmp_path/"own", photographs.chelsea()[:, 60:360][::2, ::2].copy()
    write_image(root/"images"/"cat.png", cat)
    write_image(root/"images"/"wall.png", cat[:, ::-1].copy())
    (root/"labels.csv").write_text("file,labels\ncat,cat\nwall,cat\n")
    truth = np.zeros(cat.shape[:2], np.uint8)
    truth[:, :100] = 1
    truth[:3] = UNTOUCHED
    write_mask(root/"masks"/"cat.png", truth)
    e = NamesExplorer(root)
    e.names.value = "cat"
    with on_a_page(browser, e, width=1400) as both: yield both


def stroke(p, *points):
    p.page.mouse.move(*p.at(*points[0], MASK))
    p.page.mouse.down()
    for q in points[1:]: p.page.mouse.move(*p.at(*q, MASK), steps=4)
    p.page.mouse.up()
    p.settle()


def disc(edits, x, y, r, value):
    v, u = np.mgrid[:edits.shape[0], :edits.shape[1]]
    edits[(u - x)**2 + (v - y)**2 <= r*r] = value


def test_every_map_is_the_librarys_to_the_bit(opened):
    e, p = opened
    pic, C = e.pic, 1
    for v in (dict(alpha=.6), dict(alpha=.31), dict(tau=.5), dict(tau=.72, alpha=.8), dict(beta_bg=.95, beta_fg=.52), dict(scales=1), dict(beta_bg=0., beta_fg=0.)):
        for name, value in v.items(): setattr(e.canvas, name, value)
        p.set(crf=False, **v)
        p.settle()
        s = e.at()
        M = pic.activation(s.sides)
        sp = pic.study.superpixels(s.tau)
        seed, grown = seed_and_grow(M, sp, s)
        np.testing.assert_array_equal(p.get("seed"), seed)
        np.testing.assert_array_equal(p.get("grown"), grown)
        want = pic.study.softmax(pic.study.belief(grown, C, s), SegmentSettings(crf=False)).argmax(0)
        np.testing.assert_array_equal(p.get("shown"), want)
        cm = ConfusionMatrix(2)
        cm.update(want.astype(np.uint8), e.truth[0])
        assert p.page.locator(".wsss-caption").nth(MASK).inner_text() == f"IoU with the truth, mean {cm.miou():.3f}"
    np.testing.assert_array_equal(p.get("H|scales"), activation_softmax(pic.activation(e.at().sides), .5, 4))


def test_superpixels_are_given_and_taken_away(opened):
    e, p = opened
    p.set(tool="superpixel")
    sp, shown = resize(e.pic.study.superpixels(.65), e.pic.small.shape[:2], "nearest"), p.get("shown").copy()
    y, x = np.argwhere(shown == 0)[10].tolist()
    before = p.pixel(x, y, MASK)
    stroke(p, (x, y))
    want = np.full(sp.shape, UNTOUCHED)
    want[sp == sp[y, x]] = 1
    np.testing.assert_array_equal(p.get("edits"), want)
    np.testing.assert_array_equal(p.get("shown"), corrected(shown, want))
    after = p.pixel(x, y, MASK)
    assert before != after and after[0] - after[2] > before[0] - before[2], "it is orange, as the name is"
    stroke(p, (x, y))
    want[sp == sp[y, x]] = 0
    np.testing.assert_array_equal(p.get("edits"), want)
    np.testing.assert_array_equal(read_draft(e.desk.file("drafts", "cat"), sp.shape).edits, want)
    points = [(5, 40), (145, 40)]
    value = 0 if p.get("shown")[40, 5] == 1 else 1
    stroke(p, *points)
    assert {int(v) for v in np.unique(p.get("edits")[40])} == {value}, "all that was dragged over is given, or taken"


def test_brush_eraser_and_what_undoes_them(opened):
    e, p = opened
    p.set(tool="brush", radius=7)
    stroke(p, (30, 60), (90, 60))
    want = np.full(e.pic.small.shape[:2], UNTOUCHED)
    for x in range(30, 91): disc(want, x, 60, 7, 1)
    np.testing.assert_array_equal(p.get("edits"), want)
    p.set(tool="eraser", radius=3)
    stroke(p, (60, 60))
    erased = want.copy()
    disc(erased, 60, 60, 3, 0)
    np.testing.assert_array_equal(p.get("edits"), erased)
    p.page.locator(".wsss-picture").nth(MASK).focus()
    p.page.keyboard.press("Control+z")
    np.testing.assert_array_equal(p.get("edits"), want)
    p.page.keyboard.press("Control+z")
    assert (p.get("edits") == UNTOUCHED).all() and e.tools.undo.disabled and not e.tools.redo.disabled
    p.page.keyboard.press("Control+z")  # there is nothing more
    p.page.keyboard.press("Control+y")
    p.page.keyboard.press("Control+Shift+z")
    np.testing.assert_array_equal(p.get("edits"), erased)
    np.testing.assert_array_equal(read_draft(e.desk.file("drafts", "cat"), want.shape).edits, erased)
    p.set(paint=0, tool="brush")
    stroke(p, (100, 100))
    assert p.get("edits")[100, 100] == 0, "the background can be given, too"


def test_growing_again_can_be_undone(opened):
    e, p = opened
    p.set(crf=False)
    e.canvas.crf = False
    before = p.get("shown").copy()
    p.set(tool="brush", radius=25, paint=0)
    stroke(p, (75, 75), (75, 120))
    edits = p.get("edits").copy()
    e.tools.grow.click()
    p.page.wait_for_function(f"{STORE}.get('given')?.data.some((v) => v === 0)")
    p.settle()
    np.testing.assert_array_equal(p.get("planted"), edits)
    assert (p.get("edits") == UNTOUCHED).all()
    s = e.at()
    seed, grown = seed_and_grow(e.pic.activation(s.sides), e.pic.study.superpixels(s.tau), s, e.pic.given())
    np.testing.assert_array_equal(p.get("seed"), seed)
    np.testing.assert_array_equal(p.get("grown"), grown)
    got = p.get("shown")
    assert (got[edits == 0] == 0).all() and (got != corrected(before, edits)).any(), "what was said stays, and the rest follows"
    p.page.locator(".wsss-picture").nth(MASK).focus()
    p.page.keyboard.press("Control+z")
    p.page.wait_for_function(f"{STORE}.get('given')?.data.every((v) => v === 255)")
    p.settle()
    np.testing.assert_array_equal(p.get("edits"), edits)
    np.testing.assert_array_equal(p.get("shown"), corrected(before, edits))
    e.tools.clear.click()
    p.page.wait_for_function(f"{STORE}.get('edits').data.every((v) => v === 255)")
    np.testing.assert_array_equal(p.get("shown"), before)


def test_by_keyboard_alone(opened):
    e, p = opened
    p.set(tool="brush", radius=4)
    H, W = e.pic.small.shape[:2]
    p.page.locator(".wsss-picture").nth(MASK).focus()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowDown", "Shift+ArrowLeft"): p.page.keyboard.press(key)
    hover = json.loads(p.page.locator(".wsss-readout").get_attribute("data-hover"))
    by = max(1, int(W/60 + .5))
    assert (hover["x"], hover["y"]) == (W//2 + by - 1, H//2 + by + 1)
    p.page.keyboard.press("Enter")
    want = np.full((H, W), UNTOUCHED)
    disc(want, hover["x"], hover["y"], 4, 1)
    np.testing.assert_array_equal(p.get("edits"), want)
    p.page.keyboard.press("Control+z")
    assert (p.get("edits") == UNTOUCHED).all()


def test_another_picture_another_history(opened):
    e, p = opened
    p.set(tool="brush", radius=9)
    stroke(p, (40, 40))
    e.names.value = "wall"
    p.page.wait_for_function(f"{STORE}.get('edits')?.data.every((v) => v === 255)")
    p.settle()
    p.page.locator(".wsss-picture").nth(MASK).focus()
    p.page.keyboard.press("Control+z")
    assert (p.get("edits") == UNTOUCHED).all() and (p.get("image") == e.pic.small).all()
    assert not e.desk.file("drafts", "wall").exists() and e.desk.file("drafts", "cat").exists()


def text(page, selector): return page.locator(selector).inner_text()


def folder(tab): return tab.place.folder/"nb"/"corrected"/"photographs"


def at(page, x, y):
    b = page.locator(".wsss-picture").nth(MASK).bounding_box()
    H, W = page.evaluate(f"{STORE}.get('image').shape.slice(0, 2)")
    return b["x"] + (x + .5)/W*b["width"], b["y"] + (y + .5)/H*b["height"]


def choose_tool(page, name):
    page.get_by_role("button", name=name, exact=True).click()
    tool = {"look": "point"}.get(name, name)
    page.wait_for_function(f"{STORE}.model.get('tool') === '{tool}'")
    page.locator(".wsss-picture").nth(MASK).scroll_into_view_if_needed()


def test_type_a_name_correct_and_keep(tab):
    page = tab.open("e9_names")
    field = page.get_by_role("combobox", name="names")
    field.fill("hors")
    page.locator(".wsss-names-list li").first.wait_for()
    assert page.locator(".wsss-names-list li").first.inner_text() == "horse"
    field.press("Escape")
    field.fill("person")
    field.press("Enter")
    page.locator(".wsss-status .bad").wait_for()
    assert "ImageNet knows no" in text(page, ".wsss-head .wsss-status .bad") and page.locator(".wsss-name").count() == 1
    field.fill("jers")
    page.locator(".wsss-names-list li").first.wait_for()
    field.press("ArrowDown")
    field.press("Enter")
    page.wait_for_function("document.querySelectorAll('.wsss-name').length === 2")
    page.wait_for_function(f"{STORE}.get('M|scales')?.shape[0] === 2")
    page.get_by_role("button", name="take jersey away").click()
    page.wait_for_function(f"{STORE}.get('M|scales')?.shape[0] === 1")
    page.locator(".wsss-likely").first.wait_for()
    tab.looks("e9_names")
    choose_tool(page, "superpixel")
    page.wait_for_function(f"!{STORE}.asked.size && !{STORE}.timers.size")
    shown = np.array(page.evaluate(f"Array.from({STORE}.get('shown').data)"))
    page.mouse.click(*at(page, 440, 20))
    page.wait_for_function(f"{STORE}.get('edits').data.some((v) => v !== 255)")
    after = np.array(page.evaluate(f"Array.from({STORE}.get('shown').data)"))
    assert (after != shown).any()
    file = folder(tab)/"drafts"/"cat.npz"
    wait(file.exists, "the draft")
    page.get_by_role("button", name="keep mask").click()
    page.wait_for_function("[...document.querySelectorAll('.wsss-status')].some((e) => e.textContent.includes('kept as'))")
    assert (read_mask(folder(tab)/"masks"/"cat.png", 1) == after.reshape(300, 451)).all(), "what was seen is what is kept"
    page.get_by_role("button", name="next picture").click()
    page.wait_for_function(f"{STORE}.get('image')?.shape[1] === 600")
    for f in (file, folder(tab)/"masks"/"cat.png"): f.unlink()


def test_the_kernel_is_killed_while_strokes_are_written(tab):
    "All strokes but the last are on disk, and the draft is whole."
    page = tab.open("e9_names")
    choose_tool(page, "brush")
    file = folder(tab)/"drafts"/"cat.npz"
    for k in range(6):
        page.mouse.click(*at(page, 40 + 60*k, 40))
        if k == 4: wait(lambda: file.exists() and read_draft(file, (300, 451)).edits[40, 280] == 1, "five strokes")
    for k in tab.place.kernels(): os.kill(k.pid, signal.SIGKILL)
    draft = read_draft(file, (300, 451))
    assert [int(draft.edits[40, 40 + 60*k]) for k in range(5)] == [1]*5
    page.wait_for_function("document.querySelector('.wsss-alert')?.textContent.includes('kernel is gone')", timeout=30_000)
    tab.errors.clear()  # the browser may say that its connection broke
    again = tab.open("e9_names")
    again.wait_for_function(f"{STORE}.get('edits')?.data[40*451 + 280] === 1")
    tab.errors.clear()
    file.unlink()


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_fits_the_window(open_tab, voila, width):
    tab = open_tab(voila)
    tab.page.set_viewport_size(dict(width=width, height=900))
    page = tab.open("e9_names")
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert over <= 0, f"{over} pixels stick out"
    tab.shot(f"e9_names-{width}")
