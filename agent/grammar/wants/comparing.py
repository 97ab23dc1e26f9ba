"""What is compared: two landforms, one in two places or beside two things, or one and the ground.

Words only say that something is compared, and in what; with what is told at the end, by what the question
names. "More gullies in the north than in the south" has one subject and two limits, which are alternatives:
each becomes a part of its own.
"""

from __future__ import annotations

import re

from agent.grammar.drafts import GroupDraft, OperandDraft, RelationDraft
from agent.grammar.limits.bounds import opposite
from agent.grammar.limits.conditions import quantities_in
from agent.grammar.query import POLEWARD, Declined, Item, Region
from agent.grammar.state import EITHER, State
from agent.grammar.tokens import Token
from agent.grammar.wants.comparatives import compared_value

_NORTH = Region(min_lat_deg=0.0, words="in the northern hemisphere")
_SOUTH = Region(max_lat_deg=0.0, words="in the southern hemisphere")
_NORTH_POLE = Region(min_lat_deg=60.0, words="poleward of 60 degrees north")
_SOUTH_POLE = Region(max_lat_deg=-60.0, words="poleward of 60 degrees south")
_SET_APART = {"compared", "relative", "rest", "remainder", "average", "mean", "background", "typical"}
_AREA_WORDS = ("area", "ground", "surface", "land", "space", "terrain")


