/* The poles, which no globe of tiles and no Mercator map holds: two small panels beside the map, and views of
   their own. Polar stereographic, longitude 0 down in the north and up in the south, as on published maps. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;
  const POLAR_LIMIT = 70; // of the small panels
  const FIRST_LIMIT = 55; // that a view shows at first
  const REACH = 8; // pixels around the pointer
  const TILE = 256, MOST_TILES = 160;
  const CLOSEST = 60_000; // pixels from the pole to the equator
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

  const poleName = (pole) => (pole > 0 ? "North pole" : "South pole");
  /** Distance from the pole in the plane, in which the equator is at 1. */
  const away = (pole, lat) => Math.tan(((90 - Math.max(pole * lat, -60)) / 2) * RAD);

  function circle(context, x, y, r) {
    context.beginPath(); context.arc(x, y, r, 0, 2 * Math.PI);
  }

  // ------------------------------------------------------------------ the small panels

  /** Two small maps, 70 to 90 degrees, that open the views; null if there is nothing to show there. */
  areo.polarPanels = function (stage, state, tell) {
    const { basemap, layers } = state.payload;
    const near = layers.some((layer) => layer.lat.some((lat) => Math.abs(lat) > 80) || layer.shapes?.box.some((lat, k) => k % 2 && Math.abs(lat) > 80));
    if (!near && !basemap.north && !basemap.south) return null;
    const box = document.createElement("div");
    box.className = "areo-poles";
    stage.append(box);
    const panels = [1, -1].map((pole) => {
      const figure = document.createElement("figure");
      const canvas = areo.canvasIn(figure, "areo-pole", "img", `${poleName(pole)}, polar stereographic, 70 to 90 degrees`);
      canvas.title = `Open the view of the ${poleName(pole).toLowerCase()}`;
      const caption = document.createElement("figcaption");
      caption.textContent = `${poleName(pole)}, to ${POLAR_LIMIT}°`;
      figure.append(caption);
      box.append(figure);
      const panel = { pole, canvas, ground: null, gaps: null, place: null };
      const name = pole > 0 ? "north" : "south";
      Promise.all([areo.picture(basemap[name]), areo.picture(basemap[`${name}_gaps`])]).then(([image, mask]) => {
        panel.ground = image;
        panel.gaps = mask && areo.hatched(mask);
        soon();
      });
      const hits = (x, y) => under(panel, x, y);
      canvas.addEventListener("click", (event) => {
        const found = hits(event.offsetX, event.offsetY);
        if (found.length) tell.pick(found); else tell.open(name);
      });
      areo.hovered(canvas, stage, tell, hits);
      return panel;
    });

    function drawPanel(panel) {
      if (!panel.canvas.clientWidth) return; // folded away, or taken off the page while its picture was loading
      const { context, width } = areo.sized(panel.canvas);
      const middle = width / 2, edge = middle - 1;
      const scale = edge / away(1, POLAR_LIMIT);
      const radius = (lat) => scale * away(panel.pole, lat);
      const place = (lon, lat) => [
        middle + radius(lat) * Math.sin(lon * RAD), middle + panel.pole * radius(lat) * Math.cos(lon * RAD),
      ];
      context.save();
      circle(context, middle, middle, edge); context.clip();
      context.fillStyle = "#1a1e25"; context.fillRect(0, 0, width, width);
      context.globalAlpha = 0.85;
      for (const sheet of [panel.ground, state.coverage && panel.gaps]) {
        if (sheet) context.drawImage(sheet, middle - edge, middle - edge, 2 * edge, 2 * edge);
      }
      context.globalAlpha = 1; context.lineWidth = 1; context.strokeStyle = "rgba(255,255,255,.16)";
      for (let lon = 0; lon < 360 && state.graticule; lon += 30) {
        context.beginPath(); context.moveTo(middle, middle); context.lineTo(...place(lon, panel.pole * POLAR_LIMIT)); context.stroke();
      }
      for (const lat of state.graticule ? [80, areo.MERCATOR_LIMIT] : []) {
        context.setLineDash(lat === 80 ? [] : [3, 3]);
        circle(context, middle, middle, radius(panel.pole * lat)); context.stroke();
      }
      context.setLineDash([]);
      panel.place = place;
      panel.middle = middle;
      panel.degrees = (2 / scale) / RAD; // in a pixel, at the pole
      const near = (lat) => lat * panel.pole >= POLAR_LIMIT - 2;
      const shown = areo.stack(state);
      let drawn = 0;
      for (const layer of shown) areo.drawShapes(context, state, layer, place, near);
      const size = Math.min(2.6, areo.markRadius(state, panel.degrees));
      for (const layer of shown) drawn += areo.drawMarks(context, state, layer, size, place, (lat) => lat * panel.pole >= POLAR_LIMIT);
      context.restore();
      context.strokeStyle = "rgba(255,255,255,.28)";
      circle(context, middle, middle, edge); context.stroke();
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
    const soon = areo.framed(draw);
    return { draw: soon, show(on) { if (box.hidden === !on) return; box.hidden = !on; if (on) soon(); } };
  };

  // ------------------------------------------------------------------ the views

  /** Sharper tiles of a polar view: draws those that are there, asks for those that are not. */
  function sharpTiles(state, name, soon) {
    const levels = areo.fetchFor ? state.payload.ground?.levels[name] : null;
    const tiles = new Map(); // the least recently drawn first
    function get(level, x, y) {
      const key = `${level}/${x}/${y}`;
      let tile = tiles.get(key);
      if (tile) tiles.delete(key);
      else {
        tile = { bitmap: null, abort: new AbortController(), done: false };
        areo.sharp(state, name, level, x, y, tile.abort.signal).then(
          (bitmap) => { tile.bitmap = bitmap; tile.done = true; if (bitmap) soon(); },
          () => { tiles.delete(key); });
      }
      tiles.set(key, tile);
      return tile;
    }
    return function draw(context, { x, y, scale }, width, height) {
      if (!levels) return;
      const level = Math.min(levels[1], Math.round(Math.log2((2 * scale * (window.devicePixelRatio || 1)) / TILE)));
      if (level < levels[0]) return;
      const wanted = new Set();
      for (let z = Math.max(levels[0], level - 1); z <= level; z++) {
        const count = 2 ** z, side = (2 * scale) / count;
        const at = (plane, middle, half) => Math.floor((plane + 1 + (middle - half) / scale) * (count / 2));
        const [left, right] = [at(x, 0, width / 2), at(x, 0, -width / 2)], [top, bottom] = [at(y, 0, height / 2), at(y, 0, -height / 2)];
        for (let row = Math.max(0, top); row <= Math.min(count - 1, bottom); row++) {
          for (let col = Math.max(0, left); col <= Math.min(count - 1, right); col++) {
            const key = `${z}/${col}/${row}`;
            if (z < level && !tiles.get(key)?.bitmap) continue; // coarser ones only while they are at hand
            wanted.add(key);
            const { bitmap } = get(z, col, row);
            const px = width / 2 + ((2 * col) / count - 1 - x) * scale, py = height / 2 + ((2 * row) / count - 1 - y) * scale;
            if (bitmap) context.drawImage(bitmap, px, py, side + 0.5, side + 0.5);
          }
        }
      }
      for (const [key, tile] of tiles) {
        if (tiles.size <= MOST_TILES && (tile.done || wanted.has(key))) continue;
        if (wanted.has(key)) break;
        tile.abort.abort();
        tiles.delete(key);
      }
    };
  }

  /** A polar stereographic map from one pole to the equator: pan, zoom, pick. The same doors as areo.mapView. */
  areo.polarView = function (stage, state, tell, pole) {
    const name = pole > 0 ? "north" : "south";
    const canvas = areo.canvasIn(stage, "areo-canvas areo-polar", "application", `Map of ${state.payload.body.name}, ${poleName(pole).toLowerCase()}, polar stereographic`);
    const first = () => (0.46 * Math.min(canvas.clientWidth, canvas.clientHeight)) / away(1, FIRST_LIMIT);
    const view = { x: 0, y: 0, scale: 0 }; // the middle of the canvas in the plane; pixels from pole to equator
    const size = { width: 0, height: 0 };
    const soon = areo.framed(draw);
    const drawSharp = sharpTiles(state, name, soon);
    let sheets = null;
    areo.polarGround(state, pole).then((made) => { sheets = made; soon(); });

    function place(lon, lat) {
      const r = away(pole, lat);
      return [
        size.width / 2 + (r * Math.sin(lon * RAD) - view.x) * view.scale,
        size.height / 2 + (pole * r * Math.cos(lon * RAD) - view.y) * view.scale,
      ];
    }

    function at(px, py) {
      const u = view.x + (px - size.width / 2) / view.scale, v = view.y + (py - size.height / 2) / view.scale;
      return [Math.atan2(u, pole * v) / RAD, pole * (90 - (2 * Math.atan(Math.hypot(u, v))) / RAD)];
    }

    /** Degrees of a great circle in a pixel at a place in the plane. */
    const degrees = (u, v) => 2 / (1 + u * u + v * v) / view.scale / RAD;

    function draw() {
      if (canvas.hidden || !canvas.clientWidth) return;
      const { context, width, height } = areo.sized(canvas);
      Object.assign(size, { width, height });
      const least = 0.48 * Math.min(width, height);
      view.scale = Math.min(Math.max(view.scale || first(), least), CLOSEST);
      const reach = Math.hypot(view.x, view.y);
      if (reach > 1) { view.x /= reach; view.y /= reach; }
      const [cx, cy] = [width / 2 - view.x * view.scale, height / 2 - view.y * view.scale];
      context.save();
      circle(context, cx, cy, view.scale); context.clip();
      context.fillStyle = "#1a1e25"; context.fillRect(0, 0, width, height);
      context.globalAlpha = 0.88;
      if (sheets) {
        for (const sheet of [sheets.ground, state.coverage && sheets.gaps]) {
          if (sheet) context.drawImage(sheet, cx - view.scale, cy - view.scale, 2 * view.scale, 2 * view.scale);
        }
      }
      drawSharp(context, view, width, height);
      context.globalAlpha = 1;
      if (state.graticule) lines(context, width, height, cx, cy);
      // Rows of the other hemisphere lie outside the circle.
      const near = (lat) => pole * lat > -20;
      const shown = areo.stack(state);
      let drawn = 0;
      for (const layer of shown) areo.drawShapes(context, state, layer, place, near);
      const radius = areo.markRadius(state, degrees(view.x, view.y));
      for (const layer of shown) drawn += areo.drawMarks(context, state, layer, radius, place, (lat) => pole * lat >= 0);
      if (state.selected && pole * state.selected.lat > -1) {
        context.strokeStyle = "#fff"; context.lineWidth = 1.7; context.beginPath();
        for (const [lon, lat] of state.selected.ring) context.lineTo(...place(lon, lat));
        context.stroke();
      }
      context.restore();
      context.strokeStyle = "rgba(255,255,255,.28)";
      circle(context, cx, cy, view.scale); context.stroke();
      if (state.graticule) words(context, width, height);
      canvas.dataset.points = String(drawn);
      const kmPerPixel = degrees(view.x, view.y) * RAD * state.payload.body.radius_km;
      tell.move(kmPerPixel, areo.groundWords(state, name, kmPerPixel * (1 + view.x ** 2 + view.y ** 2), 0));
    }

    const parallels = (step) => Array.from({ length: Math.floor(89.99 / step) }, (_, k) => 90 - (k + 1) * step);
    function steps() {
      const step = STEPS.find((wide) => wide > 90 * degrees(view.x, view.y)) || 30;
      const lat = Math.abs(at(size.width / 2, size.height / 2)[1]);
      const thin = Math.max(0.02, Math.cos(Math.min(lat, 89) * RAD));
      return { step, lonStep: lat > 80 ? 30 : STEPS.find((wide) => wide >= step / thin) || 30 };
    }

    function lines(context, width, height, cx, cy) {
      const { step, lonStep } = steps();
      context.strokeStyle = "rgba(255,255,255,.18)"; context.lineWidth = 1;
      const farthest = Math.hypot(Math.abs(view.x) + width / 2 / view.scale, Math.abs(view.y) + height / 2 / view.scale);
      for (const lat of parallels(step)) {
        if (away(1, lat) > farthest) break;
        circle(context, cx, cy, away(1, lat) * view.scale); context.stroke();
      }
      for (let lon = 0; lon < 360; lon += lonStep) {
        context.beginPath(); context.moveTo(...place(lon, pole * (90 - Math.min(step, 2)))); context.lineTo(...place(lon, 0)); context.stroke();
      }
      context.setLineDash([4, 4]);
      circle(context, cx, cy, away(1, areo.MERCATOR_LIMIT) * view.scale); context.stroke();
      context.setLineDash([]);
    }

    function words(context, width, height) {
      const { step, lonStep } = steps(), digits = step < 1 ? 1 : 0;
      context.font = "10px system-ui, sans-serif"; context.fillStyle = "rgba(232,237,243,.85)";
      context.shadowColor = "#000"; context.shadowBlur = 3;
      const put = (text, [x, y]) => { if (x > 2 && x < width - 30 && y > 12 && y < height - 4) context.fillText(text, x + 3, y - 3); };
      const [lon, lat] = at(width / 2, height / 2);
      const along = Math.abs(lat) > 80 ? 45 : Math.round(lon / lonStep) * lonStep;
      for (const one of parallels(step)) put(areo.latText(pole * one, digits), place(along, pole * one));
      const across = Math.abs(lat) > 80 ? pole * (90 - 2 * step) : pole * Math.round(Math.abs(lat) / step) * step;
      for (let one = -180; one < 180; one += lonStep) put(areo.lonText(state, one, lonStep < 1 ? 1 : 0), place(one, across));
      context.shadowBlur = 0;
    }

    function under(px, py) {
      const here = at(px, py);
      if (pole * here[1] < -1) return [];
      const u = view.x + (px - size.width / 2) / view.scale, v = view.y + (py - size.height / 2) / view.scale;
      return areo.hits(state, here, 1.2 * REACH * degrees(u, v), place, px, py, REACH);
    }

    function zoom(factor, px, py) {
      const u = view.x + (px - size.width / 2) / view.scale, v = view.y + (py - size.height / 2) / view.scale;
      view.scale = Math.min(Math.max(view.scale * factor, 0.48 * Math.min(size.width, size.height)), CLOSEST);
      view.x = u - (px - size.width / 2) / view.scale;
      view.y = v - (py - size.height / 2) / view.scale;
      soon();
    }

    areo.gestures(canvas, {
      pan(right, down) { view.x -= right / view.scale; view.y -= down / view.scale; tell.touched(); soon(); },
      zoom(factor, px, py) { tell.touched(); zoom(factor, px, py); },
      pick(px, py, keys) { tell.pick(under(px, py), keys); },
    });
    areo.hovered(canvas, stage, tell, under);

    return {
      kind: "canvas",
      pole,
      draw: soon,
      place,
      where: () => ({ ...view }),
      setLayers: soon,
      resize: soon,
      zoom(factor) { zoom(factor, size.width / 2, size.height / 2); },
      /** Show an extent of this hemisphere; all of the cap for anything else. Says whether it lies here. */
      fit(extent) {
        Object.assign(view, { x: 0, y: 0, scale: 0 });
        const here = Boolean(extent) && pole * extent.lat > 0;
        if (here && extent.radius < 40) {
          const r = away(pole, extent.lat);
          view.x = r * Math.sin(extent.lon * RAD); view.y = pole * r * Math.cos(extent.lon * RAD);
          const reach = (Math.max(extent.radius, 1.5) * RAD * (1 + r * r)) / 2;
          view.scale = (0.4 * Math.min(canvas.clientWidth, canvas.clientHeight)) / reach;
        }
        draw();
        return here;
      },
      show(on) { canvas.hidden = !on; if (on) soon(); },
      destroy() { canvas.remove(); },
    };
  };
})();
