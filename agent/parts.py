"""What a bundle holds beside the conversation: layers for other programs, maps, manifests, judgements.

Everything is made from the layers as they are stored, so that the same conversation gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pyogrio import read_info, set_gdal_config_options  # type: ignore[import-untyped]

from agent.events import Turn
from retrieval.errors import AreographerError
from tools.export import layer_name, write_geojson, write_geopackage
from tools.layers import Layer
from tools.maps.draw import draw_map
from tools.styles import qml
from tools.workspace import Workspace

Json = Any
Label = Mapping[str, Json]
Progress = Callable[[str, int, int], None]

# A GeoPackage notes when it was written.
WRITTEN = "2000-01-01T00:00:00.000Z"
# Of all layers together, some 45 MB and five seconds; the GeoPackage has every row.
LARGEST_GEOJSON_ROWS = 100_000
MOST_DRAWN = 16  # maps that the conversation did not draw itself: a second each
LABEL_COLUMNS = ("layer", "tile_id", "verdict", "time")

_gdal = threading.Lock()


def geopackage(path: Path, layers: Sequence[Layer], workspace: Workspace) -> Path:
    """Write all layers with their styles into one GeoPackage, and count their rows in it.

    Raises
    ------
    OSError
        If they are not all there.
    """
    # The file is a temporary one: nothing is lost if it never reaches the disk.
    options = {"OGR_CURRENT_DATE": WRITTEN, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    with _gdal:  # its settings are the process's
        set_gdal_config_options(options)
        try:
            write_geopackage(path, list(layers), workspace.body)
        finally:
            set_gdal_config_options(dict.fromkeys(options))
    for layer in layers:
        found = read_info(path, layer=layer_name(layer))["features"]
        if found != len(layer):
            raise OSError(f"{path.name} was written with {found} rows of {layer.id}, not {len(layer)}")
    return path


def geojson_files(folder: Path, layers: Sequence[Layer], workspace: Workspace) -> dict[str, bytes | Path]:
    """Each layer as GeoJSON that names its body, and its QGIS style beside it: name in the bundle -> content.

    Layers that would make more than `LARGEST_GEOJSON_ROWS` rows of them are left out.
    """
    members: dict[str, bytes | Path] = {}
    left = LARGEST_GEOJSON_ROWS
    for position, layer in enumerate(layers):
        if len(layer) > left:
            continue
        left -= len(layer)
        stem = f"areographer_{workspace.body.name}_{layer_name(layer)}"
        path = folder / f"{stem}.geojson"
        write_geojson(path, layer, workspace.body)
        members[f"geojson/{path.name}"] = path
        members[f"geojson/{stem}.qml"] = qml(layer, position).encode()
    return members


def drawn_layers(turns: Sequence[Turn]) -> set[str]:
    """Ids of the layers that stand on a map which the conversation drew."""
    found: set[str] = set()
    for step in (step for turn in turns for step in turn.steps):
        if step.tool == "draw_map" and step.pictures:
            given = step.arguments.get("layers")
            found.update(str(name) for name in (given if isinstance(given, list) else []))
    return found


def layer_maps(
    layers: Sequence[Layer], turns: Sequence[Turn], workspace: Workspace, progress: Progress | None = None
) -> dict[str, Path]:
    """A map of each layer that the conversation drew none of: name in ``maps/`` -> file.

    They are kept beside the conversation's other files, where they are found the next time. A layer that
    cannot be drawn, or has no rows, has none.
    """
    there = drawn_layers(turns)
    missing = [layer for layer in layers if layer.id not in there and len(layer)][:MOST_DRAWN]
    folder = workspace.output / ".maps"
    made: dict[str, Path] = {}
    for number, layer in enumerate(missing):
        if progress:
            progress(f"drawing a map of {layer.id}", number, len(missing))
        path = folder / f"{layer.id}_{layer.hash}.png"
        if path.is_file() or _draw(layer, path, workspace):
            made[f"layer_{layer.id}.png"] = path
    return made


def manifests(record: Mapping[str, Json], workspace: Workspace) -> dict[str, bytes | Path]:
    """What the index, the encoder and the layers say of themselves, one JSON file each."""
    index = asdict(workspace.index.manifest) | {"source": record["index"]["source"]}
    encoder = asdict(workspace.encoder.manifest)
    return {
        "manifests/index.json": to_json(index),
        "manifests/encoder.json": to_json(encoder),
        "manifests/layers.json": to_json(record["layers"]),
    }


def labels_csv(labels: Sequence[Label]) -> bytes:
    """Judged tiles as a table: layer, tile, verdict, time; further columns as they come."""
    more = sorted({str(name) for label in labels for name in label} - set(LABEL_COLUMNS))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*LABEL_COLUMNS, *more], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(dict(label) for label in labels)
    return text.getvalue().encode()


def to_json(value: Json) -> bytes:
    """Plain values as JSON that people can read; NaN is refused."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _draw(layer: Layer, path: Path, workspace: Workspace) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # A stop that was pressed during the last question does not concern this.
        own = replace(workspace, output=Path(folder), stop=threading.Event())
        try:
            (picture,) = draw_map(own, [layer.id]).pictures
        except AreographerError:
            return False
        picture.replace(path)
    return True
