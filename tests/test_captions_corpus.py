"""Captioned pairs of a corpus: rasters with catalogues and terrain, Lowell, bad input, a vision model."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import cli
from agent.captioner import VisionCaptioner, read_captions
from retrieval.body import get_body
from retrieval.catalogue import read_catalogue
from retrieval.corpus.caption_corpus import CaptionSources, caption_corpus, catalogue_keys
from retrieval.corpus.captioning import CaptionCounts, CaptionPlan, caption_tiles, checked_captions
from retrieval.corpus.facts import TileFacts
from retrieval.corpus.lowell import LowellSource, cached_planet
from retrieval.corpus.raster import open_rasters
from retrieval.corpus.shards import Pair
from retrieval.corpus.verify import verify
from retrieval.corpus.wording import TERMS
from retrieval.errors import BodyMismatchError, CatalogueError, InputError, RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.openai_server import Drop, Fail, Reply, Say, openai_server

MARS = get_body("mars")
STEP = 1 / 128  # degrees; 463 m on Mars
TILE_KM = 24.0


def raster(path: Path, values: NDArray[Any], nodata: float | None = None, west: float = 20.0) -> Path:
    """A Mars raster whose north-west corner lies at ``west``, 12 N."""
    height, width = values.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": values.dtype}
    where = {"crs": MARS.crs.to_wkt(), "transform": rasterio.Affine(STEP, 0, west, 0, -STEP, 12)}
    with rasterio.open(path, "w", nodata=nodata, **where, **profile) as out:
        out.write(values, 1)
    return path


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An image, a terrain model and a catalogue of the same two degrees of Mars."""
    folder = tmp_path_factory.mktemp("area")
    rng = np.random.default_rng(1)
    image = rng.integers(60, 160, (256, 256), dtype=np.uint8)
    image[:, 200:] = 0
    relief = (np.arange(256)[:, None] * 4.0 + rng.normal(0, 3, (256, 256)) - 2500).astype(np.float32)
    rows = ["feature_type,lon,lat,diameter_km"]
    grid = Grid(MARS, TILE_KM)
    for lon, lat in grid.centres(grid.within_bounds(20.1, 10.1, 21.4, 11.9)):
        east, north = MARS.offsets_to_lonlat([lon, lat], 6.0, 0.0)
        rows.append(f"alluvial fan,{east:.5f},{north:.5f},4.0")
    rows.append("pit chain,60,-40,8")
    (folder / "features.csv").write_text("\n".join(rows))
    return {
        "image": raster(folder / "image.tif", image, nodata=0),
        "dem": raster(folder / "mola_dem.tif", relief),
        "catalogue": folder / "features.csv",
    }


def tiles_of(area: dict[str, Path], **options: Any) -> list[Pair]:
    source = open_rasters([area["image"]], MARS)
    plan = options.pop("plan", CaptionPlan(size_px=32))
    catalogues = [catalogue_keys(read_catalogue(area["catalogue"], MARS))]
    return list(caption_tiles(source, Grid(MARS, TILE_KM), plan=plan, catalogues=catalogues, **options))


def test_rasters_are_captioned_from_catalogue_terrain_and_picture(area: dict[str, Path]) -> None:
    counts = CaptionCounts()
    dem = open_rasters([area["dem"]], MARS, kind="dem")
    pairs = tiles_of(area, dem=dem, counts=counts, plan=CaptionPlan(candidates=5, size_px=32))
    assert len(pairs) == counts.tiles - counts.gaps > 10
    assert counts.gaps > 0
    assert len({pair.key for pair in pairs}) == len(pairs)
    fans = [pair for pair in pairs if pair.landforms == ("alluvial_fan",)]
    assert len(fans) > 8
    for pair in pairs:
        assert pair.image.shape == (32, 32)
        facts = {fact["name"]: fact for fact in pair.record["facts"]}
        assert facts["lat"]["value"] == pytest.approx(pair.lat, abs=1e-3)
        assert facts["contrast_dn"]["source"] == "image.tif"
        assert all(c["status"] == "kept" for c in pair.record["candidates"] if c["kept_as"])
        assert "pit_chain" not in pair.landforms
        assert not any(
            term.removeprefix("a ") in text for term in TERMS["pit_chain"] for text in pair.captions
        )
    assert any(fact["source"] == "mola_dem.tif" for pair in fans for fact in pair.record["facts"])
    said = " ".join(text for pair in fans for text in pair.captions)
    assert "east" in said
    assert "fan" in said


def test_captions_do_not_depend_on_workers_or_other_tiles(area: dict[str, Path]) -> None:
    assert [p.captions for p in tiles_of(area)] == [p.captions for p in tiles_of(area)]
    one = CaptionPlan(size_px=32, seed=1)
    assert [p.captions for p in tiles_of(area)] != [p.captions for p in tiles_of(area, plan=one)]


class Writer:
    """A captioner that says what it is told to."""

    name = "writer"

    def __init__(self, say: Sequence[str]) -> None:
        self.say = list(say)

    def write(
        self, pixels: NDArray[np.uint8], facts: Sequence[TileFacts], count: int, rng: np.random.Generator
    ) -> list[list[str]]:
        return [self.say for _ in facts]


