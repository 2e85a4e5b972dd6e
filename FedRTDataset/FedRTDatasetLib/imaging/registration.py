"""How one frame of reference lies to another, as spatial registration objects (REG) say.

Source: DICOM PS3.3 C.20.2 (Spatial Registration): each item of the Registration Sequence holds a frame of reference and
matrices that take its points to the object's own frame of reference. The object's own frame is usually one of the items,
with the identity. A deformable registration (C.20.3) is recognised and not applied.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..dicom_file import read_dicom
from ..errors import FedRTError
from .geometry import SliceStack

RIGID_TOLERANCE = 1e-3  # of the lengths: matrices are written with few digits
DEFORMABLE = "1.2.840.10008.5.1.4.1.1.66.3"


@dataclass(frozen=True)
class Registration:
    """One REG object. `edges`: (from frame, to frame, 4x4 matrix on LPS mm column vectors), all of the same patient.

    `deformable`: pairs of frames of reference that a deformation grid links; there is no matrix for them.
    """

    patient_id: str
    edges: tuple[tuple[str, str, np.ndarray], ...] = ()
    deformable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Link:
    """How to get from one frame of reference to another. matrix: 4x4, LPS mm. steps: registrations passed; 0 same frame."""

    matrix: np.ndarray = field(default_factory=lambda: np.eye(4))
    steps: int = 0

    @property
    def is_rigid(self) -> bool:
        """A rotation and a shift: distances stay."""
        rotation = self.matrix[:3, :3]
        same_lengths = np.abs(rotation.T @ rotation - np.eye(3)).max() < RIGID_TOLERANCE
        return bool(same_lengths and np.linalg.det(rotation) > 0)


def read_registration(path: Path | str) -> Registration:
    """A REG file.

    Raises:
        FedRTError: unreadable, no registration, or a matrix that is none.
    """
    name = Path(path).name
    try:
        dataset = read_dicom(path, stop_before_pixels=True)
        patient = str(dataset.get("PatientID", ""))
        home = str(dataset.get("FrameOfReferenceUID", ""))
        if "DeformableRegistrationSequence" in dataset or dataset.get("SOPClassUID") == DEFORMABLE:
            items = dataset.get("DeformableRegistrationSequence") or []
            frames = [str(item.get("SourceFrameOfReferenceUID", "")) for item in items]
            return Registration(patient, deformable=tuple((frame, home) for frame in frames if frame not in ("", home)))
        edges = [edge for item in dataset.RegistrationSequence for edge in _edge(item, home)]
    except Exception as error:
        raise FedRTError(f"{name} holds no usable registration ({type(error).__name__}): export it again.") from error
    return Registration(patient, tuple(edges))


def _edge(item: Dataset, home: str) -> list[tuple[str, str, np.ndarray]]:
    source = str(item.get("FrameOfReferenceUID", ""))
    if not source or not home or source == home:
        return []
    matrix = np.eye(4)
    for registration in item.get("MatrixRegistrationSequence") or []:
        for one in registration.get("MatrixSequence") or []:  # applied in the order of the items
            matrix = _matrix(one.FrameOfReferenceTransformationMatrix) @ matrix
    return [(source, home, matrix)]


def _matrix(values) -> np.ndarray:
    """16 values, row by row."""
    matrix = np.array([float(value) for value in values])
    if matrix.size != 16 or not np.isfinite(matrix).all():
        raise ValueError("no 4x4 matrix")
    matrix = matrix.reshape(4, 4)
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6) or abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError("not an invertible affine matrix")
    return matrix


def find_link(registrations: Iterable[Registration], source: str, target: str, patient_id: str = "") -> Link | None:
    """The way from frame `source` to frame `target` over the fewest registrations, each also backwards; None if there is none.

    Only registrations of `patient_id` count (all where it is empty). Of several equally short ways the first found is taken,
    in the order given.
    """
    if source and source == target:
        return Link()
    ways: dict[str, list[tuple[str, np.ndarray]]] = {}
    for registration in registrations:
        if patient_id and registration.patient_id != patient_id:
            continue
        for start, end, matrix in registration.edges:
            ways.setdefault(start, []).append((end, matrix))
            ways.setdefault(end, []).append((start, np.linalg.inv(matrix)))
    reached, waiting = {source: Link()}, deque([source])
    while source and waiting:
        frame = waiting.popleft()
        for neighbour, matrix in ways.get(frame, []):
            if neighbour not in reached:
                reached[neighbour] = Link(matrix @ reached[frame].matrix, reached[frame].steps + 1)
                waiting.append(neighbour)
    return reached.get(target) if target else None


def is_deformable_only(registrations: Iterable[Registration], first: str, second: str, patient_id: str = "") -> bool:
    """Whether a deformable registration of the patient links the two frames directly."""
    pairs = {frozenset(pair) for one in registrations if patient_id in ("", one.patient_id) for pair in one.deformable}
    return frozenset((first, second)) in pairs


def moved(stack: SliceStack, link: Link) -> SliceStack:
    """The slices where they lie in the other frame of reference. Only for a rigid `link`: pixels stay rectangles."""
    rotation, shift = link.matrix[:3, :3], link.matrix[:3, 3]
    return replace(
        stack,
        positions=stack.positions @ rotation.T + shift,
        row_direction=rotation @ stack.row_direction,
        column_direction=rotation @ stack.column_direction,
    )


def resampling_transform(link: Link):
    """SimpleITK transform from points of the link's target frame back to its source frame, as `preprocess.resample` wants."""
    import SimpleITK as sitk

    back = np.linalg.inv(link.matrix)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(back[:3, :3].ravel().tolist())
    transform.SetTranslation(back[:3, 3].tolist())
    return transform
