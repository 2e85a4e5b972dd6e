"""What was taken out of a patient's objects: the list that the output is searched for."""

import contextlib
import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .dates import read_date, spellings
from .descriptors import pieces_of, vocabulary, words_of

NAME, IDENTITY, PLACE, TEXT, UID, DATE = "name", "identity", "place", "text", "uid", "date"
LONGEST = 4096
"""Longer texts are searched for by their words only."""
_DECIMAL = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?(?![.\d])")
_TOKEN = re.compile(r"[^\W_]+")


@dataclass
class Removed:
    """Values of one patient, as text, by kind; each with the attribute it was first found in.

    name: of people. identity: the patient's numbers and addresses. place: institutions, departments, stations,
    devices. text: descriptions, comments, private texts. uid. date (as YYYYMMDD).
    raw: the bytes of texts with letters beyond ASCII, as they stood in the file. kept: values that a retain option keeps.
    """

    values: dict[tuple[str, str], str] = field(default_factory=dict)
    raw: dict[bytes, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def add(self, kind: str, text: str, where: str, raw: bytes | None = None) -> None:
        """Note one value."""
        text = text.strip("\0 \t\r\n")
        if kind == DATE:
            date = read_date(text[:8])
            text = date.strftime("%Y%m%d") if date else ""
        if text:
            self.values.setdefault((kind, text), where)
            if raw and not text.isascii():
                self.raw.setdefault(raw.strip(b"\0 "), where)

    def merge(self, other: "Removed") -> None:
        """Take in what another object of the patient held."""
        for key, where in other.values.items():
            self.values.setdefault(key, where)
        for key, where in other.raw.items():
            self.raw.setdefault(key, where)
        self.kept |= other.kept

    def kept_words(self) -> set[str]:
        """The words of what is kept on purpose, which another attribute may have held as well."""
        return self.kept | {token for text in self.kept for token in _TOKEN.findall(text)}

    def identity_words(self) -> set[str]:
        """Words that no text of the patient's objects may keep, as `descriptors.py` compares them.

        Of names every word of two letters or more, save two-letter words of the field (CT, PT, li); of numbers and
        addresses those of four letters or three digits that are no words of the field (a Patient ID such as
        PROSTATE-014 does not forbid the prostate).
        """
        found = set()
        for kind, text in self.values:
            if kind == NAME:
                found.update(word for word in words_of(text) if _is_name_word(word))
            elif kind == IDENTITY:
                found.update(word for word in words_of(text) if _is_number_word(word))
                found.update({text.casefold()} if len(text) >= 3 and not _harmless(text) else ())
        return found


def _is_name_word(word: str) -> bool:
    return len(word) >= (3 if word.isdigit() or word in vocabulary() else 2)


def _is_number_word(word: str) -> bool:
    return len(word) >= 3 if word.isdigit() else len(word) >= 4 and word not in vocabulary()


def anywhere(removed: Removed) -> dict[str, tuple[str, str]]:
    """What must not stand anywhere in the output: text -> (kind, attribute).

    Whole values and their words from four letters or five digits on. Left out are words of the field (a ROI named
    Bladder does not betray that a description said bladder); the identity's own words among those are looked for by
    `in_texts`.
    """
    found: dict[str, tuple[str, str]] = {}
    for (kind, text), where in removed.values.items():
        if kind == UID:
            found.setdefault(text, (kind, where))
        elif kind != DATE:
            for token in _searched(kind, text):
                if token not in found or kind in (NAME, IDENTITY):
                    found[token] = (kind, where)
    return found


def _searched(kind: str, text: str) -> Iterable[str]:
    if kind in (TEXT, PLACE):
        text = _DECIMAL.sub(" ", text).strip()
    tokens = _TOKEN.findall(text)
    if 4 <= len(text) <= LONGEST and not _harmless(text) and len(tokens) > 1:
        yield text
    shortest = 5 if kind == TEXT else 4
    for token in tokens:
        if token.isdigit():
            if len(token) >= 5:
                yield token
        elif len(token) >= shortest and not _harmless(token):
            yield token


def _harmless(text: str) -> bool:
    """Only words of the field and short numbers."""
    return all((len(word) < 5) if word.isdigit() else word in vocabulary() for word in pieces_of(text))


def in_texts(removed: Removed) -> dict[str, tuple[str, str]]:
    """Words too short or too common to be looked for everywhere: not to stand as whole words in the patient's own
    texts."""
    return {
        word: (kind, where)
        for (kind, text), where in removed.values.items()
        if kind in (NAME, IDENTITY)
        for word in words_of(text)
        if (_is_name_word(word) if kind == NAME else _is_number_word(word))
        and (len(word) < 5 if word.isdigit() else len(word) < 4 or word in vocabulary())
    }


def date_spellings(removed: Removed) -> dict[str, tuple[str, str]]:
    """Every spelling of every date, for the patient's own objects."""
    found = {}
    for (kind, text), where in removed.values.items():
        if kind == DATE:
            date = datetime.datetime.strptime(text, "%Y%m%d").date()
            found |= {spelling: (DATE, where) for spelling in spellings(date)}
    return found


def shifted_dates(removed: Removed, days: int) -> frozenset[str]:
    """The dates (YYYYMMDD) that stand in the patient's copies instead."""
    originals = [datetime.datetime.strptime(text, "%Y%m%d").date() for kind, text in removed.values if kind == DATE]
    found = set()
    for date in originals:
        with contextlib.suppress(OverflowError):
            found.add((date + datetime.timedelta(days=days)).strftime("%Y%m%d").zfill(8))
    return frozenset(found)
