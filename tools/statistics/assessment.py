"""How well a layer finds what a published catalogue holds: `retrieval.evaluate.geolocalization` in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from retrieval.body import Body
from retrieval.evaluate.bootstrap import draw_blocks, interval
from retrieval.evaluate.catalogue import BLOCK_TILES
from retrieval.evaluate.geolocalization import REACH_DEG, match, published
from retrieval.grid import Grid
from retrieval.spatial.features import link_tiles
from retrieval.spatial.observed import Observed, observed_by_index
from tools.layers import Layer
from tools.results import Figures, plural, said, tidy
from tools.things import central_rows, feature_labels
from tools.workspace import ToolResult, Workspace, check_distance_km, two_layers

RESAMPLES = 1000
RANDOM_LAYERS = 10
MOST_RANDOM = 50_000  # random hits in all, beyond which fewer layers do: some seconds
FEWEST_BLOCKS = 5  # with fewer an interval from drawing blocks promises too much

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Row = dict[str, Any]


def evaluate_layer(ws: Workspace, layer: str, catalogue: str, distance_km: float | None = None) -> ToolResult:
    """Measure how well a layer finds the entries of a published catalogue: precision, recall and F1, matched
    one to one on the sphere, with intervals, and by the protocol of MarsRetrieval (in the plane, at the best
    depth), both beside as many random places of the ground observed. Only entries on that ground count.
    Makes no layer.

    Parameters
    ----------
    layer
        Id of the layer of hits, for example L1.
    catalogue
        Id of the layer of published entries, taken for the truth, for example L2; not the same layer.
    distance_km
        How far a hit may lie from its entry, km between the centres; more than 0, at most half the body's
        circumference. One tile if not given.
    """
    hits, truth = two_layers(
        ws,
        layer,
        catalogue,
        other_name="catalogue",
        why_not="every layer finds itself",
        next_step="load the catalogue first",
    )
    reach = check_distance_km(ws, ws.index.grid.tile_km if distance_km is None else distance_km)
    observed = observed_by_index(ws.index)
    entries = truth.lonlat[observed.holds(truth.lonlat)]
    found = _found(ws, hits, observed)
    figures: Figures = {
        "hits": len(found.lonlat),
        "entries": len(entries),
        "distance_km": tidy(reach),
        "left_out_entries": len(truth) - len(entries),
        "left_out_hits": len(hits) - len(found.lonlat),
    }
    if not len(found.lonlat) or not len(entries):
        return ToolResult(_cannot_tell(hits, truth, found, figures), figures=figures)
    rows = _with_chance(ws, found, entries, reach, observed, _measured(ws, found, entries, reach))
    return ToolResult(_answer(hits, truth, rows, figures), figures=figures, table=tuple(rows.values()))


@dataclass(frozen=True)
class _Found:
    """Hits on observed ground: positions (n, 2), what ranks them (n,), and their features (n,) if tiles."""

    lonlat: Floats
    rank: Floats
    features: Ints | None

    def units(self) -> dict[str, Ints]:
        """What is matched, and which unit each row belongs to."""
        each = np.arange(len(self.lonlat), dtype=np.int64)
        return {"row": each} if self.features is None else {"tile": each, "feature": self.features}


@dataclass(frozen=True)
class _Pairs:
    """Hits and entries matched one to one: their positions, and which have a partner."""

    hits: Floats
    hit: Bools
    entries: Floats
    entry: Bools

    def figures(self) -> Row:
        pairs, hits, entries = int(self.hit.sum()), len(self.hit), len(self.entry)
        return {
            "hits": hits,
            "matched": pairs,
            "precision": pairs / max(1, hits),
            "recall": pairs / max(1, entries),
            "f1": 2.0 * pairs / max(1, hits + entries),
        }


def _found(ws: Workspace, hits: Layer, observed: Observed) -> _Found:
    seen = observed.holds(hits.lonlat)
    chance = hits.table["probability"].to_numpy(dtype=float)[seen]
    features = feature_labels(ws, hits)[seen] if hits.kind == "tiles" else None
    return _Found(hits.lonlat[seen], np.nan_to_num(chance, nan=-1.0), features)


def _matched(body: Body, found: _Found, unit: Ints, entries: Floats, reach_km: float) -> _Pairs:
    """Match hits with entries, each unit at most once."""
    labels, place = np.unique(unit, return_inverse=True)
    pairs = match(body, found.lonlat, entries, reach_km, place)
    hit, entry = np.zeros(len(labels), dtype=bool), np.zeros(len(entries), dtype=bool)
    hit[place[pairs.tile]], entry[pairs.point] = True, True
    return _Pairs(found.lonlat[central_rows(found.lonlat, place)], hit, entries, entry)


def _measured(ws: Workspace, found: _Found, entries: Floats, reach_km: float) -> dict[str, Row]:
    """Figures of each way of counting, with intervals where they are matched one to one."""
    rows: dict[str, Row] = {}
    for name, unit in found.units().items():
        pairs = _matched(ws.body, found, unit, entries, reach_km)
        rows[name] = {**pairs.figures(), **_intervals(ws, pairs)}
    best = published(found.rank, found.lonlat, entries, depth=len(found.lonlat))
    # No interval: the depth was chosen on the truth.
    rows["published"] = {"hits": int(best["k"]), **{key: best[key] for key in ("precision", "recall", "f1")}}
    return rows


def _intervals(ws: Workspace, pairs: _Pairs) -> Row:
    """Intervals of 95 % by drawing blocks of the ground, hits and entries together; none from few blocks."""
    side_km = min(BLOCK_TILES * ws.index.grid.tile_km, ws.body.half_circumference_km / 4)
    blocks = Grid(ws.body, side_km).locate(np.concatenate([pairs.hits, pairs.entries]))
    draws = draw_blocks(blocks, RESAMPLES, ws.seed)
    count = draws.times.shape[1]
    if count < FEWEST_BLOCKS:
        return {}
    at_hits, at_entries = np.split(draws.block, [len(pairs.hits)])
    sums = [
        np.bincount(at_hits, pairs.hit, count),
        np.bincount(at_hits, minlength=count),
        np.bincount(at_entries, pairs.entry, count),
        np.bincount(at_entries, minlength=count),
    ]
    right, hits, met, entries = (draws.times.astype(float) @ np.stack(sums, axis=-1)).T
    with np.errstate(invalid="ignore"):
        drawn = {"precision": right / hits, "recall": met / entries, "f1": (right + met) / (hits + entries)}
    ends = {name: interval(values) for name, values in drawn.items()}
    return {f"{name}_{end}": ends[name][at] for name in ends for at, end in enumerate(("low", "high"))}


def _with_chance(
    ws: Workspace, found: _Found, entries: Floats, reach_km: float, observed: Observed, rows: dict[str, Row]
) -> dict[str, Row]:
    """The same rows, rounded, with the mean F1 of random layers of as many hits."""
    earned: dict[str, list[float]] = {name: [] for name in rows}
    for other in _random_layers(ws, found, observed):
        ws.check_stop()
        for name, unit in other.units().items():
            earned[name].append(_matched(ws.body, other, unit, entries, reach_km).figures()["f1"])
        best = published(other.rank, other.lonlat, entries, depth=len(other.lonlat))
        earned["published"].append(best["f1"])
    for name, row in rows.items():
        row["random_f1"] = float(np.mean(earned[name]))
    return {
        name: {"counted": _COUNTED[name], **{key: tidy(value, 3) for key, value in row.items()}}
        for name, row in rows.items()
    }


_COUNTED = {
    "tile": "tiles, one to one",
    "feature": "features, one to one",
    "row": "rows, one to one",
    "published": f"MarsRetrieval: {REACH_DEG:g} degree, best depth",
}


def _random_layers(ws: Workspace, found: _Found, observed: Observed) -> Iterator[_Found]:
    """Layers of as many hits without any skill: tiles of the index, or places of the ground observed."""
    rng: Generator = np.random.default_rng(ws.seed)
    count, tiles = len(found.lonlat), ws.index.tiles
    for _ in range(max(2, min(RANDOM_LAYERS, MOST_RANDOM // count))):
        if found.features is None:
            yield _Found(observed.sample(count, rng), rng.random(count), None)
            continue
        chosen = np.sort(rng.permutation(len(tiles))[:count])
        lonlat = tiles.centres(chosen)
        labels = link_tiles(ws.index.grid, tiles.numbers[chosen])
        yield _Found(lonlat, rng.random(len(chosen)), labels)


def _cannot_tell(hits: Layer, truth: Layer, found: _Found, figures: Figures) -> str:
    empty = [one.id for one in (hits, truth) if not len(one)]
    if empty:
        why = f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
    else:
        nowhere = hits if not len(found.lonlat) else truth
        why = f"nothing of {nowhere.id} lies on ground that the index has observed"
    return f"Cannot tell how well {hits.id} finds {truth.id}: {why}."


def _answer(hits: Layer, truth: Layer, rows: dict[str, Row], figures: Figures) -> str:
    first = next(iter(rows))
    text = (
        f"{hits.id} against the {plural(int(figures['entries']), 'entry')} of {truth.id} on ground observed, "
        f"matched one to one within {said(figures['distance_km'])} km: "
    )
    parts = [_said_row(name, rows[name], figures) for name in rows if name != "published"]
    text += "; ".join(parts) + "."
    best = rows["published"]
    figures["published_deg"] = REACH_DEG
    for key in ("f1", "precision", "recall", "random_f1"):
        figures[f"published_{key}"] = best[key]
    text += (
        f" By the protocol of MarsRetrieval ({said(figures['published_deg'])} degree in the plane, at the "
        f"best depth within the layer): F1 {said(figures['published_f1'])}, of random places "
        f"{said(figures['published_random_f1'])}."
    )
    if "f1_low" not in rows[first]:
        text += " No interval is given: hits and entries lie in too few blocks of the ground."
    return text + _left_out(hits, truth, figures)


def _said_row(name: str, row: Row, figures: Figures) -> str:
    for key, value in row.items():
        if key != "counted":
            figures[f"{name}_{key}"] = value

    def one(key: str) -> str:
        return said(figures[f"{name}_{key}"])

    interval = ""
    if "f1_low" in row:
        figures["interval_percent"] = 95
        interval = f" ({figures['interval_percent']} % {one('f1_low')} to {one('f1_high')})"
    return (
        f"{plural(int(row['hits']), name)}, {row['matched']:,} right: precision {one('precision')}, recall "
        f"{one('recall')}, F1 {one('f1')}{interval}, of random ones {one('random_f1')}"
    )


def _left_out(hits: Layer, truth: Layer, figures: Figures) -> str:
    text = ""
    if figures["left_out_entries"]:
        text += f" {plural(int(figures['left_out_entries']), 'entry')} of {truth.id} lie elsewhere."
    if figures["left_out_hits"]:
        text += f" {plural(int(figures['left_out_hits']), 'hit')} on other ground were left out."
    if not truth.pointlike:
        text += f" Lines and polygons of {truth.id} count by one position each."
    return text + f" An unmatched hit is wrong only as far as {truth.id} is complete."
