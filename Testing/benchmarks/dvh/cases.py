"""The shapes of `dvh_shapes.py` as DICOM: CT, RTSTRUCT and RTDOSE, so that every program gets the same files."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from dicom_maker import add_rtstruct, make_series
from dose_maker import make_dose
from dvh_shapes import SHAPES, R, contours, linear_dose

MIDDLE = np.array([-18.0, 2.0, 0.0])  # of the shape; z is set a case


@dataclass(frozen=True)
class Case:
    """shape, slice distance and dose grid (mm), and whether the dose rises along the axis."""

    shape: str
    step: float
    grid: float
    along_axis: bool
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.shape}-{self.step:g}-{self.grid:g}-{'along' if self.along_axis else 'across'}"

    @property
    def rtstruct(self) -> Path:
        return self.folder / self.name / "structures.dcm"

    @property
    def rtdose(self) -> Path:
        return self.folder / self.name / "dose.dcm"

    @property
    def images(self) -> Path:
        return self.folder / self.name


def write_cases(folder: Path, steps=(1.0, 2.0, 3.0), grids=(1.0, 2.0, 3.0)) -> list[Case]:
    """All of them; transverse slices, since no peer takes others."""
    cases = [
        Case(shape, step, grid, along, folder)
        for shape in SHAPES
        for step in steps
        for grid in grids
        for along in (True, False)
    ]
    for case in cases:
        _write(case)
    return cases


def _write(case: Case) -> None:
    polygons, _ = contours(case.shape, case.step)
    margin = 6
    first = -R + 0.5 * case.step - margin * case.step
    count = len(polygons) + 2 * margin + 2
    series = make_series(
        case.images,
        slices=count,
        rows=80,
        columns=80,
        spacing=(1.0, 1.0),
        step=case.step,
        name="Phantom",
        patient="PHANTOM",
    )
    start = np.array([float(v) for v in series.headers[0].ImagePositionPatient])
    shift = np.array([MIDDLE[0], MIDDLE[1], start[2] - first])  # the first contour lies on slice `margin`
    add_rtstruct(series, {case.shape: [polygon + shift for polygon in polygons]}, case.rtstruct)
    dose = linear_dose(case.along_axis, case.grid)
    make_dose(
        case.rtdose,
        dose.values,
        origin=[round(float(v), 6) for v in dose.stack.positions[0] + shift],
        spacing=dose.stack.spacing,
        offsets=[round(float(v), 6) for v in dose.stack.offsets],
        scaling=1e-6,
        FrameOfReferenceUID=series.headers[0].FrameOfReferenceUID,
        StudyInstanceUID=series.headers[0].StudyInstanceUID,
        PatientID="PHANTOM",
        PatientName="Phantom",
    )
