"""The HTML report of a dataset."""

import re

from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.finding import Finding
from FedRTDatasetLib.quality.charts import histogram_svg, stacked_bars_svg
from FedRTDatasetLib.quality.checks import Quality, check_dataset
from FedRTDatasetLib.quality.contact_sheet import case_pictures, colors_of
from FedRTDatasetLib.quality.report_page import chosen_cases
from tiny_dataset import write_tiny_dataset


def test_report_shows_every_case_and_loads_nothing(tmp_path):
    dataset = write_tiny_dataset(tmp_path / "ds", unlabelled={"c00": ("Prostate",)})
    with open(dataset.cases[1].folder / "image.nrrd", "ab") as file:
        file.write(b"x")
    assert main(["dataset", "report", str(dataset.path), "--progress", "none"]) == 0
    page = (dataset.path / "report.html").read_text(encoding="utf-8")
    for case in dataset.cases:
        assert f'id="{case.id}"' in page
    assert page.count("<image ") == 2 * len(dataset.cases)
    assert "image.nrrd was changed after it was built" in page
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert not re.search(r">\s*nan\b", page)


def test_pictures_show_the_contours_and_the_right_side(tmp_path):
    dataset = write_tiny_dataset(
        tmp_path / "ds", organs=("Femur_Head_L", "Femur_Head_R"), cases={"train": 1, "test": 1}
    )
    svg = case_pictures(dataset, dataset.cases[0], {"Femur_Head_L": "#00ff00", "Femur_Head_R": "#ff0000"})
    axial = svg.split("</svg>")[0]
    first_x = {
        c: float(re.search(rf'd="M([\d.]+) [^"]*" fill="none" stroke="{c}"', axial)[1]) for c in ("#00ff00", "#ff0000")
    }
    assert first_x["#ff0000"] < first_x["#00ff00"]  # the patient's right is on the left


def test_cases_with_findings_are_shown_first(tmp_path):
    dataset = write_tiny_dataset(tmp_path / "ds", cases={"train": 8, "validation": 1, "test": 1})
    quality = Quality({case.id: [] for case in dataset.cases} | {"c07": [Finding("gap", "t")]})
    shown = [case.id for case in chosen_cases(dataset, quality, 3)]
    assert len(shown) == 3 and "c07" in shown
    assert len(chosen_cases(dataset, quality, 10)) == 10


def test_a_name_cannot_bring_html_into_the_page(tmp_path):
    svg = stacked_bars_svg({"<script>": {"train": 2, "test": 1}}, {"train": "#111", "test": "#222"})
    assert "<script>" not in svg and svg.count("<rect") == 2 and ">3</text>" in svg


def test_histogram_counts_what_it_is_given():
    svg = histogram_svg([1.0, 10.0, 100.0], "v", bins=3)
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" fill', svg)]
    assert len(heights) == 3 and min(heights) == max(heights) > 0
    assert histogram_svg([], "v") == ""
    assert "n = 2" in histogram_svg([5.0, 5.0], "v")


def test_colours_repeat_only_when_they_run_out():
    assert len(set(colors_of([str(n) for n in range(10)]).values())) == 10


def test_check_of_the_reported_dataset_ignores_the_report(tmp_path):
    dataset = write_tiny_dataset(tmp_path / "ds")
    main(["dataset", "report", str(dataset.path), "--progress", "none"])
    _, quality = check_dataset(dataset.path)
    assert quality.counts()["error"] == 0
