"""One case of a dataset, from its series and structure set to its folder."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .build_settings import BuildSettings
from .case_folder import corrected_versions, replacing_case
from .case_images import CaseImages, load_images, load_units
from .case_sources import CaseSource
from .case_structures import CaseStructures, draw_structures, grid_reference
from .dataset import file_sha256
from .dicom_index import Index
from .dose import plan_record
from .errors import FedRTError
from .notes import Check, Step
from .preprocess import Grid, resample
from .records import CaseRecord, Split, write_record
from .registration import resampling_transform
from .segmentation import write_segmentation
from .series import load_series
from .structures import structure


@dataclass
class Built:
    """A finished case. notes: for the screen. doubts: (ROI name, reason) where geometry contradicts the name."""

    record: CaseRecord
    notes: list[str] = field(default_factory=list)
    doubts: list[tuple[str, str]] = field(default_factory=list)


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
    dose, checks, steps = _dose(source, index, images.grid, lock)
    findings, doubts = _anatomy(source, structures, images.grid)
    checks = [*source.checks, *images.checks, *structures.checks, *checks, *findings]
    if count := corrected_versions(folder / source.case_id):
        checks.append(Check(kind="corrected-versions", values={"count": count}))
    with lock:
        plans = [plan.path for plan in index.plans_of(source.structure_set.uid)]
    with replacing_case(folder, source.case_id) as partial:
        _write_files(partial, images, structures, dose)
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
            plan=plan_record(plans, _maximum(dose)),
            steps=[*images.steps, *structures.steps, *steps],
            checks=checks,
            notes=[check.text for check in checks],
            sha256={path.name: file_sha256(path) for path in sorted(partial.iterdir())},
        )
        write_record(partial / "case.json", record)
    record.folder = folder / source.case_id
    return Built(record, images.notes + [check.text for check in checks if not _told(check)], doubts)


def _told(check: Check) -> bool:
    """Whether the notes of the loaded series already tell it, with more of its whereabouts."""
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


def _dose(source: CaseSource, index: Index, grid: Grid, lock: threading.Lock):
    """The plan's dose on the case's grid (SimpleITK, Gy) or None; checks; steps."""
    from .dose import read_dose

    with lock:
        doses = list(index.doses_of(source.structure_set.uid))
    total, failed = None, 0
    for rt in doses:
        try:
            dose = _placed_dose(read_dose(rt.path), source, grid)
        except (FedRTError, ValueError):
            failed += 1
            continue
        total = dose if total is None else total + dose
    checks = [Check(kind="dose-left-out", severity="warning", values={"count": failed})] if failed else []
    summed = len(doses) - failed
    steps = [Step(step="dose", parameters={"grids": summed, "interpolation": "linear"})] if summed else []
    return total, checks, steps


def _placed_dose(dose, source: CaseSource, grid: Grid):
    link = source.chosen.link
    if link.steps and not link.is_rigid:
        return resample(dose, grid, outside=0.0, transform=resampling_transform(link))
    if link.steps:
        dose.CopyInformation(grid_reference(dose, link))
    return resample(dose, grid, outside=0.0)


def _anatomy(source: CaseSource, structures: CaseStructures, grid: Grid) -> tuple[list[Check], list[tuple[str, str]]]:
    """What the shapes and places of the structures say; and about which ROI names they raise doubts."""
    try:
        from .anatomy import QUESTIONS_NAME, check_structures
    except ImportError:
        return [], []

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


def _maximum(dose) -> float | None:
    import SimpleITK as sitk

    return None if dose is None else round(float(sitk.GetArrayViewFromImage(dose).max()), 3)


def _write_files(folder: Path, images: CaseImages, structures: CaseStructures, dose) -> None:
    from .volume_file import write_volume

    for file, image in images.images.items():
        write_volume(folder / file, image)
    ordered = sorted(structures.masks)
    write_segmentation(
        folder / "structures.seg.nrrd",
        np.stack([structures.masks[name] for name in ordered]),
        [structure(n) for n in ordered],
        images.images["image.nrrd"],
    )
    # CONTOURS
    if dose is not None:
        write_volume(folder / "dose.nrrd", dose)
