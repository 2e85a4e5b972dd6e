"""MRML nodes from a dataset's files and back.

Volumes and segmentations are read and written by their MRML storage nodes, so the same code runs in the application, in
a headless Slicer and on the `slicer-core` package.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import vtk

from .errors import FedRTError
from .storage.nrrd_check import check_nrrd


@dataclass
class CaseNodes:
    """The nodes of an opened case; what the case does not have is None."""

    image: object
    segmentation: object = None
    dose: object = None


def open_case(folder: Path | str) -> CaseNodes:
    """Load a case folder of a dataset: image, structures and dose, named by the case's pseudonym."""
    folder = Path(folder)
    nodes = CaseNodes(load_volume(folder / "image.nrrd", folder.name))
    if (folder / "structures.seg.nrrd").is_file():
        name = f"{folder.name} structures"
        nodes.segmentation = load_segmentation(folder / "structures.seg.nrrd", name, nodes.image)
    if (folder / "dose.nrrd").is_file():
        nodes.dose = load_volume(folder / "dose.nrrd", f"{folder.name} dose")
        _colour_as_dose(nodes.dose)
    return nodes


def load_volume(path: Path | str, name: str):
    """A NRRD file as a `vtkMRMLScalarVolumeNode` called `name`."""
    check_nrrd(path)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    _read(slicer.vtkMRMLVolumeArchetypeStorageNode(), node, path)
    node.CreateDefaultDisplayNodes()
    return node


def load_segmentation(path: Path | str, name: str, reference=None):
    """A `.seg.nrrd` as a `vtkMRMLSegmentationNode` called `name`, with names, colours and terminology from the file.

    `reference` is the volume it was made on: the segmentation is put beside it in the subject hierarchy and keeps its
    grid. Otherwise it keeps the file's grid. Without either, Slicer would save only the box around the segments.
    """
    check_nrrd(path)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    _read(slicer.vtkMRMLSegmentationStorageNode(), node, path)
    node.CreateDefaultDisplayNodes()
    if reference is not None:
        _move_beside(node, reference)
    if reference is not None and reference.GetParentTransformNode() is None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    else:
        _keep_file_grid(node.GetSegmentation())
    return node


def save_volume(node, path: Path | str) -> None:
    """Write a volume as it is shown, a transform it is under included. Axis order and space are NRRD's, LPS, mm."""
    if node.GetImageData() is None:
        raise FedRTError(f"The volume {node.GetName()} is empty; choose another.")
    transformed = node.GetParentTransformNode() is not None
    shown = _hardened_copy(node) if transformed else node
    try:
        _write(slicer.vtkMRMLVolumeArchetypeStorageNode(), shown, path)
    finally:
        if transformed:
            slicer.mrmlScene.RemoveNode(shown)


def save_segmentation(node, path: Path | str) -> None:
    """Write a segmentation as `.seg.nrrd`; overlapping segments go into layers of their own."""
    if node.GetSegmentation().GetNumberOfSegments() == 0:
        raise FedRTError(f"The segmentation {node.GetName()} has no segments; choose another.")
    _write(slicer.vtkMRMLSegmentationStorageNode(), node, path)


def segment_masks(node, volume) -> dict[str, np.ndarray]:
    """Each segment's voxels on the grid of `volume`: name -> uint8 (z, y, x), 0 or 1.

    Segment by segment, because exporting several into one label map drops what overlaps.
    """
    segmentation = node.GetSegmentation()
    masks = {}
    for number in range(segmentation.GetNumberOfSegments()):
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(node, segmentation.GetNthSegmentID(number), volume)
        masks[segmentation.GetNthSegment(number).GetName()] = (voxels != 0).astype(np.uint8)
    return masks


def segment_tag(segment, name: str) -> str:
    """A tag of a segment, empty if it has none."""
    value = vtk.reference("")
    return str(value) if segment.GetTag(name, value) else ""  # a missing tag leaves the old value in the reference


def series_folder(node, database) -> str:
    """Folder of the DICOM series that a volume was loaded from, empty if it is not in Slicer's DICOM database.

    Args:
        node: volume node; Slicer's DICOM reader leaves the UIDs of its slices in `DICOM.instanceUIDs`.
        database: `slicer.dicomDatabase`.
    """
    uids = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    files = [database.fileForInstance(uid) for uid in uids] if database is not None else []
    folders = {str(Path(file).parent) for file in files if file}
    return folders.pop() if len(folders) == 1 else ""


def _keep_file_grid(segmentation) -> None:
    if segmentation.GetNumberOfSegments():
        converter = slicer.vtkSegmentationConverter
        labelmap = segmentation.GetNthSegment(0).GetRepresentation(converter.GetBinaryLabelmapRepresentationName())
        geometry = converter.SerializeImageGeometry(labelmap)
        segmentation.SetConversionParameter(converter.GetReferenceImageGeometryParameterName(), geometry)


def _hardened_copy(node):
    copy = slicer.mrmlScene.AddNewNodeByClass(node.GetClassName(), node.GetName())
    copy.CopyContent(node)
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    copy.HardenTransform()
    return copy


def _colour_as_dose(node) -> None:
    display = node.GetDisplayNode()
    _, highest = node.GetImageData().GetScalarRange()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeRainbow")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, highest)
    display.SetLowerThreshold(0.1 * highest)
    display.SetApplyThreshold(True)


def _move_beside(node, other) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, place = (hierarchy.GetItemByDataNode(one) for one in (node, other))
    if item and place:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(place))


def _read(storage, node, path: Path | str) -> None:
    storage.SetFileName(str(path))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        raise FedRTError(f"{path} cannot be read by Slicer; restore it or make it again.")


def _write(storage, node, path: Path | str) -> None:
    storage.SetFileName(str(path))
    if not storage.WriteData(node):
        raise FedRTError(f"{path} cannot be written; choose a folder with free space that you may write to.")
