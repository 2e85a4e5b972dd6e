"""RTDOSE files: every voxel where the Standard says, in Gy, or the reason why not."""

import numpy as np
import pydicom
import pytest
from dose_maker import make_dose
from FedRTDatasetLib.dosimetry.rtdose import read_rtdose
from FedRTDatasetLib.errors import FedRTError

ORIENTATIONS = {
    "head first supine": (1, 0, 0, 0, 1, 0),
    "head first prone": (-1, 0, 0, 0, -1, 0),
    "feet first supine": (-1, 0, 0, 0, 1, 0),
    "feet first prone": (1, 0, 0, 0, -1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "oblique": (0.8, 0.6, 0, -0.36, 0.48, -0.8),
}
ORIGIN = np.array([10.0, -20.0, 30.0])


def field(points):
    """Gy: linear, so that trilinear interpolation is exact."""
    return 40 + points @ np.array([0.11, -0.07, 0.05])


def written(path, orientation, offsets, *, absolute=False, spacing=(3.0, 2.0), **options):
    """A dose file of `field` on planes at `offsets` along the normal."""
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    k, y, x = np.indices((len(offsets), 7, 9))
    points = (
        ORIGIN
        + x[..., None] * spacing[0] * row
        + y[..., None] * spacing[1] * column
        + (np.array(offsets)[k] - offsets[0])[..., None] * normal
    )
    stated = ORIGIN[2] + (np.array(offsets) - offsets[0]) * normal[2] if absolute else np.array(offsets) - offsets[0]
    make_dose(path, field(points), origin=ORIGIN, orientation=orientation, spacing=spacing, offsets=stated, **options)
    return points


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("offsets", [[0, 2.5, 5, 7.5], [0, -2.5, -5, -7.5], [0, 1, 4, 9]], ids=["up", "down", "uneven"])
def test_a_dose_is_where_its_attributes_say(tmp_path, orientation, offsets):
    points = written(tmp_path / "d.dcm", orientation, offsets)
    grid = read_rtdose(tmp_path / "d.dcm")
    inside = points.reshape(-1, 3)
    middle = 0.5 * (points[:-1, :-1, :-1] + points[1:, 1:, 1:]).reshape(-1, 3)
    for where in (inside, middle):
        dose, known = grid.at(where)
        assert known.all()
        assert dose == pytest.approx(field(where), abs=2e-3)
    normal = np.cross(orientation[:3], orientation[3:])
    assert not grid.at(inside + (max(offsets) - min(offsets) + 1) * normal)[1].any()


@pytest.mark.parametrize("name", ["head first supine", "feet first supine", "head first prone", "feet first prone"])
def test_planes_may_be_told_by_their_own_z_coordinates(tmp_path, name):
    """Option b) of PS3.3 C.8.8.3.2, which systems also write for other transverse grids."""
    points = written(tmp_path / "d.dcm", ORIENTATIONS[name], [0, 2.5, 5, 7.5], absolute=True)
    dose, known = read_rtdose(tmp_path / "d.dcm").at(points.reshape(-1, 3))
    assert known.all()
    assert dose == pytest.approx(field(points.reshape(-1, 3)), abs=2e-3)


def test_numbers_of_16_and_32_bits_and_signed_differences(tmp_path):
    gray = np.linspace(0, 65, 60).reshape(3, 4, 5)
    for bits, scaling in ((16, 1e-3), (32, 1e-7)):
        grid = read_rtdose(make_dose(tmp_path / "d.dcm", gray, bits=bits, scaling=scaling))
        assert grid.values == pytest.approx(gray, abs=scaling + 1e-5)
    difference = read_rtdose(make_dose(tmp_path / "e.dcm", gray - 30, bits=16, scaling=2e-3, DoseType="ERROR"))
    assert difference.values == pytest.approx(gray - 30, abs=2e-3)
    assert difference.kind == "ERROR"


def test_a_compressed_dose_reads_the_same(tmp_path):
    path = make_dose(tmp_path / "d.dcm", np.linspace(0, 65, 60).reshape(3, 4, 5), bits=16, scaling=1e-3)
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.RLELossless)
    dataset.save_as(tmp_path / "rle.dcm")
    assert np.array_equal(read_rtdose(tmp_path / "rle.dcm").values, read_rtdose(path).values)


