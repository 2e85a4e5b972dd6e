"""The dose of a case: which RTDOSE and RTPLAN files of an index belong to a structure set. The rule by which those are chosen
and summed is in `course.py`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import FedRTError
from ..notes import Check
from .course import CourseDose, course_dose, read_grids
from .plan import Plan, read_plan
from .rtdose import DoseGrid


def planned_dose(index, structure_set_uid: str) -> CourseDose:
    """The dose of a structure set's plans with those plans, from what an `Index` found.

    Where no plan refers to it, doses in its frame of reference are taken whose plan is not here or names no structure set,
    with the doubt told. Doses in another frame of reference are left out.
    """
    structure_set = index.structure_sets[structure_set_uid]
    checks: list[Check] = []
    linked = list(index.plans_of(structure_set_uid))
    if linked:
        uids = {plan.uid for plan in linked}
        found = [dose for dose in index.doses.values() if uids.intersection(dose.references)]
    else:
        found = _without_link(index, structure_set)
        named = {uid for dose in found for uid in dose.references}
        linked = [plan for uid, plan in index.plans.items() if uid in named]
    plans = read_plans((plan.path for plan in linked), checks)
    grids = read_grids([dose.path for dose in found], checks)
    grids = in_frame(grids, structure_set.frame_of_reference_uid, checks)
    grids = [replace(grid, plan_uids=grid.plan_uids or ("",)) for grid in grids]  # "": of one plan that is not known
    known = {plan.uid for plan in plans}
    absent = [] if known else sorted({uid for grid in grids for uid in grid.plan_uids})
    if grids and (absent or not index.plans_of(structure_set_uid)):
        checks.append(Check(kind="dose-without-plan", severity="warning"))
    chosen = course_dose([*plans, *(Plan(uid) for uid in absent)], grids)
    read = tuple(plan for plan in chosen.plans if plan.uid in known)
    return CourseDose(chosen.dose, read, checks + chosen.checks, chosen.per_plan)


def _without_link(index, structure_set) -> list:
    frame, patient = structure_set.frame_of_reference_uid, structure_set.patient_id
    of_others = {uid for uid, plan in index.plans.items() if plan.references}
    return [
        dose
        for dose in index.doses.values()
        if frame
        and dose.frame_of_reference_uid == frame
        and dose.patient_id == patient
        and not set(dose.references) & of_others
    ]


def in_frame(grids: list[DoseGrid], frame_of_reference_uid: str, checks: list[Check]) -> list[DoseGrid]:
    """The grids in a frame of reference (a grid or structure set that names none is not held against it)."""
    here = [
        grid
        for grid in grids
        if not grid.frame_of_reference_uid
        or not frame_of_reference_uid
        or grid.frame_of_reference_uid == frame_of_reference_uid
    ]
    if len(here) < len(grids):
        checks.append(Check(kind="dose-other-frame", severity="warning", values={"count": len(grids) - len(here)}))
    return here


def read_plans(paths: Iterable[Path], checks: list[Check]) -> list[Plan]:
    """The plans of files; those that cannot be read are counted."""
    plans, failed = [], 0
    for path in paths:
        try:
            plans.append(read_plan(path))
        except FedRTError:
            failed += 1
    if failed:
        checks.append(Check(kind="plans-unreadable", severity="warning", values={"count": failed}))
    return plans
