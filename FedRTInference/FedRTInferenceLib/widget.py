"""The reading room in 3D Slicer: a volume or DICOM folder and a model in, a segmentation to review out, RTSTRUCT."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import slicer
from FedRTDatasetLib.arguments import chosen, segmentation_to_rtstruct
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.mrml import save_segmentation, series_folder
from FedRTDatasetLib.widget_base import Controls
from slicer.parameterNodeWrapper import parameterNodeWrapper

from . import arguments, mrml


@parameterNodeWrapper
class InferenceParameters:
    """The form of the reading room; kept in the scene."""

    volume: slicer.vtkMRMLScalarVolumeNode
    dicom_folder: str = ""
    model: str = ""
    output: str = ""
    segmentation: slicer.vtkMRMLSegmentationNode
    reference: str = ""
    rtstruct: str = ""


class InferenceControls(Controls):
    """Contour in the background, review in the scene, export."""

    room = "FedRTInferenceLib"
    needs_torch = True
    actions = ("runButton", "exportButton")

    def __init__(self, module) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="fedrt-inference-"))
        self._cases: dict[str, str] = {}
        super().__init__(module)

    def connect_buttons(self) -> None:
        self.ui.runButton.connect("clicked()", self.contour)
        self.ui.exportButton.connect("clicked()", self.export)

    def cleanup(self) -> None:
        super().cleanup()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def contour(self) -> None:
        form = self.parameters
        volume = form.volume
        self._cases = {}

        def command() -> list[str | Path]:
            out = chosen(form.output, "") if form.output.strip() else self._scratch / "results"
            if volume is None:
                return arguments.infer_dicom(form.model, form.dicom_folder, out)
            return arguments.infer_volume(form.model, mrml.write_input(volume, self._scratch), out)

        def watch(event: dict[str, Any]) -> None:
            if event["event"] == "contoured":
                self._cases = event["cases"]

        self.run(command, lambda succeeded: self._show(volume), watch)

    def _show(self, volume) -> None:
        """What was contoured is shown, also when some studies failed."""
        nodes = mrml.load_results(self._cases, volume)
        if nodes and self.parameters is not None:
            self.parameters.segmentation = nodes[0]
            if volume is not None and not self.parameters.reference:
                self.parameters.reference = series_folder(volume, getattr(slicer, "dicomDatabase", None))
            elif volume is None and not self.parameters.reference:
                self.parameters.reference = self.parameters.dicom_folder

    def export(self) -> None:
        form = self.parameters

        def command() -> list[str | Path]:
            if form.segmentation is None:
                raise FedRTError("Choose a segmentation.")
            path = self._scratch / "export.seg.nrrd"
            command = segmentation_to_rtstruct(path, form.reference, form.rtstruct)
            save_segmentation(form.segmentation, path)
            return command

        self.run(command, room="FedRTDatasetLib")
