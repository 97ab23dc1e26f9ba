"""How long a newcomer waits: the first answer, a later start, and a question in an open conversation.

    python benchmarks/first_answer.py [--json FILE]

Runs the command line as a person would, in a fresh home folder, then asks in one process with everything
loaded. The baseline of the warm question is the time its tools alone take.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import make_parser, write_json

QUESTIONS = (
    "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?",
    "Where are impact craters with layered ejecta?",
    "Are yardangs south of the equator aligned?",
)


def run_ask(home: Path, question: str) -> tuple[float, dict[str, Any]]:
    """Wall-clock seconds and the report of one `areographer ask` in a process of its own."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "cli", "ask", question, "--json"],
        env={**os.environ, "AREOGRAPHER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - started, json.loads(done.stdout)


def warm(home: Path, repeats: int) -> list[dict[str, float]]:
    """First step, whole answer and tools alone, seconds, of questions in an open conversation."""
    from agent.conversations import ConversationStore
    from agent.events import Answered, StepFinished, StepStarted
    from agent.loop import open_conversation
    from prompts import load_prompts
    from retrieval.encoder import load_encoder
    from retrieval.library import open_gazetteer, open_or_make
    from retrieval.settings import load_settings

    settings, prompts = load_settings(home), load_prompts()
    encoder = load_encoder(settings.encoder)
    index = open_or_make("lowell", settings, encoder, prompts.background)
    rows = []
    with ConversationStore(settings.conversations) as store:
        for _ in range(repeats):
            conversation = open_conversation(
                settings,
                store,
                index,
                encoder,
                prompts,
                "offline",
                gazetteer=open_gazetteer(index, settings),
            )
            for question in QUESTIONS:
                started = time.perf_counter()
                first_step = tools = answer = float("nan")
                for event in conversation.ask(question):
                    now = time.perf_counter() - started
                    if isinstance(event, StepStarted) and first_step != first_step:
                        first_step = now
                    if isinstance(event, StepFinished):
                        tools = event.seconds + (0.0 if tools != tools else tools)
                    if isinstance(event, Answered):
                        answer = now
                rows.append({"first_step_s": first_step, "answer_s": answer, "tools_s": tools})
    return rows[len(QUESTIONS) :]  # the first round warms the caches


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        first, _ = run_ask(home, QUESTIONS[0])
        later = [run_ask(home, question)[0] for question in QUESTIONS]
        rows = warm(home, options.repeats + 1)
    figures = {
        "first_answer_fresh_home_s": first,
        "later_start_median_s": statistics.median(later),
        "later_start_worst_s": max(later),
        "making_lowell_and_index_s": first - statistics.median(later),
        "warm_first_step_median_s": statistics.median(row["first_step_s"] for row in rows),
        "warm_answer_median_s": statistics.median(row["answer_s"] for row in rows),
        "warm_answer_worst_s": max(row["answer_s"] for row in rows),
        "warm_tools_alone_median_s": statistics.median(row["tools_s"] for row in rows),
        "warm_answer_over_tools": statistics.median(row["answer_s"] / row["tools_s"] for row in rows),
    }
    for name, value in figures.items():
        print(f"{name:32s} {value:8.3f}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()
