/* The legend: layers to switch on and off, a slider for the threshold of each that has probabilities, what else
   can be shown; and the bar with the scale. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const { make, button } = areo;
  const NICE = [1, 2, 5];
  const MOST_OPEN = 2; // sliders shown at once, before one asks for more

  const whole = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  const rows = (n) => `${whole(n)} ${n === 1 ? "row" : "rows"}`;
  const hundredths = (k) => (k / 100).toFixed(2);

  const least = (layer) => (layer.cut !== null ? hundredths(layer.cut) : (layer.threshold ?? null)?.toFixed(2));

  function facts(layer) {
    const drawn = layer.shown, counted = areo.count(layer), parts = [];
    if (!layer.level && least(layer)) parts.push(`p ≥ ${least(layer)}`);
    if (drawn < counted) parts.push(`${whole(drawn)} drawn`);
    let beyond = 0;
    for (let i = 0; i < drawn; i++) beyond += Math.abs(layer.lat[i]) > areo.MERCATOR_LIMIT;
    if (beyond) parts.push(`${whole(beyond)} beyond 85°`);
    if (layer.shapes?.tolerance) parts.push(`outlines to ${layer.shapes.tolerance}°`);
    // Where there is a slider it reads on into the button that opens it: "130 rows at p ≥ 0.50".
    return (layer.level ? [...parts, `${rows(counted)} at`] : [rows(counted), ...parts]).join(" · ");
  }

  /** The slider of a layer, as an item of the legend; null if it has no probabilities.
      act.cut(layer, hundredths or null) moves the threshold, act.keep(layer) makes a layer of it. */
  function slider(layer, act) {
    if (!layer.level) return null;
    const item = make("li", "areo-cut"), range = make("input"), own = areo.ownLevel(layer);
    item.dataset.cut = layer.id;
    range.type = "range";
    range.min = String(Math.min(layer.least, own)); range.max = "100"; range.step = "1";
    range.setAttribute("aria-label", `Threshold of ${layer.id}: smallest probability shown`);
    const why = make("small", "areo-why");
    const back = button("areo-back", "Reset", `Reset: show ${layer.id} as it was made`, () => { act.cut(layer, null); range.focus(); });
    const keep = areo.inChat ? button("areo-keep", "Keep", `Keep this threshold: make a layer of ${layer.id}`, () => act.keep(layer)) : null;
    const line = make("span", "areo-line");
    line.append(back, ...(keep ? [keep] : []));
    item.append(range, line, why);
    range.addEventListener("input", () => { const level = Number(range.value); act.cut(layer, level === own && layer.threshold !== null ? null : level); });
    range.addEventListener("change", () => act.settled(layer));
    return {
      item,
      update() {
        const level = layer.cut ?? own, moved = layer.cut !== null, count = areo.count(layer);
        range.value = String(level);
        range.setAttribute("aria-valuetext", `${rows(count)} at p ≥ ${least(layer) ?? hundredths(own)}`);
        line.hidden = !moved;
        const reason = moved && layer.keep && (level < own ? layer.keep.lower : layer.keep.higher);
        if (keep) {
          keep.hidden = !moved || !layer.keep;
          keep.disabled = Boolean(reason) || !count;
        }
        why.textContent = keep && moved ? reason || (count ? "" : "No row would be left to keep.") : "";
        why.hidden = !why.textContent;
      },
    };
  }

  function toggle(words, on, change, sign) {
    const item = make("li", "areo-none"), label = make("label"), tick = make("input");
    tick.type = "checkbox";
    tick.checked = on;
    tick.addEventListener("change", () => change(tick.checked));
    label.append(tick, ...(sign ? [sign] : []), make("span", "", words));
    item.append(label);
    return item;
  }

  /** {element, update()}: the legend of state's layers. act.toggle(id, on), .fit(id), .cut(layer, hundredths), .keep(layer),
      .settled(layer), .redraw(). */
  areo.legend = function (state, act, wasOpen) {
    const box = make("details", "areo-legend"), updates = [];
    box.open = wasOpen;
    box.append(make("summary", "", "Layers"));
    const list = make("ul"), { layers } = state.payload;
    const sliders = layers.filter((layer) => layer.level).length;
    for (const layer of layers) {
      const item = make("li"), label = make("label"), tick = make("input");
      tick.type = "checkbox";
      tick.addEventListener("change", () => act.toggle(layer.id, tick.checked));
      const words = make("span", "areo-words"), line = make("div", "areo-facts"), small = make("small");
      words.append(make("b", "", layer.id), " ", make("span", "", layer.title));
      label.append(tick, areo.swatch(layer), words);
      line.append(small);
      item.append(label, button("areo-fit", "", `Show ${layer.id}`, () => act.fit(layer.id)), line);
      item.dataset.layer = layer.id;
      list.append(item);
      const cut = slider(layer, act);
      if (cut) {
        const open = button("areo-open", "", `Threshold of ${layer.id}`, () => {
          if (state.opened.has(layer.id)) state.opened.delete(layer.id); else state.opened.add(layer.id);
          reveal();
        });
        const reveal = () => {
          cut.item.hidden = !state.opened.has(layer.id);
          open.setAttribute("aria-expanded", String(!cut.item.hidden));
        };
        if (!state.known.has(layer.id) && sliders <= MOST_OPEN) state.opened.add(layer.id);
        state.known.add(layer.id);
        reveal();
        line.append(open);
        list.append(cut.item);
        updates.push(() => {
          open.textContent = `p ≥ ${least(layer) ?? hundredths(areo.ownLevel(layer))}`;
          open.setAttribute("aria-label", `${open.textContent}: threshold of ${layer.id}`);
        });
      }
      updates.push(() => {
        small.textContent = facts(layer);
        tick.checked = state.visible.has(layer.id);
        item.classList.toggle("areo-lit", layer.id === state.lit);
        cut?.update();
      });
    }
    if (!layers.length) list.append(make("li", "areo-none", "no layers yet"));
    if (layers.some((layer) => layer.level)) list.append(make("li", "areo-none", "stronger colour: more probable"));
    const others = make("ul", "areo-others");
    if (state.payload.has_gaps) others.append(toggle("not observed", state.coverage, (on) => { state.coverage = on; act.redraw(); }, make("i", "areo-gap")));
    others.append(toggle("graticule", state.graticule, (on) => { state.graticule = on; act.redraw(); }));
    box.append(list, others);
    const update = () => updates.forEach((one) => one());
    update();
    return { element: box, update };
  };

  /** The bar with the scale; below it how sharp the ground is where that sets a limit. */
  areo.scaleBar = function () {
    const box = make("div", "areo-scale"), bar = make("i"), text = make("span"), ground = make("small");
    box.title = "True at the middle of the map, for this body's radius";
    box.append(bar, text, ground);
    return {
      element: box,
      set(kmPerPixel, sharpness) {
        ground.textContent = sharpness;
        if (!(kmPerPixel > 0)) return;
        const most = kmPerPixel * 110, power = 10 ** Math.floor(Math.log10(most));
        const km = Math.max(...NICE.map((n) => n * power).filter((n) => n <= most));
        bar.style.width = `${km / kmPerPixel}px`;
        text.textContent = km >= 1 ? `${whole(km)} km` : `${whole(Math.round(km * 1000))} m`;
        box.dataset.km = String(km);
      },
    };
  };
})();
