"""A bundle becomes a conversation again: its turns, layers, pictures, inputs and judgements, to go on from.

Only on the index that it was held on: tiles, thresholds and figures mean nothing on another. The bundle is a
stranger's: `agent.bundle` has found its files whole, `agent.incoming` checks what they say, and what passes
is written anew under a new id. If anything is wrong nothing of it is kept.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from agent.bundle import BundleContents
from agent.conversations import ConversationStore, delete_conversation
from agent.events import Turn
from agent.incoming import (
    check_turns,
    read_labels,
    read_layer,
    read_layers_said,
    read_tests,
    refused,
)
from agent.labels import Labels
from retrieval.errors import BundleError, InputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools.layers import Layer, LayerStore, Provenance, make_table

LARGEST_PICTURE_BYTES = 20_000_000
LARGEST_PICTURE_PX = 50_000_000
# What a conversation can use of what a user brings; nothing that a browser would run.
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp")
TABLE_ENDINGS = (".csv", ".tsv", ".gpkg", ".geojson", ".json", ".kml", ".kmz", ".zip", ".parquet")
SHAPEFILE_ENDINGS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
INPUT_ENDINGS = (*PICTURE_ENDINGS, *TABLE_ENDINGS, *SHAPEFILE_ENDINGS)
_PLAIN_NAME = re.compile(r"[\w()-][\w.() -]{0,200}")


@dataclass(frozen=True)
class Reopened:
    """A bundle that is a conversation now.

    Attributes
    ----------
    conversation_id
        The new conversation.
    notes
        What could not be taken along, one sentence each.
    """

    conversation_id: str
    notes: tuple[str, ...]


def reopen(
    contents: BundleContents, settings: Settings, store: ConversationStore, index: TileIndex
) -> Reopened:
    """Make a new conversation that begins as the bundle's ended; the model that is asked next may be another.

    Raises
    ------
    BundleError
        If the bundle is of another index or body, or says what cannot be. Nothing is kept of it then.
    """
    check_ground(contents, index)
    check_turns(contents.turns)
    record = json.loads(contents.read("transcript.json"))
    said = read_layers_said(record.get("layers", []))
    labels = read_labels(record.get("labels", []))
    model = contents.turns[0].model if contents.turns else "offline"
    conversation_id = store.create(index.manifest.name, model)
    notes: list[str] = []
    try:
        layers = LayerStore(settings.layers / conversation_id)
        for about in said:
            # One at a time: together they may be larger than the memory.
            layer, left_out = read_layer(_member(contents, f"layers/{about.id}.parquet"), about, index)
            layers.put(layer)
            notes.extend(
                f"column {name[:60]!r} of {layer.id} is of a kind that is not read" for name in left_out
            )
        notes.extend(_hold_numbers(contents.turns, layers, index))
        if "layers/tests.json" in contents.manifest.members:
            for name, p_value in read_tests(contents.read("layers/tests.json")).items():
                layers.record_test(name, float("nan") if p_value is None else p_value)
        notes.extend(_copy_pictures(contents, settings, conversation_id))
        notes.extend(_copy_inputs(contents, settings, conversation_id))
        store.fill(conversation_id, contents.manifest.title, contents.turns)
        if labels:
            Labels(store).restore(conversation_id, labels)
    except BaseException as error:
        delete_conversation(settings, store, conversation_id)
        if isinstance(error, InputError) and not isinstance(error, BundleError):
            raise refused(f"holds what cannot be used ({error.what})") from error
        raise
    return Reopened(conversation_id, tuple(notes))


def check_ground(contents: BundleContents, index: TileIndex) -> None:
    """Refuse a bundle that was held on another body, index or encoder.

    Raises
    ------
    BundleError
        Naming the index that is needed.
    """
    recipe, here = contents.recipe, index.manifest
    wanted = f"{recipe.index.name[:80]} ({recipe.index.fingerprint[:16]})"
    if recipe.body != index.body.name:
        bodies = (recipe.body[:40].capitalize(), index.body.name.capitalize())
        what = "the conversation was held on {}; this is {}".format(*bodies)
    elif recipe.index.fingerprint != here.fingerprint:
        what = (
            f"the conversation was held on the index {wanted}; this is {here.name} ({here.fingerprint[:16]})"
        )
    elif recipe.encoder.fingerprint != str(here.encoder.get("fingerprint", "")):
        what = (
            f"the conversation was held with the encoder {recipe.encoder.name[:80]}; this index has another"
        )
    else:
        return
    raise BundleError(
        what,
        allowed=f"the index {wanted}",
        next_step=f"start `areographer chat --index {recipe.index.name[:80]}` and open it there; to read it "
        "only, open the transcript.html that lies in the .zip",
    )


def _member(contents: BundleContents, name: str) -> bytes:
    if name not in contents.manifest.members:
        raise refused(f"lacks {name}")
    return contents.read(name)


def _hold_numbers(turns: Sequence[Turn], layers: LayerStore, index: TileIndex) -> list[str]:
    """Keep the number of a layer that is missing at the end, so that no new layer takes its name."""
    made = {name for turn in turns for step in turn.steps for name in step.layer_ids}
    cited = {name for turn in turns for name in turn.evidence.citations}
    named = sorted((name for name in made | cited if re.fullmatch(r"L[1-9]\d{0,4}", name)), key=_number)
    missing = [name for name in named if name not in layers.ids()]
    if missing and _number(missing[-1]) > max(map(_number, layers.ids()), default=0):
        empty = make_table(index.body, [], np.empty((0, 2)))
        layers.put(
            Layer(missing[-1], "not in the bundle", "tiles", empty, Provenance("", {}, index.body.name))
        )
    return [f"layer {name} is not in the bundle" for name in missing]


def _copy_pictures(contents: BundleContents, settings: Settings, conversation_id: str) -> list[str]:
    """Pictures of steps, if they are what they say; the page says of others that they are not there."""
    wanted = dict.fromkeys(name for turn in contents.turns for step in turn.steps for name in step.pictures)
    folder, notes = settings.exports / conversation_id, []
    for name in wanted:
        if f"maps/{name}" not in contents.manifest.members:
            continue
        content = contents.read(f"maps/{name}")
        if not (_PLAIN_NAME.fullmatch(name) and name.lower().endswith(".png") and _is_png(content)):
            notes.append(f"picture {name[:60]!r} is no PNG")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return notes


def _is_png(content: bytes) -> bool:
    if len(content) > LARGEST_PICTURE_BYTES:
        return False
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            if picture.width * picture.height > LARGEST_PICTURE_PX:
                return False
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False
    return True


def _copy_inputs(contents: BundleContents, settings: Settings, conversation_id: str) -> list[str]:
    folder, notes = settings.uploads / conversation_id, []
    for name in contents.recipe.inputs:
        ending = name[name.rfind(".") :].lower()
        if not _PLAIN_NAME.fullmatch(name) or ending not in INPUT_ENDINGS:
            notes.append(f"file {name[:60]!r} is of a kind that is not taken along")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents.read(f"inputs/{name}"))
    return notes


def _number(layer_id: str) -> int:
    return int(layer_id[1:])
