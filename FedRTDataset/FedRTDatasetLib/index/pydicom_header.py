"""The index's header elements by way of pydicom: for files that `index/header.py` leaves to it, and to compare the two."""

from collections.abc import MutableSequence
from typing import Any

from .tags import (
    KEYWORDS,
    META,
    WANTED,
    Elements,
)

KIND = {keyword: kind for keyword, kind in WANTED.values()}


def read_with_pydicom(path: str) -> Elements:
    """The wanted elements, as far as pydicom can read them.

    Raises:
        pydicom.errors.InvalidDicomError, OSError, ValueError and others: it cannot.
    """
    import pydicom

    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(KEYWORDS))
    found = _elements(dataset)
    if found:
        meta = {
            keyword: str(dataset.file_meta[keyword].value) for keyword in META.values() if keyword in dataset.file_meta
        }
        found |= {"TransferSyntaxUID": ""} | meta
    return found


def _elements(dataset) -> Elements:
    return {
        keyword: _plain(dataset[keyword].value, KIND[keyword]) for keyword in KEYWORDS if keyword in dataset
    }  # an element whose value cannot be converted raises: the file is damaged


def _plain(value: Any, kind: str) -> Any:
    if kind == "SQ":
        return [_elements(item) for item in value or []]
    if value is None or value == "":
        return ""
    if kind in ("US", "FD") and isinstance(value, (int, float)):
        return value
    values = value if isinstance(value, MutableSequence) else [value]
    written = [getattr(one, "original_string", one) if kind in ("DS", "IS") else one for one in values]
    return "\\".join(map(str, written)).strip(" \0\r\n\t")
