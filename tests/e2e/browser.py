"""Explorers in a real browser: JupyterLab and the page of `wsss-nb explore --page`, each on a copy of the notebooks, away from the user's settings and from any network.

A test asks for `tab` and gets one for each of the two places: `tab.open("e1_tau")` opens the notebook there, runs it and returns when its canvas shows a picture.
Whatever the browser complains about while a test runs fails the test."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from canvas_page import CONTRAST

from wsss_nb.files import explorer_notebooks
from wsss_nb.page import card

REPO = Path(__file__).resolve().parents[2]
EXPLORERS = [p.stem for p in explorer_notebooks(REPO/"nbs"/"explorers")]
TOKEN = "a-token-for-tests"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"]
HARMLESS = ()  # what a browser may complain about: (part of the text, why)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url, method="GET", **headers):
    "Status and text of an answer; redirects are followed."
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=30) as r: return r.status, r.read().decode(errors="replace")
    except urllib.error.HTTPError as e: return e.code, e.read().decode(errors="replace")


def wait(true, what, seconds=60):
    "What `true()` gives once it gives something."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if found := true(): return found
        time.sleep(.1)
    pytest.fail(f"{what}: not within {seconds} s")


def private(folder, **env):
    "Variables that keep Jupyter, Python and the explorers away from what is the user's."
    own = {k: str(folder/k.lower()) for k in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WSSS_NB_DATA", "WSSS_NB_RUN", "WSSS_NB_PAGE", "WSSS_NB_FEATURES", "WSSS_NB_WEIGHTS", "WSSS_NB_CLASSIFIER", "WSSS_NB_CARRIED", "JUPYTER"))}
    return {**kept, **own, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "NO_PROXY": "*", **env}


class Server:
    "A server with the explorers; `stop` ends it as Ctrl-C does, with its kernels."
    name = url = None
    theme = "light"  # in which its explorers are opened

    def __init__(self, folder, words, port, **env):
        self.folder, self.port, self.log = folder, port, folder/"server.log"
        self.url = f"http://127.0.0.1:{port}"
        self.carried = folder/"carried"  # what one test chose is not to be seen by the next
        self.carried.mkdir()
        env = dict(WSSS_NB_CARRIED=str(self.carried)) | env
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-P", *map(str, words)], cwd=folder, env=private(folder, **env), stdout=log, stderr=log, start_new_session=True)

    def forget(self):
        for p in self.carried.iterdir(): p.unlink()

    def started(self, path):
        def there():
            if self.process.poll() is not None: pytest.fail(f"the server ended: {self.log.read_text()}")
            return ask(self.url + path)[0] == 200
        wait(there, f"{self.name} at {self.url}")
        return self

    def children(self):
        "Processes it started and that still run; one that was killed stays for a while as a zombie."
        if self.process.poll() is not None: return []
        def runs(p):
            try: return p.status() != psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess: return False
        return [p for p in psutil.Process(self.process.pid).children(recursive=True) if runs(p)]

    def kernels(self):
        "Kernels among them. One may end while it is looked at."
        def words(p):
            try: return " ".join(p.cmdline())
            except psutil.NoSuchProcess: return ""
        return [p for p in self.children() if "ipykernel" in words(p)]

    def stop(self):
        left = self.children()
        for _ in range(2):  # JupyterLab asks back once
            if self.process.poll() is None: os.kill(self.process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired): self.process.wait(3)
        if self.process.poll() is None: self.process.terminate()
        self.process.wait(20)
        for p in psutil.wait_procs(left, timeout=20)[1]: p.kill()


class Lab(Server):
    name = "lab"

    def __init__(self, folder, **env):
        shutil.copytree(REPO/"nbs"/"explorers", folder/"nb", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        self.settings = folder/"jupyterlab_settings_dir"/"@jupyterlab"/"apputils-extension"
        self.settings.mkdir(parents=True)
        (self.settings/"notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}')
        port = free_port()
        words = ["-m", "jupyterlab", "--no-browser", f"--ServerApp.root_dir={folder/'nb'}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
                 "--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly", "--ServerApp.terminals_enabled=False",
                 "--LanguageServerManager.autodetect=False"]
        super().__init__(folder, words, port, JUPYTER_TOKEN=TOKEN, **env)
        self.started(f"/api/status?token={TOKEN}")

    def goto(self, page, name, theme):
        (self.settings/"themes.jupyterlab-settings").write_text(json.dumps({"theme": f"JupyterLab {theme.title()}"}))
        page.goto(f"{self.url}/lab/tree/{name}.ipynb?reset&token={TOKEN}")
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=60_000)
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000)

    def run(self, page): page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def free(self):
        "End all kernels."
        for s in json.loads(ask(f"{self.url}/api/sessions?token={TOKEN}")[1]): ask(f"{self.url}/api/sessions/{s['id']}?token={TOKEN}", "DELETE")


class Page(Server):
    name, theme = "page", "dark"

    def __init__(self, folder, **given):
        notebooks = folder/"nb"
        shutil.copytree(REPO/"nbs"/"explorers", notebooks, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        port = free_port()
        page = dict(folder=str(notebooks), port=port, token=TOKEN, browser=False) | given
        super().__init__(folder, ["-c", "from wsss_nb.page import main; main()"], port, WSSS_NB_PAGE=json.dumps(page))
        self.started(f"/voila/tree?token={TOKEN}")

    def goto(self, page, name, theme): page.goto(f"{self.url}/voila/render/{name}.ipynb?token={TOKEN}&theme={theme}", wait_until="domcontentloaded", timeout=120_000)
    def run(self, page): page.wait_for_function("!document.getElementById('loading')", timeout=120_000)
    def free(self): wait(lambda: not self.kernels(), "the end of the kernels", 20)


class Tab:
    "One browser tab in one place. `page` is Playwright's; `errors` what the browser complained about so far."
    def __init__(self, place, context):
        self.place, self.context, self.errors = place, context, []
        self.page = self.watch(context.new_page())

    def watch(self, page):
        page.on("console", lambda m: m.type == "error" and self.note(f"{m.text} ({m.location.get('url', '')})"))
        page.on("pageerror", lambda e: self.note(f"{e.name}: {e.message}\n{e.stack}"))
        return page

    def note(self, text):
        if not any(part in text for part, _ in HARMLESS): self.errors.append(text)

    def open(self, name):
        "Open a notebook and run it, until its canvas has drawn. Returns Playwright's page."
        self.place.goto(self.page, name, self.place.theme)
        self.place.run(self.page)
        self.ready()
        if self.place.name == "page" and self.page.viewport_size["width"] >= 1400:
            top = self.page.evaluate("scrollY + document.querySelector('.wsss-picture').getBoundingClientRect().top")
            assert top <= 330, f"{name}: the first picture stands {top:.0f} pixels below the top"
        return self.page

    def ready(self, seconds=60):
        "Until every pane of every canvas that is seen has something drawn on it."
        self.page.locator(".wsss-canvas .wsss-picture").first.wait_for(timeout=seconds*1000)
        self.page.wait_for_function("""() => { const c = document.querySelector('.wsss-canvas');
            return c.dataset.ready === '1' && !c.classList.contains('wsss-busy') }""", timeout=seconds*1000)

    def close(self):
        "Leave as a person does: pages hear that they are left (Playwright's `close` alone kills them)."
        for p in self.context.pages:
            with contextlib.suppress(Exception): p.goto("about:blank", timeout=5000)
        self.context.close()

    def whole(self):
        "An explorer is no taller than the output of the cell that it lies in: else its last row is cut."
        shown, there = self.page.evaluate("(e => [e.clientHeight, e.scrollHeight])(document.querySelector('.wsss-explorer').parentElement)")
        assert there <= shown, f"{there} pixels in a box of {shown}"

    def looks(self, name):
        "Take a picture of an explorer; its texts stand out from what is behind them, and a page is called as on its card."
        self.page.locator(".wsss-picture").first.hover()
        found = dict(self.page.evaluate(CONTRAST.replace("document.body)", "document.querySelector('.jp-Notebook, body'))")))
        assert found and min(found.values()) >= 4.5, found
        self.whole()
        assert self.place.name != "page" or self.page.title() == card(REPO/"nbs"/"explorers"/f"{name}.ipynb")["title"]
        self.shot(name)

    def shot(self, name):
        "A picture of the page, to be looked at: in `screenshots/`, or where WSSS_NB_SCREENSHOTS says."
        folder = Path(os.environ.get("WSSS_NB_SCREENSHOTS") or REPO/"screenshots")
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(folder/f"{name}-{self.place.name}.png"))


def missing():
    "Why there can be no browser here, or None."
    try: import playwright  # noqa: F401
    except ImportError: return "playwright is not installed (pip install -e '.[dev]')"
    return None if Path(CHROMIUM).exists() else f"no {CHROMIUM} (Debian: apt-get install chromium)"
