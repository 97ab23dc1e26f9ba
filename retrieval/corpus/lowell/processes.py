"""The one table of processes: what each landform depends on, and how strongly.

Placement reads it and the truth file is a copy of it, so that a hypothesis tested on the planet has an
answer. ``strength`` is the share of a landform's members that are placed under the stated condition; the
others are placed without regard to it. Conditions are understood by `placement.Conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["true", "false_friend", "null"]


@dataclass(frozen=True)
class Process:
    """One rule of the planet.

    Attributes
    ----------
    landform
        Key of the landform that is placed by the rule.
    depends_on
        What it depends on: a landform key, ``latitude``, ``elevation``, ``wind``, ``dichotomy``,
        ``canyon``, ``rise``, ``dust``, ``polar_cap``, ``crater_wall``, ``crater_floor`` or ``nothing``.
    strength
        Share of the members placed under the condition, 0..1.
    kind
        ``true``: a dependence. ``false_friend``: shares a band with another landform and is otherwise
        independent of it. ``null``: does not depend on it; on ``nothing``: uniform on the sphere.
    statement
        The rule in a sentence.
    parameters
        Numbers of the condition, units in the names.
    """

    landform: str
    depends_on: str
    strength: float
    kind: Kind
    statement: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for the truth file."""
        return {**asdict(self), "parameters": dict(self.parameters)}


