"""What is asked of a PACS or DICOMweb server for a selection, and in which order.

1. Studies are found by patient, date and, where structures are asked for, by having a structure set.
2. Where only part of a patient is wanted (dates, structures), the patient's other studies are looked at too: plans and
   doses are often filed in a study of their own.
3. Structure sets are fetched and read; those without the structures asked for go no further.
4. Then images, plans and doses: with structures or dates only those that belong to the structure sets chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..index.dicom_index import Problem
from ..index.selection import RT_MODALITIES, Selection
from ..reporting import Reporter
from .cache import ReceivedObjects
from .remote import (
    Archive,
    Fetcher,
    RemoteSeries,
    RemoteStudy,
    referenced,
)


@dataclass
class Received:
    """Files that are complete, and what could not be had."""

    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class _StructureSet:
    """What a structure set that was fetched says of itself."""

    series: RemoteSeries
    uid: str
    path: Path
    roi_names: tuple[str, ...]
    image_series: tuple[tuple[str, str], ...]
    """(study UID, series UID) of the images it was drawn on."""


def receive(archive: Archive, selection: Selection, cache: ReceivedObjects, report: Reporter) -> Received:
    """Fetch what `selection` wants into the cache, as far as it is not there.

    Raises:
        FedRTError: the archive refuses, cannot be reached, or goes away for good; what was received stays in the cache.
    """
    archive.check()
    errand = _Errand(archive, selection, cache, report)
    errand.run()
    errand.received.problems += errand.fetcher.problems
    return errand.received


class _Errand:
    def __init__(self, archive: Archive, selection: Selection, cache: ReceivedObjects, report: Reporter) -> None:
        self.name, self.archive, self.selection = archive.name, archive, selection
        self.cache, self.report = cache, report
        self.fetcher = Fetcher(archive, cache)
        self.received = Received()
        self.hits: dict[str, RemoteStudy] = {}
        self.listed: dict[str, RemoteSeries] = {}
        self.there: set[str] = set()
        """SOP Instance UIDs of the structure sets and plans that the archive has of the patients, wanted or not."""
        self.some_images = selection.modalities - RT_MODALITIES
        self.partial = selection.has_dates or bool(selection.structures or self.some_images)
        """Only part of what a patient has is wanted: RT objects are chosen by what they refer to."""

    def run(self) -> None:
        wants = self.selection.wants_modality
        self.hits = self._find_studies()
        others = self._other_studies() if self.selection.has_dates or self.selection.structures else {}
        self._list_series(self.hits | others)
        structure_sets = self._structure_sets() if wants("RTSTRUCT") or self.partial else []
        images = self._images(structure_sets)
        self._take(images, "images")
        if wants("RTSTRUCT"):
            self.received.files += [one.path for one in structure_sets]
        seen = {one.study.uid for one in images} | {one.series.study.uid for one in structure_sets}
        chosen = {one.uid for one in structure_sets}
        plans = self._plans(chosen, seen) if wants("RTPLAN") or self.partial else set()
        if wants("RTDOSE"):
            self._doses(chosen | plans, seen)
        if wants("REG"):
            self._take([one for one in self._of("REG") if one.study.uid in seen], "registrations")
        self.report.info(
            f"{self.name}: {len(self.hits)} studies found, {len(self.received.files)} objects of them are here"
        )

    def _find_studies(self) -> dict[str, RemoteStudy]:
        """Studies of the patients and dates wanted, by UID. The archive's matching is checked again here."""
        wanted = self.selection
        # With dates, the structure set itself may be filed in another study than the images of those dates.
        modality = "RTSTRUCT" if wanted.structures and not wanted.has_dates else ""
        patients: list[str | None] = sorted(wanted.patients) if wanted.patients is not None else [None]
        found: dict[str, RemoteStudy] = {}
        for done, patient in enumerate(patients):
            self.report.progress("find", done, len(patients))
            for study in self.fetcher.ask(self.archive.studies, patient, wanted.first_date, wanted.last_date, modality):
                if study.uid and wanted.wants_patient(study.patient_id) and wanted.wants_date(study.date):
                    found[study.uid] = study
        self.report.progress("find", len(patients), len(patients))
        if wanted.patients is not None:
            absent = len(wanted.patients - {study.patient_id.strip() for study in found.values()})
            if absent:
                text = f"{self.name} has no matching study of {absent} of the {len(wanted.patients)} patients listed."
                self.received.problems.append(Problem("patient-absent", text))
        return found

    def _other_studies(self) -> dict[str, RemoteStudy]:
        """All other studies of the patients found."""
        patients = sorted({study.patient_id for study in self.hits.values() if study.patient_id.strip()})
        found = {}
        for done, patient in enumerate(patients):
            self.report.progress("find other studies", done, len(patients))
            for study in self.fetcher.ask(self.archive.studies, patient, "", "", ""):
                if study.patient_id == patient and study.uid not in self.hits:
                    found[study.uid] = study
        return found

    def _list_series(self, studies: dict[str, RemoteStudy]) -> None:
        for done, study in enumerate(studies.values()):
            self.report.progress("list", done, len(studies))
            self.listed |= {one.uid: one for one in self.fetcher.ask(self.archive.series, study)}
        self.report.progress("list", len(studies), len(studies))

    def _of(self, modality: str) -> list[RemoteSeries]:
        return [one for one in self.listed.values() if one.modality == modality]

    def _structure_sets(self) -> list[_StructureSet]:
        """Fetched and read: those with the structures asked for, whose own study or their images' is among the hits."""
        found = []
        for one in self._fetch_all(self._of("RTSTRUCT"), "structure sets"):
            for path in self.cache.files(one.uid):
                rt = _read_structure_set(one, path)
                self.there.add(rt.uid)
                studies = {one.study.uid, *(study for study, _ in rt.image_series)}
                studies |= {self.listed[uid].study.uid for _, uid in rt.image_series if uid in self.listed}
                if not studies & self.hits.keys() or not self.selection.wants_structures(rt.roi_names):
                    continue
                if not self.some_images or any(
                    self.selection.wants_modality(one.modality) for one in self._drawn_on(rt)
                ):
                    found.append(rt)
        return found

    def _images(self, structure_sets: list[_StructureSet]) -> list[RemoteSeries]:
        """Image series of the studies hit (unless structures are asked for), and those the structure sets were drawn on."""
        images = {}
        if not self.selection.structures:
            images = {uid: one for uid, one in self.listed.items() if one.study.uid in self.hits and _is_image(one)}
        for rt in structure_sets:
            images |= {one.uid: one for one in self._drawn_on(rt)}
        return [one for one in images.values() if self.selection.wants_modality(one.modality)]

    def _drawn_on(self, rt: _StructureSet) -> list[RemoteSeries]:
        named = {uid for _, uid in rt.image_series}
        known = [self.listed[uid] for uid in sorted(named) if uid in self.listed]
        for study_uid in sorted({study for study, uid in rt.image_series if uid not in self.listed and study}):
            study = RemoteStudy(study_uid, rt.series.study.patient_id)
            known += [one for one in self.fetcher.ask(self.archive.series, study) if one.uid in named]
        if known:
            return known
        # It names no series that is to be had: the images of its own study are the best there is; the index decides.
        return [one for one in self.listed.values() if one.study.uid == rt.series.study.uid and _is_image(one)]

    def _is_hit(self, series: RemoteSeries) -> bool:
        """Wanted for the study it is in, whatever it refers to."""
        return series.study.uid in self.hits and not self.selection.structures and not self.some_images

    def _plans(self, structure_sets: set[str], seen: set[str]) -> set[str]:
        """Fetch plans; the SOP Instance UIDs of those wanted. `seen` are the studies that something was taken of."""
        kept, found = set(), []
        for one in self._fetch_all(self._of("RTPLAN"), "plans"):
            for path in self.cache.files(one.uid):
                found.append((one, path, *_read_references(path, "ReferencedStructureSetSequence")))
        for one, path, uid, references in found:
            if self._is_hit(one) or self._belongs(references, structure_sets, one, seen):
                kept.add(uid)
                self.received.files += [path] if self.selection.wants_modality("RTPLAN") else []
        self.there |= {uid for _, _, uid, _ in found}
        return kept

    def _doses(self, wanted: set[str], seen: set[str]) -> None:
        """Fetch doses; of those of other plans as few as the archive lets us know beforehand."""
        likely = []
        for one in self._of("RTDOSE"):
            if self._is_hit(one):
                likely.append(one)
            elif wanted or one.study.uid in seen:
                references = self.fetcher.ask(self.archive.references, one)
                if references is None or self._belongs(references, wanted, one, seen):
                    likely.append(one)
        for one in self._fetch_all(likely, "doses"):
            for path in self.cache.files(one.uid):
                _, references = _read_references(path, "ReferencedRTPlanSequence", "ReferencedStructureSetSequence")
                if self._is_hit(one) or self._belongs(references, wanted, one, seen):
                    self.received.files.append(path)

    def _belongs(self, references: set[str], wanted: set[str], series: RemoteSeries, seen: set[str]) -> bool:
        """Whether an object refers to what is wanted.

        One that refers to nothing that the archive has comes along from the studies `seen`: the index may find by its frame
        of reference where it belongs, and says so.
        """
        return bool(references & wanted) or (not references & self.there and series.study.uid in seen)

    def _take(self, series: list[RemoteSeries], what: str) -> None:
        for one in self._fetch_all(series, what):
            self.received.files += self.cache.files(one.uid)

    def _fetch_all(self, series: list[RemoteSeries], what: str) -> Iterator[RemoteSeries]:
        """Fetch each series, giving back those that are complete."""
        for done, one in enumerate(series):
            self.report.progress(f"receive {what}", done, len(series))
            if self.fetcher.fetch(one):
                yield one
        if series:
            self.report.progress(f"receive {what}", len(series), len(series))


