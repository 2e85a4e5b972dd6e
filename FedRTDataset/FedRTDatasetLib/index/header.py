"""The few header elements the index needs, from the first kilobytes of a DICOM file.

Reads what the Standard allows for in plain files: explicit and implicit VR little endian, explicit VR big endian, with and
without preamble, sequences of defined and undefined length. Whatever else it meets raises `UnclearError`, and pydicom reads the
file (`index/pydicom_header.py`). No value here differs from what pydicom reads.

Source: DICOM PS3.5 section 7 (data set, data elements, sequences), PS3.10 section 7 (file meta information).
"""

import os
import struct

from .elements import (
    BIG_ENDIAN_VR,
    EXPLICIT_VR,
    IMPLICIT_VR,
    LONG,
    SHORT,
    UNDEFINED,
    NotDicomError,
    ShortError,
    Syntax,
    UnclearError,
    read_sequence,
    read_value,
)  # fmt: skip
from .layout import Layouts, Trace
from .tags import (
    BIG_ENDIAN,
    CODECS,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    LAST_TAG,
    META,
    WANTED,
    Elements,
)

CHUNK = 8192
"""Bytes of the first read: nearly every image header ends within."""

DECISIVE = frozenset((0x00080005, 0x00080060))
"""Character set and modality: how the rest is read depends on their values."""


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


_layouts = Layouts()
LAYOUTS_OF = ("CT", "MR", "PT")
"""Objects without a sequence among what is wanted, and many of a kind."""


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
        data = window.data
        known = _layouts.find(data)
        if known is not None:
            return known.elements(data), False
        found, trace = Elements(), Trace()
        position, uid = _start(window, found, trace)
        syntax = BIG_ENDIAN_VR if uid == BIG_ENDIAN else IMPLICIT_VR if uid == IMPLICIT else EXPLICIT_VR
        _require_syntax(window, position, syntax)
        found["TransferSyntaxUID"] = uid
        complete = _top_level(window, position, syntax, found, trace)
        if complete and window.start == 0 and trace.ended and found.get("Modality") in LAYOUTS_OF:
            codec = CODECS.get(found.get("SpecificCharacterSet", ""), "")
            _layouts.add(data, trace, lambda value, kind: read_value(value, kind, b"", syntax, codec))
        return found, not complete
    finally:
        os.close(handle)


