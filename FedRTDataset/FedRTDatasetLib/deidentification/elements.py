"""What kind of value an element holds, and its text: without decoding more than is needed, and without trusting the
file's own claim."""

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "UC"})
DATES = frozenset({"DA", "DT", "TM"})
NUMBERS_AS_TEXT = frozenset({"DS", "IS"})
NUMBERS = frozenset({"FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "AT", "OD", "OF", "OL", "OV", "OW"})
_NUMBER_TEXT = re.compile(rb"[0-9+\-.eE \\\0]*")

# Bytes whose meaning is defined and holds no text. Other OB values (ICC profiles, documents, MACs ...) go.
BULK = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010, 0x7FE00001, 0x7FE00002})
_BULK_GROUP_0028 = range(0x00281201, 0x00281224)


@functools.cache
def dictionary_vr(tag: int) -> str | None:
    """The Standard's VR, of a choice such as `US or SS` the first; None for attributes that pydicom does not know."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return None


@functools.cache
def keyword(tag: int) -> str:
    """The Standard's keyword, else the tag as `(gggg,eeee)`."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def effective_vr(element: "DataElement | RawDataElement") -> str | None:
    """How the value is to be judged: the file's VR, the Standard's where the file gives none. None: not to be judged.

    A file may write text into an attribute that the Standard calls a number, or the other way round; then the file's
    VR tells what is in the bytes. Bytes of unknown form in an attribute that should hold text cannot be judged.
    """
    standard = dictionary_vr(int(element.tag))
    written = element.VR
    if written in (None, "UN", standard):
        return standard
    if standard is not None and written in ("OB", "OW") and standard not in ("OB", "OW", "US", "SS"):
        return None
    return written


def is_bulk(tag: int) -> bool:
    """True for pixel data, its offset tables and colour tables."""
    return tag in BULK or tag in _BULK_GROUP_0028


def holds_numbers(element: "DataElement | RawDataElement", vr: str) -> bool:
    """False where a DS or IS value is not made of the characters of numbers."""
    value = element.value
    if vr not in NUMBERS_AS_TEXT or value is None:
        return True
    text = value if isinstance(value, bytes) else re.sub(r"[\[\],' ]", " ", str(value)).encode()
    return _NUMBER_TEXT.fullmatch(text) is not None


def has_whole_numbers(element: "DataElement | RawDataElement", vr: str) -> bool:
    """False where the bytes of a binary number are no whole number of numbers: then they are something else."""
    size = {"FD": 8, "SV": 8, "UV": 8, "OD": 8, "OV": 8, "US": 2, "SS": 2, "OW": 2}.get(vr, 4)
    return not isinstance(element.value, bytes) or len(element.value) % size == 0


def texts_of(dataset: "Dataset", element: "DataElement | RawDataElement") -> list[tuple[str, bytes | None]]:
    """The values of an element as (text, bytes as they stand in the file); never raises.

    Bytes are decoded in the data set's character set, and where that fails as Latin-1, so that nothing goes unseen.
    """
    value = element.value
    if value is None:
        return []
    if isinstance(value, bytes):
        vr = element.VR or dictionary_vr(int(element.tag)) or "UN"
        parts = [value] if vr in ("LT", "ST", "UT", "UN", "OB", "UR") else value.split(b"\\")
        return [(_decoded(part, dataset), part) for part in parts if part.strip(b"\0 ")]
    values = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return [(str(part), None) for part in values if str(part).strip()]


def _decoded(part: bytes, dataset: "Dataset") -> str:
    from pydicom.charset import decode_bytes
    from pydicom.valuerep import TEXT_VR_DELIMS

    if part.isascii() and b"\x1b" not in part:
        return part.decode("ascii").strip("\0 ")
    try:
        encodings = dataset._character_set  # also that of the data set around an item
        text = decode_bytes(
            part, encodings if isinstance(encodings, list) else [encodings], TEXT_VR_DELIMS | {0x5E, 0x3D}
        )
    except (LookupError, UnicodeError, ValueError, AttributeError, TypeError):
        text = part.decode("latin-1")
    return text.strip("\0 ")


def printable_text(value: bytes) -> str:
    """The text in bytes of unknown form, "" where they are no text."""
    value = value.strip(b"\0 \r\n\t")
    if not 2 <= len(value) <= 4096:
        return ""
    for encoding in ("utf-8", "latin-1"):
        try:
            text = value.decode(encoding)
        except UnicodeDecodeError:
            continue
        plain = text.replace("\n", " ").replace("\r", " ").replace("\t", " ").replace("\0", " ")
        return plain if plain.isprintable() else ""
    return ""
