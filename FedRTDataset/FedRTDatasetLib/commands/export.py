"""`fedrt dataset export`: a dataset for other tools."""

import argparse
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add it to the parser of `fedrt dataset`."""
    export = commands.add_parser("export", help="write a dataset for other tools", parents=[common_options()])
    export.add_argument("dataset", type=Path)
    export.add_argument("--format", choices=("nnunet",), required=True, help="nnunet: an nnU-Net v2 raw dataset")
    export.add_argument("--out", type=Path, required=True, help="folder to write, nnUNet_raw/Dataset<NNN>_<Name>")
    export.add_argument("--structures", nargs="+", metavar="NAME", help="TG-263 names, in label order (default: all)")
    export.add_argument(
        "--unlabelled", choices=("ignore", "skip"), default="ignore",
        help="cases not contoured for every structure: give unknown voxels the ignore label (default), or leave them out",
    )  # fmt: skip
    export.set_defaults(run=run_export)


def run_export(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset export`."""
    import re

    from ..storage.dataset import Dataset
    from ..storage.export_nnunet import export_nnunet

    dataset = Dataset.open(args.dataset)
    exported = export_nnunet(dataset, args.out, structures=args.structures, unlabelled=args.unlabelled, report=report)
    for case, reason in exported.left_out.items():
        report.warning(f"case {case} is not exported: {reason}.")
    if not re.fullmatch(r"Dataset\d{3}_\w+", args.out.resolve().name):
        report.warning(f"nnU-Net takes folders called Dataset<three digits>_<name> only: rename {args.out}.")
    if exported.table.has_overlaps:
        report.info("Structures overlap: they are regions, made of one label for each combination (export.json).")
    if exported.table.ignore:
        report.info("Not every case is contoured for every structure: voxels where one might be have the ignore label.")
    report.info(f"{args.out}: {len(exported.training)} training and {len(exported.test)} test cases")
    report.event("exported", training=len(exported.training), test=len(exported.test), left_out=len(exported.left_out))
