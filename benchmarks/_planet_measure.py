"""Measurements on a made index: searches end to end, their stages, and what they are held against.

Everything here runs warm and in turns: one search of ours, one of FAISS, one of the baseline, one pass over
the codes, then the next text. What the machine does besides then disturbs all of them alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import faiss
import numpy as np
import pandas as pd
from _planet_index import EXACT_FILE, Made
from _planet_memory import bytes_for_all, fastest, looked_through, memory_passes
from _planet_rounds import Rounds, say
from _planet_vectors import LiftedEncoder

import retrieval.query
import tools.ranking
import tools.search
from prompts import Prompts
from retrieval.calibrate import levels_around
from retrieval.encoder import Encoder, encode_query
from retrieval.hits import lowest_of, score_bar
from retrieval.index import TileIndex
from retrieval.settings import load_settings
from retrieval.tiles import TileTable
from retrieval.vectors.lists import Lists
from tools.layers import LayerStore
from tools.workspace import Workspace, open_workspace

Figures = dict[str, Any]

MARSRETRIEVAL_K = 20_000  # what arXiv 2602.13961 keeps of a query
MARSRETRIEVAL_TEXTS = 3  # prompts whose mean it asks with
BARS_FILE = "bars.json"
WARMING = 5  # texts
OF_ALL = 50  # one tile in so many is looked for where there are few
SHARES = (1.0, 0.5, 0.25)  # of the most hits that texts ask for by turns


def a_workspace(folder: Path, index: TileIndex, encoder: Encoder, prompts: Prompts) -> Workspace:
    """A conversation's workspace, as the chat opens it, with its files under ``folder``."""
    settings = load_settings(folder)
    return open_workspace(
        settings, index, encoder, folder / "layers", prompts.templates, glossary=prompts.descriptions
    )


def probabilities_for(made: Made, encoder: Encoder, hits: int) -> list[tuple[int, float]]:
    """For each text how many hits to ask for, and the probability of the last of them."""
    scale, bias = encoder.manifest.logit_scale, encoder.manifest.logit_bias
    if bias is None:
        raise ValueError("thresholds are chosen for an encoder of the sigmoid loss")
    chosen = []
    for number, scores in enumerate(made.truth_scores.astype(np.float64)):
        wanted = max(1, min(len(scores), round(hits * SHARES[number % len(SHARES)])))
        chosen.append((wanted, float(1.0 / (1.0 + np.exp(-(scale * scores[wanted - 1] + bias))))))
    return chosen


def by_turns(ws: Workspace, made: Made, encoder: LiftedEncoder, hits: int, repeats: int) -> Figures:
    """Ours, FAISS, MarsRetrieval's way and one pass over the codes, text after text, ``repeats`` times."""
    rounds, found = Rounds(), []
    asked = probabilities_for(made, encoder, hits)
    alone, baseline = _faiss_alone(made.folder), _baseline(made, encoder)
    passes = _passes(made.folder, ws.index.manifest.storage)
    top = min(MARSRETRIEVAL_K, len(ws.index))
    for turn in range(repeats + 1):  # the first is short and not counted: it warms
        kept = rounds if turn else Rounds()
        say(f"searches by turns, {turn} of {repeats} times" if turn else "searches by turns, warming up")
        for number, text in enumerate(made.texts if turn else made.texts[:WARMING]):
            wanted, bar = asked[number]
            query = made.queries[number][None]
            result = kept.time("ours", partial(tools.search.search_words, ws, text, bar))
            kept.seconds.setdefault(f"ours_{wanted}", []).append(kept.seconds["ours"][-1])
            if alone is not None:
                kept.time("faiss", partial(alone.search, query, top))
            if baseline is not None:
                kept.time("marsretrieval", partial(baseline, text, top))
            for name, (_, read) in passes.items():
                kept.time(name, read)
            if turn == 1:
                found.append({"text": text, "asked_for": wanted, **_counts(result)})
            _forget(ws)
    most = f"ours_{asked[0][0]}"
    figures: Figures = {
        "p50_s": rounds.median("ours"),
        "p95_s": rounds.quantile("ours", 0.95),
        "p50_most_hits_s": rounds.median(most),
        "p95_most_hits_s": rounds.quantile(most, 0.95),
        "memory_pass_s": rounds.median("memory_pass"),
        "memory_pass_is": passes["memory_pass"][0],
        "memory_pass_sq8_s": rounds.median("memory_pass_sq8"),
        "ratio_to_memory_pass": rounds.median("ours") / rounds.median("memory_pass"),
        "ratio_to_sq8_pass": rounds.median("ours") / rounds.median("memory_pass_sq8"),
        "ratio_p95_to_memory_pass": rounds.quantile("ours", 0.95) / rounds.median("memory_pass"),
        "faiss_alone_s": rounds.median("faiss"),
        "speedup_over_faiss_alone": rounds.median("faiss") / rounds.median("ours"),
        "marsretrieval_s": rounds.median("marsretrieval"),
        "marsretrieval_left_out": "" if baseline else _why_left_out(ws.index),
        "speedup_over_marsretrieval": rounds.median("marsretrieval") / rounds.median("ours"),
        "repeats": len(rounds.seconds["ours"]),
        "texts": len(made.texts),
        "hits": found,
    }
    return {name: None if value != value else value for name, value in figures.items()}


