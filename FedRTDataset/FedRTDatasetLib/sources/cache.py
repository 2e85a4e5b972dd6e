"""What was received from a PACS or DICOMweb server, on disk.

The cache holds *identified* patient data exactly as it was received. It lies in a folder that only its owner can open
(mode 0700): `--cache DIR`, else `$FEDRT_CACHE/received`, else `fedrt/received` in the user's cache folder. One subfolder an
archive, one a series; folders and files are named by hashes of UIDs, never by patient. A file appears under its name only
when it is whole, so what is there need not be asked for again. Nothing is deleted by itself: datasets are built in several
runs, and an interrupted one goes on from here. `fedrt dataset received` shows the folder and, with `--clear`, empties it.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ..atomic import remove_leftovers, replacing
from ..errors import FedRTError
from ..index.store import cache_folder

README = """This folder holds patient data received by `fedrt` from a PACS or DICOMweb server, not de-identified.
It can be deleted when no fedrt command is running; what is needed again is then asked for again.
"""


def default_cache_folder() -> Path:
    """`received` in FedRT's cache folder: `$FEDRT_CACHE`, else `fedrt` in the user's cache folder."""
    return cache_folder() / "received"


class ReceivedObjects:
    """The objects received from one archive."""

    def __init__(self, root: Path | str | None, archive: str) -> None:
        """Make the folder if it is not there; `archive` is its address.

        Raises:
            FedRTError: the folder cannot be made or written to.
        """
        self.root = Path(root).expanduser() if root else default_cache_folder()
        self.folder = self.root / _hash(archive)[:16]
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.name == "posix" and self.root.stat().st_mode & 0o077 and not any(self.root.iterdir()):
                self.root.chmod(0o700)  # made by somebody for us, still empty
            self.folder.mkdir(exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
            readme = self.root / "README.txt"
            if not readme.exists():
                readme.write_text(README, encoding="utf-8")
        except OSError as error:
            raise FedRTError(
                f"{self.root} cannot be used as cache ({error.strerror}); name another with --cache."
            ) from None

    def path(self, series_uid: str, instance_uid: str) -> Path:
        """Where an object lies, or would."""
        return self.folder / _hash(series_uid) / f"{_hash(instance_uid)}.dcm"

    def has(self, series_uid: str, instance_uid: str) -> bool:
        """Whether an object is here and whole."""
        path = self.path(series_uid, instance_uid)
        return path.is_file() and path.stat().st_size > 0

    def files(self, series_uid: str) -> list[Path]:
        """The whole objects of a series that are here."""
        folder = self.folder / _hash(series_uid)
        return sorted(
            path for path in folder.glob("*.dcm") if not path.name.startswith(".") and path.stat().st_size > 0
        )

    def put(self, series_uid: str, instance_uid: str, write: Callable[[Path], None]) -> None:
        """Have `write` fill a temporary file, and give it its name once it is whole.

        Raises:
            FedRTError: it could not be written (disk full, no permission).
        """
        path = self.path(series_uid, instance_uid)
        try:
            path.parent.mkdir(exist_ok=True, mode=0o700)
            with replacing(path) as partial:
                write(partial)
        except OSError as error:
            raise FedRTError(
                f"{self.root} cannot take what is received ({error.strerror or type(error).__name__}); make room there or "
                "name another folder with --cache, then start the same command again to go on."
            ) from None

    def begin(self, series_uid: str) -> None:
        """Clear away what an interrupted run left half written."""
        folder = self.folder / _hash(series_uid)
        if folder.is_dir():
            remove_leftovers(folder)


def clear(root: Path) -> tuple[int, int]:
    """Delete what was received; (files, bytes) that are gone. Nothing else in the folder is touched."""
    files = size = 0
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.is_dir() and re.fullmatch(r"[0-9a-f]{16}", folder.name):
            here = [path for path in folder.rglob("*") if path.is_file()]
            files, size = files + len(here), size + sum(path.stat().st_size for path in here)
            shutil.rmtree(folder)
    return files, size


def amount(root: Path) -> tuple[int, int]:
    """(files, bytes) received that lie below `root`."""
    here = [path for path in root.glob("*/*/*.dcm") if path.is_file()] if root.is_dir() else []
    return len(here), sum(path.stat().st_size for path in here)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
