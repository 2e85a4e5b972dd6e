"""A SOURCE as a person types it: a folder, a Slicer DICOM database, `pacs:AET@host:port` or a DICOMweb URL."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import FedRTError

DATABASE_FILE = "ctkDICOM.sql"
PACS_FORM = "pacs:AET@host:port"
OWN_AET = "FEDRT"
TEXT_OPTIONS = ("calling", "retrieve", "store_host", "store_from")
TLS_OPTIONS = ("tls_ca", "tls_cert", "tls_key", "tls_name")
NUMBER_OPTIONS = ("store_port", "timeout")


@dataclass(frozen=True)
class Folder:
    """Files below a folder, or one file."""

    path: Path


@dataclass(frozen=True)
class SlicerDatabase:
    """The folder of a Slicer DICOM database."""

    path: Path


@dataclass(frozen=True)
class Tls:
    """Files for encrypted connections, all PEM: the CA to trust (empty: the system's), own certificate and its key.

    `name` is the name in the node's certificate, where it is not the host name it is reached by.
    """

    ca: str = ""
    cert: str = ""
    key: str = ""
    name: str = ""


@dataclass(frozen=True)
class Pacs:
    """A DICOM node. `retrieve` is "get" (nothing listens here) or "move" (the node connects back to `store_port`)."""

    aet: str
    host: str
    port: int
    calling: str = OWN_AET
    retrieve: str = "get"
    store_port: int = 11112
    store_host: str = ""
    """Address the storage SCP of `retrieve=move` listens on; empty: the one this computer uses towards the PACS."""
    store_from: str = ""
    """AE title the node stores from with `retrieve=move`; empty: its own."""
    timeout: float = 60.0
    """Seconds to wait for any answer, also for the first object from a slow archive."""
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"pacs:{self.aet}@{self.host}:{self.port}"


@dataclass(frozen=True)
class Dicomweb:
    """Base URL of the QIDO-RS and WADO-RS services, without user, password and query."""

    url: str

    def __str__(self) -> str:
        return self.url


Source = Folder | SlicerDatabase | Pacs | Dicomweb


def parse_source(text: str) -> Source:
    """What kind of place `text` names. Nothing is contacted; a folder is looked at for `ctkDICOM.sql`.

    Raises:
        FedRTError: an address that is not complete, an unknown option, a password in a URL.
    """
    if text.lower().startswith("pacs:"):
        return _pacs(text)
    if text.lower().startswith(("http://", "https://")):
        return _dicomweb(text)
    path = Path(text).expanduser()
    if path.name == DATABASE_FILE:
        return SlicerDatabase(path.parent)
    return SlicerDatabase(path) if (path / DATABASE_FILE).is_file() else Folder(path)


def is_remote(text: str) -> bool:
    """Whether a SOURCE is an address on a network rather than a path."""
    return text.strip().lower().startswith(("pacs:", "http://", "https://"))


def _pacs(text: str) -> Pacs:
    address, _, query = text[len("pacs:") :].partition("?")
    aet, at, place = address.strip("/").rpartition("@")
    host, colon, port = place.rpartition(":")
    if not (at and aet and colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise FedRTError(
            f"{text.partition('?')[0]} is no PACS address; write {PACS_FORM}, as in pacs:ARCHIVE@10.0.0.5:104."
        )
    node = Pacs(aet.strip(), host.strip("[]"), int(port), **_pacs_options(query))
    for what, title in (("AET", aet), ("calling AET", node.calling)):
        if not (0 < len(title.strip()) <= 16 and title.isascii() and title.isprintable() and "\\" not in title):
            raise FedRTError(f"{what} {title!r} is no application entity title: 1 to 16 plain characters.")
    if node.retrieve not in ("get", "move"):
        raise FedRTError(f"retrieve={node.retrieve} is neither get nor move; get needs no port open here.")
    tls = node.tls or Tls()
    if bool(tls.cert) != bool(tls.key):
        raise FedRTError("tls_cert and tls_key belong together: name the PEM file of each.")
    for path in (tls.ca, tls.cert, tls.key):
        if path and not Path(path).expanduser().is_file():
            raise FedRTError(f"{path}, named in the PACS address, does not exist; check the path.")
    return replace(node, calling=node.calling.strip())


def _pacs_options(query: str) -> dict[str, Any]:
    """Fields of `Pacs` by name."""
    options: dict[str, Any] = {}
    files: dict[str, str] = {}
    encrypted = False
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "tls":
            encrypted = value.lower() in ("", "1", "yes", "true")
        elif name in TLS_OPTIONS:
            files[name.removeprefix("tls_")] = value
        elif name in TEXT_OPTIONS:
            options[name] = value
        elif name in NUMBER_OPTIONS:
            options[name] = _number(name, value)
        else:
            known = ", ".join(("tls", *NUMBER_OPTIONS, *TEXT_OPTIONS, *TLS_OPTIONS))
            raise FedRTError(f"{name} is no option of a PACS address; there are {known}.")
    tls = Tls(**files)
    return options | {"tls": tls if encrypted or tls != Tls() else None}


def _number(name: str, value: str) -> int | float:
    try:
        number = int(value) if name == "store_port" else float(value)
    except ValueError:
        number = 0
    if not 0 < number < 65536:
        raise FedRTError(f"{name}={value} in the PACS address is no number above 0.")
    return number


def _dicomweb(text: str) -> Dicomweb:
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise FedRTError(
            "a DICOMweb address may not hold a user or password: command lines are visible to others; use --credentials "
            "or FEDRT_DICOMWEB_USER and FEDRT_DICOMWEB_PASSWORD."
        )
    if not parts.hostname or parts.query or parts.fragment:
        raise FedRTError(f"{text.partition('?')[0]} is no DICOMweb address; write https://host/path, without ? and #.")
    return Dicomweb(text.rstrip("/"))
