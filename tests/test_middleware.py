"""Histories after stops and kills; the rest of the middleware is tested through the loop."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from agent.middleware import repair
from tests.openai_server import what_is_wrong

CALL_IDS = st.sampled_from("abc")
MESSAGES = st.lists(
    st.one_of(
        st.builds(HumanMessage, st.just("q")),
        st.builds(AIMessage, st.just("a")),
        st.lists(CALL_IDS, min_size=1, max_size=3, unique=True).map(
            lambda ids: AIMessage("", tool_calls=[{"name": "seek", "args": {}, "id": i} for i in ids])
        ),
        st.builds(ToolMessage, st.just("r"), tool_call_id=CALL_IDS),
    ),
    max_size=12,
)


@given(MESSAGES)
def test_any_history_is_repaired_and_a_good_one_left_alone(messages: list[AnyMessage]) -> None:
    repaired = repair(messages)
    assert refusal(repaired) == ""
    assert repair(repaired) == repaired
    assert [m for m in repaired if isinstance(m, HumanMessage)] == [
        m for m in messages if isinstance(m, HumanMessage)
    ]
    if not refusal(messages):
        assert repaired == messages


def refusal(messages: Sequence[AnyMessage]) -> str:
    roles = {"human": "user", "ai": "assistant", "tool": "tool"}
    sent = []
    for message in messages:
        body: dict[str, Any] = {"role": roles[message.type]}
        if isinstance(message, AIMessage):
            body["tool_calls"] = message.tool_calls
        if isinstance(message, ToolMessage):
            body["tool_call_id"] = message.tool_call_id
        sent.append(body)
    return what_is_wrong(sent)
