"""The Basic Application Level Confidentiality Profile and its options as a table.

Source: DICOM PS3.15 2026c, Table E.1-1 (`data/profile.csv`: its 652 attributes, three repeating groups and the
private attributes). Column "basic" was compared with the lists of two public programs (2026a and 2026c), the option
columns with one of 2026a and one of 2021. Which of two actions such as X/Z holds depends on the attribute's type in
the object's definition: `data/iod_types.csv`, from PS3.3.
"""

import csv
import functools
from dataclasses import dataclass
from importlib import resources

EDITION = "PS3.15 2026c"

# How the table's columns are called on the command line, and their codes of PS3.16 CID 7050.
OPTIONS = {
    "safe-private": ("safe_private", "113111", "Retain Safe Private Option"),
    "uids": ("uids", "113110", "Retain UIDs Option"),
    "device": ("device", "113109", "Retain Device Identity Option"),
    "institution": ("institution", "113112", "Retain Institution Identity Option"),
    "patient-characteristics": ("patient_characteristics", "113108", "Retain Patient Characteristics Option"),
    "longitudinal-full-dates": (
        "full_dates",
        "113106",
        "Retain Longitudinal Temporal Information Full Dates Option",
    ),
    "longitudinal-modified-dates": (
        "modified_dates",
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
}
BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")
DESCRIPTORS_CODE = ("113105", "Clean Descriptors Option")


@dataclass(frozen=True)
class Row:
    """One attribute. basic: D, Z, X, U or a choice such as X/Z/D. options: column -> K (keep) or C (clean)."""

    name: str
    basic: str
    options: dict[str, str]


@functools.cache
def rows() -> dict[str, Row]:
    """Tag as `GGGGEEEE` -> row; the repeating groups and the private attributes under `50XXXXXX` and the like."""
    found = {}
    for line in _read("profile.csv"):
        options = {column: value for column, value in list(line.items())[3:] if value}
        found[line["tag"].replace(",", "").upper()] = Row(line["name"], line["basic"], options)
    return found


@functools.cache
def row_of(tag: int) -> Row | None:
    """The row of a public attribute, None where the table has none (then `walk.py` decides by the kind of value)."""
    return rows().get(f"{tag:08X}")


@functools.cache
def _types() -> dict[str, tuple[frozenset[int], frozenset[int]]]:
    """SOP class UID -> attributes of type 1 and 1C, of type 2 and 2C, of the choice rows at the object's top
    level."""
    return {
        line["sop_class_uid"]: tuple(
            frozenset(int(tag, 16) for tag in line[key].split()) for key in ("type_1", "type_2")
        )
        for line in _read("iod_types.csv")
    }


@functools.cache
def basic_action(tag: int, sop_class: str, nested: bool) -> str:
    """The profile's action for an attribute that is there: X, Z, D or U.

    Of a choice, the type decides: type 1 gets a dummy, type 2 is emptied, anything else is removed (a conditional
    attribute that is there is taken as required). Inside sequences and in objects whose definition is not in the
    table the safest for other programs is taken: a dummy where the row allows one, else empty. No choice keeps a
    value.
    """
    row = row_of(tag)
    choices = row.basic.replace("*", "").split("/")
    if len(choices) == 1:
        return choices[0]
    if "U" in choices:
        return "U"  # the sequences of references: kept, with new UIDs, so that objects still find each other
    types = _types().get(sop_class)
    if nested or types is None:
        return "D" if "D" in choices else "Z"
    one, two = types
    wanted = "D" if tag in one else "Z" if tag in two else "X"
    return wanted if wanted in choices else "D" if "D" in choices else "Z"


@functools.cache
def safe_private() -> dict[tuple[int, str, int], str]:
    """(group, private creator, element without its block) -> VR, numbers only. Source: PS3.15 Table E.3.10-1, in
    part."""
    return {
        (int(line["group"], 16), line["creator"], int(line["element"], 16)): line["vr"]
        for line in _read("safe_private.csv")
    }


def _read(name: str) -> list[dict[str, str]]:
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
