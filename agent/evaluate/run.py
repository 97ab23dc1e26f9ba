"""Ask the questions: each wording in a conversation of its own, in a folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.callbacks import get_usage_metadata_callback

from agent.conversations import ConversationStore
from agent.evaluate.answers import Answer
from agent.evaluate.ground import Ground
from agent.evaluate.plans import read_calls
from agent.evaluate.suite import Question, filled
from agent.events import Turn
from agent.loop import open_conversation
from prompts import Prompts
from retrieval.settings import Settings
from tools import TOOLS, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrieval.encoder import Encoder
    from retrieval.library import Progress


@dataclass(frozen=True)
class Asked:
    """A question as it was put, and what came of it."""

    question: Question
    wording: str
    repeat: int
    answer: Answer
    tokens: int


def ask_all(
    questions: Sequence[Question],
    ground: Ground,
    encoder: Encoder,
    prompts: Prompts,
    settings: Settings,
    model: str,
    *,
    repeats: int = 1,
    maps: bool = True,
    progress: Progress | None = None,
) -> Iterator[Asked]:
    """Ask every wording of every question.

    Parameters
    ----------
    model
        ``offline`` or ``openai:NAME``.
    repeats
        How often each wording is asked.
    maps
        Whether the model may draw maps: drawing takes most of the time, and is not judged.

    Yields
    ------
    Asked
        In the order of the questions, their wordings and the repeats; its layers stand until the next.
    """
    tools = tuple(tool for tool in TOOLS if maps or tool.__name__ != "draw_map")
    total, done = repeats * sum(len(question.wordings) for question in questions), 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings.planets.mkdir(parents=True, exist_ok=True)
        (home / "planets").symlink_to(settings.planets)  # elevation is drawn once, not for each run
        away = replace(settings, home=home)
        for question in questions:
            asked = filled(question, lambda text: ground.filled(text, away.uploads))
            for wording in asked.wordings:
                for repeat in range(repeats):
                    yield _ask(asked, wording, repeat, ground, encoder, prompts, away, model, tools)
                    done += 1
                    if progress is not None:
                        progress("questions", done, total)


def _ask(
    question: Question,
    wording: str,
    repeat: int,
    ground: Ground,
    encoder: Encoder,
    prompts: Prompts,
    settings: Settings,
    model: str,
    tools: Sequence[Callable[..., ToolResult]],
) -> Asked:
    with ConversationStore(settings.conversations) as store, get_usage_metadata_callback() as usage:
        places = ground.planet.places
        conversation = open_conversation(
            settings, store, ground.index, encoder, prompts, model, gazetteer=places, tools=tools
        )
        for text in (*question.before, wording):
            for _ in conversation.ask(text):
                pass
        turns = conversation.turns
        tokens = sum(used.get("total_tokens", 0) for used in usage.usage_metadata.values())
        answer = Answer(turns[-1], read_calls(_calls(turns)), conversation.workspace.layers)
        return Asked(question, wording, repeat, answer, tokens)


def _calls(turns: Sequence[Turn]) -> Iterator[tuple[str, dict[str, object], tuple[str, ...]]]:
    for turn in turns:
        for step in turn.steps:
            if not step.error:
                yield step.tool, step.arguments, step.layer_ids
