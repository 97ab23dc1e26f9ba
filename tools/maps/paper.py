"""What static maps and charts share: paper, ink, and how a figure becomes a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text

from tools.export import free_path
from tools.workspace import Workspace

INK, QUIET, PAPER = "#1b1f24", "#646c76", "#fbfaf7"
DPI = 100


def save_picture(figure: Figure, ws: Workspace, stem: str, title: str, about: str = "") -> Path:
    """Write a figure as a new PNG into the output folder; a half-written one never has the final name.

    Parameters
    ----------
    stem
        Name without its ending; a number follows where it is taken.
    title, about
        What the file says of itself: its title, and what stands behind the index in its description.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a title may hold dollars
    ws.output.mkdir(parents=True, exist_ok=True)
    path = free_path(ws.output / f"{stem}.png")
    temporary = path.with_name(path.stem + ".part.png")
    figure.savefig(
        temporary,
        facecolor=PAPER,
        pil_kwargs={"compress_level": 4},  # a tenth larger, in half the time
        metadata={
            "Title": title,
            "Software": "Areographer",
            "Description": f"index {ws.index.manifest.fingerprint}{about}",
        },
    )
    temporary.replace(path)
    return path
