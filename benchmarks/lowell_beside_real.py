"""Lowell beside Mars: synthetic tiles next to real crops of the same kind, and how grey values differ.

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/lowell_beside_real.py [--out PNG] [--json FILE] [--planet 2]

Left of the line Lowell, right of it Mars. Lowell shows whole landforms at 167 m a pixel, the real crops are
of 0.25 to 12 m a pixel: forms and light are to be compared, not sizes. The figures are medians over tiles:
standard deviation of the grey values (contrast) and the share of it that lies between neighbouring pixels
(grain). Only pixels that may be passed on are drawn (the caption names them).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from retrieval.body import BODIES
from retrieval.corpus.lowell import GRID_TILE_KM, Planet, make_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.corpus.lowell.truth import evidence
from retrieval.grid import Grid

Picture = NDArray[np.uint8]
SIDE = 96
EACH = 7
CAPTION = (
    "Left of the line: Lowell, a synthetic planet. Right: Mars; NASA/JPL-Caltech/UArizona (HiRISE, crops and",
    "classes of Wagstaff et al. 2018), NASA/JPL-Caltech/MSSS (CTX, crops of Francis et al. 2020, CC BY 4.0;",
    "of Wilhelm et al. 2020, MIT).",
)
# Landform of Lowell, and where crops of its like are: source, class.
ROWS = (
    ("plains", "ctx", ""),
    ("plains", "geomars", "smo"),
    ("simple_crater", "geomars", "cra"),
    ("degraded_crater", "hirise", "crater"),
    ("transverse_dunes", "geomars", "ael"),
    ("barchan_dunes", "hirise", "dark_dune"),
    ("slope_streaks", "hirise", "slope_streak"),
    ("slope_streaks", "geomars", "fse"),
    ("gullies", "geomars", "fsg"),
    ("pitted_cones", "geomars", "sfe"),
    ("landslide", "geomars", "cli"),
    ("valley_network", "geomars", "fsf"),
)


def main() -> None:
    """Draw the picture, print and write the figures."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--out", type=Path, default=Path("lowell-beside-real.png"))
    parser.add_argument("--planet", type=int, default=2)
    arguments = parser.parse_args()
    data = real_data()
    rng = np.random.default_rng(arguments.seed)
    planet = make_planet(arguments.planet)
    grid = Grid(BODIES["lowell"], GRID_TILE_KM)
    centres = grid.centres()
    amount, _ = evidence(planet, centres, grid.tile_km)
    shown = {str(key): np.flatnonzero(amount[key] >= 1.2) for key in amount.columns}
    shown["plains"] = np.flatnonzero(planet.labels(grid)["plains"])
    rows, figures = [], []
    for key, source, kind in ROWS:
        made = list(synthetic(planet, centres[rng.permutation(shown[key])[:60]]))
        found = list(real(data, source, kind, rng))
        rows.append((f"{key} | {source} {kind}".strip(), made[:EACH], found[:EACH]))
        figures.append({"lowell": key, "real": f"{source} {kind}".strip()} | compare(made, found))
    draw(rows).save(arguments.out)
    for row in figures:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    write_json(figures, arguments.json)


def synthetic(planet: Planet, centres: NDArray[np.float64]) -> Iterator[Picture]:
    """Tiles of a planet that have data everywhere."""
    for lon, lat in centres.tolist():
        picture, observed = draw_tile(planet, lon, lat, GRID_TILE_KM, SIDE)
        if observed == 1.0:
            yield picture


def real(data: Path, source: str, kind: str, rng: np.random.Generator) -> Iterator[Picture]:
    """Crops of Mars at the size of a tile, in random order."""
    if source == "ctx":
        # Twice the width of a tile, so that a small crater has as many pixels as one of Lowell's.
        for path in sorted((data / "ctx-craters" / "images").glob("*.png")):
            whole = Image.open(path).convert("L")
            for _ in range(15):
                x, y = (int(rng.integers(0, n - 2 * SIDE)) for n in whole.size)
                yield np.asarray(whole.crop((x, y, x + 2 * SIDE, y + 2 * SIDE)).resize((SIDE, SIDE)))
        return
    if source == "hirise":
        folder = data / "hirise-landmarks"
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as table:
            names = [row["file"] for row in csv.DictReader(table) if row["class"] == kind]
        paths = [next(p for p in (folder / "images" / n, folder / n) if p.exists()) for n in names]
    else:
        paths = sorted((data / "landform-exemplars").rglob(f"{kind}_*.png"))
    for n in rng.permutation(len(paths))[:60].tolist():
        yield np.asarray(Image.open(paths[n]).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def compare(made: list[Picture], found: list[Picture]) -> dict[str, float]:
    """Medians of contrast and grain on both sides."""
    out = {}
    for name, pictures in (("lowell", made), ("real", found)):
        spread = [float(p.std()) for p in pictures]
        step = [float(np.diff(p.astype(np.float32), axis=1).std() / max(p.std(), 1e-6)) for p in pictures]
        out[f"{name}_contrast_dn"] = round(float(np.median(spread)), 1)
        out[f"{name}_grain"] = round(float(np.median(step)), 2)
    return out


def draw(rows: list[tuple[str, list[Picture], list[Picture]]]) -> Image.Image:
    """The picture: one row each, Lowell left, Mars right, the credit below."""
    cell, gap, top = SIDE + 2, 10, 13
    width = 2 * EACH * cell + gap
    sheet = Image.new("L", (width, len(rows) * (cell + top) + 50), 255)
    pen = ImageDraw.Draw(sheet)
    for n, (name, made, found) in enumerate(rows):
        y = n * (cell + top)
        pen.text((2, y), name, fill=0)
        for side, pictures in enumerate((made, found)):
            for m, picture in enumerate(pictures):
                sheet.paste(Image.fromarray(picture), (side * (EACH * cell + gap) + m * cell, y + top))
    x = EACH * cell + gap // 2 - 1
    pen.line((x, 0, x, len(rows) * (cell + top)), fill=0)
    for n, line in enumerate(CAPTION):
        pen.text((2, len(rows) * (cell + top) + 4 + 14 * n), line, fill=0)
    return sheet


if __name__ == "__main__":
    main()
