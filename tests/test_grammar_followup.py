"""Follow-up questions: what each changes of the question before, as the calls that its answer rests on."""

import json
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from agent.offline import OfflinePlanner
from prompts import load_prompts

PLACES = ("Gale", "Utopia Planitia", "Argyre Planitia")
PLANNER = OfflinePlanner(glossary=load_prompts().glossary, places=PLACES)
NEAR, LIMITED = "gullies within 40 km of graben", "dunes north of 20 N and below 0 m"
TEST = "Are gullies associated with craters within 40 km?"
NO_LAYER = {"summarise", "draw_map", "export_layer", "associate", "orientation", "sample_context", "compare"}
MEASURES = NO_LAYER - {"summarise", "draw_map"}


class Talk:
    """A conversation in which every tool finds something; layers are told by how they were made."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []
        self.layers: dict[str, str] = {}

    def ask(self, question: str) -> str:
        """What the answer cites and measures, or what was declined and why."""
        self.messages.append(HumanMessage(question))
        told: list[str] = []
        while (reply := PLANNER.invoke(self.messages)).tool_calls:
            self.messages.append(reply)
            for call in reply.tool_calls:
                name, given = call["name"], call["args"]
                if name == "decline":
                    self.messages.append(ToolMessage("{}", tool_call_id=call["id"]))
                    return f"declined: {given['reason']}"
                brief = self.made(name, given)
                if name in MEASURES:
                    told.append(self.written(name, given))
                content = {"figures": {"count": 5}, "layers": brief, "summary": f"{name} done"}
                self.messages.append(ToolMessage(json.dumps(content), tool_call_id=call["id"]))
                if name == "summarise":
                    told.append(self.layers[given["layer"]])
        self.messages.append(reply)
        return " ; ".join(dict.fromkeys(told))

    def made(self, name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
        """The layer that a tool makes."""
        if name in NO_LAYER:
            return []
        key = f"L{len(self.layers) + 1}"
        self.layers[key] = self.written(name, given)
        return [{"id": key, "title": self.layers[key], "count": 5, "kind": "tiles"}]

    def written(self, name: str, given: dict[str, Any]) -> str:
        """A call as a formula: ``near[40](gullies, graben)``, ``gullies{max_lat_deg=-30}``."""
        layers = [given.get(key) for key in ("layer", "other")] + list(given.get("layers") or ())
        of = [self.layers[str(layer)] for layer in layers if layer]
        rest = {k: v for k, v in given.items() if k not in ("layer", "other", "layers") and v is not None}
        if name == "search_words":
            return str(given["text"])
        if name == "filter_layer":
            return of[0] + "{" + ",".join(f"{k}={_short(v)}" for k, v in rest.items()) + "}"
        return f"{name}[{','.join(_short(v) for v in rest.values())}]({', '.join(of)})"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def talk(*questions: str) -> str:
    conversation = Talk()
    for question in questions:
        said = conversation.ask(question)
    return said


def near(km: float, one: str = "gullies", other: str = "graben") -> str:
    return f"near[{km:g}]({one}, {other})"


@pytest.mark.parametrize(
    ("question", "km"),
    [
        ("make that 80 km", 80),
        ("And within 80 km?", 80),
        ("what about 100?", 100),
        ("60", 60),
        ("what if I use 80 km?", 80),
        ("Could you tighten the distance to fifteen kilometres, if you would be so kind?", 15),
        ("reduce that to 15,000 m", 15),
        ("could you relax that to, say, 75 km?", 75),
        ("with a 15 km radius instead", 15),
        ("use 60 rather than 40", 60),
        ("not 40 but 60 km", 60),
        ("40 is too much, take 20", 20),
        ("OK and within 20 miles?", 32.1869),
        ("I meant miles", 64.3738),
        ("double the distance", 80),
        ("half that", 20),
        ("a bit wider please", 60),
        ("increase it by 20 km", 60),
        ("20 km less", 20),
        ("how many are there within 10 km?", 10),
        ("and within 80 km of the graben?", 80),
    ],
)
def test_another_number(question: str, km: float) -> None:
    assert talk(NEAR, question) == near(km)


@pytest.mark.parametrize(
    ("before", "question", "expected"),
    [
        # The side of a distance
        (NEAR, "and more than 80 km?", "without[80](gullies, graben)"),
        ("gullies more than 100 km from graben", "and less than 50 km?", near(50)),
        # Numbers of limits
        ("How many gullies are south of 30 S?", "what about 40?", "gullies{max_lat_deg=-40}"),
        ("gullies poleward of 40 degrees north", "50 degrees", "gullies{min_lat_deg=50}"),
        ("dunes below 0 m", "make it 500 m", "sand dunes{max_elevation_m=500}"),
        (NEAR, "raise the threshold to 80 %", near(40) + "{min_probability=0.8}"),
        # Limits in the place of their kind only
        (LIMITED, "and south of 10 S?", "sand dunes{max_lat_deg=-10,max_elevation_m=0}"),
        (LIMITED, "change the latitude to 30", "sand dunes{min_lat_deg=30,max_elevation_m=0}"),
        ("dunes north of 20 N", "and below -1000 m?", "sand dunes{min_lat_deg=20}{max_elevation_m=-1000}"),
        ("dunes in Gale", "and in Utopia Planitia?", "sand dunes{place=Utopia Planitia}"),
        ("dunes in the north", "do it again for the south", "sand dunes{max_lat_deg=0}"),
        ("dunes in Gale", "same for yardangs in Argyre Planitia", "yardangs{place=Argyre Planitia}"),
        # Limits dropped
        (LIMITED, "drop the elevation", "sand dunes{min_lat_deg=20}"),
        (LIMITED, "never mind the latitude", "sand dunes{max_elevation_m=0}"),
        (LIMITED, "anywhere on the planet", "sand dunes{max_elevation_m=0}"),
        (LIMITED, "without any limits", "sand dunes"),
        (LIMITED, "drop the latitude limit, I want the whole planet", "sand dunes{max_elevation_m=0}"),
        ("gullies in Gale near graben", "forget the graben", "gullies{place=Gale}"),
        # Others in their places
        (NEAR, "and of wrinkle ridges?", near(40, other="wrinkle ridges")),
        (NEAR, "now with wrinkle ridges instead of graben", near(40, other="wrinkle ridges")),
        (NEAR, "swap the graben for lava flows", near(40, other="lava flow")),
        (NEAR, "And less than 40 km from lava flows?", near(40, other="lava flow")),
        (NEAR, "The same for wrinkle ridges", near(40, other="wrinkle ridges")),
        (NEAR, "how about landslides", near(40, "landslide")),
        (NEAR, "I meant landslides, not gullies", near(40, "landslide")),
        (NEAR, "no, landslides", near(40, "landslide")),
        (NEAR, "repeat that for landslides and 60 km", near(60, "landslide")),
        (NEAR, "swap them", near(40, "graben", "gullies")),
        (NEAR, "the other way round please", near(40, "graben", "gullies")),
        # One more condition
        (NEAR, "and within 60 km of dunes?", f"near[60]({near(40)}, sand dunes)"),
        ("gullies", "and near lava flows, say 40 km?", near(40, other="lava flow")),
        ("gullies", "and craters within 30 km", near(30, other="impact crater")),
        (NEAR, "and are there dunes nearby?", f"near[40]({near(40)}, sand dunes)"),
        (NEAR, "and near lava flows instead?", near(40, other="lava flow")),
        (NEAR, "exclude those near dunes", f"without[40]({near(40)}, sand dunes)"),
        (NEAR, "Take away those that have a dune within 60 km.", f"without[60]({near(40)}, sand dunes)"),
        (NEAR, "remove anything south of 20 S", near(40) + "{min_lat_deg=-20}"),
        # The others
        (NEAR, "and the rest?", "without[40](gullies, graben)"),
        (NEAR, "which ones are not?", "without[40](gullies, graben)"),
        (NEAR, "how many of the gullies don't have any?", "without[40](gullies, graben)"),
        ("gullies south of 30 S", "and elsewhere?", "gullies{min_lat_deg=-30}"),
        # The surest
        ("gullies", "only the ones you are sure of", "gullies{min_probability=0.9}"),
        ("gullies", "leave out the doubtful ones", "gullies{min_probability=0.9}"),
        ("gullies", "drop everything under a probability of 0.8", "gullies{min_probability=0.8}"),
        ("gullies", "kick out anything below 70 %", "gullies{min_probability=0.7}"),
    ],
)
def test_changes(before: str, question: str, expected: str) -> None:
    assert talk(before, question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Is that more than chance?",
        "Could this be a coincidence? Test it.",
        "ok but is this just luck? run the test",
        "would i see that anywhere?",
        "is it significant?",
        "how likely is it that this is a coincidence",
        "p-value?",
    ],
)
def test_a_relation_is_tested(question: str) -> None:
    assert talk(NEAR, question) == f"associate[40](gullies, graben) ; {near(40)}"


def test_what_was_measured_is_measured_again() -> None:
    assert talk(TEST, "and within 80 km?").startswith("associate[80](gullies, impact crater)")
    assert talk(TEST, "and with graben?").startswith("associate[40](gullies, graben)")
    turned = talk("Which way do yardangs run in Gale?", "and in Utopia Planitia?")
    assert turned.startswith("orientation[](yardangs{place=Utopia Planitia})")
    assert "sample_context[['elevation']](gullies)" in talk("gullies", "how high up do they lie?")


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        (("gullies", "dunes", "back to the gullies: only south of 30 S"), "gullies{max_lat_deg=-30}"),
        (
            ("gullies", "dunes", "and of the first ones, how many lie north of 10 N?"),
            "gullies{min_lat_deg=10}",
        ),
        (("gullies", "dunes", "the ones before that"), "gullies"),
        (("gullies", "only south of 30 S", "undo that"), "gullies"),
        (("gullies", "dunes", "where do both occur together"), "overlap[](gullies, sand dunes)"),
        ((NEAR, "dunes", "go back to the first question and use 80 km"), near(80)),
        (("gullies", "dunes", "and now both"), "union[](gullies, sand dunes)"),
        (
            ("yardangs", "wrinkle ridges", "which of the yardangs are within 70 km of those ridges?"),
            near(70, "yardangs", "wrinkle ridges"),
        ),
        (("gullies", "only south of 30 S", "make that 40"), "gullies{max_lat_deg=-40}"),
        (
            (NEAR, "make that 80 km", "and of dunes?", "only the sure ones"),
            near(80, other="sand dunes") + "{min_probability=0.9}",
        ),
    ],
)
def test_further_back(questions: tuple[str, ...], expected: str) -> None:
    assert talk(*questions) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Why L3?",
        "what is in l3",
        "How did you get that?",
        "I do not understand L3, how was it made?",
        "why so few?",
    ],
)
def test_a_layer_is_explained(question: str) -> None:
    conversation = Talk()
    conversation.ask(NEAR)
    conversation.ask(question)
    answer = conversation.messages[-1].text
    assert all(said in answer for said in ("[L3]", "from L1 and L2", "“gullies”", "“graben”", "5 tiles"))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where are dunes?", "sand dunes"),
        ("landslides", "landslide"),
        ("How many yardangs are there?", "yardangs"),
        ("Where are dunes within 50 km of craters?", near(50, "sand dunes", "impact crater")),
        ("and where are yardangs?", "yardangs"),
        ("number of dunes", "sand dunes"),
        ("Please look for dunes and tell me where they are", "sand dunes"),
        ("Gullies within 100 km of Gale", "gullies{place=Gale,within_km=100}"),
        ("show them on a globe", ""),
        ("which of them are not near lava flows?", f"without[40]({near(40)}{{max_lat_deg=-20}}, lava flow)"),
    ],
)
def test_a_question_of_its_own_inherits_nothing(question: str, expected: str) -> None:
    assert talk(f"{NEAR}, south of 20 S", question) == expected


@pytest.mark.parametrize(
    ("before", "question", "said"),
    [
        ("gullies", "and within 50 km?", "no distance that 50 km could replace"),
        ("gullies", "swap them", "two sides"),
        ("gullies", "never mind the latitude", "no limit of latitude"),
        ("gullies", "explain L7", "no layer L7"),
        (NEAR, "make it 200,000,000 km", "no distance"),
        (NEAR, "Why are they there?", "how they formed"),
        (NEAR, "are you sure?", ""),
    ],
)
def test_what_cannot_be_changed_is_declined(before: str, question: str, said: str) -> None:
    answer = talk(before, question)
    assert answer.startswith("declined")
    assert said in answer
