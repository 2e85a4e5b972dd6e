"""`fedrt dvh` as it is typed: tables, curves, page, and plain words where something does not fit."""

import csv
import json

import numpy as np
import pydicom
import pytest
from dicom_maker import add_rtstruct, ellipse, make_series
from dose_maker import make_dose, make_plan
from FedRTDatasetLib.commandline import main
from FedRTDatasetLib.commands import dvh as command_dvh
from FedRTDatasetLib.dosimetry.sections import END_CAPS

GRADIENT = 0.5  # Gy/mm along x
CENTRE_X = 20.0  # of the structures, mm


@pytest.fixture
def patient(tmp_path):
    """Images, structures (two elliptic cylinders 12 mm long) and a folder for doses."""
    series = make_series(tmp_path / "images")
    shapes = {"PTV Doe": ((70.0, 30.0), (20.0, 12.0)), "Cord": ((70.0, 30.0), (5.0, 5.0)), "Empty": None}
    rois = {
        name: [] if shape is None else [series.plane(k, ellipse(*shape)) for k in range(2, 6)]
        for name, shape in shapes.items()
    }
    add_rtstruct(series, rois, tmp_path / "rs.dcm")
    (tmp_path / "rt").mkdir()
    frame = series.headers[0].FrameOfReferenceUID
    structure_set = pydicom.dcmread(tmp_path / "rs.dcm").SOPInstanceUID
    return tmp_path, frame, structure_set


def dose_file(folder, frame, name, gray=30.0, **options):
    """A dose of `gray` in the middle of the structures, rising along x."""
    x = -60 + 4.0 * np.arange(41)
    values = np.broadcast_to(gray + GRADIENT * (x - CENTRE_X), (16, 12, 41))
    place = {"origin": (-60, -30, 5), "spacing": (4, 6), "offsets": 3.0 * np.arange(16), "FrameOfReferenceUID": frame}
    return make_dose(folder / "rt" / name, values, **{**place, **options})


def run(folder, *arguments):
    return main(["dvh", str(folder / "images"), str(folder / "rs.dcm"), *map(str, arguments), "--progress", "none"])


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_values_and_curves(patient, capsys):
    folder, frame, _ = patient
    dose = dose_file(folder, frame, "d.dcm")
    out = folder / "out" / "dvh.csv"
    arguments = [dose, "--out", out, "--json", "--html", folder / "p.html", "--svg", folder / "p.svg"]
    assert run(folder, *arguments, "--prescription", 28, "--eud", 1, "--metrics", "D95%", "V30Gy", "V100%[cc]") == 0
    rows = {row["structure"]: row for row in table(out)}
    target = rows["PTV (hidden)"]
    volume = np.pi * 20 * 12 * 12 / 1000
    assert float(target["volume_cm3"]) == pytest.approx(volume, rel=2e-3)
    assert float(target["mean_Gy"]) == pytest.approx(30, abs=0.01)
    assert float(target["min_Gy"]) == pytest.approx(20, abs=0.05)
    assert float(target["max_Gy"]) == pytest.approx(40, abs=0.05)
    assert float(target["V30Gy_%"]) == pytest.approx(50, abs=0.1)
    assert float(target["gEUD(a=1)_Gy"]) == pytest.approx(30, abs=0.01)
    assert float(target["V100%_cm3"]) == pytest.approx(volume * 0.626, rel=0.01)
    assert float(target["HI_RTOG"]) == pytest.approx(40 / 28, abs=0.01)
    assert rows["Cord"]["HI_RTOG"] == ""
    curves = table(out.with_name("dvh.curves.csv"))
    at_30 = next(row for row in curves if row["structure"] == "Cord" and float(row["dose_Gy"]) == 30)
    assert float(at_30["volume_at_least_%"]) == pytest.approx(50, abs=0.2)
    told = json.loads(capsys.readouterr().out)
    assert told["structures"][0]["mean_Gy"] == pytest.approx(30, abs=0.01)
    assert told["prescription_gy"] == {"dose": 28.0}
    assert any("Empty: no closed contours" in note for note in told["notes"])
    page = (folder / "p.html").read_text()
    assert page.count("<path") == 2
    assert (folder / "p.svg").read_text().startswith("<svg")
    for path in (out, folder / "p.html", folder / "p.svg", out.with_name("dvh.curves.csv")):
        text = path.read_text()
        assert "Doe" not in text
        assert "MRN-4711" not in text


def test_beams_of_a_plan_and_its_prescription(patient):
    folder, frame, structure_set = patient
    plan = make_plan(folder / "rt" / "p.dcm", "1.7", structure_set=structure_set, prescription=25.0)
    for n in (1, 2):
        dose_file(folder, frame, f"d{n}.dcm", 15.0, plan="1.7", beams=(n,), summation="BEAM")
    assert run(folder, folder / "rt", "--out", folder / "o.csv", "--structures", "cord") == 0
    (row,) = table(folder / "o.csv")
    assert float(row["mean_Gy"]) == pytest.approx(30, abs=0.01)
    assert float(row["V100%_%"]) == pytest.approx(100, abs=0.1)
    (folder / "rt" / "d2.dcm").unlink()
    assert run(folder, folder / "rt", "--out", folder / "o.csv") == 1
    assert run(folder, plan, "--out", folder / "o.csv") == 1


