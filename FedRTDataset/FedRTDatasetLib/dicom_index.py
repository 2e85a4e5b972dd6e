"""What lies in folders of DICOM: image series, RT objects, how they refer to each other, and what is wrong.

Reads headers only. Nothing here stops at a bad file: it is listed as a problem and the rest goes on.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from .errors import FedRTError
from .privacy import without_identity
from .reporting import Reporter

IMAGE_MODALITIES = ("CT", "MR")
HEADER_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientID",
    "PatientName", "Modality", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "Rows", "Columns", "ReferencedFrameOfReferenceSequence", "StructureSetROISequence", "StructureSetLabel",
    "ReferencedStructureSetSequence", "ReferencedRTPlanSequence", "DoseSummationType", "SeriesDescription",
]  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """Something that was skipped or is doubtful: one sentence naming the file and what to do."""

    kind: str
    text: str


@dataclass
class ImageSeries:
    """A CT or MR series. `files` maps SOP Instance UID to path, `headers` to the header elements that place the slice."""

    uid: str
    study_uid: str
    frame_of_reference_uid: str
    modality: str
    patient_id: str
    files: dict[str, Path] = field(default_factory=dict)
    headers: dict[str, Dataset] = field(default_factory=dict)


@dataclass
class RtObject:
    """An RTSTRUCT, RTPLAN or RTDOSE file. `references` are the SOP Instance UIDs of the RT objects it refers to."""

    path: Path
    modality: str
    uid: str
    patient_id: str
    patient_name: str
    frame_of_reference_uid: str
    series_uids: tuple[str, ...] = ()
    image_uids: tuple[str, ...] = ()
    roi_names: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    dose_summation_type: str = ""


@dataclass
class Index:
    """All that was found. `links` maps the SOP Instance UID of an RTSTRUCT to the series it was drawn on."""

    series: dict[str, ImageSeries] = field(default_factory=dict)
    structure_sets: dict[str, RtObject] = field(default_factory=dict)
    plans: dict[str, RtObject] = field(default_factory=dict)
    doses: dict[str, RtObject] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    identities: set[str] = field(default_factory=set)
    """Patient IDs and names that were seen: what no text may show."""

    def doses_of(self, structure_set_uid: str) -> list[RtObject]:
        """The doses to sum for a structure set's plans: PLAN doses, or where there is none, the others (each beam's)."""
        plans = {plan.uid for plan in self.plans_of(structure_set_uid)}
        doses = [dose for dose in self.doses.values() if plans.intersection(dose.references)]
        whole = [dose for dose in doses if dose.dose_summation_type == "PLAN"]
        return whole or doses

    def plans_of(self, structure_set_uid: str) -> list[RtObject]:
        """The plans that refer to a structure set."""
        return [plan for plan in self.plans.values() if structure_set_uid in plan.references]


def index_folders(sources: Iterable[Path | str], report: Reporter | None = None) -> Index:
    """Index every file below `sources`, in any order and nesting.

    Raises:
        FedRTError: a source does not exist, or there is not one DICOM image or RT object in all of them.
    """
    report = report or Reporter()
    sources = [Path(source) for source in sources]
    files = [path for source in sources for path in _files_below(source)]
    index = Index()
    for done, path in enumerate(files):
        if done % 50 == 0:
            report.progress("index", done, len(files))
        _add_file(index, path)
    report.progress("index", len(files), len(files))
    if not index.series and not index.structure_sets:
        where = ", ".join(str(source) for source in sources)
        what = f"holds {len(files)} files, none of them" if files else "is empty: no"
        raise FedRTError(f"{where} {what} DICOM image or RT object; name the folder the planning system exported to.")
    _link(index)
    index.problems = [Problem(p.kind, without_identity(p.text, *index.identities)) for p in index.problems]
    return index


def _files_below(source: Path) -> list[Path]:
    if not source.exists():
        raise FedRTError(f"{source} does not exist; check the folder name.")
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))


def _add_file(index: Index, path: Path) -> None:
    if path.name.upper() == "DICOMDIR":
        return
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS)
        modality = str(header.get("Modality", ""))
    except (InvalidDicomError, EOFError):
        _note_unreadable(index, path)
        return
    except Exception as error:
        index.problems.append(
            Problem("unreadable", f"{path.name} is damaged ({type(error).__name__}): export it again.")
        )
        return
    index.identities |= {str(header.get(keyword, "")) for keyword in ("PatientID", "PatientName")}
    if not modality or "SOPInstanceUID" not in header or (modality in IMAGE_MODALITIES and not _is_placed(header)):
        index.problems.append(Problem("unreadable", f"{path.name} is truncated or has no position: export it again."))
    elif modality in IMAGE_MODALITIES:
        _add_image(index, path, header, modality)
    elif modality in ("RTSTRUCT", "RTPLAN", "RTDOSE"):
        _add_rt_object(index, path, header, modality)


def _is_placed(header: Dataset) -> bool:
    needed = (
        "SeriesInstanceUID",
        "StudyInstanceUID",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "Rows",
    )
    return all(header.get(keyword) is not None for keyword in needed)


def _note_unreadable(index: Index, path: Path) -> None:
    """A file that does not start like DICOM is worth a word only where it claims to be one."""
    if path.stat().st_size == 0 or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        index.problems.append(Problem("unreadable", f"{path.name} is empty or truncated, not DICOM: export it again."))


def _add_image(index: Index, path: Path, header: Dataset, modality: str) -> None:
    uid = str(header.SeriesInstanceUID)
    series = index.series.get(uid)
    if series is None:
        series = index.series[uid] = ImageSeries(
            uid, str(header.StudyInstanceUID), str(header.get("FrameOfReferenceUID", "")), modality,
            str(header.get("PatientID", "")),
        )  # fmt: skip
    instance = str(header.SOPInstanceUID)
    if instance in series.files:
        text = f"{path.name} is a second copy of slice {series.files[instance].name}: the copy is left out."
        index.problems.append(Problem("duplicate", text))
        return
    if series.patient_id != str(header.get("PatientID", "")):
        text = f"{path.name} carries another Patient ID than the rest of its series: left out; check the export."
        index.problems.append(Problem("patient-mismatch", text))
        return
    series.files[instance] = path
    series.headers[instance] = header


def _add_rt_object(index: Index, path: Path, header: Dataset, modality: str) -> None:
    rt = RtObject(
        path, modality, str(header.SOPInstanceUID), str(header.get("PatientID", "")), str(header.get("PatientName", "")),
        str(header.get("FrameOfReferenceUID", "")),
    )  # fmt: skip
    if modality == "RTSTRUCT":
        rt.roi_names = tuple(str(roi.get("ROIName", "")).strip() for roi in header.get("StructureSetROISequence") or [])
        rt.series_uids, rt.image_uids, frames = _referenced_images(header)
        rt.frame_of_reference_uid = rt.frame_of_reference_uid or (frames[0] if frames else "")
        group = index.structure_sets
    else:
        keyword = {"RTPLAN": "ReferencedStructureSetSequence", "RTDOSE": "ReferencedRTPlanSequence"}[modality]
        rt.dose_summation_type = str(header.get("DoseSummationType", ""))
        rt.references = tuple(str(item.ReferencedSOPInstanceUID) for item in header.get(keyword) or [])
        group = {"RTPLAN": index.plans, "RTDOSE": index.doses}[modality]
    if rt.uid in group:
        text = f"{path.name} is a second copy of {group[rt.uid].path.name}: the copy is left out."
        index.problems.append(Problem("duplicate", text))
    else:
        group[rt.uid] = rt


def _referenced_images(header: Dataset) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Series, image and frame-of-reference UIDs of an RTSTRUCT's Referenced Frame of Reference Sequence."""
    series, images, frames = [], [], []
    for frame in header.get("ReferencedFrameOfReferenceSequence") or []:
        frames.append(str(frame.get("FrameOfReferenceUID", "")))
        for study in frame.get("RTReferencedStudySequence") or []:
            for item in study.get("RTReferencedSeriesSequence") or []:
                series.append(str(item.get("SeriesInstanceUID", "")))
                images += [
                    str(image.get("ReferencedSOPInstanceUID", "")) for image in item.get("ContourImageSequence") or []
                ]
    return tuple(series), tuple(images), frames


