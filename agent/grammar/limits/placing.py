"""Limits of a question: regions, places and positions. One handler for each kind of token."""

from __future__ import annotations

from agent.grammar.drafts import RelationDraft
from agent.grammar.limits.bounds import either, opposite
from agent.grammar.limits.edges import beyond
from agent.grammar.query import Declined, Item, Region, short_number
from agent.grammar.relations.relating import Relating
from agent.grammar.tokens import Token

# With these behind a thing "less than 5 km" says how far the other may be, not how high it lies.
_WITH = ("with", "has", "have", "had", "having", "that have", "that has", "which have", "which has")
_OF_PLACE = ("near", "without", "overlap")


class Placing(Relating):
    """The part of a reader that knows where."""

    def _on_region(self, token: Token) -> None:
        region: Region = token.value
        if self.negated:
            region, self.negated = opposite(region, token.text), False
        limits = self.groups[-1].regions if self.groups and self.groups[-1].regions else self.regions
        if self.previous == "or" and limits:  # "north of 45 N or south of 45 S"
            limits[-1] = either(limits[-1], region)
            self.stated.append(("or", region))
            self.joined.append(limits[-1])
            return
        value = bool(region.where or region.facing)
        operand = self.last_object if (self.previous == "item" or self.nested) and self.relations else None
        if value and operand and (self.nested or operand.item.kind == "catalogue"):
            operand.regions.append(region)
            return
        own = any(group.regions for group in self.groups)
        if own and self.others and self.previous in ("item", "region"):  # "those north of 30 degrees"
            self.others[-1].regions.append(region)
            return
        self.limit(region)
        if value and not self.pending:  # "on north-facing walls of craters", "on pole-facing crater walls"
            self.pending = RelationDraft("overlap", weak=True, text=token.text.split()[0])

    def _on_height_or_distance(self, token: Token) -> None:
        region, distance = token.value
        last = self.relations[-1] if self.relations else None
        near = last is not None and (last.assumed or last.text.lower() in _WITH) and last.objects
        if near and self.previous in ("item", "sign"):
            self._on_among_km(Token("among_km", token.text, (distance, 0.0)))
        else:
            self._on_region(Token("region", token.text, region))

    def _on_all(self, token: Token) -> None:
        self.either_hemisphere = True

    def _on_side(self, token: Token) -> None:
        self.side = token.value

    def _on_part(self, token: Token) -> None:
        self.part = token.value

    def flush_part(self) -> None:
        """Read "southern" as a hemisphere, as no place followed."""
        if self.part in ("north", "south"):
            north = self.part == "north"
            words = f"in the {self.part}ern hemisphere"
            self.limit(
                Region(min_lat_deg=0.0 if north else None, max_lat_deg=None if north else 0.0, words=words)
            )
            self.note(f"“{self.part}ern” was read as the {self.part}ern hemisphere")
        elif self.part:
            self.reading.unparsed.append(f"{self.part}ern")
        self.part = ""

    def _on_side_it(self, token: Token) -> None:
        limits = self.groups[-1].regions if self.groups and self.groups[-1].regions else self.regions
        edges = (
            [edge for edge in (limits[-1].min_lat_deg, limits[-1].max_lat_deg) if edge is not None]
            if limits
            else []
        )
        if len(edges) == 1:  # "below the equator, that is, south of it"
            self.limit(beyond(token.value, edges[0]))
        else:
            self.reading.side_of_it = token.value

    def _on_place(self, token: Token) -> None:
        names: tuple[str, ...] = token.value
        if len(names) > 1:
            listed = ", ".join(names[:6])
            raise Declined(
                "unknown_place",
                f"{len(names)} places may be meant by “{token.text}”",
                listed,
                lacks="which",
                about=token.text,
                choices=names,
            )
        name, relation = names[0], self.pending
        if self.map_of and self.previous == "map":
            self.pending = None
            self.details["map_place"] = name
            if not self.groups and not self.reading.refers:
                self.limit(Region(place=name, words=f"in {name}"))
            return
        if self.part:
            self.limit(Region(place=name, beyond=self.part, words=f"{self.part} of the middle of {name}"))
            self.part = ""
        if self.between:
            raise Declined(
                "unsupported",
                f"what lies between {name} and another place cannot be asked in this version",
                "inside a place, within a distance of it, or on one side of it",
            )
        if self.side:
            self.pending = None
            side, self.side = self.side, ""
            self.limit(Region(place=name, beyond=side, words=f"{side} of {name}"))
            return
        self._limit_around(Region(place=name), name, relation)

    def _on_position(self, token: Token) -> None:
        lon, lat = token.value
        if self.reading.like and not (self.pending and not self.pending.weak):
            example = f"{lon:g},{lat:g}"
            self.on_item(Item(kind="example", text=example, plural=f"tiles like {example}"))
            return
        self._limit_around(Region(centre=(lon, lat)), _said(lon, lat), self.pending)

    def _limit_around(self, region: Region, name: str, relation: RelationDraft | None) -> None:
        """Put a limit around a place or position, at the distance of the relation that waits for it."""
        self.pending = None
        if relation and relation.kind not in _OF_PLACE:
            raise Declined(
                "unsupported",
                f"“{relation.text} {name}” cannot be asked of a place in this version",
                "what lies within a distance of a place, outside it, or on one side of it",
            )
        given = relation and not relation.assumed and relation.kind in ("near", "without")
        distance = relation.distance_km if relation and given else 0.0
        outside = bool(relation and relation.kind == "without")
        if self.negated:
            outside, self.negated = not outside, False
        if not relation and self.joint:
            distance, outside = self._around_before(outside)
        if region.centre and not distance:
            distance = self.distances.near_km
            self.note(f"{name} was read as within {short_number(distance)} km of it")
        if relation and given and relation.inner_km:
            inner = f"farther than {short_number(relation.inner_km)} km from {name}"
            self.limit(
                region.model_copy(update={"within_km": relation.inner_km, "outside": True, "words": inner})
            )
        words = f"within {short_number(distance)} km of {name}" if distance else f"in {name}"
        if outside:
            words = f"farther than {short_number(distance)} km from {name}" if distance else f"outside {name}"
        elif relation and relation.kind == "near" and relation.assumed and not distance:
            self.note(f"“{relation.text} {name}” was read as within its own radius")
        if outside and not distance:
            self.note(f"“{words}” was read as farther from its centre than its own radius")
        update = {"within_km": distance or None, "outside": outside, "words": words}
        self.limit(region.model_copy(update=update))

    def _around_before(self, outside: bool) -> tuple[float, bool]:
        # "within 100 km of Gale or Jezero", "outside Gale and Jezero": as for the place before.
        limits = self.groups[-1].regions if self.groups else self.regions
        if not limits or not (limits[-1].place or limits[-1].centre):
            return 0.0, outside
        return limits[-1].within_km or 0.0, outside or limits[-1].outside


def _said(lon: float, lat: float) -> str:
    """``45 degrees east, 10 degrees south``."""
    return (
        f"{abs(lon):g} degrees {'west' if lon < 0 else 'east'}, "
        f"{abs(lat):g} degrees {'south' if lat < 0 else 'north'}"
    )
