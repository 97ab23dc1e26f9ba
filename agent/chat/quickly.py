"""Imports of Gradio without what it does then that the chat has no use for: half of a start.

While it is imported, Gradio writes a type stub beside each of its components, from their parsed sources, and
takes in the MCP library if that is installed, to publish a page as tools, which the chat never does.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def lean_imports() -> Iterator[None]:
    """In this block Gradio finds neither the source files of its components nor the MCP library."""
    find, known = inspect.getfile, "mcp" in sys.modules

    def no_component(found: Any) -> str:
        # What Gradio takes for a component without a file: such a one gets no stub.
        if isinstance(found, type) and found.__module__.startswith("gradio."):
            raise OSError("no stub is wanted")
        return find(found)

    inspect.getfile = no_component  # type: ignore[assignment]
    if not known:
        sys.modules["mcp"] = None  # type: ignore[assignment]  # the import system's word for "not there"
    try:
        yield
    finally:
        inspect.getfile = find
        if not known:
            del sys.modules["mcp"]
