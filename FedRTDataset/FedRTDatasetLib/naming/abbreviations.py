"""The usual abbreviations of anatomical English and Latin, and TG-263's own, each brought to one plain word."""

import csv
import functools
import re
from collections.abc import Sequence
from importlib import resources

_FIRST = {"a": "artery", "v": "vein", "n": "nerve", "m": "muscle"}
_LAST = {"i": "inferior", "m": "middle", "s": "superior"}
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7"}
_JOINING = frozenset(
    re.findall(r"\w+", "of the and de del du des di da dal della dello la le les el los las van het i gli il lo")
)
_LEVELS = ("level", "levels", "niveau", "nivel", "livello", "poziom", "lvl")


def plain_words(words: Sequence[str]) -> frozenset[str]:
    """The set of plain words that a name consists of: `A. carotis int.` is artery, carotid, internal."""
    words = [re.sub(r"^([a-z]?)0+(?=\d)", r"\1", word) for word in words]  # Rib01, T05
    if "neck" in words or (not set(_LEVELS).isdisjoint(words) and any(len(_neck_level(word)) > 1 for word in words)):
        words = ["neck", *(word for word in words if word != "neck")]
        words = [piece for word in words for piece in _neck_level(word)]
    axillary = not {"ax", "axillary", "axilla"}.isdisjoint(words)
    plain: list[str] = []
    for n, word in enumerate(words):
        if n == 0 and len(words) > 1 and word in _FIRST:
            plain.append(_FIRST[word])
        elif 0 < n == len(words) - 1 and word in _LAST:
            plain.append(_LAST[word])
        elif axillary and re.fullmatch(r"l[123]", word):
            plain += ["ln", word[1]]
        elif word in _LEVELS:
            plain.append("ln")
        elif word not in _JOINING:
            plain += _plain_of().get(word, (word,))
    if "vertebra" in plain and "body" in plain:
        plain.remove("body")
    return frozenset(plain)


@functools.cache
def _plain_of() -> dict[str, tuple[str, ...]]:
    """Word as it is written -> the plain words it stands for, from `data/abbreviations.csv`."""
    text = resources.files("FedRTDatasetLib").joinpath("data", "abbreviations.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {word: tuple(row["plain"].split()) for row in rows for word in row["written"].split()}


def _neck_level(word: str) -> tuple[str, ...]:
    """Level IIA and level 2a of the neck are the same."""
    if word in _ROMAN:
        return (_ROMAN[word],)
    if word[-1:] in ("a", "b", "c") and word[:-1] in _ROMAN:
        return _ROMAN[word[:-1]], word[-1]
    return (word,)
