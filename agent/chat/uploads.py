"""What people bring into a conversation: pictures and catalogues, checked at the door and kept under a safe
name in the conversation's own folder.

A picture is drawn anew from its pixels. A catalogue is kept as it is, and read by the tool that loads it, so
that its faults are told in the dialogue as those of any call.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import threading
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retrieval.catalogue import SUFFIXES
from retrieval.errors import InputError, QuestionError
from tools.pictures import open_picture

PICTURE_SIDE_PX = 2048
PICTURE_BYTES = 30_000_000
CATALOGUE_BYTES = 500_000_000
MOST_AT_ONCE = 8
MOST_KEPT_BYTES = 2_000_000_000  # in one conversation
SPARE_BYTES = 500_000_000  # left free on the disk

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp")
PICTURES = "pictures (PNG, JPEG, TIFF, WebP, GIF or BMP)"
CATALOGUES = "catalogues (CSV, GeoPackage, GeoJSON, KML, KMZ, GeoParquet, a zipped Shapefile or CSV)"

_TRANSCRIPT = "recipe.json"  # a member of every bundle


class TranscriptBroughtError(QuestionError):
    """A transcript of ours was brought as a catalogue: it can be opened, but not loaded."""


@dataclass(frozen=True)
class Brought:
    """A file that was kept.

    Attributes
    ----------
    name
        What it is called in the conversation's folder.
    title
        What its owner called it, fit to be shown.
    """

    kind: Literal["picture", "catalogue"]
    name: str
    title: str


def keep(path: Path, folder: Path, title: str = "") -> Brought:
    """Check a file and keep it in ``folder``.

    Parameters
    ----------
    title
        What its owner calls it; the name of ``path`` if not given.

    Raises
    ------
    QuestionError
        If it is neither picture nor catalogue, is too large, or there is no room for it.
    """
    title = shown_name(title or path.name)
    suffix = Path(title).suffix.lower()
    _check_room(path, folder, title)
    if suffix in SUFFIXES:
        return Brought("catalogue", keep_catalogue(path, folder, title), title)
    return Brought("picture", keep_picture(path, folder, title), title)


def keep_all(paths: Sequence[Path], folder: Path) -> list[Brought]:
    """Check and keep all files of one question; the files themselves are gone afterwards.

    Raises
    ------
    QuestionError
        If there are more than `MOST_AT_ONCE`, or one cannot be kept; none is used then.
    """
    if len(paths) > MOST_AT_ONCE:
        raise QuestionError(
            f"{len(paths)} files came with one question",
            allowed=f"at most {MOST_AT_ONCE} at once",
            next_step="ask with fewer; files of earlier questions stay in the conversation",
        )
    kept = [keep(path, folder) for path in paths]
    for path in paths:
        # Gradio's copy would lie in its folder of temporary files for a day.
        path.unlink(missing_ok=True)
    return list({one.name: one for one in kept}.values())


def moved(path: Path, folder: Path) -> Brought:
    """Move a file that `keep` has checked already into another folder.

    Raises
    ------
    QuestionError
        If there is no room for it.
    """
    _check_room(path, folder, path.name)
    if Path(path.name).suffix.lower() in SUFFIXES:
        name = keep_catalogue(path, folder, path.name)
        shutil.rmtree(path.parent, ignore_errors=True)
        return Brought("catalogue", name, path.name)
    folder.mkdir(parents=True, exist_ok=True)
    path.replace(folder / path.name)
    shutil.rmtree(path.parent, ignore_errors=True)
    return Brought("picture", path.name, path.name)


def named_in(text: str, brought: Sequence[Brought], offline: bool) -> str:
    """The question with the files that came with it named in it, where the text points at them.

    Parameters
    ----------
    offline
        Whether the fixed planner reads the question: a name at its end would mean another thing to it.

    Raises
    ------
    QuestionError
        If it cannot be told what the question has to do with a catalogue.
    """
    names = [one.name for one in brought if one.name not in text]
    text = text.strip()
    if not brought or (text and not names):
        return text
    if not text:
        begin = "Show tiles like" if brought[0].kind == "picture" else "Load the catalogue"
        return " ".join([begin, " and ".join(names)])
    if all(one.kind == "picture" for one in brought):
        return " ".join([text, *names])
    pointed = next(filter(None, (pattern.search(text) for pattern in _POINTING)), None)
    if pointed:
        return text[: pointed.start()] + " and ".join(names) + text[pointed.end() :]
    if not offline:
        return f"{text} (with the {'files' if len(names) > 1 else 'file'} {', '.join(names)})"
    raise QuestionError(
        f"the question does not say what it has to do with {' and '.join(names)}",
        allowed=f"a question that names the file: How far are craters from {names[0]}?",
        next_step="the file is kept, so ask again with its name in the question",
    )


# "these craters", "my list of cones", "the attached file"; then "this", "them" alone.
_POINTING = (
    re.compile(
        r"\b(?:the|my|this|that)\s+(?:(?:attached|uploaded|own|whole)\s+)?"
        r"(?:catalogue|catalog|list|file|table|data ?set|data)\b(?:\s+of\s+\w+)?",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:these|those|my|the (?:attached|uploaded))\s+(?:\w+\s+){0,2}?\w+s\b", re.IGNORECASE),
    re.compile(r"\b(?:these|those|this|them|it)\b", re.IGNORECASE),
)


def keep_picture(path: Path, folder: Path, title: str = "") -> str:
    """Check that a file is a picture and keep it as a PNG of at most `PICTURE_SIDE_PX` a side.

    Returns
    -------
    str
        Its name in ``folder``, made from its content.

    Raises
    ------
    QuestionError
        If it is no picture, or has too few or too many pixels.
    """
    title = title or shown_name(path.name)
    if path.stat().st_size > PICTURE_BYTES:
        raise QuestionError(
            f"{title!r} is larger than {PICTURE_BYTES // 1_000_000} MB",
            allowed=PICTURES,
            next_step="crop it to the landform and save it as PNG or JPEG",
        )
    try:
        picture = open_picture(path)
    except InputError as error:
        if error.allowed.startswith("at "):  # its size: the words fit as they are
            what = error.what.replace(path.name, repr(title), 1)
            raise QuestionError(what, allowed=error.allowed, next_step=error.next_step) from error
        if Path(title).suffix.lower() not in PICTURE_SUFFIXES:
            raise QuestionError(
                f"{title!r} is neither a picture nor a catalogue",
                allowed=f"{PICTURES}, {CATALOGUES}",
                next_step="save it in one of these formats and bring it again, or ask in words",
            ) from error
        reason = re.search(r"\((.*)\)$", error.what)
        raise QuestionError(
            f"{title!r} cannot be read as a picture" + (f" ({reason[1]})" if reason else ""),
            allowed=f"{PICTURES}, {CATALOGUES}",
            next_step="save a picture as PNG or JPEG and attach it again, or ask in words",
        ) from error
    picture.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX))
    content = io.BytesIO()
    picture.save(content, "PNG")
    name = f"picture-{hashlib.sha256(content.getvalue()).hexdigest()[:12]}.png"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{name}.{threading.get_ident()}.tmp"
    temporary.write_bytes(content.getvalue())
    temporary.replace(folder / name)
    return name


def keep_catalogue(path: Path, folder: Path, title: str = "") -> str:
    """Keep a catalogue as it is, under the name that its owner gave it as far as that is safe.

    Returns
    -------
    str
        Its name in ``folder``; with a part of its fingerprint where another file has that name already.

    Raises
    ------
    QuestionError
        If it is too large, empty, or a transcript of ours.
    """
    title = title or shown_name(path.name)
    size = path.stat().st_size
    if size > CATALOGUE_BYTES:
        raise QuestionError(
            f"{title!r} has {size / 1e6:,.0f} MB",
            allowed=f"catalogues of at most {CATALOGUE_BYTES // 1_000_000} MB",
            next_step="cut it to the region or the sizes that matter, or save it as GeoPackage",
        )
    if not size:
        raise QuestionError(f"{title!r} is empty", next_step="save the file again and bring it anew")
    if _is_transcript(path):
        raise TranscriptBroughtError(
            f"{title!r} is a transcript, not a catalogue",
            next_step="open it in the tab Share, to look at it and go on from it",
        )
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    stem, suffix = safe_stem(title), Path(title).suffix.lower()
    for name in (f"{stem}{suffix}", f"{stem}-{digest[:8]}{suffix}"):
        place = folder / name
        if not place.exists() or _digest(place) == digest:
            break
    temporary = folder / f".{name}.{threading.get_ident()}.tmp"
    try:
        shutil.copyfile(path, temporary)
        temporary.replace(folder / name)
    finally:
        temporary.unlink(missing_ok=True)
    return name


def safe_stem(title: str) -> str:
    """The name of a file without its ending, of letters, digits, ``_``, ``.`` and ``-`` only."""
    stem = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFKC", Path(title).stem))
    return stem.lstrip("._-")[:60].rstrip("._-") or "catalogue"


def shown_name(name: str) -> str:
    """A file's name without folders and without what would not be seen, or would turn the line around."""
    bare = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(character for character in bare if character.isprintable() and character not in "<>")
    stem, dot, suffix = seen.strip().rpartition(".")
    return f"{stem[:80]}{dot}{suffix[:12]}" if dot else seen[:80] or "file"


def _check_room(path: Path, folder: Path, title: str) -> None:
    if path.is_symlink() or not path.is_file():
        raise QuestionError(f"{title!r} did not arrive whole", next_step="attach it again")
    size = path.stat().st_size
    kept = sum(entry.stat().st_size for entry in os.scandir(folder)) if folder.is_dir() else 0
    if kept + size > MOST_KEPT_BYTES:
        raise QuestionError(
            f"this conversation holds {kept / 1e6:,.0f} MB of files already",
            allowed=f"at most {MOST_KEPT_BYTES // 1_000_000:,} MB",
            next_step="begin a new conversation for this file",
        )
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    if shutil.disk_usage(there).free < size + SPARE_BYTES:
        raise QuestionError(
            f"the server's disk has no room for {title!r}",
            next_step="tell whoever runs this server, or bring a smaller file",
        )


def _is_transcript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.rpartition("/")[2] == _TRANSCRIPT for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
