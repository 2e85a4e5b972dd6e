"""What lies in folders of DICOM: image series, RT objects, how they refer to each other, and what is wrong.

Reads headers only, each file once: what was read is kept in a store (`index/store.py`), so the next run reads what is new or
changed. Nothing here stops at a bad file: it is listed as a problem and the rest goes on. An `Index` reads its objects from
the store when they are asked for, so it needs no more memory for more files.

The rules are with the code that applies them: what a file is in `index/record.py`, copies in `index/duplicates.py`, links in
`index/links.py`, the volumes of a series in `index/series_slices.py`.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FedRTError
from ..reporting import Reporter
from .duplicates import leave_out_duplicates
from .findings import Findings, Identities
from .links import link_dose, link_plan, link_structure_set
from .objects import (
    ImageSeries,
    Problem,
    Registration,
    RtObject,
)
from .rows import (
    ObjectRows,
    SeriesRows,
    Subset,
    registration_object,
    rt_object,
)
from .scan import Scanned, scan
from .store import Store, open_store
from .summary import (
    add_file_problems,
    add_series_problems,
    count_others,
    list_series,
    seen_identities,
)
from .walk import Found, found_files, walk

if TYPE_CHECKING:
    from .selection import Selection

__all__ = [
    "ImageSeries", "Index", "Problem", "Registration", "RtObject", "index_files", "index_folders",
]  # fmt: skip


@dataclass
class Index:
    """All that was found. `series`, `structure_sets`, `plans`, `doses` and `registrations` are by UID, read when asked for.

    `links` maps the SOP Instance UID of an RTSTRUCT to the series it was drawn on, `plan_links` and `dose_links` those of an
    RTPLAN or RTDOSE to its structure set (None: by what each refers to). `doubts` holds, by UID, what is doubtful about an
    object or series; the same texts are among the `problems`. `others` counts DICOM files that no dataset is made of, by what
    they are. `scanned`: how many files there are and how many of them had to be read.
    """

    series: Mapping[str, ImageSeries] = field(default_factory=dict)
    structure_sets: Mapping[str, RtObject] = field(default_factory=dict)
    plans: Mapping[str, RtObject] = field(default_factory=dict)
    doses: Mapping[str, RtObject] = field(default_factory=dict)
    registrations: Mapping[str, Registration] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    plan_links: dict[str, str] | None = None
    dose_links: dict[str, str] | None = None
    guessed: set[str] = field(default_factory=set)
    """UIDs of the RT objects that are linked by their frame of reference alone."""
    doubts: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    identities: set[str] = field(default_factory=set, repr=False)
    """Patient IDs and names that were seen: what no text may show."""
    others: Counter = field(default_factory=Counter)
    scanned: Scanned = field(default_factory=lambda: Scanned(0, 0, 0))

    def plans_of(self, structure_set_uid: str) -> list[RtObject]:
        """The plans made on a structure set; those that only probably were where there is no other."""
        if self.plan_links is None:
            return [plan for plan in self.plans.values() if structure_set_uid in plan.references]
        return [self.plans[uid] for uid in self._linked(self.plan_links, structure_set_uid)]

    def doses_of(self, structure_set_uid: str) -> list[RtObject]:
        """The doses to sum for a structure set: PLAN doses, or where there is none, the others (each beam's).

        They are the doses of its plans and those that refer to it directly; those that only probably belong to it where there
        is no other.
        """
        if self.dose_links is None:
            targets = {structure_set_uid, *(plan.uid for plan in self.plans_of(structure_set_uid))}
            doses = [dose for dose in self.doses.values() if targets.intersection(dose.references)]
        else:
            doses = [self.doses[uid] for uid in self._linked(self.dose_links, structure_set_uid)]
        whole = [dose for dose in doses if dose.dose_summation_type == "PLAN"]
        return whole or doses

    def _linked(self, links: dict[str, str], structure_set_uid: str) -> list[str]:
        linked = [uid for uid, to in links.items() if to == structure_set_uid]
        return [uid for uid in linked if uid not in self.guessed] or linked

    def registrations_between(self, frame_a: str, frame_b: str) -> list[Registration]:
        """The registrations that connect two frames of reference, newest study first; `Registration.matrix` does the rest."""
        found = [one for one in self.registrations.values() if {frame_a, frame_b} <= one.frames]
        return sorted(found, key=lambda one: (one.study_date, one.uid), reverse=True)

    def select(self, selection: "Selection") -> "Index":
        """The part of the index that a selection wants; the problems stay."""
        from .selection import choose

        choice = choose(self, selection)
        return replace(
            self,
            series=Subset(self.series, choice.series),
            structure_sets=Subset(self.structure_sets, choice.structure_sets),
            plans=Subset(self.plans, choice.plans),
            doses=Subset(self.doses, choice.doses),
            registrations=Subset(self.registrations, choice.registrations),
            links=_only(self.links, choice.structure_sets, choice.series),
            plan_links=_only(self.plan_links, choice.plans, choice.structure_sets),
            dose_links=_only(self.dose_links, choice.doses, choice.structure_sets),
        )


def _only(links: dict[str, str] | None, keys: set[str], targets: set[str]) -> dict[str, str] | None:
    return links and {uid: to for uid, to in links.items() if uid in keys and to in targets}


def index_folders(sources: Iterable[Path | str], report: Reporter | None = None, *, store: Path | None = None) -> Index:
    """Index every file in and below `sources`, in any order and nesting.

    `store` is where the index is kept, so that unchanged files are not read again (None: nowhere).

    Raises:
        FedRTError: a source does not exist, there is not one DICOM image or RT object in all of them, or the store cannot be
            used.
    """
    report = report or Reporter()
    sources = [Path(source) for source in sources]
    barred: list[str] = []
    roots = {os.path.abspath(os.path.expanduser(source)): source for source in sources}
    index = _index(walk(sources, barred.append), roots, report, store, barred)
    if not index.series and not index.structure_sets:
        where = ", ".join(str(source) for source in sources)
        files = index.scanned.files
        what = f"holds {files} files, none of them" if files else "is empty: no"
        raise FedRTError(f"{where} {what} DICOM image or RT object; name the folder the planning system exported to.")
    return index


def index_files(paths: Iterable[Path | str], report: Reporter | None = None, *, store: Path | None = None) -> Index:
    """Index the given files (of a database, or fetched from a PACS); those that are gone are left out, none is no error.

    Raises:
        FedRTError: the store cannot be used.
    """
    return _index(found_files(paths), {}, report or Reporter(), store, [])


def _index(
    found: Iterable[Found], roots: dict[str, Path], report: Reporter, path: Path | None, barred: list[str]
) -> Index:
    store = open_store(path, report.warning)
    try:
        scanned = scan(store, found, roots, report)
        store.freeze()
        return _build(store, scanned, _as_named(roots), barred)
    except sqlite3.Error as error:
        store.close()
        where = f"the index {path}" if path else "the temporary index"
        raise FedRTError(f"{where} cannot be used ({error}); delete it, or name another file with --index.") from None
    except BaseException:
        store.close()
        raise


def _build(store: Store, scanned: Scanned, show: Callable[[str], Path], barred: list[str]) -> Index:
    findings = Findings(Identities(seen_identities(store)))
    leave_out_duplicates(store, findings)
    list_series(store)
    index = Index(
        series=SeriesRows(store, show),
        structure_sets=ObjectRows(store, show, "RTSTRUCT", rt_object("RTSTRUCT")),
        plans=ObjectRows(store, show, "RTPLAN", rt_object("RTPLAN")),
        doses=ObjectRows(store, show, "RTDOSE", rt_object("RTDOSE")),
        registrations=ObjectRows(store, show, "REG", registration_object),
        plan_links={},
        dose_links={},
        problems=findings.problems,
        identities=findings.identities.values,
        others=count_others(store),
        scanned=scanned,
    )
    add_file_problems(store, barred, findings)
    _link(index, store, findings)
    add_series_problems(store, index.series, findings)
    index.doubts = dict(findings.doubts)
    return index


def _link(index: Index, store: Store, findings: Findings) -> None:
    for rt in index.structure_sets.values():
        if (series := link_structure_set(store, rt, findings)) is not None:
            index.links[rt.uid] = series
    for plan in index.plans.values():
        if (to := link_plan(store, plan, index.structure_sets, findings)) is not None:
            index.plan_links[plan.uid] = to
    for dose in index.doses.values():
        to = link_dose(store, dose, index.plans, index.plan_links, index.structure_sets, findings)
        if to is not None:
            index.dose_links[dose.uid] = to
    for registration in index.registrations.values():
        if registration.deformable:
            findings.add_file(str(registration.path), "deformable", about=registration.uid)
    index.guessed = findings.guessed


def _as_named(roots: dict[str, Path]) -> Callable[[str], Path]:
    """Show paths below a source as the source was named: absolute ones stay so, relative ones as well."""
    renamed = [(root, source) for root, source in roots.items() if str(source) != root]

    def show(path: str) -> Path:
        for root, source in renamed:
            if path == root or path.startswith(root.rstrip(os.sep) + os.sep):
                return source / path[len(root) :].lstrip(os.sep)
        return Path(path)

    return show
