"""`fedrt dataset names`: how ROI names map to TG-263."""

import argparse
from collections import Counter
from pathlib import Path

from .commandline import common_options
from .reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    names = commands.add_parser("names", help="show and write how ROI names map to TG-263", parents=[common_options()])
    names.add_argument("source", nargs="+", type=Path)
    names.add_argument("--map", type=Path, help="CSV to write for review; decisions already in it are kept")
    names.set_defaults(run=run_names)


def run_names(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset names`."""
    from .dicom_index import index_folders
    from .names import NameMap

    index = index_folders(args.source, report)
    names = NameMap.load(args.map) if args.map and args.map.exists() else NameMap()
    names.merge(roi_counts(index))
    if args.map:
        names.save(args.map)
        report.info(f"{args.map} written: review it, set status to approved or ignored, then build with --map.")
    rows = [
        {"roi_name": roi, "count": count, "tg263_name": names.lookup(roi), "status": names.entries[roi].status}
        for roi, count in sorted(roi_counts(index).items())
    ]
    report.event("names", names=rows)
    if args.progress != "json":
        for row in rows:
            print(f"{row['count']:5d}  {row['roi_name']:<32}  {row['tg263_name'] or '(not used)':<20}  {row['status']}")


def roi_counts(index) -> Counter:
    """How often each ROI name occurs; names that hold the patient's identity are left out of the map."""
    from .privacy import without_identity

    return Counter(
        name
        for rt in index.structure_sets.values()
        for name in rt.roi_names
        if name and without_identity(name, rt.patient_id, rt.patient_name) == name
    )
