"""Twenty-five people at once: how long each waits, and whether anything of theirs mixes or is lost.

    python benchmarks/chat_load.py [--index NAME] [--people N] [--only alone|together] [--json FILE]

Starts `areographer chat` in a home of its own, in which the user's index is linked, and speaks Gradio's
protocol as a page does: each person has a session, a conversation and a question of his own, follows it
and fetches what a page fetches afterwards. The baseline is the same questions asked one after another of a
server of its own, started and warmed in the same way, so that neither run inherits what the other computed.

Afterwards every conversation is read from the store and held against the same question asked alone: answer,
steps, figures, citations, the content of every layer, the pixels of every picture. Nothing may differ.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from _common import make_parser, write_json
from gradio_client.utils import apply_diff
from PIL import Image

from agent.conversations import ConversationStore
from benchmarks.chat_latency import free_port
from retrieval.library import index_folder
from retrieval.settings import Settings, load_settings
from tools.layers import LayerStore

Json = Any

QUESTIONS = (
    "Where are impact craters with layered ejecta?",
    "Which way do the yardangs run?",
    "Where are landslides within 30 km of graben?",
    "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?",
    "How many dunes lie north of 30 degrees?",
    "Are pitted cones nearer to outflow channels than chance?",
    "Where are gullies between 30 and 55 degrees, away from lava flows?",
    "Find deltas within 20 km of valley networks.",
    "Where is polygonal ground?",
    "How many pedestal craters are there?",
    "What area do lava flows cover?",
    "At which latitudes are gullies densest?",
    "Slope streaks within 20 degrees of the equator",
    "How are the crests of transverse dunes oriented?",
    "Do lava flows lie higher than the rest of the surface?",
    "Is chaos terrain associated with outflow channels?",
    "Wrinkle ridges in the western hemisphere",
    "Are polygons associated with scalloped depressions?",
    "Where are araneiforms?",
    "Which alluvial fans lie within 50 km of valley networks?",
    "Pit chains north of the equator",
    "Where are layered deposits exposed?",
    "Where do debris aprons and lineated valley fill occur together?",
    "How are valley networks distributed by elevation?",
    "Find small shield volcanoes",
    "Degraded craters between 0 and 1000 m elevation",
    "Are there more barchans or more transverse dunes?",
    "Debris aprons between 30 and 50 degrees north",
    "Inverted channels within 45 km of valley networks",
    "Where are dust devil tracks?",
)
PANELS = ("conversations", "evidence", "layers", "recipe", "share")
WARMING = "Where are fresh simple craters?"
TIMEOUT_S = 600.0
PATIENCE_S = 300.0  # for a server to listen
# What differs from one run to the next by its nature.
FLEETING = ("seconds", "started", "asked_at")


@dataclass
class Visit:
    """What one person saw.

    Attributes
    ----------
    first_sign_s, first_step_s, answer_s
        From pressing enter until the page said anything, showed a step, and had the whole answer.
    settled_s
        Until the page had also fetched its map and its panels.
    waited
        Whether the page said that others came first.
    """

    question: str
    first_sign_s: float = float("nan")
    first_step_s: float = float("nan")
    answer_s: float = float("nan")
    settled_s: float = float("nan")
    conversation: str = ""
    error: str = ""
    waited: bool = False
    notices: list[str] = field(default_factory=list)


class Person:
    """One page of the chat, without a browser."""

    def __init__(self, http: httpx.AsyncClient, config: Json) -> None:
        self._http = http
        self._session = uuid.uuid4().hex
        self._names = {c["id"]: c["props"].get("elem_id") or c["type"] for c in config["components"]}
        self._submit = next(
            dependency
            for dependency in config["dependencies"]
            for number, name in dependency["targets"]
            if name == "submit" and self._names.get(number) == "ask"
        )

    async def ask(self, question: str) -> Visit:
        """Ask a question in a new conversation and wait for its end and for what the page fetches then."""
        visit, started = Visit(question), time.perf_counter()
        value = {"text": question, "files": []}
        inputs = self._submit["inputs"]
        data = [value if self._names[number] == "ask" else None for number in inputs]
        body = {"data": data, "fn_index": self._submit["id"], "session_hash": self._session}
        try:
            async with asyncio.timeout(TIMEOUT_S):
                joined = await self._http.post("gradio_api/queue/join", json=body)
                joined.raise_for_status()
                await self._follow(joined.json()["event_id"], visit, started)
                await self._fetch(visit)
                visit.settled_s = time.perf_counter() - started
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError) as error:
            visit.error = f"{type(error).__name__}: {str(error)[:200]}"
        return visit

    async def _follow(self, event_id: str, visit: Visit, started: float) -> None:
        shown: list[Json] = []
        names = [self._names[number] for number in self._submit["outputs"]]
        address = f"gradio_api/queue/data?session_hash={self._session}"
        async with self._http.stream("GET", address) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message, now = json.loads(line.removeprefix("data:")), time.perf_counter() - started
                if message["msg"] == "log":
                    visit.notices.append(str(message["log"]))
                elif message.get("event_id") != event_id:
                    continue
                elif message["msg"] == "process_generating":
                    data = message["output"]["data"]
                    shown = [apply_diff(*pair) for pair in zip(shown, data, strict=True)] if shown else data
                    _note(dict(zip(names, shown, strict=True)), visit, now)
                elif message["msg"] == "process_completed":
                    visit.answer_s = now
                    if not message["success"]:
                        raise ValueError(str(message["output"])[:200])
                    return

    async def _fetch(self, visit: Visit) -> None:
        """The layers on the map and the panels, as far as this version of the chat has them."""
        if not visit.conversation:
            raise ValueError("the page was never told its conversation")
        base = f"areographer/c/{visit.conversation}"
        wanted = [f"{base}/layers?ids=L1", *(f"{base}/panel/{name}?shown=L1" for name in PANELS)]
        for answer in await asyncio.gather(*map(self._http.get, wanted)):
            if answer.status_code >= 500:
                raise ValueError(f"{answer.url.path}: {answer.status_code}")


def _note(values: dict[str, Json], visit: Visit, now: float) -> None:
    """Take from a page's values what can be seen, and the conversation's id."""
    dialogue = values.get("dialogue") or []
    if dialogue and visit.first_sign_s != visit.first_sign_s:
        visit.first_sign_s = now
    metadata = [message.get("metadata") or {} for message in dialogue if isinstance(message, dict)]
    if any(step.get("parent_id") for step in metadata) and visit.first_step_s != visit.first_step_s:
        visit.first_step_s = now
    visit.waited = visit.waited or any("aiting" in str(step.get("title")) for step in metadata)
    for value in values.values():
        if isinstance(value, str) and value.startswith("{"):
            value = json.loads(value)
        if isinstance(value, dict) and value.get("conversation"):
            visit.conversation = str(value["conversation"])


@contextmanager
def serving(home: Path, index: str) -> Iterator[tuple[str, int]]:
    """A chat in a process of its own; gives its address and process id once it answers."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "cli", "chat", "--port", str(port), "--index", index, "--model", "offline"],
        env={**os.environ, "AREOGRAPHER_HOME": str(home)},
        cwd=Path(__file__).parents[1],
        stdout=subprocess.DEVNULL,
    )
    address, ends = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                httpx.get(f"{address}/config", timeout=5).raise_for_status()
                break
            except httpx.HTTPError:
                if server.poll() is not None or time.monotonic() > ends:
                    raise
                time.sleep(0.2)
        yield address, server.pid
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


