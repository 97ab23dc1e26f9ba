"""Numbers, areas, densities, comparisons, values and directions: what is asked besides where."""

from typing import Any

import pytest

from agent.grammar.query import Refusal, describe, parts
from agent.grammar.steps import Plan, Ref
from agent.question import parse
from prompts import load_prompts

GLOSSARY = load_prompts().glossary
PLACES = ("Gale", "Hellas Planitia", "Olympus Mons")
MEASURES = ("compare", "density", "orientation", "sample_context", "associate", "export_layer", "draw_map")


def planned(question: str) -> Plan:
    plan = parse(question, GLOSSARY, PLACES)
    assert isinstance(plan, Plan), plan
    return plan


def told(question: str) -> tuple[list[str], list[str]]:
    """The layers that answer a question, and the measurements made, each as a formula."""
    plan = planned(question)
    made: dict[str, str] = {}
    measures = []
    for step in plan.steps:
        values = [_said(name, value, made) for name, value in step if name not in ("name", "tool")]
        given = [value for value in values if value]
        made[step.name] = given[0] if step.tool == "search_words" else f"{step.tool}({', '.join(given)})"
        if step.tool in MEASURES and (step.tool != "draw_map" or len(given) > 1):
            measures.append(made[step.name])
    results = [made[result.step] for result in plan.results if isinstance(result, Ref)]
    return results, measures


def _said(name: str, value: Any, made: dict[str, str]) -> str:
    if value is None:
        return ""
    if isinstance(value, Ref):
        return made[value.step]
    if isinstance(value, tuple):
        return "+".join(_said("", part, made) for part in value)
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    plain = name in ("", "text", "by", "format", "distance_km", "place")
    return shown if plain else f"{name}={shown.replace('-0', '0') if shown == '-0' else shown}"


NORTH, SOUTH = "filter_layer(gullies, min_lat_deg=0)", "filter_layer(gullies, max_lat_deg=0)"


@pytest.mark.parametrize(
    "question",
    [
        "Are there more gullies or more landslides?",
        "gullies or landslides, which are the more common?",
        "Do gullies outnumber landslides?",
        "what is rarer, gullies or landslides",
        "is the number of gullies greater than that of landslides?",
        "Which is the most abundant: gullies or landslides?",
        "are gullies as frequent as landslides",
        "gullies vs landslides: how many of each?",
    ],
)
def test_numbers_of_two_are_counted_apart(question: str) -> None:
    assert told(question) == (["gullies", "landslide"], [])


@pytest.mark.parametrize(
    "question",
    [
        "Are gullies more common in the north or in the south?",
        "are there more gullies north or south of the equator",
        "How many gullies lie in the north and how many in the south?",
        "Does the northern or the southern hemisphere have more gullies?",
        "In which hemisphere are gullies more abundant?",
        "Are gullies mostly in the northern hemisphere?",
        "gullies, northern versus southern hemisphere, numbers please",
    ],
)
def test_one_thing_in_two_halves_is_counted_in_each_and_per_area(question: str) -> None:
    found, measures = told(question)
    assert set(found) == {NORTH, SOUTH}
    assert measures == ["density(gullies, latitude, step=90)"]


def test_other_limits_hold_in_each_part() -> None:
    found, _ = told("Are gullies below 500 m more common in the north or in the south?")
    assert found == [
        "filter_layer(gullies, min_lat_deg=0, max_elevation_m=500)",
        "filter_layer(gullies, max_lat_deg=0, max_elevation_m=500)",
    ]
    plan = planned("Do more gullies lie in Gale or in Hellas Planitia?")
    assert [describe(part) for part in parts(plan.query)] == [
        "gullies, in Gale" if len(plan.results) == 1 else "gullies in Gale",
        "gullies in Hellas Planitia",
    ]


def test_an_or_without_a_comparison_is_a_choice() -> None:
    found, measures = told("gullies north of 60 degrees or south of 50 degrees south")
    assert len(found) == 1
    assert not measures


