"""`fedrt dataset names`: how ROI names map to TG-263; the map for review; approved maps from and for other hospitals."""

import argparse
from collections import Counter
from pathlib import Path

from ..commandline import common_options
from ..errors import FedRTError
from ..reporting import Reporter, printable
from ..sources.options import open_from, source_options


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    parents = [common_options(), source_options(nargs="*")]
    names = commands.add_parser("names", help="show and write how ROI names map to TG-263", parents=parents)
    names.add_argument("--map", type=Path, help="CSV to write for review; decisions already in it are kept")
    names.add_argument(
        "--merge", type=Path, nargs="+", metavar="FILE", default=[], help="take over what these maps have approved"
    )
    names.add_argument(
        "--export-map", type=Path, metavar="FILE", help="write the approved names alone, for other hospitals"
    )
    names.set_defaults(run=run_names)


def run_names(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset names`.

    Raises:
        FedRTError: nothing to work on, or a map that cannot be read.
    """
    from ..naming.names import NameMap

    if not args.source and not (args.map and (args.merge or args.export_map)):
        raise FedRTError("Name a source, or a map with --map together with --merge or --export-map.")
    if not args.source and not args.merge and not args.map.exists():
        raise FedRTError(f"{args.map} does not exist; `fedrt dataset names SOURCE --map {args.map}` writes it.")
    names = NameMap.load(args.map) if args.map and args.map.exists() else NameMap()
    counts, identities = Counter(), set()
    if args.source:
        index = open_from(args, report, names)
        counts = roi_counts(index)
        identities = {text for rt in index.structure_sets.values() for text in (rt.patient_id, rt.patient_name)}
        names.merge(counts)
        hidden = sum(len(rt.roi_names) for rt in index.structure_sets.values()) - sum(counts.values())
        if hidden:
            report.info(f"{hidden} ROI names are left out: they are empty or hold their patient's name or number.")
    conflicts = _merge(args.merge, names, report)
    if args.map:
        names.save(args.map)
        report.info(f"{args.map} written: review it, set status to approved or ignored, then build with --map.")
    if args.export_map:
        _export(args.export_map, names, identities, report)
    _show(names, counts if args.source else Counter(dict.fromkeys(names.entries, 0)), conflicts, args, report)


def roi_counts(index) -> Counter:
    """How often each ROI name occurs; names that hold the patient's identity are left out of the map."""
    from ..privacy import without_identity

    return Counter(
        name
        for rt in index.structure_sets.values()
        for name in rt.roi_names
        if name and without_identity(name, rt.patient_id, rt.patient_name) == name
    )


def _merge(files: list[Path], names, report: Reporter) -> list:
    """Take over other hospitals' decisions; the conflicts."""
    from ..naming.names import NameMap
    from ..naming.sharing import merge_shared

    if not files:
        return []
    if len({file.name for file in files}) < len(files):
        raise FedRTError("two of the maps to merge have the same file name; rename one, so that conflicts can name it.")
    conflicts = merge_shared(names, {file.name: NameMap.load(file) for file in files})
    for conflict in conflicts:
        report.warning(f"conflict: {conflict.text}")
    return conflicts


def _export(path: Path, names, identities: set[str], report: Reporter) -> None:
    from ..naming.sharing import export_map

    written, held_back = export_map(names, path, identities)
    held = f"; {held_back} held back, because they hold a date, a long number or a patient's name" if held_back else ""
    report.info(
        f"{path}: {written} approved names{held}. It has no counts and no patients; other hospitals --merge it."
    )


def _show(names, counts: Counter, conflicts: list, args: argparse.Namespace, report: Reporter) -> None:
    """The names as an event, and for a person as four lists: to decide, used, ignored, no anatomy."""
    seen = Counter()
    for name, count in counts.items():
        seen[name.strip()] += count
    rows = [_row(names, name, seen[name]) for name in sorted(seen, key=lambda name: (name.casefold(), name)) if name]
    told = [{"roi_name": c.roi_name, "meanings": dict(c.meanings), "kept": c.kept} for c in conflicts]
    report.event("names", names=rows, conflicts=told)
    if args.progress == "json":
        return
    for group, title in _TITLES.items():
        of_group = [row for row in rows if row["group"] == group]
        if not of_group:
            continue
        print(f"\n{title} ({len(of_group)})")
        width = min(40, max(len(row["roi_name"]) for row in of_group))
        for row in of_group:
            print(f"{row['count'] or '':>6}  {printable(row['roi_name']):<{width}}  {_explained(row)}")


def _row(names, roi_name: str, count: int) -> dict:
    """What is known about a name, for a program."""
    entry = names.entries[roi_name]
    return {
        "roi_name": roi_name,
        "count": count,
        "tg263_name": names.lookup(roi_name),
        "status": entry.status,
        "group": names.group(roi_name),
        "proposal": entry.tg263,
        "confidence": entry.confidence,
        "rule": entry.rule,
        "doubt": entry.doubt,
    }


_TITLES = {
    "undecided": "To be decided: not used until somebody approves or ignores them in the map",
    "used": "Used",
    "ignored": "Ignored by a person",
    "helper": "No anatomy: planning helpers, devices, dose regions and targets of an open dose level or site",
}


def _explained(row: dict) -> str:
    """What is known about a name, in words."""
    if row["group"] == "used":
        surely = "approved" if row["status"] == "approved" else f"{row['confidence']:.2f} {row['rule']}"
        return f"{row['tg263_name']:<18} {surely}"
    if row["group"] == "ignored":
        return ""
    rule = row["rule"].removeprefix("helper: ")
    if row["group"] == "helper":
        return rule
    suggestion = f"{row['proposal']}?" if row["proposal"] else "-"
    return f"{suggestion:<18} {row['confidence']:.2f} {row['doubt'] or rule}"
