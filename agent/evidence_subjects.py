"""Which layers a sentence speaks of, by its citations and its nouns, and which steps and tests those are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from agent.events import Step
from agent.evidence_facts import ancestors, layers_of, parents_of

Layers = frozenset[str]

# Words that say which kind of test a p value comes from.
_KINDS = {
    "orientation": re.compile(
        r"Rayleigh|\bV test|(?<!spin )\bax[ei]s\b|azimuth|direction|align|orient", re.I
    ),
    "density": re.compile(r"\bclass(?:es)?\b|densit|per million", re.I),
    "associate": re.compile(r"associat|enrich|nearer|\bnear\b|\bwithin \d|neighbou?r|cluster", re.I),
    "compare": re.compile(r"median|\bhigher\b|\blower\b|differ|steeper|elevation|latitude", re.I),
}
# A null model named as such; the uniform one stands beside another, for comparison.
_NULLS = re.compile(
    r"\bnull(?: models?)? [“\"]?(spin|rotation|clusters|strata)\b"
    r"|\b(spin|rotation|clusters|strata)[”\"]? null\b"
)
_WITHIN = re.compile(r"\bwithin (?:a distance of )?(\d[\d,]*(?:\.\d+)?) (?:km|kilomet)")


class Subjects:
    """What the layers of a conversation hold, and what was made of what.

    Attributes
    ----------
    titles
        What was searched for, by the id of the layer.
    above
        For each layer those it was made from.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.titles = titles_of(steps)
        self.above = ancestors(steps)
        self._tests = {step.step_id: step for step in steps if step.tool in _KINDS and not step.layer_ids}

    def named(self, text: str) -> Layers:
        """Searches whose words a text has; of two like “dunes” and “sand dunes” the longer one."""
        found = {layer: words_of(title) for layer, title in self.titles.items() if mentions(text, [title])}
        return frozenset(
            layer for layer, own in found.items() if not any(own < other for other in found.values())
        )

    def lineage(self, layers: Iterable[str]) -> Layers:
        """Layers, and all that they were made from."""
        own = frozenset(layers)
        return own.union(*(self.above.get(layer, frozenset()) for layer in own))

    def related(self, steps: Sequence[Step], cited: Layers, named: Layers = frozenset()) -> list[Step]:
        """The steps about the layers cited, those about most of them first; all, where none is cited.

        Of a step about two layers, of which others are named, nothing is said.
        """
        found = [step for step in steps if self._is_about(step, named)]
        if not cited:
            return found
        wide = self.lineage(cited)
        shared = {id(step): len(layers_of(step) & cited) for step in found}
        best = max(shared.values(), default=0)
        if best:
            return [step for step in found if shared[id(step)] == best]
        return [step for step in found if layers_of(step) & wide]

    def _is_about(self, step: Step, named: Layers) -> bool:
        """Whether what is named is what a step worked on, or all that it worked on is named."""
        sides = [self.lineage([layer]) for layer in parents_of(step)] or [frozenset(step.layer_ids)]
        whole = frozenset().union(*sides)
        # The same words may have been searched for twice: what is named is then either layer.
        words = {self.titles.get(layer) for layer in whole}
        known = all(self.titles[layer] in words for layer in named)
        return known or (len(sides) > 1 and all(side & named for side in sides))

    def may_be_of(self, step_id: str, words: str, cited: Layers | None) -> bool:
        """Whether a sentence may give a figure of a test: its pair of layers, null model and distance."""
        step = self._tests.get(step_id)
        if step is None:
            return True
        given = parents_of(step)
        subjects = (cited or frozenset()) | self.named(words)
        if len(given) > 1 and len(subjects) > 1 and not all(self.lineage([one]) & subjects for one in given):
            return False
        if step.tool != "associate":
            return True
        nulls = {name for found in _NULLS.findall(words) for name in found if name}
        if nulls and str(step.arguments.get("null") or "spin") not in nulls:
            return False
        reach = {_number(found) for found in _WITHIN.findall(words)}
        distance = step.figures.get("distance_km", step.arguments.get("distance_km"))
        return not reach or distance is None or float(distance) in reach

    def may_be_p_of(self, tool: str, words: str) -> bool:
        """Whether a p value in a sentence may be that of a kind of test."""
        kinds = {kind for kind, pattern in _KINDS.items() if pattern.search(words)}
        return not kinds or tool not in _KINDS or tool in kinds


def titles_of(steps: Sequence[Step]) -> Mapping[str, str]:
    """What was searched for, by the id of the layer."""
    searches = [step for step in steps if step.tool == "search_words"]
    return {layer: str(step.arguments.get("text", "")) for step in searches for layer in step.layer_ids}


def mentions(text: str, names: Sequence[str]) -> bool:
    """Whether a text has one of some names, or all words of one."""
    words = words_of(text)
    return any(name in text or (words_of(name) and words_of(name) <= words) for name in names)


def words_of(text: str) -> set[str]:
    """Words in small letters, in the singular."""
    return {_singular(word.lower()) for word in re.findall(r"[^\W\d_]+", text)}


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _number(text: str) -> float:
    return float(text.replace(",", ""))
