"""Captions held against facts: wrong claims are put right or dropped, hopeless captions rejected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.corpus.claims import Claim, Vocabulary
from retrieval.corpus.facts import TileFacts
from retrieval.corpus.verdicts import Verdict, judge
from retrieval.corpus.wording import TERMS

Status = Literal["kept", "repaired", "rejected"]
_OWN = Vocabulary()


@dataclass(frozen=True)
class Verified:
    """A caption after verification.

    Attributes
    ----------
    text
        The caption, repaired if need be; empty if rejected.
    original
        The caption as it was written.
    status
        ``kept`` as it was, ``repaired``, or ``rejected`` because nothing that facts support is left.
    verdicts
        On the claims of the original.
    unchecked
        Words of the text that no claim holds, so that nobody looked whether they are true.
    """

    text: str
    original: str
    status: Status
    verdicts: tuple[Verdict, ...]
    unchecked: tuple[str, ...]

    @property
    def supported(self) -> int:
        """Number of claims that facts support."""
        return sum(verdict.outcome == "supported" for verdict in self.verdicts)


def verify(caption: str, facts: TileFacts, vocabulary: Vocabulary = _OWN) -> Verified:
    """Hold a caption against facts; replace or drop what they contradict.

    A wrong size, side, direction, band... is replaced where the facts give the right one. A wrong landform is
    replaced by one that the tile shows and the caption does not name, or its clause is dropped. What is still
    contradicted then, or has no supported claim left, is rejected.
    """
    first, unchecked = judge(caption, facts, vocabulary)
    verdicts, text = first, caption
    for _ in range(4):  # dropping a landform may leave its attributes with the next one
        wrong = [verdict for verdict in verdicts if verdict.outcome == "contradicted"]
        if not wrong:
            break
        text = _repair(text, verdicts, facts)
        verdicts, unchecked = judge(text, facts, vocabulary)
    good = any(v.outcome == "supported" for v in verdicts)
    if not good or any(v.outcome == "contradicted" for v in verdicts):
        return Verified("", caption, "rejected", tuple(first), tuple(unchecked))
    return Verified(text, caption, "kept" if text == caption else "repaired", tuple(first), tuple(unchecked))


def _repair(caption: str, verdicts: Sequence[Verdict], facts: TileFacts) -> str:
    """The caption with its contradicted claims replaced or dropped."""
    named = set().union(*(v.claim.keys for v in verdicts if v.claim.kind == "landform"))
    spare = [key for key in facts.landforms if key not in named and key in TERMS and key != "plains"]
    edits: list[tuple[int, int, str]] = []
    for verdict in verdicts:
        claim = verdict.claim
        if verdict.outcome != "contradicted":
            continue
        if claim.kind in ("landform", "nothing") and spare:
            edits.append((claim.start, claim.end, TERMS[spare.pop(0)][0]))
        elif claim.kind in ("landform", "nothing", "absence", "scarp"):
            edits.append((*_clause(caption, claim, verdicts), ""))
        elif claim.kind in ("count", "size_word", "freshness") and not verdict.right:
            edits.append((claim.start, claim.end, "a" if re.match(r"(?i)an?\b", claim.text) else ""))
        else:
            edits.append((claim.start, claim.end, verdict.right or ""))
    text, before = caption, len(caption) + 1
    for start, end, words in sorted(edits, key=lambda edit: (-edit[0], edit[1])):
        end = min(end, before)  # one clause may lie in another
        if start >= end:
            continue
        text, before = text[:start] + words + text[end:], start
    return _tidy(text)


_JOINT = re.compile(
    r"(?:, |; |\. |: | and | with | next to | together with | beside | showing | shows | of | or | near )"
)


def _clause(caption: str, claim: Claim, verdicts: Sequence[Verdict]) -> tuple[int, int]:
    """The stretch of a caption from the joint before a landform to the next one, with what is said of it."""
    joints = [m.start() for m in _JOINT.finditer(caption) if m.end() <= claim.start]
    start = joints[-1] if joints else 0
    inside = [
        v.claim.end
        for v in verdicts
        if v.claim.keys == claim.keys and v.claim.kind not in ("landform", "nothing", "absence")
    ]
    end = max([claim.end, *(e for e in inside if e > claim.end)])
    others = [v.claim.start for v in verdicts if v.claim.kind == "landform" and v.claim.start > claim.start]
    return start, min([end, *others])


def _tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ([,.;:])", r"\1", text)
    text = re.sub(r"([,;:])(?=[,.;:])", "", text)
    text = re.sub(r"\b([Aa]n?) (?=(?:an?|about|in|at)\b)", "", text)
    text = re.sub(r"^(?:[,;:. ]|and |with |next to |together with |beside )+", "", text.strip())
    text = re.sub(r"(?:[,;:]| and| with| of| showing| next to| together with| beside)+(?=\.?$)", "", text)
    return re.sub(r"\s+", " ", text).strip()
