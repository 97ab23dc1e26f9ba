"""Claims held against facts, one by one: supported, contradicted or unknown.

What counts as right, so that nobody has to guess:

- landform: shown by the tile is right; surely absent is wrong; in part, or not known, is unknown;
- count: right within what lies whole inside and what is touched; size: `SIZE_SHARE` or `SIZE_KM` of a member;
- side: within `SIDE_DEG` of the bearing of a member that lies whole inside, seen from the tile's middle;
- azimuth: right within `AZIMUTH_DEG`, wrong beyond `AZIMUTH_WRONG_DEG`, without a catalogue by the picture's
  grain where that is strong;
- latitude: within `LATITUDE_DEG`; bands overlap by some degrees, because no two authors draw them alike;
- elevation, relief, slope, gaps, contrast: as in `_elevation` and its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from retrieval.corpus import phrases as say
from retrieval.corpus.claim_patterns import POINT_DEG
from retrieval.corpus.claims import Claim, Vocabulary, parse
from retrieval.corpus.facts import OCTANTS, Member, TileFacts, latitude_band

SIZE_SHARE, SIZE_KM = 0.25, 0.5
SMALL_KM = 1.2  # smaller ones are nowhere catalogued one by one
SIDE_DEG, NEAR_CENTRE = 67.5, 0.12
AZIMUTH_DEG, AZIMUTH_WRONG_DEG, GRAIN = 30.0, 40.0, 0.35
LATITUDE_DEG = 2.0
# Latitudes, without sign, that each band may be said of.
BANDS = {
    "equatorial": (0.0, 15.0),
    "tropical": (0.0, 27.0),
    "low": (0.0, 33.0),
    "middle": (26.0, 62.0),
    "high": (55.0, 90.0),
}
_EMPTY = re.compile(
    r"nothing|featureless|without|empty|unremarkable|bland|monotonous|smooth|only|level|ordinary"
)
_SOFT = ("unknown", None)


Outcome = Literal["supported", "contradicted", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """What became of one claim: the facts it was held against, and the right words where they are known."""

    claim: Claim
    outcome: Outcome
    reason: str
    right: str | None = None


_OWN = Vocabulary()


def judge(caption: str, facts: TileFacts, vocabulary: Vocabulary = _OWN) -> tuple[list[Verdict], list[str]]:
    """Verdicts on all claims of a caption, and its unchecked words."""
    claims, unchecked = parse(caption, vocabulary)
    return [_HOLD[claim.kind](claim, facts) for claim in claims], unchecked


def _landform(claim: Claim, facts: TileFacts) -> Verdict:
    shown = claim.keys & set(facts.landforms)
    if shown:
        return Verdict(claim, "supported", f"shown: {', '.join(sorted(shown))}")
    if claim.keys <= facts.absent:
        named = {key for v in facts.landforms for key in (v,) if key != "plains"}
        return Verdict(
            claim, "contradicted", f"not in the tile, which shows {_list(named) or 'nothing named'}"
        )
    if any(m.landform in claim.keys for m in facts.members):
        return Verdict(claim, "unknown", "only part of one lies in the tile")
    return Verdict(claim, "unknown", "no fact speaks of it")


def _absence(claim: Claim, facts: TileFacts) -> Verdict:
    shown = claim.keys & set(facts.landforms)
    if shown:
        return Verdict(claim, "contradicted", f"the tile shows {_list(shown)}")
    if claim.keys <= facts.absent:
        return Verdict(claim, "supported", "not in the tile")
    return Verdict(claim, "unknown", "it may be there in part")


def _nothing(claim: Claim, facts: TileFacts) -> Verdict:
    shown = {key for key in facts.landforms if key != "plains"}
    words = str(claim.value)
    if shown and ("nothing_named" not in claim.keys or _EMPTY.search(words) or words.endswith("plains")):
        return Verdict(claim, "contradicted", f"the tile shows {_list(shown)}")
    if "plains" in facts.landforms:
        return Verdict(claim, "supported", "no landform touches the tile")
    if not shown and facts.near_scarp is False and "nothing_named" in claim.keys:
        return Verdict(claim, "supported", "no landform covers enough of the tile to be named")
    return Verdict(claim, "unknown", "no fact says that the ground is empty")


def _backdrop(claim: Claim, facts: TileFacts) -> Verdict:
    if facts.near_scarp:
        return Verdict(claim, "contradicted", "an escarpment crosses the tile", "beside an escarpment")
    if facts.near_scarp is False:
        return Verdict(claim, "supported", "no escarpment crosses the tile")
    return Verdict(claim, "unknown", "no fact speaks of the ground around")


def _scarp(claim: Claim, facts: TileFacts) -> Verdict:
    if facts.near_scarp is None:
        return Verdict(claim, "unknown", "no fact speaks of scarps")
    if facts.near_scarp:
        return Verdict(claim, "supported", "an escarpment crosses the tile")
    return Verdict(claim, "contradicted", "no escarpment crosses the tile")


def _of(claim: Claim, facts: TileFacts) -> list[Member]:
    return [m for m in facts.members if m.landform in claim.keys]


def _count(claim: Claim, facts: TileFacts) -> Verdict:
    low, high = claim.value if isinstance(claim.value, tuple) else (1.0, 1.0)
    members = _of(claim, facts)
    inside = sum(m.whole for m in members)
    # Fields, lines and what may have uncatalogued fellows cannot be counted.
    if not inside or claim.keys & facts.more:
        return Verdict(claim, "unknown", "they cannot be counted")
    if low <= len(members) and high >= inside:
        return Verdict(claim, "supported", f"{inside} whole, {len(members) - inside} in part")
    right = "" if inside == 1 or inside > 10 else say.COUNT_WORDS[inside]
    return Verdict(claim, "contradicted", f"{inside} whole, {len(members) - inside} in part", right or None)


def _size(claim: Claim, facts: TileFacts) -> Verdict:
    said = float(claim.value) if isinstance(claim.value, float) else 0.0
    members = _of(claim, facts)
    sizes = [s for m in members for s in (m.diameter_km, m.length_km) if np.isfinite(s)]
    known = [facts.size_km[key] for key in sorted(claim.keys & set(facts.size_km))]
    sizes = sizes or known
    if not sizes:
        return Verdict(claim, "unknown", "its size is not known")
    if any(abs(said - size) <= max(SIZE_KM, SIZE_SHARE * size) for size in sizes):
        return Verdict(claim, "supported", f"{_kms(sizes)} km")
    if claim.keys & facts.more and said < SMALL_KM:
        return Verdict(claim, "unknown", "small ones are not catalogued")
    km = f"{known[0]:.1f}" if known and known[0] < 3 else f"{round(known[0])}" if known else ""
    right = (f"a {km}-km" if re.match(r"(?i)an?\b", claim.text) else f"about {km} km across") if km else None
    if right and claim.end and not claim.text.lower().startswith(("a ", "an ")) and _before_noun(claim):
        right = f"{km}-km"
    return Verdict(claim, "contradicted", f"{_kms(sizes)} km", right)


def _before_noun(claim: Claim) -> bool:
    return re.search(
        r"\d\s*-?\s*(?:km|m|kilomet\w+|met\w+)(?:[- ](?:wide|sized|scale|large))?$", claim.text
    ) is not None and (
        "about" not in claim.text
        and "across" not in claim.text
        and "diameter" not in claim.text
        and " of " not in claim.text
    )


def _size_word(claim: Claim, facts: TileFacts) -> Verdict:
    sizes = [facts.size_km[key] for key in claim.keys & set(facts.size_km)]
    if not sizes or facts.tile_km is None:
        return Verdict(claim, "unknown", "its size is not known")
    shares = [m.diameter_km / facts.tile_km for m in _of(claim, facts) if m.whole] or [
        size / facts.tile_km for size in sizes
    ]
    low, high = {"small": (0, 0.35), "middle": (0.12, 0.6), "large": (0.28, 99), "huge": (0.5, 99)}[
        str(claim.value)
    ]
    reason = f"{_kms(sizes)} km in a tile of {facts.tile_km:g} km"
    if any(low <= share <= high for share in shares):
        return Verdict(claim, "supported", reason)
    if claim.keys & facts.more and claim.value == "small":
        return Verdict(claim, "unknown", "small ones are not catalogued")
    return Verdict(claim, "contradicted", reason)


def _freshness(claim: Claim, facts: TileFacts) -> Verdict:
    known = [facts.freshness[key] for key in claim.keys & set(facts.freshness)]
    if not known:
        return Verdict(claim, "unknown", "its state is not known")
    good = (max(known) >= 0.6) if claim.value == "fresh" else (min(known) <= 0.5)
    bad = (max(known) < 0.35) if claim.value == "fresh" else (min(known) > 0.75)
    outcome: Outcome = "supported" if good else "contradicted" if bad else "unknown"
    return Verdict(
        claim, outcome, f"freshness {max(known):.2f}", "subdued" if claim.value == "fresh" and bad else None
    )


def _side(claim: Claim, facts: TileFacts) -> Verdict:
    members = [m for m in _of(claim, facts) if m.whole]
    if not claim.keys or not members or len(members) != len(_of(claim, facts)):
        return Verdict(claim, "unknown", "no fact says on which side it lies")
    where = _list({m.side for m in members})
    right = _side_words(members[0]) if len(members) == 1 else None
    off = [float(np.hypot(m.east, m.north)) for m in members]
    if claim.value == "centre":
        if min(off) <= 0.22:
            return Verdict(claim, "supported", f"it lies in the {where}")
        outcome: Outcome = "contradicted" if min(off) > 0.3 else "unknown"
        return Verdict(claim, outcome, f"it lies in the {where}", right)
    said = POINT_DEG[str(claim.value)]
    apart = [abs((np.degrees(np.arctan2(m.east, m.north)) - said + 180.0) % 360.0 - 180.0) for m in members]
    if min(apart) <= SIDE_DEG and max(off) > NEAR_CENTRE / 2:
        return Verdict(claim, "supported", f"it lies in the {where}")
    if claim.keys & facts.more:
        return Verdict(claim, "unknown", "there may be more of them")
    if min(off) <= NEAR_CENTRE:
        return Verdict(claim, "unknown", "it lies near the centre")
    return Verdict(claim, "contradicted", f"it lies in the {where}", right)


def _side_words(member: Member) -> str:
    return "in the centre" if member.side == "centre" else f"in the {member.side} of the tile"


def _azimuth(claim: Claim, facts: TileFacts) -> Verdict:
    said = float(claim.value) if isinstance(claim.value, float) else 0.0
    known = [m.azimuth_deg for m in _of(claim, facts) if np.isfinite(m.azimuth_deg)]
    if (
        not known
        and facts.values.get("grain_strength", 0.0) >= GRAIN
        and not claim.keys & set(facts.landforms)
    ):
        known = [facts.values["grain_azimuth_deg"]]
    if not known:
        return Verdict(claim, "unknown", "its direction is not known")
    apart = min(abs((said - azimuth + 90.0) % 180.0 - 90.0) for azimuth in known)
    reason = f"azimuth {', '.join(f'{azimuth:.0f}' for azimuth in known)} degrees"
    if apart <= AZIMUTH_DEG:
        return Verdict(claim, "supported", reason)
    if apart <= AZIMUTH_WRONG_DEG:
        return Verdict(claim, "unknown", reason)
    octant = round(known[0] / 45.0) % 4
    return Verdict(claim, "contradicted", reason, f"trending {OCTANTS[octant]} to {OCTANTS[octant + 4]}")


def _distance(claim: Claim, facts: TileFacts) -> Verdict:
    known = [facts.nearest_km[key] for key in claim.keys & set(facts.nearest_km)]
    said = float(claim.value) if isinstance(claim.value, float) else 0.0
    if not known:
        return Verdict(claim, "unknown", "the nearest one is not known")
    half = (facts.tile_km or 0.0) / 2
    if abs(said - min(known)) <= max(half, 0.25 * min(known)):
        return Verdict(claim, "supported", f"{min(known):.0f} km")
    return Verdict(claim, "contradicted", f"{min(known):.0f} km", f"about {min(known):.0f} km from")


def _latitude(claim: Claim, facts: TileFacts) -> Verdict:
    if facts.lat is None:
        return Verdict(*(claim, *_SOFT), "no position")  # type: ignore[arg-type]
    right = f"at {abs(facts.lat):.0f} degrees {'north' if facts.lat >= 0 else 'south'}"
    good = isinstance(claim.value, float) and abs(claim.value - facts.lat) <= LATITUDE_DEG
    return Verdict(claim, "supported" if good else "contradicted", f"latitude {facts.lat:.1f}", right)


def _longitude(claim: Claim, facts: TileFacts) -> Verdict:
    if facts.lon is None or facts.lat is None or not isinstance(claim.value, float):
        return Verdict(claim, "unknown", "no position")
    apart = abs((claim.value - facts.lon + 180.0) % 360.0 - 180.0) * np.cos(np.radians(facts.lat))
    east = facts.lon % 360.0
    outcome: Outcome = "supported" if apart <= LATITUDE_DEG else "contradicted"
    return Verdict(claim, outcome, f"longitude {facts.lon:.1f}", f"at {east:.0f} degrees east")


def _band(claim: Claim, facts: TileFacts) -> Verdict:
    if facts.lat is None:
        return Verdict(claim, "unknown", "no position")
    low, high = BANDS[str(claim.value)]
    if low <= abs(facts.lat) <= high:
        return Verdict(claim, "supported", f"latitude {facts.lat:.1f}")
    side = "northern" if facts.lat >= 0 else "southern"
    right = say.BANDS[latitude_band(facts.lat)][-1 if abs(facts.lat) < 12 else 1].format(side=side)
    return Verdict(claim, "contradicted", f"latitude {facts.lat:.1f}", right)


def _hemisphere(claim: Claim, facts: TileFacts) -> Verdict:
    if facts.lat is None or abs(facts.lat) < 0.5:
        return Verdict(claim, "unknown", "no position, or on the equator")
    good = (claim.value == "N") == (facts.lat > 0)
    right = f"in the {'northern' if facts.lat > 0 else 'southern'} hemisphere"
    return Verdict(claim, "supported" if good else "contradicted", f"latitude {facts.lat:.1f}", right)


def _elevation(claim: Claim, facts: TileFacts) -> Verdict:
    """Right within 150 m or 15 %."""
    known = facts.values.get("elevation_m")
    if known is None or not isinstance(claim.value, float):
        return Verdict(claim, "unknown", "no terrain model")
    good = abs(claim.value - known) <= max(150.0, 0.15 * abs(known))
    right = f"at an elevation of about {round(known / 50) * 50} m"
    return Verdict(claim, "supported" if good else "contradicted", f"{known:.0f} m", right)


def _datum(claim: Claim, facts: TileFacts) -> Verdict:
    known = facts.values.get("elevation_m")
    if known is None or abs(known) < 50.0:
        return Verdict(claim, "unknown", "no terrain model, or at the datum")
    good = (claim.value == "above") == (known > 0)
    right = f"{'above' if known > 0 else 'below'} datum"
    return Verdict(claim, "supported" if good else "contradicted", f"{known:.0f} m", right)


def _relief(claim: Claim, facts: TileFacts) -> Verdict:
    """Right within 40 m or 35 %, over the tile."""
    known = facts.values.get("relief_m")
    if known is None or not isinstance(claim.value, float):
        return Verdict(claim, "unknown", "no terrain model")
    good = abs(claim.value - known) <= max(40.0, 0.35 * known)
    right = (
        f"with about {known:.2g} m of relief"
        if known < 100
        else f"with about {round(known, -1):.0f} m of relief"
    )
    return Verdict(claim, "supported" if good else "contradicted", f"{known:.0f} m", right)


def _slope(claim: Claim, facts: TileFacts) -> Verdict:
    """Flat: mean slope up to 3 degrees, wrong above 8; rugged: a tenth above 10 degrees, wrong below 4."""
    mean, steep = facts.values.get("slope_deg"), facts.values.get("slope_p90_deg")
    if mean is None or steep is None:
        return Verdict(claim, "unknown", "no terrain model")
    reason = f"mean slope {mean:.1f}, a tenth above {steep:.1f} degrees"
    if claim.value == "flat":
        outcome: Outcome = "supported" if mean <= 3 else "contradicted" if mean > 8 else "unknown"
        return Verdict(claim, outcome, reason)
    # A scarp that the coarse relief smooths away, or a landform, may still be steep.
    soft = facts.near_scarp or bool(facts.members)
    outcome = "supported" if steep >= 10 else "contradicted" if steep < 4 and not soft else "unknown"
    return Verdict(claim, outcome, reason)


def _gaps(claim: Claim, facts: TileFacts) -> Verdict:
    """A stated share within 10 points; gaps at all above 1 %, wrong below 0.2 %."""
    known = facts.values.get("nodata_share")
    if known is None:
        return Verdict(claim, "unknown", "the picture was not looked at")
    reason = f"{100 * known:.1f} % without data"
    if isinstance(claim.value, float):
        good, bad = abs(claim.value - known) <= (0.1 if claim.value else 0.01), True
    else:
        good, bad = known > 0.01, known < 0.002
    return Verdict(claim, "supported" if good else "contradicted" if bad else "unknown", reason)


def _contrast(claim: Claim, facts: TileFacts) -> Verdict:
    """Low: standard deviation up to 10 grey levels, wrong above 20; high: from 35, wrong below 20."""
    known = facts.values.get("contrast_dn")
    if known is None:
        return Verdict(claim, "unknown", "the picture was not looked at")
    good = known <= 10 if claim.value == "low" else known >= 35
    bad = known > 20 if claim.value == "low" else known < 20
    outcome: Outcome = "supported" if good else "contradicted" if bad else "unknown"
    return Verdict(claim, outcome, f"standard deviation {known:.0f} grey levels")


_HOLD: dict[str, Callable[[Claim, TileFacts], Verdict]] = {
    "landform": _landform,
    "absence": _absence,
    "nothing": _nothing,
    "backdrop": _backdrop,
    "scarp": _scarp,
    "count": _count,
    "size": _size,
    "size_word": _size_word,
    "freshness": _freshness,
    "side": _side,
    "azimuth": _azimuth,
    "distance": _distance,
    "latitude": _latitude,
    "longitude": _longitude,
    "band": _band,
    "hemisphere": _hemisphere,
    "elevation": _elevation,
    "datum": _datum,
    "relief": _relief,
    "slope": _slope,
    "gaps": _gaps,
    "contrast": _contrast,
}


def _kms(sizes: Sequence[float]) -> str:
    return ", ".join(f"{size:.1f}" for size in sizes[:6])


def _list(words: Collection[str]) -> str:
    return ", ".join(sorted(words)).replace("_", " ")