def test_false_candidates_are_repaired_or_replaced_and_recorded(area: dict[str, Path]) -> None:
    counts = CaptionCounts()
    written = ["a pit chain", "an alluvial fan in the west", "nonsense about nothing"]
    pairs = tiles_of(area, captioner=Writer(written), counts=counts)
    fans = [pair for pair in pairs if pair.landforms == ("alluvial_fan",)]
    for pair in fans:
        statuses = {c["text"]: c["status"] for c in pair.record["candidates"]}
        assert statuses["nonsense about nothing"] == "rejected"
        assert statuses["an alluvial fan in the west"] == "repaired"
        assert "an alluvial fan in the east of the tile" in pair.captions
        assert not any("pit" in text for text in pair.captions)
    assert counts.candidates["rejected"] >= len(pairs)
    assert counts.claims["contradicted"] > 0


def test_a_captioner_without_sense_leaves_the_word_to_the_grammar(area: dict[str, Path]) -> None:
    counts = CaptionCounts()
    pairs = tiles_of(area, captioner=Writer(["@@@ {}", ""]), counts=counts)
    assert counts.fallbacks == len(pairs) > 0
    assert all({c["by"] for c in p.record["candidates"] if c["kept_as"]} == {"grammar"} for p in pairs)


def test_an_encoder_ranks_what_was_verified(area: dict[str, Path]) -> None:
    encoder = PatternEncoder()
    for pair in tiles_of(area, encoder=encoder, plan=CaptionPlan(candidates=4, size_px=32)):
        scores = [c["score"] for c in pair.record["candidates"] if c["kept_as"]]
        assert scores == sorted(scores, reverse=True)
        best = encoder.encode_images(np.repeat(pair.image[None, ..., None], 3, axis=-1))[0]
        assert scores[0] == pytest.approx(float(best @ encoder.encode_texts([pair.captions[0]])[0]), abs=1e-3)


def test_lowell_is_captioned_like_any_source() -> None:
    source, plan = LowellSource(5), CaptionPlan(size_px=16)
    grid = Grid(source.body, 16.0)
    tiles = np.arange(4000, 4040)
    pairs = list(caption_tiles(source, grid, tiles=tiles, plan=plan))
    assert len(pairs) == 40
    assert all(pair.captions and pair.image.ndim == 2 for pair in pairs)
    labels = cached_planet(5).labels(grid)
    assert set(pairs[3].landforms) == set(labels.columns[labels.iloc[4003].to_numpy(dtype=bool)])


def test_checked_captions_are_distinct_and_verified() -> None:
    facts = TileFacts(("yardangs", "graben"), lat=12.0, near_scarp=False)
    texts = checked_captions(facts, 6, np.random.default_rng(0))
    assert len(texts) == len(set(texts)) == 6
    assert all(verify(text, facts).status == "kept" for text in texts)


@pytest.mark.parametrize("plan", [{"candidates": 0}, {"keep": 0}, {"size_px": 1}])
def test_senseless_plans_are_refused(plan: dict[str, int]) -> None:
    with pytest.raises(SettingsError):
        CaptionPlan(**plan)


def test_areas_without_data_are_refused(tmp_path: Path, area: dict[str, Path]) -> None:
    empty = raster(tmp_path / "empty.tif", np.zeros((128, 128), dtype=np.int16))
    source = open_rasters([empty], MARS, kind="image")
    holed = raster(tmp_path / "holed.tif", np.eye(256, dtype=np.uint8), nodata=0)
    with pytest.raises(SettingsError, match="no tile"):
        list(caption_tiles(open_rasters([holed], MARS), Grid(MARS, TILE_KM), plan=CaptionPlan(size_px=16)))
    with pytest.raises(SettingsError, match="covers no tile"):
        list(caption_tiles(source, Grid(MARS, TILE_KM), tiles=[]))


def sources(area: dict[str, Path], **changes: Any) -> CaptionSources:
    values: dict[str, Any] = {"names": (str(area["image"]),), "tile_km": TILE_KM, **changes}
    return CaptionSources(**values)


def test_bad_input_is_named_and_leaves_no_folder(area: dict[str, Path], tmp_path: Path) -> None:
    torn = tmp_path / "torn.tif"
    torn.write_bytes(area["image"].read_bytes()[:300])
    moon = tmp_path / "moon.csv"
    moon.write_text("target,lon,lat,feature_type\nMoon,20,11,crater\n")
    nameless = tmp_path / "points.csv"
    nameless.write_text("lon,lat\n20.5,11\n")
    out = tmp_path / "out"
    wrong: list[tuple[CaptionSources, type[InputError], str]] = [
        (sources(area, names=("missing.tif",)), RasterError, "missing.tif"),
        (sources(area, names=(str(torn),)), RasterError, "torn.tif"),
        (sources(area, catalogues=(str(moon),)), BodyMismatchError, "moon"),
        (sources(area, catalogues=(str(nameless),)), CatalogueError, "LANDFORM="),
        (sources(area, dems=(tmp_path / "no.tif",)), RasterError, "no.tif"),
        (sources(area, body="pluto"), SettingsError, "pluto"),
        (sources(area, tile_km=-1.0), SettingsError, "tiles of"),
    ]
    for source, kind, said in wrong:
        with pytest.raises(kind, match=said):
            caption_corpus(source, out)
        assert not out.exists()
    named = sources(area, catalogues=(f"impact_crater={nameless}",))
    report = caption_corpus(named, out, terms={"impact_crater": ("impact crater", "crater")})
    assert report["counts"]["tiles"] > 0
    assert json.loads((out / "manifest.json").read_text())["keys"] == ["impact_crater"]


