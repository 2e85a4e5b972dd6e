"""What the module panels of all rooms have in common: the form, its parameters in the scene, one background job."""

from collections.abc import Callable
from pathlib import Path

import ctk
import slicer
import vtk
from slicer.parameterNodeWrapper import GuiConnector, parameterNodeGuiConnector

from .errors import FedRTError
from .widget_job import JobPanel

_KEPT_ALIVE: list = []
"""Every parameter wrapper ever used. Its observers stay on the MRML node, which outlives it; once Python's garbage
collector has taken a wrapper apart, the next change of the node would call into it and end the application."""


@parameterNodeGuiConnector
class PathLineEditToStrConnector(GuiConnector):
    """Ties a `ctkPathLineEdit` to a `str` parameter.

    Slicer's own connector is for `pathlib.Path`, which has no value for "nothing chosen": it shows "." instead.
    """

    @staticmethod
    def canRepresent(widget, datatype) -> bool:  # noqa: N802 - called by Slicer
        return type(widget) is ctk.ctkPathLineEdit and datatype is str

    @staticmethod
    def create(widget, datatype):
        return PathLineEditToStrConnector(widget)

    def __init__(self, widget) -> None:
        super().__init__()
        self._widget = widget

    def _connect(self) -> None:
        self._widget.currentPathChanged.connect(self.changed)

    def _disconnect(self) -> None:
        self._widget.currentPathChanged.disconnect(self.changed)

    def widget(self):
        return self._widget

    def read(self) -> str:
        return self._widget.currentPath

    def write(self, value: str) -> None:
        if self._widget.currentPath != value:  # setting the same text again would move the cursor while somebody types
            self._widget.currentPath = value


class Controls:
    """What the widgets of all rooms have in common; a room's subclass adds its buttons."""

    room = "FedRTDatasetLib"
    needs_torch = False
    actions: tuple[str, ...] = ()
    """Buttons that start a job: disabled while one runs."""

    def __init__(self, module) -> None:
        """`module` is the `FedRT<Module>Widget`; its .ui file goes into its layout, the job panel below."""
        self.module = module
        self.parameters = None
        self._gui_tag = None
        widget = slicer.util.loadUI(module.resourcePath(f"UI/{module.moduleName}.ui"))
        module.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.jobs = JobPanel(module.layout)
        self.jobs.on_busy_changed = self.busy_changed
        module.layout.addStretch(1)
        module.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._on_scene_start_close)
        module.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._on_scene_end_close)
        self.connect_buttons()
        self.enter()

    def connect_buttons(self) -> None:
        """Connect the room's own buttons."""

    def parameters_changed(self) -> None:
        """Called when the parameter node was connected or has changed."""

    def enter(self) -> None:
        """The module is shown: its settings are those of the scene."""
        if self.parameters is None:
            self.parameters = self.module.logic.getParameterNode()
            _KEPT_ALIVE.append(self.parameters)
            self._gui_tag = self.parameters.connectGui(self.ui)
            self.module.addObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_modified)
        self.parameters_changed()

    def cleanup(self) -> None:
        """The application closes or the module is loaded anew."""
        self.jobs.close()
        self._let_go()

    def run(self, command: Callable[[], list[str | Path]], finished=None, watch=None, room: str | None = None) -> None:
        """Start a job with what `command` makes of the form; whatever is missing or wrong is said in the panel."""
        try:
            arguments_of_job = command()
            ensure_requirements(self.module, self.needs_torch)
            self.jobs.start(room or self.room, arguments_of_job, finished, watch)
        except FedRTError as error:
            self.jobs.fail(str(error))

    def busy_changed(self, busy: bool) -> None:
        """A job has started or ended."""
        for name in self.actions:
            getattr(self.ui, name).enabled = not busy

    def _let_go(self) -> None:
        if self.parameters is not None:
            self.module.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_modified)
            self.parameters.disconnectGui(self._gui_tag)
            self.parameters = None

    def _on_modified(self, caller=None, event=None) -> None:
        self.parameters_changed()

    def _on_scene_start_close(self, caller=None, event=None) -> None:
        self._let_go()

    def _on_scene_end_close(self, caller=None, event=None) -> None:
        if self.module.parent.isEntered:
            self.enter()


def ensure_requirements(module, needs_torch: bool) -> None:
    """Install what the room needs, with the user's consent; PyTorch by its own extension, which picks the right build.

    Raises:
        FedRTError: something is missing and was not installed.
    """
    import slicer.packaging

    if needs_torch and not slicer.packaging.pip_check("torch>=2.6"):
        _install_torch()
    requirements = slicer.packaging.load_requirements(module.resourcePath(f"Requirements/{module.moduleName}.txt"))
    try:
        slicer.packaging.pip_ensure(requirements, requester=module.moduleName)
    except Exception as error:  # declined, offline or refused by pip: all end here
        raise FedRTError(f"Python packages are missing ({error}); connect to the internet and try again.") from error


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError:
        raise FedRTError(
            "PyTorch is missing: install the PyTorch extension with the Extensions Manager, restart Slicer, try again."
        ) from None
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=">=2.6")
    except Exception as error:  # offline, no space, refused by pip
        raise FedRTError(f"PyTorch could not be installed ({error}); see the module PyTorch Utils.") from error
    if torch is None:
        raise FedRTError("PyTorch is missing and was not installed; try again and agree to its installation.")
