"""The federation room in 3D Slicer, for a site: join with a startup kit, take part in rounds, leave."""

from FedRTDatasetLib.widget_base import Controls
from slicer.parameterNodeWrapper import parameterNodeWrapper

from . import arguments


@parameterNodeWrapper
class FederationParameters:
    """The form of the federation room; kept in the scene."""

    kit: str = ""
    dataset: str = ""


class FederationControls(Controls):
    """Join and leave."""

    room = "FedRTFederationLib"
    needs_torch = True
    actions = ("joinButton",)

    def connect_buttons(self) -> None:
        self.ui.joinButton.connect("clicked()", self.join)
        self.ui.leaveButton.connect("clicked()", self.jobs.stop)
        self.jobs.stop_button.hide()  # "Leave" is the word for it here

    def parameters_changed(self) -> None:
        self.ui.leaveButton.enabled = self.jobs.busy

    def busy_changed(self, busy: bool) -> None:
        super().busy_changed(busy)
        self.ui.leaveButton.enabled = busy

    def join(self) -> None:
        form = self.parameters
        self.run(lambda: arguments.join(form.kit, form.dataset))