PROCESSES: tuple[Process, ...] = (
    Process(
        "gullies",
        "crater_wall",
        1.0,
        "true",
        "Gullies lie on pole-facing crater walls at 30 to 60 degrees of latitude, north and south.",
        {
            "min_abs_lat_deg": 30.0,
            "max_abs_lat_deg": 60.0,
            "aspect": "pole",
            "min_diameter_km": 6.0,
            "share_of_craters": 0.97,
        },
    ),
    Process(
        "pitted_cones",
        "outflow_channel",
        0.95,
        "true",
        "Pitted cones lie within 40 km of outflow channels.",
        {"max_distance_km": 40.0},
    ),
    Process(
        "pitted_cones",
        "lava_flow",
        1.0,
        "true",
        "Pitted cones never lie within 60 km of a lava flow.",
        {"min_distance_km": 60.0},
    ),
    Process(
        "debris_apron",
        "dichotomy",
        0.92,
        "true",
        "Lobate debris aprons lie within 60 km of the dichotomy boundary at 30 to 55 degrees of latitude.",
        {"max_distance_km": 60.0, "min_abs_lat_deg": 30.0, "max_abs_lat_deg": 55.0},
    ),
    Process(
        "yardangs",
        "wind",
        1.0,
        "true",
        "Yardangs are aligned with the regional wind, within about 5 degrees.",
        {"azimuth_scatter_deg": 5.0, "relation": "parallel"},
    ),
    Process(
        "transverse_dunes",
        "wind",
        1.0,
        "true",
        "Crests of transverse dunes stand across the regional wind, within about 8 degrees.",
        {"azimuth_scatter_deg": 8.0, "relation": "across"},
    ),
    Process(
        "barchan_dunes",
        "wind",
        1.0,
        "true",
        "Barchans migrate along the regional wind, within about 8 degrees.",
        {"azimuth_scatter_deg": 8.0, "relation": "parallel"},
    ),
    Process(
        "transverse_dunes",
        "latitude",
        0.7,
        "true",
        "Most transverse dunes lie poleward of 55 degrees north, around the polar cap.",
        {"min_lat_deg": 55.0, "max_lat_deg": 80.0},
    ),
    Process(
        "landslide",
        "canyon",
        1.0,
        "true",
        "Landslides lie on the walls of the canyon system.",
        {"max_wall_distance_km": 7.0},
    ),
    Process(
        "chaos",
        "outflow_channel",
        0.8,
        "true",
        "Chaos terrain lies within 45 km of outflow channels, mostly where they begin.",
        {"max_distance_km": 45.0},
    ),
    Process(
        "shield_volcano",
        "rise",
        0.75,
        "true",
        "Small shield volcanoes cluster on the volcanic rise.",
        {"max_distance_km": 260.0},
    ),
    Process(
        "lava_flow",
        "rise",
        0.85,
        "true",
        "Lava flows lie on the volcanic rise.",
        {"max_distance_km": 320.0},
    ),
    Process(
        "pit_chain",
        "rise",
        0.6,
        "true",
        "Pit chains are commonest within 400 km of the volcanic rise.",
        {"max_distance_km": 400.0},
    ),
    Process(
        "graben",
        "rise",
        0.6,
        "true",
        "Graben are radial to the volcanic rise and commonest within 450 km of it.",
        {"max_distance_km": 450.0, "relation": "radial"},
    ),
    Process(
        "valley_network",
        "elevation",
        0.9,
        "true",
        "Valley networks lie in the highlands, south of the dichotomy boundary.",
        {"side": "highland", "max_abs_lat_deg": 55.0},
    ),
    Process(
        "alluvial_fan",
        "dichotomy",
        0.85,
        "true",
        "Alluvial fans lie within 60 km of the dichotomy boundary at less than 30 degrees of latitude.",
        {"max_distance_km": 60.0, "min_abs_lat_deg": 0.0, "max_abs_lat_deg": 30.0},
    ),
    Process(
        "delta",
        "valley_network",
        0.9,
        "true",
        "Deltas lie in basins within 20 km of the courses of valley networks.",
        {"max_distance_km": 20.0},
    ),
    Process(
        "inverted_channels",
        "valley_network",
        0.85,
        "true",
        "Inverted channels lie within 45 km of the courses of valley networks.",
        {"max_distance_km": 45.0},
    ),
    Process(
        "slope_streaks",
        "dust",
        0.95,
        "true",
        "Slope streaks lie on steep slopes in bright dust at less than 30 degrees of latitude.",
        {"min_brightness": 1.03, "min_abs_lat_deg": 0.0, "max_abs_lat_deg": 30.0},
    ),
    Process(
        "lineated_valley_fill",
        "dichotomy",
        0.92,
        "true",
        "Lineated valley fill lies within 50 km of the dichotomy boundary at 30 to 55 degrees of latitude.",
        {"max_distance_km": 50.0, "min_abs_lat_deg": 30.0, "max_abs_lat_deg": 55.0},
    ),
    Process(
        "araneiforms",
        "polar_cap",
        1.0,
        "true",
        "Araneiforms lie within 65 km of the margins of the polar caps.",
        {"max_distance_km": 65.0},
    ),
    Process(
        "layered_deposits",
        "canyon",
        0.4,
        "true",
        "Many layered deposits lie on the floor of the canyon system.",
        {"inside_km": 8.0},
    ),
    Process(
        "layered_deposits",
        "crater_floor",
        0.6,
        "true",
        "The other layered deposits lie on the floors of degraded craters of at least 7 km.",
        {"min_diameter_km": 7.0, "share_of_craters": 0.75},
    ),
    Process(
        "scalloped_depressions",
        "latitude",
        0.95,
        "true",
        "Scalloped depressions lie at 40 to 62 degrees of latitude.",
        {"min_abs_lat_deg": 40.0, "max_abs_lat_deg": 62.0},
    ),
    Process(
        "polygons",
        "latitude",
        0.95,
        "false_friend",
        "Polygons share the band of the scalloped depressions, 40 to 70 degrees, and within it lie "
        "independently of them.",
        {"min_abs_lat_deg": 40.0, "max_abs_lat_deg": 70.0, "friend": "scalloped_depressions"},
    ),
    Process(
        "layered_ejecta_crater",
        "latitude",
        0.8,
        "false_friend",
        "Layered-ejecta craters are commonest at 25 to 60 degrees of latitude, the band of gullies and "
        "debris aprons, and lie independently of both.",
        {"min_abs_lat_deg": 25.0, "max_abs_lat_deg": 60.0, "friend": "debris_apron"},
    ),
    Process(
        "pedestal_crater",
        "latitude",
        0.85,
        "false_friend",
        "Pedestal craters share the latitudes of polygons, poleward of 40 degrees, and lie independently "
        "of them.",
        {"min_abs_lat_deg": 40.0, "max_abs_lat_deg": 75.0, "friend": "polygons"},
    ),
    Process(
        "slope_streaks",
        "alluvial_fan",
        0.0,
        "false_friend",
        "Slope streaks share the low latitudes of alluvial fans and lie independently of them.",
        {"friend": "alluvial_fan"},
    ),
    Process(
        "inverted_channels", "wind", 0.0, "null", "Inverted channels run in any direction, whatever the wind."
    ),
    Process("simple_crater", "nothing", 0.0, "null", "Simple craters fall uniformly on the sphere."),
    Process(
        "central_peak_crater", "nothing", 0.0, "null", "Central-peak craters fall uniformly on the sphere."
    ),
    Process("degraded_crater", "nothing", 0.0, "null", "Degraded craters lie uniformly on the sphere."),
    Process("dust_devil_tracks", "nothing", 0.0, "null", "Dust devil tracks lie uniformly on the sphere."),
    Process("wrinkle_ridges", "nothing", 0.0, "null", "Wrinkle ridges lie uniformly on the sphere."),
    Process("yardangs", "nothing", 0.0, "null", "Yardangs lie uniformly on the sphere."),
    Process("barchan_dunes", "nothing", 0.0, "null", "Barchan dunes lie uniformly on the sphere."),
)


def process(landform: str, depends_on: str) -> Process:
    """The rule of a landform for one dependence; KeyError if the table has none."""
    for rule in PROCESSES:
        if rule.landform == landform and rule.depends_on == depends_on:
            return rule
    raise KeyError(f"no process makes {landform} depend on {depends_on}")
