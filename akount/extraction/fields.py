"""Brings the findings together: from a laid-out document to a Reading with evidence and confidence for each value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from akount.extraction import (
    bands,
    buyers,
    confidence,
    currencies,
    date_roles,
    dates,
    identifiers,
    labels,
    lines,
    money,
    numbers,
    roles,
    sellers,
    suspicions,
    tills,
    totals,
)
from akount.extraction.found import Found
from akount.extraction.layout import Cell, Document, turn_box
from akount.readings import MAX_LINES, Box, Evidence, Reading, Value, clean_text


def read_document(document: Document, engine: str, version: str) -> Reading:
    """What the words of a document say. Never raises for any words; what is not found is absent."""
    if document.scanned:
        for cell in document.cells:
            cell.label_text = labels.mended(cell.text)
    amounts = [one for one in money.amounts(document) if not dates.holds(one.cell, one.start, one.end)]
    fields, items, sums, warnings = _find_money(document, amounts, engine)
    total = sums.chosen.get("total")
    currency = currencies.find_currency(document, amounts, total[1] if total else None)
    _add(fields, "currency", currency, document, engine)
    _add_dates(fields, document, currency.value if currency else None, engine)
    _add_parties(fields, document, engine, items)
    reading = Reading(
        engine=engine,
        engine_version=version,
        pages=len(document.pages),
        fields=fields,
        lines=tuple(line.as_line(engine) for line in items[:MAX_LINES]),
        tax_bands=tuple(bands.find_bands(document, amounts, *(_amount(sums, name) for name in ("net", "tax")))),
        warnings=warnings,
    )
    return _unturned(_signed(reading, document), {page.number: page.turned for page in document.pages})


def _find_money(
    document: Document, amounts: list[money.Amount], engine: str
) -> tuple[dict[str, Value], list[lines.Item], totals.Sums, tuple[str, ...]]:
    """The sums, the positions, and what is suspicious about them; positions without a table that add up confirm the total."""
    items = lines.find_lines(document, amounts)
    labelled = roles.outside_of_rows(roles.label_amounts(document, amounts), {item.row for item in items})
    sums = totals.find_sums(document, labelled, lines.line_sum(items))
    fields = {
        name: Value(
            value,
            _weighed(name, sure, place.cell, document, sums.signals),
            _evidence(place.cell, place.box, place.text, engine),
        )
        for name, (value, place, sure) in sums.chosen.items()
    }
    if not items and "total" in fields:
        printed = [sums.chosen[name][0] for name in ("total", "net") if name in sums.chosen]
        items = tills.find_till_lines(document, amounts, printed, sums.chosen["total"][1].cell.row)
        if items:
            place, sure = sums.chosen["total"][1:]
            signals = {**sums.signals, "till": 1.0, "bare": 0.0}
            fields["total"] = replace(fields["total"], confidence=_weighed("total", sure, place.cell, document, signals))
    if "total" in fields:
        most = totals.most_sure(document, sums, labelled)
        fields["total"] = replace(fields["total"], confidence=min(most, fields["total"].confidence))
    return fields, items, sums, suspicions.found(document, sums, labelled)


def warm() -> None:
    """Load the labels, the currencies and the check-digit rules."""
    import rapidfuzz  # noqa: F401

    labels.vocabulary()
    money.currency_codes()
    identifiers.warm()


def _amount(sums: totals.Sums, name: str) -> Decimal | None:
    return sums.chosen[name][0] if name in sums.chosen else None


def _add(fields: dict[str, Value], name: str, found: Found | None, document: Document, engine: str) -> None:
    if found is not None:
        text = clean_text(found.value)
        if text:
            fields[name] = Value(
                text,
                _weighed(name, found.confidence, found.cell, document, found.signals),
                _evidence(found.cell, found.box, found.cell.text, engine),
            )


def _add_dates(fields: dict[str, Value], document: Document, currency: str | None, engine: str) -> None:
    found = dates.dates(document, currency)
    issue, due = date_roles.find_dates(document, found)
    for name, one in (("issue_date", issue), ("due_date", due)):
        if one is not None:
            place = one.date
            evidence = _evidence(place.cell, place.box, place.text, engine)
            fields[name] = Value(place.day, _weighed(name, one.confidence, place.cell, document, one.signals), evidence)
    _add(fields, "invoice_number", numbers.find_number(document, found), document, engine)
    _add(fields, "payment_terms", numbers.find_terms(document), document, engine)


def _add_parties(fields: dict[str, Value], document: Document, engine: str, items: list[lines.Item]) -> None:
    buyer = buyers.find_buyer(document)
    seller = sellers.find_seller(document, buyer, _cells_of(document, items))
    if buyer is None and not document.scanned:
        buyer = buyers.find_addressee(document, seller)
    _add(fields, "buyer_name", buyer, document, engine)
    _add(fields, "seller_name", seller, document, engine)
    seller_id, buyer_id = identifiers.find_vat_ids(document, buyer)
    _add(fields, "seller_vat_id", seller_id, document, engine)
    _add(fields, "buyer_vat_id", buyer_id, document, engine)
    _add(fields, "iban", identifiers.find_iban(document), document, engine)


def _cells_of(document: Document, items: list[lines.Item]) -> set[Cell]:
    """The cells of the tables: between the heading and the last position of each page."""
    spans: dict[int, list[float]] = {}
    for item in items:
        above = document.rows[max(0, item.row - 1)]
        if not document.scanned and above.page == item.page and len(above.cells) > 2:
            spans.setdefault(item.page, []).append(above.box[1])
        spans.setdefault(item.page, []).extend((item.box[1], item.box[3]))
    return {cell for cell in document.cells if cell.page in spans and min(spans[cell.page]) <= cell.box[1] < max(spans[cell.page])}


def _evidence(cell: Cell, box: Box, text: str, engine: str) -> Evidence:
    x0, y0, x1, y1 = (min(1.0, max(0.0, edge)) for edge in box)
    return Evidence(cell.page, (x0, y0, x1, y1), clean_text(text, 200) or clean_text(cell.text, 200), engine)


def _weighed(name: str, rule: int, cell: Cell, document: Document, more: Mapping[str, float]) -> int:
    """The confidence of a value, per cent."""
    return confidence.per_cent(name, confidence.signals_of(rule, document.scanned, cell.confidence, more))


def _signed(reading: Reading, document: Document) -> Reading:
    """Credits negative: when the title says credit note and the printed total is positive, every amount is turned."""
    credit = _is_credit(document)
    total = reading.get("total")
    if not isinstance(total, Decimal):
        return replace(reading, credit_note=credit)
    if not credit or total < 0:
        return replace(reading, credit_note=credit or total < 0)
    fields = {
        name: replace(value, value=-value.value) if isinstance(value.value, Decimal) else value
        for name, value in reading.fields.items()
    }
    turned = tuple(replace(line, amount=_minus(line.amount), tax_amount=_minus(line.tax_amount)) for line in reading.lines)
    negative = tuple(replace(band, base=_minus(band.base), amount=_minus(band.amount)) for band in reading.tax_bands)
    return replace(reading, fields=fields, lines=turned, tax_bands=negative, credit_note=True)


def _is_credit(document: Document) -> bool:
    """Whether a short text up on the pages begins with a word for a credit note; in sentences such words mean little."""
    for row in document.rows[: max(12, len(document.rows) // 3)]:
        for cell in row.cells:
            if labels.is_credit(cell.plain) and len(cell.plain) < 60 and (cell.plain.count(" ") < 6 or labels.is_title(cell.plain)):
                return True
    return False


def _minus(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number


def _unturned(reading: Reading, turns: dict[int, int]) -> Reading:
    """The reading with boxes on the pages as they came, for pages that were turned to be read."""
    if not any(turns.values()):
        return reading

    def back(evidence: Evidence | None) -> Evidence | None:
        if evidence is None or evidence.box is None:
            return evidence
        return replace(evidence, box=turn_box(evidence.box, turns.get(evidence.page, 0)))

    fields = {name: replace(value, evidence=back(value.evidence)) for name, value in reading.fields.items()}
    return replace(reading, fields=fields, lines=tuple(replace(line, evidence=back(line.evidence)) for line in reading.lines))
