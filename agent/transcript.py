"""Conversation -> what is shared of it: one page that opens without a network, and the bundle around it.

`write_bundle` writes both; `read_bundle` and `replay` are the way back, `agent.reopen` goes on from there.
The bundle's layout stands in `agent.bundle`, what is replayed and compared in `agent.recipe`.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.bundle import BundleContents, read_bundle, write_archive
from agent.events import Turn
from agent.page import model_label, page_html, render
from agent.parts import (
    Label,
    Progress,
    geojson_files,
    geopackage,
    labels_csv,
    layer_maps,
    manifests,
    to_json,
)
from agent.recipe import Recipe, Replay, make_recipe, replay, stored
from tools.layers import Layer, Provenance
from tools.workspace import Workspace

__all__ = ["Bundle", "BundleContents", "Replay", "read_bundle", "replay", "write_bundle"]

Json = Any

FORMAT = "areographer-transcript"
VERSION = 1
TITLE_CHARS = 160
LARGEST_PICTURE_BYTES = 20_000_000
PACKAGES = (
    "areographer",
    "faiss-cpu",
    "geopandas",
    "maplibre",
    "numpy",
    "open_clip_torch",
    "pyproj",
    "torch",
)


@dataclass(frozen=True)
class Bundle:
    """Where a conversation was written: the page, and the zip that holds it and everything else."""

    html: Path
    zip: Path


def write_bundle(
    conversation_id: str,
    turns: Sequence[Turn],
    workspace: Workspace,
    out: Path,
    title: str | None = None,
    labels: Sequence[Label] = (),
    progress: Progress | None = None,
) -> Bundle:
    """Write the page and the bundle of a conversation: ``areographer-ID.html`` and ``areographer-ID.zip``.

    Paths of this machine are taken out of every text. Layers whose files are gone are left out.

    Parameters
    ----------
    out
        Folder; made if missing. An earlier transcript of the same conversation is replaced.
    title
        Default: the first question.
    labels
        Judged tiles: ``layer``, ``tile_id``, ``verdict`` ("accept" or "reject") and ``time`` of each.
    progress
        Told what is being made, how many parts are done, and of how many.
    """
    tell = progress or (lambda what, done, of: None)
    tell("reading the layers", 0, 1)
    recipe, inputs = shared_recipe(turns, workspace)
    turns = [Turn.from_json(_without_folders(turn.to_json(), workspace)) for turn in turns]
    layers = _layers(turns, workspace)
    title = " ".join((title or (turns[0].question if turns else "")).split())[:TITLE_CHARS] or "Conversation"
    record = _record(conversation_id, title, turns, layers, recipe, workspace)
    record["labels"] = [dict(label) for label in labels]
    pictures = _pictures(turns, workspace)
    tell("writing the page", 0, 1)
    page = page_html(record, turns, layers, pictures, recipe, workspace)
    out.mkdir(parents=True, exist_ok=True)
    name = file_stem(conversation_id)
    bundle = Bundle(out / f"{name}.html", out / f"{name}.zip")
    maps = {**pictures, **layer_maps(layers, turns, workspace, progress)}
    words: dict[str, Json] = {"record": record, "about": _about(record), "recipe": recipe}
    markdown = render("transcript.md.j2", turns=turns, layers=layers, pictures=maps, **words)
    tell("packing everything", 0, 1)
    with tempfile.TemporaryDirectory(prefix="areographer-") as folder:
        members: dict[str, bytes | Path] = {
            "README.md": render("readme.md.j2", layers=layers, maps=maps, **words).encode(),
            "transcript.html": page.encode(),
            "transcript.md": markdown.encode(),
            "transcript.json": to_json(record),
            "recipe.json": to_json(recipe.model_dump(mode="json")),
        }
        for layer in layers:
            members[f"layers/{layer.id}.parquet"] = workspace.layers.folder / f"{layer.id}.parquet"
        tests = workspace.layers.folder / "tests.json"
        if tests.is_file():
            members["layers/tests.json"] = _without_folders(tests.read_text("utf-8"), workspace).encode()
        if layers:
            members["layers.gpkg"] = geopackage(Path(folder) / "layers.gpkg", layers, workspace)
            members |= geojson_files(Path(folder), layers, workspace)
        members |= manifests(record, workspace)
        if labels:
            members["labels.csv"] = labels_csv(labels)
        members |= {f"maps/{name}": path for name, path in sorted(maps.items())}
        members |= {f"inputs/{name}": path for name, path in sorted(inputs.items())}
        write_archive(bundle.zip, members, conversation_id, title)
    temporary = bundle.html.with_name(f".{bundle.html.name}.{threading.get_ident()}.tmp")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(bundle.html)
    return bundle


def shared_recipe(turns: Sequence[Turn], workspace: Workspace) -> tuple[Recipe, dict[str, Path]]:
    """The recipe as it leaves this machine, and the files the user brought: name in the bundle -> path."""
    recipe, inputs = make_recipe(turns, workspace)
    return Recipe.model_validate(_without_folders(recipe.model_dump(mode="json"), workspace)), inputs


def file_stem(conversation_id: str) -> str:
    """Name of a conversation's transcripts, without an ending."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", conversation_id).strip("-")[:60] or "conversation"
    return f"areographer-{name}"


