"""Which of several structure sets of a case is used.

The rule: sets without a wanted structure go last; then those drawn on the primary image itself go before those on another
image of the same frame of reference, and these before those that need a registration; then approved ones (Approval Status),
then those with most wanted structures, then the newest (Structure Set Date and Time), then the lowest UID.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ..dicom_file import read_dicom
from ..imaging.registration import Link
from ..index.dicom_index import ImageSeries, RtObject


@dataclass(frozen=True)
class Candidate:
    """A structure set, the series it was drawn on, how that lies to the primary image, and its wanted ROIs (name -> TG-263)."""

    structure_set: RtObject
    series: ImageSeries
    link: Link
    wanted: dict[str, str]
    on_primary: bool


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The one to use first."""
    candidates = list(candidates)
    if len(candidates) < 2:
        return candidates
    told = {one.structure_set.uid: _status(one.structure_set) for one in candidates}

    def place(one: Candidate) -> tuple:
        approved, moment = told[one.structure_set.uid]
        return (not one.wanted, not one.on_primary, one.link.steps, not approved, -len(set(one.wanted.values())),
                _backwards(moment), one.structure_set.uid)  # fmt: skip

    return sorted(candidates, key=place)


def _status(rt: RtObject) -> tuple[bool, str]:
    """Approved or not, and `YYYYMMDDHHMMSS`; DICOM PS3.3 C.8.8.16 (Approval) and C.8.8.5 (Structure Set)."""
    try:
        header = read_dicom(
            rt.path,
            stop_before_pixels=True,
            specific_tags=["ApprovalStatus", "StructureSetDate", "StructureSetTime"],
        )
    except Exception:  # it is told when its contours are read
        return False, ""
    moment = f"{header.get('StructureSetDate') or ''}{str(header.get('StructureSetTime') or '')[:6]}"
    return str(header.get("ApprovalStatus", "")).upper() == "APPROVED", "".join(filter(str.isdigit, moment))


def _backwards(moment: str) -> int:
    return -int(moment.ljust(14, "0")) if moment else 0
