"The explorer of superpixels in JupyterLab and on the page; and what holds for every explorer: twenty loads, a second tab, a kernel that dies, a saved notebook."
import base64
import json
import os
import re
import signal

import numpy as np
import pytest
from browser import wait

from wsss_nb.explore import TauExplorer
from wsss_nb.features import TAU
from wsss_nb.images import resize
from wsss_nb.superpixels import partition

SLIDER = "[...document.querySelectorAll('.widget-slider')].find(s => s.querySelector('.widget-label')?.textContent === '{}').querySelector('.noUi-handle').focus()"
STORE = "document.querySelector('.wsss-canvas').wsss"


@pytest.fixture(scope="module")
def explorer(): return TauExplorer()


def label(e, tau): return partition(e.group.A, tau).reshape(e.group.hw)


def title(page, pane=0): return page.locator(".wsss-title").nth(pane).inner_text()


def colors(page, points, pane=0):
    "Colours in the middle of pixels of the picture"
    return page.evaluate(f"""([pane, points]) => {{ const c = document.querySelectorAll('.wsss-picture')[pane], g = c.getContext('2d'), [H, W] = {STORE}.get('image').shape;
        return points.map(([x, y]) => [...g.getImageData(Math.floor((x+.5)/W*c.width), Math.floor((y+.5)/H*c.height), 1, 1).data].slice(0, 3)) }}""", [pane, points])


def at(page, x, y, side=160, pane=0):
    b = page.locator(".wsss-picture").nth(pane).bounding_box()
    return b["x"] + (x + .5)/side*b["width"], b["y"] + (y + .5)/side*b["height"]


def edges(L, n=6):
    "Pixels (x, y) to the left of a border of superpixels"
    P = resize(L, (160, 160), "nearest")
    y, x = np.nonzero(P[:, :-1] != P[:, 1:])
    pick = np.linspace(0, len(x) - 1, n).astype(int)
    return [[int(x[i]), int(y[i])] for i in pick]


def test_drag_hover_click_play(tab, explorer):
    page = tab.open("e1_tau")
    page.wait_for_function(f"!{STORE}.asked.size && !{STORE}.timers.size")
    assert title(page) == f"{label(explorer, .3).max() + 1} superpixels"
    page.evaluate(SLIDER.format("τ"))
    for _ in range(20): page.keyboard.press("ArrowRight")
    L = label(explorer, .5)
    page.wait_for_function(f"document.querySelector('.wsss-title').textContent === '{L.max() + 1} superpixels'")
    new = [p for p in edges(L, 60) if p not in edges(label(explorer, .3), 10**5)][:6]
    assert new and all(r > 170 and g > 140 and b < min(r, g) - 40 for r, g, b in colors(page, new)), "borders that were not there before are drawn in yellow"
    assert page.evaluate(f"Array.from({STORE}.get('sp|tau,order,crf~').data)") == L.ravel().tolist()

    page.mouse.move(*at(page, 61, 100))
    page.wait_for_function("document.querySelector('.wsss-readout').dataset.hover?.includes('class')")  # what is pointed at is asked for, once
    hover = json.loads(page.locator(".wsss-readout").get_attribute("data-hover"))
    mine, mask = L[100*20//160, 61*20//160], explorer.photo.mask
    assert hover["superpixel"] == mine and hover["size"] == 64*(L == mine).sum() and hover["class"] == explorer.canvas.classes[mask[100, 61]]

    page.mouse.click(*at(page, 61, 100))
    p = 100*20//160*20 + 61*20//160
    page.wait_for_function(f"Math.abs({STORE}.get('row')?.data[3] - {explorer.group.A[p, 3]}) < 1e-6")
    np.testing.assert_allclose(page.evaluate(f"Array.from({STORE}.get('row').data)"), explorer.group.A[p], atol=1e-6)

    page.evaluate(f"{STORE}.model.set('speed', 20)")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"{STORE}.model.get('playing') && {STORE}.model.get('step') >= 2")
    dark = sum(colors(page, [[80, 10]])[0])
    page.get_by_role("button", name="Play").click()
    step = page.evaluate(f"{STORE}.model.get('step')")
    page.wait_for_timeout(300)
    assert page.evaluate(f"{STORE}.model.get('step')") == step, "stopped"
    page.locator(".wsss-picture").first.focus()
    page.keyboard.press(" ")
    page.wait_for_function(f"!{STORE}.model.get('playing') && {STORE}.model.get('step') === {int(L.max()) + 1}")
    assert sum(colors(page, [[80, 10]])[0]) >= dark
    tab.looks("e1_tau")


