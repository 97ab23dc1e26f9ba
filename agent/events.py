"""What happens while a question is answered, and the record that is kept of it.

`agent.loop.Conversation.ask` yields events; the chat and the command line only draw them. A finished
question is a `Turn`, plain data that goes to JSON and back without loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Json = Any
Status = Literal["answered", "asked", "declined", "failed", "stopped"]


@dataclass(frozen=True)
class Evidence:
    """What the check of an answer against the tool results found; made by `agent.evidence.check`.

    Attributes
    ----------
    checked
        How many numbers the answer states.
    unsupported
        What no tool result nor the question supports, numbers, citations of layers that do not exist, and
        verdicts, as written and in the order written.
    citations
        Ids of the layers that the answer cites and that exist, each once, in the order written.
    ends
        Where each of the unsupported ends in the answer as the model wrote it, before it was marked.
    """

    checked: int = 0
    unsupported: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Planned:
    """What the model says it will do, before its first call; it states intentions, not results."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """Other people's questions are answered first: ``before`` is how many of those wait as well."""

    before: int


@dataclass(frozen=True)
class StepStarted:
    """The model asked for a tool; the tool has not run yet."""

    step_id: str
    tool: str
    arguments: dict[str, Json]


@dataclass(frozen=True)
class Step:
    """One finished tool call.

    Attributes
    ----------
    step_id
        The same as in `StepStarted`; unique in the conversation.
    summary
        The tool's own sentences; empty if it failed.
    figures
        Every number the tool stated, by name with unit.
    layer_ids, pictures
        Layers made; file names of pictures in the conversation's export folder.
    seconds
        Wall time of the tool.
    error
        Why it failed, in words fit for a reader; empty if it did not.
    layers, table
        The rest of what the model was shown: briefs of the layers made, and rows.
    files
        Names of other files made in the conversation's export folder.
    """

    step_id: str
    tool: str
    arguments: dict[str, Json]
    summary: str
    layer_ids: tuple[str, ...]
    figures: dict[str, float | int]
    pictures: tuple[str, ...]
    seconds: float
    error: str = ""
    layers: tuple[dict[str, Json], ...] = ()
    table: tuple[dict[str, Json], ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepFinished(Step):
    """A tool call ended, well or badly; the same fields as `Step`."""

    @property
    def step(self) -> Step:
        """The record of it that a `Turn` keeps."""
        return Step(**{name: getattr(self, name) for name in Step.__dataclass_fields__})


@dataclass(frozen=True)
class AnswerText:
    """A piece of the answer, as it is written.

    Attributes
    ----------
    restart
        The piece begins a new text: what was shown before was a remark between steps, or was cut off by a
        broken connection.
    """

    text: str
    restart: bool = False


@dataclass(frozen=True)
class Answered:
    """The last event of every question, whatever happened.

    Attributes
    ----------
    text
        The whole answer; what counts if it differs from the pieces. Numbers and citations that no tool
        gave are marked in it.
    status
        ``answered``; ``asked``: a question back, as something is missing; ``declined``: the data cannot tell;
        ``failed``: the model or a limit; ``stopped``: by the user.
    suggestions
        Follow-up questions to offer, ready to be asked.
    """

    text: str
    status: Status
    evidence: Evidence
    suggestions: tuple[str, ...]
    seconds: float


Event = Waiting | Planned | StepStarted | StepFinished | AnswerText | Answered


@dataclass(frozen=True)
class Turn:
    """One question and all that came of it.

    Attributes
    ----------
    model
        The model's name as given: ``offline`` or ``openai:NAME``.
    started
        ISO 8601, UTC.
    plan
        What the model said before its first call; empty if it said nothing.
    """

    question: str
    steps: tuple[Step, ...]
    answer: str
    status: Status
    evidence: Evidence = field(default_factory=Evidence)
    suggestions: tuple[str, ...] = ()
    model: str = ""
    started: str = ""
    seconds: float = 0.0
    plan: str = ""

    def to_json(self) -> dict[str, Json]:
        """Plain values, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> Turn:
        """The turn that `to_json` wrote, also after a trip through a JSON file.

        Raises
        ------
        KeyError, TypeError
            If the values are not those of a turn.
        """
        evidence = values["evidence"]
        return cls(
            question=values["question"],
            steps=tuple(_step(step) for step in values["steps"]),
            answer=values["answer"],
            status=values["status"],
            evidence=Evidence(
                checked=evidence["checked"],
                unsupported=tuple(evidence["unsupported"]),
                citations=tuple(evidence["citations"]),
                ends=tuple(evidence.get("ends", ())),
            ),
            suggestions=tuple(values["suggestions"]),
            model=values["model"],
            started=values["started"],
            seconds=values["seconds"],
            plan=values.get("plan", ""),
        )


def _step(values: Mapping[str, Json]) -> Step:
    sequences = ("layer_ids", "pictures", "layers", "table", "files")
    return Step(**{**values, **{name: tuple(values.get(name, ())) for name in sequences}})
