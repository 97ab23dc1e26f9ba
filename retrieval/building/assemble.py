"""Assemble parts into the files of an index, one part in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from retrieval.building.parts import MIN_OBSERVED, Part, read_part
from retrieval.calibrate import background
from retrieval.errors import RasterError
from retrieval.grid import Grid
from retrieval.manifest import RECALL, Storage
from retrieval.tiles import write_columns
from retrieval.vectors.lists import how_many_lists
from retrieval.vectors.making import make_vectors

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Json = Any
Progress = Callable[[str, int, int], None]

FEWEST_SAMPLED = 16_384  # rows from which quantisers and the centres of lists learn
A_LIST = 64  # and as many for each list
ONE_IN = 4  # rows taken of a part: neighbours are alike


def assemble(
    folder: Path,
    grid: Grid,
    encoder: Encoder,
    paths: list[Path],
    storage: Storage,
    background_prompts: Sequence[str],
    progress: Progress | None = None,
    *,
    recall: float = RECALL,
) -> tuple[dict[str, int], dict[str, Json] | None]:
    """Turn parts into the files of an index, one part in memory at a time.

    Returns
    -------
    tuple
        Number of tiles ``looked_at``, ``indexed`` and ``not_observed``; and, where the storage may miss
        some, the recall measured (`retrieval.vectors.making.make_vectors`).

    Raises
    ------
    RasterError
        If no tile was observed well enough.
    """
    logit_scale = encoder.manifest.logit_scale
    bank = encoder.encode_texts(list(background_prompts)) if background_prompts else None
    rows, coverage, backgrounds = [], [], []
    schema = pa.schema([("jpeg", pa.binary())])
    with pa.OSFile(str(folder / "thumbnails.arrow"), "wb") as file, pa.ipc.new_file(file, schema) as jpegs:
        for done, part in enumerate(map(read_part, paths)):
            coverage.append(pd.DataFrame({"tile": part.tiles, "observed": part.observed}))
            if part.kept.any():
                facts = {name: values[part.kept] for name, values in part.facts.items()}
                rows.append(coverage[-1][part.kept].assign(**facts))
                jpegs.write_batch(pa.record_batch([pa.array(part.thumbnails, pa.binary())], schema=schema))
                backgrounds.append(_background(part, bank, logit_scale))
            if progress:
                progress("index", done + 1, len(paths))
    if not rows:
        raise RasterError(
            f"no tile of {grid.tile_km:g} km has data in at least {MIN_OBSERVED:.0%} of it",
            next_step="choose smaller tiles, or check where the data lie",
        )
    count = sum(map(len, rows))
    blocks = (read_part(path).vectors for path in paths)
    found = make_vectors(folder, storage, count, blocks, _sample(paths, count), texts=bank, recall=recall)
    np.save(folder / "background.npy", np.concatenate(backgrounds).astype(np.float32))
    looked_at, table = (pd.concat(parts, ignore_index=True) for parts in (coverage, rows))
    for name, columns in (("coverage.arrow", looked_at), ("tiles.arrow", table)):
        write_columns(folder / name, {str(column): columns[column] for column in columns})
    counts = {
        "looked_at": len(looked_at),
        "indexed": len(table),
        "not_observed": len(looked_at) - len(table),
    }
    return counts, found


def _sample(paths: list[Path], count: int) -> NDArray[np.float32]:
    """Rows from which 8-bit codes learn their ranges and lists their centres: from all over the planet."""
    wanted = max(FEWEST_SAMPLED, A_LIST * how_many_lists(count))
    parts = max(1, ONE_IN * wanted * len(paths) // max(count, 1))
    every = max(1, len(paths) // parts)
    thin = ONE_IN if count > wanted else 1
    return np.concatenate([read_part(path).vectors[::thin] for path in paths[::every]])


def _background(part: Part, bank: NDArray[np.float32] | None, logit_scale: float) -> NDArray[np.float32]:
    """Background scores of a part's rows: those that are known as they are, the others worked out."""
    if bank is None:
        return np.zeros(len(part.vectors), dtype=np.float32)
    if part.background is None:
        return background(part.vectors, bank, logit_scale)
    found = part.background.copy()
    fresh = np.isnan(found)
    if fresh.any():
        found[fresh] = background(part.vectors[fresh], bank, logit_scale)
    return found
