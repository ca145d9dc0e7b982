// Switches, one for each thing (`many`), or cards of which one is chosen. `value` is a list of 0 and 1, linked to a trait of the canvas:
// what is pressed changes the picture before Python hears of it.

function dom(tag, cls, parent, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  parent?.append(e);
  return e;
}
const same = (a, b) => a.length === b.length && a.every((v, i) => +v === +b[i]);

function chip(item) {
  const e = dom("button", "wsss-chip");
  if (item.color) dom("i", "", e).style.background = item.color;
  dom("span", "", e, item.name);
  dom("b", "", e);
  return e;
}
function card(item) {
  const e = dom("button", "wsss-card");
  if (item.image) Object.assign(dom("img", "", e), { src: item.image, alt: "" });
  const text = dom("span", "wsss-card-text", e), table = dom("span", "wsss-card-table", text);
  text.prepend(Object.assign(document.createElement("strong"), { textContent: item.title }));
  for (const cell of (item.table ?? []).flat()) dom("span", "", table, cell);
  table.style.gridTemplateColumns = `1fr repeat(${(item.table?.[0]?.length ?? 2) - 1}, auto)`;
  dom("b", "", text, item.last);
  return e;
}

function render({ model, el }) {
  const root = dom("div", "wsss-pick", el), get = (name) => model.get(name);
  let buttons = [];
  const set = (value) => { model.set("value", value); model.save_changes(); };
  const press = (i) => set(get("many") ? get("items").map((_, j) => +(get("value")[j] ?? 0) ^ (i === j)) : get("items")[i].value);
  const mark = () => buttons.forEach((e, i) => {
    const on = get("many") ? !!get("value")[i] : same(get("value"), get("items")[i].value);
    e.setAttribute("aria-pressed", on);
    if (get("many")) e.lastChild.textContent = get("words")[+on];
  });
  const build = () => {
    root.replaceChildren(); root.setAttribute("role", "group"); root.setAttribute("aria-label", get("label")); root.dataset.many = +get("many");
    dom("span", "wsss-pick-label", root, get("label"));
    buttons = get("items").map((item, i) => {
      const e = (get("many") ? chip : card)(item);
      e.type = "button"; e.onclick = () => press(i);
      e.onkeydown = (k) => { if (k.key === " " || k.key === "Enter") k.stopPropagation(); };  // the notebook runs no command
      root.append(e);
      return e;
    });
    mark();
  };
  model.on("change:items change:label change:many change:words", build);
  model.on("change:value", mark);
  build();
  return () => { model.off("change:items change:label change:many change:words", build); model.off("change:value", mark); };
}
export default { render };
