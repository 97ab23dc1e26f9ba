"""Follow-ups that point at a place, an answer or the last two results; what only looks like these."""

import pytest

from tests.test_grammar_followup import Talk


def after(*questions: str) -> str:
    """What the last of some questions is answered with."""
    talk = Talk()
    return [talk.ask(question) for question in questions][-1]


@pytest.mark.parametrize(
    "question",
    [
        "Explain to me how L3 was made.",
        "I am not convinced. What exactly is in L3 and where does it come from?",
        "I do not believe it. how was it made",
    ],
)
def test_an_answer_is_explained(question: str) -> None:
    told = after("gullies within 40 km of graben", question)
    assert "declined" not in told
    assert "dunes" not in told


def test_the_last_two_are_compared() -> None:
    told = after("Find gullies", "Find dunes", "which lie higher?")
    assert "compare" in told
    assert "gullies" in told
    assert "dunes" in told
    assert "compare" not in after("Find gullies", "Find dunes", "which are near craters?")


def test_where_exactly_shows_the_answer_again() -> None:
    assert after("Find gullies", "where exactly?") == after("Find gullies")
    assert "dune" in after("Find gullies", "where are dunes?")


def test_that_region_is_the_place_before() -> None:
    assert "Gale" in after("Landslides in Gale", "how many gullies are in that region?")


def test_a_limit_that_is_no_longer_the_only_place() -> None:
    assert after("Landslides in Gale", "Now everywhere, not only in Gale") == after("Find landslides")
    assert after("Landslides in Gale", "everywhere but not in Gale") != after("Find landslides")


def test_the_unit_that_is_meant() -> None:
    told = after("gullies within 40 km of graben", "Use 30 miles, not kilometres.")
    assert "48.28" in told
