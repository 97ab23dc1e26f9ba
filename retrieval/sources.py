"""Public data sets, fetched from their publishers: resumed, hashed, and never half-written.

`pooch` decides whether a file is needed, verifies its hash and moves it into place. Ours are the download
that goes on where it stopped (`ResumingDownload`), and ``fetched.json``, which records what was fetched, when
and with which hash. A hash that was not known beforehand is that of the first fetch, and is held against
the file from then on. The only module that asks publishers for data.
"""

from __future__ import annotations

import fnmatch
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock, Timeout

from retrieval.datasets import Dataset, RemoteFile
from retrieval.errors import SourceError
from retrieval.georeference import georeference
from retrieval.unpack import check_space, disk_error, unpack

Progress = Callable[[str, int, int], None]
Entry = dict[str, Any]

JOURNAL = "fetched.json"
CHUNK_BYTES = 1 << 14  # at most so much is lost when a connection breaks
TIMEOUT_S = (20.0, 60.0)  # to connect, and between two pieces
ATTEMPTS = 4  # in a row without a single byte
PAUSE_S = 0.5  # before going on; doubled with each attempt without a byte

pooch.get_logger().setLevel(logging.WARNING)


@dataclass(frozen=True)
class Fetched:
    """A data set on this disk.

    Attributes
    ----------
    name, folder
        The data set and where it lies.
    opens
        Files to hand to a command.
    files
        Per file of the publisher: ``sha256``, ``bytes``, ``address``, ``fetched`` (when), ``unpacked`` and
        ``hash``: ``known`` beforehand, ``recorded`` now, or ``kept`` from an earlier fetch.
    downloaded
        Names of the files that were downloaded now.
    """

    name: str
    folder: Path
    opens: tuple[Path, ...]
    files: dict[str, Entry]
    downloaded: tuple[str, ...]


def fetch(
    dataset: Dataset,
    folder: Path,
    *,
    mirror: str = "",
    renew: bool = False,
    progress: Progress | None = None,
) -> Fetched:
    """Fetch whatever of a data set is not there yet, and verify what is.

    Parameters
    ----------
    folder
        Where the files go; made if missing. A file that was put there by hand under the publisher's name is
        taken as if it had been fetched.
    mirror
        Address asked instead of the publishers', as ``MIRROR/HOST/PATH``.
    renew
        Fetch again what has no hash known beforehand, and record the new one.

    Raises
    ------
    SourceError
        If the publisher cannot be reached or has another file, or the disk is full. What was there before
        stays, and so does the part that was downloaded.
    """
    if mirror and not mirror.startswith(("http://", "https://")):
        raise SourceError(f"the mirror {mirror!r} is no address", allowed="http://... or https://...")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    journal = read_journal(folder)
    missing = [file for file in dataset.files if not _sizes_fit(journal.get(file.name), folder, file)]
    check_space(folder, sum(file.unpacked or file.size for file in missing), dataset.name)
    entries: dict[str, Entry] = {}
    downloaded: list[str] = []
    present: list[Path] = []
    for file in dataset.files:
        with _alone(folder / f".{file.name}.lock", f"{file.name} is being fetched by another process"):
            entry, new = _fetch_file(dataset, file, folder, mirror, renew, progress)
        entries[file.name] = entry
        downloaded += [file.name] if new else []
        present += [folder / name for name in entry["unpacked"]] or [folder / file.name]
    present += georeference(dataset, present)
    opens = [
        path for path in present if any(fnmatch.fnmatch(path.name, pattern) for pattern in dataset.opens)
    ]
    return Fetched(dataset.name, folder, tuple(opens), entries, tuple(downloaded))


def state(dataset: Dataset, folder: Path) -> Literal["fetched", "begun", "not fetched"]:
    """Whether a data set is in a folder, by names and sizes only; of tiles, whether any of them is."""
    journal = read_journal(folder)
    if dataset.files:
        whole = all(_sizes_fit(journal.get(file.name), folder, file) for file in dataset.files)
        begun = any(_sizes_fit(journal.get(file.name), folder, file) for file in dataset.files)
        begun = begun or any(_part(folder, file).exists() for file in dataset.files)
    else:
        whole = any(entry["dataset"] == dataset.name for entry in journal.values())
        begun = False
    return "fetched" if whole else "begun" if begun else "not fetched"


def read_journal(folder: Path) -> dict[str, Entry]:
    """What ``fetched.json`` of a folder says of each file; empty where there is none.

    Raises
    ------
    SourceError
        If it is torn.
    """
    path = folder / JOURNAL
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["files"])
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path} is torn ({error})", next_step="delete it; the files beside it are hashed anew"
        ) from error


