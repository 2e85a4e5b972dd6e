"""Contours for every series below some folders; one bad study never stops the rest."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from FedRTDatasetLib.building.case_images import load_units
from FedRTDatasetLib.errors import FedRTError
from FedRTDatasetLib.index.dicom_index import ImageSeries
from FedRTDatasetLib.index.selection import Selection
from FedRTDatasetLib.pseudonym import SiteKey
from FedRTDatasetLib.reporting import Reporter
from FedRTDatasetLib.sources.addresses import is_remote

from .predictor import Predictor
from .results import RECORD, Contoured, contour_series, write_results

IMAGE_FILES = (".nrrd", ".nii", ".nii.gz", ".mha")


@dataclass(frozen=True)
class Outcome:
    """What became of one input: `folder` where results were written, or `failed` with the reason."""

    case: str
    folder: Path | None = None
    failed: str = ""


def contour_all(
    predictor: Predictor,
    sources: Iterable[str | Path],
    out: Path,
    key: SiteKey,
    *,
    rtstruct: bool,
    segmentation: bool,
    report: Reporter | None = None,
    selection: Selection | None = None,
    cache: Path | None = None,
    credentials: Path | None = None,
) -> list[Outcome]:
    """Contour every series of the model's modality that `selection` wants of `sources`, and every image file named there.

    Each gets a folder of its own below `out`, named by the same pseudonymous case id as in a dataset of this site. What
    was already contoured by this model is not done again.
    """  # fmt: skip
    report = report or Reporter()
    sources = [str(source) for source in sources]
    volumes = [source for source in sources if source.lower().endswith(IMAGE_FILES) and Path(source).is_file()]
    files = [Path(source) for source in volumes]
    places = [source for source in sources if source not in volumes]
    series = _series_of(places, predictor, report, selection or Selection(), cache, credentials) if places else []
    jobs = [(_case_id(one, key), one) for one in series] + [(_plain_name(path), path) for path in files]

    outcomes = []
    for done, (case, item) in enumerate(jobs):
        report.progress("contour", done, len(jobs))
        folder = out / case
        if _is_done(folder, predictor, rtstruct and not isinstance(item, Path), segmentation):
            outcomes.append(Outcome(case, folder))
            continue
        try:
            record = _contour_one(item, folder, predictor, rtstruct, segmentation)
        except FedRTError as error:
            outcomes.append(Outcome(case, failed=str(error)))
        except Exception as error:
            outcomes.append(
                Outcome(case, failed=f"{type(error).__name__} while contouring; check this study's images.")
            )
        else:
            outcomes.append(Outcome(case, folder))
            for note in record["notes"]:
                report.warning(f"case {case}: {note}")
        if outcomes[-1].failed:
            report.warning(f"case {case} has no contours: {outcomes[-1].failed}")
    report.progress("contour", len(jobs), len(jobs))
    return outcomes


def _series_of(
    places: list[str],
    predictor: Predictor,
    report: Reporter,
    selection: Selection,
    cache: Path | None,
    credentials: Path | None,
) -> list[ImageSeries]:
    from FedRTDatasetLib.sources.opening import open_sources

    if any(map(is_remote, places)):  # a PACS is not asked for what the model cannot use
        modalities = selection.modalities or frozenset({predictor.processing.modality})
        selection = replace(selection, modalities=modalities, rt_objects=False)
    index = open_sources(places, report, selection=selection, cache=cache, credentials=credentials)
    for problem in index.problems:
        report.warning(problem.text)
    wanted = predictor.processing.modality
    series = [one for one in index.series.values() if one.modality == wanted]
    if not series:
        raise FedRTError(f"no {wanted} series in {', '.join(places)}; this model is for {wanted}.")
    others = len(index.series) - len(series)
    if others:
        report.warning(f"{others} series of another modality left out; this model is for {wanted}.")
    return sorted(series, key=lambda one: one.uid)


def _case_id(series: ImageSeries, key: SiteKey) -> str:
    return key.case_id(series.patient_id, series.uid)


def _plain_name(path: Path) -> str:
    return path.name.split(".")[0]


def _is_done(folder: Path, predictor: Predictor, rtstruct: bool, segmentation: bool) -> bool:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"RTSTRUCT.dcm"} if rtstruct else set()
    wanted |= {"structures.seg.nrrd"} if segmentation else set()
    written = {name for name in record.get("files", []) if (folder / name).is_file()}
    return record.get("model") == predictor.card.sha256 and wanted <= written


def _contour_one(
    item: ImageSeries | Path, folder: Path, predictor: Predictor, rtstruct: bool, segmentation: bool
) -> dict:
    if isinstance(item, Path):
        contoured, image = _contour_file(item, predictor)
        return write_results(folder, contoured, image, None, predictor, rtstruct=False, segmentation=True, notes=[])
    loaded, _ = load_units(item, predictor.processing)
    contoured, image = contour_series(predictor, loaded)
    return write_results(
        folder,
        contoured,
        image,
        loaded.headers,
        predictor,
        rtstruct=rtstruct,
        segmentation=segmentation,
        notes=loaded.notes,
    )


def _contour_file(path: Path, predictor: Predictor) -> tuple[Contoured, object]:
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        raise FedRTError(f"{path.name} cannot be read as an image; choose a NRRD, NIfTI or MetaImage volume.") from None
    if image.GetDimension() != 3:
        raise FedRTError(f"{path.name} has {image.GetDimension()} dimensions; a single 3D volume is needed.")
    contoured = Contoured()
    for result in predictor.predict(image):
        contoured.structures.append(result.structure)
        contoured.masks.append((result.probability >= 0.5).astype("uint8"))
    return contoured, image
