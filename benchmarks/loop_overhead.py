"""What the loop adds to the tools' own time, and how long warm questions take, without a browser.

    python benchmarks/loop_overhead.py [--index NAME] [--rounds N] [--json FILE]

Asks the offline planner the same questions, each in a conversation of its own, after one that warms up. The
overhead is the answer's wall time less that of its steps: planning, checks, checkpoints, evidence. On a busy
machine the processor's time tells more: of the whole program, less what it used while tools ran.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from functools import wraps
from typing import Any

from _common import make_parser, write_json

from agent.conversations import ConversationStore, delete_conversation
from agent.loop import open_conversation
from cli import _open_index
from prompts import load_prompts
from retrieval.settings import load_settings
from tools import TOOLS

QUESTIONS = (
    "Where are impact craters with layered ejecta?",
    "Are yardangs south of the equator aligned?",
    "Where are landslides within 30 km of graben?",
    "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?",
    "How many dunes lie north of 30 degrees?",
    "Are pitted cones nearer to outflow channels than chance?",
)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--index", default="lowell")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings, prompts = load_settings(), load_prompts()
    encoder, index = _open_index(options.index, settings, prompts)
    gc.freeze()  # as the chat does
    in_tools = 0.0

    def timed(tool: Any) -> Any:
        @wraps(tool)
        def run(*given: Any, **named: Any) -> Any:
            nonlocal in_tools
            began = time.process_time()
            try:
                return tool(*given, **named)
            finally:
                in_tools += time.process_time() - began

        return run

    tools = tuple(map(timed, TOOLS))
    walls, overheads, processor = [], [], []
    with ConversationStore(settings.conversations) as store:
        for turn in range(options.rounds + 1):
            for question in QUESTIONS:
                talk = open_conversation(settings, store, index, encoder, prompts, "offline", tools=tools)
                in_tools, started, spent = 0.0, time.perf_counter(), time.process_time()
                *_, answered = talk.ask(question)
                wall, busy = time.perf_counter() - started, time.process_time() - spent - in_tools
                beside = wall - sum(step.seconds for step in talk.turns[0].steps)
                if turn:  # the first round warms up
                    walls.append(wall)
                    overheads.append(beside)
                    processor.append(busy)
                    print(
                        f"{question[:56]:56s} {answered.status} {wall:6.2f} s, beside tools {beside:5.2f} s"
                        f" (processor {busy:5.2f} s)"
                    )
                delete_conversation(settings, store, talk.id)
    figures = {
        "questions": len(walls),
        "load_average": os.getloadavg()[0],
        "answer_median_s": statistics.median(walls),
        "answer_worst_s": max(walls),
        "overhead_median_s": statistics.median(overheads),
        "overhead_worst_s": max(overheads),
        "overhead_processor_median_s": statistics.median(processor),
        "overhead_processor_worst_s": max(processor),
    }
    for name, value in figures.items():
        print(f"{name:32s} {value:8.3f}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()
