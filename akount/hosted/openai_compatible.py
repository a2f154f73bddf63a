"""A server that speaks chat completions, such as vLLM or Ollama on machines of one's own: POST /v1/chat/completions."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from akount.extraction.copies import Copy
from akount.hosted import questions, tokens, wire
from akount.hosted.refusals import NotAnswered
from akount.hosted.tokens import most
from akount.hosted.wire import Request
from config import Settings

__all__ = ["NAME", "answer", "key_check", "model", "most", "prices", "request", "usage"]

NAME = "openai_compatible"


def model(settings: Settings) -> str:
    """The model; empty without a server."""
    return settings.openai_compatible_model if settings.openai_compatible_url else ""


def request(settings: Settings, copy: Copy) -> Request:
    """The pages as pictures, then the words that were found on them."""
    shown: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"}}
        for picture in copy.pictures
    ]
    body = {
        "model": settings.openai_compatible_model,
        "max_tokens": tokens.MAX_TOKENS,
        "temperature": 0,
        "messages": [
            {"role": "system", "content": questions.PROMPT},
            {"role": "user", "content": [*shown, {"type": "text", "text": questions.words_of(copy)}]},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "document", "schema": questions.schema(), "strict": True},
        },
    }
    return Request(f"{_base(settings)}/chat/completions", _headers(settings), json.dumps(body).encode())


def _base(settings: Settings) -> str:
    """With or without /v1, as people copy it."""
    return settings.openai_compatible_url.rstrip("/").removesuffix("/v1") + "/v1"


def _headers(settings: Settings) -> dict[str, str]:
    key = settings.openai_compatible_api_key
    return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})


def answer(said: dict[str, Any]) -> Any:
    """The content of the only choice, if it came to its own end."""
    choices = said.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    if choice.get("finish_reason") == "content_filter":
        raise NotAnswered("it refused to read this document", "hosted_filtered", cost=None)
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    if choice.get("finish_reason") != "stop" or not isinstance(text, str):
        raise NotAnswered("its answer did not come to an end", "hosted_bad_answer", cost=None)
    return wire.parsed(text)


def usage(said: dict[str, Any]) -> tuple[int, int] | None:
    """Tokens."""
    return tokens.counted(said, "prompt_tokens", "completion_tokens")


def prices(settings: Settings) -> tuple[Decimal, Decimal]:
    """Of a token."""
    return tokens.price(settings.openai_compatible_price_input), tokens.price(settings.openai_compatible_price_output)


def key_check(settings: Settings) -> Request:
    """The list of models."""
    return Request(f"{_base(settings)}/models", _headers(settings), b"")
