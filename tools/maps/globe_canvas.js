/* What the maps on plain canvas share: marks and shapes, gestures of mouse, fingers and keys. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const STEP = 60; // pixels that an arrow key moves the map
  const STILL = 4; // pixels that a click may move

  /** The same, with the next frame: many calls between two frames are one. */
  areo.framed = function (draw) {
    let asked = 0;
    return () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
  };

  // ------------------------------------------------------------------ drawing

  /** Marks of a layer, stamped pixel by pixel: a hundred thousand take some hundredths of a second, where a
      canvas takes seconds for as many pictures. Gives how many lie on the canvas. */
  areo.drawMarks = function (context, state, layer, radius, place, within) {
    const { width, height } = context.canvas, ratio = window.devicePixelRatio || 1;
    const { sheet, half } = areo.stamp(layer, radius, ratio);
    const side = sheet.width, stamp = sheet.getContext("2d").getImageData(0, 0, side, side).data;
    const image = context.getImageData(0, 0, width, height), pixels = image.data;
    const inked = [];
    for (let k = 0; k < side * side; k++) if (stamp[4 * k + 3]) inked.push(k);
    let drawn = 0;
    for (let i = 0; i < layer.shown; i++) {
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
  };

  /** Areas and outlines of a layer; near(lat) says which places may have a pixel. */
  areo.drawShapes = function (context, state, layer, place, near) {
    if (!layer.shapes) return;
    const fade = areo.fade(state, layer), latest = {};
    context.fillStyle = layer.colour;
    areo.polygons(layer, (i, rings) => {
      if (i >= layer.shown || !rings[0].some(([, lat]) => near(lat))) return;
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
    areo.segments(layer, (west, south, east, north, i) => {
      if (i >= layer.shown || (!near(south) && !near(north))) return;
      const from = place(west, south), to = place(east, north);
      if (latest.x !== from[0] || latest.y !== from[1]) context.moveTo(...from);
      context.lineTo(...to);
      [latest.x, latest.y] = to;
    });
    context.lineJoin = "round";
    context.strokeStyle = "rgba(11,14,19,.7)"; context.lineWidth = 3.2; context.stroke();
    context.strokeStyle = layer.colour; context.lineWidth = 1.7; context.stroke();
    context.globalAlpha = 1;
  };

  areo.canvasIn = function (parent, className, role, label) {
    const canvas = document.createElement("canvas");
    canvas.className = className;
    canvas.setAttribute("role", role);
    canvas.setAttribute("aria-label", label);
    parent.append(canvas);
    return canvas;
  };

  areo.sized = function (canvas) {
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
  };

  // ------------------------------------------------------------------ gestures

  /** The pointer's rest, told with the rows that hits(x, y) finds. */
  areo.hovered = function (canvas, stage, tell, hits) {
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
  };

  /** One finger or the mouse pans, two fingers or the wheel zoom, a click picks; so do arrows, + and -, Enter.
      on.pan(right, down) and on.zoom(factor, x, y) in pixels, on.pick(x, y, by keys). */
  areo.gestures = function (canvas, on) {
    const fingers = new Map();
    let moved = 0, apart = 0;
    const middle = () => [...fingers.values()].reduce(([x, y], one) => [x + one.x / fingers.size, y + one.y / fingers.size], [0, 0]);
    const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
    canvas.tabIndex = 0;
    canvas.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
      if (fingers.size === 1) moved = 0;
      if (fingers.size === 2) { apart = spread(); moved = Infinity; }
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const finger = fingers.get(event.pointerId);
      if (!finger || fingers.size > 2) return;
      const [x, y] = middle();
      moved += Math.hypot(event.offsetX - finger.x, event.offsetY - finger.y);
      finger.x = event.offsetX; finger.y = event.offsetY;
      const [newX, newY] = middle();
      if (moved > STILL) on.pan(newX - x, newY - y);
      if (fingers.size === 2) { on.zoom(spread() / Math.max(apart, 1), newX, newY); apart = spread(); }
    });
    const up = (event) => {
      const still = fingers.delete(event.pointerId) && event.type === "pointerup" && !fingers.size && moved <= STILL;
      if (still) on.pick(event.offsetX, event.offsetY, false);
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      on.zoom(Math.exp(-event.deltaY / 500), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => on.zoom(2, event.offsetX, event.offsetY));
    canvas.addEventListener("keydown", (event) => {
      const x = canvas.clientWidth / 2, y = canvas.clientHeight / 2;
      const pan = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (pan) on.pan(...pan);
      else if (event.key === "+" || event.key === "=") on.zoom(1.5, x, y);
      else if (event.key === "-") on.zoom(1 / 1.5, x, y);
      else if (event.key === "Enter") on.pick(x, y, true);
      else return;
      event.preventDefault();
    });
  };
})();
