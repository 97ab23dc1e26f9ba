"""Named places and catalogues: what others have already put on the map."""

from __future__ import annotations

import difflib
import math
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from retrieval.catalogue import Convention, read_apart
from retrieval.errors import InputError, ToolInputError
from tools.layers import COLUMNS, make_table, shorten
from tools.results import Figures, model_rows, plural, said, tidy
from tools.workspace import ToolResult, Workspace, check_text

MOST_EXTRA_COLUMNS = 24


@dataclass(frozen=True)
class Place:
    """A named place; ``diameter_km`` is 0 where it is not known."""

    name: str
    lon: float
    lat: float
    diameter_km: float


def find_place(ws: Workspace, name: str) -> ToolResult:
    """Look up where a named place of the body lies and how large it is, in the gazetteer.

    Parameters
    ----------
    name
        Name of the place, for example "Olympus Mons"; case and accents do not matter.
    """
    place = find_in_gazetteer(ws, name)
    figures: Figures = {"lon_deg": tidy(place.lon, 6), "lat_deg": tidy(place.lat, 6)}
    summary = (
        f"{place.name} is centred at longitude {said(figures['lon_deg'])} degrees east, "
        f"latitude {said(figures['lat_deg'])} degrees north on {ws.body.name.capitalize()}"
    )
    if place.diameter_km > 0:
        figures["diameter_km"] = tidy(place.diameter_km)
        summary += f"; its diameter is {said(figures['diameter_km'])} km"
    return ToolResult(summary + ".", figures=figures)


def load_catalogue(
    ws: Workspace,
    file: str,
    landform: str | None = None,
    longitude: Literal["east", "west"] | None = None,
    latitude: Literal["planetocentric", "planetographic"] | None = None,
) -> ToolResult:
    """Load a published catalogue of landforms, from a file that the user brought into the conversation,
    as a layer. Reads CSV, GeoJSON, GeoPackage, Shapefile, KML and KMZ, and each of them in a zip.

    Parameters
    ----------
    file
        Name of the file, for example "cones.csv".
    landform
        Keep only entries of this landform, for example "pitted cones"; if the file does not say what its
        entries are, what they all are. All entries if not given.
    longitude
        Which way the file's longitudes are positive, only if the user says so; the file decides if not given.
    latitude
        What the file's latitudes are, only if the user says so; the file decides if not given.
    """
    path = ws.readable_file(file)
    wanted = None if landform is None else check_text("landform", landform, 100)
    try:
        entries = read_apart(path, ws.body, convention=Convention(longitude or "", latitude or ""))
    except InputError as error:  # the agent hands ToolInputErrors back to the model to correct
        raise ToolInputError(error.what, allowed=error.allowed, next_step=error.next_step) from error
    about = dict(entries.attrs)
    dropped, notes = int(about.get("dropped", 0)), tuple(about.get("notes", ()))
    if wanted is not None:
        entries = _of_landform(entries, wanted, path.name)
    ws.check_stop()
    table = make_table(
        ws.body,
        entries["id"].astype(str).tolist(),
        entries[["lon", "lat"]].to_numpy(dtype=float),
        shapes=np.asarray(entries.geometry.array, dtype=object),
        **_plain_columns(entries),
    )
    ws.check_stop()
    layer = ws.layers.add(
        shorten(f"{wanted} of a catalogue" if wanted else f"catalogue {path.stem}", 80),
        "catalogue",
        table,
        ws.provenance(
            "load_catalogue",
            {"file": file, "landform": wanted, "longitude": longitude, "latitude": latitude},
            notes=(f"read from {path.name}; its completeness is not known", *notes),
        ),
    )
    figures: Figures = {"count": len(layer)}
    summary = f"{layer.id} holds {plural(len(layer), 'entry')} of the catalogue {path.name}"
    known = entries["diameter_km"].dropna() if "diameter_km" in entries else pd.Series(dtype=float)
    if len(known):
        figures["median_diameter_km"] = tidy(float(known.median()))
        summary += f"; their median diameter is {said(figures['median_diameter_km'])} km"
    summary += f". {_read_as(about, table, figures)}"
    if dropped:
        figures["dropped"] = dropped
        summary += (
            f" {plural(dropped, 'entry')} without a possible position had to be left out: a coordinate is "
            "missing or no number, or lies beyond a pole."
        )
    return ToolResult(summary, (layer.id,), figures, table=model_rows(ws, layer))


