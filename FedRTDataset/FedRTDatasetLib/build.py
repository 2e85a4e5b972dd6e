"""Folders of DICOM to a dataset: one case an image series with its structure set.

Resumable and idempotent: a finished case whose source did not change is kept as it is. Whatever cannot be used is reported
and counted, and the rest goes on.
"""

import importlib.metadata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .atomic import remove_leftovers, replacing_folder
from .build_settings import BuildSettings
from .dataset import CaseRecord, DatasetRecord, file_sha256, read_case, read_record, write_record
from .dicom_index import ImageSeries, Index, Problem, RtObject
from .dose import plan_record, read_dose
from .errors import FedRTError
from .geometry import to_image
from .names import NameMap
from .preprocess import grid_of, harmonise, resample, resample_mask
from .privacy import without_identity
from .pseudonym import SiteKey
from .rasterise import rasterise
from .reporting import Reporter
from .rtstruct_read import Roi, read_rtstruct
from .segmentation import write_segmentation
from .series import LoadedSeries, load_series
from .splits import assign_splits
from .structures import structure


@dataclass(frozen=True)
class _Source:
    """An image series and the structure set drawn on it."""

    case_id: str
    patient: str
    series: ImageSeries
    structure_set: RtObject
    digest: str


def build_dataset(
    index: Index, settings: BuildSettings, out: Path, key: SiteKey, names: NameMap, report: Reporter | None = None
) -> list[Problem]:
    """Build or extend the dataset `out` from what `index` found.

    Returns:
        Everything that was skipped or is doubtful, those of the index included.

    Raises:
        FedRTError: `out` is something else or was built with other settings; or no case could be built.
    """
    report = report or Reporter()
    problems = list(index.problems)
    out = Path(out)
    existing = _open_for_building(out, settings)
    cases_folder = out / "cases"
    cases_folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(cases_folder)

    sources = _choose_sources(index, key, names, settings, problems)
    kept = existing.keys() - {source.case_id for source in sources}  # built from sources that are not named this time
    patients = {case.id: case.patient for case in existing.values()} | {s.case_id: s.patient for s in sources}
    fractions = settings.splits.model_dump()
    splits = assign_splits(
        sorted(set(patients.values())), fractions, {case.patient: case.split for case in existing.values()}
    )

    built: dict[str, CaseRecord] = {case_id: existing[case_id] for case_id in kept}
    record = DatasetRecord(state="building", name=settings.name, processing=settings.processing, structures=[])
    write_record(out / "dataset.json", record)
    for done, source in enumerate(sources):
        report.progress("build", done, len(sources))
        known = existing.get(source.case_id)
        if known is not None and known.source == source.digest:
            built[known.id] = known
            continue
        try:
            built[source.case_id] = _build_case(
                source, index, settings, names, splits[source.patient], cases_folder, problems
            )
        except FedRTError as error:
            problems.append(Problem("case-skipped", f"case {source.case_id}: {error}"))
        except Exception as error:
            text = f"case {source.case_id} could not be built ({type(error).__name__}): check this patient's export."
            problems.append(Problem("case-skipped", text))
    report.progress("build", len(sources), len(sources))
    if not built:
        raise FedRTError(_nothing_built(problems))

    wanted = settings.structures or sorted({name for case in built.values() for name in case.labelled})
    write_record(out / "dataset.json", record.model_copy(update={
        "state": "complete",
        "structures": [structure(name) for name in wanted],
        "cases": sorted(built),
        "skipped": dict(Counter(problem.kind for problem in problems)),
        "software": {name: importlib.metadata.version(name) for name in ("numpy", "pydicom", "SimpleITK")},
    }))  # fmt: skip
    return problems


