"""Which images a structure set was drawn on, and which plans and doses belong to it.

A structure set (RTSTRUCT) is linked to the series, in this order:

1. that it names by Series Instance UID and that is here; of several, the one that holds most of the images it names;
2. that holds most of the images it names (its series UID is of no use, for instance after an incomplete pseudonymisation);
3. of its patient and frame of reference: the only one, or of several the first by: same study, CT before MR before PET, most
   slices, lowest UID. Contours are in patient coordinates, so any series of the frame fits; the doubt is recorded.

Doubts are also recorded where images it names are missing, or it names another frame of reference than its series has. With
no such series, or one of another patient, it has no link, and a problem says so.

A plan (RTPLAN) belongs to the structure set it refers to; where that is not here or it names none, to the only structure set
of its patient and frame of reference, as a doubt. A dose (RTDOSE) belongs to the structure set of the plan it refers to, or to
the structure set it refers to itself; else to the only one of its patient and frame of reference, as a doubt. Of several, none
is guessed: a dose on the wrong plan is worse than none.

Source: DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.9 (RT General Plan), C.8.8.3 (RT Dose).
"""

from collections.abc import Mapping
from typing import NamedTuple

from .findings import Findings
from .objects import RtObject
from .store import Store

MODALITY_ORDER = ("CT", "MR", "PT")
DOUBTFUL = "doubtful-link"
RtObjects = Mapping[str, RtObject]


class Candidate(NamedTuple):
    """A series that a structure set may have been drawn on."""

    uid: str
    patient: str
    study: str
    modality: str
    frame: str
    slices: int


def link_structure_set(store: Store, rt: RtObject, findings: Findings) -> str | None:
    """The UID of the series that `rt` was drawn on, or None; doubts and problems go to `findings`."""
    name = findings.name(rt.path)
    shown = dict(
        store.rows(
            "SELECT slice.series, count(*) FROM object JOIN reference ON reference.file = object.id "
            "JOIN slice ON slice.uid = reference.uid WHERE object.uid = ? AND reference.role = 'image' GROUP BY 1",
            rt.uid,
        )
    )
    named = _candidates(store, "series", rt.series_uids)
    pointed_at = named or _candidates(store, "series", tuple(shown))
    if pointed_at:
        chosen = min(pointed_at, key=lambda one: (-shown.get(one.uid, 0), -one.slices, one.uid))
    else:
        chosen = _by_frame(store, rt, findings)
        if chosen is None:
            return None
    if chosen.patient != rt.patient_id:
        text = f"{name} belongs to another patient than the images it refers to: skipped; correct it at its source."
        findings.add("patient-mismatch", text, about=rt.uid, path=rt.path)
        return None
    if len(pointed_at) > 1:
        text = f"{name} refers to {len(pointed_at)} series that are here: taken with the one that holds most of its images."
        findings.add("several-series", text, about=rt.uid, path=rt.path)
    if pointed_at:
        _doubt_images(rt, chosen, shown, findings)
    return chosen.uid


def _by_frame(store: Store, rt: RtObject, findings: Findings) -> Candidate | None:
    frames = rt.frame_uids or ((rt.frame_of_reference_uid,) if rt.frame_of_reference_uid else ())
    same_frame = _candidates(store, "frame", frames)
    own = [one for one in same_frame if one.patient == rt.patient_id] or same_frame
    name = findings.name(rt.path)
    if not own:
        text = f"{name} was drawn on images that are not here: export that image series too."
        findings.add("images-absent", text, about=rt.uid, path=rt.path)
        return None
    chosen = min(
        own, key=lambda one: (one.study != rt.study_uid, MODALITY_ORDER.index(one.modality), -one.slices, one.uid)
    )
    if chosen.patient == rt.patient_id:
        which = "the only series" if len(own) == 1 else f"the likeliest of {len(own)} series"
        text = f"{name} names no image series that is here: taken with {which} in its frame of reference."
        findings.add(DOUBTFUL, text, about=rt.uid, path=rt.path)
        findings.guessed.add(rt.uid)
    return chosen


