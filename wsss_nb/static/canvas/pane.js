// A pane: one picture.
import { hw, id, of } from "./arrays.js";
import { write } from "./terms.js";
import { fill } from "./words.js";
import { LAYERS } from "./layers.js";
import { dom } from "./elements.js";
import { listen } from "./pointer.js";

export class Pane {
  constructor(view, index) {
    Object.assign(this, { view, index, stamps: [], entries: [] });  // entries: of a legend of its own
    this.el = dom("figure", "wsss-pane", view.grid);
    this.title = dom("figcaption", "wsss-title", this.el);
    this.frame = dom("div", "wsss-frame", this.el);
    this.canvas = dom("canvas", "wsss-picture", this.frame);
    this.over = dom("canvas", "wsss-over", this.frame);
    this.caption = dom("div", "wsss-caption", this.el);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.off = document.createElement("canvas");
    listen(this);
  }
  get spec() { return this.view.model.get("panes")[this.index]; }
  get model() { return this.view.model; }
  array(o) { return this.view.store.get(o.map, o.settle); }  // of a layer

  // the arrays of all layers, or null while one of them is on its way: a pane never shows a mixture of old and new
  gather() {
    const out = [];
    for (const o of this.spec.layers) {
      if (o.when !== undefined && !of(this.model, o.when)) continue;
      const a = this.array(o);
      if (o.type === "points") continue;  // drawn over the picture, which does not wait for them
      if (a === undefined) return null;
      if (a) out.push([o, a]);
    }
    return out;
  }

  compose() {
    const found = this.gather();
    this.el.classList.toggle("wsss-waiting", !found);
    if (!found || !found.length) return [];
    const base = found.find(([o]) => o.type === "image") ?? found[0], [H, W] = hw(base[1]);
    if (!this.image || this.image.width !== W || this.image.height !== H) {
      this.image = new ImageData(W, H); this.off.width = W; this.off.height = H;
      this.frame.style.aspectRatio = `${W} / ${H}`;
    }
    // nothing to paint if neither a map nor an option is another than before
    const m = this.model, painted = found.filter(([o]) => LAYERS[o.type]);
    const stamps = painted.map(([o, a]) => id(a) + JSON.stringify(Object.values(o).map((v) => typeof v === "string" ? m.get(v) ?? v : v)));
    const same = stamps.findIndex((v, i) => v !== this.stamps[i]), fewer = stamps.length !== this.stamps.length;
    if (same < 0 && !fewer) { this.mark(); return found; }
    this.stamps = stamps;
    this.layer(painted, H, W, m, fewer ? 0 : same);
    this.off.getContext("2d").putImageData(this.image, 0, 0);
    this.paint();
    return found;
  }

  // A slider mostly changes one layer: what lies below it is kept as pixels
  layer(painted, H, W, m, from) {
    const px = this.image.data, below = this.stamps.slice(0, from).join();
    const have = from && this.below?.key === below && this.below.px.length === px.length;
    if (have) px.set(this.below.px);
    else if (painted[0][0].type !== "image") new Uint32Array(px.buffer).fill(0xff202020);
    for (let i = have ? from : 0; i < painted.length; i++) {
      if (i === from && from && !have) this.below = { key: below, px: px.slice() };
      const [o, a] = painted[i];
      LAYERS[o.type](px, a, H, W, o, m);
    }
  }

  paint() {
    const { canvas, off, view } = this, z = view.zoom, dpr = window.devicePixelRatio || 1;
    const w = Math.max(1, Math.round(this.frame.clientWidth * dpr)), h = Math.max(1, Math.round(this.frame.clientHeight * dpr));
    for (const c of [canvas, this.over]) if (c.width !== w || c.height !== h) { c.width = w; c.height = h; }
    const g = canvas.getContext("2d"), k = w / off.width * z.scale;
    g.imageSmoothingEnabled = k < 2; g.imageSmoothingQuality = "medium";
    g.setTransform(k, 0, 0, k, -z.x * k, -z.y * k);
    g.drawImage(off, 0, 0);
    this.mark();
  }

