"""From words to probabilities: which way a query goes, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prompts import load_prompts
from retrieval.query import Asked, ask
from retrieval.words import vocabulary
from tests.fakes import LANDFORMS, PatternEncoder

PROMPTS = load_prompts()
ESKER = "ridge deposited by a stream in a tunnel beneath a glacier"


@pytest.fixture(scope="module")
def encoder() -> PatternEncoder:
    """Knows the names of its landforms and "winding ridge of ice"; was trained on its landforms only."""
    encoder = PatternEncoder()
    names = (*LANDFORMS.values(), "winding ridge of ice", "sand dunes near craters")
    encoder._manifest = replace(
        encoder.manifest, words=vocabulary(names), landforms=tuple(LANDFORMS.values()), logit_bias=-10.0
    )
    return encoder


@pytest.fixture
def asked(tiny_index, encoder):
    def put(text: str) -> Asked:
        return ask(tiny_index, encoder, text, PROMPTS.templates, PROMPTS.descriptions)

    return put


@pytest.mark.parametrize("name", [*LANDFORMS.values(), "dunes near craters", "Pitted Cone"])
def test_names_go_the_direct_way(asked, name: str) -> None:
    found = asked(name)
    assert found.sought == name
    assert found.notes == ()
    assert found.understood


def test_a_description_is_asked_by_the_name_of_what_it_describes(asked) -> None:
    found = asked("cracks like those of dried mud")
    assert found.sought == "polygons"
    assert found.understood
    assert "asked for 'polygons'" in found.notes[0]
    assert found.calibrated.probability.max() > 0.5


def test_a_landform_that_the_encoder_does_not_know_is_named_and_not_searched_for(asked) -> None:
    found = asked(ESKER)
    assert not found.understood
    assert "describe 'eskers', which the encoder was not trained on" in found.notes[0]
    assert found.calibrated.probability.max() == 0


def test_known_words_are_asked_as_they_are_whatever_else_they_may_describe(asked) -> None:
    found = asked("winding ridge of ice")
    assert found.sought == "winding ridge of ice"
    assert found.notes == ()


@pytest.mark.parametrize("text", ["shopping malls", "ледник", "qwertz uiop", "a violin concerto"])
def test_what_is_on_no_planet_is_not_found(asked, text: str) -> None:
    found = asked(text)
    assert not found.understood
    assert found.calibrated.probability.max() == 0
    assert "not trained on the words" in found.notes[-1]


def test_a_vocabulary_takes_words_of_any_script() -> None:
    assert vocabulary(["Cañón, ледник", "ÖL"]) == ("cañón", "öl", "ледник")
