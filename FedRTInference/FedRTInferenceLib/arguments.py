"""The reading room's command as the Slicer module types it: what was chosen in a form -> arguments after `fedrt`."""

from pathlib import Path

from FedRTDatasetLib.arguments import chosen


def infer_volume(model: str, volume: Path, out: Path) -> list[str | Path]:
    """`infer` on a volume file: a segmentation, no RTSTRUCT, for which the DICOM series is needed."""
    return ["infer", chosen(model, "the model folder"), volume, "--out", out, "--seg"]


def infer_dicom(model: str, folder: str, out: Path) -> list[str | Path]:
    """`infer` on every series below a DICOM folder: segmentation and RTSTRUCT of each."""
    return ["infer", chosen(model, "the model folder"), chosen(folder, "a volume or a DICOM folder"), "--out", out]
