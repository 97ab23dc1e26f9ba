"""What the offline planner says of tests, and of its plan: from tool messages to the answer."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.events import Planned, Turn
from agent.grammar.steps import Plan
from agent.offline import OfflinePlanner
from agent.question import parse
from agent.record import Record
from prompts import load_prompts

GLOSSARY = load_prompts().glossary
SPIN = "Null model “spin”: latitudes and clusters stay."
SAME = "At stricter thresholds of 0.6 and 0.7 the enrichment is 4.9 and 5.1, and the answer is the same."


def a_test(
    verdict: str, near: float, chance: float, interval: tuple[float, float], p: float
) -> dict[str, Any]:
    """What `associate` says; ``{0}`` and ``{1}`` are the ids of its layers."""
    share = (
        f"64 of 81 features ({near} %) lie within 40 km of {{1}}; by chance {chance} % would, an enrichment "
        f"of 2.5 (95 % interval {interval[0]} to {interval[1]}), two-sided p = {p}; corrected for the 2 "
        f"tests of this conversation (Holm) p = {2 * p}."
    )
    figures = {"near_percent": near, "expected_percent": chance, "tested_count": 81, "distance_km": 40}
    figures |= {"enrichment_low": interval[0], "enrichment_high": interval[1]}
    return {"summary": f"{verdict} {share} {SPIN} {SAME}", "figures": figures}


NEARER = a_test("{0} lies nearer to {1} than chance allows.", 79, 17.6, (3.2, 6.1), 0.002)
NEITHER = a_test(
    "{0} lies neither nearer to {1} nor farther from it than chance allows: an enrichment of 1.9 or more "
    "would have been seen with a chance of 80 %.",
    *(18, 15.5, (0.9, 1.4), 0.3),
)
UNTOLD = a_test(
    "Cannot tell whether {0} lies nearer to {1} than chance allows: only an enrichment of 4 or more would "
    "have been seen.",
    *(10, 18, (0.1, 2), 0.6),
)


def answer(question: str, *tests: Mapping[str, Any]) -> AIMessage:
    """The last message of the planner, where the tests in turn say this, and any other tool little."""
    planner = OfflinePlanner(glossary=GLOSSARY, body="mars", tile_km=16)
    messages: list[BaseMessage] = [HumanMessage(question)]
    left, made = list(tests), 0
    while (reply := planner.invoke(messages)).tool_calls:
        messages.append(reply)
        for call in reply.tool_calls:
            said: dict[str, Any] = {"summary": "done", "figures": {"count": 41, "observed_percent": 90.5}}
            if call["name"] in ("associate", "compare", "orientation"):
                told = left.pop(0)
                ids = (call["args"]["layer"], call["args"].get("other", ""))
                said = {"summary": told["summary"].format(*ids), "figures": told["figures"]}
            elif call["name"] not in ("summarise", "draw_map"):
                made += 1
                said["layers"] = [{"id": f"L{made}", "title": "x", "kind": "tiles", "count": 41}]
            messages.append(ToolMessage(json.dumps(said), tool_call_id=call["id"], name=call["name"]))
    return reply


def parts(text: str) -> dict[str, str]:
    """The labelled lines of an answer; the paragraph before them under an empty name."""
    head, *lines = text.split("\n- ")
    return {"": head} | dict(line.split(": ", 1) for line in lines)


QUESTION = "Are pitted cones associated with outflow channels?"


def test_a_claim_that_was_tested_has_all_parts() -> None:
    said = parts(answer(QUESTION, NEARER).text)
    assert said[""].startswith("Pitted cones lie nearer to outflow channels than chance allows [L1, L2].")
    assert said["For"].startswith("64 of 81 features (79 %) lie within 40 km of outflow channels;")
    assert said["Against"] == "Nothing that was measured."
    assert said["Not observed"] == "Ground outside the 90.5 % of Mars that the index has observed [L3]."
    for words in ("p = 0.002", "(Holm)", "Null model “spin”", "stricter thresholds", "evidence, not proof"):
        assert words in said["How sure"]
    assert said["Next"] == "“Are pitted cones associated with outflow channels, given elevation?”"


def test_what_chance_does_too_speaks_against() -> None:
    said = parts(answer(QUESTION, NEITHER).text)
    assert "neither nearer to outflow channels nor farther from them" in said[""]
    assert said["For"].startswith("64 of 81 features (18 %)")
    assert said["Against"].startswith("Chance alone does as much often enough: two-sided p = 0.3;")
    assert "An enrichment of 1.9 or more would have been seen" in said["How sure"]
    assert "not proof" not in said["How sure"]


def test_what_cannot_be_told_speaks_neither_way() -> None:
    said = parts(answer(QUESTION, UNTOLD).text)
    assert said[""].startswith("Cannot tell whether pitted cones lie nearer to outflow channels")
    assert "Measured" in said
    assert not {"For", "Against"} & set(said)


def test_an_unlike_answer_at_other_thresholds_speaks_against() -> None:
    changed = {**NEARER, "summary": NEARER["summary"].replace("is the same", "is “no difference”")}
    assert "the answer is “no difference”" in parts(answer(QUESTION, changed).text)["Against"]


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ((NEARER, NEITHER), "Of these, the positions favour outflow channels, not lava flows [L1, L2, L3]."),
        ((NEARER, UNTOLD), "the positions favour outflow channels; about lava flows they leave the question"),
        ((NEARER, NEARER), "The positions fit outflow channels and lava flows alike and do not decide"),
        ((NEITHER, NEITHER), "The positions do not favour outflow channels or lava flows"),
        ((UNTOLD, UNTOLD), "The positions leave open which of outflow channels and lava flows they favour"),
    ],
)
def test_candidates_are_weighed_against_each_other(tests: Any, said: str) -> None:
    question = "Are pitted cones associated with outflow channels or with lava flows within 40 km?"
    text = answer(question, *tests).text
    assert said in parts(text)[""]
    assert text.count("Null model “spin”") == 1
    parted = "do not overlap, so the candidates differ" in text
    assert parted == (tests == (NEARER, NEITHER) or tests == (NEARER, UNTOLD))


def test_a_comparison_speaks_for_what_was_asked_or_against_it() -> None:
    higher = {
        "summary": "{0} has a higher elevation than {1}. The medians are 900 m (9 features) and 100 m (8 "
        "features). A feature of {0} has a higher elevation than one of {1} with a chance of 80 %, p = "
        "0.001.",
        "figures": {"difference_m": 800},
    }
    assert "medians" in parts(answer("Are gullies higher than dunes?", higher).text)["For"]
    said = parts(answer("Are gullies lower than dunes?", higher).text)
    assert said[""].startswith("Gullies have a higher elevation than sand dunes [L1, L2].")
    assert "medians" in said["Against"]


def test_a_count_stays_short() -> None:
    text = answer("How many gullies are there?").text
    assert "\n" not in text
    assert len(re.findall(r"\.(?:\s|$)", text)) <= 3


@pytest.mark.parametrize("tests", [(NEARER,), (NEITHER,), (UNTOLD,)])
def test_what_is_suggested_can_be_asked(tests: Any) -> None:
    reply = answer(QUESTION, *tests)
    offers = [*re.findall(r"“([^”]+\?)”", parts(reply.text)["Next"]), *reply.additional_kwargs["suggestions"]]
    for offer in (
        offer for offer in offers if not re.match(r"Which of those|Only|And|Are they|Export", offer)
    ):
        plan = parse(offer, GLOSSARY, ())
        assert isinstance(plan, Plan), offer
        assert not plan.unparsed


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Where are gullies?", "I will search for gullies and map what is found."),
        (
            QUESTION,
            "I will search for pitted cones and outflow channels, test the nearness of pitted cones to "
            "outflow channels (within 40 km) against chance, and keep those within that distance.",
        ),
        (
            "Are gullies higher than dunes?",
            "I will search for gullies and sand dunes and compare gullies with sand dunes by elevation.",
        ),
        (
            "Are yardangs aligned?",
            "I will search for yardangs and test whether yardangs have a common direction.",
        ),
    ],
)
def test_the_plan_is_said_before_the_first_call(question: str, said: str) -> None:
    assert OfflinePlanner(glossary=GLOSSARY).invoke([HumanMessage(question)]).text == said


def test_the_plan_is_kept_with_the_turn() -> None:
    record, call = Record("?", "q1"), {"name": "summarise", "args": {}, "id": "c"}
    for text in ("I will\nlook.", "I look again."):
        message = AIMessage(text, tool_calls=[call])
        events = list(record.take({"type": "updates", "data": {"model": {"messages": [message]}}}))
        assert (Planned("I will look.") in events) == (text == "I will\nlook.")
    turn = record.turn(
        "offline", evidence=Turn.__dataclass_fields__["evidence"].default_factory(), suggestions=()
    )
    assert turn.plan == "I will look."
    assert Turn.from_json(json.loads(json.dumps(turn.to_json()))).plan == "I will look."
