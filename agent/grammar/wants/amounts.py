"""How many, how much ground, how dense, at what values: the phrases, as a part of the table of phrases."""

from __future__ import annotations

from agent.grammar.lexicon import words
from agent.grammar.limits.conditions import ANY_QUANTITY

_BY = rf"(?P<q>{ANY_QUANTITY})"
_THE = r"(?:the |their |its )?"
_MEAN = r"(?:mean |median |average |typical |usual )?"
_VALUE = (
    r"(?:elevations?|altitudes?|slopes?|slope angles?|aspects?|albedos?|thermal inertias?|relief|"
    r"heights? above datum|topographic heights?)"
)
VALUES = rf"{_VALUE}(?:(?:,| and|, and) (?:the )?{_VALUE})*"
_CLASSES = r"(?:bands?|bins?|class(?:es)?|cells?|intervals?|steps?|zones?|belts?|ranges?)"
_PLACES = r"(?:ground|terrain|surface|land|places?|sites?|spots?|locations?|areas?|regions?|tiles?)"
_WITH = (
    r"(?: (?:where|with|of|that|on which|in which|under|beneath|below|at|around|holding|hosting|"
    r"do|does))?"
)
_OFTEN = (
    r"(?:common|frequent|numerous|abundant|widespread|dense|concentrated|prevalent|plentiful|often|populous|"
    r"crowded)(?:ly)?(?: (?:packed|populated|distributed|found|spaced))?"
)
_DENSITY = (
    r"(?:densit(?:y|ies)|concentrations?|abundances?|frequenc(?:y|ies)|occurrences?|incidence|"
    r"prevalence)"
)
_MOST = r"(?:highest|greatest|largest|maximum|maximal|peak|lowest|smallest|minimum|most|biggest)"
_AREA = r"(?:area|extent|coverage|expanse|acreage)s?"
_SURFACE = r"(?:area|surface|ground|planet|land|globe|terrain|world|tiles|territory|space|km2)"
_POLEWARD = r"(?:(?:to(?:wards?)? )?(?:the )?(?:poles?|north|south|equator)(?:wards?)?|poleward|equatorward)"

# Of the density and the like: "per unit area", "for their area".
_PER_AREA = (
    r"per (?:unit )?(?:of )?(?:surface |ground |land )?area|per (?:million |thousand |\d+ )?km2|"
    r"per unit (?:of )?(?:surface|ground|land)|relative to (?:the )?area|area normali[sz]ed|"
    r"normali[sz]ed (?:by|for|to) area"
)

COUNTS: tuple[tuple[str, ...], ...] = (
    (
        "whereabouts",
        r"(?:the )?(?:exact |central |centre |geographic(?:al)? )?"
        r"(?:coordinates?|whereabouts|lat(?:itude)?s?(?:,| and|/| &)? lon(?:g|gitude)?s?|"
        r"lon(?:g|gitude)?s?(?:,| and|/| &)? lat(?:itude)?s?|(?:position|location)s?)(?: of| for)?",
    ),
    (
        "share",
        r"how (?:much|large|big|great|wide|vast|extensive|many)(?: of)?(?: (?:an?|is|are))?(?: the)?"
        rf"(?: (?:total|whole|entire|overall|surface|combined))* (?:{_SURFACE}|{_AREA}|share|"
        r"fraction|portion|"
        r"percentage|proportion)(?: area)?(?: of)?(?: the (?:planet|surface|ground|globe|whole))?"
        r"(?: (?:is|are|do|does))?\b",
        rf"how (?:extensive|widespread|{_OFTEN}|rare|scarce|sparse|ubiquitous)(?:ly)?(?: (?:is|are))?",
        r"(?:what |which )?(?:is )?(?:the )?(?:total )?(?:share|fraction|portion|percentage|percent|"
        r"proportion) of(?: the)?"
        rf"(?: (?:total |whole |entire |observed )?{_SURFACE})?",
        r"(?:what |which )?(?:is )?(?:the )?(?:(?:total|overall|combined|whole|aggregate) )*"
        rf"(?:surface |areal |ground |spatial )?{_AREA}(?: in (?:total,? )?(?:in )?km2)?"
        r"(?: (?:is|are))?(?: of| covered(?: by| with)?| taken up by| occupied by| made up of)?"
        r"(?! (?:around|where|with|near))",
        r"(?:total |whole )?surface(?= (?:have|has|do|does)\b)|(?:in )?km2",
    ),
    (
        "covering",
        r"(?:(?:is|are|be) )?(?:covered|occupied|taken(?: up)?|made up|underlain|blanketed) "
        r"(?:by|with|of|in)",
        r"occup(?:y|ies|ying)|tak(?:es?|ing) up|ma(?:kes?|king) up|span(?:s|ning)?|accounts? for",
        r"consists? of|amounts? to",
    ),
)

