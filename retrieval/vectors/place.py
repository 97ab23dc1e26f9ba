"""Where the vectors of an index are, if not in its folder: ``vectors.json``, which names a Milvus collection.

The file is no part of what was built, so the manifest does not list it, and it holds no secret: delete it to
search the vectors in the folder again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import SettingsError, VectorsError
from retrieval.vectors.milvus_link import Address, parse_address

PLACE = "vectors.json"


@dataclass(frozen=True)
class Place:
    """A collection of a Milvus.

    Attributes
    ----------
    address, collection
        The Milvus and the collection in it.
    ranges
        Of 8-bit codes: lowest value and width of the range of each dimension, (2, d); empty for other kinds.
    """

    address: Address
    collection: str
    ranges: tuple[tuple[float, ...], ...] = ()

    def __str__(self) -> str:
        return f"collection {self.collection} of Milvus {self.address}"


def read_place(folder: Path) -> Place | None:
    """The place that an index folder names, or None if its vectors are its own.

    Raises
    ------
    VectorsError
        If the file is not what `write_place` wrote.
    """
    path = folder / PLACE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["kind"] != "milvus":
            raise ValueError(f"it is of kind {values['kind']!r}")
        ranges = tuple(tuple(float(number) for number in row) for row in values.get("ranges", ()))
        return Place(parse_address(values["address"]), str(values["collection"]), ranges)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SettingsError) as error:
        raise VectorsError(
            f"{path} does not say where the vectors are ({str(error)[:200]})",
            next_step="publish the index again with --use, or delete the file to search the folder's own",
        ) from error


def write_place(folder: Path, place: Place) -> Path:
    """Let an index take its vectors from a place; the path of the file."""
    path = folder / PLACE
    values = {"kind": "milvus", "address": place.address.uri, "collection": place.collection}
    text = json.dumps({**values, **({"ranges": place.ranges} if place.ranges else {})}, indent=1)
    staged = path.with_name(f".{PLACE}.{os.getpid()}")
    staged.write_text(text, encoding="utf-8")
    os.replace(staged, path)
    return path
