"""Limits, places, relations and likeness: many wordings of each, and what they must not be taken for."""

from pathlib import Path

import pytest

from agent.grammar.query import Refusal
from agent.grammar.steps import Plan
from tests.test_question import ask, formula, planned


def _written_down() -> list[tuple[str, str]]:
    lines = (Path(__file__).parent / "questions_limits.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return list(zip(lines[::2], lines[1::2], strict=True))


@pytest.mark.parametrize(("question", "expected"), _written_down())
def test_wordings(question: str, expected: str) -> None:
    understood = ask(question)
    if isinstance(understood, Refusal):
        assert f"! {understood.kind}" == expected
    else:
        assert formula(understood) == expected
        assert not understood.unparsed


# What looks like a limit or a relation but is none, or another one.
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("craters deeper than 3 km", "impact crater"),
        ("polar layered deposits in Gale", "polar layered deposits{place=Gale}"),
        (
            "yardangs between 10 and 20 km from craters",
            "without[10](near[20](yardangs, impact crater), impact crater)",
        ),
        ("gullies within 20 km of craters in the north", "near[20](gullies, impact crater){min_lat_deg=0}"),
        ("Southern gullies in Gale", "gullies{max_lat_deg=0,place=Gale}"),
        ("volcanoes below 3 km", "shield volcano{max_elevation_m=3000}"),
        ("dunes near craters below 3 km", "near[40](sand dunes, impact crater){max_elevation_m=3000}"),
        ("gullies north of 30 N and below 500 m", "gullies{min_lat_deg=30,max_elevation_m=500}"),
        ("dunes or yardangs north of 30 N", "(sand dunes | yardangs){min_lat_deg=30}"),
        ("dunes on slopes above 5 degrees, north of 30 N", "sand dunes{min_lat_deg=30,slope_deg >= 5}"),
    ],
)
def test_what_is_no_limit(question: str, expected: str) -> None:
    assert formula(planned(question)) == expected


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("gullies at more than 40 degrees latitude", "both hemispheres"),
        ("dunes outside Hellas", "its own radius"),
        ("dunes at 45 E, 10 S", "within 40 km"),
        ("dunes within 100 km of (137, -5)", "longitude 137 and latitude -5"),
        ("landslides below scarps", "read as downslope"),
        ("dunes hellas", "the place Hellas Planitia"),
        ("dunes 500 m below datum", "at least so far below"),
        ("dunes in the eastern hemisphere", "0 to 180 degrees east"),
    ],
)
def test_readings_are_stated(question: str, said: str) -> None:
    assert said in " ".join(planned(question).notes)


@pytest.mark.parametrize("question", ["south of Gale", "dunes 30 km", "craters within 40 km"])
def test_a_distance_from_nothing_is_not_dropped(question: str) -> None:
    understood = ask(question)
    assert not isinstance(understood, Plan) or understood.unparsed
