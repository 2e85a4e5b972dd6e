"""`fedrt demo`: the whole path on a generated three-hospital cohort.

Every step is the command a person would type, in a child process. A finished step is not done again, and an interrupted
one goes on where its command left off, so the demo can be stopped and started at any moment.
"""

import functools
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from FedRTDatasetLib.atomic import write_json, write_text
from FedRTDatasetLib.dataset import Dataset
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.reporting import Reporter

from .commands import Command, run_all
from .demo_summary import summarise_demo

PRESET = "pelvis_demo"
DATASET_CONFIG = """\
name = "{hospital}"
structures = ["Bladder", "Femur_Head_L", "Femur_Head_R", "Prostate", "Rectum"]

[processing]
modality = "CT"
spacing_mm = [{spacing:g}, {spacing:g}, {spacing:g}]
intensity = "hu_window"
hu_window = [-160, 240]

[splits]
train = 10
validation = 2
test = 4
"""


@dataclass(frozen=True)
class DemoSettings:
    """How large the demo is. The defaults are what the README reports; a smaller one checks an installation."""

    patients: int = 16
    seed: int = 1
    rounds: int = 12
    steps_per_round: int = 40
    spacing_mm: float = 6.0
    at_once: int = 2
    """Commands that run side by side, each with one thread."""

    @property
    def steps(self) -> int:
        """Steps of every training, so that local, federated and pooled models saw equally many."""
        return self.rounds * self.steps_per_round


class Demo:
    """The demo in one folder; `run` does what is not done yet."""

    def __init__(self, out: Path | str, settings: DemoSettings, report: Reporter) -> None:
        self.out = Path(out).resolve()
        self.settings = settings
        self.report = report

    def run(self) -> dict:
        """Go through all steps; returns the summary. Raises FedRTError if `out` belongs to something else or a step fails."""
        self._claim_folder()
        self._step("phantom", self._write_phantom)
        self._step("datasets", self._build_datasets)
        self._step("training", self._train)
        self._step("federation", self._federate)
        self._step("evaluation", self._evaluate)
        self._step("contours", self._infer)
        summary = summarise_demo(self.out, self.hospitals)
        write_json(self.out / "summary.json", summary)
        from .demo_report import write_report

        write_report(self.out, self.hospitals, summary, self.test_patients())
        return summary

    @functools.cached_property
    def hospitals(self) -> list[str]:
        """Names of the hospitals, the folders of the generated cohort."""
        return sorted(folder.name for folder in (self.out / "dicom").iterdir() if folder.is_dir())

    def dataset(self, hospital: str) -> Path:
        return self.out / "hospitals" / hospital / "dataset"

    def key(self, hospital: str) -> Path:
        return self.out / "hospitals" / hospital / "site.key"

    def test_patients(self) -> dict[str, dict[str, Path]]:
        """By hospital: case id of each unseen patient and the folder of its DICOM files."""
        from FedRTDatasetLib.dicom_index import index_folders
        from FedRTDatasetLib.pseudonym import SiteKey

        found: dict[str, dict[str, Path]] = {}
        for hospital in self.hospitals:
            key = SiteKey.load_or_create(self.key(hospital))
            index = index_folders([self.out / "dicom" / hospital])
            unseen = {case.id for case in Dataset.open(self.dataset(hospital)).split("test")}
            folders = {}
            for series in index.series.values():
                case = key.case_id(series.patient_id, series.uid)
                if case in unseen:
                    folder = next(iter(series.files.values())).parent
                    while folder.parent != self.out / "dicom" / hospital:
                        folder = folder.parent
                    folders[case] = folder
            found[hospital] = dict(sorted(folders.items()))
        return found

    def _claim_folder(self) -> None:
        wanted = {"demo": 1, **self.settings.__dict__}
        marker = self.out / "demo.json"
        if marker.exists():
            found = json.loads(marker.read_text(encoding="utf-8"))
            if {**found, "at_once": 0} != {**wanted, "at_once": 0}:
                raise FedRTError(
                    f"{self.out} holds a demo with other settings; give another --out or delete that folder."
                )
        elif self.out.exists() and any(self.out.iterdir()):
            raise FedRTError(f"{self.out} is not empty and holds no demo; name an empty or new folder with --out.")
        else:
            write_json(marker, wanted)
        write_text(self.out / "train.toml", self._train_config())

    def _train_config(self) -> str:
        """The shipped recipe with the demo's number of steps, one thread a training."""
        import tomli_w
        from FedRTTrainLib.settings import read_settings

        every = 4 * self.settings.steps_per_round
        changes = {"steps": self.settings.steps, "validation_every": every, "threads": 1}
        return tomli_w.dumps(read_settings(PRESET).model_copy(update=changes).model_dump(mode="json"))

    def _step(self, name: str, work: Callable[[], None]) -> None:
        done = self.out / "steps" / f"{name}.json"
        if done.exists():
            self.report.info(f"{name}: already done")
            return
        start = time.monotonic()
        work()
        write_json(done, {"seconds": round(time.monotonic() - start, 1)})

    def _write_phantom(self) -> None:
        shutil.rmtree(self.out / "dicom", ignore_errors=True)  # half a cohort is not worth completing
        command = ["phantom", self.out / "dicom", "--patients", self.settings.patients, "--seed", self.settings.seed]
        run_all([Command("phantom", "FedRTDatasetLib", command)], 1, self.report)

    def _build_datasets(self) -> None:
        commands = []
        for hospital in self.hospitals:
            config = self.out / "hospitals" / hospital / "dataset.toml"
            write_text(config, DATASET_CONFIG.format(hospital=hospital, spacing=self.settings.spacing_mm))
            arguments = ["dataset", "build", self.out / "dicom" / hospital, "--config", config]
            arguments += ["--out", self.dataset(hospital), "--key", self.key(hospital)]
            commands.append(Command(f"dataset {hospital}", "FedRTDatasetLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _train(self) -> None:
        sets = {f"local_{hospital}": [self.dataset(hospital)] for hospital in self.hospitals}
        sets = {"pooled": [self.dataset(hospital) for hospital in self.hospitals], **sets}
        commands = []
        for model, datasets in sets.items():
            arguments = ["train", *datasets, "--config", self.out / "train.toml", "--out", self.out / "models" / model]
            commands.append(Command(f"training {model}", "FedRTTrainLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _federate(self) -> None:
        from .demo_federation import federate

        federate(self)

    def _evaluate(self) -> None:
        datasets = [self.dataset(hospital) for hospital in self.hospitals]
        commands = []
        for model in sorted(
            folder.name for folder in (self.out / "models").iterdir() if (folder / "model.json").exists()
        ):
            arguments = [
                "evaluate",
                self.out / "models" / model,
                *datasets,
                "--out",
                self.out / "evaluation" / f"{model}.json",
            ]
            commands.append(Command(f"evaluating {model}", "FedRTTrainLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _infer(self) -> None:
        commands = []
        for hospital, patients in self.test_patients().items():
            arguments = ["infer", self.out / "models" / "federated", *patients.values(), "--rtstruct", "--seg"]
            arguments += ["--out", self.out / "contours" / hospital, "--key", self.key(hospital), "--threads", 1]
            commands.append(Command(f"contours {hospital}", "FedRTInferenceLib", arguments))
        run_all(commands, self.settings.at_once, self.report)
