"""Training pairs of real crops: plain folders of pictures with captions, one folder per data set.

    AREOGRAPHER_REAL_DATA=DIR python -m benchmarks.real_pairs --out DIR [--seed N] [--dust-devils]
    areographer train PLANETS... DIR/hirise-landmarks DIR/ctx-craters DIR/landform-exemplars ...

Labels are given only where a class surely means the same as a landform key; all else is said in captions
and left unknown. Pictures of one observation go to one split (`benchmarks.real_splits`); test pictures are
written too, so that they can be looked at, but a model that is to be tested on them must not learn from them.
The pictures carry terms of their own, so they are refused a place inside the repository.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.real_splits import part_of
from retrieval.settings import real_data_folder

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = (
    "{}",
    "{}",
    "an orbital image of {}",
    "{} seen from orbit",
    "a grey-scale picture of {}",
    "a spacecraft image showing {}",
    "this tile shows {}",
)
CAPTIONS = 6  # per picture

NOTHING_NAMED = (
    "mixed terrain",
    "ordinary ground",
    "the surface of Mars",
    "Martian ground without a named landform",
    "terrain of no particular kind",
    "rock and soil",
)
CRATER_KEYS = (
    "simple_crater",
    "degraded_crater",
    "central_peak_crater",
    "layered_ejecta_crater",
    "pedestal_crater",
)
# Class -> how people say it.
WORDINGS: dict[str, tuple[str, ...]] = {
    "crater": (
        "an impact crater",
        "a crater",
        "a crater with its rim",
        "a round crater",
        "a bowl-shaped depression with a raised rim",
        "the rim and floor of an impact crater",
        "a meteorite crater",
    ),
    "many_craters": (
        "many small craters",
        "a field of small impact craters",
        "a cratered surface",
        "heavily cratered ground",
        "scattered small craters",
        "ground peppered with craters",
    ),
    "dark_dune": (
        "dark dunes",
        "a dark dune",
        "dark sand dunes",
        "dunes of dark sand",
        "a field of dark dunes with slip faces",
        "dark basaltic sand dunes",
    ),
    "bright_dune": (
        "bright dunes",
        "a bright dune",
        "bright sand dunes",
        "light-toned dunes",
        "frosted bright dunes",
        "bright aeolian bedforms",
    ),
    "slope_streak": (
        "slope streaks",
        "a slope streak",
        "dark slope streaks",
        "dark streaks running down a dusty slope",
        "narrow dark streaks on a slope",
        "dust avalanche scars on a slope",
        "a dark wedge-shaped streak on a bright slope",
    ),
    "edge": (
        "the edge of an image",
        "a picture partly without data",
        "ground beside a black gap without data",
        "the black margin of an orbital image",
    ),
    "other": NOTHING_NAMED,
    "plains": (
        "smooth plains",
        "plains",
        "featureless plains",
        "flat empty ground",
        "a smooth surface with nothing remarkable",
        "smooth terrain",
    ),
    "no_crater": (*NOTHING_NAMED, "ground between craters"),
    "curved_bedforms": (
        "curved aeolian bedforms",
        "dunes with curved crests",
        "curved sand dunes",
        "wind-blown dunes with sinuous crests",
        "sand dunes",
    ),
    "straight_bedforms": (
        "transverse aeolian ridges",
        "straight aeolian bedforms",
        "parallel ripples of sand",
        "parallel dune crests",
        "transverse dunes",
        "closely spaced straight ripples",
    ),
    "cliff": ("a cliff", "a steep cliff", "an escarpment", "the edge of a cliff", "a steep scarp"),
    "ridge": ("a ridge", "the crest of a ridge", "a sharp ridge crest", "a ridge between two slopes"),
    "channel": (
        "a channel",
        "a winding channel",
        "an incised channel",
        "a channel with steep banks",
        "a trough",
    ),
    "gullies": (
        "gullies",
        "gullies on a slope",
        "gullies with alcoves and channels",
        "a slope cut by gullies",
        "narrow gullies running downslope",
    ),
    "mass_wasting": (
        "mass wasting on a slope",
        "loose material sliding down a slope",
        "a slope with rock debris",
        "talus on a slope",
        "downslope movement of debris",
    ),
    "mounds": (
        "mounds",
        "a field of mounds",
        "many small mounds and hills",
        "knobs and mounds",
        "small hills",
    ),
    "mixed": ("mixed terrain", "patchy mixed ground", "a mottled surface of mixed terrain"),
    "rough": ("rough terrain", "a rough knobby surface", "rugged ground", "bumpy rough terrain"),
    "textured": ("textured terrain", "uneven ground with a soft texture", "undulating textured terrain"),
    "brain_terrain": (
        "brain terrain",
        "brain coral terrain",
        "a surface wrinkled like a brain",
        "brain-like ridges and troughs of icy ground",
        "labyrinthine brain terrain",
    ),
    "pitted_cones": (
        "pitted cones",
        "cones with summit pits",
        "small cones with craters on top",
        "pitted mounds",
        "a field of pitted cones",
        "mud volcanoes",
    ),
    "spiders": (
        "araneiforms",
        "spiders",
        "spider-shaped channels",
        "araneiform terrain",
        "radial branching troughs carved by gas under ice",
        "polar spiders",
    ),
    "swiss_cheese": (
        "swiss cheese terrain",
        "pits in polar ice",
        "sublimation pits in the residual ice cap",
        "irregular pits in bright ice",
    ),
    "polar_ice": ("polar ice", "the margin of bright polar ice", "bright ice beside dark ground"),
    "dust_devil": (
        "a dust devil",
        "a dust devil casting a shadow",
        "a whirlwind raising dust",
        "an active dust devil",
        "a bright plume of dust with its shadow",
    ),
}
# Class -> keys that it surely shows, and keys that it surely does not.
SHOWN: dict[str, tuple[str, ...]] = {
    "slope_streak": ("slope_streaks",),
    "straight_bedforms": ("transverse_dunes",),
    "gullies": ("gullies",),
    "plains": ("plains",),
    "pitted_cones": ("pitted_cones",),
    "spiders": ("araneiforms",),
}
ABSENT: dict[str, tuple[str, ...]] = {
    "dark_dune": ("slope_streaks", "plains"),
    "bright_dune": ("slope_streaks", "plains"),
    "crater": ("plains",),
    "many_craters": ("plains",),
    "other": ("slope_streaks",),
    "no_crater": CRATER_KEYS,
    "plains": ("*",),
    "brain_terrain": ("plains", "slope_streaks", "gullies"),
}
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


def main() -> int:
    """Cut, write, count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=real_data_folder(), help="default: AREOGRAPHER_REAL_DATA"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make, outside the repository")
    parser.add_argument(
        "--seed", type=int, default=0, help="of crops and captions; splits do not depend on it"
    )
    parser.add_argument("--dust-devils", action="store_true", help="also crops of the dust-devil set")
    arguments = parser.parse_args()
    if arguments.data is None or not arguments.data.is_dir():
        print("AREOGRAPHER_REAL_DATA names no folder: nothing to cut", file=sys.stderr)
        return 2
    if arguments.out.resolve().is_relative_to(ROOT):
        print(f"{arguments.out} lies in the repository, which holds no mission data", file=sys.stderr)
        return 2
    if arguments.out.exists() and any(arguments.out.iterdir()):
        print(f"{arguments.out} is not empty: choose a new folder", file=sys.stderr)
        return 2
    sources: dict[str, Callable[[Path, np.random.Generator], Iterator[Crop]]] = {
        "hirise-landmarks": hirise,
        "ctx-craters": ctx_craters,
        "landform-exemplars": exemplars,
    }
    if arguments.dust_devils:
        sources["ctx-dust-devils"] = dust_devils
    for number, (name, cut) in enumerate(sources.items()):
        rng = np.random.default_rng([arguments.seed, number])
        counts = write_folder(cut(arguments.data / name, rng), arguments.out / name, rng)
        _show(name, counts)
    return 0


