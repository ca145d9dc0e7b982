// A pin: a picture that is kept beside the present one, and where the two differ.
import { array, edges, full, hw, same, top } from "./arrays.js";
import { dom, legendKey } from "./elements.js";
import { Pane } from "./pane.js";

const LOOKS = ["opacity", "lines", "fill", "extra"];  // how a map is painted: that follows the controls in the kept picture, too

// What each kind of map can differ in: 0 no difference, then a number for each of the words
export const DIFFERENCES = {
  labels: {
    words: ["gained", "lost", "another class"], colors: ["#E69F00", "#56B4E9", "#CC79A7"], caption: "{changed} % differ",
    compare(then, now, H, W, none = 255) {  // `none`: the label of what carries no label
      const out = new Uint8Array(now.length);
      for (let i = 0; i < out.length; i++) if (then[i] !== now[i]) out[i] = then[i] === none ? 1 : now[i] === none ? 2 : 3;
      return out;
    },
  },
  superpixels: {
    words: ["only now", "only pinned", "in both"], colors: ["#E69F00", "#56B4E9", "#FFFFFF"], lines: true, caption: "{now superpixel} now · {then} pinned, of all borders:",
    compare(then, now, H, W) {
      const out = new Uint8Array(now.length);
      for (const i of edges(now, H, W).at) out[i] = 1;
      for (const i of edges(then, H, W).at) out[i] |= 2;
      return out;
    },
  },
};
function kinds(L) {  // how many superpixels there are
  const there = new Uint8Array(1 + top(L));
  for (let i = 0; i < L.length; i++) there[L[i]] = 1;
  return there.reduce((a, b) => a + b, 0);
}
const percent = (n, of) => (100 * n / (of || 1)).toFixed(1);

// The difference of two maps at the picture's size, and what is said of it: labels in percent of the picture, borders of all borders
export function difference({ kind, none }, then, now, H, W) {
  const a = full(then, H, W), b = full(now, H, W), D = DIFFERENCES[kind].compare(a, b, H, W, none), n = [0, 0, 0, 0];
  for (let i = 0; i < D.length; i++) n[D[i]]++;
  const some = D.length - n[0], all = kind === "labels" ? D.length : some;
  const counts = kind === "superpixels" ? { now: kinds(b), then: kinds(a) } : {};
  return { ...array(D, [H, W], "uint8"), meta: { changed: percent(some, D.length), ...counts }, shares: n.slice(1).map((k) => percent(k, all)) };
}

class Beside extends Pane {  // a pane that stands in no list of Python's
  constructor(view, kept, spec) { super(view, view.panes.length); Object.assign(this, { kept, own: spec }); view.panes.push(this); }
  get spec() { return this.own; }
}

class Kept extends Beside {
  constructor(view, kept) {
    const { spec } = kept, layers = spec.layers.filter((o) => o.type !== "points");
    super(view, kept, { title: `pinned: ${spec.pin.said}`, caption: spec.caption, layers, hover: spec.hover });
    this.facts = kept.facts;
  }
  get model() { return this.kept.model; }
  array(o) { return this.kept.arrays.get(o.map) ?? super.array(o); }
}

class Difference extends Beside {
  constructor(view, kept) {
    const { colors, lines, caption } = DIFFERENCES[kept.spec.pin.kind];
    const layers = [{ type: "image", map: "image", keep: .35 }, { type: "difference", map: "difference", colors, lines }];
    super(view, kept, { title: "Difference from the pinned", caption, layers, hover: kept.spec.hover });
    this.line = dom("span");
    this.keys = dom("span", "wsss-legend");
    this.caption.append(this.line, this.keys);
  }
  array(o) {
    const { kept } = this, now = this.view.store.get(o.map === "difference" ? kept.spec.pin.map : o.map);
    if (o.map !== "difference") return now;
    if (now && kept.now !== now) Object.assign(kept, { now, difference: difference(kept.spec.pin, kept.map, now, ...hw(kept.image)) });
    this.found = now && kept.difference;  // there may be none now: no class is ticked
    this.facts = this.found?.meta ?? {};
    return this.found;
  }
  label() {
    const { words, colors } = DIFFERENCES[this.kept.spec.pin.kind], shares = this.found?.shares ?? [];
    this.entries = shares.map((share, i) => ({ name: `${words[i]} ${share} %`, color: colors[i] }));
    super.label(this.line);
    this.keys.replaceChildren(...this.entries.map(legendKey));
  }
}

const pinnable = (view) => view.panes.find((p) => p.spec.pin && !p.kept);
export function press({ model, panes }) {  // pin, or unpin
  if (!panes.some((p) => p.spec.pin)) return;
  model.set("pinned", !model.get("pinned")); model.save_changes();
}

// All of the picture as it is shown; undefined while it is on its way, or a slow map of it is
function take(view) {
  const { model, store } = view, pane = pinnable(view), found = pane?.gather(), slow = pane?.spec.pin.map.includes("~");
  if (!found?.length || slow && !store.arrays.has(store.key(pane.spec.pin.map))) return undefined;
  const arrays = new Map(found.map(([o, a]) => [o.map, a])), { spec } = pane, map = arrays.get(spec.pin.map);
  if (!map) return undefined;
  const state = Object.fromEntries(model.get("params").map((p) => [p, model.get(p)])), asked = (k) => LOOKS.includes(k) || !(k in state);
  return { spec, index: pane.index, arrays, image: arrays.get("image"), map, facts: { ...state, ...pane.facts }, model: { get: (k) => asked(k) ? model.get(k) : state[k] } };
}

// The pin of a view. What is kept lies in the store, so that all views of a canvas show it
export class Pin {
  constructor(view) { Object.assign(this, { view, panes: [] }); }

  draw() {
    const { model, store } = this.view;
    if (store.kept && !this.fits(store.kept)) { model.set("pinned", false); model.save_changes(); }
    if (!model.get("pinned")) store.kept = undefined;
    else store.kept ??= take(this.view);
    if (store.kept !== this.kept) this.arrange(store.kept);
    for (const p of this.panes) if (p.compose().length) p.label();
  }

  fits(kept) {  // the same picture, of the same pane; it may have come anew
    const { model, store } = this.view, image = store.arrays.get("image");
    if (image && image !== kept.image) { if (!same(image, kept.image)) return false; kept.image = image; }
    return JSON.stringify(model.get("panes")[kept.index]) === JSON.stringify(kept.spec);
  }

  // All panes as they stand on the page
  order(panes) {
    const row = this.kept ? [this.panes[0], panes[this.kept.index], this.panes[1]] : [], others = panes.filter((p) => !row.includes(p));
    return this.kept?.spec.paint ? [...others, ...row] : [...row, ...others];
  }

  // Kept, present and difference are the first row, whatever stood there; those of a picture that is corrected the last
  arrange(kept) {
    const { view } = this, mine = this.panes, held = mine.some((p) => p.el.contains(document.activeElement));
    view.panes = view.panes.filter((p) => !mine.includes(p));
    for (const p of mine) p.el.remove();
    if (view.cursor?.pane >= view.panes.length) view.leave();
    this.kept = kept; this.panes = [];
    const present = pinnable(view);
    if (kept) {
      this.panes = [new Kept(view, kept), new Difference(view, kept)];
      present.el.before(this.panes[0].el); present.el.after(this.panes[1].el);
    }
    for (const p of [present, ...this.panes]) {
      p?.el.classList.toggle("wsss-beside", !!kept);
      p?.el.classList.toggle("wsss-low", !!kept?.spec.paint);
    }
    if (held) present.canvas.focus();  // or the keys would go nowhere
    view.widen();
  }
}
