"""Build a segmentation network from the allow-list.

All networks have the form body + head: the body, MONAI's, turns the image into features; the head is one linear read-out
whose row s gives the logit of structure s. So a structure's own weights are one row, whatever the network: a federation
can average a row over the hospitals that contour that structure only, and a model can be given another list of
structures without touching the rest.

With `fold` the body works on a coarser grid without losing a voxel: each block of fold voxels becomes the channels of one
(space to depth), and the head gives the logits of all voxels of a block at once. Convolutions over few channels at full
resolution cost most of a small network's time on a processor; a block of 2x2x2 saves four fifths of it.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .settings import Network, SegResNet, UNet

PRIOR = 0.02
"""The head starts by giving every voxel this probability: structures are small, and a start at one half costs steps."""

Fold = tuple[int, int, int]


class SegmentationNetwork(nn.Module):
    """(B, 1, z, y, x) image to (B, S, z, y, x) logits; sides must be multiples of `divisor`."""

    def __init__(self, body: nn.Module, features: int, structures: int, divisor: Fold, fold: Fold = (1, 1, 1)) -> None:
        super().__init__()
        self.divisor = divisor
        """What each side (z, y, x) of an input has to be divisible by."""
        self.structures = structures
        self.fold = fold
        self.body = body
        self.head = Head(features, structures, fold)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(folded(image, self.fold)))


class Head(nn.Module):
    """(B, C, z, y, x) features to (B, S, ...) logits of the voxels of each block: one row of weights a structure."""

    def __init__(self, features: int, structures: int, fold: Fold) -> None:
        super().__init__()
        self.fold = fold
        self.weight = nn.Parameter(torch.empty(structures, math.prod(fold), features))
        self.bias = nn.Parameter(torch.full((structures, math.prod(fold)), math.log(PRIOR / (1 - PRIOR))))
        nn.init.uniform_(self.weight, -(features**-0.5), features**-0.5)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits = F.conv3d(features, self.weight.flatten(0, 1)[..., None, None, None], self.bias.flatten())
        return unfolded(logits, self.fold)


def folded(image: torch.Tensor, fold: Fold) -> torch.Tensor:
    """Space to depth: (B, C, z, y, x) to (B, C * a * b * c, z / a, y / b, x / c)."""
    a, b, c = fold
    batch, channels, z, y, x = image.shape
    blocks = image.reshape(batch, channels, z // a, a, y // b, b, x // c, c)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(batch, channels * a * b * c, z // a, y // b, x // c)


def unfolded(blocks: torch.Tensor, fold: Fold) -> torch.Tensor:
    """Depth to space, the inverse of `folded`."""
    a, b, c = fold
    batch, channels, z, y, x = blocks.shape
    image = blocks.reshape(batch, channels // (a * b * c), a, b, c, z, y, x)
    return image.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(batch, -1, z * a, y * b, x * c)


def build_network(settings: Network, structures: int) -> SegmentationNetwork:
    """The network `settings` names with that many output channels, on the CPU, freshly initialised."""
    if isinstance(settings, UNet):
        return _unet(settings, structures)
    return _segresnet(settings, structures)


def head_rows(network: nn.Module) -> dict[str, int]:
    """Names of the weights that hold one row for each structure, with the axis the rows run along."""
    return {"head.weight": 0, "head.bias": 0}


def _unet(settings: UNet, structures: int) -> SegmentationNetwork:
    from monai.networks.nets import UNet as MonaiUNet

    body = MonaiUNet(
        spatial_dims=3,
        in_channels=math.prod(settings.fold),
        out_channels=settings.features,
        channels=settings.channels,
        strides=settings.strides,
        num_res_units=settings.num_res_units,
        norm=_norm(settings.norm),
        dropout=settings.dropout,
    )
    body = nn.Sequential(body, nn.LeakyReLU(0.1))
    return SegmentationNetwork(body, settings.features, structures, settings.divisor(), settings.fold)


def _segresnet(settings: SegResNet, structures: int) -> SegmentationNetwork:
    from monai.networks.nets import SegResNet as MonaiSegResNet

    body = MonaiSegResNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        init_filters=settings.init_filters,
        blocks_down=settings.blocks_down,
        blocks_up=settings.blocks_up,
        norm=_norm(settings.norm),
        dropout_prob=settings.dropout or None,
    )
    body.conv_final[-1] = nn.Identity()  # MONAI's own 1x1x1 output convolution, replaced by the head
    return SegmentationNetwork(body, settings.init_filters, structures, settings.divisor())


def _norm(name: str) -> tuple[str, dict]:
    return {
        "instance": ("INSTANCE", {"affine": True}),
        "batch": ("BATCH", {}),
        "group": ("GROUP", {"num_groups": 8}),
    }[name]
