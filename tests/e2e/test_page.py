"""`wsss-nb explore`: what it refuses, where it listens, and that it leaves nothing behind."""
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest
from browser import EXPLORERS, TOKEN, Page, ask, free_port, private, wait

from wsss_nb import cli

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


def test_listens_to_this_machine_only(page):
    assert {c.laddr.ip for c in psutil.Process(page.process.pid).net_connections() if c.status == "LISTEN" and c.laddr.port == page.port} == {"127.0.0.1"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_start_page(voila, open_tab, theme):
    tab = open_tab(voila)
    tab.page.goto(f"{voila.url}/?token={TOKEN}&theme={theme}")
    links = [a.get_attribute("href") for a in tab.page.locator("a.card").all()]
    assert [o.split("/")[-1].split(".")[0] for o in links] == EXPLORERS and len(links) == 8
    tab.shot(f"start-{theme}")


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


@pytest.mark.parametrize("words,said", [(["nix"], "'nix' is unknown"), (["--port", "0"], "--port must lie in"), (["--theme", "dark"], "--theme is for --page"), (["--data", "nowhere"], "nowhere"),
                                        (["--run", "nowhere"], "no run.json"), (["--page", "--token", "abc"], "at least 8"), (["--token", "abcdefgh"], "--token is for --page")])
def test_refused_words(words, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("something was started"))
    assert cli.main(["explore", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not list(tmp_path.iterdir())
