"""Conversations for tests of the globe and the transcript: real tools on a tiny index, no model."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.events import Evidence, Step, Turn
from retrieval.encoder import Encoder
from retrieval.errors import InputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools import TOOLS
from tools.workspace import Workspace, open_workspace

# What must never run, load or be filled in, wherever it is put.
HOSTILE = (
    "<script>alert('ran')</script>\"><img src=x onerror=\"alert('ran')\">{{7*7}}"
    " [click](javascript:alert('ran')) ![x](https://example.com/x.png)"
    " </script></title></textarea> \u2028 ]]>"
)
CONES_CSV = "id,name,lon,lat,diameter_km\nC1,First,10.5,20.25,3.5\nC2,Second,-150,-88.5,2\nC3,Third,60,87,9\n"


def make_workspace(home: Path, index: TileIndex, encoder: Encoder, name: str = "one") -> Workspace:
    """A workspace whose user brought ``cones.csv``."""
    settings = Settings(home=home, workers=1)
    settings.uploads.mkdir(parents=True, exist_ok=True)
    (settings.uploads / "cones.csv").write_text(CONES_CSV, encoding="utf-8")
    return open_workspace(settings, index, encoder, settings.layers / name, ("{}", "a picture of {}"), seed=7)


def run_step(workspace: Workspace, tool: str, **arguments: Any) -> Step:
    """One tool call as the agent records it."""
    call = {function.__name__: function for function in TOOLS}[tool]
    started = time.perf_counter()
    try:
        result = call(workspace, **arguments)
    except InputError as error:
        return Step("s", tool, arguments, "", (), {}, (), time.perf_counter() - started, str(error))
    pictures = tuple(path.name for path in result.pictures)
    seconds = time.perf_counter() - started
    figures, layers = dict(result.figures), tuple(workspace.layers.get(n).brief() for n in result.layer_ids)
    return Step(
        "s", tool, arguments, result.summary, result.layer_ids, figures, pictures, seconds, layers=layers
    )


def make_turn(question: str, steps: list[Step], answer: str, **record: Any) -> Turn:
    """A finished question, at a fixed time."""
    values = {"status": "answered", "model": "offline", "started": "2026-03-04T05:06:07Z", "seconds": 1.5}
    return Turn(question, tuple(steps), answer, **{"evidence": Evidence(), **values, **record})


def spatial_turn(workspace: Workspace) -> Turn:
    """Two searches, one failed call, a combination, a catalogue, an export: layers L1 to L4."""
    steps = [
        run_step(workspace, "search_words", text="pitted cones"),
        run_step(workspace, "search_words", text="outflow channels"),
        run_step(workspace, "near", layer="L1", other="L9", distance_km=100.0),
        run_step(workspace, "near", layer="L1", other="L2", distance_km=100.0),
        run_step(workspace, "load_catalogue", file="cones.csv"),
        run_step(workspace, "summarise", layer="L3"),
        run_step(workspace, "export_layer", layers=["L3"], format="csv"),
    ]
    count = steps[3].figures["count"]
    answer = (
        f"**{count} tiles** of pitted cones [L1] lie near an outflow channel [L2]: see [L3].\n\n"
        "- A catalogue [L4] has three.\n- There may be 4711 (unsupported) more [L99].\n"
    )
    evidence = Evidence(3, ("4711", "[L99]"), ("L1", "L2", "L3", "L4"))
    return make_turn("Where are pitted cones near outflow channels?", steps, answer, evidence=evidence)


def hostile_turn(workspace: Workspace) -> Turn:
    """Markup in every place where others can put words."""
    steps = [
        run_step(workspace, "search_words", text="gullies", title=HOSTILE),
        run_step(workspace, "near", layer=HOSTILE, other="L1", distance_km=1.0),
        run_step(workspace, "decline", reason=HOSTILE, suggestion=HOSTILE),
    ]
    evidence = Evidence(1, (HOSTILE,), ())
    return make_turn(
        HOSTILE,
        steps,
        HOSTILE,
        evidence=evidence,
        model=f"openai:{HOSTILE}",
        started=HOSTILE,
        status="declined",
    )


def repacked(bundle: Path, path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A bundle with members changed by hand, and a manifest that agrees with them."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(members.pop("manifest.json"))
    members["manifest.json"] = json.dumps(about).encode()
    change(members)
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
