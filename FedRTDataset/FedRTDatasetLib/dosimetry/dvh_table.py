"""DVHs and their values of all ROIs of a structure set, in one or several doses."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ..contouring.rtstruct_read import XOR, Roi, read_rtstruct
from ..dicom_file import read_dicom
from ..errors import FedRTError
from ..imaging.geometry import SliceStack
from ..imaging.series import stack_of_headers
from ..index.dicom_index import index_folders
from ..index.series_slices import volume_for
from ..privacy import without_identity
from ..reporting import Reporter
from .dvh import Dvh, dvh_of_contours
from .dvh_values import (
    DEFAULT,
    DEFAULT_OF_PRESCRIPTION,
    Metric,
    conformity,
    homogeneity,
    metric,
    values_of,
)
from .named_doses import NamedDose, read_named_doses
from .sections import EndCaps

TARGET = re.compile(r"^\W*(PTV|CTV|GTV|ITV|HRCTV|HR-CTV)", re.IGNORECASE)


@dataclass(frozen=True)
class DvhOptions:
    """structures: ROI names, none for all. targets: ROI names whose indices are told, none for those named like targets.
    metrics: names (`dvh_values.py`), none for the usual ones. eud_a: parameters a of the generalised EUD.
    prescription_gy: where the plan is not among the doses. sum: add the doses of several plans up."""

    structures: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    eud_a: tuple[float, ...] = ()
    prescription_gy: float | None = None
    ends: EndCaps = "rounded"
    sum: bool = False
    any_frame: bool = False


@dataclass(frozen=True)
class DvhRow:
    """One structure in one dose. values: metric by `name_unit`, None where it does not apply."""

    structure: str
    dose: str
    dvh: Dvh
    values: dict[str, float | None]


@dataclass
class DvhTable:
    """rows: a structure and dose each. notes: what was left out or is doubtful, without identity."""

    rows: list[DvhRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prescription_gy: dict[str, float | None] = field(default_factory=dict)


def dvh_table(
    images: Path, rtstruct: Path, doses: list[Path], options: DvhOptions, report: Reporter | None = None
) -> DvhTable:
    """DVHs of the ROIs of `rtstruct`, drawn on `images`, in `doses` (RTDOSE files, RTPLAN files beside them, folders).

    Raises:
        FedRTError: a file cannot be used, they do not belong together, or no wanted structure has a DVH.
    """
    report = report or Reporter()
    wanted = [metric(name) for name in options.metrics or (*DEFAULT, *DEFAULT_OF_PRESCRIPTION)]
    index = index_folders([Path(images), Path(rtstruct)], report)
    table = DvhTable()

    def hide(text: str) -> str:
        return without_identity(text, *index.identities)

    rois = read_rtstruct(rtstruct)
    uid = str(read_dicom(rtstruct, specific_tags=["SOPInstanceUID"]).get("SOPInstanceUID", ""))
    structure_set = index.structure_sets.get(uid)  # whichever copy of it the index lists
    stack = _slices(index, structure_set, Path(rtstruct), Path(images), table)
    named = read_named_doses([Path(path) for path in doses], add_up=options.sum)
    table.notes += [check.text for check in named.checks]
    frame = structure_set.frame_of_reference_uid if structure_set else ""
    if frame and named.frames - {frame} and not options.any_frame:
        raise FedRTError(
            f"a dose file is in another frame of reference than {Path(rtstruct).name}: name the dose of these images, or "
            "say --any-frame if you know that both mean the same place."
        )
    chosen = _chosen(rois, options, Path(rtstruct), hide)
    isodoses: dict[tuple[str, float], dict] = {}
    for done, roi in enumerate(chosen):
        report.progress("dvh", done, len(chosen))
        for entry in named.doses:
            row = _row(roi, _label(roi, chosen, hide), entry, stack, wanted, options, table, isodoses)
            if row is not None:
                table.rows.append(row)
    report.progress("dvh", len(chosen), len(chosen))
    if not table.rows:
        reason = next((note for note in table.notes if note.startswith(f"{_label(chosen[0], chosen, hide)}")), "")
        raise FedRTError(f"not one of {len(chosen)} structures of {Path(rtstruct).name} has a DVH; the first: {reason}")
    table.prescription_gy = {entry.label: options.prescription_gy or entry.prescription_gy for entry in named.doses}
    return table


def _slices(index, structure_set, rtstruct: Path, images: Path, table: DvhTable) -> SliceStack | None:
    """The image slices the structures were drawn on, or None where there are too few to tell their distance."""
    if structure_set is None or structure_set.uid not in index.links:
        reason = next((problem.text for problem in index.problems), "it refers to other images")
        raise FedRTError(f"{rtstruct.name} does not belong to the images in {images}: {reason}")
    series = index.series[index.links[structure_set.uid]]
    notes: list[str] = []
    headers = [series.headers[uid] for uid in volume_for(series, structure_set.image_uids, notes)]
    if len(headers) < 2:
        table.notes.append("there are fewer than two image slices: slice distances are those of the contours.")
        return None
    return stack_of_headers(headers)


def _chosen(rois: list[Roi], options: DvhOptions, rtstruct: Path, hide) -> list[Roi]:
    names = {roi.name.casefold() for roi in rois}
    absent = [name for name in (*options.structures, *options.targets) if name.casefold() not in names]
    if absent:
        there = ", ".join(hide(roi.name) for roi in rois)
        raise FedRTError(f"{rtstruct.name} has no ROI named {', '.join(absent)}; it has: {there}.")
    wanted = {name.casefold() for name in (*options.structures, *(options.targets if options.structures else ()))}
    return [roi for roi in rois if not wanted or roi.name.casefold() in wanted]


def _label(roi: Roi, rois: list[Roi], hide) -> str:
    """The ROI's name without identity; with its number where it has none or another ROI has the same."""
    name = hide(roi.name)
    if name and sum(hide(other.name) == name for other in rois) == 1:
        return name
    return f"{name} (ROI {roi.number})" if name else f"ROI {roi.number}"


