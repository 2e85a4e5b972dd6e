"""MRML in and out, on Slicer's own MRML classes (package `slicer-core`)."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.naming.structures import Structure
from FedRTDatasetLib.storage.segmentation import read_segmentation, write_segmentation
from tiny_dataset import write_tiny_dataset

pytest.importorskip("slicer", reason="pip install slicer-core")
harness = pytest.importorskip("harness.application", reason="pip install PySide6_Essentials==6.8.3")

STRUCTURES = [
    Structure(name="Body", snomed=("38266002", "Body"), color=(10, 200, 30)),
    Structure(
        name="Femur_Head_L", snomed=("2812003", "Head of femur"), laterality=("7771000", "Left"), color=(250, 0, 128)
    ),
    Structure(name="PTVp_Local"),
]


@pytest.fixture
def slicer():
    slicer = harness.start()
    slicer.mrmlScene.Clear(0)
    return slicer


@pytest.fixture
def image():
    """An oblique image of 12 x 10 x 8 voxels (x, y, z)."""
    values = np.random.default_rng(0).normal(0, 100, (8, 10, 12)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.5, 2.0, 3.0))
    image.SetOrigin((-10.0, 20.0, -30.0))
    cos, sin = np.cos(0.2), np.sin(0.2)
    image.SetDirection((cos, -sin, 0, sin, cos, 0, 0, 0, 1))
    return image


@pytest.fixture
def masks():
    """Body around everything; the other two overlap it and each other, and none touches the edge of the grid."""
    masks = np.zeros((3, 8, 10, 12), np.uint8)
    masks[0, 1:7, 1:9, 1:11] = 1
    masks[1, 2:5, 2:6, 2:7] = 1
    masks[2, 3:6, 3:7, 4:9] = 1
    return masks


@pytest.fixture
def volume(slicer, image, tmp_path):
    from FedRTDatasetLib.mrml import load_volume

    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    return load_volume(tmp_path / "image.nrrd", "image")


@pytest.fixture
def file(tmp_path, masks, image):
    path = tmp_path / "structures.seg.nrrd"
    write_segmentation(path, masks, STRUCTURES, image)
    return path


def segments(node):
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(number) for number in range(segmentation.GetNumberOfSegments())]


def test_names_colours_and_terminology_arrive(slicer, file):
    from FedRTDatasetLib.mrml import load_segmentation, segment_tag

    loaded = segments(load_segmentation(file, "case"))
    assert [segment.GetName() for segment in loaded] == ["Body", "Femur_Head_L", "PTVp_Local"]
    for segment, structure in zip(loaded, STRUCTURES, strict=True):
        np.testing.assert_allclose(np.array(segment.GetColor()) * 255, structure.color, atol=0.01)
    entry = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    assert logic.DeserializeTerminologyEntry(segment_tag(loaded[1], "TerminologyEntry"), entry)
    assert entry.GetTypeObject().GetCodingSchemeDesignator() == "SCT"
    assert (entry.GetTypeObject().GetCodeValue(), entry.GetTypeObject().GetCodeMeaning()) == (
        "2812003",
        "Head of femur",
    )
    assert entry.GetTypeModifierObject().GetCodeMeaning() == "Left"
    assert segment_tag(loaded[1], "no such tag") == ""


def test_overlapping_voxels_arrive_where_they_are(volume, file, masks):
    from FedRTDatasetLib.mrml import load_segmentation, segment_masks

    node = load_segmentation(file, "case", volume)
    arrived = segment_masks(node, volume)
    assert list(arrived) == ["Body", "Femur_Head_L", "PTVp_Local"]
    for mask, expected in zip(arrived.values(), masks, strict=True):
        np.testing.assert_array_equal(mask, expected)
    assert (masks[1] & masks[2]).any()  # exporting all segments at once would have dropped these


def test_voxels_are_where_the_image_says_in_ras(slicer, file, image, masks):
    from FedRTDatasetLib.mrml import load_segmentation

    node = load_segmentation(file, "case")
    corner = np.argwhere(masks[1]).min(0)[::-1]
    labelmap = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation("Segment_2", labelmap)
    import vtk

    to_world = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(to_world)
    ras = to_world.MultiplyPoint([*map(float, corner), 1.0])[:3]
    lps = image.TransformIndexToPhysicalPoint([int(i) for i in corner])
    np.testing.assert_allclose(np.array(ras) * (-1, -1, 1), lps, atol=1e-6)


@pytest.mark.parametrize("with_volume", [True, False])
def test_an_edited_segmentation_is_saved_on_the_whole_grid(slicer, volume, file, masks, image, tmp_path, with_volume):
    from FedRTDatasetLib.mrml import load_segmentation, save_segmentation

    node = load_segmentation(file, "case", volume if with_volume else None)
    for segment in segments(node):  # the editor leaves label maps that are smaller than the image
        labelmap = segment.GetRepresentation("Binary labelmap")
        slicer.vtkOrientedImageDataResample.CopyImage(labelmap, labelmap, [2, 8, 2, 7, 1, 5])
    save_segmentation(node, tmp_path / "saved.seg.nrrd")
    saved = read_segmentation(tmp_path / "saved.seg.nrrd")
    expected = np.zeros_like(masks)
    expected[:, 1:6, 2:8, 2:9] = masks[:, 1:6, 2:8, 2:9]
    assert saved.names == ["Body", "Femur_Head_L", "PTVp_Local"]
    np.testing.assert_array_equal(saved.masks, expected)
    np.testing.assert_allclose(saved.reference.GetOrigin(), image.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(saved.reference.GetDirection(), image.GetDirection(), atol=1e-6)


def test_segments_that_slicer_put_into_one_layer_are_read_back(slicer, volume, file, masks, tmp_path):
    from FedRTDatasetLib.mrml import load_segmentation, save_segmentation

    apart = masks[1:].copy()
    apart[1] &= 1 - apart[0]
    write_segmentation(file, apart, STRUCTURES[1:], sitk.ReadImage(str(tmp_path / "image.nrrd")))
    node = load_segmentation(file, "case", volume)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    save_segmentation(node, tmp_path / "one_layer.seg.nrrd")
    saved = read_segmentation(tmp_path / "one_layer.seg.nrrd")
    np.testing.assert_array_equal(saved.masks, apart)


@pytest.mark.parametrize("content", [None, b"", b"NRRD0004\ntype: unsigned char\ndimension: 4\n"])
def test_a_missing_or_damaged_file_is_said_and_leaves_no_node(slicer, tmp_path, content):
    """Slicer itself would end at the last one."""
    from FedRTDatasetLib.mrml import load_segmentation, load_volume

    path = tmp_path / "damaged.seg.nrrd"
    if content is not None:
        path.write_bytes(content)
    before = slicer.mrmlScene.GetNumberOfNodes()
    for load in (load_segmentation, load_volume):
        with pytest.raises(FedRTError, match=r"damaged\.seg\.nrrd"):
            load(path, "case")
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_volume_is_saved_with_its_geometry_and_values(volume, image, tmp_path):
    from FedRTDatasetLib.mrml import save_volume

    save_volume(volume, tmp_path / "saved.nrrd")
    saved = sitk.ReadImage(str(tmp_path / "saved.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(saved), sitk.GetArrayFromImage(image))
    for name in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(saved, name)(), getattr(image, name)(), atol=1e-6)


def test_a_volume_under_a_transform_is_saved_where_it_is_shown(slicer, volume, image, tmp_path):
    import vtk
    from FedRTDatasetLib.mrml import save_volume

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 25.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    transform.SetMatrixTransformToParent(matrix)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    save_volume(volume, tmp_path / "saved.nrrd")
    saved = sitk.ReadImage(str(tmp_path / "saved.nrrd"))
    np.testing.assert_allclose(saved.GetOrigin(), np.subtract(image.GetOrigin(), (25.0, 0, 0)), atol=1e-6)  # R is -L
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert volume.GetParentTransformNode() is transform


def test_empty_nodes_are_refused(slicer, tmp_path):
    from FedRTDatasetLib.mrml import save_segmentation, save_volume

    with pytest.raises(FedRTError, match="empty volume is empty"):
        save_volume(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty volume"), tmp_path / "a.nrrd")
    with pytest.raises(FedRTError, match="has no segments"):
        save_segmentation(
            slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "none"), tmp_path / "a.seg.nrrd"
        )


def test_a_case_of_a_dataset_opens(slicer, tmp_path):
    from FedRTDatasetLib.mrml import open_case

    dataset = write_tiny_dataset(tmp_path / "dataset", cases={"train": 1})
    folder = dataset.cases[0].folder
    image = sitk.ReadImage(str(folder / "image.nrrd"))
    sitk.WriteImage(image * 60, str(folder / "dose.nrrd"))
    nodes = open_case(folder)
    assert nodes.image.GetName() == "c00"
    assert slicer.util.arrayFromVolume(nodes.image).shape == sitk.GetArrayViewFromImage(image).shape
    assert [segment.GetName() for segment in segments(nodes.segmentation)] == ["Bladder", "Prostate"]
    display = nodes.dose.GetDisplayNode()
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeRainbow"
    assert display.GetApplyThreshold()


def test_the_segmentation_goes_beside_its_volume_in_the_hierarchy(slicer, volume, file):
    from FedRTDatasetLib.mrml import load_segmentation

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.CreateItem(study, volume)
    plugins = slicer.mrmlScene.AddObserver(  # in the application a plugin gives every new node its item
        slicer.mrmlScene.NodeAddedEvent,
        lambda *_: [
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
            for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
            if not hierarchy.GetItemByDataNode(node)
        ],
    )
    node = load_segmentation(file, "case", volume)
    slicer.mrmlScene.RemoveObserver(plugins)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study


class Database:
    """Stands for `slicer.dicomDatabase`; `fileForInstance` is all that is asked of it."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def fileForInstance(self, uid: str) -> str:  # noqa: N802 - Slicer's name
        return self._files.get(uid, "")


