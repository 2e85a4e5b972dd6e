"""`fedrt dataset check` and `fedrt dataset report`: is a dataset whole and plausible, and what does it look like."""

import argparse
import json
from pathlib import Path

from ..commandline import common_options
from ..reporting import Reporter


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add them to the parser of `fedrt dataset`."""
    check = commands.add_parser(
        "check", help="verify files, geometry, contours and cohort of a dataset", parents=[common_options()]
    )
    check.add_argument("dataset", type=Path)
    check.add_argument("--json", action="store_true", help="print all findings as JSON on stdout")
    check.set_defaults(run=run_check)

    page = commands.add_parser("report", help="write an HTML report with pictures", parents=[common_options()])
    page.add_argument("dataset", type=Path)
    page.add_argument("--out", type=Path, help="HTML file to write (default: report.html in the dataset)")
    page.add_argument("--pictures", type=int, default=60, help="how many cases to show at most (default 60)")
    page.set_defaults(run=run_report)


def run_check(args: argparse.Namespace, report: Reporter) -> int:
    """`fedrt dataset check`: exit code 1 when there is an error; warnings leave it 0."""
    from ..quality.checks import check_dataset

    _, quality = check_dataset(args.dataset, report)
    counts = quality.counts()
    if args.json:
        print(json.dumps(quality.as_dict(), ensure_ascii=False, indent=2))
    else:
        for case_id, found in quality.findings.items():
            for finding in found:
                if finding.severity != "note":
                    report.warning(f"{f'case {case_id}' if case_id else 'dataset'}: {finding.text}")
        cases = len(quality.findings) - 1
        report.info(f"{cases} cases: {', '.join(f'{count} {severity}s' for severity, count in counts.items())}")
    report.event("checked", **counts)
    return 1 if counts["error"] else 0


def run_report(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset report`."""
    from ..quality.checks import check_dataset
    from ..quality.report_page import write_dataset_report

    dataset, quality = check_dataset(args.dataset, report)
    out = args.out or args.dataset / "report.html"
    write_dataset_report(dataset, quality, out, pictures=args.pictures, report=report)
    report.info(f"{out} written")
    report.event("report", path=str(out))
