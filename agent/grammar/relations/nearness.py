"""Phrases for how things lie to each other: distances, and words for near, far, without, in and on.

A part of the table in `agent.grammar.phrases`. A distance stands before its thing ("within 40 km of graben")
or behind it ("with graben within 40 km"); the named groups d and u are the distance and its unit.
"""

from __future__ import annotations

_ABOUT = (
    r"(?:about |around |roughly |approximately |circa |ca |some |~ ?|≈ ?|or so |a maximum of |a minimum of |"
    r"an? (?:distance|radius|range|buffer|circle|perimeter) of |a ){0,3}"
)
_UNIT = r"(?: or so)?(?: (?P<u>km|mi|m|ft|tiles))"
_NUMBER = r"(?P<d>[-+]?\d+(?:\.\d+)?)"
_DISTANCE = rf"{_ABOUT}{_NUMBER}(?:{_UNIT})?"
DISTANCE_WITH_UNIT = rf"{_ABOUT}{_NUMBER}{_UNIT}"

_AT_DISTANCE = r"(?:at |up to |to |with(?:in)? )?(?:an? )?(?:distances? of |distances? )?"
_CLOSER = (
    rf"{_AT_DISTANCE}(?:within|inside|in|closer than|nearer than|less than|fewer than|under|below|"
    r"up to|at most|(?:no|not) (?:more|farther|further|greater|over|longer)(?: away| off)? than|"
    r"not (?:over|exceeding|"
    r"beyond)|"
    r"max(?:imum|imally)?|a maximum of|<=?)"
)
_FARTHER = (
    rf"{_AT_DISTANCE}(?:more than|(?:farther|further)(?: away| off)? than|greater than|at least|over|beyond|"
    r"outside(?: of)?|(?:no|not) (?:closer|nearer|less) than|(?:not|never|nowhere) (?:with)?in|in excess of|"
    r"upwards? of|min(?:imum|imally)?|a minimum of|>=?)"
)
_OFF = r"(?:,? (?:away|off|distant|distance|apart|removed))?"
# "Within 80 km around" ends there, or goes on with what lies in the middle.
_SOMETHING = r"(?=:? [^\W_])(?! (?:them|it|that|those|these|there|each|here)\b)"
_OF = rf"(?:from|of|off|to|than|(?:around|round|about){_SOMETHING})"
_ROUND = r"(?:radius|circle|buffer|range|distance|zone|belt|ring|perimeter|neighbou?rhood|vicinity)"
_OR_LESS = r"(?:,? (?:or (?:less|closer|nearer|fewer|under)|at (?:the )?most|max(?:imum)?|tops))"
_OR_MORE = r"(?:,? (?:or|and) (?:more|farther|further|over|greater|beyond)|\+)"
_AMONG = r"each other|one another|it|them|those|these"
_KEEP = (
    r"(?:keep(?:s|ing)?|stay(?:s|ing)?|remain(?:s|ing)?|are kept|stand(?:s|ing)?)(?: (?:at least|"
    r"more than|over))?"
)
# How a thing is kept from another: "isolated by more than 80 km from".
_KEPT = r"(?:isolated|separated|detached|removed|shielded|kept away|set apart|distant|apart|away|remote)"
_EVERYWHERE = r"(?:around|round|round about|in (?:all|any|every|each) directions?|on all sides|either way)"
_NO_SIZE = r"(?! (?:wide|across|long|deep|high|tall|thick|in (?:diameter|length|size|width|height|depth))\b)"
# Where a distance behind a thing ends.
_HERE = rf"(?: (?:away|apart|off|distant|{_EVERYWHERE}(?: (?:{_AMONG}))?|of (?:{_AMONG})|from (?:{_AMONG})))?"

