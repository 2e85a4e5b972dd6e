"""The phantom cohort: three invented hospitals' exports as DICOM, for trying FedRT and for its tests.

    cohort.json
    <hospital>/<Patient ID>/CT_001.dcm ... RS.dcm RP.dcm RD.dcm

Patients are random but repeatable. Names, identifiers and dates are invented; they are there for de-identification to remove.
"""

import datetime
import json
from pathlib import Path

import numpy as np

from ..atomic import remove_leftovers, replacing_folder, write_json
from ..errors import FedRTError
from ..reporting import Reporter
from .anatomy import draw_anatomy
from .contours import draw_contours
from .dicom import (
    Person,
    write_ct,
    write_dose,
    write_structures,
)
from .dose import dose_axes, dose_gy
from .hospitals import HOSPITALS, Hospital
from .image import render, scan_axes
from .plan import GANTRY_ANGLES, write_plan

FORMAT = 1
"""Raised when the same seed gives other patients than before."""


def write_cohort(
    folder: Path | str,
    *,
    patients: int = 16,
    seed: int = 1,
    report: Reporter | None = None,
    hospitals: tuple[Hospital, ...] = HOSPITALS,
) -> dict[str, Path]:
    """Write the cohort, or what is missing of it.

    Args:
        folder: gets one folder a hospital.
        patients: how many each hospital has; which of them train, validate and test is the dataset's split.
        seed: gives other patients.

    Returns:
        Hospital key -> its folder.

    Raises:
        FedRTError: `folder` holds something else or a cohort of other settings.
    """
    folder, report = Path(folder), report or Reporter()
    settings = {"format": FORMAT, "seed": seed, "patients": patients, "hospitals": [h.key for h in hospitals]}
    _claim(folder, settings)
    of = patients * len(hospitals)
    for h, hospital in enumerate(hospitals):
        (folder / hospital.key).mkdir(exist_ok=True)
        remove_leftovers(folder / hospital.key)
        for n in range(patients):
            report.progress("phantom", h * patients + n, of)
            write_patient(folder / hospital.key, hospital, n, seed)
    report.progress("phantom", of, of)
    return {hospital.key: folder / hospital.key for hospital in hospitals}


def write_patient(hospital_folder: Path, hospital: Hospital, number: int, seed: int) -> Path:
    """Write one patient's folder, unless it is there."""
    person = invent_person(hospital, number, seed)
    folder = hospital_folder / person.patient_id
    if folder.exists():
        return folder
    streams = (_random(hospital, number, seed, stream) for stream in ("anatomy", "scan", "contours", "dose"))
    of_anatomy, of_scan, of_contours, of_dose = streams
    anatomy = draw_anatomy(of_anatomy, hospital.physique)
    axes = scan_axes(of_scan, hospital.scanner)
    rois, target = draw_contours(of_contours, anatomy, hospital.habits, axes)
    isocentre = np.array([0.0, 3.0, 5.0])
    with replacing_folder(folder) as partial:
        headers = write_ct(partial, hospital, person, render(of_scan, anatomy, hospital.scanner, axes), axes)
        write_structures(partial / "RS.dcm", hospital, person, headers, rois, isocentre)
        write_plan(partial / "RP.dcm", hospital, person, target, isocentre)
        grid = dose_axes(axes)
        gray = dose_gy(of_dose, anatomy, grid, hospital.prescription[0], beams=len(GANTRY_ANGLES))
        write_dose(partial / "RD.dcm", hospital, person, gray, grid, bits=32 if hospital.scanner.signed_pixels else 16)
    return folder


def invent_person(hospital: Hospital, number: int, seed: int) -> Person:
    """A name, an identifier and dates."""
    rng = _random(hospital, number, seed, "person")
    pick = lambda options: options[int(rng.integers(len(options)))]  # noqa: E731
    return Person(
        name=f"{pick(hospital.family_names)}^{pick(hospital.given_names)}",
        patient_id=f"{hospital.id_prefix}{int(rng.integers(1000, 9999))}{number:03d}",
        birth_date=datetime.date(1938, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 9000))),
        scanned=datetime.datetime(2023, 1, 9, 8, 0) + datetime.timedelta(minutes=int(rng.integers(0, 800_000))),
        physician=pick(hospital.physicians),
        entropy=f"fedrt phantom {FORMAT} {seed} {hospital.key} {number}",
        offset=tuple(float(v) for v in np.round(rng.uniform((-20, -190, -900), (20, -150, -300)), 1)),
    )


def _random(hospital: Hospital, number: int, seed: int, stream: str) -> np.random.Generator:
    """A generator of its own for every purpose, so that a change in one leaves the others as they were."""
    return np.random.default_rng([seed, number, *hospital.key.encode(), *stream.encode()])


def _claim(folder: Path, settings: dict) -> None:
    """Mark the folder as this cohort's, so that a second run goes on with it and nothing else is mixed in."""
    marker = folder / "cohort.json"
    if marker.exists():
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != settings:
            raise FedRTError(f"{folder} holds a phantom cohort of other settings; name an empty or new folder.")
    elif folder.exists() and any(folder.iterdir()):
        raise FedRTError(f"{folder} holds files but no phantom cohort; name an empty or new folder.")
    write_json(marker, settings)
