"""The dataset on disk: plain files that describe themselves (`dataset.json`, one folder a case).

dataset.json                      what the cases have in common: structures, processing, images, state, software
build.json                        what the last build left out or doubted, item by item
cases/<case>/case.json            provenance as keyed hashes, split, grid, steps, checks, labelled structures, SHA-256 of files
cases/<case>/image.nrrd           float32, harmonised; image_1.nrrd ... on the same grid where the dataset has several images
cases/<case>/structures.seg.nrrd  one layer a structure; a structure not in it is unlabelled, not absent
cases/<case>/contours.npz         the planar contours as they were drawn (`contouring/contours.py`)
cases/<case>/dose.nrrd            Gy on the image's grid, where the plan came with a dose
cases/<case>/versions/            corrected structure sets (`storage/versions.py`); never written or removed by a build
"""

import hashlib
from pathlib import Path

from ..errors import FedRTError
from .records import (
    BuildRecord,
    CaseRecord,
    DatasetRecord,
    ImageRecord,
    PlanRecord,
    Split,
    read_record,
    write_record,
)
from .versions import as_corrected

__all__ = [
    "CaseRecord", "Dataset", "DatasetRecord", "ImageRecord", "PlanRecord", "Split", "file_sha256", "read_case",
    "read_image", "read_images", "read_record", "read_structures", "write_record",
]  # fmt: skip


class Dataset:
    """A complete dataset, opened for reading."""

    def __init__(self, path: Path, record: DatasetRecord, cases: list[CaseRecord]) -> None:
        self.path = path
        self.record = record
        self.name = record.name
        self.processing = record.processing
        self.structures = tuple(record.structures)
        self.cases = tuple(sorted(cases, key=lambda case: case.id))

    @classmethod
    def open(cls, path: Path | str, version: str = "approved") -> "Dataset":
        """Open a dataset folder.

        Args:
            version: the structures of the cases: `approved` takes the newest approved correction of each case (the
                original where there is none), `newest` also one that nobody approved, `original` what was built.

        Raises:
            FedRTError: it is no dataset, was left half built, or a case of it is missing or fails its schema.
        """
        path = Path(path)
        record = read_record(path / "dataset.json", DatasetRecord)
        if record.state != "complete":
            raise FedRTError(f"dataset {path} was not finished: run the same `fedrt dataset build` again, it goes on.")
        cases = [as_corrected(read_case(path / "cases" / case), version) for case in record.cases]
        return cls(path, record, cases)

    @property
    def build_record(self) -> BuildRecord:
        """What the last build left out or doubted; empty for a dataset that was not built from DICOM."""
        path = self.path / "build.json"
        return read_record(path, BuildRecord) if path.exists() else BuildRecord(counts=self.record.skipped)

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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_image(case: CaseRecord):
    """The harmonised (primary) image of a case: SimpleITK float32, LPS."""
    import SimpleITK as sitk

    return sitk.ReadImage(str(case.folder / "image.nrrd"))


def read_images(case: CaseRecord) -> dict:
    """Every image of a case by its declared name, the primary first: SimpleITK float32, all on one grid.

    A case may lack images that its dataset does not require. In a dataset with one image that is called `image`.
    """
    import SimpleITK as sitk

    files = {image.name: image.file for image in case.images} or {"image": "image.nrrd"}
    return {name: sitk.ReadImage(str(case.folder / file)) for name, file in files.items()}


def read_structures(case: CaseRecord, names: list[str] | tuple[str, ...]):
    """Masks of the named structures on the image's grid, of the version that the case was opened with.

    Returns:
        uint8 (S, z, y, x) in the order of `names`, and bool (S,): whether the case is labelled for it. The mask of an
        unlabelled structure is zero and says nothing.
    """
    import numpy as np

    from .correction import segments_on_grid
    from .versions import structures_of

    shape = case.grid.size[::-1]
    masks = np.zeros((len(names), *shape), dtype=np.uint8)
    labelled = np.array([name in case.labelled for name in names], dtype=bool)
    if labelled.any():
        stored = dict(segments_on_grid(structures_of(case, case.version).path, case.grid))
        for s in np.flatnonzero(labelled):
            masks[s] = stored[names[s]]
    return masks, labelled
