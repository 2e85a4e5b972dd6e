"""The search of the output for everything that was removed, and what of it is a harmless coincidence.

Every byte of every file is searched, in several encodings, whatever the case: the header byte by byte for all values,
pixels (which are the original's, bit for bit) for values of eight bytes or more. Each hit is then traced to its
element. A coincidence is:

- digits inside a number of a DS or IS (a number must be equal as a whole), inside a UID that this program made, or
  inside a date that the shift made;
- letters inside a longer word of the field (`prost` in prostate);
- a removed description's or station's word, or another patient's name, in a term (CS) or a product's name, and anything
  in a text this program wrote (the patient's own name was looked for when the term or product was kept);
- fewer than eight bytes in binary values.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..naming.words import split_words, without_accents
from . import elements
from .descriptors import (
    pieces_of,
    structure_names,
    vocabulary,
    words_of,
)
from .removed import PLACE, TEXT, UID
from .search import Patterns
from .values import REMOVED

_LONG_ENOUGH_FOR_PIXELS = 8
_OWN_TEXTS = frozenset(
    {0x00120063, 0x00120064, 0x00080005, 0x00020012, 0x00020013, 0x00020010, 0x00020002, 0x00120062, 0x00280303}
)
_NAMED_BY_US = frozenset({0x00100010, 0x00100020})
_TERMS_AND_PRODUCTS = frozenset({"CS"})


@dataclass(frozen=True)
class Finding:
    """A removed value that is in the output. where: path of attributes in the file; of: the attribute it was removed
    from."""

    where: str
    kind: str
    of: str


@dataclass
class Words:
    """What to look for in the objects of one patient. dates: patterns; words: whole words; made: dates that the shift
    wrote; texts: the patient's own among those that are looked for in every object."""

    dates: Patterns = field(default_factory=lambda: Patterns({}))
    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    pseudonym: str = ""


@dataclass
class Searched:
    """What the search of one file brought."""

    findings: list[Finding] = field(default_factory=list)
    coincidences: int = 0
    size: int = 0


def search_file(path: Path, patterns: Patterns, own: Words) -> Searched:
    """Search one de-identified DICOM file."""
    data = path.read_bytes()
    result = Searched(size=len(data))
    start = _pixels_start(path, len(data))
    hits: dict[tuple[bytes, bool], tuple[str, str, str]] = {}
    for place, found, (text, (kind, of)) in _hits(data, start, patterns, own):
        hits[found, place >= start] = (text, kind, of)
    leaves = list(_leaves_of(path)) if hits or own.words else []
    for (found, in_pixels), (text, kind, of) in hits.items():
        if in_pixels:
            result.findings.append(Finding("PixelData", kind, of))
            continue
        places = [leaf for leaf in leaves if found in leaf.value.lower()]
        bad = [leaf for leaf in places if not _coincidence(leaf, text, found, kind, own)]
        result.findings += [Finding(leaf.path, kind, of) for leaf in bad]
        if not places:
            result.findings.append(Finding("outside the attributes", kind, of))
        result.coincidences += len(places) - len(bad)
    for leaf in leaves:
        result.findings += _whole_words(leaf, own)
    result.findings = sorted(set(result.findings), key=lambda finding: (finding.where, finding.of))
    return result


def _hits(data: bytes, start: int, patterns: Patterns, own: Words) -> Iterator[tuple[int, bytes, tuple]]:
    head = data[:start]
    yield from patterns.find(head)
    yield from own.dates.find(head)
    for place, found, meaning in patterns.find(data[start:], shortest=_LONG_ENOUGH_FOR_PIXELS):
        if len(meaning[0] or found) >= _LONG_ENOUGH_FOR_PIXELS and len(set(found)) > 3:  # not 00000000 of equal pixels
            yield place + start, found, meaning


def search_text(text: str, patterns: Patterns) -> list[Finding]:
    """Search a report or a file name: a value counts where it stands as a word of its own."""
    data, findings = text.encode(), []
    for place, found, (_, (kind, of)) in patterns.find(data):
        before, after = data[place - 1 : place], data[place + len(found) : place + len(found) + 1]
        if (
            not (before.isalnum() and found[:1].isalnum())
            and not (after.isalnum() and found[-1:].isalnum())
            and kind != TEXT
        ):
            findings.append(Finding("report or file name", kind, of))
    return findings


# --- where a hit is, and whether it means anything ------------------------------------------------------------


@dataclass(frozen=True)
class _Leaf:
    tag: int
    vr: str
    path: str
    value: bytes


