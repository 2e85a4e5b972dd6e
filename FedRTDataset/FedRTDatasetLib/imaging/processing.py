"""What is done to every image of a dataset, and what a model expects of an image: declared, checked, the same everywhere."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

Modality = Literal["CT", "MR", "PT"]
INTENSITY = {"CT": "hu_window", "MR": "zscore", "PT": "suv_window"}
SPACING_MM = {"CT": (1.5, 1.5, 3.0), "MR": (1.0, 1.0, 3.0), "PT": (3.0, 3.0, 3.0)}


class Processing(BaseModel):
    """What was, or is to be, done to every image, in the order of `harmonise`. What is not said follows from the modality."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: Modality = "CT"
    spacing_mm: tuple[float, float, float] | None = None
    """(x, y, z) voxel size of the harmonised grid; None keeps each image's own grid."""
    intensity: Literal["hu_window", "suv_window", "zscore", "none"] | None = None
    """hu_window, suv_window: clipped and scaled to 0..1. zscore: mean 0 and standard deviation 1 (`zscore_over`). None: CT
    hu_window, MR zscore, PT suv_window."""
    hu_window: tuple[float, float] = (-160.0, 240.0)
    """Lower and upper CT number, HU."""
    n4: bool | None = None
    """N4 bias field correction (Tustison et al. 2010) on the image's own grid. None: for MR."""
    suv_window: tuple[float, float] = (0.0, 20.0)
    """Lower and upper standardised uptake value (body weight), g/ml."""
    zscore_over: Literal["foreground", "image"] = "foreground"
    """The voxels whose mean and deviation are taken: those that show the patient, or all."""
    crop: Literal["none", "body"] = "none"
    """body: to the box round the patient with a margin of 10 mm."""

    @model_validator(mode="after")
    def _consistent(self) -> "Processing":
        if self.intensity is None:
            self.__dict__["intensity"] = INTENSITY[self.modality]
        if self.n4 is None:
            self.__dict__["n4"] = self.modality == "MR"
        if self.intensity == "hu_window" and self.modality != "CT":
            raise ValueError("hu_window needs modality CT; use zscore for MR")
        if self.intensity == "suv_window" and self.modality != "PT":
            raise ValueError("suv_window needs modality PT")
        for name in ("hu_window", "suv_window"):
            if getattr(self, name)[0] >= getattr(self, name)[1]:
                raise ValueError(f"{name} needs the lower value first")
        if self.spacing_mm is not None and min(self.spacing_mm) <= 0:
            raise ValueError("spacing_mm must be positive")
        return self


def default_processing(modality: Modality) -> Processing:
    """What a dataset of that modality gets where its settings say nothing: a common grid and the modality's intensities."""
    return Processing(modality=modality, spacing_mm=SPACING_MM[modality])
