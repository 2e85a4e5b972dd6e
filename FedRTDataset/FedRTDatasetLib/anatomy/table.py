"""What anatomy lets one expect of a structure: its volume, its side, its height in the body and what lies before it.

`data/anatomy.csv`, one row a structure (`?` stands for a side):
    leans            M in the midline, L or R where an unpaired organ lies on that side
    smallest_cm3, largest_cm3   the volumes of adults: about a third of the smaller and three times the larger reference
                     value, wider for hollow organs, for organs that disease enlarges and for contours of varying extent
    highest, lowest  the height of the structure's centre, counted in vertebrae: C1 is 1, T1 8, L1 20, S1 25, the coccyx 30;
                     above the skull base the numbers are negative; empty for long structures, which have no one height
    behind           structures that lie in front of it
    source           where the reference comes from

Sources: ICRP Publication 89 (2002), reference organ masses of adults, taken as volumes at 1 g/cm3; Gray's Anatomy (41st
edition) for dimensions, vertebral levels and relations. Children and patients after surgery fall outside: that is a reason
to look, not a mistake.
"""

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from ..naming.tg263 import primary_names


@dataclass(frozen=True)
class Expectation:
    """What anatomy says of one structure. volume_cm3: (smallest, largest). levels: (highest, lowest) or None."""

    leans: str
    volume_cm3: tuple[float, float]
    levels: tuple[float, float] | None
    behind: tuple[str, ...]
    source: str


@functools.cache
def expectations() -> dict[str, Expectation]:
    """By TG-263 name."""
    text = resources.files("FedRTDatasetLib").joinpath("data", "anatomy.csv").read_text(encoding="utf-8")
    return {
        row["name"].replace("?", side): _expectation(row)
        for row in csv.DictReader(text.splitlines())
        for side in ("LR" if "?" in row["name"] else "-")
    }


def _expectation(row: dict[str, str]) -> Expectation:
    levels = (float(row["highest"]), float(row["lowest"])) if row["highest"] else None
    volume = (float(row["smallest_cm3"]), float(row["largest_cm3"]))
    return Expectation(row["leans"], volume, levels, tuple(filter(None, row["behind"].split(";"))), row["source"])


def side_of(name: str) -> str:
    """L or R for a structure of one side of the body, else empty."""
    entry = primary_names().get(name)
    if entry is not None:
        return entry.side if entry.side in ("L", "R") else ""
    return name[-1] if name[-2:] in ("_L", "_R") else ""


def partner_of(name: str) -> str | None:
    """The same structure on the other side, or None."""
    if name[-2:] not in ("_L", "_R") or not side_of(name):
        return None
    return name[:-1] + ("R" if name[-1] == "L" else "L")
