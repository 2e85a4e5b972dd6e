"""Slices with contours, and curves, as SVG that stands in a page by itself."""

import base64
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from .imaging.geometry import SliceStack


@dataclass(frozen=True)
class Outlines:
    """Contours to draw: polygons (n, 3) LPS mm, a CSS colour, and whether the line is dashed."""

    polygons: list[np.ndarray]
    color: str
    dashed: bool = False


def slice_svg(
    pixels: np.ndarray,
    stack: SliceStack,
    k: int,
    outlines: list[Outlines],
    window: tuple[float, float],
    width: int = 340,
) -> str:
    """Slice k of `pixels` [k, y, x] with contours, seen as radiologists do: the patient's right on the left.

    `window` is the lowest and highest shown value.
    """
    low, high = window
    grey = np.clip((pixels[k] - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    flip_x, flip_y = stack.row_direction[0] < -0.5, stack.column_direction[1] < -0.5
    grey = grey[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    rows, columns = grey.shape
    aspect = stack.spacing[1] / stack.spacing[0]

    def place(polygon: np.ndarray) -> np.ndarray:
        xy = stack.to_pixels(polygon, k)
        x = columns - 1 - xy[:, 0] if flip_x else xy[:, 0]
        y = rows - 1 - xy[:, 1] if flip_y else xy[:, 1]
        return np.stack([x + 0.5, (y + 0.5) * aspect], axis=1)

    drawn = [
        (group, loops)
        for group in outlines
        if (loops := [place(p) for p in group.polygons if _slice_of(p, stack) == k])
    ]
    return picture_svg(grey, drawn, aspect, width)


def picture_svg(
    grey: np.ndarray, drawn: list[tuple[Outlines, list[np.ndarray]]], aspect: float = 1.0, width: int = 340
) -> str:
    """A grey picture (uint8 [rows, columns]) with lines over it.

    drawn: how a group is drawn, and its closed loops, each (n, 2) of (x, y) in units of a column's width from the upper
    left corner. aspect: height of a pixel divided by its width.
    """
    paths = []
    for group, loops in drawn:
        data = "".join("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in loop) + "Z" for loop in loops)
        dash = ' stroke-dasharray="5 4"' if group.dashed else ""
        stroke = f'stroke="{group.color}" stroke-width="1.4" vector-effect="non-scaling-stroke"'
        paths.append(f'<path d="{data}" fill="none" {stroke}{dash}/>')
    rows, columns = grey.shape
    height = rows * aspect
    return (
        f'<svg viewBox="0 0 {columns} {height:.2f}" width="{width}" height="{width * height / columns:.0f}" role="img">'
        f'<image href="data:image/png;base64,{_png(grey)}" width="{columns}" height="{height:.2f}" '
        f'preserveAspectRatio="none"/>{"".join(paths)}</svg>'
    )


def _slice_of(polygon: np.ndarray, stack: SliceStack) -> int:
    offset = (polygon.mean(axis=0) - stack.positions[0]) @ stack.normal
    return int(stack.nearest_slice(np.array([offset]))[0])


def _png(grey: np.ndarray) -> str:
    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slice.png"
        sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(grey)), str(path))
        return base64.b64encode(path.read_bytes()).decode("ascii")


@dataclass(frozen=True)
class Curve:
    """A line of a chart: points (x, y), a label and a CSS colour."""

    label: str
    points: list[tuple[float, float]]
    color: str


def chart_svg(curves: list[Curve], title: str, x_label: str, y_range: tuple[float, float] | None = None) -> str:
    """A line chart with axes, grid lines and a legend."""
    width, height, left, bottom, top, legend = 520, 250, 44, 34, 24, 140
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return ""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    x_end = max(xs) or 1
    y_low, y_high = y_range or (0.0, max(ys) * 1.05 or 1)

    def place(x: float, y: float) -> str:
        share = (min(max(y, y_low), y_high) - y_low) / (y_high - y_low)
        return (
            f"{left + x / x_end * (width - left - legend):.1f} {height - bottom - share * (height - bottom - top):.1f}"
        )

    parts = [f'<text x="{left}" y="14" font-weight="600">{escape(title)}</text>']
    for n in range(6):
        value = y_low + (y_high - y_low) * n / 5
        y = place(0, value).split()[1]
        parts.append(f'<line x1="{left}" x2="{width - legend}" y1="{y}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="{left - 6}" y="{y}" text-anchor="end" dominant-baseline="middle">{value:.2g}</text>')
    ticks = min(4, round(x_end))
    for n in range(ticks + 1):
        value = x_end * n / ticks
        x = place(value, y_low).split()[0]
        parts.append(f'<text x="{x}" y="{height - bottom + 14}" text-anchor="middle">{value:.0f}</text>')
    parts.append(
        f'<text x="{(left + width - legend) / 2}" y="{height - 4}" text-anchor="middle">{escape(x_label)}</text>'
    )
    for n, curve in enumerate(curves):
        line = "M" + "L".join(place(x, y) for x, y in curve.points)
        parts.append(f'<path d="{line}" fill="none" stroke="{curve.color}" stroke-width="1.8"/>')
        for x, y in (place(*point).split() for point in curve.points):
            parts.append(f'<circle cx="{x}" cy="{y}" r="2.2" fill="{curve.color}"/>')
        x, y = width - legend + 14, top + 8 + 16 * n
        parts.append(f'<line x1="{x}" x2="{x + 16}" y1="{y}" y2="{y}" stroke="{curve.color}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 21}" y="{y}" dominant-baseline="middle">{escape(curve.label)}</text>')
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="chart">{"".join(parts)}</svg>'