def _open_for_building(out: Path, settings: BuildSettings) -> dict[str, CaseRecord]:
    """The finished cases of `out`, which must be absent, empty or a dataset of the same settings."""
    if not out.exists() or not any(out.iterdir()):
        return {}
    if not (out / "dataset.json").exists():
        raise FedRTError(f"{out} holds files but is no dataset; name an empty or new folder with --out.")
    record = read_record(out / "dataset.json", DatasetRecord)
    if record.processing != settings.processing:
        raise FedRTError(f"{out} was built with other processing settings; use those, or build into a new folder.")
    cases = {}
    for folder in sorted((out / "cases").glob("P*")):
        try:
            cases[folder.name] = read_case(folder)
        except FedRTError:
            continue  # half written or altered: built again from its source
    wanted = None if settings.structures is None else set(settings.structures)
    return {name: case for name, case in cases.items() if wanted is None or wanted.issuperset(case.labelled)}


def _choose_sources(
    index: Index, key: SiteKey, names: NameMap, settings: BuildSettings, problems: list[Problem]
) -> list[_Source]:
    """One structure set a series: the one with most wanted structures (of equals, the first by UID)."""
    candidates: dict[str, list[RtObject]] = {}
    for uid, series_uid in index.links.items():
        candidates.setdefault(series_uid, []).append(index.structure_sets[uid])
    sources = []
    for series_uid, structure_sets in candidates.items():
        series = index.series[series_uid]
        ranked = sorted(structure_sets, key=lambda rt: (-len(_wanted_rois(rt.roi_names, names, settings)), rt.uid))
        chosen = ranked[0]
        if len(ranked) > 1:
            text = f"{len(ranked)} structure sets on one series: the one with most wanted structures is used."
            problems.append(Problem("several-structure-sets", text))
        patient = key.pseudonym(series.patient_id)
        case_id = key.case_id(series.patient_id, series.uid)
        mapped = sorted(f"{roi}={name}" for roi, name in _wanted_rois(chosen.roi_names, names, settings).items())
        content = "\n".join([*sorted(series.files), chosen.uid, *mapped])
        sources.append(_Source(case_id, patient, series, chosen, key.digest(content, "source")))
    return sorted(sources, key=lambda source: source.case_id)


def _wanted_rois(roi_names: tuple[str, ...], names: NameMap, settings: BuildSettings) -> dict[str, str]:
    """ROI name as written -> TG-263 name, for those that are to be kept."""
    found = {name: names.lookup(name) for name in roi_names}
    return {
        roi: name
        for roi, name in found.items()
        if name and (settings.structures is None or name in settings.structures)
    }


def _build_case(
    source: _Source,
    index: Index,
    settings: BuildSettings,
    names: NameMap,
    split: str,
    folder: Path,
    problems: list[Problem],
) -> CaseRecord:
    processing = settings.processing
    if source.series.modality != processing.modality:
        raise FedRTError(f"its images are {source.series.modality}, the dataset is for {processing.modality}: skipped.")
    loaded = load_series(source.series)
    if loaded.stack.is_sheared:
        raise FedRTError("its slices are sheared (gantry tilt), which this version does not resample: skipped.")
    identity = (source.structure_set.patient_id, source.structure_set.patient_name)
    notes = [without_identity(note, *identity) for note in loaded.notes]
    native = _masks(source, loaded, names, settings, notes)
    if not native:
        raise FedRTError("none of the wanted structures is contoured; check the name map.")

    reference = to_image(loaded.array, loaded.stack)
    image = harmonise(reference, processing)
    grid = grid_of(image)
    masks = {}
    for name, mask in native.items():
        on_grid = mask if loaded.stack.is_regular else to_mask(mask, loaded)
        masks[name] = resample_mask(on_grid, reference, grid)
        if not masks[name].any():
            notes.append(f"{name} is smaller than the voxels of the dataset: it counts as not contoured.")
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    if not masks:
        raise FedRTError("its structures are smaller than the voxels of the dataset: choose a finer spacing_mm.")
    dose = _dose(source, index, grid, notes)
    problems += [Problem("note", f"case {source.case_id}: {note}") for note in notes]

    voxel_cm3 = float(np.prod(grid.spacing_mm)) / 1000
    with replacing_folder(folder / source.case_id) as partial:
        _write_images(partial, image, masks, dose)
        record = CaseRecord(
            id=source.case_id,
            patient=source.patient,
            split=split,
            source=source.digest,
            grid=grid,
            labelled=sorted(masks),
            volumes_cm3={name: round(float(masks[name].sum()) * voxel_cm3, 3) for name in sorted(masks)},
            plan=plan_record([plan.path for plan in index.plans_of(source.structure_set.uid)], _maximum(dose)),
            # Notes kept in the dataset are ours alone: file and ROI names stay in the report on screen.
            notes=sorted({note.split(":")[0] for note in notes if not _quotes_source(note)}),
            sha256={path.name: file_sha256(path) for path in sorted(partial.iterdir())},
        )
        write_record(partial / "case.json", record)
    record.folder = folder / source.case_id
    return record