@pytest.mark.parametrize(
    ("uids", "files", "expected"),
    [
        ("1.1 1.2", {"1.1": "/db/a/1.dcm", "1.2": "/db/a/2.dcm"}, "/db/a"),
        ("1.1 1.2", {"1.1": "/db/a/1.dcm", "1.2": "/db/b/2.dcm"}, ""),
        ("1.1", {}, ""),
        (None, {}, ""),
    ],
)
def test_the_series_folder_of_a_volume(volume, uids, files, expected):
    from FedRTDatasetLib.mrml import series_folder
    from harness.api import api_class

    assert "fileForInstance" in api_class("ctkDICOMDatabase").members
    if uids is not None:
        volume.SetAttribute("DICOM.instanceUIDs", uids)
    assert series_folder(volume, Database(files)) == expected
    assert series_folder(volume, None) == ""


def test_an_input_is_named_by_its_content_not_by_the_patient(slicer, volume, tmp_path):
    from FedRTInferenceLib.mrml import write_input

    volume.SetName("Doe^Jane CT")
    first = write_input(volume, tmp_path)
    assert write_input(volume, tmp_path) == first
    slicer.util.arrayFromVolume(volume)[0, 0, 0] += 1
    volume.Modified()
    assert write_input(volume, tmp_path) != first
    assert "Doe" not in first.name


