"""How the things of a question lie to each other: near, far, touching, nearest, downslope, not in a list.

One handler for each kind of token, as in `agent.grammar.reader`, which reads the rest.
"""

from __future__ import annotations

import re

from agent.grammar.chance.testing import Trial
from agent.grammar.drafts import GroupDraft, OperandDraft, RelationDraft
from agent.grammar.lexicon import words
from agent.grammar.query import Declined, Item, Region, short_number
from agent.grammar.state import EITHER
from agent.grammar.tokens import Token
from agent.grammar.wants.measures import Measures

_SUPERLATIVE = re.compile(r"nearest|closest|.*\b(?:smallest|shortest|least|minimum) distance", re.IGNORECASE)
MEANT_BY_NOUN = 0  # "the nearest channel" is one, "the nearest channels" are some
# Small words by which a thing has another with it.
_WITH = words("with has have having contain contains")


class Relating(Measures):
    """The part of a reader that knows relations."""

    def on_item(self, item: Item) -> None:
        """Read a thing that stands for words of the question."""
        raise NotImplementedError

    def target(self, relation: RelationDraft, item: Item) -> list[RelationDraft]:
        """What a relation is a condition on: the subject, or a thing named after it."""
        if self.others:
            return self.others[-1].relations
        if relation.chained and self.last_object and not self.nested:
            said, owner = f"{relation.text} {item.plural}", self.last_object.item.plural
            self.note(
                f"“{said}” was taken to say which {owner} are meant; “and {said}” would add a condition"
            )
            return self.last_object.relations
        return self.last_object.relations if self.nested and self.last_object else self.relations

    def takes_alternative(self, relation: RelationDraft, item: Item) -> bool:
        """Whether a relation behind an "or" only names one more object of the last: "near A or near B"."""
        last = self.relations[-1] if self.relations else None
        if not relation.alternative or last is None or not last.objects or self.nested:
            return False
        if (last.kind, last.distance_km, last.inner_km) != (
            relation.kind,
            relation.distance_km,
            relation.inner_km,
        ):
            raise Declined(
                "unsupported",
                f"“{last.text} … or {relation.text} …” cannot be asked in one question in this version",
                "one of the two conditions at a time",
            )
        last.objects.append(OperandDraft(item))
        last.every, self.last_object, self.joint, self.negated = False, last.objects[-1], "", False
        return True

    def check_for_twins(self) -> None:
        """Refuse what is related to itself."""
        subjects = {item.text for item in self.subjects}
        for item in self.objects:
            if subjects == {item.text}:
                raise Declined(
                    "unsupported",
                    f"everything is near itself: {item.plural} stand on both sides",
                    "two different landforms",
                )

    def relate_subjects(self) -> None:
        """Make the second of two subjects an object: "A and B within 30 km of each other"."""
        first, *others = reversed(self.subjects) if self.fronted else self.subjects
        if not others and self.among_words:
            self.reading.unparsed.append(self.among_words)
        if others:
            distance = self.among_km or self.distances.near_km
            self.relations.append(RelationDraft("near", distance, not self.among_km, every=True))
            self.relations[-1].objects = [OperandDraft(item) for item in others]
            self.groups = [GroupDraft([first], [region for group in self.groups for region in group.regions])]
            self.reading.notes = [note for note in self.reading.notes if note != EITHER]

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

    def _on_away(self, token: Token) -> None:
        if token.text.lower().startswith(("farther", "further", "more")):
            self.details["side"] = "farther"
        self.expect(RelationDraft("without", self.distances.near_km, assumed=True), token)

    def _on_unlisted(self, token: Token) -> None:
        # "craters that craters.csv lacks", "which craters does craters.csv not list"
        last = self.subjects[-1] if len(self.subjects) > 1 and not self.relations else None
        if last is None or last.kind not in ("catalogue", "layer"):
            self._on_absent(token)
            return
        self._take_back(1, RelationDraft("new", self.distances.touching_km, assumed=True, text=token.text))

    def _take_back(self, count: int, relation: RelationDraft) -> None:
        """Make the last subjects the objects of a relation."""
        items = self.subjects[-count:]
        for group in self.groups:
            group.items = [item for item in group.items if item not in items]
        self.groups = [group for group in self.groups if group.items]
        relation.objects = [OperandDraft(item) for item in items]
        self.relations.append(relation)
        self.latest, self.last_object = relation, relation.objects[-1]
        self.reading.notes = [note for note in self.reading.notes if note != EITHER]

    def _on_must(self, token: Token) -> None:
        # "I need cones. Channels must be within 40 km." and "There must be a channel within 40 km."
        if not self.settled:
            return
        since = len(self.subjects) - self.settled
        if since > 0:
            self._take_back(since, RelationDraft("overlap", text="with", every=since > 1))
        else:
            self.pending = RelationDraft("overlap", text="with")
        self.new_sentence = False

    def _on_free(self, token: Token) -> None:
        # "graben-free cones"
        if self.previous != "item" or not self.subjects or self.relations:
            self.reading.unparsed.append(token.text)
            return
        touching = self.distances.touching_km
        self._take_back(1, RelationDraft("without", touching, assumed=True, touching=True, text=token.text))
        self.resumed = True

    def finish_missing(self) -> None:
        """Give what is missing its place: "there should be no lava within 60 km of the cones"."""
        if not self.missing:
            return
        last = self.relations[0] if len(self.relations) == 1 else None
        if self.groups or last is None or last.kind not in ("near", "overlap"):
            listed = " and ".join(item.plural for item in self.missing)
            raise Declined(
                "unknown_words",
                f"the question says only what to leave out ({listed})",
                "what to look for, and then what to leave out",
                lacks="landform",
                about=listed,
            )
        turned = self.negative(last)
        turned.text, turned.objects = last.text, [OperandDraft(item) for item in self.missing]
        self.groups, self.relations = [GroupDraft([operand.item for operand in last.objects])], [turned]

    def _on_without(self, token: Token) -> None:
        self.expect(RelationDraft("without", self.distances.touching_km, assumed=True, touching=True), token)

    def _on_same(self, token: Token) -> None:
        if not self.pending or self.pending.weak:
            self.expect(RelationDraft("overlap"), token)

    _on_in_same = _on_same

    def expect_overlap(self, token: Token) -> None:
        """Wait for what a thing shares its tile with."""
        self._on_same(token)

    def _on_weak(self, token: Token) -> None:
        if self.few is not None and self.groups and token.text.lower() in ("from", "to"):
            self.expect(RelationDraft("nearest", count=self._how_few()), token)
        elif self.comparing:
            self.joint = "and"
        elif (
            self.measuring
            and token.text.lower() in ("from", "to")
            and not (self.groups or self.reading.refers)
        ):
            # "how far from channels are the cones", "how far is the nearest channel from each cone"
            self.fronted, self.resumed = not self.relations, bool(self.relations)
        elif self.measuring and token.text.lower() in ("from", "to") and (self.groups or self.reading.refers):
            self._on_near(token)
        elif token.text.lower() == "by" and self.previous == "item":
            near = self.distances.near_km  # "cones by channels"
            self.pending = RelationDraft("near", near, assumed=True, weak=True, text=token.text)
        elif self._repeats(token):
            pass  # "30 km from a graben or from a wrinkle ridge": the relation goes on
        elif not self.pending:
            self.pending = RelationDraft("overlap", weak=True, text=token.text)

    def _repeats(self, token: Token) -> bool:
        """Whether a small word only takes up the relation read last: "from A or from B"."""
        last = self.relations[-1] if self.relations and not self.pending else None
        if last is None or not last.objects or not self.joint:
            return False
        word = token.text.lower()
        if last.kind == "overlap":  # "in craters or in canyons"; "and in" is one more condition
            return self.joint == "or" and last.text.lower() == word
        return word in ("from", "of", "to") and last.text.lower().split()[-1:] == [word]

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

    def _on_new(self, token: Token) -> None:
        self.negated = False
        self.expect(RelationDraft("new", self.distances.touching_km, assumed=True), token)

    def _on_this_catalogue(self, token: Token) -> None:
        wanted = self.pending and (self.pending.kind == "new" or self.negated)
        if wanted or "evaluate" in self.intents:
            if not self.catalogue:
                raise Declined(
                    "no_context",
                    f"“{token.text}” names no file, and none was loaded before",
                    "the name of a catalogue file",
                    "Which craters are not in craters.csv?",
                    lacks="catalogue",
                    about=token.text,
                )
            self.on_item(self.catalogue)

    def _on_linked_to(self, token: Token) -> None:
        self.want("association")
        if self.groups or self.result or not self.begun:
            self.expect(RelationDraft("near", self.distances.near_km, assumed=True), token)

    _on_avoid = _on_linked_to

    def _on_trial(self, token: Token) -> None:
        """Each subject is tested against each candidate, and shown with each on its own."""
        trial: Trial = token.value
        self.want("association")
        self.separate = True
        if trial.farther:
            self.details["side"] = "farther"
        if trial.distance_km:
            self.check_distance(trial.distance_km)
        for item in trial.candidates:
            assumed = not trial.distance_km and trial.kind != "overlap"
            distance = trial.distance_km or (self.distances.near_km if assumed else 0.0)
            self.relations.append(RelationDraft(trial.kind, distance, assumed))
            self.relations[-1].objects = [OperandDraft(item)]
        self.reading.notes = [note for note in self.reading.notes if note != EITHER]

    def _on_than_to(self, token: Token) -> None:
        if self.relations:
            last = self.relations[-1]
            self.separate = True
            self.pending = RelationDraft(last.kind, last.distance_km, last.assumed, text=token.text)
            self.details.pop("side", None)

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

    def was_subject(self, item: Item) -> bool:
        """Whether a thing was a subject of sentences before, and something else is that of this one."""
        return self.follows_another() and item in self.subjects[: self.settled]

    def is_object_again(self, item: Item) -> bool:
        """Whether a thing only takes up the object read last: what follows says which are meant."""
        last = self.last_object
        again = last is not None and last.item == item and item not in self.subjects
        return again and not self.negated and (self.joint == "or" or self.new_sentence)

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

    def _on_absent(self, token: Token) -> None:
        # "gullies where aprons are missing", "gullies with cones nearby but aprons absent"
        last = self.latest
        if last and last.objects and self.previous in ("item", "filler"):
            turned = self.negative(last)
            last.kind, last.distance_km, last.assumed, last.touching = (
                turned.kind,
                turned.distance_km,
                turned.assumed,
                turned.touching,
            )
        elif len(self.subjects) > 1:
            touching = self.distances.touching_km
            self._take_back(
                1, RelationDraft("without", touching, assumed=True, touching=True, text=token.text)
            )
        else:
            self.not_known(f"“{token.text}” does not say what is missing where")

    def _on_joint(self, token: Token) -> None:
        self.together = True
