"""Text that people and models read: the system prompt, the query templates, the landform glossary.

Nothing here thinks; `load_prompts` reads the files beside this module and hands them on as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

# Questions in other people's words, and for things that are not there: for `evaluate`, never for training.
# Reported figures are those of the first; whatever is chosen is chosen on the second.
QUERIES_FOLDER = Path(__file__).parent / "queries"
DEV_QUERIES_FOLDER = QUERIES_FOLDER / "dev"


@dataclass(frozen=True)
class Term:
    """A landform of the glossary.

    Attributes
    ----------
    key
        Stable name, as in truth tables and labels: ``pitted_cones``.
    term, plural
        What an encoder is asked for, and how an answer calls several of them.
    synonyms
        Other names people type, singular or plural.
    description, process
        What it looks like from orbit; how it is usually thought to form.
    everyday
        Words of people who do not know its name; empty for many.
    look_alikes
        Keys of other terms that are easily taken for it.
    size_km
        Usual extent of a single one: smallest and largest, km.
    """

    key: str
    term: str
    plural: str
    synonyms: tuple[str, ...]
    description: str
    process: str
    look_alikes: tuple[str, ...]
    size_km: tuple[float, float]
    everyday: str = ""


@dataclass(frozen=True)
class Process:
    """A process that people name, and what positions can test for it.

    Attributes
    ----------
    key
        Stable name: ``mud``.
    words
        What people write for it; plural, case and hyphens do not matter.
    landforms
        Keys of terms that it leaves behind or needs; nearness to the first speaks for it.
    source
        Where the field's literature says so.
    """

    key: str
    words: tuple[str, ...]
    landforms: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Prompts:
    """All shipped text.

    Attributes
    ----------
    system
        System prompt of a language model that drives the tools.
    templates
        Sentences with one ``{}`` for the query.
    glossary
        The landforms, in the order of the file.
    background
        Prompts that describe what a tile shows when it does not show what was asked.
    summary
        What a language model is told when it sums up the beginning of a long conversation.
    processes
        Processes that nearness to a landform speaks for, in the order of the file.
    """

    system: str
    templates: tuple[str, ...]
    glossary: tuple[Term, ...]
    background: tuple[str, ...]
    summary: str
    processes: tuple[Process, ...] = ()

    @property
    def descriptions(self) -> dict[str, str]:
        """Per term, everything the glossary says of it in words: names, looks, process, everyday words."""
        return {
            term.term: " ".join((term.plural, *term.synonyms, term.description, term.process, term.everyday))
            for term in self.glossary
        }


@cache
def load_prompts() -> Prompts:
    """Read the shipped text; the same object every time, as it cannot change."""
    return Prompts(
        system=_text("system.md").strip(),
        templates=tuple(_yaml("templates.yaml")),
        glossary=tuple(_term(key, values) for key, values in _yaml("landforms.yaml").items()),
        background=tuple(_yaml("background.yaml")),
        summary=_text("summary.md").strip(),
        processes=tuple(_process(key, values) for key, values in _yaml("processes.yaml").items()),
    )


def _term(key: str, values: dict[str, Any]) -> Term:
    smallest, largest = values.pop("size_km")
    synonyms, look_alikes = tuple(values.pop("synonyms")), tuple(values.pop("look_alikes"))
    return Term(
        key=key,
        synonyms=synonyms,
        look_alikes=look_alikes,
        size_km=(float(smallest), float(largest)),
        **values,
    )


def _process(key: str, values: dict[str, Any]) -> Process:
    words, landforms = tuple(values["words"]), tuple(values["landforms"])
    return Process(key=key, words=words, landforms=landforms, source=values["source"])


def _yaml(name: str) -> Any:
    return yaml.safe_load(_text(name))


def _text(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
