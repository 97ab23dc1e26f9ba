"""Turns without a model: a person presses a button, and tools run in an order that is known beforehand.

Such a turn is stored, checked, replayed and remembered like any other; only nobody had to think of its calls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import StructuredTool

from agent.events import AnswerText, Event, Step
from agent.record import Record, as_sentence, kept
from agent.toolbox import explain
from retrieval.errors import Cancelled, InputError
from retrieval.stop import stopped_by
from tools.workspace import Workspace

Json = Any

# Yields a tool's name with arguments, is sent the finished step, and returns the text of the answer.
Work = Generator[tuple[str, dict[str, Json]], Step, str]


class Text(str):
    """The text of an answer, with what may be asked next.

    Attributes
    ----------
    suggestions
        Whole questions.
    """

    suggestions: tuple[str, ...] = ()

    def __new__(cls, text: str, suggestions: tuple[str, ...] = ()) -> Text:
        """A text with its suggestions."""
        made = super().__new__(cls, text)
        made.suggestions = suggestions
        return made


BY_HAND = "by hand"  # in place of the model's name
OUR_FAULT = "Something went wrong on our side; the log has the details."

log = logging.getLogger(__name__)


def carry_out(
    record: Record,
    work: Work,
    tools: Sequence[StructuredTool],
    workspace: Workspace,
    note: Callable[[Record], None],
) -> Iterator[Event]:
    """Run the calls of ``work`` one after another; afterwards ``record`` has a text and a status.

    A call that fails goes back to the work as a step with an error; what the work makes of it is its own. An
    `InputError` that the work raises itself ends the turn as failed.

    Parameters
    ----------
    tools
        What may be called, bound to the workspace (`agent.toolbox.wrap_tools`).
    note
        Called with the record before the first call and after each.

    Raises
    ------
    Cancelled
        If the workspace's stop is set meanwhile.
    """
    record.by = BY_HAND
    known = {tool.name: tool for tool in tools}
    note(record)
    number = 0
    try:
        name, arguments = next(work)
        while True:
            number += 1
            call_id = f"call-{number}"
            yield record.start(call_id, name, arguments)
            call = {"type": "tool_call", "id": call_id, "name": name, "args": arguments}
            try:
                workspace.check_stop()
                with stopped_by(workspace.stop):
                    message = known[name].invoke(call)
            except Cancelled:
                raise
            except Exception as error:
                # As in the agent's loop: a tool that breaks is a step that failed, and the turn goes on.
                message = ToolMessage(explain(error, name, arguments), tool_call_id=call_id, status="error")
            finished = record.close(message)
            note(record)
            yield finished
            name, arguments = work.send(finished.step)
    except StopIteration as end:
        if isinstance(end.value, Text):
            record.suggestions = end.value.suggestions
        record.end("answered", str(end.value))
        yield AnswerText(record.text)
    except Cancelled:
        raise
    except InputError as error:
        record.end("failed", as_sentence(error))
    except Exception as error:
        log.error("a turn by hand could not be carried out", exc_info=error)
        record.end("failed", f"{OUR_FAULT}{kept(record.layer_ids)}")
    finally:
        work.close()
