// One small chart beside a picture: lines, bars, a histogram or a map. It is drawn anew only when its data change;
// when the value it marks changes (a slider linked to `x`), what is drawn stays and the mark moves. Where the page makes it
// wider than its `width`, it is drawn at that width: its words keep their size.
import { write } from "./canvas/terms.js";

const NS = "http://www.w3.org/2000/svg";
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]; // Okabe and Ito, those that read on white and on black first
const VIRIDIS = ["440154", "481a6c", "472f7d", "414487", "39568c", "31688e", "2a788e", "23888e", "1f988b", "22a884", "35b779", "54c568", "7ad151", "a5db36", "d2e21b", "fde725"]
  .map(h => [0, 2, 4].map(i => parseInt(h.slice(i, i + 2), 16)));
const OF = { "x": x => x, "2x²-1": x => 2 * x * x - 1, "1-x": x => 1 - x }; // what a mark may be of; Python knows the same names
const COUNT_SCALES = { linear: v => v, sqrt: Math.sqrt, log: v => Math.log10(1 + v) };
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const PEN = document.createElement("canvas").getContext("2d");

// ---- numbers and words

const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));
const numbers = list => list.flat(2).filter(Number.isFinite);
const digitsOf = step => clamp(Math.ceil(-Math.log10(step) - 1e-9), 0, 6);
const digitsFor = list => list.every(Number.isInteger) ? 0 : clamp(3 - Math.ceil(Math.log10(Math.max(...list) - Math.min(...list) || 1) - 1e-9), 0, 6); // for measured values
const digitsIn = list => [0, 1, 2].find(d => list.every(v => Math.abs(v - v.toFixed(d)) < 1e-6)) ?? 3; // for the values of a grid
const tickText = (v, digits) => Math.abs(v) >= 1e4 ? COMPACT.format(v) : say(v, digits);

