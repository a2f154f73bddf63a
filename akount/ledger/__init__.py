"""The ledger of jobs: the truth about what is to be read, and the only place that moves a job.

Every move is one UPDATE that names the status it expects, and the fence when a worker holds the job; who moves no row
has lost the race. Nothing here commits: the caller owns the transaction. docs/states.md has the picture.
"""

from akount.ledger.bulk import DeadLetters, InLine, Page, archive, cancel_all, dead_letters, discard_all, retry_all
from akount.ledger.claims import (
    RETRY_BASE_SECONDS,
    RETRY_CAP_SECONDS,
    RETRY_JITTER,
    Claim,
    LostClaim,
    beat,
    claim,
    finish,
    give_back,
    recover,
    settle,
    take_from,
)
from akount.ledger.entries import CANCELLABLE, RETRYABLE, attempts_at, cancel, discard, enter, erase, find, retry, run_now
from akount.ledger.holders import worker_name

__all__ = [
    "CANCELLABLE",
    "RETRYABLE",
    "RETRY_BASE_SECONDS",
    "RETRY_CAP_SECONDS",
    "RETRY_JITTER",
    "Claim",
    "DeadLetters",
    "InLine",
    "LostClaim",
    "Page",
    "archive",
    "attempts_at",
    "beat",
    "cancel",
    "cancel_all",
    "claim",
    "dead_letters",
    "discard",
    "discard_all",
    "enter",
    "erase",
    "find",
    "finish",
    "give_back",
    "recover",
    "retry",
    "retry_all",
    "run_now",
    "settle",
    "take_from",
    "worker_name",
]