@pytest.mark.parametrize(
    ("question", "measure"),
    [
        ("Which lie at greater heights, deltas or alluvial fans?", "compare(delta, elevation, alluvial fan)"),
        ("Is the altitude of deltas greater than that of fans?", "compare(delta, elevation, alluvial fan)"),
        ("deltas and fans: which ones are found higher?", "compare(delta, elevation, alluvial fan)"),
        (
            "how do the elevations of deltas compare with those of fans",
            "compare(delta, elevation, alluvial fan)",
        ),
        ("Are polygons more to the north than deltas?", "compare(polygons, latitude, delta)"),
        ("are polygons more northerly than deltas", "compare(polygons, latitude, delta)"),
        ("Do gullies sit on steeper ground than landslides?", "compare(gullies, slope, landslide)"),
        ("Do deltas lie lower than the planet as a whole?", "compare(delta, elevation)"),
        (
            "Is the elevation of deltas different from that of the ground at large?",
            "compare(delta, elevation)",
        ),
        ("deltas elevation compared with the ground overall", "compare(delta, elevation)"),
        ("do slope streaks prefer steep slopes", "compare(dark slope streaks, slope)"),
        (
            "Do gullies lie higher in the north than in the south?",
            f"compare({NORTH}, elevation, {SOUTH})",
        ),
    ],
)
def test_values_are_compared(question: str, measure: str) -> None:
    assert told(question)[1] == [measure]


def test_distances_from_the_equator_are_compared_in_each_hemisphere() -> None:
    _, measures = told("are barchans nearer the equator than polygons?")
    assert len(measures) == 2
    assert all(" latitude," in measure for measure in measures)


@pytest.mark.parametrize(
    ("question", "measure"),
    [
        ("At which latitudes are gullies densest?", "density(gullies, latitude)"),
        ("In which latitude band are gullies most common per unit area?", "density(gullies, latitude)"),
        ("At what elevation is the density of gullies highest?", "density(gullies, elevation)"),
        ("how does the abundance of gullies change as one goes poleward?", "density(gullies, latitude)"),
        ("Break down gullies by 10 degree latitude bands", "density(gullies, latitude, step=10)"),
        ("latitude of maximum gully density", "density(gullies, latitude)"),
        ("where on the planet are gullies most concentrated?", "density(gullies, cells)"),
        ("How high are the places where gullies occur?", "sample_context(gullies, elevation)"),
        ("how high do gullies lie", "sample_context(gullies, elevation)"),
        ("Give the elevations of the gullies", "sample_context(gullies, elevation)"),
        ("gullies, elevation?", "sample_context(gullies, elevation)"),
        ("how steep is the ground under gullies", "sample_context(gullies, slope)"),
        ("In which direction do gullies run?", "orientation(gullies)"),
        ("is there a preferred orientation of the gullies", "orientation(gullies)"),
        ("are gullies aligned along a NW-SE axis", "orientation(gullies, given_azimuth_deg=135)"),
        ("Do gullies follow an azimuth of 45 degrees?", "orientation(gullies, given_azimuth_deg=45)"),
        ("do gullies run parallel to the equator", "orientation(gullies, given_azimuth_deg=90)"),
    ],
)
def test_densities_values_and_directions(question: str, measure: str) -> None:
    assert told(question) == (["gullies"], [measure])


@pytest.mark.parametrize(
    "question",
    [
        "How many square kilometres do lava flows occupy?",
        "How large is the area of lava flows?",
        "what fraction of the ground is occupied by lava flows?",
        "the extent of lava flows in km2",
    ],
)
def test_areas(question: str) -> None:
    plan = planned(question)
    assert "share" in plan.query.intents
    assert not plan.unparsed
    assert told(question) == (["lava flow"], [])


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("which landslide is nearest to a graben", "nearest(landslide, graben, count=1)"),
        ("the closest 3 deltas to outflow channels", "nearest(delta, outflow channel, count=3)"),
        ("how far is it from deltas to the nearest landslide", "nearest(delta, landslide)"),
        ("craters occupied by dunes", "overlap(impact crater, sand dunes)"),
        ("more gullies please", "gullies"),
        ("gullies lower than 500 m", "filter_layer(gullies, max_elevation_m=500)"),
    ],
)
def test_one_layer_answers(question: str, result: str) -> None:
    assert told(question) == ([result], [])


def test_a_format_that_is_not_written_is_said() -> None:
    plan = planned("I need a shapefile of the landslides")
    assert "export" in plan.query.intents
    assert any("GeoPackage" in note for note in plan.notes)


@pytest.mark.parametrize(
    "question", ["how high do the volcanoes rise", "how high are the cliffs", "how big are deltas"]
)
def test_sizes_of_landforms_are_still_refused(question: str) -> None:
    assert isinstance(parse(question, GLOSSARY, PLACES), Refusal)


def test_a_comparing_word_without_a_second_thing_is_not_understood() -> None:
    assert planned("gullies at higher elevations").unparsed
