"""RTSTRUCT to Slicer segmentation and back, for one image series."""

from pathlib import Path

import numpy as np

from .dicom_index import ImageSeries, index_folders
from .errors import FedRTError
from .geometry import stack_of_image, to_image
from .outline import outline
from .rasterise import rasterise
from .reporting import Reporter
from .rtstruct_read import read_rtstruct
from .rtstruct_write import RoiContours, write_rtstruct
from .segmentation import read_segmentation, write_segmentation
from .series import LoadedSeries, load_series
from .structures import structure


def rtstruct_to_segmentation(images: Path, rtstruct: Path, out: Path, report: Reporter | None = None) -> list[str]:
    """Write every ROI with closed contours as a segment, on the image's own grid; returns what was left out.

    Raises:
        FedRTError: the RTSTRUCT does not belong to the images, has no closed contours, or the slices are not evenly spaced.
    """
    index = index_folders([images, rtstruct], report)
    linked = [uid for uid, rt in index.structure_sets.items() if rt.path == Path(rtstruct) and uid in index.links]
    if not linked:
        reason = next((p.text for p in index.problems), "it refers to other images")
        raise FedRTError(f"{Path(rtstruct).name} does not belong to the images in {images}: {reason}")
    loaded = load_series(index.series[index.links[linked[0]]])
    _require_regular(loaded, images)
    notes, masks, structures = list(loaded.notes), [], []
    for roi in read_rtstruct(rtstruct):
        mask, beyond = rasterise(roi.polygons, loaded.stack)
        if beyond:
            notes.append(f"ROI number {roi.number} has {beyond} contours beyond the image slices: left out.")
        if not roi.polygons:
            notes.append(f"ROI number {roi.number} has no closed contours: left out.")
            continue
        masks.append(mask)
        structures.append(structure(roi.name))
    if not masks:
        raise FedRTError(f"{Path(rtstruct).name} has no ROI with closed contours: nothing to convert.")
    write_segmentation(out, np.stack(masks), structures, to_image(loaded.array, loaded.stack))
    return notes


def segmentation_to_rtstruct(segmentation: Path, reference: Path, out: Path, report: Reporter | None = None) -> None:
    """Write the segments as ROIs of an RTSTRUCT that references the image series in `reference`.

    Raises:
        FedRTError: the segmentation is not on the series' grid, or `reference` does not hold exactly one series.
    """
    loaded = load_series(only_series(reference, report))
    _require_regular(loaded, reference)
    stored = read_segmentation(segmentation)
    image = to_image(loaded.array, loaded.stack)
    if not _same_grid(stored.reference, image):
        raise FedRTError(
            f"{Path(segmentation).name} is not on the grid of the images in {reference}: "
            "export it with that volume as reference geometry."
        )
    stack = stack_of_image(image)
    rois = [
        RoiContours(name, outline(mask, stack), structure(name).color, snomed=structure(name).snomed)
        for name, mask in zip(stored.names, stored.masks, strict=True)
    ]
    write_rtstruct(out, loaded.headers, rois, "FedRT")


def only_series(folder: Path, report: Reporter | None = None) -> ImageSeries:
    """The one image series of a folder.

    Raises:
        FedRTError: there is none or more than one.
    """
    series = list(index_folders([folder], report).series.values())
    if len(series) != 1:
        raise FedRTError(f"{folder} holds {len(series)} image series; name a folder with exactly one.")
    return series[0]


def _require_regular(loaded: LoadedSeries, images: Path) -> None:
    if not loaded.stack.is_regular:
        reason = "; ".join(loaded.notes) or "gantry tilt"
        raise FedRTError(
            f"the slices in {images} are not evenly spaced ({reason}): a segmentation file cannot hold that grid."
        )


def _same_grid(a, b) -> bool:
    if a.GetSize() != b.GetSize():
        return False
    corners = [(0, 0, 0), [n - 1 for n in a.GetSize()]]
    gaps = [
        np.subtract(
            a.TransformIndexToPhysicalPoint(list(map(int, c))), b.TransformIndexToPhysicalPoint(list(map(int, c)))
        )
        for c in corners
    ]
    return float(np.abs(gaps).max()) < 0.1
