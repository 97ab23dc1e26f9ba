/* The map inside the chat's frame: layers come by message, the planet's picture only once. What the frame may not
   fetch itself, sharper ground and pictures of tiles, the page around fetches for it. */
(() => {
  "use strict";
  const areo = window.areographer;
  const asked = new Map(); // number of a request -> {done, failed}
  let latest = 0;

  areo.inChat = true;
  areo.fetchFor = (path, signal) => new Promise((done, failed) => {
    const id = ++latest;
    asked.set(id, { done, failed });
    window.parent.postMessage({ type: "areographer:fetch", id, path }, "*");
    signal?.addEventListener("abort", () => {
      if (!asked.delete(id)) return;
      window.parent.postMessage({ type: "areographer:abort", id }, "*");
      failed(new DOMException("the map has moved on", "AbortError"));
    });
  });

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent) return;
    const { type, id, data, payload, key, fit, layer, verdicts } = event.data ?? {};
    const map = document.querySelector(".areo-globe")?.areographer;
    if (type === "areographer:fetched") {
      asked.get(id)?.done(data);
      asked.delete(id);
    } else if (type === "areographer:layers") {
      for (const one of payload.layers) one.keep = payload.keep?.[one.id];
      map?.update({ layers: payload.layers, thumbnails: payload.thumbnails, key, turn: fit });
    } else if (type === "areographer:verdicts") {
      if (map) areo.judged(map.state, layer, verdicts);
      document.querySelector(".areo-actions")?.dispatchEvent(new Event("areographer:judged"));
    }
  });
  // Files are dropped on the page: here they would take the place of the map.
  for (const type of ["dragenter", "dragover", "drop"]) {
    window.addEventListener(type, (event) => {
      if (![...(event.dataTransfer?.types || [])].includes("Files")) return;
      event.preventDefault();
      window.parent.postMessage({ type: "areographer:drag" }, "*");
    });
  }
  document.addEventListener("DOMContentLoaded", () => window.parent.postMessage({ type: "areographer:ready" }, "*"));
})();
