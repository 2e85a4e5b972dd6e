"""The data room in 3D Slicer: DICOM folder in, dataset out, cases to look at."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from . import arguments, mrml
from .errors import FedRTError
from .widget_base import Controls, ensure_requirements


@parameterNodeWrapper
class DatasetParameters:
    """The form of the data room; kept in the scene."""

    source: str = ""
    address: str = ""
    patients: str = ""
    first_date: str = ""
    last_date: str = ""
    modality: str = ""
    structures: str = ""
    config: str = ""
    name_map: str = ""
    output: str = ""


class DatasetControls(Controls):
    """DICOM folder in, dataset out, cases to look at."""

    actions = ("indexButton", "namesButton", "buildButton")

    def connect_buttons(self) -> None:
        self.ui.selectionSection.collapsed = True
        self.ui.slicerDatabaseButton.connect("clicked()", self.take_slicer_database)
        self.ui.indexButton.connect("clicked()", self.index)
        self.ui.namesButton.connect("clicked()", self.propose_names)
        self.ui.buildButton.connect("clicked()", self.build)
        self.ui.openButton.connect("clicked()", self.open_case)
        self.ui.caseList.connect("itemDoubleClicked(QListWidgetItem*)", self.open_case)

    def parameters_changed(self) -> None:
        cases = dataset_cases(self.parameters.output)
        if cases != [self.ui.caseList.item(row).text() for row in range(self.ui.caseList.count)]:
            self.ui.caseList.clear()
            self.ui.caseList.addItems(cases)
        self.ui.openButton.enabled = bool(cases)

    def take_slicer_database(self) -> None:
        """Slicer's own DICOM database becomes the source folder: the job reads it by itself, without Slicer."""
        database = getattr(slicer, "dicomDatabase", None)
        if database is None or not database.databaseDirectory:
            self.jobs.fail(_("Slicer has no DICOM database: choose its folder in the DICOM module first."))
            return
        self.parameters.source = database.databaseDirectory

    def sources(self) -> arguments.Sources:
        """What the form says of where DICOM comes from."""
        form = self.parameters
        return arguments.Sources(
            form.source, form.address, form.patients, form.first_date, form.last_date, form.modality, form.structures
        )

    def index(self) -> None:
        self.run(lambda: arguments.index(self.sources()))

    def propose_names(self) -> None:
        def command():
            self._name_map = arguments.name_map_path(self.parameters.name_map, self.parameters.output)
            return arguments.names(self.sources(), self._name_map)

        def finished(succeeded: bool) -> None:
            if succeeded and self.parameters is not None:
                self.parameters.name_map = str(self._name_map)

        self.run(command, finished)

    def build(self) -> None:
        form = self.parameters
        self.run(lambda: arguments.build(self.sources(), form.config, form.output, form.name_map), self._show_new_cases)

    def _show_new_cases(self, succeeded: bool) -> None:
        if self.parameters is not None:
            self.parameters_changed()

    def open_case(self, item=None) -> None:
        selected = self.ui.caseList.currentItem()
        if selected is None:
            self.jobs.fail(_("Choose a case."))
            return
        try:
            ensure_requirements(self.module, self.needs_torch)
            folder = arguments.chosen(self.parameters.output, "the dataset folder") / "cases" / selected.text()
            nodes = mrml.open_case(folder)
        except FedRTError as error:
            self.jobs.fail(str(error))
            return
        slicer.util.setSliceViewerLayers(background=nodes.image, foreground=nodes.dose, foregroundOpacity=0.3, fit=True)


def dataset_cases(output: str) -> list[str]:
    """The cases in a dataset folder, none if it is no dataset (yet)."""
    record = Path(output) / "dataset.json"
    if not output or not record.is_file():
        return []
    try:
        from .storage.dataset import DatasetRecord, read_record

        return sorted(read_record(record, DatasetRecord).cases)
    except (ImportError, FedRTError):  # pydantic is not installed before the first job
        return []
