# ruff: noqa: N802 - Slicer calls these by its own names
"""The FedRTInference module of 3D Slicer: its description, its widget's frame and its self-test."""

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


class FedRTInference(ScriptedLoadableModule):
    """What Slicer shows about the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("FedRT Inference")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        parent.dependencies = ["FedRTDataset", "FedRTTrain", "Segmentations"]
        parent.contributors = ["FedRT contributors"]
        parent.helpText = _(
            "Contours a volume or a folder of DICOM series with a FedRT model and exports the reviewed segmentation as "
            'RTSTRUCT for the planning system. See <a href="https://github.com/FedRT/FedRT">the documentation</a>. '
            "Not a medical device: a person has to check every contour."
        )
        parent.acknowledgementText = _("Built on PyTorch, MONAI, pydicom and 3D Slicer.")


class FedRTInferenceLogic(ScriptedLoadableModuleLogic):
    """The module's settings in the scene."""

    def getParameterNode(self):
        from FedRTInferenceLib.widget import InferenceParameters

        return InferenceParameters(super().getParameterNode())


class FedRTInferenceWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Opens FedRTInferenceLib.widget in the module panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.controls = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from FedRTInferenceLib.widget import InferenceControls

        self.logic = FedRTInferenceLogic()
        self.controls = InferenceControls(self)

    def enter(self):
        self.controls.enter()

    def cleanup(self):
        if self.controls is not None:
            self.controls.cleanup()
        self.removeObservers()


class FedRTInferenceTest(ScriptedLoadableModuleTest):
    """Opens the module and contours a generated volume with a model that is none, with a real background job."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_FedRTInferenceWithoutModel()

    def test_FedRTInferenceWithoutModel(self):
        """A folder that is no model: the volume is handed over, the job ends, the panel says why."""
        import tempfile
        import time

        import numpy as np

        widget = slicer.util.getModuleWidget("FedRTInference")
        volume = slicer.util.addVolumeFromArray(np.zeros((8, 8, 8), np.float32), name="phantom")
        with tempfile.TemporaryDirectory() as folder:
            widget.controls.parameters.volume = volume
            widget.controls.parameters.model = folder
            widget.controls.ui.runButton.click()
            end = time.time() + 60
            while widget.controls.jobs.busy and time.time() < end:
                slicer.app.processEvents()
                time.sleep(0.02)
            self.assertIn("model.json", widget.controls.jobs.status.text)
            self.assertTrue(widget.controls.ui.runButton.enabled)
        self.delayDisplay("Test passed")
