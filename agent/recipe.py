"""The recipe of a conversation: the tool calls that made its layers, and their replay without any model.

A recipe lists the calls that succeeded, in order, with their arguments, the figures they stated and the
fingerprints of the layers they made. Calls that failed made nothing and are left out; the transcript shows
them. Every call is replayed, also those that draw or export, but pictures and files are not compared, nor
figures that are sizes of files: they may differ between machines that agree on every number.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agent.events import Step, Turn
from agent.rounding import same_to_rounding
from retrieval.errors import BundleError, Cancelled, InputError
from retrieval.stop import stopped_by
from tools import TOOLS
from tools.layers import Layer, LayerStore, Provenance, make_table
from tools.workspace import ToolResult, Workspace

if TYPE_CHECKING:
    from agent.bundle import BundleContents

Json = Any

# Arguments that may name a file the user brought; such files travel in the bundle.
FILE_ARGUMENTS = ("file", "example", "tiles", "not_like")
LARGEST_INPUT_BYTES = 50_000_000
MOST_CALLS = 10_000
MOST_SKIPPED = 1_000
SHOWN = 120


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class LayerPrint(_Model):
    """What a layer must be again: number of rows and `tools.layers.Layer.hash`."""

    count: int
    hash: str


class Call(_Model):
    """One tool call with everything it is compared on; figures that were not finite are None."""

    tool: str
    arguments: dict[str, Json]
    figures: dict[str, float | int | None]
    layers: dict[str, LayerPrint]


class Made(_Model):
    """Name and fingerprint of an index or an encoder."""

    name: str
    fingerprint: str


class Recipe(_Model):
    """The calls and all that they depend on.

    Attributes
    ----------
    inputs
        Files that the user brought, under ``inputs/`` in the bundle.
    """

    body: str
    index: Made
    encoder: Made
    seed: int
    templates: tuple[str, ...] = Field(strict=False)
    inputs: tuple[str, ...] = Field(strict=False)
    calls: tuple[Call, ...] = Field(strict=False, max_length=MOST_CALLS)


@dataclass(frozen=True)
class Replay:
    """Outcome of a replay.

    Attributes
    ----------
    identical
        Whether everything compared was the same on the same index and encoder.
    differences
        One sentence each; a different index or encoder comes first.
    compared
        Number of figures and layers compared.
    """

    identical: bool
    differences: list[str]
    compared: int


def make_recipe(turns: Sequence[Turn], workspace: Workspace) -> tuple[Recipe, dict[str, Path]]:
    """The recipe of a conversation, and the files the user brought: name in the bundle -> path.

    Arguments that name such a file are rewritten to its name under ``inputs/``, so that no path of this
    machine leaves it.
    """
    inputs: dict[str, Path] = {}
    calls = []
    for step in (step for turn in turns for step in turn.steps if not step.error):
        arguments = dict(step.arguments)
        for name in FILE_ARGUMENTS:
            given = arguments.get(name)
            names = given if isinstance(given, list) else [given]
            brought = [_brought(one, workspace) for one in names]
            named = [next(iter(files), one) for one, files in zip(names, brought, strict=True)]
            if any(brought):
                arguments[name] = named if isinstance(given, list) else named[0]
                for files in brought:
                    inputs.update(files)
        figures = {name: finite(value) for name, value in step.figures.items()}
        layers = {
            layer_id: LayerPrint(count=len(layer), hash=layer.hash)
            for layer_id in step.layer_ids
            if (layer := stored(workspace, layer_id)) is not None
        }
        calls.append(Call(tool=step.tool, arguments=arguments, figures=figures, layers=layers))
    manifest = workspace.index.manifest
    encoder = workspace.encoder.manifest
    recipe = Recipe(
        body=workspace.body.name,
        index=Made(name=manifest.name, fingerprint=manifest.fingerprint),
        encoder=Made(name=encoder.name, fingerprint=encoder.fingerprint),
        seed=workspace.seed,
        templates=tuple(workspace.templates),
        inputs=tuple(sorted(inputs)),
        calls=tuple(calls),
    )
    return recipe, inputs


def stored(workspace: Workspace, layer_id: str) -> Layer | None:
    """A layer of the conversation, or None if its files are gone or damaged: the rest is still of use."""
    try:
        return workspace.layers.get(layer_id)
    except InputError:
        return None


def replay(contents: BundleContents, workspace: Workspace) -> Replay:
    """Run a bundle's recipe on this workspace's index and compare every figure and layer.

    The workspace itself is not touched: layers and files go to a folder that is deleted at the end.

    Raises
    ------
    BundleError
        If the recipe is of another body.
    Cancelled
        If the workspace's stop is set meanwhile.
    """
    recipe = contents.recipe
    if recipe.body != workspace.body.name:
        raise BundleError(
            f"the bundle was made on {recipe.body}, this index is of {workspace.body.name}",
            allowed=f"an index of {recipe.body}",
            next_step=f"give the index it was made with ({recipe.index.name})",
        )
    differences = list(_other_ground(recipe, workspace))
    by_other = _by_other_version(contents)
    compared = 0
    with tempfile.TemporaryDirectory(prefix="areographer-replay-") as folder:
        fresh = _fresh(contents, workspace, Path(folder))
        for number, call in enumerate(recipe.calls, 1):
            fresh.check_stop()
            where = f"call {number} ({call.tool[:40]})"
            compared += len(comparable(call.figures)) + len(call.layers)
            try:
                result = _run(call, fresh)
            except Cancelled:
                raise
            except InputError as error:
                differences.append(f"{where} failed: {error}")
            except Exception as error:
                # A stranger's recipe may hold arguments of any type: what breaks on them is a difference
                # to report, and must not hide what the other calls gave.
                differences.append(f"{where} failed: {type(error).__name__}: {str(error)[:SHOWN]}")
            else:
                differences.extend(
                    f"{where}: {text}" for text in _compare(call, result, fresh, contents, by_other)
                )
    return Replay(not differences, differences, compared)


def _brought(name: Json, workspace: Workspace) -> dict[str, Path]:
    """Files behind an argument, the named one first: name under ``inputs/`` -> path; none if it is no file.

    A shapefile comes with its companions. Files larger than `LARGEST_INPUT_BYTES` stay out: a replay then
    needs them in the folder of uploads.
    """
    if not isinstance(name, str) or not name.strip():
        return {}
    try:
        path = workspace.readable_file(name)
    except InputError:
        return {}
    folder = next(f.resolve() for f in workspace.readable if path.is_relative_to(f.resolve()))
    paths = [path]
    if path.suffix.lower() == ".shp":
        paths += sorted(p for p in path.parent.glob("*") if p.stem == path.stem and p != path and p.is_file())
    if sum(p.stat().st_size for p in paths) > LARGEST_INPUT_BYTES:
        return {}
    return {_plain_name(p.relative_to(folder)): p for p in paths}


def _plain_name(path: Path) -> str:
    return "/".join(re.sub(r"[^\w.() -]", "_", part).strip() or "_" for part in path.parts)


def _other_ground(recipe: Recipe, workspace: Workspace) -> Iterator[str]:
    pairs = (
        ("index", recipe.index, workspace.index.manifest),
        ("encoder", recipe.encoder, workspace.encoder.manifest),
    )
    for what, expected, here in pairs:
        if expected.fingerprint != here.fingerprint:
            yield (
                f"the {what} is another one: the recipe was made with {expected.name[:SHOWN]} "
                f"({expected.fingerprint[:16]}), this is {here.name} ({here.fingerprint[:16]})"
            )


def _fresh(contents: BundleContents, workspace: Workspace, folder: Path) -> Workspace:
    inputs, output = folder / "inputs", folder / "output"
    inputs.mkdir()
    output.mkdir()
    for name in contents.recipe.inputs:
        target = inputs / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents.read(f"inputs/{name}"))
    return replace(
        workspace,
        layers=LayerStore(folder / "layers"),
        output=output,
        templates=contents.recipe.templates,
        readable=(inputs, *workspace.readable),
        seed=contents.recipe.seed,
    )


def _run(call: Call, workspace: Workspace) -> ToolResult:
    tools: Mapping[str, Callable[..., ToolResult]] = {tool.__name__: tool for tool in TOOLS}
    if call.tool not in tools:
        raise BundleError(f"this version has no tool {call.tool[:40]!r}", allowed=", ".join(tools))
    tool = tools[call.tool]
    unknown = set(call.arguments) - set(list(inspect.signature(tool).parameters)[1:])
    if unknown:
        raise BundleError(f"{call.tool} has no argument {sorted(unknown)[0][:40]!r}")
    _skip_to(next(iter(call.layers), ""), workspace)
    with stopped_by(workspace.stop):
        return tool(workspace, **call.arguments)


def _skip_to(layer_id: str, workspace: Workspace) -> None:
    # Layers are numbered in the order they are made. A number that no call of the recipe has belonged to a
    # call that was stopped or failed half-way; empty layers stand in, so that later numbers agree.
    wanted = int(layer_id[1:]) if layer_id[1:].isdigit() and len(layer_id) < 8 else 0
    ids = workspace.layers.ids()
    first = int(ids[-1][1:]) + 1 if ids else 1
    if wanted - first <= MOST_SKIPPED:
        for _ in range(first, wanted):
            empty = make_table(workspace.body, [], np.empty((0, 2)))
            workspace.layers.add("not made again", "tiles", empty, Provenance("", {}, workspace.body.name))


def _by_other_version(contents: BundleContents) -> bool:
    """Whether a bundle says that another version of the program made it."""
    try:
        made_by = json.loads(contents.read("transcript.json"))["versions"]["areographer"]
        return bool(made_by != version("areographer"))
    except (PackageNotFoundError, KeyError, TypeError, ValueError):
        return False


def _compare(
    call: Call, result: ToolResult, workspace: Workspace, contents: BundleContents, by_other: bool
) -> Iterator[str]:
    """How a result differs; a figure that only this version states is no difference to another's."""
    expected = comparable(call.figures)
    given = comparable({name: finite(value) for name, value in result.figures.items()})
    for name in [*expected, *(name for name in given if name not in expected)]:
        if name not in given:
            yield f"{name[:SHOWN]} is missing"
        elif name not in expected and by_other:
            continue
        elif name not in expected:
            yield f"{name} = {given[name]} was not there before"
        elif not same_figure(expected[name], given[name]):
            yield f"{name} = {given[name]}, was {expected[name]}"
    if tuple(call.layers) != result.layer_ids:
        was_made = ", ".join(call.layers)[:SHOWN] or "no layer"
        yield f"made {', '.join(result.layer_ids) or 'no layer'}, was {was_made}"
    for layer_id, was in call.layers.items():
        if layer_id in result.layer_ids:
            layer = workspace.layers.get(layer_id)
            if (len(layer), layer.hash) != (was.count, was.hash) and not same_to_rounding(
                contents, layer, was.hash, workspace.index
            ):
                before = f"{was.count} ({was.hash[:16]})"
                yield f"{layer_id} has other rows: {len(layer)} ({layer.hash}), was {before}"


def comparable(figures: Mapping[str, float | int | None]) -> dict[str, float | int | None]:
    """The figures that two machines must agree on: all but sizes of files."""
    return {name: value for name, value in figures.items() if name != "bytes" and not name.endswith("_bytes")}


def finite(value: Json) -> float | int | None:
    """A figure as JSON keeps it: NumPy scalars as numbers, None in place of NaN and infinities."""
    if isinstance(value, (np.generic, bool)):
        value = value.item() if isinstance(value, np.generic) else int(value)
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value


def same_figure(a: float | int | None, b: float | int | None) -> bool:
    """Whether two figures are the same: whole numbers exactly, others to the last digits of a float."""
    if a is None or b is None:
        return a is b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def describe_call(step: Step | Call) -> str:
    """A call as a line of code: ``near(layer='L1', other='L2', distance_km=40)``."""
    given = (f"{name}={value!r}" for name, value in step.arguments.items() if value is not None)
    return f"{step.tool}({', '.join(given)})"
