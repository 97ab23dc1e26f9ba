/* The map as a globe or in Mercator, drawn by MapLibre GL; the same doors as areo.flatView. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const WORLD = 512; // CSS pixels around the equator at zoom 0
  const EMPTY = { type: "FeatureCollection", features: [] };
  const CALM = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  areo.hasWebGL = function () {
    try {
      const canvas = document.createElement("canvas");
      const context = canvas.getContext("webgl2") || canvas.getContext("webgl");
      context?.getExtension("WEBGL_lose_context")?.loseContext();
      return Boolean(context && window.maplibregl);
    } catch {
      return false;
    }
  };

  const lines = (coordinates, properties) => ({
    type: "Feature", properties, geometry: { type: "LineString", coordinates },
  });

  function graticule() {
    const features = [];
    const span = (from, to, step) => Array.from({ length: Math.round((to - from) / step) + 1 }, (_, k) => from + k * step);
    for (let lon = -180; lon < 180; lon += 30) {
      features.push(lines(span(-84, 84, 3).map((lat) => [lon, lat]), { main: lon === 0 ? 1 : 0 }));
    }
    for (let lat = -60; lat <= 60; lat += 30) {
      features.push(lines(span(-180, 180, 3).map((lon) => [lon, lat]), { main: lat === 0 ? 1 : 0 }));
    }
    return { type: "FeatureCollection", features };
  }

  function points(layer) {
    const features = [];
    for (let i = 0; i < layer.lon.length; i++) {
      if (Math.abs(layer.lat[i]) > areo.MERCATOR_LIMIT) continue;
      features.push({
        type: "Feature",
        properties: { i, p: layer.probability[i] === null ? 1 : layer.probability[i] },
        geometry: { type: "Point", coordinates: [layer.lon[i], layer.lat[i]] },
      });
    }
    return { type: "FeatureCollection", features };
  }

  function circlePaint(layer) {
    const ring = layer.kind === "catalogue";
    return {
      "circle-color": layer.colour,
      "circle-radius": ["interpolate", ["exponential", 1.5], ["zoom"], 0, ring ? 2.6 : 2.2, 3, ring ? 5 : 4.2, 7, 12],
      "circle-stroke-width": ring ? 1.8 : ["interpolate", ["linear"], ["zoom"], 0, 0.4, 4, 1],
      "circle-stroke-color": ring ? layer.colour : layer.kind === "features" ? "#ffffff" : "#0b0e13",
      "circle-pitch-alignment": "map",
      "circle-opacity-transition": { duration: 250 },
    };
  }

  // The whole basemap is the one tile of zoom 0. MapLibre closes the poles of tiles, not of image sources,
  // and smooths tiles with mipmaps; the address is looked up here and never leaves the page.
  const pictures = [];
  function serve(address) {
    if (!pictures.length) {
      maplibregl.addProtocol("areographer", async (request) => {
        const image = new Image();
        image.src = pictures[Number(request.url.split("/")[2])];
        await image.decode();
        return { data: await createImageBitmap(image) };
      });
    }
    return `areographer://${pictures.push(address) - 1}/{z}/{x}/{y}`;
  }

  function style(payload) {
    const sources = {
      graticule: { type: "geojson", data: graticule() },
      selected: { type: "geojson", data: EMPTY },
    };
    const layers = [{ id: "ground", type: "background", paint: { "background-color": "#1a1e25" } }];
    if (payload.basemap.mercator) {
      sources.basemap = { type: "raster", tiles: [serve(payload.basemap.mercator)], tileSize: WORLD, maxzoom: 0 };
      layers.push({ id: "basemap", type: "raster", source: "basemap", paint: { "raster-opacity": 0.9, "raster-brightness-max": 0.9, "raster-contrast": 0.12, "raster-fade-duration": 0 } });
    }
    layers.push({
      id: "graticule", type: "line", source: "graticule",
      paint: { "line-color": "#ffffff", "line-width": ["case", ["==", ["get", "main"], 1], 1.1, 0.7], "line-opacity": ["case", ["==", ["get", "main"], 1], 0.3, 0.15] },
    });
    for (const layer of payload.layers) {
      sources[`layer-${layer.id}`] = { type: "geojson", data: points(layer) };
      layers.push({ id: `layer-${layer.id}`, type: "circle", source: `layer-${layer.id}`, paint: circlePaint(layer) });
    }
    layers.push({ id: "selected", type: "line", source: "selected", paint: { "line-color": "#ffffff", "line-width": 1.6 } });
    return { version: 8, projection: { type: "globe" }, sources, layers };
  }

  /** onPick(hits, lonlat) on clicks, onMove(kilometres per pixel at the middle), onReady() once drawn. */
  areo.mapView = function (stage, state, onPick, onMove, onReady) {
    const holder = document.createElement("div");
    holder.className = "areo-map";
    const limb = document.createElement("div");
    limb.className = "areo-limb";
    stage.append(holder);
    const payload = state.payload;
    const map = new maplibregl.Map({
      container: holder, style: style(payload), center: [0, 0], zoom: 0, minZoom: -1, maxZoom: 10, maxPitch: 0,
      attributionControl: false, fadeDuration: 0,
      locale: { "Map.Title": `Map of ${payload.body.name}` },
    });
    map.addControl(new maplibregl.NavigationControl({ showCompass: true, visualizePitch: false }), "top-right");
    map.getCanvas().after(limb); // over the ground, under labels and popups
    map.touchZoomRotate.disableRotation();
    const ids = payload.layers.map((layer) => `layer-${layer.id}`);
    let ready = false, popup = null;

    addLabels();
    map.on("load", () => { ready = true; draw(); measure(); onReady(); });
    map.on("move", measure);
    map.on("resize", measure);
    map.on("error", (event) => { state.errors.push(String(event.error?.message || event.error)); });
    map.on("click", (event) => {
      const reach = 5;
      const box = [[event.point.x - reach, event.point.y - reach], [event.point.x + reach, event.point.y + reach]];
      const shown = ids.filter((id) => map.getLayoutProperty(id, "visibility") !== "none");
      const hits = shown.length ? map.queryRenderedFeatures(box, { layers: shown }).map((feature) => {
        const layer = payload.layers[ids.indexOf(feature.layer.id)], i = feature.properties.i;
        const at = map.project([layer.lon[i], layer.lat[i]]);
        return { layer, i, distance: Math.hypot(at.x - event.point.x, at.y - event.point.y) };
      }) : [];
      onPick(hits.sort((a, b) => a.distance - b.distance), true);
    });
    map.on("mousemove", (event) => {
      const over = ready && map.queryRenderedFeatures(event.point, { layers: ids }).length;
      map.getCanvas().style.cursor = over ? "pointer" : "";
    });

    function addLabels() {
      const add = (lon, lat, text) => {
        const element = document.createElement("span");
        element.className = "areo-tick";
        element.textContent = text;
        new maplibregl.Marker({ element, anchor: "bottom-left", opacityWhenCovered: "0" }).setLngLat([lon, lat]).addTo(map);
      };
      for (let lon = -180; lon < 180; lon += 30) add(lon, 0, areo.lonText(state, lon, 0));
      for (const lat of [-60, -30, 30, 60]) for (let lon = -180; lon < 180; lon += 90) add(lon, lat, areo.latText(lat, 0));
    }

    // From two places ten pixels apart at the middle, so it is true in either projection.
    function measure() {
      const x = holder.clientWidth / 2, y = holder.clientHeight / 2;
      const a = map.unproject([x - 5, y]), b = map.unproject([x + 5, y]);
      const perPixel = areo.angle([a.lng, a.lat], [b.lng, b.lat]) / 10;
      onMove(perPixel * payload.body.radius_km);
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
      for (const layer of payload.layers) {
        const id = `layer-${layer.id}`, faded = state.lit && state.lit !== layer.id ? 0.1 : 1;
        map.setLayoutProperty(id, "visibility", state.visible.has(layer.id) ? "visible" : "none");
        const strength = ["+", 0.3 * faded, ["*", 0.65 * faded, ["get", "p"]]];
        map.setPaintProperty(id, "circle-opacity", layer.kind === "catalogue" ? 0 : strength);
        map.setPaintProperty(id, "circle-stroke-opacity", strength);
      }
      const chosen = state.selected;
      map.getSource("selected").setData(chosen && Math.abs(chosen.lat) < areo.MERCATOR_LIMIT ? lines(chosen.ring, {}) : EMPTY);
      if (!chosen && popup) { popup.remove(); popup = null; }
    }

    /** Zoom at which a globe fills the stage; perspective makes it look smaller than its radius says. */
    function wholeZoom(lat) {
      const radius = 0.6 * Math.min(holder.clientWidth, holder.clientHeight);
      return Math.log2((radius * 2 * Math.PI * Math.cos((lat * Math.PI) / 180)) / WORLD);
    }

    return {
      kind: "webgl",
      map,
      draw,
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
      showCard(card, lonlat) {
        popup?.remove();
        popup = new maplibregl.Popup({ maxWidth: "280px", className: "areo-popup", locationOccludedOpacity: 0, focusAfterOpen: false })
          .setLngLat(lonlat).setDOMContent(card).addTo(map);
      },
      destroy() { if (holder.isConnected) map.remove(); holder.remove(); },
    };
  };
})();
