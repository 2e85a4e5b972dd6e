"""Which series and structure sets make up the cases of a dataset.

A case is one primary image. It gets the structure sets that were drawn on it or, where the settings declare which series is
the primary, on another series of the patient that shares its frame of reference or that a registration ties to it. The other
declared images are found the same way: same frame of reference before registration, then most slices, then the lowest UID.
"""

from dataclasses import dataclass

from ..errors import FedRTError
from ..imaging.registration import (
    Link,
    Registration,
    find_link,
    is_deformable_only,
    read_registration,
)
from ..index.dicom_index import ImageSeries, Index, RtObject
from ..naming.names import NameMap
from ..notes import Check
from ..pseudonym import SiteKey
from ..storage.records import CaseRecord
from .build_settings import BuildSettings
from .fingerprint import fingerprint
from .image_choice import ImageChoice, ImageChoices, most_slices
from .skipped import SkippedList
from .structure_set_choice import Candidate, ranked

RULES = 2
"""Goes up when the same sources make another case than before, so that finished cases are built again."""


@dataclass(frozen=True)
class OtherImage:
    """A second image of a case: what it was declared as (`number` for its file name), its series, its way to the primary."""

    number: int
    choice: ImageChoice
    series: ImageSeries
    link: Link


@dataclass(frozen=True)
class CaseSource:
    """Everything a case is built from. `wanted`: ROI name -> TG-263 name. `lacks`: reason why it cannot be built, or empty."""

    case_id: str
    patient: str
    primary: ImageSeries
    chosen: Candidate
    others: tuple[OtherImage, ...]
    checks: tuple[Check, ...]
    digest: str
    fingerprint: str
    lacks: str = ""

    @property
    def structure_set(self) -> RtObject:
        """The structure set that is used."""
        return self.chosen.structure_set


