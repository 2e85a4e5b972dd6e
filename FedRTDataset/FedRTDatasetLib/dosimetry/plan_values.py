"""What `case.json` tells of the plans that a structure set was treated by."""

from collections.abc import Iterable

from ..storage.records import PlanRecord
from .dose_sum import DoseSum
from .plan import Plan


def plan_values(plans: Iterable[Plan], dose: DoseSum | None = None, dose_max_gy: float | None = None) -> PlanRecord:
    """The values of one plan, or of the phases of one course together.

    Doses and fractions of phases are added; where one of them does not state its own, the sum is not known.

    Args:
        plans: what `course.course_dose` chose.
        dose: their dose, for its Dose Type.
        dose_max_gy: the greatest dose on the case's grid.
    """
    plans = list(plans)
    kinds = {grid.kind.lower() for grid in dose.grids} if dose else set()
    values = PlanRecord(dose_max_gy=dose_max_gy, dose_type=kinds.pop() if len(kinds) == 1 else "")
    if not plans:
        return values
    highest = [plan.levels_gy[0] if plan.levels_gy else None for plan in plans]
    fractions = [plan.fractions for plan in plans]
    each = {
        round(gray / number, 4) if gray and number else None for gray, number in zip(highest, fractions, strict=True)
    }
    sources = {plan.prescribed_by for plan in plans}
    free = {plan.flattening_filter_free for plan in plans}
    return values.model_copy(update={
        "prescription_gy": None if None in highest else round(sum(highest), 4),
        "prescription_levels_gy": list(plans[0].levels_gy) if len(plans) == 1 else [],
        "prescription_from": sources.pop() if len(sources) == 1 else "",
        "fractions": None if None in fractions else sum(fractions),
        "dose_per_fraction_gy": each.pop() if len(each) == 1 else None,
        "phases": len(plans),
        "beams": sum(len(plan.beams) for plan in plans) or None,
        "setups": sum(len(plan.setups) for plan in plans) or None,
        "kind": _kind(plans),
        "techniques": _all(plan.techniques for plan in plans),
        "radiation": _all((kind.lower() for kind in plan.radiation) for plan in plans),
        "energies": _all(plan.energies for plan in plans),
        "flattening_filter_free": free.pop() if len(free) == 1 else None,
        "intent": _common(plan.intent for plan in plans),
        "approval": _common(plan.approval for plan in plans),
    })  # fmt: skip


def _kind(plans: list[Plan]) -> str:
    external, brachy = any(plan.beams for plan in plans), any(plan.setups for plan in plans)
    return {(True, False): "external", (False, True): "brachy", (True, True): "both"}.get((external, brachy), "")


def _all(values: Iterable[Iterable]) -> list:
    return sorted({value for several in values for value in several})


def _common(terms: Iterable[str]) -> str:
    found = set(terms)
    return found.pop().lower() if len(found) == 1 else ""