def test_doses_of_several_plans_one_by_one_and_their_sum_only_if_said_or_linked(patient):
    folder, frame, structure_set = patient
    doses = [dose_file(folder, frame, f"d{n}.dcm", 10.0 * n, plan=f"1.{n}") for n in (1, 2)]
    out = folder / "o.csv"

    def means(*arguments):
        assert run(folder, *arguments, "--out", out, "--structures", "Cord", "--html", folder / "p.html") == 0
        return {row["dose"]: round(float(row["mean_Gy"]), 1) for row in table(out)}

    assert means(*doses) == {"plan 1": 10.0, "plan 2": 20.0}
    assert means(*doses, "--sum") == {"plan 1": 10.0, "plan 2": 20.0, "sum": 30.0}
    plans = [
        make_plan(
            folder / f"p{n}.dcm", f"1.{n}", structure_set=structure_set, relations={"1.1": "PRIOR"} if n == 2 else None
        )
        for n in (1, 2)
    ]
    assert means(*doses, *plans) == {"plan 1": 10.0, "plan 2": 20.0, "sum": 30.0}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--structures", "Hart"], "no ROI named Hart; it has: PTV (hidden), Cord, Empty"),
        (["--metrics", "D95"], "D95 is no DVH value"),
        (["--bin", "0"], "--bin is to be"),
        (["--eud", "0"], "--eud takes"),
        (["--prescription", "-3"], "--prescription is to be"),
    ],
)
def test_what_was_asked_amiss_is_told(patient, capsys, arguments, reason):
    folder, frame, _ = patient
    assert run(folder, dose_file(folder, frame, "d.dcm"), "--out", folder / "o.csv", *arguments) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error
    assert not (folder / "o.csv").exists()


def test_a_dose_that_does_not_fit_is_told(patient, capsys):
    folder, frame, _ = patient
    out = ["--out", folder / "o.csv"]
    cases = {
        "relative dose units": dose_file(folder, frame, "r.dcm", DoseUnits="RELATIVE"),
        "0 everywhere": make_dose(folder / "rt" / "0.dcm", np.zeros((3, 4, 5)), FrameOfReferenceUID=frame),
        "another frame of reference": dose_file(folder, "1.99", "f.dcm"),
        "does not reach it": dose_file(folder, frame, "far.dcm", origin=(500, 500, 500)),
        "does not exist": folder / "rt" / "absent.dcm",
        "is not an RT Dose file": folder / "rs.dcm",
        "holds no RTDOSE file": folder / "images",
    }
    for reason, dose in cases.items():
        assert run(folder, dose, *out) == 1
        error = capsys.readouterr().err
        assert reason in error
        assert "Traceback" not in error
    assert run(folder, cases["another frame of reference"], *out, "--any-frame") == 0
    small = dose_file(folder, frame, "s.dcm", offsets=1.6 * np.arange(16))
    assert (
        main(["dvh", str(folder / "images"), str(folder / "rs.dcm"), str(small), "--out", str(folder / "o.csv")]) == 0
    )
    assert "lies beyond the dose grid" in capsys.readouterr().err.replace("\n", " ")
    covered = [float(row["covered_%"]) for row in table(folder / "o.csv")]
    assert 0 < covered[0] < 100


def test_structures_of_other_images_are_refused(patient, tmp_path, capsys):
    folder, frame, _ = patient
    make_series(tmp_path / "other")
    dose = dose_file(folder, frame, "d.dcm")
    arguments = [str(tmp_path / "other"), str(folder / "rs.dcm"), str(dose), "--out", str(folder / "o.csv")]
    assert main(["dvh", *arguments, "--progress", "none"]) == 1
    assert "rs.dcm does not belong to the images" in capsys.readouterr().err


def test_the_end_caps_that_can_be_typed_are_those_there_are():
    assert command_dvh.END_CAPS == END_CAPS


def test_a_real_plan(real_data, tmp_path):
    """Eclipse: all six structures, and the body that reaches beyond the dose grid."""
    folder = real_data / "eclipse_prostate"
    arguments = [str(folder / "ct"), str(folder / "rs.dcm"), str(folder / "rd.dcm"), "--out", str(tmp_path / "o.csv")]
    assert main(["dvh", *arguments, "--progress", "none"]) == 0
    rows = {row["structure"]: row for row in table(tmp_path / "o.csv")}
    assert len(rows) == 6
    assert 98 < float(rows["BODY"]["covered_%"]) < 100
    assert float(rows["PTV"]["mean_Gy"]) == pytest.approx(45.88, abs=0.01)


def test_structures_of_one_name_are_kept_apart(patient):
    folder, frame, _ = patient
    dataset = pydicom.dcmread(folder / "rs.dcm")
    dataset.StructureSetROISequence[0].ROIName = "Cord"
    dataset.save_as(folder / "rs.dcm")
    assert run(folder, dose_file(folder, frame, "d.dcm"), "--out", folder / "o.csv") == 0
    assert [row["structure"] for row in table(folder / "o.csv")] == ["Cord (ROI 1)", "Cord (ROI 2)"]
