"""Typed tool calls and the plan they make. A step refers to an earlier one by name: ids come later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from agent.grammar.query import Frozen, Query


class Ref(Frozen):
    """What an earlier step gave: its layer, or one of its figures and a number to add to it."""

    step: str
    figure: str = ""
    plus: float = 0.0

    @property
    def given(self) -> Ref:
        """What the step itself gave."""
        return Ref(step=self.step, figure=self.figure)


LayerArg = Ref | str


class StepBase(Frozen):
    """A named tool call; its fields are the tool's arguments."""

    name: str
    tool: str

    def refs(self) -> tuple[Ref, ...]:
        """Steps that must have run before."""
        values = [value for _, value in self]
        values += [part for value in values if isinstance(value, tuple) for part in value]
        return tuple(value.given for value in values if isinstance(value, Ref))

    def arguments(self, found: Mapping[Ref, Any]) -> dict[str, Any]:
        """The tool's arguments with what earlier steps gave filled in."""

        def fill(value: Any) -> Any:
            if isinstance(value, tuple):
                return [fill(part) for part in value]
            if isinstance(value, Ref):
                return found[value.given] + value.plus if value.plus else found[value]
            return value

        given = {name: value for name, value in self if name not in ("name", "tool") and value is not None}
        return {name: fill(value) for name, value in given.items()}


class SearchWords(StepBase):
    """Search for words."""

    tool: Literal["search_words"] = "search_words"
    text: str


class SearchExample(StepBase):
    """Search for tiles like a tile, a picture or a position."""

    tool: Literal["search_example"] = "search_example"
    example: str


class FindPlace(StepBase):
    """Look a place up."""

    tool: Literal["find_place"] = "find_place"
    place: str

    def arguments(self, found: Mapping[Ref, Any]) -> dict[str, Any]:
        """As the tool calls it."""
        return {"name": self.place}


class LoadCatalogue(StepBase):
    """Load a catalogue."""

    tool: Literal["load_catalogue"] = "load_catalogue"
    file: str


class FilterLayer(StepBase):
    """Limit a layer."""

    tool: Literal["filter_layer"] = "filter_layer"
    layer: LayerArg
    min_lat_deg: float | Ref | None = None
    max_lat_deg: float | Ref | None = None
    west_lon_deg: float | Ref | None = None
    east_lon_deg: float | Ref | None = None
    min_elevation_m: float | None = None
    max_elevation_m: float | None = None
    min_probability: float | None = None
    where: tuple[str, ...] | None = None
    place: str | None = None
    within_km: float | None = None
    centre_lon_deg: float | None = None
    centre_lat_deg: float | None = None


class Near(StepBase):
    """Keep what is near."""

    tool: Literal["near"] = "near"
    layer: LayerArg
    other: LayerArg
    distance_km: float


class Without(StepBase):
    """Keep what is far."""

    tool: Literal["without"] = "without"
    layer: LayerArg
    other: LayerArg
    distance_km: float


class Nearest(StepBase):
    """Measure the distance to the nearest; keep a few."""

    tool: Literal["nearest"] = "nearest"
    layer: LayerArg
    other: LayerArg
    count: int | None = None


class Downslope(StepBase):
    """Keep what lies below and downslope."""

    tool: Literal["downslope"] = "downslope"
    layer: LayerArg
    other: LayerArg
    distance_km: float


class Novelty(StepBase):
    """Keep what a catalogue does not list."""

    tool: Literal["novelty"] = "novelty"
    layer: LayerArg
    catalogue: LayerArg
    distance_km: float


class Overlap(StepBase):
    """Keep what shares a tile or touches."""

    tool: Literal["overlap"] = "overlap"
    layer: LayerArg
    other: LayerArg


class Union(StepBase):
    """Join layers."""

    tool: Literal["union"] = "union"
    layers: tuple[LayerArg, ...]


class MergeFeatures(StepBase):
    """Merge rows that lie together."""

    tool: Literal["merge_features"] = "merge_features"
    layer: LayerArg
    distance_km: float | None = None


class Associate(StepBase):
    """Test nearness against chance."""

    tool: Literal["associate"] = "associate"
    layer: LayerArg
    other: LayerArg
    distance_km: float
    side: str | None = None
    null: str | None = None
    strata: str | None = None


class Compare(StepBase):
    """Compare the values at two layers, or at one and at the ground observed."""

    tool: Literal["compare"] = "compare"
    layer: LayerArg
    by: str
    other: LayerArg | None = None


class EvaluateLayer(StepBase):
    """Judge a layer by a catalogue."""

    tool: Literal["evaluate_layer"] = "evaluate_layer"
    layer: LayerArg
    catalogue: LayerArg
    distance_km: float | None = None


class Density(StepBase):
    """Count by classes of a quantity, per area."""

    tool: Literal["density"] = "density"
    layer: LayerArg
    by: str
    step: float | None = None


class SampleContext(StepBase):
    """Look up values at each row."""

    tool: Literal["sample_context"] = "sample_context"
    layer: LayerArg
    values: tuple[str, ...]


class Summarise(StepBase):
    """Measure a layer."""

    tool: Literal["summarise"] = "summarise"
    layer: LayerArg


class Orientation(StepBase):
    """Measure directions."""

    tool: Literal["orientation"] = "orientation"
    layer: LayerArg
    given_azimuth_deg: float | None = None
    other: LayerArg | None = None


class DrawMap(StepBase):
    """Draw layers."""

    tool: Literal["draw_map"] = "draw_map"
    layers: tuple[LayerArg, ...]
    projection: str | None = None
    place: str | None = None
    colour_by: str | None = None


class ExportLayer(StepBase):
    """Write layers to a file."""

    tool: Literal["export_layer"] = "export_layer"
    layers: tuple[LayerArg, ...]
    format: str


Step = Annotated[
    SearchWords | SearchExample | FindPlace | LoadCatalogue | FilterLayer | Near | Without | Nearest
    | Downslope | Novelty | Overlap | Union | MergeFeatures | Associate | Compare | EvaluateLayer | Density
    | SampleContext | Summarise | Orientation | DrawMap | ExportLayer,
    Field(discriminator="tool"),
]  # fmt: skip


class Plan(Frozen):
    """What will be done to answer a question.

    Attributes
    ----------
    query
        The question as it was understood.
    steps
        Tool calls; each refers only to steps before it.
    results
        The layers that answer it: names of steps, or ids of layers that exist.
    notes
        Readings and limits that the answer must state.
    unparsed
        Words that were not understood.
    told
        Sentences that the conversation so far answers, such as how a layer was made.
    """

    question: str
    query: Query
    steps: tuple[Step, ...]
    results: tuple[LayerArg, ...] = ()
    notes: tuple[str, ...] = ()
    unparsed: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