_DISTANCES: tuple[tuple[str, ...], ...] = (
    (
        "downslope_km",
        rf"(?:within )?{DISTANCE_WITH_UNIT} down ?(?:slope|hill|stream) (?:of|from)\b",
        rf"(?:down ?(?:slope|hill|stream)) (?:of|from) and within {DISTANCE_WITH_UNIT} (?:of|from)\b",
    ),
    (
        "few",
        r"(?:the )?(?:top |first )?(?P<n>\d+)(?! (?:km|mi|m|ft|tiles|degrees|percent)\b)"
        r"(?= (?:[a-z]+[,:;]? (?:[-–—] )?){0,10}?(?:nearest|closest|(?:smallest|shortest|least) "
        r"distances?)\b)",
    ),
    ("few", r"(?:the )?(?:nearest|closest) (?P<n>\d+)(?= [a-z])(?! (?:km|mi|m|ft|tiles|degrees|percent)\b)"),
    (
        "without_km",
        rf"(?:{_FARTHER}) {DISTANCE_WITH_UNIT}{_OFF} {_OF}\b(?: (?:any|all|every)\b)?",
    ),
    ("without_km", rf"{_KEPT} by (?:{_FARTHER} )?{DISTANCE_WITH_UNIT}{_OR_MORE}? (?:from|of)\b"),
    ("without_km", rf"{_KEEP} {DISTANCE_WITH_UNIT}(?: (?:away|clear|off|apart|distant))? (?:from|of)\b"),
    ("without_km", rf"{DISTANCE_WITH_UNIT}{_OR_MORE}{_OFF} (?:from|of)\b"),
    (
        "ring_km",
        rf"{_AT_DISTANCE}(?:between |from |of )?(?P<inner>\d+(?:\.\d+)?)(?: km)? (?:and|to) "
        rf"{DISTANCE_WITH_UNIT}{_OFF} (?:from|of|to|around)\b",
    ),
    (
        "ring_km",
        r"(?:at least|more than|over|beyond|farther than|further than) (?P<inner>\d+(?:\.\d+)?)(?: km)?,? "
        r"(?:but|and|to|yet)(?: also)? (?:no more than|not more than|less than|at most|within|under|up to|"
        r"below|"
        rf"closer than|nearer than) {DISTANCE_WITH_UNIT}{_OFF} (?:from|of|to)\b",
    ),
    ("among_km", rf"(?:within|inside|{_CLOSER}) {DISTANCE_WITH_UNIT} (?:of|from|to) (?:{_AMONG})\b"),
    (
        "near_km",
        rf"(?:(?:within|inside|in|at) )?(?:the )?{DISTANCE_WITH_UNIT} {_ROUND} (?:of|from|around|about|at)\b",
    ),
    ("near_km", rf"within {_DISTANCE} (?:of|from|to|(?:around|round|about){_SOMETHING})\b"),
    (
        "near_km",
        rf"(?:{_CLOSER}) {DISTANCE_WITH_UNIT}{_OR_LESS}?{_OFF} {_OF}\b(?: (?:any|some|at least one)\b)?",
    ),
    ("near_km", rf"{DISTANCE_WITH_UNIT}{_OR_LESS}{_OFF} {_OF}\b"),
    (
        "near_km",
        rf"{DISTANCE_WITH_UNIT}{_OR_LESS}?{_OFF} (?:from|of|around|round|off|near|"
        rf"next to)\b(?! (?:{_AMONG})\b)",
    ),
    (
        "among_km",
        rf"(?:for|over) {DISTANCE_WITH_UNIT}(?: {_EVERYWHERE})?(?! (?:from|of)\b)",
        rf"(?:for|to) at least {DISTANCE_WITH_UNIT} {_EVERYWHERE}",
        rf"(?:with)?in (?:the )?(?:surrounding|nearest|next|adjacent|closest) {DISTANCE_WITH_UNIT}",
        rf"(?:with)?in (?:the |a )?{DISTANCE_WITH_UNIT} (?:{_ROUND}|around)(?: (?:of|from|"
        rf"around) (?:{_AMONG}))?",
        rf"(?:within|inside|{_CLOSER}) {DISTANCE_WITH_UNIT}{_NO_SIZE}{_OR_LESS}?{_HERE}",
        rf"{DISTANCE_WITH_UNIT}{_OR_LESS}{_HERE}{_NO_SIZE}",
        rf"{DISTANCE_WITH_UNIT} (?:away|apart|off|{_EVERYWHERE})",
        rf"(?:with(?:in)? )?(?:an? |the )?(?:search )?{_ROUND}(?: (?:of|is))?[:=]? ?"
        rf"{DISTANCE_WITH_UNIT}(?! (?:of|from|around|about)\b)",
        rf"than {DISTANCE_WITH_UNIT}{_NO_SIZE}",
        rf"by (?:at least |more than |over |about )?{DISTANCE_WITH_UNIT}{_NO_SIZE}",
    ),
    ("beyond_km", rf"(?:{_FARTHER}) {DISTANCE_WITH_UNIT}{_NO_SIZE}{_OFF}"),
    ("beyond_km", rf"{DISTANCE_WITH_UNIT}{_OR_MORE}{_OFF}{_NO_SIZE}"),
)

