"""Harmonising an image: crop, bias field, grid and intensities. Datasets and inference use this same code, so that a
network sees new patients as it saw those it was trained on."""

from pydantic import BaseModel, ConfigDict, Field

from ..notes import Step
from .intensity import bias_field, body_box, divided, standardised, window
from .processing import Modality, Processing, default_processing

__all__ = [
    "Grid", "Modality", "Processing", "default_processing", "grid_of", "harmonise", "harmonise_series",
    "harmonise_with_steps", "harmonised_grid", "orient", "resample", "resample_mask",
]  # fmt: skip


class Grid(BaseModel):
    """Size and placement of a voxel grid, as SimpleITK states it (x, y, z; LPS; mm)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...] = Field(min_length=9, max_length=9)

    def matches(self, other: "Grid") -> bool:
        """The same but for what is lost in writing numbers: within a thousandth of a voxel at the far corner."""
        import numpy as np

        if self.size != other.size:
            return False
        corners = [
            np.array(grid.origin_mm)
            + np.reshape(grid.direction, (3, 3)) @ (np.array(grid.spacing_mm) * (np.array(grid.size) * share))
            for share in ([0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1])
            for grid in (self, other)
        ]
        away = max(np.linalg.norm(one - two) for one, two in zip(corners[::2], corners[1::2], strict=True))
        return bool(away <= 1e-3 * min(self.spacing_mm))


def grid_of(image) -> Grid:
    """The grid of a SimpleITK image."""
    return Grid(
        size=image.GetSize(), spacing_mm=image.GetSpacing(), origin_mm=image.GetOrigin(), direction=image.GetDirection()
    )


def harmonise(image, processing: Processing):
    """Apply `processing` to a SimpleITK image (any type; LPS; HU for CT, SUV for PT); returns float32 on the harmonised grid.

    Axes come to point left, posterior and superior (as nearly as an oblique image allows) whichever way the patient lay,
    so that a network never takes one side of the body for the other.
    """
    return harmonise_with_steps(image, processing)[0]


def harmonise_with_steps(image, processing: Processing, grid: Grid | None = None, transform=None):
    """As `harmonise`; also the list of `Step`s that were done, with what they found.

    Args:
        grid: the grid to come to instead of the image's own harmonised one (a second image of a case); nothing is cropped.
        transform: SimpleITK transform from points of `grid` to points of `image`; None where they share a frame.
    """
    import SimpleITK as sitk

    image, steps = sitk.Cast(orient(image), sitk.sitkFloat32), [Step(step="orient", parameters={"axes": "LPS"})]
    if processing.crop == "body" and grid is None:
        image = _crop(image, processing, steps)
    if processing.n4:
        field, lowest = bias_field(image)
        image = divided(image, field, lowest)
        steps.append(_n4_step(field))
    if grid is not None or processing.spacing_mm is not None:
        grid = grid or harmonised_grid(image, processing.spacing_mm)
        image = resample(image, grid, transform=transform)
        steps.append(_resample_step(grid))
    return _intensities(image, processing, steps), steps


def harmonise_series(array, stack, processing: Processing, grid: Grid | None = None, transform=None):
    """`harmonise_with_steps` for slices [k, y, x] where they really lie (`geometry.SliceStack`), interpolating once.

    Unequal gaps and sheared slices (gantry tilt) go straight from the slices to the harmonised grid; the bridged image
    only serves to find the body and the bias field.
    """
    from .geometry import bring_to, to_image

    rough = to_image(array, stack)
    if stack.is_regular or transform is not None:
        return harmonise_with_steps(rough, processing, grid, transform)
    import SimpleITK as sitk

    rough, steps = sitk.Cast(orient(rough), sitk.sitkFloat32), [Step(step="orient", parameters={"axes": "LPS"})]
    if processing.crop == "body" and grid is None:
        rough = _crop(rough, processing, steps)
    if grid is None:
        grid = grid_of(rough) if processing.spacing_mm is None else harmonised_grid(rough, processing.spacing_mm)
    image = bring_to(array, stack, grid, _lowest(rough))
    if processing.n4:
        field, lowest = bias_field(rough)
        image = divided(image, resample(field, grid, outside=1.0), lowest)
        steps.append(_n4_step(field))
    steps.append(_resample_step(grid))
    return _intensities(image, processing, steps), steps


def _crop(image, processing: Processing, steps: list[Step]):
    import numpy as np
    import SimpleITK as sitk

    start, size = body_box(image, processing.modality)
    share = 100 * float(np.prod(size)) / float(np.prod(image.GetSize()))
    steps.append(Step(step="crop", parameters={"to": "body", "start": start, "size": size, "percent": round(share, 1)}))
    return sitk.RegionOfInterest(image, size, start)


def _n4_step(field) -> Step:
    import SimpleITK as sitk

    values = sitk.GetArrayViewFromImage(field)
    least, greatest = round(float(values.min()), 4), round(float(values.max()), 4)
    return Step(step="n4", parameters={"over": "foreground", "shrunk_to_mm": 4, "iterations": [30, 30, 20],
                                       "least": least, "greatest": greatest})  # fmt: skip


def _resample_step(grid: Grid) -> Step:
    return Step(step="resample", parameters={"spacing_mm": list(grid.spacing_mm), "size": list(grid.size),
                                             "interpolation": "linear"})  # fmt: skip


def _intensities(image, processing: Processing, steps: list[Step]):
    if processing.intensity in ("hu_window", "suv_window"):
        low, high = processing.hu_window if processing.intensity == "hu_window" else processing.suv_window
        steps.append(Step(step=processing.intensity.replace("_", "-"), parameters={"low": low, "high": high}))
        return window(image, low, high)
    if processing.intensity == "zscore":
        image, mean, deviation = standardised(image, processing.zscore_over)
        found = {"over": processing.zscore_over, "mean": round(mean, 4), "deviation": round(deviation, 4)}
        steps.append(Step(step="zscore", parameters=found))
    return image


def orient(image):
    """The image with its axes permuted and flipped to left, posterior, superior; every voxel stays where it is."""
    import SimpleITK as sitk

    return sitk.DICOMOrient(image, "LPS")


def harmonised_grid(image, spacing_mm: tuple[float, float, float]) -> Grid:
    """The grid of `spacing_mm` that covers the same extent as `image`, border to border, in the same orientation."""
    import numpy as np

    extent = np.array(image.GetSize()) * np.array(image.GetSpacing())
    size = np.maximum(np.round(extent / spacing_mm), 1).astype(int)
    # Grid centres coincide, so that rounding the size moves both borders by the same amount.
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = middle - direction @ ((size - 1) / 2 * np.array(spacing_mm))
    return Grid(size=size.tolist(), spacing_mm=spacing_mm, origin_mm=origin.tolist(), direction=image.GetDirection())


def resample(image, grid: Grid, outside: float | None = None, transform=None):
    """Linear interpolation onto `grid`, smoothed first along axes that become coarser so that nothing aliases.

    `transform` takes points of `grid` to points of `image`; None where they share a frame of reference.
    """
    import SimpleITK as sitk

    from .regrid import smoothing_sigma

    if outside is None:
        outside = _lowest(image)
    for axis, new in enumerate(_spacing_along(image, grid)):
        if sigma := smoothing_sigma(image.GetSpacing()[axis], new, image.GetSize()[axis]):
            image = sitk.RecursiveGaussian(image, sigma, direction=axis)
    return sitk.Resample(
        image, grid.size, transform or sitk.Transform(), sitk.sitkLinear, grid.origin_mm, grid.spacing_mm,
        grid.direction, outside, sitk.sitkFloat32,
    )  # fmt: skip


def _spacing_along(image, grid: Grid) -> list[float]:
    """The voxel size of `grid` along each axis of `image`: that of the axis that runs most nearly the same way."""
    import numpy as np

    cosines = np.abs(np.reshape(image.GetDirection(), (3, 3)).T @ np.reshape(grid.direction, (3, 3)))
    return [grid.spacing_mm[int(np.argmax(row))] for row in cosines]


def _lowest(image) -> float:
    import SimpleITK as sitk

    return float(sitk.GetArrayViewFromImage(image).min())


def resample_mask(mask, reference, grid: Grid, transform=None):
    """A mask [z, y, x] on `reference`'s grid as uint8 on `grid`: where the interpolated coverage is at least one half.

    On a grid with the reference's own voxels nothing is interpolated; else only the box round the structure is looked at.
    `transform` as for `resample`.
    """
    import numpy as np
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype("uint8"))
    image.CopyInformation(reference)
    image = orient(image)
    if transform is None and grid == grid_of(image):
        return sitk.GetArrayFromImage(image)
    on_grid = np.zeros(grid.size[::-1], np.uint8)
    box = _box_of(image, grid)
    if box is None:
        return on_grid
    image = sitk.RegionOfInterest(image, *box)
    start, part = _part_of(grid, image, transform)
    if part is None:
        return on_grid
    coverage = resample(sitk.Cast(image, sitk.sitkFloat32), part, outside=0.0, transform=transform)
    place = tuple(slice(first, first + count) for first, count in zip(start[::-1], part.size[::-1], strict=True))
    on_grid[place] = sitk.GetArrayViewFromImage(coverage) >= 0.5
    return on_grid


def _box_of(mask, grid: Grid):
    """Size and start (x, y, z) of the box round a mask image, wide enough for the smoothing of `resample`; None if empty."""
    import numpy as np
    import SimpleITK as sitk

    from .regrid import smoothing_sigma

    values = sitk.GetArrayViewFromImage(mask)
    along = [np.flatnonzero(values.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
    if not len(along[0]):
        return None
    start, size = [], []
    for axis, (found, new) in enumerate(zip(along, _spacing_along(mask, grid), strict=True)):
        old, whole = mask.GetSpacing()[axis], mask.GetSize()[axis]
        margin = 3 + int(np.ceil(5 * smoothing_sigma(old, new, whole) / old))
        first, last = max(int(found[0]) - margin, 0), min(int(found[-1]) + margin, whole - 1)
        start.append(first)
        size.append(last - first + 1)
    return size, start


def _part_of(grid: Grid, image, transform):
    """Where in `grid` (start x, y, z) `image` lies, and that part of the grid; None where they do not meet."""
    import numpy as np

    ends = np.array([[-1.0, n] for n in image.GetSize()])
    corners = [
        image.TransformContinuousIndexToPhysicalPoint([float(ends[a][i >> a & 1]) for a in range(3)]) for i in range(8)
    ]
    if transform is not None:
        back = transform.GetInverse()
        corners = [back.TransformPoint(corner) for corner in corners]
    direction, origin = np.reshape(grid.direction, (3, 3)), np.array(grid.origin_mm)
    index = (np.array(corners) - origin) @ direction / np.array(grid.spacing_mm)
    start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.size)
    end = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, grid.size)
    if np.any(end <= start):
        return start.tolist(), None
    moved = origin + direction @ (start * np.array(grid.spacing_mm))
    return start.tolist(), grid.model_copy(
        update={"size": tuple((end - start).tolist()), "origin_mm": tuple(moved.tolist())}
    )
