"""`fedrt demo`: a generated three-hospital cohort through the whole path."""

from dataclasses import dataclass
from pathlib import Path

from FedRTDatasetLib.reporting import Reporter

from .commands import Command, run_all
from .comparison import Comparison
from .comparison_folder import ComparisonSettings, claim_folder


@dataclass(frozen=True)
class DemoSettings:
    """How large the demo is. The defaults are what the README reports; a smaller one checks an installation."""

    patients: int = 16
    seed: int = 7
    rounds: int = 12
    steps_per_round: int = 50
    spacing_mm: float = 6.0


def run_demo(out: Path, demo: DemoSettings, report: Reporter) -> dict:
    """Write the cohort as DICOM, run the comparison on it and return its summary."""
    settings = ComparisonSettings(
        title="FedRT demo: three hospitals, one contouring model",
        structures=("Bladder", "Femur_Head_L", "Femur_Head_R", "Prostate", "Rectum"),
        dataset={
            "processing": {"modality": "CT", "spacing_mm": [demo.spacing_mm] * 3, "hu_window": [-160.0, 240.0]},
            "splits": {"train": 10, "validation": 2, "test": 4},
        },
        recipe="pelvis_demo",
        rounds=demo.rounds,
        steps_per_round=demo.steps_per_round,
        remark="Generated phantoms: these figures say that the path works, nothing about patients.",
        source={"phantom": {"patients": demo.patients, "seed": demo.seed}},
    )
    out = Path(out).resolve()
    claim_folder(out, settings)
    cohort = out / "dicom"
    phantom = ["phantom", cohort, "--patients", demo.patients, "--seed", demo.seed]
    run_all([Command("phantom", "FedRTDatasetLib", phantom)], 1, report)  # goes on with what is there already
    hospitals = {folder.name: folder for folder in cohort.iterdir() if folder.is_dir()}
    return Comparison(out, hospitals, settings, report).run()
