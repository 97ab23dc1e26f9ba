"""Words of captions other than landforms: sentences, sizes, sides, directions, counts, bands, terrain."""

from __future__ import annotations

# Around what is seen; the bare phrase is the most frequent, as in queries.
SENTENCES = (
    *(("{x}",) * 5),
    "{x}.",
    "An orbital image of {x}.",
    "A CTX image of {x}",
    "A CTX image showing {x}.",
    "a satellite image of {x}",
    "an orbital view showing {x}",
    "A grey-scale orbital photograph of {x}.",
    "A spacecraft image of {x}",
    "this tile shows {x}",
    "a planetary surface with {x}",
    "aerial view of {x}",
    "Orbital image: {x}",
    "remote sensing image of {x}",
    "view from orbit: {x}",
    "planetary image showing {x}",
    "a photograph from orbit of {x}",
    "A context camera view of {x}.",
    "{x} seen from orbit",
    "the scene shows {x}",
    "a tile with {x}",
)
# Only where the body is known.
BODY_SENTENCES = ("An image of the surface of {body} with {x}.", "{x} on {body}")

BANDS = {
    "equatorial": ("near the equator", "at equatorial latitudes", "in the tropics", "close to the equator"),
    "low": ("at low latitudes", "at {side} low latitudes", "in the {side} low latitudes"),
    "middle": (
        "at mid-latitudes",
        "at {side} mid-latitudes",
        "in the {side} mid-latitudes",
        "in the middle latitudes of the {side} hemisphere",
    ),
    "high": ("at high latitudes", "at {side} high latitudes", "in the {side} polar region"),
}
LATITUDES = ("at {degrees} degrees {side}", "near latitude {degrees}° {letter}", "at {degrees}° {letter}")

SIZES = ("about {km} km across", "some {km} km wide", "roughly {km} km in size", "{km} km in diameter")
SMALL = ("small",)
LARGE = ("large",)
HUGE = ("filling most of the tile", "that takes up most of the image")

SIDES = (
    "in the {side}",
    "in the {side} of the tile",
    "in the {side}ern part of the image",
    "near the {side}ern edge",
    "towards the {side}",
)
CORNERS = (
    "in the {side}",
    "in the {side}ern corner",
    "in the {side} of the image",
    "in the {side}ern part of the tile",
)
CENTRE = ("in the centre", "at the centre of the tile", "in the middle of the image")

AZIMUTHS = (
    "trending {a} to {b}",
    "running {a}-{b}",
    "oriented {a}-{b}",
    "striking {a}-{b}",
    "aligned {a} to {b}",
)
AZIMUTH_DEGREES = ("with an azimuth of about {degrees} degrees", "striking at about {degrees} degrees")
COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SEVERAL = ("several", "a group of")

BACKDROPS = ("on plains", "on smooth plains", "in otherwise plain terrain", "on a flat surface")
TERRAIN = {
    "flat": ("on level ground", "in flat terrain", "with little relief"),
    "rugged": ("in rugged terrain", "on steep ground", "in rough, steep terrain"),
}
ELEVATIONS = ("at an elevation of about {m} m", "about {above} m {where} datum")
RELIEF = ("with about {m} m of relief",)
GAPS = ("with gaps in the data", "with part of the image missing", "with missing data")
CONTRAST = {"low": ("in a low-contrast image",), "high": ("in a high-contrast image",)}
GROUND = ("ground", "terrain", "a planetary surface", "an area", "a patch of ground")
