"""The images of a case: each loaded, turned into its units, harmonised and brought onto the primary image's grid."""

from dataclasses import dataclass, field

import numpy as np

from ..errors import FedRTError
from ..imaging.pet import NoSuvError, suv_factor
from ..imaging.preprocess import (
    Grid,
    Processing,
    grid_of,
    harmonise_series,
)
from ..imaging.registration import Link, moved, resampling_transform
from ..imaging.series import LoadedSeries, load_series
from ..index.dicom_index import ImageSeries
from ..notes import Check, Step
from ..storage.records import ImageRecord, SourceGrid
from .case_sources import CaseSource, OtherImage

LITTLE_OVERLAP = 50  # percent of the primary image that another image ought to cover


@dataclass
class CaseImages:
    """images: file name -> SimpleITK float32 on `grid`. notes: for the screen, they may name files."""

    grid: Grid
    source_grid: SourceGrid
    images: dict[str, object] = field(default_factory=dict)
    records: list[ImageRecord] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def load_units(series: ImageSeries, processing: Processing, images: tuple[str, ...] = ()) -> tuple[LoadedSeries, str]:
    """A series in the units that its processing expects (HU, SUV by body weight), and what they are.

    `images`: SOP Instance UIDs that tell which volume of a series of several is meant. Inference loads images the same way.

    Raises:
        FedRTError: unreadable, or a PET that cannot be turned into SUV although its processing needs it.
    """
    loaded = load_series(series, images)
    if processing.modality == "CT":
        return loaded, "HU"
    if processing.modality != "PT":
        return loaded, "none"
    try:
        loaded.array *= np.float32(suv_factor(loaded.headers))
        return loaded, "SUVbw"
    except NoSuvError:
        if processing.intensity != "zscore":  # that takes any unit
            raise
        units = str(loaded.headers[0].get("Units", ""))
        return loaded, units if units in ("BQML", "CNTS", "GML") else "unknown"


def load_images(source: CaseSource, primary: LoadedSeries, units: str, processing: Processing, name: str) -> CaseImages:
    """Harmonise the loaded primary image, then load, align and harmonise the others.

    Raises:
        FedRTError: a required image cannot be used.
    """
    image, steps = harmonise_series(primary.array, primary.stack, processing)
    case = CaseImages(grid_of(image), source_grid_of(primary), notes=list(primary.notes))
    describe_geometry(source.primary, primary, "", case)
    case.steps += _named(units_step(units), "") + _named(steps, "")
    case.images["image.nrrd"] = image
    case.records.append(
        ImageRecord(name=name, modality=source.primary.modality, file="image.nrrd", processing=processing, units=units)
    )
    _check_content(image, "", case)
    for other in source.others:
        try:
            _add_other(other, processing, case)
        except FedRTError as error:
            if other.choice.required:
                raise FedRTError(f"its image {other.choice.name} cannot be used: {error}") from None
            case.notes.append(f"image {other.choice.name}: {error}")
            values = {"missing": error.missing} if isinstance(error, NoSuvError) else {}
            kind = "image-suv-impossible" if values else "image-unusable"
            case.checks.append(Check(kind=kind, severity="warning", image=other.choice.name, values=values))
    return case


def _add_other(other: OtherImage, primary: Processing, case: CaseImages) -> None:
    name, processing = other.choice.name, other.choice.processing_on(primary)
    loaded, units = load_units(other.series, processing)
    case.notes += [f"image {name}: {note}" for note in loaded.notes]
    describe_geometry(other.series, loaded, name, case)
    stack, transform = placed(loaded, other.link)
    coverage = _coverage(stack, case.grid, transform)
    image, steps = harmonise_series(loaded.array, stack, processing, case.grid, transform)
    align = {"by": "registration" if other.link.steps else "frame", "registrations": other.link.steps}
    if other.link.steps:
        align |= {"rigid": other.link.is_rigid, "matrix": [round(float(v), 6) for v in other.link.matrix.ravel()]}
        case.checks.append(Check(kind="image-registered", image=name, values={"steps": other.link.steps}))
    case.steps += _named([*units_step(units), Step(step="align", parameters=align), *steps], name)
    if coverage < LITTLE_OVERLAP:
        case.checks.append(
            Check(kind="image-little-overlap", severity="warning", image=name, values={"percent": coverage})
        )
    _check_content(image, name, case)
    file = f"image_{other.number}.nrrd"
    case.images[file] = image
    relation = "registration" if other.link.steps else "same-frame"
    case.records.append(ImageRecord(name=name, modality=other.series.modality, file=file, processing=processing,
                                    relation=relation, units=units))  # fmt: skip


def placed(loaded: LoadedSeries, link: Link):
    """The slices in the primary's frame of reference; or where they cannot be moved (scaled, sheared), the transform to use."""
    if link.steps == 0:
        return loaded.stack, None
    return (moved(loaded.stack, link), None) if link.is_rigid else (loaded.stack, resampling_transform(link))


