"""A dataset of small noisy images with a few ellipsoid organs, written through the dataset room's own writers."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from FedRTDatasetLib.imaging.preprocess import Processing, grid_of
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.storage.dataset import (
    CaseRecord,
    Dataset,
    DatasetRecord,
    file_sha256,
    write_record,
)
from FedRTDatasetLib.storage.segmentation import write_segmentation

ORGANS = {
    "Bladder": ((0.45, 0.40, 0.50), (0.22, 0.16, 0.18), 0.50),
    "Rectum": ((0.45, 0.72, 0.50), (0.30, 0.11, 0.10), 0.62),
    "Prostate": ((0.72, 0.52, 0.50), (0.13, 0.12, 0.12), 0.70),
    "Femur_Head_L": ((0.65, 0.55, 0.82), (0.15, 0.13, 0.11), 0.95),
    "Femur_Head_R": ((0.65, 0.55, 0.18), (0.15, 0.13, 0.11), 0.95),
}
"""Centre and half axes (z, y, x) as fractions of the image, and mean intensity in 0..1."""


def write_tiny_dataset(
    path: Path | str,
    *,
    cases: dict[str, int] | None = None,
    shape: tuple[int, int, int] = (16, 24, 24),
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 5.0),
    organs: tuple[str, ...] = ("Bladder", "Prostate"),
    unlabelled: dict[str, tuple[str, ...]] | None = None,
    shift: float = 0.0,
    noise: float = 0.05,
    seed: int = 0,
) -> Dataset:
    """Write a dataset and open it.

    `cases` is the number of cases in each split, `shape` is (z, y, x), `spacing_mm` (x, y, z). `unlabelled` names, for
    a case such as "c00", organs that are in its image but not contoured. `shift` is added to all intensities.
    """
    path = Path(path)
    rng = np.random.default_rng(seed)
    cases = cases or {"train": 3, "validation": 1, "test": 1}
    splits = [split for split, count in cases.items() for _ in range(count)]
    for number, split in enumerate(splits):
        _write_case(path, f"c{number:02d}", split, rng, shape, spacing_mm, organs, unlabelled or {}, shift, noise)
    record = DatasetRecord(
        state="complete",
        name=path.name,
        processing=Processing(spacing_mm=spacing_mm),
        structures=[Structure(name=name) for name in organs],
        cases=[f"c{number:02d}" for number in range(len(splits))],
    )
    write_record(path / "dataset.json", record)
    return Dataset.open(path)


def _write_case(path, case_id, split, rng, shape, spacing_mm, organs, unlabelled, shift, noise):
    values, masks = draw_anatomy(rng, shape, organs, shift, noise)
    folder = path / "cases" / case_id
    folder.mkdir(parents=True)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing_mm)
    sitk.WriteImage(image, str(folder / "image.nrrd"), True)
    kept = [index for index, name in enumerate(organs) if name not in unlabelled.get(case_id, ())]
    write_segmentation(
        folder / "structures.seg.nrrd", masks[kept], [Structure(name=organs[index]) for index in kept], image
    )
    voxel_cm3 = float(np.prod(spacing_mm)) / 1000
    record = CaseRecord(
        id=case_id,
        patient=case_id,
        split=split,
        source="0" * 64,
        grid=grid_of(image),
        labelled=[organs[index] for index in kept],
        volumes_cm3={organs[index]: float(masks[index].sum()) * voxel_cm3 for index in kept},
        sha256={name: file_sha256(folder / name) for name in ("image.nrrd", "structures.seg.nrrd")},
    )
    write_record(folder / "case.json", record)


def draw_anatomy(rng, shape, organs, shift=0.0, noise=0.05):
    """Image float32 (z, y, x) and masks uint8 (S, z, y, x) of one random patient."""
    grid = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"), axis=-1)
    body = (((grid - 0.5) / np.array([2.0, 0.44, 0.46])) ** 2).sum(-1) < 1
    values = np.where(body, 0.4, 0.0)
    offset = rng.normal(0, 0.03, 3)
    masks = []
    for name in organs:
        centre, axes, level = ORGANS[name]
        centre = np.array(centre) + offset + rng.normal(0, 0.02, 3)
        axes = np.array(axes) * rng.uniform(0.8, 1.25, 3)
        mask = (((grid - centre) / axes) ** 2).sum(-1) < 1
        values[mask] = level + rng.normal(0, 0.03)
        masks.append(mask)
    values = values + shift + rng.normal(0, noise, shape)
    return np.clip(values, 0, 1).astype(np.float32), np.stack(masks).astype(np.uint8)
