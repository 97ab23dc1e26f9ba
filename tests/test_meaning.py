"""Which landform a text describes, by what its words mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import load_prompts
from retrieval.meaning import best_match

DESCRIPTIONS = load_prompts().descriptions


def convinced(text: str, glossary: dict[str, str] = DESCRIPTIONS) -> str | None:
    match = best_match(text, glossary)
    return match.term if match is not None and match.convinces else None


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("a net of cracks that splits the ground into cells", "polygons"),
        ("an alcove and a narrow channel cut into a steep wall", "gullies"),
        ("boomerang-like sand piles", "barchan dunes"),
        ("knolls with pits on their summits", "pitted cones"),
        ("shopping malls", None),
        ("a cup of coffee", None),
        ("terrain", None),
        ("", None),
    ],
)
def test_the_glossary_names_what_a_text_describes(text: str, term: str | None) -> None:
    assert convinced(text) == term


def test_words_need_not_have_the_same_form() -> None:
    glossary = {"one": "a deep hole in the ground", "two": "a tall tree in a forest"}
    assert convinced("deeper holes", glossary) == "one"
    assert convinced("the tallest forest trees", glossary) == "two"


def test_a_tie_is_no_answer() -> None:
    same = "blocks tilted in a hollow"
    assert convinced("tilted blocks hollow", {"one": same, "two": same}) is None
    assert best_match("tilted blocks hollow", {}) is None


@given(st.text(max_size=80))
def test_any_text_has_a_match_between_nothing_and_all(text: str) -> None:
    match = best_match(text, DESCRIPTIONS)
    if match is not None:
        assert match.term in DESCRIPTIONS
        assert 0 <= match.match <= 1 + 1e-6
        assert match.lead >= 1 - 1e-9
        assert 0 <= match.same <= match.words


def test_a_glossary_s_own_words_find_their_entry() -> None:
    for term in load_prompts().glossary:
        if term.everyday:
            assert convinced(term.everyday) == term.term
