"""What is shown to who may look and not work: of a bank account the last four characters, wherever in an answer it stands.

Who has the permission `accounts` sees it whole. The pages of a document and the file itself are as they were sent.
"""

from __future__ import annotations

from typing import Any

from akount.accounts import Actor, Permission
from akount.counterparties import last_four
from akount.extraction.redaction import account_spans

ACCOUNT = "iban"
"""What records, evidence, corrections and readings call the account."""
WORDS = ("value", "machine", "evidence", "text")
"""Below that name: where its characters stand."""


def shown_to(actor: Actor, said: Any) -> Any:
    """JSON, or a row of a table, as the actor may see it."""
    return said if Permission.ACCOUNTS in actor.permissions else _discreet(said, is_account=False)


def account_for(actor: Actor, account: str | None) -> str | None:
    """An account as the actor may see it."""
    shown: str | None = shown_to(actor, {ACCOUNT: account})[ACCOUNT]
    return shown


def _discreet(said: Any, *, is_account: bool) -> Any:
    if isinstance(said, str):
        return last_four(said) if is_account else _without_accounts(said)
    if isinstance(said, dict):
        return {k: _discreet(v, is_account=k == ACCOUNT or (is_account and k in WORDS)) for k, v in said.items()}
    if isinstance(said, list | tuple):
        return [_discreet(one, is_account=False) for one in said]
    return said


def _without_accounts(text: str) -> str:
    parts, at = [], 0
    for start, end in sorted(account_spans(text)):
        if start >= at:
            parts += [text[at:start], last_four(text[start:end])]
            at = end
    return "".join([*parts, text[at:]])
