"""What a question wants besides where: counts by classes, comparisons, tests, values, directions, maps.

One handler for each kind of token, as in `agent.grammar.reader`, which reads the rest.
"""

from __future__ import annotations

import re
from typing import Any

from agent.grammar.conditions import quantities_in
from agent.grammar.drafts import GroupDraft, OperandDraft
from agent.grammar.query import Declined, Details, Item, Region
from agent.grammar.state import EITHER, State
from agent.grammar.tokens import Token

_POINTS_DEG = {"n": 0.0, "ne": 45.0, "e": 90.0, "se": 135.0, "s": 180.0, "sw": 225.0, "w": 270.0, "nw": 315.0}
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PROJECTIONS = {"globe": "orthographic", "orthographic": "orthographic", "polar": "polar"}
_PROJECTIONS |= {
    "equirectangular": "equirectangular",
    "world": "equirectangular",
    "global": "equirectangular",
}
_PROJECTIONS |= {"regional": "regional", "local": "regional"}
_THESE = {"it", "them", "this", "these", "those", "that"}
_METRES = {"km": 1000.0, "m": 1.0}


class Measures(State):
    """The part of a reader that knows what is wanted."""

    # Counts by classes, values, features

    def _on_density(self, token: Token) -> None:
        self.want("density")
        self._by(token.value)

    _on_density_of = _on_density

    def _on_density_step(self, token: Token) -> None:
        self.want("density")
        self._by(quantities_in(token.text))
        self._on_classes(token)

    def _on_densest(self, token: Token) -> None:
        self.want("density")
        self._by(("cells",))

    def _on_classes(self, token: Token) -> None:
        unit = token.text.rsplit(" ", 1)[-1] if token.kind == "classes" else token.text
        unit = next((name for name in ("degrees", "km", "m") if re.search(rf"\b{name}\b", unit)), "")
        self.details["step"] = (token.value, unit)

    _on_classes_of = _on_classes

    def _on_sample(self, token: Token) -> None:
        self.want("sample")
        self._by(quantities_in(token.text) or ("slope",))

    def _on_merge(self, token: Token) -> None:
        self.want("merge")

    def _by(self, names: tuple[str, ...]) -> None:
        self.details["by"] = tuple(dict.fromkeys((*self.details.get("by", ()), *names)))

    def _on_quantity(self, token: Token) -> None:
        self.mentioned += quantities_in(token.text)
        if not re.match(r"elevation|altitude|slopes", token.text, re.IGNORECASE):
            self.pending = self.pending if self.pending and self.pending.weak else None
            self.note("A slope, an aspect or an albedo is a condition only with a number or a direction")

    # Comparisons

    def _on_compare(self, token: Token) -> None:
        self.comparing = self.separate = True
        self.joint = "and"

    def _on_compare_by(self, token: Token) -> None:
        self._on_compare(token)
        self.want("compare")
        self._by(_known(token.value))

    def _on_which_higher(self, token: Token) -> None:
        self._on_compare(token)
        self.want("compare")
        self._by((_compared(token.text),))

    def _on_same_by(self, token: Token) -> None:
        self.same_by, self.same_words = _known(token.value), token.text

    def _on_higher_than(self, token: Token) -> None:
        self.want("compare")
        self._by((_compared(token.text),))
        self.expects_other = True

    def _on_than_ground(self, token: Token) -> None:
        self.want("compare")
        self._by((_compared(token.text),))
        self.details["ground"] = True

    def _on_ground(self, token: Token) -> None:
        self.details["ground"] = "compare" in self.intents

    def _on_evaluate(self, token: Token) -> None:
        self.want("evaluate")

    def _on_axis_with(self, token: Token) -> None:
        self.want("orientation")
        self.details["same_axis"] = self.expects_other = True

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

    # Tests against chance

    def _on_strata(self, token: Token) -> None:
        name = token.value[0]
        self.want("association")
        if name in ("longitude", "aspect") or not _known((name,)):
            raise Declined(
                "unsupported",
                f"“{token.text}” cannot be done by the null models of this version",
                "allowing for elevation, slope or albedo",
            )
        if name == "latitude":
            self.note("The null model keeps latitudes as they are")
        else:
            self.details["null"], self.details["strata"] = "strata", name

    def _on_null(self, token: Token) -> None:
        self.want("association")
        self.details["null"] = {"cluster": "clusters"}.get(token.value[0], token.value[0])

    # Directions

    def _on_azimuth(self, token: Token) -> None:
        self.want("orientation")
        number = re.search(r"(\d+(?:\.\d+)?) degrees", token.text)
        self.details["azimuth_deg"] = float(number[1]) % 360.0 if number else _bearing(token.text)

    def _on_orientation(self, token: Token) -> None:
        self.want("orientation")
        if re.search(r"same|shar(?:e|ing)|parallel|common", token.text, re.IGNORECASE):
            self.details["same_axis"] = True
        if "wind" in token.text.lower():  # "aligned with the wind": nothing to compare with
            self.expects_other = False

    # Maps and files

    def _on_map(self, token: Token) -> None:
        self.want("map")
        words = token.text.lower().split()
        for word in words:
            self.details["projection"] = _PROJECTIONS.get(word, self.details.get("projection", ""))
        self.map_of = words[-1] == "of"
        self.reading.refers |= not self.groups and bool(_THESE & set(words))

    def _on_colour(self, token: Token) -> None:
        self.want("map")
        name = token.value[0]
        self.details["colour_by"] = "score" if name.startswith("score") else name
        if name.startswith(("probab", "confid")):
            self.details["colour_by"] = "probability"

    def _on_export(self, token: Token) -> None:
        self.want("export")
        formats = {"geopackage": "gpkg", "geoparquet": "parquet"}
        name = (token.value or "").lower().replace(" ", "")
        self.export_format = formats.get(name, name) or self.export_format or "gpkg"

    # Sizes

    def _on_size(self, token: Token) -> None:
        number = _NUMBER.search(token.text)
        operand = self.last_object if self.previous == "item" and self.relations else None
        item = operand.item if operand else next(reversed(self.subjects), None)
        wide = re.search(r"larger|bigger|wider|smaller|wide|across|diameter", token.text, re.IGNORECASE)
        if not (number and wide and item and item.kind == "catalogue"):
            self.note("Sizes are not measured in this version, so they were not used as a condition")
            return
        less = re.search(r"smaller|less than|under", token.text, re.IGNORECASE)
        unit = re.search(r"\d (km|mi|m|ft)\b", token.text)
        factor = {"m": 0.001, "ft": 0.0003048, "mi": 1.609344}.get(unit[1] if unit else "km", 1.0)
        value = round(float(number[0]) * factor, 6)
        sign, words = ("<=", "of at most") if less else (">=", "of at least")
        region = Region(where=f"diameter_km {sign} {value:g}", words=f"{words} {value:g} km in diameter")
        if operand:
            operand.regions.append(region)
        else:
            self.limit(region)

    # The end

    def finish_measures(self) -> None:
        """What only the end can tell of what is wanted."""
        intents = set(self.intents)
        if self.same_by:
            self._finish_same()
        if "merge" in intents and self.among_km:
            self.details["merge_km"], self.among_km = self.among_km, 0.0
        if "evaluate" in intents:
            self._finish_evaluation()
        if self.comparing and len(self.subjects) > 1:
            self._finish_side_by_side()
        if self.comparing and "density" in intents and len(self.subjects) > 1:
            self.intents = ["compare" if intent == "density" else intent for intent in self.intents]
        if "compare" in self.intents:
            self._finish_comparison()
        if self.few is not None:
            self.reading.unparsed.append(f"{self.few}")

    def finished_details(self) -> Details:
        """The details of a query."""
        given: dict[str, Any] = dict(self.details)
        if "step" in given:
            value, unit = given["step"]
            given["step"] = _step(value, unit, given.get("by", ("",))[0])
        return Details(**given, against=tuple(operand.finished for operand in self.others))

    def _finish_side_by_side(self) -> None:
        # "Compare" says what is compared with what; how is said by other words, if at all.
        listed = [item for item in self.subjects if item.kind == "catalogue"]
        if "orientation" in self.intents:
            self.details["same_axis"] = True
        elif len(listed) == 1 and not self.relations and not set(self.intents) & {"compare", "evaluate"}:
            self.want("evaluate")
            self._finish_evaluation()
        elif self.mentioned and not set(self.intents) & {"compare", "density", "sample"}:
            self.want("compare")
            self._by(self.mentioned)

    def _finish_same(self) -> None:
        # "At the same elevation" compares two things, or is kept by the null model of a test.
        if "association" in self.intents and self.relations:
            self._on_strata(Token("strata", self.same_words, self.same_by))
            return
        if self.reading.refers and self.result and len(self.subjects) == 1 and not self.relations:
            self.others = [OperandDraft(self.subjects[0])]  # "are they at the same elevation as L1?"
            self.groups = [GroupDraft([self.result])]
        if (len(self.subjects) > 1 or self.others) and not self.relations:
            self.want("compare")
            self._by(self.same_by)
        else:
            self.note(f"“{self.same_words}” was not used: it can be compared or tested, but is no condition")

    def _finish_evaluation(self) -> None:
        if not self.groups and not self.reading.refers:
            self.intents = [intent for intent in self.intents if intent != "evaluate"]
            return
        for group in self.groups:
            listed = [item for item in group.items if item.kind == "catalogue"]
            if listed and not self.others and len(self.subjects) > 1:
                self.others.append(OperandDraft(listed[0]))
                group.items.remove(listed[0])
        self.groups = [group for group in self.groups if group.items]
        if not self.others:
            raise Declined(
                "unsupported",
                "how good a search is can be told only against a catalogue, and the question names none",
                "the name of a catalogue file",
                "How well do craters match craters.csv?",
            )
        self.reading.notes = [note for note in self.reading.notes if note != EITHER]

    def _finish_comparison(self) -> None:
        if self.expects_other:
            raise Declined(
                "unknown_words",
                "it is not clear with what to compare",
                "two landforms, or the rest of the ground",
            )
        self.reading.notes = [note for note in self.reading.notes if note != EITHER]
        plain = [group for group in self.groups if not group.regions and not self.relations]
        for other in self.others:
            if plain and [other.item] == self.subjects and not other.relations and not other.regions:
                raise Declined(
                    "unsupported",
                    f"{other.item.plural} stand on both sides of the comparison",
                    "two different landforms",
                )
        one = len(self.subjects) <= 1 and not self.others and not self.details.get("ground")
        if one:
            self.details["ground"] = True
            self.note("Compared was with all ground observed, as the question names nothing else")


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    known = tuple(found for name in names for found in quantities_in(name.replace("_", " ")))
    return known or (("elevation",) if names and names[0].startswith(("height", "level")) else ())


