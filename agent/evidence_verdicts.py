"""The verdicts that tests give, and the words in which an answer may repeat or contradict them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.events import Step

NEAR, FAR, NONE, SOME, UNKNOWN = "nearer", "farther", "none", "some", "unknown"
SAME, CHANGED = "same", "changed"

_I = re.IGNORECASE
_RESULT = r"(?:answer|verdict|result|finding|conclusion)"
_NOT = r"\b(?:no|not|neither|nor|never|nothing|n't|without|lack|absence|fail(?:s|ed)? to)\b[^.;]{0,60}?"


@dataclass(frozen=True)
class Family:
    """One kind of test.

    Attributes
    ----------
    name
        What it tests, for a message.
    is_test, read
        Whether a step is such a test, and the verdicts it gave.
    topic
        Words by which a sentence speaks of it.
    patterns
        Verdicts and the words that state them, the first that fits counts.
    strict
        Words that state a verdict even where nothing of the kind was tested.
    """

    name: str
    is_test: Callable[[Step], bool]
    read: Callable[[Step], set[str]]
    topic: re.Pattern[str]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    strict: re.Pattern[str]

    def needs_test(self, words: str) -> bool:
        """Whether these words claim that a test was made."""
        return self.strict.search(words) is not None


def _association(step: Step) -> set[str]:
    said = step.summary
    first = said.split(". ")[0]
    if first.startswith("Cannot tell"):
        return {UNKNOWN}
    if re.search(r"\blies (?:neither|no) ", first):
        return {NONE}
    alone = {NONE} if "Taken by itself" in first else set()
    return {NEAR if "nearer" in first else FAR} | alone if re.search("nearer|farther", first) else set()


def _density(step: Step) -> set[str]:
    if re.search(r"differ no more than chance", step.summary):
        return {NONE}
    if re.search(r"cannot be told", step.summary):
        return {UNKNOWN}
    by_itself = {NONE} if "by this test alone" in step.summary else set()
    return {SOME} | by_itself if "differ more than chance" in step.summary else set()


def _axis(step: Step) -> set[str]:
    said, found = step.summary, set()
    if re.search(r"no common direction", said):
        found.add(NONE)
    if re.search(r": a common direction", said):
        found.add(SOME)
    if re.search(r"Cannot tell how|too few", said):
        found.add(UNKNOWN)
    if "if this test stood alone" in said:
        found.add(NONE)
    if re.search(r"they follow it", said):
        found.add(SOME)
    return found


def _shared_axis(step: Step) -> set[str]:
    said, found = step.summary, set()
    if re.search(r"Cannot tell whether L\d+ and L\d+ share", said):
        found.add(UNKNOWN)
    if re.search(r"they do not share an axis|they differ if", said):
        found.add(NONE)
    if re.search(r"no difference is shown|they follow it", said):
        found.add(SOME)
    return found


def _difference(step: Step) -> set[str]:
    if step.summary.startswith("Cannot tell"):
        return {UNKNOWN}
    if "do not differ" in step.summary:
        return {NONE}
    return {SOME} if re.search(r"\bhas a (?:higher|lower) ", step.summary.split(". ")[0]) else set()


def _stability(step: Step) -> set[str]:
    if "the answer is the same" in step.summary:
        return {SAME}
    return {CHANGED} if "the answer is “" in step.summary else {SAME, CHANGED}


FAMILIES = (
    Family(
        "an association",
        lambda step: step.tool == "associate",
        _association,
        re.compile(r"associat|nearer|closer|farther|linked|related|\btie\b|\btest of\b", _I),
        (
            (
                NONE,
                re.compile(
                    rf"{_NOT}(?:associat\w+|nearer|closer|linked to|linked with|tied to"
                    rf"|related to|correlat\w+)"
                    r"|\bunrelated to|\bindependent of|\bunassociated|\bas (?:often|near"
                    r"|close) as chance|\bconsistent with chance"
                    r"|\bassociation is (?:not|weaker|no)\b|\bnot (?:statistically )?significant\b"
                    r"|\brandomly (?:placed|spread)",
                    _I,
                ),
            ),
            (
                FAR,
                re.compile(
                    r"\bfarther\b(?! north| south| than [\d~])[^.;]{0,60}\bchance|\bavoid(?:s|ed|ing)?\b"
                    r"|\bless often than (?:chance|expected)"
                    r"|\bkeep(?:s)? away from",
                    _I,
                ),
            ),
            (
                NEAR,
                re.compile(
                    r"\b(?:is|are|were|was|be)\s+(?:[a-z]+ly\s+){0,2}(?:associated|linked|tied"
                    r"|correlated|related)\b"
                    r"|\b(?:nearer|closer) (?:to|than)\b"
                    r"|\b(?:an?|the|clear|strong|significant|real|positive) (?:[a-z]+ )?association\b"
                    r"|\bassociation (?:is|with|between)\b|\bcluster(?:s|ed)? (?:around|near|about)"
                    r"|\bmore often (?:near [^.;]{3,40} )?than (?:chance|expected)",
                    _I,
                ),
            ),
        ),
        re.compile(r"associat|chance|expected|correlat", _I),
    ),
    Family(
        "how density varies",
        lambda step: step.tool == "density",
        _density,
        re.compile(r"classes|densit|even|latitude depend|bands", _I),
        (
            (
                NONE,
                re.compile(
                    r"\bdiffer (?:no more|less|fewer|not more) than\b"
                    r"|\b(?:evenly|uniformly) (?:spread|distributed)|"
                    r"\b(?:does|do) not (?:depend on|vary with)\b"
                    r"|\bno (?:clear |real )?(?:dependence|trend)|\bas even as chance|classes do not differ",
                    _I,
                ),
            ),
            (
                SOME,
                re.compile(
                    r"\bdiffer more than chance|\bun(?:even|equal)ly (?:spread|distributed)"
                    r"|\b(?:depends on|varies with|vary with)"
                    r" (?:latitude|elevation|slope)|\bclasses (?:really |clearly )?differ\b",
                    _I,
                ),
            ),
        ),
        re.compile(r"than chance|beyond chance", _I),
    ),
    Family(
        "a common direction",
        lambda step: step.tool == "orientation",
        _axis,
        re.compile(r"how .* oriented|common direction", _I),
        (
            (
                NONE,
                re.compile(
                    r"\bno (?:[a-z]+ )?(?:common|preferred|dominant) (?:direction|orientation"
                    r"|axis)|\bnot (?:significantly )?aligned\b(?! with)"
                    r"|\brandom(?:ly)? orient\w+|\bno (?:[a-z]+ )?alignment"
                    r"|\b(?:does|do) not (?:have|show) a common",
                    _I,
                ),
            ),
            (
                SOME,
                re.compile(
                    r"\b(?:a|one) (?:[a-z]+ )?(?:common|preferred|dominant) (?:direction|orientation|axis)"
                    r"|\bare (?:[a-z]+ly )?aligned\b(?! with)",
                    _I,
                ),
            ),
        ),
        re.compile(r"common|preferred|aligned|alignment|random", _I),
    ),
    Family(
        "a shared axis",
        lambda step: step.tool == "orientation" and "other" in step.arguments,
        _shared_axis,
        re.compile(r"share|same (?:way|direction|axis)|parallel|aligned with", _I),
        (
            (
                NONE,
                re.compile(
                    rf"{_NOT}(?:share an axis|share a direction|parallel|the same (?:way|axis|direction))"
                    r"|\bdifferent axes",
                    _I,
                ),
            ),
            (
                SOME,
                re.compile(
                    r"\bshare (?:an|the same|one) (?:axis|direction)|\bparallel to|\b(?:point"
                    r"|run|are oriented) (?:in )?the same (?:way|direction)"
                    r"|\bare aligned with",
                    _I,
                ),
            ),
        ),
        re.compile(r"share|parallel|same", _I),
    ),
    Family(
        "a difference",
        lambda step: step.tool == "compare",
        _difference,
        re.compile(r"differ|higher|lower|steeper", _I),
        (
            (
                NONE,
                re.compile(
                    r"\b(?:do|does) not differ in (?:elevation|latitude|slope|albedo)"
                    r"|\bno difference in|\b(?:at|have) the same (?:elevation|latitude|slope|height)",
                    _I,
                ),
            ),
            (
                SOME,
                re.compile(
                    r"\bdiffer (?:clearly |significantly )?in (?:elevation|latitude|slope|albedo)", _I
                ),
            ),
        ),
        re.compile(r"differ|same", _I),
    ),
    Family(
        "other thresholds",
        lambda step: "stricter_threshold" in step.figures and "the answer is" in step.summary,
        _stability,
        re.compile(r"\b\B"),
        (
            (SAME, re.compile(rf"\b{_RESULT} (?:is|stays|remains) (?:the same|unchanged|stable)", _I)),
            (
                CHANGED,
                re.compile(rf"\b{_RESULT} (?:changes|differs|reverses|is another|does not hold)", _I),
            ),
        ),
        re.compile(r"\b\B"),
    ),
)

_ADJECTIVES = {
    "higher": (1, r"elevation|slope|albedo|relief|rough|latitude|^$"),
    "lower": (-1, r"elevation|slope|albedo|relief|rough|latitude|^$"),
    "steeper": (1, r"slope"),
    "gentler": (-1, r"slope"),
    "flatter": (-1, r"slope"),
    "brighter": (1, r"albedo|bright"),
    "darker": (-1, r"albedo|bright"),
    "farther north": (1, r"latitude"),
    "farther south": (-1, r"latitude"),
    "rougher": (1, r"rough"),
    "smoother": (-1, r"rough"),
}
_ADJECTIVE = re.compile(
    rf"\b(?P<word>{'|'.join(_ADJECTIVES)})\b(?: [a-z]+){{0,3}}? than\b(?! chance| expected"
    rf"| by chance|\s+[-\d])",
    _I,
)


def read_adjective(text: str) -> tuple[int, Callable[[str], bool], re.Match[str]] | None:
    """“Higher ... than”: the sign, whether a quantity is meant by it, and the words."""
    match = _ADJECTIVE.search(text)
    if match is None:
        return None
    sign, names = _ADJECTIVES[match["word"].lower()]
    return sign, lambda quantity: re.search(names, quantity) is not None, match