class Comparing(State):
    """The part of a reader that knows comparisons."""

    def _on_compare(self, token: Token) -> None:
        self.comparing = self.separate = True
        self.joint = "and"

    def _on_compare_by(self, token: Token) -> None:
        self._on_compare(token)
        self.want("compare")
        self.by(known_quantities(token.value))

    def _on_which_higher(self, token: Token) -> None:
        self._on_compare(token)
        self.want("compare")
        self.by((compared_value(token.text),))

    def _on_same_by(self, token: Token) -> None:
        self.same_by, self.same_words = known_quantities(token.value), token.text

    def _on_higher_than(self, token: Token) -> None:
        if self._of_numbers(token):  # "is the density of A higher than that of B?"
            self.numerous, self.joint = token.text, "or"
            return
        self.want("compare")
        self.by((compared_value(token.text),))
        self.expects_other = True

    def _on_poleward(self, token: Token) -> None:
        self.want("compare")
        self.by((POLEWARD,))
        self.expects_other = True
        self.note("Distances from the equator were compared in each hemisphere for itself")

    def _on_than_ground(self, token: Token) -> None:
        self.want("compare")
        self.by((compared_value(token.text),))
        self.details["ground"] = True

    def _on_ground(self, token: Token) -> None:
        self.ground = token.text
        self.mentioned += quantities_in(token.text)

    def _of_numbers(self, token: Token) -> bool:
        asked = self.density_noun or bool({"share", "count"} & set(self.intents))
        plain = re.match(r"(?:higher|lower)\b", token.text, re.IGNORECASE) and not quantities_in(token.text)
        return asked and bool(plain)

    def _on_comparative(self, token: Token) -> None:
        if self._of_numbers(token):
            self.numerous = token.text
            return
        self.compared.append((compared_value(token.text), token.text))

    def _on_beside_average(self, token: Token) -> None:
        self.note(f"“{token.text}” was compared, not used as a condition")
        self._on_than_ground(token)

    def _on_mostly(self, token: Token) -> None:
        self.mostly = True

    def _on_level(self, token: Token) -> None:
        self.levels.append(token.text)

    def _on_numerous(self, token: Token) -> None:
        if (
            "sample" in self.intents and " than " in token.text
        ):  # "is the altitude of A greater than that of B?"
            self._compare_instead(self.details["by"])
            self.expects_other = True
            return
        if token.text.lower().endswith(" as"):
            self.joint = "or"
        self.numerous = token.text
        if any(token.text.lower().endswith(word) for word in _AREA_WORDS):
            self.want("share")

    def _on_more(self, token: Token) -> None:
        self.more = True
        if not self.groups:  # "which has more gullies, A or B?"
            self.pending = None

    def _on_than(self, token: Token) -> None:
        self.than, self.joint = True, "or"

    def _on_which_half(self, token: Token) -> None:
        self.half = True
        self.halves = (_NORTH_POLE, _SOUTH_POLE) if "pole" in token.text.lower() else (_NORTH, _SOUTH)
        self.reading.asks_afresh = True

    def is_other(self, item: Item) -> bool:
        """Whether a thing is what the subject is compared with; if so, it is noted."""
        named = bool(self.groups) or self.reading.refers
        judged = "evaluate" in self.intents and item.kind in ("catalogue", "layer") and named
        more = bool(self.others) and bool(self.joint) and not self.pending and not self.new_sentence
        if not (self.expects_other or judged or more):
            return False
        self.others.append(OperandDraft(item))
        self.expects_other, self.pending, self.joint = False, None, ""
        return True

    def is_other_of_before(self) -> bool:
        """Whether "those" stands for what the subject is compared with."""
        if not self.expects_other:
            return False
        item = self.result or next(iter(self.subjects), None)
        return item is not None and self.is_other(item)

    def by(self, names: tuple[str, ...]) -> None:
        """Note quantities to count by, to compare by or to sample."""
        self.details["by"] = tuple(dict.fromkeys((*self.details.get("by", ()), *names)))

    # The end

    def finish_values(self) -> None:
        """Which values are compared, where only an adjective or "the rest of the planet" says so."""
        several = len(self.subjects) + len(self.others) > 1 or len(self._alternatives()) > 1
        levels = ("elevation",) if self.levels else ()
        named = (*(name for name, _ in self.compared), *self.mentioned) or levels
        if self.ground and ({"compare", "sample"} & set(self.intents) or named):
            names = self.details.get("by") or named
            self._compare_instead(names)
            self.details["ground"] = True
        elif (
            self.ground
            and self.subjects
            and (self.comparing or _SET_APART & set(self.ground.lower().split()))
        ):
            self.reading.unparsed.append(self.ground)
        elif self.compared and several and not self.relations:
            self._on_compare(Token("compare", ""))
            self._compare_instead(tuple(name for name, _ in self.compared))
        elif "compare" not in self.intents:
            self.reading.unparsed += [text for _, text in self.compared]
        if self.comparing and len(self.subjects) > 1 and "sample" in self.intents:
            self._compare_instead(self.details["by"])  # "how do the elevations of A compare with those of B?"
        if not self.ground or "compare" not in self.intents:
            self.reading.unparsed += self.levels

    def finish_numbers(self) -> None:
        """How often things occur beside each other: each is counted on its own."""
        if self.half and not self._alternatives():
            self.regions += self.halves
            self.stated += [("", self.halves[0]), ("or", self.halves[1])]
        counted = self._compares_numbers()
        alternatives = self._alternatives()
        if (
            (self.numerous or self.mostly)
            and len(set(self._texts())) == 1
            and not self.relations
            and len(alternatives) < 2
        ):
            alternatives = self._with_opposite()
        if counted and len(self.relations) == 1 and len(self.relations[0].objects) > 1:
            self._part_objects(self.relations[0])
        parted = len(alternatives) > 1 and len(set(self._texts())) == 1
        counted = counted or (self.mostly and parted)
        if parted and (counted or self._wants_each(alternatives)):
            self._part(alternatives)
            if not {"compare", "association", "orientation", "sample", "density"} & set(self.intents):
                self.want("count")
        elif not counted:
            return
        if counted and (len(self.subjects) > 1 or len(self.relations) > 1):
            self.separate = True
            if not {"compare", "association"} & set(self.intents):
                self.want("count")
            self.reading.notes = [note for note in self.reading.notes if note != EITHER]
        elif self.numerous and self.groups and "association" not in self.intents:
            if len(self.relations) == 1 and self.relations[0].kind in ("near", "overlap", "without"):
                self.want("association")
            elif "density" not in self.intents:
                self.reading.unparsed.append(self.numerous)

    def _compares_numbers(self) -> bool:
        if self.numerous or self.half:
            return True
        asked = bool({"share", "count"} & set(self.intents))  # "is the share larger above than below 0 m?"
        return (self.than and asked) or (self.more and (self.than or self.joint_subjects()))

    def joint_subjects(self) -> bool:
        """Whether several subjects, limits or relations are there to choose between."""
        several = len(self.subjects) > 1 or len(self._alternatives()) > 1
        return several or len(self.relations) > 1 or any(len(r.objects) > 1 for r in self.relations)

    def _texts(self) -> list[str]:
        return [item.text for item in self.subjects]

    def _wants_each(self, alternatives: list[Region]) -> bool:
        # "The same in A and in B", "how many in the north and how many in the south".
        wanted = set(self.intents)
        if self.comparing or "compare" in wanted or self.details.get("same_axis"):
            return True
        said = [joint for joint, region in self.stated if region in alternatives]
        counted = bool({"count", "share"} & wanted) and "and" in said
        return counted and (_exclude_each_other(alternatives) or self.intents.count("count") > 1)

    def _alternatives(self) -> list[Region]:
        """Limits of one kind, each but the first joined to the one before."""
        found: list[Region] = []
        for joint, region in self.stated:
            if not found or (joint and _kind(region) == _kind(found[-1]) and region not in found):
                found.append(region)
            elif len(found) < 2:
                found = [region]
        return found if len(found) > 1 else []

    def _with_opposite(self) -> list[Region]:
        """The one limit and its other side: "are gullies more common in the south?"."""
        if len(self.stated) != 1:
            return []
        region = self.stated[0][1]
        try:
            other = opposite(region, region.words)
        except Declined:
            return []
        self.regions.append(other)
        return [region, other]

    def _part(self, alternatives: list[Region]) -> None:
        """One group for each of the alternatives, with all other limits on each."""
        limits = [region for group in self.groups for region in group.regions] + self.regions
        parts = (*alternatives, *self.joined)
        common = [region for region in dict.fromkeys(limits) if region not in parts]
        items = list(dict.fromkeys(self.subjects))
        self.groups = [GroupDraft(list(items), [*common, region]) for region in alternatives]
        self.regions, self.separate = [], True
        if _kind(alternatives[0]) in ("lat", "elevation"):
            self.details["parted_by"] = {"lat": "latitude"}.get(_kind(alternatives[0]), "elevation")

    def _part_objects(self, relation: RelationDraft) -> None:
        """One relation for each of its objects: "more common near A or B"."""
        self.relations = [
            RelationDraft(relation.kind, relation.distance_km, relation.assumed, objects=[operand])
            for operand in relation.objects
        ]

    def _compare_instead(self, names: tuple[str, ...]) -> None:
        kept = [intent for intent in self.intents if intent not in ("sample", "latitude", "density")]
        self.intents = [*kept, *(() if "compare" in kept else ("compare",))]
        self.details["by"] = tuple(dict.fromkeys(names))


def known_quantities(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of quantities as the tools call them; heights and levels are elevations."""
    known = tuple(found for name in names for found in quantities_in(name.replace("_", " ")))
    return known or (("elevation",) if names and names[0].startswith(("height", "level")) else ())


def _kind(region: Region) -> str:
    given = {
        name for name, value in region if value is not None and value not in ("", ()) and name != "words"
    }
    given -= {name for name in ("both_hemispheres", "outside") if not getattr(region, name)}
    for kind in ("place", "where", "facing", "lat", "lon", "elevation", "probability"):
        if any(kind in name for name in given):
            return f"where {region.where.split(' ')[0]}" if kind == "where" else kind
    return ""


def _exclude_each_other(regions: list[Region]) -> bool:
    for low, high in (("min_lat_deg", "max_lat_deg"), ("min_elevation_m", "max_elevation_m")):
        lows = [getattr(r, low) for r in regions if getattr(r, low) is not None]
        highs = [getattr(r, high) for r in regions if getattr(r, high) is not None]
        if lows and highs and max(lows) >= min(highs):
            return True
    return len({region.place for region in regions}) > 1