def run(monkeypatch: pytest.MonkeyPatch, *argv: str) -> int:
    monkeypatch.setattr(sys, "argv", ["areographer", "caption", *argv])
    return cli.run()


def test_the_command_captions_rasters(
    area: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pairs"
    known = ("--catalogue", str(area["catalogue"]), "--dem", str(area["dem"]), "--tile-km", str(TILE_KM))
    words = (str(area["image"]), "--out", str(out), *known, "--no-split", "--workers", "1", "--json")
    assert run(monkeypatch, *words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"]["silent"] == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert {"alluvial_fan", "pit_chain"} == set(manifest["keys"])
    with tarfile.open(out / "train-000000.tar") as shard:
        names = shard.getnames()
        record = json.load(shard.extractfile(names[2]))  # type: ignore[arg-type]
    assert {name.rsplit(".")[-1] for name in names} == {"png", "txt", "json"}
    assert record["candidates"][0]["verdicts"]
    assert run(monkeypatch, *words) == 2  # the folder is in use
    assert "not empty" in capsys.readouterr().err
    assert run(monkeypatch, str(area["image"]), "--out", str(tmp_path / "x"), "--captioner", "offline") == 2
    assert "vision model" in capsys.readouterr().err


def settings(url: str, home: Path) -> Settings:
    return Settings(home=home, openai_base_url=url, openai_api_key="secret-key")


def answers(captions: Sequence[str]) -> Say:
    return Say(json.dumps({"captions": list(captions)}))


Ask = Callable[..., list[list[str]]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Captions of some tiles by a vision model behind a server that answers by script."""
    facts = TileFacts(("graben",), lat=44.0, tile_km=16.0)

    def call(url: str, count: int = 1, memory: Path | None = None) -> list[list[str]]:
        captioner = VisionCaptioner("openai:seer", settings(url, tmp_path), "Mars", memory)
        pixels = np.random.default_rng(0).integers(0, 255, (count, 32, 32, 3), dtype=np.uint8)
        return captioner.write(pixels, [facts] * count, 3, np.random.default_rng(0))

    return call


def test_a_vision_model_sees_the_picture_and_the_facts(ask: Ask) -> None:
    with openai_server(answers(["a graben", " two  lines\nof text ", "a graben"])) as server:
        assert ask(server.url) == [["a graben", "two lines of text"]]
    (message,) = server.requests[0]["messages"]
    text, image = message["content"]
    assert "graben.shown: True" in text["text"]
    assert "16 km wide" in text["text"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert server.requests[0]["model"] == "seer"


def test_a_busy_server_is_asked_again(ask: Ask) -> None:
    with openai_server(Fail(429), Fail(503), answers(["a graben"])) as server:
        assert ask(server.url) == [["a graben"]]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        Say("I'm sorry, I can't help with that."),
        Say('{"captions": "one"}'),
        Say('{"captions": [1'),
        Say("[]"),
    ],
)
def test_refusals_and_nonsense_give_no_captions(ask: Ask, reply: Reply) -> None:
    with openai_server(reply) as server:
        assert ask(server.url) == [[]]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply", [Fail(401, "bad key"), Fail(404), Fail(429, "out of credit"), Drop('{"cap')]
)
def test_a_failing_server_is_an_error_in_one_line_without_the_key(ask: Ask, reply: Reply) -> None:
    with openai_server(reply) as server, pytest.raises(SettingsError) as caught:
        ask(server.url)
    assert "\n" not in str(caught.value)
    assert "secret-key" not in str(caught.value)


def test_answers_are_remembered_so_that_no_tile_is_paid_for_twice(ask: Ask, tmp_path: Path) -> None:
    memory = tmp_path / "answers.jsonl"
    with openai_server(answers(["a graben"])) as server:
        assert ask(server.url, 3, memory) == [["a graben"]] * 3
        asked = len(server.requests)
        memory.write_text(memory.read_text() + '{"key": "torn')
        assert ask(server.url, 3, memory) == [["a graben"]] * 3
        assert len(server.requests) == asked == 3


def test_captions_are_found_in_a_code_fence() -> None:
    assert read_captions('Sure!\n```json\n{"captions": ["a graben", 3, ""]}\n```') == ["a graben"]
    assert read_captions('["x", "' + "y" * 5000 + '"]') == ["x"]
    assert read_captions("{" * 50) == []
