"""A corrected structure set from outside (a `.seg.nrrd` of the Segment Editor, an RTSTRUCT) brought onto a case's grid."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..errors import FedRTError
from ..imaging.preprocess import Grid
from .records import CaseRecord


def read_correction(case: CaseRecord, path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """The structures of a segmentation or RTSTRUCT: name -> uint8 (z, y, x) on the case's grid.

    A segmentation on another grid is resampled; contours of an RTSTRUCT are rasterised on the case's grid, in whose
    coordinates they must be (an RTSTRUCT drawn on the original series is).

    Args:
        names: the structures of the dataset; what has another name is refused, because a name that somebody typed may be
            a patient's.

    Raises:
        FedRTError: the file cannot be read, has a structure twice or one of another name, or none within the case's image.
    """
    path = Path(path)
    is_segmentation = path.name.lower().endswith(".nrrd")
    named = segments_on_grid(path, case.grid) if is_segmentation else _rois(case, path)
    masks: dict[str, np.ndarray] = {}
    for name, mask in named:
        if name not in names:
            raise FedRTError(f"{path.name} has {name}, which is no structure of the dataset: rename it or delete it.")
        if name in masks:
            raise FedRTError(f"{path.name} has two structures called {name}: rename or delete one.")
        if mask.any():
            masks[name] = mask
    if not masks:
        raise FedRTError(f"{path.name} has no structure within the image of case {case.id}: is it of this case?")
    return masks


def segments_on_grid(path: Path, grid: Grid) -> list[tuple[str, np.ndarray]]:
    """The segments of a `.seg.nrrd` by name: uint8 (z, y, x) on `grid`, resampled where the file's own grid is another."""
    from ..imaging.preprocess import grid_of, resample_mask
    from .segmentation import read_segmentation

    stored = read_segmentation(path)
    masks = stored.masks
    if not _alike(grid_of(stored.reference), grid):
        masks = [resample_mask(mask, stored.reference, grid) for mask in masks]
    return list(zip(stored.names, masks, strict=True))


def _alike(a: Grid, b: Grid) -> bool:
    return a.size == b.size and all(
        np.allclose(getattr(a, field), getattr(b, field), atol=1e-3)
        for field in ("spacing_mm", "origin_mm", "direction")
    )


def _rois(case: CaseRecord, path: Path) -> list[tuple[str, np.ndarray]]:
    import SimpleITK as sitk

    from ..contouring.rasterise import rasterise_roi
    from ..contouring.rtstruct_read import read_rtstruct
    from ..imaging.geometry import stack_of_image
    from ..naming.planning_names import long_name

    image = sitk.Image(case.grid.size, sitk.sitkUInt8)
    image.SetSpacing(case.grid.spacing_mm)
    image.SetOrigin(case.grid.origin_mm)
    image.SetDirection(case.grid.direction)
    stack = stack_of_image(image)
    return [
        (long_name(roi.name, roi.description), rasterise_roi(roi, stack).mask)
        for roi in read_rtstruct(path)
        if roi.polygons
    ]
