"""`fedrt rtstruct`: RTSTRUCT to Slicer segmentation and back."""

import argparse
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the `fedrt` parser."""
    rtstruct = commands.add_parser("rtstruct", help="RTSTRUCT to Slicer segmentation and back")
    actions = rtstruct.add_subparsers(metavar="ACTION", required=True)
    to_seg = actions.add_parser("to-seg", help="RTSTRUCT to .seg.nrrd", parents=[common_options()])
    to_seg.add_argument("images", type=Path, help="folder of the image series")
    to_seg.add_argument("rtstruct", type=Path)
    to_seg.add_argument("--out", type=Path, required=True)
    to_seg.set_defaults(run=run_to_seg)

    from_seg = actions.add_parser("from-seg", help=".seg.nrrd to RTSTRUCT", parents=[common_options()])
    from_seg.add_argument("segmentation", type=Path)
    from_seg.add_argument("--reference", type=Path, required=True, help="folder of the image series it belongs to")
    from_seg.add_argument("--out", type=Path, required=True)
    from_seg.set_defaults(run=run_from_seg)


def run_to_seg(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt rtstruct to-seg`."""
    from ..storage.convert import contours_beside, rtstruct_to_segmentation

    for note in rtstruct_to_segmentation(args.images, args.rtstruct, args.out, report):
        report.warning(note)
    report.info(f"{args.out} written, the contours as drawn beside it in {contours_beside(args.out).name}")


def run_from_seg(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt rtstruct from-seg`."""
    from ..storage.convert import segmentation_to_rtstruct

    for note in segmentation_to_rtstruct(args.segmentation, args.reference, args.out, report):
        report.info(note)
    report.info(f"{args.out} written")
