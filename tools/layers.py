"""Layers: named results with provenance, and the store that keeps them as GeoParquet.

A layer is a table of rows on the body's CRS, each a point, a line or a polygon, plus the record of how it was
made. The model never sees the table: it sees `Layer.brief`. Tables are written once and never changed; a new
result is a new layer.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from geopandas.array import GeometryArray
from numpy.typing import ArrayLike

from retrieval.body import Body, get_body
from retrieval.errors import GeometryError, ToolInputError
from retrieval.spatial.shapes import Shapes
from retrieval.spatial.sphere import check_lonlat
from tools.layer_files import read_table, write_table

Json = Any
Kind = Literal["tiles", "features", "catalogue"]

# Every layer table has these columns, in this order, before any other.
COLUMNS = ("row_id", "lon", "lat", "score", "probability")


@dataclass(frozen=True)
class Provenance:
    """How a layer was made; plain JSON values throughout.

    Attributes
    ----------
    tool, arguments
        The call that made it.
    parents
        Ids of the layers it was made from.
    body, index, encoder
        Name of the body and fingerprints of the index and the encoder.
    query, templates
        What was asked of the encoder, if anything.
    threshold, threshold_method, counts_at
        Smallest probability kept, how it was chosen, and the number of rows at other thresholds
        (``{"0.40": 120, "0.50": 96, "0.60": 71}``), so that its sensitivity is on record.
    score_rule
        How the scores of parents were combined, in words.
    notes
        Checks and caveats, one sentence each.
    """

    tool: str
    arguments: dict[str, Json]
    body: str
    parents: tuple[str, ...] = ()
    index: str = ""
    encoder: str = ""
    query: str = ""
    templates: tuple[str, ...] = ()
    threshold: float | None = None
    threshold_method: str = ""
    counts_at: dict[str, int] = field(default_factory=dict)
    score_rule: str = ""
    notes: tuple[str, ...] = ()
    seed: int = 0
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """A named result.

    Attributes
    ----------
    id
        ``L1``, ``L2``...: the citation key.
    title
        A short noun phrase: ``pitted cones``.
    kind
        Whether rows are index tiles, merged features, or entries of a catalogue.
    table
        GeoDataFrame with `COLUMNS` and any others; ``row_id`` is the tile id or the catalogue's own id;
        ``lon`` and ``lat`` are a position that stands for the row; ``score`` and ``probability`` are NaN for
        catalogue rows. The geometry is that position, or the line or polygon that the row is.
    provenance
        How it was made.
    """

    id: str
    title: str
    kind: Kind
    table: gpd.GeoDataFrame
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.table)

    @property
    def lonlat(self) -> np.ndarray:
        """Positions, shape (n, 2), degrees."""
        return np.asarray(self.table[["lon", "lat"]], dtype=float)

    @property
    def shapes(self) -> Shapes:
        """Geometry of each row, (n,), as `retrieval.spatial.shapes.normalised` makes it."""
        return np.asarray(self.table.geometry.array, dtype=object)

    @property
    def pointlike(self) -> bool:
        """Whether every row is a point, tiles among them."""
        return not (shapely.get_dimensions(self.shapes) > 0).any()

    @property
    def hash(self) -> str:
        """Fingerprint of the rows: ids, shapes and scores, the same on every run and platform."""
        digest = hashlib.sha256()
        table = self.table
        digest.update("\n".join(table["row_id"].astype(str).tolist()).encode())
        for column in ("lon", "lat", "score", "probability"):
            values = np.round(table[column].to_numpy(dtype=float), 5) + 0.0
            digest.update(values.astype("<f8").tobytes())
        if not self.pointlike:
            corners, row = shapely.get_coordinates(self.shapes, return_index=True)
            digest.update((np.round(corners, 5) + 0.0).astype("<f8").tobytes())
            digest.update(row.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def brief(self, rows: int = 0) -> dict[str, Json]:
        """What a model may see: identity, count, extent, quantiles and at most ``rows`` rows."""
        table = self.table
        brief: dict[str, Json] = {
            "id": self.id,
            "title": self.title,
            "kind": self.kind,
            "count": len(table),
            **({} if self.pointlike else {"shapes": _shape_words(self.shapes)}),
            "threshold": self.provenance.threshold,
        }
        if len(table):
            brief["lat_range_deg"] = [
                round(float(table["lat"].min()), 2),
                round(float(table["lat"].max()), 2),
            ]
            if table["probability"].notna().any():
                quantiles = table["probability"].quantile([0.1, 0.5, 0.9])
                brief["probability_q10_q50_q90"] = [round(float(q), 3) for q in quantiles]
        if rows:
            brief["rows"] = json.loads(
                pd.DataFrame(table.drop(columns="geometry")).head(rows).round(4).to_json(orient="records")
            )
        return brief


def make_table(
    body: Body,
    row_ids: Sequence[str] | pd.Series,
    lonlat: ArrayLike,
    score: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    shapes: Shapes | None = None,
    **columns: Any,
) -> gpd.GeoDataFrame:
    """Assemble a layer table; missing scores become NaN.

    Parameters
    ----------
    lonlat
        Shape (n, 2), degrees; longitudes in either domain.
    shapes
        The line or polygon of each row, (n,), normalised; the positions themselves if not given.

    Raises
    ------
    GeometryError
        If a position is missing or cannot lie on a body, or there is not one for each id.
    """
    n = len(row_ids)
    nan = np.full(n, np.nan)
    points = check_lonlat(lonlat, "rows of a layer")
    if len(points) != n:
        raise GeometryError(f"{len(points)} positions were given for {n} rows", allowed="one each")
    data = {
        "row_id": pd.Series(row_ids if isinstance(row_ids, pd.Series) else list(row_ids), dtype="str"),
        "lon": points[:, 0],
        "lat": points[:, 1],
        "score": nan if score is None else np.asarray(score, dtype=float),
        "probability": nan if probability is None else np.asarray(probability, dtype=float),
        **columns,
    }
    own = shapely.points(points) if shapes is None else shapes
    return gpd.GeoDataFrame({**data, "geometry": GeometryArray(np.asarray(own, dtype=object), crs=body.crs)})


def keys_of(layer: Layer) -> pd.Index:
    """What tells the rows of a layer apart in any other layer of its kind, (n,), each once.

    The id of a tile or of an entry of a catalogue; features are numbered anew in each layer, so it is their
    place.
    """
    table = layer.table
    if layer.kind != "features":
        ids = table["row_id"].astype(str)
    else:
        at = np.round(layer.lonlat, 5) + 0.0
        ids = pd.Series(at[:, 0]).astype(str) + " " + pd.Series(at[:, 1]).astype(str)
    # Several entries may share an id, or a place: they are told apart by their order.
    keys: pd.Index = pd.Index(ids.groupby(ids).cumcount().astype(str) + "|" + ids)
    return keys


def same_rows(one: Layer, two: Layer) -> bool:
    """Whether two layers hold the same rows with the same probabilities, in the same order."""
    if one.kind != two.kind or len(one) != len(two):
        return False
    first, second = (np.round(layer.table["probability"].to_numpy(dtype=float), 5) for layer in (one, two))
    return bool(keys_of(one).equals(keys_of(two)) and np.array_equal(first, second, equal_nan=True))


def _shape_words(shapes: Shapes) -> str:
    names = ("points", "lines", "polygons")
    return " and ".join(names[d] for d in np.unique(shapely.get_dimensions(shapes)).tolist() if d >= 0)


def shorten(title: str, longest: int = 120) -> str:
    """A title that fits, cut at a word where one is near."""
    if len(title) <= longest:
        return title
    cut = title[: longest - 1]
    head = cut.rsplit(" ", 1)[0]
    return (head if len(head) > longest // 2 else cut).rstrip(" ,") + "…"


class LayerStore:
    """The layers of one conversation, in one folder: ``L1.parquet`` and ``L1.json`` each.

    Parameters
    ----------
    folder
        Made if missing. The JSON is written last, so a layer without one never existed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._cache: dict[str, Layer] = {}

    def ids(self) -> list[str]:
        """Ids in the order they were made."""
        found = [p.stem for p in self.folder.glob("L*.json") if re.fullmatch(r"L\d+", p.stem)]
        return sorted(found, key=lambda name: int(name[1:]))

    def __iter__(self) -> Iterator[Layer]:
        return (self.get(layer_id) for layer_id in self.ids())

    def __len__(self) -> int:
        return len(self.ids())

    def add(self, title: str, kind: Kind, table: gpd.GeoDataFrame, provenance: Provenance) -> Layer:
        """Store a new layer under the next free id and return it."""
        ids = self.ids()
        layer_id = f"L{int(ids[-1][1:]) + 1 if ids else 1}"
        layer = Layer(layer_id, shorten(title), kind, table.reset_index(drop=True), provenance)
        self.put(layer)
        return layer

    def put(self, layer: Layer) -> None:
        """Store a layer under its own id, in place of one that has it."""
        parquet, record = self._paths(layer.id)
        _replace(parquet, lambda tmp: write_table(layer.table, tmp))
        made = asdict(layer.provenance)
        about = {"id": layer.id, "title": layer.title, "kind": layer.kind, "provenance": made}
        _replace(record, lambda tmp: tmp.write_text(json.dumps(about, indent=1), encoding="utf-8"))
        self._cache[layer.id] = layer

    def get(self, layer_id: str) -> Layer:
        """Layer by id.

        Raises
        ------
        ToolInputError
            If there is no such layer; the message lists those there are.
        """
        key = str(layer_id).strip().strip("[]").upper()
        if key in self._cache:
            return self._cache[key]
        if key not in self.ids():
            raise ToolInputError(
                f"there is no layer {str(layer_id)[:40]!r}",
                allowed=", ".join(self.ids()) or "none yet",
                next_step="search first, then use the id of the layer it made",
            )
        try:
            layer = self._read(key)
        except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are ValueErrors
            raise ToolInputError(
                f"the files of layer {key} are damaged ({type(error).__name__})",
                next_step="make the layer again with the call that made it",
            ) from error
        self._cache[key] = layer
        return layer

    def first_like(self, layer_id: str) -> str:
        """The first layer that the same tool made with the same rows: made again, a layer is no other one.

        The id as given if there is no such layer.
        """
        if layer_id not in self.ids():
            return layer_id
        tool = self._tool_of(layer_id)
        for earlier in self.ids():
            if earlier == layer_id:
                break
            try:
                if self._tool_of(earlier) == tool and same_rows(self.get(earlier), self.get(layer_id)):
                    return earlier
            except ToolInputError:  # its files are gone or damaged
                continue
        return layer_id

    def record_test(self, name: str, p_value: float) -> dict[str, float]:
        """Add a test to those of the conversation, ``tests.json``; all p values by name, oldest first.

        NaN, a test that could not tell, is kept as null.
        """
        path = self.folder / "tests.json"
        try:
            tests = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none yet, or torn by a full disk: the count begins anew
            tests = {}
        tests = {str(key): float("nan") if p is None else float(p) for key, p in tests.items()}
        tests[name] = float(p_value)
        record = json.dumps({key: p if math.isfinite(p) else None for key, p in tests.items()}, indent=1)
        _replace(path, lambda tmp: tmp.write_text(record, encoding="utf-8"))
        return tests

    def _tool_of(self, key: str) -> str:
        if key in self._cache:
            return self._cache[key].provenance.tool
        try:
            about = json.loads(self._paths(key)[1].read_text(encoding="utf-8"))
            return str(about["provenance"]["tool"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _read(self, key: str) -> Layer:
        parquet, record = self._paths(key)
        about = json.loads(record.read_text(encoding="utf-8"))
        values = about["provenance"]
        for name in ("parents", "templates", "notes"):
            values[name] = tuple(values[name])
        table = read_table(parquet, get_body(values["body"]))
        return Layer(key, about["title"], about["kind"], table, Provenance(**values))

    def _paths(self, layer_id: str) -> tuple[Path, Path]:
        return self.folder / f"{layer_id}.parquet", self.folder / f"{layer_id}.json"


def _replace(path: Path, write: Any) -> None:
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
