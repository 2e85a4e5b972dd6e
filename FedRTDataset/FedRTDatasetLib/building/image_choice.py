"""Which series is which image of a case, as the dataset's settings declare it (`[[images]]`)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..imaging.preprocess import Modality, Processing
from ..index.dicom_index import ImageSeries
from ..notes import Word

DESCRIBING = ("SeriesDescription", "ProtocolName", "SequenceName")


class ImageChoice(BaseModel):
    """How to recognise one image of a case among the patient's series. All that is stated must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word
    """What it is called in the dataset, for example T1, T2, ADC, CT, PET."""
    modality: Modality
    description: str | None = None
    """Regular expression that is found in Series Description, Protocol Name or Sequence Name, capitals or not."""
    keywords: tuple[str, ...] = ()
    """Words of which at least one stands there."""
    not_keywords: tuple[str, ...] = ()
    """Words of which none stands there."""
    contrast: bool | None = None
    """With or without a contrast agent (Contrast/Bolus Agent)."""
    primary: bool = False
    """On whose grid everything is; without one, the first image declared."""
    required: bool = False
    """Whether cases without it are skipped. Else they are kept without it, and that is recorded."""
    processing: Processing | None = None
    """Its intensities and bias field; grid and crop are the primary's. None: by its modality."""

    @field_validator("description")
    @classmethod
    def _is_expression(cls, text: str | None) -> str | None:
        try:
            re.compile(text or "")
        except re.error as error:
            raise ValueError(f"no regular expression ({error})") from None
        return text

    def fits(self, series: ImageSeries) -> bool:
        """Whether the series can be this image."""
        if series.modality != self.modality:
            return False
        told = describe(series)
        words = told.text.casefold()
        return (
            (self.description is None or re.search(self.description, told.text, re.IGNORECASE) is not None)
            and (not self.keywords or any(word.casefold() in words for word in self.keywords))
            and not any(word.casefold() in words for word in self.not_keywords)
            and (self.contrast is None or self.contrast == told.contrast)
        )

    def processing_on(self, primary: Processing) -> Processing:
        """How this image is processed beside a primary of that processing."""
        own = self.processing or Processing(modality=self.modality)
        return own.model_copy(update={"spacing_mm": primary.spacing_mm, "crop": primary.crop})


class ImageChoices(BaseModel):
    """The images of a dataset, the primary first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary: ImageChoice
    others: tuple[ImageChoice, ...] = Field(default=(), max_length=31)


def single_image(modality: Modality) -> ImageChoices:
    """What a dataset without `[[images]]` has: any series of the modality that a structure set belongs to."""
    return ImageChoices(primary=ImageChoice(name="image", modality=modality, primary=True))


@dataclass(frozen=True)
class Description:
    """text: what the scanner and its operators called a series; used to choose, never written. contrast: agent given."""

    text: str
    contrast: bool


def describe(series: ImageSeries) -> Description:
    """What a series says of itself, from what the index holds of it or else one of its files."""
    known = {
        "SeriesDescription": getattr(series, "description", None),
        "SequenceName": getattr(series, "sequence_name", None),
    }
    header = None
    if not all(isinstance(known.get(keyword), str) for keyword in DESCRIBING) and series.files:
        import pydicom

        tags = [*DESCRIBING, "ContrastBolusAgent", "ContrastBolusAgentSequence"]
        try:
            header = pydicom.dcmread(
                next(iter(sorted(series.files.values()))), stop_before_pixels=True, specific_tags=tags
            )
        except Exception:
            header = None
    told = [
        known.get(keyword) or (str(header.get(keyword, "")) if header is not None else "") for keyword in DESCRIBING
    ]
    contrast = header is not None and bool(header.get("ContrastBolusAgent") or header.get("ContrastBolusAgentSequence"))
    return Description(" | ".join(part for part in told if part), contrast)


def most_slices(series: Iterable[ImageSeries]) -> list[ImageSeries]:
    """Those with most files first; of equals, by UID, so that every run chooses the same."""
    return sorted(series, key=lambda one: (-len(one.files), one.uid))
