/* The list of conversations: search as one types, rename in place, delete after asking. */
(() => {
  "use strict";
  const chat = window.areographerChat;
  let renaming = null; // {id, value}: survives that the list is fetched anew

  chat.panel("conversations", {
    mounted(holder) {
      const form = document.createElement("form");
      form.className = "search";
      form.setAttribute("role", "search");
      form.innerHTML = '<input type="search" id="search-conversations" autocomplete="off" maxlength="200"' +
        ' placeholder="Search conversations" aria-label="Search conversations, in titles, questions and answers">';
      (document.querySelector("#past-search") || holder.parentElement).append(form);
      let waiting = 0;
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", (event) => {
        clearTimeout(waiting);
        waiting = setTimeout(() => chat.go("conversations", { q: event.target.value.trim() || null, page: null }), 180);
      });
      holder.addEventListener("click", (event) => {
        const pressed = event.target.closest("[data-rename], [data-delete]");
        if (pressed?.dataset.rename) rename(holder, pressed.dataset.rename, pressed.dataset.title);
        else if (pressed) remove(pressed.dataset.delete, pressed.dataset.title);
      });
    },
    filled(element) {
      if (renaming) rename(element, renaming.id, renaming.value);
    },
  });

  function rename(element, id, title) {
    const line = element.querySelector(`[data-line="${CSS.escape(id)}"]`);
    if (!line) { renaming = null; return; }
    renaming = { id, value: title };
    const input = document.createElement("input");
    input.className = "renaming";
    input.value = title;
    input.maxLength = 80;
    input.setAttribute("aria-label", "New title");
    line.replaceChildren(input);
    input.focus();
    input.select();
    let over = false;
    const end = async (keep) => {
      if (over || !input.isConnected) return; // fetched anew meanwhile: another field goes on
      over = true;
      renaming = null;
      try {
        if (keep && input.value.trim() !== title) await chat.post(`areographer/c/${id}/rename`, { title: input.value });
      } catch (error) {
        chat.say(error.message);
      }
      await chat.again("conversations");
      document.getElementById(`rename-${id}`)?.focus();
    };
    input.addEventListener("input", () => { renaming = { id, value: input.value }; });
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") end(true);
      else if (event.key === "Escape") end(false);
    });
    input.addEventListener("blur", () => setTimeout(() => end(true)));
  }

  async function remove(id, title) {
    const sure = await chat.confirm(
      "Delete this conversation?",
      `“${title}” goes for good, with its layers, maps and files. Transcripts that you downloaded stay.`,
      "Delete",
    );
    if (!sure) return;
    try {
      await chat.post(`areographer/c/${id}/delete`);
      chat.say("The conversation is deleted.");
      if (chat.state.conversation === id) chat.open("");
    } catch (error) {
      chat.say(error.message);
    }
    await chat.again("conversations");
    document.getElementById("search-conversations")?.focus();
  }
})();
