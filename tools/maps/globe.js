/* The globe in a page: legend, toggles, popups, scale bar, events. One instance per .areo-globe section.

   Tells:    CustomEvent "areographer:drawn" {rows, ms} on the section when all is drawn for the first time;
             CustomEvent "areographer:tile" {tile_id, layer, lon, lat} on the section (it bubbles); inside
             an iframe also postMessage({type: "areographer:tile", ...}) to the page around it.
   Listens:  section.areographer.light("L3" | null), .show(["L1", ...]), .fly(lon, lat), .clear(),
             .update({layers, thumbnails}); inside an iframe
             postMessage({type: "areographer:light", layer: "L3"}) and
             postMessage({type: "areographer:fly", lon, lat}) from the page around it. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const NICE = [1, 2, 5];

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function button(className, text, title, action) {
    const element = make("button", className, text);
    element.type = "button";
    element.title = title;
    element.setAttribute("aria-label", title);
    element.addEventListener("click", action);
    return element;
  }

  const whole = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

  // ------------------------------------------------------------------ how positions are written

  /** Longitude as the body's users write it: 0..360 or -180..180, east- or west-positive. */
  areo.lonText = function (state, lon, digits) {
    const { longitude_domain: domain, longitude_positive: positive } = state.payload.body;
    const wrapped = areo.wrap(lon);
    if (domain === 360) {
      const turned = positive === "west" ? (360 - wrapped) % 360 : (wrapped + 360) % 360;
      return `${turned.toFixed(digits)}°${positive === "west" ? "W" : "E"}`;
    }
    if (wrapped === 0 || wrapped === -180) return `${Math.abs(wrapped).toFixed(digits)}°`;
    return `${Math.abs(wrapped).toFixed(digits)}°${wrapped < 0 ? "W" : "E"}`;
  };

  areo.latText = (lat, digits) => `${Math.abs(lat).toFixed(digits)}°${lat < 0 ? "S" : lat > 0 ? "N" : ""}`;

  // ------------------------------------------------------------------ parts

  function legend(state, act) {
    const box = make("details", "areo-legend");
    box.open = true;
    box.append(make("summary", "", "Layers"));
    const list = make("ul");
    state.payload.layers.forEach((layer) => {
      const item = make("li"), label = make("label"), tick = make("input");
      tick.type = "checkbox";
      tick.checked = true;
      tick.addEventListener("change", () => act.toggle(layer.id, tick.checked));
      const words = make("span", "areo-words");
      words.append(make("b", "", layer.id), " ", make("span", "", layer.title));
      words.append(make("small", "", facts(layer)));
      label.append(tick, areo.swatch(layer), words);
      item.append(label, button("areo-fit", "", `Show ${layer.id}`, () => act.fit(layer.id)));
      item.dataset.layer = layer.id;
      list.append(item);
    });
    if (!state.payload.layers.length) list.append(make("li", "areo-none", "no layers yet"));
    if (state.payload.layers.some((layer) => layer.probability.some((p) => !Number.isNaN(p)))) {
      list.append(make("li", "areo-none", "stronger colour: more probable"));
    }
    if (state.payload.has_gaps) {
      const item = make("li", "areo-none");
      item.append(make("i", "areo-gap"), make("span", "", "not observed"));
      list.append(item);
    }
    box.append(list);
    return box;
  }

  function facts(layer) {
    const parts = [whole(layer.count) + (layer.count === 1 ? " row" : " rows")];
    if (layer.lon.length < layer.count) parts.push(`${whole(layer.lon.length)} drawn`);
    if (layer.threshold !== null && layer.threshold !== undefined) parts.push(`p ≥ ${layer.threshold.toFixed(2)}`);
    const beyond = layer.lat.filter((lat) => Math.abs(lat) > areo.MERCATOR_LIMIT).length;
    if (beyond) parts.push(`${whole(beyond)} beyond 85°`);
    if (layer.shapes?.tolerance) parts.push(`outlines to ${layer.shapes.tolerance}°`);
    return parts.join(" · ");
  }

  function scaleBar() {
    const box = make("div", "areo-scale"), bar = make("i"), text = make("span");
    box.title = "True at the middle of the map, for this body's radius";
    box.append(bar, text);
    return {
      element: box,
      set(kmPerPixel) {
        if (!(kmPerPixel > 0)) return;
        const most = kmPerPixel * 110, power = 10 ** Math.floor(Math.log10(most));
        const km = Math.max(...NICE.map((n) => n * power).filter((n) => n <= most));
        bar.style.width = `${km / kmPerPixel}px`;
        text.textContent = km >= 1 ? `${whole(km)} km` : `${whole(Math.round(km * 1000))} m`;
        box.dataset.km = String(km);
      },
    };
  }

  const known = (value) => value !== "" && !Number.isNaN(value);

  /** The row under the pointer in a line, until the pointer moves on. */
  function tip(stage) {
    const box = make("div", "areo-tip");
    box.hidden = true;
    stage.append(box);
    return (hits, x, y) => {
      box.hidden = !hits.length;
      if (!hits.length) return;
      const { layer, i } = hits[0], p = layer.probability[i];
      const detail = layer.details.find((one) => known(one.values[i]));
      const words = [layer.row_id[i], layer.title];
      if (known(p)) words.push(`p ${p.toFixed(2)}`);
      if (detail) words.push(written(detail, i));
      if (hits.length > 1) words.push(`${hits.length - 1} more`);
      box.textContent = words.join(" · ");
      box.style.left = `${Math.min(x + 12, stage.clientWidth - box.offsetWidth - 4)}px`;
      box.style.top = `${Math.max(4, y - box.offsetHeight - 8)}px`;
    };
  }

  const written = ({ unit, values }, i) => `${typeof values[i] === "number" ? +values[i].toPrecision(6) : values[i]}${unit ? " " + unit : ""}`;

  /** What is known of the rows under the pointer: the first in full, then its standing in other layers. */
  function card(state, hits) {
    const box = make("div", "areo-card");
    const { layer, i } = hits[0], id = layer.row_id[i];
    const row = (name, value) => {
      const line = make("div", "areo-row");
      line.append(make("span", "", name), make("b", "", value));
      box.append(line);
    };
    box.append(make("div", "areo-id", id));
    if (state.payload.thumbnails[id]) {
      const image = make("img");
      image.alt = `tile ${id}`;
      image.src = state.payload.thumbnails[id];
      box.append(image);
    }
    row("position", `${areo.latText(layer.lat[i], 3)} ${areo.lonText(state, layer.lon[i], 3)}`);
    for (const detail of layer.details) {
      if (known(detail.values[i])) row(detail.label, written(detail, i));
    }
    const table = make("div", "areo-layers");
    const seen = new Set();
    for (const hit of hits.filter((other) => other.layer.row_id[other.i] === id)) {
      if (seen.has(hit.layer.id)) continue;
      seen.add(hit.layer.id);
      const line = make("div", "areo-row"), name = make("span");
      name.append(areo.swatch(hit.layer), ` ${hit.layer.id} ${hit.layer.title}`);
      const score = hit.layer.score[hit.i], probability = hit.layer.probability[hit.i];
      const values = [];
      if (known(probability)) values.push(`p ${probability.toFixed(2)}`);
      if (known(score)) values.push(`score ${score.toFixed(3)}`);
      line.append(name, make("b", "", values.join(", ")));
      table.append(line);
    }
    box.append(table);
    const others = new Set(hits.map((hit) => hit.layer.row_id[hit.i])).size - 1;
    if (others > 0) box.append(make("small", "", `and ${others} more here: zoom in`));
    return box;
  }

  // ------------------------------------------------------------------ one globe

  areo.mount = function (root, given) {
    const payload = areo.read(given);
    const state = {
      payload, visible: new Set(payload.layers.map((layer) => layer.id)), lit: null, selected: null,
      projection: "globe", errors: [],
    };
    if (Number(root.dataset.height)) root.style.height = `${Number(root.dataset.height)}px`;
    const stage = make("div", "areo-stage"), side = make("div", "areo-side"), tools = make("div", "areo-tools");
    const scale = scaleBar();
    const corner = make("div", "areo-corner");
    let view, poles;

    const find = (id) => payload.layers.find((layer) => layer.id === id);
    const shown = () => payload.layers.filter((layer) => state.visible.has(layer.id));

    function draw() {
      view.draw();
      poles?.draw();
      root.dataset.lit = state.lit || "";
      for (const item of side.querySelectorAll("li[data-layer]")) {
        item.classList.toggle("areo-lit", item.dataset.layer === state.lit);
        item.querySelector("input").checked = state.visible.has(item.dataset.layer);
      }
    }

    function pick(hits, anchored) {
      corner.replaceChildren();
      state.selected = null;
      if (hits.length) {
        const { layer, i } = hits[0];
        const lon = layer.lon[i], lat = layer.lat[i];
        state.selected = { lon, lat, ring: areo.footprint(state, lon, lat) };
        const content = card(state, hits);
        if (anchored && view.showCard) view.showCard(content, [lon, lat]); else corner.append(content);
        const detail = { tile_id: layer.row_id[i], layer: layer.id, lon, lat };
        root.dispatchEvent(new CustomEvent("areographer:tile", { bubbles: true, composed: true, detail }));
        if (window.parent !== window) window.parent.postMessage({ type: "areographer:tile", ...detail }, "*");
      }
      draw();
    }

    function fit(id, animate = true) {
      const layers = id ? [find(id)].filter(Boolean) : shown();
      view.fit(areo.extent(layers), animate);
    }

    const handle = {
      state,
      get view() { return view; },
      /** Bring one layer forward and fade the others; null brings all back. */
      light(id) {
        state.lit = id && find(id) && state.lit !== id ? id : null;
        if (state.lit) { state.visible.add(id); fit(id); }
        draw();
      },
      /** Turn to a place and outline the tile there. */
      fly(lon, lat) {
        state.selected = { lon, lat, ring: areo.footprint(state, lon, lat) };
        view.fit({ lon, lat, radius: 6 }, true);
        draw();
      },
      /** Close the card of the chosen tile. */
      clear() { pick([], false); },
      show(ids) { state.visible = new Set(ids); draw(); },
      /** Other layers on the same planet: {layers, thumbnails} of another payload. */
      update(changes) { return areo.mount(root, { ...payload, layers: changes.layers, thumbnails: changes.thumbnails || {} }); },
      destroy() { resized.disconnect(); view.destroy(); stage.remove(); },
      fit,
      project(type) {
        state.projection = type;
        flat.setAttribute("aria-pressed", String(type !== "globe"));
        flat.textContent = type === "globe" ? "Flat" : "Globe";
        view.project?.(type);
        fit(null, false);
      },
    };

    const flat = button("areo-flat", "Flat", "Switch between globe and flat map (Mercator)", () => handle.project(state.projection === "globe" ? "mercator" : "globe"));
    tools.append(flat, button("", "Whole planet", "Show the whole planet", () => view.fit(null, true)));
    side.append(legend(state, {
      toggle(id, on) { state.visible[on ? "add" : "delete"](id); draw(); },
      fit(id) { state.visible.add(id); draw(); fit(id); },
    }));
    root.areographer?.destroy();
    root.append(stage);

    const tell = {
      pick,
      hover: tip(stage),
      move: scale.set,
      ready() { root.dataset.view = "webgl"; },
      drawn(rows) {
        root.dataset.drawn = String(rows);
        const detail = { rows, ms: performance.now() };
        root.dispatchEvent(new CustomEvent("areographer:drawn", { bubbles: true, detail }));
      },
    };

    function useCanvas(reason) {
      view?.destroy();
      view = areo.flatView(stage, state, tell);
      flat.hidden = true;
      root.dataset.view = "canvas";
      note.textContent = reason;
      note.hidden = false;
      fit(null, false);
      draw();
    }

    const note = make("div", "areo-note");
    note.hidden = true;
    side.firstChild.open = stage.clientWidth > 480;
    stage.append(side, tools, scale.element, corner, note);
    poles = areo.polarPanels(stage, state, tell);
    try {
      view = areo.mapView(stage, state, tell);
      view.map.getCanvas().addEventListener("webglcontextlost", () => useCanvas("The graphics context was lost: flat map without WebGL."));
      fit(null, false);
      draw();
    } catch (error) {
      state.errors.push(String(error));
      useCanvas("This browser has no WebGL: flat map instead of the globe.");
    }
    stage.addEventListener("keydown", (event) => { if (event.key === "Escape") handle.clear(); });
    const resized = new ResizeObserver(() => { if (view.kind === "canvas") view.draw(); poles?.soon(); });
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
