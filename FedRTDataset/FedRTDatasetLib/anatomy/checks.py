"""Do structures lie where their names say, and are they as large as such structures are? Nothing is ever changed.

Every finding is a reason to look. Those of `QUESTIONS_NAME` speak against the name itself; a proposal of the name map that
they concern should wait for a person (`NameMap.doubt`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..finding import Finding
from ..naming.tg263 import primary_names
from .measured import (
    GridLike,
    Measured,
    centres_of_slices,
    measure,
)
from .table import expectations, partner_of, side_of

QUESTIONS_NAME = frozenset({"side", "swapped-pair", "wrong-volume", "position", "order"})
"""Kinds of findings that speak against the name."""

BODIES = ("Body", "External")
_AROUND = (*BODIES, "Skin", "Bolus")
_IN_PIECES = (
    "Bowel",
    "Bowel_Small",
    "Bowel_Large",
    "Colon",
    "Rib",
    "Bone",
    "BoneMarrow",
    "VBs",
    "Lips",
    "Skin",
    "Tonsil",
)
SIDE_TOLERANCE_MM = 10.0
ORDER_TOLERANCE_MM = 10.0
LEVELS_APART = 2
"""Two structures are compared in height where anatomy puts them at least so many vertebrae apart."""


@dataclass(frozen=True)
class Case:
    """The structures of one case, measured. body: centre of the body in each slice, or None."""

    masks: Mapping[str, np.ndarray]
    measured: Mapping[str, Measured]
    body: np.ndarray | None


def check_structures(masks: Mapping[str, np.ndarray], grid: GridLike) -> list[Finding]:
    """What is implausible about the structures of one case.

    Args:
        masks: TG-263 name -> mask [k, j, i], zero outside; all on `grid`.
        grid: anything with size, spacing_mm, origin_mm and direction as SimpleITK states them (`preprocess.Grid`).

    Returns:
        Findings, the gravest first. Kinds: side, swapped-pair, mirrored, position, order, volume, wrong-volume,
        pair-volume, outside-body, gap, overlap, same-mask.
    """
    measured = {name: found for name, mask in masks.items() if (found := measure(mask, grid)) is not None}
    body = next((masks[name] for name in BODIES if name in measured), None)
    case = Case(masks, measured, None if body is None else centres_of_slices(body, grid))
    checks = (_sides, _front_and_back, _heights, _volumes, _pairs, _inside_body, _gaps, _same)
    findings = [finding for check in checks for finding in check(case)]
    return sorted(findings, key=lambda f: (("error", "warning", "note").index(f.severity), f.structure, f.kind))


# --- left and right ------------------------------------------------------------------------------------------------------


def _sides(case: Case) -> Iterator[Finding]:
    tested, wrong = 0, []
    swapped = set()
    for name, found in case.measured.items():
        other = partner_of(name)
        if other in case.measured and name.endswith("_L"):
            tested += 1
            if found.centre[0] <= case.measured[other].centre[0]:
                swapped |= {name, other}
    for name in sorted(swapped):
        text = (
            f"{name} lies on the other side of {partner_of(name)}: left and right were exchanged; "
            "look at both and correct the names or leave both out."
        )
        wrong.append(Finding("swapped-pair", text, name, "error"))
    for name, found in case.measured.items():
        if name in swapped:
            continue
        finding = _one_side(case, name, found)
        tested += finding is not None
        if finding:
            wrong.append(finding)
    sided = [f for f in wrong if f.severity == "error"]
    if len({f.structure.rsplit("_", 1)[0] for f in wrong}) >= 2 and len(wrong) > tested / 2 and sided:
        text = "Most structures lie on the wrong side: the whole case looks mirrored; check its orientation before using it."
        yield Finding("mirrored", text, "", "error")
    yield from wrong


def _one_side(case: Case, name: str, found: Measured):
    """A finding, False where the side is right, None where it cannot be told."""
    side = side_of(name)
    leans = expectations()[name].leans if name in expectations() else ""
    expected = side or (leans if leans in ("L", "R") else "")
    if not expected or (found.cut and not side):
        return None
    middle = _middle(case, name, found)
    if middle is None:
        return None
    to_left = float(found.centre[0] - middle)
    beyond = -to_left if expected == "L" else to_left
    if beyond <= SIDE_TOLERANCE_MM:
        return False
    told = {"L": ("left", "right"), "R": ("right", "left")}[expected]
    if side:
        text = (
            f"{name} lies {beyond:.0f} mm {told[1]} of the body's middle, not {told[0]}: left and right may have been "
            "exchanged; look at it and correct the name or leave it out."
        )
        return Finding("side", text, name, "error")
    text = (
        f"{name} lies {beyond:.0f} mm {told[1]} of the body's middle, where it is rarely found: check the name and whether "
        "the image is mirrored."
    )
    return Finding("position", text, name, "warning")


def _middle(case: Case, name: str, found: Measured) -> float | None:
    """x (LPS, mm) of the body's middle beside a structure: of the body, else of pairs, else of structures in the midline."""
    if case.body is not None:
        beside = case.body[found.box[0], 0]
        if np.isfinite(beside).any():
            return float(np.nanmean(beside))
    own_pair = {name, partner_of(name)}
    halves = [
        (case.measured[left].centre[0] + case.measured[right].centre[0]) / 2
        for left in case.measured
        if left.endswith("_L") and (right := partner_of(left)) in case.measured and left not in own_pair
    ]
    midline = [
        case.measured[other].centre[0]
        for other in case.measured
        if other in expectations() and expectations()[other].leans == "M"
    ]
    known = halves or midline
    return float(np.median(known)) if known else None


