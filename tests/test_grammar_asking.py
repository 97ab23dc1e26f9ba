"""Asking back: what is asked, what must not be, and how the answer completes the question that waits."""

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.grammar.followups.context import KnownLayer, PlanContext
from agent.grammar.query import HOLE, Choice, Missing, QuestionBack, describe
from agent.grammar.steps import Plan
from agent.offline import OfflinePlanner
from agent.question import parse
from prompts import load_prompts

GLOSSARY = load_prompts().glossary
PLACES = (
    "Ares Mons",
    "Leto Basin",
    "Brisea Chasma",
    "Wind region 1",
    "Wind region 2",
    "Lacus Doris",
    "Lacus Minor",
)
LAYERS = (KnownLayer(id="L1", title="sand dunes", count=4), KnownLayer(id="L2", title="gullies", count=9))


def ask(question: str, context: PlanContext | None = None, pending: QuestionBack | None = None) -> Any:
    return parse(question, GLOSSARY, PLACES, context, body="lowell", pending=pending)


def asked(question: str, context: PlanContext | None = None) -> QuestionBack:
    back = ask(question, context)
    assert isinstance(back, QuestionBack), back
    return back


@pytest.mark.parametrize(
    ("missing", "questions"),
    [
        ("referent", "Where are they? | how many of them are there | Is it associated with channels?"),
        ("referent", "what does it look like | Draw a map of it | Export the result | Summarise the layer"),
        (
            "referent",
            "Compare them. | and north of it? | Which of the two lies higher? | Are these two related?",
        ),
        ("referent", "dunes north of it | Are they near craters? | Could you plot those for me?"),
        ("referent", "and is it more common in the south? | Which are closer to the equator?"),
        ("landform", "Show me something interesting | find me something cool | What's the best spot?"),
        ("landform", "Where should I land? | surprise me | orientation? | and further south?"),
        ("landform", "the same for the other hemisphere | what would you recommend | is that significant?"),
        ("landform", "I'm looking for a good landing site for my rover | How far is the nearest channel?"),
        ("second", "Are gullies associated? | test whether landslides are linked | compare dunes"),
        ("second", "Compare the gullies with | do yardangs cluster near? | What is close by?"),
        ("second", "Find everything within 40 km | dunes within 30 km | What are polygons related to?"),
        ("second", "farther than 60 km | dunes but not | How far are gullies? | dunes vs"),
        ("place", "Gullies near the mountain | dunes around that big basin | craters in that region"),
        ("place", "landslides within 50 km of the volcano | what lies within 40 km of that place?"),
        ("place", "which valleys are in the zone of interest?"),
        ("which", "dunes in Lacus | gullies near Wind region"),
        ("example", "find more like this | where else does it look like this?"),
        ("catalogue", "which craters are new to the catalogue?"),
    ],
)
def test_what_is_asked_back(missing: Missing, questions: str) -> None:
    for question in questions.split(" | "):
        back = asked(question)
        assert back.missing == missing, (question, back)
        assert back.text.endswith("?")
        assert back.text.count("?") == 1
        assert HOLE not in back.text
        assert 1 <= len(back.suggestions) <= 3, question
        for suggestion in back.suggestions:
            assert isinstance(ask(suggestion), Plan), (question, suggestion)


@pytest.mark.parametrize(
    "question",
    [
        "any shield volcanoes around here?",
        "gullies near craters",
        "Is it true that gullies are near craters?",
        "Those gullies near channels, how many are there?",
        "Are gullies and dunes associated?",
        "compare gullies and dunes",
        "compare the elevations of gullies",
        "gullies on the walls of the crater",
        "dunes near the crater rims",
        "dunes in the region around Ares Mons",
        "dunes in the region north of 30 degrees",
        "Where is the mountain?",
        "Are there gullies or not?",
        "dunes near the pole",
        "gullies within 40 km of each other",
    ],
)
def test_what_is_not_asked_back(question: str) -> None:
    assert not isinstance(ask(question), QuestionBack)


@pytest.mark.parametrize(
    "question",
    [
        "asdf qwer zxcv",
        "save the whales",
        "gullies near forests",
        "How old are they?",
        "Show its parachute",
        "Tell me a joke",
        "hello",
        "where are the bridges and roads",
        "does it cost anything",
    ],
)
def test_what_is_declined_all_the_same(question: str) -> None:
    assert not isinstance(ask(question), Plan | QuestionBack)


def test_choices_are_those_there_are() -> None:
    assert "Ares Mons" in asked("Gullies near the mountain").text
    assert "Brisea Chasma" in asked("landslides in that canyon").text
    assert [c.words for c in asked("dunes in Lacus").choices] == ["Lacus Doris", "Lacus Minor"]
    context = PlanContext(layers=LAYERS, result="L1", results=("L1", "L2"))
    back = asked("draw a map of it", context)
    assert back.text == "Which do you mean by “it”: [L1] sand dunes or [L2] gullies?"
    assert back.suggestions[1] == "Draw a map of L2."
    assert isinstance(ask("draw a map of them", context), Plan)
    assert "[L1] sand dunes" in asked("Are gullies associated?", PlanContext(layers=LAYERS[:1])).text


