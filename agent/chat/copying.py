"""One question with its answer as Markdown, to paste into notes: citations stay, and say what they cite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.chat.dialogue import call_text
from agent.chat.sessions import Progress
from agent.evidence_claims import LAYER_ID

if TYPE_CHECKING:
    from agent.loop import Conversation


def turn_as_markdown(progress: Progress, conversation: Conversation) -> str:
    """The question quoted, the answer, the layers it cites, and what it was answered with."""
    workspace = conversation.workspace
    known = {layer.id: layer for layer in workspace.layers}
    cited = [known[name] for name in dict.fromkeys(LAYER_ID.findall(progress.text)) if name in known]
    parts = ["\n".join(f"> {line}" for line in progress.question.splitlines()), progress.text]
    if cited:
        listed = (
            f"- [{layer.id}] {' '.join(layer.title.split())}: {len(layer):,} {layer.kind}, "
            f"`{call_text(layer.provenance.tool, layer.provenance.arguments)}`"
            for layer in cited
        )
        parts.append("\n".join(listed))
    index = workspace.index
    parts.append(
        f"Areographer, index {index.manifest.name} ({index.body.name.capitalize()}, "
        f"{len(index):,} tiles, fingerprint {index.manifest.fingerprint[:12]}), model {conversation.model}, "
        f"conversation {conversation.id}"
    )
    return "\n\n".join(part.strip() for part in parts) + "\n"
