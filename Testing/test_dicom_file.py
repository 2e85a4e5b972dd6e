"""Bare data sets (no preamble, no file meta information) and texts that pydicom splits."""

from pathlib import Path

import numpy as np
import pytest
from dicom_maker import make_patient
from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
from FedRTDatasetLib.dicom_file import read_dicom, text_of
from FedRTDatasetLib.imaging.series import load_series
from FedRTDatasetLib.index.dicom_index import index_folders
from FedRTDatasetLib.storage.convert import rtstruct_to_segmentation
from pydicom import dcmread, dcmwrite
from pydicom.multival import MultiValue
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian


def lay_bare(path: Path, syntax=ImplicitVRLittleEndian) -> None:
    """Write the file again in `syntax`, without what PS3.10 puts before the data set."""
    dataset = dcmread(path)
    if syntax == ExplicitVRBigEndian and "PixelData" in dataset:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    del dataset.file_meta
    dataset.preamble = None
    dcmwrite(path, dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    assert path.read_bytes()[128:132] != b"DICM"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_bare_series_and_its_structure_set_are_used(tmp_path, syntax):
    series = make_patient(tmp_path / "a")
    rtstruct = tmp_path / "a" / "structures.dcm"
    before = read_rtstruct(rtstruct)
    for path in (*series.files, rtstruct):
        lay_bare(path, syntax)
    index = index_folders([tmp_path / "a"])
    (found,) = index.series.values()
    assert np.array_equal(load_series(found).array, series.voxels)
    assert [roi.name for roi in read_rtstruct(rtstruct)] == [roi.name for roi in before]
    rtstruct_to_segmentation(tmp_path / "a", rtstruct, tmp_path / "x.seg.nrrd")
    assert (tmp_path / "x.seg.nrrd").exists()


def test_the_encoding_found_stands_in_the_file_meta_information(tmp_path):
    path = make_patient(tmp_path / "a").files[0]
    lay_bare(path)
    assert read_dicom(path).file_meta.TransferSyntaxUID == ImplicitVRLittleEndian


def test_a_text_with_a_backslash_stays_whole():
    assert text_of(MultiValue(str, ["PTV", "2"])) == "PTV\\2"
    assert text_of("PTV") == "PTV"
    assert text_of(None) == ""
