/* What the page knows: geometry on the sphere, the rows read from the payload, how many of them a threshold keeps,
   and how a row is marked. Everything hangs on window.areographer; nothing here touches the network. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;
  const FORMAT = 3;
  const UNKNOWN = 65535; // a probability that is not known
  const NO_LEVEL = 255; // of a row with such a probability
  const HOLE = 3, LINE = 1;
  const LONGEST_EDGE = 2; // degrees: longer ones are divided, to follow the sphere
  const SKY = (4 * Math.PI) / RAD / RAD; // square degrees around
  const DARK = "#0b0e13";
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

  /** Middle and angular radius (degrees, 95 % of the rows) of what some layers hold; null if nothing. */
  areo.extent = function (layers) {
    let x = 0, y = 0, z = 0;
    const sample = [];
    for (const layer of layers) {
      const stride = Math.ceil(layer.shown / 5000);
      for (let i = 0; i < layer.shown; i += stride) {
        const lon = layer.lon[i] * RAD, lat = layer.lat[i] * RAD;
        x += Math.cos(lat) * Math.cos(lon); y += Math.cos(lat) * Math.sin(lon); z += Math.sin(lat);
        sample.push([layer.lon[i], layer.lat[i]]);
      }
    }
    if (!sample.length) return null;
    const lon = Math.atan2(y, x) / RAD, lat = Math.atan2(z, Math.hypot(x, y)) / RAD;
    const angles = Float64Array.from(sample, (place) => areo.angle([lon, lat], place)).sort();
    return { lon, lat, radius: angles[Math.floor((angles.length - 1) * 0.95)] / RAD };
  };

  // ------------------------------------------------------------------ reading

  function buffer(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
    return bytes.buffer;
  }

  // A loop, for TypedArray.from() is ten times slower.
  function scaled(steps, per) {
    const values = new Float64Array(steps.length);
    for (let k = 0; k < steps.length; k++) values[k] = steps[k] === UNKNOWN && per === 1e4 ? NaN : steps[k] / per;
    return values;
  }

  const degrees = (text) => scaled(new Int32Array(buffer(text)), 1e5);
  const unknown = (n) => new Float32Array(n).fill(NaN);
  const numbers = (text, n) => (text ? new Float32Array(buffer(text)) : unknown(n));
  const probabilities = (text, n) => (text ? scaled(new Uint16Array(buffer(text)), 1e4) : unknown(n));

  // Each line: how many characters it shares with the line before, as one digit to base 36, and the rest.
  function texts(coded, n) {
    if (!n) return [];
    let before = "";
    return coded.split("\n").map((line) => (before = before.slice(0, parseInt(line[0], 36)) + line.slice(1)));
  }

  function lazily(object, name, make) {
    let made;
    Object.defineProperty(object, name, { enumerable: true, get: () => (made ??= make()) });
  }

  // Corners, divided where edges are long; the first corner of each part; the box of each row.
  function readShapes(raw, n) {
    const given = degrees(raw.corners), length = new Uint32Array(buffer(raw.length));
    const row = new Uint32Array(buffer(raw.row)), kind = new Uint16Array(buffer(raw.kind));
    const corners = [], start = new Uint32Array(length.length + 1), box = new Float64Array(4 * n);
    const has = new Uint8Array(n), first = new Uint32Array(n + 1);
    for (let part = 0, at = 0; part < length.length; part++) {
      const i = row[part];
      if (!has[i]) { has[i] = kind[part] === LINE ? 1 : 2; box.set([360, 90, -360, -90], 4 * i); }
      first[i + 1] = part + 1;
      for (let k = 0; k < length[part]; k++, at++) {
        const lon = given[2 * at], lat = given[2 * at + 1];
        if (k) {
          const west = given[2 * at - 2], south = given[2 * at - 1];
          const pieces = Math.ceil(Math.max(Math.abs(lon - west), Math.abs(lat - south)) / LONGEST_EDGE);
          for (let m = 1; m < pieces; m++) corners.push(west + ((lon - west) * m) / pieces, south + ((lat - south) * m) / pieces);
        }
        corners.push(lon, lat);
        box[4 * i] = Math.min(box[4 * i], lon); box[4 * i + 1] = Math.min(box[4 * i + 1], lat);
        box[4 * i + 2] = Math.max(box[4 * i + 2], lon); box[4 * i + 3] = Math.max(box[4 * i + 3], lat);
      }
      start[part + 1] = corners.length / 2;
    }
    for (let i = 0; i < n; i++) first[i + 1] = Math.max(first[i], first[i + 1]);
    return { corners: Float64Array.from(corners), start, row, kind, box, has, first, tolerance: raw.tolerance_deg };
  }

  function readLayer(raw) {
    if (!("ids" in raw)) return raw; // read before
    const n = raw.rows;
    const layer = {
      id: raw.id, title: raw.title, kind: raw.kind, colour: raw.colour, mark: raw.mark, count: raw.count, threshold: raw.threshold,
      kept: raw.kept, shown: raw.kept, cut: null, counts: raw.counts || null, least: raw.least || 0, keep: raw.keep || null,
      level: raw.level ? new Uint8Array(buffer(raw.level)) : null,
      lon: degrees(raw.lon), lat: degrees(raw.lat), score: numbers(raw.score, n), probability: probabilities(raw.probability, n),
      shapes: raw.shapes && readShapes(raw.shapes, n),
    };
    lazily(layer, "row_id", () => texts(raw.ids, n));
    layer.details = raw.details.map(({ label, unit, ...packed }) => {
      const detail = { label, unit };
      lazily(detail, "values", () => ("numbers" in packed ? numbers(packed.numbers, n) : texts(packed.texts, n)));
      return detail;
    });
    // How many rows before each are marks, for those that are lines or areas are drawn otherwise.
    const marks = layer.shapes && new Uint32Array(n + 1);
    if (marks) layer.shapes.has.forEach((has, i) => { marks[i + 1] = marks[i] + !has; });
    Object.defineProperty(layer, "points", { enumerable: true, get: () => (marks ? marks[layer.shown] : layer.shown) });
    return layer;
  }

  // ------------------------------------------------------------------ thresholds

  /** Draw the rows of a layer that reach a threshold, in hundredths; its own rows for null. The most probable rows
      come first, so these are always the first so many, and nothing is sent to the graphics card anew. */
  areo.cut = function (layer, hundredths) {
    layer.cut = layer.level ? hundredths : null;
    if (layer.cut === null) { layer.shown = layer.kept; return; }
    let low = 0, high = layer.level.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (layer.level[middle] !== NO_LEVEL && layer.level[middle] >= hundredths) low = middle + 1; else high = middle;
    }
    layer.shown = low;
  };

  /** How many rows reach the threshold at which a layer is shown, drawn or not. */
  areo.count = (layer) => (layer.cut === null ? layer.count : layer.counts[layer.cut]);

  /** The threshold, in hundredths, at which a layer's slider stands before it is moved. */
  areo.ownLevel = (layer) => Math.max(layer.least, Math.round((layer.threshold ?? layer.least / 100) * 100));

  /** A payload with typed arrays in its layers; layers that were read before stay as they are. */
  areo.read = function (payload) {
    if (payload.format !== FORMAT) throw new Error(`this page draws maps of format ${FORMAT}, not ${payload.format}`);
    return { ...payload, layers: payload.layers.map(readLayer) };
  };

  /** Whether a row is drawn by a mark, not by its own line or polygon. */
  areo.isPoint = (layer, i) => !layer.shapes || !layer.shapes.has[i];

  /** Calls back with (lon, lat, lon, lat, row) for each piece of an outline; cuts at the seam are none. */
  areo.segments = function (layer, each) {
    const { corners, start, row, kind } = layer.shapes;
    for (let part = 0; part < row.length; part++) {
      for (let k = start[part] + 1; k < start[part + 1]; k++) {
        const west = corners[2 * k - 2], south = corners[2 * k - 1], east = corners[2 * k], north = corners[2 * k + 1];
        const seam = west === east && Math.abs(east) === 180, pole = south === north && Math.abs(north) === 90;
        if (kind[part] === LINE || !(seam || pole)) each(west, south, east, north, row[part]);
      }
    }
  };

  /** Calls back with (row, rings) for each polygon, its outer ring first; rings are arrays of [lon, lat]. */
  areo.polygons = function (layer, each) {
    const { corners, start, row, kind } = layer.shapes;
    for (let part = 0; part < row.length;) {
      const own = row[part], rings = [], line = kind[part] === LINE;
      do {
        const ring = [];
        for (let k = start[part]; k < start[part + 1]; k++) ring.push([corners[2 * k], corners[2 * k + 1]]);
        rings.push(ring);
        part++;
      } while (part < row.length && row[part] === own && kind[part] === HOLE);
      if (!line) each(own, rings);
    }
  };

  // ------------------------------------------------------------------ how a row is marked

  /** How strongly a row is drawn: by probability, and faded while another layer is lit. */
  areo.opacity = function (state, layer, i) {
    const p = layer.probability[i];
    return (Number.isNaN(p) ? 0.95 : 0.3 + 0.65 * p) * areo.fade(state, layer);
  };

  /** Visible layers in the order to draw them: the first of the legend comes last, on top of the others. */
  areo.stack = (state) => state.payload.layers.filter(({ id }) => state.visible.has(id)).reverse();

  areo.fade = (state, layer) => (state.lit && state.lit !== layer.id ? 0.12 : 1);

  /** Radius of marks in pixels: they grow with the scale, and are smaller while many lie close together. */
  areo.markRadius = function (state, degreesPerPixel) {
    let rows = 0;
    for (const layer of state.payload.layers) if (state.visible.has(layer.id)) rows += layer.points;
    const zoom = Math.log2(360 / 512 / degreesPerPixel);
    const widest = Math.min(Math.max(2.4 * 1.27 ** zoom, 2.4), 12);
    const spacing = Math.sqrt(SKY / Math.max(rows, 1)) / degreesPerPixel;
    return Math.min(Math.max(0.4 * spacing, 1.1), widest);
  };

  /** Fill, line and width of line of a layer's marks: catalogues are hollow, features have a white rim. */
  areo.markInk = function (layer, radius) {
    if (layer.kind === "catalogue") return { fill: null, line: layer.colour, width: Math.min(1.8, 0.6 * radius) };
    return { fill: layer.colour, line: layer.kind === "features" ? "#ffffff" : DARK, width: Math.min(1, 0.25 * radius) };
  };

  function outline(context, mark, x, y, r) {
    context.beginPath();
    if (mark === "square") context.rect(x - 0.886 * r, y - 0.886 * r, 1.772 * r, 1.772 * r);
    else if (mark === "triangle") { context.moveTo(x, y - 0.93 * r); context.lineTo(x + 1.07 * r, y + 0.93 * r); context.lineTo(x - 1.07 * r, y + 0.93 * r); }
    else if (mark === "diamond") { context.moveTo(x, y - 1.1 * r); context.lineTo(x + 1.1 * r, y); context.lineTo(x, y + 1.1 * r); context.lineTo(x - 1.1 * r, y); }
    else context.arc(x, y, r, 0, 2 * Math.PI);
    context.closePath();
  }

  /** One mark on a canvas, to be stamped wherever it is needed. */
  areo.stamp = function (layer, radius, ratio) {
    const sheet = document.createElement("canvas"), half = Math.ceil(1.2 * radius + 2);
    sheet.width = sheet.height = Math.round(2 * half * ratio);
    const context = sheet.getContext("2d", { willReadFrequently: true }), ink = areo.markInk(layer, radius);
    context.scale(ratio, ratio);
    outline(context, layer.mark, half, half, radius);
    if (ink.fill) { context.fillStyle = ink.fill; context.fill(); }
    context.lineWidth = ink.width; context.strokeStyle = ink.line; context.stroke();
    return { sheet, half };
  };

  /** A layer's sign in the legend: its mark, and a line or an area where it has such rows. */
  areo.swatch = function (layer) {
    const canvas = document.createElement("canvas"), ratio = window.devicePixelRatio || 1, side = 14;
    canvas.className = "areo-swatch";
    canvas.width = canvas.height = side * ratio;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.scale(ratio, ratio);
    const has = layer.shapes ? layer.shapes.has : [];
    context.strokeStyle = context.fillStyle = layer.colour;
    context.lineWidth = 2;
    if (has.includes(2)) {
      context.globalAlpha = 0.3; context.fillRect(1, 2, 12, 10);
      context.globalAlpha = 1; context.strokeRect(1, 2, 12, 10);
    }
    if (has.includes(1)) { context.beginPath(); context.moveTo(1, 12); context.bezierCurveTo(5, 2, 9, 12, 13, 2); context.stroke(); }
    if (layer.points || !layer.shapes) {
      const { sheet, half } = areo.stamp(layer, layer.shapes ? 3 : 5, ratio);
      context.drawImage(sheet, side / 2 - half, side / 2 - half, 2 * half, 2 * half);
    }
    return canvas;
  };
})();
