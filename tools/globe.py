"""The interactive globe: layers on a turning planet, in one HTML fragment that needs no network.

`globe_payload` gathers what is drawn as plain JSON; `globe_html` puts it into a fragment for a page that
is already there, `globe_document` into a whole page (an ``iframe``'s ``srcdoc``, a file). The drawing is done
by ``globe.js`` and its two views, ``globe_map.js`` (MapLibre GL, which travels in the ``maplibre`` wheel) and
``globe_flat.js`` (plain canvas: the polar panels, and the whole map where a browser has no WebGL).
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import io
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from retrieval.errors import InputError
from tools.layers import Layer
from tools.mosaic import basemap
from tools.workspace import Workspace

if TYPE_CHECKING:
    from retrieval.index import TileIndex

Json = Any
Grey = NDArray[np.uint8]

# Web Mercator is square when it ends here: atan(sinh(pi)).
MERCATOR_LIMIT_DEG = math.degrees(math.atan(math.sinh(math.pi)))
POLAR_LIMIT_DEG = 70.0
BASEMAP_PX = 2048
POLAR_PX = 260
THUMBNAILS_PER_LAYER = 12

# Okabe & Ito (2008), told apart with any colour vision; blue last, because it is darkest on a dark map.
COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#0072B2")

# A breath of warmth, so that the ground is told from the page; too little to touch the layers' colours.
TINT = (1.0, 0.955, 0.9)

# Columns shown in a popup if a layer has them, with the words and the unit they are shown with.
DETAILS = {
    "name": ("name", ""),
    "landform": ("landform", ""),
    "diameter_km": ("diameter", "km"),
    "length_km": ("length", "km"),
    "azimuth_deg": ("azimuth", "°"),
    "area_km2": ("area", "km²"),
    "elevation_m": ("elevation", "m"),
    "distance_km": ("distance", "km"),
    "joint_probability": ("joint probability", ""),
}


def globe_payload(
    workspace_or_index: Workspace | TileIndex,
    layers: Sequence[Layer],
    *,
    thumbnails: bool,
    max_points: int = 20_000,
    basemap_px: int = BASEMAP_PX,
) -> dict[str, Json]:
    """Everything the globe draws, as JSON values.

    Parameters
    ----------
    thumbnails
        Whether the `THUMBNAILS_PER_LAYER` most probable tiles of each layer carry their picture.
    max_points
        Most points in all layers together. A layer with more than its share keeps its most probable
        rows (catalogues: evenly spaced rows), and the legend says how many of how many are shown.
    basemap_px
        Width of the basemap in pixels, one turn around the body.
    """
    if isinstance(workspace_or_index, Workspace):
        index, cache_folder = workspace_or_index.index, workspace_or_index.settings.home / "cache"
    else:
        index, cache_folder = workspace_or_index, None
    body = index.body
    shares = _shares([len(layer) for layer in layers], max_points)
    pictures, has_gaps = _pictures(index, basemap_px, cache_folder)
    return {
        "format": 1,
        "body": {
            "name": body.name,
            "radius_km": body.radius_km,
            "longitude_positive": body.longitude_positive,
            "longitude_domain": body.longitude_domain,
        },
        "tile_km": index.grid.tile_km,
        "basemap": dict(pictures),
        "has_gaps": has_gaps,
        "layers": [
            _layer_json(layer, share, COLOURS[i % len(COLOURS)])
            for i, (layer, share) in enumerate(zip(layers, shares, strict=True))
        ],
        "thumbnails": _thumbnails(index, layers) if thumbnails else {},
    }


def globe_html(payload: Mapping[str, Json], *, inline_assets: bool = True, height_px: int = 560) -> str:
    """A fragment that shows the payload, safe to put into any page.

    Parameters
    ----------
    inline_assets
        Whether the fragment brings style and scripts with it. Without them the page holds `globe_style`
        and `globe_scripts` once, and calls ``areographer.mountAll()`` after adding fragments. Scripts
        put in through ``innerHTML`` do not run: use the page's own means, or an ``iframe``.
    """
    label = html.escape(f"Map of {payload['body']['name']}", quote=True)
    parts = [
        f'<section class="areo-globe" aria-label="{label}" data-height="{int(height_px)}">',
        f'<script type="application/json">{json_for_script(payload)}</script>',
        "<noscript>This map needs JavaScript; it loads nothing from the network.</noscript>",
        "</section>",
    ]
    if inline_assets:
        parts.append(f"<style>{globe_style()}</style>")
        parts.extend(f"<script>{script}</script>" for script in globe_scripts())
    return "".join(parts)


def globe_document(payload: Mapping[str, Json]) -> str:
    """A whole page that the map fills, with a policy that forbids every network request."""
    filling = "html,body{margin:0;height:100%;background:#0b0e13}.areo-globe{height:100%;border-radius:0}"
    scripts, style = globe_scripts(), globe_style() + filling
    title = html.escape(str(payload["body"]["name"]).capitalize())
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{content_policy(scripts, [style])}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body>"
    )
    code = "".join(f"<script>{script}</script>" for script in scripts)
    return head + globe_html(payload, inline_assets=False, height_px=0) + code + "</body></html>"


def content_policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Content security policy under which exactly these inline scripts and styles work, and no network.

    MapLibre starts its workers from ``blob:`` and reads pictures through ``fetch`` of ``data:``.
    """
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "img-src data: blob:; connect-src data: blob:; worker-src blob:; child-src blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def json_for_script(value: Json) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def globe_scripts() -> tuple[str, ...]:
    """Sources of MapLibre and of the globe, in the order in which they must run."""
    ours = Path(__file__).parent
    maplibre = (_maplibre_folder() / "maplibre-gl.js").read_text(encoding="utf-8")
    # The comment names a file that is not there; developer tools would ask the network for it.
    maplibre = maplibre.replace("//# sourceMappingURL=maplibre-gl.js.map", "")
    own = [(ours / name).read_text("utf-8") for name in ("globe_flat.js", "globe_map.js", "globe.js")]
    return (maplibre, *own)


