"What the tests of whole runs and of the explorers work on."
import os

import pytest


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    "Twelve scenes as an own folder, so that no preset applies. To be read only: tests that change it take a copy."
    from wsss_nb.scenes import write_scenes
    return write_scenes(tmp_path_factory.mktemp("world")/"tiny", train=8, val=4, seed=1)


@pytest.fixture(scope="session")
def browser():
    "Debian's Chromium. Where there is none the tests are skipped, except in continuous integration."
    from browser import CHROMIUM, FLAGS, missing
    if why := missing(): (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield b
        b.close()


@pytest.fixture(scope="session")
def lab(browser, home, tmp_path_factory):
    from browser import Lab
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def voila(browser, home, tmp_path_factory):
    from browser import Page
    server = Page(tmp_path_factory.mktemp("page"))
    yield server
    server.stop()


@pytest.fixture(params=["lab", "voila"])
def place(request):
    "JupyterLab, then the page."
    return request.getfixturevalue(request.param)


@pytest.fixture
def open_tab(browser):
    "`open_tab(place)`: a tab of a browser that knows nothing yet. At the end no tab may have complained."
    from browser import Tab
    tabs = []

    def new(place):
        context = browser.new_context(viewport=dict(width=1400, height=1000), accept_downloads=True)
        context.set_default_timeout(30_000)
        tabs.append(Tab(place, context))
        return tabs[-1]
    yield new
    for t in tabs: t.close()
    for place in {t.place.name: t.place for t in tabs}.values():
        place.free()
        place.forget()
    assert not (found := [e for t in tabs for e in t.errors]), "\n".join(found)


@pytest.fixture
def tab(open_tab, place): return open_tab(place)