def _is_image(series: RemoteSeries) -> bool:
    return series.modality not in RT_MODALITIES


def _read_structure_set(series: RemoteSeries, path: Path) -> _StructureSet:
    import pydicom

    header = pydicom.dcmread(
        path,
        specific_tags=["SOPInstanceUID", "StructureSetROISequence", "ReferencedFrameOfReferenceSequence"],
        force=True,
    )
    names = tuple(str(roi.get("ROIName", "")).strip() for roi in header.get("StructureSetROISequence") or [])
    images = []
    for frame in header.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            for item in study.get("RTReferencedSeriesSequence") or []:
                images.append((str(study.get("ReferencedSOPInstanceUID", "")), str(item.get("SeriesInstanceUID", ""))))
    return _StructureSet(series, str(header.get("SOPInstanceUID", "")), path, names, tuple(images))


def _read_references(path: Path, *sequences: str) -> tuple[str, set[str]]:
    """SOP Instance UID of an RT object, and those that it refers to in some of its sequences."""
    import pydicom

    header = pydicom.dcmread(path, specific_tags=["SOPInstanceUID", *sequences], force=True, stop_before_pixels=True)
    found = set().union(*(referenced(header.get(sequence) or []) for sequence in sequences))
    return str(header.get("SOPInstanceUID", "")), found
