"""A PACS as client: C-FIND and C-GET or C-MOVE in the Study Root model (PS3.4 Annex C), by pynetdicom.

What is opened: TCP connections from this computer to the PACS's port. With C-GET nothing listens here: the objects come
back over the same connection. With C-MOVE the PACS opens a connection to us; see `pacs_receiver`.
Every object is taken in the transfer syntax it is stored in, compressed ones included.
"""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import FedRTError
from .addresses import Pacs
from .pacs_receiver import Intake, StoreReceiver, quick_handlers, storage_contexts
from .remote import ConnectionLost, RemoteSeries, RemoteStudy, referenced
from .tls import client_context

PENDING = (0xFF00, 0xFF01)
MOVE_DESTINATION_UNKNOWN = 0xA801


class PacsArchive:
    """An `Archive` over DIMSE."""

    def __init__(self, address: Pacs) -> None:
        self.address, self.name = address, str(address)
        self._tls = client_context(address.tls) if address.tls else None
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
            with self._association([Verification]) as association:
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
            _end(self._finder)
        if self._receiver is not None:
            self._receiver.stop()
        self._finder = self._receiver = None

    def _find(self, level: str, **keys: Any) -> list:
        """All answers to a query; one connection serves many queries."""
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as model

        query = _identifier(level, **keys)
        if self._finder is None or not self._finder.is_established:
            self._finder = self._associate([model])
        answers = []
        for status, identifier in self._finder.send_c_find(query, model):
            if "Status" not in status:
                _end(self._finder)
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
        with self._association([model], contexts, roles, [(evt.EVT_C_STORE, intake.handle)]) as association:
            if not any(cx.as_scp for cx in association.accepted_contexts):
                return "the PACS does not send this kind of object with C-GET; try retrieve=move"
            return self._responses(association.send_c_get(identifier, model), intake)

    def _move(self, identifier, intake: Intake) -> str:
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as model

        if self._receiver is None:
            self._receiver = StoreReceiver(self.address)
        with self._receiver.taking(intake), self._association([model]) as association:
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

    @contextmanager
    def _association(self, models: list, contexts=(), roles=(), handlers=()) -> Iterator[Any]:
        association = self._associate(models, contexts, roles, handlers)
        try:
            yield association
        except BaseException:  # also Ctrl-C: a release would wait for what the PACS is still sending
            association.abort()
            raise
        _end(association)

    def _associate(self, models: list, contexts=(), roles=(), handlers=()):
        """An established association for `models` (SOP classes that must be accepted) and storage `contexts`."""
        from pynetdicom import AE, _config, build_context

        _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False  # they hold Patient IDs

        address = self.address
        ae = AE(ae_title=address.calling)
        ae.acse_timeout = ae.network_timeout = ae.dimse_timeout = address.timeout
        ae.connection_timeout = min(address.timeout, 10)
        tls = (self._tls, address.tls.name or address.host) if self._tls else None
        try:
            association = ae.associate(
                address.host, address.port, [*map(build_context, models), *contexts], address.aet,
                ext_neg=list(roles), tls_args=tls, evt_handlers=[*quick_handlers(), *handlers],
            )  # fmt: skip
        except OSError:  # the host name is not known
            association = None
        if association is None or not association.is_established:
            raise self._refusal(association)
        accepted = {context.abstract_syntax for context in association.accepted_contexts}
        if not set(models) <= accepted:
            _end(association)
            raise FedRTError(
                f"{self.name} does not offer {'C-GET; try retrieve=move' if contexts else 'what is asked of it'} "
                f"to {address.calling}; have that AET registered for query and retrieve."
            )
        return association

    def _refusal(self, association) -> Exception:
        """Why there is no association, in plain words: an error for good, or one that may pass."""
        if association is not None and association.is_rejected:
            answer = association.acceptor.primitive
            source, reason = answer.result_source, answer.diagnostic
            if (source, reason) == (1, 7):
                return FedRTError(f"{self.name} does not call itself {self.address.aet}; check the AET before the @.")
            if (source, reason) == (1, 3):
                aet = self.address.calling
                return FedRTError(
                    f"{self.name} does not know the calling AET {aet}; register it there or add ?calling=AET."
                )
            if answer.result == 2:
                return ConnectionLost(f"refused for now ({answer.reason_str})")
            return FedRTError(f"{self.name} refused the connection ({answer.reason_str}); ask its administrator.")
        return self._unreachable()

    def _unreachable(self) -> Exception:
        """Connect once more, step by step, to tell which step fails."""
        host, port, seconds = self.address.host, self.address.port, min(self.address.timeout, 10)
        try:
            plain = socket.create_connection((host, port), timeout=seconds)
        except socket.gaierror:
            return FedRTError(f"{self.name} is not reachable: the host name {host} is not known; check it.")
        except TimeoutError:
            return ConnectionLost("is not reachable: no answer in time; check host, port and firewall")
        except OSError as error:
            return ConnectionLost(f"is not reachable ({error.strerror or 'no route'}); check host and port")
        with plain:
            if self._tls is None:
                return ConnectionLost("closed the connection without an answer; if it wants TLS, add ?tls=1")
            try:
                with self._tls.wrap_socket(plain, server_hostname=self.address.tls.name or host):
                    return ConnectionLost("closed the encrypted connection; if it wants a certificate, add tls_cert")
            except ssl.SSLCertVerificationError as error:
                cause = error.verify_message
                return FedRTError(
                    f"{self.name} shows a certificate that is not trusted ({cause}); check tls_ca and tls_name."
                )
            except OSError:
                return FedRTError(
                    f"{self.name} does not complete the TLS handshake; check that the port is its encrypted one."
                )


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


def _end(association) -> None:
    """Release, or abort what does not answer any more."""
    if association.is_established:
        association.release()
    if not association.is_released and not association.is_aborted:
        association.abort()
