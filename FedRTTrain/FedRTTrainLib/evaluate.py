"""Measure a model on the cases of a dataset's split."""

from typing import Literal

import numpy as np
import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.storage.dataset import Dataset, read_image, read_structures

from .cache import CachedCase
from .losses import masked_loss
from .metrics import SplitScores, StructureResult, evaluate_case, summarise
from .model import ModelCard
from .network import SegmentationNetwork
from .predict import predict_masks, predict_probabilities
from .settings import Frozen, Loss

Split = Literal["train", "validation", "test"]


class DatasetEvaluation(Frozen):
    """The cases of one dataset's split and their means."""

    dataset: str
    scores: SplitScores
    cases: dict[str, dict[str, StructureResult]]
    """By case id, then by structure."""


class Evaluation(Frozen):
    """What `evaluate` found; `scores` is over the cases of all datasets."""

    model: str
    """The model's hash."""
    split: Split
    scores: SplitScores
    datasets: tuple[DatasetEvaluation, ...]


def evaluate(
    network: SegmentationNetwork,
    card: ModelCard,
    datasets: list[Dataset],
    split: Split = "test",
    report: Reporter | None = None,
) -> Evaluation:
    """Predict every case of `split` and compare with its structures, on the harmonised grid.

    Raises FedRTError if a dataset was processed in another way than the model needs, or has no case in the split.
    """
    report = report or Reporter()
    for dataset in datasets:
        check_processing(card, dataset)
    cases = [(dataset, case) for dataset in datasets for case in dataset.split(split)]
    if not cases:
        raise FedRTError(f"{', '.join(str(d.path) for d in datasets)}: no case is in the {split} split; choose another")
    results: dict[str, dict[str, dict[str, StructureResult]]] = {str(d.path): {} for d in datasets}
    for done, (dataset, case) in enumerate(cases):
        report.progress("evaluating", done, len(cases))
        masks, labelled = read_structures(case, card.names)
        image = _array(read_image(case))
        prediction = predict_masks(network, image, card.patch_size)
        results[str(dataset.path)][case.id] = evaluate_case(
            prediction, masks, labelled, card.names, case.grid.spacing_mm
        )
    report.progress("evaluating", len(cases), len(cases))
    return Evaluation(
        model=card.sha256,
        split=split,
        scores=summarise([case for found in results.values() for case in found.values()], card.names),
        datasets=tuple(
            DatasetEvaluation(
                dataset=dataset.name,
                scores=summarise(list(results[str(dataset.path)].values()), card.names),
                cases=results[str(dataset.path)],
            )
            for dataset in datasets
        ),
    )


def evaluate_cached(
    network: SegmentationNetwork, cases: tuple[CachedCase, ...], names: tuple[str, ...], patch_size, precision: str
) -> tuple[SplitScores, float | None]:
    """Scores of some cached cases and the mean loss over them, for watching a training; None without a case."""
    results, losses = [], []
    for case in cases:
        masks, labelled = case.masks(names)
        probability = predict_probabilities(network, case.float_image(), patch_size, precision=precision)
        results.append(evaluate_case(probability >= 0.5, masks, labelled, names, case.spacing_mm))
        losses.append(_loss(probability, masks, labelled))
    return summarise(results, names), float(np.mean(losses)) if losses else None


def check_processing(card: ModelCard, dataset: Dataset) -> None:
    """Raise FedRTError unless the dataset's images are what the model was trained for."""
    needed, found = card.processing.model_dump(), dataset.processing.model_dump()
    different = sorted(key for key in needed if needed[key] != found[key])
    if different:
        raise FedRTError(
            f"{dataset.path} was processed in another way than the model needs ({', '.join(different)}); "
            "build the dataset with the processing stated in the model's model.json"
        )


def _loss(probability: np.ndarray, masks: np.ndarray, labelled: np.ndarray) -> float:
    logits = torch.from_numpy(probability.astype(np.float32)).clamp_(1e-4, 1 - 1e-4).logit_()
    target, known = torch.from_numpy(masks)[None], torch.from_numpy(labelled)[None]
    return float(masked_loss(logits[None], target, known, Loss())[0])


def _array(image) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(image)