DENSITIES: tuple[tuple[str, ...], ...] = (
    (
        "density",
        r"(?:(?:var(?:y|ies|ied|iation)|chang(?:es?|ing)|depends?|distributed|distribution|dependence|"
        r"trends?|"
        r"spread|rank(?:ed)?) "
        r"(?:much |strongly )?(?:with|by|over|along|across|in|on)|(?:related|correlated|linked) (?:to|with)|"
        r"along(?= latitude)|"
        r"by|per|as a function of|versus|vs\.?|against|"
        rf"with(?= (?:\w+ )?\w+\s*(?:[?.!,;]|$))) {_THE}{_BY}"
        rf"(?:,? (?:and|or) (?:by |with )?(?P<q2>{ANY_QUANTITY}))?(?: {_CLASSES})?",
    ),
    (
        "density_step",
        rf"(?:per|every|for every) (?P<n>\d+(?:\.\d+)?) (?:degrees|km|m)(?: of)? (?:{ANY_QUANTITY})",
    ),
    ("density_of", rf"{_BY} (?:distribution|profile|histogram|dependence)s?(?: of)?"),
    (
        "pole_to_pole",
        r"from (?:the )?(?:equator|poles?) (?:up |down |out |on )?to(?:wards?)? (?:the )?(?:equator|"
        r"other|poles?)"
        r"(?: pole)?|between (?:the )?(?:equator and (?:the )?poles?|poles? and (?:the )?equator)",
    ),
    (
        "gradient",
        r"(?:as (?:one|we|you|i) (?:goes?|moves?|travels?|heads?) |(?:when )?(?:going|moving|travelling) )"
        rf"{_POLEWARD}",
    ),
    (
        "densest",
        rf"where (?:is|are) (?:the )?(?:{_DENSITY}|numbers?|counts?) of(?= .{{3,60}}\b(?:greatest|"
        rf"highest|largest)\b)",
        rf"(?:where (?:are|is|do|does) )?(?:the )?(?:densest|commonest|rarest|scarcest|sparsest|"
        rf"(?:(?:cluster|gather|concentrate|crowd)(?:s|ed)? )?(?:most|least) {_OFTEN}|hot ?spots?|"
        rf"{_MOST} (?:number )?(?:{_DENSITY}|numbers?|counts?)|"
        r"density maps?)(?: of)?",
        r"peak(?:s|ed|ing)?(?: in (?:number|density|abundance))?|culminat(?:es?|ing)",
    ),
    ("per_area", _PER_AREA),
    ("density_noun", rf"(?:the )?(?:areal |spatial |surface |number )?{_DENSITY}(?: of)?"),
    (
        "at_some",
        rf"(?:at|in|on) (?:some|certain|particular) {_BY}(?: {_CLASSES})?(?: than (?:at|in|on) others?)?",
    ),
    (
        "classes",
        rf"(?:in |with |using |by |into )?(?:the )?{_CLASSES} of (?P<n>\d+(?:\.\d+)?)(?: (?:degrees|"
        r"km|m)\b)?",
    ),
    (
        "classes_of",
        rf"(?:in |with |using |by |into |per )?(?P<n>\d+(?:\.\d+)?) (?:degrees|km|m) (?:wide )?"
        rf"(?:(?:{ANY_QUANTITY}) )?{_CLASSES}",
    ),
)

# Before the sizes: "is the density greatest" has none.
GREATEST: tuple[tuple[str, ...], ...] = (
    ("densest", rf"(?:the |their |its )?{_MOST} (?:number )?(?:{_DENSITY}|numbers?|counts?)(?: of)?"),
    ("greatest", rf"{_MOST}(?= (?:[a-z]+ ){{1,2}}{_DENSITY}\b)"),
    (
        "greatest",
        r"(?:(?:is|are) )?(?:at (?:its|their) )?(?:the )?(?:greatest|highest|largest|strongest|"
        r"maximum|maximal|lowest|smallest|least)"
        r"(?=\s*(?:[?.!,;]|$)| (?:per|in|at|on)\b)",
    ),
)

