"""What one case of a dataset shows when its files are opened."""

import numpy as np

from ..anatomy.checks import check_structures
from ..errors import FedRTError
from ..finding import Finding
from ..imaging.preprocess import Processing, grid_of
from ..storage.dataset import (
    CaseRecord,
    file_sha256,
    read_images,
    read_structures,
)

BUILD_AGAIN = "delete the case folder and build again"


def check_case(case: CaseRecord, processing: Processing) -> list[Finding]:
    """Check files, grid, voxels and contours of a case, and tell what its build noted; nothing is changed.

    A case whose files cannot be read gives an `error` and is not looked at further.
    """
    damaged = _damaged_files(case)
    if damaged:
        return damaged
    try:
        images = read_images(case)
        masks, labelled = read_structures(case, case.labelled)
    except (FedRTError, RuntimeError, ValueError) as error:
        return [
            Finding("unreadable", f"its files cannot be read ({type(error).__name__}): {BUILD_AGAIN}.", "", "error")
        ]
    found = [finding for name, image in images.items() for finding in _image_findings(case, name, image)]
    wanted = processing.spacing_mm
    if wanted is not None and not np.allclose(case.grid.spacing_mm, wanted, atol=1e-3):
        found.append(Finding("geometry", "its voxel size is not the dataset's: build it again.", "", "error"))
    found += _dose_findings(case)
    by_name = {name: mask for name, mask, known in zip(case.labelled, masks, labelled, strict=True) if known}
    found += _mask_findings(by_name)
    found += check_structures({name: mask for name, mask in by_name.items() if mask.any()}, case.grid)
    known = {(finding.kind, finding.structure) for finding in found}
    noted = [check.as_finding() for check in case.checks]
    return found + [finding for finding in noted if (finding.kind, finding.structure) not in known]


def _damaged_files(case: CaseRecord) -> list[Finding]:
    found = []
    for name, digest in case.sha256.items():
        path = case.folder / name
        if not path.is_file():
            found.append(Finding("missing-file", f"{name} is missing: {BUILD_AGAIN}.", "", "error"))
        elif file_sha256(path) != digest:
            text = f"{name} was changed after it was built: {BUILD_AGAIN}."
            found.append(Finding("changed-file", text, "", "error"))
    return found


def _image_findings(case: CaseRecord, name: str, image) -> list[Finding]:
    import SimpleITK as sitk

    if not grid_of(image).matches(case.grid):
        text = f"image {name} and case.json state different grids: {BUILD_AGAIN}."
        return [Finding("geometry", text, "", "error")]
    values = sitk.GetArrayViewFromImage(image)
    if not np.isfinite(values).all():
        text = f"image {name} holds values that are no numbers: check this export."
        return [Finding("image", text, "", "error")]
    if values.min() == values.max():
        text = f"image {name} has one value everywhere: check this export."
        return [Finding("image", text, "", "error")]
    return []


def _dose_findings(case: CaseRecord) -> list[Finding]:
    """A maximum far from the prescription usually means a wrong unit, a single beam, or the dose of another plan."""
    maximum, prescription = case.plan.dose_max_gy, case.plan.prescription_gy
    if maximum is None or not prescription:
        return []
    share = maximum / prescription
    if 0.9 <= share <= 1.6:
        return []
    text = (
        f"the dose maximum is {share:.2f} of the prescription ({maximum:.1f} of {prescription:.1f} Gy): look whether all "
        "beams and phases were exported."
    )
    return [Finding("dose", text)]


def _mask_findings(masks: dict[str, np.ndarray]) -> list[Finding]:
    found = []
    for name, mask in masks.items():
        if not mask.any():
            text = f"{name} is listed as contoured but has no voxel: {BUILD_AGAIN}."
            found.append(Finding("empty", text, name, "error"))
        elif mask[0].any() or mask[-1].any():
            text = f"{name} reaches the first or last slice: it may go on beyond the image."
            found.append(Finding("cut-off", text, name, "note"))
    return found
