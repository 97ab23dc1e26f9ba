"""A vision model behind an OpenAI-compatible server as a captioner of tiles.

It is shown the picture and told the measured facts, and asked for several short captions as JSON. What it
answers is only ever a candidate: the corpus holds each claim against the facts before anything is kept.
Answers are remembered in a file as they come, so a run that breaks off pays for no tile twice.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from numpy.typing import NDArray
from PIL import Image

from agent.models import explain_failure, is_broken_stream, is_servers_fault, make_model
from retrieval.corpus.facts import TileFacts, record_of
from retrieval.errors import SettingsError
from retrieval.settings import Settings

SHOWN_PX = 384  # small tiles are enlarged to this: vision models see little in 96 pixels
AT_ONCE = 4  # requests under way together
MOST_CHARS = 400  # of a caption; longer ones are stories
INSTRUCTION = """\
You see one tile of an orbital image of {body}, north up, {tile_km:g} km wide. Write {count} different
captions of it, each one sentence of at most 40 words, in plain geomorphological words: which landforms are
there, how large, how many, on which side of the tile, in which direction they run. Say nothing that you
cannot see in the picture or read in the facts, and interpret nothing. Facts, measured or from catalogues:
{facts}
Answer with JSON only: {{"captions": ["...", "..."]}}"""


class VisionCaptioner:
    """Asks a vision model for captions.

    Parameters
    ----------
    name
        ``openai:NAME``.
    settings
        Where the server is, and the key.
    body
        Name of the body, for the instruction.
    memory
        JSON-lines file of answers; made if there is none.

    Raises
    ------
    SettingsError
        If the name is no ``openai:NAME``, or address or key are wrong.
    """

    def __init__(self, name: str, settings: Settings, body: str, memory: Path | None = None) -> None:
        self._name, self._settings, self._body = name, settings, body
        self._model: BaseChatModel = make_model(name, settings, _no_planner)
        self._memory, self._lock = memory, Lock()
        self._known = _remembered(memory)

    @property
    def name(self) -> str:
        """Its name in records."""
        return self._name

    def write(
        self,
        pixels: NDArray[np.uint8],
        facts: Sequence[TileFacts],
        count: int,
        rng: np.random.Generator,
    ) -> list[list[str]]:
        """Captions of each tile, shape of ``pixels`` (n, s, s, 3); none where the model refuses or babbles.

        Raises
        ------
        SettingsError
            If the server fails; what was answered before is remembered.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [
                pool.submit(self._ask, picture, fact, count)
                for picture, fact in zip(pixels, facts, strict=True)
            ]
            try:
                return [job.result() for job in jobs]
            except Exception as error:
                for job in jobs:
                    job.cancel()
                if not (is_servers_fault(error) or is_broken_stream(error)):
                    raise
                said = explain_failure(error, self._name, self._settings).rstrip(".")
                raise SettingsError(said, next_step="run it again; what was answered is kept") from error

    def _ask(self, picture: NDArray[np.uint8], facts: TileFacts, count: int) -> list[str]:
        told = "\n".join(f"- {f.name}: {f.value} {f.unit}".rstrip() for f in record_of(facts))
        text = INSTRUCTION.format(body=self._body, tile_km=facts.tile_km or 0, count=count, facts=told)
        image = _png(picture)
        key = hashlib.sha256(repr((self._name, text)).encode() + image).hexdigest()
        if key in self._known:
            return self._known[key][:count]
        url = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
        message = HumanMessage(
            content=[{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
        )
        captions: list[str] = []
        for _ in range(2):  # once more after an answer that is no JSON
            captions = read_captions(self._model.invoke([message]).text)[:count]
            if captions:
                break
        self._remember(key, captions)
        return captions

    def _remember(self, key: str, captions: list[str]) -> None:
        with self._lock:
            self._known[key] = captions
            if self._memory is not None:
                self._memory.parent.mkdir(parents=True, exist_ok=True)
                with self._memory.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps({"key": key, "captions": captions}, ensure_ascii=False) + "\n")
                    stream.flush()
                    os.fsync(stream.fileno())


def read_captions(answer: str) -> list[str]:
    """Captions in a model's answer: the JSON asked for, also within a code fence; none if there is none."""
    match = re.search(r"\{.*\}|\[.*\]", answer, re.DOTALL)
    try:
        found: Any = json.loads(match.group()) if match else None
    except ValueError:
        return []
    if isinstance(found, dict):
        found = found.get("captions")
    if not isinstance(found, list):
        return []
    texts = [" ".join(text.split()) for text in found if isinstance(text, str)]
    return list(dict.fromkeys(text for text in texts if 0 < len(text) <= MOST_CHARS))


def _remembered(memory: Path | None) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    if memory is None or not memory.exists():
        return known
    try:
        lines = memory.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{memory} cannot be read ({error})", next_step="remove it") from error
    for line in lines:
        try:
            row = json.loads(line)
            known[str(row["key"])] = [str(text) for text in row["captions"]]
        except (ValueError, KeyError, TypeError):  # the last line of a run that was cut off
            continue
    return known


def _png(picture: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(picture)
    if image.width < SHOWN_PX:
        image = image.resize((SHOWN_PX, SHOWN_PX), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _no_planner() -> BaseChatModel:
    raise SettingsError(
        "the offline planner sees no pictures",
        allowed="grammar, or openai:NAME with the name of a vision model",
    )
