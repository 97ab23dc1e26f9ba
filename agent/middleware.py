"""What surrounds every model call and tool call: stop, live state, limits, a history providers accept."""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any, NotRequired, TypeVar

from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain.agents.middleware.types import AgentState, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.runtime import Runtime
from langgraph.types import Command

from retrieval.errors import Cancelled
from retrieval.stop import stopped_by
from tools.workspace import Workspace

T = TypeVar("T")
ModelHandler = Callable[[ModelRequest[Any]], ModelResponse[Any]]
ToolHandler = Callable[[ToolCallRequest], ToolMessage | Command[Any]]

STOPPED_CALL = "The user pressed stop before this call gave a result."
UNANSWERED_CALL = "This call was cut off before it gave a result. Call it again if its result is needed."
MALFORMED_CALL = "The arguments of this call were not valid JSON. Call it again with one JSON object."
UNANSWERED_QUESTION = "(This question was cut off before it was answered.)"
SUMMARY_READ = "(Read.)"

# Time that a stopped tool has to end by itself, so that what it finishes just now is kept.
GRACE_S = 0.3


class CallStop(threading.Event):
    """The stop of one call: set with the user's, and for good once nobody waits for the call."""

    def __init__(self, users: threading.Event) -> None:
        super().__init__()
        self._users = users

    def is_set(self) -> bool:
        """Whether the call should end."""
        return super().is_set() or self._users.is_set()


class TokenLimitExceeded(Exception):
    """One question took more tokens than it may."""


