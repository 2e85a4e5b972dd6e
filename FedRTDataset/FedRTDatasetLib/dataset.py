"""The dataset on disk: plain files that describe themselves (`dataset.json`, one folder a case).

dataset.json                      what the cases have in common: structures, processing, state, software
cases/<case>/case.json            provenance as keyed hashes, split, grid, labelled structures, SHA-256 of each file
cases/<case>/image.nrrd           float32, harmonised
cases/<case>/structures.seg.nrrd  one layer a structure; a structure not in it is unlabelled, not absent
cases/<case>/dose.nrrd            Gy on the image's grid, where the plan came with a dose
"""

import hashlib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .atomic import write_text
from .errors import FedRTError
from .preprocess import Grid, Processing
from .structures import Structure

FORMAT = 1
Split = Literal["train", "validation", "test"]
Model = TypeVar("Model", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DatasetRecord(_Record):
    """`dataset.json`."""

    format: Literal[1] = FORMAT
    state: Literal["building", "complete"]
    name: str
    processing: Processing
    structures: list[Structure]
    cases: list[str] = Field(default_factory=list)
    skipped: dict[str, int] = Field(default_factory=dict)
    """How many items were left out, by kind of reason."""
    software: dict[str, str] = Field(default_factory=dict)


class PlanRecord(_Record):
    """Machine-neutral values of the plan the structure set belongs to."""

    prescription_gy: float | None = None
    fractions: int | None = None
    dose_max_gy: float | None = None


class CaseRecord(_Record):
    """`case.json`. `folder` is where it was read from; it is not written."""

    id: str
    patient: str
    split: Split
    source: str
    """Keyed hash of the source images' and structure set's UIDs; tells whether the source changed."""
    grid: Grid
    labelled: list[str]
    volumes_cm3: dict[str, float]
    plan: PlanRecord = Field(default_factory=PlanRecord)
    notes: list[str] = Field(default_factory=list)
    sha256: dict[str, str] = Field(default_factory=dict)
    folder: Path | None = Field(default=None, exclude=True)


class Dataset:
    """A complete dataset, opened for reading."""

    def __init__(self, path: Path, record: DatasetRecord, cases: list[CaseRecord]) -> None:
        self.path = path
        self.name = record.name
        self.processing = record.processing
        self.structures = tuple(record.structures)
        self.cases = tuple(sorted(cases, key=lambda case: case.id))

    @classmethod
    def open(cls, path: Path | str) -> "Dataset":
        """Open a dataset folder.

        Raises:
            FedRTError: it is no dataset, was left half built, or a case of it is missing or fails its schema.
        """
        path = Path(path)
        record = read_record(path / "dataset.json", DatasetRecord)
        if record.state != "complete":
            raise FedRTError(f"dataset {path} was not finished: run the same `fedrt dataset build` again, it goes on.")
        cases = [read_case(path / "cases" / case) for case in record.cases]
        return cls(path, record, cases)

    def case(self, case_id: str) -> CaseRecord:
        """The case of that pseudonymous id."""
        for case in self.cases:
            if case.id == case_id:
                return case
        raise FedRTError(f"dataset {self.path} has no case {case_id}; `fedrt dataset check` lists its cases.")

    def split(self, split: Split) -> tuple[CaseRecord, ...]:
        """The cases of one split."""
        return tuple(case for case in self.cases if case.split == split)

    def labelled_cases(self, split: Split = "train") -> dict[str, int]:
        """How many cases of a split are contoured for each structure."""
        cases = self.split(split)
        return {s.name: sum(s.name in case.labelled for case in cases) for s in self.structures}


def read_case(folder: Path) -> CaseRecord:
    """`case.json` of a case folder."""
    case = read_record(folder / "case.json", CaseRecord)
    case.folder = folder
    for name in case.sha256:
        if not (folder / name).is_file():
            raise FedRTError(f"case {case.id} lacks its file {name}: run `fedrt dataset build` again to make it anew.")
    return case


def read_record(path: Path, model: type[Model]) -> Model:
    """A JSON document that must pass its schema.

    Raises:
        FedRTError: missing, not JSON or not of the schema; names the file and the first thing that is wrong.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FedRTError(f"{path} does not exist; is {path.parent} the right folder?") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise FedRTError(
            f"{path} is not valid ({where}: {first['msg']}); restore it or build the dataset again."
        ) from None


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as indented JSON, atomically."""
    write_text(path, record.model_dump_json(indent=2) + "\n")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_image(case: CaseRecord):
    """The harmonised image of a case: SimpleITK float32, LPS."""
    import SimpleITK as sitk

    return sitk.ReadImage(str(case.folder / "image.nrrd"))


def read_structures(case: CaseRecord, names: list[str] | tuple[str, ...]):
    """Masks of the named structures on the image's grid.

    Returns:
        uint8 (S, z, y, x) in the order of `names`, and bool (S,): whether the case is labelled for it. The mask of an
        unlabelled structure is zero and says nothing.
    """
    import numpy as np

    from .segmentation import read_segmentation

    shape = case.grid.size[::-1]
    masks = np.zeros((len(names), *shape), dtype=np.uint8)
    labelled = np.array([name in case.labelled for name in names], dtype=bool)
    if labelled.any():
        stored = read_segmentation(case.folder / "structures.seg.nrrd")
        for s in np.flatnonzero(labelled):
            masks[s] = stored.masks[stored.names.index(names[s])]
    return masks, labelled
