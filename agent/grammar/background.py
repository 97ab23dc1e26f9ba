"""What is told before a question that stands by itself: "Dykes feed pit chains. What is their strike?"

A comparison, or a question about directions, that names all it needs is not changed by what a reader says
of the same landforms before it. What is left out is quoted in a note. Limits, places and numbers that are
told first stay conditions, as does everything before a search or a count.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.grammar.lexicon import words
from agent.grammar.refusing.clauses import YES_NO
from agent.grammar.tokens import Token

_COMPARED = frozenset(("higher_than", "which_higher", "compare_by", "than_ground", "poleward"))
_DIRECTED = frozenset(("orientation", "azimuth", "axis_with"))
_SMALL = frozenset(("filler", "note", "sign", "comma", "word"))
# Told first, these are conditions.
_KEPT = frozenset(
    ("region", "place", "side", "near_km", "without_km", "ring_km", "among_km", "number", "map")
)
# With these a request begins, which is not background.
_ASKS = words(
    "where find show list locate count map draw plot export which what how who tell give compare test check "
    "are is do does did can run search are identify measure"
)


def without_background(tokens: Sequence[Token]) -> tuple[list[Token], list[str]]:
    """The tokens without the sentences that only tell, and what is said of them.

    Parameters
    ----------
    tokens
        Of a question that is no test against chance.
    """
    parts = _sentences(tokens) or [[]]
    core = next((n for n in range(len(parts) - 1, 0, -1) if _landforms(parts[n]) or _points(parts[n])), 0)
    kinds = {token.kind for token in parts[core]}
    if core == 0 or not (kinds & (_COMPARED | _DIRECTED)) or not all(map(_only_tells, parts[:core])):
        return list(tokens), []
    several = len(set(_landforms(parts[core]))) > 1 or "than_ground" in kinds or "ground" in kinds
    if kinds & _DIRECTED and not kinds & _COMPARED:
        several = bool(_landforms(parts[core]))
    if several:
        left, kept = [token for part in parts[:core] for token in part], []
    elif _points(parts[core]) and len({name for part in parts[:core] for name in _landforms(part)}) == 1:
        # Only whom the pronoun stands for is needed.
        told = [token for part in parts[:core] for token in part]
        kept = [next(token for token in told if token.kind == "item"), Token("break", ".")]
        left = [token for token in told if token.kind in ("word", "linked_to", "linked", "process", "same")]
    else:
        return list(tokens), []
    said = " ".join(token.text for token in left if token.text.strip() and token.kind != "note")
    said = said.replace(" ,", ",").rstrip(" .:;,!")
    notes = [f"“{said}” was taken as background"] if said else []
    rest = [token for part in parts[core:] for token in part]
    return [*kept, *rest], notes


def _sentences(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        parts[-1].append(token)
        if token.kind == "break":
            parts.append([])
    return [part for part in parts if part]


def _landforms(part: Sequence[Token]) -> list[str]:
    return [token.value.text for token in part if token.kind == "item"]


def _points(part: Sequence[Token]) -> bool:
    """Whether a pronoun stands for what was named before."""
    return any(token.kind == "this" for token in part)


def _only_tells(part: Sequence[Token]) -> bool:
    said = [
        token.text.lower() for token in part if token.kind not in ("note", "sign", "comma") and token.text
    ]
    if not said or part[-1].text.startswith("?"):
        return not said
    # A heading ("Graben, Gale:") names what the question is about.
    heading = part[-1].text.startswith(":") and all(
        token.kind in _SMALL | {"item", "break"} for token in part
    )
    asks = said[0].split()[0] in _ASKS or YES_NO.match(" ".join(said))
    return not (asks or heading or any(token.kind in _KEPT for token in part))
