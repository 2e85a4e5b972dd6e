"""Device and number format of a training, decided by measuring where the settings say "auto"."""

import functools
import time

import torch
from FedRTDatasetLib.errors import FedRTError

from .network import build_network
from .settings import Network, TrainSettings

PROBE_SIZE = 48
"""Longest side, in voxels, of the patches that are timed."""


def choose_device(settings: TrainSettings) -> torch.device:
    """The device the settings ask for; "auto" is the GPU where there is one. Raises FedRTError where it is missing."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise FedRTError('device = "cuda" is set but this machine offers no CUDA GPU; set device = "auto" or "cpu"')
    if settings.device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda")


def choose_precision(settings: TrainSettings, device: torch.device) -> str:
    """ "bf16" or "fp32"; "auto" takes bf16 autocast where it is clearly faster on this machine."""
    if settings.precision != "auto":
        return settings.precision
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return "fp32"
    sides = (PROBE_SIZE,) * 3 if settings.patch_size == "whole" else settings.patch_size
    sides = tuple(-(-min(n, PROBE_SIZE) // d) * d for n, d in zip(sides, settings.network.divisor(), strict=True))
    return _probe(settings.network, (settings.batch_size, 1, *sides), device.type)


@functools.cache
def _probe(network: Network, shape: tuple[int, ...], device_type: str) -> str:
    """Time training steps of this network on a batch of that shape in both formats.

    The batch size matters: torch computes float32 convolutions of a single small image in another, slow way.
    """
    device = torch.device(device_type)
    with torch.random.fork_rng():
        model = build_network(network, structures=2).to(device)
        image = torch.randn(shape, device=device)
    seconds = {name: _seconds(model, image, name) for name in ("fp32", "bf16")}
    return "bf16" if seconds["bf16"] < 0.95 * seconds["fp32"] else "fp32"


def _seconds(model: torch.nn.Module, image: torch.Tensor, precision: str) -> float:
    times = []
    for _ in range(3):  # the first of them warms up; the quickest is the least disturbed
        start = time.perf_counter()
        with autocast(precision, image.device):
            loss = model(image).square().mean()
        loss.backward()
        if image.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The autocast context for `precision`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
