"""What a question lacks, where a careful colleague would ask before answering.

Only what no sensible assumption fills is asked for: "near" goes on meaning a stated distance. A question of
which words were not understood is declined instead, as asking would pretend that the rest was. What is asked,
and with which choices, stands in `asking.asked`; the answer is read by `asking.pieces`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.grammar.followups.context import PlanContext
from agent.grammar.lexicon import APPEARANCE, words
from agent.grammar.query import Declined, Missing, Query
from agent.grammar.refusing.refusals import is_help
from agent.grammar.state import Reading
from agent.grammar.tokens import Token

# Words that ask for nothing in particular, and small words of politeness and doubt. They carry no condition.
VAGUE = words(
    """
    interesting interested exciting cool nice beautiful pretty amazing awesome fascinating spectacular
    remarkable special unusual weird strange odd great favourite favorite worth attractive impressive fun
    recommend recommends recommended recommendation suggestion surprise explore visit visiting go going
    sights sight stuff highlight highlights land landing base settle settlement rover lander probe touchdown
    touch mission camp start begin choose pick advise advice ideal suitable safe safest perfect prettiest
    coolest weirdest strangest nicest fanciest
    pls plz quick quickly kindly grateful altogether speaking statistically statistic real really run runs
    test tests check checks zone point points spot spots position send sits sit rarer commoner whatever pair
    maybe perhaps somehow sure cannot take took takes bring brings around neighbourhood neighborhood
    if would could must my mine your yours fine everything radius farther further closer nearer higher lower
    whats wheres hows stuff propose proposal nominate ellipse new kids pupils class family wife tour trip
    bored spectacular breathtaking stunning gorgeous scenic lovely wonderful fantastic tourists children teach
    explain interpret describe famous important put target whether random chance flat could
    denser commoner rarer hemisphere layers relation relations north south east west northern southern
    eastern western northward southward equator pole high low
    """
)

_WHERE_IS = re.compile(r"\b(?:coordinates?|positions?|whereabouts|located|lat|lon|where (?:is|are))\b", re.I)
MOST_LOST = 2  # words not understood in a question that speaks of something before
DISTANCE = re.compile(r"\d+(?:\.\d+)? (?:km|mi|m|ft|tiles)\b")
# A noun for a place that is not named, with the words that end the names of such places.
PLACE_NOUNS: dict[str, tuple[str, ...]] = {
    "mountain": ("Mons", "Montes", "Tholus"),
    "mount": ("Mons", "Montes", "Tholus"),
    "volcano": ("Mons", "Tholus", "Patera"),
    "peak": ("Mons", "Tholus"),
    "massif": ("Mons", "Montes"),
    "basin": ("Basin", "Planitia"),
    "crater": ("Crater",),
    "valley": ("Vallis", "Valles"),
    "canyon": ("Chasma", "Chasmata", "Vallis"),
    "chasm": ("Chasma", "Chasmata"),
    "plain": ("Planitia", "Planum", "Vastitas"),
    "plateau": ("Planum", "Mensa"),
    "caldera": ("Patera",),
    "hill": ("Colles", "Collis"),
    "lake": ("Lacus",),
}
_ANY_PLACE = r"region|area|zone|place|point|spot|site|location|position|district|territory"
_OWN = "study|target|survey|field|work|working|research|test|mapping|project|landing|chosen|own|home"
_BEFORE = (
    r"(?:near(?: to)?|close to|closer to|around|in|on|at|by|from|to|inside|within|beside|next to|over|off|of|"
    r"surrounding|along|across|outside(?: of)?)"
)
_MEANT = r"(?: (?:over )?there| i mean\w*| in question| of interest| mentioned\w*| we \w+(?: about)?)?"
_SIZES = rf"(?: (?:{'|'.join(sorted(APPEARANCE))}|same|famous|named))*"
# "near the mountain", "in that region", "in the zone of interest".
UNNAMED = re.compile(
    rf"(?<=\b)(?P<before>{_BEFORE}) (?P<place>"
    rf"(?:the|that|this){_SIZES} (?P<noun>{'|'.join(PLACE_NOUNS)}){_MEANT}"
    rf"|(?:that|this|said){_SIZES} (?:{_ANY_PLACE}){_MEANT}"
    rf"|(?:my|our|your|his|her|their)(?: (?:{_OWN}))* (?:{_ANY_PLACE})(?: of interest)?"
    r"|(?<=near )there|(?<=around )there|(?<=close to )there|(?<=next to )there"
    rf"|the{_SIZES} (?:{_ANY_PLACE})(?: (?:over )?there| i mean\w*| in question| of interest| mentioned)"
    rf"|the (?:area|region|zone))"
    r"(?= ?(?:$|[,.;:?!]|(?:please|pls|and|or|is|are|do|does|have|has|how|which|where|exist)\b))",
    re.IGNORECASE,
)
_PART_OF = re.compile(
    r"(?:walls?|floors?|rims?|flanks?|edges?|margins?|slopes?|share|part|all) of the\b", re.I
)
# Two things are spoken of, and neither is named.
PAIR = re.compile(
    r"\b(?:two|2|both|pair|each other|one another|the other(?: one| thing)|the other(?=\W*$))\b"
    r"|\bcompar|\bdiffer|\bmore \w+ than\b|\bfirst\b.*\bsecond\b|\bformer\b.*\blatter\b|\b1\b.*\b2\b"
    r"|\bone\b.*\bthe other\b|\bthis\b.*\bthan that\b"
    r"|\bwhich (?:one )?(?:of (?:them|those|these|the 2) )?(?:is|are|lies?|sits?|stands?|has|have)\b",
    re.IGNORECASE,
)
_GROUND = re.compile(
    r"\b(?:ground|average|rest|background|overall|planet|elsewhere|surface|north|south|each|elevations?|slopes?)",
    re.IGNORECASE,
)
_TESTED = {"orientation", "compare", "density", "latitude", "evaluate", "distance", "sample"}
_EXPLETIVE = re.compile(
    r"\bit (?:is |was |be )?(?:true|possible|likely|known|said|seems?|looks?|right|correct|the case|that)\b"
    r"|\b(?:is|was) it (?:true|possible|likely|known|right|correct|the case|that|so)\b"
    r"|\bmakes? it\b|\blike it if\b|\bhow is it\b",
    re.IGNORECASE,
)
_RELATIONS = (
    "weak",
    "near",
    "near_km",
    "linked_to",
    "same",
    "in_same",
    "without",
    "without_km",
    "avoid",
    "away",
)
_SMALL = (
    "filler",
    "note",
    "weak",
    "and",
    "or",
    "not",
    "that",
    "this",
    "break",
    "comma",
    "sign",
    "number",
    "word",
)


@dataclass(frozen=True)
class Asking:
    """A question as far as it was read.

    Attributes
    ----------
    text
        Normalised.
    reading, query
        None if the reading ended early.
    """

    text: str
    tokens: tuple[Token, ...]
    context: PlanContext
    reading: Reading | None = None
    query: Query | None = None

    def count(self, kind: str) -> int:
        """How many tokens of a kind there are."""
        return sum(token.kind == kind for token in self.tokens)

    @property
    def is_understood(self) -> bool:
        """Whether anything was recognised besides small words."""
        return any(token.kind not in _SMALL for token in self.tokens)

    @property
    def unknown(self) -> list[str]:
        """Words that mean nothing here."""
        return [t.text for t in self.tokens if t.kind == "word" and t.text.lower() not in VAGUE]


@dataclass(frozen=True)
class Gap:
    """What is missing, the words of the question that need it, and what it may be if that is known."""

    missing: Missing
    about: str = ""
    choices: tuple[str, ...] = ()


def gap_of(asking: Asking, declined: Declined | None = None) -> Gap | None:
    """What a question lacks; None if it can be answered, or should be declined.

    Parameters
    ----------
    declined
        How its reading ended, if it ended early.
    """
    if is_help(asking.text) and not asking.count("item"):
        return None
    if declined is not None:
        return _behind(declined, asking)
    for look in (_nothing_named, _pronoun_first, _several_results, _unnamed_place, _second, _open_negation):
        if gap := look(asking):
            return gap
    return None


def _behind(declined: Declined, asking: Asking) -> Gap | None:
    """The gap that made the grammar give up, unless words were lost as well."""
    if declined.lacks is None:
        return None
    gap, items = Gap(declined.lacks, declined.about, declined.choices), asking.count("item")
    if gap.missing in ("which", "catalogue", "example"):
        return gap
    if gap.missing == "landform":
        lost = bool(asking.unknown or items > 1 or _WHERE_IS.search(asking.text))
        return None if lost else _unnamed(asking, always=True) or gap
    if gap.missing == "referent":
        if gap.about and re.search(r"equator|pole|degrees|latitude", asking.text, re.IGNORECASE):
            return None  # "north of it" refers to a limit of the same question
        pointed = asking.count("this") or gap.about or not items + asking.count("place")
        lost = len(asking.unknown) > (MOST_LOST if asking.is_understood and asking.count("this") else 0)
        return None if lost or not pointed else _unnamed(asking, always=True) or gap
    if items > 1 or (not items and asking.context.query) or (items and gap.about.lower() == "around"):
        return None  # there are two things, or they stand in the question before
    if not items and PAIR.search(asking.text) and re.search(r"equator|pole|^than$|^compare", gap.about):
        return Gap("referent")
    if len(asking.unknown) > 1 or _object_is_there(asking, gap.about):
        return None
    return _unnamed(asking, always=True) or gap


def _object_is_there(asking: Asking, about: str) -> bool:
    """Whether something follows that was not taken: "gullies near forests", "along azimuth 0"."""
    starts = [n for n, token in enumerate(asking.tokens) if token.text and about.startswith(token.text)]
    for token in asking.tokens[max(starts, default=0) + 1 :]:
        if token.kind in ("break", "comma"):
            return False
        nothing = token.kind in ("filler", "note", "this", "weak", "near", "among_km", "that", "or")
        if not nothing and token.text.lower() not in VAGUE:
            return True
    return False


def _nothing_named(asking: Asking) -> Gap | None:
    query, tokens = asking.query, asking.tokens
    if query is None or query.groups or query.regions or asking.unknown:
        return None
    if asking.count("item") or asking.count("place") or asking.context.query:
        return None  # what was named was not understood, or stands in the question before
    if not [token for token in tokens if token.kind not in ("note", "break", "comma", "sign", "number")]:
        return None
    if DISTANCE.search(asking.text):
        return Gap("second", "within")
    return Gap("referent" if PAIR.search(asking.text) else "landform")


def _pronoun_first(asking: Asking) -> Gap | None:
    """ "Is it associated with channels?" with nothing before."""
    if asking.context.result or asking.query is None or asking.unknown or _EXPLETIVE.search(asking.text):
        return None
    tokens = [t for t in asking.tokens if t.kind not in ("note", "filler", "sign")]
    first = next((n for n, t in enumerate(tokens) if t.kind in ("this", "item")), None)
    if first is None or tokens[first].kind == "item":
        return None
    after = tokens[first + 1 :]
    item = next((n for n, t in enumerate(after) if t.kind == "item"), None)
    if item is None or item == 0 or any(t.kind in ("break", "comma") for t in after[:item]):
        return None
    if after[item - 1].kind in _RELATIONS and len(asking.query.items) == 1:
        return Gap("referent", tokens[first].text)
    return None


def _several_results(asking: Asking) -> Gap | None:
    """ "Draw a map of it" after an answer that rests on several layers."""
    layers, query = asking.context.results, asking.query
    if len(layers) < 2 or query is None or asking.reading is None or not asking.reading.refers:
        return None
    one = re.search(r"\b(?:it|its|(?:the|that|this) (?:layer|result|one))\b", asking.text, re.IGNORECASE)
    many = re.search(r"\b(?:they|them|their|these|those|both|all|each)\b", asking.text, re.IGNORECASE)
    if not one or many or _EXPLETIVE.search(asking.text):
        return None
    if [item.text for item in query.items] != [asking.context.result]:
        return None
    return Gap("referent", one[0], layers)


def _unnamed_place(asking: Asking) -> Gap | None:
    query = asking.query
    if query is None or query.regions or any(group.regions for group in query.groups):
        return None
    return _unnamed(asking)


def _unnamed(asking: Asking, *, always: bool = False) -> Gap | None:
    """ "Gullies near the mountain", "dunes in that region", with nothing before that it could be."""
    found = UNNAMED.search(asking.text)
    if not found:
        return None
    own = re.match(r"(?:my|our|your|his|her|their)\b|(?:that|this|said) ", found["place"], re.IGNORECASE)
    if not always and asking.context.result and (found["noun"] or not own):
        return None  # what is meant may stand in the question before
    if _PART_OF.search(asking.text) and not re.match(r"that|this", found["place"], re.IGNORECASE):
        return None
    return Gap("place", found["place"])


def _second(asking: Asking) -> Gap | None:
    """The second thing of a test, a comparison or a distance."""
    query, reading = asking.query, asking.reading
    if query is None or reading is None or query.relations or query.details.against:
        return None
    if len(query.items) != 1 or query.items[0].kind not in ("words", "layer") or asking.count("item") > 1:
        return None
    intents = set(query.intents)
    if "association" in intents and not intents & _TESTED:
        return Gap("second", "associated")
    if "distance" in intents:
        return Gap("second", "how far")
    plain = not intents - {"where", "count", "share", "map"} and not query.details.ground
    regions = [*query.regions, *(region for group in query.groups for region in group.regions)]
    compared = re.search(r"\b(?:compar(?:e|ed|ing|ison)|vs|versus)\b", asking.text, re.IGNORECASE)
    if compared and plain and len(regions) < 2 and not asking.unknown and not _GROUND.search(asking.text):
        return Gap("second", "compare")
    among = re.search(r"\b(?:each other|one another|itself|themselves|apart)\b", asking.text, re.IGNORECASE)
    if reading.loose_km and not asking.context.query and not among:
        return Gap("second", f"within {reading.loose_km:g} km")
    return None


def _open_negation(asking: Asking) -> Gap | None:
    if re.search(r"\b(?:but|and) not\W*$", asking.text, re.IGNORECASE):
        return Gap("second", "not")
    return None
