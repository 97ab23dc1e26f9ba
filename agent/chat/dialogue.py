"""A question and its answer as chat messages: plain dictionaries, ready for any chat widget.

Text that people, files and models wrote is shown as text: no HTML of theirs is rendered and no picture of
theirs is fetched, so that an answer can neither break the page nor make it call another machine.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from agent.chat.sessions import Progress
from agent.events import Answered, Step
from agent.evidence_claims import CITATION, LAYER_ID

Json = Any
Message = dict[str, Json]

# Names of uploaded pictures, as `uploads.keep_picture` makes them; the only pictures a question may show.
PICTURE_NAME = re.compile(r"\bpicture-[0-9a-f]{12}\.png\b")

# Citations that are no links yet.
_CITATION = re.compile(rf"{CITATION.pattern}(?!\()")

# Characters that draw nothing or turn the line around.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# What would become a link, or say where one leads; citations stay.
_LINK = re.compile(r"\](?P<mark>\((?!#L\d+\))|:(?=\s*\S+\s*$))", re.MULTILINE)

# A question longer than this is cut off where it is shown.
QUESTION_CHARS = 1200

# What a step does, in words; arguments that a call lacks are left out by `step_title`.
TITLES = {
    "search_words": "Search for “{text}”",
    "search_example": "Search for tiles like {example}",
    "refine": "Refine {layer} by judged tiles",
    "classify": "Divide tiles among {classes}",
    "find_place": "Find the place {name}",
    "load_catalogue": "Load the catalogue {file}",
    "filter_layer": "Filter {layer}",
    "near": "Keep rows of {layer} within {distance_km} km of {other}",
    "without": "Keep rows of {layer} farther than {distance_km} km from {other}",
    "nearest": "Measure how far {layer} lies from {other}",
    "downslope": "Keep rows of {layer} downslope of {other}, within {distance_km} km",
    "union": "Join {layers}",
    "merge_features": "Merge touching rows of {layer} into features",
    "overlap": "Keep rows of {layer} that share ground with {other}",
    "associate": "Test whether {layer} lies nearer to {other} than chance",
    "sample_context": "Look up {values} at {layer}",
    "summarise": "Measure {layer}",
    "density": "Measure how dense {layer} is by {by}",
    "compare": "Compare {layer} by {by}",
    "orientation": "Measure directions in {layer}",
    "changes": "Compare {layers} with {earlier}",
    "novelty": "Look for rows of {layer} that {catalogue} does not list",
    "evaluate_layer": "Hold {layer} against {catalogue}",
    "draw_map": "Draw a map of {layers}",
    "export_layer": "Write {layers} as {format}",
    "decline": "Decline, with a reason",
}


def messages(progress: Progress, number: int, base: str, latest: bool) -> list[Message]:
    """All messages of one question.

    Parameters
    ----------
    number
        Position of the question in the conversation; makes the ids of its steps.
    base
        Address under which the conversation's files (``file/``) and uploads (``upload/``) are served.
    latest
        Whether it is the last question: its steps stay open and its follow-ups can be clicked.
    """
    made = [_question(progress.question, base)]
    if progress.plan:
        made.append({"role": "assistant", "content": f"**Plan:** {plain(progress.plan)}"})
    if progress.steps or progress.answered is None:
        made.extend(_steps(progress, number, latest))
    if progress.text:
        made.append({"role": "assistant", "content": answer_markdown(progress.text)})
    answered = progress.answered
    if answered:
        pictures = [name for step in progress.steps if isinstance(step, Step) for name in step.pictures]
        for name in pictures:
            address = f"{base}/file/{quote(name)}"
            made.append({"role": "assistant", "content": f"[![Map of the result]({address})]({address})"})
        parts = [_small_print(answered), _offers(progress, number, latest)]
        made.append({"role": "assistant", "content": "\n\n".join(filter(None, parts))})
        if latest and answered.suggestions:
            made[-1]["options"] = [{"value": text, "label": text} for text in answered.suggestions]
    return made


def answer_markdown(text: str) -> str:
    """An answer with its citations as links, without anyone's HTML or pictures."""
    return _CITATION.sub(_links, plain(text))


def _links(citation: re.Match[str]) -> str:
    return " ".join(f"[{layer}](#{layer})" for layer in LAYER_ID.findall(citation[0]))


def plain(text: str) -> str:
    """Markdown in which HTML, pictures and links elsewhere are text as typed, and nothing is unseen."""
    shown = html.escape(_UNSEEN.sub("", text), quote=False).replace("&gt;", ">").replace("![", "!\\[")
    return _LINK.sub(r"]\\\g<mark>", shown)


