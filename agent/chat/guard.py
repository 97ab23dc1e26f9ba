"""The door of the chat's server: what a request must look like before anything reads it, and what every
answer tells the browser.

The chat has no login, so nothing of another site may reach it through a visitor's browser (a page of that
site, or a name of that site that points to this machine), and of Gradio's own addresses only those are open
that a page needs: the others fetch addresses from afar, run endpoints by name or tell about the server.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.chat.house import ROUTES

log = logging.getLogger(__name__)

# What a page fetches from Gradio. A file is one of its own temporary ones, never an address of another host.
GRADIO_OPEN = re.compile(
    r"/gradio_api/(?:queue/(?:join|data)|cancel|reset|heartbeat/\w+|upload|upload_progress|startup-events"
    r"|theme\.css|info|app_id|component_server|file=(?!\s*(?:https?|ftp)\W).+)/?",
    re.DOTALL | re.IGNORECASE,
)
GRADIO_SHUT = re.compile(r"/(?:gradio_api|monitoring|runs|login|logout|openapi\.json|docs)(?:/|$)")

MOST_BODY_BYTES = 8_000_000  # of anything but an upload: a question of a million characters, several times
MOST_UPLOAD_BYTES = 600_000_000  # of all files of one upload together

JOINS = re.compile(r"/gradio_api/queue/join/?")

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
UPLOADS = re.compile(rf"/(?:gradio_api/upload|{ROUTES}/(?:[^/]+/)*(?:bring|bundle|open|import))/?")

# The page itself: Gradio's own code needs inline scripts and evaluation, the globe's frame inherits this and
# starts workers from blobs. What matters: nothing is loaded from, or sent to, another host.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-src 'self' blob: data:; child-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)
# A fragment that somebody opens by itself: text and our own pictures.
FRAGMENT_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

OUR_FAULT = (
    "Something went wrong on our side. What was finished before is kept; reload the page and try again. "
    "The server's log has the details."
)


class Guard:
    """ASGI middleware around the whole server.

    Parameters
    ----------
    local
        Whether the server listens on this machine only: then only this machine's own names are answered, so
        that no page of another site can reach it by a name that points here.
    hosts
        Other names under which it may be asked, as behind a proxy.
    """

    def __init__(self, app: ASGIApp, local: bool = True, hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._local = local
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on and add headers to what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        answering = _Answering(scope, receive, send)
        if refused is not None:
            await refused(scope, receive, answering.send)
            return
        try:
            if JOINS.fullmatch(_path(scope)) and names_a_far_file(await answering.whole()):
                far = PlainTextResponse("A file has to be sent itself, and not the address of one.", 400)
                await far(scope, receive, answering.send)
                return
            await self._app(scope, answering.receive, answering.send)
        except _TooLarge:
            if not answering.begun:
                await _too_large(answering.most)(scope, receive, answering.send)
        except Exception:
            # The last line: the log keeps the reason, the page gets words instead of a broken connection.
            log.exception("a request could not be answered")
            if answering.begun:
                raise
            await PlainTextResponse(OUR_FAULT, 500)(scope, receive, answering.send)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        path, method = _path(scope), scope["method"]
        if self._local and not self._known(headers.get("host", "")):
            name = _printable(host_name(headers.get("host", "")))
            return PlainTextResponse(
                f"This chat answers on its own machine only, and not under the name {name!r}. Open it as "
                "http://127.0.0.1 with its port. Behind a proxy, name the host in settings.toml: "
                "chat_hosts = 'NAME'.",
                421,
            )
        if method in UNSAFE and not same_site(headers):
            return PlainTextResponse(
                "This request came from a page of another site and was not carried out. "
                "Open the chat itself and do it there.",
                403,
            )
        if GRADIO_SHUT.match(path) and not GRADIO_OPEN.fullmatch(path):
            return PlainTextResponse("There is nothing at this address.", 404)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > most_bytes(path):
            return _too_large(most_bytes(path))
        return None

    def _known(self, host: str) -> bool:
        name = host_name(host)
        if name in self._hosts or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


class _TooLarge(Exception):
    """A body without a declared length grew beyond what is allowed."""


class _Answering:
    """One request: counts what comes in, and adds headers to what goes out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun = False
        self.most = most_bytes(_path(scope))
        self._path = _path(scope)
        self._receive, self._send, self._bytes = receive, send, 0
        self._again: Message | None = None

    async def whole(self) -> bytes:
        """The body, which can still be received afterwards."""
        content, more = bytearray(), True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                break
            content += message.get("body", b"")
            more = message.get("more_body", False)
        self._again = {"type": "http.request", "body": bytes(content), "more_body": False}
        return bytes(content)

    async def receive(self) -> Message:
        if self._again is not None:
            message, self._again = self._again, None
            return message
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.most:
            raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in (
                ("X-Content-Type-Options", "nosniff"),
                # A conversation's address is the key to it.
                ("Referrer-Policy", "same-origin"),
                ("X-Frame-Options", "SAMEORIGIN"),
                ("Cross-Origin-Opener-Policy", "same-origin"),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
            ):
                headers.setdefault(name, value)
            if headers.get("content-type", "").startswith("text/html"):
                ours = self._path.startswith(f"/{ROUTES}/")
                headers.setdefault("Content-Security-Policy", FRAGMENT_POLICY if ours else PAGE_POLICY)
        await self._send(message)


def same_site(headers: Headers) -> bool:
    """Whether a request can have come from a page of this server, or from no page at all (a script).

    Browsers say so in ``Sec-Fetch-Site``; those that do not say it name the page's host in ``Origin``.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    asked = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()} - {""}
    return urlsplit(origin).netloc.lower() in asked


def names_a_far_file(body: bytes) -> bool:
    """Whether an event brings a file by its address on another host, which Gradio would go and fetch."""
    try:
        left = [json.loads(body)]
    except (ValueError, RecursionError):
        return False  # Gradio refuses it itself
    while left:
        value = left.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and re.match(r"\s*[a-z][a-z0-9+.-]+:", path, re.IGNORECASE):
                return True
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return False


def host_name(host: str) -> str:
    """The name or address in a ``Host`` header, in lower case, without port and brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if re.search(r":\d*$", name) else name


def is_local(host: str) -> bool:
    """Whether a server that listens on ``host`` is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.strip().lower() == "localhost"


def most_bytes(path: str) -> int:
    """How long the body of a request may be."""
    return MOST_UPLOAD_BYTES if UPLOADS.fullmatch(path) else MOST_BODY_BYTES


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(root + "/") else path


def _too_large(most: int) -> Response:
    return PlainTextResponse(
        f"What was sent is too large. Allowed: at most {most / 1e6:,.0f} MB at once. "
        "Next: send less, or fewer files at a time.",
        413,
    )


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:80]
