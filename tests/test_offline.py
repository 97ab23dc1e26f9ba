"""The offline planner, a chat model: alone, in a real agent with toy tools, and over an index."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver

from agent.conversations import ConversationStore
from agent.events import Answered, Step
from agent.evidence import check
from agent.grammar.steps import Plan
from agent.loop import open_conversation
from agent.offline import OfflinePlanner, read_outcome
from agent.question import parse
from prompts import load_prompts
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.workspaces import a_gazetteer

GLOSSARY = load_prompts().glossary
QUESTION = "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?"


@pytest.fixture
def planner() -> OfflinePlanner:
    return OfflinePlanner(glossary=GLOSSARY, places=("Gale", "Hellas Planitia"), body="mars", tile_km=16)


class Toys:
    """Tools that answer at once, with layers of a size that a test chooses."""

    def __init__(
        self, counts: dict[str, int] | None = None, broken: Sequence[str] = (), spread_deg: float = 10.0
    ) -> None:
        self.counts = counts or {}
        self.spread_deg = spread_deg
        self.broken = broken
        self.layers: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.steps: list[Step] = []

    def tools(self) -> list[Any]:
        toys = self

        @tool
        def search_words(text: str) -> str:
            """Search."""
            figures = {
                "threshold": 0.5,
                "stricter_threshold": 0.6,
                "stricter_count": 7,
                "best_probability": 0.31,
                "searched": 1000,
            }
            return toys.answer("search_words", {"text": text}, text, figures, layer=True)

        @tool
        def near(layer: str, other: str, distance_km: float) -> str:
            """Near."""
            figures = {
                "of_count": 41,
                "other_count": 43,
                "distance_km": distance_km,
                "median_distance_km": 12.5,
            }
            given = {"layer": layer, "other": other, "distance_km": distance_km}
            return toys.answer("near", given, f"{layer} near {other}", figures, layer=True)

        @tool
        def without(layer: str, other: str, distance_km: float) -> str:
            """Without."""
            figures = {"of_count": 41, "other_count": 43, "distance_km": distance_km, "unsure_count": 3}
            given = {"layer": layer, "other": other, "distance_km": distance_km}
            return toys.answer("without", given, f"{layer} without {other}", figures, layer=True)

        @tool
        def overlap(layer: str, other: str) -> str:
            """Overlap."""
            figures = {"of_count": 41, "other_count": 43}
            return toys.answer("overlap", {"layer": layer, "other": other}, "both", figures, layer=True)

        @tool
        def union(layers: list[str]) -> str:
            """Union."""
            return toys.answer("union", {"layers": layers}, "either", {"layers": len(layers)}, layer=True)

        @tool
        def filter_layer(
            layer: str,
            min_lat_deg: float | None = None,
            max_lat_deg: float | None = None,
            where: list[str] | None = None,
        ) -> str:
            """Filter."""
            given = {"layer": layer, "min_lat_deg": min_lat_deg, "max_lat_deg": max_lat_deg}
            figures = {name: value for name, value in given.items() if isinstance(value, float)}
            return toys.answer("filter_layer", given, f"{layer} limited", figures, layer=True)

        @tool
        def find_place(name: str) -> str:
            """Find."""
            return toys.answer("find_place", {"name": name}, name, {"lon_deg": 137.4, "lat_deg": -5.4})

        @tool
        def summarise(layer: str) -> str:
            """Summarise."""
            figures = {f"lat_{name}_deg": 30.25 for name in ("q10", "median", "q90")} | {"middle_percent": 80}
            figures |= {"lat_q10_deg": 30.25 - toys.spread_deg, "lat_q90_deg": 30.25 + toys.spread_deg}
            figures |= {
                "count": 41,
                "features": 9,
                "north_count": 30,
                "south_count": 11,
                "observed_percent": 98.1,
            }
            figures |= {"area_km2": 12345, "area_percent": 1.25}
            return toys.answer("summarise", {"layer": layer}, layer, figures)

        @tool
        def orientation(layer: str, given_azimuth_deg: float | None = None, other: str | None = None) -> str:
            """Orient."""
            given = {"layer": layer, "given_azimuth_deg": given_azimuth_deg, "other": other}
            given = {name: value for name, value in given.items() if value is not None}
            return toys.answer("orientation", given, layer, {"mean_azimuth_deg": 81.5})

        @tool
        def associate(
            layer: str,
            other: str,
            distance_km: float,
            side: str | None = None,
            null: str | None = None,
            strata: str | None = None,
        ) -> str:
            """Test."""
            given = {"layer": layer, "other": other, "distance_km": distance_km}
            given |= {k: v for k, v in (("side", side), ("null", null), ("strata", strata)) if v}
            return toys.answer("associate", given, f"{layer} and {other}", {"p_value": 0.002})

        @tool
        def load_catalogue(file: str) -> str:
            """Load."""
            return toys.answer("load_catalogue", {"file": file}, file, {}, layer=True, kind="catalogue")

        @tool
        def downslope(layer: str, other: str, distance_km: float) -> str:
            """Downslope."""
            given = {"layer": layer, "other": other, "distance_km": distance_km}
            return toys.answer("downslope", given, f"{layer} below {other}", {"drop_m": 310}, layer=True)

        @tool
        def nearest(layer: str, other: str, count: int | None = None) -> str:
            """Measure."""
            given = {"layer": layer, "other": other, "count": count}
            return toys.answer("nearest", given, f"{layer} to {other}", {"max_distance_km": 77}, layer=True)

        @tool
        def novelty(layer: str, catalogue: str, distance_km: float) -> str:
            """Compare with a list."""
            given = {"layer": layer, "catalogue": catalogue, "distance_km": distance_km}
            return toys.answer("novelty", given, f"{layer} not in {catalogue}", dict(given), layer=True)

        @tool
        def evaluate_layer(layer: str, catalogue: str) -> str:
            """Judge."""
            given = {"layer": layer, "catalogue": catalogue}
            return toys.answer("evaluate_layer", given, f"{layer} by {catalogue}", {"f1": 0.5})

        @tool
        def merge_features(layer: str, distance_km: float | None = None) -> str:
            """Merge."""
            given = {"layer": layer, "distance_km": distance_km}
            return toys.answer("merge_features", given, f"merged {layer}", {}, layer=True, kind="features")

        @tool
        def density(layer: str, by: str, step: float | None = None) -> str:
            """Count."""
            return toys.answer("density", {"layer": layer, "by": by, "step": step}, f"{layer} by {by}", {})

        @tool
        def sample_context(layer: str, values: list[str]) -> str:
            """Look up."""
            given = {"layer": layer, "values": values}
            return toys.answer("sample_context", given, f"{values} at {layer}", {}, layer=True)

        @tool
        def compare(layer: str, by: str, other: str | None = None) -> str:
            """Compare."""
            given = {"layer": layer, "by": by, "other": other}
            return toys.answer("compare", given, f"{layer} and {other or 'the ground'}", {"p_value": 0.3})

        @tool
        def draw_map(
            layers: list[str],
            projection: str | None = None,
            place: str | None = None,
            colour_by: str | None = None,
        ) -> str:
            """Draw."""
            given: dict[str, Any] = {"layers": layers}
            options = (("projection", projection), ("place", place), ("colour_by", colour_by))
            given |= {name: value for name, value in options if value}
            return toys.answer("draw_map", given, "map", {"layers": len(layers)})

        @tool
        def export_layer(layers: list[str], format: str) -> str:
            """Export."""
            given = {"layers": layers, "format": format}
            return toys.answer("export_layer", given, "file", {"files": 1}, table=[{"file": "mars_L1.gpkg"}])

        @tool
        def decline(reason: str, suggestion: str) -> str:
            """Decline."""
            return toys.answer("decline", {"reason": reason, "suggestion": suggestion}, reason, {})

        made = [search_words, near, without, overlap, union, filter_layer, find_place]
        made += [load_catalogue, downslope, nearest, novelty, evaluate_layer, merge_features, density]
        made += [sample_context, compare]
        made += [associate, summarise, orientation, draw_map, export_layer, decline]
        for one in made:
            one.handle_tool_error = True
        return made

    def answer(
        self,
        name: str,
        arguments: dict[str, Any],
        title: str,
        figures: dict[str, Any],
        layer: bool = False,
        kind: str = "tiles",
        table: Sequence[dict[str, Any]] = (),
    ) -> str:
        self.calls.append((name, arguments))
        if name in self.broken:
            raise ToolFailure(f"{name} cannot do this. Allowed: at most 999 things")
        said: dict[str, Any] = {"summary": f"{name} of {title}.", "figures": figures, "table": list(table)}
        made = []
        if layer:
            self.layers.append(title)
            made = [f"L{len(self.layers)}"]
            count = self.counts.get(title, 41)
            figures["count"] = count
            said["layers"] = [{"id": made[0], "title": title, "kind": kind, "count": count}]
        self.steps.append(
            Step(name, name, arguments, said["summary"], tuple(made), figures, (), 0.0, table=tuple(table))
        )
        return json.dumps(said)


class ToolFailure(ToolException):
    """What a toy raises; LangChain hands it to the model as an error."""


def run(planner: OfflinePlanner, toys: Toys, *questions: str) -> list[BaseMessage]:
    """The messages of a conversation in a real agent."""
    agent = create_agent(planner, toys.tools(), system_prompt="be brief", checkpointer=InMemorySaver())
    # One call at a time, as in the loop, so that layers are numbered in the order of the calls.
    config: Any = {"configurable": {"thread_id": "t"}, "max_concurrency": 1}
    state: dict[str, Any] = {}
    for question in questions:
        state = agent.invoke({"messages": [HumanMessage(question)]}, config)
    return list(state["messages"])


def supported(answer: str, toys: Toys, question: str) -> None:
    evidence = check(answer, toys.steps, question, known=list(toys.counts.values()))
    assert evidence.unsupported == (), answer


def test_the_example_in_a_real_agent(planner: OfflinePlanner) -> None:
    toys = Toys()
    messages = run(planner, toys, QUESTION)
    assert [name for name, _ in toys.calls[:2]] == ["search_words", "search_words"]
    assert {arguments["text"] for _, arguments in toys.calls[:2]} == {"pitted cones", "outflow channel"}
    assert [name for name, _ in toys.calls[2:4]] == ["near", "filter_layer"]
    assert {name for name, _ in toys.calls[4:]} == {"summarise", "draw_map"}
    limited = toys.calls[3][1]
    assert limited == {"layer": "L3", "min_lat_deg": 20, "max_lat_deg": None}
    answer = messages[-1].text
    assert answer.startswith(
        "41 tiles, in 9 separate features, match pitted cones within 40 km of outflow channels, north of 20"
    )
    for said in ("[L4]", "at a median distance of 12.5 km", "The middle 80 %", "threshold of 0.5"):
        assert said in answer
    assert 3 <= len(re.findall(r"\.(?:\s|$)", answer)) <= 6
    supported(answer, toys, QUESTION)


def test_independent_calls_come_together(planner: OfflinePlanner) -> None:
    first = planner.invoke([SystemMessage("be brief"), HumanMessage(QUESTION)])
    assert [call["args"]["text"] for call in first.tool_calls] == ["pitted cones", "outflow channel"]
    assert len({call["id"] for call in first.tool_calls}) == 2
    assert first.text == (
        "I will search for pitted cones and outflow channels, keep pitted cones within 40 km of outflow "
        "channels, and keep those north of 20 degrees."
    )
    assert first.response_metadata["model_name"] == "offline"


def test_the_same_messages_give_the_same_reply(planner: OfflinePlanner) -> None:
    messages = run(planner, Toys(), QUESTION)
    for end, message in enumerate(messages):
        if isinstance(message, AIMessage):
            again = OfflinePlanner(glossary=GLOSSARY, tile_km=16).invoke(messages[:end])
            assert again.content == message.content
            assert again.tool_calls == message.tool_calls


def test_streams_calls_and_words_in_pieces(planner: OfflinePlanner) -> None:
    messages = run(planner, Toys(), QUESTION)
    calls = list(planner.stream(messages[:1]))
    whole: Any = sum(calls[1:], calls[0])
    assert whole.tool_calls == planner.invoke(messages[:1]).tool_calls
    words = list(planner.stream(messages[:-1]))
    assert len(words) > 20
    assert "".join(chunk.text for chunk in words) == messages[-1].text
    assert isinstance(words[-1], AIMessageChunk)
    assert words[-1].chunk_position == "last"
    total: Any = sum(words[1:], words[0])
    assert total.additional_kwargs["suggestions"] == messages[-1].additional_kwargs["suggestions"]
    seen = [
        part
        for part, _ in create_agent(planner, Toys().tools()).stream(
            {"messages": [HumanMessage(QUESTION)]}, stream_mode="messages"
        )
        if isinstance(part, AIMessageChunk) and part.text
    ]
    assert len(seen) > 20


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        "Where are gullies?",
        "gullies without craters south of 30 S",
        "gullies together with craters",
        "yardangs or dunes",
        "compare yardangs and dunes",
        "Are yardangs aligned?",
        "How many craters are there?",
        "What share of the area shows chaos?",
        "What are yardangs?",
        "are pitted cones closer to outflow channels than to lava flows?",
        "do gullies follow craters more than by chance?",
        "gullies between 30 and 60 degrees, wobble",
        "gullies north of Gale",
        "Where is Gale?",
        "Where are dunes? export as GeoPackage",
        "where is brain terrain?",
        "gullies on slopes steeper than 10 degrees",
        "gullies downslope of cliffs within 20 km",
        "the five cones nearest to outflow channels",
        "how far are gullies from craters?",
        "how does the density of gullies vary with elevation?",
        "what are the slope and elevation at gullies?",
        "how many separate features of chaos are there?",
        "are gullies near cliffs higher than dunes?",
        "do gullies lie lower than the rest of the planet?",
        "do dunes and yardangs share an orientation?",
        "which craters are not in craters.csv?",
        "how well do the craters match craters.csv?",
        "are gullies farther from craters than chance allows, allowing for slope?",
    ],
)
def test_answers_are_short_cited_and_backed(planner: OfflinePlanner, question: str) -> None:
    toys = Toys()
    answer = run(planner, toys, question)[-1]
    supported(answer.text, toys, question)
    assert 10 < len(answer.text) < 1500
    if toys.layers:
        assert re.search(rf"\bL{len(toys.layers)}[\],]", answer.text)


@pytest.mark.parametrize(
    "question",
    [
        QUESTION,
        "Where are gullies?",
        "gullies near craters",
        "Are yardangs aligned?",
        "compare dunes and yardangs",
    ],
)
def test_suggestions_are_understood(planner: OfflinePlanner, question: str) -> None:
    messages = run(planner, Toys(), question)
    suggestions = messages[-1].additional_kwargs["suggestions"]
    assert 2 <= len(suggestions) <= 3
    for suggestion in suggestions:
        reply = planner.invoke([*messages, HumanMessage(suggestion)])
        assert reply.tool_calls, suggestion
        assert reply.tool_calls[0]["name"] != "decline", suggestion


def test_a_search_that_keeps_most_tiles_is_no_finding(planner: OfflinePlanner) -> None:
    toys = Toys({"gullies": 600})
    answer = run(planner, toys, "gullies near craters")[-1].text
    assert "“gullies” passes on most tiles of the index, so it separates little [L1]." in answer
    assert "“impact crater” passes" not in answer


def test_says_how_it_read_the_question(planner: OfflinePlanner) -> None:
    answer = run(planner, Toys(), "gullies near craters on pole-facing slopes, wobble")[-1].text
    assert "“Near” was taken as within 40 km" in answer
    assert "the ground over the width of a tile" in answer
    assert "“wobble” was not understood and left out." in answer


def test_an_association_is_tested_before_anything_is_counted(planner: OfflinePlanner) -> None:
    toys = Toys()
    answer = run(planner, toys, "do gullies follow craters?")[-1].text
    assert answer.startswith("Associate of gullies and impact craters [L1, L2].")
    assert toys.calls[2] == ("associate", {"layer": "L1", "other": "L2", "distance_km": 40.0})
    assert [name for name, _ in toys.calls[3:]] == ["near", "summarise", "draw_map"]
    run(planner, toys, "do gullies follow craters?", "are they aligned?")
    assert toys.calls[-2:] == [("orientation", {"layer": "L6"}), ("summarise", {"layer": "L6"})]


def test_an_association_with_nothing_is_still_answered(planner: OfflinePlanner) -> None:
    toys = Toys({"impact crater": 0})
    answer = run(planner, toys, "do gullies follow craters more than chance allows?")[-1].text
    assert answer.startswith("Associate of gullies and impact craters [L1, L2].")
    assert "near" not in [name for name, _ in toys.calls]


@pytest.mark.parametrize(
    ("question", "call", "said"),
    [
        (
            "how does the density of gullies vary with elevation?",
            ("density", {"layer": "L1", "by": "elevation", "step": None}),
            "Density of gullies by elevation [L1].",
        ),
        (
            "are gullies higher than dunes?",
            ("compare", {"layer": "L1", "by": "elevation", "other": "L2"}),
            "Compare of gullies and sand dunes [L1, L2].",
        ),
        (
            "do gullies lie lower than the rest of the planet?",
            ("compare", {"layer": "L1", "by": "elevation", "other": None}),
            "Compare of gullies and the ground [L1].",
        ),
        (
            "do dunes and yardangs share an orientation?",
            ("orientation", {"layer": "L1", "other": "L2"}),
            "Orientation of sand dunes [L1, L2].",
        ),
        (
            "do yardangs point to 90 degrees?",
            ("orientation", {"layer": "L1", "given_azimuth_deg": 90.0}),
            "Orientation of yardangs [L1].",
        ),
        (
            "what is the slope at gullies?",
            ("sample_context", {"layer": "L1", "values": ["slope"]}),
            "Sample_context of ['slope'] at L1 (gullies) [L2].",
        ),
        (
            "how well do the craters match craters.csv?",
            ("evaluate_layer", {"layer": "L1", "catalogue": "L2"}),
            "Evaluate_layer of L1 (impact craters) by L2 [L1, L2].",
        ),
        (
            "are gullies farther from craters than chance allows?",
            ("associate", {"layer": "L1", "other": "L2", "distance_km": 40.0, "side": "farther"}),
            "Associate of gullies and impact craters [L1, L2].",
        ),
    ],
)
def test_what_a_tool_measured_is_said_first(
    planner: OfflinePlanner, question: str, call: tuple[str, dict[str, Any]], said: str
) -> None:
    toys = Toys()
    assert run(planner, toys, question)[-1].text.startswith(said)
    assert call in toys.calls


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("gullies downslope of cliffs", "Downslope of L1 (gullies) below L2 (cliffs and scarps) [L3]."),
        ("the five gullies nearest to craters", "Nearest of L1 (gullies) to L2 (impact craters) [L3]."),
        ("which craters are not in craters.csv?", "Novelty of L1 (impact craters) not in L2 [L3]."),
        ("separate features of chaos", "41 features match chaos terrain [L2]."),
    ],
)
def test_what_a_tool_kept_is_quoted(planner: OfflinePlanner, question: str, said: str) -> None:
    answer = run(planner, Toys(), question)[-1].text
    assert said in answer
    assert answer.startswith("41 ")


def test_each_side_of_a_comparison_is_supported_once(planner: OfflinePlanner) -> None:
    toys = Toys()
    answer = run(planner, toys, "are gullies near craters higher than those near dunes?")[-1].text
    assert ("compare", {"layer": "L4", "by": "elevation", "other": "L5"}) in toys.calls
    assert answer.count("lie within") == 2
    assert "match gullies near impact craters [L4]" in answer
    assert "match gullies that are near sand dunes [L5]" in answer


def test_a_comparison_with_nothing_is_still_answered(planner: OfflinePlanner) -> None:
    toys = Toys({"sand dunes": 0})
    answer = run(planner, toys, "are gullies higher than dunes?")[-1].text
    assert answer.startswith("Compare of gullies and sand dunes [L1, L2].")
    answer = run(planner, Toys({"sand dunes": 0}), "are gullies near dunes higher than craters?")[-1].text
    assert answer.startswith("Nothing could be compared, as one of the two was not found.")


def test_a_measure_that_states_its_sensitivity_needs_no_other(planner: OfflinePlanner) -> None:
    class Sensitive(Toys):
        def answer(self, name: str, *given: Any, **options: Any) -> str:
            said = super().answer(name, *given, **options)
            return said.replace("density of", "at a stricter threshold the density of")

    question = "how does the density of gullies vary with elevation?"
    assert "at its threshold of" in run(planner, Toys(), question)[-1].text
    assert "at its threshold of" not in run(planner, Sensitive(), question)[-1].text


def test_merged_features_stay_features_in_the_next_answer(planner: OfflinePlanner) -> None:
    answer = run(planner, Toys(), "separate features of chaos", "are they higher than dunes?")[-1].text
    assert "41 features match merged L1 [L2]" in answer


def test_the_catalogue_of_before_is_meant(planner: OfflinePlanner) -> None:
    toys = Toys()
    run(planner, toys, "entries of craters.csv", "which craters are new to the catalogue?")
    assert ("novelty", {"layer": "L2", "catalogue": "L1", "distance_km": 25.6}) in toys.calls


def test_maps_are_drawn_as_asked(planner: OfflinePlanner) -> None:
    toys = Toys()
    run(planner, toys, "Where are dunes?", "show them on a globe", "show them coloured by elevation")
    assert ("draw_map", {"layers": ["L1"], "projection": "orthographic"}) in toys.calls
    assert toys.calls[-2:] == [
        ("sample_context", {"layer": "L1", "values": ["elevation"]}),
        ("draw_map", {"layers": ["L2"], "colour_by": "elevation_m"}),
    ]


def test_a_directed_question_gets_the_direction(planner: OfflinePlanner) -> None:
    answer = run(planner, Toys(), "Are yardangs south of the equator aligned?")[-1].text
    assert "Orientation of yardangs south of the equator [L2]." in answer
    assert "south of the equator" in answer


def test_a_single_latitude_is_no_range(planner: OfflinePlanner) -> None:
    answer = run(planner, Toys({"gullies": 1}, spread_deg=0), "Where are gullies?")[-1].text
    said = "1 tile, in 9 separate features, matches gullies; the latitude is 30.25 degrees north [L1]."
    assert answer.startswith(said)


# Nothing found, and things that fail


def test_an_empty_search_makes_the_rest_pointless(planner: OfflinePlanner) -> None:
    toys = Toys({"outflow channel": 0})
    answer = run(planner, toys, QUESTION)[-1]
    assert "near" not in [name for name, _ in toys.calls]
    assert "No tile passes the threshold for “outflow channel”; the best tile has 0.31 [L2]." in answer.text
    assert "So nothing can be found" in answer.text
    assert answer.additional_kwargs["suggestions"] == ["Show pitted cones"]
    supported(answer.text, toys, QUESTION)


def test_an_empty_result_says_what_was_observed(planner: OfflinePlanner) -> None:
    toys = Toys({"gullies": 0})
    answer = run(planner, toys, "Where are gullies?")[-1].text
    assert "No tile passes the threshold for “gullies”" in answer
    assert "The index has observed 98.1 % of Mars [L1]; no hit is not the same as no landform." in answer
    assert [name for name, _ in toys.calls] == ["search_words", "summarise"]


def test_nothing_within_reach(planner: OfflinePlanner) -> None:
    toys = Toys({"L1 near L2": 0})
    answer = run(planner, toys, "gullies within 40 km of craters")[-1].text
    assert answer.startswith("Nothing is found for gullies within 40 km of impact craters [L3].")
    assert ("draw_map", {"layers": ["L2"]}) in toys.calls


def test_without_nothing_is_everything(planner: OfflinePlanner) -> None:
    toys = Toys({"impact crater": 0})
    answer = run(planner, toys, "gullies without craters")[-1].text
    assert "without" not in [name for name, _ in toys.calls]
    assert "[L1]" in answer
    assert answer.startswith("41 tiles")


def test_either_of_one(planner: OfflinePlanner) -> None:
    toys = Toys({"impact crater": 0})
    answer = run(planner, toys, "gullies or craters")[-1].text
    assert "union" not in [name for name, _ in toys.calls]
    assert answer.startswith("41 tiles")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("search_words", "The step search_words failed: search_words cannot do this."),
        ("near", "The step near failed: near cannot do this."),
        ("draw_map", "The step draw_map failed: draw_map cannot do this."),
        ("summarise", "The step summarise failed: summarise cannot do this."),
    ],
)
def test_failures_are_told_and_the_rest_is_kept(planner: OfflinePlanner, broken: str, said: str) -> None:
    toys = Toys(broken=[broken])
    messages = run(planner, toys, "gullies within 40 km of craters", "Where are dunes?")
    first = next(m.text for m in messages if isinstance(m, AIMessage) and not m.tool_calls)
    assert said in first
    assert "999" not in first  # no figure backs it
    supported(first, toys, "gullies within 40 km of craters")
    if broken in ("draw_map", "summarise"):
        assert "match gullies within 40 km of impact craters [L3]" in first


def test_a_missing_tool_is_told(planner: OfflinePlanner) -> None:
    toys = Toys()
    agent = create_agent(planner, [one for one in toys.tools() if one.name != "near"])
    answer = agent.invoke({"messages": [HumanMessage("gullies near craters")]})["messages"][-1].text
    assert "The step near is not available here." in answer


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (
            "How old are the valley networks?",
            "The index holds pictures and positions but no ages or dates; I can tell where",
        ),
        ("Where are craters on the Moon?", "This index shows Mars, not the Moon; try"),
        ("gullies within 0 km of craters", "“0 km” is no distance to search within"),
        ("Tell me a joke", "This is not a question about the surface of a planet"),
    ],
)
def test_declines_by_the_tool_then_in_one_sentence(planner: OfflinePlanner, question: str, said: str) -> None:
    toys = Toys()
    messages = run(planner, toys, question)
    assert [name for name, _ in toys.calls] == ["decline"]
    assert toys.calls[0][1]["suggestion"].endswith("?")
    assert messages[-1].text.startswith(said)
    assert messages[-1].text.count(". ") == 0
    assert messages[-1].additional_kwargs["suggestions"] == [toys.calls[0][1]["suggestion"]]
    supported(messages[-1].text, toys, question)


def test_declines_in_words_where_there_is_no_such_tool(planner: OfflinePlanner) -> None:
    reply = planner.bind_tools([]).invoke([HumanMessage("Tell me a joke")])
    assert not reply.tool_calls
    assert reply.text.startswith("This is not a question")


def test_no_question_is_no_crash(planner: OfflinePlanner) -> None:
    assert planner.invoke([SystemMessage("x")]).tool_calls[0]["name"] == "decline"


# Follow-up questions


def test_follow_ups_rest_on_what_came_before(planner: OfflinePlanner) -> None:
    toys = Toys()
    run(
        planner,
        toys,
        QUESTION,
        "And south of the equator?",
        "only the ones north of 60 S",
        "Export them as GeoPackage",
    )
    limits = [arguments for name, arguments in toys.calls if name == "filter_layer"]
    assert limits[1] == {"layer": "L3", "min_lat_deg": None, "max_lat_deg": 0}
    assert limits[2] == {"layer": "L5", "min_lat_deg": -60, "max_lat_deg": None}
    assert toys.calls[-1] == ("export_layer", {"layers": ["L6"], "format": "gpkg"})


def test_what_about_another_landform(planner: OfflinePlanner) -> None:
    toys = Toys()
    run(planner, toys, QUESTION, "And south of the equator?", "what about yardangs?")
    texts = [arguments["text"] for name, arguments in toys.calls if name == "search_words"]
    assert texts[2:] == ["yardangs", "outflow channel"]
    assert toys.calls[-3][1]["max_lat_deg"] == 0


def test_an_empty_answer_leaves_nothing_to_refer_to(planner: OfflinePlanner) -> None:
    toys = Toys({"impact crater": 0})
    answer = run(planner, toys, "gullies near craters", "are they aligned?")[-1].text
    assert answer.startswith("Do you mean [L1] gullies by “they”?")


def test_bands_in_both_hemispheres_are_undone_too(planner: OfflinePlanner) -> None:
    toys = Toys()
    run(
        planner,
        toys,
        "gullies poleward of 40 degrees",
        "and north of 10 N?",
        "How old are they?",
        "are they aligned?",
    )
    assert toys.calls[-2][0] in ("orientation", "summarise")
    assert ("filter_layer", {"layer": "L1", "min_lat_deg": 10.0, "max_lat_deg": None}) in toys.calls


def test_goes_on_from_another_models_answer(planner: OfflinePlanner) -> None:
    call = {"name": "search_words", "args": {"text": "cones"}, "id": "call_1", "type": "tool_call"}
    content = json.dumps({"summary": "found", "layers": [{"id": "L1", "title": "cones", "count": 3}]})
    messages = [
        HumanMessage("hm"),
        AIMessage("", tool_calls=[call]),
        ToolMessage(content, tool_call_id="call_1"),
        AIMessage("There are some [L1]."),
        HumanMessage("which of those are north of 10 degrees?"),
    ]
    reply = planner.invoke(messages)
    assert reply.tool_calls[0]["args"] == {"layer": "L1", "min_lat_deg": 10.0}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("no json", "success"),
        ("[1]", "success"),
        ('{"layers": [1, {"x": 2}]}', "success"),
        ("", "error"),
        ("{}", "success"),
    ],
)
def test_odd_tool_messages_do_no_harm(planner: OfflinePlanner, content: str, status: Any) -> None:
    message = ToolMessage(content, tool_call_id="q1-search_words_1", status=status)
    outcome = read_outcome(message)
    assert bool(outcome.error) == (status == "error")
    call = planner.invoke([HumanMessage("gullies")])
    reply = planner.invoke([HumanMessage("gullies"), call, message])
    assert isinstance(reply, AIMessage)


# Over a real index


@pytest.mark.slow
def test_over_an_index_every_number_is_backed(
    home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    store = ConversationStore(home.conversations)
    gazetteer = a_gazetteer(tiny_index)
    talk = open_conversation(
        home, store, tiny_index, pattern_encoder, load_prompts(), "offline", gazetteer=gazetteer
    )
    for question, status in (
        ("Where are pitted cones within 80 km of outflow channels, north of 20 degrees?", "answered"),
        ("And south of the equator?", "answered"),
        ("Are they aligned?", "answered"),
        ("Where are gullies without graben near Lacus Doris?", "answered"),
        ("How old are they?", "declined"),
        ("pitted cones within 99999 km of chaos", "declined"),
    ):
        *_, last = talk.ask(question)
        assert isinstance(last, Answered)
        assert last.status == status, last.text
        assert last.evidence.unsupported == (), last.text
        assert last.suggestions or "aligned" in question


def test_plans_of_the_fields_survive_json() -> None:
    plan = parse(QUESTION, GLOSSARY, ())
    assert isinstance(plan, Plan)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
