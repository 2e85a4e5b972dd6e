"""A SimpleITK image as a compressed `.nrrd`, which a full disk cannot make half of unnoticed."""

import errno
import os
from pathlib import Path

from ..system_error import FULL


def write_volume(path: Path, image) -> None:
    """Write the file.

    Raises:
        OSError: it could not be written whole; `errno` is one of `FULL` where there is no room.
    """
    import SimpleITK as sitk

    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError:  # ITK does not tell why
        _raise_reason(path)
    if _uncompressed_size(path) != _size_of(image) % 2**32:
        _raise_reason(path)


def is_full(error: BaseException) -> bool:
    """Whether an error means that there is no room (left) for a file."""
    return isinstance(error, OSError) and error.errno in FULL


def _raise_reason(path: Path) -> None:
    with open(path, "ab") as file:  # the system's own answer
        file.write(bytes(1 << 16))
        file.flush()
        os.fsync(file.fileno())
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def _size_of(image) -> int:
    return image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()


def _uncompressed_size(path: Path) -> int:
    """The last four bytes of a gzip stream: the size of what it holds, modulo 2**32 (RFC 1952)."""
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(4), "little")
