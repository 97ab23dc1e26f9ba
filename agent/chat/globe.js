/* The globe inside the chat's frame: layers come by message, the planet's picture only once. */
document.addEventListener("DOMContentLoaded", () => {
  "use strict";
  const areo = window.areographer;
  const root = document.querySelector(".areo-globe");
  const planet = root.areographer.state.payload;

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent) return;
    const { type, payload, lon, lat } = event.data ?? {};
    if (type === "areographer:layers") {
      const { view } = root.areographer;
      // Taking a map down loses its graphics context on purpose, which is no reason to fall back to a flat map.
      view.map?.getCanvas().addEventListener("webglcontextlost", (lost) => lost.stopImmediatePropagation(), true);
      view.destroy();
      areo.mount(root, { ...planet, ...payload, basemap: planet.basemap });
    } else if (type === "areographer:fly") {
      const { state, view } = root.areographer;
      state.selected = { lon, lat, ring: areo.footprint(state, lon, lat) };
      view.draw();
      view.fit({ lon, lat, radius: 6 }, true);
    }
  });
  window.parent.postMessage({ type: "areographer:ready" }, "*");
});
