"""Every value that an element holds, also in its sequences and in private attributes, onto the list of removed
values."""

from typing import TYPE_CHECKING

from . import elements, profile
from .removed import (
    DATE,
    IDENTITY,
    NAME,
    PLACE,
    TEXT,
    UID,
    Removed,
)
from .uids import is_well_known

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NO_TEXT = frozenset({"AS", "AT", "OD", "OF", "OL", "OV", "OW", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_TERMS = frozenset({"CS"})


def note_values(removed: Removed, dataset: "Dataset", element, kind: str) -> None:
    """Note the values of `element`; `kind` is that of its attribute, refined by each value's own VR."""
    vr = element.VR or elements.dictionary_vr(int(element.tag)) or "UN"
    where = elements.keyword(int(element.tag))
    if vr == "SQ" or (vr == "UN" and not isinstance(element.value, (bytes, type(None)))):
        for item in dataset[element.tag].value or []:
            for tag in list(item.keys()):
                inner = item.get_item(tag)
                note_values(removed, item, inner, _kind_inside(inner, kind))
        return
    if vr in _NO_TEXT or element.value in (None, b"", ""):
        return
    if vr in ("UN", "OB"):
        if isinstance(element.value, bytes):
            text = elements.printable_text(element.value)
            if text and any(c.isalnum() for c in text):
                removed.add(kind, text, where, element.value)
        return
    for text, raw in elements.texts_of(dataset, element):
        _note_text(removed, vr, text, raw, where, kind)


def _note_text(removed: Removed, vr: str, text: str, raw: bytes | None, where: str, kind: str) -> None:
    if vr == "UI":
        if not is_well_known(text):
            removed.add(UID, text, where)
    elif vr in ("DA", "DT"):
        removed.add(DATE, text, where)
    elif vr == "TM":
        return
    elif vr == "PN":
        removed.add(NAME, text, where, raw)
    elif vr in ("DS", "IS", *_TERMS):
        if (sum(c.isdigit() for c in text) >= 5 and "." not in text) or (
            vr in _TERMS and any(c.isalpha() for c in text)
        ):
            removed.add(TEXT, text, where)
    elif kind != DATE:
        removed.add(kind, text, where, raw)


def _kind_inside(element, outer: str) -> str:
    """Inside a removed sequence: an attribute of the profile keeps its own kind."""
    row = None if element.tag.is_private else profile.row_of(int(element.tag))
    if row is None:
        return outer
    if int(element.tag) >> 16 == 0x0010:
        return IDENTITY
    return TEXT if "clean_descriptors" in row.options else PLACE
