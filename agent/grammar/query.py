"""What a question asks, as data: landforms, relations and limits, with the words to say it again.

The grammar makes a `Query`, the planner in `agent.question` turns it into tool calls, and a follow-up
question changes the one before. Plain values, so that a query survives a checkpoint.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of all values here: unchangeable, comparable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(Frozen):
    """One thing asked for.

    Attributes
    ----------
    kind
        Words to search for, an example to compare with, a catalogue file, or a layer that exists.
    text
        What the tool is given.
    plural
        How an answer calls several of them.
    key
        Key in the glossary, empty for words outside it.
    """

    kind: Literal["words", "example", "catalogue", "layer"]
    text: str
    plural: str
    key: str = ""


class Relation(Frozen):
    """A condition on what is asked for, by something else.

    Attributes
    ----------
    kind
        Within a distance; farther than a distance; in the same tile or the next; measured to the nearest;
        lower down the slope; not in a list.
    objects
        The other things; each may have conditions of its own.
    every
        Whether each object must meet the condition, or any one of them.
    distance_km
        For ``near``, ``without``, ``downslope`` and ``new``.
    count
        With ``nearest``: how many are kept; None for all.
    assumed
        The distance was not given in the question.
    touching
        With ``without``: not in the same tile nor in one that touches it.
    """

    kind: Literal["near", "without", "overlap", "nearest", "downslope", "new"]
    objects: tuple[Operand, ...]
    every: bool = False
    distance_km: float = 0.0
    count: int | None = None
    assumed: bool = False
    touching: bool = False


class Operand(Frozen):
    """An object of a relation, with conditions of its own ("channels that are near chaos")."""

    item: Item
    relations: tuple[Relation, ...] = ()
    regions: tuple[Region, ...] = ()


Side = Literal["", "north", "south", "east", "west"]


class Region(Frozen):
    """Limits in space, probability or other values; None where there is none.

    Attributes
    ----------
    where
        A condition on a value of each row, as `tools.filters.filter_layer` reads it: ``slope_deg >= 10``.
    facing
        ``pole`` or ``equator``: slopes that face it, whatever the hemisphere.
    both_hemispheres
        The latitude band counts in either hemisphere.
    place, within_km
        A named place, and how far from its centre; None for its own radius.
    centre
        A position instead of a place: longitude and latitude, degrees.
    outside
        All but what lies within ``within_km`` of the place or position.
    beyond
        With ``place``: on that side of it instead of around it.
    either
        Instead of all else: limits of which one is enough.
    words
        How the question said it, for the answer.
    """

    min_lat_deg: float | None = None
    max_lat_deg: float | None = None
    both_hemispheres: bool = False
    west_lon_deg: float | None = None
    east_lon_deg: float | None = None
    min_elevation_m: float | None = None
    max_elevation_m: float | None = None
    min_probability: float | None = None
    where: str = ""
    facing: Literal["", "pole", "equator"] = ""
    place: str | None = None
    within_km: float | None = None
    centre: tuple[float, float] | None = None
    outside: bool = False
    beyond: Side = ""
    either: tuple[Region, ...] = ()
    words: str = ""


class Group(Frozen):
    """Things asked for together, with limits of their own."""

    items: tuple[Item, ...]
    regions: tuple[Region, ...] = ()
    every: bool = False


Reason = Literal[
    "empty", "off_topic", "help", "other_body", "age", "cause", "measurement", "life", "unknown_words",
    "unknown_place", "bad_value", "contradiction", "no_context", "no_example", "unsupported", "secret",
    "ability", "absent", "person", "future", "climate", "change", "composition", "subsurface", "resolution",
    "language",
]  # fmt: skip


class Refusal(Frozen):
    """Why a question is not answered.

    Attributes
    ----------
    kind
        The sort of reason.
    reason
        One sentence, without a full stop.
    allowed
        What can be asked instead, in general.
    suggestion
        One question that can be answered, ready to be asked.
    """

    kind: Reason
    reason: str
    allowed: str
    suggestion: str


# What a question may lack: the landform; what "it" stands for; the second thing of a relation, a comparison
# or a test; which place; which of several that fit; what something is to look like; a catalogue file.
Missing = Literal["landform", "referent", "second", "place", "which", "example", "catalogue"]


class Declined(Exception):
    """Carries a refusal out of the depths of the grammar; caught by `agent.question.parse`.

    Parameters
    ----------
    lacks
        What is missing, where asking back for it is better than the refusal.
    about
        The words of the question that need it.
    choices
        What it may be, if that is known here.
    """

    def __init__(
        self,
        kind: Reason,
        reason: str,
        allowed: str = "",
        suggestion: str = "",
        *,
        lacks: Missing | None = None,
        about: str = "",
        choices: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.refusal = Refusal(kind=kind, reason=reason, allowed=allowed, suggestion=suggestion)
        self.lacks, self.about, self.choices = lacks, about, choices


HOLE = "…"  # normalised text holds three dots instead, so this stands for nothing that a user wrote


class Choice(Frozen):
    """An answer that may be given to a question back: what it puts into the question, how it is shown."""

    words: str
    said: str


class QuestionBack(Frozen):
    """What must be asked before a question can be answered.

    Attributes
    ----------
    missing
        What the question lacks.
    text
        The question to the user, one sentence.
    frame
        The user's question with a `HOLE` for each missing piece; empty if a piece completes nothing.
    choices
        What may stand there, in the order in which the text names it.
    suggestions
        Complete questions, ready to be asked.
    """

    missing: Missing
    text: str
    frame: str = ""
    choices: tuple[Choice, ...] = ()
    suggestions: tuple[str, ...] = ()


Intent = Literal[
    "where", "count", "share", "orientation", "association", "latitude", "map", "export", "about",
    "density", "compare", "sample", "merge", "evaluate", "distance",
]  # fmt: skip


POLEWARD = "distance from the equator"  # no quantity of the tools: latitudes, in each hemisphere for itself


class Details(Frozen):
    """How that is wanted which a question asks besides where.

    Attributes
    ----------
    by
        Quantities to count by, to compare by or to sample: ``elevation``.
    step
        Width of the classes that are counted in, in the quantity's unit; km for ``cells``.
    against
        What the subject is compared with or judged by; nothing with ``ground``, the ground observed.
    azimuth_deg, same_axis
        The direction that is tested; whether several things are asked to share one.
    merge_km
        How far apart rows of one feature may lie; None for tiles that touch.
    side, null, strata
        Of a test against chance: the side asked for, the null model, the quantity it keeps.
    parted_by
        The quantity by whose limits one thing is parted, to be counted per area in each part.
    projection, map_place, colour_by
        Of a map.
    """

    by: tuple[str, ...] = ()
    step: float | None = None
    against: tuple[Operand, ...] = ()
    ground: bool = False
    azimuth_deg: float | None = None
    same_axis: bool = False
    merge_km: float | None = None
    side: Literal["", "nearer", "farther"] = ""
    null: str = ""
    strata: str = ""
    parted_by: str = ""
    projection: Literal["", "equirectangular", "polar", "orthographic", "regional"] = ""
    map_place: str = ""
    colour_by: str = ""


class Query(Frozen):
    """A whole question.

    Attributes
    ----------
    groups
        The subject. Several groups, or several items in one, mean any of them (``every``: all together).
    relations, regions
        Conditions on the subject; they all hold.
    separate
        Answer each relation, or without relations each subject, on its own, to compare them.
    intents
        What is wanted besides where.
    export_format
        With the intent ``export``.
    details
        With several of the intents.
    """

    groups: tuple[Group, ...] = ()
    relations: tuple[Relation, ...] = ()
    regions: tuple[Region, ...] = ()
    separate: bool = False
    intents: tuple[Intent, ...] = ()
    export_format: str = ""
    details: Details = Details()

    @property
    def items(self) -> tuple[Item, ...]:
        """The subject's items."""
        return tuple(item for group in self.groups for item in group.items)

    @property
    def objects(self) -> tuple[Item, ...]:
        """All items of all relations and comparisons, outermost first."""
        related = tuple(item for relation in self.relations for item in _items_of(relation))
        return related + tuple(item for operand in self.details.against for item in _items_in(operand))


