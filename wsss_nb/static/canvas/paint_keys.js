// Correcting by keyboard alone: arrows move the cursor over the mask (with Shift a pixel at a time), Enter uses the tool there, Ctrl+Z and Ctrl+Y undo and redo.

const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
export function moved({ x, y }, [dx, dy], by, W, H) {
  return [Math.max(0, Math.min(W - 1, x + dx * by)), Math.max(0, Math.min(H - 1, y + dy * by))];
}
export function paintKey(e, pane, view) {  // whether the key was meant for the tool
  const painter = view.store.painter, { width: W, height: H } = pane.off, key = e.key.toLowerCase(), ctrl = e.ctrlKey || e.metaKey;
  if (!pane.spec.paint) return false;
  if (ctrl && key === "z") e.shiftKey ? painter.redo() : painter.undo();
  else if (ctrl && key === "y") painter.redo();
  else if (!painter.wants(pane)) return false;
  else if (WAYS[e.key]) view.hover(pane, ...moved(view.cursor ?? { x: W >> 1, y: H >> 1 }, WAYS[e.key], e.shiftKey ? 1 : Math.max(1, Math.round(W / 60)), W, H));
  else if (e.key === "Enter" && view.cursor) { painter.begin(pane, view.cursor.x, view.cursor.y); if (painter.stroke) painter.end(); }
  else return false;
  e.preventDefault();
  return true;
}
