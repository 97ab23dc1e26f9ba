"""Phrases that ask nothing of the index: how one asks, what one does not know, what something recalls.

A part of the table in `agent.grammar.phrases`, tried early: "point me to" is no direction, "I do not know
what" leaves nothing out. Each needs its own small frame, so that the words keep their meaning elsewhere.
"""

from __future__ import annotations

from agent.grammar.lexicon import words

_I = r"(?:i|we|he|she|they|you)"
_NAME = r"(?-i:[A-Z][\w]+(?: [A-Z][\w]+)*)"

ASIDES: tuple[tuple[str, ...], ...] = (
    (
        "filler",
        # How one asks to be shown something
        r"point (?:me|us|them|him|her|one) (?:to|towards?|at|in the direction of)|point (?:me |us )?out",
        r"(?:direct|guide|lead|take|bring|steer) (?:me|us) (?:to|towards?)",
        r"(?:come|run|stumble|chance|happen) (?:across|upon|into|on)(?= )",
        r"(?:be |am |are |is )?able to (?:spot|see|find|show|list|locate|identify|give|tell)",
        r"(?:pull|bring|turn|dig|call|look|round|list|fetch|show|throw) up(?= )|(?:seek|search|sort|find|"
        r"pick) out",
        r"on the (?:look ?out|hunt|search) for|in (?:the )?search of|in (?:the )?need of|have (?:you "
        r")?got|got any",
        r"(?:i|we) (?:would|will) (?:be|feel) (?:very |most |so |really )?(?:grateful|thankful|obliged|"
        r"happy|glad|"
        r"pleased|delighted)(?: for| if| to)?",
        # What one does not know
        rf"{_I}(?: really| honestly)?(?: (?:do|did|am|are|is|was|have|has|can|could))?(?: not| no| never)"
        r"(?: (?:really|quite|yet|even))*(?: (?:know|sure|certain|tell|say|understand|idea|clue|recogni[sz]e|"
        r"recall|remember|figure out|make out))(?: (?:of|about))? (?:what|which|how|whether|if|who)",
        r"(?:no (?:idea|clue)|not (?:sure|certain)|unsure|do not know|dunno) (?:what|which|how|whether|if)",
        # What it recalls
        rf"(?:(?:that|which|it|this|and|really|strongly|always) )*reminds? (?:me|us|one) of (?:the |a |"
        rf"an |my )?{_NAME}",
        rf"looks? (?:to me |to us )?(?:just |exactly |a bit |a lot )?like (?:the |a |an )?{_NAME} to "
        rf"(?:me|us)",
    ),
    # "spots where gullies and dunes meet" are places, "dark spots" are things
    ("filler", r"spots?(?= (?:where|with|that|which|at which|in which|on which|having|of interest)\b)"),
)

# Single words of asking; they carry no condition.
ASKING = words(
    """
    choose chooses pick picks select selects grab fetch supply provide provides retrieve obtain hand
    appreciate seeing sees spotted grateful thx ty cheers professor student students colleague colleagues
    boss supervisor exactly precisely everything elsewhere curious wonder wondering uploaded upload attached
    normally template query visual
    """
)
