"""Relations and groups while they are being read, before they become part of a `Query`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from agent.grammar.conditions import opposite_condition
from agent.grammar.query import Declined, Item, Operand, Region, Relation

Kind = Literal["near", "without", "overlap", "nearest", "downslope", "new"]
Joint = Literal["", "and", "or"]


@dataclass
class OperandDraft:
    """An object of a relation."""

    item: Item
    relations: list[RelationDraft] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    @property
    def finished(self) -> Operand:
        """As it becomes part of a query."""
        relations = tuple(relation for draft in self.relations for relation in finished(draft))
        return Operand(item=self.item, relations=relations, regions=tuple(self.regions))


@dataclass
class RelationDraft:
    """A relation that may still lack its objects.

    ``weak`` ones come from small words ("in", "with") that may mean nothing; ``chained`` ones stand right
    behind an object of another; ``inner_km`` is the near edge of a ring; ``text`` is what the question said.
    """

    kind: Kind
    distance_km: float = 0.0
    assumed: bool = False
    touching: bool = False
    inner_km: float = 0.0
    count: int | None = None
    weak: bool = False
    chained: bool = False
    text: str = ""
    every: bool = False
    objects: list[OperandDraft] = field(default_factory=list)


@dataclass
class GroupDraft:
    """Subjects that stand together."""

    items: list[Item] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    every: bool = False


def finished(draft: RelationDraft) -> list[Relation]:
    """The relations that a draft stands for: two for a ring."""
    objects = tuple(operand.finished for operand in draft.objects)
    made = [
        Relation(
            kind=draft.kind,
            objects=objects,
            every=draft.every and len(objects) > 1,
            distance_km=draft.distance_km,
            count=draft.count,
            assumed=draft.assumed,
            touching=draft.touching,
        )
    ]
    if draft.inner_km:  # between 10 and 40 km of B: within 40, and not within 10
        made.append(Relation(kind="without", objects=objects, distance_km=draft.inner_km))
    return made


def mirrored(region: Region) -> Region:
    """A latitude band of one hemisphere, in both; any other limit as it is."""
    low, high = region.min_lat_deg, region.max_lat_deg
    if low is None or high is None or low * high < 0:
        return region
    low, high = sorted((abs(low), abs(high)))
    words = f"between {low:g} and {high:g} degrees latitude in either hemisphere"
    return region.model_copy(
        update={"min_lat_deg": low, "max_lat_deg": high, "both_hemispheres": True, "words": words}
    )


def opposite(region: Region, text: str) -> Region:
    """The other side of a limit with one bound.

    Raises
    ------
    Declined
        If the limit has no single other side.
    """
    given = {
        name: value for name, value in region if value is not None and value is not False and value != ""
    }
    del given["words"]
    if set(given) == {"where"} and (turned := opposite_condition(region.where)):
        return Region(where=turned, words=f"not {region.words}")
    swaps = {"min_lat_deg": "max_lat_deg", "max_lat_deg": "min_lat_deg"}
    swaps |= {"min_elevation_m": "max_elevation_m", "max_elevation_m": "min_elevation_m"}
    if len(given) != 1 or not set(given) <= set(swaps):
        raise Declined(
            "unsupported",
            f"“not {text}” cannot be used as a limit in this version",
            "a limit said the other way round, such as south of 30 degrees",
        )
    ((name, value),) = given.items()
    return Region(**{swaps[name]: value}, words=f"not {region.words}")
