"""A case at a glance: one axial and one coronal slice through its contours."""

import numpy as np

from ..contouring.outline import outline_slice
from ..pictures import Outlines, picture_svg
from ..storage.dataset import (
    CaseRecord,
    Dataset,
    read_image,
    read_structures,
)

OUTLINE_COLORS = (
    "#ffd43b", "#4dabf7", "#69db7c", "#ff6b6b", "#e599f7", "#ffa94d", "#66d9e8", "#c0eb75", "#f783ac", "#b197fc",
)  # fmt: skip
"""Colours that can be told apart on grey."""


def colors_of(names: list[str]) -> dict[str, str]:
    """A colour a structure."""
    return {name: OUTLINE_COLORS[n % len(OUTLINE_COLORS)] for n, name in enumerate(names)}


def case_pictures(dataset: Dataset, case: CaseRecord, colors: dict[str, str], height: int = 150) -> str:
    """Two SVG pictures, seen as radiologists do: the patient's right on the left, the head up.

    The slices are those where the structures together are seen best: each is drawn where most of them are cut.

    Raises:
        FedRTError, RuntimeError: the files of the case cannot be read.
    """
    import SimpleITK as sitk

    values = sitk.GetArrayFromImage(read_image(case))
    masks, _ = read_structures(case, case.labelled)
    x, y, z = case.grid.spacing_mm
    window = _window(values, dataset)
    k = _best(masks, axis=1)
    j = _best(masks, axis=2)
    axial = _picture(values[k], masks[:, k], case.labelled, colors, window, y / x, height)
    # z points up in the patient and down in a picture
    coronal = _picture(values[::-1, j], masks[:, ::-1, j], case.labelled, colors, window, z / x, height)
    return axial + coronal


def _best(masks: np.ndarray, axis: int) -> int:
    """The slice that cuts most structures, and of those the one that cuts them most fully (masks are [S, z, y, x])."""
    others = tuple(a for a in (1, 2, 3) if a != axis)
    area = masks.sum(axis=others, dtype=np.int64)  # [S, slices]
    if not area.any():
        return masks.shape[axis] // 2
    share = area / np.maximum(area.max(axis=1, keepdims=True), 1)
    return int(np.argmax((area > 0).sum(axis=0) + share.mean(axis=0)))


def _window(values: np.ndarray, dataset: Dataset) -> tuple[float, float]:
    """What a CT window made of it, else all but the darkest and brightest hundredth."""
    if dataset.processing.intensity == "hu_window":
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, (1, 99)))
    return low, high if high > low else low + 1


def _picture(pixels, masks, names, colors, window, aspect: float, height: int) -> str:
    low, high = window
    grey = np.clip((pixels - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    drawn = []
    for name, mask in zip(names, masks, strict=True):
        if mask.any():
            loops = [np.stack([loop[:, 0] + 0.5, (loop[:, 1] + 0.5) * aspect], axis=1) for loop in outline_slice(mask)]
            drawn.append((Outlines([], colors[name]), loops))
    rows, columns = grey.shape
    return picture_svg(grey, drawn, aspect, width=max(round(height * columns / (rows * aspect)), 1))
