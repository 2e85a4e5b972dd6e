"""DICOM to a dataset: one case a primary image with its structure set.

Resumable and idempotent: a finished case whose source did not change is kept as it is. Whatever cannot be used is reported
and counted, and the rest goes on.
"""

import importlib.metadata
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FedRTError
from ..index.dicom_index import Index, Problem
from ..naming.names import NameMap
from ..naming.structures import structure
from ..pseudonym import SiteKey
from ..reporting import Reporter
from ..storage.dataset import (
    CaseRecord,
    DatasetRecord,
    read_case,
    read_record,
    write_record,
)
from ..storage.folder_lock import building
from ..storage.records import BuildRecord, Split
from ..storage.volume_file import is_full
from .build_jobs import in_turn, sensible_jobs
from .build_settings import BuildSettings
from .case_build import Built, build_case
from .case_folder import corrected_versions, finish_interrupted
from .case_sources import CaseFinder, CaseSource
from .fingerprint import groups_of_same
from .skipped import SkippedList
from .splits import assign_splits


def build_dataset(
    index: Index,
    settings: BuildSettings,
    out: Path,
    key: SiteKey,
    names: NameMap,
    report: Reporter | None = None,
    *,
    jobs: int | None = None,
) -> list[Problem]:
    """Build or extend the dataset `out` from what `index` found.

    Args:
        jobs: how many cases to build at the same time; None for what processors and memory allow.

    Returns:
        Everything that was skipped or is doubtful, those of the index included. The same stands, without file names, in
        the dataset's `build.json`, and for the people of this site in a table beside the dataset, `OUT.skipped.csv`.

    Raises:
        FedRTError: `out` is something else, was built with other settings or is being built by another run; there is no
            room on its disk; or no case could be built.
    """
    out = Path(out)
    _refuse_foreign(out)
    try:
        (out / "cases").mkdir(parents=True, exist_ok=True)
        with building(out):
            return _Build(index, settings, out, key, names, report or Reporter(), jobs).run()
    except OSError as error:
        if not is_full(error):
            raise
        raise FedRTError(
            f"there is no room left on the disk of {out}: free some and run the same command again, it goes on; what was "
            "finished is kept."
        ) from None


