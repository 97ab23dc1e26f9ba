/* The globe in a page: one instance per .areo-globe section.

   Tells:    CustomEvent "areographer:drawn" {rows, ms} on the section when all is drawn for the first time;
             CustomEvent "areographer:tile" {tile_id, layer, lon, lat} and "areographer:cut" {layer, min_probability,
             count} on the section (they bubble); inside an iframe also postMessage({type, ...}) to the page around
             it, and from a chat's cards and sliders "areographer:more", "areographer:judge", "areographer:threshold".
   Listens:  section.areographer.light("L3" | null), .show(["L1", ...]), .fly(lon, lat), .clear(), .project("globe" |
             "mercator" | "north" | "south"), .update({layers, thumbnails, key}); inside an iframe
             postMessage({type: "areographer:light", layer: "L3"}) and
             postMessage({type: "areographer:fly", lon, lat}) from the page around it. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const { make, button } = areo;
  const VIEWS = [
    ["globe", "Globe", "Globe"], ["mercator", "Flat", "Flat map (Mercator)"],
    ["north", "North", "North pole (polar stereographic)"], ["south", "South", "South pole (polar stereographic)"],
  ];

  areo.mount = function (root, given) {
    root.areographer?.destroy();
    const state = {
      payload: areo.read(given), visible: new Set(), lit: null, selected: null, errors: [],
      projection: "globe", // of the main map, which lies under a polar view
      coverage: true, graticule: true,
      off: new Set(given.off ?? []), cuts: new Map(), opened: new Set(), known: new Set(), verdicts: new Map(), // by layer id
      key: null, // whose layers these are: other layers under the same ids begin anew
      moved: false, // by hand: then new layers do not turn the map
    };
    if (Number(root.dataset.height)) root.style.height = `${Number(root.dataset.height)}px`;
    const stage = make("div", "areo-stage"), side = make("div", "areo-side"), tools = make("div", "areo-tools");
    const scale = areo.scaleBar(), corner = make("div", "areo-corner"), note = make("div", "areo-note");
    const polar = {}; // views by name, made when first asked for
    let main, view, poles, legend;

    const find = (id) => state.payload.layers.find((layer) => layer.id === id);
    const shown = () => state.payload.layers.filter((layer) => state.visible.has(layer.id));

    function draw() {
      view.draw();
      if (view === main) poles?.draw();
      root.dataset.lit = state.lit || "";
      legend.update();
    }

    function tellAbout(type, detail) {
      root.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
      if (window.parent !== window) window.parent.postMessage({ type, ...detail }, "*");
    }

    function pick(hits, byKeys) {
      corner.replaceChildren();
      state.selected = null;
      if (hits.length) {
        const { layer, i } = hits[0];
        const lon = layer.lon[i], lat = layer.lat[i];
        state.selected = { lon, lat, ring: areo.footprint(state, lon, lat) };
        const content = areo.card(state, hits);
        content.prepend(button("areo-close", "×", "Close the card", () => { pick([]); }));
        // At the side that the place is not on: a card beside its place would hang over the edge of a small map.
        corner.classList.toggle("areo-left", view.place(lon, lat)[0] > stage.clientWidth / 2);
        corner.append(content);
        if (byKeys) { content.tabIndex = -1; content.focus(); }
        tellAbout("areographer:tile", { tile_id: layer.row_id[i], layer: layer.id, lon, lat });
      }
      draw();
    }

    // A polar view shows its own hemisphere only; anything else brings the main map back.
    function fit(id, animate = true) {
      const layers = id ? [find(id)].filter(Boolean) : shown();
      const extent = areo.extent(layers);
      if (view === main) main.fit(extent, animate);
      else if (!view.fit(extent) && id && extent) { project(state.projection); main.fit(extent, false); }
    }

    function project(name) {
      if (name === "globe" || name === "mercator") {
        const other = state.projection !== name;
        state.projection = name;
        switchTo(main);
        if (other) { main.project?.(name); fit(null, false); }
      } else {
        const first = !polar[name];
        polar[name] ||= areo.polarView(stage, state, tell, name === "north" ? 1 : -1);
        switchTo(polar[name]);
        if (first) view.fit(null);
      }
      root.dataset.projection = name;
      for (const one of tools.querySelectorAll("[data-view]")) one.setAttribute("aria-pressed", String(one.dataset.view === name));
      draw();
    }

    function switchTo(next) {
      if (view === next) return;
      corner.replaceChildren();
      state.selected = null;
      for (const one of [main, ...Object.values(polar)]) one.show(one === next);
      poles?.show(next === main);
      view = next;
      view.draw();
    }

    /** Take the layers of the payload: what was switched off stays off, sliders stay where they were put. */
    function take() {
      const ids = state.payload.layers.map((layer) => layer.id);
      state.visible = new Set(ids.filter((id) => !state.off.has(id)));
      if (!ids.includes(state.lit)) state.lit = null;
      for (const layer of state.payload.layers) areo.cut(layer, state.cuts.get(layer.id) ?? null);
      const wasOpen = legend ? legend.element.open : stage.clientWidth > 480;
      const inside = () => [...side.querySelectorAll("summary, input, button")];
      const focused = inside().indexOf(document.activeElement);
      const made = areo.legend(state, act, wasOpen);
      if (legend) legend.element.replaceWith(made.element); else side.append(made.element);
      legend = made;
      inside()[focused]?.focus();
    }

    const least = (layer) => (layer.cut === null ? layer.threshold : layer.cut / 100);
    const act = {
      toggle(id, on) { state.off[on ? "delete" : "add"](id); state.visible[on ? "add" : "delete"](id); draw(); },
      fit(id) { act.toggle(id, true); state.moved = false; fit(id); },
      cut(layer, hundredths) {
        areo.cut(layer, hundredths);
        if (hundredths === null) state.cuts.delete(layer.id); else state.cuts.set(layer.id, hundredths);
        corner.replaceChildren();
        state.selected = null;
        draw();
      },
      settled(layer) { tellAbout("areographer:cut", { layer: layer.id, min_probability: least(layer), count: areo.count(layer) }); },
      keep(layer) { window.parent.postMessage({ type: "areographer:threshold", layer: layer.id, min_probability: least(layer) }, "*"); },
      redraw: draw,
    };

    const handle = {
      state,
      get view() { return view; },
      /** Bring one layer forward and fade the others; null brings all back. */
      light(id) {
        state.lit = id && find(id) && state.lit !== id ? id : null;
        if (state.lit) { state.off.delete(id); state.visible.add(id); state.moved = false; fit(id); }
        draw();
      },
      /** Turn to a place and outline the tile there. */
      fly(lon, lat) {
        const place = { lon, lat, radius: 6 };
        if (view !== main && view.pole * lat <= 0) project(state.projection);
        state.selected = { lon, lat, ring: areo.footprint(state, lon, lat) };
        view.fit(place, true);
        draw();
      },
      /** Close the card of the chosen tile. */
      clear() { pick([]); },
      show(ids) {
        state.off = new Set(state.payload.layers.map(({ id }) => id).filter((id) => !ids.includes(id)));
        state.visible = new Set(ids);
        draw();
      },
      /** Other layers on the same planet: {layers, thumbnails} of another payload, and whose they are. The map is not
          made anew: camera, view, switches and sliders stay, and it turns only if nobody has moved it, or if ``turn`` says that someone asked for these layers. */
      update({ layers, thumbnails = {}, key = state.key, turn = false }) {
        if (key !== state.key) {
          for (const one of [state.off, state.cuts, state.opened, state.known, state.verdicts]) one.clear();
          Object.assign(state, { key, moved: false, lit: null });
        }
        const before = state.payload.layers.map(({ id }) => id).join();
        state.payload = areo.read({ ...state.payload, layers, thumbnails });
        const changed = before !== state.payload.layers.map(({ id }) => id).join();
        if (changed) { corner.replaceChildren(); state.selected = null; }
        take();
        main.setLayers();
        if (view !== main) view.setLayers();
        draw();
        if (turn) state.moved = false;
        if ((changed || turn) && !state.moved) fit(null);
      },
      destroy() {
        resized.disconnect();
        for (const one of [main, ...Object.values(polar)]) one.destroy();
        stage.remove();
      },
      fit,
      project,
    };

    const views = make("div", "areo-views");
    views.setAttribute("role", "group");
    views.setAttribute("aria-label", "View");
    for (const [name, word, title] of VIEWS) {
      const one = button(name === "mercator" ? "areo-flat" : "", word, title, () => project(name));
      one.dataset.view = name;
      one.setAttribute("aria-pressed", String(name === "globe"));
      views.append(one);
    }
    const zoom = make("div", "areo-zoom");
    zoom.append(
      button("", "+", "Zoom in", () => { state.moved = true; view.zoom(2); }),
      button("", "−", "Zoom out", () => { state.moved = true; view.zoom(0.5); }),
      button("areo-all", "", "Show the whole planet", () => { state.moved = false; view.fit(null, true); }),
    );
    tools.append(views);
    root.append(stage);

    const tell = {
      pick,
      hover: areo.tip(stage),
      open: project,
      move(kmPerPixel, sharpness) {
        scale.set(kmPerPixel, sharpness);
        // Zoomed in, the small polar panels would cover what is looked at.
        if (view === main) poles?.show(kmPerPixel * stage.clientWidth > 0.3 * state.payload.body.radius_km);
      },
      touched() { state.moved = true; },
      ready() { root.dataset.view = "webgl"; },
      drawn(rows) {
        root.dataset.drawn = String(rows);
        const detail = { rows, ms: performance.now() };
        root.dispatchEvent(new CustomEvent("areographer:drawn", { bubbles: true, detail }));
      },
    };

    function useCanvas(reason) {
      main?.destroy();
      main = view = areo.flatView(stage, state, tell);
      state.projection = "mercator";
      views.querySelector("[data-view=globe]").hidden = true;
      root.dataset.view = "canvas";
      note.textContent = reason;
      note.hidden = false;
      main.fit(areo.extent(shown()), false);
      project("mercator");
    }

    note.hidden = true;
    take();
    stage.append(side, zoom, tools, scale.element, corner, note); // also the order of the keyboard's focus
    poles = areo.polarPanels(stage, state, tell);
    try {
      main = view = areo.mapView(stage, state, tell);
      main.map.getCanvas().addEventListener("webglcontextlost", () => useCanvas("The graphics context was lost: flat map without WebGL."));
      fit(null, false);
      draw();
    } catch (error) {
      state.errors.push(String(error));
      useCanvas("This browser has no WebGL: flat map instead of the globe.");
    }
    stage.addEventListener("keydown", (event) => { if (event.key === "Escape") handle.clear(); });
    let seen = stage.clientWidth > 0;
    const resized = new ResizeObserver(() => {
      view.resize?.();
      poles?.draw();
      // Made while it was folded away, as on a phone, it did not know its size.
      if (!seen && stage.clientWidth) { seen = true; main.map?.resize(); if (!state.moved) fit(null, false); }
    });
    resized.observe(stage);
    root.areographer = handle;
    return handle;
  };

  areo.mountAll = function () {
    for (const root of document.querySelectorAll(".areo-globe:not([data-mounted])")) {
      root.dataset.mounted = "1";
      const payload = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
      // A page that shows the same pictures elsewhere need not carry them twice.
      for (const image of document.querySelectorAll("img[data-tile]")) payload.thumbnails[image.dataset.tile] ??= image.src;
      areo.mount(root, payload);
    }
  };

  if (!areo.listening) {
    areo.listening = true;
    window.addEventListener("message", (event) => {
      const data = event.data;
      if (window.parent === window || event.source !== window.parent) return;
      for (const root of document.querySelectorAll(".areo-globe")) {
        if (data?.type === "areographer:light") root.areographer?.light(data.layer);
        if (data?.type === "areographer:fly" && [data.lon, data.lat].every(Number.isFinite)) root.areographer?.fly(data.lon, data.lat);
      }
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", areo.mountAll); else areo.mountAll();
})();