def recalls(index: TileIndex, made: Made) -> Figures:
    """Share of the exactly best rows that the index gives, for as many as are asked for and for half of them.

    ``recall`` is of the best that it is asked for, ``recall_above`` of all above the exact cosine of the last
    of them, as a search asks: there the rounding of that one row counts as well. In small indexes one tile
    in fifty is asked for.
    """
    alone = _faiss_alone(made.folder)
    top = max(1, min(MARSRETRIEVAL_K, made.truth_rows.shape[1], len(index) // OF_ALL))
    found: dict[str, list[float]] = {}

    def share(name: str, truth: Any, own: Any) -> None:
        found.setdefault(name, []).append(float(np.isin(truth, own).mean()))

    for number, query in enumerate(made.queries):
        for ending, k in (("", top), (f"_{top // 2}", top // 2)):
            truth, bar = made.truth_rows[number, :k], float(made.truth_scores[number, k - 1])
            share(f"recall{ending}", truth, index.store.best(query[None], k)[0][0])
            share(f"recall_above{ending}", truth, index.store.above(query, bar)[0])
        if alone is not None:
            share("recall_faiss_alone", made.truth_rows[number, :top], alone.search(query[None], top)[1][0])
    figures: Figures = {name: float(np.mean(values)) for name, values in found.items()}
    lowest = {"recall_lowest": min(found["recall"]), "recall_above_lowest": min(found["recall_above"])}
    return {**figures, **lowest, "recall_at": top}


def looked_at(index: TileIndex, made: Made, encoder: Encoder, hits: int) -> Figures:
    """Share of the tiles in lists that a search opens, mean over the texts; none where all are scored."""
    lists, reach = getattr(index.store, "lists", None), getattr(index.store, "reach", None)
    if lists is None or reach is None:
        return {}
    scale, bias = encoder.manifest.logit_scale, encoder.manifest.logit_bias
    shares = []
    for query, (_, given) in zip(made.queries, probabilities_for(made, encoder, hits), strict=True):
        bar = score_bar(lowest_of(levels_around(given)), scale, bias, None)
        shares.append(lists.counts(None)[lists.bounds(query, reach) >= np.float32(bar)].sum() / len(index))
    return {"looked_at": float(np.mean(shares)), "looked_at_most": float(np.max(shares))}


def _faiss_alone(folder: Path) -> Any:
    """FAISS' own index over the same file; None for a kind that FAISS has no file of."""
    path = folder / "vectors.faiss"
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC) if path.is_file() else None


def _passes(folder: Path, kind: str) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Passes over what is looked through and, where that is less, over a byte a dimension: how, and what."""
    found: dict[str, tuple[str, Callable[[], Any]]] = {}
    every = bytes_for_all(folder, kind)
    for name, files in (("memory_pass", looked_through(folder, kind)), ("memory_pass_sq8", every)):
        if files:
            ways = memory_passes(files)
            best = fastest(ways)
            found[name] = best, ways[best]
    return found


def _why_left_out(index: TileIndex) -> str:
    size = len(index) * index.manifest.dimension * 4 / 1e9
    return f"its {size:.1f} GB of float32 were not kept: they would not fit into memory beside the index"


def _baseline(made: Made, encoder: Encoder) -> Callable[[str, int], pd.DataFrame] | None:
    """MarsRetrieval's way: three prompts, float32 `IndexFlatIP`, the best 20,000, a table of them."""
    path = made.folder / EXACT_FILE
    if not path.is_file():
        return None
    index = faiss.IndexFlatIP(len(made.turn))
    index.add(np.memmap(path, dtype=np.float32, mode="r").reshape(-1, len(made.turn)))
    grid = TileIndex.open(made.folder).grid
    lonlat = grid.centres()
    templates = ["{}", "an orbital image showing {}", "{} seen from orbit"][:MARSRETRIEVAL_TEXTS]

    def search(text: str, k: int) -> pd.DataFrame:
        scores, rows = index.search(encode_query(encoder, text, templates)[None], k)
        places = lonlat[rows[0]]
        return pd.DataFrame({"row": rows[0], "lon": places[:, 0], "lat": places[:, 1], "score": scores[0]})

    return search


def stages(ws: Workspace, made: Made, encoder: LiftedEncoder, hits: int) -> Figures:
    """Median seconds of each stage of our search, over all texts; measured apart from the whole."""
    spent: dict[str, list[float]] = {}
    asked = probabilities_for(made, encoder, hits)
    with _timed(spent, (*_STAGES, *_stages_within(ws.index))):
        for number, text in enumerate(made.texts):
            before = {name: len(values) for name, values in spent.items()}
            started = time.perf_counter()
            tools.search.search_words(ws, text, asked[number][1])
            spent.setdefault("whole", []).append(time.perf_counter() - started)
            for name in before:  # several calls of one stage in one search are one
                new = spent[name][before[name] :]
                if name != "whole":
                    spent[name][before[name] :] = [sum(new)]
            _forget(ws)
    found = {name: float(np.median(values)) for name, values in spent.items()}
    apart = [value for name, value in found.items() if name != "whole" and "." not in name]
    found["rest"] = found["whole"] - sum(apart)
    return found


# Stage -> where the search looks up the function that does it; stages may have several.
_STAGES: tuple[tuple[str, Any, str], ...] = (
    ("text", retrieval.query, "encode_queries"),
    ("scan", TileIndex, "above"),
    ("calibrate", retrieval.query, "candidates_odds"),
    ("calibrate", retrieval.query, "first_hits"),
    ("calibrate", retrieval.query, "counts_around"),
    ("features", tools.ranking, "link_tiles"),
    ("layer", TileTable, "columns"),
    ("layer", tools.ranking, "make_table"),
    ("layer", LayerStore, "add"),
)


def _stages_within(index: TileIndex) -> tuple[tuple[str, Any, str], ...]:
    """What the scan of inverted lists is made of; a name with a dot is a part of the stage before it."""
    kind: Any = type(index.store)
    if not isinstance(getattr(index.store, "lists", None), Lists):
        return ()
    first, second = ("signs", "bytes") if hasattr(index.store, "signs") else ("bytes", "bytes")
    parts = (
        ("scan.lists", Lists, "bounds"),
        ("scan.lists", Lists, "members"),
        (f"scan.{first}", kind, "_estimates"),
        (f"scan.{second}", kind, "_exact"),
    )
    return tuple(part for part in parts if hasattr(part[1], part[2]))


@contextmanager
def _timed(spent: dict[str, list[float]], what: Sequence[tuple[str, Any, str]]) -> Iterator[None]:
    """Write down how long functions take, under the name of their stage."""
    with ExitStack() as stack:
        for stage, owner, name in what:
            spent.setdefault(stage, [])
            stack.enter_context(mock.patch.object(owner, name, _timing(getattr(owner, name), spent[stage])))
        yield


def _timing(work: Callable[..., Any], into: list[float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            into.append(time.perf_counter() - started)

    return timed


def _counts(result: Any) -> Figures:
    return {"found": int(result.figures["count"]), "features": int(result.figures.get("features", 0))}


def _forget(ws: Workspace) -> None:
    """Drop layers once timed: hundreds of them would fill the disk."""
    for path in ws.layers.folder.iterdir():
        path.unlink()
    ws.layers = LayerStore(ws.layers.folder)
