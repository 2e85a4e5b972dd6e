"""Overlapping structures as one label map, for tools that know nothing else.

Every combination of structures that occurs in some voxel gets a label of its own, and a structure becomes the list of the
labels it is part of (what nnU-Net calls a region). So overlaps survive. A structure that a case was not contoured for is
not background: where it might be, the voxel gets the label `ignore`, which losses and metrics leave out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FedRTError

OVERLAP = 0.01
"""Share of its voxels from which on a structure counts as one that another lies in: borders that touch are no overlap."""
MOST = 63
"""Structures that fit the bits of a voxel's combination."""


def combinations(masks: np.ndarray) -> np.ndarray:
    """uint64 (z, y, x): bit s is set where structure s is. masks: uint8 (S, z, y, x), S at most `MOST`."""
    bits = np.zeros(masks.shape[1:], dtype=np.uint64)
    for s, mask in enumerate(masks):
        bits |= mask.astype(np.uint64) << np.uint64(s)
    return bits


def count_combinations(masks: np.ndarray) -> Counter[int]:
    """How many voxels have each combination of structures, those without any left out."""
    bits = combinations(masks)
    values, counts = np.unique(bits[bits > 0], return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


@dataclass(frozen=True)
class LabelTable:
    """names: S structures. combined: the combination (bit s: structure s) of each label from 1 on. counts: its voxels."""

    names: tuple[str, ...]
    combined: tuple[int, ...]
    counts: tuple[int, ...]
    ignore: bool

    @classmethod
    def of(cls, names: Sequence[str], counts: Counter[int], *, ignore: bool) -> "LabelTable":
        """Labels 1 to S for each structure alone, then the combinations that occur, in ascending order of their bits.

        Raises:
            FedRTError: more structures than `MOST`.
        """
        if len(names) > MOST:
            raise FedRTError(f"{len(names)} structures are too many for one label map ({MOST} at most): name fewer.")
        alone = [1 << s for s in range(len(names))]
        combined = (*alone, *sorted(counts.keys() - set(alone)))
        return cls(tuple(names), combined, tuple(counts.get(bits, 0) for bits in combined), ignore)

    @property
    def ignore_label(self) -> int:
        """The highest label and one; meant where the map ignores voxels."""
        return len(self.combined) + 1

    @property
    def has_overlaps(self) -> bool:
        """Whether some label stands for several structures."""
        return len(self.combined) > len(self.names)

    def labels_of(self, s: int) -> list[int]:
        """The labels that structure `s` is part of."""
        return [label for label, bits in enumerate(self.combined, 1) if bits >> s & 1]

    def volume_of(self, s: int) -> int:
        """Voxels of structure `s` in all cases."""
        return sum(self.counts[label - 1] for label in self.labels_of(s))

    def usual_label(self, s: int) -> int:
        """The label that most voxels of structure `s` have."""
        return max(self.labels_of(s), key=lambda label: (self.counts[label - 1], -label))

    def encode(self, masks: np.ndarray, labelled: np.ndarray) -> np.ndarray:
        """The label map of a case: uint8 or uint16 (z, y, x).

        Args:
            masks: uint8 (S, z, y, x).
            labelled: bool (S,), whether the case was contoured for the structure.

        Where some structure is not labelled, background becomes `ignore`, and so do voxels of structures that it overlaps
        with in other cases.
        """
        bits = combinations(masks)
        dtype = np.uint8 if self.ignore_label < 256 else np.uint16
        encoded = np.full(bits.shape, self._label(0, labelled), dtype=dtype)
        inside = bits > 0
        values, where = np.unique(bits[inside], return_inverse=True)
        encoded[inside] = np.array([self._label(int(value), labelled) for value in values], dtype=dtype)[where]
        return encoded

    def _label(self, bits: int, labelled: np.ndarray) -> int:
        missing = [s for s in range(len(self.names)) if not labelled[s]]
        if self.ignore and missing and any(self._may_hold(bits, s) for s in missing):
            return self.ignore_label
        return self.combined.index(bits) + 1 if bits else 0

    def _may_hold(self, bits: int, s: int) -> bool:
        """Whether structure `s` was seen in a relevant share of the voxels that are in all of `bits`."""
        if not bits:
            return True
        there = {other: count for other, count in zip(self.combined, self.counts, strict=True) if other & bits == bits}
        return sum(count for other, count in there.items() if other >> s & 1) >= OVERLAP * max(1, sum(there.values()))
