"""The data room's commands, one file a command or group of them (`command_*.py`)."""

import argparse
from pathlib import Path

from .commandline import common_options
from .commands import (
    build as command_build,
)
from .commands import (
    check as command_check,
)
from .commands import (
    deidentify as command_deidentify,
)
from .commands import (
    dvh as command_dvh,
)
from .commands import (
    export as command_export,
)
from .commands import (
    index as command_index,
)
from .commands import (
    names as command_names,
)
from .commands import (
    received as command_received,
)
from .commands import (
    rtstruct as command_rtstruct,
)
from .commands import (
    versions as command_versions,
)
from .reporting import Reporter


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add this room's commands to the `fedrt` parser."""
    dataset = subparsers.add_parser("dataset", help="DICOM folders to de-identified, harmonised datasets")
    actions = dataset.add_subparsers(metavar="ACTION", required=True)
    for room in (
        command_index, command_names, command_build, command_check, command_versions, command_export, command_received
    ):  # fmt: skip
        room.add_commands(actions)
    command_deidentify.add_commands(subparsers)
    command_dvh.add_commands(subparsers)
    rtstruct = subparsers.add_parser("rtstruct", help="RTSTRUCT to Slicer segmentation and back")
    command_rtstruct.add_commands(rtstruct.add_subparsers(metavar="ACTION", required=True))
    phantom = subparsers.add_parser(
        "phantom", help="write the generated three-hospital cohort as DICOM", parents=[common_options()]
    )
    phantom.add_argument("out", type=Path, help="folder to write")
    phantom.add_argument("--patients", type=int, default=16, help="patients a hospital (default 16)")
    phantom.add_argument("--seed", type=int, default=1)
    phantom.set_defaults(run=run_phantom)


def run_phantom(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt phantom`."""
    from .phantom.cohort import write_cohort

    write_cohort(args.out, patients=args.patients, seed=args.seed, report=report)
    report.info(f"{args.out} written")
