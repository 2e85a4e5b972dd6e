"""What cleaning attributes cannot mend: text burned into pixels, and faces that a head scan shows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..naming.words import split_words
from .descriptors import words_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
_TEXT_IN_PIXELS = frozenset(
    {"US", "IVUS", "ES", "XC", "GM", "SM", "SC", "OT", "DOC", "OP", "OPT", "ECG", "HC", "RG", "XA", "RF"}
)
_SCREEN = ("SCREEN", "SAVE", "CAPTURE", "DOSE_INFO", "DOSEINFO", "REPORT")
_SECTIONAL = frozenset({"CT", "MR", "PT"})
_HEAD_TEXT = (
    "head skull cranium cranial brain cerebral face facial neck nasopharynx oropharynx hn orbit orbits "
    "eye eyes sinus sinuses pituitary sella kopf schaedel hirn gehirn gesicht hals tete crane cerveau cou "
    "visage cabeza craneo cerebro cara cuello testa cranio cervello collo hoofd hersenen hals glowa mozg"
)
_HEAD = frozenset(_HEAD_TEXT.split())
_HEAD_ROIS_TEXT = (
    "eye eyes lens lenses brain brainstem optic chiasm cochlea parotid mandible pituitary retina lips tongue"
)
_HEAD_ROIS = frozenset(_HEAD_ROIS_TEXT.split())


@dataclass(frozen=True)
class Risks:
    """certain: reasons for which an object is left out by default. possible: reasons worth a look, the object is
    written."""

    certain: tuple[str, ...]
    possible: tuple[str, ...]
    head: bool = False
    """A CT, MR or PET that may show a face."""
    shows_head: bool = False
    """A structure set with organs of the head: the images of its frame of reference may show a face."""


def risks_of(dataset: "Dataset", sop_class: str) -> Risks:
    """What an object's attributes say about its pixels. `Burned In Annotation` NO is believed, except of screen
    captures."""
    if sop_class.startswith("1.2.840.10008.5.1.4.1.1.481.") or not _is_image(dataset):
        return Risks((), (), shows_head=_names_head_organs(dataset))
    certain, possible = [], []
    burned = str(dataset.get("BurnedInAnnotation", "") or "").strip().upper()
    modality = str(dataset.get("Modality", "") or "").strip().upper()
    image_type = "\\".join(map(str, _values(dataset.get("ImageType")))).upper()
    if burned == "YES":
        certain.append("Burned In Annotation is YES")
    if any(word in image_type for word in _SCREEN):
        certain.append("Image Type of a screen capture")
    if burned != "NO":
        if sop_class.startswith(_SECONDARY):
            certain.append("secondary capture")
        elif modality in _TEXT_IN_PIXELS:
            certain.append("modality that writes text into its images")
        elif (
            modality in _SECTIONAL and str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))[:10] != "MONOCHROME"
        ):
            certain.append("colours in a sectional image")
        elif image_type.startswith("DERIVED"):
            possible.append("derived image")
    if _overlay_in_pixels(dataset):
        certain.append("overlay in unused bits of the pixels")
    visible = str(dataset.get("RecognizableVisualFeatures", "") or "").strip().upper() == "YES"
    return Risks(tuple(certain), tuple(possible), head=visible or (modality in _SECTIONAL and _says_head(dataset)))


def _is_image(dataset: "Dataset") -> bool:
    """Headers are read up to the pixels, so an image is told by its Rows."""
    return "Rows" in dataset and "Columns" in dataset


def _says_head(dataset: "Dataset") -> bool:
    keywords = (
        "BodyPartExamined",
        "SeriesDescription",
        "StudyDescription",
        "ProtocolName",
        "RequestedProcedureDescription",
    )
    texts = [str(dataset.get(keyword, "") or "") for keyword in keywords]
    for item in dataset.get("AnatomicRegionSequence", None) or []:
        texts.append(str(item.get("CodeMeaning", "")))
    return any(not _HEAD.isdisjoint(words_of(text)) for text in texts)


def _names_head_organs(dataset: "Dataset") -> bool:
    names = [str(item.get("ROIName", "")) for item in dataset.get("StructureSetROISequence", None) or []]
    return any(not _HEAD_ROIS.isdisjoint(split_words(name)) for name in names)


def _overlay_in_pixels(dataset: "Dataset") -> bool:
    return any(
        (0x6000 + 2 * n) << 16 | 0x0102 in dataset and (0x6000 + 2 * n) << 16 | 0x3000 not in dataset for n in range(16)
    )


def _values(value) -> list:
    return [] if value is None else list(value) if not isinstance(value, str) else [value]
