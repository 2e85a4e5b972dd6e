"""The HTML report of a dataset: what is in it, how it was made, what was skipped, what to look at."""

from collections import Counter
from html import escape
from pathlib import Path

import numpy as np

from ..atomic import write_text
from ..errors import FedRTError
from ..finding import Finding
from ..html_page import page, table
from ..notes import sentence
from ..reporting import Reporter
from ..storage.dataset import CaseRecord, Dataset
from .charts import histogram_svg, stacked_bars_svg
from .checks import SEVERITIES, Quality
from .contact_sheet import case_pictures, colors_of

SPLIT_COLORS = {"train": "#1d6fb8", "validation": "#d9822b", "test": "#6b7280"}


def write_dataset_report(
    dataset: Dataset, quality: Quality, out: Path, *, pictures: int = 60, report: Reporter | None = None
) -> None:
    """Write the report as one file that loads nothing from elsewhere.

    At most `pictures` cases are shown: first those with errors or warnings, then others evenly over the dataset.
    """
    report = report or Reporter()
    body = [
        f"<h1>Dataset {escape(dataset.name)}</h1>",
        f"<p>{_introduction(dataset, quality)}</p>",
        "<h2>Structures</h2>",
        _structures(dataset),
        "<h2>Volumes in cm<sup>3</sup></h2>",
        _volumes(dataset),
        "<h2>Images and plans</h2>",
        _images(dataset),
        "<h2>To look at</h2>",
        _findings(quality),
        "<h2>Left out when the dataset was built</h2>",
        _skipped(dataset),
        "<h2>How images were processed</h2>",
        _processing(dataset),
        "<h2>Cases</h2>",
        _sheets(dataset, quality, pictures, report),
        '<p class="note">FedRT is research software, not a medical device.</p>',
    ]
    write_text(out, page(f"Dataset {dataset.name}", "".join(body)))


def _introduction(dataset: Dataset, quality: Quality) -> str:
    patients = len({case.patient for case in dataset.cases})
    splits = ", ".join(f"{len(dataset.split(split))} {split}" for split in SPLIT_COLORS)
    counts = quality.counts()
    told = ", ".join(
        f'<span class="{s if counts[s] else ""}">{counts[s]} {s}{"s" * (counts[s] != 1)}</span>' for s in SEVERITIES
    )
    return (
        f"{len(dataset.cases)} cases of {patients} patients ({splits}), {len(dataset.structures)} structures. "
        f"Checks: {told}."
    )


def _structures(dataset: Dataset) -> str:
    rows = {
        structure.name: {
            split: sum(structure.name in case.labelled for case in dataset.split(split)) for split in SPLIT_COLORS
        }
        for structure in dataset.structures
    }
    rows = dict(sorted(rows.items(), key=lambda item: -sum(item[1].values())))
    key = "".join(f'<span class="key" style="border-color:{c}"></span>{s}' for s, c in SPLIT_COLORS.items())
    return f"<p>Cases that are contoured for each structure: {key}</p>{stacked_bars_svg(rows, SPLIT_COLORS)}"


def _volumes(dataset: Dataset) -> str:
    charts = []
    for structure in dataset.structures:
        volumes = [case.volumes_cm3[structure.name] for case in dataset.cases if structure.name in case.volumes_cm3]
        charts.append(histogram_svg(volumes, structure.name))
    return f'<p class="note">Least, middle and greatest below each; logarithmic.</p><div class="row">{"".join(charts)}</div>'


def _images(dataset: Dataset) -> str:
    cases = dataset.cases
    sources = [case.source_grid for case in cases if case.source_grid]
    charts = [
        histogram_svg([source.widest_gap_mm for source in sources], "widest gap in source, mm"),
        histogram_svg([source.spacing_mm[0] for source in sources], "pixel in source, mm"),
        histogram_svg([case.grid.size[2] * case.grid.spacing_mm[2] for case in cases], "length, mm"),
        histogram_svg([case.grid.size[0] * case.grid.spacing_mm[0] for case in cases], "width, mm"),
        histogram_svg([case.grid.spacing_mm[2] for case in cases], "slice distance, mm"),
        histogram_svg([case.plan.prescription_gy for case in cases if case.plan.prescription_gy], "prescription, Gy"),
        histogram_svg([case.plan.dose_max_gy for case in cases if case.plan.dose_max_gy], "dose maximum, Gy"),
    ]
    return f'<div class="row">{"".join(charts)}</div>'


def _findings(quality: Quality) -> str:
    rows = [
        (finding, case_id)
        for severity in SEVERITIES
        for case_id, found in quality.findings.items()
        for finding in found
        if finding.severity == severity
    ]
    if not rows:
        return "<p>Nothing.</p>"
    shown = [(f, c) for f, c in rows if f.severity != "note"]
    notes = [(f, c) for f, c in rows if f.severity == "note"]
    html = _finding_table(shown) if shown else "<p>No error, no warning.</p>"
    if notes:
        html += (
            f"<details><summary>{len(notes)} note{'s' * (len(notes) != 1)}</summary>{_finding_table(notes)}</details>"
        )
    return html