def start_of_data(path: str) -> int:
    """Where a file's data set begins, after the file meta information (0 where that is not clear)."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return _start(_Window(handle), {}, Trace())[0]
    except (NotDicomError, UnclearError):
        return 0
    finally:
        os.close(handle)


def _start(window: _Window, found: Elements, trace: Trace) -> tuple[int, str]:
    """Where the data set begins, and its transfer syntax."""
    data = window.data
    if data[128:132] == b"DICM":
        trace.fixed.append((128, 4))
        return _after_meta(window, 132, found, trace)
    if data[:4] in (b"\2\0\0\0", b"\2\0\1\0", b"\2\0\2\0") and data[4:6] in SHORT | LONG:
        return _after_meta(window, 0, found, trace)
    if data[:2] == b"\x08\0" and data[3:4] <= b"\x10":
        explicit = data[4:6] in SHORT
        if explicit or (len(data) >= 8 and int.from_bytes(data[4:8], "little") <= 256):
            return 0, EXPLICIT if explicit else IMPLICIT
    if data[:3] == b"\0\x08\0" and data[4:6] in SHORT:
        return 0, BIG_ENDIAN
    raise NotDicomError


def _after_meta(window: _Window, position: int, found: Elements, trace: Trace) -> tuple[int, str]:
    """The file meta information is always explicit VR little endian (PS3.10 section 7.1)."""
    data, unpack, size = window.data, EXPLICIT_VR.element.unpack_from, len(window.data)
    while position + 12 <= size:
        group, element, vr, length = unpack(data, position)
        if group != 2:
            break
        header = 8
        if vr in LONG:
            length, header = EXPLICIT_VR.long.unpack_from(data, position + 8)[0], 12
        trace.fixed.append((position, header + (length if element == 0x10 else 0)))
        position += header
        if element in META:
            found[META[element]] = data[position : position + length].decode("ascii", "replace").strip(" \0")
            trace.values.append((position, length, META[element], "UI"))
        position += length
    uid = found.get("TransferSyntaxUID", "")
    if uid == DEFLATED or not uid.startswith("1.2.840.10008.1.2"):
        raise UnclearError
    return position, uid


def _require_syntax(window: _Window, position: int, syntax: Syntax) -> None:
    """Some files are not written as their file meta information says."""
    window.move(position, 8)
    vr = window.data[position - window.start + 4 : position - window.start + 6]
    if len(vr) == 2 and syntax.explicit != (vr in SHORT or vr in LONG):
        raise UnclearError


def _top_level(window: _Window, position: int, syntax: Syntax, found: Elements, trace: Trace) -> bool:
    """Read wanted elements into `found` until the last that the modality can have; False where the file ends before.

    Written for speed: it runs some seventy times for every file. `at` counts in `data`, the window on the file.
    """
    unpack, explicit, wanted_tags, short = syntax.element.unpack_from, syntax.explicit, WANTED, SHORT
    last, previous, codec, header, vr = 0x300C0060, -1, "latin-1", 8, b""
    start, data, size = window.start, window.data, len(window.data)
    at = position - start
    fixed, values = trace.fixed, trace.values
    while True:
        if at + 12 > size:
            window.move(start + at, 12)
            at += start - window.start
            start, data, size = window.start, window.data, len(window.data)
            if size - at < 8:
                return size == at
        if explicit:
            group, element, vr, length = unpack(data, at)
            header = 8
            if vr not in short:
                if vr not in LONG:
                    raise UnclearError
                if size - at < 12:
                    return False
                length, header = syntax.long.unpack_from(data, at + 8)[0], 12
        else:
            group, element, length = unpack(data, at)
        tag = group << 16 | element
        if tag > last:
            fixed.append((start + at, 4))
            trace.ended = True
            return True
        if tag <= previous:
            raise UnclearError  # elements out of order: one that is wanted may come later
        previous = tag
        wanted = wanted_tags.get(tag)
        if length == UNDEFINED or (wanted and wanted[1] == "SQ"):
            if vr == b"UN":
                raise UnclearError
            items, position = _whole_sequence(window, start + at, header, length, syntax, codec, wanted is not None)
            at += start - window.start
            start, data, size = window.start, window.data, len(window.data)
            if items is None:
                return False
            fixed.append((start + at, position - start - at))
            at = position - start
            if wanted:
                found[wanted[0]] = items
            continue
        fixed.append((start + at, header + (length if tag in DECISIVE else 0)))
        if wanted is None:
            at += header + length
            continue
        end = at + header + length
        if end > size:
            window.move(start + at, header + length)
            at += start - window.start
            start, data, size = window.start, window.data, len(window.data)
            end = at + header + length
            if end > size:
                return False
        keyword, kind = wanted
        value = found[keyword] = read_value(data[at + header : end], kind, vr, syntax, codec)
        values.append((start + at + header, length, keyword, kind))
        at = end
        if tag == 0x00080060:
            last = LAST_TAG.get(value, last)
        elif tag == 0x00080005:
            codec = CODECS.get(value, "")


def _whole_sequence(
    window: _Window, position: int, header: int, length: int, syntax: Syntax, codec: str, keep: bool
) -> tuple[list[Elements] | None, int]:
    """Items of the sequence at `position` and where it ends; None where the file ends within it."""
    needed = header + (length if length != UNDEFINED else CHUNK)
    while True:
        window.move(position, needed)
        at, data = position - window.start, window.data
        try:
            end = None if length == UNDEFINED else at + header + length
            if end is not None and end > len(data):
                raise ShortError
            items, after = read_sequence(data, at + header, end, syntax, codec, keep)
            return items, window.start + after
        except (ShortError, struct.error):
            if len(data) - at < needed:
                return None, position
            needed = max(needed, len(data) - at) * 4
