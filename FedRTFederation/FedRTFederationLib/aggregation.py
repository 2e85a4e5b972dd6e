"""Federated averaging that knows which hospital contours what.

A network's body is averaged with weights proportional to the sites' labelled cases (FedAvg: McMahan et al.,
"Communication-efficient learning of deep networks from decentralized data", AISTATS 2017). The rows of the output layer
stand for structures; a row is averaged with the number of cases that a site has labelled *for that structure*. A
hospital that never contours the bladder receives no gradient for its row and sends it back unchanged: with one weight
for all it would drag the row towards the past. Where no site has the structure, the row stays as it was.

Integer tensors are counters (normalisation's `num_batches_tracked`), not averages: the largest is kept, exactly. So a
value on which all sites agree survives bit for bit.

Sites are added one at a time, so memory does not grow with their number.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .packing import Weights
from .task import CaseCounts

OutputRows = Mapping[str, Sequence[str]]
"""Tensor name -> structure of each index along its first axis."""


class UpdateRefusedError(ValueError):
    """A site's update cannot be used; the message says why (the caller knows whose it is)."""


def validate(update: Weights, reference: Weights) -> None:
    """Raise UpdateRefusedError unless `update` has the names, shapes and dtypes of `reference` and only finite values."""
    missing, extra = sorted(reference.keys() - update.keys()), sorted(update.keys() - reference.keys())
    if missing or extra:
        raise UpdateRefusedError(
            f"{len(missing)} tensors are missing and {len(extra)} unknown ({(missing + extra)[0]} …)"
        )
    for name, expected in reference.items():
        tensor = update[name]
        if tensor.shape != expected.shape:
            raise UpdateRefusedError(f"tensor {name} has shape {tensor.shape} instead of {expected.shape}")
        if tensor.dtype != expected.dtype:
            raise UpdateRefusedError(f"tensor {name} has dtype {tensor.dtype} instead of {expected.dtype}")
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise UpdateRefusedError(f"tensor {name} has values that are not finite numbers")


class WeightedAverage:
    """The running case-weighted average of site updates; see the module's text.

    `reference` is the global model that the sites started from; its names, shapes and dtypes are what updates must
    have, and its rows stand in where no site has a structure.
    """

    def __init__(self, reference: Weights, output_rows: OutputRows | None = None) -> None:
        self._reference = reference
        self._rows = output_rows or {}
        for name, structures in self._rows.items():
            if len(structures) != reference[name].shape[0]:
                raise ValueError(f"tensor {name} has {reference[name].shape[0]} rows for {len(structures)} structures")
        self._sums: Weights = {}
        self._weights: dict[str, np.ndarray | float] = {}
        self.sites = 0

    def add(self, update: Weights, cases: CaseCounts) -> None:
        """Take in one site's validated update. Raises UpdateRefusedError if it has no labelled case."""
        if cases.total < 1:
            raise UpdateRefusedError("it has no labelled case")
        for name, tensor in update.items():
            if tensor.dtype.kind == "f":
                self._add_float(name, tensor, cases)
            elif name in self._sums:
                np.maximum(self._sums[name], tensor, out=self._sums[name])
            else:
                self._sums[name] = tensor.copy()
        self.sites += 1

    def _add_float(self, name: str, tensor: np.ndarray, cases: CaseCounts) -> None:
        weight = self._weight(name, tensor, cases)
        if name not in self._sums:
            self._sums[name] = np.zeros(tensor.shape, np.float64)
            self._weights[name] = np.zeros_like(weight)
        self._sums[name] += tensor * weight
        self._weights[name] = self._weights[name] + weight

    def _weight(self, name: str, tensor: np.ndarray, cases: CaseCounts) -> np.ndarray:
        """Labelled cases: a scalar for the body, a column along the first axis for an output tensor."""
        if name not in self._rows:
            return np.float64(cases.total)
        counts = np.array([cases.by_structure.get(structure, 0) for structure in self._rows[name]], np.float64)
        return counts.reshape(-1, *[1] * (tensor.ndim - 1))

    def result(self) -> Weights:
        """The average in the reference's dtypes. Raises ValueError if no site was added."""
        if not self.sites:
            raise ValueError("no update to average")
        averaged = {}
        for name, reference in self._reference.items():
            if reference.dtype.kind != "f":
                averaged[name] = self._sums[name]
                continue
            weight = np.asarray(self._weights[name])
            mean = self._sums[name] / np.where(weight > 0, weight, 1.0)
            averaged[name] = np.where(weight > 0, mean, reference).astype(reference.dtype)
        return averaged