function say(v, digits) {
  if (!Number.isFinite(v)) return "–";
  const text = Math.abs(v) >= 1e4 ? Math.round(v).toLocaleString("en") : v.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function stepOf(lo, hi, n) {
  const raw = (hi - lo) / n, unit = 10 ** Math.floor(Math.log10(raw));
  return unit * [1, 2, 5, 10].find(m => m * unit >= raw * .999);
}

function ticks(lo, hi, n = 4) {
  const step = stepOf(lo, hi, n), first = Math.ceil(lo / step - 1e-9), last = Math.floor(hi / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => ({ at: (first + i) * step, text: tickText((first + i) * step, digitsOf(step)) }));
}

function span(given, list, round = false) {
  if (given?.length === 2) return given;
  let [lo, hi] = list.length ? [Math.min(...list), Math.max(...list)] : [0, 1];
  if (lo === hi) [lo, hi] = [lo - .5, hi + .5];
  const step = stepOf(lo, hi, 4);
  return round ? [Math.floor(lo / step + 1e-9) * step, Math.ceil(hi / step - 1e-9) * step] : [lo, hi];
}

// Where `v` lies among ascending numbers, as an index with a fraction; null outside or for no value.
function place(list, v) {
  const n = list.length, slack = 1e-6 * (list[n - 1] - list[0] || 1);
  if (!Number.isFinite(v) || v < list[0] - slack || v > list[n - 1] + slack) return null;
  const i = list.findLastIndex(o => o <= v);
  return i < 0 ? 0 : i >= n - 1 ? n - 1 : i + (v - list[i]) / (list[i + 1] - list[i]);
}

// The value of `list` there: on the straight line that is drawn, so none beside a gap.
function between(list, at) {
  if (at === null) return NaN;
  const i = Math.floor(at), t = at - i;
  return t < 1e-9 ? list[i] ?? NaN : numbers([list[i], list[i + 1]]).length < 2 ? NaN : list[i] + t * (list[i + 1] - list[i]);
}

const nearest = (list, v) => list.reduce((best, o, i) => Math.abs(o - v) < Math.abs(list[best] - v) ? i : best, 0);
const onStep = (v, step, lo, hi) => clamp(+(Math.round(v / step) * step).toFixed(10), lo, hi);

// ---- elements

function svg(parent, tag, attrs = {}, text) {
  const o = document.createElementNS(NS, tag);
  for (const [k, v] of Object.entries(attrs)) o.setAttribute(k, v);
  if (text !== undefined) o.textContent = text;
  return parent.appendChild(o);
}

function html(parent, tag, name, text = "") {
  const o = document.createElement(tag);
  o.className = name; o.textContent = text;
  return parent.appendChild(o);
}

function wide(texts) {
  PEN.font = "11px system-ui, sans-serif";
  return 1.08 * Math.max(0, ...texts.map(t => PEN.measureText(t).width)); // a little room: the page's font may be wider
}

function shorten(text, room) {
  if (wide([text]) <= room) return text;
  while (text.length > 1 && wide([text + "…"]) > room) text = text.slice(0, -1);
  return text + "…";
}

const colorOf = (s, i) => `--c:${s.color || COLORS[i % COLORS.length]}`;

// A legend's entry: colour, name and the text of its value, which the caller changes.
function entry(view, s, i, swatch) {
  const o = html(view.keys, "span", "wsss-entry");
  if (swatch) html(o, "i", `wsss-swatch ${swatch}${s.dash ? " wsss-dash" : ""}`).style = colorOf(s, i);
  if (s.name) write(html(o, "span", ""), s.name, false);
  return html(o, "b", "wsss-value");
}

// ---- what charts with axes share: ticks, names of the axes, marks

function axes(view, xs, ys, rows) {
  const { W, H, xLabel, yLabel } = view;
  const box = { left: wide(ys.map(t => t.text)) + 10, right: W - 12, top: 8 + (yLabel ? 16 : 0) + 14 * rows, bottom: H - (xLabel ? 34 : 20) };
  for (const t of ys) {
    const y = box.bottom - t.u * (box.bottom - box.top);
    svg(view.svg, "line", { class: t.u ? "wsss-grid-line" : "wsss-axis", x1: box.left, x2: box.right, y1: y, y2: y });
    svg(view.svg, "text", { x: box.left - 7, y: y + 4, "text-anchor": "end" }, t.text);
  }
  for (const t of xs) svg(view.svg, "text", { x: box.left + t.u * (box.right - box.left), y: box.bottom + 15, "text-anchor": "middle" }, t.text);
  if (xLabel) svg(view.svg, "text", { class: "wsss-label", x: (box.left + box.right) / 2, y: box.bottom + 31, "text-anchor": "middle" }, xLabel);
  if (yLabel) svg(view.svg, "text", { class: "wsss-label", x: 0, y: 11 }, yLabel);
  return box;
}

// Upright lines at values that follow from `x` (or stand still), each with its label in a row of its own. Returns what moves them.
function marks(view, box, lo, hi, digits) {
  const list = view.marks.map((m, i) => {
    const g = svg(view.svg, "g", { class: m.of === "x" ? "wsss-mark" : "wsss-mark wsss-aside" }), y = box.top - 5 - 14 * (view.marks.length - 1 - i);
    svg(g, "line", { y1: y + 4, y2: box.bottom });
    return { of: m.of ? OF[m.of] : () => m.at, label: m.label ? m.label + " " : "", g, text: svg(g, "text", { class: "wsss-value", y }) };
  });
  return x => list.map(({ of, label, g, text }) => {
    const v = Number.isFinite(x) || of.length === 0 ? of(x) : NaN, u = (v - lo) / (hi - lo), p = box.left + u * (box.right - box.left);
    g.style.display = u >= -1e-6 && u <= 1 + 1e-6 ? "" : "none";
    if (!(u >= -1e-6 && u <= 1 + 1e-6)) return "";
    g.dataset.x = v;
    g.setAttribute("transform", `translate(${p.toFixed(2)} 0)`);
    text.textContent = label + say(v, digits);
    text.setAttribute("text-anchor", p < box.left + 24 ? "start" : p > box.right - 24 ? "end" : "middle");
    return text.textContent;
  }).filter(Boolean);
}

const scaled = (list, lo, hi) => list.map(t => ({ ...t, u: (t.at - lo) / (hi - lo) })).filter(t => t.u >= -1e-9 && t.u <= 1 + 1e-9);

// ---- the four kinds. Each draws itself and returns: box (where the pointer counts), move(x, y) -> words for those who do not see,
// tip(px, py) -> text under the pointer, pick(px, py) and step(dx, dy, x, y) -> the values to set.

function lines(view) {
  const { data } = view, xs = data.x, all = numbers(data.series.map(s => s.y));
  const [x0, x1] = span(view.xRange, xs), [y0, y1] = span(view.yRange, all, true);
  const box = axes(view, scaled(ticks(x0, x1), x0, x1), scaled(ticks(y0, y1), y0, y1), view.marks.length);
  const px = x => box.left + (x - x0) / (x1 - x0) * (box.right - box.left), py = y => box.bottom - clamp((y - y0) / (y1 - y0), 0, 1) * (box.bottom - box.top);
  const digits = data.digits ?? digitsFor(y1 - y0 > 10 ? all : [y0 + 1e-9, y1]), xDigits = digitsIn(xs);
  const drawn = data.series.map((s, i) => {
    let pen = "M"; // a lone point between gaps becomes a dot: a line of no length with a round end
    const d = s.y.map((y, k) => { if (!Number.isFinite(y)) { pen = "M"; return ""; } const o = `${pen}${px(xs[k]).toFixed(1)} ${py(y).toFixed(1)}${pen === "M" ? "h0" : ""}`; pen = "L"; return o; });
    svg(view.svg, "path", { class: s.dash ? "wsss-line wsss-dash" : "wsss-line", style: colorOf(s, i), d: d.join("") });
    return { s, value: entry(view, s, i, "wsss-stroke") };
  });
  const shift = marks(view, box, x0, x1, xDigits);
  for (const [i, o] of drawn.entries()) o.dot = svg(view.svg, "circle", { class: "wsss-dot", style: colorOf(o.s, i), r: 4 });
  const at = p => data.step ? onStep(x0 + (p - box.left) / (box.right - box.left) * (x1 - x0), data.step, x0, x1) : xs[nearest(xs.map(px), p)];
  return {
    box,
    move(x) {
      const i = place(xs, x), said = shift(x);
      for (const { s, dot, value } of drawn) {
        const y = between(s.y, i), on = Number.isFinite(y) && x >= x0 && x <= x1;
        dot.style.display = on ? "" : "none";
        if (on) { dot.setAttribute("cx", px(x).toFixed(2)); dot.setAttribute("cy", py(y).toFixed(2)); }
        value.textContent = say(y, digits);
        said.push(`${s.name ?? ""} ${value.textContent}`.trim());
      }
      return said;
    },
    tip(p) {
      const i = nearest(xs.map(px), p);
      return [`${view.xLabel || "x"} ${say(xs[i], xDigits)}`, ...data.series.map(s => `${s.name ?? ""} ${say(s.y[i] ?? NaN, digits)}`.trim())].join("\n");
    },
    pick: p => ({ x: at(p) }),
    step: (dx, dy, x) => ({ x: data.step ? onStep((x ?? x0) + dx * data.step, data.step, x0, x1) : xs[clamp(nearest(xs, x ?? x0) + dx, 0, xs.length - 1)] }),
  };
}

function histogram(view) {
  const { data } = view, edges = data.edges, series = data.series ?? [{ counts: data.counts }], f = COUNT_SCALES[data.scale ?? "linear"];
  const [x0, x1] = span(view.xRange, edges), top = view.yRange?.[1] ?? (Math.max(...numbers(series.map(s => s.counts))) || 1), fine = view.data.step ?? 10 ** Math.floor(Math.log10((x1 - x0) / 50));
  const room = (view.H - 60) / 26; // ticks of a bent axis: round numbers from the top down, as many as do not touch
  const apart = by => [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0].flatMap(e => by.map(m => m * 10 ** e)).filter(v => v <= top)
    .reduce((keep, v) => (keep.length ? f(keep.at(-1)) - f(v) : 1e9) > f(top) / room && f(v) > f(top) / room / 1.5 ? [...keep, v] : keep, []);
  const tens = apart([1]), bent = tens.length > 2 ? tens : apart([5, 2, 1]);
  const ys = f(100) === 100 ? scaled(ticks(0, top), 0, top) : [0, ...bent].map(v => ({ u: f(v) / f(top), text: tickText(v, 0) }));
  const box = axes(view, scaled(ticks(x0, x1), x0, x1), ys, view.marks.length);
  const px = x => box.left + clamp((x - x0) / (x1 - x0), 0, 1) * (box.right - box.left), py = c => box.bottom - Math.min(1, f(c) / f(top)) * (box.bottom - box.top);
  const shade = data.shade && svg(view.svg, "rect", { class: "wsss-shade", y: box.top, height: box.bottom - box.top });
  const drawn = series.map((s, i) => {
    const d = s.counts.map((c, k) => `V${py(c).toFixed(1)}H${px(edges[k + 1]).toFixed(1)}`).join("");
    svg(view.svg, "path", { class: "wsss-area", style: colorOf(s, i), d: `M${px(edges[0]).toFixed(1)} ${box.bottom}${d}V${box.bottom}Z` });
    return { s, value: data.shade || series.length > 1 ? entry(view, s, i, series.length > 1 && "wsss-square") : null };
  });
  const mark = view.marks[0]?.of === "x" && view.marks[0].label ? ` ${view.marks[0].label}` : "";
  const digits = digitsOf(fine), shift = marks(view, box, x0, x1, digits);
  // the part of the counts right of x; within x's own bin as if they lay evenly there, hence the "≈"
  const above = (c, x) => c.reduce((sum, n, k) => sum + n * clamp((edges[k + 1] - x) / (edges[k + 1] - edges[k]), 0, 1), 0) / (c.reduce((a, b) => a + b, 0) || 1);
  return {
    box,
    move(x) {
      const said = shift(x), on = data.shade && Number.isFinite(x);
      if (shade) { shade.setAttribute("x", px(on ? x : x1)); shade.setAttribute("width", on ? box.right - px(x) : 0); }
      for (const { s, value } of drawn) if (value) { value.textContent = on ? `≈ ${say(100 * above(s.counts, x), 1)} % above${mark}` : ""; said.push(`${s.name ?? ""} ${value.textContent}`.trim()); }
      return said;
    },
    tip(p) {
      const x = x0 + (p - box.left) / (box.right - box.left) * (x1 - x0), k = clamp(edges.findLastIndex(e => e <= x), 0, edges.length - 2), d = digitsIn(edges);
      return [`${say(edges[k], d)} … ${say(edges[k + 1], d)}`, ...series.map(s => `${s.name ?? ""} ${say(s.counts[k], 0)}`.trim())].join("\n");
    },
    pick: p => ({ x: onStep(x0 + (p - box.left) / (box.right - box.left) * (x1 - x0), fine, x0, x1) }),
    step: (dx, dy, x) => ({ x: onStep((x ?? x0) + dx * fine, fine, x0, x1) }),
  };
}

function bars(view) {
  const { data, W, H } = view, { names, series } = data, all = numbers(series.map(s => s.values)), digits = data.digits ?? digitsFor([0, ...all]);
  const [lo, hi] = span(data.range ?? (all.some(v => v) ? [] : [0, 1]), [0, ...all]), left = Math.min(.4 * W, wide(names) + 10), right = W - wide(["–", ...all.map(v => say(v, digits))]) - 8;
  const row = clamp((H - 4) / names.length, 12 * series.length + 8, 20 * series.length + 12), thick = (row - 8) / series.length;
  const px = v => left + clamp((v - lo) / (hi - lo), 0, 1) * (right - left), zero = px(0);
  view.svg.setAttribute("viewBox", `0 0 ${W} ${view.H = Math.ceil(row * names.length + 4)}`); // as high as its bars need
  names.forEach((name, k) => {
    svg(svg(view.svg, "text", { class: "wsss-name", x: left - 9, y: row * (k + .5) + 6, "text-anchor": "end" }, shorten(name, left - 9)), "title", {}, name);
    series.forEach((s, i) => {
      const v = s.values[k], y = 6 + row * k + thick * i, far = Number.isFinite(v) ? px(v) : zero;
      if (data.range) svg(view.svg, "rect", { class: "wsss-track", x: left, y: y + 1, width: right - left, height: thick - 2, rx: 2 });
      svg(view.svg, "rect", { class: "wsss-bar", style: colorOf(s, i), x: Math.min(zero, far), y: y + 1, width: Math.abs(far - zero), height: thick - 2, rx: 2 });
      svg(view.svg, "text", { class: "wsss-value", x: (data.range ? right : Math.max(zero, far)) + 6, y: y + thick / 2 + 4 }, say(v, digits));
    });
  });
  svg(view.svg, "line", { class: "wsss-axis", x1: zero, x2: zero, y1: 4, y2: view.H });
  if (series.some(s => s.name)) series.forEach((s, i) => entry(view, s, i, "wsss-square"));
  const said = names.map((name, k) => `${name} ${series.map(s => `${s.name ?? ""} ${say(s.values[k], digits)}`.trim()).join(", ")}`);
  return { move: () => said };
}

// A picture of nx × ny single pixels, blown up by whoever shows it.
function picture(nx, ny, u) {
  const canvas = Object.assign(document.createElement("canvas"), { width: nx, height: ny }), pen = canvas.getContext("2d"), out = pen.createImageData(nx, ny);
  for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++) {
    const t = 15 * clamp(u(x, y), 0, 1), i = Math.min(14, Math.floor(t));
    if (Number.isFinite(t)) out.data.set([0, 1, 2].map(c => Math.round(VIRIDIS[i][c] + (t - i) * (VIRIDIS[i + 1][c] - VIRIDIS[i][c]))).concat(255), 4 * (y * nx + x)); // no value: see-through
  }
  pen.putImageData(out, 0, 0);
  return canvas.toDataURL();
}

