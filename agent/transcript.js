/* Citations and tiles of the page, joined to its globe; on paper everything is open. */
(function () {
  "use strict";
  const globe = () => document.querySelector(".areo-globe")?.areographer;

  function paint() {
    const lit = globe()?.state.lit;
    for (const cite of document.querySelectorAll("a.cite")) cite.classList.toggle("on", cite.dataset.layer === lit);
    for (const layer of document.querySelectorAll("details.layer")) layer.classList.toggle("on", layer.id === `layer-${lit}`);
  }

  document.addEventListener("click", (event) => {
    const cite = event.target.closest("a.cite"), tile = event.target.closest("button[data-fly]");
    if (cite && globe()) {
      event.preventDefault();
      globe().light(cite.dataset.layer);
      const layer = document.getElementById(`layer-${cite.dataset.layer}`);
      if (layer) layer.open = true;
    }
    if (tile) globe()?.fly(...tile.dataset.fly.split(",").map(Number));
    paint();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { globe()?.light(null); paint(); }
  });

  // What is folded away on a screen cannot be unfolded on paper.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; });
})();
