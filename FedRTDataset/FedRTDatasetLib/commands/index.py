"""`fedrt dataset index`: what lies in the sources, how it is linked, what is wrong with it."""

import argparse
import json
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter
from ..sources.options import selection_of, source_options, store_of
from ..spreadsheet import write_private_table
from .problems import tell


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    parents = [common_options(), source_options()]
    index = commands.add_parser("index", help="list series, RT objects, links and problems", parents=parents)
    index.add_argument("--json", action="store_true", help="print everything as JSON on stdout")
    index.add_argument(
        "--index",
        type=Path,
        metavar="FILE",
        help="where the index is kept, so that only new files are read; it holds patient names (default: your cache folder)",
    )
    index.add_argument(
        "--problems", type=Path, metavar="FILE.csv", help="write all problems with the paths of their files; stays here"
    )
    index.add_argument("--key", type=Path, help="site key: show the pseudonyms that patients have in datasets")
    index.set_defaults(run=run_index)


def run_index(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset index`."""
    from ..index.listing import cohort, summary, table
    from ..sources.opening import open_sources

    index = open_sources(
        args.source, report, selection=selection_of(args), cache=args.cache, credentials=args.credentials,
        store=args.index or store_of(args.source),
    )  # fmt: skip
    found, patients = summary(index), cohort(index, _site_key(args.key))
    if args.problems:
        rows = ((problem.kind, problem.path or "", problem.text) for problem in index.problems)
        write_private_table(args.problems, ("kind", "file", "text"), rows)
    if args.json:
        print(json.dumps({**found, "cohort": patients}, ensure_ascii=False, indent=2))
        return
    tell(index.problems, report, f"see {args.problems}" if args.problems else "--problems FILE.csv lists all")
    if args.progress != "json":  # then stdout is for events only
        print("\n".join(table(patients)))
    series = ", ".join(f"{count} {modality}" for modality, count in found["series"].items()) or "no"
    report.info(
        f"{found['patients']} patients, {series} series, {found['structure_sets']} structure sets "
        f"({found['linked_structure_sets']} with their images), {found['plans']} plans, {found['doses']} doses, "
        f"{found['registrations']} registrations, {len(index.problems)} problems; "
        f"{found['files_read']} of {found['files']} files read"
    )
    report.event("index", **found)


def _site_key(path: Path | None):
    """The site's key if there is one: a listing makes none."""
    from ..pseudonym import SiteKey, default_key_path

    return SiteKey.load_or_create(path) if path or default_key_path().exists() else None