def _quotes_source(note: str) -> bool:
    return "ROI" in note or ".dcm" in note or note.startswith("slice ")


def _masks(
    source: _Source, loaded: LoadedSeries, names: NameMap, settings: BuildSettings, notes: list[str]
) -> dict[str, np.ndarray]:
    """uint8 [k, y, x] masks on the series' own grid by TG-263 name."""
    masks: dict[str, np.ndarray] = {}
    rois = read_rtstruct(source.structure_set.path)
    wanted = _wanted_rois(tuple(roi.name for roi in rois), names, settings)
    for roi in rois:
        name = wanted.get(roi.name)
        if name is None:
            continue
        if name in masks:
            notes.append(f"ROI number {roi.number} is a second one for {name}: the first is used.")
            continue
        mask, beyond = rasterise(roi.polygons, loaded.stack)
        _note_contours(roi, name, beyond, notes)
        if mask.any():
            masks[name] = mask
    return masks


def _note_contours(roi: Roi, name: str, beyond: int, notes: list[str]) -> None:
    if not roi.polygons:
        notes.append(f"ROI number {roi.number} ({name}) has no closed contours: it counts as not contoured.")
    if roi.broken_contours:
        notes.append(f"ROI number {roi.number} ({name}) has {roi.broken_contours} unusable contours: left out.")
    if beyond:
        notes.append(f"ROI number {roi.number} ({name}) has {beyond} contours beyond the image slices: left out.")


def to_mask(mask: np.ndarray, loaded: LoadedSeries) -> np.ndarray:
    """A mask on slices with gaps brought to the bridged grid of `to_image`."""
    import SimpleITK as sitk

    return (sitk.GetArrayFromImage(to_image(mask.astype(np.float32), loaded.stack)) >= 0.5).astype(np.uint8)


def _dose(source: _Source, index: Index, grid, notes: list[str]):
    """The plan's dose on the case's grid (SimpleITK, Gy), summed over what `Index.doses_of` names, or None."""
    total = None
    for rt in index.doses_of(source.structure_set.uid):
        try:
            dose = resample(read_dose(rt.path), grid, outside=0.0)
        except (FedRTError, ValueError) as error:
            notes.append(f"dose left out ({type(error).__name__}).")
            continue
        total = dose if total is None else total + dose
    return total


def _maximum(dose) -> float | None:
    import SimpleITK as sitk

    return None if dose is None else round(float(sitk.GetArrayViewFromImage(dose).max()), 3)


def _write_images(folder: Path, image, masks: dict[str, np.ndarray], dose) -> None:
    import SimpleITK as sitk

    ordered = sorted(masks)
    sitk.WriteImage(image, str(folder / "image.nrrd"), useCompression=True)
    write_segmentation(
        folder / "structures.seg.nrrd",
        np.stack([masks[name] for name in ordered]),
        [structure(n) for n in ordered],
        image,
    )
    if dose is not None:
        sitk.WriteImage(dose, str(folder / "dose.nrrd"), useCompression=True)


def _nothing_built(problems: list[Problem]) -> str:
    reasons = Counter(problem.kind for problem in problems)
    if not reasons:
        return (
            "there is no structure set with its images among the sources: nothing to build; export RTSTRUCT and images."
        )
    first = next(p.text for p in problems)
    told = ", ".join(f"{count} {kind}" for kind, count in reasons.most_common())
    return f"no case could be built ({told}); the first reason: {first}"
