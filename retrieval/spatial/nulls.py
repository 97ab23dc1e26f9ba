"""What chance would make of a pattern: the same rows, moved so that they forget what they are near.

A pattern of hits is clustered, lies in some latitudes, and ends where nobody looked. A null model has to
keep all three, or it calls them associations. Moving the whole pattern keeps its clusters for nothing;
turning it about the spin axis keeps its latitudes. One turn has only one angle to choose, so bands of
latitude turn by angles of their own, wide enough to hold what hangs together. What then falls on ground
never seen is left out, and the tests correct for how much that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from retrieval.body import Body, chord, to_east_180
from retrieval.errors import GeometryError
from retrieval.grid import Grid
from retrieval.spatial.observed import Observed
from retrieval.spatial.sphere import SLACK, SphereTree, check_distance, check_lonlat, lonlat_of, vectors_of
from retrieval.spatial.strata import BAND_DEG, Strata, cell_classes, moved_within
from retrieval.stop import check_stop, counted, in_pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Null = Literal["spin", "rotation", "clusters", "strata", "uniform", "labels"]
NULLS: tuple[Null, ...] = ("spin", "rotation", "clusters", "strata", "uniform", "labels")

# Height of a band that turns as one, in linking distances. Chosen on simulated pairs (seeds 11 to 16). Lower
# bands cut clusters: at 6, patterns twice as wide as the linking distance gave 7 % of false alarms at 5 %.
# One turn of the whole sphere has a single angle to choose and found fewer true neighbours (74 against 80 %).
BAND_LINKS = 10.0

MOST_PAIRS = 20_000_000
BLOCK = 500_000  # moved positions looked up in one go, then the stop is looked at
MOST_JOINED = 40  # shifts; tests that would need more keep too little to tell anything
CUBE = 0.06  # of the linking distance: the diagonal is a tenth of it

_WHY: dict[Null, str] = {
    "spin": "the pattern is turned about the spin axis in bands of latitude, so latitudes and clusters stay",
    "rotation": "the pattern is turned any way on the sphere in patches, so clusters stay, latitudes do not",
    "clusters": "each group of linked rows is turned about the spin axis by itself, so latitudes stay, and "
    "groups count as independent of each other",
    "strata": "each group of linked rows goes to observed ground of its own stratum ({words}) within "
    f"{BAND_DEG:g}° of its latitude, so clusters, latitudes and strata stay, and groups count as "
    "independent of each other",
    "uniform": "rows are scattered anew over the ground observed; clusters and latitudes are lost, so this "
    "null finds too much and is for comparison only",
    "labels": "the hits are dealt anew among the positions looked at",
}


@dataclass(frozen=True)
class Shifts:
    """A pattern of n rows, moved s times.

    Attributes
    ----------
    lonlat
        Where each row went, (s, n, 2), degrees.
    kept
        Whether it fell on observed ground (and in its own stratum), (s, n).
    null
        The null model.
    why
        What it keeps and loses, a clause for a sentence.
    """

    lonlat: Floats
    kept: Bools
    null: Null
    why: str

    @property
    def retained(self) -> float:
        """Share of the rows kept on the median shift, 0..1."""
        return float(np.median(self.kept.mean(axis=1))) if self.kept.size else float("nan")


def make_shifts(
    null: Null,
    body: Body,
    lonlat: ArrayLike,
    observed: Observed,
    count: int,
    rng: Generator,
    link_km: float = 0.0,
    *,
    strata: Strata | None = None,
    strata_words: str = "",
    blocks: Ints | None = None,
) -> Shifts:
    """Move a pattern ``count`` times.

    Parameters
    ----------
    null
        ``spin``: bands of latitude turn about the axis, each by its own angle, a band being `BAND_LINKS`
        linking distances high; groups of linked rows go with the band of their centre, and the borders
        are drawn anew for each shift. ``rotation``: the same with patches as wide as those bands, each
        turned any way. With ``link_km`` 0 the whole pattern turns as one in both. ``clusters``: each group
        of linked rows about the axis by itself. ``strata``: each group of linked rows to ground of the
        class of one of its rows, see `strata.moved_within`.
        ``uniform``: new positions on observed ground. ``labels``: as many positions of a survey, dealt
        anew; with ``blocks`` the rates of hits are dealt among whole blocks.
    body
        The body.
    lonlat
        The pattern, (n, 2), degrees.
    observed
        Where was looked.
    count
        Number of shifts, s.
    rng
        Source of chance.
    link_km
        Distance up to which rows hang together.
    strata
        For the null ``strata``: gives the class of positions (n, 2), (n,) whole numbers, -1 where it is not
        known. It is asked at the middles of the observed cells, and a cell is of one class. A moved row
        counts only in the class it came from; one of unknown class never counts.
    strata_words
        What the classes are: ``"elevation in six classes"``.
    blocks
        For ``labels``: block of each looked-at position, (p,).

    Raises
    ------
    GeometryError
        If a position, the null, the number of shifts, the strata or the blocks cannot be used.
    """
    points = check_lonlat(lonlat, "the pattern")
    check_distance(link_km, "the linking distance")
    if null not in NULLS:
        raise GeometryError(f"{null!r} is no null model", allowed=", ".join(NULLS))
    if count < 1:
        raise GeometryError(f"{count} shifts show nothing", allowed="1 or more")
    if null == "labels":
        return _deal(points, observed, count, rng, blocks)
    if null == "strata":
        return _restratified(
            points, observed, count, rng, strata, strata_words, clusters_of(body, points, link_km)
        )
    if null == "uniform":
        moved = observed.sample(count * len(points), rng).reshape(count, len(points), 2)
    elif null == "rotation":
        moved = _rotated(body, points, count, rng, link_km)
    else:
        turns_deg = _turns(null, body, points, count, rng, link_km)
        moved = np.broadcast_to(points, (count, *points.shape)).copy()
        for block in _blocks(moved):
            moved[block, :, 0] = to_east_180(points[:, 0] + turns_deg[block])
    return Shifts(moved, _held(observed, moved, rng), null, _WHY[null])


def superposed(number: Ints, wanted: int, rng: Generator, *sums: Floats) -> tuple[Floats, ...]:
    """Join shifts that kept few rows until they have about as many as the observed pattern.

    A shift that keeps a third of the rows is no pattern like the observed one: it scatters more, its shares
    are coarser and more skewed, and it holds no cluster more often. Sums over rows of three such shifts are
    alike, in mean, spread and skewness, because all of these add up over clusters. Where every row is kept
    nothing is joined.

    Parameters
    ----------
    number
        Rows kept by each shift, (s,).
    wanted
        Rows of the observed pattern.
    rng
        Source of chance: which shifts are joined to which.
    sums
        Sums over the rows kept by each shift, (s, ...).

    Returns
    -------
    tuple
        Rows kept by each joint pattern, (s,), and its sums, (s, ...). Each shift begins one of them.
    """
    shifts = len(number)
    mean = max(float(number.mean()), 1e-9)
    most = min(MOST_JOINED, max(1, int(np.ceil(2.0 * wanted / mean))))
    partner = np.concatenate(
        [np.arange(shifts)[:, None], rng.integers(0, shifts, (shifts, most - 1))], axis=1
    )
    total = np.cumsum(number[partner], axis=1)
    joined = np.argmin(np.abs(total - wanted), axis=1)
    out = [np.take_along_axis(total, joined[:, None], axis=1)[:, 0].astype(np.float64)]
    for values in sums:
        joint = values.astype(np.float64)
        for step in range(1, most):
            more = joined >= step
            joint[more] += values[partner[more, step]]
        out.append(joint)
    return tuple(out)


def clusters_of(body: Body, lonlat: ArrayLike, link_km: float) -> Ints:
    """Which rows hang together when all within ``link_km`` of each other are linked; labels from 0, (n,).

    Rows of one position always do. Labels come in the order of their first rows. Among rows so crowded
    that more than `MOST_PAIRS` pairs would link, one stands for those within a tenth of the distance.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body or the distance is negative.
    """
    points = check_lonlat(lonlat, "positions")
    reach = float(chord(min(check_distance(link_km) / body.radius_km, np.pi))) + SLACK
    vectors, place = np.unique(vectors_of(points), axis=0, return_inverse=True)
    tree = cKDTree(vectors)
    if len(vectors) and tree.count_neighbors(tree, reach) > MOST_PAIRS:
        # Crowded: one row stands for those in its cube, and nearly always so many link two groups that
        # the few lost at the edge of the linking distance change nothing.
        cubes = np.floor(vectors / (reach * CUBE)).astype(np.int64)
        first, cube = np.unique(cubes, axis=0, return_index=True, return_inverse=True)[1:]
        vectors, place = vectors[first], cube.reshape(-1)[place.reshape(-1)]
        tree = cKDTree(vectors)
    pairs = tree.query_pairs(reach, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), (len(vectors),) * 2)
    linked = connected_components(graph, directed=False)[1] if len(vectors) else np.zeros(0, dtype=np.int64)
    label = linked[place.reshape(-1)]
    seen, at = np.unique(label, return_index=True)
    names = np.empty(len(seen), dtype=np.int64)
    names[np.argsort(at)] = np.arange(len(seen))
    return np.asarray(names[label])


def _held(observed: Observed, moved: Floats, rng: Generator) -> Bools:
    """Which moved rows fell on observed ground, (s, n)."""
    held = np.empty(moved.shape[:2], dtype=bool)
    for block in _blocks(moved):
        held[block] = observed.holds(moved[block], rng)
    return held


def _blocks(moved: Floats) -> Iterator[slice]:
    """Shifts (s, n, 2) in blocks; between them the stop is looked at."""
    return in_pieces(len(moved), BLOCK // max(1, moved.shape[1]))


def _turns(null: Null, body: Body, points: Floats, count: int, rng: Generator, link_km: float) -> Floats:
    """Angles about the axis, degrees, (s, n)."""
    if null == "spin" and link_km <= 0:
        return np.broadcast_to(rng.uniform(0.0, 360.0, (count, 1)), (count, len(points)))
    group, centre = _centres(body, points, link_km)
    check_stop()
    if null == "clusters":
        return rng.uniform(0.0, 360.0, (count, len(centre)))[:, group]
    from_south_km = np.radians(lonlat_of(centre)[:, 1] + 90.0) * body.radius_km
    height_km = BAND_LINKS * link_km
    bands = int(body.half_circumference_km // height_km) + 2
    band = np.floor(from_south_km / height_km + rng.random((count, 1))).astype(np.int64)
    angles = rng.uniform(0.0, 360.0, (count, bands))
    return np.take_along_axis(angles, np.minimum(band, bands - 1), axis=1)[:, group]


def _rotated(body: Body, points: Floats, count: int, rng: Generator, link_km: float) -> Floats:
    """The null ``rotation``, (s, n, 2)."""
    vectors = vectors_of(points)
    if link_km <= 0 or not len(points):
        turns = Rotation.random(count, rng=rng).as_matrix()
        return lonlat_of(np.einsum("sij,nj->sni", turns, vectors))
    group, centre = _centres(body, points, link_km)
    grid = Grid(body, min(BAND_LINKS * link_km, body.half_circumference_km / 4))
    moved = np.empty((count, len(points), 2))
    for shift in counted(range(count)):
        # The patches themselves are turned any way first, so that their borders fall anywhere.
        patch = grid.locate(lonlat_of(Rotation.random(rng=rng).apply(centre)))
        number = np.unique(patch, return_inverse=True)[1].reshape(-1)
        turns = Rotation.random(int(number.max()) + 1, rng=rng).as_matrix()
        moved[shift] = lonlat_of(np.einsum("nij,nj->ni", turns[number[group]], vectors))
    return moved


def _centres(body: Body, points: Floats, link_km: float) -> tuple[Ints, Floats]:
    """Group of each row, (n,), and the sum of each group's unit vectors, (g, 3)."""
    group = clusters_of(body, points, link_km)
    groups = int(group.max()) + 1 if len(group) else 0
    vectors = vectors_of(points)
    return group, np.stack([np.bincount(group, vectors[:, axis], groups) for axis in range(3)], axis=-1)


