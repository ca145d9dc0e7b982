// The canvas: arrays come once from Python; pictures are composed here, at every move of a slider, without asking it.
// One default export a model: what `initialize` and all its views share lives in one closure.
import { Store } from "./store.js";
import { clock } from "./play.js";
import { View } from "./view.js";
import { watch } from "./kernel.js";

export default () => {
  let store, ends;
  return {
    initialize({ model }) {
      store = new Store(model);
      ends = [clock(model), watch(model, store)];
      return () => ends.forEach((end) => end());
    },
    render({ model, el }) {
      const view = new View(model, store, el), draw = (what) => view.draw(what), build = () => view.build(), explain = () => view.explain();
      const changed = () => { store.changed = performance.now(); view.draw(); };
      store.listeners.add(draw);
      const put = () => { view.lasso = []; view.clicked = null; view.overlay(); };  // another tool: the marks of the old one go
      model.on("change:tool", put);
      for (const p of model.get("params")) model.on(`change:${p}`, changed);
      for (const p of ["panes", "derived", "colors"]) model.on(`change:${p}`, build);
      for (const p of ["classes", "legend"]) model.on(`change:${p}`, explain);
      return () => {
        store.listeners.delete(draw); view.remove();
        model.off("change:tool", put);
        for (const p of model.get("params")) model.off(`change:${p}`, changed);
        for (const p of ["panes", "derived", "colors"]) model.off(`change:${p}`, build);
        for (const p of ["classes", "legend"]) model.off(`change:${p}`, explain);
      };
    },
  };
};
