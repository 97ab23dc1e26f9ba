"""What a rule in a table of limits is: a kind of token, the pieces of its pattern, what builds its value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Built = tuple[Any, str] | None
"""A value and a remark for the answer; None if the words turn out to mean something else."""

Build = Callable[[re.Match[str]], Built]
Rule = tuple[str, tuple[str, ...], Build]

NUMBER = r"[-+]?\d+(?:\.\d+)?"


def compiled(table: Iterable[Rule]) -> tuple[tuple[str, re.Pattern[str], Build], ...]:
    """The rules of a table with their patterns compiled; each ends at the end of a word."""
    return tuple(
        (kind, re.compile(rf"(?:{''.join(pieces)})(?![^\W_]|[-.]\w)", re.IGNORECASE), build)
        for kind, pieces, build in table
    )