def _row(
    roi: Roi,
    name: str,
    entry: NamedDose,
    stack: SliceStack | None,
    wanted: list[Metric],
    options: DvhOptions,
    table: DvhTable,
    isodoses: dict,
) -> DvhRow | None:
    where = name if entry.label == "dose" else f"{name} ({entry.label})"
    if not roi.polygons:
        if not any(note.startswith(f"{name}: ") for note in table.notes):
            table.notes.append(f"{name}: no closed contours; no DVH.")
        return None
    exclusive = any(contour.kind == XOR for contour in roi.contours)
    try:
        dvh = dvh_of_contours(roi.polygons, entry.dose, stack, ends=options.ends, exclusive=exclusive)
    except FedRTError as error:
        table.notes.append(f"{where}: {error} No DVH.")
        return None
    _note_doubts(where, dvh, table)
    prescribed = options.prescription_gy or entry.prescription_gy
    values: dict[str, float | None] = {
        "volume_cm3": round(dvh.volume_cm3, 4),
        "covered_%": round(100 * dvh.covered, 3),
        "min_Gy": round(dvh.minimum, 4),
        "mean_Gy": round(dvh.mean, 4),
        "median_Gy": round(dvh.median, 4),
        "max_Gy": round(dvh.maximum, 4),
        **values_of(dvh, wanted, prescribed),
        **{f"gEUD(a={a:g})_Gy": round(dvh.generalised_eud(a), 4) for a in options.eud_a},
    }
    named_target = roi.name.casefold() in {target.casefold() for target in options.targets}
    if named_target or (not options.targets and TARGET.match(roi.name)):
        values |= homogeneity(dvh, prescribed)
        if prescribed:
            values |= conformity(dvh, entry.dose, prescribed, isodoses.setdefault((entry.label, prescribed), {}))
    return DvhRow(name, entry.label, dvh, values)


def _note_doubts(where: str, dvh: Dvh, table: DvhTable) -> None:
    if dvh.covered < 1 - 1e-4:
        beyond = max(100 * (1 - dvh.covered), 0.01)
        table.notes.append(
            f"{where}: {beyond:.3g}% of it lies beyond the dose grid, where no dose is known; its values are of the rest."
        )
    elif dvh.complete < 1 - 1e-4:
        table.notes.append(
            f"{where}: {100 * (1 - dvh.complete):.3g}% of it lies beyond one of the summed dose grids, which adds 0 there."
        )
    if dvh.bridged_slices:
        table.notes.append(f"{where}: no contour on {dvh.bridged_slices} image slice(s) within it; interpolated there.")
