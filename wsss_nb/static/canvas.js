// The canvas: arrays come once from Python; pictures are composed here, at every move of a slider, without asking it.
// One default export a model: what `initialize` and all its views share lives in one closure.

const INFERNO = table("000004 0d0829 280b53 470b6a 65156e 82206c 9f2a63 bb3755 d44842 e8602d f57d15 fc9f07 fac228 f3e55d fcffa4");
const GREY = table("000000 ffffff");
const CIVIDIS = table("00224e 083370 35456c 4f576c 666970 7d7c78 958f78 aea371 c8b866 e5cf52 fee838");
const QUIET = 250;   // ms without a change before something slow is asked for
const HANDS_OFF = 300;  // ms before a wait is worth a word
const NO_TRUTH = { empty: "no true mask of this picture\nto compare with" };

// ---------------------------------------------------------------- small tools

function table(hexes) {  // (256 x 3) colours between the given ones
  const c = hexes.split(" ").map(hex), out = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const t = i / 255 * (c.length - 1), k = Math.min(Math.floor(t), c.length - 2);
    for (let j = 0; j < 3; j++) out[3 * i + j] = Math.round(c[k][j] + (t - k) * (c[k + 1][j] - c[k][j]));
  }
  return out;
}
function hex(s) { const v = parseInt(s.replace("#", ""), 16); return [v >> 16 & 255, v >> 8 & 255, v & 255]; }
function golden(i) {  // colours of neighbouring ids lie far apart
  const h = i * 0.618034 % 1 * 6, l = [.62, .42, .76][i % 3], s = [.75, .8, .6][i % 3], a = s * Math.min(l, 1 - l);
  return [0, 4, 2].map((n) => { const k = (n + h) % 6; return Math.round(255 * (l - a * Math.max(-1, Math.min(k < 3 ? k - 1 : 3 - k, 1)))); });
}
function dom(tag, cls, parent, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  parent?.append(e);
  return e;
}
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };
const hw = (a) => a.shape.length === 3 && a.shape[2] === 3 && a.dtype === "uint8" ? a.shape.slice(0, 2) : a.shape.slice(-2);
// Facts that are parts of one, whole only by chance: 1.000. Numbers from Python do not tell a float from an int.
const RATIO = /^(other_)?(ue|br|bp|asa|m?iou|coverage|precision|recall|labelled|z)(0|_after)?$/;
function say(v, ratio = false) {
  if (typeof v !== "number") return String(v);
  const text = Number.isInteger(v) && !ratio ? v.toLocaleString("en") : v.toFixed(Math.abs(v) >= 100 ? 0 : 3);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

// ---------------------------------------------------------------- maps that are computed here: the same numbers as the library's

const OPS = {
  // (3.4), then (3.5) over it. M (k,H,W): the present classes only; classes (k,); bg: the superpixel that is background
  seed({ M, classes, sp, bg }, { alpha }) {
    const n = sp.data.length, out = new Uint8Array(n), a = Math.fround(alpha), back = bg.data[0];
    for (let i = 0; i < n; i++) {
      let top = M.data[i], at = 0;
      for (let c = 1; c < classes.data.length; c++) { const v = M.data[c * n + i]; if (v > top) { top = v; at = c; } }
      out[i] = sp.data[i] === back ? 0 : top > a ? classes.data[at] : 255;
    }
    return said(array(out, sp.shape, "uint8"));
  },
  // (3.6): H (k,H,W), mean over the free pixels of each superpixel; (n,k), NaN where none is free
  scores({ H, sp, seed }) {
    const N = sp.data.length, k = H.shape[0], n = 1 + sp.data.reduce((a, b) => Math.max(a, b), -1);
    const out = new Float64Array(n * k), size = new Float64Array(n);
    for (let i = 0; i < N; i++) if (seed.data[i] === 255 && sp.data[i] >= 0) {
      size[sp.data[i]]++;
      for (let c = 0; c < k; c++) out[sp.data[i] * k + c] += H.data[c * N + i];
    }
    for (let s = 0; s < n; s++) for (let c = 0; c < k; c++) out[s * k + c] /= size[s];
    return array(out, [n, k], "float64");
  },
  // (3.7): what each superpixel takes, 255 for nothing; (n,)
  choice({ s, classes }, { beta_bg, beta_fg }) {
    const [n, k] = s.shape, out = new Uint8Array(n).fill(255), bb = Math.fround(beta_bg), bf = Math.fround(beta_fg);
    for (let i = 0; i < n; i++) {
      let top = -1, at = -1;
      for (let c = 0; c < k; c++) if (s.data[i * k + c] > top) { top = s.data[i * k + c]; at = classes.data[c]; }
      if (at >= 0 && top > (at === 0 ? bb : bf)) out[i] = at;
    }
    return array(out, [n], "uint8");
  },
  grow({ seed, sp, choice }) {
    const out = seed.data.slice();
    for (let i = 0; i < out.length; i++) if (out[i] === 255 && sp.data[i] >= 0) out[i] = choice.data[sp.data[i]];
    return said(array(out, seed.shape, "uint8"));
  },
  // the highest mean probability of each superpixel that may still be taken, over its free pixels; 0 elsewhere
  surest({ s, sp, seed }) {
    const [n, k] = s.shape, top = new Float32Array(n), out = new Float32Array(sp.data.length);
    for (let i = 0; i < n * k; i++) { const v = s.data[i], at = Math.floor(i / k); if (v > top[at]) top[at] = v; }
    for (let i = 0; i < out.length; i++) if (seed.data[i] === 255 && sp.data[i] >= 0) out[i] = top[sp.data[i]];
    return array(out, sp.shape, "float32");
  },
  // O of (2.6); what nobody knows of comes as a number below 0
  threshold({ S }, { alpha }) {
    const t = Math.fround(alpha);
    const v = S.data, out = new Uint8Array(v.length);  // `Uint8Array.from` takes ten times as long
    for (let i = 0; i < v.length; i++) out[i] = v[i] < 0 ? 255 : v[i] > t ? 1 : 0;
    return array(out, S.shape, "uint8");
  },
  // (2.6): R from O and B
  refine({ O, B }, { tau1, tau2 }) {
    const out = new Uint8Array(O.data.length), hi = Math.fround(tau1), lo = Math.fround(tau2);
    for (let i = 0; i < out.length; i++) {
      const o = O.data[i], b = B.data[i];
      out[i] = b > hi && o === 0 ? 1 : b < lo && o === 1 ? 255 : o;
    }
    return array(out, O.shape, "uint8");
  },
  // for the lines of both thresholds: 0 below tau2, 2 above tau1
  bands({ B }, { tau1, tau2 }) {
    const hi = Math.fround(tau1), lo = Math.fround(tau2);
    const v = B.data, out = new Uint8Array(v.length);
    for (let i = 0; i < v.length; i++) out[i] = v[i] > hi ? 2 : v[i] >= lo ? 1 : 0;
    return array(out, B.shape, "uint8");
  },
  // R with what was put in as 2, and how much it was
  corrections({ O, R }) {
    const n = O.data.length, out = R.data.slice();
    let more = 0, less = 0;
    for (let i = 0; i < n; i++) if (R.data[i] === 1 && O.data[i] === 0) { out[i] = 2; more++; } else if (R.data[i] === 255 && O.data[i] === 1) less++;
    const share = (v) => `${(100 * v / n).toFixed(1)} %`;
    return { ...array(out, R.shape, "uint8"), meta: { more: share(more), less: share(less) } };
  },
  // how well maps of 0, 1 and 255 agree with the truth T, over what is labelled; before and after
  agreement({ O, R, T }) {
    const judged = (S) => {
      const s = S.data, t = T.data;
      let known = 0, kept = 0, hit = 0, said = 0, object = 0;
      for (let i = 0; i < t.length; i++) if (t[i] !== 255) {
        known++;
        if (s[i] === 255) continue;
        kept++; said += s[i]; object += t[i]; hit += s[i] & t[i];
      }
      const ratio = (a, b) => b ? a / b : null;
      return { iou: ratio(hit, said + object - hit), precision: ratio(hit, said), recall: ratio(hit, object), labelled: kept / Math.max(1, known) };
    };
    if (O.judged?.T !== T) O.judged = { T, q: judged(O) };  // the raw map changes seldom
    const before = O.judged.q, after = judged(R);
    const names = ["iou", "precision", "recall", "labelled"], pick = (q) => names.map((k) => q[k]);
    return { shape: [], meta: { iou0: before.iou, ...after },
      stats: { names: ["IoU", "precision", "recall", "labelled"], range: [0, 1], digits: 2, series: [
        { name: "raw", color: "#56B4E9", values: pick(before) }, { name: "refined", color: "#E69F00", values: pick(after) }] } };
  },
  // (2.8): H (k,H,W) of the present classes, b one switch for each
  attention({ H }, { b }) {
    const n = H.shape[1] * H.shape[2], out = new Float32Array(n);  // the sum first: in float32 it is not the same
    for (let c = 0; c < H.shape[0]; c++) if (b[c]) for (let i = 0; i < n; i++) out[i] += H.data[c * n + i];
    return array(out.map((v) => 1 - v), H.shape.slice(1), "float32");
  },
  // (2.9), the mean colour put back where it was taken away
  masked({ image, F, mean }) {
    const out = new Uint8ClampedArray(image.data.length);
    for (let i = 0; i < F.data.length; i++) for (let j = 0; j < 3; j++) {
      const m = mean.data[j];
      out[3 * i + j] = Math.fround(F.data[i] * Math.fround(image.data[3 * i + j] - Math.fround(m))) + m;
    }
    return array(new Uint8Array(out.buffer), image.shape, "uint8");
  },
  // how much of the picture a seed labels, and how much of that is right; for each class, too
  quality({ L, gt }, _, m) {
    const names = m.get("classes"), K = names.length, of = new Float64Array(K), said = new Float64Array(K), hit = new Float64Array(K);
    for (let i = 0; i < gt.data.length; i++) {
      const g = gt.data[i], l = L.data[i];
      if (g === 255) continue;
      of[g]++;
      if (l !== 255) { said[l]++; if (l === g) hit[l]++; }
    }
    const sum = (a) => a.reduce((x, y) => x + y, 0), here = [...of.keys()].filter((c) => of[c] || said[c]);
    const ratio = (a, b) => b ? a / b : null;
    return { shape: [], meta: { labelled: undefined, coverage: ratio(sum(said), sum(of)), precision: ratio(sum(hit), sum(said)) },
      stats: { names: here.map((c) => names[c]), range: [0, 1], series: [
        { name: "coverage", color: "#56B4E9", values: here.map((c) => ratio(hit[c], of[c])) },
        { name: "precision", color: "#E69F00", values: here.map((c) => ratio(hit[c], said[c])) }] } };
  },
};
function array(data, shape, dtype) { return { data, shape, dtype }; }
function said(L) {  // a label map, with the share of it that carries a label
  let n = 0;
  for (const l of L.data) n += l !== 255;
  return { ...L, meta: { labelled: n / L.data.length } };
}

// ---------------------------------------------------------------- the store: what came from Python, and what is computed from it

class Store {
  constructor(model) {
    Object.assign(this, { model, arrays: new Map(), versions: new Map(), asked: new Map(), missing: new Map(), memo: new Map(), listeners: new Set(), timers: new Map() });
    this.error = this.gone = ""; this.changed = performance.now();
    model.on("msg:custom", (msg, buffers) => this.receive(msg, buffers));
  }

  // "sp|tau,order" -> "sp|tau=0.3|order=0"; a name that is no parameter is looked up in what the last answers said
  key(ref, calm = false) {
    const [name, names] = ref.split("|");
    if (!names) return name;
    return [name, ...names.split(",").map((p) => {
      const q = p.replace("~", ""), v = this.model.get(q) ?? this.said?.[q];
      return `${q}=${calm && p !== q ? 0 : typeof v === "string" ? v : +(+v).toFixed(6)}`;
    })].join("|");
  }

  // the array of a reference, or undefined if it is on its way, or null if Python has none
  get(ref, settle = false) {
    const d = this.model.get("derived")[ref];
    if (d) return this.derive(ref, d);
    const key = this.key(ref), have = this.arrays.get(key);
    if (have || key.includes("NaN")) return have;  // NaN: a parameter that is itself on its way
    const slow = ref.includes("~") && key !== this.key(ref, true);
    this.ask(key, settle || slow);
    if (this.missing.has(key)) { this.error ||= this.missing.get(key); return null; }
    return slow ? this.arrays.get(this.key(ref, true)) ?? (this.ask(this.key(ref, true)), undefined) : undefined;
  }

  derive(name, d) {
    const inputs = {}, p = {};
    for (const k in d) {
      if (k === "op") continue;
      if (k === "params") { for (const q of d.params) p[q] = this.model.get(q); continue; }
      inputs[k] = this.get(d[k]);
      if (inputs[k] === undefined || inputs[k] === null) return inputs[k];
    }
    const old = this.memo.get(name), now = [...Object.values(inputs), JSON.stringify(p)];
    if (old && now.length === old.from.length && now.every((v, i) => v === old.from[i])) return old.value;
    const value = OPS[d.op](inputs, p, this.model);
    this.memo.set(name, { from: now, value });
    return value;
  }

  // At most one question of a name is under way: the next is asked when the answer is here, so the last value wins
  ask(key, settle = false) {
    const name = key.split("|")[0];
    if (this.asked.has(name) || this.missing.has(key) || this.gone) return;
    const wait = settle ? QUIET - (performance.now() - this.changed) : 0;
    if (wait > 0) {
      if (!this.timers.has(name)) this.timers.set(name, setTimeout(() => { this.timers.delete(name); this.tell(); }, wait));
      return;
    }
    this.asked.set(name, { key, at: performance.now() });
    setTimeout(() => this.asked.size && this.tell("wait"), HANDS_OFF);
    this.model.send({ type: "need", key });
  }

  receive(msg, buffers) {
    if (msg.type === "fresh") {
      for (const [name, version] of Object.entries(msg.names)) {
        this.versions.set(name, version); this.asked.delete(name);
        for (const m of [this.arrays, this.missing]) for (const k of [...m.keys()]) if (k.split("|")[0] === name) m.delete(k);
      }
      return this.tell();
    }
    if (msg.type === "read") return this.answer(msg);
    if (msg.type === "file") { this.file = { name: msg.name, url: URL.createObjectURL(new Blob([buffers[0]], { type: msg.mime })) }; return this.tell(); }
    const name = msg.key.split("|")[0];
    if (msg.version < (this.versions.get(name) ?? 0)) return;
    this.asked.delete(name);
    if (msg.type === "none") this.missing.set(msg.key, msg.text || "");
    else this.keep(msg.key, msg, buffers[0]);
    this.tell();
  }

  keep(key, { shape, dtype, meta }, view) {
    const data = new TYPES[dtype](view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    this.arrays.set(key, { data, shape, dtype, meta });
    let size = 0;
    for (const [k, a] of [...this.arrays].reverse()) if ((size += a.data.byteLength) > 2 ** 28 && k.includes("|")) this.arrays.delete(k);
  }

  answer({ id, name }) {
    const a = this.get(name);
    if (!a?.data) return this.model.send({ type: "value", id, shape: null });
    this.model.send({ type: "value", id, shape: a.shape, dtype: a.dtype }, undefined, [a.data.buffer]);
  }

  tell(what) { for (const f of this.listeners) f(what); }
}

// ---------------------------------------------------------------- layers: each paints on (H,W,4)

const of = (m, v, or) => v === undefined ? or : typeof v === "string" ? m.get(v) : v;

function sampler(a, H, W) {  // index of the map's cell under pixel (y,x), as a nearest resize takes it
  const [h, w] = hw(a);
  if (h === H && w === W) return null;
  const xs = Int32Array.from({ length: W }, (_, x) => Math.min(w - 1, Math.floor((x + .5) * w / W)));
  const ys = Int32Array.from({ length: H }, (_, y) => Math.min(h - 1, Math.floor((y + .5) * h / H)) * w);
  return { xs, ys };
}
const sampled = new WeakMap();
function full(a, H, W) {  // the map at the picture's size; kept, because the same map is painted many times
  const [h, w] = hw(a), planes = a.shape.length === 3 && !(a.shape[2] === 3 && a.dtype === "uint8") ? a.shape[0] : 1;
  if (h === H && w === W) return a.data;
  if (sampled.has(a) && sampled.get(a).length === H * W * planes) return sampled.get(a);
  const { xs, ys } = sampler(a, H, W), out = new a.data.constructor(H * W * planes);
  for (let c = 0, i = 0; c < planes; c++) for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) out[i++] = a.data[c * h * w + ys[y] + xs[x]];
  sampled.set(a, out);
  return out;
}
// What follows from a map alone is computed once: `kept(table, map, make)`
const edgesOf = new WeakMap(), topOf = new WeakMap(), rgbaOf = new WeakMap(), fillsOf = new WeakMap(), planesOf = new WeakMap(), ids = new WeakMap();
function kept(table, key, make) { let v = table.get(key); if (v === undefined) table.set(key, v = make()); return v; }
let last = 0;
const id = (a) => kept(ids, a, () => ++last);
const top = (L) => kept(topOf, L, () => { let n = 0; for (let i = 0; i < L.length; i++) if (L[i] > n) n = L[i]; return n; });
const edges = (L, H, W) => kept(edgesOf, L, () => {  // pixels beside another label, and the lower of the two
  const at = new Int32Array(L.length), low = new Int32Array(L.length);
  let n = 0;
  for (let y = 0, i = 0; y < H; y++) for (let x = 0; x < W; x++, i++) {
    const l = L[i], r = x + 1 < W ? L[i + 1] : l, d = y + 1 < H ? L[i + W] : l;
    if (l !== r || l !== d) { at[n] = i; low[n++] = l < r ? (l < d ? l : d) : r < d ? r : d; }
  }
  return { at: at.slice(0, n), low: low.slice(0, n) };
});
const plane = (a, c, H, W) => kept(kept(planesOf, full(a, H, W), () => new Map()), c, () => full(a, H, W).subarray(c * H * W, (c + 1) * H * W));
const rgba = (a) => kept(rgbaOf, a, () => {
  const I = a.data, out = new Uint8ClampedArray(I.length / 3 * 4);
  for (let i = 0, j = 0; i < out.length; i += 4, j += 3) { out[i] = I[j]; out[i + 1] = I[j + 1]; out[i + 2] = I[j + 2]; out[i + 3] = 255; }
  return out;
});
function dot(px, i, H, W, t, [r, g, b]) {
  const x0 = i % W, y0 = (i - x0) / W;
  for (let y = y0; y < Math.min(H, y0 + t); y++) for (let x = x0; x < Math.min(W, x0 + t); x++) { const p = 4 * (y * W + x); px[p] = r; px[p + 1] = g; px[p + 2] = b; }
}
function lines(px, L, H, W, color, upto = Infinity) {
  const t = Math.max(1, Math.round(Math.max(H, W) / 400)), e = edges(L, H, W);
  for (let k = 0; k < e.at.length; k++) if (e.low[k] <= upto) dot(px, e.at[k], H, W, t, color);
}
function ring(px, L, H, W, which, color) {  // the border of one label
  const t = Math.max(1, Math.round(Math.max(H, W) / 400)), e = edges(L, H, W).at;
  for (const i of e) if ((L[i] === which) !== (L[i + 1] === which) || (L[i] === which) !== (L[i + W] === which)) dot(px, i, H, W, t, color);
}

const FILLS = ["none", "mean", "hue", "order"];
const LAYERS = {
  image(px, a) { px.set(rgba(a)); },
  labels(px, a, H, W, o, m) {
    const L = a.shape.length > 2 ? plane(a, of(m, o.channel, 0), H, W) : full(a, H, W);
    const colors = m.get("colors").map(hex), alpha = of(m, o.opacity, .6), t = 2 * Math.max(1, Math.round(Math.max(H, W) / 300)), hatch = o.hatch !== false;
    for (let y = 0, i = 0; y < H; y++) for (let x = 0; x < W; x++, i++) {
      const l = L[i], p = 4 * i;
      if (l === 0 && !o.background) continue;
      if (l === 255) {
        if (hatch && Math.floor((x + y) / t) % 4 === 0) for (let j = 0; j < 3; j++) px[p + j] += .75 * (255 - px[p + j]);
      } else {
        const c = colors[l % colors.length];
        px[p] += alpha * (c[0] - px[p]); px[p + 1] += alpha * (c[1] - px[p + 1]); px[p + 2] += alpha * (c[2] - px[p + 2]);
      }
    }
    if (o.lines !== false) lines(px, L, H, W, [255, 255, 255]);
  },
  superpixels(px, a, H, W, o, m) {
    const L = full(a, H, W), n = 1 + top(L), fill = FILLS[of(m, o.fill, 0)], upto = o.reveal ? m.get(o.reveal) : n;
    if (fill !== "none") {
      const C = fillColors(px, L, n, fill);
      for (let i = 0, p = 0; i < L.length; i++, p += 4) if (L[i] >= 0) { const c = 3 * L[i]; px[p] = C[c]; px[p + 1] = C[c + 1]; px[p + 2] = C[c + 2]; }
    }
    if (upto < n - 1) for (let i = 0, p = 0; i < L.length; i++, p += 4) if (L[i] > upto) { px[p] >>= 2; px[p + 1] >>= 2; px[p + 2] >>= 2; }
    if (of(m, o.lines, true)) lines(px, L, H, W, [255, 230, 0], upto);
    if (upto < n - 1) ring(px, L, H, W, upto, [255, 255, 255]);
  },
  heat(px, a, H, W, o, m) {
    const v = full(a, H, W), at = of(m, o.channel, 0) * H * W, lo = o.lo ?? 0, T = { cividis: CIVIDIS, grey: GREY }[o.colors] ?? INFERNO, alpha = of(m, o.opacity, .8);
    let hi = o.hi ?? 1;
    if (hi === "max") { hi = lo; for (let i = 0; i < H * W; i++) hi = Math.max(hi, v[at + i]); }
    const k = 1 / (hi - lo || 1);
    for (let i = 0, p = 0; i < H * W; i++, p += 4) {
      let t = (v[at + i] - lo) * k;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const c = 3 * Math.round(255 * t), s = o.solid ? 1 : alpha * (t > .5 ? 1 : 2 * t);
      px[p] += s * (T[c] - px[p]); px[p + 1] += s * (T[c + 1] - px[p + 1]); px[p + 2] += s * (T[c + 2] - px[p + 2]);
    }
  },
  veil(px, a, H, W, o) {  // what is outside steps back
    const L = full(a, H, W), keep = o.keep ?? .35;
    for (let i = 0, p = 0; i < L.length; i++, p += 4) if (!L[i]) for (let j = 0; j < 3; j++) px[p + j] *= keep;
  },
  outline(px, a, H, W, o) {
    lines(px, full(a, H, W), H, W, hex(o.color ?? "#ffffff"));
  },
};
function fillColors(px, L, n, how) {  // (n,3)
  return how === "mean" ? makeFills(px, L, n, how) : kept(kept(fillsOf, L, () => new Map()), how, () => makeFills(px, L, n, how));
}
function makeFills(px, L, n, how) {
  const out = new Float32Array(3 * n), size = new Float32Array(n);
  if (how === "mean") {
    for (let i = 0; i < L.length; i++) if (L[i] >= 0) { size[L[i]]++; for (let j = 0; j < 3; j++) out[3 * L[i] + j] += px[4 * i + j]; }
    return out.map((v, i) => v / (size[Math.floor(i / 3)] || 1));
  }
  for (let i = 0; i < n; i++) { const c = how === "hue" ? golden(i) : Array(3).fill(255 * (1 - .88 * i / Math.max(1, n - 1))); for (let j = 0; j < 3; j++) out[3 * i + j] = c[j]; }
  return out;
}

// ---------------------------------------------------------------- a pane: one picture

class Pane {
  constructor(view, index) {
    Object.assign(this, { view, index, stamps: [] });
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

  // the arrays of all layers, or null while one of them is on its way: a pane never shows a mixture of old and new
  gather() {
    const S = this.view.store, m = this.view.model, out = [];
    for (const o of this.spec.layers) {
      if (o.when !== undefined && !of(m, o.when)) continue;
      const a = S.get(o.map, o.settle);
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
    const m = this.view.model, painted = found.filter(([o]) => LAYERS[o.type]);
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
    const ring = (p, color) => { const [x, y] = at(p[0] + .5, p[1] + .5); for (const [c, w] of [["#000", 4], [color, 2]]) { g.strokeStyle = c; g.lineWidth = w * r / 5; g.beginPath(); g.arc(x, y, r, 0, 7); g.stroke(); } };
    for (const o of this.spec.layers) if (o.type === "points" && (o.when === undefined || of(v.model, o.when)) && !(o.at === "step" && v.model.get("step") >= v.model.get("steps") - 1)) {
      const a = v.store.get(o.map, o.settle), i = of(v.model, o.at, 0);
      if (a?.data && i < a.shape[0]) ring([a.data[i * a.shape[1]], a.data[i * a.shape[1] + 1]], "#fff");
    }
    if (v.clicked) ring(v.clicked, "#00e5ff");
    if (v.cursor && v.cursor.pane !== this.index) {  // where another picture is pointed at: a cross, so that it is not taken for what was clicked
      const [x, y] = at(v.cursor.x + .5, v.cursor.y + .5), arm = 1.4 * r;
      g.beginPath(); g.moveTo(x - arm, y); g.lineTo(x + arm, y); g.moveTo(x, y - arm); g.lineTo(x, y + arm);
      for (const [c, w] of [["#000", 3.5], ["#fff", 1.5]]) { g.strokeStyle = c; g.lineWidth = w * r / 5; g.stroke(); }
    }
    const path = v.lasso;
    if (path.length > 1) {
      g.beginPath(); path.forEach(([x, y], i) => g[i ? "lineTo" : "moveTo"](...at(x, y)));
      if (!v.drawing) g.closePath();
      for (const [c, w, d] of [["#000", 3, []], ["#fff", 1.5, [6, 4]]]) { g.setLineDash(d); g.strokeStyle = c; g.lineWidth = w * r / 5; g.stroke(); }
      g.setLineDash([]);
    }
  }
  scale() { return this.over.width / this.off.width * this.view.zoom.scale; }
  where(e) {  // image coordinates of a pointer
    const b = this.canvas.getBoundingClientRect(), k = this.off.width / b.width / this.view.zoom.scale, z = this.view.zoom;
    return [(e.clientX - b.left) * k + z.x, (e.clientY - b.top) * k + z.y];
  }
}

function listen(pane) {
  const { canvas, view } = pane;
  let down = null, moved = false;
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button) return;
    canvas.focus({ preventScroll: true }); canvas.setPointerCapture(e.pointerId);
    down = [e.clientX, e.clientY, view.zoom.x, view.zoom.y]; moved = false;
    if (view.model.get("tool") === "lasso") { view.lasso = [pane.where(e)]; view.drawing = true; }
  });
  canvas.addEventListener("pointermove", (e) => {
    const [x, y] = pane.where(e);
    if (down) {
      moved ||= Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 4;
      if (view.drawing) { view.lasso.push([x, y]); return view.overlay(); }
      if (moved && view.zoom.scale > 1) {
        const k = pane.off.width / canvas.clientWidth / view.zoom.scale;
        return view.pan(down[2] - (e.clientX - down[0]) * k, down[3] - (e.clientY - down[1]) * k);
      }
    }
    view.hover(pane, Math.floor(x), Math.floor(y));
  });
  canvas.addEventListener("pointerup", (e) => {
    if (!down) return;
    const [x, y] = pane.where(e);
    down = null;
    if (view.drawing) return view.finish(pane);
    if (!moved && view.inside(pane, x, y)) view.click(pane, Math.floor(x), Math.floor(y));
  });
  canvas.addEventListener("pointerleave", () => view.leave());
  canvas.addEventListener("dblclick", () => view.reset());
  // Without Ctrl a wheel belongs to the page, unless this picture has been clicked
  canvas.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && !e.metaKey && document.activeElement !== canvas) return;
    e.preventDefault(); view.zoomAt(pane, ...pane.where(e), Math.exp(-e.deltaY / 300));
  }, { passive: false });
  canvas.addEventListener("keydown", (e) => view.keydown(e, pane));
}

