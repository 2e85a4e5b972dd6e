"""Bars and histograms as SVG."""

from html import escape

import numpy as np


def stacked_bars_svg(rows: dict[str, dict[str, int]], colors: dict[str, str]) -> str:
    """Horizontal bars: `rows` maps a label to the counts of each group; `colors` gives the groups, their order and colour."""
    width, left, bar, gap = 640, 190, 14, 7
    most = max((sum(counts.values()) for counts in rows.values()), default=0) or 1
    parts = []
    for n, (label, counts) in enumerate(rows.items()):
        y = n * (bar + gap)
        middle = y + bar / 2
        parts.append(
            f'<text x="{left - 8}" y="{middle}" text-anchor="end" dominant-baseline="central">{escape(label)}</text>'
        )
        x = float(left)
        for group, color in colors.items():
            length = counts.get(group, 0) / most * (width - left - 40)
            tip = f"{escape(label)}, {escape(group)}: {counts.get(group, 0)}"
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{bar}" fill="{color}"><title>{tip}</title></rect>'
            )
            x += length
        parts.append(f'<text x="{x + 6:.1f}" y="{middle}" dominant-baseline="central">{sum(counts.values())}</text>')
    height = max(len(rows), 1) * (bar + gap)
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="chart">{"".join(parts)}</svg>'


def histogram_svg(values: list[float], label: str, color: str = "#1d6fb8", bins: int = 12) -> str:
    """A small histogram with its least, middle and greatest value; equal steps on a logarithmic axis where all are positive."""
    width, height, base = 210, 92, 58
    data = np.asarray([value for value in values if np.isfinite(value)], dtype=float)
    if data.size == 0:
        return ""
    scaled = np.log(data) if data.min() > 0 else data
    low, high = float(scaled.min()), float(scaled.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(scaled, bins=bins, range=(low, high))
    step = (width - 20) / bins
    parts = [f'<text x="10" y="12" font-weight="600">{escape(label)}</text>']
    for n, count in enumerate(counts):
        tall = count / counts.max() * (base - 20)
        parts.append(
            f'<rect x="{10 + n * step:.1f}" y="{base - tall:.1f}" width="{step - 1:.1f}" height="{tall:.1f}" fill="{color}"/>'
        )
    parts.append(f'<line x1="10" x2="{width - 10}" y1="{base}" y2="{base}" class="grid"/>')
    for x, anchor, value in (
        (10, "start", data.min()), (width / 2, "middle", np.median(data)), (width - 10, "end", data.max()),
    ):  # fmt: skip
        parts.append(f'<text x="{x}" y="{base + 14}" text-anchor="{anchor}">{_short(value)}</text>')
    parts.append(f'<text x="{width / 2}" y="{base + 29}" text-anchor="middle" opacity=".7">n = {data.size}</text>')
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" class="chart">{"".join(parts)}</svg>'


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
