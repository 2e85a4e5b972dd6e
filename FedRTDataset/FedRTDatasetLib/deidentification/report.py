"""What a run leaves in the output folder: `report.json` (counts) and `files.csv` (one line an original), both without
identity."""

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..atomic import write_json, write_text
from ..errors import FedRTError
from ..pseudonym import SiteKey
from . import dates, profile
from .folders import FILES, REPORT
from .settings import Settings

if TYPE_CHECKING:
    from .run import Outcome

COLUMNS = ("file", "status", "reason", "source", "flags")


@dataclass
class Row:
    """One original. name: the copy below OUT; status: written, skipped or withheld; source: keyed hash of the
    original's path, size and time; flags: risks to look at."""

    name: str
    status: str
    reason: str
    source: str
    flags: tuple[str, ...] = ()


def write_report(out: Path, rows: list[Row], counts: dict | None) -> None:
    """Write both files atomically; without counts only `files.csv`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: (row.status != "written", row.name, row.source)):
        writer.writerow([row.name, row.status, row.reason, row.source, "; ".join(row.flags)])
    write_text(out / FILES, text.getvalue())
    if counts is not None:
        write_json(out / REPORT, counts)


def read_rows(out: Path) -> list[Row]:
    """The lines of an earlier run; none where there are none or the list is damaged."""
    try:
        with open(out / FILES, encoding="utf-8", newline="") as file:
            return [
                Row(*(line[column] for column in COLUMNS[:4]), tuple(filter(None, line["flags"].split("; "))))
                for line in csv.DictReader(file)
            ]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError):
        return []


def summary(settings: Settings, key: SiteKey, outcome: "Outcome") -> dict:
    """What `report.json` tells."""
    states = Counter(row.status for row in outcome.rows)
    flags = Counter(flag for row in outcome.rows if row.status == "written" for flag in row.flags)
    shift = (
        f"{dates.SHORTEST_WEEKS} to {dates.LONGEST_WEEKS} weeks into the past, the same for all of a patient's objects"
    )
    return {
        "software": f"FedRT {__version__}",
        "profile": f"{profile.EDITION} Table E.1-1, Basic Application Level Confidentiality Profile",
        "key": _key_print(key),
        "settings": settings.model_dump(exclude={"harmless_words"}),
        "dates": shift if settings.dates == "modified" else settings.dates,
        "files": {status: states[status] for status in ("written", "skipped", "withheld")},
        "skipped": dict(Counter(row.reason for row in outcome.rows if row.status == "skipped").most_common()),
        "flagged": dict(flags.most_common()),
        "actions": dict(sorted(outcome.counts.items())),
        "search": {name: outcome.searched[name] for name in ("values", "files", "bytes", "coincidences")}
        | {"found": len(outcome.findings)},
    }


def key_check(out: Path, key: SiteKey) -> None:
    """Refuse to put copies under one key beside copies under another: the same patient would have two pseudonyms.

    Raises:
        FedRTError: the folder's report names another key.
    """
    try:
        there = json.loads((out / REPORT).read_text(encoding="utf-8")).get("key")
    except (OSError, ValueError, AttributeError):
        return
    if there != _key_print(key):
        raise FedRTError(f"the copies in {out} were made with another key; name that key (--key) or another folder.")


def _key_print(key: SiteKey) -> str:
    return key.digest("", "which key")[:12]