def _leaves_of(path: Path) -> Iterator[_Leaf]:
    """Every element that is no sequence, with its bytes as they stand in the file."""
    from pydicom import dcmread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = dcmread(path, stop_before_pixels=True)
        yield from _leaves(dataset.file_meta, "")
        yield from _leaves(dataset, "")


def _leaves(dataset, above: str) -> Iterator[_Leaf]:
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        vr = element.VR or elements.dictionary_vr(int(tag)) or "UN"
        name = above + elements.keyword(int(tag))
        if vr == "SQ":
            for number, item in enumerate(dataset[tag].value or []):
                yield from _leaves(item, f"{name}[{number}].")
        else:
            value = element.value
            if not isinstance(value, bytes):
                many = not isinstance(value, str) and hasattr(value, "__iter__")
                value = ("\\".join(map(str, value)) if many else str(value or "")).encode()
            yield _Leaf(int(tag), vr, name, value)


def _coincidence(leaf: _Leaf, text: str, found: bytes, kind: str, own: Words) -> bool:
    if leaf.tag in _OWN_TEXTS:
        return True
    value = leaf.value.decode("utf-8", errors="replace").strip("\0 ")
    if leaf.tag in _NAMED_BY_US:
        return value == own.pseudonym and value.casefold() != text.casefold()
    if leaf.vr == "UI":
        return kind != UID and all(part.startswith(("2.25.", "1.2.840.10008.")) for part in value.split("\\"))
    if leaf.vr in ("DS", "IS"):
        numbers = {part.strip().partition(".")[0].lstrip("+-") for part in value.split("\\")}
        return text not in numbers and (len(text.lstrip("0")) < 5 or text.lstrip("0") not in numbers)
    if leaf.vr in elements.DATES:
        return all(part.strip()[:8] in own.made for part in value.split("\\")) or leaf.vr == "TM"
    if leaf.vr in elements.NUMBERS or leaf.vr in ("OB", "UN"):
        return len(found) < _LONG_ENOUGH_FOR_PIXELS
    if leaf.vr in _TERMS_AND_PRODUCTS or _is_product(leaf):
        # Somebody is called like a scanner's maker; the patient's own name was looked for when the product was kept.
        inside = len(text) < 5 and without_accents(text) not in pieces_of(value)
        return kind in (TEXT, PLACE) or text not in own.texts or inside or all(map(_is_term, value.split("\\")))
    if set(value.split("\\")) == {REMOVED}:
        return True
    return _inside_known_words(value, text)


def _is_term(value: str) -> bool:
    return value in ("", REMOVED) or all(word.isdigit() or word in vocabulary() for word in words_of(value))


def _is_product(leaf: _Leaf) -> bool:
    from .walk import TECHNICAL

    return leaf.path.rsplit(".", 1)[-1] in TECHNICAL or leaf.tag in (0x00080104, 0x00080100, 0x00080102)


def _inside_known_words(value: str, text: str) -> bool:
    """True where the text only occurs as part of longer words of the field."""
    if not text or not text.isalpha():
        return False
    longer = re.findall(rf"[^\W\d_]*{re.escape(text)}[^\W\d_]*", value, flags=re.IGNORECASE)
    return bool(longer) and all(len(w) > len(text) and all(part in vocabulary() for part in _parts(w)) for w in longer)


def _parts(word: str) -> list[str]:
    return words_of(word) if all(part in vocabulary() for part in words_of(word)) else split_words(word)


def _whole_words(leaf: _Leaf, own: Words) -> list[Finding]:
    """Short or common words of the patient's identity in a text; names of structures from the table are none
    (`descriptors.py`)."""
    if leaf.vr not in elements.TEXT | {"PN"} or leaf.tag in _OWN_TEXTS | _NAMED_BY_US or not own.words:
        return []
    if _is_product(leaf) and leaf.tag in (0x00080104, 0x00080100, 0x00080102):
        return []
    value = leaf.value.decode("utf-8", errors="replace").strip("\0 ")
    if leaf.tag in (0x30060026, 0x30060085, 0x00620005) and _is_table_name(value):
        return []
    return [Finding(leaf.path, *own.words[word]) for word in set(words_of(value)) & set(own.words)]


def _is_table_name(value: str) -> bool:
    return re.sub(r"_\d+$", "", value) in structure_names()


def _pixels_start(path: Path, size: int) -> int:
    """Where the pixels' bytes begin, the file's size where there are none."""
    from pydicom import dcmread

    with warnings.catch_warnings(), open(path, "rb") as file:
        warnings.simplefilter("ignore")
        dcmread(file, stop_before_pixels=True)
        return min(file.tell() + 12, size)
