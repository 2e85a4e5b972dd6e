"""The training cache: every case once as memory-mapped arrays that a patch can be cut from without reading the rest.

A case's folder `<key>` holds

    image.npy        int16 (z, y, x); value = image * scale + offset
    labels.npy       uint8 (P, z, y, x); bit b of plane p is structure 8 p + b of `structures` in cache.json
    foreground.npy   int32 (n,): flat (z, y, x) indices of voxels of the structures, one run after the other
    cache.json       shape, spacing, scale, offset, structures, length of each structure's run, format version

Bits keep overlapping structures apart at an eighth of the size of one plane each, and let augmentation move all of them
with one look-up. The key is the hash of the case's content and of this format, so a changed case or another version of
FedRT never meets an old cache.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.storage.dataset import (
    CaseRecord,
    file_sha256,
    read_image,
    read_structures,
)
from FedRTDatasetLib.storage.versions import structures_of

VERSION = 1
FOREGROUND_VOXELS = 4096
"""Voxels remembered for each structure as possible patch centres, evenly spread over the structure."""


@dataclass(frozen=True)
class CachedCase:
    """One case of the cache. Arrays are memory maps: slicing reads from disk only what the slice holds."""

    id: str
    image: np.ndarray
    """int16 (z, y, x)."""
    labels: np.ndarray
    """uint8 (P, z, y, x), one bit a structure."""
    scale: float
    offset: float
    spacing_mm: tuple[float, float, float]
    """(x, y, z)."""
    structures: tuple[str, ...]
    """Names of the structures the case is contoured for; the order of the bits."""
    foreground: dict[str, np.ndarray]
    """Flat indices of voxels inside each structure; empty where it is contoured as absent."""

    def float_image(self) -> np.ndarray:
        """The whole image as float32 (z, y, x)."""
        return np.asarray(self.image, np.float32) * np.float32(self.scale) + np.float32(self.offset)

    def masks(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Masks uint8 (S, z, y, x) of `names` and which of them are labelled, bool (S,); unlabelled ones are empty."""
        masks = np.zeros((len(names), *self.image.shape), np.uint8)
        labelled = np.array([name in self.structures for name in names], bool)
        for mask, name in zip(masks, names, strict=True):
            if name in self.structures:
                plane, bit = divmod(self.structures.index(name), 8)
                mask[:] = (self.labels[plane] >> np.uint8(bit)) & 1
        return masks, labelled


def cached_case(case: CaseRecord, folder: Path | str) -> CachedCase:
    """The cache of dataset case `case` under `folder`, built first if it is missing."""
    target = Path(folder) / _key(case)
    if not (target / "cache.json").is_file():
        _build(case, target)
    return _open(case.id, target)


def cached_cases(cases, folder: Path | str, report: Reporter | None = None) -> tuple[CachedCase, ...]:
    """The caches of several cases, with progress."""
    report = report or Reporter()
    opened = []
    for done, case in enumerate(cases):
        report.progress("preparing cases", done, len(cases))
        opened.append(cached_case(case, folder))
    report.progress("preparing cases", len(cases), len(cases))
    return tuple(opened)


def _key(case: CaseRecord) -> str:
    structures = structures_of(case, case.version)
    files = [
        case.sha256.get("image.nrrd") or file_sha256(case.folder / "image.nrrd"),
        structures.sha256 or file_sha256(structures.path),
    ]
    content = json.dumps([VERSION, *files, list(case.labelled)])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _build(case: CaseRecord, target: Path) -> None:
    import SimpleITK as sitk

    image = read_image(case)
    names = tuple(case.labelled)
    masks, _ = read_structures(case, names)
    write_arrays(target, case.id, sitk.GetArrayViewFromImage(image), masks, names, tuple(image.GetSpacing()))


def write_arrays(
    target: Path, case_id: str, image: np.ndarray, masks: np.ndarray, names: tuple[str, ...], spacing_mm: tuple
) -> None:
    """Write the cache folder `target` from arrays: image (z, y, x) float, masks (S, z, y, x) in the order of `names`.

    The folder appears under its name complete or not at all; if another process finished it first, that one stays.
    """
    image = np.asarray(image, np.float32)
    if not np.isfinite(image).all():
        raise FedRTError(
            f"case {case_id}: the image holds values that are not numbers; rebuild this case of the dataset"
        )
    if masks.shape[1:] != image.shape:
        raise FedRTError(f"case {case_id}: structures and image differ in size; rebuild this case of the dataset")
    low, high = float(image.min()), float(image.max())
    scale, offset = max(high - low, 1e-6) / 65534, (low + high) / 2
    runs = [_some_foreground(mask) for mask in masks]
    meta = {
        "version": VERSION,
        "shape": list(image.shape),
        "spacing_mm": [float(s) for s in spacing_mm],
        "scale": scale,
        "offset": offset,
        "structures": list(names),
        "foreground": [len(run) for run in runs],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        np.save(partial / "image.npy", np.round((image - offset) / scale).astype(np.int16))
        np.save(partial / "labels.npy", _packed(masks, image.shape))
        np.save(partial / "foreground.npy", np.concatenate([np.empty(0, np.int32), *runs]))
        (partial / "cache.json").write_text(json.dumps(meta), encoding="utf-8")
        try:
            os.rename(partial, target)
        except OSError:
            if not (target / "cache.json").is_file():
                raise
    except OSError as error:
        raise FedRTError(
            f"cannot write the training cache {target.parent} ({error.strerror}); free disk space there"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _packed(masks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    planes = np.zeros((max(1, -(-len(masks) // 8)), *shape), np.uint8)
    for index, mask in enumerate(masks):
        planes[index // 8] |= (mask != 0).astype(np.uint8) << np.uint8(index % 8)
    return planes


def _some_foreground(mask: np.ndarray) -> np.ndarray:
    indices = np.flatnonzero(mask)
    if len(indices) > FOREGROUND_VOXELS:
        indices = indices[np.linspace(0, len(indices) - 1, FOREGROUND_VOXELS).astype(np.int64)]
    return indices.astype(np.int32)


def _open(case_id: str, folder: Path) -> CachedCase:
    meta = json.loads((folder / "cache.json").read_text(encoding="utf-8"))
    foreground = np.load(folder / "foreground.npy")
    ends = np.cumsum(meta["foreground"], dtype=np.int64)
    runs = np.split(foreground, ends[:-1]) if len(ends) else []
    return CachedCase(
        id=case_id,
        image=np.load(folder / "image.npy", mmap_mode="r"),
        labels=np.load(folder / "labels.npy", mmap_mode="r"),
        scale=meta["scale"],
        offset=meta["offset"],
        spacing_mm=tuple(meta["spacing_mm"]),
        structures=tuple(meta["structures"]),
        foreground=dict(zip(meta["structures"], runs, strict=True)),
    )
