"""What the nodes of a Ray cluster do for a build: tasks draw the tiles of a part, actors encode them.

A row of the data set is a part, never a tile: the encoder then sees together what it sees together in a
build on one machine, and a part has the same bytes wherever it was made. What goes wrong travels as a row
too, with the name of the node.
"""

from __future__ import annotations

import gc
import io
import json
import socket
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import retrieval.errors
from retrieval.building.parts import Drawn, draw_pieces, part_bytes
from retrieval.corpus.source import SourceOnFiles, TileBatch, TileSource
from retrieval.encoder_torch import at_most_threads
from retrieval.errors import EncoderError, InputError, RasterError, SettingsError
from retrieval.grid import Grid

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Rows = dict[str, Any]  # column -> values, as Ray Data hands them over

# Of what a node makes of the probe and what the driver makes of it. Half precision on one machine and full
# precision on another agree to 0.9998, other weights or other preprocessing to far less than this.
PROBE_COSINE = 0.9995
PROBE_TILES = 8

# Ray counts processors: half a one is asked for drawing and a tenth for an encoder, so that both fit on a
# node of one processor, also when others are lost and their encoders move there. `at_once` limits drawing.
DRAWING_CPUS, ENCODING_CPUS = 0.5, 0.1


@dataclass(frozen=True)
class Work:
    """A round of a build: what is drawn from, the numbers of its parts, and the tiles of each."""

    source: TileSource
    grid: Grid
    size_px: int
    numbers: tuple[int, ...]
    tiles: tuple[NDArray[np.int64], ...]


@dataclass(frozen=True)
class Probe:
    """Pictures, and their vectors as the driver's encoder gives them."""

    pixels: NDArray[np.uint8]
    vectors: NDArray[np.float32]


def make_probe(encoder: Encoder) -> Probe:
    """Pictures of soft noise, shape (`PROBE_TILES`, s, s, 3), and their vectors."""
    size = encoder.manifest.image_size
    steps = np.random.default_rng(0).normal(0.0, 6.0, (PROBE_TILES, size, size, 1))
    grey = np.clip(128.0 + np.cumsum(steps, axis=1), 1, 255).astype(np.uint8)
    pixels = np.repeat(grey, 3, axis=-1)
    return Probe(pixels, encoder.encode_images(pixels))


def check_source(source: TileSource, fingerprint: str) -> str:
    """Look, on the node that this runs on, whether the source gives there what it gives here.

    Returns
    -------
    Trouble as text (see `raise_trouble`), empty if there is none.
    """
    try:
        if source.fingerprint() != fingerprint:
            raise SettingsError(
                f"{source.name} would be drawn differently there", next_step="install the same version there"
            )
        if isinstance(source, SourceOnFiles):
            source.check_files()
    except Exception as error:
        return _trouble(error)
    return ""


def draw_rows(rows: Rows, work: Work) -> Rows:
    """Draw parts: ``id`` (position in the round) -> ``number``, ``drawn``, ``trouble``."""
    numbers, drawn, troubles = [], [], []
    for position in np.asarray(rows["id"]).tolist():
        numbers.append(work.numbers[position])
        content, trouble = b"", ""
        try:
            with threadpool_limits(1):
                pieces = draw_pieces(work.source, work.grid, work.tiles[position], work.size_px)
                content = _pack(pieces)
        except Exception as error:
            trouble = _trouble(error)
        drawn.append(content)
        troubles.append(trouble)
    return {"number": np.array(numbers), "drawn": drawn, "trouble": troubles}


class Encoding:
    """An actor that holds the encoder: drawn parts -> ``number``, ``part`` (a file's bytes), ``trouble``."""

    def __init__(self, encoder: Any, probe: Probe) -> None:
        import ray

        self._encoder: Encoder = ray.get(encoder)
        self._trouble = ""
        try:
            self._check(probe)
        except Exception as error:
            self._trouble = _trouble(error)

    def __call__(self, rows: Rows) -> Rows:
        """Encode what was drawn."""
        parts, troubles = [], []
        for content, earlier in zip(rows["drawn"], rows["trouble"], strict=True):
            part, trouble = b"", str(earlier) or self._trouble
            if not trouble:
                try:
                    with at_most_threads(1):  # the other processors draw, or hold encoders too
                        part = part_bytes(_unpack(bytes(content)), self._encoder)
                except Exception as error:
                    trouble = _trouble(error)
            parts.append(part)
            troubles.append(trouble)
        return {"number": rows["number"], "part": parts, "trouble": troubles}

    def _check(self, probe: Probe) -> None:
        found = self._encoder.encode_images(probe.pixels)
        least = float((found * probe.vectors).sum(axis=1).min())
        if not least >= PROBE_COSINE:
            raise EncoderError(
                f"encoder {self._encoder.manifest.name} gives other vectors there: cosine {least:.4f}",
                allowed=f"{PROBE_COSINE} or more for the same pictures",
                next_step="install the same versions there as here",
            )


