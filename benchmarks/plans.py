"""Plans alone: what the offline planner would call for a suite of questions, beside the calls expected.

    python benchmarks/plans.py [FOLDER] [--families a,b] [--show] [--json FILE]

The tools are made up (every search finds thirty tiles), so a suite takes seconds instead of minutes, and says
nothing of answers: `areographer evaluate agent` judges those. For whoever works on the grammar. What must be
declined counts as right if it is, what must be asked back if a question comes back; whether what is absent is
found is not judged. Places are those of a synthetic planet, which is made on first use.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from _common import make_parser, write_json
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.evaluate.ground import landform_keys
from agent.evaluate.plans import Call, Layer, read_calls
from agent.evaluate.scoring import match_plan
from agent.evaluate.suite import QUESTIONS_FOLDER, Question, filled, read_suite
from agent.offline import OfflinePlanner
from prompts import load_prompts
from retrieval.corpus.lowell.planet import cached_planet
from tools import TOOLS

COUNT = 30
LAYERLESS: tuple[str, ...] = ("summarise", "density", "compare", "associate", "orientation")
LAYERLESS += ("draw_map", "export_layer", "decline", "find_place", "evaluate_layer")
_BLANK = re.compile(r"<(\w+)(?: (\w+))?>")
_CITED = re.compile(r"\[(L\d+)\]")


class Conversation:
    """Questions to the offline planner, answered by made-up tools."""

    def __init__(self, planner: OfflinePlanner, places: pd.DataFrame) -> None:
        self.model = planner.bind(tool_names=sorted(tool.__name__ for tool in TOOLS))
        self.places = places.set_index("name")
        self.messages: list[BaseMessage] = []
        self.calls: list[Call] = []
        self.layers = 0

    def ask(self, question: str) -> tuple[list[Call], str]:
        """The calls of a question, and the answer."""
        self.messages.append(HumanMessage(question))
        begun = len(self.calls)
        while True:
            reply = self.model.invoke(self.messages)
            self.messages.append(reply)
            if not isinstance(reply, AIMessage) or not reply.tool_calls:
                return self.calls[begun:], reply.text
            for call in reply.tool_calls:
                self.messages.append(self._result(call["name"], call["args"], str(call["id"])))

    def _result(self, tool: str, arguments: dict[str, Any], call_id: str) -> ToolMessage:
        figures: dict[str, float] = {"count": COUNT}
        if tool == "find_place" and arguments.get("name") in self.places.index:
            place = self.places.loc[arguments["name"]]
            figures = {"lon_deg": float(place["lon"]), "lat_deg": float(place["lat"])}
        layers: list[dict[str, Any]] = []
        if tool not in LAYERLESS:
            self.layers += 1
            title = str(
                arguments.get("text") or arguments.get("file") or f"{tool} of {arguments.get('layer')}"
            )
            kind = "catalogue" if tool == "load_catalogue" else "tiles"
            layers = [{"id": f"L{self.layers}", "title": title, "kind": kind, "count": COUNT}]
        self.calls.append((tool, arguments, tuple(layer["id"] for layer in layers)))
        said = {"summary": f"{tool}: {COUNT} of {COUNT}.", "figures": figures, "layers": layers, "table": []}
        return ToolMessage(json.dumps(said), tool_call_id=call_id, name=tool)


def judge(
    question: Question, all_calls: list[Call], own: list[Call], text: str, key_of: Callable[[str], str]
) -> Any:
    """Whether the plan is right, and how many of how many argument values are."""
    made = [layer for _, _, layers in own for layer in layers]
    declined = any(tool == "decline" for tool, _, _ in own)
    if question.kind == "asks":
        return not made and not declined and "?" in text, 0, 0
    if question.kind == "declined":
        return declined, 0, 0
    if question.kind == "explained":
        words = [str(word).casefold() for word in question.about["says"]]
        return question.about["layer"] in text and all(word in text.casefold() for word in words), 0, 0

    def same(key: str, found: Layer) -> bool:
        return key_of(found.sought) == key

    candidates = list(dict.fromkeys(_CITED.findall(text))) or made
    match = match_plan(question, read_calls(all_calls), candidates, own, same)
    return (match.same, match.right, match.total) if match else (bool(own), 0, 0)


def main() -> None:
    """Ask, print what was missed and a table, write JSON."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("folder", nargs="?", type=Path, default=QUESTIONS_FOLDER)
    parser.add_argument("--families", default="")
    parser.add_argument("--show", action="store_true", help="print what was missed")
    options = parser.parse_args()
    prompts, places = load_prompts(), cached_planet(options.seed).places
    key_of = landform_keys(prompts.glossary)
    planner = OfflinePlanner(
        glossary=prompts.glossary, places=tuple(map(str, places["name"])), body="lowell", tile_km=16.0
    )

    def fill(text: str) -> str:
        return _BLANK.sub(lambda blank: _made_up(blank[1], blank[2] or "", places["name"].astype(str)), text)

    rows: dict[str, list[tuple[bool, int, int]]] = defaultdict(list)
    for question in read_suite(options.folder, [name for name in options.families.split(",") if name]):
        asked = filled(question, fill)
        for wording in asked.wordings:
            talk = Conversation(planner, places)
            for text in asked.before:
                talk.ask(text)
            own, answer = talk.ask(wording)
            right, values, of = judge(asked, talk.calls, own, answer, key_of)
            rows[question.family].append((bool(right), values, of))
            if options.show and not (right and values == of):
                print(f"{question.id} ({question.kind}): {' | '.join((*asked.before, wording))}")
                print(
                    "".join(f"    {tool} {arguments} {' '.join(ids)}\n" for tool, arguments, ids in own),
                    end="",
                )
                print(f"    {answer[:200]!r}")
    families = {family: summed(found) for family, found in rows.items()}
    families["all"] = summed([row for found in rows.values() for row in found])
    print(f"{'family':14s} {'wordings':>8s} {'right':>6s} {'plans':>6s} {'arguments':>9s}")
    for family, figures in families.items():
        print(
            f"{family:14s} {figures['wordings']:8d} {figures['right']:6.2f} {figures['plans']:6.2f} "
            f"{figures['arguments']:9.3f}"
        )
    write_json(families, options.json)


def summed(rows: list[tuple[bool, int, int]]) -> dict[str, Any]:
    """Shares of wordings all right, of plans right, and of argument values right (1 if none is expected)."""
    values = sum(of for _, _, of in rows)
    return {
        "wordings": len(rows),
        "right": sum(right and given == of for right, given, of in rows) / len(rows),
        "plans": sum(right for right, _, _ in rows) / len(rows),
        "arguments": sum(given for _, given, _ in rows) / values if values else 1.0,
    }


def _made_up(kind: str, key: str, names: pd.Series[str]) -> str:
    if kind == "tile":
        return "16km-r012c034"
    if kind == "picture":
        return f"view-{key}.png"
    wanted = (
        names.str.startswith("Wind region") if kind == "wind" else names.str.casefold().str.endswith(kind)
    )
    return str(names[wanted].iloc[0])


if __name__ == "__main__":
    main()
