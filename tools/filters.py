"""Filter a layer: by where its rows lie, how high, how probable, and by any value that is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from retrieval.grid import in_box
from retrieval.spatial.region import Region
from retrieval.spatial.shapes import inside as inside_of
from tools.conditions import Condition, holds, read_condition, values_named
from tools.context import of_tiles
from tools.layers import Layer, shorten
from tools.places import find_in_gazetteer
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.things import counted, feature_figures, rows_of
from tools.workspace import ToolResult, Workspace, check_distance_km, check_number

Floats = NDArray[np.float64]

MOST_CONDITIONS = 8


def filter_layer(
    ws: Workspace,
    layer: str,
    min_lat_deg: float | None = None,
    max_lat_deg: float | None = None,
    west_lon_deg: float | None = None,
    east_lon_deg: float | None = None,
    min_elevation_m: float | None = None,
    max_elevation_m: float | None = None,
    min_probability: float | None = None,
    place: str | None = None,
    within_km: float | None = None,
    centre_lon_deg: float | None = None,
    centre_lat_deg: float | None = None,
    inside: str | None = None,
    outside: str | None = None,
    where: list[str] | None = None,
) -> ToolResult:
    """Keep the rows of a layer that lie in a latitude band, a longitude range, an elevation range, near a
    named place or a position, inside or outside the polygons of another layer, that reach a higher
    probability, or whose values meet conditions. All conditions given must hold.

    Parameters
    ----------
    layer
        Id of the layer to filter, for example L1.
    min_lat_deg
        Southern bound, degrees north, -90 to 90; latitudes south of the equator are negative.
    max_lat_deg
        Northern bound, degrees north, -90 to 90; latitudes south of the equator are negative.
    west_lon_deg
        Western bound, degrees east, -360 to 360; given together with east_lon_deg.
    east_lon_deg
        Eastern bound, degrees east, -360 to 360; less than west_lon_deg to cross the antimeridian.
    min_elevation_m
        Lowest elevation, metres above the body's datum.
    max_elevation_m
        Highest elevation, metres above the body's datum.
    min_probability
        Smallest probability to keep, 0 to 1.
    place
        Name of a place in the gazetteer: keeps rows within ``within_km`` of its centre.
    within_km
        Distance from the centre of ``place`` or from the position given, km; more than 0. Without it, the
        place's own radius.
    centre_lon_deg
        Longitude of a position, degrees east, -360 to 360; given together with centre_lat_deg and within_km.
    centre_lat_deg
        Latitude of a position, degrees north, -90 to 90.
    inside
        Id of a layer of polygons, such as a geologic map: keeps rows inside any of them, edges included.
    outside
        Id of a layer of polygons: keeps rows outside all of them.
    where
        Up to 8 conditions on columns of the layer or quantities known for the body, each a name, a comparison
        and a value: "slope_deg >= 10", "aspect between 315 and 45", "diameter_km between 5 and 20",
        "unit = Hesperian", "name contains Vallis", "diameter_km is known".
    """
    source = ws.layers.get(layer)
    given: dict[str, Any] = {
        "min_lat_deg": min_lat_deg,
        "max_lat_deg": max_lat_deg,
        "west_lon_deg": west_lon_deg,
        "east_lon_deg": east_lon_deg,
        "min_elevation_m": min_elevation_m,
        "max_elevation_m": max_elevation_m,
        "min_probability": min_probability,
        "place": place,
        "within_km": within_km,
        "centre_lon_deg": centre_lon_deg,
        "centre_lat_deg": centre_lat_deg,
        "inside": inside,
        "outside": outside,
        "where": where,
    }
    words: list[str] = []
    figures: Figures = {}
    kept, notes = _kept(ws, source, given, words, figures)
    made = add_layer(
        ws,
        "filter_layer",
        {"layer": source.id, **given},
        title=shorten(f"{source.title} {' '.join(words)}"),
        table=kept,
        parents=(source, *(ws.layers.get(name) for name in (inside, outside) if name)),
        threshold=min_probability,
        notes=notes,
    )
    figures |= {"count": len(kept), "of_count": len(source.table), **feature_figures(ws, made)}
    summary = (
        f"{made.id}: {counted(made, figures)} of the {rows_of(source)} of {source.id} lie {', '.join(words)}."
    )
    if figures.get("unknown_elevation"):
        summary += f" {plural(int(figures['unknown_elevation']), 'row')} had no known elevation."
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def _kept(
    ws: Workspace, source: Layer, given: Mapping[str, Any], words: list[str], figures: Figures
) -> tuple[gpd.GeoDataFrame, tuple[str, ...]]:
    """Rows for which all conditions given hold, and caveats; the conditions are put into words."""
    table = source.table
    keep = np.ones(len(table), dtype=bool)
    notes: tuple[str, ...] = ()

    def bounds(one: str, other: str) -> tuple[Any, Any] | None:
        pair = given[one], given[other]
        return None if pair == (None, None) else pair

    if latitudes := bounds("min_lat_deg", "max_lat_deg"):
        keep &= _in_latitudes(source, *latitudes, words, figures)
    if longitudes := bounds("west_lon_deg", "east_lon_deg"):
        keep &= _in_longitudes(source, *longitudes, words, figures)
    if elevations := bounds("min_elevation_m", "max_elevation_m"):
        elevation = _elevation_m(ws, source)
        keep &= _in_elevations(elevation, *elevations, words, figures)
        figures["unknown_elevation"] = int(np.isnan(elevation).sum())
        notes += ("rows without a known elevation are left out",)
        table = table.assign(elevation_m=elevation)
    if given["min_probability"] is not None:
        keep &= _probable(source, given["min_probability"], words, figures)
    if given["centre_lon_deg"] is not None or given["centre_lat_deg"] is not None:
        keep &= _near_position(ws, source, given, words, figures)
    elif surroundings := bounds("place", "within_km"):
        keep &= _near_place(ws, source, *surroundings, words, figures)
    for name in ("inside", "outside"):
        if given[name] is not None:
            keep &= _in_polygons(ws, source, given[name], name == "inside", words)
    if given["where"]:
        met, table = _meeting(ws, source, table, given["where"], words, figures)
        keep &= met
    if not words:
        raise ToolInputError(
            "no condition was given",
            allowed="a latitude, longitude, elevation or probability bound, a place or position, polygons "
            "to be inside or outside of, or conditions in where",
        )
    return table[keep], notes


def _in_latitudes(
    source: Layer, low: float | None, high: float | None, words: list[str], figures: Figures
) -> NDArray[np.bool_]:
    south = -90.0 if low is None else check_number("min_lat_deg", low, -90, 90, "degrees")
    north = 90.0 if high is None else check_number("max_lat_deg", high, -90, 90, "degrees")
    if south > north:
        raise ToolInputError(
            f"min_lat_deg {south:g} is greater than max_lat_deg {north:g}",
            allowed="min_lat_deg at most max_lat_deg",
            next_step="swap them",
        )
    figures |= {"min_lat_deg": tidy(south), "max_lat_deg": tidy(north)}
    if high is None:
        words.append(f"north of {_degrees(south)}")
    elif low is None:
        words.append(f"south of {_degrees(north)}")
    else:
        words.append(f"between {said(tidy(south))} and {_degrees(north)} latitude")
    lat = source.table["lat"].to_numpy(dtype=float)
    return np.asarray((lat >= south) & (lat <= north))


def _in_longitudes(
    source: Layer,
    west: float | None,
    east: float | None,
    words: list[str],
    figures: Figures,
) -> NDArray[np.bool_]:
    if west is None or east is None:
        raise ToolInputError(
            "only one longitude bound was given", allowed="west_lon_deg and east_lon_deg together"
        )
    west = check_number("west_lon_deg", west, -360, 360, "degrees")
    east = check_number("east_lon_deg", east, -360, 360, "degrees")
    figures |= {"west_lon_deg": tidy(west), "east_lon_deg": tidy(east)}
    words.append(f"from {said(tidy(west))} to {_degrees(east)} longitude")
    return in_box(source.lonlat, west, -90, east, 90)


def _in_elevations(
    elevation: Floats,
    low: float | None,
    high: float | None,
    words: list[str],
    figures: Figures,
) -> NDArray[np.bool_]:
    keep = np.isfinite(elevation)
    if low is not None:
        low = check_number("min_elevation_m", low, -100_000, 100_000, "m")
        keep &= elevation >= low
        figures["min_elevation_m"] = tidy(low, 6)
        words.append(f"above {said(figures['min_elevation_m'])} m")
    if high is not None:
        high = check_number("max_elevation_m", high, -100_000, 100_000, "m")
        keep &= elevation <= high
        figures["max_elevation_m"] = tidy(high, 6)
        words.append(f"below {said(figures['max_elevation_m'])} m")
    if low is not None and high is not None and low > high:
        raise ToolInputError(
            f"min_elevation_m {low:g} is greater than max_elevation_m {high:g}", next_step="swap them"
        )
    return np.asarray(keep)


def _probable(source: Layer, bound: float, words: list[str], figures: Figures) -> NDArray[np.bool_]:
    bound = check_number("min_probability", bound, 0, 1, "")
    probability = source.table["probability"]
    if probability.isna().all() and len(probability):
        raise ToolInputError(f"layer {source.id} has no probabilities", allowed="layers made by search_words")
    words.append(f"with probability of at least {said(tidy(bound))}")
    figures["min_probability"] = tidy(bound)
    return np.asarray(probability.to_numpy(dtype=float) >= bound)


def _near_place(
    ws: Workspace,
    source: Layer,
    place: str | None,
    within_km: float | None,
    words: list[str],
    figures: Figures,
) -> NDArray[np.bool_]:
    if place is None:
        raise ToolInputError("within_km needs a place", next_step="give the name of a place too")
    found = find_in_gazetteer(ws, place)
    if within_km is not None:
        radius = check_distance_km(ws, within_km, "within_km")
    elif found.diameter_km > 0:
        radius = found.diameter_km / 2
    else:
        raise ToolInputError(f"the size of {found.name} is not known", next_step="give within_km")
    figures |= {"within_km": tidy(radius), "lon_deg": tidy(found.lon), "lat_deg": tidy(found.lat)}
    words.append(f"within {said(figures['within_km'])} km of the centre of {found.name}")
    return np.asarray(ws.body.distance_km(source.lonlat, [found.lon, found.lat]) <= radius)


def _near_position(
    ws: Workspace, source: Layer, given: Mapping[str, Any], words: list[str], figures: Figures
) -> NDArray[np.bool_]:
    names = ("centre_lon_deg", "centre_lat_deg", "within_km")
    if given["place"] is not None or any(given[name] is None for name in names):
        raise ToolInputError(
            "a position is a longitude, a latitude and a distance, without a place",
            allowed="centre_lon_deg, centre_lat_deg and within_km together",
        )
    lon = check_number("centre_lon_deg", given["centre_lon_deg"], -360, 360, "degrees")
    lat = check_number("centre_lat_deg", given["centre_lat_deg"], -90, 90, "degrees")
    radius = check_distance_km(ws, given["within_km"], "within_km")
    figures |= {"within_km": tidy(radius), "lon_deg": tidy(lon), "lat_deg": tidy(lat)}
    words.append(
        f"within {said(figures['within_km'])} km of longitude {said(figures['lon_deg'])} and latitude "
        f"{_degrees(lat)}"
    )
    cap = Region("the position", cap=(lon, lat, radius))
    return cap.holds(ws.body, source.lonlat)


def _in_polygons(
    ws: Workspace, source: Layer, name: str, wanted: bool, words: list[str]
) -> NDArray[np.bool_]:
    polygons = ws.layers.get(name)
    if not (shapely.get_dimensions(polygons.shapes) == 2).any():
        solid = [each.id for each in ws.layers if (shapely.get_dimensions(each.shapes) == 2).any()]
        raise ToolInputError(
            f"layer {polygons.id} has no polygons",
            allowed=", ".join(solid) or "layers of polygons: a catalogue of outlines, or merged features",
        )
    words.append(f"{'inside' if wanted else 'outside'} the polygons of {polygons.id}")
    return np.asarray((inside_of(source.lonlat, polygons.shapes) >= 0) == wanted)


def _meeting(
    ws: Workspace,
    source: Layer,
    table: gpd.GeoDataFrame,
    where: list[str],
    words: list[str],
    figures: Figures,
) -> tuple[NDArray[np.bool_], gpd.GeoDataFrame]:
    if not 1 <= len(where) <= MOST_CONDITIONS:
        raise ToolInputError(f"{len(where)} conditions were given", allowed=f"1 to {MOST_CONDITIONS}")
    keep = np.ones(len(table), dtype=bool)
    for number, condition in enumerate(map(read_condition, where), start=1):
        column, values = values_named(ws, source, condition.name)
        keep &= holds(condition, values, column)
        if column not in table:
            table = table.assign(**{column: values})
        unknown = int((~holds(Condition(name=column, comparison="is known"), values, column)).sum())
        suffix = f"_{number}" if len(where) > 1 else ""
        if isinstance(condition.value, float):
            figures[f"where{suffix}"] = tidy(condition.value, 6)
        if condition.comparison == "between":
            figures[f"where{suffix}_high"] = tidy(condition.high, 6)
        words.append(f"with {condition.model_copy(update={'name': column}).words}")
        if unknown and not condition.comparison.startswith("is "):
            figures[f"unknown{suffix}"] = unknown
            words[-1] += f" (unknown for {plural(unknown, 'row')})"
    return keep, table


def _elevation_m(ws: Workspace, source: Layer) -> Floats:
    if "elevation_m" in source.table:
        return np.asarray(source.table["elevation_m"], dtype=float)
    if "elevation_m" not in ws.index.tiles.facts:
        raise ToolInputError(
            f"neither layer {source.id} nor the index knows elevations",
            next_step="filter by latitude, longitude, place or probability, or use an index made from a DEM",
        )
    # Entries of a catalogue take the mean elevation of the tile they lie in.
    return of_tiles(ws, "elevation_m", source.lonlat)


def _degrees(value: float) -> str:
    return f"{said(tidy(value))} degrees"
