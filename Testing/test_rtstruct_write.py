"""RTSTRUCT as planning systems and dciodvfy want it."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from dicom_maker import ORIENTATIONS, ellipse, make_series
from FedRTDatasetLib.contouring.outline import outline
from FedRTDatasetLib.contouring.rtstruct_read import contour_points, read_rtstruct
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, decimal_string, write_rtstruct
from FedRTDatasetLib.errors import FedRTError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from scipy.ndimage import gaussian_filter

LONG = "Glnd_Submandibular_left_side_L"


def errors_in(path):
    """dciodvfy's errors."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
    assert "RTStructureSet" in told
    return [line for line in told.splitlines() if line.startswith("Error")]


def series_of(folder, name, **options):
    """A series whose headers say `name` (the files themselves are not of interest here)."""
    series = make_series(folder, **options)
    for header in series.headers:
        header.SpecificCharacterSet = "ISO_IR 192"
        header.PatientName = name
    return series


def kinds_of_rois(series):
    loops = [series.plane(k, ellipse((40, 30), (12, 9))) for k in (1, 2)]
    point, line = series.plane(3, np.array([[40.0, 30.0]])), series.plane(3, ellipse((40, 30), (12, 9), 9))
    names = ["Bladder", LONG, LONG, "GTVp", "CTV", "PTV", "PTV-Bladder", "Body", "SpinalCord_PRV05", "Bolus", "CouchSurface",
             "Marker", "Cavity", "Contrast", "Dose 5000[cGy]", "Mask", "unknown"]  # fmt: skip
    rois = [
        RoiContours(name, loops, algorithm=("MANUAL", "AUTOMATIC", "SEMIAUTOMATIC")[i % 3])
        for i, name in enumerate(names)
    ]
    rois.append(RoiContours("Isocentre", [], interpreted_type="ISOCENTER", others=[("POINT", point)]))
    rois.append(RoiContours("Mixed", loops, others=[("OPEN_PLANAR", line), ("OPEN_NONPLANAR", line), ("POINT", point)]))
    rois.append(RoiContours("Empty", [], description="a description", snomed=("89837001", "Bladder")))
    rois.append(RoiContours("Coded", loops, snomed=("71341001", "Femur"), exact=True))
    return rois


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_dciodvfy_finds_no_error(tmp_path, orientation):
    series = series_of(tmp_path, "Müller^Jörg=山田^太郎=やまだ^たろう", orientation=orientation)
    write_rtstruct(tmp_path / "a.dcm", series.headers, kinds_of_rois(series), "A label of more than 16 characters")
    assert errors_in(tmp_path / "a.dcm") == []
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert str(dataset.PatientName) == "Müller^Jörg=山田^太郎=やまだ^たろう"
    assert dataset.StructureSetLabel.strip() == "A label of more"


@pytest.mark.parametrize(("character_set", "name"), [("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 101", "Łukasz^Wójcik"),
                                                     ("ISO_IR 126", "Παπαδόπουλος^Γιώργος"), ("", "Doe^Jane")])  # fmt: skip
def test_character_sets(tmp_path, character_set, name):
    series = series_of(tmp_path, name)
    write_rtstruct(tmp_path / "a.dcm", series.headers, kinds_of_rois(series), "a", character_set=character_set)
    assert errors_in(tmp_path / "a.dcm") == []
    assert str(pydicom.dcmread(tmp_path / "a.dcm").PatientName) == name


def test_contour_longer_than_explicit_vr_can_say(tmp_path):
    series = make_series(tmp_path)
    polygon = series.plane(3, ellipse((40, 30), (12, 9), 6000))
    for name, points in (("long", polygon), ("short", polygon[::10])):
        write_rtstruct(tmp_path / f"{name}.dcm", series.headers, [RoiContours("x", [points], exact=True)], "x")
        assert errors_in(tmp_path / f"{name}.dcm") == []
        assert np.abs(read_rtstruct(tmp_path / f"{name}.dcm")[0].polygons[0] - points).max() < 1e-10
    assert pydicom.dcmread(tmp_path / "long.dcm").file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert pydicom.dcmread(tmp_path / "short.dcm").file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_names_types_and_references(tmp_path):
    series = make_series(tmp_path)
    write_rtstruct(tmp_path / "a.dcm", series.headers, kinds_of_rois(series), "a")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    names = [item.ROIName for item in dataset.StructureSetROISequence]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 16
    assert names[1].endswith("_L")
    assert names[2].endswith("_2_L")
    assert [item.ROIDescription for item in dataset.StructureSetROISequence[1:3]] == [LONG, LONG]
    types = dict(zip(names, [item.RTROIInterpretedType for item in dataset.RTROIObservationsSequence], strict=True))
    expected = {"Bladder": "ORGAN", "GTVp": "GTV", "CTV": "CTV", "PTV": "PTV", "Body": "EXTERNAL", "Isocentre": "ISOCENTER",
                "SpinalCord_PRV05": "AVOIDANCE", "unknown": ""}  # fmt: skip
    assert {name: types[name] for name in expected} == expected
    mixed = dataset.ROIContourSequence[names.index("Mixed")].ContourSequence
    assert [c.ContourGeometricType for c in mixed] == ["CLOSED_PLANAR"] * 2 + ["OPEN_PLANAR", "OPEN_NONPLANAR", "POINT"]
    referenced = [c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in mixed]
    assert referenced == [series.headers[k].SOPInstanceUID for k in (1, 2, 3, 3, 3)]


