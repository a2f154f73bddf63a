"""Anthropic's messages with structured output: POST /v1/messages. It counts tokens."""

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

NAME = "anthropic"


def model(settings: Settings) -> str:
    """The pinned model; empty without a key."""
    return settings.anthropic_model if settings.anthropic_api_key else ""


def request(settings: Settings, copy: Copy) -> Request:
    """The pages, then the words that were found on them. What is ours to say stands in `system`, apart from the document."""
    body = {
        "model": settings.anthropic_model,
        "max_tokens": tokens.MAX_TOKENS,
        "system": questions.PROMPT,
        "messages": [{"role": "user", "content": [_pages(copy), {"type": "text", "text": questions.words_of(copy)}]}],
        "output_config": {"format": {"type": "json_schema", "schema": questions.schema()}},
    }
    return Request(f"{settings.anthropic_url.rstrip('/')}/v1/messages", _headers(settings), json.dumps(body).encode())


def _pages(copy: Copy) -> dict[str, Any]:
    kind, media_type, data = (
        ("document", "application/pdf", copy.document) if copy.document else ("image", "image/jpeg", copy.pictures[0])
    )
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}}


def _headers(settings: Settings) -> dict[str, str]:
    key = settings.anthropic_api_key
    shown = {"Authorization": f"Bearer {key}"} if settings.anthropic_auth == "bearer" else {"x-api-key": key}
    return shown | {"anthropic-version": settings.anthropic_version, "Content-Type": "application/json"}


def answer(said: dict[str, Any]) -> Any:
    """The text of the message, if it came to its own end."""
    if said.get("stop_reason") == "refusal":
        raise NotAnswered("it refused to read this document", "hosted_filtered", cost=None)
    if said.get("stop_reason") != "end_turn":
        raise NotAnswered("its answer did not come to an end", "hosted_bad_answer", cost=None)
    blocks = said.get("content")
    texts = [b.get("text") for b in blocks if isinstance(b, dict) and b.get("type") == "text"] if isinstance(blocks, list) else []
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise NotAnswered("it gave no structured answer", "hosted_bad_answer", cost=None)
    return wire.parsed(texts[0])


def usage(said: dict[str, Any]) -> tuple[int, int] | None:
    """Tokens."""
    return tokens.counted(said, "input_tokens", "output_tokens")


def prices(settings: Settings) -> tuple[Decimal, Decimal]:
    """Of a token."""
    return tokens.price(settings.anthropic_price_input), tokens.price(settings.anthropic_price_output)


def key_check(settings: Settings) -> Request:
    """The list of models."""
    return Request(f"{settings.anthropic_url.rstrip('/')}/v1/models", _headers(settings), b"")
