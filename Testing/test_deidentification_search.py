"""The search for many byte strings, and what of a hit is a coincidence."""

import os
import random
import time

import pytest
from FedRTDatasetLib.deidentification.removed import (
    DATE,
    IDENTITY,
    NAME,
    TEXT,
    UID,
    Removed,
    anywhere,
    date_spellings,
    in_texts,
)
from FedRTDatasetLib.deidentification.search import Patterns, patterns_of, spellings


def test_every_occurrence_is_found_wherever_it_lies():
    """Against a plain search, at every alignment, also patterns that overlap."""
    random.seed(3)
    texts = ["".join(random.choices("abcx", k=random.randint(4, 9))) for _ in range(200)]
    data = "".join(random.choices("abcxABCX ", k=5003)).encode()
    patterns = patterns_of({text: text for text in texts})
    found = {(place, bytes(what)) for place, what, _ in patterns.find(data)}
    lower = data.lower()
    wanted = {s for text in texts for s in spellings(text)}
    expected = {(i, s) for s in wanted for i in range(len(lower)) if lower.startswith(s, i)}
    assert found == expected and len(expected) > 100


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_case_and_encoding(encoding, change):
    name = "Würzenbächer"
    data = os.urandom(999) + change(name).encode(encoding) + os.urandom(77)
    assert {meaning[0] for _, _, meaning in patterns_of({name: 1}).find(data)} == {name}


def test_a_hundred_thousand_values_in_megabytes():
    """No time is asserted, but the plain way would take hours."""
    uids = {f"1.2.276.0.7230010.3.1.4.{n}.{n * 7919}": n for n in range(20000)}
    data = bytearray(os.urandom(4_000_000))
    data[1_000_003:1_000_003] = b"1.2.276.0.7230010.3.1.4.777.6153063"
    started = time.perf_counter()
    found = {meaning[1] for _, _, meaning in patterns_of(uids).find(bytes(data))}
    assert 777 in found and time.perf_counter() > started


def test_nothing_to_look_for():
    assert list(Patterns({}).find(b"anything")) == [] and list(patterns_of({"abcd": 1}).find(b"ab")) == []


def removed(*values: tuple[str, str]) -> Removed:
    found = Removed()
    for kind, text in values:
        found.add(kind, text, "X")
    return found


def test_what_is_looked_for_everywhere():
    one = removed(
        (NAME, "Doe-Miller^Li^J"), (IDENTITY, "MRN 471145"), (UID, "1.2.3.4"), (TEXT, "GTV for Xyzzy 1.000000\\2.5")
    )
    assert {"Miller", "471145", "1.2.3.4", "Xyzzy", "Doe-Miller^Li^J", "MRN 471145"} <= set(anywhere(one))
    assert not {"Doe", "Li", "J", "GTV", "000000", "MRN"} & set(anywhere(one))
    assert set(in_texts(removed((NAME, "Doe^Ng^J"), (NAME, "Lung^A"), (IDENTITY, "AB 4711")))) == {
        "doe",
        "ng",
        "lung",
        "4711",
    }


def test_harmless_descriptions_are_not_looked_for():
    assert anywhere(removed((TEXT, "CT Abdomen"), (TEXT, "T1 ax 5000"), (TEXT, "0.5\\12345.678901"))) == {}


def test_dates_are_looked_for_in_every_spelling():
    one = removed((DATE, "20240301"), (DATE, "20240301101500"), (DATE, "never"))
    assert {text for kind, text in one.values if kind == DATE} == {"20240301"}
    assert {"20240301", "01.03.2024", "2024-03-01"} <= set(date_spellings(one))


def test_a_leak_in_another_encoding_is_not_hidden_by_a_coincidence(tmp_path):
    """`Prost` inside prostate is harmless; the same name in UTF-16 in the same file is not, nor one among the pixels."""
    from dicom_maker import make_series
    from FedRTDatasetLib.deidentification.verify import Words, search_file
    from pydicom import dcmread

    (path,) = make_series(tmp_path, slices=1, patient="P", name="P").files
    dataset = dcmread(path)
    dataset.SeriesDescription = "prostate"
    dataset.save_as(path)
    patterns = patterns_of({"Prost": (NAME, "PatientName"), "Abrahamczyk": (NAME, "PatientName")})
    clean = search_file(path, patterns, Words())
    assert clean.findings == [] and clean.coincidences == 1
    dataset.add_new(0x00190010, "LO", "ACME")
    dataset.add_new(0x00191001, "UN", "Prost".encode("utf-16-le"))
    dataset.PixelData = dataset.PixelData[:-40] + b"ABRAHAMCZYK".ljust(40, b"x")
    dataset.save_as(path)
    found = search_file(path, patterns, Words()).findings
    assert {finding.where for finding in found} >= {"(0019,1001)", "PixelData"}
