"""`fedrt phantom`: the generated three-hospital cohort."""

import argparse
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add it to the `fedrt` parser."""
    phantom = commands.add_parser(
        "phantom", help="write the generated three-hospital cohort as DICOM", parents=[common_options()]
    )
    phantom.add_argument("out", type=Path, help="folder to write")
    phantom.add_argument("--patients", type=int, default=16, help="patients a hospital (default 16)")
    phantom.add_argument("--seed", type=int, default=1)
    phantom.set_defaults(run=run_phantom)


def run_phantom(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt phantom`."""
    from ..phantom.cohort import write_cohort

    write_cohort(args.out, patients=args.patients, seed=args.seed, report=report)
    report.info(f"{args.out} written")
