"""Thirty real soft-tissue-sarcoma patients at three hospitals: local, federated and pooled training compared.

    python Testing/benchmarks/sarcoma_federation/run.py --data FOLDER_WITH_hospital_a_b_c --out RESULTS

The data are MR T1 series with one MIM structure set a patient (Vallieres et al. 2015, TCIA Soft-tissue-Sarcoma, CC BY 3.0,
as prepared for the IBSI 2 validation). Ten patients a hospital: six train, one validates, three are unseen. The comparison
runs through the product's own commands; it can be interrupted and started again.
"""

import argparse
import os
import platform
import signal
from pathlib import Path

from FedRTDatasetLib.reporting import reporter_for
from FedRTInferenceLib.comparison import Comparison
from FedRTInferenceLib.comparison_folder import ComparisonSettings

SETTINGS = ComparisonSettings(
    title="Soft-tissue sarcoma on MR: three hospitals, one model",
    structures=("GTVp",),
    dataset={
        "processing": {"modality": "MR", "spacing_mm": [3.0, 3.0, 4.0], "intensity": "zscore", "n4": False},
        "splits": {"train": 6, "validation": 1, "test": 3},
    },
    recipe="sarcoma_mr",
    rounds=16,
    steps_per_round=50,
    remark="Thirty patients, nine of them unseen: differences of a few hundredths are chance.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("FEDRT_TEST_DATA", ".")) / "sarcoma_mr"
    parser.add_argument(
        "--data", type=Path, default=default, help="folder that holds hospital_a, hospital_b, hospital_c"
    )
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    hospitals = {folder.name: folder.resolve() for folder in sorted(args.data.glob("hospital_*"))}
    if not hospitals:
        raise SystemExit(f"{args.data} holds no hospital_* folders; name the unpacked data with --data")
    report = reporter_for("bar")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to stop, it stops what it started
    summary = Comparison(args.out, hospitals, SETTINGS, report).run()
    report.close()
    print(table(summary))
    print(
        f"\n{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; seconds: {summary['seconds']}"
    )
    print(f"open {args.out / 'report.html'}")


def table(summary: dict) -> str:
    """Dice on unseen patients, by the hospital they are from, as a Markdown table."""
    hospitals = list(summary["unseen_patients"])
    lines = [
        "| model | " + " | ".join(f"unseen at {h}" for h in hospitals) + " | all |",
        "|---|" + "---|" * (len(hospitals) + 1),
    ]
    for label, values in summary["by_hospital"].items():
        overall = summary["by_structure"][label]["GTVp"]
        lines.append(f"| {label} | " + " | ".join(f"{values[h]:.3f}" for h in hospitals) + f" | {overall:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