def _restratified(
    points: Floats,
    observed: Observed,
    count: int,
    rng: Generator,
    strata: Strata | None,
    words: str,
    group: Ints,
) -> Shifts:
    """The null ``strata``."""
    classes = np.append(cell_classes(strata, observed), -1)
    moved = moved_within(points, group, observed, classes[:-1], count, rng)
    own = classes[observed.cell_at(points)]
    kept = _held(observed, moved, rng) & (own >= 0)
    for block in _blocks(moved):
        kept[block] &= classes[observed.cell_at(moved[block])] == own
    return Shifts(moved, kept, "strata", _WHY["strata"].format(words=words or "classes of ground"))


def _deal(points: Floats, observed: Observed, count: int, rng: Generator, blocks: Ints | None) -> Shifts:
    """The null ``labels``."""
    looked = observed.points
    if looked is None or len(looked) < len(points):
        raise GeometryError(
            "the null 'labels' deals hits among the positions of a survey, and there are none or too few",
            allowed="ground observed at positions, hits among them",
            next_step="choose the null 'spin'",
        )
    hits = len(points)
    moved, kept = np.empty((count, hits, 2)), np.ones((count, hits), dtype=bool)
    if blocks is None:
        for shift in range(count):
            moved[shift] = looked[rng.choice(len(looked), hits, replace=False)]
        return Shifts(moved, kept, "labels", _WHY["labels"])
    if len(blocks) != len(looked):
        raise GeometryError(f"{len(blocks)} blocks for {len(looked)} positions looked at", allowed="one each")
    block = np.unique(blocks, return_inverse=True)[1].reshape(-1)
    size = np.bincount(block)
    first = np.cumsum(size) - size
    at = SphereTree(observed.body, looked).nearest(points)[1]
    rate = np.bincount(block[at], minlength=len(size)) / size
    for shift in range(count):
        # A block gets the rate of another one; fractions of a hit are drawn.
        wanted = np.floor(rate[rng.permutation(len(rate))] * size + rng.random(len(size))).astype(np.int64)
        order = np.lexsort((rng.random(len(block)), block))
        chosen = order[np.arange(len(order)) - first[block[order]] < wanted[block[order]]]
        chosen = rng.permutation(chosen)[:hits]
        moved[shift, : len(chosen)] = looked[chosen]
        moved[shift, len(chosen) :] = looked[0]
        kept[shift, len(chosen) :] = False
    return Shifts(moved, kept, "labels", _WHY["labels"] + ", whole blocks at a time")
