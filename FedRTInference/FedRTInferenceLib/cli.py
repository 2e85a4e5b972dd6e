"""The reading room's command: `fedrt infer`."""

import argparse
from pathlib import Path

from FedRTDatasetLib.commandline import common_options
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.sources.options import SOURCE_HELP, selection_of, selection_options


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add this room's commands to the `fedrt` parser."""
    infer = subparsers.add_parser(
        "infer",
        help="contour new images: RTSTRUCT and Slicer segmentation",
        parents=[common_options(), selection_options()],
    )
    infer.add_argument("model", type=Path, help="model folder")
    infer.add_argument("images", nargs="+", metavar="IMAGES", help=f"{SOURCE_HELP}; or volume file")
    infer.add_argument("--out", type=Path, required=True, help="folder for the results, one subfolder a series")
    infer.add_argument("--rtstruct", action="store_true", help="write RTSTRUCT (with --seg absent: only this)")
    infer.add_argument("--seg", action="store_true", help="write .seg.nrrd (neither given: both)")
    infer.add_argument("--key", type=Path, help="site key for pseudonyms (default: your configuration folder)")
    infer.add_argument("--threads", type=int, default=0, help="processor threads (default: all)")
    infer.set_defaults(run=run_infer)

    demo = subparsers.add_parser(
        "demo", help="the whole path on a generated three-hospital cohort", parents=[common_options()]
    )
    demo.add_argument("--out", type=Path, required=True, help="folder to write; started again, it goes on there")
    demo.add_argument("--patients", type=int, default=16, help="patients a hospital (default %(default)s)")
    demo.add_argument("--rounds", type=int, default=12, help="federation rounds (default %(default)s)")
    demo.add_argument("--steps", type=int, default=50, help="training steps a round (default %(default)s)")
    demo.add_argument("--seed", type=int, default=7, help="of the generated patients (default %(default)s)")
    demo.set_defaults(run=run_demo)


def run_infer(args: argparse.Namespace, report: Reporter) -> int:
    """`fedrt infer`: exit code 1 when a study could not be contoured; the others are done all the same."""
    from FedRTDatasetLib.pseudonym import SiteKey

    from .batch import contour_all
    from .predictor import Predictor

    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    both = not args.rtstruct and not args.seg
    outcomes = contour_all(
        Predictor(args.model), args.images, args.out, SiteKey.load_or_create(args.key),
        rtstruct=args.rtstruct or both, segmentation=args.seg or both, report=report,
        selection=selection_of(args), cache=args.cache, credentials=args.credentials,
    )  # fmt: skip
    failed = [outcome for outcome in outcomes if outcome.failed]
    report.info(f"{len(outcomes) - len(failed)} of {len(outcomes)} series contoured, results in {args.out}")
    report.event(
        "contoured",
        cases={outcome.case: str(outcome.folder) for outcome in outcomes if not outcome.failed},
        failed={outcome.case: outcome.failed for outcome in failed},
    )
    if failed and len(failed) == len(outcomes):
        raise FedRTError(f"none of the {len(outcomes)} series could be contoured; the first reason: {failed[0].failed}")
    return 1 if failed else 0


def run_demo(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt demo`."""
    from .demo import DemoSettings
    from .demo import run_demo as run

    settings = DemoSettings(patients=args.patients, seed=args.seed, rounds=args.rounds, steps_per_round=args.steps)
    summary = run(args.out, settings, report)
    dice = summary["dice"]
    local = ", ".join(f"{hospital} {value:.3f}" for hospital, value in dice["local"].items())
    report.info(
        f"mean Dice on unseen patients: local {local}; federated {dice['federated']:.3f}; pooled {dice['pooled']:.3f}"
    )
    report.info(f"open {args.out / 'report.html'}")
    report.event("demo", **dice)
