"""PET pixel values to standardised uptake values by body weight, g/ml.

Source: DICOM PS3.3 C.8.9.1 (PET Series) and C.8.9.2 (PET Isotope); which times count follows the vendor-neutral SUV
pseudo-code of the QIBA FDG-PET profile.
"""

import datetime

import numpy as np
from pydicom.dataset import Dataset

from ..errors import FedRTError

PHILIPS_SUV, PHILIPS_BQML = (0x7053, 0x1000), (0x7053, 0x1009)


class NoSuvError(FedRTError):
    """`missing` is the DICOM keyword of what lacks."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"its PET cannot be turned into SUV ({missing} is missing or unusable): export it with that value."
        )
        self.missing = missing


def suv_factor(headers: list[Dataset]) -> float:
    """What to multiply rescaled PET values with to get SUV by body weight.

    Args:
        headers: those of the series' slices.

    Raises:
        NoSuvError: the header lacks what it takes, or says that the values were not corrected for decay and attenuation.
    """
    first = headers[0]
    units = str(first.get("Units", "")).upper()
    if units == "GML":
        if str(first.get("SUVType", "BW") or "BW").upper() != "BW":
            raise NoSuvError("SUVType")
        return 1.0
    corrected = {str(word).upper() for word in _several(first.get("CorrectedImage"))}
    if corrected and not {"ATTN", "DECY"} <= corrected and not {"ATTN", "DECAY"} <= corrected:
        raise NoSuvError("CorrectedImage")
    if units == "CNTS":
        suv, becquerel = _private(first, PHILIPS_SUV), _private(first, PHILIPS_BQML)
        if suv:
            return suv
        if not becquerel:
            raise NoSuvError("Units")
        return becquerel * _per_dose(headers)
    if units != "BQML":
        raise NoSuvError("Units")
    return _per_dose(headers)


def _per_dose(headers: list[Dataset]) -> float:
    """SUV of 1 Bq/ml: grams of body weight over the dose that was left at the time the images are corrected to."""
    first = headers[0]
    injection = (first.get("RadiopharmaceuticalInformationSequence") or [Dataset()])[0]
    weight = _positive(first, "PatientWeight")
    dose = _positive(injection, "RadionuclideTotalDose")
    correction = str(first.get("DecayCorrection", "")).upper()
    if correction == "START":
        half_life = _positive(injection, "RadionuclideHalfLife")
        dose *= 2.0 ** (-_seconds_between(headers, injection) / half_life)
    elif correction != "ADMIN":
        raise NoSuvError("DecayCorrection")
    return 1000.0 * weight / dose


def _seconds_between(headers: list[Dataset], injection: Dataset) -> float:
    """From the injection to the start of the scan: the series' time, or where that is later than the earliest slice (a series
    made afterwards) the earliest slice's."""
    first = headers[0]
    scan = _moment(first.get("SeriesDate"), first.get("SeriesTime"))
    slices = [_moment(h.get("AcquisitionDate"), h.get("AcquisitionTime")) for h in headers]
    slices = [moment for moment in slices if moment is not None]
    if slices and (scan is None or scan > min(slices)):
        scan = min(slices)
    if scan is None:
        raise NoSuvError("SeriesTime")
    stated = str(injection.get("RadiopharmaceuticalStartDateTime") or "")
    start = _moment(stated[:8], stated[8:].split("+")[0].split("-")[0]) if len(stated) >= 12 else None
    if start is None:
        start = _moment(scan.strftime("%Y%m%d"), injection.get("RadiopharmaceuticalStartTime"))
        if start is None:
            raise NoSuvError("RadiopharmaceuticalStartTime")
        if start > scan:  # injected before midnight
            start -= datetime.timedelta(days=1)
    seconds = (scan - start).total_seconds()
    if not 0 <= seconds < 2 * 86400:
        raise NoSuvError("RadiopharmaceuticalStartTime")
    return seconds


def _moment(date, time) -> datetime.datetime | None:
    digits = f"{date or ''}{str(time or '').split('.')[0]}".replace(":", "")
    try:
        return datetime.datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S") if time else None
    except ValueError:
        return None


def _positive(dataset: Dataset, keyword: str) -> float:
    try:
        value = float(dataset.get(keyword))
    except (TypeError, ValueError):
        value = 0.0
    if not np.isfinite(value) or value <= 0:
        raise NoSuvError(keyword)
    return value


def _private(dataset: Dataset, tag: tuple[int, int]) -> float:
    try:
        value = dataset[tag].value
        return float(value.decode("ascii") if isinstance(value, bytes) else value)
    except (KeyError, TypeError, ValueError, UnicodeDecodeError):
        return 0.0


def _several(value) -> list:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