// ---------------------------------------------------------------- a view: all panes, one zoom, one cursor

// A slider's handle has no name of its own: it takes that of the label beside it
function name(root) {
  for (const h of root.closest(".wsss-explorer")?.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])") ?? []) {
    const label = h.closest(".widget-slider").querySelector(".widget-label")?.textContent;
    if (label) h.setAttribute("aria-label", label);
  }
}

class View {
  constructor(model, store, el) {
    Object.assign(this, { model, store, zoom: { scale: 1, x: 0, y: 0 }, lasso: [], panes: [], drawn: 0 });
    this.root = dom("div", "wsss-canvas", el);
    this.root.wsss = store;  // for the curious, and for tests
    this.root.dataset.lmSuppressShortcuts = "true";  // else JupyterLab takes the arrow keys
    this.grid = dom("div", "wsss-grid", this.root);
    this.foot = dom("div", "wsss-foot", this.root);
    this.legend = dom("div", "wsss-legend", this.foot);
    this.file = dom("a", "wsss-file", this.foot);
    this.readout = dom("output", "wsss-readout", this.foot);
    this.alert = dom("div", "wsss-alert", this.root);
    this.alert.setAttribute("role", "alert");
    this.build();
    this.sized = new ResizeObserver(() => this.panes.forEach((p) => p.image && p.paint()));
    this.sized.observe(this.grid);
  }

