"""`fedrt dataset check`: is a dataset whole and plausible."""

import argparse
from pathlib import Path

from .commandline import common_options
from .reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    check = commands.add_parser(
        "check", help="verify a dataset's files against their checksums", parents=[common_options()]
    )
    check.add_argument("dataset", type=Path)
    check.set_defaults(run=run_check)


def run_check(args: argparse.Namespace, report: Reporter) -> int:
    """`fedrt dataset check`: exit code 1 when a case does not match its checksums."""
    from .dataset import Dataset, file_sha256

    dataset = Dataset.open(args.dataset)
    damaged = 0
    for done, case in enumerate(dataset.cases):
        report.progress("check", done, len(dataset.cases))
        for name, digest in case.sha256.items():
            if file_sha256(case.folder / name) != digest:
                damaged += 1
                report.warning(
                    f"case {case.id}: {name} was changed after it was built: delete the case folder and build again."
                )
    report.progress("check", len(dataset.cases), len(dataset.cases))
    report.info(f"{len(dataset.cases)} cases, {damaged} damaged files")
    return 1 if damaged else 0
