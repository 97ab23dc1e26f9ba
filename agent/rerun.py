"""Run a recipe again from any of its calls, changed: what has to run, and with which arguments.

A call is run again if it is changed, or if a layer that it is given is made again; every other stays as it
was. Layers are never changed: those made again are new, and later calls are given the new ones in place of
the earlier. What comes of it is a turn like any other (`agent.direct`), told in words by `agent.rerun_words`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from agent.direct import BY_HAND, Work
from agent.events import Turn
from agent.recipe import stored
from agent.rerun_words import MOST_PAIRS, Outcome, Recorded, answer_text, question_text, read_question
from agent.validation import check_state
from retrieval.errors import InputError, ToolInputError
from tools import TOOLS
from tools.schema import ToolSchema, tool_schema
from tools.workspace import Workspace

Json = Any

# Of each changed call what is given now, by the number of the call; None takes an argument away.
Edits = Mapping[int, Mapping[str, Json]]

# What states no result of its own: the comparison of two runs, and a refusal.
NOT_AGAIN = frozenset({"changes", "decline"})
COMPARISON = "changes"
CHANGE_IT = "change it in the recipe and run again"

# Arguments of words that may name a layer in them: ``km_to_L2 <= 40``, ``L4.unit``.
_WORDS_WITH_LAYERS = ("where", "by", "colour_by", "strata")
_IN_WORDS = re.compile(r"(?<![A-Za-z0-9])L\d+(?![A-Za-z0-9])")
_ID = re.compile(r"\[?[Ll](\d+)\]?")


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes
    ----------
    calls
        Those that run, in order.
    edits
        The changes, without those that change nothing.
    left_out
        Calls that would have to run and shall not.
    """

    calls: tuple[Recorded, ...]
    edits: dict[int, dict[str, Json]] = field(default_factory=dict)
    left_out: tuple[int, ...] = ()

    @property
    def question(self) -> str:
        """The run as it is asked for in the dialogue."""
        return question_text(self.calls, self.edits)


@dataclass(frozen=True)
class Run:
    """A run that is over: a turn of the conversation, and which call came in place of which.

    Attributes
    ----------
    turn
        Position of the turn in the conversation.
    question
        As it was asked for.
    pairs
        The earlier call and the one that was run in its place, None if it failed or was not reached.
    """

    turn: int
    question: str
    pairs: tuple[tuple[Recorded, Recorded | None], ...]


@cache
def schemas() -> dict[str, ToolSchema]:
    """What is known of each tool, by its name."""
    return {tool.__name__: tool_schema(tool) for tool in TOOLS}


@dataclass(frozen=True)
class History:
    """What was called in a conversation.

    Attributes
    ----------
    calls
        Those that succeeded, numbered from 1 as in the recipe.
    runs
        Turns in which some of them were run again, oldest first.
    """

    calls: tuple[Recorded, ...]
    runs: tuple[Run, ...]

    @cached_property
    def replaced(self) -> dict[int, int]:
        """Number of a call -> position of the last turn that ran it again."""
        return {was.number: run.turn for run in self.runs for was, now in run.pairs if now is not None}

    def call(self, number: int) -> Recorded:
        """A call by its number.

        Raises
        ------
        ToolInputError
            If there is no such call.
        """
        if not 1 <= number <= len(self.calls):
            raise ToolInputError(
                f"there is no call {number}",
                allowed=f"1 to {len(self.calls)}" if self.calls else "none yet",
                next_step="open the recipe anew",
            )
        return self.calls[number - 1]

    def is_alive_with(self, call: Recorded, other: Recorded) -> bool:
        """Whether a call was not replaced before another one was: whoever changes that one means this."""
        never = math.inf
        return self.replaced.get(call.number, never) >= self.replaced.get(other.number, never)


def read_history(turns: Sequence[Turn]) -> History:
    """The calls of a conversation and their runs."""
    steps = [(place, step) for place, turn in enumerate(turns) for step in turn.steps if not step.error]
    calls = tuple(Recorded(number, place, step) for number, (place, step) in enumerate(steps, 1))
    return History(calls, tuple(_runs(turns, calls)))


def edited(call: Recorded, edits: Edits) -> dict[str, Json]:
    """The arguments of a call with its changes; layers are still named as they were."""
    given = {**call.step.arguments, **edits.get(call.number, {})}
    return {name: value for name, value in given.items() if value is not None}


