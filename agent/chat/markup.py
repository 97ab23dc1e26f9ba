"""Fills the chat's HTML templates, which all escape what they are given."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

Json = Any
FOLDER = Path(__file__).parent


def fill(template: str, **values: Json) -> str:
    """HTML of a template of this folder, such as ``panels/layers.html.j2``."""
    return _environment().get_template(template).render(**values).strip()


@cache
def asset(name: str) -> str:
    """Text of a file of this folder: ``style.css``, ``page.js``."""
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["urlencode"] = lambda text: quote(str(text), safe="")
    # Escaped like any text: for data-… attributes.
    environment.filters["json"] = lambda value: json.dumps(value)
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment
