"""A PACS as client: C-FIND and C-GET or C-MOVE in the Study Root model (PS3.4 Annex C), by pynetdicom.

What is opened: TCP connections from this computer to the PACS's port. With C-GET nothing listens here: the objects come
back over the same connection. With C-MOVE the PACS opens a connection to us; see `pacs_receiver`.
Every object is taken in the transfer syntax it is stored in, compressed ones included.
"""

from collections.abc import Callable
from typing import Any

from ..errors import FedRTError
from .addresses import Pacs
from .pacs_connection import PacsConnection, end
from .pacs_receiver import Intake, StoreReceiver, storage_contexts
from .remote import (
    ConnectionLost,
    RemoteSeries,
    RemoteStudy,
    referenced,
)

PENDING = (0xFF00, 0xFF01)
MOVE_DESTINATION_UNKNOWN = 0xA801


class PacsArchive:
    """An `Archive` over DIMSE."""

    def __init__(self, address: Pacs) -> None:
        self.address, self.name = address, str(address)
        self._connection = PacsConnection(address)
        self._finder: Any = None
        self._receiver: StoreReceiver | None = None
        self._tells_references = True

    def check(self) -> None:
        """C-ECHO.

        Raises:
            FedRTError: not reachable, refused or not a DICOM node; says what to check.
        """
        from pynetdicom.sop_class import Verification

        try:
            with self._connection.open([Verification]) as association:
                status = association.send_c_echo()
        except ConnectionLost as error:
            raise FedRTError(f"{self.name} {error}.") from None
        if "Status" not in status:
            calling = self.address.calling
            raise FedRTError(
                f"{self.name} connects but answers nothing; have {calling} registered there for query and retrieve."
            )

    def studies(self, patient_id: str | None, first: str, last: str, modality: str) -> list[RemoteStudy]:
        keys = {"PatientID": patient_id or "", "StudyDate": f"{first}-{last}" if first or last else ""}
        found = self._find("STUDY", StudyInstanceUID="", ModalitiesInStudy=modality, **keys)
        return [
            RemoteStudy(
                str(one.get("StudyInstanceUID", "")), str(one.get("PatientID") or ""), str(one.get("StudyDate") or "")
            )
            for one in found
        ]

    def series(self, study: RemoteStudy) -> list[RemoteSeries]:
        keys = {"SeriesInstanceUID": "", "Modality": "", "NumberOfSeriesRelatedInstances": ""}
        found = []
        for one in self._find("SERIES", StudyInstanceUID=study.uid, **keys):
            count = one.get("NumberOfSeriesRelatedInstances")
            if one.get("SeriesInstanceUID"):
                number = int(count) if count not in (None, "") else None
                found.append(RemoteSeries(str(one.SeriesInstanceUID), study, str(one.get("Modality", "")), number))
        return found

    def instances(self, series: RemoteSeries) -> list[str]:
        found = self._find("IMAGE", StudyInstanceUID=series.study.uid, SeriesInstanceUID=series.uid, SOPInstanceUID="")
        return [str(one.SOPInstanceUID) for one in found if one.get("SOPInstanceUID")]

    def references(self, series: RemoteSeries) -> set[str] | None:
        """What doses refer to, where the PACS answers with a sequence that C-FIND need not know."""
        keys = {"StudyInstanceUID": series.study.uid, "SeriesInstanceUID": series.uid, "SOPInstanceUID": ""}
        if not self._tells_references:
            return None
        try:
            found = self._find("IMAGE", ReferencedRTPlanSequence=[], **keys)
        except (ConnectionLost, FedRTError):  # it may take offence at a key it does not know
            self._tells_references = False
            return None
        items = [item for one in found for item in one.get("ReferencedRTPlanSequence") or []]
        return referenced(items) or None

    def fetch(self, series: RemoteSeries, wanted: set[str], whole: bool, put: Callable[[str, Callable], None]) -> str:
        intake = Intake(series.uid, wanted, put)
        identifier = _identifier(
            "SERIES" if whole else "IMAGE", series.study.uid, series.uid, () if whole else sorted(wanted)
        )
        try:
            ended = (
                self._get(identifier, series, intake)
                if self.address.retrieve == "get"
                else self._move(identifier, intake)
            )
        finally:
            if intake.failed is not None:
                raise intake.failed  # the cache cannot take more: worth more than what the PACS says of it
        return ended

    def close(self) -> None:
        if self._finder is not None:
            end(self._finder)
        if self._receiver is not None:
            self._receiver.stop()
        self._finder = self._receiver = None

    def _find(self, level: str, **keys: Any) -> list:
        """All answers to a query; one connection serves many queries."""
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as model

        query = _identifier(level, **keys)
        if self._finder is None or not self._finder.is_established:
            self._finder = self._connection.associate([model])
        answers = []
        for status, identifier in self._finder.send_c_find(query, model):
            if "Status" not in status:
                end(self._finder)
                raise ConnectionLost("closed the connection during a query")
            if status.Status in PENDING:
                answers.append(identifier)
            elif status.Status != 0:
                raise FedRTError(
                    f"{self.name} refused a query (status {status.Status:04X}); if it finds too much, narrow it by --patients "
                    "or --from and --to, else ask its administrator."
                )
        return answers

    def _get(self, identifier, series: RemoteSeries, intake: Intake) -> str:
        from pynetdicom import build_role, evt
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as model

        contexts = storage_contexts(series.modality)
        roles = [build_role(uid, scp_role=True) for uid in dict.fromkeys(cx.abstract_syntax for cx in contexts)]
        with self._connection.open([model], contexts, roles, [(evt.EVT_C_STORE, intake.handle)]) as association:
            if not any(cx.as_scp for cx in association.accepted_contexts):
                return "the PACS does not send this kind of object with C-GET; try retrieve=move"
            return self._responses(association.send_c_get(identifier, model), intake)

    def _move(self, identifier, intake: Intake) -> str:
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as model

        if self._receiver is None:
            self._receiver = StoreReceiver(self.address)
        with self._receiver.taking(intake), self._connection.open([model]) as association:
            reason = self._responses(association.send_c_move(identifier, self.address.calling, model), intake)
        if reason and not intake.refused:
            port = self.address.store_port
            reason += (
                f"; it must know {self.address.calling} with this computer's address and port {port}, and reach it"
            )
        return self._receiver.refused or reason

    def _responses(self, responses, intake: Intake) -> str:
        """Follow a C-GET or C-MOVE to its end; why it did not send all, or an empty text."""
        for status, _ in responses:
            if intake.failed is not None:
                raise intake.failed
            if "Status" not in status:
                raise ConnectionLost("the connection broke during the transfer")
            if status.Status in PENDING or status.Status == 0:
                continue
            if status.Status == MOVE_DESTINATION_UNKNOWN:
                raise FedRTError(
                    f"{self.name} does not know {self.address.calling} as a destination; register that AET with this "
                    f"computer's address and port {self.address.store_port} there, or use retrieve=get."
                )
            failed = status.get("NumberOfFailedSuboperations") or 0
            return f"the PACS ended with status {status.Status:04X}" + (f", {failed} objects failed" if failed else "")
        return intake.refused


def _identifier(level: str, StudyInstanceUID: str = "", SeriesInstanceUID: str = "", SOPInstanceUID="", **keys: Any):  # noqa: N803
    """A query or retrieve identifier (PS3.4 C.4): unique keys down to `level`, and further `keys` by keyword."""
    from pydicom.dataset import Dataset

    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    if not str(keys.get("PatientID", "")).isascii():
        identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.StudyInstanceUID = StudyInstanceUID
    if level in ("SERIES", "IMAGE"):
        identifier.SeriesInstanceUID = SeriesInstanceUID
    if level == "IMAGE":
        identifier.SOPInstanceUID = list(SOPInstanceUID) if not isinstance(SOPInstanceUID, str) else SOPInstanceUID
    return identifier
