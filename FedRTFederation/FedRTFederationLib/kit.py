"""The startup kit: one file that a site needs to join.

A ZIP archive with `kit.json` (`Kit`), `authority.crt` (whom to trust as coordinator), `site.key` (the site's private
key) and `site.pub`. It is as confidential as a password: whoever holds it can take part as that site.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from FedRTDatasetLib import atomic
from FedRTDatasetLib.errors import FedRTError
from pydantic import BaseModel, ConfigDict, ValidationError

from . import bundle, identity
from .folder import FederationFolder, Site, check_name, utc_now

_MEMBERS = ("kit.json", "authority.crt", "site.key", "site.pub")
_LARGEST = 64 * 1024
"""Bytes; a kit's members are a few kilobytes, so anything larger is no kit."""


class Manifest(BaseModel):
    """`kit.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["fedrt-kit-1"] = "fedrt-kit-1"
    federation: str
    """The federation's random id."""
    federation_name: str
    site: str
    address: str
    """host:port of the coordinator."""
    allowed_apps: tuple[str, ...]
    """SHA-256 of the app bundles that this site may take part in."""
    created: str


@dataclass(frozen=True)
class Kit:
    """A kit in memory."""

    manifest: Manifest
    authority: bytes
    private_key: bytes
    public_key: bytes

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the site's public key."""
        return identity.fingerprint(self.public_key)


def issue(folder: FederationFolder, site: str, out: Path) -> Kit:
    """Make the kit of a new site, register the site's public key, and write the kit to `out` (mode 0600)."""
    check_name(site, "site")
    if out.exists():
        raise FedRTError(f"{out} exists already; choose another file for the kit of {site}.")
    key = identity.new_site_key()
    public = identity.public_pem(key.public_key())
    manifest = Manifest(
        federation=folder.settings.id, federation_name=folder.settings.name, site=site,
        address=folder.settings.address, allowed_apps=(bundle.sha256(),), created=utc_now(),
    )  # fmt: skip
    kit = Kit(manifest, folder.authority_certificate.read_bytes(), identity.private_pem(key), public)
    folder.register(Site(name=site, public_key=public.decode(), fingerprint=kit.fingerprint, registered=utc_now()))
    with atomic.replacing(out) as partial:
        partial.chmod(0o600)
        _write(kit, partial)
    out.chmod(0o600)
    return kit


def load(path: Path | str) -> Kit:
    """Read a kit. Raises FedRTError if the file is no kit, of another version, or damaged."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: _member(archive, name) for name in _MEMBERS}
        manifest = Manifest.model_validate_json(members["kit.json"])
        public = identity.public_pem(identity.load_private(members["site.key"]).public_key())
    except FileNotFoundError:
        raise FedRTError(f"Kit {path} does not exist; the coordinator makes one with: fedrt federation kit") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, ValidationError):
        raise FedRTError(
            f"{path} is no startup kit of this version of FedRT or is damaged; ask for a new one."
        ) from None
    if public != members["site.pub"]:
        raise FedRTError(f"The keys in kit {path} do not belong together; ask the coordinator for a new one.")
    return Kit(manifest, members["authority.crt"], members["site.key"], public)


def _write(kit: Kit, file: Path) -> None:
    contents = (kit.manifest.model_dump_json(indent=2).encode(), kit.authority, kit.private_key, kit.public_key)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in zip(_MEMBERS, contents, strict=True):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} is too large")
    return archive.read(name)
