"""How good a contour is: Dice, Hausdorff distance at 95 %, and how often a structure was missed or made up.

Rules, the same everywhere in FedRT:
- Unlabelled: the case was not contoured for the structure; it says nothing about the prediction and is left out.
- Missed (drawn, not predicted) and spurious (predicted, drawn as empty) count: Dice 0 and the HD95 penalty, which is
  the diagonal of the image in mm. They never drop out of a mean.
- Both empty: nothing to measure; not counted in the means, reported as such.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from .settings import Frozen
from .surface import Surface, bounding_box, distances, surface_of

Count = Annotated[int, Field(ge=0)]
Outcome = Literal["found", "missed", "spurious", "both empty", "unlabelled"]


class StructureResult(Frozen):
    """One structure in one case."""

    outcome: Outcome
    dice: float | None = None
    hd95_mm: float | None = None


class StructureScores(Frozen):
    """Means of one structure over the cases that count (found, missed or spurious)."""

    dice: float | None
    hd95_mm: float | None
    cases: Count
    missed: Count
    spurious: Count
    both_empty: Count


class SplitScores(Frozen):
    """Scores of a set of cases; `dice` and `hd95_mm` are the means over the structures that have any case."""

    cases: Count
    dice: float | None
    hd95_mm: float | None
    structures: dict[str, StructureScores]


@dataclass(frozen=True)
class SurfaceDistances:
    """Two surfaces and how far each element is from the other surface, mm."""

    first: Surface
    second: Surface
    to_second: np.ndarray
    to_first: np.ndarray

    def hd95(self) -> float:
        """The larger of the two distances, one for each direction, within which 95 % of the surface's area lies."""
        return max(
            _area_quantile(self.to_second, self.first.areas, 0.95),
            _area_quantile(self.to_first, self.second.areas, 0.95),
        )

    def assd(self) -> float:
        """Mean distance over the area of both surfaces."""
        weighted = (self.to_second * self.first.areas).sum() + (self.to_first * self.second.areas).sum()
        return float(weighted / (self.first.areas.sum() + self.second.areas.sum()))


def dice(prediction: np.ndarray, truth: np.ndarray) -> float | None:
    """Overlap of two masks of the same shape, 0 to 1; None if both are empty."""
    prediction, truth = prediction.astype(bool, copy=False), truth.astype(bool, copy=False)
    size = np.count_nonzero(prediction) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(prediction & truth) / size if size else None


def surface_distances(
    prediction: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float]
) -> SurfaceDistances:
    """Distances between the surfaces of two (z, y, x) masks, neither empty; `spacing_mm` is (x, y, z)."""
    first, second = surface_of(prediction, spacing_mm), surface_of(truth, spacing_mm)
    return SurfaceDistances(first, second, *distances(first, second))


def evaluate_case(
    prediction: np.ndarray,
    truth: np.ndarray,
    labelled: np.ndarray,
    names: tuple[str, ...],
    spacing_mm: tuple[float, float, float],
) -> dict[str, StructureResult]:
    """Compare masks (S, z, y, x), structure by structure; `labelled` is bool (S,), `spacing_mm` is (x, y, z)."""
    penalty = image_diagonal(truth.shape[1:], spacing_mm)
    return {
        name: _compare(prediction[s], truth[s], spacing_mm, penalty)
        if labelled[s]
        else StructureResult(outcome="unlabelled")
        for s, name in enumerate(names)
    }


def image_diagonal(shape: tuple[int, ...], spacing_mm: tuple[float, float, float]) -> float:
    """Length in mm of the diagonal of a (z, y, x) image: the HD95 of a missed or spurious structure."""
    return math.dist((0, 0, 0), [n * step for n, step in zip(shape, spacing_mm[::-1], strict=True)])


def summarise(cases: list[dict[str, StructureResult]], names: tuple[str, ...]) -> SplitScores:
    """Means over cases, then over structures."""
    structures = {name: _structure_scores([case[name] for case in cases if name in case]) for name in names}
    return SplitScores(
        cases=len(cases),
        dice=_mean([scores.dice for scores in structures.values()]),
        hd95_mm=_mean([scores.hd95_mm for scores in structures.values()]),
        structures=structures,
    )


def _compare(prediction, truth, spacing_mm, penalty: float) -> StructureResult:
    in_prediction, in_truth = bounding_box(prediction), bounding_box(truth)
    if in_prediction is None and in_truth is None:
        return StructureResult(outcome="both empty")
    if in_prediction is None or in_truth is None:
        outcome = "missed" if in_prediction is None else "spurious"
        return StructureResult(outcome=outcome, dice=0.0, hd95_mm=penalty)
    joint = tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(in_prediction, in_truth, strict=True)
    )
    prediction, truth = prediction[joint], truth[joint]
    return StructureResult(
        outcome="found",
        dice=dice(prediction, truth),
        hd95_mm=surface_distances(prediction, truth, spacing_mm).hd95(),
    )


def _structure_scores(results: list[StructureResult]) -> StructureScores:
    outcomes = [result.outcome for result in results]
    return StructureScores(
        dice=_mean([result.dice for result in results]),
        hd95_mm=_mean([result.hd95_mm for result in results]),
        cases=sum(outcome in ("found", "missed", "spurious") for outcome in outcomes),
        missed=outcomes.count("missed"),
        spurious=outcomes.count("spurious"),
        both_empty=outcomes.count("both empty"),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _area_quantile(values: np.ndarray, areas: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    covered = np.cumsum(areas[order])
    return float(values[order[min(np.searchsorted(covered, share * covered[-1]), len(order) - 1)]])