def faults(history: History, edits: Edits, workspace: Workspace) -> dict[int, dict[str, str]]:
    """What is wrong with changes, by the number of the call and the name of the argument.

    What cannot be laid to one argument stands under the empty name; an empty dictionary: nothing is wrong.

    Raises
    ------
    ToolInputError
        If a call does not exist.
    """
    found = {number: _faults(history, history.call(number), edits, workspace) for number in edits}
    return {number: wrong for number, wrong in found.items() if wrong}


def make_plan(
    history: History,
    edits: Edits,
    workspace: Workspace,
    *,
    begin: int | None = None,
    onwards: bool = False,
    leave_out: Collection[int] = (),
) -> Plan:
    """What has to run if these changes are made.

    Calls that were run again since are left alone, unless one of them is changed itself.

    Parameters
    ----------
    begin
        Number of a call to run again even if it is not changed.
    onwards
        Whether every call from there on is run again, not only those that rest on it.
    leave_out
        Numbers of calls not to run; what rests on them keeps the layers it had.

    Raises
    ------
    ToolInputError
        If a change is wrong, a call does not exist, or nothing is left to run.
    """
    for number, wrong in faults(history, edits, workspace).items():
        raise ToolInputError(f"call {number}: {next(iter(wrong.values()))}", next_step=CHANGE_IT)
    real = {number: changed for number in edits if (changed := _real(history.call(number), edits[number]))}
    seeds = set(real)
    if begin is not None:
        first = history.call(begin)
        later = [call for call in history.calls[begin - 1 :] if history.is_alive_with(call, first)]
        seeds |= {call.number for call in later} if onwards else {begin}
    running, left_out = _affected(history, seeds, real, leave_out)
    if not running:
        raise ToolInputError(
            "nothing is changed, so there is nothing to run",
            next_step="change an argument of a call, or run again from one of the calls",
        )
    kept = {number: changed for number, changed in real.items() if number not in left_out}
    return Plan(tuple(running), kept, tuple(left_out))


def work(plan: Plan, workspace: Workspace) -> Work:
    """The calls of a plan, then the comparison of the layers with the earlier ones, told in words.

    A call that fails takes those that need its layers with it; the others run.

    Raises
    ------
    ToolInputError
        If no call succeeded.
    """
    made: dict[str, str] = {}
    lost: dict[str, int] = {}  # layer that was not made again -> call that did not
    outcomes: list[Outcome] = []
    for call in plan.calls:
        given = edited(call, plan.edits)
        missing = sorted({lost[layer] for layer in layers_in(call.step.tool, given) if layer in lost})
        step = None
        if not missing:
            step = yield call.step.tool, renamed(call.step.tool, given, made)
            made |= dict(zip(call.step.layer_ids, step.layer_ids, strict=False))
        lost |= {layer: call.number for layer in call.step.layer_ids if layer not in made}
        outcomes.append(Outcome(call, step, tuple(missing)))
    if all(outcome.step is None or outcome.step.error for outcome in outcomes):
        reason = next(outcome.step.error for outcome in outcomes if outcome.step)
        raise ToolInputError(f"no call succeeded: {reason}", next_step=CHANGE_IT)
    pairs = [(new, old) for old, new in made.items() if stored(workspace, old) is not None]
    rows: dict[str, float | int] = {}
    for start in range(0, len(pairs), MOST_PAIRS):
        part = pairs[start : start + MOST_PAIRS]
        compared = yield (
            COMPARISON,
            {"layers": [new for new, _ in part], "earlier": [old for _, old in part]},
        )
        rows |= compared.figures
    return answer_text(outcomes, plan.edits, made, rows)


def layers_in(tool: str, arguments: Mapping[str, Json]) -> set[str]:
    """Every layer that the arguments of a call name."""
    return {
        layer
        for name, value in arguments.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if isinstance(item, str)
        for layer in _named(tool, name, item)
    }


def renamed(tool: str, arguments: Mapping[str, Json], made: Mapping[str, str]) -> dict[str, Json]:
    """Arguments with layers named anew, in every argument that names any; nothing else is touched."""

    def put(name: str, value: Json) -> Json:
        if isinstance(value, list | tuple):
            return [put(name, item) for item in value]
        if not isinstance(value, str):
            return value
        if name in _layer_arguments(tool):
            found = _ID.fullmatch(value.strip())
            return made.get(f"L{found[1]}", value) if found else value
        if name in _WORDS_WITH_LAYERS:
            return _IN_WORDS.sub(lambda match: made.get(match[0], match[0]), value)
        return value

    return {name: put(name, value) for name, value in arguments.items()}


