// Numbers as they are said.

// Facts that are parts of one, whole only by chance: 1.000. Numbers from Python do not tell a float from an int.
export const RATIO = /^(other_)?(ue|br|bp|asa|m?iou|coverage|precision|recall|labelled|z)(0|_after)?$/;
export const count = (n, noun) => `${say(n)} ${noun}${n === 1 ? "" : /(s|x|ch)$/.test(noun) ? "es" : "s"}`;  // 1 patch, 2 patches
export function say(v, ratio = false) {
  if (typeof v !== "number") return String(v);
  const text = Number.isInteger(v) && !ratio ? v.toLocaleString("en") : v.toFixed(Math.abs(v) >= 100 ? 0 : 3);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}
