# ruff: noqa: N802 - Slicer calls these by its own names
"""The FedRTTrain module of 3D Slicer: its description, its widget's frame and its self-test."""

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


class FedRTTrain(ScriptedLoadableModule):
    """What Slicer shows about the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("FedRT Train")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        parent.dependencies = ["FedRTDataset"]
        parent.contributors = ["FedRT contributors"]
        parent.helpText = _(
            "Trains contouring models on one or several FedRT datasets, in the background, with the same settings and "
            'steps as on the command line. See <a href="https://github.com/FedRT/FedRT">the documentation</a>. '
            "Not a medical device."
        )
        parent.acknowledgementText = _("Built on PyTorch, MONAI and 3D Slicer.")


class FedRTTrainLogic(ScriptedLoadableModuleLogic):
    """The module's settings in the scene."""

    def getParameterNode(self):
        from FedRTTrainLib.widget import TrainParameters

        return TrainParameters(super().getParameterNode())


class FedRTTrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Opens FedRTTrainLib.widget in the module panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.controls = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from FedRTTrainLib.widget import TrainControls

        self.logic = FedRTTrainLogic()
        self.controls = TrainControls(self)

    def enter(self):
        self.controls.enter()

    def cleanup(self):
        if self.controls is not None:
            self.controls.cleanup()
        self.removeObservers()


class FedRTTrainTest(ScriptedLoadableModuleTest):
    """Opens the module and starts a training that cannot work, with a real background job."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_FedRTTrainWithoutDataset()

    def test_FedRTTrainWithoutDataset(self):
        """A folder that is no dataset: the job ends, the panel says why, training can be started again."""
        import tempfile
        import time

        widget = slicer.util.getModuleWidget("FedRTTrain")
        with tempfile.TemporaryDirectory() as folder:
            widget.controls.parameters.datasets = folder
            widget.controls.parameters.model = folder + "/model"
            widget.controls.ui.startButton.click()
            end = time.time() + 60
            while widget.controls.jobs.busy and time.time() < end:
                slicer.app.processEvents()
                time.sleep(0.02)
            self.assertIn("dataset.json", widget.controls.jobs.status.text)
            self.assertTrue(widget.controls.ui.startButton.enabled)
        self.delayDisplay("Test passed")
