"""A run of a recipe in words: how it is asked for, and what came out otherwise than before.

Only numbers that tools gave are written, the earlier beside the new, never a difference worked out here: so
the check of the evidence finds every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.events import Step
from agent.evidence_facts import unit_of
from agent.recipe import comparable, finite, same_figure
from tools.changes import MOST_PAIRS
from tools.results import said

__all__ = ["MOST_PAIRS", "Change", "Outcome", "Recorded", "answer_text", "figure_changes", "question_text"]

Json = Any

VALUE_CHARS = 60
MOST_EDITS = 8
MOST_LINES = 12
MOST_FIGURES = 6

_RANGE_FROM = 3  # calls in a row
_QUESTION = re.compile(r"Run calls? (?P<numbers>\d[\d,– ]*(?: and \d[\d–]*)?) again\b")
_LAYER_AT_END = re.compile(r"(?<=_)L\d+$")
# Figures that hold at another threshold, bound another one, or count what this conversation asked: the panel
# has them; a sentence would have to say which.
_NOT_SAID = re.compile(
    r"_at_|strict|(?:^|_)(?:low|high)(?:_|$)|_L\d+(?:_|$)|tests_count|corrected|searched|seed|range"
)
_UNITS = {"%": " %", "km": " km", "m": " m", "deg": "°", "km2": " km²", "per_million_km2": " per million km²"}
_UNIT_WORDS = re.compile(r"_(?:percent|km2|km|m|deg)(?=_|$)")
_FIRST = re.compile(r"^(?:count|threshold|(?:.*_)?p(?:_.*)?)$")
_LABELS = {
    "count": "rows",
    "of_count": "rows given",
    "other_count": "rows of the other layer",
    "features": "features",
    "n": "number",
}
_SMALL = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@dataclass(frozen=True)
class Recorded:
    """A call of the recipe.

    Attributes
    ----------
    number
        Its place in the recipe, from 1.
    turn
        Position of its question in the conversation.
    """

    number: int
    turn: int
    step: Step


@dataclass(frozen=True)
class Outcome:
    """What became of a call that was to run again.

    Attributes
    ----------
    step
        The finished step, which may have failed; None if it was not run.
    missing
        Numbers of the calls whose layers it lacked.
    """

    call: Recorded
    step: Step | None
    missing: tuple[int, ...] = ()


@dataclass(frozen=True)
class Change:
    """A figure before and after; None where it was not given."""

    name: str
    was: float | int | None
    now: float | int | None

    @property
    def label(self) -> str:
        """The name for people: ``near``, ``p value``, with no unit."""
        return label_of(self.name)

    @property
    def before(self) -> str:
        """The earlier value with its unit."""
        return value_text(self.name, self.was)

    @property
    def after(self) -> str:
        """The new value with its unit."""
        return value_text(self.name, self.now)


def label_of(name: str) -> str:
    """Name of a figure or an argument without its unit: ``near_percent`` -> ``near``."""
    if name in _LABELS:
        return _LABELS[name]
    stem = name.replace("per_million_km2", "density")
    return _UNIT_WORDS.sub("", stem).replace("_", " ").strip() or name


def value_text(name: str, value: float | int | None) -> str:
    """A figure with the unit that its name tells: ``41 %``; an em dash if there is none."""
    return "—" if value is None else f"{said(value)}{_UNITS.get(unit_of(name), '')}"


def figure_changes(before: Step, after: Step, made: Mapping[str, str]) -> tuple[list[Change], int]:
    """Figures that came out otherwise, and how many did not.

    Parameters
    ----------
    made
        The earlier layer -> the one that was made in its place; ``count_L3`` is held against ``count_L7``.
    """
    was = {
        _LAYER_AT_END.sub(lambda match: made.get(match[0], match[0]), name): (name, finite(value))
        for name, value in comparable(before.figures).items()
    }
    now = {name: finite(value) for name, value in comparable(after.figures).items()}
    changed = []
    for name in [*was, *(name for name in now if name not in was)]:
        old = was.get(name, (name, None))[1]
        if name not in now or name not in was or not same_figure(old, now[name]):
            changed.append(Change(name, old, now.get(name)))
    return changed, len(was.keys() | now.keys()) - len(changed)


def question_text(calls: Sequence[Recorded], edits: Mapping[int, Mapping[str, Json]]) -> str:
    """How a run is asked for: ``Run calls 3, 5 and 6 again with distance_km 60 instead of 40 in call 3``."""
    numbers = [call.number for call in calls]
    text = f"Run {'call' if len(numbers) == 1 else 'calls'} {_listed(_ranges(numbers))} again"
    steps = {call.number: call.step for call in calls}
    said_edits = []
    for number, changed in edits.items():
        where = f" in call {number}" if len(numbers) > 1 else ""
        for name, value in changed.items():
            was = steps[number].arguments.get(name)
            if value is None:
                said_edits.append(f"without {name} {_shown(was)}{where}")
            else:
                instead = "" if was is None else f" instead of {_shown(was)}"
                said_edits.append(f"with {name} {_shown(value)}{instead}{where}")
    if not said_edits:
        return f"{text}, unchanged"
    if len(said_edits) > MOST_EDITS:
        rest = len(said_edits) - MOST_EDITS
        said_edits = [*said_edits[:MOST_EDITS], f"with {number_word(rest)} more changes"]
    return f"{text} {_listed(said_edits)}"


def read_question(question: str) -> list[int]:
    """Numbers of the calls that a run was asked for; empty if the text asks for none."""
    found = _QUESTION.match(question)
    numbers: list[int] = []
    for part in re.findall(r"\d+(?:–\d+)?", found["numbers"]) if found else ():
        first, _, last = part.partition("–")
        if len(part) > 12 or int(last or first) - int(first) > 10_000:
            return []
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def answer_text(
    outcomes: Sequence[Outcome],
    edits: Mapping[int, Mapping[str, Json]],
    made: Mapping[str, str],
    rows: Mapping[str, float | int],
) -> str:
    """What a run gave, call by call: layers, rows that came and went, figures before and after.

    Parameters
    ----------
    made
        The earlier layer -> the one that was made in its place.
    rows
        Figures of `tools.changes` about these layers.
    """
    lines, same = [], []
    for outcome in outcomes:
        line = _line(outcome, edits.get(outcome.call.number, {}), made, rows)
        if line:
            lines.append(f"- {line}")
        elif line is None:
            same.append(outcome)
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"- And {number_word(len(lines) - MOST_LINES)} more, which the recipe lists."]
    end = "The earlier layers are kept as they were."
    if same:
        new = "".join(f" [{layer}]" for outcome in same if outcome.step for layer in outcome.step.layer_ids)
        which = "The call" if len(outcomes) == 1 else f"{number_word(len(same)).capitalize()} of the calls"
        end = f"{which} gave the same rows and figures as before{new}. {end}"
    return "\n".join([*lines, "", end]).strip()


def _line(
    outcome: Outcome,
    changed: Mapping[str, Json],
    made: Mapping[str, str],
    rows: Mapping[str, float | int],
) -> str | None:
    """One call; None if it gave what it gave before, empty if what it changed says nothing, as of a map."""
    call, step = outcome.call, outcome.step
    name = f"**{call.step.tool.replace('_', ' ')}**, {ordinal(call.number)} call"
    if step is None:
        lacking = _listed([ordinal(number) for number in outcome.missing])
        return f"{name}: not run, as it needs a layer of the {lacking} call, which was not made again."
    if step.error:
        return f"{name}: it failed, and its step says why. The earlier result stands."
    parts, differs = [], False
    for old in call.step.layer_ids:
        new = made.get(old)
        if new is None:
            parts.append(f"no layer in place of [{old}].")
            differs = True
            continue
        gained, lost, scored = (rows.get(f"{what}_count_{new}") for what in ("gained", "lost", "rescored"))
        now, was = rows.get(f"count_{new}"), rows.get(f"count_{old}")
        if gained is None or lost is None or now is None or was is None:
            parts.append(f"[{new}] in place of [{old}].")
            differs = True
        elif gained or lost:
            parts.append(
                f"[{new}] has {said(now)} rows, [{old}] had {said(was)}: "
                f"{said(gained)} new, {said(lost)} gone."
            )
            differs = True
        elif scored:
            parts.append(f"[{new}] has the rows of [{old}], {said(scored)} with another probability.")
            differs = True
        else:
            parts.append(f"[{new}] has the rows of [{old}].")
    figures, same = figure_changes(call.step, step, made)
    figures = [change for change in figures if change.name not in changed]  # those were asked for
    differs = differs or bool(figures)
    counted = {"count"} if call.step.layer_ids else set()
    worth = [
        change
        for change in figures
        if not _NOT_SAID.search(change.name)
        and change.name not in counted
        and change.was is not None
        and change.now is not None
    ]
    worth.sort(key=lambda change: _FIRST.match(change.name) is None)
    if worth:
        text = "; ".join(f"{c.label} from {c.before} to {c.after}" for c in worth[:MOST_FIGURES])
        parts.append(f"{text[:1].upper()}{text[1:]}.")
    rest = len(figures) - len(worth[:MOST_FIGURES])
    if rest or same:
        kept = f"{number_word(same)} {'figure is' if same == 1 else 'figures are'} as before" if same else ""
        more = "other " if worth else ""
        other = f"{number_word(rest)} {more}{'figure' if rest == 1 else 'figures'} changed" if rest else ""
        text = ", ".join(part for part in (other, kept) if part)
        parts.append(f"{text[:1].upper()}{text[1:]}.")
    if differs and not worth and not call.step.layer_ids:
        return ""
    return f"{name}: {' '.join(parts)}" if differs else None


def ordinal(number: int) -> str:
    """``3rd``: a number that counts nothing."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"


def number_word(number: int) -> str:
    """``twenty-one``: a number that no tool gave, up to ninety-nine; ``many`` beyond."""
    if number < len(_SMALL):
        return _SMALL[number]
    if number > 99:
        return "many"
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")


def _ranges(numbers: Sequence[int]) -> list[str]:
    """``["3", "5–7", "9"]``: rows of calls in short."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and groups[-1][-1] == number - 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    parts = []
    for group in groups:
        parts += [f"{group[0]}–{group[-1]}"] if len(group) >= _RANGE_FROM else [str(n) for n in group]
    return parts


def _listed(parts: Iterable[str]) -> str:
    items = list(parts)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _shown(value: Json) -> str:
    if isinstance(value, str):
        text = value if re.fullmatch(r"L\d+|[a-z_]+", value) else f"“{value}”"
    elif isinstance(value, list | tuple):
        text = ", ".join(str(item) for item in value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        text = said(value)
    else:
        text = str(value)
    return text if len(text) <= VALUE_CHARS else f"{text[: VALUE_CHARS - 1]}…"
