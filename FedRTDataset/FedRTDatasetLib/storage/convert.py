"""RTSTRUCT to Slicer segmentation and back, for one image series, nothing lost on the way.

Beside `x.seg.nrrd` stand `x.contours.npz`, the planar contours as they were drawn, and `x.rois.json`, what else the RTSTRUCT
told of each ROI. Back, a segment whose voxels nobody changed gets its original contours again, to the last digit; a changed
or new one is outlined. Points and open contours, which no voxel stands for, go back as they were.
"""

from pathlib import Path

import numpy as np

from ..contouring.contours import read_contours, write_contours
from ..contouring.outline import outline
from ..contouring.rasterise import RasterRecord, rasterise_roi
from ..contouring.roi_details import (
    RoiDetails,
    details_of,
    read_details,
    write_details,
)
from ..contouring.rtstruct_read import Roi, read_rtstruct
from ..contouring.rtstruct_write import RoiContours, write_rtstruct
from ..dicom_file import read_dicom
from ..errors import FedRTError
from ..imaging.geometry import (
    SliceStack,
    orthogonal_grid,
    sample_at,
    stack_of_image,
    to_image,
)
from ..imaging.series import load_series
from ..index.dicom_index import ImageSeries, index_folders
from ..naming.structures import structure
from ..reporting import Reporter
from .segmentation import Segmentation, read_segmentation, write_segmentation

ROI_NUMBER = "FedRT.RoiNumber"
TOLERANCE = 0.02  # pixels an outline may move for fewer points; the voxels stay


def rtstruct_to_segmentation(images: Path, rtstruct: Path, out: Path, report: Reporter | None = None) -> list[str]:
    """Write every ROI with closed contours as a segment; returns what has to be said about it.

    The segmentation is on the image's own grid. Slices that are unevenly spaced or tilted have no such grid: then it is on
    the upright one with the finer slice distance that Slicer shows the series on, and the notes say so.

    Raises:
        FedRTError: the RTSTRUCT does not belong to the images or has no closed contours.
    """
    index = index_folders([images, rtstruct], report)
    uid = _uid_of(rtstruct)  # of several copies the index lists one
    if uid not in index.links:
        reason = next((p.text for p in index.problems), "it refers to other images")
        raise FedRTError(f"{Path(rtstruct).name} does not belong to the images in {images}: {reason}")
    loaded = load_series(index.series[index.links[uid]], index.structure_sets[uid].image_uids)
    rois, details = read_rtstruct(rtstruct), details_of(rtstruct)
    notes = list(loaded.notes) + _grid_note(loaded.stack)
    image = to_image(loaded.array, loaded.stack)
    stack = stack_of_image(image)
    names, masks, structures, tags = _unique([details[roi.number].name for roi in rois]), [], [], []
    for roi, name in zip(rois, names, strict=True):
        if not roi.polygons:
            notes.append(
                f"ROI number {roi.number} has no closed contours: no segment, kept in {contours_beside(out).name}."
            )
            continue
        made = rasterise_roi(roi, stack, drawn_on=loaded.stack)
        notes += _notes(roi.number, made.record)
        masks.append(made.mask)
        known = structure(details[roi.number].name)
        structures.append(known.model_copy(update={"name": name, "color": details[roi.number].color or known.color}))
        tags.append({ROI_NUMBER: str(roi.number)})
    if not masks:
        raise FedRTError(f"{Path(rtstruct).name} has no ROI with closed contours: nothing to convert.")
    write_contours(contours_beside(out), [(details[roi.number].name, roi) for roi in rois])
    write_details(details_beside(out), details)
    write_segmentation(out, np.stack(masks), structures, image, tags=tags)
    return notes


def segmentation_to_rtstruct(
    segmentation: Path, reference: Path, out: Path, report: Reporter | None = None
) -> list[str]:
    """Write the segments as ROIs of an RTSTRUCT that references the image series in `reference`; returns notes.

    Raises:
        FedRTError: the segmentation is not on the series' grid, or `reference` does not hold exactly one series.
    """
    loaded = load_series(only_series(reference, report))
    stored = read_segmentation(segmentation)
    masks = _on_grid(stored, orthogonal_grid(loaded.stack), segmentation, reference)
    originals, details = _originals(segmentation)
    names = [roi.name for roi in originals.values()]
    rois, written, kept = [], set(), 0
    for s, name in enumerate(stored.names):
        number = _number(stored, s, originals, names)
        original = originals.get(number)
        about = details.get(number) or RoiDetails(number=0, name=name, snomed=structure(name).snomed)
        unchanged = original is not None and np.array_equal(_mask(original, stored, loaded.stack), masks[s])
        kept += unchanged
        written.add(number)
        renamed = original is None or name not in _unique(names)
        rois.append(_roi(about.model_copy(update={"name": name if renamed else about.name}), stored.colors[s],
                         original if unchanged else None,
                         [] if unchanged else _outline(masks[s], stored, loaded.stack)))  # fmt: skip
    for number, original in originals.items():
        if number not in written and not original.polygons and original.contours:
            about = details.get(number) or RoiDetails(number=number, name=original.name)
            rois.append(_roi(about, about.color or (255, 255, 0), original, []))
    order = {number: position for position, number in enumerate(originals)}
    rois.sort(key=lambda roi: order.get(roi.number, len(order)))
    write_rtstruct(out, loaded.headers, rois, "FedRT")
    notes = [*loaded.notes]
    if originals:
        notes.append(f"{kept} of {len(stored.names)} segments are unchanged and got their original contours again.")
    return notes


