"""Which doses make up what a patient was planned to get.

Of a plan's doses: its PLAN dose; else the sum over its fraction groups (FRACTION); else the sum over its beams (BEAM) or
brachy application setups (BRACHY), if all of them are there, else none; never two of these together. A dose that is 0
everywhere, a difference of doses (ERROR), a delivered dose (RECORD) and a dose that cannot be read are left out.

Of a structure set's plans: those nobody is treated with (Plan Intent VERIFICATION, MACHINE_QA, RESEARCH, SERVICE), rejected
ones, and those that another plan replaces (Plan Relationship PREDECESSOR, ALTERNATIVE) are left out; where one is
APPROVED, those that are not are left out. Several that remain are phases of one course, whose doses are summed, where
- a MULTI_PLAN dose is there for just these plans (then it is taken, being their sum), or
- they are linked by Plan Relationship PRIOR or CONCURRENT, or
- all are APPROVED and share the Dose Reference UID of a target.
Otherwise they compete: the newest one with a dose is taken. Physical and effective doses are never added.
"""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FedRTError
from ..notes import Check
from .dose_sum import DoseSum
from .plan import NOT_TREATMENT, Plan
from .rtdose import DoseGrid, read_rtdose


@dataclass(frozen=True)
class CourseDose:
    """dose: the sum, or None where there is none. plans: those it is of. checks: what was chosen and left out.
    per_plan: the dose of each of `plans` by its UID (all plans in one where only their MULTI_PLAN dose is there)."""

    dose: DoseSum | None
    plans: tuple[Plan, ...]
    checks: list[Check] = field(default_factory=list)
    per_plan: dict[str, DoseSum] = field(default_factory=dict)


def course_dose(plans: list[Plan], grids: list[DoseGrid]) -> CourseDose:
    """The dose of the plans of one structure set, from the dose grids that refer to them."""
    checks: list[Check] = []
    treating = treatment_plans(plans, checks)
    grids = usable_grids(grids, checks)
    own = {plan.uid: dose for plan in treating if (dose := _plan_dose(plan, grids, checks))}
    together = _multi_plan_dose(treating, grids)
    if len(treating) > 1 and (together or _are_phases(treating)):
        with_dose = [plan for plan in treating if together or plan.uid in own]
        if len(with_dose) < len(treating):
            checks.append(
                Check(kind="phase-without-dose", severity="warning", values={"count": len(treating) - len(own)})
            )
        if not with_dose:
            return CourseDose(None, tuple(treating), checks)
        checks.append(Check(kind="plans-summed", values={"count": len(with_dose)}))
        summed = together or _sum([own[plan.uid] for plan in with_dose], checks)
        return CourseDose(summed, tuple(with_dose), checks, own)
    chosen = max((plan for plan in treating if plan.uid in own), key=lambda plan: (plan.made, plan.uid), default=None)
    if len(treating) > 1:
        checks.append(Check(kind="plans-compete", severity="warning", values={"count": len(treating)}))
    if chosen is None:
        newest = sorted(treating, key=lambda plan: (plan.made, plan.uid))[-1:]
        return CourseDose(None, tuple(newest), checks)
    return CourseDose(own[chosen.uid], (chosen,), checks, {chosen.uid: own[chosen.uid]})


def treatment_plans(plans: list[Plan], checks: list[Check]) -> list[Plan]:
    """The plans that patients are treated with, by the rule above."""
    left = [plan for plan in plans if plan.intent not in NOT_TREATMENT]
    _note(checks, "plans-not-treatment", len(plans) - len(left))
    accepted = [plan for plan in left if plan.approval != "REJECTED"]
    _note(checks, "plans-rejected", len(left) - len(accepted))
    here = {plan.uid for plan in accepted}
    replaced = {
        other
        for plan in accepted
        for other, relation in plan.relations.items()
        if relation in ("PREDECESSOR", "ALTERNATIVE") and other in here and other != plan.uid
    }
    current = [plan for plan in accepted if plan.uid not in replaced] or accepted
    _note(checks, "plans-replaced", len(accepted) - len(current))
    approved = [plan for plan in current if plan.approval == "APPROVED"]
    if approved:
        _note(checks, "plans-unapproved", len(current) - len(approved))
    return approved or current