  build() {
    this.grid.replaceChildren();
    const specs = this.model.get("panes");
    this.panes = specs.map((_, i) => new Pane(this, i));
    this.grid.style.setProperty("--n", Math.max(1, Math.min(specs.length, 3)));
    this.legend.replaceChildren(...this.model.get("legend").map(({ name, color }) => {
      const e = dom("span", "wsss-key"); dom("i", "", e).style.background = color; e.append(name); return e;
    }));
    this.draw();
  }

  draw(what) {
    const said = {}, image = this.store.arrays.get("image");
    if (what === "wait") return this.note();
    name(this.root);
    if (image && image !== this.image) { this.clicked = null; this.lasso = []; this.zoom = { scale: 1, x: 0, y: 0 }; this.image = image; }  // marks of another picture
    this.store.error = "";  // what goes wrong is said as long as it is looked at
    for (const p of this.panes) {
      const found = p.compose(), facts = {};
      for (const [, a] of found) Object.assign(facts, a.meta);
      for (const s of p.spec.stats ?? []) { const q = this.store.get(s); Object.assign(facts, q?.meta); if (q !== undefined) this.publish("stats", q?.stats ?? NO_TRUTH); }
      if (found.length) { p.facts = Object.assign(facts, this.columns(p)); p.label(); }
      Object.assign(said, p.facts);
    }
    this.store.said = said; this.publish("meta", said); this.follow(said);
    const ready = this.panes.every((p) => !p.el.classList.contains("wsss-waiting") && p.image);
    this.root.dataset.ready = +ready; this.root.dataset.drawn = ++this.drawn;
    if (this.cursor) this.hover(this.panes[this.cursor.pane], this.cursor.x, this.cursor.y);
    this.note();
  }

