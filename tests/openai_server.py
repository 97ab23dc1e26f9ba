"""A local server that speaks the OpenAI chat-completions protocol with streaming, by script.

It is strict where real providers are: a history with a tool call that no tool message answers, or a tool
message that answers none, is refused with status 400.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Say:
    """Text, in as many pieces."""

    text: str
    pieces: int = 4


@dataclass(frozen=True)
class Call:
    """Tool calls: (name, arguments); arguments that are text go out as they are, JSON or not.

    ``call_id`` is sent as the id of all of them, as careless servers do; by default each has its own.
    """

    calls: Sequence[tuple[str, Json | str]]
    text: str = ""
    pieces: int = 3
    call_id: str | None = None


@dataclass(frozen=True)
class Fail:
    """An error status before any text."""

    status: int
    message: str = "try later"
    code: str | None = None


@dataclass(frozen=True)
class Drop:
    """Some text, then the connection breaks."""

    text: str


@dataclass(frozen=True)
class Refuse:
    """The model will not: a refusal in the place of text, in pieces."""

    text: str


@dataclass(frozen=True)
class CutOff:
    """Some text, then the server ends it: ``length`` or ``content_filter``."""

    text: str
    reason: str = "length"


@dataclass(frozen=True)
class Babble:
    """The same text again and again until the client goes away; as arguments of a call if one is named."""

    text: str
    tool: str = ""
    at_most: int = 20_000


@dataclass(frozen=True)
class Hang:
    """Some text, then silence until the event is set."""

    until: threading.Event
    text: str = ""


Reply = Say | Call | Fail | Drop | Hang | Refuse | CutOff | Babble


@dataclass
class OpenAIServer:
    """What the server was asked, and what it answers: replies in order, the last one for ever.

    Attributes
    ----------
    replies
        A reply, or a function that makes it from the request.
    models
        Those it lists; none at all: it knows no such request.
    requests
        Bodies of the requests that were accepted or refused, in order.
    keys
        The ``Authorization`` headers.
    """

    replies: list[Reply | Callable[[Json], Reply]]
    url: str = ""
    models: list[str] = field(default_factory=lambda: ["m", "large"])
    requests: list[Json] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def reply_to(self, request: Json) -> Reply:
        """The next reply, or a refusal."""
        wrong = what_is_wrong(request["messages"])
        if wrong:
            return Fail(400, wrong)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply(request) if callable(reply) else reply


def what_is_wrong(messages: Sequence[Json]) -> str:
    """Why a provider would refuse this history; empty if it would not."""
    pending: list[str] = []
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in pending:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            pending.remove(message["tool_call_id"])
            continue
        if pending:
            return f"an assistant message with 'tool_calls' must be followed by tool messages: {pending}"
        if message["role"] == "system" and position:
            return "the system message must come first"
        if message["role"] == "user" and position and messages[position - 1]["role"] == "user":
            return "roles must alternate between user and assistant"
        pending = [call["id"] for call in message.get("tool_calls") or []]
    return f"unanswered tool calls: {pending}" if pending else ""


@contextmanager
def openai_server(*replies: Reply | Callable[[Json], Reply]) -> Iterator[OpenAIServer]:
    """Serve on a free port of 127.0.0.1 for as long as the block lasts."""
    script = OpenAIServer(list(replies))

    class Handler(_Handler):
        server_script = script

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # chunks, so that a broken connection can be told from the end
    server_script: OpenAIServer

    def do_GET(self) -> None:
        script = self.server_script
        script.keys.append(self.headers.get("Authorization", ""))
        assert self.path == "/v1/models"
        if not script.models:
            self._refuse(Fail(404, "no such address"))
            return
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in script.models]
        self._answer(200, {"object": "list", "data": listed})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        script = self.server_script
        script.requests.append(request)
        script.keys.append(self.headers.get("Authorization", ""))
        assert self.path == "/v1/chat/completions"
        assert request["stream"] is True
        reply = script.reply_to(request)
        self.close_connection = True
        if isinstance(reply, Fail):
            self._refuse(reply)
            return
        self.send_response(200)
        for name, value in (
            ("Content-Type", "text/event-stream"),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # the client may go away
            self._stream(reply, number=len(script.requests))

    def _stream(self, reply: Reply, number: int) -> None:
        if isinstance(reply, Babble):
            self._babble(reply)
            return
        if isinstance(reply, Refuse):
            for piece in _split(reply.text, 3):
                self._send({"refusal": piece})
        text = reply.text if not isinstance(reply, (Fail, Refuse)) else ""
        for piece in _split(text, reply.pieces if isinstance(reply, Say) else 2):
            self._send({"content": piece})
        if isinstance(reply, Hang):
            reply.until.wait(20)
        if isinstance(reply, (Drop, Hang)):
            return
        if isinstance(reply, Call):
            for index, (name, arguments) in enumerate(reply.calls):
                raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
                own = f"call_{number}_{index}" if reply.call_id is None else reply.call_id
                first = {"index": index, "id": own, "type": "function"}
                self._send({"tool_calls": [{**first, "function": {"name": name, "arguments": ""}}]})
                for piece in _split(raw, reply.pieces):
                    self._send({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        usual = "tool_calls" if isinstance(reply, Call) else "stop"
        self._send({}, finish=reply.reason if isinstance(reply, CutOff) else usual)
        self._chunk("data: [DONE]\n\n")
        self._chunk("")

    def _babble(self, reply: Babble) -> None:
        if reply.tool:
            function = {"name": reply.tool, "arguments": '{"text": "'}
            self._send({"tool_calls": [{"index": 0, "id": "b", "type": "function", "function": function}]})
        for _ in range(reply.at_most):
            more = [{"index": 0, "function": {"arguments": reply.text}}]
            self._send({"tool_calls": more} if reply.tool else {"content": reply.text})

    def _send(self, delta: Json, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
        body = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        self._chunk(f"data: {json.dumps(body)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _refuse(self, reply: Fail) -> None:
        self._answer(reply.status, {"error": {"message": reply.message, "code": reply.code, "type": "x"}})

    def _answer(self, status: int, values: Json) -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After-Ms", "5")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing: the tests look at the script."""


def _split(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // pieces))
    return [text[start : start + size] for start in range(0, len(text), size)]
