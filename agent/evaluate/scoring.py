"""Each answer scored part by part, and the parts summed up by family with intervals.

- plan: the layer that answers, or the measurement, was made by the calls that the question needs, whatever
  their order; nothing else was done to it.
- argument values: the share of the values of the expected calls that were given rightly.
- answer: `agent.evaluate.expected`.
- citations: the answer cites a layer wherever it made one, and none that does not exist.
- refused, asked rightly: of the questions that must be declined, or asked back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from agent.evaluate.answers import Answer, same_search
from agent.evaluate.expected import Unjudged, is_right
from agent.evaluate.ground import Ground
from agent.evaluate.plans import (
    Call,
    Match,
    Plan,
    Same,
    match_layer,
    match_measure,
    read_calls,
    worth_measure,
)
from agent.evaluate.run import Asked
from agent.evaluate.suite import Question

Json = Any

REFUSALS = ("declined", "absent")
ASKS = ("asks",)
# Measurements that a right plan may leave out or add.
_FREE = ("summarise", "draw_map", "export_layer", "decline")


@dataclass(frozen=True)
class Score:
    """One answer. What does not apply, or cannot be told, is None.

    Attributes
    ----------
    values_right, values
        Argument values given rightly, of those expected.
    why
        Why it could not be judged.
    """

    id: str
    family: str
    kind: str
    wording: str
    repeat: int
    status: str
    answer: bool | None
    plan: bool | None
    values_right: int
    values: int
    citations: bool | None
    unsupported: int
    steps: int
    seconds: float
    tool_seconds: float
    tokens: int
    made: tuple[str, ...]
    text: str
    why: str = ""


def score(asked: Asked, ground: Ground) -> Score:
    """Score one answer."""
    question, answer, turn = asked.question, asked.answer, asked.answer.turn
    right: bool | None
    why = ""
    try:
        right = is_right(question, answer, ground)
    except Unjudged as reason:
        right, why = None, str(reason)
    calls = ((step.tool, step.arguments, step.layer_ids) for step in turn.steps if not step.error)
    match = match_plan(
        question, answer.plan, answer.cited or answer.made, calls, same_search(ground, answer.layers)
    )
    return Score(
        id=question.id,
        family=question.family,
        kind=question.kind,
        wording=asked.wording,
        repeat=asked.repeat,
        status=turn.status,
        answer=right,
        plan=match.same if match else None,
        values_right=match.right if match else 0,
        values=match.total if match else 0,
        citations=_cites(answer),
        unsupported=len(turn.evidence.unsupported),
        steps=len(turn.steps),
        seconds=turn.seconds,
        tool_seconds=round(sum(step.seconds for step in turn.steps), 3),
        tokens=asked.tokens,
        made=tuple(_written(step.tool, step.arguments) for step in turn.steps),
        text=turn.answer,
        why=why,
    )


def match_plan(
    question: Question, made: Plan, candidates: Sequence[str], calls: Iterable[Call], same: Same
) -> Match | None:
    """The plan that was carried out beside that which was expected; None if none was.

    Parameters
    ----------
    made
        What all calls of the conversation amount to.
    candidates
        Layers that may be meant as the answer: those cited, or those made.
    calls
        Those of the last question.
    same
        Whether a search was for a landform.
    """
    if not question.calls:
        return None
    wanted = question.plan
    measures = [one for one in wanted.measures if one.tool not in _FREE]
    if question.kind in ("found", "area", "nearest"):
        measures = []  # a number of rows, whatever was measured beside it
    named = question.about if question.kind == "more" else None
    if named is None and not measures:
        return _best_layer(question, made, candidates, same)
    total = Match(True, 0, 0)
    for name in named or ():
        tried = [match_layer(wanted.layers[name], layer, same) for layer in made.layers.values()]
        total += max(tried, key=_rank, default=Match(False, 0, 1))
    own = read_calls(calls, made.layers)
    for measure in measures:
        tried = [match_measure(measure, found, same) for found in own.measures]
        total += max(tried, key=_rank, default=Match(False, 0, worth_measure(measure)))
    return total


def _best_layer(question: Question, made: Plan, candidates: Sequence[str], same: Same) -> Match:
    whole = match_layer(question.answer, question.answer, lambda key, layer: True).total
    tried = [match_layer(question.answer, made.layers[n], same) for n in candidates if n in made.layers]
    best = max(tried, key=_rank, default=Match(False, 0, whole))
    return best if best.same else Match(False, best.right, whole)


def _rank(match: Match) -> tuple[bool, int]:
    return match.rank


def _cites(answer: Answer) -> bool | None:
    if answer.turn.status != "answered" or not answer.made:
        return None
    false = [text for text in answer.turn.evidence.unsupported if text.startswith("[")]
    return bool(answer.cited) and not false


def _written(tool: str, arguments: dict[str, Json]) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value is not None)
    return f"{tool}({given})"[:300]


def summed(scores: Sequence[Score], *, details: bool = True) -> dict[str, Json]:
    """All figures of a run as plain JSON values; shares with Wilson's interval of 95 %."""
    families: dict[str, list[Score]] = {}
    for one in scores:
        families.setdefault(one.family, []).append(one)
    report = _figures(scores)
    report["families"] = {name: _figures(own) for name, own in families.items()}
    report["by_repeat"] = [
        _figures([one for one in scores if one.repeat == n])["answer_accuracy"]
        for n in sorted({one.repeat for one in scores})
    ]
    if details:
        report["answers"] = [asdict(one) for one in scores]
    return report