def usable_grids(grids: list[DoseGrid], checks: list[Check]) -> list[DoseGrid]:
    """Those that hold a planned dose; of each kind that is left out, how many."""
    usable = [grid for grid in grids if not grid.is_empty and grid.kind != "ERROR" and grid.summation not in DELIVERED]
    _note(checks, "dose-empty", sum(grid.is_empty for grid in grids))
    _note(checks, "dose-difference", sum(not grid.is_empty and grid.kind == "ERROR" for grid in grids))
    _note(checks, "dose-delivered", sum(not grid.is_empty and grid.summation in DELIVERED for grid in grids))
    return usable


DELIVERED = ("RECORD", "BEAM_SESSION", "BRACHY_SESSION", "PLAN_SESSION", "CONTROL_POINT", "PLAN_OVERVIEW")
"""Dose Summation Types of doses that are not, or not wholly, what was planned."""


def read_grids(paths: list[Path], checks: list[Check]) -> list[DoseGrid]:
    """The dose grids of files; those that cannot be used are counted."""
    grids, failed = [], 0
    for path in paths:
        try:
            grids.append(read_rtdose(path))
        except FedRTError:
            failed += 1
    _note(checks, "dose-left-out", failed, severity="warning")
    return grids


def _note(checks: list[Check], kind: str, count: int, severity: str = "note") -> None:
    if count:
        checks.append(Check(kind=kind, severity=severity, values={"count": count}))


def _plan_dose(plan: Plan, grids: list[DoseGrid], checks: list[Check]) -> DoseSum | None:
    """The dose of one plan, or None."""
    own = [grid for grid in grids if plan.uid in grid.plan_uids and grid.summation != "MULTI_PLAN"]
    whole = [grid for grid in own if grid.summation in ("PLAN", "")]
    if whole:
        if len(whole) > 1:
            checks.append(Check(kind="dose-plan-twice", severity="warning", values={"count": len(whole)}))
        return DoseSum((min(whole, key=_resolution),))
    for summation, wanted, told in (
        ("FRACTION", set(plan.groups), lambda grid: grid.fraction_groups),
        ("BEAM", set(plan.beams), lambda grid: grid.beams),
        ("BRACHY", set(plan.setups), lambda grid: grid.setups),
    ):
        parts = [grid for grid in own if grid.summation == summation]
        if not parts:
            continue
        chosen = _covering(parts, wanted, told)
        if chosen is not None:
            return _sum([DoseSum(tuple(chosen))], checks)
        checks.append(
            Check(kind="dose-beams-missing", severity="warning", values={"count": len(parts), "of": len(wanted)})
        )
    return None


def _covering(parts: list[DoseGrid], wanted: set[int], told) -> list[DoseGrid] | None:
    """Grids that hold each wanted number just once: those of one number first, then those of several; None if they do
    not cover all. Grids that tell no numbers cover a plan where there are as many as it has beams."""
    chosen, covered = [], set()
    for grid in sorted(parts, key=lambda grid: len(set(told(grid)))):
        numbers = set(told(grid))
        if numbers and not numbers & covered:
            chosen.append(grid)
            covered |= numbers
    if wanted <= covered and chosen:
        return chosen
    if not covered and len(parts) == len(wanted):
        return parts
    return None


def _resolution(grid: DoseGrid) -> float:
    return grid.stack.spacing[0] * grid.stack.spacing[1] * grid.stack.step


def _multi_plan_dose(plans: list[Plan], grids: list[DoseGrid]) -> DoseSum | None:
    wanted = {plan.uid for plan in plans}
    found = [grid for grid in grids if grid.summation == "MULTI_PLAN" and set(grid.plan_uids) == wanted]
    return DoseSum((min(found, key=_resolution),)) if found else None


def _are_phases(plans: list[Plan]) -> bool:
    """Whether plans are phases of one course by their relationships or by an approved, shared target."""
    uids = {plan.uid for plan in plans}
    linked: set[str] = set()
    for plan in plans:
        others = {uid for uid, relation in plan.relations.items() if relation in ("PRIOR", "CONCURRENT")} & uids
        if others - {plan.uid}:
            linked |= others | {plan.uid}
    if linked == uids:
        return True
    shared = set.intersection(*(set(plan.targets) for plan in plans))
    return bool(shared) and all(plan.approval == "APPROVED" for plan in plans)


def _sum(doses: list[DoseSum], checks: list[Check]) -> DoseSum | None:
    grids = tuple(grid for dose in doses for grid in dose.grids)
    if len({grid.kind for grid in grids}) > 1:
        checks.append(Check(kind="dose-kinds-differ", severity="warning"))
        return None
    if len(grids) > 1:
        checks.append(Check(kind="dose-summed", values={"count": len(grids)}))
    return DoseSum(grids)
