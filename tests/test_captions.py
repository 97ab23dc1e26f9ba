"""Captions: varied, true to their facts, and plain words for every landform."""

import numpy as np
import pytest

from retrieval.corpus.captions import TERMS, TileFacts, canonical_term, caption
from retrieval.corpus.lowell import KEYS
from retrieval.errors import SettingsError


def many(facts: TileFacts, count: int = 300) -> list[str]:
    rng = np.random.default_rng(1)
    return [caption(facts, rng) for _ in range(count)]


def mentions(text: str, key: str) -> bool:
    low = text.lower()
    return any(term.removeprefix("a ").removeprefix("an ") in low for term in TERMS[key])


@pytest.mark.parametrize("key", [k for k in KEYS if k != "plains"])
def test_every_caption_names_its_landform_in_many_ways(key: str) -> None:
    texts = many(TileFacts((key,), {key: 5.2}, {key: 0.9}, 40.0))
    named = sum(mentions(t, key) for t in texts)
    assert named > 0.95 * len(texts)
    assert len(set(texts)) > 100
    assert any(canonical_term(key) in t for t in texts)


def test_plains_are_called_plain_and_nothing_else() -> None:
    texts = many(TileFacts(("plains",)))
    landforms = [k for k in KEYS if k not in ("plains", "simple_crater")]
    assert all(mentions(t, "plains") for t in texts)
    assert not any(mentions(t, k) for t in texts for k in landforms)


def test_a_tile_with_nothing_named_beside_a_scarp_names_the_scarp() -> None:
    assert all(mentions(t, "scarp") for t in many(TileFacts((), near_scarp=True)))
    assert len(set(many(TileFacts(())))) > 10


def test_several_landforms_are_mentioned_together_or_one_of_them() -> None:
    texts = many(TileFacts(("yardangs", "simple_crater")))
    both = sum(mentions(t, "yardangs") and mentions(t, "simple_crater") for t in texts)
    assert 0.3 * len(texts) < both < 0.95 * len(texts)
    assert all(mentions(t, "yardangs") or mentions(t, "simple_crater") for t in texts)


def test_latitude_is_said_on_the_right_side() -> None:
    texts = many(TileFacts(("chaos",), lat=-70.0), 600)
    assert any("southern" in t for t in texts)
    assert not any("northern" in t or "equator" in t for t in texts)


def test_the_same_seed_gives_the_same_captions() -> None:
    facts = TileFacts(("graben", "lava_flow"), lat=3.0)
    assert many(facts) == many(facts)


def test_every_key_has_a_canonical_term_without_article() -> None:
    terms = {key: canonical_term(key) for key in KEYS}
    assert len(set(terms.values())) == len(KEYS)
    assert not any(t.startswith(("a ", "an ")) for t in terms.values())
    assert terms["layered_ejecta_crater"] == "layered-ejecta crater"


@pytest.mark.parametrize("key", ["canals", "scarp", ""])
def test_unknown_landforms_are_refused(key: str) -> None:
    with pytest.raises(SettingsError):
        canonical_term(key)
    with pytest.raises(SettingsError):
        caption(TileFacts((key,)), np.random.default_rng(0))