@cache
def globe_style() -> str:
    """Style sheets of MapLibre and of the globe."""
    maplibre = (_maplibre_folder() / "maplibre-gl.css").read_text(encoding="utf-8")
    return maplibre + (Path(__file__).parent / "globe.css").read_text(encoding="utf-8")


def to_mercator(grey: Grey, size_px: int) -> Grey:
    """Simple cylindrical picture, (h, w), row 0 in the north, to a square Web Mercator one, (size, size)."""
    y = math.pi * (1.0 - 2.0 * (np.arange(size_px) + 0.5) / size_px)
    lat = np.degrees(np.arctan(np.sinh(y)))
    lon = -180.0 + (np.arange(size_px) + 0.5) * 360.0 / size_px
    picture = _sample(grey, *np.meshgrid(lon, lat))
    # MapLibre stretches the outermost rows to the poles. They fade to one grey, which claims nothing;
    # with mipmaps that takes several rows, a third of a degree of latitude in all.
    flat = np.clip(2.0 - np.arange(24) / 12.0, 0.0, 1.0)[:, None]
    for edge in (picture[:24], picture[:-25:-1]):
        edge[:] = np.rint(edge * (1.0 - flat) + float(edge.mean()) * flat)
    return picture


def to_polar(grey: Grey, size_px: int, pole: int) -> Grey:
    """Simple cylindrical picture to a polar stereographic one, (size, size), from the pole to 70 degrees.

    Longitude 0 points down in the north (``pole`` = 1) and up in the south (-1), as on published maps;
    east is counter-clockwise in the north and clockwise in the south. Black outside the circle.
    """
    edge = math.tan(math.radians(90.0 - POLAR_LIMIT_DEG) / 2.0)
    along = ((np.arange(size_px) + 0.5) / size_px * 2.0 - 1.0) * edge
    x, down = np.meshgrid(along, along)
    lat = pole * (90.0 - 2.0 * np.degrees(np.arctan(np.hypot(x, down))))
    picture = _sample(grey, np.degrees(np.arctan2(x, pole * down)), lat)
    return np.where(np.hypot(x, down) <= edge, picture, 0).astype(np.uint8)


