"""Every word that means a structure: TG-263's own names, spelt out and shortened, and the synonyms of eight languages.

A name without its side is a family: `kidney` is the family of Kidney_L, Kidney_R and Kidneys. Families are found by their
letters (`spinalcord`) and, where that fails, by their words in any order and length (`Gl. submandib.`, `submandibular gland`).
"""

import csv
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources

from .abbreviations import plain_words
from .greek import is_greek, latin_spellings
from .structures import table_rows
from .tg263 import primary_names
from .words import (
    BOTH,
    LEFT,
    RIGHT,
    key_of,
    split_name,
    split_words,
)

LANGUAGES = ("en", "es", "de", "fr", "it", "nl", "pl", "el")


@dataclass
class Family:
    """What one word means on each side.

    members: side (L, R, B or None) -> TG-263 name. unclear: two structures have this name.
    """

    members: dict[str | None, str] = field(default_factory=dict)
    unclear: bool = False

    def take(self, side: str | None, name: str) -> None:
        self.unclear |= self.members.setdefault(side, name) != name


@dataclass(frozen=True)
class Vocabulary:
    """Families by their letters and by their set of words; languages: which ones a single word belongs to."""

    by_letters: dict[str, Family]
    by_words: dict[frozenset[str], Family]
    languages: dict[str, set[str]]

    def families(self, words: Sequence[str]) -> list[Family]:
        """The families that these words (without a side) mean: that of their letters first, then that of the set of words."""
        found = (self.by_letters.get(key_of(words)), self.by_words.get(plain_words(words))) if words else ()
        return [family for family in found if family is not None and not family.unclear]

    def spoken(self, words: Sequence[str], languages: frozenset[str], alone: bool = False) -> bool:
        """True if one of the words is of these languages; alone: and of no other."""
        known = [self.languages.get(key_of([word]), set()) for word in words if len(word) > 1]
        return any(found & languages and (not alone or found <= languages) for found in known)


@functools.cache
def vocabulary() -> Vocabulary:
    """All words, read once."""
    words = Vocabulary({}, {}, {})
    for spelling, side, name, language in _spellings():
        parts = split_words(spelling)
        for letters in _letters(parts):
            words.by_letters.setdefault(letters, Family()).take(side, name)
        words.by_words.setdefault(plain_words(parts), Family()).take(side, name)
        for letters in {*_letters(parts), *(letters for part in parts for letters in _letters([part]))}:
            words.languages.setdefault(letters, set()).add(language)
    # TG-263's own abbreviations give way where a synonym of the tables says what the word means here.
    for name, base, side in _own_names():
        parts = split_words(base)
        for letters in {key_of(parts), *(key_of([part]) for part in parts)}:
            words.languages.setdefault(letters, set()).add("en")
        _yield_to(words.by_letters, key_of(parts), side, name)
        if base not in _GENERIC:
            _yield_to(words.by_words, plain_words(parts), side, name)
    _name_pairs(words)
    return words


@functools.cache
def own_letters() -> dict[str, str]:
    """TG-263 names without a side by their letters alone, for those whose letters nothing else has (`OPTICCHIASM`)."""
    found: dict[str, set[str]] = {}
    for name, entry in primary_names().items():
        if not entry.is_helper and entry.side not in (LEFT, RIGHT):
            found.setdefault(key_of(split_words(name.lower())), set()).add(name)
    return {letters: names.pop() for letters, names in found.items() if len(names) == 1 and len(letters) >= 4}


def _letters(parts: Sequence[str]) -> set[str]:
    """The letters of a name; a Greek one also as it is typed in Latin letters."""
    letters = {key_of(parts)}
    if any(map(is_greek, parts)):
        typed = {""}
        for part in parts:
            typed = {before + spelling for before in typed for spelling in latin_spellings(part)}
        letters |= {key_of([spelling]) for spelling in typed}
    return letters - _OTHER_WORDS


_OTHER_WORDS = {"ortho", "orthon", "stoma", "lepto", "pleura"}
"""Latin spellings of Greek words that are words of their own: a stoma is no mouth."""


