// The kernel may go away under the page.

const GONE = "The kernel is gone. What is here can still be looked at, but nothing new will be computed: run the cells again, or reload the page.";
export function watch(model, store) {
  const gone = () => { store.gone = GONE; store.asked.clear(); store.tell(); };
  const kernel = model.widget_manager?.kernel ?? model.widget_manager?.context?.sessionContext?.session?.kernel;
  const bad = ["dead", "restarting", "autorestarting", "terminating", "unknown"];
  const look = (_, status) => bad.includes(status ?? kernel.status) && gone();
  const link = (_, status) => { if (status === "disconnected") gone(); };
  kernel?.statusChanged?.connect(look); kernel?.connectionStatusChanged?.connect(link); kernel?.disposed?.connect?.(gone);
  model.on("comm:close", gone);
  return () => { kernel?.statusChanged?.disconnect(look); kernel?.connectionStatusChanged?.disconnect(link); };
}
