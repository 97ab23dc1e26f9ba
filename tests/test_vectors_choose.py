"""Which kind of vectors is chosen, and that its reason says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.corpus.source import TileSource
from retrieval.grid import Grid
from retrieval.index import build_index
from retrieval.vectors.choose import choose, machine_memory
from tests.fakes import PatternEncoder, PatternSource

GB = 10**9


@pytest.mark.parametrize(
    ("count", "memory", "recall", "kind"),
    [
        (10_000, 16 * GB, 0.99, "fp16"),
        (1_440_000, 16 * GB, 0.99, "sq8"),
        (14_400_000, 24 * GB, 0.99, "ivf-sq8"),
        (14_400_000, 24 * GB, 1.0, "sq8"),
        (14_400_000, 8 * GB, 0.99, "ivf-rabitq"),
        (115_000_000, 24 * GB, 0.99, "ivf-rabitq"),
        (115_000_000, 24 * GB, 1.0, "sq8"),
        (400_000, GB // 2, 0.99, "sq8"),
    ],
)
def test_the_kind_follows_from_number_memory_and_recall(
    count: int, memory: int, recall: float, kind: str
) -> None:
    chosen, reason = choose(count, 512, memory, recall)
    assert chosen == kind
    assert f"{count:,} tiles x 512" in reason


@given(st.integers(1, 10**9), st.integers(8, 4096), st.integers(10**8, 10**13), st.floats(0.5, 1))
def test_more_memory_never_takes_a_smaller_kind(
    count: int, dimension: int, memory: int, recall: float
) -> None:
    sizes = ["ivf-rabitq", "sq8", "fp16"]
    less, more = (
        choose(count, dimension, room, recall)[0].replace("ivf-sq8", "sq8") for room in (memory, 2 * memory)
    )
    assert sizes.index(less) <= sizes.index(more)


def test_where_recall_is_to_be_whole_only_exact_kinds_are_taken() -> None:
    assert not any(choose(10**n, 512, GB, 1.0)[0].startswith("ivf") for n in range(3, 10))


def test_a_small_index_is_built_as_before_and_says_why(tmp_path: object) -> None:
    source: TileSource = PatternSource()
    grid = Grid(source.body, 100.0)
    index = build_index(source, grid, PatternEncoder(), tmp_path / "auto")  # type: ignore[operator]
    asked = build_index(source, grid, PatternEncoder(), tmp_path / "asked", storage="fp16")  # type: ignore[operator]
    assert index.manifest.storage == "fp16"
    assert "few enough" in index.manifest.why
    assert index.manifest.fingerprint == asked.manifest.fingerprint
    assert machine_memory() > GB // 2
