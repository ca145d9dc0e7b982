// Play: a clock that moves `step`.

export function step(model, by) {
  const n = model.get("steps"), first = model.get("first");
  model.set("step", (model.get("step") - first + by + n) % n + first); model.save_changes();
}
export function toggle(model) { model.set("playing", !model.get("playing")); model.save_changes(); }
export function clock(model) {
  let timer = null;
  const ended = () => model.get("step") - model.get("first") + 1 >= model.get("steps");
  const tick = () => {
    if (ended()) { model.set("playing", false); return model.save_changes(); }
    step(model, 1);
    timer = setTimeout(tick, 1000 / model.get("speed"));
  };
  model.on("change:playing", () => {
    clearTimeout(timer);
    if (!model.get("playing")) return;
    if (ended()) { model.set("step", model.get("first")); model.save_changes(); }
    timer = setTimeout(tick, 1000 / model.get("speed"));
  });
  return () => clearTimeout(timer);
}