def _compared(text: str) -> str:
    """The quantity that "higher", "steeper" or "brighter than" compares."""
    lower = text.lower()
    named = quantities_in(lower)
    for words, name in (
        ("steeper gentler flatter", "slope"),
        ("brighter darker", "albedo"),
        ("north south", "latitude"),
    ):
        if any(word in lower for word in words.split()) and not named:
            return name
    return named[0] if named else "elevation"


def _bearing(text: str) -> float:
    """Degrees clockwise from north of the first direction that is named."""
    joined = re.sub(r"(north|south) ?(east|west)", r"\1\2", text.lower())
    words = [re.sub(r"(?:wards?|erly|ern)$", "", word) for word in re.findall(r"[a-z]+", joined)[1:]]
    short = [re.sub(r"(n|s)?(?:orth|outh)?(e|w)?(?:ast|est)?", r"\1\2", word) for word in words]
    return next(_POINTS_DEG[word] for word in short if word in _POINTS_DEG) % 180.0


def _step(value: float, unit: str, by: str) -> float:
    """Width of the classes that are counted in, in the unit of what they are classes of."""
    if not 0 < value < 1e6:
        raise Declined("bad_value", f"{value:g} is no width of a class", "more than 0")
    return value * _METRES[unit] if by in ("elevation", "relief") and unit in _METRES else value
