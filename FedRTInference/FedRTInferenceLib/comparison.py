"""Local, federated and pooled training of the same hospitals, compared on unseen patients of all of them.

Every step is the command a person would type, in a child process. A finished step is not done again, and an interrupted
one goes on where its command left off, so a comparison can be stopped and started at any moment.
"""

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w
from FedRTDatasetLib.atomic import write_json, write_text
from FedRTDatasetLib.dataset import Dataset
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter

from .commands import Command, run_all
from .comparison_federation import federate
from .comparison_report import write_report
from .comparison_summary import summarise


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


class Comparison:
    """A comparison in the folder `out`; `run` does what is not done yet. `dicom`: hospital -> folder of its export."""

    def __init__(self, out: Path | str, dicom: dict[str, Path], settings: ComparisonSettings, report: Reporter) -> None:
        self.out = Path(out).resolve()
        self.dicom = dict(sorted(dicom.items()))
        self.settings = settings
        self.report = report

    @property
    def hospitals(self) -> list[str]:
        return list(self.dicom)

    def dataset(self, hospital: str) -> Path:
        return self.out / "hospitals" / hospital / "dataset"

    def key(self, hospital: str) -> Path:
        return self.out / "hospitals" / hospital / "site.key"

    def model(self, name: str) -> Path:
        return self.out / "models" / name

    def run(self) -> dict:
        """Go through all steps and write `summary.json` and `report.html`; returns the summary.

        Raises FedRTError if a step fails or `out` holds something else.
        """
        claim_folder(self.out, self.settings)
        write_text(self.out / "train.toml", self._train_config())
        self.step("datasets", self._build_datasets)
        self.step("training", self._train)
        self.step("federation", lambda: federate(self))
        self.step("evaluation", self._evaluate)
        self.step("contours", self._infer)
        summary = summarise(self.out, self.hospitals, self.settings.structures)
        write_json(self.out / "summary.json", summary)
        write_report(self, summary)
        return summary

    def step(self, name: str, work: Callable[[], None]) -> None:
        """Do `work` unless it was done before; its duration is kept."""
        done = self.out / "steps" / f"{name}.json"
        if done.exists():
            self.report.info(f"{name}: already done")
            return
        start = time.monotonic()
        work()
        write_json(done, {"seconds": round(time.monotonic() - start, 1)})

    @functools.cached_property
    def unseen(self) -> dict[str, dict[str, Path]]:
        """By hospital: case id of each test patient and the folder of its DICOM files."""
        from FedRTDatasetLib.dicom_index import index_folders
        from FedRTDatasetLib.pseudonym import SiteKey

        found: dict[str, dict[str, Path]] = {}
        for hospital, dicom in self.dicom.items():
            key = SiteKey.load_or_create(self.key(hospital))
            test = {case.id for case in Dataset.open(self.dataset(hospital)).split("test")}
            cases = {key.case_id(s.patient_id, s.uid): s for s in index_folders([dicom]).series.values()}
            folders = {case: _patient_folder(next(iter(cases[case].files.values())), dicom) for case in sorted(test)}
            found[hospital] = folders
        return found

    def _train_config(self) -> str:
        """The recipe with the comparison's number of steps, one thread a training."""
        from FedRTTrainLib.settings import read_settings

        changes = {"steps": self.settings.steps, "validation_every": 2 * self.settings.steps_per_round, "threads": 1}
        settings = read_settings(self.settings.recipe).model_copy(update=changes)
        return tomli_w.dumps(settings.model_dump(mode="json"))

    def _build_datasets(self) -> None:
        commands = []
        for hospital, dicom in self.dicom.items():
            config = self.out / "hospitals" / hospital / "dataset.toml"
            content = {"name": hospital, "structures": list(self.settings.structures), **self.settings.dataset}
            write_text(config, tomli_w.dumps(content))
            arguments = ["dataset", "build", dicom, "--config", config]
            arguments += ["--out", self.dataset(hospital), "--key", self.key(hospital)]
            commands.append(Command(f"dataset {hospital}", "FedRTDatasetLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _train(self) -> None:
        sets = {"pooled": [self.dataset(hospital) for hospital in self.hospitals]}
        sets |= {f"local_{hospital}": [self.dataset(hospital)] for hospital in self.hospitals}
        commands = []
        for model, datasets in sets.items():
            arguments = ["train", *datasets, "--config", self.out / "train.toml", "--out", self.model(model)]
            commands.append(Command(f"training {model}", "FedRTTrainLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _evaluate(self) -> None:
        datasets = [self.dataset(hospital) for hospital in self.hospitals]
        models = ["pooled", "federated", *(f"local_{hospital}" for hospital in self.hospitals)]
        commands = []
        for model in models:
            arguments = ["evaluate", self.model(model), *datasets, "--out", self.out / "evaluation" / f"{model}.json"]
            commands.append(Command(f"evaluating {model}", "FedRTTrainLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _infer(self) -> None:
        commands = []
        for hospital, patients in self.unseen.items():
            arguments = ["infer", self.model("federated"), *patients.values(), "--rtstruct", "--seg", "--threads", 1]
            arguments += ["--out", self.out / "contours" / hospital, "--key", self.key(hospital)]
            commands.append(Command(f"contours {hospital}", "FedRTInferenceLib", arguments))
        run_all(commands, self.settings.at_once, self.report)


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
