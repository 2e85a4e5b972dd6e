"""Which patch comes next: a pure function of seed and step, so a resumed training meets the very same patches."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from FedRTDatasetLib.errors import FedRTError

from .augmentation import Placement, random_intensity, random_matrix, random_shift
from .cache import CachedCase
from .settings import TrainSettings

WHOLE_VOXELS = 16_000_000
"""Largest batch of whole images; more would need more memory than most machines have."""

ORDER, PATCH = 0, 1
"""Separate streams of random numbers drawn from one seed."""


@dataclass(frozen=True)
class Batch:
    """Training input: image (B, 1, z, y, x) float32, target (B, S, z, y, x) bool, labelled (B, S) bool."""

    image: torch.Tensor
    target: torch.Tensor
    labelled: torch.Tensor


def draw_batch(
    cases: tuple[CachedCase, ...], names: tuple[str, ...], settings: TrainSettings, step: int, device: torch.device
) -> Batch:
    """The batch of training step `step` (0-based): every case once an epoch, in an order drawn anew each epoch."""
    chosen, generators = [], []
    for number in range(step * settings.batch_size, (step + 1) * settings.batch_size):
        epoch, position = divmod(number, len(cases))
        order = np.random.default_rng([settings.seed, ORDER, epoch]).permutation(len(cases))
        chosen.append(cases[order[position]])
        words = np.random.SeedSequence([settings.seed, PATCH, number]).generate_state(2, np.uint32)
        generators.append(torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1))
    size = patch_size(settings, [case.image.shape for case in chosen])
    patches = [
        _patch(case, names, settings, size, generator, device)
        for case, generator in zip(chosen, generators, strict=True)
    ]
    return Batch(*(torch.stack(parts) for parts in zip(*patches, strict=True)))


def patch_size(settings: TrainSettings, shapes: list[tuple[int, int, int]]) -> tuple[int, int, int]:
    """The (z, y, x) size of a batch: the set size, or the smallest that holds all images and suits the network."""
    if settings.patch_size != "whole":
        return settings.patch_size
    divisor = settings.network.divisor()
    return tuple(-(-max(shape[axis] for shape in shapes) // divisor[axis]) * divisor[axis] for axis in range(3))


def check_size(settings: TrainSettings, cases: tuple[CachedCase, ...]) -> None:
    """Raise FedRTError if a batch would be larger than memory allows, before the memory is asked for."""
    size = patch_size(settings, [case.image.shape for case in cases])
    if math.prod(size) * settings.batch_size > WHOLE_VOXELS and settings.patch_size == "whole":
        raise FedRTError(
            f'patch_size = "whole" with batch_size = {settings.batch_size} means {list(size)} voxels an image; '
            "set a smaller patch_size such as [32, 64, 64], or a coarser spacing in the dataset"
        )


def _patch(case, names, settings, size, generator, device):
    augmentation = settings.augmentation
    centre = _centre(case, names, settings, size, generator)
    shift = random_shift(augmentation, case.spacing_mm, generator)
    matrix = random_matrix(augmentation, case.spacing_mm, generator)
    placement = Placement(tuple(c + s for c, s in zip(centre, shift, strict=True)), matrix)
    image, planes = cut(case, placement, size, device)
    image = random_intensity(image, augmentation, generator)
    target, labelled = _channels(planes, case, names)
    return image[None], target, labelled


def _centre(case, names, settings, size, generator) -> tuple[float, float, float]:
    """A voxel of a random structure, or a random place at which the patch lies inside the image."""
    shape = case.image.shape
    middle = [(n - 1) / 2 for n in shape]
    if settings.patch_size == "whole":
        return tuple(middle)
    draws = torch.rand(5, generator=generator).tolist()
    present = [name for name in names if len(case.foreground.get(name, ()))]
    if present and draws[0] < settings.foreground_fraction:
        indices = case.foreground[present[int(draws[1] * len(present))]]
        wanted = np.unravel_index(int(indices[int(draws[2] * len(indices))]), shape)
    else:
        wanted = [draw * (n - 1) for draw, n in zip(draws[2:], shape, strict=True)]
    # Kept inside the image where the patch is the smaller of the two: padding teaches nothing.
    room = [max(0.0, (n - p) / 2) for n, p in zip(shape, size, strict=True)]
    inside = (min(max(w, m - r), m + r) for w, m, r in zip(wanted, middle, room, strict=True))
    # On the voxel grid, so that a patch without a random affine is an exact copy.
    return tuple(math.floor(c - (p - 1) / 2 + 0.5) + (p - 1) / 2 for c, p in zip(inside, size, strict=True))


def cut(case: CachedCase, placement: Placement, size: tuple[int, int, int], device: torch.device):
    """Image float32 (z, y, x), trilinear, and label bits uint8 (P, z, y, x), nearest, of one patch.

    Beyond the image its edge voxels are repeated, as `predict.py` does. Reads only the box that the patch lies in.
    """
    source = placement.source(size)
    shape = case.image.shape
    box, local = [], []
    for coordinate, n in zip(source, shape, strict=True):
        coordinate = coordinate.clamp(0, n - 1)
        low, high = (float(value) for value in torch.aminmax(coordinate))
        start, stop = math.floor(low), min(n, math.ceil(high) + 1)
        box.append(slice(start, stop))
        local.append((coordinate - start).to(device))
    image = _tensor(case.image[tuple(box)], device).float().mul_(case.scale).add_(case.offset)
    planes = _tensor(case.labels[(slice(None), *box)], device)
    return _trilinear(image, local, size), _nearest(planes, local, size)


def _tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.array(array)).to(device)


def _trilinear(image: torch.Tensor, local: list[torch.Tensor], size) -> torch.Tensor:
    scaled = [(c * (2 / max(n - 1, 1)) - 1).expand(size) for c, n in zip(local, image.shape, strict=True)]
    grid = torch.stack(scaled[::-1], dim=-1)
    patch = F.grid_sample(image[None, None], grid[None], mode="bilinear", padding_mode="border", align_corners=True)
    return patch[0, 0]


def _nearest(planes: torch.Tensor, local: list[torch.Tensor], size) -> torch.Tensor:
    z, y, x = ((c + 0.5).to(torch.int64) for c in local)
    index = ((z * planes.shape[2] + y) * planes.shape[3] + x).expand(size)
    return planes.flatten(1)[:, index.reshape(-1)].reshape(len(planes), *size)


def _channels(planes: torch.Tensor, case: CachedCase, names: tuple[str, ...]):
    target = torch.zeros((len(names), *planes.shape[1:]), dtype=torch.bool, device=planes.device)
    labelled = torch.zeros(len(names), dtype=torch.bool, device=planes.device)
    for channel, name in enumerate(names):
        if name in case.structures:
            plane, bit = divmod(case.structures.index(name), 8)
            target[channel] = (planes[plane] & (1 << bit)) != 0
            labelled[channel] = True
    return target, labelled
