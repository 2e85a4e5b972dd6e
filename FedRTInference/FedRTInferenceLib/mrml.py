"""Volumes handed to a contouring job, and its results as MRML nodes."""

import hashlib
from pathlib import Path

import slicer
from FedRTDatasetLib.mrml import load_segmentation, save_volume


def write_input(node, folder: Path) -> Path:
    """Write a volume for the job, as it is shown; returns the file.

    It is named by its content: results are kept by the input's name, so two volumes must not share one. The node's own
    name may hold the patient's.
    """
    path = folder / "volume.nrrd"
    save_volume(node, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return path.rename(path.with_name(f"volume-{digest}.nrrd"))


def load_results(cases: dict[str, str], volume=None) -> list:
    """The segmentations that a job wrote, as segmentation nodes.

    Args:
        cases: result folder of each case, as the job's `contoured` event tells it.
        volume: the volume that was contoured; without one, or if it is gone from the scene, the segmentation stands alone.
    """
    if volume is not None and not slicer.mrmlScene.IsNodePresent(volume):
        volume = None
    nodes = []
    for case, folder in cases.items():
        path = Path(folder) / "structures.seg.nrrd"
        if path.is_file():
            name = f"{volume.GetName() if volume is not None else case} contours"
            nodes.append(load_segmentation(path, name, volume))
    return nodes