# One pattern each, as a name of a group can stand in a pattern only once.
DISTANCES = tuple((kind, pattern) for kind, *patterns in _DISTANCES for pattern in patterns)

_VICINITY = r"vicinity|neighbou?rhood|surroundings?|surrounds|environs|proximity|area around"
_EDGE = (
    r"edges?|margins?|foot|feet|base|mouths?|ends?|toes?|heads?|borders?|fringes?|boundar(?:y|ies)|terminus"
)
_NOT_FAR = (
    r"(?:not (?:very |too |so )?far|a (?:short|small) (?:distance|way)|within (?:reach|sight)|a stone throw)"
)

# Near without a distance, next to what is near.
NEAR = (
    "near",
    r"within (?:n|x|some|a few|several|a couple of) (?:km|kilomet\w+|miles|tiles) (?:of|from)",
    rf"(?:with)?in (?:the )?(?:close |immediate |direct |near )?(?:{_VICINITY}) (?:of|to)",
    rf"(?:only )?(?:(?:with)?in |at )?{_NOT_FAR} (?:away )?(?:from|of|to)|not (?:far|distant) from",
    r"(?:very |quite |fairly |rather |right |directly |immediately )?"
    r"(?:near(?:er|est)?|close(?:r|st)?|adjacent|proximal|next|beside|besides|alongside)(?: (?:to|by|"
    r"with)\b)?",
    r"(?:flank|fring|skirt|hugg|adjoin|encircl|ring|lin|edg|border|surround|abutt?|neighbou?r)"
    r"(?:ing|ed by|ed with)",
    r"border(?:s)?|surrounds?|flanked|fringes?|adjoins?|abuts?|neighbou?rs?|encircles?",
    rf"at the (?:{_EDGE}) of|(?:along|on|around|by) the (?:{_EDGE}) of",
    r"on the (?:flanks?|edges?|margins?|slopes?) of|around(?! here\b)(?=:? \S)|along|towards?",
    r"(?:nearest|closest|smallest|shortest|least) distances? (?:to|from|of)",
    r"by the side of|side by side to",
)

AWAY = (
    "away",
    r"(?:well |very |far |a long way )?(?:away|apart|distant|remote|removed|detached|separate|"
    r"separated) from",
    r"(?:very |quite |too )?far (?:away |off )?from|clear of|at a distance from|nowhere near|isolated from",
    r"(?:farther|further|more distant)(?: away)? from",
)

WITHOUT = (
    "without",
    r"(?:with(?:out)? )?(?:nothing|none|anything) (?:like|such as|of the kind of|resembling)",
    r"without(?: (?:any|a single|a))?|outside(?: of)?|off|exclud(?:ing|es?)|except(?:ing|ed)?(?: for)?|"
    r"other than",
    r"lacking(?: in)?|lacks?|free (?:of|from)|minus|rather than|instead of|sans|barring|save for|w ?/ ?o",
    r"where there (?:is|are) (?:no|not any)|with (?:no|none of|zero)|devoid of|bereft of|void of|bare of|"
    r"empty of",
    r"in (?:the )?absence of|absent(?= [a-z])|unaccompanied by|unassociated with|untouched by|not counting",
    r"leaving (?:out|aside)|ignoring|apart from being|miss(?:ing|es?)(?= (?:any|an?|the)\b)|ha(?:ve|"
    r"s) (?:no|zero)",
    r"(?:anywhere|everywhere|any place|nowhere else|all)(?: else)?,? (?:but|except(?: for)?|save|other than)"
    r"(?: (?:in|on|at|near|around|from))?",
    r"not a single|never (?:with|any)",
)

