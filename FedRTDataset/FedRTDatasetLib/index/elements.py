"""Elements, items and sequences as they are written in a file.

Source: DICOM PS3.5 section 7 (data elements, nesting of data sets), Annex A (transfer syntaxes).
"""

import struct

from .tags import (
    CODECS,
    TEXT,
    WANTED,
    Elements,
)

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"))
SHORT = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
) | frozenset((b"ST", b"TM", b"UI", b"UL", b"US"))


_BINARY = {"US": "H", "FD": "d"}
_BYTES = {kind: kind.encode() for _, kind in WANTED.values()}


class NotDicomError(Exception):
    """The file does not start like DICOM."""


class UnclearError(Exception):
    """Something this reader leaves to pydicom."""


class ShortError(Exception):
    """The bytes at hand end within what is being read."""


class Syntax:
    """How elements are written: `element` is tag (two words) and what follows it in 8 bytes."""

    def __init__(self, explicit: bool, order: str) -> None:
        self.explicit = explicit
        self.element = struct.Struct(order + ("HH2sH" if explicit else "HHL"))
        self.item = struct.Struct(order + "HHL")
        self.long = struct.Struct(order + "L")
        self.order = order


EXPLICIT_VR, IMPLICIT_VR, BIG_ENDIAN_VR = Syntax(True, "<"), Syntax(False, "<"), Syntax(True, ">")


def read_sequence(
    data: bytes, position: int, end: int | None, syntax: Syntax, codec: str, keep: bool
) -> tuple[list[Elements], int]:
    """Items from `position` to `end`, or to the delimiter where `end` is None."""
    items: list[Elements] = []
    while end is None or position + 8 <= end:
        if position + 8 > len(data):
            raise ShortError
        group, element, length = syntax.item.unpack_from(data, position)
        tag = group << 16 | element
        position += 8
        if tag == SEQUENCE_END and end is None:
            return items, position
        if tag != ITEM:
            raise UnclearError
        item_end = None if length == UNDEFINED else position + length
        if item_end is not None and item_end > len(data):
            raise ShortError
        if keep or item_end is None:
            item, position = _item(data, position, item_end, syntax, codec, keep)
            items.append(item)
        else:
            position = item_end
    return items, position if end is None else end


def _item(data: bytes, position: int, end: int | None, syntax: Syntax, codec: str, keep: bool) -> tuple[Elements, int]:
    found: Elements = {}
    stop = len(data) if end is None else end
    while end is None or position < end:
        if position + 8 > stop:
            if end is None:
                raise ShortError
            raise UnclearError
        header = 8
        group, element, *rest = syntax.element.unpack_from(data, position)
        tag = group << 16 | element
        if tag == ITEM_END:
            if end is not None:
                raise UnclearError
            return found, position + 8
        vr = rest[0] if syntax.explicit else b""
        length = rest[-1]
        if vr in LONG:
            length, header = syntax.long.unpack_from(data, position + 8)[0], 12
        elif syntax.explicit and vr not in SHORT:
            raise UnclearError
        wanted = WANTED.get(tag) if keep else None
        if vr == b"UN" and (wanted or length == UNDEFINED):
            raise UnclearError
        if length == UNDEFINED or (wanted and wanted[1] == "SQ"):
            inner = None if length == UNDEFINED else position + header + length
            if inner is not None and inner > stop:
                raise ShortError if end is None else UnclearError
            items, position = read_sequence(data, position + header, inner, syntax, codec, keep and wanted is not None)
            if wanted:
                found[wanted[0]] = items
            continue
        after = position + header + length
        if after > stop:
            raise ShortError if end is None else UnclearError
        if wanted:
            value = found[wanted[0]] = read_value(data[position + header : after], wanted[1], vr, syntax, codec)
            if wanted[0] == "SpecificCharacterSet":  # an item may have its own (PS3.5 section 7.5.3)
                codec = CODECS.get(value, "")
        position = after
    return found, position


def read_value(raw: bytes, kind: str, vr: bytes, syntax: Syntax, codec: str) -> str | int | float:
    """The value of an element of the kind that `WANTED` says; `vr` is the one in the file (b"": none there or checked)."""
    if vr and vr != _BYTES[kind]:
        raise UnclearError
    if kind in _BINARY:
        binary = _BINARY[kind]
        if len(raw) not in (0, struct.calcsize(binary)):
            raise UnclearError
        return struct.unpack(syntax.order + binary, raw)[0] if raw else ""
    if raw.isascii() and (codec or b"\x1b" not in raw):
        return raw.decode("ascii").strip(" \0\r\n\t")
    if kind not in TEXT or not codec:
        raise UnclearError
    try:
        return raw.decode(codec).strip(" \0\r\n\t")
    except UnicodeDecodeError:
        raise UnclearError from None
