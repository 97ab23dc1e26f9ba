"""The verb of `areographer index` that loads the vectors of an index into Milvus: `publish`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from retrieval.settings import load_settings
from terminal import print_json, progress_bar


def publish(
    index: Annotated[str, typer.Argument(help="Name of an index, or its folder.")],
    milvus: Annotated[
        str,
        typer.Option(
            help="http(s)://HOST:PORT of a server or a cluster, or a path ending in .db for Milvus Lite."
        ),
    ],
    collection: Annotated[str, typer.Option(help="Collection to load into; default: one of its own.")] = "",
    index_type: Annotated[
        str, typer.Option(help="FLAT misses nothing; HNSW, IVF_FLAT, IVF_SQ8, DISKANN, AUTOINDEX may.")
    ] = "FLAT",
    use: Annotated[
        bool, typer.Option("--use", help="From now on this index takes its vectors from there.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Load the vectors of an index into Milvus; a load that was cut off goes on where it stopped."""
    from retrieval.library import index_folder
    from retrieval.manifest import check_files, read_manifest
    from retrieval.vectors import open_vectors
    from retrieval.vectors.milvus_publish import publish as run
    from retrieval.vectors.place import PLACE, write_place

    folder = index_folder(index, load_settings())
    manifest = read_manifest(folder)
    check_files(folder, manifest, full=False)  # the folder's own vectors, wherever its searches go today
    vectors = open_vectors(folder, manifest.storage)
    with progress_bar() as progress:
        made = run(vectors, manifest, milvus, collection, index_type, progress)
    if use:
        write_place(folder, made.place)
    if as_json:
        place = {"address": str(made.place.address), "collection": made.place.collection}
        figures = {name: value for name, value in asdict(made).items() if name != "place"}
        print_json({"folder": str(folder), **place, **figures, "used": use})
        return
    print(
        f"{made.place}: {made.count:,} vectors, {made.loaded:,} of them loaded now, in {made.seconds:.1f} s"
    )
    print(f"index {made.index_type}; {made.compared:,} vectors read back, each the index's own")
    if use:
        print(f"{manifest.name} is searched there from now on; delete {folder / PLACE} to search the folder")
    else:
        print("run this again with --use to search there")
