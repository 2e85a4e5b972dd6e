"""What a dataset is to contain, as read from the `--config` TOML file."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import FedRTError
from ..imaging.preprocess import Modality, Processing, default_processing
from ..storage.records import DeclaredImage
from .image_choice import ImageChoice, ImageChoices, single_image


class SplitFractions(BaseModel):
    """Shares of the patients; only their proportion counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: float = Field(0.7, ge=0)
    validation: float = Field(0.1, ge=0)
    test: float = Field(0.2, ge=0)


class BuildSettings(BaseModel):
    """A build's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "dataset"
    structures: tuple[str, ...] | None = None
    """TG-263 names to keep; None keeps every structure the name map knows."""
    processing: Processing | None = None
    """Of the primary image. None: `default_processing` of the modality that most structure sets were drawn on."""
    images: tuple[ImageChoice, ...] = ()
    """Empty: one image a case, whichever series of the modality a structure set belongs to."""
    splits: SplitFractions = SplitFractions()

    @model_validator(mode="after")
    def _consistent(self) -> "BuildSettings":
        names = [image.name for image in self.images]
        if len(set(names)) < len(names):
            raise ValueError("two images have the same name")
        if sum(image.primary for image in self.images) > 1:
            raise ValueError("only one image can be primary")
        primary = self.choices("CT").primary
        stated = self.processing is not None and "modality" in self.processing.model_fields_set
        if self.images and stated and self.processing.modality != primary.modality:
            raise ValueError(f"[processing] is for {self.processing.modality}, the primary image is {primary.modality}")
        return self

    def choices(self, modality: Modality) -> ImageChoices:
        """The declared images, the primary first; `modality` is that of a dataset that declares none."""
        if not self.images:
            return single_image(modality)
        primary = next((image for image in self.images if image.primary), self.images[0])
        others = tuple(image for image in self.images if image is not primary)
        return ImageChoices(primary=primary, others=others)

    def resolved(self, drawn_on: Iterable[str] = (), existing: Processing | None = None) -> "BuildSettings":
        """With `processing` settled, so that nothing of it depends on the sources any more.

        Its modality is the one stated (in `[processing]` or by the primary image), else that of the dataset that is already
        there, else the one that most structure sets were drawn on. What `[processing]` leaves open follows the modality.

        Args:
            drawn_on: the modality of the images of each structure set.
            existing: the processing of the dataset that is to be extended.
        """
        stated = {} if self.processing is None else self.processing.model_dump(include=self.processing.model_fields_set)
        if self.images:
            modality, own = self.choices("CT").primary.modality, self.choices("CT").primary.processing
        else:
            found = [one for one in drawn_on if one in ("CT", "MR", "PT")]
            most = max(("CT", "MR", "PT"), key=found.count) if found else "CT"
            modality, own = stated.get("modality") or (existing.modality if existing else most), None
        if self.processing is None:
            return self.model_copy(update={"processing": own or default_processing(modality)})
        try:
            processing = Processing(**{**stated, "modality": modality})
        except ValidationError as error:
            reason = error.errors(include_input=False, include_url=False)[0]["msg"]
            raise FedRTError(f"[processing] does not fit {modality} images ({reason}); state its modality.") from None
        return self.model_copy(update={"processing": processing})

    def declared_images(self) -> list[DeclaredImage]:
        """For `dataset.json`; empty where `[[images]]` says nothing."""
        if not self.images:
            return []
        choices = self.choices(self.processing.modality)
        declared = [DeclaredImage(name=choices.primary.name, modality=choices.primary.modality, file="image.nrrd",
                                  required=True, processing=self.processing)]  # fmt: skip
        for number, image in enumerate(choices.others, 1):
            declared.append(
                DeclaredImage(name=image.name, modality=image.modality, file=f"image_{number}.nrrd",
                              required=image.required, processing=image.processing_on(self.processing))
            )  # fmt: skip
        return declared


def read_build_settings(path: Path | str) -> BuildSettings:
    """Read the TOML file.

    Raises:
        FedRTError: missing, not TOML, an unknown key or a value that is not allowed; the message names it.
    """
    path = Path(path)
    try:
        return BuildSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise FedRTError(f"{path} does not exist; name the dataset's TOML file with --config.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FedRTError(f"{path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        allowed = ", ".join(BuildSettings.model_fields)
        raise FedRTError(
            f"{path}: {where}: {first['msg']} (known keys: {allowed}; see the documentation of `[{where.split('.')[0]}]`)."
        ) from None
