"""The recipe panel: the calls that made the layers, in order."""

from __future__ import annotations

from agent.chat.dialogue import call_text, step_title
from agent.chat.house import Place
from agent.chat.markup import fill


def render(place: Place) -> str:
    """Every call that succeeded, under its question."""
    questions = []
    for progress in place.session.all() if place.session else ():
        calls = [
            {
                "title": step_title(step.tool, step.arguments),
                "call": call_text(step.tool, step.arguments),
                "layers": getattr(step, "layer_ids", ()),
            }
            for step in progress.steps
            if not getattr(step, "error", "")
        ]
        if calls:
            questions.append({"question": progress.question, "calls": calls})
    return fill("panels/recipe.html.j2", questions=questions)
