"""A folder of originals into a folder of de-identified copies: survey, copy, search, release.

Copies are written beside the output folder and moved into it only after the search of every byte, so the output
folder never holds a file that was not searched. A run that was interrupted goes on where it stopped; one bad file
stops nothing.
"""

import errno
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from ..errors import FedRTError
from ..names import NameMap
from ..privacy import without_identity
from ..pseudonym import SiteKey
from ..reporting import Reporter
from . import dates, folders, profile
from .objects import Done, Job, deidentify_file
from .removed import Removed, anywhere, date_spellings, in_texts, shifted_dates
from .report import Row, read_rows, write_report
from .search import Patterns, patterns_of, spellings
from .settings import Settings
from .survey import Survey, survey
from .verify import Finding, Searched, Words, search_file, search_text
from .workers import Workers

RULES = 1
"""Counts up when what is done to a file changes, so that a run over an older output makes its copies anew."""


@dataclass
class Outcome:
    """What a run did. rows: one a source file, without identity; findings: copies that were withheld, with the
    reasons."""

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
        FedRTError: the folders cannot be used (`folders.check_folders`), or the disk is full.
    """
    settings, report = settings or Settings(), report or Reporter()
    folders.check_folders(source, out, None)
    try:
        with Workers(jobs) as workers:
            return _run(source, out, key, settings, report, names, workers, jobs)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FedRTError(f"the disk of {out} is full; make room and start the same command again.") from None
        raise FedRTError(f"{out} cannot be written ({error.strerror}); check the folder's permissions.") from None


def _run(source, out, key: SiteKey, settings, report, names, workers: Workers, jobs: int) -> Outcome:
    outcome = Outcome()
    surveys = _survey_all(source, settings, report, outcome, workers, key)
    identities = _identities(surveys)
    tag = folders.settings_digest(str(RULES), profile.EDITION, settings.model_dump_json(), _map_digest(names))
    planned = _plan(surveys, out, key, tag, identities, outcome)
    removed = _copy_all(planned, out, settings, key, names, report, outcome, workers)
    _search_all(planned, out, removed, key, settings, report, outcome, jobs)
    _release(planned, out, removed, settings, outcome)
    return outcome


# --- what is there
# ------------------------------------------------------------------------------------------------------


def _survey_all(source, settings, report, outcome: Outcome, workers, key: SiteKey) -> list[Survey]:
    """The files that can be de-identified; the others end up in `outcome` with their reason."""
    paths = folders.source_files(source)
    if not paths:
        raise FedRTError(f"{source} holds no files; name the folder with the original DICOM files.")
    usable: list[Survey] = []
    seen: dict[str, Survey] = {}
    for done, found in enumerate(workers.each(survey, paths)):
        report.progress("look", done, len(paths))
        problem = found.problem or _doubled(seen.get(found.instance), found)
        if not problem and found.risks.certain and settings.flagged == "skip":
            problem = f"may show text in its pixels: {'; '.join(found.risks.certain)} (--flagged keep writes it)"
        if problem:
            outcome.rows.append(Row("", "skipped", problem, folders.fingerprint(found.path, key, "")))
            shown = without_identity(
                str(found.path.relative_to(source) if found.path != source else found.path.name), *found.identities
            )
            report.warning(f"{shown}: {problem}; left out.")
        else:
            seen.setdefault(found.instance, found)
            usable.append(found)
    report.progress("look", len(paths), len(paths))
    return usable


def _doubled(first: Survey | None, found: Survey) -> str:
    if first is None or found.problem:
        return ""
    same = first.path.stat().st_size == found.path.stat().st_size and first.path.read_bytes() == found.path.read_bytes()
    return "the same file is there twice" if same else "another file with the same SOP Instance UID comes first"


def _identities(surveys: list[Survey]) -> dict[str, frozenset[str]]:
    """Patient -> words that none of the patient's texts may keep, from all of the patient's files."""
    found: dict[str, Removed] = {}
    for one in surveys:
        found.setdefault(one.patient, Removed()).merge(one.removed)
    return {patient: frozenset(removed.identity_words()) for patient, removed in found.items()}


def _map_digest(names: NameMap | None) -> str:
    entries = names.entries if names else {}
    return folders.settings_digest(
        *(f"{name}\0{entry.tg263}\0{entry.status}" for name, entry in sorted(entries.items()))
    )


# --- copies
# -------------------------------------------------------------------------------------------------------------


@dataclass
class Planned:
    """A file, its copy's name below OUT, and whether the copy is there from an earlier run."""

    survey: Survey
    job: Job
    name: str
    row: Row
    there: bool


