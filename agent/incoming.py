"""What a stranger's bundle says, checked before any of it is believed: turns, layers, judgements, tests.

Nothing here is run, unpickled or rendered. What is read is bounded in number, depth and length; a layer's
table is rebuilt column by column from plain types, and must be the one that the transcript says it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.events import Turn
from retrieval.errors import BundleError, GeometryError
from retrieval.index import TileIndex
from tools import TOOLS
from tools.layers import COLUMNS, Layer, Provenance, make_table

Json = Any

MOST_TURNS = 1_000
MOST_STEPS = 10_000
MOST_ROWS = 2_000_000
MOST_COLUMNS = 100
MOST_TEXT_BYTES = 300_000_000  # of a layer's texts and shapes, once they are unpacked
MOST_CORNERS = 20_000_000
DEEPEST = 16
LONGEST_TEXT = 200_000
PLACE_TOLERANCE_DEG = 1e-5

# What the libraries raise on files that are torn or were made by hand.
_UNREADABLE = (
    pa.ArrowException,
    shapely.errors.ShapelyError,
    GeometryError,
    OSError,
    MemoryError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
)

ALLOWED = "a .zip transcript that Areographer wrote"
AGAIN = "ask for the bundle again, or read the transcript.html that lies in it"

LayerId = Annotated[str, Field(pattern=r"^L[1-9]\d{0,4}$")]
_Short = Field(max_length=400)
_Number = int | float | None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Step(_Strict):
    step_id: str = _Short
    tool: str = Field(max_length=60)
    arguments: dict[str, Json]
    summary: str
    layer_ids: tuple[LayerId, ...] = Field(max_length=100)
    figures: dict[str, _Number]
    pictures: tuple[str, ...] = Field(max_length=100)
    seconds: float = Field(ge=0, le=1e7)
    error: str
    layers: tuple[dict[str, Json], ...]
    table: tuple[dict[str, Json], ...]
    files: tuple[str, ...] = Field(max_length=1000)


class _Evidence(_Strict):
    checked: int = Field(ge=0, le=1_000_000)
    unsupported: tuple[str, ...]
    citations: tuple[LayerId, ...]
    ends: tuple[int, ...]


class _Turn(_Strict):
    question: str = Field(min_length=1)
    steps: tuple[_Step, ...]
    answer: str
    status: Literal["answered", "asked", "declined", "failed", "stopped"]
    evidence: _Evidence
    suggestions: tuple[str, ...] = Field(max_length=20)
    model: str = _Short
    started: str = _Short
    seconds: float = Field(ge=0, le=1e7)
    plan: str


class _Made(_Strict):
    tool: str = Field(max_length=60)
    arguments: dict[str, Json]
    body: str
    parents: tuple[str, ...]
    index: str
    encoder: str
    query: str
    templates: tuple[str, ...]
    threshold: float | None = Field(ge=0, le=1)
    threshold_method: str
    counts_at: dict[str, int]
    score_rule: str
    notes: tuple[str, ...]
    seed: int
    versions: dict[str, str]


class LayerAbout(_Strict):
    """What the transcript says of a layer."""

    id: LayerId
    title: str = _Short
    kind: Literal["tiles", "features", "catalogue"]
    count: int = Field(ge=0, le=MOST_ROWS)
    hash: str = Field(pattern=r"^[0-9a-f]{16}$")
    file: str
    provenance: _Made


_LABELS = TypeAdapter(list[dict[str, str]])
_TESTS = TypeAdapter(dict[str, float | None])
_LAYERS = TypeAdapter(list[LayerAbout])


def check_turns(turns: tuple[Turn, ...]) -> None:
    """Refuse turns that no conversation of this version could have had.

    Raises
    ------
    BundleError
        If there are too many, a value is of another kind, endless or not finite, or a step that worked used a
        tool that does not exist.
    """
    if len(turns) > MOST_TURNS:
        raise refused(f"has {len(turns):,} questions", f"at most {MOST_TURNS:,}")
    if sum(len(turn.steps) for turn in turns) > MOST_STEPS:
        raise refused("has too many steps", f"at most {MOST_STEPS:,}")
    tools = {tool.__name__ for tool in TOOLS}
    for number, turn in enumerate(turns, 1):
        values = turn.to_json()
        check_plain(values, f"question {number}")
        try:
            _Turn.model_validate_json(json.dumps(values))
        except ValidationError as error:
            raise refused(f"has a question {number} that is none ({_first(error)})") from error
        for step in turn.steps:
            # A model may have made up a tool; it got an error, which is part of the conversation.
            if not step.error and step.tool not in tools:
                raise BundleError(
                    f"question {number} of the bundle used a tool {step.tool[:40]!r} that this version does "
                    "not have",
                    allowed=", ".join(sorted(tools)),
                    next_step="install a newer version of Areographer, or read the transcript.html in it",
                )


def check_plain(value: Json, what: str, depth: int = 0) -> None:
    """Refuse JSON that is too deep, too long or not finite."""
    if depth > DEEPEST:
        raise refused(f"has values in {what} that are nested more than {DEEPEST} deep")
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise refused(f"has a text of {len(value):,} characters in {what}", f"at most {LONGEST_TEXT:,}")
        try:
            value.encode()
        except UnicodeEncodeError as error:  # half a surrogate pair
            raise refused(f"has a text in {what} that is none") from error
    elif isinstance(value, (int, float)):
        if abs(value) > 1e300 or not math.isfinite(value):
            raise refused(f"has a number in {what} that is none")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_plain(str(name), what, depth + 1)
            check_plain(item, what, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_plain(item, what, depth + 1)


def read_layers_said(record: Json) -> list[LayerAbout]:
    """What a ``transcript.json`` says of its layers, each id once."""
    check_plain(record, "its layers")
    try:
        said = _LAYERS.validate_json(json.dumps(record))
    except ValidationError as error:
        raise refused(f"describes a layer as none can be ({_first(error)})") from error
    if len({about.id for about in said}) != len(said):
        raise refused("describes a layer twice")
    return said


def read_labels(record: Json) -> list[dict[str, str]]:
    """The judgements of a ``transcript.json``; `agent.labels` knows what may stand in them."""
    check_plain(record, "its judgements")
    try:
        return _LABELS.validate_python(record, strict=True)
    except ValidationError as error:
        raise refused(f"has judgements that are none ({_first(error)})") from error


def read_tests(content: bytes) -> dict[str, float | None]:
    """The tests made so far: name -> p value, None for one that could not tell."""
    try:
        tests = _TESTS.validate_json(content)
    except ValidationError as error:
        raise refused(f"has tests that are none ({_first(error)})") from error
    if len(tests) > MOST_STEPS or any(len(name) > LONGEST_TEXT for name in tests):
        raise refused("has too many tests")
    if any(p is not None and not 0 <= p <= 1 for p in tests.values()):
        raise refused("has a test whose p value is none")
    return tests


def read_layer(content: bytes, about: LayerAbout, index: TileIndex) -> tuple[Layer, list[str]]:
    """A layer from its Parquet file, and the names of columns that were left out.

    Raises
    ------
    BundleError
        If it is no table, is of another body, has rows that cannot be, or is not the one described.
    """
    if about.provenance.body != index.body.name:
        raise refused(f"has a layer {about.id} of {about.provenance.body[:40]!r}")
    try:
        columns, left_out = _columns(content, about)
        layer = _layer(columns, about, index)
    except _UNREADABLE as error:
        raise refused(f"has a layer {about.id} that cannot be read ({_first(error)})") from error
    if (len(layer), layer.hash) != (about.count, about.hash):
        raise refused(f"has a layer {about.id} with other rows than its transcript says: it was changed")
    return layer, left_out


def refused(what: str, allowed: str = ALLOWED) -> BundleError:
    """The error for a bundle whose files are whole but say what cannot be."""
    return BundleError(f"the bundle {what}", allowed=allowed, next_step=AGAIN)


def _columns(content: bytes, about: LayerAbout) -> tuple[dict[str, Any], list[str]]:
    """Columns of plain types, as arrays; names of the others."""
    # Limits of the reader itself first, then those of the file's own account, before any row is read.
    limits: dict[str, Any] = {
        "thrift_string_size_limit": 10_000_000,
        "thrift_container_size_limit": 100_000,
        "arrow_extensions_enabled": False,
    }
    source = pa.BufferReader(content)
    about_file = pq.ParquetFile(source, **limits).metadata
    names = [about_file.schema.column(i).path for i in range(about_file.num_columns)]
    if about_file.num_rows > MOST_ROWS or about_file.num_rows != about.count:
        raise refused(f"has a layer {about.id} of {about_file.num_rows:,} rows, not {about.count:,}")
    if len(names) > MOST_COLUMNS or not {*COLUMNS, "geometry"} <= set(names):
        raise refused(f"has a layer {about.id} without the columns of one")
    schema = about_file.schema.to_arrow_schema()
    texts = [field.name for field in schema if _is_text(field.type)]
    # As dictionaries: what is repeated a million times in the file is not yet so in memory.
    file = pq.ParquetFile(source, read_dictionary=texts, **limits)
    kept, left_out = {}, []
    budget = MOST_TEXT_BYTES
    for field in schema:
        if not (_is_text(field.type) or _is_plain(field.type)):
            left_out.append(field.name)
            continue
        column = file.read(columns=[field.name]).column(0)
        if pa.types.is_dictionary(column.type):
            budget -= _unpacked_bytes(column)
            if budget < 0:
                raise refused(f"has a layer {about.id} whose texts unpack to too much")
            column = column.cast(column.type.value_type)
        column.validate(full=True)  # texts that are none would be found out much later
        kept[field.name] = column
    return kept, left_out


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_timestamp(kind)
        or types.is_date(kind)
    )


def _unpacked_bytes(column: pa.ChunkedArray) -> int:
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


def _layer(columns: dict[str, Any], about: LayerAbout, index: TileIndex) -> Layer:
    body = index.body
    if columns["row_id"].null_count or not pa.types.is_string(columns["row_id"].type):
        columns["row_id"] = columns["row_id"].cast(pa.string())
    ids = columns["row_id"].to_pylist()
    if any(name is None or not 0 < len(name) <= 400 for name in ids):
        raise refused(f"has a layer {about.id} with rows that have no id")
    numbers = {name: columns[name].cast(pa.float64()).to_numpy() for name in COLUMNS[1:]}
    lonlat = np.stack([numbers["lon"], numbers["lat"]], axis=-1)
    probability = numbers["probability"]
    if ((probability < 0) | (probability > 1)).any() or np.isinf(numbers["score"]).any():
        raise refused(f"has a layer {about.id} with a probability or score that is none")
    shapes = _shapes(columns["geometry"], lonlat, about)
    more = {
        name: column.to_pandas() for name, column in columns.items() if name not in (*COLUMNS, "geometry")
    }
    if "geometry" in more or not all(name.isprintable() and len(name) <= 100 for name in more):
        raise refused(f"has a layer {about.id} with a column of an odd name")
    table = make_table(body, ids, lonlat, numbers["score"], probability, shapes)
    for name, values in more.items():
        table[name] = values
    table = table[list(columns)]
    if about.kind == "tiles":
        _check_tiles(table, about, index)
    values = about.provenance.model_dump()
    return Layer(about.id, about.title, about.kind, table, Provenance(**values))


def _shapes(column: pa.ChunkedArray, lonlat: np.ndarray, about: LayerAbout) -> np.ndarray:
    kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise refused(f"has a layer {about.id} whose shapes are not written as WKB")
    shapes = np.asarray(shapely.from_wkb(column.to_pylist(), on_invalid="raise"), dtype=object)
    corners, row = shapely.get_coordinates(shapes, return_index=True)
    inside = np.isfinite(corners).all() and (np.abs(corners) <= [180 + 1e-9, 90 + 1e-9]).all()
    whole = len(np.unique(row)) == len(shapes) and (shapely.get_type_id(shapes) <= 6).all()
    if not (inside and whole) or len(corners) > MOST_CORNERS:
        raise refused(f"has a layer {about.id} with a shape that cannot lie on a body")
    points = shapely.get_type_id(shapes) == 0
    if not np.allclose(shapely.get_coordinates(shapes[points]), lonlat[points], atol=PLACE_TOLERANCE_DEG):
        raise refused(f"has a layer {about.id} whose points lie elsewhere than it says")
    return shapes


def _check_tiles(table: Any, about: LayerAbout, index: TileIndex) -> None:
    rows = index.tiles.rows_of(table["row_id"].astype(str).tolist())
    if (rows < 0).any():
        odd = str(table["row_id"].iloc[int(np.argmax(rows < 0))])
        raise refused(f"has a layer {about.id} with a tile {odd[:40]!r} that the index does not have")
    there = index.tiles.centres(rows)
    if not np.allclose(there, table[["lon", "lat"]].to_numpy(dtype=float), atol=PLACE_TOLERANCE_DEG):
        raise refused(f"has a layer {about.id} with tiles that lie elsewhere than the index says")


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])[:80]}: {first['msg'][:120]}"
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
