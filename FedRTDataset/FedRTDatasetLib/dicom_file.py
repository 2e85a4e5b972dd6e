"""DICOM files as pydicom reads them, also those that lack the preamble and file meta information (PS3.10 section 7)."""

from collections.abc import MutableSequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset


def read_dicom(path: Path | str, **options: Any) -> "FileDataset":
    """`pydicom.dcmread` for a file that the index has taken for DICOM, in whatever of the plain encodings it is.

    Old archives and research exports keep bare data sets. What pydicom found out about their encoding then stands in the
    file meta information, where the decoding of pixels looks for it.

    Raises:
        OSError, pydicom.errors.InvalidDicomError, ValueError and others: pydicom cannot read it.
    """
    import pydicom
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    dataset = pydicom.dcmread(path, force=True, **options)
    if not dataset.file_meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def text_of(value: Any) -> str:
    """A text value as it stands in the file, also one with a backslash, which pydicom takes for several values."""
    return "" if value is None else "\\".join(map(str, value)) if isinstance(value, MutableSequence) else str(value)
