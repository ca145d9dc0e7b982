// The panes as they are shown, for print: black on white paper, with their words, as SVG or PNG; the settings are in the file.

export const MM = 170, DPI = 300, WIDE = Math.round(MM / 25.4 * DPI);  // 2008 pixels
const points = (n) => n / 72 * DPI, PAGE_GAP = 36, PAGE_LINE = 1.3;
const TITLE = { size: points(8), bold: true, color: "#000000" }, CAPTION = { size: points(7), bold: false, color: "#333333" };
const RIM = "#bbbbbb";  // a white picture has a border, too
const PAGE_FONT = "Helvetica, Arial, sans-serif";

// Lines of at most `width`; a word that is wider is broken
export function wrap(text, width, wide) {
  const lines = [];
  let line = "";
  for (let word of text.split(/\s+/).filter(Boolean)) {
    if (line && wide(`${line} ${word}`) > width) { lines.push(line); line = ""; }
    while (!line && wide(word) > width && [...word].length > 1) {
      let n = [...word].length - 1;
      while (n > 1 && wide([...word].slice(0, n).join("")) > width) n--;
      lines.push([...word].slice(0, n).join("")); word = [...word].slice(n).join("");
    }
    line = line ? `${line} ${word}` : word;
  }
  return line ? [...lines, line] : lines;
}

// Where all stands on the page: panes { title, caption, w, h }, at most three beside each other, and entries of a legend { name, color }
export function pageOf(panes, legend, measure) {
  const items = [], n = Math.max(1, Math.min(3, panes.length)), width = (WIDE - PAGE_GAP * (n - 1)) / n;
  const lines = (text, how) => wrap(text, width, (t) => measure(t, how));
  const write = (list, how, x, y) => list.forEach((text, i) => items.push({ kind: "text", text, x, y: y + how.size * (PAGE_LINE * i + 1), ...how }));
  let y = 0;
  for (let from = 0; from < panes.length; from += n) {
    const row = panes.slice(from, from + n), titles = row.map((p) => lines(p.title, TITLE)), captions = row.map((p) => lines(p.caption, CAPTION));
    const most = (lists) => Math.max(...lists.map((l) => l.length)), head = most(titles) * TITLE.size * PAGE_LINE;
    const tall = Math.max(...row.map((p) => width * p.h / p.w)), feet = y + head + tall + CAPTION.size * .4;
    row.forEach((p, i) => {
      const x = i * (width + PAGE_GAP);
      write(titles[i], TITLE, x, y + head - titles[i].length * TITLE.size * PAGE_LINE);  // the last line is next to the picture
      items.push({ kind: "picture", index: from + i, x, y: y + head, w: width, h: width * p.h / p.w });
      write(captions[i], CAPTION, x, feet);
    });
    y = feet + most(captions) * CAPTION.size * PAGE_LINE + PAGE_GAP / 2;
  }
  return { width: WIDE, items, height: Math.ceil(legendKeys(items, legend, y, measure)) };
}

function legendKeys(items, legend, y, measure) {  // a square and a name each, side by side as far as there is room
  const side = CAPTION.size * .8;
  let x = 0;
  for (const { name, color } of legend) {
    const w = side * 1.4 + measure(name, CAPTION);
    if (x && x + w > WIDE) { x = 0; y += CAPTION.size * PAGE_LINE; }
    items.push({ kind: "key", x, y: y + CAPTION.size * .2, side, color: color.startsWith("#") ? color : "" });  // else striped
    if (name) items.push({ kind: "text", text: name, x: x + side * 1.4, y: y + CAPTION.size * .9, ...CAPTION });
    x += w + (name ? side * 1.4 : 0);
  }
  return legend.length ? y + CAPTION.size * PAGE_LINE : y;
}

const stripesOf = ({ x, y, side: s }) => [[0, s, s, 0], [0, s / 2, s / 2, 0], [s / 2, s, s, s / 2]].map(([a, b, c, d]) => [x + a, y + b, x + c, y + d]);

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "");
const attributes = (o) => Object.entries(o).map(([k, v]) => ` ${k}="${typeof v === "number" ? +v.toFixed(2) : escaped(v)}"`).join("");

