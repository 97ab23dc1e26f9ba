"""Texts of a training step: captions of tiles, names of landforms, and words about something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.training.assess import names_of
from retrieval.training.augment import speaks_of_direction
from retrieval.training.pairs import Pairs
from retrieval.words import vocabulary


class Texts:
    """All texts of a run, turned into tokens once.

    Parameters
    ----------
    tokenizer
        open_clip's tokenizer of the model.
    pairs
        The training tiles with their captions.
    words, templates
        Names per landform key, and sentences with ``{}`` around them.
    groups
        Landform keys per name of a group; every tile with one of them shows the group (`close_groups`).

    Attributes
    ----------
    numbers
        Which captions each tile has, shape (n, c); repeated where a tile has fewer than c.
    words
        All words of captions, names and templates, in lower case.
    """

    def __init__(
        self,
        tokenizer: Any,
        pairs: Pairs,
        words: Mapping[str, Sequence[str]],
        templates: Sequence[str],
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._templates = ("{}", *templates)
        number: dict[str, int] = {}
        most = max(len(captions) for captions in pairs.captions)
        self.numbers = np.empty((len(pairs), most), dtype=np.int32)
        for row, captions in enumerate(pairs.captions):
            own = [number.setdefault(caption, len(number)) for caption in captions]
            self.numbers[row] = np.resize(own, most)
        unique = list(number)
        self._tokens = _tokenize(tokenizer, unique)
        self._turnable = np.array([not speaks_of_direction(caption) for caption in unique])
        members = {key: (key,) for key in pairs.keys} | {
            name: tuple(key for key in (name, *keys) if key in pairs.keys)
            for name, keys in (groups or {}).items()
        }
        members = {name: keys for name, keys in members.items() if keys}
        shown = [[key in keys for keys in members.values()] for key in pairs.keys]
        self._shown = np.array(shown, dtype=bool).reshape(len(pairs.keys), len(members))
        self._names = [
            _tokenize(tokenizer, [t.replace("{}", n) for n in names_of(key, words) for t in self._templates])
            for key in members
        ]
        named = [name for key in members for name in names_of(key, words)]
        self.words = list(vocabulary([*unique, *named, *templates]))
        self._foreign = foreign_words(tokenizer, self.words)

    def captions(
        self, rows: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[torch.Tensor, NDArray[np.int32], NDArray[np.bool_]]:
        """One caption per tile: tokens (m, context), its number (m,), whether the tile may turn (m,)."""
        chosen = self.numbers[rows, rng.integers(0, self.numbers.shape[1], len(rows))]
        tokens = self._tokens[torch.from_numpy(chosen.astype(np.int64))].long()
        return tokens, chosen, self._turnable[chosen]

    def state(self) -> dict[str, Any]:
        """Everything but the tokenizer, in what `torch.save` writes without pickling code."""
        return {
            "numbers": torch.from_numpy(self.numbers),
            "tokens": self._tokens,
            "turnable": torch.from_numpy(self._turnable),
            "shown": torch.from_numpy(self._shown),
            "names": self._names,
            "foreign": self._foreign,
            "words": self.words,
            "templates": list(self._templates),
        }

    @classmethod
    def restore(cls, tokenizer: Any, state: Mapping[str, Any]) -> Texts:
        """The texts of a `state`, which may lie in a mapped file that other processes read too."""
        texts = cls.__new__(cls)
        texts._tokenizer = tokenizer
        texts._templates = tuple(state["templates"])
        texts.numbers = state["numbers"].numpy()
        texts._tokens = state["tokens"]
        texts._turnable = state["turnable"].numpy()
        texts._shown = state["shown"].numpy()
        texts._names = list(state["names"])
        texts._foreign = list(state["foreign"])
        texts.words = list(state["words"])
        return texts

    @property
    def names_count(self) -> int:
        """Number of landforms and groups."""
        return len(self._names)

    def names(self, rng: np.random.Generator) -> torch.Tensor:
        """One name per landform and group in some sentence: tokens (names_count, context)."""
        drawn = [texts[int(rng.integers(len(texts)))] for texts in self._names]
        return torch.stack([self._tokens[0] * 0, *drawn])[1:].long()

    def truth(self, labels: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Truth of the names of landforms and groups about tiles.

        Parameters
        ----------
        labels, known
            Landforms of the tiles, and where that is known, shape (n, k).

        Returns
        -------
        Shape (n, names_count): +1 shown, -1 not, 0 unknown. A group is shown if one of its landforms is,
        and unknown if none is but one might be.
        """
        shown = (labels[:, :, None] & self._shown).any(axis=1)
        open_ = (~known[:, :, None] & self._shown).any(axis=1)
        return np.where(shown, 1, np.where(open_, 0, -1)).astype(np.float32)

    def kinship(self) -> NDArray[np.float32]:
        """Truth of names about each other, square: the own +1, one that shares a landform 0, others -1."""
        shared = self._shown.T.astype(int) @ self._shown.astype(int) > 0
        return np.where(np.eye(len(shared)) > 0, 1, np.where(shared, 0, -1)).astype(np.float32)

    def foreign(self, count: int, rng: np.random.Generator) -> torch.Tensor:
        """Texts of words that no caption uses, true of no tile: tokens (count, context).

        They teach the text tower that a word it does not know is not a landform it knows, so that a
        query for something absent finds little.
        """
        texts = []
        for _ in range(count if self._foreign else 0):
            # Half of them of two words run together: many words of people have several pieces, too.
            pieces = rng.integers(1, 3, size=int(rng.integers(1, 4)))
            words = ["".join(rng.choice(self._foreign, size=many)) for many in pieces]
            template = self._templates[int(rng.integers(len(self._templates)))]
            texts.append(template.replace("{}", " ".join(words)))
        if not texts:
            return torch.empty((0, self._tokens.shape[1]), dtype=torch.long)
        return _tokenize(self._tokenizer, texts).long()


def foreign_words(tokenizer: Any, used: Sequence[str]) -> list[str]:
    """Whole words of the tokenizer's vocabulary that are not used; none if it has no list."""
    pieces = getattr(tokenizer, "encoder", {})
    words = {piece.removesuffix("</w>") for piece in pieces if piece.endswith("</w>")}
    return sorted(
        word for word in words.difference(used) if len(word) > 3 and word.isascii() and word.isalpha()
    )


def _tokenize(tokenizer: Any, texts: list[str]) -> torch.Tensor:
    # int32 halves the memory of some hundred thousand captions.
    return torch.cat([tokenizer(texts[i : i + 4096]).int() for i in range(0, len(texts), 4096)])
