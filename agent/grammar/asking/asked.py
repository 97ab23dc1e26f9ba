"""How a question is asked back: a sentence that names what is missing and the choices, and the frame.

The frame is the user's question with holes (`HOLE`); what is answered goes there, and the whole is read
again. Choices are real ones: layers of the conversation by id and title, places of the body by name,
landforms of the glossary as examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.grammar.asking.asking import DISTANCE, PAIR, PLACE_NOUNS, UNNAMED, Asking, Gap
from agent.grammar.followups.context import KnownLayer
from agent.grammar.lexicon import Lexicon
from agent.grammar.query import HOLE, Choice, QuestionBack, describe, listed

MOST_CHOICES = 3
MOST_NAMES = 6
_EXAMPLES = ("gullies", "dunes", "outflow_channel", "lava_flow", "pitted_cones", "landslide", "impact_crater")
_SITES = ("delta", "layered_deposits", "plains", *_EXAMPLES)
_LANDING = re.compile(
    r"\b(?:land(?:ing)?|base|sites?|spots?|camp|mission|settle\w*|rover|place)\b", re.IGNORECASE
)

# Kinds of tokens that want two things, and the question to be completed; the first that fits.
_PAIRS: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"linked", "linked_to", "chance", "avoid", "null", "strata"}),
        rf"Are {HOLE} associated with {HOLE}?",
        "be tested against each other",
    ),
    (frozenset({"how_far"}), rf"How far are {HOLE} from {HOLE}?", "be measured"),
)
_NORTH = re.compile(r"\b(?:north|south|equator|pole|latitude)", re.IGNORECASE)
_HIGHER = re.compile(r"\b(?:high|low|elevation|altitude)", re.IGNORECASE)
# Kinds of tokens that want one, as in `_PAIRS`.
_SINGLES: tuple[tuple[str, str], ...] = (
    ("orientation", f"Which way do {HOLE} point?"),
    ("count", f"How many {HOLE} are there?"),
    ("share", f"What area do {HOLE} cover?"),
    ("export", f"Export {HOLE} as GeoPackage."),
    ("map", f"Draw a map of {HOLE}."),
    ("colour", f"Draw a map of {HOLE}."),
    ("sample", f"What are the elevations of {HOLE}?"),
    ("density", f"How does the density of {HOLE} vary with latitude?"),
    ("latitude", f"At which latitudes are {HOLE}?"),
)
_THEY = re.compile(
    r"\b(?:(?:those|these|they|them)(?: (?:ones|two))?(?: there)?"
    r"|(?:the last|the previous|the|that|this) (?:layers?|results?|selection|hits|ones?)|it"
    r"|(?<=\bis )(?:that|this)|(?<=\blike )(?:that|this)"
    r"|(?:that|this)(?= (?:as|on|in|to|into|please)\b|\W*$))\b",
    re.IGNORECASE,
)
_LIKE_THIS = re.compile(
    r"\b(?:like|similar to) (?:this|that|these|those|it)(?: (?:one|tile|picture|image|photo|place))?\b", re.I
)
_OF_THEM = re.compile(
    r"\b(many|which|some|any|all|each|most|few) of (?=(?:them|those|these|it)\b)", re.IGNORECASE
)
_THEIR = re.compile(r"\b(?:its|their) ([a-z]+)", re.IGNORECASE)
_SINGULAR = tuple(
    (re.compile(rf"\b{one}(?= {HOLE})|(?<={HOLE} ){one}\b", re.IGNORECASE), many)
    for one, many in (("is", "are"), ("was", "were"), ("does", "do"), ("has", "have"))
)
_WHAT = re.compile(
    r"^(?:(?:show|find|list|give|tell)(?: me)? )?"
    r"(?:what(?: all| else)?|everything|anything|whatever|all|which(?: one)?)"
    r"(?: (?:that|which))?(?: (?:is|are|lies?|sits?|there|can i find|do i find))*",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"(?:where|which|what|how|are|is|do|does|did|can|could|would|have|has|any)\b", re.IGNORECASE
)


def question_back(gap: Gap, asking: Asking, lexicon: Lexicon, places: Sequence[str]) -> QuestionBack:
    """The question that closes a gap."""
    writer = _Writer(gap, asking, lexicon, places)
    made: QuestionBack = getattr(writer, gap.missing)()
    return made


@dataclass
class _Writer:
    gap: Gap
    asking: Asking
    lexicon: Lexicon
    places: Sequence[str]

    # What is asked

    def landform(self) -> QuestionBack:
        text = self.asking.text
        if self.gap.about:  # only what to leave out was said
            choices = self.examples()
            frame = f"Where are {HOLE} without {self.gap.about}?"
            return self.made(f"What should I look for, leaving out {self.gap.about}", frame, choices)
        frame = self.frame()
        if frame.count(HOLE) > 1:
            return self.two(frame, "Which two things do you mean")
        rest = _WHAT.sub("", text, count=1).strip(" .?!")
        if frame == f"Where are {HOLE}?" and _WHAT.match(text) and self.kinds & {"item", "place", "region"}:
            frame = f"Which {HOLE} are {rest}?"
        if "how_far" in self.kinds and self.asking.count("item") == 1:
            frame = f"How far are {HOLE} from {self.subject()}?"
        if _LANDING.search(text) and frame == f"Where are {HOLE}?":
            said = "What should the place have or be near"
            return self.made(said, frame, self.examples(_SITES))
        return self.made("What should I look for", frame, self.examples())

    def referent(self) -> QuestionBack:
        frame = self.frame()
        said = self.gap.about if self.gap.about in self.asking.text else ""
        pronoun = said or (found[0] if (found := _THEY.search(self.asking.text)) else "")
        layers = self.layers(self.gap.choices)
        by = f" by “{pronoun}”" if pronoun else ""
        if self.gap.about.endswith(" of it"):
            side = self.gap.about.split()[0].capitalize()
            names = [Choice(words=name, said=name) for name in [*self.named(())[:2], "the equator"]]
            if not self.asking.count("item"):
                pairs = zip(self.examples(), names, strict=False)
                whole = [f"{a.words} {side.lower()} of {b.words}" for a, b in pairs]
                said = f"What do you mean that is {side.lower()} of what"
                return self.made(said, f"Where are {HOLE}?", [Choice(words=w, said=w) for w in whole])
            frame = re.sub(r"\bof (?:it|that|them|there)\b", f"of {HOLE}", self.asking.text, count=1)
            return self.made(f"{side} of what", frame, names)
        if len(layers) == 1:
            return self.made(f"Do you mean {layers[0].said}{by}", frame, layers).model_copy(
                update={"text": f"Do you mean {layers[0].said}{by}?"}
            )
        if layers:
            return self.made(f"Which do you mean{by}", frame, layers, example=False)
        before = f"Nothing was found before that “{pronoun}” could stand for: " if pronoun else ""
        if frame.count(HOLE) > 1:
            return self.two(frame, f"{before}which two things do you mean")
        return self.made(f"{before}which landform do you mean", frame, self.examples())

    def second(self) -> QuestionBack:
        about, subject = self.gap.about, self.subject()
        choices = [*self.layers(besides=subject), *self.examples()][:MOST_CHOICES]
        if about == "not":
            text = re.sub(r"\W*$", "", self.asking.text)
            return self.made(f"What should {subject} be kept apart from", f"{text} {HOLE}", choices)
        if about == "compare":
            frame = f"Compare {subject} with {HOLE}."
            return self.made(f"With what should I compare {subject}", frame, choices)
        if self.kinds & _PAIRS[0][0]:
            if not subject:
                return self.two(_PAIRS[0][1], "Which two things should be tested against each other")
            extra = self.kinds & {"null", "strata"}
            plain = re.sub(r"\W*$", "", self.asking.text)
            frame = f"{plain} with {HOLE}?" if extra else f"Are {subject} associated with {HOLE}?"
            return self.made(f"With what may {subject} be associated", frame, choices)
        if about == "how far":
            return self.made(
                f"How far from what should {subject} be", f"How far are {subject} from {HOLE}?", choices
            )
        if about == "than":
            frame = f"{re.sub(r'(?: than)?[^a-z]*$', '', self.asking.text)} than {HOLE}?"
            return self.made(f"With what should I compare {subject}".rstrip(), frame, choices)
        return self.near(subject, choices)

    def near(self, subject: str, choices: list[Choice]) -> QuestionBack:
        """What a distance or a "near" is measured from."""
        found = DISTANCE.search(self.asking.text)
        relation = f"within {found[0]} of" if found else "near"
        away = re.match(r"(?:away|far|without|more|beyond|outside|at least)", self.gap.about, re.IGNORECASE)
        if away:
            relation = f"more than {found[0]} from" if found else "away from"
        frame = f"Which {subject} are {relation} {HOLE}?" if subject else f"What is {relation} {HOLE}?"
        back = self.made(f"{relation[0].upper()}{relation[1:]} what", frame, choices)
        if subject:
            return back
        return back.model_copy(update={"suggestions": self.with_subject(relation, choices)})

    def place(self) -> QuestionBack:
        text, found = self.asking.text, UNNAMED.search(self.asking.text)
        assert found is not None  # the gap was found by it
        noun = (found["noun"] or "").lower()
        frame = f"{text[: found.start('place')]}{HOLE}{text[found.end('place') :]}"
        names = self.named(PLACE_NOUNS.get(noun, ()))
        choices = [Choice(words=name, said=name) for name in names]
        landform = self.lexicon.landform([noun]) if noun else None
        if landform and len(choices) < MOST_CHOICES:
            plural = landform[1].plural
            choices.append(Choice(words=plural, said=f"any {plural}"))
        said = f"Which {noun or 'place'} do you mean by “{found['place']}”"
        if noun and not names:
            said += f", as no {noun} has a name here"
        back = self.made(said, frame, choices, example=not noun or len(names) > MOST_CHOICES)
        if any(token.kind == "item" and token.text.lower() != noun for token in self.asking.tokens):
            return back
        relation = f"within {d[0]} of" if (d := DISTANCE.search(text)) else "near"
        return back.model_copy(update={"suggestions": self.with_subject(relation, choices)})

    def which(self) -> QuestionBack:
        about, names = self.gap.about, self.gap.choices
        frame = self.asking.text.replace(about, HOLE, 1)
        choices = [Choice(words=name, said=name) for name in names]
        if len({re.sub(r"\W*\d+$", "", name) for name in names}) == 1:
            text = f"Several places are called “{about}”: which number do you mean?"
            back = self.made("", frame, choices)
            return back.model_copy(update={"text": text})
        return self.made(
            f"Which place do you mean by “{about}”", frame, choices, example=len(names) > MOST_NAMES
        )

    def example(self) -> QuestionBack:
        choices = self.examples()
        said = "Like which tile or picture (by its name), or which landform"
        frame = _LIKE_THIS.sub(f"like {HOLE}", self.asking.text, count=1)
        back = self.made(said, frame if HOLE in frame else f"Find tiles like {HOLE}.", choices)
        return back.model_copy(update={"suggestions": tuple(f"Where are {c.words}?" for c in choices)})

    def catalogue(self) -> QuestionBack:
        subject = self.subject() or self.examples()[0].words
        text = "Which catalogue do you mean, by the name of its file?"
        frame = (
            self.asking.text.replace(self.gap.about, HOLE, 1)
            if self.gap.about
            else f"{self.asking.text} {HOLE}"
        )
        return QuestionBack(
            missing="catalogue", text=text, frame=frame, suggestions=(f"Where are {subject}?",)
        )

    # Their parts

    def made(self, said: str, frame: str, choices: list[Choice], *, example: bool = True) -> QuestionBack:
        """A question with its choices; ``example`` if there are others."""
        named = [choice.said for choice in choices[: MOST_CHOICES if example else MOST_NAMES]]
        between = ", for example " if example else ": "
        said = f"{said[:1].upper()}{said[1:]}"
        return QuestionBack(
            missing=self.gap.missing,
            text=f"{said}{between}{listed(named, 'or')}?" if named else f"{said}?",
            frame=frame,
            choices=tuple(choices),
            suggestions=tuple(self.filled(frame, choice.words) for choice in choices[:MOST_CHOICES]),
        )

    def two(self, frame: str, said: str) -> QuestionBack:
        """A question for two things."""
        names = [choice.words for choice in self.layers() + self.examples(most=2 * MOST_CHOICES)]
        pairs = list(zip(names[::2], names[1::2], strict=False))[:MOST_CHOICES]
        choices = [Choice(words=f"{a} and {b}", said=f"{a} and {b}") for a, b in pairs]
        back = self.made(said, frame, choices)
        whole = tuple(frame.replace(HOLE, a, 1).replace(HOLE, b, 1) for a, b in pairs)
        return back.model_copy(update={"suggestions": whole})

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(token.kind for token in self.asking.tokens)

    def frame(self) -> str:
        """The question with a hole for what "it" stands for, or for the landform that it does not name."""
        text, items = self.asking.text, any(token.kind == "item" for token in self.asking.tokens)
        if not items:
            for kinds, frame, _ in _PAIRS:
                if kinds & self.kinds:
                    return frame
            if PAIR.search(text):
                if _NORTH.search(text):
                    return f"Do {HOLE} lie farther north than {HOLE}?"
                if _HIGHER.search(text):
                    return f"Are {HOLE} at higher elevations than {HOLE}?"
                if "compare" in self.kinds or "compare_by" in self.kinds:
                    return f"Compare {HOLE} and {HOLE}."
        pointed = _THEIR.sub(r"the \1 of them", _OF_THEM.sub(r"\1 ", text), count=1)
        if _THEY.search(pointed):
            return self.plural(_THEY.sub(HOLE, pointed, count=1))
        if not items:
            for kind, frame in _SINGLES:
                if kind in self.kinds:
                    return frame
        return f"Where are {HOLE}?"

    def plural(self, frame: str) -> str:
        """The verb that fits several, unless the choices are layers."""
        for pattern, many in () if self.asking.context.layers else _SINGULAR:
            if found := pattern.search(frame):
                frame = f"{frame[: found.start()]}{many}{frame[found.end() :]}"
        return frame

    def subject(self) -> str:
        """What the question asks about, in words; empty if it does not say."""
        query = self.asking.query
        if query is not None and query.groups:
            if all(item.kind == "layer" for item in query.items):
                return query.items[0].text
            return describe(query)
        items = [token.value.plural for token in self.asking.tokens if token.kind == "item"]
        return items[0] if items else ""

    def examples(self, keys: Sequence[str] = _EXAMPLES, most: int = MOST_CHOICES) -> list[Choice]:
        """Landforms that the question does not name."""
        named = {token.value.key for token in self.asking.tokens if token.kind == "item"}
        terms = self.lexicon.by_key
        some = [key for key in dict.fromkeys((*keys, *terms)) if key in terms and key not in named]
        return [Choice(words=terms[key].plural, said=terms[key].plural) for key in some[:most]]

    def layers(self, ids: Sequence[str] = (), besides: str = "") -> list[Choice]:
        """Layers of the conversation: the named ones, or the last few."""
        known = [layer for layer in self.asking.context.layers if layer.count != 0]
        wanted = [layer for layer in known if layer.id in ids] if ids else known[-MOST_CHOICES:]
        return [_layer_choice(layer) for layer in wanted if besides not in (layer.id, layer.title)]

    def named(self, endings: Sequence[str]) -> list[str]:
        """Places of a kind, by the last word of their names; one of each kind if none is given."""
        if endings:
            return [name for name in self.places if name.split()[-1] in endings][: MOST_CHOICES + 1]
        kinds: dict[str, str] = {}
        for name in self.places:
            if not name[-1].isdigit():
                kinds.setdefault(name.split()[-1], name)
        return list(kinds.values())[:MOST_CHOICES]

    def with_subject(self, relation: str, choices: list[Choice]) -> tuple[str, ...]:
        """Complete questions for one that names no landform to look for."""
        subjects = [choice.words for choice in self.examples(("gullies", "dunes", "landslide"))]
        pairs = zip(subjects, choices, strict=False)
        return tuple(f"Which {a} are {relation} {choice.words}?" for a, choice in pairs if a != choice.words)

    def filled(self, frame: str, words: str) -> str:
        """A frame with its hole filled, fit to be shown."""
        whole = " ".join(frame.replace(HOLE, words).split()).rstrip(" .?!,;:")
        first = next((token for token in self.asking.tokens if token.kind not in ("note", "filler")), None)
        if first is not None and first.kind == "item" and whole.startswith(first.text):
            whole = f"Where are {whole}"
        mark = "?" if _ASKS.match(whole) else "."
        return f"{whole[:1].upper()}{whole[1:]}{mark}"


def _layer_choice(layer: KnownLayer) -> Choice:
    return Choice(words=layer.id, said=f"[{layer.id}] {layer.title}")
