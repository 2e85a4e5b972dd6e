"""An index as a person or a program reads it: patients by number, never by name; what hangs together, and the doubts."""

from collections import Counter, defaultdict
from typing import Any

from ..pseudonym import SiteKey
from .dicom_index import Index
from .findings import Identities
from .objects import ImageSeries, RtObject

GROUPS = ("series", "structure_sets", "plans", "doses", "registrations")


def summary(index: Index) -> dict[str, Any]:
    """Counts, and every problem."""
    modalities = Counter(series.modality for series in index.series.values())
    patients = {one.patient_id for group in GROUPS for one in getattr(index, group).values()}
    return {
        "patients": len(patients),
        "series": dict(sorted(modalities.items())),
        "structure_sets": len(index.structure_sets),
        "plans": len(index.plans),
        "doses": len(index.doses),
        "registrations": len(index.registrations),
        "linked_structure_sets": len(index.links),
        "others": dict(sorted(index.others.items())),
        "files": index.scanned.files,
        "files_read": index.scanned.read,
        "problems": [{"kind": problem.kind, "text": problem.text} for problem in index.problems],
    }


def cohort(index: Index, key: SiteKey | None = None) -> list[dict[str, Any]]:
    """Every patient with series, structure sets, plans, doses and registrations, each by its number within the patient.

    `structure_set`, `plan` and `on_series` are such numbers, None where there is no link. With the site's key, `pseudonym` and
    `case` are the names that patient and series have in a dataset of this site. Texts that people wrote (descriptions,
    labels, ROI names) come without the identities in the index.
    """  # fmt: skip
    hidden = Identities(index.identities).hidden
    owned: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for group in GROUPS:
        for one in getattr(index, group).values():
            owned[one.patient_id][group].append(one.uid)
    return [
        _patient(index, number, owned[patient], patient, key, hidden) for number, patient in enumerate(sorted(owned), 1)
    ]


def _patient(index: Index, number: int, owned: dict[str, list], patient_id: str, key, hidden) -> dict[str, Any]:
    numbers = {group: {uid: n for n, uid in enumerate(uids, 1)} for group, uids in owned.items()}

    def number_of(group: str, uid: str | None) -> int | None:
        return numbers.get(group, {}).get(uid)

    def rt(group: str, describe) -> list[dict[str, Any]]:
        return [
            {"number": n, **describe(getattr(index, group)[uid]), "doubts": index.doubts.get(uid, [])}
            for uid, n in numbers.get(group, {}).items()
        ]

    def structure_set(one: RtObject) -> dict[str, Any]:
        names = [hidden(name) for name in one.roi_names]
        return {
            "label": hidden(one.label),
            "roi_names": names,
            "on_series": number_of("series", index.links.get(one.uid)),
        }

    def plan(one: RtObject) -> dict[str, Any]:
        return {
            "label": hidden(one.label),
            "structure_set": number_of("structure_sets", (index.plan_links or {}).get(one.uid)),
            "by_frame_of_reference": one.uid in index.guessed,
        }

    def dose(one: RtObject) -> dict[str, Any]:
        return {
            "summation": one.dose_summation_type,
            "units": one.dose_units,
            "plan": next((n for n in (number_of("plans", uid) for uid in one.plan_uids) if n), None),
            "structure_set": number_of("structure_sets", (index.dose_links or {}).get(one.uid)),
            "by_frame_of_reference": one.uid in index.guessed,
        }

    def registration(one) -> dict[str, Any]:
        joined = [
            n for uid, n in numbers.get("series", {}).items() if index.series[uid].frame_of_reference_uid in one.frames
        ]
        return {"frames": len(one.frames), "kinds": sorted(set(one.kinds.values())), "series": joined}

    return {
        "patient": number,
        "pseudonym": key.pseudonym(patient_id) if key else None,
        "series": rt("series", lambda one: _series(one, key, hidden)),
        "structure_sets": rt("structure_sets", structure_set),
        "plans": rt("plans", plan),
        "doses": rt("doses", dose),
        "registrations": rt("registrations", registration),
    }


def _series(series: ImageSeries, key: SiteKey | None, hidden) -> dict[str, Any]:
    return {
        "modality": series.modality,
        "slices": series.count,
        "rows": series.rows,
        "columns": series.columns,
        "description": hidden(series.description),
        "case": key.case_id(series.patient_id, series.uid) if key else None,
    }


HEAD = ("patient", "series", "slices", "structure sets", "plans", "doses", "doubts")


def table(patients: list[dict[str, Any]]) -> list[str]:
    """Lines of text: a row for every series with what belongs to it, and one for RT objects without images."""
    rows = [HEAD]
    for patient in patients:
        name = str(patient["patient"]) + (f" {patient['pseudonym']}" if patient["pseudonym"] else "")
        for series in patient["series"]:
            own = [one for one in patient["structure_sets"] if one["on_series"] == series["number"]]
            what = (
                f"{series['number']} {series['modality']} {series['columns']}x{series['rows']} {series['description']}"
            )
            rows.append((name, what.strip(), str(series["slices"]), *_belonging(patient, own, series["doubts"])))
            name = ""
        loose = [one for one in patient["structure_sets"] if one["on_series"] is None]
        unlinked = [one for one in patient["plans"] + patient["doses"] if one["structure_set"] is None]
        if loose or unlinked:
            rows.append((name, "no images", "", *_belonging(patient, loose, [], orphans=True)))
        if patient["registrations"]:
            count = len(patient["registrations"])
            rows.append(("", f"{count} registration{'s' if count > 1 else ''}", "", "", "", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _belonging(
    patient: dict, structure_sets: list[dict], doubts: list[str], *, orphans: bool = False
) -> tuple[str, ...]:
    """Structure sets with their ROI counts, numbers of plans, doses and doubts."""
    wanted = {one["number"] for one in structure_sets} | ({None} if orphans else set())
    plans = [one for one in patient["plans"] if one["structure_set"] in wanted]
    doses = [one for one in patient["doses"] if one["structure_set"] in wanted]
    doubtful = len(doubts) + sum(len(one["doubts"]) for one in [*structure_sets, *plans, *doses])
    rois = ", ".join(f"{len(one['roi_names'])} ROIs" for one in structure_sets)
    shown = f"{len(structure_sets)} ({rois})" if structure_sets else ""
    return shown, str(len(plans) or ""), str(len(doses) or ""), str(doubtful or "")
