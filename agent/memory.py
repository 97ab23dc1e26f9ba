"""What a model remembers of a conversation, made again from the turns where it is missing, and branches.

Turns are what people see, and the record that counts. The messages of a checkpoint are the model's memory of
them; a kill between the two, or a branch, leaves turns that no message speaks of.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.utils import get_buffer_string

from agent.events import Step, Turn
from agent.middleware import is_summary, own_stop, run_until_stopped
from agent.models import is_servers_fault
from prompts import load_prompts
from tools.schema import TOLD, told

QUESTION_CHARS = 300
LONGEST_FALLBACK = 6000


class Summariser:
    """Writes the summary that stands for the beginning of a long conversation, with the model itself."""

    def __init__(self, chat: BaseChatModel, stop: threading.Event, poll_s: float = 0.05) -> None:
        self._chat = chat
        self._stop = stop
        self._poll_s = poll_s

    def __call__(self, messages: list[AnyMessage]) -> str:
        """The summary; if the server fails, the questions alone.

        Raises
        ------
        Cancelled
            If the user presses stop meanwhile.
        """
        asked = [SystemMessage(load_prompts().summary), HumanMessage(get_buffer_string(messages))]
        try:
            with own_stop(self._stop):
                return run_until_stopped(lambda: self._chat.invoke(asked).text, self._stop, self._poll_s)
        except Exception as error:
            if not is_servers_fault(error):
                raise
        earlier = [message.text for message in messages if is_summary(message)]
        questions = [
            message.text[:QUESTION_CHARS]
            for message in messages
            if isinstance(message, HumanMessage) and not is_summary(message)
        ]
        return " ".join([*earlier, "The user asked:", " | ".join(questions)])[-LONGEST_FALLBACK:]


def history(turns: Iterable[Turn]) -> list[AnyMessage]:
    """Messages as a model would have exchanged them: questions, calls with their results, answers."""
    messages: list[AnyMessage] = []
    for turn in turns:
        messages.append(HumanMessage(turn.question))
        for step in turn.steps:
            messages += _call(step)
        messages.append(AIMessage(turn.answer))
    return messages


def first_questions(messages: Sequence[AnyMessage], turns: Sequence[Turn], keep: int) -> list[AnyMessage]:
    """Messages of the first ``keep`` turns.

    As they were exchanged if all are there; made again from the turns if some were summarised or are missing.
    """
    starts = [
        number
        for number, message in enumerate(messages)
        if isinstance(message, HumanMessage) and not is_summary(message)
    ]
    asked = [messages[start].text for start in starts]
    if asked != [turn.question for turn in turns]:
        return history(turns[:keep])
    return list(messages if keep >= len(turns) else messages[: starts[keep]])


def copy_results(
    turns: Sequence[Turn], layers: tuple[Path, Path], exports: tuple[Path, Path]
) -> tuple[int, int]:
    """Copy what these turns made from one conversation's folders to another's.

    Parameters
    ----------
    layers, exports
        Folder to copy from, folder to copy to; the latter are made.

    Returns
    -------
    tuple
        How many layers and how many other files were copied.
    """
    made = [layer for turn in turns for step in turn.steps for layer in step.layer_ids]
    last = max((int(layer[1:]) for layer in made), default=0)
    # Beside the layers the tests: they were asked, and count whatever is asked next.
    names = ["tests.json", *(f"L{n}{end}" for n in range(1, last + 1) for end in (".parquet", ".json"))]
    files = [name for turn in turns for step in turn.steps for name in (*step.pictures, *step.files)]
    return _copy(names, *layers) // 2, _copy(files, *exports)


def _call(step: Step) -> list[AnyMessage]:
    call_id = f"{step.step_id}-{step.tool}"
    content = step.error or told({name: getattr(step, name) for name in TOLD})
    call = {"name": step.tool, "args": dict(step.arguments), "id": call_id, "type": "tool_call"}
    return [
        AIMessage("", tool_calls=[call]),
        ToolMessage(
            content, tool_call_id=call_id, name=step.tool, status="error" if step.error else "success"
        ),
    ]


def _copy(names: Iterable[str], source: Path, target: Path) -> int:
    copied = 0
    target.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(names):
        inside = (source / name).resolve().is_relative_to(source.resolve())
        if inside and (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)
            copied += 1
    return copied
