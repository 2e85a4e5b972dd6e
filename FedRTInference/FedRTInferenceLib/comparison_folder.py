"""What is compared, and where a comparison keeps what."""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path

from FedRTDatasetLib.atomic import write_json
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.storage.dataset import Dataset


@dataclass(frozen=True)
class ComparisonSettings:
    """What is compared. `dataset` is the content of each hospital's build configuration, less its name."""

    title: str
    structures: tuple[str, ...]
    dataset: dict
    recipe: str
    """Training preset or TOML file."""
    rounds: int
    steps_per_round: int
    at_once: int = 2
    """Commands that run side by side, each with one thread."""
    remark: str = ""
    """A sentence for the report about what these patients are."""
    source: dict = field(default_factory=dict)
    """Where the patients come from; a folder with results of another source is refused."""

    @property
    def steps(self) -> int:
        """Steps of every training, so that local, federated and pooled models saw equally many."""
        return self.rounds * self.steps_per_round


class ComparisonFolder:
    """The folder of a comparison. `dicom`: hospital -> folder of its export."""

    def __init__(self, out: Path | str, dicom: dict[str, Path], settings: ComparisonSettings) -> None:
        self.out = Path(out).resolve()
        self.dicom = dict(sorted(dicom.items()))
        self.settings = settings

    @property
    def hospitals(self) -> list[str]:
        return list(self.dicom)

    def dataset(self, hospital: str) -> Path:
        return self.out / "hospitals" / hospital / "dataset"

    def key(self, hospital: str) -> Path:
        return self.out / "hospitals" / hospital / "site.key"

    def model(self, name: str) -> Path:
        return self.out / "models" / name

    def contours(self, hospital: str) -> Path:
        return self.out / "contours" / hospital

    @functools.cached_property
    def unseen(self) -> dict[str, dict[str, Path]]:
        """By hospital: case id of each test patient and the folder of its DICOM files."""
        from FedRTDatasetLib.index.dicom_index import index_folders
        from FedRTDatasetLib.pseudonym import SiteKey

        found: dict[str, dict[str, Path]] = {}
        for hospital, dicom in self.dicom.items():
            key = SiteKey.load_or_create(self.key(hospital))
            test = {case.id for case in Dataset.open(self.dataset(hospital)).split("test")}
            cases = {key.case_id(s.patient_id, s.uid): s for s in index_folders([dicom]).series.values()}
            folders = {case: _patient_folder(next(iter(cases[case].files.values())), dicom) for case in sorted(test)}
            found[hospital] = folders
        return found


def claim_folder(out: Path, settings: ComparisonSettings) -> None:
    """Mark `out` as this comparison's. Raises FedRTError if it holds anything else."""
    wanted = {name: value for name, value in settings.__dict__.items() if name not in ("at_once", "remark", "title")}
    wanted = json.loads(json.dumps(wanted))
    marker = out / "comparison.json"
    if marker.exists():
        if json.loads(marker.read_text(encoding="utf-8")) != wanted:
            raise FedRTError(f"{out} holds results of other settings; give another --out or delete that folder.")
    elif out.exists() and any(out.iterdir()):
        raise FedRTError(
            f"{out} is not empty and holds no results to go on with; name an empty or new folder with --out."
        )
    else:
        write_json(marker, wanted)


def _patient_folder(file: Path, dicom: Path) -> Path:
    """The folder directly below `dicom` that holds `file`."""
    return dicom / file.relative_to(dicom).parts[0]
