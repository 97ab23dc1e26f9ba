"""Directions: which way things run, whether they share it, whether it is a given one; as phrases."""

from __future__ import annotations

_WAY = r"(?:north ?east|north ?west|south ?east|south ?west|north|south|east|west)"
_ANY_WAY = rf"(?:{_WAY}|ne|nw|se|sw|n|s|e|w)"
_NOUN = (
    r"(?:orientation|direction|azimuth|bearing|heading|trend|strike|ax[ei]s|alignment|compass direction|"
    r"compass bearing|lineation|way)"
)
_POINTS = (
    r"(?:(?:point|trend|run|stretch|align|orient|elongat)(?:s|es|ed|ing|ated|ation|ations)?|"
    r"str(?:ike|ikes|iking)|azimuths?|ax[ei]s|directions?|bearings?|l(?:ie|ies|ying)(?= along))"
)
_COMMON = r"(?:common|same|single|shared|similar|one)"
_PREFERRED = r"(?:preferred|prevailing|dominant|main|mean|average|overall|typical|usual|general|predominant)"

DIRECTIONS: tuple[tuple[str, ...], ...] = (
    (
        "azimuth",
        rf"{_POINTS}(?: (?:is|are|be|to|towards?|at|along|of|near|close|with|about|around|roughly|from|the|"
        r"an?|azimuth|direction|bearing)){0,5} \d+(?:\.\d+)? degrees"
        r"(?! (?:north|south|latitude|of (?:latitude|the)))",
        rf"(?:(?:follow|have|has|with|at|along|in|{_POINTS}) ){{0,2}}(?:an? |the )?(?:azimuth|"
        r"bearing|heading) "
        r"(?:is |are |be |of |at |near |about |around |close to |equal to ){0,2}\d+(?:\.\d+)?(?: degrees)?",
        rf"{_POINTS}(?: (?:in|an?|the|along|from|to|at|is|are|of|roughly|mostly|mainly|axis|direction))*"
        rf" {_ANY_WAY}(?: to | and | ?/ ?| ){_ANY_WAY}\b(?: (?:axis|axes|line|direction)s?)?(?! of)",
        rf"{_POINTS}(?: (?:to|towards?|due|roughly|mostly|mainly))*(?: the)? {_WAY}(?:wards?|erly|ern)?"
        r"(?! (?:of|from|hemisphere|plains|pole|highlands|lowlands|half)\b)",
        r"(?:run(?:s|ning)? |lie |aligned |oriented )*(?:parallel to|aligned with|along)(?: the)? "
        r"(?:equator|lines? of latitude|parallels|meridians?|lines? of longitude)",
        rf"deviat(?:e|es|ing) from (?:due )?{_WAY}",
        rf"{_ANY_WAY}(?: to | ?/ ?| ){_ANY_WAY} (?:trending|oriented|orientated|aligned|running|striking|"
        r"directed|pointing|elongated|winds?|axis|axes|trend|strike|fabric|grain)",
    ),
    (
        "axis_with",
        r"(?:aligned|parallel|oriented|orientated) (?:like|with|to|as)(?= (?:the |those of )?[a-z[])"
        r"(?! (?:each|one another|itself|north|south|east|west))",
        rf"(?:the )?(?:same|similar|different) {_NOUN}s? (?:as|to|from|than)(?: (?:that|those) of)?",
        r"(?:perpendicular|orthogonal|normal|at right angles|transverse|oblique) to",
    ),
    (
        "orientation",
        r"(?:in |into |along |from |to |towards? |at |by |on )?(?:which|what) (?:is the "
        rf")?{_PREFERRED}? ?{_NOUN}s?"
        r"(?: (?:is|are|do|does)(?= ))?(?: the)?(?: (?:winds?) (?:blow|come|blew|came)s?)?",
        r"(?:follow|have|has|show|take|keep|share|prefer|possess|sharing|with)(?:s|ing|ed)? (?:an? |"
        r"the |one |any )?"
        rf"(?:{_COMMON} |{_PREFERRED} )*{_NOUN}s?",
        rf"(?:any |an? |the )?{_PREFERRED} {_NOUN}s?(?: of)?",
        r"(?:(?:long|main|crest|ridge|elongation) )?ax[ei]s(?: of)?|(?:rose|wind rose) diagrams?|"
        r"crests?(?= (?:of|point|run|trend|strike|and|versus|vs)\b)",
        r"how (?:well|closely|strongly|tightly) (?:aligned|oriented|orientated|lined up|parallel)|"
        r"(?:wind )?rose of",
        # two directions, set across each other
        r"(?:(?:cross|meet|intersect|stand|are|lie)(?:es|s|ing|ed)? )?(?:at )?(?:right angles|"
        r"90 degrees|an angle)"
        r" (?:to|with) (?:each other|one another)|(?:cross|meet|intersect)(?:es|s|ing|"
        r"ed)?(?: each other)? at "
        r"(?:right angles|90 degrees|an angle)|perpendicular(?! to)|at right angles(?! to)",
        r"how (?:are|do|is|does)(?= (?:the )?(?:(?!the\b)[\w.]+ ){1,8}(?:oriented|orientated|"
        r"aligned|directed|run|trend|"
        r"strike|point|lined up)\b)",
        r"(?:which|what) way|bearings?|headings?|line(?:s|d)? up|"
        r"(?:oriented|orientated|aligned) (?:at random|randomly|"
        r"in random directions)|compass directions?",
    ),
)
