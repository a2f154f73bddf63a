"""Finds the labels of labels.toml in cells: which role a text has, where it stands, and how much it can be relied on."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from akount.extraction.layout import plain

STRONG, PLAIN = 2, 1

_WORD = re.compile(r"[^\W_]{5,}")
_COMPOUND = re.compile(r"[a-z]{3,}rechnung\Z")
_TOKEN = re.compile(r"[^\W_][^\W_A-Z]{2,}(?=[A-Z]{3}(?![^\W_]))|[^\W_]+|%|#")  # "zahlenCHF" are two words


@dataclass(frozen=True, slots=True)
class Label:
    """A phrase found in a text. `start` and `end` are characters of that text."""

    role: str
    strength: int
    start: int
    end: int
    phrase: str


_SPACED = re.compile(r"(?:\w ){4,}\w")
"""A word whose letters are set apart."""


@dataclass(frozen=True, slots=True)
class _Entry:
    tokens: tuple[str, ...]
    role: str
    strength: int


@cache
def _data() -> dict[str, dict[str, dict[str, list[str]]]]:
    with (Path(__file__).parent / "labels.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def words(name: str) -> frozenset[str]:
    """A list of single words or phrases out of the section `words`."""
    section: dict[str, list[str]] = _data()["words"]  # type: ignore[assignment]
    return frozenset(section[name])


@lru_cache(maxsize=20_000)
def is_title(bare: str) -> bool:
    """Whether a plain text is the name of a kind of document, its letters set apart or not, as in "I N V O I C E"."""
    return _close(bare) in _titles()


@lru_cache(maxsize=20_000)
def is_credit(bare: str) -> bool:
    """Whether a plain text begins with a word for a credit note, its letters set apart or not."""
    return any(bare.startswith(f"{phrase} ") for phrase in words("credit")) or _close(bare) in _closed("credit")


@cache
def _titles() -> frozenset[str]:
    return _closed("title") | _closed("credit")


@cache
def _closed(name: str) -> frozenset[str]:
    return words(name) | {phrase.replace(" ", "") for phrase in words(name)}


def _close(bare: str) -> str:
    return bare.replace(" ", "") if _SPACED.fullmatch(bare) else bare


@cache
def _index(group: str) -> dict[str, list[_Entry]]:
    """Entries by their first token, the longest first; the earlier role wins where a phrase stands under two."""
    index: dict[str, list[_Entry]] = {}
    for role, lists in _data()[group].items():
        for name, strength in (("strong", STRONG), ("plain", PLAIN)):
            for phrase in lists[name]:
                tokens = tuple(_tokens_of(phrase))
                index.setdefault(tokens[0], []).append(_Entry(tokens, role, strength))
    for entries in index.values():
        entries.sort(key=lambda entry: -len(entry.tokens))
    return index


@cache
def vocabulary() -> frozenset[str]:
    """Every word of five letters and more that occurs in a label."""
    groups = ("money", "date", "number", "party", "column")
    return frozenset(
        token
        for group in groups
        for entries in _index(group).values()
        for entry in entries
        for token in entry.tokens
        if len(token) > 4
    )


@lru_cache(maxsize=20_000)
def find(text: str, group: str) -> tuple[Label, ...]:
    """The labels of a group in a text from left to right, longest match first, without overlaps."""
    index, spans = _index(group), _spans(text)
    tokens = [_COMPOUND.sub("rechnung", token) if group == "number" and token not in index else token for token, _, _ in spans]
    found, at = [], 0
    while at < len(tokens):
        known = index.get(tokens[at])
        entry = known and next((one for one in known if tuple(tokens[at : at + len(one.tokens)]) == one.tokens), None)
        if not entry:
            at += 1
            continue
        last = at + len(entry.tokens) - 1
        found.append(Label(entry.role, entry.strength, spans[at][1], spans[last][2], " ".join(entry.tokens)))
        at = last + 1
    return tuple(found)


@lru_cache(maxsize=20_000)
def _spans(text: str) -> tuple[tuple[str, int, int], ...]:
    """The words of a text as labels are compared, and where they stand."""
    return tuple((plain(match.group()) or match.group(), match.start(), match.end()) for match in _TOKEN.finditer(text))


def _tokens_of(phrase: str) -> list[str]:
    return [plain(token) or token for token in _TOKEN.findall(phrase)]


def mended(text: str) -> str:
    """The text, every word that is one misread letter away from a label word replaced by that; as long as before."""
    return _WORD.sub(lambda match: _mended_word(match.group()), text)


@cache
def _mended_word(word: str) -> str:
    from rapidfuzz import process
    from rapidfuzz.distance import Hamming

    bare = plain(word)
    if len(bare) != len(word) or bare in vocabulary() or sum(char.isdigit() for char in bare) > 2:
        return word
    choices = [one for one in vocabulary() if len(one) == len(bare)]
    near = process.extractOne(bare, choices, scorer=Hamming.distance, score_cutoff=1)
    return word if near is None else str(near[0])