def write_folder(crops: Iterator[Crop], out: Path, rng: np.random.Generator) -> Counter[tuple[str, str]]:
    """Write crops and their table; returns counts per class and split."""
    out.mkdir(parents=True)
    counts: Counter[tuple[str, str]] = Counter()
    rows = []
    for crop in crops:
        Image.fromarray(crop.pixels).save(out / f"{crop.name}.png")
        split = part_of(crop.observation)
        counts[crop.kind, split] += 1
        texts = captions(crop.kind, rng)
        rows.append(
            {
                "file": f"{crop.name}.png",
                "split": split,
                "landforms": ";".join(SHOWN.get(crop.kind, ())) if crop.labelled else "",
                "absent": ";".join(ABSENT.get(crop.kind, ())),
                **{f"caption_{n + 1}": text for n, text in enumerate(texts)},
            }
        )
    columns = ["file", "split", "landforms", "absent", *(f"caption_{n + 1}" for n in range(CAPTIONS))]
    beside = out / "pairs.csv.part"
    with beside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    beside.replace(out / "pairs.csv")
    return counts


def captions(kind: str, rng: np.random.Generator) -> list[str]:
    """Different captions of a class in varied wording, at most `CAPTIONS`."""
    wordings = WORDINGS[kind]
    found: dict[str, None] = {}
    for _ in range(4 * CAPTIONS):
        words = wordings[int(rng.integers(len(wordings)))]
        found[SENTENCES[int(rng.integers(len(SENTENCES)))].format(words)] = None
    return list(found)[:CAPTIONS]


def hirise(data: Path, rng: np.random.Generator) -> Iterator[Crop]:
    """Labelled HiRISE crops, as they are."""
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            pixels = _grey(data / "images" / row["file"])
            yield Crop(Path(row["file"]).stem, pixels, row["class"], row["observation"])


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


def _show(name: str, counts: Counter[tuple[str, str]]) -> None:
    table = Table(title=name)
    for heading in ("class", "train", "val", "test", "labels"):
        table.add_column(heading, justify="left" if heading in ("class", "labels") else "right")
    for kind in sorted({kind for kind, _ in counts}):
        parts = [str(counts[kind, split]) for split in ("train", "val", "test")]
        table.add_row(kind, *parts, ", ".join(SHOWN.get(kind, ())))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
