/* What happens in the chat's page itself: the address, the globe's frame, buttons in panels, citations. */
window.areographerChat = (() => {
  "use strict";
  const ROUTES = "areographer";
  let ready = false, wanted = { conversation: "", layers: [] }, drawn = "";

  const frame = () => document.querySelector("#globe iframe")?.contentWindow;
  const tell = (message) => frame()?.postMessage(message, "*");

  /** Fill the globe's frame. By srcdoc, because MapLibre refuses its own workers in a sandboxed frame with an
      address: page and worker then disagree about their origin. A little later than the rest, because a
      browser without a graphics card is busy with it for a while. */
  async function mount(element) {
    await new Promise((done) => setTimeout(done, 500));
    const answer = await fetch(`${ROUTES}/globe`);
    if (answer.ok) element.querySelector("iframe").srcdoc = await answer.text();
  }

  /** Put layers on the globe and the conversation into the address, so that a reload finds it. */
  function show(state) {
    if (!state) return;
    wanted = state;
    const address = new URL(location.href);
    if (state.conversation) address.searchParams.set("c", state.conversation);
    else address.searchParams.delete("c");
    if (address.href !== location.href) history.replaceState(null, "", address);
    draw();
  }

  async function draw() {
    const { conversation, layers } = wanted;
    const key = `${conversation} ${layers.join()}`;
    if (!ready || key === drawn) return;
    drawn = key;
    let payload = { layers: [], thumbnails: {} };
    if (layers.length) {
      const answer = await fetch(`${ROUTES}/c/${conversation}/layers?ids=${layers.join()}`);
      if (!answer.ok) return;
      payload = await answer.json();
    }
    if (key === drawn) tell({ type: "areographer:layers", payload });
  }

  /** Tell Python which button of a panel was pressed: events "layer" and "more". */
  function listen(element, trigger) {
    element.addEventListener("click", (event) => {
      const pressed = event.target.closest("[data-layer], [data-more], [data-fly], [data-download]");
      if (!pressed) return;
      const { layer, more, fly } = pressed.dataset;
      if (layer) trigger("layer", { layer });
      else if (more) trigger("more", { tile: more });
      else if (fly) {
        const [lon, lat] = fly.split(",").map(Number);
        element.querySelectorAll(".tile.on").forEach((tile) => tile.classList.remove("on"));
        pressed.closest(".tile")?.classList.add("on");
        tell({ type: "areographer:fly", lon, lat });
      } else {
        event.preventDefault();
        download(pressed, element.querySelector("[data-download-state]"));
      }
    });
  }

  async function download(link, state) {
    state.textContent = "Gathering maps, layers and the recipe…";
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(await answer.text());
      const named = answer.headers.get("content-disposition")?.match(/filename="?([^";]+)/);
      const made = document.createElement("a");
      made.href = URL.createObjectURL(await answer.blob());
      made.download = named ? named[1] : link.dataset.download;
      made.click();
      setTimeout(() => URL.revokeObjectURL(made.href), 60_000);
      state.textContent = `${made.download} is ready.`;
    } catch (error) {
      state.textContent = `The transcript could not be made: ${error.message}`;
    }
  }

  window.addEventListener("message", (event) => {
    if (event.source !== frame()) return;
    if (event.data?.type === "areographer:ready") {
      ready = true;
      drawn = " ";
      draw();
    }
  });

  // A citation brings its layer forward on the globe; a picture opens beside the chat, not over it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#dialogue a");
    const cited = link?.hash.match(/^#(L\d+)$/);
    if (!cited) return;
    event.preventDefault();
    event.stopPropagation();
    const layer = cited[1];
    if (wanted.layers.includes(layer)) tell({ type: "areographer:light", layer });
    else document.querySelector(`#layers [data-layer="${layer}"], #tiles [data-layer="${layer}"]`)?.click();
  }, true);

  return { mount, show, listen };
})();
