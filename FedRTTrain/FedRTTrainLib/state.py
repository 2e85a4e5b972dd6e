"""What a training consists of at some step."""

from dataclasses import dataclass

import torch
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.naming.structures import Structure

from .cache import CachedCase
from .network import SegmentationNetwork
from .settings import TrainSettings


@dataclass
class TrainState:
    """A training at some step. `train_steps` and `load_checkpoint` change it in place."""

    settings: TrainSettings
    structures: tuple[Structure, ...]
    """The output channels, in order."""
    processing: Processing
    cases: tuple[CachedCase, ...]
    """Training cases that have at least one of the structures labelled."""
    validation: tuple[CachedCase, ...]
    network: SegmentationNetwork
    optimizer: torch.optim.Optimizer
    device: torch.device
    precision: str
    """ "bf16" or "fp32"."""
    step: int = 0
    """Steps done so far."""

    @property
    def names(self) -> tuple[str, ...]:
        """TG-263 names of the structures, in the order of the channels."""
        return tuple(structure.name for structure in self.structures)

    def labelled_cases(self) -> dict[str, int]:
        """How many training cases are contoured for each structure."""
        return {name: sum(name in case.structures for case in self.cases) for name in self.names}
