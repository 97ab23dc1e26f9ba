"""What is counted or looked up: numbers, areas, densities by classes of a quantity, values at each thing.

A density may be asked for by its noun, by a superlative ("densest", "the most ... per area") or by classes.
By which quantity stands elsewhere in the question ("at which latitudes", "in what elevation range"), so that
both are put together at the end.
"""

from __future__ import annotations

import re

from agent.grammar.limits.conditions import quantities_in
from agent.grammar.query import Declined
from agent.grammar.tokens import Token
from agent.grammar.wants.amounts import HOW_VALUES
from agent.grammar.wants.comparing import Comparing

_HIGH_OR_LOW = re.compile(r"(?:by |with |at )?(?:low|high|gentle|steep|moderate|sun)\b", re.IGNORECASE)
_METRES = {"km": 1000.0, "m": 1.0}


class Counting(Comparing):
    """The part of a reader that knows amounts."""

    def _on_whereabouts(self, token: Token) -> None:
        self.reading.asks_afresh = True

    def _on_share(self, token: Token) -> None:
        self.want("share")
        if "km2" in token.text.lower() or not self.groups:
            self.pending = self.pending if self.pending and not self.pending.weak else None

    def _on_covering(self, token: Token) -> None:
        if not ({"share", "count"} & set(self.intents) or self.numerous or self.more):
            self.expect_overlap(token)

    def expect_overlap(self, token: Token) -> None:
        """Wait for what a thing shares its tile with."""
        raise NotImplementedError

    def _on_density(self, token: Token) -> None:
        self.want("density")
        self.by(token.value)

    _on_density_of = _on_density

    def _on_density_step(self, token: Token) -> None:
        self.want("density")
        self.by(quantities_in(token.text))
        self._on_classes(token)

    def _on_densest(self, token: Token) -> None:
        self.densest = token.text

    def _on_per_area(self, token: Token) -> None:
        self.per_area = True

    def _on_density_noun(self, token: Token) -> None:
        self.density_noun = True

    def _on_greatest(self, token: Token) -> None:
        self.greatest = token.text

    def _on_most(self, token: Token) -> None:
        self.densest = self.densest or token.text

    def _on_gradient(self, token: Token) -> None:
        self.densest = token.text
        self.mentioned += ("latitude",)

    def _on_pole_to_pole(self, token: Token) -> None:
        self.mentioned += ("latitude",)
        if not self.density_noun and not {"count", "share", "density"} & set(self.intents):
            self.reading.unparsed.append(token.text)

    def _on_at_some(self, token: Token) -> None:
        self.densest = token.text
        self.mentioned += quantities_in(token.text)

    def _on_classes(self, token: Token) -> None:
        unit = token.text.rsplit(" ", 1)[-1] if token.kind == "classes" else token.text
        unit = next((name for name in ("degrees", "km", "m") if re.search(rf"\b{name}\b", unit)), "")
        self.details["step"] = (token.value, unit)
        if named := quantities_in(token.text):  # "in 10 degree latitude bands"
            self.want("density")
            self.by(named)

    _on_classes_of = _on_classes

    def _on_sample(self, token: Token) -> None:
        self.want("sample")
        self.by(quantities_in(token.text) or _asked_by_how(token.text))

    def _on_height(self, token: Token) -> None:
        self.mentioned += ("elevation",)

    def _on_quantity(self, token: Token) -> None:
        named = quantities_in(token.text)
        self.mentioned += named
        alone = self.previous == "comma" or not self.joint
        if alone and not self.pending and not _HIGH_OR_LOW.match(token.text):
            self.named_values += named
        if not re.match(r"elevation|altitude|slopes", token.text, re.IGNORECASE):
            self.pending = self.pending if self.pending and self.pending.weak else None
            self.note("A slope, an aspect or an albedo is a condition only with a number or a direction")

    # The end

    def finish_density(self) -> None:
        """By which quantity things are counted per area, if they are."""
        asked = self._asked_quantities()
        superlative = bool(self.densest) or self.per_area or bool(self.greatest and self.density_noun)
        if self.greatest and not (self.density_noun or self.per_area):
            self.note("Sizes are not measured in this version, so they were not used as a condition")
        if "density" in self.intents:
            self.intents = [intent for intent in self.intents if intent not in ("share", "sample")]
            return
        if not (superlative or (self.density_noun and asked)):
            if self.density_noun:
                self.want("share")
            return
        if asked:
            dropped = ("latitude", "sample", "share", "count")
            self.intents = [intent for intent in self.intents if intent not in dropped]
            self.want("density")
            self.details["by"] = asked
        elif self.joint_subjects():  # "which is most common, A or B?"
            self.numerous = self.numerous or self.densest
        elif _says_where(self.densest):
            self.want("density")
            self.by(("cells",))
        elif self.per_area or self.density_noun:
            self.want("share")

    def finish_samples(self) -> None:
        """ "Landslides, elevation?" asks for it, if nothing else is done with it."""
        if self.named_values and self.groups and not self.intents and not self.same_by:
            self.want("sample")
            self.by(self.named_values)

    def _asked_quantities(self) -> tuple[str, ...]:
        """Quantities in whose classes something may be counted: asked for, or named."""
        asked = ("latitude",) if "latitude" in self.intents else ()
        asked += self.details.get("by", ()) if "sample" in self.intents else ()
        return tuple(dict.fromkeys((*asked, *self.mentioned)))


def _says_where(densest: str) -> bool:
    # "most gullies" may be any; "the most gullies", "densest" and "hot spots" ask for where there are many.
    lower = densest.lower()
    return bool(lower) and (lower.endswith("the most") or not lower.endswith("most"))


def _asked_by_how(text: str) -> tuple[str, ...]:
    # "how high do", "how steep is the ground", "at what height"
    said = frozenset(text.lower().split())
    named = tuple(name for name, ways in HOW_VALUES.items() if said & ways)
    return named or ("elevation",)


def step_of(value: float, unit: str, by: str) -> float:
    """Width of the classes that are counted in, in the unit of what they are classes of."""
    if not 0 < value < 1e6:
        raise Declined("bad_value", f"{value:g} is no width of a class", "more than 0")
    return value * _METRES[unit] if by in ("elevation", "relief") and unit in _METRES else value
