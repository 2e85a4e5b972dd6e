"""Recognising the same images under two patient identifiers or series UIDs."""

import hashlib
from collections.abc import Iterable

import numpy as np

from ..dicom_file import read_dicom
from ..index.dicom_index import ImageSeries
from ..index.series_slices import volumes_of
from ..pseudonym import SiteKey


def fingerprint(series: ImageSeries, key: SiteKey) -> str:
    """A keyed hash of the stored pixels of three slices, a quarter, a half and three quarters up; empty if there are none.

    Decoded pixels count, so that a compressed copy is recognised, and the number of slices and their size. Slices of one
    value (air, padding) say nothing and do not count.
    """
    try:
        uids = volumes_of(series, [])[0]
    except Exception:  # it is told when the series is loaded
        return ""
    content = hashlib.sha256(f"{len(uids)}".encode())
    said = False
    for uid in (uids[len(uids) * quarter // 4] for quarter in (1, 2, 3)):
        try:
            pixels = np.ascontiguousarray(read_dicom(series.files[uid]).pixel_array)
        except Exception:
            content.update(b"unreadable")
            continue
        if pixels.size and pixels.min() != pixels.max():
            said = True
            content.update(f"{pixels.shape}".encode() + pixels.astype(np.int32).tobytes())
    return key.digest(content.hexdigest(), "pixels") if said else ""


def groups_of_same(images: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Patients that share images. `images`: (fingerprint, patient); returns groups of at least two patients, sorted."""
    leader: dict[str, str] = {}

    def head(patient: str) -> str:
        while leader.setdefault(patient, patient) != patient:
            patient = leader[patient]
        return patient

    first: dict[str, str] = {}
    for print_, patient in images:
        if print_:
            other = first.setdefault(print_, patient)
            low, high = sorted((head(other), head(patient)))
            leader[high] = low
    groups: dict[str, list[str]] = {}
    for patient in sorted(leader):
        groups.setdefault(head(patient), []).append(patient)
    return [group for group in groups.values() if len(group) > 1]
