"""Questions that images and positions cannot answer, recognised by their wording."""

from __future__ import annotations

import re

from agent.grammar.query import Reason, Refusal

_CAN = (
    "where landforms are, near, without or beside others, within limits, how many, how dense, at what "
    "elevations and slopes, and how they are oriented"
)
_EXAMPLE = "Where are {a} near {b}?"

_FORM = r"(?:form|formed|made|created|originate|originated|come about|emplaced|arise)"

# Reason, alternatives of the pattern, what is said. The first that is found anywhere in the question counts.
_TABLE: tuple[tuple[Reason, tuple[str, ...], str], ...] = (
    (
        "secret",
        (
            r"api key|password|system prompt|your (?:prompt|instructions)",
            r"environment variables?|shell command",
        ),
        "I only answer questions about the surface that the index shows",
    ),
    (
        "off_topic",
        (
            r"\bjokes?\b|poems?\b|haiku|\bsong\b|lyrics|recipes?\b|weather|javascript|\bpython\b|source code",
            r"write (?:me )?(?:a |some )?(?:code|essay|email|letter|story)|translate|stock (?:price|market)",
            r"football|president|prime minister|capital of|bitcoin|homework|movie|horoscope",
            r"what time is it|who (?:won|wrote|invented)",
        ),
        "this is not a question about the surface of a planet",
    ),
    (
        "life",
        (
            r"\baliens?\b|extraterrestrial|\blife on\b|signs? of life|bacteria|microbes|civili[sz]ations?",
            r"is there (?:any )?life",
        ),
        "pictures from orbit at this scale cannot tell anything about life",
    ),
    (
        "age",
        (
            r"\bhow (?:old|young|long ago|recent(?:ly)?)\b|(?:what|which) (?:is the )?ages?\b",
            r"\bages? (?:of|do|does)\b|\bwhen (?:did|was|were|do|does)\b|(?:older|younger) than",
            r"(?:billion|million|thousand)s? (?:of )?years|crater (?:counts?|counting|dating|retention)",
            r"\bdate (?:the|these|those|this)\b|absolute age|\boldest\b|\byoungest\b",
        ),
        "the index holds pictures and positions but no ages",
    ),
    (
        "cause",
        (
            r"\bwhy\b|\borigins? of\b|explain (?:why|how|the)|(?:which|what) process(?:es)?|\bcaused by\b",
            r"what (?:could |may |might )?(?:caused?|causes|made|makes|formed|forms|creates?d?|explains)\b",
            r"what (?:could |may |might )?(?:produces?d?|triggers?|triggered)\b|\bmechanisms?\b",
            rf"\bhow (?:did|do|does|were|was|are|is)\b[^.?!]*\b{_FORM}\b",
        ),
        "where landforms are does not tell how they formed, so I cannot name a cause",
    ),
    (
        "measurement",
        (
            r"\bhow (?:deep|tall|high|big|wide|long|thick|fast|hot|cold|warm|heavy)\b",
            r"\bhow steep\b(?! (?:is|are) the (?:ground|terrain|surface)\b)",
            r"\bhow large\b(?! an area)|\b(?:depths?|heights?|thickness|diameters?|sizes?|volumes?) of\b",
            r"\b(?:temperatures?|mass|speeds?|lengths?|widths?|slope angles?) of\b",
            r"(?:which|what) (?:side|way|wall|slope)s?\b[^.?!]*\bfac(?:e|es|ing)\b",
            r"(?:average|mean|typical|largest|smallest|median) (?:size|diameter|depth|height|length|width)",
        ),
        "sizes, depths and temperatures of landforms are not measured by the tools of this version",
    ),
    (
        "measurement",
        (r"\bpredict\b|\bforecast\b|will (?:there|it|they) (?:be|ever)|in the future|next year",),
        "the index is one set of pictures and says nothing about the future",
    ),
)
_RULES = tuple(
    (kind, re.compile("|".join(patterns), re.IGNORECASE), reason) for kind, patterns, reason in _TABLE
)
_HELP = re.compile(
    r"^\W*(?:help|hello|hi|hey|good (?:morning|evening|day)|thanks?(?: you)?|who are you|"
    r"what can (?:you|i) (?:do|ask)|how does this work|what is this|test)\b",
    re.IGNORECASE,
)


def refusal_of(text: str, landforms: tuple[str, ...], example: tuple[str, str]) -> Refusal | None:
    """The refusal of a question by its wording, or None.

    Parameters
    ----------
    text
        The normalised question.
    landforms
        Plural names of the landforms in it.
    example
        Two landforms for an example where the question has none.
    """
    for kind, pattern, reason in _RULES:
        if pattern.search(text):
            return Refusal(
                kind=kind, reason=reason, allowed=_CAN, suggestion=_suggest(kind, landforms, example)
            )
    return None


def nothing_to_find(text: str, example: tuple[str, str]) -> Refusal:
    """The refusal of a question without any landform."""
    suggestion = _EXAMPLE.format(a=example[0], b=example[1])
    if _HELP.match(text):
        reason = "I search the pictures of an index for landforms and combine and measure what I find"
        return Refusal(kind="help", reason=reason, allowed=_CAN, suggestion=suggestion)
    return Refusal(
        kind="off_topic",
        reason="I found no landform in this question",
        allowed=_CAN + "; words in double quotes are searched for as they are",
        suggestion=suggestion,
    )


def _suggest(kind: Reason, landforms: tuple[str, ...], example: tuple[str, str]) -> str:
    if len(landforms) > 1:
        return _EXAMPLE.format(a=landforms[0], b=landforms[1])
    if landforms:
        return f"Where are {landforms[0]}?"
    return _EXAMPLE.format(a=example[0], b=example[1])