def _link(index: Index) -> None:
    """Find each RTSTRUCT's series: by series UID, else by the images it names, else by the only series of its frame."""
    by_image = {uid: series.uid for series in index.series.values() for uid in series.files}
    by_frame = defaultdict(list)
    for series in index.series.values():
        by_frame[series.frame_of_reference_uid].append(series.uid)
    for rt in index.structure_sets.values():
        named = [uid for uid in rt.series_uids if uid in index.series]
        shown = sorted({by_image[uid] for uid in rt.image_uids if uid in by_image})
        same_frame = by_frame.get(rt.frame_of_reference_uid, []) if rt.frame_of_reference_uid else []
        if named or shown:
            chosen = (named or shown)[0]
        elif len(same_frame) == 1:
            chosen = same_frame[0]
            text = f"{rt.path.name} names no image series that is here: taken with the only series in its frame of reference."
            index.problems.append(Problem("doubtful-link", text))
        else:
            text = f"{rt.path.name} was drawn on images that are not here: export that image series too."
            index.problems.append(Problem("images-absent", text))
            continue
        if index.series[chosen].patient_id != rt.patient_id:
            text = f"{rt.path.name} belongs to another patient than the images it refers to: skipped; correct it at its source."
            index.problems.append(Problem("patient-mismatch", text))
            continue
        index.links[rt.uid] = chosen
