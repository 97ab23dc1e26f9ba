"""Phrases of follow-up questions, as patterns over rows of words with marks (`followups.skeleton`).

A row has no articles and no polite words. Each pattern stands for one meaning, whatever is named in it.
"""

from __future__ import annotations

import re

from agent.grammar.lexicon import words


def one_of(*phrases: str) -> str:
    """A pattern for any of some phrases."""
    return rf"(?:{'|'.join(phrases)})"


def any_of(text: str) -> str:
    """A pattern for any of the words of a text."""
    return rf"(?:{'|'.join(sorted(words(text), key=len, reverse=True))})"


def some(*phrases: str) -> str:
    """A pattern for any number of phrases, each with a space before it."""
    return rf"(?: {one_of(*phrases)})*"


def row(*phrases: str) -> re.Pattern[str]:
    """A compiled pattern for any of some phrases."""
    return re.compile("|".join(phrases))


_I_WANT = r"i (?:want|need|wonder|think|guess|suppose|would like|would love|would prefer)"
POLITE = re.compile(
    r"\b"
    + one_of(
        r"if (?:you|i) (?:would|could|may|might|can|do)(?: not)?(?: be so (?:kind|good))?"
        r"(?: as to)?(?: ask| mind| please)?",
        r"(?:would|could|can|will) you(?: please| kindly| be so (?:kind|good)(?: as to)?)?",
        r"(?:can|could|may|might|shall|should) (?:i|we)(?: please| also| now)* (?:have|get|see|ask for)",
        r"would you say(?: that)?|do you think|if possible",
        r"(?:for|tell|show|give) me|let me see|let us|lets",
        rf"(?:{_I_WANT}|id (?:like|love|prefer|want|rather))(?: (?:to )?(?:see|know|have))?"
        r"(?: whether| if)?",
        r"for (?:a moment|now)|by the way|in that case|all right",
        any_of(
            "please pls plz kindly thanks thx hm hmm uh um oh ah well ok okay alright sorry actually maybe "
            "perhaps simply basically hi hey yes yeah yep great cool"
        ),
        "thank you",
    )
    + r"\b",
    re.IGNORECASE,
)
HOW_MANY = re.compile(
    r"\b(?:how many|how often|the number|count)\b"
    + some("of", "are", "is", "lie", "do", "there", "it", "that", "them", "those")
)

# Numbers

_MUCH = any_of("lot much far way considerably significantly")
_WIDER, _TIGHTER = (
    any_of("wider larger bigger greater farther further looser"),
    any_of("tighter closer nearer smaller narrower stricter shorter"),
)
_IT = r"(?: it| that| distance| radius| range)"
# A factor on the distance before, by words; the first that is found counts.
FACTORS: tuple[tuple[str, float], ...] = (
    (rf"\b{_MUCH} {_WIDER}\b", 3.0),
    (rf"\b{_MUCH} {_TIGHTER}\b", 1 / 3),
    (r"\bdoubl(?:e|ed|ing)\b|\btwice\b|\b2 times\b", 2.0),
    (r"\btripl(?:e|ed|ing)\b|\b3 times\b|\bthree ?fold\b", 3.0),
    (r"\bhal(?:f|ve|ved|ving)\b", 0.5),
    (r"\bthird\b", 1 / 3),
    (rf"\b{_WIDER}(?: out)?\b|\bmore generous\b", 1.5),
    (rf"\b{any_of('widen extend expand enlarge broaden loosen relax stretch increase')}{_IT}", 1.5),
    (rf"\b{_TIGHTER}\b", 1 / 1.5),
    (rf"\b{any_of('tighten shrink reduce narrow decrease')}{_IT}", 1 / 1.5),
)
EXACT_FACTORS = (2.0, 3.0, 0.5)
A_BIT = re.compile(r"\b(?:little )?bit |\blittle |\bslightly |\bsomewhat ")
_RAISE = (
    r"(?:increas\w+|rais\w+|widen\w*|extend\w*|expand\w*|enlarg\w+|grow|broaden|further|farther|more|wider)"
)
_LOWER = (
    r"(?:decreas\w+|lower\w*|reduc\w+|shrink|tighten\w*|narrow\w*|less|closer|nearer|tighter|smaller|shorter)"
)
BY_MORE = re.compile(rf"\b{_RAISE}\b(?: \w+){{0,4}} by N\d|\bN\d {_RAISE}\b|\b(?:add|plus) N\d")
BY_LESS = re.compile(rf"\b{_LOWER}\b(?: \w+){{0,4}} by N\d|\bN\d {_LOWER}\b")
_MORE_THAN = one_of(
    r"(?:more|farther|further|greater) than", "at least", "beyond", r"outside(?: of)?", "over", "not within"
)
_LESS_THAN = one_of(
    "within", "inside", "in", "under", "up to", r"(?:closer|nearer|less|fewer) than", "at most"
)
# "30 miles, not kilometres": the unit that is not meant.
OTHER_UNIT = re.compile(
    r" (?:(?:and )?not|instead of|rather than|no) (?:in )?(?:km|kilomet(?:re|er)s?|miles?|met(?:re|er)s?|"
    r"tiles|degrees)\b"
)
# "Everywhere, not only in that valley": the limit goes, nothing is left out.
NOT_ONLY = re.compile(
    r"\b(?:(?:do )?(?:not|no longer|instead of)(?: (?:only|just|merely|solely|limited|restricted|confined|"
    r"to|keep))+) "
    r"(?:(?:in|to|at|on|within|around|near|inside|those|ones) )*(?P<limit>[PR]\d)"
)
FAR = re.compile(rf"\b{_MORE_THAN} N\d|\bN\d (?:away|or more)\b")
CLOSE = re.compile(rf"\b{_LESS_THAN} N\d|\bN\d or less\b")

