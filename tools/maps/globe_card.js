/* What is said of a row: the tip under the pointer, and the card of a click. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});

  /** An element with a class and a text. */
  areo.make = function (tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  /** A button with what it says, what it is called (which should hold what it says), and what it does. */
  areo.button = function (className, text, title, action) {
    const element = areo.make("button", className, text);
    element.type = "button";
    element.title = title;
    element.setAttribute("aria-label", title);
    element.addEventListener("click", action);
    return element;
  };

  const { make, button } = areo;

  // ------------------------------------------------------------------ how positions are written

  /** Longitude as the body's users write it: 0..360 or -180..180, east- or west-positive. */
  areo.lonText = function (state, lon, digits) {
    const { longitude_domain: domain, longitude_positive: positive } = state.payload.body;
    const wrapped = areo.wrap(lon);
    if (domain === 360) {
      const turned = positive === "west" ? (360 - wrapped) % 360 : (wrapped + 360) % 360;
      return `${turned.toFixed(digits)}°${positive === "west" ? "W" : "E"}`;
    }
    if (wrapped === 0 || wrapped === -180) return `${Math.abs(wrapped).toFixed(digits)}°`;
    return `${Math.abs(wrapped).toFixed(digits)}°${wrapped < 0 ? "W" : "E"}`;
  };

  areo.latText = (lat, digits) => `${Math.abs(lat).toFixed(digits)}°${lat < 0 ? "S" : lat > 0 ? "N" : ""}`;

  // ------------------------------------------------------------------ tip and card

  const known = (value) => value !== "" && !Number.isNaN(value);
  const written = ({ unit, values }, i) => `${typeof values[i] === "number" ? +values[i].toPrecision(6) : values[i]}${unit ? " " + unit : ""}`;

  /** The row under the pointer in a line, until the pointer moves on. */
  areo.tip = function (stage) {
    const box = make("div", "areo-tip");
    box.hidden = true;
    stage.append(box);
    return (hits, x, y) => {
      box.hidden = !hits.length;
      if (!hits.length) return;
      const { layer, i } = hits[0], p = layer.probability[i];
      const detail = layer.details.find((one) => known(one.values[i]));
      const words = [layer.row_id[i], layer.title];
      if (known(p)) words.push(`p ${p.toFixed(2)}`);
      if (detail) words.push(written(detail, i));
      if (hits.length > 1) words.push(`${hits.length - 1} more`);
      box.textContent = words.join(" · ");
      box.style.left = `${Math.min(x + 12, stage.clientWidth - box.offsetWidth - 4)}px`;
      box.style.top = `${Math.max(4, y - box.offsetHeight - 8)}px`;
    };
  };

  function picture(state, box, id, isTile) {
    const address = state.payload.thumbnails[id];
    if (!address && !(isTile && areo.fetchFor && state.payload.ground)) return;
    const image = make("img");
    image.alt = `Tile ${id}`;
    image.width = image.height = 112;
    box.append(image);
    if (address) { image.src = address; return; }
    areo.fetchFor(`${state.payload.ground.tiles}${id}.jpg`).then((data) => {
      if (!data) { image.remove(); return; }
      image.src = URL.createObjectURL(new Blob([data], { type: "image/jpeg" }));
      image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    }, () => image.remove());
  }

  /** Take verdicts, {tile id: "accept" | "reject" | "none"}, on tiles of a layer. */
  areo.judged = function (state, layerId, verdicts) {
    state.verdicts.set(layerId, { ...state.verdicts.get(layerId), ...verdicts });
  };

  /** Buttons that tell the page around: ask for tiles like this one, judge it. */
  function actions(state, box, layer, id) {
    const row = make("div", "areo-actions");
    const pressed = (verdict) => state.verdicts.get(layer.id)?.[id] === verdict;
    const show = () => { for (const one of row.querySelectorAll("[data-verdict]")) one.setAttribute("aria-pressed", String(pressed(one.dataset.verdict))); };
    const say = (message) => window.parent.postMessage({ tile_id: id, ...message }, "*");
    row.append(button("", "More like this", `More like this: search for tiles that look like ${id}`, () => say({ type: "areographer:more" })));
    for (const [verdict, word] of [["accept", "Accept"], ["reject", "Reject"]]) {
      const title = `${word}: tile ${id} ${verdict === "accept" ? "shows" : "does not show"} what was asked`;
      const judge = button(`areo-${verdict}`, word, title, () => {
        const now = pressed(verdict) ? "none" : verdict;
        areo.judged(state, layer.id, { [id]: now });
        show();
        say({ type: "areographer:judge", layer: layer.id, verdict: now });
      });
      judge.dataset.verdict = verdict;
      row.append(judge);
    }
    show();
    row.addEventListener("areographer:judged", show); // somewhere else on the page
    box.append(row);
  }

  /** What is known of the rows under the pointer: the first in full, then its standing in other layers; in a chat
      what can be done with it. */
  areo.card = function (state, hits) {
    const box = make("div", "areo-card");
    const { layer, i } = hits[0], id = layer.row_id[i];
    const row = (name, value) => {
      const line = make("div", "areo-row");
      line.append(make("span", "", name), make("b", "", value));
      box.append(line);
    };
    box.append(make("div", "areo-id", id));
    const tile = hits.find((hit) => hit.layer.kind === "tiles" && hit.layer.row_id[hit.i] === id);
    picture(state, box, id, Boolean(tile));
    row("position", `${areo.latText(layer.lat[i], 3)} ${areo.lonText(state, layer.lon[i], 3)}`);
    for (const detail of layer.details) {
      if (known(detail.values[i])) row(detail.label, written(detail, i));
    }
    const table = make("div", "areo-layers");
    const seen = new Set();
    for (const hit of hits.filter((other) => other.layer.row_id[other.i] === id)) {
      if (seen.has(hit.layer.id)) continue;
      seen.add(hit.layer.id);
      const line = make("div", "areo-row"), name = make("span");
      name.append(areo.swatch(hit.layer), ` ${hit.layer.id} ${hit.layer.title}`);
      const score = hit.layer.score[hit.i], probability = hit.layer.probability[hit.i];
      const values = [];
      if (known(probability)) values.push(`p ${probability.toFixed(2)}`);
      if (known(score)) values.push(`score ${score.toFixed(3)}`);
      line.append(name, make("b", "", values.join(", ")));
      table.append(line);
    }
    box.append(table);
    if (tile && areo.inChat) actions(state, box, tile.layer, id);
    const others = new Set(hits.map((hit) => hit.layer.row_id[hit.i])).size - 1;
    if (others > 0) box.append(make("small", "", `and ${others} more here: zoom in`));
    return box;
  };
})();
