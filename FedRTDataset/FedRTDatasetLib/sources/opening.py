"""Every kind of SOURCE to one index."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FedRTError
from ..index.selection import Selection
from ..reporting import Reporter
from .addresses import (
    Dicomweb,
    Folder,
    Pacs,
    SlicerDatabase,
    parse_source,
)

if TYPE_CHECKING:
    from ..index.dicom_index import Index, Problem


def open_sources(
    sources: Iterable[str | Path],
    report: Reporter | None = None,
    *,
    selection: Selection | None = None,
    cache: Path | str | None = None,
    credentials: Path | str | None = None,
    store: Path | None = None,
) -> "Index":
    """Index everything that `selection` wants of `sources`.

    Args:
        sources: each a folder or file, a Slicer DICOM database folder, `pacs:AET@host:port?...` or a DICOMweb URL.
        cache: folder for what is received from a network (default: see `cache`). It holds identified data.
        credentials: file with the credentials of DICOMweb servers (see `credentials`).
        store: where the index is kept, so that unchanged files are not read again (None: nowhere).

    Raises:
        FedRTError: a source does not exist, cannot be reached or refuses; or nothing that is wanted is there.
    """
    from ..index.dicom_index import index_files, index_folders

    report = report or Reporter()
    selection = selection or Selection()
    places = [parse_source(str(source)) for source in sources]
    if all(isinstance(place, Folder) for place in places):
        index = index_folders([place.path for place in places], report, store=store)
        return _restricted(index, selection)

    _only_one_server_gets_the_secret(places, credentials)
    files: list[Path] = []
    problems: list[Problem] = []
    for place in places:
        found, doubts = _files_of(place, selection, cache, credentials, report)
        files += found
        problems += doubts
    if not files:
        for problem in problems:
            report.warning(problem.text)
        raise FedRTError(
            f"nothing to be had from {', '.join(map(_shown, places))}; widen the selection or see the warnings."
        )
    index = index_files(dict.fromkeys(files), report, store=store)
    index.problems += problems
    return _restricted(index, selection)


def _files_of(place, selection, cache, credentials, report: Reporter) -> "tuple[list[Path], list[Problem]]":
    if isinstance(place, Folder):
        return _files_below(place.path), []
    if isinstance(place, SlicerDatabase):
        from .slicer_database import database_files

        listed = database_files(place.path, selection)
        return listed.files, listed.problems
    from .cache import ReceivedObjects
    from .errand import receive

    archive = _archive(place, credentials)
    try:
        received = receive(archive, selection, ReceivedObjects(cache, archive.name), report)
    finally:
        archive.close()
    return received.files, received.problems


def _archive(place: Pacs | Dicomweb, credentials: Path | str | None):
    if isinstance(place, Pacs):
        from .pacs import PacsArchive

        return PacsArchive(place)
    from .credentials import credentials_for
    from .dicomweb import DicomwebArchive

    return DicomwebArchive(place, credentials_for(place.url, credentials))


def _files_below(path: Path) -> list[Path]:
    if not path.exists():
        raise FedRTError(f"{path} does not exist; check the folder name.")
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))


def _restricted(index: "Index", selection: Selection) -> "Index":
    if not selection:
        return index
    chosen = index.select(selection)
    if not chosen.series and not chosen.structure_sets and not chosen.plans and not chosen.doses:
        raise FedRTError(
            "nothing in the sources is what was selected; check --patients, the dates, --modality, --with-structures."
        )
    return chosen


def _only_one_server_gets_the_secret(places: list, credentials: Path | str | None) -> None:
    """A token in the environment names no server: with two of them it would be shown to the wrong one."""
    import os

    servers = {place.url for place in places if isinstance(place, Dicomweb)}
    in_environment = any(os.environ.get(f"FEDRT_DICOMWEB_{what}") for what in ("TOKEN", "PASSWORD"))
    if len(servers) > 1 and in_environment:
        raise FedRTError(
            "there are several DICOMweb servers and one token in the environment; use --credentials FILE instead."
        )


def _shown(place) -> str:
    return str(place.path) if isinstance(place, Folder | SlicerDatabase) else str(place)
