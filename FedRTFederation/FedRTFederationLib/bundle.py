"""The Flower app bundle, reduced to a name tag.

Flower identifies what a run executes by the SHA-256 of an app bundle (FAB) and sends the bundle to every site, where
stock Flower unpacks and runs it. Ours carries no code at all: it is one small file whose hash stands for "the FedRT
federation protocol, this version". A site's kit lists the hashes it accepts; what arrives is hashed and dropped.

Change `PROTOCOL` whenever a site and a coordinator of different versions could misunderstand each other: kits made
before then refuse the new coordinator by name instead of failing somewhere inside a round.
"""

import functools
import hashlib
import io
import zipfile

PROTOCOL = 1
"""Version of the messages in `messages.py`; part of the bundle, so part of its hash."""

_PYPROJECT = f"""\
[project]
name = "federation"
version = "{PROTOCOL}.0.0"
description = "Name tag of the FedRT federation protocol; carries no code."
license = "Apache-2.0"

[tool.flwr.app]
publisher = "fedrt"

[tool.flwr.app.components]
serverapp = "FedRTFederationLib.rounds:not_loaded"
clientapp = "FedRTFederationLib.participant:not_loaded"

[tool.flwr.app.config]
run = ""
"""

_FIXED_TIME = (2025, 1, 1, 0, 0, 0)


@functools.cache
def content() -> bytes:
    """The bundle: a ZIP archive with one stored file, the same bytes on every machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("pyproject.toml", date_time=_FIXED_TIME)
        entry.create_system = 3
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, _PYPROJECT)
    return buffer.getvalue()


@functools.cache
def sha256() -> str:
    """SHA-256 of the bundle in hex: what kits allow and what a run is started with."""
    return hashlib.sha256(content()).hexdigest()