  columns(pane) {  // facts that are a row of a table, such as what is known of the superpixel of this step
    const out = { step: this.model.get("step"), epoch: this.model.get("epoch") };
    for (const f of pane.spec.facts ?? []) {
      const a = this.store.get(f.map, f.settle), i = of(this.model, f.at, 0);
      if (a?.data && i < a.shape[0]) f.names.forEach((n, c) => { if (n) out[n] = a.data[i * (a.shape[1] ?? 1) + c]; });
    }
    return out;
  }

  follow(said) {  // as many steps as there are superpixels; who looked at all of them still does
    const m = this.model, n = said[m.get("follow")], old = m.get("steps"), at = m.get("step");
    if (!m.get("follow") || n === undefined || n === old) return;
    m.set("steps", n); m.set("last", n - 1); m.set("step", at >= old - 1 ? n - 1 : Math.min(at, n - 1));
    m.save_changes();
  }

  publish(name, value) {  // to Python and to charts linked here, only if it is news
    const text = JSON.stringify(value);
    if (this[`_${name}`] === text) return;
    this[`_${name}`] = text; this.model.set(name, value);
    clearTimeout(this.saving); this.saving = setTimeout(() => this.model.save_changes(), 100);
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
    this.cursor = { pane: pane.index, x, y };
    const real = new Set(), facts = { x, y, ...this.look(pane, x, y, real) };
    this.readout.dataset.hover = JSON.stringify(facts);
    this.readout.textContent = Object.entries(facts).map(([k, v]) => `${k} ${say(v, real.has(k))}`).join("  ·  ");
    this.overlay();
  }

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
      const v = this.at(a, x, y, H, W, of(this.model, h.channel, 0));
      if (h.kind === "class") out[h.label ?? "class"] = v === 255 ? "unlabeled" : names[v] ?? v;
      else if (h.kind === "size") out[h.label ?? "size"] = this.size(a, v, H, W);
      else out[h.label ?? h.map] = v;
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
  leave() { this.cursor = null; this.readout.textContent = ""; delete this.readout.dataset.hover; this.overlay(); }
  overlay() { for (const p of this.panes) if (p.image) p.mark(); }

