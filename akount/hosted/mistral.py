"""Mistral OCR with a document annotation by JSON Schema: POST /v1/ocr. It counts pages."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from akount.extraction.copies import Copy
from akount.hosted import questions, wire
from akount.hosted.refusals import NotAnswered
from akount.hosted.wire import Request
from config import Settings

NAME = "mistral"


def model(settings: Settings) -> str:
    """The pinned model; empty without a key."""
    return settings.mistral_model if settings.mistral_api_key else ""


def request(settings: Settings, copy: Copy) -> Request:
    """Several pages go as one PDF, a single one as a picture."""
    body = {
        "model": settings.mistral_model,
        "document": _document(copy),
        "include_image_base64": False,
        "document_annotation_prompt": questions.PROMPT,
        "document_annotation_format": {
            "type": "json_schema",
            "json_schema": {"name": "document", "schema": questions.schema(), "strict": True},
        },
    }
    return Request(f"{settings.mistral_url.rstrip('/')}/v1/ocr", _headers(settings), json.dumps(body).encode())


def _document(copy: Copy) -> dict[str, str]:
    if copy.document:
        coded = base64.b64encode(copy.document).decode()
        return {"type": "document_url", "document_url": f"data:application/pdf;base64,{coded}", "document_name": "document.pdf"}
    return {"type": "image_url", "image_url": f"data:image/jpeg;base64,{base64.b64encode(copy.pictures[0]).decode()}"}


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.mistral_api_key}", "Content-Type": "application/json"}


def answer(said: dict[str, Any]) -> Any:
    """The annotation is JSON in a string."""
    found = said.get("document_annotation")
    if not isinstance(found, str):
        raise NotAnswered("it gave no structured answer", "hosted_bad_answer", cost=None)
    return wire.parsed(found)


def usage(said: dict[str, Any]) -> tuple[int, int] | None:
    """Pages."""
    told = said.get("usage_info")
    pages = told.get("pages_processed") if isinstance(told, dict) else None
    return (pages, 0) if type(pages) is int and 0 <= pages < 10_000 else None


def prices(settings: Settings) -> tuple[Decimal, Decimal]:
    """Of a page."""
    return Decimal(settings.mistral_price_pages) * 10, Decimal(0)


def most(copy: Copy) -> tuple[int, int]:
    """Its pages."""
    return len(copy.pictures), 0


def key_check(settings: Settings) -> Request:
    """The list of models."""
    return Request(f"{settings.mistral_url.rstrip('/')}/v1/models", _headers(settings), b"")
