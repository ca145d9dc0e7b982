// Numbers as they are said, and texts with numbers in them.

// Facts that are parts of one, whole only by chance: 1.000. Numbers from Python do not tell a float from an int.
export const RATIO = /^(other_)?(ue|br|bp|asa|m?iou|coverage|precision|recall|labelled|z)(0|_after)?$/;
const SETTING = /^(tau|alpha|beta_bg|beta_fg|tau1|tau2|gt_prob)$/;  // said as a slider says it: 0.50
export const count = (n, noun) => `${say(n)} ${noun}${n === 1 ? "" : /(s|x|ch)$/.test(noun) ? "es" : "s"}`;  // 1 patch, 2 patches
export function say(v, ratio = false) {
  if (typeof v !== "number") return String(v);
  return minus(Number.isInteger(v) && !ratio ? v.toLocaleString("en") : v.toFixed(Math.abs(v) >= 100 ? 0 : 3));
}
const minus = (text) => Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
const fact = (name, v) => SETTING.test(name) && typeof v === "number" ? minus(v.toFixed(2)) : say(v, RATIO.test(name));

// A text with its facts filled in ({n}, or counted: {n patch}); a part whose fact is unknown is left out
export function fill(text, facts) {
  return text.split(" · ").map((part) => {
    let whole = true;
    const said = part.replace(/{(\w+)(?: (\w+))?}/g, (_, k, noun) => {
      const v = facts[k];
      if (v === undefined || v === null) whole = false;
      return noun ? count(v, noun) : fact(k, v);
    });
    return whole ? said : "";
  }).filter(Boolean).join(" · ");
}
