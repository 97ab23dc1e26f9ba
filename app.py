"""The chat: Gradio widgets <-> agent events. No science here.

Gradio carries the dialogue and the question box. Beside them runs one channel: Python tells the page's own
script which conversation and layers there are, and the script tells Python what was pressed. Panels, tiles,
pictures and transcripts are fetched over routes of their own; the globe is a sandboxed frame that gets its
layers by message. Nothing is ever asked of another machine.
"""

from __future__ import annotations

import gc
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.middleware import Middleware
from starlette.routing import Route

from agent.chat import panels
from agent.chat.desk import Desk, View, Viewing
from agent.chat.examples import examples_of, find_out, remembered
from agent.chat.exchange import draw_planet, make_routes
from agent.chat.guard import Guard, is_local
from agent.chat.house import House
from agent.chat.markup import asset
from agent.chat.masthead import masthead, welcome
from agent.chat.owners import owner_of_page
from agent.chat.quickly import lean_imports
from agent.chat.sessions import Sessions
from agent.chat.uploads import CATALOGUE_BYTES
from agent.conversations import ConversationStore, delete_conversation
from agent.loop import Conversation, open_conversation
from agent.models import OFFLINE, label_of
from agent.turnstile import Turnstile, places_here
from prompts import Prompts
from retrieval.catalogue import SUFFIXES
from retrieval.encoder import Encoder
from retrieval.encoder_shared import SharedEncoder
from retrieval.encoder_soon import EncoderSoon
from retrieval.errors import InputError, SettingsError
from retrieval.index import TileIndex
from retrieval.settings import Settings

with lean_imports():
    import gradio as gr
    from gradio.themes.utils.fonts import Font, LocalFont

Json = Any
log = logging.getLogger(__name__)

# Questions that a language model answers at the same time.
MODELS_AT_ONCE = 16
# Pages that follow an answer at the same time.
PAGES_AT_ONCE = 400

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


class Chat(gr.Blocks):
    """The page and what serves it.

    Attributes
    ----------
    sessions, store
        Conversations that pages have open; all conversations.
    routes
        Added to Gradio's own.
    prepare
        Does, once the page is served, what its first question and its globe will need.
    """

    sessions: Sessions
    store: ConversationStore
    routes: list[Route]
    prepare: threading.Thread

    def shut(self) -> None:
        """Stop whatever runs and the server; the file of conversations is closed."""
        self.close(verbose=False)
        self.sessions.close()
        if self.prepare.is_alive():
            self.prepare.join(timeout=30)
        self.store.close()


