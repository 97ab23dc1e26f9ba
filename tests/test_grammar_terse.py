"""Distances between two things without a preposition, asides, and things named by their parts."""

from __future__ import annotations

import pytest

from agent.grammar.steps import FilterLayer, Near, Nearest, Overlap, Plan, SearchExample, SearchWords, Without
from agent.question import parse
from prompts import load_prompts

_GLOSSARY = load_prompts().glossary
_PLACES = ("Alba Mons", "Thalassa Basin")


def _plan(question: str) -> Plan:
    plan = parse(question, _GLOSSARY, _PLACES, body="lowell")
    assert isinstance(plan, Plan), plan
    return plan


def _only(plan: Plan, tool: type) -> list:
    return [step for step in plan.steps if isinstance(step, tool)]


@pytest.mark.parametrize(
    ("question", "distances"),
    [
        ("gullies 25km polygons", [25]),
        ("pitted cones, 20 km, outflow channels", [20]),
        ("SELECT gullies WHERE dist(polygons) < 25 km", [25]),
        ("deltas <20 km valley networks <40 km inverted channels", [20, 40]),
        ("Deltas close (<20 km) to valley networks", [20]),
        ("Gullies whose distance to the nearest dune field is smaller than 10 km", [10]),
        ("Gullies where distance to valley networks <= 20 miles", [32.18688]),
        ("Do pit chains come within 12 500 m of a graben?", [12.5]),
        ("Shield volcanoes and lava flows within 80 km of each other", [80]),
    ],
)
def test_terse_distance_is_a_relation(question: str, distances: list[float]) -> None:
    assert sorted(step.distance_km for step in _only(_plan(question), Near)) == distances


@pytest.mark.parametrize(
    ("question", "distance"),
    [
        ("gullies >25 km polygons", 25),
        ("dunes where distance to craters > 50 km", 50),
        ("Shield volcanoes isolated by more than 80 km from lava flows", 80),
        ("Shield volcanoes with nothing like lava flows within 80 km", 80),
        ("Shield volcanoes that stand alone, I mean no lava flow within 80 km around them", 80),
    ],
)
def test_terse_distance_leaves_out(question: str, distance: float) -> None:
    assert [step.distance_km for step in _only(_plan(question), Without)] == [distance]


@pytest.mark.parametrize(
    "question",
    [
        "gullies below 2 km and dunes",
        "craters below 2 km elevation with dunes",
        "gullies at elevations above 1 km, dunes",
    ],
)
def test_height_stays_a_height(question: str) -> None:
    plan = _plan(question)
    assert not _only(plan, Near)
    assert _only(plan, FilterLayer)


@pytest.mark.parametrize(
    "question",
    [
        "I do not know what 16km-r012c034 shows, but can you find more places like that?",
        "16km-r012c034 reminds me of Etna. Where is there more of that?",
        "Are there any near-twins of 16km-r012c034?",
        "Could you look for other areas having the appearance of 16km-r012c034?",
    ],
)
def test_likeness(question: str) -> None:
    plan = _plan(question)
    assert len(_only(plan, SearchExample)) == 1
    assert not _only(plan, SearchWords)
    assert not _only(plan, Without)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Can you point me to yardangs?", "yardangs"),
        ("Craters that show a layered ejecta", "layered-ejecta crater"),
        ("craters having central peaks", "central-peak crater"),
        ("A list of places with slope streaks", "dark slope streaks"),
    ],
)
def test_one_landform(question: str, text: str) -> None:
    plan = _plan(question)
    assert [step.text for step in _only(plan, SearchWords)] == [text]
    assert {step.tool for step in plan.steps} <= {"search_words", "summarise", "draw_map"}


def test_part_of_another_kind_is_a_relation() -> None:
    assert _only(_plan("craters that have gullies"), Overlap)


