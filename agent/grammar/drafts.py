"""Relations and groups while they are being read, before they become part of a `Query`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from agent.grammar.query import Item, Operand, Region, Relation

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
    behind an object of another; ``inner_km`` is the near edge of a ring; ``text`` is what the question said;
    ``alternative`` ones stand behind an "or"; ``told`` is how many objects it gives a distance to.
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
    told: int = 0
    alternative: bool = False
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
