// What a pointer and keys do on a pane.

export function listen(pane) {
  const { canvas, view } = pane, painter = view.store.painter;
  let down = null, moved = false;
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button) return;
    canvas.focus({ preventScroll: true }); canvas.setPointerCapture(e.pointerId);
    down = [e.clientX, e.clientY, view.zoom.x, view.zoom.y]; moved = false;
    if (painter.wants(pane)) {
      const [x, y] = pane.where(e).map(Math.floor);
      if (view.inside(pane, x, y)) painter.begin(pane, x, y);
      return view.hover(pane, x, y);
    }
    if (view.model.get("tool") === "lasso") { view.lasso = [pane.where(e)]; view.drawing = true; }
    view.hover(pane, ...pane.where(e).map(Math.floor));  // a finger that only taps does not move
  });
  canvas.addEventListener("pointermove", (e) => {
    const [x, y] = pane.where(e);
    if (painter.stroke) { painter.move(Math.floor(x), Math.floor(y)); return view.hover(pane, Math.floor(x), Math.floor(y)); }
    if (down) {
      moved ||= Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 4;
      if (view.drawing) { view.lasso.push([x, y]); return view.overlay(); }
      if (moved && view.zoom.scale > 1) {
        const k = pane.off.width / canvas.clientWidth / view.zoom.scale;
        return view.pan(down[2] - (e.clientX - down[0]) * k, down[3] - (e.clientY - down[1]) * k);
      }
    }
    view.hover(pane, Math.floor(x), Math.floor(y));
  });
  canvas.addEventListener("pointerup", (e) => {
    if (!down) return;
    const [x, y] = pane.where(e);
    down = null;
    if (painter.stroke) return painter.end();
    if (painter.wants(pane)) return;
    if (view.drawing) return view.finish(pane);
    if (!moved && view.inside(pane, x, y)) view.click(pane, Math.floor(x), Math.floor(y));
  });
  canvas.addEventListener("pointerleave", () => view.leave());
  canvas.addEventListener("dblclick", () => view.reset());
  // Without Ctrl a wheel belongs to the page, unless this picture has been clicked
  canvas.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && !e.metaKey && document.activeElement !== canvas) return;
    e.preventDefault(); view.zoomAt(pane, ...pane.where(e), Math.exp(-e.deltaY / 300));
  }, { passive: false });
  canvas.addEventListener("keydown", (e) => view.keydown(e, pane));
}
