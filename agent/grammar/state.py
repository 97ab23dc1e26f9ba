"""What has been read of a question so far, and the moves that change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.grammar.drafts import GroupDraft, Joint, Kind, OperandDraft, RelationDraft
from agent.grammar.query import Declined, Intent, Item, Missing, Query, Region, Side
from agent.grammar.tokens import Token

EITHER = "“and” was read as either of them; say “together” for both in the same place"
_BEFORE_PLACES = ("in", "at", "near", "around", "inside", "within", "of", "close to", "on")


@dataclass(frozen=True)
class Distances:
    """Distances of a body and its tiles, km.

    Attributes
    ----------
    near_km, touching_km
        What relations without a distance mean: "near", and the same tile or one that touches it.
    most_km
        Half way round the body: nothing lies farther apart.
    """

    near_km: float
    touching_km: float
    most_km: float


@dataclass
class Reading:
    """What was understood of a question, and how.

    Attributes
    ----------
    query
        The parts that stand in the question itself.
    notes
        Readings that the answer must state.
    unparsed
        Words that were not understood, as written.
    refers
        It speaks of earlier results ("those", "it").
    only, instead
        It narrows an earlier result; it asks the same of something else ("what about").
    opens_with_and, asks_afresh
        Its first word is "and"; it has a question word of its own.
    like
        It asks for something similar.
    like_this
        It asks for something similar to what it does not name.
    side_of_it
        ``north`` or ``south`` of a limit named before.
    loose_km
        A distance that was given between things of which there is at most one.
    """

    query: Query = field(default_factory=Query)
    notes: list[str] = field(default_factory=list)
    unparsed: list[str] = field(default_factory=list)
    refers: bool = False
    only: bool = False
    instead: bool = False
    opens_with_and: bool = False
    asks_afresh: bool = False
    like: bool = False
    like_this: bool = False
    side_of_it: str = ""
    loose_km: float = 0.0


class State:
    """A question while it is being read.

    Attributes
    ----------
    groups, relations, regions, intents
        What is there so far.
    pending
        A relation that waits for its object.
    last_object
        What "that" would refer to.
    latest
        The relation read last, wherever it belongs.
    resumed
        Behind a condition that stands before any subject something was read that begins the question proper.
    fronted
        Of "how far", what distances are measured to stood first.
    spots
        Places or tiles were asked for, with what is on them to come.
    missing
        Things said to be missing before it was said where.
    settled
        How many of the subjects stand in sentences before.
    settled_relations
        How many of the relations do.
    nested, negated, both, comparing
        A "that", a "not", a "both", a "compare" was read and waits for what it belongs to.
    separate, together
        Answers are wanted one by one; subjects are wanted in one place.
    new_sentence, begun
        Nothing was read since the last full stop; something was read at all.
    joint
        The "and" or "or" read last.
    among_km, among_words
        Distance between the subjects themselves, and how it was said.
    measuring
        "How far" was asked: a "from" to come means near.
    either_hemisphere
        Latitude bands count in both.
    side
        ``north`` or ``south`` of a place to come.
    part
        The part of a place to come, ``north`` to ``west``.
    between
        "Between" was read last.
    unknown
        Words not understood, not yet joined to a phrase.
    others, expects_other
        What the subject is compared with or judged by; the next thing will be one of them.
    few
        A number of things was read, and "nearest" is to come.
    singular
        The landform read last was named in the singular.
    map_of
        A "map of" was read last.
    same_by, same_words
        Quantities that were said to be the same or different, and the words.
    mentioned, named_values
        Quantities named without a value or a question; those that stand alone, as if asked for.
    stated, joined
        Limits as they were read, each with the "and" or "or" before it; those that an "or" has made one.
    compared
        Quantities that an adjective compares ("higher"), with the words, before it is known with what.
    ground
        Words that name the ground at large.
    numerous, more, than, mostly, half, halves
        Of numbers compared: "more common" as written; whether "more", "than", "mostly in" or "which
        hemisphere" was read; the halves that the last stands for.
    densest, greatest, density_noun, per_area
        Of densities: "densest" or "greatest" as written; whether a density, "per area" was read.
    previous
        Kind of the token before, remarks left out.
    details
        Of what is wanted, by the names in `Details`.
    """

    def __init__(self, distances: Distances, body: str, result: Item | None, catalogue: Item | None) -> None:
        self.distances, self.body, self.result, self.catalogue = distances, body, result, catalogue
        self.reading = Reading()
        self.groups: list[GroupDraft] = []
        self.relations: list[RelationDraft] = []
        self.regions: list[Region] = []
        self.intents: list[Intent] = []
        self.export_format = ""
        self.pending: RelationDraft | None = None
        self.last_object: OperandDraft | None = None
        self.latest: RelationDraft | None = None
        self.resumed = self.fronted = self.spots = False
        self.settled = self.settled_relations = 0
        self.missing: list[Item] = []
        self.nested = self.negated = self.separate = self.together = self.both = False
        self.comparing = self.new_sentence = self.begun = False
        self.joint: Joint = ""
        self.among_km, self.among_words = 0.0, ""
        self.side: Side = ""
        self.part: Side = ""
        self.between = False
        self.measuring = self.either_hemisphere = False
        self.unknown: list[str] = []
        self.others: list[OperandDraft] = []
        self.expects_other = False
        self.few: int | None = None
        self.singular = False
        self.map_of = False
        self.same_by: tuple[str, ...] = ()
        self.same_words = ""
        self.previous = ""
        self.stated: list[tuple[Joint, Region]] = []
        self.joined: list[Region] = []
        self.compared: list[tuple[str, str]] = []
        self.levels: list[str] = []
        self.plain_latitude = True
        self.ground = self.numerous = self.densest = self.greatest = ""
        self.halves: tuple[Region, ...] = ()
        self.mostly = False
        self.more = self.than = self.half = self.density_noun = self.per_area = False
        self.mentioned: tuple[str, ...] = ()
        self.named_values: tuple[str, ...] = ()
        self.details: dict[str, Any] = {}

    @property
    def subjects(self) -> list[Item]:
        """All subjects so far."""
        return [item for group in self.groups for item in group.items]

    @property
    def objects(self) -> list[Item]:
        """All objects of relations so far."""
        return [operand.item for relation in self.relations for operand in relation.objects]

    def add_subject(self, item: Item) -> None:
        """A thing asked for; a new group if the last has limits of its own."""
        if not self.groups or (self.groups[-1].regions and self.joint):
            self.groups.append(GroupDraft())
        group = self.groups[-1]
        if item not in group.items:
            group.items.append(item)
        if len(group.items) > 1:
            if self.both:
                group.every = True
            elif self.joint == "and" and not self.comparing:
                self.reading.notes = [n for n in self.reading.notes if n != EITHER]
                self.note(EITHER)

    def add_object(self, item: Item) -> None:
        """One more object of the last relation."""
        relation = self.relations[-1]
        if item not in [operand.item for operand in relation.objects]:
            relation.objects.append(OperandDraft(item))
        relation.every = relation.kind != "without" and self.joint == "and"
        self.last_object = relation.objects[-1]

    def relation(self, kind: Kind, token: Token) -> RelationDraft:
        """A relation with the distance of a token."""
        distance, inner = token.value
        self.check_distance(distance)
        return RelationDraft(kind, distance, inner_km=inner)

    def expect(self, relation: RelationDraft, token: Token) -> None:
        """Wait for the object of a relation; a "not" before it turns it round."""
        relation.text = token.text
        if self.negated:
            relation, self.negated = self.negative(relation), False
            relation.text = token.text
        relation.alternative = self.previous == "or"
        waiting = self.pending
        if waiting and waiting.kind == "without" and waiting.touching and relation.kind == "near":
            relation, self.nested = self.negative(relation), False  # "except those within 20 km of lava"
            relation.text = token.text
        chain = self.previous == "item" and self.relations and self.relations[-1].kind == "near"
        relation.chained = bool(chain) and relation.kind == "near" and not self.joint
        self.pending = relation

    def negative(self, relation: RelationDraft) -> RelationDraft:
        """The opposite of a relation."""
        if relation.kind in ("nearest", "downslope", "new") and not relation.objects:
            raise Declined(
                "unsupported",
                f"“not {relation.text}” cannot be used as a condition in this version",
                "what is to be near, or away from something",
            )
        if relation.kind == "without":
            if relation.objects:  # "not near B, not C": as far from C
                return RelationDraft("without", relation.distance_km, relation.assumed, relation.touching)
            return RelationDraft("near", relation.distance_km, relation.assumed)
        if relation.kind == "near":
            return RelationDraft("without", relation.distance_km, relation.assumed)
        return RelationDraft("without", self.distances.touching_km, assumed=True, touching=True)

    def limit(self, region: Region) -> None:
        """Put a limit on the last subject, or on the whole once there are relations."""
        self.pending = self.pending if self.pending and not self.pending.weak else None
        self.stated.append((self.joint if self.stated else "", region))
        own = self.groups and not self.relations and not self.others and not self.new_sentence
        (self.groups[-1].regions if own else self.regions).append(region)

    def close_relation(self) -> None:
        """Give up waiting for an object: small words meant nothing then, others were meant."""
        followed = self.pending and self.pending.text.lower().startswith("follow")
        if followed and "orientation" in self.intents:
            self.pending = None  # "which bearing do yardangs follow?"
        if self.pending and not self.pending.weak and self.pending.kind != "overlap":
            if any(character.isdigit() for character in self.pending.text):
                raise Declined(
                    "unsupported",
                    f"“{self.pending.text}” cannot be used as a condition in this version",
                    "a named place, another landform, or limits of latitude and longitude",
                    lacks="second",
                    about=self.pending.text,
                )
            self.not_known(
                f"it is not clear what “{self.pending.text}” refers to",
                lacks="second",
                about=self.pending.text,
            )
        self.pending = None

    def close_unknown(self) -> None:
        """The words not understood so far become one phrase."""
        if not self.unknown:
            return
        phrase, self.unknown = " ".join(self.unknown), []
        if self.negated and self.groups:
            self.not_known(f"“not {phrase}” cannot be used as a condition")
        lost = self.pending
        if lost and phrase[0].isupper() and lost.text.lower() in _BEFORE_PLACES:
            raise Declined(
                "unknown_place", f"no place is called “{phrase}” here", "names in the gazetteer of the index"
            )
        if lost and lost.weak:
            self.pending = None
        elif lost:
            lost.text += f" {phrase}"
        self.reading.unparsed.append(phrase)

    def want(self, intent: Intent) -> None:
        """Something asked for besides where."""
        self.intents.append(intent)

    def note(self, note: str) -> None:
        """A reading that the answer must state, once."""
        if note not in self.reading.notes:
            self.reading.notes.append(note)

    def not_known(self, reason: str, lacks: Missing | None = None, about: str = "") -> None:
        """Refuse words that mean nothing here, or ask for what ``lacks``."""
        raise Declined(
            "unknown_words",
            reason,
            "landforms of the glossary, or any words in double quotes, which are searched for as they are",
            lacks=lacks,
            about=about,
        )

    def check_distance(self, distance: float) -> None:
        """Refuse a distance that is none."""
        if not distance > 0:
            raise Declined(
                "bad_value", f"“{distance:g} km” is no distance to search within", "more than 0 km"
            )
        if distance > self.distances.most_km:
            raise Declined(
                "bad_value",
                f"“{distance:,.0f} km” is farther than any two places on this body lie apart",
                "a smaller distance",
            )
