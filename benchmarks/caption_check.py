"""Whether the verifier catches planted errors: 500 captions with one wrong claim each, and the same without.

    python benchmarks/caption_check.py [--seed 0] [--each 125] [--json FILE]

True captions of tiles of Lowell are written here from the facts, in sentences of their own that share no
table with the grammar or the verifier but the landforms' names. In each, one claim is then made wrong: the
landform, its side, its size or the latitude. An error counts as caught when a claim of that kind is found
contradicted; a false alarm is any contradicted claim in a caption left true. Captions of the project's own
grammar are checked for false alarms beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np

from retrieval.corpus.captioning import landform_facts
from retrieval.corpus.captions import GrammarCaptioner
from retrieval.corpus.facts import Member, TileFacts
from retrieval.corpus.lowell import GRID_TILE_KM, LowellSource
from retrieval.corpus.verdicts import judge
from retrieval.corpus.verify import verify
from retrieval.corpus.wording import TERMS
from retrieval.grid import Grid

KINDS = ("landform", "side", "size", "latitude")
CAUGHT_BY = {
    "landform": {"landform"},
    "side": {"side"},
    "size": {"size"},
    "latitude": {"band", "latitude", "hemisphere"},
}
OPENINGS = (
    "",
    "Here we see ",
    "This picture contains ",
    "Visible is ",
    "CTX frame with ",
    "The spacecraft photographed ",
    "One recognises ",
    "Grey-scale scene: ",
)
# Octants clockwise from north: what an observer may call them.
SIDES = (
    ("at the top of the frame", "in the northern half", "along the north edge", "near the upper margin"),
    ("in the upper right corner", "in the northeast quadrant", "to the NE", "in the north-eastern part"),
    (
        "on the right-hand side",
        "in the eastern third",
        "towards the east",
        "near the right edge of the picture",
    ),
    ("in the lower right", "in the southeast corner", "in the SE quadrant", "in the south-eastern part"),
    ("at the bottom of the image", "in the southern half", "close to the southern boundary", "in the south"),
    (
        "in the bottom left corner",
        "in the southwest",
        "in the SW part of the scene",
        "towards the south-west",
    ),
    ("on the left side", "in the western part of the frame", "near the western margin", "at the west edge"),
    ("in the top left", "in the north-west", "in the NW corner of the tile", "in the northwestern quadrant"),
)
BANDS = {
    "equator": (
        "close to the equator",
        "in the equatorial zone",
        "at tropical latitudes",
        "near the equator",
    ),
    "middle": ("in the mid-latitudes", "at middle latitudes", "in the {h} mid-latitude belt"),
    "polar": ("at high {h} latitudes", "in the {h} polar region", "at high latitudes", "in a polar area"),
}
HEMISPHERES = ("in the {h} hemisphere", "{n} of the equator")


def size_words(km: float, rng: np.random.Generator) -> str:
    """A size after its landform."""
    forms = (
        f"about {km:.1f} km across",
        f"roughly {round(km * 10) * 100} metres wide",
        f"with a diameter of {km:.1f} kilometres",
        f"measuring {km:.1f} km",
        f"some {km:.0f} kilometers in diameter" if km >= 2.5 else f"{km:.1f} kilometers in diameter",
        f"({km:.1f} km)",
        f"that is {km:.1f} km wide",
        f"spanning nearly {km:.1f} km",
    )
    return forms[int(rng.integers(len(forms)))]


def latitude_words(lat: float, rng: np.random.Generator) -> str:
    """A true or planted latitude in words or degrees."""
    north = lat >= 0
    h, n = ("northern", "north") if north else ("southern", "south")
    name = (
        "equator" if abs(lat) < 10 else "middle" if 33 < abs(lat) < 50 else "polar" if abs(lat) > 66 else ""
    )
    roll = rng.random()
    if name and roll < 0.6:
        return pick(BANDS[name], rng).format(h=h)
    if abs(lat) > 4 and roll < 0.7:
        return pick(HEMISPHERES, rng).format(h=h, n=n)
    degrees = abs(lat)
    forms = (
        f"at {degrees:.0f}°{n[0].upper()}",
        f"at {degrees:.1f}° {n}",
        f"at a latitude of {lat:.0f} degrees",
        f"near {degrees:.0f} degrees {n}",
        f"(latitude {lat:.1f})",
        f"around {degrees:.0f} deg {n[0].upper()}",
    )
    return pick(forms, rng)


def octant(member: Member) -> int:
    return round(float(np.degrees(np.arctan2(member.east, member.north))) / 45.0) % 8


def pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def subject(facts: TileFacts, kind: str, rng: np.random.Generator) -> str | None:
    """A landform of the tile of which the claim of this kind can be made, if there is one."""
    keys = []
    for key in facts.landforms:
        inside, touching = facts.whole(key), [m for m in facts.members if m.landform == key]
        one = len(inside) == len(touching) == 1 and key not in facts.more
        if key == "plains" or (kind == "size" and key not in facts.size_km):
            continue
        if kind == "side" and not (one and np.hypot(inside[0].east, inside[0].north) > 0.2):
            continue
        # Another of the family would make a side or size of "an impact crater" right.
        if kind in ("side", "size") and sum(family(m.landform) == family(key) for m in facts.members) > 1:
            continue
        keys.append(key)
    return keys[int(rng.integers(len(keys)))] if keys else None


def family(key: str) -> str:
    return next((word for word in ("crater", "dunes", "channel", "valley") if word in key), key)


def wrong_landform(facts: TileFacts, rng: np.random.Generator) -> str | None:
    """A landform that neither the tile nor a relative of it shows."""
    near = {family(m.landform) for m in facts.members} | {family(key) for key in facts.more}
    keys = sorted(key for key in facts.absent if family(key) not in near and key in TERMS)
    return keys[int(rng.integers(len(keys)))] if keys else None


def wrong_size(facts: TileFacts, size: float, rng: np.random.Generator) -> float | None:
    """A size that no feature of the tile has, two to four times too large or too small."""
    for _ in range(8):
        said = size * float(rng.uniform(2, 4)) ** (1 if rng.random() < 0.5 else -1)
        if said >= 1.4 and all(not 0.6 < said / m.diameter_km < 1.65 for m in facts.members):
            return said
    return None


def wrong_latitude(lat: float, rng: np.random.Generator) -> float:
    """A latitude at least 20 degrees off and clearly in another band."""
    # Said between the first two; bands are drawn at 15 to 30 and 60, so true nowhere within the second two.
    bands = (((0, 10), (0, 30)), ((33, 50), (25, 65)), ((67, 85), (55, 90)))
    while True:
        said, taken = bands[int(rng.integers(3))]
        if not taken[0] <= abs(lat) <= taken[1]:
            value = float(rng.uniform(*said)) * (1 if rng.random() < 0.5 else -1)
            if abs(value - lat) > 20:
                return value


def compose(parts: dict[str, str], facts: TileFacts, rng: np.random.Generator) -> str:
    """A sentence or two from a landform and what is said of it."""
    noun, size, side, lat = (parts.get(name, "") for name in ("landform", "size", "side", "latitude"))
    roll = int(rng.integers(4))
    if roll == 0 and side:
        text = f"{side[0].upper()}{side[1:]} lies {noun}" + (f", {size}" if size else "")
        return text + (f"; the scene is {lat}." if lat else ".")
    if roll == 1 and lat and not lat.startswith("("):
        return f"{lat[0].upper()}{lat[1:]}, {noun}{' ' + size if size else ''}{' ' + side if side else ''}."
    text = " ".join(part for part in (noun, size, side, lat) if part)
    if roll == 2 and size:
        text = " ".join(part for part in (noun, side, lat) if part) + f", {size}"
    text = pick(OPENINGS, rng) + text
    return text[0].upper() + text[1:] + "." if rng.random() < 0.7 else text


def plant(facts: TileFacts, kind: str, rng: np.random.Generator) -> tuple[str, str] | None:
    """A true caption of a tile and the same with one wrong claim; None if the tile gives no occasion."""
    key = subject(facts, kind, rng)
    if key is None or facts.lat is None:
        return None
    inside = facts.whole(key)
    alone = subject(facts, "side", rng) == key
    true, wrong = {"landform": pick(TERMS[key], rng)}, {}
    if key in facts.size_km and (kind == "size" or rng.random() < 0.3):
        true["size"] = size_words(facts.size_km[key], rng)
    if kind == "side" or (alone and rng.random() < 0.3):
        true["side"] = pick(SIDES[octant(inside[0])], rng)
    if kind == "latitude" or rng.random() < 0.3:
        true["latitude"] = latitude_words(facts.lat, rng)
    if kind == "landform":
        other = wrong_landform(facts, rng)
        wrong = {"landform": pick(TERMS[other], rng)} if other else {}
    elif kind == "side":
        turned = (octant(inside[0]) + int(rng.integers(2, 7))) % 8
        wrong = {"side": pick(SIDES[turned], rng)}
    elif kind == "size":
        said = wrong_size(facts, facts.size_km[key], rng)
        wrong = {"size": size_words(said, rng)} if said else {}
    else:
        wrong = {"latitude": latitude_words(wrong_latitude(facts.lat, rng), rng)}
        if "hemisphere" in wrong["latitude"] or "of the equator" in wrong["latitude"]:
            wrong = {"latitude": pick(HEMISPHERES, rng).format(**other_hemisphere(facts.lat))}
            if abs(facts.lat) < 3:
                return None
    if not wrong:
        return None
    seed = int(rng.integers(2**31))  # both are composed alike
    clean = compose(true, facts, np.random.default_rng(seed))
    return clean, compose({**true, **wrong}, facts, np.random.default_rng(seed))


def other_hemisphere(lat: float) -> dict[str, str]:
    return {"h": "southern", "n": "south"} if lat >= 0 else {"h": "northern", "n": "north"}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0, help="planet, and the planter's generator")
    parser.add_argument("--each", type=int, default=125, help="errors of each kind")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", action="store_true", help="print what was missed")
    options = parser.parse_args()
    rng = np.random.default_rng([options.seed, 500])
    source = LowellSource(options.seed)
    grid = Grid(source.body, GRID_TILE_KM)
    tiles = np.sort(rng.permutation(len(grid))[: 40 * options.each])
    facts = landform_facts(source, grid, tiles)
    caught, alarms, planted, missed = Counter[str](), Counter[str](), Counter[str](), []
    started = time.perf_counter()
    for n in rng.permutation(len(facts)).tolist():
        kind = min(KINDS, key=lambda k: planted[k])
        pair = plant(facts[n], kind, rng) if planted[kind] < options.each else None
        if pair is None:
            continue
        clean, wrong = pair
        planted[kind] += 1
        verdicts, _ = judge(wrong, facts[n])
        hit = any(v.outcome == "contradicted" and v.claim.kind in CAUGHT_BY[kind] for v in verdicts)
        caught[kind] += hit
        found, _ = judge(clean, facts[n])
        alarm = any(v.outcome == "contradicted" for v in found)
        alarms[kind] += alarm
        if not hit:
            missed.append({"kind": kind, "missed": wrong})
        if alarm:
            missed.append({"kind": kind, "alarm": clean})
        if verify(wrong, facts[n]).text == wrong:
            missed.append({"kind": kind, "kept": wrong})
    seconds = time.perf_counter() - started
    own = [
        judge(text, one)[0]
        for one, texts in zip(
            facts, GrammarCaptioner().write(np.zeros(0, np.uint8), facts, 1, rng), strict=True
        )
        for text in texts
    ]
    total = sum(planted.values())
    report = {
        "seed": options.seed,
        "planted": dict(planted),
        "caught": dict(caught),
        "recall": sum(caught.values()) / max(1, total),
        "clean": total,
        "false_alarms": sum(alarms.values()),
        "false_alarm_rate": sum(alarms.values()) / max(1, total),
        "grammar_captions": len(own),
        "grammar_false_alarms": sum(any(v.outcome == "contradicted" for v in some) for some in own),
        "seconds": round(seconds, 2),
        "missed": missed,
    }
    print(f"{'error':10s} planted  caught  false alarms on the clean caption")
    for kind in KINDS:
        print(f"{kind:10s} {planted[kind]:7d} {caught[kind]:7d} {alarms[kind]:7d}")
    print(
        f"caught {report['recall']:.3%} of {total}, false alarms {report['false_alarm_rate']:.3%}; grammar:"
    )
    print(f"{report['grammar_false_alarms']} false alarms in {len(own)} captions; {seconds:.1f} s")
    if options.show:
        for row in missed:
            print(row)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
