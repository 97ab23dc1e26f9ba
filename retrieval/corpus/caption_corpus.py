"""A corpus captioned from its names: opens rasters, catalogues and terrain models, and writes the pairs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd

from retrieval.body import Body, get_body
from retrieval.catalogue import read_catalogue
from retrieval.corpus.captioning import CaptionCounts, CaptionPlan, caption_tiles
from retrieval.corpus.captions import Captioner
from retrieval.corpus.claims import Terms, Vocabulary
from retrieval.corpus.lowell.landforms import KEYS
from retrieval.corpus.lowell.planet import GRID_TILE_KM
from retrieval.corpus.lowell.source import LowellSource
from retrieval.corpus.raster import open_rasters
from retrieval.corpus.rasterfile import Bounds
from retrieval.corpus.shards import Progress, SplitRule, write_shards
from retrieval.corpus.source import TileSource
from retrieval.corpus.wording import TERMS
from retrieval.errors import CatalogueError
from retrieval.grid import Grid

if TYPE_CHECKING:
    from retrieval.encoder import Encoder


@dataclass(frozen=True)
class CaptionSources:
    """What is captioned, by name: everything that `caption_corpus` opens.

    Attributes
    ----------
    names
        Raster files, or ``("lowell",)``.
    body, bounds, tile_km
        Of rasters; see `open_rasters`. Lowell has its own body and tiles.
    catalogues
        Files, or ``LANDFORM=FILE`` where a file does not say what its rows are.
    dems
        Elevation models.
    seed
        Of a synthetic planet.
    """

    names: tuple[str, ...]
    body: str = "mars"
    bounds: Bounds | None = None
    tile_km: float = 12.0
    catalogues: tuple[str, ...] = ()
    dems: tuple[Path, ...] = ()
    seed: int = 0


def caption_corpus(
    sources: CaptionSources,
    out: Path,
    captioner: Captioner | None = None,
    *,
    plan: CaptionPlan | None = None,
    terms: Terms = TERMS,
    encoder: Encoder | None = None,
    split: SplitRule | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Open sources, caption all their tiles and write the pairs to a new folder.

    Returns
    -------
    Plain values: the folder, and counts of tiles, candidates by status and claims by verdict.

    Raises
    ------
    InputError
        If anything named cannot be opened, belongs to another body, or there is nothing to caption.
    """
    plan, counts = plan or CaptionPlan(), CaptionCounts()
    source: TileSource
    if sources.names == ("lowell",):
        source, tile_km = LowellSource(sources.seed), GRID_TILE_KM
    else:
        body = get_body(sources.body)
        source = open_rasters([Path(name) for name in sources.names], body, bounds=sources.bounds)
        tile_km = sources.tile_km
    words = {**terms, **TERMS}
    catalogues = [_catalogue(name, source.body, words) for name in sources.catalogues]
    dem = open_rasters(list(sources.dems), source.body, kind="dem") if sources.dems else None
    keys: set[str] = set(KEYS) if isinstance(source, LowellSource) else set()
    for catalogue in catalogues:
        keys |= set(catalogue["landform"].unique().tolist())
    grid = Grid(source.body, tile_km)
    pairs = caption_tiles(
        source,
        grid,
        captioner,
        plan=plan,
        catalogues=catalogues,
        dem=dem,
        terms=words,
        encoder=encoder,
        workers=workers,
        counts=counts,
        progress=progress,
    )
    about = {
        **source.describe(),
        "captioner": captioner.name if captioner else "grammar",
        "ranked_by": encoder.manifest.name if encoder else None,
        "plan": asdict(plan),
        "catalogues": [str(c.attrs.get("file")) for c in catalogues],
        "dems": [path.name for path in sources.dems],
    }
    write_shards(
        out,
        pairs,
        keys=sorted(keys),
        body=source.body,
        tile_km=tile_km,
        split=split,
        seed=plan.seed,
        about=about,
    )
    return {"folder": str(out), "counts": counts.as_json()}


def _catalogue(name: str, body: Body, terms: Terms) -> gpd.GeoDataFrame:
    """A catalogue in the project's keys; ``LANDFORM=FILE`` says what its rows are."""
    landform, equals, file = name.partition("=")
    named = bool(equals) and "/" not in landform
    table = read_catalogue(Path(file if named else name), body, landform.strip() if named else None)
    if (table["landform"] == "feature").all():
        raise CatalogueError(
            f"{Path(name).name} does not say what its rows are", next_step=f"give LANDFORM={Path(name).name}"
        )
    return catalogue_keys(table, terms)


def catalogue_keys(catalogue: gpd.GeoDataFrame, terms: Terms = TERMS) -> gpd.GeoDataFrame:
    """A catalogue whose landforms have the project's keys where its words have one meaning only."""
    vocabulary = Vocabulary(terms)
    names: dict[str, str] = {}
    for kind in catalogue["landform"].unique().tolist():
        exact = [k for k, words in terms.items() if any(_same(kind, word) for word in words)]
        keys = vocabulary.keys_of(str(kind).replace("_", " "))
        known = kind in vocabulary.keys
        names[kind] = (
            kind if known else exact[0] if exact else next(iter(keys)) if len(keys) == 1 else str(kind)
        )
    renamed = catalogue.copy()
    renamed["landform"] = renamed["landform"].map(names)
    renamed.attrs.update(catalogue.attrs)
    return renamed


def _same(kind: str, word: str) -> bool:
    return word.lower().removeprefix("a ").removeprefix("an ") == str(kind).replace("_", " ")
