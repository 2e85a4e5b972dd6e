"""Folders and names of a de-identified copy: what may be written where, and names that say nothing.

OUT/<pseudonym>/<study>/<modality>_<series>/<instance>.dcm      study, series and instance are hashes under the site's
key
OUT/report.json  OUT/files.csv                                  what was done, without identity
OUT.unverified/                                                 copies that were not searched yet, gone after a run
that ended well
OUT.withheld/                                                   copies in which a removed value was found; not for
release
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import FedRTError
from ..pseudonym import SiteKey
from .survey import Survey

REPORT, FILES = "report.json", "files.csv"
_MODALITIES_TEXT = (
    "CT MR PT NM US CR DX XA RF MG SC OT RTSTRUCT RTPLAN RTDOSE RTIMAGE RTRECORD REG SEG RWV FID RTRAD RTINTENT"
)
_MODALITIES = frozenset(_MODALITIES_TEXT.split())


def check_folders(source: Path, out: Path, key_file: Path | None) -> None:
    """Refuse what would mix originals and copies, or put the key beside the copies.

    Raises:
        FedRTError: tells which path is wrong.
    """
    if not source.exists():
        raise FedRTError(f"{source} does not exist; name the folder with the original DICOM files.")
    a, b = source.resolve(), out.resolve()
    if a == b or a in b.parents:
        raise FedRTError(f"{out} lies inside the folder of the originals; name an output folder elsewhere.")
    if b in a.parents:
        raise FedRTError(f"{source} lies inside the output folder {out}; name an output folder elsewhere.")
    if out.exists() and not out.is_dir():
        raise FedRTError(f"{out} is a file; name a folder for the de-identified copies.")
    if out.is_dir() and any(out.iterdir()) and not (out / REPORT).is_file():
        raise FedRTError(f"{out} holds something else than de-identified copies; name an empty or new folder.")
    if key_file is not None and b in key_file.resolve().parents:
        raise FedRTError(f"the key {key_file} would lie among the de-identified copies; keep it elsewhere (--key).")


def unverified(out: Path) -> Path:
    """Where copies wait for the search."""
    return out.with_name(out.name + ".unverified")


def withheld(out: Path) -> Path:
    """Where copies go in which something was found."""
    return out.with_name(out.name + ".withheld")


def source_files(source: Path) -> list[Path]:
    """Every file under the folder (or the file itself), in a fixed order; links to folders are not followed.

    A folder that may not be opened is among them: it is told as one that cannot be read.
    """
    if source.is_file():
        return [source]
    barred: list[Path] = []
    tree = os.walk(source, onerror=lambda error: barred.append(Path(error.filename)))
    return sorted([*(Path(folder) / name for folder, _, names in tree for name in names), *barred])


def name_of(survey: Survey, pseudonym: str, key: SiteKey) -> str:
    """The copy's path below OUT."""
    modality = survey.modality if survey.modality in _MODALITIES else "OT"
    study, series = key.digest(survey.study, "study")[:8], key.digest(survey.series, "series")[:8]
    return f"{pseudonym}/{study}/{modality}_{series}/{key.digest(survey.instance, 'instance')[:12]}.dcm"


def fingerprint(path: Path, key: SiteKey, settings: str) -> str:
    """Tells whether a source is the one a copy was made of, with the same settings; holds no part of its name."""
    try:
        state = path.stat()
    except OSError:  # a link to nothing, or gone by now: told as a problem of that file
        return key.digest(f"{path.absolute()}\0{settings}", "source")[:16]
    return key.digest(f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\0{settings}", "source")[:16]


def digest_of(*parts: str) -> str:
    """Changes when what is done to a file changes."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def make_private(folder: Path) -> None:
    """A folder for its owner alone: what lies there was not released."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def copies_in(out: Path) -> Iterator[Path]:
    """The DICOM files below a folder of copies."""
    yield from sorted(path for path in out.rglob("*.dcm") if path.is_file())