# Words that say which number is meant, and the sort of limit.
NAMES_OF_LIMITS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"\b(?:{pattern})\b"))
    for kind, pattern in (
        ("distance", r"distances?|radius|range|buffer|proximity|nearness|closeness|how far|reach"),
        ("latitude", r"latitud\w+|hemispheres?"),
        ("longitude", r"longitud\w+"),
        ("elevation", r"elevations?|altitudes?|heights?"),
        ("probability", r"probabilit\w+|confidences?|certainty|scores?|threshold"),
        ("value", r"slopes?|steepness|aspects?|albedo|facing|relief"),
        ("place", r"places?|regions?|areas?|locations?|geograph\w+|spatial"),
        (
            "all",
            r"limit(?:ation)?s?|conditions?|restrictions?|constraints?|filters?|criteri\w+|requirements?",
        ),
    )
)

# Limits

# Leave a condition out of a question; of these only `DROP_THINGS` may have a thing behind them.
DROP_THINGS = re.compile(r"drop|forget|ignor|remov|skip|disregard|omit|never|leav|tak|get|no longer|do not c")
DROP = re.compile(
    r"\b"
    + one_of(
        r"(?:drop|forget|ignor\w+|remov\w+|skip|lift|cancel|disregard\w*|omit\w*|delet\w+|eras\w+|clear|undo|"
        r"scrap|discard)(?: about)?",
        r"(?:i )?do not (?:care|mind|worry)(?: about)?",
        r"without|never ?mind(?: about)?|no more|no longer|no|minus|except|whatever|no matter|any",
        r"(?:leave|leaving) (?:out|away|off|aside)|take (?:out|away|off)|get rid of|do away with",
        r"do not (?:use|apply|limit|restrict)(?: (?:it|them|that) to)?|not (?:limited|restricted)(?: to)?",
        r"regardless of|irrespective of|independent(?:ly)? of|at any|at all|in all",
    )
    + r"\b"
)
_PLANET = any_of("planet globe world index body surface lowell mars moon mercury")
ANYWHERE = re.compile(
    r"(?:(?:all )?(?:on|over|across|for|in|of|throughout|around) )?"
    + one_of(
        rf"(?:whole|entire|full|complete|all)(?: of)? {_PLANET}",
        r"(?:anywhere|everywhere|wherever)"
        + some(
            "else", "on", "in", "over", "across", "it is", "they are", "at all", "whole", "entire", _PLANET
        ),
        r"globally|(?:globe|planet|world) ?wide|all over",
        r"(?:all|any|every|both) (?:latitudes?|places?|regions?|hemispheres?|locations?)",
        r"at any (?:latitude|place|location)|no matter where|regardless of where",
    )
)
# Leave things out of an answer.
REMOVE = one_of(
    any_of("drop remove discard exclude omit delete reject skip ignore eliminate subtract forget hide"),
    r"(?:leave|take|throw|kick|filter|sort|weed|cut|rule|strip) (?:out|away|off)",
    r"get rid of|(?:but )?without|except(?: for)?|no|not",
)
THOSE = any_of(
    "everything anything all those these ones any every that which who is are lie lies lying of them what "
    "whatever tile tiles hit hits detection detections result results entries"
)
_PROBABILITY = r"(?: (?:probability|confidence|score|certainty)(?: of)?)?"
BELOW = re.compile(
    rf"(?:{THOSE} )*(?:(?:with|having|at|has|have) ?)?{_PROBABILITY} ?"
    r"(?:under|below|(?:less|lower|smaller|worse)(?: (?:likely|sure|certain|probable))? than)"
    rf"{_PROBABILITY} (?P<n>N\d)"
    r"(?: (?:probability|confidence|percent|sure))?"
)

