"""The reviewable map from a hospital's ROI names to TG-263 names, kept as a CSV file that opens in any spreadsheet.

Source of the names: AAPM TG-263 (2018). How a name is proposed: `name_proposal.py`.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .atomic import replacing
from .errors import FedRTError
from .name_proposal import CONFIDENT, NameProposal, propose

__all__ = ["CONFIDENT", "MapEntry", "NameMap", "NameProposal", "propose"]

COLUMNS = ("roi_name", "tg263_name", "confidence", "rule", "count", "status")
STATUSES = ("proposed", "approved", "ignored")
_FORMULA_STARTS = "=+-@\t\r＝＋－＠"  # a spreadsheet takes a cell that starts so for a formula (OWASP, CSV injection)


@dataclass
class MapEntry:
    """One row. status: proposed (by a rule), approved or ignored (by a person). count: how often the name was seen."""

    tg263: str | None
    confidence: float
    rule: str
    count: int = 0
    status: str = "proposed"


class NameMap:
    """ROI name as written -> what it means here. A person's decisions always win over the rules."""

    def __init__(self) -> None:
        self.entries: dict[str, MapEntry] = {}

    @classmethod
    def load(cls, path: Path | str) -> "NameMap":
        """Read the CSV file, also as a spreadsheet saved it (semicolons, decimal commas, Windows encoding).

        Raises:
            FedRTError: missing, not such a table, or a cell that makes no sense; the message names line and column.
        """
        path, names = Path(path), cls()
        for line, row in _read_rows(path):
            entry = _entry(path, line, row)
            name = _unescape(row["roi_name"]).strip()
            if not name:
                raise FedRTError(f"{path}, line {line}, column roi_name: empty; delete the line or name the ROI.")
            if name in names.entries:
                raise FedRTError(f"{path}, line {line}, column roi_name: the name stands there twice; delete one line.")
            names.entries[name] = entry
        return names

    def save(self, path: Path | str) -> None:
        """Write the CSV file atomically, what needs a decision first."""
        order = sorted(self.entries.items(), key=lambda item: (self._settled(item[0]), item[0].casefold(), item[0]))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        for name, entry in order:
            cells = (name, entry.tg263 or "", f"{entry.confidence:.2f}", entry.rule, entry.count, entry.status)
            writer.writerow([_escape(str(cell)) for cell in cells])
        with replacing(path) as partial:
            partial.write_text(text.getvalue(), encoding="utf-8-sig", newline="")  # the mark tells Excel it is UTF-8

    def merge(self, counts: Mapping[str, int]) -> None:
        """Take in how often each ROI name was seen: new names become proposals, decisions stay as they are."""
        for name, count in counts.items():
            name = name.strip()
            if not name:
                continue
            entry = self.entries.get(name)
            if entry is None:
                found = propose(name)
                entry = self.entries[name] = MapEntry(found.tg263, found.confidence, found.rule)
            entry.count = count

    def lookup(self, roi_name: str) -> str | None:
        """The TG-263 name to use: an approved one, else a confident proposal, else None."""
        entry = self.entries.get(roi_name.strip())
        if entry is None:
            found = propose(roi_name)
            return found.tg263 if found.confidence >= CONFIDENT else None
        if entry.status == "approved":
            return entry.tg263
        return entry.tg263 if entry.status == "proposed" and entry.confidence >= CONFIDENT else None

    def is_undecided(self, roi_name: str) -> bool:
        """True where neither a rule nor a person has settled what the name means."""
        entry = self.entries.get(roi_name.strip())
        if entry is not None and entry.status != "proposed":
            return False
        found = propose(roi_name) if entry is None else NameProposal(entry.tg263, entry.confidence, entry.rule)
        return not found.recognised

    def _settled(self, roi_name: str) -> bool:
        return not self.is_undecided(roi_name)


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) of every line that is not empty."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise FedRTError(f"{path} does not exist; `fedrt dataset names` writes it.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [cell.strip().casefold() for cell in next(reader, [])]
    missing = [column for column in ("roi_name", "tg263_name", "status") if column not in header]
    if missing:
        raise FedRTError(f"{path}, line 1: no column {missing[0]}; the first line must read {','.join(COLUMNS)}.")
    rows = []
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            raise FedRTError(f"{path}, line {reader.line_num}: more cells than columns; put quotes round the ROI name.")
        cells += [""] * (len(header) - len(cells))
        rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    return rows


def _entry(path: Path, line: int, row: dict[str, str]) -> MapEntry:
    where = f"{path}, line {line}, column"
    status = row["status"].strip().casefold() or "proposed"
    if status not in STATUSES:
        raise FedRTError(f"{where} status: {status!r} is none of {', '.join(STATUSES)}.")
    tg263 = _unescape(row["tg263_name"]).strip() or None
    if tg263 is not None and not all(c.isalnum() or c in "_-^~!" for c in tg263):
        raise FedRTError(f"{where} tg263_name: {tg263!r} is no TG-263 name (letters, digits, _ and - only).")
    if status == "approved" and tg263 is None:
        raise FedRTError(
            f"{where} tg263_name: empty although approved; write the TG-263 name or set status to ignored."
        )
    confidence = _number(row.get("confidence", ""), f"{where} confidence")
    if not 0 <= confidence <= 1:
        raise FedRTError(f"{where} confidence: {confidence:g} is not between 0 and 1.")
    count = int(_number(row.get("count", ""), f"{where} count"))
    return MapEntry(tg263, confidence, _unescape(row.get("rule", "")).strip(), count, status)


def _number(text: str, where: str) -> float:
    try:
        return float(text.strip().replace(",", ".") or 0)
    except ValueError:
        raise FedRTError(f"{where}: {text.strip()!r} is not a number.") from None


def _escape(cell: str) -> str:
    """An apostrophe before what a spreadsheet would take for a formula (and before an apostrophe, so that it comes back)."""
    return "'" + cell if cell[:1] and cell[0] in _FORMULA_STARTS + "'" else cell


def _unescape(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] and cell[1] in _FORMULA_STARTS + "'" else cell
