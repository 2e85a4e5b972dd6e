"""The reviewable map from a hospital's ROI names to TG-263 names, kept as a CSV file that opens in any spreadsheet.

Source of the names: AAPM TG-263 (2018). How a name is proposed: `naming/proposal.py`.
"""

from collections.abc import Mapping
from pathlib import Path

from .map_file import (
    COLUMNS,
    MapEntry,
    read_map,
    write_map,
)
from .proposal import CONFIDENT, NameProposal, propose

__all__ = ["COLUMNS", "CONFIDENT", "MapEntry", "NameMap", "NameProposal", "propose"]

DOUBTED = 0.5
"""Confidence of a proposal that something speaks against: below what is used."""


class NameMap:
    """ROI name as written -> what it means here. A person's decisions always win over the rules."""

    def __init__(self) -> None:
        self.entries: dict[str, MapEntry] = {}

    @classmethod
    def load(cls, path: Path | str) -> "NameMap":
        """Read the CSV file, also as a spreadsheet saved it (semicolons, decimal commas, Windows encoding).

        Raises:
            FedRTError: missing, not such a table, or a cell that makes no sense; the message names line and column.
        """
        names = cls()
        names.entries = read_map(Path(path))
        return names

    def save(self, path: Path | str) -> None:
        """Write the CSV file atomically, what needs a decision first."""
        order = sorted(self.entries.items(), key=lambda item: (self._settled(item[0]), item[0].casefold(), item[0]))
        write_map(Path(path), dict(order))

    def merge(self, counts: Mapping[str, int]) -> None:
        """Take in how often each ROI name was seen: new names become proposals, decisions stay as they are.

        A name that no rule knew when the map was written is looked at again: later rules know more.
        """
        for name, count in counts.items():
            name = name.strip()
            if not name:
                continue
            entry = self.entries.get(name)
            if entry is None or _has_no_answer(entry):
                found = propose(name)
                entry = self.entries[name] = MapEntry(found.tg263, found.confidence, found.rule)
            entry.count = count

    def doubt(self, roi_name: str, reason: str) -> None:
        """Take note of what speaks against a name's meaning, for example where its structure lies.

        A proposal is no longer used until a person approves it; what a person has decided stays. `reason`: one sentence
        without a patient's identity; it stands in the column `doubt` of the CSV file.
        """
        name = roi_name.strip()
        if not name:
            return
        if name not in self.entries:
            self.merge({name: 0})
        entry = self.entries[name]
        entry.doubt = " ".join(reason.split())
        if entry.status == "proposed":
            entry.confidence = min(entry.confidence, DOUBTED)

    def lookup(self, roi_name: str) -> str | None:
        """The TG-263 name to use: an approved one, else a confident proposal, else None."""
        entry = self.entries.get(roi_name.strip())
        if entry is None:
            found = propose(roi_name)
            return found.tg263 if found.confidence >= CONFIDENT else None
        if entry.status == "approved":
            return entry.tg263
        return entry.tg263 if entry.status == "proposed" and entry.confidence >= CONFIDENT else None

    def is_undecided(self, roi_name: str) -> bool:
        """True where neither a rule nor a person has settled what the name means."""
        entry = self.entries.get(roi_name.strip())
        if entry is not None and entry.status != "proposed":
            return False
        found = propose(roi_name) if entry is None else NameProposal(entry.tg263, entry.confidence, entry.rule)
        return not found.recognised

    def group(self, roi_name: str) -> str:
        """`used`, `ignored` (by a person), `undecided`, or `helper`: recognised as nothing to learn the anatomy from."""
        entry = self.entries.get(roi_name.strip())
        if entry is not None and entry.status == "ignored":
            return "ignored"
        if self.lookup(roi_name) is not None:
            return "used"
        return "undecided" if self.is_undecided(roi_name) else "helper"

    def _settled(self, roi_name: str) -> bool:
        return not self.is_undecided(roi_name)


def _has_no_answer(entry: MapEntry) -> bool:
    return entry.status == "proposed" and entry.tg263 is None and not entry.doubt
