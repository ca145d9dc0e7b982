// Colours: of ids, and tables between given ones.

function table(hexes) {  // (256 x 3) colours between the given ones
  const c = hexes.split(" ").map(hex), out = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const t = i / 255 * (c.length - 1), k = Math.min(Math.floor(t), c.length - 2);
    for (let j = 0; j < 3; j++) out[3 * i + j] = Math.round(c[k][j] + (t - k) * (c[k + 1][j] - c[k][j]));
  }
  return out;
}
export function hex(s) { const v = parseInt(s.replace("#", ""), 16); return [v >> 16 & 255, v >> 8 & 255, v & 255]; }
export function golden(i) {  // colours of neighbouring ids lie far apart
  const h = i * 0.618034 % 1 * 6, l = [.62, .42, .76][i % 3], s = [.75, .8, .6][i % 3], a = s * Math.min(l, 1 - l);
  return [0, 4, 2].map((n) => { const k = (n + h) % 6; return Math.round(255 * (l - a * Math.max(-1, Math.min(k < 3 ? k - 1 : 3 - k, 1)))); });
}

export const INFERNO = table("000004 0d0829 280b53 470b6a 65156e 82206c 9f2a63 bb3755 d44842 e8602d f57d15 fc9f07 fac228 f3e55d fcffa4");
export const GREY = table("000000 ffffff");
export const CIVIDIS = table("00224e 083370 35456c 4f576c 666970 7d7c78 958f78 aea371 c8b866 e5cf52 fee838");