def _sample(grey: Grey, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Grey:
    height, width = grey.shape
    rows = np.clip((90.0 - lat) / 180.0 * height - 0.5, 0, height - 1)
    cols = ((lon + 180.0) / 360.0 * width - 0.5) % width
    # One column repeated behind the last, so that the antimeridian has no seam.
    wrapped = np.concatenate([grey, grey[:, :1]], axis=1).astype(np.float32)
    values = map_coordinates(wrapped, [rows, cols], order=1, mode="nearest")
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


@lru_cache(maxsize=4)
def _pictures(index: TileIndex, width_px: int, cache_folder: Path | None) -> tuple[Mapping[str, str], bool]:
    # Drawing a basemap reads every thumbnail of the index, which never changes while it is open.
    grey = basemap(index, width_px, cache_folder)
    pictures = {"mercator": _jpeg_uri(to_mercator(grey, width_px))}
    for name, pole in (("north", 1), ("south", -1)):
        polar = to_polar(grey, POLAR_PX, pole)
        if polar.any():
            pictures[name] = _jpeg_uri(polar)
    return pictures, bool((grey == 0).any())


def _jpeg_uri(grey: Grey) -> str:
    buffer = io.BytesIO()
    tinted = np.rint(grey[..., None] * np.array(TINT)).astype(np.uint8)
    Image.fromarray(tinted).save(buffer, "JPEG", quality=72, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as an address that carries them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def top_rows(layer: Layer, count: int) -> NDArray[np.int64]:
    """Positions of the ``count`` most probable rows, most probable first; ties and NaN in table order."""
    probability = layer.table["probability"].to_numpy(dtype=float)
    order = np.argsort(-np.nan_to_num(probability, nan=-1.0), kind="stable")
    return np.asarray(order[:count], dtype=np.int64)


def thumbnail_uri(index: TileIndex, tile_id: str) -> str | None:
    """Picture of a tile as a data URI, or None if the index has no such tile."""
    try:
        return data_uri(index.thumbnail(index.row_of(tile_id)), "image/jpeg")
    except InputError:
        # Features and catalogue entries have ids of their own.
        return None


def _thumbnails(index: TileIndex, layers: Sequence[Layer]) -> dict[str, str]:
    found: dict[str, str] = {}
    for layer in layers:
        if layer.kind == "catalogue":
            continue
        for row in top_rows(layer, THUMBNAILS_PER_LAYER):
            tile_id = str(layer.table["row_id"].iloc[int(row)])
            uri = None if tile_id in found else thumbnail_uri(index, tile_id)
            if uri:
                found[tile_id] = uri
    return found


def _shares(counts: Sequence[int], total: int) -> list[int]:
    """Split ``total`` points fairly: small layers whole, the rest in equal parts."""
    shares = [0] * len(counts)
    left = max(0, total)
    for position, i in enumerate(sorted(range(len(counts)), key=lambda i: counts[i])):
        shares[i] = min(counts[i], left // (len(counts) - position))
        left -= shares[i]
    return shares


def _layer_json(layer: Layer, share: int, colour: str) -> dict[str, Json]:
    table = layer.table
    if share < len(table):
        if table["probability"].notna().any():
            keep = np.sort(top_rows(layer, share))
        else:
            keep = np.linspace(0, len(table) - 1, share).astype(np.int64)
        table = table.iloc[keep]
    table = table[np.isfinite(table["lon"]) & np.isfinite(table["lat"])]
    return {
        "id": layer.id,
        "title": layer.title,
        "kind": layer.kind,
        "colour": colour,
        "count": len(layer),
        "threshold": layer.provenance.threshold,
        "row_id": table["row_id"].astype(str).tolist(),
        "lon": _numbers(table["lon"], 5),
        "lat": _numbers(table["lat"], 5),
        "score": _numbers(table["score"], 4),
        "probability": _numbers(table["probability"], 4),
        "details": [
            {"label": label, "unit": unit, "values": _details(table[column])}
            for column, (label, unit) in DETAILS.items()
            if column in table.columns and table[column].notna().any()
        ],
    }


def _details(values: pd.Series[Any]) -> list[Json]:
    if pd.api.types.is_numeric_dtype(values):
        return _numbers(values, 3)
    return [None if pd.isna(value) else str(value)[:200] for value in values]


def _numbers(values: pd.Series[Any], digits: int) -> list[float | None]:
    rounded = np.round(values.to_numpy(dtype=float), digits)
    return [value if math.isfinite(value) else None for value in rounded.tolist()]


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _maplibre_folder() -> Path:
    # Located, not imported: importing the package warns about web frameworks that nobody uses here.
    spec = importlib.util.find_spec("maplibre")
    if spec is None or spec.origin is None:
        raise InputError("the maplibre package is missing", next_step="pip install 'maplibre>=0.3.6,<0.4'")
    return Path(spec.origin).parent / "srcjs"
