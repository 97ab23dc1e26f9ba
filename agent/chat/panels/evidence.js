/* Judging tiles: by click and by key, shown at once and posted behind it; what the server refuses is put back. */
(() => {
  "use strict";
  const chat = window.areographerChat;
  const waiting = new Map(); // tile -> verdict that is on its way to the server
  let root = null, line = Promise.resolve(), goTo = "";

  const bar = () => root?.querySelector(".judging");
  const tiles = () => [...(root?.querySelectorAll("[data-tile]") || [])];
  const current = () => root?.querySelector('.look[tabindex="0"]')?.closest("[data-tile]");
  const other = (verdict) => (verdict === "none" ? "" : verdict);

  // ------------------------------------------------------------------ verdicts

  /** Show a verdict on a tile, wherever it stands. */
  function mark(figure, verdict) {
    figure.dataset.verdict = other(verdict);
    for (const button of figure.querySelectorAll("[data-judge]")) {
      button.setAttribute("aria-pressed", String(button.dataset.judge === verdict));
    }
  }

  function judge(figure, verdict) {
    const bar_ = bar(), { tile, verdict: before } = figure.dataset;
    const wanted = before === verdict ? "none" : verdict;
    mark(figure, wanted);
    count(before, other(wanted));
    send({ layer: bar_.dataset.of, view: bar_.dataset.view, tiles: { [tile]: wanted } }, tile, wanted, before);
  }

  /** Posts go out one after another, so that undoing takes back the last. */
  function send(payload, tile, wanted, before) {
    const address = `${chat.base()}/judge`;
    waiting.set(tile, wanted);
    line = line.then(() => chat.post(address, payload)).then(
      (told) => { if (waiting.get(tile) === wanted) waiting.delete(tile); tell(told); },
      (error) => {
        waiting.delete(tile);
        const figure = find(tile);
        if (figure) mark(figure, before || "none");
        count(other(wanted), before);
        trouble(`This verdict could not be kept: ${error.message}`);
      },
    );
  }

  function undo() {
    if (root.querySelector("[data-undo]").disabled) return;
    const layer = bar().dataset.of, address = `${chat.base()}/unjudge`;
    line = line.then(() => chat.post(address, { layer })).then(
      (told) => {
        for (const [tile, verdict] of Object.entries(told.tiles)) {
          const figure = find(tile);
          if (!figure) continue;
          mark(figure, verdict);
          focus(figure);
        }
        tell(told);
      },
      (error) => trouble(`Nothing was taken back: ${error.message}`),
    );
  }

  const find = (tile) => root?.querySelector(`[data-tile="${CSS.escape(tile)}"]`);

  /** The line of counts, moved along before the server has answered. */
  function count(before, after) {
    const shown = root.querySelector("[data-summary]");
    const [accepted, rejected] = (shown.textContent.match(/\d+/g) || [0, 0]).map(Number);
    const by = (word) => (after === word) - (before === word);
    const now = [accepted + by("accept"), rejected + by("reject")];
    shown.textContent = now[0] + now[1] ? `${now[0]} accepted, ${now[1]} rejected` : "nothing judged yet";
    root.querySelector("[data-undo]").disabled = false;
  }

  function tell(told) {
    const shown = bar();
    if (!shown || shown.dataset.of !== told.layer || waiting.size) return;
    root.querySelector("[data-summary]").textContent = told.summary;
    root.querySelector("[data-precision]").textContent = told.precision;
    const speaks = told.estimated || shown.dataset.view === "random";
    root.querySelector("[data-rests-on]").textContent = speaks ? told.rests_on : "";
    root.querySelector("[data-undo]").disabled = !(told.accepted + told.rejected);
    root.querySelector("[data-refine]").disabled = !told.refine || chat.state.working;
    trouble("");
  }

  function trouble(words) {
    const shown = root?.querySelector("[data-trouble]");
    if (!shown) return;
    shown.textContent = words;
    shown.hidden = !words;
  }

  function refine(button) {
    const layer = bar().dataset.of;
    button.disabled = true;
    button.textContent = `Refining ${layer}…`;
    line.then(() => chat.act("refine", { layer }));
  }

  // ------------------------------------------------------------------ moving about

  /** One tile at a time is in the order of tabs. */
  function focus(figure, give = true) {
    for (const one of tiles()) {
      for (const button of one.querySelectorAll("button")) button.tabIndex = one === figure ? 0 : -1;
    }
    if (give) figure.querySelector(".look").focus();
  }

  function move(step) {
    const all = tiles(), at = all.indexOf(current()) + step;
    if (at >= 0 && at < all.length) return focus(all[at]);
    const turn = root.querySelector(step > 0 ? '[data-turn="on"]' : '[data-turn="back"]');
    if (!turn || turn.disabled) return;
    goTo = step > 0 ? "first" : "last";
    turn.click();
  }

  const columns = () => {
    const all = tiles(), top = all[0]?.offsetTop;
    return Math.max(1, all.filter((one) => one.offsetTop === top).length);
  };

  const KEYS = {
    ArrowRight: () => move(1), ArrowLeft: () => move(-1),
    ArrowDown: () => move(columns()), ArrowUp: () => move(-columns()),
    Home: () => focus(tiles()[0]), End: () => focus(tiles().at(-1)),
    a: (figure) => { judge(figure, "accept"); step(figure); },
    r: (figure) => { judge(figure, "reject"); step(figure); },
    u: () => undo(),
    l: (figure) => look(figure),
    m: (figure) => figure.querySelector("[data-more]").click(),
  };

  /** After a verdict by key, on to the next tile of this page. */
  function step(figure) {
    const all = tiles(), next = all[all.indexOf(figure) + 1];
    if (next && figure.dataset.verdict) focus(next);
  }

  function pressedKey(event) {
    const figure = event.target.closest?.("[data-tile]");
    const undoing = (event.ctrlKey || event.metaKey) && event.key === "z";
    if (!figure || !(undoing || (KEYS[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey))) return;
    event.preventDefault();
    event.stopPropagation();
    if (undoing) undo(); else KEYS[event.key](figure);
  }

  // ------------------------------------------------------------------ a closer look

  function dialog() {
    const made = document.querySelector("#closer");
    if (made) return made;
    const box = document.createElement("dialog");
    box.id = "closer";
    box.setAttribute("aria-label", "A closer look at a tile");
    box.innerHTML = '<div class="pictures"><img alt="The tile"><div class="ground"><img alt="The ground around it, north up"><i></i></div></div>'
      + '<div class="about"><h3></h3><dl></dl><p class="buttons"><button type="button" data-judge="accept">Accept</button>'
      + '<button type="button" data-judge="reject">Reject</button><button type="button" data-step="-1" aria-label="Previous tile">‹</button>'
      + '<button type="button" data-step="1" aria-label="Next tile">›</button><button type="button" data-close>Close</button></p></div>';
    box.addEventListener("click", (event) => {
      const figure = find(box.dataset.looked), { judge: verdict, step: by, close } = event.target.dataset;
      if (event.target === box || close !== undefined) return box.close();
      if (verdict && figure) { judge(figure, verdict); look(figure); }
      if (by && figure) next(Number(by));
    });
    box.addEventListener("keydown", (event) => {
      const figure = find(box.dataset.looked), verdict = { a: "accept", r: "reject" }[event.key];
      event.stopPropagation();
      if (event.ctrlKey || event.metaKey || event.altKey || !figure) return;
      if (verdict) { judge(figure, verdict); next(1); }
      else if (event.key === "ArrowRight") next(1);
      else if (event.key === "ArrowLeft") next(-1);
      else if (event.key === "u") undo();
    });
    box.addEventListener("close", () => { const figure = find(box.dataset.looked); if (figure) focus(figure); });
    root.closest(".gradio-container").append(box);
    return box;
  }

  function next(by) {
    const all = tiles(), at = all.indexOf(find(dialog().dataset.looked)) + by;
    look(all[Math.min(Math.max(at, 0), all.length - 1)]);
  }

  function look(figure) {
    const box = dialog(), [tile, ground] = box.querySelectorAll("img"), list = box.querySelector("dl");
    box.dataset.looked = figure.dataset.tile;
    tile.src = figure.querySelector("img").src;
    ground.src = figure.dataset.around;
    box.querySelector("h3").textContent = figure.dataset.tile;
    list.replaceChildren();
    const scores = figure.querySelector("figcaption span").textContent;
    for (const [name, value] of [["scores", scores], ...JSON.parse(figure.dataset.facts)]) {
      const term = document.createElement("dt"), told = document.createElement("dd");
      term.textContent = name;
      told.textContent = value;
      list.append(term, told);
    }
    for (const button of box.querySelectorAll("[data-judge]")) {
      button.setAttribute("aria-pressed", String(button.dataset.judge === figure.dataset.verdict));
    }
    if (!box.open) box.showModal();
  }

  // ------------------------------------------------------------------ the panel

  function mounted(element) {
    root = element;
    element.addEventListener("keydown", pressedKey);
    element.addEventListener("focusin", (event) => {
      const figure = event.target.closest("[data-tile]");
      if (figure && figure !== current()) focus(figure, false);
    });
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const figure = button.closest("[data-tile]"), given = button.dataset;
      if (given.judge) judge(figure, given.judge);
      else if (given.zoom !== undefined) look(figure);
      else if (given.undo !== undefined) undo();
      else if (given.refine !== undefined) refine(button);
    });
  }

  function filled(element, state) {
    const chosen = element.querySelector(".chip.on"), row = chosen?.parentElement;
    if (row) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - 2;
    root = element;
    for (const [tile, verdict] of waiting) { const figure = find(tile); if (figure) mark(figure, verdict); }
    const button = element.querySelector("[data-refine]");
    if (button && state.working) button.disabled = true;
    const all = tiles();
    if (goTo && all.length) focus(goTo === "first" ? all[0] : all.at(-1));
    goTo = "";
    const kept = all.find((one) => one.contains(document.activeElement));
    if (kept) focus(kept, false);
  }

  chat.map.on("areographer:judge", ({ tile_id: tile, layer, verdict }) => {
    if (typeof tile !== "string" || typeof layer !== "string") return;
    const figure = find(tile), before = figure?.dataset.verdict || "";
    if (figure) mark(figure, verdict);
    if (figure && bar()?.dataset.of === layer) count(before, other(verdict));
    send({ layer, view: "map", tiles: { [tile]: verdict } }, tile, verdict, before);
  });

  chat.panel("evidence", { mounted, filled });
})();
