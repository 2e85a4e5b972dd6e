"""`fedrt train` and `fedrt evaluate`."""

import argparse
import json
import sys
from pathlib import Path

from FedRTDatasetLib.commandline import common_options


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add this room's commands to the `fedrt` parser."""
    train = subparsers.add_parser("train", parents=[common_options()], help="train a contouring model on datasets")
    train.add_argument("datasets", nargs="+", type=Path, metavar="DATASET", help="dataset folders, processed alike")
    train.add_argument(
        "--config", default="quick", metavar="FILE.toml", help="settings file or preset name (%(default)s)"
    )
    train.add_argument("--out", required=True, type=Path, metavar="MODEL", help="model folder to write")
    train.add_argument("--structures", metavar="NAME,NAME", help="structures to learn (default: all of the datasets)")
    train.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder for the training cache (default: MODEL.work/cache)"
    )
    train.set_defaults(run=_train)

    evaluate = subparsers.add_parser("evaluate", parents=[common_options()], help="measure a model on datasets")
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="model folder")
    evaluate.add_argument("datasets", nargs="+", type=Path, metavar="DATASET", help="dataset folders")
    evaluate.add_argument("--split", choices=("train", "validation", "test"), default="test")
    evaluate.add_argument("--out", type=Path, metavar="FILE.json", help="file for the results")
    evaluate.add_argument("--json", action="store_true", help="print the results as JSON on stdout")
    evaluate.set_defaults(run=_evaluate)


def _train(args: argparse.Namespace, report) -> None:
    from .settings import read_settings

    settings = read_settings(args.config)  # before the slow imports, so that a mistake is told at once
    from FedRTDatasetLib.storage.dataset import Dataset

    from .local import train_locally

    datasets = [Dataset.open(path) for path in args.datasets]
    structures = _structures(args.structures, datasets)
    card = train_locally(datasets, settings, args.out, structures, args.cache, report)
    if "test" in card.metrics:
        _tell(card.metrics["test"], report)


def _evaluate(args: argparse.Namespace, report) -> None:
    from FedRTDatasetLib.atomic import write_text
    from FedRTDatasetLib.storage.dataset import Dataset

    from .evaluate import evaluate
    from .model import load_model

    network, card = load_model(args.model)
    evaluation = evaluate(network, card, [Dataset.open(path) for path in args.datasets], args.split, report)
    text = json.dumps(evaluation.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    if args.out:
        write_text(args.out, text)
    if args.json:
        sys.stdout.write(text)
    _tell(evaluation.scores, report)


def _structures(names: str | None, datasets):
    """The structures asked for, with the datasets' codes and colours; None for all."""
    if names is None:
        return None
    from FedRTDatasetLib.errors import FedRTError

    known = {structure.name: structure for dataset in datasets for structure in reversed(dataset.structures)}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise FedRTError(
            f"--structures: the datasets have no {', '.join(unknown)}; they have {', '.join(sorted(known))}"
        )
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _tell(scores, report) -> None:
    for name, structure in scores.structures.items():
        if structure.cases:
            report.info(
                f"{name}: Dice {structure.dice:.3f}, HD95 {structure.hd95_mm:.1f} mm over {structure.cases} cases, "
                f"{structure.missed} missed, {structure.spurious} spurious"
            )
    if scores.dice is not None:
        report.info(f"mean: Dice {scores.dice:.3f}, HD95 {scores.hd95_mm:.1f} mm")
