// A field for names: Python completes what is typed; chosen names are chips that can be taken away, likely ones chips that can be pressed.

export const percent = (p) => p < .001 ? "< 0.1 %" : p >= .1 ? `${Math.round(100 * p)} %` : `${(100 * p).toFixed(1)} %`;

function dom(tag, cls, parent, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  parent?.append(e);
  return e;
}

class Field {
  constructor(model, el) {
    this.model = model;
    const root = dom("div", "wsss-names", el), line = dom("div", "wsss-names-line", root);
    root.dataset.lmSuppressShortcuts = "true";
    dom("label", "wsss-names-label", line, "names").htmlFor = "wsss-names-" + model.get("field");
    this.chosen = dom("span", "wsss-names-chosen", line);
    this.box = dom("span", "wsss-names-box", line);
    this.input = dom("input", "", this.box);
    this.list = dom("ul", "wsss-names-list", this.box);
    this.likely = dom("div", "wsss-names-likely", root);
    Object.assign(this.input, { id: "wsss-names-" + model.get("field"), type: "text", autocomplete: "off", spellcheck: false, placeholder: "type a name: cat, boat, …" });
    for (const [k, v] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false" })) this.input.setAttribute(k, v);
    this.list.setAttribute("role", "listbox");
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.draw();
  }
  names() { return this.model.get("value"); }
  set(value) { this.model.set("value", value); this.model.save_changes(); }
  add(name) {
    this.input.value = ""; this.close();
    const more = name.split(",").map((n) => n.trim()).filter((n) => n && !this.names().includes(n));
    if (more.length) this.set([...this.names(), ...more]);
  }
  drop(name) { this.set(this.names().filter((n) => n !== name)); }

  typed() {
    if (this.input.value.trim()) this.model.send({ type: "typed", text: this.input.value });
    else this.close();
  }
  suggest({ text, names }) {
    if (text !== this.input.value) return;  // something else has been typed since
    const found = names.filter((n) => !this.names().includes(n));
    this.at = -1;
    this.list.replaceChildren(...found.map((n) => {
      const e = dom("li", "", null, n);
      e.setAttribute("role", "option");
      e.addEventListener("pointerdown", (o) => { o.preventDefault(); this.add(n); });
      return e;
    }));
    this.input.setAttribute("aria-expanded", found.length > 0);
  }
  close() { this.list.replaceChildren(); this.input.setAttribute("aria-expanded", "false"); this.at = -1; }
  point(by) {
    const items = [...this.list.children];
    if (!items.length) return;
    this.at = (this.at + by + items.length) % items.length;
    items.forEach((e, i) => e.setAttribute("aria-selected", i === this.at));
  }
  key(e) {
    if (e.key === "ArrowDown") this.point(1);
    else if (e.key === "ArrowUp") this.point(-1);
    else if (e.key === "Escape") this.close();
    else if ((e.key === "Enter" || e.key === ",") && this.input.value.trim()) this.add(this.list.children[this.at]?.textContent ?? this.input.value);
    else if (e.key === "Backspace" && !this.input.value && this.names().length) this.drop(this.names().at(-1));
    else { if (e.key === "Enter") e.stopPropagation(); return; }
    e.preventDefault(); e.stopPropagation();  // the notebook runs no command
  }

  draw() {
    const colors = this.model.get("colors");
    this.chosen.replaceChildren(...this.names().map((n, i) => {
      const e = dom("span", "wsss-name");
      dom("i", "", e).style.background = colors[i] ?? "transparent";
      dom("span", "", e, n);
      const away = dom("button", "", e, "×");
      Object.assign(away, { type: "button", title: `take ${n} away`, onclick: () => this.drop(n) });
      away.setAttribute("aria-label", `take ${n} away`);
      return e;
    }));
    const likely = this.model.get("likely");
    this.likely.replaceChildren(...(likely.length ? [dom("span", "", null, "the classifier's likeliest:")] : []), ...likely.map(([n, p]) => {
      const e = dom("button", "wsss-likely", null, `${n} ${percent(p)}`);
      const on = this.names().includes(n);
      e.type = "button"; e.setAttribute("aria-pressed", on);
      e.onclick = () => on ? this.drop(n) : this.add(n);
      return e;
    }));
  }
}

function render({ model, el }) {
  const field = new Field(model, el), draw = () => field.draw(), hear = (msg) => field.suggest(msg);
  const traits = "change:value change:likely change:colors";
  model.on(traits, draw); model.on("msg:custom", hear);
  return () => { model.off(traits, draw); model.off("msg:custom", hear); };
}
export default { render };
