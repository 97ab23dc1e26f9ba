"""The MCP server: as a process of its own with the official client; in this process where that is enough."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool
from PIL import Image

import cli
import tools.mcp as served
from agent.toolbox import wrap_tools
from retrieval.errors import SettingsError
from retrieval.settings import Settings
from tests.toys import decline, seek, toy_workspace
from tests.workspaces import a_workspace
from tools import TOOLS

mcp = pytest.importorskip("mcp", reason="the extra is missing: pip install 'areographer[mcp]'")
anyio = pytest.importorskip("anyio")

Script = Callable[[Any], Awaitable[dict[str, Any]]]


@pytest.fixture(scope="module")
def served_home(small_home: Path) -> Path:
    """A home with an index and a catalogue."""
    (small_home / "uploads").mkdir()
    (small_home / "uploads/cones.csv").write_text("id,name,lon,lat\nC1,First,10,20\nC2,Second,30,-5\n")
    return small_home


def over_stdio(home: Path, script: Script, log: Path) -> dict[str, Any]:
    """Run a client's script against `areographer mcp` in a process of its own."""
    server = mcp.StdioServerParameters(
        command=sys.executable,
        args=[str(Path(cli.__file__)), "mcp", "--index", "small"],
        env={"AREOGRAPHER_HOME": str(home), "OMP_NUM_THREADS": "1"},
        cwd=Path(cli.__file__).parent,
    )

    async def run() -> dict[str, Any]:
        with log.open("w") as errors, anyio.fail_after(120):
            # The newer greeting gives up on a machine too busy to start the server within ten seconds.
            async with mcp.Client(mcp.stdio_client(server, errlog=errors), mode="legacy") as client:
                return await script(client)

    answers: dict[str, Any] = anyio.run(run)
    return answers


