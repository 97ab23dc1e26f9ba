"""Comparing words: of values (higher, steeper, farther north) and of numbers (commoner, rarer, outnumber).

A part of the table in `agent.grammar.phrases`. What a word compares stands in `VALUES_COMPARED`; whether two
landforms, one in two places, or one and the ground are compared is told by what else the question says.
"""

from __future__ import annotations

import re

from agent.grammar.limits.conditions import ANY_QUANTITY, quantities_in

# The quantity -> adjectives and adverbs that compare it.
VALUES_COMPARED = {
    "latitude": (
        r"(?:farther|further|more)(?: to(?:wards?)?)?(?: the)? (?:north|south)(?:er(?:ly|n)|wards?)?|"
        r"more (?:northern|southern)|(?:nearer|closer)(?: to)?(?: the)? (?:north|south) pole"
    ),
    "slope": r"steeper|gentler|flatter|(?:more|less) (?:steep|gent|sloping|inclined)(?:ly|le)?",
    "albedo": r"brighter|darker|paler|(?:more|less) (?:bright|dark|reflective)",
    "relief": r"rougher|smoother|(?:more|less) (?:rugged|rough|smooth)",
    "elevation": r"(?:higher|lower)(?: (?:up|down|lying))?|(?:more|less) elevated",
}
_COMPARED = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, words in VALUES_COMPARED.items()}

_ADVERBS = (
    r"(?:(?:significantly|much|typically|generally|usually|mostly|mainly|clearly|even|far|slightly|rather|"
    r"somewhat|on average|overall|in general) )*"
)
_BEFORE = rf"(?:(?:at|on|in|with|over|of|to) )?(?:an? |the )?{_ADVERBS}"
_MEAN = r"(?:mean |median |average |typical |local )?"
_HEIGHTS = r"heights?|levels?"
_LATITUDES = r"(?:north|south)er(?:n|ly) latitudes?"
_VALUE = rf"(?:{ANY_QUANTITY}|{_HEIGHTS}|{_LATITUDES})"
_GROUND_WORDS = r"(?:ground|terrain|surfaces?|slopes?|places|land)"
_HIGH_GROUND = r"(?:ground|terrain|slopes|surfaces|places)"
_ADJECTIVE = "|".join(VALUES_COMPARED.values())
_OF_VALUE = r"(?:higher|lower|more|less|greater|larger|smaller|lesser)"
# "higher", "at lower elevation", "on steeper ground", "at greater heights", "higher or lower"
_COMPARATIVE = (
    rf"{_BEFORE}(?:{_OF_VALUE} {_MEAN}{_VALUE}|(?:{_ADJECTIVE})(?: or (?:{_ADJECTIVE}))?(?: "
    rf"{_MEAN}{_VALUE}| {_GROUND_WORDS})?)"
    r"(?: on average| in general| overall)?"
)
_THAN = r",? than(?: (?:are|is|do|does))?(?: (?:the )?(?:that|those|ones) (?:of|at|under|for))?"
_DIFFERENT = rf"{_BEFORE}(?:different|differing|another|dissimilar) {_MEAN}{_VALUE}"
_FROM = r" (?:from|than|to|compared (?:with|to))(?: (?:that|those) (?:of|at|under|for))?"

# Words that make up "the rest of the planet", "the ground at large", "average", "its surroundings".
_WHOLE = (
    r"(?:rest|remainder|most|average|mean|median|typical|usual|normal|norm|global|general|whole|entire|"
    r"observed|"
    r"surrounding|surroundings|planetary|planet|background|overall|other|surface|ground|terrain|globe|"
    r"places|world|everything|everywhere|elsewhere|anywhere|at large|as a whole|in general|on "
    r"average|all over)"
)
_MORE_OF_WHOLE = (
    rf"(?:{_WHOLE}|else|index|around|them|it|elevation|altitude|height|level|slope|"
    r"latitude|albedo)"
)
_ENDS = r"(?=\s*(?:[?.!,;:)]|$)| (?:and|or|but|do|does|is|are|was|please|pls|which|they|here|too)\b)"
GROUND = (
    rf"(?:(?:that|those) of )?(?:the |their |its |an? )?{_WHOLE}\b(?:,?(?: of)?(?: the| its)? "
    rf"{_MORE_OF_WHOLE}\b)*{_ENDS}"
)

