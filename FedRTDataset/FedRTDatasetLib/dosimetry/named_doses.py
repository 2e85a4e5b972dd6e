"""Doses that a person names by their files: which belong together, and what each is called."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from ..dicom_file import read_dicom
from ..errors import FedRTError
from ..notes import Check
from .course import course_dose, usable_grids
from .dose_sum import DoseSum
from .plan import Plan, read_plan
from .plan_values import plan_values
from .rtdose import DoseGrid, read_rtdose


@dataclass(frozen=True)
class NamedDose:
    """`label`: `dose`, or `plan 1`, `plan 2`, ... and `sum` where there are several; never a name from a file."""

    label: str
    dose: DoseSum
    prescription_gy: float | None = None


@dataclass(frozen=True)
class NamedDoses:
    doses: list[NamedDose]
    frames: set[str]
    checks: list[Check] = field(default_factory=list)


def read_named_doses(paths: list[Path], *, add_up: bool = False) -> NamedDoses:
    """The doses of RTDOSE files (and folders of them), with the prescriptions of RTPLAN files that are among them.

    The doses of one plan become one (rule: `course.py`). Doses of several plans are told one by one; their sum too where
    the plans are phases of one course by that rule, or `add_up` says so.

    Raises:
        FedRTError: a named file cannot be used, or nothing is left of them all.
    """
    grids, plans = _read(paths)
    frames = {grid.frame_of_reference_uid for grid in grids} - {""}
    checks: list[Check] = []
    usable = usable_grids(grids, checks)
    if not usable:
        reasons = " ".join(check.text for check in checks)
        raise FedRTError(f"none of the dose files holds a planned dose: {reasons}")
    known = {plan.uid: plan for plan in plans}
    single, groups = [], {}
    for grid in usable:
        key = "+".join(sorted(grid.plan_uids))
        if not key and grid.summation in ("PLAN", "", "MULTI_PLAN"):
            single.append(DoseSum((grid,)))  # of a plan it does not name: a dose of its own
        else:
            groups.setdefault(key, []).append(grid)
    found: list[tuple[DoseSum, float | None]] = [(dose, None) for dose in single]
    for key, members in groups.items():
        dose, prescribed = _group(key, members, known, checks)
        if dose is not None:
            found.append((dose, prescribed))
    if not found:
        reasons = " ".join(check.text for check in checks)
        raise FedRTError(f"the dose files do not make up a plan's dose: {reasons}")
    if len(found) == 1:
        return NamedDoses([NamedDose("dose", *found[0])], frames, checks)
    named = [NamedDose(f"plan {n}", *entry) for n, entry in enumerate(found, 1)]
    return NamedDoses(named + _sum_of(found, plans, usable, add_up, checks), frames, checks)


def _group(
    key: str, grids: list[DoseGrid], known: dict[str, Plan], checks: list[Check]
) -> tuple[DoseSum | None, float | None]:
    """The dose of the grids that name the same plan (or plans), and what it prescribes."""
    if grids[0].summation == "MULTI_PLAN" or "+" in key:
        return DoseSum((grids[0],)), None
    plan = known.get(key)
    if not key:  # parts of a plan that they do not name
        grids = [replace(grid, plan_uids=("",)) for grid in grids]
    chosen = course_dose([plan or Plan(key)], grids)
    checks += [check for check in chosen.checks if check not in checks]
    if plan is None and chosen.dose is not None and len(grids) > 1:
        checks.append(Check(kind="dose-parts-unchecked", severity="warning", values={"count": len(grids)}))
    prescribed = plan_values([plan]).prescription_gy if plan else None
    return chosen.dose, prescribed


def _sum_of(found, plans: list[Plan], usable: list[DoseGrid], add_up: bool, checks: list[Check]) -> list[NamedDose]:
    phases = course_dose(plans, usable) if len(plans) > 1 else None
    if phases is not None and phases.dose is not None and len(phases.plans) > 1:
        checks += [check for check in phases.checks if check not in checks]
        return [NamedDose("sum", phases.dose, plan_values(phases.plans).prescription_gy)]
    if not add_up:
        return []
    total = DoseSum(tuple(grid for dose, _ in found for grid in dose.grids))
    if len({grid.kind for grid in total.grids}) > 1:
        raise FedRTError("the doses are partly physical and partly effective (Dose Type): they cannot be added.")
    prescribed = [gray for _, gray in found]
    return [NamedDose("sum", total, None if None in prescribed else sum(prescribed))]


def _read(paths: list[Path]) -> tuple[list[DoseGrid], list[Plan]]:
    grids, plans = [], []
    for path in paths:
        if path.is_dir():
            inner = [file for file in sorted(path.rglob("*")) if file.is_file() and _modality(file)]
            if not any(_modality(file) == "RTDOSE" for file in inner):
                raise FedRTError(f"{path} holds no RTDOSE file: name the folder with the exported dose.")
        elif not path.exists():
            raise FedRTError(f"{path} does not exist; check the file name.")
        else:
            inner = [path]
        for file in inner:
            if _modality(file) == "RTPLAN":
                plans.append(read_plan(file))
            else:
                grids.append(read_rtdose(file))
    if not grids:
        raise FedRTError("no RTDOSE file is named, only plans: name the dose as well.")
    return grids, plans


def _modality(path: Path) -> str:
    try:
        found = read_dicom(path, specific_tags=["Modality"], stop_before_pixels=True).get("Modality", "")
    except Exception:  # no DICOM, or damaged: pydicom raises many kinds
        return ""
    return str(found) if found in ("RTDOSE", "RTPLAN") else ""
