"""The few header elements the index needs, from the first kilobytes of a DICOM file.

Reads what the Standard allows for in plain files: explicit and implicit VR little endian, explicit VR big endian, with and
without preamble, sequences of defined and undefined length. Whatever else it meets raises `Unclear`, and pydicom reads the
file (`index_pydicom.py`). No value here differs from what pydicom reads.

Source: DICOM PS3.5 section 7 (data set, data elements, sequences), PS3.10 section 7 (file meta information).
"""

import os
import struct

from .index_tags import BIG_ENDIAN, CODECS, DEFLATED, EXPLICIT, IMPLICIT, LAST_TAG, META, TEXT, WANTED, Elements

CHUNK = 4096
"""Bytes of the first read: nearly every image header ends within."""

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
LONG = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"))
SHORT = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
) | frozenset((b"ST", b"TM", b"UI", b"UL", b"US"))


class NotDicomError(Exception):
    """The file does not start like DICOM."""


class UnclearError(Exception):
    """Something this reader leaves to pydicom."""


class _ShortError(Exception):
    """The bytes at hand end within what is being read."""


class _Syntax:
    """How elements are written: `element` is tag (two words) and what follows it in 8 bytes."""

    def __init__(self, explicit: bool, order: str) -> None:
        self.explicit = explicit
        self.element = struct.Struct(order + ("HH2sH" if explicit else "HHL"))
        self.item = struct.Struct(order + "HHL")
        self.long = struct.Struct(order + "L")
        self.order = order


_EXPLICIT, _IMPLICIT, _BIG = _Syntax(True, "<"), _Syntax(False, "<"), _Syntax(True, ">")


class _Window:
    """The part of a file that is in memory: `data` starts at byte `start` of the file."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.start = 0
        self.data = os.read(handle, CHUNK)

    def move(self, position: int, needed: int) -> None:
        """Have `needed` bytes from `position` on in memory, or as many as there are."""
        if position >= self.start and position + needed <= self.start + len(self.data):
            return
        os.lseek(self.handle, position, os.SEEK_SET)
        parts, missing = [], max(needed, CHUNK)
        while missing > 0 and (part := os.read(self.handle, min(missing, 1 << 24))):
            parts.append(part)
            missing -= len(part)
        self.start, self.data = position, b"".join(parts)


def read_elements(path: str) -> tuple[Elements, bool]:
    """The wanted elements of a file, and whether it ended too early (then they are those before its end).

    Of the file meta information come `META`.

    Raises:
        NotDicomError: it is no DICOM file.
        UnclearError: pydicom has to read it.
        OSError: it cannot be read at all.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        window = _Window(handle)
        found: Elements = {}
        position, uid = _start(window, found)
        syntax = _BIG if uid == BIG_ENDIAN else _IMPLICIT if uid == IMPLICIT else _EXPLICIT
        _require_syntax(window, position, syntax)
        found["TransferSyntaxUID"] = uid
        complete = _top_level(window, position, syntax, found)
        return found, not complete
    finally:
        os.close(handle)


def _start(window: _Window, found: Elements) -> tuple[int, str]:
    """Where the data set begins, and its transfer syntax."""
    data = window.data
    if data[128:132] == b"DICM":
        return _after_meta(window, 132, found)
    if data[:4] in (b"\2\0\0\0", b"\2\0\1\0", b"\2\0\2\0") and data[4:6] in SHORT | LONG:
        return _after_meta(window, 0, found)
    if data[:2] == b"\x08\0" and data[3:4] <= b"\x10":
        explicit = data[4:6] in SHORT
        if explicit or (len(data) >= 8 and int.from_bytes(data[4:8], "little") <= 256):
            return 0, EXPLICIT if explicit else IMPLICIT
    if data[:3] == b"\0\x08\0" and data[4:6] in SHORT:
        return 0, BIG_ENDIAN
    raise NotDicomError


def _after_meta(window: _Window, position: int, found: Elements) -> tuple[int, str]:
    """The file meta information is always explicit VR little endian (PS3.10 section 7.1)."""
    uid = ""
    while True:
        window.move(position, 12)
        at = position - window.start
        data = window.data
        if len(data) - at < 8:
            return position, uid or EXPLICIT
        group, element, vr, length = _EXPLICIT.element.unpack_from(data, at)
        if group != 2:
            break
        header = 8
        if vr in LONG:
            if len(data) - at < 12:
                return position, uid or EXPLICIT
            length, header = _EXPLICIT.long.unpack_from(data, at + 8)[0], 12
        elif vr not in SHORT:
            raise UnclearError
        if element in META:
            window.move(position, header + length)
            at = position - window.start + header
            value = found[META[element]] = window.data[at : at + length].decode("ascii", "replace").strip(" \0")
            uid = value if element == 0x10 else uid
        position += header + length
    if uid == DEFLATED or not uid.startswith("1.2.840.10008.1.2"):
        raise UnclearError
    return position, uid


def _require_syntax(window: _Window, position: int, syntax: _Syntax) -> None:
    """Some files are not written as their file meta information says."""
    window.move(position, 8)
    vr = window.data[position - window.start + 4 : position - window.start + 6]
    if len(vr) == 2 and syntax.explicit != (vr in SHORT or vr in LONG):
        raise UnclearError


