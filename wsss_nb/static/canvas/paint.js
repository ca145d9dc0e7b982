// Correcting a mask: superpixels and pixels are given to a class, which can be undone.
import { full } from "./arrays.js";

export const UNTOUCHED = 255;  // where nobody has corrected anything
const MOST = 200;  // steps that can be undone

export function give(edits, L, id, value) {  // all pixels of a superpixel
  for (let i = 0; i < L.length; i++) if (L[i] === id) edits[i] = value;
}
export function disc(edits, H, W, x, y, r, value) {  // pixels whose middle is at most r away from that of (x,y)
  for (let v = Math.max(0, y - r); v <= Math.min(H - 1, y + r); v++) {
    for (let u = Math.max(0, x - r); u <= Math.min(W - 1, x + r); u++) {
      if ((u - x) ** 2 + (v - y) ** 2 <= r * r) edits[v * W + u] = value;
    }
  }
}
export function between([x0, y0], [x1, y1]) {  // the pixels on the way: a fast pointer leaves no gaps
  const n = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  return Array.from({ length: n }, (_, k) => [Math.round(x0 + (x1 - x0) * (k + 1) / n), Math.round(y0 + (y1 - y0) * (k + 1) / n)]);
}
// What was corrected becomes part of the seed, and the mask that grows from it is shown as it is
export function planted(edits, planted) {
  return { planted: planted.map((v, i) => edits[i] === UNTOUCHED ? v : edits[i]), edits: new Uint8Array(edits.length).fill(UNTOUCHED) };
}

export class Painter {
  constructor(store, model) { Object.assign(this, { store, model, past: [], future: [], stroke: null }); }

  // which pane is corrected says `paint`: the mask shown, its superpixels, what was corrected and what was planted
  wants(pane) { return pane.spec.paint && ["superpixel", "brush", "eraser"].includes(this.model.get("tool")); }
  array(name) { return this.store.arrays.get(name); }
  now() { return { edits: this.array("edits").data, planted: this.array("planted").data }; }
  show(state) {
    for (const [name, data] of Object.entries(state)) this.store.arrays.set(name, { ...this.array(name), data });
    this.store.tell();
  }

  begin(pane, x, y) {
    const tool = this.model.get("tool"), paint = this.model.get("paint"), { shown, pieces } = pane.spec.paint;
    const L = this.store.get(shown), sp = this.store.get(pieces);
    if (!L?.data || !sp?.data || !this.array("edits")) return;
    const [H, W] = L.shape, before = this.now();
    const away = tool === "eraser" || tool === "superpixel" && L.data[y * W + x] === paint;
    this.stroke = { tool, H, W, before, edits: before.edits.slice(), L: full(sp, H, W), value: away ? 0 : paint, last: [x, y] };
    this.touch(x, y);
    this.show({ edits: this.stroke.edits });
  }
  move(x, y) {
    const s = this.stroke;
    for (const [u, v] of between(s.last, [x, y])) this.touch(u, v);
    s.last = [x, y];
    s.edits = s.edits.slice();  // another array, so that it is painted
    this.show({ edits: s.edits });
  }
  touch(x, y) {
    const { tool, H, W, L, edits, value } = this.stroke, i = y * W + x;
    if (tool !== "superpixel") return disc(edits, H, W, x, y, this.model.get("radius"), value);
    if (x >= 0 && y >= 0 && x < W && y < H && !(edits[i] === value)) give(edits, L, L[i], value);
  }
  end() {
    const { before, edits } = this.stroke;
    this.stroke = null;
    if (edits.some((v, i) => v !== before.edits[i])) this.keep(before);
  }

  keep(before) {
    this.past.push(before);
    if (this.past.length > MOST) this.past.shift();
    this.future = [];
    this.tell();
  }
  step(from, to) {
    if (!from.length || this.stroke) return;
    to.push(this.now());
    this.show(from.pop());
    this.tell();
  }
  undo() { this.step(this.past, this.future); }
  redo() { this.step(this.future, this.past); }
  plant() {
    const before = this.now();
    if (!before.edits.some((v) => v !== UNTOUCHED)) return;
    this.show(planted(before.edits, before.planted));
    this.keep(before);
  }
  clear() {
    const before = this.now(), nothing = new Uint8Array(before.edits.length).fill(UNTOUCHED);
    if (![before.edits, before.planted].some((a) => a.some((v) => v !== UNTOUCHED))) return;
    this.show({ edits: nothing, planted: nothing.slice() });
    this.keep(before);
  }
  forget() { this.past = []; this.future = []; this.stroke = null; }

  // Python hears of every step at once, with both maps, and keeps them on disk
  tell() {
    const { edits, planted } = this.now();
    this.model.send({ type: "paint", shape: this.array("edits").shape, past: this.past.length, future: this.future.length }, undefined, [edits.slice().buffer, planted.slice().buffer]);
  }
}
