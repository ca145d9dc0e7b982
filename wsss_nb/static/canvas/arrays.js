// Arrays from Python, and what follows from one alone.

export const TYPES = { uint8: Uint8Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };
export const hw = (a) => a.shape.length === 3 && a.shape[2] === 3 && a.dtype === "uint8" ? a.shape.slice(0, 2) : a.shape.slice(-2);
export function array(data, shape, dtype) { return { data, shape, dtype }; }
export const same = (a, b) => a.data.length === b.data.length && `${a.shape}` === `${b.shape}` && a.data.every((v, i) => v === b.data[i]);

// What an option of a layer stands for: the value of the trait it names (of steps the place in the list, wherever they are counted from), else itself
export const of = (m, v, or) => v === undefined ? or : v === "step" ? m.get("step") - (m.get("first") ?? 0) : typeof v === "string" ? m.get(v) : v;

function sampler(a, H, W) {  // index of the map's cell under pixel (y,x), as a nearest resize takes it
  const [h, w] = hw(a);
  if (h === H && w === W) return null;
  const xs = Int32Array.from({ length: W }, (_, x) => Math.min(w - 1, Math.floor((x + .5) * w / W)));
  const ys = Int32Array.from({ length: H }, (_, y) => Math.min(h - 1, Math.floor((y + .5) * h / H)) * w);
  return { xs, ys };
}
const sampled = new WeakMap();
export function full(a, H, W) {  // the map at the picture's size; kept, because the same map is painted many times
  const [h, w] = hw(a), planes = a.shape.length === 3 && !(a.shape[2] === 3 && a.dtype === "uint8") ? a.shape[0] : 1;
  if (h === H && w === W) return a.data;
  if (sampled.has(a) && sampled.get(a).length === H * W * planes) return sampled.get(a);
  const { xs, ys } = sampler(a, H, W), out = new a.data.constructor(H * W * planes);
  for (let c = 0, i = 0; c < planes; c++) for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) out[i++] = a.data[c * h * w + ys[y] + xs[x]];
  sampled.set(a, out);
  return out;
}
// What follows from a map alone is computed once: `kept(table, map, make)`
const edgesOf = new WeakMap(), topOf = new WeakMap(), rgbaOf = new WeakMap(), planesOf = new WeakMap(), ids = new WeakMap();
export function kept(table, key, make) { let v = table.get(key); if (v === undefined) table.set(key, v = make()); return v; }
let last = 0;
export const id = (a) => kept(ids, a, () => ++last);
export const top = (L) => kept(topOf, L, () => { let n = 0; for (let i = 0; i < L.length; i++) if (L[i] > n) n = L[i]; return n; });
export const edges = (L, H, W) => kept(edgesOf, L, () => {  // pixels beside another label, and the lower of the two
  const at = new Int32Array(L.length), low = new Int32Array(L.length);
  let n = 0;
  for (let y = 0, i = 0; y < H; y++) for (let x = 0; x < W; x++, i++) {
    const l = L[i], r = x + 1 < W ? L[i + 1] : l, d = y + 1 < H ? L[i + W] : l;
    if (l !== r || l !== d) { at[n] = i; low[n++] = l < r ? (l < d ? l : d) : r < d ? r : d; }
  }
  return { at: at.slice(0, n), low: low.slice(0, n) };
});
export const plane = (a, c, H, W) => kept(kept(planesOf, full(a, H, W), () => new Map()), c, () => full(a, H, W).subarray(c * H * W, (c + 1) * H * W));
export const rgba = (a) => kept(rgbaOf, a, () => {
  const I = a.data, out = new Uint8ClampedArray(I.length / 3 * 4);
  for (let i = 0, j = 0; i < out.length; i += 4, j += 3) { out[i] = I[j]; out[i + 1] = I[j + 1]; out[i + 2] = I[j + 2]; out[i + 3] = 255; }
  return out;
});