# --- front and back, head and feet -----------------------------------------------------------------------------------------


def _front_and_back(case: Case) -> Iterator[Finding]:
    for name, found in case.measured.items():
        for before in expectations()[name].behind if name in expectations() else ():
            if before in case.measured and found.centre[1] < case.measured[before].centre[1] - ORDER_TOLERANCE_MM:
                text = (
                    f"{name} lies in front of {before}, not behind it: check both names, and whether the image is turned "
                    "upside down."
                )
                yield Finding("position", text, name, "warning")
                break


def _heights(case: Case) -> Iterator[Finding]:
    levels = {name: expectations()[name].levels for name in case.measured if name in expectations()}
    levels = {name: level for name, level in levels.items() if level is not None}
    tested, wrong = 0, []
    for upper, (_, lowest) in levels.items():
        for lower, (highest, _) in levels.items():
            if lowest + LEVELS_APART <= highest:
                tested += 1
                if case.measured[upper].centre[2] < case.measured[lower].centre[2] - ORDER_TOLERANCE_MM:
                    wrong.append((upper, lower))
    if len(wrong) > 1 and len(wrong) > tested / 2:
        text = (
            "Structures stand in reverse order from head to feet: the image may be upside down; check its orientation."
        )
        yield Finding("order", text, "", "error")
        return
    while wrong:
        worst = max(sorted({name for pair in wrong for name in pair}), key=lambda n: sum(n in pair for pair in wrong))
        pair = next(pair for pair in wrong if worst in pair)
        text = f"{pair[0]} lies below {pair[1]}, where it lies above it in every body: check the name of {worst}."
        yield Finding("order", text, worst, "warning")
        wrong = [pair for pair in wrong if worst not in pair]


# --- volume --------------------------------------------------------------------------------------------------------------


def _volumes(case: Case) -> Iterator[Finding]:
    for name, found in case.measured.items():
        if name not in expectations():
            continue
        smallest, largest = expectations()[name].volume_cm3
        small, large = found.volume_cm3 < smallest and not found.cut, found.volume_cm3 > largest
        if not small and not large:
            continue
        far = found.volume_cm3 > 3 * largest or (small and found.volume_cm3 < smallest / 3)
        text = (
            f"{name} has {found.volume_cm3:.3g} cm3, adults have {smallest:g} to {largest:g}: check that the name is right "
            "and the contour complete."
        )
        yield Finding("wrong-volume" if far else "volume", text, name, "warning")


def _pairs(case: Case) -> Iterator[Finding]:
    for left in sorted(case.measured):
        right = partner_of(left)
        if not left.endswith("_L") or right not in case.measured:
            continue
        a, b = case.measured[left], case.measured[right]
        common = _common(case, left, right)
        if common > 0.1 * min(a.voxels, b.voxels) and not _equal(case, left, right):
            text = f"{left} and {right} share {100 * common / min(a.voxels, b.voxels):.0f}% of the smaller: contour them apart."
            yield Finding("overlap", text, left, "warning")
        small, large = sorted((a.volume_cm3, b.volume_cm3))
        if large > 3 * small and not (a.cut or b.cut):
            text = (
                f"{left} and {right} differ {large / small:.1f}-fold in volume: check whether one is incomplete, or was "
                "removed in part."
            )
            yield Finding("pair-volume", text, left if a.volume_cm3 < b.volume_cm3 else right, "warning")


# --- body, gaps, doubles ----------------------------------------------------------------------------------------------------


def _inside_body(case: Case) -> Iterator[Finding]:
    name_of_body = next((name for name in BODIES if name in case.measured), None)
    if name_of_body is None:
        return
    for name, found in case.measured.items():
        if name in _AROUND:
            continue
        outside = 1 - _common(case, name, name_of_body) / found.voxels
        if outside > 0.1:
            text = f"{100 * outside:.0f}% of {name} lie outside {name_of_body}: check both contours."
            yield Finding("outside-body", text, name, "error" if outside > 0.5 else "warning")


def _gaps(case: Case) -> Iterator[Finding]:
    for name, found in case.measured.items():
        if not found.empty_slices or name in _IN_PIECES or name.startswith(("LN", "PTV", "CTV", "GTV", "ITV")):
            continue
        entry = primary_names().get(name)
        if entry is not None and entry.side == "B":
            continue
        text = (
            f"{name} is missing on {found.empty_slices} slices between its first and its last: interpolate or complete the "
            "contour in the planning system."
        )
        yield Finding("gap", text, name, "warning")


def _same(case: Case) -> Iterator[Finding]:
    names = sorted(name for name in case.measured if name not in _AROUND)
    for n, first in enumerate(names):
        for second in names[n + 1 :]:
            if _equal(case, first, second):
                text = f"{first} and {second} are the same to the voxel: one of the two names is wrong; correct it."
                severity = "error" if partner_of(first) == second else "warning"
                yield Finding("same-mask", text, first, severity)


def _common(case: Case, first: str, second: str) -> int:
    """Voxels that both have."""
    box = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(case.measured[first].box, case.measured[second].box, strict=True)
    )
    if any(s.start >= s.stop for s in box):
        return 0
    return int(np.count_nonzero((np.asarray(case.masks[first])[box] != 0) & (np.asarray(case.masks[second])[box] != 0)))


def _equal(case: Case, first: str, second: str) -> bool:
    a, b = case.measured[first], case.measured[second]
    return a.voxels == b.voxels and a.box == b.box and _common(case, first, second) == a.voxels
