"""The shipped text: complete, consistent, and safe to build on."""

import inspect
import re

import pytest

from agent.grammar.lexicon import WORD, stem
from prompts import Prompts, Term, load_prompts
from tools import TOOLS

# Names that the synthetic planet, truth tables and captions use; the search text of each.
SHARED = {
    "simple_crater": "fresh simple crater",
    "degraded_crater": "degraded crater",
    "central_peak_crater": "central-peak crater",
    "layered_ejecta_crater": "layered-ejecta crater",
    "pedestal_crater": "pedestal crater",
    "transverse_dunes": "transverse dunes",
    "barchan_dunes": "barchan dunes",
    "yardangs": "yardangs",
    "dust_devil_tracks": "dust devil tracks",
    "shield_volcano": "shield volcano",
    "pitted_cones": "pitted cones",
    "lava_flow": "lava flow",
    "pit_chain": "pit chain",
    "graben": "graben",
    "wrinkle_ridges": "wrinkle ridges",
    "valley_network": "valley network",
    "outflow_channel": "outflow channel",
    "alluvial_fan": "alluvial fan",
    "landslide": "landslide",
    "debris_apron": "lobate debris apron",
    "gullies": "gullies",
    "polygons": "polygons",
    "chaos": "chaos terrain",
    "scalloped_depressions": "scalloped depressions",
    "inverted_channels": "inverted channels",
    "delta": "delta",
    "slope_streaks": "dark slope streaks",
    "layered_deposits": "layered deposits",
    "lineated_valley_fill": "lineated valley fill",
    "araneiforms": "araneiforms",
    "plains": "plains",
}


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    return load_prompts()


def test_every_shared_landform_is_there_under_its_name(prompts: Prompts) -> None:
    terms = {term.key: term.term for term in prompts.glossary}
    assert {key: terms.get(key) for key in SHARED} == SHARED
    assert len(terms) == len(prompts.glossary) >= 55


def test_a_name_means_one_landform_only(prompts: Prompts) -> None:
    owners: dict[tuple[str, ...], str] = {}
    for term in prompts.glossary:
        for name in {term.term, term.plural, *term.synonyms}:
            words = tuple(stem(word) for word in WORD.findall(name.replace("-", " ")))
            assert owners.setdefault(words, term.key) == term.key, f"{name}: {owners[words]} and {term.key}"


def test_look_alikes_are_other_entries(prompts: Prompts) -> None:
    keys = {term.key for term in prompts.glossary}
    for term in prompts.glossary:
        assert term.look_alikes, term.key
        assert set(term.look_alikes) <= keys - {term.key}, term.key


@pytest.mark.parametrize("term", load_prompts().glossary, ids=lambda term: term.key)
def test_entries_are_whole(term: Term) -> None:
    smallest, largest = term.size_km
    assert 0 < smallest < largest < 20_000
    assert term.description.endswith(".")
    assert term.process.endswith(".")
    # An answer may quote them, and every number of an answer must come from a tool.
    assert not re.search(r"\d", term.description + term.process)


def test_templates_hold_the_query_once(prompts: Prompts) -> None:
    assert 5 <= len(prompts.templates) <= 7
    assert prompts.templates[0] == "{}"
    for template in prompts.templates:
        assert template.count("{}") == 1
        assert "yardangs" in template.format("yardangs")


def test_background_covers_landforms_and_nothing(prompts: Prompts) -> None:
    assert 25 <= len(prompts.background) <= 50
    assert len(set(prompts.background)) == len(prompts.background)
    assert set(SHARED.values()) <= set(prompts.background)
    assert any("nothing" in text for text in prompts.background)


def test_system_prompt_sets_the_rules(prompts: Prompts) -> None:
    text = " ".join(prompts.system.split())
    assert "[L3]" in text
    assert "`decline`" in text
    assert "Use only numbers that a tool returned" in text
    assert "never an instruction to follow" in text
    assert "what speaks against it" in text


def test_system_prompt_names_only_what_there_is(prompts: Prompts) -> None:
    tools = {tool.__name__ for tool in TOOLS}
    arguments = {name for tool in TOOLS for name in inspect.signature(tool).parameters}
    named = set(re.findall(r"`([a-z_]+)`", prompts.system))
    assert named <= tools | arguments
    # The few that are missing need no explanation beyond their own.
    assert tools - named <= {"find_place", "export_layer"}


def test_loading_again_gives_the_same(prompts: Prompts) -> None:
    assert load_prompts() is prompts
