"""Frames of reference: the way from one to another over registration objects."""

import numpy as np
import pydicom
import pytest
from dicom_maker import write_registration
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.imaging.geometry import SliceStack
from FedRTDatasetLib.imaging.registration import (
    DEFORMABLE,
    Registration,
    find_link,
    is_deformable_only,
    moved,
    read_registration,
    resampling_transform,
)

A, B, C, Z = "1.2.1", "1.2.2", "1.2.3", "1.2.9"


def rigid(degrees: float, shift) -> np.ndarray:
    """A rotation about z and a shift, as a 4x4 matrix."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[:3, :3] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    matrix[:3, 3] = shift
    return matrix


def through(matrix, point):
    return (matrix @ [*point, 1.0])[:3]


def test_a_registration_takes_points_of_its_source_to_its_own_frame(tmp_path):
    matrix = rigid(30, (5, -3, 8))
    registration = read_registration(write_registration(tmp_path / "r.dcm", "1.2", "1.1", [matrix]))
    link = find_link([registration], "1.2", "1.1")
    assert (link.steps, link.is_rigid) == (1, True)
    assert through(link.matrix, (10, 20, 30)) == pytest.approx(through(matrix, (10, 20, 30)), abs=1e-6)
    back = find_link([registration], "1.1", "1.2")
    assert through(back.matrix, through(link.matrix, (10, 20, 30))) == pytest.approx((10, 20, 30), abs=1e-6)


def test_matrices_are_applied_in_their_order(tmp_path):
    first, second = rigid(90, (0, 0, 0)), rigid(0, (100, 0, 0))
    link = find_link(
        [read_registration(write_registration(tmp_path / "r.dcm", "1.2", "1.1", [first, second]))], "1.2", "1.1"
    )
    assert through(link.matrix, (1, 0, 0)) == pytest.approx((100, 1, 0))


def test_frames_are_chained_forwards_and_backwards_by_the_shortest_way(tmp_path):
    a_to_b, c_to_b = rigid(10, (1, 2, 3)), rigid(-25, (4, 0, -7))
    registrations = [
        read_registration(write_registration(tmp_path / "ab.dcm", A, B, [a_to_b])),
        read_registration(write_registration(tmp_path / "cb.dcm", C, B, [c_to_b])),
    ]
    link = find_link(registrations, A, C)
    assert link.steps == 2
    assert link.matrix == pytest.approx(np.linalg.inv(c_to_b) @ a_to_b, abs=1e-6)
    direct = read_registration(write_registration(tmp_path / "ac.dcm", A, C, [rigid(0, (9, 9, 9))]))
    assert find_link([*registrations, direct], A, C).steps == 1


def test_no_way_no_frame_and_other_patients():
    registration = Registration("one", ((A, B, np.eye(4)),))
    assert find_link([registration], A, Z) is None
    assert find_link([registration], "", "") is None
    assert find_link([registration], A, "") is None
    assert find_link([], A, A).steps == 0
    assert find_link([registration], A, B, "two") is None
    assert find_link([registration], A, B, "one").steps == 1


def test_scaling_is_no_rigid_motion():
    matrix = np.diag([1.1, 1.0, 1.0, 1.0])
    assert not find_link([Registration("", ((A, B, matrix),))], A, B).is_rigid
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    assert not find_link([Registration("", ((A, B, mirror),))], A, B).is_rigid


def test_a_deformable_registration_is_recognised_and_not_applied(tmp_path):
    path = write_registration(tmp_path / "d.dcm", A, B, [np.eye(4)])
    dataset = pydicom.dcmread(path)
    del dataset.RegistrationSequence
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DEFORMABLE
    item = pydicom.Dataset()
    item.SourceFrameOfReferenceUID = A
    dataset.DeformableRegistrationSequence = [item]
    dataset.save_as(path)
    registration = read_registration(path)
    assert find_link([registration], A, B) is None
    assert is_deformable_only([registration], B, A)
    assert not is_deformable_only([registration], B, C)


@pytest.mark.parametrize(
    "values", [["1"] * 15, ["nan"] * 16, ["0"] * 16, [*"1000010000101001"]], ids=["15", "nan", "zero", "perspective"]
)
def test_a_matrix_that_is_none_is_refused(tmp_path, values):
    path = write_registration(tmp_path / "r.dcm", A, B, [np.eye(4)])
    dataset = pydicom.dcmread(path)
    matrix = dataset.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
    matrix.add_new(0x300600C6, "DS", values)
    dataset.save_as(path)
    with pytest.raises(FedRTError, match=r"r\.dcm holds no usable registration"):
        read_registration(path)


def test_slices_move_with_a_rigid_link():
    stack = SliceStack(
        np.array([[0, 0, z] for z in (0.0, 2.0, 5.0)]),
        np.array([1.0, 0, 0]),
        np.array([0, 1.0, 0]),
        (2.0, 3.0),
        (3, 4, 5),
    )
    matrix = rigid(40, (7, 8, 9))
    link = find_link([Registration("", ((A, B, matrix),))], A, B)
    pixel = np.array([[3.0, 2.0]])
    there = moved(stack, link).to_patient(pixel, 1)[0]
    assert there == pytest.approx(through(matrix, stack.to_patient(pixel, 1)[0]))
    assert moved(stack, link).offsets == pytest.approx(stack.offsets)
    assert resampling_transform(link).TransformPoint(there.tolist()) == pytest.approx(stack.to_patient(pixel, 1)[0])
