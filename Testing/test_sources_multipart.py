"""Multipart answers, in pieces of any size and torn at any byte."""

import pytest
from FedRTDatasetLib.sources.multipart import AnswerBrokeOffError, boundary_of, parts

BODIES = [b"one", b"", b"\r\n--no boundary\r\n\r\n" * 3, bytes(range(256)) * 5, b"x--B"]
MESSAGE = (
    b"".join(b"\r\n--B\r\nContent-Type: application/dicom\r\nX: y\r\n\r\n" + body for body in BODIES) + b"\r\n--B--\r\n"
)


def pieces(message: bytes, size: int):
    return [message[i : i + size] for i in range(0, len(message), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize(
    "message", [MESSAGE, MESSAGE[2:], b"preamble\r\nto be ignored" + MESSAGE], ids=["CRLF", "bare", "preamble"]
)
def test_pieces_of_any_size(size, message):
    assert list(parts(pieces(message, size), b"B")) == BODIES


def test_an_answer_torn_at_any_byte_gives_whole_parts_only_and_says_so():
    for end in range(len(MESSAGE) - 4):
        got = []
        with pytest.raises(AnswerBrokeOffError):
            for part in parts(pieces(MESSAGE[:end], 50), b"B"):
                got.append(part)
        assert got == BODIES[: len(got)]


def test_boundaries():
    assert boundary_of('multipart/related; type="application/dicom"; boundary="a b"') == b"a b"
    assert boundary_of("Multipart/Related; boundary=abc; type=application/dicom") == b"abc"
    assert boundary_of("application/dicom") is None
    assert boundary_of("multipart/related") is None
