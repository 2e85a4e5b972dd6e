"""A CSV table for the people of this site, that opens in a spreadsheet and is readable by its owner alone."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from .atomic import replacing


def write_private_table(path: Path, columns: tuple[str, ...], rows: Iterable[tuple]) -> None:
    """Write the table atomically; it may hold file names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([harmless(str(cell)) for cell in row] for row in rows)
    with replacing(path) as partial:
        partial.write_text(
            text.getvalue(), encoding="utf-8-sig", newline=""
        )  # the mark tells a spreadsheet it is UTF-8
    path.chmod(0o600)


def harmless(cell: str) -> str:
    """No spreadsheet takes it for a formula (OWASP, CSV injection); file names in another encoding with escapes."""
    cell = cell.encode("utf-8", "backslashreplace").decode()
    return "'" + cell if cell[:1] in tuple("=+-@\t\r") else cell
