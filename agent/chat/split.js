/* The line between the map and the panels below it: dragged, or moved with the arrow keys, and remembered. */
(() => {
  "use strict";
  const KEY = "areographer-map-share", LEAST = 20, MOST = 80, STEP = 5, USUAL = 48;

  const bounded = (share) => Math.min(MOST, Math.max(LEAST, share));
  const remembered = () => { try { return Number(localStorage.getItem(KEY)) || USUAL; } catch { return USUAL; } };
  const remember = (share) => { try { localStorage.setItem(KEY, String(share)); } catch { /* it begins anew next time */ } };

  /** Put the line where it belongs, once Gradio has drawn both sides of it. */
  function place() {
    const beside = document.getElementById("beside"), panels = document.getElementById("panels");
    if (!beside || !panels || document.getElementById("split")) return;
    const line = document.createElement("div");
    line.id = "split";
    line.tabIndex = 0;
    line.title = "Drag, or use the arrow keys, to give the map more room or less";
    for (const [name, value] of [
      ["role", "separator"], ["aria-orientation", "horizontal"], ["aria-label", "Height of the map"],
      ["aria-valuemin", LEAST], ["aria-valuemax", MOST],
    ]) line.setAttribute(name, value);
    panels.before(line);

    let share = remembered();
    function set(wanted) {
      share = bounded(Math.round(wanted));
      beside.style.setProperty("--map-share", share);
      line.setAttribute("aria-valuenow", share);
    }
    set(share);

    line.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -STEP, ArrowDown: STEP, Home: -100, End: 100 }[event.key];
      if (!by) return;
      event.preventDefault();
      set(share + by);
      remember(share);
    });
    line.addEventListener("dblclick", () => { set(USUAL); remember(share); });
    line.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      line.setPointerCapture(event.pointerId);
      beside.classList.add("splitting"); // the map's frame would swallow the pointer
      const box = beside.getBoundingClientRect();
      const move = (moved) => set((100 * (moved.clientY - box.top)) / box.height);
      const end = () => {
        line.removeEventListener("pointermove", move);
        beside.classList.remove("splitting");
        remember(share);
      };
      line.addEventListener("pointermove", move);
      line.addEventListener("lostpointercapture", end, { once: true });
    });
  }

  new MutationObserver((_, watching) => {
    place();
    if (document.getElementById("split")) watching.disconnect();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