def _doubt_images(rt: RtObject, chosen: Candidate, shown: dict[str, int], findings: Findings) -> None:
    name = findings.name(rt.path)
    here = shown.get(chosen.uid, 0)
    if rt.image_uids and here < len(rt.image_uids):
        missing = len(rt.image_uids) - here
        if here:
            text = f"{name} names {len(rt.image_uids)} images, {missing} of them are not here: export the whole series."
        else:
            text = f"{name} names a series that is here, but other images: check that its contours lie right."
        findings.add("images-missing", text, about=rt.uid, path=rt.path)
    if rt.frame_uids and chosen.frame and chosen.frame not in rt.frame_uids:
        text = f"{name} names another frame of reference than its images have: check that its contours lie right."
        findings.add("frame-mismatch", text, about=rt.uid, path=rt.path)


def _candidates(store: Store, column: str, values: tuple[str, ...]) -> list[Candidate]:
    found: dict[str, Candidate] = {}
    for value in values:
        rows = store.rows(
            "SELECT series, patient, study, modality, frame, count(*) FROM slice "
            f"WHERE {column} = ? GROUP BY series, patient, study, modality, frame ORDER BY count(*)",
            value,
        )
        for row in rows:
            known = found.get(row[0])
            found[row[0]] = Candidate(*row[:5], row[5] + (known.slices if known else 0))
    return list(found.values())


def link_plan(store: Store, plan: RtObject, structure_sets: RtObjects, findings: Findings) -> str | None:
    """The UID of the structure set a plan belongs to, or None."""
    return _link(store, plan, structure_sets, findings)


def link_dose(
    store: Store,
    dose: RtObject,
    plans: RtObjects,
    plan_links: dict[str, str],
    structure_sets: RtObjects,
    findings: Findings,
) -> str | None:
    """The UID of the structure set a dose belongs to, or None."""  # fmt: skip
    here = [uid for uid in dose.plan_uids if uid in plans]
    if any(plans[uid].patient_id != dose.patient_id for uid in here):
        text = (
            f"{findings.name(dose.path)} belongs to another patient than its plan: left out; correct it at its source."
        )
        findings.add("patient-mismatch", text, about=dose.uid, path=dose.path)
        return None
    linked = [plan_links[uid] for uid in here if uid in plan_links]
    if linked:
        return linked[0]
    if here and not any(uid in structure_sets for uid in dose.structure_set_uids):
        return None  # what is wrong with its plan was said there
    return _link(store, dose, structure_sets, findings)


def _link(store: Store, rt: RtObject, structure_sets: RtObjects, findings: Findings) -> str | None:
    name = findings.name(rt.path)
    for uid in rt.structure_set_uids:
        if uid not in structure_sets:
            continue
        if structure_sets[uid].patient_id == rt.patient_id:
            return uid
        text = f"{name} belongs to another patient than its structure set: left out; correct it at its source."
        findings.add("patient-mismatch", text, about=rt.uid, path=rt.path)
        return None
    near = _structure_sets_of_frame(store, rt, structure_sets)
    if len(near) == 1:
        text = f"{name} names nothing that is here: taken with the only structure set in its frame of reference."
        findings.add(DOUBTFUL, text, about=rt.uid, path=rt.path)
        findings.guessed.add(rt.uid)
        return near[0]
    reason = f"{len(near)} structure sets share" if near else "no structure set shares"
    text = f"{name} names nothing that is here and {reason} its frame of reference: not used; export what it refers to."
    findings.add("unlinked", text, about=rt.uid, path=rt.path)
    return None


def _structure_sets_of_frame(store: Store, rt: RtObject, structure_sets: RtObjects) -> list[str]:
    if not rt.frame_of_reference_uid:
        return []
    rows = store.rows(
        "SELECT object.uid FROM reference JOIN object ON object.id = reference.file "
        "WHERE reference.role = 'frame' AND reference.uid = ? AND +object.kind = 'RTSTRUCT' ORDER BY object.uid",
        rt.frame_of_reference_uid,
    )
    return [uid for (uid,) in rows if structure_sets[uid].patient_id == rt.patient_id]