@pytest.mark.parametrize(
    ("question", "limits"),
    [
        ("Landing site at 20 N, 100 E: which craters are within 250 km?", (100, 20, 250)),
        ("craters around 20N 100E, radius 250 km", (100, 20, 250)),
        ("craters around 20N 100E", (100, 20, 40)),
    ],
)
def test_radius_around_a_position(question: str, limits: tuple[float, float, float]) -> None:
    (step,) = _only(_plan(question), FilterLayer)
    assert (step.centre_lon_deg, step.centre_lat_deg, step.within_km) == limits


@pytest.mark.parametrize(
    ("question", "bounds"),
    [
        ("dunes lon 170E..160W", (170, -160)),
        ("dunes between 170 degrees east and, past the 180 meridian, 160 degrees west", (170, -160)),
        ("dunes lon 20 50", (20, 50)),
    ],
)
def test_longitudes(question: str, bounds: tuple[float, float]) -> None:
    (step,) = _only(_plan(question), FilterLayer)
    assert (step.west_lon_deg, step.east_lon_deg) == bounds


def test_band_with_its_side_behind() -> None:
    (step,) = _only(_plan("gullies in the band of south latitude 35 to 45"), FilterLayer)
    assert (step.min_lat_deg, step.max_lat_deg) == (-45, -35)


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("I need to choose ten gullies for study: those which are the closest to polygons.", 10),
        ("typical km between chaos and nearest outflow channel", None),
        ("what is the usual gap between pit chains and graben", None),
    ],
)
def test_nearest(question: str, count: int | None) -> None:
    assert [step.count for step in _only(_plan(question), Nearest)] == [count]


@pytest.mark.parametrize(
    "question",
    [
        "I look for deltas at less than 20 km of a valley network, this valley network being at less than "
        "40 km of inverted channels.",
        "Take valley networks that have inverted channels within 40 km; now which deltas lie within 20 km of "
        "those valley networks?",
        "Find valley networks within 40 km of inverted channels. Which deltas lie within 20 km of them?",
    ],
)
def test_chain_over_sentences(question: str) -> None:
    plan = _plan(question)
    words = {step.name: step.text for step in _only(plan, SearchWords)}
    first, second = _only(plan, Near)
    assert (words[first.layer.step], words[first.other.step]) == ("valley network", "inverted channels")
    assert (words[second.layer.step], second.other.step) == ("delta", first.name)
    assert (first.distance_km, second.distance_km) == (40, 20)


@pytest.mark.parametrize(
    ("question", "text", "other", "distance"),
    [
        (
            "Everyone says inverted channels follow valley networks. Show me the exceptions, with no valley "
            "network within 60 km.",
            "inverted channels",
            "valley network",
            60,
        ),
        (
            "Normally lava flows surround shield volcanoes. Which shield volcanoes have none within 50 km?",
            "shield volcano",
            "lava flow",
            50,
        ),
    ],
)
def test_hearsay_limits_nothing(question: str, text: str, other: str, distance: float) -> None:
    plan = _plan(question)
    words = {step.name: step.text for step in _only(plan, SearchWords)}
    (step,) = _only(plan, Without)
    assert (words[step.layer.step], words[step.other.step], step.distance_km) == (text, other, distance)
    assert any("leads up to the question" in note for note in plan.notes)


def test_tested_hearsay_is_kept() -> None:
    plan = _plan("Everyone says that gullies follow polygons. Is that true?")
    assert "associate" in {step.tool for step in plan.steps}


@pytest.mark.parametrize(
    ("question", "bounds"),
    [
        ("gullies within 10 degrees of 40 S", (-50, -30)),
        ("gullies no more than 10 degrees from latitude 45 north", (35, 55)),
        ("gullies within 10 degrees of the equator", (-10, 10)),
    ],
)
def test_degrees_around_a_latitude(question: str, bounds: tuple[float, float]) -> None:
    (step,) = _only(_plan(question), FilterLayer)
    assert (step.min_lat_deg, step.max_lat_deg) == bounds


def test_what_a_place_contains() -> None:
    plan = _plan("Does Thalassa Basin contain dunes?")
    assert [step.place for step in _only(plan, FilterLayer)] == ["Thalassa Basin"]