_USUAL = r"(?:mean|median|average|typical|usual|normal|minimum|shortest|smallest|exact|individual)"
_LENGTHS = r"(?:km|kilomet(?:er|re)s?|miles?|mi|metres|meters)"
# How far in so many km; before amounts, as "how many" counts nothing here.
HOW_MANY_KM = (
    "how_far",
    rf"how many {_LENGTHS} (?:typically |usually |on average |normally |roughly |about )*(?:(?:do |does )?"
    r"separates?|(?:are|is|do|does|lie|lies)(?: there)?(?: typically| usually)? between|are there from|(?:is|"
    r"are|do|does)(?: it)?(?= .{1,60}\b(?:from|away|apart)\b)|from|between|away|apart)",
    rf"{_USUAL} (?:{_LENGTHS}|separations?|gaps?|spacings?) (?:between|separating|from)",
    r"(?:the )?(?:gaps?|separations?|spacings?) (?:between|separating)",
    rf"(?:the )?{_USUAL} (?:separations?|gaps?|spacings?)(?: (?:of|from))?",
)

HOW_FAR = (
    "how_far",
    r"(?:(?:what|which|how large|how big) (?:is|are) )?(?:the |their |its )?"
    r"(?:(?:mean|median|average|typical|usual|minimum|shortest|smallest|individual|exact) )?"
    r"distances?(?: (?:between|from|of|separating)| it is from)?(?! (?:of )?(?:\d|at\b))",
    r"(?:(?:mean|median|average|typical|usual) )?separations?(?: (?:between|of|from))?",
    r"how many (?:km|kilomet\w+|mi|miles?) (?:separate|part|(?:lie|are|is it) (?:between|from))",
    r"dist(?= ?\()",
    r"how (?:far|close|near|distant)(?! (?:(?:to the|towards? the|up|down) )?(?:north|south|poleward|up "
    r"north|down south)\b)"
    r"(?: apart| away| off)?(?: (?:are|is|do|does|lie))?(?: it(?= from\b))?",
)

ABSENT = (
    "absent",
    r"(?:(?:is|are|were|completely|entirely|altogether|clearly) )*"
    r"(?:absent|missing|lacking|wanting|not (?:present|there|found|seen|visible|to be (?:found|seen))|"
    r"nowhere (?:near|to be (?:seen|found)|in sight)|(?:do|does) not (?:occur|exist|appear|show up))"
    r"(?=\s*(?:[?.!,;)]|$)|,? (?:and|but|or)\b|,? (?:within|for|in an?|up to) [a-z \d.]{1,25}$)",
)

NEARBY = (
    "nearby",
    r"nearby|close by|hard by|close at hand|at hand|next door|not far (?:away|off)|in close proximity|"
    r"close together",
    rf"in (?:the|their|its|close|immediate) (?:{_VICINITY})(?! of\b)|(?:all )?around (?:them|it)(?! (?:are|"
    rf"is)\b)",
)

# What a catalogue does not list.
UNLISTED = (
    "unlisted",
    r"(?:misses|missed|lacks|omits|omitted|overlook(?:s|ed)|does not (?:list|have|contain|include|know|"
    r"show|mention)|"
    r"has not (?:listed|got)|fails to (?:list|include)|left out)(?=\s*(?:[?.!,;]|$))",
)

NEW = (
    "new",
    r"(?:new|unknown) to|(?:not|nobody (?:has )?|no one (?:has )?|never) ?(?:yet |been |so far )?"
    r"(?:listed|catalogued|cataloged|included|recorded|mapped|contained|mentioned)(?: yet)? (?:in|by)",
    r"(?:missing|absent|lacking|omitted|left out) (?:from|in|of|by)|unlisted (?:in|by)|uncatalogued (?:in|"
    r"by)|"
    r"overlooked by|not (?:yet )?part of",
)

# What must be there, or must not, in a sentence of its own.
MUST = (
    "must",
    r"(?:must|should|has to|have to|needs? to|ought to|shall)(?: (?:also|always|all))?"
    r"(?= (?:not|be|lie|have|occur)\b)",
)
