"""The bundle: one zip that holds a conversation with everything it rests on, written and read safely.

    README.md          how to read, verify, cite and run it again
    transcript.html    the conversation as one page that needs no network; .md and .json: the same as text
    recipe.json        the tool calls that made the layers
    layers/L1.parquet  each layer as GeoParquet; layers.gpkg: all of them in one GeoPackage
    maps/              the pictures
    inputs/            files that the user brought
    manifest.json      size and SHA-256 of each of these; written last

The same conversation gives the same bytes. A bundle from a stranger is untrusted: `read_bundle` unpacks
nothing, bounds what it reads, and refuses names that lead out of a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import threading
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.events import Turn
from agent.recipe import Recipe
from retrieval.errors import BundleError

Json = Any

FORMAT = "areographer-bundle"
VERSION = 1
MANIFEST = "manifest.json"
MOST_BYTES = 1_000_000_000
MOST_RATIO = 200
RATIO_FROM_BYTES = 1_000_000
MOST_MEMBERS = 10_000
MOST_JSON_BYTES = 64_000_000
CHUNK = 1 << 20

ALLOWED = "a .zip transcript that Areographer wrote"
TORN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)


class Member(BaseModel):
    """Size and hash of one file in the bundle."""

    model_config = ConfigDict(frozen=True, strict=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """What ``manifest.json`` says."""

    model_config = ConfigDict(frozen=True, strict=True)

    conversation_id: str
    title: str
    members: dict[str, Member]


@dataclass(frozen=True)
class BundleContents:
    """A bundle that was read and found whole.

    Attributes
    ----------
    path
        The zip.
    manifest, recipe, turns
        What it says of itself, the tool calls, the conversation.
    """

    path: Path
    manifest: Manifest
    recipe: Recipe
    turns: tuple[Turn, ...]

    @property
    def index_name(self) -> str:
        """Name of the index that the conversation was held on."""
        return self.recipe.index.name

    def read(self, name: str) -> bytes:
        """Content of a member, checked against the manifest once more.

        Raises
        ------
        BundleError
            If there is no such member, or the file changed since.
        """
        with _opened(self.path) as archive:
            return _read_member(archive, name, self.manifest.members.get(name), self.path)


def write_archive(path: Path, members: Mapping[str, bytes | Path], conversation_id: str, title: str) -> None:
    """Write a bundle beside ``path``, read it back, and put it in place.

    Parameters
    ----------
    members
        Name in the bundle -> content, or the file that holds it; kept in this order.
    """
    listed: dict[str, Json] = {}
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, content in members.items():
                listed[name] = _write_member(archive, name, content)
            about = {"format": FORMAT, "version": VERSION, "conversation_id": conversation_id, "title": title}
            text = json.dumps({**about, "members": listed}, indent=1, ensure_ascii=False)
            _write_member(archive, MANIFEST, text.encode())
        read_bundle(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_bundle(path: Path) -> BundleContents:
    """Read a bundle and check every byte of it against its manifest; nothing is unpacked.

    Raises
    ------
    BundleError
        If the file is missing, no bundle, torn, changed, of a newer format, or unsafe: names that climb,
        links, encrypted or endlessly expanding members.
    """
    path = Path(path)
    with _opened(path) as archive:
        sizes = _safe_members(archive, path)
        if MANIFEST not in sizes:
            raise _refused(path, f"has no {MANIFEST}")
        manifest = _read_manifest(_json_member(archive, MANIFEST, path), path)
        if set(manifest.members) != set(sizes) - {MANIFEST}:
            odd = sorted(set(manifest.members) ^ (set(sizes) - {MANIFEST}))[0]
            raise _refused(path, f"and its manifest disagree about {odd[:80]!r}")
        for name, member in manifest.members.items():
            _read_member(archive, name, member, path, keep=False)
        recipe = _json_member(archive, "recipe.json", path)
        transcript = _json_member(archive, "transcript.json", path)
    try:
        checked = Recipe.model_validate(recipe)
        turns = tuple(Turn.from_json(turn) for turn in transcript["turns"])
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise _refused(path, f"has a recipe or transcript that is not one ({_first_line(error)})") from error
    missing = [name for name in checked.inputs if f"inputs/{name}" not in manifest.members]
    if missing:
        raise _refused(path, f"lacks inputs/{missing[0][:80]}")
    return BundleContents(path, manifest, checked, turns)


def _opened(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise BundleError(f"there is no file {path}", allowed=ALLOWED, next_step="check the path")
    try:
        return zipfile.ZipFile(path)
    except TORN as error:
        hint = "give the .zip beside it" if path.suffix == ".html" else "download or copy it again"
        raise BundleError(
            f"{path} cannot be read as a zip ({_first_line(error)})", allowed=ALLOWED, next_step=hint
        ) from error


def _safe_members(archive: zipfile.ZipFile, path: Path) -> dict[str, int]:
    """Names and sizes of the members, after everything that can be judged without reading them."""
    infos = archive.infolist()
    sizes = {info.filename: info.file_size for info in infos}
    if len(infos) > MOST_MEMBERS or len(sizes) != len(infos):
        raise _refused(path, f"has {len(infos):,} members, or one twice")
    if sum(sizes.values()) > MOST_BYTES:
        raise _refused(path, f"would unpack to {sum(sizes.values()):,} bytes, more than {MOST_BYTES:,}")
    for info in infos:
        name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
        if not is_safe_name(name):
            raise _refused(path, f"has a member with an unsafe name, {name[:80]!r}")
        if kind not in (0, stat.S_IFREG):
            raise _refused(path, f"has a member that is no plain file, {name[:80]!r}")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(path, f"has an encrypted or unusual member, {name[:80]!r}")
        if info.file_size > RATIO_FROM_BYTES and info.file_size > MOST_RATIO * info.compress_size:
            raise _refused(path, f"has a member that expands more than {MOST_RATIO} times, {name[:80]!r}")
    return sizes


def is_safe_name(name: str) -> bool:
    """Whether a name stays inside a folder on every system: relative, forward slashes, no odd parts."""
    parts = name.split("/")
    return (
        0 < len(name) <= 240
        and not re.search(r"[\\:*?\"<>|\x00-\x1f\x7f]", name)
        and all(part not in ("", ".", "..") and part == part.strip() for part in parts)
    )


def _read_manifest(values: Json, path: Path) -> Manifest:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise _refused(path, "is a zip, but no transcript")
    version = values.get("version")
    if type(version) is not int or version > VERSION:
        raise BundleError(
            f"{path} has format {str(version)[:20]}",
            allowed=f"formats up to {VERSION}",
            next_step="install a newer version of Areographer",
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        raise _refused(path, f"has a manifest that is not one ({_first_line(error)})") from error


def _json_member(archive: zipfile.ZipFile, name: str, path: Path) -> Json:
    try:
        if archive.getinfo(name).file_size > MOST_JSON_BYTES:
            raise _refused(path, f"has a {name} of more than {MOST_JSON_BYTES:,} bytes")
        return json.loads(_read_member(archive, name, None, path), parse_constant=_no_number)
    except (KeyError, ValueError, RecursionError) as error:
        raise _refused(path, f"has no readable {name} ({type(error).__name__})") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _read_member(
    archive: zipfile.ZipFile, name: str, expected: Member | None, path: Path, keep: bool = True
) -> bytes:
    # In pieces and counted: what a zip says of its sizes need not be true.
    digest, pieces, length = hashlib.sha256(), [], 0
    try:
        with archive.open(name) as stream:
            limit = archive.getinfo(name).file_size
            while piece := stream.read(CHUNK):
                length += len(piece)
                if length > limit:
                    raise _refused(path, f"has a member longer than it says, {name[:80]!r}")
                digest.update(piece)
                if keep:
                    pieces.append(piece)
    except (*TORN, KeyError) as error:
        raise _refused(path, f"is torn at {name[:80]!r} ({_first_line(error)})") from error
    if expected and (length, digest.hexdigest()) != (expected.bytes, expected.sha256):
        raise _refused(path, f"was changed: {name[:80]} is not what the manifest says")
    return b"".join(pieces)


def _write_member(archive: zipfile.ZipFile, name: str, content: bytes | Path) -> dict[str, Json]:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))  # the same bytes whenever it is written
    packed = Path(name).suffix in (".png", ".jpg", ".parquet", ".zip")
    info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
    digest, length = hashlib.sha256(), 0
    with archive.open(info, "w", force_zip64=True) as target:
        for piece in _pieces(content):
            target.write(piece)
            digest.update(piece)
            length += len(piece)
    return {"sha256": digest.hexdigest(), "bytes": length}


def _pieces(content: bytes | Path) -> Any:
    if isinstance(content, bytes):
        yield content
        return
    stream: IO[bytes]
    with content.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def _refused(path: Path, what: str) -> BundleError:
    return BundleError(f"{path} {what}", allowed=ALLOWED, next_step="ask for the bundle again")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
