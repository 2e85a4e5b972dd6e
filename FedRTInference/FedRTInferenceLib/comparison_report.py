"""The HTML report of a comparison: one page that holds its pictures itself."""

import csv
from html import escape
from pathlib import Path

import numpy as np
from FedRTDatasetLib.atomic import write_text
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.html_page import page, table
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.naming.names import NameMap
from FedRTDatasetLib.pictures import (
    Curve,
    Outlines,
    chart_svg,
    slice_svg,
)

from .comparison_federation import round_losses
from .comparison_folder import ComparisonFolder

PALETTE = ["#c2410c", "#1d6fb8", "#4d7c0f", "#7c3aed", "#0f766e", "#be185d"]
OUTLINE_COLORS = ["#ffd43b", "#4dabf7", "#69db7c", "#ff6b6b", "#e599f7", "#ffa94d", "#66d9e8", "#c0eb75"]
PATIENTS_SHOWN = 2


def write_report(comparison: ComparisonFolder, summary: dict) -> None:
    """Write `report.html` into the comparison's folder."""
    out, hospitals, settings = comparison.out, comparison.hospitals, comparison.settings
    rows = [
        _patient(comparison, hospital, case, folder)
        for hospital in hospitals
        for case, folder in list(comparison.unseen[hospital].items())[:PATIENTS_SHOWN]
    ]
    body = [
        f"<h1>{escape(settings.title)}</h1>",
        f"<p>{_introduction(summary)}</p>",
        "<h2>Dice on unseen patients</h2>",
        _tables(summary, hospitals),
        '<p class="note">Mean over structures and over the unseen patients of all hospitals. A structure that a hospital '
        "never contours is one its own model cannot know: it counts 0 for that model (and is marked &ndash;); the column "
        f"<em>taught structures</em> leaves it out. {escape(settings.remark)}</p>",
        "<h2>Training</h2>",
        f'<div class="row">{_curves(out, hospitals)}</div>',
        "<h2>Contours of the federated model on unseen patients</h2>",
        f"<p>{_legend(settings.structures)}</p>",
        *rows,
        "<h2>Files</h2>",
        _files(summary),
        '<p class="note">FedRT is research software, not a medical device.</p>',
    ]
    write_text(out / "report.html", page(settings.title, "".join(body)))


def _introduction(summary: dict) -> str:
    dice, taught = summary["dice"], summary["dice_of_taught_structures"]["local"]
    best = max(dice["local"], key=dice["local"].get)
    unseen = sum(summary["unseen_patients"].values())
    own = f" ({taught[best]:.3f} on the structures it contours)" if taught[best] != dice["local"][best] else ""
    return (
        f"Trained together without exchanging images, the hospitals reach a mean Dice of <b>{dice['federated']:.3f}</b> on "
        f"{unseen} unseen patients; the best hospital alone reaches {dice['local'][best]:.3f}{own}, all data in one place "
        f"{dice['pooled']:.3f}."
    )


def _tables(summary: dict, hospitals: list[str]) -> str:
    """All means, then the same by structure."""
    labels = list(summary["by_structure"])
    means = [
        [label, *(_figure(summary["by_hospital"][label][hospital]) for hospital in hospitals),
         _figure(_overall(summary["dice_of_taught_structures"], label)), _figure(_overall(summary["dice"], label))]
        for label in labels
    ]  # fmt: skip
    structures = list(summary["by_structure"][labels[0]])
    details = [[label, *(_figure(summary["by_structure"][label][name]) for name in structures)] for label in labels]
    first = table(
        ["model", *(f"unseen at {hospital}" for hospital in hospitals), "taught structures", "all"],
        means,
        lead="federated",
    )
    return first + ("<p></p>" + table(["model", *structures], details, lead="federated") if len(structures) > 1 else "")


def _figure(value: float | None) -> str:
    return f"{value:.3f}" if value else "\u2013"


def _overall(dice: dict, label: str) -> float:
    return dice["local"][label.removeprefix("local ")] if label.startswith("local ") else dice[label]


