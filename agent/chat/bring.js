/* Files dropped on the page, or chosen: sent one after another, then a turn of the conversation. The question box
   takes its own files; everywhere else a dropped file would make the browser leave the page. */
(() => {
  "use strict";
  const chat = window.areographerChat, MOST = 8;
  let depth = 0, zone, bar, input;

  const make = (name, given = {}) => Object.assign(document.createElement(name), given);
  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const inBox = (event) => event.target.closest?.("#ask");

  function build() {
    if (zone) return;
    zone = make("div", { id: "bring-zone", hidden: true });
    zone.append(
      make("b", { textContent: "Drop it here" }),
      make("span", { textContent: "A catalogue becomes a layer: CSV, GeoPackage, GeoJSON, KML, KMZ, zipped Shapefile." }),
      make("span", { textContent: "A picture becomes an example to search with: PNG, JPEG, TIFF, WebP, GIF." }),
    );
    bar = make("div", { id: "bring-bar", hidden: true });
    bar.setAttribute("role", "status");
    input = make("input", { type: "file", multiple: true, hidden: true });
    input.setAttribute("aria-label", "Catalogue or picture");
    input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
    // Inside Gradio's own element, so that the theme's colours apply.
    (document.querySelector(".gradio-container") || document.body).append(zone, bar, input);
  }

  function shown(on) {
    build();
    const place = document.querySelector("#beside")?.getBoundingClientRect();
    const top = Math.max(0, place?.top ?? 0), bottom = Math.min(innerHeight, place?.bottom ?? 0);
    // On a narrow screen map and panels lie under the dialogue: then the whole window takes the file.
    const whole = bottom - top < 240 || !place.width;
    Object.assign(zone.style, whole ? { inset: "0", width: "", height: "" } : { inset: "", left: `${place.left}px`, top: `${top}px`, width: `${place.width}px`, height: `${bottom - top}px` });
    zone.hidden = !on;
  }

  function say(text, kind = "") {
    build();
    bar.hidden = !text;
    bar.className = kind;
    bar.style.bottom = innerWidth > 900 ? "" : "76px"; // above the bar of a narrow screen
    bar.setAttribute("role", kind === "wrong" ? "alert" : "status");
    const close = make("button", { type: "button", textContent: "×" });
    close.setAttribute("aria-label", "Close this message");
    close.addEventListener("click", () => say(""));
    bar.replaceChildren(make("span", { textContent: text }), ...(kind === "wrong" ? [close] : []));
  }

  /** Send one file; its progress is told as it goes. Resolves to what the server says. */
  const send = (file) => new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `areographer/bring?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) say(event.loaded < event.total ? `Sending ${file.name}: ${Math.round(100 * event.loaded / event.total)} %` : `Looking at ${file.name}…`);
    };
    request.onload = () => {
      const said = request.response || {};
      if (request.status === 200 || said.transcript) done(said);
      else failed(new Error(said.error || `The server did not take ${file.name} (status ${request.status}). Try again, or bring a smaller file.`));
    };
    request.onerror = () => failed(new Error(`${file.name} could not be sent: the server does not answer, or the file changed meanwhile. Try again.`));
    say(`Sending ${file.name}…`);
    request.send(file);
  });

  /** A transcript is no layer: it is opened as a conversation of its own. */
  async function open(file) {
    say(`Checking the transcript ${file.name}…`);
    const answer = await fetch(`areographer/open?name=${encodeURIComponent(file.name)}`, { method: "POST", headers: { "Content-Type": "application/zip" }, body: file });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.error || `The server could not open ${file.name}.`);
    say("");
    chat.open(told.conversation);
  }

  async function take(files) {
    if (!files.length) return;
    if (files.length > MOST) return say(`${files.length} files at once are too many. Allowed: at most ${MOST}. Bring fewer at a time.`, "wrong");
    const sent = [];
    try {
      for (const file of files) {
        const told = await send(file);
        if (told.transcript) return open(file);
        sent.push(told.file);
      }
      while (chat.state.working) {
        say("The file is here. It is read as soon as the answer in hand is ready.");
        await new Promise((later) => setTimeout(later, 400));
      }
      say("");
      chat.act("bring", { files: sent });
    } catch (error) {
      say(error.message, "wrong");
    }
  }

  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    shown(true);
  });
  addEventListener("dragleave", (event) => {
    if (hasFiles(event)) depth = Math.max(0, depth - 1);
    if (!depth) shown(false);
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event) && !inBox(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    depth = 0;
    shown(false);
    if (!hasFiles(event) || inBox(event)) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  // The map is a frame of its own, which tells when a file is dragged over it.
  chat.map.on("areographer:drag", () => shown(true));
  addEventListener("pointermove", () => {
    if (zone && !zone.hidden) { depth = 0; shown(false); } // a drag that left the window without a word
  });
  addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-bring]")) return;
    build();
    input.click();
  });
  // A browser says nothing of the same file chosen again; a question that was refused may well be asked again with it.
  addEventListener("click", (event) => {
    if (event.target.matches?.("#ask input[type=file]")) event.target.value = "";
  }, true);
  chat.bring = take;
})();