def test_features_and_tau_follow_the_picture(voila, open_tab):
    "From a scene to a photograph and back; a τ that was dragged stays."
    page = open_tab(voila).open("e1_tau")
    def choose(name, features, tau):
        page.get_by_label("picture", exact=True).select_option(name)
        page.wait_for_function(f"{STORE}.get('image')?.shape[1] === {451 if name == 'cat' else 160} && Math.abs({STORE}.model.get('tau') - {tau}) < 1e-9")
        assert page.get_by_label("features").input_value() == features and page.locator(".widget-readout").first.inner_text() == f"{tau:.2f}"
    choose("cat", "lite0", TAU["lite0"])
    choose("scene: car", "mini", .3)
    page.evaluate(SLIDER.format("τ"))
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs({STORE}.model.get('tau') - .31) < 1e-9")
    page.mouse.click(*at(page, 61, 100))  # its answer comes after the kernel has heard of τ
    page.wait_for_function(f"{STORE}.get('spot')?.data[0] === 61")
    choose("cat", "lite0", .31)


def test_steps_and_words_of_the_controls(voila, open_tab):
    "Steps are counted from 1; an order is offered to what has one; the upload says what it does."
    page = open_tab(voila).open("e1_tau")
    page.wait_for_function(f"{STORE}.model.get('step') === {STORE}.model.get('steps')")
    model = f"['first', 'step', 'last'].map(k => {STORE}.model.get(k))"
    first, step, last = page.evaluate(model)
    assert first == 1 and f"{last} superpixels" == title(page)
    page.locator(".wsss-caption", has_text=f"step {last} began with a patch").wait_for()  # asked for when all is still
    fill = page.get_by_label("fill").locator("option")
    assert fill.all_inner_texts()[-1].replace("\xa0", " ") == "order of discovery"
    page.get_by_label("order", exact=True).select_option("Ncut")
    fill.nth(3).wait_for(state="detached")
    page.get_by_label("order", exact=True).select_option("low first (LF)")
    fill.nth(3).wait_for(state="attached")
    upload = page.get_by_role("button", name="upload", exact=True)
    shown = upload.evaluate("e => [getComputedStyle(e).fontSize, getComputedStyle(e, '::after').content]")
    assert shown == ["0px", '"upload"']


def test_a_second_tab(place, open_tab):
    first, second = open_tab(place), open_tab(place)
    pages = first.open("e1_tau"), second.open("e1_tau")
    for page, key in zip(pages, ("ArrowRight", "ArrowLeft")):
        page.evaluate(SLIDER.format("τ"))
        page.keyboard.press(key)
    for page, tau in zip(pages, (.31, .29)):
        page.wait_for_function(f"Math.abs({STORE}.model.get('tau') - {tau}) < 1e-9 && {STORE}.get('sp|tau,order,crf~')?.data && document.querySelector('.wsss-alert').textContent === ''")


def test_the_kernel_dies_under_the_page(tab):
    page = tab.open("e1_tau")
    for k in tab.place.kernels(): os.kill(k.pid, signal.SIGKILL)
    page.wait_for_function("document.querySelector('.wsss-alert')?.textContent.includes('kernel is gone')", timeout=30_000)
    page.keyboard.press("Escape")
    assert page.locator(".wsss-picture").first.is_visible(), "what is there can still be looked at"
    tab.shot("kernel-gone")
    tab.errors.clear()  # the browser may say that its connection broke


def test_a_saved_notebook_is_small_and_shows_a_still(lab, open_tab):
    tab = open_tab(lab)
    page = tab.open("e1_tau")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    file = lab.folder/"nb"/"e1_tau.ipynb"
    wait(lambda: "widget-view" in file.read_text(), "the notebook is saved")
    nb = json.loads(file.read_text())
    assert file.stat().st_size < 300_000
    still = [o["data"]["image/png"] for c in nb["cells"] for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert base64.b64decode(still[0])[:4] == b"\x89PNG"
    from nbconvert import HTMLExporter
    import nbformat
    html, _ = HTMLExporter().from_notebook_node(nbformat.read(file, 4))
    assert re.search(r'<img[^>]+src="data:image/png', html), "nbconvert shows the still"
