"""An answer with all that may be looked at to judge it: its text, its calls, its layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.evaluate.ground import ALIKE, Bools, Ground
from agent.evaluate.plans import Layer, Plan
from agent.events import Step, Turn
from tools.layers import LayerStore

_NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?")
_NONE = re.compile(
    r"\b(?:no|none|nothing|not (?:found|any)|zero|empty|neither|could not (?:find|detect)|found no)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """One answer with all that may be looked at to judge it.

    Attributes
    ----------
    turn
        The last turn of the conversation.
    plan
        What the calls of the whole conversation amount to.
    layers
        Its layers.
    """

    turn: Turn
    plan: Plan
    layers: LayerStore

    @property
    def cited(self) -> tuple[str, ...]:
        """Layers that the answer cites."""
        return self.turn.evidence.citations

    @property
    def made(self) -> tuple[str, ...]:
        """Layers that this turn made."""
        return tuple(layer_id for step in self.turn.steps for layer_id in step.layer_ids)

    def steps(self, tool: str) -> list[Step]:
        """Calls of a tool in the last turn that went well."""
        return [step for step in self.turn.steps if step.tool == tool and not step.error]

    def rows(self, ground: Ground, layer_id: str) -> Bools:
        """Tiles of a layer."""
        return ground.rows_of(self.layers.get(layer_id).table["row_id"].astype(str).tolist())

    def layer_of(self, step: Step, name: str) -> Layer:
        """What a layer that was given to a call is."""
        return self.plan.layers.get(str(step.arguments.get(name, "")), Layer("unknown"))

    def states(self, *values: float) -> bool:
        """Whether the text holds one of some numbers, as any of them may be rounded in it."""
        stated = [
            float(text.replace(",", "").replace("−", "-")) for text in _NUMBER.findall(self.turn.answer)
        ]
        close = [abs(a - v) <= max(0.005 * abs(v), 0.02) for a in stated for v in values]
        return any(close) or (0 in values and bool(_NONE.search(self.turn.answer)))


def same_search(ground: Ground, layers: LayerStore) -> Callable[[str, Layer], bool]:
    """Whether a search was for a landform: by its words, or by what it found."""

    def same(key: str, found: Layer) -> bool:
        if ground.key_of(found.sought) == key:
            return True
        if not found.layer_id or found.layer_id not in layers.ids():
            return False
        rows = ground.rows_of(layers.get(found.layer_id).table["row_id"].astype(str).tolist())
        wanted = ground.hits(key)
        return bool((rows & wanted).sum() >= ALIKE * max(1, (rows | wanted).sum()))

    return same
