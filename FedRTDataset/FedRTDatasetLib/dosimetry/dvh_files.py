"""A DVH table as files: values and curves as CSV, everything as JSON values, a page with the picture."""

import csv
import io
from html import escape
from pathlib import Path

import numpy as np

from ..atomic import write_text
from ..html_page import page, table
from ..spreadsheet import harmless
from .dvh_table import DvhRow, DvhTable

COLORS = (
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#f032e6", "#9a6324", "#808000", "#1f9bcf",
    "#b8860b", "#6a5acd", "#c2185b", "#2e7d32", "#5d4037", "#455a64",
)  # fmt: skip
DASHES = ("", "7 4", "2 3", "9 3 2 3")


def curves_path(out: Path) -> Path:
    """Where the curves go that belong to a table of values: `x.csv` -> `x.curves.csv`."""
    return out.with_name(out.stem + ".curves.csv")


def write_values(path: Path, dvhs: DvhTable) -> None:
    """One row a structure and dose, one column a value; empty where a value does not apply."""
    columns = list(dict.fromkeys(name for row in dvhs.rows for name in row.values))
    rows = [
        [harmless(row.structure), row.dose, *(_text(row.values.get(name)) for name in columns)] for row in dvhs.rows
    ]
    write_text(path, _csv(["structure", "dose", *columns], rows))


def write_curves(path: Path, dvhs: DvhTable, bin_gy: float) -> None:
    """One row a structure, dose and bin: its lower edge, and the volume that gets at least that much and that is in it."""
    rows = []
    for row in dvhs.rows:
        gray, cumulative, differential = row.dvh.curve(bin_gy)
        whole = row.dvh.covered_cm3
        rows += [
            [harmless(row.structure), row.dose, f"{d:.10g}", f"{c:.6g}", f"{100 * c / whole:.6g}", f"{v:.6g}"]
            for d, c, v in zip(gray, cumulative, differential, strict=True)
        ]
    head = ["structure", "dose", "dose_Gy", "volume_at_least_cm3", "volume_at_least_%", "volume_in_bin_cm3"]
    write_text(path, _csv(head, rows))


def as_json(dvhs: DvhTable, bin_gy: float) -> dict:
    """Everything as JSON values."""
    return {
        "prescription_gy": dvhs.prescription_gy,
        "bin_gy": bin_gy,
        "structures": [
            {
                "structure": row.structure,
                "dose": row.dose,
                **row.values,
                "curve_percent": [round(100 * float(c) / row.dvh.covered_cm3, 4) for c in row.dvh.curve(bin_gy)[1]],
            }
            for row in dvhs.rows
        ],
        "notes": dvhs.notes,
    }


def write_page(path: Path, dvhs: DvhTable) -> None:
    """One HTML file with the curves and the values; indices of targets in a table of their own."""
    names = dict.fromkeys(name for row in dvhs.rows for name, value in row.values.items() if value is not None)
    indices = [name for name in names if _unit(name) == ""]
    values = _table(dvhs.rows, [name for name in names if name not in indices])
    targets = _table([row for row in dvhs.rows if set(indices) & set(row.values)], indices) if indices else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in dvhs.notes)
    body = f"<h1>Dose-volume histograms</h1>{chart(dvhs)}<h2>Values</h2>{values}"
    body += (f"<h2>Targets</h2>{targets}" if targets else "") + (f"<h2>Notes</h2><ul>{notes}</ul>" if notes else "")
    write_text(path, page("Dose-volume histograms", body))


def _table(rows: list[DvhRow], columns: list[str]) -> str:
    doses = {row.dose for row in rows}
    head = ["structure", *(["dose"] if len(doses) > 1 else []), *(_heading(name) for name in columns)]
    cells = [
        [
            row.structure,
            *([row.dose] if len(doses) > 1 else []),
            *(_shown(name, row.values.get(name)) for name in columns),
        ]
        for row in rows
    ]
    return f'<div style="overflow-x:auto">{table(head, cells)}</div>'


def _unit(name: str) -> str:
    unit = name.rpartition("_")[2]
    return unit if unit in ("Gy", "%", "cm3") else ""


def _shown(name: str, value: float | None) -> str:
    """With as many digits as a person compares."""
    digits = {"Gy": 2, "%": 1, "cm3": 1 if value and value >= 10 else 3, "": 3}[_unit(name)]
    return "" if value is None else f"{value:.{digits}f}"


