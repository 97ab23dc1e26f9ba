"""The phrases of the offline grammar, as a table: what people write, and which kind of token it makes.

`agent.grammar.tokens` tries the kinds in the order of the table at every position of a question; what each
kind means is decided by `agent.grammar.reader`.
"""

from __future__ import annotations

import re

from agent.grammar.asides import ASIDES, ASKING
from agent.grammar.chance.association import ASSOCIATION, SIGNS
from agent.grammar.lexicon import APPEARANCE, words
from agent.grammar.limits.regions import REGIONS
from agent.grammar.relations.likeness import LIKE
from agent.grammar.relations.nearness import (
    ABSENT,
    AWAY,
    DISTANCES,
    HOW_FAR,
    HOW_MANY_KM,
    MUST,
    NEAR,
    NEARBY,
    NEW,
    UNLISTED,
    WITHOUT,
)
from agent.grammar.wants.amounts import AMOUNT_FILLER, GREATEST, NUMBERS
from agent.grammar.wants.phrases import THESE, WANTS

_SPOT = r"(?:tile|place|crater|basin|wall|spot|site|location|slope)s?"

# Kind and pattern, tried in this order; the named groups d and u are a distance and its unit.
PHRASES: tuple[tuple[str, ...], ...] = (
    *LIKE[:2],
    *ASIDES,
    *DISTANCES,
    (
        "size",
        r"(?:with |of |having )?(?:an? |the )?(?:diameters?|widths?|sizes?|lengths?) (?:(?:of|is|are) )?"
        r"(?:above|over|below|under|more than|less than|larger than|smaller than|at least|at most|"
        r"greater than|[<>]=?) ?"
        r"\d+(?:\.\d+)? (?:km|m|mi|ft)",
    ),
    ("free", r"free(?= [a-z])(?! (?:of|from|to)\b)"),
    (
        "size",
        r"(?:larger|bigger|wider|longer|smaller|deeper|taller|shorter|thicker) than "
        r"\d+(?:\.\d+)?(?: (?:km|m|mi|ft))?",
    ),
    (
        "size",
        r"(?:more than|less than|at least|over|under)? ?\d+(?:\.\d+)? (?:km|m|mi|ft) "
        r"(?:wide|across|long|deep|high|tall|in diameter|in length)",
    ),
    *GREATEST,
    HOW_MANY_KM,
    ("size", r"largest|biggest|smallest|longest|widest|tallest|deepest|highest|shortest"),
    *WANTS,
    # Relations without a distance
    ("downslope", r"down ?(?:slope|hill|stream) (?:of|from)"),
    ("downslope", r"(?:below|beneath|down from|at the bottom of)(?= (?:an? |the |any |some )?[a-z\"])"),
    ("upslope", r"up ?(?:slope|hill|stream) (?:of|from)"),
    UNLISTED,
    NEW,
    MUST,
    (
        "this_catalogue",
        r"(?:the|that|my|this) (?:catalogue|catalog|list)(?! (?:of\b|L\d|[\w.-]+\.\w{3,7}\b))",
    ),
    ("than_to", r"than (?:to|from|near|they are to|those near)\b"),
    AWAY,
    (
        "filler",
        r"together (?:in|on|as|into) (?:one|a|a single|the same) (?:list|layer|map|table|file|set|answer)",
        r"(?:out ?crops?|exposures?|fields?|patch(?:es)?|groups?|clusters?|swarms?|stretch(?:es)?|expanses?|"
        r"occurrences?|signs?|traces?|remnants?|remains|networks?|systems?|sets?|sorts?) of(?= )",
    ),
    *ASSOCIATION,
    (
        "in_same",
        r"(?:together|along) with|co ?occur(?:s|ring|red)? with|coincid(?:es?|ing) with",
        rf"(?:in|on) the same {_SPOT} (?:as|with)",
        r"side by side with|next to each other with",
        # "occur where polygons occur"
        r"(?:occurs?|found|lies?|present|exists?|appears?|seen|sits?|forms?|stand) "
        r"(?:(?:only|also|mostly|exactly|just|always|usually|mainly|preferentially) )*where"
        r"(?= (?:(?:the|any|some|many) )?(?!ground|terrain|surface|elevation|altitude|slope|latitude|"
        r"it\b|they\b|we\b|you\b|there\b|the )[a-z]+(?: [a-z]+){0,2} "
        r"(?:occurs?|exists?|lies?|sits?|appears?|forms?|stands?|"
        r"(?:is|are) (?:found|present|seen|located|too|also))\b)",
    ),
    (
        "joint",
        r"together|side by side|co ?occur(?:s|ring|rence)?|coincid(?:es?|ing)",
        rf"(?:in|on) (?:the|one) (?:same|single|closed) {_SPOT}",
        r"in one (?:basin|crater|tile|place)|next to each other|overlapping each other",
        r"in the same latitude band|at the same (?:places?|time)|in chains",
    ),
    ABSENT,
    WITHOUT,
    NEAR,
    HOW_FAR,
    (
        "same",
        r"overlap(?:s|ping|ped)?|co ?locat\w+ with|inside|cut(?:s|ting)?(?: into| by| through)?",
        r"incis\w+|cross(?:es|ing|ed)?(?: by)?|carved into|superposed on|superimposed on",
        r"overl(?:y|ies|ain by|ying)|on top of|atop|underl(?:y|ies|ain by)|confined to",
        r"restricted to|limited to|only (?=in |on |inside )|found in|fill(?:s|ing|ed by)",
        r"drap(?:es?|ing|ed by)|cover(?:s|ing|ed by)|buried by|contain(?:s|ing)?|bearing",
        r"hold(?:s|ing)?(?= (?:an? |any |some |the |old |ancient |former )*[a-z]{4})(?! (?:true|good|"
        r"still|even|also))",
        r"that (?:have|has)|which (?:have|has)|having|feeding|fed by|bound(?:ed|ing) by?",
        r"touch(?:es|ing|ed by)?|overprint(?:s|ed by|ing)?|dissect(?:s|ed by|ing)?|breach(?:es|ed by|ing)?|"
        r"truncat(?:es?|ed by|ing)|"
        r"intersect(?:s|ed by|ing)?|mantl(?:es|ed by|ing)|bur(?:ies|ying)|embedded in|nested in|hidden in|"
        r"(?:scattered|strewn|spread|distributed) (?:over|across|on|in)|"
        r"(?:dotted|studded|peppered|pocked|littered|decorated|lined) (?:with|by)",
    ),
    NEARBY,
    ("weak", r"within|in|on|with|at|of|from|by|into|onto|through|across|for|over|to"),
    ("weak", r"ha(?:ve|s|d)|shows|showing|hosts?|hosting|bears?|carry|carries|carrying"),
    # What is wanted
    *NUMBERS,
    (
        "orientation",
        r"shar(?:e|es|ing) (?:an?|one|a common|the same) (?:orientation|direction|axis|azimuth|trend)s?",
        r"(?:are|is)? ?align(?:ed|ment|ments|s|ing)?|orient(?:ation|ations|ed|s)?|orientated",
        r"azimuths?|(?:which|what|(?:in )?(?:the )?same) (?:way|directions?)",
        r"(?:in )?(?:the same|any preferred|a preferred|preferred|a common) directions?|directions?",
        r"trend(?:s|ing)?|strikes?|point(?:s|ing)?|(?:all )?parallel(?: to each other)?(?! (?:to|with)\b)",
        r"(?:prevailing )?winds?(?: directions?)?|wind changed",
    ),
    (
        "latitude",
        r"(?:lowest|highest|northernmost|southernmost|minimum|maximum) latitudes?(?: of)?",
        r"(?:at|by|with|in) (?:what|which) latitudes?|what latitudes?|by latitudes?",
        r"distribut\w+|latitude (?:range|distribution|limit|band)s?|latitudinal\w*|how far (?:(?:up|down|"
        r"to the|towards the) )?(?:north|south)(?:ward)?",
        r"latitudes?|(?:ground )?(?:ice )?limit",
    ),
    (
        "export",
        rf"(?:(?:please )?(?:export|save|download|write|store|give me)(?: (?:{THESE}))?"
        r"(?: (?:as|to|in|into))?(?: an?)? )?"
        r"\b(?P<format>geo ?package|gpkg|geo ?json|geo ?parquet|parquet|csv)(?: (?:file|format))?\b",
    ),
    ("export", r"export(?:ed|ing)?|download|save"),
    (
        "other_format",
        r"(?:(?:export|save|download|write|store|give me)(?: (?:it|them|these|those))? )?(?:(?:as|to|"
        r"in|into) )?(?:an? )?"
        r"(?:(?:esri )?shape ?files?|kml|kmz|excel|xlsx?|geotiffs?|dxf)(?: (?:file|format|sheet|table))?",
    ),
    (
        "compare",
        r"compar(?:e|ed|ing|ison)(?: of| between)?|versus|vs\.?|against",
        r"contrast(?:s|ed|ing)?(?: of| between)?|juxtapos(?:e|ing)|(?:put|set|place)s? side by side",
        r"differ(?:ent|ence|s)?(?: between| from)?",
    ),
    *LIKE[2:],
    (
        "about",
        r"what (?:is|are|does)(?: an?)?\b(?=(?: \w+){1,4}\W*$)|define|definition of",
        r"what does .{1,40} mean",
    ),
    # What cannot be used
    (
        "quantity",
        r"(?:elevations?|altitudes?|albedos?|slopes)(?: of)?",
        r"aspects?|(?:low|high|gentle|steep|moderate) slopes?",
        r"(?:by |with |at )?(?:low |high )?slope(?: angle)?",
        r"sun ?(?:ward)? ?facing(?: (?:slope|wall|side|flank)s?)?|(?:low |high )?(?:thermal inertia|albedo)",
    ),
    ("order", r"down ?slope|up ?slope|down ?stream|up ?stream|source to sink|ordered"),
    (
        "unit",
        r"(?:outside |inside |in |off )?(?:the |a )?(?:geologic\w* |mapped |stratigraphic )+(?:units?|maps?)",
        r"(?:off|outside|inside|in|not) the units?",
    ),
    (
        "matter",
        r"(?:dust cover|mineral\w*|composition\w*|clays?|olivine|hydrated|sul(?:f|ph)ates?|carbonates?)"
        r"(?: (?:rich|bearing|poor))?",
    ),
    (
        "season",
        r"season(?:s|al|ally)?|in (?:summer|winter|spring|autumn)|martian years?|over time|recently",
        r"today|still active|active",
    ),
    ("top", r"(?:the )?(?:top|best|first) \d+|\d+ (?:best|clearest|most likely|top)"),
    ("era", r"noachian|hesperian|amazonian"),
    # Joints between parts
    (
        "only",
        r"(?:now )?(?:show )?(?:me )?(?:only|just)(?: keep)?(?: (?:those|these|the ones|ones|them))?",
        r"keep(?: only)?(?: (?:those|the ones))?|restrict(?: it| them| that)? to",
        r"limit(?: it| them| that)? to|narrow(?: it| them)? (?:down )?to",
    ),
    (
        "what_about",
        r"(?:and )?(?:what|how) about|(?:the )?same(?: question)?(?: again)? (?:for|with)",
        r"(?:and|also|now|then) for|instead",
    ),
    (
        "this",
        r"of (?:those|these|them)|(?:which|how many|any|some|all) of (?:those|these|them)|those",
        r"these|them|they|it|(?:the )?(?:former )?ones",
        r"(?:that|this|the|the last|the previous) (?:layer|results?|selection|answer|hits|tiles)",
        r"its|their",
    ),
    ("most", r"(?:the|find|has|have|contains?|holds?|there) (?:the )?most(?= [^\W\d])"),
    (
        "more",
        r"(?<!one )(?<!any )(?<!some )(?<!once )(?<!few )(?<!no )(?<!show )(?<!me )(?:more|fewer|less)"
        r"(?! (?:or less|than|like|about|info\w*|detail\w*|precise\w*|exactly|specific\w*))(?= [^\W\d]|,)",
        r"(?:more|fewer) of(?= (?:the )?[a-z])(?! (?:the )?(?:same|these|those|this|them))",
    ),
    ("than", r"than"),
    ("both", r"both"),
    ("either", r"either"),
    ("neither", r"neither"),
    ("nor", r"(?:and |or )?nor"),
    ("not", r"not|never|no longer|none of|none|no|neither|nowhere|but not"),
    ("that", r"that|which|where|whose|who"),
    ("and", r"and(?: also| then)?|as well as|plus|also|then|&|\+"),
    ("or", r"(?:and )?or"),
)

