"""`fedrt dataset add-version`, `approve-version` and `versions`: corrected structure sets of a case."""

import argparse
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter
from ..storage.roles import ROLES


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    add = commands.add_parser("add-version", help="store a corrected structure set", parents=[common_options()])
    add.add_argument("dataset", type=Path)
    add.add_argument("case", help="the case's pseudonymous name")
    add.add_argument("structures", type=Path, help="corrected .seg.nrrd or RTSTRUCT, structures named by TG-263")
    add.add_argument("--role", choices=ROLES, required=True, help="what the editor is; never who")
    add.add_argument("--seconds", type=float, required=True, help="time the correction took")
    add.add_argument(
        "--parent", type=_version, default="newest", help="version that was corrected (default: the newest)"
    )
    add.add_argument("--remove", nargs="+", default=[], metavar="NAME", help="structures of the parent to leave out")
    add.add_argument("--approve", action="store_true", help="approved at once: training and export use it from now on")
    add.set_defaults(run=run_add_version)

    approve = commands.add_parser("approve-version", help="approve a stored version", parents=[common_options()])
    approve.add_argument("dataset", type=Path)
    approve.add_argument("case")
    approve.add_argument("version", type=int)
    approve.add_argument("--role", choices=ROLES, required=True)
    approve.set_defaults(run=run_approve_version)

    versions = commands.add_parser("versions", help="list corrected structure sets", parents=[common_options()])
    versions.add_argument("dataset", type=Path)
    versions.add_argument("case", nargs="?")
    versions.add_argument("--json", action="store_true", help="print the records as JSON")
    versions.set_defaults(run=run_versions)


def _version(text: str) -> int | str:
    return text if text in ("newest", "approved", "original") else int(text)


def run_add_version(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset add-version`."""
    from ..storage.correction import read_correction
    from ..storage.dataset import Dataset
    from ..storage.versions import add_version

    dataset = Dataset.open(args.dataset, "original")
    case = dataset.case(args.case)
    masks = read_correction(case, args.structures, [structure.name for structure in dataset.structures])
    record = add_version(
        case, masks, args.role, args.seconds, parent=args.parent, removed=tuple(args.remove), approved=args.approve
    )
    changed = ", ".join(
        f"{name} (Dice {record.dice_to_parent[name]:.3f})" if name in record.dice_to_parent else name
        for name in record.changed
    )
    report.info(f"case {case.id}: version {record.number} stored, parent {record.parent}; changed: {changed}")
    report.event("version-added", case=case.id, number=record.number, changed=record.changed)


def run_approve_version(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset approve-version`."""
    from ..storage.dataset import Dataset
    from ..storage.versions import approve

    case = Dataset.open(args.dataset, "original").case(args.case)
    approve(case, args.version, args.role)
    report.info(f"case {case.id}: version {args.version} is approved")


def run_versions(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset versions`."""
    import json

    from ..storage.dataset import Dataset
    from ..storage.versions import structures_of, versions_of

    dataset = Dataset.open(args.dataset)
    cases = [dataset.case(args.case)] if args.case else dataset.cases
    listed = []
    for case in cases:
        used = structures_of(case).number
        for record in versions_of(case):
            approved = structures_of(case, record.number).approved
            listed.append({"case": case.id, **record.model_dump(), "approved": approved, "used": record.number == used})
    if args.json:
        print(json.dumps(listed, indent=2))
        return
    for item in listed:
        state = "used" if item["used"] else "approved" if item["approved"] else "not approved"
        report.info(
            f"case {item['case']}: version {item['number']} of {item['parent']} by a {item['editor_role']} in "
            f"{item['seconds']:g} s, {state}; changed: {', '.join(item['changed'])}"
        )
    report.info(f"{len(listed)} corrected structure set(s)")