_PLANET = r"(?:planet(?:ary)?|glob(?:e|al)|world|surface|ground|terrain|body)"
_OFTEN = (
    r"(?:common|frequent|numerous|abundant|widespread|plentiful|prevalent|ubiquitous|populous|often|many)"
    r"(?:ly)?"
)
_NUMBERS = r"(?:numbers?|counts?|populations?|amounts?|quantit(?:y|ies))"
_BY_CHANCE = r"(?! than (?:would|by|at random|chance|pure|random\w*|expect\w*|is|one would|you would)\b)"

COMPARISONS: tuple[tuple[str, ...], ...] = (
    (
        "density",  # no comparison of two things: "commoner at high latitudes"
        r"(?:higher|lower|greater|denser|commoner|rarer|"
        rf"(?:more|less) (?:{_OFTEN}|dense|concentrated)) (?:at|in|on) "
        rf"(?:high|higher|low|lower|steep|steeper|gentle|gentler) (?P<q>{ANY_QUANTITY})",
    ),
    (
        "than_ground",
        rf"(?:{_COMPARATIVE}{_THAN}|{_DIFFERENT}{_FROM}) {GROUND}",
        # "above the average height of the planet"
        rf"(?:above|below|over|under) (?:the )?(?:(?:{_PLANET} )?(?:average|typical)|{_PLANET} (?:mean|"
        rf"median)) "
        rf"(?:{ANY_QUANTITY}|{_HEIGHTS})(?: of (?:the )?{_PLANET})?",
        rf"(?:above|below|over|under) (?:the )?(?:mean|median) (?:{ANY_QUANTITY}|"
        rf"{_HEIGHTS}) of (?:the )?{_PLANET}",
        r"(?:prefer|favou?r|concentrated? (?:at|on))s? "
        r"(?:(?:certain|particular|some|specific|the|high|low|higher|lower|steep|gentle|bright|dark) )*"
        rf"(?:{_VALUE}|(?<=high ){_HIGH_GROUND}|(?<=low ){_HIGH_GROUND}|(?<=er ){_HIGH_GROUND}|"
        rf"(?<=steep ){_HIGH_GROUND})(?! (?:of|above|below|between|over|under|[-+]?\d))",
    ),
    (
        "higher_than",
        rf"{_COMPARATIVE}{_THAN}(?! (?:[-+]?\d|would|by|chance|pure|random|expected|is expected|you|one))",
        rf"{_DIFFERENT}{_FROM}",
        rf"{_BEFORE}{_VALUE} (?:comparable|similar|equal|identical) (?:to|with)(?: (?:that|those) of)?",
    ),
    (
        "compare_by",
        r"(?:differ(?:s|ent|ence|ences)?|compar(?:e|es|ed|ing|ison)) (?:significantly |much )?"
        rf"(?:in |by |with respect to |in terms of |of )?(?:the |their |its )?{_MEAN}"
        rf"(?P<q>{ANY_QUANTITY}|{_HEIGHTS})(?: above (?:the )?(?:mean )?datum)?(?: of| between| at)?",
    ),
    (
        "compare_by",
        rf"{_MEAN}(?P<q>{ANY_QUANTITY}|{_HEIGHTS}) (?:comparison|differences?|contrast|offset|gap)"
        r"(?: (?:of|between|for))?",
    ),
    (
        "compare_by",
        rf"(?P<q>{ANY_QUANTITY}|{_HEIGHTS}) above (?:the )?(?:mean )?datum(?=(?: of)?:)",
    ),
    (
        "beside_average",
        r"(?:above|below|over|under)(?: the)? (?:average|mean|normal|typical|usual)"
        rf"(?: (?:{ANY_QUANTITY}|{_HEIGHTS}))?(?: of the (?:planet|surface|ground))?",
    ),
    ("height", rf"(?:by|in|for|of) (?:{_HEIGHTS})(?: above (?:the )?datum)?"),
    (
        "which_higher",
        r"(?:which|what|who)(?: of (?:them|these|those|the (?:2|two)))? (?:one )?(?:lies?|are|is|"
        r"occurs?|sits?|"
        rf"stands?|ones? (?:are|is|lie))(?: found| located)? {_COMPARATIVE}(?! than)",
        r"(?:which|what|who)(?: of (?:them|these|those|the (?:2|two)))?(?: ones?)? (?:has|have|shows?|"
        r"reach(?:es)?|"
        rf"occup(?:y|ies)) {_COMPARATIVE}(?! than)",
        r"(?:which|who)(?: of (?:them|these|those|the (?:2|two)))? (?:lies?|are|is|occurs?|sits?) (?:the )?"
        r"(?:highest|lowest|steepest|flattest|brightest|darkest|(?:farthest|furthest) (?:north|south)|"
        r"(?:north|south)ernmost)(?=\s*(?:[?.!,;:]|$))",
    ),
    (
        "same_by",
        r"(?:(?:at|on|in|within|of|among) )?(?:the |a )?"
        r"(?:same|equal|similar|comparable|common|one|different) "
        r"(?P<q>elevations?|altitudes?|slopes?|slope angles?|aspects?|albedos?|thermal inertias?|relief|"
        r"heights?|levels?)(?: (?:bands?|range|class(?:es)?))?",
    ),
    (
        "ground",
        r"(?:(?:when|as|if) )?(?:(?:compared|relative|in comparison|different|differing|differs?)(?: "
        r"significantly)? )?"
        rf"(?:with|to|against|versus|vs\.?|from|than) {GROUND}",
    ),
    (
        "poleward",
        r"(?:at |in )?(?:more |farther |further )?(?P<way>poleward|equatorward)s?(?: of)? than",
        r"(?:nearer|closer|farther|further|less close)(?: (?:to|from|away from))?(?: the)? "
        r"(?P<pole>poles?|equator) than",
    ),
    ("comparative", _COMPARATIVE),
    # Compares only where there is something to compare with: "in low places compared to the planet"
    (
        "level",
        r"(?:(?:at|on|in) )?(?:(?:rather|very|mostly|the|particularly) )*(?:high|low)(?: lying)? "
        r"(?:ground|places|terrain|areas|land|regions|spots|positions|elevations?|altitudes?|levels?)"
        r"(?! (?:of|above|below|between|over|under|[-+]?\d))",
    ),
    # Numbers
    (
        "numerous",
        rf"(?:more|less) {_OFTEN}{_BY_CHANCE}",
        r"commoner|rarer|scarcer|sparser|denser|more (?:dense|concentrated)(?:ly)?|more of(?= "
        r"[^\W\d])(?! th[eo])",
        r"(?:greater|larger|bigger|smaller) than (?:that|those|the (?:numbers?|area|share)) of|"
        r"exceeds? (?:that|those|the (?:numbers?|area|share)) of",
        r"(?:greater|larger|bigger|smaller)(?= (?:above|below|in|on|at|north|south|near|than "
        r"(?![-+]?\d)|within|inside)\b)",
        rf"(?:as|equally|just as) {_OFTEN}(?: as)?",
        r"outnumber(?:s|ed|ing)?(?: by)?|prevail(?:s|ing)?|predominates?|dominates?",
        rf"(?:in |at |with )?(?:an? |the )?(?:greater|larger|higher|bigger|smaller|lower) "
        rf"(?:{_NUMBERS}|densit(?:y|ies)|concentrations?|frequenc(?:y|ies)|abundances?)(?: of)?",
    ),
    (
        "mostly",
        r"(?:mostly|mainly|predominantly|primarily|chiefly|largely|mostly only|for the most part)"
        r"(?= (?:found |located |lying |situated |concentrated )?(?:in|on|at|north|south|above|below)\b)",
    ),
    (
        "which_half",
        r"(?:(?:in|on) )?(?:which|what) (?:of the (?:2 |two )?)?(?:hemispheres?|half|halves)(?: of "
        r"the (?:planet|globe))?",
        r"(?:on )?(?:which|what) side of the equator|which pole|at which (?:of the )?poles?",
        r"(?:favou?rs?|prefers?|preference for) (?:one|a|either|any|some)(?: of the)? "
        r"(?:hemispheres?|half|side)",
        r"(?:one|either) hemisphere (?:more|over|rather)(?: than)?(?: the other)?",
        r"hemispher\w+ (?:asymmetr\w+|dichotom\w+|differences?|preference)|"
        r"(?:between|of) the (?:2 |two )?hemispheres",
    ),
)


def compared_value(text: str) -> str:
    """The quantity that "higher", "on steeper ground" or "at lower elevation" compares."""
    named = quantities_in(text)
    if named:
        return named[0]
    return next((name for name, words in _COMPARED.items() if words.search(text)), "elevation")
