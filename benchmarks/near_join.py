"""The nearest of a million points for each of a million others, within 50 km on Mars.

Three patterns: uniform, clustered (a thousand clumps 20 km wide, shared by both sets) and all points in
one place. Beside it, on a sample of the first set: the products of all pairs of unit vectors in chunks
(brute force), and a k-d tree that is asked in the order the points came. Where the two find another row,
the exact distances say who is right; brute force loses half its digits in the cosine.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/near_join.py [--points 1000000]
        [--sample 20000] [--within 50] [--repeats 3] [--seed 0] [--json FILE]
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from _common import make_parser, write_json
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from retrieval.body import get_body, unit_vectors
from retrieval.spatial.sphere import SphereTree, lonlat_of

Floats = NDArray[np.float64]
MARS = get_body("mars")


def make_pattern(name: str, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two sets of positions, lonlat (n, 2) each."""
    if name == "uniform":
        return lonlat_of(rng.normal(size=(count, 3))), lonlat_of(rng.normal(size=(count, 3)))
    if name == "clustered":
        middles = rng.normal(size=(1000, 3))
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        wide = 20.0 / MARS.radius_km
        sets = (middles[rng.integers(0, 1000, count)] + wide * rng.normal(size=(count, 3)) for _ in range(2))
        return lonlat_of(next(sets)), lonlat_of(next(sets))
    here = np.tile([[137.4, -4.6]], (count, 1))
    return here, here.copy()


def brute_force(a: Floats, b: Floats, chunk_pairs: int = 20_000_000) -> NDArray[np.int64]:
    """Row of the nearest by the cosines of all pairs, in chunks."""
    vectors_a, vectors_b = unit_vectors(a), unit_vectors(b).T.copy()
    size = max(1, chunk_pairs // len(b))
    return np.concatenate(
        [np.argmax(vectors_a[i : i + size] @ vectors_b, axis=1) for i in range(0, len(a), size)]
    )


def measure(name: str, arguments: Any, rng: np.random.Generator) -> dict[str, float]:
    """Seconds, and how the rows agree, for one pattern."""
    a, b = make_pattern(name, arguments.points, rng)
    wall_s, cpu_s = [], []
    for _ in range(arguments.repeats):
        start, cpu = time.perf_counter(), time.process_time()
        distance, row = SphereTree(MARS, b).nearest(a, arguments.within)
        wall_s.append(time.perf_counter() - start)
        cpu_s.append(time.process_time() - cpu)
    load = os.getloadavg()[0]

    sample = a[: arguments.sample]
    # CPU, not wall: other work on the machine must not decide a ratio.
    cpu = time.process_time()
    near_km, near = SphereTree(MARS, b).nearest(sample)
    ours = time.process_time() - cpu
    cpu = time.process_time()
    by_force = brute_force(sample, b)
    force = time.process_time() - cpu
    plain = {}
    if name != "all in one place":  # a plain tree of equal points is one leaf, and each answer looks at all
        cpu = time.process_time()
        cKDTree(unit_vectors(b), balanced_tree=False, compact_nodes=False).query(unit_vectors(sample))
        plain["sample_plain_tree_cpu_s"] = time.process_time() - cpu

    other = np.flatnonzero(near != by_force)
    ours_km, force_km = (MARS.distance_km(sample[other], b[rows[other]]) for rows in (near, by_force))
    tied = np.abs(force_km - ours_km) <= 1e-9
    force_right = (force_km < ours_km - 1e-9) | (tied & (by_force < near)[other])
    # With a limit the same rows are found, or none.
    within = near_km <= arguments.within
    same = np.array_equal(np.where(within, near, -1), row[: len(sample)])
    return {
        "join_s": float(np.median(wall_s)),
        "join_cpu_s": float(np.median(cpu_s)),
        "load_of_machine": load,
        "found": float((row >= 0).mean()),
        "largest_km": float(distance[row >= 0].max(initial=0.0)),
        "sample_cpu_s": ours,
        "sample_brute_force_cpu_s": force,
        "times_faster": force / ours,
        **plain,
        "rows_other_than_brute_force": float(len(other)),
        "of_them_brute_force_right": float(force_right.sum()),
        "limit_changes_nothing_else": float(same),
    }


def main() -> None:
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3, help="of the whole join; medians are reported")
    parser.add_argument("--within", type=float, default=50.0, help="km")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    figures = {}
    for name in ("uniform", "clustered", "all in one place"):
        figures[name] = measure(name, arguments, rng)
        print(name)
        for what, value in figures[name].items():
            print(f"  {what:28s} {value:.4g}")
    write_json(figures, arguments.json)


if __name__ == "__main__":
    main()
