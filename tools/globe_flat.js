/* Geometry on the sphere, the two polar panels, and the plain-canvas map shown where WebGL is missing.
   Everything hangs on window.areographer; nothing here touches the network. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;
  const POLAR_LIMIT = 70;
  areo.MERCATOR_LIMIT = Math.atan(Math.sinh(Math.PI)) / RAD;

  // ------------------------------------------------------------------ sphere

  areo.wrap = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;

  /** Where a great circle of given azimuth (radians) and angle (radians) ends: [lon, lat], degrees. */
  areo.destination = function (lon, lat, azimuth, angle) {
    const up = Math.sin(lat * RAD) * Math.cos(angle) + Math.cos(lat * RAD) * Math.sin(angle) * Math.cos(azimuth);
    const east = Math.sin(angle) * Math.sin(azimuth);
    const out = Math.cos(lat * RAD) * Math.cos(angle) - Math.sin(lat * RAD) * Math.sin(angle) * Math.cos(azimuth);
    return [areo.wrap(lon + Math.atan2(east, out) / RAD), Math.atan2(up, Math.hypot(east, out)) / RAD];
  };

  /** Great-circle angle between two [lon, lat], radians. */
  areo.angle = function (a, b) {
    const dlon = (b[0] - a[0]) * RAD, la = a[1] * RAD, lb = b[1] * RAD;
    const east = Math.cos(lb) * Math.sin(dlon);
    const north = Math.cos(la) * Math.sin(lb) - Math.sin(la) * Math.cos(lb) * Math.cos(dlon);
    return Math.atan2(Math.hypot(east, north), Math.sin(la) * Math.sin(lb) + Math.cos(la) * Math.cos(lb) * Math.cos(dlon));
  };

  /** Outline of the square tile about a point, closed; longitudes run on past 180 instead of jumping. */
  areo.footprint = function (state, lon, lat) {
    const half = state.payload.tile_km / 2 / state.payload.body.radius_km;
    const ring = [];
    for (let side = 0; side < 4; side++) {
      for (let k = 0; k < 6; k++) {
        const along = -1 + (2 * k) / 6;
        const [x, y] = [[along, 1], [1, -along], [-along, -1], [-1, along]][side];
        const point = areo.destination(lon, lat, Math.atan2(x, y), half * Math.hypot(x, y));
        ring.push([lon + areo.wrap(point[0] - lon), point[1]]);
      }
    }
    ring.push(ring[0]);
    return ring;
  };

  /** Middle and angular radius (degrees, 95 % of the points) of what some layers hold; null if nothing. */
  areo.extent = function (layers) {
    let x = 0, y = 0, z = 0, n = 0;
    for (const layer of layers) {
      for (let i = 0; i < layer.lon.length; i++, n++) {
        const lon = layer.lon[i] * RAD, lat = layer.lat[i] * RAD;
        x += Math.cos(lat) * Math.cos(lon); y += Math.cos(lat) * Math.sin(lon); z += Math.sin(lat);
      }
    }
    if (!n) return null;
    const lon = Math.atan2(y, x) / RAD, lat = Math.atan2(z, Math.hypot(x, y)) / RAD;
    const angles = [];
    for (const layer of layers) {
      for (let i = 0; i < layer.lon.length; i++) angles.push(areo.angle([lon, lat], [layer.lon[i], layer.lat[i]]));
    }
    angles.sort((a, b) => a - b);
    return { lon, lat, radius: angles[Math.floor((angles.length - 1) * 0.95)] / RAD };
  };

  // ------------------------------------------------------------------ drawing on canvas

  /** How strongly a row is drawn: by probability, and faded while another layer is lit. */
  areo.opacity = function (state, layer, i) {
    const p = layer.probability[i];
    const own = p === null ? 0.95 : 0.3 + 0.65 * p;
    return state.lit && state.lit !== layer.id ? own * 0.12 : own;
  };

  function dot(context, state, layer, i, x, y, radius) {
    context.globalAlpha = areo.opacity(state, layer, i);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (layer.kind === "catalogue") {
      context.lineWidth = 2; context.strokeStyle = layer.colour; context.stroke();
    } else {
      context.fillStyle = layer.colour; context.fill();
      context.lineWidth = 1; context.strokeStyle = layer.kind === "features" ? "#fff" : "#0b0e13"; context.stroke();
    }
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
    const context = canvas.getContext("2d");
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

  function nearest(shown, x, y, reach) {
    const hits = [];
    for (const point of shown) {
      const distance = Math.hypot(point.x - x, point.y - y);
      if (distance <= reach) hits.push({ distance, layer: point.layer, i: point.i });
    }
    return hits.sort((a, b) => a.distance - b.distance);
  }

  // ------------------------------------------------------------------ polar panels

  /** Two small polar stereographic maps, 70 to 90 degrees; null if there is nothing to show there. */
  areo.polarPanels = function (stage, state, onPick) {
    const { basemap, layers } = state.payload;
    const near = layers.some((layer) => layer.lat.some((lat) => Math.abs(lat) > 80));
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
      const panel = { pole, canvas, caption, shown: [], ground: null };
      picture(basemap[pole > 0 ? "north" : "south"], (image) => { panel.ground = image; draw(); });
      canvas.addEventListener("click", (event) => {
        const hits = nearest(panel.shown, event.offsetX, event.offsetY, 8);
        if (hits.length) onPick(hits, null);
      });
      return panel;
    });

    function drawPanel(panel) {
      const { context, width } = sized(panel.canvas);
      if (width < 2) return; // folded away, or taken off the page while its picture was loading
      const middle = width / 2, edge = middle - 1;
      const scale = edge / Math.tan(((90 - POLAR_LIMIT) / 2) * RAD);
      const radius = (lat) => scale * Math.tan(((90 - Math.abs(lat)) / 2) * RAD);
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
        context.beginPath(); context.moveTo(middle, middle); context.lineTo(...place(lon, POLAR_LIMIT)); context.stroke();
      }
      for (const lat of [80, areo.MERCATOR_LIMIT]) {
        context.setLineDash(lat === 80 ? [] : [3, 3]);
        context.beginPath(); context.arc(middle, middle, radius(lat), 0, 2 * Math.PI); context.stroke();
      }
      context.setLineDash([]);
      panel.shown = [];
      for (const layer of layers) {
        if (!state.visible.has(layer.id)) continue;
        for (let i = 0; i < layer.lon.length; i++) {
          if (layer.lat[i] * panel.pole < POLAR_LIMIT) continue;
          const [x, y] = place(layer.lon[i], layer.lat[i]);
          panel.shown.push({ x, y, layer, i });
          dot(context, state, layer, i, x, y, 2.6);
        }
      }
      context.restore();
      context.strokeStyle = "rgba(255,255,255,.28)";
      context.beginPath(); context.arc(middle, middle, edge, 0, 2 * Math.PI); context.stroke();
      context.fillStyle = "rgba(235,240,246,.8)"; context.font = "9px system-ui, sans-serif"; context.textAlign = "center";
      context.fillText("0°", middle, panel.pole > 0 ? width - 5 : 11);
      panel.canvas.dataset.points = String(panel.shown.length);
    }

    const draw = () => panels.forEach(drawPanel);
    return { draw, element: box };
  };

  // ------------------------------------------------------------------ plain-canvas map

  /** Simple cylindrical map on a canvas: drag, wheel, click. The same doors as areo.mapView. */
  areo.flatView = function (stage, state, onPick, onMove) {
    const canvas = canvasIn(stage, "areo-canvas", `Map of ${state.payload.body.name}, simple cylindrical`);
    const view = { lon: 0, lat: 0, scale: 2 };
    let shown = [], ground = null, drag = null;

    picture(state.payload.basemap.mercator, (image) => { ground = unroll(image); draw(); });

    // Web Mercator back to simple cylindrical, one row of pixels at a time.
    function unroll(image) {
      const sheet = document.createElement("canvas");
      sheet.width = image.width; sheet.height = image.width / 2;
      const context = sheet.getContext("2d");
      for (let row = 0; row < sheet.height; row++) {
        const lat = 90 - ((row + 0.5) / sheet.height) * 180;
        if (Math.abs(lat) >= areo.MERCATOR_LIMIT) continue;
        const y = (0.5 - Math.asinh(Math.tan(lat * RAD)) / (2 * Math.PI)) * image.height;
        context.drawImage(image, 0, Math.min(image.height - 1, y), image.width, 1, 0, row, sheet.width, 1);
      }
      return sheet;
    }

    function place(lon, lat) {
      const x = canvas.clientWidth / 2 + areo.wrap(lon - view.lon) * view.scale;
      return [x, canvas.clientHeight / 2 - (lat - view.lat) * view.scale];
    }

    function draw() {
      const { context, width, height } = sized(canvas);
      const least = Math.max(width / 360, 0.1);
      view.scale = Math.min(Math.max(view.scale, least), 400);
      const reach = Math.max(0, 90 - height / 2 / view.scale);
      view.lat = Math.min(Math.max(view.lat, -reach), reach);
      const top = height / 2 - (90 - view.lat) * view.scale;
      context.fillStyle = "#14181e"; context.fillRect(0, Math.max(0, top), width, Math.min(height, 180 * view.scale));
      if (ground) {
        context.globalAlpha = 0.85;
        const left = width / 2 - areo.wrap(view.lon + 180) * view.scale - 360 * view.scale;
        for (let turn = 0; turn < 3; turn++) {
          context.drawImage(ground, left + turn * 360 * view.scale, top, 360 * view.scale, 180 * view.scale);
        }
        context.globalAlpha = 1;
      }
      context.strokeStyle = "rgba(255,255,255,.14)"; context.fillStyle = "rgba(225,231,239,.7)";
      context.font = "10px system-ui, sans-serif"; context.lineWidth = 1;
      for (let lon = -180; lon < 180; lon += 30) {
        const [x] = place(lon, 0);
        context.beginPath(); context.moveTo(x, Math.max(0, top)); context.lineTo(x, Math.min(height, top + 180 * view.scale)); context.stroke();
        context.fillText(areo.lonText(state, lon, 0), x + 3, place(0, 0)[1] - 3);
      }
      for (let lat = -60; lat <= 60; lat += 30) {
        const [, y] = place(0, lat);
        context.beginPath(); context.moveTo(0, y); context.lineTo(width, y); context.stroke();
        if (lat) context.fillText(areo.latText(lat, 0), 4, y - 3);
      }
      shown = [];
      const radius = Math.min(7, 2.4 + view.scale / 6);
      for (const layer of state.payload.layers) {
        if (!state.visible.has(layer.id)) continue;
        for (let i = 0; i < layer.lon.length; i++) {
          const [x, y] = place(layer.lon[i], layer.lat[i]);
          if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
          shown.push({ x, y, layer, i });
          dot(context, state, layer, i, x, y, radius);
        }
      }
      if (state.selected) {
        context.strokeStyle = "#fff"; context.lineWidth = 1.5; context.beginPath();
        const [cx] = place(state.selected.lon, state.selected.lat);
        for (const [lon, lat] of state.selected.ring) {
          context.lineTo(cx + (lon - state.selected.lon) * view.scale, place(lon, lat)[1]);
        }
        context.stroke();
      }
      canvas.dataset.points = String(shown.length);
      // Along the parallel through the middle of the map, which is where the bar is true.
      onMove((state.payload.body.radius_km * RAD * Math.cos(view.lat * RAD)) / view.scale);
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
      draw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const still = drag && !drag.moved;
      drag = null;
      if (still) onPick(nearest(shown, event.offsetX, event.offsetY, 9), null);
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      view.scale *= Math.exp(-event.deltaY / 500);
      draw();
    }, { passive: false });

    return {
      kind: "canvas",
      draw,
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
