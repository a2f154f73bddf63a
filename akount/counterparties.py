"""Who a document is from or for, in the books of one entity: found by tax id, then by IBAN, then by name; made when new.

Two names that only look alike are never taken for one another; with another bank account that is pointed out as possible fraud.
In the caller's transaction; of many who bring the same new name at once one makes it, the others find it made.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process
from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from akount.checks import Finding
from akount.models import Counterparty, CounterpartyAccount, Record

ALIKE = 88
"""Per cent of two folded names that are the same, from where they look alike."""
MOST_LOOKALIKES = 20_000
"""Counterparties of an entity that a new name is compared with."""
RACES = 5
"""So often somebody else may make the same counterparty at the same moment."""
TRUSTED = "counterparty_trusted"

_LEGAL_FORMS = re.compile(
    r"\b(gmbh|mbh|ag|kg|ohg|ug|ltd|limited|plc|llp|llc|inc|corp|co|company|bv|nv|sarl|sas|sa|srl|spa|sl|ab|as|oy|aps|sp z o o)\b"
)
_AND = re.compile(r"\b(and|und|et)\b")
_LOOK = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))
"""Letters that an eye takes for one another."""


@dataclass(frozen=True, slots=True)
class Party:
    """What a document says of its counterparty; the IBAN only where it is the counterparty's own."""

    tenant_id: uuid.UUID
    entity_id: uuid.UUID
    role: str
    name: str | None
    tax_id: str | None
    iban: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """The counterparty, and whether it can be trusted to be the one; no id: the document names none."""

    id: uuid.UUID | None
    finding: Finding | None


