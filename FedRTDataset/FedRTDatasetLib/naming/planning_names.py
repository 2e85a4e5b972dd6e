"""What planning systems ask of a structure: a short unique name and an interpreted type.

Some planning systems keep 16 characters of a ROI Name and take names that differ in case alone for one, so that longer or
equal names would come in cut or overwrite each other. The long name goes into ROI Description.
"""

import re

from .structures import table_rows

LONGEST = 16
SIDE = re.compile(r"[_ ](?:L|R|Lt|Rt|Left|Right)$", re.IGNORECASE)
VOWEL = re.compile(r"(?<=[^\W_])[aeiou](?![\W_])", re.IGNORECASE)  # within a word, not at its beginning
NUMBERS = range(2, 10_000)


def planning_names(names: list[str], longest: int = LONGEST) -> list[str]:
    """A name of at most `longest` characters for each name, no two alike (upper and lower case count as alike).

    Names that are short enough stay, the first of equal ones as it is; of the others vowels go before the end does, and a
    side (`_L`) always stays. What would be alike gets a number. The same names give the same result.
    """
    found: list[str | None] = [None] * len(names)
    taken: set[str] = set()
    clean = [_clean(name) for name in names]
    order = sorted(range(len(names)), key=lambda i: len(clean[i]) > longest)  # those that can stay come first
    for i in order:
        found[i] = _free(clean[i], longest, taken)
        taken.add(found[i].casefold())
    return [name for name in found if name is not None]


def shortened(name: str, longest: int = LONGEST) -> str:
    """The name within `longest` characters: first without vowels, from the end on, then cut; a side stays."""
    name = _clean(name)
    side = SIDE.search(name)
    stem, ending = (name[: side.start()], name[side.start() :]) if side else (name, "")
    room = longest - len(ending)
    for vowel in reversed([match.start() for match in VOWEL.finditer(stem)]):
        if len(stem) <= room:
            break
        stem = stem[:vowel] + stem[vowel + 1 :]
    return stem[:room].rstrip("_ ") + ending


def long_name(name: str, description: str, longest: int = LONGEST) -> str:
    """The name that `planning_names` made `name` of, if ROI Description says so; else `name`."""
    told = description.partition(";")[0].strip()
    if not told or told == name:
        return name
    made = {shortened(told, longest)} | {_numbered(told, n, longest) for n in NUMBERS[:98]}
    return told if name in made else name


def interpreted_type(name: str) -> str:
    """RT ROI Interpreted Type (PS3.3 C.8.8.8.1) of a structure by its TG-263 name; empty where the name does not tell."""
    for pattern, kind in INTERPRETED:
        if re.match(pattern, name, re.IGNORECASE):
            return kind
    return "ORGAN" if name in _organs() else ""


INTERPRETED = (
    (r"GTV", "GTV"),
    (r"(CTV|ITV|IGTV|ICTV)", "CTV"),
    (r"z?_?PTV.*[!-]", "CONTROL"),  # a target less something is a helper of the optimiser
    (r"PTV", "PTV"),
    (r"(External|Body)$", "EXTERNAL"),
    (r"(.*_PRV\d*|~?Avoid.*|.*Avoid)$", "AVOIDANCE"),
    (r"Bolus", "BOLUS"),
    (r"(Couch|Table|Support)", "SUPPORT"),
    (r"(Mask|Fixation|Immobili)", "FIXATION"),
    (r"(Marker|Fiducial|Clip|Seed)", "MARKER"),
    (r"Iso(cent(er|re))?\d*$", "ISOCENTER"),
    (r"(Cavity|Seroma)", "CAVITY"),
    (r"Contrast", "CONTRAST_AGENT"),
    (r"Dose", "DOSE_REGION"),
    (r"(z_|Ring|Opt)", "CONTROL"),
)
"""First matching pattern -> defined term."""


def _organs() -> set[str]:
    return {row["name"] for row in table_rows() if row["category"] not in ("target", "external")}


def _clean(name: str) -> str:
    """Without what a DICOM text value cannot hold (control characters, backslash) and without spaces around it."""
    return re.sub(r"[\x00-\x1f\x7f\\]+", " ", name).strip() or "ROI"


def _free(name: str, longest: int, taken: set[str]) -> str:
    short = shortened(name, longest) if len(name) > longest else name
    if short.casefold() not in taken:
        return short
    return next(text for n in NUMBERS if (text := _numbered(name, n, longest)).casefold() not in taken)


def _numbered(name: str, number: int, longest: int) -> str:
    """The name with a number before its side."""
    name = _clean(name)
    side = SIDE.search(name)
    stem, ending = (name[: side.start()], name[side.start() :]) if side else (name, "")
    tail = f"_{number}{ending}"
    return shortened(stem, longest - len(tail)) + tail