@pytest.fixture(scope="module")
def session(served_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one session over stdio answered."""
    before = files_of(served_home)

    async def script(client: Any) -> dict[str, Any]:
        async def call(name: str, **arguments: Any) -> Any:
            return await client.call_tool(name, arguments)

        return {
            "instructions": client.instructions,
            "tools": (await client.list_tools()).tools,
            "search": await call("search_words", text="pitted cones"),
            "catalogue": await call("load_catalogue", file="cones.csv"),
            "map": await call("draw_map", layers=["L1", "L2"]),
            "export": await call("export_layer", layers=["L2"], format="csv"),
            "no layer": await call("near", layer="L1", other="L9", distance_km=40),
            "no number": await call("near", layer="L1", other="L2", distance_km="forty"),
            "no argument": await call("summarise", layer="L1", file="/etc/passwd"),
            "no tool": await call("run_shell", command="id"),
            "climbs": await call("load_catalogue", file="../../etc/passwd"),
            "after": await call("union", layers=["L1", "L2"]),
        }

    log = tmp_path_factory.mktemp("log") / "stderr"
    answers = over_stdio(served_home, script, log)
    return answers | {"new": files_of(served_home) - before, "log": log.read_text()}


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def text_of(result: Any) -> str:
    return str(result.content[0].text)


def test_every_tool_is_offered_with_the_models_schema(session: dict[str, Any], home: Settings) -> None:
    def bare(schema: Any) -> Any:
        """Without the titles that pydantic makes of names; a subset model drops the default of None."""
        if isinstance(schema, dict):
            return {key: bare(value) for key, value in schema.items() if key not in ("title", "default")}
        return [bare(item) for item in schema] if isinstance(schema, list) else schema

    offered = {tool.name: tool for tool in session["tools"]}
    assert list(offered) == [tool.__name__ for tool in TOOLS]
    for tool in wrap_tools(TOOLS, toy_workspace(home, "w")):
        model = convert_to_openai_tool(tool)["function"]
        assert offered[tool.name].description == model["description"]
        assert bare(offered[tool.name].input_schema["properties"]) == bare(model["parameters"]["properties"])
        assert offered[tool.name].input_schema.get("required", []) == model["parameters"].get("required", [])
        assert offered[tool.name].input_schema["additionalProperties"] is False


def test_results_come_as_text_and_as_values(session: dict[str, Any]) -> None:
    result = session["search"]
    values = result.structured_content
    assert not result.is_error
    assert values["layer_ids"] == ["L1"]
    assert values["figures"]["count"] == values["layers"][0]["count"] > 0
    assert values["summary"] in text_of(result)
    assert session["after"].structured_content["layer_ids"] == ["L3"]  # the session goes on after errors


def test_pictures_come_as_pictures(session: dict[str, Any]) -> None:
    text, picture = session["map"].content
    assert "Drew L1" in text.text
    assert len(base64.b64decode(picture.data)) <= served.PICTURE_BYTES
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as opened:
        assert max(opened.size) >= 640
        assert picture.mime_type == f"image/{opened.format}".lower()


def test_errors_are_tool_errors_that_say_what_is_allowed(session: dict[str, Any]) -> None:
    said = {
        "no layer": "Allowed: L1, L2",
        "no number": "distance_km (number)",
        "no argument": "no argument 'file'",
        "no tool": "search_words",
        "climbs": "Allowed: cones.csv",
    }
    for name, part in said.items():
        assert session[name].is_error, name
        assert part in text_of(session[name]), text_of(session[name])
        assert "Traceback" not in text_of(session[name])


def test_what_a_session_makes_lies_in_its_folders(session: dict[str, Any]) -> None:
    parts = [Path(name).parts for name in session["new"]]
    # Beside them only what any use of an index keeps for the next: thumbnails, the planet's relief.
    assert {one[0] for one in parts} <= {"layers", "exports", "cache", "indexes", "planets"}
    own = [one for one in parts if one[0] in ("layers", "exports")]
    assert {one[-1] for one in own} >= {"L1.parquet", "L2.json", "L3.json"}
    (name,) = {one[1] for one in own}
    assert name.startswith("mcp-")
    assert str(Path("exports", name)) in session["instructions"]
    assert session["export"].structured_content["files"][0].endswith(".csv")
    assert "714 tiles of 60 km" in session["instructions"]


def test_a_session_that_made_nothing_leaves_nothing(served_home: Path, tmp_path: Path) -> None:
    async def script(client: Any) -> dict[str, Any]:
        return {"answer": await client.call_tool("summarise", {"layer": "L1"})}

    before = set(served_home.rglob("mcp-*"))
    assert over_stdio(served_home, script, tmp_path / "log")["answer"].is_error
    assert set(served_home.rglob("mcp-*")) == before


def test_a_wrong_index_ends_it_with_one_line(served_home: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(Path(cli.__file__)), "mcp", "--index", "nowhere"],
        env={**os.environ, "AREOGRAPHER_HOME": str(served_home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "nowhere" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_without_the_extra_the_line_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "mcp" or name.startswith("mcp.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(SettingsError, match=r"areographer\[mcp\]"):
        served.check_extra()


def in_process(
    workspace: Any, script: Script, patch: pytest.MonkeyPatch, tools: Any = TOOLS
) -> dict[str, Any]:
    """Run a client's script against the server in this process."""
    patch.setattr(served, "TOOLS", tools)

    async def run() -> dict[str, Any]:
        with anyio.fail_after(30):
            async with mcp.Client(served.make_server(lambda: workspace)) as client:
                return await script(client)

    answers: dict[str, Any] = anyio.run(run)
    return answers


def test_a_cancelled_call_ends_its_work_and_the_next_runs(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = toy_workspace(home, "w")

    async def script(client: Any) -> dict[str, Any]:
        started = time.perf_counter()
        with anyio.move_on_after(0.3) as scope:
            await client.call_tool("seek", {"text": "slow"})  # takes five seconds unless it is stopped
        after = await client.call_tool("seek", {"text": "cones"})
        return {"gave up": scope.cancelled_caught, "took": time.perf_counter() - started, "after": after}

    answers = in_process(workspace, script, monkeypatch, (seek,))
    assert answers["gave up"]
    assert answers["after"].structured_content["layer_ids"] == ["L1"]
    assert workspace.layers.ids() == ["L1"]
    assert answers["took"] < 4


def test_an_index_that_cannot_be_opened_is_said_in_every_call(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise SettingsError("the index is torn", next_step="build it again")

    async def run() -> Any:
        async with mcp.Client(served.make_server(broken)) as client:
            listed = (await client.list_tools()).tools
            return listed, await client.call_tool("find_place", {"name": "Olympus"})

    listed, answer = anyio.run(run)
    assert len(listed) == len(TOOLS)
    assert answer.is_error
    assert "torn. Next: build it again" in text_of(answer)


def test_calls_at_once_run_one_after_another(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(client: Any) -> dict[str, Any]:
        answers = {}

        async def ask(text: str) -> None:
            answers[text] = await client.call_tool("seek", {"text": text})

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(ask, f"cones {number}")
        return answers

    answers = in_process(toy_workspace(home, "w"), script, monkeypatch, (seek,))
    assert sorted(answer.structured_content["layer_ids"][0] for answer in answers.values()) == [
        f"L{number}" for number in range(1, 7)
    ]


def test_faults_of_ours_tell_no_details(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(client: Any) -> dict[str, Any]:
        return {
            "bug": await client.call_tool("seek", {"text": "bug"}),
            "trouble": await client.call_tool("seek", {"text": "trouble"}),
            "fine": await client.call_tool("decline", {"reason": "No.", "suggestion": "Ask."}),
        }

    answers = in_process(toy_workspace(home, "w"), script, monkeypatch, (seek, decline))
    assert answers["bug"].is_error
    assert "ValueError" in text_of(answers["bug"])
    assert "secret" not in text_of(answers["bug"])
    assert text_of(answers["trouble"]).startswith("nothing looks like trouble. Allowed: landforms")
    assert not answers["fine"].is_error


def test_pictures_shrink_until_they_fit(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 1600, 3), dtype=np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path)
    data, kind = served.picture_within(path, 300_000)
    assert kind == "image/jpeg"
    assert 0 < len(data) <= 300_000
    assert served.picture_within(path, 100)[0] == b""
    assert served.picture_within(path, 10_000_000) == (path.read_bytes(), "image/png")


def test_real_tools_run_in_process_too(
    home: Settings, tiny_index: Any, pattern_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(client: Any) -> dict[str, Any]:
        return {"search": await client.call_tool("search_words", {"text": "pitted cones"})}

    workspace = a_workspace(home, tiny_index, pattern_encoder)
    answers = in_process(workspace, script, monkeypatch)
    assert answers["search"].structured_content["figures"]["searched"] == len(tiny_index)
    shutil.rmtree(workspace.layers.folder)
