"""Ways to learn from verdicts that `tools.refine` does not use, to be compared with the one that it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from lowell_tiles import LabelledTiles
from numpy.typing import NDArray

from retrieval.calibrate import sigmoid
from retrieval.feedback import FAINTEST, correct, keep_count, learn, lessons, rocchio

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """One landform, asked for by words: its number, its vector, and the log odds of all tiles, shape (n,)."""

    landform: int
    query: NDArray[np.float32]
    before: Floats


Rule = Callable[[Asked, Rows, Rows], Floats]
"""What was asked, accepted and rejected rows -> new log odds of all tiles, of which 0 and more are hits."""


def rules(tiles: LabelledTiles, terms: Floats) -> dict[str, Rule]:
    """Each rule by its name.

    Parameters
    ----------
    terms
        Log odds of every tile for every landform of the glossary, shape (n, k).
    """
    centred = (tiles.vectors - tiles.vectors.mean(axis=0)).astype(np.float64)
    spread = float(np.square(centred).sum(axis=1).mean())
    covariance = centred.T @ centred / len(centred)
    prompts = terms - terms.mean(axis=0)
    prompts *= np.sqrt(spread / np.square(prompts).sum(axis=1).mean())

    return {
        "Rocchio, 0.2 of the examples": moved(tiles, 0.2),
        "Rocchio, 0.5 of the examples": moved(tiles, 0.5),
        "verdicts alone, slope 1": probe(centred, 1.0),
        "verdicts alone, slope 2": probe(centred, 2.0),
        "verdicts alone, slope 4": probe(centred, 4.0),
        "verdicts alone, whitened": probe(whitened(centred, covariance, spread), 2.0),
        "verdicts alone, words of all landforms": probe(prompts, 2.0),
        "verdicts alone, kernel": local(centred, 2.0, 0.6),
        "verdicts spread over a graph of likeness": spread_over(centred, 10, 0.9, 10.0),
        "sure tiles alone, no verdict": in_turn(tiles, verdicts=False),
        "sure tiles and verdicts at once": at_once(tiles),
        "as in tools.refine": in_turn(tiles),
        "as in tools.refine, count not kept": in_turn(tiles, counted=False),
    }


def kept(asked: Asked, after: Floats, right: Rows) -> Floats:
    """As many hits as the words had."""
    return keep_count(after, max(int((asked.before >= 0).sum()), len(right)))


def moved(tiles: LabelledTiles, examples: float) -> Rule:
    """The query, moved (Rocchio 1971)."""

    def rule(asked: Asked, right: Rows, wrong: Rows) -> Floats:
        vector = rocchio(asked.query, tiles.vectors[right], tiles.vectors[wrong], examples=examples)
        return kept(asked, tiles.score(vector).astype(float), right)

    return rule


def probe(features: Floats, slope_sd: float) -> Rule:
    """A linear correction in some features, (n, f), from the judged tiles alone."""

    def rule(asked: Asked, right: Rows, wrong: Rows) -> Floats:
        rows = np.concatenate([right, wrong])
        accepted = np.arange(len(rows)) < len(right)
        direction = learn(features[rows], accepted, asked.before[rows], slope_sd=slope_sd)
        return kept(asked, asked.before + features @ direction, right)

    return rule


def whitened(centred: Floats, covariance: Floats, spread: float, share: float = 0.99) -> Floats:
    """Vectors in axes of equal variance, the covariance of all tiles shrunk a little: a correction is then
    Fisher's discriminant where the verdicts are the means of two classes."""
    strength, axes = np.linalg.eigh(covariance)
    strength = share * strength + (1.0 - share) * strength.mean()
    turned = centred @ axes / np.sqrt(strength)
    return np.asarray(turned * np.sqrt(spread / np.square(turned).sum(axis=1).mean()))


def local(centred: Floats, slope_sd: float, reach: float) -> Rule:
    """A correction that fades with the distance from the judged tiles: a Gaussian process with a radial
    kernel, whose features are the kernel's columns turned by its root."""
    lengths = np.square(centred).sum(axis=1)

    def rule(asked: Asked, right: Rows, wrong: Rows) -> Floats:
        rows = np.concatenate([right, wrong])
        apart = lengths[:, None] + lengths[rows] - 2.0 * centred @ centred[rows].T
        columns = np.exp(-np.maximum(apart, 0.0) / (2.0 * reach**2))
        root = np.linalg.cholesky(columns[rows] + 1e-8 * np.eye(len(rows)))
        return probe(np.linalg.solve(root, columns.T).T, slope_sd)(asked, right, wrong)

    return rule


def spread_over(centred: Floats, neighbours: int, share: float, strength: float) -> Rule:
    """Surprises of the verdicts, handed on to the most alike tiles again and again (Zhou et al. 2004)."""
    directions = (centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32)

    def rule(asked: Asked, right: Rows, wrong: Rows) -> Floats:
        rows = np.union1d(np.flatnonzero(asked.before >= FAINTEST), np.concatenate([right, wrong]))
        alike = directions[rows] @ directions[rows].T
        np.fill_diagonal(alike, -1.0)
        near = np.argpartition(-alike, neighbours, axis=1)[:, :neighbours]
        surprise = np.zeros(len(asked.before))
        surprise[right] = 1.0 - sigmoid(asked.before[right])
        surprise[wrong] = -sigmoid(asked.before[wrong])
        pull = first = surprise[rows]
        for _ in range(8):
            pull = first + share * pull[near].mean(axis=1)
        after = asked.before.copy()
        after[rows] += strength * pull
        return kept(asked, after, right)

    return rule


def at_once(tiles: LabelledTiles) -> Rule:
    """Sure and judged tiles in one regression, where the sure ones are many more."""

    def rule(asked: Asked, right: Rows, wrong: Rows) -> Floats:
        judged = np.concatenate([right, wrong])
        accepted = np.arange(len(judged)) < len(right)
        rows, shows = lessons(asked.before, judged, accepted, np.random.default_rng(0))
        direction = learn(tiles.vectors[rows], shows, asked.before[rows])
        return kept(asked, asked.before + tiles.vectors @ direction, right)

    return rule


def in_turn(tiles: LabelledTiles, *, verdicts: bool = True, counted: bool = True) -> Rule:
    """What `tools.refine` does; without the verdicts, what the index alone would do."""
    mean = tiles.vectors.mean(axis=0)

    def rule(asked: Asked, right: Rows, wrong: Rows) -> Floats:
        judged = np.concatenate([right, wrong]) if verdicts else np.zeros(0, dtype=np.int64)
        accepted = np.arange(len(judged)) < len(right)
        rng = np.random.default_rng(0)
        direction = correct(asked.before, judged, accepted, lambda rows: tiles.vectors[rows], rng)
        after = asked.before + tiles.vectors @ direction
        return kept(asked, after, right) if counted else after - float(mean @ direction)

    return rule