def _plan(surveys, out: Path, key: SiteKey, tag: str, identities, outcome: Outcome) -> list[Planned]:
    waiting, earlier = folders.unverified(out), read_rows(out)
    earlier |= read_rows(folders.unverified(out))
    heads = {one.frame for one in surveys if one.risks.shows_head and one.frame}
    planned = []
    for one in surveys:
        pseudonym = key.pseudonym(one.patient)
        name = folders.name_of(one, pseudonym, key)
        print_ = folders.fingerprint(one.path, key, f"{tag}\0{sorted(identities[one.patient])}")
        row = Row(name, "written", "", print_, one.risks.certain + one.risks.possible + _head(one, heads))
        there = earlier.get(name) == print_ and ((out / name).is_file() or (waiting / name).is_file())
        target = None if there else waiting / name
        planned.append(Planned(one, Job(one, pseudonym, identities[one.patient], target), name, row, there))
    return planned


def _head(one: Survey, heads: set[str]) -> tuple[str, ...]:
    shows = one.risks.head or (one.modality in ("CT", "MR", "PT") and one.frame in heads)
    return ("may show a face (head scan): deface before it is published",) if shows else ()


def _copy_all(
    planned: list[Planned], out: Path, settings, key, names, report, outcome: Outcome, workers
) -> dict[str, Removed]:
    """Write the copies; returns what was removed from each patient's objects."""
    removed: dict[str, Removed] = {}
    waiting = folders.unverified(out)
    if any(not one.there for one in planned):
        waiting.mkdir(parents=True, exist_ok=True)
    done_rows = []
    work = workers.each(deidentify_file, [one.job for one in planned], settings, key, names)
    for number, (one, done) in enumerate(zip(planned, work, strict=True)):
        report.progress("de-identify", number, len(planned))
        _take_in(one, done, removed, outcome, report)
        if one.row.status == "written" and not one.there:
            done_rows.append(one.row)
            if len(done_rows) % 200 == 0:
                write_report(waiting, done_rows, None)
    if done_rows:
        write_report(waiting, done_rows, None)
    report.progress("de-identify", len(planned), len(planned))
    return removed


def _take_in(one: Planned, done: Done, removed: dict[str, Removed], outcome: Outcome, report: Reporter) -> None:
    outcome.rows.append(one.row)
    removed.setdefault(one.survey.patient, Removed()).merge(done.removed)
    removed[one.survey.patient].merge(one.survey.removed)
    outcome.counts.update(done.counts)
    if done.problem:
        one.row.name, one.row.status, one.row.reason = "", "skipped", done.problem
        shown = without_identity(one.survey.path.name, *one.survey.identities)
        report.warning(f"{shown}: {done.problem}; left out.")


# --- search and release
# -------------------------------------------------------------------------------------------------


def _search_all(planned, out: Path, removed: dict[str, Removed], key, settings, report, outcome: Outcome, jobs) -> None:
    """Search every copy for every value that was removed from any object."""
    patterns = _patterns(removed)
    own = {patient: _words(patient, one, key, settings) for patient, one in removed.items()}
    copies = [one for one in planned if one.row.status == "written"]
    outcome.searched["values"] = len(patterns) + sum(len(words.dates) + len(words.words) for words in own.values())
    with Workers(jobs, patterns, own) as workers:
        results = workers.each(search_copy, [(_place(out, one.name), one.survey.patient) for one in copies])
        for number, (one, result) in enumerate(zip(copies, results, strict=True)):
            report.progress("search", number, len(copies))
            _note(one, result, search_text(one.name, patterns), outcome, report)
    report.progress("search", len(copies), len(copies))


def search_copy(task: tuple[Path, str], patterns: Patterns, own: dict[str, Words]) -> Searched:
    """Search one copy; `task` is its path and its patient."""
    return search_file(task[0], patterns, own[task[1]])


