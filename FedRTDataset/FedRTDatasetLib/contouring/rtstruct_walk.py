"""A walk along the bytes of a ROI Contour Sequence, which may hold thousands of contours.

pydicom makes an object of every item and element: for 25 ROIs that takes four times as long as reading their coordinates.
Only lengths are followed here; whatever is not as DICOM PS3.5 section 7 says raises ValueError, and the caller lets pydicom
read the file instead.
"""

import struct
from collections.abc import Iterator

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
REFERENCED_ROI_NUMBER, CONTOUR_SEQUENCE = 0x30060084, 0x30060040
GEOMETRIC_TYPE, CONTOUR_DATA, ROI_CONTOUR_SEQUENCE = 0x30060042, 0x30060050, 0x30060039
UNDEFINED = 0xFFFFFFFF
LONG_HEADERS = frozenset(
    code.encode() for code in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
)


class ContourWalk:
    """The contours of a data set's ROI Contour Sequence.

    Args:
        content: the bytes of the data set from the sequence's own tag on.
        implicit, little: how the data set is encoded.
    """

    def __init__(self, content: bytes, implicit: bool, little: bool) -> None:
        self._bytes = content
        self._end = len(content)
        order = "<" if little else ">"
        self._tag = struct.Struct(f"{order}HH").unpack_from
        self._short = struct.Struct(f"{order}H").unpack_from
        self._long = struct.Struct(f"{order}I").unpack_from
        self._implicit = implicit

    def rois(self) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
        """For each item: the bytes of Referenced ROI Number, and (Contour Geometric Type, Contour Data) of its contours.

        Raises:
            ValueError: the bytes are not as they should be.
        """
        try:
            tag, start, length, implicit = self._element(0, self._implicit)
            if tag != ROI_CONTOUR_SEQUENCE:
                raise ValueError("no ROI Contour Sequence")
            for first, last in self._items(start, length, implicit):
                number, contours = b"", []
                for tag, start, length, inner in self._elements(first, last, implicit):
                    if tag == REFERENCED_ROI_NUMBER:
                        number = self._bytes[start : start + length]
                    elif tag == CONTOUR_SEQUENCE:
                        contours = [self._contour(a, b, inner) for a, b in self._items(start, length, inner)]
                yield number, contours
        except (struct.error, IndexError, RecursionError) as error:
            raise ValueError("the sequence ends too early") from error

    def _contour(self, first: int, last: int, implicit: bool) -> tuple[bytes, bytes]:
        kind = data = b""
        for tag, start, length, _ in self._elements(first, last, implicit):
            if tag == GEOMETRIC_TYPE:
                kind = self._bytes[start : start + length]
            elif tag == CONTOUR_DATA:
                data = self._bytes[start : start + length]
        return kind, data

    def _element(self, at: int, implicit: bool) -> tuple[int, int, int, bool]:
        """Tag, start and length of the value, and whether what lies inside it has implicit VRs."""
        group, number = self._tag(self._bytes, at)
        tag = group << 16 | number
        if group == 0xFFFE or implicit:
            return tag, at + 8, self._long(self._bytes, at + 4)[0], implicit
        vr = self._bytes[at + 4 : at + 6]
        if vr in LONG_HEADERS:
            length = self._long(self._bytes, at + 8)[0]
            return tag, at + 12, length, vr == b"UN"  # a sequence of unknown VR has implicit VRs inside (PS3.5 6.2.2)
        if not vr.isalpha():
            raise ValueError("no value representation")
        return tag, at + 8, self._short(self._bytes, at + 6)[0], False

    def _elements(self, at: int, last: int, implicit: bool) -> Iterator[tuple[int, int, int, bool]]:
        while at < last:
            tag, start, length, inner = self._element(at, implicit)
            if tag == ITEM_END:
                return
            if length == UNDEFINED:
                yield tag, start, length, inner
                at = self._after_items(start, inner)
            else:
                at = start + length
                if at > self._end:
                    raise ValueError("a value ends after the file")
                yield tag, start, length, inner

    def _items(self, at: int, length: int, implicit: bool) -> Iterator[tuple[int, int]]:
        """Start and end of the content of each item of a sequence."""
        last = self._end if length == UNDEFINED else at + length
        if last > self._end:
            raise ValueError("a sequence ends after the file")
        while at < last:
            tag, start, size, _ = self._element(at, implicit)
            if tag == SEQUENCE_END:
                return
            if tag != ITEM:
                raise ValueError("no item where one should be")
            if size == UNDEFINED:
                yield start, self._end
                at = self._after_elements(start, implicit)
            else:
                if start + size > last:
                    raise ValueError("an item ends after its sequence")
                yield start, start + size
                at = start + size
        if length == UNDEFINED:
            raise ValueError("the sequence does not end")

    def _after_items(self, at: int, implicit: bool) -> int:
        """The position after a sequence of undefined length."""
        while True:
            tag, start, size, _ = self._element(at, implicit)
            if tag == SEQUENCE_END:
                return start
            if tag != ITEM:
                raise ValueError("no item where one should be")
            at = self._after_elements(start, implicit) if size == UNDEFINED else start + size

    def _after_elements(self, at: int, implicit: bool) -> int:
        """The position after an item of undefined length."""
        while True:
            tag, start, length, inner = self._element(at, implicit)
            if tag == ITEM_END:
                return start
            at = self._after_items(start, inner) if length == UNDEFINED else start + length