async def visit_all(address: str, questions: tuple[str, ...], together: bool) -> list[Visit]:
    """Ask every question in a page of its own, all at once or one after another."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=TIMEOUT_S, limits=limits) as http:
        config = (await http.get("config")).json()
        await http.get("areographer/globe")  # every page has asked for it before its reader types
        await Person(http, config).ask(WARMING)
        people = [Person(http, config) for _ in questions]
        if together:
            return list(await asyncio.gather(*(p.ask(q) for p, q in zip(people, questions, strict=True))))
        return [await person.ask(q) for person, q in zip(people, questions, strict=True)]


def _answered(kept: Json) -> bool:
    return bool(kept["turns"]) and kept["turns"][-1]["status"] == "answered"


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory now and at most so far, MB; NaN where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan"), float("nan")
    said = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
    return int(said["VmRSS"]) / 1024, int(said["VmHWM"]) / 1024


def busy_s(pid: int) -> float:
    """Processor time that a process has used, s; NaN where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stored(settings: Settings, visits: list[Visit]) -> dict[str, Json]:
    """By question, everything kept of its conversation that ought to be the same whenever it is asked."""
    kept: dict[str, Json] = {}
    with ConversationStore(settings.conversations) as store:
        for visit in visits:
            if not visit.conversation:
                continue
            turns = [_lasting(turn.to_json()) for turn in store.turns(visit.conversation)]
            layers = LayerStore(settings.layers / visit.conversation)
            output = settings.exports / visit.conversation
            kept[visit.question] = {
                "turns": turns,
                "layers": {layer.id: _layer_hash(layer) for layer in layers},
                "pictures": {path.name: _pixels_hash(path) for path in sorted(output.glob("*.png"))},
                "open": store.in_hand(visit.conversation) is not None,
            }
    return kept