def name_key(name: str) -> str:
    """A name folded for comparing: without case, accents, punctuation and legal form; never empty for a name."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    words = " ".join(re.sub(r"[^\w\s]|_", " ", "".join(c for c in plain if not unicodedata.combining(c))).split())
    return " ".join(_LEGAL_FORMS.sub(" ", words).split()) or words or name.casefold()


def number_key(number: str | None) -> str | None:
    """A tax id or an IBAN as it is compared: capitals and digits."""
    return re.sub(r"[^A-Z0-9]", "", (number or "").upper())[:40] or None


def resolve(session: Session, said: Party) -> Match:
    """The counterparty that is meant, made when it is new. It stays locked: who looks for duplicates sees them all."""
    if said.name is None:
        return Match(None, None)
    for _ in range(RACES):
        doubts: list[str] = []
        found = _find(session, said, doubts)
        if found is not None:
            return Match(found.id, _finding(doubts))
        try:
            with session.begin_nested():
                made = _make(session, said, doubts)
        except IntegrityError:  # somebody else has just made it
            continue
        return Match(made, _finding(doubts))
    raise RuntimeError("a counterparty that collides with none")


def confirm(session: Session, counterparty_id: uuid.UUID, *, name: str | None, iban: str | None) -> None:
    """A person has approved a record of this counterparty: it is no longer suspect, the bank account is one of its own, and
    it has the name that they gave it (None: they gave none), unless another has it already."""
    party = session.scalars(select(Counterparty).where(Counterparty.id == counterparty_id).with_for_update()).one()
    party.suspicion = None
    iban = number_key(iban)
    if iban is not None and _by_iban(session, party, iban) is None:
        session.add(_account(party, iban))
    session.flush()
    if name is not None and party.name != name:
        with suppress(IntegrityError), session.begin_nested():
            renamed = update(Counterparty).where(Counterparty.id == party.id)
            session.execute(renamed.values(name=name[:300], name_key=name_key(name)[:300]))


def forget_unused(session: Session, counterparty_id: uuid.UUID | None) -> None:
    """Removes a counterparty that no record names any more: it was a misreading, or went with its document."""
    locked = select(Counterparty).where(Counterparty.id == counterparty_id).with_for_update()
    if counterparty_id is None or session.scalar(locked) is None:
        return
    if session.scalar(select(Record.id).where(Record.counterparty_id == counterparty_id).limit(1)) is None:
        session.execute(delete(CounterpartyAccount).where(CounterpartyAccount.counterparty_id == counterparty_id))
        session.execute(delete(Counterparty).where(Counterparty.id == counterparty_id))


def _find(session: Session, said: Party, doubts: list[str]) -> Counterparty | None:
    tax_id, iban = number_key(said.tax_id), number_key(said.iban)
    found = None if tax_id is None else session.scalar(_locked(said).where(Counterparty.tax_id == tax_id))
    if found is None and iban is not None:
        found = _by_account(session, said, tax_id, iban, doubts)
    if found is None:
        found = _by_name(session, said, tax_id, iban, doubts)
    if found is None:
        return None
    if found.suspicion:
        doubts.append(found.suspicion)
    if found.tax_id is None and tax_id is not None:
        found.tax_id = tax_id
    if iban is not None:
        _compare_accounts(session, found, iban, doubts)
    session.flush()
    return found


def _by_account(session: Session, said: Party, tax_id: str | None, iban: str, doubts: list[str]) -> Counterparty | None:
    owner = _by_iban(session, said, iban)
    if owner is None:
        return None
    if tax_id is not None and owner.tax_id not in (None, tax_id):
        doubts.append(f"The bank account is that of {owner.name}, which has another tax id: possible fraud")
        return None
    return session.scalar(_locked(said).where(Counterparty.id == owner.id))


def _by_name(session: Session, said: Party, tax_id: str | None, iban: str | None, doubts: list[str]) -> Counterparty | None:
    """One of the same name that nothing speaks against: another tax id, another bank account."""
    same = _locked(said).where(Counterparty.name_key == name_key(said.name or "")[:300]).order_by(Counterparty.created_at)
    for party in session.scalars(same):
        if tax_id is not None and party.tax_id not in (None, tax_id):
            continue
        accounts = _accounts(session, party)
        if iban is None or not accounts or iban in accounts:
            return party
        doubts.append(f"{party.name} is known with another bank account than {last_four(iban)}: possible fraud")
    return None


def _compare_accounts(session: Session, party: Counterparty, iban: str, doubts: list[str]) -> None:
    """The first bank account of a counterparty is noted; another one is, when a person approves a record with it."""
    accounts = _accounts(session, party)
    if not accounts:
        session.add(_account(party, iban))
    elif iban not in accounts:
        doubts.append(f"{party.name} is known with another bank account than {last_four(iban)}: possible fraud")


def _make(session: Session, said: Party, doubts: list[str]) -> uuid.UUID:
    name, key, iban, tax_id = said.name or "", name_key(said.name or "")[:300], number_key(said.iban), number_key(said.tax_id)
    if iban is not None:
        doubts += _lookalikes(session, said, key, iban)
    known = session.scalar(_of(said).where(Counterparty.name_key == key).limit(1)) is not None
    party = Counterparty(
        id=uuid.uuid4(),
        tenant_id=said.tenant_id,
        entity_id=said.entity_id,
        role=said.role,
        name=name[:300],
        name_key=key,
        distinct_by=(tax_id or iban or "") if known else "",
        tax_id=tax_id,
        suspicion=doubts[0] if doubts else None,
    )
    session.add(party)
    session.flush()
    if iban is not None and _by_iban(session, said, iban) is None:
        session.add(_account(party, iban))
        session.flush()
    return party.id


def _lookalikes(session: Session, said: Party, key: str, iban: str) -> list[str]:
    """A counterparty with a bank account of its own whose name an eye could take for this one."""
    having = select(CounterpartyAccount.counterparty_id).where(CounterpartyAccount.iban != iban)
    query = select(Counterparty.name, Counterparty.name_key).where(*_mine(said), Counterparty.id.in_(having))
    names = {name: look(other) for name, other in session.execute(query.limit(MOST_LOOKALIKES)).all() if other != key}
    found = process.extractOne(look(key), names, scorer=fuzz.ratio, score_cutoff=ALIKE)
    return [] if found is None else [f"The name looks like that of {found[2]}, which has another bank account: possible fraud"]


def look(key: str) -> str:
    """A folded name as an eye in a hurry sees it."""
    key = " ".join(_AND.sub(" ", key).split()) or key
    for seen, taken_for in _LOOK:
        key = key.replace(seen, taken_for)
    return key


def _mine(said: Party | Counterparty) -> tuple[Any, ...]:
    return Counterparty.entity_id == said.entity_id, Counterparty.role == said.role


def _of(said: Party) -> Select[Counterparty]:
    return select(Counterparty).where(*_mine(said))


def _locked(said: Party) -> Select[Counterparty]:
    return _of(said).with_for_update()


def _by_iban(session: Session, said: Party | Counterparty, iban: str) -> Counterparty | None:
    owner = select(Counterparty).join(CounterpartyAccount, CounterpartyAccount.counterparty_id == Counterparty.id)
    return session.scalar(owner.where(*_mine(said), CounterpartyAccount.iban == iban))


def _accounts(session: Session, party: Counterparty) -> set[str]:
    return set(session.scalars(select(CounterpartyAccount.iban).where(CounterpartyAccount.counterparty_id == party.id)))


def _account(party: Counterparty, iban: str) -> CounterpartyAccount:
    mine = {"tenant_id": party.tenant_id, "entity_id": party.entity_id, "role": party.role}
    return CounterpartyAccount(counterparty_id=party.id, iban=iban, **mine)


def last_four(account: str) -> str:
    """Enough of a bank account to recognise it; of a short one not even that."""
    kept = account.replace(" ", "")
    return f"… {kept[-4:]}" if len(kept) > 8 else "…"


def _finding(doubts: list[str]) -> Finding:
    return Finding(TRUSTED, not doubts, f"{'; '.join(dict.fromkeys(doubts)) or 'Nothing speaks against the counterparty'}.")
