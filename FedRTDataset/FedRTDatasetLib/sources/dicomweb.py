"""A DICOMweb server as client: QIDO-RS to find, WADO-RS to fetch (PS3.18), by dicomweb-client.

What is opened: HTTP(S) connections from this computer to the server's address. Nothing listens here. Server certificates
are always verified, against the system's CAs or the one named with the credentials (`credentials`).
Objects are asked for in the transfer syntax they are stored in, compressed ones included.
"""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FedRTError
from .addresses import Dicomweb
from .credentials import Credentials
from .remote import ConnectionLost, RemoteSeries, RemoteStudy

PAGE = 200
TIMEOUT_S = (10, 60)
"""To connect, and between two pieces of an answer."""
AS_STORED = (("application/dicom", "*"),)
PASSING = (408, 429, 500, 502, 503, 504)
"""HTTP status codes after which another attempt may do."""


class DicomwebArchive:
    """An `Archive` over DICOMweb."""

    def __init__(self, address: Dicomweb, credentials: Credentials) -> None:
        from dicomweb_client.api import DICOMwebClient

        self.name = str(address)
        self._session = _session(credentials)
        self._client = DICOMwebClient(address.url, session=self._session, timeout=TIMEOUT_S)
        self._client.set_http_retry_params(retry=False)  # pauses and attempts are ours

    def check(self) -> None:
        """Ask for one study.

        Raises:
            FedRTError: not reachable, refused, or no DICOMweb server; says what to check.
        """
        try:
            with self._plain_errors():
                self._client.search_for_studies(limit=1)
        except ConnectionLost as error:
            raise FedRTError(f"{self.name} {error}.") from None

    def studies(self, patient_id: str | None, first: str, last: str, modality: str) -> list[RemoteStudy]:
        filters = {
            "PatientID": patient_id or "",
            "StudyDate": f"{first}-{last}" if first or last else "",
            "ModalitiesInStudy": modality,
        }
        found = self._pages(self._client.search_for_studies, "StudyInstanceUID", filters)
        return [
            RemoteStudy(one.text("StudyInstanceUID"), one.text("PatientID"), one.text("StudyDate")) for one in found
        ]

    def series(self, study: RemoteStudy) -> list[RemoteSeries]:
        found = self._pages(self._client.search_for_series, "SeriesInstanceUID", {}, study_instance_uid=study.uid)
        listed = []
        for one in found:
            count = one.text("NumberOfSeriesRelatedInstances")
            number = int(count) if count.isdigit() else None
            listed.append(RemoteSeries(one.text("SeriesInstanceUID"), study, one.text("Modality"), number))
        return listed

    def instances(self, series: RemoteSeries) -> list[str]:
        where = {"study_instance_uid": series.study.uid, "series_instance_uid": series.uid}
        found = self._pages(self._client.search_for_instances, "SOPInstanceUID", {}, **where)
        return [one.text("SOPInstanceUID") for one in found]

    def references(self, series: RemoteSeries) -> set[str] | None:
        """What doses refer to, from their metadata."""
        from pydicom.tag import Tag

        with self._plain_errors():
            found = self._client.retrieve_series_metadata(series.study.uid, series.uid)
        sequence, uid = f"{Tag('ReferencedRTPlanSequence'):08X}", f"{Tag('ReferencedSOPInstanceUID'):08X}"
        items = [item for one in found for item in one.get(sequence, {}).get("Value", [])]
        return {value for item in items for value in item.get(uid, {}).get("Value", [])}

    def fetch(self, series: RemoteSeries, wanted: set[str], whole: bool, put: Callable[[str, Callable], None]) -> str:
        refused = ""
        with self._plain_errors():
            if whole:
                objects = self._client.iter_series(series.study.uid, series.uid, media_types=AS_STORED)
            else:
                one = (
                    self._client.retrieve_instance(series.study.uid, series.uid, uid, AS_STORED)
                    for uid in sorted(wanted)
                )
                objects = one
            for dataset in objects:
                uid = str(dataset.get("SOPInstanceUID", ""))
                if uid not in wanted or str(dataset.get("SeriesInstanceUID", "")) != series.uid:
                    refused = "the server sent objects that were not asked for"
                    continue
                put(uid, lambda path, dataset=dataset: _save(dataset, path))
        return refused

    def close(self) -> None:
        self._session.close()

    def _pages(self, search: Callable, unique: str, filters: dict[str, str], **where: str) -> list["_Answer"]:
        """All answers to a search. Ends when a page brings nothing new, also where a server ignores the offset."""
        filters = {key: value for key, value in filters.items() if value}
        found: dict[str, _Answer] = {}
        offset = 0
        while True:
            with self._plain_errors():
                page = search(limit=PAGE, offset=offset, search_filters=filters, **where)
            answers = [_Answer(one) for one in page]
            new = {one.text(unique): one for one in answers if one.text(unique) not in found}
            found |= new
            offset += len(page)
            if not new:
                return [one for uid, one in found.items() if uid]

    @contextmanager
    def _plain_errors(self):
        """What HTTP and JSON throw, as ConnectionLost where it may pass, else as an error in plain words."""
        import requests

        name = self.name
        try:
            yield
        except requests.HTTPError as error:
            code = error.response.status_code
            if code in PASSING:
                raise ConnectionLost(f"answered with status {code}") from None
            if code in (401, 403):
                raise FedRTError(
                    f"{name} refuses access (status {code}); check the token or user and password."
                ) from None
            raise FedRTError(f"{name} answered with status {code}; check that it is the DICOMweb address.") from None
        except requests.exceptions.SSLError:
            raise FedRTError(
                f"{name} shows a certificate that is not trusted; name its CA with the credentials."
            ) from None
        except requests.exceptions.InvalidURL:
            raise FedRTError(f"{name} is no valid address; check it.") from None
        except requests.exceptions.JSONDecodeError:
            raise FedRTError(f"{name} does not answer like a DICOMweb server; check the path.") from None
        except requests.ConnectTimeout:
            raise ConnectionLost("is not reachable: no answer in time; check host, port and firewall") from None
        except requests.RequestException as error:
            raise ConnectionLost(
                f"is not reachable or broke off ({type(error).__name__}); check host and port"
            ) from None
        except (ValueError, EOFError) as error:  # an answer that stops in its middle, or is no DICOM
            raise ConnectionLost(f"sent an answer that cannot be read ({type(error).__name__})") from None


class _Answer:
    """One answer to a search, in the DICOM JSON model (PS3.18 Annex F)."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, keyword: str) -> str:
        """The first value of an attribute as text, empty where there is none."""
        from pydicom.tag import Tag

        values = self._values.get(f"{Tag(keyword):08X}", {}).get("Value") or [""]
        return "" if values[0] is None else str(values[0])


def _session(credentials: Credentials):
    """An HTTP session; `auth` is set rather than a header, which would be replaced by what `.netrc` says of the host."""
    import requests
    from dicomweb_client.session_utils import add_certs_to_session, create_session

    class BearerToken(requests.auth.AuthBase):
        def __call__(self, request):
            request.headers["Authorization"] = f"Bearer {credentials.token}"
            return request

    session = create_session()
    if credentials.token:
        session.auth = BearerToken()
    elif credentials.user:
        session.auth = (credentials.user, credentials.password)
    session = add_certs_to_session(session, credentials.ca or None)
    if credentials.cert:
        cert = str(Path(credentials.cert).expanduser())
        session.cert = (cert, str(Path(credentials.key).expanduser())) if credentials.key else cert
    return session


def _save(dataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)
