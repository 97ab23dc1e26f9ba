"""What static maps and charts share: paper, ink, and how a figure becomes a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tools.export import free_path
from tools.workspace import Workspace

INK, QUIET, PAPER = "#1b1f24", "#646c76", "#fbfaf7"
DPI = 100

Rgba = NDArray[np.uint8]


def save_picture(
    figure: Figure, ws: Workspace, stem: str, title: str, about: str = "", behind: Rgba | None = None
) -> Path:
    """Write a figure as a new PNG into the output folder; a half-written one never has the final name.

    Parameters
    ----------
    stem
        Name without its ending; a number follows where it is taken.
    title, about
        What the file says of itself: its title, and what stands behind the index in its description.
    behind
        A page of this size that the figure is drawn upon, as `drawn` gives it; blank paper if None.
    """
    # The paper is opaque: without the opacity the file is a tenth smaller and written in half the time.
    picture = Image.fromarray(drawn(figure, behind)).convert("RGB")
    said = PngInfo()
    said.add_text("Title", title)
    said.add_text("Software", "Areographer")
    said.add_text("Description", f"index {ws.index.manifest.fingerprint}{about}")
    ws.output.mkdir(parents=True, exist_ok=True)
    path = free_path(ws.output / f"{stem}.png")
    temporary = path.with_name(path.stem + ".part.png")
    picture.save(temporary, "PNG", compress_level=2, pnginfo=said, dpi=(DPI, DPI))
    temporary.replace(path)
    return path


def drawn(figure: Figure, behind: Rgba | None = None) -> Rgba:
    """What a figure looks like, shape (h, w, 4): on blank paper, or on what is behind it. Read only."""
    for text in _texts(figure):
        text.set_parse_math(False)  # a title may hold dollars
    canvas: Any = figure.canvas
    figure.set_facecolor(PAPER)
    if behind is None:
        canvas.draw()
    else:
        renderer = canvas.get_renderer()
        np.asarray(renderer.buffer_rgba())[:] = behind
        figure.patch.set_visible(False)
        figure.draw(renderer)
    pixels = np.asarray(canvas.buffer_rgba())
    pixels.flags.writeable = False
    return pixels


def _texts(artist: Any) -> Iterator[Text]:
    """All texts, without those of axes that are switched off: asking for their ticks would make them."""
    if isinstance(artist, Text):
        yield artist
    for child in artist.get_children():
        if not (isinstance(child, Axis) and not child.axes.axison):
            yield from _texts(child)
