"""What is true of a planet, and what a search finds of it: both as sets of tiles, combined alike.

The truth is that of the planet's tile labels (`retrieval.corpus.lowell.truth`); what is found are the hits of
one search for the glossary's term. Relations and limits are worked out here by themselves, not by the tools
that are judged. What retrieval makes of a question is then known: the precision and recall of the hits, with
all the question's conditions, against the truth with the same conditions.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from agent.evaluate.plans import Condition, Layer
from prompts import Prompts, Term
from retrieval.body import unit_vectors
from retrieval.corpus.lowell.planet import cached_planet
from retrieval.errors import SettingsError
from retrieval.evaluate.landforms import lowell_truth
from retrieval.query import Asked, ask

if TYPE_CHECKING:
    import pandas as pd

    from retrieval.corpus.lowell.planet import Planet
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Side = Literal["truth", "hits"]

# What people name together: any of the planet's own kinds.
GROUPS = {
    "impact_crater": (
        "simple_crater",
        "degraded_crater",
        "central_peak_crater",
        "layered_ejecta_crater",
        "pedestal_crater",
    ),
    "dunes": ("transverse_dunes", "barchan_dunes"),
    "channel": ("valley_network", "outflow_channel", "inverted_channels"),
}
ALIKE = 0.5  # of all tiles that two searches found, the share that both found: then they looked for the same
_BLANK = re.compile(r"<(\w+)(?: (\w+))?>")


def open_ground(index: TileIndex, encoder: Encoder, prompts: Prompts, seed: int | None = None) -> Ground:
    """The ground of an index of Lowell.

    Raises
    ------
    IndexFolderError
        If the index is not of Lowell, of another seed than that given, or drawn by another version of it.
    """
    labels = lowell_truth(index, seed)[0]
    return Ground(index, encoder, prompts, labels, int(index.manifest.source["seed"]))


@dataclass(frozen=True)
class Quality:
    """How well hits meet the truth."""

    true: int
    found: int
    precision: float
    recall: float
    f1: float


class Ground:
    """A planet whose truth is known, its index, and what a search for each landform finds.

    Parameters
    ----------
    labels
        Which landforms each row of the index shows: bool, shape (n, landform keys).
    seed
        Of the planet.
    """

    def __init__(
        self, index: TileIndex, encoder: Encoder, prompts: Prompts, labels: pd.DataFrame, seed: int
    ) -> None:
        self.labels, self.seed = labels, seed
        self.index, self.prompts, self.body = index, prompts, index.body
        self.lonlat = index.tiles.lonlat
        self.area_km2 = index.tiles.areas_km2()
        self._encoder = encoder
        self._asked: dict[str, Asked] = {}
        self.key_of = landform_keys(prompts.glossary)

    @cached_property
    def planet(self) -> Planet:
        """The planet itself: catalogue, places, relief."""
        return cached_planet(self.seed)

    @cached_property
    def elevation_m(self) -> Floats:
        """Of each tile's middle, (n,)."""
        return np.asarray(self.planet.elevation_m(self.lonlat), dtype=np.float64)

    def truth(self, key: str) -> Bools:
        """Tiles that show a landform, (n,)."""
        keys = [name for name in GROUPS.get(key, (key,)) if name in self.labels]
        return np.asarray(self.labels[keys].to_numpy(dtype=bool).any(axis=1))

    def asked(self, key: str) -> Asked:
        """The search for the glossary's term."""
        if key not in self._asked:
            term = next((t.term for t in self.prompts.glossary if t.key == key), key)
            templates, glossary = self.prompts.templates, self.prompts.descriptions
            self._asked[key] = ask(self.index, self._encoder, term, templates, glossary)
        return self._asked[key]

    def hits(self, key: str) -> Bools:
        """Tiles that the search for a landform finds, (n,)."""
        found = self.asked(key).calibrated
        return np.asarray(found.probability >= found.threshold)

    def mask(self, layer: Layer, side: Side) -> Bools:
        """Tiles of a layer as an expected plan describes it, (n,).

        Raises
        ------
        SettingsError
            If it has a condition that is not known here.
        """
        if layer.way == "union":
            rows = np.any([self.mask(part, side) for part in layer.parts], axis=0)
        elif layer.way == "words":
            key = self.key_of(layer.sought) or layer.sought
            rows = self.truth(key) if side == "truth" else self.hits(key)
        else:
            raise SettingsError(f"the truth of a layer by {layer.way} is not known")
        for condition in sorted(layer.conditions, key=lambda one: one.kind == "nearest"):
            rows = rows & self._holds(condition, layer, rows, side)
        return np.asarray(rows)

    def quality(self, layer: Layer) -> Quality:
        """How well the search's own hits, with the conditions of a layer, meet the truth."""
        return compared(self.mask(layer, "hits"), self.mask(layer, "truth"))

    def rows_of(self, tile_ids: Sequence[str]) -> Bools:
        """Tiles by id as a mask; ids that are no tiles are left out."""
        rows = np.zeros(len(self.lonlat), dtype=bool)
        found = self.index.tiles.rows_of(tile_ids)
        rows[found[found >= 0]] = True
        return rows

    def apart_km(self, rows: Bools, others: Bools) -> Floats:
        """From each of some tiles to the nearest of others, km; inf where there is none."""
        if not others.any() or not rows.any():
            return np.full(int(rows.sum()), np.inf)
        tree = cKDTree(unit_vectors(self.lonlat[others]))
        straight = tree.query(unit_vectors(self.lonlat[rows]))[0]
        return np.asarray(2.0 * np.arcsin(np.clip(straight / 2.0, 0, 1)) * self.body.radius_km)

    def place(self, name: str) -> Mapping[str, Any]:
        """A place of the gazetteer by its name."""
        places = self.planet.places
        return dict(places[places["name"] == name].iloc[0])

    def in_place(self, lonlat: Floats, name: str, within_km: float | None = None) -> Bools:
        """Which points, (n, 2), lie in a place: within a distance of its centre, or its radius."""
        place = self.place(name)
        radius = within_km or place["diameter_km"] / 2
        return np.asarray(self.body.distance_km(lonlat, [place["lon"], place["lat"]]) <= radius)

    def filled(self, text: str, uploads: Path | None = None) -> str:
        """A text with names of this planet in its blanks: ``<mons>``, ``<wind yardangs>``,
        ``<tile gullies>``, ``<picture gullies>`` (whose picture is written).
        """

        def fill(match: re.Match[str]) -> str:
            kind, key = match[1], match[2] or ""
            if kind == "wind":
                return self._richest(key)
            if kind in ("tile", "picture"):
                return self._example(key, uploads if kind == "picture" else None)
            names = self.planet.places["name"].astype(str)
            return str(names[names.str.casefold().str.endswith(kind)].iloc[0])

        return _BLANK.sub(fill, text)

    def _richest(self, key: str) -> str:
        """The wind region with most of a landform."""
        names = [str(name) for name in self.planet.places["name"] if str(name).startswith("Wind region")]
        points = self.lonlat[self.truth(key)]
        return max(names, key=lambda name: int(self.in_place(points, name).sum()))

    def _example(self, key: str, uploads: Path | None) -> str:
        """A tile that shows a landform and is found; or a picture of it, by its file's name."""
        score = self.asked(key).scores * (self.truth(key) & self.hits(key))
        row = int(np.argsort(-score, kind="stable")[0])
        if uploads is None:
            return self.index.tiles.tile_id(row)
        name = f"view-{key}.png"
        uploads.mkdir(parents=True, exist_ok=True)
        Image.open(io.BytesIO(self.index.thumbnail(row))).convert("L").save(uploads / name)
        return name

    def _holds(self, condition: Condition, layer: Layer, rows: Bools, side: Side) -> Bools:
        values = dict(condition.values)
        lon, lat = self.lonlat[:, 0], self.lonlat[:, 1]
        if condition.kind == "latitude":
            return np.asarray(
                (lat >= values.get("min_lat_deg", -90.0)) & (lat <= values.get("max_lat_deg", 90.0))
            )
        if condition.kind == "longitude":
            width = (values["east_lon_deg"] - values["west_lon_deg"]) % 360.0
            return np.asarray((lon - values["west_lon_deg"]) % 360.0 <= width)
        if condition.kind == "elevation":
            low, high = values.get("min_elevation_m", -np.inf), values.get("max_elevation_m", np.inf)
            return np.asarray((self.elevation_m >= low) & (self.elevation_m <= high))
        if condition.kind == "probability":
            # What is there does not change with how sure a search is of it.
            chance = self.asked(self.key_of(layer.first.sought) or layer.first.sought).calibrated.probability
            sure: Bools = np.asarray(chance >= _middle(values["min_probability"]))
            return np.asarray(np.ones_like(sure) if side == "truth" else sure)
        if condition.kind == "place":
            return self.in_place(self.lonlat, str(values["place"]), values.get("within_km"))
        if condition.kind == "position":
            centre = [float(values["centre_lon_deg"]), float(values["centre_lat_deg"])]
            return np.asarray(self.body.distance_km(self.lonlat, centre) <= float(values["within_km"]))
        if condition.other is not None:
            return self._related(condition, rows, self.mask(condition.other, side))
        raise SettingsError(f"the condition {condition.kind!r} of an expected plan is not known")

    def _related(self, condition: Condition, rows: Bools, others: Bools) -> Bools:
        values = dict(condition.values)
        apart = np.full(len(rows), np.inf)
        apart[rows] = self.apart_km(rows, others)
        kind = condition.kind.split("|")[0]
        if kind == "near":
            return np.asarray(apart <= _middle(values["distance_km"]) + 1e-6)
        if kind == "without":
            return np.asarray(apart > _middle(values["distance_km"]) + 1e-6)
        if kind == "overlap":
            return self._beside(others)
        if kind == "nearest":
            nearest = np.zeros(len(rows), dtype=bool)
            nearest[np.argsort(apart, kind="stable")[: int(values["count"])]] = True
            return np.asarray(nearest & np.isfinite(apart))
        raise SettingsError(f"the relation {condition.kind!r} of an expected plan is not known")

    def _beside(self, others: Bools) -> Bools:
        """Tiles that are one of others or share an edge with one."""
        tiles = self.index.tiles.numbers
        a, b = self.index.grid.neighbours(tiles)
        ours = tiles[others]
        touched = np.concatenate([ours, b[np.isin(a, ours)], a[np.isin(b, ours)]])
        return np.asarray(np.isin(tiles, touched))


def compared(found: Bools, true: Bools) -> Quality:
    """Precision, recall and F1 of a set of tiles against the truth; 1 where neither holds any."""
    both, n, m = int((found & true).sum()), int(found.sum()), int(true.sum())
    if not n and not m:
        return Quality(0, 0, 1.0, 1.0, 1.0)
    return Quality(m, n, both / max(n, 1), both / max(m, 1), 2.0 * both / max(n + m, 1))


def _middle(value: Any) -> float:
    """A number, or the middle of the range of those that are right."""
    return float(np.mean(value))


def landform_keys(glossary: Sequence[Term]) -> Callable[[str], str]:
    """What tells the landform that words name, by the glossary; empty if it is none."""
    names = {_stem(name): term.key for term in glossary for name in _names_of(term)}
    return lambda words: names.get(_stem(words), "")


def _names_of(term: Term) -> tuple[str, ...]:
    return (term.key.replace("_", " "), term.term, term.plural, *term.synonyms)


def _stem(words: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", " ", words.casefold().replace("_", " "))
    return " ".join(word.removesuffix("s") for word in plain.split() if word not in ("the", "a", "an"))