@dataclass
class _Build:
    index: Index
    settings: BuildSettings
    out: Path
    key: SiteKey
    names: NameMap
    report: Reporter
    jobs: int | None
    skipped: SkippedList = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> list[Problem]:
        existing_record = _existing_record(self.out)
        drawn_on = [self.index.series[uid].modality for uid in self.index.links.values()]
        self.settings = self.settings.resolved(drawn_on, existing_record.processing if existing_record else None)
        _refuse_other_settings(self.out, existing_record, self.settings)
        finish_interrupted(self.out / "cases")
        existing = _finished_cases(self.out, self.settings)

        built, duplicates, doubted = self._pass(existing)
        if doubted:  # a structure's place contradicts its name: those names are not used until a person decides
            built, duplicates, _ = self._pass(built)
            for roi, reason in doubted.items():
                text = f"ROI name {roi} is not used until you approve it in the name map: {reason}"
                self.skipped.add("name-doubted", text)
        self._write_skipped(duplicates)
        if not built:
            raise FedRTError(_nothing_built(self.skipped.problems))
        self._write(built)
        return self.skipped.problems

    def _tell_other_modalities(self) -> None:
        chosen = self.settings.processing.modality
        others = {self.index.series[uid].modality for uid in self.index.links.values()} - {chosen}
        if others and not self.settings.images:
            text = (
                f"structure sets are drawn on {' and '.join(sorted({chosen, *others}))} images; this dataset is of {chosen}: "
                "state modality under [processing] to choose, and build one dataset for each."
            )
            self.skipped.add("modalities-several", text, count=len(others) + 1)

    def _pass(self, existing: dict[str, CaseRecord]) -> tuple[dict[str, CaseRecord], list[list[str]], dict]:
        """Build what is new or changed; the cases, the groups of patients with the same images, the names that fell."""
        self.skipped = SkippedList(self.key, set(self.index.identities))
        self.skipped.add_problems(self.index.problems)
        self._tell_other_modalities()
        sources = CaseFinder(self.index, self.key, self.names, self.settings, self.skipped).find(existing)
        self._list_unused(sources)
        named = {source.case_id for source in sources}
        built = {
            case_id: case for case_id, case in existing.items() if case_id not in named
        }  # sources not named this time
        duplicates = self._duplicates(sources, built)
        splits = self._splits(sources, existing, duplicates)
        write_record(self.out / "dataset.json", self._record("building"))

        changed = [s for s in sources if s.case_id not in existing or existing[s.case_id].source != s.digest]
        built |= {s.case_id: existing[s.case_id] for s in sources if s not in changed}
        jobs = self.jobs or sensible_jobs(changed)
        outcomes: dict[str, Built | str] = {}
        self.report.progress("build", 0, len(changed))
        for done, (source, outcome) in enumerate(
            in_turn(lambda source: self._outcome(source, splits[source.patient]), changed, jobs), 1
        ):
            outcomes[source.case_id] = outcome
            self.report.progress("build", done, len(changed))
        for source in changed:  # in the order of the cases, however they finished
            self._settle(source, outcomes[source.case_id], built, existing.get(source.case_id))
        return built, duplicates, self._doubt_names(changed, outcomes)

    def _outcome(self, source: CaseSource, split: Split) -> Built | str:
        """The finished case, or why there is none. A full disk ends the whole build: no other case would fare better."""
        try:
            return build_case(source, self.index, self.settings, split, self.out / "cases", self.lock)
        except FedRTError as error:
            return str(error)
        except Exception as error:
            if is_full(error):
                raise
            return f"it could not be built ({type(error).__name__}): check this patient's export."

    def _settle(
        self, source: CaseSource, outcome: Built | str, built: dict[str, CaseRecord], known: CaseRecord | None
    ) -> None:
        if not isinstance(outcome, str):
            built[source.case_id] = outcome.record
            for note in outcome.notes:
                self.skipped.note(f"case {source.case_id}: {note}")
            return
        text = f"case {source.case_id}: {outcome}"
        if known is not None and corrected_versions(known.folder):
            built[source.case_id] = known
            text += " It stays as it was, because it has corrected structure sets."
        self.skipped.add("case-skipped", text, case=source.case_id, path=source.structure_set.path)

    def _doubt_names(self, changed: list[CaseSource], outcomes: dict[str, Built | str]) -> dict[str, str]:
        """Names that geometry contradicts in at least half of the cases that use them become undecided; with the reason."""
        used, doubts, reasons = Counter(), Counter(), {}
        for source in changed:
            outcome = outcomes[source.case_id]
            if isinstance(outcome, Built):
                used.update(source.chosen.wanted.keys())
                doubts.update({roi for roi, _ in outcome.doubts})
                reasons |= dict(reversed(outcome.doubts))
        fell = {}
        for roi, count in sorted(doubts.items()):
            before = self.names.lookup(roi)
            if 2 * count >= used[roi]:
                self.names.doubt(roi, reasons[roi])
            if self.names.lookup(roi) != before:
                fell[roi] = reasons[roi]
        return fell

    def _list_unused(self, sources: list[CaseSource]) -> None:
        used = {series.uid for s in sources for series in (s.primary, s.chosen.series, *(o.series for o in s.others))}
        for uid in sorted(set(self.index.series) - used):
            series = self.index.series[uid]
            text = (
                f"a {series.modality} series of {len(series.files)} slices is not used: no structure set belongs to it."
            )
            path = min(series.files.values(), default=None)
            self.skipped.add("series-unused", text, path=path and path.parent, slices=len(series.files))
        counts = Counter(name for rt in self.index.structure_sets.values() for name in rt.roi_names)
        for name in sorted(name for name in counts if self.names.is_undecided(name)):
            text = f"nobody has decided what ROI name {name} means: not used; name it in the name map and build again."
            self.skipped.add("roi-name-unknown", text, shown=False, structure_sets=counts[name])

    def _duplicates(self, sources: list[CaseSource], kept: dict[str, CaseRecord]) -> list[list[str]]:
        images = [(case.fingerprint, case.patient) for case in kept.values()]
        images += [(source.fingerprint, source.patient) for source in sources]
        groups = groups_of_same(images)
        for group in groups:
            text = f"patients {', '.join(group)} have the same images: they stay in one split; are they one person?"
            self.skipped.add("duplicate-patients", text, count=len(group))
        return groups

    def _splits(
        self, sources: list[CaseSource], existing: dict[str, CaseRecord], duplicates: list[list[str]]
    ) -> dict[str, Split]:
        patients = {source.patient for source in sources} | {case.patient for case in existing.values()}
        known = {case.patient: case.split for case in existing.values()}
        return assign_splits(sorted(patients), self.settings.splits.model_dump(), known, duplicates)

    def _record(self, state: str) -> DatasetRecord:
        return DatasetRecord(state=state, name=self.settings.name, processing=self.settings.processing, structures=[],
                             images=self.settings.declared_images())  # fmt: skip

    def _write_skipped(self, duplicates: list[list[str]]) -> None:
        record = BuildRecord(counts=self.skipped.counts(), skipped=self.skipped.items(), duplicates=duplicates)
        write_record(self.out / "build.json", record)
        self.skipped.save_table(self.out.with_name(self.out.name + ".skipped.csv"))

    def _write(self, built: dict[str, CaseRecord]) -> None:
        wanted = self.settings.structures or sorted({name for case in built.values() for name in case.labelled})
        write_record(self.out / "dataset.json", self._record("complete").model_copy(update={
            "structures": [structure(name) for name in wanted],
            "cases": sorted(built),
            "skipped": self.skipped.counts(),
            "software": {name: importlib.metadata.version(name) for name in ("numpy", "pydicom", "SimpleITK")},
        }))  # fmt: skip


