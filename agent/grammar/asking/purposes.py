"""What a place is wanted for: to land there, to send a rover to, to show pupils something beautiful.

Neither a lander nor beauty is anything to search for. Where a landform stands by, the place is looked for at
that landform, and the answer says so; where none does, the question lacks what to look for.
"""

from __future__ import annotations

import re

from agent.grammar.lexicon import Lexicon

_OF = r"(?:(?:an?|the|my|our|your|this|that|some|any|next|new|first|future|crewed|human|robotic|mars) )*"
_WHO = (
    rf"{_OF}(?:rovers?|landers?|probes?|astronauts?|cosmonauts?|crews?|spacecraft|space ?ships?|robots?|"
    r"helicopters?|"
    r"drones?|bases?|colon(?:y|ies|ists?)|habitats?|camps?|outposts?|settlers?|settlements?|missions?|teams?|"
    r"observator(?:y|ies)|station)"
)
_ARRIVE = (
    r"(?:land(?! on me)|touch ?down|set down|settle(?: down)?|camp|set up(?: (?:a )?(?:camp|base))?|go down)"
)
_BRING = (
    r"(?:send|put|place|park|set ?down|deploy|drop|land|build|establish|pitch|found|bring|drive|position|"
    r"locate|place|erect|aim|direct|set up|touch ?down)"
)
_WISH = (
    r"(?:(?:i|we|they|people|one) (?:would |really |just |will |do )*(?:want|like|love|need|wish|plan|hope|"
    r"prefer|intend|have|am looking|are looking|going|aim)\w*|where|which|what|suggest|propose|recommend|"
    r"best|pick|choose|safe(?:st)?|ideal)"
)
_SPOTS = (
    r"(?:spots?|sites?|places?|areas?|locations?|zones?|ellipses?|regions?|targets?|grounds?|points?|"
    r"positions?)"
)
_FINE = (
    r"(?:beautiful|prett(?:y|iest)|nic(?:e|est)|lovel(?:y|iest)|gorgeous|stunning|breathtaking|spectacular|"
    r"scenic|photogenic|picturesque|wonderful|fantastic|impressive|amazing|cool(?:est)?|attractive|"
    r"mind ?blowing|memorable|dramatic)"
)
_SIGHTS = (
    r"(?:spots?|places?|views?|sights?|scener(?:y|ies)|landscapes?|things?|stuff|something|anything|bits?)"
)
_NEAR = r"(?:near(?:by| to)?|close to|next to|beside|by|on|at|in|among|amid|around|alongside|along)"
_SITE = rf"(?:landing|touch ?down|base|camp|rover|mission|settlement) {_SPOTS}"

OPEN = re.compile(
    r"\b(?:"
    + "|".join(
        (
            rf"{_WISH}\b[^,.?!]{{0,40}} {_BRING} {_WHO}",
            rf"(?:where|which {_SPOTS})\b[^,.?!]{{0,20}} (?:would|should|could|can|shall) {_WHO} "
            rf"(?:{_ARRIVE}|go|start)",
            rf"{_SPOTS} (?:for|to|where|suited|suitable|good|fit)[^,.?!]{{0,25}}\b(?:{_WHO}|{_ARRIVE})",
            rf"{_WISH}\b[^,.?!]{{0,25}} {_ARRIVE}",
            _SITE,
            rf"(?:{_FINE}) (?:\w+ )?{_SIGHTS}|{_SIGHTS} (?:really |very |so )?{_FINE}",
            r"(?:good|best|cool|interesting|fun|fancy) (?:stuff|bits|ones to show)|(?:must|worth) "
            r"see(?:ing)?",
            rf"{_SIGHTS} worth \w+ing",
        )
    )
    + r")\b",
    re.IGNORECASE,
)
_FOUND_BY = re.compile(
    rf"\bwhere (?:would|could|should|can|might|will|may|do|does) {_WHO} "
    r"(?:find|see|meet|encounter|spot|come across|discover|study|sample|explore)\b(?: any\b| some\b)?",
    re.IGNORECASE,
)
_AT = re.compile(
    rf"\b(?:(?:{_WISH}\b[^,.?!]{{0,25}}? )?(?:to )?(?:{_ARRIVE}|{_BRING} {_WHO})|"
    rf"(?:an? |the |some |any |my |our )*(?:\w+ )?{_SITE}) "
    rf"(?:(?:that|which) )?(?:(?:is|are|lies?|sits?) )?(?:right |very |somewhere )?{_NEAR} "
    r"(?=(?:the |an? |some |any )*(?P<landform>[a-z]))",
    re.IGNORECASE,
)
NOTE = "A place to go to was taken as the landforms that it is to be near; how safe it is, no tool here tells"


def at_landforms(text: str, lexicon: Lexicon) -> tuple[str, tuple[str, ...]]:
    """A question for a place to go to as one for the landforms there, and what the answer must say of it."""
    if found := _FOUND_BY.search(text):
        return f"{text[: found.start()]}where are{text[found.end() :]}", ()
    found = _AT.search(text)
    if not found or _names_landform(text[: found.start()], lexicon):
        return text, ()
    if not lexicon.landform(_words(text[found.start("landform") :])):
        return text, ()
    return f"{text[: found.start()]}where are {text[found.end() :]}", (NOTE,)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text[:80])


def _names_landform(text: str, lexicon: Lexicon) -> bool:
    said = _words(text)
    return any(lexicon.landform(said[place:]) for place in range(len(said)))
