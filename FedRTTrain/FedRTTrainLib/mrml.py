"""Training curves as MRML nodes: a table and a chart that Slicer's plot view shows."""

from pathlib import Path

import slicer

COLOURS = {"train": (0.55, 0.60, 0.67), "validation": (0.10, 0.45, 0.80)}
MEASURES = {"dice": "Dice", "loss": "Loss"}


class CurveNodes:
    """The curves of one training; `update` reads them again while the training goes on."""

    def __init__(self, name: str) -> None:
        """`name` is what the table and the chart are called in the scene."""
        self._name = name
        self.table = None
        self.charts: dict[str, object] = {}

    def update(self, path: Path | str) -> bool:
        """Read `curves.csv` (one row a validation); False if there is none yet."""
        if not Path(path).is_file():
            return False
        if self.table is None or not slicer.mrmlScene.IsNodePresent(self.table):
            self.table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{self._name} curves")
            self.charts = {}
        storage = slicer.vtkMRMLTableStorageNode()
        storage.SetFileName(str(path))
        if not storage.ReadData(self.table):
            return False
        if not self.charts:
            self.charts = {measure: self._chart(measure, title) for measure, title in MEASURES.items()}
        self.table.Modified()
        return True

    def _chart(self, measure: str, title: str):
        chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{self._name} {title}")
        for split, colour in COLOURS.items():
            series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", f"{title} {split}")
            series.SetAndObserveTableNodeID(self.table.GetID())
            series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
            series.SetXColumnName("step")
            series.SetYColumnName(f"{split}_{measure}")
            series.SetColor(*colour)
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle(title)
        chart.SetXAxisTitle("Step")
        chart.SetYAxisTitle(title)
        return chart
