"""What a dataset is to contain, as read from the `--config` TOML file."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import FedRTError
from .preprocess import Processing


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
    processing: Processing = Processing()
    splits: SplitFractions = SplitFractions()


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
    except tomllib.TOMLDecodeError as error:
        raise FedRTError(f"{path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        allowed = ", ".join(BuildSettings.model_fields)
        raise FedRTError(
            f"{path}: {where}: {first['msg']} (known keys: {allowed}; see the documentation of `[{where.split('.')[0]}]`)."
        ) from None
