"""The command line through its own door: exit statuses, JSON, and the whole way from raster to replay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import cli

QUESTION = "Where are pitted cones within 200 km of outflow channels, north of 20 degrees south?"


@dataclass
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(
    small_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    for name in ("AREOGRAPHER_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AREOGRAPHER_HOME", str(small_home))

    def call(*argv: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["areographer", *argv])
        capfd.readouterr()
        status = cli.run()
        out, err = capfd.readouterr()
        return Ran(status, out, err)

    return call


def refused(ran: Ran) -> str:
    """The one line of a refusal; anything else fails."""
    assert ran.status == 2, ran
    assert "Traceback" not in ran.err
    lines = [line for line in ran.err.splitlines() if line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_ask_answers_and_its_transcript_replays(run: Callable[..., Ran], tmp_path: Path) -> None:
    asked = run("ask", QUESTION, "--index", "small", "--out", str(tmp_path / "out"), "--json")
    assert asked.status == 0, asked.err
    report = asked.json
    assert report["status"] == "answered"
    assert [step["tool"] for step in report["steps"]][:3] == ["search_words", "search_words", "near"]
    assert report["steps"][2]["arguments"]["distance_km"] == 200
    assert report["evidence"]["unsupported"] == []
    assert report["evidence"]["checked"] > 0
    assert "[L" in report["answer"]
    assert all(Path(layer["path"]).is_file() for layer in report["layers"])
    assert Path(report["transcript"]).suffix == ".zip"
    assert Path(report["transcript_html"]).is_file()

    again = run("replay", report["transcript"], "--json")
    assert again.status == 0, again.out
    assert again.json == {"identical": True, "differences": []}


# Of Gradio, which is laid out but not served here.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
def test_a_transcript_opens_in_the_chat_and_its_replay_says_what_was_checked(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = run("ask", QUESTION, "--index", "small", "--out", str(tmp_path), "--json")
    bundle = asked.json["transcript"]
    told = run("replay", bundle).out.splitlines()
    assert "files, each as its manifest says" in told[0]
    assert "calls run again on small" in told[1]
    assert "figures and layers compared" in told[2]
    assert told[3] == "identical"

    held: list[list[str]] = []

    def serve(blocks: Any, *_: object) -> None:
        held.append([turn.question for info in blocks.store.list() for turn in blocks.store.turns(info.id)])
        blocks.shut()

    monkeypatch.setattr("app.serve", serve)
    opened = run("chat", "--open", bundle)  # on the index that the transcript names
    assert opened.status == 0, opened.err
    assert "/?c=" in opened.out + opened.err
    (listed,) = held  # other tests ask in the same home
    assert listed.count(QUESTION) >= 2
    assert "cannot be read as a zip" in refused(run("chat", "--open", __file__))


def test_ask_prints_an_answer_for_a_person(run: Callable[..., Ran], tmp_path: Path) -> None:
    asked = run("ask", "Where are yardangs?", "--index", "small", "--out", str(tmp_path))
    assert asked.status == 0, asked.err
    assert "yardang" in asked.out
    assert "offline" in asked.out
    assert str(tmp_path) in asked.out


def test_search_ranks_with_probabilities(run: Callable[..., Ran]) -> None:
    found = run("search", "impact craters", "--index", "small", "--limit", "5", "--json").json
    assert len(found["hits"]) == 5
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    for hit in found["hits"]:
        assert {"tile_id", "lon", "lat", "score", "probability"} <= hit.keys()
        assert 0 <= hit["probability"] <= 1


def test_index_info(run: Callable[..., Ran]) -> None:
    info = run("index", "info", "small", "--json").json
    assert info["body"] == "lowell"
    assert info["tile_km"] == 60
    assert "706" in run("index", "info", "small").out.replace(",", "") or info["count"] > 600


def test_the_embedded_planet_is_made_on_first_use(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.corpus.lowell.GRID_TILE_KM", 90.0)
    monkeypatch.setenv("AREOGRAPHER_HOME", str(tmp_path))
    first = run("ask", "How many yardangs are there?", "--json")
    assert first.status == 0, first.err
    assert first.json["index"] == "lowell"
    assert (tmp_path / "planets/lowell-0/truth.parquet").is_file()
    made = (tmp_path / "indexes/lowell/manifest.json").stat().st_mtime_ns
    assert run("ask", "How many yardangs are there?", "--json").status == 0
    assert (tmp_path / "indexes/lowell/manifest.json").stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("question", "said"),
    [("", "empty"), ("   ", "empty"), ("a" * 100_000, "100,000"), ("Tell me a joke", "landform")],
)
def test_questions_that_cannot_be_answered(run: Callable[..., Ran], question: str, said: str) -> None:
    assert said in refused(run("ask", question, "--index", "small"))


def test_a_declined_question_still_prints_its_json(run: Callable[..., Ran]) -> None:
    declined = run("ask", "What is the weather in Paris?", "--index", "small", "--json")
    assert declined.json["status"] == "declined"
    refused(declined)


def test_a_question_back_names_whole_questions(run: Callable[..., Ran]) -> None:
    said = refused(run("ask", "Are gullies associated?", "--index", "small"))
    assert "With what may gullies be associated, for example" in said
    assert "Next: ask “Are gullies associated with" in said
    back = run("ask", "Where are they?", "--index", "small", "--json")
    assert back.json["status"] == "asked"
    assert back.json["steps"] == []
    assert len(back.json["suggestions"]) == 3


@pytest.mark.parametrize(
    "argv",
    [
        ("ask", "Where are dunes?", "--index", "nowhere"),
        ("ask", "Where are dunes?", "--index", "small", "--model", "nonsense"),
        ("index", "info", "nowhere"),
        ("search", "dunes", "--index", "small", "--limit", "0"),
        ("replay", "missing.zip"),
        ("chat", "--open", "missing.zip"),
        ("no-such-verb",),
    ],
)
def test_wrong_words_are_refused_in_one_line(run: Callable[..., Ran], argv: tuple[str, ...]) -> None:
    assert refused(run(*argv))


def test_rasters_that_cannot_be_used(run: Callable[..., Ran], tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.new("L", (64, 32), 90).save(picture)
    text = tmp_path / "notes.tif"
    text.write_text("no raster at all")
    torn = tmp_path / "torn.png"
    torn.write_bytes(picture.read_bytes()[:40])
    out = str(tmp_path / "index")
    whole = ("--bounds", "-180", "-90", "180", "90", "--tile-km", "1200")
    assert "missing.tif" in refused(run("index", "build", str(tmp_path / "missing.tif"), "--out", out))
    assert "notes.tif" in refused(run("index", "build", str(text), "--out", out))
    assert "torn.png" in refused(run("index", "build", str(torn), "--out", out, *whole))
    assert "--bounds" in refused(run("index", "build", str(picture), "--out", out))
    assert not Path(out).exists()
    assert run("index", "build", str(picture), "--out", out, *whole).status == 0
    before = sorted((p.name, p.stat().st_mtime_ns) for p in Path(out).iterdir())
    assert "already holds an index" in refused(run("index", "build", str(picture), "--out", out, *whole))
    assert before == sorted((p.name, p.stat().st_mtime_ns) for p in Path(out).iterdir())


def test_a_process_of_its_own_ends_with_its_whole_output_and_status(small_home: Path) -> None:
    def areographer(*argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "import cli; cli.main()", *argv]
        env = {**os.environ, "AREOGRAPHER_HOME": str(small_home)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)

    good = areographer("index", "info", "small", "--json")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["count"] > 600
    bad = areographer("index", "info", "nowhere")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert len(bad.stderr.strip().splitlines()) == 1


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, cli; heavy = {'torch', 'gradio', 'langchain', 'faiss', 'open_clip'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
