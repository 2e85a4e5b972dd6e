# ruff: noqa: N802 - Slicer calls these by its own names
"""The FedRTDataset module of 3D Slicer: its description, its widget's frame and its self-test."""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class FedRTDataset(ScriptedLoadableModule):
    """What Slicer shows about the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("FedRT Dataset")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        parent.dependencies = []
        parent.contributors = ["FedRT contributors"]
        parent.helpText = _(
            "Turns a folder of treatment plans (DICOM images, structure sets, doses) into a harmonised, de-identified "
            'dataset that FedRT Train and FedRT Federation learn from. See <a href="https://github.com/FedRT/FedRT">'
            "the documentation</a>. Not a medical device."
        )
        parent.acknowledgementText = _("Built on pydicom, SimpleITK and 3D Slicer.")


class FedRTDatasetLogic(ScriptedLoadableModuleLogic):
    """The module's settings in the scene."""

    def getParameterNode(self):
        from FedRTDatasetLib.widget import DatasetParameters

        return DatasetParameters(super().getParameterNode())


class FedRTDatasetWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Opens FedRTDatasetLib.widget in the module panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.controls = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from FedRTDatasetLib.widget import DatasetControls

        self.logic = FedRTDatasetLogic()
        self.controls = DatasetControls(self)

    def enter(self):
        self.controls.enter()

    def cleanup(self):
        if self.controls is not None:
            self.controls.cleanup()
        self.removeObservers()


class FedRTDatasetTest(ScriptedLoadableModuleTest):
    """Opens the module and lists a folder of DICOM with a real background job."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_FedRTDatasetEmptyFolder()

    def test_FedRTDatasetEmptyFolder(self):
        """A folder without DICOM: the job runs, the panel says what is wrong, the buttons can be used again."""
        import tempfile
        import time

        widget = slicer.util.getModuleWidget("FedRTDataset")
        with tempfile.TemporaryDirectory() as folder:
            widget.controls.parameters.source = folder
            widget.controls.ui.indexButton.click()
            end = time.time() + 60
            while widget.controls.jobs.busy and time.time() < end:
                slicer.app.processEvents()
                time.sleep(0.02)
            self.assertFalse(widget.controls.jobs.busy)
            self.assertTrue(widget.controls.ui.indexButton.enabled)
        self.delayDisplay("Test passed")