def _refuse_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise FedRTError(f"{out} is a file; name an empty or new folder with --out.")
    inside = {entry.name for entry in out.iterdir()} if out.exists() else set()
    ours = {"cases", "dataset.json", "build.json"}
    if "dataset.json" not in inside and {name for name in inside - ours if not name.startswith(".")}:
        raise FedRTError(f"{out} holds files but is no dataset; name an empty or new folder with --out.")


def _existing_record(out: Path) -> DatasetRecord | None:
    return read_record(out / "dataset.json", DatasetRecord) if (out / "dataset.json").exists() else None


def _refuse_other_settings(out: Path, record: DatasetRecord | None, settings: BuildSettings) -> None:
    if record is None:
        return
    if record.processing != settings.processing:
        raise FedRTError(f"{out} was built with other processing settings; use those, or build into a new folder.")
    if record.images != settings.declared_images():
        raise FedRTError(f"{out} was built with other [[images]]; use those, or build into a new folder.")


def _finished_cases(out: Path, settings: BuildSettings) -> dict[str, CaseRecord]:
    """The cases that are whole and hold no structure that is not wanted any more; the others are built again."""
    cases = {}
    for folder in sorted((out / "cases").glob("P*")):
        try:
            cases[folder.name] = read_case(folder)
        except FedRTError:
            continue  # half written or altered: built again from its source
    wanted = None if settings.structures is None else set(settings.structures)
    return {name: case for name, case in cases.items() if wanted is None or wanted.issuperset(case.labelled)}


def _nothing_built(problems: list[Problem]) -> str:
    # By these no case is lost.
    beside = ("series-unused", "note", "no-patient-id", "missing-uid", "duplicate", "series-slices")
    problems = [problem for problem in problems if problem.kind not in beside]
    reasons = Counter(problem.kind for problem in problems)
    if not reasons:
        return (
            "there is no structure set with its images among the sources: nothing to build; export RTSTRUCT and images."
        )
    first = next((p.text for p in problems if p.kind == "case-skipped"), problems[0].text)
    told = ", ".join(f"{count} {kind}" for kind, count in reasons.most_common())
    return f"no case could be built ({told}); the first reason: {first}"
