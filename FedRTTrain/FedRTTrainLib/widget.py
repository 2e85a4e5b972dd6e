"""The training room in 3D Slicer: datasets and settings in, a model folder out, curves while it trains."""

from pathlib import Path
from typing import Annotated, Any

import qt
import slicer
from FedRTDatasetLib.widget_base import Controls
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper

from . import arguments
from .mrml import CurveNodes

PRESETS = arguments.preset_names()
DEFAULT_PRESET = "quick" if "quick" in PRESETS else PRESETS[0]


@parameterNodeWrapper
class TrainParameters:
    """The form of the training room; kept in the scene."""

    datasets: str = ""
    """Dataset folders, one a line."""
    preset: Annotated[str, Choice(PRESETS)] = DEFAULT_PRESET
    config: str = ""
    model: str = ""


class TrainControls(Controls):
    """Start, stop and resume a training; watch it learn."""

    room = "FedRTTrainLib"
    needs_torch = True
    actions = ("startButton",)

    def connect_buttons(self) -> None:
        self.ui.addDatasetButton.connect("clicked()", self.add_dataset)
        self.ui.removeDatasetButton.connect("clicked()", self.remove_dataset)
        self.ui.startButton.connect("clicked()", self.start)

    def parameters_changed(self) -> None:
        folders = self._datasets()
        shown = self.ui.datasetList
        if folders != [shown.item(row).text() for row in range(shown.count)]:
            shown.clear()
            shown.addItems(folders)

    def add_dataset(self) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self.module.parent, _("Dataset folder"))
        if folder and folder not in self._datasets():
            self.parameters.datasets = "\n".join([*self._datasets(), folder])

    def remove_dataset(self) -> None:
        row = self.ui.datasetList.currentRow
        folders = self._datasets()
        if 0 <= row < len(folders):
            del folders[row]
            self.parameters.datasets = "\n".join(folders)

    def start(self) -> None:
        form = self.parameters
        model = form.model.strip()
        curves = CurveNodes(Path(model).name)
        path = Path(f"{model}.work") / "curves.csv"

        def watch(event: dict[str, Any]) -> None:
            if event["event"] == "validation" and curves.update(path):
                slicer.modules.plots.logic().ShowChartInLayout(curves.charts["dice"])

        self.run(lambda: arguments.train(self._datasets(), form.preset, form.config, form.model), watch=watch)

    def _datasets(self) -> list[str]:
        return [line for line in self.parameters.datasets.splitlines() if line.strip()]
