"""What a dataset's JSON files hold. Every field that came later has a default, so that older datasets are still read."""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..atomic import write_text
from ..errors import FedRTError
from ..imaging.preprocess import Grid, Modality, Processing
from ..naming.structures import Structure
from ..notes import (
    Check,
    Relation,
    SkippedItem,
    Step,
    Word,
)

FORMAT = 1
Split = Literal["train", "validation", "test"]
Model = TypeVar("Model", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeclaredImage(_Record):
    """One image that the cases of a dataset have (or may lack, unless it is `required`)."""

    name: str
    modality: Modality
    file: str
    required: bool
    processing: Processing


class DatasetRecord(_Record):
    """`dataset.json`."""

    format: Literal[1] = FORMAT
    state: Literal["building", "complete"]
    name: str
    processing: Processing
    """Of the primary image, on whose grid everything is."""
    structures: list[Structure]
    images: list[DeclaredImage] = Field(default_factory=list)
    """The primary first; empty where there is only `image.nrrd`."""
    cases: list[str] = Field(default_factory=list)
    skipped: dict[str, int] = Field(default_factory=dict)
    """How many items were left out, by kind of reason; `build.json` lists them."""
    software: dict[str, str] = Field(default_factory=dict)


class PlanRecord(_Record):
    """Machine-neutral values of the plan, or of the phases of one course, that the structure set belongs to; what no plan
    states is None or empty. Terms are the Standard's or FedRT's own (`dosimetry/plan.py`), never free text."""

    prescription_gy: float | None = None
    """Highest prescribed dose, summed over phases."""
    prescription_levels_gy: list[float] = Field(default_factory=list)
    """All prescribed doses of a single plan, highest first (a simultaneous boost has several)."""
    prescription_from: Literal["", "dose-reference", "application-setup-dose", "beam-dose"] = ""
    fractions: int | None = None
    dose_per_fraction_gy: float | None = None
    """Of the highest prescribed dose, where it is the same in all phases."""
    phases: int | None = None
    """How many plans are summed."""
    beams: int | None = None
    setups: int | None = None
    """Brachytherapy application setups."""
    kind: Literal["", "external", "brachy", "both"] = ""
    techniques: list[Word] = Field(default_factory=list)
    radiation: list[Word] = Field(default_factory=list)
    energies: list[float] = Field(default_factory=list)
    """Nominal, MV of photons and MeV of electrons."""
    flattening_filter_free: bool | None = None
    intent: Literal["", "curative", "palliative", "prophylactic"] = ""
    approval: Literal["", "approved", "unapproved"] = ""
    dose_type: Literal["", "physical", "effective"] = ""
    dose_max_gy: float | None = None


class ImageRecord(_Record):
    """One image of a case: its file, what it was, and how it came onto the primary image's grid."""

    name: str
    modality: Modality
    file: str
    processing: Processing
    relation: Relation = "primary"
    """same-frame: the frame of reference of the primary. registration: a spatial registration object."""
    units: str = ""
    """Before windows and z-score: HU, SUVbw, BQML, CNTS or none."""


class SourceGrid(_Record):
    """The primary image as it was acquired. Spacing (x, y) between columns and rows; gaps along the normal; mm."""

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float]
    least_gap_mm: float
    widest_gap_mm: float
    tilt_degrees: float = 0.0
    patient_position: str = ""


class CaseRecord(_Record):
    """`case.json`. `folder` is where it was read from; it is not written."""

    id: str
    patient: str
    split: Split
    source: str
    """Keyed hash of the sources' UIDs and of what is taken from them; tells whether the source changed."""
    fingerprint: str = ""
    """Keyed hash of some of the primary image's pixels: the same for the same images, whoever they are said to show."""
    grid: Grid
    source_grid: SourceGrid | None = None
    images: list[ImageRecord] = Field(default_factory=list)
    """The primary first; empty in datasets from before there were several: then it is `image.nrrd`."""
    labelled: list[str]
    volumes_cm3: dict[str, float]
    plan: PlanRecord = Field(default_factory=PlanRecord)
    steps: list[Step] = Field(default_factory=list)
    """What was done, in order."""
    checks: list[Check] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    """The sentences of `checks`, for people who open the file."""
    sha256: dict[str, str] = Field(default_factory=dict)
    folder: Path | None = Field(default=None, exclude=True)
    version: int = Field(default=0, exclude=True)
    """The corrected structure set that `labelled` and `volumes_cm3` tell of (`storage/versions.py`); 0: as built."""


class BuildRecord(_Record):
    """`build.json`: what the last build left out or doubted. Sources stand there as keyed hashes, never as file names."""

    format: Literal[1] = FORMAT
    counts: dict[str, int] = Field(default_factory=dict)
    skipped: list[SkippedItem] = Field(default_factory=list)
    duplicates: list[list[str]] = Field(default_factory=list)
    """Groups of patients (pseudonyms) that have the same images; each group is in one split."""


def read_record(path: Path, model: type[Model]) -> Model:
    """A JSON document that must pass its schema.

    Raises:
        FedRTError: missing, not JSON or not of the schema; names the file and the first thing that is wrong.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FedRTError(f"{path} does not exist; is {path.parent} the right folder?") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        newer = " or was written by a newer FedRT" if first["type"] == "extra_forbidden" else ""
        raise FedRTError(
            f"{path} is not valid ({where}: {first['msg']}){newer}; restore it or build the dataset again."
        ) from None


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as indented JSON, atomically."""
    write_text(path, record.model_dump_json(indent=2) + "\n")
