// A view: all panes, one zoom, one cursor.
import { full, hw, of } from "./arrays.js";
import { write } from "./terms.js";
import { say } from "./words.js";
import { HANDS_OFF } from "./store.js";
import { dom, legendKey, name } from "./elements.js";
import { Pane } from "./pane.js";
import { Pin, press } from "./pin.js";
import { step, toggle } from "./play.js";
import { picture } from "./take.js";
import { paintKey } from "./paint_keys.js";

const NO_TRUTH = { empty: "no true mask of this picture\nto compare with" };

export class View {
  constructor(model, store, el) {
    Object.assign(this, { model, store, zoom: { scale: 1, x: 0, y: 0 }, lasso: [], panes: [], drawn: 0 });
    this.root = dom("div", "wsss-canvas", el);
    this.root.wsss = store;  // for the curious, and for tests
    this.root.picture = (kind, settings) => picture(this, kind, settings);  // for who takes it along
    this.root.dataset.lmSuppressShortcuts = "true";  // else JupyterLab takes the arrow keys
    this.grid = dom("div", "wsss-grid", this.root);
    this.foot = dom("div", "wsss-foot", this.root);
    this.legend = dom("div", "wsss-legend", this.foot);
    this.file = dom("a", "wsss-file", this.foot);
    this.readout = dom("output", "wsss-readout", this.foot);
    this.alert = dom("div", "wsss-alert", this.root);
    this.alert.setAttribute("role", "alert");
    this.root.addEventListener("pointerleave", (e) => e.pointerType === "touch" || this.untell());  // a finger always leaves
    // who leaves the page has no kernel to tell any more; who stays after all goes on telling it
    this.hush = () => { clearTimeout(this.saving); this.left = true; setTimeout(() => { this.left = false; }, 5000); };
    window.addEventListener("beforeunload", this.hush, true);
    this.build();
    this.sized = new ResizeObserver(() => this.panes.forEach((p) => p.image && p.paint()));
    this.sized.observe(this.grid);
  }

  build() {
    this.grid.replaceChildren();
    const specs = this.model.get("panes");
    this.panes = specs.map((_, i) => new Pane(this, i));
    this.pin = new Pin(this);
    this.widen();
    this.explain();
  }

  explain() {  // the legend; the pictures stay while what they show is on its way
    this.legend.replaceChildren(...this.model.get("legend").map(legendKey));
    this.draw();
  }

  widen() { this.grid.style.setProperty("--n", Math.max(1, Math.min(this.panes.length, 3))); }  // at most three beside each other

  draw(what) {
    const said = {}, image = this.store.arrays.get("image");
    if (what === "wait") return this.note();
    name(this.root);
    if (image && image !== this.image) { this.clicked = null; this.lasso = []; this.zoom = { scale: 1, x: 0, y: 0 }; this.image = image; this.store.painter.forget(); }  // marks of another picture
    let wrong = "";  // what goes wrong is said as long as it is looked at, below the picture that lacks it as well
    for (const p of this.panes.filter((q) => !q.kept)) {
      this.store.error = "";
      const found = p.compose(), facts = {};
      if (p.spec.paint) this.store.get("planted");  // no pane shows it, but the tools need it
      for (const [, a] of found) Object.assign(facts, a.meta);
      for (const s of p.spec.stats ?? []) { const q = this.store.get(s); Object.assign(facts, q?.meta); if (q !== undefined) this.publish("stats", q?.stats ?? this.lacking()); }
      for (const q of p.spec.judged ?? []) Object.assign(facts, this.store.get(q)?.meta);  // as `stats`, for a caption alone
      if (found.length) { p.facts = Object.assign(facts, this.columns(p)); p.wrong = this.store.error; p.label(); }
      Object.assign(said, p.facts);
      wrong ||= this.store.error;
    }
    this.store.error = wrong;
    this.store.said = said; this.publish("meta", said); this.follow(said);
    this.pin.draw();
    const ready = this.panes.every((p) => !p.el.classList.contains("wsss-waiting") && p.image);
    this.root.dataset.ready = +ready; this.root.dataset.drawn = ++this.drawn;
    this.tell();
    this.note();
  }

