"""What pictures and positions cannot tell: how it is asked for, and what is said instead.

The tables are in `agent.grammar.refusing.ground` (of the surface: ages, composition, depths) and
`agent.grammar.refusing.apart` (all else: jokes, other skills, life). Their patterns are read over a masked
clause (see `refusing.clauses`): lower case, landforms as ``◊key``, places as ``@``, limits as ``§``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.grammar.query import Reason

X = r"◊\w*"
THE = r"(?:the |these |those |this |that |any |all |most |some |its |their |his |every |each |our |such )*"
IT = rf"(?:{THE}(?:\w+ )?{X}(?: @)?|they|it|them|these|those|this|that|@)"
BE = r"(?:is|are|was|were|be|been|being)"
YEARS = r"(?:years?|months?|weeks?|days?|decades?|centur(?:y|ies)|seasons?|hours?)"

# Idioms in which a word does not mean what it asks for elsewhere; they are taken out before.
IDIOMS = re.compile(
    r"(?<!\w)(?:"
    r"for (?:the|my|our) (?:very )?(?:first|second|last) time(?: in my life)?|this time|next time|for ages|"
    r"in (?:more )?depth|(?:up )?to date|in (?:my|our|your|real) life|the (?:last|first) time|long time|"
    r"(?:regardless|irrespective) of (?:their |the |its )?[\w ]{1,30}?(?=,|$| near| in| on)|"
    r"no matter (?:how|what|when|why)[^,]{0,40}|whatever (?:their|the|its) \w+|"
    r"(?:(?:i|we) (?:do )?not|never) (?:care|mind|know|need to know|want to know)[^,]{0,40}|"
    r"before (?:i|we|you) \w+|(?:before|after) (?:that|this)|when (?:i|you|we|one) \w+|why not|"
    r"play it safe|"
    r"(?:height|elevation)s? above (?:the )?(?:datum|zero|sea level|areoid)|heights? §|"
    r"in height\b|by heights?\b|"
    r"heights? of (?:the |these |those )?◊\w* §|"
    r"for (?:a|an|my|our|the) (?:\w+ )?(?:paper|talk|class|course|homework|project|thesis|study|report|"
    r"lecture|article|"
    r"book|grant|proposal|lesson|essay|poster|review)(?: (?:on|about|of) (?:the )?\w+)?|"
    r"as (?:i )?(?:said )?(?:before|earlier)|at (?:a|the) time|all the time|time consuming|"
    r"(?:look(?:s|ing)? |just )?(?:like|resembling|similar to) an? \w+(?: \w+)?"
    r")(?!\w)"
)


@dataclass(frozen=True)
class Topic:
    """Something that cannot be told.

    Attributes
    ----------
    kind
        The sort of reason.
    reason
        Why, without a full stop.
    known
        What is known instead, from "where" on; ``{them}`` are the landforms of the question.
    suggest
        A question that can be asked of the landforms ``{a}`` and ``{b}``; with one landform `suggest_one`.
    patterns
        Over a masked clause.
    weak
        Only where the question names no landform and no place: "for my homework I need dunes".
    """

    kind: Reason
    reason: str
    known: str
    patterns: tuple[str, ...]
    suggest: str = "Where are {a} near {b}?"
    suggest_one: str = "Where are {a}?"
    weak: bool = False


SURFACE = "where landforms are, near, without or beside others, within limits, how many and how dense"
THEIR = "where {them} are, how many, at what latitudes and elevations, and what lies near them"
AREA = "where {them} are, how many tiles show them and what area those cover"
