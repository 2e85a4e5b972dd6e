"""Taking in what a PACS sends: the C-STORE side of C-GET and C-MOVE.

`Intake` accepts only objects of the one series that is being asked for, and of it only those not here yet.

`StoreReceiver` is the storage SCP that C-MOVE needs, and the only thing in FedRT's data room that listens on a port: on one
stated address, only while a C-MOVE source is in use, and only for the PACS's AE title (or `store_from`) calling ours.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import FedRTError
from .addresses import Pacs
from .remote import identity_of
from .tls import server_context

SUCCESS, OUT_OF_RESOURCES, NOT_AUTHORISED, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0x0124, 0xC000

STORAGE = {
    "CT": ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"),
    "MR": ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"),
    "PT": ("1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.128.1"),
    "RTSTRUCT": ("1.2.840.10008.5.1.4.1.1.481.3",),
    "RTPLAN": ("1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.8"),
    "RTDOSE": ("1.2.840.10008.5.1.4.1.1.481.2",),
    "REG": ("1.2.840.10008.5.1.4.1.1.66.1", "1.2.840.10008.5.1.4.1.1.66.3"),
}
"""Storage SOP classes by modality: plain, enhanced and legacy converted enhanced images, RT objects (plan and ion plan),
spatial and deformable registration (PS3.4 B.5)."""
LARGEST_PROPOSAL = 126  # an association has at most 128 presentation contexts; one is for the query


def storage_contexts(modality: str) -> list:
    """Presentation contexts for a modality: one for each SOP class *and* transfer syntax, so that nothing is recompressed.

    Were several syntaxes offered in one context, the PACS would settle on one and have to convert or refuse the others.
    The uncompressed ones come first, for a PACS that takes the first that fits the class.
    """
    from pynetdicom import ALL_TRANSFER_SYNTAXES, DEFAULT_TRANSFER_SYNTAXES, build_context

    classes = STORAGE.get(modality) or [uid for uids in STORAGE.values() for uid in uids]
    syntaxes = list(dict.fromkeys([*DEFAULT_TRANSFER_SYNTAXES, *ALL_TRANSFER_SYNTAXES]))
    pairs = [(uid, syntax) for syntax in syntaxes for uid in classes]
    return [build_context(uid, syntax) for uid, syntax in pairs[:LARGEST_PROPOSAL]]


def quick_handlers() -> list:
    """Event handlers that have a connection send and acknowledge at once.

    Otherwise each side waits up to 40 ms for the other, once a query and once an object: five seconds for a hundred slices.
    Linux forgets the wish to acknowledge at once with every message that goes out or comes in.
    """
    from pynetdicom import evt

    return [(event, _without_waiting) for event in (evt.EVT_CONN_OPEN, evt.EVT_DATA_SENT, evt.EVT_DATA_RECV)]


def _without_waiting(event) -> None:
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_QUICKACK"):
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Intake:
    """What may come in now. `refused` says what was turned away, `failed` is why the cache could not take an object."""

    def __init__(self, series_uid: str, wanted: set[str], put: Callable[[str, Callable], None]) -> None:
        self.series_uid, self.wanted, self.put = series_uid, wanted, put
        self.refused = ""
        self.failed: FedRTError | None = None

    def handle(self, event) -> int:
        """pynetdicom's EVT_C_STORE; the status to answer with (PS3.4 Table B.2-1)."""
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid not in self.wanted:
            self.refused = "the PACS sent objects that were not asked for"
            return NOT_AUTHORISED
        content = event.encoded_dataset()
        identity = identity_of(content)
        if identity != (self.series_uid, uid):
            self.refused = (
                "the PACS sent an object of another series" if any(identity) else "the PACS sent a damaged object"
            )
            return NOT_AUTHORISED if any(identity) else CANNOT_UNDERSTAND
        try:
            self.put(uid, lambda path: path.write_bytes(content))
        except FedRTError as error:
            self.failed = error
            return OUT_OF_RESOURCES
        return SUCCESS


class StoreReceiver:
    """A storage SCP for C-MOVE. Listens from its making until `stop`.

    Raises:
        FedRTError: the port is taken or not allowed.
    """

    def __init__(self, address: Pacs) -> None:
        from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

        self._originator = address.calling
        self._expected = address.store_from or address.aet
        self._intake: Intake | None = None
        self._lock = threading.Lock()
        self.refused = ""
        ae = AE(ae_title=address.calling)
        ae.require_called_aet = True
        ae.require_calling_aet = [self._expected]
        ae.network_timeout = ae.dimse_timeout = ae.acse_timeout = address.timeout
        for uids in STORAGE.values():
            for uid in uids:
                ae.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_REJECTED, self._rejected), *quick_handlers()]
        place = (address.store_host or _own_address(address), address.store_port)
        try:
            self._server = ae.start_server(
                place, block=False, evt_handlers=handlers,
                ssl_context=server_context(address.tls) if address.tls else None,
            )  # fmt: skip
        except OSError as error:
            raise FedRTError(
                f"cannot listen on {place[0]}:{place[1]} for C-MOVE ({error.strerror}); choose another store_port."
            ) from None

    @contextmanager
    def taking(self, intake: Intake) -> Iterator[None]:
        """Let `intake` decide on what arrives; outside of this everything is refused."""
        self.refused = ""
        with self._lock:
            self._intake = intake
        try:
            yield
        finally:
            with self._lock:
                self._intake = None

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()

    def _store(self, event) -> int:
        originator = (event.request.MoveOriginatorApplicationEntityTitle or self._originator).strip()
        with self._lock:
            if self._intake is None or originator != self._originator:
                return NOT_AUTHORISED
            return self._intake.handle(event)

    def _rejected(self, event) -> None:
        calling = str(event.assoc.requestor.ae_title).strip()
        if calling != self._expected:
            self.refused = (
                f"{calling} wanted to store where {self._expected} was expected; if it is the PACS, add store_from"
            )


def _own_address(address: Pacs) -> str:
    """The address of this computer on the way to the PACS (no packet is sent)."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(place)
            return probe.getsockname()[0]
    except OSError:
        raise FedRTError(f"{address} is not reachable: no way to the host {address.host}; check it.") from None