class Stoppable(AgentMiddleware[AgentState[Any], Any, Any]):
    """Ends the run with `Cancelled` soon after the stop event is set.

    Model calls are left to end unheard in their own threads, because a server that hangs cannot be
    interrupted otherwise. Tools look at their stop between pieces of work, and are left behind too if one
    piece takes long: then they end after it, and make no layer. Their calls are answered with an error, so
    that the results of those before are kept with the history.
    """

    def __init__(self, workspace: Workspace, poll_s: float = 0.05, grace_s: float = GRACE_S) -> None:
        super().__init__()
        self._workspace = workspace
        self._poll_s = poll_s
        self._grace_s = grace_s

    def wrap_model_call(self, request: ModelRequest[Any], handler: ModelHandler) -> ModelResponse[Any]:
        """Call the model unless stopped, and give up waiting for it once stopped."""
        self._workspace.check_stop()
        with own_stop(self._workspace.stop):
            return run_until_stopped(lambda: handler(request), self._workspace.stop, self._poll_s)

    def wrap_tool_call(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage | Command[Any]:
        """Run the tool unless stopped; failures too get their wall time."""
        started = time.perf_counter()
        try:
            self._workspace.check_stop()
            with own_stop(self._workspace.stop):
                message = run_until_stopped(
                    lambda: handler(request), self._workspace.stop, self._poll_s, self._grace_s
                )
        except Cancelled:
            call = request.tool_call
            message = ToolMessage(STOPPED_CALL, tool_call_id=call["id"], name=call["name"], status="error")
        if isinstance(message, ToolMessage) and message.artifact is None:
            message.artifact = {"seconds": time.perf_counter() - started}
        return message


@contextmanager
def own_stop(users: threading.Event) -> Iterator[None]:
    """Give the call of this block a stop of its own, which is set for good when it is left behind."""
    stop = CallStop(users)
    try:
        with stopped_by(stop):
            yield
    except Cancelled:
        stop.set()
        raise


class OneAtATime(AgentMiddleware[AgentState[Any], Any, Any]):
    """Runs the tools of one message one after another, in the order the model named them.

    The loop starts them all at once; layers would get other ids on every run, and two could get the same.
    """

    def __init__(self, workspace: Workspace, poll_s: float = 0.05) -> None:
        super().__init__()
        self._workspace = workspace
        self._poll_s = poll_s
        self._turn = threading.Condition()
        self._message: AIMessage | None = None
        self._done: set[str | None] = set()
        self._running = False

    def wrap_tool_call(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage | Command[Any]:
        """Wait for the calls named before this one, then run it."""
        call_id = request.tool_call["id"]
        messages = request.state["messages"]
        with self._turn:
            asked = next(message for message in reversed(messages) if isinstance(message, AIMessage))
            if self._message is not asked:
                self._message, self._done = asked, set()
            earlier = _calls_before(call_id, messages)
            # Once stopped, order matters no more: `Stoppable` lets none of them begin.
            while (self._running or not earlier <= self._done) and not self._workspace.stop.is_set():
                self._turn.wait(self._poll_s)
            self._running = True
        try:
            return handler(request)
        finally:
            with self._turn:
                self._running = False
                self._done.add(call_id)
                self._turn.notify_all()


class LiveState(AgentMiddleware[AgentState[Any], Any, Any]):
    """Appends what is true right now to the system prompt of each call; nothing of it is kept."""

    def __init__(self, describe: Callable[[], str]) -> None:
        super().__init__()
        self._describe = describe

    def wrap_model_call(self, request: ModelRequest[Any], handler: ModelHandler) -> ModelResponse[Any]:
        """One system message, the first: some servers' chat templates allow no second."""
        prompt = request.system_message.text + "\n\n" if request.system_message else ""
        return handler(request.override(system_message=SystemMessage(prompt + self._describe())))


class TokenLimit(AgentMiddleware[AgentState[Any], Any, Any]):
    """Counts the tokens of a question, as the server reports them or by a rule of thumb, and ends it in time.

    Attributes
    ----------
    spent
        Tokens sent and received since it was last set to 0.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.spent = 0
        self._limit = limit
        self._of_tools: int | None = None

    def wrap_model_call(self, request: ModelRequest[Any], handler: ModelHandler) -> ModelResponse[Any]:
        """Call the model unless the limit is reached.

        Raises
        ------
        TokenLimitExceeded
            If it is.
        """
        if self.spent >= self._limit:
            raise TokenLimitExceeded(f"{self.spent} tokens, and {self._limit} are allowed")
        response = handler(request)
        replies = [message for message in response.result if isinstance(message, AIMessage)]
        reported = [message.usage_metadata for message in replies if message.usage_metadata]
        if reported:
            self.spent += sum(usage["total_tokens"] for usage in reported)
        else:
            prompt = [request.system_message] if request.system_message else []
            if self._of_tools is None:  # the same in every call
                self._of_tools = count_tokens_approximately([], tools=list(request.tools))
            self.spent += self._of_tools
            self.spent += count_tokens_approximately([*prompt, *request.messages, *response.result])
        return response


class MemoryState(AgentState[Any]):
    """The state of a conversation: its messages, and how many questions they speak of."""

    asked: NotRequired[int]


class ValidHistory(AgentMiddleware[MemoryState, Any, Any]):
    """Shows the model a history that every provider accepts, whatever a stop or a kill left behind."""

    state_schema = MemoryState

    def wrap_model_call(self, request: ModelRequest[Any], handler: ModelHandler) -> ModelResponse[Any]:
        """Repair for this call only, what is stored stays as it happened; give the new calls proper ids."""
        response = handler(request.override(messages=repair(request.messages)))
        response.result = [tidied(item) if isinstance(item, AIMessage) else item for item in response.result]
        return response

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: MemoryState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Ask again when the only calls are malformed: the loop would take them for an empty answer."""
        last = state["messages"][-1]
        if isinstance(last, AIMessage) and last.invalid_tool_calls and not last.tool_calls:
            return {"jump_to": "model"}
        return None


def repair(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Answer every dangling tool call, drop stray tool messages, part questions that meet.

    Valid histories come back unchanged. Providers reject an assistant's tool call that no tool message
    answers, and a tool message that answers no call.
    """
    repaired: list[AnyMessage] = []
    pending: dict[str, ToolMessage] = {}
    for message in messages:
        if isinstance(message, ToolMessage):
            if pending.pop(message.tool_call_id, None):
                repaired.append(message)
            continue
        repaired.extend(pending.values())
        pending = _stand_ins(message) if isinstance(message, AIMessage) else {}
        if isinstance(message, HumanMessage) and repaired and not _is_answer(repaired[-1]):
            repaired.append(AIMessage(SUMMARY_READ if is_summary(repaired[-1]) else UNANSWERED_QUESTION))
        repaired.append(message)
    return repaired + list(pending.values())


def tidied(message: AIMessage) -> AIMessage:
    """Tool calls as the loop wants them: each with an id of its own, arguments that are null left out.

    Some servers send calls without an id, or several with one; under strict schemas a model must write null
    for what it leaves out.
    """
    seen: set[str] = set()

    def named(call: Any) -> Any:
        call_id = call["id"]
        if not call_id or call_id in seen:
            call_id = f"call_{uuid.uuid4().hex[:16]}"
        seen.add(call_id)
        return {**call, "id": call_id}

    calls = [
        {**named(call), "args": {name: value for name, value in call["args"].items() if value is not None}}
        for call in message.tool_calls
    ]
    malformed = [named(call) for call in message.invalid_tool_calls]
    return message.model_copy(update={"tool_calls": calls, "invalid_tool_calls": malformed})


def is_summary(message: AnyMessage) -> bool:
    """Whether this message stands for older ones that were summarised."""
    return isinstance(message, HumanMessage) and message.additional_kwargs.get("lc_source") == "summarization"


def run_until_stopped(call: Callable[[], T], stop: threading.Event, poll_s: float, grace_s: float = 0.0) -> T:
    """Run a call in a thread of its own and return its result.

    Parameters
    ----------
    grace_s
        How long it may still take once ``stop`` is set.

    Raises
    ------
    Cancelled
        That long after ``stop`` is set; the thread ends when its call does and nobody hears of it.
    """
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            future.set_result(context.run(call))
        except BaseException as error:  # whatever it is belongs to the caller's thread
            future.set_exception(error)

    threading.Thread(target=work, name="call", daemon=True).start()
    while not wait([future], timeout=poll_s).done:
        if stop.is_set():
            if grace_s and wait([future], timeout=grace_s).done:
                break
            raise Cancelled("stopped by the user")
    return future.result()


def _calls_before(call_id: str | None, messages: Sequence[AnyMessage]) -> set[str | None]:
    """Ids of the calls that the last assistant message names before this one and that nobody answered yet."""
    answered = set()
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            answered.add(message.tool_call_id)
        elif isinstance(message, AIMessage):
            ids = [call["id"] for call in message.tool_calls]
            return set(ids[: ids.index(call_id)]) - answered
    return set()


def _stand_ins(message: AIMessage) -> dict[str, ToolMessage]:
    calls = [(call, UNANSWERED_CALL) for call in message.tool_calls]
    malformed = [(call, MALFORMED_CALL) for call in message.invalid_tool_calls]
    return {
        str(call["id"]): ToolMessage(
            text, tool_call_id=str(call["id"]), name=call["name"] or "unknown", status="error"
        )
        for call, text in [*calls, *malformed]
    }


def _is_answer(message: AnyMessage) -> bool:
    return isinstance(message, AIMessage) and not _stand_ins(message)