# Kinds that no tool can use yet, and why what was said is left out; as the topics of refusals say it.
WRONG_TO_USE = {
    "order": "the order of several things along a slope or flow cannot be tested in this version",
    "unit": "geological units are not in this index",
    "matter": "the index holds no composition and no dust cover",
    "season": "the index is one set of pictures, without seasons or changes",
    "era": "the index holds no ages or dates",
    "top": "a number of best hits cannot be chosen in this version; all above the threshold are shown",
}

# Words that carry no condition of their own.
FILLER = words(
    """
    summarise summarize describe measure characterise characterize statistics landing im ive id ill lets r u
    cover covers share shares a an the this here there please can could would should you we i me my our us
    show find locate list give tell display displays shows showing shown see look looking search get let
    want need like know identify detect is are was were be been being am do does did has have had will may
    might occur occurs occurring lie lies lying located location locations place places site sites area
    areas region regions situated exist exists existing present seen visible found all any every each some
    many most several few examples example instances cases occurrences features feature landforms landform
    landscapes tiles tile images image pictures picture photos photo question answer about such very really
    actually also too but so if when as than more less much often mostly mainly usually generally typically
    where what which who how far apart long across around to of up down out off planet world globe index
    data dataset surface ground kind kinds type types sort true hello hi hey thanks thank ok okay well now
    again still just even ever whole entire global globally anywhere everywhere somewhere degrees degree
    latitude latitudes longitude longitudes elevation elevations altitude km kilometres metres miles
    distance best good nice clear clearly possible possibly probable probably likely potential candidate
    candidates catalogue catalog entries entry file layer layers result results field fields evidence
    confirm check whether suggest suggests between and together something anything things thing marked
    strong strongly own their its it they them these those one ones first second last next other others
    another same similar hypothesis idea try make made go back wants walls wall floor floors rim rims flank
    flanks margin margins edge edges patch patches interested interesting research study studying mean means
    over under case happen happens happening appear appears appearing form forms formed forming total
    overall number numbers score scores slopes downhill face faces match matches matched agree agrees
    median average typical color colour usual usually else sit sits sitting stand stands standing
    whereabouts coordinates coordinate position lat lon long here hereabouts
    got exactly centre center middle say turn use using must
    box quadrant rectangle window appearance looks roughly listed compute determine calculate work
    """
)
FILLER |= AMOUNT_FILLER | ASKING


def _compiled(table: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (kind, re.compile(rf"(?:{'|'.join(patterns)})(?![^\W_]|[-.]\w)", re.IGNORECASE))
        for kind, *patterns in table
    )


RULES = _compiled(PHRASES)
SIGN_RULES = _compiled(SIGNS)
# Of things that may be looked for as well ("rock steps"), so that they stay free.
_THINGS = words("ring step steps terrain objects bodies hill spots longitudinal local individual distinct")
_WORDS_OF_RULES = frozenset(
    word
    for pattern in (*(rule.pattern for _, rule in RULES), *(rule.pattern for _, rule, _ in REGIONS))
    for word in re.findall(r"[a-z]{3,}", pattern)
)

GRAMMAR_WORDS = (
    FILLER
    | (_WORDS_OF_RULES - _THINGS - APPEARANCE)
    | words("facing steeper gentler flatter exceeding inertia")
)
