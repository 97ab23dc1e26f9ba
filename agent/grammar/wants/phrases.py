"""Phrases for what is wanted besides where: comparisons, tests, counts by classes, values, directions, maps.

A part of the table in `agent.grammar.phrases`, tried before relations: "at the same elevation" is no place.
"""

from __future__ import annotations

from agent.grammar.limits.conditions import ANY_QUANTITY
from agent.grammar.wants.amounts import AMOUNTS
from agent.grammar.wants.comparatives import COMPARISONS
from agent.grammar.wants.directions import DIRECTIONS

THESE = r"it|them|this|these|those|that|all|the (?:layer|result|results|map|tiles)"

_THE = r"(?:the |their |its )?"
_KIND = r"(?:(?:world|global|polar|orthographic|equirectangular|regional|local) )"
_VIEW = r"(?:maps?(?: of)?|globe|projection|view)"
_BEYOND = (
    r"(?:beyond|(?:(?:more|closer|nearer)(?: often)? )?than|besides|other than|apart from|"
    r"(?:or )?(?:not )?(?:just|only|merely)(?: because of| due to)?)(?: what| by| because of)?"
)
_A = r"(?:an? |the |their |its |any |mere(?:ly)? )*"
_SHARED = r"shared|same|common|similar|equal"
_BOTH = r"(?:(?:they|both|all|the two|these|it|just|only|merely|simply|do|may|might) )*"
_DOES = (
    r"(?: (?:would|can|could|does|do|might|may|will))?(?: (?:explains?|makes?|allows?|predicts?|"
    r"gives?|implies|"
    r"imply|suggests?|produces?|accounts? for))(?: (?:them|it|for|that|this))?(?: (?:go|lie|do|occur)"
    r"(?: together)?)?"
)

WANTS: tuple[tuple[str, ...], ...] = (
    *COMPARISONS,
    (
        "evaluate",
        r"how (?:well|good|reliable|accurate|complete)(?! (?:aligned|oriented|lined|ordered|parallel))"
        r"(?: (?:do|does|is|are))?",
        r"evaluat(?:e|es|ed|ion)(?: of)?|validat(?:e|es|ed|ion)(?: of)?|accuracy(?: of)?",
        r"(?:precision|recall|f1)(?:,? (?:and |or )?(?:precision|recall|f1))*(?: of)?",
        r"how many false (?:positives|alarms)",
    ),
    # Tests against chance
    (
        "strata",
        r"(?:(?:allow|account|controll?|correct|adjust|stratif|normali[sz])\w* (?:for|by)|given|"
        r"independent(?:ly)? of|(?:removing|subtracting|factoring out|taking (?:out|into account|away))|"
        rf"(?:at|for|within) (?:fixed|constant|a given|identical)) {_THE}(?:differences? in |effects? of )?"
        rf"(?P<q>{ANY_QUANTITY}|geolog\w+(?: units?)?|units?)",
    ),
    # "more than a shared latitude would make them"
    ("strata", rf"{_BEYOND} (?:{_A}(?:{_SHARED}) )(?P<q>{ANY_QUANTITY})(?: bands?)?{_DOES}?"),
    # "beyond what elevation alone explains"
    ("strata", rf"{_BEYOND} {_A}(?P<q>{ANY_QUANTITY})(?: alone| by itself)?{_DOES}"),
    # "even when both just follow the elevation"
    (
        "strata",
        rf"(?:even )?(?:if|when|though|although|because) {_BOTH}(?:follow|track|depend on|prefer|share|like) "
        rf"{_A}(?:{_SHARED} )?(?P<q>{ANY_QUANTITY})",
    ),
    # "only because both are at high latitude", "just share the same latitudes"
    (
        "strata",
        rf"(?:only |just |merely |simply )*because {_BOTH}(?:are |lie |sit |occur |is )?(?:at|on|in|to|"
        rf"of) {_A}"
        rf"(?:(?:{_SHARED}|high|higher|low|lower|mid) )*(?P<q>{ANY_QUANTITY})",
    ),
    (
        "strata",
        rf"(?:just|only|merely|simply) (?:share|follow|have) {_A}(?:{_SHARED} )?(?P<q>{ANY_QUANTITY})",
    ),
    # "once latitude is taken out"
    (
        "strata",
        rf"(?:once|when|with|after) {_A}(?:effects? of |influence of )?(?P<q>{ANY_QUANTITY}) (?:(?:is|"
        rf"are|was|"
        r"were|has been|have been|being) )?(?:taken (?:out|away|into account)|removed|accounted for|"
        r"controlled(?: for)?|held (?:constant|fixed|equal)|factored (?:out|in)|fixed|subtracted|considered)",
    ),
    (
        "null",
        r"(?:against |with |under |using )?(?:a |the )?"
        r"(?P<q>uniform|rotation|spin|clusters?) null(?: models?)?",
    ),
    *AMOUNTS,
    (
        "merge",
        r"(?:separate|distinct|individual|connected|merged|contiguous) "
        r"(?:features|objects|bodies|fields|areas|patches)(?: of)?|(?:separate|distinct)(?= \w)",
        rf"merge(?:d|s)?(?: (?:{THESE}))?(?: into (?:separate |single )?features?)?",
        r"as (?:separate |single )?features",
    ),
    *DIRECTIONS,
    # Maps
    (
        "colour",
        r"(?:(?:and )?(?:colou?r(?:ed|s|ing)?|shad(?:e|ed|ing))(?: (?:it|them|those|these))? "
        r"(?:by|with|after|according to)|by(?= (?:probability|scores?)\b)) "
        rf"{_THE}(?P<q>{ANY_QUANTITY}|probabilit\w+|scores?|confidence)",
    ),
    (
        "map",
        rf"(?:draw|make|plot|show|give)(?: me)? (?:{THESE})? ?(?:on )?an? {_KIND}*(?:map(?: of)?|globe)",
        rf"(?:draw|make|plot|show|give|put|display)(?: me)? (?:{THESE}) (?:on|as|onto) (?:an? |the )?"
        rf"{_KIND}*{_VIEW}",
        rf"on an? {_KIND}*{_VIEW}|on the {_KIND}*map(?: of)?|(?:draw|plot|visuali[sz]e)\b",
        rf"(?:an? |the )?{_KIND}*maps?(?: of)?\b|{_KIND}+(?:view|projection)(?: of)?",
    ),
)
