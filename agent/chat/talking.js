/* What can be done with a question in the dialogue: copy, change, ask again, branch; and the dialogue's own roles. */
(() => {
  "use strict";
  const chat = window.areographerChat;
  const WORDS = {
    copy: "Copy this answer as Markdown, with its citations",
    edit: "Change this question and ask it in a branch",
    branch: "Go on from here in a new conversation",
    again: "Ask this question again",
  };
  let editing = null; // {conversation, number}

  const box = () => document.querySelector("#ask textarea");
  const turn = async (number) => {
    const answer = await fetch(`${chat.base()}/turn/${number}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };

  const DO = {
    async copy(number) {
      await chat.copy((await turn(number)).markdown, "The answer is copied as Markdown.");
    },
    async again(number) {
      chat.ask((await turn(number)).question);
    },
    async branch(number) {
      const made = await chat.post(`${chat.base()}/branch`, { number });
      await moveTo(made.conversation);
      chat.say("A branch: it goes on from this answer. The other conversation stays as it is.");
    },
    async edit(number) {
      const { question } = await turn(number);
      editing = { conversation: chat.state.conversation, number };
      banner(number);
      write(question);
    },
  };

  async function act(what, number) {
    try {
      await DO[what](number);
    } catch (error) {
      chat.say(error.message);
    }
  }

  chat.edit = (number) => { if (number >= 0 && chat.state.conversation && !chat.state.working) act("edit", number); };

  /** Turn to a conversation and wait until it is there. */
  function moveTo(conversation) {
    return new Promise((there) => {
      const look = (state) => {
        if (state.conversation === conversation) {
          done = true;
          there();
        }
      };
      let done = false;
      chat.follow((state) => { if (!done) look(state); });
      chat.open(conversation);
    });
  }

  function write(text) {
    const field = box();
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  }

  // ------------------------------------------------------------------ changing a question

  function banner(number) {
    document.querySelector("#editing")?.remove();
    const cancel = chat.made("button", { type: "button", textContent: "Cancel" });
    cancel.addEventListener("click", () => { leave(); write(""); });
    const words = `Changing question ${number + 1}. Sending it begins a branch before it; this conversation stays as it is. `;
    const note = chat.made("div", { id: "editing", role: "status" }, chat.made("span", { textContent: words }), cancel);
    document.querySelector("#talk").append(note);
  }

  function leave() {
    editing = null;
    document.querySelector("#editing")?.remove();
  }

  async function send() {
    const { number } = editing, text = box().value.trim();
    if (!text) return;
    try {
      const made = await chat.post(`${chat.base()}/branch`, { number, before: true });
      leave();
      write("");
      await moveTo(made.conversation);
      chat.ask(text);
    } catch (error) {
      chat.say(error.message);
    }
  }

  const instead = (event) => {
    if (!editing) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    send();
  };
  document.addEventListener("keydown", (event) => {
    if (!editing || !event.target.closest?.("#ask")) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) instead(event);
    else if (event.key === "Escape") { leave(); write(""); }
  }, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#ask .submit-button")) instead(event);
    const example = event.target.closest?.("#dialogue .examples .example")?.querySelector(".example-text")?.textContent;
    if (example && examples.includes(example)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      chat.ask(example);
      return;
    }
    const pressed = event.target.closest?.("#dialogue a")?.hash.match(/^#do-([a-z]+)-(\d+)$/);
    if (!pressed || !DO[pressed[1]]) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    act(pressed[1], Number(pressed[2]));
  }, true);
  chat.follow((state) => { if (editing && state.conversation !== editing.conversation) leave(); });

  // ------------------------------------------------------------------ what a screen reader is told

  function name(selector, attributes) {
    for (const element of document.querySelectorAll(selector)) {
      for (const [key, value] of Object.entries(attributes)) if (element.getAttribute(key) !== value) element.setAttribute(key, value);
    }
  }

  // Examples are found out in the background at the first start with an index; until then there are general ones.
  let examples = [];

  async function teach(tries = 6) {
    const answer = await fetch("areographer/examples").catch(() => null);
    examples = answer?.ok ? await answer.json() : [];
    if (examples.length) describe(); else if (tries > 1) setTimeout(teach, 3000, tries - 1);
  }

  function describe() {
    document.querySelectorAll("#dialogue .examples .example").forEach((example, number) => {
      const words = example.querySelector(".example-text");
      // Words that somebody points at stay: what is pressed is what was read.
      if (words && examples[number] && words.textContent !== examples[number] && !example.matches(":hover, :focus-within")) {
        words.textContent = examples[number];
        example.setAttribute("aria-label", examples[number]);
      }
    });
    for (const link of document.querySelectorAll('#dialogue a[href*="#do-"]')) {
      const words = WORDS[link.hash.split("-")[1]];
      if (words && link.getAttribute("role") !== "button") {
        link.setAttribute("role", "button");
        link.title = words;
        link.removeAttribute("target");
      }
    }
    for (const title of document.querySelectorAll("#dialogue .thought-group > .title")) {
      title.setAttribute("aria-expanded", String(title.classList.contains("expanded")));
      // Within what is a button already: for the eye only.
      const arrow = title.querySelector(".arrow button");
      if (arrow && !arrow.disabled) {
        arrow.disabled = true;
        arrow.setAttribute("aria-hidden", "true");
      }
    }
    name("#dialogue .examples", { role: "group", "aria-label": "Examples" });
    name("#talk", { role: "region", "aria-label": "Dialogue" });
    name("#beside", { role: "region", "aria-label": "Map and evidence" });
    name("#past", { role: "region", "aria-label": "Conversations" });
    name("#ask textarea", { "aria-label": "Question" });
  }

  document.addEventListener("keydown", (event) => {
    // What looks like a button is pressed like one.
    if (event.key === " " && event.target.matches?.('#dialogue a[role="button"]')) { event.preventDefault(); event.target.click(); }
  });
  chat.ready(() => {
    let waiting = 0;
    describe();
    teach();
    new MutationObserver(() => { waiting ||= requestAnimationFrame(() => { waiting = 0; describe(); }); })
      .observe(document.body, { childList: true, subtree: true });
  });
})();
