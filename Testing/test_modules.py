"""The four Slicer modules in the harness: their buttons are clicked, their jobs really run, their nodes are real MRML."""

import gc
import os
import time
import types

import numpy as np
import pydicom
import pytest
from dicom_maker import make_patient
from FedRTDatasetLib.process_tree import family
from tiny_dataset import write_tiny_dataset
from update_cmake_lists import MODULES, ROOT

pytest.importorskip("slicer", reason="pip install slicer-core")
harness = pytest.importorskip("harness.application", reason="pip install PySide6_Essentials==6.8.3")

LONG_TRAINING = """
steps = 100000
validation_every = 5
patch_size = "whole"
threads = 1
precision = "fp32"
[network]
name = "UNet"
channels = [8, 16]
strides = [2]
num_res_units = 0
features = 8
"""
DATASET_SETTINGS = 'name = "ward"\nstructures = ["Bladder", "Rectum"]\n[processing]\nspacing_mm = [4, 4, 4]\n'


@pytest.fixture(scope="session")
def slicer():
    slicer = harness.start()
    for module in MODULES:
        harness.load_module(ROOT / module / f"{module}.py")
    return slicer


@pytest.fixture
def open_module(slicer):
    """Opens a module in an empty scene; at the end its job is ended as when Slicer closes."""
    slicer.mrmlScene.Clear(0)
    opened = []

    def open_module(name):
        opened.append(name)
        return harness.open_module(name).controls

    yield open_module
    for name in opened:
        harness.close_module(name)


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """A hospital's export: one patient with a structure set."""
    folder = tmp_path_factory.mktemp("ward")
    make_patient(folder / "export")
    (folder / "dataset.toml").write_text(DATASET_SETTINGS)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from test_batch import write_model

    return write_model(tmp_path_factory.mktemp("models") / "model", seed=0)


def wait(controls, until=None, seconds=60):
    """Let the application run until the job has ended, or until `until()`."""
    import slicer

    end = time.monotonic() + seconds
    while controls.jobs.busy and not (until and until()):
        assert time.monotonic() < end, controls.jobs.status.text
        slicer.app.processEvents()
        time.sleep(0.01)
    assert until is None or until(), said(controls)


def said(controls) -> str:
    return f"{controls.jobs.status.text}\n{controls.jobs.log.toPlainText()}"


@pytest.mark.parametrize("module", MODULES)
def test_the_modules_own_self_test_passes(slicer, open_module, module):
    open_module(module)
    slicer.selfTests[module](msec=0)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is(slicer, module):
    parent = getattr(slicer.modules, module.lower()).parent
    assert parent.title == module.replace("FedRT", "FedRT ")
    assert parent.categories == ["Radiotherapy"]
    assert "Not a medical device" in parent.helpText
    assert (ROOT / module / "Resources" / "Icons" / f"{module}.png").is_file()
    known = set(MODULES) | {"Segmentations"}
    assert set(parent.dependencies) <= known


@pytest.mark.parametrize(
    ("module", "button", "missing"),
    [
        ("FedRTDataset", "indexButton", "Choose the source folder, or enter a PACS or DICOMweb address."),
        ("FedRTDataset", "namesButton", "Choose the dataset folder"),
        ("FedRTDataset", "buildButton", "Choose the source folder, or enter a PACS or DICOMweb address."),
        ("FedRTTrain", "startButton", "Add at least one dataset folder."),
        ("FedRTFederation", "joinButton", "Choose the startup kit."),
        ("FedRTInference", "runButton", "Choose the model folder."),
        ("FedRTInference", "exportButton", "Choose a segmentation."),
    ],
)
def test_an_empty_form_says_what_is_missing_and_starts_nothing(open_module, module, button, missing):
    controls = open_module(module)
    getattr(controls.ui, button).click()
    assert not controls.jobs.busy
    assert controls.jobs.status.text.startswith(missing)
    assert getattr(controls.ui, button).enabled


