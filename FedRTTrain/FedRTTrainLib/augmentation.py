"""Random changes of a training patch: a small affine in millimetres, intensity, noise and blur.

The affine is applied while the patch is cut out, so a turned patch shows the anatomy around it and not a filled border.
All structures move with one nearest-neighbour look-up of their bits; only the image is interpolated.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812

from .settings import Augmentation


@dataclass(frozen=True)
class Placement:
    """Where a patch takes its voxels from: source = centre + matrix @ (voxel - patch centre), all (z, y, x) voxels."""

    centre: tuple[float, float, float]
    matrix: torch.Tensor
    """(3, 3) float64."""

    def source(self, size: tuple[int, int, int]) -> list[torch.Tensor]:
        """The z, y and x source coordinates, each float32 of shape `size`."""
        steps = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in size]
        columns = [steps[0][:, None, None], steps[1][None, :, None], steps[2][None, None, :]]
        matrix = self.matrix.tolist()
        return [
            sum((float(matrix[axis][k]) * columns[k] for k in range(3)), start=torch.tensor(float(self.centre[axis])))
            for axis in range(3)
        ]


def random_matrix(settings: Augmentation, spacing_mm: tuple, generator: torch.Generator) -> torch.Tensor:
    """A random rotation, scaling and mirroring as a (3, 3) matrix on (z, y, x) voxels of `spacing_mm` (x, y, z)."""
    matrix = torch.eye(3, dtype=torch.float64)
    if _chance(settings.probability, generator):
        for axis, limit in zip((2, 1, 0), settings.rotate_degrees, strict=True):  # given as x, y, z; axis of z, y, x
            matrix = matrix @ _rotation(axis, math.radians(limit) * _signed(generator))
    if settings.scale and _chance(settings.probability, generator):
        matrix = matrix * math.exp(math.log1p(settings.scale) * _signed(generator))
    for axis, allowed in enumerate(settings.flip):
        if allowed and _chance(0.5, generator):
            matrix[:, axis] *= -1
    spacing = torch.tensor(spacing_mm[::-1], dtype=torch.float64)
    return matrix * spacing[None, :] / spacing[:, None]


def random_shift(settings: Augmentation, spacing_mm: tuple, generator: torch.Generator) -> tuple[float, float, float]:
    """A random translation in (z, y, x) voxels."""
    if not settings.translate_mm or not _chance(settings.probability, generator):
        return (0.0, 0.0, 0.0)
    return tuple(settings.translate_mm * _signed(generator) / step for step in spacing_mm[::-1])


def random_intensity(image: torch.Tensor, settings: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Random gamma, blur, scale, shift and noise of a (z, y, x) float32 image."""
    if settings.blur and _chance(settings.probability, generator):
        image = _blurred(image, settings.blur * _uniform(generator))
    mean, deviation = image.mean(), image.std() + 1e-6
    if settings.gamma and _chance(settings.probability, generator):
        low, high = torch.aminmax(image)
        span = high - low + 1e-6
        image = ((image - low) / span).pow_(math.exp(settings.gamma * _signed(generator))).mul_(span).add_(low)
    if _chance(settings.probability, generator):
        factor = 1 + settings.intensity_scale * _signed(generator)
        image = (image - mean) * factor + (mean + deviation * settings.intensity_shift * _signed(generator))
    if settings.noise and _chance(settings.probability, generator):
        noise = torch.randn(image.shape, generator=generator).to(image.device)
        image = image + noise * (deviation * settings.noise * _uniform(generator))
    return image


def _blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Three-tap Gaussian along each axis; three taps hold all but 1% of it up to a sigma of 0.8 voxels."""
    side = math.exp(-0.5 / max(sigma, 1e-3) ** 2)
    weights = torch.tensor([side, 1.0, side], device=image.device) / (1 + 2 * side)
    image = image[None, None]
    for axis in range(3):
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]
        shape[2 + axis] = 3
        padding[4 - 2 * axis] = padding[5 - 2 * axis] = 1
        image = F.conv3d(F.pad(image, padding, mode="replicate"), weights.reshape(shape))
    return image[0, 0]


def _rotation(axis: int, angle: float) -> torch.Tensor:
    first, second = [k for k in range(3) if k != axis]
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    return matrix


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _signed(generator: torch.Generator) -> float:
    return 2 * _uniform(generator) - 1


def _chance(probability: float, generator: torch.Generator) -> bool:
    return _uniform(generator) < probability
