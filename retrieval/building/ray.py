"""Draw and encode the tiles of an index on a Ray cluster: the same parts as `draw_parts` makes here.

Rounds of parts go through `retrieval.building.ray_nodes` as streaming data sets; the parts come back to
this process and are written at once. Finished parts are what an interrupted build goes on from, and a round
when the cluster loses more than Ray makes good. Needs the extra ``ray``.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.building.draw import Progress, check_stop, plan_parts
from retrieval.building.parts import store_part
from retrieval.building.ray_nodes import Stream, Work, check_source, make_probe, raise_trouble
from retrieval.corpus.source import TileSource
from retrieval.errors import IndexFolderError, SettingsError
from retrieval.grid import Grid
from retrieval.settings import prepare_for_ray

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

ADDRESSES = "local, auto, HOST:PORT of a cluster that this machine is part of, or ray://HOST:PORT"
ROUND_TILES = 8_000_000  # planned at once: some 2,000 parts, and 64 MB of numbers that each node is sent
ATTEMPTS = 3  # at a round that gives not one part
OBJECT_STORE_BYTES = 1_000_000_000  # of a cluster made here; what was drawn of a few parts waits in it
REACH_SECONDS, CLOSE_SECONDS = 5.0, 3.0


def draw_parts_on_ray(
    source: TileSource,
    grid: Grid,
    encoder: Encoder,
    tiles: NDArray[np.int64],
    folder: Path,
    *,
    size_px: int,
    workers: int = 1,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    address: str = "local",
) -> list[Path]:
    """Draw and encode every chunk that has no part yet; part files in the order of the tiles.

    Parameters
    ----------
    workers
        Not used: every processor of the cluster draws.
    address
        ``local`` for this machine alone, ``auto`` for the cluster that it is part of, ``HOST:PORT``, or
        ``ray://HOST:PORT`` for one that it is not part of. In a program that is connected to Ray already
        that connection is used.

    Raises
    ------
    Cancelled
        If ``stop`` was set. Finished parts are kept.
    SettingsError
        If the extra is not installed or there is no cluster at the address.
    RasterError, EncoderError
        If a node cannot read the source, or makes other vectors of the same pictures.
    IndexFolderError
        If the cluster fails again and again.
    """
    chunks, paths, missing = plan_parts(tiles, folder)
    done = len(tiles) - sum(len(chunks[number]) for number in missing)
    if progress:
        progress("tiles", done, len(tiles))
    if not missing:
        return paths
    with _connected(address) as ray:
        _check_nodes(ray, source)
        loaded = getattr(encoder, "load", lambda: encoder)()  # one that is loaded when needed travels whole
        shared, probe = ray.put(loaded), make_probe(loaded)
        left, failed = set(missing), 0
        while left:
            some = max(1, ROUND_TILES // len(chunks[0]))
            numbers = tuple(sorted(left)[:some])
            work = Work(source, grid, size_px, numbers, tuple(chunks[number] for number in numbers))
            before = len(left)
            try:
                for number, part in _round(ray, work, shared, probe, stop):
                    store_part(paths[number], part)
                    if number in left:
                        left.remove(number)
                        done += len(chunks[number])
                        if progress:
                            progress("tiles", done, len(tiles))
            except ray.exceptions.RayError as error:
                if not _is_loss(ray, error):
                    raise  # a fault of ours, which would come again
                failed = failed + 1 if len(left) == before else 0
                if failed >= ATTEMPTS:
                    raise IndexFolderError(
                        f"the Ray cluster gave no part in {ATTEMPTS} attempts ({_in_short(error)})",
                        next_step="look at its nodes, then run the same command again; parts are kept",
                    ) from error
    return paths


def _round(
    ray: Any, work: Work, encoder: Any, probe: Any, stop: threading.Event | None
) -> Iterator[tuple[int, bytes]]:
    """Parts of a round as they are finished. What is still running is stopped when the caller is done."""
    check_stop(stop)
    at_once = max(1, int(ray.cluster_resources().get("CPU", 1)))
    # In an actor of its own: to end it ends the tasks and actors of the round, and a client outside of the
    # cluster sees nothing but this actor. It is on the driver's node, or on the head, where it can be.
    stream = ray.remote(Stream).options(num_cpus=0, **_near_driver(ray))
    running = stream.remote(work, [encoder], probe, at_once)
    try:
        while (row := _wait(ray, running.next.remote(), stop)) is not None:
            if row["trouble"]:
                raise_trouble(str(row["trouble"]))
            yield int(row["number"]), bytes(row["part"])
    finally:
        with suppress(ray.exceptions.RayError):
            ray.get(running.close.remote(), timeout=CLOSE_SECONDS)
        with suppress(ray.exceptions.RayError):
            ray.kill(running)


def _wait(ray: Any, coming: Any, stop: threading.Event | None) -> Any:
    while True:
        check_stop(stop)
        if ray.wait([coming], timeout=0.5)[0]:
            return ray.get(coming)


def _is_loss(ray: Any, error: BaseException | None) -> bool:
    """Whether a node, a process or an object was lost, or only a task raised something."""
    told = ray.exceptions.RayTaskError
    while isinstance(error, told):
        error = error.cause if error.cause is not error else error.__cause__
    return isinstance(error, ray.exceptions.RayError)


def _near_driver(ray: Any) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    heads = [node["NodeID"] for node in ray.nodes() if node["Alive"] and _is_head(node)]
    here = None if ray.util.client.ray.is_connected() else ray.get_runtime_context().get_node_id()
    node = here or (heads[0] if heads else None)
    if node is None:
        return {}
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)}


def _is_head(node: dict[str, Any]) -> bool:
    return "node:__internal_head__" in node["Resources"]


def _check_nodes(ray: Any, source: TileSource) -> None:
    """Let every node that may draw look at the source first: hours later would be late."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    if not nodes:
        raise SettingsError("the Ray cluster has no node with a processor", next_step="add a node to it")
    look = ray.remote(check_source)
    found = [
        look.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(source, source.fingerprint())
        for node in nodes
    ]
    for node, coming in zip(nodes, found, strict=True):
        try:
            trouble = ray.get(coming)
        except ray.exceptions.RayError as error:
            raise SettingsError(
                f"node {node['NodeManagerAddress']} cannot look at {source.name} ({_in_short(error)})",
                next_step="install the same version of areographer on each node, or take the node out",
            ) from error
        if trouble:
            raise_trouble(trouble)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected; left as it was found."""
    prepare_for_ray(loopback=address == "local")
    try:
        import ray
        import ray.data
        import ray.util.client
    except ImportError as error:
        raise SettingsError(
            f"building on Ray needs the extra ray ({error})", next_step="pip install 'areographer[ray]'"
        ) from error
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options.update(include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)
    elif address != "auto":
        _reach(address)
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        ray.shutdown()
        raise _no_cluster(address, _in_short(error)) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for a minute and more."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 65536):
        raise SettingsError(f"{address!r} is no address of a Ray cluster", allowed=ADDRESSES)
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, reason: str) -> SettingsError:
    return SettingsError(
        f"there is no Ray cluster at {address} ({reason})",
        allowed=ADDRESSES,
        next_step="start one (`ray start --head`), or build without --ray",
    )


def _in_short(error: BaseException) -> str:
    # Ray tells of an error in another process with its traceback; what was wrong comes last.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