def _fetch_file(
    dataset: Dataset, file: RemoteFile, folder: Path, mirror: str, renew: bool, progress: Progress | None
) -> tuple[Entry, bool]:
    """The journal's entry of a file that is now there, and whether it was downloaded."""
    entry = read_journal(folder).get(file.name)
    renew = renew and not file.sha256
    if entry and not renew and _is_whole(entry, folder, file):
        return {**entry, "hash": "known" if file.sha256 else "kept"}, False
    expected = file.sha256 or (entry["sha256"] if entry and not renew else "")
    addresses = tuple(_through(mirror, address) for address in file.addresses)
    download = ResumingDownload(addresses, _part(folder, file), file, dataset.page, bool(expected), progress)
    # A file that is replaced on purpose lies beside the old one until it is whole.
    place = folder / (file.name + ".new" if renew else file.name)
    if renew:
        place.unlink(missing_ok=True)
    try:
        pooch.retrieve(addresses[0], expected or None, fname=place.name, path=folder, downloader=download)
    except ValueError as error:
        when = str(entry["fetched"])[:10] if entry else ""
        raise SourceError(
            f"what {urlsplit(addresses[0]).netloc} sent as {file.name} has another SHA-256 than "
            + ("expected" if file.sha256 else f"what was fetched on {when}")
            + "; it was thrown away",
            next_step="try again later"
            if file.sha256
            else f"take the publisher's new edition with: areographer fetch {dataset.name} --renew",
        ) from error
    except OSError as error:
        raise disk_error(error, folder) from error
    place = place.replace(folder / file.name)
    size = place.stat().st_size
    made: Entry = {
        "dataset": dataset.name,
        "address": download.address or file.addresses[0],
        "bytes": size,
        "sha256": expected or pooch.file_hash(str(place)),
        "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "licence": dataset.licence,
        "citation": dataset.citation,
        "unpacked": {},
    }
    if file.members:
        made["unpacked"] = unpack(place, file.members, folder)
        place.unlink()
    _record(folder, file.name, made)
    return {**made, "hash": "known" if file.sha256 else "kept" if expected else "recorded"}, download.done


