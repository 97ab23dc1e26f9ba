"""How a Milvus is reached: addresses, the connection, and what its faults mean in plain words.

An address is ``http(s)://HOST[:PORT][/DATABASE]`` for a server or a cluster, or the path of a Milvus Lite
database, a folder whose name ends in ``.db``, which one process may open at a time. A token comes from the
settings, never from an address, and is neither stored nor shown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from retrieval.errors import SettingsError, VectorsError
from retrieval.settings import milvus_token

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CONNECT_S = 5.0
CALL_S = 60.0  # of one call: a first search of a large collection may wait for its segments to be loaded
TRIES = 3  # of a call whose server went away: a restarted one is back within seconds
PAUSE_S = 1.0
# gRPC waits ever longer, up to two minutes, before it tries a lost server again; people do not.
_RECONNECT = {
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 1_000,
}
_SCHEMES = ("http", "https")
_ALLOWED = "http(s)://HOST[:PORT][/DATABASE], or a Milvus Lite database: a path that ends in .db"
_CONNECT_FAILED = 2  # pymilvus' code, also after a connection was lost and not to be had again

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """Where a Milvus is.

    Attributes
    ----------
    uri
        As `pymilvus.MilvusClient` takes it; an absolute path for Milvus Lite.
    """

    uri: str

    @property
    def lite(self) -> bool:
        """Whether it is a Milvus Lite database on this machine."""
        return urlsplit(self.uri).scheme not in _SCHEMES

    def __str__(self) -> str:
        return self.uri


def parse_address(text: str) -> Address:
    """Check an address that a user gave.

    Raises
    ------
    SettingsError
        If it is none, or holds a name and a password.
    """
    given = text.strip().removeprefix("milvus:")
    parts = urlsplit(given)
    if parts.scheme in _SCHEMES:
        if parts.username is not None or parts.password is not None:
            raise SettingsError(
                f"the address of {parts.hostname} holds a name or password, and addresses are shown",
                allowed=_ALLOWED,
                next_step="put it as NAME:PASSWORD into the environment variable AREOGRAPHER_MILVUS_TOKEN",
            )
        try:
            good = bool(parts.hostname) and not parts.query and not parts.fragment
            good = good and (parts.port is None or parts.port > 0)
        except ValueError:  # a port that is no number, or above 65535
            good = False
        if good:
            return Address(given.rstrip("/"))
    elif given.endswith(".db") and "://" not in given:
        return Address(str(Path(given).expanduser().resolve()))
    raise SettingsError(f"{text[:120]!r} is no address of a Milvus", allowed=_ALLOWED)


def connect(address: Address) -> MilvusClient:
    """Connect, within `CONNECT_S`.

    Raises
    ------
    SettingsError
        If the extra is not installed, or a Milvus Lite database cannot be one.
    VectorsError
        If nobody answers there, or another process holds the database.
    """
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        raise SettingsError(
            f"the vectors lie in Milvus at {address}, and pymilvus is not installed",
            next_step="pip install 'areographer[milvus]'",
        ) from error
    # It logs every fault with its traceback; what matters of it is in the error that is raised here.
    for name in ("pymilvus", "milvus_lite", "grpc"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if address.lite:
        _check_lite(Path(address.uri))
    try:
        return MilvusClient(address.uri, token=milvus_token(), timeout=CONNECT_S, grpc_options=_RECONNECT)
    except MilvusException as error:
        raise _unreachable(address, error) from error


def call(address: Address, what: str, do: Callable[[], T]) -> T:
    """Run one call of a client, again after a pause if the server went away, at most `TRIES` times.

    Parameters
    ----------
    what
        What the call does, for the message: "reading vectors".

    Raises
    ------
    VectorsError
        If it fails for good.
    """
    import grpc
    import tenacity
    from pymilvus.exceptions import MilvusException

    def away(error: BaseException) -> bool:
        code = getattr(error, "code", None)
        code = code() if callable(code) else code
        return code in (_CONNECT_FAILED, grpc.StatusCode.UNAVAILABLE)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(away),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_fixed(PAUSE_S),
        reraise=True,
    )
    try:
        return attempts(do)
    except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
        raise VectorsError(
            f"{what} at Milvus {address} failed ({first_line(error)})",
            next_step="see that the server runs, then ask again",
        ) from error


def first_line(error: Exception) -> str:
    """What a fault of pymilvus says, in one line of at most 200 characters."""
    message: Any = getattr(error, "message", "") or str(error)
    if callable(details := getattr(error, "details", None)):  # of gRPC, whose text has many lines
        message = f"{error.code().name}: {details()}"  # type: ignore[attr-defined]
    lines = str(message).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _check_lite(path: Path) -> None:
    if not path.parent.is_dir():
        raise SettingsError(f"{path.parent}, where {path.name} should lie, is no folder")
    if path.is_file():
        raise SettingsError(
            f"{path} is a file, and a Milvus Lite database is a folder", next_step="give another path"
        )


def _unreachable(address: Address, error: Exception) -> VectorsError:
    if address.lite:
        return VectorsError(
            f"Milvus Lite database {address} cannot be opened ({first_line(error)})",
            next_step="end the process that has it open (one at a time may), or run `milvus-lite server` "
            "and use its address; if milvus-lite is missing, pip install 'areographer[milvus]'",
        )
    return VectorsError(
        f"no Milvus answers at {address} within {CONNECT_S:g} s ({first_line(error)})",
        next_step="see that the server runs and the address and token are right",
    )