def _named(tool: str, name: str, value: str) -> Iterator[str]:
    if name in _layer_arguments(tool):
        found = _ID.fullmatch(value.strip())
        if found:
            yield f"L{found[1]}"
    elif name in _WORDS_WITH_LAYERS:
        yield from _IN_WORDS.findall(value)


def _layer_arguments(tool: str) -> tuple[str, ...]:
    return schemas()[tool].layers if tool in schemas() else ()


def _affected(
    history: History, seeds: Collection[int], edits: Edits, leave_out: Collection[int]
) -> tuple[list[Recorded], list[int]]:
    """Calls to run, and those of them that shall not."""
    running: list[Recorded] = []
    left_out: list[int] = []
    remade: dict[str, Recorded] = {}
    for call in history.calls:
        named = layers_in(call.step.tool, edited(call, edits))
        needs = any(history.is_alive_with(call, maker) for name, maker in remade.items() if name in named)
        if call.step.tool in NOT_AGAIN or not (needs or call.number in seeds):
            continue
        if call.number in leave_out:
            left_out.append(call.number)
            continue
        running.append(call)
        remade |= dict.fromkeys(call.step.layer_ids, call)
    return running, left_out


def _real(call: Recorded, changed: Mapping[str, Json]) -> dict[str, Json]:
    """The changes that change something: neither what was given already nor what the tool takes anyway."""
    schema = schemas().get(call.step.tool)
    specs = schema.properties if schema else {}

    def same(name: str, value: Json) -> bool:
        default = specs.get(name, {}).get("default")
        was, now = (default if one is None else one for one in (call.step.arguments.get(name), value))
        return bool(was == now)

    return {name: value for name, value in changed.items() if not same(name, value)}


def _faults(history: History, call: Recorded, edits: Edits, workspace: Workspace) -> dict[str, str]:
    schema = schemas().get(call.step.tool)
    if schema is None or call.step.tool in NOT_AGAIN:
        return {"": f"{call.step.tool[:40]} cannot be run again"}
    given, specs = edited(call, edits), schema.properties
    wrong = schema.faults(given)
    if wrong:
        return wrong
    earlier = {layer for other in history.calls[: call.number - 1] for layer in other.step.layer_ids}
    for name, value in given.items():
        if "not the same layer" in specs[name].get("description", "") and value == given.get("layer"):
            wrong[name] = f"{name}: {value} is the layer itself"
        unknown = sorted(layers_in(call.step.tool, {name: value}) - earlier)
        if unknown:
            wrong[name] = f"{name}: {unknown[0]} was not there before this call"
    if wrong:
        return wrong
    try:
        check_state(workspace, call.step.tool, given)
    except InputError as error:
        # Most messages begin with the name; the others are about what was changed, if that is one thing.
        named = [name for name in given if re.match(rf"{re.escape(name)}\b", str(error))]
        changed = list(edits.get(call.number, ()))
        return {(named or (changed if len(changed) == 1 else [""]))[0]: str(error)}
    return {}


def _runs(turns: Sequence[Turn], calls: Sequence[Recorded]) -> Iterator[Run]:
    for place, turn in enumerate(turns):
        numbers = read_question(turn.question) if turn.model == BY_HAND else []
        before = {call.number: call for call in calls if call.turn < place}
        if numbers and set(numbers) <= set(before):
            mine = [call for call in calls if call.turn == place and call.step.tool not in NOT_AGAIN]
            yield Run(place, turn.question, tuple(_pairs([before[n] for n in numbers], mine)))


def _pairs(
    before: Sequence[Recorded], after: Sequence[Recorded]
) -> Iterator[tuple[Recorded, Recorded | None]]:
    """Each call with the one that was run in its place, in order; what failed left none."""
    left = list(after)
    lost: set[str] = set()
    for call in before:
        ran = None
        if not layers_in(call.step.tool, call.step.arguments) & lost and left:
            ran = left.pop(0) if left[0].step.tool == call.step.tool else None
        if ran is None:
            lost |= set(call.step.layer_ids)
        yield call, ran
