"""A training's weights as plain numpy arrays: what a federation sends around."""

import numpy as np
import torch
from FedRTDatasetLib.errors import FedRTError

from .network import head_rows
from .state import TrainState

__all__ = ["get_weights", "head_rows", "set_weights"]


def get_weights(state: TrainState) -> dict[str, np.ndarray]:
    """Copies of the network's weights by name, in a fixed order."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.network.state_dict().items()}


def set_weights(state: TrainState, weights: dict[str, np.ndarray]) -> None:
    """Put `weights` into the network; the optimiser keeps its moments, which fit weights that moved by an average.

    Raises FedRTError, and changes nothing, if a name, shape or type differs or a value is not a number.
    """
    check_weights(state.network.state_dict(), weights)
    with torch.no_grad():
        for name, tensor in state.network.state_dict().items():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(weights[name])))


def check_weights(expected: dict[str, torch.Tensor], weights: dict[str, np.ndarray]) -> None:
    """Raise FedRTError unless `weights` has the names, shapes and types of `expected` and only finite values."""
    missing, surplus = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
    if missing or surplus:
        raise FedRTError(f"these weights belong to another network (missing {missing[:3]}, unknown {surplus[:3]})")
    for name, tensor in expected.items():
        array = weights[name]
        if array.shape != tuple(tensor.shape) or array.dtype != tensor.cpu().numpy().dtype:
            raise FedRTError(
                f"weight {name} is {array.dtype} {array.shape}; expected {tensor.dtype} {tuple(tensor.shape)}"
            )
        if not np.isfinite(array).all():
            raise FedRTError(f"weight {name} holds values that are not numbers")
