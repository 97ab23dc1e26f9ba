"""Which landform a text describes, by what its words mean, and the sentence encoder that tells."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts import DEV_QUERIES_FOLDER, load_prompts
from retrieval import sentences
from retrieval.encoder_folder import WEIGHTS_FOLDER
from retrieval.errors import EncoderError
from retrieval.evaluate.landforms import read_queries
from retrieval.meaning import best_match
from retrieval.ordinary import ORDINARY
from retrieval.sentences import LONGEST, word_pieces

DESCRIPTIONS = load_prompts().descriptions
KEYS = {term.term: term.key for term in load_prompts().glossary}


def convinced(text: str, glossary: dict[str, str] = DESCRIPTIONS) -> str | None:
    match = best_match(text, glossary)
    return match.term if match is not None and match.convinces else None


class TestMeaning:
    @pytest.mark.parametrize(
        ("text", "term"),
        [
            ("a net of cracks that splits the ground into cells", "polygons"),
            ("an alcove and a narrow channel cut into a steep wall", "gullies"),
            ("boomerang-like sand piles", "barchan dunes"),
            ("knolls with pits on their summits", "pitted cones"),
            ("hill pushed up by freezing groundwater", "rounded mound"),
            ("shopping malls", None),
            ("a cup of coffee", None),
            ("an ice cream cone", None),
            ("a golf course", None),
            ("cliff diving", None),
            ("a volcano documentary", None),
            ("terrain", None),
            ("", None),
            ("12 + 34?", None),
        ],
    )
    def test_the_glossary_names_what_a_text_describes(self, text: str, term: str | None) -> None:
        assert convinced(text) == term

    def test_descriptions_of_other_people_are_understood_and_absent_things_are_not_found(self) -> None:
        paraphrases, absent = read_queries(DEV_QUERIES_FOLDER)
        said = [(text, key) for key, texts in paraphrases.items() for text in texts]
        preferred = [term for term, key in KEYS.items() if key in paraphrases]
        found = [best_match(text, DESCRIPTIONS, preferred) for text, _ in said]
        right = [
            m is not None and m.convinces and KEYS[m.term] == key
            for m, (_, key) in zip(found, said, strict=True)
        ]
        assert np.mean(right) >= 0.95
        assert sum(convinced(text) is None for text in absent) >= 0.95 * len(absent)

    def test_words_need_not_have_the_same_form_nor_case(self) -> None:
        glossary = {"one": "a deep hole in the ground", "two": "an avalanche of broken rock"}
        assert convinced("DEEPER holes", glossary) == "one"
        assert convinced("avalanches of breaking rocks", glossary) == "two"

    def test_a_preferred_term_wins_only_where_it_is_as_good(self) -> None:
        glossary = {"one": "blocks tilted in a hollow", "two": "blocks tilted in a hollow.", "three": "dust"}
        text = "tilted blocks in a hollow"
        for preferred in ("one", "two"):
            match = best_match(text, glossary, {preferred})
            assert match is not None
            assert match.term == preferred
        far = best_match(text, glossary, {"three"})
        assert far is not None
        assert far.term != "three"

    def test_without_a_glossary_nothing_matches(self) -> None:
        assert best_match("tilted blocks", {}) is None
        assert convinced("tilted blocks", {"": "", "?": ""}) is None

    @settings(max_examples=30)
    @given(st.text(max_size=80))
    def test_any_text_has_at_most_one_match_as_good_as_the_text_itself(self, text: str) -> None:
        match = best_match(text, DESCRIPTIONS)
        if match is not None:
            assert match.term in DESCRIPTIONS
            assert -1 <= match.score <= 1 + 1e-5
            assert -1 <= match.ordinary <= 1 + 1e-5
            assert 0 <= match.nearer <= 1

    def test_a_glossary_s_own_words_find_their_entry(self) -> None:
        for term in load_prompts().glossary:
            for text in filter(None, (term.everyday, term.description)):
                assert convinced(text) == term.term

    def test_ordinary_things_are_no_landforms(self) -> None:
        assert len(ORDINARY) == len(set(ORDINARY)) > 400
        assert [thing for thing in ORDINARY[::9] if convinced(thing)] == []


class TestSentences:
    def test_pieces_are_those_of_the_published_model(self) -> None:
        # Cosines of the three pieces, by torch's TransformerEncoderLayer from the weights in full precision.
        pieces = word_pieces(["Fresh simple CRATER"])[0]
        assert pieces.shape == (3, 384)
        expected = [[1.0, 0.468, 0.302], [0.468, 1.0, 0.404], [0.302, 0.404, 1.0]]
        np.testing.assert_allclose(pieces @ pieces.T, expected, atol=0.01)

    def test_a_word_means_what_its_sentence_makes_of_it(self) -> None:
        river, hospital, stream = word_pieces(
            ["the bed of a river", "the bed in a hospital", "a bed of a stream"]
        )
        assert river[1] @ stream[1] > river[1] @ hospital[1] + 0.05

    @settings(max_examples=20)
    @given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
    def test_a_text_has_the_same_pieces_in_any_company(self, texts: list[str]) -> None:
        together = word_pieces(texts)
        assert len(together) == len(texts)
        for text, rows in zip(texts, together, strict=True):
            alone = word_pieces([text])[0]
            np.testing.assert_allclose(rows, alone, atol=1e-5)
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_nothing_has_no_pieces_and_a_long_text_is_cut(self) -> None:
        assert word_pieces([]) == []
        assert word_pieces([""])[0].shape == (0, 384)
        assert len(word_pieces(["sand " * 1000])[0]) == LONGEST - 2

    @pytest.mark.parametrize("file", ["weights.safetensors", "tokenizer.json"])
    def test_torn_weights_are_refused(self, tmp_path, monkeypatch, file: str) -> None:
        folder = tmp_path / "minilm"
        shutil.copytree(WEIGHTS_FOLDER / "minilm", folder)
        (folder / file).write_bytes((folder / file).read_bytes()[:5000])
        monkeypatch.setattr(sentences, "_FOLDER", folder)
        sentences._shipped.cache_clear()
        try:
            with pytest.raises(EncoderError, match="missing or torn"):
                word_pieces(["sand"])
        finally:
            sentences._shipped.cache_clear()

    def test_nothing_is_loaded_before_a_text_needs_it(self) -> None:
        code = (
            "import sys, retrieval.meaning; print({'tokenizers', 'safetensors', 'torch'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"
