"""The chat: Gradio widgets <-> agent events. No science here.

A page holds the id of its conversation and nothing else; conversations live in `agent.sessions.Sessions`;
tiles, pictures and transcripts are fetched over routes of their own; the globe is a sandboxed frame that
gets its layers by message. Nothing is ever asked of another machine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils.fonts import Font, LocalFont
from starlette.routing import Route

from agent.conversations import ConversationStore
from agent.dialogue import Message, messages
from agent.exchange import conversation_base, keep_picture, make_routes, tiles_base
from agent.loop import Conversation, open_conversation
from agent.models import label_of
from agent.panels import asset, files_panel, layers_panel, masthead, tiles_panel, welcome
from agent.sessions import Session, Sessions
from prompts import Prompts
from retrieval.encoder import Encoder
from retrieval.errors import InputError, SettingsError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools.layers import Layer

Json = Any


EXAMPLES = (
    "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?",
    "Which way do the yardangs run?",
    "Where are gullies between 30 and 55 degrees, away from lava flows?",
    "How many layered-ejecta craters are there, and how much of the ground do they cover?",
)

LIGHT_AND_DARK: dict[str, str] = {
    "body_background_fill": "#f6f4f1",
    "body_background_fill_dark": "#12100f",
    "background_fill_primary": "#ffffff",
    "background_fill_primary_dark": "#1b1817",
    "background_fill_secondary": "#f1eeea",
    "background_fill_secondary_dark": "#221e1c",
    "block_background_fill": "#ffffff",
    "block_background_fill_dark": "#1b1817",
    "border_color_primary": "#e2ddd7",
    "border_color_primary_dark": "#35302d",
    "body_text_color": "#26211e",
    "body_text_color_dark": "#ece7e2",
    "body_text_color_subdued": "#6b635c",
    "body_text_color_subdued_dark": "#a79e96",
    "link_text_color": "#a3411f",
    "link_text_color_dark": "#f0a27f",
    "input_background_fill": "#ffffff",
    "input_background_fill_dark": "#1b1817",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_radius": "12px",
}


# The question box with its button to send, and with the one to stop.
READY = gr.update(submit_btn=True, stop_btn=False)
WORKING = gr.update(submit_btn=False, stop_btn=True)
EMPTIED = {"value": None}


class Chat(gr.Blocks):
    """The page and what serves it: `routes` are added to the server, `sessions` hold the conversations."""

    sessions: Sessions
    store: ConversationStore
    routes: list[Route]

    def shut(self) -> None:
        """Stop whatever runs and the server; the file of conversations is closed."""
        self.sessions.close()
        self.close(verbose=False)
        self.store.close()


class _Desk:
    """Everything a handler needs: the index, the open conversations, and how a page shows them."""

    def __init__(self, settings: Settings, index: TileIndex, sessions: Sessions) -> None:
        self.settings = settings
        self.index = index
        self.sessions = sessions

    def dialogue(self, session: Session) -> list[Message]:
        """All messages of a conversation."""
        base = conversation_base(session.id)
        questions = session.all()
        return [
            message
            for number, progress in enumerate(questions)
            for message in messages(progress, number, base, latest=number == len(questions) - 1)
        ]

    def panels(self, session: Session, shown: str = "") -> list[Json]:
        """Globe state, tiles, layers and files: ``shown`` alone, or what the last answer cites."""
        workspace = session.conversation.workspace
        layers = list(workspace.layers)
        known = {layer.id for layer in layers}
        cited = next((p.layer_ids for p in reversed(session.all()) if p.layer_ids), ())
        on_map = [layer_id for layer_id in ([shown] if shown else cited) if layer_id in known]
        return [
            {"conversation": session.id, "layers": on_map},
            tiles_panel(self.index, layers, _evidence_layer(layers, on_map), tiles_base(self.index)),
            layers_panel(layers, on_map),
            files_panel(conversation_base(session.id), workspace.output),
        ]

    def empty_panels(self) -> list[Json]:
        """What stands beside an empty dialogue."""
        return [
            {"conversation": "", "layers": []},
            tiles_panel(self.index, [], "", ""),
            layers_panel([], []),
            files_panel("", None),
        ]

    def question(self, text: str, pictures: Sequence[str], session: Session) -> str:
        """The question as the agent gets it: uploaded pictures are kept and named in it."""
        folder = self.settings.uploads / session.id
        names = [keep_picture(Path(path), folder) for path in pictures]
        return " ".join([text or "Show tiles like", *names]) if names else text

    # Handlers yield values for dialogue, box, state, globe, tiles, layers and files, in this order.

    def ask(
        self, text: str, pictures: Sequence[str], conversation_id: str, box: dict[str, Json] | None = None
    ) -> Iterator[list[Json]]:
        """Answer a question, drawing as the work goes on; ``box`` changes the question box once."""
        text = text.strip()
        if not text and not pictures:
            return
        session = self._session(conversation_id)
        if session.busy:
            gr.Info("The previous question is still being answered: wait for it, or press stop first.")
            return
        try:
            session.ask(self.question(text, pictures, session))
        except InputError as error:
            session.refuse(text or "What looks like this picture?", error)
        yield from self.follow(session, box)

    def follow(self, session: Session, box: dict[str, Json] | None = None) -> Iterator[list[Json]]:
        """Draw a conversation now and, while it works, after every change.

        The globe waits for the answer: drawing it anew at each step would cost more than it tells.
        """
        run, layer_count = session.run, -1
        box = box or {}
        for progress in run.follow() if run and not run.finished else ():
            if progress.answered:
                break
            made = len(session.conversation.workspace.layers)
            panels = [gr.skip()] * 4 if made == layer_count else [gr.skip(), *self.panels(session)[1:]]
            yield [self.dialogue(session), WORKING | box, session.id, *panels]
            layer_count, box = made, {}
        yield [self.dialogue(session), READY | box, session.id, *self.panels(session)]

    def restore(self, request: gr.Request) -> Iterator[list[Json]]:
        """The conversation that the address of the page names, or an empty page."""
        conversation_id = str(request.query_params.get("c", ""))[:80]
        if not conversation_id:
            yield self.empty()
            return
        try:
            session = self.sessions.get(conversation_id)
        except InputError as error:
            empty = self.empty()
            empty[0] = [{"role": "assistant", "content": f"{error} Ask a question to begin a new one."}]
            yield empty
            return
        yield from self.follow(session)

    def empty(self) -> list[Json]:
        """An empty page."""
        return [[], READY, "", *self.empty_panels()]

    def stop(self, conversation_id: str) -> None:
        """Stop the work of a conversation."""
        if conversation_id:
            self.sessions.get(conversation_id).stop()

    def show_layer(self, layer_id: str, conversation_id: str) -> list[Json]:
        """Panels for one layer."""
        if not conversation_id:
            return [gr.skip()] * 4
        return self.panels(self.sessions.get(conversation_id), layer_id)

    def _session(self, conversation_id: str) -> Session:
        if conversation_id:
            try:
                return self.sessions.get(conversation_id)
            except InputError:
                # It was deleted behind the page's back; the question is worth more than the old id.
                pass
        return self.sessions.new()


def build_app(
    settings: Settings,
    index: TileIndex,
    encoder: Encoder,
    prompts: Prompts,
    model: str,
    gazetteer: Json = None,
) -> Chat:
    """The chat over one index, not yet served.

    Parameters
    ----------
    encoder
        The one that made the index.
    model
        ``offline`` or ``openai:NAME``.
    gazetteer
        Named places of the body, if any.

    Raises
    ------
    InputError
        If the model's name or the file of conversations cannot be used.
    """
    offline = model == "offline"
    store = ConversationStore(settings.conversations)

    def open_one(conversation_id: str | None) -> Conversation:
        conversation = open_conversation(
            settings, store, index, encoder, prompts, model, conversation_id, gazetteer
        )
        # Its own uploads first; beside them the files that whoever runs the server put there for all.
        conversation.workspace.readable = (settings.uploads / conversation.id, settings.uploads)
        return conversation

    sessions = Sessions(open_one)
    desk = _Desk(settings, index, sessions)
    page_options: dict[str, Json] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    with Chat(
        title="Areographer",
        analytics_enabled=False,
        fill_width=True,
        fill_height=True,
        delete_cache=(3600, 24 * 3600),
    ) as app:
        state = gr.State("")
        with gr.Row(elem_id="top"):
            gr.HTML(
                masthead(index, label_of(model, settings), offline),
                elem_id="masthead",
                apply_default_css=False,
            )
            new = gr.Button("New conversation", elem_id="new", size="sm", scale=0)
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="talk", min_width=320):
                dialogue = gr.Chatbot(
                    elem_id="dialogue",
                    label="Dialogue",
                    show_label=False,
                    container=False,
                    height="100%",
                    layout="panel",
                    buttons=[],
                    latex_delimiters=[],
                    allow_tags=False,
                    placeholder=welcome(index, offline),
                    examples=[{"text": text} for text in EXAMPLES],
                )
                box = gr.MultimodalTextbox(
                    elem_id="ask",
                    label="Question",
                    show_label=False,
                    placeholder="Ask where, near what, how many, which way…",
                    file_types=["image"],
                    file_count="multiple",
                    max_plain_text_length=100_000,
                    autofocus=True,
                    lines=1,
                    max_lines=6,
                )
            with gr.Column(elem_id="evidence", min_width=320):
                gr.HTML(
                    '<iframe sandbox="allow-scripts" title="Globe"></iframe>',
                    elem_id="globe",
                    apply_default_css=False,
                    js_on_load="window.areographerChat.mount(element);",
                )
                with gr.Tabs(elem_id="panels"):
                    with gr.Tab("Evidence tiles"):
                        tiles = _panel("tiles")
                    with gr.Tab("Layers"):
                        layers = _panel("layers")
                    with gr.Tab("Transcript and files"):
                        files = _panel("files")
        globe = gr.HTML(
            {"conversation": "", "layers": []},
            html_template="",
            js_on_load="watch('value', () => window.areographerChat.show(props.value));",
            elem_id="globe-state",
        )
        panels = [globe, tiles, layers, files]
        outputs = [dialogue, box, state, *panels]

        def from_box(value: dict[str, Json] | None, conversation_id: str) -> Iterator[list[Json]]:
            value = value or {}
            text, pictures = value.get("text") or "", value.get("files") or []
            yield from desk.ask(text, pictures, conversation_id, box=EMPTIED)

        def from_choice(choice: gr.SelectData, conversation_id: str) -> Iterator[list[Json]]:
            text = choice.value["text"] if isinstance(choice.value, dict) else str(choice.value)
            yield from desk.ask(text, [], conversation_id)

        def from_tile(event: gr.EventData, conversation_id: str) -> Iterator[list[Json]]:
            yield from desk.ask(f"Show tiles like {event.tile}", [], conversation_id)

        def show_layer(event: gr.EventData, conversation_id: str) -> list[Json]:
            return desk.show_layer(str(event.layer), conversation_id)

        asking = [
            app.load(desk.restore, None, outputs, **page_options),
            box.submit(from_box, [box, state], outputs, **page_options),
            dialogue.example_select(from_choice, [state], outputs, **page_options),
            dialogue.option_select(from_choice, [state], outputs, **page_options),
            tiles.more(from_tile, [state], outputs, **page_options),
        ]
        box.stop(desk.stop, [state], None, **page_options)
        new.click(desk.empty, None, outputs, cancels=asking, **page_options)
        for panel in (tiles, layers):
            panel.layer(show_layer, [state], panels, **page_options)
    app.sessions = sessions
    app.store = store
    app.routes = make_routes(settings, index, sessions)
    return app


def start(app: Chat, settings: Settings, host: str = "127.0.0.1", port: int = 7860) -> str:
    """Serve the chat in the background and return its address; `Chat.shut` ends it.

    Raises
    ------
    SettingsError
        If the port is taken.
    """
    settings.uploads.mkdir(parents=True, exist_ok=True)
    try:
        _, address, _ = app.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            inbrowser=False,
            prevent_thread_lock=True,
            show_error=True,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            footer_links=[],
            max_file_size="30mb",
            app_kwargs={"routes": app.routes, "docs_url": None, "redoc_url": None},
            theme=_theme(),
            css=asset("chat.css"),
            head=f"<script>{asset('chat.js')}</script>",
        )
    except OSError as error:
        raise SettingsError(
            f"port {port} of {host} cannot be used ({error})",
            next_step="choose another with --port, or end the program that uses it",
        ) from error
    return address


def serve(app: Chat, settings: Settings, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the chat until interrupted."""
    start(app, settings, host, port)
    try:
        threading.Event().wait()
    finally:
        app.shut()


def _panel(name: str) -> gr.HTML:
    """A panel whose buttons tell Python what was pressed."""
    return gr.HTML(
        elem_id=name,
        apply_default_css=False,
        # Gradio makes an event of every name quoted here.
        js_on_load="window.areographerChat.listen(element, trigger, ['layer', 'more']);",
    )


def _evidence_layer(layers: Sequence[Layer], on_map: Sequence[str]) -> str:
    """The layer whose tiles to show: the first on the map that has tiles, else any on the map."""
    tiles = [layer.id for layer in layers if layer.kind == "tiles" and len(layer)]
    return next((name for name in on_map if name in tiles), on_map[0] if on_map else "")


def _theme() -> gr.themes.Base:
    # Gradio's own copies. Its files of the other weights hold a part of the alphabet only.
    sans = [LocalFont("IBM Plex Sans", weights=(400, 700)), Font("system-ui"), Font("sans-serif")]
    mono = [LocalFont("IBM Plex Mono", weights=(400, 700)), Font("ui-monospace"), Font("monospace")]
    theme = gr.themes.Base(primary_hue="orange", neutral_hue="stone", font=sans, font_mono=mono)
    return theme.set(**LIGHT_AND_DARK)
