"""A first look at every file: whose it is, what it is, and what must not appear in any text of its patient."""

import stat
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from . import elements, profile
from .gather import note_values
from .removed import IDENTITY, TEXT, Removed
from .risks import Risks, risks_of
from .uids import is_well_known

_NOT_LOOKED_INTO = frozenset(
    {0x30060039, 0x52009230}
)  # contours and frames: large, and gone through when they are copied
_KEPT_APART = "1.2.840.10008.1.3.10"

# Storage classes that this program can clean, by the Standard's keyword: images and radiotherapy objects.
_CLEANABLE = (
    "Image Storage", "RT Dose", "RT Structure", "RT Plan", "RT Ion", "RT Beams Treatment", "RT Brachy Treatment",
    "RT Treatment Summary", "Spatial Registration", "Spatial Fiducials", "Segmentation Storage",
    "Real World Value Mapping", "Parametric Map", "RT Radiation", "RT Physician Intent", "RT Segment Annotation",
)  # fmt: skip
_NOT_CLEANABLE = ("Video", "Protocol", "Delivery Instruction", "Encapsulated", "Stereometric")


@dataclass
class Survey:
    """What is known of a file before it is copied. problem: why it cannot be (then the rest is empty)."""

    path: Path
    problem: str = ""
    patient: str = ""
    identities: tuple[str, ...] = ()
    study: str = ""
    series: str = ""
    instance: str = ""
    frame: str = ""
    modality: str = ""
    sop_class: str = ""
    risks: Risks = field(default_factory=lambda: Risks((), ()))
    removed: Removed = field(default_factory=Removed)


def survey(path: Path) -> Survey:
    """Look at one file; never raises, `problem` tells what is wrong in words that hold no identity."""
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            return Survey(path, problem="folder that may not be opened; change its permissions and start again")
        if not stat.S_ISREG(state.st_mode):
            return Survey(path, problem="not a regular file")  # a pipe would be waited for
        if not state.st_size:
            return Survey(path, problem="empty file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = read_header(path)
            return _survey(path, dataset)
    except OSError as error:
        return Survey(path, problem=f"cannot be read ({error.strerror or 'input/output error'})")
    except NotDicomError:
        return Survey(path, problem="not a DICOM file")
    except Exception as error:  # pydicom raises many kinds on damaged files; its texts may quote the file
        return Survey(path, problem=f"damaged DICOM file ({type(error).__name__})")


class NotDicomError(Exception):
    """The file is something else."""


def read_header(path: Path, *, pixels: bool = False):
    """The data set of a file, with or without the part 10 header; without it the smallest signs of DICOM must be
    there."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        dataset = dcmread(path, stop_before_pixels=not pixels)
    except InvalidDicomError:
        with open(path, "rb") as file:
            start = file.read(8)
        # A bare data set begins with group 0008 (or 0002, or 0000 groups that some toolkits leave): else it is no
        # DICOM.
        if start[:2] not in (b"\x08\x00", b"\x00\x08", b"\x02\x00"):
            raise NotDicomError from None
        dataset = dcmread(path, stop_before_pixels=not pixels, force=True)
    if not dataset or (0x00080016 not in dataset and "MediaStorageSOPClassUID" not in dataset.file_meta):
        raise NotDicomError
    return dataset


def _survey(path: Path, dataset) -> Survey:
    sop_class = _text(dataset, "SOPClassUID") or str(dataset.file_meta.get("MediaStorageSOPClassUID", ""))
    if sop_class == _KEPT_APART:
        return Survey(path, problem="DICOMDIR (an index of the original files; made anew by any viewer)")
    if not cleanable(sop_class):
        return Survey(path, problem=f"kind of object that cannot be cleaned safely ({_name(sop_class)})")
    instance = _text(dataset, "SOPInstanceUID")
    if not instance or not _text(dataset, "SeriesInstanceUID"):
        return Survey(path, problem="no SOP or Series Instance UID")
    study = _text(dataset, "StudyInstanceUID")
    patient_id, issuer = _text(dataset, "PatientID"), _text(dataset, "IssuerOfPatientID")
    patient = f"{patient_id}{chr(0)}{issuer}" if patient_id and issuer else patient_id or f"study{chr(0)}{study}"
    found = Removed()
    note_identity(found, dataset)
    return Survey(
        path, "", patient, (patient_id, _text(dataset, "PatientName")), study, _text(dataset, "SeriesInstanceUID"), instance,
        _text(dataset, "FrameOfReferenceUID"), _text(dataset, "Modality"), sop_class, risks_of(dataset, sop_class), found,
    )  # fmt: skip


def note_identity(found: Removed, dataset) -> None:
    """Names of people anywhere, and the patient's and visit's own numbers and addresses."""
    for tag in list(dataset.keys()):
        element, number = dataset.get_item(tag), int(tag)
        vr = element.VR or elements.dictionary_vr(number)
        if vr == "SQ" and not tag.is_private and number not in _NOT_LOOKED_INTO:
            for item in dataset[tag].value or []:
                note_identity(found, item)
        elif vr == "PN":
            note_values(found, dataset, element, IDENTITY)
        elif not tag.is_private and vr in elements.TEXT:
            row = profile.row_of(number)
            own = number >> 16 in (0x0010, 0x0038) or number in (0x00080050, 0x00200010)
            if row is not None and own and "patient_characteristics" not in row.options:
                note_values(found, dataset, element, TEXT if "clean_descriptors" in row.options else IDENTITY)


def cleanable(sop_class: str) -> bool:
    """True for the storage classes of images and radiotherapy objects.

    Documents, reports, presentation states, waveforms, raw data and vendors' own classes hold free content that no
    table describes.
    """
    name = _name(sop_class)
    return (
        is_well_known(sop_class) and any(p in name for p in _CLEANABLE) and not any(p in name for p in _NOT_CLEANABLE)
    )


def _name(sop_class: str) -> str:
    from pydicom.uid import UID

    return UID(sop_class).name if is_well_known(sop_class) else "not a class of the Standard"


def _text(dataset, keyword: str) -> str:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag not in dataset:
        return ""
    texts = elements.texts_of(dataset, dataset.get_item(tag))
    return texts[0][0].strip() if texts else ""
