"""Files that claim to be the same thing: which one counts.

1. A series under several Patient IDs: the patient with most of its files counts (of equals, the first in order); the files of
   the others are left out.
2. Several files with one SOP Instance UID in a series, or several RT objects with one: the first by path counts, unless it is
   clearly smaller than another, as what a broken transfer left of a file is. Where patients differ among RT objects, the
   first whose patient is that of the images it was drawn on.
3. Copies with other content are told apart from plain copies: for images by the header elements the index reads and by a
   sample of the pixels, for RT objects by the whole file. File meta information does not count: it tells who wrote the file.
"""

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import BinaryIO

from .findings import Findings
from .header import start_of_data
from .scan import given_path
from .store import Store

SAMPLE = 65536
"""Bytes compared at the middle and at the end of an image."""
WHOLE_FIRST = "20 * size < 19 * max(size) OVER (), path"


@dataclass
class _Copies:
    """Files left out for one reason: how many, one of them, and the one that counts instead."""

    count: int = 0
    example: str = ""
    instead: str = ""

    def add(self, path: str, instead: str) -> None:
        self.count += 1
        self.example, self.instead = self.example or path, self.instead or instead

    def subject(self, findings: Findings, one: str, many: str) -> str:
        name = findings.name(self.example)
        return f"{name} {one}" if self.count == 1 else f"{self.count} files such as {name} {many}"


def leave_out_duplicates(store: Store, findings: Findings) -> None:
    """Note in the store's `left_out` every file that does not count, and say so."""
    _series_of_several_patients(store, findings)
    images: dict[tuple[str, str], _Copies] = defaultdict(_Copies)
    shared: dict[tuple[str, str], _Copies] = defaultdict(_Copies)
    for (uid,) in store.stream("SELECT uid FROM file WHERE uid IS NOT NULL GROUP BY uid HAVING count(*) > 1"):
        _image_copies(store, uid, images, shared)
        _object_copies(store, uid, findings)
    for (_, kind), copies in sorted(images.items()):
        if kind == "duplicate":
            told = copies.subject(findings, "is a second copy of slice", "are second copies of slices, here of")
            findings.add(kind, f"{told} {findings.name(copies.instead)}: left out.", path=copies.example)
        else:
            told = copies.subject(findings, "has the UID of slice", "have the UIDs of other slices, here of")
            text = f"{told} {findings.name(copies.instead)} but other content: left out; remove the wrong ones."
            findings.add(kind, text, path=copies.example)
    for copies in shared.values():
        told = copies.subject(findings, "has the same UID", "have the same UIDs")
        text = f"{told} as slices of another series, such as {findings.name(copies.instead)}: both are kept; check the export."
        findings.add("same-uid", text, path=copies.example)


def _series_of_several_patients(store: Store, findings: Findings) -> None:
    for (series,) in store.rows("SELECT series FROM part GROUP BY series HAVING count(DISTINCT patient) > 1"):
        patients = store.rows(
            "SELECT patient, count(*), min(path) FROM slice WHERE series = ? GROUP BY patient ORDER BY count(*) DESC, patient",
            series,
        )
        for patient, count, path in patients[1:]:
            store.run("INSERT INTO left_out SELECT id FROM slice WHERE series = ? AND patient = ?", series, patient)
            told = _Copies(count, given_path(path)).subject(findings, "carries", "carry")
            text = f"{told} another Patient ID than the rest of the series: left out; check the export."
            findings.add("patient-mismatch", text, about=series, path=given_path(path))


def _image_copies(store: Store, uid: str, images: dict, shared: dict) -> None:
    rows = store.rows(
        f"SELECT series, id, path, part, position, number, phase FROM slice WHERE uid = ? ORDER BY {WHOLE_FIRST}", uid
    )
    first: dict[str, tuple] = {}
    for series, file, stored, *header in rows:
        path = given_path(stored)
        if series not in first:
            if first:
                other = min(first)
                shared[min(series, other), max(series, other)].add(path, first[other][0])
            first[series] = path, header
            continue
        same = header == first[series][1] and _same_content(path, first[series][0], whole=False)
        images[series, "duplicate" if same else "conflict"].add(path, first[series][0])
        store.run("INSERT INTO left_out VALUES (?)", file)


def _object_copies(store: Store, uid: str, findings: Findings) -> None:
    rows = store.rows(f"SELECT id, path, content FROM object WHERE uid = ? ORDER BY {WHOLE_FIRST}", uid)
    if len(rows) < 2:
        return
    contents = [json.loads(content) for _, _, content in rows]
    patients = [content["patient_id"] for content in contents]
    chosen = 0
    if len(set(patients)) > 1:
        own = _patients_of_images(store, contents)
        chosen = next((n for n, patient in enumerate(patients) if patient in own), 0)
    kept = given_path(rows[chosen][1])
    for n, (file, stored, _) in enumerate(rows):
        if n == chosen:
            continue
        store.run("INSERT INTO left_out VALUES (?)", file)
        path = given_path(stored)
        names = findings.name(path), findings.name(kept)
        if patients[n] != patients[chosen]:
            text = f"{names[0]} has the UID of {names[1]} but another Patient ID: left out; correct it at its source."
            findings.add("patient-mismatch", text, about=uid, path=path)
        elif contents[n] == contents[chosen] and _same_content(path, kept, whole=True):
            findings.add("duplicate", f"{names[0]} is a second copy of {names[1]}: the copy is left out.", path=path)
        else:
            text = f"{names[0]} has the UID of {names[1]} but other content: left out; remove the wrong one."
            findings.add("conflict", text, about=uid, path=path)


def _patients_of_images(store: Store, contents: list[dict]) -> set[str]:
    series = {uid for content in contents for uid in content.get("series_uids", ())}
    return {
        patient
        for uid in series
        for (patient,) in store.rows("SELECT DISTINCT patient FROM slice WHERE series = ?", uid)
    }


def _same_content(path: str, other: str, *, whole: bool) -> bool:
    """Whether two files hold the same bytes after their file meta information; without `whole`, by samples of them."""
    try:
        starts = start_of_data(path), start_of_data(other)
        with open(path, "rb") as a, open(other, "rb") as b:
            lengths = [os.fstat(file.fileno()).st_size - start for file, start in zip((a, b), starts, strict=True)]
            if lengths[0] != lengths[1]:
                return False
            places = range(0, lengths[0], SAMPLE) if whole else {lengths[0] // 2, max(lengths[0] - SAMPLE, 0)}
            return all(_block(a, starts[0] + place) == _block(b, starts[1] + place) for place in places)
    except OSError:
        return False


def _block(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(SAMPLE)
