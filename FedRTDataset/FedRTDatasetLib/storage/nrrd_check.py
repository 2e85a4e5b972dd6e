"""Whether a NRRD file is whole, found out without keeping its voxels.

3D Slicer's segmentation reader does not survive a damaged file: it ends the application. So a file is checked first.
Format: https://teem.sourceforge.net/nrrd/format.html, attached header, encodings raw and gzip (what Slicer and we write).
"""

import math
import zlib
from pathlib import Path
from typing import BinaryIO

from ..errors import FedRTError

BYTES = {
    "int8": 1, "uint8": 1, "uchar": 1, "unsigned char": 1, "signed char": 1, "char": 1, "short": 2, "ushort": 2,
    "int16": 2, "uint16": 2, "unsigned short": 2, "int": 4, "uint": 4, "int32": 4, "uint32": 4, "unsigned int": 4,
    "float": 4, "int64": 8, "uint64": 8, "double": 8,
}  # fmt: skip
CHUNK = 1 << 20


def check_nrrd(path: Path | str) -> None:
    """Read through a file once.

    Raises:
        FedRTError: it is missing, no NRRD file, cut off or damaged.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            expected, encoding = _header(file)
            found = _inflated_size(file) if encoding in ("gzip", "gz") else _rest(file)
    except FileNotFoundError:
        raise FedRTError(f"{path} does not exist; was it moved?") from None
    except (OSError, ValueError, KeyError, zlib.error):
        found, expected = -1, 0
    if found != expected:
        raise FedRTError(f"{path} cannot be read: it is damaged or was cut off; restore it or make it again.")


def _header(file: BinaryIO) -> tuple[int, str]:
    """Bytes of voxels that the header promises, and their encoding; the file is left at the first of them."""
    if not file.readline().startswith(b"NRRD"):
        raise ValueError("not NRRD")
    fields = {}
    while line := file.readline().strip():
        name, separator, value = line.decode("utf-8", errors="replace").partition(": ")
        if separator:
            fields[name.lower()] = value
    voxels = math.prod(int(size) for size in fields["sizes"].split())
    return voxels * BYTES[fields["type"].lower()], fields["encoding"].lower()


def _inflated_size(file: BinaryIO) -> int:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # gzip, with its check sum
    size = 0
    while chunk := file.read(CHUNK):
        size += len(inflater.decompress(chunk))
    return size if inflater.eof else -1


def _rest(file: BinaryIO) -> int:
    start = file.tell()
    return file.seek(0, 2) - start
