"""What an index is made of: image series, RT objects, registrations, problems."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Problem:
    """Something that was skipped or is doubtful: one sentence naming the file and what to do.

    `path`: where that file (or the first of a series) lies; it may hold a name, so only tables for this site show it.
    """

    kind: str
    text: str
    path: Path | None = field(default=None, compare=False, repr=False)


@dataclass
class Slices:
    """The slices of a series by SOP Instance UID: where each file is, and the header elements that place the slice."""

    files: "dict[str, Path]" = field(default_factory=dict)
    headers: "dict[str, Dataset]" = field(default_factory=dict)


@dataclass
class ImageSeries:
    """A CT, MR or PET series.

    `files` maps SOP Instance UID to path, `headers` to the elements that place the slice and tell the volumes of the series
    apart; both are loaded when they are asked for and not held. `count` is the number of slices.
    """

    uid: str
    study_uid: str
    frame_of_reference_uid: str
    modality: str
    patient_id: str
    patient_name: str = field(default="", repr=False)
    count: int = 0
    study_date: str = ""
    study_description: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    protocol_name: str = field(default="", repr=False)
    sequence_name: str = ""
    number: str = ""
    rows: int = 0
    columns: int = 0
    transfer_syntax_uid: str = ""
    load: Callable[[], Slices] = field(default=Slices, repr=False, compare=False)

    @property
    def files(self) -> dict[str, Path]:
        return self.load().files

    @property
    def headers(self) -> "dict[str, Dataset]":
        return self.load().headers


@dataclass
class RtObject:
    """An RTSTRUCT, RTPLAN or RTDOSE file.

    `references` are the SOP Instance UIDs of the RT objects it refers to, `series_uids` and `image_uids` what an RTSTRUCT was
    drawn on, `frame_uids` the frames of reference it names.
    """

    path: Path
    modality: str
    uid: str
    patient_id: str
    patient_name: str
    frame_of_reference_uid: str
    series_uids: tuple[str, ...] = ()
    image_uids: tuple[str, ...] = field(default=(), repr=False)
    roi_names: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    dose_summation_type: str = ""
    study_uid: str = ""
    study_date: str = ""
    label: str = ""
    frame_uids: tuple[str, ...] = ()
    structure_set_uids: tuple[str, ...] = ()
    plan_uids: tuple[str, ...] = ()
    dose_units: str = ""


Matrix = tuple[float, ...]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass
class Registration:
    """A Spatial Registration (REG) file; of a deformable one no more than that it is there.

    `sources` maps a frame of reference to the 4x4 matrix (16 numbers, row by row, LPS mm) that brings its points to the
    frame of the whole object, `frame_of_reference_uid`; `kinds` to RIGID, RIGID_SCALE or AFFINE. Source: PS3.3 C.20.2.
    """

    path: Path
    uid: str
    patient_id: str
    patient_name: str = field(repr=False)
    frame_of_reference_uid: str
    sources: dict[str, Matrix] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    study_uid: str = ""
    study_date: str = ""
    modality: str = "REG"
    deformable: bool = False

    @property
    def frames(self) -> set[str]:
        """Every frame of reference it connects."""
        return {self.frame_of_reference_uid, *self.sources}

    def matrix(self, from_frame: str, to_frame: str) -> Matrix:
        """16 numbers, row by row, that bring a point (x, y, z, 1) in LPS mm from one frame to the other.

        Raises:
            KeyError: it does not connect them.
            ValueError: a matrix that cannot be turned round.
        """
        import numpy as np

        if not {from_frame, to_frame} <= self.frames:
            raise KeyError(to_frame)
        there = np.reshape(self.sources.get(from_frame, IDENTITY), (4, 4))
        back = np.reshape(self.sources.get(to_frame, IDENTITY), (4, 4))
        try:
            return tuple(float(value) for value in (np.linalg.inv(back) @ there).ravel())
        except np.linalg.LinAlgError:
            raise ValueError("a registration matrix without an inverse") from None