class Stream:
    """An actor that runs one round as a streaming data set and hands its rows on, one at a time."""

    def __init__(self, work: Work, encoder: list[Any], probe: Probe, at_once: int) -> None:
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        count = len(work.numbers)
        # Not `range`: its tasks ask for a whole processor, which a node of one with an encoder cannot give.
        positions = ray.data.from_items(
            [{"id": number} for number in range(count)], override_num_blocks=count
        )
        drawn = positions.map_batches(
            draw_rows,
            fn_kwargs={"work": work},
            batch_size=1,
            compute=ray.data.TaskPoolStrategy(size=at_once),
            num_cpus=DRAWING_CPUS,
        )
        parts = drawn.map_batches(
            Encoding,
            fn_constructor_args=(encoder[0], probe),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=at_once),
            num_cpus=ENCODING_CPUS,
        )
        self._rows = iter(parts.iter_rows())

    def next(self) -> Rows | None:
        """The next row that is finished; None at the end."""
        return next(self._rows, None)

    def close(self) -> None:
        """Let go of the round: Ray Data keeps what it reserved for one that is killed for minutes."""
        del self._rows
        gc.collect()


def raise_trouble(text: str) -> NoReturn:
    """Raise here what was wrong on a node: an `InputError` of the same kind, or a fault."""
    told = json.loads(text)
    if told["kind"]:
        kind: type[InputError] = getattr(retrieval.errors, told["kind"])
        what = f"on node {told['node']}: {told['what']}"
        raise kind(what, allowed=told["allowed"], next_step=told["next_step"])
    raise RuntimeError(f"on node {told['node']}: {told['what']}")


def node_name() -> str:
    """What people call this node: host, address and the head of Ray's id."""
    import ray
    import ray.util

    node = ray.get_runtime_context().get_node_id()
    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()}, {node[:8]})"


def _trouble(error: Exception) -> str:
    if isinstance(error, OSError):
        error = RasterError(f"{error.filename or 'a file'} cannot be read ({error.strerror or error})")
    told: Mapping[str, str] = {"kind": "", "what": "".join(traceback.format_exception(error))}
    if isinstance(error, InputError):
        told = {"kind": type(error).__name__, "what": error.what}
        told = {**told, "allowed": error.allowed, "next_step": error.next_step}
    return json.dumps({**told, "node": node_name()})


def _pack(pieces: Iterable[Drawn]) -> bytes:
    """What was drawn of a part as bytes; grey pictures with one band of the three."""
    arrays: dict[str, Any] = {}
    for number, (batch, thumbnails) in enumerate(pieces):
        grey = bool((batch.pixels[..., :1] == batch.pixels).all())
        piece = {
            "tiles": batch.tiles,
            "observed": batch.observed,
            "pixels": batch.pixels[..., :1] if grey else batch.pixels,
            "thumbnails": np.frombuffer(b"".join(thumbnails), dtype=np.uint8),
            "thumbnail_ends": np.cumsum([len(jpeg) for jpeg in thumbnails], dtype=np.int64),
            **{f"fact_{name}": values for name, values in batch.facts.items()},
        }
        arrays.update({f"{number}:{name}": values for name, values in piece.items()})
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _unpack(content: bytes) -> Iterator[Drawn]:
    """The pieces of a part, read one at a time."""
    with np.load(io.BytesIO(content), allow_pickle=False) as data:
        for number in range(sum(name.endswith(":tiles") for name in data.files)):
            start = f"{number}:"
            names = [name.removeprefix(start) for name in data.files if name.startswith(start)]
            piece = {name: data[start + name] for name in names}
            pixels = piece["pixels"]
            if pixels.shape[-1] == 1:
                pixels = np.repeat(pixels, 3, axis=-1)
            facts = {name[5:]: piece[name] for name in names if name.startswith("fact_")}
            blob, ends = piece["thumbnails"].tobytes(), piece["thumbnail_ends"].tolist()
            thumbnails = [blob[start:end] for start, end in pairwise([0, *ends])]
            yield TileBatch(piece["tiles"], pixels, piece["observed"], facts), thumbnails
