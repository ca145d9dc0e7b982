"The explorer of growth in a real browser: each epoch's seeds, play, and the film as a download."
import numpy as np
import pytest
from canvas_page import on_a_page

from wsss_nb.explore import GrowthExplorer
from wsss_nb.show import PALETTE


@pytest.fixture(scope="module")
def opened(browser):
    e = GrowthExplorer()
    e.canvas.panes = [pane | dict(layers=[{"type": "image", "map": "image"}, *pane["layers"][1:]]) if k == 0 else pane for k, pane in enumerate(e.canvas.panes)]
    e.canvas.put("image", e.growth.image(e.shown[0]))  # where the page looks for the picture's size
    with on_a_page(browser, e, width=1600) as both: yield both


def titles(p): return p.page.locator(".wsss-title").all_inner_texts()


def test_each_step_shows_the_seeds_of_its_epoch(opened):
    e, p = opened
    for epoch in (6, 0, 3, 1):
        p.set(step=epoch)
        assert titles(p) == [f"{id}, epoch {epoch}" for id in e.shown]
        for k, id in enumerate(e.shown):
            L, I = e.growth.grown(id, epoch), e.growth.image(id)
            inside = (L < 255) & (L == np.roll(L, 1, 0)) & (L == np.roll(L, -1, 0)) & (L == np.roll(L, 1, 1)) & (L == np.roll(L, -1, 1))
            for y, x in (np.argwhere(inside[2:-2, 2:-2])[7::1500] + 2).tolist():
                assert p.pixel(x, y, k) == pytest.approx(I[y, x] + .6*(PALETTE[L[y, x]] - I[y, x].astype(float)), abs=2)
                assert p.hover(x, y, k)["seed"] == e.canvas.classes[L[y, x]]
    assert len(p.asked) == len(set(p.asked)), "each array travels once"


def test_play_goes_to_the_last_epoch_and_stops(opened):
    e, p = opened
    p.set(step=0, speed=20., playing=True)
    p.page.wait_for_function("model.get('step') === 6 && !model.get('playing')")
    assert titles(p)[0].endswith("epoch 6")
    p.page.locator(".wsss-picture").first.focus()
    p.page.keyboard.press("ArrowLeft")
    assert titles(p)[0].endswith("epoch 5")
    p.page.keyboard.press(" ")
    p.page.wait_for_function("model.get('step') === 6 && !model.get('playing')")


def test_the_film_can_be_downloaded(opened, tmp_path, monkeypatch):
    e, p = opened
    monkeypatch.chdir(tmp_path)
    assert not p.page.locator(".wsss-file").is_visible()
    e.film.button.click()
    link = p.page.locator(".wsss-file")
    link.wait_for(state="visible")
    assert link.inner_text() == "download growth.gif"
    with p.page.expect_download() as got: link.click()
    got.value.save_as(tmp_path/"got.gif")
    assert (tmp_path/"got.gif").read_bytes() == (tmp_path/"growth.gif").read_bytes()


def test_in_jupyterlab_and_on_the_page(tab):
    page = tab.open("e5_growth")
    page.wait_for_function("document.querySelector('.wsss-explorer .wsss-title').innerText.endsWith('epoch 6')")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.wsss-explorer .wsss-title').innerText.endsWith('epoch 0')")
    page.wait_for_function("document.querySelector('.wsss-explorer .wsss-title').innerText.endsWith('epoch 6')")
    page.wait_for_function("!document.querySelector('.wsss-explorer .widget-toggle-button').classList.contains('mod-active')")
    chart = page.locator(".wsss-chart[data-kind=lines]")
    chart.focus()
    for _ in range(4): page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.wsss-explorer .wsss-title').innerText.endsWith('epoch 2')")
    tab.looks("e5_growth")
    page.get_by_role("button", name="Save the film").click()
    page.locator(".wsss-file").wait_for()
    with page.expect_download() as got: page.locator(".wsss-file").click()
    film = tab.place.folder/"nb"/"growth.gif"
    assert str(film) in page.locator(".wsss-status").inner_text() and film.read_bytes() == got.value.path().read_bytes()
    film.unlink()
