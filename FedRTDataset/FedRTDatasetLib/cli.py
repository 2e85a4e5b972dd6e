"""The data room's commands, one file a command or group of them in `commands`."""

import argparse

from .commands import build, check, deidentify, dvh, export, index, names, phantom, received, rtstruct, versions


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add this room's commands to the `fedrt` parser."""
    dataset = subparsers.add_parser("dataset", help="DICOM to de-identified, harmonised datasets")
    actions = dataset.add_subparsers(metavar="ACTION", required=True)
    for command in (index, names, build, check, versions, export, received):
        command.add_commands(actions)
    for command in (deidentify, dvh, rtstruct, phantom):
        command.add_commands(subparsers)