function map(view) {
  const { data, W } = view, { x: xs, y: ys, z } = data, nx = xs.length, ny = ys.length, all = numbers(z);
  const [lo, hi] = span(data.range, all), digits = data.digits ?? digitsFor([lo, hi]), dx = digitsIn(xs), dy = digitsIn(ys);
  const few = n => { const fits = [1, 2, 4, 5, 10, 20, 25].find(s => (n - 1) % s === 0 && (n - 1) / s <= 5); return fits ?? Math.ceil((n - 1) / 4); };
  const some = list => {
    const kept = list.map((v, i) => ({ v, u: (i + .5) / list.length })).filter((_, i) => i % few(list.length) === 0), d = digitsIn(kept.map(t => t.v));
    return kept.map(t => ({ ...t, text: say(t.v, d) }));
  };
  const ends = [say(hi, digits), say(lo, digits)];
  view.W = W - wide(ends) - 26; // the colour bar stands right of the map
  const box = axes(view, some(xs), some(ys), 0), w = box.right - box.left, h = box.bottom - box.top;
  view.W = W;
  const paint = (x, y, width, height, href) => svg(view.svg, "image", { x, y, width, height, href, preserveAspectRatio: "none", class: "wsss-cells" });
  paint(box.left, box.top, w, h, picture(nx, ny, (i, j) => ((z[ny - 1 - j][i] ?? NaN) - lo) / (hi - lo)));
  paint(box.right + 14, box.top, 9, h, picture(1, 64, (_, j) => 1 - j / 63));
  ends.forEach((text, i) => svg(view.svg, "text", { x: box.right + 28, y: i ? box.bottom : box.top + 9 }, text));
  const needle = svg(view.svg, "path", { class: "wsss-needle", d: `M${box.right + 12} 0h13` });
  const px = i => box.left + (i + .5) / nx * w, py = j => box.bottom - (j + .5) / ny * h;
  const best = all.length ? (data.best === "min" ? Math.min : Math.max)(...all) : NaN, row = z.findIndex(r => r.includes(best));
  const here = entry(view, { name: `${data.label ?? "value"} here` }, 0);
  let praise = [];
  if (row >= 0) {
    const col = z[row].indexOf(best);
    svg(view.svg, "text", { class: "wsss-star", x: px(col), y: py(row) + 5, "text-anchor": "middle" }, "★");
    const o = html(view.keys, "span", "wsss-entry", "★ best ");
    html(o, "b", "wsss-best", say(best, digits));
    html(o, "span", "", `at ${say(xs[col], dx)}, ${say(ys[row], dy)}`);
    praise = [`best ${say(best, digits)} at ${say(xs[col], dx)}, ${say(ys[row], dy)}`];
  }
  const ring = svg(view.svg, "g", { class: "wsss-mark" });
  let spot = null; // where it is
  for (const name of ["wsss-ring-out", "wsss-ring"]) svg(ring, "circle", { class: name, r: 7 });
  const cell = (p, q) => [clamp(Math.floor((p - box.left) / w * nx), 0, nx - 1), clamp(Math.floor((box.bottom - q) / h * ny), 0, ny - 1)];
  return {
    box,
    ring: () => spot,
    move(x, y) {
      const i = place(xs, x), j = place(ys, y), on = i !== null && j !== null, v = on ? z[Math.round(j)][Math.round(i)] ?? NaN : NaN;
      ring.style.display = on ? "" : "none"; needle.style.display = Number.isFinite(v) ? "" : "none";
      here.textContent = say(v, digits);
      spot = on ? [px(i), py(j)] : null;
      if (!on) return praise;
      Object.assign(ring.dataset, { x, y });
      ring.setAttribute("transform", `translate(${spot[0].toFixed(2)} ${spot[1].toFixed(2)})`);
      needle.setAttribute("transform", `translate(0 ${(box.bottom - clamp((v - lo) / (hi - lo), 0, 1) * h || 0).toFixed(2)})`);
      return [`${view.xLabel || "x"} ${say(x, dx)}`, `${view.yLabel || "y"} ${say(y, dy)}`, `${data.label ?? "value"} ${here.textContent}`, ...praise];
    },
    tip(p, q) {
      const [i, j] = cell(p, q);
      return `${view.xLabel || "x"} ${say(xs[i], dx)}\n${view.yLabel || "y"} ${say(ys[j], dy)}\n${data.label ?? "value"} ${say(z[j][i] ?? NaN, digits)}`;
    },
    pick(p, q) { const [i, j] = cell(p, q); return { x: xs[i], y: ys[j] }; },
    step: (sx, sy, x, y) => ({ x: xs[clamp(nearest(xs, x ?? xs[0]) + sx, 0, nx - 1)], y: ys[clamp(nearest(ys, y ?? ys[0]) + sy, 0, ny - 1)] }),
  };
}

