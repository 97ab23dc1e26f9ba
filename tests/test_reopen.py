"""Go on with somebody's transcript: all of it comes along, and nothing that a stranger put in runs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from agent.bundle import BundleContents, read_bundle
from agent.conversations import ConversationStore
from agent.events import Answered, Turn
from agent.incoming import read_layer, read_layers_said
from agent.labels import Labels
from agent.loop import Conversation, open_conversation
from agent.recipe import replay
from agent.reopen import Reopened, reopen
from agent.transcript import write_bundle
from prompts import load_prompts
from retrieval.errors import BundleError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from retrieval.settings import Settings
from tests.fakes import PatternEncoder, PatternSource
from tests.transcripts import (
    HOSTILE,
    hostile_turn,
    make_turn,
    make_workspace,
    repacked,
    run_step,
    spatial_turn,
)
from tools.workspace import Workspace

Json = Any
Change = Callable[[dict[str, bytes]], None]


@dataclass
class Sent:
    """A conversation that somebody held elsewhere, and its bundle."""

    workspace: Workspace
    turns: list[Turn]
    zip: Path
    labels: list[dict[str, str]]


@pytest.fixture(scope="module")
def sent(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Sent:
    workspace = make_workspace(tmp_path_factory.mktemp("elsewhere"), tiny_index, pattern_encoder)
    Image.new("RGB", (64, 32), "teal").save(workspace.output / "map.png")
    turn = spatial_turn(workspace)
    steps = (replace(turn.steps[0], pictures=("map.png", "gone.png")), *turn.steps[1:])
    workspace.record_test("associate L1 L2", 0.01)
    turns = [replace(turn, steps=steps), hostile_turn(workspace)]
    rows = workspace.layers.get("L1").table["row_id"].tolist()
    common = {"layer": "L1", "search": "L1", "view": "random", "time": "2026-03-04T05:06:07Z"}
    labels = [
        {"tile_id": rows[0], "verdict": "accept", **common},
        {"tile_id": rows[1], "verdict": "reject", **common},
    ]
    out = tmp_path_factory.mktemp("out")
    # Maps of the layers take seconds and are not opened again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.parts.MOST_DRAWN", 0)
        bundle = write_bundle("talk", turns, workspace, out, title="Cones", labels=labels)
    return Sent(workspace, turns, bundle.zip, labels)


@pytest.fixture
def store(home: Settings) -> Iterator[ConversationStore]:
    with ConversationStore(home.conversations) as opened:
        yield opened


@pytest.fixture
def enter(home: Settings, store: ConversationStore, tiny_index: TileIndex) -> Callable[..., Reopened]:
    def enter(path: Path | BundleContents, index: TileIndex = tiny_index) -> Reopened:
        contents = read_bundle(path) if isinstance(path, Path) else path
        return reopen(contents, home, store, index)

    return enter


@pytest.fixture
def talk(
    home: Settings, store: ConversationStore, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Callable[[str], Conversation]:
    return lambda name: open_conversation(
        home, store, tiny_index, pattern_encoder, load_prompts(), "offline", name
    )


def nothing_left(home: Settings, store: ConversationStore) -> bool:
    folders = [path for folder in (home.layers, home.uploads, home.exports) for path in folder.glob("?" * 32)]
    return not folders and not store.list(with_empty=True)


# ------------------------------------------------------------------ all of it comes along


def test_the_conversation_comes_back(
    sent: Sent, enter: Callable[..., Reopened], talk: Callable[[str], Conversation], store: ConversationStore
) -> None:
    opened = enter(sent.zip)
    assert opened.notes == ()
    conversation = talk(opened.conversation_id)
    assert conversation.turns == list(read_bundle(sent.zip).turns)
    assert store.info(opened.conversation_id).title == "Cones"
    layers = conversation.workspace.layers
    assert layers.ids() == ["L1", "L2", "L3", "L4", "L5"]
    for layer in sent.workspace.layers:
        again = layers.get(layer.id)
        assert (again.hash, again.title, again.kind) == (layer.hash, layer.title, layer.kind)
        assert again.provenance == layer.provenance
        assert again.table.columns.tolist() == layer.table.columns.tolist()
        assert again.table.crs == layer.table.crs
    assert Labels(store).export(opened.conversation_id) == [
        {key: label[key] for key in ("tile_id", "layer", "search", "verdict", "view", "time")}
        for label in sent.labels
    ]


def test_pictures_inputs_and_tests_come_along(
    sent: Sent, enter: Callable[..., Reopened], home: Settings
) -> None:
    name = enter(sent.zip).conversation_id
    assert (home.exports / name / "map.png").read_bytes() == (sent.workspace.output / "map.png").read_bytes()
    assert (home.uploads / name / "cones.csv").is_file()
    tests = json.loads((home.layers / name / "tests.json").read_text())
    assert tests == {"associate L1 L2": 0.01}


def test_it_goes_on(
    sent: Sent, enter: Callable[..., Reopened], talk: Callable[[str], Conversation], tmp_path: Path
) -> None:
    conversation = talk(enter(sent.zip).conversation_id)
    answered = list(conversation.ask("Summarise L3"))[-1]
    assert isinstance(answered, Answered)
    assert answered.status == "answered"
    assert answered.evidence.unsupported == ()
    assert str(len(sent.workspace.layers.get("L3"))) in answered.text
    list(conversation.ask("Where are gullies?"))
    assert "L6" in conversation.workspace.layers.ids()  # numbers go on after those of the bundle


def test_what_was_opened_can_be_sent_again_and_is_replayed(
    sent: Sent,
    enter: Callable[..., Reopened],
    talk: Callable[[str], Conversation],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.parts.MOST_DRAWN", 0)
    opened = enter(sent.zip)
    conversation = talk(opened.conversation_id)
    workspace = conversation.workspace
    workspace.readable = (workspace.settings.uploads / conversation.id,)
    bundle = write_bundle(conversation.id, conversation.turns, workspace, tmp_path, title="Cones")
    again, first = read_bundle(bundle.zip), read_bundle(sent.zip)
    assert again.recipe.calls == first.recipe.calls
    assert again.recipe.inputs == first.recipe.inputs
    assert replay(first, workspace).identical


def test_it_is_opened_as_often_as_one_likes(sent: Sent, enter: Callable[..., Reopened]) -> None:
    assert enter(sent.zip).conversation_id != enter(sent.zip).conversation_id


def test_the_last_number_is_kept_for_a_layer_that_is_gone(
    sent: Sent, enter: Callable[..., Reopened], home: Settings, tmp_path: Path
) -> None:
    def lose(members: dict[str, bytes]) -> None:
        members.pop("layers/L5.parquet")
        record = json.loads(members["transcript.json"])
        record["layers"] = record["layers"][:-1]
        members["transcript.json"] = json.dumps(record).encode()

    opened = enter(repacked(sent.zip, tmp_path / "lost.zip", lose))
    assert opened.notes == ("layer L5 is not in the bundle",)
    assert (home.layers / opened.conversation_id / "L5.json").is_file()


def test_a_bundle_of_an_earlier_version_is_read(
    sent: Sent, enter: Callable[..., Reopened], tmp_path: Path
) -> None:
    def older(members: dict[str, bytes]) -> None:
        members.pop("layers/tests.json")
        record = json.loads(members["transcript.json"])
        del record["labels"], record["cite"]
        members["transcript.json"] = json.dumps(record).encode()

    assert enter(repacked(sent.zip, tmp_path / "older.zip", older)).notes == ()


# ------------------------------------------------------------------ on another index


def test_another_index_is_named(
    sent: Sent,
    enter: Callable[..., Reopened],
    home: Settings,
    store: ConversationStore,
    tmp_path: Path,
    pattern_encoder: PatternEncoder,
) -> None:
    source = PatternSource(seed=3)
    other = build_index(source, Grid(source.body, 100.0), pattern_encoder, tmp_path / "other")
    with pytest.raises(BundleError) as error:
        enter(sent.zip, other)
    wanted = read_bundle(sent.zip).recipe.index
    assert wanted.fingerprint[:16] in str(error.value)
    assert f"--index {wanted.name}" in error.value.next_step
    assert "transcript.html" in error.value.next_step
    assert nothing_left(home, store)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"body": "mars"}, "held on Mars; this is Lowell"),
        ({"encoder": {"name": "other", "fingerprint": "0" * 64}}, "with the encoder other"),
    ],
)
def test_another_body_or_encoder_is_refused(
    sent: Sent, enter: Callable[..., Reopened], changes: dict[str, Json], what: str
) -> None:
    contents = read_bundle(sent.zip)
    recipe = contents.recipe.model_validate(contents.recipe.model_dump(mode="json") | changes)
    with pytest.raises(BundleError, match=what):
        enter(replace(contents, recipe=recipe))


# ------------------------------------------------------------------ made by hand, to do harm


def record(change: Callable[[Json], object]) -> Change:
    """Change ``transcript.json``."""

    def apply(members: dict[str, bytes]) -> None:
        values = json.loads(members["transcript.json"])
        change(values)
        members["transcript.json"] = json.dumps(values).encode()

    return apply


def step(**values: Json) -> Change:
    return record(lambda r: r["turns"][0]["steps"][0].update(values))


def turn(**values: Json) -> Change:
    return record(lambda r: r["turns"][0].update(values))


def layer(**values: Json) -> Change:
    return record(lambda r: r["layers"][0].update(values))


def nested(depth: int) -> Json:
    return {"a": nested(depth - 1)} if depth else 1


def table(change: Callable[[pa.Table], pa.Table], layer_id: str = "L1") -> Change:
    """Change a layer's file, and the row count that is said of it."""

    def apply(members: dict[str, bytes]) -> None:
        name = f"layers/{layer_id}.parquet"
        changed = change(pq.read_table(io.BytesIO(members[name])))
        buffer = io.BytesIO()
        pq.write_table(changed, buffer)
        members[name] = buffer.getvalue()
        values = json.loads(members["transcript.json"])
        about = next(one for one in values["layers"] if one["id"] == layer_id)
        about["count"] = len(changed)
        members["transcript.json"] = json.dumps(values).encode()

    return apply


