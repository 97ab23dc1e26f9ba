/* What happens in the chat's page itself: the channel to Python, the address, the map's frame, the panels.

   Python tells which conversation and layers there are (`connect`); the page fetches what belongs to them. A panel
   is a fragment of HTML with a query of its own; it is fetched again whenever the conversation changed. */
window.areographerChat = (() => {
  "use strict";
  const ROUTES = "areographer", NONE = "-";
  const state = { conversation: "", layers: [], working: false, version: "" };
  const panels = new Map(); // name -> {element, query, html, asked}
  const definitions = new Map(); // name -> what the panel's own script wants to know
  const listeners = new Map(); // type of a message from the map -> handlers
  const followers = new Set(); // of the state: called with it whenever Python told something
  let trigger = () => {};

  const base = () => `${ROUTES}/c/${state.conversation || NONE}`;

  // ------------------------------------------------------------------ the channel to Python

  /** Called once by Gradio's component: `watch` tells of new values, `fire` sends events to Python. */
  function connect(props, watch, fire) {
    trigger = fire;
    watch("value", () => take(props.value));
  }

  function take(told) {
    if (!told || told.conversation === undefined) return;
    const left = state.conversation, moved = told.conversation !== left;
    const changed = moved || told.version !== state.version;
    const layers = moved || String(told.layers) !== String(told_layers) ? told.layers : state.layers;
    if (layers === told.layers) lookAt("evidence");
    told_layers = told.layers;
    Object.assign(state, told, { layers });
    if (moved) {
      // What is searched for in the list has nothing to do with where one is.
      for (const [name, panel] of panels) if (name !== "conversations") panel.query = {};
      write(left !== "");
      linked();
    }
    draw();
    if (changed) refresh();
    for (const follower of followers) follower(state);
  }
  let told_layers = [];

  /** Let a panel follow the map again, from its first page. */
  function lookAt(name) {
    const query = panels.get(name)?.query || {};
    delete query.layer;
    delete query.page;
  }

  /** Ask a question as if it had been typed. */
  const ask = (text) => trigger("question", { text });

  /** Carry out an action that makes a turn of its own. */
  const act = (kind, payload = {}) => trigger("act", { kind, payload });

  /** Turn to another conversation; empty for a new one. */
  function open(conversation, remember = true) {
    if (remember) write(true, conversation);
    trigger("open", { conversation });
  }

  /** Keep the conversation in the address, so that a reload, a link and the back button find it. */
  function write(push, conversation = state.conversation) {
    const address = new URL(location.href);
    if (conversation !== (address.searchParams.get("c") || "")) address.searchParams.delete("layer");
    if (conversation) address.searchParams.set("c", conversation);
    else address.searchParams.delete("c");
    if (address.href !== location.href) history[push ? "pushState" : "replaceState"](null, "", address);
  }

  /** The layer that a link names comes forward once its conversation is there. */
  function linked() {
    const layer = new URL(location.href).searchParams.get("layer");
    if (layer && /^L\d+$/.test(layer)) state.layers = [layer];
  }

  window.addEventListener("popstate", () => {
    const named = new URL(location.href).searchParams.get("c") || "";
    if (named !== state.conversation) open(named, false);
  });

  /** Post JSON to one of our routes; throws an Error with words fit for a reader. */
  async function post(path, payload = {}) {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(payload),
    });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.error || "the server could not do this");
    return told;
  }

  // ------------------------------------------------------------------ panels

  /** What a panel's own script wants: {filled(element, state)} is called after every fill. */
  function panel(name, definition) {
    definitions.set(name, definition);
  }

  function mountPanel(element, name) {
    const holder = document.createElement("div");
    holder.className = "panel";
    element.replaceChildren(holder);
    panels.set(name, { element: holder, query: panels.get(name)?.query || {}, html: null, asked: 0 });
    holder.addEventListener("click", (event) => pressed(event, name));
    definitions.get(name)?.mounted?.(holder, state);
    fill(name);
  }

  async function fill(name) {
    const panel = panels.get(name), turn = ++panel.asked;
    const query = new URLSearchParams({ ...panel.query, shown: state.layers.join() });
    let html;
    try {
      const answer = await fetch(`${base()}/panel/${name}?${query}`);
      html = answer.ok ? await answer.text() : null;
    } catch (error) {
      html = null;
    }
    if (turn !== panel.asked) return; // asked again meanwhile
    if (html === null) failed(panel, name);
    else if (html !== panel.html) replace(panel, html);
    else return;
    definitions.get(name)?.filled?.(panel.element, state);
  }

  /** Put new content in, leaving scroll position and focus where they were. */
  function replace(panel, html) {
    const focused = panel.element.contains(document.activeElement) ? keyOf(document.activeElement) : "";
    const scroller = panel.element.closest(".tabitem, [data-scroller]"), top = scroller?.scrollTop;
    panel.html = html;
    panel.element.innerHTML = html; // made and escaped by our own server
    if (scroller) scroller.scrollTop = top;
    if (focused) panel.element.querySelector(focused)?.focus({ preventScroll: true });
  }

  function keyOf(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const named = [...element.attributes].find(({ name }) => name.startsWith("data-") || name === "name");
    return named ? `${element.localName}[${named.name}="${CSS.escape(named.value)}"]` : "";
  }

  function failed(panel, name) {
    const words = document.createElement("p"), again = document.createElement("button");
    words.className = "nothing";
    words.textContent = "This could not be loaded: the server does not answer. ";
    again.type = "button";
    again.textContent = "Try again";
    again.addEventListener("click", () => fill(name));
    words.append(again);
    panel.html = null;
    panel.element.replaceChildren(words);
  }

  /** Change a panel's query and fetch it anew; null takes a name out. */
  function go(name, changes) {
    const panel = panels.get(name);
    if (!panel) return;
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) delete panel.query[key]; else panel.query[key] = String(value);
    }
    fill(name);
  }

  /** Fetch a panel and put it in even if it is the same, for scripts that changed what stands there. */
  async function again(name) {
    if (panels.has(name)) panels.get(name).html = null;
    if (panels.has(name)) await fill(name);
  }

  /** Fetch panels anew: those named, else all. */
  function refresh(...names) {
    for (const name of names.length ? names : panels.keys()) if (panels.has(name)) fill(name);
  }

  /** Bring a tab to the front. */
  const tab = (words) => [...document.querySelectorAll("#panels [role=tab]")].find((one) => one.textContent.trim() === words)?.click();

  function pressed(event, name) {
    const target = event.target.closest("[data-layer], [data-go], [data-more], [data-fly], [data-act], [data-open]");
    if (!target) return;
    const given = target.dataset;
    if (given.layer) show(given.layer.split(","));
    else if (given.go) go(name, JSON.parse(given.go));
    else if (given.more) ask(`Show tiles like ${given.more}`);
    else if (given.act) act(given.act, JSON.parse(given.payload || "{}"));
    else if (given.open) open(given.open);
    else if (given.fly) {
      const [lon, lat] = given.fly.split(",").map(Number);
      panels.get(name).element.querySelectorAll(".tile.on").forEach((tile) => tile.classList.remove("on"));
      target.closest(".tile")?.classList.add("on");
      map.tell({ type: "areographer:fly", lon, lat });
    }
  }

  // ------------------------------------------------------------------ the map

  const frame = () => document.querySelector("#globe iframe")?.contentWindow;
  const map = {
    ready: false,
    drawn: "",
    tell: (message) => frame()?.postMessage(message, "*"),
    on(type, handler) {
      listeners.set(type, [...(listeners.get(type) || []), handler]);
    },
  };

  /** Fill the map's frame. By srcdoc, because MapLibre refuses its own workers in a sandboxed frame with an
      address: page and worker then disagree about their origin. A little later than the rest, because a
      browser without a graphics card is busy with it for a while. */
  async function mountMap(element) {
    await new Promise((done) => setTimeout(done, 500));
    const answer = await fetch(`${ROUTES}/globe`);
    if (answer.ok) element.querySelector("iframe").srcdoc = await answer.text();
  }

  /** Put these layers on the map, and the first among the evidence. */
  function show(layers) {
    state.layers = layers;
    lookAt("evidence");
    draw(true);
    refresh();
  }

  /** ``fit``: whether someone asked for these layers, and the map is to turn to them. */
  async function draw(fit = false) {
    const { conversation, layers } = state, key = `${conversation} ${layers.join()}`;
    if (!map.ready || key === map.drawn) return;
    map.drawn = key;
    const ask = async (near) => {
      const answer = await fetch(`${base()}/layers?ids=${layers.join()}${near}`);
      return answer.ok ? answer.json() : null;
    };
    const payload = layers.length ? await ask("") : { layers: [], thumbnails: {} };
    if (!payload || key !== map.drawn) return;
    map.tell({ type: "areographer:layers", payload, key: conversation, fit });
    // Rows that just missed a search take longer to find; the map is there meanwhile.
    const near = payload.more ? await ask("&near=1") : null;
    if (near && key === map.drawn) map.tell({ type: "areographer:layers", payload: near, key: conversation, fit: false });
  }

  window.addEventListener("message", (event) => {
    if (event.source !== frame()) return;
    for (const handler of listeners.get(event.data?.type) || []) handler(event.data);
  });
  map.on("areographer:ready", () => {
    map.ready = true;
    map.drawn = " ";
    draw();
  });

  // ------------------------------------------------------------------ citations

  // A citation brings its layer forward on the map and its tiles among the evidence.
  document.addEventListener("click", (event) => {
    const cited = event.target.closest?.("#dialogue a")?.hash.match(/^#(L\d+)$/);
    if (!cited) return;
    event.preventDefault();
    event.stopPropagation();
    const layer = cited[1];
    if (state.layers.includes(layer)) {
      map.tell({ type: "areographer:light", layer });
      go("evidence", { layer });
    } else show([layer]);
    tab("Evidence");
  }, true);

  const follow = (follower) => followers.add(follower);

  return { follow, again, state, connect, ask, act, open, post, panel, mountPanel, go, refresh, tab, show, map, mountMap, base };
})();
