"""What is to be done with each original: whose it is, what its copy is called, whether the copy is there already."""

from dataclasses import dataclass
from pathlib import Path

from ..naming.names import NameMap
from ..pseudonym import SiteKey
from . import folders, profile
from .objects import Job
from .removed import Removed
from .report import Row, read_rows
from .settings import Settings
from .survey import Survey

RULES = 1
"""Counts up when what is done to a file changes, so that a run over an older output makes its copies anew."""

FACE = "may show a face (head scan): deface before it is published"
SHARED = "its study has objects of several Patient IDs: look whose it is (each ID has its own pseudonym and dates)"


@dataclass
class Planned:
    """An original, its copy's name below OUT, and whether the copy is there from an earlier run."""

    survey: Survey
    job: Job
    name: str
    row: Row
    there: bool


def plan(surveys: list[Survey], out: Path, key: SiteKey, settings: Settings, names: NameMap | None) -> list[Planned]:
    """One entry an original, in their order."""
    identities = _identities(surveys)
    rules = folders.digest_of(str(RULES), profile.EDITION, settings.model_dump_json(), _decisions(names))
    waiting = folders.unverified(out)
    earlier = {row.name: row.source for row in [*read_rows(out), *read_rows(waiting)] if row.status == "written"}
    heads = {one.frame for one in surveys if one.risks.shows_head and one.frame}
    owners: dict[str, set[str]] = {}
    for one in surveys:
        owners.setdefault(one.study, set()).add(one.patient)
    planned = []
    for one in surveys:
        identity, pseudonym = identities[one.patient], key.pseudonym(one.patient)
        name = folders.name_of(one, pseudonym, key)
        source = folders.fingerprint(one.path, key, f"{rules}\0{sorted(identity)}")
        flags = one.risks.certain + one.risks.possible + _head(one, heads) + _shared(owners[one.study])
        there = earlier.get(name) == source and ((out / name).is_file() or (waiting / name).is_file())
        job = Job(one, pseudonym, identity, None if there else waiting / name)
        planned.append(Planned(one, job, name, Row(name, "written", "", source, flags), there))
    return planned


def _identities(surveys: list[Survey]) -> dict[str, frozenset[str]]:
    """Patient -> words that none of the patient's texts may keep, from all of the patient's files."""
    found: dict[str, Removed] = {}
    for one in surveys:
        found.setdefault(one.patient, Removed()).merge(one.removed)
    return {patient: frozenset(removed.identity_words()) for patient, removed in found.items()}


def _decisions(names: NameMap | None) -> str:
    entries = sorted(names.entries.items()) if names else []
    return folders.digest_of(*(f"{name}\0{entry.tg263}\0{entry.status}" for name, entry in entries))


def _head(one: Survey, heads: set[str]) -> tuple[str, ...]:
    shows = one.risks.head or (one.modality in ("CT", "MR", "PT") and one.frame in heads)
    return (FACE,) if shows else ()


def _shared(patients: set[str]) -> tuple[str, ...]:
    return (SHARED,) if len(patients) > 1 else ()
