// Play: a clock that moves `step`.

export function step(model, by) {
  const n = model.get("steps");
  model.set("step", (model.get("step") + by + n) % n); model.save_changes();
}
export function toggle(model) { model.set("playing", !model.get("playing")); model.save_changes(); }
export function clock(model) {
  let timer = null;
  const tick = () => {
    if (model.get("step") + 1 >= model.get("steps")) { model.set("playing", false); return model.save_changes(); }
    step(model, 1);
    timer = setTimeout(tick, 1000 / model.get("speed"));
  };
  model.on("change:playing", () => {
    clearTimeout(timer);
    if (!model.get("playing")) return;
    if (model.get("step") + 1 >= model.get("steps")) { model.set("step", 0); model.save_changes(); }
    timer = setTimeout(tick, 1000 / model.get("speed"));
  });
  return () => clearTimeout(timer);
}
