"""Follow-up questions that the grammar understands: of a test, or of what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.grammar.progress import Outcome, Progress
from agent.grammar.query import Query
from agent.grammar.steps import Associate, Compare, Density, Plan
from agent.prose_names import Names
from agent.prose_sorting import verdict_of
from agent.prose_tests import summary_of

MOST_SUGGESTIONS = 3
_OTHER_QUANTITY = {"latitude": "elevation", "elevation": "latitude"}


def after_tests(plan: Plan, progress: Progress, names: Names) -> list[str]:
    """What would test a result further."""
    offers = []
    for step in plan.steps:
        if not summary_of(step, progress):
            continue
        if isinstance(step, Associate):
            offers += _after_association(step, progress, names)
        elif isinstance(step, Compare) and step.by in _OTHER_QUANTITY:
            offers.append(f"How does the density of {names.of(step.layer)} depend on {step.by}?")
        elif isinstance(step, Density) and step.by in _OTHER_QUANTITY:
            other = _OTHER_QUANTITY[step.by]
            offers.append(f"How does the density of {names.of(step.layer)} depend on {other}?")
    return list(dict.fromkeys(offers))


def after_finding(
    query: Query, figures: Mapping[str, float], alike: Sequence[str], narrowed: bool
) -> list[str]:
    """What narrows a layer that was found, or measures it.

    Parameters
    ----------
    figures
        What `summarise` said of it.
    alike
        Landforms that are easily taken for what was asked.
    narrowed
        Whether it is limited to one side of the equator by a question about latitudes.
    """
    offers = []
    if alike:
        offers.append(f"Which of those are not near {alike[0]}?")
    regions = query.regions
    if figures.get("north_count") and figures.get("south_count"):
        offers.append("Only those south of the equator")
    elif narrowed and not query.separate:
        north = any(region.min_lat_deg is not None for region in regions)
        offers.append(f"And {'south' if north else 'north'} of the equator?")
    if "orientation" not in query.intents:
        offers.append("Are they aligned?")
    if "export" not in query.intents:
        offers.append("Export them as GeoPackage")
    return offers


def _after_association(step: Associate, progress: Progress, names: Names) -> list[str]:
    one, two = names.plain(step.layer), names.plain(step.other)
    if not one or not two:
        return []
    outcome = progress.outcomes.get(step.name, Outcome())
    if not outcome.figures.get("tested_count"):
        return []
    verdict = verdict_of(outcome.summary)
    if verdict == "nearer" and step.null != "strata":
        # What both merely share, such as high ground, is the first thing to rule out.
        return [f"Are {one} associated with {two}, given elevation?"]
    if verdict in ("none", "unknown", "alone"):
        return [f"How far are {one} from {two}?"]
    return [f"Which {one} are not near {two}?"] if verdict == "farther" else []
