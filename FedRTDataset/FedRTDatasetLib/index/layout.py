"""Headers laid out like one just read: the slices of a series mostly are, element for element.

A layout holds the element headers (tag, value representation, length) of a file that was walked through, and where they lie.
Where another file has the very same bytes there, its elements lie at the same places, and only the values differ: one
comparison stands for walking through some seventy elements. What decides how to go on (transfer syntax, character set,
modality) and sequences of undefined length must be the same as well.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KEPT = 8
OWN = frozenset(
    ("MediaStorageSOPInstanceUID", "SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "AcquisitionNumber")
) | frozenset(
    ("EchoTime", "EchoNumbers", "TriggerTime", "DiffusionBValue", "TemporalPositionIdentifier", "FrameReferenceTime")
)
"""What differs from slice to slice. The rest is read anew only where its bytes differ from those of the last file."""


@dataclass
class Trace:
    """What was passed on the way through a header: pieces that must be equal, and values that are wanted.

    Both are (offset in the file, length); `values` also has keyword and kind of the value.
    """

    fixed: list[tuple[int, int]] = field(default_factory=list)
    values: list[tuple[int, int, str, str]] = field(default_factory=list)
    ended: bool = False
    """The first element that is not wanted any more was seen, not just the end of the file."""


@dataclass
class Layout:
    """`fixed` takes the bytes out of a file that must be `expected`, `values` those of the elements `wanted`."""

    fixed: struct.Struct
    expected: tuple[bytes, ...]
    values: struct.Struct
    wanted: tuple[tuple[str, str], ...]
    read: Callable[[bytes, str], Any]
    """What makes a value of an element's bytes and kind."""

    def __post_init__(self) -> None:
        places = [(n, keyword, kind) for n, (keyword, kind) in enumerate(self.wanted)]
        self._own = [place for place in places if place[1] in OWN]
        self._rest = [place for place in places if place[1] not in OWN]
        self._last: list[bytes] | None = None
        self._shared: dict[str, Any] = {}

    def elements(self, data: bytes) -> dict[str, Any]:
        """The values of a file that fits."""
        raw = self.values.unpack_from(data)
        rest = [raw[n] for n, _, _ in self._rest]
        if rest != self._last:
            self._shared = {keyword: self.read(raw[n], kind) for n, keyword, kind in self._rest}
            self._last = rest
        return self._shared | {keyword: self.read(raw[n], kind) for n, keyword, kind in self._own}


class Layouts:
    """The layouts of the last files, the last one that fitted first."""

    def __init__(self) -> None:
        self._kept: list[Layout] = []

    def find(self, data: bytes) -> Layout | None:
        """The layout of a file that begins with `data`."""
        size = len(data)
        for n, layout in enumerate(self._kept):
            if layout.fixed.size <= size and layout.fixed.unpack_from(data) == layout.expected:
                if n:
                    self._kept.insert(0, self._kept.pop(n))
                return layout
        return None

    def add(self, data: bytes, trace: Trace, read: Callable[[bytes, str], Any]) -> None:
        """Keep the layout of a file that begins with `data` and was walked through to the end of `trace`."""
        fixed = _taking([(offset, length) for offset, length in trace.fixed if length])
        if fixed.size > len(data):
            return
        values = _taking([(offset, length) for offset, length, _, _ in trace.values])
        wanted = tuple((keyword, kind) for _, _, keyword, kind in trace.values)
        self._kept.insert(0, Layout(fixed, fixed.unpack_from(data), values, wanted, read))
        del self._kept[KEPT:]


def _taking(pieces: list[tuple[int, int]]) -> struct.Struct:
    form, position = "<", 0
    for offset, length in pieces:
        form += f"{offset - position}x{length}s"
        position = offset + length
    return struct.Struct(form)