@pytest.mark.parametrize(
    ("question", "reply", "meant"),
    [
        ("Are gullies associated?", "with outflow channels", "gullies near outflow channels"),
        ("Are gullies associated?", "maybe the dunes?", "gullies near sand dunes"),
        ("Dunes within 30 km", "lava flows", "sand dunes within 30 km of lava flows"),
        ("Dunes within 30 km", "of lava flows, but 20 km", "sand dunes within 20 km of lava flows"),
        ("Gullies near the mountain", "Ares Mons", "gullies, in Ares Mons"),
        ("Gullies near the mountain", "I mean Ares Mons, 40 km", "gullies, within 40 km of Ares Mons"),
        ("Gullies near the mountain", "yes the first", "gullies, in Ares Mons"),
        ("Gullies near the mountain", "any mesas", "gullies near mesas and knobs"),
        ("gullies near Wind region", "2", "gullies, in Wind region 2"),
        ("gullies near Wind region", "number 1", "gullies, in Wind region 1"),
        ("dunes in Lacus", "Minor", "sand dunes, in Lacus Minor"),
        ("Where are they?", "the second one please", "sand dunes"),
        ("Show me something interesting", "you choose", "gullies"),
        ("Are they near channels?", "lava flows", "lava flows near channels"),
        ("Compare them", "gullies and dunes", "gullies or sand dunes"),
        ("Is that significant?", "gullies with craters", "gullies near impact craters"),
        ("What is near channels?", "dunes", "sand dunes near channels"),
        ("dunes north of it", "the equator", "sand dunes, north of the equator"),
    ],
)
def test_a_reply_completes_the_question_that_waits(question: str, reply: str, meant: str) -> None:
    plan = ask(reply, pending=asked(question))
    assert isinstance(plan, Plan), plan
    assert describe(plan.query) == meant
    assert plan.notes[0] == f"“{reply}” was taken as the answer to what I asked"


@pytest.mark.parametrize(
    "question", ["Where are lava flows?", "how many pit chains are there", "show me yardangs near channels"]
)
def test_a_full_question_drops_the_one_that_waits(question: str) -> None:
    assert ask(question, pending=asked("compare dunes")) == ask(question)


def test_a_reply_that_leaves_it_open_is_asked_again() -> None:
    back = asked("Gullies near the mountain")
    again = ask("40 km", pending=back)
    assert isinstance(again, QuestionBack)
    assert again.frame == f"Gullies within 40 km of {HOLE}"
    assert describe(ask("Ares Mons", pending=again).query) == "gullies, within 40 km of Ares Mons"
    assert ask("yes", pending=back) == back
    assert ask("no", pending=back).text == "What do you mean then, in a few words?"
    one = back.model_copy(update={"choices": (Choice(words="Ares Mons", said="Ares Mons"),)})
    assert describe(ask("yes", pending=one).query) == "gullies, in Ares Mons"
    chain = ask("dunes", pending=asked("is that significant?"))
    assert chain.text.startswith("With what may sand dunes be associated")
    assert ask("asdf", pending=back).kind == "off_topic"


# In a conversation


def talk(*questions: str) -> list[BaseMessage]:
    """Questions to a planner of which every tool makes a layer of three rows."""
    planner = OfflinePlanner(glossary=GLOSSARY, places=PLACES, body="lowell")
    messages: list[BaseMessage] = []
    for question in questions:
        messages.append(HumanMessage(question))
        while isinstance(reply := planner.invoke(messages), AIMessage) and reply.tool_calls:
            messages.append(reply)
            for call in reply.tool_calls:
                made = {"id": f"L{len(messages)}{call['id'][-1]}", "title": call["name"], "count": 3}
                content = json.dumps({"summary": "Done.", "layers": [made]})
                messages.append(ToolMessage(content, tool_call_id=call["id"], name=call["name"]))
        messages.append(reply)
    return messages


def test_the_question_that_waits_is_found_in_the_messages_alone() -> None:
    messages = talk("Are gullies associated?")
    assert not any(isinstance(message, ToolMessage) for message in messages)
    assert messages[-1].text.startswith("With what may gullies be associated, for example ")
    assert messages[-1].additional_kwargs["suggestions"][0].startswith("Are gullies associated with ")
    calls = [c for m in talk("Are gullies associated?", "with craters") for c in getattr(m, "tool_calls", ())]
    assert calls[1]["args"] == {"text": "impact crater"}
    assert "associate" in {call["name"] for call in calls}


def test_a_question_back_leaves_the_results_before_as_they_are() -> None:
    messages = talk(
        "Where are gullies?", "dunes near the mountain", "Where are dunes?", "compare yardangs", "L3"
    )
    assert messages[-1].text
    before = talk("Where are gullies?", "Show dunes in Lacus", "which of those are north of 20 degrees?")
    assert "filter_layer" in {c["name"] for m in before for c in getattr(m, "tool_calls", ())}


def test_what_another_model_answered_does_not_wait() -> None:
    planner = OfflinePlanner(glossary=GLOSSARY, places=PLACES, body="lowell")
    messages = [HumanMessage("Are gullies associated?"), AIMessage("They are."), HumanMessage("dunes")]
    assert [call["args"] for call in planner.invoke(messages).tool_calls] == [{"text": "sand dunes"}]
