"""Layers in QGIS as they look on our maps: styles as QML, and the table by which a GeoPackage brings them.

QGIS reads the table ``layer_styles`` of a GeoPackage and draws each layer with its default style at once. A
``.qml`` of the name of a file beside it does the same for other formats. Tiles and features are shaded by
probability from the layer's threshold up; what has none is drawn in the layer's plain colour.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd
import pyogrio  # type: ignore[import-untyped]
import shapely

from retrieval.spatial.shapes import Shapes
from tools.layers import Layer
from tools.maps.globe_layers import COLOURS, MARKS

STYLES = "layer_styles"
CLASSES = 4
FAINTEST = 0.3  # opacity of the least probable class
UPDATED = "2000-01-01T00:00:00.000Z"  # QGIS wants a time; the same layers are to give the same bytes

Geometry = Literal["marker", "line", "fill"]

_MARKS = {"disc": "circle", "square": "square", "triangle": "triangle", "diamond": "diamond"}


def qml(layer: Layer, position: int) -> str:
    """The style of a layer as a QGIS 3 style file.

    Parameters
    ----------
    position
        Of the layer among those shown: it decides colour and mark, as on our maps.
    """
    kind = _geometry(layer.shapes)
    rgb = _rgb(COLOURS[position % len(COLOURS)])
    mark = _MARKS[MARKS[position % len(MARKS)]]
    classes = _classes(layer)
    if classes:
        shades = np.linspace(FAINTEST, 1.0, len(classes))
        ranges = "".join(
            f'<range lower="{low:.6f}" upper="{high:.6f}" label="p {low:.2f} to {high:.2f}" symbol="{n}" '
            'render="true"/>'
            for n, (low, high) in enumerate(classes)
        )
        symbols = "".join(_symbol(kind, n, rgb, mark, shade) for n, shade in enumerate(shades))
        drawn = (
            '<renderer-v2 type="graduatedSymbol" attr="probability" graduatedMethod="GraduatedColor" '
            'symbollevels="0" enableorderby="0" forceraster="0">'
            f"<ranges>{ranges}</ranges><symbols>{symbols}</symbols></renderer-v2>"
        )
    else:
        drawn = (
            '<renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">'
            f"<symbols>{_symbol(kind, 0, rgb, mark, 1.0)}</symbols></renderer-v2>"
        )
    # Titles come from people and models: as text of an element, never as part of an expression.
    about = escape(f"{layer.id} {layer.title}")
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.28.0" styleCategories="Symbology">'
        f"{drawn}<blendMode>0</blendMode><featureBlendMode>0</featureBlendMode>"
        f"<layerOpacity>1</layerOpacity><customproperties><Option/></customproperties>"
        f"<resourceMetadata><title>{about}</title></resourceMetadata></qgis>\n"
    )


def add_styles(path: Path, layers: Sequence[Layer], tables: Sequence[str], column: str = "geom") -> None:
    """Write the styles of a GeoPackage's layers into it.

    Parameters
    ----------
    tables
        Name of each layer's table in the GeoPackage.
    column
        Name of their geometry columns.
    """
    styles = [qml(layer, position) for position, layer in enumerate(layers)]
    count = len(layers)
    frame = pd.DataFrame(
        {
            "f_table_catalog": [""] * count,
            "f_table_schema": [""] * count,
            "f_table_name": list(tables),
            "f_geometry_column": [column] * count,
            "styleName": list(tables),
            "styleQML": styles,
            "styleSLD": [""] * count,
            "useAsDefault": np.ones(count, dtype=bool),
            "description": [f"{layer.id} {layer.title}" for layer in layers],
            "owner": [""] * count,
            "ui": [""] * count,
            "update_time": [UPDATED] * count,
        }
    )
    pyogrio.write_dataframe(frame, path, layer=STYLES, driver="GPKG", layer_options={"FID": "id"})


def _geometry(shapes: Shapes) -> Geometry:
    dimensions = shapely.get_dimensions(shapes)
    kinds: tuple[Geometry, ...] = ("marker", "line", "fill")
    return kinds[max(0, int(dimensions.max()))] if len(dimensions) else "marker"


def _classes(layer: Layer) -> list[tuple[float, float]]:
    """Bounds of equal steps of probability from the layer's threshold to its largest; none if unknown."""
    known = layer.table["probability"].dropna().to_numpy(dtype=float)
    if not len(known) or len(known) < len(layer):
        return []
    low, high = float(np.floor(known.min() * 100) / 100), float(np.ceil(known.max() * 100) / 100)
    if high - low < 0.02:
        return []
    edges = np.linspace(low, high, CLASSES + 1).tolist()
    return list(itertools.pairwise(edges))


def _symbol(kind: Geometry, number: int, rgb: str, mark: str, opacity: float) -> str:
    layers = {
        "marker": (
            "SimpleMarker",
            {
                "name": mark,
                "color": f"{rgb},255",
                "outline_color": "27,31,36,255",
                "outline_width": "0.15",
                "outline_style": "solid",
                "size": "2.2",
                "size_unit": "MM",
            },
        ),
        "line": (
            "SimpleLine",
            {"line_color": f"{rgb},255", "line_width": "0.5", "line_width_unit": "MM", "line_style": "solid"},
        ),
        "fill": (
            "SimpleFill",
            {
                "color": f"{rgb},130",
                "style": "solid",
                "outline_color": f"{rgb},255",
                "outline_width": "0.4",
                "outline_style": "solid",
            },
        ),
    }
    name, values = layers[kind]
    # QGIS up to 3.26 reads the properties, later ones the options.
    options = "".join(
        f'<Option name="{key}" value={quoteattr(value)} type="QString"/>' for key, value in values.items()
    )
    properties = "".join(f'<prop k="{key}" v={quoteattr(value)}/>' for key, value in values.items())
    return (
        f'<symbol type="{kind}" name="{number}" alpha="{opacity:.3f}" clip_to_extent="1" force_rhr="0">'
        f'<layer class="{name}" enabled="1" locked="0" pass="0">'
        f'<Option type="Map">{options}</Option>{properties}</layer></symbol>'
    )


def _rgb(colour: str) -> str:
    return ",".join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
