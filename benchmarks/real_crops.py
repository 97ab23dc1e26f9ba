"""Crops of real data sets with the class of each, cut for `benchmarks.real_pairs`.

Each source yields `Crop`s in an order that its files alone decide; random draws come from its generator.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.real_splits import part_of

# Classes of `hirise-landmarks` of which each training crop is also shown in parts, and in how many.
RARE = ("crater", "dark_dune", "bright_dune", "slope_streak")
PARTS = 2
# DoMars16k's codes (Wilhelm et al. 2020, table 1).
DOMARS = {
    "aec": "curved_bedforms",
    "ael": "straight_bedforms",
    "cli": "cliff",
    "cra": "crater",
    "fse": "slope_streak",
    "fsf": "channel",
    "fsg": "gullies",
    "fss": "mass_wasting",
    "mix": "mixed",
    "rid": "ridge",
    "rou": "rough",
    "sfe": "mounds",
    "sfx": "many_craters",
    "smo": "plains",
    "tex": "textured",
}


@dataclass(frozen=True)
class Crop:
    """A picture to write: pixels (h, w) uint8, its class, and what it must not be torn apart from."""

    name: str
    pixels: NDArray[np.uint8]
    kind: str
    observation: str
    labelled: bool = True


def hirise(data: Path, rng: np.random.Generator) -> Iterator[Crop]:
    """Labelled HiRISE crops, as they are; those of rare classes for training also in parts.

    A part is 60 to 100 % of the side long and so always holds the middle, around which the makers cut their
    landmark. That it still shows the class is likely, not sure: a slope streak or a rim at a corner may fall
    outside, which is why validation and test have whole crops only.
    """
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            pixels, stem = _grey(data / "images" / row["file"]), Path(row["file"]).stem
            yield Crop(stem, pixels, row["class"], row["observation"])
            if row["class"] in RARE and part_of(row["observation"]) == "train":
                for n in range(PARTS):
                    part = _part(pixels, rng)
                    yield Crop(f"{stem}-part{n}", part, row["class"], row["observation"])


def ctx_craters(data: Path, rng: np.random.Generator) -> Iterator[Crop]:
    """Crops of CTX mosaic tiles at three scales: around a crater, of many small ones, and of none.

    A crater counts when its box is a fifth to three quarters of the crop wide. A crop shows none when no box
    of a twentieth of its width or more touches it.
    """
    boxes: dict[str, list[list[float]]] = {}
    with (data / "boxes.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            corners = [float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")]
            boxes.setdefault(row["image"], []).append(corners)
    for image, rows in sorted(boxes.items()):
        pixels, corners = _grey(data / "images" / image), np.array(rows)
        width = corners[:, 2:] - corners[:, :2]
        for side in (80, 160, 320):
            fit = np.flatnonzero((width.max(axis=1) >= 0.2 * side) & (width.max(axis=1) <= 0.75 * side))
            middles = (corners[fit, :2] + corners[fit, 2:]) / 2
            middles = middles[rng.permutation(len(middles))[:120]] + rng.uniform(-0.12, 0.12, 2) * side
            anywhere = rng.uniform(0, min(pixels.shape), (400, 2))
            taken: Counter[str] = Counter()
            for n, centre in enumerate(np.concatenate([middles, anywhere])):
                corner = np.clip(centre - side / 2, 0, np.array(pixels.shape[::-1]) - side)
                left, top = corner.astype(int).tolist()
                inside = _touching(corners, left, top, side)
                crop = pixels[top : top + side, left : left + side]
                kind = _crater_kind(width[inside].max(axis=1) / side, n < len(middles), crop)
                if kind and taken[kind] < 120:
                    taken[kind] += 1
                    stem = Path(image).stem
                    yield Crop(f"{stem}-{side}-{left:04d}-{top:04d}", crop, kind, image)


def exemplars(data: Path, rng: np.random.Generator) -> Iterator[Crop]:
    """Published figure crops. Planet Four's are left out: volunteers' outlines are drawn on them."""
    for path in sorted((data / "domars16k").glob("*.png")):
        yield Crop(f"domars-{path.stem}", _grey(path), DOMARS[path.stem.split("_")[0]], f"domars {path.stem}")
    for path in sorted((data / "brain_terrain").glob("*.png")):
        yield Crop(f"brain-{path.stem}", _grey(path), "brain_terrain", f"brain {path.stem}")
    for path in sorted((data / "conequest").glob("*_image.png")):
        number = path.stem.split("_")[0]
        pixels, mask = _grey(path), _grey(path.with_name(f"{number}_mask.png")) > 0
        middle = len(pixels) // 2
        for n, (y, x, side) in enumerate(
            [(0, 0, len(pixels)), *((y, x, middle) for y in (0, middle) for x in (0, middle))]
        ):
            # The masks miss some of the smallest cones, so that an empty mask says nothing.
            if mask[y : y + side, x : x + side].mean() >= 0.03:
                crop = pixels[y : y + side, x : x + side]
                yield Crop(f"cones-{number}-{n}", crop, "pitted_cones", f"cones {number}")
    for name, kind in (
        ("spiders1", "spiders"),
        ("spiders2", "spiders"),
        ("swiss1", "swiss_cheese"),
        ("ice1", "polar_ice"),
    ):
        pixels = _grey(data / "p4terrains" / f"{name}.png")
        for n, (y, x) in enumerate((y, x) for y in (0, 300) for x in (0, 250, 500)):
            # Parts of the first picture have no spider in them.
            yield Crop(
                f"{name}-{n}", pixels[y : y + 300, x : x + 300], kind, f"p4 {name}", name != "spiders1"
            )


def dust_devils(data: Path, rng: np.random.Generator) -> Iterator[Crop]:
    """Labelled CTX crops of dust devils and of ground that was taken for one."""
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        for n, row in enumerate(csv.DictReader(stream)):
            kind = "other" if row["label"] == "not_dust_devil" else "dust_devil"
            pixels = _grey(data / "images" / row["file"])
            yield Crop(f"devil-{n:04d}", pixels, kind, row["ctx_product"])


def _part(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A square of 60 to 100 % of the shorter side, anywhere."""
    side = round(min(pixels.shape) * rng.uniform(0.6, 1.0))
    top, left = (int(rng.integers(0, length - side + 1)) for length in pixels.shape)
    return pixels[top : top + side, left : left + side]


def _touching(corners: NDArray[np.float64], left: int, top: int, side: int) -> NDArray[np.bool_]:
    apart = (
        (corners[:, 0] >= left + side)
        | (corners[:, 2] <= left)
        | (corners[:, 1] >= top + side)
        | (corners[:, 3] <= top)
    )
    return np.asarray(~apart)


def _crater_kind(shares: NDArray[np.float64], around: bool, crop: NDArray[np.uint8]) -> str:
    """Class of a crop by the widths of the boxes that touch it, as shares of its side; empty for none."""
    if around:
        return "crater"
    if ((shares >= 0.05) & (shares < 0.2)).sum() >= 8 and (shares < 0.2).all():
        return "many_craters"
    if (shares < 0.05).all():
        # Dull ground: as even as the dullest CTX plains, whose spread is camera noise.
        return "plains" if len(shares) == 0 and _unevenness(crop) < 4 else "no_crater"
    return ""


def _unevenness(crop: NDArray[np.uint8]) -> float:
    """Standard deviation of means over an 8 x 8 raster of blocks, in DN: shading without camera noise."""
    cut = len(crop) // 8 * 8
    return float(crop[:cut, :cut].reshape(8, cut // 8, 8, cut // 8).mean(axis=(1, 3)).std())


def _grey(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))
