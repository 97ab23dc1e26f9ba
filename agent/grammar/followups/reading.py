"""A follow-up question -> the edits that it asks for, or nothing if it must be read as a question of its own.

Every word must belong to what was recognised; a row with one word that no table knows is left to the reader
of whole questions, which says what it did not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agent.grammar.followups import phrases as say
from agent.grammar.followups import words as of
from agent.grammar.followups.edits import (
    AddRelation,
    Ask,
    DropLimits,
    DropThing,
    Edit,
    Negate,
    Replace,
    SetLimit,
    Swap,
)
from agent.grammar.followups.followup import distance_of, opposite_relation
from agent.grammar.followups.limits import kind_of, opposite_limit, probability
from agent.grammar.followups.numbers import MARK, Numbers
from agent.grammar.lexicon import Lexicon
from agent.grammar.limits.conditions import quantity_named
from agent.grammar.query import Details, Item, Region, Relation

SURE_PROBABILITY = 0.9  # what "the sure ones" means; the answer states it
_ARTICLES = ("the", "a", "an")
# The two sides of a row that may stand between sentences, or between changes.
_PARTS = re.compile(r"\||\b(?:and|but)\b(?! (?:the )?(?:rest|others?)\b)")
_NO = re.compile(r"^no(?:pe)? \| (?=T\d$)")  # "no, landslides"
_ELSEWHERE = re.compile(r"\b(?:elsewhere|other (?:hemisphere|half|side))\b")
_NEAR = frozenset(("near", "close", "next", "beside", "adjacent", "around"))
_HIGH = re.compile(r"\b(?:high|higher|highest) (?:probabilit\w+|confidence|certainty|scores?)\b")
_QUESTION = re.compile(r"(?:and )?(?:are|is|how|am|why|do)\b")


@dataclass(kw_only=True)
class Clauses(Numbers):
    """Reads the clauses of a follow-up.

    Attributes
    ----------
    lexicon
        Of the glossary, for what is of one kind.
    relations_in
        Reads a clause as a whole question: its relations, nothing if there is anything else in it.
    """

    lexicon: Lexicon
    relations_in: Callable[[str], tuple[Relation, ...]]

    def edits(self, row: str) -> list[Edit]:
        """The edits of a row: as one clause, or else clause by clause; none if any part is no edit."""
        row = _NO.sub("meant ", row)
        if whole := self.clause(row.replace("|", " ")):
            return whole
        found: list[Edit] = []
        parts = [part for part in _PARTS.split(row) if set(part.split()) - of.FRAME]
        for part in parts if len(parts) > 1 or "|" in row else ():
            edits = self.clause(part)
            if not edits:
                return []
            found += [edit for edit in edits if edit not in found]
        return found

    def clause(self, row: str) -> list[Edit]:
        """The edits of one clause: of the first reader that recognises all of it."""
        row = " ".join(word for word in row.split() if word not in _ARTICLES)
        row = say.OTHER_UNIT.sub("", row)
        row = say.PARTED.sub(r"\g<verb> \g<out> \g<rest>", row)
        readers = (
            self.swapped,
            self.tested,
            self.raised,
            self.nearby,
            self.dropped,
            self.negated,
            self.surest,
        )
        for reader in (*readers, self.removed, self.replaced, self.scaled, self.slots):
            if found := reader(row):
                return found
        return []

    def swapped(self, row: str) -> list[Edit]:
        """“Swap them”, “the other way round”."""
        row = re.sub(r"^(?:(?:and|now|but|what about|do|or|what|is) )*", "", self.without_known(row))
        row = re.sub(r" (?:then|now|again|instead|too)$", "", row)
        return [Swap()] if say.SWAP.fullmatch(row) else []

    def tested(self, row: str) -> list[Edit]:
        """“Is that more than chance?”"""
        row = self.without_known(row)
        named = set(row.split()) & of.CHANCE and self.only(row, of.CHANCE | of.OF_CHANCE)
        asked = named or say.ANYWHERE_ALIKE.fullmatch(row)
        return [Ask(("association",), Details())] if asked and self.before.relations else []

    def raised(self, row: str) -> list[Edit]:
        """“How high up are they?”: the ground's elevation, not their own height."""
        row = self.without_known(row)
        datum = [m for m in MARK.findall(row) if m[0] == "R" and self.limit(m).min_elevation_m == 0]
        if say.HOW_HIGH.fullmatch(row.replace(f" {datum[0]}", "") if datum else row):
            return [Ask(("sample",), Details(by=("elevation",)))]
        value = say.VALUES.fullmatch(row)
        quantity = quantity_named(value["quantity"]) if value else ""
        known = quantity not in ("", "latitude", "longitude")  # those a summary tells
        return [Ask(("sample",), Details(by=(quantity,)))] if known else []

    def nearby(self, row: str) -> list[Edit]:
        """“And are there dunes nearby?”"""
        match = say.NEARBY.fullmatch(row)
        if not match or self.thing(match["thing"]) in self.before.items + self.before.objects:
            return []
        made = self.relation(self.thing(match["thing"]), self.near_km, far=False)
        return [AddRelation(made.model_copy(update={"assumed": True}))]

    def negated(self, row: str) -> list[Edit]:
        """“The rest”, “which of them are not?”"""
        bare = self.without_known(row)
        rest = say.REST.search(bare)
        others = rest and not set(say.REST.sub("", bare, count=1).split()) - of.OF_REST
        if others or (say.NOT_THOSE.fullmatch(bare) and set(bare.split()) - {"not", "no", "and", "but"}):
            return [Negate(self.touching_km, place=bool(_ELSEWHERE.search(bare)))]
        # "And without graben?" after "near graben"
        asked, last = say.WITHOUT.fullmatch(row), self.before.relations[-1:]
        objects = self.marks_of(tuple(o.item for r in last for o in r.objects if r.kind != "without"))
        return [Negate(self.touching_km)] if asked and asked["thing"] in objects else []

    def surest(self, row: str) -> list[Edit]:
        """“Only the ones you are sure of”, “leave out the doubtful ones”."""
        row = self.without_known(row)
        high = _HIGH.search(row)
        said = [high[0]] if high else [word for word in row.split() if word in of.SURE | of.UNSURE]
        known = said and self.only(row, of.SURE | of.UNSURE | of.OF_SURE | {"highest", "scores", "score"})
        if not known or _QUESTION.match(row):  # "are you sure?"
            return []
        if set(said) & of.UNSURE and not re.search(rf"\b{say.REMOVE}\b", row):
            return []
        self.notes.append(f"“{' '.join(said)}” was taken as a high probability; a number can be given too")
        return [SetLimit(probability(SURE_PROBABILITY))]

    # Conditions left out, and things left out

    def dropped(self, row: str) -> list[Edit]:
        """“Never mind the latitude”, “anywhere on the planet”."""
        wider = say.NOT_ONLY.search(row)
        if wider and self.has(self.limit(wider["limit"])):
            rest = say.ANYWHERE.sub("", say.NOT_ONLY.sub("", row, count=1), count=1)
            if self.only(rest, of.OF_LIMITS):
                kind = kind_of(self.limit(wider["limit"]))
                return [DropLimits(("where" if kind == "place" else kind,))]
        rest = say.ANYWHERE.sub("", row, count=1)
        if rest != row and self.only(rest, of.OF_LIMITS):
            return [DropLimits(("where",))]
        verb = say.DROP.search(row)
        if not verb:
            return []
        rest = row[: verb.start()] + row[verb.end() :]
        kinds = [kind for kind, pattern in say.NAMES_OF_LIMITS if pattern.search(rest)]
        for _, pattern in say.NAMES_OF_LIMITS:
            rest = pattern.sub("", rest)
        marks = MARK.findall(rest)
        things = any(mark[0] == "T" for mark in marks)
        if not (kinds or marks) or not self.only(MARK.sub("", rest), of.OF_LIMITS):
            return []
        if things and not say.DROP_THINGS.match(verb[0]):
            return []
        return self.dropped_marks(marks, [kind for kind in kinds if kind != "all" or len(kinds) == 1])

    def dropped_marks(self, marks: list[str], kinds: list[str]) -> list[Edit]:
        """What is dropped: kinds of limits, things, or limits as they were said."""
        things = [self.thing(mark) for mark in marks if mark[0] == "T"]
        limits = [self.limit(mark) for mark in marks if mark[0] in "RP"]
        distances = [mark for mark in marks if self.is_distance(mark)]
        kinds = [*kinds, *map(kind_of, limits), *("distance" for _ in distances)]
        known = set(things) <= {*self.before.items, *self.before.objects} and all(map(self.has, limits))
        if not known or len(things) + len(limits) + len(distances) < len(marks):
            return []
        edits: list[Edit] = [DropThing(item) for item in things]
        if edits and set(kinds) <= {"all", "distance"}:
            return edits
        return [*edits, DropLimits(tuple(dict.fromkeys(kinds)))]

    def is_distance(self, mark: str) -> bool:
        """Whether a mark is the distance of the question before."""
        return mark[0] == "N" and self.number(mark).km(self.tile_km) == distance_of(self.before)

    def has(self, region: Region) -> bool:
        """Whether the question before has a limit of the same kind."""
        return any(kind_of(one) == kind_of(region) for one in self.before.regions)

    def removed(self, row: str) -> list[Edit]:
        """“Drop everything under 0.9”, “take away those that have a lava flow within 60 km”."""
        match = re.match(rf"(?:(?:and|now|but|then|so|also|just|i|we) )*{say.REMOVE}\b ?(.*)", row)
        if not match:
            return []
        rest = match[1]
        if low := say.BELOW.fullmatch(rest):
            return self.surer(self.number(low["n"]))
        if limit := re.fullmatch(rf"(?:{say.THOSE} )+(R\d)", rest):
            region = self.limit(limit[1])
            return [SetLimit(opposite_limit(region), adds=True)]
        if re.match(rf"{say.THOSE} ", rest) and "T" in rest:
            relations = self.relations_in(self.made.text(rest))
            if len(relations) == 1:
                return [AddRelation(opposite_relation(relations[0], self.touching_km))]
        return []

    # Things, places and limits in the places of others

    def replaced(self, row: str) -> list[Edit]:
        """“With wrinkle ridges instead of graben”."""
        known = self.before.items + self.before.objects
        for pattern in say.REPLACED:
            match = pattern.search(row)
            if not match or not self.only(row[: match.start()] + row[match.end() :], set()):
                continue
            new, old = self.thing(match["new"]), self.thing(match["old"]) if match["old"] else None
            if old and old not in known and new in known:
                new, old = old, new
            if old and old in known and new not in known:
                return [Replace((new,), old)]
            if not old and new not in known:
                return [Replace((new,), role=self.role("", new))]
        return []

    def slots(self, row: str) -> list[Edit]:
        """A row of things, places, limits and numbers in the places of those before."""
        if related := self.related(row) or self.close_to(row):
            return related
        marks = MARK.findall(row)
        kinds = {mark[0] for mark in marks}
        more = of.OF_NUMBERS | of.OF_FACTORS | (_NEAR if say.INSTEAD.search(row) else set())
        if not marks or "L" in kinds or not self.only(MARK.sub("", row), more):
            return []
        again, focus = bool(say.AS_BEFORE.search(row)), bool(say.FOCUS.search(row))
        if kinds <= {"R", "P"} and not (again or focus or say.CHANGES.search(row)):
            return []  # conditions on what was found
        things = [self.thing(mark) for mark in marks if mark[0] == "T"]
        new = tuple(item for item in things if item not in self.before.items + self.before.objects)
        known = [item for item in things if item not in new]
        if new and len(marks) == 2 and re.fullmatch(r"(?:and |with )+T\d within N\d", row):
            if self.before.relations:
                return []  # within that of which of the two?
            return [AddRelation(self.relation(new[0], self.number(marks[1]).km(self.tile_km), far=False))]
        edits = self.instead(row, new, again=again) if new else []
        if (new and (known or not edits)) or (known and "N" not in kinds):
            return []
        if set(known) & set(self.before.items) and kinds - {"T", "N"}:
            return []  # "landslides within 100 km of Gale" is a whole question
        adds = (focus or bool(say.ADDS.search(row))) and not new
        limits = [self.limit(mark) for mark in marks if mark[0] in "RP"]
        edits += [SetLimit(limit, adds) for limit in limits if limit not in self.before.regions]
        if "N" in kinds:
            numbers = self.numbers(row, marks, known)
            return [*edits, *numbers] if numbers else []
        return edits

    def instead(self, row: str, new: tuple[Item, ...], *, again: bool) -> list[Edit]:
        """New things, in the role that the word before them gives."""
        found = say.FIRST_THING.match(row)
        preposition = found["preposition"] if found else ""
        listed = len(new) == 1 or re.search(r"T\d (?:and|or) T\d", row)
        opens = (again or say.OPENERS.search(row)) and not say.AFRESH.search(row)
        whole = re.search(r"\bN\d (?:away )?(?:of|from|to|around|than) T\d", row)  # says one thing more
        if not listed or whole or not (opens or preposition):
            return []
        return [Replace(new, role=self.role(preposition, new[0], same=again))]

    def role(self, preposition: str, item: Item, *, same: bool = False) -> Literal["subject", "object"]:
        """Whether a thing stands for the subject or for the object of the question before."""
        relations, against = self.before.relations, self.before.details.against
        if not (relations or against):
            return "subject"
        if preposition not in ("", "for", "with") or (preposition == "with" and not same):
            return "object"
        other = relations[-1].objects[0].item if relations else against[0].item
        mine, subjects, others = (self.agents(one) for one in (item, self.before.items[0], other))
        if same and mine & others and not mine & subjects:
            said = f"{item.plural.capitalize()} were put in the place of {other.plural}"
            self.notes.append(f"{said}, as landforms of one kind; name both to be sure")
            return "object"
        return "subject"

    def agents(self, item: Item) -> set[str]:
        """What the glossary says a landform was made by."""
        term = self.lexicon.by_key.get(item.key)
        text = f"{term.description} {term.process}".lower() if term else ""
        return {pattern for pattern in say.AGENTS if re.search(pattern, text)}
