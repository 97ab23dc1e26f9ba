"""Distances between the things of a question, and what lies nearest or downslope.

One handler for each kind of token, as in `agent.grammar.reader`.
"""

from __future__ import annotations

import re

from agent.grammar.drafts import GroupDraft, OperandDraft, RelationDraft
from agent.grammar.lexicon import words
from agent.grammar.query import Declined, Region, short_number
from agent.grammar.state import EITHER
from agent.grammar.tokens import Token
from agent.grammar.wants.measures import Measures

_SUPERLATIVE = re.compile(r"nearest|closest|.*\b(?:smallest|shortest|least|minimum) distance", re.IGNORECASE)
MEANT_BY_NOUN = 0  # "the nearest channel" is one, "the nearest channels" are some
# Small words by which a thing has another with it.
_WITH = words("with has have having contain contains")


class Distancing(Measures):
    """The part of a reader that knows distances."""

    def _on_near_km(self, token: Token) -> None:
        self.expect(self.relation("near", token), token)

    def _on_ring_km(self, token: Token) -> None:
        self.expect(self.relation("near", token), token)

    def _on_without_km(self, token: Token) -> None:
        self.expect(self.relation("without", token), token)

    def _on_near(self, token: Token) -> None:
        if self.pending and self.pending.kind == "without" and self.pending.touching:
            self.pending = RelationDraft("without", self.distances.near_km, assumed=True, text=token.text)
            return  # "except those near lava"
        if self.pending and not self.pending.weak:
            return  # "within 40 km around"
        superlative = _SUPERLATIVE.match(token.text) is not None
        if superlative and self.few is not None and not (self.groups or self.reading.refers):
            return  # "the five nearest channels to L1"
        alone = not (self.groups or self.reading.refers or self.measuring)
        if superlative and alone and " " not in token.text:
            self.few = MEANT_BY_NOUN  # "the nearest channel to a delta"
            return
        if superlative and (self.few is not None or self.measuring or (self.singular and self.groups)):
            self.expect(RelationDraft("nearest", count=self._how_few()), token)
            return
        self.expect(RelationDraft("near", self.distances.near_km, assumed=True), token)

    def _how_few(self) -> int | None:
        """How many of the nearest are wanted: a number, one of a singular noun, or all by distance."""
        few, self.few = self.few, None
        if few:
            return few
        return 1 if self.singular and not self.measuring else None

    def measure_distances(self) -> None:
        """How far things lie is told of all of them, not of those that are near."""
        for relation in self.relations:
            if relation.kind == "near" and relation.assumed:
                relation.kind, relation.distance_km, relation.assumed = "nearest", 0.0, False

    def _on_nearby(self, token: Token) -> None:
        last = self.latest
        if last and last.objects and (last.kind == "overlap" or (last.kind == "without" and last.touching)):
            last.kind = "near" if last.kind == "overlap" else last.kind  # "that have cones nearby"
            last.distance_km, last.assumed, last.touching = self.distances.near_km, True, False
        elif len(self.subjects) > 1 or not self.groups:
            self.measuring = True
        else:
            self._on_near(token)

    def _on_how_far(self, token: Token) -> None:
        self.measuring = True
        self.want("distance")

    def _on_few(self, token: Token) -> None:
        self.few = int(token.value)

    def _on_downslope_km(self, token: Token) -> None:
        self.expect(self.relation("downslope", token), token)

    def _on_downslope(self, token: Token) -> None:
        self.expect(RelationDraft("downslope", self.distances.near_km, assumed=True), token)
        if not re.search(r"slope|hill", token.text, re.IGNORECASE):
            self.note(f"“{token.text}” was read as downslope")

    def _on_upslope(self, token: Token) -> None:
        raise Declined(
            "unsupported",
            f"“{token.text}” cannot be asked in this version",
            "it the other way round: what lies downslope of something",
        )

    def _on_among_km(self, token: Token) -> None:
        distance, _ = token.value
        self.check_distance(distance)
        if "merge" in self.intents:
            self.among_km = distance
            return
        limits = (self.groups[-1].regions if self.groups else []) or self.regions
        if self._speaks_of_before(token):
            relation = RelationDraft("near", distance, text=token.text)
            self.demote(relation)
        elif self._is_behind_object():
            self._part_from_told()
            for relation in self._waiting_for_distance():
                relation.kind = "near" if relation.kind == "overlap" else relation.kind
                relation.distance_km, relation.assumed, relation.touching = distance, False, False
                relation.told = len(relation.objects)
        elif limits and (limits[-1].place or limits[-1].centre) and self._lacks_radius(limits[-1]):
            last = limits[-1]
            name = last.place or last.words.partition(" km of ")[2]
            words = f"within {short_number(distance)} km of {name}"
            self.reading.notes = [note for note in self.reading.notes if not note.startswith(f"{name} was")]
            if last.beyond:  # "south of Gale within 500 km"
                limits.append(Region(place=last.place, within_km=distance, words=words))
            else:
                limits[-1] = last.model_copy(update={"within_km": distance, "words": words})
        else:
            self.among_km, self.among_words = distance, token.text

    def _lacks_radius(self, limit: Region) -> bool:
        """Whether the radius around a place or position is not given yet."""
        assumed = limit.centre is not None and limit.within_km == self.distances.near_km
        return not limit.within_km or assumed

    def _on_beyond_km(self, token: Token) -> None:
        # "with a graben more than 60 km away"
        distance, _ = token.value
        self.check_distance(distance)
        if not self._is_behind_object():
            raise Declined(
                "unsupported",
                f"“{token.text}” cannot be used as a condition in this version",
                "farther than a distance from another landform or a place",
                lacks="second",
                about=token.text,
            )
        for relation in self._waiting_for_distance():
            turned = {"overlap": "without", "near": "without"}
            relation.kind = turned.get(relation.kind, relation.kind)  # type: ignore[assignment]
            relation.distance_km, relation.assumed, relation.touching = distance, False, False

    def _speaks_of_before(self, token: Token) -> bool:
        """Whether "within 60 km of them" means what a sentence before named."""
        again = token.text.lower().split()[-1] in ("them", "those", "these", "it")
        return again and self.follows_another()

    def follows_another(self) -> bool:
        """Whether a subject of this sentence follows those of sentences before, without a relation yet."""
        fresh = len(self.relations) == self.settled_relations
        return fresh and 0 < self.settled < len(self.subjects)

    def demote(self, relation: RelationDraft) -> None:
        """Make the subjects of sentences before, with what was said of them, the object of a relation."""
        items = self.subjects
        self.groups = [GroupDraft(items[self.settled :], list(self.groups[-1].regions))]
        told, self.relations = self.relations, [relation]
        relation.objects = [OperandDraft(item, list(told)) for item in items[: self.settled]]
        self.latest, self.last_object, self.settled = relation, relation.objects[-1], 0
        self.negated = self.nested = self.new_sentence = False
        self.joint = ""
        self.reading.notes = [note for note in self.reading.notes if note != EITHER]

    def _part_from_told(self) -> None:
        # "A within 30 km and B within 60 km": B becomes a relation of its own.
        last = self.latest
        if last and last.told and len(last.objects) > last.told and last in self.relations:
            part = RelationDraft(last.kind, last.distance_km, text=last.text)
            part.objects, last.objects = last.objects[last.told :], last.objects[: last.told]
            self.relations.append(part)
            self.latest = part

    def _is_behind_object(self) -> bool:
        return self.latest is not None and bool(self.latest.objects) and self.relations != []

    def _waiting_for_distance(self) -> list[RelationDraft]:
        """Relations that a distance behind their objects belongs to: the last, and like ones before it."""
        last = self.latest
        assert last is not None
        found = [last]
        for relation in reversed(self.relations[:-1] if self.relations[-1] is last else []):
            like = relation.kind == last.kind or (
                last.kind == "without" and relation.text.lower().rpartition(" ")[2] in _WITH
            )
            if not like or not (relation.assumed or relation.kind == "overlap"):
                break  # "with channels but no lava flows within 50 km" says it of both
            found.append(relation)
        return found
