/* The map as a globe or in Mercator: MapLibre GL draws the ground and areas, globe_gl.js the rest. The same doors
   as areo.flatView. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const WORLD = 512; // CSS pixels around the equator at zoom 0
  const REACH = 7; // pixels around the pointer
  const CALM = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Parallels and meridians: as many as leave some hundred pixels between them.
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
  const span = (from, to, step) => Array.from({ length: Math.max(0, Math.round((to - from) / step)) + 1 }, (_, k) => from + k * step);

  /** Which parallels and meridians to draw: {step, lons, lats, west, east, south, north}, degrees. */
  function graticule(centre, reach, degreesPerPixel) {
    const wider = (least) => STEPS.find((wide) => wide >= least) || 30;
    const step = wider(100 * degreesPerPixel);
    if (step === 30) return { step, lons: span(-180, 150, 30), lats: span(-60, 60, 30), west: -180, east: 180, south: -84, north: 84 };
    const down = (value, by) => Math.floor(value / by) * by, up = (value, by) => Math.ceil(value / by) * by;
    const south = Math.max(down(centre.lat - reach, step), step - 90), north = Math.min(up(centre.lat + reach, step), 90 - step);
    const thin = (lat) => Math.max(0.01, Math.cos((Math.min(90, Math.abs(lat)) * Math.PI) / 180)); // of a parallel
    const wide = reach / thin(Math.abs(centre.lat) + reach), lonStep = wide < 90 ? wider(step / thin(centre.lat)) : 30;
    const west = wide < 90 ? down(centre.lng - wide, lonStep) : -180, east = wide < 90 ? up(centre.lng + wide, lonStep) : 180;
    return { step, lons: span(west, wide < 90 ? east : 150, lonStep), lats: span(south, north, step), west, east, south, north };
  }

  function graticulePaths({ step, lons, lats, west, east, south, north }) {
    const piece = Math.min(3, step / 4);
    const main = (value) => (Math.abs(value) < 1e-6 ? 1 : 0);
    return [
      ...lons.map((lon) => ({ path: span(south, north, piece).map((lat) => [lon, lat]), strength: main(lon) })),
      ...lats.map((lat) => ({ path: span(west, east, piece).map((lon) => [lon, lat]), strength: main(lat) })),
    ];
  }

  function areas(layer) {
    const features = [];
    areo.polygons(layer, (i, coordinates) => features.push({
      type: "Feature", geometry: { type: "Polygon", coordinates },
      properties: { i, p: Number.isNaN(layer.probability[i]) ? 1 : layer.probability[i] },
    }));
    return { type: "FeatureCollection", features };
  }

  const hasAreas = (layer) => Boolean(layer.shapes?.has.includes(2));

  const areasSource = (layer) => ({ type: "geojson", data: areas(layer) });
  const areasLayer = (layer) => ({
    id: `areas-${layer.id}`, type: "fill", source: `areas-${layer.id}`, paint: { "fill-color": layer.colour, "fill-antialias": false },
  });

  // From below: plain ground, the basemap, hatched gaps, sharper tiles (clear where nothing was observed), areas.
  function style(state) {
    const { basemap, layers: drawn } = state.payload;
    const sources = {}, layers = [{ id: "ground", type: "background", paint: { "background-color": "#1a1e25" } }];
    const paint = { "raster-opacity": 0.9, "raster-brightness-max": 0.9, "raster-contrast": 0.12, "raster-fade-duration": 0 };
    const whole = (id, make) => {
      sources[id] = { type: "raster", tiles: [areo.serve(make)], tileSize: WORLD, maxzoom: 0 };
      layers.push({ id, type: "raster", source: id, paint });
    };
    if (basemap.mercator) whole("basemap", () => areo.picture(basemap.mercator));
    if (basemap.mercator_gaps) whole("gaps", async () => areo.hatched(await areo.picture(basemap.mercator_gaps)));
    const sharp = areo.serveSharp(state);
    if (sharp) { sources.sharp = sharp; layers.push({ id: "sharp", type: "raster", source: "sharp", paint }); }
    for (const layer of drawn.filter(hasAreas).reverse()) { sources[`areas-${layer.id}`] = areasSource(layer); layers.push(areasLayer(layer)); }
    return { version: 8, projection: { type: "globe" }, sources, layers };
  }

  // Two levels beyond the sharpest ground, and at least as close as a tile needs.
  function closest({ ground }) {
    return Math.min(16, Math.max(10, (ground?.levels.mercator?.[1] ?? 0) + 1));
  }

  function start(holder, state) {
    const { payload } = state;
    try {
      const map = new maplibregl.Map({
        container: holder, style: style(state), center: [0, 0], zoom: 0, minZoom: -1, maxZoom: closest(payload), maxPitch: 0,
        attributionControl: false, fadeDuration: 0, dragRotate: false, pitchWithRotate: false,
        locale: { "Map.Title": `Globe or flat map of ${payload.body.name}` },
      });
      if (!map.getCanvas().getContext("webgl2")) throw new Error("WebGL 2 is missing");
      return map;
    } catch (error) {
      holder.remove();
      throw error;
    }
  }

  /** tell.pick(hits, by keys) on clicks, .hover(hits, x, y), .move(kilometres per pixel at the middle, how
      sharp the ground is), .touched() when someone moved it, .ready() once there is a map, .drawn(marks) once all
      of it is drawn. */
  areo.mapView = function (stage, state, tell) {
    const holder = document.createElement("div");
    holder.className = "areo-map";
    const limb = document.createElement("div");
    limb.className = "areo-limb";
    stage.append(holder);
    const { body } = state.payload;
    const map = start(holder, state);
    map.getCanvas().after(limb); // over the ground, under labels
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    const marks = areo.marksLayer(state, () => ({ radius: areo.markRadius(state, degreesPerPixel), ratio: map.getPixelRatio() }));
    const labels = [];
    let areaIds = state.payload.layers.filter(hasAreas).map((layer) => layer.id);
    let ready = false, degreesPerPixel = 0.7, gridded = "";

    // With the style, not with the first picture: each frame more takes a browser without a graphics card long.
    map.once("style.load", () => {
      map.addLayer(marks);
      ready = true;
      draw();
      measure();
      grid();
    });
    map.once("load", () => {
      tell.ready();
      if (marks.waiting) map.once("render", finish); else finish();
      marks.waiting = false;
      map.triggerRepaint();
    });
    map.on("move", measure);
    map.on("movestart", (event) => { if (event.originalEvent) tell.touched(); });
    map.getCanvas().addEventListener("keydown", (event) => {
      if (event.key === "Enter") tell.pick(under({ x: holder.clientWidth / 2, y: holder.clientHeight / 2 }), true);
    });
    map.on("moveend", grid);
    map.on("resize", () => { measure(); grid(); });
    map.on("error", (event) => { state.errors.push(String(event.error?.message || event.error)); });
    map.on("click", (event) => tell.pick(under(event.point)));
    let waiting = null;
    map.on("mousemove", (event) => {
      if (!waiting && !map.isMoving()) requestAnimationFrame(() => {
        const hits = ready && waiting ? under(waiting) : [];
        map.getCanvas().style.cursor = hits.length ? "pointer" : "";
        if (waiting) tell.hover(hits, waiting.x, waiting.y);
        waiting = null;
      });
      if (!map.isMoving()) waiting = event.point;
    });
    map.on("mouseout", () => { waiting = null; tell.hover([], 0, 0); });
    map.on("movestart", () => tell.hover([], 0, 0));

    /** Tell once the graphics card has finished the frame that was just asked of it. */
    function finish() {
      const gl = map.getCanvas().getContext("webgl2"), fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      requestAnimationFrame(function look() {
        if (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED) requestAnimationFrame(look); else tell.drawn(marks.drawn);
      });
    }

    // Of the worlds that lie side by side in Mercator, the one in the middle.
    function place(lon, lat) {
      const { lng } = map.getCenter(), at = map.project([lng + areo.wrap(lon - lng), lat]);
      return [at.x, at.y];
    }

    // Near the limb a few pixels are many degrees.
    function under({ x, y }) {
      const at = map.unproject([x, y]), middle = [at.lng, at.lat];
      const reach = Math.max(...[[REACH, 0], [-REACH, 0], [0, REACH], [0, -REACH]].map(([dx, dy]) => {
        const beside = map.unproject([x + dx, y + dy]);
        return areo.angle(middle, [beside.lng, beside.lat]) * 57.3;
      }));
      const [backX, backY] = place(...middle);
      if (Math.hypot(backX - x, backY - y) > REACH) return []; // beside the globe
      return areo.hits(state, middle, 1.5 * reach, place, x, y, REACH);
    }

    function grid() {
      const centre = map.getCenter();
      const reach = Math.min(90, 0.6 * degreesPerPixel * Math.hypot(holder.clientWidth, holder.clientHeight));
      const wanted = graticule(centre, reach, degreesPerPixel), key = JSON.stringify([state.graticule, wanted]);
      if (key === gridded) return;
      gridded = key;
      marks.set("graticule", areo.pathData(graticulePaths(wanted)));
      for (const label of labels.splice(0)) label.remove();
      if (!state.graticule) return;
      const { step, lons, lats } = wanted, digits = step < 1 ? 1 : 0;
      const add = (lon, lat, text) => {
        const element = document.createElement("span");
        element.className = "areo-tick";
        element.textContent = text;
        labels.push(new maplibregl.Marker({ element, anchor: "bottom-left", opacityWhenCovered: "0" }).setLngLat([lon, lat]).addTo(map));
      };
      const near = (values, value) => values.reduce((best, one) => (Math.abs(one - value) < Math.abs(best - value) ? one : best));
      const along = step === 30 ? 0 : near(lats, centre.lat);
      for (const lon of lons) add(lon, along, areo.lonText(state, lon, digits));
      const across = step === 30 ? [-180, -90, 0, 90] : [near(lons, centre.lng)];
      for (const lat of lats) if (lat !== along) for (const lon of across) add(lon, lat, areo.latText(lat, digits));
    }

    // From two places ten pixels apart at the middle, so it is true in either projection.
    function measure() {
      const x = holder.clientWidth / 2, y = holder.clientHeight / 2;
      const a = map.unproject([x - 5, y]), b = map.unproject([x + 5, y]);
      const perPixel = areo.angle([a.lng, a.lat], [b.lng, b.lat]) / 10;
      degreesPerPixel = (perPixel * 180) / Math.PI;
      const kmPerPixel = perPixel * body.radius_km;
      tell.move(kmPerPixel, areo.groundWords(state, "mercator", kmPerPixel, map.getCenter().lat));
      shade(1 / perPixel);
    }

    // Limb darkening and a faint glow. MapLibre's camera stands 1.5 stage heights above the surface, so a
    // globe of radius r has its horizon at tan(asin(r / (1.5 h + r))) * 1.5 h pixels from the middle.
    function shade(radius) {
      const camera = 1.5 * holder.clientHeight;
      const horizon = (camera * radius) / Math.sqrt(camera * camera + 2 * camera * radius);
      limb.hidden = state.projection !== "globe" || horizon > 2 * Math.max(holder.clientWidth, holder.clientHeight);
      limb.style.width = limb.style.height = `${(2 * horizon) / 0.88}px`;
    }

    function draw() {
      if (!ready) return;
      for (const layer of state.payload.layers.filter(hasAreas)) {
        const id = `areas-${layer.id}`, fade = areo.fade(state, layer);
        map.setFilter(id, ["<", ["get", "i"], layer.shown]);
        map.setLayoutProperty(id, "visibility", state.visible.has(layer.id) ? "visible" : "none");
        map.setPaintProperty(id, "fill-opacity", ["+", 0.12 * fade, ["*", 0.2 * fade, ["get", "p"]]]);
      }
      const chosen = state.selected;
      marks.set("selected", chosen ? areo.pathData([{ path: chosen.ring, strength: 1 }]) : new Float32Array());
      if (map.getLayer("gaps")) map.setLayoutProperty("gaps", "visibility", state.coverage ? "visible" : "none");
      grid();
      map.triggerRepaint();
    }

    /** The layers of the payload instead of those before; the camera stays. */
    function setLayers() {
      if (!ready) { map.once("style.load", setLayers); return; }
      for (const id of areaIds) { map.removeLayer(`areas-${id}`); map.removeSource(`areas-${id}`); }
      const drawn = state.payload.layers.filter(hasAreas).reverse();
      for (const layer of drawn) {
        map.addSource(`areas-${layer.id}`, areasSource(layer));
        map.addLayer(areasLayer(layer), "areo-marks");
      }
      areaIds = drawn.map((layer) => layer.id);
      marks.setLayers();
      draw();
    }

    /** Zoom at which a globe fills the stage; perspective makes it look smaller than its radius says. */
    function wholeZoom(lat) {
      const radius = 0.6 * Math.min(holder.clientWidth, holder.clientHeight);
      return Math.log2((radius * 2 * Math.PI * Math.cos((lat * Math.PI) / 180)) / WORLD);
    }

    return {
      kind: "webgl",
      map,
      marks,
      place,
      draw,
      setLayers,
      zoom(factor) { map.easeTo({ zoom: map.getZoom() + Math.log2(factor), duration: CALM() ? 0 : 200 }); },
      show(on) { holder.style.visibility = on ? "" : "hidden"; if (on) map.resize(); },
      fit(extent, animate) {
        const globe = state.projection === "globe";
        let target;
        if (extent && extent.radius < 55) {
          const lat = Math.min(Math.max(extent.lat, -80), 80);
          const pixels = 0.36 * Math.min(holder.clientWidth, holder.clientHeight);
          const angle = (Math.max(extent.radius, 1.5) * Math.PI) / 180;
          const zoom = Math.log2(((pixels / angle) * 2 * Math.PI * Math.cos((lat * Math.PI) / 180)) / WORLD);
          target = { center: [extent.lon, lat], zoom: globe ? Math.max(zoom, wholeZoom(lat)) : zoom };
        } else if (globe) {
          const lat = extent ? Math.min(Math.max(extent.lat / 2, -25), 25) : 0;
          target = { center: [extent ? extent.lon : 0, lat], zoom: wholeZoom(lat) };
        } else {
          target = { center: [0, 0], zoom: Math.log2(holder.clientWidth / WORLD) };
        }
        Object.assign(target, { bearing: 0, pitch: 0 });
        if (animate && !CALM()) map.easeTo({ ...target, duration: 900 }); else map.jumpTo(target);
      },
      project(type) { map.setProjection({ type: type === "globe" ? "globe" : "mercator" }); measure(); },
      destroy() { if (holder.isConnected) map.remove(); holder.remove(); },
    };
  };
})();
