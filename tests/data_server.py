"""A publisher of data on the loopback: `http.server` with ranges, editions and the faults of real ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Publisher:
    """What is published, how the server behaves, and what it was asked.

    ``cuts`` holds, per path, after how many bytes of the next answers the connection is closed; ``statuses``
    what is answered instead of the file, as long as there are any. ``hold`` makes answers wait half-way.
    """

    address: str = ""
    files: dict[str, bytes | Path] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    content_type: str = "application/octet-stream"
    cuts: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    hold: threading.Event | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def publisher() -> Iterator[Publisher]:
    """A publisher at ``address``; paths of ``files`` are ``/HOST/PATH``, as a mirror is asked."""
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.asked.append((self.path, asked))
            refusals = state.statuses.get(self.path, [])
            if refusals or self.path not in state.files:
                self.send_error(refusals.pop(0) if refusals else 404)
                return
            found = state.files[self.path]
            content = found.read_bytes() if isinstance(found, Path) else found
            tag = f'"{hashlib.sha256(content).hexdigest()[:12]}"'
            start = 0
            if asked and state.ranges and self.headers.get("If-Range", tag) == tag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content) > 0 and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.tags:
                self.send_header("ETag", tag)
            self.send_header("Last-Modified" if state.tags else "Date", formatdate(0, usegmt=True))
            self.send_header("Content-Type", state.content_type)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            rest = content[start:]
            cuts = state.cuts.get(self.path, [])
            if cuts:
                rest = rest[: cuts.pop(0)]
                self.close_connection = True
            middle = len(rest) // 2
            self.wfile.write(rest[:middle])
            self.wfile.flush()
            if state.hold:
                state.hold.wait(20)
            self.wfile.write(rest[middle:])

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pds3_label(image: str, lines: int, samples: int) -> str:
    """What a PDS3 label says of a grid of big-endian integers over a whole planet, 0..360 E, north up."""
    said = f"""PDS_VERSION_ID                = PDS3
^IMAGE                        = "{image}"
OBJECT                        = IMAGE
 LINES                        = {lines}
 LINE_SAMPLES                 = {samples}
 SAMPLE_TYPE                  = MSB_INTEGER
 SAMPLE_BITS                  = 16
 UNIT                         = METER
END_OBJECT                    = IMAGE
OBJECT                        = IMAGE_MAP_PROJECTION
 MAP_PROJECTION_TYPE          = "SIMPLE CYLINDRICAL"
 POSITIVE_LONGITUDE_DIRECTION = "EAST"
 MAP_RESOLUTION               = {lines / 180} <PIXEL/DEGREE>
 MAXIMUM_LATITUDE             = 90.0 <DEGREE>
 WESTERNMOST_LONGITUDE        = 0.0 <DEGREE>
 COORDINATE_SYSTEM_NAME       = "PLANETOCENTRIC"
END_OBJECT                    = IMAGE_MAP_PROJECTION
END
"""
    return said.replace("\n", "\r\n")
