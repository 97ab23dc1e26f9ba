"""What the agent can do: plain typed functions over a `tools.workspace.Workspace`.

The signature and the docstring of each are its schema: the first paragraph describes it, the Parameters
section its arguments. `TOOLS` is the one tuple of them.
"""

from __future__ import annotations

from collections.abc import Callable

from tools.changes import changes
from tools.classify import classify
from tools.combine import merge_features, union
from tools.descent import downslope
from tools.export import export_layer
from tools.filters import filter_layer
from tools.maps.draw import draw_map
from tools.places import find_place, load_catalogue
from tools.refine import refine
from tools.relations import near, nearest, overlap, without
from tools.sampling import sample_context
from tools.search import search_example, search_words
from tools.statistics.assessment import evaluate_layer
from tools.statistics.association import associate
from tools.statistics.comparison import compare
from tools.statistics.density import density
from tools.statistics.novelty import novelty
from tools.statistics.orientation import orientation
from tools.statistics.summary import summarise
from tools.workspace import ToolResult, Workspace, check_text


def decline(ws: Workspace, reason: str, suggestion: str) -> ToolResult:
    """Decline a question that this index and these tools cannot answer, and say what could be asked
    instead. Makes no layer.

    Parameters
    ----------
    reason
        Why it cannot be answered, in one or two sentences; 1 to 1,000 characters.
    suggestion
        What can be asked instead; 1 to 1,000 characters.
    """
    ws.check_stop()
    said = [check_text(name, text, 1000) for name, text in (("reason", reason), ("suggestion", suggestion))]
    return ToolResult(" ".join(text if text[-1] in ".?!" else text + "." for text in said))


TOOLS: tuple[Callable[..., ToolResult], ...] = (
    search_words,
    search_example,
    refine,
    classify,
    find_place,
    load_catalogue,
    filter_layer,
    near,
    without,
    nearest,
    overlap,
    downslope,
    sample_context,
    union,
    merge_features,
    associate,
    novelty,
    evaluate_layer,
    summarise,
    density,
    compare,
    orientation,
    changes,
    draw_map,
    export_layer,
    decline,
)

__all__ = ["TOOLS", "ToolResult", "Workspace", "decline"]
