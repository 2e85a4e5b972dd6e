"""A folder of originals into a folder of de-identified copies: survey, copy, search, release.

Copies are written beside the output folder and moved into it only after the search of every byte, so the output
folder never holds a file that was not searched. A run that was interrupted goes on where it stopped; one bad file
stops nothing. Copies of other originals that the folder holds already stay, and are searched as well.
"""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FedRTError
from ..naming.names import NameMap
from ..privacy import without_identity
from ..pseudonym import SiteKey
from ..reporting import Reporter
from ..storage.folder_lock import building
from ..system_error import refusal
from . import folders
from .objects import Done, deidentify_file
from .plan import Planned, plan
from .removed import Removed
from .report import (
    Row,
    key_check,
    read_rows,
    summary,
    write_report,
)
from .searching import Search, place_of
from .settings import Settings
from .survey import Survey, survey
from .verify import Finding
from .workers import Workers


@dataclass
class Outcome:
    """What a run did. rows: one an original, without identity; findings: withheld copies, with what was found where."""

    rows: list[Row] = field(default_factory=list)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)
    searched: Counter = field(default_factory=Counter)

    @property
    def clean(self) -> bool:
        """False where a removed value was found in a copy."""
        return not self.findings


def deidentify(
    source: Path,
    out: Path,
    key: SiteKey,
    settings: Settings | None = None,
    report: Reporter | None = None,
    *,
    names: NameMap | None = None,
    jobs: int = 1,
) -> Outcome:
    """De-identify every image and radiotherapy object below `source` into `out`; `source` is only read.

    Args:
        names: reviewed names; ROI names approved there become their TG-263 name.
        jobs: processes that work at the same time.

    Raises:
        FedRTError: the folders cannot be used (`folders.check_folders`), the copies in `out` were made with another
            key, or the disk is full.
    """
    settings, report = settings or Settings(), report or Reporter()
    folders.check_folders(source, out, None)
    key_check(out, key)
    try:
        return _run(source, out, key, settings, report, names, jobs)
    except OSError as error:
        if told := refusal(error, [out]):
            raise FedRTError(told) from None
        reason = error.strerror or type(error).__name__
        raise FedRTError(
            f"{out} cannot be written ({reason}); check the folder and start the same command again."
        ) from None


def _run(source: Path, out: Path, key: SiteKey, settings: Settings, report: Reporter, names, jobs: int) -> Outcome:
    outcome, waiting = Outcome(), folders.unverified(out)
    folders.make_private(waiting)
    with building(waiting):
        with Workers(jobs) as workers:
            surveys, left_out = _look(source, settings, report, outcome, workers, key)
            planned = plan(surveys, out, key, settings, names)
            removed = _copy(planned, source, out, settings, key, names, report, outcome, workers)
        _remove_left_out(out, left_out, key)
        earlier = _earlier(out, {one.name for one in planned})
        _search(planned, earlier, out, Search(removed, key, settings), report, outcome, jobs)
        _release([*(one.row for one in planned), *earlier], out)
        outcome.rows += earlier
        write_report(out, outcome.rows, summary(settings, key, outcome))
    shutil.rmtree(waiting, ignore_errors=True)
    return outcome


def _look(source: Path, settings, report, outcome: Outcome, workers, key) -> tuple[list[Survey], list[Survey]]:
    """The files that can be de-identified, and those that are left out (they are in `outcome` with their reason)."""
    paths = folders.source_files(source)
    if not paths:
        raise FedRTError(f"{source} holds no files; name the folder with the original DICOM files.")
    usable: list[Survey] = []
    left_out: list[Survey] = []
    seen: dict[str, Survey] = {}
    problems: list[tuple[Survey, str]] = []
    people: dict[Path, set[str]] = {}
    for done, found in enumerate(workers.each(survey, paths)):
        _tell(report, "look", done, len(paths))
        for folder in _folders_of(found.path, source):
            people.setdefault(folder, set()).update(found.identities)
        problem = found.problem or _doubled(seen.get(found.instance), found)
        if not problem:
            seen[found.instance] = found
            if found.risks.certain and settings.flagged == "skip":
                problem = f"may show text in its pixels: {'; '.join(found.risks.certain)} (--flagged keep writes it)"
                left_out.append(found)
        if problem:
            outcome.rows.append(Row("", "skipped", problem, folders.fingerprint(found.path, key, "")))
            problems.append((found, problem))
        else:
            usable.append(found)
    report.progress("look", len(paths), len(paths))
    for found, problem in problems:
        nearby = set().union(*(people[folder] for folder in _folders_of(found.path, source)))
        report.warning(f"{_shown(found, source, nearby)}: {problem}; left out.")
    return usable, left_out


