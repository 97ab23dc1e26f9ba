"""What a question wants besides where: counts by classes, comparisons, tests, values, directions, maps.

One handler for each kind of token, as in `agent.grammar.reader`, which reads the rest.
"""

from __future__ import annotations

import re
from typing import Any

from agent.grammar.drafts import GroupDraft, OperandDraft
from agent.grammar.query import Declined, Details, Region
from agent.grammar.state import EITHER
from agent.grammar.tokens import Token
from agent.grammar.wants.comparing import known_quantities
from agent.grammar.wants.counting import Counting, step_of

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


class Measures(Counting):
    """The part of a reader that knows what is wanted."""

    def _on_latitude(self, token: Token) -> None:
        self.want("latitude")
        extreme = re.match(r".*\w(?:est|most|imum)\b", token.text, re.IGNORECASE)
        self.plain_latitude = self.plain_latitude and not extreme

    def _on_merge(self, token: Token) -> None:
        self.want("merge")

    def _on_evaluate(self, token: Token) -> None:
        self.want("evaluate")

    def _on_axis_with(self, token: Token) -> None:
        self.want("orientation")
        self.details["same_axis"] = self.expects_other = True

    # Tests against chance

    def _on_strata(self, token: Token) -> None:
        name = token.value[0]
        self.want("association")
        if name in ("longitude", "aspect") or not known_quantities((name,)):
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
        number = re.search(r"(\d+(?:\.\d+)?)(?: degrees|$)", token.text)
        if re.search(r"equator|of latitude|parallels", token.text, re.IGNORECASE):
            self.details["azimuth_deg"] = 90.0
        elif re.search(r"meridian|of longitude", token.text, re.IGNORECASE):
            self.details["azimuth_deg"] = 0.0
        else:
            self.details["azimuth_deg"] = float(number[1]) % 360.0 if number else _bearing(token.text)

    def _on_orientation(self, token: Token) -> None:
        self.want("orientation")
        if re.search(
            r"same|shar(?:e|ing)|parallel|common|right angles|90 degrees|perpendicular",
            token.text,
            re.IGNORECASE,
        ):
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

    def _on_other_format(self, token: Token) -> None:
        self.want("export")
        self.export_format = self.export_format or "gpkg"
        self.note(f"“{token.text}” is no format of this version; a GeoPackage opens in the same programs")

    # Sizes

    def _on_size(self, token: Token) -> None:
        number = _NUMBER.search(token.text)
        operand = self.last_object if self.previous == "item" and self.relations else None
        item = operand.item if operand else next(reversed(self.subjects), None)
        wide = re.search(r"larger|bigger|wider|smaller|wide|across|diameter", token.text, re.IGNORECASE)
        if not (number and wide and item and item.kind == "catalogue"):
            self.note(f"“{token.text}” was left out: sizes of landforms are not measured in this version")
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
        self.finish_density()
        if "orientation" in self.intents:
            self._finish_azimuth()
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
        self.finish_values()
        self.finish_numbers()
        self.finish_samples()
        if "compare" in self.intents:
            self._finish_comparison()
        if self.few is not None:
            self.reading.unparsed.append(f"{self.few or 'nearest'}")

    def finished_details(self) -> Details:
        """The details of a query."""
        given: dict[str, Any] = dict(self.details)
        if "step" in given:
            value, unit = given["step"]
            given["step"] = step_of(value, unit, given.get("by", ("",))[0])
        return Details(**given, against=tuple(operand.finished for operand in self.others))

    def _finish_azimuth(self) -> None:
        # "Is 120 degrees the direction of the yardangs?": a number read before what it is of.
        alone = [words for words in self.reading.unparsed if re.fullmatch(r"\d+(?:\.\d+)? degrees", words)]
        if len(alone) == 1 and "azimuth_deg" not in self.details:
            self.details["azimuth_deg"] = float(alone[0].split()[0]) % 360.0
            self.reading.unparsed.remove(alone[0])

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
            self.by(self.mentioned)
        elif set(self.intents) == {"latitude"} and self.plain_latitude:  # "latitude: gullies versus polygons"
            self.intents.remove("latitude")
            self.want("compare")
            self.by(("latitude",))

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
            self.by(self.same_by)
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
                lacks="catalogue",
            )
        self.reading.notes = [note for note in self.reading.notes if note != EITHER]

    def _finish_comparison(self) -> None:
        if self.expects_other:
            raise Declined(
                "unknown_words",
                "it is not clear with what to compare",
                "two landforms, or the rest of the ground",
                lacks="second",
                about="than",
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


def _bearing(text: str) -> float:
    """Degrees clockwise from north of the first direction that is named."""
    joined = re.sub(r"(north|south) ?(east|west)", r"\1\2", text.lower())
    words = [re.sub(r"(?:wards?|erly|ern)$", "", word) for word in re.findall(r"[a-z]+", joined)[1:]]
    short = [re.sub(r"(n|s)?(?:orth|outh)?(e|w)?(?:ast|est)?", r"\1\2", word) for word in words]
    return next(_POINTS_DEG[word] for word in short if word in _POINTS_DEG) % 180.0
