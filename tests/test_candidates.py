"""What just missed a search, and the threshold that is moved on a map and kept as a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat.house import House, Place
from agent.chat.panels.map import keeping, routes, threshold
from agent.chat.sessions import Sessions
from agent.conversations import ConversationStore
from agent.events import Answered, StepFinished
from agent.labels import Labels
from agent.loop import Conversation, open_conversation
from prompts import load_prompts
from retrieval.errors import ToolInputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.test_globe import probabilities, texts, unpack
from tests.workspaces import a_layer
from tools.candidates import LEAST_LEVEL, candidates_of
from tools.filters import filter_layer
from tools.layers import Layer
from tools.maps.globe_layers import NO_LEVEL, THRESHOLDS, count_levels, layers_payload, levels_of
from tools.refine import refine
from tools.search import search_words
from tools.workspace import Workspace

maybe = st.floats(0, 1) | st.just(float("nan")) | st.integers(0, 100).map(lambda k: k / 100)


@given(st.lists(maybe, max_size=40))
def test_counts_are_what_a_tool_would_count(values: list[float]) -> None:
    probability = np.array(values, dtype=float)
    counts, levels = count_levels(probability), levels_of(probability)
    for k in range(101):
        expected = probability >= k / 100
        assert counts[k] == int(expected.sum())
        assert (((levels >= k) & (levels != NO_LEVEL)) == expected).all()


def drawn(layer: Layer, workspace: Workspace, most: int = 100_000) -> dict[str, Any]:
    found = candidates_of(workspace, layer)
    (payload,) = layers_payload([layer], most, {layer.id: found} if found else {})
    return payload


@pytest.mark.parametrize("most", [100_000, 40])
def test_rows_that_reach_a_threshold_are_the_first_ones(ws: Workspace, most: int) -> None:
    # Strict, so that some rows miss it.
    layer = ws.layers.get(search_words(ws, "craters", min_probability=0.8).layer_ids[0])
    payload = drawn(layer, ws, most)
    levels = unpack(payload["level"], "u1")
    assert (np.diff(levels.astype(int)) <= 0).all(), "the most probable first"
    assert payload["rows"] == min(most, len(levels))
    own = payload["kept"]
    assert own == min(len(layer), most)
    assert set(texts(payload["ids"])[:own]) <= set(layer.table["row_id"])
    assert payload["least"] == LEAST_LEVEL
    if most > 1000:
        assert payload["rows"] > payload["kept"], "some just missed it"
        shown = np.array(probabilities(payload["probability"]))
        assert (shown[own:] < float(layer.provenance.threshold or 0)).all()


def test_every_count_of_the_slider_is_that_of_the_call(ws: Workspace) -> None:
    layer = ws.layers.get(search_words(ws, "pitted cones").layer_ids[0])
    payload = drawn(layer, ws, 30)  # counted as well where not all are drawn
    for k in (5, 20, 37, 50, 55, 80, 99):
        called = search_words(ws, "pitted cones", min_probability=k / 100)
        assert payload["counts"][k] == called.figures["count"]


def test_a_refined_layer_has_candidates_and_a_filtered_one_only_its_own(ws: Workspace) -> None:
    first = ws.layers.get(search_words(ws, "craters").layer_ids[0])
    judged = first.table["row_id"].tolist()
    refined = ws.layers.get(refine(ws, first.id, judged[:3], judged[-3:]).layer_ids[0])
    payload = drawn(refined, ws)
    assert (payload["kept"], payload["least"]) == (len(refined), LEAST_LEVEL)
    assert payload["rows"] >= payload["kept"]
    north = ws.layers.get(filter_layer(ws, first.id, min_lat_deg=0).layer_ids[0])
    assert candidates_of(ws, north) is None
    payload = drawn(north, ws)
    assert payload["rows"] == payload["kept"] == len(north)
    assert payload["least"] == int(levels_of(north.table["probability"]).min())
    assert payload["counts"][0] == len(north)


def test_what_cannot_be_found_again_is_not_made_up(ws: Workspace) -> None:
    layer = ws.layers.get(search_words(ws, "craters").layer_ids[0])
    other = Layer(layer.id, layer.title, layer.kind, layer.table.iloc[:-1], layer.provenance)
    assert candidates_of(ws, other) is None, "the call gives other rows"
    catalogue = a_layer(ws, [[0.0, 1.0]])
    assert candidates_of(ws, catalogue) is None
    assert "level" not in drawn(catalogue, ws)


def test_thresholds_are_hundredths() -> None:
    assert [f"{value:.2f}" for value in THRESHOLDS[[0, 7, 55, 100]]] == ["0.00", "0.07", "0.55", "1.00"]
    assert all(value == float(f"{value:.2f}") for value in THRESHOLDS)


# ------------------------------------------------------------------ kept as a layer


@pytest.fixture
def house(home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Iterator[House]:
    with ConversationStore(home.conversations) as store:

        def open_one(name: str | None) -> Conversation:
            return open_conversation(
                home, store, tiny_index, pattern_encoder, load_prompts(), "offline", name
            )

        yield House(home, tiny_index, Sessions(open_one), store)


@pytest.fixture
def place(house: House) -> Place:
    session = house.sessions.new()
    assert list(session.ask("Where are pitted cones?").follow())[-1].answered
    return Place(house, session)


def keep(place: Place, payload: dict[str, Any]) -> tuple[str, list[Any]]:
    question, work = threshold(place, payload)
    assert place.session is not None
    return question, list(place.session.conversation.run(question, work))


def test_a_moved_threshold_is_kept_as_a_layer(place: Place) -> None:
    assert place.session is not None
    layers = place.session.conversation.workspace.layers
    search = next(layer for layer in layers if layer.provenance.tool == "search_words")
    expected = drawn(search, place.session.conversation.workspace)["counts"]
    for percent in (30, 80):
        question, events = keep(place, {"layer": search.id, "min_probability": percent / 100})
        (step,) = [event.step for event in events if isinstance(event, StepFinished)]
        assert (step.tool, step.arguments["min_probability"]) == ("search_words", percent / 100)
        assert len(layers.get(step.layer_ids[0])) == expected[percent]
        answered = events[-1]
        assert isinstance(answered, Answered)
        assert answered.status == "answered"
        assert f"[{step.layer_ids[0]}]" in answered.text
        assert not answered.evidence.unsupported
        assert search.id in question


def test_another_layer_is_filtered(place: Place) -> None:
    assert place.session is not None
    workspace = place.session.conversation.workspace
    source = next(layer.id for layer in workspace.layers if layer.provenance.tool == "search_words")
    north = filter_layer(workspace, source, min_lat_deg=0).layer_ids[0]
    _, events = keep(place, {"layer": north, "min_probability": 0.75})
    (step,) = [event.step for event in events if isinstance(event, StepFinished)]
    assert (step.tool, step.error) == ("filter_layer", "")
    assert step.arguments["layer"] == north


@pytest.mark.parametrize("payload", [
    {}, {"layer": "L99", "min_probability": 0.5}, {"layer": "L1"}, {"layer": "L1", "min_probability": "0.5"},
    {"layer": "L1", "min_probability": float("nan")}, {"layer": "L1", "min_probability": 1.5},
    {"layer": "L1", "min_probability": True}, {"layer": ["L1"], "min_probability": 0.5},
])  # fmt: skip
def test_a_threshold_that_makes_no_sense_is_refused(place: Place, payload: dict[str, Any]) -> None:
    with pytest.raises(ToolInputError):
        threshold(place, payload)


def test_without_a_conversation_there_is_nothing_to_keep(house: House) -> None:
    with pytest.raises(ToolInputError, match="no layer yet"):
        threshold(Place(house, None), {"layer": "L1", "min_probability": 0.5})


def test_a_refined_layer_cannot_be_kept_lower(place: Place) -> None:
    assert place.session is not None
    workspace = place.session.conversation.workspace
    source = next(layer for layer in workspace.layers if layer.provenance.tool == "search_words")
    judged = source.table["row_id"].tolist()
    refined = workspace.layers.get(refine(workspace, source.id, judged[:2], judged[-2:]).layer_ids[0])
    assert keeping(refined)["lower"]
    assert not keeping(refined)["higher"]
    assert not keeping(source)["lower"]
    with pytest.raises(ToolInputError, match="refine"):
        threshold(place, {"layer": refined.id, "min_probability": 0.2})
    question, work = threshold(place, {"layer": refined.id, "min_probability": 0.9})
    assert refined.id in question
    work.close()


def test_a_card_learns_what_was_said_of_a_tile(house: House, place: Place) -> None:
    assert place.session is not None
    layer = next(iter(place.session.conversation.workspace.layers))
    first, second = layer.table["row_id"].tolist()[:2]
    Labels(house.store).judge(place.session.id, layer.id, {first: "reject"}, layer.id, "map")
    base = f"/areographer/c/{place.session.id}/verdict"
    with TestClient(Starlette(routes=routes(house))) as client:
        said = [client.get(base, params={"layer": layer.id, "tile": tile}).json() for tile in (first, second)]
        assert said == [{"verdict": "reject"}, {"verdict": "none"}]
        assert client.get(base, params={"layer": "L99", "tile": first}).status_code == 404
        assert client.get("/areographer/c/-/verdict", params={"layer": "L1"}).status_code == 404