def _top_level(window: _Window, position: int, syntax: _Syntax, found: Elements) -> bool:
    """Read wanted elements into `found` until the last that the modality can have; False where the file ends before."""
    unpack, explicit, wanted_tags = syntax.element.unpack_from, syntax.explicit, WANTED
    last, previous, codec = 0x300C0060, -1, "latin-1"
    start, data = window.start, window.data
    while True:
        at = position - start
        if at + 12 > len(data):
            window.move(position, 12)
            start, data, at = window.start, window.data, position - window.start
            if len(data) - at < 8:
                return len(data) == at
        if explicit:
            group, element, vr, length = unpack(data, at)
            header = 8
            if vr in LONG:
                if len(data) - at < 12:
                    return False
                length, header = syntax.long.unpack_from(data, at + 8)[0], 12
            elif vr not in SHORT:
                raise UnclearError
        else:
            group, element, length = unpack(data, at)
            header, vr = 8, b""
        tag = group << 16 | element
        if tag > last:
            return True
        if tag <= previous:
            raise UnclearError  # elements out of order: one that is wanted may come later
        previous = tag
        wanted = wanted_tags.get(tag)
        if wanted is None and length != UNDEFINED:
            position += header + length
            continue
        if vr == b"UN" and (wanted or length == UNDEFINED):
            raise UnclearError
        if length == UNDEFINED or (wanted and wanted[1] == "SQ"):
            items, position = _whole_sequence(window, position, header, length, syntax, codec, wanted is not None)
            start, data = window.start, window.data
            if items is None:
                return False
            if wanted:
                found[wanted[0]] = items
            continue
        if at + header + length > len(data):
            window.move(position, header + length)
            start, data, at = window.start, window.data, position - window.start
            if at + header + length > len(data):
                return False
        keyword, kind = wanted
        value = _value(data[at + header : at + header + length], kind, vr, syntax, codec)
        found[keyword] = value
        position += header + length
        if keyword == "Modality":
            last = LAST_TAG.get(value, last)
        elif keyword == "SpecificCharacterSet":
            codec = CODECS.get(value, "")


def _whole_sequence(
    window: _Window, position: int, header: int, length: int, syntax: _Syntax, codec: str, keep: bool
) -> tuple[list[Elements] | None, int]:
    """Items of the sequence at `position` and where it ends; None where the file ends within it."""
    needed = header + (length if length != UNDEFINED else CHUNK)
    while True:
        window.move(position, needed)
        at, data = position - window.start, window.data
        try:
            end = None if length == UNDEFINED else at + header + length
            if end is not None and end > len(data):
                raise _ShortError
            items, after = _sequence(data, at + header, end, syntax, codec, keep)
            return items, window.start + after
        except (_ShortError, struct.error):
            if len(data) - at < needed:
                return None, position
            needed = max(needed, len(data) - at) * 4


def _sequence(
    data: bytes, position: int, end: int | None, syntax: _Syntax, codec: str, keep: bool
) -> tuple[list[Elements], int]:
    """Items from `position` to `end`, or to the delimiter where `end` is None."""
    items: list[Elements] = []
    while end is None or position + 8 <= end:
        if position + 8 > len(data):
            raise _ShortError
        group, element, length = syntax.item.unpack_from(data, position)
        tag = group << 16 | element
        position += 8
        if tag == SEQUENCE_END and end is None:
            return items, position
        if tag != ITEM:
            raise UnclearError
        item_end = None if length == UNDEFINED else position + length
        if item_end is not None and item_end > len(data):
            raise _ShortError
        if keep or item_end is None:
            item, position = _item(data, position, item_end, syntax, codec, keep)
            items.append(item)
        else:
            position = item_end
    return items, position if end is None else end


def _item(data: bytes, position: int, end: int | None, syntax: _Syntax, codec: str, keep: bool) -> tuple[Elements, int]:
    found: Elements = {}
    stop = len(data) if end is None else end
    while end is None or position < end:
        if position + 8 > stop:
            if end is None:
                raise _ShortError
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
                raise _ShortError if end is None else UnclearError
            items, position = _sequence(data, position + header, inner, syntax, codec, keep and wanted is not None)
            if wanted:
                found[wanted[0]] = items
            continue
        after = position + header + length
        if after > stop:
            raise _ShortError if end is None else UnclearError
        if wanted:
            value = found[wanted[0]] = _value(data[position + header : after], wanted[1], vr, syntax, codec)
            if wanted[0] == "SpecificCharacterSet":  # an item may have its own (PS3.5 section 7.5.3)
                codec = CODECS.get(value, "")
        position = after
    return found, position


def _value(raw: bytes, kind: str, vr: bytes, syntax: _Syntax, codec: str):
    if vr and vr != kind.encode():
        raise UnclearError
    if kind == "US" or kind == "FD":
        size = 2 if kind == "US" else 8
        if len(raw) not in (0, size):
            raise UnclearError
        return struct.unpack(syntax.order + ("H" if kind == "US" else "d"), raw)[0] if raw else ""
    if raw.isascii():
        text = raw.decode("ascii")
        if "\x1b" in text:
            raise UnclearError
        return text.strip(" \0\r\n\t") if text[-1:] <= " " or text[:1] <= " " else text
    if kind not in TEXT or not codec or b"\x1b" in raw:
        raise UnclearError
    try:
        return raw.decode(codec).strip(" \0\r\n\t")
    except UnicodeDecodeError:
        raise UnclearError from None
