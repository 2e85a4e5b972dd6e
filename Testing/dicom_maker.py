"""Small DICOM series and structure sets with known geometry, for tests."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, write_rtstruct
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SpatialRegistrationStorage,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = tuple(np.round([*np.array([0.8, 0.6, 0.0]), *np.array([-0.36, 0.48, -0.8])], 6))
ORIENTATIONS = {"axial": AXIAL, "sagittal": SAGITTAL, "oblique": OBLIQUE, "feet first": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)}


@dataclass
class Series:
    """A made series: `headers` and `files` in slice order, `voxels` [k, y, x]."""

    folder: Path
    headers: list[Dataset]
    files: list[Path]
    voxels: np.ndarray = field(repr=False)

    @property
    def row(self) -> np.ndarray:
        return np.array([float(v) for v in self.headers[0].ImageOrientationPatient[:3]])

    @property
    def column(self) -> np.ndarray:
        return np.array([float(v) for v in self.headers[0].ImageOrientationPatient[3:]])

    def plane(self, k: int, xy_mm: np.ndarray) -> np.ndarray:
        """(n, 2) mm along row and column direction from the first pixel of slice k, as (n, 3) LPS."""
        origin = np.array([float(v) for v in self.headers[k].ImagePositionPatient])
        return origin + xy_mm[:, :1] * self.row + xy_mm[:, 1:] * self.column


def make_series(
    folder: Path,
    *,
    slices: int = 8,
    rows: int = 40,
    columns: int = 48,
    spacing: tuple[float, float] = (2.0, 1.5),
    step: float = 3.0,
    orientation: tuple = AXIAL,
    patient: str = "MRN-4711",
    name: str = "Doe^Jane",
    modality: str = "CT",
    offsets: list[float] | None = None,
    seed: int | None = None,
    origin: tuple[float, float, float] = (-50.0, -30.0, 20.0),
    frame: str | None = None,
    study: str | None = None,
    scene: Callable[[np.ndarray], np.ndarray] | None = None,
    attributes: dict | None = None,
) -> Series:
    """Write a series of noise; `spacing` is (x, y) mm, `offsets` places the slices along the normal (mm).

    `frame`, `study`: UIDs shared with another series. `scene`: values at LPS points (..., 3) mm instead of noise.
    `attributes`: further attributes of every slice by keyword.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(patient.encode()) if seed is None else seed  # patients differ
    offsets = offsets if offsets is not None else [step * k for k in range(slices)]
    normal = np.cross(orientation[:3], orientation[3:])
    voxels = np.random.default_rng(seed).integers(-100, 300, (len(offsets), rows, columns)).astype(np.int16)
    if scene is not None:
        row, column = np.array(orientation[:3]), np.array(orientation[3:])
        x, y = np.arange(columns) * spacing[0], np.arange(rows) * spacing[1]
        plane = np.array(origin) + x[:, None] * row + (y[:, None] * column)[:, None]
        voxels = np.stack([np.rint(scene(plane + offset * normal)) for offset in offsets]).astype(np.int16)
    study, series, frame = study or generate_uid(), generate_uid(), frame or generate_uid()
    headers, files = [], []
    for k, offset in enumerate(offsets):
        dataset = _slice(modality, study, series, frame, patient, name)
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [f"{v:.6g}" for v in np.array(origin) + offset * normal]
        dataset.ImageOrientationPatient = [f"{v:.6g}" for v in orientation]
        dataset.PixelSpacing = [spacing[1], spacing[0]]
        dataset.Rows, dataset.Columns = rows, columns
        for keyword, value in (attributes or {}).items():
            setattr(dataset, keyword, value)
        dataset.PixelData = (voxels[k] + 1000).astype(np.uint16).tobytes()
        path = folder / f"slice{k:03d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        headers.append(dataset)
        files.append(path)
    return Series(folder, headers, files, voxels)


def _slice(modality: str, study: str, series: str, frame: str, patient: str, name: str) -> FileDataset:
    storage = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}[modality]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = storage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate, dataset.PatientSex = (
        patient,
        name,
        "19500101",
        "F",
    )
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1000
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset


def ellipse(centre: tuple[float, float], radii: tuple[float, float], points: int = 400) -> np.ndarray:
    """(points, 2) mm of an ellipse outline."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], axis=1)


def add_rtstruct(series: Series, rois: dict[str, list[np.ndarray]], path: Path | None = None, **changes) -> Path:
    """Write an RTSTRUCT with `rois` (name -> LPS polygons); `changes` replace top-level attributes of the header used."""
    headers = series.headers
    if changes:
        headers = [Dataset(header) for header in headers]
        for keyword, value in changes.items():
            for header in headers:
                setattr(header, keyword, value)
    path = path or series.folder / "structures.dcm"
    contours = [RoiContours(name, polygons) for name, polygons in rois.items()]
    write_rtstruct(path, headers, contours, "test", longest_name=None)
    return path


def make_patient(
    folder: Path,
    patient: str = "MRN-4711",
    rois: dict[str, tuple] | None = None,
    contoured: range = range(2, 6),
    **options,
) -> Series:
    """A series with an RTSTRUCT of elliptic cylinders: `rois` maps a name to ((cx, cy), (rx, ry)) in mm."""
    series = make_series(folder, patient=patient, **options)
    rois = rois or {"Bladder": ((40.0, 30.0), (20.0, 12.0)), "Rectum": ((40.0, 45.0), (10.0, 8.0))}
    add_rtstruct(series, {n: [series.plane(k, ellipse(*shape)) for k in contoured] for n, shape in rois.items()})
    return series


def write_registration(
    path: Path, source_frame: str, home_frame: str, matrices: list[np.ndarray], patient: str = "MRN-4711"
) -> Path:
    """A spatial registration object: `matrices` (4x4, LPS mm), one after the other, take `source_frame` to `home_frame`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SpatialRegistrationStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = SpatialRegistrationStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientID, dataset.PatientName = "REG", patient, "Doe^Jane"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = home_frame
    dataset.RegistrationSequence = [_registered(home_frame, [np.eye(4)]), _registered(source_frame, matrices)]
    dataset.save_as(path, enforce_file_format=True)
    return path


def _registered(frame: str, matrices: list[np.ndarray]) -> Dataset:
    item, registration = Dataset(), Dataset()
    item.FrameOfReferenceUID = frame
    registration.MatrixSequence = []
    for matrix in matrices:
        one = Dataset()
        one.FrameOfReferenceTransformationMatrix = [f"{value:.10g}" for value in np.ravel(matrix)]
        one.FrameOfReferenceTransformationMatrixType = "RIGID"
        registration.MatrixSequence.append(one)
    item.MatrixRegistrationSequence = [registration]
    return item