def build_app(
    settings: Settings,
    index: TileIndex,
    encoder: Encoder,
    prompts: Prompts,
    model: str,
    gazetteer: Json = None,
    local: bool = True,
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
    local
        Whether only this machine will reach the server.

    Raises
    ------
    InputError
        If the model's name or the file of conversations cannot be used.
    """
    label, shared = label_of(model, settings), SharedEncoder(encoder)
    store = ConversationStore(settings.conversations)
    # Whoever waits for a model's server needs no processor meanwhile.
    turnstile = Turnstile(places_here() if model.strip() == OFFLINE else MODELS_AT_ONCE)

    def open_one(conversation_id: str | None) -> Conversation:
        conversation = open_conversation(
            settings, store, index, shared, prompts, model, conversation_id, gazetteer
        )
        # Its own uploads first; beside them the files that whoever runs the server put there for all.
        conversation.workspace.readable = (settings.uploads / conversation.id, settings.uploads)
        conversation.turnstile = turnstile
        return conversation

    try:
        # A model that cannot be used should say so now, and what is slow only once should be over now.
        delete_conversation(settings, store, open_one(None).id)
    except InputError:
        store.close()
        raise
    sessions = Sessions(open_one)
    app = Chat(
        title="Areographer",
        analytics_enabled=False,
        fill_width=True,
        fill_height=True,
        delete_cache=(3600, 24 * 3600),
    )
    house = House(settings, index, sessions, store, local)
    with app:
        texts = remembered(settings, index) or examples_of(index.body)
        widgets = _lay_out(index, label, model.strip() == OFFLINE, texts)
        _connect(app, Desk(house), widgets)
    app.sessions = sessions
    app.store = store
    app.routes = make_routes(house)

    def prepare() -> None:
        draw_planet(settings, index)
        import scipy.stats  # noqa: F401 (for the first question that tests against chance)

        if isinstance(encoder, EncoderSoon):
            encoder.load()
            gc.freeze()  # what is loaded stays: collecting it would halt the first answers
        # Compiled code is loaded, and the vectors come into memory.
        index.score(np.zeros(index.manifest.dimension, dtype=np.float32))
        try:
            find_out(settings, index, encoder, prompts)
        except (InputError, OSError) as error:
            log.warning("no examples for this index: %s", error)

    app.prepare = threading.Thread(target=prepare, name="prepare", daemon=True)
    return app


def exposure(host: str) -> str:
    """What it means that the chat listens on an address; empty if only this machine can reach it."""
    if is_local(host):
        return ""
    return (
        f"Whoever can reach {'this machine' if host in ('0.0.0.0', '::') else host} can use this chat: it "
        "has no login. They can ask, bring files, fill the disk and use up the model's tokens; who knows the "
        "address of a conversation can read it. Use --host 127.0.0.1 to keep it to this machine."
    )


def start(app: Chat, settings: Settings, host: str = "127.0.0.1", port: int = 7860) -> str:
    """Serve the chat in the background and return its address; `Chat.shut` ends it.

    Raises
    ------
    SettingsError
        If the port is taken.
    """
    settings.uploads.mkdir(parents=True, exist_ok=True)
    try:
        # Asked first, because Gradio asks without closing its socket again when the answer is no.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
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
            # Each page that follows an answer holds one. They are other threads than those of our own routes,
            # so that panels and maps come however many wait.
            max_threads=PAGES_AT_ONCE,
            footer_links=[],
            max_file_size=CATALOGUE_BYTES,
            app_kwargs={
                "routes": app.routes,
                "middleware": [Middleware(Guard, local=is_local(host), hosts=settings.hosts)],
                "docs_url": None,
                "redoc_url": None,
                "openapi_url": None,
            },
            theme=_theme(),
            css=asset("style.css") + asset("habits.css") + panels.style(),
            head=f"<script>{asset('page.js')}\n{asset('habits.js')}\n{asset('talking.js')}\n{asset('split.js')}\n"
            f"{panels.script()}</script>",
        )
    except OSError as error:
        raise SettingsError(
            f"port {port} of {host} cannot be used ({error})",
            next_step="choose another with --port, or end the program that uses it",
        ) from error
    app.prepare.start()
    return str(address)


def serve(app: Chat, settings: Settings, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the chat until interrupted."""
    try:
        start(app, settings, host, port)
        threading.Event().wait()
    finally:
        app.shut()


@dataclass
class _Widgets:
    """What handlers read and write."""

    viewing: gr.State
    new: gr.Button
    dialogue: gr.Chatbot
    box: gr.MultimodalTextbox
    channel: gr.HTML


def _lay_out(index: TileIndex, model_label: str, offline: bool, examples: Sequence[str]) -> _Widgets:
    """Masthead; below it conversations, the dialogue, and the map with the panels."""
    with gr.Row(elem_id="top"):
        gr.HTML(masthead(index, model_label, offline), elem_id="masthead", apply_default_css=False)
    with gr.Row(elem_id="desk"):
        with gr.Column(elem_id="past", min_width=120):
            new = gr.Button("New conversation", elem_id="new", size="sm")
            gr.HTML('<div id="past-search"></div>', elem_id="past-head", apply_default_css=False)
            _panel("conversations")
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
                examples=[{"text": text} for text in examples],
            )
            box = gr.MultimodalTextbox(
                elem_id="ask",
                label="Question",
                show_label=False,
                placeholder="Ask where, near what, how many, which way…",
                file_types=["image", *SUFFIXES],
                file_count="multiple",
                # Longer text would be turned into a file; `Settings.max_question_chars` says it better.
                max_plain_text_length=1_000_000,
                autofocus=True,
                max_lines=6,
            )
        with gr.Column(elem_id="beside", min_width=320):
            gr.HTML(
                '<iframe sandbox="allow-scripts" title="Map"></iframe>',
                elem_id="globe",
                apply_default_css=False,
                js_on_load="window.areographerChat.mountMap(element);",
            )
            with gr.Tabs(elem_id="panels"):
                for name, words in panels.TABS.items():
                    with gr.Tab(words, id=name):
                        _panel(name)
    channel = gr.HTML(
        {"conversation": "", "layers": [], "working": False, "version": ""},
        html_template="",
        # Gradio makes an event of every name quoted here.
        js_on_load="window.areographerChat.connect(props, watch, trigger, ['open', 'question', 'act']);",
        elem_id="channel",
    )
    return _Widgets(gr.State(Viewing()), new, dialogue, box, channel)