def test_dataset_from_export_folder_to_an_opened_case(slicer, open_module, ward, tmp_path):
    controls = open_module("FedRTDataset")
    controls.ui.sourcePath.currentPath = str(ward / "export")
    controls.ui.configPath.currentPath = str(ward / "dataset.toml")
    controls.ui.outputPath.currentPath = str(tmp_path / "dataset")

    controls.ui.indexButton.click()
    assert controls.jobs.busy
    assert not controls.ui.buildButton.enabled
    assert controls.jobs.stop_button.enabled
    wait(controls)
    assert "1 patients, 1 CT series, 1 structure sets" in said(controls)

    controls.ui.namesButton.click()
    wait(controls)
    assert controls.ui.nameMapPath.currentPath == str(tmp_path / "dataset.names.csv")
    assert "Bladder" in (tmp_path / "dataset.names.csv").read_text()

    assert controls.ui.caseList.count == 0
    controls.ui.buildButton.click()
    wait(controls)
    assert controls.jobs.status.text == "Done.", said(controls)
    assert (controls.jobs.bar.value, controls.jobs.stop_button.enabled) == (1, False)
    assert controls.ui.caseList.count == 1

    controls.ui.caseList.setCurrentRow(0)
    controls.ui.openButton.click()
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 2
    (image,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert "Doe" not in image.GetName()


def test_slicers_dicom_database_as_source(slicer, open_module, ward, tmp_path, monkeypatch):
    from slicer_database_maker import make_database

    controls = open_module("FedRTDataset")
    monkeypatch.delattr(slicer, "dicomDatabase", raising=False)
    controls.ui.slicerDatabaseButton.click()
    assert controls.jobs.status.text.startswith("Slicer has no DICOM database")
    folder = make_database(tmp_path / "SlicerDICOM", copied=[ward / "export"]).parent
    monkeypatch.setattr(slicer, "dicomDatabase", types.SimpleNamespace(databaseDirectory=str(folder)), raising=False)
    controls.ui.slicerDatabaseButton.click()
    assert controls.ui.sourcePath.currentPath == str(folder)
    controls.ui.withStructures.text = "Bladder"
    controls.ui.indexButton.click()
    wait(controls)
    assert "1 patients, 1 CT series, 1 structure sets" in said(controls)


def test_a_pacs_that_cannot_be_reached_is_told_in_the_form(open_module):
    controls = open_module("FedRTDataset")
    controls.ui.sourceAddress.text = "pacs:ARCHIVE@127.0.0.1:1"
    controls.ui.indexButton.click()
    wait(controls)
    assert "pacs:ARCHIVE@127.0.0.1:1 is not reachable" in said(controls)


def test_the_form_is_kept_in_the_scene_and_emptied_with_it(slicer, open_module, tmp_path):
    controls = open_module("FedRTDataset")
    controls.ui.sourcePath.currentPath = "/data/export"
    node = slicer.mrmlScene.GetSingletonNode("FedRTDataset", "vtkMRMLScriptedModuleNode")
    assert "/data/export" in node.GetParameter("source")
    slicer.mrmlScene.Clear(0)
    assert controls.ui.sourcePath.currentPath == ""
    controls.ui.sourcePath.currentPath = "/data/other"
    assert controls.parameters.source == "/data/other"


def test_the_node_of_a_module_that_was_closed_can_still_change(slicer):
    """Without `_KEPT_ALIVE` this ends the process: the node calls into what the garbage collector took apart."""
    slicer.mrmlScene.Clear(0)
    harness.open_module("FedRTDataset")
    harness.close_module("FedRTDataset")
    for _ in range(3):
        gc.collect()
    slicer.mrmlScene.GetSingletonNode("FedRTDataset", "vtkMRMLScriptedModuleNode").SetParameter("source", '"changed"')


@pytest.fixture
def long_training(open_module, tmp_path):
    """A training that would take hours, in the module."""
    write_tiny_dataset(tmp_path / "dataset")
    (tmp_path / "long.toml").write_text(LONG_TRAINING)
    controls = open_module("FedRTTrain")
    controls.parameters.datasets = str(tmp_path / "dataset")
    controls.ui.configPath.currentPath = str(tmp_path / "long.toml")
    controls.ui.modelPath.currentPath = str(tmp_path / "model")
    return controls


def test_training_shows_its_curves_and_stops_in_order(slicer, long_training, tmp_path):
    def charts():
        return slicer.util.getNodesByClass("vtkMRMLPlotChartNode")

    long_training.ui.startButton.click()
    wait(long_training, until=charts)
    assert [chart.GetName() for chart in charts()] == ["model Dice", "model Loss"]
    members = family(long_training.jobs._job.pid)
    long_training.jobs.stop_button.click()
    assert long_training.jobs.status.text == "Stopping..."
    wait(long_training)
    assert long_training.jobs.status.text == "Stopped. Start again to go on."
    assert not [member for member in members if os.path.exists(f"/proc/{member.pid}")]
    assert (tmp_path / "model.work" / "checkpoint").exists()
    assert long_training.ui.startButton.enabled


def test_closing_slicer_ends_a_running_job(long_training):
    long_training.ui.startButton.click()
    pid = long_training.jobs._job.pid
    harness.close_module("FedRTTrain")
    assert not os.path.exists(f"/proc/{pid}")


def test_datasets_are_added_and_removed(slicer, open_module, monkeypatch):
    import qt

    controls = open_module("FedRTTrain")
    chosen = iter(["/data/a", "/data/b", "/data/a", ""])
    monkeypatch.setattr(qt.QFileDialog.native, "getExistingDirectory", lambda *_: next(chosen))
    for _ in range(4):
        controls.ui.addDatasetButton.click()
    shown = controls.ui.datasetList
    assert [shown.item(row).text() for row in range(shown.count)] == ["/data/a", "/data/b"]
    shown.setCurrentRow(0)
    controls.ui.removeDatasetButton.click()
    assert controls.parameters.datasets == "/data/b"


def test_a_site_joins_waits_and_leaves(open_module, tmp_path):
    """The coordinator is not there yet: the site keeps waiting until it is told to leave."""
    from federation_processes import Federation

    federation = Federation(tmp_path)
    controls = open_module("FedRTFederation")
    controls.ui.kitPath.currentPath = str(federation.kit("north"))
    controls.ui.datasetPath.currentPath = str(write_tiny_dataset(tmp_path / "dataset").path)
    assert not controls.ui.leaveButton.enabled
    controls.ui.joinButton.click()
    started = time.monotonic()
    wait(controls, until=lambda: time.monotonic() > started + 3)
    assert controls.jobs.busy, said(controls)
    assert not controls.ui.joinButton.enabled
    controls.ui.leaveButton.click()
    wait(controls)
    assert controls.jobs.status.text == "Stopped. Start again to go on."
    assert not controls.ui.leaveButton.enabled
    assert controls.ui.joinButton.enabled


def test_a_volume_is_contoured_into_a_segmentation(slicer, open_module, model):
    controls = open_module("FedRTInference")
    values = np.random.default_rng(0).normal(0, 100, (16, 24, 24)).astype(np.float32)
    volume = slicer.util.addVolumeFromArray(values, name="phantom")
    volume.SetSpacing(4, 4, 4)
    controls.parameters.volume = volume
    controls.ui.modelPath.currentPath = str(model)
    controls.ui.runButton.click()
    wait(controls)
    assert controls.jobs.status.text == "Done.", said(controls)
    node = controls.ui.segmentationSelector.currentNode()
    assert node.GetName() == "phantom contours"
    segmentation = node.GetSegmentation()
    assert [segmentation.GetNthSegment(i).GetName() for i in range(2)] == ["Bladder", "Rectum"]

    from FedRTDatasetLib.mrml import segment_masks, segment_tag

    assert "89837001" in segment_tag(segmentation.GetNthSegment(0), "TerminologyEntry")
    assert all(mask.any() and mask.shape == values.shape for mask in segment_masks(node, volume).values())


def test_a_series_is_contoured_and_the_reviewed_segments_exported(slicer, open_module, model, ward, tmp_path):
    controls = open_module("FedRTInference")
    controls.ui.dicomPath.currentPath = str(ward / "export")
    controls.ui.modelPath.currentPath = str(model)
    controls.ui.outputPath.currentPath = str(tmp_path / "results")
    controls.ui.runButton.click()
    wait(controls)
    assert controls.jobs.status.text == "Done.", said(controls)
    assert len(list((tmp_path / "results").glob("*/RTSTRUCT.dcm"))) == 1
    assert controls.ui.referencePath.currentPath == str(ward / "export")

    segmentation = controls.parameters.segmentation.GetSegmentation()
    segmentation.RemoveSegment(segmentation.GetNthSegmentID(1))
    segmentation.GetNthSegment(0).SetName("Bladder_Wall")
    controls.ui.rtstructPath.currentPath = str(tmp_path / "reviewed.dcm")
    controls.ui.exportButton.click()
    wait(controls)
    assert controls.jobs.status.text == "Done.", said(controls)
    exported = pydicom.dcmread(tmp_path / "reviewed.dcm")
    assert [str(roi.ROIName) for roi in exported.StructureSetROISequence] == ["Bladder_Wall"]


def test_missing_packages_are_asked_for_before_the_job(open_module, monkeypatch, tmp_path):
    import slicer.packaging

    controls = open_module("FedRTDataset")
    monkeypatch.setattr(slicer.packaging, "pip_check", lambda requirement: False)
    monkeypatch.setattr("harness.application.pip_check", lambda requirement: False)
    controls.ui.sourcePath.currentPath = str(tmp_path)
    controls.ui.indexButton.click()
    assert not controls.jobs.busy
    assert "Python packages are missing" in controls.jobs.status.text


def test_pytorch_comes_from_its_own_extension(open_module, monkeypatch, tmp_path):
    import slicer.packaging

    controls = open_module("FedRTTrain")
    monkeypatch.setattr(slicer.packaging, "pip_check", lambda requirement: False)
    controls.parameters.datasets = str(tmp_path)
    controls.ui.modelPath.currentPath = str(tmp_path / "model")
    controls.ui.startButton.click()
    assert "install the PyTorch extension" in controls.jobs.status.text
