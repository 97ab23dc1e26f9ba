/* The recipe: forms that open under their calls, what is changed in them, and the bar that runs it again.

   What was changed is kept here by conversation until it has run, so that an answer in between loses nothing. The
   server says what is wrong with a change and which calls would run. */
(() => {
  "use strict";
  const chat = window.areographerChat;
  const kept = new Map(); // conversation -> what was changed and opened
  const forms = new Map(); // address of a form -> its HTML; a call never changes
  let root = null, timer = 0, asked = 0;
  let focused = "", top = 0; // where the reader was, in case the panel is fetched anew

  const here = () => {
    const key = chat.state.conversation;
    if (!kept.has(key)) kept.set(key, { edits: {}, open: new Set(), leaveOut: new Set(), sent: -1, told: null });
    return kept.get(key);
  };
  const recipe = () => root?.querySelector("[data-recipe]");
  const cards = () => [...(root?.querySelectorAll("[data-call]") || [])];
  const cardOf = (number) => root?.querySelector(`[data-call="${number}"]`);
  const count = () => Object.values(here().edits).reduce((sum, changed) => sum + Object.keys(changed).length, 0);
  const label = (name) => name.replace(/_(percent|km2|km|m|deg)$/, "").replaceAll("_", " ");
  const plural = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  // ------------------------------------------------------------------ forms

  async function open(card, wanted = true) {
    const number = card.dataset.call, body = card.querySelector("[data-body]");
    here().open[wanted ? "add" : "delete"](number);
    card.querySelector("[data-call-open]").setAttribute("aria-expanded", String(wanted));
    body.hidden = !wanted;
    if (!wanted || body.childElementCount) return;
    const address = `${chat.base()}/recipe/call/${number}`;
    try {
      if (!forms.has(address)) {
        const answer = await fetch(address);
        const text = await answer.text();
        if (!answer.ok) throw new Error(text);
        forms.set(address, text);
      }
      body.innerHTML = forms.get(address); // made and escaped by our own server
    } catch (error) {
      const words = document.createElement("p");
      words.className = "fault";
      words.textContent = `The form could not be loaded. ${error.message}`;
      body.replaceChildren(words);
      return;
    }
    for (const field of body.querySelectorAll("[data-field]")) {
      const changed = here().edits[number] || {};
      if (field.dataset.field in changed) {
        put(field, changed[field.dataset.field]);
        field.closest("details")?.setAttribute("open", "");
      }
    }
    mark();
  }

  /** Bring an opened card into sight, its line on top, unless all of it is there already. */
  function show(card) {
    const { bottom } = card.getBoundingClientRect(), panel = root.closest(".tabitem")?.getBoundingClientRect();
    if (panel && bottom > Math.min(panel.bottom, innerHeight) - 60) card.scrollIntoView({ block: "start" });
  }

  const boxes = (field) => [...field.querySelectorAll("input[type=checkbox]")];
  const read = (field) => field.dataset.kind === "layers"
    ? boxes(field).filter((box) => box.checked).map((box) => box.value).join("\n")
    : field.querySelector("[name]").value;

  function put(field, text) {
    if (field.dataset.kind === "layers") for (const box of boxes(field)) box.checked = text.split("\n").includes(box.value);
    else field.querySelector("[name]").value = text;
  }

  function changed(field) {
    const number = field.closest("[data-call]").dataset.call, name = field.dataset.field, edits = here().edits;
    const text = read(field);
    if (text === field.dataset.was) {
      delete edits[number]?.[name];
      if (edits[number] && !Object.keys(edits[number]).length) delete edits[number];
    } else (edits[number] ||= {})[name] = text;
    here().told = null;
    mark();
    clearTimeout(timer);
    timer = setTimeout(check, 250);
  }

  // ------------------------------------------------------------------ what would run

  const payload = (more = {}) => ({ edits: here().edits, leave_out: [...here().leaveOut].map(Number), ...more });

  async function check(more = {}) {
    const mine = ++asked, place = here();
    let told;
    try {
      told = await chat.post(`${chat.base()}/recipe/check`, payload(more));
    } catch (error) {
      told = { faults: {}, runs: [], left_out: [], said: "", error: error.message };
    }
    if (mine === asked && place === here() && !more.from) {
      place.told = told;
      mark();
    }
    return told;
  }

  function say(element, words) {
    element.textContent = words || "";
    element.hidden = !words;
  }

  /** Show what is changed, what is wrong, and what would run. */
  function mark() {
    if (!recipe()) return;
    const { edits, told, leaveOut } = here(), running = new Set((told?.runs || []).map((call) => String(call.number)));
    for (const card of cards()) {
      const number = card.dataset.call, mine = edits[number], wrong = told?.faults[number];
      const runs = running.has(number) && !leaveOut.has(number);
      card.classList.toggle("changed", Boolean(mine));
      card.classList.toggle("runs", runs);
      const words = mine ? `changed: ${Object.keys(mine).map(label).join(", ")}` : runs ? "runs again, as it rests on a change" : "";
      say(card.querySelector("[data-mark]"), wrong ? `${words}; this cannot run yet` : words);
      for (const field of card.querySelectorAll("[data-field]")) {
        const fault = wrong?.[field.dataset.field], named = field.querySelector("[name]");
        field.classList.toggle("changed", Boolean(mine && field.dataset.field in mine));
        field.querySelector("[data-was-line]").hidden = !(mine && field.dataset.field in mine);
        say(field.querySelector("[data-fault]"), fault);
        if (fault) named?.setAttribute("aria-invalid", "true"); else named?.removeAttribute("aria-invalid");
      }
      const whole = card.querySelector("[data-form-fault]");
      if (whole) say(whole, wrong?.[""]);
    }
    bar(told);
  }

  function bar(told) {
    const element = root.querySelector("[data-bar]"), number = count(), { leaveOut } = here();
    element.hidden = !number;
    if (!number) return;
    const faults = Object.values(told?.faults || {}).flatMap((one) => Object.values(one));
    const runs = told?.runs || [];
    const [stuck] = Object.keys(told?.faults || {}), what = told?.said ? `${told.said} will run` : stuck ? `call ${stuck} cannot run yet` : "";
    const words = [plural(number, "change"), what].filter(Boolean).join(": ");
    element.querySelector("[data-bar-says]").textContent = words;
    if (what) element.querySelector("[data-bar-status]").textContent = words;
    say(element.querySelector("[data-bar-fault]"), told?.error);
    element.querySelector("[data-recipe-run]").disabled = Boolean(faults.length);
    const list = element.querySelector("[data-bar-list]");
    list.replaceChildren(...runs.map((call) => {
      const item = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.checked = !leaveOut.has(String(call.number));
      box.dataset.leave = call.number;
      label.append(box, ` ${call.number} · ${call.title}`);
      item.append(label);
      return item;
    }));
  }

  // ------------------------------------------------------------------ running

  async function run(more = {}) {
    if (chat.state.working) {
      here().told = { ...(here().told || { faults: {}, runs: [] }), error: "An answer is being worked on: wait for it, or stop it." };
      bar(here().told);
      return;
    }
    const told = await check(more);
    const [number] = Object.keys(told.faults);
    if (number) {
      here().told = told;
      await open(cardOf(number));
      mark();
      const field = cardOf(number).querySelector("[aria-invalid]");
      field?.closest("details")?.setAttribute("open", "");
      field?.focus();
      return;
    }
    if (told.error) return;
    here().sent = Number(recipe().dataset.done);
    chat.act("rerun", payload(more));
  }

  /** Once a run has given something, its changes are done. */
  function settle() {
    const place = here(), done = Number(recipe()?.dataset.done || 0);
    if (place.sent < 0 || done <= place.sent) return false;
    Object.assign(place, { edits: {}, leaveOut: new Set(), open: new Set(), sent: -1, told: null });
    root.closest(".tabitem")?.scrollTo?.({ top: 0 });
    const outcome = root.querySelector("[data-outcome]");
    outcome?.scrollIntoView({ block: "nearest" });
    outcome?.focus({ preventScroll: true });
    return true;
  }

  function forget(number) {
    const body = cardOf(number)?.querySelector("[data-body]");
    for (const field of body?.querySelectorAll("[data-field]") || []) put(field, field.dataset.was);
    delete here().edits[number];
  }

  function clicked(event) {
    const at = (selector) => event.target.closest(selector);
    const opener = at("[data-call-open]"), reset = at("[data-reset]"), onwards = at("[data-recipe-onwards]"), all = at("[data-recipe-all]");
    if (opener) {
      const card = opener.closest("[data-call]"), wanted = opener.getAttribute("aria-expanded") !== "true";
      open(card, wanted).then(() => wanted && show(card));
    }
    else if (reset) {
      const field = reset.closest("[data-field]");
      put(field, field.dataset.was);
      changed(field);
      (field.querySelector("[name]") || boxes(field)[0])?.focus();
    } else if (onwards) run({ from: Number(onwards.dataset.recipeOnwards), onwards: true });
    else if (all) {
      const wanted = all.dataset.recipeAll === "open";
      cards().forEach((card) => open(card, wanted));
      all.dataset.recipeAll = wanted ? "close" : "open";
      all.textContent = wanted ? "Close all" : "Open all";
    } else if (at("[data-recipe-run]")) run();
    else if (at("[data-recipe-discard]")) {
      Object.keys(here().edits).forEach(forget);
      Object.assign(here(), { leaveOut: new Set(), told: null });
      mark();
    }
  }

  chat.panel("recipe", {
    mounted(element) {
      root = element;
      element.addEventListener("click", clicked);
      element.addEventListener("input", (event) => {
        const field = event.target.closest("[data-field]"), leave = event.target.dataset.leave;
        if (field) changed(field);
        else if (leave) {
          here().leaveOut[event.target.checked ? "delete" : "add"](leave);
          check();
        }
      });
      element.addEventListener("focusin", (event) => { focused = event.target.id; });
      element.addEventListener("focusout", (event) => setTimeout(() => {
        if (event.target.isConnected && !root.contains(document.activeElement)) focused = "";
      }));
      element.closest(".tabitem")?.addEventListener("scroll", (event) => { top = event.target.scrollTop; }, { passive: true });
      element.addEventListener("submit", (event) => {
        event.preventDefault();
        run({ from: Number(event.target.dataset.form) });
      });
    },
    filled(element) {
      root = element;
      if (!recipe()) return;
      const settled = settle(), wasTop = top;
      for (const number of here().open) if (cardOf(number)) open(cardOf(number));
      mark();
      if (!settled) {
        const scroller = element.closest(".tabitem");
        if (scroller) scroller.scrollTop = wasTop;
        if (focused && !element.contains(document.activeElement)) document.getElementById(focused)?.focus({ preventScroll: true });
      }
      if (count() && !here().told) check();
    },
  });
})();