def test_short_long_names_stay_when_asked(tmp_path):
    series = make_series(tmp_path)
    write_rtstruct(tmp_path / "a.dcm", series.headers, [RoiContours(LONG, [])], "a", longest_name=None)
    assert read_rtstruct(tmp_path / "a.dcm")[0].name == LONG


def test_the_same_entropy_gives_the_same_uids(tmp_path):
    series = make_series(tmp_path)
    one, two, other = (
        write_rtstruct(tmp_path / "a.dcm", series.headers, [RoiContours("x", [])], "a", uid_entropy=entropy)
        for entropy in (["s"], ["s"], ["t"])
    )
    assert one == two != other


@pytest.mark.parametrize(
    "value",
    [-1234.56789, 1234.56789, -123456789.123456, 1e15, -1e15, 1e16, -1.7e308, 5e-324, -1e-9, 0.1 + 0.2, -0.30000000000000004,
     1 / 3, -1e22 / 7, -0.0, 99999.99999999, -2.2250738585072014e-308],
)  # fmt: skip
@pytest.mark.parametrize("decimals", [4, None])
def test_decimal_strings_have_at_most_16_bytes_whatever_the_number(value, decimals):
    text = decimal_string(value, decimals)
    assert len(text) <= 16
    assert set(text) <= set("0123456789+-.eE")
    assert float(text) == pytest.approx(value, rel=1e-9, abs=0.5001e-4 if decimals else 1e-300)


@pytest.mark.parametrize("text", ["-123.45678901234", "0.1234567890123", "-.5", "1.0E+02", "-1234567890.1234", "512"])
def test_decimal_strings_of_others_come_back_as_the_same_number(text):
    assert float(decimal_string(float(text), None)) == float(text)


def test_nothing_to_write_and_not_a_number(tmp_path):
    series = make_series(tmp_path)
    with pytest.raises(FedRTError, match=r"a\.dcm would have no ROI"):
        write_rtstruct(tmp_path / "a.dcm", series.headers, [], "a")
    points = series.plane(1, ellipse((40, 30), (12, 9)))
    points[3, 1] = np.nan
    with pytest.raises(FedRTError, match="no number"):
        write_rtstruct(tmp_path / "a.dcm", series.headers, [RoiContours("x", [points])], "a")
    del series.headers[0].FrameOfReferenceUID
    with pytest.raises(FedRTError, match="no Frame of Reference"):
        write_rtstruct(tmp_path / "a.dcm", series.headers, [RoiContours("x", [])], "a")
    with pytest.raises(FedRTError, match="cannot hold its names"):
        japanese = series_of(tmp_path / "b", "山田^太郎")
        write_rtstruct(tmp_path / "a.dcm", japanese.headers, [RoiContours("x", [])], "a", character_set="ISO_IR 100")
    assert not (tmp_path / "a.dcm").exists()


def test_masks_and_probabilities_pass_dciodvfy(tmp_path):
    series = make_series(tmp_path)
    from FedRTDatasetLib.imaging.series import load_series
    from FedRTDatasetLib.index.dicom_index import index_folders

    stack = load_series(next(iter(index_folders([tmp_path]).series.values()))).stack
    field = gaussian_filter(np.random.default_rng(1).random(stack.shape), 1.2)
    probability = (field - field.min()) / (field.max() - field.min())
    rois = [RoiContours("p", outline(probability, stack)), RoiContours("m", outline(probability >= 0.5, stack))]
    write_rtstruct(tmp_path / "a.dcm", series.headers, rois, "a")
    assert errors_in(tmp_path / "a.dcm") == []
    contour = pydicom.dcmread(tmp_path / "a.dcm").ROIContourSequence[0].ContourSequence[0]
    assert len(contour_points(contour)) == contour.NumberOfContourPoints