def _layers(turns: Sequence[Turn], workspace: Workspace) -> list[Layer]:
    ids = dict.fromkeys(layer_id for turn in turns for step in turn.steps for layer_id in step.layer_ids)
    found = [layer for layer in (stored(workspace, layer_id) for layer_id in ids) if layer is not None]
    return [_clean_layer(layer, workspace) for layer in found]


def _record(
    conversation_id: str,
    title: str,
    turns: Sequence[Turn],
    layers: Sequence[Layer],
    recipe: Recipe,
    workspace: Workspace,
) -> dict[str, Json]:
    """``transcript.json``: the whole conversation and the provenance of every layer, as plain values."""
    body, manifest = workspace.body, workspace.index.manifest
    record = {
        "format": FORMAT,
        "version": VERSION,
        "id": conversation_id,
        "title": title,
        "started": turns[0].started if turns else "",
        "body": {"name": body.name, "radius_m": body.radius_m, "crs": body.crs_code},
        "index": {
            **recipe.index.model_dump(),
            "tiles": len(workspace.index),
            "tile_km": manifest.tile_km,
            "source": _without_folders(manifest.source, workspace),
            "created": manifest.created,
        },
        "encoder": recipe.encoder.model_dump(),
        "versions": _versions(),
        "turns": [turn.to_json() for turn in turns],
        "layers": [
            {
                "id": layer.id,
                "title": layer.title,
                "kind": layer.kind,
                "count": len(layer),
                "hash": layer.hash,
                "file": f"layers/{layer.id}.parquet",
                "provenance": asdict(layer.provenance),
            }
            for layer in layers
        ],
    }
    return record | {"cite": _citation(record)}


def _citation(record: Mapping[str, Json]) -> str:
    """How to cite a conversation: software and version, title, date, what it was held on, how to find it."""
    software = " ".join(("Areographer", record["versions"].get("areographer", ""))).strip()
    dates = [str(turn["started"])[:10] for turn in record["turns"]]
    days = [date for date in dates if re.fullmatch(r"\d{4}-\d\d-\d\d", date)]
    day = f" ({days[-1]})" if days else ""
    index, encoder, body = record["index"], record["encoder"], record["body"]["name"].capitalize()
    return (
        f"{software}, transcript {record['id']}{day}: “{record['title']}”. "
        f"{body}, index {index['name']} ({index['fingerprint'][:16]}), encoder {encoder['name']} "
        f"({encoder['fingerprint'][:16]})."
    )


def _about(record: Mapping[str, Json]) -> str:
    body, index, encoder = record["body"], record["index"], record["encoder"]
    models = ", ".join(sorted({model_label(turn["model"]) for turn in record["turns"]})) or "nobody"
    return (
        f"Areographer transcript {record['id']}: {body['name'].capitalize()}, index {index['name']} "
        f"({index['fingerprint']}, {index['tiles']:,} tiles of {index['tile_km']:g} km), encoder "
        f"{encoder['name']} ({encoder['fingerprint']}), answered by {models}."
    )


def _pictures(turns: Sequence[Turn], workspace: Workspace) -> dict[str, Path]:
    """Pictures of the steps that are where they should be: name -> file."""
    found: dict[str, Path] = {}
    folder = workspace.output.resolve()
    for name in (name for turn in turns for step in turn.steps for name in step.pictures):
        path = (folder / name).resolve()
        plain = re.fullmatch(r"[\w.()-]([\w.() -]*[\w.()-])?", name) is not None
        there = plain and path.parent == folder and path.is_file()
        if there and path.stat().st_size <= LARGEST_PICTURE_BYTES:
            found[name] = path
    return found


def _clean_layer(layer: Layer, workspace: Workspace) -> Layer:
    made = Provenance(**_without_folders(asdict(layer.provenance), workspace))
    return replace(layer, title=_without_folders(layer.title, workspace), provenance=made)


def _without_folders(value: Json, workspace: Workspace) -> Json:
    """The same values with this machine's folders taken out of their texts."""
    folders = [workspace.output, workspace.layers.folder, *workspace.readable, workspace.settings.home]
    paths = {path for folder in folders for path in (folder, folder.resolve()) if len(path.parts) > 1}
    names = sorted((str(path) for path in paths if path.is_absolute()), key=len, reverse=True)

    def clean(item: Json) -> Json:
        if isinstance(item, str):
            for name in names:
                item = item.replace(f"{name}/", "").replace(name, ".")
            return item
        if isinstance(item, Mapping):
            return {key: clean(child) for key, child in item.items()}
        if isinstance(item, (list, tuple)):
            return type(item)(clean(child) for child in item)
        return item

    return clean(value)


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            continue
    return found
