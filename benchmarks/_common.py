"""What these scripts share: options, the folder of real data, and figures written as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from retrieval.settings import real_data_folder


def make_parser(about: str | None, *, encoder: bool = False, seed: bool = False) -> argparse.ArgumentParser:
    """A parser that shows a script's docstring as it stands, with ``--json`` and what else is asked for."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if encoder:
        parser.add_argument("--encoder", default="areo-mini")
    if seed:
        parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    return parser


def real_data() -> Path:
    """The folder of real data; ends the script with status 2 where there is none."""
    data = real_data_folder()
    if data is None:
        print("AREOGRAPHER_REAL_DATA names no folder: nothing to measure", file=sys.stderr)
        sys.exit(2)
    return data


def write_json(figures: Any, file: Path | None) -> None:
    """Write figures, if a file was named."""
    if file:
        file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
