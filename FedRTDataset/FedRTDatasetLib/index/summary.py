"""What the stored headers say together: whose they are, which series there are, and what is wrong with files and series."""

import json
from collections import Counter
from collections.abc import Iterable

from .findings import Findings
from .rows import SeriesRows
from .scan import given_path
from .series_slices import volumes_of
from .store import Store

OF_KIND = "kind <> 'image' AND kind = ? AND +id IN (SELECT id FROM member)"


def seen_identities(store: Store) -> set[str]:
    """Every Patient ID and name in the store."""
    found = {value for row in store.rows("SELECT DISTINCT patient, name FROM part") for value in row}
    for (content,) in store.stream(
        "SELECT content FROM file WHERE kind <> 'image' AND kind IN ('RTSTRUCT', 'RTPLAN', 'RTDOSE', 'REG')"
    ):
        values = json.loads(content)
        found |= {values["patient_id"], values["patient_name"]}
    for (content,) in store.stream("SELECT content FROM file WHERE kind <> 'image' AND kind = 'problem'"):
        found |= set(json.loads(content)[1])
    return found


def list_series(store: Store) -> None:
    """Fill the run's table of series; `odd` are those whose slices do not all have one geometry and a position of their own."""
    store.run(
        "INSERT INTO series SELECT series, count(*), count(DISTINCT part) > 1 OR count(DISTINCT position) < count(*) "
        "FROM slice GROUP BY series"
    )


def count_others(store: Store) -> Counter:
    """DICOM files that are neither images nor RT objects of a dataset, by what they are."""
    sql = f"SELECT content, count(*) FROM file WHERE {OF_KIND} GROUP BY content"
    return Counter(dict(store.rows(sql, "other")))


def add_file_problems(store: Store, barred: Iterable[str], findings: Findings) -> None:
    """Files that could not be used, and folders that could not be opened."""
    for folder in barred:
        findings.add(
            "unreadable", f"the folder {findings.name(folder)} may not be opened: change its permissions.", path=folder
        )
    sql = f"SELECT path, content FROM file WHERE {OF_KIND} ORDER BY path"
    for path, content in store.rows(sql, "problem"):
        findings.add_file(given_path(path), json.loads(content)[0])


def add_series_problems(store: Store, all_series: SeriesRows, findings: Findings) -> None:
    """Series that are more than one volume, or lack a Patient ID or UIDs."""

    def first(uid: str) -> str:
        return given_path(store.rows("SELECT min(path) FROM slice WHERE series = ?", uid)[0][0])

    def example(uid: str) -> str:
        return findings.name(first(uid))

    for (uid,) in store.rows("SELECT uid FROM series WHERE odd ORDER BY uid"):
        notes: list[str] = []
        try:
            volumes_of(all_series.plain(uid), notes)
        except (ValueError, TypeError, ArithmeticError) as error:
            notes.append(f"its slices cannot be sorted ({type(error).__name__}): export it again.")
        for note in _few(notes):
            text = f"series of {example(uid)}: {findings.identities.hidden(note)}"
            findings.add("series-slices", text, about=uid, path=first(uid))
    for (uid,) in store.rows("SELECT DISTINCT series FROM slice WHERE patient = '' ORDER BY series"):
        text = f"series of {example(uid)} has no Patient ID: patients without one are taken for the same."
        findings.add("no-patient-id", text, about=uid, path=first(uid))
    for (uid,) in store.rows("SELECT DISTINCT series FROM slice WHERE shared LIKE '%, \"1\"]' ORDER BY series"):
        text = (
            f"series of {example(uid)} lacks UIDs: taken as one by its folder, frame of reference and number; if a system is "
            "to know what is drawn on it, export it with its UIDs."
        )
        findings.add("missing-uid", text, about=uid, path=first(uid))


def _few(notes: list[str]) -> list[str]:
    """The first notes of each sort: a series may have hundreds of duplicated slices."""
    shown, sorts = [], Counter()
    for note in notes:
        sort = note.split(" ", 1)[0]
        sorts[sort] += 1
        if sorts[sort] <= 2:
            shown.append(note)
    left = len(notes) - len(shown)
    return [*shown, f"and {left} more such slices."] if left else shown
