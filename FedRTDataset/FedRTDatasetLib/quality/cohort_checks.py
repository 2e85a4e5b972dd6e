"""What shows only when the cases of a dataset are compared with each other. Works on the records; no image is opened."""

from collections import defaultdict

import numpy as np

from ..finding import Finding
from ..storage.dataset import CaseRecord

CohortFindings = list[tuple[str, Finding]]
"""Case id and finding; the id is empty where the finding concerns the dataset."""

OUTLIER = 3.5
"""Modified z-score above which a value is an outlier (Iglewicz and Hoaglin 1993)."""
ENOUGH = 8
"""From this many cases on, a spread means something."""


def check_cohort(cases: list[CaseRecord]) -> CohortFindings:
    """Duplicates, patients in two splits, unusual volumes and grids, structures that hardly any case has."""
    return [
        *_shared_patients(cases),
        *_duplicate_images(cases),
        *_unusual_volumes(cases),
        *_unusual_extents(cases),
        *_rare_structures(cases),
    ]


def _shared_patients(cases: list[CaseRecord]) -> CohortFindings:
    splits = defaultdict(set)
    for case in cases:
        splits[case.patient].add(case.split)
    text = "its patient is in more than one split, so that a test would be on a patient trained on: build again."
    return [(case.id, Finding("split", text, "", "error")) for case in cases if len(splits[case.patient]) > 1]


def _duplicate_images(cases: list[CaseRecord]) -> CohortFindings:
    by_image = defaultdict(list)
    for case in cases:
        if "image.nrrd" in case.sha256:
            by_image[case.sha256["image.nrrd"]].append(case)
    found = []
    for same in by_image.values():
        if len(same) < 2:
            continue
        apart = len({case.split for case in same}) > 1
        for case in same:
            others = ", ".join(other.id for other in same if other is not case)
            text = f"its image is the same as that of {others}: keep one of them" + (
                "; they are in different splits, so that a test would be on what was trained on." if apart else "."
            )
            found.append((case.id, Finding("duplicate", text, "", "error" if apart else "warning")))
    return found


def _unusual_volumes(cases: list[CaseRecord]) -> CohortFindings:
    """Volumes are compared on a logarithmic scale: half and double are equally far."""
    volumes = defaultdict(dict)
    for case in cases:
        for name, volume in case.volumes_cm3.items():
            if volume > 0:
                volumes[name][case.id] = volume
    found = []
    for name, by_case in sorted(volumes.items()):
        if len(by_case) < ENOUGH:
            continue
        score = modified_z_scores(np.log(list(by_case.values())))
        median = float(np.median(list(by_case.values())))
        for (case_id, volume), z in zip(by_case.items(), score, strict=True):
            if abs(z) > OUTLIER:
                text = f"{name} has {volume:.1f} cm3, here usually about {median:.1f}: look at its contours."
                found.append((case_id, Finding("volume-in-cohort", text, name)))
    return found


def _unusual_extents(cases: list[CaseRecord]) -> CohortFindings:
    if len(cases) < ENOUGH:
        return []
    lengths = np.array([case.grid.size[2] * case.grid.spacing_mm[2] for case in cases])
    found = []
    for case, length, z in zip(cases, lengths, modified_z_scores(np.log(lengths)), strict=True):
        if abs(z) > OUTLIER:
            text = f"its image is {length:.0f} mm long, here usually about {np.median(lengths):.0f} mm: is it the right series?"
            found.append((case.id, Finding("extent-in-cohort", text)))
    return found


def _rare_structures(cases: list[CaseRecord]) -> CohortFindings:
    counts = defaultdict(int)
    for case in cases:
        for name in case.labelled:
            counts[name] += case.split == "train"
    few = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()) if count < 3)
    text = f"too few training cases are contoured to learn from: {few}."
    return [("", Finding("rare", text))] if few else []


def modified_z_scores(values: np.ndarray) -> np.ndarray:
    """(n,) 0.6745 (x - median) / MAD; where all but a few values agree, a hundredth of the scale stands in for the MAD."""
    deviation = values - np.median(values)
    spread = max(float(np.median(np.abs(deviation))), 0.01)
    return 0.6745 * deviation / spread