def test_a_single_plane_holds_for_its_thickness(tmp_path):
    grid = read_rtdose(make_dose(tmp_path / "d.dcm", np.full((4, 5), 2.0), origin=(0, 0, 7), SliceThickness=3.0))
    dose, known = grid.at(np.array([[5.0, 5, 7], [5, 5, 8.4], [5, 5, 8.6]]))
    assert known.tolist() == [True, True, False]
    assert dose[:2] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"DoseUnits": "RELATIVE"}, "relative dose units"),
        ({"DoseUnits": None}, "does not say that its dose is in Gy"),
        ({"PixelData": None}, "no readable dose grid"),
        ({"DoseGridScaling": None}, "Dose Grid Scaling"),
        ({"GridFrameOffsetVector": None}, "does not say where"),
        ({"GridFrameOffsetVector": [0, 5]}, "places for 2"),
        ({"GridFrameOffsetVector": [0, 5, 5]}, "two dose planes at one place"),
        ({"GridFrameOffsetVector": [3, 8, 13]}, "count neither from 0 nor"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "not at right angles"),
        ({"ImagePositionPatient": None}, "no readable dose grid"),
        ({"PixelData": b"\0\0"}, "no readable dose grid"),
        ({"Modality": "CT"}, "is not an RT Dose file"),
    ],
)
def test_a_dose_that_cannot_be_used_says_why(tmp_path, changes, reason):
    path = make_dose(tmp_path / "d.dcm", np.ones((3, 4, 5)), **changes)
    with pytest.raises(FedRTError, match=reason) as caught:
        read_rtdose(path)
    assert "d.dcm" in str(caught.value)


def test_files_that_are_no_dicom_say_so(tmp_path):
    (tmp_path / "zero.dcm").write_bytes(b"")
    (tmp_path / "text.dcm").write_text("not DICOM at all, but long enough to be looked at" * 10)
    whole = make_dose(tmp_path / "whole.dcm", np.ones((3, 40, 50))).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    for name in ("zero.dcm", "text.dcm", "cut.dcm", "absent.dcm"):
        with pytest.raises(FedRTError, match=name):
            read_rtdose(tmp_path / name)


def test_real_doses_of_three_planning_systems(real_data):
    """Every voxel where the attributes say (PS3.3 C.8.8.3), in Gy; one of the files lacks the DICOM preamble."""
    checked = 0
    for path in sorted((real_data / "rtdose_orientations").rglob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True)
        if dataset.get("Modality") != "RTDOSE":
            continue
        grid = read_rtdose(path)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        orientation = np.array([float(v) for v in dataset.ImageOrientationPatient])
        offsets = np.array([float(v) for v in dataset.GridFrameOffsetVector])
        stored = dataset.pixel_array
        frame = np.array([0, len(offsets) - 1, len(offsets) // 2])
        y, x = np.array([0, 2, 3]), np.array([0, 5, 1])
        points = (
            np.array([float(v) for v in dataset.ImagePositionPatient])
            + x[:, None] * float(dataset.PixelSpacing[1]) * orientation[:3]
            + y[:, None] * float(dataset.PixelSpacing[0]) * orientation[3:]
            + (offsets[frame] - offsets[0])[:, None] * np.cross(orientation[:3], orientation[3:])
        )
        dose, known = grid.at(points)
        assert known.all()
        assert dose == pytest.approx(stored[frame, y, x] * float(dataset.DoseGridScaling), rel=1e-5)
        checked += 1
    assert checked == 4


def test_a_feet_first_dose_runs_downwards(real_data):
    """ARIA, row direction -1,0,0: the phantom's dose is symmetric about the middle of the bore only if it does."""
    grid = read_rtdose(real_data / "rtdose_orientations" / "varian" / "RD.TBB_feet_in_supine.dcm")
    assert grid.stack.positions[:, 2] == pytest.approx(np.linspace(100, -100, 81))
