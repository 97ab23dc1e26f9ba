"""The client of OpenAI-compatible servers: strict calls, refusals in streams, streams that nobody reads.

Under strict schemas (OpenAI's structured outputs) a server promises arguments that fit. It wants every
argument to be required, so what may be left out may be null here; nulls are dropped again before a call runs
(`agent.middleware.tidied`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from retrieval.stop import check_stop

Json = dict[str, Any]

# Of a JSON schema, what strict servers do not take.
_UNKNOWN_TO_STRICT = ("default", "title")


class OpenAIChat(ChatOpenAI):
    """Keeps a refusal, which comes in the place of text, as ``additional_kwargs["refusal"]``.

    A call that was left behind ends with `Cancelled` at the next piece of its stream, and hangs up. With
    ``strict_tools`` tool calls are asked for with strict schemas, until the server refuses one.
    """

    strict_tools: bool = False

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Json:
        payload: Json = super()._get_request_payload(input_, stop=stop, **kwargs)
        if self.strict_tools and payload.get("tools"):
            payload["tools"] = [strict_tool(tool) for tool in payload["tools"]]
        return payload

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        try:
            yield from super()._stream(*args, **kwargs)
        except openai.BadRequestError as error:
            # Refused before the first word; of servers that do not know strict schemas, or not this one.
            if not self.strict_tools or not any(word in str(error).lower() for word in ("strict", "schema")):
                raise
            self.strict_tools = False
            yield from super()._stream(*args, **kwargs)

    def _convert_chunk_to_generation_chunk(
        self, chunk: Json, default_chunk_class: type, base_generation_info: Json | None
    ) -> ChatGenerationChunk | None:
        check_stop()
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        said = "".join(
            (choice.get("delta") or {}).get("refusal") or "" for choice in chunk.get("choices") or ()
        )
        if said and made is not None and isinstance(made.message, AIMessageChunk):
            made.message.additional_kwargs["refusal"] = said
        return made


def strict_tool(tool: Json) -> Json:
    """A tool of a request with a strict schema: every argument required, those with a default or null."""
    holder = tool.get("function", tool)  # the responses protocol has no inner object
    parameters = holder.get("parameters") or {}
    properties: dict[str, Json] = parameters.get("properties", {})
    required = set(parameters.get("required", ()))
    strict = {
        **holder,
        "strict": True,
        "parameters": {
            **{name: value for name, value in parameters.items() if name not in _UNKNOWN_TO_STRICT},
            "properties": {
                name: _strict_property(spec, may_be_null=name not in required)
                for name, spec in properties.items()
            },
            "required": list(properties),
            "additionalProperties": False,
        },
    }
    return {**tool, "function": strict} if "function" in tool else strict


def _strict_property(spec: Json, *, may_be_null: bool) -> Json:
    plain = {name: value for name, value in spec.items() if name not in _UNKNOWN_TO_STRICT}
    if not may_be_null:
        return plain
    about = {"description": plain.pop("description")} if "description" in plain else {}
    kinds = plain.get("anyOf", [plain])
    if {"type": "null"} not in kinds:
        kinds = [*kinds, {"type": "null"}]
    return {"anyOf": kinds, **about}
