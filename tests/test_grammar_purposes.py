"""Places for a purpose, places of one's own, properties that cannot be told; and what is none of these."""

from typing import Any

import pytest

from agent.grammar.query import QuestionBack, Refusal
from agent.grammar.steps import Plan, SearchWords
from agent.question import parse
from prompts import load_prompts

GLOSSARY = load_prompts().glossary
PLACES = ("Leucothea Mons", "Brisea Chasma", "Urania Planitia")


def ask(question: str) -> Any:
    return parse(question, GLOSSARY, PLACES, body="lowell")


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize(
    "question",
    lines(
        """
        Where would you put the lander?
        Propose a landing site.
        suggest a landing ellipse
        I want to land somewhere flat
        Where should we send the rover?
        what's the best spot for astronauts?
        Find the most beautiful spot for my pupils.
        show me something worth teaching to kids
        Test whether this could be random.
        Explain the layer.
        """
    ),
)
def test_a_purpose_alone_is_asked_about(question: str) -> None:
    assert isinstance(ask(question), QuestionBack)


@pytest.mark.parametrize(
    "question",
    lines("Which gullies are in my study area?\ndunes within our study region\ncraters at our site"),
)
def test_a_place_of_ones_own_is_asked_for(question: str) -> None:
    back = ask(question)
    assert isinstance(back, QuestionBack)
    assert back.missing == "place"


@pytest.mark.parametrize(
    ("sought", "question"),
    [
        ("layered deposits", "Where would a rover find layered deposits?"),
        ("delta", "I want to land near deltas"),
        ("delta", "find a landing site close to the deltas"),
        ("ancient lake basin", "do any of the craters hold lakes"),
        ("sand dunes", "show me beautiful dunes"),
        ("lava flow", "Where are basaltic lava flows?"),
        ("lava flow", "show lava flows in layers that hold true colours"),
        ("gullies", "Where are gullies in my pictures?"),
        ("landslide", "Where did landslides happen next to craters?"),
    ],
)
def test_landforms_are_looked_for(sought: str, question: str) -> None:
    plan = ask(question)
    assert isinstance(plan, Plan), plan
    assert sought in [step.text for step in plan.steps if isinstance(step, SearchWords)]


@pytest.mark.parametrize(
    ("kind", "questions"),
    [
        (
            "age",
            "How many years did it take to build the volcanoes?|how long did it take to cut the gullies",
        ),
        ("composition", "Is the lava basaltic or andesitic?|What is the pH of the ground at the deltas?"),
        ("composition", "what's the salinity of the lakes|is the soil acidic"),
        ("future", "Which crater wall is going to collapse next?|which slope will fail next"),
        ("measurement", "the deepest crater?|what is the density of the rock in kg per m3"),
        ("cause", "Explain the gullies.|explain how the deltas formed"),
        ("absent", "Where did the lander crash?|show me the astronauts"),
        ("off_topic", "is lowell a real planet"),
    ],
)
def test_what_cannot_be_told(kind: str, questions: str) -> None:
    for question in questions.split("|"):
        refusal = ask(question)
        assert isinstance(refusal, Refusal), (question, refusal)
        assert refusal.kind == kind, question
