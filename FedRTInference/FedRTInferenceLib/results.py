"""What is written for one contoured image: RTSTRUCT, Slicer segmentation and a small record."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from FedRTDatasetLib.atomic import write_json
from FedRTDatasetLib.contouring.outline import outline
from FedRTDatasetLib.contouring.rtstruct_write import RoiContours, write_rtstruct
from FedRTDatasetLib.imaging.geometry import sample_at, to_image
from FedRTDatasetLib.imaging.preprocess import harmonise_series
from FedRTDatasetLib.imaging.series import LoadedSeries
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.storage.segmentation import write_segmentation

from .predictor import Predictor

RECORD = "result.json"


@dataclass
class Contoured:
    """masks: uint8 (S, z, y, x) on the regular native grid. polygons: per structure, closed contours on the slices."""

    structures: list[Structure] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)
    polygons: list[list[np.ndarray]] = field(default_factory=list)


def contour_series(predictor: Predictor, loaded: LoadedSeries) -> tuple[Contoured, object]:
    """Contours of a DICOM series, and the SimpleITK image they were found on."""
    stack = loaded.stack
    image = to_image(loaded.array, stack)
    harmonised = None if stack.is_regular else harmonise_series(loaded.array, stack, predictor.processing)[0]
    contoured = Contoured()
    for result in predictor.predict(image, harmonised):
        contoured.structures.append(result.structure)
        contoured.masks.append((result.probability >= 0.5).astype(np.uint8))
        on_slices = result.probability if stack.is_regular else sample_at(_like(result.probability, image), stack, 0.0)
        contoured.polygons.append(outline(on_slices, stack))
    return contoured, image


def _like(values: np.ndarray, image):
    import SimpleITK as sitk

    result = sitk.GetImageFromArray(values)
    result.CopyInformation(image)
    return result


def write_results(
    folder: Path,
    contoured: Contoured,
    image,
    headers: list | None,
    predictor: Predictor,
    *,
    rtstruct: bool,
    segmentation: bool,
    notes: list[str],
) -> dict:
    """Write what was asked for into `folder`, `result.json` last; returns its content.

    `headers` are the slices the RTSTRUCT refers to; None for an image without DICOM identity.
    """  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    model_hash = predictor.card.sha256
    files = []
    if rtstruct and headers:
        rois = [
            RoiContours(
                structure.name, polygons, structure.color, algorithm="AUTOMATIC", snomed=structure.snomed,
                description=f"FedRT model {model_hash[:16]}",
            )
            for structure, polygons in zip(contoured.structures, contoured.polygons, strict=True)
        ]  # fmt: skip
        write_rtstruct(folder / "RTSTRUCT.dcm", headers, rois, "FedRT auto")
        files.append("RTSTRUCT.dcm")
    if segmentation:
        write_segmentation(
            folder / "structures.seg.nrrd", np.stack(contoured.masks), contoured.structures, image,
            status="inprogress", tags={"FedRT.Model": model_hash[:16]},
        )  # fmt: skip
        files.append("structures.seg.nrrd")
    voxel_cm3 = float(np.prod(image.GetSpacing())) / 1000
    volumes = {
        structure.name: round(float(mask.sum()) * voxel_cm3, 2)
        for structure, mask in zip(contoured.structures, contoured.masks, strict=True)
    }
    notes = notes + [f"{name} was not found." for name, volume in volumes.items() if volume == 0]
    record = {"model": model_hash, "files": files, "volumes_cm3": volumes, "notes": notes}
    write_json(folder / RECORD, record)
    return record
