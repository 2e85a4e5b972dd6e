"""The training loop: one state and one function that takes it n steps further.

Local training calls `train_steps` until all steps are done; a federated round is set_weights, `train_steps`,
get_weights. Everything random is a function of seed and step, and the learning rate of the step, so the state consists
of the weights, AdamW's moments and the step number.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.preprocess import Processing
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.storage.dataset import CaseRecord, Dataset

from .cache import cached_cases
from .checkpoint import load_checkpoint, save_checkpoint
from .losses import masked_loss
from .network import build_network
from .precision import autocast, choose_device, choose_precision
from .sampling import check_size, draw_batch
from .schedule import one_cycle
from .settings import TrainSettings
from .state import TrainState

__all__ = ["StepSummary", "TrainState", "load_checkpoint", "new_state", "save_checkpoint", "train_steps"]


@dataclass(frozen=True)
class StepSummary:
    """What some training steps amounted to."""

    steps: int
    loss: float
    """Mean over the steps."""
    dice: dict[str, float]
    """Soft Dice on the training patches by structure, mean over the steps that had it labelled; others are left out."""
    seconds: float
    learning_rate: float
    """Of the last step."""


def new_state(
    settings: TrainSettings,
    datasets: list[Dataset],
    structures: tuple[Structure, ...] | None = None,
    cache_dir: Path | str = "cache",
    report: Reporter | None = None,
) -> TrainState:
    """A training at step 0 on the train split of `datasets`.

    `structures` are the output channels; by default all that a training case is contoured for, sorted by name. The first call
    writes the memory-mapped cache of the cases into `cache_dir`. Raises FedRTError if the datasets were not processed
    alike, or none of their training cases is contoured for any of the structures.
    """
    if not datasets:
        raise FedRTError("no dataset given to train on")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    processing = common_processing(datasets)
    structures = tuple(structures) if structures else taught_structures(datasets)
    names = {structure.name for structure in structures}
    train, validation = (
        cached_cases(_labelled(datasets, split, names), cache_dir, report) for split in ("train", "validation")
    )
    if not train:
        raise FedRTError(
            f"{', '.join(str(dataset.path) for dataset in datasets)}: no training case is contoured for any of "
            f"{', '.join(sorted(names))}; check the structure names and the split of the dataset"
        )
    check_size(settings, train)
    device = choose_device(settings)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = build_network(settings.network, len(structures)).to(device)
    return TrainState(
        settings=settings,
        structures=structures,
        processing=processing,
        cases=train,
        validation=validation,
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), weight_decay=settings.optimizer.weight_decay, fused=True),
        device=device,
        precision=choose_precision(settings, device),
    )


def train_steps(
    state: TrainState, n: int, report: Reporter | None = None, stop: Callable[[], bool] = lambda: False
) -> StepSummary:
    """Take `state` n optimiser steps further and say how they went; `stop`, asked after each step, ends it early.

    Raises FedRTError if the loss stops being a number; the state is then of no use, but its last checkpoint is.
    """
    if n < 1:
        raise ValueError("n must be at least 1")
    report = report or Reporter()
    start = shown = time.perf_counter()
    losses, dices = [], []
    state.network.train()
    with torch.random.fork_rng():  # for dropout, the one thing that draws from torch's global numbers
        for done in range(1, n + 1):
            loss, dice = _step(state)
            losses.append(loss)
            dices.append(dice)
            last = done == n or stop()
            if last or time.perf_counter() - shown > 0.25:
                report.progress("training", state.step, state.settings.steps)
                shown = time.perf_counter()
            if last:
                break
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise FedRTError(
            f"the training loss is not a number any more (before step {state.step}); lower optimizer.learning_rate"
        )
    dice = torch.stack(dices).nanmean(0).tolist()
    return StepSummary(
        steps=len(losses),
        loss=loss,
        dice={name: value for name, value in zip(state.names, dice, strict=True) if math.isfinite(value)},
        seconds=time.perf_counter() - start,
        learning_rate=state.optimizer.param_groups[0]["lr"],
    )


def _step(state: TrainState) -> tuple[torch.Tensor, torch.Tensor]:
    settings = state.settings
    torch.manual_seed(settings.seed * 1_000_003 + state.step)
    for group in state.optimizer.param_groups:
        group["lr"], momentum = one_cycle(
            state.step, settings.steps, settings.optimizer.learning_rate, settings.optimizer.warmup_fraction
        )
        group["betas"] = (momentum, group["betas"][1])
    batch = draw_batch(state.cases, state.names, settings, state.step, state.device)
    with autocast(state.precision, state.device):
        logits = state.network(batch.image)
    loss, dice = masked_loss(logits, batch.target, batch.labelled, settings.loss)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), settings.optimizer.clip_norm)
    state.optimizer.step()
    state.step += 1
    return loss.detach(), dice


def _labelled(datasets: list[Dataset], split: str, names: set[str]) -> list[CaseRecord]:
    return [case for dataset in datasets for case in dataset.split(split) if names & set(case.labelled)]


def common_processing(datasets: list[Dataset]) -> Processing:
    """The processing all datasets share. Raises FedRTError that names the first difference."""
    first = datasets[0]
    for other in datasets[1:]:
        mine, theirs = first.processing.model_dump(), other.processing.model_dump()
        different = sorted(key for key in mine if mine[key] != theirs.get(key))
        if different:
            raise FedRTError(
                f"{other.path} and {first.path} were processed differently ({', '.join(different)}); "
                "build both with the same processing settings"
            )
    return first.processing


def taught_structures(datasets: list[Dataset]) -> tuple[Structure, ...]:
    """The structures that at least one training case is contoured for (all, if there is none: `new_state` then refuses).

    An output that was never taught would draw noise under an organ's name.
    """
    taught = {name for dataset in datasets for name, count in dataset.labelled_cases("train").items() if count}
    every = union_of_structures(datasets)
    return tuple(structure for structure in every if structure.name in taught) or every


def union_of_structures(datasets: list[Dataset]) -> tuple[Structure, ...]:
    """Every structure of the datasets once, sorted by name; the first dataset's code and colour count."""
    found = {}
    for dataset in datasets:
        for structure in dataset.structures:
            found.setdefault(structure.name, structure)
    return tuple(found[name] for name in sorted(found))