  lacking() {  // what a chart says that has nothing to show
    return this.store.error ? { empty: this.store.error.replace(": ", ":\n") } : NO_TRUTH;
  }

  columns(pane) {  // facts that are a row of a table, such as what is known of the superpixel of this step, or the word for a choice
    const out = { step: this.model.get("step"), epoch: this.model.get("epoch") };
    for (const f of pane.spec.facts ?? []) {
      if (f.words) { out[f.name] = f.words[of(this.model, f.at)]; continue; }
      const a = this.store.get(f.map, f.settle), i = of(this.model, f.at, 0);
      if (a?.data && i < a.shape[0]) f.names.forEach((n, c) => { if (n) out[n] = a.data[i * (a.shape[1] ?? 1) + c]; });
    }
    return out;
  }

  follow(said) {  // as many steps as there are superpixels; who looked at all of them still does
    const m = this.model, n = said[m.get("follow")], old = m.get("steps"), at = m.get("step");
    if (!m.get("follow") || n === undefined || n === old) return;
    const last = m.get("first") + n - 1;
    m.set("steps", n); m.set("last", last); m.set("step", at >= m.get("first") + old - 1 ? last : Math.min(at, last));
    m.save_changes();
  }

  publish(name, value) {  // to Python and to charts linked here, only if it is news
    const text = JSON.stringify(value);
    if (this[`_${name}`] === text) return;
    this[`_${name}`] = text; this.model.set(name, value);
    clearTimeout(this.saving);
    if (!this.left) this.saving = setTimeout(() => this.model.save_changes(), 100);
  }

  note() {
    const S = this.store, late = [...S.asked.values()].some((q) => performance.now() - q.at >= HANDS_OFF - 20);
    this.alert.textContent = S.gone || S.error || "";
    this.file.hidden = !S.file;
    if (S.file) { this.file.href = S.file.url; this.file.download = S.file.name; this.file.textContent = `download ${S.file.name}`; }
    this.root.classList.toggle("wsss-busy", late && !S.gone);
    this.root.dataset.gone = S.gone ? 1 : 0;
  }

  inside(pane, x, y) { return pane.image && x >= 0 && y >= 0 && x < pane.off.width && y < pane.off.height; }

  hover(pane, x, y) {
    if (!this.inside(pane, x, y)) return this.leave();
    this.cursor = this.told = { pane: pane.index, x, y };
    this.tell(); this.overlay();
  }

  tell() {  // what is known of the pixel that was last pointed at
    const { pane: index, x, y } = this.told ?? {}, pane = this.panes[index];
    if (!pane || !this.inside(pane, x, y)) return this.untell();
    const real = new Set(), facts = { x, y, ...this.look(pane, x, y, real) };
    this.readout.dataset.hover = JSON.stringify(facts);
    write(this.readout, Object.entries(facts).map(([k, v]) => `${k} ${say(v, real.has(k))}`).join("  ·  "));
  }
  untell() { this.told = null; write(this.readout, ""); delete this.readout.dataset.hover; }

