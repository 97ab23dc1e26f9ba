/* The page's side of the map: it fetches for the frame what that may not, and carries out what was pressed in it. */
(() => {
  "use strict";
  const chat = window.areographerChat;
  // Nothing but these: whatever runs in the frame, it gets pictures of the ground and no more.
  const PICTURES = /^(basemap\/[0-9a-f]+\/(mercator|north|south)\/\d+\/\d+\/\d+|tiles\/[0-9a-f]+\/id\/[\w.-]+\.jpg)$/;
  const running = new Map();

  chat.map.on("areographer:fetch", async ({ id, path }) => {
    const abort = new AbortController();
    let data = null;
    running.set(id, abort);
    try {
      if (PICTURES.test(path)) {
        const answer = await fetch(`areographer/${path}`, { signal: abort.signal });
        if (answer.status === 200) data = await answer.arrayBuffer();
      }
    } catch (error) {
      data = null; // aborted, or the server is gone: the map shows what it has
    }
    running.delete(id);
    chat.map.tell({ type: "areographer:fetched", id, data });
  });
  chat.map.on("areographer:abort", ({ id }) => running.get(id)?.abort());

  chat.map.on("areographer:more", ({ tile_id: tile }) => { if (!chat.state.working) chat.ask(`Show tiles like ${tile}`); });
  // The card of a tile shows what was said of it, wherever it was judged.
  chat.map.on("areographer:tile", async ({ tile_id: tile, layer }) => {
    try {
      const answer = await fetch(`${chat.base()}/verdict?${new URLSearchParams({ tile, layer })}`);
      if (answer.ok) chat.map.tell({ type: "areographer:verdicts", layer, verdicts: { [tile]: (await answer.json()).verdict } });
    } catch (error) {
      return; // the server is gone: the page says so elsewhere
    }
  });

  chat.map.on("areographer:threshold", ({ layer, min_probability: least }) => {
    if (!chat.state.working) chat.act("threshold", { layer, min_probability: least });
  });
})();
