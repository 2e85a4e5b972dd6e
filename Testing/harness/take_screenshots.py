"""Take pictures of the modules: `PYTHONPATH=Testing python -m harness.take_screenshots` writes Resources/Screenshots.

Each shows a module in use: a dataset that was built, a training under way, a site in a federation, a finished contouring.
They are rendered by the test harness and labelled so; the application draws the same widgets in its own style.
"""

import tempfile
import time
from pathlib import Path

from dicom_maker import make_patient
from tiny_dataset import write_tiny_dataset

from .application import close_module, load_module, open_module, screenshot, start

ROOT = Path(__file__).resolve().parents[2]
CAPTION = "rendered by the test harness, not by 3D Slicer"
WIDTH, HEIGHT, HEIGHTS = 460, 680, {"FedRTDataset": 900}
DATASET = 'name = "ward"\nstructures = ["Bladder", "Rectum"]\n[processing]\nspacing_mm = [4, 4, 4]\n'
TRAINING = 'steps = 5000\nvalidation_every = 20\npatch_size = "whole"\nthreads = 1\n'


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ward-") as folder:
        slicer = start()
        for name in ("FedRTDataset", "FedRTTrain", "FedRTFederation", "FedRTInference"):
            load_module(ROOT / name / f"{name}.py")
            controls = open_module(name).controls
            globals()[name](controls, slicer, Path(folder))
            path, size = ROOT / "Resources" / "Screenshots" / f"{name}.png", (WIDTH, HEIGHTS.get(name, HEIGHT))
            screenshot(open_module(name), path, size, CAPTION)
            close_module(name)


def FedRTDataset(controls, slicer, folder: Path) -> None:  # noqa: N802 - called by the module's name
    for number in range(3):
        make_patient(folder / "export" / str(number), patient=f"P{number}", seed=number)
    (folder / "pelvis.toml").write_text(DATASET)
    controls.ui.sourcePath.currentPath = str(folder / "export")
    controls.ui.selectionSection.collapsed = False
    controls.ui.withStructures.text = "Bladder,Rectum"
    controls.ui.configPath.currentPath = str(folder / "pelvis.toml")
    controls.ui.outputPath.currentPath = str(folder / "dataset")
    controls.ui.buildButton.click()
    run(controls, slicer)


def FedRTTrain(controls, slicer, folder: Path) -> None:  # noqa: N802
    for number in (1, 2):
        write_tiny_dataset(folder / f"pelvis_{number}", seed=number)
    (folder / "training.toml").write_text(TRAINING)
    controls.parameters.datasets = "\n".join(str(folder / f"pelvis_{number}") for number in (1, 2))
    controls.ui.configPath.currentPath = str(folder / "training.toml")
    controls.ui.modelPath.currentPath = str(folder / "model")
    controls.ui.startButton.click()
    run(controls, slicer, until=lambda: controls.jobs.log.toPlainText().count("\n") >= 2)


def FedRTFederation(controls, slicer, folder: Path) -> None:  # noqa: N802
    from federation_processes import Federation

    federation = Federation(folder)
    try:
        kit = federation.kit("north")
        federation.serve()
        controls.ui.kitPath.currentPath = str(kit)
        controls.ui.datasetPath.currentPath = str(folder / "pelvis_1")
        controls.ui.joinButton.click()
        run(controls, slicer, until=lambda: "connected" in controls.jobs.log.toPlainText())
    finally:
        federation.close()


def FedRTInference(controls, slicer, folder: Path) -> None:  # noqa: N802
    from test_batch import write_model

    controls.ui.dicomPath.currentPath = str(folder / "export" / "0")
    controls.ui.modelPath.currentPath = str(write_model(folder / "pelvis_model", seed=0))
    controls.ui.outputPath.currentPath = str(folder / "results")
    controls.ui.runButton.click()
    run(controls, slicer)
    controls.ui.rtstructPath.currentPath = str(folder / "reviewed.dcm")


def run(controls, slicer, until=None) -> None:
    while controls.jobs.busy and not (until and until()):
        slicer.app.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