  look(pane, x, y, real) {  // `real`: is given the names of what was read from maps of real numbers
    const out = {}, names = this.model.get("classes"), H = pane.off.height, W = pane.off.width;
    for (const h of pane.spec.hover ?? this.model.get("hover")) {
      const a = this.store.get(h.map, h.settle);
      if (!a?.data) continue;
      if (a.dtype.startsWith("float")) for (const n of h.names ?? [h.label ?? h.map]) real.add(n);
      if (h.kind === "row") {  // numbers of the superpixel under the cursor: (n,k), k named
        const s = this.at(this.store.get(h.of), x, y, H, W), k = a.shape[1] ?? 1;
        if (s >= 0 && s < a.shape[0]) h.names.forEach((n, c) => { if (c < k && !Number.isNaN(a.data[s * k + c])) out[n] = a.data[s * k + c]; });
        continue;
      }
      const v = this.at(a, x, y, H, W, of(this.model, h.channel, 0)), word = (l) => h.kind !== "class" ? l : l === 255 ? "unlabeled" : names[l] ?? l;
      if (h.kind === "size") { out[h.label ?? "size"] = this.size(a, v, H, W); continue; }
      out[h.label ?? h.kind ?? h.map] = word(v);
      const { kept } = this.store;
      if (kept?.spec.pin.map === h.map) out.pinned = word(this.at(kept.map, x, y, H, W));
    }
    return out;
  }
  at(a, x, y, H, W, channel = 0) {
    if (!a?.data) return NaN;
    const [h, w] = hw(a), i = Math.floor((y + .5) * h / H) * w + Math.floor((x + .5) * w / W);
    return a.data[(a.shape.length === 3 ? channel : 0) * h * w + i];
  }
  size(a, id, H, W) {
    if (!a.sizes) { const L = full(a, H, W); a.sizes = new Map(); for (const l of L) a.sizes.set(l, (a.sizes.get(l) ?? 0) + 1); }
    return a.sizes.get(id) ?? 0;
  }
  leave() { this.cursor = null; this.overlay(); }  // what was told stays: its terms can be pointed at
  overlay() { for (const p of this.panes) if (p.image) p.mark(); }

  click(pane, x, y) {
    this.clicked = [x, y]; this.overlay();
    this.model.send({ type: "click", pane: this.listed(pane), x, y });
  }
  finish(pane) {
    this.drawing = false; this.overlay();
    const points = this.lasso.map((p) => p.map((v) => Math.round(10 * v) / 10));
    if (points.length > 2) this.model.send({ type: "lasso", pane: this.listed(pane), points });
  }
  listed(pane) { return pane.kept?.index ?? pane.index; }  // the pane that Python knows

  keydown(e, pane) {
    const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[e.key], mid = [pane.off.width / 2, pane.off.height / 2];
    if (paintKey(e, pane, this)) return e.stopPropagation();
    if (e.key === " " && this.model.get("steps") > 1) toggle(this.model);
    else if (move && this.model.get("steps") > 1) step(this.model, move);
    else if (e.key === "+" || e.key === "=") this.zoomAt(pane, ...mid, 1.5);
    else if (e.key === "-") this.zoomAt(pane, ...mid, 1 / 1.5);
    else if (e.key === "0" || e.key === "Escape") this.reset();
    else if (e.key === "p" && !e.ctrlKey && !e.metaKey && !e.altKey) press(this);
    else return;
    e.preventDefault(); e.stopPropagation();  // the page does not scroll, the notebook does not run a command
  }
  zoomAt(pane, x, y, factor) {
    const z = this.zoom, s = Math.max(1, Math.min(40, z.scale * factor));
    this.zoom = { scale: s, x: x - (x - z.x) * z.scale / s, y: y - (y - z.y) * z.scale / s };
    this.pan(this.zoom.x, this.zoom.y);
  }
  pan(x, y) {
    const p = this.panes[0], W = p.off.width, H = p.off.height, s = this.zoom.scale;
    this.zoom.x = Math.max(0, Math.min(W - W / s, x)); this.zoom.y = Math.max(0, Math.min(H - H / s, y));
    this.root.classList.toggle("wsss-zoomed", s > 1);
    this.panes.forEach((q) => q.image && q.paint());
  }
  reset() { this.zoom = { scale: 1, x: 0, y: 0 }; this.lasso = []; this.pan(0, 0); }
  remove() { this.hush(); window.removeEventListener("beforeunload", this.hush, true); this.sized.disconnect(); }
}
