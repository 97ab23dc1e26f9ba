"""The landforms of Lowell: one row each, so that a further one is an addition.

A row says how the landform is called, how it is drawn, what part of a feature counts as its body, and when
a tile earns its label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from retrieval.corpus.lowell import landforms_ice as ice
from retrieval.corpus.lowell import landforms_impact as impact
from retrieval.corpus.lowell import landforms_slope as slope
from retrieval.corpus.lowell import landforms_volcanic as volcanic
from retrieval.corpus.lowell import landforms_water as water
from retrieval.corpus.lowell import landforms_wind as wind
from retrieval.corpus.lowell.canvas import Feature, Window

PLAINS = "plains"
Body = Literal["disc", "line", "strands", "branches", "outline", "wall"]


@dataclass(frozen=True)
class Landform:
    """One kind of landform.

    Attributes
    ----------
    key, words
        Its key in catalogues and its name in words.
    draw
        Shape function: draws a feature into a window.
    body
        What is measured for labels: the disc of the diameter, the line of the length, all branches, the
        lobate outline, the parallel strands of ridges and troughs, or the wall sector that gullies occupy.
    mark, least
        What earns the label, and how much of it: ``whole``, the share of one feature's body inside the
        tile; ``length``, tile sides of line; ``cover``, share of the tile covered. The amounts were set by
        looking at tiles on both sides of each.
    covers
        Whether its body hides what is older: that part of an older feature no longer counts.
    """

    key: str
    words: str
    draw: Callable[[Window, Feature], None]
    body: Body
    mark: Literal["whole", "length", "cover"]
    least: float
    covers: bool = False


LANDFORMS: dict[str, Landform] = {
    row.key: row
    for row in (
        Landform(
            "simple_crater", "fresh simple crater", impact.simple_crater, "disc", "whole", 0.6, covers=True
        ),
        Landform(
            "degraded_crater", "degraded crater", impact.degraded_crater, "disc", "whole", 0.6, covers=True
        ),
        Landform(
            "central_peak_crater",
            "central-peak crater",
            impact.central_peak_crater,
            "disc",
            "whole",
            0.6,
            covers=True,
        ),
        Landform(
            "layered_ejecta_crater",
            "layered-ejecta crater",
            impact.layered_ejecta_crater,
            "disc",
            "whole",
            0.6,
            covers=True,
        ),
        Landform(
            "pedestal_crater", "pedestal crater", impact.pedestal_crater, "disc", "whole", 0.6, covers=True
        ),
        Landform(
            "transverse_dunes",
            "transverse dunes",
            wind.transverse_dunes,
            "outline",
            "cover",
            0.22,
            covers=True,
        ),
        Landform("barchan_dunes", "barchan dunes", wind.barchan_dunes, "outline", "cover", 0.22),
        Landform("yardangs", "yardangs", wind.yardangs, "outline", "cover", 0.22),
        Landform("dust_devil_tracks", "dust devil tracks", wind.dust_devil_tracks, "outline", "cover", 0.22),
        Landform(
            "shield_volcano", "shield volcano", volcanic.shield_volcano, "disc", "whole", 0.6, covers=True
        ),
        Landform("pitted_cones", "pitted cones", volcanic.pitted_cones, "outline", "cover", 0.22),
        Landform("lava_flow", "lava flow", volcanic.lava_flow, "line", "length", 0.4, covers=True),
        Landform("pit_chain", "pit chain", volcanic.pit_chain, "line", "length", 0.4),
        Landform("graben", "graben", volcanic.graben, "strands", "length", 0.5),
        Landform("wrinkle_ridges", "wrinkle ridges", volcanic.wrinkle_ridges, "strands", "length", 0.5),
        Landform("valley_network", "valley network", water.valley_network, "branches", "length", 0.75),
        Landform(
            "outflow_channel", "outflow channel", water.outflow_channel, "line", "length", 0.5, covers=True
        ),
        Landform("alluvial_fan", "alluvial fan", water.alluvial_fan, "disc", "whole", 0.45, covers=True),
        Landform(
            "inverted_channels", "inverted channels", water.inverted_channels, "branches", "length", 0.7
        ),
        Landform("delta", "delta", water.delta, "disc", "whole", 0.5, covers=True),
        Landform("landslide", "landslide", slope.landslide, "line", "whole", 0.55, covers=True),
        Landform("debris_apron", "lobate debris apron", ice.debris_apron, "disc", "whole", 0.45, covers=True),
        Landform("gullies", "gullies", slope.gullies, "wall", "whole", 0.7),
        Landform("slope_streaks", "slope streaks", slope.slope_streaks, "disc", "whole", 0.52),
        Landform(
            "layered_deposits", "layered deposits", slope.layered_deposits, "disc", "cover", 0.16, covers=True
        ),
        Landform(
            "lineated_valley_fill",
            "lineated valley fill",
            ice.lineated_valley_fill,
            "line",
            "length",
            0.45,
            covers=True,
        ),
        Landform("araneiforms", "araneiforms", ice.araneiforms, "outline", "cover", 0.22),
        Landform("polygons", "polygons", ice.polygons, "outline", "cover", 0.22),
        Landform("chaos", "chaos terrain", water.chaos, "outline", "cover", 0.22, covers=True),
        Landform(
            "scalloped_depressions",
            "scalloped depressions",
            ice.scalloped_depressions,
            "outline",
            "cover",
            0.22,
        ),
    )
}
KEYS: tuple[str, ...] = (*LANDFORMS, PLAINS)
