"""Why a hosted engine gave no reading. Nobody is told what it answered: that may quote the document."""

from __future__ import annotations


class NotAnswered(Exception):
    """A hosted engine was not asked, or gave no answer that can be used. `why` completes "… was not used: "."""

    def __init__(
        self,
        why: str,
        code: str,
        *,
        passing: bool = False,
        retry_after: float | None = None,
        blames: bool = False,
        cost: int | None = 0,
    ) -> None:
        super().__init__(code)
        self.why, self.code = why, code
        self.passing = passing
        "whether it may go well later"
        self.retry_after = retry_after
        "seconds, as the engine asked for"
        self.blames = blames
        "whether it speaks against the engine: the breaker counts it"
        self.cost = cost
        "millionths of a US dollar; None: not known, so as much as was set aside"
