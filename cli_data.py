"""The verb of `areographer` that fetches public data sets: `fetch`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.datasets import DATASETS, Dataset, choose, named
from retrieval.settings import load_settings
from terminal import print_json, progress_bar

if TYPE_CHECKING:
    from retrieval.sources import Fetched

HASHES = {
    "known": "SHA-256 as known beforehand",
    "kept": "SHA-256 as at the first fetch",
    "recorded": "SHA-256 not known beforehand; recorded now and checked from now on",
}


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="mars, or names of data sets; --list shows them.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Say what there is and what is fetched.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder; default: data/BODY in AREOGRAPHER_HOME.")] = None,
    bounds: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="W S E N in degrees, for sets that come in tiles (ctx)."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Fetch again what its publisher updates, and record its hash.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Fetch public data sets from their publishers; an interrupted fetch goes on where it stopped."""
    from retrieval.sources import fetch as run

    settings = load_settings()

    def folder(dataset: Dataset) -> Path:
        return (out or settings.data / dataset.body).resolve()

    if show_list or not names:
        _list(named(names) if names else list(DATASETS), folder, as_json)
        return
    chosen = choose(names, bounds)
    results = []
    for dataset in chosen:
        if not as_json:
            _introduce(dataset)
        with progress_bar(in_bytes=True) as progress:
            fetched = run(dataset, folder(dataset), mirror=settings.mirror, renew=renew, progress=progress)
        results.append(_as_json(dataset, fetched))
        if not as_json:
            _conclude(dataset, fetched)
    if as_json:
        print_json({"datasets": results})


def _list(datasets: list[Dataset], folder: Callable[[Dataset], Path], as_json: bool) -> None:
    from retrieval.sources import state

    rows = [
        {
            **{
                key: value
                for key, value in asdict(one).items()
                if key not in ("files", "opens", "georeference")
            },
            "bytes": one.size or None,
            "state": state(one, folder(one)),
            "folder": str(folder(one)),
        }
        for one in datasets
    ]
    if as_json:
        print_json({"datasets": rows})
        return
    for row in rows:
        size = _size(row["bytes"]) if row["bytes"] else "size not known"
        print(f"{row['name']:8} {row['state']:11} {size:>14}  {row['title']}")
        print(f"{'':8} {row['licence']}")
    small = ", ".join(row["name"] for row in rows if not row["by_name_only"])
    print(f"`areographer fetch mars` fetches {small}; the others are fetched by name.")


def _introduce(dataset: Dataset) -> None:
    """Terms and citation, before anything is downloaded."""
    count = f" in {len(dataset.files)} files" if len(dataset.files) > 1 else ""
    size = f", about {_size(dataset.size)}{count}" if dataset.size else ""
    print(f"{dataset.name}: {dataset.title}{size}")
    print(
        f"  from     {dataset.page}\n  licence  {dataset.licence}\n  cite     {dataset.citation}", flush=True
    )


def _conclude(dataset: Dataset, fetched: Fetched) -> None:
    for name, entry in fetched.files.items():
        done = "fetched" if name in fetched.downloaded else "already there"
        print(f"  {name}: {done}, {_size(entry['bytes'])}, {HASHES[entry['hash']]}")
        if entry["unpacked"]:
            print(f"    unpacked: {', '.join(entry['unpacked'])}")
    print(f"  in       {fetched.folder}")
    for step in _next_steps(dataset, fetched):
        print(f"  next     {step}")


def _as_json(dataset: Dataset, fetched: Fetched) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "folder": str(fetched.folder),
        "opens": [str(path) for path in fetched.opens],
        "downloaded": list(fetched.downloaded),
        "files": fetched.files,
        "next_steps": _next_steps(dataset, fetched),
    }


def _next_steps(dataset: Dataset, fetched: Fetched) -> list[str]:
    import shlex

    files = " ".join(shlex.quote(str(path)) for path in fetched.opens)
    return [step.format(files=files) for step in dataset.next_steps]


def _size(count: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