def _tell(report: Reporter, stage: str, done: int, of: int) -> None:
    """Progress in at most two hundred steps."""
    if done % max(1, of // 200) == 0:
        report.progress(stage, done, of)


def _folders_of(path: Path, source: Path) -> set[Path]:
    """The folder a file lies in, and the one right below the source: most often a patient's."""
    inside = path.relative_to(source).parts if path != source else ()
    return {path.parent, source / inside[0]} if len(inside) > 1 else {path.parent}


def _shown(found: Survey, source: Path, identities: set[str]) -> str:
    """An original's path for the hospital's own screen, without what it holds of the patients nearby."""
    path = found.path.relative_to(source) if found.path != source else found.path.name
    return without_identity(str(path), *identities)


def _doubled(first: Survey | None, found: Survey) -> str:
    if first is None or found.problem:
        return ""
    same = first.path.stat().st_size == found.path.stat().st_size and first.path.read_bytes() == found.path.read_bytes()
    return "the same file is there twice" if same else "another file with the same SOP Instance UID comes first"


def _copy(
    planned, source: Path, out: Path, settings, key, names, report, outcome: Outcome, workers
) -> dict[str, Removed]:
    """Write the copies; returns what was removed from each patient's objects, also from those whose copy is there."""
    removed: dict[str, Removed] = {}
    waiting, rows = folders.unverified(out), []
    work = workers.each(deidentify_file, [one.job for one in planned], settings, key, names)
    for number, (one, done) in enumerate(zip(planned, work, strict=True)):
        _tell(report, "de-identify", number, len(planned))
        removed.setdefault(one.survey.patient, Removed()).merge(done.removed)
        removed[one.survey.patient].merge(one.survey.removed)
        outcome.rows.append(one.row)
        outcome.counts.update(done.counts)
        _note_problem(one, done, source, report)
        rows += [one.row] if one.row.status == "written" else []
        if len(rows) % 200 == 0:
            write_report(waiting, rows, None)
    write_report(waiting, rows, None)
    report.progress("de-identify", len(planned), len(planned))
    return removed


def _note_problem(one: Planned, done: Done, source: Path, report: Reporter) -> None:
    if done.problem:
        one.row.name, one.row.status, one.row.reason = "", "skipped", done.problem
        report.warning(f"{_shown(one.survey, source, set(one.survey.identities))}: {done.problem}; left out.")


def _remove_left_out(out: Path, left_out: list[Survey], key: SiteKey) -> None:
    """An object that an earlier run wrote and that is to stay out now."""
    for one in left_out:
        (out / folders.name_of(one, key.pseudonym(one.patient), key)).unlink(missing_ok=True)


def _earlier(out: Path, names: set[str]) -> list[Row]:
    """Copies in the output folder whose originals are not among this run's."""
    rows = [row for row in read_rows(out) if row.status == "written" and row.name not in names]
    return [row for row in rows if (out / row.name).is_file()]


def _search(planned, earlier: list[Row], out: Path, search: Search, report, outcome: Outcome, jobs: int) -> None:
    """Search every copy for every value that was removed from any object; what holds one is marked as withheld."""
    copies = [(one.row, one.survey.patient) for one in planned if one.row.status == "written"]
    copies += [(row, "") for row in earlier]
    outcome.searched["values"] = search.values
    results = search.each(out, [(row.name, patient) for row, patient in copies], jobs)
    for number, ((row, _), result) in enumerate(zip(copies, results, strict=True)):
        _tell(report, "search", number, len(copies))
        outcome.searched.update({"files": 1, "bytes": result.size, "coincidences": result.coincidences})
        if result.findings:
            outcome.findings[row.name] = result.findings
            row.status = "withheld"
            row.reason = "; ".join(f"{one.where} holds what was removed from {one.of}" for one in result.findings)
            report.warning(f"{row.name}: {row.reason}; withheld.")
    report.progress("search", len(copies), len(copies))


def _release(rows: list[Row], out: Path) -> None:
    """Move what was searched and found clean into the output folder, and the rest out of it."""
    out.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row.status == "skipped":
            continue
        place, target = place_of(out, row.name), out / row.name
        if row.status == "withheld":
            folders.make_private(folders.withheld(out))
            target = folders.withheld(out) / row.name
        if place != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            place.replace(target)


__all__ = ["Outcome", "deidentify"]
