"""How the things of a question lie to each other: near, far, touching, nearest, downslope, not in a list.

One handler for each kind of token, as in `agent.grammar.reader`, which reads the rest.
"""

from __future__ import annotations

from agent.grammar.chance.testing import Trial
from agent.grammar.drafts import GroupDraft, OperandDraft, RelationDraft
from agent.grammar.query import Declined, Item
from agent.grammar.relations.distancing import Distancing
from agent.grammar.state import EITHER
from agent.grammar.tokens import Token


class Relating(Distancing):
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

    def was_subject(self, item: Item) -> bool:
        """Whether a thing was a subject of sentences before, and something else is that of this one."""
        return self.follows_another() and item in self.subjects[: self.settled]

    def is_object_again(self, item: Item) -> bool:
        """Whether a thing only takes up the object read last: what follows says which are meant."""
        last = self.last_object
        again = last is not None and last.item == item and item not in self.subjects
        return again and not self.negated and (self.joint == "or" or self.new_sentence)

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