// Where a tip of w × h goes: right or left of the pointer (the first of `shown`), high or low; it hides none of `shown` and does not leave the chart.
function beside(shown, w, h, width, top, bottom) {
  const [[x]] = shown, sides = x > width / 2 ? [x - 12 - w, x + 12] : [x + 12, x - 12 - w], above = clamp(x - w / 2, 0, Math.max(0, width - w));
  const spots = [...sides, above].flatMap(l => [[l, top], [l, bottom - h]]);
  const clear = ([l, t], [a, b]) => a + 10 < l || a - 10 > l + w || b + 10 < t || b - 10 > t + h;
  const free = spots.filter(s => s[0] >= 0 && s[0] + w <= width && clear(s, shown[0]));
  return free.find(s => shown.every(o => clear(s, o))) ?? free[0] ?? [above, top];
}

const KINDS = { lines, bars, histogram, map };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

// ---- the widget

const widthOf = (root, model) => Math.max(model.get("width"), root.clientWidth);

function draw(root, model) {
  root.style.setProperty("--wsss-width", `${model.get("width")}px`);
  const get = name => model.get(name), data = get("data") ?? {}, W = widthOf(root, model), view = { data, W, H: get("height"), xLabel: get("x_label"), yLabel: get("y_label"), xRange: get("x_range"), yRange: get("y_range") };
  view.marks = data.marks ?? [{ of: "x", label: view.xLabel.length < 9 ? view.xLabel : "" }];
  root.replaceChildren();
  root.dataset.kind = get("kind");
  if (get("title")) write(html(root, "div", "wsss-head-line"), get("title"), false);
  view.keys = html(root, "div", "wsss-keys");
  view.svg = svg(root, "svg", { viewBox: `0 0 ${W} ${view.H}`, "aria-hidden": "true" });
  view.tip = html(root, "div", "wsss-tip"); view.tip.hidden = true;
  const nothing = data.empty ?? (Object.keys(data).length ? null : "nothing to draw yet");
  if (nothing === null) return { ...KINDS[get("kind")](view), view };
  const lines = nothing.split("\n"), y = view.H / 2 - 8 * (lines.length - 1);
  lines.forEach((text, i) => svg(view.svg, "text", { class: "wsss-empty", x: W / 2, y: y + 18 * i, "text-anchor": "middle" }, text));
  return { view, move: () => [nothing] };
}

