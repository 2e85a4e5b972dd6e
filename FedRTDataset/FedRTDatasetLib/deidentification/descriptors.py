"""Clean Descriptors (PS3.15 E.3.5): what of a free text may stay.

A word stays when it is a word of the field (body parts, structures, sequences, techniques: `data/words.csv`, the
structure table with its synonyms, the words of planning helpers) and no part of the patient's identity. So nothing
has to be recognised as a name; what is not known goes. Numbers of up to four digits stay (doses, levels, energies)
unless they can be a year or form a date.
"""

import csv
import functools
import re
from collections.abc import Iterable
from importlib import resources

from ..naming.helpers import words_by_kind
from ..naming.names import CONFIDENT, NameMap, propose
from ..naming.structures import shipped_structures, table_rows
from ..naming.tg263 import primary_names
from ..naming.vocabulary import LANGUAGES, more_synonyms
from ..naming.words import split_words, without_accents
from ..pseudonym import SiteKey

_DATE = re.compile(r"\d{1,4}\s*[./-]\s*\d{1,2}\s*[./-]\s*\d{2,4}|\d{1,2}\s*[./-]\s*(19|20)\d\d")
_CLOCK = re.compile(r"\d{1,2}:\d\d")

# For neutral names, without digits and vowels: they hold no number and no name by chance.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")

# Where an empty or shortened name would lose more than it protects: tag -> stem of the neutral name (at most 16
# characters in all).
NEUTRAL_STEMS = {
    0x30060026: "ROI",
    0x30060085: "ROI",
    0x30060002: "Structures",
    0x300A0002: "Plan",
    0x300A00C2: "Beam",
    0x00620005: "Segment",
    0x3010002D: "Device",
    0x30100033: "Label",
    0x30100035: "Label",
}


@functools.cache
def vocabulary() -> frozenset[str]:
    """Words of the field, lower case without accents."""
    table = resources.files(__package__).joinpath("data", "words.csv").read_text(encoding="utf-8")
    words = {word for row in csv.DictReader(table.splitlines()) for word in words_of(row["words"])}
    words.update(word for helpers in words_by_kind().values() for text in helpers for word in words_of(text))
    for row in (*table_rows(), *more_synonyms()):
        texts = [text for column, text in row.items() if column in _NAME_COLUMNS or column.startswith("synonyms_")]
        words.update(word for text in texts for word in [*words_of(text), *split_words(text)])
    words.update(word for name in structure_names() for word in [*words_of(name), *split_words(name)])
    return frozenset(words)


@functools.cache
def structure_names() -> frozenset[str]:
    """The TG-263 names that FedRT's tables hold."""
    return frozenset({*shipped_structures(), *primary_names()})


_NAME_COLUMNS = ("name", *LANGUAGES)


def words_of(text: str) -> list[str]:
    """Runs of letters of any script and runs of digits, lower case, without accents."""
    return re.findall(r"[^\W\d_]+|\d+", without_accents(text))


class Descriptors:
    """Cleans the texts of one patient. identity: words that are never kept, lower case without accents."""

    def __init__(
        self, key: SiteKey, patient: str, identity: Iterable[str] = (), names: NameMap | None = None, extra=()
    ) -> None:
        self._key, self._patient = key, patient
        self._identity = frozenset(identity)
        self._numbers = frozenset(w.lstrip("0") for w in self._identity if w.isdigit() and len(w.lstrip("0")) >= 5)
        self._names = names
        self._extra = frozenset(word for text in extra for word in words_of(text))

    def holds_identity(self, text: str) -> bool:
        """True where a word of the text is part of the patient's identity, or a longer part is inside a word."""
        words = {*words_of(text), *split_words(text)}
        plain = without_accents(text)
        return not self._identity.isdisjoint(words) or any(len(part) >= 5 and part in plain for part in self._identity)

    def holds_number(self, value: object) -> bool:
        """True where one of the numbers of a DS or IS value is a number of the patient's (five digits or more)."""
        if not self._numbers:
            return False
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
        return any(number in text for number in self._numbers) and any(
            part.strip().partition(".")[0].lstrip("+-0") in self._numbers for part in re.split(r"[\\,\[\]']", text)
        )

    def is_clean(self, text: str) -> bool:
        """True where the whole text may stay as it is."""
        return bool(text) and text.isprintable() and not _has_date(text) and all(map(self._may_stay, pieces_of(text)))

    def known_words(self, text: str) -> str:
        """The text without the words that may not stay, "" where none is left that tells anything."""
        if self.is_clean(text):
            return text
        text = _CLOCK.sub(" ", _DATE.sub(" ", text))
        kept = [part for part in re.findall(r"[^\s,;_/()\[\]{}^=\"']+", text) if self.is_clean(part)]
        return " ".join(kept)[:64].strip() if any(c.isalpha() for part in kept for c in part) else ""

    def neutral(self, text: str, stem: str) -> str:
        """The same name for the same text of this patient; tells nothing about the text."""
        digest = self._key.digest(f"{self._patient}\0{text}", "descriptor")
        return f"{stem}_{digest[:5].translate(_LETTERS)}"

    def roi_name(self, name: str) -> str:
        """An approved TG-263 name, else the name as written if all its words are known, else a sure TG-263 name, else
        neutral.

        A TG-263 name comes from the table, not from the text, so it stays also where the patient is called like an
        organ.
        """
        name = name.strip()
        if not name:
            return name
        entry = self._names.entries.get(name) if self._names else None
        if entry is not None and entry.status == "approved" and entry.tg263:
            return entry.tg263
        if self.is_clean(name):
            return name
        found = propose(name)
        if found.tg263 in structure_names() and found.confidence >= CONFIDENT:
            return found.tg263
        return self.neutral(name, NEUTRAL_STEMS[0x30060026])

    def _may_stay(self, word: str) -> bool:
        if word.isdigit():
            return len(word) <= 4 and not (len(word) == 4 and 1900 <= int(word) <= 2099) and word not in self._identity
        return word not in self._identity and (word in vocabulary() or word in self._extra)


def unique(names: Iterable[str], limit: int = 64) -> list[str]:
    """The names, those that occur again with `_2`, `_3` ... behind them."""
    seen: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 1
        while name and candidate.casefold() in seen:
            number += 1
            candidate = f"{name[: limit - 4]}_{number}"
        seen.add(candidate.casefold())
        result.append(candidate)
    return result


def _has_date(text: str) -> bool:
    return bool(_DATE.search(text) or _CLOCK.search(text))


def pieces_of(text: str) -> list[str]:
    """The words a text is made of; `Lung_L`, `SpinalCord` and `T1w` are taken apart unless they are known as a whole."""
    words = words_of(text)
    if all(word.isdigit() or word in vocabulary() for word in words):
        return words
    parts = split_words(text)
    return parts if "".join(parts) == "".join(words) else words
