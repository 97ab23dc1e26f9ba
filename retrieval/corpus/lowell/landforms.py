"""The landforms of Lowell: one row each, so that a further one is an addition.

A row says how the landform is called, how it is drawn, what part of a feature counts as its body, and when
a tile earns its label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from retrieval.corpus.lowell import landforms_impact as impact
from retrieval.corpus.lowell import landforms_volcanic as volcanic
from retrieval.corpus.lowell import landforms_water as water
from retrieval.corpus.lowell import landforms_wind as wind
from retrieval.corpus.lowell.canvas import Feature, Window

PLAINS = "plains"
Body = Literal["disc", "line", "branches", "outline", "wall"]


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
        lobate outline, or the wall sector that gullies occupy.
    mark
        ``whole``: a tile is labelled when most of a feature's body lies inside. ``length``: when enough of
        its line does. ``cover``: when enough of the tile is covered.
    """

    key: str
    words: str
    draw: Callable[[Window, Feature], None]
    body: Body
    mark: Literal["whole", "length", "cover"]


LANDFORMS: dict[str, Landform] = {
    row.key: row
    for row in (
        Landform("simple_crater", "fresh simple crater", impact.simple_crater, "disc", "whole"),
        Landform("degraded_crater", "degraded crater", impact.degraded_crater, "disc", "whole"),
        Landform("central_peak_crater", "central-peak crater", impact.central_peak_crater, "disc", "whole"),
        Landform(
            "layered_ejecta_crater", "layered-ejecta crater", impact.layered_ejecta_crater, "disc", "whole"
        ),
        Landform("pedestal_crater", "pedestal crater", impact.pedestal_crater, "disc", "whole"),
        Landform("transverse_dunes", "transverse dunes", wind.transverse_dunes, "outline", "cover"),
        Landform("barchan_dunes", "barchan dunes", wind.barchan_dunes, "outline", "cover"),
        Landform("yardangs", "yardangs", wind.yardangs, "outline", "cover"),
        Landform("dust_devil_tracks", "dust devil tracks", wind.dust_devil_tracks, "outline", "cover"),
        Landform("shield_volcano", "shield volcano", volcanic.shield_volcano, "disc", "whole"),
        Landform("pitted_cones", "pitted cones", volcanic.pitted_cones, "outline", "cover"),
        Landform("lava_flow", "lava flow", volcanic.lava_flow, "line", "length"),
        Landform("pit_chain", "pit chain", volcanic.pit_chain, "line", "length"),
        Landform("graben", "graben", volcanic.graben, "line", "length"),
        Landform("wrinkle_ridges", "wrinkle ridges", volcanic.wrinkle_ridges, "line", "length"),
        Landform("valley_network", "valley network", water.valley_network, "branches", "length"),
        Landform("outflow_channel", "outflow channel", water.outflow_channel, "line", "length"),
        Landform("alluvial_fan", "alluvial fan", water.alluvial_fan, "disc", "whole"),
        Landform("landslide", "landslide", water.landslide, "line", "whole"),
        Landform("debris_apron", "lobate debris apron", water.debris_apron, "disc", "whole"),
        Landform("gullies", "gullies", impact.gullies, "wall", "whole"),
        Landform("polygons", "polygons", water.polygons, "outline", "cover"),
        Landform("chaos", "chaos terrain", water.chaos, "outline", "cover"),
        Landform(
            "scalloped_depressions", "scalloped depressions", water.scalloped_depressions, "outline", "cover"
        ),
    )
}
KEYS: tuple[str, ...] = (*LANDFORMS, PLAINS)
