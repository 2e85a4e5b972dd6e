"""What a de-identification keeps, checked: from the command line or from a TOML file."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ..errors import FedRTError
from .profile import OPTIONS

DEFAULT_RETAIN = ("patient-characteristics", "longitudinal-modified-dates")


class Settings(BaseModel):
    """The options of PS3.15 E.3 that are applied. The defaults suit radiotherapy research: see each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retain: tuple[str, ...] = DEFAULT_RETAIN
    """Retain options. By default patient characteristics (sex, age, size, weight: SUV and outcome models need them;
    ages over 89 become 090Y) and dates moved by one number of weeks a patient; device, institution, UIDs, real dates
    and private attributes are not kept."""
    descriptors: Literal["clean", "remove"] = "clean"
    """clean: descriptions keep the words of the field and lose all others; remove: as the basic profile says. ROI
    names are always cleaned."""
    flagged: Literal["skip", "keep"] = "skip"
    """Objects that may show text in their pixels: left out, or written and reported. Nobody's eyes have seen them, so
    they stay out."""
    harmless_words: tuple[str, ...] = ()
    """Words that descriptions may keep besides those FedRT knows (`harmless_words = ["ABCtrial"]`); a patient's own
    name never."""

    @field_validator("retain")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name for name in names if name and name != "none")
        unknown = sorted(set(names) - set(OPTIONS))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(OPTIONS)}, none")
        if {"longitudinal-full-dates", "longitudinal-modified-dates"} <= set(names):
            raise ValueError(
                "dates cannot be kept both in full and modified; choose one of the two longitudinal options"
            )
        return names

    @property
    def columns(self) -> frozenset[str]:
        """The table's columns that apply."""
        chosen = {OPTIONS[name][0] for name in self.retain}
        return frozenset(chosen | ({"clean_descriptors"} if self.descriptors == "clean" else set()))

    @property
    def dates(self) -> str:
        """full, modified or removed."""
        return next((kind for kind in ("full", "modified") if f"longitudinal-{kind}-dates" in self.retain), "removed")


def read_settings(config: Path | None, **given: object) -> Settings:
    """A TOML file's settings with those given on the command line (not None) on top.

    Raises:
        FedRTError: unreadable, or a key or value that is not known; the message names it.
    """
    values: dict = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except OSError as error:
            raise FedRTError(f"{config} cannot be read ({error.strerror}); name an existing settings file.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FedRTError(f"{config} is no TOML file: {error}.") from None
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise FedRTError(
            f"{config or 'command line'}, {where}: {first['msg'].removeprefix('Value error, ')}."
        ) from None
