/* The flat map on plain canvas, shown where WebGL is missing. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;
  const REACH = 8; // pixels around the pointer
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30]; // of the graticule, degrees

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

  /** Simple cylindrical map on a canvas. The same doors as areo.mapView. */
  areo.flatView = function (stage, state, tell) {
    const canvas = areo.canvasIn(stage, "areo-canvas", "application", `Map of ${state.payload.body.name}, simple cylindrical`);
    const view = { lon: 0, lat: 0, scale: 2 };
    const soon = areo.framed(draw);
    const size = { width: 0, height: 0 }; // asking the page for it again and again is slow
    let ground = null, gaps = null, told = false;

    const { mercator, mercator_gaps: mask } = state.payload.basemap;
    Promise.all([areo.picture(mercator), areo.picture(mask)]).then(([image, holes]) => {
      ground = image ? unroll(image) : document.createElement("canvas");
      gaps = holes && unroll(areo.hatched(holes));
      soon();
    });

    function place(lon, lat) {
      const x = size.width / 2 + areo.wrap(lon - view.lon) * view.scale;
      return [x, size.height / 2 - (lat - view.lat) * view.scale];
    }

    function draw() {
      const { context, width, height } = areo.sized(canvas);
      Object.assign(size, { width, height });
      const least = Math.max(width / 360, 0.1);
      view.scale = Math.min(Math.max(view.scale, least), 400);
      const reach = Math.max(0, 90 - height / 2 / view.scale);
      view.lat = Math.min(Math.max(view.lat, -reach), reach);
      if (!ground) return; // soon
      const top = height / 2 - (90 - view.lat) * view.scale;
      context.fillStyle = "#14181e"; context.fillRect(0, Math.max(0, top), width, Math.min(height, 180 * view.scale));
      const left = width / 2 - areo.wrap(view.lon + 180) * view.scale - 360 * view.scale;
      for (const sheet of [ground, state.coverage && gaps].filter((one) => one && one.width)) {
        context.globalAlpha = 0.85;
        for (let turn = 0; turn < 3; turn++) context.drawImage(sheet, left + turn * 360 * view.scale, top, 360 * view.scale, 180 * view.scale);
      }
      context.globalAlpha = 1;
      if (state.graticule) graticule(context, width, height, top);
      let drawn = 0;
      const half = width / 2 / view.scale;
      const shown = areo.stack(state);
      for (const layer of shown) {
        for (const turn of [-360, 0, 360]) {
          if (turn - 180 > view.lon + half || turn + 180 < view.lon - half) continue;
          const turned = (lon, lat) => [width / 2 + (lon + turn - view.lon) * view.scale, height / 2 - (lat - view.lat) * view.scale];
          areo.drawShapes(context, state, layer, turned, () => true);
        }
      }
      const radius = areo.markRadius(state, 1 / view.scale);
      for (const layer of shown) drawn += areo.drawMarks(context, state, layer, radius, place);
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
      const kmPerPixel = (state.payload.body.radius_km * RAD * Math.cos(view.lat * RAD)) / view.scale;
      tell.move(kmPerPixel, "");
      if (!told) { told = true; requestAnimationFrame(() => tell.drawn(drawn)); }
    }

    function graticule(context, width, height, top) {
      context.strokeStyle = "rgba(255,255,255,.14)"; context.fillStyle = "rgba(225,231,239,.7)";
      context.font = "10px system-ui, sans-serif"; context.lineWidth = 1;
      const step = STEPS.find((wide) => wide * view.scale > 80) || 30, digits = step < 1 ? 1 : 0;
      const half = width / 2 / view.scale, bottom = Math.min(height, top + 180 * view.scale);
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
    }

    function under(x, y) {
      const at = [view.lon + (x - canvas.clientWidth / 2) / view.scale, view.lat - (y - canvas.clientHeight / 2) / view.scale];
      return Math.abs(at[1]) > 90 ? [] : areo.hits(state, at, REACH / view.scale, place, x, y, REACH);
    }

    areo.gestures(canvas, {
      pan(right, down) { view.lon = areo.wrap(view.lon - right / view.scale); view.lat += down / view.scale; tell.touched(); soon(); },
      zoom(factor) { view.scale *= factor; tell.touched(); soon(); },
      pick(x, y, keys) { tell.pick(under(x, y), keys); },
    });
    areo.hovered(canvas, stage, tell, under);

    return {
      kind: "canvas",
      draw: soon,
      place,
      where: () => ({ ...view }),
      setLayers: soon,
      zoom(factor) { view.scale *= factor; soon(); },
      resize: soon,
      fit(extent) {
        Object.assign(view, extent ? { lon: extent.lon, lat: extent.lat } : { lon: 0, lat: 0 });
        view.scale = extent ? (0.4 * Math.min(canvas.clientWidth, canvas.clientHeight)) / Math.max(extent.radius, 3) : 0;
        draw();
      },
      show(on) { canvas.hidden = !on; if (on) soon(); },
      destroy() { canvas.remove(); },
    };
  };
})();
