"""Words of a query: which of them an encoder knows, and which landform of a glossary they describe.

A small text tower that was trained on a few hundred words places any other text somewhere among them: to
one, "grazing cows" was as good as "graben", with which it shares a piece of a word. No picture can tell that
this is wrong; the list of words that the encoder was trained on can.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
# Words that say nothing of what is looked for: those of grammar, and those of any picture of the ground.
_COMMON = frozenset(
    _WORD.findall("""
    a about across all along also among an and any are around as at away be been below beside
    between but by down for from has have how in into is it its left like many more most near next
    no not of off often on one or other out over seen show showing shown some than that the their
    them there these they this to too two under up very what when where which who whose with within
    without
    aerial area camera context ctx feature few field grey ground hirise image kind landform looking
    made mars martian orbit orbital photo photograph picture planet planetary region remote
    satellite scale scene sensing shape shaped site spacecraft surface terrain thing tile type view
    """)
)
_LEAST_SCORE = 5.0  # two words of the rarer ones; below it, words agree by chance
_LEAST_LEAD = 1.2  # over the second best entry, which is as good a guess otherwise
_LEAST_SHARE = 1 / 3  # of the text's content words
_K1, _B = 1.2, 0.75  # the usual constants of BM25


def content_words(text: str) -> tuple[str, ...]:
    """Words of a text in the singular and lower case, without those that say nothing of what is sought."""
    return tuple(dict.fromkeys(_content(text)))


def vocabulary(texts: Iterable[str]) -> tuple[str, ...]:
    """The words of many texts, in lower case and order: what a text tower trained on them knows."""
    return tuple(sorted({word for text in texts for word in _WORD.findall(text.lower())}))


def split_known(text: str, known: Iterable[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Content words of a text that are among the known ones, and those that are not.

    Parameters
    ----------
    known
        Words in any form; None if every word is known.
    """
    words = content_words(text)
    if known is None:
        return words, ()
    stems = _stems(tuple(known))
    return tuple(w for w in words if w in stems), tuple(w for w in words if w not in stems)


def described_term(text: str, glossary: Mapping[str, str]) -> str | None:
    """The term of a glossary whose description shares most with a text, if one stands out.

    Parameters
    ----------
    glossary
        Per term, its names and its description in words.

    Returns
    -------
    The term with the highest BM25 score (Robertson and Zaragoza 2009), or None if the best is low, is hardly
    better than the next, or shares less than a third of the text's content words.
    """
    words = content_words(text)
    if not words or not glossary:
        return None
    terms, counts, rarity, mean_length = _statistics(tuple(glossary.items()))
    scores = []
    for count in counts:
        length = _K1 * (1 - _B + _B * count.total() / mean_length)
        scores.append(sum(rarity[w] * count[w] * (_K1 + 1) / (count[w] + length) for w in words if count[w]))
    order = sorted(range(len(terms)), key=lambda i: (-scores[i], i))
    best = scores[order[0]]
    second = scores[order[1]] if len(order) > 1 else 0.0
    shared = sum(1 for w in words if counts[order[0]][w])
    if best < _LEAST_SCORE or best < _LEAST_LEAD * second or shared < _LEAST_SHARE * len(words):
        return None
    return terms[order[0]]


@lru_cache(maxsize=8)
def _statistics(
    glossary: tuple[tuple[str, str], ...],
) -> tuple[list[str], list[Counter[str]], dict[str, float], float]:
    counts = [Counter(_content(f"{term} {text}")) for term, text in glossary]
    spread = Counter(word for count in counts for word in count)
    rarity = {w: math.log(1 + (len(counts) - n + 0.5) / (n + 0.5)) for w, n in spread.items()}
    mean_length = sum(count.total() for count in counts) / len(counts)
    return [term for term, _ in glossary], counts, rarity, mean_length


def _content(text: str) -> list[str]:
    words = (word for word in _WORD.findall(text.lower()) if word not in _COMMON and len(word) > 1)
    return [word for word in map(_singular, words) if word not in _COMMON]


@lru_cache(maxsize=8)
def _stems(known: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_content(" ".join(known)))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("oes", "sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
