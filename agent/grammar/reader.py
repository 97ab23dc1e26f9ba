"""Tokens -> what the question asks. Read from left to right, once; conditions attach to what they follow.

    subject (and | or subject)*  (relation object (and | or object)*)*  limits*

"A near B and C" means near both, "near B or C" near either, "not near B and C" near neither. A limit that
stands directly behind a subject belongs to it; later ones hold for the whole. "that" hands a condition to
the object before it.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.grammar.drafts import GroupDraft, OperandDraft, RelationDraft, finished, mirrored, opposite
from agent.grammar.query import Declined, Group, Intent, Item, Query, Region, short_number
from agent.grammar.state import EITHER, Distances, Reading, State
from agent.grammar.tokens import Token


def read(tokens: list[Token], distances: Distances, body: str, result: Item | None) -> Reading:
    """Read a question.

    Parameters
    ----------
    body
        Name of the body that the index shows.
    result
        The result of the question before, for "near them".

    Raises
    ------
    Declined
        If a part of it cannot be meant as it stands.
    """
    reader = _Reader(distances, body, result)
    for token in tokens:
        reader.take(token)
    return reader.finish()


class _Reader(State):
    def take(self, token: Token) -> None:
        """Read one token."""
        if token.note:
            self.note(token.note)
        if token.kind not in ("word", "number"):
            self.close_unknown()
        handler: Callable[[Token], None] | None = getattr(self, f"_on_{token.kind}", None)
        if handler:
            handler(token)
        elif token.kind in _INTENTS:
            self.want(_INTENTS[token.kind])
        if token.kind not in ("note", "break", "sign", "comma"):
            self.begun = True

    def finish(self) -> Reading:
        """The whole, with what only the end can tell."""
        self.close_unknown()
        self.close_relation()
        related = self.among_km or self.measuring or "association" in self.intents
        if self.groups and related and not self.relations:
            self._relate_subjects()
        if self.together and len(self.subjects) > 1:
            merged = GroupDraft(
                self.subjects, [r for group in self.groups for r in group.regions], every=True
            )
            self.groups = [merged]
            self.reading.notes = [note for note in self.reading.notes if note != EITHER]
        if len(self.groups) == 1:
            self.regions = self.groups[0].regions + self.regions
            self.groups[0].regions = []
        if self.relations and not self.groups and self.reading.unparsed:
            self.not_known(f"“{self.reading.unparsed[0]}” is no landform that I know")
        if self.either_hemisphere:
            self.regions = [mirrored(region) for region in self.regions]
        self._check_for_twins()
        self.reading.query = Query(
            groups=tuple(
                Group(items=tuple(g.items), regions=tuple(g.regions), every=g.every) for g in self.groups
            ),
            relations=tuple(r for draft in self.relations for r in finished(draft)),
            regions=tuple(self.regions),
            separate=self._separately(),
            intents=tuple(dict.fromkeys(self.intents)),
            export_format=self.export_format,
        )
        return self.reading

    # Landforms

    def _on_item(self, token: Token) -> None:
        item: Item = token.value
        if self.pending:
            relation, self.pending = self.pending, None
            self.new_sentence = False
            if item.kind == "catalogue" and relation.weak and len(self.subjects) == 1 and not self.relations:
                self.groups[-1].items = [item]  # "craters from craters.csv"
                self.note(f"All entries of {item.text} were used")
                return
            if self.negated:
                relation = self.negative(relation)
            relation.objects.append(OperandDraft(item))
            target = self.last_object.relations if self.nested and self.last_object else self.relations
            if self.groups or not relation.weak:
                target.append(relation)
                self.last_object = relation.objects[-1]
            else:
                self.add_subject(item)
        elif self.negated and (self.groups or self.result):
            relation = self.negative(self.relations[-1] if self.relations else RelationDraft("overlap"))
            relation.objects, relation.every = [OperandDraft(item)], False
            self.relations.append(relation)
            self.last_object = relation.objects[-1]
        elif self.negated:
            raise Declined(
                "unknown_words",
                f"the question says only what to leave out ({item.plural})",
                "what to look for, and then what to leave out",
            )
        elif self.relations and not self.new_sentence:
            self.add_object(item)
        elif not (self.new_sentence and item in [*self.subjects, *self.objects]):
            self.add_subject(item)
        self.negated = self.nested = False
        self.joint = ""

    # Relations

    def _on_near_km(self, token: Token) -> None:
        self.expect(self.relation("near", token), token)

    def _on_ring_km(self, token: Token) -> None:
        self.expect(self.relation("near", token), token)

    def _on_without_km(self, token: Token) -> None:
        self.expect(self.relation("without", token), token)

    def _on_near(self, token: Token) -> None:
        if self.pending and not self.pending.weak:
            return  # "within 40 km around"
        self.expect(RelationDraft("near", self.distances.near_km, assumed=True), token)

    def _on_nearby(self, token: Token) -> None:
        if self.relations and self.relations[-1].kind == "overlap":  # "that have cones nearby"
            last = self.relations[-1]
            last.kind, last.distance_km, last.assumed = "near", self.distances.near_km, True
        elif len(self.subjects) > 1 or not self.groups:
            self.measuring = True
        else:
            self._on_near(token)

    def _on_away(self, token: Token) -> None:
        self.expect(RelationDraft("without", self.distances.near_km, assumed=True), token)

    def _on_without(self, token: Token) -> None:
        self.expect(RelationDraft("without", self.distances.touching_km, assumed=True, touching=True), token)

    def _on_same(self, token: Token) -> None:
        if not self.pending or self.pending.weak:
            self.expect(RelationDraft("overlap"), token)

    _on_in_same = _on_same

    def _on_weak(self, token: Token) -> None:
        if self.comparing:
            self.joint = "and"
        elif self.measuring and token.text.lower() in ("from", "to") and self.groups:
            self._on_near(token)
        elif not self.pending:
            self.pending = RelationDraft("overlap", weak=True, text=token.text)

    def _on_how_far(self, token: Token) -> None:
        self.measuring = True

    def _on_linked_to(self, token: Token) -> None:
        self.want("association")
        if self.groups or self.result or not self.begun:
            self.expect(RelationDraft("near", self.distances.near_km, assumed=True), token)

    _on_avoid = _on_linked_to

    def _on_than_to(self, token: Token) -> None:
        if self.relations:
            last = self.relations[-1]
            self.separate = True
            self.pending = RelationDraft(last.kind, last.distance_km, last.assumed, text=token.text)

    def _on_among_km(self, token: Token) -> None:
        distance, _ = token.value
        self.check_distance(distance)
        limits = self.groups[-1].regions if self.groups else self.regions
        if self.relations and self.relations[-1].objects:
            last = self.relations[-1]
            last.kind = "near" if last.kind == "overlap" else last.kind
            last.distance_km, last.assumed = distance, False
        elif limits and limits[-1].place and not limits[-1].within_km:
            words = f"within {short_number(distance)} km of {limits[-1].place}"
            limits[-1] = limits[-1].model_copy(update={"within_km": distance, "words": words})
        else:
            self.among_km = distance

    def _on_joint(self, token: Token) -> None:
        self.together = True

    def _relate_subjects(self) -> None:
        # "Are A and B associated?", "A and B within 30 km of each other"
        first, *others = self.subjects
        if others:
            distance = self.among_km or self.distances.near_km
            self.relations.append(RelationDraft("near", distance, not self.among_km, every=True))
            self.relations[-1].objects = [OperandDraft(item) for item in others]
            self.groups = [GroupDraft([first], [region for group in self.groups for region in group.regions])]
            self.reading.notes = [note for note in self.reading.notes if note != EITHER]

    # Limits

    def _on_region(self, token: Token) -> None:
        region: Region = token.value
        if self.negated:
            region, self.negated = opposite(region, token.text), False
        self.limit(region)

    def _on_all(self, token: Token) -> None:
        self.either_hemisphere = True

    def _on_side(self, token: Token) -> None:
        self.side = token.value

    def _on_side_it(self, token: Token) -> None:
        self.reading.side_of_it = token.value

    def _on_place(self, token: Token) -> None:
        names: tuple[str, ...] = token.value
        if len(names) > 1:
            listed = ", ".join(names[:6])
            raise Declined("unknown_place", f"{len(names)} places may be meant by “{token.text}”", listed)
        name, relation = names[0], self.pending
        self.pending = None
        if self.negated or (relation and relation.kind == "without"):
            raise Declined(
                "unsupported",
                f"leaving out the surroundings of {name} is not possible in this version",
                "inside a place, or north or south of it",
            )
        given = relation and relation.kind == "near" and not relation.assumed
        distance = relation.distance_km if relation and given else 0.0
        if not relation and self.joint:
            distance = self._distance_of_place_before()
        if self.side:
            region = Region(place=name, beyond="north" if self.side == "north" else "south")
            region = region.model_copy(update={"words": f"{self.side} of {name}"})
            self.side = ""
        elif distance:
            words = f"within {short_number(distance)} km of {name}"
            region = Region(place=name, within_km=distance, words=words)
        else:
            region = Region(place=name, words=f"in {name}")
            if relation and relation.kind == "near":
                self.note(f"“{relation.text} {name}” was read as within its own radius")
        self.limit(region)

    def _distance_of_place_before(self) -> float:
        # "within 100 km of Gale or Jezero": the distance of the place before.
        limits = self.groups[-1].regions if self.groups else self.regions
        return (limits[-1].within_km or 0.0) if limits else 0.0

    # What is wanted, and small words

    def _on_export(self, token: Token) -> None:
        self.want("export")
        formats = {"geopackage": "gpkg", "geoparquet": "parquet"}
        name = (token.value or "").lower().replace(" ", "")
        self.export_format = formats.get(name, name) or self.export_format or "gpkg"

    def _on_compare(self, token: Token) -> None:
        self.comparing = self.separate = True
        self.joint = "and"

    def _on_like(self, token: Token) -> None:
        self.reading.like = True

    def _on_like_this(self, token: Token) -> None:
        self.reading.like = self.reading.like_this = True

    def _on_only(self, token: Token) -> None:
        self.reading.only = True

    def _on_what_about(self, token: Token) -> None:
        self.reading.instead = True

    def _on_this(self, token: Token) -> None:
        if self.pending and not self.pending.weak and self.result and self.groups:
            self._on_item(Token("item", token.text, self.result))
        elif not self.groups:
            self.reading.refers = True
            self.pending = None

    def _on_both(self, token: Token) -> None:
        self.both = True

    def _on_not(self, token: Token) -> None:
        self.negated = True

    def _on_neither(self, token: Token) -> None:
        self.negated = True

    def _on_that(self, token: Token) -> None:
        self.nested = self.last_object is not None and not self.joint
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
        if token.text.lower() in ("where", "which", "how", "what", "show", "find"):
            self.reading.asks_afresh = True

    def _on_word(self, token: Token) -> None:
        self.unknown.append(token.text)

    _on_number = _on_word

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

    def _check_for_twins(self) -> None:
        subjects = {item.text for item in self.subjects}
        for item in self.objects:
            if subjects == {item.text}:
                raise Declined(
                    "unsupported",
                    f"everything is near itself: {item.plural} stand on both sides",
                    "two different landforms",
                )


_EACH = {"orientation", "latitude", "count", "share"}
_INTENTS: dict[str, Intent] = {
    "count": "count",
    "share": "share",
    "orientation": "orientation",
    "latitude": "latitude",
    "map": "map",
    "about": "about",
    "chance": "association",
    "linked": "association",
}


def _titled(body: str) -> str:
    return "the Moon" if body == "moon" else body.capitalize()
