"""Measurements on a made index: searches end to end, their stages, and what they are held against.

Everything here runs warm and in turns: one search of ours, one of FAISS, one of the baseline, one pass over
the codes, then the next text. What the machine does besides then disturbs all of them alike.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import faiss
import numpy as np
import pandas as pd
import torch
from _planet_index import EXACT_FILE, Made
from _planet_vectors import LiftedEncoder
from numpy.typing import NDArray

import retrieval.query
import tools.ranking
import tools.search
from prompts import Prompts
from retrieval.encoder import Encoder, encode_query
from retrieval.index import TileIndex
from retrieval.settings import load_settings
from retrieval.tiles import TileTable
from tools.layers import LayerStore
from tools.workspace import Workspace, open_workspace

Figures = dict[str, Any]

MARSRETRIEVAL_K = 20_000  # what arXiv 2602.13961 keeps of a query
MARSRETRIEVAL_TEXTS = 3  # prompts whose mean it asks with
TOGETHER = 20
BARS_FILE = "bars.json"
WARMING = 5  # texts
SHARES = (1.0, 0.5, 0.25)  # of the most hits that texts ask for by turns


@dataclass
class Rounds:
    """Seconds of what was run by turns, by name."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)
        return result

    def quantile(self, name: str, share: float) -> float:
        return float(np.quantile(self.seconds[name], share)) if name in self.seconds else math.nan

    def median(self, name: str) -> float:
        return self.quantile(name, 0.5)


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
    passes = memory_passes(_codes(made.folder))
    pass_name = fastest(passes)
    top = min(MARSRETRIEVAL_K, len(ws.index))
    for turn in range(repeats + 1):  # the first is short and not counted: it warms
        kept = rounds if turn else Rounds()
        for number, text in enumerate(made.texts if turn else made.texts[:WARMING]):
            wanted, bar = asked[number]
            query = made.queries[number][None]
            result = kept.time("ours", lambda text=text, bar=bar: tools.search.search_words(ws, text, bar))
            kept.seconds.setdefault(f"ours_{wanted}", []).append(kept.seconds["ours"][-1])
            if alone is not None:
                kept.time("faiss", lambda query=query: alone.search(query, top))
            if baseline is not None:
                kept.time("marsretrieval", lambda text=text: baseline(text, top))
            kept.time("memory_pass", passes[pass_name])
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
        "memory_pass_is": pass_name,
        "ratio_to_memory_pass": rounds.median("ours") / rounds.median("memory_pass"),
        "ratio_p95_to_memory_pass": rounds.quantile("ours", 0.95) / rounds.median("memory_pass"),
        "faiss_alone_s": rounds.median("faiss"),
        "speedup_over_faiss_alone": rounds.median("faiss") / rounds.median("ours"),
        "marsretrieval_s": rounds.median("marsretrieval"),
        "speedup_over_marsretrieval": rounds.median("marsretrieval") / rounds.median("ours"),
        "repeats": len(rounds.seconds["ours"]),
        "texts": len(made.texts),
        "hits": found,
    }
    return {name: None if value != value else value for name, value in figures.items()}


