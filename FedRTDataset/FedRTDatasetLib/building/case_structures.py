"""The structures of a case: contours to masks on the case's grid, with what had to be done to them."""

from dataclasses import dataclass, field

import numpy as np

from ..contouring.rasterise import RasterRecord, rasterise_roi
from ..contouring.rtstruct_read import Roi, read_rtstruct
from ..imaging.geometry import orthogonal_grid, stack_of_image
from ..imaging.preprocess import Grid, resample_mask
from ..imaging.registration import Link, resampling_transform
from ..imaging.series import LoadedSeries
from ..notes import Check, Step
from .case_sources import CaseSource


@dataclass
class CaseStructures:
    """masks: TG-263 name -> uint8 [z, y, x] on the case's grid. rois: the ROI each came from, as drawn."""

    masks: dict[str, np.ndarray] = field(default_factory=dict)
    rois: dict[str, Roi] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def draw_structures(source: CaseSource, drawn_on: LoadedSeries, grid: Grid) -> CaseStructures:
    """Rasterise the wanted ROIs on the series they were drawn on and bring each onto `grid`.

    A structure of several ROIs (two with one TG-263 name) is the first that has an area; the others are told.
    """
    case = CaseStructures()
    link = source.chosen.link
    reference = _empty_on(orthogonal_grid(drawn_on.stack))
    stack, own = stack_of_image(reference), grid_reference(reference, link)
    transform = None if link.steps == 0 or link.is_rigid else resampling_transform(link)
    if link.steps:
        case.steps.append(
            Step(step="move-structures", parameters={"registrations": link.steps, "rigid": link.is_rigid})
        )
    wanted, extra = source.chosen.wanted, {}
    rois = [roi for roi in read_rtstruct(source.structure_set.path) if roi.name in wanted]
    elsewhere = _in_other_frames(rois, source.chosen.series.frame_of_reference_uid, case)
    for roi in rois:
        name = wanted[roi.name]
        if roi.number in elsewhere:
            case.checks.append(Check(kind="roi-other-frame", severity="warning", structure=name))
            continue
        if name in case.masks:
            extra[name] = extra.get(name, 0) + 1
            continue
        made = rasterise_roi(roi, stack, drawn_on=drawn_on.stack)
        tell(name, made.record, case)
        if not made.record.closed_contours and name not in case.rois:
            case.rois[name] = roi  # points and lines alone: kept beside the masks
        if not made.mask.any():
            continue
        case.rois[name] = roi
        mask = resample_mask(made.mask, own, grid, transform)
        case.masks[name] = mask
        _tell_losses(name, made.mask, mask, own, grid, case)
    for name, count in extra.items():
        case.checks.append(Check(kind="roi-second", severity="warning", structure=name, values={"count": count}))
    for name in [name for name, mask in case.masks.items() if not mask.any()]:
        case.checks.append(Check(kind="lost-in-voxels", severity="warning", structure=name))
        del case.masks[name]
    return case


def _in_other_frames(rois: list[Roi], frame: str, case: CaseStructures) -> set[int]:
    """Numbers of the ROIs that say they lie in another frame of reference than the images, while others lie in that one.

    Where all say so, the structure set names the images and only the frame's UID is wrong: taken, and told.
    """
    other = {roi.number for roi in rois if roi.frame_of_reference_uid and frame and roi.frame_of_reference_uid != frame}
    if other and len(other) == len(rois):
        case.checks.append(Check(kind="frame-differs", severity="warning"))
        return set()
    return other


def _empty_on(grid: Grid):
    import SimpleITK as sitk

    image = sitk.Image(grid.size, sitk.sitkUInt8)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def grid_reference(reference, link: Link):
    """The image's geometry alone, moved into the primary's frame of reference where the link is rigid."""
    import SimpleITK as sitk

    empty = sitk.Image(reference.GetSize(), sitk.sitkUInt8)
    empty.CopyInformation(reference)
    if link.steps and link.is_rigid:
        rotation, shift = link.matrix[:3, :3], link.matrix[:3, 3]
        empty.SetOrigin((rotation @ np.array(reference.GetOrigin()) + shift).tolist())
        empty.SetDirection((rotation @ np.reshape(reference.GetDirection(), (3, 3))).ravel().tolist())
    return empty


def tell(name: str, record: RasterRecord, case: CaseStructures) -> None:
    """What the contours were and what was done about them, as checks and steps."""

    def check(kind: str, count: int, severity: str = "note") -> None:
        if count:
            case.checks.append(Check(kind=kind, severity=severity, structure=name, values={"count": int(count)}))

    if not record.closed_contours:
        case.checks.append(Check(kind="no-area", severity="warning", structure=name))
    check("contours-broken", record.broken_contours, "warning")
    check("contours-beyond", record.beyond_contours, "warning")
    check("contours-tilted", record.tilted_contours, "warning")
    check("contours-repeated", record.repeated_contours)
    check("contours-overlap", record.crossing_contours)
    check("contours-off-slice", len(record.moved_slices))
    check("contours-interpolated", len(record.interpolated_slices))
    check("contours-gap", len(record.empty_slices), "warning")
    check("other-contours", record.open_contours)
    check("sub-voxel-slices", len(record.sub_voxel_slices))
    if record.interpolated_slices:
        parameters = {"slices": len(record.interpolated_slices), "method": "shape-based"}
        if record.interpolated_from_mm is not None:
            parameters["widest_mm"] = round(float(record.interpolated_from_mm), 3)
        case.steps.append(Step(step="interpolate-contours", structure=name, parameters=parameters))
    if record.exclusive:
        case.steps.append(Step(step="exclusive-contours", structure=name))


def _tell_losses(name: str, native: np.ndarray, mask: np.ndarray, reference, grid: Grid, case: CaseStructures) -> None:
    """A structure that lost much of its volume: cropped off, outside the primary image, or thinner than the voxels."""
    before = float(native.sum()) * float(np.prod(reference.GetSpacing()))
    after = float(mask.sum()) * float(np.prod(grid.spacing_mm))
    lost = round(100 * (1 - after / before), 1)
    touches = any(mask.take(end, axis=axis).any() for axis in range(3) for end in (0, -1))
    if lost > 2 and touches:
        case.checks.append(
            Check(kind="structure-cut-off", severity="warning", structure=name, values={"percent": lost})
        )
