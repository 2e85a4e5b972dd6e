"""Which slices of a series form a volume: localisers, repeated positions, phases, echoes.

The rule, in this order:

1. Slices marked LOCALIZER in Image Type are left out (unless there are no others). Of the rest, the largest group of
   equal orientation, size and pixel spacing counts; slices that differ from it are left out.
2. Where no two slices lie at one position, they are one volume.
3. Else the series holds several volumes. They are told apart by the first of these attributes that does: Temporal Position
   Identifier, Diffusion b-value, Echo Time, Echo Numbers, Frame Reference Time, Trigger Time, Acquisition Number, Image
   Type. One tells them apart when it takes at most as many values as there are slices at one position (so that an
   Acquisition Number that counts slices, or a Trigger Time that differs from slice to slice, does not); what still repeats
   afterwards is divided by the next.
4. Where none does but every position holds the same number of slices, the first by Instance Number at each position form
   the first volume, the second ones the second, and so on.
5. What still lies at one position is a duplicated slice: the lowest Instance Number stays (of equals, the lowest UID).

The volume with most slices is used; of equals, the first in the order of the attributes that tell them apart.

Source: DICOM PS3.3 C.7.6.2.1.1 (position and orientation), C.7.6.16.2.2 (temporal position), C.8.3 (MR), C.8.9 (PET).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from .dicom_index import ImageSeries

SEPARATORS = (
    "TemporalPositionIdentifier", "DiffusionBValue", "EchoTime", "EchoNumbers", "FrameReferenceTime", "TriggerTime",
    "AcquisitionNumber", "ImageType",
)  # fmt: skip
SAME_DIRECTION = 2e-3  # directions are often written with few decimals, and differently from slice to slice
SAME_POSITION_MM = 1e-3


def volumes_of(series: "ImageSeries", notes: list[str]) -> list[list[str]]:
    """SOP Instance UIDs of each volume in the series, sorted along the normal (row x column direction); the one to use first.

    What was left out, and that there are several volumes, is appended to `notes`.
    """
    if not series.headers:
        return []
    uids = _main_group(series.headers, _without_localisers(series.headers, notes), notes)
    slices = _Slices(series.headers, uids)
    volumes, told_by = _separate(slices, [uids])
    volumes, by_order = _by_order_of_instances(slices, volumes)
    told_by += ["the order of Instance Numbers"] if by_order else []
    kept = [_one_per_position(slices, series, volume, notes) for volume in volumes]
    kept.sort(key=lambda volume: -len(volume))  # stable: of equals the first stays first
    if len(kept) > 1:
        sizes = ", ".join(f"{n} of {size} slices" for size, n in sorted(Counter(map(len, kept)).items(), reverse=True))
        notes.append(
            f"the series holds {len(kept)} volumes ({sizes}), told apart by {' and '.join(told_by)}: the first with most "
            "slices is used."
        )
    return kept


def volume_for(series: "ImageSeries", image_uids: Iterable[str], notes: list[str]) -> list[str]:
    """The volume that holds most of `image_uids` (what a structure set was drawn on); with none of them, the first."""
    wanted = set(image_uids)
    own: list[str] = []
    volumes = volumes_of(series, own)
    best = max(volumes, key=lambda volume: len(wanted.intersection(volume)), default=[])
    if volumes and best is not volumes[0]:
        own = [note.replace("the first with most slices is used.", "the one contoured is used.") for note in own]
    notes += own
    return best


class _Slices:
    """Numbers of the slices that the rules compare."""

    def __init__(self, headers: "dict[str, Dataset]", uids: list[str]) -> None:
        self.headers = headers
        normal = np.cross(*np.reshape(_numbers(headers[uids[0]], "ImageOrientationPatient"), (2, 3)))
        self.offset = {uid: float(np.dot(_numbers(headers[uid], "ImagePositionPatient"), normal)) for uid in uids}

    def number(self, uid: str) -> int:
        try:
            return int(self.headers[uid].get("InstanceNumber") or 0)
        except (TypeError, ValueError):
            return 0

    def in_order(self, uids: Iterable[str]) -> list[str]:
        return sorted(uids, key=lambda uid: (round(self.offset[uid], 3), self.number(uid), uid))

    def by_position(self, uids: Iterable[str]) -> list[list[str]]:
        """Slices at one position together, positions in order."""
        groups: list[list[str]] = []
        for uid in self.in_order(uids):
            if groups and abs(self.offset[uid] - self.offset[groups[-1][0]]) < SAME_POSITION_MM:
                groups[-1].append(uid)
            else:
                groups.append([uid])
        return groups


def _without_localisers(headers: "dict[str, Dataset]", notes: list[str]) -> list[str]:
    others = [uid for uid, header in headers.items() if "LOCALIZER" not in _values(header.get("ImageType"))]
    left_out = len(headers) - len(others)
    if not others or not left_out:
        return list(headers)
    notes.append(f"{left_out} localiser slices left out.")
    return others


def _main_group(headers: "dict[str, Dataset]", uids: list[str], notes: list[str]) -> list[str]:
    """The largest group of equal orientation, size and pixel spacing."""
    exact: dict[tuple, list[str]] = defaultdict(list)
    for uid in uids:
        header = headers[uid]
        size = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
        exact[*size, _numbers(header, "PixelSpacing"), _numbers(header, "ImageOrientationPatient")].append(uid)
    groups: list[tuple[tuple, list[str]]] = []
    for key, members in sorted(exact.items(), key=lambda item: -len(item[1])):
        for other, together in groups:
            if _alike(key, other):
                together += members
                break
        else:
            groups.append((key, list(members)))
    main = max((together for _, together in groups), key=len)
    if len(main) < len(uids):
        notes.append(f"{len(uids) - len(main)} slices of another orientation or size (localiser?) left out.")
    return main


def _alike(a: tuple, b: tuple) -> bool:
    """Same size, pixel spacing within 0.1 %, directions within `SAME_DIRECTION`."""
    return (
        a[:2] == b[:2]
        and np.allclose(a[2], b[2], rtol=1e-3, atol=0)
        and len(a[3]) == len(b[3])
        and bool(np.allclose(a[3], b[3], rtol=0, atol=SAME_DIRECTION))
    )


def _separate(slices: _Slices, volumes: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    told_by = []
    for keyword in SEPARATORS:
        divided = [part for volume in volumes for part in _divide(slices, volume, keyword)]
        if len(divided) > len(volumes):
            told_by.append(keyword)
        volumes = divided
    return volumes, told_by


def _divide(slices: _Slices, volume: list[str], keyword: str) -> list[list[str]]:
    """The volume by the values of one attribute (in order), or whole where that attribute does not tell volumes apart."""
    positions = slices.by_position(volume)
    most = max(map(len, positions))
    if most == 1:
        return [volume]
    groups: dict[Any, list[str]] = defaultdict(list)
    for uid in volume:
        groups[_comparable(slices.headers[uid].get(keyword))].append(uid)
    parts = [groups[value] for value in sorted(groups, key=_order(slices, groups))]
    repeated = sum(len(part) - len(slices.by_position(part)) for part in parts)
    helps = repeated < len(volume) - len(positions)
    return parts if 1 < len(parts) <= most and helps else [volume]


def _order(slices: _Slices, groups: dict[Any, list[str]]) -> Callable[[Any], tuple]:
    """Numbers by size; texts (Image Type) by the lowest Instance Number; slices without the attribute last."""

    def key(value: Any) -> tuple:
        lowest = min(slices.number(uid) for uid in groups[value])
        if value is None:
            return 1, 0.0, lowest, ""
        return 0, value if isinstance(value, float) else 0.0, lowest, str(value)

    return key


def _by_order_of_instances(slices: _Slices, volumes: list[list[str]]) -> tuple[list[list[str]], bool]:
    result = []
    for volume in volumes:
        positions = slices.by_position(volume)
        counts = {len(position) for position in positions}
        if len(counts) == 1 and counts != {1} and len(positions) > 1:
            result += [list(part) for part in zip(*positions, strict=True)]
        else:
            result.append(volume)
    return result, len(result) > len(volumes)


def _one_per_position(slices: _Slices, series: "ImageSeries", volume: list[str], notes: list[str]) -> list[str]:
    kept = []
    for first, *others in slices.by_position(volume):
        kept.append(first)
        for uid in others:
            names = series.files[uid].name, series.files[first].name
            notes.append(f"slice {names[0]} lies where {names[1]} lies (duplicated slice): the second is left out.")
    return kept


def _values(value: Any) -> tuple:
    """A DICOM value of any multiplicity as a tuple."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, (str, int, float)) else tuple(value)


def _numbers(header: "Dataset", keyword: str) -> tuple[float, ...]:
    return tuple(float(value) for value in _values(header.get(keyword)))


def _comparable(value: Any) -> float | str | None:
    values = _values(value)
    if not values:
        return None
    try:
        return round(float(values[0]), 3) if len(values) == 1 else "\\".join(map(str, values))
    except ValueError:
        return str(values[0])
