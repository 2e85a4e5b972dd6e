"""All 717 primary names of AAPM TG-263, with what the report says of each.

Source: AAPM Task Group 263, "Standardizing Nomenclatures in Radiation Oncology" (Mayo et al., 2018), its worksheet of
structure names. `data/tg263.csv` holds names, categories, sides and FMA codes: facts, which no copyright covers; the
report's descriptions are not copied. Three names are spelt in the worksheet as they stand here (`Colon_Decending`,
`Hypothalmus`, `LN_lliac_Int_R`), so that they agree with the official list; the common spelling maps to them.
"""

import csv
import functools
import re
from dataclasses import dataclass
from importlib import resources

_AIDS = ("Bag_Ostomy", "Bolus", "Bolus_xxmm", "Eval", "Foley", "IDL", "Leads", "Markers", "Pacemaker", "Prosthesis")


@dataclass(frozen=True)
class Tg263Name:
    """One primary name.

    reverse: the report's reverse order name (`L_Kidney`). kind: anatomic, target, derived, prv or other. category and
    group: the report's major category and anatomic group. side: L, R, B for a pair named together, or empty.
    fma: code in the Foundational Model of Anatomy, or empty.
    """

    name: str
    reverse: str
    kind: str
    category: str
    group: str
    side: str
    fma: str

    @property
    def is_helper(self) -> bool:
        """A planning aid, a margin or a device: a TG-263 name, but nothing to learn the anatomy from."""
        return self.kind in ("derived", "prv") or self.name in _AIDS or self.name.startswith("E-PTV")


@functools.cache
def primary_names() -> dict[str, Tg263Name]:
    """Every primary name, in the order of the alphabet."""
    text = resources.files("FedRTDatasetLib").joinpath("data", "tg263.csv").read_text(encoding="utf-8")
    return {row["name"]: Tg263Name(**row) for row in csv.DictReader(text.splitlines())}


@functools.cache
def _by_spelling() -> dict[str, str]:
    """Both orders of every name, whatever the case and the separator."""
    spelt = {one_separator(entry.reverse): entry.name for entry in primary_names().values()}
    return spelt | {one_separator(name): name for name in primary_names()}


def one_separator(name: str) -> str:
    """Lower case, every separator the same. But none is not a separator: `cochlear` is not `Cochlea_R`."""
    return re.sub(r"[\s_\-.,:;/]+", "_", name.strip().casefold()).strip("_")


def exactly(roi_name: str) -> str | None:
    """The primary name that `roi_name` is, in either order; also with the millimetres that stand as x in the report."""
    found = _by_spelling().get(one_separator(roi_name))
    if found is not None:
        return found
    margin = re.fullmatch(r"(?i)(.+)_prv(\d{1,2})((?:_[lr])?)", one_separator(roi_name))
    if margin is None:
        return None
    base = _by_spelling().get(margin[1])
    if base is None:
        return None
    return f"{base}_PRV{margin[2]}{margin[3].upper()}"
