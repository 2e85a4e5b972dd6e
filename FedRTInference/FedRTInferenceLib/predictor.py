"""One image through one network, back onto the image's own grid, structure by structure.

Probabilities exist for all structures on the harmonised grid only; on the native grid one structure is held at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from FedRTDatasetLib.imaging.preprocess import grid_of, harmonise
from FedRTDatasetLib.naming.structures import Structure


@dataclass(frozen=True)
class StructureResult:
    """probability: float32 [z, y, x] in 0..1 on the native grid; a voxel belongs to the structure from 0.5."""

    structure: Structure
    probability: np.ndarray


class Predictor:
    """A loaded model. The network is read once and serves any number of images."""

    def __init__(self, model: Path | str) -> None:
        """Raises FedRTError where the model folder is damaged or not of the format."""
        from FedRTTrainLib.model import load_model

        self._network, self.card = load_model(Path(model))

    @property
    def processing(self):
        """The harmonisation the model expects; applied here to every image."""
        return self.card.processing

    def predict(self, image, harmonised=None) -> Iterator[StructureResult]:
        """The structures of a SimpleITK image in modality units (HU for CT), in the model's order.

        `harmonised` is that image harmonised already, where its slices lie on no regular grid and were brought to the
        harmonised one directly (`preprocess.harmonise_series`).
        """
        import SimpleITK as sitk
        from FedRTTrainLib.predict import predict_probabilities

        harmonised = harmonise(image, self.processing) if harmonised is None else harmonised
        probabilities = predict_probabilities(self._network, sitk.GetArrayFromImage(harmonised), self.card.patch_size)
        native = grid_of(image)
        beyond = None if self.processing.crop == "none" else ~_covered(native, harmonised)
        for structure, probability in zip(self.card.structures, probabilities, strict=True):
            coarse = sitk.GetImageFromArray(np.asarray(probability, dtype=np.float32))
            coarse.CopyInformation(harmonised)
            # The outermost half voxel lies beyond the last voxel centre of a coarser grid: there the nearest value holds.
            fine = sitk.Resample(
                coarse, native.size, sitk.Transform(), sitk.sitkLinear, native.origin_mm, native.spacing_mm,
                native.direction, 0.0, sitk.sitkFloat32, True,
            )  # fmt: skip
            values = sitk.GetArrayFromImage(fine)
            if beyond is not None:
                values[beyond] = 0.0  # cropped away: nothing was predicted there
            yield StructureResult(structure, values)


def _covered(native, harmonised) -> np.ndarray:
    """bool [z, y, x] on the native grid: within the outer borders of the harmonised image's voxels."""
    import SimpleITK as sitk

    ones = sitk.Image(harmonised.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(harmonised)
    inside = sitk.Resample(
        ones, native.size, sitk.Transform(), sitk.sitkNearestNeighbor, native.origin_mm, native.spacing_mm,
        native.direction, 0.0,
    )  # fmt: skip
    return sitk.GetArrayFromImage(inside) > 0