class CaseFinder:
    """Finds the cases of an index."""

    def __init__(
        self, index: Index, key: SiteKey, names: NameMap, settings: BuildSettings, skipped: SkippedList
    ) -> None:
        """`settings` must be resolved (`BuildSettings.resolved`)."""
        self._index, self._key, self._names = index, key, names
        self._settings, self._skipped = settings, skipped
        self._choices: ImageChoices = settings.choices(settings.processing.modality)
        self._registrations = self._read_registrations()
        self._by_patient: dict[str, list[ImageSeries]] = {}
        for series in index.series.values():
            self._by_patient.setdefault(series.patient_id, []).append(series)
        self._doses: dict[str, list[RtObject]] = {}
        for dose in index.doses.values():
            self._doses.setdefault(dose.patient_id, []).append(dose)

    def find(self, existing: dict[str, CaseRecord]) -> list[CaseSource]:
        """The cases in the order of their ids. A known case whose source did not change keeps its fingerprint unread."""
        candidates: dict[str, list[Candidate]] = {}
        alone: list[CaseSource] = []
        for uid, series_uid in sorted(self._index.links.items()):
            rt, series = self._index.structure_sets[uid], self._index.series[series_uid]
            primary, link = self._primary_of(series)
            one = Candidate(rt, series, link, self._wanted(rt), primary is series)
            if primary is None:
                alone.append(self._without_primary(series, one))
            else:
                candidates.setdefault(primary.uid, []).append(one)
        sources = [self._source(self._index.series[uid], sets, existing) for uid, sets in candidates.items()]
        taken = {source.case_id for source in sources}
        return sorted(sources + [a for a in alone if a.case_id not in taken], key=lambda source: source.case_id)

    def _primary_of(self, series: ImageSeries) -> tuple[ImageSeries | None, Link]:
        """The primary image for contours on `series`, and how to get from `series` to it."""
        choice = self._choices.primary
        if choice.fits(series):
            return series, Link()
        found = self._related(choice, series)
        return (found[0][0], found[0][1]) if found else (None, Link())

    def _related(self, choice: ImageChoice, series: ImageSeries) -> list[tuple[ImageSeries, Link]]:
        """Series of the same patient that can be `choice` and whose way from `series` is known, the best first."""
        found = []
        for other in most_slices(self._by_patient.get(series.patient_id, [])):
            if other is not series and choice.fits(other):
                link = self._link(series, other)
                if link is not None:
                    found.append((other, link))
        return sorted(found, key=lambda pair: (pair[1].steps, pair[0].study_uid != series.study_uid))

    def _link(self, source: ImageSeries, target: ImageSeries) -> Link | None:
        frames = source.frame_of_reference_uid, target.frame_of_reference_uid
        return find_link(self._registrations, *frames, source.patient_id)

    def _source(self, primary: ImageSeries, sets: list[Candidate], existing: dict[str, CaseRecord]) -> CaseSource:
        order = ranked(sets)
        chosen, checks = order[0], []
        case_id = self._key.case_id(primary.patient_id, primary.uid)
        if len(order) > 1:
            checks.append(Check(kind="structure-sets-several", values={"count": len(order)}))
            for unused in order[1:]:
                text = (
                    f"{unused.structure_set.path.name} is one of {len(order)} structure sets on one series and is not used: "
                    "approved ones go first, then those with most wanted structures, then the newest."
                )
                self._skipped.add("structure-set-unused", text, case=case_id, path=unused.structure_set.path)
        if not chosen.on_primary:
            checks.append(Check(kind="structure-set-of-other-image", values={"registrations": chosen.link.steps}))
        if _is_doubtful(chosen):
            checks.append(Check(kind="link-doubtful", severity="warning"))
        others, missing = [], []
        for number, choice in enumerate(self._choices.others, 1):
            self._find_other(number, choice, primary, others, checks, missing)
        digest = self._digest(primary, chosen, others)
        known = existing.get(case_id)
        same = known is not None and known.source == digest
        return CaseSource(
            case_id, self._key.pseudonym(primary.patient_id), primary, chosen, tuple(others), tuple(checks), digest,
            known.fingerprint if same else fingerprint(primary, self._key),
            f"it has no image {missing[0]}, which the dataset requires" if missing else "",
        )  # fmt: skip

    def _find_other(self, number, choice, primary, others, checks, missing) -> None:
        taken = {primary.uid} | {other.series.uid for other in others}
        fitting = [s for s in self._by_patient[primary.patient_id] if s.uid not in taken and choice.fits(s)]
        related = [(series, link) for series, link in self._related(choice, primary) if series.uid not in taken]
        if related:
            series, _ = related[0]
            best = [pair for pair in related if pair[1].steps == related[0][1].steps]
            if len(best) > 1:
                checks.append(Check(kind="image-of-several", image=choice.name, values={"count": len(best)}))
            others.append(OtherImage(number, choice, series, self._link(series, primary)))
            return
        deformable = any(
            is_deformable_only(self._registrations, one.frame_of_reference_uid, primary.frame_of_reference_uid)
            for one in fitting
        )
        kind = "image-deformable" if deformable else "image-not-aligned" if fitting else "image-missing"
        checks.append(Check(kind=kind, severity="warning", image=choice.name))
        if choice.required:
            missing.append(choice.name)

    def _without_primary(self, series: ImageSeries, candidate: Candidate) -> CaseSource:
        choice = self._choices.primary
        what = (
            f"no {choice.modality} series is tied to them"
            if not self._settings.images
            else f"no {choice.name} image is"
        )
        return CaseSource(
            self._key.case_id(series.patient_id, series.uid), self._key.pseudonym(series.patient_id), series, candidate,
            (), (), "", "",
            f"its contoured images are {series.modality}, the dataset is for {choice.modality}, and {what} by a frame of "
            "reference or a registration",
        )  # fmt: skip

    def _wanted(self, rt: RtObject) -> dict[str, str]:
        """ROI name as written -> TG-263 name, for those that are to be kept."""
        keep = self._settings.structures
        found = {name: self._names.lookup(name) for name in rt.roi_names}
        return {roi: name for roi, name in found.items() if name and (keep is None or name in keep)}

    def _digest(self, primary: ImageSeries, chosen: Candidate, others: list[OtherImage]) -> str:
        """Changes with anything that goes into the case."""
        rt = chosen.structure_set
        lines = [
            f"rules {RULES}",
            *sorted(primary.files),
            rt.uid,
            *sorted(f"{r}={n}" for r, n in chosen.wanted.items()),
        ]
        lines += [str(value) for value in chosen.link.matrix.ravel()] if chosen.link.steps else []
        for other in others:
            lines += [other.choice.name, *sorted(other.series.files)]
            lines += [str(value) for value in other.link.matrix.ravel()] if other.link.steps else []
        lines += sorted(plan.uid for plan in self._index.plans_of(rt.uid))
        lines += sorted(dose.uid for dose in self._doses_near(rt))
        return self._key.digest("\n".join(lines), "source")

    def _doses_near(self, rt: RtObject) -> list[RtObject]:
        """The doses of a structure set's plans, and those of its frame of reference that may stand in for them."""
        plans = {plan.uid for plan in self._index.plans_of(rt.uid)}
        frame = rt.frame_of_reference_uid
        return [
            dose
            for dose in self._doses.get(rt.patient_id, [])
            if plans.intersection(dose.references) or (frame and dose.frame_of_reference_uid == frame)
        ]

    def _read_registrations(self) -> list[Registration]:
        read = []
        for _, entry in sorted(getattr(self._index, "registrations", {}).items()):
            try:
                read.append(read_registration(entry.path))
            except FedRTError as error:
                self._skipped.add("registration-unreadable", str(error), path=entry.path)
        return read


def _is_doubtful(chosen: Candidate) -> bool:
    """Whether a structure set names neither the series nor one of its images, so that only the frame of reference ties them."""
    rt, series = chosen.structure_set, chosen.series
    return series.uid not in rt.series_uids and not any(uid in series.files for uid in rt.image_uids)
