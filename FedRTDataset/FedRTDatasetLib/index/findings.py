"""What an index has to say: problems and doubts, told without a patient's identity."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ..privacy import without_identity
from .objects import Problem

TEXTS = {
    "not-dicom": ("unreadable", "is empty or truncated, not DICOM: export it again."),
    "truncated": ("unreadable", "is truncated: export it again."),
    "damaged": ("unreadable", "is damaged: export it again."),
    "no-permission": ("unreadable", "may not be read: change its permissions, or start this as a user who may."),
    "no-modality": ("unreadable", "tells neither its Modality nor its SOP Class: export it again."),
    "no-position": (
        "unreadable",
        "is an image without a position, orientation or pixel spacing: export the original series again.",
    ),
    "multi-frame": (
        "multi-frame",
        "is an enhanced multi-frame image, which this version does not read: export the series as single images "
        "(often called classic or legacy), or convert it, for instance with dcm4che's emf2sf.",
    ),
    "deformable": (
        "deformable",
        "is a deformable registration, which is not used: export a rigid one if its images are to be aligned.",
    ),
}
"""Code of a file that cannot be used -> kind of problem, and what follows the file's name."""


KINDS = frozenset(kind for kind, _ in TEXTS.values()) | {
    "duplicate", "conflict", "same-uid", "patient-mismatch", "images-absent", "images-missing", "frame-mismatch",
    "several-series", "doubtful-link", "unlinked", "series-slices", "no-patient-id", "missing-uid",
}  # fmt: skip
"""Every kind of problem that an index can have."""


class Identities:
    """The Patient IDs and names that were seen, and texts without them. Fast also for thousands of patients."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = {value for value in values if value}
        self._parts = {
            part.casefold(): part
            for value in self.values
            for part in [value, *re.split(r"[\^=\s,;_/\\-]+", value)]
            if len(part) >= 3
        }

    def hidden(self, text: str) -> str:
        """`privacy.without_identity` with the few identities that can matter for this text."""
        folded = text.casefold()
        return without_identity(text, *(part for key, part in self._parts.items() if key in folded))


class Findings:
    """Collects problems; those about an object or series also stand in `doubts` under its UID.

    `guessed`: the UIDs of objects that were linked without being told so.
    """

    def __init__(self, identities: Identities) -> None:
        self.identities = identities
        self.problems: list[Problem] = []
        self.doubts: dict[str, list[str]] = defaultdict(list)
        self.guessed: set[str] = set()

    def add(self, kind: str, text: str, *, about: str = "", path: str | Path | None = None) -> None:
        """A problem, whose text names files by `name` only; with `about` a doubt as well."""
        if kind not in KINDS:
            raise ValueError(kind)
        self.problems.append(Problem(kind, text, Path(path) if path else None))
        if about:
            self.doubts[about].append(text)

    def add_file(self, path: str, code: str, *, about: str = "") -> None:
        """A file that cannot be used."""
        kind, text = TEXTS[code]
        self.add(kind, f"{self.name(path)} {text}", about=about, path=path)

    def name(self, path: str | Path) -> str:
        """A file's name without identities, as it can be printed anywhere."""
        return self.identities.hidden(Path(path).name.encode("utf-8", "replace").decode())
