"""The client of OpenAI-compatible servers: keeps refusals in streams, and ends streams nobody reads."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from retrieval.stop import check_stop


class OpenAIChat(ChatOpenAI):
    """Keeps a refusal, which comes in the place of text, as ``additional_kwargs["refusal"]``.

    A call that was left behind ends with `Cancelled` at the next piece of its stream, and hangs up.
    """

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        check_stop()
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        said = "".join(
            (choice.get("delta") or {}).get("refusal") or "" for choice in chunk.get("choices") or ()
        )
        if said and made is not None and isinstance(made.message, AIMessageChunk):
            made.message.additional_kwargs["refusal"] = said
        return made
