"""Tokens, passwords and certificates for DICOMweb servers. Never from a command line, never shown, never written.

Looked for in this order:

1. a credentials file, `--credentials FILE` or `$FEDRT_DICOMWEB_CREDENTIALS`: TOML, a table for each server's address

        ["https://pacs.hospital.org/dicom-web"]
        token = "..."               # or: user = "...", password = "..."
        ca = "/etc/ssl/hospital-ca.pem"      # optional: the CA that signed the server's certificate
        cert = "client.pem"                  # optional: a client certificate, and its key = "client.key"

   The file must be readable by its owner alone.
2. `$FEDRT_DICOMWEB_TOKEN`, or `$FEDRT_DICOMWEB_USER` and `$FEDRT_DICOMWEB_PASSWORD`; the CA in `$FEDRT_DICOMWEB_CA`.
3. `~/.netrc` (or `$NETRC`), which the HTTP library reads by itself; the CA in `$REQUESTS_CA_BUNDLE`.

A secret is only sent over https, or to this computer itself.
"""

import ipaddress
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import FedRTError

KEYS = ("token", "user", "password", "ca", "cert", "key")


@dataclass(frozen=True)
class Credentials:
    """What a server is shown, and the CA it is trusted by; empty: nothing. The secrets are not part of its text form."""

    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ca: str = ""
    cert: str = ""
    key: str = ""


def credentials_for(url: str, path: Path | str | None = None) -> Credentials:
    """The credentials for a DICOMweb address.

    Raises:
        FedRTError: a file that others can read or that makes no sense, or a secret that would travel unencrypted.
    """
    path = path or os.environ.get("FEDRT_DICOMWEB_CREDENTIALS")
    found = _from_file(Path(path).expanduser(), url) if path else None
    credentials = found or _from_environment()
    for file in (credentials.ca, credentials.cert, credentials.key):
        if file and not Path(file).expanduser().is_file():
            raise FedRTError(f"{file}, named for {url}, does not exist; check the path.")
    if (credentials.token or credentials.password) and not _is_private(url):
        raise FedRTError(f"{url} is not https: the token or password would travel readably; use the https address.")
    return credentials


def _from_environment() -> Credentials:
    values = {key: os.environ.get(f"FEDRT_DICOMWEB_{key.upper()}", "") for key in ("token", "user", "password", "ca")}
    if bool(values["user"]) != bool(values["password"]):
        raise FedRTError("FEDRT_DICOMWEB_USER and FEDRT_DICOMWEB_PASSWORD belong together; set both or neither.")
    return Credentials(**values)


def _from_file(path: Path, url: str) -> Credentials | None:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise FedRTError(f"{path} can be read by others than its owner; run: chmod 600 {path}")
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise FedRTError(f"{path} cannot be read; name the credentials file with --credentials.") from None
    except tomllib.TOMLDecodeError as error:
        line = str(error).rpartition("(")[2].rstrip(")")  # the rest of the message may quote the secret
        raise FedRTError(f"{path} is no TOML ({line}); write a table for each server, see the documentation.") from None
    for server, table in tables.items():
        if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
            raise FedRTError(f'{path}: write ["https://server/path"] and below it token = "..." or user and password.')
        unknown = sorted(set(table) - set(KEYS))
        if unknown:
            raise FedRTError(f"{path}: {unknown[0]} is no setting of a server; there are {', '.join(KEYS)}.")
        if _is_below(url, server):
            return Credentials(**table)
    return None


def _is_below(url: str, server: str) -> bool:
    """Whether `url` is `server` or a path below it, on the same scheme, host and port."""
    one, other = urlsplit(url), urlsplit(server.rstrip("/"))
    if (one.scheme, one.netloc.lower()) != (other.scheme, other.netloc.lower()):
        return False
    return one.path == other.path or one.path.startswith(other.path.rstrip("/") + "/")


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