def step_title(tool: str, arguments: Mapping[str, Json]) -> str:
    """What a call does, as markdown: ``Keep rows of L1 within 40 km of L2``."""
    return plain(step_words(tool, arguments))


def step_words(tool: str, arguments: Mapping[str, Json]) -> str:
    """What a call does, as it is: not yet fit for markdown or HTML."""
    words = {name: _short(value) for name, value in arguments.items()}
    try:
        return TITLES[tool].format_map(words)
    except KeyError:
        return " ".join([tool.replace("_", " "), *list(words.values())[:1]])


def call_text(tool: str, arguments: Mapping[str, Json]) -> str:
    """The call as it was made: ``near(layer='L1', other='L2', distance_km=40)``."""
    given = (f"{name}={value!r}" for name, value in arguments.items() if value is not None)
    return f"{tool}({', '.join(given)})"


def _question(question: str, base: str) -> Message:
    shown = question if len(question) <= QUESTION_CHARS else f"{question[:QUESTION_CHARS]}…"
    content = plain(shown)
    for name in dict.fromkeys(PICTURE_NAME.findall(question)):
        content += f"\n\n![Uploaded picture]({base}/upload/{name})"
    return {"role": "user", "content": content}


def _steps(progress: Progress, number: int, latest: bool) -> list[Message]:
    root = f"q{number}"
    live = progress.answered is None
    group: dict[str, Json] = {"id": root, "title": _group_title(progress)}
    if live:
        group["status"] = "pending"
    else:
        group["duration"] = round(progress.answered.seconds, 2) if progress.answered else 0.0
        if not latest:
            group["status"] = "done"
    made: list[Message] = [{"role": "assistant", "content": "", "metadata": group}]
    left = progress.left.words if live else ""
    for position, step in enumerate(progress.steps):
        metadata: dict[str, Json] = {
            "id": f"{root}-{position}",
            "parent_id": root,
            "title": step_title(step.tool, step.arguments),
        }
        content = f"`{call_text(step.tool, step.arguments).replace('`', chr(39))}`"
        if isinstance(step, Step):
            metadata |= {"status": "done", "duration": round(step.seconds, 2), "log": _found(step)}
            content += f"\n\n{plain(step.error or step.summary)}"
        elif live:
            metadata["status"] = "pending"
            if left:
                # Tools run one after another: the first that has not ended is the one that runs.
                metadata["log"], left = left, ""
        else:
            metadata |= {"status": "done", "log": "not finished"}
        made.append({"role": "assistant", "content": content, "metadata": metadata})
    return made


def _group_title(progress: Progress) -> str:
    if progress.stopping:
        return "Stopping after the step in hand"
    count = len(progress.steps)
    if progress.before is not None and progress.answered is None:
        first = "1 question" if progress.before == 1 else f"{progress.before} questions"
        return f"Waiting: {first} of others come first" if progress.before else "Waiting: next in line"
    if progress.answered is None:
        return "Reading the question" if count == 0 else f"Working, step {count}"
    return "1 step" if count == 1 else f"{count} steps"


def _found(step: Step) -> str:
    if step.error:
        return "could not be done"
    found = [", ".join(step.layer_ids)] if step.layer_ids else []
    count = step.figures.get("count")
    if count is not None:
        found.append(f"{count:,.0f} {'row' if count == 1 else 'rows'}")
    return " · ".join(found) or "done"


def _small_print(answered: Answered) -> str:
    evidence = answered.evidence
    lines = []
    if evidence.unsupported:
        listed = ", ".join(plain(item) for item in evidence.unsupported)
        lines.append(f"**Not backed by any tool result:** {listed}")
    status = {
        "answered": "",
        "asked": "a question back: answer it, or ask something else",
        "declined": "declined",
        "failed": "not answered",
        "stopped": "stopped; what was finished before is kept",
    }[answered.status]
    backed = evidence.checked - len(evidence.unsupported)
    traced = f"{backed} of {evidence.checked} numbers traced to tool results" if evidence.checked else ""
    took = f"{answered.seconds:.1f} s" if answered.seconds >= 0.05 else ""
    facts = [part for part in (status, traced, took) if part]
    if facts:
        lines.append(f"<small>{' · '.join(facts)}</small>")
    return "\n\n".join(lines)


def _offers(progress: Progress, number: int, latest: bool) -> str:
    """Links that the page's script makes buttons of: what can be done with a question and its answer."""
    offers = {"copy": "Copy", "edit": "Edit", "branch": "Branch here", "again": "Ask again"}
    if progress.by_hand:  # chosen in a panel: there are no words to change or to ask again
        offers = {name: offers[name] for name in ("copy", "branch")}
    elif not latest:
        del offers["again"]
    return " ".join(f"[{words}](#do-{name}-{number})" for name, words in offers.items())


def _short(value: Json) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_short(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
