"""RTDOSE to a dose image in Gy. Source: DICOM PS3.3 C.8.8.3 (RT Dose)."""

from pathlib import Path

import numpy as np
import pydicom

from .dataset import PlanRecord
from .errors import FedRTError
from .geometry import SliceStack, to_image


def read_dose(path: Path):
    """The dose grid as a SimpleITK float32 image in Gy (LPS).

    Raises:
        FedRTError: unreadable, without a dose grid, or in relative units.
    """
    try:
        dataset = pydicom.dcmread(path)
        if dataset.get("DoseUnits") != "GY":
            raise FedRTError(f"{path.name} is in relative dose units: export the dose in Gy.")
        array = dataset.pixel_array.astype(np.float32) * float(dataset.DoseGridScaling)
        frames = np.array([float(v) for v in dataset.GridFrameOffsetVector])
        orientation = np.array([float(v) for v in dataset.ImageOrientationPatient])
        origin = np.array([float(v) for v in dataset.ImagePositionPatient])
        between_rows, between_columns = (float(v) for v in dataset.PixelSpacing)
    except FedRTError:
        raise
    except Exception as error:
        raise FedRTError(f"{path.name} has no readable dose grid ({type(error).__name__}): export it again.") from error
    array = array.reshape(len(frames), *array.shape[-2:])
    row, column = orientation[:3], orientation[3:]
    normal = np.cross(row, column)
    # The first offset is 0 (relative) or the first plane's own coordinate (C.8.8.3.2); both count from the first plane.
    order = np.argsort(frames)
    positions = origin + (frames[order] - frames[0])[:, None] * normal
    return to_image(array[order], SliceStack(positions, row, column, (between_columns, between_rows), array.shape))


def plan_record(plans: list[Path], dose_max_gy: float | None) -> PlanRecord:
    """Prescription and fractions of the plans (summed over plans; what a plan does not state stays None)."""
    prescription, fractions = [], []
    for path in plans:
        plan = pydicom.dcmread(path)
        doses = [
            float(r.TargetPrescriptionDose)
            for r in plan.get("DoseReferenceSequence") or []
            if r.get("TargetPrescriptionDose")
        ]
        prescription += [max(doses)] if doses else []
        fractions += [
            int(g.NumberOfFractionsPlanned)
            for g in plan.get("FractionGroupSequence") or []
            if g.get("NumberOfFractionsPlanned")
        ]
    return PlanRecord(
        prescription_gy=sum(prescription) or None, fractions=sum(fractions) or None, dose_max_gy=dose_max_gy
    )