def chart(dvhs: DvhTable, width: int = 1000, height: int = 520) -> str:
    """The cumulative curves as SVG; a colour a structure, a dash a dose. Prescribed doses stand as thin lines."""
    left, right, top, bottom = 56, 230, 16, 44
    end = _nice_end(max(row.dvh.maximum for row in dvhs.rows))
    structures = list(dict.fromkeys(row.structure for row in dvhs.rows))
    doses = list(dict.fromkeys(row.dose for row in dvhs.rows))

    def x(gray: float) -> float:
        return left + gray / end * (width - left - right)

    def y(percent: float) -> float:
        return top + (1 - percent / 100) * (height - top - bottom)

    parts = [_axes(x, y, end, width - right, height - bottom)]
    for gray in {gray for gray in dvhs.prescription_gy.values() if gray and gray <= end}:
        parts.append(_rule(x(gray), x(gray), y(100), y(0), "1.2"))
    for row in dvhs.rows:
        color = COLORS[structures.index(row.structure) % len(COLORS)]
        dash = DASHES[doses.index(row.dose) % len(DASHES)]
        told = escape(row.structure if len(doses) == 1 else f"{row.structure}, {row.dose}")
        parts.append(
            f'<path d="{_line(row, end, x, y)}" fill="none" stroke="{color}" stroke-width="1.8"'
            + (f' stroke-dasharray="{dash}"' if dash else "")
            + f"><title>{told}: mean {row.dvh.mean:.2f} Gy</title></path>"
        )
    entries = [(name, COLORS[i % len(COLORS)], "") for i, name in enumerate(structures)]
    if len(doses) > 1:
        entries += [(name, "currentColor", DASHES[i % len(DASHES)]) for i, name in enumerate(doses)]
    step = min(18.0, (height - top - bottom) / max(len(entries), 1))
    for n, (name, color, dash) in enumerate(entries):
        at, start = top + 8 + step * n, width - right + 16
        style = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<line x1="{start}" x2="{start + 24}" y1="{at}" y2="{at}" stroke="{color}" stroke-width="3"{style}/>'
        )
        parts.append(f'<text x="{start + 30}" y="{at}" dominant-baseline="middle">{escape(name[:30])}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="100%" class="chart" role="img" '
        f'font-family="sans-serif" style="font-size:12px">{"".join(parts)}</svg>'
    )


def _rule(x1: float, x2: float, y1: float, y2: float, width: str = ".6") -> str:
    at = f'x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"'
    return f'<line {at} stroke="#8888" stroke-width="{width}"/>'


def _axes(x, y, end: float, right: float, base: float) -> str:
    parts = []
    for percent in range(0, 101, 20):
        parts.append(_rule(x(0), right, y(percent), y(percent)))
        at = f'x="{x(0) - 8:.1f}" y="{y(percent):.1f}"'
        parts.append(f'<text {at} text-anchor="end" dominant-baseline="middle">{percent}</text>')
    for n in range(11):
        gray = end * n / 10
        parts.append(_rule(x(gray), x(gray), y(100), base))
        parts.append(f'<text x="{x(gray):.1f}" y="{base + 16}" text-anchor="middle">{gray:g}</text>')
    middle = (x(0) + right) / 2
    parts.append(f'<text x="{middle}" y="{base + 36}" text-anchor="middle">dose (Gy)</text>')
    turn = f"rotate(-90 14 {(y(0) + y(100)) / 2})"
    parts.append(f'<text x="14" y="{(y(0) + y(100)) / 2}" text-anchor="middle" transform="{turn}">volume (%)</text>')
    return "".join(parts)


def _line(row: DvhRow, end: float, x, y) -> str:
    gray, cumulative, _ = row.dvh.curve(end / 500)
    points = zip(gray, 100 * cumulative / row.dvh.covered_cm3, strict=True)
    return "M" + "L".join(f"{x(d):.1f} {y(v):.1f}" for d, v in points)


def _nice_end(maximum: float) -> float:
    """The least of 1, 2, 3, 4, 5, 6, 8 times a power of ten at or above the greatest dose."""
    if maximum <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(maximum))
    return float(next(n * power for n in (1, 2, 3, 4, 5, 6, 8, 10) if n * power >= maximum))


def _heading(name: str) -> str:
    unit = _unit(name)
    return f"{name.removesuffix('_' + unit)} ({unit})" if unit else name.replace("_", " ")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def _csv(head: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([head, *rows])
    return out.getvalue()
