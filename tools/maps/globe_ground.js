/* The ground: the pictures that travel with the map, hatching where nothing was observed, sheets for the polar
   views, and, in a page that hands them in (areo.fetchFor), sharper tiles of where the map is zoomed in. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const TILE = 256;
  const SHEET = 1536; // pixels of a polar sheet, from the equator over the pole to the equator
  const POLAR_LIMIT = 70; // where the small polar pictures end
  const SEAM_R = Math.tan(((90 - 84) / 2) * (Math.PI / 180)); // further in, Web Mercator has nothing to say

  const loaded = new Map();

  /** A picture of the payload, once it can be drawn; null if there is none. */
  areo.picture = function (address) {
    if (!address) return Promise.resolve(null);
    if (!loaded.has(address)) {
      loaded.set(address, new Promise((done) => {
        const image = new Image();
        image.addEventListener("load", () => done(image));
        image.addEventListener("error", () => done(null));
        image.src = address;
      }));
    }
    return loaded.get(address);
  };

  function sheetOf(width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width; canvas.height = height;
    return canvas;
  }

  /** A mask, or a canvas like one, with hatching where it is not clear. */
  areo.hatched = function (mask) {
    const canvas = sheetOf(mask.width, mask.height), context = canvas.getContext("2d");
    const period = Math.max(8, mask.width >> 7), line = sheetOf(period, period), pen = line.getContext("2d");
    pen.strokeStyle = "#4e4d4b"; pen.lineWidth = period / 5.5;
    for (const off of [-period, 0, period]) { pen.beginPath(); pen.moveTo(off - 1, period + 1); pen.lineTo(off + period + 1, -1); pen.stroke(); }
    context.drawImage(mask, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = context.createPattern(line, "repeat");
    context.fillRect(0, 0, canvas.width, canvas.height);
    return canvas;
  };

  // ------------------------------------------------------------------ for MapLibre

  // The whole basemap is the one tile of level 0. MapLibre closes the poles of tiles, not of image sources, and
  // smooths tiles with mipmaps; addresses are looked up here and never leave the page.
  const served = [];
  let serving = false;
  function protocols() {
    if (serving) return;
    serving = true;
    maplibregl.addProtocol("areographer", async (request) => ({ data: await served[Number(request.url.split("/")[2])]() }));
  }

  /** Address of a source whose one tile is what ``make`` gives, an image or a canvas, or null for nothing. */
  areo.serve = function (make) {
    protocols();
    const number = served.push(async () => createImageBitmap((await make()) || new ImageData(1, 1))) - 1;
    return `areographer://${number}/{z}/{x}/{y}`;
  };

  /** A source of sharper tiles; null in a page that hands in none. */
  areo.serveSharp = function (state) {
    const levels = state.payload.ground?.levels.mercator;
    if (!levels || !areo.fetchFor) return null;
    protocols();
    const scheme = "areoground";
    maplibregl.addProtocol(scheme, async (request, abort) => {
      const [z, x, y] = request.url.split("/").slice(2).map(Number);
      // MapLibre stretches the outermost rows to the poles, where they would claim what nobody has seen.
      const outermost = y === 0 || y === 2 ** z - 1;
      const bitmap = outermost ? null : await areo.sharp(state, "mercator", z, x, y, abort?.signal);
      return { data: bitmap || (await createImageBitmap(new ImageData(1, 1))) };
    });
    const dense = (window.devicePixelRatio || 1) > 1.5;
    return {
      type: "raster", tiles: [`${scheme}://{z}/{x}/{y}`], tileSize: dense ? TILE / 2 : TILE,
      minzoom: levels[0], maxzoom: levels[1],
    };
  };

  /** One sharper tile as a bitmap, null where there is nothing; the page around fetches it. */
  areo.sharp = async function (state, view, z, x, y, signal) {
    const { key } = state.payload.ground;
    const data = await areo.fetchFor(`basemap/${key}/${view}/${z}/${x}/${y}`, signal);
    return data && data.byteLength ? createImageBitmap(new Blob([data])) : null;
  };

  // ------------------------------------------------------------------ for the polar views

  // From a polar stereographic sheet, equator to equator, back to the pictures: near the pole the polar one, else
  // Web Mercator, whose y is the logarithm of the distance from the pole.
  function polarSheet(mercator, polar, pole) {
    const canvas = sheetOf(SHEET, SHEET), context = canvas.getContext("2d");
    const out = context.createImageData(SHEET, SHEET), into = new Uint32Array(out.data.buffer);
    const from = (image) => {
      if (!image) return null;
      const sheet = sheetOf(image.width, image.height), pen = sheet.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      return { side: image.width, data: new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer) };
    };
    const flat = from(mercator), cap = from(polar), edge = Math.tan(((90 - POLAR_LIMIT) / 2) * (Math.PI / 180));
    for (let row = 0; row < SHEET; row++) {
      const v = ((row + 0.5) / SHEET) * 2 - 1;
      for (let col = 0; col < SHEET; col++) {
        const u = ((col + 0.5) / SHEET) * 2 - 1, r = Math.sqrt(u * u + v * v);
        if (r > 1) continue;
        let source = flat, x, y;
        if (r < SEAM_R) {
          source = cap;
          x = (u / edge + 1) / 2; y = (v / edge + 1) / 2;
        } else {
          x = Math.atan2(u, pole * v) / (2 * Math.PI) + 0.5;
          y = 0.5 + (pole * Math.log(r)) / (2 * Math.PI);
        }
        if (!source) continue;
        const side = source.side;
        into[row * SHEET + col] = source.data[Math.min(side - 1, Math.floor(y * side)) * side + Math.min(side - 1, Math.floor(x * side))];
      }
    }
    context.putImageData(out, 0, 0);
    return canvas;
  }

  /** The ground about a pole from equator to equator: {ground, gaps}, canvases; gaps hatched, null if there are none. */
  areo.polarGround = async function (state, pole) {
    const pictures = state.payload.basemap, name = pole > 0 ? "north" : "south";
    const [flat, cap, flatGaps, capGaps] = await Promise.all(
      [pictures.mercator, pictures[name], pictures.mercator_gaps, pictures[`${name}_gaps`]].map(areo.picture));
    const gaps = flatGaps || capGaps ? areo.hatched(polarSheet(flatGaps, capGaps, pole)) : null;
    return { ground: polarSheet(flat, cap, pole), gaps };
  };

  // ------------------------------------------------------------------ what is shown

  const size = (km) => (km >= 1 ? `${+km.toPrecision(2)} km` : `${+(km * 1000).toPrecision(2)} m`);

  /** How sharp the ground is where the screen has some kilometres to a pixel, in words; empty if sharp enough. */
  areo.groundWords = function (state, view, kmPerPixel, lat) {
    const { body, ground, basemap_px: width } = state.payload;
    const turn = 2 * Math.PI * body.radius_km, basemap = turn / width;
    const levels = ground?.levels[view];
    if (kmPerPixel >= 0.9 * basemap) return "";
    if (!levels) return `ground: ${size(basemap)} per pixel, the sharpest ${ground ? "there is" : "in this file"}`;
    const widest = view === "mercator" ? turn * Math.cos((lat * Math.PI) / 180) : 4 * body.radius_km;
    const level = Math.min(levels[1], Math.max(levels[0], Math.round(Math.log2(widest / TILE / kmPerPixel))));
    const last = level === levels[1];
    const shown = last ? ground.sharpest_km : widest / TILE / 2 ** level;
    return `ground: ${size(shown)} per pixel${last ? ", the sharpest there is" : ""}`;
  };
})();
