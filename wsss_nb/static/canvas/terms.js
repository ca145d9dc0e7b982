// Words of the dissertation that explain themselves: where one is pointed at, focused or touched, the style sheet shows what it means.

const TERMS = {
  UE: "Undersegmentation error (3.9): how far superpixels leak over the edges of the true mask; 0 is best.",
  BR: "Boundary recall (3.10): the share of the true boundary that the superpixels find; 1 is best.",
  BP: "Boundary precision (3.11): the share of the superpixels' boundary that the true mask has, too; 1 is best.",
  ASA: "Achievable segmentation accuracy (3.12): the share of right pixels if each superpixel took its best single class; 1 is best.",
  z: "The score of a superpixel (3.5): the mean, over its pixels, of the highest class activation. The lowest z is background.",
  degree: "To how many of the patches that are still free a patch is similar (A > 0, with A the cosine of (3.1)).",
  seed: "Where something begins: in a picture of labels the pixels that are sure of their class, (3.4) and (3.5); of a superpixel the patch that it was discovered from (Table 3.1).",
  coverage: "The share of the pixels with a true label that are labelled, rightly or not.",
  precision: "The share of the labelled pixels that carry their true class.",
  IoU: "Intersection over union: the pixels that a class has in both masks, over those that it has in either; 1 is best.",
  mIoU: "Mean intersection over union: of each class the pixels in both masks over those in either, then the mean; 1 is best.",
  CAM: "Class activation map (3.3): where the classifier looks for a class, 1 at its highest value.",
  "α": "The activation above which a pixel is sure foreground (3.4).",
  "β": "The mean probability above which a superpixel is taken by its likeliest class (3.7).",
  "τ": "The similarity (3.1) above which a patch joins the superpixel of its seed: the higher, the more superpixels.",
};
const WORD = /(?<![\p{L}\p{N}_])(UE|BR|BP|ASA|m?IoU|CAM|[zαβτ]|[Dd]egree|[Ss]eed|[Cc]overage|[Pp]recision)(?![\p{L}\p{N}_])/gu;
const meaning = (word) => TERMS[word] ?? TERMS[word.toLowerCase()];

// A text in pieces: plain, term, plain, …; a term is one only where it comes first, since once explained is enough
export function pieces(text) {
  const out = [""], seen = new Set();
  let from = 0;
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (seen.has(meaning(word))) continue;
    seen.add(meaning(word));
    out[out.length - 1] = text.slice(from, index);
    out.push(word, ""); from = index + word.length;
  }
  out[out.length - 1] = text.slice(from);
  return out;
}

function term(word, focus) {
  const e = document.createElement("span");
  e.className = "wsss-term"; e.textContent = word;
  e.dataset.means = meaning(word); e.setAttribute("aria-description", meaning(word));
  if (focus) e.tabIndex = 0;
  e.addEventListener("keydown", (event) => event.key === "Escape" && e.blur());
  return e;
}
const written = new WeakMap();

// In place of `element.textContent = text`. Where only numbers change, the terms stay the elements they are: what is open stays open
export function write(element, text, focus = true) {
  const said = pieces(text), old = written.get(element);
  const terms = said.filter((_, i) => i % 2).join();
  if (old?.terms === terms && old.plain.every((n) => n.parentNode === element)) {
    old.plain.forEach((n, i) => { if (n.data !== said[2 * i]) n.data = said[2 * i]; });
    return;
  }
  const nodes = said.map((s, i) => i % 2 ? term(s, focus) : document.createTextNode(s));
  element.replaceChildren(...nodes);
  written.set(element, { terms, plain: nodes.filter((_, i) => i % 2 === 0) });
}
