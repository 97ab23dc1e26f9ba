"""What the verdicts on a layer's tiles say and what can be made of them: precision, and a better layer.

Layers of a chain share the verdicts on the search it begins with: its refinements, and what filters and
relations left of them. Refining such a layer corrects the search and then makes the rest of the chain again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.direct import Work
from agent.labels import Label
from retrieval.errors import QuestionError
from retrieval.judged import Precision, estimate, random_order
from tools.layers import Layer, LayerStore
from tools.refine import MOST_JUDGED
from tools.results import said
from tools.search import MOST_EXAMPLES

Json = Any

# Layers of these hold rows of several others, or divide them: a verdict on one is not one on the other.
_OWN_QUESTION = frozenset({"union", "classify", "search_words", "search_example"})
_BY_WORDS = ("search_words", "refine")
_LONGEST_CHAIN = 1000


def chain_of(layers: LayerStore, layer: Layer) -> list[Layer]:
    """The layer and those it was made from, the one that the verdicts are about last."""
    chain = [layer]
    while chain[-1].provenance.tool not in _OWN_QUESTION and len(chain) < _LONGEST_CHAIN:
        parents = chain[-1].provenance.parents
        parent = layers.get(parents[0]) if parents else None
        if parent is None or parent.kind != "tiles":
            break
        chain.append(parent)
    return chain


@dataclass(frozen=True)
class Judging:
    """A layer of tiles with the verdicts on them.

    Attributes
    ----------
    chain
        As `chain_of` gives it.
    labels
        Verdicts on the search of the chain, by tile, those on tiles that the layer does not hold included.
    """

    chain: tuple[Layer, ...]
    labels: dict[str, Label]

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self.chain[0]

    @property
    def search(self) -> Layer:
        """The layer that the verdicts are about."""
        return self.chain[-1]

    @property
    def accepted(self) -> int:
        """How many tiles were accepted."""
        return sum(label.accepted for label in self.labels.values())

    @property
    def rejected(self) -> int:
        """How many tiles were rejected."""
        return len(self.labels) - self.accepted

    @cached_property
    def used(self) -> dict[str, bool]:
        """Verdicts that made this layer what it is, by tile: refinements of the chain."""
        verdicts: dict[str, bool] = {}
        for layer in reversed(self.chain):
            if layer.provenance.tool == "refine":
                arguments = layer.provenance.arguments
                verdicts |= dict.fromkeys(arguments.get("accept") or (), True)
                verdicts |= dict.fromkeys(arguments.get("reject") or (), False)
        return verdicts

    @cached_property
    def _ids(self) -> list[str]:
        return [str(tile) for tile in self.layer.table["row_id"]]

    @cached_property
    def _elsewhere(self) -> set[str]:
        """Tiles whose verdicts say nothing of others: picked by a person, or the layer was fitted to them."""
        picked = {tile for tile, label in self.labels.items() if label.view != "random"}
        return picked | (self.used.keys() & self.labels.keys())

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """Positions of the rows in random order, without those judged in another way."""
        query = self.search.provenance.query or self.search.title
        order = random_order(self._ids, f"{self.search.id} {query}")
        return np.array([row for row in order if self._ids[row] not in self._elsewhere], dtype=np.int64)

    @cached_property
    def precision(self) -> Precision | None:
        """The share of the layer's tiles that show what was searched for, as far as verdicts tell."""
        if not self.labels:
            return None
        known = [self.labels[tile].accepted for tile in self._ids if tile in self._elsewhere]
        verdicts: list[bool | None] = []
        for row in self.drawn:
            label = self.labels.get(self._ids[row])
            verdicts.append(None if label is None else label.accepted)
        return estimate(known, verdicts, len(self.layer))

    @property
    def expected(self) -> int | None:
        """How many tiles a refinement should keep; None if too few were drawn at random to tell.

        Halfway between the right ones estimated and the most that there may be: tiles that are lost are not
        seen again, those too many are (benchmarks/refine_count.py).
        """
        found = self.precision
        if found is None or not found.drawn:
            return None
        return max(1, round((found.value + found.high) / 2 * len(self.layer)))

    @property
    def drawn_judged(self) -> int:
        """How many of the tiles in random order have a verdict."""
        return sum(self._ids[row] in self.labels for row in self.drawn) if self.labels else 0

    @property
    def cannot_refine(self) -> str:
        """Why verdicts cannot make a better layer; empty if they can."""
        if self.layer.kind != "tiles":
            return f"{self.layer.id} has no tiles of the index"
        tool = self.search.provenance.tool
        if tool in _BY_WORDS or tool == "search_example":
            return ""
        return {
            "union": f"{self.search.id} joins several searches: refine those that it was made from",
            "classify": f"{self.search.id} is a class beside others: search for it by words and refine that",
        }.get(tool, f"{self.search.id} does not come from a search")

    def refinement(self, carry: Callable[[str], None]) -> tuple[str, Work]:
        """The question and the calls that refine the layer by its verdicts.

        Parameters
        ----------
        carry
            Called with the id of a search that takes the place of the one that was judged: verdicts on the
            one hold for the other. Refinements of words belong to the same search, and need no such call.

        Raises
        ------
        QuestionError
            If nothing was judged, or verdicts cannot refine this layer.
        """
        if self.cannot_refine:
            raise QuestionError(
                f"this cannot be refined: {self.cannot_refine}",
                next_step="verdicts on its tiles are kept, and its precision can be estimated from them",
            )
        if not self.labels:
            raise QuestionError(
                f"no tile of {self.layer.id} was judged",
                allowed="1 verdict or more",
                next_step="accept tiles that show what was searched for, reject those that do not",
            )
        question = f"Refine {self.layer.id}: {self.accepted} accepted, {self.rejected} rejected"
        by_words = self.search.provenance.tool in _BY_WORDS
        return question, self._by_words() if by_words else self._by_example(carry)

    def _by_words(self) -> Work:
        made_again = next(i for i, layer in enumerate(self.chain) if layer.provenance.tool in _BY_WORDS)
        source, begin = self.chain[made_again], made_again
        wanted = {tile: label.accepted for tile, label in self.labels.items()}
        news = {tile: verdict for tile, verdict in wanted.items() if self.used.get(tile) is not verdict}
        if self.used.keys() - wanted.keys():  # a verdict was taken back: begin with the search again
            source, news, begin = self.search, wanted, len(self.chain) - 1
        elif not news:  # the same verdicts give the same layer
            news = wanted
        accept, reject = _newest(news, True), _newest(news, False)
        call: dict[str, Json] = {"layer": source.id, "accept": accept, "reject": reject}
        if source.provenance.tool == "refine":
            call["title"] = source.title  # once refined is refined
        keep = Judging(self.chain[begin:], self.labels).expected
        if keep is not None and keep < len(source):
            call["keep"] = keep
        step = yield "refine", call
        if step.error:
            return f"{self.layer.id} could not be refined: {step.error}"
        told = {
            name: said(step.figures[name]) for name in ("count", "accepted", "rejected", "added", "dropped")
        }
        text = (
            f"Refined {self.layer.id} by {told['accepted']} accepted and {told['rejected']} rejected tiles: "
            f"[{step.layer_ids[-1]}] holds {told['count']} tiles. {told['added']} were added to what the "
            f"words alone find, and {told['dropped']} dropped."
        )
        if "keep" in call:
            text += " It keeps as many tiles as those drawn at random let expect."
        return (yield from self._again(self.chain[:made_again], step.layer_ids[-1], text))

    def _by_example(self, carry: Callable[[str], None]) -> Work:
        arguments = dict(self.search.provenance.arguments)
        given = [str(name) for name in (arguments.get("tiles") or ())]
        counter = [str(name) for name in (arguments.get("not_like") or ())]
        accepted = [tile for tile, label in self.labels.items() if label.accepted]
        rejected = [tile for tile, label in self.labels.items() if not label.accepted]
        like = [name for name in dict.fromkeys([*given, *accepted]) if name not in rejected]
        unlike = [
            name
            for name in dict.fromkeys([*counter, *rejected])
            if name not in [*accepted, arguments["example"]]
        ]
        arguments["tiles"], arguments["not_like"] = like[-(MOST_EXAMPLES - 1) :], unlike[-MOST_EXAMPLES:]
        step = yield "search_example", {name: value for name, value in arguments.items() if value}
        if step.error:
            return f"{self.layer.id} could not be refined: {step.error}"
        carry(step.layer_ids[-1])
        text = (
            f"Searched again, with the accepted tiles of {self.layer.id} as further examples and the "
            f"rejected ones as what is not meant. {_cited(step.summary, step.layer_ids)}"
        )
        return (yield from self._again(self.chain[:-1], step.layer_ids[-1], text))

    def _again(self, derived: Sequence[Layer], new: str, text: str) -> Work:
        """Make the rest of a chain again from a new layer."""
        for layer in reversed(derived):
            made = layer.provenance
            if "layer" not in made.arguments:
                return f"{text} {made.tool} was not run again: it has no layer to take the new one for."
            step = yield made.tool, {**made.arguments, "layer": new}
            if step.error or not step.layer_ids:
                return f"{text} {made.tool} could not be run again on it: {step.error}"
            new = step.layer_ids[-1]
            text = f"{text} {_cited(step.summary, step.layer_ids)}"
        # Cited first, so that its tiles are the ones that come into sight.
        return f"[{new}] takes the place of {self.layer.id}. {text}" if derived else text


def _newest(verdicts: dict[str, bool], verdict: bool) -> list[str]:
    return [tile for tile, one in verdicts.items() if one is verdict][-MOST_JUDGED:]


def _cited(summary: str, layer_ids: Sequence[str]) -> str:
    """A tool's sentences with the layer that it made as a citation."""
    for layer_id in layer_ids:
        if summary.startswith(f"{layer_id}: "):
            return f"[{layer_id}]: {summary[len(layer_id) + 2 :]}"
    return f"{summary} [{', '.join(layer_ids)}]" if layer_ids else summary
