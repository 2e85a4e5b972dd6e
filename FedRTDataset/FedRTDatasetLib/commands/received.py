"""`fedrt dataset received`: what was received from PACS and DICOMweb servers, and how to be rid of it."""

import argparse
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    received = commands.add_parser(
        "received", help="show or delete what was received from a PACS (identified data)", parents=[common_options()]
    )
    received.add_argument("--cache", type=Path, metavar="DIR", help="the folder that was named with --cache")
    received.add_argument("--clear", action="store_true", help="delete all of it, for example once a dataset is built")
    received.set_defaults(run=run_received)


def run_received(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset received`."""
    from ..sources.cache import amount, clear, default_cache_folder

    root = args.cache or default_cache_folder()
    files, size = clear(root) if args.clear else amount(root)
    report.info(f"{root}: {files} files, {size / 1e6:.1f} MB{' deleted' if args.clear else ''}")
    report.event("received", folder=str(root), files=files, bytes=size, deleted=args.clear)