  click(pane, x, y) {
    this.clicked = [x, y]; this.overlay();
    this.model.send({ type: "click", pane: pane.index, x, y });
  }
  finish(pane) {
    this.drawing = false; this.overlay();
    const points = this.lasso.map((p) => p.map((v) => Math.round(10 * v) / 10));
    if (points.length > 2) this.model.send({ type: "lasso", pane: pane.index, points });
  }

  keydown(e, pane) {
    const move = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[e.key], mid = [pane.off.width / 2, pane.off.height / 2];
    if (e.key === " " && this.model.get("steps") > 1) toggle(this.model);
    else if (move && this.model.get("steps") > 1) step(this.model, move);
    else if (e.key === "+" || e.key === "=") this.zoomAt(pane, ...mid, 1.5);
    else if (e.key === "-") this.zoomAt(pane, ...mid, 1 / 1.5);
    else if (e.key === "0" || e.key === "Escape") this.reset();
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
  remove() { this.sized.disconnect(); }
}

Pane.prototype.label = function () {
  const spec = this.spec, fill = (text) => text.split(" · ").map((part) => {
    let whole = true;
    const said = part.replace(/{(\w+)}/g, (_, k) => { const v = this.facts[k]; if (v === undefined || v === null) whole = false; return say(v, RATIO.test(k)); });
    return whole ? said : "";
  }).filter(Boolean).join(" · ");
  this.title.textContent = fill(spec.title ?? ""); this.caption.textContent = fill(spec.caption ?? "");
  this.canvas.setAttribute("aria-label", `${this.title.textContent}: ${this.caption.textContent}`);
};

// ---------------------------------------------------------------- play: a clock that moves `step`

function step(model, by) {
  const n = model.get("steps");
  model.set("step", (model.get("step") + by + n) % n); model.save_changes();
}
function toggle(model) { model.set("playing", !model.get("playing")); model.save_changes(); }
function clock(model) {
  let timer = null;
  const tick = () => {
    if (model.get("step") + 1 >= model.get("steps")) { model.set("playing", false); return model.save_changes(); }
    step(model, 1);
    timer = setTimeout(tick, 1000 / model.get("speed"));
  };
  model.on("change:playing", () => {
    clearTimeout(timer);
    if (!model.get("playing")) return;
    if (model.get("step") + 1 >= model.get("steps")) { model.set("step", 0); model.save_changes(); }
    timer = setTimeout(tick, 1000 / model.get("speed"));
  });
  return () => clearTimeout(timer);
}

// ---------------------------------------------------------------- the kernel may go away under the page

const GONE = "The kernel is gone. What is here can still be looked at, but nothing new will be computed: run the cells again, or reload the page.";
function watch(model, store) {
  const gone = () => { store.gone = GONE; store.asked.clear(); store.tell(); };
  const kernel = model.widget_manager?.kernel ?? model.widget_manager?.context?.sessionContext?.session?.kernel;
  const bad = ["dead", "restarting", "autorestarting", "terminating", "unknown"];
  const look = (_, status) => bad.includes(status ?? kernel.status) && gone();
  const link = (_, status) => { if (status === "disconnected") gone(); };
  kernel?.statusChanged?.connect(look); kernel?.connectionStatusChanged?.connect(link); kernel?.disposed?.connect?.(gone);
  model.on("comm:close", gone);
  return () => { kernel?.statusChanged?.disconnect(look); kernel?.connectionStatusChanged?.disconnect(link); };
}

export default () => {
  let store, ends;
  return {
    initialize({ model }) {
      store = new Store(model);
      ends = [clock(model), watch(model, store)];
      return () => ends.forEach((end) => end());
    },
    render({ model, el }) {
      const view = new View(model, store, el), draw = (what) => view.draw(what), build = () => view.build();
      const changed = () => { store.changed = performance.now(); view.draw(); };
      store.listeners.add(draw);
      const put = () => { view.lasso = []; view.clicked = null; view.overlay(); };  // another tool: the marks of the old one go
      model.on("change:tool", put);
      for (const p of model.get("params")) model.on(`change:${p}`, changed);
      for (const p of ["panes", "derived", "classes", "colors", "legend"]) model.on(`change:${p}`, build);
      return () => {
        store.listeners.delete(draw); view.remove();
        model.off("change:tool", put);
        for (const p of model.get("params")) model.off(`change:${p}`, changed);
        for (const p of ["panes", "derived", "classes", "colors", "legend"]) model.off(`change:${p}`, build);
      };
    },
  };
};
