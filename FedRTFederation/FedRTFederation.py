# ruff: noqa: N802 - Slicer calls these by its own names
"""The FedRTFederation module of 3D Slicer: its description, its widget's frame and its self-test."""

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


class FedRTFederation(ScriptedLoadableModule):
    """What Slicer shows about the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("FedRT Federation")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        parent.dependencies = ["FedRTDataset", "FedRTTrain"]
        parent.contributors = ["FedRT contributors"]
        parent.helpText = _(
            "Lets this hospital train a model together with others: only weights and counts are sent, patient data stay "
            "here. Needs the startup kit that the coordinator made. "
            'See <a href="https://github.com/FedRT/FedRT">the documentation</a>. Not a medical device.'
        )
        parent.acknowledgementText = _("Built on Flower, PyTorch, MONAI and 3D Slicer.")


class FedRTFederationLogic(ScriptedLoadableModuleLogic):
    """The module's settings in the scene."""

    def getParameterNode(self):
        from FedRTFederationLib.widget import FederationParameters

        return FederationParameters(super().getParameterNode())


class FedRTFederationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Opens FedRTFederationLib.widget in the module panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.controls = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from FedRTFederationLib.widget import FederationControls

        self.logic = FedRTFederationLogic()
        self.controls = FederationControls(self)

    def enter(self):
        self.controls.enter()

    def cleanup(self):
        if self.controls is not None:
            self.controls.cleanup()
        self.removeObservers()


class FedRTFederationTest(ScriptedLoadableModuleTest):
    """Opens the module and joins with a kit that is none, with a real background job."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_FedRTFederationDamagedKit()

    def test_FedRTFederationDamagedKit(self):
        """A damaged kit: the job ends, the panel says why, the site can join again."""
        import pathlib
        import tempfile
        import time

        widget = slicer.util.getModuleWidget("FedRTFederation")
        with tempfile.TemporaryDirectory() as folder:
            kit = pathlib.Path(folder) / "site.zip"
            kit.write_bytes(b"not a kit")
            widget.controls.parameters.kit = str(kit)
            widget.controls.parameters.dataset = folder
            widget.controls.ui.joinButton.click()
            end = time.time() + 60
            while widget.controls.jobs.busy and time.time() < end:
                slicer.app.processEvents()
                time.sleep(0.02)
            self.assertIn("site.zip", widget.controls.jobs.status.text)
            self.assertTrue(widget.controls.ui.joinButton.enabled)
        self.delayDisplay("Test passed")