def _figures(scores: Sequence[Score]) -> dict[str, Json]:
    report: dict[str, Json] = {"answers_count": len(scores)}
    must_refuse = [one for one in scores if one.kind in REFUSALS]
    must_ask = [one for one in scores if one.kind in ASKS]
    others = [one for one in scores if one.kind not in (*REFUSALS, *ASKS)]
    parts: dict[str, list[bool]] = {
        "answer_accuracy": [one.answer for one in scores if one.answer is not None],
        "answerable_accuracy": [one.answer for one in others if one.answer is not None],
        "plan_accuracy": [one.plan for one in scores if one.plan is not None],
        "citation_accuracy": [one.citations for one in scores if one.citations is not None],
        "refusal_accuracy": [bool(one.answer) for one in (*must_refuse, *must_ask)],
        "refused_rightly": [bool(one.answer) for one in must_refuse],
        "asked_rightly": [bool(one.answer) for one in must_ask],
        "declined_instead_of_asked": [one.status == "declined" and not one.answer for one in must_ask],
        "refused_wrongly": [one.status == "declined" for one in others],
        "asked_wrongly": [one.status == "asked" for one in (*others, *must_refuse)],
    }
    for name, marks in parts.items():
        report |= share(name, sum(marks), len(marks))
    right, total = sum(one.values_right for one in scores), sum(one.values for one in scores)
    report |= share("argument_accuracy", right, total)
    seconds = [one.seconds for one in scores]
    loops = [one.seconds - one.tool_seconds for one in scores]
    report |= {
        "unsupported_numbers": sum(one.unsupported for one in scores),
        "unjudged": sum(one.answer is None for one in scores),
        "steps_mean": _mean([one.steps for one in scores]),
        "seconds_median": round(median(seconds), 3) if seconds else None,
        "overhead_seconds_median": round(median(loops), 3) if loops else None,
        "tokens_mean": _mean([one.tokens for one in scores if one.tokens]),
    }
    return report


def share(name: str, right: int, total: int) -> dict[str, Json]:
    """A share with its interval (Wilson 1927) and of how many; None of nothing."""
    if not total:
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_n": 0}
    z, p = 1.959964, right / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return {
        name: round(p, 4),
        f"{name}_low": round(low, 4),
        f"{name}_high": round(high, 4),
        f"{name}_n": total,
    }


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(sum(found) / len(found), 2) if found else None
