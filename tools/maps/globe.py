"""The interactive globe: layers on a turning planet, in one HTML fragment that needs no network.

`globe_payload` gathers what is drawn as JSON (rows in `tools.maps.globe_layers`, the ground in
`tools.maps.globe_pictures`); `globe_html` puts it into a fragment for a page that is already there,
`globe_document` into a whole page (an ``iframe``'s ``srcdoc``, a file). In the browser, in this order:

globe_rows.js    reads the payload; how a row is marked; globe_hits.js  which rows are under the pointer
globe_ground.js  the basemap's pictures, hatched gaps, sharper tiles where a page hands them in
globe_canvas.js  drawing and gestures on plain canvas; globe_flat.js  a flat map where there is no WebGL;
                 globe_polar.js  the two small polar panels and the polar views
globe_gl.js      marks and lines on the graphics card; globe_map.js  MapLibre GL, which travels in a wheel
globe_card.js    cards and tips; globe_legend.js  layers, thresholds, switches; globe.js  all of it in a page
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import InputError
from tools.layers import Layer
from tools.maps.globe_layers import COLOURS, layers_payload, top_rows
from tools.maps.globe_pictures import BASEMAP_PX, data_uri, planet_pictures
from tools.workspace import Workspace

if TYPE_CHECKING:
    from retrieval.index import TileIndex
    from tools.candidates import Candidates

__all__ = [
    "COLOURS",
    "content_policy",
    "data_uri",
    "globe_document",
    "globe_html",
    "globe_payload",
    "globe_scripts",
    "globe_style",
    "json_for_script",
    "thumbnail_uri",
    "top_rows",
]

Json = Any

FORMAT = 3  # of the payload; globe_rows.js reads this one
MAX_POINTS = 100_000
THUMBNAILS_PER_LAYER = 12
SCRIPTS = (
    "globe_rows.js",
    "globe_hits.js",
    "globe_ground.js",
    "globe_canvas.js",
    "globe_flat.js",
    "globe_polar.js",
    "globe_gl.js",
    "globe_map.js",
    "globe_card.js",
    "globe_legend.js",
    "globe.js",
)


def globe_payload(
    workspace_or_index: Workspace | TileIndex,
    layers: Sequence[Layer],
    *,
    thumbnails: bool,
    max_points: int = MAX_POINTS,
    basemap_px: int = BASEMAP_PX,
    cache: Path | None = None,
    candidates: Mapping[str, Candidates] | None = None,
) -> dict[str, Json]:
    """Everything the globe draws, as JSON values.

    Parameters
    ----------
    thumbnails
        Whether the `THUMBNAILS_PER_LAYER` most probable tiles of each layer carry their picture.
    max_points
        Most rows in all layers together. A layer with more than its share keeps its most probable
        rows (catalogues: evenly spaced rows), and the legend says how many of how many are shown.
    basemap_px
        Width of the basemap in pixels, one turn around the body.
    cache
        Where the basemap of an index is kept; that of a workspace's home if a workspace is given.
    candidates
        By layer id, the rows that just missed it, for a threshold that can be lowered.
    """
    if isinstance(workspace_or_index, Workspace):
        index = workspace_or_index.index
        cache_folder: Path | None = workspace_or_index.settings.home / "cache"
    else:
        index, cache_folder = workspace_or_index, cache
    body = index.body
    pictures, has_gaps = planet_pictures(index, basemap_px, cache_folder)
    return {
        "format": FORMAT,
        "body": {
            "name": body.name,
            "radius_km": body.radius_km,
            "longitude_positive": body.longitude_positive,
            "longitude_domain": body.longitude_domain,
        },
        "tile_km": index.grid.tile_km,
        "basemap": dict(pictures),
        "basemap_px": basemap_px,
        "has_gaps": has_gaps,
        "layers": layers_payload(layers, max_points, candidates),
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
    return (maplibre, *((ours / name).read_text("utf-8") for name in SCRIPTS))


@cache
def globe_style() -> str:
    """Style sheets of MapLibre and of the globe."""
    maplibre = (_maplibre_folder() / "maplibre-gl.css").read_text(encoding="utf-8")
    return maplibre + (Path(__file__).parent / "globe.css").read_text(encoding="utf-8")


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


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def _maplibre_folder() -> Path:
    # Located, not imported: importing the package warns about web frameworks that nobody uses here.
    spec = importlib.util.find_spec("maplibre")
    if spec is None or spec.origin is None:
        raise InputError("the maplibre package is missing", next_step="pip install 'maplibre>=0.3.6,<0.4'")
    return Path(spec.origin).parent / "srcjs"
