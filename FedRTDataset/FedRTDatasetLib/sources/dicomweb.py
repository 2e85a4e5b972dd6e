"""A DICOMweb server as client: QIDO-RS to find, WADO-RS to fetch (PS3.18), by dicomweb-client.

What is opened: HTTP(S) connections from this computer to the server's address. Nothing listens here. Server certificates
are always verified, against the system's CAs or the one named with the credentials (`credentials`).
Objects are asked for in the transfer syntax they are stored in, compressed ones included.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FedRTError
from .addresses import Dicomweb
from .credentials import Credentials
from .multipart import AnswerBrokeOffError, boundary_of, parts
from .remote import (
    ConnectionLost,
    RemoteSeries,
    RemoteStudy,
    identity_of,
)

PAGE = 200
TIMEOUT_S = (10, 60)
"""To connect, and between two pieces of an answer."""
ACCEPT = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
CHUNK = 1 << 18
PASSING = (408, 429, 500, 502, 503, 504)
"""HTTP status codes after which another attempt may do."""


class DicomwebArchive:
    """An `Archive` over DICOMweb."""

    def __init__(self, address: Dicomweb, credentials: Credentials) -> None:
        from dicomweb_client.api import DICOMwebClient

        for chatty in ("retrying", "dicomweb_client", "urllib3"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)  # they log addresses, which may hold a Patient ID
        self.name = str(address)
        self._session = _session(credentials)
        self._client = DICOMwebClient(address.url, session=self._session, permissive_uid=True, timeout=TIMEOUT_S)
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
        uid = f"{Tag('ReferencedSOPInstanceUID'):08X}"
        sequences = [
            f"{Tag(keyword):08X}" for keyword in ("ReferencedRTPlanSequence", "ReferencedStructureSetSequence")
        ]
        items = [item for one in found for tag in sequences for item in one.get(tag, {}).get("Value", [])]
        return {value for item in items for value in item.get(uid, {}).get("Value", [])}

    def fetch(self, series: RemoteSeries, wanted: set[str], whole: bool, put: Callable[[str, Callable], None]) -> str:
        place = f"studies/{series.study.uid}/series/{series.uid}"
        places = [place] if whole else [f"{place}/instances/{uid}" for uid in sorted(wanted)]
        refused = ""
        for content in (content for one in places for content in self._objects(one)):
            series_uid, uid = identity_of(content)
            if uid not in wanted or series_uid != series.uid:
                refused = "the server sent objects that were not asked for"
                continue
            put(uid, lambda path, content=content: path.write_bytes(content))
        return refused

    def _objects(self, place: str) -> Iterator[bytes]:
        """The objects that a WADO-RS address answers with, as they come, only those that came whole."""
        with self._plain_errors():
            answer = self._session.get(f"{self.name}/{place}", headers=ACCEPT, stream=True, timeout=TIMEOUT_S)
            with answer:
                answer.raise_for_status()
                boundary = boundary_of(answer.headers.get("Content-Type", ""))
                if boundary is None:  # one object, not wrapped, as some servers answer
                    yield answer.content
                else:
                    yield from parts(answer.iter_content(CHUNK), boundary)

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
        except ValueError:  # not the JSON it should be
            raise FedRTError(f"{name} does not answer like a DICOMweb server; check the path.") from None
        except AnswerBrokeOffError:
            raise ConnectionLost("broke off in the middle of an answer") from None


class _Answer:
    """One answer to a search, in the DICOM JSON model (PS3.18 Annex F)."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values if isinstance(values, dict) else {}

    def text(self, keyword: str) -> str:
        """The first value of an attribute as text, empty where there is none."""
        from pydicom.tag import Tag

        values = self._values.get(f"{Tag(keyword):08X}", {}).get("Value") or [""]
        return "" if values[0] is None else str(values[0])


def _session(credentials: Credentials):
    """An HTTP session that shows `credentials`.

    `auth` is set rather than a header, which would be replaced by what `.netrc` says of the host, and the CA is named with
    every request, as the session's own would be replaced by `$REQUESTS_CA_BUNDLE`.
    """
    import requests
    from dicomweb_client.session_utils import create_session

    class OwnAuthority(requests.adapters.HTTPAdapter):
        def send(self, request, **options):
            return super().send(request, **options | {"verify": str(Path(credentials.ca).expanduser())})

    class BearerToken(requests.auth.AuthBase):
        def __call__(self, request):
            request.headers["Authorization"] = f"Bearer {credentials.token}"
            return request

    session = create_session()
    if credentials.token:
        session.auth = BearerToken()
    elif credentials.user:
        session.auth = (credentials.user, credentials.password)
    if credentials.ca:
        session.mount("https://", OwnAuthority())
    if credentials.cert:
        cert = str(Path(credentials.cert).expanduser())
        session.cert = (cert, str(Path(credentials.key).expanduser())) if credentials.key else cert
    return session
