"""Local, federated and pooled training of the same hospitals, compared on unseen patients of all of them.

Every step is the command a person would type, in a child process. A finished step is not done again, and an interrupted
one goes on where its command left off, so a comparison can be stopped and started at any moment.
"""

import time
from collections.abc import Callable
from pathlib import Path

import tomli_w
from FedRTDatasetLib.atomic import write_json, write_text
from FedRTDatasetLib.reporting import Reporter

from .commands import Command, run_all
from .comparison_federation import federate
from .comparison_folder import ComparisonFolder, ComparisonSettings, claim_folder
from .comparison_report import write_report
from .comparison_summary import summarise


class Comparison:
    """A comparison; `run` does what is not done yet."""

    def __init__(self, out: Path | str, dicom: dict[str, Path], settings: ComparisonSettings, report: Reporter) -> None:
        """`dicom`: hospital -> folder of its export. Everything is written below `out`."""
        self.folder = ComparisonFolder(out, dicom, settings)
        self.settings = settings
        self.report = report

    def run(self) -> dict:
        """Go through all steps and write `summary.json` and `report.html`; returns the summary.

        Raises FedRTError if a step fails or `out` holds something else.
        """
        claim_folder(self.folder.out, self.settings)
        write_text(self.folder.out / "train.toml", self._train_config())
        self.step("datasets", self._build_datasets)
        self.step("training", self._train)
        self.step("federation", lambda: federate(self.folder, self.report))
        self.step("evaluation", self._evaluate)
        self.step("contours", self._infer)
        summary = summarise(self.folder.out, self.folder.hospitals, self.settings.structures)
        write_json(self.folder.out / "summary.json", summary)
        write_report(self.folder, summary)
        return summary

    def step(self, name: str, work: Callable[[], None]) -> None:
        """Do `work` unless it was done before; its duration is kept."""
        done = self.folder.out / "steps" / f"{name}.json"
        if done.exists():
            self.report.info(f"{name}: already done")
            return
        start = time.monotonic()
        work()
        write_json(done, {"seconds": round(time.monotonic() - start, 1)})

    def _train_config(self) -> str:
        """The recipe with the comparison's number of steps, one thread a training."""
        from FedRTTrainLib.settings import read_settings

        changes = {"steps": self.settings.steps, "validation_every": 2 * self.settings.steps_per_round, "threads": 1}
        settings = read_settings(self.settings.recipe).model_copy(update=changes)
        return tomli_w.dumps(settings.model_dump(mode="json"))

    def _build_datasets(self) -> None:
        commands = []
        for hospital, dicom in self.folder.dicom.items():
            config = self.folder.out / "hospitals" / hospital / "dataset.toml"
            content = {"name": hospital, "structures": list(self.settings.structures), **self.settings.dataset}
            write_text(config, tomli_w.dumps(content))
            arguments = ["dataset", "build", dicom, "--config", config]
            arguments += ["--out", self.folder.dataset(hospital), "--key", self.folder.key(hospital)]
            commands.append(Command(f"dataset {hospital}", "FedRTDatasetLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _train(self) -> None:
        sets = {"pooled": [self.folder.dataset(hospital) for hospital in self.folder.hospitals]}
        sets |= {f"local_{hospital}": [self.folder.dataset(hospital)] for hospital in self.folder.hospitals}
        commands = []
        for model, datasets in sets.items():
            arguments = [
                "train",
                *datasets,
                "--config",
                self.folder.out / "train.toml",
                "--out",
                self.folder.model(model),
            ]
            commands.append(Command(f"training {model}", "FedRTTrainLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _evaluate(self) -> None:
        datasets = [self.folder.dataset(hospital) for hospital in self.folder.hospitals]
        models = ["pooled", "federated", *(f"local_{hospital}" for hospital in self.folder.hospitals)]
        commands = []
        for model in models:
            arguments = [
                "evaluate",
                self.folder.model(model),
                *datasets,
                "--out",
                self.folder.out / "evaluation" / f"{model}.json",
            ]
            commands.append(Command(f"evaluating {model}", "FedRTTrainLib", arguments))
        run_all(commands, self.settings.at_once, self.report)

    def _infer(self) -> None:
        commands = []
        for hospital, patients in self.folder.unseen.items():
            arguments = [
                "infer",
                self.folder.model("federated"),
                *patients.values(),
                "--rtstruct",
                "--seg",
                "--threads",
                1,
            ]
            arguments += ["--out", self.folder.contours(hospital), "--key", self.folder.key(hospital)]
            commands.append(Command(f"contours {hospital}", "FedRTInferenceLib", arguments))
        run_all(commands, self.settings.at_once, self.report)
