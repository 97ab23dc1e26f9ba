"""A transcript with verdicts, classes and several examples gives the same figures when it is run again."""

from __future__ import annotations

from agent.transcript import read_bundle, replay, write_bundle
from tests.transcripts import make_turn, make_workspace, run_step


def test_a_replay_is_identical(tmp_path, tiny_index, pattern_encoder) -> None:
    ws = make_workspace(tmp_path / "home", tiny_index, pattern_encoder)
    search = run_step(ws, "search_words", text="craters")
    tiles = ws.layers.get("L1").table["row_id"].tolist()
    picture = ws.settings.uploads / "like.jpg"
    picture.write_bytes(tiny_index.thumbnail(tiny_index.row_of(tiles[0])))
    steps = [
        search,
        run_step(ws, "refine", layer="L1", accept=tiles[:3], reject=tiles[5:8]),
        run_step(ws, "refine", layer="L2", accept=[], reject=tiles[8:9], title="twice"),
        run_step(ws, "classify", classes=["gullies", "lava flow"]),
        run_step(
            ws, "search_example", example=tiles[1], tiles=["like.jpg"], not_like=[tiles[7]], text="dunes"
        ),
    ]
    assert [step.error for step in steps] == ["" for _ in steps]
    bundle = write_bundle("verdicts", [make_turn("Which?", steps, "These [L3].")], ws, tmp_path / "out")
    contents = read_bundle(bundle.zip)
    assert contents.recipe.inputs == ("like.jpg",)
    assert contents.recipe.calls[-1].arguments["tiles"] == ["like.jpg"]
    picture.unlink()  # it travels with the bundle
    result = replay(contents, ws)
    assert result.differences == []
    assert result.compared > 20
