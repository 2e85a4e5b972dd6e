"""Original contours beside the mask: the same to the bit, small, and numbers only."""

import zipfile

import numpy as np
import pytest
from dicom_maker import add_rtstruct, ellipse, make_series
from FedRTDatasetLib.contouring.contours import read_contours, write_contours
from FedRTDatasetLib.contouring.rtstruct_read import (
    CLOSED,
    KINDS,
    XOR,
    Contour,
    Roi,
    read_rtstruct,
)
from FedRTDatasetLib.errors import FedRTError


def assert_same(read, written):
    assert [c.kind for c in read] == [c.kind for c in written]
    for a, b in zip(read, written, strict=True):
        assert a.points.dtype == np.float64
        assert a.points.tobytes() == np.ascontiguousarray(b.points).tobytes()


POINTS = {
    "two decimals": lambda random: np.round(random.uniform(-400, 400, (500, 3)), 2),
    "four decimals": lambda random: np.round(random.uniform(-4000, 4000, (500, 3)), 4),
    "sixteen digits": lambda random: random.uniform(-400, 400, (500, 3)),
    "whole numbers": lambda random: random.integers(-400, 400, (500, 3)).astype(float),
    "tiny and huge": lambda random: np.array([[1e-300, -1e300, 0.1], [5e-324, 2.0**60, -0.3]]),
    "minus nought": lambda random: np.array([[-0.0, 0.0, 1.5], [-0.0, -0.0, 2.5]]),
}


@pytest.mark.parametrize("points", POINTS.values(), ids=POINTS.keys())
def test_every_bit_comes_back(tmp_path, points):
    random = np.random.default_rng(1)
    made = points(random)
    contours = [
        Contour(kind, part) for kind, part in zip([*KINDS, ""], np.array_split(made, 6), strict=True) if len(part)
    ]
    write_contours(tmp_path / "contours.npz", [("Rectum", Roi(7, "rectum as drawn", contours))])
    (stored,) = read_contours(tmp_path / "contours.npz")
    assert (stored.name, stored.number, stored.contour_count) == ("Rectum", 7, len(contours))
    assert stored.point_count == len(made)
    assert_same(stored.contours, contours)
    assert stored.as_roi().name == "Rectum"


def test_several_rois_empty_ones_and_equal_names(tmp_path):
    square = Contour(XOR, np.array([[0, 0, 1.25], [1, 0, 1.25], [1, 1, 1.25]]))
    rois = [Roi(1, "a", [square]), Roi(2, "b", []), Roi(9, "c", [square, square])]
    write_contours(tmp_path / "c.npz", zip(("GTVp", "Rectum", "GTVp"), rois, strict=True))
    stored = read_contours(tmp_path / "c.npz")
    assert [(s.name, s.number, s.contour_count) for s in stored] == [("GTVp", 1, 1), ("Rectum", 2, 0), ("GTVp", 9, 2)]
    for s, roi in zip(stored, rois, strict=True):
        assert_same(s.contours, roi.contours)


def test_of_a_structure_set_and_small(tmp_path):
    series = make_series(tmp_path)
    loops = [series.plane(k, ellipse((40, 30), (12.3, 9.9), 300)) for k in range(8)]
    roi = read_rtstruct(add_rtstruct(series, {"Secret^Name": loops}))[0]
    write_contours(tmp_path / "c.npz", [("Bladder", roi)])
    assert_same(read_contours(tmp_path / "c.npz")[0].contours, roi.contours)
    assert (tmp_path / "c.npz").stat().st_size < 8 * 300 * 3 * 8 / 3
    content = zipfile.ZipFile(tmp_path / "c.npz")
    assert not any(b"Secret" in content.read(name) for name in content.namelist())


def test_the_file_depends_on_its_content_only(tmp_path):
    roi = Roi(1, "a", [Contour(CLOSED, np.arange(12.0).reshape(4, 3))])
    for name in ("a.npz", "b.npz"):
        write_contours(tmp_path / name, [("Rectum", roi)])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("damage", ["missing", "text", "short", "other"])
def test_damaged_files_are_told(tmp_path, damage):
    path = tmp_path / "contours.npz"
    write_contours(path, [("Rectum", Roi(1, "a", [Contour(CLOSED, np.random.default_rng(0).random((400, 3)))]))])
    if damage == "missing":
        path.unlink()
    elif damage == "text":
        path.write_text("hello")
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-400])
    else:
        np.savez(path, header=np.frombuffer(b'{"format": "something"}', np.uint8))
    with pytest.raises(FedRTError, match=r"contours\.npz cannot be read as contours"):
        read_contours(path)


def test_points_damaged_after_they_were_listed(tmp_path):
    path = tmp_path / "contours.npz"
    write_contours(path, [("Rectum", Roi(1, "a", [Contour(CLOSED, np.zeros((4, 3)))]))])
    stored = read_contours(path)
    path.write_bytes(b"")
    with pytest.raises(FedRTError, match="cannot be read as contours"):
        _ = stored[0].contours


def test_the_contours_of_real_structure_sets(real_data, tmp_path):
    sets = sorted((real_data / "dicompyler").rglob("*")) + sorted((real_data / "eclipse_prostate").rglob("*.dcm"))
    checked = 0
    for path in sets:
        try:
            rois = read_rtstruct(path)
        except (FedRTError, IsADirectoryError):
            continue
        write_contours(tmp_path / "c.npz", [("Rectum", roi) for roi in rois])
        for stored, roi in zip(read_contours(tmp_path / "c.npz"), rois, strict=True):
            assert_same(stored.contours, roi.contours)
            checked += len(roi.contours)
    assert checked > 500
