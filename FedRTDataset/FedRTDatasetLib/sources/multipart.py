"""The parts of a multipart/related answer (RFC 2046, 5.1; RFC 2387), and whether it came to its end.

Own code, because dicomweb-client takes an answer that breaks off for a complete one and hands out the torn last object, and
because objects are to be kept byte for byte as they were sent. One part is in memory at a time.
"""

import re
from collections.abc import Iterable, Iterator


class AnswerBrokeOffError(Exception):
    """The closing boundary never came: the last part is not whole."""


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names; None where the answer is not multipart."""
    if not content_type.lower().startswith("multipart/"):
        return None
    found = re.search(r'boundary="([^"]+)"|boundary=([^;\s]+)', content_type, flags=re.IGNORECASE)
    return (found[1] or found[2]).encode("latin-1") if found else None


def parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[bytes]:
    """The body of each part, without its headers, as it becomes complete.

    Raises:
        AnswerBrokeOffError: the answer ends before its closing boundary.
    """
    delimiter = b"\r\n--" + boundary
    data = bytearray(b"\r\n")  # the first delimiter may stand at the very beginning
    started, searched = False, 0
    for chunk in chunks:
        data += chunk
        # Four bytes more than the delimiter must be there to tell the closing one and to pass over the line's end.
        while 0 <= (end := data.find(delimiter, searched)) <= len(data) - len(delimiter) - 2:
            if started:
                yield _body(bytes(data[:end]))
            started = True
            if data[end + len(delimiter) : end + len(delimiter) + 2] == b"--":
                return
            del data[: end + len(delimiter)]
            searched = 0
        searched = max(0, len(data) - len(delimiter) - 2)
    raise AnswerBrokeOffError


def _body(part: bytes) -> bytes:
    """A part is the rest of its delimiter's line, headers, an empty line, and its body."""
    head, separator, body = part.partition(b"\r\n\r\n")
    return body if separator else head
