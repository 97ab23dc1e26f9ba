"""Questions to begin with: of landforms that the index holds, found out once; none that cannot be planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.chat import examples
from agent.chat.examples import ANYWHERE, EXAMPLES, examples_of, find_out, remembered
from agent.grammar.steps import Plan
from agent.question import parse
from prompts import load_prompts
from retrieval.body import get_body
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder


@pytest.mark.parametrize("text", [*EXAMPLES, *ANYWHERE])
@pytest.mark.parametrize("body", ["mars", "moon"])
def test_examples_that_know_nothing_of_the_index_are_understood(text: str, body: str) -> None:
    assert isinstance(parse(text, load_prompts().glossary, (), body=body), Plan)


def test_other_bodies_are_not_asked_for_what_only_mars_has() -> None:
    assert examples_of(get_body("lowell")) == EXAMPLES
    assert not any("gullies" in text or "yardangs" in text for text in examples_of(get_body("moon")))


def test_what_the_index_holds_is_found_out_once_and_kept(
    home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = load_prompts()
    monkeypatch.setattr(examples, "SHARE", 1.0)
    assert remembered(home, tiny_index) == ()
    found = find_out(home, tiny_index, pattern_encoder, prompts)
    assert found
    for text in found:
        assert isinstance(parse(text, prompts.glossary, (), body=tiny_index.body.name), Plan)
    monkeypatch.setattr(examples, "ask", None)  # asked no more
    assert find_out(home, tiny_index, pattern_encoder, prompts) == remembered(home, tiny_index) == found


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[1]", '[""]', '["' + "x" * 300 + '"]'])
def test_a_torn_or_strange_file_is_no_example(home: Settings, tiny_index: TileIndex, content: str) -> None:
    path: Path = examples._path(home, tiny_index)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert remembered(home, tiny_index) == ()


def test_an_index_that_holds_nothing_has_no_examples(
    home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "HITS", 10**9)
    assert find_out(home, tiny_index, pattern_encoder, load_prompts()) == ()