def _place(out: Path, name: str) -> Path:
    waiting = folders.unverified(out) / name
    return waiting if waiting.is_file() else out / name


def _note(one: Planned, result: Searched, in_name: list[Finding], outcome: Outcome, report: Reporter) -> None:
    outcome.searched["files"] += 1
    outcome.searched["bytes"] += result.size
    outcome.searched["coincidences"] += result.coincidences
    findings = result.findings + in_name
    if findings:
        outcome.findings[one.name] = findings
        one.row.status, one.row.reason = (
            "withheld",
            "; ".join(f"{f.where} holds what was removed from {f.of}" for f in findings),
        )
        report.warning(f"{one.name}: {one.row.reason}; withheld.")


def _patterns(removed: dict[str, Removed]) -> Patterns:
    texts: dict[str, tuple[str, str]] = {}
    raw: dict[bytes, tuple[str, str]] = {}
    kept = set().union(*(one.kept_words() for one in removed.values()))
    for one in removed.values():
        texts |= {text: meaning for text, meaning in anywhere(one).items() if text not in texts and text not in kept}
        raw |= {value: ("text", where) for value, where in one.raw.items() if len(value) >= 6}
    return patterns_of(texts, raw.items())


def _words(patient: str, removed: Removed, key: SiteKey, settings: Settings) -> Words:
    texts = date_spellings(removed)
    patterns = Patterns({spelling: (text, meaning) for text, meaning in texts.items() for spelling in spellings(text)})
    days = {"modified": dates.shift_days(patient, key), "full": 0}.get(settings.dates)
    made = frozenset() if days is None else shifted_dates(removed, days)  # reckoned anew, not what the copies hold
    return Words(patterns, in_texts(removed), made, frozenset(anywhere(removed)), key.pseudonym(patient))


def _release(planned: list[Planned], out: Path, removed, settings: Settings, outcome: Outcome) -> None:
    """Move what was searched and found clean into the output folder, the rest out of it, and write the report."""
    waiting, bad = folders.unverified(out), folders.withheld(out)
    out.mkdir(parents=True, exist_ok=True)
    for one in planned:
        if one.row.status == "skipped":
            (waiting / one.name).unlink(missing_ok=True)
            continue
        target = (bad if one.row.status == "withheld" else out) / one.name
        place = _place(out, one.name)
        if place != target:
            target.parent.mkdir(parents=True, exist_ok=True)
            place.replace(target)
        one.row.name = one.name
    _remove_strangers(out, {one.name for one in planned if one.row.status == "written"})
    write_report(out, outcome.rows, _summary(settings, outcome))
    shutil.rmtree(waiting, ignore_errors=True)


def _remove_strangers(out: Path, names: set[str]) -> None:
    """A copy whose original is gone, or is left out now, was not searched in this run: it goes."""
    for path in folders.copies_in(out):
        if path.relative_to(out).as_posix() not in names:
            path.unlink()


def _summary(settings: Settings, outcome: Outcome) -> dict:
    states = Counter(row.status for row in outcome.rows)
    flags = Counter(flag for row in outcome.rows if row.status == "written" for flag in row.flags)
    return {
        "software": f"FedRT {__version__}",
        "profile": f"{profile.EDITION} Table E.1-1, Basic Application Level Confidentiality Profile",
        "settings": settings.model_dump(exclude={"harmless_words"}),
        "dates": f"{dates.SHORTEST_WEEKS} to {dates.LONGEST_WEEKS} weeks into the past, the same for all of a patient's objects"
        if settings.dates == "modified"
        else settings.dates,
        "files": {"written": states["written"], "skipped": states["skipped"], "withheld": states["withheld"]},
        "skipped": dict(Counter(row.reason for row in outcome.rows if row.status == "skipped").most_common()),
        "flagged": dict(flags.most_common()),
        "actions": dict(sorted(outcome.counts.items())),
        "search": {
            **{k: outcome.searched[k] for k in ("values", "files", "bytes", "coincidences")},
            "found": len(outcome.findings),
        },
    }


__all__ = ["Outcome", "deidentify"]
