"""`fedrt dataset build`: sources to a dataset."""

import argparse
from collections import Counter
from pathlib import Path

from ..commandline import common_options
from ..errors import FedRTError
from ..reporting import Reporter
from ..sources.options import open_from, source_options
from .names import roi_counts
from .problems import tell


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    parents = [common_options(), source_options()]
    build = commands.add_parser("build", help="build or extend a dataset (resumes)", parents=parents)
    build.add_argument(
        "--config", type=Path, required=True, help="TOML: name, structures, [processing], [[images]], [splits]"
    )
    build.add_argument("--out", type=Path, required=True, help="dataset folder")
    build.add_argument("--map", type=Path, help="reviewed name map (default: OUT with .names.csv, written if absent)")
    build.add_argument("--key", type=Path, help="site key for pseudonyms (default: your configuration folder)")
    build.add_argument("--jobs", type=_jobs, help="cases at the same time (default: what processors and memory allow)")
    build.set_defaults(run=run_build)


def _jobs(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 256:
        raise argparse.ArgumentTypeError("1 to 256")
    return count


def run_build(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset build`."""
    from ..building.build import build_dataset
    from ..building.build_settings import read_build_settings
    from ..naming.names import NameMap
    from ..pseudonym import SiteKey
    from ..storage.dataset import Dataset

    settings = read_build_settings(args.config)
    map_path = args.map or args.out.with_name(args.out.name + ".names.csv")
    if args.map and not args.map.exists():
        raise FedRTError(f"{args.map} does not exist; `fedrt dataset names … --map {args.map}` writes it for review.")
    names = NameMap.load(map_path) if map_path.exists() else NameMap()
    index = open_from(args, report, names)
    names.merge(roi_counts(index))
    names.save(map_path)
    _warn_of_strange_structures(settings.structures, names, report)
    unknown = sorted(name for name in roi_counts(index) if names.is_undecided(name))
    key = SiteKey.load_or_create(args.key)
    try:
        problems = build_dataset(index, settings, args.out, key, names, report, jobs=args.jobs)
    finally:
        names.save(map_path)  # where geometry contradicts a name, the map says so
    table = args.out.with_name(args.out.name + ".skipped.csv")
    tell(problems, report, f"see {table}", always=("case-skipped",))
    if unknown:
        shown = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        report.warning(
            f"{len(unknown)} ROI name(s) nobody knows are not used ({shown}): name them in {map_path} and build again."
        )
    dataset = Dataset.open(args.out)
    splits = _counted(Counter(case.split for case in dataset.cases))
    report.info(f"{args.out}: {len(dataset.cases)} cases ({splits}); to train on: {_counted(dataset.labelled_cases())}")
    report.event("built", cases=len(dataset.cases), labelled=dataset.labelled_cases(), problems=len(problems))


def _warn_of_strange_structures(wanted: tuple[str, ...] | None, names, report: Reporter) -> None:
    from ..naming.tg263 import primary_names

    known = {*primary_names(), *(entry.tg263 for entry in names.entries.values())}
    strange = [name for name in wanted or () if name not in known]
    if strange:
        report.warning(
            f"structures: {', '.join(strange)} is neither a TG-263 name nor one of the name map; no case can have it."
        )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