def _curves(out: Path, hospitals: list[str]) -> str:
    models = {f"local {hospital}": f"local_{hospital}" for hospital in hospitals} | {"pooled": "pooled"}
    rows = {label: _read_curves(out / "models" / f"{name}.work" / "curves.csv") for label, name in models.items()}
    charts = []
    for column, title, limits in (
        ("train_patch_loss", "Training loss", None),
        ("validation_dice", "Validation Dice (own hospitals)", (0.0, 1.0)),
    ):
        curves = [
            Curve(label, [(float(r["step"]), float(r[column])) for r in found if r.get(column)], PALETTE[n])
            for n, (label, found) in enumerate(rows.items())
        ]
        charts.append(chart_svg(curves, title, "training step", limits))
    charts.append(chart_svg(_federation_curves(out), "Federation: training loss by site", "round"))
    return "".join(charts)


def _read_curves(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _federation_curves(out: Path) -> list[Curve]:
    return [
        Curve(site, points, PALETTE[n]) for n, (site, points) in enumerate(round_losses(out / "federation").items())
    ]


def _legend(structures: tuple[str, ...]) -> str:
    keys = "".join(
        f'<span class="key" style="border-color:{color}"></span>{escape(name)}'
        for name, color in _colors(structures).items()
    )
    return f"Solid: the model. Dashed: the hospital's own contours (a hospital does not contour every organ).<br>{keys}"


def _patient(comparison: ComparisonFolder, hospital: str, case: str, folder: Path) -> str:
    """A row of slices of one patient with the hospital's and the model's contours."""
    results = comparison.contours(hospital) / case
    index = index_folders([folder])
    uid, series_uid = next(iter(index.links.items()))
    loaded = load_series(index.series[series_uid])
    names = NameMap.load(comparison.dataset(hospital).with_name("dataset.names.csv"))
    predicted = {roi.name: roi.polygons for roi in read_rtstruct(results / "RTSTRUCT.dcm")}
    drawn = {
        name: roi.polygons
        for roi in read_rtstruct(index.structure_sets[uid].path)
        if (name := names.lookup(roi.name)) in predicted
    }
    colors = _colors(comparison.settings.structures)
    outlines = [Outlines(polygons, colors[name], dashed=True) for name, polygons in drawn.items()]
    outlines += [Outlines(polygons, colors[name]) for name, polygons in predicted.items()]
    window = _window(comparison.settings.dataset["processing"], loaded.array)
    figures = "".join(
        f"<figure>{slice_svg(loaded.array, loaded.stack, k, outlines, window)}</figure>"
        for k in _slices_with_contours(list(drawn.values()), loaded.stack)
    )
    link = f"contours/{hospital}/{case}"
    caption = (
        f'{escape(hospital)}, case {case}: <a href="{link}/RTSTRUCT.dcm">RTSTRUCT</a>, '
        f'<a href="{link}/structures.seg.nrrd">segmentation</a>'
    )
    return f'<figure><div class="row">{figures}</div><figcaption>{caption}</figcaption></figure>'


def _colors(structures: tuple[str, ...]) -> dict[str, str]:
    """Colours that can be told apart on grey; Slicer's own for bladder and prostate, say, are nearly the same."""
    return {name: OUTLINE_COLORS[n % len(OUTLINE_COLORS)] for n, name in enumerate(structures)}


def _window(processing: dict, array: np.ndarray) -> tuple[float, float]:
    """The dataset's CT window; for MR all but the darkest and brightest hundredth."""
    if "hu_window" in processing:
        return tuple(processing["hu_window"])
    return tuple(float(v) for v in np.percentile(array, (1, 99)))


def _slices_with_contours(structures: list[list[np.ndarray]], stack) -> list[int]:
    """Three slices through the contoured range, at its quarters."""
    offsets = [float((p.mean(axis=0) - stack.positions[0]) @ stack.normal) for polygons in structures for p in polygons]
    low, high = min(offsets), max(offsets)
    wanted = np.array([low + (high - low) * share for share in (0.3, 0.5, 0.7)])
    return [int(k) for k in stack.nearest_slice(wanted)]


def _files(summary: dict) -> str:
    links = "".join(
        f'<li><a href="{escape(path)}">{escape(path)}</a></li>'
        for path in summary["outputs"]["rtstruct"] + summary["outputs"]["segmentation"]
    )
    return f"<details><summary>All RTSTRUCT and segmentation files</summary><ul>{links}</ul></details>"
