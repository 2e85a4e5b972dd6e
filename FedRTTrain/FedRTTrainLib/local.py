"""Train on a hospital's own datasets from start to finish: steps, validation, checkpoints, curves, test, model folder."""

from pathlib import Path

from FedRTDatasetLib.atomic import write_json
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.storage.dataset import Dataset

from .curves import Curves
from .evaluate import evaluate, evaluate_cached
from .metrics import SplitScores
from .model import (
    Lineage,
    ModelCard,
    TrainingSummary,
    load_card,
    load_model,
    refuse_other_content,
    save_model,
    software_versions,
)
from .settings import TrainSettings
from .state import TrainState
from .stopping import stop_on_signals
from .training import load_checkpoint, new_state, save_checkpoint, train_steps, union_of_structures

TRAIN_SAMPLE = 2
"""Training cases that are measured as a whole beside the validation cases."""


def train_locally(
    datasets: list[Dataset],
    settings: TrainSettings,
    out: Path | str,
    structures: tuple[Structure, ...] | None = None,
    cache_dir: Path | str | None = None,
    report: Reporter | None = None,
) -> ModelCard:
    """Train, validate, test and write the model folder `out`; returns its card.

    Checkpoints, curves and the cache are kept in the folder `<out>.work`; started again, an interrupted training goes on
    from its last checkpoint and a finished one is left as it is. Raises KeyboardInterrupt, after a checkpoint, when the
    process was told to stop.
    """
    report = report or Reporter()
    out = Path(out)
    refuse_other_content(out)
    work = out.with_name(out.name + ".work")
    state = new_state(settings, datasets, structures, cache_dir or work / "cache", report)
    _warn_about_structures(state, datasets, report)
    resumed = load_checkpoint(state, work / "checkpoint")
    if resumed and state.step >= settings.steps and (out / "model.json").is_file():
        report.info(f"{out} is already trained")
        return load_card(out)
    curves = Curves(work, state.names, state.step)
    report.event("training", device=state.device.type, precision=state.precision, step=state.step, steps=settings.steps)
    while state.step < settings.steps:
        _to_next_validation(state, work, curves, report)
    card = save_model(out, state.network.state_dict(), _card(state, curves))
    if not any(dataset.split("test") for dataset in datasets):
        report.warning("no case is in the test split; the model has no test scores")
        return card
    network, card = load_model(out)  # what is tested is what was written
    evaluation = evaluate(network, card, datasets, "test", report)
    write_json(work / "test.json", evaluation.model_dump(mode="json"))
    curves.event("test", **evaluation.scores.model_dump(mode="json"))
    card = card.model_copy(update={"metrics": {**card.metrics, "test": evaluation.scores}})
    return save_model(out, network.state_dict(), card)


def _to_next_validation(state: TrainState, work: Path, curves: Curves, report: Reporter) -> None:
    settings = state.settings
    wanted = min(settings.validation_every - state.step % settings.validation_every, settings.steps - state.step)
    with stop_on_signals() as stop:
        summary = train_steps(state, wanted, report, stop)
        if stop.requested:
            save_checkpoint(state, work / "checkpoint")
            curves.event("stopped", step=state.step)
            raise KeyboardInterrupt
    row = curves.add(state.step, summary, validate(state))
    save_checkpoint(state, work / "checkpoint")
    report.event("validation", **row)
    report.info(_line(row, settings.steps))


def validate(state: TrainState) -> dict[str, tuple[SplitScores, float | None]]:
    """Scores and loss of the validation cases and of a few training cases, by split."""
    step = max(1, len(state.cases) // TRAIN_SAMPLE)
    sample = state.cases[::step][:TRAIN_SAMPLE]
    return {
        split: evaluate_cached(state.network, cases, state.names, state.settings.patch_size, state.precision)
        for split, cases in (("train", sample), ("validation", state.validation))
    }


def _card(state: TrainState, curves: Curves) -> ModelCard:
    return ModelCard(
        network=state.settings.network,
        structures=state.structures,
        processing=state.processing,
        patch_size=state.settings.patch_size,
        training=TrainingSummary(
            steps=state.step, cases=len(state.cases), labelled_cases=state.labelled_cases(), seconds=curves.seconds
        ),
        metrics={split: scores for split, (scores, _) in validate(state).items() if scores.cases},
        lineage=Lineage(software=software_versions()),
    )


def _warn_about_structures(state: TrainState, datasets: list[Dataset], report: Reporter) -> None:
    for name, count in state.labelled_cases().items():
        if not count:
            report.warning(f"no training case is contoured for {name}; the model will not know it")
    taught = {name for dataset in datasets for case in dataset.split("train") for name in case.labelled}
    for structure in union_of_structures(datasets):
        if structure.name not in taught and structure.name not in state.names:
            report.warning(f"{structure.name} is not part of the model: no training case is contoured for it")


def _line(row: dict, steps: int) -> str:
    parts = [f"step {row['step']}/{steps}", f"loss {row['train_patch_loss']:.3f}"]
    if row.get("validation_dice") is not None:
        parts.append(f"validation Dice {row['validation_dice']:.3f}, HD95 {row['validation_hd95_mm']:.1f} mm")
    return "  ".join(parts)
