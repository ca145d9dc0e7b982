"""The canvas in a real browser without Jupyter: its module in a page, the Python widget behind it, messages carried between them."""
import base64
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STATIC = Path(__file__).resolve().parents[2]/"wsss_nb"/"static"
CONTRAST = """() => { const c = Object.assign(document.createElement("canvas"), {width: 1, height: 1}), g = c.getContext("2d", {willReadFrequently: true});
  const lum = (...cs) => { g.clearRect(0, 0, 1, 1); for (const o of cs) { g.fillStyle = o; g.fillRect(0, 0, 1, 1); }
    const [r, gr, b] = [...g.getImageData(0, 0, 1, 1).data].map(v => v/255 <= .04045 ? v/255/12.92 : ((v/255+.055)/1.055)**2.4); return .2126*r+.7152*gr+.0722*b; };
  return ["title", "caption", "readout", "key", "alert"].map(n => document.querySelector(".wsss-" + n)).filter(e => e && e.textContent).map(e => {
    const paper = getComputedStyle(document.body).backgroundColor, own = getComputedStyle(e).backgroundColor, ink = getComputedStyle(e).color;
    const [a, b] = [lum(paper, own), lum(paper, own, ink)].sort((p, q) => q - p); return [e.className, (a+.05)/(b+.05)]; }); }"""
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><link rel="stylesheet" href="/canvas.css">
<body style="margin:16px; background: var(--jp-layout-color1, white)"></body><script type="module">
import canvas from "/canvas.js";
const bytes = s => new DataView(Uint8Array.from(atob(s), c => c.charCodeAt(0)).buffer);
const text = b => { let s = ""; for (const v of new Uint8Array(b)) s += String.fromCharCode(v); return btoa(s); };
class Model {
  constructor(state) { this.state = state; this.ears = []; this.saves = 0; }
  get(k) { return this.state[k]; }
  set(k, v) { if (this.state[k] === v) return; this.state[k] = v; this.tell("change:" + k); }
  on(name, f) { this.ears.push([name, f]); }
  off(name, f) { this.ears = this.ears.filter(e => e[0] !== name || e[1] !== f); }
  tell(name, ...a) { for (const [n, f] of this.ears) if (n === name) f(...a); }
  save_changes() { this.saves++; }
  send(msg, _, buffers) { window.toPython(JSON.stringify(msg), (buffers ?? []).map(text)); }
}
window.open_ = async state => {
  window.model = new Model(state);
  const widget = canvas();
  await widget.initialize({ model });
  window.more = () => widget.render({ model, el: document.body.appendChild(document.createElement("div")) });
  window.close_ = window.more();
};
window.fromPython = (msg, buffers) => model.tell("msg:custom", msg, buffers.map(bytes));
window.ready = true;
</script>"""


class CanvasPage:
    "One canvas in one page"
    def __init__(self, browser, canvas, theme="", scheme="light", width=900, **more):
        self.canvas, self.page, self.problems, self.asked, self.silent = canvas, browser.new_page(color_scheme=scheme, viewport=dict(width=width, height=1100), **more), [], [], False
        p = self.page
        p.on("console", lambda m: self.problems.append(m.text) if m.type in ("error", "warning") and "readback" not in m.text else None)  # reading pixels is the test's own doing
        p.on("pageerror", lambda e: self.problems.append(str(e)))
        p.route("**/*", lambda r: r.fulfill(body=PAGE, content_type="text/html"))
        p.route("**/*.css", lambda r: r.fulfill(path=STATIC/r.request.url.rsplit("/", 1)[1]))
        p.route("**/*.js", lambda r: r.fulfill(body=str(canvas._esm), content_type="text/javascript") if r.request.url.endswith("/canvas.js") else r.fulfill(path=STATIC/r.request.url.rsplit("/", 1)[1]))
        p.expose_function("toPython", self._heard)
        p.goto("http://canvas.test/")
        p.wait_for_function("window.ready")
        if theme: p.evaluate("v => document.documentElement.style.cssText = v", theme)
        canvas.send = self._tell
        keep = {k: v for k, v in canvas.get_state().items() if not k.startswith("_") and k not in ("layout", "tabbable", "tooltip")}
        p.evaluate("s => open_(s)", keep)

    def _heard(self, text, buffers):
        import json
        msg = json.loads(text)
        self.asked.append(msg.get("key", msg["type"]))
        if not self.silent: self.canvas._receive(self.canvas, msg, [base64.b64decode(b) for b in buffers])

    def _tell(self, content, buffers=()):
        # inside a call from the page the answer must wait until the call is over
        self.page.evaluate("([m, b]) => { setTimeout(() => fromPython(m, b)) }", [content, [base64.b64encode(b).decode() for b in buffers or ()]])

    def set(self, **traits):
        for k, v in traits.items(): self.page.evaluate("([k, v]) => model.set(k, v)", [k, v])

    def settle(self):
        self.page.wait_for_function("document.querySelector('.wsss-canvas').dataset.ready === '1' && !document.querySelector('.wsss-canvas').wsss.asked.size")

    def get(self, name):
        "A map as the browser has it"
        a = self.page.evaluate("""n => { const a = document.querySelector('.wsss-canvas').wsss.get(n); return a && a.data ? {data: Array.from(a.data), shape: a.shape, dtype: a.dtype} : null }""", name)
        return a and np.array([np.nan if v is None else v for v in a["data"]], a["dtype"]).reshape(a["shape"])

    def pixel(self, x, y, pane=0):
        "Colour in the middle of a pixel of the picture, as shown"
        return tuple(self.page.evaluate("""([i, x, y]) => { const c = document.querySelectorAll('.wsss-picture')[i], f = document.querySelector('.wsss-canvas').wsss;
            const [H, W] = f.get('image').shape, g = c.getContext('2d'); return [...g.getImageData(Math.floor((x+.5)/W*c.width), Math.floor((y+.5)/H*c.height), 1, 1).data].slice(0, 3) }""", [pane, x, y]))

    def at(self, x, y, pane=0):
        "Where a pixel of the picture lies on the page"
        b = self.page.locator(".wsss-picture").nth(pane).bounding_box()
        H, W = self.page.evaluate("document.querySelector('.wsss-canvas').wsss.get('image').shape.slice(0, 2)")
        return b["x"] + (x + .5)/W*b["width"], b["y"] + (y + .5)/H*b["height"]

    def hover(self, x, y, pane=0):
        import json
        self.page.mouse.move(*self.at(x, y, pane))
        return json.loads(self.page.locator(".wsss-readout").get_attribute("data-hover") or "{}")


@contextmanager
def on_a_page(browser, explorer, width=900, follows=()):
    "An explorer and the page with its canvas, which hears of these traits as through Jupyter. The page may not have complained."
    page = CanvasPage(browser, explorer.canvas, width=width)
    if follows:
        explorer.canvas.observe(lambda change: page.page.evaluate("([k, v]) => { setTimeout(() => model.set(k, v)) }", [change["name"], change["new"]]), list(follows))
    page.settle()
    yield explorer, page
    assert not page.problems
    page.page.close()
