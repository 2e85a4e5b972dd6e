"""One case of a dataset, from its series and structure set to its folder."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import FedRTError
from ..imaging.preprocess import Grid
from ..imaging.registration import Link, resampling_transform
from ..imaging.series import load_series
from ..index.dicom_index import Index
from ..naming.structures import structure
from ..notes import Check, Step
from ..storage.dataset import file_sha256
from ..storage.records import (
    CaseRecord,
    PlanRecord,
    Split,
    write_record,
)
from ..storage.segmentation import write_segmentation
from .build_settings import BuildSettings
from .case_folder import corrected_versions, replacing_case
from .case_images import CaseImages, load_images, load_units
from .case_sources import CaseSource
from .case_structures import CaseStructures, draw_structures

BODIES = ("Body", "External", "Skin")
"""Doses hardly ever cover them whole."""


@dataclass
class Built:
    """A finished case. notes: for the screen. doubts: (ROI name, reason) where geometry contradicts the name."""

    record: CaseRecord
    notes: list[str] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class PlannedDose:
    """image: SimpleITK float32 Gy on the case's grid, or None."""

    image: object | None
    plan: PlanRecord
    checks: list[Check] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def build_case(
    source: CaseSource, index: Index, settings: BuildSettings, split: Split, folder: Path, lock: threading.Lock
) -> Built:
    """Build a case and put it into `folder` (the dataset's `cases`).

    `lock` is held while the index is read, which cases that are built at the same time share.

    Raises:
        FedRTError: the case cannot be built; the message says why.
    """
    if source.lacks:
        raise FedRTError(f"{source.lacks}: skipped.")
    images, structures = _images_and_structures(source, settings)
    if not structures.masks:
        raise FedRTError(_no_structures(source, structures))
    dose = _dose(source, index, structures, images.grid, lock)
    findings, doubts = _anatomy(source, structures, images.grid)
    checks = [*source.checks, *images.checks, *structures.checks, *dose.checks, *findings]
    if count := corrected_versions(folder / source.case_id):
        checks.append(Check(kind="corrected-versions", values={"count": count}))
    with replacing_case(folder, source.case_id) as partial:
        _write_files(partial, images, structures, dose.image)
        record = CaseRecord(
            id=source.case_id,
            patient=source.patient,
            split=split,
            source=source.digest,
            fingerprint=source.fingerprint,
            grid=images.grid,
            source_grid=images.source_grid,
            images=images.records,
            labelled=sorted(structures.masks),
            volumes_cm3=_volumes(structures, images.grid),
            plan=dose.plan,
            steps=[*images.steps, *structures.steps, *dose.steps],
            checks=checks,
            notes=[check.text for check in checks],
            sha256={path.name: file_sha256(path) for path in sorted(partial.iterdir())},
        )
        write_record(partial / "case.json", record)
    record.folder = folder / source.case_id
    return Built(record, images.notes + [check.text for check in checks if not _told(check)], doubts)


def _told(check: Check) -> bool:
    """Whether it need not be shown: the notes of the loaded series tell it, with its whereabouts, or it is usual."""
    if check.kind == "dose-smaller":
        return check.severity == "note"
    return check.kind in ("slices-left-out", "slices-missing", "uneven-slices", "gantry-tilt")


def _images_and_structures(source: CaseSource, settings: BuildSettings) -> tuple[CaseImages, CaseStructures]:
    processing = settings.processing
    chosen = source.chosen
    shown = chosen.structure_set.image_uids
    primary, units = load_units(source.primary, processing, shown if chosen.on_primary else ())
    name = settings.choices(processing.modality).primary.name
    images = load_images(source, primary, units, processing, name)
    if chosen.on_primary:
        drawn_on = primary
    else:
        del primary
        drawn_on = load_series(chosen.series, shown)
    return images, draw_structures(source, drawn_on, images.grid)


def _no_structures(source: CaseSource, structures: CaseStructures) -> str:
    if not source.chosen.wanted:
        return "none of the wanted structures is contoured; check the name map."
    kinds = {check.kind for check in structures.checks}
    if "lost-in-voxels" in kinds:
        return "its structures are smaller than the voxels of the dataset: choose a finer spacing_mm."
    return "its wanted structures have no closed contours on the image slices; export the structure set again."