def _lasting(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in FLEETING}
    return [_lasting(item) for item in value] if isinstance(value, list | tuple) else value


def _layer_hash(layer: Any) -> str:
    table = layer.table
    plain = table.drop(columns=table.geometry.name).to_csv(index=False, float_format="%.17g")
    shapes = b"".join(table.geometry.to_wkb())
    return hashlib.sha256(plain.encode() + shapes).hexdigest()


def _pixels_hash(path: Path) -> str:
    with Image.open(path) as picture:
        return hashlib.sha256(np.asarray(picture).tobytes()).hexdigest()


def differences(alone: dict[str, Json], together: dict[str, Json]) -> list[str]:
    """What is not the same in both, or missing, or not finished, in words."""
    found = []
    for question, one in alone.items():
        other = together.get(question)
        if other is None:
            found.append(f"lost: {question}")
            continue
        found += [f"{name} differ: {question}" for name in one if one[name] != other[name]]
        if [turn["question"] for turn in other["turns"]] != [question] or other["open"]:
            found.append(f"not stored whole: {question}")
    return found


def run_once(home: Path, index: str, questions: tuple[str, ...], together: bool) -> tuple[Json, Json]:
    """Figures and what was stored, of one server."""
    with serving(home, index) as (address, pid):
        before, started, spent = memory_mb(pid)[0], time.perf_counter(), busy_s(pid)
        visits = asyncio.run(visit_all(address, questions, together))
        wall, spent = time.perf_counter() - started, busy_s(pid) - spent
        after, most = memory_mb(pid)
    kept = stored(Settings(home=home), visits)
    figures: dict[str, Json] = {
        "people": len(questions),
        "errors": sum(bool(visit.error) for visit in visits),
        "answered": sum(_answered(item) for item in kept.values()),
        "told_to_wait": sum(visit.waited for visit in visits),
        "wall_s": wall,
        "processor_s": spent,
        "memory_before_mb": before,
        "memory_after_mb": after,
        "memory_most_mb": most,
    }
    for name in ("first_sign_s", "first_step_s", "answer_s", "settled_s"):
        values = [v for visit in visits if (v := getattr(visit, name)) == v] or [float("nan")]
        figures[f"{name[:-2]}_median_s"] = statistics.median(values)
        figures[f"{name[:-2]}_p95_s"] = float(np.percentile(values, 95))
        figures[f"{name[:-2]}_worst_s"] = max(values)
    for visit in visits:
        if visit.error:
            print(f"  {visit.question}: {visit.error}", file=sys.stderr)
    return figures, kept


def main() -> None:
    """Measure, print a table, write JSON; ends with status 1 if anything differs or is lost."""
    parser = make_parser(__doc__)
    parser.add_argument("--index", default="lowell")
    parser.add_argument("--people", type=int, default=25)
    parser.add_argument("--only", choices=("alone", "together"))
    options = parser.parse_args()
    questions = QUESTIONS[: options.people]
    source = index_folder(options.index, load_settings())
    figures: dict[str, Json] = {"load_average": os.getloadavg()[0]}
    kept: dict[str, Json] = {}
    for name in ("alone", "together"):
        if options.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "indexes").mkdir()
            (home / "indexes" / source.name).symlink_to(source.resolve())
            figures[name], kept[name] = run_once(home, source.name, questions, name == "together")
    for name in kept:
        for key, value in figures[name].items():
            print(f"{name:10s} {key:28s} {value:10.3f}")
    wrong: list[str] = []
    if len(kept) == 2:
        wrong = differences(kept["alone"], kept["together"])
        for measure in ("first_step", "answer", "settled"):
            key = f"{measure}_median_s"
            figures[f"{measure}_ratio"] = figures["together"][key] / figures["alone"][key]
            print(f"{'ratio':10s} {measure:28s} {figures[f'{measure}_ratio']:10.3f}")
        figures["differences"] = wrong
        print(f"{len(wrong)} differences", *wrong, sep="\n  ")
    write_json(figures, options.json)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
