"""Planning helpers, devices and dose contours: drawn to plan a treatment, never anatomy, however anatomical they are named."""

import csv
import functools
import re
from collections.abc import Callable, Sequence
from importlib import resources

from .words import Words, without_accents

TARGETS = ("gtv", "ctv", "itv", "ptv")

_WITH_NUMBER = re.compile(r"(prv|ring|opt|iso|couch|bolus|avoid|dose|shell|marker|seed|clip)\d*$")
_IDLE = "says nothing"
_GERMAN_ENDINGS = ("artefakt", "artefakte", "prothese", "prothesen", "implantat", "kontrastmittel")
_COMBINING = frozenset(without_accents(
    "minus sub without sin ohne sans senza bez zonder χωρις crop cropped not in inside outside out and und y et e en i of ex "
    "union intersection excl exclude"
).split())  # fmt: skip


@functools.cache
def words_by_kind() -> dict[str, list[str]]:
    """Kind -> words in eight languages, from `data/helper_words.csv`."""
    text = resources.files("FedRTDatasetLib").joinpath("data", "helper_words.csv").read_text(encoding="utf-8")
    return {row["kind"]: without_accents(row["words"]).split() for row in csv.DictReader(text.splitlines())}


@functools.cache
def _kind_of() -> dict[str, str]:
    return {word: kind for kind, words in words_by_kind().items() if kind != _IDLE for word in words}


@functools.cache
def idle_words() -> frozenset[str]:
    """Words that tell who drew a structure, on what image and how finished or full it is, not what it is."""
    return frozenset(words_by_kind()[_IDLE])


def starts_as_helper(roi_name: str) -> bool:
    """True where the first sign alone takes a name out of evaluation (`_Bladder`, `~Bladder`)."""
    return roi_name.strip()[:1] in tuple("_~#$*")


def marked_as_helper(roi_name: str, words: Words) -> str | None:
    """Why the spelling alone says that the name is no anatomy (`z_Bladder`, `95%`), or None."""
    text = roi_name.strip().casefold()
    if not words.words:
        return "no letters or digits"
    if (
        re.match(r"(z+|x+|zz+|nu|nt)[_.\-]", text)
        or re.match(r"(z+|x)\s", text)
        or re.match(r"z+[A-Z]", roi_name.strip())
    ):
        return "marked as not for evaluation"
    if starts_as_helper(text):
        return "marked as not for evaluation"
    if (
        "%" in text
        or re.search(r"\b[vd]\s?\d+\b", text)
        or (re.search(r"\d\s*c?gy\b", text) and not _targets(words.words))
    ):
        return "dose region"
    if re.search(r"[+\-]\s*\d+([.,]\d+)?\s*(mm|cm)", text) or re.search(r"\d\s*(mm|cm)\b", text):
        return "margin"
    if re.search(r"[a-z]\s*\+\s*\d+\s*$", text):
        return "margin"
    return None


def worded_as_helper(roi_name: str, words: Words, names_anatomy: Callable[[Sequence[str]], bool]) -> str | None:
    """Why the words say that the name is no anatomy (`Ring_PTV`, `Bladder-PTV`), or None.

    Ask only for names that are not, as a whole, those of a structure: `Opt. Chiasm` is no optimisation aid.
    """
    for word in (*words.words, "".join(words.words)):
        kind = _kind_of().get(word)
        if kind is not None and not (kind == "air" and "way" in words.words):
            return kind
        if word.endswith(_GERMAN_ENDINGS):
            return "marker or artefact"
        if _WITH_NUMBER.match(word) and word not in ("ring",):
            return _kind_of()[_WITH_NUMBER.match(word)[1]]
    targets = _targets(words.words)
    if not targets or len(words.words) < 2:
        return None
    text = roi_name.strip().casefold()
    others = [word for word in words.rest if word not in targets and not word.isdigit()]
    if len(targets) > 1 and len(set(targets)) > 1 and (re.search(r"[-!&+]", text) or not _COMBINING.isdisjoint(others)):
        return "combination"
    combined = re.search(r"[^\W\d_]\s*[-!&]\s*[^\W\d_]", text) is not None
    if any(word in _COMBINING for word in others) or (combined and names_anatomy(others)):
        return "combination"
    if words.words[0] not in targets and names_anatomy(others):
        return "combination"
    return None


def _targets(words: Sequence[str]) -> list[str]:
    return [word for word in words if word[:3] in TARGETS and len(word) <= 4]
