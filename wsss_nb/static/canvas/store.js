// The store: what came from Python, and what is computed from it.
import { TYPES } from "./arrays.js";
import { OPS } from "./maps.js";
import { Painter } from "./paint.js";

const QUIET = 250;   // ms without a change before something slow is asked for
export const HANDS_OFF = 300;  // ms before a wait is worth a word

export class Store {
  constructor(model) {
    Object.assign(this, { model, arrays: new Map(), versions: new Map(), asked: new Map(), missing: new Map(), memo: new Map(), listeners: new Set(), timers: new Map() });
    this.error = this.gone = ""; this.changed = performance.now();
    this.painter = new Painter(this, model);
    model.on("msg:custom", (msg, buffers) => this.receive(msg, buffers));
  }

  // "sp|tau,order" -> "sp|tau=0.3|order=0"; a name that is no parameter is looked up in what the last answers said
  key(ref, calm = false) {
    const [name, names] = ref.split("|");
    if (!names) return name;
    return [name, ...names.split(",").map((p) => {
      const q = p.replace("~", ""), v = this.model.get(q) ?? this.said?.[q];
      return `${q}=${calm && p !== q ? 0 : typeof v === "string" ? v : +(+v).toFixed(6)}`;
    })].join("|");
  }

  // the array of a reference, or undefined if it is on its way, or null if Python has none
  get(ref, settle = false) {
    const d = this.model.get("derived")[ref];
    if (d) return this.derive(ref, d);
    const key = this.key(ref), have = this.arrays.get(key);
    if (have || key.includes("NaN")) return have;  // NaN: a parameter that is itself on its way
    const slow = ref.includes("~") && key !== this.key(ref, true);
    this.ask(key, settle || slow);
    if (this.missing.has(key)) { this.error ||= this.missing.get(key); return null; }
    return slow ? this.arrays.get(this.key(ref, true)) ?? (this.ask(this.key(ref, true)), undefined) : undefined;
  }

  derive(name, d) {
    const inputs = {}, p = {};
    for (const k in d) {
      if (k === "op") continue;
      if (k === "params") { for (const q of d.params) p[q] = this.model.get(q); continue; }
      inputs[k] = this.get(d[k]);
      if (inputs[k] === undefined || inputs[k] === null) return inputs[k];
    }
    const old = this.memo.get(name), now = [...Object.values(inputs), JSON.stringify(p)];
    if (old && now.length === old.from.length && now.every((v, i) => v === old.from[i])) return old.value;
    const value = OPS[d.op](inputs, p, this.model);
    this.memo.set(name, { from: now, value });
    return value;
  }

  // At most one question of a name is under way: the next is asked when the answer is here, so the last value wins
  ask(key, settle = false) {
    const name = key.split("|")[0];
    if (this.asked.has(name) || this.missing.has(key) || this.gone) return;
    const wait = settle ? QUIET - (performance.now() - this.changed) : 0;
    if (wait > 0) {
      if (!this.timers.has(name)) this.timers.set(name, setTimeout(() => { this.timers.delete(name); this.tell(); }, wait));
      return;
    }
    this.asked.set(name, { key, at: performance.now() });
    setTimeout(() => this.asked.size && this.tell("wait"), HANDS_OFF);
    this.model.send({ type: "need", key });
  }

  receive(msg, buffers) {
    if (msg.type === "fresh") {
      for (const [name, version] of Object.entries(msg.names)) {
        this.versions.set(name, version); this.asked.delete(name);
        for (const m of [this.arrays, this.missing]) for (const k of [...m.keys()]) if (k.split("|")[0] === name) m.delete(k);
      }
      return this.tell();
    }
    if (msg.type === "painter") return this.painter[msg.what]();
    if (msg.type === "file") { this.file = { name: msg.name, url: URL.createObjectURL(new Blob([buffers[0]], { type: msg.mime })) }; return this.tell(); }
    const name = msg.key.split("|")[0];
    if (msg.version < (this.versions.get(name) ?? 0)) return;
    this.asked.delete(name);
    if (msg.type === "none") this.missing.set(msg.key, msg.text || "");
    else this.keep(msg.key, msg, buffers[0]);
    this.tell();
  }

  keep(key, { shape, dtype, meta }, view) {
    const data = new TYPES[dtype](view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    this.arrays.set(key, { data, shape, dtype, meta });
    let size = 0;
    for (const [k, a] of [...this.arrays].reverse()) if ((size += a.data.byteLength) > 2 ** 28 && k.includes("|")) this.arrays.delete(k);
  }

  tell(what) { for (const f of this.listeners) f(what); }
}
