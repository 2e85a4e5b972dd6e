"""The command-line options of every command that takes SOURCE, and what becomes of them."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..reporting import Reporter

if TYPE_CHECKING:
    from ..index.dicom_index import Index
    from ..index.selection import Selection
    from ..naming.names import NameMap

SOURCE_HELP = (
    "folder of DICOM files, Slicer DICOM database folder, pacs:AET@host:port[?calling=AET&retrieve=get|move&store_port=N"
    "&tls_ca=FILE&tls_cert=FILE&tls_key=FILE], or DICOMweb URL"
)


def source_options(nargs: str = "+") -> argparse.ArgumentParser:
    """A parent parser: SOURCE as `args.source` (`nargs` of them), and the `selection_options`."""
    parent = argparse.ArgumentParser(add_help=False, parents=[selection_options()])
    parent.add_argument("source", nargs=nargs, metavar="SOURCE", help=SOURCE_HELP)
    return parent


def selection_options() -> argparse.ArgumentParser:
    """A parent parser: what to select of the sources, where to keep what is received."""
    parent = argparse.ArgumentParser(add_help=False)
    group = parent.add_argument_group("selection")
    group.add_argument(
        "--patients", type=Path, metavar="FILE", help="only these patients: a file with one Patient ID a line"
    )
    group.add_argument(
        "--from", dest="first_date", metavar="DATE", help="only studies of this day (2024-03-31) or later"
    )
    group.add_argument("--to", dest="last_date", metavar="DATE", help="only studies of this day or earlier")
    group.add_argument(
        "--modality", metavar="CT,MR", help="only images of these modalities, with the RT objects on them"
    )
    group.add_argument(
        "--with-structures",
        metavar="NAME,NAME",
        help="only structure sets with all of these (TG-263), and what belongs to them",
    )
    group = parent.add_argument_group("PACS and DICOMweb")
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for what is received, identified and kept (default: your cache folder)",
    )
    group.add_argument(
        "--credentials", type=Path, metavar="FILE", help="file with tokens or passwords of DICOMweb servers"
    )
    return parent


def open_from(args: argparse.Namespace, report: Reporter, names: "NameMap | None" = None) -> "Index":
    """The index of what a command line with `source_options` names; `names` maps ROI names for --with-structures.

    Raises:
        FedRTError: as `open_sources`.
    """
    from .opening import open_sources

    return open_sources(
        args.source,
        report,
        selection=selection_of(args, names),
        cache=args.cache,
        credentials=args.credentials,
        store=store_of(args.source),
    )


def selection_of(args: argparse.Namespace, names: "NameMap | None" = None) -> "Selection":
    """The `Selection` that the options of a command line describe."""
    from ..index.selection import read_selection

    return read_selection(args.patients, args.first_date, args.last_date, args.modality, args.with_structures, names)


def store_of(sources: Iterable[str | Path]) -> Path:
    """Where the index of these sources is kept, so that the next command on them reads only what is new."""
    from ..index.store import default_store
    from .addresses import is_remote

    return default_store(f"/{source}" if is_remote(str(source)) else source for source in sources)
