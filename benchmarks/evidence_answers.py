"""True answers in other words, as a language model would phrase them, from the steps of real runs.

Every wording takes its numbers from the figures of a step.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.events import Step
from agent.evidence_facts import parents_of

Words = Mapping[str, Any]

# By tool. {one} and {two} are what is in the layers given, {id} the layer made, {ids} the layers used.
WORDINGS: dict[str, tuple[str, ...]] = {
    "search_words": (
        "I found {count} tiles that look like {text} at a threshold of {threshold} [{id}].",
        "The search for {text} returned {count} tiles ({features} separate features) [{id}].",
        "{count} tiles show {text} and together cover {area_km2} km² [{id}].",
        "At its threshold of {threshold} the search keeps {count} tiles with {text}; "
        "{stricter_count} would remain at "
        "{stricter_threshold} [{id}].",
        "The index holds {searched} tiles, of which {count} pass the threshold of {threshold} for "
        "{text} [{id}].",
        "**{text}**: {count} tiles in {features} features, mean probability {mean_probability} [{id}].",
    ),
    "near": (
        "{count} of the {of_count} tiles with {one} lie within {distance_km} km of {two}, at a "
        "median distance of "
        "{median_distance_km} km [{id}].",
        "Of {of_count} tiles with {one}, {count} have {two} no farther than {distance_km} km away [{id}].",
        "Restricting {one} to those within {distance_km} km of {two} leaves {count} tiles [{id}].",
        "Near {two} (within {distance_km} kilometres) there are {count} tiles with {one}, which "
        "form {features} "
        "separate features [{id}].",
        "There are {of_count} tiles with {one}; {count} of them are close to {two}, typically "
        "{median_distance_km} km away [{id}].",
    ),
    "without": (
        "{count} of {of_count} tiles with {one} are more than {distance_km} km from any tile with "
        "{two} [{id}].",
        "Leaving out those near {two}, {count} tiles with {one} remain [{id}].",
    ),
    "overlap": (
        "{count} of the {of_count} tiles with {one} touch a tile with {two} [{id}].",
        "{one} and {two} share or border tiles in {count} places [{id}].",
    ),
    "filter_layer": (
        "Within these limits {count} of {of_count} tiles are left [{id}].",
        "The limits keep {count} tiles in {features} features [{id}].",
    ),
    "merge_features": (
        "The {of_count} tiles merge into {count} separate features, the largest of {largest_rows} "
        "tiles [{id}].",
        "There are {count} separate landforms; {single_count} of them are a single tile [{id}].",
    ),
    "nearest": (
        "Distances to {two} run from {min_distance_km} to {max_distance_km} km, with a median of "
        "{median_distance_km} km [{id}].",
        "The median distance from {one} to {two} is {median_distance_km} km [{id}].",
    ),
    "summarise": (
        "They lie between {lat_q10_deg} and {lat_q90_deg} (the middle {middle_percent} %), median latitude "
        "{lat_median_deg} [{id}].",
        "{north_count} are in the north and {south_count} in the south [{id}].",
        "They cover {area_km2} square kilometres, or {area_percent} percent of the ground observed [{id}].",
        "North of the equator there are {north_per_million_km2} per million km², south of it "
        "{south_per_million_km2} per million km² [{id}].",
        "Their median latitude is {lat_median_deg} [{id}].",
        "About {observed_percent} % of the surface was observed [{id}]; elsewhere absence is not shown.",
    ),
    "associate": (
        "{verdict}: {near_percent} % of {tested_count} features lie within {distance_km} km, against "
        "{expected_percent} % expected by chance (p = {p_value}) [{ids}].",
        "{verdict} [{ids}]. The enrichment is {enrichment} (95 % interval {enrichment_low} to "
        "{enrichment_high}), "
        "p = {p_value} [{ids}].",
        "{verdict} [{ids}]. Of {tested_count} features, {near_count} lie within {distance_km} km, "
        "where chance alone "
        "would give {expected_percent} % [{ids}].",
        "{verdict}, with an enrichment of {enrichment} and a two-sided p of {p_value} [{ids}].",
    ),
    "density": (
        "{verdict}, p = {p_value} [{ids}]. The highest density, {densest_per_million_km2} per "
        "million km², is found "
        "from {densest_from_deg} to {densest_to_deg} degrees [{ids}].",
        "Over the {observed_area_km2} km² observed there are {per_million_km2} features per "
        "million km² [{ids}]. "
        "{verdict} [{ids}].",
        "The densest class holds {densest_count} features, {densest_ratio} times the density of "
        "the whole [{ids}].",
    ),
    "compare": (
        "{verdict} [{ids}]. The medians are {median_m} m and {other_median_m} m, a difference of "
        "{difference_m} m "
        "[{ids}].",
        "{verdict}, with a median elevation of {median_m} m [{ids}]; p = {p_value}.",
        "{verdict} (p = {p_value}) [{ids}].",
    ),
    "orientation": (
        "{verdict}: the mean axis is {mean_azimuth_deg}° and the resultant length "
        "{resultant_length} [{ids}].",
        "{verdict} (Rayleigh p = {p_value}, {effective_n} independent directions) [{ids}].",
        "The mean azimuth of the {n} directions is {mean_azimuth_deg} degrees [{ids}]. {verdict} [{ids}].",
    ),
    "sample_context": (
        "Their median elevation is {elevation_median_m} m; the middle {middle_percent} % lie between "
        "{elevation_q10_m} and {elevation_q90_m} m [{id}].",
        "In the median they lie at {elevation_median_m} m [{id}].",
    ),
}

# By tool and verdict: true wordings.
VERDICTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("associate", "nearer"): (
        "{one} are associated with {two}",
        "{one} lie nearer to {two} than chance allows",
        "There is a clear association between {one} and {two}",
        "{one} cluster around {two}",
    ),
    ("associate", "none"): (
        "No association between {one} and {two} is seen",
        "{one} are not associated with {two}",
        "{one} lie neither nearer to {two} nor farther from them than chance allows",
        "{one} show no association with {two}",
    ),
    ("associate", "unknown"): (
        "It cannot be told whether {one} are associated with {two}",
        "The test of {one} against {two} is inconclusive",
        "Whether {one} lie nearer to {two} than chance allows remains undecided",
    ),
    ("associate", "farther"): ("{one} avoid {two}", "{one} lie farther from {two} than chance allows"),
    ("density", "more"): (
        "The classes differ more than chance allows",
        "The density of {one} is unevenly distributed",
        "The density of {one} depends on latitude",
    ),
    ("density", "none"): (
        "The classes differ no more than chance allows",
        "{one} are evenly distributed as far as this test can tell",
    ),
    ("compare", "higher"): ("{one} have a higher elevation than {two}", "{one} lie higher than {two}"),
    ("compare", "lower"): ("{one} have a lower elevation than {two}", "{one} lie lower than {two}"),
    ("compare", "none"): (
        "{one} and {two} do not differ in elevation",
        "There is no difference in elevation between {one} and {two} beyond chance",
    ),
    ("compare", "unknown"): ("It cannot be told whether {one} and {two} differ in elevation",),
    ("orientation", "none"): (
        "{one} have no common direction beyond chance",
        "{one} are not significantly aligned",
        "No preferred orientation of {one} is seen",
    ),
    ("orientation", "common"): (
        "{one} have a common direction",
        "{one} are aligned",
        "{one} show a preferred orientation",
    ),
}
CLOSINGS = (
    "No hit is not the same as no landform.",
    "These are detections by a model, so some will be mistaken.",
    "What speaks against it is that the tiles are detections, not mapped outlines.",
    "A next step would be to look at the tiles near the threshold.",
    "Ground outside the index is unknown.",
    "A count of neighbours alone would be no proof of an association.",
    "How sure this is depends on the search, which was not checked against a map here.",
    "Composition and age cannot be told from these pictures.",
    "",
)


def verdict_of(step: Step) -> str:
    """The verdict of a test in one word, from what its summary begins with; empty if it gave none."""
    said = step.summary
    rules: tuple[tuple[str, str], ...]
    if step.tool == "associate":
        first = said.split(". ")[0]
        rules = (
            ("Cannot tell", "unknown"),
            ("neither", "none"),
            ("lies no", "none"),
            ("Taken", ""),
            ("nearer", "nearer"),
            ("farther", "farther"),
        )
    elif step.tool == "density":
        first, rules = (
            said,
            (
                ("no more than chance", "none"),
                ("by this test alone", ""),
                ("differ more than chance", "more"),
            ),
        )
    elif step.tool == "compare":
        first = said.split(". ")[0]
        rules = (
            ("Cannot tell", "unknown"),
            ("do not differ", "none"),
            ("a higher", "higher"),
            ("a lower", "lower"),
        )
    elif step.tool == "orientation" and "other" not in step.arguments:
        first, rules = (
            said,
            (("no common direction", "none"), ("stood alone", ""), (": a common direction", "common")),
        )
    else:
        return ""
    return next((verdict for words, verdict in rules if words in first), "")


def rephrase(steps: Sequence[Step], titles: Mapping[str, str], rng: random.Random) -> str:
    """A true answer in other words, from some of the steps; empty if they say too little."""
    said = []
    for step in steps:
        wordings = list(WORDINGS.get(step.tool, ()))
        rng.shuffle(wordings)
        filled = (fill(wording, step, titles, rng) for wording in wordings)
        said += [text for text in filled if text][: rng.choice((1, 1, 2))]
    tests = [text for text in said if "p =" in text or "p of" in text]
    if tests and rng.random() < 0.6:
        said = tests + [text for text in said if text not in tests]  # the finding first
    return " ".join([*said[:6], rng.choice(CLOSINGS)]).strip() if said else ""


def fill(wording: str, step: Step, titles: Mapping[str, str], rng: random.Random) -> str:
    """A wording with a step's figures; empty if the step has not all of them."""
    used = parents_of(step)
    made = step.layer_ids[0] if step.layer_ids else (used[0] if used else "")
    names = {
        "id": made,
        "ids": ", ".join(dict.fromkeys(used)),
        "one": plural(titles.get(used[0], "")) if used else "",
        "two": plural(titles.get(str(step.arguments.get("other")), ""))
        or ("the ground observed" if step.tool == "compare" else ""),
        "text": plural(str(step.arguments.get("text", ""))),
    }
    if "{verdict}" in wording:
        options = VERDICTS.get((step.tool, verdict_of(step)), ())
        if not options:
            return ""
        wording = wording.replace("{verdict}", rng.choice(options))
    for name in re.findall(r"\{(\w+)\}", wording):
        value = names[name] if name in names else write(name, step.figures.get(name), rng)
        if not value:
            return ""
        wording = wording.replace(f"{{{name}}}", value)
    return wording[0].upper() + wording[1:]


def write(name: str, value: Any, rng: random.Random) -> str:
    """A figure as a writer would: as it is, or rounded as far as the meaning stays."""
    if value is None or (name.startswith("of_") and not value):
        return ""
    if name.startswith("lat_"):
        side = rng.choice((("N", "S"), (" degrees north", " degrees south")))
        shown = f"{abs(value):.{rng.choice((1, 2))}f}"
        return f"{shown}{'°' + side[value < 0] if len(side[0]) == 1 else side[value < 0]}"
    if name == "p_value":
        return f"{value:g}"
    if name in ("area_km2", "observed_area_km2") and value > 1e4 and rng.random() < 0.3:
        return f"about {round(value, -3):,.0f}"
    if isinstance(value, float) and abs(value) >= 10 and rng.random() < 0.3:
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def titles_of(steps: Sequence[Step]) -> dict[str, str]:
    """What each search looked for, by its layer."""
    return {i: str(s.arguments["text"]) for s in steps if s.tool == "search_words" for i in s.layer_ids}


def plural(title: str) -> str:
    if not title or title.endswith("s"):
        return title
    return title[:-1] + "ies" if re.search(r"[^aeiou]y$", title) else f"{title}s"
