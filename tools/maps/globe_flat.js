/* Drawn on plain canvas: the two polar panels, and the flat map shown where WebGL is missing. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;
  const POLAR_LIMIT = 70;
  const REACH = 8; // pixels around the pointer
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30]; // of the graticule, degrees
  /** The same, with the next frame: many calls between two frames are one. */
  function framed(draw) {
    let asked = 0;
    return () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
  }

  // ------------------------------------------------------------------ drawing on canvas

  /** Marks of a layer, stamped pixel by pixel: a hundred thousand take some hundredths of a second, where a
      canvas takes seconds for as many pictures. Gives how many lie on the canvas. */
  function drawMarks(context, state, layer, radius, place, within) {
    const { width, height } = context.canvas, ratio = window.devicePixelRatio || 1;
    const { sheet, half } = areo.stamp(layer, radius, ratio);
    const side = sheet.width, stamp = sheet.getContext("2d").getImageData(0, 0, side, side).data;
    const image = context.getImageData(0, 0, width, height), pixels = image.data;
    const inked = [];
    for (let k = 0; k < side * side; k++) if (stamp[4 * k + 3]) inked.push(k);
    let drawn = 0;
    for (let i = 0; i < layer.lon.length; i++) {
      if ((within && !within(layer.lat[i])) || !areo.isPoint(layer, i)) continue;
      const at = place(layer.lon[i], layer.lat[i]);
      const left = Math.round((at[0] - half) * ratio), top = Math.round((at[1] - half) * ratio);
      if (left <= -side || top <= -side || left >= width || top >= height) continue;
      const strength = areo.opacity(state, layer, i) / 255;
      for (const k of inked) {
        const x = left + (k % side), y = top + Math.floor(k / side);
        if (x < 0 || y < 0 || x >= width || y >= height) continue;
        const to = 4 * (y * width + x), from = 4 * k, ink = stamp[from + 3] * strength;
        pixels[to] += (stamp[from] - pixels[to]) * ink;
        pixels[to + 1] += (stamp[from + 1] - pixels[to + 1]) * ink;
        pixels[to + 2] += (stamp[from + 2] - pixels[to + 2]) * ink;
        pixels[to + 3] = Math.max(pixels[to + 3], 255 * ink);
      }
      drawn++;
    }
    context.putImageData(image, 0, 0);
    return drawn;
  }

  /** Areas and outlines of a layer; near(lat) says which places may have a pixel. */
  function drawShapes(context, state, layer, place, near) {
    if (!layer.shapes) return;
    const fade = areo.fade(state, layer), latest = {};
    context.fillStyle = layer.colour;
    areo.polygons(layer, (i, rings) => {
      if (!rings[0].some(([, lat]) => near(lat))) return;
      context.globalAlpha = 0.35 * areo.opacity(state, layer, i);
      context.beginPath();
      for (const ring of rings) {
        ring.forEach(([lon, lat], k) => { const at = place(lon, lat); if (k) context.lineTo(...at); else context.moveTo(...at); });
        context.closePath();
      }
      context.fill("evenodd");
    });
    context.globalAlpha = fade;
    context.beginPath();
    areo.segments(layer, (west, south, east, north) => {
      if (!near(south) && !near(north)) return;
      const from = place(west, south), to = place(east, north);
      if (latest.x !== from[0] || latest.y !== from[1]) context.moveTo(...from);
      context.lineTo(...to);
      [latest.x, latest.y] = to;
    });
    context.lineJoin = "round";
    context.strokeStyle = "rgba(11,14,19,.7)"; context.lineWidth = 3.2; context.stroke();
    context.strokeStyle = layer.colour; context.lineWidth = 1.7; context.stroke();
    context.globalAlpha = 1;
  }

  function canvasIn(parent, className, label) {
    const canvas = document.createElement("canvas");
    canvas.className = className;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    parent.append(canvas);
    return canvas;
  }

  function sized(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    // Kept in memory, not on the graphics card: marks are stamped into its pixels.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }

  function picture(address, done) {
    if (!address) return null;
    const image = new Image();
    image.addEventListener("load", () => done(image));
    image.src = address;
    return image;
  }

  /** Clicks and the pointer's rest, told with the rows that hits(x, y) finds. */
  function listen(canvas, stage, tell, hits) {
    let waiting = null;
    canvas.addEventListener("pointermove", (event) => {
      if (!waiting) requestAnimationFrame(() => {
        const found = waiting ? hits(waiting.offsetX, waiting.offsetY) : [];
        const box = stage.getBoundingClientRect();
        if (waiting) tell.hover(found, waiting.clientX - box.x, waiting.clientY - box.y);
        canvas.style.cursor = found.length ? "pointer" : "";
        waiting = null;
      });
      waiting = event.buttons ? null : event;
    });
    canvas.addEventListener("pointerleave", () => { waiting = null; tell.hover([], 0, 0); });
  }

  // ------------------------------------------------------------------ polar panels

  /** Two small polar stereographic maps, 70 to 90 degrees; null if there is nothing to show there. */
  areo.polarPanels = function (stage, state, tell) {
    const { basemap, layers } = state.payload;
    const near = layers.some((layer) => layer.lat.some((lat) => Math.abs(lat) > 80) || layer.shapes?.box.some((lat, k) => k % 2 && Math.abs(lat) > 80));
    if (!near && !basemap.north && !basemap.south) return null;
    const box = document.createElement("div");
    box.className = "areo-poles";
    stage.append(box);
    const panels = [1, -1].map((pole) => {
      const figure = document.createElement("figure");
      const name = pole > 0 ? "North pole" : "South pole";
      const canvas = canvasIn(figure, "areo-pole", `${name}, polar stereographic, 70 to 90 degrees`);
      const caption = document.createElement("figcaption");
      caption.textContent = `${name}, to ${POLAR_LIMIT}°`;
      figure.append(caption);
      box.append(figure);
      const panel = { pole, canvas, caption, place: null, ground: null };
      picture(basemap[pole > 0 ? "north" : "south"], (image) => { panel.ground = image; soon(); });
      const hits = (x, y) => under(panel, x, y);
      canvas.addEventListener("click", (event) => {
        const found = hits(event.offsetX, event.offsetY);
        if (found.length) tell.pick(found, null);
      });
      listen(canvas, stage, tell, hits);
      return panel;
    });

    function drawPanel(panel) {
      const { context, width } = sized(panel.canvas);
      if (width < 2) return; // folded away, or taken off the page while its picture was loading
      const middle = width / 2, edge = middle - 1;
      const scale = edge / Math.tan(((90 - POLAR_LIMIT) / 2) * RAD);
      const radius = (lat) => scale * Math.tan(((90 - Math.max(panel.pole * lat, -60)) / 2) * RAD);
      // Longitude 0 points down in the north and up in the south.
      const place = (lon, lat) => [
        middle + radius(lat) * Math.sin(lon * RAD), middle + panel.pole * radius(lat) * Math.cos(lon * RAD),
      ];
      context.save();
      context.beginPath(); context.arc(middle, middle, edge, 0, 2 * Math.PI); context.clip();
      context.fillStyle = "#1a1e25"; context.fillRect(0, 0, width, width);
      context.globalAlpha = 0.85;
      if (panel.ground) context.drawImage(panel.ground, middle - edge, middle - edge, 2 * edge, 2 * edge);
      context.globalAlpha = 1; context.lineWidth = 1; context.strokeStyle = "rgba(255,255,255,.16)";
      for (let lon = 0; lon < 360; lon += 30) {
        context.beginPath(); context.moveTo(middle, middle); context.lineTo(...place(lon, panel.pole * POLAR_LIMIT)); context.stroke();
      }
      for (const lat of [80, areo.MERCATOR_LIMIT]) {
        context.setLineDash(lat === 80 ? [] : [3, 3]);
        context.beginPath(); context.arc(middle, middle, radius(panel.pole * lat), 0, 2 * Math.PI); context.stroke();
      }
      context.setLineDash([]);
      panel.place = place;
      panel.middle = middle;
      panel.degrees = (2 / scale) / RAD; // in a pixel, at the pole
      const near = (lat) => lat * panel.pole >= POLAR_LIMIT - 2;
      let drawn = 0;
      for (const layer of layers.filter(({ id }) => state.visible.has(id))) drawShapes(context, state, layer, place, near);
      const size = Math.min(2.6, areo.markRadius(state, panel.degrees));
      for (const layer of layers.filter(({ id }) => state.visible.has(id))) {
        drawn += drawMarks(context, state, layer, size, place, (lat) => lat * panel.pole >= POLAR_LIMIT);
      }
      context.restore();
      context.strokeStyle = "rgba(255,255,255,.28)";
      context.beginPath(); context.arc(middle, middle, edge, 0, 2 * Math.PI); context.stroke();
      context.fillStyle = "rgba(235,240,246,.8)"; context.font = "9px system-ui, sans-serif"; context.textAlign = "center";
      context.fillText("0°", middle, panel.pole > 0 ? width - 5 : 11);
      panel.canvas.dataset.points = String(drawn);
    }

    function under(panel, x, y) {
      if (!panel.place) return [];
      const right = x - panel.middle, down = panel.pole * (y - panel.middle);
      const lat = panel.pole * (90 - Math.hypot(right, down) * panel.degrees);
      return areo.hits(state, [Math.atan2(right, down) / RAD, lat], 2 * REACH * panel.degrees, panel.place, x, y, REACH);
    }

    const draw = () => panels.forEach(drawPanel);
    const soon = framed(draw);
    return { draw, soon, element: box };
  };

  // ------------------------------------------------------------------ plain-canvas map

  /** Simple cylindrical map on a canvas: drag, wheel, click. The same doors as areo.mapView. */
  areo.flatView = function (stage, state, tell) {
    const canvas = canvasIn(stage, "areo-canvas", `Map of ${state.payload.body.name}, simple cylindrical`);
    const view = { lon: 0, lat: 0, scale: 2 };
    const soon = framed(draw);
    let ground = null, drag = null, told = false;

    if (!picture(state.payload.basemap.mercator, (image) => { ground = unroll(image); soon(); })) ground = document.createElement("canvas");

    // Web Mercator back to simple cylindrical, one row of pixels at a time.
    function unroll(image) {
      const sheet = document.createElement("canvas");
      sheet.width = image.width; sheet.height = image.width / 2;
      const context = sheet.getContext("2d", { willReadFrequently: true });
      for (let row = 0; row < sheet.height; row++) {
        const lat = 90 - ((row + 0.5) / sheet.height) * 180;
        if (Math.abs(lat) >= areo.MERCATOR_LIMIT) continue;
        const y = (0.5 - Math.asinh(Math.tan(lat * RAD)) / (2 * Math.PI)) * image.height;
        context.drawImage(image, 0, Math.min(image.height - 1, y), image.width, 1, 0, row, sheet.width, 1);
      }
      return sheet;
    }

    const size = { width: 0, height: 0 }; // asking the page for it again and again is slow

    function place(lon, lat) {
      const x = size.width / 2 + areo.wrap(lon - view.lon) * view.scale;
      return [x, size.height / 2 - (lat - view.lat) * view.scale];
    }

    function draw() {
      const { context, width, height } = sized(canvas);
      Object.assign(size, { width, height });
      const least = Math.max(width / 360, 0.1);
      view.scale = Math.min(Math.max(view.scale, least), 400);
      const reach = Math.max(0, 90 - height / 2 / view.scale);
      view.lat = Math.min(Math.max(view.lat, -reach), reach);
      if (!ground) return; // soon
      const top = height / 2 - (90 - view.lat) * view.scale;
      context.fillStyle = "#14181e"; context.fillRect(0, Math.max(0, top), width, Math.min(height, 180 * view.scale));
      context.globalAlpha = 0.85;
      const left = width / 2 - areo.wrap(view.lon + 180) * view.scale - 360 * view.scale;
      for (let turn = 0; turn < 3; turn++) {
        context.drawImage(ground, left + turn * 360 * view.scale, top, 360 * view.scale, 180 * view.scale);
      }
      context.globalAlpha = 1;
      context.strokeStyle = "rgba(255,255,255,.14)"; context.fillStyle = "rgba(225,231,239,.7)";
      context.font = "10px system-ui, sans-serif"; context.lineWidth = 1;
      const step = STEPS.find((wide) => wide * view.scale > 80) || 30, digits = step < 1 ? 1 : 0;
      const half = width / 2 / view.scale;
      const bottom = Math.min(height, top + 180 * view.scale);
      const first = Math.ceil((view.lon - half) / step), last = Math.floor((view.lon + half) / step);
      const labelled = Math.min(height - 60, Math.max(14, place(0, 0)[1] - 3));
      for (let k = first; k <= Math.min(last, first + Math.round(360 / step) - 1); k++) {
        const x = width / 2 + (k * step - view.lon) * view.scale;
        context.beginPath(); context.moveTo(x, Math.max(0, top)); context.lineTo(x, bottom); context.stroke();
        context.fillText(areo.lonText(state, k * step, digits), x + 3, labelled);
      }
      for (let k = Math.ceil((90 - step) / step) * -1; k * step <= 90 - step; k++) {
        const [, y] = place(0, k * step);
        if (y < 0 || y > height) continue;
        context.beginPath(); context.moveTo(0, y); context.lineTo(width, y); context.stroke();
        if (k) context.fillText(areo.latText(k * step, digits), Math.max(4, width / 2 - 180 * view.scale), y - 3);
      }
      let drawn = 0;
      const shown = state.payload.layers.filter(({ id }) => state.visible.has(id));
      for (const layer of shown) {
        for (const turn of [-360, 0, 360]) {
          if (turn - 180 > view.lon + half || turn + 180 < view.lon - half) continue;
          const turned = (lon, lat) => [width / 2 + (lon + turn - view.lon) * view.scale, height / 2 - (lat - view.lat) * view.scale];
          drawShapes(context, state, layer, turned, () => true);
        }
      }
      const radius = areo.markRadius(state, 1 / view.scale);
      for (const layer of shown) drawn += drawMarks(context, state, layer, radius, place);
      if (state.selected) {
        context.strokeStyle = "#fff"; context.lineWidth = 1.5; context.beginPath();
        const [cx] = place(state.selected.lon, state.selected.lat);
        for (const [lon, lat] of state.selected.ring) {
          context.lineTo(cx + (lon - state.selected.lon) * view.scale, place(lon, lat)[1]);
        }
        context.stroke();
      }
      canvas.dataset.points = String(drawn);
      // Along the parallel through the middle of the map, which is where the bar is true.
      tell.move((state.payload.body.radius_km * RAD * Math.cos(view.lat * RAD)) / view.scale);
      if (!told) { told = true; requestAnimationFrame(() => tell.drawn(drawn)); }
    }

    function under(x, y) {
      const at = [view.lon + (x - canvas.clientWidth / 2) / view.scale, view.lat - (y - canvas.clientHeight / 2) / view.scale];
      return Math.abs(at[1]) > 90 ? [] : areo.hits(state, at, REACH / view.scale, place, x, y, REACH);
    }

    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.offsetX, y: event.offsetY, lon: view.lon, lat: view.lat, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      drag.moved = drag.moved || Math.hypot(event.offsetX - drag.x, event.offsetY - drag.y) > 3;
      view.lon = areo.wrap(drag.lon - (event.offsetX - drag.x) / view.scale);
      view.lat = drag.lat + (event.offsetY - drag.y) / view.scale;
      soon();
    });
    canvas.addEventListener("pointerup", (event) => {
      const still = drag && !drag.moved;
      drag = null;
      if (still) tell.pick(under(event.offsetX, event.offsetY), null);
    });
    listen(canvas, stage, tell, under);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      view.scale *= Math.exp(-event.deltaY / 500);
      soon();
    }, { passive: false });

    return {
      kind: "canvas",
      draw: soon,
      place,
      where: () => ({ ...view }),
      fit(extent) {
        Object.assign(view, extent ? { lon: extent.lon, lat: extent.lat } : { lon: 0, lat: 0 });
        view.scale = extent ? (0.4 * Math.min(canvas.clientWidth, canvas.clientHeight)) / Math.max(extent.radius, 3) : 0;
        draw();
      },
      destroy() { canvas.remove(); },
    };
  };
})();