def source_grid_of(loaded: LoadedSeries) -> SourceGrid:
    """The image as it was acquired."""
    stack, gaps = loaded.stack, np.diff(loaded.stack.offsets)
    position = str(loaded.headers[0].get("PatientPosition", "") or "")
    slices, rows, columns = stack.shape
    return SourceGrid(
        size=(columns, rows, slices), spacing_mm=tuple(round(float(s), 5) for s in stack.spacing),
        least_gap_mm=round(float(gaps.min()), 4), widest_gap_mm=round(float(gaps.max()), 4),
        tilt_degrees=round(tilt_degrees(stack), 2),
        patient_position=position if position in POSITIONS else "",
    )  # fmt: skip


POSITIONS = {
    f"{way}{side}" for way in ("HF", "FF", "LF", "RF", "AF", "PF") for side in ("S", "P", "DL", "DR", "L", "R")
}


def tilt_degrees(stack) -> float:
    """The angle between the slices' normal and the line that their origins lie on."""
    if not stack.is_sheared:
        return 0.0
    along = stack.positions[-1] - stack.positions[0]
    sine = np.linalg.norm(np.cross(along, stack.normal)) / np.linalg.norm(along)
    return float(np.degrees(np.arcsin(min(sine, 1.0))))


def describe_geometry(series: ImageSeries, loaded: LoadedSeries, name: str, case: CaseImages) -> None:
    """What was left out of a series and what its slices' places made necessary, as checks and steps."""
    stack, gaps = loaded.stack, np.diff(loaded.stack.offsets)
    left_out = len(series.files) - len(loaded.headers)
    case.steps.append(Step(step="read", image=name, parameters={"slices": len(loaded.headers), "left_out": left_out}))
    if left_out:
        case.checks.append(Check(kind="slices-left-out", image=name, values={"count": left_out}))
    if stack.is_sheared:
        degrees = round(tilt_degrees(stack), 2)
        case.checks.append(Check(kind="gantry-tilt", image=name, values={"degrees": degrees}))
        case.steps.append(Step(step="upright", image=name, parameters={"degrees": degrees, "interpolation": "linear"}))
    if stack.has_equal_gaps:
        return
    least, widest, step = round(float(gaps.min()), 3), round(float(gaps.max()), 3), round(float(stack.step), 4)
    in_steps = gaps / stack.step
    missing = int(np.sum(np.rint(in_steps) - 1)) if np.all(np.abs(in_steps - np.rint(in_steps)) < 0.1) else 0
    if missing:
        found = Check(kind="slices-missing", severity="warning", values={"count": missing, "widest_mm": widest})
    else:
        found = Check(kind="uneven-slices", values={"least_mm": least, "widest_mm": widest, "step_mm": step})
    case.checks.append(found.model_copy(update={"image": name}))
    parameters = {"step_mm": step, "missing": missing, "interpolation": "linear"}
    case.steps.append(Step(step="bridge-gaps", image=name, parameters=parameters))


def units_step(units: str) -> list[Step]:
    """Rescale slope and intercept of each slice, and SUV where it is PET."""
    return [Step(step="rescale", parameters={"units": units})] if units not in ("", "none") else [Step(step="rescale")]


def _named(steps: list[Step], image: str) -> list[Step]:
    return [step.model_copy(update={"image": image}) for step in steps]


def _check_content(image, name: str, case: CaseImages) -> None:
    import SimpleITK as sitk

    values = sitk.GetArrayViewFromImage(image)
    if not np.isfinite(values).all():
        raise FedRTError(f"image {name or 'primary'} holds values that are not numbers: export it again.")
    if values.min() == values.max():
        case.checks.append(Check(kind="constant-image", severity="warning", image=name))


def _coverage(stack, grid: Grid, transform) -> int:
    """Percent of `grid` that lies within the slices, on a coarse sample of points."""
    direction = np.reshape(grid.direction, (3, 3))
    places = np.stack(np.meshgrid(*[np.linspace(0, n - 1, 12) for n in grid.size], indexing="ij"), -1).reshape(-1, 3)
    points = np.array(grid.origin_mm) + (places * np.array(grid.spacing_mm)) @ direction.T
    if transform is not None:
        points = np.array([transform.TransformPoint(point.tolist()) for point in points])
    relative = points - stack.positions[0]
    inside = np.ones(len(points), dtype=bool)
    for axis, extent in ((stack.row_direction, stack.spacing[0] * stack.shape[2]),
                         (stack.column_direction, stack.spacing[1] * stack.shape[1]),
                         (stack.normal, stack.offsets[-1] + stack.step)):  # fmt: skip
        along = relative @ axis
        inside &= (along >= -extent * 0.01 - 1) & (along <= extent * 1.01 + 1)
    return round(100 * float(inside.mean()))
