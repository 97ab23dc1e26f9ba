"""The recipe panel: the calls that made the layers, in order, each an editable form, to run again changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from agent.chat.dialogue import TITLES, call_text, step_words
from agent.chat.house import ROUTES, House, Place, guarded, refusing
from agent.chat.markup import fill
from agent.direct import Work
from agent.events import Step
from agent.loop import Conversation
from agent.recipe_form import fields_of, read_edits, read_number
from agent.rerun import COMPARISON, NOT_AGAIN, History, Plan, Run, make_plan, read_history, work
from agent.rerun import faults as faults_of
from agent.rerun_words import Change, Recorded, figure_changes, label_of, question_text, value_text
from agent.transcript import shared_recipe
from retrieval.errors import InputError, ToolInputError
from tools.workspace import Workspace

Json = Any

NO_CONVERSATION = "there is no recipe yet"
QUESTION_CHARS = 300
REST_CHARS = 90
MOST_OPEN = 40  # forms at once
MOST_SHOWN = 200  # changed figures of a call in the table of differences
# Of the figures of a call the one that says most, for its line.
_KEY_FIGURES = ("count", "p_value", "given_p", "features", "precision", "layers")


def render(place: Place) -> str:
    """The calls under their questions, what the last run changed, and a bar for the next."""
    if place.session is None:
        return fill("panels/recipe.html.j2", asked=[])
    turns = place.session.conversation.turns
    history = read_history(turns)
    asked = []
    now = {was.number: now.number for run in history.runs for was, now in run.pairs if now}
    for turn, question in enumerate(turns):
        cards = [_card(call, now) for call in history.calls if call.turn == turn]
        if cards:
            asked.append({"question": question.question[:QUESTION_CHARS], "cards": cards})
    run = _chosen_run(history, place.query.get("run", ""))
    return fill(
        "panels/recipe.html.j2",
        asked=asked,
        run=None if run is None else _outcome(run, history),
        earlier=[
            {"turn": other.turn, "question": other.question[:QUESTION_CHARS], "on": other is run}
            for other in history.runs
        ],
        base=place.base,
        done=sum(any(now for _, now in run.pairs) for run in history.runs),
        count=len(history.calls),
        most_open=MOST_OPEN,
    )


def routes(house: House) -> list[Route]:
    """The form of a call, the check of changes, and the recipe as a file."""

    def form(request: Request) -> Response:
        _, history = _opened(house.place(request))
        call = history.call(request.path_params["number"])
        figures = [
            {"label": name, "value": value_text(name, value)} for name, value in call.step.figures.items()
        ]
        html = fill(
            "panels/recipe_form.html.j2",
            number=call.number,
            fields=fields_of(history, call),
            text=call_text(call.step.tool, call.step.arguments),
            summary=call.step.summary,
            figures=figures,
            again=call.step.tool not in NOT_AGAIN,
        )
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})

    def check(request: Request, payload: Mapping[str, Json]) -> Json:
        conversation, history = _opened(house.place(request))
        return _checked(payload, history, conversation.workspace)

    def recipe(request: Request) -> Response:
        conversation, _ = _opened(house.place(request))
        made, _ = shared_recipe(conversation.turns, conversation.workspace)
        name = f"areographer-{conversation.id[:8]}-recipe.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return JSONResponse(made.model_dump(mode="json"), headers=headers)

    one = f"/{ROUTES}/c/{{conversation}}"
    return [
        Route(f"{one}/recipe/call/{{number:int}}", refusing(form)),
        Route(f"{one}/recipe/check", guarded(check), methods=["POST"]),
        Route(f"{one}/recipe.json", refusing(recipe)),
    ]


def rerun(place: Place, payload: Mapping[str, Json]) -> tuple[str, Work]:
    """Run the recipe again: ``{edits, from, onwards, leave_out}``, as `agent.rerun.make_plan` takes them.

    Raises
    ------
    InputError
        If the payload makes no sense, or a change is wrong.
    """
    conversation, history = _opened(place)
    plan = _plan(payload, history, conversation.workspace)
    return plan.question, work(plan, conversation.workspace)


ACTIONS = {"rerun": rerun}


def _opened(place: Place) -> tuple[Conversation, History]:
    if place.session is None:
        raise ToolInputError(NO_CONVERSATION, next_step="ask a question first")
    conversation = place.session.conversation
    return conversation, read_history(conversation.turns)


def _plan(payload: Mapping[str, Json], history: History, workspace: Workspace) -> Plan:
    begin, leave_out = payload.get("from"), payload.get("leave_out") or []
    if not isinstance(leave_out, list):
        raise ToolInputError("leave_out is no list of calls", next_step="reload the page")
    return make_plan(
        history,
        read_edits(payload.get("edits") or {}, history),
        workspace,
        begin=None if begin is None else read_number(begin),
        onwards=payload.get("onwards") is True,
        leave_out=[read_number(number) for number in leave_out],
    )


def _checked(payload: Mapping[str, Json], history: History, workspace: Workspace) -> Json:
    """What is wrong with changes, by call and argument; if nothing is, what would run."""
    wrong = faults_of(history, read_edits(payload.get("edits") or {}, history), workspace)
    if wrong:
        return {"faults": wrong, "runs": [], "left_out": [], "said": ""}
    try:
        plan = _plan(payload, history, workspace)
    except InputError:  # everything was put back, or is left out
        plan = Plan(())
    left = [history.call(number) for number in plan.left_out]
    running = sorted([*plan.calls, *left], key=lambda call: call.number)
    said = question_text(plan.calls, {}).removeprefix("Run ").partition(" again")[0] if plan.calls else ""
    return {
        "faults": {},
        "runs": [
            {"number": call.number, "title": step_words(call.step.tool, call.step.arguments)}
            for call in running
        ],
        "left_out": list(plan.left_out),
        "said": said,
    }


def _card(call: Recorded, now: Mapping[int, int]) -> dict[str, Json]:
    """A call as a line; ``again`` is the number of the call that was run in its place."""
    step = call.step
    return {
        "number": call.number,
        "title": step_words(step.tool, step.arguments),
        "rest": _rest(step),
        "layers": [(layer, _title(step, layer)) for layer in step.layer_ids],
        "figure": _key_figure(step),
        "seconds": f"{step.seconds:.2f} s" if step.seconds < 100 else f"{step.seconds:,.0f} s",
        "again": now.get(call.number, 0),
        "fixed": step.tool in NOT_AGAIN,
    }


def _rest(step: Step) -> str:
    """What was given that the words of the call do not say: ``min lat 20°``."""
    told = {name for _, name, _, _ in Formatter().parse(TITLES.get(step.tool, "")) if name} | {"title"}
    given = [
        f"{label_of(name)} {_value_text(name, value)}"
        for name, value in step.arguments.items()
        if name not in told and value is not None and value != []
    ]
    text = ", ".join(given)
    return text if len(text) <= REST_CHARS else f"{text[: REST_CHARS - 1]}…"


def _title(step: Step, layer: str) -> str:
    brief = next((brief for brief in step.layers if brief.get("id") == layer), {})
    return str(brief.get("title", ""))


def _key_figure(step: Step) -> str:
    name = next((name for name in _KEY_FIGURES if name in step.figures), "")
    if not name:
        return ""
    value = value_text(name, step.figures[name])
    return f"{value} {label_of(name)}" if name in ("count", "features", "layers") else f"p {value}"


def _chosen_run(history: History, wanted: str) -> Run | None:
    chosen = next((run for run in history.runs if str(run.turn) == wanted), None)
    return chosen or (history.runs[-1] if history.runs else None)


def _outcome(run: Run, history: History) -> dict[str, Json]:
    """What a run changed, call by call."""
    made = {
        old: new
        for was, now in run.pairs
        if now is not None
        for old, new in zip(was.step.layer_ids, now.step.layer_ids, strict=False)
    }
    rows: dict[str, float | int] = {}
    for call in history.calls:
        if call.turn == run.turn and call.step.tool == COMPARISON:
            rows |= call.step.figures
    changed: list[dict[str, Json]] = []
    same: list[dict[str, Json]] = []
    failed: list[dict[str, Json]] = []
    for was, now in run.pairs:
        told = {"number": was.number, "title": step_words(was.step.tool, was.step.arguments)}
        if now is None:
            failed.append(told)
            continue
        arguments = [
            {"label": name, "before": _shown(was, name), "after": _shown(now, name)}
            for name in {**was.step.arguments, **now.step.arguments}
            if _renamed(was.step.arguments.get(name), made) != now.step.arguments.get(name)
        ]
        figures, kept = figure_changes(was.step, now.step, made)
        asked = {row["label"] for row in arguments}
        figures = [change for change in figures if change.name not in asked]
        layers = [_pair(old, new, rows) for old, new in made.items() if old in was.step.layer_ids]
        differs = arguments or figures or any(pair["differs"] for pair in layers)
        told |= {
            "now": now.number,
            "after": step_words(now.step.tool, now.step.arguments),
            "arguments": arguments,
            "figures": [_row(change) for change in figures[:MOST_SHOWN]],
            "kept": kept,
            "layers": layers,
            "gist": _gist(layers, figures),
        }
        (changed if differs else same).append(told)
    return {
        "question": run.question[:QUESTION_CHARS],
        "turn": run.turn,
        "changed": changed,
        "same": same,
        "failed": failed,
    }


def _gist(layers: Sequence[Mapping[str, Json]], figures: Sequence[Change]) -> str:
    """The one change that says most: rows of the first layer, or else a key figure."""
    for pair in layers:
        if pair["before"] is not None and pair["after"] is not None:
            return f"{pair['before']:,} → {pair['after']:,} rows"
    for name in _KEY_FIGURES:
        for change in figures:
            if change.name == name:
                return f"{change.label} {change.before} → {change.after}"
    return ""


def _pair(old: str, new: str, rows: Mapping[str, float | int]) -> dict[str, Json]:
    before, after = rows.get(f"count_{old}"), rows.get(f"count_{new}")
    # The map draws the first on top: of two the smaller, so that both can be seen.
    both = f"{new},{old}" if before is not None and after is not None and after < before else f"{old},{new}"
    gained, lost, scored = (rows.get(f"{what}_count_{new}") for what in ("gained", "lost", "rescored"))
    return {
        "old": old,
        "new": new,
        "both": both,
        "before": before,
        "after": after,
        "gained": gained,
        "lost": lost,
        "scored": scored,
        "differs": gained is None or bool(gained or lost or scored),
    }


def _row(change: Change) -> dict[str, str]:
    return {"label": change.name, "before": change.before, "after": change.after}


def _shown(call: Recorded, name: str) -> str:
    value = call.step.arguments.get(name)
    return "—" if value is None else _value_text(name, value)


def _value_text(name: str, value: Json) -> str:
    if isinstance(value, int | float):
        return value_text(name, value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _renamed(value: Json, made: Mapping[str, str]) -> Json:
    if isinstance(value, list | tuple):
        return [made.get(str(item), item) for item in value]
    return made.get(value, value) if isinstance(value, str) else value