  mark() {  // what lies over the picture: the crosshair, the clicked point, the seed of the step, the lasso
    const g = this.over.getContext("2d"), v = this.view, k = this.scale();
    g.setTransform(1, 0, 0, 1, 0, 0); g.clearRect(0, 0, this.over.width, this.over.height);
    const at = (x, y) => [(x - v.zoom.x) * k, (y - v.zoom.y) * k], r = 5 * (window.devicePixelRatio || 1);
    for (const [x, y, color] of this.rings()) { const p = at(x, y); for (const [c, w] of [["#000", 4], [color, 2]]) { g.strokeStyle = c; g.lineWidth = w * r / 5; g.beginPath(); g.arc(...p, r, 0, 7); g.stroke(); } }
    if (v.cursor && v.cursor.pane !== this.index) {  // where another picture is pointed at: a cross, so that it is not taken for what was clicked
      const [x, y] = at(v.cursor.x + .5, v.cursor.y + .5), arm = 1.4 * r;
      g.beginPath(); g.moveTo(x - arm, y); g.lineTo(x + arm, y); g.moveTo(x, y - arm); g.lineTo(x, y + arm);
      for (const [c, w] of [["#000", 3.5], ["#fff", 1.5]]) { g.strokeStyle = c; g.lineWidth = w * r / 5; g.stroke(); }
    }
    if (v.store.painter.wants(this) && v.cursor) {  // what the tool would touch
      const [x, y] = at(v.cursor.x + .5, v.cursor.y + .5), size = v.model.get("tool") === "superpixel" ? r : Math.max(r / 2, (v.model.get("radius") + .5) * k);
      for (const [c, w] of [["#000", 3.5], ["#fff", 1.5]]) { g.strokeStyle = c; g.lineWidth = w * r / 5; g.beginPath(); g.arc(x, y, size, 0, 7); g.stroke(); }
    }
    const path = v.lasso;
    if (path.length > 1) {
      g.beginPath(); path.forEach(([x, y], i) => g[i ? "lineTo" : "moveTo"](...at(x, y)));
      if (!v.drawing) g.closePath();
      for (const [c, w, d] of [["#000", 3, []], ["#fff", 1.5, [6, 4]]]) { g.setLineDash(d); g.strokeStyle = c; g.lineWidth = w * r / 5; g.stroke(); }
      g.setLineDash([]);
    }
  }
  rings() {  // what is marked: seeds of the step, the clicked point; [x, y, color]
    const v = this.view, out = [];
    for (const o of this.spec.layers) if (o.type === "points" && (o.when === undefined || of(v.model, o.when)) && !(o.at === "step" && of(v.model, "step") >= v.model.get("steps") - 1)) {
      const a = v.store.get(o.map, o.settle), i = of(v.model, o.at, 0);
      if (a?.data && i < a.shape[0]) out.push([a.data[i * a.shape[1]] + .5, a.data[i * a.shape[1] + 1] + .5, "#ffffff"]);
    }
    if (v.clicked) out.push([v.clicked[0] + .5, v.clicked[1] + .5, "#00e5ff"]);
    return out;
  }
  scale() { return this.over.width / this.off.width * this.view.zoom.scale; }
  where(e) {  // image coordinates of a pointer
    const b = this.canvas.getBoundingClientRect(), k = this.off.width / b.width / this.view.zoom.scale, z = this.view.zoom;
    return [(e.clientX - b.left) * k + z.x, (e.clientY - b.top) * k + z.y];
  }

  // what the title and the caption say, their facts filled in; or what goes wrong
  label(line = this.caption) {
    write(this.title, fill(this.spec.title ?? "", this.facts)); write(line, this.wrong || fill(this.spec.caption ?? "", this.facts));
    this.said = line.textContent;
    this.canvas.setAttribute("aria-label", `${this.title.textContent}: ${[this.said, ...this.entries.map((o) => o.name)].join(" · ")}`);
  }
}
