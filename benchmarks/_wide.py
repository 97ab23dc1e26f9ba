"""How many planted faults the evidence check finds in answers, and how often it accuses a true one.

    python benchmarks/evidence.py [--answers 400] [--seed 0] [--half report] [--json FILE]

Asks the offline planner real questions of the index and keeps its answers and steps; writes further answers
from the same steps in the words of `evidence_answers`; plants one fault in each of half of them. A fault
counts as caught if something in its sentence is marked, a true answer as a false alarm if anything is. The
questions are in two halves: one the check was developed on, the other only reported.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from _common import make_parser, write_json
from evidence_answers import rephrase, titles_of
from evidence_faults import FAULTS, Made, plant

from agent.conversations import ConversationStore
from agent.events import Answered, Step, Turn
from agent.evidence import Finding, findings
from agent.evidence_claims import claims
from agent.loop import open_conversation
from cli import _open_index
from prompts import load_prompts
from retrieval.settings import load_settings

QUESTIONS = Path("/tmp/w/prose_wide.yaml")


def main() -> None:
    """Ask, make answers, check them, print a table, write JSON."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--answers", type=int, default=400, help="half of them get a fault")
    parser.add_argument("--half", choices=("develop", "report", "both"), default="report")
    parser.add_argument("--index", default="lowell")
    parser.add_argument(
        "--runs", type=Path, help="keep the runs here, and take them from here if they are there"
    )
    parser.add_argument("--show", action="store_true", help="print what escapes and what is accused")
    options = parser.parse_args()
    runs = runs_of(options.index, options.runs)
    figures: dict[str, Any] = {"seed": options.seed, "turns": sum(len(run["turns"]) for run in runs)}
    for half in ("develop", "report") if options.half == "both" else (options.half,):
        made = make_answers(runs, half, options.answers, options.seed)
        figures[half] = measure(made, runs, show=options.show)
        table(half, figures[half])
    write_json(figures, options.json)


def runs_of(index: str, file: Path | None) -> list[dict[str, Any]]:
    """Conversations with the offline planner: their turns, and what else the model was told."""
    if file and file.exists():
        return list(json.loads(file.read_text(encoding="utf-8")))
    settings, prompts = load_settings(), load_prompts()
    encoder, opened = _open_index(index, settings, prompts)
    asked = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        # Conversations and layers go to a folder of their own, not to the user's.
        settings = replace(settings, home=Path(folder))
        with ConversationStore(settings.conversations) as store:
            for half, line in ((half, line) for half, lines in asked.items() for line in lines):
                talk = open_conversation(settings, store, opened, encoder, prompts, "offline")
                for question in line.split("|"):
                    *_, last = talk.ask(question.strip())
                    assert isinstance(last, Answered)
                turns = [turn.to_json() for turn in talk.turns]
                runs.append(
                    {
                        "half": half,
                        "turns": turns,
                        "known": {"searched": len(opened), "tile_km": opened.grid.tile_km},
                    }
                )
    if file:
        write_json(runs, file)
    return runs


def make_answers(runs: Sequence[dict[str, Any]], half: str, count: int, seed: int) -> list[Made]:
    """As many true answers as false ones, the kinds of fault as even as the answers allow."""
    rng = random.Random(f"{seed} {half}")
    clean: list[Made] = []
    for number, turn, place in _answered(runs, half):
        asked, own = turn.question, _steps(runs[number], place)[-len(turn.steps) :]
        clean.append(Made(asked, turn.answer, number, place))
        titles = titles_of(_steps(runs[number], place))
        texts = {rephrase(own, titles, rng) for _ in range(6)} - {""}
        clean += [Made(asked, text, number, place) for text in sorted(texts) if claims(text)]
    rng.shuffle(clean)
    false: list[Made] = []
    kinds = list(FAULTS)
    wanted = count - count // 2
    for number in range(wanted):
        kind = kinds[number % len(kinds)]
        tries = (rng.choice(clean) for _ in range(200))
        planted = (plant(kind, made, _steps(runs[made.run], made.turn), rng) for made in tries)
        false += islice((found for found in planted if found), 1)
    return [*clean[: count // 2], *false]


def measure(made: Sequence[Made], runs: Sequence[dict[str, Any]], *, show: bool) -> dict[str, Any]:
    """Caught by kind, false alarms, intervals, and what went wrong."""
    caught: dict[str, list[bool]] = defaultdict(list)
    escaped: list[dict[str, str]] = []
    alarms: list[dict[str, str]] = []
    clean = 0
    for answer in made:
        steps, run = _steps(runs[answer.run], answer.turn), runs[answer.run]
        found = findings(answer.text, steps, answer.question, run["known"])
        if answer.kind == "clean":
            clean += 1
            if found:
                alarms.append({"answer": answer.text, "said": "; ".join(map(_words, found))})
            continue
        start, end = answer.place
        hit = any(start < finding.end <= end for finding in found)
        caught[answer.kind].append(hit)
        if not hit:
            escaped.append({"kind": answer.kind, "sentence": answer.text[start:end].strip()})
    if show:
        for item in (*escaped, *alarms):
            print(*item.values(), sep="\n    ")
    hits, false = sum(map(sum, caught.values())), sum(map(len, caught.values()))
    return {
        "clean": clean,
        "false_alarms": len(alarms),
        "false_alarm_share": len(alarms) / clean,
        "false_alarm_interval": wilson(len(alarms), clean),
        "faults": false,
        "caught": hits,
        "caught_share": hits / false,
        "caught_interval": wilson(hits, false),
        "kinds": {kind: [sum(rows), len(rows)] for kind, rows in caught.items()},
        "escaped": escaped,
        "alarms": alarms,
    }


def wilson(hits: int, of: int, z: float = 1.96) -> list[float]:
    """95 % interval of a share (Wilson 1927)."""
    share, square = hits / of, z * z / of
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * ((share * (1 - share) + square / 4) / of) ** 0.5
    return [max(0.0, middle - half), min(1.0, middle + half)]


def table(half: str, figures: dict[str, Any]) -> None:
    """Print the shares."""
    for kind, (hits, of) in sorted(figures["kinds"].items()):
        print(f"{half:8s} {kind:32s} {hits:4d} of {of}")
    for name, hits, of in (("caught", "caught", "faults"), ("false alarms", "false_alarms", "clean")):
        low, high = figures["caught_interval" if name == "caught" else "false_alarm_interval"]
        share = figures[hits] / figures[of]
        counted = f"{figures[hits]:4d} of {figures[of]}"
        print(f"{half:8s} {name:32s} {counted}   {share:.3f} ({low:.3f} to {high:.3f})")


def _answered(runs: Sequence[dict[str, Any]], half: str) -> list[tuple[int, Turn, int]]:
    return [
        (number, turn, place)
        for number, run in enumerate(runs)
        if run["half"] == half
        for place, turn in enumerate(map(Turn.from_json, run["turns"]))
        if turn.status == "answered" and not turn.evidence.unsupported
    ]


def _steps(run: dict[str, Any], place: int) -> list[Step]:
    """The steps of a conversation up to a turn, that turn among them."""
    return [step for turn in run["turns"][: place + 1] for step in Turn.from_json(turn).steps]


def _words(finding: Finding) -> str:
    return f"{finding.text}: {finding.why}"


if __name__ == "__main__":
    main()