function render({ model, el }) {
  const root = html(el, "div", "wsss-chart");
  root.tabIndex = 0;
  root.setAttribute("role", "img");
  root.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the arrow keys to walk through its cells
  let chart, waiting = false, dragging = false;

  const move = () => root.setAttribute("aria-label", [model.get("title") || model.get("kind"), ...chart.move(model.get("x"), model.get("y"))].join("; "));
  const build = () => { waiting = false; chart = draw(root, model); move(); };
  const soon = () => { if (!waiting) { waiting = true; queueMicrotask(build); } }; // several traits that change together are one drawing
  const set = values => { for (const [k, v] of Object.entries(values)) model.set(k, v); model.save_changes(); };
  const where = e => {
    const r = chart.view.svg.getBoundingClientRect();
    return [(e.clientX - r.left) * chart.view.W / r.width, (e.clientY - r.top) * chart.view.H / r.height];
  };
  const inside = (p, q) => chart.box && p > chart.box.left - 8 && p < chart.box.right + 8 && q > chart.box.top - 4 && q < chart.box.bottom + 18;

  root.onpointerdown = e => {
    const [p, q] = where(e);
    if (e.button || !inside(p, q)) return;
    dragging = true; chart.view.tip.hidden = true;
    root.setPointerCapture(e.pointerId);
    set(chart.pick(p, q));
  };
  root.onpointermove = e => {
    const [p, q] = where(e), { tip, W } = chart.view, r = chart.view.svg.getBoundingClientRect(), o = root.getBoundingClientRect();
    if (dragging) return set(chart.pick(p, q));
    tip.hidden = !inside(p, q);
    if (tip.hidden) return;
    tip.textContent = chart.tip(p, q);
    const k = r.width / W, up = r.top - o.top, shown = [[p, q], chart.ring?.()].filter(Boolean).map(([a, b]) => [a * k, b * k + up]);
    const [left, high] = beside(shown, tip.offsetWidth, tip.offsetHeight, o.width, up + chart.box.top * k + 6, up + chart.box.bottom * k - 6);
    tip.style.transform = `translate(${left}px, ${high}px)`;
  };
  root.onpointerup = root.onpointercancel = () => { dragging = false; };
  root.onpointerleave = () => { chart.view.tip.hidden = true; };
  root.onkeydown = e => {
    const by = ARROWS[e.key];
    if (!by || !chart.step || (by[1] && model.get("kind") !== "map")) return;
    e.preventDefault(); e.stopPropagation();
    set(chart.step(...by, model.get("x"), model.get("y")));
  };

  const rebuilt = ["kind", "data", "title", "x_label", "y_label", "width", "height", "x_range", "y_range"].map(t => `change:${t}`).join(" ");
  const sized = new ResizeObserver(() => { if (widthOf(root, model) !== chart.view.W) build(); });
  model.on(rebuilt, soon);
  model.on("change:x change:y", move);
  build();
  sized.observe(root);
  return () => { sized.disconnect(); model.off(rebuilt, soon); model.off("change:x change:y", move); };
}

export default { render };
