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
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.real_crops import Crop, ctx_craters, dust_devils, exemplars, hirise
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
# Class -> keys that it surely shows, and keys that it surely does not. Absent craters are craters of no kind,
# see `retrieval.training.groups`.
SHOWN: dict[str, tuple[str, ...]] = {
    "crater": ("impact_crater",),
    "many_craters": ("impact_crater",),
    "dark_dune": ("dark_dune", "dunes"),
    "bright_dune": ("bright_dune", "dunes"),
    "slope_streak": ("slope_streaks",),
    "curved_bedforms": ("dunes",),
    "straight_bedforms": ("transverse_dunes", "dunes"),
    "cliff": ("scarp",),
    "channel": ("channel",),
    "gullies": ("gullies",),
    "mounds": ("mounds",),
    "plains": ("plains",),
    "brain_terrain": ("brain_terrain",),
    "pitted_cones": ("pitted_cones",),
    "spiders": ("araneiforms",),
    "swiss_cheese": ("swiss_cheese_terrain",),
    "polar_ice": ("polar_ice",),
}
POLAR = ("araneiforms", "swiss_cheese_terrain", "polar_ice")
ABSENT: dict[str, tuple[str, ...]] = {
    "dark_dune": ("plains",),
    "bright_dune": ("plains",),
    "slope_streak": ("plains", *POLAR),
    "crater": ("plains",),
    "many_craters": ("plains",),
    "no_crater": ("impact_crater",),
    "plains": ("*",),
    "gullies": ("plains",),
    "cliff": ("plains",),
    "brain_terrain": ("plains", "slope_streaks", "gullies", "dark_dune", "bright_dune", *POLAR),
    "pitted_cones": ("plains", "brain_terrain", *POLAR),
    "spiders": (
        "plains",
        "brain_terrain",
        "slope_streaks",
        "gullies",
        "pitted_cones",
        "swiss_cheese_terrain",
    ),
    "swiss_cheese": ("plains", "brain_terrain", "slope_streaks", "gullies", "pitted_cones"),
    "polar_ice": ("plains", "brain_terrain", "slope_streaks", "gullies", "pitted_cones"),
}
# Folder -> keys that its crops do not show, unless their class does.
ABSENT_IN: dict[str, tuple[str, ...]] = {
    # Its makers gave every crop one class of these or none; only crops of edges show others as well.
    "hirise-landmarks": ("impact_crater", "dark_dune", "bright_dune", "slope_streaks"),
    # Near the equator, at 6 m a pixel, which is too coarse for the ridges of brain terrain.
    "ctx-craters": ("brain_terrain", *POLAR),
}


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
        counts = write_folder(
            cut(arguments.data / name, rng), arguments.out / name, rng, ABSENT_IN.get(name, ())
        )
        _show(name, counts)
    return 0


def write_folder(
    crops: Iterable[Crop], out: Path, rng: np.random.Generator, absent: tuple[str, ...] = ()
) -> Counter[tuple[str, str]]:
    """Write crops and their table; returns counts per class and split.

    Parameters
    ----------
    crops, out
        What to write, and the folder to make.
    rng
        Of the captions.
    absent
        Keys that crops of this folder do not show unless their class does; edges say nothing of them.
    """
    out.mkdir(parents=True)
    counts: Counter[tuple[str, str]] = Counter()
    rows = []
    for crop in crops:
        Image.fromarray(crop.pixels).save(out / f"{crop.name}.png")
        split = part_of(crop.observation)
        counts[crop.kind, split] += 1
        texts = captions(crop.kind, rng)
        shown = SHOWN.get(crop.kind, ())
        missing = dict.fromkeys((*ABSENT.get(crop.kind, ()), *(absent if crop.kind != "edge" else ())))
        rows.append(
            {
                "file": f"{crop.name}.png",
                "split": split,
                "landforms": ";".join(shown) if crop.labelled else "",
                "absent": ";".join(key for key in missing if key not in shown),
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
