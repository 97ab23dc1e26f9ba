"""A plain folder of pictures with a table of captions: somebody's own pairs, trained on as they are.

The table is ``pairs.csv``, or the only .csv of the folder, with the columns

========================  ==========================================================================
``file``                  path of a picture, relative to the folder; several rows may name one picture
``caption``               a sentence; or ``caption_1``, ``caption_2``, ... with several in one row
``landforms`` (optional)  keys that the picture surely shows, separated by ``;``
``absent`` (optional)     keys that it surely does not show; ``*`` for all that the folder speaks of
``split`` (optional)      ``train`` (also where empty), ``val`` or ``test``
========================  ==========================================================================

What neither ``landforms`` nor ``absent`` names is unknown.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import SettingsError
from retrieval.training.folders import SPLITS, Part, Split, decode, has_colours, in_threads

_R = TypeVar("_R")
_AT_ONCE = 512
_CAPTION = re.compile(r"caption(_\d+)?")


@dataclass
class _Entry:
    """What the table says of one picture."""

    file: str
    split: str
    line: int
    captions: list[str] = field(default_factory=list)
    landforms: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)


class CsvFolder:
    """A plain folder whose table has been read; see `PairFolder`.

    Raises
    ------
    SettingsError
        If the table cannot be read, contradicts itself, or names a picture that is not there.
    """

    size_px: int | None = None

    def __init__(self, path: Path, table: Path) -> None:
        self.path = path
        self._table = table
        self._entries = _read_table(table)
        named = {key for entry in self._entries for key in entry.landforms | entry.absent} - {"*"}
        self.keys: tuple[str, ...] = tuple(sorted(named))
        for entry in self._entries:
            if not (path / entry.file).is_file():
                raise SettingsError(
                    f"{table}, line {entry.line}: there is no picture {entry.file} in {path}",
                    next_step="put it there, or remove the line",
                )

    def count(self, split: Split) -> int:
        """Number of pictures of a split."""
        return len(self._of(split))

    def coloured(self) -> bool:
        """Whether any picture has colours."""
        return any(self._opened(entry, has_colours) for entry in self._entries)

    def parts(self, split: Split, size_px: int, grey: bool) -> Iterator[Part]:
        """The pictures of a split, brought to one size."""
        entries = self._of(split)
        for start in range(0, len(entries), _AT_ONCE):
            some = entries[start : start + _AT_ONCE]
            images = in_threads(
                lambda entry: self._opened(entry, lambda path: decode(path, size_px, grey)), some
            )
            labels, known = self._labels(some)
            yield Part(np.stack(list(images)), [tuple(entry.captions) for entry in some], labels, known)

    def _of(self, split: Split) -> list[_Entry]:
        return [entry for entry in self._entries if split in ("all", entry.split)]

    def _labels(self, entries: list[_Entry]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        shape = (len(entries), len(self.keys))
        labels = np.array([[key in e.landforms for key in self.keys] for e in entries], dtype=bool)
        absent = np.array([["*" in e.absent or key in e.absent for key in self.keys] for e in entries])
        return labels.reshape(shape), labels.reshape(shape) | absent.astype(bool).reshape(shape)

    def _opened(self, entry: _Entry, function: Callable[[Path], _R]) -> _R:
        path = self.path / entry.file
        try:
            return function(path)
        except (OSError, SyntaxError, ValueError) as error:
            raise SettingsError(
                f"{path} is no picture that can be read ({error})",
                allowed="whole pictures such as PNG, JPEG or TIFF",
                next_step=f"replace it, or remove line {entry.line} of {self._table}",
            ) from error


def find_table(folder: Path) -> Path | None:
    """The table of a plain folder; None if there is none.

    Raises
    ------
    SettingsError
        If there are several and none is called ``pairs.csv``.
    """
    if (folder / "pairs.csv").is_file():
        return folder / "pairs.csv"
    tables = sorted(folder.glob("*.csv"))
    if len(tables) > 1:
        raise SettingsError(
            f"{folder} has {len(tables)} tables: {', '.join(table.name for table in tables[:4])}",
            next_step="call the one with the captions pairs.csv",
        )
    return tables[0] if tables else None


def _read_table(table: Path) -> list[_Entry]:
    entries: dict[str, _Entry] = {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = [name for name in reader.fieldnames or () if _CAPTION.fullmatch(name)]
            if "file" not in (reader.fieldnames or ()) or not columns:
                raise SettingsError(
                    f"{table} has the columns {', '.join(reader.fieldnames or ()) or 'of an empty file'}",
                    allowed="file and caption (or caption_1, caption_2, ...); landforms, absent, split",
                )
            for row in reader:
                _add_row(entries, row, columns, f"{table}, line {reader.line_num}", reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"{table} is no table that can be read ({error})", next_step="save it as CSV in UTF-8"
        ) from error
    if not entries:
        raise SettingsError(f"{table} has no rows", next_step="add a line for every picture and caption")
    return list(entries.values())


def _add_row(
    entries: dict[str, _Entry], row: dict[str, str | None], columns: list[str], where: str, line: int
) -> None:
    file, split = (row["file"] or "").strip(), (row.get("split") or "").strip() or SPLITS[0]
    captions = [text for column in columns if (text := (row[column] or "").strip())]
    if not file or not captions:
        missing = "caption" if file else "file"
        raise SettingsError(f"{where}: the {missing} is empty", next_step="fill it, or remove the line")
    if split not in SPLITS:
        raise SettingsError(f"{where}: there is no split {split!r}", allowed=", ".join(SPLITS))
    entry = entries.setdefault(file, _Entry(file, split, line))
    if entry.split != split:
        raise SettingsError(
            f"{where}: {file} is in {split} here and in {entry.split} on line {entry.line}",
            next_step="put a picture into one split",
        )
    entry.captions += [text for text in captions if text not in entry.captions]
    entry.landforms |= _keys(row.get("landforms"))
    entry.absent |= _keys(row.get("absent"))
    if "*" in entry.landforms:
        raise SettingsError(f"{where}: {file} cannot show *", allowed="keys of landforms")
    if both := entry.landforms & entry.absent:
        raise SettingsError(
            f"{where}: {file} both shows and does not show {sorted(both)[0]}", next_step="remove one of them"
        )


def _keys(cell: str | None) -> set[str]:
    return {key.strip() for key in (cell or "").split(";")} - {""}
