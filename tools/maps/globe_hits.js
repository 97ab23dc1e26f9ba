/* Which rows are under the pointer. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;

  function toSegment(x, y, a, b) {
    const dx = b[0] - a[0], dy = b[1] - a[1], length = dx * dx + dy * dy;
    const t = length ? Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) : 0;
    return Math.hypot(a[0] + t * dx - x, a[1] + t * dy - y);
  }

  // Even-odd over all rings of a row: shapes are cut at the antimeridian, so the flat sheet will do.
  function shapeDistance(layer, i, [lon, lat], reach, place, x, y, px) {
    const { corners, start, first, box, has } = layer.shapes;
    let inside = false, least = Infinity;
    for (let part = first[i]; part < first[i + 1]; part++) {
      for (let k = start[part] + 1; k < start[part + 1]; k++) {
        const west = corners[2 * k - 2], south = corners[2 * k - 1], east = corners[2 * k], north = corners[2 * k + 1];
        if (south > lat !== north > lat && lon < west + ((lat - south) / (north - south)) * (east - west)) inside = !inside;
        if (Math.min(south, north) > lat + reach || Math.max(south, north) < lat - reach) continue;
        least = Math.min(least, toSegment(x, y, place(west, south), place(east, north)));
      }
    }
    if (least <= px) return least;
    // An area yields to marks and lines upon it, a large one to a small one.
    const size = (box[4 * i + 2] - box[4 * i]) * (box[4 * i + 3] - box[4 * i + 1]);
    return inside && has[i] === 2 ? px + 1 + size : Infinity;
  }

  /** Rows of visible layers within ``px`` pixels of a pixel, nearest first: [{layer, i, distance}].

      ``at`` is the place there, [lon, lat], ``reach`` the degrees that ``px`` are at most around it, and
      place(lon, lat) gives the pixel of a place. */
  areo.hits = function (state, at, reach, place, x, y, px) {
    const lon = areo.wrap(at[0]), lat = at[1], hits = [];
    const steep = Math.min(Math.abs(lat) + reach, 90);
    const across = steep > 89 ? 360 : reach / Math.cos(steep * RAD);
    for (const layer of state.payload.layers) {
      if (!state.visible.has(layer.id)) continue;
      const { lon: lons, lat: lats, shapes } = layer;
      for (let i = 0; i < layer.shown; i++) {
        let distance = Infinity;
        if (shapes && shapes.has[i]) {
          const b = 4 * i;
          if (shapes.box[b] - across > lon || shapes.box[b + 2] + across < lon || shapes.box[b + 1] - reach > lat || shapes.box[b + 3] + reach < lat) continue;
          distance = shapeDistance(layer, i, [lon, lat], reach, place, x, y, px);
        } else {
          if (Math.abs(lats[i] - lat) > reach) continue;
          const apart = Math.abs(lons[i] - lon);
          if (Math.min(apart, 360 - apart) > across) continue;
          const spot = place(lons[i], lats[i]);
          const off = Math.hypot(spot[0] - x, spot[1] - y);
          if (off <= px) distance = off;
        }
        if (distance < Infinity) hits.push({ layer, i, distance });
      }
    }
    return hits.sort((a, b) => a.distance - b.distance);
  };
})();
