"""Phrases for what looks like a tile or a picture. A part of the table in `agent.grammar.phrases`."""

from __future__ import annotations

from agent.grammar.lexicon import PICTURES, TILE

_EXAMPLE = (
    r"(?= (?:(?:the |my |this )?(?:tile|picture|image|photo|view|file|one)s? )?"
    rf"(?:{TILE}|[\w][\w.-]*\.(?:{'|'.join(PICTURES)})\b|\[?L\d{{1,6}}\b))"
)
# Words that may stand between "places" and the example they are like.
_WORDS = (
    r"some ?things?|anything|stuff|tiles?|places?|spots?|sites?|areas?|regions?|locations?|parts?|"
    r"terrains?|ground|"
    r"surfaces?|landscapes?|scenery|others?|else|ones?|more|most|looks?|looking|appears?|appearance|"
    r"textures?|"
    r"patterns?|character|morphology|structures?|style|kinds?|sorts?|types?|features?|that|which|what|with|"
    r"has|have|"
    r"having|shows?|showing|shown|seen|visible|found|of|is|are|an?|the|very|just|much|closely|exactly|same|"
    r"similar|"
    r"identical|alike|comparable|analogous|akin|reminiscent|as|to|like|in|on|at|from|those|these|there|"
    r"match(?:es|ing)?|resembl(?:es?|ing)|nearest|closest|neighbou?rs?|tile|picture|image|photo"
)
_CUE = (
    r"(?=[a-z ]{0,90}?\b(?:same|similar|alike|like|resembl\w+|match\w*|neighbou?rs?|identical|akin|"
    r"comparable|"
    r"analogous|reminiscent|kinds?|sorts?|types?)\b)"
)

# What is like another is called so.
_KIN = (
    r"(?:twins?|siblings?|cousins?|brothers?|sisters?|relatives?|family members|kin|kindred|look ?alikes?|"
    r"doubles?|doppelg(?:ae|a|ä)ngers?|ringers?|clones?|copies|copy|replicas?|duplicates?|counterparts?|"
    r"equivalents?|analogues?|analogs?|parallels|matches|match|peers|neighbou?rs in appearance)"
)

LIKE: tuple[tuple[str, ...], ...] = (
    ("like", rf"{_CUE}(?:{_WORDS})(?: (?:{_WORDS})){{0,9}}{_EXAMPLE}"),
    (
        "like",
        rf"(?:(?:near|close|best|closest|nearest|visual|good|possible|dead|spitting) )*{_KIN}"
        rf"(?: (?:in|by) (?:appearance|looks?|texture))?(?: (?:of|for|to|with|in|from))?{_EXAMPLE}",
        rf"(?:(?:that |which )?(?:has|have|having|with|of|sharing|shares?) )?(?:(?:the|a|an) )?"
        rf"(?:(?:same|similar) )?(?:appearance|looks?|texture|aspect|face|pattern)s?(?: (?:of|as|"
        rf"to))?{_EXAMPLE}",
        rf"(?:that |which )?reminds? (?:me|us|one|you) of{_EXAMPLE}",
        rf"(?:more|other ones|others|ones) (?:of|for|from|as|like|to){_EXAMPLE}",
        rf"in the (?:style|manner|image|likeness) of{_EXAMPLE}",
    ),
    (
        "like_this",
        r"(?:(?:look(?:s|ing)?|similar|more|something|anything|tiles?|places?) )*"
        r"(?:to|like) (?:this|that|these|those|it)(?: (?:one|tile|picture|image|photo|place))?",
        r"more of (?:this|these)",
    ),
    (
        "like",
        r"(?:some ?things?|tiles?|places?|more|others?|anything|stuff)? ?(?:looks?|looking)? ?"
        r"(?:similar(?: to)?|resembl(?:es?|ing)|(?:just )?like)\b",
    ),
)
