"""Corrected structure sets of a case, kept beside what was built and never overwritten.

    cases/<case>/versions/0001/version.json            parent, editor's role, seconds, Dice to the parent, SHA-256
    cases/<case>/versions/0001/structures.seg.nrrd     on the case's grid
    cases/<case>/versions/0001/approval.json           the role of whoever approved it; absent while nobody has

Version 0 is the structure set the case was built with. A version holds every structure of its parent that the editor did
not touch, so that each version stands for itself. Nothing says who or when: a role and the seconds of work only.
"""

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import FedRTError
from .records import CaseRecord, read_record, write_record
from .roles import Role

FOLDER = "versions"
RECORD = "version.json"
APPROVAL = "approval.json"
STRUCTURES = "structures.seg.nrrd"
Wanted = int | Literal["approved", "newest", "original"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VersionRecord(_Record):
    """`version.json`."""

    format: Literal[1] = 1
    number: int = Field(ge=1)
    parent: int = Field(ge=0)
    """The version that was corrected; 0 is the structure set the case was built with."""
    parent_sha256: str
    """Of the parent's structures.seg.nrrd, so that a rebuilt case is not taken for the parent."""
    editor_role: Role
    seconds: float = Field(ge=0)
    """Time the editor spent."""
    labelled: list[str]
    changed: list[str]
    """Structures that differ from the parent, new and removed ones included."""
    dice_to_parent: dict[str, float]
    """Of the structures that both have."""
    volumes_cm3: dict[str, float]
    sha256: dict[str, str]


class _Approval(_Record):
    format: Literal[1] = 1
    role: Role
    sha256: str
    """Of the structures that were approved."""


@dataclass(frozen=True)
class StructureFile:
    """A structure set of a case: number 0 as it was built. path: its .seg.nrrd. labelled: TG-263 names in it."""

    number: int
    path: Path
    sha256: str
    labelled: list[str]
    volumes_cm3: dict[str, float]
    approved: bool


def versions_of(case: CaseRecord) -> list[VersionRecord]:
    """The versions of a case in their order.

    Raises:
        FedRTError: a record is damaged.
    """
    folder = case.folder / FOLDER
    numbers = sorted(path.name for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []
    return [read_record(folder / number / RECORD, VersionRecord) for number in numbers]


def structures_of(case: CaseRecord, version: Wanted = "approved") -> StructureFile:
    """The structure set to read.

    Args:
        version: `approved`: the newest approved version, the original where there is none. `newest`: approved or not.
            `original`, or a number (0 is the original).

    Raises:
        FedRTError: there is no such version, or its file is missing or not the one that was stored.
    """
    built = read_record(case.folder / "case.json", CaseRecord) if case.version else case
    sha256 = built.sha256.get(STRUCTURES, "")
    original = StructureFile(0, case.folder / STRUCTURES, sha256, built.labelled, built.volumes_cm3, True)
    if version in ("original", 0):
        return original
    stored = [_as_file(case, record) for record in versions_of(case)]
    if isinstance(version, int):
        found = [file for file in stored if file.number == version]
        if not found:
            raise FedRTError(
                f"case {case.id} has no version {version} ({len(stored)} in all): see `fedrt dataset versions`."
            )
    else:
        found = [original, *(file for file in stored if file.approved or version == "newest")]
    return _checked(case, found[-1])


def as_corrected(case: CaseRecord, version: Wanted = "approved") -> CaseRecord:
    """The case with the structures of a version: its `labelled` and `volumes_cm3`. The files' hashes stay as built."""
    file = structures_of(case, version)
    if file.number == case.version:
        return case
    changes = {"labelled": file.labelled, "volumes_cm3": file.volumes_cm3, "version": file.number}
    return case.model_copy(update=changes)


def add_version(
    case: CaseRecord,
    masks: dict,
    editor_role: Role,
    seconds: float,
    *,
    parent: Wanted = "newest",
    removed: tuple[str, ...] = (),
    approved: bool = False,
) -> VersionRecord:
    """Store a corrected structure set as the next version; several processes may do so at once.

    Args:
        masks: TG-263 name -> uint8 (z, y, x) on the case's grid; the parent's other structures are taken over.
        seconds: time the editor spent.
        parent: the version that was corrected.
        removed: structures of the parent that the new version is not to have.

    Raises:
        FedRTError: a mask is not on the case's grid, nothing was changed, or the parent is missing or damaged.
    """
    import numpy as np

    from .correction import segments_on_grid

    shape = case.grid.size[::-1]
    for name, mask in masks.items():
        if mask.shape != shape:
            raise FedRTError(
                f"{name} has {mask.shape} voxels, case {case.id} has {shape}: correct it on the case's image."
            )
        if not mask.any():
            raise FedRTError(f"{name} is empty in the correction of case {case.id}: remove it, or draw it.")
    base = structures_of(case, parent)
    before = dict(segments_on_grid(base.path, case.grid))
    before = {name: before[name] for name in base.labelled}
    after = {name: mask for name, mask in before.items() if name not in removed}
    after |= {name: (mask != 0).astype(np.uint8) for name, mask in masks.items()}
    both = [name for name in after if name in before]
    dice = {name: _dice(before[name], after[name]) for name in sorted(both)}
    changed = sorted((before.keys() ^ after.keys()) | {n for n in both if not np.array_equal(before[n], after[n])})
    if not changed:
        raise FedRTError(
            f"the correction of case {case.id} changes no voxel of version {base.number}: nothing to store."
        )
    if not after:
        raise FedRTError(f"the correction of case {case.id} leaves no structure: nothing to store.")
    voxel_cm3 = float(np.prod(case.grid.spacing_mm)) / 1000
    record = VersionRecord(
        number=1,
        parent=base.number,
        parent_sha256=base.sha256,
        editor_role=editor_role,
        seconds=round(float(seconds), 1),
        labelled=sorted(after),
        changed=changed,
        dice_to_parent=dice,
        volumes_cm3={name: round(float(after[name].sum()) * voxel_cm3, 3) for name in sorted(after)},
        sha256={},
    )
    return _store(case, record, after, approved)


def approve(case: CaseRecord, number: int, role: Role) -> None:
    """Approve a version; from then on readers take it unless a newer one is approved. Approving again changes nothing.

    Raises:
        FedRTError: there is no such version or its file was altered.
    """
    file = structures_of(case, number)
    if number and not file.approved:
        write_record(file.path.with_name(APPROVAL), _Approval(role=role, sha256=file.sha256))


def _store(case: CaseRecord, record: VersionRecord, masks: dict, approved: bool) -> VersionRecord:
    """Write the folder under a temporary name and give it the first free number; renaming onto a taken one fails."""
    import numpy as np

    from ..naming.structures import structure
    from .dataset import file_sha256, read_image
    from .segmentation import write_segmentation

    folder = case.folder / FOLDER
    folder.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=folder))
    try:
        write_segmentation(
            partial / STRUCTURES, np.stack([masks[name] for name in record.labelled]),
            [structure(name) for name in record.labelled], read_image(case),
        )  # fmt: skip
        record = record.model_copy(update={"sha256": {STRUCTURES: file_sha256(partial / STRUCTURES)}})
        if approved:
            write_record(partial / APPROVAL, _Approval(role=record.editor_role, sha256=record.sha256[STRUCTURES]))
        partial.chmod(case.folder.stat().st_mode & 0o777)  # mkdtemp made it private
        while True:
            taken = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
            record = record.model_copy(update={"number": max(taken, default=0) + 1})
            write_record(partial / RECORD, record)
            with contextlib.suppress(OSError):
                os.rename(partial, folder / f"{record.number:04d}")
                return record
            if not (folder / f"{record.number:04d}").exists():
                raise FedRTError(
                    f"version {record.number} of case {case.id} cannot be written: check the disk and its rights."
                )
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _as_file(case: CaseRecord, record: VersionRecord) -> StructureFile:
    folder = case.folder / FOLDER / f"{record.number:04d}"
    sha256 = record.sha256.get(STRUCTURES, "")
    approved = (folder / APPROVAL).is_file() and read_record(folder / APPROVAL, _Approval).sha256 == sha256
    return StructureFile(record.number, folder / STRUCTURES, sha256, record.labelled, record.volumes_cm3, approved)


def _checked(case: CaseRecord, file: StructureFile) -> StructureFile:
    from .dataset import file_sha256

    if not file.path.is_file() or (file.number and file_sha256(file.path) != file.sha256):
        raise FedRTError(f"version {file.number} of case {case.id} is missing or was altered: restore {file.path}.")
    return file


def _dice(a, b) -> float:
    total = int(a.sum()) + int(b.sum())
    return round(2 * int((a & b).sum()) / total, 6) if total else 1.0
