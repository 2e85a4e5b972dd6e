"""Keyed pseudonyms: the same patient gets the same one at this site, and nobody without the site's key can test a guess.

HMAC-SHA256 (RFC 2104) under a 32-byte key that stays at the site. The key is not part of any dataset.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from .errors import FedRTError


class SiteKey:
    """The site's secret. `pseudonym` names patients, `digest` stands in for UIDs in provenance."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def load_or_create(cls, path: Path | str | None = None) -> "SiteKey":
        """Read the key file, or make one readable by its owner alone (default: `default_key_path()`).

        Raises:
            FedRTError: the file exists but is no key.
        """
        path = Path(path) if path else default_key_path()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return cls.load_or_create(path)  # another run made it just now
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
        try:
            secret = bytes.fromhex(path.read_text(encoding="ascii"))
        except ValueError:
            secret = b""
        if len(secret) != 32:
            raise FedRTError(
                f"{path} is not a FedRT key file (64 hexadecimal digits); restore it or name another with --key."
            )
        return cls(secret)

    def digest(self, text: str, kind: str) -> str:
        """32 hexadecimal digits that stand for `text`; `kind` keeps a UID and a patient ID apart."""
        told = f"{kind}\0{text}".encode("utf-8", "surrogatepass")  # of a file name in another encoding
        return hmac.new(self._secret, told, hashlib.sha256).hexdigest()[:32]

    def pseudonym(self, patient_id: str) -> str:
        """`P` and ten hexadecimal digits for a Patient ID."""
        return "P" + self.digest(patient_id, "patient")[:10]

    def case_id(self, patient_id: str, series_uid: str) -> str:
        """The case of an image series: the patient's pseudonym and six digits for the series."""
        return f"{self.pseudonym(patient_id)}-{self.digest(series_uid, 'series')[:6]}"


def default_key_path() -> Path:
    """`$FEDRT_KEY`, else `fedrt/site.key` in the user's configuration folder."""
    if "FEDRT_KEY" in os.environ:
        return Path(os.environ["FEDRT_KEY"])
    base = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or Path.home() / ".config"
    return Path(base) / "fedrt" / "site.key"
