/* Layers on the map and off it, one beside the other. */
(() => {
  "use strict";
  const chat = window.areographerChat;

  function toggled(event) {
    const layer = event.target.dataset?.toggle;
    if (!layer) return;
    const others = chat.state.layers.filter((one) => one !== layer);
    chat.show(event.target.checked ? [...others, layer] : others);
  }

  /** What was open stays open when the table comes anew. */
  const open = new Set();
  function filled(element) {
    for (const row of element.querySelectorAll("tr")) {
      const about = row.querySelector("details"), layer = row.querySelector("[data-toggle]")?.dataset.toggle;
      if (!about) continue;
      about.open = open.has(layer);
      about.addEventListener("toggle", () => (about.open ? open.add(layer) : open.delete(layer)));
    }
  }

  chat.panel("layers", { mounted: (element) => element.addEventListener("change", toggled), filled });
})();
