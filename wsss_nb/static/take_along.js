// The row at the foot of an explorer: its picture, its maps and its settings, to be taken along. Nothing is made before it is asked for.

function dom(tag, cls, parent, text) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  parent?.append(e);
  return e;
}
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
async function copy(field) {
  try { await navigator.clipboard.writeText(field.value); return true; } catch { /* no clipboard without https: the older way */ }
  field.select();
  return document.execCommand("copy");
}
// Until no picture is on its way any more; false where that takes too long
async function settled(canvas) {
  for (let n = 0; n < 200; n++) {
    if (canvas.dataset.gone === "1" || !canvas.querySelector(".wsss-waiting")) return true;
    await new Promise((go) => setTimeout(go, 50));
  }
  return false;
}

const KINDS = [["png", "picture as PNG", "170 mm wide at 300 dots to the inch"], ["svg", "picture as SVG", "170 mm wide, its words as text"], ["zip", "maps as ZIP", "each map as a file, the photograph, and the settings"]];

function render({ model, el }) {
  const root = dom("details", "wsss-take", el), get = (name) => model.get(name);
  let asked = false;
  root.dataset.lmSuppressShortcuts = "true";  // else JupyterLab takes the keys
  root.onkeydown = (e) => { if (e.key === " " || e.key === "Enter") e.stopPropagation(); };
  dom("summary", "", root, "take along");
  const row = dom("div", "wsss-take-row", root);
  const said = dom("output", "wsss-take-said");
  const say = (text) => { said.textContent = text; };
  const canvas = () => root.closest(".wsss-explorer")?.querySelector(".wsss-canvas") ?? document.querySelector(".wsss-canvas");

  const make = async (kind, name, settings) => {
    if (!await settled(canvas())) return say("a picture is still being computed: try again");
    save(await canvas().picture(kind, settings), `${name}.${kind}`);
    say(`${name}.${kind}`);
  };
  const ask = (kind) => {
    if (canvas().dataset.gone !== "1") { asked = true; say("one moment …"); return model.send({ type: kind }); }
    if (kind === "zip") return say("the maps are the kernel's, and it is gone");
    make(kind, "picture", get("settings"));  // the picture is here
  };
  for (const [kind, text, title] of KINDS) Object.assign(dom("button", "", row, text), { type: "button", title, onclick: () => ask(kind) });
  row.append(said);

  const fields = [["text", "the same again, in a shell where the ZIP was unpacked"], ["run", "likewise for a whole dataset"]].map(([trait, what]) => {
    const part = dom("div", "wsss-take-part", root), label = dom("label", "", part, what), field = dom("textarea", "", part), button = dom("button", "", part, "copy");
    Object.assign(field, { readOnly: true, spellcheck: false, id: `wsss-take-${Math.random().toString(36).slice(2)}` });
    label.htmlFor = field.id;
    Object.assign(button, { type: "button", onclick: async () => say(await copy(field) ? "copied" : "press Ctrl+C to copy") });
    button.setAttribute("aria-label", `copy: ${what}`);
    return () => {
      const text = get(trait);
      field.value = text; part.hidden = !text;
      field.rows = Math.min(12, text.split("\n").length + (text.length > 120));
    };
  });
  const words = dom("p", "wsss-take-words", root);

  const show = () => { fields.forEach((f) => f()); words.textContent = get("words"); };
  const fold = () => { root.open = get("unfolded"); };
  root.ontoggle = () => { if (root.open !== get("unfolded")) { model.set("unfolded", root.open); model.save_changes(); } };
  const hear = (msg, buffers) => {
    if (!asked) return;  // another view of the same explorer has asked
    asked = false;
    if (msg.type === "said") return say(msg.text);
    if (msg.type === "file") { save(new Blob([buffers[0]], { type: msg.mime }), msg.name); return say(msg.name); }
    make(msg.type, msg.name, msg.settings);
  };
  model.on("change:text change:words change:run", show); model.on("change:unfolded", fold); model.on("msg:custom", hear);
  show(); fold();
  return () => { model.off("change:text change:words change:run", show); model.off("change:unfolded", fold); model.off("msg:custom", hear); };
}
export default { render };