# Sides

SWAP = row(
    r"(?:swap|switch|revers\w+|invert\w*|flip|exchange|turn)"
    + some(
        any_of(
            "it them that these those 2 both role roles around round over place places position positions "
            "side sides order question relation things subject object and"
        )
    ),
    r"(?:it |it is )?other way (?:a?round|about)|vice ?versa|conversely|reverse|inverse|converse",
    r"opposite direction|with roles (?:swapped|reversed|exchanged)|turned around",
)
REST = re.compile(
    r"(?:other (?:hemisphere|half|side)|rest|others?|remaining(?: ones?)?|remainder|opposite|complement|"
    r"ones? left(?: over)?|other ones?|"
    r"left ?overs?|left(?: over)?|elsewhere)(?: of (?:them|those|these|it))?"
)
_ONES = any_of(
    "and but so which what about where are show list only one ones tiles those them of they these that who "
    "is do does did have has had lie there number count also how many"
)
_MEET = any_of(
    "any one ones so it that this there them meet fulfil fulfill satisfy match have has condition conditions "
    "do near close nearby in within of those which are is lie apply range limit limits such"
)
NOT_THOSE = re.compile(rf"(?:{_ONES} )*(?:not|without|none|never|outside|lacking)(?: {_MEET})*")
WITHOUT = re.compile(
    rf"(?:{_ONES} )*(?:now )?(?:without|no|not near|away from|far from)(?: any)? (?P<thing>T\d)"
)

# Other questions about the same things

ANYWHERE_ALIKE = row(
    r"(?:and |but )?(?:would|could|might|do|does|will|should) (?:i|you|we|one|it|that|this|they) "
    r"(?:see|find|get|expect|have|be|look|happen)"
    + some(any_of("that this it same so like as many much just"))
    + r" (?:anywhere|everywhere|elsewhere|in any (?:place|region|area)|at any (?:place|point))"
    r"(?: else| anyway)?",
    r"(?:is|are) (?:that|this|it|they|there) (?:just |only |simply )?(?:same|as many|alike) "
    r"(?:anywhere|everywhere|elsewhere)(?: else)?",
)
_THEY = r"(?:they|these|those|it|that|them|ones|things|those ones|tiles|places)"
_LIE = r"(?:sits?|lies?|located|found|situated|up)"
_ARE = rf"(?:do|does|are|is) {_THEY}"
HOW_HIGH = row(
    rf"(?:and |but )?how (?:high|low)(?: up| down)? {_ARE} {_LIE}",
    rf"(?:and |but )?how (?:high|low) (?:up|down)(?: {_ARE})?(?: {_LIE})?",
    r"(?:and )?(?:at )?what(?: (?:is|are))? (?:their |its )?(?:(?:mean|median|average|typical|usual) )*"
    r"(?:heights?|elevations?|altitudes?|elevation levels?)(?: above (?:datum|zero|reference|areoid))?"
    rf"(?: (?:do|does|are|is|of) {_THEY})?(?: (?:{_LIE}|at|have))*",
)