def _spellings() -> Iterator[tuple[str, str | None, str, str]]:
    """(spelling without a side, side, TG-263 name, language) of every row of both tables."""
    for row in table_rows():
        side = {"Left": LEFT, "Right": RIGHT, "Right and left": BOTH}.get(row["laterality"].partition("|")[2])
        own = row["name"].rsplit("_", 1)[0] if side in (LEFT, RIGHT) else row["name"]
        yield own, side, row["name"], "en"
        for language in LANGUAGES:
            for synonym in filter(None, row[f"synonyms_{language}"].split(";")):
                yield synonym, side, row["name"], language
    for row in more_synonyms():
        for side, name in _members(row["name"]):
            for language in LANGUAGES:
                for synonym in filter(None, (row[language] or "").split(";")):
                    yield *_with_its_side(synonym, side), name, language
    yield from _vertebrae()


def _vertebrae() -> Iterator[tuple[str, None, str, str]]:
    """A vertebra is named by the words of its language and its number (`LWK 3`, `vértebra D5`, `Th 12`)."""
    for name in primary_names():
        number = re.fullmatch(r"VB_([CTLS])(\d+)", name)
        if number is None:
            continue
        region, n = number[1].lower(), int(number[2])
        if region in _GERMAN_VERTEBRA:
            yield f"{_GERMAN_VERTEBRA[region]} {n}", None, name, "de"
        if region == "t":
            for spelling in (f"th {n}", f"vertebra th {n}", f"vertebra d{n}", f"vertebra d{n:02}"):
                yield spelling, None, name, "de"


_GERMAN_VERTEBRA = {"c": "hwk", "t": "bwk", "l": "lwk", "s": "swk"}


def _with_its_side(synonym: str, side: str | None) -> tuple[str, str | None]:
    """`=LLL` holds its side in itself; `left lower lobe` names it, and is found as the left one of the lower lobes."""
    if synonym.startswith("="):
        return synonym[1:], None
    words = split_name(synonym)
    return (" ".join(words.rest), side) if words.sides == {side} else (synonym, side)


@functools.cache
def more_synonyms() -> tuple[dict[str, str], ...]:
    """The rows of `data/synonyms.csv`: names outside `structures.csv`; `?` stands for a side (`Ureter_?`)."""
    text = resources.files("FedRTDatasetLib").joinpath("data", "synonyms.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _members(pattern: str) -> list[tuple[str | None, str]]:
    if "?" in pattern:
        return [(side, pattern.replace("?", side)) for side in (LEFT, RIGHT)]
    side = primary_names()[pattern].side
    return [(side or None, pattern)]


def _own_names() -> Iterator[tuple[str, str, str | None]]:
    """(TG-263 name, the name without its side, side); an unsided name of a paired structure is left to its exact spelling."""
    names = primary_names()
    for name, entry in names.items():
        if entry.is_helper or entry.kind == "target" or f"{name}_L" in names or name in _GENERIC:
            continue
        ends_in_side = entry.side in (LEFT, RIGHT) and name.endswith(f"_{entry.side}")
        yield name, name[:-2] if ends_in_side else name, entry.side or None


_GENERIC = {"Bone", "LN", "Musc", "Spc", "Strct", "Tendon", "Valve", "VB"}
"""Names of a kind of tissue: only their exact spelling means them."""


def _yield_to(table: dict, key, side: str | None, name: str) -> None:
    """Enter a TG-263 name unless a synonym already gives its letters another meaning."""
    family = table.setdefault(key, Family())
    if side not in family.members:
        family.members[side] = name


def _name_pairs(words: Vocabulary) -> None:
    """`kidney, both sides` are the kidneys."""
    both_of = {
        f"{stem}_L": name
        for name, entry in primary_names().items()
        if entry.side == BOTH
        for stem in (name, name[:-1], name[:-3] + "y", name[:-1] + "us")
    }
    for table in (words.by_letters, words.by_words):
        for family in table.values():
            both = both_of.get(family.members.get(LEFT))
            if both is not None:
                family.members.setdefault(BOTH, both)