def _panel(name: str) -> None:
    """An empty place which the page's script fills."""
    gr.HTML(
        elem_id=name,
        apply_default_css=False,
        js_on_load=f"window.areographerChat.mountPanel(element, '{name}');",
    )


def _connect(app: Chat, desk: Desk, widgets: _Widgets) -> None:
    """Events of the page to the desk, and its views to the widgets."""
    w = widgets
    page = [w.dialogue, w.box, w.channel]
    options: dict[str, Json] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": None,
        "trigger_mode": "multiple",
    }

    def at(viewing: Viewing, request: gr.Request) -> Viewing:
        viewing.owner = owner_of_page(request.cookies, desk.local)
        # A page that outlived its server has nothing left but its address.
        if not viewing.opened:
            viewing.look(_named(request))
        return viewing

    def from_box(
        value: dict[str, Json] | None, viewing: Viewing, request: gr.Request
    ) -> Iterator[list[Json]]:
        text, pictures = (value or {}).get("text") or "", (value or {}).get("files") or []
        taken = False
        for view in desk.ask(text, pictures, at(viewing, request)):
            # The box is emptied once, and only when its question was taken.
            empty = not taken and view.dialogue is not None
            taken = taken or empty
            yield _values(view, empty_box=empty)

    def from_choice(choice: gr.SelectData, viewing: Viewing, request: gr.Request) -> Iterator[list[Json]]:
        text = choice.value["text"] if isinstance(choice.value, dict) else str(choice.value)
        yield from map(_values, desk.ask(text, [], at(viewing, request)))

    def from_page(event: gr.EventData, viewing: Viewing, request: gr.Request) -> Iterator[list[Json]]:
        yield from map(_values, desk.ask(str(event.text), [], at(viewing, request)))

    def from_panel(event: gr.EventData, viewing: Viewing, request: gr.Request) -> Iterator[list[Json]]:
        payload = event.payload if isinstance(event.payload, dict) else {}
        yield from map(_values, desk.act(str(event.kind), payload, at(viewing, request)))

    def from_list(event: gr.EventData, viewing: Viewing) -> Iterator[list[Json]]:
        yield from map(_values, desk.open(str(event.conversation)[:80], viewing))

    def from_address(viewing: Viewing, request: gr.Request) -> Iterator[list[Json]]:
        yield from map(_values, desk.open(_named(request), viewing))

    app.load(from_address, [w.viewing], page, **options)
    w.box.submit(from_box, [w.box, w.viewing], page, **options)
    w.dialogue.example_select(from_choice, [w.viewing], page, **options)
    w.dialogue.option_select(from_choice, [w.viewing], page, **options)
    w.channel.question(from_page, [w.viewing], page, **options)
    w.channel.act(from_panel, [w.viewing], page, **options)
    w.channel.open(from_list, [w.viewing], page, **options)
    w.box.stop(desk.stop, [w.viewing], None, **options)
    w.new.click(lambda viewing: _values(desk.empty(viewing)), [w.viewing], page, **options)


def _named(request: gr.Request) -> str:
    """The conversation in the page's address; all that is left of it in a page that outlived its server."""
    return str(request.query_params.get("c", ""))[:80]


def _values(view: View, empty_box: bool = False) -> list[Json]:
    """A view as values of dialogue, box and channel."""
    if view.notice:
        gr.Info(view.notice)
    box: dict[str, Json] = gr.update()
    if view.working is not None:
        box |= {"submit_btn": not view.working, "stop_btn": view.working}
    if empty_box:
        box["value"] = None
    dialogue = gr.skip() if view.dialogue is None else view.dialogue
    return [dialogue, box, gr.skip() if view.state is None else view.state]


def _theme() -> gr.themes.Base:
    # Gradio's own copies. Its files of the other weights hold a part of the alphabet only.
    sans = [LocalFont("IBM Plex Sans", weights=(400, 700)), Font("system-ui"), Font("sans-serif")]
    mono = [LocalFont("IBM Plex Mono", weights=(400, 700)), Font("ui-monospace"), Font("monospace")]
    theme = gr.themes.Base(primary_hue="orange", neutral_hue="stone", font=sans, font_mono=mono)
    return theme.set(**LIGHT_AND_DARK)
