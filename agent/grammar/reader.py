"""Tokens -> what the question asks. Read from left to right, once; conditions attach to what they follow.

    subject (and | or subject)*  (relation object (and | or object)*)*  limits*

"A near B and C" means near both, "near B or C" near either, "not near B and C" near neither. A limit that
stands directly behind a subject belongs to it; later ones hold for the whole. "that" hands a condition to
the object before it.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.grammar.drafts import GroupDraft, OperandDraft, RelationDraft, finished
from agent.grammar.lexicon import words
from agent.grammar.limits.bounds import combined, mirrored
from agent.grammar.limits.placing import Placing
from agent.grammar.query import Declined, Group, Intent, Item, Query
from agent.grammar.state import EITHER, Distances, Reading
from agent.grammar.tokens import Token


def read(
    tokens: list[Token], distances: Distances, body: str, result: Item | None, catalogue: Item | None = None
) -> Reading:
    """Read a question.

    Parameters
    ----------
    body
        Name of the body that the index shows.
    result
        The result of the question before, for "near them".
    catalogue
        The catalogue that was loaded last, for "new to the catalogue".

    Raises
    ------
    Declined
        If a part of it cannot be meant as it stands.
    """
    reader = _Reader(distances, body, result, catalogue)
    for token in tokens:
        reader.take(token)
    return reader.finish()


class _Reader(Placing):
    def take(self, token: Token) -> None:
        """Read one token."""
        if token.note:
            self.note(token.note)
        if token.kind not in ("word", "number"):
            self.close_unknown()
        if self.part and token.kind not in ("place", "filler", "note", "part"):
            self.flush_part()
        handler: Callable[[Token], None] | None = getattr(self, f"_on_{token.kind}", None)
        if handler:
            handler(token)
        elif token.kind in _INTENTS:
            self.want(_INTENTS[token.kind])
        if token.kind not in ("note", "break", "sign", "comma"):
            self.begun = True
        if token.kind != "note":
            self.previous = token.kind
            self.between = token.kind == "filler" and token.text.lower() == "between"

    def finish(self) -> Reading:
        """The whole, with what only the end can tell."""
        self.close_unknown()
        self.close_relation()
        self.finish_missing()
        self.flush_part()
        self.finish_measures()
        related = self.among_km or self.measuring or "association" in self.intents
        if self.groups and related and not self.relations:
            self.relate_subjects()
        if "distance" in self.intents:
            self.measure_distances()
        self.reading.loose_km = 0.0 if self.relations else self.among_km
        if self.together and len(self.subjects) > 1:
            merged = GroupDraft(
                self.subjects, [r for group in self.groups for r in group.regions], every=True
            )
            self.groups = [merged]
            self.reading.notes = [note for note in self.reading.notes if note != EITHER]
        if len(self.groups) == 1 and not self.others:
            self.regions = self.groups[0].regions + self.regions
            self.groups[0].regions = []
        if self.relations and not self.groups and self.reading.unparsed:
            self.not_known(f"“{self.reading.unparsed[0]}” is no landform that I know")
        if self.either_hemisphere:
            self.regions = [mirrored(region) for region in self.regions]
        self.regions = combined(self.regions)
        for group in self.groups:
            group.regions = combined(group.regions)
        self.check_for_twins()
        self.reading.query = Query(
            groups=tuple(
                Group(items=tuple(g.items), regions=tuple(g.regions), every=g.every) for g in self.groups
            ),
            relations=tuple(r for draft in self.relations for r in finished(draft)),
            regions=tuple(self.regions),
            separate=self._separately(),
            intents=tuple(dict.fromkeys(self.intents)),
            export_format=self.export_format,
            details=self.finished_details(),
        )
        return self.reading

    # Landforms

    def _on_item(self, token: Token) -> None:
        self.on_item(token.value)
        last = token.text.lower().rpartition(" ")[2]
        self.singular = token.value.kind == "words" and not last.endswith(("s", "ae")) and last not in _MASSES

    def on_item(self, item: Item) -> None:
        """Read a thing: a subject, or the object of what was read before."""
        if self.is_other(item):
            return
        if self.pending:
            relation, self.pending = self.pending, None
            if self.was_subject(item) and relation.kind == "near" and not self.negated:
                self.demote(relation)  # "A near B. Which C are within 20 km of those A?"
                return
            self.new_sentence = False
            listed = item.kind == "catalogue" or item == self.catalogue
            if listed and relation.weak and self.negated:  # "not in craters.csv"
                self.negated = False
                relation = RelationDraft("new", self.distances.touching_km, assumed=True, text=relation.text)
            elif (
                item.kind == "catalogue"
                and relation.weak
                and relation.text.lower() not in ("on", "onto", "over", "across", "within")
                and len(self.subjects) == 1
                and not self.relations
            ):
                self.groups[-1].items = [item]  # "craters from craters.csv"
                self.note(f"All entries of {item.text} were used")
                return
            if self.negated:
                relation = self.negative(relation)
            if relation.kind == "new" and not listed and item.kind != "layer":  # "absent in craters"
                relation = self.negative(RelationDraft("overlap"))
            if self.takes_alternative(relation, item):
                return
            relation.objects.append(OperandDraft(item))
            target = self.target(relation, item)
            within = self.reading.refers and self.result and relation.text.lower() in _WITHIN
            loose = relation.weak or self._is_on_spots(relation) or self._is_of_place(relation)
            if self.groups or within or not loose:
                target.append(relation)
                self.latest = relation
                self.last_object = relation.objects[-1]
            else:
                self.add_subject(item)
        elif self.relations and self.is_object_again(item):
            self.joint, self.nested = "", True  # "near channels, these channels being near chaos"
            return
        elif self.negated and (self.groups or self.result):
            relation = self.negative(self.relations[-1] if self.relations else RelationDraft("overlap"))
            relation.objects, relation.every = [OperandDraft(item)], False
            self.relations.append(relation)
            self.latest = relation
            self.last_object = relation.objects[-1]
        elif self.negated:
            self.missing.append(item)
        elif self.previous == "like" and item.kind == "example" and self.groups and not self.joint:
            self.latest = RelationDraft("overlap", text="like", objects=[OperandDraft(item)])
            self.relations.append(self.latest)  # "dunes like those in this tile"
        elif self.relations and not self.new_sentence and not self._begins_subject():
            self.add_object(item)
        elif not (self.new_sentence and item in [*self.subjects, *self.objects]):
            self.add_subject(item)
        self.negated = self.nested = False
        self.joint = ""

    def _is_on_spots(self, relation: RelationDraft) -> bool:
        # "places having both polygons and craters": nothing but where these are
        return self.spots and relation.kind == "overlap" and not self.reading.refers

    def _is_of_place(self, relation: RelationDraft) -> bool:
        # "Does Gale contain dunes?"
        placed = bool(self.regions) and self.regions[-1].place is not None
        contained = relation.text.lower().startswith(("contain", "hav", "bear", "that ha", "which ha"))
        return placed and contained and relation.kind == "overlap" and not self.reading.refers

    def _begins_subject(self) -> bool:
        # "Within 40 km of lava flows, are there any cones?"
        return not self.groups and self.resumed

    # Small words

    def _on_like(self, token: Token) -> None:
        self.reading.like = True

    def _on_like_this(self, token: Token) -> None:
        self.reading.like = self.reading.like_this = True

    def _on_only(self, token: Token) -> None:
        self.reading.only = True

    def _on_what_about(self, token: Token) -> None:
        self.reading.instead = True

    def _on_this(self, token: Token) -> None:
        if self.is_other_of_before():
            return
        pending = self.pending if self.pending and not self.pending.weak else None
        if pending and pending.kind == "near" and pending.assumed and self._is_behind_object():
            self.pending = None
            self._on_nearby(token)  # "channels that have cones near them"
        elif pending and self.follows_another():
            self.pending = None
            self.demote(pending)  # "I map dunes. Which craters are near them?"
        elif pending and self.result and self.groups:
            self.on_item(self.result)
        elif not self.groups:
            self.reading.refers = True
            self.pending = None

    def _on_both(self, token: Token) -> None:
        self.both = True

    def _on_not(self, token: Token) -> None:
        self.negated = True

    def _on_neither(self, token: Token) -> None:
        self.negated = True

    def _on_nor(self, token: Token) -> None:
        last = self.relations[-1] if self.relations else None
        if last and last.kind == "without" and last.objects and not self.pending:
            self.joint, self.nested = "or", False  # "near neither A nor B"
        else:
            self.negated = True

    def _on_that(self, token: Token) -> None:
        waiting = self.pending is not None and not self.pending.weak
        self.nested = self.last_object is not None and not self.joint and not waiting
        self.resumed |= bool(self.relations) and not self.groups and token.text.lower() in ("which", "where")
        if not self.groups:
            self.reading.asks_afresh = True

    def _on_and(self, token: Token) -> None:
        if not self.begun:
            self.reading.opens_with_and = True
        self.joint, self.nested = "and", False

    def _on_or(self, token: Token) -> None:
        self.joint, self.nested = "or", False

    def _on_comma(self, token: Token) -> None:
        self.joint, self.nested = self.joint or "or", False

    def _on_break(self, token: Token) -> None:
        self.close_relation()
        self.settled, self.settled_relations = len(self.subjects), len(self.relations)
        self.new_sentence, self.nested, self.negated, self.joint = True, False, False, ""

    def _on_body(self, token: Token) -> None:
        if token.value != self.body:
            raise Declined(
                "other_body",
                f"this index shows {_titled(self.body)}, not {_titled(token.value)}",
                f"questions about {_titled(self.body)}, or an index of {_titled(token.value)}",
            )
        self.pending = self.pending if self.pending and not self.pending.weak else None

    def _on_filler(self, token: Token) -> None:
        word = token.text.lower()
        if word in _ASKING:
            self.reading.asks_afresh = True
        self.spots |= word.rstrip("s") in ("place", "tile", "area", "site", "spot", "location", "region")
        self.resumed |= bool(self.relations) and not self.groups and word in _BEGINNINGS

    def _on_word(self, token: Token) -> None:
        self.unknown.append(token.text)

    def _on_number(self, token: Token) -> None:
        latest = self.latest
        if token.value and latest and latest.objects and (latest.assumed or latest.kind == "overlap"):
            self._on_among_km(token)  # "near channels (40 km)"
            return
        limits = self.groups[-1].regions if self.groups else self.regions
        if token.value and limits and limits[-1].place and not limits[-1].within_km and not latest:
            self._on_among_km(token)  # "in the neighbourhood of Gale, 300 km"
            return
        if "orientation" in self.intents and token.text.endswith("degrees") and token.text[0].isdigit():
            self.details.setdefault("azimuth_deg", float(token.text.split()[0]) % 360.0)
        else:
            self._on_word(token)

    def _on_unusable(self, token: Token) -> None:
        if self.pending and not self.pending.weak:  # "outside the mapped unit"
            self.pending = None

    def _separately(self) -> bool:
        # "Do dunes and yardangs point the same way?" wants each on its own.
        each = (
            bool(_EACH & set(self.intents)) and not self.relations and not any(g.every for g in self.groups)
        )
        if each and len(self.subjects) > 1:
            self.reading.notes = [note for note in self.reading.notes if note != EITHER]
        return (self.separate or each) and (len(self.relations) > 1 or len(self.subjects) > 1)


_MASSES = ("terrain", "fill", "graben", "ground", "lava", "ice", "layering", "bedding", "volcanoes")
_WITHIN = ("in", "on", "within", "with", "has", "have")  # "which of those are in craters?"
_ASKING = words(
    "locate pinpoint where which how what show find whereabouts coordinates coordinate position location "
    "lat lon"
)
# With these a question begins whose condition was put first.
_BEGINNINGS = words("are is there do does can which what where how show find list give tell any i we")
_EACH = {"orientation", "latitude", "count", "share", "density", "sample"}
_INTENTS: dict[str, Intent] = {
    "count": "count",
    "share": "share",
    "latitude": "latitude",
    "about": "about",
    "chance": "association",
    "linked": "association",
}


def _titled(body: str) -> str:
    return "the Moon" if body == "moon" else body.capitalize()