def _read_as(about: dict[str, Any], table: gpd.GeoDataFrame, figures: Figures) -> str:
    """Where the entries lie, and how the file's positions were understood."""
    figures["min_lat_deg"], figures["max_lat_deg"] = tidy(table["lat"].min()), tidy(table["lat"].max())
    text = f"Latitudes go from {said(figures['min_lat_deg'])} to {said(figures['max_lat_deg'])} degrees"
    if not about.get("longitude"):
        return f"{text}; positions were read as the file's own coordinate system says."
    if about.get("file_lon"):
        figures["min_file_lon_deg"], figures["max_file_lon_deg"] = map(tidy, about["file_lon"])
        text += (
            f", longitudes in the file from {said(figures['min_file_lon_deg'])} "
            f"to {said(figures['max_file_lon_deg'])} degrees"
        )
    return f"{text}; they were read as {about['longitude']}-positive and {about['latitude']}."


def find_in_gazetteer(ws: Workspace, name: str) -> Place:
    """The place of that name; of several, the largest.

    A part of a name is enough where only one place has it.

    Raises
    ------
    ToolInputError
        If there is no such place (close matches are named) or no gazetteer.
    """
    wanted = _plain(check_text("place", name, 100))
    if ws.gazetteer is None or not len(ws.gazetteer):
        raise ToolInputError(
            f"no gazetteer of {ws.body.name} is loaded",
            allowed="longitude and latitude bounds",
            next_step="give the longitude and latitude of the place instead of its name",
        )
    names = ws.gazetteer["name"].astype(str)
    plain = names.map(_plain)
    found = ws.gazetteer[plain == wanted]
    if not len(found):
        part = names[plain.str.contains(wanted, regex=False)].unique()
        if len(part) != 1:
            raise _no_such_place(name, names, plain, wanted, part.tolist())
        found = ws.gazetteer[names == part[0]]
    place = found.sort_values("diameter_km", ascending=False, kind="stable", na_position="last").iloc[0]
    diameter = float(place["diameter_km"])
    return Place(
        str(place["name"]),
        float(place["lon"]),
        float(place["lat"]),
        diameter if math.isfinite(diameter) else 0.0,
    )


def _of_landform(entries: gpd.GeoDataFrame, wanted: str, file: str) -> gpd.GeoDataFrame:
    kinds = entries["landform"].astype(str)
    if set(kinds) == {"feature"}:  # the file does not say
        return entries.assign(landform=wanted)
    chosen = entries[kinds.map(_stem) == _stem(wanted)]
    if not len(chosen):
        counts = kinds.value_counts()
        raise ToolInputError(
            f"{file} has no entries of {wanted!r}",
            allowed=", ".join(f"{kind} ({count:,})" for kind, count in counts.head(12).items()),
            next_step="use one of these, or leave landform out to load all entries",
        )
    return chosen


def _stem(landform: str) -> str:
    # "Pitted cones" and "pitted_cone" are the same kind.
    return " ".join(word.removesuffix("s") for word in _plain(landform.replace("_", " ")).split())


def _no_such_place(
    name: str, names: pd.Series[str], plain: pd.Series[str], wanted: str, part: list[str]
) -> ToolInputError:
    close = part or names[plain.isin(difflib.get_close_matches(wanted, plain.unique().tolist(), 5, 0.5))]
    suggestions = ", ".join(sorted(set(close))[:8])
    what = f"{len(part)} places have it in their name" if part else "no place is called so"
    return ToolInputError(
        f"{name[:60]!r}: {what}",
        allowed=suggestions or f"names of the gazetteer, such as {', '.join(names.head(3))}",
        next_step="use one of these names" if suggestions else "give longitude and latitude bounds instead",
    )


def _plain(name: str) -> str:
    # Case and accents off: people type "Tharsis" and "tharsis", "Tábor" and "Tabor".
    letters = unicodedata.normalize("NFKD", name)
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).casefold().split())


def _plain_columns(entries: gpd.GeoDataFrame) -> dict[str, Any]:
    # What every file format can hold: numbers as they are, anything else as text.
    columns: dict[str, Any] = {}
    for name in entries.columns:
        if name in (*COLUMNS, "id", entries.geometry.name, "geometry") or len(columns) == MOST_EXTRA_COLUMNS:
            continue
        values = entries[name].reset_index(drop=True)
        plain = pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)
        columns[str(name)] = values if plain else values.fillna("").astype(str)
    return columns