def recalls(index: TileIndex, made: Made) -> Figures:
    """Share of the exactly best rows that the index gives as its best, as many as were asked for."""
    alone = _faiss_alone(made.folder)
    top = min(MARSRETRIEVAL_K, len(index))
    found: dict[str, list[float]] = {}
    for number, query in enumerate(made.queries):
        for name, k in (("recall", top), (f"recall_{top // 2}", top // 2)):
            truth = made.truth_rows[number, :k]
            own = index.store.best(query[None], k)[0][0]
            found.setdefault(name, []).append(float(np.isin(truth, own).mean()))
        if alone is not None:
            theirs = alone.search(query[None], top)[1][0]
            found.setdefault("recall_faiss_alone", []).append(
                float(np.isin(made.truth_rows[number, :top], theirs).mean())
            )
    figures: Figures = {name: float(np.mean(values)) for name, values in found.items()}
    return {**figures, "recall_lowest": min(found["recall"]), "recall_at": top}


def memory_passes(codes: NDArray[np.uint8]) -> dict[str, Callable[[], Any]]:
    """Ways of reading all codes once, with next to no work on each."""
    words = codes.reshape(-1)[: codes.size // 8 * 8].view(np.int64)
    tensor = torch.from_numpy(words)

    def torch_sum() -> Any:
        # FAISS and encoders set the number of threads as they like.
        torch.set_num_threads(2)
        return tensor.sum()

    return {
        "numpy maximum, one thread": lambda: words.max(),
        "numpy sum, one thread": lambda: words.sum(),
        "torch sum, two threads": torch_sum,
    }


def fastest(passes: dict[str, Callable[[], Any]], repeats: int = 5) -> str:
    """Name of the fastest by the median of some repeats."""
    seconds = {}
    for name, work in passes.items():
        rounds = Rounds()
        for _ in range(repeats):
            rounds.time(name, work)
        seconds[name] = rounds.median(name)
    return min(seconds, key=lambda name: seconds[name])


def _faiss_alone(folder: Path) -> Any:
    """FAISS' own index over the same file; None for a kind that FAISS has no file of."""
    path = folder / "vectors.faiss"
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC) if path.is_file() else None


def _codes(folder: Path) -> NDArray[np.uint8]:
    """All bytes of the file of vectors that a search looks through, mapped; its short header among them."""
    names = ("vectors.faiss", "signs.npy", "vectors.npy")
    path = next(folder / name for name in names if (folder / name).is_file())
    # Torch takes only what it may write to.
    return np.memmap(path, dtype=np.uint8, mode="c")


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
    with _timed(spent, _STAGES):
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
    found["rest"] = found["whole"] - sum(value for name, value in found.items() if name != "whole")
    return found


# Stage -> where the search looks up the function that does it; stages may have several.
_STAGES: tuple[tuple[str, Any, str], ...] = (
    ("text", retrieval.query, "encode_queries"),
    ("scan", TileIndex, "above"),
    ("calibrate", retrieval.query, "candidates_odds"),
    ("calibrate", retrieval.query, "first_hits"),
    ("calibrate", retrieval.query, "counted"),
    ("features", tools.ranking, "link_tiles"),
    ("layer", TileTable, "columns"),
    ("layer", tools.ranking, "make_table"),
    ("layer", LayerStore, "add"),
)


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


def together(index: TileIndex, made: Made, repeats: int = 5) -> Figures:
    """All rows scored for 20 queries at once against one by one, by turns."""
    queries = np.resize(made.queries, (TOGETHER, made.queries.shape[1]))
    rounds = Rounds()
    step = max(1, min(TOGETHER, 400_000_000 // (4 * len(index))))  # 0.4 GB of scores at most
    for turn in range(repeats + 1):
        kept = rounds if turn else Rounds()
        kept.time(
            "at_once",
            lambda: [index.store.scores(queries[at : at + step]) for at in range(0, TOGETHER, step)],
        )
        kept.time("one_by_one", lambda: [index.store.scores(query[None]) for query in queries])
    return {
        "queries": TOGETHER,
        "at_once_s": rounds.median("at_once"),
        "one_by_one_s": rounds.median("one_by_one"),
        "gain": rounds.median("one_by_one") / rounds.median("at_once"),
        "scored_together": step,
    }


def fresh_process(folder: Path, script: Path, repeats: int = 5) -> Figures:
    """What a process of its own says that only opens the index and asks it five texts."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, str(script), "--only-ask", str(folder)],
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: float(np.median([run.get(name, 0.0) for run in runs])) for name in runs[0]}


def ask_only(folder: Path, encoder: Encoder, prompts: Prompts, texts: Sequence[str]) -> Figures:
    """Open an index, ask it a few texts, and say what that took of time and memory."""
    before = memory_gb()
    started = time.perf_counter()
    index = TileIndex.open(folder)
    opened = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as home:
        ws = a_workspace(Path(home), index, encoder, prompts)
        bars = json.loads((folder / BARS_FILE).read_text(encoding="utf-8"))
        started = time.perf_counter()
        tools.search.search_words(ws, texts[0], bars[0])
        first = time.perf_counter() - started
        for text, bar in zip(texts[1:5], bars[1:5], strict=True):
            tools.search.search_words(ws, text, bar)
    after = memory_gb()
    return {
        "open_s": opened,
        "first_ask_s": first,
        "rss_gb": after["VmRSS"],
        "rss_own_gb": after["RssAnon"],
        "rss_mapped_gb": after["RssFile"],
        "rss_peak_gb": after["VmHWM"],
        "rss_before_opening_gb": before["VmRSS"],
        **{f"resident_{name}_gb": size for name, size in resident_gb(folder).items()},
    }


def memory_gb() -> dict[str, float]:
    """Resident memory of this process, GB: all of it, its own, of mapped files, and the most it had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {
        name: int(values[name].split()[0]) * 1024 / 1e9 for name in ("VmRSS", "RssAnon", "RssFile", "VmHWM")
    }


def resident_gb(folder: Path) -> dict[str, float]:
    """How much of each file of a folder this process holds in memory, GB; small ones are left out."""
    found: dict[str, float] = {}
    name = ""
    for line in Path("/proc/self/smaps").read_text(encoding="ascii").splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            name = Path(words[5]).name if len(words) > 5 and Path(words[5]).parent == folder else ""
        elif words[0] == "Rss:" and name:
            found[name] = found.get(name, 0.0) + int(words[1]) * 1024 / 1e9
    return {name: size for name, size in found.items() if size > 0.001}


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> Figures:
    """Exponent of cost against size: the slope of their logarithms, with a 95 % interval (Student's t)."""
    from scipy import stats

    fit = stats.linregress(np.log(sizes), np.log(seconds))
    half = float(stats.t.ppf(0.975, len(sizes) - 2) * fit.stderr) if len(sizes) > 2 else math.inf
    return {"exponent": float(fit.slope), "low": float(fit.slope) - half, "high": float(fit.slope) + half}


def _counts(result: Any) -> Figures:
    return {"found": int(result.figures["count"]), "features": int(result.figures.get("features", 0))}


def _forget(ws: Workspace) -> None:
    """Drop layers once timed: hundreds of them would fill the disk."""
    for path in ws.layers.folder.iterdir():
        path.unlink()
    ws.layers = LayerStore(ws.layers.folder)