_HOW = {  # how it is asked for -> the quantity
    "elevation": r"high|low|elevated",
    "slope": r"steep|gentle|flat|inclined|sloping",
    "albedo": r"bright|dark|reflective",
    "relief": r"rough|rugged",
}
HOW_VALUES = {name: frozenset(ways.split("|")) for name, ways in _HOW.items()}
_WAYS = "|".join(_HOW.values())
_NO_RISING = r"(?! (?:(?!and\b|where\b)\w+ ){1,4}(?:rise|reach|get|grow|stand|tower)\b)"

SAMPLES: tuple[tuple[str, ...], ...] = (
    (
        "sample",
        r"(?:at |on |from |over )?(?:what|which) (?:kinds? of |range of |sort of )?(?:is |are |were "
        rf")?{_THE}{_MEAN}"
        rf"(?:{VALUES}|heights?(?! of)|levels?)(?: {_CLASSES}| above (?:the )?datum)?"
        r"(?=\s*(?:[?.!,;]|$)| (?:of (?!\d)|at|under|around|do|does|are|is|have|has|in|on|with|values?|"
        r"can|would|might|should|you|we|one|i|lies?|sits?|occurs?|stands?|exists?)\b)"
        r"(?: (?:of|at|under|around|do|does|are|is)\b)?",
        r"(?:sample|measure|extract|look up|tabulate|add|give|list|report|tell|show|state|quote|provide|get|"
        rf"i need|i want)(?: (?:me|us))? {_THE}{_MEAN}{VALUES}(?: (?:of|at|for|to|under|"
        r"where)\b)?(?! (?:[-+]?\d|histogram|distribution|profile|range|map|band|class|bin))",
        rf"(?<!above )(?<!below )(?<!than )(?:mean|median|average|typical) {VALUES}(?: (?:of|at))?",
        rf"how (?:{_WAYS}) (?:is|are) (?:the )?{_PLACES}{_WITH}",
        r"how (?:high|low)(?: or (?:high|low))?(?: (?:up|down))?(?: above (?:the )?datum)? (?:do|does)"
        + _NO_RISING,
        r"how (?:far|high|much|low)(?: up)? (?:above|below|over|under) (?:the )?"
        r"(?:datum|zero level|areoid|sea level|mean level)(?: (?:do|does|are|is|lie|lies))?",
        r"(?:the )?heights? of (?:the )?(?:places?|sites?|spots?|locations?|tiles?|ground|terrain)"
        r"(?: (?:where|with|of|that|under|around))?",
        r"how (?:high|low|steep)(?= (?:the )?(?:(?!and where)[a-z]+ ){1,6}?(?:lie|lies|sit|sits|occurs?)\b)",
        r"how (?:high up|low down|high above (?:the )?datum|elevated) (?:is|are)",
        r"(?<!\bat )(?<!\bon )(?<!\bof )(?<!\bin )(?<!\bdown )(?<!\balong )(?<!\bup )(?:the |their |"
        rf"its ){_MEAN}"
        rf"{VALUES} (?:of|at|for|under|beneath|where)\b(?! [-+]?\d)",
        r"how (?:low|low lying) (?:do|does|is|are)",
    ),
)

AMOUNTS = (*COUNTS, *DENSITIES, *SAMPLES)

NUMBERS: tuple[tuple[str, ...], ...] = (
    (
        "count",
        r"how many(?: of)?|how numerous|how often|in number",
        r"(?:the )?(?:(?:total|overall|exact|whole) )*(?:numbers?|counts?|tall(?:y|ies)|populations?|"
        r"quantit(?:y|ies)|"
        r"head ?count|"
        r"sum|total)(?: of|(?=\s*(?:[?.!,;]|$)))",
        r"count(?:s|ing)?(?: of| up)?|tall(?:y|ies|ying)(?: up)?|enumerate|populations?",
    ),
)

# Words that carry no condition of their own where amounts are asked for.
AMOUNT_FILLER = words(
    """
    pls plz kindly name covered occupied altogether tells histogram breakdown binned chart graph tabulated
    unit stand stands stood sit sits sat situated remaining record records indicate indicates imply implies
    according blow blows blowing run runs running change changes break wondering separately
    respectively stats reach
    reaches reached
    """
)
