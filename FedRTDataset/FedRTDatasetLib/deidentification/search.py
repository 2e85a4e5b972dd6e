"""Many byte strings looked for at once in every byte of a file, upper and lower case alike."""

import unicodedata
from collections.abc import Iterable, Iterator

SHORTEST = 4


def spellings(text: str) -> set[bytes]:
    """How a text can stand in a file: UTF-8, Latin-1, UTF-16 both ways, composed and decomposed accents; ASCII in
    lower case."""
    found = set()
    for form in {
        unicodedata.normalize(form, variant)
        for form in ("NFC", "NFD")
        for variant in (text, text.lower(), text.upper())
    }:
        for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso8859-2", "iso8859-5", "iso8859-7", "cp1252"):
            try:
                found.add(form.encode(encoding).lower())
            except UnicodeEncodeError:
                continue
    return {spelling for spelling in found if len(spelling) >= SHORTEST}


class Patterns:
    """Byte strings of at least four bytes, each standing for something that is given back when it is found.

    A table over hashes of four bytes sorts out nearly every place of the data at the speed of numpy; what is left is
    compared.
    """

    def __init__(self, patterns: dict[bytes, object]) -> None:
        import numpy as np

        self._by_start: dict[bytes, dict[int, dict[bytes, object]]] = {}
        for pattern, meaning in patterns.items():
            if len(pattern) >= SHORTEST:
                lengths = self._by_start.setdefault(pattern[:SHORTEST], {})
                lengths.setdefault(len(pattern), {})[pattern] = meaning
        self._bits = min(22, 10 + len(self._by_start).bit_length())  # about one place in a thousand passes by chance
        self._table = np.zeros(1 << self._bits, dtype=bool)
        starts = np.array([int.from_bytes(start, "little") for start in self._by_start], dtype=np.uint32)
        if starts.size:
            self._table[self._hashed(starts)] = True

    def __len__(self) -> int:
        return sum(len(group) for lengths in self._by_start.values() for group in lengths.values())

    def _hashed(self, codes):
        import numpy as np

        return (codes * np.uint32(2654435761)) >> np.uint32(32 - self._bits)

    def find(self, data: bytes, *, shortest: int = SHORTEST) -> Iterator[tuple[int, bytes, object]]:
        """(position, pattern, its meaning) of every occurrence of patterns of at least `shortest` bytes."""
        import numpy as np

        if not self._by_start or len(data) < SHORTEST:
            return
        data = data.lower()
        places = []
        for first in range(SHORTEST):
            count = (len(data) - first) // SHORTEST
            if count:
                codes = np.frombuffer(data, dtype="<u4", count=count, offset=first)
                places.append(np.flatnonzero(self._table[self._hashed(codes)]) * SHORTEST + first)
        for place in np.sort(np.concatenate(places)).tolist():
            for length, group in self._by_start.get(data[place : place + SHORTEST], {}).items():
                if length >= shortest:
                    found = data[place : place + length]
                    if found in group:
                        yield place, found, group[found]


def patterns_of(texts: dict[str, object], raw: Iterable[tuple[bytes, object]] = ()) -> Patterns:
    """Patterns for every spelling of the texts, and for bytes as they stood in the originals."""
    found: dict[bytes, object] = {}
    for text, meaning in texts.items():
        for spelling in spellings(text):
            found.setdefault(spelling, (text, meaning))
    for value, meaning in raw:
        found.setdefault(value.lower(), ("", meaning))
    return Patterns(found)
