"""Build a segmentation network from the allow-list.

All networks have the form body + head: the body, MONAI's, turns the image into features at full resolution; the head is
one 1x1x1 convolution whose row s gives the logit of structure s. So a structure's own weights are one row, whatever the
network: a federation can average a row over the hospitals that contour that structure only, and a model can be given
another list of structures without touching the rest.
"""

import math

import torch
from torch import nn

from .settings import Network, SegResNet, UNet

PRIOR = 0.02
"""The head starts by giving every voxel this probability: structures are small, and a start at one half costs steps."""


class SegmentationNetwork(nn.Module):
    """(B, 1, z, y, x) image to (B, S, z, y, x) logits; sides must be multiples of `divisor`."""

    def __init__(self, body: nn.Module, features: int, structures: int, divisor: tuple[int, int, int]) -> None:
        super().__init__()
        self.divisor = divisor
        """What each side (z, y, x) of an input has to be divisible by."""
        self.body = body
        self.head = nn.Conv3d(features, structures, kernel_size=1)
        nn.init.constant_(self.head.bias, math.log(PRIOR / (1 - PRIOR)))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(image))


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
        in_channels=1,
        out_channels=settings.features,
        channels=settings.channels,
        strides=settings.strides,
        num_res_units=settings.num_res_units,
        norm=_norm(settings.norm),
        dropout=settings.dropout,
    )
    return SegmentationNetwork(
        nn.Sequential(body, nn.LeakyReLU(0.1)), settings.features, structures, settings.divisor()
    )


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