VALUES = row(r"(?:and |what about |how about |what |is |are |of )*(?:their|its) (?P<quantity>[a-z ]{4,20})")
NEARBY = row(
    r"(?:(?:and|but|also|now|so) )*(?:(?:are|is|were) there|any|do they have|have they|with|having|have)"
    r"(?: any)? (?P<thing>T\d) "
    r"(?:nearby|around|close by|in (?:their |its )?(?:vicinity|neighbourhood|surroundings))"
    r"(?: (?:of )?(?:them|those|it|these))?"
)

# Answers before the last

_RESULTS = any_of("one ones result results answer answers question questions hits set search layer thing")
_AMONG = r"\b(?:(?:of|in|for|from|among|to) )?(?:the )?"
EARLIER = re.compile(
    rf"{_AMONG}(?:ones? before(?: (?:that|this|those|these|last))?|"
    rf"(?:previous|earlier|prior|preceding|former) {_RESULTS}|last but one|one before(?: that)?)\b|"
    r"(?<!as )\b(?:were (?:there|they) )?before(?=[?.! ]*$)"
)
FIRST = re.compile(rf"{_AMONG}(?:(?:very )?first {_RESULTS}|original {_RESULTS}|beginning)\b")
BACK = re.compile(
    r"(?:(?:(?:now|so|and|lets|let us) )*(?:go|going|come|coming|get|getting|switch)(?= back\b)(?: back)|"
    r"back|return|returning|as for|once more)(?: (?:to|about))? (?:(?:the|those|these|our|my) )*",
    re.IGNORECASE,
)
_PAIR = r"(?:them|both|2|these|those|results?)"
BOTH = re.compile(
    r"(?:(?:and|now|so|then) )*"
    + one_of(
        rf"both{some('of them', 'of those', 'together', 'at once', 'results?', 'combined', 'sets?')}",
        r"(?:(?:these|those|them) )?(?:2|both|all)(?: of (?:them|those|these))? together|together",
        rf"combined?(?: {_PAIR})*|(?:put|take|show|join|add|count) (?:both|2)(?: together)?",
        rf"(?:put|take|show|join|add|count) {_PAIR} (?:both|together|up)",
        rf"union(?: of {_PAIR})?",
    )
    + r"(?: (?:together|in one(?: layer)?|now|combined))?"
)
TOGETHER = re.compile(
    r"(?:and )?(?:where|which|how many|show where)?(?: (?:do|are|is|of them))* ?"
    r"(?:both|they|2|these 2|them)? ?"
    r"(?:(?:occur|lie|found|appear|are|do|come|meet|sit|coincide|overlap|together|side by side|both|"
    r"each other|"
    r"(?:in|at) (?:one|same) (?:place|tile|spot|location)s?) ?)+"
)
UNDO = re.compile(
    r"(?:and |now |so )*(?:undo(?: (?:that|it|last step|last|this))?|"
    r"(?:go |take (?:that|it) |one step |step )?back|"
    r"scrap (?:that|it)|as it was(?: before)?|forget (?:that|it)|previous(?: one)?)"
)
EACH_OTHER = re.compile(r"\b(?:each other|one another|between (?:them|those|these))\b", re.IGNORECASE)
PRONOUN = re.compile(r"\b(?:they|them|those|these)\b", re.IGNORECASE)
BOTH_OF_THEM = re.compile(
    r"\bboth(?: of (?:them|those|these))?\b(?! (?:hemisphere|pole|side|end|the |of )\w*)", re.IGNORECASE
)
THE_TWO = re.compile(
    r"\b(?:of |between |among )?(?:(?:the|these|those|them|both) 2(?: of them)?|the pair)\b", re.IGNORECASE
)

# Things

