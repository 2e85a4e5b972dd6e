"""`fedrt deidentify`: a de-identified copy of DICOM images and radiotherapy objects."""

import argparse
import os
from pathlib import Path

from ..commandline import common_options
from ..deidentification.profile import OPTIONS
from ..errors import FedRTError
from ..reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add it to the `fedrt` parser."""
    command = commands.add_parser(
        "deidentify",
        help="de-identified copy of DICOM images and RT objects",
        description="De-identified copies after DICOM PS3.15 Annex E, searched for everything that was removed.",
        parents=[common_options()],
    )
    command.add_argument("source", metavar="IN", type=Path, help="folder of originals (only read)")
    command.add_argument("out", metavar="OUT", type=Path, help="folder for the copies, not inside IN")
    command.add_argument(
        "--key", type=Path, help="the site's key (default: your configuration folder); keep it, share it with nobody"
    )
    command.add_argument("--config", type=Path, help="TOML: retain, descriptors, flagged, harmless_words")
    command.add_argument(
        "--retain",
        metavar="OPTION,...",
        help="options of PS3.15 to apply instead of patient-characteristics,longitudinal-modified-dates: "
        f"{', '.join(OPTIONS)}, none",
    )
    command.add_argument(
        "--descriptors", choices=("clean", "remove"), help="descriptions: keep words of the field (default), or none"
    )
    command.add_argument(
        "--flagged", choices=("skip", "keep"), help="objects that may show text in their pixels (default: skip)"
    )
    command.add_argument("--map", type=Path, help="reviewed name map: approved ROI names become their TG-263 names")
    command.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a processor core)"
    )
    command.set_defaults(run=run_deidentify)


def run_deidentify(args: argparse.Namespace, report: Reporter) -> int:
    """`fedrt deidentify`: exit code 1 when a removed value was found in a copy, which is then withheld."""
    from ..deidentification.folders import check_folders, withheld
    from ..deidentification.run import deidentify
    from ..deidentification.settings import read_settings
    from ..naming.names import NameMap
    from ..pseudonym import SiteKey, default_key_path

    retain = None if args.retain is None else [name.strip() for name in args.retain.split(",")]
    settings = read_settings(args.config, retain=retain, descriptors=args.descriptors, flagged=args.flagged)
    check_folders(args.source, args.out, args.key or default_key_path())
    if args.map and not args.map.exists():
        raise FedRTError(f"{args.map} does not exist; `fedrt dataset names … --map {args.map}` writes it for review.")
    names = NameMap.load(args.map) if args.map else None
    key = SiteKey.load_or_create(args.key)
    outcome = deidentify(args.source, args.out, key, settings, report, names=names, jobs=args.jobs)
    states = [row.status for row in outcome.rows]
    report.event("deidentified", **{state: states.count(state) for state in ("written", "skipped", "withheld")})
    report.info(
        f"{args.out}: {states.count('written')} files written, {states.count('skipped')} left out; "
        f"{outcome.searched['values']} removed values searched for in {outcome.searched['bytes'] / 1e6:.0f} MB"
    )
    if outcome.clean:
        return 0
    raise FedRTError(
        f"{len(outcome.findings)} copies still held a removed value and were put into {withheld(args.out)}; "
        f"{args.out / 'files.csv'} tells where."
    )
