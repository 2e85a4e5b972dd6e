"""Harmonising an image: bias field, grid and intensities. Datasets and inference use this same code, so that a network
sees new patients as it saw those it was trained on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Processing(BaseModel):
    """What was, or is to be, done to every image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Literal["CT", "MR"] = "CT"
    spacing_mm: tuple[float, float, float] | None = None
    """(x, y, z) voxel size of the harmonised grid; None keeps each image's own grid."""
    intensity: Literal["hu_window", "zscore", "none"] = "hu_window"
    """hu_window: clipped and scaled to 0..1. zscore: mean 0 and standard deviation 1 over the foreground (`standardise`)."""
    hu_window: tuple[float, float] = (-160.0, 240.0)
    """Lower and upper CT number, HU."""
    n4: bool = False
    """N4 bias field correction (Tustison et al. 2010) before everything else; for MR."""

    @model_validator(mode="after")
    def _consistent(self) -> "Processing":
        if self.intensity == "hu_window" and self.modality != "CT":
            raise ValueError("hu_window needs modality CT; use zscore for MR")
        if self.hu_window[0] >= self.hu_window[1]:
            raise ValueError("hu_window needs the lower value first")
        if self.spacing_mm is not None and min(self.spacing_mm) <= 0:
            raise ValueError("spacing_mm must be positive")
        return self


class Grid(BaseModel):
    """Size and placement of a voxel grid, as SimpleITK states it (x, y, z; LPS; mm)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: tuple[float, ...] = Field(min_length=9, max_length=9)


def grid_of(image) -> Grid:
    """The grid of a SimpleITK image."""
    return Grid(
        size=image.GetSize(), spacing_mm=image.GetSpacing(), origin_mm=image.GetOrigin(), direction=image.GetDirection()
    )


def harmonise(image, processing: Processing):
    """Apply `processing` to a SimpleITK image (any type; LPS); returns float32 on the harmonised grid.

    Axes come to point left, posterior and superior (as nearly as an oblique image allows) whichever way the patient lay,
    so that a network never takes one side of the body for the other.
    """
    import SimpleITK as sitk

    image = sitk.Cast(orient(image), sitk.sitkFloat32)
    if processing.n4:
        image = correct_bias(image)
    if processing.spacing_mm is not None:
        image = resample(image, harmonised_grid(image, processing.spacing_mm))
    if processing.intensity == "hu_window":
        low, high = processing.hu_window
        image = sitk.IntensityWindowing(image, low, high, 0.0, 1.0)
    elif processing.intensity == "zscore":
        image = standardise(image)
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


def resample(image, grid: Grid, outside: float | None = None):
    """Linear interpolation onto `grid`, smoothed first along axes that become coarser so that nothing aliases."""
    import SimpleITK as sitk

    if outside is None:
        outside = float(sitk.GetArrayViewFromImage(image).min())
    for axis, (old, new) in enumerate(zip(image.GetSpacing(), grid.spacing_mm, strict=True)):
        if new > 1.2 * old and image.GetSize()[axis] >= 4:
            sigma = 0.35 * (new**2 - old**2) ** 0.5  # of the box that a coarse voxel averages, less the fine one's
            image = sitk.RecursiveGaussian(image, sigma, direction=axis)
    return sitk.Resample(
        image, grid.size, sitk.Transform(), sitk.sitkLinear, grid.origin_mm, grid.spacing_mm, grid.direction, outside,
        sitk.sitkFloat32,
    )  # fmt: skip


def resample_mask(mask, reference, grid: Grid):
    """A mask [z, y, x] on `reference`'s grid as uint8 on `grid`: where the interpolated coverage is at least one half.

    `grid` is that of the harmonised `reference`; on a grid with the reference's own voxels nothing is interpolated.
    """
    import numpy as np
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(mask.astype("uint8"))
    image.CopyInformation(reference)
    image = orient(image)
    if grid == grid_of(image):
        return sitk.GetArrayFromImage(image)
    coverage = resample(sitk.Cast(image, sitk.sitkFloat32), grid, outside=0.0)
    return (sitk.GetArrayViewFromImage(coverage) >= 0.5).astype(np.uint8)


def foreground(values):
    """Where an image [z, y, x] shows the patient: bool of the same shape.

    That is what has at least a tenth of the signal of the image's bright tissue (its 98th percentile): air has less,
    every tissue more. A threshold that splits the histogram in two (Otsu) would on an image cropped to the body take
    fat alone for foreground.
    """
    import numpy as np

    zero = min(float(values.min()), 0.0)  # no signal
    return values >= zero + 0.1 * (np.percentile(values, 98) - zero)


def standardise(image):
    """Mean 0 and standard deviation 1 over the foreground; 0 for a constant image."""
    import SimpleITK as sitk

    values = sitk.GetArrayFromImage(image)  # a copy: a view would not keep a temporary image alive
    if values.min() == values.max():
        return image * 0.0
    inside = values[foreground(values)]
    return (image - float(inside.mean())) / max(float(inside.std()), 1e-6)


def correct_bias(image):
    """N4 bias field correction, estimated over the foreground on a grid of about 4 mm and applied at full resolution."""
    import SimpleITK as sitk

    image = sitk.Cast(image, sitk.sitkFloat32)
    lowest = min(float(sitk.GetArrayViewFromImage(image).min()), 0.0)
    positive = image - lowest + 1.0  # N4 works on the logarithm
    factors = [
        max(1, min(round(4.0 / spacing), size // 8))
        for spacing, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    small = sitk.Shrink(positive, factors)
    mask = sitk.GetImageFromArray(foreground(sitk.GetArrayFromImage(small)).astype("uint8"))
    mask.CopyInformation(small)
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([30, 30, 20])
    corrector.Execute(small, mask)
    field = sitk.Exp(corrector.GetLogBiasFieldAsImage(positive))
    return positive / field - 1.0 + lowest
