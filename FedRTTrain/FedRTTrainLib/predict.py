"""Run a network over a harmonised image: at once where it was trained so, else window by window."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from FedRTDatasetLib.reporting import Reporter

from .network import SegmentationNetwork
from .precision import autocast

WHOLE_VOXELS = 12_000_000
"""Largest image that is run at once; about 2 GB with a small U-Net. Larger ones are run in windows of this size."""


def predict_probabilities(
    network: SegmentationNetwork,
    image: np.ndarray,
    patch_size: tuple[int, int, int] | str = "whole",
    overlap: float = 0.5,
    precision: str = "fp32",
    report: Reporter | None = None,
) -> np.ndarray:
    """Probability of each structure at each voxel, float16 (S, z, y, x), for a harmonised float32 (z, y, x) image.

    `patch_size` is what the network was trained on (`ModelCard.patch_size`): "whole" runs the image in one piece, a
    (z, y, x) size in windows that share `overlap` of their length and are blended with a Gaussian weight. Windows are
    finished slab by slab, so memory holds logits for one row of windows only. The network is left in eval mode.
    """
    network.eval()
    size = _window(image.shape, patch_size, network.divisor)
    # Beyond the image its edge voxels are repeated, as in training.
    padding = [(0, max(0, s - n)) for s, n in zip(size, image.shape, strict=True)]
    padded = np.pad(np.asarray(image, np.float32), padding, mode="edge")
    with torch.inference_mode():
        if padded.shape == size:
            result = _run(network, padded, precision).to(torch.float16).cpu().numpy()
        else:
            result = _slide(network, padded, size, overlap, precision, report or Reporter())
    return result[(slice(None), *(slice(0, n) for n in image.shape))]


def predict_masks(network: SegmentationNetwork, image: np.ndarray, patch_size, precision: str = "fp32") -> np.ndarray:
    """Masks uint8 (S, z, y, x): where the probability is at least one half."""
    return (predict_probabilities(network, image, patch_size, precision=precision) >= 0.5).view(np.uint8)


def _window(shape, patch_size, divisor) -> tuple[int, int, int]:
    if patch_size != "whole":
        return tuple(patch_size)
    size = [_round_up(n, d) for n, d in zip(shape, divisor, strict=True)]
    while math.prod(size) > WHOLE_VOXELS:  # shorten the longest side until it fits
        longest = size.index(max(size))
        size[longest] = _round_up(size[longest] * 3 // 4, divisor[longest])
    return tuple(size)


def _round_up(value: int, divisor: int) -> int:
    return -(-value // divisor) * divisor


def _run(network: SegmentationNetwork, image: np.ndarray, precision: str) -> torch.Tensor:
    """Probabilities float32 (S, z, y, x) of one window."""
    device = next(network.parameters()).device
    window = torch.from_numpy(np.ascontiguousarray(image))[None, None].to(device)
    with autocast(precision, device):
        logits = network(window)
    return logits[0].float().sigmoid_()


def _slide(network, image, size, overlap, precision, report) -> np.ndarray:
    structures = network.structures
    device = next(network.parameters()).device
    weight = _gaussian(size).to(device)
    starts = [_starts(n, s, overlap) for n, s in zip(image.shape, size, strict=True)]
    result = np.empty((structures, *image.shape), np.float16)
    slab = torch.zeros((structures, size[0], *image.shape[1:]), device=device)
    total = torch.zeros((size[0], *image.shape[1:]), device=device)
    for row, z in enumerate(starts[0]):
        report.progress("predicting", row, len(starts[0]))
        for y, x in itertools.product(*starts[1:]):
            across = (slice(y, y + size[1]), slice(x, x + size[2]))
            probability = _run(network, image[(slice(z, z + size[0]), *across)], precision)
            slab[(slice(None), slice(None), *across)] += probability * weight
            total[(slice(None), *across)] += weight
        last = row + 1 == len(starts[0])
        done = size[0] if last else starts[0][row + 1] - z  # no later window reaches these slices
        result[:, z : z + done] = (slab[:, :done] / total[:done]).to(torch.float16).cpu().numpy()
        slab, total = _advanced(slab, done, 1), _advanced(total, done, 0)
    report.progress("predicting", len(starts[0]), len(starts[0]))
    return result


def _advanced(accumulated: torch.Tensor, done: int, axis: int) -> torch.Tensor:
    """Drop `done` finished slices at the front and add as many empty ones at the back."""
    kept = accumulated.narrow(axis, done, accumulated.shape[axis] - done)
    padding = [0, 0] * (accumulated.ndim - axis - 1) + [0, done]
    return F.pad(kept, padding)


def _starts(length: int, size: int, overlap: float) -> list[int]:
    """Evenly spread window starts that cover `length` and share at least `overlap` of a window."""
    count = 1 + math.ceil((length - size) / max(1, round(size * (1 - overlap))))
    return [round(k * (length - size) / max(1, count - 1)) for k in range(count)]


def _gaussian(size: tuple[int, int, int]) -> torch.Tensor:
    axes = [torch.exp(-0.5 * ((torch.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in size]
    return (axes[0][:, None, None] * axes[1][None, :, None] * axes[2]).clamp_min(1e-4)
