"""A browser's page without a browser: fires Gradio events over HTTP and reads the values they give."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client.utils import apply_diff

from app import Chat, start
from retrieval.settings import Settings

Json = Any


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GradioPage:
    """One open page; each has a session of its own, as in a browser.

    Parameters
    ----------
    address
        Of the server.
    query
        What follows the question mark in the page's address.
    """

    def __init__(self, address: str, query: str = "") -> None:
        self.http = httpx.Client(base_url=address, timeout=60)
        self.query = query
        self.config: Json = self.http.get("config").json()
        self.session = uuid.uuid4().hex
        self.names = {c["id"]: c["props"].get("elem_id") or c["type"] for c in self.config["components"]}

    def __enter__(self) -> GradioPage:
        return self

    def __exit__(self, *unused: object) -> None:
        self.http.close()

    def fire(self, elem_id: str, event: str, value: Json = None, detail: Json = None) -> Iterator[Json]:
        """Values of the event's outputs by ``elem_id``, each time they change; notices under ``notice``."""
        called = self._dependency(elem_id, event)
        event_id = self.press(elem_id, event, value, detail)
        names = [self.names[i] for i in called["outputs"]]
        shown: list[Json] = []
        for message in self._messages():
            if message["msg"] == "log":
                yield {"notice": message["log"]}
            elif message.get("event_id") != event_id:
                continue
            elif message["msg"] == "process_generating":
                values = message["output"]["data"]
                shown = [apply_diff(*pair) for pair in zip(shown, values, strict=True)] if shown else values
                yield dict(zip(names, shown, strict=True))
            elif message["msg"] == "process_completed":
                assert message["success"], message
                if names and not shown and message["output"]["data"]:
                    yield dict(zip(names, message["output"]["data"], strict=True))
                return

    def press(self, elem_id: str, event: str, value: Json = None, detail: Json = None) -> str:
        """Fire an event without waiting for what comes of it; returns its id."""
        called = self._dependency(elem_id, event)
        data = [None if self.names[i] == "state" else value for i in called["inputs"]]
        body = {"data": data, "fn_index": called["id"], "session_hash": self.session, "event_data": detail}
        joined = self.http.post(f"gradio_api/queue/join?{self.query}", json=body)
        joined.raise_for_status()
        return str(joined.json()["event_id"])

    def last(self, elem_id: str, event: str, value: Json = None, detail: Json = None) -> Json:
        """What the event's outputs are in the end."""
        return list(self.fire(elem_id, event, value, detail))[-1]

    def ask(self, text: str, *files: Path) -> Json:
        """Send a question from the box and wait for the end."""
        return self.last("ask", "submit", {"text": text, "files": [self.upload(path) for path in files]})

    def panel(self, name: str, values: Json, **query: str) -> str:
        """HTML of a panel as the page would fetch it after these values."""
        state = values["channel"]
        address = f"areographer/c/{state['conversation'] or '-'}/panel/{name}"
        answer = self.http.get(address, params={"shown": ",".join(state["layers"]), **query})
        answer.raise_for_status()
        return answer.text

    def upload(self, path: Path) -> Json:
        """Bring a file to the server as the question box does."""
        sent = self.http.post("gradio_api/upload", files={"files": (path.name, path.read_bytes())}).json()
        return {"path": sent[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def _dependency(self, elem_id: str, event: str) -> Json:
        return next(
            dependency
            for dependency in self.config["dependencies"]
            for number, name in dependency["targets"]
            if name == event and (elem_id == "page" or self.names.get(number) == elem_id)
        )

    def _messages(self) -> Iterator[Json]:
        # A page has one stream for all its events, open while one of them runs.
        with self.http.stream("GET", f"gradio_api/queue/data?session_hash={self.session}") as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))


def texts(values: Json) -> list[str]:
    """Text of every message of a dialogue; steps as title, log and content in one."""
    found = []
    for message in values["dialogue"]:
        metadata = message["metadata"] or {}
        parts = [metadata.get("title"), metadata.get("log"), *(part["text"] for part in message["content"])]
        found.append(" | ".join(part for part in parts if part))
    return found


@contextmanager
def serving(chat: Chat, settings: Settings) -> Iterator[str]:
    """Serve a chat on a free port and shut it; gives its address."""
    try:
        yield start(chat, settings, port=free_port())
    finally:
        chat.shut()
        # Gradio never closes the event loops it makes: they go now, while their warning is ignored.
        with suppress(RuntimeError):  # there may be none
            loop = asyncio.get_event_loop()
            if not loop.is_running():  # a browser's driver may have its own in this thread
                loop.close()
                asyncio.set_event_loop(None)
        gc.collect()


# Of Gradio, not of ours: loops that are never closed with their pairs of sockets, and statistics that use
# what pandas 3 deprecates.
GRADIO_WARNINGS = (
    pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket fd=.*, family=1, type=1:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
)
