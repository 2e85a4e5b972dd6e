"""Approved name maps from one hospital to another: names only, and no decision where two hospitals disagree."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..privacy import without_identity
from .map_file import MapEntry, write_map
from .names import NameMap
from .proposal import CONFIDENT, propose
from .structures import shipped_structures
from .targets import TARGETS
from .tg263 import exactly

SHARED_COLUMNS = ("roi_name", "tg263_name", "status")
_DATE_OR_NUMBER = re.compile(r"\d{5,}|\d{1,4}[.\-/]\d{1,2}[.\-/]\d{1,4}")


@dataclass(frozen=True)
class NameConflict:
    """Two answers for one ROI name. meanings: who says it -> TG-263 name or None (to be ignored). kept: the answer in use."""

    roi_name: str
    meanings: Mapping[str, str | None]
    kept: str | None

    @property
    def text(self) -> str:
        """One sentence for the person who decides."""
        told = ", ".join(f"{name or 'ignored'} ({who})" for who, name in self.meanings.items())
        end = f"{self.kept} stays" if self.kept else "left undecided"
        return f"{self.roi_name}: {told}; {end}: decide in the map."


def shareable(names: NameMap, identities: Iterable[str] = ()) -> tuple[dict[str, MapEntry], int]:
    """What may leave the hospital: ROI names with the meaning that a person approved. No counts, no rules, no doubts.

    A name that holds one of `identities` (patients' names and numbers), a date or a long number stays here.

    Returns:
        the rows, in the order of the alphabet, and how many approved names were held back.
    """
    identities = [identity for identity in identities if identity]
    approved = {name: entry for name, entry in names.entries.items() if entry.status == "approved"}
    rows = {
        name: MapEntry(approved[name].tg263, 1.0, "", status="approved")
        for name in sorted(approved, key=lambda name: (name.casefold(), name))
        if not _DATE_OR_NUMBER.search(name) and without_identity(name, *identities) == name
    }
    return rows, len(approved) - len(rows)


def export_map(names: NameMap, path: Path, identities: Iterable[str] = ()) -> tuple[int, int]:
    """Write what may be shared as a CSV file; returns how many names it has and how many were held back."""
    rows, held_back = shareable(names, identities)
    write_map(Path(path), rows, SHARED_COLUMNS)
    return len(rows), held_back


def merge_shared(names: NameMap, shared: Mapping[str, NameMap]) -> list[NameConflict]:
    """Take over what other hospitals approved; the order of the maps does not matter.

    A decision made here always stays. Where the others disagree among themselves, or with a rule that is sure, or name no
    structure of TG-263, the name is left undecided.

    Args:
        names: the map here; it is changed.
        shared: who it comes from (a file name) -> map; only approved rows count.

    Returns:
        every conflict, in the order of the alphabet.
    """
    answers: dict[str, dict[str, str]] = {}
    for source in sorted(shared):
        for roi_name, entry in shared[source].entries.items():
            if entry.status == "approved" and entry.tg263:
                answers.setdefault(roi_name, {})[source] = _official(entry.tg263)
    conflicts = []
    for roi_name in sorted(answers, key=lambda name: (name.casefold(), name)):
        conflict = _merge_one(names, roi_name, answers[roi_name])
        if conflict is not None:
            conflicts.append(conflict)
    return conflicts


def _merge_one(names: NameMap, roi_name: str, answers: dict[str, str]) -> NameConflict | None:
    own, meanings = names.entries.get(roi_name), set(answers.values())
    if own is not None and own.status != "proposed":
        decided = own.tg263 if own.status == "approved" else None
        if meanings == {decided}:
            return None
        return NameConflict(roi_name, {"here": decided, **answers}, decided or "the decision to ignore it")
    rule = propose(roi_name)
    against: dict[str, str | None] = {}
    if rule.is_helper or (rule.confidence >= CONFIDENT and {rule.tg263} != meanings):
        against = {f"rule: {rule.rule}": rule.tg263}
    unknown = [meaning for meaning in meanings if not _is_known(meaning)]
    count = own.count if own is not None else 0
    if len(meanings) > 1 or against or unknown:
        conflict = NameConflict(roi_name, {**answers, **against}, None)
        reason = "no TG-263 name: " + ", ".join(sorted(unknown)) if unknown else "conflict: " + conflict.text
        names.entries[roi_name] = MapEntry(None, 0.0, "shared maps", count, "proposed", reason)
        return conflict
    names.entries[roi_name] = MapEntry(meanings.pop(), 1.0, f"shared by {', '.join(answers)}", count, "approved")
    return None


def _official(name: str) -> str:
    """The official spelling of a TG-263 name; others as they are."""
    return exactly(name) or name


def _is_known(name: str) -> bool:
    return exactly(name) is not None or name in shipped_structures() or name.lower().startswith(TARGETS)
