"""`wsss-nb explore`: what it refuses, how it starts, where it listens, and that it leaves nothing behind."""
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image
from browser import EXPLORERS, TOKEN, Page, ask, free_port, private, wait

from wsss_nb import cli, notebook_commands
from wsss_nb.explore import GrowthExplorer
from wsss_nb.gallery import gallery
from wsss_nb.images import write_image
from wsss_nb.weights import packaged_file
from wsss_nb.artefacts import demo_folder

SECRET = ["/", "/?token=wrong", "/voila/render/e1_tau.ipynb", "/voila/tree", "/voila/files/e1_tau.ipynb", "/voila/api/contents",
          "/api/kernels/11111111-1111-1111-1111-111111111111", "/api/kernels/11111111-1111-1111-1111-111111111111/channels", "/login", "/logout"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    "The page without a browser."
    server = Page(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.mark.parametrize("path", SECRET)
def test_refused_without_token(page, path):
    status, text = ask(page.url + path)
    assert status == 403 and "superpixel" not in text.lower()


@pytest.mark.parametrize("path,method", [("/favicon.ico", "GET"), ("/voila/api/shutdown/11111111-1111-1111-1111-111111111111", "POST")])
def test_answered_with_nothing(page, path, method): assert ask(page.url + path, method) == (204, "")


def test_listens_to_this_machine_only(page):
    assert {c.laddr.ip for c in psutil.Process(page.process.pid).net_connections() if c.status == "LISTEN" and c.laddr.port == page.port} == {"127.0.0.1"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_start_page(voila, open_tab, theme):
    tab = open_tab(voila)
    tab.page.goto(f"{voila.url}/?token={TOKEN}&theme={theme}")
    links = [a.get_attribute("href") for a in tab.page.locator("a.card").all()]
    assert [o.split("/")[-1].split(".")[0] for o in links] == EXPLORERS and len(links) >= 8
    assert not any(a.get_attribute("target") for a in tab.page.locator("a.card").all())
    tab.shot(f"start-{theme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_start_page_as_the_system_has_it(voila, open_tab, scheme):
    tab = open_tab(voila)
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.goto(f"{voila.url}/?token={TOKEN}")
    dark = scheme == "dark"
    assert (tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)") == dark
    assert [tab.page.locator(f".theme .to-{o}").is_visible() for o in ("light", "dark")] == [dark, not dark]
    assert all(("theme=dark" in a.get_attribute("href")) == dark for a in tab.page.locator("a.card").all())


@pytest.mark.parametrize("name,code,theme", [("e3_alpha", "AlphaExplorer(", "light"), ("e1_tau", "TauExplorer(", "dark")])
def test_a_narrow_page_shows_all_and_no_code(voila, open_tab, name, code, theme):
    "On a telephone: a long label wraps, a formula that goes on scrolls in a box with a shadow; what is about Python is left to JupyterLab."
    tab = open_tab(voila)
    tab.page.set_viewport_size(dict(width=390, height=800))
    voila.goto(tab.page, name, theme)
    voila.run(tab.page)
    tab.ready()
    assert code not in tab.page.inner_text("body")
    tab.page.locator("summary").first.click()
    tab.page.locator("mjx-container[display]").first.wait_for()
    wide = tab.page.evaluate("""[...document.querySelectorAll('.widget-label, .jp-RenderedMarkdown, .jp-OutputArea-output, mjx-container[display]')]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.tagName + getComputedStyle(e).overflowX + getComputedStyle(e).backgroundAttachment)""")
    assert set(wide) == {"MJX-CONTAINERautolocal, scroll"}
    tab.shot(f"narrow-{name}-{theme}")


def test_a_picture_goes_along(voila, open_tab):
    "From a list, and an upload; where it cannot be shown, a sentence says so."
    tab = open_tab(voila)
    page = tab.open("e2_objects")
    def to(words, ready="true"):
        tab.ready()
        page.wait_for_timeout(500)  # what the page still tells its kernel is out before both end
        page.locator(".wsss-way a", has_text=words).click()
        page.wait_for_function(f"document.querySelector('.wsss-canvas')?.wsss.get('image') && {ready}", timeout=60_000)
    chosen = page.get_by_label("picture", exact=True)
    chosen.select_option("scene: fish")
    page.get_by_label("object", exact=True).locator("option", has_text="the fish").wait_for(state="attached")
    to("τ")
    assert chosen.input_value() == "scene: fish" and page.get_by_label("features").input_value() == "mini"
    with page.expect_file_chooser() as chooser: page.get_by_role("button", name="upload", exact=True).click()
    out = io.BytesIO()
    Image.fromarray(np.tile(np.arange(0, 240, 2, dtype=np.uint8), (60, 1))).convert("RGB").save(out, "PNG")
    chooser.value.set_files(dict(name="mine.png", mimeType="image/png", buffer=out.getvalue()))
    page.wait_for_function("document.querySelector('.wsss-canvas').wsss.get('image')?.shape[1] === 120")
    page.wait_for_function("document.querySelector('.wsss-head select').selectedOptions[0].text.trim() === 'mine.png'")
    wait(lambda: len(list(voila.carried.iterdir())) == 1, "the upload is kept")
    to("Objects", "document.querySelector('.wsss-canvas').wsss.get('image').shape[1] === 120")
    assert chosen.input_value() == "mine.png"
    voila.goto(page, "e5_growth", "light")
    page.locator(".wsss-status", has_text="mine.png is none of the 4 pictures of this run").wait_for()


def test_port_taken_and_ctrl_c(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", port := free_port()))
        s.listen()
        words = [sys.executable, "-c", "import sys; from wsss_nb.cli import main; sys.exit(main(sys.argv[1:]))", "explore"]
        with (tmp_path/"log").open("w") as log:
            p = subprocess.Popen([*words, "tau", "--page", "--no-browser", "--port", str(port), "--token", TOKEN], cwd=tmp_path, env=private(tmp_path), stdout=log, stderr=log)
        try:
            text = wait(lambda: "Ctrl-C" in (t := (tmp_path/"log").read_text()) and t, "the address")
            assert f"port {port} is taken" in text and f"/voila/render/e1_tau.ipynb?token={TOKEN}" in text
        finally: os.kill(p.pid, signal.SIGINT)
        p.wait(20)
        assert not [o for o in psutil.process_iter(["environ"]) if (o.info["environ"] or {}).get("IPYTHONDIR") == str(tmp_path/"ipythondir")]


@pytest.mark.parametrize("words,said", [(["nix"], "'nix' is unknown: choose from names, tau, objects, alpha, beta, growth, saliency, masking, crf, run\n"), (["e0_start"], "is unknown"), (["--port", "0"], "--port must lie in"),
                                        (["--port", "abc"], "--port must lie in 1 … 65535; got abc"), (["--theme", "dark"], "--theme is for --page"), (["--data", "nowhere"], "nowhere"),
                                        (["--run", "nowhere"], "no run.json"), (["--features", "nix"], "features 'nix' are unknown"), (["--weights", "no.pth"], "no.pth are not there"),
                                        (["alpha", "--classifier", "."], "model.safetensors are not there"), (["--page", "--token", "abc"], "at least 8"), (["--token", "abcdefgh"], "--token is for --page")])
def test_refused_words(words, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("something was started"))
    assert cli.main(["explore", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not list(tmp_path.iterdir())


def started(words, monkeypatch):
    "The words and variables of the program that `wsss-nb explore` becomes."
    found = []
    monkeypatch.setattr(os, "execve", lambda program, words, env: found.append((words, env)))
    cli.main(["explore", *map(str, words)])
    assert len(found) == 1
    return found[0]


def refused(words, capsys, monkeypatch):
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("something was started"))
    assert cli.main(["explore", *map(str, words)]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("method,sample,explorers", [("clustering", "demo-masking", ["beta", "growth", "crf"]), ("masking", "demo", ["saliency", "masking"])])
def test_run_of_another_method(method, sample, explorers, capsys, monkeypatch):
    for name in explorers:
        err = refused([name, "--page", "--run", demo_folder(sample)], capsys, monkeypatch)
        assert f"the explorer {name} looks into one of {method}, as `wsss-nb run {method}` makes it" in err and err.count("\n") == 1
    for name in ("tau", "objects", "alpha"): assert started([name, "--page", "--run", demo_folder(sample)], monkeypatch)[1]["WSSS_NB_RUN"] == str(demo_folder(sample))


def test_a_run_alone_opens_the_explorer_of_runs(tmp_path, capsys, monkeypatch):
    "Of either method; one of superpixels alone has nothing to show."
    monkeypatch.chdir(tmp_path)
    for sample in ("demo", "demo-masking"):
        env = started(["--page", "--run", demo_folder(sample)], monkeypatch)[1]
        assert json.loads(env["WSSS_NB_PAGE"])["name"] == "e10_run" and env["WSSS_NB_RUN"] == str(demo_folder(sample))
    assert json.loads(started(["run", "--page", "--run", demo_folder()], monkeypatch)[1]["WSSS_NB_PAGE"])["name"] == "e10_run"
    assert json.loads(started(["--page"], monkeypatch)[1]["WSSS_NB_PAGE"])["name"] is None
    record = json.loads((demo_folder()/"run.json").read_text()) | dict(method="superpixels")
    (tmp_path/"run.json").write_text(json.dumps(record))
    err = refused(["--page", "--run", tmp_path], capsys, monkeypatch)
    assert "is a run of superpixels alone" in err and err.count("\n") == 1


def test_a_picture_and_a_plain_folder_will_do(tmp_path, monkeypatch):
    write_image(tmp_path/"big.jpg", np.zeros((8, 8, 3), np.uint8))
    for what in (tmp_path/"big.jpg", tmp_path):
        assert started(["names", "--page", "--data", what], monkeypatch)[1]["WSSS_NB_DATA"] == str(what)
        assert next(iter(gallery(what))) == "big"


def test_who_looks_reaches_the_notebooks(tmp_path, monkeypatch):
    for name in ("FEATURES", "WEIGHTS", "CLASSIFIER"): monkeypatch.delenv(f"WSSS_NB_{name}", raising=False)
    mini, classifier = packaged_file("mini"), demo_folder("demo-masking")/"classifier"/"model.safetensors"
    env = started(["alpha", "--page", "--features", "mini", "--weights", mini, "--classifier", classifier], monkeypatch)[1]
    assert [env[f"WSSS_NB_{name}"] for name in ("FEATURES", "WEIGHTS", "CLASSIFIER")] == ["mini", str(mini), str(classifier)]
    env = started(["alpha", "--page"], monkeypatch)[1]
    assert not {"WSSS_NB_FEATURES", "WSSS_NB_WEIGHTS", "WSSS_NB_CLASSIFIER"} & set(env)


def test_missing_weights_name_what_helps_here(capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("wsss_nb.weights._hub_answers", lambda: False)
    err = refused(["tau", "--page", "--features", "dino_vitb8"], capsys, monkeypatch)
    assert "get model.safetensors of the Hugging Face repository timm/vit_base_patch8_224.dino and start by `wsss-nb explore --features dino_vitb8 --weights FILE`" in err
    assert "lite0 and rgb need no download" in err and "features_weights" not in err and err.count("\n") == 1


@pytest.mark.parametrize("user", [0, 1000])
def test_jupyterlab_starts_for_root_and_asks_for_no_news(user, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    words, env = started(["tau", "--no-browser", "--port", "9000"], monkeypatch)
    settings = json.loads((Path(env["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0])/"labconfig"/"default_setting_overrides.json").read_text())
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert ("--allow-root" in words) == (user == 0) and {"--no-browser", "--ServerApp.port=9000", "--LabApp.news_url=None"} < set(words)


def test_the_address_that_jupyterlab_prints_opens_the_explorer(tmp_path, open_tab):
    "And the folder for the picture that goes along is there until Ctrl-C, for its user only."
    words = [sys.executable, "-c", "import sys; from wsss_nb.cli import main; sys.exit(main(sys.argv[1:]))", "explore"]
    (tmp_path/"temporary").mkdir()
    log, env = tmp_path/"log", private(tmp_path, TMPDIR=str(tmp_path/"temporary"))
    with log.open("w") as f:
        p = subprocess.Popen([*words, "e1", "--no-browser", "--port", str(free_port())], cwd=tmp_path, env=env, stdout=f, stderr=f, stdin=subprocess.DEVNULL)
    try:
        address = wait(lambda: re.search(r"http://127\S+/lab/tree/e1_tau.ipynb\?token=\w+", log.read_text()), "the address", 180)[0]
        folder, = (tmp_path/"temporary").glob("wsss-nb-*")
        assert folder.stat().st_mode & 0o77 == 0
        tab = open_tab(SimpleNamespace(name="lab", free=lambda: None, forget=lambda: None))
        tab.page.goto(address)
        tab.page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=60_000)
        assert "τ: superpixels" in tab.page.locator(".jp-NotebookPanel h1").inner_text()
        server, token = address.split("/lab")[0], address.split("=")[1]
        def idle(): return [k["execution_state"] for k in json.loads(ask(f"{server}/api/kernels?token={token}")[1])] == ["idle"]
        wait(idle, "the notebook's kernel", 180)  # JupyterLab hangs where it is interrupted while it starts one
        tab.page.goto("about:blank")
    finally:
        os.kill(p.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired): p.wait(60)
        p.kill()  # one that does not hear is not left behind, but its folder tells
    assert not folder.exists()


def test_jupyterlab_understands_our_words(tmp_path):
    from jupyterlab.labapp import LabApp
    from jupyterlab import NeverCheckForUpdate
    words = [o for o in notebook_commands._lab_words("e1_tau.ipynb", 8888, False)[3:] if o.startswith("--LabApp")]
    app = LabApp()
    app.parse_command_line(words)
    assert app.default_url == "/lab/tree/e1_tau.ipynb" and app.news_url is None and app.check_for_updates_class is NeverCheckForUpdate


def test_a_film_of_the_page_lies_where_it_was_started(tmp_path, monkeypatch):
    (tmp_path/"here").mkdir(), (tmp_path/"notebooks").mkdir()
    monkeypatch.chdir(tmp_path/"here")
    words, env = started(["growth", "--page"], monkeypatch)
    assert words[-1] == "from wsss_nb.page import main; main()" and json.loads(env["WSSS_NB_PAGE"])["name"] == "e5_growth"
    monkeypatch.setenv("WSSS_NB_FILES", env["WSSS_NB_FILES"])
    monkeypatch.chdir(tmp_path/"notebooks")  # where the page's kernel stands
    path = GrowthExplorer().export("x.gif")
    assert path == tmp_path/"here"/"x.gif" and path.stat().st_size > 1000 and not list((tmp_path/"notebooks").iterdir())
