"""Values read off a DVH by name, and indices that tell how well a dose fits a target.

Names: `D95%`, `D2cc` (dose to a share or an absolute part of the volume, Gy), `V20Gy` (percent of the volume that gets at
least 20 Gy), `V95%` (percent that gets at least 95% of the prescribed dose), with `[cc]` behind either the cm3 instead
(`V20Gy[cc]`). ICRU Report 83 (2010) writes the same with subscripts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import FedRTError
from .dose_sum import DoseSum
from .dvh import Dvh

DEFAULT = ("D98%", "D95%", "D50%", "D5%", "D2%", "D2cc", "D0.03cc")
DEFAULT_OF_PRESCRIPTION = ("V95%", "V100%", "V107%")
DOSE_TO = re.compile(r"D(\d+(?:\.\d+)?)(%|cc|cm3)")
VOLUME_ABOVE = re.compile(r"V(\d+(?:\.\d+)?)(%|Gy|cGy)(\[(?:cc|cm3)\])?")


@dataclass(frozen=True)
class Metric:
    """A value of a DVH: its `name`, its `unit` (Gy, % or cm3), and whether it needs the prescribed dose."""

    name: str
    unit: str
    needs_prescription: bool
    value: Callable[[Dvh, float | None], float]


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        FedRTError: it is none.
    """
    name = name.strip()
    if found := DOSE_TO.fullmatch(name):
        x = float(found[1])
        if found[2] != "%":
            return Metric(name, "Gy", False, lambda dvh, _: dvh.dose_to_cm3(x))
        if x <= 100:
            return Metric(name, "Gy", False, lambda dvh, _: dvh.dose_to_percent(x))
    if found := VOLUME_ABOVE.fullmatch(name):
        x = float(found[1]) / (1 if found[2] == "Gy" else 100)
        above, unit = (Dvh.cm3_above, "cm3") if found[3] else (Dvh.percent_above, "%")
        if found[2] == "%":
            return Metric(name, unit, True, lambda dvh, prescribed: above(dvh, x * prescribed))
        return Metric(name, unit, False, lambda dvh, _: above(dvh, x))
    raise FedRTError(
        f"{name} is no DVH value: write for example D95%, D2cc, V20Gy, V20Gy[cc] or V95% (of the prescribed dose)."
    )


def values_of(dvh: Dvh, metrics: list[Metric], prescribed_gy: float | None) -> dict[str, float | None]:
    """Each metric's value by `name_unit`; None where the prescribed dose is needed and not known, or there is none."""
    values: dict[str, float | None] = {}
    for wanted in metrics:
        known = prescribed_gy is not None or not wanted.needs_prescription
        value = wanted.value(dvh, prescribed_gy) if known else None
        values[f"{wanted.name.removesuffix('[cc]').removesuffix('[cm3]')}_{wanted.unit}"] = _number(value)
    return values


def homogeneity(dvh: Dvh, prescribed_gy: float | None) -> dict[str, float | None]:
    """Homogeneity indices of a target.

    HI_ICRU83 = (D2% - D98%) / D50% (ICRU Report 83, 2010; 0 is best). HI_Wu = (D2% - D98%) / prescription (Wu et al. 2003
    IJROBP 56:617). HI_D5D95 = D5% / D95% (Kataria et al. 2012 J Med Phys 37:207; 1 is best). HI_RTOG = maximum dose /
    prescription (Shaw et al. 1993 IJROBP 27:1231).
    """
    d2, d5, d50, d95, d98 = (dvh.dose_to_percent(x) for x in (2, 5, 50, 95, 98))
    return {
        "HI_ICRU83": _ratio(d2 - d98, d50),
        "HI_Wu": _ratio(d2 - d98, prescribed_gy),
        "HI_D5D95": _ratio(d5, d95),
        "HI_RTOG": _ratio(dvh.maximum, prescribed_gy),
    }


def conformity(
    dvh: Dvh, dose: DoseSum, prescribed_gy: float, isodoses: dict[float, float] | None = None
) -> dict[str, float | None]:
    """How the prescription isodose lies to a target of volume TV; PIV is the volume of that isodose in the dose grid.

    CI_RTOG = PIV / TV (Shaw et al. 1993 IJROBP 27:1231; 1 is best, also reached by a dose beside the target).
    CI_Paddick = (TV in PIV)2 / (TV PIV) (Paddick 2000 J Neurosurg 93 Suppl 3:219; van 't Riet et al. 1997 IJROBP 37:731).
    coverage = TV in PIV / TV. GI_Paddick = volume of half the prescription isodose / PIV (Paddick and Lippitz 2006 J
    Neurosurg 105 Suppl:194). `isodoses` keeps the isodose volumes for the next target in the same dose.
    """
    isodoses = {} if isodoses is None else isodoses
    if not isodoses:
        levels = [prescribed_gy, 0.5 * prescribed_gy]
        isodoses.update(zip(levels, dose.volume_above(levels), strict=True))
    isodose, half = isodoses[prescribed_gy], isodoses[0.5 * prescribed_gy]
    inside = dvh.cm3_above(prescribed_gy)
    return {
        "coverage": _ratio(inside, dvh.covered_cm3),
        "CI_RTOG": _ratio(isodose, dvh.covered_cm3),
        "CI_Paddick": _ratio(inside**2, dvh.covered_cm3 * isodose),
        "GI_Paddick": _ratio(half, isodose),
    }


def _ratio(part: float, whole: float | None) -> float | None:
    return _number(part / whole) if whole else None


def _number(value: float | None) -> float | None:
    """Rounded to what the sampling supports; None for not a number."""
    return None if value is None or value != value else round(float(value), 4)
