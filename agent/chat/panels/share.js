/* The share panel: downloads with what is being made, the read-only link, somebody's transcript. */
(() => {
  "use strict";
  const chat = window.areographerChat, said = { share: "", link: "", open: "" };
  let panel;

  /** Say something in one of the panel's lines; it stays when the panel is filled anew. */
  function say(line, words, wrong = false) {
    said[line] = { words, wrong };
    const place = panel?.querySelector(`[data-${line}-state]`);
    if (!place) return;
    place.textContent = words;
    place.classList.toggle("wrong", wrong);
  }

  /** Ask now and then what is being made, until told to stop. */
  function follow(base) {
    let on = true;
    (async () => {
      while (on) {
        await new Promise((done) => setTimeout(done, 400));
        const told = on && await fetch(`${base}/share/progress`).then((answer) => answer.json(), () => null);
        const place = panel?.querySelector("[data-share-state]");
        if (!on || !told?.what || !place) continue;
        const bar = document.createElement("progress");
        bar.max = told.of;
        if (told.of > 1) bar.value = told.done;
        bar.setAttribute("aria-label", "Progress");
        place.replaceChildren(bar, `${told.what[0].toUpperCase()}${told.what.slice(1)}${told.of > 1 ? `, ${told.done + 1} of ${told.of}` : ""}…`);
      }
    })();
    return () => { on = false; };
  }

  async function download(link) {
    const conversation = chat.state.conversation;
    say("share", "Gathering maps, layers and the recipe…");
    const links = panel.querySelectorAll("[data-share]");
    links.forEach((one) => one.setAttribute("aria-disabled", "true"));
    const end = follow(chat.base());
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(await answer.text());
      const named = answer.headers.get("content-disposition")?.match(/filename="?([^";]+)/);
      const content = await answer.blob(), made = document.createElement("a");
      made.href = URL.createObjectURL(content);
      made.download = named ? named[1] : "transcript";
      made.click();
      setTimeout(() => URL.revokeObjectURL(made.href), 60_000);
      end();
      if (chat.state.conversation === conversation) say("share", `${made.download} is ready, ${(content.size / 1e6).toFixed(1)} MB.`);
      chat.refresh("share");
    } catch (error) {
      end();
      say("share", `The transcript could not be made: ${error.message}`, true);
    }
    links.forEach((one) => one.removeAttribute("aria-disabled"));
  }

  async function makeLink(button) {
    button.disabled = true;
    say("link", "Writing the page…");
    try {
      const { address } = await chat.post(`${chat.base()}/share/link`);
      const whole = new URL(address, document.baseURI).href;
      await chat.refresh("share");
      said.address = whole;
      showLink();
      say("link", "Copy the link now: it is kept nowhere and cannot be shown again.");
    } catch (error) {
      say("link", error.message, true);
    }
    button.disabled = false;
  }

  function showLink() {
    const made = panel?.querySelector("[data-share-made]");
    if (!made || !said.address) return;
    made.hidden = false;
    made.querySelector("input").value = said.address;
  }

  async function copy() {
    const field = panel.querySelector("[data-share-address]");
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      say("link", "Copied.");
    } catch (error) {
      say("link", "The browser does not let pages copy here: the link is selected, press Ctrl+C.");
    }
  }

  async function withdraw(button) {
    try {
      await chat.post(`${chat.base()}/share/withdraw`, { link: button.dataset.shareWithdraw });
      said.address = "";
      say("link", "Withdrawn: the link leads nowhere now.");
      chat.refresh("share");
    } catch (error) {
      say("link", error.message, true);
    }
  }

  async function openBundle(file) {
    if (!file) return;
    say("open", `Checking ${file.name}…`);
    try {
      const answer = await fetch(`areographer/open?name=${encodeURIComponent(file.name)}`, {
        method: "POST", headers: { "Content-Type": "application/zip" }, body: file,
      });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.error || "the server could not open it");
      const notes = told.notes.length ? ` Not taken along: ${told.notes.join("; ")}.` : "";
      say("open", `${file.name} is open as a new conversation.${notes}`);
      chat.open(told.conversation);
    } catch (error) {
      say("open", error.message, true);
    }
  }

  chat.panel("share", {
    mounted(element) {
      panel = element;
      element.addEventListener("click", (event) => {
        const hit = (name) => event.target.closest(`[${name}]`);
        const link = hit("data-share");
        if (link) {
          event.preventDefault();
          if (link.getAttribute("aria-disabled") !== "true") download(link);
        } else if (hit("data-share-link")) makeLink(hit("data-share-link"));
        else if (hit("data-share-copy")) copy();
        else if (hit("data-share-withdraw")) withdraw(hit("data-share-withdraw"));
      });
      element.addEventListener("change", (event) => {
        if (event.target.matches("[data-share-file]")) {
          openBundle(event.target.files[0]);
          event.target.value = "";
        }
      });
      for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
        element.addEventListener(type, (event) => {
          const place = event.target.closest("[data-share-drop]");
          if (!place) return;
          event.preventDefault();
          event.stopPropagation();
          place.classList.toggle("over", type === "dragenter" || type === "dragover");
          if (type === "drop") openBundle(event.dataTransfer.files[0]);
        });
      }
    },
    filled(element, state) {
      panel = element;
      if (said.of !== undefined && said.of !== state.conversation) Object.assign(said, { share: "", link: "", address: "" });
      said.of = state.conversation;
      for (const line of ["share", "link", "open"]) if (said[line]) say(line, said[line].words, said[line].wrong);
      showLink();
    },
  });
})();