def column(name: str, values: Callable[[np.ndarray], Json]) -> Change:
    def change(made: pa.Table) -> pa.Table:
        at = made.column_names.index(name)
        before = made.column(name).to_numpy(zero_copy_only=False).copy()
        return made.set_column(at, name, pa.array(values(before)))

    return table(change)


def first(value: Json) -> Callable[[np.ndarray], Json]:
    return lambda values: [value, *values[1:].tolist()]


def wide_texts(made: pa.Table) -> pa.Table:
    return made.append_column("note", pa.array(["x" * 200_000] * len(made)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (step(tool="rm_rf"), "a tool 'rm_rf' that this version does not have"),
        (step(layer_ids=["../../L1"]), "question 1 that is none"),
        (step(layer_ids=["L0"]), "question 1 that is none"),
        (step(arguments=nested(40)), "nested more than"),
        (step(figures={"count": "many"}), "question 1 that is none"),
        (step(figures={"count": 10**400}), "number in question 1"),
        (step(seconds=-1.0), "question 1 that is none"),
            (turn(status="hacked"), "question 1 that is none"),
        (turn(question=""), "question 1 that is none"),
        (turn(question=["x"]), "question 1 that is none"),
        (turn(answer="x" * 300_000), "300,000 characters"),
        (turn(suggestions=["x"] * 21), "question 1 that is none"),
    (turn(question="half a pair \ud800"), "text in question 1 that is none"),
    (step(arguments={"\udfff": 1}), "text in question 1 that is none"),
        (record(lambda r: r.update(turns=r["turns"][:1] * 10_000)), "10,000 questions"),
        (layer(id="L1/../../x"), "describes a layer"),
        (layer(kind="secrets"), "describes a layer"),
        (layer(hash="0" * 16), "it was changed"),
        (layer(count=3), "rows, not 3"),
        (record(lambda r: r["layers"].append(r["layers"][0])), "describes a layer twice"),
        (record(lambda r: r.update(layers={"L1": 1})), "describes a layer"),
        (record(lambda r: r["layers"][0]["provenance"].update(body="mars")), "a layer L1 of 'mars'"),
        (record(lambda r: r["layers"][0]["provenance"].update(threshold=7.0)), "describes a layer"),
        (record(lambda r: r["layers"][0]["provenance"].update(extra=1)), "describes a layer"),
        (record(lambda r: r["labels"][0].update(verdict="perhaps")), "cannot be used"),
        (record(lambda r: r["labels"].append(1)), "judgements that are none"),
        (lambda m: m.pop("layers/L1.parquet"), "lacks layers/L1.parquet"),
        (lambda m: m.update({"layers/L1.parquet": b"PAR1 no table PAR1"}), "cannot be read"),
        (lambda m: m.update({"layers/L1.parquet": m["layers/L2.parquet"]}), "layer L1"),
        (lambda m: m.update({"layers/tests.json": b'{"x": 7}'}), "p value is none"),
        (lambda m: m.update({"layers/tests.json": b"[1]"}), "tests that are none"),
        (column("lon", first(float("nan"))), "layer L1"),
        (column("lon", first(720.0)), "layer L1"),
        (column("lat", first(91.0)), "layer L1"),
        (column("lon", lambda v: (v + 1.0).tolist()), "lie elsewhere"),
        (column("probability", first(3.0)), "probability or score"),
        (column("score", first(float("inf"))), "probability or score"),
        (column("score", first(0.123)), "it was changed"),
        (column("row_id", first("no-such-tile")), "'no-such-tile' that the index does not have"),
        (column("row_id", first(None)), "no id"),
        (column("row_id", first("")), "no id"),
        (column("geometry", first(b"\x01\x02")), "layer L1"),
        (column("geometry", first(shapely.to_wkb(shapely.Point(np.inf, 0)))), "layer L1"),
        (column("geometry", first(shapely.to_wkb(shapely.Point(1e9, 0)))), "cannot lie on a body"),
        (column("geometry", first(shapely.to_wkb(shapely.Point()))), "layer L1"),
        (column("geometry", lambda v: ["POINT (1 2)"] * len(v)), "not written as WKB"),
        (table(lambda t: t.drop_columns(["probability"])), "without the columns"),
        (table(lambda t: t.slice(1)), "it was changed"),
        (table(lambda t: pa.concat_tables([t, t])), "it was changed"),
        (table(lambda t: t.append_column("a\nb", t.column("lon"))), "an odd name"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    sent: Sent,
    enter: Callable[..., Reopened],
    home: Settings,
    store: ConversationStore,
    tmp_path: Path,
    change: Change,
    what: str,
) -> None:
    path = repacked(sent.zip, tmp_path / "evil.zip", change)
    with pytest.raises(BundleError) as error:
        enter(path)
    assert what in str(error.value)
    assert error.value.allowed
    assert error.value.next_step
    assert nothing_left(home, store)


def test_texts_that_unpack_to_much_more_are_refused(
    sent: Sent, enter: Callable[..., Reopened], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.incoming.MOST_TEXT_BYTES", 2_000_000)
    path = repacked(sent.zip, tmp_path / "bomb.zip", table(wide_texts))
    assert path.stat().st_size < 3_000_000
    with pytest.raises(BundleError, match="unpack to too much"):
        enter(path)


@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=20), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_broken_table_does_more_than_be_refused(
    sent: Sent, tiny_index: TileIndex, changes: list[tuple[int, int]], at_the_end: bool
) -> None:
    contents = read_bundle(sent.zip)
    about = read_layers_said(json.loads(contents.read("transcript.json"))["layers"])[0]
    content = bytearray(contents.read("layers/L1.parquet"))
    for where, value in changes:
        # What a Parquet file says of itself stands at its end.
        content[-1 - where % 4000 if at_the_end else where % len(content)] = value
    try:
        layer, _ = read_layer(bytes(content), about, tiny_index)
    except BundleError:
        return
    assert layer.hash == about.hash


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_know_are_refused(sent: Sent, tmp_path: Path, literal: bytes) -> None:
    def change(members: dict[str, bytes]) -> None:
        members["transcript.json"] = members["transcript.json"].replace(
            b'"seconds": 1.5', b'"seconds": ' + literal
        )

    with pytest.raises(BundleError, match=r"no readable transcript\.json"):
        read_bundle(repacked(sent.zip, tmp_path / "nan.zip", change))


def test_pictures_and_files_that_a_browser_would_run_stay_out(
    sent: Sent, enter: Callable[..., Reopened], home: Settings, tmp_path: Path
) -> None:
    html = b"<script>alert(1)</script>"

    def change(members: dict[str, bytes]) -> None:
        members["maps/page.html"] = members["maps/fake.png"] = members["inputs/page.html"] = html
        members["inputs/sub/cones.csv"] = b"id,lon,lat\n"
        step(pictures=["page.html", "fake.png"])(members)
        recipe = json.loads(members["recipe.json"])
        recipe["inputs"] += ["page.html", "sub/cones.csv"]
        members["recipe.json"] = json.dumps(recipe).encode()

    opened = enter(repacked(sent.zip, tmp_path / "evil.zip", change))
    assert len(opened.notes) == 4
    kept = [
        path
        for folder in (home.exports, home.uploads)
        for path in (folder / opened.conversation_id).glob("*")
    ]
    assert [path.name for path in kept] == ["cones.csv"]


def test_columns_of_odd_kinds_are_left_out(
    sent: Sent, enter: Callable[..., Reopened], tmp_path: Path
) -> None:
    change = table(lambda t: t.append_column("list", pa.array([[1]] * len(t))))
    opened = enter(repacked(sent.zip, tmp_path / "odd.zip", change))
    assert opened.notes == ("column 'list' of L1 is of a kind that is not read",)


def test_an_evil_title_is_words(
    sent: Sent, enter: Callable[..., Reopened], store: ConversationStore, tmp_path: Path
) -> None:
    def change(members: dict[str, bytes]) -> None:
        about = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps(about | {"title": HOSTILE + "x" * 100_000}).encode()

    opened = enter(repacked(sent.zip, tmp_path / "title.zip", change))
    title = store.info(opened.conversation_id).title
    assert title.startswith("<script>")
    assert len(title) <= 80


def test_a_made_up_tool_that_failed_is_part_of_the_conversation(
    tmp_path: Path,
    tiny_index: TileIndex,
    pattern_encoder: PatternEncoder,
    enter: Callable[..., Reopened],
    talk: Callable[[str], Conversation],
) -> None:
    workspace = make_workspace(tmp_path / "there", tiny_index, pattern_encoder)
    failed = replace(run_step(workspace, "near", layer="L1", other="L2", distance_km=1.0), tool="teleport")
    bundle = write_bundle("c", [make_turn("?", [failed], "No.")], workspace, tmp_path / "out")
    conversation = talk(enter(bundle.zip).conversation_id)
    assert conversation.turns[0].steps[0].tool == "teleport"
