"""Numbers of a follow-up: which number of the question before each replaces, and relations with distances."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from agent.grammar.followups import phrases as say
from agent.grammar.followups import words as of
from agent.grammar.followups.edits import AddRelation, Edit, ScaleDistance, SetBound, SetDistance, SetLimit
from agent.grammar.followups.followup import distance_of
from agent.grammar.followups.limits import kind_of, on_place, probability
from agent.grammar.followups.skeleton import Number, Skeleton
from agent.grammar.query import Item, Operand, Query, Region, Relation
from agent.grammar.tokens import MILE_KM

MARK = re.compile(r"[TPRNL]\d+")


@dataclass
class Numbers:
    """The part of a reader of clauses that knows numbers.

    Attributes
    ----------
    made
        The skeleton of the whole question.
    before
        The question before.
    tile_km, near_km, touching_km
        Width of a tile, what "near" means, and how far apart tiles that touch lie.
    notes
        How a clause was taken.
    """

    made: Skeleton
    before: Query
    tile_km: float
    near_km: float
    touching_km: float
    notes: list[str] = field(default_factory=list)

    def scaled(self, row: str) -> list[Edit]:
        """“Double the distance”, “a bit wider”, “20 km more”, “I meant miles”."""
        row = say.OTHER_UNIT.sub("", self.without_known(row))
        number = re.search(r"N\d", row)
        unit = re.search(r"\b(?:(miles?)|km|kilomet(?:re|er)s?)\b", row)
        if unit and not number and self.only(row.replace(unit[0], ""), of.OF_NUMBERS):
            return [ScaleDistance(MILE_KM if unit[1] else 1 / MILE_KM)]
        if number:
            sign = 1 if say.BY_MORE.search(row) else -1 if say.BY_LESS.search(row) else 0
            if sign and self.only(row.replace(number[0], ""), of.OF_NUMBERS | {"add", "by"}):
                found = self.number(number[0])
                if found.unit == "percent":
                    return [ScaleDistance(1 + sign * found.value / 100)]
                return [ScaleDistance(plus_km=sign * found.km(self.tile_km))]
            row = re.sub(r"\bN\d times", lambda match: f"{self.number(match[0]).value:g} times", row)
        for pattern, factor in say.FACTORS:
            match = re.search(pattern, row)
            rest = row.replace(match[0], "").replace("2 times", "").replace("3 times", "") if match else ""
            if match and self.only(rest, of.OF_NUMBERS | of.OF_FACTORS):
                bit = say.A_BIT.search(row)
                said = f"{bit[0] if bit else ''}{match[0]}"
                return [ScaleDistance(factor, words="" if factor in say.EXACT_FACTORS else said)]
        return []

    def numbers(self, row: str, marks: list[str], known: list[Item]) -> list[Edit]:
        """The edits of the numbers of a row: one, or an old one and a new one."""
        found = [mark for mark in dict.fromkeys(marks) if mark[0] == "N"]
        if len(found) == 2:  # "80 instead of 40"
            now = distance_of(self.before)
            found = [mark for mark in found if self.number(mark).km(self.tile_km) != now]
        if len(found) != 1 or len(known) > 1:
            return []
        number = self.number(found[0])
        kind = self.kind_of_number(number, row)
        if kind == "distance":
            side: Literal["", "within", "beyond"] = ""
            if say.FAR.search(row) or say.CLOSE.search(row):
                side = "beyond" if say.FAR.search(row) else "within"
            return [SetDistance(number.km(self.tile_km), side, known[0] if known else None)]
        if kind == "probability":
            return self.surer(number)
        return [SetBound(kind, number.metres if kind == "elevation" else number.value, number.side)]

    def surer(self, number: Number) -> list[Edit]:
        """A smallest probability; nothing if the number is none."""
        value = number.value / 100 if number.unit == "percent" or number.value > 1 else number.value
        share = number.unit in ("", "percent") and 0 <= value <= 1
        return [SetLimit(probability(round(value, 6)))] if share else []

    def kind_of_number(self, number: Number, row: str) -> str:
        """Which number of the question before is meant."""
        limits = [kind_of(region) for region in self.before.regions]
        measured = bool(distance_of(self.before)) or bool(self.before.relations) or "place" in limits
        told = ("distance", "latitude", "elevation", "probability", "value")
        for kind, pattern in say.NAMES_OF_LIMITS:
            if kind in told and pattern.search(row):
                return kind
        if number.unit == "percent" or (not number.unit and 0 < number.value < 1):
            return "probability"
        if number.unit == "degrees" or number.side:
            return "latitude" if "latitude" in limits or number.side else "value"
        high = number.unit in ("m", "ft") or (number.unit == "km" and not measured)
        if high and "elevation" in limits:
            return "elevation"
        if number.unit or measured:
            return "distance"
        return next((kind for kind in ("latitude", "elevation", "value") if kind in limits), "distance")

    def related(self, row: str) -> list[Edit]:
        """“And less than 35 km from lava flows”: the relation before with another thing, or one more."""
        match = say.RELATED.fullmatch(row)
        if not match or not (self.before.relations or match["thing"][0] == "P"):
            return []
        km = self.number(match["n"]).km(self.tile_km)
        if match["thing"][0] == "P":
            return [] if match["far"] else [SetLimit(on_place(self.made.places[int(match["thing"][1:])], km))]
        item, last = self.thing(match["thing"]), self.before.relations[-1]
        if item in [operand.item for relation in self.before.relations for operand in relation.objects]:
            return [SetDistance(km, "beyond" if match["far"] else "within", item)]
        made = self.relation(item, km, far=bool(match["far"]))
        joined = re.search(r"\b(?:and|but|also|those|ones)\b", row) and not re.search(
            r"\b(?:instead|same)\b", row
        )
        alike = (last.kind, last.distance_km) == (made.kind, km)
        if item in self.before.items or (joined and not alike):
            return []
        others = " and ".join(operand.item.plural for operand in last.objects)
        self.notes.append(f"{item.plural.capitalize()} were put in the place of {others}")
        return [AddRelation(made, replaces=True)]

    def close_to(self, row: str) -> list[Edit]:
        """“And near lava flows, say 40 km”."""
        match = say.CLOSE_TO.fullmatch(row)
        if not match or self.thing(match["thing"]) in self.before.items + self.before.objects:
            return []
        km = self.number(match["n"]).km(self.tile_km)
        return [AddRelation(self.relation(self.thing(match["thing"]), km, far=bool(match["far"])))]

    def relation(self, item: Item, km: float, *, far: bool) -> Relation:
        """A relation of a distance to a thing."""
        kind: Literal["near", "without"] = "without" if far else "near"
        return Relation(kind=kind, objects=(Operand(item=item),), distance_km=km)

    # What the marks of a row stand for

    def thing(self, mark: str) -> Item:
        """The thing of a mark."""
        return self.made.things[int(mark[1:])]

    def limit(self, mark: str) -> Region:
        """The limit or the place of a mark."""
        place = int(mark[1:])
        return on_place(self.made.places[place]) if mark[0] == "P" else self.made.limits[place]

    def number(self, mark: str) -> Number:
        """The number of a mark, whatever stands around it."""
        return self.made.numbers[int(re.findall(r"\d+", mark)[0])]

    def marks_of(self, items: tuple[Item, ...]) -> set[str]:
        """The marks of things."""
        return {f"T{place}" for place, item in enumerate(self.made.things) if item in items}

    def only(self, row: str, more: frozenset[str] | set[str]) -> bool:
        """Whether a row has no words but those that may stand anywhere, and some more."""
        return not set(row.split()) - of.FRAME - more

    def without_known(self, row: str) -> str:
        """A row without the things that the question before named: they say nothing new."""
        known = self.marks_of(self.before.items + self.before.objects)
        return " ".join(word for word in row.split() if word not in known)
