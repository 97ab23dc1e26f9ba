"""Words of a query: which of them an encoder knows.

A small text tower that was trained on a few hundred words places any other text somewhere among them: to
one, "grazing cows" was as good as "graben", with which it shares a piece of a word. No picture can tell that
this is wrong; the list of words that the encoder was trained on can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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


def content_words(text: str) -> tuple[str, ...]:
    """Words of a text in the singular and lower case, without those that say nothing of what is sought."""
    return tuple(dict.fromkeys(_content(text)))


def vocabulary(texts: Iterable[str]) -> tuple[str, ...]:
    """The words of many texts, in lower case and order: what a text tower trained on them knows.

    Words are runs of letters of any script, here and in a query: both ask the same list.
    """
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
