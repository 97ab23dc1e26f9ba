"""The verifier: what it reads, what it lets pass, what it catches, how it repairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.caption_check import CAUGHT_BY, KINDS, plant
from retrieval.corpus.captions import TERMS, GrammarCaptioner
from retrieval.corpus.claims import Vocabulary, parse
from retrieval.corpus.facts import Member, TileFacts, lowell_facts
from retrieval.corpus.lowell import GRID_TILE_KM, KEYS, cached_planet
from retrieval.corpus.measures import terrain_of_planet
from retrieval.corpus.verdicts import judge
from retrieval.corpus.verify import verify
from retrieval.grid import Grid

NAN = float("nan")
ABSENT = frozenset(KEYS) - {"plains", "central_peak_crater", "graben"}
FACTS = TileFacts(
    landforms=("central_peak_crater", "graben"),
    size_km={"central_peak_crater": 9.0},
    freshness={"central_peak_crater": 0.9},
    lat=44.0,
    near_scarp=False,
    lon=-30.0,
    absent=ABSENT,
    members=(
        Member("central_peak_crater", 9.0, NAN, NAN, 0.9, 0.25, 0.25, True),
        Member("graben", 5.0, 40.0, 40.0, 0.5, -0.2, 0.0, False),
    ),
    nearest_km={"lava_flow": 60.0},
    values={
        "elevation_m": -1200.0,
        "relief_m": 300.0,
        "slope_deg": 2.0,
        "slope_p90_deg": 5.0,
        "nodata_share": 0.2,
        "contrast_dn": 8.0,
    },
    tile_km=16.0,
)


def outcome(text: str, kind: str, facts: TileFacts = FACTS) -> str:
    """The one verdict on claims of a kind."""
    verdicts, _ = judge(text, facts)
    found = {v.outcome for v in verdicts if v.claim.kind == kind}
    assert len(found) == 1, verdicts
    return found.pop()


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("a central-peak crater", "landform", "supported"),
        ("A COMPLEX CRATER.", "landform", "supported"),
        ("an impact crater", "landform", "supported"),
        ("barchan dunes", "landform", "contradicted"),
        ("a lava flow with levees", "landform", "contradicted"),
        ("no dunes in sight", "absence", "supported"),
        ("a graben without craters", "absence", "contradicted"),
        ("smooth plains", "nothing", "contradicted"),
        ("a graben on smooth plains", "backdrop", "supported"),
        ("a graben beside an escarpment", "scarp", "contradicted"),
        ("a crater about 9.4 km across", "size", "supported"),
        ("a crater 9,400 m in diameter", "size", "supported"),
        ("a 9-km-wide crater", "size", "supported"),
        ("a nine kilometre wide crater", "size", "supported"),
        ("a 3-km crater", "size", "contradicted"),
        ("a crater with a diameter of 20 kilometres", "size", "contradicted"),
        ("a large crater", "size_word", "supported"),
        ("a tiny crater", "size_word", "contradicted"),
        ("a crater filling most of the tile", "size_word", "supported"),
        ("a single crater", "count", "supported"),
        ("three complex craters", "count", "contradicted"),
        ("a well-preserved complex crater", "freshness", "supported"),
        ("a complex crater in the north-east of the tile", "side", "supported"),
        ("a complex crater in the upper right corner", "side", "supported"),
        ("a complex crater near the southern edge", "side", "contradicted"),
        ("a complex crater at the centre of the image", "side", "contradicted"),
        ("In the south-west lies a complex crater", "side", "contradicted"),
        ("graben trending north-east to south-west", "azimuth", "supported"),
        ("graben striking N30°E", "azimuth", "supported"),
        ("NW-SE trending graben", "azimuth", "contradicted"),
        ("graben with an azimuth of 130 degrees", "azimuth", "contradicted"),
        ("graben 60 km from a lava flow", "distance", "supported"),
        ("graben 10 km from a lava flow", "distance", "contradicted"),
        ("a graben at mid-latitudes", "band", "supported"),
        ("a graben in the polar region", "band", "contradicted"),
        ("a graben close to the equator", "band", "contradicted"),
        ("a graben at northern mid-latitudes", "hemisphere", "supported"),
        ("a graben south of the equator", "hemisphere", "contradicted"),
        ("a graben at 44° N", "latitude", "supported"),
        ("a graben at a latitude of -44 degrees", "latitude", "contradicted"),
        ("a graben at 44° N, 30° W", "longitude", "supported"),
        ("a graben at an elevation of about -1250 m", "elevation", "supported"),
        ("a graben 1.2 km above datum", "elevation", "contradicted"),
        ("a graben below datum", "datum", "supported"),
        ("a graben with about 320 m of relief", "relief", "supported"),
        ("a graben on level ground", "slope", "supported"),
        ("a graben in an image with gaps in the data", "gaps", "supported"),
        ("a graben, 60 % of the tile is missing", "gaps", "contradicted"),
        ("a graben in a high-contrast image", "contrast", "contradicted"),
    ],
)
def test_each_kind_of_claim(text: str, kind: str, expected: str) -> None:
    assert outcome(text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a graben in the north", "side"),
        ("two graben", "count"),
        ("a graben trending north", "freshness"),
        ("a complex crater 25 km from yardangs", "distance"),
    ],
)
def test_what_nobody_knows_is_unknown(text: str, kind: str) -> None:
    verdicts, _ = judge(text, FACTS)
    assert all(v.outcome == "unknown" for v in verdicts if v.claim.kind == kind)
    bare = TileFacts(())
    verdicts, _ = judge("a large crater 5 km across in the north at mid-latitudes, below datum", bare)
    assert len(verdicts) >= 5
    assert {v.outcome for v in verdicts} == {"unknown"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("a complex crater about 3 km across", "a complex crater about 9 km across"),
        ("a complex crater in the south-west", "a complex crater in the north-east of the tile"),
        ("graben trending NW-SE", "graben trending north-east to south-west"),
        ("a complex crater at high latitudes", "a complex crater at northern mid-latitudes"),
        ("graben at 12° S", "graben at 44 degrees north"),
        ("An image of barchan dunes", "An image of a central-peak crater"),
        ("a complex crater and graben with pitted cones", "a complex crater and graben"),
        ("a complex crater, graben and yardangs.", "a complex crater, graben."),
    ],
)
def test_contradicted_claims_are_put_right_or_dropped(wrong: str, right: str) -> None:
    found = verify(wrong, FACTS)
    assert found.status == "repaired"
    assert found.text == right
    assert any(v.outcome == "contradicted" for v in found.verdicts)
    assert verify(found.text, FACTS).status == "kept"


@pytest.mark.parametrize(
    "text", ["", "   ", "lorem ipsum", "🙂", "I cannot help with that.", "a picture", "@0 @1"]
)
def test_captions_without_a_true_claim_are_rejected(text: str) -> None:
    found = verify(text, FACTS)
    assert found.status == "rejected"
    assert found.text == ""
    assert found.original == text


def test_a_wrong_landform_with_nothing_to_put_in_its_place_is_rejected() -> None:
    plains = TileFacts(("plains",), lat=10.0, near_scarp=False, absent=frozenset(KEYS) - {"plains"})
    assert verify("a lava flow", plains).status == "rejected"
    assert verify("featureless plains", plains).status == "kept"


def test_words_that_nobody_checked_are_reported() -> None:
    found = verify("a complex crater with glittering crystal towers and sulphur", FACTS)
    assert found.status == "kept"
    assert {"glittering", "crystal", "towers", "sulphur"} <= set(found.unchecked)


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    found = verify(text, FACTS)
    assert found.status in ("kept", "repaired", "rejected")
    assert (found.text == "") == (found.status == "rejected")


@given(
    words=st.lists(
        st.sampled_from(
            [w for terms in TERMS.values() for w in terms]
            + [
                "5 km",
                "about",
                "in the north",
                "trending",
                "NE-SW",
                "two",
                "no",
                "at 40° N",
                ",",
                ".",
                "and",
                "%",
            ]
            + ["equator", "of", "large", "-3", "the", "polar", "from", "relief", "missing", "with"]
        ),
        max_size=12,
    )
)
def test_any_mixture_of_its_vocabulary_is_read_and_repairs_settle(words: list[str]) -> None:
    text = " ".join(words)
    claims, _ = parse(text, Vocabulary())
    for claim in claims:
        assert text[claim.start : claim.end] == claim.text
    found = verify(text, FACTS)
    if found.text:
        verdicts, _ = judge(found.text, FACTS)
        assert not any(v.outcome == "contradicted" for v in verdicts)
        assert any(v.outcome == "supported" for v in verdicts)


@pytest.mark.parametrize("key", [key for key in KEYS if key != "plains"])
def test_every_way_to_name_a_landform_is_understood(key: str) -> None:
    shown = TileFacts((key,), absent=frozenset(KEYS) - {key, "plains"})
    hidden = TileFacts(("plains",), absent=frozenset(KEYS) - {"plains"})
    for term in TERMS[key]:
        assert outcome(f"An orbital image of {term}.", "landform", shown) == "supported", term
        assert outcome(f"An orbital image of {term}.", "landform", hidden) == "contradicted", term


@pytest.fixture(scope="module")
def planet_facts() -> list[TileFacts]:
    planet = cached_planet(5)
    grid = Grid(planet.body, GRID_TILE_KM)
    centres = grid.centres(np.arange(0, len(grid), 12))
    values = terrain_of_planet(planet, centres, GRID_TILE_KM)
    known = lowell_facts(planet, centres, GRID_TILE_KM)
    return [replace(one, values=here) for one, here in zip(known, values, strict=True)]


def test_the_grammar_says_only_what_the_verifier_supports(planet_facts: list[TileFacts]) -> None:
    captioner, rng = GrammarCaptioner(), np.random.default_rng(3)
    for facts in planet_facts:
        for text in captioner.captions(facts, 4, rng):
            found = verify(text, facts)
            assert found.status == "kept", (text, found.verdicts)
            assert not found.unchecked, (text, found.unchecked)


def test_planted_errors_are_caught_and_true_captions_pass(planet_facts: list[TileFacts]) -> None:
    rng = np.random.default_rng(8)
    planted = caught = alarms = 0
    for n, facts in enumerate(planet_facts):
        kind = KINDS[n % len(KINDS)]
        pair = plant(facts, kind, rng)
        if pair is None:
            continue
        planted += 1
        clean, wrong = pair
        verdicts, _ = judge(wrong, facts)
        caught += any(v.outcome == "contradicted" and v.claim.kind in CAUGHT_BY[kind] for v in verdicts)
        alarms += any(v.outcome == "contradicted" for v in judge(clean, facts)[0])
    assert planted > 80
    assert caught >= 0.97 * planted
    assert alarms <= 0.02 * planted
