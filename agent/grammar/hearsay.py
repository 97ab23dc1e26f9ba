"""What a question tells before it asks: "Everyone says cones follow channels. Show me the exceptions, ...".

A sentence of what others say or do, or of what is usual, limits nothing when the next sentence asks where
something is, with limits of its own; of the first only what "the exceptions" or "none" stands for is kept.
A test of what others say needs the sentence, and keeps it.
"""

from __future__ import annotations

import re

from agent.grammar.lexicon import Lexicon
from agent.grammar.tokens import Token, tokenise

_WHO = (
    r"(?:almost |nearly |just about )?(?:every(?:one|body)|(?:most|many|some|other|all)(?: \w+)?|people|"
    r"others|they|"
    r"nobody|no one|(?:the |our |my |a )?(?:text ?books?|papers?|literature|colleagues?|students?|"
    r"professor|boss|"
    r"supervisor|teachers?|reviewers?|team|rivals?|competitors?|press|media))"
)
_DO = (
    r"(?: (?:always|usually|often|only|mostly|here|there|else|already|normally))*"
    r" (?:say|think|expect|map|claim|look|believe|assume|know|stud(?:y|i)|search|find|focus|talk|speak|"
    r"show|publish|"
    r"work|write|tell|hunt|want|like|concentrate|go|report|describe|count|chase|care)(?:e?s|ed|ing)?\b"
)
_USUALLY = (
    r"(?:normally|usually|generally|typically|as a rule|in general|mostly|often|of course|it is (?:well "
    r")?known|"
    r"we (?:all )?know|i (?:already )?know|i have (?:already )?seen|i (?:already )?have)\b"
)
_TOLD = re.compile(rf"(?:(?:well|ok|so|but|look|see)\b,? )?(?:{_WHO}{_DO}|{_USUALLY})", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!;])\s+|\s+[–—-]\s+")
_EXCEPTIONS = re.compile(
    r"\b(?:the |any |all |such )?(?:exceptions?(?: to (?:this|that|the rule))?|outliers?|counter "
    r"?examples?|odd ones(?: out)?|"
    r"rule breakers?|oddballs?)\b",
    re.IGNORECASE,
)
_NONE = re.compile(r"\bnone\b(?! of)", re.IGNORECASE)
# With these the next sentence asks whether it is so.
_ASKS_BACK = re.compile(
    r"\b(?:true|right|correct|agree|tests?|tested|check|checks|hold|holds|confirm|support\w*|real|really|"
    r"myth|so)\b",
    re.IGNORECASE,
)
_TESTS = {"linked", "linked_to", "chance", "avoid", "strata", "null", "compare", "orientation", "trial"}
_LIMITS = {"region", "place", "position", "near", "near_km", "without", "without_km", "among_km", "beyond_km"}
_LIMITS |= {"ring_km", "absent", "nearby", "away"}


def asked_only(text: str, lexicon: Lexicon, tile_km: float) -> tuple[str, str]:
    """A normalised question without a sentence that only leads up to it, and a remark for the answer."""
    first, *others = _SENTENCES.split(text, maxsplit=1)
    if not others or "?" in first or not _TOLD.match(first):
        return text, ""
    (rest,) = others
    told = [token for token in tokenise(first, lexicon, tile_km) if token.kind == "item"]
    rest = _filled_in(rest, told, lexicon, tile_km)
    tokens = tokenise(rest, lexicon, tile_km)
    kinds = {token.kind for token in tokens}
    if _ASKS_BACK.search(rest) or kinds & _TESTS or not ("item" in kinds and kinds & _LIMITS):
        return text, ""
    return rest, f"“{first.strip(' .;!')}” was taken as what leads up to the question, not as a condition"


def _filled_in(rest: str, told: list[Token], lexicon: Lexicon, tile_km: float) -> str:
    # "the exceptions" are of the first thing told, "none" is of what is not named again
    if not told:
        return rest
    filled = _EXCEPTIONS.sub(lambda _: told[0].text, rest)
    named = {token.value for token in tokenise(filled, lexicon, tile_km) if token.kind == "item"}
    left = [token.text for token in told if token.value not in named]
    return _NONE.sub(lambda _: f"no {left[0]}", filled) if left else filled
