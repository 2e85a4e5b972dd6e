"""The name map as a CSV file, as it is written here and as a spreadsheet hands it back."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..atomic import replacing
from ..errors import FedRTError

COLUMNS = ("roi_name", "tg263_name", "confidence", "rule", "count", "status", "doubt")
STATUSES = ("proposed", "approved", "ignored")
_FORMULA_STARTS = "=+-@\t\r＝＋－＠"  # a spreadsheet takes a cell that starts so for a formula (OWASP, CSV injection)


@dataclass
class MapEntry:
    """One row.

    status: proposed (by a rule), approved or ignored (by a person). count: how often the name was seen. doubt: what speaks
    against the proposal, empty where nothing does.
    """

    tg263: str | None
    confidence: float
    rule: str
    count: int = 0
    status: str = "proposed"
    doubt: str = ""


def read_map(path: Path) -> dict[str, MapEntry]:
    """ROI name -> row. Columns that an older or a shared map does not have count as empty.

    Raises:
        FedRTError: missing, not such a table, or a cell that makes no sense; the message names line and column.
    """
    entries: dict[str, MapEntry] = {}
    for line, row in _read_rows(path):
        entry = _entry(path, line, row)
        name = _unescape(row["roi_name"]).strip()
        if not name:
            raise FedRTError(f"{path}, line {line}, column roi_name: empty; delete the line or name the ROI.")
        if name in entries:
            raise FedRTError(f"{path}, line {line}, column roi_name: the name stands there twice; delete one line.")
        entries[name] = entry
    return entries


def write_map(path: Path, entries: Mapping[str, MapEntry], columns: tuple[str, ...] = COLUMNS) -> None:
    """Write rows in the order given, atomically; `columns` may be some of `COLUMNS`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for name, entry in entries.items():
        cells = {"roi_name": name, "tg263_name": entry.tg263 or "", "confidence": f"{entry.confidence:.2f}"}
        cells |= {"rule": entry.rule, "count": str(entry.count), "status": entry.status, "doubt": entry.doubt}
        writer.writerow([_escape(cells[column]) for column in columns])
    with replacing(path) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8-sig", newline="")  # the mark tells Excel it is UTF-8


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
    rule, doubt = (_unescape(row.get(column, "")).strip() for column in ("rule", "doubt"))
    return MapEntry(tg263, confidence, rule, count, status, doubt)


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
