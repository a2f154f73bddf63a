"""The hosted engines there are, as one table. A provider is thin: how a copy is sent, and where in what it says the answer is."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Protocol

from akount.extraction.copies import Copy
from akount.hosted import anthropic, mistral, openai_compatible
from akount.hosted.wire import Request
from config import Settings


class Provider(Protocol):
    """One hosted engine: a module of this room."""

    NAME: str

    def model(self, settings: Settings) -> str:
        """The model it is asked for; empty: it is not configured."""

    def request(self, settings: Settings, copy: Copy) -> Request:
        """The request that shows a copy."""

    def answer(self, said: dict[str, Any]) -> Any:
        """The answer in what it says, as JSON values. Raises NotAnswered."""

    def usage(self, said: dict[str, Any]) -> tuple[int, int] | None:
        """What it counted, in its own units of reading and writing; None: it does not say."""

    def prices(self, settings: Settings) -> tuple[Decimal, Decimal]:
        """Of one such unit, in millionths of a US dollar."""

    def most(self, copy: Copy) -> tuple[int, int]:
        """The most that it may count for a copy."""

    def key_check(self, settings: Settings) -> Request:
        """A request that costs nothing and is refused for a wrong key."""


PROVIDERS: dict[str, Provider] = {module.NAME: module for module in (mistral, anthropic, openai_compatible)}


def price(prices: tuple[Decimal, Decimal], counted: tuple[int, int]) -> int:
    """What so many units cost, in millionths of a US dollar; a fraction counts as a whole."""
    return math.ceil(sum((price * count for price, count in zip(prices, counted, strict=True)), Decimal(0)))


def configured(settings: Settings) -> dict[str, str]:
    """The engines that may be asked → their models."""
    models = {name: provider.model(settings) for name, provider in PROVIDERS.items()}
    return {name: model for name, model in models.items() if model}