def only_series(folder: Path, report: Reporter | None = None) -> ImageSeries:
    """The one image series of a folder.

    Raises:
        FedRTError: there is none or more than one.
    """
    series = list(index_folders([folder], report).series.values())
    if len(series) != 1:
        raise FedRTError(f"{folder} holds {len(series)} image series; name a folder with exactly one.")
    return series[0]


def _uid_of(rtstruct: Path | str) -> str:
    try:
        return str(read_dicom(rtstruct, specific_tags=["SOPInstanceUID"]).get("SOPInstanceUID", ""))
    except Exception:  # the index has told what is wrong with it
        return ""


def contours_beside(segmentation: Path | str) -> Path:
    """`x.contours.npz` of `x.seg.nrrd`."""
    return _beside(segmentation, ".contours.npz")


def details_beside(segmentation: Path | str) -> Path:
    """`x.rois.json` of `x.seg.nrrd`."""
    return _beside(segmentation, ".rois.json")


def _beside(segmentation: Path | str, ending: str) -> Path:
    path = Path(segmentation)
    return path.with_name(path.name.removesuffix(".nrrd").removesuffix(".seg") + ending)


def _unique(names: list[str]) -> list[str]:
    """Equal names told apart by a number: `Bladder`, `Bladder (2)`."""
    found: list[str] = []
    for name in names:
        text, number = name or "ROI", 1
        while text in found:
            number += 1
            text = f"{name or 'ROI'} ({number})"
        found.append(text)
    return found


def _grid_note(stack: SliceStack) -> list[str]:
    if stack.is_regular:
        return []
    why = "tilted" if stack.is_sheared else "unevenly spaced"
    return [f"the slices are {why}: the segmentation is on an upright grid, slices {stack.step:.3g} mm apart."]


def _notes(number: int, record: RasterRecord) -> list[str]:
    told = [
        (record.broken_contours, "unusable contours: left out"),
        (record.beyond_contours, "contours beyond the image slices: left out of the segment"),
        (record.tilted_contours, "contours that are not in the plane of the slices: left out of the segment"),
        (record.open_contours, "points or open contours: kept beside the segment"),
        (len(record.interpolated_slices), "slices between contours, interpolated"),
        (len(record.sub_voxel_slices), "slices where its contours enclose no voxel centre"),
    ]
    return [f"ROI number {number} has {count} {what}." for count, what in told if count]


def _originals(segmentation: Path) -> tuple[dict[int, Roi], dict[int, RoiDetails]]:
    """The contours and details beside a segmentation, by ROI number; empty where there are none."""
    contours, details = contours_beside(segmentation), details_beside(segmentation)
    rois = {roi.number: roi.as_roi() for roi in read_contours(contours)} if contours.exists() else {}
    return rois, read_details(details) if details.exists() else {}


def _number(stored: Segmentation, s: int, originals: dict[int, Roi], names: list[str]) -> int | None:
    """The ROI a segment came from: by its tag, else by its name where only one ROI has it."""
    tag = stored.tags[s].get(ROI_NUMBER, "")
    if tag.isdigit() and int(tag) in originals:
        first = next(i for i, tags in enumerate(stored.tags) if tags.get(ROI_NUMBER) == tag)
        return int(tag) if first == s else None  # Slicer copies tags with a segment
    name = stored.names[s]
    return next((n for n, roi in originals.items() if roi.name == name), None) if names.count(name) == 1 else None


def _mask(original: Roi, stored: Segmentation, stack: SliceStack) -> np.ndarray:
    return rasterise_roi(original, stack_of_image(stored.reference), drawn_on=stack).mask


def _outline(mask: np.ndarray, stored: Segmentation, stack: SliceStack) -> list[np.ndarray]:
    """Contours on the series' own slices."""
    if stack.is_regular:
        return outline(mask, stack, tolerance=TOLERANCE)
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype(np.float32))
    image.CopyInformation(stored.reference)
    return outline(sample_at(image, stack, 0.0), stack, tolerance=TOLERANCE)


def _roi(
    about: RoiDetails, color: tuple[int, int, int], original: Roi | None, polygons: list[np.ndarray]
) -> RoiContours:
    others = [(contour.kind or "OPEN_NONPLANAR", contour.points) for contour in original.contours] if original else []
    return RoiContours(
        about.name, polygons, color, about.interpreted_type, about.algorithm or "MANUAL", about.description, about.snomed,
        others, exact=original is not None, number=about.number or None,
    )  # fmt: skip


def _on_grid(stored: Segmentation, grid, segmentation: Path, reference: Path) -> np.ndarray:
    """The masks on the whole grid; Slicer may have saved the box round the segments only. `stored` follows."""
    import SimpleITK as sitk

    whole = sitk.Image(grid.size, sitk.sitkUInt8)
    whole.SetSpacing(grid.spacing_mm)
    whole.SetOrigin(grid.origin_mm)
    whole.SetDirection(grid.direction)
    size = np.array(stored.masks.shape[:0:-1])
    first, last = (
        np.array(whole.TransformPhysicalPointToContinuousIndex(stored.reference.TransformIndexToPhysicalPoint(corner)))
        for corner in ([0, 0, 0], [int(n) - 1 for n in size])
    )
    begin = np.rint(first).astype(int)
    placed = np.abs(first - begin).max() < 0.05 and np.abs(last - begin - (size - 1)).max() < 0.05
    if not placed or (begin < 0).any() or (begin + size > grid.size).any():
        raise FedRTError(
            f"{Path(segmentation).name} is not on the grid of the images in {reference}: "
            "export it with that volume as reference geometry."
        )
    masks = np.zeros((len(stored.masks), *grid.size[::-1]), dtype=np.uint8)
    (x, y, z), (columns, rows, slices) = begin, size
    masks[:, z : z + slices, y : y + rows, x : x + columns] = stored.masks
    stored.masks, stored.reference = masks, whole
    return masks
