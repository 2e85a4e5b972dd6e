"""Which patients, dates, modalities and structures are wanted; the same for files and for what a PACS is asked for.

The rules, in one place:

- Images are chosen by patient, study date and modality.
- RT objects come along with what they belong to: a structure set with its images, a plan with its structure set, a dose
  with its plan. Where a modality such as RTSTRUCT is named itself, only the RT objects named are taken.
- A structure set is within the dates if its own study or that of its images is. A study without a date is not.
- With structures named, only structure sets that have an ROI for *every one* of them are chosen, and with them only the
  images they were drawn on, the plans made from them and the doses of those plans.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FedRTError
from .record import IMAGE_MODALITIES, OBJECTS

if TYPE_CHECKING:
    from ..naming.names import NameMap
    from .dicom_index import Index, RtObject

RT_MODALITIES = frozenset(OBJECTS)


@dataclass(frozen=True)
class Selection:
    """What is wanted; an empty field wants everything. Dates are YYYYMMDD, both ends included.

    `names` maps ROI names to TG-263 (without it: the rules alone). Patient IDs never appear in its text form.
    """

    patients: frozenset[str] | None = field(default=None, repr=False)
    first_date: str = ""
    last_date: str = ""
    modalities: frozenset[str] = frozenset()
    structures: tuple[str, ...] = ()
    rt_objects: bool = True
    """False: images alone, for what has no use of structure sets, plans and doses."""
    names: "NameMap | None" = field(default=None, compare=False, repr=False)

    def __bool__(self) -> bool:
        return (
            self.patients is not None
            or self.has_dates
            or bool(self.modalities or self.structures or not self.rt_objects)
        )

    @property
    def has_dates(self) -> bool:
        return bool(self.first_date or self.last_date)

    def wants_patient(self, patient_id: str) -> bool:
        return self.patients is None or patient_id.strip() in self.patients

    def wants_date(self, date: str) -> bool:
        if not self.has_dates:
            return True
        day = re.sub(r"[^0-9]", "", date)[:8]
        return len(day) == 8 and self.first_date <= day <= (self.last_date or "99999999")

    def wants_modality(self, modality: str) -> bool:
        """Whether objects of a modality are wanted at all (images and RT objects, each by its own rule)."""
        rt_objects, images = self.modalities & RT_MODALITIES, self.modalities - RT_MODALITIES
        if modality in RT_MODALITIES:
            return self.rt_objects and (not rt_objects or modality in rt_objects)
        return modality in (images if self.modalities else IMAGE_MODALITIES)

    def wants_structures(self, roi_names: Iterable[str]) -> bool:
        """Whether a structure set with these ROIs has every structure asked for."""
        if not self.structures:
            return True
        from ..naming.names import NameMap

        names = self.names or NameMap()
        return set(self.structures) <= {names.lookup(name) for name in roi_names}


@dataclass
class Choice:
    """UIDs of what a selection keeps of an index: series by Series, the others by SOP Instance UID."""

    series: set[str] = field(default_factory=set)
    structure_sets: set[str] = field(default_factory=set)
    plans: set[str] = field(default_factory=set)
    doses: set[str] = field(default_factory=set)
    registrations: set[str] = field(default_factory=set)


def choose(index: "Index", selection: Selection) -> Choice:
    """Apply the rules above to an index."""
    choice = Choice()
    for uid, rt in index.structure_sets.items():
        if _wants_structure_set(index, rt, selection):
            choice.structure_sets.add(uid)
    drawn_on = {index.links[uid] for uid in choice.structure_sets if uid in index.links}
    for uid, series in index.series.items():
        wanted = selection.wants_patient(series.patient_id) and selection.wants_modality(series.modality)
        if wanted and (uid in drawn_on or (not selection.structures and selection.wants_date(series.study_date))):
            choice.series.add(uid)
    known = set(index.structure_sets)
    for uid, plan in index.plans.items():
        if _comes_along(plan, index.plan_links, choice.structure_sets, known, selection):
            choice.plans.add(uid)
    chosen, known = choice.structure_sets | choice.plans, known | set(index.plans)
    for uid, dose in index.doses.items():
        if _comes_along(dose, index.dose_links, chosen, known, selection):
            choice.doses.add(uid)
    patients = {index.series[uid].patient_id for uid in choice.series}
    choice.registrations = {uid for uid, one in index.registrations.items() if one.patient_id in patients}
    _leave_out_kinds(choice, selection)
    return choice


def _wants_structure_set(index: "Index", rt: "RtObject", selection: Selection) -> bool:
    if not selection.wants_patient(rt.patient_id) or not selection.wants_structures(rt.roi_names):
        return False
    series = index.series[index.links[rt.uid]] if rt.uid in index.links else None
    if series and selection.modalities - RT_MODALITIES and not selection.wants_modality(series.modality):
        return False
    dates = [rt.study_date] + ([series.study_date] if series else [])
    return any(selection.wants_date(date) for date in dates)


def _comes_along(
    rt: "RtObject", links: Mapping[str, str] | None, chosen: set[str], known: set[str], selection: Selection
) -> bool:
    """A plan or dose: with what it refers or is linked to; where that is not here at all, by its own patient and date."""
    if not selection.wants_patient(rt.patient_id):
        return False
    belongs_to = {*rt.references, (links or {}).get(rt.uid, "")} - {""}
    if belongs_to & chosen:
        return True
    return not belongs_to & known and not selection.structures and selection.wants_date(rt.study_date)


def _leave_out_kinds(choice: Choice, selection: Selection) -> None:
    """Kinds of RT objects that are not wanted themselves have done their part: they told what belongs to what."""
    kinds = (
        ("RTSTRUCT", choice.structure_sets), ("RTPLAN", choice.plans), ("RTDOSE", choice.doses), ("REG", choice.registrations)
    )  # fmt: skip
    for modality, uids in kinds:
        if not selection.wants_modality(modality):
            uids.clear()


def read_selection(
    patients: Path | str | None = None,
    first: str | None = None,
    last: str | None = None,
    modalities: str | None = None,
    structures: str | None = None,
    names: "NameMap | None" = None,
) -> Selection:
    """A selection from what a person types: a file of Patient IDs, two dates, and lists separated by commas.

    Raises:
        FedRTError: a file that does not exist or is empty, a date that is none, a structure that is not TG-263.
    """
    first_date, last_date = _date(first, "--from"), _date(last, "--to")
    if first_date and last_date and first_date > last_date:
        raise FedRTError("--from is later than --to; exchange them.")
    return Selection(
        patients=_patient_list(Path(patients)) if patients else None,
        first_date=first_date,
        last_date=last_date,
        modalities=frozenset(part.upper() for part in _parts(modalities)),
        structures=tuple(_structure(part) for part in _parts(structures)),
        names=names,
    )


def _parts(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _date(text: str | None, option: str) -> str:
    if not text or not text.strip():
        return ""
    for form in ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(text.strip(), form).strftime("%Y%m%d")
        except ValueError:
            continue
    raise FedRTError(f"{option} {text} is no date; write it as 2024-03-31.")


def _patient_list(path: Path) -> frozenset[str]:
    """Patient IDs, one a line, as an editor or a spreadsheet's first column saves them."""
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        raise FedRTError(
            f"{path} cannot be read; name a text file with one Patient ID a line after --patients."
        ) from None
    patients = frozenset(line.strip().strip('"') for line in text.splitlines() if line.strip())
    if not patients:
        raise FedRTError(f"{path} is empty; write one Patient ID a line.")
    for patient in patients:
        if len(patient) > 64 or not patient.isprintable() or any(sign in patient for sign in "\\*?"):
            raise FedRTError(f"{path} holds a line that is no Patient ID (64 characters at most, no \\, * or ?).")
    return patients


def _structure(text: str) -> str:
    """A TG-263 name as written, or what the rules make of another name."""
    from ..naming.names import propose
    from ..naming.structures import shipped_structures

    if text in shipped_structures():
        return text
    found = propose(text)
    if found.tg263 is None:
        raise FedRTError(f"--with-structures {text}: no TG-263 name; write for example Rectum,Bladder,Femur_Head_L.")
    return found.tg263