def describe(query: Query) -> str:
    """The question as a noun phrase: ``pitted cones within 40 km of outflow channels, north of 20 degrees``.

    Distances that the question did not give are left in words ("near").
    """
    subject = " or ".join(
        _together([item.plural for item in group.items], every=group.every)
        + "".join(f" {region.words}" for region in group.regions)
        for group in query.groups
    )
    relations = "" if query.separate else " and ".join(_relation(relation) for relation in query.relations)
    regions = "".join(f", {region.words}" for region in query.regions)
    return f"{subject} {relations}".strip() + regions


def parts(query: Query) -> list[Query]:
    """The queries that a separate one is answered by, one for each result; itself if it is not separate."""
    if not query.separate:
        return [query]
    whole = query.model_copy(update={"separate": False})
    subjects = [
        whole.model_copy(update={"groups": (group.model_copy(update={"items": (item,), "every": False}),)})
        for group in query.groups
        for item in group.items
    ]
    if not query.relations or (len(subjects) > 1 and "association" not in query.intents):
        return subjects
    # In a test each subject is shown with each of the others.
    return [one.model_copy(update={"relations": (r,)}) for one in subjects for r in query.relations]


def describe_operand(operand: Operand) -> str:
    """One thing with its own conditions: ``outflow channels that are near chaos terrain``."""
    limits = "".join(f" {region.words}" for region in operand.regions)
    return operand.item.plural + limits + "".join(f" that are {_relation(r)}" for r in operand.relations)


def short_number(value: float) -> str:
    """At most four digits that count, as the tools round their figures: ``40.23``, ``1,250``."""
    return f"{round(value):,}" if abs(value) >= 1000 else f"{value:.4g}"


def listed(parts: list[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _together(names: list[str], *, every: bool) -> str:
    if every and len(names) > 1:
        return f"{names[0]} together with {listed(names[1:])}"
    return listed(names, "or")


def _relation(relation: Relation) -> str:
    others = listed([describe_operand(o) for o in relation.objects], "and" if relation.every else "or")
    distance = f"{short_number(relation.distance_km)} km"
    if relation.kind == "overlap":
        return f"in or beside tiles with {others}"
    if relation.kind == "near":
        return f"near {others}" if relation.assumed else f"within {distance} of {others}"
    if relation.kind == "downslope":
        return f"downslope of {others}" + ("" if relation.assumed else f" within {distance}")
    if relation.kind == "nearest":
        return f"nearest to {others}" if relation.count else f"with their distance to {others}"
    if relation.kind == "new":
        return f"that are not among the {others}"
    if relation.touching:
        return f"without {others}"
    return f"away from {others}" if relation.assumed else f"farther than {distance} from {others}"


def _items_of(relation: Relation) -> tuple[Item, ...]:
    return tuple(item for operand in relation.objects for item in _items_in(operand))


def _items_in(operand: Operand) -> tuple[Item, ...]:
    return operand.item, *(item for inner in operand.relations for item in _items_of(inner))
