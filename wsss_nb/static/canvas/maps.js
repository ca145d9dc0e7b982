// Maps that are computed here: the same numbers as the library's.
import { array, full } from "./arrays.js";

export const OPS = {
  // (3.4), then (3.5) over it. M (k,H,W): the present classes only; classes (k,); bg: the superpixel that is background, -1 where all is
  seed({ M, classes, sp, bg }, { alpha }) {
    const n = sp.data.length, out = new Uint8Array(n), a = Math.fround(alpha), back = bg.data[0];
    for (let i = 0; i < n; i++) {
      let top = M.data[i], at = 0;
      for (let c = 1; c < classes.data.length; c++) { const v = M.data[c * n + i]; if (v > top) { top = v; at = c; } }
      out[i] = back < 0 || sp.data[i] === back ? 0 : top > a ? classes.data[at] : 255;
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
  // the run's own where all sliders stand as in the run, else what they make of it; a value below 0: wherever that slider stands
  either({ own, made, at }, p) {
    const stays = Object.values(p).every((v, i) => at.data[i] < 0 || Math.abs(v - at.data[i]) < 1e-6), a = stays ? own : made;
    return { ...a, meta: { ...own.meta, ...said(a).meta, whose: stays ? "with the run's settings" : "by the sliders" } };
  },
  // the highest mean probability of each superpixel that may still be taken, over its free pixels; 0 elsewhere
  surest({ s, sp, seed }) {
    const [n, k] = s.shape, top = new Float32Array(n), out = new Float32Array(sp.data.length);
    for (let i = 0; i < n * k; i++) { const v = s.data[i], at = Math.floor(i / k); if (v > top[at]) top[at] = v; }
    for (let i = 0; i < out.length; i++) if (seed.data[i] === 255 && sp.data[i] >= 0) out[i] = top[sp.data[i]];
    return array(out, sp.shape, "float32");
  },
  // the seed of (3.4) and (3.5), and over it what somebody has corrected
  with({ L, given }) {
    const out = L.data.map((v, i) => given.data[i] === 255 ? v : given.data[i]);
    return { ...L, data: out };
  },
  // IoU (%) of a mask with the truth: of each class that is in one of them, and their mean
  overlap({ L, gt }, _, m) {
    const names = m.get("classes"), K = names.length, either = new Float64Array(K), both = new Float64Array(K), T = full(gt, ...L.shape);
    for (let i = 0; i < T.length; i++) {
      const g = T[i], l = L.data[i];
      if (g === 255) continue;
      either[g]++;
      if (l === g) both[g]++; else if (l !== 255) either[l]++;
    }
    const here = [...either.keys()].filter((c) => either[c]), iou = here.map((c) => both[c] / either[c]);
    return { shape: [], meta: { miou: iou.reduce((a, b) => a + b, 0) / iou.length }, stats: { names: here.map((c) => names[c]), range: [0, 1], series: [{ name: "IoU", color: "#56B4E9", values: iou }] } };
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

function said(L) {  // a label map, with the share of it that carries a label
  let n = 0;
  for (const l of L.data) n += l !== 255;
  return { ...L, meta: { labelled: n / L.data.length } };
}
