"""`fedrt dataset index`: what lies in the sources, how it is linked, what is wrong with it."""

import argparse
import json
from collections import Counter

from .commandline import common_options
from .reporting import Reporter
from .sources.options import open_from, source_options


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    parents = [common_options(), source_options()]
    index = commands.add_parser("index", help="list series, RT objects, links and problems", parents=parents)
    index.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    index.set_defaults(run=run_index)


def run_index(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset index`."""
    index = open_from(args, report)
    summary = {
        "patients": len({series.patient_id for series in index.series.values()}),
        "series": dict(Counter(series.modality for series in index.series.values())),
        "structure_sets": len(index.structure_sets),
        "plans": len(index.plans),
        "doses": len(index.doses),
        "linked_structure_sets": len(index.links),
        "problems": [{"kind": problem.kind, "text": problem.text} for problem in index.problems],
    }
    if args.json:
        print(json.dumps(summary, ensure_ascii=False, indent=2))
        return
    _warn(index.problems, report)
    series = ", ".join(f"{count} {modality}" for modality, count in summary["series"].items()) or "no"
    report.info(
        f"{summary['patients']} patients, {series} series, {len(index.structure_sets)} structure sets "
        f"({len(index.links)} with their images), {len(index.plans)} plans, {len(index.doses)} doses, "
        f"{len(index.problems)} problems"
    )
    report.event("index", **summary)


def _warn(problems, report: Reporter) -> None:
    for problem in problems:
        report.warning(problem.text)
