"""What a run leaves in the output folder: `report.json` (counts) and `files.csv` (one line a source file), both
without identity."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from ..atomic import write_json, write_text
from .folders import FILES, REPORT

COLUMNS = ("file", "status", "reason", "source", "flags")


@dataclass
class Row:
    """One source file. name: the copy below OUT; source: keyed hash of the original's path, size and time; flags:
    risks to look at."""

    name: str
    status: str
    reason: str
    source: str
    flags: tuple[str, ...] = ()


def write_report(out: Path, rows: list[Row], summary: dict | None) -> None:
    """Write both files atomically; without a summary only `files.csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: (row.status != "written", row.name, row.source)):
        writer.writerow([row.name, row.status, row.reason, row.source, "; ".join(row.flags)])
    write_text(out / FILES, text.getvalue())
    if summary is not None:
        write_json(out / REPORT, summary)


def read_rows(out: Path) -> dict[str, str]:
    """Copies of an earlier run -> what they were made of; empty where there are none or the list is damaged."""
    try:
        with open(out / FILES, encoding="utf-8", newline="") as file:
            return {row["file"]: row["source"] for row in csv.DictReader(file) if row.get("status") == "written"}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError):
        return {}
