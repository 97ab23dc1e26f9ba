"""Tokens -> clauses, each with its landforms, places and limits masked, so that only what is asked remains.

"Where are young craters, and how deep are they?" has two clauses, ``where are ◊simple_crater`` and
``how deep are they``. In a masked clause an adjective that belongs to a landform ("young craters"), a name
("Dust Basin") or a number of a limit cannot be taken for the subject of the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.grammar.lexicon import APPEARANCE, words
from agent.grammar.query import Item
from agent.grammar.tokens import Token

# What politeness and reported speech put before a question.
_LEAD = re.compile(
    r"(?:(?:and|but|so|then|also|please|hey|hi|hello|well|ok|okay|now|if|whether|because|as|kindly|just|"
    r"(?:can|could|would|will) (?:you|u|we|one|i)(?: please)?(?! (?:live|breathe|survive))|"
    r"do you (?:happen to )?(?:know|think)|(?:can you |could you |please )?(?:tell|show|give) (?:me|us)|"
    r"i (?:would |d |just |really )*(?:want|like|need|wish|love)(?: you)? to(?: know| learn| see| hear)?|"
    r"id like to(?: know)?|"
    r"i (?:just )?(?:want|need) you to|i wonder(?:ed)?|i am (?:interested in|wondering)|let me know|find out|"
    r"my question is|question|say|check)(?:\s*[,:]\s*|\s+)){1,6}"
)
YES_NO = re.compile(r"^(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would|might|may)\b")
FORM, PLACE, LIMIT, UNKNOWN = "◊", "@", "§", "~"

_LIMITS = {"region", "near_km", "without_km", "ring_km", "among_km", "downslope_km", "than_ground"}
_JOINTS = {"comma", "and", "or"}
# With these a clause of its own begins behind a comma, an "and" or a "but".
_OPENERS = words(
    "how what when why who whose whom where which do does did is are was were has have can could will would "
    "should shall tell give show list find count draw export make say explain describe predict date measure "
    "send drill take write translate i test compare"
)
_BRIDGES = words("but so because since as if whether while though although however and also then plus")


@dataclass(frozen=True)
class Clause:
    """A part of the question that asks for one thing.

    Attributes
    ----------
    tokens
        As they were read.
    ends
        The sign behind it, empty where it just goes on.
    """

    tokens: tuple[Token, ...]
    ends: str = ""

    @property
    def items(self) -> list[Item]:
        """The landforms, layers and files in it."""
        return [token.value for token in self.tokens if token.kind == "item"]

    @property
    def text(self) -> str:
        """As written."""
        return " ".join(token.text for token in self.tokens if token.text).replace(" ,", ",").strip(" ,")

    @property
    def said(self) -> str:
        """As written, without the "and" before it."""
        said = self.text
        while (first := said.split(" ", 1))[0].lower().strip(",") in _BRIDGES | {"or", "but"} and len(
            first
        ) > 1:
            said = first[1]
        return said.strip(" ,")

    @property
    def asks(self) -> bool:
        """Whether it is a request, and not a remark that comes before or behind one.

        Terse noun phrases ("gullies near craters") ask too.
        """
        said = [token.text.lower().split()[0] for token in self.tokens if token.text.strip(" ,.:")]
        if not said or self.ends.startswith("?") or _WISHES & set(said):
            return bool(said)
        opener = next((word for word in said if word not in _POLITE), "")
        remark = bool(_VERBS & set(said[1:])) and "that" not in said and "which" not in said
        return opener not in _SPEAKERS and (opener in _OPENERS or not remark)


_POLITE = words("please well so ok okay hi hello hey and but then also now")
_SPEAKERS = words("i we they it there this that my our he she someone some people")
_WISHES = words("want need wonder wondering tell show curious interested please could would")
_VERBS = words(
    "is are was were look looks seem seems have has had lie lies formed appear appears do does did sit "
    "occur see "
    "love study think want need like know"
)


def clauses(tokens: Sequence[Token]) -> list[Clause]:
    """Split a question where another request begins."""
    made: list[Clause] = []
    current: list[Token] = []
    kept = [token for token in tokens if token.kind != "note"]
    for place, token in enumerate(kept):
        following = next((t.text.lower() for t in kept[place + 1 :] if t.kind not in _JOINTS), "")
        opens = following.partition(" ")[0] in _OPENERS | {"but"}
        bridge = token.kind in _JOINTS or token.text.lower() in _BRIDGES
        if token.kind == "break" and token.text != ":":
            made.append(Clause(tuple(current), token.text))
            current = []
        elif bridge and opens and current and not (token.kind == "comma" and _is_fronted(current)):
            made.append(Clause(tuple(current)))
            current = [token]
        else:
            current.append(token)
    made.append(Clause(tuple(current)))
    return [clause for clause in _joined(made) if clause.text]


def _is_fronted(tokens: list[Token]) -> bool:
    """Whether a clause only names what the next asks of: "the dunes, are they old"."""
    said = [word for token in tokens for word in token.text.lower().split()]
    first = next((word for word in said if word not in _POLITE), "")
    named = any(token.kind == "item" for token in tokens)
    return named and first not in _OPENERS - {"which", "what"} and not _VERBS & set(said)


def _joined(parts: list[Clause]) -> list[Clause]:
    # "Where are gullies that lie low and are near craters?" stays one: "are near" asks nothing of its own.
    made: list[Clause] = []
    for part in parts:
        bare = not any(token.kind not in (*_JOINTS, "filler") for token in part.tokens)
        if made and bare and not made[-1].ends:
            made[-1] = Clause((*made[-1].tokens, *part.tokens), part.ends)
        else:
            made.append(part)
    return made


def masked(clause: Clause, *, mark: bool = False) -> str:
    """The clause in lower case with each landform, place and limit as one sign.

    Parameters
    ----------
    mark
        Whether words that were not understood are marked by a ``~``.
    """
    parts: list[str] = []
    for token in clause.tokens:
        text = token.text.lower()
        if token.kind == "item":
            parts += _masked_item(token, parts[-1] if parts else "")
        elif token.kind in _LIMITS:
            parts.append(LIMIT)
        elif token.kind == "place":
            parts.append(PLACE)
        elif token.kind == "word" and mark:
            parts.append(UNKNOWN + text)
        else:
            parts.append(text)
    return " ".join(parts).replace(" ,", ",").strip(" ,")


def _masked_item(token: Token, before: str) -> list[str]:
    item, said = token.value, token.text.lower()
    if item.kind == "words" and not item.key and not said.startswith('"'):
        return said.split()[-1:]  # a free phrase, such as "rock" or "storm deposits"
    first = said.split()[0]
    asked = before.endswith(("how", "too")) and first in APPEARANCE  # "how deep craters are"
    return [first, FORM + item.key] if asked else [FORM + item.key]


def opened(text: str) -> str:
    """The clause without politeness before it."""
    return _LEAD.sub("", " ".join(text.split()), count=1) if _LEAD.match(text) else " ".join(text.split())
