"""Captioned pairs of any corpus: facts, candidates, verification, ranking; the steps of GeoMeld on planets.

Every tile gets facts (`facts`, `measures`), a captioner writes candidates (`captions`), each claim of each
candidate is held against the facts (`verify`), and an encoder may rank what is left by how well it fits the
picture. The grammar is true by construction, so ranking its captions gains little and is left to the caller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.corpus.captions import Captioner, GrammarCaptioner
from retrieval.corpus.claims import Terms, Vocabulary
from retrieval.corpus.facts import TileFacts, catalogue_facts, lowell_facts, record_of
from retrieval.corpus.lowell.source import LowellSource
from retrieval.corpus.measures import picture_values, terrain_of_dem, terrain_of_planet
from retrieval.corpus.raster import RasterSource
from retrieval.corpus.shards import Pair, Progress
from retrieval.corpus.source import TileSource
from retrieval.corpus.verify import Verified, verify
from retrieval.corpus.wording import TERMS
from retrieval.errors import RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.workers import drawn_ahead

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

TILES_AT_ONCE = 64
FACTS_AT_ONCE = 8192  # tiles whose landforms are looked up together
LEAST_OBSERVED = 0.5  # share of a tile; what lies in a gap can be neither seen nor learnt
FALLBACK = 2  # grammar captions of a tile for which a captioner has nothing true to say


@dataclass(frozen=True)
class CaptionPlan:
    """How tiles are captioned.

    Attributes
    ----------
    candidates
        Captions asked of the captioner per tile, at least one.
    keep
        Verified captions kept per tile, the best first.
    size_px
        Side of the pictures.
    seed
        Of the captioner's wording.
    """

    candidates: int = 3
    keep: int = 6
    size_px: int = 96
    seed: int = 0

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.keep < 1 or self.size_px < 8:
            raise SettingsError(
                "the plan of captions makes no sense",
                allowed="candidates and keep of at least 1, size_px of at least 8",
            )


@dataclass
class CaptionCounts:
    """What became of candidates and tiles; filled while `caption_tiles` runs."""

    tiles: int = 0
    gaps: int = 0
    fallbacks: int = 0
    silent: int = 0
    candidates: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: dict(v) if isinstance(v, Counter) else v for name, v in vars(self).items()}


def checked_captions(
    facts: TileFacts, count: int, rng: np.random.Generator, vocabulary: Vocabulary | None = None
) -> tuple[str, ...]:
    """At most ``count`` different captions of a tile by the grammar, each verified against its facts."""
    return tuple(found.text for found in _grammar(facts, count, rng, GrammarCaptioner(), vocabulary or _OWN))


def caption_tiles(
    source: TileSource,
    grid: Grid,
    captioner: Captioner | None = None,
    *,
    tiles: ArrayLike | None = None,
    plan: CaptionPlan | None = None,
    catalogues: Sequence[gpd.GeoDataFrame] = (),
    dem: RasterSource | None = None,
    terms: Terms = TERMS,
    encoder: Encoder | None = None,
    workers: int = 1,
    counts: CaptionCounts | None = None,
    progress: Progress | None = None,
) -> Iterator[Pair]:
    """Captioned pairs of the tiles of a source, in the order of their numbers.

    Tiles of which less than half was observed are left out; so are tiles of which nothing true can be said.

    Parameters
    ----------
    captioner
        Writes the candidates; the grammar if None. Where all of its candidates are rejected, the grammar
        steps in.
    tiles
        Numbers of the tiles; all that may have data if None.
    catalogues, dem
        What is known of rasters: features, taken as complete for the landforms they list, and elevations.
        A synthetic planet brings its own truth.
    terms
        Further words for landforms; those of the project are always known.
    encoder
        Ranks the verified captions by cosine similarity to the picture; the captioner's order if None.
    workers
        Processes that draw tiles.

    Raises
    ------
    SettingsError
        If there is no tile with data.
    RasterError
        If a file is gone or torn, or a catalogue or terrain model is of another body.
    """
    plan, counts = plan or CaptionPlan(), counts if counts is not None else CaptionCounts()
    numbers = source.candidates(grid) if tiles is None else np.asarray(tiles, dtype=np.int64)
    if not len(numbers):
        raise SettingsError(
            f"{source.name} covers no tile of {grid.tile_km:g} km",
            next_step="choose smaller tiles, or check --bounds",
        )
    _check_body(source, catalogues, dem)
    words = _all_words(terms, catalogues)
    grammar = GrammarCaptioner(words, source.body.name)
    work = _Work(captioner or grammar, grammar, Vocabulary(words), encoder, plan, counts, _is_grey(source))
    done = 0
    for start in range(0, len(numbers), FACTS_AT_ONCE):
        part = numbers[start : start + FACTS_AT_ONCE]
        known = dict(zip(part.tolist(), landform_facts(source, grid, part, catalogues), strict=True))
        for some, pixels, observed in _drawn(source, grid, part, plan.size_px, workers):
            seen = observed >= LEAST_OBSERVED
            counts.tiles += len(some)
            counts.gaps += int((~seen).sum())
            if seen.any():
                here = [known[tile] for tile in some[seen].tolist()]
                facts = measured(here, source, grid, some[seen], pixels[seen], dem)
                yield from work.pairs(grid, some[seen], pixels[seen], facts)
            done += len(some)
            if progress:
                progress("captioning", done, len(numbers))
    if counts.gaps == counts.tiles:
        raise SettingsError(
            f"no tile of {source.name} has data in at least half of it",
            next_step="choose smaller tiles or another area",
        )


def landform_facts(
    source: TileSource, grid: Grid, tiles: NDArray[np.int64], catalogues: Sequence[gpd.GeoDataFrame] = ()
) -> list[TileFacts]:
    """Place and landforms of tiles; costs the same for a few tiles as for thousands."""
    centres = grid.centres(tiles)
    if isinstance(source, LowellSource):
        return lowell_facts(source.planet, centres, grid.tile_km)
    return catalogue_facts(catalogues, source.body, centres, grid.tile_km)


def measured(
    facts: Sequence[TileFacts],
    source: TileSource,
    grid: Grid,
    tiles: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    dem: RasterSource | None = None,
) -> list[TileFacts]:
    """The facts of drawn tiles with what their terrain and their pictures are like."""
    centres = grid.centres(tiles)
    terrain, origin = [dict[str, float]() for _ in facts], ""
    if isinstance(source, LowellSource):
        terrain, origin = terrain_of_planet(source.planet, centres, grid.tile_km), "relief without landforms"
    elif dem is not None:
        terrain, origin = terrain_of_dem(dem, centres, grid.tile_km), dem.name
    return [
        replace(
            one,
            values={**here, **picture},
            sources={**one.sources, "terrain": origin, "picture": source.name},
        )
        for one, here, picture in zip(facts, terrain, picture_values(pixels), strict=True)
    ]


@dataclass(frozen=True)
class _Work:
    """What turns drawn tiles with facts into pairs."""

    captioner: Captioner
    grammar: GrammarCaptioner
    vocabulary: Vocabulary
    encoder: Encoder | None
    plan: CaptionPlan
    counts: CaptionCounts
    grey: bool

    def pairs(
        self, grid: Grid, tiles: NDArray[np.int64], pixels: NDArray[np.uint8], facts: list[TileFacts]
    ) -> Iterator[Pair]:
        """Pairs of one batch; tiles without a true caption are left out."""
        # Seeded by the tile, so that a caption does not depend on what else is captioned.
        rng = np.random.default_rng([self.plan.seed, int(tiles[0])])
        written = self.captioner.write(pixels, facts, self.plan.candidates, rng)
        judged = [
            [verify(text, here, self.vocabulary) for text in dict.fromkeys(texts)]
            for texts, here in zip(written, facts, strict=True)
        ]
        names = [[self.captioner.name] * len(some) for some in judged]
        for n, here in enumerate(facts):
            if not any(found.text for found in judged[n]):
                self.counts.fallbacks += self.captioner is not self.grammar
                more = _grammar(here, FALLBACK, rng, self.grammar, self.vocabulary)
                judged[n] += more
                names[n] += ["grammar"] * len(more)
        scores = self._scores(pixels, judged)
        keys = grid.tile_ids(tiles)
        for n, here in enumerate(facts):
            self.counts.candidates.update(found.status for found in judged[n])
            self.counts.claims.update(v.outcome for found in judged[n] for v in found.verdicts)
            order = sorted(range(len(judged[n])), key=lambda i: -scores[n][i])
            texts = list(dict.fromkeys(judged[n][i].text for i in order if judged[n][i].text))
            if not texts:
                self.counts.silent += 1
                continue
            record = {
                "tile": keys[n],
                "facts": [asdict(fact) for fact in record_of(here)],
                "candidates": [
                    _record(judged[n][i], names[n][i], scores[n][i] if self.encoder else None) for i in order
                ],
            }
            known = here.absent | {m.landform for m in here.members}
            shown = tuple(key for key in here.landforms)
            yield Pair(
                keys[n].replace(".", "-"),
                pixels[n, ..., 0] if self.grey else pixels[n],
                tuple(texts[: self.plan.keep]),
                shown,
                here.lon,
                here.lat,
                record,
                # What lies in the tile only in part is neither shown nor absent.
                tuple(sorted(known - here.absent - set(shown))),
            )

    def _scores(self, pixels: NDArray[np.uint8], judged: list[list[Verified]]) -> list[list[float]]:
        """Similarity of each verified caption to its picture; rejected ones come last."""
        flat = [found.text for some in judged for found in some if found.text]
        if self.encoder is None or not flat:
            return [[0.0 if found.text else -2.0 for found in some] for some in judged]
        images = self.encoder.encode_images(pixels)
        texts = iter(self.encoder.encode_texts(flat))
        return [
            [float(images[n] @ next(texts)) if found.text else -2.0 for found in some]
            for n, some in enumerate(judged)
        ]


def _grammar(
    facts: TileFacts, count: int, rng: np.random.Generator, grammar: GrammarCaptioner, vocabulary: Vocabulary
) -> list[Verified]:
    """At most ``count`` different captions by the grammar that verify as they are."""
    found: dict[str, Verified] = {}
    for text in grammar.captions(facts, count + 2, rng):
        verified = verify(text, facts, vocabulary)
        if verified.text:
            found.setdefault(verified.text, verified)
        if len(found) == count:
            break
    return list(found.values())


def _record(found: Verified, name: str, score: float | None) -> dict[str, Any]:
    return {
        "by": name,
        "text": found.original,
        "kept_as": found.text or None,
        "status": found.status,
        "score": None if score is None or not found.text else round(score, 4),
        "verdicts": [
            {"kind": v.claim.kind, "words": v.claim.text, "verdict": v.outcome, "reason": v.reason}
            for v in found.verdicts
        ],
        "unchecked": list(found.unchecked),
    }


Drawn = tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32]]


def _drawn(
    source: TileSource, grid: Grid, tiles: NDArray[np.int64], size_px: int, workers: int
) -> Iterator[Drawn]:
    """Batches of drawn tiles in order; with several workers a few batches are drawn ahead, not more."""
    parts = (tiles[start : start + TILES_AT_ONCE] for start in range(0, len(tiles), TILES_AT_ONCE))
    if workers <= 1 or len(tiles) <= TILES_AT_ONCE:
        for part in parts:
            yield _draw(source, grid, part, size_px)
        return
    calls = ((source, grid, part, size_px) for part in parts)
    yield from drawn_ahead(_draw, calls, workers, 2 * workers)


def _draw(source: TileSource, grid: Grid, tiles: NDArray[np.int64], size_px: int) -> Drawn:
    batch = source.read(grid, tiles, size_px)
    return batch.tiles, batch.pixels, batch.observed


def _check_body(source: TileSource, catalogues: Sequence[gpd.GeoDataFrame], dem: RasterSource | None) -> None:
    for catalogue in catalogues:
        source.body.check_same_body(catalogue.crs, str(catalogue.attrs.get("file", "the catalogue")))
    if dem is not None and dem.body != source.body:
        raise RasterError(f"{dem.name} is a terrain model of {dem.body.name}, not of {source.body.name}")


def _all_words(terms: Terms, catalogues: Sequence[gpd.GeoDataFrame]) -> Mapping[str, Sequence[str]]:
    """Words for every landform: the project's, the caller's, and for the rest what the catalogue calls it."""
    words: dict[str, Sequence[str]] = {**terms, **TERMS}
    for catalogue in catalogues:
        for key in catalogue["landform"].unique().tolist():
            plain = str(key).replace("_", " ")
            words.setdefault(str(key), (("an " if plain[:1] in "aeiou" else "a ") + plain,))
    return words


def _is_grey(source: TileSource) -> bool:
    # Decided for the whole source: pairs of one folder have the same bands.
    if isinstance(source, RasterSource):
        return all(len(raster.bands) == 1 and not raster.palette for raster in source.rasters)
    return isinstance(source, LowellSource)


_OWN = Vocabulary()
