"""What a PACS and a DICOMweb server have in common, and how a series is fetched until it is complete.

A series counts as received when every object that the archive lists is in the cache; whatever is missing is asked for
again, with growing pauses. A series that stays incomplete is reported and left out, and the rest goes on.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import FedRTError
from ..index.dicom_index import Problem
from .cache import ReceivedObjects

ATTEMPTS = 5
"""Times that an archive may fail in a row without sending anything new."""
FIRST_PAUSE_S = 1.0
"""Pause before the second attempt; doubled before each further one."""


class ConnectionLost(Exception):  # noqa: N818 - not an error until it happens ATTEMPTS times
    """The archive went away in the middle; worth another attempt. The text says how, without identities."""


@dataclass(frozen=True)
class RemoteStudy:
    """A study as the archive lists it; `date` is YYYYMMDD or empty."""

    uid: str
    patient_id: str = field(repr=False)
    date: str = ""


@dataclass(frozen=True)
class RemoteSeries:
    """A series as the archive lists it; `instances` is its number of objects where the archive tells."""

    uid: str
    study: RemoteStudy
    modality: str
    instances: int | None = None


class Archive(Protocol):
    """A PACS or DICOMweb server. Every method may raise ConnectionLost, or FedRTError for what will not go away."""

    name: str

    def check(self) -> None:
        """Make contact; raises FedRTError with the cause in plain words."""

    def studies(self, patient_id: str | None, first: str, last: str, modality: str) -> list[RemoteStudy]:
        """Studies of a patient (or all), of dates YYYYMMDD (or empty), with a series of `modality` (or empty)."""

    def series(self, study: RemoteStudy) -> list[RemoteSeries]:
        """The series of a study."""

    def instances(self, series: RemoteSeries) -> list[str]:
        """The SOP Instance UIDs of a series."""

    def references(self, series: RemoteSeries) -> set[str] | None:
        """SOP Instance UIDs of the RT objects that a series refers to, without fetching it; None: the archive can't tell."""

    def fetch(self, series: RemoteSeries, wanted: set[str], whole: bool, put: Callable[[str, Callable], None]) -> str:
        """Have the objects sent; `whole`: all of the series is wanted.

        `put(uid, write)` stores one. Returns why the archive did not send all, or an empty text.
        """

    def close(self) -> None:
        """End the connection."""


class Fetcher:
    """Asks an archive patiently. `problems` collects the series that stayed incomplete."""

    def __init__(self, archive: Archive, cache: ReceivedObjects) -> None:
        self.archive, self.cache = archive, cache
        self.problems: list[Problem] = []
        self._complete: dict[str, bool] = {}

    def ask(self, question: Callable, *arguments):
        """The answer of one of the archive's methods; asked again, with growing pauses, while the connection breaks.

        Raises:
            FedRTError: it broke ATTEMPTS times.
        """
        for attempt in range(ATTEMPTS):
            try:
                return question(*arguments)
            except ConnectionLost as error:
                lost = error
                if attempt + 1 < ATTEMPTS:
                    time.sleep(FIRST_PAUSE_S * 2**attempt)
        raise FedRTError(
            f"{self.archive.name} stopped answering ({lost}); start the same command again later to go on."
        )

    def fetch(self, series: RemoteSeries) -> bool:
        """Fetch what of a series is not in the cache; False (and a problem) where it stays incomplete.

        Raises:
            FedRTError: the archive is gone altogether, or the cache cannot take more.
        """
        if series.uid not in self._complete:
            self._complete[series.uid] = self._fetch(series)
        return self._complete[series.uid]

    def _fetch(self, series: RemoteSeries) -> bool:
        if series.instances and len(self.cache.files(series.uid)) == series.instances:
            return True
        self.cache.begin(series.uid)
        listed = set(self.ask(self.archive.instances, series))
        failures, reason = 0, ""
        while missing := {uid for uid in listed if not self.cache.has(series.uid, uid)}:
            if failures == ATTEMPTS:
                self.archive.check()  # is it this series, or is the archive gone altogether?
                self._note_incomplete(series, len(missing), len(listed), reason)
                return False
            if failures:
                time.sleep(FIRST_PAUSE_S * 2 ** (failures - 1))
            try:
                reason = self.archive.fetch(
                    series, missing, missing == listed, lambda uid, write: self.cache.put(series.uid, uid, write)
                )
                lost = False
            except ConnectionLost as error:
                reason, lost = str(error), True
            left = sum(not self.cache.has(series.uid, uid) for uid in missing)
            if left < len(missing):
                failures = 1 if left else 0
            else:
                failures += 1 if lost else 2  # an answer that sends nothing is not likely to change
                failures = min(failures, ATTEMPTS)
        if not listed:
            self._note_incomplete(series, 0, 0, "the archive lists no objects in it")
        return bool(listed)

    def _note_incomplete(self, series: RemoteSeries, missing: int, of: int, reason: str) -> None:
        text = f"{self.archive.name}: a {series.modality} series lacks {missing} of {of} objects and is left out"
        text += f" ({reason})" if reason else ""
        self.problems.append(Problem("not-received", f"{text}; start the same command again to ask for them."))


def referenced(items: Iterable) -> set[str]:
    """The Referenced SOP Instance UIDs of a sequence's items."""
    return {str(item.get("ReferencedSOPInstanceUID", "")) for item in items} - {""}


def identity_of(content: bytes) -> tuple[str, str]:
    """Series and SOP Instance UID of a DICOM file's bytes, read up to where they stand; empty where it cannot be read."""
    from io import BytesIO

    from pydicom.filereader import read_partial

    try:
        header = read_partial(BytesIO(content), stop_when=lambda tag, vr, length: tag > 0x0020000E)
        return str(header.get("SeriesInstanceUID", "")), str(header.get("SOPInstanceUID", ""))
    except Exception:  # it came from a network: whatever is wrong with it, it is not what was asked for
        return "", ""
