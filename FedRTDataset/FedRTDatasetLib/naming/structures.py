"""Structures as FedRT knows them: TG-263 name, SNOMED CT code and colour.

Names: AAPM TG-263 (Mayo et al., "Standardizing nomenclatures in radiation oncology", 2018). The table
`data/structures.csv` holds those FedRT ships with codes, colours and synonyms; a name outside it is legal and gets a
colour derived from the name. All 717 primary names: `naming/tg263.py`.
"""

import csv
import functools
import hashlib
from importlib import resources

from pydantic import BaseModel, ConfigDict

from .tg263 import primary_names


class Structure(BaseModel):
    """One structure of a dataset or model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """TG-263 primary name, for example `Femur_Head_L`."""
    snomed: tuple[str, str] | None = None
    """SNOMED CT code value and meaning of the anatomy, laterality left to `laterality`."""
    laterality: tuple[str, str] | None = None
    """SNOMED CT code value and meaning of Left or Right."""
    color: tuple[int, int, int] = (200, 200, 200)
    """Display colour, red green blue, 0 to 255."""


_LATERALITY = {"L": ("7771000", "Left"), "R": ("24028007", "Right"), "B": ("51440002", "Right and left")}


def structure(name: str) -> Structure:
    """The structure of that TG-263 name: from the shipped table, else with the side TG-263 gives and a colour of its own."""
    known = shipped_structures().get(name)
    if known is not None:
        return known
    digest = hashlib.sha256(name.encode()).digest()
    official = primary_names().get(name)
    return Structure(
        name=name,
        laterality=_LATERALITY.get(official.side) if official is not None else None,
        color=(80 + digest[0] % 160, 80 + digest[1] % 160, 80 + digest[2] % 160),
    )


@functools.cache
def shipped_structures() -> dict[str, Structure]:
    """The shipped table by TG-263 name."""
    return {row["name"]: _from_row(row) for row in table_rows()}


@functools.cache
def table_rows() -> tuple[dict[str, str], ...]:
    """The rows of `data/structures.csv` as text: name, snomed, laterality, color, category and synonyms a language."""
    text = resources.files("FedRTDatasetLib").joinpath("data", "structures.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _from_row(row: dict[str, str]) -> Structure:
    return Structure(
        name=row["name"],
        snomed=_code(row["snomed"]),
        laterality=_code(row["laterality"]),
        color=tuple(int(row["color"][i : i + 2], 16) for i in (1, 3, 5)),
    )


def _code(text: str) -> tuple[str, str] | None:
    """`89837001|Bladder` as a pair."""
    value, _, meaning = text.partition("|")
    return (value, meaning) if value else None
