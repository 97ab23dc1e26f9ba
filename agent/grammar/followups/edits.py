"""The changes that a follow-up can make to the question before: a closed list, each applied by `followup`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.grammar.query import Details, Intent, Item, Region, Relation


@dataclass(frozen=True)
class SetDistance:
    """Another distance; ``side`` turns "within" into "farther than" or back; ``of`` names the other thing."""

    km: float
    side: Literal["", "within", "beyond"] = ""
    of: Item | None = None


@dataclass(frozen=True)
class ScaleDistance:
    """The distance times a factor, plus so many km; ``words`` is how it was said if that gives no number."""

    factor: float = 1.0
    plus_km: float = 0.0
    words: str = ""


@dataclass(frozen=True)
class SetBound:
    """Another number in the limit of a kind: latitude, elevation, probability, value."""

    kind: str
    value: float
    side: str = ""


@dataclass(frozen=True)
class SetLimit:
    """A limit in the place of those of its kind, or with ``adds`` beside them."""

    region: Region
    adds: bool = False


@dataclass(frozen=True)
class DropLimits:
    """No limits of some kinds: ``where`` for latitude, longitude and place, ``all`` for all."""

    kinds: tuple[str, ...]


@dataclass(frozen=True)
class DropThing:
    """No condition that has to do with a thing."""

    item: Item


@dataclass(frozen=True)
class Replace:
    """Other things in the place of one, or in a role: the subject, or the object of the last relation."""

    new: tuple[Item, ...]
    old: Item | None = None
    role: Literal["subject", "object"] = "subject"


@dataclass(frozen=True)
class AddRelation:
    """One more relation, or with ``replaces`` in the place of the last."""

    relation: Relation
    replaces: bool = False


@dataclass(frozen=True)
class Swap:
    """Subject and object change places."""


@dataclass(frozen=True)
class Negate:
    """Those that did not meet the last condition, or with ``place`` the last limit.

    ``touching_km`` is the distance of tiles that touch.
    """

    touching_km: float
    place: bool = False


@dataclass(frozen=True)
class Ask:
    """Something else asked of the same things."""

    intents: tuple[Intent, ...]
    details: Details


Edit = (
    SetDistance | ScaleDistance | SetBound | SetLimit | DropLimits | DropThing | Replace | AddRelation | Swap
    | Negate | Ask
)  # fmt: skip
