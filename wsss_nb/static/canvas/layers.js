// Layers: each paints on (H,W,4).
import { CIVIDIS, GREY, INFERNO, golden, hex } from "./colors.js";
import { edges, full, kept, of, plane, rgba, top } from "./arrays.js";

const thickness = (H, W) => Math.max(1, Math.round(Math.max(H, W) / 400));
function dot(px, i, H, W, t, [r, g, b]) {
  const x0 = i % W, y0 = (i - x0) / W;
  for (let y = y0; y < Math.min(H, y0 + t); y++) for (let x = x0; x < Math.min(W, x0 + t); x++) { const p = 4 * (y * W + x); px[p] = r; px[p + 1] = g; px[p + 2] = b; }
}
function lines(px, L, H, W, color, upto = Infinity) {
  const t = thickness(H, W), e = edges(L, H, W);
  for (let k = 0; k < e.at.length; k++) if (e.low[k] <= upto) dot(px, e.at[k], H, W, t, color);
}
function ring(px, L, H, W, which, color) {  // the border of one label
  const t = thickness(H, W), e = edges(L, H, W).at;
  for (const i of e) if ((L[i] === which) !== (L[i + 1] === which) || (L[i] === which) !== (L[i + W] === which)) dot(px, i, H, W, t, color);
}

const FILLS = ["none", "mean", "hue", "order"];
export const LAYERS = {
  image(px, a, H, W, o) {
    px.set(rgba(a));
    if (o.keep) for (let p = 0; p < px.length; p++) if (p % 4 < 3) px[p] *= o.keep;  // it steps back behind what is painted on it
  },
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
    const L = full(a, H, W), n = 1 + top(L), wanted = FILLS[of(m, o.fill, 0)], upto = of(m, o.reveal, n);
    const fill = wanted === "order" && o.ordered === false ? "none" : wanted;  // pieces that nobody discovered have no order
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
  difference(px, a, H, W, o) {  // numbers from 1 in their colours, as areas or as lines
    const D = a.data, C = [[0, 0, 0], ...o.colors.map(hex)], t = thickness(H, W);
    for (let i = 0; i < D.length; i++) if (D[i]) {
      const c = C[D[i]], p = 4 * i;
      px[p] += .85 * (c[0] - px[p]); px[p + 1] += .85 * (c[1] - px[p + 1]); px[p + 2] += .85 * (c[2] - px[p + 2]);
    }
    if (o.lines) for (let k = 1; k < C.length; k++) for (let i = 0; i < D.length; i++) if (D[i] === k) dot(px, i, H, W, t, C[k]);
  },
  outline(px, a, H, W, o) {
    lines(px, full(a, H, W), H, W, hex(o.color ?? "#ffffff"));
  },
};
const fillsOf = new WeakMap();
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
