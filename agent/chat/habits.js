/* Habits of the page: light and dark, keys, short news, questions back, views of a phone, and a server that went away. */
(() => {
  "use strict";
  const chat = window.areographerChat;
  const FOLLOW_MS = 3000, AWAY_MS = 1500, NEWS_MS = 5000;

  const kept = {
    get(name) { try { return localStorage.getItem(`areographer-${name}`); } catch { return null; } },
    set(name, value) {
      try {
        if (value) localStorage.setItem(`areographer-${name}`, value); else localStorage.removeItem(`areographer-${name}`);
      } catch { /* a browser that keeps nothing goes on without */ }
    },
  };

  function made(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in element) element[key] = value; else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  /** Gradio may bring this script before the page or after it. */
  function ready(begin) {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
  }

  const root = () => document.querySelector(".gradio-container") || document.body;

  // ------------------------------------------------------------------ light and dark

  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (kept.get("theme") || (system.matches ? "dark" : "light")) === "dark";

  function paint() {
    if (document.body.classList.contains("dark") !== dark()) document.body.classList.toggle("dark", dark());
    document.documentElement.style.colorScheme = dark() ? "dark" : "light";
  }

  function otherTheme() {
    const wanted = dark() ? "light" : "dark";
    kept.set("theme", (wanted === "dark") === system.matches ? "" : wanted);
    paint();
    say(wanted === "dark" ? "Dark" : "Light");
  }

  // ------------------------------------------------------------------ short news, and questions back

  let news, hiding = 0;

  /** Say something in passing; a screen reader hears it too. */
  function say(text) {
    if (!news) root().append(news = made("div", { id: "news", role: "status" }));
    news.textContent = text;
    news.classList.add("on");
    clearTimeout(hiding);
    hiding = setTimeout(() => { news.classList.remove("on"); news.textContent = ""; }, NEWS_MS);
  }

  /** Ask whether something should really be done. */
  function confirm(title, text, verb) {
    return new Promise((answer) => {
      const yes = made("button", { type: "submit", value: "yes", className: "main", textContent: verb });
      const no = made("button", { type: "submit", value: "no", textContent: "Cancel", autofocus: true });
      const dialog = made("dialog", { className: "asking", "aria-labelledby": "asking-title" },
        made("form", { method: "dialog" },
          made("h2", { id: "asking-title", textContent: title }), made("p", { textContent: text }),
          made("p", { className: "buttons" }, no, yes)));
      dialog.addEventListener("close", () => { answer(dialog.returnValue === "yes"); dialog.remove(); });
      root().append(dialog);
      dialog.showModal();
    });
  }

  // ------------------------------------------------------------------ keys

  const KEYS = [
    ["/", "Go to the question box", () => document.querySelector("#ask textarea")?.focus()],
    ["n", "New conversation", () => { chat.open(""); document.querySelector("#ask textarea")?.focus(); }],
    ["j", "Next question", () => step(1)],
    ["k", "Question before", () => step(-1)],
    ["e", "Change the last question and ask it again in a branch", () => chat.edit?.(questions().length - 1)],
    ["b", "Show or hide the conversations", past],
    ["f", "Search the conversations", search],
    ["l", "Copy a link to this conversation", () => link()],
    ["t", "Light or dark", otherTheme],
    ["1 … 4", "Evidence, layers, recipe, share", null],
    ["Enter", "Send the question; with shift: a new line", null],
    ["Esc", "Stop the answer in hand", null],
    ["?", "This list", () => help()],
  ];

  const questions = () => [...document.querySelectorAll("#dialogue .user-row")];

  function step(by) {
    const rows = questions();
    if (!rows.length) return;
    const here = rows.indexOf(document.activeElement.closest?.(".user-row"));
    const next = here < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + by));
    rows[next].tabIndex = -1;
    rows[next].focus({ preventScroll: true });
    rows[next].scrollIntoView({ block: "start" });
  }

  function search() {
    if (document.body.classList.contains("past-closed")) past();
    document.querySelector("#search-conversations")?.focus();
  }

  const writes = (element) => element?.closest?.("input, textarea, select, [contenteditable=true], dialog");

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && narrow.matches && !document.body.classList.contains("past-closed")) {
      past();
      document.querySelector("#show-past")?.focus();
      return;
    }
    if (event.key === "Escape" && !event.defaultPrevented && chat.state.working && !document.querySelector("dialog[open]")) {
      document.querySelector("#ask .stop-button")?.click();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    const tabs = document.querySelectorAll("#panels [role=tab]");
    if (/^[1-4]$/.test(event.key) && tabs[event.key - 1]) {
      tabs[event.key - 1].click();
      return;
    }
    // Panels have letters of their own for what is focused in them.
    if (/^[a-z]$/.test(event.key) && event.target.closest?.("#panels")) return;
    const known = KEYS.find(([key, , act]) => act && key === event.key);
    if (!known) return;
    event.preventDefault();
    known[2]();
  });

  function help() {
    if (document.querySelector("dialog[open]")) return;
    const rows = KEYS.map(([key, words]) => made("tr", {},
      made("th", { scope: "row" }, made("kbd", { textContent: key })), made("td", { textContent: words })));
    const dialog = made("dialog", { className: "asking keys", "aria-labelledby": "keys-title" },
      made("form", { method: "dialog" },
        made("h2", { id: "keys-title", textContent: "Keys" }),
        made("table", {}, made("tbody", {}, ...rows)),
        made("p", { className: "quiet", textContent: "Letters work while nothing is being typed." }),
        made("p", { className: "buttons" }, made("button", { type: "submit", textContent: "Close", autofocus: true }))));
    dialog.addEventListener("close", () => dialog.remove());
    root().append(dialog);
    dialog.showModal();
  }

  // ------------------------------------------------------------------ a link, the list, views of a phone

  /** Put text into the clipboard, also where the page is served without a certificate. */
  async function copy(text, words) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = made("textarea", { value: text, className: "sr" });
      root().append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      if (!done) { say("The browser does not let this page copy."); return; }
    }
    say(words);
  }

  function link() {
    if (!chat.state.conversation) { say("Ask a question first: then there is something to link to."); return; }
    const address = new URL(location.pathname, location.href);
    address.searchParams.set("c", chat.state.conversation);
    if (chat.state.layers.length === 1) address.searchParams.set("layer", chat.state.layers[0]);
    copy(address.href, "The link is copied. It opens where this server can be reached.");
  }

  const narrow = matchMedia("(max-width: 900px)");

  function past() {
    const closed = document.body.classList.toggle("past-closed");
    if (!narrow.matches) kept.set("past", closed ? "closed" : "");
    told();
    if (!closed && narrow.matches) document.querySelector("#new")?.focus();
  }

  function told() {
    document.querySelector("#show-past")?.setAttribute("aria-expanded", String(!document.body.classList.contains("past-closed")));
  }

  function view(name) {
    document.querySelector("#desk").dataset.view = name;
    for (const one of document.querySelectorAll("#views [data-view]")) one.setAttribute("aria-pressed", String(one.dataset.view === name));
    if (name === "map") chat.map.tell({ type: "areographer:resize" });
  }

  function settle() {
    document.body.classList.toggle("past-closed", narrow.matches || kept.get("past") === "closed");
    told();
  }

  document.addEventListener("click", (event) => {
    const habit = event.target.closest?.("[data-habit]")?.dataset.habit;
    if (habit) ({ past, link, theme: otherTheme, help })[habit]?.();
    const wanted = event.target.closest?.("#views [data-view]")?.dataset.view;
    if (wanted) view(wanted);
    if (!narrow.matches) return;
    // On a phone the list lies over the rest, and what is shown on the map or among the evidence is a view away.
    const turned = event.target.closest?.("#conversations [data-open], #new");
    if (turned) view("talk");
    if ((turned || event.target.closest?.("#desk > :not(#past)")) && !document.body.classList.contains("past-closed")) past();
    if (event.target.closest?.("#dialogue a[href*='#L']")) view("panels");
    if (event.target.closest?.("#panels [data-fly], #panels [data-layer]")) view("map");
    if (event.target.closest?.("#panels [data-more], #panels [data-act]")) view("talk");
  });

  // ------------------------------------------------------------------ a server that went away, and other pages

  let away = false, odd = 0;

  async function pulse() {
    if (document.hidden) return FOLLOW_MS;
    const { conversation } = chat.state;
    let answer;
    try {
      answer = await fetch(`${chat.base()}/pulse`, { signal: AbortSignal.timeout(8000) });
      if (answer.status >= 500) throw new Error("away");
    } catch {
      if (!away) gone(true);
      return AWAY_MS;
    }
    if (away) {
      gone(false);
      chat.open(conversation, false);
      return FOLLOW_MS;
    }
    // Nothing else tells that a question of another conversation has ended.
    if (document.querySelector("#conversations .busy")) chat.refresh("conversations");
    const version = answer.status === 410 ? "gone" : answer.ok ? (await answer.json()).version : chat.state.version;
    if (conversation !== chat.state.conversation) return FOLLOW_MS;
    // Twice, as what is just being drawn here is behind for a moment.
    odd = version === chat.state.version ? 0 : odd + 1;
    if (odd === 2) {
      odd = 0;
      chat.open(conversation, false);
    }
    return FOLLOW_MS;
  }

  function gone(now) {
    away = now;
    let banner = document.querySelector("#away");
    if (!banner) root().append(banner = made("div", { id: "away", role: "alert" }));
    banner.classList.toggle("on", now);
    banner.textContent = now ? "The server does not answer. What was said is kept there; this page goes on by itself when it is back." : "";
    if (!now) say("The server is back.");
  }

  async function live() {
    const pause = await pulse().catch(() => FOLLOW_MS);
    setTimeout(live, pause);
  }

  // ------------------------------------------------------------------ beginning

  paint();
  system.addEventListener("change", paint);
  narrow.addEventListener("change", settle);
  ready(() => {
    paint();
    new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    settle();
    (function begin() {
      if (document.querySelector("#desk") && document.querySelector("#views")) view("talk"); else setTimeout(begin, 30);
    })();
    const skip = made("a", { id: "skip", href: "#ask", textContent: "Skip to the question box" });
    skip.addEventListener("click", (event) => { event.preventDefault(); document.querySelector("#ask textarea")?.focus(); });
    document.body.prepend(skip);
    setTimeout(live, FOLLOW_MS);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) pulse(); });

  Object.assign(chat, { say, confirm, copy, view, made, root, ready });
})();
