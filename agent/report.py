"""One answer as plain JSON values: what `areographer ask --json` prints, and what scripts rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.events import Answered, Step
    from agent.loop import Conversation
    from agent.transcript import Bundle


def answer_report(
    conversation: Conversation, answered: Answered, bundle: Bundle, answer_s: float, total_s: float
) -> dict[str, Any]:
    """Describe the last turn of a conversation.

    Parameters
    ----------
    conversation
        The conversation; its last turn is the one reported.
    answered
        How that turn ended.
    bundle
        The transcript that was written.
    answer_s
        Seconds from the start of the command to the answer.
    total_s
        Seconds to the written transcript.
    """
    turn = conversation.turns[-1]
    layers = conversation.workspace.layers
    return {
        "status": answered.status,
        "answer": answered.text,
        "model": conversation.model,
        "index": conversation.workspace.index.manifest.name,
        "steps": [_step_report(step) for step in turn.steps],
        "layers": [
            {
                "id": layer.id,
                "title": layer.title,
                "count": len(layer),
                "path": str(layers.folder / f"{layer.id}.parquet"),
            }
            for layer in layers
        ],
        "figures": {f"{n}.{key}": v for n, s in enumerate(turn.steps, 1) for key, v in s.figures.items()},
        "evidence": {
            "checked": answered.evidence.checked,
            "unsupported": list(answered.evidence.unsupported),
        },
        "transcript": str(bundle.zip),
        "transcript_html": str(bundle.html),
        "suggestions": list(answered.suggestions),
        "answer_seconds": round(answer_s, 3),
        "seconds": round(total_s, 3),
    }


def _step_report(step: Step) -> dict[str, Any]:
    return {
        "tool": step.tool,
        "arguments": step.arguments,
        "summary": step.summary,
        "error": step.error,
        "figures": step.figures,
        "seconds": round(step.seconds, 3),
    }
