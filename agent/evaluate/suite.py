"""The questions: read from YAML files, one for each family, and filled with names of a planet.

A question::

    - id: near-cones-channels
      before: [...]                     # optional: questions asked first, in the same conversation
      ask:                              # wordings, each asked in a conversation of its own
        - Where do pitted cones lie within 40 km of outflow channels?
        - pitted cones no farther than 40 km from an outflow channel, please
      plan:                             # the calls that the answer needs; names stand for layers
        a: {search_words: pitted_cones}
        b: {search_words: outflow_channel}
        c: {near: {layer: a, other: b, distance_km: 40}}
      expect: found                     # what kind of answer is right: `agent.evaluate.expected.KINDS`

A value that is a list of two numbers is a range in which the argument may lie. Blanks are filled in by
`Ground.filled`. The kind of answer may carry what it is about: ``expect: {verdict: [a, b]}``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.evaluate.plans import Call, Layer, Plan, read_calls
from retrieval.errors import SettingsError

Json = Any

QUESTIONS_FOLDER = Path(__file__).parents[2] / "benchmarks" / "questions"
# The argument that a call written as ``{tool: value}`` gives.
_SHORT = {"search_words": "text", "search_example": "example", "find_place": "name"}


@dataclass(frozen=True)
class Question:
    """A question with its wordings, the plan it needs, and what answer is right.

    Attributes
    ----------
    before
        Questions asked first in the same conversation.
    wordings
        Ways to put it.
    calls
        Expected calls: tool, arguments, names of the layers made.
    kind, about
        What kind of answer is right, and what it is about.
    """

    id: str
    family: str
    before: tuple[str, ...]
    wordings: tuple[str, ...]
    calls: tuple[Call, ...]
    kind: str
    about: Json = None

    @property
    def plan(self) -> Plan:
        """What the expected calls amount to."""
        return read_calls(self.calls)

    @property
    def answer(self) -> Layer:
        """The layer that answers it: that of the last call that makes one."""
        made = self.plan.layers
        name = self.about if isinstance(self.about, str) and self.about in made else list(made)[-1]
        return made[name]


def read_suite(
    folder: Path, families: Sequence[str] = (), limit: int | None = None, kinds: Sequence[str] = ()
) -> list[Question]:
    """Read the questions of a folder, family by family in the order of the files' names.

    Parameters
    ----------
    families
        Names of those wanted; all if empty.
    limit
        At most so many questions of each family.
    kinds
        The kinds of answer there are; any if empty.

    Raises
    ------
    SettingsError
        If there are none, a family is not known, or a file is of another form.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not files:
        raise SettingsError(
            f"{folder} holds no questions", next_step="give --questions with a folder of them"
        )
    if unknown := [family for family in families if family not in files]:
        raise SettingsError(f"there is no family {unknown[0]!r}", allowed=", ".join(files))
    questions: list[Question] = []
    for family, path in files.items():
        if not families or family in families:
            questions += _read(path, family, kinds)[:limit]
    if len({question.id for question in questions}) < len(questions):
        raise SettingsError(f"two questions of {folder} have the same id")
    return questions


def filled(question: Question, fill: Callable[[str], str]) -> Question:
    """The question with the blanks in its texts and arguments filled in."""

    def walk(value: Json) -> Json:
        if isinstance(value, str):
            return fill(value)
        if isinstance(value, dict):
            return {name: walk(one) for name, one in value.items()}
        return [walk(one) for one in value] if isinstance(value, list) else value

    return Question(
        question.id,
        question.family,
        tuple(map(fill, question.before)),
        tuple(map(fill, question.wordings)),
        tuple((tool, walk(dict(arguments)), made) for tool, arguments, made in question.calls),
        question.kind,
        walk(question.about),
    )


def _read(path: Path, family: str, kinds: Sequence[str]) -> list[Question]:
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
        return [_question(row, family, kinds) for row in rows]
    except (yaml.YAMLError, OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{path} holds questions that cannot be read ({error})") from error


def _question(row: dict[str, Json], family: str, kinds: Sequence[str]) -> Question:
    expect = row["expect"]
    kind, about = next(iter(expect.items())) if isinstance(expect, dict) else (expect, None)
    if kinds and kind not in kinds:
        raise ValueError(f"{row['id']}: no kind of answer is called {kind!r}")
    wordings = tuple(map(str, row["ask"]))
    if not wordings:
        raise ValueError(f"{row['id']} has no wording")
    return Question(
        id=str(row["id"]),
        family=family,
        before=tuple(map(str, row.get("before", ()))),
        wordings=wordings,
        calls=tuple(_call(name, call) for name, call in (row.get("plan") or {}).items()),
        kind=str(kind),
        about=about,
    )


def _call(name: str, call: dict[str, Json]) -> Call:
    ((tool, given),) = call.items()
    arguments = dict(given) if isinstance(given, dict) else {_SHORT[tool]: given}
    return str(tool), arguments, (str(name),)
