"""Phrases for what is wanted besides where: comparisons, tests, counts by classes, values, directions, maps.

A part of the table in `agent.grammar.phrases`, tried before relations: "at the same elevation" is no place.
"""

from __future__ import annotations

from agent.grammar.conditions import ANY_QUANTITY

THESE = r"it|them|this|these|those|that|all|the (?:layer|result|results|map|tiles)"

_ANY = rf"(?:{ANY_QUANTITY})"
_BY = rf"(?P<q>{ANY_QUANTITY})"
_THE = r"(?:the |their |its )?"
_MEAN = r"(?:mean |median |average |typical )?"
_VALUE = r"(?:elevations?|altitudes?|slopes?|slope angles?|aspects?|albedos?|thermal inertias?|relief)"
_VALUES = rf"{_VALUE}(?:(?:,| and|, and) (?:the )?{_VALUE})*"
_CLASSES = r"(?:bands?|bins?|class(?:es)?|cells?|intervals?|steps?)"
_WAY = r"(?:north ?east|north ?west|south ?east|south ?west|north|south|east|west)"
_ANY_WAY = rf"(?:{_WAY}|ne|nw|se|sw|n|s|e|w)"
_POINTS = (
    r"(?:(?:point|trend|run|stretch|align|orient|elongat)(?:s|es|ed|ing|ated|ation|ations)?|"
    r"str(?:ike|ikes|iking)|azimuths?|ax[ei]s|directions?)"
)
_KIND = r"(?:(?:world|global|polar|orthographic|equirectangular|regional|local) )"
_VIEW = r"(?:maps?(?: of)?|globe|projection|view)"
_HIGHER = (
    r"(?:at |on |in |with |over )?(?:an? |the )?(?:significantly |much |typically |generally |usually )?"
    rf"(?:(?:higher|lower)(?: up| down)?(?: (?:ground|terrain|levels?|{ANY_QUANTITY}))?|"
    rf"(?:greater|larger|smaller|different) {_ANY}|"
    r"(?:steeper|gentler|flatter|brighter|darker)(?: (?:slopes?|ground|terrain|surfaces?))?|"
    r"(?:farther|further) (?:north|south)),? than"
)
_GROUND = (
    r"(?:rest|ground|surface|planet|elsewhere|average|mean|surroundings|everywhere|other (?:ground|places))\b"
    r"(?: (?:of|else|observed|around|elsewhere|the|planet|surface|ground|index|elevation|level))*"
)
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
    # Comparisons
    (
        "than_ground",
        rf"{_HIGHER} (?:that of |those of )?{_THE}{_GROUND}",
        r"(?:prefer|favou?r|concentrated? (?:at|on))s? "
        rf"(?:certain |particular |some |high |low |higher |lower |steep |specific |the )*{_ANY}"
        r"(?! (?:of|above|below|between|over|under))",
    ),
    ("higher_than", rf"{_HIGHER}(?! (?:[-+]?\d|would|by|chance|pure|random|expected|is expected|you|one))"),
    (
        "compare_by",
        r"(?:differ(?:s|ent|ence|ences)?|compar(?:e|es|ed|ing|ison)) (?:significantly |much )?"
        rf"(?:in |by |with respect to |in terms of |of )?{_THE}{_MEAN}{_BY}(?: of| between| at)?",
    ),
    (
        "which_higher",
        r"which (?:of them )?(?:lies?|are|is|occurs?|sits?|ones? (?:are|is|lie)) "
        r"(?:higher|lower|steeper|gentler|flatter|brighter|darker)(?! than)",
    ),
    (
        "same_by",
        r"(?:(?:at|on|in|within|of|among) )?(?:the |a )?"
        r"(?:same|equal|similar|comparable|common|one|different) "
        rf"(?P<q>{_VALUE}|heights?|levels?)(?: (?:bands?|range|class(?:es)?))?",
    ),
    (
        "ground",
        r"(?:compared |relative )?(?:with|to|against) (?:the )?"
        r"(?:rest of the (?:planet|surface|ground)|background|ground observed|observed ground)",
    ),
    (
        "evaluate",
        r"how (?:well|good|reliable|accurate|complete)(?: (?:do|does|is|are))?",
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
    # Counts by classes, values, features
    (
        "density",
        r"(?:(?:var(?:y|ies|ied|iation)|changes?|depends?|distributed|distribution|dependence|trends?) "
        r"(?:much |strongly )?(?:with|by|over|along|across|in|on)|(?:related|correlated|linked) (?:to|with)|"
        r"(?:higher|lower|greater|denser|(?:more|less) (?:common|frequent|abundant|numerous|dense)) "
        r"(?:at|in|on) (?:high|higher|low|lower|steep|steeper|gentle)|"
        r"by|per|as a function of|versus|vs\.?|against|"
        rf"with(?= (?:\w+ )?\w+\s*(?:[?.!,;]|$))) {_THE}{_BY}"
        rf"(?:,? (?:and|or) (?:by |with )?(?P<q2>{ANY_QUANTITY}))?(?: {_CLASSES})?",
    ),
    (
        "density_step",
        rf"(?:per|every|for every) (?P<n>\d+(?:\.\d+)?) (?:degrees|km|m)(?: of)? {_ANY}",
    ),
    ("density_of", rf"{_BY} (?:distribution|profile|histogram|dependence)s?(?: of)?"),
    (
        "densest",
        r"(?:where (?:are|is|do|does) )?(?:the )?(?:densest|most dense(?:ly)?|most concentrated|"
        r"most numerous|most abundant|hot ?spots?|highest densit(?:y|ies)|density maps?)(?: of)?",
    ),
    (
        "classes",
        rf"(?:in |with |using |by )?(?:the )?{_CLASSES} of (?P<n>\d+(?:\.\d+)?)(?: (?:degrees|km|m)\b)?",
    ),
    (
        "classes_of",
        rf"(?:in |with |using |by )?(?P<n>\d+(?:\.\d+)?) (?:degrees|km|m) (?:wide )?{_CLASSES}",
    ),
    (
        "sample",
        rf"(?:at |on |from )?(?:what|which) (?:is |are |were )?{_THE}{_MEAN}{_VALUES}"
        r"(?=\s*(?:[?.!,;]|$)| (?:of (?!\d)|at|under|around|do|does|are|is|have|has|in|on|with|values?)\b)"
        r"(?: (?:of|at|under|around|do|does|are|is)\b)?",
        r"(?:sample|measure|extract|look up|tabulate|add) (?:me )?"
        rf"{_THE}{_VALUES}(?: (?:of|at|for|to|under))?",
        rf"(?:mean|median|average|typical) {_VALUES}(?: (?:of|at))?",
        r"how steep (?:is|are) the (?:ground|terrain|surface)(?: (?:at|of|under|around|with))?",
    ),
    (
        "merge",
        r"(?:separate|distinct|individual|connected|merged|contiguous) "
        r"(?:features|objects|bodies|fields|areas|patches)(?: of)?|(?:separate|distinct)(?= \w)",
        rf"merge(?:d|s)?(?: (?:{THESE}))?(?: into (?:separate |single )?features?)?",
        r"as (?:separate |single )?features",
    ),
    # Directions
    (
        "azimuth",
        rf"{_POINTS}(?: (?:is|are|be|to|towards?|at|along|of|near|close|with|about|around|roughly|from|the|"
        r"an?|azimuth|direction)){0,5} \d+(?:\.\d+)? degrees"
        r"(?! (?:north|south|latitude|of (?:latitude|the)))",
        rf"{_POINTS}(?: (?:in|an?|along|from|to|at|is|are|of|roughly|mostly|mainly|axis|direction))*"
        rf" {_ANY_WAY}(?: to | and | ?/ ?| ){_ANY_WAY}\b(?! of)",
        rf"{_POINTS}(?: (?:to|towards?|due|roughly|mostly|mainly))*(?: the)? {_WAY}(?:wards?|erly|ern)?"
        r"(?! (?:of|from|hemisphere|plains|pole|highlands|lowlands|half)\b)",
    ),
    (
        "axis_with",
        r"(?:aligned|parallel|oriented|orientated) (?:like|with|to|as)(?= (?:the |those of )?[a-z[])"
        r"(?! (?:each|one another|itself|north|south|east|west))",
        r"(?:the )?same (?:orientation|direction|axis|azimuth|trend|way)s? as|perpendicular to",
    ),
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