def _finding_table(rows: list[tuple[Finding, str]]) -> str:
    lines = "".join(
        f'<tr><td class="text">{_case_link(case_id)}</td><td class="text {f.severity}">{f.severity}</td>'
        f'<td class="text">{escape(f.kind)}</td><td class="text">{escape(f.text)}</td></tr>'
        for f, case_id in rows
    )
    return f"<table>{lines}</table>"


def _case_link(case_id: str) -> str:
    return f'<a href="#{escape(case_id)}">{escape(case_id)}</a>' if case_id else "dataset"


def _skipped(dataset: Dataset) -> str:
    """Counts first, then every item. What file an item was is told only outside the dataset, where it was built."""
    record = dataset.build_record
    if not record.counts:
        return "<p>Nothing.</p>"
    counts = table(
        ["what", "items", ""], [[kind, str(n), sentence(kind, {})] for kind, n in sorted(record.counts.items())]
    )
    rows = [[str(item.number), item.kind, item.case, item.text] for item in record.skipped]
    told = table(["number", "what", "case", ""], rows)
    return (
        f'{counts}<details><summary>One by one ({len(rows)})</summary><p class="note">The numbers are those of the list of '
        f"skipped items that lies beside the dataset where it was built; it names the files.</p>{told}</details>"
    )


def _processing(dataset: Dataset) -> str:
    """The settings of each image, and how many cases each step was done for."""
    declared = {image.name: image.processing for image in dataset.record.images} or {"image": dataset.processing}
    settings = {name: processing.model_dump(mode="json") for name, processing in declared.items()}
    keys = dict.fromkeys(key for name, values in settings.items() for key in values if _matters(key, values))
    rows = [[key, *(_told(settings[name][key]) for name in settings)] for key in keys]
    steps = Counter(name for case in dataset.cases for name in dict.fromkeys(step.step for step in case.steps))
    done = table(["step", "cases"], [[name, str(count)] for name, count in steps.items()]) if steps else ""
    return f'<div class="row" style="gap: 40px">{table(["setting", *settings], rows)}{done}</div>'


def _matters(key: str, settings: dict) -> bool:
    """A setting that another one has switched off is not worth a row."""
    needs = {"hu_window": "hu_window", "suv_window": "suv_window", "zscore_over": "zscore"}
    return key not in needs or settings["intensity"] == needs[key]


def _told(value) -> str:
    if value is None:
        return "as it is"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(_told(v) for v in value) if isinstance(value, (list, tuple)) else str(value)


def _sheets(dataset: Dataset, quality: Quality, pictures: int, report: Reporter) -> str:
    colors = colors_of([structure.name for structure in dataset.structures])
    keys = "".join(
        f'<span class="key" style="border-color:{color}"></span>{escape(name)}' for name, color in colors.items()
    )
    chosen = chosen_cases(dataset, quality, pictures)
    figures = []
    for done, case in enumerate(chosen):
        report.progress("pictures", done, len(chosen))
        figures.append(_sheet(dataset, case, quality.findings.get(case.id, []), colors))
    report.progress("pictures", len(chosen), len(chosen))
    told = "" if len(chosen) == len(dataset.cases) else f" {len(chosen)} of {len(dataset.cases)} cases are shown."
    return f'<p>The patient\'s right is on the left.{told}<br>{keys}</p><div class="row">{"".join(figures)}</div>'


def _sheet(dataset: Dataset, case: CaseRecord, findings: list[Finding], colors: dict[str, str]) -> str:
    try:
        pictures = case_pictures(dataset, case, colors)
    except (FedRTError, RuntimeError, ValueError):
        pictures = "<p>cannot be read</p>"
    told = "".join(
        f'<li class="{f.severity}">{escape(f.text)}</li>' for f in findings if f.severity in ("error", "warning")
    )
    caption = f"{escape(case.id)}, {case.split}" + (f'<ul class="tight">{told}</ul>' if told else "")
    return f'<figure id="{escape(case.id)}">{pictures}<figcaption>{caption}</figcaption></figure>'


def chosen_cases(dataset: Dataset, quality: Quality, most: int) -> list[CaseRecord]:
    """The cases to show, in the dataset's order."""
    if len(dataset.cases) <= most:
        return list(dataset.cases)
    pressing = [
        case.id for case in dataset.cases if any(f.severity != "note" for f in quality.findings.get(case.id, []))
    ][:most]
    others = [case.id for case in dataset.cases if case.id not in pressing]
    spread = np.linspace(0, len(others) - 1, most - len(pressing)).round().astype(int) if most > len(pressing) else []
    wanted = {*pressing, *(others[n] for n in spread)}
    return [case for case in dataset.cases if case.id in wanted]