# Old and new stand side by side; the names of the groups say which is which.
_NEW, _OLD = r"(?P<new>T\d)", r"(?P<old>T\d)"
REPLACED: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_NEW}(?: now| then)? (?:instead of|in place of|rather than|not|in lieu of|as opposed to) {_OLD}",
        rf"(?:replace|swap|switch|exchange|change|trade|turn|convert)(?: out)? {_OLD} (?:out )?"
        rf"(?:by|with|for|to|into|against) {_NEW}",
        rf"(?:substitute|put|use|take|insert) {_NEW} (?:for|instead of|in place of) {_OLD}",
        rf"(?:not|no|forget|drop|instead of|rather than) {_OLD} "
        rf"?(?:(?:and )?(?:but|use|take|rather))? {_NEW}",
        rf"(?:i )?(?:meant?|said|mean) {_NEW}(?: not {_OLD})?",
    )
)
# Words that mark a row of things, places and numbers as a change of the question before.
OPENERS = re.compile(
    r"^(?:and|what about|how about|what if|what of|now|then|same|also|next|or|but|as for)\b|"
    r"\b(?:instead|again|repeat|redo|once more|do it|do that|try|use|take|switch to|change|make it|"
    r"make that|meant|run it)\b"
)
_AFTER_SAME = any_of("for with question search thing things again but in on at near now one of")
_SAME = rf"\bsame(?= (?:{_AFTER_SAME}\b|[TPRN]\d)| ?$)"
AS_BEFORE = re.compile(rf"{_SAME}|\b(?:again|repeat|redo|do it|do that|once more)\b")
# A thing at the start, behind a preposition: "of wrinkle ridges?"
_LEADING = any_of(
    "and or but now then next also only so what how about if of same again it that do those ones many far is "
    "are does hold true apply change switch go just question thing search"
)
FIRST_THING = re.compile(
    rf"(?:{_LEADING} )*?"
    r"(?P<preposition>of|from|near|to|around|by|close to|next to|beside|away from|far from|towards|along|"
    r"than|on|in|for|with) T\d"
)
CHANGES = re.compile(r"\b(?:change|changed|make|set|use|try|instead)\b")
INSTEAD = re.compile(r"\b(?:instead|same|rather)\b")
FOCUS = re.compile(r"\b(?:zoom|focus|concentrate)\b")
# A verb whose particle comes last: "take the limit away".
PARTED = re.compile(
    r"\b(?P<verb>leave|take|throw|kick|cut|filter|sort|rule) (?P<rest>.+) (?P<out>out|away|off)$"
)
ADDS = re.compile(r"\b(?:also|too|as well|additionally|in addition)\b")
# A question of its own: what it names is looked for anew.
AFRESH = re.compile(
    r"\b(?:where|show|find|list|give|look|see|which)\b|"
    r"^(?:do|does|did|are|is|have|has|can|how)\b(?! (?:about|many|far)\b)"
)

_JOINS = any_of("and or but now then same instead try those ones only just that are lie which of them also")
RELATED = re.compile(
    rf"(?:(?:{_JOINS}|what about|how about|do it) )*(?:(?P<far>{_MORE_THAN})|{_LESS_THAN})? ?"
    r"(?:(?:than|to|at|distance|radius|about) )*(?P<n>N\d)(?: (?:away|radius|distance))? "
    r"(?:of|from|to|around|than) (?P<thing>[TP]\d)(?: (?:instead|then|now|again))*"
)
CLOSE_TO = re.compile(
    rf"(?:{_JOINS} )*(?:(?P<far>away from|far from|far away from)|near|close to|next to|by|around|beside) "
    r"(?P<thing>T\d) (?:(?:say|about|like|at|maybe|within|meaning|so|i|mean|is|something) )*(?P<n>N\d)"
)

# What made a landform, by words of the glossary: "the same for X" means the one of its kind.
AGENTS: tuple[str, ...] = (
    r"\bfault|compress|tectonic|stretch|crust",
    r"\bwinds?\b|blown|\bsand\b|\bdust\b",
    r"\blava\b|magma|erupt|volcan",
    r"\bwater\b|\briver|\blakes?\b|flood|runoff",
    r"\bice\b|glaci|frost|snow",
    r"impact|ejecta",
)