def _dose(
    source: CaseSource, index: Index, structures: CaseStructures, grid: Grid, lock: threading.Lock
) -> PlannedDose:
    """The dose of the structure set's plans, brought onto the case's grid in one interpolation."""
    from ..dosimetry.dose import planned_dose
    from ..dosimetry.plan_values import plan_values

    with lock:
        planned = planned_dose(index, source.structure_set.uid)
    if planned.dose is None:
        return PlannedDose(None, plan_values(planned.plans, None, None), planned.checks)
    link = source.chosen.link
    image, known = planned.dose.on(grid, resampling_transform(link) if link.steps else None)
    if known == 0:  # nothing is known of any voxel: zeros would read as "no dose given"
        checks = [*planned.checks, Check(kind="dose-elsewhere", severity="warning")]
        return PlannedDose(None, plan_values(planned.plans, None, None), checks)
    found = PlannedDose(image, plan_values(planned.plans, planned.dose, _maximum(image)), list(planned.checks))
    parameters = {"grids": len(planned.dose.grids), "interpolation": "linear", "known_percent": round(100 * known, 1)}
    found.steps.append(Step(step="dose", parameters=parameters))
    if known < 1:
        for name, beyond in _beyond_dose(structures, planned.dose, grid, link).items():
            severity = "note" if name in BODIES else "warning"
            found.checks.append(
                Check(kind="dose-smaller", severity=severity, structure=name, values={"percent": beyond})
            )
    return found


def _beyond_dose(structures: CaseStructures, dose, grid: Grid, link: Link) -> dict[str, float]:
    """Percent of each structure's voxels (a sample of them) at which not every dose is known, where it is 0.1 or more."""
    direction = np.reshape(grid.direction, (3, 3))
    beyond = {}
    for name, mask in structures.masks.items():
        places = np.argwhere(mask)[:, ::-1]
        places = places[:: max(1, len(places) // 20_000)]
        points = np.array(grid.origin_mm) + (places * np.array(grid.spacing_mm)) @ direction.T
        if link.steps:
            back = np.linalg.inv(link.matrix)
            points = points @ back[:3, :3].T + back[:3, 3]
        _, count = dose.at(points)
        percent = round(100 * float((count < len(dose.grids)).mean()), 1)
        if percent >= 0.1:
            beyond[name] = percent
    return beyond


def _anatomy(source: CaseSource, structures: CaseStructures, grid: Grid) -> tuple[list[Check], list[tuple[str, str]]]:
    """What the shapes and places of the structures say; and about which ROI names they raise doubts."""
    from ..anatomy.checks import QUESTIONS_NAME, check_structures

    findings = check_structures(structures.masks, grid)
    checks = [Check(kind=f.kind, severity=f.severity, structure=f.structure) for f in findings]
    doubts = [
        (structures.rois[f.structure].name, f.text)
        for f in findings
        if f.kind in QUESTIONS_NAME and f.severity == "error" and f.structure in structures.rois
    ]
    return checks, doubts


def _volumes(structures: CaseStructures, grid: Grid) -> dict[str, float]:
    voxel_cm3 = float(np.prod(grid.spacing_mm)) / 1000
    return {name: round(float(structures.masks[name].sum()) * voxel_cm3, 3) for name in sorted(structures.masks)}


def _maximum(image) -> float:
    import SimpleITK as sitk

    return round(float(sitk.GetArrayViewFromImage(image).max()), 3)


def _write_files(folder: Path, images: CaseImages, structures: CaseStructures, dose) -> None:
    from ..contouring.contours import write_contours
    from ..storage.volume_file import write_volume

    for file, image in images.images.items():
        write_volume(folder / file, image)
    ordered = sorted(structures.masks)
    write_segmentation(
        folder / "structures.seg.nrrd",
        np.stack([structures.masks[name] for name in ordered]),
        [structure(n) for n in ordered],
        images.images["image.nrrd"],
    )
    write_contours(folder / "contours.npz", structures.rois.items())
    if dose is not None:
        write_volume(folder / "dose.nrrd", dose)
