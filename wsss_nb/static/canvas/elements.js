// Elements of the page.

export function dom(tag, cls, parent, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  parent?.append(e);
  return e;
}

export function legendKey({ name, color }) {
  const e = dom("span", "wsss-key");
  dom("i", "", e).style.background = color;
  e.append(name);
  return e;
}

// A slider's handle has no name of its own: it takes that of the label beside it
export function name(root) {
  for (const h of root.closest(".wsss-explorer")?.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])") ?? []) {
    const label = h.closest(".widget-slider").querySelector(".widget-label")?.textContent;
    if (label) h.setAttribute("aria-label", label);
  }
  root.closest(".wsss-explorer")?.querySelector(".wsss-head .widget-upload")?.setAttribute("aria-label", "upload");  // its own text counts files
}
