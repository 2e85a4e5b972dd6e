"""How an RTSTRUCT refers to the images it was drawn on. Source: DICOM PS3.3 C.8.8.5 and C.8.8.6."""

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

DETACHED_STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"


def frame_of_reference(images: list[Dataset]) -> Dataset:
    """Item of the Referenced Frame of Reference Sequence: the study, the series and each of its slices."""
    series = Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = [_reference(image) for image in images]
    study = Dataset()
    study.ReferencedSOPClassUID = DETACHED_STUDY_MANAGEMENT
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = image.SOPClassUID
    item.ReferencedSOPInstanceUID = image.SOPInstanceUID
    return item


class SliceReferences:
    """Finds the slice a contour lies on, by its distance along the normal."""

    def __init__(self, images: list[Dataset]) -> None:
        orientation = np.array([float(v) for v in images[0].ImageOrientationPatient])
        self._normal = np.cross(orientation[:3], orientation[3:])
        offsets = np.array([np.dot([float(v) for v in image.ImagePositionPatient], self._normal) for image in images])
        order = np.argsort(offsets)
        self._offsets = offsets[order]
        self._images = [images[i] for i in order]
        self._references: dict[int, DataElement] = {}
        self._reach = float(np.median(np.diff(self._offsets))) * 0.5 + 1e-3 if len(images) > 1 else np.inf

    def reference_at(self, points: np.ndarray) -> DataElement | None:
        """The Contour Image Sequence of contours on that slice (one element for all of them); None on no slice."""
        offset = float(points.mean(axis=0) @ self._normal)
        nearest = int(np.argmin(np.abs(self._offsets - offset)))
        if abs(self._offsets[nearest] - offset) > self._reach:
            return None
        if nearest not in self._references:
            item = Dataset()
            item.ContourImageSequence = [_reference(self._images[nearest])]
            self._references[nearest] = item["ContourImageSequence"]
        return self._references[nearest]