class ResumingDownload:
    """A downloader for `pooch` that goes on where an earlier one stopped.

    Bytes gather in a file ``.part``; its companion ``.part.tag`` holds what the server calls this edition
    (a strong ETag or the time of last change), so that two editions are never joined: the server is asked for
    the rest only if it still has the same one (``If-Range``, RFC 9110 section 13.1.5).

    Attributes
    ----------
    done, address
        Whether it downloaded anything, and from where.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        part: Path,
        file: RemoteFile,
        page: str,
        hash_known: bool,
        progress: Progress | None,
    ) -> None:
        self.addresses, self.part, self.file, self.page = addresses, part, file, page
        self.hash_known, self.progress = hash_known, progress
        self.tag = part.with_name(part.name + ".tag")
        self.done, self.address = False, ""

    def __call__(self, url: str, output_file: str, _pooch: Any, check_only: bool = False) -> None:
        """Download to ``output_file``; the part stays where that fails.

        Raises
        ------
        SourceError
            If no address gives the file.
        """
        for number, address in enumerate(self.addresses):
            try:
                self._download(address)
            except SourceError:
                if number + 1 == len(self.addresses):
                    raise
                continue
            break
        os.replace(self.part, output_file)
        self.tag.unlink(missing_ok=True)
        self.done, self.address = True, address

    def _download(self, address: str) -> None:
        """Ask again, with longer and longer pauses, as long as the connection breaks."""
        host, idle, farthest = urlsplit(address).netloc, 0, _size(self.part)
        while True:
            try:
                return self._pull(address)
            except requests.exceptions.SSLError as error:
                raise SourceError(
                    f"the certificate of {host} cannot be verified", next_step=self._by_hand(address)
                ) from error
            except (requests.RequestException, _BrokenError) as error:
                kept = _size(self.part)
                idle, farthest = (0, kept) if kept > farthest else (idle + 1, farthest)
                if idle == ATTEMPTS:
                    how = f"breaks off; {kept:,} bytes are kept" if kept else "cannot be reached"
                    raise SourceError(
                        f"{host} {how} ({type(error).__name__.strip('_')}: {self.file.name})",
                        next_step="run the same command again, it goes on from there; or "
                        + self._by_hand(address),
                    ) from error
                time.sleep(PAUSE_S * 2**idle)

    def _pull(self, address: str) -> None:
        """One request for whatever is missing; raises `_BrokenError` if it ends early."""
        have, tag = _size(self.part), self.tag.read_text() if self.tag.exists() else ""
        # Compression on the way would make offsets and sizes those of something else.
        headers = {"Accept-Encoding": "identity", "User-Agent": "areographer (data set download)"}
        if have and (tag or self.hash_known):
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": tag} if tag else {})
        with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code == 416 and answer.headers.get("Content-Range", "") == f"bytes */{have}":
                return  # it was whole already
            if answer.status_code in (408, 416, 429) or answer.status_code >= 500:
                if answer.status_code == 416:
                    self.part.unlink(missing_ok=True)
                raise _BrokenError(f"status {answer.status_code}")
            if answer.status_code not in (200, 206):
                raise SourceError(
                    f"{urlsplit(address).netloc} answers {answer.status_code} ({answer.reason}) to {address}",
                    next_step=self._by_hand(address),
                )
            # Where a hash decides, a label that the server calls a web page may pass.
            if answer.headers.get("Content-Type", "").startswith("text/html") and not self.hash_known:
                raise SourceError(
                    f"{urlsplit(address).netloc} sent a web page instead of {self.file.name}",
                    next_step=self._by_hand(address),
                )
            start = have if answer.headers.get("Content-Range", "").startswith(f"bytes {have}-") else 0
            if answer.status_code == 206 and start != have:
                raise _BrokenError("another range than asked for")
            length = answer.headers.get("Content-Length")
            # A server that compresses unasked gives the length of something else.
            total = start + int(length) if length and "Content-Encoding" not in answer.headers else 0
            self._write(answer, start, total)
        if total and _size(self.part) != total:
            raise _BrokenError("the end is missing")

    def _write(self, answer: requests.Response, start: int, total: int) -> None:
        check_space(self.part.parent, (total or self.file.size) - start + self.file.unpacked, self.file.name)
        etag = answer.headers.get("ETag", "")
        tag = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        try:
            with self.part.open("r+b" if start else "wb") as out:
                self.tag.write_text(tag)  # now that no bytes of another edition are left
                done = out.seek(start)
                for piece in answer.iter_content(CHUNK_BYTES):
                    done += out.write(piece)
                    if self.progress:
                        self.progress(self.file.name, done, total or max(done, self.file.size))
        except requests.RequestException:
            raise  # it is an OSError too
        except OSError as error:
            raise disk_error(error, self.part.parent) from error

    def _by_hand(self, address: str) -> str:
        return (
            f"look at {self.page}, or download {address} in a browser, put it into {self.part.parent} "
            "and run this again"
        )


class _BrokenError(Exception):
    """The connection or the answer was cut; asking again may help."""


def _parts_of(entry: Entry, file: RemoteFile) -> dict[str, Entry]:
    """Files that an entry says are on disk, with size and hash."""
    return dict(entry["unpacked"]) or {file.name: entry}


def _sizes_fit(entry: Entry | None, folder: Path, file: RemoteFile) -> bool:
    return entry is not None and all(
        (folder / name).is_file() and _size(folder / name) == said["bytes"]
        for name, said in _parts_of(entry, file).items()
    )


def _is_whole(entry: Entry, folder: Path, file: RemoteFile) -> bool:
    """Whether what was fetched is still there, byte for byte, and what is asked for."""
    return (
        _sizes_fit(entry, folder, file)
        and file.sha256 in ("", entry["sha256"])
        and all(
            pooch.file_hash(str(folder / name)) == said["sha256"]
            for name, said in _parts_of(entry, file).items()
        )
    )


def _record(folder: Path, name: str, entry: Entry) -> None:
    """Put an entry into the journal, which other processes may be writing too."""
    with FileLock(folder / f".{JOURNAL}.lock", timeout=60):
        files = {**read_journal(folder), name: entry}
        half = folder / f"{JOURNAL}.part"
        half.write_text(json.dumps({"format": 1, "files": files}, indent=1, sort_keys=True), encoding="utf-8")
        half.replace(folder / JOURNAL)


@contextmanager
def _alone(lock: Path, otherwise: str) -> Iterator[None]:
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise SourceError(otherwise, next_step="wait for it, or choose another folder with --out") from None
    except OSError as error:
        raise disk_error(error, lock.parent) from error
    try:
        yield
    finally:
        held.release()


def _through(mirror: str, address: str) -> str:
    parts = urlsplit(address)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" if mirror else address


def _part(folder: Path, file: RemoteFile) -> Path:
    return folder / (file.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
