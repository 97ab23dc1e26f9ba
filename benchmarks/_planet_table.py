"""Several sizes side by side: a table, what cost does with size, and a chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _planet_fit import exponent, fixed_and_each, power_law, straight

Figures = dict[str, Any]

PLANET = 115_000_000  # tiles of the CTX mosaic at 5 m and 224 pixels
_COLUMNS = (
    "p50_s",
    "p95_s",
    "memory_pass_s",
    "ratio_to_memory_pass",
    "memory_pass_sq8_s",
    "speedup_over_marsretrieval",
    "recall",
    "recall_above",
    "looked_at",
    "rss_gb",
    "open_s",
)
_SHORT = {
    "memory_pass_s": "pass_s",
    "ratio_to_memory_pass": "p50/pass",
    "memory_pass_sq8_s": "pass_sq8_s",
    "speedup_over_marsretrieval": "over_mars",
    "recall_above": "rec_above",
}
_CURVES = (
    ("p50_s", "tab:blue", "o-", "search, median"),
    ("p95_s", "tab:cyan", "o--", "search, 95th percentile"),
    ("scan", "tab:orange", "s-", "scan within a search"),
    ("marsretrieval_s", "tab:green", "^-", "MarsRetrieval's way"),
    ("memory_pass_s", "black", "-", "one pass over what is looked through"),
    ("memory_pass_sq8_s", "grey", "-", "one pass over a byte a dimension"),
)


def read_rows(paths: Sequence[Path]) -> list[Figures]:
    """Rows of what was measured before: single measurements, and tables of them."""
    rows: list[Figures] = []
    for path in paths:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows += found.get("rows", [found])
    return rows


def tables(rows: Sequence[Figures], at: int = PLANET) -> Figures:
    """Rows in order, and by kind what time and memory do with size and would be at ``at`` tiles."""
    ordered = sorted(rows, key=lambda row: (row["kind"], row["tiles"]))
    kinds = dict.fromkeys(row["kind"] for row in ordered)
    return {
        "rows": ordered,
        "kinds": {kind: _with_size([row for row in ordered if row["kind"] == kind], at) for kind in kinds},
    }


def print_tables(figures: Figures) -> None:
    """The table, and below it the fits of each kind."""
    names = [name for name in _COLUMNS if any(row.get(name) is not None for row in figures["rows"])]
    heads = ("kind", "tiles", "hits", *(_SHORT.get(name, name) for name in names))
    lines = [
        (row["kind"], f"{row['tiles']:,}", f"{row['most_hits']:,}", *(said(row.get(name)) for name in names))
        for row in figures["rows"]
    ]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        print("  ".join(f"{value:>{width}s}" for value, width in zip(line, widths, strict=True)))
    left_out = {
        f"{row['tiles']:,}": row["marsretrieval_left_out"]
        for row in figures["rows"]
        if row.get("marsretrieval_left_out")
    }
    for tiles, why in left_out.items():
        print(f"{tiles} tiles: MarsRetrieval's way was left out, {why}")
    for kind, found in figures["kinds"].items():
        for name, fits in found["with_size"].items():
            _print_fits(kind, name, fits)
        between = ", ".join(f"{value:.2f}" for value in found["exponents_between_sizes"])
        if between:
            print(f"{kind} p50_s: exponents between sizes {between}")


def draw_chart(figures: Figures, path: Path, at: int = PLANET) -> None:
    """Time against size with logarithmic axes, a panel for each kind; fits are dotted, up to ``at`` tiles."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    kinds = list(figures["kinds"])
    chart, panels = plt.subplots(
        1,
        len(kinds),
        figsize=(7 * len(kinds), 5.5),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for panel, kind in zip(panels[0], kinds, strict=True):
        rows = [row for row in figures["rows"] if row["kind"] == kind]
        for name, colour, style, label in _CURVES:
            sizes, values = _points(rows, name)
            if not sizes:
                continue
            panel.loglog(sizes, values, style, color=colour, label=label)
            if name in ("p50_s", "p95_s") and len(set(sizes)) > 1:
                more = np.geomspace(min(sizes), at, 60)
                for fit, dots in ((straight(sizes, values), ":"), (power_law(sizes, values), "-.")):
                    line = np.array([fit.value(size) for size in more])
                    panel.loglog(more[line > 0], line[line > 0], dots, color=colour, linewidth=1, alpha=0.8)
        panel.axvline(at, color="lightgrey", zorder=0)
        panel.set(title=kind, xlabel="tiles", ylabel="seconds")
        panel.grid(which="major", alpha=0.3)
        panel.legend(fontsize="small")
    chart.suptitle("Dotted: fixed cost and a cost a tile; dash-dotted: power law", fontsize="small")
    chart.savefig(path, dpi=110)
    plt.close(chart)


def said(value: Any) -> str:
    """A figure for a person."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None or value == "" else str(value)


def _with_size(rows: Sequence[Figures], at: int) -> Figures:
    found: Figures = {}
    for name in ("p50_s", "p95_s", "scan", "memory_pass_s", "rss_gb", "rss_own_gb", "rss_mapped_gb"):
        sizes, values = _points(rows, name)
        laws = {"line": fixed_and_each(sizes, values, at)}
        if name.endswith("_s") or name == "scan":
            laws["power"] = exponent(sizes, values, at)
        if laws["line"]:
            found[name] = laws
    sizes, values = _points(rows, "p50_s")
    steps = [pair for pair in pairwise(zip(sizes, values, strict=True)) if pair[0][0] != pair[1][0]]
    between = [float(np.log(b[1] / a[1]) / np.log(b[0] / a[0])) for a, b in steps]
    return {"with_size": found, "exponents_between_sizes": between}


def _points(rows: Sequence[Figures], name: str) -> tuple[list[int], list[float]]:
    """Sizes and values of what was measured in some of the rows."""
    pairs = [(row["tiles"], row.get("stages", {}).get(name, row.get(name))) for row in rows]
    held = [(tiles, float(value)) for tiles, value in pairs if value]
    return [tiles for tiles, _ in held], [value for _, value in held]


def _print_fits(kind: str, name: str, fits: Figures) -> None:
    line, power = fits["line"], fits.get("power")
    print(
        f"{kind} {name}: {line['fixed']:.4g}{_span(line, 'fixed_')} + {line['per_million']:.4g}"
        f"{_span(line, 'per_million_')} a million tiles; "
        f"at {line['at'] / 1e6:g} million {line['value']:.4g}{_span(line, 'value_')}{_off(line)}"
    )
    if power:
        print(
            f"{kind} {name}: exponent {power['exponent']:.3f}{_span(power)}; "
            f"at {power['at'] / 1e6:g} million {power['value']:.4g}{_span(power, 'value_')}{_off(power)}"
        )


def _span(fit: Figures, name: str = "") -> str:
    low, high = fit[f"{name}low"], fit[f"{name}high"]
    return " (two sizes, no interval)" if low is None else f" ({low:.4g} to {high:.4g})"


def _off(fit: Figures) -> str:
    return "" if fit["off"] is None else f"; measurements are off by {fit['off']:.1%}"
