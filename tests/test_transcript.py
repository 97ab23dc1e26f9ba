"""Write a conversation down, read it back, run it again; and refuse what a stranger may send instead."""

import dataclasses
import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agent.bundle import is_safe_name
from agent.events import Turn
from agent.page import answer_html, found, model_label
from agent.recipe import Recipe
from agent.transcript import Bundle, BundleContents, read_bundle, replay, write_bundle
from retrieval.body import get_body
from retrieval.errors import BundleError, Cancelled
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from tests.fakes import PatternEncoder, PatternSource
from tests.transcripts import hostile_turn, make_turn, make_workspace, run_step, spatial_turn
from tools.maps.globe import globe_scripts
from tools.workspace import Workspace

Changes = Callable[[dict[str, bytes]], None]


@dataclasses.dataclass
class Held:
    """A conversation that was held and written down."""

    workspace: Workspace
    turns: list[Turn]
    bundle: Bundle
    contents: BundleContents


@pytest.fixture(scope="module")
def held(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Held:
    workspace = make_workspace(tmp_path_factory.mktemp("home"), tiny_index, pattern_encoder)
    turns = [spatial_turn(workspace), hostile_turn(workspace)]
    bundle = write_bundle("talk 1/a", turns, workspace, tmp_path_factory.mktemp("out"))
    return Held(workspace, turns, bundle, read_bundle(bundle.zip))


# ------------------------------------------------------------------ writing


def test_bundle_holds_everything_and_its_hashes(held: Held) -> None:
    with zipfile.ZipFile(held.bundle.zip) as archive:
        names = archive.namelist()
        listed = json.loads(archive.read("manifest.json"))["members"]
        for name, about in listed.items():
            content = archive.read(name)
            assert about == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        assert archive.read("transcript.html") == held.bundle.html.read_bytes()
    assert names[-1] == "manifest.json"
    assert set(names) - {"manifest.json"} == set(listed)
    assert {"README.md", "transcript.md", "transcript.json", "recipe.json", "layers.gpkg"} <= set(names)
    assert {f"layers/L{n}.parquet" for n in range(1, 6)} <= set(names)
    assert "inputs/cones.csv" in names
    assert held.bundle.zip.name == "areographer-talk-1-a.zip"


def test_same_conversation_same_bytes(held: Held, tmp_path: Path) -> None:
    again = write_bundle("talk 1/a", held.turns, held.workspace, tmp_path)
    assert again.zip.read_bytes() == held.bundle.zip.read_bytes()
    assert again.html.read_bytes() == held.bundle.html.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [again.html.name, again.zip.name]


def test_page_is_small(held: Held) -> None:
    assert held.bundle.html.stat().st_size < 4_000_000


def test_layers_open_as_geopackage_on_the_body(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "layers.gpkg"
    path.write_bytes(held.contents.read("layers.gpkg"))
    listed = gpd.list_layers(path)["name"].tolist()
    assert [name.split("_")[0] for name in listed] == ["L1", "L2", "L3", "L4", "L5", "layer"]  # _styles
    table = gpd.read_file(path, layer=listed[3])
    assert table["name"].tolist() == ["First", "Second", "Third"]
    assert table.crs.ellipsoid.semi_major_metre == get_body("lowell").radius_m


def test_other_programs_find_each_layer_with_its_style_and_its_body(held: Held, tmp_path: Path) -> None:
    names = [name for name in held.contents.manifest.members if name.startswith("geojson/")]
    stems = {Path(name).stem for name in names}
    assert len(names) == 2 * len(stems) == 10
    assert all(stem.startswith("areographer_lowell_L") for stem in stems)
    path = tmp_path / "layers.gpkg"
    path.write_bytes(held.contents.read("layers.gpkg"))
    tables = gpd.list_layers(path)
    for table in tables["name"][tables["geometry_type"].notna()]:
        layer = held.workspace.layers.get(table.split("_")[0])
        read = gpd.read_file(path, layer=table)
        assert read["row_id"].tolist() == layer.table["row_id"].tolist()
        again = json.loads(held.contents.read(f"geojson/areographer_lowell_{table}.geojson"))
        assert again["areographer:body"]["name"] == "lowell"
        assert len(again["features"]) == len(layer)


def test_every_layer_has_a_map_and_the_manifests_say_what_it_rests_on(held: Held) -> None:
    read = held.contents.read
    for n in range(1, 6):
        with Image.open(io.BytesIO(read(f"maps/layer_L{n}.png"))) as picture:
            assert picture.format == "PNG"
    index, encoder = (json.loads(read(f"manifests/{name}.json")) for name in ("index", "encoder"))
    assert index["fingerprint"] == held.contents.recipe.index.fingerprint
    assert encoder["fingerprint"] == held.contents.recipe.encoder.fingerprint
    layers = json.loads(read("manifests/layers.json"))
    assert [layer["hash"] for layer in layers] == [
        held.workspace.layers.get(f"L{n}").hash for n in range(1, 6)
    ]


def test_the_readme_says_how_to_read_verify_go_on_and_cite(held: Held) -> None:
    words = held.contents.read("README.md").decode()
    for part in (
        "areographer replay",
        "areographer chat --open",
        "## Cite",
        "layers.gpkg",
        "WGS 84",
        "| L3 |",
    ):
        assert part in words
    assert held.contents.recipe.index.fingerprint in words
    assert "<script>" not in words


def test_markdown_leads_to_the_maps_in_the_bundle(held: Held) -> None:
    text = held.contents.read("transcript.md").decode()
    shown = re.findall(r"!\[[^\]]*\]\(<([^>]+)>\)", text)
    assert "maps/layer_L3.png" in shown
    assert set(shown) <= set(held.contents.manifest.members)


def test_judgements_travel_and_are_shown(held: Held, tmp_path: Path) -> None:
    rows = held.workspace.layers.get("L1").table["row_id"].astype(str).tolist()
    labels = [
        {"layer": "L1", "tile_id": rows[0], "verdict": "accept", "time": "2026-03-04T05:06:07Z"},
        {"layer": "L1", "tile_id": rows[-1], "verdict": "reject", "time": "2026-03-04T05:06:08Z"},
    ]
    bundle = write_bundle("c", held.turns, held.workspace, tmp_path, labels=labels)
    contents = read_bundle(bundle.zip)
    assert contents.read("labels.csv").decode().splitlines() == [
        "layer,tile_id,verdict,time",
        f"L1,{rows[0]},accept,2026-03-04T05:06:07Z",
        f"L1,{rows[-1]},reject,2026-03-04T05:06:08Z",
    ]
    assert json.loads(contents.read("transcript.json"))["labels"] == labels
    page = Page(bundle.html.read_text(encoding="utf-8"))
    figures = [attrs.get("class") for tag, attrs in page.tags if tag == "figure"]
    # In L1, and again in the layer that was made from it as far as it holds them.
    assert "accept" in figures
    assert "reject" in figures
    assert "1 tile accepted, 1 rejected by hand" in " ".join(page.text.split())


def test_verdicts_at_random_give_a_precision(held: Held, tmp_path: Path) -> None:
    layer = held.workspace.layers.get("L2")
    rows = layer.table["row_id"].astype(str).tolist()
    common = {"layer": "L2", "search": "L2", "view": "random", "time": "2026-03-04T05:06:07Z"}
    labels = [
        {"tile_id": row, "verdict": "reject" if number == 0 else "accept", **common}
        for number, row in enumerate(rows)
    ]
    page = Page(write_bundle("c", held.turns, held.workspace, tmp_path, labels=labels).html.read_text())
    said = " ".join(page.text.split())
    assert f"{len(rows) - 1} tiles accepted, 1 rejected by hand." in said
    assert f"Precision {(len(rows) - 1) / len(rows):.0%}: every tile of the layer was judged." in said


def test_the_making_is_told(held: Held, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    write_bundle("c", held.turns, held.workspace, tmp_path, progress=lambda *news: told.append(news))
    assert next(what for what, _, _ in told if "map" in what) == "drawing a map of L1"
    assert all(done <= of for _, done, of in told)


def test_turns_come_back(held: Held) -> None:
    assert [turn.question for turn in held.contents.turns] == [turn.question for turn in held.turns]
    assert held.contents.turns[0] == held.turns[0]
    assert held.contents.index_name == held.workspace.index.manifest.name


def test_no_path_of_this_machine_leaves_it(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    workspace = make_workspace(tmp_path / "secret-home", tiny_index, pattern_encoder)
    file = str(workspace.settings.uploads / "cones.csv")
    steps = [run_step(workspace, "load_catalogue", file=file)]
    turn = make_turn(f"What is in {file}?", steps, f"See {workspace.output}/map.png and [L1].")
    bundle = write_bundle("c", [turn], workspace, tmp_path / "out")
    contents = read_bundle(bundle.zip)
    for name in contents.manifest.members:
        assert b"secret-home" not in contents.read(name), name
    assert contents.recipe.calls[0].arguments == {"file": "cones.csv"}
    assert contents.turns[0].answer == "See map.png and [L1]."


def test_pictures_are_shown_and_kept(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    workspace = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    Image.new("RGB", (2000, 1000), "teal").save(workspace.output / "good.png")
    (workspace.output / "torn.png").write_bytes(b"\x89PNG no picture")
    Image.new("RGB", (5, 5)).save(workspace.output.parent / "outside.png")
    step = run_step(workspace, "search_words", text="gullies")
    names = ("good.png", "torn.png", "gone.png", "../outside.png", "/etc/passwd")
    turn = make_turn("Gullies?", [dataclasses.replace(step, pictures=names)], "[L1]")
    bundle = write_bundle("c", [turn], workspace, tmp_path / "out")
    contents = read_bundle(bundle.zip)
    assert [name for name in contents.manifest.members if name.startswith("maps/")] == [
        "maps/good.png",
        "maps/layer_L1.png",  # the conversation drew no map of it
        "maps/torn.png",
    ]
    page = Page(bundle.html.read_text(encoding="utf-8"))
    shown = [str(attrs["src"])[:16] for tag, attrs in page.tags if tag == "img" and "data-tile" not in attrs]
    assert shown == ["data:image/webp;"]
    assert "gone.png is not shown in this page" in page.text
    assert contents.read("maps/good.png") == (workspace.output / "good.png").read_bytes()


def test_a_lost_layer_does_not_lose_the_rest(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    workspace = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    turn = spatial_turn(workspace)
    fresh = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    (fresh.layers.folder / "L2.parquet").unlink()
    contents = read_bundle(write_bundle("c", [turn], fresh, tmp_path / "out").zip)
    assert "layers/L2.parquet" not in contents.manifest.members
    assert "layers/L3.parquet" in contents.manifest.members


def test_an_empty_conversation_can_be_written(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    workspace = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    bundle = write_bundle("!", [], workspace, tmp_path / "out", title="Nothing yet")
    contents = read_bundle(bundle.zip)
    assert contents.manifest.title == "Nothing yet"
    assert replay(contents, workspace).identical
    assert "No question was asked" in bundle.html.read_text(encoding="utf-8")


# ------------------------------------------------------------------ the page


class Page(HTMLParser):
    """Tags and text of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_shows_steps_citations_and_doubts(held: Held) -> None:
    page = Page(held.bundle.html.read_text(encoding="utf-8"))
    cites = [attrs["data-layer"] for tag, attrs in page.tags if tag == "a" and attrs.get("class") == "cite"]
    assert {"L1", "L2", "L3", "L4"} <= set(cites)
    assert "[L99]" in page.text
    assert "not backed by any tool result" in page.text
    assert "near(layer='L1', other='L9', distance_km=100.0)" in page.text
    assert "there is no layer 'L9'" in page.text
    assert "offline planner (no language model)" in page.text
    assert held.workspace.index.manifest.fingerprint[:16] in page.text
    pictures = [attrs["data-tile"] for tag, attrs in page.tags if tag == "img" and "data-tile" in attrs]
    layer = held.workspace.layers.get("L3").table.sort_values("probability", ascending=False, kind="stable")
    assert pictures[24:36] == layer["row_id"].head(12).tolist()


def test_hostile_words_stay_words(held: Held) -> None:
    page = Page(held.bundle.html.read_text(encoding="utf-8"))
    executable = [
        attrs for tag, attrs in page.tags if tag == "script" and attrs.get("type") != "application/json"
    ]
    assert executable == [{}] * (len(globe_scripts()) + 1)  # the map's and the page's own
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        assert not str(attrs.get("href", "#")).lower().startswith(("javascript", "http")), attrs
        assert str(attrs.get("src", "data:")).startswith("data:"), attrs
        assert "style" not in attrs
    assert "{{7*7}}" in page.text
    assert "{{49}}" not in page.text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** and *b*", "<p><strong>a</strong> and <em>b</em></p>\n"),
        ("See [L1], [L2; L1] and [L9].", '<p>See {1}, {2}{1} and [L9].</p>\n'),
        ("12 (unsupported) km", "<p>12 <mark>not backed by any tool result</mark> km</p>\n"),
        ("<b>x</b> & y", "<p>&lt;b&gt;x&lt;/b&gt; &amp; y</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("<https://example.com> ![x](y)", "<p>&lt;https://example.com&gt; ![x](y)</p>\n"),
        ("# Title", "<h4>Title</h4>\n"),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"),
        ("`<i>[L1]`", "<p><code>&lt;i&gt;[L1]</code></p>\n"),
    ],
)  # fmt: skip
def test_answers_are_rendered_safely(text: str, html: str) -> None:
    for n in (1, 2):
        html = html.replace(f"{{{n}}}", f'<a class="cite" href="#layer-L{n}" data-layer="L{n}">L{n}</a>')
    assert answer_html(text, ["L1", "L2"]) == html


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("**130 tiles** match [L3]. Of 189 [L1], 3 lie apart [L1, L2].\n\nMore.",
         "130 tiles match. Of 189, 3 lie apart."),
        ("All 130 rows of [L3] are in x.gpkg (GPKG).", "All 130 rows of L3 are in x.gpkg (GPKG)."),
        ("| a | b |\n|--|--|\n\nWords first.", "Words first."),
        ("4711 (unsupported) tiles.", "4711 (not backed by any tool result) tiles."),
        ("", ""),
    ],
)  # fmt: skip
def test_what_was_found_is_said_in_a_sentence(answer: str, said: str) -> None:
    assert found(make_turn("?", [], answer)) == said
    assert found(make_turn("?", [], answer, status="failed")) == "This question was not answered."
    assert len(found(make_turn("?", [], answer + " word" * 1000))) <= 240


def test_tables_lose_their_style_attributes() -> None:
    html = answer_html("| a | b |\n|:--|--:|\n| 1 | 2 |", [])
    assert "<td>2</td>" in html
    assert "style" not in html


@given(st.text(alphabet=st.sampled_from("<>&\"'[]()!*`#|L1-\n {}javascript:")))
def test_no_answer_makes_tags_of_its_own(text: str) -> None:
    allowed = {"p", "strong", "em", "ul", "ol", "li", "br", "code", "h4", "mark", "a"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td"}
    for tag, attrs in Page(str(answer_html(text, ["L1"]))).tags:
        assert tag in allowed
        assert set(attrs) <= {"class", "href", "data-layer", "start"}
        assert attrs.get("href", "#layer-L1") == "#layer-L1"


def test_models_are_named_in_words() -> None:
    assert model_label("offline") == "offline planner (no language model)"
    assert model_label("openai:some-model") == "language model some-model"


# ------------------------------------------------------------------ replay


def test_replay_is_identical(held: Held) -> None:
    layers_before = held.workspace.layers.ids()
    files_before = sorted(held.workspace.output.iterdir())
    result = replay(held.contents, held.workspace)
    assert result.differences == []
    assert result.identical
    assert result.compared > 20
    assert held.workspace.layers.ids() == layers_before
    assert sorted(held.workspace.output.iterdir()) == files_before


def test_failed_calls_are_not_in_the_recipe(held: Held) -> None:
    tools = [call.tool for call in held.contents.recipe.calls]
    assert tools == [
        "search_words", "search_words", "near", "load_catalogue", "summarise", "export_layer",
        "search_words", "decline",
    ]  # fmt: skip
    assert held.contents.recipe.seed == 7


def test_replay_needs_nothing_that_the_user_brought(
    held: Held, tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    elsewhere = make_workspace(tmp_path / "elsewhere", tiny_index, pattern_encoder)
    (elsewhere.settings.uploads / "cones.csv").write_text("id,lon,lat\nX,0,0\n")
    elsewhere = dataclasses.replace(elsewhere, templates=("{}",), seed=1)
    assert replay(held.contents, elsewhere).identical


def test_replay_counts_layers_like_the_conversation_did(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    workspace = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    run_step(workspace, "search_words", text="chaos terrain")  # L1: stopped, its turn has no such step
    steps = [
        run_step(workspace, "search_words", text="gullies"),
        run_step(workspace, "summarise", layer="L2"),
    ]
    contents = read_bundle(write_bundle("c", [make_turn("?", steps, "")], workspace, tmp_path / "out").zip)
    assert replay(contents, workspace).differences == []


def test_a_shapefile_travels_with_its_companions(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    workspace = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    points = gpd.GeoDataFrame(
        {"name": ["A", "B"]}, geometry=gpd.points_from_xy([1, 2], [3, 4]), crs=tiny_index.body.crs
    )
    points.to_file(workspace.settings.uploads / "my cones?.shp")
    steps = [run_step(workspace, "load_catalogue", file="my cones?.shp")]
    assert steps[0].error == ""
    contents = read_bundle(write_bundle("c", [make_turn("?", steps, "")], workspace, tmp_path / "out").zip)
    assert {"my cones_.shp", "my cones_.dbf", "my cones_.shx", "my cones_.prj"} <= set(contents.recipe.inputs)
    elsewhere = make_workspace(tmp_path / "elsewhere", tiny_index, pattern_encoder)
    assert replay(contents, elsewhere).differences == []


def test_a_file_too_large_to_travel_is_needed_where_it_is_replayed(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.recipe.LARGEST_INPUT_BYTES", 10)
    workspace = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    steps = [run_step(workspace, "load_catalogue", file="cones.csv")]
    contents = read_bundle(write_bundle("c", [make_turn("?", steps, "")], workspace, tmp_path / "out").zip)
    assert contents.recipe.inputs == ()
    assert replay(contents, workspace).identical
    (workspace.settings.uploads / "cones.csv").unlink()
    assert "failed" in replay(contents, workspace).differences[0]


def changed_recipe(held: Held, **changes: object) -> BundleContents:
    values = held.contents.recipe.model_dump(mode="json") | changes
    return dataclasses.replace(held.contents, recipe=Recipe.model_validate(values))


def test_replay_names_each_difference(held: Held) -> None:
    calls = held.contents.recipe.model_dump(mode="json")["calls"]
    calls[0]["figures"]["count"] += 1
    calls[0]["figures"]["made_up"] = 1.5
    del calls[1]["figures"]["count"]
    calls[1]["layers"]["L2"]["hash"] = "0" * 16
    calls[2]["arguments"]["distance_km"] = 1e-9
    calls[3]["arguments"]["file"] = "../../etc/passwd"
    calls[4]["arguments"] = {"layer": ["L1"]}
    calls[5]["tool"] = "rm_rf"
    calls[6]["arguments"] = {"ws": 1}
    calls[7]["layers"] = {"L5": {"count": 1, "hash": "0"}}
    result = replay(changed_recipe(held, calls=calls), held.workspace)
    assert not result.identical
    said = "\n".join(result.differences)
    for part in (
        "call 1 (search_words): count =", "made_up is missing", "call 2 (search_words): count =",
        "was not there before", "L2 has other rows", "call 3 (near)", "call 4 (load_catalogue) failed",
        "call 5 (summarise) failed", "no tool 'rm_rf'", "has no argument 'ws'", "made no layer, was L5",
    ):  # fmt: skip
        assert part in said, said


def test_what_only_another_version_states_is_no_difference(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = held.contents.recipe.model_dump(mode="json")["calls"]
    del calls[1]["figures"]["count"]
    assert not replay(changed_recipe(held, calls=calls), held.workspace).identical
    monkeypatch.setattr("agent.recipe.version", lambda name: "999.0")
    assert replay(changed_recipe(held, calls=calls), held.workspace).identical
    calls[1]["figures"]["features"] += 1
    assert len(replay(changed_recipe(held, calls=calls), held.workspace).differences) == 1


def test_small_rounding_is_no_difference_and_more_is(held: Held) -> None:
    calls = held.contents.recipe.model_dump(mode="json")["calls"]
    name, value = next((n, v) for n, v in calls[4]["figures"].items() if isinstance(v, float) and v)
    calls[4]["figures"][name] = value * (1 + 1e-11)
    assert replay(changed_recipe(held, calls=calls[:5]), held.workspace).identical
    calls[4]["figures"][name] = value * (1 + 1e-7)
    assert len(replay(changed_recipe(held, calls=calls[:5]), held.workspace).differences) == 1


@pytest.mark.parametrize(("noise", "same"), [(4e-6, True), (1e-3, False)])
def test_the_last_digits_of_scores_are_no_difference(
    held: Held, monkeypatch: pytest.MonkeyPatch, noise: float, same: bool
) -> None:
    scored = type(held.workspace.index).score
    rng = np.random.default_rng(0)

    def on_another_processor(index: TileIndex, vector: np.ndarray) -> np.ndarray:
        scores = scored(index, vector)
        return np.asarray(scores + rng.uniform(-noise, noise, len(scores)).astype(np.float32))

    monkeypatch.setattr(type(held.workspace.index), "score", on_another_processor)
    calls = held.contents.recipe.model_dump(mode="json")["calls"]
    for call in calls:  # figures are compared elsewhere
        call["figures"] = {}
    monkeypatch.setattr("agent.recipe.version", lambda name: "999.0")
    differences = replay(changed_recipe(held, calls=calls[:1]), held.workspace).differences
    assert (differences == []) == same
    assert same or "L1 has other rows" in differences[0]


def test_another_index_is_said_first(held: Held, tmp_path: Path, pattern_encoder: PatternEncoder) -> None:
    source = PatternSource(seed=3)
    other = build_index(source, Grid(source.body, 100.0), pattern_encoder, tmp_path / "other")
    workspace = make_workspace(tmp_path / "home", other, pattern_encoder)
    result = replay(held.contents, workspace)
    assert result.differences[0].startswith("the index is another one")
    assert len(result.differences) > 1


def test_another_body_is_refused(held: Held) -> None:
    with pytest.raises(BundleError, match="made on mars"):
        replay(changed_recipe(held, body="mars"), held.workspace)


def test_replay_can_be_stopped(held: Held) -> None:
    held.workspace.stop.set()
    try:
        with pytest.raises(Cancelled):
            replay(held.contents, held.workspace)
    finally:
        held.workspace.stop.clear()


# ------------------------------------------------------------------ refusals


def rewritten(held: Held, path: Path, change: Changes, *, manifest: bool = True) -> Path:
    """The bundle with members changed; the manifest follows unless told not to."""
    with zipfile.ZipFile(held.bundle.zip) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if manifest and "manifest.json" in members:
        about = json.loads(members.pop("manifest.json"))
        about["members"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in members.items()
        }
        members["manifest.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def edit_json(member: str, **changes: object) -> Changes:
    def change(members: dict[str, bytes]) -> None:
        members[member] = json.dumps(json.loads(members[member]) | changes).encode()

    return change


def add(name: str, content: bytes = b"x") -> Changes:
    return lambda members: members.update({name: content})


def test_rewriting_alone_is_no_harm(held: Held, tmp_path: Path) -> None:
    contents = read_bundle(rewritten(held, tmp_path / "same.zip", lambda members: None))
    assert contents.recipe == held.contents.recipe


@pytest.mark.parametrize(
    ("change", "manifest", "what"),
    [
        (add("../evil.txt"), True, "unsafe name"),
        (add("/etc/passwd"), True, "unsafe name"),
        (add("a/../../b"), True, "unsafe name"),
        (add("C:\\evil"), True, "unsafe name"),
        (add("a\\..\\b"), True, "unsafe name"),
        (add("folder/"), True, "unsafe name"),
        (add("extra.txt"), False, "disagree about 'extra.txt'"),
        (lambda m: m.pop("layers/L1.parquet"), False, "disagree about 'layers/L1.parquet'"),
        (lambda m: m.pop("manifest.json"), False, "has no manifest.json"),
        (lambda m: m.update({"README.md": b"other words"}), False, "was changed: README.md"),
        (lambda m: m.pop("recipe.json"), True, "recipe.json"),
        (lambda m: m.pop("inputs/cones.csv"), True, "lacks inputs/cones.csv"),
        (edit_json("manifest.json", version=2), True, "format 2"),
        (edit_json("manifest.json", version="1"), True, "format 1"),
        (edit_json("manifest.json", format="other"), True, "no transcript"),
        (edit_json("manifest.json", members=[]), False, "manifest that is not one"),
        (lambda m: m.update({"manifest.json": b"{"}), False, "no readable manifest.json"),
        (lambda m: m.update({"manifest.json": b"[" * 100_000}), False, "no readable manifest.json"),
        (lambda m: m.update({"recipe.json": b"\xff\xfe"}), True, "no readable recipe.json"),
        (edit_json("recipe.json", calls=[{"tool": "x"}]), True, "recipe or transcript that is not one"),
        (edit_json("recipe.json", seed="0"), True, "recipe or transcript that is not one"),
        (edit_json("transcript.json", turns=[{"question": 1}]), True, "recipe or transcript that is not one"),
        (edit_json("transcript.json", turns=None), True, "recipe or transcript that is not one"),
        (add("bomb.bin", bytes(3_000_000)), True, "expands more than 200 times"),
    ],
)  # fmt: skip
def test_unsafe_and_torn_bundles_are_refused(
    held: Held, tmp_path: Path, change: Changes, manifest: bool, what: str
) -> None:
    path = rewritten(held, tmp_path / "bad.zip", change, manifest=manifest)
    with pytest.raises(BundleError) as refused:
        read_bundle(path)
    assert what in str(refused.value)
    assert refused.value.allowed
    assert refused.value.next_step


def test_links_and_unusual_members_are_refused(held: Held, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    packed = zipfile.ZipInfo("packed.bin")
    packed.compress_type = zipfile.ZIP_LZMA
    for info, what in ((link, "no plain file"), (packed, "encrypted or unusual")):
        path = tmp_path / f"{info.filename}.zip"
        path.write_bytes(held.bundle.zip.read_bytes())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(info, b"/etc/passwd")
        with pytest.raises(BundleError, match=what):
            read_bundle(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_given_twice_is_refused(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    path.write_bytes(held.bundle.zip.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.md", b"other words")
    with pytest.raises(BundleError, match="one twice"):
        read_bundle(path)


def test_more_than_a_gigabyte_is_refused(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.bundle.MOST_BYTES", 1000)
    with pytest.raises(BundleError, match="would unpack to"):
        read_bundle(held.bundle.zip)


def test_files_that_are_no_bundle_are_refused(held: Held, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no file"):
        read_bundle(tmp_path / "none.zip")
    with pytest.raises(BundleError, match=r"\.zip beside it"):
        read_bundle(held.bundle.html)
    whole = held.bundle.zip.read_bytes()
    torn = tmp_path / "torn.zip"
    for cut in (0, 10, len(whole) // 2, len(whole) - 30):
        torn.write_bytes(whole[:cut])
        with pytest.raises(BundleError):
            read_bundle(torn)


@given(st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_never_goes_unseen(held: Held, where: int, flip: int) -> None:
    content = bytearray(held.bundle.zip.read_bytes())
    content[where % len(content)] ^= flip
    path = held.bundle.zip.with_name("flipped.zip")
    path.write_bytes(content)
    try:
        contents = read_bundle(path)
    except BundleError:
        return
    # Dates and the like may change unseen; what is read may not.
    assert contents.recipe == held.contents.recipe
    assert contents.manifest == held.contents.manifest


def test_a_bundle_that_changes_after_reading_is_refused(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "later.zip"
    path.write_bytes(held.bundle.zip.read_bytes())
    contents = read_bundle(path)
    rewritten(held, path, add("inputs/cones.csv", b"id,lon,lat\n"))
    with pytest.raises(BundleError, match="was changed"):
        contents.read("inputs/cones.csv")
    with pytest.raises(BundleError, match="torn at 'nothing'"):
        contents.read("nothing")


@given(st.text(max_size=30))
def test_safe_names_stay_inside(name: str) -> None:
    folder = Path("/bundle")
    if is_safe_name(name):
        assert (folder / name).resolve().is_relative_to(folder)
        assert "\\" not in name


def test_writing_over_an_earlier_bundle_keeps_it_until_the_new_one_is_whole(
    held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_bundle("c", held.turns[:1], held.workspace, tmp_path)
    before = first.zip.read_bytes()

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("agent.bundle._pieces", broken)
    with pytest.raises(OSError, match="disk full"):
        write_bundle("c", held.turns, held.workspace, tmp_path)
    assert first.zip.read_bytes() == before
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".zip"]
    assert io.BytesIO(before).read(2) == b"PK"