// The page as SVG: pictures are { href, rings: [[x, y, color]], w }, rings in pixels of the picture
export function svg({ width, height, items }, pictures, settings) {
  const PAINT = {
    text: (o) => `<text${attributes({ x: o.x, y: o.y, "font-size": o.size, "font-weight": o.bold ? "bold" : "normal", fill: o.color })}>${escaped(o.text)}</text>`,
    key: (o) => `<rect${attributes({ x: o.x, y: o.y, width: o.side, height: o.side, fill: o.color || "#ffffff", stroke: "#666666", "stroke-width": 2 })}/>`
      + (o.color ? "" : stripesOf(o).map(([x1, y1, x2, y2]) => `<line${attributes({ x1, y1, x2, y2, stroke: "#666666", "stroke-width": 5 })}/>`).join("")),
    picture: (o) => {
      const { href, rings, w } = pictures[o.index], k = o.w / w;
      return `<image${attributes({ x: o.x, y: o.y, width: o.w, height: o.h, preserveAspectRatio: "none", "image-rendering": "optimizeSpeed", style: "image-rendering: pixelated", "xlink:href": href })}/>`
        + `<rect${attributes({ x: o.x, y: o.y, width: o.w, height: o.h, fill: "none", stroke: RIM, "stroke-width": 2 })}/>`
        + rings.map(([x, y, stroke]) => [["#000000", 8], [stroke, 4]].map(([c, t]) => `<circle${attributes({ cx: o.x + x * k, cy: o.y + y * k, r: 12, fill: "none", stroke: c, "stroke-width": t })}/>`).join("")).join("");
    },
  };
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${MM}mm" height="${(height / width * MM).toFixed(2)}mm" viewBox="0 0 ${width} ${height}" font-family="${PAGE_FONT}">
<metadata id="wsss_nb">${escaped(JSON.stringify(settings))}</metadata>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${items.map((o) => PAINT[o.kind](o)).join("\n")}
</svg>
`;
}

// The same on a canvas: pictures are { canvas, rings, w }
function drawPage(g, { width, height, items }, pictures) {
  g.fillStyle = "#ffffff"; g.fillRect(0, 0, width, height); g.imageSmoothingEnabled = false;
  const PAINT = {
    text: (o) => { g.font = fontOf(o); g.fillStyle = o.color; g.fillText(o.text, o.x, o.y); },
    key: (o) => {
      g.fillStyle = o.color || "#ffffff"; g.fillRect(o.x, o.y, o.side, o.side);
      g.strokeStyle = "#666666"; g.lineWidth = 5;
      if (!o.color) for (const [a, b, c, d] of stripesOf(o)) { g.beginPath(); g.moveTo(a, b); g.lineTo(c, d); g.stroke(); }
      g.lineWidth = 2; g.strokeRect(o.x, o.y, o.side, o.side);
    },
    picture: (o) => {
      const { canvas, rings, w } = pictures[o.index], k = o.w / w;
      g.drawImage(canvas, o.x, o.y, o.w, o.h);
      g.strokeStyle = RIM; g.lineWidth = 2; g.strokeRect(o.x, o.y, o.w, o.h);
      for (const [x, y, color] of rings) for (const [c, t] of [["#000000", 8], [color, 4]]) { g.strokeStyle = c; g.lineWidth = t; g.beginPath(); g.arc(o.x + x * k, o.y + y * k, 12, 0, 7); g.stroke(); }
    },
  };
  for (const o of items) PAINT[o.kind](o);
}
const fontOf = ({ size, bold }) => `${bold ? "bold" : "normal"} ${size}px ${PAGE_FONT}`;

// What is added to a PNG: dots to the metre, and a text that a name leads to
const CRC = Uint32Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1; return n; });
export function crc(bytes) { let c = ~0; for (const b of bytes) c = CRC[(c ^ b) & 255] ^ c >>> 8; return ~c >>> 0; }
export function chunk(type, data) {
  const out = new Uint8Array(12 + data.length), view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set([...type].map((c) => c.charCodeAt(0)), 4); out.set(data, 8);
  view.setUint32(8 + data.length, crc(out.subarray(4, 8 + data.length)));
  return out;
}
export function dots(dpi) { const out = new Uint8Array(9), view = new DataView(out.buffer), n = Math.round(dpi / .0254); view.setUint32(0, n); view.setUint32(4, n); out[8] = 1; return chunk("pHYs", out); }
export const textChunk = (name, text) => chunk("iTXt", new TextEncoder().encode(`${name}\0\0\0\0\0${text}`));
const PNG_HEAD = 33;  // the signature, and the chunk that every PNG begins with
export function annotated(png, settings) { return [png.subarray(0, PNG_HEAD), dots(DPI), textChunk("wsss_nb", JSON.stringify(settings)), png.subarray(PNG_HEAD)]; }

// What a pane shows, in whole pixels of its picture where it is zoomed
function shotOf(pane) {
  const { x, y, scale } = pane.view.zoom, { width, height } = pane.off, left = Math.floor(x), top = Math.floor(y);
  const w = Math.min(width - left, Math.ceil(width / scale)), h = Math.min(height - top, Math.ceil(height / scale));
  const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h });
  canvas.getContext("2d").drawImage(pane.off, -left, -top);
  const rings = pane.rings().map(([u, v, color]) => [u - left, v - top, color]).filter(([u, v]) => u >= 0 && v >= 0 && u < w && v < h);
  return { canvas, rings, w, h, title: pane.title.textContent, caption: pane.said };
}
const pngOf = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"));

// All panes of a view in one file: "svg" or "png"
export async function picture(view, kind, settings) {
  const panes = view.pin.order(view.panes).filter((p) => p.image), shots = panes.map(shotOf), g = document.createElement("canvas").getContext("2d");
  const legend = [...view.model.get("legend"), ...panes.flatMap((p) => p.entries)];
  const page = pageOf(shots, legend, (text, how) => { g.font = fontOf(how); return g.measureText(text).width; });
  if (kind === "svg") {
    for (const s of shots) s.href = s.canvas.toDataURL("image/png");
    return new Blob([svg(page, shots, settings)], { type: "image/svg+xml" });
  }
  g.canvas.width = page.width; g.canvas.height = page.height;
  drawPage(g, page, shots);
  return new Blob(annotated(new Uint8Array(await (await pngOf(g.canvas)).arrayBuffer()), settings), { type: "image/png" });
}