def test_results_are_loaded_beside_a_volume_that_is_still_there(slicer, volume, file):
    from FedRTInferenceLib.mrml import load_results

    cases = {"P1": str(file.parent), "P2": str(file.parent / "nothing was found")}
    assert [node.GetName() for node in load_results(cases, volume)] == ["image contours"]
    slicer.mrmlScene.RemoveNode(volume)
    assert [node.GetName() for node in load_results(cases, volume)] == ["P1 contours"]


def test_training_curves_become_a_table_and_charts(slicer, tmp_path):
    from FedRTTrainLib.curves import _columns
    from FedRTTrainLib.mrml import CurveNodes

    path = tmp_path / "curves.csv"
    curves = CurveNodes("model")
    assert not curves.update(path)
    for rows in (1, 3):  # the training goes on
        with open(path, "w", newline="") as out:
            writer = csv.DictWriter(out, _columns(("Bladder",)), restval="")
            writer.writeheader()
            writer.writerows(
                {"step": 100 * row, "validation_dice": 0.1 * row, "train_dice": 0.2} for row in range(rows)
            )
        assert curves.update(path)
        assert curves.table.GetNumberOfRows() == rows
    assert len(slicer.util.getNodesByClass("vtkMRMLTableNode")) == 1
    chart = curves.charts["dice"]
    assert chart.GetNumberOfPlotSeriesNodes() == 2
    for number in range(2):
        series = chart.GetNthPlotSeriesNode(number)
        for column in (series.GetXColumnName(), series.GetYColumnName()):
            assert curves.table.GetTable().GetColumnByName(column) is not None
