"""What an RTSTRUCT tells of a ROI besides its contours, kept beside a segmentation so that it can be written back."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydicom.dataset import Dataset

from ..atomic import write_json
from ..dicom_file import read_dicom, text_of
from ..errors import FedRTError
from ..naming.planning_names import long_name


class RoiDetails(BaseModel):
    """number, name (the long one where the file had it shortened), description, color (0 to 255), generation algorithm,
    interpreted type, and (code, meaning) in SNOMED CT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    name: str
    description: str = ""
    color: tuple[int, int, int] | None = None
    algorithm: str = ""
    interpreted_type: str | None = None
    snomed: tuple[str, str] | None = None


def details_of(path: Path | str) -> dict[int, RoiDetails]:
    """By ROI Number, in the order of the file, which must be an RTSTRUCT that `read_rtstruct` reads."""
    dataset = read_dicom(path)
    colors = {int(i.ReferencedROINumber): i.get("ROIDisplayColor") for i in dataset.get("ROIContourSequence") or []}
    observed = {int(i.ReferencedROINumber): i for i in dataset.get("RTROIObservationsSequence") or []}
    found = {}
    for item in dataset.get("StructureSetROISequence") or []:
        number = int(item.ROINumber)
        name, told = text_of(item.get("ROIName")).strip(), str(item.get("ROIDescription") or "").strip()
        whole = long_name(name, told)
        found[number] = RoiDetails(
            number=number,
            name=whole,
            description=told.partition(";")[2].strip() if whole != name else told,
            color=_color(colors.get(number)),
            algorithm=str(item.get("ROIGenerationAlgorithm") or ""),
            interpreted_type=None
            if number not in observed
            else str(observed[number].get("RTROIInterpretedType") or ""),
            snomed=_snomed(observed.get(number)),
        )
    return found


def write_details(path: Path, details: dict[int, RoiDetails]) -> None:
    """As JSON, atomically."""
    write_json(path, [roi.model_dump() for roi in details.values()])


def read_details(path: Path) -> dict[int, RoiDetails]:
    """What `write_details` wrote.

    Raises:
        FedRTError: the file is damaged.
    """
    try:
        rois = TypeAdapter(list[RoiDetails]).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise FedRTError(f"{path.name} cannot be read ({type(error).__name__}); make it again, or delete it.") from None
    return {roi.number: roi for roi in rois}


def _color(value) -> tuple[int, int, int] | None:
    try:
        red, green, blue = (min(255, max(0, int(part))) for part in value)
    except (TypeError, ValueError):
        return None
    return red, green, blue


def _snomed(observation: Dataset | None) -> tuple[str, str] | None:
    codes = (observation.get("RTROIIdentificationCodeSequence") if observation else None) or []
    for code in codes:
        if code.get("CodingSchemeDesignator") == "SCT" and code.get("CodeValue"):
            return str(code.CodeValue), str(code.get("CodeMeaning") or "")
    return None
