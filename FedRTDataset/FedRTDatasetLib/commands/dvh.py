"""`fedrt dvh`: dose-volume histograms and the values read off them."""

import argparse
import json
from pathlib import Path

from ..commandline import common_options
from ..errors import FedRTError
from ..reporting import Reporter

END_CAPS = ("rounded", "half", "none")  # as `dosimetry.sections.END_CAPS`, which is not read for `--help`
EPILOG = """FILE gets one row a structure; the curves go beside it as FILE's name with .curves.csv. Values: D95%, D2cc (Gy),
V20Gy, V95% (of the prescribed dose; percent of the volume), V20Gy[cc] (cm3). End caps: how a structure goes on beyond its
first and last contour; rounded: along the course of its sections, at most half a slice where that does not end it; half:
half a slice; none."""


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add it to the `fedrt` parser."""
    dvh = subparsers.add_parser(
        "dvh", help="dose-volume histograms and metrics", epilog=EPILOG, parents=[common_options()]
    )
    dvh.add_argument("images", type=Path, help="folder of the image series the structures were drawn on")
    dvh.add_argument("rtstruct", type=Path)
    dvh.add_argument("dose", nargs="+", type=Path, help="RTDOSE files, or folders; RTPLAN files tell the prescription")
    dvh.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    dvh.add_argument("--json", action="store_true", help="print values and curves as JSON on stdout")
    dvh.add_argument("--html", type=Path, metavar="FILE.html", help="a page with the curves and values")
    dvh.add_argument("--svg", type=Path, metavar="FILE.svg", help="the curves as a picture")
    dvh.add_argument("--structures", nargs="+", default=[], metavar="ROI", help="only these ROIs")
    dvh.add_argument(
        "--targets", nargs="+", default=[], metavar="ROI", help="ROIs whose conformity and homogeneity to tell"
    )
    dvh.add_argument(
        "--metrics", nargs="+", default=[], metavar="NAME", help="values to tell instead of the usual ones"
    )
    dvh.add_argument("--eud", nargs="+", type=float, default=[], metavar="A", help="generalised EUD with parameter a")
    dvh.add_argument("--prescription", type=float, metavar="GY", help="prescribed dose, where no RTPLAN tells it")
    dvh.add_argument("--end-caps", choices=END_CAPS, default="rounded")
    dvh.add_argument("--bin", type=float, default=0.1, metavar="GY", help="width of the curves' bins (default 0.1)")
    dvh.add_argument(
        "--sum", action="store_true", help="the doses of several plans are given one after the other: add them"
    )
    dvh.add_argument("--any-frame", action="store_true", help="take doses in another frame of reference")
    dvh.set_defaults(run=run_dvh)


def run_dvh(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dvh`."""
    from ..dosimetry.dvh_files import (
        as_json,
        chart,
        curves_path,
        write_curves,
        write_page,
        write_values,
    )
    from ..dosimetry.dvh_table import DvhOptions, dvh_table

    if not 0.001 <= args.bin <= 100:
        raise FedRTError("--bin is to be between 0.001 and 100 Gy.")
    if args.prescription is not None and not args.prescription > 0:
        raise FedRTError("--prescription is to be a dose in Gy above 0.")
    if 0 in args.eud:
        raise FedRTError("--eud takes any number but 0.")
    options = DvhOptions(
        tuple(args.structures), tuple(args.targets), tuple(args.metrics), tuple(args.eud), args.prescription,
        args.end_caps, args.sum, args.any_frame,
    )  # fmt: skip
    dvhs = dvh_table(args.images, args.rtstruct, args.dose, options, report)
    write_values(args.out, dvhs)
    write_curves(curves_path(args.out), dvhs, args.bin)
    if args.html:
        write_page(args.html, dvhs)
    if args.svg:
        from ..atomic import write_text

        write_text(args.svg, chart(dvhs))
    if args.json:
        print(json.dumps(as_json(dvhs, args.bin), ensure_ascii=False, indent=2))
        return
    for note in dvhs.notes:
        report.warning(note)
    report.info(f"{len(dvhs.rows)} histograms: {args.out}, curves in {curves_path(args.out)}")
    report.event("dvh", rows=len(dvhs.rows), notes=dvhs.notes)
